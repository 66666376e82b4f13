/* SPDX-License-Identifier: Apache-2.0
 *
 * Applications from files: the examples do what they say, in C and in Lua, and
 * a file that is none is told from one. */
#include "tests/dsl/flow.h"

#include "base/fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

/* Only the last count of each commit goes on. */
static const char cached[] = "word-counts it_was_the_best=#1@1\n"
                             "word-counts the=#3@2\n"
                             "word-counts worst=#1@2\n"
                             "word-counts of_the=#1@2\n"
                             "test-counts-changelog it_was_the_best=#1@1\n"
                             "test-counts-changelog the=#3@2\n"
                             "test-counts-changelog worst=#1@2\n"
                             "test-counts-changelog of_the=#1@2\n";

static void word_count_with_a_cache_sends_last_counts(void **state)
{
    (void)state;
    run_word_count(WEIR_WORD_COUNT_SO, true, cached);
    run_word_count(WEIR_EXAMPLES "/word_count.lua", true, cached);
}

/* ---- the other examples ---------------------------------------------------
 */

static void open_example(struct flow *flow, const char *path)
{
    struct weir_error err = {0};
    *flow = (struct flow){0};
    if (wr_application_load(path, NULL, &flow->application, &err) != WEIR_OK) {
        fail_msg("%s", err.text);
    }
    flow->topology = wr_application_take_topology(flow->application);
    flow_start(flow, false);
}

static void assert_gives(struct flow *flow, const char *topic, const char *out)
{
    char *text = flow_read(flow, topic);
    assert_string_equal(text, out);
    free(text);
    flow_close(flow);
}

static void revenue_is_added_up(void **state)
{
    (void)state;
    struct flow flow;
    open_example(&flow, WEIR_EXAMPLES "/revenue.lua");
    flow_send(&flow,
              "orders 1 {\"customer\":\"ada\",\"cents\":1250,\"paid\":true} 1\n"
              "orders 2 {\"customer\":\"bob\",\"cents\":5,\"paid\":false} 2\n"
              "orders 3 {\"customer\":\"ada\",\"cents\":50,\"paid\":true} 3\n"
              "orders 4 - 4");
    assert_gives(&flow, "revenue",
                 "revenue ada={\"cents\":1250,\"orders\":1}@1\n"
                 "revenue ada={\"cents\":1300,\"orders\":2}@3\n");
}

static void silent_devices_are_told_once(void **state)
{
    (void)state;
    struct flow flow;
    struct weir_error err = {0};
    open_example(&flow, WEIR_EXAMPLES "/silence.lua");
    flow_send(&flow, "readings lamp x 1\nreadings - x 1");
    for (int i = 0; i < 20; i++) {
        if (wr_driver_advance(flow.driver, 10000, &err) != WEIR_OK) {
            fail_msg("%s", err.text);
        }
    }
    assert_gives(&flow, "alerts", "alerts lamp={\"silent_ms\":70000}@70000\n");
}

static void changes_pass_and_repetitions_do_not(void **state)
{
    (void)state;
    struct flow flow;
    open_example(&flow, WEIR_CHANGES_SO);
    flow_send(&flow, "states k a 1\nstates k a 2\nstates k b 3\nstates l - 4\n"
                     "states k - 5\nstates k - 6\nstates - x 7\nstates k '' 8");
    assert_gives(&flow, "changes",
                 "changes k=a@1\nchanges k=b@3\nchanges k=null@5\n"
                 "changes k=@8\n");
}

static void every_example_passes_the_check(void **state)
{
    (void)state;
    static const char *const paths[] = {
        WEIR_WORD_COUNT_SO, WEIR_CHANGES_SO, WEIR_EXAMPLES "/word_count.lua",
        WEIR_EXAMPLES "/revenue.lua", WEIR_EXAMPLES "/silence.lua"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct weir_error err = {0};
        struct wr_buf report;
        size_t warnings = 0;
        wr_buf_init(&report, 1 << 20);
        if (wr_application_check(paths[i], &report, &warnings, &err) !=
                WEIR_OK ||
            warnings) {
            fail_msg("%s: %s %s", paths[i], err.text, wr_buf_text(&report));
        }
        wr_buf_done(&report);
    }
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

/* A running pool does not take up a shared object that was built anew. */
static void a_shared_object_is_loaded_again_as_it_was(void **state)
{
    (void)state;
    char path[] = "/tmp/weir-test-XXXXXX.so";
    struct wr_sources *files = NULL;
    struct wr_application *application = NULL;
    struct weir_error err = {0};
    struct wr_buf object;
    wr_buf_init(&object, WR_SOURCE_OBJECT_BYTES_MAX);
    assert_int_equal(wr_file_read(WEIR_WORD_COUNT_SO, &object, &err), WEIR_OK);
    int fd = mkstemps(path, 3);
    assert_true(fd >= 0);
    assert_int_equal(wr_file_replace(path, wr_buf_view(&object), &err),
                     WEIR_OK);
    assert_int_equal(wr_sources_new(&files), WEIR_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            wr_application_load_from(files, path, NULL, &application, &err),
            WEIR_OK);
        assert_non_null(wr_application_id(application));
        wr_application_free(application);
        assert_int_equal(wr_file_replace(path, weir_text("junk"), &err),
                         WEIR_OK);
    }
    wr_sources_free(files);
    wr_buf_done(&object);
    (void)close(fd);
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(word_count_in_c_counts_words),
        cmocka_unit_test(word_count_in_lua_counts_words),
        cmocka_unit_test(word_count_with_a_cache_sends_last_counts),
        cmocka_unit_test(revenue_is_added_up),
        cmocka_unit_test(silent_devices_are_told_once),
        cmocka_unit_test(changes_pass_and_repetitions_do_not),
        cmocka_unit_test(every_example_passes_the_check),
        cmocka_unit_test(what_is_no_application_is_told),
        cmocka_unit_test(a_shared_object_is_loaded_again_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
