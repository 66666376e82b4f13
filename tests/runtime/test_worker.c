/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/runtime/app_fixture.h"

#include <stdatomic.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(threads_share_the_tasks),
        T(a_poison_record_is_skipped_when_told_so),
        T(exactly_once_commits_through_transactions),
        T(an_abort_goes_back_to_the_last_commit),
        T(an_input_that_was_held_back_is_read_again_after_an_abort),
        T(a_broker_that_comes_back_is_used_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
