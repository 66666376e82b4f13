/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the log share: a data folder of its own, batches, and the
 * answer to "which records are there". Every assertion ends the test. */
#ifndef WEIR_TESTS_LOG_FIXTURE_H
#define WEIR_TESTS_LOG_FIXTURE_H

#include "broker/batch.h"
#include "broker/logs.h"

#define TEST_TIME_MS INT64_C(1700000000000)

/** An empty folder below $TMPDIR or /tmp; free() it after test_dir_remove. */
char *test_dir_new(void);
void test_dir_remove(char *dir);
/** Copies a folder with all it holds. */
void test_dir_copy(const char *from, const char *to);

/** Defaults, small enough for tests, in `dir`; the clock stands at
 * TEST_TIME_MS. */
struct wr_logs_config test_logs_config(const char *dir);
struct wr_logs *test_logs_open(const struct wr_logs_config *config);
void test_logs_close(struct wr_logs *logs);
/** Ends a run as kill -9 does: nothing is written any more. For a forked
 * child's folder this is not needed. */
void test_logs_crash(struct wr_logs *logs);
/** The log of topic-partition, made when there is none. */
struct wr_log *test_log(struct wr_logs *logs, const char *topic,
                        int32_t partition);

/** What a batch of `count` records holds: values "<tag>-<i>", keys "k<i>". */
struct test_batch {
    int64_t producer_id; /* -1: plain */
    int16_t epoch;
    int32_t sequence;
    bool transactional;
    int32_t count;
    int64_t
        timestamp; /* of the first record; each next is 1 later; 0: TEST_TIME_MS
                    */
    const char *tag;
    size_t pad; /* more bytes in each value */
};
void test_batch_put(struct wr_buf *out, const struct test_batch *batch);
/** Appends; the code that came back. */
enum wr_kafka_error test_append(struct wr_log *log,
                                const struct test_batch *batch,
                                struct wr_log_appended *out);
/** Appends `count` plain records in one batch; they must be taken. Returns the
 * base offset. */
int64_t test_put(struct wr_log *log, const char *tag, int32_t count);
enum wr_kafka_error test_marker(struct wr_log *log, int64_t producer_id,
                                int16_t epoch, bool commit);
/** Everything appended is durable, or the test fails. */
void test_sync(struct wr_logs *logs);

/** All values that a reader sees from `offset` on, as "offset:value " texts;
 *  markers as "offset:commit " or "offset:abort ". free() it. */
char *test_read(struct wr_log *log, int64_t offset,
                enum wr_isolation isolation);

#endif
