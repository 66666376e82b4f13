/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/weir_test.h"

#include "cli/command.h"

static struct {
    int runs;
    char first[32], second[32], operand[32];
    bool flag;
    enum weir_status int_status;
    int64_t number;
} seen;

static int remember(struct wr_cli *cli)
{
    struct weir_error err;
    seen.runs++;
    seen.flag = wr_cli_has(cli, "flag");
    (void)strncpy(seen.first, wr_cli_text(cli, "text", ""), 31);
    const char *v = wr_cli_value(cli, "text", 0);
    (void)strncpy(seen.second, v ? v : "", 31);
    (void)strncpy(seen.operand, cli->operand_count ? cli->operands[0] : "", 31);
    seen.int_status = wr_cli_int(cli, "number", (struct wr_cli_range){7, 1, 10},
                                 &seen.number, &err);
    return 42;
}

static const struct wr_cli_option rows[] = {{"text", 't', "TEXT", "A text."},
                                            {"number", 0, "N", "A number."},
                                            {"flag", 'f', NULL, "A flag."},
                                            {NULL, 0, NULL, NULL}};

static const struct wr_cli_command command = {
    "try", "[WORD]", "Tries.", "", rows, 0, 1, remember, NULL, false};

static int run(int count, const char *const *words)
{
    char *argv[16];
    argv[0] = (char *)(uintptr_t) "try";
    for (int i = 0; i < count; i++) {
        argv[i + 1] = (char *)(uintptr_t)words[i];
    }
    argv[count + 1] = NULL;
    memset(&seen, 0, sizeof(seen));
    return wr_cli_run(&command, count + 1, argv);
}

#define RUN(...)                                                               \
    run((int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),         \
        (const char *[]){__VA_ARGS__})

static void options_come_in_any_order_and_form(void **state)
{
    (void)state;
    assert_int_equal(RUN("word", "-f", "--text=a", "-t", "b", "--number", "3"),
                     42);
    assert_true(seen.flag);
    assert_string_equal(seen.first, "b"); /* the last one wins */
    assert_string_equal(seen.second, "a");
    assert_string_equal(seen.operand, "word");
    assert_int_equal(seen.number, 3);
}

static void what_is_not_given_has_its_default(void **state)
{
    (void)state;
    assert_int_equal(run(0, NULL), 42);
    assert_false(seen.flag);
    assert_string_equal(seen.first, "");
    assert_int_equal(seen.number, 7);
}

static void nonsense_is_a_usage_error_and_runs_nothing(void **state)
{
    (void)state;
    assert_int_equal(RUN("--txet", "a"), WR_EXIT_USAGE);
    assert_int_equal(RUN("-x"), WR_EXIT_USAGE);
    assert_int_equal(RUN("--text"), WR_EXIT_USAGE);
    assert_int_equal(RUN("one", "two"), WR_EXIT_USAGE);
    assert_int_equal(seen.runs, 0);
}

static void a_number_out_of_range_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"0",  "11", "x",
                                      "3x", "",   "99999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(RUN("--number", bad[i]), 42);
        assert_int_equal(seen.int_status, WEIR_E_CONFIG);
    }
}

static void every_command_has_its_page(void **state)
{
    (void)state;
    for (const struct wr_cli_command *c = wr_commands; c->name; c++) {
        assert_non_null(c->summary);
        assert_true((c->run == NULL) != (c->run_argv == NULL));
        size_t n = 0;
        for (const struct wr_cli_option *o = c->options; o && o->name; o++) {
            assert_non_null(o->help);
            n++;
        }
        assert_true(n < 32);
    }
}

static const char *nearest(int count, const char *first, const char *second)
{
    static char near[WR_COMMAND_NAME_MAX];
    static const struct wr_cli_command commands[] = {
        {.name = "run"},
        {.name = "topic create"},
        {.name = "topic describe"},
        {.name = "topology"},
        {.name = "secret", .hidden = true},
        {.name = NULL}};
    char *words[] = {(char *)(uintptr_t)first, (char *)(uintptr_t)second};
    return wr_cli_nearest(commands, count, words, near) ? near : NULL;
}

static void mistyped_words_are_compared_one_by_one(void **state)
{
    (void)state;
    assert_string_equal(nearest(2, "topci", "create"), "topic create");
    assert_string_equal(nearest(2, "topic", "descirbe"), "topic describe");
    assert_string_equal(nearest(1, "topci", NULL), "topic");
    assert_string_equal(nearest(2, "topci", "-x"), "topic");
    assert_string_equal(nearest(2, "topologyy", "create"), "topology");
    assert_string_equal(nearest(2, "rnu", "app.lua"), "run");
    assert_null(nearest(2, "xyz", "create"));
    assert_null(nearest(1, "secrte", NULL));
    assert_null(nearest(0, NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistyped_words_are_compared_one_by_one),
        cmocka_unit_test(options_come_in_any_order_and_form),
        cmocka_unit_test(what_is_not_given_has_its_default),
        cmocka_unit_test(nonsense_is_a_usage_error_and_runs_nothing),
        cmocka_unit_test(a_number_out_of_range_is_refused),
        cmocka_unit_test(every_command_has_its_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
