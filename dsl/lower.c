/* SPDX-License-Identifier: Apache-2.0
 *
 * From the graph to a topology: nodes in the order of the verbs, which is the
 * order that numbers sub-topologies. Two reads of the same topics become one
 * source, as in Kafka Streams: the first one's name stays, and where the first
 * says nothing (serdes, reset) the later one is heard. */
#include "dsl/graph.h"

struct wr_graph_store {
    struct wr_graph_store *next;
    struct weir_store_spec spec;
};

void weir_builder_store(struct weir_builder *builder,
                        const struct weir_store_spec *spec)
{
    if (!wr_graph_open(builder, "store") ||
        !wr_graph_options(builder, "store", spec->size, sizeof(*spec))) {
        return;
    }
    struct wr_graph_store *store = wr_graph_alloc(builder, sizeof(*store));
    if (!store) {
        return;
    }
    struct weir_materialized options = {
        .size = sizeof(options),
        .name = spec->name ? spec->name : "",
        .engine = spec->engine,
        .key_serde = spec->key_serde,
        .value_serde = spec->value_serde,
        .no_changelog = spec->no_changelog,
        .no_caching = !spec->caching,
        .changelog_config = spec->changelog_config,
    };
    struct wr_graph_node scratch = {0};
    wr_graph_materialize(builder, &scratch, &options, "", NULL, NULL);
    store->spec = scratch.store;
    store->spec.timestamped = spec->timestamped;
    struct wr_graph_store **end = &builder->stores;
    while (*end) {
        end = &(*end)->next;
    }
    *end = store;
}

/* ---- two reads of one topic ---------------------------------------------- */

static bool reads(const struct wr_graph_node *node, const char *topic)
{
    for (size_t i = 0; i < node->topic_count; i++) {
        if (strcmp(node->topics[i], topic) == 0) {
            return true;
        }
    }
    return false;
}

static size_t shared_topics(const struct wr_graph_node *a,
                            const struct wr_graph_node *b)
{
    size_t shared = 0;
    for (size_t i = 0; i < b->topic_count; i++) {
        shared += reads(a, b->topics[i]);
    }
    return shared;
}

/* Makes `again` an alias of `first`. */
static void merge_sources(struct weir_builder *builder,
                          struct wr_graph_node *first,
                          struct wr_graph_node *again)
{
    if (shared_topics(first, again) != again->topic_count ||
        shared_topics(again, first) != first->topic_count) {
        wr_graph_fail(builder, WEIR_E_TOPOLOGY,
                      "sources '%s' and '%s' share some topics but not all: "
                      "read each topic in one list only, or both in the same",
                      first->name, again->name);
        return;
    }
    bool resets_differ = first->reset != WEIR_RESET_DEFAULT &&
                         again->reset != WEIR_RESET_DEFAULT &&
                         first->reset != again->reset;
    if (resets_differ || first->timestamp != again->timestamp ||
        first->timestamp_user != again->timestamp_user) {
        wr_graph_fail(builder, WEIR_E_TOPOLOGY,
                      "topic '%s' is read twice, by '%s' and '%s', with "
                      "different %s: read it once and use the stream twice",
                      first->topics[0], first->name, again->name,
                      resets_differ ? "offset resets" : "timestamp extractors");
        return;
    }
    if (first->reset == WEIR_RESET_DEFAULT) {
        first->reset = again->reset;
    }
    first->key_serde = first->key_serde ? first->key_serde : again->key_serde;
    first->value_serde =
        first->value_serde ? first->value_serde : again->value_serde;
    again->out = first->out;
    again->topic_count = 0;
}

static void merge_all_sources(struct weir_builder *builder)
{
    for (struct wr_graph_node *a = builder->first; a; a = a->next) {
        for (struct wr_graph_node *b = a->next; b; b = b->next) {
            if (a->kind == WR_GRAPH_SOURCE && b->kind == WR_GRAPH_SOURCE &&
                shared_topics(a, b) > 0) {
                merge_sources(builder, a, b);
            }
        }
    }
}

/* ---- nodes --------------------------------------------------------------- */

static void lower_source(struct weir_topology *topology,
                         const struct wr_graph_node *node, const char *name)
{
    weir_topology_source(topology, &(struct weir_source){
                                       .size = sizeof(struct weir_source),
                                       .name = name,
                                       .topics = node->topics,
                                       .topic_count = node->topic_count,
                                       .reset = node->reset,
                                       .key_serde = node->key_serde,
                                       .value_serde = node->value_serde,
                                       .timestamp = node->timestamp,
                                       .timestamp_user = node->timestamp_user,
                                   });
}

static void lower_processor(struct weir_topology *topology,
                            const struct wr_graph_node *node,
                            const char *const *parents, size_t parent_count)
{
    struct weir_processor processor = node->code;
    processor.name = node->name;
    processor.parents = parents;
    processor.parent_count = parent_count;
    const char *store = node->store.name;
    if (node->keeps_rows) {
        weir_topology_store(topology, &node->store);
        processor.stores = &store;
        processor.store_count = 1;
    }
    weir_topology_processor(topology, &processor);
}

static void lower_sink(struct weir_topology *topology,
                       const struct wr_graph_node *node, const char *name,
                       const char *parent)
{
    weir_topology_sink(topology, &(struct weir_sink){
                                     .size = sizeof(struct weir_sink),
                                     .name = name,
                                     .topic = node->topics[0],
                                     .parents = &parent,
                                     .parent_count = 1,
                                     .partition = node->partition,
                                     .partition_user = node->partition_user,
                                 });
}

static void lower_node(struct weir_topology *topology,
                       const struct wr_graph_node *node)
{
    const char *parents[2] = {NULL, NULL};
    for (size_t i = 0; i < node->parent_count; i++) {
        parents[i] = node->parents[i]->out;
    }
    switch (node->kind) {
    case WR_GRAPH_SOURCE:
        if (node->topic_count > 0) {
            lower_source(topology, node, node->name);
        }
        break;
    case WR_GRAPH_TABLE_SOURCE:
        lower_source(topology, node, node->source_name);
        lower_processor(topology, node, &node->source_name, 1);
        break;
    case WR_GRAPH_PROCESSOR:
        lower_processor(topology, node, parents, node->parent_count);
        break;
    case WR_GRAPH_REPARTITION:
        weir_topology_repartition(topology, node->topics[0], node->partitions);
        if (node->filter_name) {
            lower_processor(topology, node, parents, node->parent_count);
            lower_sink(topology, node, node->sink_name, node->filter_name);
        } else {
            lower_sink(topology, node, node->sink_name, parents[0]);
        }
        lower_source(topology, node, node->source_name);
        break;
    case WR_GRAPH_SINK:
        lower_sink(topology, node, node->name, parents[0]);
        break;
    }
}

void wr_graph_lower(struct weir_builder *builder,
                    struct weir_topology *topology)
{
    merge_all_sources(builder);
    for (struct wr_graph_store *s = builder->stores; s; s = s->next) {
        weir_topology_store(topology, &s->spec);
    }
    for (struct wr_graph_node *node = builder->first;
         node && builder->error.status == WEIR_OK; node = node->next) {
        lower_node(topology, node);
    }
}

enum weir_status weir_builder_build(struct weir_builder *builder,
                                    struct weir_topology **out,
                                    struct weir_error *err)
{
    struct weir_topology *topology = NULL;
    if (wr_graph_open(builder, "build")) {
        topology = weir_topology_new();
        if (topology) {
            wr_graph_lower(builder, topology);
        } else {
            wr_graph_fail(builder, WEIR_E_NOMEM, "no memory for a topology");
        }
    }
    enum weir_status status = builder->error.status;
    if (status != WEIR_OK) {
        (void)weir_fail(err, status, "%s", builder->error.text);
    } else {
        status = weir_topology_check(topology, err);
    }
    if (status != WEIR_OK) {
        weir_topology_free(topology);
        return status;
    }
    builder->built = true;
    *out = topology;
    return WEIR_OK;
}
