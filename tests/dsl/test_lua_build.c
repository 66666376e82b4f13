/* SPDX-License-Identifier: Apache-2.0
 *
 * Options of verbs reach the topology: stores, names, resets and partitions
 * that a script asks for are in what C would have built. */
#include "tests/dsl/flow.h"

#include "runtime/topology.h"

#include <stdlib.h>

static const struct weir_store_spec *spec(struct flow *flow, const char *name)
{
    int index = wr_topology_store_index(flow->topology, name);
    assert_true(index >= 0);
    return &flow->topology->stores[index]->spec;
}

static void store_options_reach_the_store(void **state)
{
    (void)state;
    struct flow flow;
    flow_open_lua(
        &flow,
        "app:stream('in', {key = weir.i64}):group_by_key():count{store = 'a',"
        " memory = true, caching = false, changelog = false}:to 'out'\n"
        "app:stream('in2', weir.json):group_by_key():reduce(print,"
        " {store = 'b', changelog_config = {['retention.ms'] = 5}}):to 'out'\n"
        "app:stream('in3'):process{stores = {c = weir.kv{key = weir.i64,"
        " value = weir.json, memory = true, changelog = false},"
        " d = weir.kv(weir.double)}, each = print}");
    const struct weir_store_spec *s = spec(&flow, "a");
    assert_int_equal(s->engine, WEIR_MEMORY);
    assert_false(s->caching);
    assert_true(s->no_changelog && s->timestamped);
    assert_ptr_equal(s->key_serde, &weir_serde_int64);
    assert_ptr_equal(s->value_serde, &weir_serde_int64);
    s = spec(&flow, "b");
    assert_int_equal(s->engine, WEIR_ROCKSDB);
    assert_true(s->caching && !s->no_changelog);
    assert_ptr_equal(s->value_serde, &weir_serde_json);
    assert_string_equal(s->changelog_config[0], "retention.ms=5");
    assert_null(s->changelog_config[1]);
    s = spec(&flow, "c");
    assert_int_equal(s->engine, WEIR_MEMORY);
    assert_true(s->no_changelog && !s->timestamped && !s->caching);
    assert_ptr_equal(s->key_serde, &weir_serde_int64);
    s = spec(&flow, "d");
    assert_ptr_equal(s->key_serde, &weir_serde_text);
    assert_ptr_equal(s->value_serde, &weir_serde_double);
    flow_close(&flow);
}

static void source_options_reach_the_source(void **state)
{
    (void)state;
    struct flow flow;
    flow_open_lua(&flow, "app:stream('in', {name = 'here', key = weir.text,"
                         " value = weir.json, reset = 'latest'})"
                         ":repartition{name = 'mid', partitions = 7}:to 'out'");
    const struct wr_node *node = wr_topology_node(flow.topology, "here");
    assert_non_null(node);
    assert_int_equal(node->source.reset, WEIR_RESET_LATEST);
    assert_ptr_equal(node->source.key_serde, &weir_serde_text);
    assert_ptr_equal(node->source.value_serde, &weir_serde_json);
    assert_true(wr_topology_is_repartition(flow.topology, "mid-repartition"));
    assert_int_equal(flow.topology->repartitions[0].partitions, 7);
    node = wr_topology_node(flow.topology, "mid-repartition-source");
    assert_non_null(node);
    assert_ptr_equal(node->source.value_serde, &weir_serde_json);
    flow_close(&flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_options_reach_the_store),
        cmocka_unit_test(source_options_reach_the_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
