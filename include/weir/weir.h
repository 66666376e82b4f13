/* SPDX-License-Identifier: Apache-2.0
 *
 * weir/weir.h: the Processor API and the life of an application.
 *
 * A topology is a graph of nodes: sources read topics, processors do the work,
 * sinks write topics; stores hold state. weir cuts it into sub-topologies,
 * makes one task per sub-topology and partition, and runs the tasks on threads.
 * Within a task everything is single-threaded: a processor needs no lock.
 *
 *   struct weir_topology *t = weir_topology_new();
 *   weir_topology_source(t, &(struct weir_source){.size = sizeof(...), ...});
 *   weir_topology_processor(t, &(struct weir_processor){...});
 *   weir_topology_store(t, &(struct weir_store_spec){...});
 *   weir_topology_sink(t, &(struct weir_sink){...});
 *
 * Errors of the building calls stick to the topology and come out once, from
 * weir_topology_check() or weir_app_new(), so that a chain needs no checks.
 *
 * The higher-level verbs (stream, table, count ...) are in weir/dsl.h. */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

#include "weir/serde.h"
#include "weir/types.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- records ------------------------------------------------------------ */

struct weir_header {
    struct weir_bytes key;   /* UTF-8 text */
    struct weir_bytes value; /* may be null */
};

/** What flows between nodes. All views are lent for the duration of the call
 * that hands the record over. */
struct weir_record {
    struct weir_bytes key;             /* may be null */
    struct weir_bytes value;           /* may be null: a tombstone in a table */
    struct weir_bytes old_value;       /* table updates: what value replaces */
    int64_t timestamp_ms;              /* event time, since the epoch; >= 0 */
    const struct weir_header *headers; /* header_count of them, in order */
    size_t header_count;
};

/* ---- processors --------------------------------------------------------- */

struct weir_context; /* a node's view of its task; lent by every callback */
struct weir_store;
struct weir_punctuator;

enum weir_punctuation {
    WEIR_STREAM_TIME, /* aligned at 0, fires as records advance the task's time
                       */
    WEIR_WALL_CLOCK   /* first after one interval, between polls */
};

typedef enum weir_status (*weir_punctuate_fn)(struct weir_context *ctx,
                                              int64_t now_ms, void *state);

/** A processor's code. One instance (one `state`) lives per task. Callbacks run
 *  on the task's thread only. A status other than WEIR_OK stops the task as
 *  `processing.exception.handler` says; weir_context_fail() gives it a text. */
struct weir_processor {
    size_t size;      /* sizeof(struct weir_processor) */
    const char *name; /* unique in the topology; copied */
    /** Makes the instance; *state starts NULL. May schedule and look up stores.
     *  May be NULL. */
    enum weir_status (*open)(struct weir_context *ctx, void *user,
                             void **state);
    /** One record. Required. */
    enum weir_status (*process)(struct weir_context *ctx,
                                const struct weir_record *record, void *state);
    /** Frees the instance. May be NULL. Stores can be read, as they were last
     *  committed; forwards and writes are refused with WEIR_E_CLOSED, since no
     *  commit would follow. */
    void (*close)(struct weir_context *ctx, void *state);
    void *user;                 /* handed to open; lent for the app's life */
    const char *const *parents; /* parent_count names; copied */
    size_t parent_count;
    const char *const *stores; /* store_count names; copied; or use
                                  weir_topology_connect() */
    size_t store_count;
};

/** Passes a record to all children, in the order they were added, depth first,
 *  before it returns. Returns the first failure. WEIR_E_CLOSED: called by open
 *  or close, when children may have no instance. */
WEIR_API WEIR_MUST_CHECK enum weir_status
weir_forward(struct weir_context *ctx, const struct weir_record *record);
/** Passes a record to the child of that name. Errors: WEIR_E_NOTFOUND. */
WEIR_API WEIR_MUST_CHECK enum weir_status
weir_forward_to(struct weir_context *ctx, const char *child,
                const struct weir_record *record);

/* A context is lent to a callback: these are for the callback's thread, until
 * it returns. Texts they return live as long as the task. */

/** The store of that name, or NULL when it is not connected to this node. Lent
 *  until the processor's close returns: look it up in open. */
WEIR_API struct weir_store *weir_context_store(struct weir_context *ctx,
                                               const char *name);
/** Topic that the current record was read from. NULL when there is none: inside
 *  a punctuator, in open and close, and when a cache is flushed. */
WEIR_API const char *weir_context_topic(const struct weir_context *ctx);
/** Partition of the current record; -1 when there is none. */
WEIR_API int32_t weir_context_partition(const struct weir_context *ctx);
/** Offset of the current record; -1 when there is none. */
WEIR_API int64_t weir_context_offset(const struct weir_context *ctx);
/** Name of this node. */
WEIR_API const char *weir_context_node(const struct weir_context *ctx);
/** The task, such as "0_3": sub-topology and partition. */
WEIR_API const char *weir_context_task(const struct weir_context *ctx);
/** The application.id. */
WEIR_API const char *weir_context_application(const struct weir_context *ctx);
/** Highest timestamp the task has seen, in milliseconds since 1970; -1 before
 *  the first record. */
WEIR_API int64_t weir_context_stream_time_ms(const struct weir_context *ctx);
/** The machine's time, in milliseconds since 1970; in tests what the test says.
 */
WEIR_API int64_t weir_context_wall_clock_ms(const struct weir_context *ctx);
/** Asks for a commit soon; it does not happen inside this call. */
WEIR_API void weir_context_request_commit(struct weir_context *ctx);
/** What the thread hook of the topology made for this thread, or NULL. */
WEIR_API void *weir_context_thread_state(const struct weir_context *ctx);
/** Memory for the callback that runs, aligned to 16; lent until it returns.
 *  NULL when the limit of 64 MiB is reached. */
WEIR_API void *weir_context_alloc(struct weir_context *ctx, size_t n);
/** Sets the text of the failure that the callback is about to return, and
 *  returns status, so that `return weir_context_fail(...)` reads well. The
 * place (task, node, topic, partition, offset) is added by weir. */
WEIR_API enum weir_status weir_context_fail(struct weir_context *ctx,
                                            enum weir_status status,
                                            const char *format, ...)
    WEIR_PRINTF(3, 4);
/** Counts a record that was left out on purpose (a null key, a late record):
 *  weir_records_dropped_total{reason="..."}. `reason` lives as long as the
 *  task, a literal say; a task counts at most 16 different ones. */
WEIR_API void weir_context_drop(struct weir_context *ctx, const char *reason);

/** Calls fn every interval_ms of the given time until cancelled or closed.
 *  Missed intervals fire once. *out (may be NULL) is lent until close, also
 *  once it is cancelled: each takes some 70 bytes until then.
 *  Errors: WEIR_E_INVALID for interval_ms < 1, WEIR_E_NOMEM. */
WEIR_API WEIR_MUST_CHECK enum weir_status
weir_context_schedule(struct weir_context *ctx, int64_t interval_ms,
                      enum weir_punctuation type, weir_punctuate_fn fn,
                      void *state, struct weir_punctuator **out);
/** Stops it; allowed inside its own callback, and any number of times. NULL is
 *  fine. */
WEIR_API void weir_punctuator_cancel(struct weir_punctuator *punctuator);

/* ---- key-value stores --------------------------------------------------- */

enum weir_store_engine { WEIR_ROCKSDB, WEIR_MEMORY };

/** What a store is. Changelog records have Kafka Streams' bytes. */
struct weir_store_spec {
    size_t size;                   /* sizeof(struct weir_store_spec) */
    const char *name;              /* letters, digits, . _ -; copied */
    enum weir_store_engine engine; /* WEIR_ROCKSDB by default */
    bool timestamped;              /* keeps each value's timestamp */
    bool caching;      /* per key and commit, only the last value goes
                          to the changelog and downstream */
    bool no_changelog; /* state is lost when the task moves */
    const struct weir_serde *key_serde;   /* for queries; NULL: bytes */
    const struct weir_serde *value_serde; /* for queries; NULL: bytes */
    const char *const *changelog_config;  /* "name=value" texts, NULL-ended */
};

/* Stores belong to their task: call these on its thread, inside a callback of a
 * processor that is connected. Writes become visible to queries, and survive,
 * with the next commit. A null key is WEIR_E_INVALID. What a store could not do
 * (WEIR_E_IO, WEIR_E_CORRUPT, WEIR_E_NOSPACE, WEIR_E_NOMEM) is told in full
 * when the callback returns the status. */

/** The value of key, null when absent; lent until the next call on the store.
 *  For a timestamped store the value comes without its timestamp. */
WEIR_API WEIR_MUST_CHECK enum weir_status
weir_store_get(struct weir_store *store, struct weir_bytes key,
               struct weir_bytes *out_value);
/** As weir_store_get; *out_timestamp_ms is -1 when absent or unknown. */
WEIR_API WEIR_MUST_CHECK enum weir_status
weir_store_get_timestamped(struct weir_store *store, struct weir_bytes key,
                           struct weir_bytes *out_value,
                           int64_t *out_timestamp_ms);
/** Sets key to value (both copied); null deletes. The changelog record has the
 *  current record's timestamp. Errors: WEIR_E_INVALID (null key), WEIR_E_NOMEM,
 *  WEIR_E_NOSPACE, WEIR_E_IO, WEIR_E_CLOSED (called by close), and those of
 *  sending the changelog record. */
WEIR_API WEIR_MUST_CHECK enum weir_status
weir_store_put(struct weir_store *store, struct weir_bytes key,
               struct weir_bytes value);
/** As weir_store_put, with a timestamp in milliseconds since 1970. On a store
 * that is not timestamped the timestamp goes to the changelog record only. */
WEIR_API WEIR_MUST_CHECK enum weir_status
weir_store_put_timestamped(struct weir_store *store, struct weir_bytes key,
                           struct weir_bytes value, int64_t timestamp_ms);
/** Puts only where nothing is; *out_old gets what was there, or null; lent
 * until the next call on the store. */
WEIR_API WEIR_MUST_CHECK enum weir_status
weir_store_put_if_absent(struct weir_store *store, struct weir_bytes key,
                         struct weir_bytes value, struct weir_bytes *out_old);
/** As weir_store_put with a null value; fine when the key is absent. */
WEIR_API WEIR_MUST_CHECK enum weir_status
weir_store_delete(struct weir_store *store, struct weir_bytes key);
/** About how many keys there are, uncommitted ones included. */
WEIR_API int64_t weir_store_approximate_count(struct weir_store *store);

struct weir_iterator;
/** Keys from `from` to `to`, both inclusive, in unsigned byte order (backwards
 *  when reverse); null means open. Sees the writes made before the call and is
 *  not disturbed by later ones. *out is given: weir_iterator_close(). */
WEIR_API WEIR_MUST_CHECK enum weir_status
weir_store_range(struct weir_store *store, struct weir_bytes from,
                 struct weir_bytes to, bool reverse,
                 struct weir_iterator **out);
/** Keys that begin with prefix, in order; otherwise as weir_store_range. */
WEIR_API WEIR_MUST_CHECK enum weir_status
weir_store_prefix(struct weir_store *store, struct weir_bytes prefix,
                  struct weir_iterator **out);
/** Next pair, lent until the next call on the iterator; false at the end.
 *  out_timestamp_ms may be NULL. */
WEIR_API bool weir_iterator_next(struct weir_iterator *iterator,
                                 struct weir_bytes *out_key,
                                 struct weir_bytes *out_value,
                                 int64_t *out_timestamp_ms);
/** Why the iteration ended: WEIR_OK at the end of the range. */
WEIR_API enum weir_status weir_iterator_status(const struct weir_iterator *it);
/** Frees the iterator. An open one holds memory of the store: close it in the
 *  callback that made it. NULL is fine. */
WEIR_API void weir_iterator_close(struct weir_iterator *iterator);

/** What a caching store tells its writer when an entry leaves the cache: the
 * new value, the one that downstream last saw, the new value's timestamp. Runs
 * in the context of the node that set the listener and may forward. */
typedef enum weir_status (*weir_flush_fn)(struct weir_context *ctx,
                                          const struct weir_record *record,
                                          void *state);
/** Sets the listener of a caching store and returns true; returns false, and
 *  keeps nothing, when the store does not cache: then forward at once. */
WEIR_API bool weir_store_on_flush(struct weir_context *ctx,
                                  struct weir_store *store, weir_flush_fn fn,
                                  void *state);

/* ---- topology ----------------------------------------------------------- */

struct weir_topology;

enum weir_offset_reset {
    WEIR_RESET_DEFAULT, /* auto.offset.reset of the configuration */
    WEIR_RESET_EARLIEST,
    WEIR_RESET_LATEST
};

/** A record's event time from its content. Runs once a record, after the
 *  source's serdes have checked it and before the task chooses whose turn it
 * is; no forward from here.
 *  @param ctx  of the source: for memory and weir_context_fail()
 *  @param[in,out] timestamp_ms  comes as the record's own, or the partition's
 *  time when that is negative. A negative result leaves the record out, with a
 *  warning: weir_records_dropped_total{reason="negative_timestamp"}.
 *  @return WEIR_OK, or a failure: the record counts as one that cannot be read,
 *  see `deserialization.exception.handler` */
typedef enum weir_status (*weir_timestamp_fn)(struct weir_context *ctx,
                                              const struct weir_record *record,
                                              int64_t *timestamp_ms,
                                              void *user);

/** Where records come from. */
struct weir_source {
    size_t size;               /* sizeof(struct weir_source) */
    const char *name;          /* unique; copied */
    const char *const *topics; /* topic_count names; copied */
    size_t topic_count;
    enum weir_offset_reset reset;
    const struct weir_serde *key_serde;   /* checks keys; NULL: anything */
    const struct weir_serde *value_serde; /* checks values; NULL: anything */
    weir_timestamp_fn timestamp;          /* NULL: the record's own; then a
                                             negative one cannot be read */
    void *timestamp_user;                 /* lent for the application's life */
};

/** The partition that a record is written to.
 *  @param ctx    of the sink: for memory and weir_context_fail()
 *  @param topic  as the sink names it
 *  @param[in,out] partition  comes as -1, the default: murmur2 of the key, or
 *  any for a null key. A result that is neither that nor 0 to
 *  partition_count - 1 is a failure.
 *  @return WEIR_OK, or a failure of the sink: `processing.exception.handler` */
typedef enum weir_status (*weir_partition_fn)(struct weir_context *ctx,
                                              const char *topic,
                                              const struct weir_record *record,
                                              int32_t partition_count,
                                              int32_t *partition, void *user);

/** Where records go. */
struct weir_sink {
    size_t size;       /* sizeof(struct weir_sink) */
    const char *name;  /* unique; copied */
    const char *topic; /* copied */
    const char *const *parents;
    size_t parent_count;
    weir_partition_fn partition; /* NULL: default */
    void *partition_user;        /* lent for the application's life */
};

/** Per-thread state of a language host (a Lua state, say). */
struct weir_thread_hook {
    size_t size; /* sizeof(struct weir_thread_hook) */
    /** Runs on each stream thread before its first task. */
    enum weir_status (*start)(void *user, void **thread_state,
                              struct weir_error *err);
    void (*stop)(void *thread_state);
    void *user;
};

/** Given; weir_topology_free(), unless weir_app_new() took it. NULL: no memory.
 */
WEIR_API struct weir_topology *weir_topology_new(void);
/** NULL is fine. */
WEIR_API void weir_topology_free(struct weir_topology *topology);
/* The building calls below copy what they are given, except functions and
 * `user` pointers. One thread at a time. */

/** Adds a node that reads topics. */
WEIR_API void weir_topology_source(struct weir_topology *topology,
                                   const struct weir_source *source);
/** Adds a node that runs code; its parents were added before. */
WEIR_API void weir_topology_processor(struct weir_topology *topology,
                                      const struct weir_processor *processor);
/** Adds a node that writes a topic; its parents were added before. */
WEIR_API void weir_topology_sink(struct weir_topology *topology,
                                 const struct weir_sink *sink);
/** Adds a store; its serdes are lent for the application's life. */
WEIR_API void weir_topology_store(struct weir_topology *topology,
                                  const struct weir_store_spec *spec);
/** Lets a processor use a store; both were added before. */
WEIR_API void weir_topology_connect(struct weir_topology *topology,
                                    const char *processor, const char *store);
/** Declares `name` (as sources and sinks call it) a repartition topic: its real
 *  name is <application.id>-<name>, weir creates it and deletes what was read.
 *  partitions 0: as many as the largest of its upstream sources. */
WEIR_API void weir_topology_repartition(struct weir_topology *topology,
                                        const char *name, int32_t partitions);
/** Sets what runs at the beginning and end of each stream thread; once. */
WEIR_API void weir_topology_hook(struct weir_topology *topology,
                                 const struct weir_thread_hook *hook);
/** The first error of the building calls, or a graph that cannot run: a node
 *  without parents, an unknown parent, no source ... */
WEIR_API WEIR_MUST_CHECK enum weir_status
weir_topology_check(struct weir_topology *topology, struct weir_error *err);

enum weir_describe {
    WEIR_DESCRIBE_TEXT,
    WEIR_DESCRIBE_DOT,
    WEIR_DESCRIBE_JSON
};
/** The topology as Kafka Streams prints it, as Graphviz, or as JSON.
 *  *out_text is given: free(). */
WEIR_API WEIR_MUST_CHECK enum weir_status
weir_topology_describe(struct weir_topology *topology,
                       enum weir_describe format, char **out_text,
                       struct weir_error *err);

/* ---- configuration and application -------------------------------------- */

struct weir_config;

/** Given; weir_config_free(). NULL: no memory. Names and meanings are those of
 *  Kafka Streams; names of librdkafka go to the clients, optionally with prefix
 *  `consumer.`, `producer.`, `admin.`; others are refused. */
WEIR_API struct weir_config *weir_config_new(void);
/** NULL is fine; applications have their own copy. */
WEIR_API void weir_config_free(struct weir_config *config);
/** Sets an option; both texts are copied, a later call wins. Errors:
 *  WEIR_E_CONFIG naming the option, and the nearest one when it is unknown. */
WEIR_API WEIR_MUST_CHECK enum weir_status
weir_config_set(struct weir_config *config, const char *name, const char *value,
                struct weir_error *err);
/** Sets what a properties file says. Errors: WEIR_E_CONFIG with file and line,
 *  WEIR_E_NOTFOUND, WEIR_E_IO; the lines before have been set. */
WEIR_API WEIR_MUST_CHECK enum weir_status
weir_config_load(struct weir_config *config, const char *path,
                 struct weir_error *err);

struct weir_app;

enum weir_app_state {
    WEIR_APP_CREATED,
    WEIR_APP_REBALANCING, /* joining, moving tasks or restoring */
    WEIR_APP_RUNNING,     /* every task of this process processes */
    WEIR_APP_STOPPING,
    WEIR_APP_STOPPED,
    WEIR_APP_ERROR /* a thread failed for good; weir_app_wait() says why */
};

/** Checks topology and configuration and makes an application; contacts nobody
 *  yet. The topology is taken, the configuration copied. *out is given:
 *  weir_app_free(). */
WEIR_API WEIR_MUST_CHECK enum weir_status
weir_app_new(struct weir_topology *topology, const struct weir_config *config,
             struct weir_app **out, struct weir_error *err);
/** Reaches the broker, creates and checks internal topics, starts the threads.
 *  Errors name the topic, the option or the address, and the remedy. */
WEIR_API WEIR_MUST_CHECK enum weir_status
weir_app_start(struct weir_app *app, struct weir_error *err);
/** Asks the threads to commit, leave the group and end; returns at once. Static
 *  members (group.instance.id) do not leave: their tasks wait for them to come
 *  back, up to session.timeout.ms (KIP-345).
 *  Thread: any; async-signal-unsafe. */
WEIR_API void weir_app_stop(struct weir_app *app);
/** As weir_app_stop(); static members leave too, and others get their tasks at
 *  once: what leaveGroup(true) means to Kafka Streams (KIP-812). */
WEIR_API void weir_app_leave(struct weir_app *app);
/** Waits until every thread has ended. Returns WEIR_OK after a clean stop, else
 *  the failure that ended it. */
WEIR_API WEIR_MUST_CHECK enum weir_status weir_app_wait(struct weir_app *app,
                                                        struct weir_error *err);
/** What the application is doing now. Thread: any. */
WEIR_API enum weir_app_state weir_app_state(const struct weir_app *app);
/** Frees an application and its topology; one that still runs is stopped and
 *  waited for. NULL is fine. */
WEIR_API void weir_app_free(struct weir_app *app);

#ifdef __cplusplus
}
#endif
#endif
