/* SPDX-License-Identifier: Apache-2.0
 *
 * What a script may use. Three tables make its globals:
 *
 *   env      empty; the script's _ENV and _G. Reading goes on to `names`,
 * writing is a function that knows whether the script is still being loaded.
 *   names    the allowed functions, and the script's own globals
 *   strict   the metatable of `names`: an unknown name is an error that tells
 * the nearest known one
 *
 * Libraries are read-only views (empty tables whose __index is the real one).
 * Out of reach are io, package, debug, load and its kin, most of os,
 * string.dump, and finalizers (__gc), which run with hooks off and so could not
 * be stopped. Functions of C whose loops a table's size does not bound get
 * bounds here or in lua_string.c. */
#include "dsl/lua_state.h"

#include "base/log.h"
#include "base/options.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdlib.h>

#define MOVE_MAX 10000000 /* elements of one table.move */

/* ---- globals ------------------------------------------------------------- */

/* The known name nearest to `name` among the string keys of the table at index,
 * or NULL. The list is memory of Lua, since an error may jump over this frame.
 */
const char *wr_lua_nearest_key(lua_State *L, int index, const char *name)
{
    index = lua_absindex(L, index);
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        count++;
    }
    const char **names = lua_newuserdatauv(L, (count + 1) * sizeof(*names), 0);
    size_t i = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) == LUA_TSTRING) {
            names[i++] = lua_tostring(L, -2);
        }
    }
    names[i] = NULL;
    return wr_nearest_name(name, names);
}

static int unknown_global(lua_State *L)
{
    const char *name = luaL_tolstring(L, 2, NULL);
    const char *nearest = wr_lua_nearest_key(L, 1, name);
    if (nearest) {
        return luaL_error(L, "undefined global '%s': did you mean '%s'?", name,
                          nearest);
    }
    return luaL_error(L, "undefined global '%s'", name);
}

/* Upvalue: names. */
static int set_global(lua_State *L)
{
    const char *name = luaL_tolstring(L, 2, NULL);
    if (!wr_lua_of(L)->build) {
        return luaL_error(L,
                          "global '%s' is set while records are processed: "
                          "what it holds would be lost when the task moves; "
                          "use a local, or a store",
                          name);
    }
    lua_pop(L, 1);
    lua_rawset(L, lua_upvalueindex(1));
    return 0;
}

static int set_read_only(lua_State *L)
{
    return luaL_error(L, "'%s' cannot be set: the table is read-only",
                      luaL_tolstring(L, 2, NULL));
}

/* Replaces the table on top by a read-only view of it. */
void wr_lua_read_only(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 3);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, set_read_only);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

/* ---- functions in place of the library's --------------------------------- */

static int finish_pcall(lua_State *L, int status, lua_KContext extra)
{
    if (status == LUA_OK || status == LUA_YIELD) {
        return lua_gettop(L) - (int)extra;
    }
    wr_lua_check_doomed(wr_lua_of(L), L);
    lua_pushboolean(L, false);
    lua_pushvalue(L, -2);
    return 2;
}

static int safe_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushboolean(L, true);
    lua_insert(L, 1);
    int status =
        lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish_pcall);
    return finish_pcall(L, status, 0);
}

/* Upvalue: the script's message handler. The error that stops a call is raised
 * inside a hook, where hooks are off: a handler that loops there could not be
 * stopped. */
static int guarded_handler(lua_State *L)
{
    struct wr_lua *lua = wr_lua_of(L);
    lua_settop(L, 1);
    if (!lua->expired && lua->failed == WEIR_OK) {
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_insert(L, 1);
        lua_call(L, 1, 1);
    }
    return 1;
}

static int safe_xpcall(lua_State *L)
{
    int n = lua_gettop(L);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, guarded_handler, 1);
    lua_replace(L, 2);
    lua_pushboolean(L, true);
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2);
    int status = lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, finish_pcall);
    return finish_pcall(L, status, 2);
}

static int safe_setmetatable(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2,
                     "nil or table");
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) {
        return luaL_error(L, "cannot change a protected metatable");
    }
    if (lua_istable(L, 2)) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL) {
            return luaL_error(L,
                              "setmetatable: finalizers (__gc) are not "
                              "allowed; use close of a processor, or <close>");
        }
        lua_pop(L, 1);
    }
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

static int safe_rawset(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 3);
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) {
        return luaL_error(L, "rawset: the table is protected");
    }
    lua_settop(L, 3);
    lua_rawset(L, 1);
    return 1;
}

static int print(lua_State *L)
{
    luaL_Buffer text;
    int n = lua_gettop(L);
    luaL_buffinit(L, &text);
    for (int i = 1; i <= n; i++) {
        if (i > 1) {
            luaL_addchar(&text, ' ');
        }
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&text);
    }
    luaL_pushresult(&text);
    wr_log(WR_INFO, "lua", "print", "text=\"%s\"", lua_tostring(L, -1));
    return 0;
}

/* Upvalue: a function of the table library. Its loops are as long as the table
 * says it is, so the table must be a plain one, which has paid for its length.
 */
static int plain_tables(lua_State *L)
{
    static const char *const events[] = {"__index", "__newindex", "__len"};
    int n = lua_gettop(L);
    for (int i = 1; i <= n; i++) {
        for (size_t e = 0; lua_istable(L, i) && e < 3; e++) {
            if (luaL_getmetafield(L, i, events[e]) != LUA_TNIL) {
                return luaL_error(L,
                                  "a table with %s cannot be given to the "
                                  "table library",
                                  events[e]);
            }
        }
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, n, LUA_MULTRET);
    return lua_gettop(L);
}

static int bounded_move(lua_State *L)
{
    lua_Integer first = luaL_checkinteger(L, 2);
    lua_Integer last = luaL_checkinteger(L, 3);
    if (last >= first && (lua_Unsigned)last - (lua_Unsigned)first >= MOVE_MAX) {
        return luaL_error(L, "table.move: more than %d elements", MOVE_MAX);
    }
    return plain_tables(L);
}

/* Upvalue: what the script gave to sort, or nil. A comparison may be one of two
 * long texts, or a function of C: no hook would end a sort of such. */
static int watched_less(lua_State *L)
{
    wr_lua_check_doomed(wr_lua_of(L), L);
    if (lua_isnil(L, lua_upvalueindex(1))) {
        lua_pushboolean(L, lua_compare(L, 1, 2, LUA_OPLT));
        return 1;
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 2, 1);
    return 1;
}

static int watched_sort(lua_State *L)
{
    if (!lua_isnoneornil(L, 2)) {
        luaL_checktype(L, 2, LUA_TFUNCTION);
    }
    lua_settop(L, 2);
    lua_pushcclosure(L, watched_less, 1);
    return plain_tables(L);
}

/* ---- coroutines ---------------------------------------------------------- */

/* Resumes the coroutine with the n values on top of L; returns the count of
 * results on top of L, or -1 with the error on top. */
static int resume(lua_State *L, lua_State *co, int n)
{
    struct wr_lua *lua = wr_lua_of(L);
    int results = 0;
    if (!lua_checkstack(co, n)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    lua_xmove(L, co, n);
    lua->running = co;
    int status = lua_resume(co, L, n, &results);
    lua->running = L;
    if (status != LUA_OK && status != LUA_YIELD) {
        wr_lua_check_doomed(lua, L);
        lua_xmove(co, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(co, results);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, results);
    return results;
}

static lua_State *check_coroutine(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co, 1, "coroutine");
    return co;
}

static int co_resume(lua_State *L)
{
    lua_State *co = check_coroutine(L);
    int n = resume(L, co, lua_gettop(L) - 1);
    lua_pushboolean(L, n >= 0);
    n = n < 0 ? 1 : n;
    lua_insert(L, -(n + 1));
    return n + 1;
}

/* Closes what the coroutine has to close; that runs the script's code in it. On
 * failure the error is on top of L. */
static int close_coroutine(lua_State *L, lua_State *co)
{
    struct wr_lua *lua = wr_lua_of(L);
    lua->running = co;
    int status = lua_resetthread(co);
    lua->running = L;
    if (status != LUA_OK) {
        wr_lua_check_doomed(lua, L);
        lua_xmove(co, L, 1);
    }
    return status;
}

static int co_close(lua_State *L)
{
    lua_State *co = check_coroutine(L);
    lua_Debug ar;
    bool suspended = lua_status(co) == LUA_YIELD;
    bool running = lua_status(co) == LUA_OK && lua_getstack(co, 0, &ar);
    if (co == L || (running && !suspended)) {
        return luaL_error(L, "cannot close a running coroutine");
    }
    int status = close_coroutine(L, co);
    lua_pushboolean(L, status == LUA_OK);
    if (status == LUA_OK) {
        return 1;
    }
    lua_insert(L, -2);
    return 2;
}

static int co_create(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

static int wrapped(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int n = resume(L, co, lua_gettop(L));
    if (n >= 0) {
        return n;
    }
    int status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD &&
        close_coroutine(L, co) != LUA_OK) {
        lua_remove(L, -2); /* the error of closing is the newer one */
    }
    if (lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int co_wrap(lua_State *L)
{
    co_create(L);
    lua_pushcclosure(L, wrapped, 1);
    return 1;
}

/* ---- putting it together ------------------------------------------------- */

/* Copies the fields in `names` (NULL-ended) of the table on top into a new
 * table, which replaces it. */
static void keep_only(lua_State *L, const char *const *names)
{
    lua_newtable(L);
    for (; *names; names++) {
        lua_getfield(L, -2, *names);
        lua_setfield(L, -2, *names);
    }
    lua_remove(L, -2);
}

static void open_library(lua_State *L, lua_CFunction open, const char *name,
                         const char *const *keep)
{
    luaL_requiref(L, name, open, 0);
    if (keep) {
        keep_only(L, keep);
    }
}

static void open_table_library(lua_State *L)
{
    static const char *const keep[] = {"concat", "insert", "move",   "pack",
                                       "remove", "sort",   "unpack", NULL};
    open_library(L, luaopen_table, LUA_TABLIBNAME, keep);
    for (int i = 0; keep[i]; i++) {
        lua_CFunction own = strcmp(keep[i], "move") == 0   ? bounded_move
                            : strcmp(keep[i], "sort") == 0 ? watched_sort
                                                           : plain_tables;
        lua_getfield(L, -1, keep[i]);
        lua_pushcclosure(L, own, 1);
        lua_setfield(L, -2, keep[i]);
    }
}

static void open_string_library(lua_State *L)
{
    static const char *const keep[] = {"byte",  "char",   "format",   "len",
                                       "lower", "pack",   "packsize", "reverse",
                                       "sub",   "unpack", "upper",    NULL};
    open_library(L, luaopen_string, LUA_STRLIBNAME, keep);
    wr_lua_open_patterns(L);
    lua_pushliteral(L, "");
    lua_createtable(L, 0, 2);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

static void open_coroutine_library(lua_State *L)
{
    static const char *const keep[] = {"close",  "isyieldable", "running",
                                       "status", "yield",       NULL};
    static const luaL_Reg own[] = {{"close", co_close},
                                   {"create", co_create},
                                   {"resume", co_resume},
                                   {"wrap", co_wrap},
                                   {NULL, NULL}};
    open_library(L, luaopen_coroutine, LUA_COLIBNAME, keep);
    luaL_setfuncs(L, own, 0);
}

/* Leaves the table of allowed names on the stack. */
static void open_names(lua_State *L)
{
    static const char *const keep[] = {
        "assert",   "error",    "getmetatable", "ipairs",   "next",
        "pairs",    "rawequal", "rawget",       "rawlen",   "select",
        "tonumber", "tostring", "type",         "_VERSION", NULL};
    static const luaL_Reg own[] = {{"pcall", safe_pcall},
                                   {"xpcall", safe_xpcall},
                                   {"setmetatable", safe_setmetatable},
                                   {"rawset", safe_rawset},
                                   {"print", print},
                                   {NULL, NULL}};
    static const char *const os_keep[] = {"clock", "date", "difftime", "time",
                                          NULL};
    open_library(L, luaopen_base, LUA_GNAME, keep);
    luaL_setfuncs(L, own, 0);
    open_string_library(L);
    wr_lua_read_only(L);
    lua_setfield(L, -2, "string");
    open_table_library(L);
    wr_lua_read_only(L);
    lua_setfield(L, -2, "table");
    open_coroutine_library(L);
    wr_lua_read_only(L);
    lua_setfield(L, -2, "coroutine");
    open_library(L, luaopen_math, LUA_MATHLIBNAME, NULL);
    wr_lua_read_only(L);
    lua_setfield(L, -2, "math");
    open_library(L, luaopen_utf8, LUA_UTF8LIBNAME, NULL);
    wr_lua_read_only(L);
    lua_setfield(L, -2, "utf8");
    open_library(L, luaopen_os, LUA_OSLIBNAME, os_keep);
    wr_lua_read_only(L);
    lua_setfield(L, -2, "os");
}

void wr_lua_sandbox(lua_State *L)
{
    open_names(L);
    lua_newtable(L); /* env */
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "_G");
    lua_createtable(L, 0, 3); /* metatable of env */
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushvalue(L, -3);
    lua_pushcclosure(L, set_global, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    wr_lua_of(L)->globals = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_createtable(L, 0, 1); /* metatable of names */
    lua_pushcfunction(L, unknown_global);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    wr_lua_of(L)->names = luaL_ref(L, LUA_REGISTRYINDEX);
    /* What the libraries left behind in the registry's tables is out of the
     * script's reach, but drop it: nothing else holds the real functions then.
     */
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_newtable(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
}
