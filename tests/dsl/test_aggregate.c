/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting, reducing and aggregating, of streams and of tables, in C and in Lua
 * alike: what is dropped, what timestamp a row has, what goes on when, and the
 * bytes that travel through the topics between. */
#include "tests/dsl/flow.h"

#include <stdio.h>
#include <stdlib.h>

static enum weir_status to_value(struct weir_context *ctx,
                                 const struct weir_record *r,
                                 struct weir_bytes *out, void *user)
{
    (void)ctx, (void)user;
    *out = r->value;
    return WEIR_OK;
}

/* Row and value in one text; the value "x" deletes. */
static enum weir_status append(struct weir_context *ctx,
                               const struct weir_record *r,
                               struct weir_bytes row, struct weir_bytes *out,
                               void *user)
{
    (void)user;
    if (r->value.data[0] == 'x') {
        *out = WEIR_NULL;
        return WEIR_OK;
    }
    uint8_t *text = weir_context_alloc(ctx, row.len + r->value.len);
    assert_non_null(text);
    memcpy(text, row.data, row.len);
    memcpy(text + row.len, r->value.data, r->value.len);
    *out = weir_bytes(text, row.len + r->value.len);
    return WEIR_OK;
}

/* The row without its first letter: a view into the row itself. */
static enum weir_status shorten(struct weir_context *ctx,
                                const struct weir_record *r,
                                struct weir_bytes row, struct weir_bytes *out,
                                void *user)
{
    (void)ctx, (void)r, (void)user;
    *out = row.len > 1 ? weir_bytes(row.data + 1, row.len - 1) : WEIR_NULL;
    return WEIR_OK;
}

/* Groups rows "g:v" by g, with value v. */
static enum weir_status split(struct weir_context *ctx,
                              const struct weir_record *r, struct weir_bytes *k,
                              struct weir_bytes *v, void *user)
{
    (void)ctx, (void)user;
    const uint8_t *colon = memchr(r->value.data, ':', r->value.len);
    if (!colon) {
        *k = WEIR_NULL;
        return WEIR_OK;
    }
    size_t at = (size_t)(colon - r->value.data);
    *k = weir_bytes(r->value.data, at);
    *v = weir_bytes(colon + 1, r->value.len - at - 1);
    return WEIR_OK;
}

#define ROWS(store_name)                                                       \
    (&(struct weir_materialized){.size = sizeof(struct weir_materialized),     \
                                 .name = (store_name)})

static const struct weir_aggregator joined = {
    .size = sizeof(joined),
    .initial = {(const uint8_t *)"=", 1},
    .add = append,
    .subtract = shorten};

static void table_to(struct weir_table *t, const char *topic)
{
    weir_stream_to(weir_table_to_stream(t, NULL), topic, NULL);
}

static void count_c(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    table_to(weir_grouped_count(weir_stream_group_by_key(s, NULL), NULL,
                                ROWS("counts")),
             "out");
}

static void count_values_c(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    table_to(weir_grouped_count(weir_stream_group_by(s, to_value, NULL, NULL),
                                NULL, ROWS("counts")),
             "out");
}

static void reduce_c(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    table_to(weir_grouped_reduce(weir_stream_group_by_key(s, NULL), append,
                                 NULL, NULL, ROWS("rows")),
             "out");
}

static void shorten_c(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    table_to(weir_grouped_reduce(weir_stream_group_by_key(s, NULL), shorten,
                                 NULL, NULL, ROWS("rows")),
             "out");
}

static void aggregate_c(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    table_to(weir_grouped_aggregate(weir_stream_group_by_key(s, NULL), &joined,
                                    NULL, ROWS("rows")),
             "out");
}

static void table_count_c(struct weir_builder *b)
{
    struct weir_table *t = weir_builder_table(b, "in", NULL, NULL);
    table_to(weir_grouped_table_count(weir_table_group_by(t, split, NULL, NULL),
                                      NULL, ROWS("counts")),
             "out");
}

static void table_reduce_c(struct weir_builder *b)
{
    struct weir_table *t = weir_builder_table(b, "in", NULL, NULL);
    table_to(
        weir_grouped_table_reduce(weir_table_group_by(t, split, NULL, NULL),
                                  &joined, NULL, ROWS("rows")),
        "out");
}

static void table_aggregate_c(struct weir_builder *b)
{
    struct weir_table *t = weir_builder_table(b, "in", NULL, NULL);
    table_to(
        weir_grouped_table_aggregate(weir_table_group_by(t, split, NULL, NULL),
                                     &joined, NULL, ROWS("rows")),
        "out");
}

#define TEXT "app:stream('in', {key = weir.text, value = weir.text})"
#define APPEND                                                                 \
    "function(row, v) if v:sub(1, 1) ~= 'x' then return row .. v end end"
#define SHORTEN "function(row) if #row > 1 then return row:sub(2) end end"
#define SPLIT                                                                  \
    "app:table('in', weir.text):group_by(function(v)"                          \
    " return v:match '^(.-):(.*)$' end)"

static const struct flow_case stream_cases[] = {
    {.name = "count drops nulls, and a row has its latest timestamp",
     .c = count_c,
     .lua = TEXT ":group_by_key():count('counts'):to 'out'",
     .in = "in k a 5\nin k b 3\nin - c 9\nin k - 9\nin l d 1\nin k e 7",
     .topics = "out test-counts-changelog",
     .out = "out k=#1@5\nout k=#2@5\nout l=#1@1\nout k=#3@7\n"
            "test-counts-changelog k=#1@5\ntest-counts-changelog k=#2@5\n"
            "test-counts-changelog l=#1@1\ntest-counts-changelog k=#3@7\n"},
    {.name = "with a cache a key's last count goes on at each commit",
     .c = count_c,
     .lua = TEXT ":group_by_key():count('counts'):to 'out'",
     .in = "in k a 5\nin k b 3\nin l d 1\n!\nin k e 7\nin k f 6\n!",
     .topics = "out test-counts-changelog",
     .out = "out k=#2@5\nout l=#1@1\nout k=#4@7\n"
            "test-counts-changelog k=#2@5\ntest-counts-changelog l=#1@1\n"
            "test-counts-changelog k=#4@7\n",
     .caching = true},
    {.name = "an uncached store beside a cache sends every row",
     .lua = TEXT ":group_by_key():count{store = 'counts', caching = false}"
                 ":to 'out'",
     .in = "in k a 5\nin k b 3",
     .topics = "out",
     .out = "out k=#1@5\nout k=#2@5\n",
     .caching = true},
    {.name = "a store without changelog writes none",
     .lua = TEXT ":group_by_key():count{store = 'counts', changelog = false,"
                 " memory = true}:to 'out'",
     .in = "in k a 5",
     .topics = "out test-counts-changelog",
     .out = "out k=#1@5\n"},
    {.name = "grouping by another key goes through a topic",
     .c = count_values_c,
     .lua = TEXT ":group_by(function(v) return v end):count('counts'):to 'out'",
     .in = "in k a 1\nin l a 2\nin m - 3",
     .topics = "test-counts-repartition out",
     .out = "test-counts-repartition a=a@1\ntest-counts-repartition a=a@2\n"
            "out a=#1@1\nout a=#2@2\n"},
    {.name = "reduce begins with the first value; null deletes",
     .c = reduce_c,
     .lua = TEXT ":group_by_key():reduce(" APPEND ", 'rows'):to 'out'",
     .in = "in k a 2\nin k b 1\nin k x 3\nin k c 1\nin - d 1\nin k - 1",
     .topics = "out test-rows-changelog",
     .out = "out k=a@2\nout k=ab@2\nout k=null@3\nout k=c@1\n"
            "test-rows-changelog k=a@2\ntest-rows-changelog k=ab@2\n"
            "test-rows-changelog k=null@3\ntest-rows-changelog k=c@1\n"},
    {.name = "a new row may be a part of the old one",
     .c = shorten_c,
     .lua = TEXT ":group_by_key():reduce(" SHORTEN ", 'rows'):to 'out'",
     .in = "in k abc 1\nin k z 2\nin k z 3\nin k z 4",
     .topics = "out",
     .out = "out k=abc@1\nout k=bc@2\nout k=c@3\nout k=null@4\n"},
    {.name = "aggregate begins with the initial value, again after a deletion",
     .c = aggregate_c,
     .lua = TEXT ":group_by_key():aggregate{init = function() return '=' end,"
                 " add = " APPEND ", store = 'rows'}:to 'out'",
     .in = "in k a 2\nin k b 1\nin k x 3\nin k c 1",
     .topics = "out",
     .out = "out k==a@2\nout k==ab@2\nout k=null@3\nout k==c@1\n"},
    {.name = "a deletion has its record's time in the changelog",
     .c = aggregate_c,
     .lua = TEXT ":group_by_key():aggregate{init = function() return '=' end,"
                 " add = " APPEND ", store = 'rows'}:to 'out'",
     .in = "in k a 2000\n!\nin k x 1000",
     .topics = "out test-rows-changelog",
     .out = "out k==a@2000\nout k=null@2000\n"
            "test-rows-changelog k==a@2000\ntest-rows-changelog k=null@1000\n"},
    {.name = "a deletion has its record's time in the changelog and, from the "
             "cache, downstream",
     .c = aggregate_c,
     .lua = TEXT ":group_by_key():aggregate{init = function() return '=' end,"
                 " add = " APPEND ", store = 'rows'}:to 'out'",
     .in = "in k a 2000\n!\nin k x 1000",
     .topics = "out test-rows-changelog",
     .out = "out k==a@2000\nout k=null@1000\n"
            "test-rows-changelog k==a@2000\ntest-rows-changelog k=null@1000\n",
     .caching = true},
    {.name = "rows of another type than the values",
     .lua = TEXT ":group_by_key():aggregate{value = weir.json, store = 'sums',"
                 " init = function() return {n = 0, last = weir.null} end,"
                 " add = function(row, v, k) row.n = row.n + 1"
                 " row.last = k .. v return row end}:to('out', weir.json)",
     .in = "in k a 1\nin k b 2",
     .topics = "out",
     .out = "out k={\"last\":\"ka\",\"n\":1}@1\n"
            "out k={\"last\":\"kb\",\"n\":2}@2\n"},
};

static void streams_aggregate_the_same_in_c_and_in_lua(void **state)
{
    (void)state;
    flow_check_all(stream_cases,
                   sizeof(stream_cases) / sizeof(stream_cases[0]));
}

/* <00>, <01> and <02> end a change of an old, a new and two values; the latter
 * begins with the new value's length, zig-zag. */
static const struct flow_case table_cases[] = {
    {.name = "a row that moves leaves its old group before it enters the new",
     .c = table_count_c,
     .lua = SPLIT ":count('counts'):to 'out'",
     .in = "in k a:1 1\nin l a:2 2\nin k b:3 3\nin l - 4\nin m none 5",
     .topics = "out test-counts-changelog",
     .out = "out a=#1@1\nout a=#2@2\nout a=#1@3\nout b=#1@3\nout a=#0@4\n"
            "test-counts-changelog a=#1@1\ntest-counts-changelog a=#2@2\n"
            "test-counts-changelog a=#1@3\ntest-counts-changelog b=#1@3\n"
            "test-counts-changelog a=#0@4\n"},
    {.name = "a row that stays in its group is one change of two values",
     .c = table_aggregate_c,
     .lua = SPLIT ":aggregate{init = function() return '=' end, add = " APPEND
                  ", subtract = " SHORTEN ", store = 'rows'}:to 'out'",
     .in = "in k a:1 1\nin k a:23 2\nin k b:4 3",
     .topics = "test-rows-repartition out",
     .out = "test-rows-repartition a=1<01>@1\n"
            "test-rows-repartition a=<04>231<02>@2\n"
            "test-rows-repartition a=23<00>@3\n"
            "test-rows-repartition b=4<01>@3\n"
            "out a==1@1\nout a=123@2\nout a=23@3\nout b==4@3\n"},
    {.name = "reduce of a table",
     .c = table_reduce_c,
     .lua = SPLIT ":reduce{add = " APPEND ", subtract = " SHORTEN
                  ", store = 'rows'}:to 'out'",
     .in = "in k a:1 1\nin l a:2 2\nin k a:3 9\nin l - 4\nin k - 5",
     .topics = "out",
     .out = "out a=1@1\nout a=12@2\nout a=23@9\nout a=3@9\nout a=null@9\n"},
};

static void tables_aggregate_the_same_in_c_and_in_lua(void **state)
{
    (void)state;
    flow_check_all(table_cases, sizeof(table_cases) / sizeof(table_cases[0]));
}

/* ---- foreign bytes ------------------------------------------------------- */

static void a_count_that_is_no_count_is_told(void **state)
{
    (void)state;
    struct flow flow;
    struct weir_error err = {0};
    flow_open_c(&flow, count_c);
    flow_start(&flow, false);
    flow_send(&flow, "in k a 1");
    /* Rows of another program: write one past the verb. */
    struct weir_store *store = wr_driver_store(flow.driver, "counts", 0);
    assert_non_null(store);
    assert_int_equal(
        weir_store_put_timestamped(store, weir_text("k"), weir_text("text"), 1),
        WEIR_OK);
    assert_int_equal(flow_try_send(&flow, "in k a 2", &err),
                     WEIR_E_INCOMPATIBLE);
    assert_non_null(strstr(err.text, "another program"));
    flow_close(&flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_aggregate_the_same_in_c_and_in_lua),
        cmocka_unit_test(tables_aggregate_the_same_in_c_and_in_lua),
        cmocka_unit_test(a_count_that_is_no_count_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
