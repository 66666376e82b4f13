/* SPDX-License-Identifier: Apache-2.0
 *
 * The verb process, and the processor it makes: instances, and the way into
 * their callbacks. What a script can do with ctx is in lua_context.c, with a
 * store in lua_stores.c. */
#include "dsl/lua_process.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>

#define KV_MAGIC 0x776b7673u /* "wkvs" */

/* ---- weir.kv: what a store is to be -------------------------------------- */

struct kv {
    uint32_t magic;
    enum wr_lua_type key, value;
    bool memory, no_changelog;
};

/* weir.kv(type) or weir.kv{key =, value =, memory =, changelog =} */
int wr_lua_kv(lua_State *L)
{
    struct wr_lua_options o;
    wr_lua_read_options(L, 1, "weir.kv",
                        WR_LUA_OPT_KEY | WR_LUA_OPT_VALUE | WR_LUA_OPT_KV, &o);
    struct kv *kv = lua_newuserdatauv(L, sizeof(*kv), 0);
    *kv = (struct kv){KV_MAGIC, o.has_key ? o.key : WR_LUA_TEXT,
                      o.has_value ? o.value : WR_LUA_BYTES, o.memory,
                      o.no_changelog};
    return 1;
}

static const struct kv *check_kv(lua_State *L, int index, const char *name)
{
    const struct kv *kv =
        lua_type(L, index) == LUA_TUSERDATA ? lua_touserdata(L, index) : NULL;
    if (!kv || lua_rawlen(L, index) != sizeof(*kv) || kv->magic != KV_MAGIC) {
        luaL_error(L,
                   "process: store '%s' must be made with weir.kv(...), not "
                   "be a %s",
                   name, luaL_typename(L, index));
    }
    return kv;
}

/* ---- the declaration ----------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a;
    const char *const *y = b;
    return strcmp(*x, *y);
}

/* The stores' names in order, so that every state declares them alike. */
static void read_store_names(lua_State *L, int index,
                             struct weir_builder *builder,
                             struct wr_lua_process *process)
{
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING) {
            luaL_error(L, "process: stores must be named, as in stores = {seen "
                          "= weir.kv(weir.int64)}");
        }
        if (process->store_count == WR_LUA_STORES_MAX) {
            luaL_error(L, "process: more than %d stores", WR_LUA_STORES_MAX);
        }
        process->store_names[process->store_count++] =
            wr_graph_text(builder, lua_tostring(L, -2));
    }
    qsort(process->store_names, process->store_count,
          sizeof(process->store_names[0]), compare_names);
}

static void read_stores(lua_State *L, struct wr_lua_build *build,
                        struct wr_lua_process *process)
{
    int type = lua_getfield(L, 2, "stores");
    if (type != LUA_TNIL && type != LUA_TTABLE) {
        luaL_error(L, "process: 'stores' must be a table, not a %s",
                   luaL_typename(L, -1));
    }
    int index = lua_gettop(L);
    if (type == LUA_TTABLE) {
        read_store_names(L, index, build->builder, process);
    }
    for (size_t i = 0; i < process->store_count; i++) {
        const char *name = process->store_names[i];
        lua_getfield(L, index, name);
        const struct kv *kv = check_kv(L, -1, name);
        process->stores[i] =
            (struct wr_lua_process_store){name, kv->key, kv->value};
        weir_builder_store(
            build->builder,
            &(struct weir_store_spec){
                .size = sizeof(struct weir_store_spec),
                .name = name,
                .engine = kv->memory ? WEIR_MEMORY : WEIR_ROCKSDB,
                .no_changelog = kv->no_changelog,
                .key_serde = wr_lua_type_serde(kv->key),
                .value_serde = wr_lua_type_serde(kv->value),
            });
        wr_lua_trace(L, "store %s key=%s value=%s", name,
                     wr_lua_type_name(kv->key), wr_lua_type_name(kv->value));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static struct wr_lua_function read_callback(lua_State *L, const char *field)
{
    struct wr_lua_function fn = {WR_LUA_NO_FUNCTION, 0};
    int type = lua_getfield(L, 2, field);
    if (type == LUA_TFUNCTION) {
        fn = wr_lua_take_function(L, lua_gettop(L), "process");
    } else if (type != LUA_TNIL || strcmp(field, "each") == 0) {
        luaL_error(L, "process: '%s' must be a function, not a %s", field,
                   luaL_typename(L, -1));
    }
    lua_pop(L, 1);
    return fn;
}

static enum weir_status open_instance(struct weir_context *ctx, void *user,
                                      void **state);
static enum weir_status process_record(struct weir_context *ctx,
                                       const struct weir_record *record,
                                       void *state);
static void close_instance(struct weir_context *ctx, void *state);

int wr_lua_process_verb(lua_State *L)
{
    struct wr_lua_build *build = wr_lua_building(L, "process");
    const struct wr_lua_handle *in = wr_lua_check_handle(L, 1, WR_LUA_STREAM);
    luaL_checktype(L, 2, LUA_TTABLE);
    struct wr_lua_options o;
    wr_lua_read_options(L, 2, "process",
                        WR_LUA_OPT_NAME | WR_LUA_OPT_KEY | WR_LUA_OPT_VALUE |
                            WR_LUA_OPT_PROCESS,
                        &o);
    struct wr_lua_node *node =
        wr_lua_node(L, "process", "process{? = weir.*, ...}", in);
    struct wr_lua_process *process =
        wr_graph_alloc(build->builder, sizeof(*process));
    wr_lua_check_builder(L, build, "process");
    node->process = process;
    node->out_key = o.has_key ? o.key : in->key;
    node->out_value = o.has_value ? o.value : in->value;
    process->open = read_callback(L, "open");
    node->fn = read_callback(L, "each");
    process->close = read_callback(L, "close");
    read_stores(L, build, process);
    struct weir_processor processor = {
        .size = sizeof(processor),
        .name = o.name,
        .open = open_instance,
        .process = process_record,
        .close = close_instance,
        .user = node,
        .stores = process->store_names,
        .store_count = process->store_count,
    };
    struct weir_stream *result = weir_stream_process(in->object, &processor);
    wr_lua_check_builder(L, build, "process");
    wr_lua_trace(L, "process name=%s key=%s value=%s", o.name ? o.name : "",
                 wr_lua_type_name(node->out_key),
                 wr_lua_type_name(node->out_value));
    wr_lua_push_handle(L, WR_LUA_STREAM, result, node->out_key,
                       node->out_value);
    return 1;
}

void wr_lua_open_process(lua_State *L)
{
    wr_lua_open_context(L);
    wr_lua_open_stores(L);
}

/* ---- instances ----------------------------------------------------------- */

struct wr_lua_object *wr_lua_object(lua_State *L, int index, uint32_t magic,
                                    const char *what)
{
    struct wr_lua_object *object =
        lua_type(L, index) == LUA_TUSERDATA ? lua_touserdata(L, index) : NULL;
    if (!object || lua_rawlen(L, index) < sizeof(*object) ||
        object->magic != magic) {
        luaL_error(L,
                   "%s %s is due before ':', not a %s (call it as "
                   "object:method(...))",
                   strchr("aeiou", what[0]) ? "an" : "a", what,
                   luaL_typename(L, index));
    } else if (!*object->home || !(*object->home)->ctx) {
        luaL_error(L, "the %s is used outside of its processor's callbacks",
                   what);
    }
    return object;
}

struct wr_lua_object *wr_lua_new_object(lua_State *L, int index, uint32_t magic,
                                        size_t size, const char *metatable)
{
    index = lua_absindex(L, index);
    const struct wr_lua_object *of = lua_touserdata(L, index);
    struct wr_lua_object *object = lua_newuserdatauv(L, size, 1);
    memset(object, 0, size);
    *object = (struct wr_lua_object){magic, of->home, of->store};
    lua_pushvalue(L, index);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, metatable);
    return object;
}

enum weir_status wr_lua_run_instance(struct wr_lua_instance *instance,
                                     struct weir_context *ctx,
                                     int (*body)(lua_State *), void *argument)
{
    struct weir_context *outer = instance->ctx;
    int emitted = instance->emitted;
    size_t put_bytes = instance->put_bytes;
    instance->ctx = ctx;
    instance->emitted = 0;
    instance->put_bytes = 0;
    enum weir_status status = wr_lua_run(ctx, "process", body, argument);
    wr_lua_close_iterators(instance);
    instance->ctx = outer;
    instance->emitted = emitted;
    instance->put_bytes = put_bytes;
    return status;
}

/* Calls a function of one argument, ctx. */
struct plain_call {
    struct wr_lua_instance *instance;
    const struct wr_lua_function *fn;
};

static int plain_body(lua_State *L)
{
    const struct plain_call *call = lua_touserdata(L, 1);
    if (!call->instance->context) {
        wr_lua_new_context(L, call->instance);
    }
    if (call->fn->ordinal != WR_LUA_NO_FUNCTION) {
        wr_lua_push_function(L, call->fn);
        lua_rawgeti(L, LUA_REGISTRYINDEX, call->instance->context);
        lua_call(L, 1, 0);
    }
    return 0;
}

static enum weir_status open_instance(struct weir_context *ctx, void *user,
                                      void **state)
{
    const struct wr_lua_node *node = user;
    struct wr_lua_instance *instance = calloc(1, sizeof(*instance));
    if (!instance) {
        return weir_context_fail(ctx, WEIR_E_NOMEM,
                                 "no memory for a processor");
    }
    *state = instance;
    instance->node = node;
    instance->lua = weir_context_thread_state(ctx);
    for (size_t i = 0; i < node->process->store_count; i++) {
        instance->stores[i] =
            weir_context_store(ctx, node->process->store_names[i]);
        if (!instance->stores[i]) {
            return weir_context_fail(ctx, WEIR_E_INTERNAL,
                                     "store '%s' is not connected",
                                     node->process->store_names[i]);
        }
    }
    instance->now_ms = weir_context_wall_clock_ms(ctx);
    struct plain_call call = {instance, &node->process->open};
    return wr_lua_run_instance(instance, ctx, plain_body, &call);
}

static int record_body(lua_State *L)
{
    const struct wr_lua_instance *instance = lua_touserdata(L, 1);
    const struct wr_lua_node *node = instance->node;
    wr_lua_push_function(L, &node->fn);
    lua_rawgeti(L, LUA_REGISTRYINDEX, instance->context);
    int n = wr_lua_push_arguments(L, &node->fn, 1, node, instance->ctx,
                                  instance->record);
    lua_call(L, n + 1, 0);
    return 0;
}

static enum weir_status process_record(struct weir_context *ctx,
                                       const struct weir_record *record,
                                       void *state)
{
    struct wr_lua_instance *instance = state;
    const struct weir_record *outer = instance->record;
    instance->record = record;
    instance->now_ms = record->timestamp_ms;
    enum weir_status status =
        wr_lua_run_instance(instance, ctx, record_body, instance);
    instance->record = outer;
    return status;
}

static int drop_context(lua_State *L)
{
    wr_lua_drop_context(L, lua_touserdata(L, 1));
    return 0;
}

static void close_instance(struct weir_context *ctx, void *state)
{
    struct wr_lua_instance *instance = state;
    if (!instance) {
        return;
    }
    if (instance->home) {
        struct plain_call call = {instance, &instance->node->process->close};
        /* A close that fails is told by the context; the task leaves anyway. */
        (void)!wr_lua_run_instance(instance, ctx, plain_body, &call);
        /* What the script still holds must not lead here: not left to a call
         * of Lua, which can fail. */
        *instance->home = NULL;
        /* what it could not drop, the state's end drops */
        (void)!wr_lua_call(instance->lua, drop_context, instance);
    }
    wr_lua_free_timers(instance);
    free(instance);
}
