/* SPDX-License-Identifier: Apache-2.0
 *
 * process{...}: a processor written in Lua, with stores and timers.
 *
 *   name, stores = {seen = weir.kv(weir.int64)}   how it is declared
 *   open = function(ctx) end                      once per task
 *   each = function(ctx, value, key, record) end  once per record
 *   close = function(ctx) end                     when the task leaves
 *
 * One instance lives per task. ctx and what it gives (stores, iterators,
 * timers) may only be used inside the callbacks of its own instance; outside,
 * their methods raise errors instead of touching freed memory. */
#ifndef WEIR_DSL_LUA_PROCESS_H
#define WEIR_DSL_LUA_PROCESS_H

#include "dsl/lua_build.h"

#define WR_LUA_STORES_MAX 32

struct wr_lua_process_store {
    const char *name; /* as the topology knows it */
    enum wr_lua_type key, value;
};

/** The declaration. Memory of the builder. */
struct wr_lua_process {
    struct wr_lua_function open, close; /* each is the node's fn */
    struct wr_lua_process_store stores[WR_LUA_STORES_MAX];
    const char *store_names[WR_LUA_STORES_MAX];
    size_t store_count;
};

struct wr_lua_iterator;
struct wr_lua_timer;

/** One per task. Thread: the task's. */
struct wr_lua_instance {
    const struct wr_lua_node *node;
    struct wr_lua *lua;
    struct weir_context *ctx;          /* NULL outside callbacks */
    const struct weir_record *record;  /* NULL in timers, open and close */
    int64_t now_ms;                    /* timestamp of what is emitted */
    int emitted;                       /* by this callback, see EMITS_MAX */
    size_t put_bytes;                  /* by this callback, into stores */
    int context;                       /* registry: ctx */
    struct wr_lua_instance **home;     /* in ctx; NULL: there is no ctx yet */
    struct wr_lua_iterator *iterators; /* open ones */
    struct wr_lua_timer *timers;
    struct weir_store *stores[WR_LUA_STORES_MAX];
};

/** What ctx, stores, iterators and timers are to Lua: userdata that begin so.
 * They find their instance through ctx, which they keep alive (user value 1)
 * and which knows when the instance is gone. */
struct wr_lua_object {
    uint32_t magic;
    struct wr_lua_instance **home; /* in ctx; *home NULL once it is gone */
    size_t store; /* of a store or iterator: the store's index */
};
#define WR_LUA_CONTEXT_MAGIC  0x77637478u /* "wctx" */
#define WR_LUA_STORE_MAGIC    0x77737472u /* "wstr" */
#define WR_LUA_ITERATOR_MAGIC 0x77697472u /* "witr" */

/** The object at index; raises an error when it is none of that kind or not
 * inside a callback of its instance. */
WR_MAY_JUMP struct wr_lua_object *
wr_lua_object(struct lua_State *L, int index, uint32_t magic, const char *what);
/** Pushes a userdata of `size` bytes that begins as an object of the same
 * instance as the object at `index`, with the named metatable. */
WR_MAY_JUMP struct wr_lua_object *wr_lua_new_object(struct lua_State *L,
                                                    int index, uint32_t magic,
                                                    size_t size,
                                                    const char *metatable);
/** Makes the metatables of stores and iterators. */
WR_MAY_JUMP void wr_lua_open_stores(struct lua_State *L);
/** Makes those of ctx and timers (lua_context.c). */
WR_MAY_JUMP void wr_lua_open_context(struct lua_State *L);
/** Pushes a new ctx for the instance and keeps it in the registry. */
WR_MAY_JUMP void wr_lua_new_context(struct lua_State *L,
                                    struct wr_lua_instance *instance);
/** Closes the iterators that a callback left open. */
void wr_lua_close_iterators(struct wr_lua_instance *instance);
/** Drops what the registry holds of an instance that ends. */
WR_MAY_JUMP void wr_lua_drop_context(struct lua_State *L,
                                     struct wr_lua_instance *instance);
/** Frees the timers; the task no longer calls them. */
void wr_lua_free_timers(struct wr_lua_instance *instance);
/** Runs body for the instance inside ctx: between, its objects are usable. */
WEIR_MUST_CHECK enum weir_status
wr_lua_run_instance(struct wr_lua_instance *instance, struct weir_context *ctx,
                    int (*body)(struct lua_State *), void *argument);

#endif
