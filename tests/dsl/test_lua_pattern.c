/* SPDX-License-Identifier: Apache-2.0
 *
 * Patterns match what the standard library's match: its functions and ours are
 * given the same texts, chosen and seeded random ones, and must give the same
 * results. */
#include "tests/harness/weir_test.h"

#include "dsl/lua_state.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

/* A state with the standard library, in which `ours` are our functions. */
static struct lua_State *L;
static struct wr_lua *host; /* what ours look at */

static int open_both(void **state)
{
    (void)state;
    host = calloc(1, sizeof(*host));
    assert_non_null(host);
    host->limits = (struct wr_lua_limits){64 << 20, 1000};
    L = luaL_newstate();
    assert_non_null(L);
    memcpy(lua_getextraspace(L), &host, sizeof(host));
    luaL_openlibs(L);
    lua_newtable(L);
    wr_lua_open_patterns(L);
    lua_setglobal(L, "ours");
    return 0;
}

static int close_both(void **state)
{
    (void)state;
    lua_close(L);
    free(host);
    return 0;
}

static void run(const char *lua)
{
    if (luaL_dostring(L, lua) != LUA_OK) {
        fail_msg("%s", lua_tostring(L, -1));
    }
}

/* compare(name, ...): both give the same values, or both fail. */
static const char compare[] =
    "function show(...)"
    "  local t = table.pack(...)"
    "  for i = 1, t.n do t[i] = tostring(t[i]) end"
    "  return table.concat(t, ',')"
    " end"
    " function compare(name, ...)"
    "  local theirs = {pcall(string[name], ...)}"
    "  local own = {pcall(ours[name], ...)}"
    "  if theirs[1] ~= own[1] or (own[1] and"
    "      show(table.unpack(theirs)) ~= show(table.unpack(own))) then"
    "    error((name .. '(' .. show(...) .. '): theirs ' .."
    "      show(table.unpack(theirs)) .. ' ours ' .. "
    "show(table.unpack(own))):gsub('%z', '<0>'))"
    "  end"
    " end"
    " function all_of(f, s, p)"
    "  local t = {}"
    "  for a, b in f(s, p) do t[#t + 1] = show(a, b) if #t > 99 then break end"
    "  end"
    "  return table.concat(t, ';')"
    " end";

static void chosen_patterns_match_as_in_the_standard_library(void **state)
{
    (void)state;
    run(compare);
    run("local subjects = {'', 'a', 'hello world', 'key = value', '  x  ',"
        " '(a(b)c)d', 'THE (quick) fox', 'aXb-cXd', '2026-11-21', 'f(x)=y',"
        " 'a.b.c', '%d', '[x]', 'a]b^c-d', '\\0\\1a\\0', 'aaa', 'abab'}"
        " local patterns = {'', '.', 'a', '^a', 'a$', '^$', '%s*', '%s+$',"
        " '^%s*(.-)%s*$', '(%w+)%s*=%s*(%w+)', '%b()', '%f[%w]%w+',"
        " '%f[%a]', '()', '()a()', '(a)(b)%2%1', '(.)%1', '[a-c]+',"
        " '[^a-c]+', '[]]', '[^]]', '[%]%-]', '[a-]', '[-a]', '[%a_][%w_]*',"
        " '%d%d%d%d%-%d%d', '.-b', '.*b', 'a?a?a', 'x*', '%.', '%%d',"
        " '%z', '%q', '[%d.]+', '((a)(b))', 'a-$', '$', '^', '^^', 'a^',"
        " '[a%]]', '%u%l*', '%x+', '%p', '%g+', '%c'}"
        " for _, s in ipairs(subjects) do for _, p in ipairs(patterns) do"
        "  compare('find', s, p) compare('match', s, p)"
        "  for _, i in ipairs{-100, -2, -1, 0, 1, 2, 5, 100} do"
        "   compare('find', s, p, i) compare('match', s, p, i)"
        "   compare('find', s, p, i, true)"
        "  end"
        "  compare('gsub', s, p, '<%0>') compare('gsub', s, p, '%1%%', 2)"
        "  compare('gsub', s, p, {a = 1, hello = false})"
        "  compare('gsub', s, p, function(x) return x ~= 'a' and '!' or nil"
        "   end)"
        "  if p:sub(1, 1) ~= '^' then"
        "   local a, b = all_of(string.gmatch, s, p), all_of(ours.gmatch, s, p)"
        "   assert(a == b, s .. ' ' .. p .. ': ' .. a .. ' not ' .. b)"
        "  end"
        " end end");
}

static void random_patterns_match_as_in_the_standard_library(void **state)
{
    (void)state;
    run(compare);
    run("math.randomseed(20261121)"
        " local parts = {'a', 'b', '.', '%w', '%W', '[ab]', '[^a]', '[a-y]',"
        " '%s', 'c', '%.', ' ', '%b()', '%f[a]'}"
        " local after = {'', '', '', '*', '+', '-', '?'}"
        " local letters = {'a', 'b', 'c', ' ', '.', '(', ')', '1', 'aa'}"
        " for n = 1, 20000 do"
        "  local p, s, open = {}, {}, 0"
        "  for i = 1, math.random(1, 6) do"
        "   if math.random(6) == 1 then p[#p + 1] = '(' open = open + 1 end"
        "   p[#p + 1] = parts[math.random(#parts)] .. after[math.random("
        "    #after)]"
        "   if open > 0 and math.random(3) == 1 then p[#p + 1] = ')'"
        "    open = open - 1 end"
        "  end"
        "  p[#p + 1] = (')'):rep(open)"
        "  for i = 1, math.random(0, 12) do s[i] = letters[math.random("
        "   #letters)] end"
        "  p, s = table.concat(p), table.concat(s)"
        "  compare('find', s, p) compare('gsub', s, p, '[%0]')"
        "  local a, b = all_of(string.gmatch, s, p), all_of(ours.gmatch, s, p)"
        "  assert(a == b, s .. ' ' .. p .. ': ' .. a .. ' not ' .. b)"
        " end");
}

static void malformed_patterns_are_errors(void **state)
{
    (void)state;
    run("for _, p in ipairs{'%', '[a', '[', '(', ')', '[^', '[%', '%b', '%bx',"
        " '%f', '%fa', '%1', '(()', 'a)', '[]'} do"
        "  local ok, e = pcall(ours.match, 'abc', p)"
        "  assert(not ok, p) end"
        " assert(not pcall(ours.gsub, 'abc', 'a', '%9'), 1)"
        " assert(not pcall(ours.gsub, 'abc', 'a', '%'), 2)"
        " assert(not pcall(ours.gsub, 'abc', 'a', true), 3)"
        " assert(not pcall(ours.gsub, 'abc', 'a', function() return {} end), 4)"
        " assert(not pcall(ours.gmatch, 'abc', '^a'), 5)"
        " assert(not pcall(ours.find, ('a'):rep(40), ('(a)'):rep(33)), 6)"
        " assert(not pcall(ours.rep, 'x', 1 << 40), 7)");
}

static void rep_is_that_of_the_standard_library(void **state)
{
    (void)state;
    run(compare);
    run("for _, s in ipairs{'', 'a', 'ab'} do for n = -1, 5 do"
        " compare('rep', s, n) compare('rep', s, n, ',')"
        " compare('rep', s, n, '') end end");
}

static void many_patterns_do_not_fill_the_cache(void **state)
{
    (void)state;
    run("for i = 1, 1000 do assert(ours.find('x' .. i, 'x(' .. i .. ')') == 1)"
        " end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_patterns_match_as_in_the_standard_library),
        cmocka_unit_test(random_patterns_match_as_in_the_standard_library),
        cmocka_unit_test(malformed_patterns_are_errors),
        cmocka_unit_test(rep_is_that_of_the_standard_library),
        cmocka_unit_test(many_patterns_do_not_fill_the_cache),
    };
    return cmocka_run_group_tests(tests, open_both, close_both);
}
