/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/log_internal.h"

#include "tests/broker/log_fixture.h"
#include "tests/harness/weir_test.h"

#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char *dir;
    struct wr_logs_config config;
    struct wr_logs *logs;
    struct wr_log *log;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->dir = test_dir_new();
    f->config = test_logs_config(f->dir);
    f->config.topic.segment_bytes = 2000;
    f->logs = test_logs_open(&f->config);
    f->log = test_log(f->logs, "t", 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    test_logs_close(f->logs);
    test_dir_remove(f->dir);
    free(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    test_logs_close(f->logs);
    f->logs = test_logs_open(&f->config);
    f->log = test_log(f->logs, "t", 0);
}

static void expect(struct wr_log *log, int64_t from,
                   enum wr_isolation isolation, const char *expected)
{
    char *text = test_read(log, from, isolation);
    assert_string_equal(text, expected);
    free(text);
}

static void offsets_rise_by_one(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(test_put(f->log, "a", 3), 0);
    assert_int_equal(test_put(f->log, "b", 1), 3);
    assert_int_equal(wr_log_end_offset(f->log), 4);
}

static void nothing_is_visible_before_it_is_durable(void **state)
{
    struct fixture *f = *state;
    (void)test_put(f->log, "a", 2);
    assert_int_equal(wr_log_high_watermark(f->log), 0);
    expect(f->log, 0, WR_READ_UNCOMMITTED, "");
    test_sync(f->logs);
    assert_int_equal(wr_log_high_watermark(f->log), 2);
    expect(f->log, 0, WR_READ_UNCOMMITTED, "0:a-0 1:a-1 ");
}

static void records_come_back_across_segments_and_restarts(void **state)
{
    struct fixture *f = *state;
    char expected[20000] = "";
    size_t len = 0;
    for (int i = 0; i < 200; i++) {
        char tag[16];
        (void)snprintf(tag, sizeof(tag), "r%d", i);
        (void)test_put(f->log, tag, 1);
        len += (size_t)snprintf(expected + len, sizeof(expected) - len,
                                "%d:%s-0 ", i, tag);
    }
    test_sync(f->logs);
    expect(f->log, 0, WR_READ_UNCOMMITTED, expected);
    reopen(f);
    assert_int_equal(wr_log_end_offset(f->log), 200);
    expect(f->log, 0, WR_READ_UNCOMMITTED, expected);
    assert_int_equal(test_put(f->log, "more", 1), 200);
}

/* Cuts the second file of the log to nothing; its first offset. */
static int64_t empty_second_file(const struct fixture *f)
{
    char pattern[PATH_MAX];
    glob_t files;
    (void)snprintf(pattern, sizeof(pattern), "%s/t-0/*.log", f->dir);
    assert_int_equal(glob(pattern, 0, NULL, &files), 0);
    assert_true(files.gl_pathc > 3);
    const char *second = files.gl_pathv[1];
    int64_t offset = strtoll(strrchr(second, '/') + 1, NULL, 10);
    assert_int_equal(truncate(second, 0), 0);
    globfree(&files);
    return offset;
}

static void offsets_that_are_missing_are_told_not_skipped(void **state)
{
    struct fixture *f = *state;
    struct weir_error err = {0};
    struct wr_buf out;
    for (int i = 0; i < 200; i++) {
        (void)test_put(f->log, "r", 1);
    }
    test_sync(f->logs);
    test_logs_close(f->logs);
    int64_t missing = empty_second_file(f);
    f->logs = test_logs_open(&f->config);
    f->log = test_log(f->logs, "t", 0);
    wr_buf_init(&out, 100000);
    struct wr_log_read how = {missing, 300, true, WR_READ_UNCOMMITTED};
    assert_int_equal(wr_log_read(f->log, &how, &out, &err),
                     WR_ERR_CORRUPT_MESSAGE);
    assert_non_null(strstr(err.text, "are missing"));
    assert_int_equal(out.len, 0);
    how.offset = missing - 1;
    assert_int_equal(wr_log_read(f->log, &how, &out, &err), WR_ERR_NONE);
    assert_true(out.len > 0);
    wr_buf_done(&out);
}

static void an_idempotent_batch_is_stored_once(void **state)
{
    struct fixture *f = *state;
    struct wr_log_appended first, again;
    struct test_batch batch = {
        .producer_id = 7, .count = 3, .tag = "x", .sequence = 0};
    assert_int_equal(test_append(f->log, &batch, &first), WR_ERR_NONE);
    assert_int_equal(test_append(f->log, &batch, &again), WR_ERR_NONE);
    assert_true(again.duplicate);
    assert_int_equal(again.base_offset, first.base_offset);
    assert_int_equal(wr_log_end_offset(f->log), 3);
    batch.sequence = 4;
    assert_int_equal(test_append(f->log, &batch, &again),
                     WR_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
}

static void five_batches_are_known_after_a_restart(void **state)
{
    struct fixture *f = *state;
    struct test_batch batch = {.producer_id = 7, .count = 1, .tag = "x"};
    for (int32_t i = 0; i < 8; i++) {
        batch.sequence = i;
        assert_int_equal(test_append(f->log, &batch, NULL), WR_ERR_NONE);
    }
    reopen(f);
    for (int32_t i = 3; i < 8; i++) {
        struct wr_log_appended appended;
        batch.sequence = i;
        assert_int_equal(test_append(f->log, &batch, &appended), WR_ERR_NONE);
        assert_true(appended.duplicate);
        assert_int_equal(appended.base_offset, i);
    }
    batch.sequence = 8;
    assert_int_equal(test_append(f->log, &batch, NULL), WR_ERR_NONE);
}

static void an_open_transaction_holds_readers_back(void **state)
{
    struct fixture *f = *state;
    struct test_batch batch = {
        .producer_id = 9, .count = 1, .tag = "t", .transactional = true};
    (void)test_put(f->log, "a", 1);
    assert_int_equal(test_append(f->log, &batch, NULL), WR_ERR_NONE);
    (void)test_put(f->log, "b", 1);
    test_sync(f->logs);
    assert_int_equal(wr_log_last_stable_offset(f->log), 1);
    expect(f->log, 0, WR_READ_COMMITTED, "0:a-0 ");
    assert_int_equal(test_marker(f->log, 9, 0, true), WR_ERR_NONE);
    assert_int_equal(wr_log_last_stable_offset(f->log), 1);
    test_sync(f->logs);
    assert_int_equal(wr_log_last_stable_offset(f->log), 4);
    expect(f->log, 0, WR_READ_COMMITTED, "0:a-0 1:t-0 2:b-0 3:commit ");
}

static void aborted_transactions_are_listed_by_range(void **state)
{
    struct fixture *f = *state;
    struct wr_arena arena;
    struct wr_aborted_list aborted;
    wr_arena_init(&arena, (size_t)1 << 20);
    for (int k = 0; k < 30; k++) {
        struct test_batch batch = {.producer_id = 9,
                                   .count = 1,
                                   .sequence = k,
                                   .tag = "t",
                                   .transactional = true};
        assert_int_equal(test_append(f->log, &batch, NULL), WR_ERR_NONE);
        assert_int_equal(test_marker(f->log, 9, 0, k % 3 != 0), WR_ERR_NONE);
    }
    for (int round = 0; round < 2; round++) {
        test_sync(f->logs);
        assert_int_equal(wr_log_aborted(f->log, 0, 60, &arena, &aborted, NULL),
                         WEIR_OK);
        assert_int_equal(aborted.count, 10);
        assert_int_equal(aborted.items[0].first_offset, 0);
        assert_int_equal(aborted.items[9].first_offset, 54);
        assert_int_equal(wr_log_aborted(f->log, 7, 13, &arena, &aborted, NULL),
                         WEIR_OK);
        assert_int_equal(aborted.count, 2); /* [6, 7] and [12, 13] */
        assert_int_equal(aborted.items[0].first_offset, 6);
        reopen(f);
    }
    wr_arena_done(&arena);
}

static void a_record_is_found_by_time(void **state)
{
    struct fixture *f = *state;
    struct wr_log_time found;
    for (int i = 0; i < 50; i++) {
        struct test_batch batch = {.producer_id = -1,
                                   .count = 10,
                                   .tag = "x",
                                   .timestamp =
                                       TEST_TIME_MS - 100000 + i * 100};
        assert_int_equal(test_append(f->log, &batch, NULL), WR_ERR_NONE);
    }
    test_sync(f->logs);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(wr_log_find_time(f->log, TEST_TIME_MS - 100000 + 1203,
                                          WR_READ_UNCOMMITTED, &found, NULL),
                         WR_ERR_NONE);
        assert_int_equal(found.offset, 123);
        assert_int_equal(found.timestamp_ms, TEST_TIME_MS - 100000 + 1203);
        assert_int_equal(wr_log_find_time(f->log, TEST_TIME_MS - 100000 + 1250,
                                          WR_READ_UNCOMMITTED, &found, NULL),
                         WR_ERR_NONE);
        assert_int_equal(found.offset, 130);
        assert_int_equal(
            wr_log_find_time(f->log, 0, WR_READ_UNCOMMITTED, &found, NULL),
            WR_ERR_NONE);
        assert_int_equal(found.offset, 0);
        assert_int_equal(wr_log_find_time(f->log, TEST_TIME_MS,
                                          WR_READ_UNCOMMITTED, &found, NULL),
                         WR_ERR_NONE);
        assert_int_equal(found.offset, -1);
        assert_int_equal(wr_log_find_max_time(f->log, &found, NULL),
                         WR_ERR_NONE);
        assert_int_equal(found.offset, 499);
        reopen(f);
    }
}

static void delete_records_raises_the_log_start(void **state)
{
    struct fixture *f = *state;
    int64_t low;
    for (int i = 0; i < 100; i++) {
        (void)test_put(f->log, "x", 1);
    }
    test_sync(f->logs);
    assert_int_equal(wr_log_delete_records(f->log, 101, &low, NULL),
                     WR_ERR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(wr_log_delete_records(f->log, 95, &low, NULL),
                     WR_ERR_NONE);
    assert_int_equal(low, 95);
    struct wr_buf out;
    wr_buf_init(&out, 1000);
    struct wr_log_read how = {94, 1000, true, WR_READ_UNCOMMITTED};
    assert_int_equal(wr_log_read(f->log, &how, &out, NULL),
                     WR_ERR_OFFSET_OUT_OF_RANGE);
    int64_t size = wr_log_size(f->log);
    wr_logs_housekeep(f->logs);
    assert_true(wr_log_size(f->log) < size);
    reopen(f);
    assert_int_equal(wr_log_start_offset(f->log), 95);
    expect(f->log, 95, WR_READ_UNCOMMITTED,
           "95:x-0 96:x-0 97:x-0 98:x-0 99:x-0 ");
}

static void retention_keeps_a_compacted_topic(void **state)
{
    struct fixture *f = *state;
    struct wr_log_config config = *wr_log_config(f->log);
    config.retention_bytes = 1000;
    config.retention_ms = 1;
    config.cleanup_delete = false;
    config.cleanup_compact = true;
    wr_log_set_config(f->log, &config);
    for (int i = 0; i < 100; i++) {
        (void)test_put(f->log, "x", 1);
    }
    test_sync(f->logs);
    wr_logs_housekeep(f->logs);
    assert_int_equal(wr_log_start_offset(f->log), 0);
    config.cleanup_delete = true;
    config.retention_ms = -1;
    wr_log_set_config(f->log, &config);
    wr_logs_housekeep(f->logs);
    assert_true(wr_log_start_offset(f->log) > 50);
    assert_true(wr_log_size(f->log) < 4000);
    reopen(f);
    assert_true(wr_log_start_offset(f->log) > 50);
}

static void retention_by_time_may_leave_an_empty_log(void **state)
{
    struct fixture *f = *state;
    struct wr_log_config config = *wr_log_config(f->log);
    struct test_batch batch = {
        .producer_id = -1, .count = 5, .tag = "old", .timestamp = 1000};
    assert_int_equal(test_append(f->log, &batch, NULL), WR_ERR_NONE);
    test_sync(f->logs);
    config.retention_ms = 1000;
    wr_log_set_config(f->log, &config);
    wr_logs_housekeep(f->logs);
    assert_int_equal(wr_log_start_offset(f->log), 5);
    assert_int_equal(wr_log_size(f->log), 0);
    assert_int_equal(test_put(f->log, "new", 1), 5);
}

/* Path of a file of the first segment; lent until the next call. */
static const char *first_segment_file(struct fixture *f, const char *suffix)
{
    static char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/t-0/00000000000000000000%s", f->dir,
                   suffix);
    return path;
}

static void put_two_segments(struct fixture *f, int64_t timestamp)
{
    for (int i = 0; i < 3; i++) {
        struct test_batch batch = {.producer_id = -1,
                                   .count = 1,
                                   .tag = "x",
                                   .pad = 900,
                                   .timestamp = timestamp};
        assert_int_equal(test_append(f->log, &batch, NULL), WR_ERR_NONE);
    }
    test_sync(f->logs);
}

static int64_t clock_ms;
static int64_t set_clock(void)
{
    return clock_ms;
}

/* Retention of an hour at `now_ms`, after a restart; the log start then. */
static int64_t start_after_retention(struct fixture *f, int64_t now_ms)
{
    clock_ms = now_ms;
    f->config.now_ms = set_clock;
    f->config.topic.retention_ms = 3600000;
    reopen(f);
    wr_logs_housekeep(f->logs);
    return wr_log_start_offset(f->log);
}

static void a_time_index_of_zeros_makes_nothing_old(void **state)
{
    struct fixture *f = *state;
    put_two_segments(f, 0);
    reopen(f); /* writes the indexes */
    const char *path = first_segment_file(f, ".timeindex");
    static const uint8_t zeros[12];
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fwrite(zeros, 1, sizeof(zeros), file), sizeof(zeros));
    assert_int_equal(fclose(file), 0);
    assert_int_equal(start_after_retention(f, TEST_TIME_MS + 1000), 0);
    /* and it still goes when it is old */
    assert_true(start_after_retention(f, TEST_TIME_MS + 7200000) > 0);
}

static void records_without_a_time_are_as_old_as_their_file(void **state)
{
    struct fixture *f = *state;
    struct timespec written[2] = {{.tv_sec = TEST_TIME_MS / 1000},
                                  {.tv_sec = TEST_TIME_MS / 1000}};
    put_two_segments(f, -1);
    reopen(f);
    assert_int_equal(
        utimensat(AT_FDCWD, first_segment_file(f, ".log"), written, 0), 0);
    assert_int_equal(start_after_retention(f, TEST_TIME_MS + 1000), 0);
    assert_true(start_after_retention(f, TEST_TIME_MS + 7200000) > 0);
}

static void a_reindex_that_fails_half_way_makes_nothing_old(void **state)
{
    struct fixture *f = *state;
    struct wr_segment *segment;
    put_two_segments(f, 0);
    segment = f->log->segments[0];
    assert_int_equal(segment->max_timestamp, TEST_TIME_MS);
    FILE *file = fopen(first_segment_file(f, ".log"), "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 16, SEEK_SET), 0); /* the magic byte */
    assert_int_equal(fputc(77, file), 77);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(wr_segment_reindex(&f->logs->files, segment, NULL),
                     WEIR_E_CORRUPT);
    assert_int_equal(segment->max_timestamp, TEST_TIME_MS);
}

static void records_of_long_ago_stay_until_ages_are_looked_at(void **state)
{
    struct fixture *f = *state;
    struct wr_logs_config *config = &f->config;
    struct test_batch batch = {
        .producer_id = -1, .count = 5, .tag = "old", .timestamp = 1000};
    clock_ms = TEST_TIME_MS;
    config->now_ms = set_clock;
    config->retention_check_ms = 60000;
    reopen(f);
    struct wr_log_config topic = *wr_log_config(f->log);
    topic.retention_ms = 1000;
    wr_log_set_config(f->log, &topic);
    assert_int_equal(test_append(f->log, &batch, NULL), WR_ERR_NONE);
    test_sync(f->logs);
    clock_ms += 59999;
    wr_logs_housekeep(f->logs);
    assert_int_equal(wr_log_start_offset(f->log), 0);
    clock_ms += 1;
    wr_logs_housekeep(f->logs);
    assert_int_equal(wr_log_start_offset(f->log), 5);
}

static void two_openings_of_a_folder_do_not_meet(void **state)
{
    struct fixture *f = *state;
    struct wr_logs *second;
    struct weir_error err = {0};
    assert_int_equal(wr_logs_open(&f->config, &second, &err), WEIR_E_LOCKED);
    assert_non_null(strstr(err.text, f->dir));
}

static void on_gone(struct wr_log_watch *watch, bool gone)
{
    (void)watch;
    assert_true(gone);
}

static void a_deleted_partition_is_gone_and_its_name_free(void **state)
{
    struct fixture *f = *state;
    struct wr_log_watch watch = {.fn = on_gone};
    (void)test_put(f->log, "x", 10);
    wr_log_watch_add(f->log, &watch);
    assert_int_equal(wr_logs_delete(f->logs, f->log, NULL), WEIR_OK);
    assert_null(watch.log);
    assert_null(wr_logs_get(f->logs, weir_text("t"), 0));
    f->log = test_log(f->logs, "t", 0);
    assert_int_equal(wr_log_end_offset(f->log), 0);
    test_sync(f->logs);
    reopen(f);
    assert_int_equal(wr_log_end_offset(f->log), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(offsets_rise_by_one),
        TEST(nothing_is_visible_before_it_is_durable),
        TEST(records_come_back_across_segments_and_restarts),
        TEST(offsets_that_are_missing_are_told_not_skipped),
        TEST(an_idempotent_batch_is_stored_once),
        TEST(five_batches_are_known_after_a_restart),
        TEST(an_open_transaction_holds_readers_back),
        TEST(aborted_transactions_are_listed_by_range),
        TEST(a_record_is_found_by_time),
        TEST(delete_records_raises_the_log_start),
        TEST(retention_keeps_a_compacted_topic),
        TEST(retention_by_time_may_leave_an_empty_log),
        TEST(a_time_index_of_zeros_makes_nothing_old),
        TEST(records_without_a_time_are_as_old_as_their_file),
        TEST(a_reindex_that_fails_half_way_makes_nothing_old),
        TEST(records_of_long_ago_stay_until_ages_are_looked_at),
        TEST(two_openings_of_a_folder_do_not_meet),
        TEST(a_deleted_partition_is_gone_and_its_name_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
