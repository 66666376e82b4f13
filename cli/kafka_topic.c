/* SPDX-License-Identifier: Apache-2.0
 *
 * weir topic create | list | describe | delete. */
#include "cli/kafka_door.h"
#include "cli/tools.h"

#include "base/options.h"
#include "runtime/serde.h"

#include <stdio.h>
#include <stdlib.h>

/* An admin request's options with the command's timeout. */
static rd_kafka_AdminOptions_t *admin_options(struct wr_door *door,
                                              rd_kafka_admin_op_t op)
{
    char reason[256];
    rd_kafka_AdminOptions_t *o = rd_kafka_AdminOptions_new(door->client, op);
    (void)rd_kafka_AdminOptions_set_request_timeout(o, door->timeout_ms, reason,
                                                    sizeof(reason));
    (void)rd_kafka_AdminOptions_set_operation_timeout(o, door->timeout_ms,
                                                      reason, sizeof(reason));
    return o;
}

/* ---- create ------------------------------------------------------------- */

static enum weir_status new_topic(const struct wr_cli *cli, const char *name,
                                  rd_kafka_NewTopic_t **out,
                                  struct weir_error *err)
{
    char reason[512];
    int64_t partitions = 0;
    int64_t replication = 0;
    enum weir_status s =
        wr_cli_int(cli, "partitions", (struct wr_cli_range){-1, 1, 100000},
                   &partitions, err);
    s = s == WEIR_OK
            ? wr_cli_int(cli, "replication-factor",
                         (struct wr_cli_range){-1, 1, 100}, &replication, err)
            : s;
    if (s != WEIR_OK) {
        return s;
    }
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(
        name, (int)partitions, (int)replication, reason, sizeof(reason));
    if (!topic) {
        return weir_fail(err, WEIR_E_CONFIG, "topic '%s': %s", name, reason);
    }
    const char *pair;
    for (size_t i = 0; (pair = wr_cli_value(cli, "config", i)) != NULL; i++) {
        const char *equals = strchr(pair, '=');
        char *key = equals ? strndup(pair, (size_t)(equals - pair)) : NULL;
        if (!key) {
            rd_kafka_NewTopic_destroy(topic);
            return weir_fail(err, WEIR_E_CONFIG, "--config %s: want NAME=VALUE",
                             pair);
        }
        (void)rd_kafka_NewTopic_set_config(topic, key, equals + 1);
        free(key);
    }
    *out = topic;
    return WEIR_OK;
}

/* One topic's result as a line or an error. */
static enum weir_status topic_result(const struct wr_door *door,
                                     const rd_kafka_topic_result_t *result,
                                     const char *done, struct weir_error *err)
{
    rd_kafka_resp_err_t code = rd_kafka_topic_result_error(result);
    const char *name = rd_kafka_topic_result_name(result);
    if (code) {
        return wr_door_fail(door, code,
                            rd_kafka_topic_result_error_string(result), err,
                            "topic '%s'", name);
    }
    (void)fprintf(stderr, "%s topic %s\n", done, name);
    return WEIR_OK;
}

static enum weir_status create_topics(const struct wr_cli *cli,
                                      struct wr_door *door,
                                      struct weir_error *err)
{
    size_t count = (size_t)cli->operand_count;
    rd_kafka_NewTopic_t **topics = calloc(count, sizeof(*topics));
    rd_kafka_queue_t *queue = rd_kafka_queue_new(door->client);
    rd_kafka_AdminOptions_t *options =
        admin_options(door, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_event_t *event = NULL;
    enum weir_status s = topics ? WEIR_OK : WEIR_E_NOMEM;
    for (size_t i = 0; i < count && s == WEIR_OK; i++) {
        s = new_topic(cli, cli->operands[i], &topics[i], err);
    }
    if (s == WEIR_OK) {
        rd_kafka_CreateTopics(door->client, topics, count, options, queue);
        s = wr_door_wait(door, queue, "create topics", &event, err);
    }
    if (s == WEIR_OK) {
        size_t n = 0;
        const rd_kafka_topic_result_t **results =
            rd_kafka_CreateTopics_result_topics(
                rd_kafka_event_CreateTopics_result(event), &n);
        for (size_t i = 0; i < n; i++) {
            struct weir_error one;
            enum weir_status r =
                topic_result(door, results[i], "created", &one);
            if (r != WEIR_OK) {
                s = weir_fail(err, r, "%s", one.text);
            }
        }
        rd_kafka_event_destroy(event);
    }
    for (size_t i = 0; topics && i < count; i++) {
        if (topics[i]) {
            rd_kafka_NewTopic_destroy(topics[i]);
        }
    }
    free(topics);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    return s;
}

/* Opens a client, runs fn with it, reports: the frame of every admin command.
 */
static int with_door(struct wr_cli *cli,
                     enum weir_status (*fn)(const struct wr_cli *,
                                            struct wr_door *,
                                            struct weir_error *))
{
    struct weir_error err = {0};
    struct wr_door door = {0};
    enum weir_status s = wr_door_open(cli, WR_CLIENT_ADMIN, NULL, &door, &err);
    if (s == WEIR_OK) {
        s = fn(cli, &door, &err);
        wr_door_close(&door);
    }
    return s == WEIR_OK ? WR_EXIT_OK : wr_cli_fail(&err);
}

int wr_topic_create(struct wr_cli *cli)
{
    return with_door(cli, create_topics);
}

/* ---- delete ------------------------------------------------------------- */

static enum weir_status delete_topics(const struct wr_cli *cli,
                                      struct wr_door *door,
                                      struct weir_error *err)
{
    size_t count = (size_t)cli->operand_count;
    rd_kafka_DeleteTopic_t **topics = calloc(count, sizeof(*topics));
    rd_kafka_queue_t *queue = rd_kafka_queue_new(door->client);
    rd_kafka_AdminOptions_t *options =
        admin_options(door, RD_KAFKA_ADMIN_OP_DELETETOPICS);
    rd_kafka_event_t *event = NULL;
    enum weir_status s = topics ? WEIR_OK : WEIR_E_NOMEM;
    for (size_t i = 0; i < count && topics; i++) {
        topics[i] = rd_kafka_DeleteTopic_new(cli->operands[i]);
    }
    if (s == WEIR_OK) {
        rd_kafka_DeleteTopics(door->client, topics, count, options, queue);
        s = wr_door_wait(door, queue, "delete topics", &event, err);
        rd_kafka_DeleteTopic_destroy_array(topics, count);
    }
    if (s == WEIR_OK) {
        size_t n = 0;
        const rd_kafka_topic_result_t **results =
            rd_kafka_DeleteTopics_result_topics(
                rd_kafka_event_DeleteTopics_result(event), &n);
        for (size_t i = 0; i < n; i++) {
            struct weir_error one;
            enum weir_status r =
                topic_result(door, results[i], "deleted", &one);
            if (r != WEIR_OK) {
                s = weir_fail(err, r, "%s", one.text);
            }
        }
        rd_kafka_event_destroy(event);
    }
    free(topics);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    return s;
}

int wr_topic_delete(struct wr_cli *cli)
{
    if (!wr_cli_has(cli, "yes") &&
        !wr_door_confirm("Delete these topics and all their records?")) {
        return wr_cli_usage(cli, "deleting is final: say --yes to do it");
    }
    return with_door(cli, delete_topics);
}

/* ---- list --------------------------------------------------------------- */

static enum weir_status get_metadata(struct wr_door *door, const char *topic,
                                     const struct rd_kafka_metadata **out,
                                     struct weir_error *err)
{
    /* A topic handle would make the broker create the topic; ask for all. */
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(door->client, 1, NULL, out, door->timeout_ms);
    if (code) {
        return wr_door_fail(door, code, NULL, err, "list topics");
    }
    for (int i = 0; topic && i < (*out)->topic_cnt; i++) {
        if (strcmp((*out)->topics[i].topic, topic) == 0) {
            return WEIR_OK;
        }
    }
    if (topic) {
        rd_kafka_metadata_destroy(*out);
        return weir_fail(err, WEIR_E_NOTFOUND,
                         "topic '%s' does not exist; 'weir topic create %s' "
                         "makes it",
                         topic, topic);
    }
    return WEIR_OK;
}

static int by_name(const void *a, const void *b)
{
    const struct rd_kafka_metadata_topic *const *ta = a;
    const struct rd_kafka_metadata_topic *const *tb = b;
    return strcmp((*ta)->topic, (*tb)->topic);
}

static enum weir_status list_topics(const struct wr_cli *cli,
                                    struct wr_door *door,
                                    struct weir_error *err)
{
    bool json = false;
    const struct rd_kafka_metadata *md = NULL;
    enum weir_status s = wr_door_json(cli, &json, err);
    s = s == WEIR_OK ? get_metadata(door, NULL, &md, err) : s;
    if (s != WEIR_OK) {
        return s;
    }
    size_t count = (size_t)md->topic_cnt;
    const struct rd_kafka_metadata_topic **sorted =
        calloc(count + 1, sizeof(*sorted));
    for (size_t i = 0; sorted && i < count; i++) {
        sorted[i] = &md->topics[i];
    }
    if (sorted) {
        qsort(sorted, count, sizeof(*sorted), by_name);
        if (!json) {
            (void)printf("%-48s %s\n", "TOPIC", "PARTITIONS");
        }
        for (size_t i = 0; i < count; i++) {
            if (strncmp(sorted[i]->topic, "__", 2) == 0 &&
                !wr_cli_has(cli, "all")) {
                continue;
            }
            (void)printf(json ? "{\"topic\":\"%s\",\"partitions\":%d}\n"
                              : "%-48s %d\n",
                         sorted[i]->topic, sorted[i]->partition_cnt);
        }
    }
    free(sorted);
    rd_kafka_metadata_destroy(md);
    return WEIR_OK;
}

int wr_topic_list(struct wr_cli *cli)
{
    return with_door(cli, list_topics);
}

/* ---- describe ----------------------------------------------------------- */

static enum weir_status
describe_partitions(struct wr_door *door,
                    const struct rd_kafka_metadata_topic *topic, bool json,
                    struct weir_error *err)
{
    if (!json) {
        (void)printf("%-10s %-8s %-14s %s\n", "PARTITION", "LEADER", "FIRST",
                     "END");
    }
    for (int i = 0; i < topic->partition_cnt; i++) {
        int64_t low = 0;
        int64_t high = 0;
        const struct rd_kafka_metadata_partition *p = &topic->partitions[i];
        enum weir_status s =
            wr_door_bounds(door, topic->topic, p->id, &low, &high, err);
        if (s != WEIR_OK) {
            return s;
        }
        (void)printf(json
                         ? "%s{\"partition\":%d,\"leader\":%d,\"first_offset\":"
                           "%lld,\"end_offset\":%lld}"
                         : "%s%-10d %-8d %-14lld %lld\n",
                     json && i ? "," : "", p->id, p->leader, (long long)low,
                     (long long)high);
    }
    return WEIR_OK;
}

static void print_config(const rd_kafka_ConfigEntry_t *entry, bool json,
                         bool *first)
{
    const char *name = rd_kafka_ConfigEntry_name(entry);
    const char *value = rd_kafka_ConfigEntry_value(entry);
    if (json) {
        struct wr_buf text;
        wr_buf_init(&text, 1 << 20);
        wr_buf_printf(&text, "%s\"%s\":", *first ? "" : ",", name);
        wr_json_text(&text, weir_text(value ? value : ""));
        (void)printf("%s", wr_buf_text(&text));
        wr_buf_done(&text);
    } else {
        (void)printf("  %s=%s%s\n", name, value ? value : "",
                     rd_kafka_ConfigEntry_is_default(entry) ? "" : "  (set)");
    }
    *first = false;
}

static enum weir_status describe_config(struct wr_door *door, const char *name,
                                        bool all, bool json,
                                        struct weir_error *err)
{
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(door->client);
    rd_kafka_AdminOptions_t *options =
        admin_options(door, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_event_t *event = NULL;
    rd_kafka_DescribeConfigs(door->client, &resource, 1, options, queue);
    enum weir_status s = wr_door_wait(
        door, queue, "describe the topic's configuration", &event, err);
    if (s == WEIR_OK) {
        size_t n = 0;
        const rd_kafka_ConfigResource_t **resources =
            rd_kafka_DescribeConfigs_result_resources(
                rd_kafka_event_DescribeConfigs_result(event), &n);
        size_t count = 0;
        const rd_kafka_ConfigEntry_t **entries =
            n > 0 ? rd_kafka_ConfigResource_configs(resources[0], &count)
                  : NULL;
        bool first = true;
        for (size_t i = 0; i < count; i++) {
            if (all || !rd_kafka_ConfigEntry_is_default(entries[i])) {
                print_config(entries[i], json, &first);
            }
        }
        rd_kafka_event_destroy(event);
    }
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    rd_kafka_ConfigResource_destroy(resource);
    return s;
}

static enum weir_status describe_topic(const struct wr_cli *cli,
                                       struct wr_door *door,
                                       struct weir_error *err)
{
    bool json = false;
    const char *name = cli->operands[0];
    const struct rd_kafka_metadata *md = NULL;
    enum weir_status s = wr_door_json(cli, &json, err);
    s = s == WEIR_OK ? get_metadata(door, name, &md, err) : s;
    if (s != WEIR_OK) {
        return s;
    }
    const struct rd_kafka_metadata_topic *topic = NULL;
    for (int i = 0; i < md->topic_cnt; i++) {
        topic = strcmp(md->topics[i].topic, name) == 0 ? &md->topics[i] : topic;
    }
    (void)printf(json ? "{\"topic\":\"%s\",\"partitions\":[" : "topic %s\n",
                 name);
    s = topic ? describe_partitions(door, topic, json, err) : WEIR_E_NOTFOUND;
    if (s == WEIR_OK) {
        (void)printf(json ? "],\"config\":{" : "configuration\n");
        s = describe_config(door, name, wr_cli_has(cli, "all"), json, err);
    }
    (void)printf(json ? "}}\n" : "");
    rd_kafka_metadata_destroy(md);
    return s;
}

int wr_topic_describe(struct wr_cli *cli)
{
    return with_door(cli, describe_topic);
}
