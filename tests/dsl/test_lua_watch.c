/* SPDX-License-Identifier: Apache-2.0
 *
 * Scripts that would not come back, or eat all memory, are stopped; the host is
 * unharmed and the next record is processed. */
#include "base/clock.h"
#include "runtime/config.h"
#include "tests/dsl/flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CALL_MS 100

/* A configuration with small bounds: given. */
static struct weir_config *small_bounds(void)
{
    struct weir_config *config = weir_config_new();
    struct weir_error err = {0};
    assert_non_null(config);
    assert_int_equal(
        weir_config_set(config, "weir.lua.memory.max.bytes", "8m", &err),
        WEIR_OK);
    assert_int_equal(
        weir_config_set(config, "weir.lua.call.max.ms", "100", &err), WEIR_OK);
    return config;
}

static void open_limited_lines(struct flow *flow, const char *lines)
{
    char path[] = "/tmp/weir-test-XXXXXX.lua";
    int fd = mkstemps(path, 4);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    fprintf(file,
            "local weir = require 'weir' local app = weir.app 'test'\n"
            "%s\nreturn app\n",
            lines);
    fclose(file);
    *flow = (struct flow){.script = strdup(path)};
    struct weir_config *config = small_bounds();
    struct weir_error err = {0};
    if (wr_application_load(path, wr_config_options(config), &flow->application,
                            &err) != WEIR_OK) {
        fail_msg("%s", err.text);
    }
    weir_config_free(config);
    flow->topology = wr_application_take_topology(flow->application);
    flow_start(flow, false);
}

static void open_limited(struct flow *flow, const char *function)
{
    char lines[1024];
    (void)snprintf(lines, sizeof(lines),
                   "local function abuse(v) %s end\n"
                   "app:stream('in', weir.text):map_values(function(v)\n"
                   "  if v == 'abuse' then abuse(v) end return v\n"
                   "end):to 'out'",
                   function);
    open_limited_lines(flow, lines);
}

/* The abuse fails within a few times its limit with one of the two texts, and
 * the next record passes. */
static void assert_survives(const char *function, const char *says,
                            const char *or_says)
{
    struct flow flow;
    struct weir_error err = {0};
    open_limited(&flow, function);
    flow_send(&flow, "in k before 1\n!");
    int64_t start_ms = wr_mono_ms();
    enum weir_status status = flow_try_send(&flow, "in k abuse 2", &err);
    int64_t took_ms = wr_mono_ms() - start_ms;
    if (status == WEIR_OK ||
        (!strstr(err.text, says) && !(or_says && strstr(err.text, or_says)))) {
        fail_msg("%s: %s: %s", function, weir_status_name(status), err.text);
    }
    if (took_ms > 30 * CALL_MS) { /* sanitizers and a busy machine */
        fail_msg("%s took %lld ms", function, (long long)took_ms);
    }
    flow_abort(&flow);
    flow_send(&flow, "in k after 3");
    char *out = flow_read(&flow, "out");
    assert_string_equal(out, "out k=before@1\nout k=after@3\n");
    free(out);
    flow_close(&flow);
}

static void endless_loops_end(void **state)
{
    (void)state;
    static const char *const loops[] = {
        "while true do end",
        "repeat local x = v .. 'x' until false",
        "local function f() return f() end f()",
        "for i = 1, math.huge do local t = {i} end",
        "local t = setmetatable({}, {__index = function(t, k) return t[k + 1]"
        " end}) while true do pcall(function() return t[1] end) end",
        "table.sort({3, 2, 1}, function() while true do end end)",
        "string.gsub('abc', '.', function() while true do end end)",
        "local x <close> = setmetatable({}, {__close = function()"
        " while true do end end})"};
    for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
        assert_survives(loops[i], "stopped after 100 ms", "stack overflow");
    }
}

static void pcall_does_not_hide_the_end(void **state)
{
    (void)state;
    static const char *const loops[] = {
        "while true do pcall(function() while true do end end) end",
        "while true do xpcall(function() while true do end end,"
        " function() while true do end end) end",
        "while true do pcall(pcall, pcall, function() while true do end end)"
        " end",
        "local co = coroutine.wrap(function() while true do end end)"
        " while true do pcall(co) end",
        "local co = coroutine.create(function() local x <close> ="
        " setmetatable({}, {__close = function() while true do end end})"
        " coroutine.yield() end) coroutine.resume(co)"
        " while true do pcall(coroutine.close, co) end",
        "local co = coroutine.wrap(function() local x <close> ="
        " setmetatable({}, {__close = function() while true do end end})"
        " error('x') end) pcall(co) while true do end",
        "while true do local co = coroutine.create(function()"
        " while true do pcall(function() while true do end end) end end)"
        " coroutine.resume(co) end",
        "local function deep(n) return coroutine.wrap(function() if n > 0 then"
        " deep(n - 1)() else while true do end end end) end"
        " while true do pcall(deep(20)) end"};
    for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
        assert_survives(loops[i], "stopped after 100 ms", NULL);
    }
}

static void loops_of_c_functions_are_bounded(void **state)
{
    (void)state;
    static const char *const loops[] = {
        "local s = ('a'):rep(60) return s:find(('a?'):rep(60) .. ('a'):rep(60)"
        " .. 'b')",
        "local s = ('a'):rep(5000) return s:match '(.-)(.-)(.-)(.-)(.-)b'",
        "local s = ('a'):rep(3000) return s:gsub('(.-)(.-)(.-)(.-)b', '')",
        "local s = ('a'):rep(3000) for x in s:gmatch '(.-)(.-)(.-)(.-)b' do"
        " end",
        "local n = 0 for i = 1, 1e9 do n = n + #(''):rep(1e18) end",
        "return ('('):rep(4e6):find '%b()'",
        "return ('a'):rep(3e6):find '(a-)%1%1b'",
        "local a, b, t = ('x'):rep(2e6), ('x'):rep(2e6), {}"
        " for i = 1, 20000 do t[i] = i % 2 == 0 and a or b end table.sort(t)",
        "local t = {} for i = 1, 20000 do t[i] = i end"
        " local s = ('a'):rep(2e6) table.sort(t, function(a, b)"
        " return s:find 'b' or a < b end)"};
    for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
        assert_survives(loops[i], "stopped after 100 ms", NULL);
    }
    assert_survives("return ('x'):rep(1e10)", "larger than", NULL);
    assert_survives("local s, t = ('x'):rep(1e6), {}"
                    " for i = 1, 1e5 do t[i] = s end"
                    " return weir.json.encode(t)",
                    "cannot be written as JSON", NULL);
    assert_survives("table.move({}, 1, 1e15, 2)", "more than 10000000", NULL);
    assert_survives("table.insert(setmetatable({}, {__len = function() return"
                    " 2^53 | 0 end}), 1, 'x')",
                    "__len", NULL);
    assert_survives("table.concat(setmetatable({}, {__index = function() return"
                    " 'x' end}), '', 1, 1e15)",
                    "__index", NULL);
    assert_survives("return table.unpack({}, 1, 1e8)", "too many results",
                    NULL);
    assert_survives("local s = '(' return s:rep(40):find(s:rep(40))", "capture",
                    NULL);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    static const char *const bombs[] = {
        "local t = {} for i = 1, 1e9 do t[i] = i end",
        "local s = 'x' while true do s = s .. s end",
        "local t = {} while true do t = {t, t, t, t} end",
        "local t = {} while true do t[#t + 1] = coroutine.create(print) end",
        "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(100) .. i end",
        "local t = {} for i = 1, 1e9 do t['k' .. i] = function() return t end"
        " end",
        "return ('x'):rep(7 << 20) .. ('y'):rep(7 << 20)",
        "local s = ('x'):rep(1 << 20) return s:gsub('x', 'yyyyyyyyyyyyyyyy')",
        "return weir.json.decode(('['):rep(500) .. (']'):rep(500)),"
        " ('x'):rep(9 << 20)"};
    for (size_t i = 0; i < sizeof(bombs) / sizeof(bombs[0]); i++) {
        assert_survives(bombs[i], "memory", "stopped after");
    }
}

static void deep_recursion_ends(void **state)
{
    (void)state;
    assert_survives("local function f(n) return 1 + f(n + 1) end return f(1)",
                    "stack overflow", "memory");
    assert_survives("local f f = function() return string.gsub('a', 'a', f)"
                    " end return f()",
                    "stack overflow", "memory");
    assert_survives("local t = {} t.t = t return weir.json.encode(t)",
                    "does the table contain itself", NULL);
    assert_survives("local mt = {} mt.__index = function(t, k) return t[k] end"
                    " return setmetatable({}, mt).x",
                    "stack overflow", "memory");
}

static void a_script_that_loads_for_ever_ends(void **state)
{
    (void)state;
    char path[] = "/tmp/weir-test-XXXXXX.lua";
    int fd = mkstemps(path, 4);
    assert_int_equal(write(fd, "while true do end", 17), 17);
    close(fd);
    struct weir_config *config = small_bounds();
    struct wr_application *application = NULL;
    struct weir_error err = {0};
    assert_int_equal(wr_application_load(path, wr_config_options(config),
                                         &application, &err),
                     WEIR_E_LUA);
    weir_config_free(config);
    assert_non_null(strstr(err.text, "stopped after 100 ms"));
    unlink(path);
}

static void an_endless_iterator_of_results_ends(void **state)
{
    (void)state;
    struct flow flow;
    struct weir_error err = {0};
    flow_open_lua(&flow, "app:stream('in', weir.text):flat_map_values("
                         "function(v) return function() return v end end)"
                         ":filter(function() return false end):to 'out'");
    flow_start(&flow, false);
    assert_int_equal(flow_try_send(&flow, "in k v 1", &err), WEIR_E_LUA);
    assert_non_null(strstr(err.text, "does the iterator end?"));
    flow_close(&flow);
}

static void an_endless_loop_that_emits_ends(void **state)
{
    (void)state;
    struct flow flow;
    struct weir_error err = {0};
    flow_open_lua(&flow, "app:stream('in', weir.text):process{each ="
                         " function(ctx, v) while true do ctx:emit('k', v) end"
                         " end}:filter(function() return false end):to 'out'");
    flow_start(&flow, false);
    assert_int_equal(flow_try_send(&flow, "in k v 1", &err), WEIR_E_LUA);
    assert_non_null(strstr(err.text, "does the loop end?"));
    flow_close(&flow);
}

/* In one process{}; fails with this text. */
static void assert_each_says(const char *each, const char *says)
{
    struct flow flow;
    struct weir_error err = {0};
    char lines[1024];
    (void)snprintf(lines, sizeof(lines),
                   "app:stream('in', weir.text):process{stores = {rows ="
                   " weir.kv{memory = true, changelog = false}},"
                   " each = function(ctx, v) %s end}"
                   ":filter(function() return false end):to 'out'",
                   each);
    flow_open_lua(&flow, lines);
    flow_start(&flow, false);
    assert_int_equal(flow_try_send(&flow, "in k v 1", &err), WEIR_E_LUA);
    if (!strstr(err.text, says)) {
        fail_msg("%s: %s", each, err.text);
    }
    flow_close(&flow);
}

static void an_idle_iterator_lifts_no_limit(void **state)
{
    (void)state;
    assert_each_says("ctx.rows:put('k', v) local all = ctx.rows:scan()"
                     " while true do ctx:emit('k', v) end",
                     "does the loop end?");
}

static void puts_of_one_call_are_bounded(void **state)
{
    (void)state;
    assert_each_says("local x = ('x'):rep(1 << 20)"
                     " while true do ctx.rows:put('k', x) end",
                     "more than 256 MiB were put");
    assert_each_says("local x = ('x'):rep(1 << 20)"
                     " while true do ctx.rows:put_if_absent('k', x) end",
                     "more than 256 MiB were put");
}

/* 40 emits, 25 ms of work after each, where 100 ms are allowed. */
static void an_emit_does_not_begin_the_time_anew(void **state)
{
    (void)state;
    struct flow flow;
    struct weir_error err = {0};
    open_limited_lines(
        &flow, "app:stream('in', weir.text):process{each = function(ctx, v)"
               " for i = 1, 40 do ctx:emit('k', v) local t = os.clock()"
               " while os.clock() < t + 0.025 do end end end}"
               ":filter(function() return false end):to 'out'");
    assert_int_equal(flow_try_send(&flow, "in k v 1", &err), WEIR_E_LUA);
    assert_non_null(strstr(err.text, "stopped after 100 ms"));
    flow_close(&flow);
}

static void a_walk_over_a_store_emits_all_it_has(void **state)
{
    (void)state;
    struct flow flow;
    struct weir_error err = {0};
    flow_open_lua(&flow, "app:stream('in', weir.text):process{"
                         "stores = {rows = weir.kv{memory = true}},"
                         " each = function(ctx, v)"
                         "   for i = 1, 100 do ctx.rows:put('k' .. i, v) end"
                         "   for k in ctx.rows:scan() do"
                         "     for i = 1, 10001 do ctx:emit(k, v) end end"
                         " end}:filter(function() return false end):to 'out'");
    flow_start(&flow, false);
    enum weir_status status = flow_try_send(&flow, "in k v 1", &err);
    if (status != WEIR_OK) {
        fail_msg("%s", err.text);
    }
    flow_close(&flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endless_loops_end),
        cmocka_unit_test(an_endless_loop_that_emits_ends),
        cmocka_unit_test(a_walk_over_a_store_emits_all_it_has),
        cmocka_unit_test(an_idle_iterator_lifts_no_limit),
        cmocka_unit_test(puts_of_one_call_are_bounded),
        cmocka_unit_test(an_emit_does_not_begin_the_time_anew),
        cmocka_unit_test(pcall_does_not_hide_the_end),
        cmocka_unit_test(loops_of_c_functions_are_bounded),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(deep_recursion_ends),
        cmocka_unit_test(a_script_that_loads_for_ever_ends),
        cmocka_unit_test(an_endless_iterator_of_results_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
