/* SPDX-License-Identifier: Apache-2.0
 *
 * A state: protected calls that nest, memory that is counted, lines of sources.
 */
#include "tests/harness/weir_test.h"

#include "dsl/lua_state.h"
#include "dsl/sources.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct wr_lua *make(size_t memory_bytes)
{
    struct wr_lua_limits limits = {memory_bytes, 1000};
    struct wr_lua *lua = NULL;
    struct weir_error err = {0};
    if (wr_lua_new(&limits, &lua, &err) != WEIR_OK) {
        fail_msg("%s", err.text);
    }
    return lua;
}

static int raise_error(lua_State *L)
{
    return luaL_error(L, "raised %d", 7);
}

static int call_inner(lua_State *L)
{
    struct wr_lua *lua = wr_lua_of(L);
    wr_lua_pause(lua);
    enum weir_status status = wr_lua_call(lua, raise_error, NULL);
    wr_lua_resume(lua);
    assert_int_equal(status, WEIR_E_LUA);
    assert_string_equal(lua->error, "raised 7");
    return 0;
}

static int fail_outside(lua_State *L)
{
    wr_lua_must(L, WEIR_E_KAFKA);
    return 0;
}

static int nothing(lua_State *L)
{
    (void)L;
    return 0;
}

static void errors_stay_in_their_call(void **state)
{
    (void)state;
    struct wr_lua *lua = make(1 << 20);
    assert_int_equal(wr_lua_call(lua, call_inner, NULL), WEIR_OK);
    assert_int_equal(wr_lua_call(lua, nothing, NULL), WEIR_OK);
    assert_int_equal(lua_gettop(lua->main), 0);
    assert_int_equal(atomic_load(&lua->sequence) % 2, 0);
    wr_lua_free(lua);
}

static void a_status_from_outside_comes_through(void **state)
{
    (void)state;
    struct wr_lua *lua = make(1 << 20);
    assert_int_equal(wr_lua_call(lua, fail_outside, NULL), WEIR_E_KAFKA);
    assert_string_equal(lua->error, "");
    assert_int_equal(wr_lua_call(lua, raise_error, NULL), WEIR_E_LUA);
    assert_string_equal(lua->error, "raised 7");
    wr_lua_free(lua);
}

static int eat(lua_State *L)
{
    lua_newuserdatauv(L, (size_t)64 << 20, 0);
    return 0;
}

static void memory_is_counted_and_given_back(void **state)
{
    (void)state;
    struct wr_lua *lua = make(2 << 20);
    size_t before = lua->memory_bytes;
    assert_true(before > 0 && before < 200000);
    assert_int_equal(wr_lua_call(lua, eat, NULL), WEIR_E_LUA);
    assert_non_null(strstr(lua->error, "limit of 2 MiB"));
    assert_true(lua->memory_bytes <= before + 100000);
    wr_lua_free(lua);
}

static void a_state_that_does_not_fit_is_told(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < 60000; bytes += 777) {
        struct wr_lua_limits limits = {bytes, 1000};
        struct wr_lua *lua = NULL;
        struct weir_error err = {0};
        if (wr_lua_new(&limits, &lua, &err) == WEIR_OK) {
            wr_lua_free(lua);
        } else {
            assert_non_null(strstr(err.text, "memory"));
        }
    }
}

static int compile(lua_State *L)
{
    wr_lua_compile(L, lua_touserdata(L, 1), "chunk.lua");
    return 0;
}

static void lines_of_sources_are_kept(void **state)
{
    (void)state;
    char path[] = "/tmp/weir-test-XXXXXX";
    char nowhere[] = "/nowhere";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "#!weir\nlocal a\n\nreturn a", 24), 24);
    close(fd);
    struct wr_lua *lua = make(1 << 20);
    assert_int_equal(wr_sources_new(&lua->files), WEIR_OK);
    assert_int_equal(wr_lua_call(lua, compile, path), WEIR_OK);
    struct weir_bytes line = wr_lua_source_line(lua, "chunk.lua", 2);
    assert_true(wr_bytes_equal_text(line, "local a"));
    assert_true(
        wr_bytes_equal_text(wr_lua_source_line(lua, "chunk.lua", 3), ""));
    assert_true(wr_bytes_equal_text(wr_lua_source_line(lua, "chunk.lua", 4),
                                    "return a"));
    assert_null(wr_lua_source_line(lua, "chunk.lua", 5).data);
    assert_null(wr_lua_source_line(lua, "chunk.lua", 0).data);
    assert_null(wr_lua_source_line(lua, "other.lua", 1).data);
    assert_int_equal(wr_lua_call(lua, compile, nowhere), WEIR_E_LUA);
    assert_non_null(strstr(lua->error, "/nowhere: cannot open"));
    wr_sources_free(lua->files);
    wr_lua_free(lua);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_stay_in_their_call),
        cmocka_unit_test(a_status_from_outside_comes_through),
        cmocka_unit_test(memory_is_counted_and_given_back),
        cmocka_unit_test(a_state_that_does_not_fit_is_told),
        cmocka_unit_test(lines_of_sources_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
