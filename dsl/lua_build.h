/* SPDX-License-Identifier: Apache-2.0
 *
 * The program while its script runs. Every state of a program runs the script
 * and makes the same builder calls; the first run's builder becomes the
 * topology, later ones (a state per stream thread) only bind their functions.
 * Functions are known by ordinal, the order in which verbs received them, so
 * that a node made in one state finds its function in another. `trace` is one
 * line per verb: equal traces mean equal programs. */
#ifndef WEIR_DSL_LUA_BUILD_H
#define WEIR_DSL_LUA_BUILD_H

#include "dsl/graph.h"
#include "dsl/lua_types.h"

#define WR_LUA_NO_FUNCTION SIZE_MAX

struct wr_lua_build {
    struct weir_builder *builder; /* lent */
    bool has_app;
    struct wr_buf trace;    /* a line per verb */
    struct wr_buf warnings; /* a line each, for `weir check` */
};

/** A function of the script as a verb has received it. */
struct wr_lua_function {
    size_t ordinal; /* WR_LUA_NO_FUNCTION: none was given */
    int parameters; /* declared ones; 255 when variable; 1 for C's */
};

/** What the callbacks of one node need. Memory of the builder. */
struct wr_lua_node {
    const char *verb; /* literal */
    const char *how;  /* how to give the result's type, with ? for key or value
                         and * for the type; "": it cannot be given */
    struct wr_lua_function fn;       /* of the verb; `add` of aggregates;
                                        `timestamp`, `partition` */
    struct wr_lua_function init;     /* of aggregates */
    struct wr_lua_function subtract; /* of grouped tables */
    enum wr_lua_type in_key, in_value;
    enum wr_lua_type out_key, out_value; /* rows: out_value */
    struct wr_lua_process *process;      /* lua_process.c */
};

/* ---- handles: what verbs return to the script ---------------------------- */

enum wr_lua_handle_kind {
    WR_LUA_APP,
    WR_LUA_STREAM,
    WR_LUA_TABLE,
    WR_LUA_GROUPED,
    WR_LUA_GROUPED_TABLE
};

struct wr_lua_handle {
    uint32_t magic;
    enum wr_lua_handle_kind kind;
    void *object; /* struct weir_stream ... of the builder; the app: NULL */
    enum wr_lua_type key, value;
};

/** Pushes a handle. */
WR_MAY_JUMP struct wr_lua_handle *
wr_lua_push_handle(struct lua_State *L, enum wr_lua_handle_kind kind,
                   void *object, enum wr_lua_type key, enum wr_lua_type value);
/** The handle at index; raises an error when it is none of that kind. */
WR_MAY_JUMP struct wr_lua_handle *
wr_lua_check_handle(struct lua_State *L, int index,
                    enum wr_lua_handle_kind kind);
bool wr_lua_is_handle(struct lua_State *L, int index,
                      enum wr_lua_handle_kind kind);
/** The build; raises an error once the script has run. */
WR_MAY_JUMP struct wr_lua_build *wr_lua_building(struct lua_State *L,
                                                 const char *verb);
/** Takes the function at index and gives it an ordinal. */
WR_MAY_JUMP struct wr_lua_function
wr_lua_take_function(struct lua_State *L, int index, const char *verb);
/** A node with the types of a handle on both sides. */
WR_MAY_JUMP struct wr_lua_node *wr_lua_node(struct lua_State *L,
                                            const char *verb, const char *how,
                                            const struct wr_lua_handle *in);
/** Raises the builder's error, if it has one, at the script's line. */
WR_MAY_JUMP void wr_lua_check_builder(struct lua_State *L,
                                      struct wr_lua_build *build,
                                      const char *verb);
/** Adds a line to the trace: the verb, the script's line, names and types. */
WR_MAY_JUMP void wr_lua_trace(struct lua_State *L, const char *format, ...)
    WEIR_PRINTF(2, 3);

/* ---- options of verbs (lua_options.c) ------------------------------------ */

enum {
    WR_LUA_OPT_NAME = 1,        /* name: of the node */
    WR_LUA_OPT_KEY = 2,         /* key: type of the result's keys */
    WR_LUA_OPT_VALUE = 4,       /* value: type of the result's values */
    WR_LUA_OPT_STORE = 8,       /* store, memory, caching, changelog,
                                   changelog_config */
    WR_LUA_OPT_RESET = 16,      /* reset: "earliest" or "latest" */
    WR_LUA_OPT_PARTITIONS = 32, /* partitions */
    WR_LUA_OPT_ADD = 64,        /* init, add, subtract: read by the verb */
    WR_LUA_OPT_PROCESS = 128,   /* open, each, close, stores: likewise */
    WR_LUA_OPT_KV = 256,        /* memory, changelog */
    WR_LUA_OPT_TIMESTAMP = 512, /* timestamp: a function */
    WR_LUA_OPT_PARTITION = 1024 /* partition: a function */
};

struct wr_lua_options {
    const char *name; /* lent by the stack */
    const char *store;
    bool has_key, has_value, has_store_options;
    enum wr_lua_type key, value;
    bool memory, no_caching, no_changelog;
    const char *changelog_config[33]; /* NULL-ended; memory of the builder */
    enum weir_offset_reset reset;
    int32_t partitions;
    bool has_function; /* `timestamp` or `partition`: no verb has both, so that
                          the order in which Lua shows a table is no matter */
    struct wr_lua_function function;
};

/** Reads what follows a verb's function: nothing, a type (of values, or of keys
 * when only keys change), a text (the store's name if the verb has a store,
 * else the node's), or a table of options out of `allowed`. */
WR_MAY_JUMP void wr_lua_read_options(struct lua_State *L, int index,
                                     const char *verb, unsigned allowed,
                                     struct wr_lua_options *out);
/** Options as a weir_materialized; returns NULL when none was given. */
const struct weir_materialized *
wr_lua_materialized(const struct wr_lua_options *options, enum wr_lua_type key,
                    enum wr_lua_type value, struct weir_materialized *out);

/* ---- its parts ----------------------------------------------------------- */

/** Pushes the module that require "weir" gives (lua_verbs.c). */
WR_MAY_JUMP void wr_lua_open_module(struct lua_State *L);
/** Puts the verbs of streams and groups into the handles' method tables. */
WR_MAY_JUMP void wr_lua_open_process(struct lua_State *L);
/** stream:process{...} (lua_process.c). */
int wr_lua_process_verb(struct lua_State *L);
/** weir.kv(...): describes a store of a processor. */
int wr_lua_kv(struct lua_State *L);

/* Callbacks for the builder's verbs; user is a struct wr_lua_node
 * (lua_calls.c). */
enum weir_status wr_lua_on_predicate(struct weir_context *ctx,
                                     const struct weir_record *record,
                                     bool *out_keep, void *user);
enum weir_status wr_lua_on_value(struct weir_context *ctx,
                                 const struct weir_record *record,
                                 struct weir_bytes *out, void *user);
enum weir_status wr_lua_on_key(struct weir_context *ctx,
                               const struct weir_record *record,
                               struct weir_bytes *out, void *user);
enum weir_status wr_lua_on_pair(struct weir_context *ctx,
                                const struct weir_record *record,
                                struct weir_bytes *out_key,
                                struct weir_bytes *out_value, void *user);
enum weir_status wr_lua_on_action(struct weir_context *ctx,
                                  const struct weir_record *record, void *user);
enum weir_status wr_lua_on_flat(struct weir_emitter *out,
                                const struct weir_record *record, void *user);
enum weir_status wr_lua_on_flat_values(struct weir_emitter *out,
                                       const struct weir_record *record,
                                       void *user);
enum weir_status wr_lua_on_init(struct weir_context *ctx,
                                struct weir_bytes *out, void *user);
enum weir_status wr_lua_on_add(struct weir_context *ctx,
                               const struct weir_record *record,
                               struct weir_bytes aggregate,
                               struct weir_bytes *out, void *user);
enum weir_status wr_lua_on_timestamp(struct weir_context *ctx,
                                     const struct weir_record *record,
                                     int64_t *timestamp_ms, void *user);
enum weir_status wr_lua_on_partition(struct weir_context *ctx,
                                     const char *topic,
                                     const struct weir_record *record,
                                     int32_t partition_count,
                                     int32_t *partition, void *user);
enum weir_status wr_lua_on_subtract(struct weir_context *ctx,
                                    const struct weir_record *record,
                                    struct weir_bytes aggregate,
                                    struct weir_bytes *out, void *user);

/** Pushes the function of that ordinal. */
WR_MAY_JUMP void wr_lua_push_function(struct lua_State *L,
                                      const struct wr_lua_function *fn);
/** Pushes value, key and record, as many as fn declares beyond `before` others;
 * the count. */
WR_MAY_JUMP int wr_lua_push_arguments(struct lua_State *L,
                                      const struct wr_lua_function *fn,
                                      int before,
                                      const struct wr_lua_node *node,
                                      struct weir_context *ctx,
                                      const struct weir_record *record);
/** Runs body under protection for a node; tells the context why it failed. */
WEIR_MUST_CHECK enum weir_status wr_lua_run(struct weir_context *ctx,
                                            const char *verb,
                                            int (*body)(struct lua_State *),
                                            void *argument);

#endif
