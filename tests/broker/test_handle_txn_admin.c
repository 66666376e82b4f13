/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/broker/wire.h"
#include "tests/harness/weir_test.h"

static struct test_broker broker;
static struct test_client client;
static struct wr_init_producer_id_response open_one; /* "open", in t-0, t-1 */

static int start(void **state)
{
    (void)state;
    test_broker_start(&broker, NULL);
    test_client_open(&client, &broker);
    wire_topic(&client, "t", 2);
    struct wr_init_producer_id_response idle;
    assert_int_equal(wire_init(&client, 2, "idle", &idle), 0);
    assert_int_equal(wire_init(&client, 2, "open", &open_one), 0);
    assert_int_equal(wire_add(&client, 2, "open", &open_one, "t", 0), 0);
    assert_int_equal(wire_add(&client, 2, "open", &open_one, "t", 1), 0);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_client_close(&client);
    test_broker_stop(&broker);
    return 0;
}

static void transaction_is_described_with_its_partitions(void **state)
{
    (void)state;
    struct weir_bytes ids[] = {weir_text("open"), weir_text("none"),
                               weir_text("idle")};
    struct wr_describe_transactions_response r;
    WIRE_INIT(describe_transactions, q);
    q.transactional_ids = ids;
    q.transactional_ids_count = 3;
    test_client_call(&client, WR_API_DESCRIBE_TRANSACTIONS, 0, &q, &r);
    assert_int_equal(r.transaction_states_count, 3);
    struct wr_describe_transactions_response_transaction_state *s =
        r.transaction_states;
    assert_true(wr_bytes_equal_text(s[0].transaction_state, "Ongoing"));
    assert_int_equal(s[0].producer_id, open_one.producer_id);
    assert_int_equal(s[0].transaction_timeout_ms, 60000);
    assert_int_equal(s[0].topics_count, 1);
    assert_int_equal(s[0].topics[0].partitions_count, 2);
    assert_int_equal(s[1].error_code, 105);
    assert_true(wr_bytes_equal_text(s[2].transaction_state, "Empty"));
    assert_int_equal(s[2].topics_count, 0);
}

static void list_obeys_its_filters(void **state)
{
    (void)state;
    struct weir_bytes states[] = {weir_text("Ongoing"), weir_text("Nonsense")};
    struct wr_list_transactions_response r;
    WIRE_INIT(list_transactions, q);
    q.duration_filter = -1;
    test_client_call(&client, WR_API_LIST_TRANSACTIONS, 1, &q, &r);
    assert_int_equal(r.transaction_states_count, 2);
    q.state_filters = states;
    q.state_filters_count = 2;
    test_client_call(&client, WR_API_LIST_TRANSACTIONS, 1, &q, &r);
    assert_int_equal(r.transaction_states_count, 1);
    assert_true(
        wr_bytes_equal_text(r.transaction_states[0].transactional_id, "open"));
    assert_int_equal(r.unknown_state_filters_count, 1);
    q.state_filters_count = 0;
    q.duration_filter = 3600000;
    test_client_call(&client, WR_API_LIST_TRANSACTIONS, 1, &q, &r);
    assert_int_equal(r.transaction_states_count, 0);
}

static void administrator_ends_what_hangs_in_a_partition(void **state)
{
    (void)state;
    assert_int_equal(
        wire_produce(&client,
                     WIRE_PRODUCE(.topic = "t",
                                  .producer_id = open_one.producer_id,
                                  .producer_epoch = open_one.producer_epoch,
                                  .sequence = 0, .transactional = true,
                                  .txn_id = "open"))
            .error_code,
        0);
    struct wr_fetch_response_partition p =
        wire_fetch(&client, WIRE_FETCH(.topic = "t", .isolation = 1));
    assert_int_equal(p.last_stable_offset, 0);
    int32_t indexes[] = {0, 9};
    struct wr_write_txn_markers_request_topic t = {
        .name = weir_text("t"), .partitions = indexes, .partitions_count = 2};
    struct wr_write_txn_markers_request_marker marker = {
        .producer_id = open_one.producer_id,
        .producer_epoch = open_one.producer_epoch,
        .topics = &t,
        .topics_count = 1,
        .coordinator_epoch = -1};
    struct wr_write_txn_markers_response r;
    WIRE_INIT(write_txn_markers, q);
    q.markers = &marker;
    q.markers_count = 1;
    test_client_call(&client, WR_API_WRITE_TXN_MARKERS, 1, &q, &r);
    assert_int_equal(r.markers[0].topics[0].partitions[0].error_code, 0);
    assert_int_equal(r.markers[0].topics[0].partitions[1].error_code, 3);
    p = wire_fetch(&client, WIRE_FETCH(.topic = "t", .isolation = 1));
    assert_int_equal(p.last_stable_offset, 2);
    assert_int_equal(p.aborted_transactions_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transaction_is_described_with_its_partitions),
        cmocka_unit_test(list_obeys_its_filters),
        cmocka_unit_test(administrator_ends_what_hangs_in_a_partition),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
