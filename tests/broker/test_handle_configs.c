/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/api.h"
#include "broker/errors.h"

#include "tests/broker/client.h"
#include "tests/harness/weir_test.h"

static struct test_broker broker;
static struct test_client client;

static int start(void **state)
{
    (void)state;
    static const char *const options[] = {"log.retention.ms=5000", NULL};
    test_broker_start(&broker, options);
    test_client_open(&client, &broker);
    struct wr_create_topics_request q;
    struct wr_create_topics_response r;
    struct wr_create_topics_request_topic t = {
        .name = weir_text("t"), .num_partitions = 1, .replication_factor = 1};
    wr_create_topics_request_init(&q);
    q.topics = &t;
    q.topics_count = 1;
    test_client_call(&client, WR_API_CREATE_TOPICS, 5, &q, &r);
    return r.topics[0].error_code;
}

static int stop(void **state)
{
    (void)state;
    test_client_close(&client);
    test_broker_stop(&broker);
    return 0;
}

/* The answer for one resource and one key (NULL: all). */
static struct wr_describe_configs_response_resource
describe(int8_t type, const char *name, const char *key)
{
    struct wr_describe_configs_request q;
    struct wr_describe_configs_response r;
    struct weir_bytes keys = weir_text(key);
    struct wr_describe_configs_request_resource one = {
        .resource_type = type,
        .resource_name = weir_text(name),
        .configuration_keys = &keys,
        .configuration_keys_count = key ? 1 : -1};
    wr_describe_configs_request_init(&q);
    q.resources = &one;
    q.resources_count = 1;
    q.include_synonyms = true;
    test_client_call(&client, WR_API_DESCRIBE_CONFIGS, 4, &q, &r);
    assert_int_equal(r.resources_count, 1);
    return r.resources[0];
}

static void assert_value(const char *key, const char *value, int8_t source)
{
    struct wr_describe_configs_response_resource r = describe(2, "t", key);
    assert_int_equal(r.error_code, 0);
    assert_int_equal(r.configs_count, 1);
    if (!wr_bytes_equal_text(r.configs[0].value, value)) {
        fail_msg("%s is %.*s", key, (int)r.configs[0].value.len,
                 r.configs[0].value.data);
    }
    assert_int_equal(r.configs[0].config_source, source);
}

static int16_t change(const char *key, const char *value, int8_t operation)
{
    struct wr_incremental_alter_configs_request q;
    struct wr_incremental_alter_configs_response r;
    struct wr_incremental_alter_configs_request_config c = {
        .name = weir_text(key),
        .config_operation = operation,
        .value = weir_text(value)};
    struct wr_incremental_alter_configs_request_resource one = {
        .resource_type = 2,
        .resource_name = weir_text("t"),
        .configs = &c,
        .configs_count = 1};
    wr_incremental_alter_configs_request_init(&q);
    q.resources = &one;
    q.resources_count = 1;
    test_client_call(&client, WR_API_INCREMENTAL_ALTER_CONFIGS, 1, &q, &r);
    return r.resources[0].error_code;
}

static void values_say_where_they_come_from(void **state)
{
    (void)state;
    assert_value("segment.bytes", "1073741824", 5);
    assert_value("retention.ms", "5000", 4);
    assert_value("min.insync.replicas", "1", 5);
    assert_int_equal(change("retention.ms", "777", 0), 0);
    assert_value("retention.ms", "777", 1);
    struct wr_describe_configs_response_resource r =
        describe(2, "t", "retention.ms");
    assert_int_equal(r.configs[0].synonyms_count, 2);
    assert_true(
        wr_bytes_equal_text(r.configs[0].synonyms[1].name, "log.retention.ms"));
    assert_int_equal(change("retention.ms", NULL, 1), 0);
    assert_value("retention.ms", "5000", 4);
}

static void numbers_have_no_units(void **state)
{
    (void)state;
    assert_value("segment.bytes", "1073741824", 5); /* "1g" in our table */
    assert_int_equal(change("retention.ms", "2d", 0), 0);
    assert_value("retention.ms", "172800000", 1);
    struct wr_describe_configs_response_resource r =
        describe(2, "t", "retention.ms");
    assert_true(
        wr_bytes_equal_text(r.configs[0].synonyms[0].value, "172800000"));
    assert_int_equal(change("retention.ms", NULL, 1), 0);
    r = describe(4, "1", "log.segment.bytes");
    assert_true(wr_bytes_equal_text(r.configs[0].value, "1073741824"));
}

static void lists_are_added_to_and_taken_from(void **state)
{
    (void)state;
    assert_int_equal(change("cleanup.policy", "compact", 2), 0);
    assert_value("cleanup.policy", "delete,compact", 1);
    assert_int_equal(change("cleanup.policy", "delete", 3), 0);
    assert_value("cleanup.policy", "compact", 1);
    assert_int_equal(change("retention.ms", "1", 2), WR_ERR_INVALID_CONFIG);
    assert_int_equal(change("cleanup.policy", NULL, 1), 0);
    assert_value("cleanup.policy", "delete", 5);
}

static void bad_changes_change_nothing(void **state)
{
    (void)state;
    assert_int_equal(change("retention.ms", "soon", 0), WR_ERR_INVALID_CONFIG);
    assert_int_equal(change("no.such", "1", 0), WR_ERR_INVALID_CONFIG);
    assert_int_equal(change("no.such", NULL, 1), WR_ERR_INVALID_CONFIG);
    assert_int_equal(change("retention.ms", NULL, 0), WR_ERR_INVALID_REQUEST);
    assert_int_equal(change("retention.ms", "1", 9), WR_ERR_INVALID_REQUEST);
    assert_int_equal(change("segment.jitter.ms", "a\nset retention.ms 1", 0),
                     WR_ERR_INVALID_CONFIG);
    assert_value("retention.ms", "5000", 4);
}

static void alter_configs_replaces_everything(void **state)
{
    (void)state;
    assert_int_equal(change("retention.ms", "1234", 0), 0);
    struct wr_alter_configs_request q;
    struct wr_alter_configs_response r;
    struct wr_alter_configs_request_config c = {weir_text("segment.bytes"),
                                                weir_text("65536")};
    struct wr_alter_configs_request_resource one = {.resource_type = 2,
                                                    .resource_name =
                                                        weir_text("t"),
                                                    .configs = &c,
                                                    .configs_count = 1};
    wr_alter_configs_request_init(&q);
    q.resources = &one;
    q.resources_count = 1;
    q.validate_only = true;
    test_client_call(&client, WR_API_ALTER_CONFIGS, 2, &q, &r);
    assert_int_equal(r.resources[0].error_code, 0);
    assert_value("retention.ms", "1234", 1);
    q.validate_only = false;
    test_client_call(&client, WR_API_ALTER_CONFIGS, 2, &q, &r);
    assert_int_equal(r.resources[0].error_code, 0);
    assert_value("retention.ms", "5000", 4);
    assert_value("segment.bytes", "65536", 1);
    one.resource_type = 4;
    one.resource_name = weir_text("1");
    test_client_call(&client, WR_API_ALTER_CONFIGS, 2, &q, &r);
    assert_int_equal(r.resources[0].error_code, WR_ERR_INVALID_REQUEST);
}

static void settings_survive_a_restart(void **state)
{
    (void)state;
    assert_int_equal(change("max.message.bytes", "2000", 0), 0);
    test_client_close(&client);
    test_broker_restart(&broker);
    test_client_open(&client, &broker);
    assert_value("max.message.bytes", "2000", 1);
}

static void the_broker_shows_its_options(void **state)
{
    (void)state;
    struct wr_describe_configs_response_resource r = describe(4, "1", NULL);
    assert_int_equal(r.error_code, 0);
    assert_true(r.configs_count > 10);
    assert_true(r.configs[0].read_only);
    r = describe(4, "2", NULL);
    assert_int_equal(r.error_code, WR_ERR_INVALID_REQUEST);
    r = describe(4, "", NULL);
    assert_int_equal(r.error_code, 0);
    r = describe(2, "missing", NULL);
    assert_int_equal(r.error_code, WR_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    r = describe(77, "x", NULL);
    assert_int_equal(r.error_code, WR_ERR_INVALID_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_say_where_they_come_from),
        cmocka_unit_test(numbers_have_no_units),
        cmocka_unit_test(lists_are_added_to_and_taken_from),
        cmocka_unit_test(bad_changes_change_nothing),
        cmocka_unit_test(alter_configs_replaces_everything),
        cmocka_unit_test(settings_survive_a_restart),
        cmocka_unit_test(the_broker_shows_its_options),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
