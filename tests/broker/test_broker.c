/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/broker.h"

#include "base/fs.h"
#include "tests/broker/client.h"
#include "tests/harness/weir_test.h"

#include <stdio.h>
#include <stdlib.h>

static enum weir_status open_with(const struct test_broker *t, const char *name,
                                  const char *value, struct weir_error *err)
{
    struct wr_options *options;
    struct wr_broker *second = NULL;
    assert_int_equal(wr_options_copy(t->options, &options), WEIR_OK);
    assert_int_equal(wr_options_set(options, name, value, "test", err),
                     WEIR_OK);
    enum weir_status s = wr_broker_open(options, &second, err);
    wr_broker_close(second);
    wr_options_free(options);
    return s;
}

static void a_folder_serves_one_broker_at_a_time(void **state)
{
    (void)state;
    struct test_broker t;
    struct weir_error err;
    test_broker_start(&t, NULL);
    assert_int_equal(open_with(&t, "num.partitions", "1", &err), WEIR_E_LOCKED);
    assert_non_null(strstr(err.text, t.dir));
    test_broker_stop(&t);
}

static void the_cluster_keeps_its_id(void **state)
{
    (void)state;
    struct test_broker t;
    char id[23];
    test_broker_start(&t, NULL);
    memcpy(id, t.broker->cluster_id, sizeof(id));
    assert_int_equal(strlen(id), 22);
    test_broker_restart(&t);
    assert_string_equal(t.broker->cluster_id, id);
    test_broker_stop(&t);
}

static void clients_are_told_the_advertised_address(void **state)
{
    (void)state;
    static const char *const options[] = {
        "advertised.listener=broker.example:4242", NULL};
    struct test_broker t;
    test_broker_start(&t, options);
    assert_string_equal(wr_broker_address(t.broker), "broker.example:4242");
    test_broker_stop(&t);
}

static void mistakes_in_the_configuration_are_named(void **state)
{
    (void)state;
    struct test_broker t;
    struct weir_error err;
    char dir[96];
    test_broker_start(&t, NULL);
    snprintf(dir, sizeof(dir), "%s/other", t.dir);
    assert_int_equal(wr_options_set(t.options, "data.dir", dir, "test", &err),
                     WEIR_OK);
    assert_int_equal(open_with(&t, "data.dir", "", &err), WEIR_E_CONFIG);
    assert_non_null(strstr(err.text, "data.dir"));
    assert_int_equal(open_with(&t, "listen", "nonsense", &err), WEIR_E_CONFIG);
    assert_non_null(strstr(err.text, "nonsense"));
    assert_int_equal(open_with(&t, "listen", "192.0.2.1:0", &err),
                     WEIR_E_CONFIG);
    assert_non_null(strstr(err.text, "192.0.2.1:0"));
    assert_int_equal(open_with(&t, "advertised.listener", "x", &err),
                     WEIR_E_CONFIG);
    assert_non_null(strstr(err.text, "advertised.listener"));
    test_broker_stop(&t);
}

static void metrics_count_requests(void **state)
{
    (void)state;
    struct test_broker t;
    struct test_client c;
    struct wr_metadata_request q;
    struct wr_metadata_response r;
    struct wr_buf text;
    test_broker_start(&t, NULL);
    test_client_open(&c, &t);
    wr_metadata_request_init(&q);
    test_client_call(&c, WR_API_METADATA, 9, &q, &r);
    test_client_call(&c, WR_API_METADATA, 9, &q, &r);
    wr_buf_init(&text, 1 << 20);
    wr_broker_metrics(t.broker, &text);
    assert_non_null(strstr(wr_buf_text(&text),
                           "weir_broker_requests_total{api=\"metadata\"} 2\n"));
    wr_buf_done(&text);
    test_client_close(&c);
    test_broker_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_serves_one_broker_at_a_time),
        cmocka_unit_test(the_cluster_keeps_its_id),
        cmocka_unit_test(clients_are_told_the_advertised_address),
        cmocka_unit_test(mistakes_in_the_configuration_are_named),
        cmocka_unit_test(metrics_count_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
