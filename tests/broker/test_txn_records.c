/* SPDX-License-Identifier: Apache-2.0
 *
 * The records of __transaction_state, byte for byte as Kafka's field lists have
 * them, and back. */
#include "broker/txn_records.h"

#include "tests/harness/weir_test.h"

static struct wr_coord_log coord_log;
static struct wr_buf scratch;
static struct wr_arena arena;
static struct wr_txn *txn;

static int set_up(void **state)
{
    (void)state;
    wr_coord_log_init(&coord_log, NULL, "__transaction_state", "");
    wr_buf_init(&scratch, 1 << 16);
    wr_arena_init(&arena, 1 << 20);
    struct wr_batch_options plain = WR_BATCH_PLAIN;
    wr_coord_batch_begin(&coord_log, &plain);
    return wr_txn_new(weir_text("x"), NULL, &txn) == WEIR_OK ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    wr_coord_log_done(&coord_log);
    wr_buf_done(&scratch);
    wr_arena_done(&arena);
    wr_txn_free(txn);
    return 0;
}

static struct wr_record only_record(void)
{
    struct wr_batch_iter iter;
    struct wr_record record;
    assert_int_equal(wr_batch_end(&coord_log.builder), WEIR_OK);
    assert_int_equal(wr_batch_iter_init(&iter, wr_buf_view(&coord_log.scratch),
                                        &scratch, NULL),
                     WEIR_OK);
    assert_true(wr_batch_iter_next(&iter, &record));
    return record;
}

static void open_transaction_has_kafkas_bytes_and_comes_back(void **state)
{
    (void)state;
    txn->producer_id = 258;
    txn->epoch = 3;
    txn->timeout_ms = 16;
    txn->state = WR_TXN_ONGOING;
    txn->update_ms = 5;
    txn->start_ms = 4;
    assert_int_equal(wr_txn_put(txn, weir_text("a"), 1), WEIR_OK);
    assert_int_equal(wr_txn_put(txn, weir_text("b"), 0), WEIR_OK);
    assert_int_equal(wr_txn_put(txn, weir_text("a"), 2), WEIR_OK);
    assert_int_equal(wr_txn_record_add(&coord_log, txn, &arena, 9), WEIR_OK);
    struct wr_record record = only_record();
    static const uint8_t key[] = {0, 0, 0, 1, 'x'};
    static const uint8_t value[] = {0, 0,                      /* version */
                                    0, 0, 0,   0,  0, 0, 1, 2, /* producer id */
                                    0, 3,                      /* epoch */
                                    0, 0, 0,   16,             /* time-out */
                                    1,                         /* Ongoing */
                                    0, 0, 0,   2,              /* topics */
                                    0, 1, 'a', 0,  0, 0, 2, /* two partitions */
                                    0, 0, 0,   1,  0, 0, 0, 2, /* 1, 2 */
                                    0, 1, 'b', 0,  0, 0, 1, /* one partition */
                                    0, 0, 0,   0,           /* 0 */
                                    0, 0, 0,   0,  0, 0, 0, 5,  /* update */
                                    0, 0, 0,   0,  0, 0, 0, 4}; /* start */
    assert_true(wr_bytes_equal(record.key, weir_bytes(key, sizeof(key))));
    assert_int_equal(record.value.len, sizeof(value));
    assert_memory_equal(record.value.data, value, sizeof(value));

    struct weir_bytes id;
    assert_int_equal(wr_txn_record_id(&record, &arena, &id), WEIR_OK);
    assert_true(wr_bytes_equal_text(id, "x"));
    struct wr_txn *back = NULL;
    assert_int_equal(wr_txn_new(id, NULL, &back), WEIR_OK);
    assert_int_equal(wr_txn_record_apply(back, &record, &arena), WEIR_OK);
    assert_int_equal(back->producer_id, 258);
    assert_int_equal(back->epoch, 3);
    assert_int_equal(back->state, WR_TXN_ONGOING);
    assert_int_equal(back->partition_count, 3);
    assert_true(wr_txn_has(back, weir_text("a"), 2));
    assert_true(wr_txn_has(back, weir_text("b"), 0));
    wr_txn_free(back);
}

static void without_a_transaction_the_topics_are_null(void **state)
{
    (void)state;
    txn->producer_id = 1;
    txn->epoch = 0;
    assert_int_equal(wr_txn_record_add(&coord_log, txn, &arena, 9), WEIR_OK);
    struct wr_record record = only_record();
    static const uint8_t topics[] = {0xff, 0xff, 0xff, 0xff};
    assert_memory_equal(record.value.data + 17, topics, 4);
    assert_int_equal(wr_txn_record_apply(txn, &record, &arena), WEIR_OK);
    assert_int_equal(txn->partition_count, 0);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    txn->producer_id = 1;
    txn->epoch = 0;
    assert_int_equal(wr_txn_record_add(&coord_log, txn, &arena, 9), WEIR_OK);
    struct wr_record whole = only_record();
    for (size_t len = 0; len < whole.value.len; len++) {
        struct wr_record cut = whole;
        cut.value.len = len;
        assert_int_not_equal(wr_txn_record_apply(txn, &cut, &arena), WEIR_OK);
    }
    uint8_t value[64];
    memcpy(value, whole.value.data, whole.value.len);
    value[16] = 7; /* a state that is never written */
    struct wr_record odd = whole;
    odd.value = weir_bytes(value, whole.value.len);
    assert_int_equal(wr_txn_record_apply(txn, &odd, &arena), WEIR_E_CORRUPT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(open_transaction_has_kafkas_bytes_and_comes_back),
        TEST(without_a_transaction_the_topics_are_null),
        TEST(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
