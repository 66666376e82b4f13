/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/weir_test.h"

#include "runtime/plan.h"
#include "tests/runtime/graph.h"

#include <stdlib.h>

static struct wr_plan *plan_of(struct weir_topology *t)
{
    struct weir_error err = {0};
    struct wr_plan *plan = NULL;
    if (wr_plan_new(t, "app", &plan, &err) != WEIR_OK) {
        fail_msg("%s", err.text);
    }
    return plan;
}

static void unconnected_nodes_are_numbered_by_their_first_node(void **state)
{
    (void)state;
    struct weir_topology *t = weir_topology_new();
    add_source(t, "z", "topic-z");
    add_source(t, "a", "topic-a");
    add_sink(t, "a-out", "x", "a");
    add_sink(t, "z-out", "y", "z");
    struct wr_plan *plan = plan_of(t);
    assert_int_equal(plan->subtopology_count, 2);
    assert_string_equal(plan->subtopologies[0].inputs[0].name, "topic-z");
    assert_string_equal(plan->subtopologies[1].inputs[0].name, "topic-a");
    wr_plan_free(plan);
    weir_topology_free(t);
}

static void a_shared_store_joins_sub_topologies(void **state)
{
    (void)state;
    struct weir_topology *t = weir_topology_new();
    add_source(t, "a", "ta");
    add_source(t, "b", "tb");
    add_source(t, "c", "tc");
    add_processor(t, "pa", "a", pass);
    add_processor(t, "pb", "b", pass);
    add_processor(t, "pc", "c", pass);
    add_store(t, "shared", "pa");
    weir_topology_connect(t, "pc", "shared");
    struct wr_plan *plan = plan_of(t);
    assert_int_equal(plan->subtopology_count, 2);
    assert_int_equal(plan->subtopologies[0].input_count, 2);
    assert_int_equal(plan->subtopologies[0].store_count, 1);
    assert_string_equal(plan->subtopologies[0].stores[0].changelog,
                        "app-shared-changelog");
    assert_int_equal(plan->subtopologies[1].store_count, 0);
    wr_plan_free(plan);
    weir_topology_free(t);
}

static void
a_repartition_topic_parts_sub_topologies_and_has_a_prefix(void **state)
{
    (void)state;
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "lines");
    weir_topology_repartition(t, "words-repartition", 0);
    add_sink(t, "rep-out", "words-repartition", "in");
    add_source(t, "rep-in", "words-repartition");
    add_sink(t, "out", "counts", "rep-in");
    struct wr_plan *plan = plan_of(t);
    assert_int_equal(plan->subtopology_count, 2);
    assert_string_equal(plan->subtopologies[1].inputs[0].name,
                        "app-words-repartition");
    assert_true(plan->subtopologies[1].inputs[0].repartition);
    assert_false(plan->subtopologies[0].inputs[0].repartition);
    assert_int_equal(plan->repartitions[0].writer, 0);
    assert_string_equal(wr_plan_topic(plan, "words-repartition"),
                        "app-words-repartition");
    assert_string_equal(wr_plan_topic(plan, "counts"), "counts");
    wr_plan_free(plan);
    weir_topology_free(t);
}

static void repartition_topics_come_after_those_their_writer_reads(void **state)
{
    (void)state;
    struct weir_topology *t = weir_topology_new();
    weir_topology_repartition(t, "second", 0); /* declared in the wrong order */
    weir_topology_repartition(t, "first", 0);
    add_source(t, "in", "lines");
    add_sink(t, "to-first", "first", "in");
    add_source(t, "from-first", "first");
    add_sink(t, "to-second", "second", "from-first");
    add_source(t, "from-second", "second");
    add_sink(t, "out", "results", "from-second");
    struct wr_plan *plan = plan_of(t);
    assert_string_equal(plan->repartitions[0].name, "app-first");
    assert_string_equal(plan->repartitions[1].name, "app-second");
    wr_plan_free(plan);
    weir_topology_free(t);
}

static void repartition_topics_in_a_circle_need_a_count(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct wr_plan *plan = NULL;
    struct weir_topology *t = weir_topology_new();
    weir_topology_repartition(t, "loop", 0);
    add_source(t, "in", "loop");
    add_sink(t, "out", "loop", "in");
    assert_int_equal(wr_plan_new(t, "app", &plan, &err), WEIR_E_TOPOLOGY);
    assert_non_null(strstr(err.text, "circle"));
    weir_topology_free(t);
}

static char *signature_of(const char *store, int32_t partitions)
{
    struct weir_error err = {0};
    char *text = NULL;
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "lines");
    add_processor(t, "work", "in", pass);
    add_store(t, store, "work");
    weir_topology_repartition(t, "rep", partitions);
    add_sink(t, "rep-out", "rep", "work");
    add_source(t, "rep-in", "rep");
    struct wr_plan *plan = plan_of(t);
    assert_int_equal(wr_plan_signature(plan, &text, &err), WEIR_OK);
    wr_plan_free(plan);
    weir_topology_free(t);
    return text;
}

static void a_signature_changes_with_what_it_must(void **state)
{
    (void)state;
    char *a = signature_of("counts", 0);
    char *same = signature_of("counts", 0);
    char *store = signature_of("other", 0);
    char *count = signature_of("counts", 7);
    assert_string_equal(a, same);
    assert_string_not_equal(a, store);
    assert_string_not_equal(a, count);
    free(a);
    free(same);
    free(store);
    free(count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unconnected_nodes_are_numbered_by_their_first_node),
        cmocka_unit_test(a_shared_store_joins_sub_topologies),
        cmocka_unit_test(
            a_repartition_topic_parts_sub_topologies_and_has_a_prefix),
        cmocka_unit_test(
            repartition_topics_come_after_those_their_writer_reads),
        cmocka_unit_test(repartition_topics_in_a_circle_need_a_count),
        cmocka_unit_test(a_signature_changes_with_what_it_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
