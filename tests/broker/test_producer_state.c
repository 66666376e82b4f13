/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/producer_state.h"

#include "base/hash.h"

#include "tests/harness/weir_test.h"

#include <stdlib.h>

static struct wr_producers producers;
static int64_t next_offset;

#define START_MS  INT64_C(100000000)
#define MINUTE_MS (INT64_C(60) * 1000)

static int set_up(void **state)
{
    (void)state;
    next_offset = 0;
    wr_producers_init(&producers, 100, 1000, START_MS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    wr_producers_done(&producers);
    return 0;
}

static struct wr_batch batch_of(int64_t id, int16_t epoch, int32_t sequence,
                                int32_t count)
{
    return (struct wr_batch){
        .base_offset = next_offset,
        .producer_id = id,
        .producer_epoch = epoch,
        .base_sequence = sequence,
        .last_offset_delta = count - 1,
        .record_count = count,
        .max_timestamp = 5000,
        .crc = (uint32_t)next_offset + 1,
    };
}

/* Checks, and takes in what may be appended. -1: duplicate. */
static int offer(struct wr_batch batch)
{
    struct wr_producer_batch old;
    bool duplicate;
    enum wr_kafka_error code =
        wr_producers_check(&producers, &batch, &old, &duplicate, NULL);
    if (code == WR_ERR_NONE && !duplicate) {
        assert_int_equal(wr_producers_apply(&producers, &batch), WEIR_OK);
        next_offset += batch.record_count;
    }
    return duplicate ? -1 : (int)code;
}

static void finish(int64_t id, int16_t epoch, bool commit)
{
    struct wr_marker marker = {id, epoch, commit, 0, 5000};
    assert_int_equal(
        wr_producers_apply_marker(&producers, &marker, next_offset++), WEIR_OK);
}

static struct wr_batch in_txn(struct wr_batch batch)
{
    batch.attributes = WR_BATCH_TRANSACTIONAL;
    return batch;
}

static void sequences_follow_each_other(void **state)
{
    (void)state;
    assert_int_equal(offer(batch_of(1, 0, 7, 3)), 0); /* unknown: any */
    assert_int_equal(offer(batch_of(1, 0, 10, 1)), 0);
    assert_int_equal(offer(batch_of(1, 0, 12, 1)),
                     WR_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(offer(batch_of(1, 0, 7, 3)), -1);
    assert_int_equal(offer(batch_of(1, 0, 7, 2)),
                     WR_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
}

static void sequences_wrap_to_zero(void **state)
{
    (void)state;
    assert_int_equal(offer(batch_of(1, 0, INT32_MAX - 1, 1)), 0);
    assert_int_equal(offer(batch_of(1, 0, INT32_MAX, 3)), 0); /* max, 0, 1 */
    assert_int_equal(offer(batch_of(1, 0, 2, 1)), 0);
    assert_int_equal(offer(batch_of(1, 0, INT32_MAX, 3)), -1);
}

static void a_new_epoch_begins_at_zero_and_fences_the_old(void **state)
{
    (void)state;
    assert_int_equal(offer(batch_of(1, 0, 0, 1)), 0);
    assert_int_equal(offer(batch_of(1, 1, 1, 1)),
                     WR_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(offer(batch_of(1, 1, 0, 1)), 0);
    assert_int_equal(offer(batch_of(1, 0, 1, 1)),
                     WR_ERR_INVALID_PRODUCER_EPOCH);
}

static void five_batches_are_remembered(void **state)
{
    (void)state;
    for (int32_t i = 0; i < 6; i++) {
        assert_int_equal(offer(batch_of(1, 0, i, 1)), 0);
    }
    assert_int_equal(offer(batch_of(1, 0, 1, 1)), -1);
    assert_int_equal(offer(batch_of(1, 0, 0, 1)),
                     WR_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
}

static void the_stable_offset_waits_for_markers_to_be_durable(void **state)
{
    (void)state;
    assert_int_equal(offer(in_txn(batch_of(1, 0, 0, 1))), 0);
    assert_int_equal(offer(in_txn(batch_of(2, 0, 0, 1))), 0);
    assert_int_equal(wr_producers_stable(&producers, 2), 0);
    finish(1, 0, true); /* at 2 */
    wr_producers_advance(&producers, 2);
    assert_int_equal(wr_producers_stable(&producers, 2), 0);
    wr_producers_advance(&producers, 3);
    assert_int_equal(wr_producers_stable(&producers, 3), 1);
    finish(2, 0, false);
    wr_producers_advance(&producers, 4);
    assert_int_equal(wr_producers_stable(&producers, 4), 4);
}

static void sequences_of_an_aborted_transaction_may_be_used_again(void **state)
{
    (void)state;
    assert_int_equal(offer(in_txn(batch_of(1, 0, 0, 1))), 0);
    finish(1, 0, true);
    struct wr_batch lost = in_txn(batch_of(1, 0, 1, 2));
    assert_int_equal(offer(lost), 0);
    finish(1, 0, false);
    /* The same to the byte, only late: a duplicate still. */
    assert_int_equal(offer(lost), -1);
    /* Committed ones stay used. */
    assert_int_equal(offer(in_txn(batch_of(1, 0, 0, 2))),
                     WR_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(offer(in_txn(batch_of(1, 0, 1, 1))), 0);
    assert_int_equal(offer(in_txn(batch_of(1, 0, 2, 1))), 0);
    /* Only until the next batch: this one is known again, that one too late. */
    assert_int_equal(offer(in_txn(batch_of(1, 0, 1, 1))), -1);
    assert_int_equal(offer(in_txn(batch_of(1, 0, 1, 2))),
                     WR_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
}

static void a_snapshot_brings_everybody_back(void **state)
{
    (void)state;
    struct wr_buf bytes;
    wr_buf_init(&bytes, 10000);
    assert_int_equal(offer(batch_of(1, 3, 0, 1)), 0);
    assert_int_equal(offer(in_txn(batch_of(2, 0, 5, 4))), 0);
    wr_producers_save(&producers, &bytes);
    assert_int_equal(wr_producers_load(&producers, wr_buf_view(&bytes), NULL),
                     WEIR_OK);
    assert_int_equal(wr_producers_stable(&producers, 5), 1);
    assert_int_equal(offer(batch_of(1, 3, 0, 1)), -1);
    assert_int_equal(offer(in_txn(batch_of(2, 0, 9, 1))), 0);
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= 4;
        assert_int_equal(
            wr_producers_load(&producers, wr_buf_view(&bytes), NULL),
            WEIR_E_CORRUPT);
        bytes.data[i] ^= 4;
    }
    wr_buf_done(&bytes);
}

static void save_and_load(void)
{
    struct wr_buf bytes;
    wr_buf_init(&bytes, 10000);
    wr_producers_save(&producers, &bytes);
    assert_int_equal(wr_producers_load(&producers, wr_buf_view(&bytes), NULL),
                     WEIR_OK);
    wr_buf_done(&bytes);
}

static void what_is_void_is_void_after_a_snapshot_at_any_moment(void **state)
{
    (void)state;
    /* 0: within the transaction; 1: after its abort; 2: with a batch after it
     */
    for (int moment = 0; moment < 3; moment++) {
        int64_t id = 10 + moment;
        assert_int_equal(offer(in_txn(batch_of(id, 0, 0, 1))), 0);
        finish(id, 0, true);
        struct wr_batch lost = in_txn(batch_of(id, 0, 1, 1));
        assert_int_equal(offer(lost), 0);
        if (moment == 0) {
            save_and_load();
        }
        finish(id, 0, false);
        if (moment == 1) {
            save_and_load();
        }
        assert_int_equal(offer(lost), -1); /* late, the same to the byte */
        struct wr_batch next = in_txn(batch_of(id, 0, 1, 1));
        assert_int_equal(offer(next), 0);
        if (moment == 2) {
            save_and_load();
        }
        assert_int_equal(offer(next), -1);
        assert_int_equal(offer(in_txn(batch_of(id, 0, 0, 1))), -1);
        assert_int_equal(offer(in_txn(batch_of(id, 0, 2, 1))), 0);
    }
}

static void a_snapshot_keeps_the_whole_window(void **state)
{
    (void)state;
    struct wr_batch sent[WR_PRODUCER_BATCHES];
    for (int32_t i = 0; i < WR_PRODUCER_BATCHES; i++) {
        sent[i] = batch_of(1, 2, i, 1);
        assert_int_equal(offer(sent[i]), 0);
    }
    save_and_load();
    for (int32_t i = 0; i < WR_PRODUCER_BATCHES; i++) {
        assert_int_equal(offer(sent[i]), -1);
    }
}

static void a_snapshot_of_kafkas_brings_the_last_batches(void **state)
{
    (void)state;
    struct wr_buf bytes;
    wr_buf_init(&bytes, 10000);
    assert_int_equal(offer(in_txn(batch_of(1, 3, 0, 2))), 0);
    wr_producers_save(&producers, &bytes);
    size_t kafkas = 10 + 46;
    wr_store_u32(bytes.data + 2, wr_crc32c(0, bytes.data + 6, kafkas - 6));
    assert_int_equal(
        wr_producers_load(&producers, weir_bytes(bytes.data, kafkas), NULL),
        WEIR_OK);
    assert_int_equal(wr_producers_stable(&producers, 2), 0);
    assert_int_equal(offer(in_txn(batch_of(1, 3, 0, 2))), -1);
    assert_int_equal(offer(in_txn(batch_of(1, 3, 2, 1))), 0);
    for (size_t cut = kafkas + 1; cut < bytes.len; cut++) {
        wr_store_u32(bytes.data + 2, wr_crc32c(0, bytes.data + 6, cut - 6));
        assert_int_equal(
            wr_producers_load(&producers, weir_bytes(bytes.data, cut), NULL),
            WEIR_E_CORRUPT);
    }
    wr_buf_done(&bytes);
}

static void
producers_without_an_end_to_their_transaction_are_not_forgotten(void **state)
{
    (void)state;
    for (int64_t id = 0; id < 1000; id++) {
        assert_int_equal(offer(in_txn(batch_of(id, 0, 0, 1))), 0);
    }
    assert_int_equal(wr_producers_reserve(&producers, 5000), WEIR_E_TOOBIG);
    finish(7, 0, true);
    assert_int_equal(wr_producers_reserve(&producers, 5000), WEIR_OK);
    assert_null(wr_producers_get(&producers, 7));
    wr_producers_expire(&producers, START_MS + 100000);
    assert_non_null(wr_producers_get(&producers, 8));
}

static void
what_a_live_producer_repeats_is_known_however_many_others_come(void **state)
{
    (void)state;
    struct wr_batch live = batch_of(1, 0, 7, 1);
    assert_int_equal(offer(live), 0);
    for (int64_t id = 100; id < 900; id++) {
        assert_int_equal(offer(batch_of(id, 0, 0, 1)), 0);
    }
    assert_int_equal(offer(live), -1);
    assert_int_equal(offer(batch_of(1, 0, 8, 1)), 0);
    for (int64_t id = 1000; id < 9000; id++) { /* more than are kept */
        assert_int_equal(offer(batch_of(id, 0, 0, 1)), 0);
        assert_true(producers.map.count <= 1000);
        if (id % 500 == 0) {
            live = batch_of(1, 0, (int32_t)(id / 500) + 7, 1);
            assert_int_equal(offer(live), 0);
        }
    }
    assert_int_equal(offer(live), -1);
    assert_null(wr_producers_get(&producers, 100));
}

static void the_longest_unused_make_room(void **state)
{
    (void)state;
    producers.expire_ms = INT64_C(1000) * MINUTE_MS;
    for (int64_t id = 0; id < 100; id++) {
        struct wr_batch batch = batch_of(id, 0, 0, 1);
        batch.max_timestamp = 5000 - id; /* what records say is no matter */
        assert_int_equal(offer(batch), 0);
    }
    assert_int_equal(offer(batch_of(0, 0, 1, 1)), 0);
    wr_producers_expire(&producers, START_MS + 20 * MINUTE_MS);
    assert_int_equal(offer(batch_of(500, 0, 0, 1)), 0);
    assert_non_null(wr_producers_get(&producers, 0));
    assert_null(wr_producers_get(&producers, 1));
    assert_non_null(wr_producers_get(&producers, 99));
    assert_true(producers.map.count <= 100);
}

static void
producers_expire_by_the_clock_of_their_use_not_by_their_records(void **state)
{
    (void)state;
    struct wr_batch old = batch_of(1, 0, 7, 1);
    old.max_timestamp = 1;
    assert_int_equal(offer(old), 0);
    struct wr_batch future = batch_of(2, 0, 7, 1);
    future.max_timestamp = INT64_MAX;
    assert_int_equal(offer(future), 0);
    wr_producers_expire(&producers, START_MS + 1000);
    assert_int_equal(offer(old), -1);
    old = batch_of(1, 0, 8, 1);
    old.max_timestamp = 1;
    assert_int_equal(offer(old), 0);
    wr_producers_expire(&producers, START_MS + 1001);
    assert_int_equal(offer(old), -1);
    assert_null(wr_producers_get(&producers, 2));
}

static void a_snapshot_forgets_nobody_for_the_time_of_its_records(void **state)
{
    (void)state;
    struct wr_buf bytes;
    wr_buf_init(&bytes, 10000);
    struct wr_batch batch = batch_of(1, 0, 7, 1);
    assert_int_equal(offer(batch), 0);
    wr_producers_save(&producers, &bytes);
    assert_int_equal(wr_producers_load(&producers, wr_buf_view(&bytes), NULL),
                     WEIR_OK);
    wr_producers_expire(&producers, START_MS + 1000);
    assert_int_equal(offer(batch), -1);
    wr_producers_expire(&producers, START_MS + 1001);
    assert_null(wr_producers_get(&producers, 1));
    wr_buf_done(&bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sequences_follow_each_other),
        TEST(sequences_wrap_to_zero),
        TEST(a_new_epoch_begins_at_zero_and_fences_the_old),
        TEST(five_batches_are_remembered),
        TEST(the_stable_offset_waits_for_markers_to_be_durable),
        TEST(sequences_of_an_aborted_transaction_may_be_used_again),
        TEST(a_snapshot_brings_everybody_back),
        TEST(what_is_void_is_void_after_a_snapshot_at_any_moment),
        TEST(a_snapshot_keeps_the_whole_window),
        TEST(a_snapshot_of_kafkas_brings_the_last_batches),
        TEST(producers_without_an_end_to_their_transaction_are_not_forgotten),
        TEST(what_a_live_producer_repeats_is_known_however_many_others_come),
        TEST(the_longest_unused_make_room),
        TEST(producers_expire_by_the_clock_of_their_use_not_by_their_records),
        TEST(a_snapshot_forgets_nobody_for_the_time_of_its_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
