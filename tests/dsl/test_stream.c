/* SPDX-License-Identifier: Apache-2.0
 *
 * What the verbs of streams do to records, in C and in Lua alike. */
#include "tests/dsl/flow.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>

static bool is(struct weir_bytes b, const char *text)
{
    return b.data && b.len == strlen(text) && memcmp(b.data, text, b.len) == 0;
}

static enum weir_status is_a(struct weir_context *ctx,
                             const struct weir_record *r, bool *out, void *user)
{
    (void)ctx, (void)user;
    *out = is(r->value, "a");
    return WEIR_OK;
}

static enum weir_status key_of_value(struct weir_context *ctx,
                                     const struct weir_record *r,
                                     struct weir_bytes *out, void *user)
{
    (void)ctx, (void)user;
    *out = r->value;
    return WEIR_OK;
}

/* The text with `user` after it; null stays null. */
static enum weir_status append(struct weir_context *ctx,
                               const struct weir_record *r,
                               struct weir_bytes *out, void *user)
{
    const char *end = user;
    if (!r->value.data) {
        *out = WEIR_NULL;
        return WEIR_OK;
    }
    size_t len = r->value.len + strlen(end);
    uint8_t *text = weir_context_alloc(ctx, len);
    assert_non_null(text);
    memcpy(text, r->value.data, r->value.len);
    memcpy(text + r->value.len, end, strlen(end));
    *out = weir_bytes(text, len);
    return WEIR_OK;
}

static enum weir_status swap(struct weir_context *ctx,
                             const struct weir_record *r, struct weir_bytes *k,
                             struct weir_bytes *v, void *user)
{
    (void)ctx, (void)user;
    *k = r->value;
    *v = r->key;
    return WEIR_OK;
}

static enum weir_status each_letter(struct weir_emitter *out,
                                    const struct weir_record *r, void *user)
{
    (void)user;
    enum weir_status s = WEIR_OK;
    for (size_t i = 0; i < r->value.len && s == WEIR_OK; i++) {
        s = weir_emit_value(out, weir_bytes(r->value.data + i, 1));
    }
    return s;
}

static enum weir_status each_letter_keyed(struct weir_emitter *out,
                                          const struct weir_record *r,
                                          void *user)
{
    (void)user;
    enum weir_status s = WEIR_OK;
    for (size_t i = 0; i < r->value.len && s == WEIR_OK; i++) {
        s = weir_emit(out, weir_bytes(r->value.data + i, 1), r->key);
    }
    return s;
}

static void filter_c(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    weir_stream_to(weir_stream_filter(s, is_a, NULL, NULL), "out", NULL);
    weir_stream_to(weir_stream_filter_not(s, is_a, NULL, NULL), "rest", NULL);
}

static void map_c(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    weir_stream_to(weir_stream_map(s, swap, NULL, NULL), "out", NULL);
}

static void map_values_c(struct weir_builder *b)
{
    static char end[] = "!";
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    weir_stream_to(weir_stream_map_values(s, append, end, NULL), "out", NULL);
}

static void flat_c(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    weir_stream_to(weir_stream_flat_map_values(s, each_letter, NULL, NULL),
                   "out", NULL);
    weir_stream_to(weir_stream_flat_map(s, each_letter_keyed, NULL, NULL),
                   "pairs", NULL);
}

static void select_key_c(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    weir_stream_to(weir_stream_select_key(s, key_of_value, NULL, NULL), "out",
                   NULL);
}

static void merge_c(struct weir_builder *b)
{
    struct weir_stream *x = weir_builder_stream(b, "x", NULL);
    struct weir_stream *y = weir_builder_stream(b, "y", NULL);
    weir_stream_to(weir_stream_merge(x, y, NULL), "out", NULL);
}

static void repartition_c(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    s = weir_stream_repartition(
        s, &(struct weir_repartitioned){
               .size = sizeof(struct weir_repartitioned), .name = "mid"});
    weir_stream_to(s, "out", NULL);
}

static const struct flow_case cases[] = {
    {.name = "filter and filter_not share the records between them",
     .c = filter_c,
     .lua = "local s = app:stream('in', weir.text)"
            " s:filter(function(v) return v == 'a' end):to 'out'"
            " s:filter_not(function(v) return v == 'a' end):to 'rest'",
     .in = "in k a 1\nin k b 2\nin - a 3\nin k - 4",
     .topics = "out rest",
     .out = "out k=a@1\nout null=a@3\nrest k=b@2\nrest k=null@4\n"},
    {.name = "map changes both and keeps the timestamp",
     .c = map_c,
     .lua = "app:stream('in', weir.bytes):map(function(v, k) return v, k end)"
            ":to 'out'",
     .in = "in k a 1\nin - b 2\nin c - 3",
     .topics = "out",
     .out = "out a=k@1\nout b=null@2\nout null=c@3\n"},
    {.name = "map_values keeps the key",
     .c = map_values_c,
     .lua = "app:stream('in', weir.text):map_values(function(v)"
            " return v and v .. '!' end):to 'out'",
     .in = "in k a 1\nin - '' 2\nin c - 3",
     .topics = "out",
     .out = "out k=a!@1\nout null=!@2\nout c=null@3\n"},
    {.name = "flat verbs give any number of records, in order",
     .c = flat_c,
     .lua = "local s = app:stream('in', weir.text)"
            " s:flat_map_values(function(v) return (v or ''):gmatch '.' end)"
            ":to 'out'"
            " s:flat_map(function(v, k) local r = {}"
            " for c in (v or ''):gmatch '.' do r[#r + 1] = {c, k} end"
            " return r end):to 'pairs'",
     .in = "in k ab 1\nin k '' 2\nin k - 3\nin - c 4",
     .topics = "out pairs",
     .out = "out k=a@1\nout k=b@1\nout null=c@4\n"
            "pairs a=k@1\npairs b=k@1\npairs c=null@4\n"},
    {.name = "flat_map_values also takes lists, and nil for nothing",
     .lua = "app:stream('in', weir.text):flat_map_values(function(v)"
            " if v == 'none' then return nil end return {v, v} end):to 'out'",
     .in = "in k a 1\nin k none 2",
     .topics = "out",
     .out = "out k=a@1\nout k=a@1\n"},
    {.name = "flat_map also takes an iterator of pairs",
     .lua = "app:stream('in', weir.text):flat_map(function(v) local n = 0"
            " return function() n = n + 1 if n < 3 then return v, v .. n end"
            " end end):to 'out'",
     .in = "in k a 1",
     .topics = "out",
     .out = "out a=a1@1\nout a=a2@1\n"},
    {.name = "select_key keeps the value",
     .c = select_key_c,
     .lua = "app:stream('in', weir.text):select_key(function(v) return v end)"
            ":to 'out'",
     .in = "in k a 1\nin k - 2",
     .topics = "out",
     .out = "out a=a@1\nout null=null@2\n"},
    {.name = "merge passes both streams",
     .c = merge_c,
     .lua = "app:stream('x'):merge(app:stream 'y'):to 'out'",
     .in = "x k a 1\ny k b 2\nx k c 3",
     .topics = "out",
     .out = "out k=a@1\nout k=b@2\nout k=c@3\n"},
    {.name = "repartition sends through its own topic, without null keys",
     .c = repartition_c,
     .lua = "app:stream('in'):repartition 'mid':to 'out'",
     .in = "in k a 1\nin - b 2\nin c - 3",
     .topics = "test-mid-repartition out",
     .out = "test-mid-repartition k=a@1\ntest-mid-repartition c=null@3\n"
            "out k=a@1\nout c=null@3\n"},
    {.name = "values change their types on the way, and int64 stays exact",
     .lua = "app:stream('in', weir.text):map_values(function(v)"
            " return {n = tonumber(v), list = weir.json.array{}} end,"
            " weir.json):peek(function(v) assert(#v.list == 0) end)"
            ":map_values(function(v) return v.n end, weir.i64)"
            ":to('out', weir.i64)"
            " app:stream('doubles', weir.text):map_values(tonumber,"
            " weir.double):map_values(function(v) return v * 4 end)"
            ":map_values(function(v) return v // 1 | 0 end, weir.i64):to 'out'",
     .in = "in k 9007199254740993 1\nin k -9223372036854775808 2\n"
           "doubles d 0.5 3",
     .topics = "out",
     .out = "out k=#9007199254740993@1\nout k=#-9223372036854775808@2\n"
            "out d=#2@3\n"},
    {.name = "a function sees the record when it asks for it",
     .lua = "app:stream('in', weir.text):map_values(function(v, k, r)"
            " return table.concat({v, k, r.topic, r.partition, r.offset,"
            " r.timestamp}, '/') end):to 'out'",
     .in = "in k a 7\nin l b 8",
     .topics = "out",
     .out = "out k=a/k/in/0/0/7@7\nout l=b/l/in/0/1/8@8\n"},
};

static void verbs_do_the_same_in_c_and_in_lua(void **state)
{
    (void)state;
    flow_check_all(cases, sizeof(cases) / sizeof(cases[0]));
}

/* ---- looking ------------------------------------------------------------- */

static int seen;

static enum weir_status count(struct weir_context *ctx,
                              const struct weir_record *r, void *user)
{
    (void)ctx, (void)r, (void)user;
    seen++;
    return WEIR_OK;
}

static void peek_c(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    s = weir_stream_peek(s, count, NULL, NULL);
    weir_stream_foreach(s, count, NULL, NULL);
    weir_stream_to(s, "out", NULL);
}

static void peek_and_foreach_see_every_record(void **state)
{
    (void)state;
    seen = 0;
    flow_check(&(struct flow_case){.name = "peek",
                                   .c = peek_c,
                                   .in = "in k a 1\nin k - 2",
                                   .topics = "out",
                                   .out = "out k=a@1\nout k=null@2\n"});
    assert_int_equal(seen, 4);
}

/* ---- mistakes ------------------------------------------------------------ */

static enum weir_status emit_key(struct weir_emitter *out,
                                 const struct weir_record *r, void *user)
{
    (void)user;
    return weir_emit(out, r->value, r->value);
}

static void emit_key_c(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    weir_stream_to(weir_stream_flat_map_values(s, emit_key, NULL, "split"),
                   "out", NULL);
}

static void flat_map_values_refuses_a_new_key(void **state)
{
    (void)state;
    struct flow flow;
    struct weir_error err = {0};
    flow_open_c(&flow, emit_key_c);
    flow_start(&flow, false);
    assert_int_equal(flow_try_send(&flow, "in k a 1", &err), WEIR_E_PROCESSOR);
    assert_non_null(strstr(err.text, "use flat_map"));
    assert_non_null(strstr(err.text, "split"));
    flow_close(&flow);
}

static void a_verb_without_its_function_is_refused(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct weir_topology *topology = NULL;
    struct weir_builder *b = weir_builder_new();
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    weir_stream_to(weir_stream_map_values(s, NULL, NULL, NULL), "out", NULL);
    assert_int_equal(weir_builder_build(b, &topology, &err), WEIR_E_INVALID);
    assert_string_equal(err.text, "map_values: the function is NULL");
    weir_builder_free(b);
}

/* ---- partitioners ---------------------------------------------------------
 */

/* The number in the value; others go where their key belongs. */
static enum weir_status digit(struct weir_context *ctx, const char *topic,
                              const struct weir_record *record,
                              int32_t partition_count, int32_t *partition,
                              void *user)
{
    (void)ctx;
    (void)topic;
    (void)user;
    uint8_t first = record->value.data[0];
    if (first >= '0' && first <= '9') {
        *partition = (first - '0') % partition_count;
    }
    return WEIR_OK;
}

static void partition_c(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    struct weir_produced to = {.size = sizeof(to), .partition = digit};
    struct weir_repartitioned through = {
        .size = sizeof(through), .name = "mid", .partition = digit};
    weir_stream_to(s, "out", &to);
    weir_stream_to(weir_stream_repartition(s, &through), "end", NULL);
}

#define DIGIT                                                                  \
    "function(n, v) local d = v:match '^%d' "                                  \
    "return d and math.tointeger(tonumber(d)) % n end"

static const char partition_lua[] =
    "local s = app:stream('in', weir.text) s:to('out', {partition = " DIGIT
    "}) s:repartition{name = 'mid', partition = " DIGIT "}:to 'end'";

static int32_t partition_of(struct flow *flow, const char *topic)
{
    struct wr_driver_record out;
    assert_true(wr_driver_read(flow->driver, topic, &out));
    return out.partition;
}

static void check_partitions(struct flow *flow)
{
    struct weir_error err = {0};
    int32_t of_key = wr_partition_of(weir_text("k"), 4);
    flow->config = weir_config_new();
    assert_ok(weir_config_set(flow->config, "application.id", "test", &err),
              err);
    assert_ok(
        wr_driver_new(flow->topology, flow->config, 4, &flow->driver, &err),
        err);
    flow_send(flow, "in k 2 1\nin k x 1\nin k 7 1");
    static const char *const topics[] = {"out", "test-mid-repartition"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(partition_of(flow, topics[i]), 2);
        assert_int_equal(partition_of(flow, topics[i]), of_key);
        assert_int_equal(partition_of(flow, topics[i]), 3);
    }
}

static void a_partitioner_chooses_in_both_languages(void **state)
{
    (void)state;
    struct flow flow;
    flow_open_c(&flow, partition_c);
    check_partitions(&flow);
    flow_close(&flow);
    flow_open_lua(&flow, partition_lua);
    check_partitions(&flow);
    flow_close(&flow);
}

static void a_partition_that_is_not_there_is_told(void **state)
{
    (void)state;
    struct flow flow;
    struct weir_error err = {0};
    flow_open_lua(&flow, "app:stream('in'):to('out', {partition = "
                         "function(n) return n end})");
    flow_start(&flow, false);
    assert_int_equal(flow_try_send(&flow, "in k v 1", &err), WEIR_E_LUA);
    assert_non_null(strstr(err.text, "to: 'partition' returned 1; the topic "
                                     "has partitions 0 to 0"));
    flow_close(&flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_partitioner_chooses_in_both_languages),
        cmocka_unit_test(a_partition_that_is_not_there_is_told),
        cmocka_unit_test(verbs_do_the_same_in_c_and_in_lua),
        cmocka_unit_test(peek_and_foreach_see_every_record),
        cmocka_unit_test(flat_map_values_refuses_a_new_key),
        cmocka_unit_test(a_verb_without_its_function_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
