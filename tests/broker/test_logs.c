/* SPDX-License-Identifier: Apache-2.0
 *
 * Acknowledgements, and what happens when the disk says no. A full disk is a
 * limit on the size of files (RLIMIT_FSIZE), which writes meet as they would a
 * full one. */
#include "broker/log_internal.h"
#include "tests/broker/log_fixture.h"
#include "tests/harness/weir_test.h"

#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

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

struct called {
    struct wr_logs_waiter waiter;
    struct wr_log *log;
    int times;
    enum weir_status status;
    int64_t high_watermark; /* when it was called */
};

static void on_durable(struct wr_logs_waiter *waiter, enum weir_status status)
{
    struct called *called = (struct called *)waiter;
    called->times++;
    called->status = status;
    called->high_watermark = wr_log_high_watermark(called->log);
}

static void waiters_are_called_once_after_what_they_wait_for(void **state)
{
    struct fixture *f = *state;
    struct called first = {.waiter.fn = on_durable, .log = f->log};
    struct called second = first;
    struct called cancelled = first;
    (void)test_put(f->log, "a", 2);
    wr_logs_when_durable(f->logs, &first.waiter);
    wr_logs_when_durable(f->logs, &cancelled.waiter);
    wr_logs_commit(f->logs);
    assert_int_equal(first.times, 0);
    (void)test_put(f->log, "b", 3);
    wr_logs_when_durable(f->logs, &second.waiter);
    wr_logs_waiter_cancel(f->logs, &cancelled.waiter);
    test_sync(f->logs);
    assert_int_equal(first.times, 1);
    assert_int_equal(first.status, WEIR_OK);
    assert_int_equal(first.high_watermark, 2);
    assert_int_equal(second.times, 1);
    assert_int_equal(second.high_watermark, 5);
    assert_int_equal(cancelled.times, 0);
}

static void
a_waiter_with_nothing_pending_is_called_at_the_next_tick(void **state)
{
    struct fixture *f = *state;
    struct called called = {.waiter.fn = on_durable, .log = f->log};
    wr_logs_when_durable(f->logs, &called.waiter);
    assert_int_equal(called.times, 0);
    wr_logs_commit(f->logs);
    assert_int_equal(called.times, 1);
}

static void one_round_covers_all_partitions_of_a_tick(void **state)
{
    struct fixture *f = *state;
    struct wr_logs_stats before, after;
    wr_logs_stats(f->logs, &before);
    for (int32_t p = 0; p < 10; p++) {
        (void)test_put(test_log(f->logs, "t", p), "x", 1);
    }
    test_sync(f->logs);
    wr_logs_stats(f->logs, &after);
    assert_int_equal(after.rounds - before.rounds, 1);
}

static void the_shared_log_is_used_again_after_checkpoints(void **state)
{
    struct fixture *f = *state;
    struct wr_logs_stats stats;
    /* Two files of 1 MiB; twenty times as much goes through. */
    for (int i = 0; i < 700; i++) {
        struct test_batch batch = {
            .producer_id = -1, .count = 1, .tag = "x", .pad = 30000};
        assert_int_equal(test_append(f->log, &batch, NULL), WR_ERR_NONE);
        test_sync(f->logs);
    }
    wr_logs_stats(f->logs, &stats);
    assert_true(stats.wal_bytes > (int64_t)20 << 20);
    assert_true(stats.checkpoints > 5);
    char path[4096];
    struct stat st;
    (void)snprintf(path, sizeof(path), "%s/wal/000002.wal", f->dir);
    assert_int_equal(stat(path, &st), -1);
    assert_int_equal(wr_log_high_watermark(f->log), 700);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_refuses_appends_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    struct test_batch large = {
        .producer_id = -1, .count = 1, .tag = "large", .pad = 100000};
    struct wr_log_appended appended;
    char path[4096];
    struct stat st;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(test_append(f->log, &large, NULL), WR_ERR_NONE);
    }
    test_sync(f->logs);
    limit_files(350000);
    assert_int_equal(test_append(f->log, &large, &appended),
                     WR_ERR_KAFKA_STORAGE_ERROR);
    assert_int_equal(wr_log_end_offset(f->log), 3);
    (void)snprintf(path, sizeof(path), "%s/t-0/00000000000000000000.log",
                   f->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, wr_log_size(f->log));
    char *text = test_read(f->log, 0, WR_READ_UNCOMMITTED);
    assert_string_equal(text, "0:large-0 1:large-0 2:large-0 ");
    free(text);
    limit_files(RLIM_INFINITY);
    assert_int_equal(test_append(f->log, &large, &appended), WR_ERR_NONE);
    assert_int_equal(appended.base_offset, 3);
    test_sync(f->logs);
    assert_int_equal(wr_log_high_watermark(f->log), 4);
}

static void a_shared_log_that_cannot_grow_goes_round(void **state)
{
    struct fixture *f = *state;
    struct test_batch batch = {
        .producer_id = -1, .count = 1, .tag = "y", .pad = 50000};
    test_logs_close(f->logs);
    f->config.wal_file_bytes = (size_t)4 << 20; /* of which 1 MiB is made */
    f->logs = test_logs_open(&f->config);
    for (int32_t p = 0; p < 10; p++) {
        (void)test_log(f->logs, "t", p);
    }
    limit_files(1100000);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(
            test_append(test_log(f->logs, "t", i % 10), &batch, NULL),
            WR_ERR_NONE);
        test_sync(f->logs);
    }
    limit_files(RLIM_INFINITY);
    assert_null(wr_logs_failed(f->logs));
    assert_int_equal(wr_log_high_watermark(test_log(f->logs, "t", 9)), 10);
    f->log = test_log(f->logs, "t", 0);
}

static void after_a_failed_sync_nothing_is_acknowledged(void **state)
{
    struct fixture *f = *state;
    struct called called = {.waiter.fn = on_durable, .log = f->log};
    struct test_batch batch = {.producer_id = -1, .count = 1, .tag = "no"};
    struct weir_error err = {0};
    (void)test_put(f->log, "yes", 1);
    test_sync(f->logs);
    (void)test_put(f->log, "never", 1);
    wr_logs_when_durable(f->logs, &called.waiter);
    wr_logs_fail(f->logs, "the disk is broken");
    wr_logs_commit(f->logs);
    assert_int_equal(called.times, 1);
    assert_int_equal(called.status, WEIR_E_IO);
    assert_int_equal(wr_log_high_watermark(f->log), 1);
    assert_int_equal(test_append(f->log, &batch, NULL),
                     WR_ERR_KAFKA_STORAGE_ERROR);
    char *text = test_read(f->log, 0, WR_READ_UNCOMMITTED);
    assert_string_equal(text, "0:yes-0 ");
    free(text);
    assert_int_equal(wr_logs_close(f->logs, &err), WEIR_E_IO);
    assert_non_null(strstr(err.text, "broken"));
    f->logs = test_logs_open(&f->config);
    f->log = test_log(f->logs, "t", 0);
    assert_int_equal(wr_log_end_offset(f->log), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    wr_log_configure(WR_ERROR, WR_LOG_LOGFMT);
    const struct CMUnitTest tests[] = {
        TEST(waiters_are_called_once_after_what_they_wait_for),
        TEST(a_waiter_with_nothing_pending_is_called_at_the_next_tick),
        TEST(one_round_covers_all_partitions_of_a_tick),
        TEST(the_shared_log_is_used_again_after_checkpoints),
        TEST(a_full_disk_refuses_appends_and_nothing_else),
        TEST(a_shared_log_that_cannot_grow_goes_round),
        TEST(after_a_failed_sync_nothing_is_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
