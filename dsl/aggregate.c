/* SPDX-License-Identifier: Apache-2.0
 *
 * The verbs of groups: count, reduce and aggregate, of streams and of tables.
 * Each makes a table with rows in a store, below a repartition topic when equal
 * keys must be brought together first. What the nodes do is in aggregate_ops.c.
 */
#include "dsl/graph.h"

typedef enum weir_status (*process_fn)(struct weir_context *,
                                       const struct weir_record *, void *);

struct verb {
    const char *name;
    const char *store_prefix;
    const char *prefix;
    process_fn process;
    const struct weir_serde *value_serde; /* NULL: not known */
    bool same_value;                      /* rows are like the values */
};

static bool fits(struct weir_builder *builder, const char *verb,
                 const struct weir_materialized *materialized)
{
    return wr_graph_open(builder, verb) &&
           (!materialized || wr_graph_options(builder, verb, materialized->size,
                                              sizeof(*materialized)));
}

/* The aggregator's copy in the node; false with the error set. */
static bool take_aggregator(struct weir_builder *builder,
                            const struct verb *verb,
                            const struct weir_aggregator *aggregator,
                            bool subtracts, struct weir_aggregator *out)
{
    if (!wr_graph_options(builder, verb->name,
                          aggregator ? aggregator->size : 0,
                          sizeof(*aggregator)) ||
        !aggregator) {
        return false;
    }
    if (!aggregator->add || (subtracts && !aggregator->subtract)) {
        wr_graph_fail(builder, WEIR_E_INVALID, "%s: the function `%s` is NULL",
                      verb->name, aggregator->add ? "subtract" : "add");
        return false;
    }
    *out = *aggregator;
    if (wr_arena_copy(&builder->arena, aggregator->initial, &out->initial) !=
        WEIR_OK) {
        wr_graph_fail(builder, WEIR_E_NOMEM, "no memory for the initial value");
        return false;
    }
    return true;
}

/* Where the rows are kept: keys as in the group, values as the verb says. */
static void materialize(struct weir_builder *builder, const struct verb *verb,
                        struct wr_graph_node *scratch,
                        const struct weir_serde *key_serde,
                        const struct weir_serde *value_serde,
                        const struct weir_materialized *materialized)
{
    wr_graph_materialize(builder, scratch, materialized, verb->store_prefix,
                         key_serde,
                         verb->same_value ? value_serde : verb->value_serde);
}

/* What the two kinds of groups have in common once their names are known. */
static struct weir_table *add_rows(struct weir_builder *builder,
                                   const struct verb *verb,
                                   struct wr_graph_node *parent,
                                   const struct wr_graph_node *scratch)
{
    struct wr_graph_node *node =
        parent ? wr_graph_add(builder, WR_GRAPH_PROCESSOR, verb->name, parent)
               : NULL;
    if (!node) {
        return &builder->broken_table;
    }
    node->name = node->out = scratch->name;
    node->store = scratch->store;
    node->fn = scratch->fn;
    node->user = scratch->user;
    node->aggregator = scratch->aggregator;
    node->keeps_rows = true;
    node->old = WR_OLD_AGGREGATE;
    wr_op_keyed(node, verb->process);
    return wr_graph_table(builder, node, node->store.key_serde,
                          node->store.value_serde);
}

/* ---- groups of streams --------------------------------------------------- */

static struct weir_table *
aggregate_stream(struct weir_grouped *g, const struct verb *verb,
                 struct wr_graph_node *scratch, const char *name,
                 const struct weir_materialized *materialized)
{
    struct weir_builder *builder = g->builder;
    materialize(builder, verb, scratch, g->key_serde, g->value_serde,
                materialized);
    scratch->name = wr_graph_name(builder, name, verb->prefix);
    struct wr_graph_node *parent = g->node;
    if (g->key_changed) {
        parent = wr_graph_repartition(builder, verb->name,
                                      g->name ? g->name : scratch->store.name,
                                      g->node, g->repartition);
        if (parent) {
            parent->key_serde = g->key_serde;
            parent->value_serde = g->value_serde;
        }
        g->repartition = g->name ? parent : NULL;
    }
    return add_rows(builder, verb, parent, scratch);
}

struct weir_table *
weir_grouped_count(struct weir_grouped *grouped, const char *name,
                   const struct weir_materialized *materialized)
{
    static const struct verb verb = {.name = "count",
                                     .store_prefix = "KSTREAM-AGGREGATE-",
                                     .prefix = "KSTREAM-AGGREGATE-",
                                     .process = wr_op_count,
                                     .value_serde = &weir_serde_int64};
    if (!grouped) {
        return NULL;
    }
    if (!fits(grouped->builder, verb.name, materialized)) {
        return &grouped->builder->broken_table;
    }
    if (materialized && !materialized->name) {
        /* Kafka Streams takes a number too many here and must go on so. */
        (void)wr_graph_store_name(grouped->builder, verb.store_prefix);
    }
    return aggregate_stream(grouped, &verb, &(struct wr_graph_node){0}, name,
                            materialized);
}

struct weir_table *
weir_grouped_reduce(struct weir_grouped *grouped, weir_aggregate_fn add,
                    void *user, const char *name,
                    const struct weir_materialized *materialized)
{
    static const struct verb verb = {.name = "reduce",
                                     .store_prefix = "KSTREAM-REDUCE-",
                                     .prefix = "KSTREAM-REDUCE-",
                                     .process = wr_op_reduce,
                                     .same_value = true};
    if (!grouped) {
        return NULL;
    }
    if (!fits(grouped->builder, verb.name, materialized)) {
        return &grouped->builder->broken_table;
    }
    if (!add) {
        wr_graph_fail(grouped->builder, WEIR_E_INVALID,
                      "reduce: the function is NULL");
    }
    struct wr_graph_node scratch = {.aggregator = {.add = add, .user = user}};
    return aggregate_stream(grouped, &verb, &scratch, name, materialized);
}

struct weir_table *weir_grouped_aggregate(
    struct weir_grouped *grouped, const struct weir_aggregator *aggregator,
    const char *name, const struct weir_materialized *materialized)
{
    static const struct verb verb = {.name = "aggregate",
                                     .store_prefix = "KSTREAM-AGGREGATE-",
                                     .prefix = "KSTREAM-AGGREGATE-",
                                     .process = wr_op_aggregate};
    if (!grouped) {
        return NULL;
    }
    struct wr_graph_node scratch = {0};
    if (!fits(grouped->builder, verb.name, materialized) ||
        !take_aggregator(grouped->builder, &verb, aggregator, false,
                         &scratch.aggregator)) {
        return &grouped->builder->broken_table;
    }
    return aggregate_stream(grouped, &verb, &scratch, name, materialized);
}

/* ---- groups of tables ---------------------------------------------------- */

/* The topic between: changes of rows travel through it (change.h), so neither
 * its sink filters nor its source checks. */
static struct wr_graph_node *change_topic(struct weir_grouped_table *g,
                                          const struct verb *verb,
                                          const char *base, const char *sink,
                                          const char *source)
{
    if (g->repartition) {
        return g->repartition;
    }
    struct wr_graph_node *node =
        wr_graph_add(g->builder, WR_GRAPH_REPARTITION, verb->name, g->node);
    const char **topics = wr_graph_alloc(g->builder, sizeof(*topics));
    if (!node || !topics || !base) {
        return NULL;
    }
    topics[0] = wr_graph_join(g->builder, base, "-repartition");
    node->topics = topics;
    node->topic_count = 1;
    node->key_serde = g->key_serde;
    node->sink_name = sink;
    node->source_name = source;
    node->name = node->out = source;
    g->repartition = g->name ? node : NULL;
    return node;
}

static struct weir_table *
aggregate_table(struct weir_grouped_table *g, const struct verb *verb,
                struct wr_graph_node *scratch, const char *name,
                const struct weir_materialized *materialized)
{
    struct weir_builder *builder = g->builder;
    materialize(builder, verb, scratch, g->key_serde, g->value_serde,
                materialized);
    const char *sink = wr_graph_name(
        builder, wr_graph_join(builder, name, "-sink"), "KSTREAM-SINK-");
    const char *source = wr_graph_name(
        builder, wr_graph_join(builder, name, "-source"), "KSTREAM-SOURCE-");
    scratch->name = wr_graph_name(builder, name, verb->prefix);
    struct wr_graph_node *parent = change_topic(
        g, verb, g->name ? g->name : scratch->store.name, sink, source);
    return add_rows(builder, verb, parent, scratch);
}

/* A verb with functions of the user's. */
static struct weir_table *
change_rows(struct weir_grouped_table *grouped, const struct verb *verb,
            const struct weir_aggregator *aggregator, const char *name,
            const struct weir_materialized *materialized)
{
    if (!grouped) {
        return NULL;
    }
    struct wr_graph_node scratch = {0};
    if (!fits(grouped->builder, verb->name, materialized) ||
        !take_aggregator(grouped->builder, verb, aggregator, true,
                         &scratch.aggregator)) {
        return &grouped->builder->broken_table;
    }
    return aggregate_table(grouped, verb, &scratch, name, materialized);
}

struct weir_table *
weir_grouped_table_count(struct weir_grouped_table *grouped, const char *name,
                         const struct weir_materialized *materialized)
{
    static const struct verb verb = {.name = "count",
                                     .store_prefix = "KTABLE-AGGREGATE-",
                                     .prefix = "KTABLE-AGGREGATE-",
                                     .process = wr_op_table_count,
                                     .value_serde = &weir_serde_int64};
    if (!grouped) {
        return NULL;
    }
    if (!fits(grouped->builder, verb.name, materialized)) {
        return &grouped->builder->broken_table;
    }
    return aggregate_table(grouped, &verb, &(struct wr_graph_node){0}, name,
                           materialized);
}

struct weir_table *
weir_grouped_table_reduce(struct weir_grouped_table *grouped,
                          const struct weir_aggregator *aggregator,
                          const char *name,
                          const struct weir_materialized *materialized)
{
    static const struct verb verb = {.name = "reduce",
                                     .store_prefix = "KTABLE-AGGREGATE-",
                                     .prefix = "KTABLE-REDUCE-",
                                     .process = wr_op_table_reduce,
                                     .same_value = true};
    return change_rows(grouped, &verb, aggregator, name, materialized);
}

struct weir_table *
weir_grouped_table_aggregate(struct weir_grouped_table *grouped,
                             const struct weir_aggregator *aggregator,
                             const char *name,
                             const struct weir_materialized *materialized)
{
    static const struct verb verb = {.name = "aggregate",
                                     .store_prefix = "KTABLE-AGGREGATE-",
                                     .prefix = "KTABLE-AGGREGATE-",
                                     .process = wr_op_table_aggregate};
    return change_rows(grouped, &verb, aggregator, name, materialized);
}
