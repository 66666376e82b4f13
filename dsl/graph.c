/* SPDX-License-Identifier: Apache-2.0
 *
 * The builder: memory, the first error, names, and the list of nodes in the
 * order of the verbs. lower.c turns the list into a topology.
 *
 * Names follow Kafka Streams to the letter, since they become names of topics
 * and stores: one running number for the whole program, ten digits, and every
 * verb takes its numbers whether it is named by the user or not. So naming one
 * verb does not rename the others. */
#include "dsl/graph.h"

#include "runtime/config.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES_MAX ((size_t)64 << 20)
#define NAME_BYTES_MAX  512

/* ---- life ---------------------------------------------------------------- */

struct weir_builder *weir_builder_new(void)
{
    struct weir_builder *builder = calloc(1, sizeof(*builder));
    if (builder) {
        wr_arena_init(&builder->arena, ARENA_BYTES_MAX);
        builder->broken_stream.builder = builder;
        builder->broken_table.builder = builder;
        builder->broken_grouped.builder = builder;
        builder->broken_grouped_table.builder = builder;
    }
    return builder;
}

void weir_builder_free(struct weir_builder *builder)
{
    if (builder) {
        wr_arena_done(&builder->arena);
        free(builder);
    }
}

void weir_builder_application(struct weir_builder *builder,
                              const char *application_id)
{
    struct weir_error err;
    if (!wr_graph_open(builder, "application")) {
        return;
    }
    if (wr_config_check_id(application_id, &err) != WEIR_OK) {
        wr_graph_fail(builder, err.status, "%s", err.text);
    } else {
        builder->application_id = wr_graph_text(builder, application_id);
    }
}

/* ---- errors and memory --------------------------------------------------- */

bool wr_graph_open(struct weir_builder *builder, const char *verb)
{
    if (!builder || builder->error.status != WEIR_OK) {
        return false;
    }
    if (builder->built) {
        wr_graph_fail(builder, WEIR_E_TOPOLOGY,
                      "%s: the topology is built already; call every verb "
                      "before that",
                      verb);
        return false;
    }
    return true;
}

void wr_graph_fail(struct weir_builder *builder, enum weir_status status,
                   const char *format, ...)
{
    if (builder->error.status != WEIR_OK) {
        return;
    }
    char text[WEIR_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    (void)weir_fail(&builder->error, status, "%s", text);
}

void *wr_graph_alloc(struct weir_builder *builder, size_t n)
{
    void *memory = wr_arena_calloc(&builder->arena, 1, n);
    if (!memory) {
        wr_graph_fail(builder, WEIR_E_NOMEM,
                      "no memory for the program's graph");
    }
    return memory;
}

const char *wr_graph_text(struct weir_builder *builder, const char *text)
{
    return wr_graph_join(builder, text, text ? "" : NULL);
}

const char *wr_graph_join(struct weir_builder *builder, const char *a,
                          const char *b)
{
    if (!a || !b) {
        return NULL;
    }
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    char *joined = wr_graph_alloc(builder, a_len + b_len + 1);
    if (joined) {
        memcpy(joined, a, a_len);
        memcpy(joined + a_len, b, b_len + 1);
    }
    return joined;
}

const char **wr_graph_texts(struct weir_builder *builder,
                            const char *const *texts, size_t count)
{
    const char **copy = wr_graph_alloc(builder, (count + 1) * sizeof(*copy));
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = wr_graph_text(builder, texts[i] ? texts[i] : "");
    }
    return copy;
}

bool wr_graph_options(struct weir_builder *builder, const char *verb,
                      size_t size, size_t expected)
{
    if (size == expected) {
        return true;
    }
    wr_graph_fail(builder, WEIR_E_INVALID,
                  "%s: the options' size is %zu, this library's is %zu; set "
                  ".size = sizeof(the struct) and compile against the "
                  "library's headers",
                  verb, size, expected);
    return false;
}

/* ---- names --------------------------------------------------------------- */

const char *wr_graph_name(struct weir_builder *builder, const char *given,
                          const char *prefix)
{
    char name[NAME_BYTES_MAX];
    snprintf(name, sizeof(name), "%s%010d", prefix, builder->index++);
    return wr_graph_text(builder, given ? given : name);
}

const char *wr_graph_store_name(struct weir_builder *builder,
                                const char *prefix)
{
    char name[NAME_BYTES_MAX];
    snprintf(name, sizeof(name), "%sSTATE-STORE-%010d", prefix,
             builder->index++);
    return wr_graph_text(builder, name);
}

/* Whether the name was generated for a stream: KSTREAM, anything, a dash and
 * ten digits. The parts of a repartition are named after it only if it was not.
 */
static bool is_generated(const char *name)
{
    size_t len = strlen(name);
    if (strncmp(name, "KSTREAM", 7) != 0 || len < 18 || name[len - 11] != '-') {
        return false;
    }
    for (size_t i = len - 10; i < len; i++) {
        if (!isdigit((unsigned char)name[i])) {
            return false;
        }
    }
    return true;
}

static bool ends_with(const char *text, const char *end)
{
    size_t text_len = strlen(text);
    size_t end_len = strlen(end);
    return text_len >= end_len && strcmp(text + text_len - end_len, end) == 0;
}

/* ---- nodes --------------------------------------------------------------- */

struct wr_graph_node *wr_graph_add(struct weir_builder *builder,
                                   enum wr_graph_kind kind, const char *verb,
                                   struct wr_graph_node *parent)
{
    struct wr_graph_node *node = wr_graph_alloc(builder, sizeof(*node));
    if (!node) {
        return NULL;
    }
    node->kind = kind;
    node->verb = verb;
    if (parent) {
        node->parents[node->parent_count++] = parent;
    }
    if (builder->last) {
        builder->last->next = node;
    } else {
        builder->first = node;
    }
    builder->last = node;
    return node;
}

struct wr_graph_node *wr_graph_repartition(struct weir_builder *builder,
                                           const char *verb, const char *base,
                                           struct wr_graph_node *parent,
                                           struct wr_graph_node *shared)
{
    const char *sink = wr_graph_name(builder, NULL, "KSTREAM-SINK-");
    const char *filter = wr_graph_name(builder, NULL, "KSTREAM-FILTER-");
    const char *source = wr_graph_name(builder, NULL, "KSTREAM-SOURCE-");
    if (shared || !base) {
        return shared;
    }
    const char *topic = ends_with(base, "-repartition")
                            ? wr_graph_text(builder, base)
                            : wr_graph_join(builder, base, "-repartition");
    if (!is_generated(base)) {
        sink = wr_graph_join(builder, topic, "-sink");
        filter = wr_graph_join(builder, topic, "-filter");
        source = wr_graph_join(builder, topic, "-source");
    }
    struct wr_graph_node *node =
        wr_graph_add(builder, WR_GRAPH_REPARTITION, verb, parent);
    const char **topics = wr_graph_alloc(builder, sizeof(*topics));
    if (!node || !topics) {
        return NULL;
    }
    topics[0] = topic;
    node->topics = topics;
    node->topic_count = 1;
    node->sink_name = sink;
    node->filter_name = filter;
    node->source_name = source;
    node->name = filter;
    node->out = source;
    wr_op_plain(node, wr_op_drop_null_key);
    return node;
}

void wr_graph_materialize(struct weir_builder *builder,
                          struct wr_graph_node *node,
                          const struct weir_materialized *materialized,
                          const char *prefix,
                          const struct weir_serde *key_serde,
                          const struct weir_serde *value_serde)
{
    struct weir_materialized none = {.size = sizeof(none)};
    const struct weir_materialized *m = materialized ? materialized : &none;
    node->store = (struct weir_store_spec){
        .size = sizeof(node->store),
        .name = m->name ? wr_graph_text(builder, m->name)
                        : wr_graph_store_name(builder, prefix),
        .engine = m->engine,
        .timestamped = true,
        .caching = !m->no_caching,
        .no_changelog = m->no_changelog,
        .key_serde = m->key_serde ? m->key_serde : key_serde,
        .value_serde = m->value_serde ? m->value_serde : value_serde,
    };
    size_t count = 0;
    while (m->changelog_config && m->changelog_config[count]) {
        count++;
    }
    node->store.changelog_config =
        wr_graph_texts(builder, m->changelog_config, count);
}

bool wr_graph_send_old(struct wr_graph_node *node, bool force)
{
    if (node->sends_old) {
        return true;
    }
    switch (node->old) {
    case WR_OLD_NEVER:
        return false;
    case WR_OLD_SOURCE:
        if (!force && !node->keeps_rows) {
            return false;
        }
        node->keeps_rows = true;
        break;
    case WR_OLD_AGGREGATE:
        break;
    case WR_OLD_DERIVED:
        if (!node->keeps_rows && !wr_graph_send_old(node->parents[0], force)) {
            return false;
        }
        break;
    }
    node->sends_old = true;
    return true;
}

struct weir_stream *wr_graph_stream(struct weir_builder *builder,
                                    struct wr_graph_node *node,
                                    const struct weir_serde *key_serde,
                                    const struct weir_serde *value_serde,
                                    bool key_changed)
{
    struct weir_stream *stream =
        node ? wr_graph_alloc(builder, sizeof(*stream)) : NULL;
    if (!stream) {
        return &builder->broken_stream;
    }
    *stream = (struct weir_stream){builder, node, key_serde, value_serde,
                                   key_changed};
    return stream;
}

struct weir_table *wr_graph_table(struct weir_builder *builder,
                                  struct wr_graph_node *node,
                                  const struct weir_serde *key_serde,
                                  const struct weir_serde *value_serde)
{
    struct weir_table *table =
        node ? wr_graph_alloc(builder, sizeof(*table)) : NULL;
    if (!table) {
        return &builder->broken_table;
    }
    *table = (struct weir_table){builder, node, key_serde, value_serde};
    return table;
}
