/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/api.h"
#include "broker/errors.h"

#include "tests/broker/served.h"

static void every_version_lists_every_api(void **state)
{
    (void)state;
    size_t n;
    (void)wr_apis(&n);
    for (int16_t v = 0; v <= 4; v++) {
        struct wr_api_versions_request q;
        struct wr_api_versions_response r;
        wr_api_versions_request_init(&q);
        q.client_software_name = weir_text("apache-kafka-java");
        q.client_software_version = weir_text("4.1.0");
        test_client_call(&client, WR_API_API_VERSIONS, v, &q, &r);
        assert_int_equal(r.error_code, 0);
        assert_int_equal(r.api_keys_count, n);
        assert_int_equal(r.finalized_features_count, 0);
    }
}

static void
an_unknown_version_is_answered_in_version_0_with_the_list(void **state)
{
    (void)state;
    static const uint8_t request[] = {0, 0, 0, 12, 0, 18, 0, 99,
                                      0, 0, 0, 5,  0, 0,  7, 7};
    struct wr_api_versions_response r;
    test_client_send_raw(&client, request, sizeof(request));
    test_client_receive(&client, WR_API_API_VERSIONS, 0, 5, &r);
    assert_int_equal(r.error_code, WR_ERR_UNSUPPORTED_VERSION);
    assert_true(r.api_keys_count > 10);
}

static void software_names_that_kafka_refuses_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "-x", "x-", "a b", "a\n", "."};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct wr_api_versions_request q;
        struct wr_api_versions_response r;
        wr_api_versions_request_init(&q);
        q.client_software_name = weir_text(bad[i]);
        q.client_software_version = weir_text("1");
        test_client_call(&client, WR_API_API_VERSIONS, 3, &q, &r);
        assert_int_equal(r.error_code, WR_ERR_INVALID_REQUEST);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_lists_every_api),
        cmocka_unit_test(
            an_unknown_version_is_answered_in_version_0_with_the_list),
        cmocka_unit_test(software_names_that_kafka_refuses_are_refused),
    };
    return cmocka_run_group_tests(tests, served_start, served_stop);
}
