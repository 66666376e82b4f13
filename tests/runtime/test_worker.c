/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/runtime/app_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

static void threads_share_the_tasks(void **state)
{
    (void)state;
    set("num.stream.threads", "2");
    feed("a", "1", 2);
    start();
    wait_for_at_least("a", 2);
    int64_t until = wr_mono_ms() + WAIT_MS;
    const struct timespec pause = {0, 5000000};
    while (weir_app_state(app) != WEIR_APP_RUNNING && wr_mono_ms() < until) {
        (void)nanosleep(&pause, NULL);
    }
    assert_int_equal(weir_app_state(app), WEIR_APP_RUNNING);
    stop();
}

static void a_poison_record_is_skipped_when_told_so(void **state)
{
    (void)state;
    set("processing.exception.handler", "continue");
    feed("a", "1", 1);
    feed("a", "poison", 1);
    feed("a", "1", 1);
    start();
    wait_for_count("a", 2);
    stop();
}

static void exactly_once_commits_through_transactions(void **state)
{
    (void)state;
    set("processing.guarantee", "exactly_once_v2");
    feed("a", "1", 5);
    start();
    wait_for_count("a", 5);
    stop();
}

static void an_abort_goes_back_to_the_last_commit(void **state)
{
    (void)state;
    /* the group does not take the offsets: the transaction must be aborted */
    static const int refused[] = {22}; /* ILLEGAL_GENERATION */
    set("processing.guarantee", "exactly_once_v2");
    feed("a", "1", 3);
    start();
    wait_for_count("a", 3);
    mock_cluster_fail(cluster, 28, refused, 1); /* TxnOffsetCommit */
    feed("a", "1", 4);
    wait_for_count("a", 7);
    stop();
}

/* Refuses one record once, for a reason that passes, when much waits behind it.
 */
static atomic_int refusals;

static enum weir_status count_later(struct weir_context *ctx,
                                    const struct weir_record *record,
                                    void *state)
{
    if (wr_bytes_equal_text(record->value, "later") &&
        atomic_fetch_sub(&refusals, 1) > 0) {
        return weir_context_fail(ctx, WEIR_E_AGAIN, "not now");
    }
    return count(ctx, record, state);
}

static void
an_input_that_was_held_back_is_read_again_after_an_abort(void **state)
{
    (void)state;
    atomic_store(&refusals, 1);
    counting = count_later;
    set("processing.guarantee", "exactly_once_v2");
    set("buffered.records.per.partition", "10");
    feed("a", "1", 300);
    feed("a", "later", 1);
    feed("a", "1", 300);
    start();
    wait_for_count("a", 601);
    stop();
}

static atomic_int openings;
static atomic_int ticks;
static atomic_int watched; /* number of an opening */
static atomic_int ticks_before_watched;

/* Changes its store by the clock, with no input: by a key of its own, which the
 * changelog must have. */
static enum weir_status tick(struct weir_context *ctx, int64_t now_ms,
                             void *state)
{
    uint8_t bytes[8];
    char key[32];
    struct weir_store *store = weir_context_store(ctx, "counts");
    (void)state;
    (void)snprintf(key, sizeof(key), "tick %d", atomic_fetch_add(&ticks, 1));
    enum weir_status status =
        weir_store_put(store, weir_text(key), weir_text(""));
    return status == WEIR_OK ? weir_store_put(store, weir_text("tick"),
                                              weir_int64_bytes(now_ms, bytes))
                             : status;
}

static enum weir_status open_ticking(struct weir_context *ctx, void *user,
                                     void **state)
{
    (void)user;
    (void)state;
    if (atomic_fetch_add(&openings, 1) == atomic_load(&watched)) {
        atomic_store(&ticks_before_watched, atomic_load(&ticks));
    }
    return weir_context_schedule(ctx, 20, WEIR_WALL_CLOCK, tick, NULL, NULL);
}

static bool all_is_read(void)
{
    struct wr_task_info tasks[PARTITIONS] = {{.lag = -1}};
    bool all = wr_app_tasks(app, tasks, PARTITIONS) == PARTITIONS;
    for (size_t i = 0; i < PARTITIONS; i++) {
        all = all && tasks[i].lag == 0;
    }
    return all;
}

/* Waits until the ends of all inputs are committed: a commit that begins after
 * they were read. */
static void wait_for_quiet(void)
{
    const struct timespec pause = {0, 5000000};
    int64_t until = wr_mono_ms() + WAIT_MS;
    while (!all_is_read() && wr_mono_ms() < until) {
        (void)nanosleep(&pause, NULL);
    }
    assert_true(all_is_read());
    for (int i = 0; i < 2; i++) {
        int64_t last = ask("tick");
        while (ask("tick") == last && wr_mono_ms() < until) {
            (void)nanosleep(&pause, NULL);
        }
    }
}

/* An abort opens the processors anew. */
static void wait_for_opening(int before)
{
    const struct timespec pause = {0, 1000000};
    int64_t until = wr_mono_ms() + WAIT_MS;
    while (atomic_load(&openings) == before && wr_mono_ms() < until) {
        (void)nanosleep(&pause, NULL);
    }
    assert_int_not_equal(atomic_load(&openings), before);
}

/* Who is no member any more must not commit, whatever it has done. */
static void what_was_done_by_the_clock_is_committed_as_a_member(void **state)
{
    (void)state;
    static const int refused[] = {22}; /* ILLEGAL_GENERATION */
    opening = open_ticking;
    set("processing.guarantee", "exactly_once_v2");
    feed("a", "1", 1);
    start();
    wait_for_count("a", 1);
    wait_for_quiet();
    int before = atomic_load(&openings);
    mock_cluster_fail(cluster, 28, refused, 1); /* TxnOffsetCommit */
    wait_for_opening(before);
    stop();
}

/* Who is given the tasks next waits for the end of a transaction that has their
 * offsets, and must then find all that belongs to it. */
static void offsets_join_a_transaction_after_its_records(void **state)
{
    (void)state;
    static const int refused[] = {22};      /* ILLEGAL_GENERATION */
    static const int late[] = {7, 7, 7, 7}; /* REQUEST_TIMED_OUT: again */
    opening = open_ticking;
    atomic_store(&ticks, 0);
    set("processing.guarantee", "exactly_once_v2");
    set("max.in.flight.requests.per.connection", "1"); /* or they overtake */
    feed("a", "1", 1);
    start();
    wait_for_count("a", 1);
    wait_for_quiet();
    int before = atomic_load(&openings);
    atomic_store(&watched, before);
    mock_cluster_fail(cluster, 0, late, 4);     /* Produce */
    mock_cluster_fail(cluster, 28, refused, 1); /* TxnOffsetCommit */
    wait_for_opening(before);
    int64_t written = 0;
    for (int32_t i = 0; i < PARTITIONS; i++) {
        written += mock_cluster_end(cluster, "app-counts-changelog", i);
    }
    assert_true(written >= atomic_load(&ticks_before_watched));
    stop();
}

static enum weir_status count_and_stop(struct weir_context *ctx,
                                       const struct weir_record *record,
                                       void *state)
{
    static const int refused[] = {22, 22, 22, 22, 22}; /* ILLEGAL_GENERATION */
    if (wr_bytes_equal_text(record->value, "last")) {
        mock_cluster_fail(cluster, 28, refused, 5); /* TxnOffsetCommit */
        weir_app_stop(app);
    }
    return count(ctx, record, state);
}

/* It is done again by whoever has the tasks next. */
static void a_last_commit_that_is_refused_fails_nobody(void **state)
{
    (void)state;
    counting = count_and_stop;
    set("processing.guarantee", "exactly_once_v2");
    feed("a", "1", 3);
    feed("a", "last", 1);
    start();
    assert_ok(weir_app_wait(app, &err), err);
    assert_int_equal(weir_app_state(app), WEIR_APP_STOPPED);
}

static void a_broker_that_comes_back_is_used_again(void **state)
{
    (void)state;
    feed("a", "1", 2);
    start();
    wait_for_count("a", 2);
    mock_cluster_down(cluster, 1);
    assert_int_equal(ask("a"), 2); /* queries are answered meanwhile */
    mock_cluster_down(cluster, 0);
    feed("a", "1", 2);
    wait_for_count("a", 4);
    stop();
}

/* Flips bytes in the data blocks of a task's tables, but for the first one. */
static void damage_tables(void)
{
    char path[2 * WR_TEST_PATH_MAX + 300];
    char base[WR_TEST_PATH_MAX + 32];
    int tables = 0;
    (void)snprintf(base, sizeof(base), "%s/app/0_0/rocksdb", dir);
    DIR *d = opendir(base);
    assert_non_null(d);
    struct dirent *entry;
    while ((entry = readdir(d)) != NULL) {
        if (!strstr(entry->d_name, ".sst")) {
            continue;
        }
        (void)snprintf(path, sizeof(path), "%s/%s", base, entry->d_name);
        int fd = open(path, O_RDWR);
        assert_true(fd >= 0);
        for (off_t at = 6000; at < 20000; at += 1000) {
            assert_int_equal(pwrite(fd, "\xff\xfe\xfd\xfc", 4, at), 4);
        }
        (void)close(fd);
        tables++;
    }
    (void)closedir(d);
    assert_true(tables > 0);
}

static void damage_that_a_query_meets_is_mended_while_idle(void **state)
{
    (void)state;
    char key[16];
    engine = WEIR_ROCKSDB;
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(key, sizeof(key), "key-%04d", i);
        feed(key, "1", 1);
    }
    start();
    wait_for_count("key-2999", 1);
    stop();
    damage_tables();
    start();
    wait_for_count("key-0500", 1);
    wait_for_count("key-0001", 1);
    feed("key-0500", "1", 1);
    wait_for_count("key-0500", 2);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(threads_share_the_tasks),
        T(a_last_commit_that_is_refused_fails_nobody),
        T(a_poison_record_is_skipped_when_told_so),
        T(exactly_once_commits_through_transactions),
        T(an_abort_goes_back_to_the_last_commit),
        T(an_input_that_was_held_back_is_read_again_after_an_abort),
        T(what_was_done_by_the_clock_is_committed_as_a_member),
        T(offsets_join_a_transaction_after_its_records),
        T(damage_that_a_query_meets_is_mended_while_idle),
        T(a_broker_that_comes_back_is_used_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
