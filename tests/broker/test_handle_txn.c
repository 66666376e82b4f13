/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/broker/served.h"

#include <stdio.h>

static int start(void **state)
{
    (void)served_start(state);
    wire_topic(&client, "t", 2);
    return 0;
}

static void whole_transaction_in_every_version(void **state)
{
    (void)state;
    for (int16_t version = 0; version <= 5; version++) {
        char id[16];
        snprintf(id, sizeof(id), "id%d", version);
        struct wr_init_producer_id_response p;
        int16_t add_version = version < 3 ? version : 3;
        int16_t end_version = version < 4 ? version : 4;
        assert_int_equal(wire_init(&client, version, id, &p), 0);
        assert_int_equal(p.producer_epoch, 0);
        assert_int_equal(wire_end(&client, end_version, id, &p, true), 48);
        for (int commit = 0; commit < 2; commit++) {
            assert_int_equal(wire_add(&client, add_version, id, &p, "t", 0), 0);
            assert_int_equal(
                wire_end(&client, end_version, id, &p, commit == 1), 0);
            assert_int_equal(
                wire_end(&client, end_version, id, &p, commit == 1), 0);
            assert_int_equal(
                wire_end(&client, end_version, id, &p, commit == 0), 48);
        }
    }
}

static void fenced_producer_is_told_in_the_words_of_its_version(void **state)
{
    (void)state;
    struct wr_init_producer_id_response old;
    struct wr_init_producer_id_response now;
    assert_int_equal(wire_init(&client, 2, "f", &old), 0);
    assert_int_equal(wire_init(&client, 2, "f", &now), 0);
    assert_int_equal(now.producer_id, old.producer_id);
    assert_int_equal(now.producer_epoch, old.producer_epoch + 1);
    for (int16_t version = 0; version <= 3; version++) {
        int16_t fenced = version < 2 ? 47 : 90;
        assert_int_equal(wire_add(&client, version, "f", &old, "t", 0), fenced);
        assert_int_equal(wire_end(&client, version, "f", &old, true), fenced);
    }
    now.producer_id++;
    assert_int_equal(wire_add(&client, 2, "f", &now, "t", 0), 49);
    assert_int_equal(wire_end(&client, 2, "unknown", &now, true), 49);
    assert_int_equal(wire_add(&client, 2, "unknown", &now, "t", 0), 49);
}

static void one_bad_partition_spoils_the_request(void **state)
{
    (void)state;
    struct wr_init_producer_id_response p;
    assert_int_equal(wire_init(&client, 2, "bad", &p), 0);
    int32_t indexes[] = {0, 7};
    struct wr_add_partitions_to_txn_request_topic t = {
        .name = weir_text("t"), .partitions = indexes, .partitions_count = 2};
    struct wr_add_partitions_to_txn_response r;
    WIRE_INIT(add_partitions_to_txn, q);
    q.transactional_id = weir_text("bad");
    q.producer_id = p.producer_id;
    q.producer_epoch = p.producer_epoch;
    q.topics = &t;
    q.topics_count = 1;
    test_client_call(&client, WR_API_ADD_PARTITIONS_TO_TXN, 2, &q, &r);
    assert_int_equal(r.topics[0].partitions[0].error_code, 55);
    assert_int_equal(r.topics[0].partitions[1].error_code, 3);
    assert_int_equal(wire_end(&client, 2, "bad", &p, true), 48);
}

static int16_t init_as(const char *id, int32_t timeout_ms, int64_t producer_id,
                       int16_t epoch, struct wr_init_producer_id_response *out)
{
    WIRE_INIT(init_producer_id, q);
    q.transactional_id = weir_text(id);
    q.transaction_timeout_ms = timeout_ms;
    q.producer_id = producer_id;
    q.producer_epoch = epoch;
    test_client_call(&client, WR_API_INIT_PRODUCER_ID, 4, &q, out);
    return out->error_code;
}

static void init_checks_what_it_is_given(void **state)
{
    (void)state;
    struct wr_init_producer_id_response r;
    assert_int_equal(init_as("", 1000, -1, -1, &r), 42);
    assert_int_equal(init_as("i", 0, -1, -1, &r), 50);
    assert_int_equal(init_as("i", 900001, -1, -1, &r), 50);
    assert_int_equal(init_as("i", 1000, 5, -1, &r), 42);
    assert_int_equal(init_as(NULL, 0, -1, -1, &r), 0); /* idempotent only */
    int64_t first = r.producer_id;
    assert_int_equal(r.producer_epoch, 0);
    assert_int_equal(init_as(NULL, 0, -1, -1, &r), 0);
    assert_true(r.producer_id > first);
    assert_int_equal(init_as("i", 1000, -1, -1, &r), 0);
    struct wr_init_producer_id_response again;
    assert_int_equal(
        init_as("i", 1000, r.producer_id, r.producer_epoch, &again), 0);
    assert_int_equal(again.producer_epoch, r.producer_epoch + 1);
    assert_int_equal(init_as("i", 1000, r.producer_id + 1, 0, &again), 90);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_transaction_in_every_version),
        cmocka_unit_test(fenced_producer_is_told_in_the_words_of_its_version),
        cmocka_unit_test(one_bad_partition_spoils_the_request),
        cmocka_unit_test(init_checks_what_it_is_given),
    };
    return cmocka_run_group_tests(tests, start, served_stop);
}
