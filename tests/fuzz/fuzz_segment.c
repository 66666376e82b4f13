/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzz: recovery of a data folder whose partition holds these bytes. The first
 * byte says which file they are: the segment, an index, the aborted list, a
 * snapshot, the epochs, or the folder's checkpoint. Opening may refuse or put
 * the partition offline; what is opened must be readable, take an append, and
 * be the same after another opening. */
#include "base/fs.h"
#include "base/log.h"
#include "broker/folder.h"
#include "broker/logs.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static const char *const files[] = {
    "t-0/00000000000000000000.log",      "t-0/00000000000000000000.log",
    "t-0/00000000000000000000.index",    "t-0/00000000000000000000.timeindex",
    "t-0/00000000000000000000.txnindex", "t-0/00000000000000000000.snapshot",
    "t-0/leader-epoch-checkpoint",       "weir.checkpoint",
};

static char dir[PATH_MAX];

static void put_file(const char *name, const uint8_t *data, size_t size)
{
    char path[PATH_MAX + 64];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    require(file && (size == 0 || fwrite(data, 1, size, file) == size));
    require(fclose(file) == 0);
}

/* Reads everything; the log end. */
static int64_t read_all(struct wr_log *log)
{
    struct wr_buf out;
    int64_t at = wr_log_start_offset(log);
    wr_buf_init(&out, (size_t)1 << 20);
    for (;;) {
        struct wr_batch batch;
        struct wr_log_read how = {at, 4096, true, WR_READ_UNCOMMITTED};
        wr_buf_reset(&out);
        if (wr_log_read(log, &how, &out, NULL) != WR_ERR_NONE || out.len == 0) {
            break;
        }
        require(wr_batch_parse(wr_buf_view(&out), &batch, NULL) == WEIR_OK);
        require(wr_batch_last_offset(&batch) >= at);
        at = wr_batch_last_offset(&batch) + 1;
    }
    wr_buf_done(&out);
    return at;
}

static void open_twice(const struct wr_logs_config *config)
{
    int64_t end = -1;
    for (int round = 0; round < 2; round++) {
        struct wr_logs *logs;
        if (wr_logs_open(config, &logs, NULL) != WEIR_OK) {
            return;
        }
        struct wr_log *log = wr_logs_get(logs, weir_text("t"), 0);
        if (log && !wr_log_offline(log)) {
            struct wr_buf batch;
            struct wr_log_appended appended;
            struct wr_batch_builder builder;
            struct wr_batch_options options = WR_BATCH_PLAIN;
            struct wr_log_append how = {WR_LOG_CLIENT, true, 1000, NULL};
            require(end < 0 || wr_log_end_offset(log) == end);
            require(read_all(log) <= wr_log_end_offset(log));
            wr_buf_init(&batch, 1000);
            wr_batch_begin(&builder, &batch, &options);
            wr_batch_add(&builder, 1000, weir_text("k"), weir_text("v"));
            require(wr_batch_end(&builder) == WEIR_OK);
            if (wr_log_append(log, wr_buf_view(&batch), &how, &appended,
                              NULL) == WR_ERR_NONE) {
                require(wr_logs_wait(logs, NULL) == WEIR_OK);
                end = wr_log_end_offset(log);
                require(appended.base_offset == end - 1);
            }
            wr_buf_done(&batch);
        }
        if (wr_logs_close(logs, NULL) != WEIR_OK) {
            return;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t id[WR_TOPIC_ID_BYTES] = {7};
    char part[PATH_MAX + 8];
    if (size == 0) {
        return 0;
    }
    wr_log_configure(WR_ERROR, WR_LOG_LOGFMT);
    wr_log_level_now = WR_ERROR;
    (void)snprintf(dir, sizeof(dir), "%s/weir-fuzz-%ld",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp",
                   (long)getpid());
    (void)snprintf(part, sizeof(part), "%s/t-0", dir);
    require(wr_mkdirs(part, NULL) == WEIR_OK);
    require(wr_folder_write_id(part, id, NULL) == WEIR_OK);
    put_file("t-0/00000000000000000000.log", NULL, 0);
    put_file(files[data[0] % 8], data + 1, size - 1);
    if (data[0] & 8) {
        put_file(".kafka_cleanshutdown", NULL, 0);
    }
    struct wr_logs_config config = wr_logs_config_default();
    config.dir = dir;
    config.durability = data[0] & 16 ? WR_DURABILITY_SYNC : WR_DURABILITY_NONE;
    config.wal_file_bytes = (size_t)1 << 20;
    open_twice(&config);
    require(wr_remove_all(dir, NULL) == WEIR_OK);
    return 0;
}
