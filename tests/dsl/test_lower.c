/* SPDX-License-Identifier: Apache-2.0
 *
 * The names and the shape of topologies are those of Kafka Streams: each
 * program here, in C and in Lua, is described by the very text that Kafka
 * Streams prints for it (describe/Describe.java, describe/expected.txt). */
#include "base/bytes.h"
#include "base/fs.h"
#include "tests/dsl/flow.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- callbacks that need only exist -------------------------------------- */

static enum weir_status keep(struct weir_context *ctx,
                             const struct weir_record *r, bool *out, void *user)
{
    (void)ctx, (void)r, (void)user;
    *out = true;
    return WEIR_OK;
}

static enum weir_status value(struct weir_context *ctx,
                              const struct weir_record *r,
                              struct weir_bytes *out, void *user)
{
    (void)ctx, (void)user;
    *out = r->value;
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

static enum weir_status look(struct weir_context *ctx,
                             const struct weir_record *r, void *user)
{
    (void)ctx, (void)r, (void)user;
    return WEIR_OK;
}

static enum weir_status flat(struct weir_emitter *out,
                             const struct weir_record *r, void *user)
{
    (void)user;
    return weir_emit_value(out, r->value);
}

static enum weir_status add(struct weir_context *ctx,
                            const struct weir_record *r, struct weir_bytes row,
                            struct weir_bytes *out, void *user)
{
    (void)ctx, (void)r, (void)user;
    *out = row;
    return WEIR_OK;
}

static const struct weir_aggregator aggregator = {
    .size = sizeof(aggregator), .add = add, .subtract = add};

#define ROWS(store_name)                                                       \
    (&(struct weir_materialized){.size = sizeof(struct weir_materialized),     \
                                 .name = (store_name)})
#define GROUP(n)                                                               \
    (&(struct weir_grouping){.size = sizeof(struct weir_grouping), .name = (n)})
#define SOURCE(n)                                                              \
    (&(struct weir_consumed){.size = sizeof(struct weir_consumed), .name = (n)})

static void table_to(struct weir_table *t, const char *topic)
{
    weir_stream_to(weir_table_to_stream(t, NULL), topic, NULL);
}

/* ---- the programs -------------------------------------------------------- */

static void word_count(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "lines", NULL);
    s = weir_stream_flat_map_values(s, flat, NULL, NULL);
    table_to(weir_grouped_count(weir_stream_group_by(s, value, NULL, NULL),
                                NULL, ROWS("counts")),
             "word-counts");
}

static void unnamed(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "lines", NULL);
    s = weir_stream_flat_map_values(s, flat, NULL, NULL);
    table_to(weir_grouped_count(weir_stream_group_by(s, value, NULL, NULL),
                                NULL, NULL),
             "out");
}

static void stateless(struct weir_builder *b)
{
    struct weir_stream *in = weir_builder_stream(b, "in", NULL);
    struct weir_stream *s = weir_stream_filter(in, keep, NULL, NULL);
    s = weir_stream_filter_not(s, keep, NULL, "keep");
    s = weir_stream_map_values(s, value, NULL, NULL);
    s = weir_stream_flat_map(s, flat, NULL, NULL);
    s = weir_stream_peek(s, look, NULL, NULL);
    s = weir_stream_select_key(s, value, NULL, NULL);
    weir_stream_to(weir_stream_map(s, swap, NULL, NULL), "out", NULL);
    weir_stream_foreach(in, look, NULL, NULL);
}

static void group_by_key(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    table_to(weir_grouped_count(weir_stream_group_by_key(s, NULL), NULL,
                                ROWS("counts")),
             "out");
}

static void changed_key(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    s = weir_stream_select_key(s, value, NULL, NULL);
    struct weir_grouped *g = weir_stream_group_by_key(s, GROUP("by-value"));
    table_to(weir_grouped_reduce(g, add, NULL, NULL, ROWS("last")), "a");
    table_to(weir_grouped_aggregate(g, &aggregator, NULL, ROWS("agg")), "b");
}

static void unnamed_all(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    s = weir_stream_map(s, swap, NULL, NULL);
    struct weir_grouped *g = weir_stream_group_by_key(s, NULL);
    table_to(weir_grouped_reduce(g, add, NULL, NULL, NULL), "a");
    table_to(weir_grouped_aggregate(g, &aggregator, NULL, NULL), "b");
    table_to(weir_grouped_count(g, NULL, ROWS(NULL)), "c");
}

static void named_all(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", SOURCE("src"));
    struct weir_grouped *g = weir_stream_group_by(s, value, NULL, GROUP("grp"));
    struct weir_table *t = weir_grouped_count(g, "cnt", ROWS("counts"));
    weir_stream_to(weir_table_to_stream(t, "str"), "out",
                   &(struct weir_produced){.size = sizeof(struct weir_produced),
                                           .name = "snk"});
}

static void merge(struct weir_builder *b)
{
    struct weir_stream *x = weir_builder_stream(b, "a", NULL);
    struct weir_stream *y = weir_builder_stream(b, "b", NULL);
    y = weir_stream_select_key(y, value, NULL, NULL);
    struct weir_grouped *g =
        weir_stream_group_by_key(weir_stream_merge(x, y, NULL), NULL);
    table_to(weir_grouped_count(g, NULL, ROWS("counts")), "out");
}

static void same_topic(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    weir_stream_to(weir_stream_filter(s, keep, NULL, NULL), "x", NULL);
    s = weir_builder_stream(b, "in", NULL);
    weir_stream_to(weir_stream_map_values(s, value, NULL, NULL), "y", NULL);
}

static void repartition(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    weir_stream_to(weir_stream_repartition(s, NULL), "x", NULL);
    s = weir_builder_stream(b, "in2", NULL);
    s = weir_stream_repartition(
        s,
        &(struct weir_repartitioned){.size = sizeof(struct weir_repartitioned),
                                     .name = "mine",
                                     .partitions = 3});
    table_to(weir_grouped_count(weir_stream_group_by_key(s, NULL), NULL, NULL),
             "y");
}

static enum weir_status pass(struct weir_context *ctx,
                             const struct weir_record *r, void *state)
{
    (void)state;
    return weir_forward(ctx, r);
}

static void process(struct weir_builder *b)
{
    static const char *const stores[] = {"seen"};
    struct weir_processor p = {
        .size = sizeof(p), .process = pass, .stores = stores, .store_count = 1};
    weir_builder_store(
        b, &(struct weir_store_spec){.size = sizeof(struct weir_store_spec),
                                     .name = "seen",
                                     .engine = WEIR_MEMORY});
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    weir_stream_to(weir_stream_process(s, &p), "out", NULL);
    p.name = "mine";
    s = weir_stream_process(s, &p);
    s = weir_stream_filter(s, keep, NULL, NULL);
    table_to(weir_grouped_count(weir_stream_group_by_key(s, NULL), NULL, NULL),
             "out2");
}

static void table(struct weir_builder *b)
{
    table_to(weir_builder_table(b, "in", NULL, NULL), "a");
    struct weir_table *t = weir_builder_table(b, "in2", NULL, ROWS("rows"));
    t = weir_table_filter(t, keep, NULL, NULL, NULL);
    table_to(weir_table_map_values(t, value, NULL, NULL, NULL), "b");
}

static void table_views(struct weir_builder *b)
{
    struct weir_table *t = weir_builder_table(b, "in", NULL, NULL);
    t = weir_table_filter(t, keep, NULL, NULL, ROWS("kept"));
    t = weir_table_map_values(t, value, NULL, NULL, ROWS("mapped"));
    table_to(weir_table_filter_not(t, keep, NULL, NULL, ROWS(NULL)), "a");
}

static void table_group(struct weir_builder *b)
{
    struct weir_table *t = weir_builder_table(b, "in", NULL, NULL);
    table_to(weir_grouped_table_count(weir_table_group_by(t, swap, NULL, NULL),
                                      NULL, NULL),
             "out");
}

static void table_group_named(struct weir_builder *b)
{
    struct weir_table *t = weir_builder_table(b, "in", SOURCE("tab"), NULL);
    t = weir_table_filter(t, keep, NULL, NULL, NULL);
    struct weir_grouped_table *g =
        weir_table_group_by(t, swap, NULL, GROUP("grp"));
    table_to(weir_grouped_table_count(g, "cnt", ROWS("counts")), "out");
    table_to(weir_grouped_table_reduce(g, &aggregator, NULL, ROWS("red")), "r");
}

static void table_group_reduce(struct weir_builder *b)
{
    struct weir_table *t = weir_builder_table(b, "in", NULL, ROWS("rows"));
    struct weir_grouped_table *g = weir_table_group_by(t, swap, NULL, NULL);
    table_to(weir_grouped_table_reduce(g, &aggregator, NULL, NULL), "out");
    g = weir_table_group_by(t, swap, NULL, NULL);
    table_to(weir_grouped_table_aggregate(g, &aggregator, NULL, ROWS("agg")),
             "out2");
}

static void to_table(struct weir_builder *b)
{
    struct weir_stream *s = weir_builder_stream(b, "in", NULL);
    table_to(weir_stream_to_table(s, NULL, ROWS("rows")), "a");
    s = weir_builder_stream(b, "in3", NULL);
    s = weir_stream_select_key(s, value, NULL, NULL);
    struct weir_table *t = weir_stream_to_table(s, NULL, NULL);
    table_to(weir_table_filter(t, keep, NULL, NULL, NULL), "b");
    s = weir_builder_stream(b, "in4", NULL);
    s = weir_stream_select_key(s, value, NULL, NULL);
    t = weir_stream_to_table(s, "tt", NULL);
    table_to(weir_grouped_table_count(weir_table_group_by(t, swap, NULL, NULL),
                                      NULL, NULL),
             "c");
}

#define F  "function() end"
#define AG "add = " F ", init = " F
static const struct {
    const char *name;
    flow_program c;
    const char *lua;
} programs[] = {
    {"word_count", word_count,
     "app:stream('lines'):flat_map_values(" F "):group_by(" F
     "):count('counts'):to_stream():to('word-counts')"},
    {"unnamed", unnamed,
     "app:stream('lines'):flat_map_values(" F "):group_by(" F
     "):count():to('out')"},
    {"stateless", stateless,
     "local s = app:stream 'in' s:filter(" F "):filter_not(" F
     ", 'keep'):map_values(" F "):flat_map(" F "):peek(" F "):select_key(" F
     "):map(" F ", {key = weir.text}):to 'out' s:foreach(" F ")"},
    {"group_by_key", group_by_key,
     "app:stream('in'):group_by_key():count('counts'):to('out')"},
    {"changed_key", changed_key,
     "local g = app:stream('in'):select_key(" F "):group_by_key('by-value')"
     " g:reduce(" F ", 'last'):to('a') g:aggregate{" AG
     ", store = 'agg'}:to('b')"},
    {"unnamed_all", unnamed_all,
     "local g = app:stream('in'):map(" F "):group_by_key()"
     " g:reduce(" F "):to('a') g:aggregate{" AG
     "}:to('b') g:count{caching = true}:to('c')"},
    {"named_all", named_all,
     "app:stream('in', {name = 'src'}):group_by(" F
     ", 'grp'):count{name = 'cnt', store = 'counts'}"
     ":to_stream('str'):to('out', {name = 'snk'})"},
    {"merge", merge,
     "app:stream('a', {key = weir.text}):merge(app:stream('b')"
     ":select_key(" F ")):group_by_key():count('counts'):to('out')"},
    {"same_topic", same_topic,
     "app:stream('in'):filter(" F "):to('x')"
     " app:stream('in'):map_values(" F "):to('y')"},
    {"repartition", repartition,
     "app:stream('in'):repartition():to('x') app:stream('in2')"
     ":repartition{name = 'mine', partitions = 3}:group_by_key():count()"
     ":to('y')"},
    {"process", process, NULL}, /* a script's store belongs to one processor */
    {"table", table,
     "app:table('in'):to_stream():to('a')"
     " app:table('in2', 'rows'):filter(" F "):map_values(" F "):to('b')"},
    {"table_views", table_views,
     "app:table('in'):filter(" F ", 'kept'):map_values(" F
     ", 'mapped'):filter_not(" F ", {caching = true}):to('a')"},
    {"table_group", table_group,
     "app:table('in'):group_by(" F "):count():to('out')"},
    {"table_group_named", table_group_named,
     "local g = app:table('in', {name = 'tab'}):filter(" F "):group_by(" F
     ", 'grp') g:count{name = 'cnt', store = 'counts'}:to('out')"
     " g:reduce{add = " F ", subtract = " F ", store = 'red'}:to('r')"},
    {"table_group_reduce", table_group_reduce,
     "local t = app:table('in', 'rows') t:group_by(" F "):reduce{add = " F
     ", subtract = " F "}:to('out') t:group_by(" F "):aggregate{" AG
     ", subtract = " F ", store = 'agg'}:to('out2')"},
    {"to_table", to_table,
     "app:stream('in'):to_table('rows'):to('a') app:stream('in3')"
     ":select_key(" F "):to_table():filter(" F "):to('b') app:stream('in4')"
     ":select_key(" F "):to_table{name = 'tt'}:group_by(" F
     "):count():to('c')"},
};
#define PROGRAM_COUNT (sizeof(programs) / sizeof(programs[0]))

/* ---- comparing ----------------------------------------------------------- */

/* The section "== name" of expected.txt: given. */
static char *expected(const char *name)
{
    struct weir_error err = {0};
    struct wr_buf text;
    wr_buf_init(&text, 1 << 20);
    assert_int_equal(
        wr_file_read(WEIR_TESTS_DSL "/describe/expected.txt", &text, &err),
        WEIR_OK);
    char header[64];
    snprintf(header, sizeof(header), "== %s\n", name);
    const char *start = strstr(wr_buf_text(&text), header);
    assert_non_null(start);
    start += strlen(header);
    const char *end = strstr(start, "== ");
    char *section = strndup(start, end ? (size_t)(end - start) : strlen(start));
    wr_buf_done(&text);
    return section;
}

static int by_text(const void *a, const void *b)
{
    const char *const *x = a;
    const char *const *y = b;
    return strcmp(*x, *y);
}

/* Sorts the names in lists of siblings. Kafka Streams orders them by sizes that
 * it is still adding up while it inserts them, in the order of Java's hashes:
 * there is nothing to learn from that order, so neither side keeps it. */
static char *sort_siblings(char *text)
{
    struct wr_buf sorted;
    wr_buf_init(&sorted, strlen(text) + 2);
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        char *names[64];
        size_t count = 0;
        char *list = NULL;
        if (strstr(line, "      --> ") == line ||
            strstr(line, "      <-- ") == line) {
            wr_buf_put(&sorted, line, 10);
            for (char *name = strtok_r(line + 10, ", ", &list); name;
                 name = strtok_r(NULL, ", ", &list)) {
                assert_true(count < 64);
                names[count++] = name;
            }
            qsort(names, count, sizeof(names[0]), by_text);
        } else {
            names[count++] = line;
        }
        for (size_t i = 0; i < count; i++) {
            wr_buf_put_text(&sorted, i ? ", " : "");
            wr_buf_put_text(&sorted, names[i]);
        }
        wr_buf_put_text(&sorted, "\n");
    }
    free(text);
    char *copy = strdup(wr_buf_text(&sorted));
    wr_buf_done(&sorted);
    assert_non_null(copy);
    return copy;
}

static void compare(struct flow *flow, const char *name, const char *language)
{
    struct weir_error err = {0};
    char *text = NULL;
    assert_int_equal(
        weir_topology_describe(flow->topology, WEIR_DESCRIBE_TEXT, &text, &err),
        WEIR_OK);
    char *wanted = sort_siblings(expected(name));
    text = sort_siblings(text);
    if (strcmp(text, wanted) != 0) {
        size_t at = 0;
        while (text[at] && text[at] == wanted[at]) {
            at++;
        }
        while (at > 0 && text[at - 1] != '\n') {
            at--;
        }
        fail_msg("%s in %s goes on\n%.200s\ninstead of\n%.200s", name, language,
                 text + at, wanted + at);
    }
    free(wanted);
    free(text);
}

static void c_programs_are_described_as_by_kafka_streams(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROGRAM_COUNT; i++) {
        struct flow flow;
        flow_open_c(&flow, programs[i].c);
        compare(&flow, programs[i].name, "C");
        flow_close(&flow);
    }
}

static void lua_programs_are_described_as_by_kafka_streams(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROGRAM_COUNT; i++) {
        struct flow flow;
        if (!programs[i].lua) {
            continue;
        }
        flow_open_lua(&flow, programs[i].lua);
        compare(&flow, programs[i].name, "Lua");
        flow_close(&flow);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(c_programs_are_described_as_by_kafka_streams),
        cmocka_unit_test(lua_programs_are_described_as_by_kafka_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
