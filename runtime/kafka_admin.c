/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests to the cluster. The client is a consumer without a group, since a
 * producer's question for a topic may create it. librdkafka answers admin
 * requests as events on a queue; each call makes its own queue, so that calls
 * of several threads do not meet. */
#include "runtime/kafka_admin.h"

#include "base/clock.h"
#include "base/log.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

#define CALL_TIMEOUT_MS 30000
#define READ_TIMEOUT_MS 10000

struct wr_admin {
    rd_kafka_t *rk;
    const struct wr_options *options; /* lent */
    const char *client_id;            /* lent */
    rd_kafka_queue_t *deletes;        /* answers of wr_admin_delete_records */
};

static const struct wr_client_setting admin_defaults[] = {
    {"fetch.wait.max.ms", "10"},
    {"fetch.error.backoff.ms", "20"},
    {NULL, NULL}};
static const struct wr_client_setting admin_forced[] = {
    {"auto.offset.reset", "earliest"},
    {"enable.partition.eof", "true"},
    {"allow.auto.create.topics", "false"},
    {"enable.auto.commit", "false"},
    {NULL, NULL}};

enum weir_status wr_admin_new(const struct wr_options *options,
                              const char *client_id, struct wr_admin **out,
                              struct weir_error *err)
{
    char reason[512] = "";
    rd_kafka_conf_t *conf = NULL;
    struct wr_client_spec client = {.kind = WR_CLIENT_ADMIN,
                                    .options = options,
                                    .client_id = client_id,
                                    .defaults = admin_defaults,
                                    .forced = admin_forced};
    struct wr_admin *admin = calloc(1, sizeof(*admin));
    if (!admin) {
        return weir_fail(err, WEIR_E_NOMEM, "admin client: out of memory");
    }
    admin->options = options;
    admin->client_id = client_id;
    enum weir_status status = wr_client_conf(&client, &conf, err);
    if (status != WEIR_OK) {
        free(admin);
        return status;
    }
    admin->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
    if (!admin->rk) {
        rd_kafka_conf_destroy(conf);
        free(admin);
        return weir_fail(err, WEIR_E_CONFIG, "admin client: %s", reason);
    }
    admin->deletes = rd_kafka_queue_new(admin->rk);
    *out = admin;
    return WEIR_OK;
}

static void drain_deletes(struct wr_admin *admin)
{
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(admin->deletes, 0))) {
        if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            wr_log(WR_DEBUG, "kafka", "delete-records", "reason=\"%s\"",
                   rd_kafka_event_error_string(event));
        }
        rd_kafka_event_destroy(event);
    }
}

void wr_admin_free(struct wr_admin *admin)
{
    if (admin) {
        drain_deletes(admin);
        rd_kafka_queue_destroy(admin->deletes);
        rd_kafka_destroy(admin->rk);
        free(admin);
    }
}

/* ---- topics ------------------------------------------------------------- */

static int topic_compare(const void *a, const void *b)
{
    return strcmp(((const struct wr_cluster_topic *)a)->name,
                  ((const struct wr_cluster_topic *)b)->name);
}

void wr_cluster_topics_done(struct wr_cluster_topics *topics)
{
    for (size_t i = 0; i < topics->count; i++) {
        free(topics->items[i].name);
    }
    free(topics->items);
    free(topics->cluster);
    *topics = (struct wr_cluster_topics){NULL, 0, NULL};
}

static struct wr_cluster_topic *
find_topic(const struct wr_cluster_topics *topics, const char *name)
{
    struct wr_cluster_topic key = {(char *)(uintptr_t)name, 0};
    return topics->count ? bsearch(&key, topics->items, topics->count,
                                   sizeof(key), topic_compare)
                         : NULL;
}

int32_t wr_cluster_topics_partitions(const struct wr_cluster_topics *topics,
                                     const char *name)
{
    const struct wr_cluster_topic *topic = find_topic(topics, name);
    return topic ? topic->partitions : -1;
}

enum weir_status wr_cluster_topics_put(struct wr_cluster_topics *topics,
                                       const char *name, int32_t partitions)
{
    struct wr_cluster_topic *topic = find_topic(topics, name);
    if (topic) {
        topic->partitions = partitions;
        return WEIR_OK;
    }
    struct wr_cluster_topic *items =
        realloc(topics->items, (topics->count + 1) * sizeof(*items));
    if (!items) {
        return WEIR_E_NOMEM;
    }
    topics->items = items;
    items[topics->count].name = strdup(name);
    if (!items[topics->count].name) {
        return WEIR_E_NOMEM;
    }
    items[topics->count++].partitions = partitions;
    qsort(items, topics->count, sizeof(*items), topic_compare);
    return WEIR_OK;
}

static enum weir_status keep_topics(const struct rd_kafka_metadata *metadata,
                                    struct wr_cluster_topics *out)
{
    struct wr_cluster_topics topics = {NULL, 0, NULL};
    topics.items =
        calloc((size_t)metadata->topic_cnt + 1, sizeof(*topics.items));
    if (!topics.items) {
        return WEIR_E_NOMEM;
    }
    for (int i = 0; i < metadata->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *t = &metadata->topics[i];
        if (t->partition_cnt <= 0) {
            continue;
        }
        struct wr_cluster_topic *item = &topics.items[topics.count];
        item->partitions = t->partition_cnt;
        item->name = strdup(t->topic);
        if (!item->name) {
            wr_cluster_topics_done(&topics);
            return WEIR_E_NOMEM;
        }
        topics.count++;
    }
    qsort(topics.items, topics.count, sizeof(*topics.items), topic_compare);
    *out = topics;
    return WEIR_OK;
}

/* The metadata that just came has it already. */
static enum weir_status keep_cluster(struct wr_admin *admin, int timeout_ms,
                                     struct wr_cluster_topics *topics)
{
    char *id = rd_kafka_clusterid(admin->rk, timeout_ms);
    topics->cluster = id ? strdup(id) : NULL;
    bool lost = id && !topics->cluster;
    rd_kafka_mem_free(admin->rk, id);
    if (lost) {
        wr_cluster_topics_done(topics);
    }
    return lost ? WEIR_E_NOMEM : WEIR_OK;
}

enum weir_status wr_admin_topics(struct wr_admin *admin, int timeout_ms,
                                 struct wr_cluster_topics *out,
                                 struct weir_error *err)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(admin->rk, 1, NULL, &metadata, timeout_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return wr_kafka_fail(err, admin->options, (int)code, NULL,
                             "asking for the topics");
    }
    enum weir_status status = keep_topics(metadata, out);
    rd_kafka_metadata_destroy(metadata);
    if (status == WEIR_OK) {
        status = keep_cluster(admin, timeout_ms, out);
    }
    return status == WEIR_OK ? WEIR_OK
                             : weir_fail(err, status, "topics: out of memory");
}

/* Waits for the answer to an admin request. *out_event is given on success. */
static enum weir_status wait_event(struct wr_admin *admin,
                                   rd_kafka_queue_t *queue, int timeout_ms,
                                   const char *doing,
                                   rd_kafka_event_t **out_event,
                                   struct weir_error *err)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms + 1000);
    if (!event) {
        return wr_kafka_fail(err, admin->options, RD_KAFKA_RESP_ERR__TIMED_OUT,
                             NULL, doing);
    }
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        enum weir_status status =
            wr_kafka_fail(err, admin->options, (int)code,
                          rd_kafka_event_error_string(event), doing);
        rd_kafka_event_destroy(event);
        return status;
    }
    *out_event = event;
    return WEIR_OK;
}

static rd_kafka_AdminOptions_t *
call_options(struct wr_admin *admin, rd_kafka_admin_op_t op, int timeout_ms)
{
    char reason[256];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(admin->rk, op);
    if (rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, reason,
                                                  sizeof(reason)) !=
        RD_KAFKA_RESP_ERR_NO_ERROR) {
        wr_log(WR_DEBUG, "kafka", "admin-timeout", "reason=\"%s\"", reason);
    }
    return options;
}

/* Refusals that stay until somebody changes something, here or there. */
static bool is_unfit(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR ||
           code == RD_KAFKA_RESP_ERR_INVALID_PARTITIONS ||
           code == RD_KAFKA_RESP_ERR_INVALID_CONFIG ||
           code == RD_KAFKA_RESP_ERR_POLICY_VIOLATION;
}

/* First error of a create or grow answer, existing topics excepted. */
static enum weir_status topic_results(struct wr_admin *admin,
                                      const rd_kafka_topic_result_t **results,
                                      size_t count, const char *doing,
                                      struct weir_error *err)
{
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[i]);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR ||
            code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
            continue;
        }
        const char *reason = rd_kafka_topic_result_error_string(results[i]);
        enum weir_status status =
            is_unfit(code)
                ? weir_fail(
                      err, WEIR_E_CONFIG,
                      "%s: the broker refuses it: %s; see "
                      "replication.factor=%s and the topic.* options, or "
                      "create the topic yourself",
                      doing, reason ? reason : rd_kafka_err2str(code),
                      wr_options_text(admin->options, "replication.factor"))
                : wr_kafka_fail(err, admin->options, (int)code, reason, doing);
        return weir_fail_prefix(err, status, "topic %s",
                                rd_kafka_topic_result_name(results[i]));
    }
    return WEIR_OK;
}

static void set_config(rd_kafka_NewTopic_t *topic, const char *name,
                       const char *value)
{
    if (rd_kafka_NewTopic_set_config(topic, name, value) !=
        RD_KAFKA_RESP_ERR_NO_ERROR) {
        wr_log(WR_WARN, "kafka", "topic-config", "name=%s value=%s", name,
               value);
    }
}

static void set_configs(struct wr_admin *admin, rd_kafka_NewTopic_t *topic,
                        const struct wr_new_topic *spec)
{
    for (const struct wr_client_setting *c = spec->config; c && c->name; c++) {
        set_config(topic, c->name, c->value);
    }
    size_t cursor = 0;
    const char *name;
    const char *value;
    while (wr_options_next(admin->options, &cursor, &name, &value)) {
        const char *property = wr_config_topic_property(name);
        if (property) {
            set_config(topic, property, value);
        }
    }
    for (const char *const *t = spec->config_texts; t && *t; t++) {
        const char *equal = strchr(*t, '=');
        char *key = equal ? strndup(*t, (size_t)(equal - *t)) : NULL;
        if (key) {
            set_config(topic, key, equal + 1);
        }
        free(key);
    }
}

enum weir_status wr_admin_create_topics(struct wr_admin *admin,
                                        const struct wr_new_topic *topics,
                                        size_t count, struct weir_error *err)
{
    if (count == 0) {
        return WEIR_OK;
    }
    rd_kafka_NewTopic_t **list = calloc(count, sizeof(*list));
    if (!list) {
        return weir_fail(err, WEIR_E_NOMEM, "topics: out of memory");
    }
    int factor = (int)wr_options_int(admin->options, "replication.factor");
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        char reason[256] = "";
        list[i] = rd_kafka_NewTopic_new(topics[i].name, topics[i].partitions,
                                        factor > 0 ? factor : -1, reason,
                                        sizeof(reason));
        if (!list[i]) {
            status = weir_fail(err, WEIR_E_KAFKA, "topic %s: %s",
                               topics[i].name, reason);
        } else {
            set_configs(admin, list[i], &topics[i]);
        }
    }
    if (status == WEIR_OK) {
        rd_kafka_queue_t *queue = rd_kafka_queue_new(admin->rk);
        rd_kafka_AdminOptions_t *options = call_options(
            admin, RD_KAFKA_ADMIN_OP_CREATETOPICS, CALL_TIMEOUT_MS);
        rd_kafka_event_t *event = NULL;
        rd_kafka_CreateTopics(admin->rk, list, count, options, queue);
        status = wait_event(admin, queue, CALL_TIMEOUT_MS, "creating topics",
                            &event, err);
        if (status == WEIR_OK) {
            size_t n = 0;
            const rd_kafka_topic_result_t **results =
                rd_kafka_CreateTopics_result_topics(
                    rd_kafka_event_CreateTopics_result(event), &n);
            status = topic_results(admin, results, n, "creating it", err);
            rd_kafka_event_destroy(event);
        }
        rd_kafka_AdminOptions_destroy(options);
        rd_kafka_queue_destroy(queue);
    }
    for (size_t i = 0; i < count; i++) {
        if (list[i]) {
            rd_kafka_NewTopic_destroy(list[i]);
        }
    }
    free(list);
    return status;
}

enum weir_status wr_admin_grow_topic(struct wr_admin *admin, const char *name,
                                     int32_t partitions, struct weir_error *err)
{
    char reason[256] = "";
    rd_kafka_NewPartitions_t *grow = rd_kafka_NewPartitions_new(
        name, (size_t)partitions, reason, sizeof(reason));
    if (!grow) {
        return weir_fail(err, WEIR_E_KAFKA, "topic %s: %s", name, reason);
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_new(admin->rk);
    rd_kafka_AdminOptions_t *options = call_options(
        admin, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS, CALL_TIMEOUT_MS);
    rd_kafka_event_t *event = NULL;
    rd_kafka_CreatePartitions(admin->rk, &grow, 1, options, queue);
    enum weir_status status = wait_event(admin, queue, CALL_TIMEOUT_MS,
                                         "adding partitions", &event, err);
    if (status == WEIR_OK) {
        size_t n = 0;
        const rd_kafka_topic_result_t **results =
            rd_kafka_CreatePartitions_result_topics(
                rd_kafka_event_CreatePartitions_result(event), &n);
        status = topic_results(admin, results, n, "adding partitions", err);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewPartitions_destroy(grow);
    return status;
}

/* ---- the group ---------------------------------------------------------- */

void wr_group_view_done(struct wr_group_view *group)
{
    for (size_t i = 0; i < group->count; i++) {
        free(group->members[i].client_id);
        free(group->members[i].member_id);
        free(group->members[i].host);
        free(group->members[i].partitions);
    }
    free(group->members);
    *group = (struct wr_group_view){NULL, 0, false};
}

/* librdkafka's question for groups (rd_kafka_DescribeConsumerGroups) is not
 * used: in 2.0.2, one that was given up while the brokers were away ends the
 * process when they are back. The older one waits in the asking thread, and
 * gives a member's assignment as it stands on the wire:
 *
 *   version i16, topics i32 { name i16 + bytes, partitions i32 { i32 } }
 */
static enum weir_status keep_partitions(struct weir_bytes assignment,
                                        const char *topic,
                                        struct wr_member_view *to)
{
    struct wr_reader reader;
    wr_reader_init(&reader, assignment);
    to->partitions =
        calloc(assignment.len / sizeof(int32_t) + 1, sizeof(*to->partitions));
    if (!to->partitions) {
        return WEIR_E_NOMEM;
    }
    if (assignment.len == 0) {
        return WEIR_OK; /* between two generations */
    }
    (void)wr_read_i16(&reader);
    int32_t topics = wr_read_i32(&reader);
    while (reader.status == WEIR_OK && topics-- > 0) {
        int16_t len = wr_read_i16(&reader);
        struct weir_bytes name =
            wr_read_bytes(&reader, len > 0 ? (size_t)len : 0);
        int32_t count = wr_read_i32(&reader);
        while (reader.status == WEIR_OK && count-- > 0) {
            int32_t partition = wr_read_i32(&reader);
            if (reader.status == WEIR_OK && wr_bytes_equal_text(name, topic)) {
                to->partitions[to->partition_count++] = partition;
            }
        }
    }
    return reader.status;
}

static enum weir_status
keep_member(const struct rd_kafka_group_member_info *from, const char *topic,
            struct wr_member_view *to)
{
    size_t size = from->member_assignment_size > 0
                      ? (size_t)from->member_assignment_size
                      : 0;
    to->member_id = strdup(from->member_id);
    to->client_id = strdup(from->client_id);
    to->host = strdup(from->client_host);
    return to->member_id && to->client_id && to->host
               ? keep_partitions(weir_bytes(from->member_assignment, size),
                                 topic, to)
               : WEIR_E_NOMEM;
}

static enum weir_status keep_group(struct wr_admin *admin,
                                   const struct rd_kafka_group_info *group,
                                   const char *topic, struct wr_group_view *out,
                                   struct weir_error *err)
{
    if (group->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return wr_kafka_fail(err, admin->options, (int)group->err, NULL,
                             "asking for the group's members");
    }
    size_t count = group->member_cnt > 0 ? (size_t)group->member_cnt : 0;
    enum weir_status status = WEIR_OK;
    out->is_stable = strcmp(group->state, "Stable") == 0;
    out->members = calloc(count + 1, sizeof(*out->members));
    for (size_t i = 0; out->members && i < count && status == WEIR_OK; i++) {
        out->count = i + 1;
        status = keep_member(&group->members[i], topic, &out->members[i]);
    }
    status = out->members ? status : WEIR_E_NOMEM;
    if (status != WEIR_OK) {
        wr_group_view_done(out);
        return weir_fail(err, status, "group '%s': %s", group->group,
                         status == WEIR_E_NOMEM
                             ? "out of memory"
                             : "a member's assignment cannot be read");
    }
    return WEIR_OK;
}

enum weir_status wr_admin_group(struct wr_admin *admin, const char *group,
                                const char *topic, int timeout_ms,
                                struct wr_group_view *out,
                                struct weir_error *err)
{
    struct wr_group_view found = {NULL, 0, false};
    const struct rd_kafka_group_list *list = NULL;
    rd_kafka_resp_err_t code =
        rd_kafka_list_groups(admin->rk, group, &list, timeout_ms);
    /* partial: some brokers are away, of which one may be the coordinator when
     * nobody else knows the group */
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR &&
        code != RD_KAFKA_RESP_ERR__PARTIAL) {
        return wr_kafka_fail(err, admin->options, (int)code, NULL,
                             "asking for the group's members");
    }
    enum weir_status status = WEIR_OK;
    for (int i = 0; i < list->group_cnt && status == WEIR_OK; i++) {
        if (strcmp(list->groups[i].group, group) == 0 && !found.members) {
            status = keep_group(admin, &list->groups[i], topic, &found, err);
        }
    }
    rd_kafka_group_list_destroy(list);
    if (status == WEIR_OK && code != RD_KAFKA_RESP_ERR_NO_ERROR &&
        !found.members) {
        status = wr_kafka_fail(err, admin->options,
                               RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
                               NULL, "asking for the group's members");
    }
    if (status == WEIR_OK) {
        *out = found;
    }
    return status;
}

/* ---- records ------------------------------------------------------------ */

void wr_admin_delete_records(struct wr_admin *admin,
                             const struct wr_partition *partitions,
                             size_t count)
{
    drain_deletes(admin);
    if (count == 0) {
        return;
    }
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_topic_partition_list_add(list, partitions[i].topic,
                                          partitions[i].partition)
            ->offset = partitions[i].offset;
    }
    rd_kafka_DeleteRecords_t *request = rd_kafka_DeleteRecords_new(list);
    rd_kafka_DeleteRecords(admin->rk, &request, 1, NULL, admin->deletes);
    rd_kafka_DeleteRecords_destroy(request);
    rd_kafka_topic_partition_list_destroy(list);
}

enum weir_status wr_admin_read(struct wr_admin *admin, const char *topic,
                               int32_t partition, wr_admin_record_fn fn,
                               void *user, struct weir_error *err)
{
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(admin->rk, topic, NULL);
    /* offset 0, not "beginning": that would be one more question, which
     * librdkafka asks half a second late; where 0 is gone, earliest is taken */
    if (!rkt || rd_kafka_consume_start(rkt, partition, 0) != 0) {
        int code = (int)rd_kafka_last_error();
        if (rkt) {
            rd_kafka_topic_destroy(rkt);
        }
        return wr_kafka_fail(err, admin->options, code, NULL, topic);
    }
    int64_t until = wr_mono_ms() + READ_TIMEOUT_MS;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    bool done = false;
    while (!done && wr_mono_ms() < until) {
        rd_kafka_message_t *message = rd_kafka_consume(rkt, partition, 100);
        if (!message) {
            continue;
        }
        code = message->err;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            fn(user, weir_bytes(message->key, message->key_len),
               weir_bytes(message->payload, message->len));
        }
        /* a leader that is not known yet is asked for again by librdkafka */
        done = code != RD_KAFKA_RESP_ERR_NO_ERROR &&
               wr_kafka_status((int)code) != WEIR_E_UNREACHABLE;
        rd_kafka_message_destroy(message);
    }
    if (rd_kafka_consume_stop(rkt, partition) != 0) {
        wr_log(WR_DEBUG, "kafka", "consume-stop", "topic=%s", topic);
    }
    rd_kafka_topic_destroy(rkt);
    if (code == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        return WEIR_OK;
    }
    return wr_kafka_fail(err, admin->options,
                         code ? (int)code : RD_KAFKA_RESP_ERR__TIMED_OUT, NULL,
                         topic);
}

static void on_written(rd_kafka_t *rk, const rd_kafka_message_t *message,
                       void *opaque)
{
    (void)rk;
    *(rd_kafka_resp_err_t *)opaque = message->err;
}

enum weir_status wr_admin_write(struct wr_admin *admin, const char *topic,
                                int32_t partition, struct weir_bytes key,
                                struct weir_bytes value, struct weir_error *err)
{
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    char reason[512] = "";
    rd_kafka_conf_t *conf = NULL;
    static const struct wr_client_setting forced[] = {
        {"linger.ms", "0"}, {"acks", "all"}, {NULL, NULL}};
    struct wr_client_spec client = {.kind = WR_CLIENT_ADMIN,
                                    .options = admin->options,
                                    .client_id = admin->client_id,
                                    .forced = forced,
                                    .opaque = &code};
    enum weir_status status = wr_client_conf(&client, &conf, err);
    if (status != WEIR_OK) {
        return status;
    }
    rd_kafka_conf_set_dr_msg_cb(conf, on_written);
    rd_kafka_t *rk =
        rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        return weir_fail(err, WEIR_E_CONFIG, "admin client: %s", reason);
    }
    rd_kafka_resp_err_t sent = rd_kafka_producev(
        rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY((void *)(uintptr_t)key.data, key.len),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)value.data, value.len),
        RD_KAFKA_V_END);
    if (sent == RD_KAFKA_RESP_ERR_NO_ERROR) {
        sent = rd_kafka_flush(rk, CALL_TIMEOUT_MS);
    }
    rd_kafka_destroy(rk);
    code = sent != RD_KAFKA_RESP_ERR_NO_ERROR ? sent : code;
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? WEIR_OK
               : wr_kafka_fail(err, admin->options, (int)code, NULL, topic);
}
