/* SPDX-License-Identifier: Apache-2.0
 *
 * What a durable append costs: ticks of the broker's log, each with one batch
 * for each of P partitions, synced once through the shared write-ahead log, or
 * (for comparison) one fdatasync for each segment. And the append alone,
 * without sync: nanoseconds a byte, with checksum and copy as the floor.
 *
 *   broker_append [FOLDER] [--ticks N] [--partitions P]
 *
 * One line a figure: name, rate, p50 and p99 of a tick in milliseconds. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "broker/batch.h"
#include "broker/logs.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static int ticks = 500;
static int partitions = 10;

static void die(const char *what)
{
    (void)fprintf(stderr, "broker_append: %s\n", what);
    exit(1);
}

static int order(const void *a, const void *b)
{
    const int64_t *x = a;
    const int64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void make_batch(struct wr_buf *out, size_t size, size_t value_size)
{
    static uint8_t value[4096];
    struct wr_batch_builder builder;
    struct wr_batch_options options = WR_BATCH_PLAIN;
    wr_buf_init(out, (size_t)16 << 20);
    wr_batch_begin(&builder, out, &options);
    while (out->len + value_size < size || builder.record_count == 0) {
        wr_batch_add(&builder, wr_wall_ms(), WEIR_NULL,
                     weir_bytes(value, value_size));
    }
    if (wr_batch_end(&builder) != WEIR_OK) {
        die("batch");
    }
}

static void append_all(struct wr_log **logs, int count, struct weir_bytes batch)
{
    struct wr_log_appended out;
    struct weir_error err = {0};
    struct wr_log_append how = {WR_LOG_CLIENT, true, wr_wall_ms(), NULL};
    for (int p = 0; p < count; p++) {
        if (wr_log_append(logs[p], batch, &how, &out, &err) != WR_ERR_NONE) {
            die(err.text);
        }
    }
}

struct setting {
    const char *name;
    enum wr_durability durability;
    size_t direct_bytes;
    size_t batch_bytes;
    int ticks;
};

static void run(const char *dir, const struct setting *setting)
{
    char path[PATH_MAX];
    struct weir_error err = {0};
    struct wr_logs *logs;
    struct wr_log *log[64] = {0};
    struct wr_buf batch;
    uint8_t id[WR_TOPIC_ID_BYTES] = {1};
    (void)snprintf(path, sizeof(path), "%s/broker_append.data", dir);
    if (wr_remove_all(path, &err) != WEIR_OK) {
        die(err.text);
    }
    struct wr_logs_config config = wr_logs_config_default();
    config.dir = path;
    config.durability = setting->durability;
    config.direct_bytes = setting->direct_bytes;
    if (wr_logs_open(&config, &logs, &err) != WEIR_OK) {
        die(err.text);
    }
    for (int p = 0; p < partitions; p++) {
        struct wr_logs_new what = {"bench", id, p, p + 1 < partitions};
        if (wr_logs_create(logs, &what, &log[p], &err) != WEIR_OK) {
            die(err.text);
        }
    }
    make_batch(&batch, setting->batch_bytes, 100);
    int64_t *took = calloc((size_t)setting->ticks, sizeof(*took));
    int64_t begin = wr_mono_ns();
    int64_t appending = 0;
    for (int i = 0; i < setting->ticks; i++) {
        int64_t at = wr_mono_ns();
        append_all(log, partitions, wr_buf_view(&batch));
        appending += wr_mono_ns() - at;
        if (wr_logs_wait(logs, &err) != WEIR_OK) {
            die(err.text);
        }
        took[i] = wr_mono_ns() - at;
    }
    double seconds = (double)(wr_mono_ns() - begin) / 1e9;
    double bytes = (double)batch.len * partitions * setting->ticks;
    qsort(took, (size_t)setting->ticks, sizeof(*took), order);
    int middle = setting->ticks / 2;
    int late = setting->ticks * 99 / 100;
    (void)printf("%-34s %4zu KiB x %d: %7.0f ticks/s %7.1f MB/s  p50 %7.3f ms"
                 "  p99 %7.3f ms  append %5.2f ns/B\n",
                 setting->name, batch.len >> 10, partitions,
                 setting->ticks / seconds, bytes / seconds / 1e6,
                 (double)took[middle] / 1e6, (double)took[late] / 1e6,
                 (double)appending / bytes);
    free(took);
    wr_buf_done(&batch);
    if (wr_logs_close(logs, &err) != WEIR_OK ||
        wr_remove_all(path, &err) != WEIR_OK) {
        die(err.text);
    }
}

/* What no append can be cheaper than. */
static void floor_cost(void)
{
    struct wr_buf batch;
    make_batch(&batch, 65536, 100);
    uint8_t *copy = malloc(batch.len);
    uint32_t sum = 0;
    int64_t begin = wr_mono_ns();
    for (int i = 0; i < 20000 && copy; i++) {
        sum += wr_crc32c(sum, batch.data, batch.len);
        memcpy(copy, batch.data, batch.len);
        sum += copy[i % 1000];
    }
    double ns = (double)(wr_mono_ns() - begin) / 20000 / (double)batch.len;
    (void)printf("%-34s %.2f ns/B (%u)\n", "checksum and one copy", ns,
                 sum & 1);
    free(copy);
    wr_buf_done(&batch);
}

int main(int argc, char **argv)
{
    const char *dir = "/tmp";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--ticks") == 0 && i + 1 < argc) {
            ticks = (int)strtol(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--partitions") == 0 && i + 1 < argc) {
            partitions = (int)strtol(argv[++i], NULL, 10);
        } else {
            dir = argv[i];
        }
    }
    if (ticks < 1 || partitions < 1 || partitions > 64) {
        die("--ticks from 1, --partitions from 1 to 64");
    }
    const struct setting settings[] = {
        {"shared log, small", WR_DURABILITY_SYNC, SIZE_MAX, 300, ticks},
        {"fdatasync each, small", WR_DURABILITY_SYNC, 1, 300, ticks},
        {"shared log, 16 KiB", WR_DURABILITY_SYNC, SIZE_MAX, 16384, ticks},
        {"fdatasync each, 16 KiB", WR_DURABILITY_SYNC, 1, 16384, ticks},
        {"shared log, 256 KiB", WR_DURABILITY_SYNC, SIZE_MAX, 262144,
         ticks / 10 + 1},
        {"fdatasync each, 256 KiB", WR_DURABILITY_SYNC, 1, 262144,
         ticks / 10 + 1},
        {"shared log, 1000 KiB", WR_DURABILITY_SYNC, SIZE_MAX, 1024000,
         ticks / 20 + 1},
        {"fdatasync each, 1000 KiB", WR_DURABILITY_SYNC, 1, 1024000,
         ticks / 20 + 1},
        {"no sync, 16 KiB", WR_DURABILITY_NONE, SIZE_MAX, 16384, ticks},
        {"no sync, small", WR_DURABILITY_NONE, SIZE_MAX, 300, ticks * 10},
    };
    floor_cost();
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        run(dir, &settings[i]);
    }
    return 0;
}
