/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers that wait for the disk, among others that do not. */
#include "tests/broker/wire.h"
#include "tests/harness/weir_test.h"

static void
answers_keep_the_order_of_requests_whatever_they_wait_for(void **state)
{
    (void)state;
    struct test_broker broker;
    struct test_client client;
    test_broker_start(&broker, NULL);
    test_client_open(&client, &broker);
    WIRE_INIT(init_producer_id, durable);
    durable.transactional_id = weir_text("x");
    durable.transaction_timeout_ms = 1000;
    durable.producer_id = -1;
    durable.producer_epoch = -1;
    WIRE_INIT(list_groups, at_once);
    int32_t ids[20];
    for (int i = 0; i < 20; i += 2) {
        ids[i] =
            test_client_send(&client, WR_API_INIT_PRODUCER_ID, 4, &durable);
        ids[i + 1] = test_client_send(&client, WR_API_LIST_GROUPS, 4, &at_once);
    }
    for (int i = 0; i < 20; i += 2) {
        struct wr_init_producer_id_response r;
        struct wr_list_groups_response l;
        test_client_receive(&client, WR_API_INIT_PRODUCER_ID, 4, ids[i], &r);
        assert_int_equal(r.error_code, 0);
        assert_int_equal(r.producer_epoch, i / 2);
        test_client_receive(&client, WR_API_LIST_GROUPS, 4, ids[i + 1], &l);
        assert_int_equal(l.error_code, 0);
    }
    test_client_close(&client);
    test_broker_stop(&broker);
}

static void peer_that_goes_before_the_disk_answers_is_forgotten(void **state)
{
    (void)state;
    struct test_broker broker;
    test_broker_start(&broker, NULL);
    for (int i = 0; i < 50; i++) {
        struct test_client client;
        test_client_open(&client, &broker);
        WIRE_INIT(init_producer_id, q);
        q.transactional_id = weir_text("x");
        q.transaction_timeout_ms = 1000;
        q.producer_id = -1;
        q.producer_epoch = -1;
        (void)test_client_send(&client, WR_API_INIT_PRODUCER_ID, 4, &q);
        test_client_close(&client);
    }
    test_broker_stop(&broker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            answers_keep_the_order_of_requests_whatever_they_wait_for),
        cmocka_unit_test(peer_that_goes_before_the_disk_answers_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
