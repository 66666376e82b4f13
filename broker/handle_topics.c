/* SPDX-License-Identifier: Apache-2.0
 *
 * CreateTopics, DeleteTopics, CreatePartitions. The registry (topics.c) decides
 * and makes things durable; here requests are checked and errors get their
 * place and sentence. One broker means: one replica, on node 1. Thread: broker
 * loop. */
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/config.h"
#include "broker/errors.h"
#include "broker/topics.h"

static const char out_of_memory[] = "out of memory for an answer";

/* The error's text in memory that lives as long as the answer. */
static struct weir_bytes keep_text(struct wr_request *request,
                                   const struct weir_error *err)
{
    struct weir_bytes out;
    if (wr_arena_copy(&request->arena, weir_text(err->text), &out) != WEIR_OK) {
        return WEIR_NULL;
    }
    return out;
}

static int16_t refuse(struct weir_error *err, enum wr_kafka_error code,
                      const char *text)
{
    (void)weir_fail(err, WEIR_E_INVALID, "%s", text);
    return (int16_t)code;
}

/* ---- CreateTopics -----------------------------------------------------------
 */

/* Which topics occur more than once; NULL when out of memory. */
static bool *find_doubles(struct wr_request *request)
{
    const struct wr_create_topics_request *body = request->body;
    bool *twice =
        wr_request_calloc(request, (size_t)body->topics_count, sizeof(*twice));
    struct wr_map seen; /* name -> its first entry in `twice` */
    wr_map_init(&seen);
    for (int32_t i = 0; twice && i < body->topics_count; i++) {
        bool *first = wr_map_get(&seen, body->topics[i].name);
        if (first) {
            *first = twice[i] = true;
        } else if (wr_map_put(&seen, body->topics[i].name, &twice[i], NULL) !=
                   WEIR_OK) {
            twice = NULL;
        }
    }
    wr_map_done(&seen);
    return twice;
}

/* Partitions given one by one: 0, 1, 2, ... in any order, each on our node. */
static int16_t check_assignments(struct wr_request *request,
                                 const struct wr_create_topics_request_topic *t,
                                 struct weir_error *err)
{
    if (t->num_partitions != -1 || t->replication_factor != -1) {
        return refuse(err, WR_ERR_INVALID_REQUEST,
                      "Both assignments and numbers of partitions or replicas "
                      "are given.");
    }
    int32_t n = t->assignments_count;
    bool *seen = wr_request_calloc(request, (size_t)n, sizeof(*seen));
    for (int32_t i = 0; i < n; i++) {
        int32_t index = t->assignments[i].index;
        if (!seen || index < 0 || index >= n || seen[index]) {
            return refuse(err, WR_ERR_INVALID_REPLICA_ASSIGNMENT,
                          "Partitions must be 0, 1, 2, ... once each.");
        }
        seen[index] = true;
        if (t->assignments[i].broker_ids_count != 1 ||
            t->assignments[i].broker_ids[0] != request->broker->node_id) {
            return refuse(err, WR_ERR_INVALID_REPLICA_ASSIGNMENT,
                          "There is one broker, with id 1.");
        }
    }
    return 0;
}

static int16_t check_counts(struct wr_request *request,
                            const struct wr_create_topics_request_topic *t,
                            struct weir_error *err)
{
    if (t->assignments_count > 0) {
        return check_assignments(request, t, err);
    }
    if (t->replication_factor != 1 && t->replication_factor != -1) {
        (void)weir_fail(err, WEIR_E_INVALID,
                        "Replication factor is %d, but there is one broker: "
                        "ask for 1 or -1.",
                        t->replication_factor);
        return WR_ERR_INVALID_REPLICATION_FACTOR;
    }
    if (t->num_partitions < 1 && t->num_partitions != -1) {
        return refuse(err, WR_ERR_INVALID_PARTITIONS,
                      "Number of partitions must be larger than 0.");
    }
    return 0;
}

static int16_t read_settings(struct wr_request *request,
                             const struct wr_create_topics_request_topic *t,
                             struct wr_topic_spec *spec, struct weir_error *err)
{
    struct wr_topic_setting *settings =
        wr_request_calloc(request, (size_t)t->configs_count, sizeof(*settings));
    if (!settings) {
        return refuse(err, WR_ERR_UNKNOWN_SERVER_ERROR, "out of memory");
    }
    for (int32_t i = 0; i < t->configs_count; i++) {
        if (!t->configs[i].value.data) {
            return refuse(err, WR_ERR_INVALID_CONFIG,
                          "A configuration value is null.");
        }
        settings[i].name = wr_arena_text(&request->arena, t->configs[i].name);
        settings[i].value = wr_arena_text(&request->arena, t->configs[i].value);
        if (!settings[i].name || !settings[i].value) {
            return refuse(err, WR_ERR_UNKNOWN_SERVER_ERROR, "out of memory");
        }
    }
    spec->settings = settings;
    spec->setting_count = (size_t)t->configs_count;
    return 0;
}

static void answer_configs(struct wr_request *request,
                           const struct wr_topic *topic,
                           struct wr_create_topics_response_topic *out)
{
    const struct wr_topic_option *rows = wr_topic_option_rows;
    size_t n = 0;
    while (rows[n].name) {
        n++;
    }
    out->configs = wr_request_calloc(request, n, sizeof(*out->configs));
    out->configs_count = out->configs ? (int32_t)n : 0;
    for (size_t i = 0; out->configs && i < n; i++) {
        enum wr_config_source source;
        char number[WR_OPTIONS_PLAIN];
        const char *value = wr_topic_option_value(request->broker->options,
                                                  topic ? topic->options : NULL,
                                                  &rows[i], &source, number);
        out->configs[i].name = weir_text(rows[i].name);
        if (wr_arena_copy(&request->arena, weir_text(value),
                          &out->configs[i].value) != WEIR_OK) {
            out->configs_count = 0;
            return;
        }
        out->configs[i].config_source = (int8_t)source;
    }
}

static void create_one(struct wr_request *request,
                       const struct wr_create_topics_request_topic *asked,
                       bool twice, struct wr_create_topics_response_topic *out)
{
    const struct wr_create_topics_request *body = request->body;
    struct weir_error err = {.text = ""};
    struct wr_topic *topic = NULL;
    struct wr_topic_spec spec = {
        .name = asked->name,
        .partition_count = asked->assignments_count > 0
                               ? asked->assignments_count
                               : asked->num_partitions,
        .validate_only = body->validate_only,
    };
    int16_t code = twice ? refuse(&err, WR_ERR_INVALID_REQUEST,
                                  "The topic occurs twice in the request.")
                         : check_counts(request, asked, &err);
    if (code == 0) {
        code = read_settings(request, asked, &spec, &err);
    }
    if (code == 0) {
        code = wr_topics_create(request->broker->topics, &spec, &topic, &err);
    }
    out->name = asked->name;
    out->error_code = code;
    out->num_partitions = -1;
    out->replication_factor = -1;
    out->error_message = code ? keep_text(request, &err) : WEIR_NULL;
    if (code == 0) {
        out->num_partitions =
            spec.partition_count == -1
                ? (int32_t)wr_options_int(request->broker->options,
                                          "num.partitions")
                : spec.partition_count;
        out->replication_factor = 1;
        if (topic) {
            out->topic_id = topic->id;
        }
        answer_configs(request, topic, out);
    }
}

void wr_handle_create_topics(struct wr_request *request)
{
    const struct wr_create_topics_request *body = request->body;
    struct wr_create_topics_response response;
    wr_create_topics_response_init(&response);
    response.topics = wr_request_calloc(request, (size_t)body->topics_count,
                                        sizeof(*response.topics));
    const bool *twice = find_doubles(request);
    if (!response.topics || !twice) {
        wr_request_hang_up(request, out_of_memory);
        return;
    }
    response.topics_count = body->topics_count;
    for (int32_t i = 0; i < body->topics_count; i++) {
        create_one(request, &body->topics[i], twice[i], &response.topics[i]);
    }
    wr_request_reply(request, &response);
}

/* ---- DeleteTopics -------------------------------------------------------- */

static void delete_one(struct wr_request *request, struct weir_bytes name,
                       struct wr_uuid id,
                       struct wr_delete_topics_response_topic *out)
{
    struct wr_topics *topics = request->broker->topics;
    struct wr_topic *topic = name.data ? wr_topics_find(topics, name)
                                       : wr_topics_find_id(topics, id);
    struct weir_error err = {.text = ""};
    out->name = name;
    out->topic_id = id;
    if (!topic) {
        out->error_code = name.data ? WR_ERR_UNKNOWN_TOPIC_OR_PARTITION
                                    : WR_ERR_UNKNOWN_TOPIC_ID;
        out->error_message = weir_text("There is no such topic.");
        return;
    }
    out->topic_id = topic->id;
    if (wr_arena_copy(&request->arena, weir_text(topic->name), &out->name) !=
        WEIR_OK) {
        out->error_code = WR_ERR_UNKNOWN_SERVER_ERROR;
        return;
    }
    out->error_code = wr_topics_delete(topics, topic, &err);
    if (out->error_code != 0) {
        out->error_message = keep_text(request, &err);
    }
}

void wr_handle_delete_topics(struct wr_request *request)
{
    const struct wr_delete_topics_request *body = request->body;
    struct wr_delete_topics_response response;
    wr_delete_topics_response_init(&response);
    bool by_struct = request->version >= 6;
    int32_t n = by_struct ? body->topics_count : body->topic_names_count;
    response.topics =
        wr_request_calloc(request, (size_t)n, sizeof(*response.topics));
    if (!response.topics) {
        wr_request_hang_up(request, out_of_memory);
        return;
    }
    response.topics_count = n;
    for (int32_t i = 0; i < n; i++) {
        struct wr_uuid none = {{0}};
        delete_one(
            request, by_struct ? body->topics[i].name : body->topic_names[i],
            by_struct ? body->topics[i].topic_id : none, &response.topics[i]);
    }
    wr_request_reply(request, &response);
}

/* ---- CreatePartitions ---------------------------------------------------- */

static int16_t grow_one(struct wr_request *request,
                        const struct wr_create_partitions_request_topic *asked,
                        struct weir_error *err)
{
    const struct wr_create_partitions_request *body = request->body;
    struct wr_topics *topics = request->broker->topics;
    struct wr_topic *topic = wr_topics_find(topics, asked->name);
    if (!topic) {
        return refuse(err, WR_ERR_UNKNOWN_TOPIC_OR_PARTITION,
                      "There is no such topic.");
    }
    if (topic->internal) {
        return refuse(err, WR_ERR_INVALID_REQUEST,
                      "The coordinators' topics cannot grow.");
    }
    int32_t n = asked->assignments_count;
    if (n >= 0 && n != asked->count - topic->partition_count) {
        return refuse(err, WR_ERR_INVALID_REPLICA_ASSIGNMENT,
                      "There must be an assignment for each new partition.");
    }
    for (int32_t i = 0; i < n; i++) {
        if (asked->assignments[i].broker_ids_count != 1 ||
            asked->assignments[i].broker_ids[0] != request->broker->node_id) {
            return refuse(err, WR_ERR_INVALID_REPLICA_ASSIGNMENT,
                          "There is one broker, with id 1.");
        }
    }
    return wr_topics_grow(topics, topic, asked->count, body->validate_only,
                          err);
}

void wr_handle_create_partitions(struct wr_request *request)
{
    const struct wr_create_partitions_request *body = request->body;
    struct wr_create_partitions_response response;
    wr_create_partitions_response_init(&response);
    response.topics = wr_request_calloc(request, (size_t)body->topics_count,
                                        sizeof(*response.topics));
    if (!response.topics) {
        wr_request_hang_up(request, out_of_memory);
        return;
    }
    response.topics_count = body->topics_count;
    for (int32_t i = 0; i < body->topics_count; i++) {
        struct weir_error err = {.text = ""};
        response.topics[i].name = body->topics[i].name;
        response.topics[i].error_code =
            grow_one(request, &body->topics[i], &err);
        if (response.topics[i].error_code != 0) {
            response.topics[i].error_message = keep_text(request, &err);
        }
    }
    wr_request_reply(request, &response);
}
