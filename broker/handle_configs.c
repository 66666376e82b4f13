/* SPDX-License-Identifier: Apache-2.0
 *
 * DescribeConfigs, AlterConfigs, IncrementalAlterConfigs. A topic shows every
 * setting it may have, with where its value comes from; the broker shows its
 * options, which are fixed when it starts. A change of a topic is checked as a
 * whole, stored, and in force for the next append. Thread: broker loop. */
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/config.h"
#include "broker/errors.h"
#include "broker/topics.h"
#include "broker/weir_broker.h"

#include <stdio.h>

#define RESOURCE_TOPIC  2
#define RESOURCE_BROKER 4

enum operation { OP_SET, OP_DELETE, OP_APPEND, OP_SUBTRACT };

static const char out_of_memory[] = "out of memory for an answer";

static struct weir_bytes keep_text(struct wr_request *request, const char *text)
{
    struct weir_bytes out;
    return wr_arena_copy(&request->arena, weir_text(text), &out) == WEIR_OK
               ? out
               : WEIR_NULL;
}

static int16_t refuse(struct weir_error *err, enum wr_kafka_error code,
                      const char *text)
{
    (void)weir_fail(err, WEIR_E_INVALID, "%s", text);
    return (int16_t)code;
}

/* "1" is this broker; "" are the defaults of all brokers, of which there are
 * none apart from its own. */
static bool is_this_broker(const struct wr_request *request,
                           struct weir_bytes name)
{
    char id[16];
    snprintf(id, sizeof(id), "%d", request->broker->node_id);
    return wr_bytes_equal_text(name, id);
}

/* ---- DescribeConfigs ----------------------------------------------------- */

typedef struct wr_describe_configs_request_resource asked_resource;
typedef struct wr_describe_configs_response_resource shown_resource;
typedef struct wr_describe_configs_response_config shown_config;

static bool is_wanted(const asked_resource *asked, const char *name)
{
    for (int32_t i = 0; i < asked->configuration_keys_count; i++) {
        if (wr_bytes_equal_text(asked->configuration_keys[i], name)) {
            return true;
        }
    }
    return asked->configuration_keys_count < 0;
}

/* One value of a topic's setting: its own, or what it has without. */
static bool add_synonym(struct wr_request *request,
                        const struct wr_options *own,
                        const struct wr_topic_option *row, shown_config *config)
{
    struct wr_describe_configs_response_synonym *s =
        &config->synonyms[config->synonyms_count++];
    char number[WR_OPTIONS_PLAIN];
    enum wr_config_source source;
    s->value =
        keep_text(request, wr_topic_option_value(request->broker->options, own,
                                                 row, &source, number));
    s->name = weir_text(source != WR_SOURCE_TOPIC && row->broker_name
                            ? row->broker_name
                            : row->name);
    s->source = (int8_t)source;
    return s->value.data != NULL;
}

/* The values that would be in force one after the other. */
static bool topic_synonyms(struct wr_request *request,
                           const struct wr_topic *topic,
                           const struct wr_topic_option *row,
                           shown_config *config)
{
    config->synonyms = wr_request_calloc(request, 2, sizeof(*config->synonyms));
    return config->synonyms &&
           (config->config_source != WR_SOURCE_TOPIC ||
            add_synonym(request, topic->options, row, config)) &&
           add_synonym(request, NULL, row, config);
}

static bool show_topic(struct wr_request *request, const asked_resource *asked,
                       const struct wr_topic *topic, shown_resource *out)
{
    const struct wr_describe_configs_request *body = request->body;
    size_t rows = 0;
    while (wr_topic_option_rows[rows].name) {
        rows++;
    }
    out->configs = wr_request_calloc(request, rows, sizeof(*out->configs));
    if (!out->configs) {
        return false;
    }
    for (size_t i = 0; i < rows; i++) {
        const struct wr_topic_option *row = &wr_topic_option_rows[i];
        if (!is_wanted(asked, row->name)) {
            continue;
        }
        shown_config *config = &out->configs[out->configs_count++];
        enum wr_config_source source;
        char number[WR_OPTIONS_PLAIN];
        config->name = weir_text(row->name);
        config->value =
            keep_text(request, wr_topic_option_value(request->broker->options,
                                                     topic->options, row,
                                                     &source, number));
        config->config_source = (int8_t)source;
        config->is_default = source != WR_SOURCE_TOPIC;
        config->config_type = (int8_t)row->type;
        if (!config->value.data ||
            (body->include_synonyms &&
             !topic_synonyms(request, topic, row, config))) {
            return false;
        }
    }
    return true;
}

static int8_t type_of(enum wr_option_type type)
{
    switch (type) {
    case WR_OPT_BOOL:
        return WR_TYPE_BOOLEAN;
    case WR_OPT_INT:
    case WR_OPT_SIZE:
    case WR_OPT_DURATION:
        return WR_TYPE_LONG;
    case WR_OPT_TEXT:
    case WR_OPT_CHOICE:
        break;
    }
    return WR_TYPE_STRING;
}

static bool show_broker(struct wr_request *request, const asked_resource *asked,
                        shown_resource *out)
{
    const struct wr_describe_configs_request *body = request->body;
    const struct wr_options *options = request->broker->options;
    size_t rows = 0;
    while (wr_broker_options[rows].name) {
        rows++;
    }
    out->configs = wr_request_calloc(request, rows, sizeof(*out->configs));
    if (!out->configs) {
        return false;
    }
    for (size_t i = 0; i < rows; i++) {
        const struct wr_option *row = &wr_broker_options[i];
        if (!is_wanted(asked, row->name)) {
            continue;
        }
        shown_config *config = &out->configs[out->configs_count++];
        bool set = wr_options_is_set(options, row->name);
        char number[WR_OPTIONS_PLAIN];
        config->name = weir_text(row->name);
        const char *value = wr_options_plain(options, row->name, number);
        config->value = keep_text(request, value);
        if (value && !config->value.data) {
            return false;
        }
        config->read_only = true;
        config->is_default = !set;
        config->config_source =
            (int8_t)(set ? WR_SOURCE_STATIC : WR_SOURCE_DEFAULT);
        config->config_type = type_of(row->type);
        if (body->include_documentation) {
            config->documentation = weir_text(row->help);
        }
    }
    return true;
}

static bool show(struct wr_request *request, const asked_resource *asked,
                 shown_resource *out)
{
    out->resource_type = asked->resource_type;
    out->resource_name = asked->resource_name;
    if (asked->resource_type == RESOURCE_TOPIC) {
        const struct wr_topic *topic =
            wr_topics_find(request->broker->topics, asked->resource_name);
        if (topic) {
            return show_topic(request, asked, topic, out);
        }
        out->error_code = wr_topic_name_valid(asked->resource_name)
                              ? WR_ERR_UNKNOWN_TOPIC_OR_PARTITION
                              : WR_ERR_INVALID_TOPIC_EXCEPTION;
        out->error_message = weir_text("There is no such topic.");
    } else if (asked->resource_type == RESOURCE_BROKER &&
               is_this_broker(request, asked->resource_name)) {
        return show_broker(request, asked, out);
    } else if (asked->resource_type != RESOURCE_BROKER ||
               asked->resource_name.len > 0) {
        out->error_code = WR_ERR_INVALID_REQUEST;
        out->error_message =
            weir_text("Only topics and the broker with id 1 have configs.");
    }
    return true;
}

void wr_handle_describe_configs(struct wr_request *request)
{
    const struct wr_describe_configs_request *body = request->body;
    struct wr_describe_configs_response response;
    wr_describe_configs_response_init(&response);
    response.resources = wr_request_calloc(
        request, (size_t)body->resources_count, sizeof(*response.resources));
    bool good = response.resources != NULL;
    response.resources_count = body->resources_count;
    for (int32_t i = 0; good && i < body->resources_count; i++) {
        good = show(request, &body->resources[i], &response.resources[i]);
    }
    if (!good) {
        wr_request_hang_up(request, out_of_memory);
        return;
    }
    wr_request_reply(request, &response);
}

/* ---- changes ------------------------------------------------------------- */

/* One setting of a topic that is to be changed. */
struct change {
    struct weir_bytes name;
    struct weir_bytes value; /* null to delete */
    enum operation operation;
};

/* A copy of `from` (may be NULL) without the setting `name` (may be NULL). */
static struct wr_options *copy_without(const struct wr_options *from,
                                       const char *name)
{
    struct wr_options *out = NULL;
    if (wr_topic_options_new(&out) != WEIR_OK) {
        return NULL;
    }
    size_t cursor = 0;
    const char *key;
    const char *value;
    while (from && wr_options_next(from, &cursor, &key, &value)) {
        if ((!name || strcmp(key, name) != 0) &&
            wr_topic_option_set(out, key, value, NULL) != 0) {
            wr_options_free(out);
            return NULL;
        }
    }
    return out;
}

static const struct wr_topic_option *row_of(const char *name)
{
    for (const struct wr_topic_option *row = wr_topic_option_rows; row->name;
         row++) {
        if (strcmp(row->name, name) == 0) {
            return row;
        }
    }
    return NULL;
}

static bool list_has(const char *list, const char *item, size_t len)
{
    for (const char *at = list; *at;) {
        size_t n = strcspn(at, ",");
        if (n == len && memcmp(at, item, len) == 0) {
            return true;
        }
        at += n + (at[n] == ',');
    }
    return false;
}

/* Comma lists: `now` with the items of `items` added or taken away. */
static const char *list_change(struct wr_request *request, const char *now,
                               const char *items, bool add)
{
    struct wr_buf out;
    wr_buf_init(&out, 4096);
    const char *sources[2] = {now, add ? items : ""};
    for (int i = 0; i < 2; i++) {
        for (const char *at = sources[i]; *at;) {
            size_t n = strcspn(at, ",");
            bool keep =
                i == 0 ? add || !list_has(items, at, n) : !list_has(now, at, n);
            if (keep) {
                wr_buf_put_text(&out, out.len ? "," : "");
                wr_buf_put(&out, at, n);
            }
            at += n + (at[n] == ',');
        }
    }
    const char *text = wr_arena_text(&request->arena, wr_buf_view(&out));
    wr_buf_done(&out);
    return text;
}

/* Applies one change to a set, which may be replaced. */
static int16_t apply(struct wr_request *request, struct wr_options **set,
                     const struct change *change, struct weir_error *err)
{
    const char *name = wr_arena_text(&request->arena, change->name);
    const char *value = wr_arena_text(&request->arena, change->value);
    if (!name || !value) {
        return refuse(err, WR_ERR_UNKNOWN_SERVER_ERROR, "out of memory");
    }
    const struct wr_topic_option *row = row_of(name);
    if (change->operation == OP_DELETE) {
        struct wr_options *less = copy_without(*set, name);
        if (!row || !less) {
            wr_options_free(less);
            return refuse(err, WR_ERR_INVALID_CONFIG,
                          "There is no such setting of a topic.");
        }
        wr_options_free(*set);
        *set = less;
        return 0;
    }
    if (!change->value.data) {
        return refuse(err, WR_ERR_INVALID_REQUEST, "The value is null.");
    }
    if (change->operation != OP_SET) {
        if (!row || row->type != WR_TYPE_LIST) {
            return refuse(err, WR_ERR_INVALID_CONFIG,
                          "Append and subtract need a setting that is a list.");
        }
        enum wr_config_source source;
        char number[WR_OPTIONS_PLAIN];
        const char *now = wr_topic_option_value(request->broker->options, *set,
                                                row, &source, number);
        value =
            list_change(request, now, value, change->operation == OP_APPEND);
        if (!value) {
            return refuse(err, WR_ERR_UNKNOWN_SERVER_ERROR, "out of memory");
        }
    }
    return wr_topic_option_set(*set, name, value, err);
}

/* What a resource is to become. */
struct alteration {
    int8_t type;
    struct weir_bytes name;
    struct change *changes;
    int32_t count;
    bool from_nothing; /* AlterConfigs: what is not named is deleted */
    bool validate_only;
};

static bool has_double(const struct alteration *a)
{
    for (int32_t i = 0; i < a->count; i++) {
        for (int32_t k = 0; k < i; k++) {
            if (wr_bytes_equal(a->changes[i].name, a->changes[k].name)) {
                return true;
            }
        }
    }
    return false;
}

static int16_t alter(struct wr_request *request, const struct alteration *a,
                     struct weir_error *err)
{
    struct wr_topics *topics = request->broker->topics;
    if (a->type == RESOURCE_BROKER) {
        return refuse(err, WR_ERR_INVALID_REQUEST,
                      "The broker's options are set when it is started, with "
                      "-X NAME=VALUE.");
    }
    if (a->type != RESOURCE_TOPIC) {
        return refuse(err, WR_ERR_INVALID_REQUEST,
                      "Only topics have configs that can be changed.");
    }
    struct wr_topic *topic = wr_topics_find(topics, a->name);
    if (!topic) {
        return refuse(err, WR_ERR_UNKNOWN_TOPIC_OR_PARTITION,
                      "There is no such topic.");
    }
    if (a->count > 1000 || has_double(a)) {
        return refuse(err, WR_ERR_INVALID_REQUEST,
                      "A setting occurs twice, or there are too many.");
    }
    struct wr_options *set =
        copy_without(a->from_nothing ? NULL : topic->options, NULL);
    if (!set) {
        return refuse(err, WR_ERR_UNKNOWN_SERVER_ERROR, "out of memory");
    }
    int16_t code = 0;
    for (int32_t i = 0; code == 0 && i < a->count; i++) {
        code = apply(request, &set, &a->changes[i], err);
    }
    if (code == 0 && !a->validate_only) {
        code = wr_topics_configure(topics, topic, set, err);
        set = code == 0 ? NULL : set;
    }
    wr_options_free(set);
    return code;
}

void wr_handle_alter_configs(struct wr_request *request)
{
    const struct wr_alter_configs_request *body = request->body;
    struct wr_alter_configs_response response;
    wr_alter_configs_response_init(&response);
    response.resources = wr_request_calloc(
        request, (size_t)body->resources_count, sizeof(*response.resources));
    for (int32_t i = 0; response.resources && i < body->resources_count; i++) {
        const struct wr_alter_configs_request_resource *r = &body->resources[i];
        struct weir_error err = {.text = ""};
        struct alteration a = {
            .type = r->resource_type,
            .name = r->resource_name,
            .changes = wr_request_calloc(request, (size_t)r->configs_count,
                                         sizeof(struct change)),
            .count = r->configs_count,
            .from_nothing = true,
            .validate_only = body->validate_only,
        };
        for (int32_t k = 0; a.changes && k < a.count; k++) {
            a.changes[k] = (struct change){r->configs[k].name,
                                           r->configs[k].value, OP_SET};
        }
        int16_t code = a.changes ? alter(request, &a, &err)
                                 : (int16_t)WR_ERR_UNKNOWN_SERVER_ERROR;
        response.resources[response.resources_count++] =
            (struct wr_alter_configs_response_resource){
                code, code ? keep_text(request, err.text) : WEIR_NULL,
                r->resource_type, r->resource_name};
    }
    if (!response.resources) {
        wr_request_hang_up(request, out_of_memory);
        return;
    }
    wr_request_reply(request, &response);
}

static bool
read_changes(const struct wr_incremental_alter_configs_request_resource *r,
             struct change *out)
{
    for (int32_t k = 0; k < r->configs_count; k++) {
        int8_t op = r->configs[k].config_operation;
        if (op < OP_SET || op > OP_SUBTRACT) {
            return false;
        }
        out[k] = (struct change){r->configs[k].name, r->configs[k].value,
                                 (enum operation)op};
    }
    return true;
}

static int16_t
alter_one(struct wr_request *request,
          const struct wr_incremental_alter_configs_request_resource *r,
          struct weir_error *err)
{
    const struct wr_incremental_alter_configs_request *body = request->body;
    struct alteration a = {
        .type = r->resource_type,
        .name = r->resource_name,
        .changes = wr_request_calloc(request, (size_t)r->configs_count,
                                     sizeof(struct change)),
        .count = r->configs_count,
        .validate_only = body->validate_only,
    };
    if (!a.changes) {
        return refuse(err, WR_ERR_UNKNOWN_SERVER_ERROR, "out of memory");
    }
    if (!read_changes(r, a.changes)) {
        return refuse(err, WR_ERR_INVALID_REQUEST,
                      "Operations are 0 set, 1 delete, 2 append, 3 subtract.");
    }
    return alter(request, &a, err);
}

void wr_handle_incremental_alter_configs(struct wr_request *request)
{
    const struct wr_incremental_alter_configs_request *body = request->body;
    struct wr_incremental_alter_configs_response response;
    wr_incremental_alter_configs_response_init(&response);
    response.resources = wr_request_calloc(
        request, (size_t)body->resources_count, sizeof(*response.resources));
    if (!response.resources) {
        wr_request_hang_up(request, out_of_memory);
        return;
    }
    for (int32_t i = 0; i < body->resources_count; i++) {
        const struct wr_incremental_alter_configs_request_resource *r =
            &body->resources[i];
        struct weir_error err = {.text = ""};
        int16_t code = alter_one(request, r, &err);
        response.resources[response.resources_count++] =
            (struct wr_incremental_alter_configs_response_resource){
                code, code ? keep_text(request, err.text) : WEIR_NULL,
                r->resource_type, r->resource_name};
    }
    wr_request_reply(request, &response);
}
