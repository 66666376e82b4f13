/* SPDX-License-Identifier: Apache-2.0
 *
 * What the verbs of a script share: handles, functions by ordinal, the trace.
 */
#include "dsl/lua_build.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define HANDLE_MAGIC  0x77686e64u /* "whnd" */
#define FUNCTIONS_MAX 10000

static const char *const kind_names[] = {
    [WR_LUA_APP] = "app",
    [WR_LUA_STREAM] = "stream",
    [WR_LUA_TABLE] = "table",
    [WR_LUA_GROUPED] = "grouped stream",
    [WR_LUA_GROUPED_TABLE] = "grouped table",
};

struct wr_lua_handle *wr_lua_push_handle(lua_State *L,
                                         enum wr_lua_handle_kind kind,
                                         void *object, enum wr_lua_type key,
                                         enum wr_lua_type value)
{
    struct wr_lua_handle *handle = lua_newuserdatauv(L, sizeof(*handle), 0);
    *handle = (struct wr_lua_handle){HANDLE_MAGIC, kind, object, key, value};
    luaL_setmetatable(L, kind_names[kind]);
    return handle;
}

bool wr_lua_is_handle(lua_State *L, int index, enum wr_lua_handle_kind kind)
{
    const struct wr_lua_handle *handle =
        lua_type(L, index) == LUA_TUSERDATA ? lua_touserdata(L, index) : NULL;
    return handle && lua_rawlen(L, index) == sizeof(*handle) &&
           handle->magic == HANDLE_MAGIC && handle->kind == kind;
}

struct wr_lua_handle *wr_lua_check_handle(lua_State *L, int index,
                                          enum wr_lua_handle_kind kind)
{
    if (!wr_lua_is_handle(L, index, kind)) {
        luaL_error(L, "a %s is due as %s, not a %s", kind_names[kind],
                   index == 1 ? "the object before ':'" : "an argument",
                   luaL_typename(L, index));
    }
    return lua_touserdata(L, index);
}

struct wr_lua_build *wr_lua_building(lua_State *L, const char *verb)
{
    struct wr_lua_build *build = wr_lua_of(L)->build;
    if (!build) {
        luaL_error(L,
                   "%s: the topology is fixed once the script has returned "
                   "its app; call verbs only while it loads",
                   verb);
    }
    return build;
}

/* ---- functions ----------------------------------------------------------- */

struct wr_lua_function wr_lua_take_function(lua_State *L, int index,
                                            const char *verb)
{
    struct wr_lua *lua = wr_lua_of(L);
    if (lua_type(L, index) != LUA_TFUNCTION) {
        luaL_error(L, "%s: a function is due, but there is: %s", verb,
                   luaL_typename(L, index));
    }
    if (lua->function_count == lua->function_cap) {
        size_t cap = lua->function_cap ? lua->function_cap * 2 : 16;
        int *grown = cap > FUNCTIONS_MAX
                         ? NULL
                         : realloc(lua->functions, cap * sizeof(*grown));
        if (!grown) {
            luaL_error(L, "%s: too many functions", verb);
            return (struct wr_lua_function){0}; /* not reached */
        }
        lua->functions = grown;
        lua->function_cap = cap;
    }
    lua_Debug ar;
    lua_pushvalue(L, index);
    lua_getinfo(L, ">uS", &ar);
    lua_pushvalue(L, index);
    int reference = luaL_ref(L, LUA_REGISTRYINDEX);
    lua->functions[lua->function_count] = reference;
    wr_lua_trace(L, "function %s:%d", ar.short_src, ar.linedefined);
    return (struct wr_lua_function){
        .ordinal = lua->function_count++,
        .parameters = ar.what[0] == 'C' ? 1
                      : ar.isvararg     ? 255
                                        : ar.nparams,
    };
}

void wr_lua_push_function(lua_State *L, const struct wr_lua_function *fn)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, wr_lua_of(L)->functions[fn->ordinal]);
}

struct wr_lua_node *wr_lua_node(lua_State *L, const char *verb, const char *how,
                                const struct wr_lua_handle *in)
{
    struct wr_lua_build *build = wr_lua_building(L, verb);
    struct wr_lua_node *node = wr_graph_alloc(build->builder, sizeof(*node));
    wr_lua_check_builder(L, build, verb);
    static const struct wr_lua_function none = {WR_LUA_NO_FUNCTION, 0};
    *node = (struct wr_lua_node){
        .verb = verb,
        .how = how,
        .fn = none,
        .init = none,
        .subtract = none,
        .in_key = in->key,
        .in_value = in->value,
        .out_key = in->key,
        .out_value = in->value,
    };
    return node;
}

/* ---- errors and the trace ------------------------------------------------ */

void wr_lua_check_builder(lua_State *L, struct wr_lua_build *build,
                          const char *verb)
{
    const struct weir_error *error = &build->builder->error;
    if (error->status == WEIR_OK) {
        return;
    }
    size_t len = strlen(verb);
    bool named = strncmp(error->text, verb, len) == 0;
    luaL_error(L, "%s%s%s", named ? "" : verb, named ? "" : ": ", error->text);
}

void wr_lua_trace(lua_State *L, const char *format, ...)
{
    struct wr_lua_build *build = wr_lua_of(L)->build;
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    luaL_where(L, 1);
    wr_buf_printf(&build->trace, "%s%s\n", lua_tostring(L, -1), line);
    lua_pop(L, 1);
}
