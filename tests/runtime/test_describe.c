/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/weir_test.h"

#include "tests/runtime/graph.h"

#include <stdlib.h>

static struct weir_topology *word_count(void)
{
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "lines");
    add_processor(t, "split", "in", pass);
    weir_topology_repartition(t, "words", 0);
    add_sink(t, "words-out", "words", "split");
    add_source(t, "words-in", "words");
    add_processor(t, "count", "words-in", pass);
    add_store(t, "counts", "count");
    add_sink(t, "out", "results", "count");
    return t;
}

static char *described(enum weir_describe format)
{
    struct weir_error err = {0};
    char *text = NULL;
    struct weir_topology *t = word_count();
    if (weir_topology_describe(t, format, &text, &err) != WEIR_OK) {
        fail_msg("%s", err.text);
    }
    weir_topology_free(t);
    return text;
}

/* The layout of Kafka Streams' TopologyDescription.toString(). */
static void the_text_is_kafka_streams(void **state)
{
    (void)state;
    char *text = described(WEIR_DESCRIBE_TEXT);
    assert_string_equal(text, "Topologies:\n"
                              "   Sub-topology: 0\n"
                              "    Source: in (topics: [lines])\n"
                              "      --> split\n"
                              "    Processor: split (stores: [])\n"
                              "      --> words-out\n"
                              "      <-- in\n"
                              "    Sink: words-out (topic: words)\n"
                              "      <-- split\n"
                              "\n"
                              "  Sub-topology: 1\n"
                              "    Source: words-in (topics: [words])\n"
                              "      --> count\n"
                              "    Processor: count (stores: [counts])\n"
                              "      --> out\n"
                              "      <-- words-in\n"
                              "    Sink: out (topic: results)\n"
                              "      <-- count\n"
                              "\n");
    free(text);
}

static void the_graph_has_every_node_topic_and_store(void **state)
{
    (void)state;
    static const char *const needles[] = {"digraph",
                                          "cluster_0",
                                          "cluster_1",
                                          "\"topic lines\" -> \"in\"",
                                          "\"in\" -> \"split\"",
                                          "\"words-out\" -> \"topic words\"",
                                          "\"count\" -> \"store counts\""};
    char *text = described(WEIR_DESCRIBE_DOT);
    for (size_t i = 0; i < sizeof(needles) / sizeof(needles[0]); i++) {
        if (!strstr(text, needles[i])) {
            fail_msg("no %s in %s", needles[i], text);
        }
    }
    free(text);
}

static void the_json_has_kinds_children_and_stores(void **state)
{
    (void)state;
    char *text = described(WEIR_DESCRIBE_JSON);
    assert_non_null(strstr(text, "{\"name\":\"count\",\"kind\":\"processor\","
                                 "\"stores\":[\"counts\"],\"children\":["
                                 "\"out\"]}"));
    assert_non_null(strstr(text, "\"topics\":[\"application-words\"]"));
    free(text);
}

static void nodes_with_more_descendants_come_first(void **state)
{
    (void)state;
    struct weir_error err = {0};
    char *text = NULL;
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "lines");
    add_processor(t, "a-leaf", "in", pass);
    add_processor(t, "b-long", "in", pass);
    add_processor(t, "c-end", "b-long", pass);
    assert_int_equal(weir_topology_describe(t, WEIR_DESCRIBE_TEXT, &text, &err),
                     WEIR_OK);
    assert_non_null(strstr(text, "--> b-long, a-leaf"));
    assert_true(strstr(text, "Processor: b-long") <
                strstr(text, "Processor: a-leaf"));
    free(text);
    weir_topology_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_is_kafka_streams),
        cmocka_unit_test(the_graph_has_every_node_topic_and_store),
        cmocka_unit_test(the_json_has_kinds_children_and_stores),
        cmocka_unit_test(nodes_with_more_descendants_come_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
