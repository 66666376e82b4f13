/* SPDX-License-Identifier: Apache-2.0
 *
 * weir group list | describe. An application's group has its application.id for
 * a name; besides its inputs a weir application commits nothing, so what is
 * shown is its lag. */
#include "cli/kafka_door.h"
#include "cli/tools.h"

#include "runtime/serde.h"

#include <stdio.h>

static rd_kafka_AdminOptions_t *group_options(struct wr_door *door,
                                              rd_kafka_admin_op_t op)
{
    char reason[256];
    rd_kafka_AdminOptions_t *o = rd_kafka_AdminOptions_new(door->client, op);
    (void)rd_kafka_AdminOptions_set_request_timeout(o, door->timeout_ms, reason,
                                                    sizeof(reason));
    return o;
}

static void print_text(const char *text, bool json)
{
    if (!json) {
        (void)printf("%s", text);
        return;
    }
    struct wr_buf buf;
    wr_buf_init(&buf, 1 << 20);
    wr_json_text(&buf, weir_text(text));
    (void)printf("%s", wr_buf_text(&buf));
    wr_buf_done(&buf);
}

/* ---- list --------------------------------------------------------------- */

static enum weir_status list_groups(struct wr_door *door, bool json,
                                    struct weir_error *err)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(door->client);
    rd_kafka_AdminOptions_t *options =
        group_options(door, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS);
    rd_kafka_event_t *event = NULL;
    rd_kafka_ListConsumerGroups(door->client, options, queue);
    enum weir_status s = wr_door_wait(door, queue, "list groups", &event, err);
    if (s == WEIR_OK) {
        size_t count = 0;
        const rd_kafka_ConsumerGroupListing_t **groups =
            rd_kafka_ListConsumerGroups_result_valid(
                rd_kafka_event_ListConsumerGroups_result(event), &count);
        if (!json) {
            (void)printf("%-40s %s\n", "GROUP", "STATE");
        }
        for (size_t i = 0; i < count; i++) {
            const char *id = rd_kafka_ConsumerGroupListing_group_id(groups[i]);
            const char *state = rd_kafka_consumer_group_state_name(
                rd_kafka_ConsumerGroupListing_state(groups[i]));
            if (json) {
                (void)printf("{\"group\":");
                print_text(id, true);
                (void)printf(",\"state\":\"%s\"}\n", state);
            } else {
                (void)printf("%-40s %s\n", id, state);
            }
        }
        rd_kafka_event_destroy(event);
    }
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    return s;
}

int wr_group_list(struct wr_cli *cli)
{
    struct weir_error err = {0};
    struct wr_door door = {0};
    bool json = false;
    enum weir_status s = wr_door_json(cli, &json, &err);
    s = s == WEIR_OK ? wr_door_open(cli, WR_CLIENT_ADMIN, NULL, &door, &err)
                     : s;
    s = s == WEIR_OK ? list_groups(&door, json, &err) : s;
    wr_door_close(&door);
    return s == WEIR_OK ? WR_EXIT_OK : wr_cli_fail(&err);
}

/* ---- describe: members -------------------------------------------------- */

static void print_member(const rd_kafka_MemberDescription_t *m, bool json,
                         bool first)
{
    const rd_kafka_topic_partition_list_t *parts =
        rd_kafka_MemberAssignment_partitions(
            rd_kafka_MemberDescription_assignment(m));
    if (json) {
        (void)printf("%s{\"client\":", first ? "" : ",");
        print_text(rd_kafka_MemberDescription_client_id(m), true);
        (void)printf(",\"host\":");
        print_text(rd_kafka_MemberDescription_host(m), true);
        (void)printf(",\"assignment\":[");
    } else {
        (void)printf("  %-40s %-20s ", rd_kafka_MemberDescription_client_id(m),
                     rd_kafka_MemberDescription_host(m));
    }
    for (int i = 0; parts && i < parts->cnt; i++) {
        (void)printf(json ? "%s\"%s-%d\"" : "%s%s-%d", i ? "," : "",
                     parts->elems[i].topic, parts->elems[i].partition);
    }
    (void)printf(json ? "]}" : "\n");
}

static enum weir_status
print_members(const rd_kafka_ConsumerGroupDescription_t *g, const char *name,
              bool json, struct weir_error *err)
{
    const rd_kafka_error_t *error = rd_kafka_ConsumerGroupDescription_error(g);
    rd_kafka_consumer_group_state_t state =
        rd_kafka_ConsumerGroupDescription_state(g);
    if (error) {
        return weir_fail(err, WEIR_E_KAFKA, "group '%s': %s", name,
                         rd_kafka_error_string(error));
    }
    if (state == RD_KAFKA_CONSUMER_GROUP_STATE_DEAD) {
        return weir_fail(err, WEIR_E_NOTFOUND,
                         "group '%s' does not exist; 'weir group list' shows "
                         "what there is",
                         name);
    }
    const char *assignor =
        rd_kafka_ConsumerGroupDescription_partition_assignor(g);
    size_t count = rd_kafka_ConsumerGroupDescription_member_count(g);
    (void)printf(json
                     ? "{\"group\":\"%s\",\"state\":\"%s\",\"assignor\":\"%s\","
                       "\"members\":["
                     : "group %s  state %s  assignor %s\nmembers\n",
                 name, rd_kafka_consumer_group_state_name(state),
                 assignor ? assignor : "");
    for (size_t i = 0; i < count; i++) {
        print_member(rd_kafka_ConsumerGroupDescription_member(g, i), json,
                     i == 0);
    }
    (void)printf(json ? "]" : "");
    return WEIR_OK;
}

static enum weir_status describe_members(struct wr_door *door, const char *name,
                                         bool json, struct weir_error *err)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(door->client);
    rd_kafka_AdminOptions_t *options =
        group_options(door, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
    rd_kafka_event_t *event = NULL;
    rd_kafka_DescribeConsumerGroups(door->client, &name, 1, options, queue);
    enum weir_status s =
        wr_door_wait(door, queue, "describe the group", &event, err);
    if (s == WEIR_OK) {
        size_t n = 0;
        const rd_kafka_ConsumerGroupDescription_t **groups =
            rd_kafka_DescribeConsumerGroups_result_groups(
                rd_kafka_event_DescribeConsumerGroups_result(event), &n);
        s = n > 0 ? print_members(groups[0], name, json, err)
                  : weir_fail(err, WEIR_E_NOTFOUND, "group '%s' does not exist",
                              name);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    return s;
}

/* ---- describe: offsets -------------------------------------------------- */

static enum weir_status print_offset(struct wr_door *door,
                                     const rd_kafka_topic_partition_t *p,
                                     bool json, bool first,
                                     struct weir_error *err)
{
    int64_t low = 0;
    int64_t high = 0;
    enum weir_status s =
        wr_door_bounds(door, p->topic, p->partition, &low, &high, err);
    if (s != WEIR_OK) {
        return s;
    }
    int64_t lag = p->offset >= 0 ? high - p->offset : high - low;
    (void)printf(
        json ? "%s{\"topic\":\"%s\",\"partition\":%d,\"committed\":%lld,"
               "\"end\":%lld,\"lag\":%lld}"
             : "%s  %-40s %-10d %-14lld %-14lld %lld\n",
        json && !first ? "," : "", p->topic, p->partition, (long long)p->offset,
        (long long)high, (long long)lag);
    return WEIR_OK;
}

static enum weir_status describe_offsets(struct wr_door *door, const char *name,
                                         bool json, struct weir_error *err)
{
    rd_kafka_ListConsumerGroupOffsets_t *request =
        rd_kafka_ListConsumerGroupOffsets_new(name, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(door->client);
    rd_kafka_AdminOptions_t *options =
        group_options(door, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    rd_kafka_event_t *event = NULL;
    rd_kafka_ListConsumerGroupOffsets(door->client, &request, 1, options,
                                      queue);
    enum weir_status s =
        wr_door_wait(door, queue, "read the group's offsets", &event, err);
    if (s == WEIR_OK) {
        size_t n = 0;
        const rd_kafka_group_result_t **groups =
            rd_kafka_ListConsumerGroupOffsets_result_groups(
                rd_kafka_event_ListConsumerGroupOffsets_result(event), &n);
        rd_kafka_topic_partition_list_t *parts =
            n > 0 ? rd_kafka_topic_partition_list_copy(
                        rd_kafka_group_result_partitions(groups[0]))
                  : rd_kafka_topic_partition_list_new(0);
        rd_kafka_topic_partition_list_sort(parts, NULL, NULL);
        if (!json) {
            (void)printf("offsets\n  %-40s %-10s %-14s %-14s %s\n", "TOPIC",
                         "PARTITION", "COMMITTED", "END", "LAG");
        }
        for (int i = 0; i < parts->cnt && s == WEIR_OK; i++) {
            s = print_offset(door, &parts->elems[i], json, i == 0, err);
        }
        rd_kafka_topic_partition_list_destroy(parts);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    rd_kafka_ListConsumerGroupOffsets_destroy(request);
    return s;
}

int wr_group_describe(struct wr_cli *cli)
{
    struct weir_error err = {0};
    struct wr_door door = {0};
    bool json = false;
    const char *name = cli->operands[0];
    enum weir_status s = wr_door_json(cli, &json, &err);
    s = s == WEIR_OK ? wr_door_open(cli, WR_CLIENT_ADMIN, NULL, &door, &err)
                     : s;
    s = s == WEIR_OK ? describe_members(&door, name, json, &err) : s;
    if (s == WEIR_OK) {
        (void)printf(json ? ",\"offsets\":[" : "");
        s = describe_offsets(&door, name, json, &err);
        (void)printf(json ? "]}\n" : "");
    }
    wr_door_close(&door);
    return s == WEIR_OK ? WR_EXIT_OK : wr_cli_fail(&err);
}
