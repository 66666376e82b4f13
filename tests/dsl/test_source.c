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

/* The whole number that bytes begin with, as text; 0 when there is none. */
static inline int64_t number_in(struct weir_bytes bytes)
{
    char text[24] = "";
    memcpy(text, bytes.data, bytes.len < 23 ? bytes.len : 23);
    return strtoll(text, NULL, 10);
}

/* "5x" is at 5. */
static enum weir_status time_in_value(struct weir_context *ctx,
                                      const struct weir_record *record,
                                      int64_t *timestamp_ms, void *user)
{
    (void)ctx;
    (void)user;
    if (record->value.data) {
        *timestamp_ms = number_in(record->value);
    }
    return WEIR_OK;
}

static void timed_c(struct weir_builder *b)
{
    struct weir_consumed consumed = {.size = sizeof(consumed),
                                     .value_serde = &weir_serde_text,
                                     .timestamp = time_in_value};
    weir_stream_to(weir_builder_stream(b, "in", &consumed), "out", NULL);
}

static void timed_table_c(struct weir_builder *b)
{
    struct weir_consumed consumed = {.size = sizeof(consumed),
                                     .value_serde = &weir_serde_text,
                                     .timestamp = time_in_value};
    weir_stream_to(weir_table_to_stream(
                       weir_builder_table(b, "in", &consumed, NULL), NULL),
                   "out", NULL);
}

#define TIME_IN_VALUE                                                          \
    "{value = weir.text, timestamp = function(v, k, r) "                       \
    "if not v then return r.timestamp end "                                    \
    "return math.tointeger(tonumber(v:match '^-?%d+')) end}"

static const struct flow_case cases[] = {
    {.name = "an extractor gives records their time; a negative one drops them",
     .c = timed_c,
     .lua = "app:stream('in', " TIME_IN_VALUE "):to 'out'",
     .in = "in k 50a 1\nin k -1b 2\nin k - 3\nin k 40c 4",
     .topics = "out",
     .out = "out k=50a@50\nout k=null@3\nout k=40c@40\n"},
    {.name = "a table's updates have the extracted time too",
     .c = timed_table_c,
     .lua = "app:table('in', " TIME_IN_VALUE "):to 'out'",
     .in = "in k 50a 1\nin k 60b 2",
     .topics = "out",
     .out = "out k=50a@50\nout k=60b@60\n"},
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
    int users[2];
    struct weir_consumed timed = {.size = sizeof(timed),
                                  .timestamp = time_in_value,
                                  .timestamp_user = &users[0]};
    weir_stream_to(weir_builder_stream(b, "x", &timed), "out", NULL);
    timed.timestamp_user = &users[1];
    weir_stream_to(weir_builder_stream(b, "x", &timed), "out", NULL);
    assert_build_says(b, "different timestamp extractors");

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

static void assert_send_says(const char *lua, const char *line,
                             const char *says)
{
    struct flow flow;
    struct weir_error err = {0};
    flow_open_lua(&flow, lua);
    flow_start(&flow, false);
    assert_int_not_equal(flow_try_send(&flow, line, &err), WEIR_OK);
    if (!strstr(err.text, says)) {
        fail_msg("'%s' does not say '%s'", err.text, says);
    }
    flow_close(&flow);
}

static void a_script_is_told_what_a_time_is(void **state)
{
    (void)state;
    const char *says = "stream: 'timestamp' must return whole milliseconds";
    assert_send_says("app:stream('in', {timestamp = function() end}):to 'a'",
                     "in k v 1", says);
    assert_send_says(
        "app:stream('in', {timestamp = function() return '5' end}):to 'a'",
        "in k v 1", says);
    assert_send_says(
        "app:stream('in', {timestamp = function() return 1.5 end}):to 'a'",
        "in k v 1", says);
    assert_send_says(
        "app:stream('in', {timestamp = function(v) return v.x.y end}):to 'a'",
        "in k v 1", "topic 'in' partition 0 offset 0");
    struct flow flow;
    struct weir_error err = {0};
    assert_int_equal(
        flow_try_lua(&flow, "app:stream('in', {timestamp = 5}):to 'a'", &err),
        WEIR_E_LUA);
    assert_non_null(strstr(
        err.text, "stream: 'timestamp' must be a function, not a number"));
    flow_close(&flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_are_read),
        cmocka_unit_test(contradictions_are_told),
        cmocka_unit_test(serdes_of_a_topic_read_twice_are_checked),
        cmocka_unit_test(a_script_is_told_what_a_time_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
