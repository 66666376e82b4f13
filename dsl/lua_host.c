/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading a script: module, require, the run itself, and the comparison of a
 * later run with the first. Thread: the first run any, the others the stream
 * threads'. */
#include "dsl/lua_host.h"

#include "dsl/lua_build.h"
#include "dsl/lua_watch.h"
#include "dsl/sources.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>

#define TRACE_BYTES_MAX  ((size_t)4 << 20)
#define PATH_BYTES_MAX   4096
#define MODULE_BYTES_MAX 200

struct wr_lua_host {
    char *path;
    struct wr_lua_limits limits;
    struct wr_buf trace; /* of the first run */
    struct wr_buf warnings;
    struct wr_sources *files; /* lent */
    struct weir_thread_hook hook;
};

/* ---- require ------------------------------------------------------------- */

static const char loaded_key = 'l'; /* registry: modules by name */

static bool is_module_name(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > MODULE_BYTES_MAX || name[0] == '.' ||
        strstr(name, "..")) {
        return false;
    }
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789_-.") == len;
}

/* Finds the module's file below the script's directory; false when there is
 * none. */
static bool find_module(const struct wr_lua *lua, const char *name,
                        char path[PATH_BYTES_MAX])
{
    static const char *const places[][2] = {
        {"", ".lua"}, {"", "/init.lua"}, {"lib/", ".lua"}};
    char slashed[MODULE_BYTES_MAX + 1];
    size_t len = strlen(name);
    for (size_t i = 0; i <= len; i++) {
        slashed[i] = name[i] == '.' ? '/' : name[i];
    }
    for (size_t i = 0; i < 3; i++) {
        int n = snprintf(path, PATH_BYTES_MAX, "%s/%s%s%s", lua->directory,
                         places[i][0], slashed, places[i][1]);
        if (n > 0 && n < PATH_BYTES_MAX && wr_sources_has(lua->files, path)) {
            return true;
        }
    }
    return false;
}

static int require(lua_State *L)
{
    const struct wr_lua *lua = wr_lua_of(L);
    const char *name = luaL_checkstring(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &loaded_key);
    if (lua_getfield(L, -1, name) != LUA_TNIL) {
        return 1;
    }
    lua_pop(L, 1);
    char path[PATH_BYTES_MAX];
    if (!lua->build) {
        return luaL_error(L,
                          "require '%s': modules are loaded with the script, "
                          "not while records are processed",
                          name);
    }
    if (!is_module_name(name) || !find_module(lua, name, path)) {
        return luaL_error(L,
                          "require '%s': there is no %s.lua, %s/init.lua or "
                          "lib/%s.lua in %s",
                          name, name, name, name, lua->directory);
    }
    /* A module that requires itself, through others, finds this. */
    lua_pushboolean(L, true);
    lua_setfield(L, -2, name);
    wr_lua_compile(L, path, path);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushboolean(L, true);
    }
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, name);
    return 1;
}

static int unknown_member(lua_State *L)
{
    const char *name = luaL_tolstring(L, 2, NULL);
    const char *nearest = wr_lua_nearest_key(L, 1, name);
    if (nearest) {
        return luaL_error(L, "there is no weir.%s: did you mean weir.%s?", name,
                          nearest);
    }
    return luaL_error(L, "there is no weir.%s", name);
}

static void open_require(lua_State *L)
{
    lua_newtable(L);
    wr_lua_open_module(L);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, unknown_member);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    wr_lua_read_only(L);
    lua_setfield(L, -2, "weir");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &loaded_key);
    lua_rawgeti(L, LUA_REGISTRYINDEX, wr_lua_of(L)->names);
    lua_pushcfunction(L, require);
    lua_setfield(L, -2, "require");
    lua_pop(L, 1);
}

/* ---- one run ------------------------------------------------------------- */

static int load_body(lua_State *L)
{
    const char *path = lua_touserdata(L, 1);
    open_require(L);
    wr_lua_compile(L, path, path);
    lua_call(L, 0, 1);
    if (!wr_lua_is_handle(L, -1, WR_LUA_APP)) {
        return luaL_error(L,
                          "%s: the script must end with `return app`, where "
                          "app is what weir.app(\"name\") gave; it returned "
                          "a %s",
                          path, luaL_typename(L, -1));
    }
    return 0;
}

static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) {
        return strdup(".");
    }
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* Runs the script in a new state. On success the state is given, watched. */
static enum weir_status run_script(const struct wr_lua_host *host,
                                   struct wr_lua_build *build,
                                   struct wr_lua **out, struct weir_error *err)
{
    struct wr_lua *lua = NULL;
    enum weir_status status = wr_lua_new(&host->limits, &lua, err);
    if (status != WEIR_OK) {
        return status;
    }
    lua->files = host->files;
    lua->directory = directory_of(host->path);
    if (!lua->directory) {
        wr_lua_free(lua);
        return weir_fail(err, WEIR_E_NOMEM, "no memory for a script");
    }
    status = wr_lua_watch(lua, err);
    if (status != WEIR_OK) {
        wr_lua_free(lua);
        return status;
    }
    lua->build = build;
    status = wr_lua_call(lua, load_body, host->path);
    lua->build = NULL;
    if (status != WEIR_OK) {
        bool placed = strstr(lua->error, host->path) != NULL;
        (void)weir_fail(err, status, "%s%s%s", placed ? "" : host->path,
                        placed ? "" : ": ", lua->error);
        wr_lua_unwatch(lua);
        wr_lua_free(lua);
        return status;
    }
    *out = lua;
    return WEIR_OK;
}

static void init_build(struct wr_lua_build *build, struct weir_builder *builder)
{
    *build = (struct wr_lua_build){.builder = builder};
    wr_buf_init(&build->trace, TRACE_BYTES_MAX);
    wr_buf_init(&build->warnings, TRACE_BYTES_MAX);
}

static void finish_build(struct wr_lua_build *build)
{
    wr_buf_done(&build->trace);
    wr_buf_done(&build->warnings);
}

/* ---- a state per thread -------------------------------------------------- */

/* The first line in which two traces differ, for the error. */
static enum weir_status compare_traces(const struct wr_lua_host *host,
                                       struct wr_buf *trace,
                                       struct weir_error *err)
{
    struct weir_bytes a = wr_buf_view(&host->trace);
    struct weir_bytes b = wr_buf_view(trace);
    if (wr_bytes_equal(a, b)) {
        return WEIR_OK;
    }
    size_t line = 0, at = 0;
    while (at < a.len && at < b.len && a.data[at] == b.data[at]) {
        at++;
        line = a.data[at - 1] == '\n' ? at : line;
    }
    const uint8_t *end_a = memchr(a.data + line, '\n', a.len - line);
    const uint8_t *end_b = memchr(b.data + line, '\n', b.len - line);
    return weir_fail(
        err, WEIR_E_LUA,
        "%s builds another topology each time it runs: first '%.*s', now "
        "'%.*s'; a script must not build by time, chance or what it finds "
        "outside",
        host->path, end_a ? (int)(end_a - a.data - (ptrdiff_t)line) : 0,
        (const char *)a.data + line,
        end_b ? (int)(end_b - b.data - (ptrdiff_t)line) : 0,
        (const char *)b.data + line);
}

static enum weir_status start_thread(void *user, void **thread_state,
                                     struct weir_error *err)
{
    const struct wr_lua_host *host = user;
    struct wr_lua *lua = NULL;
    struct wr_lua_build build;
    struct weir_builder *builder = weir_builder_new();
    if (!builder) {
        return weir_fail(err, WEIR_E_NOMEM, "no memory for a script");
    }
    init_build(&build, builder);
    enum weir_status status = run_script(host, &build, &lua, err);
    if (status == WEIR_OK) {
        status = compare_traces(host, &build.trace, err);
        if (status != WEIR_OK) {
            wr_lua_unwatch(lua);
            wr_lua_free(lua);
        }
    }
    finish_build(&build);
    weir_builder_free(builder);
    if (status == WEIR_OK) {
        *thread_state = lua;
    }
    return status;
}

static void stop_thread(void *thread_state)
{
    struct wr_lua *lua = thread_state;
    if (lua) {
        wr_lua_unwatch(lua);
        wr_lua_free(lua);
    }
}

/* ---- life ---------------------------------------------------------------- */

enum weir_status
wr_lua_host_new(const char *path, const struct wr_lua_limits *limits,
                struct wr_sources *files, struct weir_builder *builder,
                struct wr_lua_host **out, struct weir_error *err)
{
    struct wr_lua_host *host = calloc(1, sizeof(*host));
    char *copy = strdup(path);
    if (!host || !copy) {
        free(host);
        free(copy);
        return weir_fail(err, WEIR_E_NOMEM, "no memory for a script");
    }
    host->path = copy;
    host->limits = *limits;
    host->files = files;
    host->hook = (struct weir_thread_hook){sizeof(host->hook), start_thread,
                                           stop_thread, host};
    struct wr_lua *lua = NULL;
    struct wr_lua_build build;
    init_build(&build, builder);
    enum weir_status status = run_script(host, &build, &lua, err);
    host->trace = build.trace;
    host->warnings = build.warnings;
    if (status != WEIR_OK) {
        wr_lua_host_free(host);
        return status;
    }
    stop_thread(lua);
    wr_sources_seal(files);
    *out = host;
    return WEIR_OK;
}

void wr_lua_host_free(struct wr_lua_host *host)
{
    if (host) {
        wr_buf_done(&host->trace);
        wr_buf_done(&host->warnings);
        free(host->path);
        free(host);
    }
}

const struct weir_thread_hook *wr_lua_host_hook(const struct wr_lua_host *host)
{
    return &host->hook;
}

const char *wr_lua_host_warnings(struct wr_lua_host *host)
{
    return wr_buf_text(&host->warnings);
}

const char *wr_lua_host_file(const struct wr_lua_host *host, size_t index)
{
    return wr_sources_path(host->files, index);
}
