/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/internal_topics.h"

#include "tests/harness/weir_test.h"
#include "tests/runtime/graph.h"

#define MISSING_MAX 8

static struct weir_topology *topology;
static struct wr_plan *plan;
static struct wr_cluster_topics topics;
static struct wr_layout layout;
static struct wr_missing_topic missing[MISSING_MAX];
static size_t missing_count;
static struct weir_error err;

static int setup(void **state)
{
    (void)state;
    topology = weir_topology_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wr_plan_free(plan);
    weir_topology_free(topology);
    wr_cluster_topics_done(&topics);
    wr_layout_done(&layout);
    plan = NULL;
    return 0;
}

static void have(const char *name, int32_t partitions)
{
    assert_int_equal(wr_cluster_topics_put(&topics, name, partitions), WEIR_OK);
}

static enum weir_status resolve(void)
{
    if (!plan) {
        assert_ok(wr_plan_new(topology, "app", &plan, &err), err);
    }
    assert_in_range(wr_internal_topics_max(plan), 0, MISSING_MAX);
    return wr_internal_topics_resolve(plan, &topics, &layout, missing,
                                      &missing_count, &err);
}

static void has_words(const char *a, const char *b)
{
    if (!strstr(err.text, a) || !strstr(err.text, b)) {
        fail_msg("'%s' lacks '%s' or '%s'", err.text, a, b);
    }
}

/* lines -> split -> [words] -> count, with a store */
static void word_count(int32_t partitions)
{
    add_source(topology, "lines", "lines");
    add_processor(topology, "split", "lines", pass);
    weir_topology_repartition(topology, "words-repartition", partitions);
    add_sink(topology, "to", "words-repartition", "split");
    add_source(topology, "words", "words-repartition");
    add_processor(topology, "count", "words", pass);
    add_store(topology, "counts", "count");
}

static void counts_flow_downstream(void **state)
{
    (void)state;
    word_count(0);
    have("lines", 6);
    assert_ok(resolve(), err);
    assert_int_equal(layout.total, 12);
    assert_int_equal(missing_count, 2);
    assert_string_equal(missing[0].name, "app-words-repartition");
    assert_int_equal(missing[0].partitions, 6);
    assert_null(missing[0].store);
    assert_string_equal(missing[1].name, "app-counts-changelog");
    assert_int_equal(missing[1].partitions, 6);
    assert_non_null(missing[1].store);
}

static void a_wish_is_kept(void **state)
{
    (void)state;
    word_count(3);
    have("lines", 6);
    assert_ok(resolve(), err);
    assert_int_equal(layout.task_counts[0], 6);
    assert_int_equal(layout.task_counts[1], 3);
    assert_int_equal(missing[1].partitions, 3);
}

static void topics_that_exist_are_not_made(void **state)
{
    (void)state;
    word_count(0);
    have("lines", 2);
    have("app-words-repartition", 2);
    have("app-counts-changelog", 2);
    assert_ok(resolve(), err);
    assert_int_equal(missing_count, 0);
}

static void a_missing_input_is_named_with_the_remedy(void **state)
{
    (void)state;
    word_count(0);
    assert_int_equal(resolve(), WEIR_E_NOTFOUND);
    has_words("'lines'", "weir topic create lines");
}

static void a_wrong_count_is_named_with_both_numbers(void **state)
{
    (void)state;
    word_count(0);
    have("lines", 4);
    have("app-words-repartition", 4);
    have("app-counts-changelog", 3);
    assert_int_equal(resolve(), WEIR_E_INCOMPATIBLE);
    has_words("'app-counts-changelog' has 3", "needs 4");
}

static void inputs_of_a_store_must_have_equal_counts(void **state)
{
    (void)state;
    add_source(topology, "a", "ta");
    add_source(topology, "b", "tb");
    add_processor(topology, "pa", "a", pass);
    add_processor(topology, "pb", "b", pass);
    add_store(topology, "both", "pa");
    weir_topology_connect(topology, "pb", "both");
    have("ta", 4);
    have("tb", 2);
    assert_int_equal(resolve(), WEIR_E_TOPOLOGY);
    has_words("'ta' (4 partitions)", "'tb' (2)");
}

static void inputs_without_state_may_differ(void **state)
{
    (void)state;
    const char *parents[] = {"a", "b"};
    add_source(topology, "a", "ta");
    add_source(topology, "b", "tb");
    weir_topology_sink(topology,
                       &(struct weir_sink){.size = sizeof(struct weir_sink),
                                           .name = "out",
                                           .topic = "merged",
                                           .parents = parents,
                                           .parent_count = 2});
    have("ta", 4);
    have("tb", 2);
    assert_ok(resolve(), err);
    assert_int_equal(layout.total, 4);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(counts_flow_downstream),
        T(a_wish_is_kept),
        T(topics_that_exist_are_not_made),
        T(a_missing_input_is_named_with_the_remedy),
        T(a_wrong_count_is_named_with_both_numbers),
        T(inputs_of_a_store_must_have_equal_counts),
        T(inputs_without_state_may_differ)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
