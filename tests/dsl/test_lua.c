/* SPDX-License-Identifier: Apache-2.0
 *
 * What a script gets told: mistakes while it loads and while it runs name its
 * file, its line and the way out; what leads out of the sandbox is not there.
 */
#include "tests/dsl/flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Loads a script that must fail; all of `says` (NULL-ended) must be in the
 * error. */
static void assert_load_fails(const char *lines, const char *const *says)
{
    struct flow flow;
    struct weir_error err = {0};
    enum weir_status status = flow_try_lua(&flow, lines, &err);
    if (status == WEIR_OK) {
        fail_msg("'%s' loads", lines);
    }
    for (; *says; says++) {
        if (!strstr(err.text, *says)) {
            fail_msg("'%s' gives '%s', which does not say '%s'", lines,
                     err.text, *says);
        }
    }
    flow_close(&flow);
}

static void assert_load_says(const char *lines, const char *says)
{
    assert_load_fails(lines, (const char *const[]){says, NULL});
}

/* The function is the one of a map_values over text; sends "in k v 7". */
static void assert_run_says(const char *function, const char *says)
{
    struct flow flow;
    struct weir_error err = {0};
    char lines[4096];
    snprintf(lines, sizeof(lines),
             "app:stream('in', weir.text):map_values(%s):to 'out'", function);
    flow_open_lua(&flow, lines);
    flow_start(&flow, false);
    enum weir_status status = flow_try_send(&flow, "in k v 7", &err);
    if (status == WEIR_OK) {
        fail_msg("%s runs", function);
    }
    if (!strstr(err.text, says)) {
        fail_msg("'%s' does not say '%s'", err.text, says);
    }
    flow_close(&flow);
}

/* ---- errors -------------------------------------------------------------- */

static void an_error_names_line_node_and_record(void **state)
{
    (void)state;
    struct flow flow;
    struct weir_error err = {0};
    flow_open_lua(&flow, "local function name(v)\n"
                         "  return v.user.name\n"
                         "end\n"
                         "app:stream('in', weir.text):map_values(function(v)\n"
                         "  local n = name(v)\n"
                         "  return n .. '!'\n"
                         "end, {name = 'names'}):to 'out'");
    flow_start(&flow, false);
    assert_int_equal(flow_try_send(&flow, "in k v 7", &err), WEIR_E_LUA);
    static const char *const says[] = {
        ".lua:3: attempt to index a nil value (field 'user')",
        "    3 |   return v.user.name",
        "called from ",
        ".lua:6",
        "'names'",
        "topic 'in' partition 0 offset 0"};
    for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
        if (!strstr(err.text, says[i])) {
            fail_msg("'%s' does not say '%s'", err.text, says[i]);
        }
    }
    assert_null(strstr(err.text, "[C]"));
    flow_close(&flow);
}

static void errors_that_are_no_text_are_told(void **state)
{
    (void)state;
    assert_run_says("function() error({code = 5}) end",
                    "not a text but a table");
    assert_run_says("function() error() end", "not a text but a nil");
    assert_run_says("function() error('plain', 0) end", "plain");
}

static void mistakes_while_loading_name_their_line(void **state)
{
    (void)state;
    assert_load_fails(
        "local x = = 5",
        (const char *const[]){".lua:2:", "unexpected symbol", NULL});
    assert_load_fails("\n\nerror 'stop'",
                      (const char *const[]){".lua:4: stop", "4 | error", NULL});
    assert_load_says("app = 5", "must end with `return app`");
    assert_load_says("app:strem('x')",
                     "a app has no verb 'strem'; it has stream, table");
    assert_load_says("app:stream('in'):cuont()", "has no verb 'cuont'");
    assert_load_says("app:stream('in'):filter(5)",
                     "filter: a function is due, but there is: number");
    assert_load_says("weir.app 'again'", "a script has one app");
    assert_load_says("weir.app 'a/b'", "application.id 'a/b' may have");
    assert_load_says("weir.app ''", "application.id is not set");
    assert_load_says("weir.app 'a\\0b'", "zero byte");
    assert_load_says("app:stream({})", "no topic");
    assert_load_says("app:stream('a b'):to 'x'", "a b");
    assert_load_says("app:stream(5)", "must be a text");
    assert_load_says("app.stream('x')", "the object before ':'");
}

static void misspelt_names_are_told_the_nearest(void **state)
{
    (void)state;
    assert_load_says("prnt('x')",
                     "undefined global 'prnt': did you mean 'print'?");
    assert_load_says("app:stream('in', weir.tex)",
                     "there is no weir.tex: did you mean weir.text?");
    assert_load_says("app:stream('in'):group_by_key():count{stor = 'x'}",
                     "count: unknown option 'stor': did you mean 'store'?");
    assert_load_says("app:stream('in'):filter(print, {store = 'x'})",
                     "filter: unknown option 'store'");
    assert_run_says("function(v) return lenght(v) end",
                    "undefined global 'lenght'");
}

static void options_of_the_wrong_kind_are_told(void **state)
{
    (void)state;
    assert_load_says("app:stream('in', {reset = 'first'})",
                     "must be \"earliest\" or \"latest\", not \"first\"");
    assert_load_says("app:stream('in', {value = 'text'})",
                     "'value' must be a type such as weir.text, not a string");
    assert_load_says("app:stream('in'):repartition{partitions = 0}",
                     "from 1 to 100000");
    assert_load_says("app:stream('in'):repartition('r', {partitions = 5})",
                     "repartition: something comes after the options");
    assert_load_says("app:stream('in'):group_by_key():count('c', 'd')",
                     "count: something comes after the options");
    assert_load_says("app:stream('in'):to('out', weir.json)",
                     "the stream's values are bytes, not json");
    assert_load_says("app:stream('a', weir.json):merge(app:stream 'b')",
                     "bring them to the same types");
    assert_load_says("app:stream('in'):group_by_key():aggregate{add = print}",
                     "aggregate: 'init' must be a function");
    assert_load_says("app:stream('in'):group_by_key():count('a'):to_stream()"
                     ":group_by_key():count('a')",
                     "store 'a' exists already");
}

/* ---- results ------------------------------------------------------------- */

static void
a_result_of_the_wrong_type_is_told_how_to_say_otherwise(void **state)
{
    (void)state;
    assert_run_says("function() return {} end",
                    "map_values returned a table as value, where text is due: "
                    "make it a string, or give its type: map_values(fn, "
                    "weir.json)");
    assert_run_says("function() return 5 end",
                    "an integer as value, where text is due");
    assert_run_says("function() return print end", "a function as value");
    assert_run_says("function() return 'x' end, weir.i64",
                    "a string as value, where int64 is due: make it an "
                    "integer, or give its type: map_values(fn, weir.text)");
    assert_run_says("function() return 1.5 end, weir.i64", "a float as value");
    assert_run_says("function() return {1, f = 2} end, weir.json",
                    "cannot be written as JSON: a table with both named fields "
                    "and other keys");
    assert_run_says("function() return {a = {1, f = 2}} end, weir.json",
                    "cannot be written as JSON: a: a table with both");
    assert_run_says("function() return {a = {b = print}} end, weir.json",
                    "cannot be written as JSON: a.b: a function");
    assert_run_says("function() return '\\xff' end, weir.json", "not UTF-8");
    assert_run_says("function() return 0/0 end, weir.json", "not a number");
}

static void flat_results_of_the_wrong_kind_are_told(void **state)
{
    (void)state;
    assert_load_says("app:stream('in'):flat_map_values()",
                     "a function is due, but there is: no value");
    struct flow flow;
    struct weir_error err = {0};
    flow_open_lua(&flow, "app:stream('in', weir.text):flat_map_values("
                         "function(v) return v end):to 'out'"
                         " app:stream('in2', weir.text):flat_map("
                         "function(v) return {v} end):to 'out'"
                         " app:stream('in3', weir.text):filter("
                         "function(v) return 1 end):to 'out'");
    flow_start(&flow, false);
    assert_int_equal(flow_try_send(&flow, "in k v 7", &err), WEIR_E_LUA);
    assert_non_null(strstr(err.text, "write `return {x}`"));
    flow_abort(&flow);
    assert_int_equal(flow_try_send(&flow, "in2 k v 7", &err), WEIR_E_LUA);
    assert_non_null(strstr(err.text, "must be a pair {key, value}"));
    flow_abort(&flow);
    assert_int_equal(flow_try_send(&flow, "in3 k v 7", &err), WEIR_E_LUA);
    assert_non_null(strstr(err.text, "true or false, not a number"));
    flow_close(&flow);
}

/* ---- the sandbox --------------------------------------------------------- */

static void what_leads_out_is_not_there(void **state)
{
    (void)state;
    static const char *const names[] = {
        "io",         "debug",      "package",     "load",
        "loadstring", "dofile",     "loadfile",    "collectgarbage",
        "os.execute", "os.exit",    "os.remove",   "os.getenv",
        "os.rename",  "os.tmpname", "string.dump", "warn"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char lines[128];
        snprintf(lines, sizeof(lines), "%s('x')", names[i]);
        struct flow flow;
        struct weir_error err = {0};
        if (flow_try_lua(&flow, lines, &err) == WEIR_OK ||
            (!strstr(err.text, "undefined global") &&
             !strstr(err.text, "attempt to call a nil value"))) {
            fail_msg("%s is there: %s", names[i], err.text);
        }
        flow_close(&flow);
    }
}

static void tables_of_the_host_are_read_only(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "string.format = nil",
        "weir.text = 5",
        "math.pi = 3",
        "rawset(string, 'x', 1)",
        "rawset(_G, 'x', 1)",
        "setmetatable(_G, {})",
        "setmetatable(string, {})",
        "getmetatable('').__index.rep = nil",
        "getmetatable(app).__index = nil",
        "getmetatable(weir.text).__index = {}",
        "app.stream = nil",
        "setmetatable({}, {__gc = function() end})",
        "weir.json.decode = nil"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct flow flow;
        struct weir_error err = {0};
        if (flow_try_lua(&flow, lines[i], &err) == WEIR_OK) {
            fail_msg("'%s' is allowed", lines[i]);
        }
        flow_close(&flow);
    }
}

static void globals_are_for_loading_only(void **state)
{
    (void)state;
    struct flow flow;
    struct weir_error err = {0};
    flow_open_lua(&flow, "function double(v) return v .. v end count = 0\n"
                         "app:stream('in', weir.text):map_values(double)"
                         ":to 'out'\n"
                         "app:stream('in2', weir.text):map_values(function(v)"
                         " count = count + 1 return v end):to 'out'\n"
                         "app:stream('in3'):map_values(function(v)"
                         " app:stream('late') return v end):to 'out'");
    flow_start(&flow, false);
    flow_send(&flow, "in k v 1");
    char *out = flow_read(&flow, "out");
    assert_string_equal(out, "out k=vv@1\n");
    free(out);
    flow_abort(&flow);
    assert_int_equal(flow_try_send(&flow, "in2 k v 7", &err), WEIR_E_LUA);
    assert_non_null(strstr(err.text, "global 'count' is set while records"));
    flow_abort(&flow);
    assert_int_equal(flow_try_send(&flow, "in3 k v 7", &err), WEIR_E_LUA);
    assert_non_null(strstr(err.text, "the topology is fixed"));
    flow_close(&flow);
}

static void bytecode_is_refused(void **state)
{
    (void)state;
    char path[] = "/tmp/weir-test-XXXXXX.lua";
    int fd = mkstemps(path, 4);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "\x1bLuaT", 5), 5);
    close(fd);
    struct wr_application *application = NULL;
    struct weir_error err = {0};
    assert_int_equal(wr_application_load(path, NULL, &application, &err),
                     WEIR_E_LUA);
    assert_non_null(strstr(err.text, "attempt to load a binary chunk"));
    unlink(path);
}

static void coroutines_and_libraries_work(void **state)
{
    (void)state;
    flow_check(&(struct flow_case){
        .name = "coroutines",
        .lua = "app:stream('in', weir.text):flat_map_values(function(v)"
               " return coroutine.wrap(function() for c in v:gmatch '.' do"
               " coroutine.yield(c) end end) end):to 'out'"
               " app:stream('in2', weir.text):map_values(function(v)"
               " local ok, e = pcall(error, 'x', 0)"
               " local ok2, e2 = xpcall(error, function(m) return m .. '!' end,"
               " 'y', 0)"
               " local co = coroutine.create(function(a) local b ="
               " coroutine.yield(a + 1) error('z' .. b, 0) end)"
               " local _, two = coroutine.resume(co, 1)"
               " local dead, z = coroutine.resume(co, 5)"
               " local t = {5, 3, 4} table.sort(t)"
               " return string.format('%s%s%s%s%s%s%s', tostring(ok), e, e2,"
               " two, tostring(dead), z, table.concat(t)) end):to 'out'",
        .in = "in k ab 1\nin2 k - 2",
        .topics = "out",
        .out = "out k=a@1\nout k=b@1\nout k=falsexy!2falsez5345@2\n"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_names_line_node_and_record),
        cmocka_unit_test(errors_that_are_no_text_are_told),
        cmocka_unit_test(mistakes_while_loading_name_their_line),
        cmocka_unit_test(misspelt_names_are_told_the_nearest),
        cmocka_unit_test(options_of_the_wrong_kind_are_told),
        cmocka_unit_test(
            a_result_of_the_wrong_type_is_told_how_to_say_otherwise),
        cmocka_unit_test(flat_results_of_the_wrong_kind_are_told),
        cmocka_unit_test(what_leads_out_is_not_there),
        cmocka_unit_test(tables_of_the_host_are_read_only),
        cmocka_unit_test(globals_are_for_loading_only),
        cmocka_unit_test(bytecode_is_refused),
        cmocka_unit_test(coroutines_and_libraries_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
