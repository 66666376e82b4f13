/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading bytecode: facts with their lines, and no crash on any damage. */
#include "tests/harness/weir_test.h"

#include "dsl/lua_code.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>

static struct wr_buf facts;

static void note(void *user, enum wr_lua_fact fact, int function_line, int line,
                 const char *name)
{
    static const char *const words[] = {"reads", "sets", "outer", "table"};
    (void)user;
    wr_buf_printf(&facts, "%d:%d %s %s\n", function_line, line, words[fact],
                  name);
}

static int write_code(lua_State *L, const void *data, size_t size, void *user)
{
    (void)L;
    wr_buf_put(user, data, size);
    return 0;
}

/* The bytecode of a source: given. */
static struct wr_buf compile(const char *source)
{
    struct wr_buf code;
    wr_buf_init(&code, 1 << 20);
    lua_State *L = luaL_newstate();
    assert_int_equal(luaL_loadstring(L, source), LUA_OK);
    assert_int_equal(lua_dump(L, write_code, &code, 0), 0);
    lua_close(L);
    return code;
}

static void assert_facts(const char *source, const char *wanted)
{
    struct wr_buf code = compile(source);
    wr_buf_init(&facts, 1 << 20);
    assert_int_equal(wr_lua_walk_code(wr_buf_view(&code), note, NULL), WEIR_OK);
    assert_string_equal(wr_buf_text(&facts), wanted);
    wr_buf_done(&facts);
    wr_buf_done(&code);
}

static void facts_have_their_lines(void **state)
{
    (void)state;
    assert_facts("print(1)\n\n\nx = y", "0:1 reads print\n0:4 reads y\n"
                                        "0:4 sets x\n");
    assert_facts("local t, n = {}, 0\nlocal function f(k)\n  n = n + 1\n"
                 "  t.a = 1\n\n  t[k] = 2\n  t[1] = 3\nend",
                 "2:3 outer n\n2:4 table t\n2:6 table t\n2:7 table t\n");
    assert_facts("local function f() local n = 0 return function() n = n + 1"
                 " end end",
                 "");
}

static void lines_far_apart_are_right(void **state)
{
    (void)state;
    char source[2000] = "x = 1";
    memset(source + 5, '\n', 1000);
    snprintf(source + 1005, sizeof(source) - 1005, "y = 1\nz = 2");
    assert_facts(source, "0:1 sets x\n0:1001 sets y\n0:1002 sets z\n");
}

static void many_instructions_have_right_lines(void **state)
{
    (void)state;
    struct wr_buf source;
    wr_buf_init(&source, 1 << 20);
    for (int i = 0; i < 300; i++) {
        wr_buf_put_text(&source, "l(1)\n");
    }
    struct wr_buf code = compile(wr_buf_text(&source));
    wr_buf_init(&facts, 1 << 20);
    assert_int_equal(wr_lua_walk_code(wr_buf_view(&code), note, NULL), WEIR_OK);
    assert_non_null(strstr(wr_buf_text(&facts), "0:300 reads l\n"));
    assert_non_null(strstr(wr_buf_text(&facts), "0:157 reads l\n"));
    wr_buf_done(&facts);
    wr_buf_done(&code);
    wr_buf_done(&source);
}

static void ignore(void *user, enum wr_lua_fact fact, int function_line,
                   int line, const char *name)
{
    (void)user, (void)fact, (void)function_line, (void)line, (void)name;
}

static void damaged_code_is_refused_not_crashed_on(void **state)
{
    (void)state;
    struct wr_buf code =
        compile("local t, n = {}, 0 local function f(k) n = n + 1 t[k] = 'x'"
                " return function() return g(1.5, 7) end end x = f");
    for (size_t len = 0; len < code.len; len++) {
        assert_int_equal(
            wr_lua_walk_code(weir_bytes(code.data, len), ignore, NULL),
            WEIR_E_DECODE);
    }
    uint32_t random = 20261121;
    uint8_t *copy = malloc(code.len + 1);
    assert_non_null(copy);
    for (int round = 0; round < 20000; round++) {
        memcpy(copy, code.data, code.len);
        for (int change = 0; change < 1 + round % 4; change++) {
            random = random * 1664525u + 1013904223u;
            size_t at = code.len > 0 ? (random >> 8) % code.len : 0;
            copy[at] = (uint8_t)(random >> 20);
        }
        enum weir_status status =
            wr_lua_walk_code(weir_bytes(copy, code.len), ignore, NULL);
        assert_true(status == WEIR_OK || status == WEIR_E_DECODE);
    }
    free(copy);
    wr_buf_done(&code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_have_their_lines),
        cmocka_unit_test(lines_far_apart_are_right),
        cmocka_unit_test(many_instructions_have_right_lines),
        cmocka_unit_test(damaged_code_is_refused_not_crashed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
