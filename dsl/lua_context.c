/* SPDX-License-Identifier: Apache-2.0
 *
 * What a script's processor can do with ctx:
 *
 *   ctx:emit(key, value [, {timestamp =, headers =, to =}])
 *   ctx:every("30s", "wall" | "stream", function(now) ... end)  ->
 * timer:cancel() ctx:commit()     asks for a commit soon ctx:now()        wall
 * clock, ms     ctx:stream_time()   ms ctx:topic() ctx:partition() ctx:offset()
 * ctx:timestamp() ctx:task() ctx.<store>      its stores (lua_stores.c) */
#include "dsl/lua_process.h"

#include "runtime/scope.h"

#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>

#define HEADERS_MAX 256
#define EMITS_MAX   1000000     /* of one call, or of one row of a walk */
#define TIMERS_MAX  1000        /* of one instance */
#define TIMER_MAGIC 0x77746d72u /* "wtmr" */

static struct wr_lua_instance *self(lua_State *L)
{
    return *wr_lua_object(L, 1, WR_LUA_CONTEXT_MAGIC, "ctx")->home;
}

/* ---- emit ---------------------------------------------------------------- */

static size_t count_headers(lua_State *L, int index)
{
    size_t count = 0;
    if (!lua_istable(L, index)) {
        luaL_error(L, "emit: 'headers' must be a table of names and values");
    }
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        count++;
    }
    if (count > HEADERS_MAX) {
        luaL_error(L, "emit: more than %d headers", HEADERS_MAX);
    }
    return count;
}

/* Headers from a table of names and values; memory of the emit. */
static void read_headers(lua_State *L, int index,
                         struct wr_lua_instance *instance,
                         struct weir_record *record)
{
    static const struct wr_lua_place name = {"emit", "was given", "header name",
                                             ""};
    static const struct wr_lua_place value = {"emit", "was given",
                                              "header value", ""};
    size_t room = sizeof(struct weir_header) * count_headers(L, index);
    struct weir_header *headers = weir_context_alloc(instance->ctx, room);
    if (!headers) {
        luaL_error(L, "emit: no memory for headers");
        return; /* not reached */
    }
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        headers[count].key =
            wr_lua_take_copy(L, -2, WR_LUA_TEXT, instance->ctx, &name);
        headers[count].value =
            wr_lua_take_copy(L, -1, WR_LUA_BYTES, instance->ctx, &value);
        count++;
    }
    record->headers = headers;
    record->header_count = count;
}

static int64_t check_timestamp(lua_State *L)
{
    int is_integer;
    int64_t ms = lua_tointegerx(L, -1, &is_integer);
    if (!is_integer) {
        luaL_error(L,
                   "emit: 'timestamp' must be whole milliseconds since 1970, "
                   "not %s",
                   luaL_tolstring(L, -1, NULL));
    }
    return ms;
}

/* The table at index 4; returns the child to emit to, or NULL. */
static const char *read_emit_options(lua_State *L,
                                     struct wr_lua_instance *instance,
                                     struct weir_record *record)
{
    luaL_checktype(L, 4, LUA_TTABLE);
    const char *to = NULL;
    for (lua_pushnil(L); lua_next(L, 4); lua_pop(L, 1)) {
        const char *field =
            lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        if (strcmp(field, "timestamp") == 0) {
            record->timestamp_ms = check_timestamp(L);
        } else if (strcmp(field, "headers") == 0) {
            read_headers(L, lua_gettop(L), instance, record);
        } else if (strcmp(field, "to") == 0) {
            to = luaL_checkstring(L, -1);
        } else {
            luaL_error(L,
                       "emit: unknown option '%s'; there are timestamp, "
                       "headers and to",
                       field);
        }
    }
    if (record->timestamp_ms < 0) {
        luaL_error(L, "emit: the timestamp is negative");
    }
    return to;
}

/* What goes downstream is not the script's time, so that the watch would come
 * late to a loop that emits. A walk over a store may emit for each of its rows:
 * iterator_next begins the count anew. */
static void check_emits(lua_State *L, struct wr_lua_instance *instance)
{
    if (++instance->emitted > EMITS_MAX) {
        luaL_error(L,
                   "emit: more than %d records in one call; does the loop "
                   "end?",
                   EMITS_MAX);
    }
}

static int context_emit(lua_State *L)
{
    struct wr_lua_instance *instance = self(L);
    check_emits(L, instance);
    const struct wr_lua_node *node = instance->node;
    struct wr_lua_place key = {"emit", "was given", "key", node->how};
    struct wr_lua_place value = {"emit", "was given", "value", node->how};
    struct weir_record record = {.timestamp_ms = instance->now_ms};
    if (instance->record) {
        record.headers = instance->record->headers;
        record.header_count = instance->record->header_count;
    }
    struct wr_arena_mark scope = wr_scope_begin(instance->ctx);
    record.key = wr_lua_take(L, 2, node->out_key, instance->ctx, &key);
    record.value = wr_lua_take(L, 3, node->out_value, instance->ctx, &value);
    const char *to =
        lua_isnoneornil(L, 4) ? NULL : read_emit_options(L, instance, &record);
    struct wr_lua *lua = instance->lua;
    wr_lua_pause(lua);
    enum weir_status status = to ? weir_forward_to(instance->ctx, to, &record)
                                 : weir_forward(instance->ctx, &record);
    wr_lua_resume(lua);
    wr_lua_must(L, status);
    wr_scope_end(instance->ctx, &scope);
    return 0;
}

/* ---- timers -------------------------------------------------------------- */

struct wr_lua_timer {
    struct wr_lua_timer *next;
    struct wr_lua_instance *instance;
    struct weir_punctuator *punctuator; /* lent; NULL once cancelled */
    int function;                       /* registry, until then */
    int64_t now_ms;                     /* of the call that runs */
};

/* What ctx:every returns. Timers live as long as their instance. */
struct timer_handle {
    struct wr_lua_object object;
    struct wr_lua_timer *timer;
};

static int timer_body(lua_State *L)
{
    const struct wr_lua_timer *timer = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, timer->function);
    lua_pushinteger(L, timer->now_ms);
    lua_call(L, 1, 0);
    return 0;
}

static enum weir_status on_timer(struct weir_context *ctx, int64_t now_ms,
                                 void *state)
{
    struct wr_lua_timer *timer = state;
    struct wr_lua_instance *instance = timer->instance;
    timer->now_ms = now_ms;
    instance->now_ms = now_ms;
    return wr_lua_run_instance(instance, ctx, timer_body, timer);
}

/* "30s", "5m", "1h", "100ms", or milliseconds. */
static int64_t check_duration(lua_State *L, int index)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    if (lua_type(L, index) == LUA_TNUMBER) {
        return luaL_checkinteger(L, index);
    }
    const char *text = luaL_checkstring(L, index);
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (end != text && strcmp(end, units[i].unit) == 0 && errno == 0 &&
            n <= INT64_MAX / units[i].ms) {
            return n * units[i].ms;
        }
    }
    luaL_error(L,
               "'%s' is no duration: write \"100ms\", \"30s\", \"5m\", "
               "\"1h\", \"1d\", or milliseconds",
               text);
    return 0;
}

static int context_every(lua_State *L)
{
    struct wr_lua_instance *instance = self(L);
    int64_t interval_ms = check_duration(L, 2);
    static const char *const kinds[] = {"stream", "wall", NULL};
    int kind = luaL_checkoption(L, 3, NULL, kinds);
    luaL_checktype(L, 4, LUA_TFUNCTION);
    size_t count = 0;
    for (struct wr_lua_timer *t = instance->timers; t; t = t->next) {
        count++;
    }
    if (interval_ms < 1 || count >= TIMERS_MAX) {
        return luaL_error(
            L, interval_ms < 1 ? "every: the interval must be at least 1 ms"
                               : "every: more than 1000 timers; cancel() does "
                                 "not free one, so make them in open");
    }
    struct timer_handle *handle = (struct timer_handle *)wr_lua_new_object(
        L, 1, TIMER_MAGIC, sizeof(*handle), "timer");
    lua_pushvalue(L, 4);
    int function = luaL_ref(L, LUA_REGISTRYINDEX);
    struct wr_lua_timer *timer = calloc(1, sizeof(*timer));
    if (!timer) {
        return luaL_error(L, "every: no memory");
    }
    timer->next = instance->timers;
    timer->instance = instance;
    timer->function = function;
    instance->timers = timer;
    handle->timer = timer;
    wr_lua_must(
        L, weir_context_schedule(instance->ctx, interval_ms,
                                 kind == 0 ? WEIR_STREAM_TIME : WEIR_WALL_CLOCK,
                                 on_timer, timer, &timer->punctuator));
    return 1;
}

static int timer_cancel(lua_State *L)
{
    struct timer_handle *handle =
        (struct timer_handle *)wr_lua_object(L, 1, TIMER_MAGIC, "timer");
    struct wr_lua_timer *timer = handle->timer;
    weir_punctuator_cancel(timer->punctuator);
    timer->punctuator = NULL;
    luaL_unref(L, LUA_REGISTRYINDEX, timer->function);
    timer->function = LUA_NOREF;
    return 0;
}

void wr_lua_free_timers(struct wr_lua_instance *instance)
{
    while (instance->timers) {
        struct wr_lua_timer *timer = instance->timers;
        instance->timers = timer->next;
        free(timer);
    }
}

/* ---- what there is to know ----------------------------------------------- */

static int context_commit(lua_State *L)
{
    weir_context_request_commit(self(L)->ctx);
    return 0;
}

static int context_now(lua_State *L)
{
    lua_pushinteger(L, weir_context_wall_clock_ms(self(L)->ctx));
    return 1;
}

static int context_stream_time(lua_State *L)
{
    lua_pushinteger(L, weir_context_stream_time_ms(self(L)->ctx));
    return 1;
}

static int context_topic(lua_State *L)
{
    lua_pushstring(L, weir_context_topic(self(L)->ctx));
    return 1;
}

static int context_partition(lua_State *L)
{
    lua_pushinteger(L, weir_context_partition(self(L)->ctx));
    return 1;
}

static int context_offset(lua_State *L)
{
    lua_pushinteger(L, weir_context_offset(self(L)->ctx));
    return 1;
}

static int context_timestamp(lua_State *L)
{
    lua_pushinteger(L, self(L)->now_ms);
    return 1;
}

static int context_task(lua_State *L)
{
    lua_pushstring(L, weir_context_task(self(L)->ctx));
    return 1;
}

static int set_field(lua_State *L)
{
    return luaL_error(L,
                      "ctx.%s cannot be set: what a processor keeps in memory "
                      "is lost when its task moves; use a store",
                      luaL_tolstring(L, 2, NULL));
}

static const char methods_key = 'm'; /* registry: ctx's methods */

void wr_lua_open_context(lua_State *L)
{
    static const luaL_Reg methods[] = {{"emit", context_emit},
                                       {"every", context_every},
                                       {"commit", context_commit},
                                       {"now", context_now},
                                       {"stream_time", context_stream_time},
                                       {"topic", context_topic},
                                       {"partition", context_partition},
                                       {"offset", context_offset},
                                       {"timestamp", context_timestamp},
                                       {"task", context_task},
                                       {NULL, NULL}};
    static const luaL_Reg timer_methods[] = {{"cancel", timer_cancel},
                                             {NULL, NULL}};
    luaL_newlib(L, methods);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &methods_key);
    luaL_newmetatable(L, "timer");
    luaL_newlib(L, timer_methods);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

/** ctx itself: the home of its instance. */
struct context {
    struct wr_lua_object object;
    struct wr_lua_instance *instance;
};

/* ctx's fields are one table per instance, its stores in front of the methods,
 * so that ctx.seen is one look-up. ctx is on top of the metatable. */
static void push_fields(lua_State *L, int context,
                        const struct wr_lua_instance *instance)
{
    const struct wr_lua_process *process = instance->node->process;
    lua_newtable(L);
    for (size_t i = 0; i < process->store_count; i++) {
        struct wr_lua_object *store = wr_lua_new_object(
            L, context, WR_LUA_STORE_MAGIC, sizeof(*store), "store");
        store->store = i;
        lua_setfield(L, -2, process->store_names[i]);
    }
    lua_createtable(L, 0, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &methods_key);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

void wr_lua_new_context(lua_State *L, struct wr_lua_instance *instance)
{
    struct context *context = lua_newuserdatauv(L, sizeof(*context), 0);
    *context = (struct context){{WR_LUA_CONTEXT_MAGIC, &context->instance, 0},
                                instance};
    lua_createtable(L, 0, 3);
    push_fields(L, lua_gettop(L) - 1, instance);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, set_field);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    instance->context = luaL_ref(L, LUA_REGISTRYINDEX);
    instance->home = &context->instance;
}

void wr_lua_drop_context(lua_State *L, struct wr_lua_instance *instance)
{
    for (struct wr_lua_timer *t = instance->timers; t; t = t->next) {
        luaL_unref(L, LUA_REGISTRYINDEX, t->function);
    }
    luaL_unref(L, LUA_REGISTRYINDEX, instance->context);
    instance->context = 0;
}
