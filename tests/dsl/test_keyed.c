/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows that outlive the store's memory: former values reach downstream whole
 * although the row has been overwritten, in every shape of chain that asks for
 * them. */
#include "tests/dsl/flow.h"

#include <stdlib.h>

static enum weir_status first_letter(struct weir_context *ctx,
                                     const struct weir_record *r,
                                     struct weir_bytes *k, struct weir_bytes *v,
                                     void *user)
{
    (void)ctx, (void)user;
    *k = weir_bytes(r->value.data, 1);
    *v = r->value;
    return WEIR_OK;
}

/* The row with the value at its end, or taken from its end. */
static enum weir_status push(struct weir_context *ctx,
                             const struct weir_record *r, struct weir_bytes row,
                             struct weir_bytes *out, void *user)
{
    (void)user;
    uint8_t *text = weir_context_alloc(ctx, row.len + r->value.len);
    assert_non_null(text);
    memcpy(text, row.data, row.len);
    memcpy(text + row.len, r->value.data, r->value.len);
    *out = weir_bytes(text, row.len + r->value.len);
    return WEIR_OK;
}

static enum weir_status pop(struct weir_context *ctx,
                            const struct weir_record *r, struct weir_bytes row,
                            struct weir_bytes *out, void *user)
{
    (void)ctx, (void)user;
    assert_true(row.len >= r->value.len);
    *out = weir_bytes(row.data, row.len - r->value.len);
    return WEIR_OK;
}

#define ROWS(store_name)                                                       \
    (&(struct weir_materialized){.size = sizeof(struct weir_materialized),     \
                                 .name = (store_name)})
static const struct weir_aggregator joined = {
    .size = sizeof(joined),
    .add = push,
    .subtract = pop,
    .initial = {(const uint8_t *)"", 0}};

static void sink(struct weir_grouped_table *g)
{
    struct weir_table *t =
        weir_grouped_table_aggregate(g, &joined, NULL, ROWS("rows"));
    weir_stream_to(weir_table_to_stream(t, NULL), "out", NULL);
}

static void of_source_c(struct weir_builder *b)
{
    struct weir_table *t = weir_builder_table(b, "in", NULL, NULL);
    sink(weir_table_group_by(t, first_letter, NULL, NULL));
}

static void of_reduce_c(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    struct weir_table *t = weir_grouped_reduce(
        weir_stream_group_by_key(s, NULL), push, NULL, NULL, ROWS("texts"));
    sink(weir_table_group_by(t, first_letter, NULL, NULL));
}

#define GROUP                                                                  \
    ":group_by(function(v) return v:sub(1, 1), v end):aggregate{"              \
    "init = function() return '' end, add = function(r, v) return r .. v end," \
    " subtract = function(r, v) return r:sub(1, #r - #v) end,"                 \
    " store = 'rows'}:to 'out'"

static const struct flow_case cases[] = {
    {.name = "a source keeps rows when former values are asked for",
     .c = of_source_c,
     .lua = "app:table('in', weir.text)" GROUP,
     .in = "in k a1 1\nin k a22 2\nin k b3 3\nin k - 4",
     .topics = "out",
     .out = "out a=a1@1\nout a=a22@2\nout a=@3\nout b=b3@3\nout b=@4\n"},
    {.name = "an aggregate sends its former rows",
     .c = of_reduce_c,
     .lua = "app:stream('in', {key = weir.text, value = weir.text})"
            ":group_by_key():reduce(function(r, v) return r .. v end, "
            "'texts')" GROUP,
     .in = "in k a 1\nin k b 2\nin k c 3",
     .topics = "out",
     .out = "out a=a@1\nout a=ab@2\nout a=abc@3\n"},
    {.name = "so do derived tables, with rows of their own or without",
     .lua = "app:table('in', weir.text):filter(function(v) return #v < 4 end)"
            ":map_values(function(v) return v .. '!' end, 'loud')" GROUP,
     .in = "in k a1 1\nin k a22 2\nin k a333 3\nin k b 4",
     .topics = "out",
     .out = "out a=a1!@1\nout a=a22!@2\nout a=@3\nout b=b!@4\n"},
    {.name = "with a cache only what downstream saw is taken back",
     .c = of_source_c,
     .lua = "app:table('in', weir.text)" GROUP,
     .in = "in k a1 1\nin k a22 2\n!\nin k a333 3\nin k b4 4\n!\nin k - 5",
     .topics = "test-rows-repartition",
     .out = "test-rows-repartition a=a22<01>@2\n"
            "test-rows-repartition a=a22<00>@4\n"
            "test-rows-repartition b=b4<01>@4\n"
            "test-rows-repartition b=b4<00>@5\n",
     .caching = true},
};

static void former_values_are_whole(void **state)
{
    (void)state;
    flow_check_all(cases, sizeof(cases) / sizeof(cases[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(former_values_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
