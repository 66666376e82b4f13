/* SPDX-License-Identifier: Apache-2.0
 *
 * Applications from files: the examples do what they say, in C and in Lua, and
 * a file that is none is told from one. */
#include "tests/dsl/flow.h"

#include <stdio.h>
#include <stdlib.h>

static const char lines[] = "lines - It_was_the_best 1\n"
                            "lines x the-WORST,of_the 2\n"
                            "lines - - 3\n"
                            "lines - the!the 1";

static void run_word_count(const char *path, bool caching, const char *out)
{
    struct flow flow = {0};
    struct weir_error err = {0};
    if (wr_application_load(path, NULL, &flow.application, &err) != WEIR_OK) {
        fail_msg("%s", err.text);
    }
    flow.topology = wr_application_take_topology(flow.application);
    assert_null(wr_application_take_topology(flow.application));
    assert_string_equal(wr_application_id(flow.application), "word-count");
    flow_start(&flow, caching);
    flow_send(&flow, lines);
    flow_send(&flow, "!");
    char *text = flow_read(&flow, "word-counts test-counts-changelog");
    assert_string_equal(text, out);
    free(text);
    flow_close(&flow);
}

/* Each word's count, one by one; a row's timestamp is the largest so far. */
static const char uncached[] = "word-counts it_was_the_best=#1@1\n"
                               "word-counts the=#1@2\n"
                               "word-counts worst=#1@2\n"
                               "word-counts of_the=#1@2\n"
                               "word-counts the=#2@2\n"
                               "word-counts the=#3@2\n"
                               "test-counts-changelog it_was_the_best=#1@1\n"
                               "test-counts-changelog the=#1@2\n"
                               "test-counts-changelog worst=#1@2\n"
                               "test-counts-changelog of_the=#1@2\n"
                               "test-counts-changelog the=#2@2\n"
                               "test-counts-changelog the=#3@2\n";

static void word_count_in_c_counts_words(void **state)
{
    (void)state;
    run_word_count(WEIR_WORD_COUNT_SO, false, uncached);
}

static void word_count_in_lua_counts_words(void **state)
{
    (void)state;
    run_word_count(WEIR_EXAMPLES "/word_count.lua", false, uncached);
}

static void assert_fails(const char *path, enum weir_status status,
                         const char *text)
{
    struct weir_error err = {0};
    struct wr_application *application = NULL;
    assert_int_equal(wr_application_load(path, NULL, &application, &err),
                     status);
    if (!strstr(err.text, text)) {
        fail_msg("'%s' does not say '%s'", err.text, text);
    }
    assert_null(application);
}

static void what_is_no_application_is_told(void **state)
{
    (void)state;
    assert_fails("/nowhere/app.lua", WEIR_E_NOTFOUND, "no such file");
    assert_fails(WEIR_EXAMPLES "/CMakeLists.txt", WEIR_E_INVALID,
                 "Lua script (.lua) or a shared object (.so)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(word_count_in_c_counts_words),
        cmocka_unit_test(word_count_in_lua_counts_words),
        cmocka_unit_test(what_is_no_application_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
