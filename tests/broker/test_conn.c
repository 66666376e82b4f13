/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/conn.h"

#include "broker/messages.h"
#include "tests/broker/client.h"
#include "tests/harness/weir_test.h"

#include <stdlib.h>

static struct test_broker broker;

static int start(void **state)
{
    (void)state;
    static const char *const options[] = {"socket.request.max.bytes=1m", NULL};
    test_broker_start(&broker, options);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_broker_stop(&broker);
    return 0;
}

/* The broker serves others, whatever happened to this connection. */
static void assert_serving(void)
{
    struct test_client c;
    struct wr_api_versions_request q;
    struct wr_api_versions_response r;
    wr_api_versions_request_init(&q);
    test_client_open(&c, &broker);
    test_client_call(&c, WR_API_API_VERSIONS, 0, &q, &r);
    assert_int_equal(r.error_code, 0);
    test_client_close(&c);
}

static void assert_ends_connection(const void *data, size_t len)
{
    struct test_client c;
    test_client_open(&c, &broker);
    test_client_send_raw(&c, data, len);
    assert_true(test_client_is_closed(&c));
    test_client_close(&c);
    assert_serving();
}

static void bad_bytes_end_their_connection_and_nothing_else(void **state)
{
    (void)state;
    static const uint8_t too_long[] = {0x7f, 0xff, 0xff, 0xff, 0, 18, 0, 0};
    static const uint8_t negative[] = {0xff, 0xff, 0xff, 0xff, 0, 18};
    static const uint8_t empty[] = {0, 0, 0, 0};
    static const uint8_t half_head[] = {0, 0, 0, 3, 0, 18, 0};
    static const uint8_t no_such_api[] = {0, 0, 0, 10, 0x7f, 0xff, 0,
                                          0, 0, 0, 0,  1,    0,    0};
    static const uint8_t no_such_version[] = {0,  0, 0, 10, 0, 3, 0,
                                              99, 0, 0, 0,  1, 0, 0};
    static const uint8_t client_id_too_long[] = {0, 0, 0, 10, 0, 18,   0,
                                                 0, 0, 0, 0,  1, 0x7f, 0xff};
    static const uint8_t client_id_negative[] = {0, 0, 0, 10, 0, 18,   0,
                                                 0, 0, 0, 0,  1, 0xff, 0xfe};
    static const uint8_t topics_overflow[] = {
        0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0, 0, 0x7f, 0xff, 0xff, 0xff};
    assert_ends_connection(too_long, sizeof(too_long));
    assert_ends_connection(negative, sizeof(negative));
    assert_ends_connection(empty, sizeof(empty));
    assert_ends_connection(half_head, sizeof(half_head));
    assert_ends_connection(no_such_api, sizeof(no_such_api));
    assert_ends_connection(no_such_version, sizeof(no_such_version));
    assert_ends_connection(client_id_too_long, sizeof(client_id_too_long));
    assert_ends_connection(client_id_negative, sizeof(client_id_negative));
    assert_ends_connection(topics_overflow, sizeof(topics_overflow));
    assert_ends_connection("GET / HTTP/1.1\r\n\r\n", 18);
    assert_ends_connection("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
}

static void random_requests_never_take_the_broker_down(void **state)
{
    (void)state;
    unsigned seed = 3;
    for (int i = 0; i < 2000; i++) {
        uint8_t frame[256];
        struct test_client c;
        size_t body = 8 + (size_t)rand_r(&seed) % 200;
        for (size_t k = 0; k < sizeof(frame); k++) {
            int r = rand_r(&seed) % 4;
            frame[k] = (uint8_t)(r == 0 ? 0xff : r == 1 ? rand_r(&seed) : 0);
        }
        wr_store_u32(frame, (uint32_t)body);
        const struct wr_api_messages *api =
            &wr_api_messages[(size_t)rand_r(&seed) % WR_API_COUNT];
        wr_store_i16(frame + 4, api->key);
        wr_store_i16(frame + 6, (int16_t)(rand_r(&seed) %
                                          (api->request->version_max + 1)));
        wr_store_i16(frame + 12, -1); /* null client id */
        test_client_open(&c, &broker);
        test_client_send_raw(&c, frame, body + 4);
        test_client_close(&c);
    }
    assert_serving();
}

static void a_request_may_come_byte_by_byte(void **state)
{
    (void)state;
    static const uint8_t request[] = {0, 0, 0, 10, 0, 18,   0,
                                      0, 0, 0, 0,  7, 0xff, 0xff};
    struct test_client c;
    struct wr_api_versions_response r;
    test_client_open(&c, &broker);
    for (size_t i = 0; i < sizeof(request); i++) {
        test_client_send_raw(&c, request + i, 1);
    }
    test_client_receive(&c, WR_API_API_VERSIONS, 0, 7, &r);
    assert_int_equal(r.error_code, 0);
    test_client_close(&c);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    enum { N = 500 };
    struct test_client c;
    struct wr_metadata_request q;
    struct wr_metadata_response r;
    wr_metadata_request_init(&q);
    test_client_open(&c, &broker);
    for (int i = 0; i < N; i++) {
        test_client_send(&c, WR_API_METADATA, (int16_t)(i % 14), &q);
    }
    for (int i = 0; i < N; i++) {
        test_client_receive(&c, WR_API_METADATA, (int16_t)(i % 14), i + 1, &r);
        assert_int_equal(r.brokers_count, 1);
    }
    test_client_close(&c);
}

static void a_parked_request_holds_later_answers_back(void **state)
{
    (void)state;
    struct test_client c;
    struct wr_metadata_request m;
    struct wr_metadata_response mr;
    struct wr_metadata_request_topic topic = {.name = weir_text("parked")};
    wr_metadata_request_init(&m);
    m.topics = &topic;
    m.topics_count = 1;
    test_client_open(&c, &broker);
    test_client_call(&c, WR_API_METADATA, 9, &m, &mr);

    struct wr_fetch_request_partition p = {.partition_max_bytes = 1000,
                                           .current_leader_epoch = -1,
                                           .last_fetched_epoch = -1};
    struct wr_fetch_request_topic t = {
        .name = weir_text("parked"), .partitions = &p, .partitions_count = 1};
    struct wr_fetch_request f;
    struct wr_fetch_response fr;
    wr_fetch_request_init(&f);
    f.max_wait_ms = 300;
    f.min_bytes = 1;
    f.topics = &t;
    f.topics_count = 1;
    int32_t first = test_client_send(&c, WR_API_FETCH, 11, &f);
    int32_t second = test_client_send(&c, WR_API_METADATA, 9, &m);
    test_client_receive(&c, WR_API_FETCH, 11, first, &fr);
    test_client_receive(&c, WR_API_METADATA, 9, second, &mr);
    /* and one that goes away while its request is parked harms nobody */
    f.max_wait_ms = 60000;
    test_client_send(&c, WR_API_FETCH, 11, &f);
    test_client_close(&c);
    assert_serving();
}

static void a_peer_that_does_not_read_is_not_read_from(void **state)
{
    (void)state;
    struct test_client c;
    struct wr_describe_configs_request q;
    struct wr_describe_configs_response r;
    struct wr_describe_configs_request_resource one = {
        .resource_type = 4,
        .resource_name = weir_text("1"),
        .configuration_keys_count = -1};
    wr_describe_configs_request_init(&q);
    q.resources = &one;
    q.resources_count = 1;
    q.include_documentation = true;
    test_client_open(&c, &broker);
    enum { N = 3000 }; /* answers of about 5 kB: 15 MB that nobody takes yet */
    for (int i = 0; i < N; i++) {
        test_client_send(&c, WR_API_DESCRIBE_CONFIGS, 4, &q);
    }
    assert_serving();
    for (int i = 0; i < N; i++) {
        test_client_receive(&c, WR_API_DESCRIBE_CONFIGS, 4, i + 1, &r);
    }
    assert_true(r.resources[0].configs_count > 10);
    test_client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_bytes_end_their_connection_and_nothing_else),
        cmocka_unit_test(random_requests_never_take_the_broker_down),
        cmocka_unit_test(a_request_may_come_byte_by_byte),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(a_parked_request_holds_later_answers_back),
        cmocka_unit_test(a_peer_that_does_not_read_is_not_read_from),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
