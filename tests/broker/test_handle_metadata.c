/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/api.h"
#include "broker/errors.h"

#include "tests/broker/client.h"
#include "tests/harness/weir_test.h"

#include <stdio.h>

static struct test_broker broker;
static struct test_client client;

static int start(void **state)
{
    (void)state;
    static const char *const options[] = {"num.partitions=3", NULL};
    test_broker_start(&broker, options);
    test_client_open(&client, &broker);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_client_close(&client);
    test_broker_stop(&broker);
    return 0;
}

static void ask(const char *name, bool create, int16_t version,
                struct wr_metadata_response *r)
{
    struct wr_metadata_request q;
    struct wr_metadata_request_topic topic = {.name = weir_text(name)};
    wr_metadata_request_init(&q);
    q.topics = &topic;
    q.topics_count = name ? 1 : -1;
    q.allow_auto_topic_creation = create;
    test_client_call(&client, WR_API_METADATA, version, &q, r);
}

static void asking_for_a_topic_makes_it_when_allowed(void **state)
{
    (void)state;
    struct wr_metadata_response r;
    ask("made", false, 9, &r);
    assert_int_equal(r.topics[0].error_code, WR_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    ask("made", true, 9, &r);
    assert_int_equal(r.topics[0].error_code, 0);
    assert_int_equal(r.topics[0].partitions_count, 3);
    assert_int_equal(r.topics[0].partitions[2].leader_id, 1);
    assert_int_equal(r.topics[0].partitions[2].isr_nodes_count, 1);
    ask("not/valid", true, 9, &r);
    assert_int_equal(r.topics[0].error_code, WR_ERR_INVALID_TOPIC_EXCEPTION);
    ask("__consumer_offsets", true, 9, &r);
    assert_int_equal(r.topics[0].error_code, WR_ERR_UNKNOWN_TOPIC_OR_PARTITION);
}

static void many_new_topics_are_made_some_a_turn(void **state)
{
    (void)state;
    enum { NEW = 45, TURN = 10 };
    char names[NEW][16];
    struct wr_metadata_request q;
    struct wr_metadata_request_topic topics[NEW] = {{.name = WEIR_NULL}};
    struct wr_metadata_response r;
    int32_t made = 0;
    for (int i = 0; i < NEW; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "new-%d", i);
        topics[i].name = weir_text(names[i]);
    }
    wr_metadata_request_init(&q);
    q.topics = topics;
    q.topics_count = NEW;
    q.allow_auto_topic_creation = true;
    for (int tries = 0; made < NEW; tries++) {
        int32_t before = made;
        made = 0;
        assert_true(tries < 10000);
        test_client_call(&client, WR_API_METADATA, 9, &q, &r);
        for (int32_t i = 0; i < r.topics_count; i++) {
            bool there = r.topics[i].error_code == 0;
            assert_true(there ||
                        r.topics[i].error_code == WR_ERR_LEADER_NOT_AVAILABLE);
            made += there;
        }
        assert_true(made - before <= TURN);
    }
}

static void null_asks_for_all_and_empty_for_none_but_in_version_0(void **state)
{
    (void)state;
    struct wr_metadata_request q;
    struct wr_metadata_response r;
    ask("one", true, 4, &r);
    ask("two", true, 4, &r);
    ask(NULL, false, 12, &r);
    int32_t all = r.topics_count;
    assert_true(all >= 2);
    wr_metadata_request_init(&q);
    for (int16_t v = 0; v <= 13; v++) {
        test_client_call(&client, WR_API_METADATA, v, &q, &r);
        assert_int_equal(r.topics_count, v == 0 ? all : 0);
        assert_int_equal(r.brokers_count, 1);
    }
}

static void a_topic_is_found_by_its_id(void **state)
{
    (void)state;
    struct wr_metadata_request q;
    struct wr_metadata_response r;
    ask("by-id", true, 12, &r);
    struct wr_metadata_request_topic topic = {.topic_id = r.topics[0].topic_id};
    assert_false(wr_uuid_is_zero(topic.topic_id));
    wr_metadata_request_init(&q);
    q.topics = &topic;
    q.topics_count = 1;
    test_client_call(&client, WR_API_METADATA, 12, &q, &r);
    assert_true(wr_bytes_equal_text(r.topics[0].name, "by-id"));
    topic.name = weir_text(""); /* as Java's Admin sends it */
    test_client_call(&client, WR_API_METADATA, 12, &q, &r);
    assert_int_equal(r.topics[0].error_code, 0);
    assert_true(wr_bytes_equal_text(r.topics[0].name, "by-id"));
    topic.topic_id.b[3] ^= 1;
    test_client_call(&client, WR_API_METADATA, 12, &q, &r);
    assert_int_equal(r.topics[0].error_code, WR_ERR_UNKNOWN_TOPIC_ID);
    assert_null(r.topics[0].name.data);
}

static void a_cluster_is_one_broker(void **state)
{
    (void)state;
    struct wr_describe_cluster_request q;
    struct wr_describe_cluster_response r;
    wr_describe_cluster_request_init(&q);
    test_client_call(&client, WR_API_DESCRIBE_CLUSTER, 1, &q, &r);
    assert_int_equal(r.error_code, 0);
    assert_int_equal(r.brokers_count, 1);
    assert_int_equal(r.controller_id, 1);
    assert_int_equal(r.cluster_id.len, 22);
    q.endpoint_type = 2;
    test_client_call(&client, WR_API_DESCRIBE_CLUSTER, 1, &q, &r);
    assert_int_equal(r.error_code, WR_ERR_MISMATCHED_ENDPOINT_TYPE);
}

/* Pages of two partitions give each partition once, in order. */
static void pages_cover_everything_once(void **state)
{
    (void)state;
    struct wr_describe_topic_partitions_request q;
    struct wr_describe_topic_partitions_response r;
    struct wr_metadata_response all;
    struct wr_describe_topic_partitions_request_cursor cursor;
    char name[64] = "";
    int32_t seen = 0;
    ask(NULL, false, 12, &all);
    int32_t total = 3 * all.topics_count;
    wr_describe_topic_partitions_request_init(&q);
    q.response_partition_limit = 2;
    for (int page = 0; page < 100; page++) {
        test_client_call(&client, WR_API_DESCRIBE_TOPIC_PARTITIONS, 0, &q, &r);
        for (int32_t i = 0; i < r.topics_count; i++) {
            assert_int_equal(r.topics[i].error_code, 0);
            seen += r.topics[i].partitions_count;
        }
        if (!r.next_cursor) {
            break;
        }
        assert_true(r.next_cursor->topic.len < sizeof(name));
        memcpy(name, r.next_cursor->topic.data, r.next_cursor->topic.len);
        name[r.next_cursor->topic.len] = '\0';
        cursor.topic = weir_text(name);
        cursor.index = r.next_cursor->index;
        q.cursor = &cursor;
    }
    assert_null(r.next_cursor);
    assert_int_equal(seen, total);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asking_for_a_topic_makes_it_when_allowed),
        cmocka_unit_test(many_new_topics_are_made_some_a_turn),
        cmocka_unit_test(null_asks_for_all_and_empty_for_none_but_in_version_0),
        cmocka_unit_test(a_topic_is_found_by_its_id),
        cmocka_unit_test(a_cluster_is_one_broker),
        cmocka_unit_test(pages_cover_everything_once),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
