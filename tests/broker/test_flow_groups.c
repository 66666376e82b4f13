/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups and positions through librdkafka. */
#include "tests/broker/flow.h"
#include "tests/harness/weir_test.h"

#include <stdio.h>
#include <stdlib.h>

#define WAIT_MS 30000

static struct flow flow;

static int set_up(void **state)
{
    (void)state;
    flow_start(&flow);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    flow_stop(&flow);
    return 0;
}

/* A member that follows cooperative rebalances and remembers what it has. */
struct member {
    rd_kafka_t *rk;
    int rebalances; /* callbacks that changed something */
    int given;      /* partitions it has now */
    int lost;       /* times that an assignment was lost */
};

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                         rd_kafka_topic_partition_list_t *partitions,
                         void *opaque)
{
    struct member *m = opaque;
    rd_kafka_error_t *error;
    m->lost += rd_kafka_assignment_lost(rk);
    m->rebalances += partitions->cnt > 0;
    if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        m->given += partitions->cnt;
        error = rd_kafka_incremental_assign(rk, partitions);
    } else {
        m->given -= partitions->cnt;
        error = rd_kafka_incremental_unassign(rk, partitions);
    }
    flow_ok(error);
}

static void member_start(struct member *m, const char *group, const char *topic,
                         const char *instance)
{
    char text[512];
    *m = (struct member){0};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *pairs[] = {"bootstrap.servers",
                           flow.bootstrap,
                           "group.id",
                           group,
                           "partition.assignment.strategy",
                           "cooperative-sticky",
                           "session.timeout.ms",
                           "30000",
                           "heartbeat.interval.ms",
                           "200",
                           "enable.auto.commit",
                           "false",
                           "group.instance.id",
                           instance};
    for (size_t i = 0; i < (instance ? 14u : 12u); i += 2) {
        assert_int_equal(
            rd_kafka_conf_set(conf, pairs[i], pairs[i + 1], text, sizeof(text)),
            RD_KAFKA_CONF_OK);
    }
    rd_kafka_conf_set_log_cb(conf, NULL);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_opaque(conf, m);
    m->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
    assert_non_null(m->rk);
    rd_kafka_poll_set_consumer(m->rk);
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA);
    assert_int_equal(rd_kafka_subscribe(m->rk, list), 0);
    rd_kafka_topic_partition_list_destroy(list);
}

static void member_poll(struct member *m)
{
    rd_kafka_message_t *message = rd_kafka_consumer_poll(m->rk, 20);
    if (message) {
        rd_kafka_message_destroy(message);
    }
}

static void member_stop(struct member *m)
{
    rd_kafka_consumer_close(m->rk);
    rd_kafka_destroy(m->rk);
    m->rk = NULL;
}

/* Polls all until each of `count` members has `each` partitions. */
static void wait_for(struct member *members, int count, int each)
{
    int64_t until_ms = flow_now_ms() + WAIT_MS;
    bool even = false;
    while (!even) {
        if (flow_now_ms() >= until_ms) {
            fail_msg("members have %d, %d, ... partitions, not %d",
                     members[0].given, count > 1 ? members[1].given : -1, each);
        }
        even = true;
        for (int i = 0; i < count; i++) {
            member_poll(&members[i]);
        }
        for (int i = 0; i < count; i++) {
            even = even && members[i].given == each;
        }
    }
}

static void three_cooperative_members_share_and_take_over(void **state)
{
    (void)state;
    const char *topic = flow_name(&flow, "t");
    const char *group = flow_name(&flow, "g");
    struct member m[3];
    flow_topic(&flow, topic, 6);
    member_start(&m[0], group, topic, NULL);
    wait_for(m, 1, 6);
    member_start(&m[1], group, topic, NULL);
    wait_for(m, 2, 3);
    member_start(&m[2], group, topic, NULL);
    wait_for(m, 3, 2);
    member_stop(&m[2]); /* leaves: no session timeout is waited for */
    int64_t began_ms = flow_now_ms();
    wait_for(m, 2, 3);
    assert_true(flow_now_ms() - began_ms < 15000); /* of 30 */
    member_stop(&m[1]);
    wait_for(m, 1, 6);
    assert_int_equal(m[0].lost, 0);
    member_stop(&m[0]);
}

static void static_member_comes_back_to_what_it_had(void **state)
{
    (void)state;
    const char *topic = flow_name(&flow, "t");
    const char *group = flow_name(&flow, "g");
    struct member m[2];
    flow_topic(&flow, topic, 4);
    member_start(&m[0], group, topic, "one");
    member_start(&m[1], group, topic, "two");
    wait_for(m, 2, 2);
    int before = m[0].rebalances;
    member_stop(&m[1]); /* a static member does not leave */
    member_start(&m[1], group, topic, "two");
    wait_for(m, 2, 2);
    assert_int_equal(m[0].rebalances, before);
    member_stop(&m[0]);
    member_stop(&m[1]);
}

static void second_holder_of_an_instance_id_fences_the_first(void **state)
{
    (void)state;
    const char *topic = flow_name(&flow, "t");
    const char *group = flow_name(&flow, "g");
    struct member m[2];
    flow_topic(&flow, topic, 2);
    member_start(&m[0], group, topic, "same");
    wait_for(&m[0], 1, 2);
    member_start(&m[1], group, topic, "same");
    wait_for(&m[1], 1, 2);
    char text[256];
    int64_t until_ms = flow_now_ms() + WAIT_MS;
    while (rd_kafka_fatal_error(m[0].rk, text, sizeof(text)) == 0) {
        assert_true(flow_now_ms() < until_ms);
        member_poll(&m[0]);
    }
    assert_int_equal(rd_kafka_fatal_error(m[0].rk, text, sizeof(text)),
                     RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
    member_stop(&m[0]);
    member_stop(&m[1]);
}

static void commit_at(rd_kafka_t *consumer, const char *topic, int64_t offset,
                      const char *metadata)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *at =
        rd_kafka_topic_partition_list_add(list, topic, 0);
    at->offset = offset;
    at->metadata = strdup(metadata);
    at->metadata_size = strlen(metadata);
    rd_kafka_resp_err_t err = rd_kafka_commit(consumer, list, /* async= */ 0);
    if (err) {
        fail_msg("commit: %s", rd_kafka_err2str(err));
    }
    rd_kafka_topic_partition_list_destroy(list);
}

static void positions_and_their_metadata_survive_kill_9(void **state)
{
    (void)state;
    const char *topic = flow_name(&flow, "t");
    const char *group = flow_name(&flow, "g");
    flow_topic(&flow, topic, 1);
    assert_int_equal(flow_committed(&flow, group, topic, 0),
                     RD_KAFKA_OFFSET_INVALID);
    rd_kafka_t *c = flow_consumer(&flow, group, NULL);
    commit_at(c, topic, 42, "AgAAAX");
    flow_crash(&flow);
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0);
    int64_t until_ms = flow_now_ms() + WAIT_MS;
    while (rd_kafka_committed(c, list, WAIT_MS) != 0) { /* still loading */
        assert_true(flow_now_ms() < until_ms);
    }
    assert_int_equal(list->elems[0].offset, 42);
    assert_int_equal(list->elems[0].metadata_size, 6);
    assert_memory_equal(list->elems[0].metadata, "AgAAAX", 6);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(c);
}

static void members_survive_kill_9_of_the_broker(void **state)
{
    (void)state;
    const char *topic = flow_name(&flow, "t");
    const char *group = flow_name(&flow, "g");
    struct member m[2];
    flow_topic(&flow, topic, 4);
    member_start(&m[0], group, topic, NULL);
    member_start(&m[1], group, topic, NULL);
    wait_for(m, 2, 2);
    int before = m[0].rebalances + m[1].rebalances;
    flow_crash(&flow);
    rd_kafka_t *c = flow_consumer(&flow, group, NULL);
    int64_t until_ms = flow_now_ms() + 3000; /* heartbeats find the group */
    while (flow_now_ms() < until_ms) {
        member_poll(&m[0]);
        member_poll(&m[1]);
    }
    assert_int_equal(m[0].rebalances + m[1].rebalances, before);
    assert_int_equal(m[0].given, 2);
    assert_int_equal(m[1].given, 2);
    assert_int_equal(m[0].lost + m[1].lost, 0);
    rd_kafka_destroy(c);
    member_stop(&m[0]);
    wait_for(&m[1], 1, 4);
    member_stop(&m[1]);
}

/* ---- administration ------------------------------------------------------ */

static rd_kafka_event_t *wait_event(rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, WAIT_MS);
    assert_non_null(event);
    if (rd_kafka_event_error(event)) {
        fail_msg("admin: %s", rd_kafka_event_error_string(event));
    }
    return event;
}

static rd_kafka_resp_err_t delete_group(rd_kafka_t *client, const char *group)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_DeleteGroup_t *spec = rd_kafka_DeleteGroup_new(group);
    rd_kafka_DeleteGroups(client, &spec, 1, NULL, queue);
    rd_kafka_event_t *event = wait_event(queue);
    size_t count = 0;
    const rd_kafka_group_result_t **results =
        rd_kafka_DeleteGroups_result_groups(
            rd_kafka_event_DeleteGroups_result(event), &count);
    assert_int_equal(count, 1);
    const rd_kafka_error_t *error = rd_kafka_group_result_error(results[0]);
    rd_kafka_resp_err_t code = error ? rd_kafka_error_code(error) : 0;
    rd_kafka_event_destroy(event);
    rd_kafka_DeleteGroup_destroy(spec);
    rd_kafka_queue_destroy(queue);
    return code;
}

static rd_kafka_resp_err_t delete_offset(rd_kafka_t *client, const char *group,
                                         const char *topic)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0);
    rd_kafka_DeleteConsumerGroupOffsets_t *spec =
        rd_kafka_DeleteConsumerGroupOffsets_new(group, list);
    rd_kafka_DeleteConsumerGroupOffsets(client, &spec, 1, NULL, queue);
    rd_kafka_event_t *event = wait_event(queue);
    size_t count = 0;
    const rd_kafka_group_result_t **results =
        rd_kafka_DeleteConsumerGroupOffsets_result_groups(
            rd_kafka_event_DeleteConsumerGroupOffsets_result(event), &count);
    assert_int_equal(count, 1);
    const rd_kafka_topic_partition_list_t *partitions =
        rd_kafka_group_result_partitions(results[0]);
    rd_kafka_resp_err_t code = partitions->elems[0].err;
    rd_kafka_event_destroy(event);
    rd_kafka_DeleteConsumerGroupOffsets_destroy(spec);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_queue_destroy(queue);
    return code;
}

static void groups_in_use_cannot_be_deleted(void **state)
{
    (void)state;
    const char *topic = flow_name(&flow, "t");
    const char *group = flow_name(&flow, "g");
    flow_topic(&flow, topic, 1);
    struct member m;
    member_start(&m, group, topic, NULL);
    wait_for(&m, 1, 1);
    commit_at(m.rk, topic, 7, "");
    rd_kafka_t *admin = flow_producer(&flow, NULL);
    assert_int_equal(delete_group(admin, group),
                     RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP);
    assert_int_equal(delete_offset(admin, group, topic),
                     RD_KAFKA_RESP_ERR_GROUP_SUBSCRIBED_TO_TOPIC);
    member_stop(&m);
    assert_int_equal(flow_committed(&flow, group, topic, 0), 7);
    assert_int_equal(delete_offset(admin, group, topic), 0);
    assert_int_equal(flow_committed(&flow, group, topic, 0),
                     RD_KAFKA_OFFSET_INVALID);
    assert_int_equal(delete_group(admin, group), 0);
    assert_int_equal(delete_group(admin, group),
                     RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND);
    rd_kafka_destroy(admin);
}

static void group_is_listed_and_described(void **state)
{
    (void)state;
    const char *topic = flow_name(&flow, "t");
    const char *group = flow_name(&flow, "g");
    flow_topic(&flow, topic, 1);
    struct member m;
    member_start(&m, group, topic, NULL);
    wait_for(&m, 1, 1);
    const struct rd_kafka_group_list *list = NULL;
    assert_int_equal(rd_kafka_list_groups(m.rk, group, &list, WAIT_MS), 0);
    assert_int_equal(list->group_cnt, 1);
    const struct rd_kafka_group_info *info = &list->groups[0];
    assert_string_equal(info->state, "Stable");
    assert_string_equal(info->protocol_type, "consumer");
    assert_string_equal(info->protocol, "cooperative-sticky");
    assert_int_equal(info->member_cnt, 1);
    assert_string_equal(info->members[0].client_id, "rdkafka");
    assert_true(info->members[0].member_assignment_size > 0);
    rd_kafka_group_list_destroy(list);
    member_stop(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_cooperative_members_share_and_take_over),
        cmocka_unit_test(static_member_comes_back_to_what_it_had),
        cmocka_unit_test(second_holder_of_an_instance_id_fences_the_first),
        cmocka_unit_test(positions_and_their_metadata_survive_kill_9),
        cmocka_unit_test(members_survive_kill_9_of_the_broker),
        cmocka_unit_test(groups_in_use_cannot_be_deleted),
        cmocka_unit_test(group_is_listed_and_described),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
