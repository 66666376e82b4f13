/* SPDX-License-Identifier: Apache-2.0
 *
 * The transaction machine as traces: events at a chosen time, and the records
 * and markers that come out. */
#include "broker/txn.h"

#include "tests/harness/weir_test.h"

#include <stdio.h>
#include <stdlib.h>

struct fixture {
    struct wr_txn *txn;
    struct wr_txn_sink sink;
    struct wr_buf trace;
    int64_t next_producer_id;
    int persist_failures;  /* how many of the next persists fail */
    int persist_good;      /* ... after so many that do not */
    enum wr_txn_mark mark; /* what markers come to */
};

#define B(bytes) (int)(bytes).len, (const char *)(bytes).data

static enum weir_status on_persist(void *context, const struct wr_txn *txn)
{
    struct fixture *f = context;
    if (f->persist_good > 0) {
        f->persist_good--;
    } else if (f->persist_failures > 0) {
        f->persist_failures--;
        wr_buf_printf(&f->trace, "log fails\n");
        return WEIR_E_NOSPACE;
    }
    wr_buf_printf(&f->trace, "log %s %lld/%d parts=%zu start=%lld\n",
                  wr_txn_state_name(txn->state), (long long)txn->producer_id,
                  txn->epoch, txn->partition_count, (long long)txn->start_ms);
    return WEIR_OK;
}

static enum wr_txn_mark on_mark(void *context, const struct wr_txn *txn,
                                const struct wr_txn_partition *partition,
                                bool commit)
{
    struct fixture *f = context;
    wr_buf_printf(&f->trace, "mark %.*s-%d %s epoch=%d%s\n",
                  B(partition->topic), partition->partition,
                  commit ? "commit" : "abort", txn->epoch,
                  f->mark == WR_TXN_MARK_LATER ? " later" : "");
    return f->mark;
}

static int64_t on_fresh(void *context)
{
    struct fixture *f = context;
    return f->next_producer_id < 0 ? -1 : f->next_producer_id++;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->sink = (struct wr_txn_sink){f, on_persist, on_mark, on_fresh};
    f->next_producer_id = 100;
    f->mark = WR_TXN_MARKED;
    wr_buf_init(&f->trace, 1 << 16);
    assert_int_equal(wr_txn_new(weir_text("app"), &f->sink, &f->txn), WEIR_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    wr_txn_free(f->txn);
    wr_buf_done(&f->trace);
    free(f);
    return 0;
}

static void expect(struct fixture *f, const char *text)
{
    assert_string_equal(wr_buf_text(&f->trace), text);
    wr_buf_reset(&f->trace);
}

static int16_t init(struct fixture *f, int64_t pid, int16_t epoch, int64_t now)
{
    struct wr_txn_init init = {1000, pid, epoch};
    return wr_txn_init_producer(f->txn, &init, now);
}

static int16_t add(struct fixture *f, int64_t pid, int16_t epoch,
                   int32_t partition, int64_t now)
{
    struct wr_txn_caller caller = {pid, epoch};
    struct wr_txn_partition one = {weir_text("t"), partition};
    return wr_txn_add(f->txn, &caller, &one, 1, now);
}

static int16_t end(struct fixture *f, int16_t epoch, bool commit, int64_t now)
{
    struct wr_txn_caller caller = {100, epoch};
    return wr_txn_end(f->txn, &caller, commit, now);
}

static int16_t check_write(struct fixture *f, int16_t epoch, int32_t partition)
{
    struct wr_txn_writer writer = {100, epoch, weir_text("t"), partition};
    return wr_txn_check_write(f->txn, &writer);
}

static void commit_writes_prepare_markers_complete_in_that_order(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(init(f, -1, -1, 5), 0);
    assert_int_equal(add(f, 100, 0, 0, 10), 0);
    assert_int_equal(add(f, 100, 0, 1, 11), 0);
    assert_int_equal(add(f, 100, 0, 1, 12), 0); /* nothing new: no record */
    assert_int_equal(check_write(f, 0, 1), 0);
    assert_int_equal(check_write(f, 0, 2), 48);
    assert_int_equal(end(f, 0, true, 13), 0);
    expect(f, "log Empty 100/0 parts=0 start=-1\n"
              "log Ongoing 100/0 parts=1 start=10\n"
              "log Ongoing 100/0 parts=2 start=10\n"
              "log PrepareCommit 100/0 parts=2 start=10\n"
              "mark t-1 commit epoch=0\n"
              "mark t-0 commit epoch=0\n"
              "log CompleteCommit 100/0 parts=0 start=10\n");
    assert_int_equal(check_write(f, 0, 1), 48); /* a late write */
    assert_int_equal(end(f, 0, true, 14), 0);   /* the same answer again */
    assert_int_equal(end(f, 0, false, 14), 48);
    assert_int_equal(add(f, 100, 0, 3, 15), 0);
    assert_int_equal(end(f, 0, false, 16), 0);
    expect(f, "log Ongoing 100/0 parts=1 start=15\n"
              "log PrepareAbort 100/0 parts=1 start=15\n"
              "mark t-3 abort epoch=0\n"
              "log CompleteAbort 100/0 parts=0 start=15\n");
    assert_int_equal(end(f, 0, false, 17), 0);
    assert_int_equal(end(f, 0, true, 17), 48);
}

static void second_init_fences_the_first_and_aborts_its_work(void **state)
{
    struct fixture *f = *state;
    init(f, -1, -1, 0);
    add(f, 100, 0, 0, 0);
    wr_buf_reset(&f->trace);
    assert_int_equal(init(f, -1, -1, 1), 0);
    expect(f, "log PrepareAbort 100/1 parts=1 start=0\n"
              "mark t-0 abort epoch=1\n"
              "log CompleteAbort 100/1 parts=0 start=0\n"
              "log Empty 100/2 parts=0 start=-1\n");
    assert_int_equal(add(f, 100, 0, 0, 2), 90);
    assert_int_equal(end(f, 0, true, 2), 90);
    assert_int_equal(check_write(f, 0, 0), 47);
    assert_int_equal(add(f, 99, 2, 0, 2), 49);
    assert_int_equal(add(f, 100, 2, 0, 2), 0);
}

static void owner_may_bump_its_own_epoch(void **state)
{
    struct fixture *f = *state;
    init(f, -1, -1, 0);
    assert_int_equal(init(f, 100, 0, 1), 0);
    assert_int_equal(f->txn->epoch, 1);
    assert_int_equal(init(f, 100, 0, 2), 0); /* the call again */
    assert_int_equal(f->txn->epoch, 1);
    assert_int_equal(init(f, -1, -1, 3), 0); /* somebody else */
    assert_int_equal(f->txn->epoch, 2);
    assert_int_equal(init(f, 100, 1, 4), 90);
    assert_int_equal(init(f, 77, 2, 4), 90);
    /* with a transaction open, it is aborted with the next epoch */
    add(f, 100, 2, 0, 5);
    wr_buf_reset(&f->trace);
    assert_int_equal(init(f, 100, 1, 6), 90);
    expect(f, "");
    assert_int_equal(init(f, 100, 2, 6), 0);
    expect(f, "log PrepareAbort 100/3 parts=1 start=5\n"
              "mark t-0 abort epoch=3\n"
              "log CompleteAbort 100/3 parts=0 start=5\n"
              "log Empty 100/3 parts=0 start=-1\n");
}

static void open_for_too_long_is_aborted_and_fenced(void **state)
{
    struct fixture *f = *state;
    init(f, -1, -1, 0);
    assert_int_equal(wr_txn_deadline(f->txn), INT64_MAX);
    add(f, 100, 0, 0, 50);
    assert_int_equal(wr_txn_deadline(f->txn), 1050);
    wr_buf_reset(&f->trace);
    wr_txn_tick(f->txn, 1049);
    expect(f, "");
    wr_txn_tick(f->txn, 1050);
    expect(f, "log PrepareAbort 100/1 parts=1 start=50\n"
              "mark t-0 abort epoch=1\n"
              "log CompleteAbort 100/1 parts=0 start=50\n");
    assert_int_equal(end(f, 0, true, 1051), 90);
    assert_int_equal(wr_txn_deadline(f->txn), INT64_MAX);
}

static void marker_that_cannot_be_written_now_is_written_later(void **state)
{
    struct fixture *f = *state;
    init(f, -1, -1, 0);
    add(f, 100, 0, 0, 0);
    wr_buf_reset(&f->trace);
    f->mark = WR_TXN_MARK_LATER;
    assert_int_equal(end(f, 0, true, 1), 0); /* decided all the same */
    assert_int_equal(add(f, 100, 0, 1, 2), 51);
    assert_int_equal(end(f, 0, true, 2), 51);
    assert_int_equal(end(f, 0, false, 2), 48);
    assert_int_equal(init(f, -1, -1, 2), 51);
    assert_int_equal(wr_txn_deadline(f->txn), 101);
    f->mark = WR_TXN_MARKED;
    wr_txn_tick(f->txn, 101);
    expect(f, "log PrepareCommit 100/0 parts=1 start=0\n"
              "mark t-0 commit epoch=0 later\n"
              "mark t-0 commit epoch=0\n"
              "log CompleteCommit 100/0 parts=0 start=0\n");
}

static void failed_log_leaves_everything_as_it_was(void **state)
{
    struct fixture *f = *state;
    f->persist_failures = 1;
    assert_int_equal(init(f, -1, -1, 0), 15);
    assert_int_equal(f->txn->producer_id, -1);
    assert_int_equal(init(f, -1, -1, 0), 0);
    f->persist_failures = 1;
    assert_int_equal(add(f, 101, 0, 0, 0), 15);
    assert_int_equal(f->txn->state, WR_TXN_EMPTY);
    assert_int_equal(f->txn->partition_count, 0);
    assert_int_equal(add(f, 101, 0, 0, 0), 0);
    wr_buf_reset(&f->trace);
    struct wr_txn_caller caller = {101, 0};
    f->persist_failures = 1;
    assert_int_equal(wr_txn_end(f->txn, &caller, true, 1), 15);
    assert_int_equal(f->txn->state, WR_TXN_ONGOING);
    f->persist_good = 1; /* Prepare is written, Complete is not */
    f->persist_failures = 1;
    assert_int_equal(wr_txn_end(f->txn, &caller, true, 2), 0);
    assert_int_equal(f->txn->state, WR_TXN_PREPARE_COMMIT);
    wr_txn_tick(f->txn, 1000);
    expect(f, "log fails\n"
              "log PrepareCommit 101/0 parts=1 start=0\n"
              "mark t-0 commit epoch=0\n"
              "log fails\n"
              "log CompleteCommit 101/0 parts=0 start=0\n");
}

static void used_up_epochs_lead_to_a_new_producer_id(void **state)
{
    struct fixture *f = *state;
    init(f, -1, -1, 0);
    f->txn->epoch = INT16_MAX - 1;
    assert_int_equal(init(f, 100, INT16_MAX - 2, 1), 90);
    assert_int_equal(init(f, 100, INT16_MAX - 1, 1), 0);
    assert_int_equal(f->txn->producer_id, 101);
    assert_int_equal(f->txn->epoch, 0);
    assert_int_equal(init(f, 100, INT16_MAX - 1, 1), 0); /* the call again */
    assert_int_equal(f->txn->producer_id, 101);
    f->txn->epoch = INT16_MAX - 1;
    f->next_producer_id = -1;
    assert_int_equal(init(f, -1, -1, 1), 15);
    assert_int_equal(f->txn->producer_id, 101);
}

static void decision_found_at_start_is_carried_out(void **state)
{
    struct fixture *f = *state;
    f->txn->producer_id = 7;
    f->txn->epoch = 3;
    f->txn->state = WR_TXN_PREPARE_COMMIT;
    assert_int_equal(wr_txn_put(f->txn, weir_text("t"), 4), WEIR_OK);
    f->mark = WR_TXN_GONE; /* its topic was deleted meanwhile */
    wr_txn_tick(f->txn, 1);
    expect(f, "mark t-4 commit epoch=3\n"
              "log CompleteCommit 7/3 parts=0 start=-1\n");
}

static void deleted_topic_leaves_the_transaction(void **state)
{
    struct fixture *f = *state;
    init(f, -1, -1, 0);
    add(f, 100, 0, 0, 0);
    add(f, 100, 0, 1, 0);
    wr_txn_drop_topic(f->txn, weir_text("other"));
    assert_int_equal(f->txn->partition_count, 2);
    wr_txn_drop_topic(f->txn, weir_text("t"));
    assert_int_equal(f->txn->partition_count, 0);
    wr_buf_reset(&f->trace);
    assert_int_equal(end(f, 0, true, 1), 0);
    expect(f, "log PrepareCommit 100/0 parts=0 start=0\n"
              "log CompleteCommit 100/0 parts=0 start=0\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* An epoch up to which nobody wants to count. */
static void last_epoch_for_a_producer(struct fixture *f)
{
    struct wr_txn_init fresh = {60000, -1, -1};
    assert_int_equal(wr_txn_init_producer(f->txn, &fresh, 1), 0);
    f->txn->epoch = INT16_MAX - 1;
}

static void open_one(struct fixture *f)
{
    struct wr_txn_caller caller = {f->txn->producer_id, f->txn->epoch};
    struct wr_txn_partition t = {weir_text("t"), 0};
    assert_int_equal(wr_txn_add(f->txn, &caller, &t, 1, 10), 0);
}

static void who_has_the_last_epoch_begins_anew_with_another_id(void **state)
{
    struct fixture *f = *state;
    last_epoch_for_a_producer(f);
    open_one(f);
    struct wr_txn_init named = {60000, f->txn->producer_id, f->txn->epoch};
    assert_int_equal(wr_txn_init_producer(f->txn, &named, 20), 0);
    assert_int_equal(f->txn->producer_id, 101);
    assert_int_equal(f->txn->epoch, 0);
    /* the same call again gets the same answer */
    assert_int_equal(wr_txn_init_producer(f->txn, &named, 21), 0);
    assert_int_equal(f->txn->producer_id, 101);
    assert_int_equal(f->txn->epoch, 0);
    open_one(f);
    wr_txn_tick(f->txn, 10 + 60000);
    assert_int_equal(f->txn->state, WR_TXN_COMPLETE_ABORT);
    assert_int_equal(f->txn->epoch, 1);
}

static void no_epoch_is_counted_beyond_the_last(void **state)
{
    struct fixture *f = *state;
    last_epoch_for_a_producer(f);
    for (int round = 0; round < 2; round++) {
        open_one(f);
        wr_txn_tick(f->txn, 100000 * (round + 1));
        assert_int_equal(f->txn->state, WR_TXN_COMPLETE_ABORT);
        assert_int_equal(f->txn->epoch, INT16_MAX);
    }
    struct wr_txn_init fresh = {60000, -1, -1};
    assert_int_equal(wr_txn_init_producer(f->txn, &fresh, 70000), 0);
    assert_int_equal(f->txn->producer_id, 101);
    assert_int_equal(f->txn->epoch, 0);
    f->txn->epoch = INT16_MIN; /* as a log may have it */
    assert_int_equal(wr_txn_init_producer(f->txn, &fresh, 70001), 0);
    assert_int_equal(f->txn->producer_id, 102);
    assert_int_equal(f->txn->epoch, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(commit_writes_prepare_markers_complete_in_that_order),
        TEST(second_init_fences_the_first_and_aborts_its_work),
        TEST(owner_may_bump_its_own_epoch),
        TEST(open_for_too_long_is_aborted_and_fenced),
        TEST(marker_that_cannot_be_written_now_is_written_later),
        TEST(failed_log_leaves_everything_as_it_was),
        TEST(used_up_epochs_lead_to_a_new_producer_id),
        TEST(decision_found_at_start_is_carried_out),
        TEST(deleted_topic_leaves_the_transaction),
        TEST(who_has_the_last_epoch_begins_anew_with_another_id),
        TEST(no_epoch_is_counted_beyond_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
