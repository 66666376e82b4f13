/* SPDX-License-Identifier: Apache-2.0 */
#include "base/options.h"

#include "tests/harness/faults.h"
#include "tests/harness/weir_test.h"

static const struct wr_option table[] = {
    {"application.id", WR_OPT_TEXT, NULL, 0, 0, NULL, "Who."},
    {"commit.interval.ms", WR_OPT_DURATION, "100", 0, 86400000, NULL, "When."},
    {"num.stream.threads", WR_OPT_INT, "1", 1, 64, NULL, "How many."},
    {"cache.bytes", WR_OPT_SIZE, "10m", 0, 0, NULL, "How much."},
    {"state.fast", WR_OPT_BOOL, "true", 0, 0, NULL, "Whether."},
    {"processing.guarantee", WR_OPT_CHOICE, "at_least_once", 0, 0,
     "at_least_once|exactly_once_v2", "Which."},
    {0}};

static struct wr_options *options;
static struct weir_error err;

static bool is_client(const char *name)
{
    return strncmp(name, "socket.", 7) == 0;
}

static int setup(void **state)
{
    (void)state;
    return wr_options_new(table, is_client, &options) == WEIR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    wr_options_free(options);
    return 0;
}

static void assert_refused(const char *name, const char *value,
                           const char *text)
{
    assert_status(WEIR_E_CONFIG,
                  wr_options_set(options, name, value, "here", &err));
    assert_string_equal(err.text, text);
}

static void set(const char *name, const char *value)
{
    assert_ok(wr_options_set(options, name, value, "test", &err), err);
}

static void defaults_hold_until_something_is_set(void **state)
{
    (void)state;
    assert_null(wr_options_text(options, "application.id"));
    assert_int_equal(wr_options_int(options, "application.id"), 0);
    assert_int_equal(wr_options_int(options, "commit.interval.ms"), 100);
    assert_int_equal(wr_options_int(options, "cache.bytes"), 10 << 20);
    assert_true(wr_options_bool(options, "state.fast"));
    assert_false(wr_options_is_set(options, "commit.interval.ms"));
    set("commit.interval.ms", "2s");
    set("commit.interval.ms", "3S");
    set("state.fast", "false");
    assert_int_equal(wr_options_int(options, "commit.interval.ms"), 3000);
    assert_string_equal(wr_options_text(options, "commit.interval.ms"), "3S");
    assert_true(wr_options_is_set(options, "commit.interval.ms"));
    assert_false(wr_options_bool(options, "state.fast"));
}

static void a_plain_number_has_no_unit(void **state)
{
    (void)state;
    char buf[WR_OPTIONS_PLAIN];
    set("commit.interval.ms", "2m");
    assert_string_equal(wr_options_plain(options, "commit.interval.ms", buf),
                        "120000");
    set("cache.bytes", "-1");
    assert_string_equal(wr_options_plain(options, "cache.bytes", buf), "-1");
    set("state.fast", "true");
    assert_string_equal(wr_options_plain(options, "state.fast", buf), "true");
    assert_null(wr_options_plain(options, "application.id", buf));
}

static void units_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } sizes[] = {{"0", 0},        {"7", 7},
                 {"64k", 65536},  {"1G", 1 << 30},
                 {"-1", -1},      {"+5", 5},
                 {"2m", 2 << 20}, {"9223372036854775807", INT64_MAX}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        set("cache.bytes", sizes[i].text);
        assert_true(wr_options_int(options, "cache.bytes") == sizes[i].value);
    }
    set("commit.interval.ms", "500ms");
    assert_int_equal(wr_options_int(options, "commit.interval.ms"), 500);
    set("commit.interval.ms", "2m");
    assert_int_equal(wr_options_int(options, "commit.interval.ms"), 120000);
    set("commit.interval.ms", "24h");
    assert_int_equal(wr_options_int(options, "commit.interval.ms"), 86400000);
    set("commit.interval.ms", "1d");
    assert_int_equal(wr_options_int(options, "commit.interval.ms"), 86400000);
}

static void bad_values_name_place_option_and_what_is_wanted(void **state)
{
    (void)state;
    assert_refused("num.stream.threads", "many",
                   "here: num.stream.threads: 'many' is not a whole number");
    assert_refused("num.stream.threads", "0",
                   "here: num.stream.threads: 0 is outside 1 to 64");
    assert_refused("num.stream.threads", "4k",
                   "here: num.stream.threads: '4k' is not a whole number");
    assert_refused("cache.bytes", "10 apples",
                   "here: cache.bytes: '10 apples' is not a size such as "
                   "1048576, 64k, 16m or 1g");
    assert_refused("cache.bytes", "9223372036854775808",
                   "here: cache.bytes: '9223372036854775808' is not a size "
                   "such as 1048576, 64k, 16m or 1g");
    assert_refused("cache.bytes", "9999999999g",
                   "here: cache.bytes: '9999999999g' is not a size such as "
                   "1048576, 64k, 16m or 1g");
    assert_refused("commit.interval.ms", "",
                   "here: commit.interval.ms: '' is not a duration such as "
                   "100, 500ms, 30s or 7d");
    assert_refused("state.fast", "yes",
                   "here: state.fast: 'yes' is neither true nor false");
    assert_refused("processing.guarantee", "exactly_once",
                   "here: processing.guarantee: 'exactly_once' is not one of "
                   "at_least_once|exactly_once_v2");
    assert_refused("processing.guarantee", "",
                   "here: processing.guarantee: '' is not one of "
                   "at_least_once|exactly_once_v2");
    assert_status(WEIR_E_CONFIG,
                  wr_options_set(options, "processing.guarantee",
                                 "at_least_once|exactly_once_v2", "", &err));
    assert_status(WEIR_E_CONFIG, wr_options_set(options, "processing.guarantee",
                                                "at", "", &err));
    assert_false(wr_options_is_set(options, "state.fast"));
    set("processing.guarantee", "exactly_once_v2");
}

static void an_unknown_name_is_refused_with_the_nearest_one(void **state)
{
    (void)state;
    assert_refused("comit.interval.ms", "1",
                   "here: unknown option 'comit.interval.ms'; did you mean "
                   "'commit.interval.ms'?");
    assert_refused("Num.Stream.Thread", "1",
                   "here: unknown option 'Num.Stream.Thread'; did you mean "
                   "'num.stream.threads'?");
    assert_refused("colour", "1", "here: unknown option 'colour'");
    set("socket.keepalive.enable", "true");
    assert_string_equal(wr_options_text(options, "socket.keepalive.enable"),
                        "true");
}

static void pairs_split_at_the_first_equal_sign(void **state)
{
    (void)state;
    assert_ok(wr_options_set_pair(options, "application.id=a=b", "-X", &err),
              err);
    assert_string_equal(wr_options_text(options, "application.id"), "a=b");
    assert_ok(wr_options_set_pair(options, "application.id=", "-X", &err), err);
    assert_string_equal(wr_options_text(options, "application.id"), "");
    assert_status(WEIR_E_CONFIG,
                  wr_options_set_pair(options, "application.id", "-X", &err));
    assert_string_equal(err.text,
                        "-X: 'application.id' is not of the form name=value");
    assert_status(WEIR_E_CONFIG,
                  wr_options_set_pair(options, "=x", "-X", &err));
}

static void a_copy_lives_on_its_own(void **state)
{
    (void)state;
    struct wr_options *copy;
    size_t cursor = 0;
    size_t count = 0;
    const char *name;
    const char *value;
    set("application.id", "first");
    set("socket.timeout.ms", "5");
    assert_status(WEIR_OK, wr_options_copy(options, &copy));
    set("application.id", "second");
    assert_string_equal(wr_options_text(copy, "application.id"), "first");
    while (wr_options_next(copy, &cursor, &name, &value)) {
        assert_string_equal(wr_options_text(copy, name), value);
        count++;
    }
    assert_int_equal(count, 2);
    wr_options_free(copy);
}

static void a_wrong_default_in_a_table_is_our_mistake(void **state)
{
    (void)state;
    static const struct wr_option wrong[] = {
        {"n", WR_OPT_INT, "100", 1, 10, NULL, "N."}, {0}};
    struct wr_options *none = NULL;
    assert_status(WEIR_E_INTERNAL, wr_options_new(wrong, NULL, &none));
    assert_null(none);
    wr_options_free(NULL);
}

/* ---- properties files --------------------------------------------------- */

static enum weir_status load(const char *text, size_t len)
{
    char dir[WR_TEST_PATH_MAX];
    char path[WR_TEST_PATH_MAX * 2];
    wr_test_dir_init(dir);
    (void)snprintf(path, sizeof(path), "%s/p", dir);
    assert_ok(wr_file_replace(path, weir_bytes(text, len), &err), err);
    enum weir_status status = wr_options_load(options, path, &err);
    wr_test_dir_done(dir);
    return status;
}

static void assert_application_id(const char *file, const char *value)
{
    assert_ok(load(file, strlen(file)), err);
    assert_string_equal(wr_options_text(options, "application.id"), value);
}

static void properties_are_read_as_java_reads_them(void **state)
{
    (void)state;
    assert_application_id("application.id=a", "a");
    assert_application_id("application.id = a b \n", "a b ");
    assert_application_id("application.id:b\r\n", "b");
    assert_application_id("application.id c", "c");
    assert_application_id("\n \t# x=y\n! z\n  application.id==d\n", "=d");
    assert_application_id("application.id=one\\\n    two\n", "onetwo");
    assert_application_id("application.id=one\\\r\n\ttwo\n", "onetwo");
    assert_application_id("application\\.id=\\t\\u0041\\u00e9\\u20ac\\:\\q\\\\",
                          "\tA\xc3\xa9\xe2\x82\xac:q\\");
    assert_application_id("application.id\n", "");
    assert_application_id("application.id=end\\", "end");
    assert_application_id("application.id=no # comment", "no # comment");
    assert_ok(load("", 0), err);
}

static void a_bad_line_is_named(void **state)
{
    (void)state;
    static const char bad_value[] = "# c\n\napplication.id=x\\\n y\n"
                                    "state.fast=maybe\n";
    assert_status(WEIR_E_CONFIG, load(bad_value, strlen(bad_value)));
    assert_non_null(strstr(err.text, "/p:5: state.fast: 'maybe' is neither"));
    static const char bad_escape[] = "application.id=\\u12";
    assert_status(WEIR_E_CONFIG, load(bad_escape, strlen(bad_escape)));
    assert_non_null(strstr(err.text, "/p:1: \\u needs four"));
    assert_status(WEIR_E_CONFIG, load("application.id=\0", 16));
    assert_non_null(strstr(err.text, "NUL"));
    assert_status(WEIR_E_NOTFOUND,
                  wr_options_load(options, "/nowhere/p", &err));
}

static void
a_file_beyond_the_limit_is_refused_and_at_the_limit_read(void **state)
{
    (void)state;
    size_t max = (size_t)1 << 20;
    char *text = malloc(max + 1);
    assert_non_null(text);
    memset(text, '#', max + 1);
    assert_status(WEIR_E_TOOBIG, load(text, max + 1));
    assert_ok(load(text, max), err);
    free(text);
}

/* ---- nearest name ------------------------------------------------------- */

static void the_nearest_name_is_near(void **state)
{
    (void)state;
    static const char *const names[] = {"group.id", "group.instance.id", "acks",
                                        NULL};
    assert_string_equal(wr_nearest_name("gruop.id", names), "group.id");
    assert_string_equal(wr_nearest_name("GROUP.ID", names), "group.id");
    assert_string_equal(wr_nearest_name("groupinstanceid", names),
                        "group.instance.id");
    assert_string_equal(wr_nearest_name("ack", names), "acks");
    assert_null(wr_nearest_name("ax", names));
    assert_null(wr_nearest_name("", names));
    char longer[300];
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_null(wr_nearest_name(longer, names));
}

static enum weir_status use_options(void *arg)
{
    struct wr_options *mine;
    struct wr_options *copy = NULL;
    struct weir_error why;
    enum weir_status status = wr_options_new(table, is_client, &mine);
    if (status != WEIR_OK) {
        return status;
    }
    status = wr_options_set(mine, "socket.x", "1", "test", &why);
    if (status == WEIR_OK) {
        status = wr_options_set_pair(mine, "socket.x=22", "test", &why);
    }
    if (status == WEIR_OK) {
        status = wr_options_load(mine, arg, &why);
    }
    if (status == WEIR_OK) {
        status = wr_options_copy(mine, &copy);
    }
    wr_options_free(copy);
    wr_options_free(mine);
    return status;
}

static void without_memory_nothing_is_half_set(void **state)
{
    (void)state;
    char dir[WR_TEST_PATH_MAX];
    char path[WR_TEST_PATH_MAX * 2];
    wr_test_dir_init(dir);
    (void)snprintf(path, sizeof(path), "%s/p", dir);
    assert_ok(wr_file_replace(path, weir_text("state.fast=true\n"), &err), err);
    assert_true(wr_faults_each(use_options, path) > 5);
    wr_test_dir_done(dir);
}

#define OPTIONS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPTIONS(defaults_hold_until_something_is_set),
        OPTIONS(units_are_understood),
        OPTIONS(a_plain_number_has_no_unit),
        OPTIONS(bad_values_name_place_option_and_what_is_wanted),
        OPTIONS(an_unknown_name_is_refused_with_the_nearest_one),
        OPTIONS(pairs_split_at_the_first_equal_sign),
        OPTIONS(a_copy_lives_on_its_own),
        cmocka_unit_test(a_wrong_default_in_a_table_is_our_mistake),
        OPTIONS(properties_are_read_as_java_reads_them),
        OPTIONS(a_bad_line_is_named),
        OPTIONS(a_file_beyond_the_limit_is_refused_and_at_the_limit_read),
        cmocka_unit_test(the_nearest_name_is_near),
        cmocka_unit_test(without_memory_nothing_is_half_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
