/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/offsets.h"

#include "tests/harness/faults.h"
#include "tests/harness/weir_test.h"

static struct wr_offset at(const char *topic, int32_t partition, int64_t offset,
                           int64_t log_offset)
{
    return (struct wr_offset){.topic = weir_text(topic),
                              .partition = partition,
                              .offset = offset,
                              .leader_epoch = -1,
                              .metadata = weir_text("m"),
                              .expire_ms = -1,
                              .log_offset = log_offset};
}

static int64_t committed(const struct wr_offsets *offsets, const char *topic,
                         int32_t partition)
{
    const struct wr_offset *found =
        wr_offsets_get(offsets, weir_text(topic), partition);
    return found ? found->offset : -1;
}

static enum weir_status put(struct wr_offsets *offsets, int64_t producer_id,
                            const struct wr_offset *offset)
{
    enum weir_status status = wr_offsets_stage(offsets, producer_id, offset);
    wr_offsets_accept_staged(offsets, offset->log_offset);
    return status;
}

static void last_commit_counts_and_null_metadata_is_empty(void **state)
{
    (void)state;
    struct wr_offsets offsets;
    wr_offsets_init(&offsets);
    assert_true(wr_offsets_is_empty(&offsets));
    struct wr_offset a = at("t", 0, 5, 1);
    struct wr_offset b = at("t", 0, 4, 2); /* going back is allowed */
    b.metadata = WEIR_NULL;
    assert_int_equal(put(&offsets, -1, &a), WEIR_OK);
    assert_int_equal(put(&offsets, -1, &b), WEIR_OK);
    assert_int_equal(committed(&offsets, "t", 0), 4);
    assert_int_equal(committed(&offsets, "t", 1), -1);
    assert_non_null(wr_offsets_get(&offsets, weir_text("t"), 0)->metadata.data);
    assert_true(wr_offsets_remove(&offsets, weir_text("t"), 0));
    assert_false(wr_offsets_remove(&offsets, weir_text("t"), 0));
    wr_offsets_done(&offsets);
}

static void pending_positions_wait_for_their_transaction(void **state)
{
    (void)state;
    struct wr_offsets offsets;
    wr_offsets_init(&offsets);
    struct wr_offset a = at("t", 0, 5, 1);
    struct wr_offset b = at("t", 0, 9, 2);
    assert_int_equal(put(&offsets, -1, &a), WEIR_OK);
    assert_int_equal(put(&offsets, 7, &b), WEIR_OK);
    assert_int_equal(committed(&offsets, "t", 0), 5);
    assert_true(wr_offsets_unstable(&offsets, weir_text("t"), 0));
    assert_false(wr_offsets_unstable(&offsets, weir_text("t"), 1));
    assert_false(wr_offsets_end_txn(&offsets, 8, true));
    assert_true(wr_offsets_end_txn(&offsets, 7, true));
    assert_int_equal(committed(&offsets, "t", 0), 9);
    assert_false(wr_offsets_unstable(&offsets, weir_text("t"), 0));
    struct wr_offset c = at("t", 0, 20, 3);
    assert_int_equal(put(&offsets, 7, &c), WEIR_OK);
    assert_true(wr_offsets_end_txn(&offsets, 7, false));
    assert_int_equal(committed(&offsets, "t", 0), 9);
    wr_offsets_done(&offsets);
}

static void newest_in_the_log_wins_over_a_later_marker(void **state)
{
    (void)state;
    struct wr_offsets offsets;
    wr_offsets_init(&offsets);
    struct wr_offset pending = at("t", 0, 100, 10);
    struct wr_offset plain = at("t", 0, 50, 11);
    struct wr_offset other = at("u", 0, 1, 10);
    assert_int_equal(put(&offsets, 7, &pending), WEIR_OK);
    assert_int_equal(put(&offsets, 7, &other), WEIR_OK);
    assert_int_equal(put(&offsets, -1, &plain), WEIR_OK);
    assert_true(wr_offsets_end_txn(&offsets, 7, true));
    assert_int_equal(committed(&offsets, "t", 0), 50);
    assert_int_equal(committed(&offsets, "u", 0), 1);
    wr_offsets_done(&offsets);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    struct wr_offsets offsets;
    wr_offsets_init(&offsets);
    char name[251];
    memset(name, 'n', 250);
    name[250] = '\0';
    struct wr_offset bad[] = {at("", 0, 0, 0), at(name, 0, 0, 0),
                              at("t", -1, 0, 0)};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(put(&offsets, -1, &bad[i]), WEIR_E_INVALID);
    }
    assert_null(wr_offsets_get(&offsets, weir_text(name), 0));
    assert_true(wr_offsets_is_empty(&offsets));
    wr_offsets_done(&offsets);
}

static void what_is_staged_counts_when_it_is_in_the_log(void **state)
{
    (void)state;
    struct wr_offsets offsets;
    wr_offsets_init(&offsets);
    struct wr_offset a = at("t", 0, 5, -1);
    struct wr_offset b = at("t", 1, 6, -1);
    assert_int_equal(wr_offsets_stage(&offsets, -1, &a), WEIR_OK);
    assert_int_equal(wr_offsets_stage(&offsets, 7, &b), WEIR_OK);
    assert_int_equal(committed(&offsets, "t", 0), -1);
    assert_false(wr_offsets_unstable(&offsets, weir_text("t"), 1));
    wr_offsets_drop_staged(&offsets);
    assert_true(wr_offsets_is_empty(&offsets));
    assert_false(wr_offsets_end_txn(&offsets, 7, true));

    assert_int_equal(wr_offsets_stage(&offsets, -1, &a), WEIR_OK);
    assert_int_equal(wr_offsets_stage(&offsets, 7, &b), WEIR_OK);
    wr_offsets_accept_staged(&offsets, 40);
    assert_int_equal(committed(&offsets, "t", 0), 5);
    assert_int_equal(wr_offsets_get(&offsets, weir_text("t"), 0)->log_offset,
                     40);
    assert_true(wr_offsets_end_txn(&offsets, 7, true));
    assert_int_equal(wr_offsets_get(&offsets, weir_text("t"), 1)->log_offset,
                     41);
    wr_offsets_done(&offsets);
}

static void a_transaction_has_one_position_a_partition(void **state)
{
    (void)state;
    struct wr_offsets offsets;
    wr_offsets_init(&offsets);
    struct wr_offset a = at("t", 0, 5, 1);
    struct wr_offset b = at("t", 0, 6, 2);
    struct wr_offset c = at("t", 0, 7, 3);
    assert_int_equal(put(&offsets, 7, &a), WEIR_OK);
    assert_int_equal(put(&offsets, 8, &b), WEIR_OK);
    assert_int_equal(put(&offsets, 7, &c), WEIR_OK);
    assert_true(wr_offsets_end_txn(&offsets, 7, true));
    assert_int_equal(committed(&offsets, "t", 0), 7);
    assert_true(wr_offsets_unstable(&offsets, weir_text("t"), 0));
    assert_true(wr_offsets_end_txn(&offsets, 8, false));
    assert_int_equal(committed(&offsets, "t", 0), 7);
    assert_true(wr_offsets_remove(&offsets, weir_text("t"), 0));
    assert_true(wr_offsets_is_empty(&offsets));
    wr_offsets_done(&offsets);
}

static enum weir_status transaction(void *arg)
{
    (void)arg;
    struct wr_offsets offsets;
    wr_offsets_init(&offsets);
    enum weir_status status = WEIR_OK;
    for (int32_t p = 0; status == WEIR_OK && p < 20; p++) {
        struct wr_offset offset = at("t", p, 100 + p, p);
        status = put(&offsets, 7, &offset);
    }
    if (status == WEIR_OK) {
        assert_true(wr_offsets_end_txn(&offsets, 7, true));
        for (int32_t p = 0; p < 20; p++) {
            assert_int_equal(committed(&offsets, "t", p), 100 + p);
        }
    }
    wr_offsets_done(&offsets);
    return status;
}

static void what_was_taken_is_committed_whatever_memory_is_left(void **state)
{
    (void)state;
    (void)wr_faults_each(transaction, NULL);
}

static void what_is_removed_comes_back_with_no_transaction(void **state)
{
    (void)state;
    struct wr_offsets offsets;
    wr_offsets_init(&offsets);
    struct wr_offset a = at("t", 0, 5, 1);
    struct wr_offset b = at("t", 0, 9, 2);
    struct wr_offset c = at("t", 1, 7, 3);
    struct wr_offset d = at("t", 0, 11, 4);
    assert_int_equal(put(&offsets, -1, &a), WEIR_OK);
    assert_int_equal(put(&offsets, 7, &b), WEIR_OK);
    assert_int_equal(put(&offsets, 7, &c), WEIR_OK);
    assert_int_equal(put(&offsets, 8, &d), WEIR_OK);
    assert_true(wr_offsets_remove(&offsets, weir_text("t"), 0));
    assert_false(wr_offsets_remove(&offsets, weir_text("t"), 0));
    assert_false(wr_offsets_unstable(&offsets, weir_text("t"), 0));
    assert_true(wr_offsets_end_txn(&offsets, 7, true));
    assert_false(wr_offsets_end_txn(&offsets, 8, true)); /* has nothing left */
    assert_int_equal(committed(&offsets, "t", 0), -1);
    assert_int_equal(committed(&offsets, "t", 1), 7);
    assert_int_equal(offsets.count, 1);
    assert_int_equal(put(&offsets, 9, &d), WEIR_OK);
    wr_offsets_clear(&offsets);
    assert_true(wr_offsets_is_empty(&offsets));
    assert_false(wr_offsets_end_txn(&offsets, 9, true));
    wr_offsets_done(&offsets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_commit_counts_and_null_metadata_is_empty),
        cmocka_unit_test(pending_positions_wait_for_their_transaction),
        cmocka_unit_test(newest_in_the_log_wins_over_a_later_marker),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(what_is_staged_counts_when_it_is_in_the_log),
        cmocka_unit_test(a_transaction_has_one_position_a_partition),
        cmocka_unit_test(what_was_taken_is_committed_whatever_memory_is_left),
        cmocka_unit_test(what_is_removed_comes_back_with_no_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
