/* SPDX-License-Identifier: Apache-2.0
 *
 * A Lua state and the way into it.
 *
 * Calls nest: a script that passes a record on may thereby call another
 * function of the script, further down the topology, in the same state. What
 * ends a call against the script's will (its time, a failure downstream) is
 * remembered in the state, not only raised as an error, so that no pcall in the
 * script can hide it; each level hands it to the next as a status. Thread: the
 * state's. */
#include "dsl/lua_state.h"

#include "dsl/sources.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#define SCRATCH_BYTES_MAX ((size_t)64 << 20)

/* ---- memory ----------------------------------------------------------------
 */

/* Lua's allocator: within the cap, or NULL, which Lua turns into an error after
 * it has collected what it can. For a new block old_size is a type, not a size.
 */
static void *allocate(void *user, void *block, size_t old_size, size_t new_size)
{
    struct wr_lua *lua = user;
    size_t held = block ? old_size : 0;
    if (new_size == 0) {
        lua->memory_bytes -= held;
        free(block);
        return NULL;
    }
    if (new_size > held &&
        new_size - held > lua->limits.memory_bytes_max - lua->memory_bytes) {
        return NULL;
    }
    void *grown = realloc(block, new_size);
    if (grown) {
        lua->memory_bytes = lua->memory_bytes - held + new_size;
    }
    return grown;
}

/* ---- life ---------------------------------------------------------------- */

static int open_sandbox(lua_State *L)
{
    wr_lua_sandbox(L);
    return 0;
}

enum weir_status wr_lua_new(const struct wr_lua_limits *limits,
                            struct wr_lua **out, struct weir_error *err)
{
    struct wr_lua *lua = calloc(1, sizeof(*lua));
    if (!lua) {
        return weir_fail(err, WEIR_E_NOMEM, "no memory for a Lua state");
    }
    lua->limits = *limits;
    wr_buf_init(&lua->scratch, SCRATCH_BYTES_MAX);
    lua->main = lua->running = lua_newstate(allocate, lua);
    if (!lua->main) {
        wr_lua_free(lua);
        return weir_fail(err, WEIR_E_NOMEM,
                         "no memory for a Lua state: its limit is %zu bytes",
                         limits->memory_bytes_max);
    }
    memcpy(lua_getextraspace(lua->main), &lua, sizeof(lua));
    lua_gc(lua->main, LUA_GCGEN, 0, 0);
    enum weir_status status = wr_lua_call(lua, open_sandbox, NULL);
    if (status != WEIR_OK) {
        (void)weir_fail(err, status, "%s", lua->error);
        wr_lua_free(lua);
        return status;
    }
    *out = lua;
    return WEIR_OK;
}

void wr_lua_free(struct wr_lua *lua)
{
    if (!lua) {
        return;
    }
    if (lua->main) {
        lua_close(lua->main);
    }
    while (lua->sources) {
        struct wr_lua_source *source = lua->sources;
        lua->sources = source->next;
        free(source->chunk);
        free(source);
    }
    wr_buf_done(&lua->scratch);
    free(lua->functions);
    free(lua->directory);
    free(lua);
}

struct wr_lua *wr_lua_of(lua_State *L)
{
    struct wr_lua *lua;
    memcpy(&lua, lua_getextraspace(L), sizeof(lua));
    return lua;
}

/* ---- calls --------------------------------------------------------------- */

/* Only the state's own thread writes these: no need for a locked addition. */
static void add_one(atomic_uint_fast64_t *number)
{
    atomic_store_explicit(
        number, atomic_load_explicit(number, memory_order_relaxed) + 1,
        memory_order_relaxed);
}

static void step_sequence(struct wr_lua *lua)
{
    add_one(&lua->sequence);
}

void wr_lua_pause(struct wr_lua *lua)
{
    step_sequence(lua);
}

void wr_lua_resume(struct wr_lua *lua)
{
    step_sequence(lua);
}

static bool is_paused(struct wr_lua *lua)
{
    return atomic_load_explicit(&lua->sequence, memory_order_relaxed) % 2 == 0;
}

/* Why a call failed that the message handler has not seen: no memory, or an
 * error inside the handler itself. */
static void explain(struct wr_lua *lua, int code)
{
    if (code == LUA_ERRMEM) {
        snprintf(lua->error, sizeof(lua->error),
                 "not enough memory: the script's state has reached its limit "
                 "of %zu MiB (weir.lua.memory.max.bytes)",
                 lua->limits.memory_bytes_max >> 20);
    } else if (code == LUA_ERRERR) {
        snprintf(lua->error, sizeof(lua->error),
                 "an error happened while another one was being handled");
    }
}

static void forget_end(struct wr_lua *lua, lua_State *L, bool told)
{
    if (told && lua->expired) {
        lua_sethook(L, NULL, 0, 0);
        lua->expired = 0;
    }
}

enum weir_status wr_lua_call(struct wr_lua *lua, int (*fn)(lua_State *),
                             void *argument)
{
    lua_State *L = lua->running;
    if (!lua_checkstack(L, 4)) {
        explain(lua, LUA_ERRMEM);
        return WEIR_E_LUA;
    }
    bool paused = is_paused(lua);
    if (paused) {
        wr_lua_resume(lua);
    }
    if (lua->depth++ == 0) {
        add_one(&lua->call);
    }
    lua_pushcfunction(L, wr_lua_message);
    lua_pushcfunction(L, fn);
    lua_pushlightuserdata(L, argument);
    int code = lua_pcall(L, 1, 0, -3);
    lua->running = L;
    lua->depth--;
    if (paused) {
        wr_lua_pause(lua);
    }
    if (code == LUA_OK) {
        /* Condemned with its last step: nothing is left to be stopped. */
        forget_end(lua, L, lua->depth == 0);
        lua_pop(L, 1);
        return WEIR_OK;
    }
    enum weir_status status = WEIR_E_LUA;
    explain(lua, code);
    if (lua->failed != WEIR_OK) {
        status = lua->failed;
        lua->failed = WEIR_OK;
        lua->error[0] = '\0';
    }
    forget_end(lua, L, true);
    lua_pop(L, 2);
    if (code == LUA_ERRMEM && lua->depth == 0) {
        lua_gc(L, LUA_GCCOLLECT, 0);
    }
    return status;
}

void wr_lua_check_doomed(struct wr_lua *lua, lua_State *L)
{
    if (lua->expired) {
        luaL_error(L,
                   "stopped after %d ms: an endless loop, or work that belongs "
                   "elsewhere (weir.lua.call.max.ms)",
                   (int)lua->limits.call_ms_max);
    }
    if (lua->failed != WEIR_OK) {
        luaL_error(L, "a node downstream failed");
    }
}

void wr_lua_must(lua_State *L, enum weir_status status)
{
    if (status != WEIR_OK) {
        struct wr_lua *lua = wr_lua_of(L);
        lua->failed = status;
        wr_lua_check_doomed(lua, L);
    }
}

/* ---- sources ------------------------------------------------------------- */

/* The source is in the list from the start, so that an error on the way leaks
 * nothing. */
static struct wr_lua_source *read_source(lua_State *L, const char *path,
                                         const char *chunk)
{
    struct wr_lua *lua = wr_lua_of(L);
    struct weir_error err;
    struct wr_lua_source *source = calloc(1, sizeof(*source));
    char *name = strdup(chunk);
    if (!source || !name) {
        free(source);
        free(name);
        luaL_error(L, "%s: no memory", chunk);
        return NULL;
    }
    source->chunk = name;
    source->next = lua->sources;
    lua->sources = source;
    if (wr_sources_get(lua->files, path, WR_SOURCE_SCRIPT_BYTES_MAX,
                       &source->text, &err) != WEIR_OK) {
        luaL_error(L, "%s", err.text);
    }
    return source;
}

void wr_lua_compile(lua_State *L, const char *path, const char *chunk)
{
    struct wr_lua_source *source = read_source(L, path, chunk);
    struct weir_bytes text = source->text;
    /* Some editors begin a file with a byte order mark; a first line such as
     * #!/usr/bin/env weir is for the shell. */
    size_t skip =
        text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    bool for_shell = skip < text.len && text.data[skip] == '#';
    while (for_shell && skip < text.len && text.data[skip] != '\n') {
        skip++;
    }
    lua_pushfstring(L, "@%s", chunk);
    int code = luaL_loadbufferx(L, (const char *)text.data + skip,
                                text.len - skip, lua_tostring(L, -1), "t");
    if (code != LUA_OK) {
        lua_error(L);
    }
    lua_remove(L, -2);
    lua_rawgeti(L, LUA_REGISTRYINDEX, wr_lua_of(L)->globals);
    if (!lua_setupvalue(L, -2, 1)) {
        lua_pop(L, 1);
    }
}

struct weir_bytes wr_lua_source_line(const struct wr_lua *lua,
                                     const char *chunk, int line)
{
    const struct wr_lua_source *source = lua->sources;
    while (source && strcmp(source->chunk, chunk) != 0) {
        source = source->next;
    }
    if (!source || line < 1) {
        return WEIR_NULL;
    }
    struct weir_bytes text = source->text;
    const uint8_t *at = text.data;
    const uint8_t *end = text.data + text.len;
    while (--line > 0 && at) {
        at = memchr(at, '\n', (size_t)(end - at));
        at = at ? at + 1 : NULL;
    }
    if (!at || at == end) {
        return WEIR_NULL;
    }
    const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
    return weir_bytes(at, (size_t)((stop ? stop : end) - at));
}
