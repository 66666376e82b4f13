/* SPDX-License-Identifier: Apache-2.0
 *
 * The builder: the first error stays and is told once, chains need no checks,
 * and what comes after building is refused. */
#include "tests/dsl/flow.h"

static enum weir_status keep(struct weir_context *ctx,
                             const struct weir_record *r, bool *out, void *user)
{
    (void)ctx, (void)r, (void)user;
    *out = true;
    return WEIR_OK;
}

static void assert_build_says(struct weir_builder *b, enum weir_status status,
                              const char *says)
{
    struct weir_error err = {0};
    struct weir_topology *topology = NULL;
    assert_int_equal(weir_builder_build(b, &topology, &err), status);
    if (!strstr(err.text, says)) {
        fail_msg("'%s' does not say '%s'", err.text, says);
    }
    assert_null(topology);
    weir_builder_free(b);
}

static void the_first_error_is_told(void **state)
{
    (void)state;
    struct weir_builder *b = weir_builder_new();
    struct weir_stream *s =
        weir_builder_stream(b, "in", &(struct weir_consumed){.size = 3});
    s = weir_stream_filter(s, NULL, NULL, NULL);
    struct weir_grouped *g = weir_stream_group_by_key(s, NULL);
    struct weir_table *t = weir_grouped_count(g, NULL, NULL);
    t = weir_table_filter(t, keep, NULL, NULL, NULL);
    weir_stream_to(weir_table_to_stream(t, NULL), "out", NULL);
    assert_build_says(b, WEIR_E_INVALID, "stream: the options' size is 3");
}

static void a_null_object_gives_a_null_object(void **state)
{
    (void)state;
    struct weir_stream *s = weir_builder_stream(NULL, "in", NULL);
    assert_null(s);
    s = weir_stream_filter(s, keep, NULL, NULL);
    assert_null(s);
    assert_null(
        weir_grouped_count(weir_stream_group_by_key(s, NULL), NULL, NULL));
    weir_stream_to(s, "out", NULL);
    weir_builder_free(NULL);
}

static void an_empty_program_is_told(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct weir_topology *topology = NULL;
    struct weir_builder *b = weir_builder_new();
    assert_int_not_equal(weir_builder_build(b, &topology, &err), WEIR_OK);
    assert_true(err.text[0]);
    weir_builder_free(b);
}

static void a_builder_builds_once(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct weir_topology *topology = NULL;
    struct weir_builder *b = weir_builder_new();
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    weir_stream_to(s, "out", NULL);
    assert_int_equal(weir_builder_build(b, &topology, &err), WEIR_OK);
    weir_topology_free(topology);
    topology = NULL;
    weir_stream_to(s, "late", NULL);
    assert_build_says(b, WEIR_E_TOPOLOGY, "to: the topology is built already");
}

static void names_twice_are_told(void **state)
{
    (void)state;
    struct weir_builder *b = weir_builder_new();
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    s = weir_stream_filter(s, keep, NULL, "same");
    s = weir_stream_filter(s, keep, NULL, "same");
    weir_stream_to(s, "out", NULL);
    assert_build_says(b, WEIR_E_TOPOLOGY, "'same' exists already");
}

static void streams_of_two_builders_do_not_merge(void **state)
{
    (void)state;
    struct weir_builder *a = weir_builder_new();
    struct weir_builder *b = weir_builder_new();
    weir_stream_to(weir_stream_merge(weir_builder_stream(a, "x", NULL),
                                     weir_builder_stream(b, "y", NULL), NULL),
                   "out", NULL);
    assert_build_says(a, WEIR_E_INVALID, "of another builder");
    weir_builder_free(b);
}

static void names_of_any_length_do_no_harm(void **state)
{
    (void)state;
    static char name[100000];
    memset(name, 'n', sizeof(name) - 1);
    struct weir_builder *b = weir_builder_new();
    struct weir_table *t = weir_builder_table(b, name, NULL, NULL);
    t = weir_table_filter(t, keep, NULL, name, NULL);
    weir_stream_to(weir_table_to_stream(t, NULL), "out", NULL);
    assert_build_says(b, WEIR_E_TOPOLOGY, "topic name 'nnn");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_error_is_told),
        cmocka_unit_test(a_null_object_gives_a_null_object),
        cmocka_unit_test(an_empty_program_is_told),
        cmocka_unit_test(a_builder_builds_once),
        cmocka_unit_test(names_twice_are_told),
        cmocka_unit_test(streams_of_two_builders_do_not_merge),
        cmocka_unit_test(names_of_any_length_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
