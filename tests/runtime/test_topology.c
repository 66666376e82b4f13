/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/weir_test.h"

#include "tests/runtime/graph.h"

/* Checks t, expects a failure whose text contains `needle`, frees t. */
static void refuses(struct weir_topology *t, const char *needle)
{
    struct weir_error err = {0};
    assert_int_not_equal(weir_topology_check(t, &err), WEIR_OK);
    if (!strstr(err.text, needle)) {
        fail_msg("'%s' is not in '%s'", needle, err.text);
    }
    weir_topology_free(t);
}

static void a_line_of_nodes_is_a_topology(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "orders");
    add_processor(t, "work", "in", pass);
    add_store(t, "counts", "work");
    add_sink(t, "out", "results", "work");
    assert_int_equal(weir_topology_check(t, &err), WEIR_OK);
    weir_topology_free(t);
}

static void nothing_is_no_topology(void **state)
{
    (void)state;
    refuses(weir_topology_new(), "no source");
}

static void a_name_is_used_once(void **state)
{
    (void)state;
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "a");
    add_source(t, "in", "b");
    refuses(t, "'in' exists already");
}

static void a_topic_is_read_by_one_source(void **state)
{
    (void)state;
    struct weir_topology *t = weir_topology_new();
    add_source(t, "one", "a");
    add_source(t, "two", "a");
    refuses(t, "read by source 'one' already");
}

static void a_parent_must_exist_before_its_child(void **state)
{
    (void)state;
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "a");
    add_processor(t, "work", "later", pass);
    refuses(t, "parent 'later' is not known");
}

static void a_sink_has_no_children(void **state)
{
    (void)state;
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "a");
    add_sink(t, "out", "b", "in");
    add_processor(t, "work", "out", pass);
    refuses(t, "cannot have children");
}

static void illegal_names_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"",    ".",   "..",
                                        "a b", "a/b", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct weir_topology *t = weir_topology_new();
        add_source(t, names[i], "a");
        refuses(t, "is not legal");
        t = weir_topology_new();
        add_source(t, "in", names[i]);
        refuses(t, "is not legal");
    }
}

static void a_processor_needs_code(void **state)
{
    (void)state;
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "a");
    add_processor(t, "work", "in", NULL);
    refuses(t, "no process function");
}

static void a_store_must_be_used_and_known(void **state)
{
    (void)state;
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "a");
    weir_topology_store(
        t, &(struct weir_store_spec){.size = sizeof(struct weir_store_spec),
                                     .name = "idle"});
    refuses(t, "store 'idle' is used by no processor");
    t = weir_topology_new();
    add_source(t, "in", "a");
    add_processor(t, "work", "in", pass);
    weir_topology_connect(t, "work", "missing");
    refuses(t, "no such store");
}

static void a_repartition_topic_is_written_and_read(void **state)
{
    (void)state;
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "a");
    weir_topology_repartition(t, "by-word", 0);
    add_sink(t, "out", "by-word", "in");
    refuses(t, "no source that reads it");
}

static void the_first_error_stays(void **state)
{
    (void)state;
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "a");
    add_source(t, "in", "b");
    add_processor(t, "work", "nowhere", pass);
    add_sink(t, "out", "c", "work");
    refuses(t, "'in' exists already");
}

static void a_struct_of_another_size_is_refused(void **state)
{
    (void)state;
    struct weir_topology *t = weir_topology_new();
    const char *topic = "a";
    weir_topology_source(
        t, &(struct weir_source){
               .size = 8, .name = "in", .topics = &topic, .topic_count = 1});
    refuses(t, "sizeof(struct weir_source)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_nodes_is_a_topology),
        cmocka_unit_test(nothing_is_no_topology),
        cmocka_unit_test(a_name_is_used_once),
        cmocka_unit_test(a_topic_is_read_by_one_source),
        cmocka_unit_test(a_parent_must_exist_before_its_child),
        cmocka_unit_test(a_sink_has_no_children),
        cmocka_unit_test(illegal_names_are_refused),
        cmocka_unit_test(a_processor_needs_code),
        cmocka_unit_test(a_store_must_be_used_and_known),
        cmocka_unit_test(a_repartition_topic_is_written_and_read),
        cmocka_unit_test(the_first_error_stays),
        cmocka_unit_test(a_struct_of_another_size_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
