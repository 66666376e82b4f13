/* SPDX-License-Identifier: Apache-2.0
 *
 * The transaction coordinator across restarts, and by the clock. */
#include "base/clock.h"

#include "tests/broker/served.h"

#include <stdio.h>

static int start(void **state)
{
    (void)served_start(state);
    wire_topic(&client, "t", 1);
    return 0;
}

static int16_t produce(const char *id,
                       const struct wr_init_producer_id_response *p,
                       int32_t sequence)
{
    return wire_produce(&client,
                        WIRE_PRODUCE(.topic = "t",
                                     .producer_id = p->producer_id,
                                     .producer_epoch = p->producer_epoch,
                                     .sequence = sequence,
                                     .transactional = true, .txn_id = id))
        .error_code;
}

static void open_transaction_goes_on_after_a_restart(void **state)
{
    (void)state;
    struct wr_init_producer_id_response p;
    assert_int_equal(wire_init(&client, 2, "on", &p), 0);
    assert_int_equal(wire_add(&client, 2, "on", &p, "t", 0), 0);
    assert_int_equal(produce("on", &p, 0), 0);
    served_restart();
    assert_int_equal(produce("on", &p, 1), 0);
    assert_int_equal(wire_end(&client, 2, "on", &p, true), 0);
    struct wr_fetch_response_partition got =
        wire_fetch(&client, WIRE_FETCH(.topic = "t", .isolation = 1));
    assert_int_equal(wire_records(got.records), 3); /* and a marker */
    served_restart();
    assert_int_equal(wire_end(&client, 2, "on", &p, true), 0); /* again */
    assert_int_equal(wire_end(&client, 2, "on", &p, false), 48);
}

static void
sequences_of_an_aborted_transaction_are_void_across_restarts(void **state)
{
    (void)state;
    /* 0: within the transaction, 1: after its end */
    for (int moment = 0; moment < 2; moment++) {
        char topic[16];
        struct wr_init_producer_id_response p;
        snprintf(topic, sizeof(topic), "void-%d", moment);
        wire_topic(&client, topic, 1);
        assert_int_equal(wire_init(&client, 2, topic, &p), 0);
        for (int round = 0; round < 2; round++) {
            assert_int_equal(wire_add(&client, 2, topic, &p, topic, 0), 0);
            struct wr_produce_response_partition got = wire_produce(
                &client,
                WIRE_PRODUCE(.topic = topic, .producer_id = p.producer_id,
                             .producer_epoch = p.producer_epoch, .sequence = 0,
                             .transactional = true, .txn_id = topic,
                             .timestamp_ms = 1000000 + round));
            assert_int_equal(got.error_code, 0);
            assert_int_equal(got.base_offset, 2 * round);
            if (moment == 0) {
                served_restart();
            }
            assert_int_equal(wire_end(&client, 2, topic, &p, round == 1), 0);
            served_restart();
        }
        struct wr_fetch_response_partition read = wire_fetch(
            &client, WIRE_FETCH(.topic = topic, .offset = 2, .isolation = 1));
        assert_int_equal(wire_records(read.records), 2); /* and a marker */
    }
}

static void fencing_holds_after_a_restart(void **state)
{
    (void)state;
    struct wr_init_producer_id_response zombie;
    struct wr_init_producer_id_response heir;
    assert_int_equal(wire_init(&client, 2, "z", &zombie), 0);
    served_restart();
    assert_int_equal(wire_init(&client, 2, "z", &heir), 0);
    served_restart();
    assert_int_equal(heir.producer_id, zombie.producer_id);
    assert_int_equal(heir.producer_epoch, zombie.producer_epoch + 1);
    assert_int_equal(wire_add(&client, 2, "z", &zombie, "t", 0), 90);
    assert_int_equal(wire_add(&client, 2, "z", &heir, "t", 0), 0);
    assert_int_equal(wire_end(&client, 2, "z", &heir, false), 0);
}

static void time_out_counts_across_a_restart(void **state)
{
    (void)state;
    struct wr_init_producer_id_response p;
    WIRE_INIT(init_producer_id, q);
    q.transactional_id = weir_text("late");
    q.transaction_timeout_ms = 300;
    q.producer_id = -1;
    q.producer_epoch = -1;
    test_client_call(&client, WR_API_INIT_PRODUCER_ID, 4, &q, &p);
    assert_int_equal(p.error_code, 0);
    assert_int_equal(wire_add(&client, 2, "late", &p, "t", 0), 0);
    assert_int_equal(produce("late", &p, 0), 0);
    served_restart();
    int64_t until_ms = wr_mono_ms() + 20000;
    struct wr_fetch_response_partition got;
    do { /* a reader of committed waits for the end of it */
        got = wire_fetch(&client, WIRE_FETCH(.topic = "t", .isolation = 1));
        assert_true(wr_mono_ms() < until_ms);
    } while (got.last_stable_offset < got.high_watermark);
    assert_true(got.aborted_transactions_count > 0);
    assert_int_equal(wire_end(&client, 2, "late", &p, true), 90);
    assert_int_equal(produce("late", &p, 1), 47);
}

static void deleted_topic_does_not_hold_up_the_end(void **state)
{
    (void)state;
    struct wr_init_producer_id_response p;
    wire_topic(&client, "short", 1);
    assert_int_equal(wire_init(&client, 2, "d", &p), 0);
    assert_int_equal(wire_add(&client, 2, "d", &p, "short", 0), 0);
    wire_delete_topic(&client, "short");
    assert_int_equal(wire_end(&client, 2, "d", &p, true), 0);
    served_restart();
    assert_int_equal(wire_end(&client, 2, "d", &p, true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_transaction_goes_on_after_a_restart),
        cmocka_unit_test(
            sequences_of_an_aborted_transaction_are_void_across_restarts),
        cmocka_unit_test(fencing_holds_after_a_restart),
        cmocka_unit_test(time_out_counts_across_a_restart),
        cmocka_unit_test(deleted_topic_does_not_hold_up_the_end),
    };
    return cmocka_run_group_tests(tests, start, served_stop);
}
