/* SPDX-License-Identifier: Apache-2.0
 *
 * From a node's callback into the script and back. One protected call per
 * callback: inside it the function and its arguments are pushed, it runs, and
 * its results become bytes. Results of flat verbs go downstream while they lie
 * on Lua's stack, without a copy; others are copied to the record's memory,
 * since they outlive the call.
 *
 * The record (third argument: topic, partition, offset, timestamp, headers) is
 * only made for functions that declare it. Thread: the task's. */
#include "dsl/lua_build.h"

#include "runtime/scope.h"

#include <lauxlib.h>
#include <lua.h>

#define RESULTS_MAX 1000000 /* of one record in a flat verb */

enum weir_status wr_lua_run(struct weir_context *ctx, const char *verb,
                            int (*body)(lua_State *), void *argument)
{
    struct wr_lua *lua = weir_context_thread_state(ctx);
    if (!lua) {
        return weir_context_fail(ctx, WEIR_E_INTERNAL,
                                 "%s: the thread has no Lua state", verb);
    }
    enum weir_status status = wr_lua_call(lua, body, argument);
    if (status != WEIR_OK && lua->error[0]) {
        return weir_context_fail(ctx, status, "%s: %s", verb, lua->error);
    }
    return status;
}

/* ---- arguments ----------------------------------------------------------- */

static void set_text(lua_State *L, const char *field, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, field);
}

static void set_integer(lua_State *L, const char *field, int64_t value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, field);
}

static void push_record(lua_State *L, struct weir_context *ctx,
                        const struct weir_record *record)
{
    lua_createtable(L, 0, 5);
    set_text(L, "topic", weir_context_topic(ctx));
    set_integer(L, "partition", weir_context_partition(ctx));
    set_integer(L, "offset", weir_context_offset(ctx));
    set_integer(L, "timestamp", record->timestamp_ms);
    lua_createtable(L, 0, (int)record->header_count);
    for (size_t i = 0; i < record->header_count; i++) {
        const struct weir_header *h = &record->headers[i];
        wr_lua_push(L, WR_LUA_BYTES, h->key);
        wr_lua_push(L, WR_LUA_BYTES, h->value);
        lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "headers");
}

int wr_lua_push_arguments(lua_State *L, const struct wr_lua_function *fn,
                          int before, const struct wr_lua_node *node,
                          struct weir_context *ctx,
                          const struct weir_record *record)
{
    int wanted = fn->parameters - before;
    wr_lua_push(L, node->in_value, record->value);
    if (wanted < 2) {
        return 1;
    }
    wr_lua_push(L, node->in_key, record->key);
    if (wanted < 3) {
        return 2;
    }
    push_record(L, ctx, record);
    return 3;
}

/* ---- one callback -------------------------------------------------------- */

/* What a body works on. */
struct call {
    struct weir_context *ctx;
    const struct wr_lua_node *node;
    const struct wr_lua_function *fn;
    const struct weir_record *record;
    struct weir_emitter *emitter;
    struct weir_bytes aggregate;
    struct weir_bytes out_key, out_value;
    struct wr_lua_place key_place, value_place; /* of results, for emit */
    bool out_keep;
    int64_t number; /* a timestamp or a count of partitions, and the result */
};

/* A call of the verb's own function. */
static struct call call_of(struct weir_context *ctx,
                           const struct weir_record *record, void *user)
{
    const struct wr_lua_node *node = user;
    return (struct call){
        .ctx = ctx, .node = node, .fn = &node->fn, .record = record};
}

static enum weir_status run(struct call *call, int (*body)(lua_State *))
{
    return wr_lua_run(call->ctx, call->node->verb, body, call);
}

/* Calls the function with the record's arguments; its n results are on top. */
static void call_function(lua_State *L, const struct call *call, int results)
{
    wr_lua_push_function(L, call->fn);
    int n = wr_lua_push_arguments(L, call->fn, 0, call->node, call->ctx,
                                  call->record);
    lua_call(L, n, results);
}

static struct wr_lua_place place(const struct call *call, const char *part)
{
    return (struct wr_lua_place){call->node->verb, "returned", part,
                                 call->node->how};
}

static struct weir_bytes take_key(lua_State *L, const struct call *call,
                                  int index)
{
    struct wr_lua_place here = place(call, "key");
    return wr_lua_take_copy(L, index, call->node->out_key, call->ctx, &here);
}

static struct weir_bytes take_value(lua_State *L, const struct call *call,
                                    int index)
{
    struct wr_lua_place here = place(call, "value");
    return wr_lua_take_copy(L, index, call->node->out_value, call->ctx, &here);
}

static int predicate_body(lua_State *L)
{
    struct call *call = lua_touserdata(L, 1);
    call_function(L, call, 1);
    if (!lua_isboolean(L, -1) && !lua_isnil(L, -1)) {
        return luaL_error(L,
                          "%s must return true or false, not a %s; write "
                          "`return x ~= nil` to ask whether x is there",
                          call->node->verb, luaL_typename(L, -1));
    }
    call->out_keep = lua_toboolean(L, -1);
    return 0;
}

enum weir_status wr_lua_on_predicate(struct weir_context *ctx,
                                     const struct weir_record *record,
                                     bool *out_keep, void *user)
{
    struct call call = call_of(ctx, record, user);
    enum weir_status status = run(&call, predicate_body);
    *out_keep = call.out_keep;
    return status;
}

static int value_body(lua_State *L)
{
    struct call *call = lua_touserdata(L, 1);
    call_function(L, call, 1);
    call->out_value = take_value(L, call, -1);
    return 0;
}

enum weir_status wr_lua_on_value(struct weir_context *ctx,
                                 const struct weir_record *record,
                                 struct weir_bytes *out, void *user)
{
    struct call call = call_of(ctx, record, user);
    enum weir_status status = run(&call, value_body);
    *out = call.out_value;
    return status;
}

static int key_body(lua_State *L)
{
    struct call *call = lua_touserdata(L, 1);
    call_function(L, call, 1);
    call->out_key = take_key(L, call, -1);
    return 0;
}

enum weir_status wr_lua_on_key(struct weir_context *ctx,
                               const struct weir_record *record,
                               struct weir_bytes *out, void *user)
{
    struct call call = call_of(ctx, record, user);
    enum weir_status status = run(&call, key_body);
    *out = call.out_key;
    return status;
}

static int pair_body(lua_State *L)
{
    struct call *call = lua_touserdata(L, 1);
    call_function(L, call, 2);
    call->out_key = take_key(L, call, -2);
    call->out_value = take_value(L, call, -1);
    return 0;
}

enum weir_status wr_lua_on_pair(struct weir_context *ctx,
                                const struct weir_record *record,
                                struct weir_bytes *out_key,
                                struct weir_bytes *out_value, void *user)
{
    struct call call = call_of(ctx, record, user);
    enum weir_status status = run(&call, pair_body);
    *out_key = call.out_key;
    *out_value = call.out_value;
    return status;
}

static int action_body(lua_State *L)
{
    call_function(L, lua_touserdata(L, 1), 0);
    return 0;
}

enum weir_status wr_lua_on_action(struct weir_context *ctx,
                                  const struct weir_record *record, void *user)
{
    struct call call = call_of(ctx, record, user);
    return run(&call, action_body);
}

/* ---- any number of results ----------------------------------------------- */

/* Passes the value on top (and, with keys, the key below it) downstream. */
static void emit(lua_State *L, struct call *call, bool with_key)
{
    struct wr_lua *lua = wr_lua_of(L);
    struct wr_arena_mark scope = wr_scope_begin(call->ctx);
    struct weir_bytes key = WEIR_NULL;
    if (with_key) {
        key = wr_lua_take(L, -2, call->node->out_key, call->ctx,
                          &call->key_place);
    }
    struct weir_bytes value = wr_lua_take(L, -1, call->node->out_value,
                                          call->ctx, &call->value_place);
    wr_lua_pause(lua);
    enum weir_status status = with_key ? weir_emit(call->emitter, key, value)
                                       : weir_emit_value(call->emitter, value);
    wr_lua_resume(lua);
    wr_lua_must(L, status);
    wr_scope_end(call->ctx, &scope);
}

/* The list at index 2: values, or with keys {key, value} pairs. */
static void emit_list(lua_State *L, struct call *call, bool with_key)
{
    lua_Integer n = (lua_Integer)lua_rawlen(L, 2);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, 2, i);
        if (with_key) {
            if (!lua_istable(L, -1)) {
                luaL_error(L,
                           "flat_map: result %d must be a pair {key, value},"
                           " not a %s",
                           (int)i, luaL_typename(L, -1));
            }
            lua_rawgeti(L, -1, 1);
            lua_rawgeti(L, -2, 2);
        }
        emit(L, call, with_key);
        lua_settop(L, 4);
    }
}

/* The iterator at 2, its state at 3, its control value at 4, as in a for loop.
 */
static void emit_iterator(lua_State *L, struct call *call, bool with_key)
{
    for (int count = 0;; count++) {
        if (count == RESULTS_MAX) {
            luaL_error(L,
                       "%s: more than %d results for one record; does the "
                       "iterator end?",
                       call->node->verb, RESULTS_MAX);
        }
        lua_pushvalue(L, 2);
        lua_pushvalue(L, 3);
        lua_pushvalue(L, 4);
        lua_call(L, 2, with_key ? 2 : 1);
        if (lua_isnil(L, 5)) {
            lua_settop(L, 4);
            return;
        }
        emit(L, call, with_key);
        lua_settop(L, 5);
        lua_replace(L, 4);
    }
}

static int emit_results(lua_State *L, bool with_key)
{
    struct call *call = lua_touserdata(L, 1);
    call->key_place = place(call, "key");
    call->value_place = place(call, "value");
    call_function(L, call, 3);
    if (lua_istable(L, 2)) {
        emit_list(L, call, with_key);
    } else if (lua_isfunction(L, 2)) {
        emit_iterator(L, call, with_key);
    } else if (!lua_isnil(L, 2)) {
        return luaL_error(L,
                          "%s must return a list, an iterator or nil, not a "
                          "%s; for one result write `return {x}`",
                          call->node->verb, luaL_typename(L, 2));
    }
    return 0;
}

static int flat_body(lua_State *L)
{
    return emit_results(L, true);
}

static int flat_values_body(lua_State *L)
{
    return emit_results(L, false);
}

static enum weir_status run_flat(struct weir_emitter *out,
                                 const struct weir_record *record, void *user,
                                 int (*body)(lua_State *))
{
    struct call call = call_of(weir_emitter_context(out), record, user);
    call.emitter = out;
    return run(&call, body);
}

enum weir_status wr_lua_on_flat(struct weir_emitter *out,
                                const struct weir_record *record, void *user)
{
    return run_flat(out, record, user, flat_body);
}

enum weir_status wr_lua_on_flat_values(struct weir_emitter *out,
                                       const struct weir_record *record,
                                       void *user)
{
    return run_flat(out, record, user, flat_values_body);
}

/* ---- aggregates ---------------------------------------------------------- */

static int init_body(lua_State *L)
{
    struct call *call = lua_touserdata(L, 1);
    wr_lua_push_function(L, call->fn);
    lua_call(L, 0, 1);
    call->out_value = take_value(L, call, -1);
    return 0;
}

enum weir_status wr_lua_on_init(struct weir_context *ctx,
                                struct weir_bytes *out, void *user)
{
    struct call call = call_of(ctx, NULL, user);
    call.fn = &call.node->init;
    enum weir_status status = run(&call, init_body);
    *out = call.out_value;
    return status;
}

/* fn(row, value, key) */
static int add_body(lua_State *L)
{
    struct call *call = lua_touserdata(L, 1);
    wr_lua_push_function(L, call->fn);
    wr_lua_push(L, call->node->out_value, call->aggregate);
    int n = wr_lua_push_arguments(L, call->fn, 1, call->node, call->ctx,
                                  call->record);
    lua_call(L, n + 1, 1);
    call->out_value = take_value(L, call, -1);
    return 0;
}

enum weir_status wr_lua_on_add(struct weir_context *ctx,
                               const struct weir_record *record,
                               struct weir_bytes aggregate,
                               struct weir_bytes *out, void *user)
{
    struct call call = call_of(ctx, record, user);
    call.aggregate = aggregate;
    enum weir_status status = run(&call, add_body);
    *out = call.out_value;
    return status;
}

enum weir_status wr_lua_on_subtract(struct weir_context *ctx,
                                    const struct weir_record *record,
                                    struct weir_bytes aggregate,
                                    struct weir_bytes *out, void *user)
{
    struct call call = call_of(ctx, record, user);
    call.fn = &call.node->subtract;
    call.aggregate = aggregate;
    enum weir_status status = run(&call, add_body);
    *out = call.out_value;
    return status;
}

/* ---- times and partitions --------------------------------------------------
 */

/* The whole number on top; text that looks like one does not count. */
static int64_t take_whole(lua_State *L, const struct call *call,
                          const char *option, const char *due)
{
    int whole = 0;
    lua_Integer n =
        lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &whole) : 0;
    if (!whole) {
        luaL_error(L, "%s: '%s' must return %s, not %s", call->node->verb,
                   option, due, luaL_tolstring(L, -1, NULL));
    }
    return n;
}

static int timestamp_body(lua_State *L)
{
    struct call *call = lua_touserdata(L, 1);
    call_function(L, call, 1);
    call->number = take_whole(L, call, "timestamp",
                              "whole milliseconds since 1970 (a negative "
                              "number leaves the record out)");
    return 0;
}

enum weir_status wr_lua_on_timestamp(struct weir_context *ctx,
                                     const struct weir_record *record,
                                     int64_t *timestamp_ms, void *user)
{
    struct weir_record timed = *record;
    timed.timestamp_ms = *timestamp_ms;
    struct call call = call_of(ctx, &timed, user);
    enum weir_status status = run(&call, timestamp_body);
    *timestamp_ms = call.number;
    return status;
}

/* fn(count, value, key) */
static int partition_body(lua_State *L)
{
    struct call *call = lua_touserdata(L, 1);
    int64_t count = call->number;
    wr_lua_push_function(L, call->fn);
    lua_pushinteger(L, count);
    int n = wr_lua_push_arguments(L, call->fn, 1, call->node, call->ctx,
                                  call->record);
    lua_call(L, n + 1, 1);
    call->number = -1;
    if (!lua_isnil(L, -1)) {
        call->number = take_whole(L, call, "partition",
                                  "the number of a partition, or nil for the "
                                  "one that the key chooses");
        if (call->number < 0 || call->number >= count) {
            return luaL_error(L,
                              "%s: 'partition' returned %I; the topic has "
                              "partitions 0 to %I",
                              call->node->verb, (LUAI_UACINT)call->number,
                              (LUAI_UACINT)count - 1);
        }
    }
    return 0;
}

enum weir_status wr_lua_on_partition(struct weir_context *ctx,
                                     const char *topic,
                                     const struct weir_record *record,
                                     int32_t partition_count,
                                     int32_t *partition, void *user)
{
    (void)topic;
    struct call call = call_of(ctx, record, user);
    call.number = partition_count;
    enum weir_status status = run(&call, partition_body);
    *partition = (int32_t)call.number;
    return status;
}
