/* SPDX-License-Identifier: Apache-2.0
 *
 * weir/dsl.h: stream and table verbs. A program is written as a chain of verbs
 * on a builder; the builder lowers it to a topology (weir/weir.h) whose nodes,
 * stores and internal topics have exactly the names that Kafka Streams gives to
 * the same program, so that an application can change sides with its state.
 *
 *   struct weir_stream *s = weir_builder_stream(b, "lines", NULL);
 *   s = weir_stream_flat_map_values(s, split, NULL, NULL);
 *   struct weir_grouped *g = weir_stream_group_by(s, word, NULL, NULL);
 *   struct weir_table *t = weir_grouped_count(g, NULL, &counts_store);
 *   weir_stream_to(weir_table_to_stream(t, NULL), "word-counts", NULL);
 *
 * Everything flows as bytes. A serde names what bytes mean: sources check keys
 * and values with it, queries show them with it.
 *
 * Errors stick to the builder and come out once, from weir_builder_build():
 * verbs always return something that the next verb takes.
 *
 * Lives: streams, tables and groups are lent by their builder. The nodes of the
 * topology point into the builder: free it after the application. What `user`
 * points to must live as long. Callbacks run on the thread of their task, many
 * tasks at once: what they share through `user` must not be written.
 *
 * Memory for results: weir_context_alloc(ctx, n), or anything that lives until
 * the callback's record is done (parts of the record itself do).
 *
 * Every verb takes a name for its node (as an argument or inside its options);
 * NULL generates one such as KSTREAM-FILTER-0000000003. Generated names count
 * verbs: a named node stays when a program grows, so name what has state. */
#ifndef WEIR_DSL_H
#define WEIR_DSL_H

#include "weir/weir.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_builder;       /* a program in the making */
struct weir_stream;        /* records, each for itself */
struct weir_table;         /* records that replace each other by key */
struct weir_grouped;       /* a stream, grouped by its key */
struct weir_grouped_table; /* a table, grouped by another key */

/* ---- options ------------------------------------------------------------ */
/* Each begins with `size`, set by the caller to the size of the struct. A NULL
 * pointer instead of an options struct means all zero. Texts are copied, serdes
 * are lent for the builder's life. */

/** How a topic is read. */
struct weir_consumed {
    size_t size;
    const char *name;                   /* of the source node */
    const struct weir_serde *key_serde; /* NULL: any bytes */
    const struct weir_serde *value_serde;
    enum weir_offset_reset reset; /* where to begin without an offset */
    weir_timestamp_fn timestamp;  /* NULL: the record's own */
    void *timestamp_user;         /* lent as told above */
};

/** How a topic is written. */
struct weir_produced {
    size_t size;
    const char *name;            /* of the sink node */
    weir_partition_fn partition; /* NULL: murmur2 of the key, as in Java */
    void *partition_user;        /* lent as told above */
};

/** How a stream or table is grouped. */
struct weir_grouping {
    size_t size;
    const char *name; /* of the node that selects the key, and of the topic
                         <application.id>-<name>-repartition */
    const struct weir_serde *key_serde; /* NULL: as upstream, else any bytes */
    const struct weir_serde *value_serde;
};

/** How a stream is sent through a topic of its own. */
struct weir_repartitioned {
    size_t size;
    const char *name;   /* of the topic <application.id>-<name>-repartition */
    int32_t partitions; /* 0: as many as the largest source upstream */
    const struct weir_serde *key_serde;
    const struct weir_serde *value_serde;
    weir_partition_fn partition; /* NULL: murmur2 of the key */
    void *partition_user;        /* lent as told above */
};

/** Where a table's rows are kept. A changelog topic, named
 *  <application.id>-<name>-changelog, backs them unless no_changelog. */
struct weir_materialized {
    size_t size;
    const char *name; /* of the store; NULL: generated, and not for queries */
    const struct weir_serde *key_serde;
    const struct weir_serde *value_serde;
    enum weir_store_engine engine; /* WEIR_ROCKSDB by default */
    bool no_caching;   /* every update goes to the changelog and downstream */
    bool no_changelog; /* rows are lost when the task moves */
    const char *const *changelog_config; /* "name=value" texts, NULL-ended */
};

/* ---- callbacks ---------------------------------------------------------- */
/* All return WEIR_OK or a failure, with weir_context_fail() for its text. The
 * record, and what a callback puts into an `out_` view, is lent as told above.
 */

/** Whether a record stays. */
typedef enum weir_status (*weir_predicate_fn)(struct weir_context *ctx,
                                              const struct weir_record *record,
                                              bool *out_keep, void *user);
/** The new value (map_values) or the new key (select_key, group_by). */
typedef enum weir_status (*weir_mapper_fn)(struct weir_context *ctx,
                                           const struct weir_record *record,
                                           struct weir_bytes *out, void *user);
/** The new key and value; both start as the record's. */
typedef enum weir_status (*weir_pair_fn)(struct weir_context *ctx,
                                         const struct weir_record *record,
                                         struct weir_bytes *out_key,
                                         struct weir_bytes *out_value,
                                         void *user);
/** Looks at a record. */
typedef enum weir_status (*weir_action_fn)(struct weir_context *ctx,
                                           const struct weir_record *record,
                                           void *user);

/** Where flat_map and flat_map_values put their results. */
struct weir_emitter;
/** Any number of results, each with weir_emit() or weir_emit_value(). */
typedef enum weir_status (*weir_flat_fn)(struct weir_emitter *out,
                                         const struct weir_record *record,
                                         void *user);
/** Passes on the record with another key and value, before it returns. Errors:
 *  what a child reports; WEIR_E_PROCESSOR in flat_map_values, where the key
 * must stay: weir_emit_value(). */
WEIR_API WEIR_MUST_CHECK enum weir_status weir_emit(struct weir_emitter *out,
                                                    struct weir_bytes key,
                                                    struct weir_bytes value);
/** Passes on the record with another value. */
WEIR_API WEIR_MUST_CHECK enum weir_status
weir_emit_value(struct weir_emitter *out, struct weir_bytes value);
/** The context, for memory and failures. */
WEIR_API struct weir_context *weir_emitter_context(struct weir_emitter *out);

/** The aggregate after record->value came in (or, subtracting, went out).
 *  `aggregate` is what was there. A null result deletes the row. */
typedef enum weir_status (*weir_aggregate_fn)(struct weir_context *ctx,
                                              const struct weir_record *record,
                                              struct weir_bytes aggregate,
                                              struct weir_bytes *out_aggregate,
                                              void *user);
/** The aggregate that a new key begins with. */
typedef enum weir_status (*weir_initializer_fn)(
    struct weir_context *ctx, struct weir_bytes *out_aggregate, void *user);

/** How rows are made of many values. */
struct weir_aggregator {
    size_t size;
    weir_initializer_fn init;   /* NULL: `initial` */
    struct weir_bytes initial;  /* copied; null: the first add gets null */
    weir_aggregate_fn add;      /* required */
    weir_aggregate_fn subtract; /* required for grouped tables */
    void *user;                 /* for the three */
};

/* ---- the builder -------------------------------------------------------- */

/** Given; weir_builder_free(). NULL: no memory. */
WEIR_API struct weir_builder *weir_builder_new(void);
/** Frees the builder and what its topology's nodes point to: after
 *  weir_app_free(). NULL is fine. */
WEIR_API void weir_builder_free(struct weir_builder *builder);
/** The application.id to use when the configuration has none. Copied. The build
 *  fails with WEIR_E_CONFIG when no application may be called that. */
WEIR_API void weir_builder_application(struct weir_builder *builder,
                                       const char *application_id);
/** Lowers the program to a checked topology; *out is given (weir_app_new()
 * takes it). Call it once, after the last verb. Errors: the first one of the
 * verbs; WEIR_E_TOPOLOGY for a graph that cannot run. */
WEIR_API WEIR_MUST_CHECK enum weir_status
weir_builder_build(struct weir_builder *builder, struct weir_topology **out,
                   struct weir_error *err);

/** What a shared object given to `weir run` exports: it calls verbs on the
 *  builder. The object stays loaded until the application is gone. */
WEIR_API enum weir_status weir_application(struct weir_builder *builder,
                                           struct weir_error *err);

/** The records of a topic. */
WEIR_API struct weir_stream *
weir_builder_stream(struct weir_builder *builder, const char *topic,
                    const struct weir_consumed *consumed);
/** The records of several topics. */
WEIR_API struct weir_stream *
weir_builder_streams(struct weir_builder *builder, const char *const *topics,
                     size_t topic_count, const struct weir_consumed *consumed);
/** The table that a topic of updates describes. Records with a null key are
 *  dropped and counted; a late update still wins over a newer one that came
 *  before it, with a warning and in weir_table_updates_late_total. Rows are
 *  kept only if `materialized` names a store or a verb downstream needs former
 *  values. */
WEIR_API struct weir_table *
weir_builder_table(struct weir_builder *builder, const char *topic,
                   const struct weir_consumed *consumed,
                   const struct weir_materialized *materialized);
/** A store for processors, which name it in weir_processor.stores. */
WEIR_API void weir_builder_store(struct weir_builder *builder,
                                 const struct weir_store_spec *spec);

/* ---- streams: each record for itself ------------------------------------ */
/* What a verb returns is lent for the builder's life. `user` is handed to fn.
 */

/** The records that fn keeps. */
WEIR_API struct weir_stream *weir_stream_filter(struct weir_stream *stream,
                                                weir_predicate_fn fn,
                                                void *user, const char *name);
/** The records that fn does not keep. */
WEIR_API struct weir_stream *weir_stream_filter_not(struct weir_stream *stream,
                                                    weir_predicate_fn fn,
                                                    void *user,
                                                    const char *name);
/** New key and value. Marks the stream: before the next grouping it goes
 * through a repartition topic. */
WEIR_API struct weir_stream *weir_stream_map(struct weir_stream *stream,
                                             weir_pair_fn fn, void *user,
                                             const char *name);
/** A new value; the key stays, and so no repartition topic becomes due. */
WEIR_API struct weir_stream *weir_stream_map_values(struct weir_stream *stream,
                                                    weir_mapper_fn fn,
                                                    void *user,
                                                    const char *name);
/** Any number of records for one; marks the stream like map. */
WEIR_API struct weir_stream *weir_stream_flat_map(struct weir_stream *stream,
                                                  weir_flat_fn fn, void *user,
                                                  const char *name);
/** Any number of records for one, each with its key. */
WEIR_API struct weir_stream *
weir_stream_flat_map_values(struct weir_stream *stream, weir_flat_fn fn,
                            void *user, const char *name);
/** A new key; marks the stream like map. */
WEIR_API struct weir_stream *weir_stream_select_key(struct weir_stream *stream,
                                                    weir_mapper_fn fn,
                                                    void *user,
                                                    const char *name);
/** Shows each record to fn and passes it on. */
WEIR_API struct weir_stream *weir_stream_peek(struct weir_stream *stream,
                                              weir_action_fn fn, void *user,
                                              const char *name);
/** Shows each record to fn; the end of the stream. */
WEIR_API void weir_stream_foreach(struct weir_stream *stream, weir_action_fn fn,
                                  void *user, const char *name);
/** Both streams' records; no order between them. */
WEIR_API struct weir_stream *weir_stream_merge(struct weir_stream *stream,
                                               struct weir_stream *other,
                                               const char *name);
/** Through a topic that weir creates and purges. Null keys are left out. */
WEIR_API struct weir_stream *
weir_stream_repartition(struct weir_stream *stream,
                        const struct weir_repartitioned *repartitioned);
/** A processor of one's own (weir/weir.h); `parents` must be empty, the name
 * may be NULL. Marks the stream like map. */
WEIR_API struct weir_stream *
weir_stream_process(struct weir_stream *stream,
                    const struct weir_processor *processor);
/** Writes the records to a topic; the end of the stream. */
WEIR_API void weir_stream_to(struct weir_stream *stream, const char *topic,
                             const struct weir_produced *produced);
/** Takes the records as a table's updates. */
WEIR_API struct weir_table *
weir_stream_to_table(struct weir_stream *stream, const char *name,
                     const struct weir_materialized *materialized);

/* ---- grouping ------------------------------------------------------------ */

/** Groups by a key that fn selects: a repartition topic brings equal keys
 *  together. */
WEIR_API struct weir_grouped *
weir_stream_group_by(struct weir_stream *stream, weir_mapper_fn fn, void *user,
                     const struct weir_grouping *grouping);
/** Groups by the key there is; a repartition topic only after a verb that may
 *  have changed it. */
WEIR_API struct weir_grouped *
weir_stream_group_by_key(struct weir_stream *stream,
                         const struct weir_grouping *grouping);

/* Of the three below: records with a null key or value are dropped and counted;
 * a row's timestamp is the largest of its records; with caching (the default) a
 * key's last row goes on at each commit, else every one. */

/** How many; rows are 8-byte big-endian integers (weir_serde_int64). */
WEIR_API struct weir_table *
weir_grouped_count(struct weir_grouped *grouped, const char *name,
                   const struct weir_materialized *materialized);
/** The first value, then what `add` makes of the row and each further value. */
WEIR_API struct weir_table *
weir_grouped_reduce(struct weir_grouped *grouped, weir_aggregate_fn add,
                    void *user, const char *name,
                    const struct weir_materialized *materialized);
/** What the aggregator begins with, then what its `add` makes of the row and
 * each value. */
WEIR_API struct weir_table *weir_grouped_aggregate(
    struct weir_grouped *grouped, const struct weir_aggregator *aggregator,
    const char *name, const struct weir_materialized *materialized);

/* ---- tables: each record replaces the one before it --------------------- */

/** Rows that fail the predicate are absent: downstream gets a tombstone. Null
 *  values never reach fn, here and in the verbs below. Rows are kept in a store
 *  of their own only if `materialized` names one. */
WEIR_API struct weir_table *
weir_table_filter(struct weir_table *table, weir_predicate_fn fn, void *user,
                  const char *name,
                  const struct weir_materialized *materialized);
/** As weir_table_filter, for the rows that fn does not keep. */
WEIR_API struct weir_table *
weir_table_filter_not(struct weir_table *table, weir_predicate_fn fn,
                      void *user, const char *name,
                      const struct weir_materialized *materialized);
/** Rows with a new value. */
WEIR_API struct weir_table *
weir_table_map_values(struct weir_table *table, weir_mapper_fn fn, void *user,
                      const char *name,
                      const struct weir_materialized *materialized);
/** The table's updates as records; a deletion has a null value. */
WEIR_API struct weir_stream *weir_table_to_stream(struct weir_table *table,
                                                  const char *name);
/** Groups rows by another key: an update takes the old row out of its group and
 *  puts the new one into its own. */
WEIR_API struct weir_grouped_table *
weir_table_group_by(struct weir_table *table, weir_pair_fn fn, void *user,
                    const struct weir_grouping *grouping);

/** How many rows there are in each group, as int64. */
WEIR_API struct weir_table *
weir_grouped_table_count(struct weir_grouped_table *grouped, const char *name,
                         const struct weir_materialized *materialized);
/** As a stream's reduce, with aggregator->subtract for rows that leave; `init`
 *  and `initial` are not used. */
WEIR_API struct weir_table *
weir_grouped_table_reduce(struct weir_grouped_table *grouped,
                          const struct weir_aggregator *aggregator,
                          const char *name,
                          const struct weir_materialized *materialized);
/** As a stream's aggregate, with aggregator->subtract for rows that leave. */
WEIR_API struct weir_table *
weir_grouped_table_aggregate(struct weir_grouped_table *grouped,
                             const struct weir_aggregator *aggregator,
                             const char *name,
                             const struct weir_materialized *materialized);

#ifdef __cplusplus
}
#endif
#endif
