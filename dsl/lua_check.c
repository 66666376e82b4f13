/* SPDX-License-Identifier: Apache-2.0
 *
 * The check reads the bytecode of the script's files (lua_code.h) twice: first
 * for the globals that they set, then for those that they read and for the
 * locals of the script that its functions change. Of those a script may mean
 * well (a cache, a table built while it loads), so they are warnings, one per
 * variable and function. */
#include "dsl/lua_check.h"

#include "dsl/lua_code.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>

#define CODE_BYTES_MAX ((size_t)16 << 20)

struct check {
    struct wr_lua *lua;
    struct wr_lua_host *host;
    struct wr_buf *report;
    struct weir_error *err;
    const char *file; /* at hand */
    size_t undefined;
    char last_name[128]; /* of the last warning: told once per function */
    int last_function;
};

/* ---- facts --------------------------------------------------------------- */

/* First pass; the names table is on top of the stack. */
static void note_global(void *user, enum wr_lua_fact fact, int function_line,
                        int line, const char *name)
{
    struct check *check = user;
    (void)function_line;
    (void)line;
    if (fact == WR_LUA_SETS_GLOBAL) {
        lua_pushboolean(check->lua->main, true);
        lua_setfield(check->lua->main, -2, name);
    }
}

static void tell_undefined(struct check *check, int line, const char *name)
{
    lua_State *L = check->lua->main;
    lua_pushstring(L, name);
    bool known = lua_rawget(L, -2) != LUA_TNIL;
    lua_pop(L, 1);
    if (known || check->undefined++ > 0) {
        return;
    }
    int top = lua_gettop(L);
    const char *nearest = wr_lua_nearest_key(L, -1, name);
    (void)weir_fail(check->err, WEIR_E_LUA,
                    "%s:%d: undefined global '%s'%s%s%s", check->file, line,
                    name, nearest ? ": did you mean '" : "",
                    nearest ? nearest : "", nearest ? "'?" : "");
    lua_settop(L, top);
}

static void tell_state(struct check *check, enum wr_lua_fact fact,
                       int function_line, int line, const char *name)
{
    if (check->last_function == function_line &&
        strcmp(check->last_name, name) == 0) {
        return;
    }
    check->last_function = function_line;
    snprintf(check->last_name, sizeof(check->last_name), "%s", name);
    wr_buf_printf(check->report,
                  "%s:%d: a function %s '%s', a variable outside of it: each "
                  "thread has its own, and what it holds is lost when a task "
                  "moves; keep state in a store\n",
                  check->file, line,
                  fact == WR_LUA_SETS_OUTER ? "sets" : "changes the table",
                  name);
}

/* Second pass. */
static void tell_fact(void *user, enum wr_lua_fact fact, int function_line,
                      int line, const char *name)
{
    struct check *check = user;
    switch (fact) {
    case WR_LUA_READS_GLOBAL:
        tell_undefined(check, line, name);
        break;
    case WR_LUA_SETS_GLOBAL:
        break;
    case WR_LUA_SETS_OUTER:
    case WR_LUA_CHANGES_OUTER:
        tell_state(check, fact, function_line, line, name);
        break;
    }
}

/* ---- files --------------------------------------------------------------- */

static int write_code(lua_State *L, const void *data, size_t size, void *user)
{
    struct wr_buf *code = user;
    (void)L;
    wr_buf_put(code, data, size);
    return code->status != WEIR_OK;
}

/* Walks over a file's code. What cannot be read says nothing: the script has
 * run, so it is only the bytecode's format that is not known. */
static void walk_file(struct check *check, wr_lua_fact_fn fn)
{
    lua_State *L = check->lua->main;
    struct wr_buf code;
    wr_buf_init(&code, CODE_BYTES_MAX);
    if (luaL_loadfilex(L, check->file, "t") == LUA_OK &&
        lua_dump(L, write_code, &code, 0) == 0) {
        lua_pop(L, 1);
        if (wr_lua_walk_code(wr_buf_view(&code), fn, check) != WEIR_OK) {
            check->last_function = -1;
        }
    } else {
        lua_pop(L, 1);
    }
    wr_buf_done(&code);
}

static int check_body(lua_State *L)
{
    struct check *check = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, check->lua->names);
    lua_pushboolean(L, true);
    lua_setfield(L, -2, "require");
    for (size_t i = 0; (check->file = wr_lua_host_file(check->host, i)); i++) {
        walk_file(check, note_global);
    }
    for (size_t i = 0; (check->file = wr_lua_host_file(check->host, i)); i++) {
        check->last_function = -1;
        walk_file(check, tell_fact);
    }
    return 0;
}

enum weir_status wr_lua_check(struct wr_lua_host *host, struct wr_buf *report,
                              struct weir_error *err)
{
    static const struct wr_lua_limits limits = {WR_LUA_MEMORY_BYTES_MAX,
                                                WR_LUA_CALL_MS_MAX};
    struct weir_error first = {WEIR_OK, ""};
    struct check check = {.host = host, .report = report, .err = &first};
    enum weir_status status = wr_lua_new(&limits, &check.lua, err);
    if (status != WEIR_OK) {
        return status;
    }
    wr_buf_put_text(report, wr_lua_host_warnings(host));
    status = wr_lua_call(check.lua, check_body, &check);
    if (status != WEIR_OK) {
        (void)weir_fail(err, status, "%s", check.lua->error);
    } else if (check.undefined > 0) {
        status = check.undefined == 1
                     ? weir_fail(err, WEIR_E_LUA, "%s", first.text)
                     : weir_fail(err, WEIR_E_LUA, "%s (and %zu more like it)",
                                 first.text, check.undefined - 1);
    }
    wr_lua_free(check.lua);
    return status;
}
