/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading topics: several at once, one twice, and what contradicts itself. */
#include "tests/dsl/flow.h"

#include <stdlib.h>

static void two_topics_c(struct weir_builder *b)
{
    static const char *const topics[] = {"x", "y"};
    weir_stream_to(weir_builder_streams(b, topics, 2, NULL), "out", NULL);
}

static void twice_c(struct weir_builder *b)
{
    weir_stream_to(weir_builder_stream(b, "in", NULL), "a", NULL);
    weir_stream_to(weir_builder_stream(b, "in", NULL), "b", NULL);
}

static const struct flow_case cases[] = {
    {.name = "several topics are one stream",
     .c = two_topics_c,
     .lua = "app:stream{'x', 'y'}:to 'out'",
     .in = "x k a 1\ny k b 2",
     .topics = "out",
     .out = "out k=a@1\nout k=b@2\n"},
    {.name = "a topic read twice goes both ways",
     .c = twice_c,
     .lua = "app:stream('in'):to 'a' app:stream('in'):to 'b'",
     .in = "in k v 1",
     .topics = "a b",
     .out = "a k=v@1\nb k=v@1\n"},
};

static void topics_are_read(void **state)
{
    (void)state;
    flow_check_all(cases, sizeof(cases) / sizeof(cases[0]));
}

static void assert_build_says(struct weir_builder *b, const char *says)
{
    struct weir_error err = {0};
    struct weir_topology *topology = NULL;
    assert_int_equal(weir_builder_build(b, &topology, &err), WEIR_E_TOPOLOGY);
    if (!strstr(err.text, says)) {
        fail_msg("'%s' does not say '%s'", err.text, says);
    }
    weir_builder_free(b);
}

static void contradictions_are_told(void **state)
{
    (void)state;
    static const char *const topics[] = {"x", "y"};
    struct weir_builder *b = weir_builder_new();
    weir_stream_to(weir_builder_streams(b, topics, 2, NULL), "out", NULL);
    weir_stream_to(weir_builder_stream(b, "x", NULL), "out", NULL);
    assert_build_says(b, "share some topics but not all");

    b = weir_builder_new();
    struct weir_consumed from = {.size = sizeof(from),
                                 .reset = WEIR_RESET_EARLIEST};
    weir_stream_to(weir_builder_stream(b, "x", &from), "out", NULL);
    from.reset = WEIR_RESET_LATEST;
    weir_stream_to(weir_builder_stream(b, "x", &from), "out", NULL);
    assert_build_says(b, "different offset resets");

    b = weir_builder_new();
    weir_stream_to(weir_builder_streams(b, topics, 0, NULL), "out", NULL);
    assert_build_says(b, "stream: no topic");

    b = weir_builder_new();
    weir_stream_to(weir_builder_stream(b, "x", NULL), "out", NULL);
    weir_stream_to(
        weir_table_to_stream(weir_builder_table(b, "x", NULL, NULL), NULL),
        "out", NULL);
    assert_build_says(b, "'x' is read by source");
}

static void serdes_of_a_topic_read_twice_are_checked(void **state)
{
    (void)state;
    struct flow flow;
    struct weir_error err = {0};
    flow_open_lua(&flow, "app:stream('in', weir.i64):to 'a'");
    flow_start(&flow, false);
    assert_int_equal(flow_try_send(&flow, "in k text 1", &err), WEIR_E_DECODE);
    assert_non_null(strstr(err.text, "int64"));
    flow_close(&flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_are_read),
        cmocka_unit_test(contradictions_are_told),
        cmocka_unit_test(serdes_of_a_topic_read_twice_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
