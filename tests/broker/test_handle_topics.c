/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/api.h"
#include "broker/errors.h"

#include "tests/broker/served.h"

static void create(struct wr_create_topics_request_topic *topics, int32_t n,
                   bool validate_only, struct wr_create_topics_response *r)
{
    struct wr_create_topics_request q;
    wr_create_topics_request_init(&q);
    q.topics = topics;
    q.topics_count = n;
    q.validate_only = validate_only;
    test_client_call(&client, WR_API_CREATE_TOPICS, 7, &q, r);
    assert_int_equal(r->topics_count, n);
}

static int16_t create_one(struct wr_create_topics_request_topic topic)
{
    struct wr_create_topics_response r;
    create(&topic, 1, false, &r);
    assert_true((r.topics[0].error_code == 0) ==
                (r.topics[0].error_message.data == NULL));
    return r.topics[0].error_code;
}

static void a_created_topic_says_what_it_is(void **state)
{
    (void)state;
    struct wr_create_topics_request_config config = {
        weir_text("cleanup.policy"), weir_text("compact")};
    struct wr_create_topics_request_topic t = {.name = weir_text("full"),
                                               .num_partitions = 4,
                                               .replication_factor = -1,
                                               .configs = &config,
                                               .configs_count = 1};
    struct wr_create_topics_response r;
    create(&t, 1, false, &r);
    assert_int_equal(r.topics[0].error_code, 0);
    assert_int_equal(r.topics[0].num_partitions, 4);
    assert_int_equal(r.topics[0].replication_factor, 1);
    assert_false(wr_uuid_is_zero(r.topics[0].topic_id));
    bool shown = false;
    for (int32_t i = 0; i < r.topics[0].configs_count; i++) {
        if (wr_bytes_equal_text(r.topics[0].configs[i].name,
                                "cleanup.policy")) {
            shown =
                wr_bytes_equal_text(r.topics[0].configs[i].value, "compact") &&
                r.topics[0].configs[i].config_source == 1;
        }
    }
    assert_true(shown);
}

static void what_cannot_be_created_gets_kafkas_code(void **state)
{
    (void)state;
    struct wr_create_topics_request_config bad_value = {
        weir_text("retention.ms"), weir_text("soon")};
    struct wr_create_topics_request_config bad_name = {weir_text("no.such"),
                                                       weir_text("1")};
    struct wr_create_topics_request_config null_value = {
        weir_text("retention.ms"), WEIR_NULL};
    static const struct {
        const char *name;
        int32_t partitions;
        int16_t replicas, want;
    } rows[] = {
        {"taken", 1, 1, 0},
        {"taken", 1, 1, WR_ERR_TOPIC_ALREADY_EXISTS},
        {"a.b", 1, 1, 0},
        {"a_b", 1, 1, WR_ERR_INVALID_TOPIC_EXCEPTION},
        {"", 1, 1, WR_ERR_INVALID_TOPIC_EXCEPTION},
        {"..", 1, 1, WR_ERR_INVALID_TOPIC_EXCEPTION},
        {"sla/sh", 1, 1, WR_ERR_INVALID_TOPIC_EXCEPTION},
        {"__transaction_state", 1, 1, WR_ERR_INVALID_TOPIC_EXCEPTION},
        {"none", 0, 1, WR_ERR_INVALID_PARTITIONS},
        {"minus", -2, 1, WR_ERR_INVALID_PARTITIONS},
        {"many", 1000000, 1, WR_ERR_INVALID_PARTITIONS},
        {"replicas", 1, 3, WR_ERR_INVALID_REPLICATION_FACTOR},
        {"no-replicas", 1, 0, WR_ERR_INVALID_REPLICATION_FACTOR},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct wr_create_topics_request_topic t = {
            .name = weir_text(rows[i].name),
            .num_partitions = rows[i].partitions,
            .replication_factor = rows[i].replicas};
        if (create_one(t) != rows[i].want) {
            fail_msg("%s: want %d", rows[i].name, rows[i].want);
        }
    }
    struct wr_create_topics_request_topic t = {.name = weir_text("conf"),
                                               .num_partitions = 1,
                                               .replication_factor = 1,
                                               .configs = &bad_value,
                                               .configs_count = 1};
    assert_int_equal(create_one(t), WR_ERR_INVALID_CONFIG);
    t.configs = &bad_name;
    assert_int_equal(create_one(t), WR_ERR_INVALID_CONFIG);
    t.configs = &null_value;
    assert_int_equal(create_one(t), WR_ERR_INVALID_CONFIG);
}

static void a_name_twice_in_a_request_is_refused_twice(void **state)
{
    (void)state;
    struct wr_create_topics_request_topic t[3] = {{.name = weir_text("twin"),
                                                   .num_partitions = 1,
                                                   .replication_factor = 1},
                                                  {.name = weir_text("single"),
                                                   .num_partitions = 1,
                                                   .replication_factor = 1},
                                                  {.name = weir_text("twin"),
                                                   .num_partitions = 1,
                                                   .replication_factor = 1}};
    struct wr_create_topics_response r;
    create(t, 3, false, &r);
    assert_int_equal(r.topics[0].error_code, WR_ERR_INVALID_REQUEST);
    assert_int_equal(r.topics[1].error_code, 0);
    assert_int_equal(r.topics[2].error_code, WR_ERR_INVALID_REQUEST);
}

static void validation_alone_makes_nothing(void **state)
{
    (void)state;
    struct wr_create_topics_request_topic t = {
        .name = weir_text("dry"), .num_partitions = 2, .replication_factor = 1};
    struct wr_create_topics_response r;
    create(&t, 1, true, &r);
    assert_int_equal(r.topics[0].error_code, 0);
    assert_int_equal(r.topics[0].num_partitions, 2);
    create(&t, 1, false, &r);
    assert_int_equal(r.topics[0].error_code, 0);
}

static void assignments_must_name_the_one_broker(void **state)
{
    (void)state;
    int32_t self = 1;
    int32_t other = 2;
    struct wr_create_topics_request_assignment a[2] = {
        {.index = 1, .broker_ids = &self, .broker_ids_count = 1},
        {.index = 0, .broker_ids = &self, .broker_ids_count = 1}};
    struct wr_create_topics_request_topic t = {.name = weir_text("assigned"),
                                               .num_partitions = -1,
                                               .replication_factor = -1,
                                               .assignments = a,
                                               .assignments_count = 2};
    a[1].broker_ids = &other;
    assert_int_equal(create_one(t), WR_ERR_INVALID_REPLICA_ASSIGNMENT);
    a[1].broker_ids = &self;
    a[1].index = 2;
    assert_int_equal(create_one(t), WR_ERR_INVALID_REPLICA_ASSIGNMENT);
    a[1].index = 0;
    t.num_partitions = 2;
    assert_int_equal(create_one(t), WR_ERR_INVALID_REQUEST);
    t.num_partitions = -1;
    assert_int_equal(create_one(t), 0);
}

static int16_t grow(const char *name, int32_t count, bool validate_only)
{
    struct wr_create_partitions_request q;
    struct wr_create_partitions_response r;
    struct wr_create_partitions_request_topic t = {
        .name = weir_text(name), .count = count, .assignments_count = -1};
    wr_create_partitions_request_init(&q);
    q.topics = &t;
    q.topics_count = 1;
    q.validate_only = validate_only;
    test_client_call(&client, WR_API_CREATE_PARTITIONS, 3, &q, &r);
    return r.topics[0].error_code;
}

static int32_t partitions(const char *name)
{
    struct wr_metadata_request q;
    struct wr_metadata_response r;
    struct wr_metadata_request_topic t = {.name = weir_text(name)};
    wr_metadata_request_init(&q);
    q.topics = &t;
    q.topics_count = 1;
    q.allow_auto_topic_creation = false;
    test_client_call(&client, WR_API_METADATA, 9, &q, &r);
    return r.topics[0].error_code ? -r.topics[0].error_code
                                  : r.topics[0].partitions_count;
}

static void a_topic_only_grows(void **state)
{
    (void)state;
    struct wr_create_topics_request_topic t = {.name = weir_text("growing"),
                                               .num_partitions = 2,
                                               .replication_factor = 1};
    assert_int_equal(create_one(t), 0);
    assert_int_equal(grow("growing", 2, false), WR_ERR_INVALID_PARTITIONS);
    assert_int_equal(grow("growing", 1, false), WR_ERR_INVALID_PARTITIONS);
    assert_int_equal(grow("growing", 5, true), 0);
    assert_int_equal(partitions("growing"), 2);
    assert_int_equal(grow("growing", 5, false), 0);
    assert_int_equal(partitions("growing"), 5);
    assert_int_equal(grow("missing", 5, false),
                     WR_ERR_UNKNOWN_TOPIC_OR_PARTITION);
}

static void a_deleted_topic_is_gone_and_its_name_free(void **state)
{
    (void)state;
    struct wr_delete_topics_request q;
    struct wr_delete_topics_response r;
    struct wr_create_topics_request_topic t = {.name = weir_text("mortal"),
                                               .num_partitions = 2,
                                               .replication_factor = 1};
    assert_int_equal(create_one(t), 0);
    struct weir_bytes names[2] = {weir_text("mortal"), weir_text("nobody")};
    wr_delete_topics_request_init(&q);
    q.topic_names = names;
    q.topic_names_count = 2;
    test_client_call(&client, WR_API_DELETE_TOPICS, 4, &q, &r);
    assert_int_equal(r.topics[0].error_code, 0);
    assert_int_equal(r.topics[1].error_code, WR_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(partitions("mortal"), -WR_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    struct wr_create_topics_response made;
    create(&t, 1, false, &made);
    assert_int_equal(made.topics[0].error_code, 0);
    struct wr_delete_topics_request_topic by_id = {.topic_id =
                                                       made.topics[0].topic_id};
    wr_delete_topics_request_init(&q);
    q.topics = &by_id;
    q.topics_count = 1;
    test_client_call(&client, WR_API_DELETE_TOPICS, 6, &q, &r);
    assert_int_equal(r.topics[0].error_code, 0);
    assert_true(wr_bytes_equal_text(r.topics[0].name, "mortal"));
    test_client_call(&client, WR_API_DELETE_TOPICS, 6, &q, &r);
    assert_int_equal(r.topics[0].error_code, WR_ERR_UNKNOWN_TOPIC_ID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_created_topic_says_what_it_is),
        cmocka_unit_test(what_cannot_be_created_gets_kafkas_code),
        cmocka_unit_test(a_name_twice_in_a_request_is_refused_twice),
        cmocka_unit_test(validation_alone_makes_nothing),
        cmocka_unit_test(assignments_must_name_the_one_broker),
        cmocka_unit_test(a_topic_only_grows),
        cmocka_unit_test(a_deleted_topic_is_gone_and_its_name_free),
    };
    return cmocka_run_group_tests(tests, served_start, served_stop);
}
