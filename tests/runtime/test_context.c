/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/weir_test.h"

#include "base/hash.h"
#include "runtime/driver.h"
#include "tests/runtime/graph.h"

#include <stdio.h>

static char trace[1024];

static void say(const char *text)
{
    size_t n = strlen(trace);
    (void)snprintf(trace + n, sizeof(trace) - n, "%s ", text);
}

static enum weir_status run_one(struct weir_topology *t, const char *value,
                                struct weir_error *err)
{
    struct wr_driver *d = NULL;
    struct weir_record r = make_record("k", value, 1);
    trace[0] = '\0';
    enum weir_status s = wr_driver_new(t, NULL, 1, &d, err);
    if (s == WEIR_OK) {
        s = wr_driver_send(d, "A", &r, err);
    }
    wr_driver_free(d);
    return s;
}

static enum weir_status trace_node(struct weir_context *ctx,
                                   const struct weir_record *record,
                                   void *state)
{
    (void)state;
    say(weir_context_node(ctx));
    return weir_forward(ctx, record);
}

static void children_run_depth_first_in_order_of_adding(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "A");
    add_processor(t, "first", "in", trace_node);
    add_processor(t, "second", "in", trace_node);
    add_processor(t, "below-first", "first", trace_node);
    assert_int_equal(run_one(t, "x", &err), WEIR_OK);
    assert_string_equal(trace, "first below-first second ");
    weir_topology_free(t);
}

static enum weir_status to_second(struct weir_context *ctx,
                                  const struct weir_record *record, void *state)
{
    (void)state;
    return weir_forward_to(ctx, (const char *)record->value.data, record);
}

static void a_child_is_reached_by_name(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "A");
    add_processor(t, "pick", "in", to_second);
    add_processor(t, "one", "pick", trace_node);
    add_processor(t, "two", "pick", trace_node);
    /* the value is the name of a child, its NUL included */
    struct wr_driver *d = NULL;
    static const char two[] = "two";
    struct weir_record r = {.key = weir_text("k"),
                            .value = weir_bytes(two, sizeof(two)),
                            .timestamp_ms = 1};
    trace[0] = '\0';
    assert_int_equal(wr_driver_new(t, NULL, 1, &d, &err), WEIR_OK);
    assert_int_equal(wr_driver_send(d, "A", &r, &err), WEIR_OK);
    assert_string_equal(trace, "two ");
    static const char none[] = "none";
    r.value = weir_bytes(none, sizeof(none));
    assert_int_equal(wr_driver_send(d, "A", &r, &err), WEIR_E_NOTFOUND);
    assert_non_null(strstr(err.text, "has no child 'none'"));
    wr_driver_free(d);
    weir_topology_free(t);
}

static enum weir_status fail_deep(struct weir_context *ctx,
                                  const struct weir_record *record, void *state)
{
    (void)record;
    (void)state;
    return weir_context_fail(ctx, WEIR_E_PROCESSOR, "number %d", 42);
}

static void the_deepest_failing_node_is_named(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "A");
    add_processor(t, "above", "in", pass);
    add_processor(t, "deep", "above", fail_deep);
    assert_int_equal(run_one(t, "x", &err), WEIR_E_PROCESSOR);
    assert_non_null(strstr(err.text, "node 'deep'"));
    assert_non_null(strstr(err.text, "number 42"));
    assert_non_null(strstr(err.text, "topic 'A' partition 0 offset 0"));
    weir_topology_free(t);
}

static enum weir_status look_around(struct weir_context *ctx,
                                    const struct weir_record *record,
                                    void *state)
{
    (void)record;
    (void)state;
    assert_string_equal(weir_context_application(ctx), "driver");
    assert_string_equal(weir_context_task(ctx), "0_0");
    assert_string_equal(weir_context_topic(ctx), "A");
    assert_int_equal(weir_context_partition(ctx), 0);
    assert_int_equal(weir_context_offset(ctx), 0);
    assert_int_equal(weir_context_stream_time_ms(ctx), 1);
    assert_non_null(weir_context_store(ctx, "mine"));
    assert_null(weir_context_store(ctx, "other"));
    assert_null(weir_context_store(ctx, "nowhere"));
    assert_non_null(weir_context_alloc(ctx, 1000));
    return WEIR_OK;
}

static void a_node_sees_its_place_and_its_own_stores_only(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "A");
    add_processor(t, "look", "in", look_around);
    add_processor(t, "idle", "in", pass);
    add_store(t, "mine", "look");
    add_store(t, "other", "idle");
    assert_int_equal(run_one(t, "x", &err), WEIR_OK);
    weir_topology_free(t);
}

static int opened, closed;

static enum weir_status fail_to_open(struct weir_context *ctx, void *user,
                                     void **state)
{
    (void)user;
    *state = &opened;
    opened++;
    return weir_context_fail(ctx, WEIR_E_PROCESSOR, "no luck");
}

static void count_close(struct weir_context *ctx, void *state)
{
    (void)ctx;
    assert_ptr_equal(state, &opened);
    closed++;
}

static void a_processor_that_fails_to_open_is_closed_and_named(void **state)
{
    (void)state;
    struct weir_error err = {0};
    const char *parent = "in";
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "A");
    weir_topology_processor(
        t, &(struct weir_processor){.size = sizeof(struct weir_processor),
                                    .name = "bad",
                                    .open = fail_to_open,
                                    .process = pass,
                                    .close = count_close,
                                    .parents = &parent,
                                    .parent_count = 1});
    assert_int_equal(run_one(t, "x", &err), WEIR_E_PROCESSOR);
    assert_non_null(strstr(err.text, "node 'bad' failed to open: no luck"));
    assert_int_equal(opened, 1);
    assert_int_equal(closed, 1);
    weir_topology_free(t);
}

static enum weir_status put_null_key(struct weir_context *ctx,
                                     const struct weir_record *record,
                                     void *state)
{
    (void)state;
    return weir_store_put(weir_context_store(ctx, "mine"), WEIR_NULL,
                          record->value);
}

static void what_a_store_refuses_is_told_in_full(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "A");
    add_processor(t, "put", "in", put_null_key);
    add_store(t, "mine", "put");
    assert_int_equal(run_one(t, "x", &err), WEIR_E_INVALID);
    assert_non_null(strstr(err.text, "node 'put'"));
    assert_non_null(strstr(err.text, "store mine: the key is null"));
    weir_topology_free(t);
}

/* The number in the value; "?" is refused. */
static enum weir_status value_as_partition(struct weir_context *ctx,
                                           const char *topic,
                                           const struct weir_record *record,
                                           int32_t partition_count,
                                           int32_t *partition, void *user)
{
    (void)user;
    assert_string_equal(weir_context_node(ctx), "out");
    assert_string_equal(topic, "B");
    assert_int_equal(partition_count, 4);
    assert_int_equal(*partition, -1);
    if (record->value.data[0] == '?') {
        return weir_context_fail(ctx, WEIR_E_PROCESSOR, "where to?");
    }
    *partition = (int32_t)number_in(record->value);
    return WEIR_OK;
}

static void a_partitioner_chooses_or_fails(void **state)
{
    (void)state;
    struct weir_error err = {0};
    const char *parent = "in";
    struct wr_driver *d = NULL;
    struct wr_driver_record out;
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "A");
    weir_topology_sink(t, &(struct weir_sink){.size = sizeof(struct weir_sink),
                                              .name = "out",
                                              .topic = "B",
                                              .parents = &parent,
                                              .parent_count = 1,
                                              .partition = value_as_partition});
    assert_int_equal(wr_driver_new(t, NULL, 4, &d, &err), WEIR_OK);
    struct weir_record r = make_record("k", "3", 1);
    assert_int_equal(wr_driver_send(d, "A", &r, &err), WEIR_OK);
    assert_true(wr_driver_read(d, "B", &out));
    assert_int_equal(out.partition, 3);
    r.value = weir_text("-1"); /* the key's own */
    assert_int_equal(wr_driver_send(d, "A", &r, &err), WEIR_OK);
    assert_true(wr_driver_read(d, "B", &out));
    assert_int_equal(out.partition, wr_partition_of(r.key, 4));
    r.value = weir_text("7");
    assert_int_equal(wr_driver_send(d, "A", &r, &err), WEIR_E_PROCESSOR);
    assert_non_null(strstr(err.text, "node 'out'"));
    assert_non_null(strstr(err.text, "topic 'B' chose 7 of 4"));
    assert_int_equal(wr_driver_abort(d, &err), WEIR_OK);
    r.value = weir_text("?");
    assert_int_equal(wr_driver_send(d, "A", &r, &err), WEIR_E_PROCESSOR);
    assert_non_null(strstr(err.text, "where to?"));
    wr_driver_free(d);
    weir_topology_free(t);
}

/* ---- memory -------------------------------------------------------------- */

/* Each of these needs more than half of what a callback may have, so two of
 * them fit only when the first one's memory has been given back. */
static enum weir_status be_hungry(struct weir_context *ctx, const char *who)
{
    uint8_t *memory = weir_context_alloc(ctx, (size_t)40 << 20);
    if (!memory) {
        return weir_context_fail(ctx, WEIR_E_NOMEM, "%s starves", who);
    }
    memory[0] = 1;
    say(who);
    return WEIR_OK;
}

static enum weir_status hungry_timer(struct weir_context *ctx, int64_t now_ms,
                                     void *state)
{
    (void)now_ms;
    (void)state;
    return be_hungry(ctx, "timer");
}

static enum weir_status hungry_listener(struct weir_context *ctx,
                                        const struct weir_record *record,
                                        void *state)
{
    (void)record;
    (void)state;
    return be_hungry(ctx, "flush");
}

static enum weir_status hungry_open(struct weir_context *ctx, void *user,
                                    void **state)
{
    (void)user;
    (void)state;
    enum weir_status s = be_hungry(ctx, "open");
    if (strcmp(weir_context_node(ctx), "rows") == 0) {
        assert_true(weir_store_on_flush(ctx, weir_context_store(ctx, "kept"),
                                        hungry_listener, NULL));
    }
    for (int i = 0; s == WEIR_OK && i < 4; i++) {
        s = weir_context_schedule(ctx, 10,
                                  i % 2 ? WEIR_STREAM_TIME : WEIR_WALL_CLOCK,
                                  hungry_timer, NULL, NULL);
    }
    return s;
}

static void hungry_close(struct weir_context *ctx, void *state)
{
    (void)state;
    assert_int_equal(be_hungry(ctx, "close"), WEIR_OK);
}

static enum weir_status hungry_extractor(struct weir_context *ctx,
                                         const struct weir_record *record,
                                         int64_t *timestamp_ms, void *user)
{
    (void)record;
    (void)timestamp_ms;
    (void)user;
    return be_hungry(ctx, "time");
}

static enum weir_status hungry_partition(struct weir_context *ctx,
                                         const char *topic,
                                         const struct weir_record *record,
                                         int32_t count, int32_t *partition,
                                         void *user)
{
    (void)topic;
    (void)record;
    (void)count;
    (void)partition;
    (void)user;
    return be_hungry(ctx, "partition");
}

/* Two rows, then twice downstream. */
static enum weir_status put_rows(struct weir_context *ctx,
                                 const struct weir_record *record, void *state)
{
    (void)state;
    struct weir_store *kept = weir_context_store(ctx, "kept");
    enum weir_status s = weir_store_put(kept, weir_text("a"), record->value);
    s = s == WEIR_OK ? weir_store_put(kept, weir_text("b"), record->value) : s;
    s = s == WEIR_OK ? weir_forward(ctx, record) : s;
    return s == WEIR_OK ? weir_forward(ctx, record) : s;
}

static enum weir_status hungry_record(struct weir_context *ctx,
                                      const struct weir_record *record,
                                      void *state)
{
    (void)record;
    (void)state;
    return be_hungry(ctx, "record");
}

static struct weir_topology *hungry_topology(void)
{
    static const char *const topic = "A", *const in = "in",
                             *const rows = "rows";
    struct weir_topology *t = weir_topology_new();
    weir_topology_source(
        t, &(struct weir_source){.size = sizeof(struct weir_source),
                                 .name = in,
                                 .topics = &topic,
                                 .topic_count = 1,
                                 .timestamp = hungry_extractor});
    struct weir_processor p = {.size = sizeof(p),
                               .name = rows,
                               .open = hungry_open,
                               .process = put_rows,
                               .close = hungry_close,
                               .parents = &in,
                               .parent_count = 1};
    weir_topology_processor(t, &p);
    p.name = "eats";
    p.process = hungry_record;
    p.parents = &rows;
    weir_topology_processor(t, &p);
    weir_topology_sink(t, &(struct weir_sink){.size = sizeof(struct weir_sink),
                                              .name = "out",
                                              .topic = "B",
                                              .parents = &rows,
                                              .parent_count = 1,
                                              .partition = hungry_partition});
    weir_topology_store(
        t, &(struct weir_store_spec){.size = sizeof(struct weir_store_spec),
                                     .name = "kept",
                                     .engine = WEIR_MEMORY,
                                     .caching = true});
    weir_topology_connect(t, rows, "kept");
    return t;
}

static void every_callback_has_memory_of_its_own(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct wr_driver *d = NULL;
    struct weir_topology *t = hungry_topology();
    struct weir_record r = make_record("k", "v", 100);
    trace[0] = '\0';
    assert_int_equal(wr_driver_new(t, NULL, 1, &d, &err), WEIR_OK);
    assert_string_equal(trace, "open open ");
    trace[0] = '\0';
    assert_int_equal(wr_driver_send(d, "A", &r, &err), WEIR_OK);
    assert_string_equal(trace, "time record partition record partition "
                               "timer timer timer timer ");
    trace[0] = '\0';
    assert_int_equal(wr_driver_commit(d, &err), WEIR_OK);
    assert_string_equal(trace, "flush flush ");
    trace[0] = '\0';
    assert_int_equal(wr_driver_advance(d, 10, &err), WEIR_OK);
    assert_string_equal(trace, "timer timer timer timer ");
    trace[0] = '\0';
    wr_driver_free(d);
    assert_string_equal(trace, "close close ");
    weir_topology_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_run_depth_first_in_order_of_adding),
        cmocka_unit_test(a_child_is_reached_by_name),
        cmocka_unit_test(the_deepest_failing_node_is_named),
        cmocka_unit_test(a_node_sees_its_place_and_its_own_stores_only),
        cmocka_unit_test(a_processor_that_fails_to_open_is_closed_and_named),
        cmocka_unit_test(what_a_store_refuses_is_told_in_full),
        cmocka_unit_test(a_partitioner_chooses_or_fails),
        cmocka_unit_test(every_callback_has_memory_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
