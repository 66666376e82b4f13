/* SPDX-License-Identifier: Apache-2.0
 *
 * What `weir check` tells of a script that loads. */
#include "tests/dsl/flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Checks a script made of these lines; the report is given. */
static enum weir_status check(const char *lines, char **out_report,
                              size_t *out_warnings, struct weir_error *err)
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
    struct wr_buf report;
    wr_buf_init(&report, 1 << 20);
    enum weir_status status =
        wr_application_check(path, &report, out_warnings, err);
    *out_report = strdup(wr_buf_text(&report));
    wr_buf_done(&report);
    unlink(path);
    return status;
}

static void assert_warns(const char *lines, size_t count, const char *says)
{
    struct weir_error err = {0};
    char *report = NULL;
    size_t warnings = 99;
    if (check(lines, &report, &warnings, &err) != WEIR_OK) {
        fail_msg("%s", err.text);
    }
    if (warnings != count || (says && !strstr(report, says))) {
        fail_msg("%s: %zu warnings: %s", lines, warnings, report);
    }
    free(report);
}

static void assert_undefined(const char *lines, const char *says)
{
    struct weir_error err = {0};
    char *report = NULL;
    size_t warnings = 0;
    assert_int_equal(check(lines, &report, &warnings, &err), WEIR_E_LUA);
    if (!strstr(err.text, says)) {
        fail_msg("'%s' does not say '%s'", err.text, says);
    }
    free(report);
}

static void a_good_script_has_no_warnings(void **state)
{
    (void)state;
    assert_warns("local limit = {max = 5}\n"
                 "function long(v) return #v > limit.max end\n"
                 "app:stream('in', weir.text):filter(long)\n"
                 ":flat_map_values(function(v) local n = 0\n"
                 "  return function() n = n + 1 if n < 3 then return v end end"
                 " end)\n"
                 ":map_values(function(v) local t = {} t.v = v t[1] = v"
                 " return v end)\n"
                 ":group_by_key():count('counts'):to 'out'",
                 0, NULL);
}

static void undefined_globals_are_found_before_they_run(void **state)
{
    (void)state;
    assert_undefined("app:stream('in'):map_values(function(v)\n"
                     "  if v == 'rare' then\n    return tostrin(v) end\n"
                     "end)",
                     ".lua:4: undefined global 'tostrin': did you mean "
                     "'tostring'?");
    assert_undefined("local function a() return b + c + d end"
                     " app:stream('in'):to 'out'",
                     "undefined global 'b' (and 2 more like it)");
    assert_undefined("local function f() return function() return"
                     " function() return deep end end end"
                     " app:stream('in'):to 'out'",
                     "undefined global 'deep'");
}

static void state_outside_of_stores_is_told(void **state)
{
    (void)state;
    assert_warns("local n = 0 app:stream('in'):foreach(function() n = n + 1"
                 " n = n + 2 end)",
                 1, "a function sets 'n', a variable outside of it");
    assert_warns("local seen = {} app:stream('in'):foreach(function(v)"
                 " seen[v] = true end)",
                 1, "changes the table 'seen'");
    assert_warns("local seen = {} app:stream('in'):foreach(function(v)"
                 " seen.last = v end)",
                 1, "changes the table 'seen'");
    assert_warns("local n = 0 app:stream('in'):foreach(function()"
                 " local f = function() n = n + 1 end f() end)",
                 1, "sets 'n'");
}

static void unnamed_state_is_told(void **state)
{
    (void)state;
    assert_warns("app:stream('in'):group_by_key():count():to 'out'", 1,
                 "its name is generated");
    assert_warns("app:stream('in'):repartition():to 'out'", 1,
                 "give it a name");
    assert_warns("app:stream('in'):repartition('mid'):to 'out'", 0, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_script_has_no_warnings),
        cmocka_unit_test(undefined_globals_are_found_before_they_run),
        cmocka_unit_test(state_outside_of_stores_is_told),
        cmocka_unit_test(unnamed_state_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
