/* SPDX-License-Identifier: Apache-2.0
 *
 * What the verbs of tables do to updates, in C and in Lua alike. */
#include "tests/dsl/flow.h"

#include <stdlib.h>

static bool begins_with_a(struct weir_bytes b)
{
    return b.len > 0 && b.data[0] == 'a';
}

static enum weir_status a_stays(struct weir_context *ctx,
                                const struct weir_record *r, bool *out,
                                void *user)
{
    (void)ctx, (void)user;
    assert_non_null(r->value.data); /* null values never get here */
    *out = begins_with_a(r->value);
    return WEIR_OK;
}

/* The value without its first letter; null for a value of one letter. */
static enum weir_status rest(struct weir_context *ctx,
                             const struct weir_record *r,
                             struct weir_bytes *out, void *user)
{
    (void)ctx, (void)user;
    assert_non_null(r->value.data);
    *out = r->value.len > 1 ? weir_bytes(r->value.data + 1, r->value.len - 1)
                            : WEIR_NULL;
    return WEIR_OK;
}

#define ROWS(store_name)                                                       \
    (&(struct weir_materialized){.size = sizeof(struct weir_materialized),     \
                                 .name = (store_name)})

static void table_to(struct weir_table *t, const char *topic)
{
    weir_stream_to(weir_table_to_stream(t, NULL), topic, NULL);
}

static void plain_c(struct weir_builder *b)
{
    table_to(weir_builder_table(b, "in", NULL, NULL), "out");
}

static void rows_c(struct weir_builder *b)
{
    table_to(weir_builder_table(b, "in", NULL, ROWS("rows")), "out");
}

static void filter_c(struct weir_builder *b)
{
    struct weir_table *t = weir_builder_table(b, "in", NULL, NULL);
    table_to(weir_table_filter(t, a_stays, NULL, NULL, NULL), "out");
    table_to(weir_table_filter_not(t, a_stays, NULL, NULL, NULL), "not");
}

static void filter_of_rows_c(struct weir_builder *b)
{
    struct weir_table *t = weir_builder_table(b, "in", NULL, ROWS("rows"));
    table_to(weir_table_filter(t, a_stays, NULL, NULL, NULL), "out");
}

static void filter_into_rows_c(struct weir_builder *b)
{
    struct weir_table *t = weir_builder_table(b, "in", NULL, NULL);
    table_to(weir_table_filter(t, a_stays, NULL, NULL, ROWS("kept")), "out");
}

static void map_values_c(struct weir_builder *b)
{
    struct weir_table *t = weir_builder_table(b, "in", NULL, NULL);
    table_to(weir_table_map_values(t, rest, NULL, NULL, NULL), "out");
    table_to(weir_table_map_values(t, rest, NULL, NULL, ROWS("rest")), "kept");
}

static void to_table_c(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    table_to(weir_stream_to_table(s, NULL, ROWS("rows")), "out");
}

#define A_STAYS "function(v) return v:sub(1, 1) == 'a' end"
#define REST    "function(v) if #v > 1 then return v:sub(2) end end"

static const char updates[] = "in k a1 1\nin k b1 2\nin k b2 3\nin k - 4\n"
                              "in - a 5\nin l a2 6\nin l a3 3";

static const struct flow_case cases[] = {
    {.name = "a table passes updates on, without null keys",
     .c = plain_c,
     .lua = "app:table('in', weir.text):to 'out'",
     .in = updates,
     .topics = "out",
     .out = "out k=a1@1\nout k=b1@2\nout k=b2@3\nout k=null@4\n"
            "out l=a2@6\nout l=a3@3\n"},
    {.name = "rows are what came last, also when it is older",
     .c = rows_c,
     .lua = "app:table('in', {value = weir.text, store = 'rows'}):to 'out'",
     .in = updates,
     .topics = "out test-rows-changelog",
     .out = "out k=a1@1\nout k=b1@2\nout k=b2@3\nout k=null@4\n"
            "out l=a2@6\nout l=a3@3\n"
            "test-rows-changelog k=a1@1\ntest-rows-changelog k=b1@2\n"
            "test-rows-changelog k=b2@3\ntest-rows-changelog k=null@4\n"
            "test-rows-changelog l=a2@6\ntest-rows-changelog l=a3@3\n"},
    {.name = "with a cache only the last update of a commit goes on",
     .c = rows_c,
     .lua = "app:table('in', {value = weir.text, store = 'rows'}):to 'out'",
     .in = "in k a 1\nin k b 2\nin l c 3\n!\nin k d 4\nin l - 5\nin m x 6\n"
           "in m - 7",
     .topics = "out test-rows-changelog",
     .out = "out k=b@2\nout l=c@3\nout k=d@4\nout l=null@5\n"
            "test-rows-changelog k=b@2\ntest-rows-changelog l=c@3\n"
            "test-rows-changelog k=d@4\ntest-rows-changelog l=null@5\n",
     .caching = true},
    {.name = "a row that fails the predicate becomes a tombstone",
     .c = filter_c,
     .lua = "local t = app:table('in', weir.text) t:filter(" A_STAYS
            "):to 'out' t:filter_not(" A_STAYS "):to 'not'",
     .in = "in k a1 1\nin k b1 2\nin k b2 3\nin k - 4",
     .topics = "out not",
     .out = "out k=a1@1\nout k=null@2\nout k=null@3\nout k=null@4\n"
            "not k=null@1\nnot k=b1@2\nnot k=b2@3\nnot k=null@4\n"},
    {.name = "a filter that knows the former row sends no needless tombstones",
     .c = filter_of_rows_c,
     .lua =
         "app:table('in', {value = weir.text, store = 'rows'}):filter(" A_STAYS
         "):to 'out'",
     .in = "in k a1 1\nin k b1 2\nin k b2 3\nin k - 4\nin l b 5",
     .topics = "out",
     .out = "out k=a1@1\nout k=null@2\n"},
    {.name = "a filter keeps rows of its own when they have a name",
     .c = filter_into_rows_c,
     .lua = "app:table('in', weir.text):filter(" A_STAYS ", 'kept'):to 'out'",
     .in = "in k a1 1\nin k b1 2\nin l a2 3",
     .topics = "test-kept-changelog out",
     .out = "test-kept-changelog k=a1@1\ntest-kept-changelog k=null@2\n"
            "test-kept-changelog l=a2@3\n"
            "out k=a1@1\nout k=null@2\nout l=a2@3\n"},
    {.name = "map_values maps what is there and leaves tombstones alone",
     .c = map_values_c,
     .lua = "local t = app:table('in', weir.text) t:map_values(" REST
            "):to 'out' t:map_values(" REST ", 'rest'):to 'kept'",
     .in = "in k ab 1\nin k - 2\nin k x 3",
     .topics = "out kept test-rest-changelog",
     .out = "out k=b@1\nout k=null@2\nout k=null@3\n"
            "kept k=b@1\nkept k=null@2\nkept k=null@3\n"
            "test-rest-changelog k=b@1\ntest-rest-changelog k=null@2\n"
            "test-rest-changelog k=null@3\n"},
    {.name = "a stream's records are a table's updates",
     .c = to_table_c,
     .lua = "app:stream('in', weir.text):to_table('rows'):to 'out'",
     .in = "in k a 1\nin - b 2\nin k - 3",
     .topics = "out test-rows-changelog",
     .out = "out k=a@1\nout k=null@3\n"
            "test-rows-changelog k=a@1\ntest-rows-changelog k=null@3\n"},
};

static void verbs_do_the_same_in_c_and_in_lua(void **state)
{
    (void)state;
    flow_check_all(cases, sizeof(cases) / sizeof(cases[0]));
}

static void late_updates_are_counted(void **state)
{
    (void)state;
    for (int caching = 0; caching < 2; caching++) {
        struct flow flow;
        flow_open_c(&flow, rows_c);
        flow_start(&flow, caching);
        /* in order; older than another key's; older than its own, twice; after
         * a deletion there is nothing to be older than */
        flow_send(&flow, "in k a 5\nin l b 3\nin k c 4\n!\nin k d 3\nin l - 6\n"
                         "in l e 1\nin k f 3");
        struct wr_buf text;
        wr_buf_init(&text, 1 << 20);
        wr_metrics_render(wr_driver_metrics(flow.driver), &text);
        assert_non_null(strstr(wr_buf_text(&text),
                               "weir_table_updates_late_total{task=\"0_0\"} "
                               "2\n"));
        wr_buf_done(&text);
        flow_close(&flow);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(late_updates_are_counted),
        cmocka_unit_test(verbs_do_the_same_in_c_and_in_lua),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
