/* SPDX-License-Identifier: Apache-2.0
 *
 * The verbs of tables, up to grouping (aggregate.c goes on from there). A
 * derived table keeps rows of its own only if its user names a store: otherwise
 * former values are computed from the parent's. */
#include "dsl/graph.h"

typedef enum weir_status (*process_fn)(struct weir_context *,
                                       const struct weir_record *, void *);

struct verb {
    const char *name;
    const char *prefix;
    process_fn process;
    bool new_value;
    bool negate;
};

static bool materialized_fits(struct weir_builder *builder, const char *verb,
                              const struct weir_materialized *materialized)
{
    return !materialized || wr_graph_options(builder, verb, materialized->size,
                                             sizeof(*materialized));
}

static struct weir_table *derive(struct weir_table *table,
                                 const struct verb *verb,
                                 const union wr_graph_fn *fn, void *user,
                                 const char *name,
                                 const struct weir_materialized *materialized)
{
    struct weir_builder *builder = table->builder;
    if (!wr_graph_open(builder, verb->name) ||
        !materialized_fits(builder, verb->name, materialized)) {
        return &builder->broken_table;
    }
    struct wr_graph_node scratch = {0};
    if (materialized) {
        wr_graph_materialize(builder, &scratch, materialized, verb->prefix,
                             table->key_serde,
                             verb->new_value ? NULL : table->value_serde);
    }
    const char *node_name = wr_graph_name(builder, name, verb->prefix);
    struct wr_graph_node *node =
        wr_graph_add(builder, WR_GRAPH_PROCESSOR, verb->name, table->node);
    if (!node) {
        return &builder->broken_table;
    }
    node->name = node->out = node_name;
    node->fn = *fn;
    node->user = user;
    node->negate = verb->negate;
    node->store = scratch.store;
    node->keeps_rows = materialized && materialized->name;
    node->old = WR_OLD_DERIVED;
    wr_op_keyed(node, verb->process);
    const struct weir_serde *key_serde = table->key_serde;
    const struct weir_serde *value_serde =
        verb->new_value ? NULL : table->value_serde;
    if (materialized) {
        key_serde = node->store.key_serde;
        value_serde = node->store.value_serde;
    }
    return wr_graph_table(builder, node, key_serde, value_serde);
}

/* The function of a verb must be there. */
static bool has_fn(struct weir_table *table, const char *verb, bool there)
{
    if (table && !there) {
        wr_graph_fail(table->builder, WEIR_E_INVALID,
                      "%s: the function is NULL", verb);
    }
    return table != NULL;
}

static struct weir_table *filter(struct weir_table *table,
                                 const struct verb *verb, weir_predicate_fn fn,
                                 void *user, const char *name,
                                 const struct weir_materialized *materialized)
{
    if (!has_fn(table, verb->name, fn)) {
        return NULL;
    }
    struct weir_table *filtered =
        derive(table, verb, &(union wr_graph_fn){.predicate = fn}, user, name,
               materialized);
    if (filtered->node && wr_graph_send_old(table->node, false)) {
        /* The parent has former values at hand: with them, a row that was
         * absent and stays absent needs no tombstone. */
        filtered->node->sends_old = true;
    }
    return filtered;
}

struct weir_table *
weir_table_filter(struct weir_table *table, weir_predicate_fn fn, void *user,
                  const char *name,
                  const struct weir_materialized *materialized)
{
    static const struct verb verb = {.name = "filter",
                                     .prefix = "KTABLE-FILTER-",
                                     .process = wr_op_table_filter};
    return filter(table, &verb, fn, user, name, materialized);
}

struct weir_table *
weir_table_filter_not(struct weir_table *table, weir_predicate_fn fn,
                      void *user, const char *name,
                      const struct weir_materialized *materialized)
{
    static const struct verb verb = {.name = "filter_not",
                                     .prefix = "KTABLE-FILTER-",
                                     .process = wr_op_table_filter,
                                     .negate = true};
    return filter(table, &verb, fn, user, name, materialized);
}

struct weir_table *
weir_table_map_values(struct weir_table *table, weir_mapper_fn fn, void *user,
                      const char *name,
                      const struct weir_materialized *materialized)
{
    static const struct verb verb = {.name = "map_values",
                                     .prefix = "KTABLE-MAPVALUES-",
                                     .process = wr_op_table_map_values,
                                     .new_value = true};
    if (!has_fn(table, verb.name, fn)) {
        return NULL;
    }
    return derive(table, &verb, &(union wr_graph_fn){.mapper = fn}, user, name,
                  materialized);
}

struct weir_stream *weir_table_to_stream(struct weir_table *table,
                                         const char *name)
{
    if (!table) {
        return NULL;
    }
    struct weir_builder *builder = table->builder;
    if (!wr_graph_open(builder, "to_stream")) {
        return &builder->broken_stream;
    }
    const char *node_name = wr_graph_name(builder, name, "KTABLE-TOSTREAM-");
    struct wr_graph_node *node =
        wr_graph_add(builder, WR_GRAPH_PROCESSOR, "to_stream", table->node);
    if (!node) {
        return &builder->broken_stream;
    }
    node->name = node->out = node_name;
    wr_op_plain(node, wr_op_to_stream);
    return wr_graph_stream(builder, node, table->key_serde, table->value_serde,
                           false);
}

struct weir_grouped_table *
weir_table_group_by(struct weir_table *table, weir_pair_fn fn, void *user,
                    const struct weir_grouping *grouping)
{
    if (!has_fn(table, "group_by", fn)) {
        return NULL;
    }
    struct weir_builder *builder = table->builder;
    if (!wr_graph_open(builder, "group_by") ||
        (grouping && !wr_graph_options(builder, "group_by", grouping->size,
                                       sizeof(*grouping)))) {
        return &builder->broken_grouped_table;
    }
    const char *name = grouping ? grouping->name : NULL;
    const char *node_name = wr_graph_name(builder, name, "KTABLE-SELECT-");
    struct wr_graph_node *node =
        wr_graph_add(builder, WR_GRAPH_PROCESSOR, "group_by", table->node);
    struct weir_grouped_table *grouped =
        wr_graph_alloc(builder, sizeof(*grouped));
    if (!node || !grouped) {
        return &builder->broken_grouped_table;
    }
    node->name = node->out = node_name;
    node->fn.pair = fn;
    node->user = user;
    wr_op_plain(node, wr_op_table_select);
    (void)wr_graph_send_old(table->node, true);
    *grouped = (struct weir_grouped_table){
        .builder = builder,
        .node = node,
        .key_serde = grouping ? grouping->key_serde : NULL,
        .value_serde = grouping ? grouping->value_serde : NULL,
        .name = wr_graph_text(builder, name),
    };
    return grouped;
}

struct weir_table *
weir_stream_to_table(struct weir_stream *stream, const char *name,
                     const struct weir_materialized *materialized)
{
    if (!stream) {
        return NULL;
    }
    struct weir_builder *builder = stream->builder;
    if (!wr_graph_open(builder, "to_table") ||
        !materialized_fits(builder, "to_table", materialized)) {
        return &builder->broken_table;
    }
    const char *node_name = wr_graph_name(builder, name, "KSTREAM-TOTABLE-");
    struct wr_graph_node scratch = {0};
    wr_graph_materialize(builder, &scratch, materialized, "KSTREAM-TOTABLE-",
                         stream->key_serde, stream->value_serde);
    struct wr_graph_node *parent = stream->node;
    if (stream->key_changed) {
        parent = wr_graph_repartition(builder, "to_table", node_name,
                                      stream->node, NULL);
        if (parent) {
            parent->key_serde = scratch.store.key_serde;
            parent->value_serde = scratch.store.value_serde;
        }
    }
    struct wr_graph_node *node =
        wr_graph_add(builder, WR_GRAPH_PROCESSOR, "to_table", parent);
    if (!node || !parent) {
        return &builder->broken_table;
    }
    node->name = node->out = node_name;
    node->store = scratch.store;
    node->keeps_rows = materialized && materialized->name;
    node->old = WR_OLD_SOURCE;
    wr_op_keyed(node, wr_op_table_source);
    return wr_graph_table(builder, node, node->store.key_serde,
                          node->store.value_serde);
}
