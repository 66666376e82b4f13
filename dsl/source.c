/* SPDX-License-Identifier: Apache-2.0
 *
 * The verbs that a program begins with: a topic as a stream, a topic as a
 * table. */
#include "dsl/graph.h"

/* Fills what a source and a table source have in common. */
static void consume(struct weir_builder *builder, struct wr_graph_node *node,
                    const char *const *topics, size_t topic_count,
                    const struct weir_consumed *consumed)
{
    node->topics = wr_graph_texts(builder, topics, topic_count);
    node->topic_count = topic_count;
    if (consumed) {
        node->key_serde = consumed->key_serde;
        node->value_serde = consumed->value_serde;
        node->reset = consumed->reset;
        node->timestamp = consumed->timestamp;
        node->timestamp_user = consumed->timestamp_user;
    }
}

static bool consumed_fits(struct weir_builder *builder, const char *verb,
                          const struct weir_consumed *consumed)
{
    return !consumed ||
           wr_graph_options(builder, verb, consumed->size, sizeof(*consumed));
}

struct weir_stream *weir_builder_streams(struct weir_builder *builder,
                                         const char *const *topics,
                                         size_t topic_count,
                                         const struct weir_consumed *consumed)
{
    if (!builder) {
        return NULL;
    }
    if (!wr_graph_open(builder, "stream") ||
        !consumed_fits(builder, "stream", consumed)) {
        return &builder->broken_stream;
    }
    if (topic_count == 0) {
        wr_graph_fail(builder, WEIR_E_TOPOLOGY,
                      "stream: no topic; name at least one");
        return &builder->broken_stream;
    }
    struct wr_graph_node *node =
        wr_graph_add(builder, WR_GRAPH_SOURCE, "stream", NULL);
    if (!node) {
        return &builder->broken_stream;
    }
    node->name = wr_graph_name(builder, consumed ? consumed->name : NULL,
                               "KSTREAM-SOURCE-");
    node->out = node->name;
    consume(builder, node, topics, topic_count, consumed);
    return wr_graph_stream(builder, node, node->key_serde, node->value_serde,
                           false);
}

struct weir_stream *weir_builder_stream(struct weir_builder *builder,
                                        const char *topic,
                                        const struct weir_consumed *consumed)
{
    return weir_builder_streams(builder, &topic, 1, consumed);
}

struct weir_table *
weir_builder_table(struct weir_builder *builder, const char *topic,
                   const struct weir_consumed *consumed,
                   const struct weir_materialized *materialized)
{
    if (!builder) {
        return NULL;
    }
    if (!wr_graph_open(builder, "table") ||
        !consumed_fits(builder, "table", consumed) ||
        (materialized && !wr_graph_options(builder, "table", materialized->size,
                                           sizeof(*materialized)))) {
        return &builder->broken_table;
    }
    struct wr_graph_node *node =
        wr_graph_add(builder, WR_GRAPH_TABLE_SOURCE, "table", NULL);
    const char *prefix = wr_graph_join(builder, topic ? topic : "", "-");
    if (!node || !prefix) {
        return &builder->broken_table;
    }
    consume(builder, node, &topic, 1, consumed);
    wr_graph_materialize(builder, node, materialized, prefix, node->key_serde,
                         node->value_serde);
    node->keeps_rows = materialized && materialized->name;
    const char *name = consumed ? consumed->name : NULL;
    node->source_name = wr_graph_name(
        builder, name ? wr_graph_join(builder, name, "-source") : NULL,
        "KSTREAM-SOURCE-");
    node->name = wr_graph_name(builder, name, "KTABLE-SOURCE-");
    node->out = node->name;
    node->old = WR_OLD_SOURCE;
    wr_op_keyed(node, wr_op_table_source);
    return wr_graph_table(builder, node, node->store.key_serde,
                          node->store.value_serde);
}
