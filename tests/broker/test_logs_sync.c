/* SPDX-License-Identifier: Apache-2.0
 *
 * Rounds of appends on a disk that takes its time. The disk is a gate: while it
 * is shut, fdatasync of this program waits, and everything that was appended
 * waits behind it. Removals of files have a gate of their own. */
#include "broker/log_internal.h"
#include "tests/broker/log_fixture.h"
#include "tests/harness/weir_test.h"

#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_opens = PTHREAD_COND_INITIALIZER;
static bool gate_shut;
static bool removals_shut;
static int gate_errno; /* what the next sync fails with, once; 0: none */

/* In place of the C library's, for the whole program. */
int fdatasync(int fildes)
{
    pthread_mutex_lock(&gate_lock);
    while (gate_shut) {
        pthread_cond_wait(&gate_opens, &gate_lock);
    }
    int failure = gate_errno;
    gate_errno = 0;
    pthread_mutex_unlock(&gate_lock);
    if (failure) {
        errno = failure;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fildes);
}

/* Likewise; a folder is removed name by name. */
int unlinkat(int fd, const char *name, int flag)
{
    pthread_mutex_lock(&gate_lock);
    while (removals_shut) {
        pthread_cond_wait(&gate_opens, &gate_lock);
    }
    pthread_mutex_unlock(&gate_lock);
    return (int)syscall(SYS_unlinkat, fd, name, flag);
}

static void removals_set(bool shut)
{
    pthread_mutex_lock(&gate_lock);
    removals_shut = shut;
    pthread_cond_broadcast(&gate_opens);
    pthread_mutex_unlock(&gate_lock);
}

static void gate_set(bool shut)
{
    pthread_mutex_lock(&gate_lock);
    gate_shut = shut;
    pthread_cond_broadcast(&gate_opens);
    pthread_mutex_unlock(&gate_lock);
}

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
    f->config.waiting_bytes_max = (size_t)1 << 20;
    f->logs = test_logs_open(&f->config);
    f->log = test_log(f->logs, "t", 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    gate_set(false);
    removals_set(false);
    test_logs_close(f->logs);
    test_dir_remove(f->dir);
    free(f);
    return 0;
}

/* One batch of `size` bytes of value. */
static void put(struct wr_log *log, size_t size)
{
    struct test_batch batch = {
        .producer_id = -1, .count = 1, .tag = "x", .pad = size};
    assert_int_equal(test_append(log, &batch, NULL), WR_ERR_NONE);
}

static void what_waits_may_be_many_times_what_the_shared_log_holds(void **state)
{
    struct fixture *f = *state;
    struct wr_logs_stats stats;
    gate_set(true);
    for (int i = 0; i < 900; i++) { /* 27 MB; the shared log has 2 of 1 MiB */
        put(f->log, 30000);
        if (i % 100 == 0) {
            wr_logs_commit(f->logs);
        }
    }
    wr_logs_stats(f->logs, &stats);
    assert_true(stats.pending_bytes >= (size_t)900 * 30000);
    assert_int_equal(wr_log_high_watermark(f->log), 0);
    gate_set(false);
    test_sync(f->logs);
    assert_int_equal(wr_log_high_watermark(f->log), 900);
    wr_logs_stats(f->logs, &stats);
    assert_int_equal(stats.pending_bytes, 0);
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/wal/000002.wal", f->dir);
    assert_int_equal(access(path, F_OK), -1);
}

static void all_of_many_rounds_is_there_after_a_kill(void **state)
{
    struct fixture *f = *state;
    gate_set(true);
    for (int i = 0; i < 100; i++) {
        put(f->log, i % 10 == 0 ? 100000 : 30000); /* some are direct */
    }
    gate_set(false);
    test_sync(f->logs);
    test_logs_crash(f->logs);
    f->logs = test_logs_open(&f->config);
    f->log = test_log(f->logs, "t", 0);
    assert_int_equal(wr_log_high_watermark(f->log), 100);
}

struct called {
    struct wr_logs_waiter waiter;
    struct fixture *f;
    int times;
    int order; /* which of all calls this was, from 1 */
    enum weir_status status;
};
static int calls;

static void on_call(struct wr_logs_waiter *waiter, enum weir_status status)
{
    struct called *called = (struct called *)waiter;
    called->times++;
    called->order = ++calls;
    called->status = status;
    if (called->f && status == WEIR_OK) {
        put(called->f->log, 600000);
        put(called->f->log, 600000);
    }
}

static void who_comes_while_much_waits_gets_room_in_turn(void **state)
{
    struct fixture *f = *state;
    struct called waiters[3] = {{.waiter.fn = on_call, .f = f},
                                {.waiter.fn = on_call, .f = f},
                                {.waiter.fn = on_call, .f = f}};
    calls = 0;
    gate_set(true);
    assert_true(wr_logs_has_room(f->logs));
    for (int i = 0; i < 50; i++) {
        put(f->log, 30000);
    }
    assert_false(wr_logs_has_room(f->logs));
    for (int i = 0; i < 3; i++) {
        wr_logs_when_room(f->logs, &waiters[i].waiter);
    }
    wr_logs_commit(f->logs);
    wr_logs_poll(f->logs);
    assert_int_equal(calls, 0);
    gate_set(false);
    while (calls < 3) {
        /* Each takes more than there is room for: the next waits for it. */
        int before = calls;
        test_sync(f->logs);
        assert_true(calls > before);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(waiters[i].times, 1);
        assert_int_equal(waiters[i].order, i + 1);
        assert_int_equal(waiters[i].status, WEIR_OK);
    }
    test_sync(f->logs);
    assert_int_equal(wr_log_high_watermark(f->log), 56);
    assert_true(wr_logs_has_room(f->logs));
}

static void who_waits_for_room_learns_of_the_end(void **state)
{
    struct fixture *f = *state;
    struct called waiter = {.waiter.fn = on_call};
    gate_set(true);
    for (int i = 0; i < 50; i++) {
        put(f->log, 30000);
    }
    wr_logs_when_room(f->logs, &waiter.waiter);
    wr_logs_room_close(f->logs);
    assert_int_equal(waiter.times, 1);
    assert_int_equal(waiter.status, WEIR_E_CLOSED);
    gate_set(false);
    test_sync(f->logs);
    assert_int_equal(waiter.times, 1);
}

static void nothing_behind_a_failed_round_is_acknowledged(void **state)
{
    struct fixture *f = *state;
    struct called waiter = {.waiter.fn = on_call};
    put(f->log, 10);
    test_sync(f->logs);
    gate_set(true);
    gate_errno = EIO;
    for (int i = 0; i < 100; i++) { /* several rounds, of which one fails */
        put(f->log, 30000);
    }
    wr_logs_when_durable(f->logs, &waiter.waiter);
    wr_logs_commit(f->logs);
    gate_set(false);
    assert_int_equal(wr_logs_wait(f->logs, NULL), WEIR_E_IO);
    wr_logs_commit(f->logs);
    assert_int_equal(wr_log_high_watermark(f->log), 1);
    assert_int_equal(waiter.status, WEIR_E_IO);
    assert_true(wr_logs_has_room(f->logs)); /* to be told why not */
    assert_int_equal(wr_logs_close(f->logs, NULL), WEIR_E_IO);
    f->logs = test_logs_open(&f->config);
    f->log = test_log(f->logs, "t", 0);
    /* What is in the file all the same may come back, but not what flew
     * behind it. */
    assert_in_range(wr_log_high_watermark(f->log), 1, 50);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* More than the write-ahead log holds: each round needs the room that a
 * checkpoint makes. */
static void no_producer_waits_for_the_removal_of_a_topic(void **state)
{
    struct fixture *f = *state;
    struct wr_logs_stats stats;
    put(test_log(f->logs, "gone", 0), 100);
    test_sync(f->logs);
    removals_set(true);
    assert_int_equal(
        wr_logs_delete(f->logs, test_log(f->logs, "gone", 0), NULL), WEIR_OK);
    for (int i = 0; i < 200; i++) { /* 6 MB; the shared log has 2 of 1 MiB */
        put(f->log, 30000);
        test_sync(f->logs);
    }
    wr_logs_stats(f->logs, &stats);
    assert_true(stats.checkpoints > 0);
    assert_int_equal(wr_log_high_watermark(f->log), 200);
}

int main(void)
{
    wr_log_configure(WR_ERROR, WR_LOG_LOGFMT);
    const struct CMUnitTest tests[] = {
        TEST(what_waits_may_be_many_times_what_the_shared_log_holds),
        TEST(all_of_many_rounds_is_there_after_a_kill),
        TEST(who_comes_while_much_waits_gets_room_in_turn),
        TEST(who_waits_for_room_learns_of_the_end),
        TEST(nothing_behind_a_failed_round_is_acknowledged),
        TEST(no_producer_waits_for_the_removal_of_a_topic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
