/* SPDX-License-Identifier: Apache-2.0
 *
 * The verbs of streams. Each adds one node to the graph (repartition: several)
 * and says what is known of the records after it: whose serdes, and whether the
 * key may have changed. What the nodes do is in stream_ops.c. */
#include "dsl/graph.h"

/* ---- verbs with a function ----------------------------------------------- */

typedef enum weir_status (*process_fn)(struct weir_context *,
                                       const struct weir_record *, void *);

/** A row for each verb: what its node is called and does. */
struct verb {
    const char *name;   /* for errors */
    const char *prefix; /* of generated names */
    process_fn process;
    bool new_key;   /* the key may be another one afterwards */
    bool new_value; /* the value's serde is not known afterwards */
    bool negate;
};

static struct weir_stream *apply(struct weir_stream *stream,
                                 const struct verb *verb,
                                 const union wr_graph_fn *fn, void *user,
                                 const char *name)
{
    if (!stream) {
        return NULL;
    }
    struct weir_builder *builder = stream->builder;
    if (!wr_graph_open(builder, verb->name)) {
        return &builder->broken_stream;
    }
    const char *node_name = wr_graph_name(builder, name, verb->prefix);
    struct wr_graph_node *node =
        wr_graph_add(builder, WR_GRAPH_PROCESSOR, verb->name, stream->node);
    if (!node) {
        return &builder->broken_stream;
    }
    node->name = node->out = node_name;
    node->fn = *fn;
    node->user = user;
    node->negate = verb->negate;
    wr_op_plain(node, verb->process);
    return wr_graph_stream(builder, node,
                           verb->new_key ? NULL : stream->key_serde,
                           verb->new_value ? NULL : stream->value_serde,
                           stream->key_changed || verb->new_key);
}

/* The function of a verb must be there: said here, once. */
static struct weir_stream *apply_fn(struct weir_stream *stream,
                                    const struct verb *verb, bool has_fn,
                                    const union wr_graph_fn *fn, void *user,
                                    const char *name)
{
    if (stream && !has_fn) {
        wr_graph_fail(stream->builder, WEIR_E_INVALID,
                      "%s: the function is NULL", verb->name);
    }
    return apply(stream, verb, fn, user, name);
}

struct weir_stream *weir_stream_filter(struct weir_stream *stream,
                                       weir_predicate_fn fn, void *user,
                                       const char *name)
{
    static const struct verb verb = {
        .name = "filter", .prefix = "KSTREAM-FILTER-", .process = wr_op_filter};
    return apply_fn(stream, &verb, fn, &(union wr_graph_fn){.predicate = fn},
                    user, name);
}

struct weir_stream *weir_stream_filter_not(struct weir_stream *stream,
                                           weir_predicate_fn fn, void *user,
                                           const char *name)
{
    static const struct verb verb = {.name = "filter_not",
                                     .prefix = "KSTREAM-FILTER-",
                                     .process = wr_op_filter,
                                     .negate = true};
    return apply_fn(stream, &verb, fn, &(union wr_graph_fn){.predicate = fn},
                    user, name);
}

struct weir_stream *weir_stream_map(struct weir_stream *stream, weir_pair_fn fn,
                                    void *user, const char *name)
{
    static const struct verb verb = {.name = "map",
                                     .prefix = "KSTREAM-MAP-",
                                     .process = wr_op_map,
                                     .new_key = true,
                                     .new_value = true};
    return apply_fn(stream, &verb, fn, &(union wr_graph_fn){.pair = fn}, user,
                    name);
}

struct weir_stream *weir_stream_map_values(struct weir_stream *stream,
                                           weir_mapper_fn fn, void *user,
                                           const char *name)
{
    static const struct verb verb = {.name = "map_values",
                                     .prefix = "KSTREAM-MAPVALUES-",
                                     .process = wr_op_map_values,
                                     .new_value = true};
    return apply_fn(stream, &verb, fn, &(union wr_graph_fn){.mapper = fn}, user,
                    name);
}

struct weir_stream *weir_stream_flat_map(struct weir_stream *stream,
                                         weir_flat_fn fn, void *user,
                                         const char *name)
{
    static const struct verb verb = {.name = "flat_map",
                                     .prefix = "KSTREAM-FLATMAP-",
                                     .process = wr_op_flat_map,
                                     .new_key = true,
                                     .new_value = true};
    return apply_fn(stream, &verb, fn, &(union wr_graph_fn){.flat = fn}, user,
                    name);
}

struct weir_stream *weir_stream_flat_map_values(struct weir_stream *stream,
                                                weir_flat_fn fn, void *user,
                                                const char *name)
{
    static const struct verb verb = {.name = "flat_map_values",
                                     .prefix = "KSTREAM-FLATMAPVALUES-",
                                     .process = wr_op_flat_map_values,
                                     .new_value = true};
    return apply_fn(stream, &verb, fn, &(union wr_graph_fn){.flat = fn}, user,
                    name);
}

static const struct verb select_key_verb = {.name = "select_key",
                                            .prefix = "KSTREAM-KEY-SELECT-",
                                            .process = wr_op_select_key,
                                            .new_key = true};

struct weir_stream *weir_stream_select_key(struct weir_stream *stream,
                                           weir_mapper_fn fn, void *user,
                                           const char *name)
{
    return apply_fn(stream, &select_key_verb, fn,
                    &(union wr_graph_fn){.mapper = fn}, user, name);
}

struct weir_stream *weir_stream_peek(struct weir_stream *stream,
                                     weir_action_fn fn, void *user,
                                     const char *name)
{
    static const struct verb verb = {
        .name = "peek", .prefix = "KSTREAM-PEEK-", .process = wr_op_peek};
    return apply_fn(stream, &verb, fn, &(union wr_graph_fn){.action = fn}, user,
                    name);
}

void weir_stream_foreach(struct weir_stream *stream, weir_action_fn fn,
                         void *user, const char *name)
{
    static const struct verb verb = {.name = "foreach",
                                     .prefix = "KSTREAM-FOREACH-",
                                     .process = wr_op_foreach};
    (void)apply_fn(stream, &verb, fn, &(union wr_graph_fn){.action = fn}, user,
                   name);
}

struct weir_stream *weir_stream_merge(struct weir_stream *stream,
                                      struct weir_stream *other,
                                      const char *name)
{
    static const struct verb verb = {
        .name = "merge", .prefix = "KSTREAM-MERGE-", .process = wr_op_pass};
    if (stream && (!other || other->builder != stream->builder)) {
        wr_graph_fail(stream->builder, WEIR_E_INVALID,
                      "merge: the other stream is %s",
                      other ? "of another builder" : "NULL");
    }
    struct weir_stream *merged =
        apply(stream, &verb, &(union wr_graph_fn){0}, NULL, name);
    if (merged && merged->node && other) {
        merged->node->parents[merged->node->parent_count++] = other->node;
        merged->key_changed = merged->key_changed || other->key_changed;
        if (stream->key_serde != other->key_serde) {
            merged->key_serde = NULL;
        }
        if (stream->value_serde != other->value_serde) {
            merged->value_serde = NULL;
        }
    }
    return merged;
}

/* ---- verbs with options -------------------------------------------------- */

struct weir_stream *
weir_stream_repartition(struct weir_stream *stream,
                        const struct weir_repartitioned *repartitioned)
{
    if (!stream) {
        return NULL;
    }
    struct weir_builder *builder = stream->builder;
    struct weir_repartitioned o = {.size = sizeof(o)};
    if (!wr_graph_open(builder, "repartition") ||
        (repartitioned &&
         !wr_graph_options(builder, "repartition", repartitioned->size,
                           sizeof(*repartitioned)))) {
        return &builder->broken_stream;
    }
    o = repartitioned ? *repartitioned : o;
    if (o.partitions < 0) {
        wr_graph_fail(builder, WEIR_E_INVALID,
                      "repartition: %d partitions; give at least 1, or 0 for "
                      "as many as upstream",
                      o.partitions);
        return &builder->broken_stream;
    }
    const char *base =
        o.name ? o.name : wr_graph_name(builder, NULL, "KSTREAM-REPARTITION-");
    struct wr_graph_node *node =
        wr_graph_repartition(builder, "repartition", base, stream->node, NULL);
    if (!node) {
        return &builder->broken_stream;
    }
    node->key_serde = o.key_serde ? o.key_serde : stream->key_serde;
    node->value_serde = o.value_serde ? o.value_serde : stream->value_serde;
    node->partitions = o.partitions;
    node->partition = o.partition;
    node->partition_user = o.partition_user;
    return wr_graph_stream(builder, node, node->key_serde, node->value_serde,
                           false);
}

struct weir_stream *weir_stream_process(struct weir_stream *stream,
                                        const struct weir_processor *processor)
{
    if (!stream) {
        return NULL;
    }
    struct weir_builder *builder = stream->builder;
    if (!wr_graph_open(builder, "process") ||
        !wr_graph_options(builder, "process", processor->size,
                          sizeof(*processor))) {
        return &builder->broken_stream;
    }
    if (!processor->process || processor->parent_count > 0) {
        wr_graph_fail(builder, WEIR_E_INVALID, "process: %s",
                      processor->process
                          ? "parents must be empty: the stream is the parent"
                          : "the process function is NULL");
        return &builder->broken_stream;
    }
    const char *name = processor->name
                           ? wr_graph_text(builder, processor->name)
                           : wr_graph_name(builder, NULL, "KSTREAM-PROCESSOR-");
    struct wr_graph_node *node =
        wr_graph_add(builder, WR_GRAPH_PROCESSOR, "process", stream->node);
    if (!node) {
        return &builder->broken_stream;
    }
    node->name = node->out = name;
    node->code = *processor;
    node->code.stores =
        wr_graph_texts(builder, processor->stores, processor->store_count);
    return wr_graph_stream(builder, node, NULL, NULL, true);
}

void weir_stream_to(struct weir_stream *stream, const char *topic,
                    const struct weir_produced *produced)
{
    if (!stream || !wr_graph_open(stream->builder, "to") ||
        (produced && !wr_graph_options(stream->builder, "to", produced->size,
                                       sizeof(*produced)))) {
        return;
    }
    struct weir_builder *builder = stream->builder;
    const char *name = wr_graph_name(builder, produced ? produced->name : NULL,
                                     "KSTREAM-SINK-");
    struct wr_graph_node *node =
        wr_graph_add(builder, WR_GRAPH_SINK, "to", stream->node);
    if (!node) {
        return;
    }
    node->name = node->out = name;
    node->topics = wr_graph_texts(builder, &topic, 1);
    node->topic_count = 1;
    if (produced) {
        node->partition = produced->partition;
        node->partition_user = produced->partition_user;
    }
}

/* ---- grouping ------------------------------------------------------------ */

static struct weir_grouped *group(struct weir_stream *stream,
                                  const struct weir_grouping *grouping,
                                  const char *verb)
{
    struct weir_builder *builder = stream->builder;
    if (!stream->node || !wr_graph_open(builder, verb)) {
        return &builder->broken_grouped;
    }
    struct weir_grouped *grouped = wr_graph_alloc(builder, sizeof(*grouped));
    if (!grouped) {
        return &builder->broken_grouped;
    }
    *grouped = (struct weir_grouped){
        .builder = builder,
        .node = stream->node,
        .key_serde = stream->key_serde,
        .value_serde = stream->value_serde,
        .key_changed = stream->key_changed,
    };
    if (grouping) {
        grouped->name = wr_graph_text(builder, grouping->name);
        if (grouping->key_serde) {
            grouped->key_serde = grouping->key_serde;
        }
        if (grouping->value_serde) {
            grouped->value_serde = grouping->value_serde;
        }
    }
    return grouped;
}

static bool grouping_fits(struct weir_stream *stream, const char *verb,
                          const struct weir_grouping *grouping)
{
    return !grouping || wr_graph_options(stream->builder, verb, grouping->size,
                                         sizeof(*grouping));
}

struct weir_grouped *weir_stream_group_by(struct weir_stream *stream,
                                          weir_mapper_fn fn, void *user,
                                          const struct weir_grouping *grouping)
{
    if (!stream) {
        return NULL;
    }
    if (!grouping_fits(stream, "group_by", grouping)) {
        return &stream->builder->broken_grouped;
    }
    struct weir_stream *selected = apply_fn(
        stream, &select_key_verb, fn, &(union wr_graph_fn){.mapper = fn}, user,
        grouping ? grouping->name : NULL);
    return group(selected, grouping, "group_by");
}

struct weir_grouped *
weir_stream_group_by_key(struct weir_stream *stream,
                         const struct weir_grouping *grouping)
{
    if (!stream) {
        return NULL;
    }
    if (!grouping_fits(stream, "group_by_key", grouping)) {
        return &stream->builder->broken_grouped;
    }
    return group(stream, grouping, "group_by_key");
}
