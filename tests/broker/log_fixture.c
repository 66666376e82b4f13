/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/broker/log_fixture.h"

#include "base/fs.h"
#include "broker/log_internal.h"
#include "tests/harness/weir_test.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t test_now(void)
{
    return TEST_TIME_MS;
}

char *test_dir_new(void)
{
    char path[PATH_MAX];
    const char *tmp = getenv("TMPDIR");
    if (!tmp) {
        /* Most tests are about what is where, not about how fast it gets there.
         */
        tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    }
    (void)snprintf(path, sizeof(path), "%s/weir-log-XXXXXX", tmp);
    assert_non_null(mkdtemp(path));
    return strdup(path);
}

void test_dir_remove(char *dir)
{
    assert_int_equal(wr_remove_all(dir, NULL), WEIR_OK);
    free(dir);
}

void test_dir_copy(const char *from, const char *to)
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)execlp("cp", "cp", "-a", "--", from, to, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    assert_int_equal(status, 0);
}

struct wr_logs_config test_logs_config(const char *dir)
{
    struct wr_logs_config config = wr_logs_config_default();
    config.dir = dir;
    config.now_ms = test_now;
    config.wal_file_bytes = (size_t)1 << 20;
    config.wal_files_max = 2;
    config.direct_bytes = (size_t)64 << 10;
    config.topic.retention_ms = -1;
    return config;
}

struct wr_logs *test_logs_open(const struct wr_logs_config *config)
{
    struct wr_logs *logs = NULL;
    struct weir_error err = {0};
    enum weir_status status = wr_logs_open(config, &logs, &err);
    if (status != WEIR_OK) {
        fail_msg("open: %s", err.text);
    }
    return logs;
}

void test_logs_close(struct wr_logs *logs)
{
    struct weir_error err = {0};
    if (wr_logs_close(logs, &err) != WEIR_OK) {
        fail_msg("close: %s", err.text);
    }
}

void test_logs_crash(struct wr_logs *logs)
{
    /* A log that failed writes nothing more and leaves no mark of a proper end.
     */
    wr_logs_fail(logs, "crash of a test");
    assert_int_equal(wr_logs_close(logs, NULL), WEIR_E_IO);
}

struct wr_log *test_log(struct wr_logs *logs, const char *topic,
                        int32_t partition)
{
    uint8_t id[WR_TOPIC_ID_BYTES] = {0};
    struct weir_error err = {0};
    struct wr_log *log = wr_logs_get(logs, weir_text(topic), partition);
    if (!log) {
        (void)snprintf((char *)id, sizeof(id), "id-%s", topic);
        struct wr_logs_new what = {topic, id, partition, false};
        if (wr_logs_create(logs, &what, &log, &err) != WEIR_OK) {
            fail_msg("create: %s", err.text);
        }
    }
    return log;
}

void test_batch_put(struct wr_buf *out, const struct test_batch *batch)
{
    struct wr_batch_builder builder;
    struct wr_batch_options options = {
        .producer_id = batch->producer_id,
        .producer_epoch = batch->producer_id < 0 ? -1 : batch->epoch,
        .base_sequence = batch->producer_id < 0 ? -1 : batch->sequence,
        .attributes =
            (int16_t)(batch->transactional ? WR_BATCH_TRANSACTIONAL : 0),
    };
    int64_t timestamp = batch->timestamp ? batch->timestamp : TEST_TIME_MS;
    char *value = calloc(1, 64 + batch->pad);
    assert_non_null(value);
    wr_batch_begin(&builder, out, &options);
    for (int32_t i = 0; i < batch->count; i++) {
        char key[32];
        int k = snprintf(key, sizeof(key), "k%" PRId32, i);
        int n = snprintf(value, 64, "%s-%" PRId32, batch->tag, i);
        memset(value + n, '.', batch->pad);
        wr_batch_add(&builder, timestamp + i, weir_bytes(key, (size_t)k),
                     weir_bytes(value, (size_t)n + batch->pad));
    }
    free(value);
    assert_int_equal(wr_batch_end(&builder), WEIR_OK);
}

enum wr_kafka_error test_append(struct wr_log *log,
                                const struct test_batch *batch,
                                struct wr_log_appended *out)
{
    struct wr_buf bytes;
    struct wr_log_appended ignored;
    struct wr_log_append how = {WR_LOG_CLIENT, true, TEST_TIME_MS, NULL};
    wr_buf_init(&bytes, (size_t)64 << 20);
    test_batch_put(&bytes, batch);
    enum wr_kafka_error code = wr_log_append(log, wr_buf_view(&bytes), &how,
                                             out ? out : &ignored, NULL);
    wr_buf_done(&bytes);
    return code;
}

int64_t test_put(struct wr_log *log, const char *tag, int32_t count)
{
    struct wr_log_appended appended;
    struct test_batch batch = {.producer_id = -1, .count = count, .tag = tag};
    assert_int_equal(test_append(log, &batch, &appended), WR_ERR_NONE);
    return appended.base_offset;
}

enum wr_kafka_error test_marker(struct wr_log *log, int64_t producer_id,
                                int16_t epoch, bool commit)
{
    struct wr_log_appended appended;
    struct wr_marker marker = {producer_id, epoch, commit, 0, TEST_TIME_MS};
    return wr_log_append_marker(log, &marker, &appended, NULL);
}

void test_sync(struct wr_logs *logs)
{
    struct weir_error err = {0};
    if (wr_logs_wait(logs, &err) != WEIR_OK) {
        fail_msg("sync: %s", err.text);
    }
}

static void put_batch(struct wr_buf *text, struct weir_bytes bytes,
                      int64_t from)
{
    struct wr_batch_iter iter;
    struct wr_record record;
    struct wr_marker marker;
    struct wr_buf plain;
    wr_buf_init(&plain, (size_t)64 << 20);
    assert_int_equal(wr_batch_iter_init(&iter, bytes, &plain, NULL), WEIR_OK);
    assert_true(wr_batch_crc_ok(bytes, &iter.batch));
    if (wr_batch_is_control(&iter.batch)) {
        assert_int_equal(wr_batch_get_marker(bytes, &marker), WEIR_OK);
        wr_buf_printf(text, "%" PRId64 ":%s ", iter.batch.base_offset,
                      marker.commit ? "commit" : "abort");
    } else {
        while (wr_batch_iter_next(&iter, &record)) {
            size_t n = 0;
            while (n < record.value.len && record.value.data[n] != '.') {
                n++;
            }
            if (record.offset >= from) {
                wr_buf_printf(text, "%" PRId64 ":%.*s ", record.offset, (int)n,
                              (const char *)record.value.data);
            }
        }
        assert_int_equal(iter.status, WEIR_OK);
    }
    wr_buf_done(&plain);
}

char *test_read(struct wr_log *log, int64_t offset, enum wr_isolation isolation)
{
    struct wr_buf bytes, text;
    struct weir_error err = {0};
    wr_buf_init(&bytes, (size_t)64 << 20);
    wr_buf_init(&text, (size_t)64 << 20);
    int64_t at = offset;
    for (;;) {
        struct wr_log_read how = {at, 300, true, isolation};
        wr_buf_reset(&bytes);
        if (wr_log_read(log, &how, &bytes, &err) != WR_ERR_NONE) {
            fail_msg("read at %" PRId64 ": %s", at, err.text);
        }
        if (bytes.len == 0) {
            break;
        }
        struct wr_batch batch;
        for (size_t pos = 0; pos < bytes.len; pos += batch.size) {
            struct weir_bytes rest =
                weir_bytes(bytes.data + pos, bytes.len - pos);
            assert_int_equal(wr_batch_parse(rest, &batch, NULL), WEIR_OK);
            put_batch(&text, rest, at);
            at = wr_batch_last_offset(&batch) + 1;
        }
    }
    char *out = strdup(wr_buf_text(&text));
    wr_buf_done(&bytes);
    wr_buf_done(&text);
    return out;
}
