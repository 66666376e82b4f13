/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include "broker/broker.h"
#include "tests/broker/wire.h"
#include "tests/harness/weir_test.h"

#include <signal.h>

#define DEAF 100

static struct test_broker broker;
static struct test_client client;
static struct test_client other;

static int start(void **state)
{
    (void)state;
    test_broker_start(&broker, NULL);
    test_client_open(&client, &broker);
    test_client_open(&other, &broker);
    wire_topic(&client, "t", 1);
    wire_topic(&client, "empty", 1);
    for (int i = 0; i < 5; i++) { /* five batches of four records */
        (void)wire_produce(&client, WIRE_PRODUCE(.topic = "t", .records = 4));
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_client_close(&client);
    test_client_close(&other);
    test_broker_stop(&broker);
    return 0;
}

static void every_version_gives_whole_batches_from_the_offset_on(void **state)
{
    (void)state;
    for (int16_t version = 4; version <= 12; version++) {
        struct wr_fetch_response_partition p = wire_fetch(
            &client, WIRE_FETCH(.topic = "t", .version = version, .offset = 6));
        assert_int_equal(p.error_code, 0);
        assert_int_equal(wire_records(p.records), 16); /* from offset 4 on */
        assert_int_equal(p.high_watermark, 20);
        assert_int_equal(p.last_stable_offset, 20);
        assert_int_equal(p.aborted_transactions_count, -1);
    }
}

static void errors_are_kafkas(void **state)
{
    (void)state;
    const struct {
        int16_t error;
        const struct wire_fetch *fetch;
    } rows[] = {
        {3, WIRE_FETCH(.topic = "none")},
        {3, WIRE_FETCH(.topic = "t", .partition = 1)},
        {100, WIRE_FETCH(.topic = "t", .version = 13)}, /* no id was sent */
        {1, WIRE_FETCH(.topic = "t", .offset = 21)},
        {1, WIRE_FETCH(.topic = "t", .offset = -1)},
        {75, WIRE_FETCH(.topic = "t", .leader_epoch = 1000)},
        {70, WIRE_FETCH(.topic = "t", .session_id = 9, .session_epoch = 1)},
        {70, WIRE_FETCH(.topic = "t", .session_epoch = 1)},
        {70, WIRE_FETCH(.topic = "t", .session_id = -1, .session_epoch = -2)},
        {35, WIRE_FETCH(.topic = "t", .version = 3)},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct wr_fetch_response_partition p =
            wire_fetch(&client, rows[i].fetch);
        if (p.error_code != rows[i].error) {
            fail_msg("row %zu: %d instead of %d", i, p.error_code,
                     rows[i].error);
        }
    }
}

static void epochs_of_a_full_fetch_need_no_session(void **state)
{
    (void)state;
    const int32_t ids[] = {0, -1, 9, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        for (int32_t epoch = -1; epoch <= 0; epoch++) {
            struct wr_fetch_response_partition p =
                wire_fetch(&client, WIRE_FETCH(.topic = "t", .version = 11,
                                               .session_id = ids[i],
                                               .session_epoch = epoch));
            assert_int_equal(p.error_code, 0);
            assert_int_equal(wire_records(p.records), 20);
        }
    }
}

static void first_batch_comes_whole_and_limits_hold_for_the_rest(void **state)
{
    (void)state;
    struct wr_fetch_response_partition p =
        wire_fetch(&client, WIRE_FETCH(.topic = "t", .partition_max_bytes = 1));
    assert_int_equal(wire_records(p.records), 4);
    p = wire_fetch(&client, WIRE_FETCH(.topic = "t", .max_bytes = 1));
    assert_int_equal(wire_records(p.records), 4);
    size_t batch = p.records.len;
    p = wire_fetch(&client,
                   WIRE_FETCH(.topic = "t", .max_bytes = (int32_t)batch * 2));
    assert_int_equal(wire_records(p.records), 8);
}

/* Clients that ask and do not read: what lies in the broker for them stays
 * under the budget, but for one batch each, and a good client is served. */
static void answers_that_nobody_reads_stay_within_the_budget(void **state)
{
    (void)state;
    struct test_client deaf[DEAF];
    wire_topic(&client, "big", 1);
    for (int i = 0; i < 16; i++) { /* of 0.8 MB each */
        assert_int_equal(wire_produce(&client, WIRE_PRODUCE(.topic = "big",
                                                            .records = 50000))
                             .error_code,
                         0);
    }
    for (int i = 0; i < DEAF; i++) {
        test_client_open(&deaf[i], &broker);
        (void)wire_fetch_send(&deaf[i],
                              WIRE_FETCH(.topic = "big", .max_bytes = 8 << 20,
                                         .partition_max_bytes = 8 << 20));
    }
    struct wr_fetch_response_partition p =
        wire_fetch(&client, WIRE_FETCH(.topic = "big"));
    assert_true(wire_records(p.records) >= 50000);
    assert_true(broker.broker->fetched_bytes <=
                WR_FETCHED_BYTES_MAX + (size_t)DEAF * (1 << 20));
    for (int i = 0; i < DEAF; i++) {
        test_client_close(&deaf[i]);
    }
}

static void nothing_to_read_waits_as_long_as_was_asked(void **state)
{
    (void)state;
    int64_t began_ms = wr_mono_ms();
    struct wr_fetch_response_partition p =
        wire_fetch(&client, WIRE_FETCH(.topic = "empty", .max_wait_ms = 150));
    assert_int_equal(p.error_code, 0);
    assert_int_equal(p.records.len, 0);
    assert_non_null(p.records.data);
    assert_true(wr_mono_ms() - began_ms >= 150);
    p = wire_fetch(&client, WIRE_FETCH(.topic = "empty", .max_wait_ms = 0));
    assert_int_equal(p.error_code, 0);
}

static void produce_wakes_who_waits_once_there_is_enough(void **state)
{
    (void)state;
    wire_topic(&client, "wake", 1);
    const struct wire_fetch *f =
        WIRE_FETCH(.topic = "wake", .max_wait_ms = 20000, .min_bytes = 100);
    int64_t began_ms = wr_mono_ms();
    int32_t id = wire_fetch_send(&client, f);
    (void)wire_produce(&other, WIRE_PRODUCE(.topic = "wake")); /* 79 bytes */
    (void)wire_produce(&other, WIRE_PRODUCE(.topic = "wake"));
    assert_int_equal(wire_records(wire_fetched(&client, f, id).records), 2);
    assert_true(wr_mono_ms() - began_ms < 10000);
}

static void deletion_of_the_topic_wakes_who_waits(void **state)
{
    (void)state;
    wire_topic(&client, "gone", 1);
    const struct wire_fetch *f =
        WIRE_FETCH(.topic = "gone", .max_wait_ms = 20000);
    int32_t id = wire_fetch_send(&client, f);
    wire_delete_topic(&other, "gone");
    assert_int_equal(wire_fetched(&client, f, id).error_code, 3);
}

static void peer_that_goes_while_it_waits_is_forgotten(void **state)
{
    (void)state;
    struct test_client own;
    for (int i = 0; i < 20; i++) {
        test_client_open(&own, &broker);
        (void)wire_fetch_send(
            &own, WIRE_FETCH(.topic = "empty", .max_wait_ms = 60000));
        test_client_close(&own);
    }
    (void)wire_produce(&other, WIRE_PRODUCE(.topic = "empty"));
    assert_int_equal(
        wire_fetch(&client, WIRE_FETCH(.topic = "empty")).error_code, 0);
}

static void reader_of_committed_gets_the_list_of_aborted(void **state)
{
    (void)state;
    wire_topic(&client, "txn", 1);
    struct wr_init_producer_id_response p;
    assert_int_equal(wire_init(&client, 2, "x", &p), 0);
    for (int i = 0; i < 2; i++) { /* aborted, then open */
        assert_int_equal(wire_add(&client, 2, "x", &p, "txn", 0), 0);
        assert_int_equal(
            wire_produce(
                &client,
                WIRE_PRODUCE(.topic = "txn", .producer_id = p.producer_id,
                             .producer_epoch = p.producer_epoch, .sequence = i,
                             .transactional = true, .txn_id = "x"))
                .error_code,
            0);
        if (i == 0) {
            assert_int_equal(wire_end(&client, 2, "x", &p, false), 0);
        }
    }
    struct wr_fetch_response_partition got =
        wire_fetch(&client, WIRE_FETCH(.topic = "txn", .isolation = 1));
    assert_int_equal(got.error_code, 0);
    assert_int_equal(got.last_stable_offset, 2);
    assert_int_equal(got.high_watermark, 3);
    assert_int_equal(wire_records(got.records), 2); /* data and marker */
    assert_int_equal(got.aborted_transactions_count, 1);
    assert_int_equal(got.aborted_transactions[0].producer_id, p.producer_id);
    assert_int_equal(got.aborted_transactions[0].first_offset, 0);
    /* the end of the open one wakes a reader of committed */
    const struct wire_fetch *f = WIRE_FETCH(.topic = "txn", .isolation = 1,
                                            .offset = 2, .max_wait_ms = 20000);
    int32_t id = wire_fetch_send(&client, f);
    assert_int_equal(wire_end(&other, 2, "x", &p, true), 0);
    got = wire_fetched(&client, f, id);
    assert_int_equal(wire_records(got.records), 2);
    assert_int_equal(got.aborted_transactions_count, 0);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* as the program does: peers go away */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_gives_whole_batches_from_the_offset_on),
        cmocka_unit_test(errors_are_kafkas),
        cmocka_unit_test(epochs_of_a_full_fetch_need_no_session),
        cmocka_unit_test(first_batch_comes_whole_and_limits_hold_for_the_rest),
        cmocka_unit_test(answers_that_nobody_reads_stay_within_the_budget),
        cmocka_unit_test(nothing_to_read_waits_as_long_as_was_asked),
        cmocka_unit_test(produce_wakes_who_waits_once_there_is_enough),
        cmocka_unit_test(deletion_of_the_topic_wakes_who_waits),
        cmocka_unit_test(peer_that_goes_while_it_waits_is_forgotten),
        cmocka_unit_test(reader_of_committed_gets_the_list_of_aborted),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
