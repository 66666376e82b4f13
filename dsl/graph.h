/* SPDX-License-Identifier: Apache-2.0
 *
 * The logical graph behind the verbs: what a program says, before it is lowered
 * to a topology. It exists because later verbs change earlier nodes: a table
 * whose former values are asked for must keep its rows, and two reads of one
 * topic are one source. All memory is the builder's. Thread: the one that
 * builds; once built the graph is read-only, shared by the tasks of all
 * threads. */
#ifndef WEIR_DSL_GRAPH_H
#define WEIR_DSL_GRAPH_H

#include "base/arena.h"
#include "weir/dsl.h"

enum wr_graph_kind {
    WR_GRAPH_SOURCE,       /* a topic's records */
    WR_GRAPH_TABLE_SOURCE, /* a source and the processor that makes a table */
    WR_GRAPH_PROCESSOR,
    WR_GRAPH_REPARTITION, /* null-key filter (for streams), sink, topic, source
                           */
    WR_GRAPH_SINK
};

/** How a table's node comes to send former values. */
enum wr_graph_old {
    WR_OLD_NEVER,     /* not a table */
    WR_OLD_SOURCE,    /* by keeping its rows */
    WR_OLD_AGGREGATE, /* has them at hand */
    WR_OLD_DERIVED    /* from its own rows, else from its parent's */
};

/** The function of a verb, as its user gave it. */
union wr_graph_fn {
    weir_predicate_fn predicate;
    weir_mapper_fn mapper;
    weir_pair_fn pair;
    weir_action_fn action;
    weir_flat_fn flat;
    weir_aggregate_fn add; /* reduce */
};

struct wr_graph_node {
    enum wr_graph_kind kind;
    const char *verb; /* literal, for errors */
    const char *name; /* of the node that does the verb's work */
    const char *out;  /* of the node that children hang on */
    struct wr_graph_node *parents[2];
    size_t parent_count;
    struct wr_graph_node *next; /* in the order of the verbs */

    /* what it does, when it is a processor */
    struct weir_processor code; /* open, process, close; name unused */
    union wr_graph_fn fn;
    bool negate; /* filter_not */
    void *user;  /* for fn */
    struct weir_aggregator aggregator;

    /* tables */
    enum wr_graph_old old;
    bool sends_old;               /* somebody downstream wants former values */
    bool keeps_rows;              /* `store` is part of the topology */
    struct weir_store_spec store; /* name NULL: none */

    /* sources, sinks and repartitions */
    const char **topics;
    size_t topic_count;
    const struct weir_serde *key_serde;
    const struct weir_serde *value_serde;
    enum weir_offset_reset reset;
    weir_timestamp_fn timestamp;
    void *timestamp_user;
    weir_partition_fn partition;
    void *partition_user;
    int32_t partitions;
    const char *filter_name; /* of a repartition; NULL: does not filter */
    const char *sink_name;
    const char *source_name; /* of a repartition or table source */
};

struct weir_stream {
    struct weir_builder *builder;
    struct wr_graph_node *node; /* NULL: comes after an error */
    const struct weir_serde *key_serde;
    const struct weir_serde *value_serde;
    bool key_changed; /* a repartition topic is due before grouping */
};

struct weir_table {
    struct weir_builder *builder;
    struct wr_graph_node *node;
    const struct weir_serde *key_serde;
    const struct weir_serde *value_serde;
};

struct weir_grouped {
    struct weir_builder *builder;
    struct wr_graph_node *node;
    const struct weir_serde *key_serde;
    const struct weir_serde *value_serde;
    bool key_changed;
    const char *name;                  /* as the user gave it, or NULL */
    struct wr_graph_node *repartition; /* shared when it has a name */
};

struct weir_grouped_table {
    struct weir_builder *builder;
    struct wr_graph_node *node;
    const struct weir_serde *key_serde;
    const struct weir_serde *value_serde;
    const char *name;
    struct wr_graph_node *repartition;
};

struct wr_graph_store; /* a store that processors name, linked */

struct weir_builder {
    struct wr_arena arena;
    struct wr_graph_node *first, *last;
    struct wr_graph_store *stores;
    int32_t index; /* of the next generated name */
    const char *application_id;
    struct weir_error error; /* first failure; status WEIR_OK: none */
    bool built;
    /* what verbs return after an error */
    struct weir_stream broken_stream;
    struct weir_table broken_table;
    struct weir_grouped broken_grouped;
    struct weir_grouped_table broken_grouped_table;
};

/* ---- for the verbs ------------------------------------------------------- */

/** Whether the builder takes verbs: false after an error and, with one, after
 *  weir_builder_build(). */
bool wr_graph_open(struct weir_builder *builder, const char *verb);
/** Sets the first error. */
void wr_graph_fail(struct weir_builder *builder, enum weir_status status,
                   const char *format, ...) WEIR_PRINTF(3, 4);
/** Zeroed memory of the builder, or NULL with the error set. */
void *wr_graph_alloc(struct weir_builder *builder, size_t n);
/** A copy of text (NULL stays NULL), or NULL with the error set. */
const char *wr_graph_text(struct weir_builder *builder, const char *text);
/** Copies of `count` texts, NULL-ended (a NULL text becomes ""), or NULL with
 * the error set. */
const char **wr_graph_texts(struct weir_builder *builder,
                            const char *const *texts, size_t count);
/** Whether an options struct has the size of this library's; sets the error. */
bool wr_graph_options(struct weir_builder *builder, const char *verb,
                      size_t size, size_t expected);

/** The given name (copied), or prefix and the running number. Takes a number
 *  either way, as Kafka Streams does. */
const char *wr_graph_name(struct weir_builder *builder, const char *given,
                          const char *prefix);
/** prefix, "STATE-STORE-" and the running number. */
const char *wr_graph_store_name(struct weir_builder *builder,
                                const char *prefix);
/** a and b in one text. */
const char *wr_graph_join(struct weir_builder *builder, const char *a,
                          const char *b);

/** A node below parent (NULL: none), the last of the program so far. NULL with
 *  the error set. */
struct wr_graph_node *wr_graph_add(struct weir_builder *builder,
                                   enum wr_graph_kind kind, const char *verb,
                                   struct wr_graph_node *parent);
/** Adds a null-key filter and a topic `<base>-repartition` below parent; takes
 *  the three numbers that its nodes' names may need. With `shared` (may be
 * NULL) already made, gives that one back. */
struct wr_graph_node *wr_graph_repartition(struct weir_builder *builder,
                                           const char *verb, const char *base,
                                           struct wr_graph_node *parent,
                                           struct wr_graph_node *shared);
/** Fills node's store from the options; generates a name from `prefix` when
 * they have none. Serdes not given are the ones given here. */
void wr_graph_materialize(struct weir_builder *builder,
                          struct wr_graph_node *node,
                          const struct weir_materialized *materialized,
                          const char *prefix,
                          const struct weir_serde *key_serde,
                          const struct weir_serde *value_serde);
/** Asks a table's node to send former values. With force a source begins to
 * keep its rows for that; without, a source that does not keep them says false.
 */
bool wr_graph_send_old(struct wr_graph_node *node, bool force);

/** What a verb returns for its node: memory of the builder. Without memory it
 * is the broken one, which further verbs take and pass on. */
struct weir_stream *wr_graph_stream(struct weir_builder *builder,
                                    struct wr_graph_node *node,
                                    const struct weir_serde *key_serde,
                                    const struct weir_serde *value_serde,
                                    bool key_changed);
/** As wr_graph_stream. */
struct weir_table *wr_graph_table(struct weir_builder *builder,
                                  struct wr_graph_node *node,
                                  const struct weir_serde *key_serde,
                                  const struct weir_serde *value_serde);

/** Writes the graph into an empty topology, in the order of the verbs. */
void wr_graph_lower(struct weir_builder *builder,
                    struct weir_topology *topology);

/* ---- what nodes do (stream_ops.c, table_ops.c, aggregate_ops.c) ---------- */

/** Sets node->code to open and process of a verb without state: state is node.
 */
void wr_op_plain(struct wr_graph_node *node,
                 enum weir_status (*process)(struct weir_context *,
                                             const struct weir_record *,
                                             void *));
enum weir_status wr_op_filter(struct weir_context *ctx,
                              const struct weir_record *record, void *state);
enum weir_status wr_op_map(struct weir_context *ctx,
                           const struct weir_record *record, void *state);
enum weir_status wr_op_map_values(struct weir_context *ctx,
                                  const struct weir_record *record,
                                  void *state);
enum weir_status wr_op_flat_map(struct weir_context *ctx,
                                const struct weir_record *record, void *state);
enum weir_status wr_op_flat_map_values(struct weir_context *ctx,
                                       const struct weir_record *record,
                                       void *state);
enum weir_status wr_op_select_key(struct weir_context *ctx,
                                  const struct weir_record *record,
                                  void *state);
enum weir_status wr_op_peek(struct weir_context *ctx,
                            const struct weir_record *record, void *state);
enum weir_status wr_op_foreach(struct weir_context *ctx,
                               const struct weir_record *record, void *state);
enum weir_status wr_op_pass(struct weir_context *ctx,
                            const struct weir_record *record, void *state);
enum weir_status wr_op_drop_null_key(struct weir_context *ctx,
                                     const struct weir_record *record,
                                     void *state);
enum weir_status wr_op_to_stream(struct weir_context *ctx,
                                 const struct weir_record *record, void *state);
enum weir_status wr_op_table_select(struct weir_context *ctx,
                                    const struct weir_record *record,
                                    void *state);

/** Sets node->code to process with an instance that knows the node's store. */
void wr_op_keyed(struct wr_graph_node *node,
                 enum weir_status (*process)(struct weir_context *,
                                             const struct weir_record *,
                                             void *));
enum weir_status wr_op_table_source(struct weir_context *ctx,
                                    const struct weir_record *record,
                                    void *state);
enum weir_status wr_op_table_filter(struct weir_context *ctx,
                                    const struct weir_record *record,
                                    void *state);
enum weir_status wr_op_table_map_values(struct weir_context *ctx,
                                        const struct weir_record *record,
                                        void *state);
enum weir_status wr_op_count(struct weir_context *ctx,
                             const struct weir_record *record, void *state);
enum weir_status wr_op_reduce(struct weir_context *ctx,
                              const struct weir_record *record, void *state);
enum weir_status wr_op_aggregate(struct weir_context *ctx,
                                 const struct weir_record *record, void *state);
enum weir_status wr_op_table_count(struct weir_context *ctx,
                                   const struct weir_record *record,
                                   void *state);
enum weir_status wr_op_table_reduce(struct weir_context *ctx,
                                    const struct weir_record *record,
                                    void *state);
enum weir_status wr_op_table_aggregate(struct weir_context *ctx,
                                       const struct weir_record *record,
                                       void *state);

#endif
