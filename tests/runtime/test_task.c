/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/weir_test.h"

#include "base/clock.h"
#include "runtime/config.h"
#include "runtime/task.h"
#include "stores/store.h"
#include "tests/runtime/graph.h"

#include <stdio.h>
#include <stdlib.h>

/* A task over two topics whose only processor writes "key@offset " to a line.
 */
struct fixture {
    int extracted; /* calls of the extractor */
    struct weir_topology *topology;
    struct wr_plan *plan;
    struct weir_config *config;
    struct wr_metrics *metrics;
    struct wr_task *task;
    char line[512];
    int released;
    int64_t wall;
    struct wr_collector collector;
};

static enum weir_status note(struct weir_context *ctx,
                             const struct weir_record *record, void *state)
{
    struct fixture *f = state;
    if (wr_bytes_equal_text(record->value, "poison")) {
        return weir_context_fail(ctx, WEIR_E_PROCESSOR, "it is poison");
    }
    size_t n = strlen(f->line);
    (void)snprintf(f->line + n, sizeof(f->line) - n, "%s@%lld ",
                   weir_context_topic(ctx),
                   (long long)weir_context_offset(ctx));
    return WEIR_OK;
}

static enum weir_status no_topic(struct wr_collector *c, const char *name,
                                 int32_t *topic, int32_t *count,
                                 struct weir_error *err)
{
    (void)c;
    (void)name;
    (void)err;
    *topic = 0;
    *count = 1;
    return WEIR_OK;
}

static void on_release(void *user, void *owner)
{
    struct fixture *f = user;
    (void)owner;
    f->released++;
}

static int64_t fixture_wall(void *user)
{
    struct fixture *f = user;
    return f->wall;
}

static struct fixture *open_timed(weir_timestamp_fn timestamp,
                                  const char *option, const char *value)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct weir_error err = {0};
    const char *parents[] = {"a", "b"};
    const char *topic = "A";
    assert_non_null(f);
    f->topology = weir_topology_new();
    weir_topology_source(
        f->topology, &(struct weir_source){.size = sizeof(struct weir_source),
                                           .name = "a",
                                           .topics = &topic,
                                           .topic_count = 1,
                                           .value_serde = &weir_serde_text,
                                           .timestamp = timestamp,
                                           .timestamp_user = f});
    add_source(f->topology, "b", "B");
    weir_topology_processor(
        f->topology,
        &(struct weir_processor){.size = sizeof(struct weir_processor),
                                 .name = "note",
                                 .process = note,
                                 .user = f,
                                 .parents = parents,
                                 .parent_count = 2});
    assert_int_equal(wr_plan_new(f->topology, "app", &f->plan, &err), WEIR_OK);
    f->config = weir_config_new();
    if (option) {
        assert_int_equal(weir_config_set(f->config, option, value, &err),
                         WEIR_OK);
    }
    assert_int_equal(wr_metrics_new(&f->metrics), WEIR_OK);
    f->collector.topic = no_topic;
    struct wr_task_env env = {.application_id = "app",
                              .state_dir = "/nonexistent",
                              .options = wr_config_options(f->config),
                              .collector = &f->collector,
                              .metrics = f->metrics,
                              .release = on_release,
                              .user = f,
                              .wall_ms = fixture_wall};
    assert_int_equal(wr_task_new(f->plan, 0, 3, &env, &f->task, &err), WEIR_OK);
    assert_int_equal(wr_task_start(f->task, &err), WEIR_OK);
    return f;
}

static struct fixture *open_fixture(const char *option, const char *value)
{
    return open_timed(NULL, option, value);
}

static void close_fixture(struct fixture *f)
{
    wr_task_close(f->task, true);
    wr_plan_free(f->plan);
    weir_topology_free(f->topology);
    weir_config_free(f->config);
    wr_metrics_free(f->metrics);
    free(f);
}

static void enqueue(struct fixture *f, int input, int64_t offset, int64_t ts,
                    const char *value)
{
    struct wr_input in = {
        .record = make_record("k", value, ts), .offset = offset, .owner = f};
    assert_int_equal(wr_task_enqueue(f->task, input, &in), WEIR_OK);
}

static size_t process(struct fixture *f)
{
    struct weir_error err = {0};
    size_t done = 0;
    if (wr_task_process(f->task, 100, f->wall, INT64_MAX, &done, &err) !=
        WEIR_OK) {
        fail_msg("%s", err.text);
    }
    return done;
}

static void the_lowest_timestamp_comes_first(void **state)
{
    (void)state;
    struct fixture *f = open_fixture("max.task.idle.ms", "-1");
    enqueue(f, 0, 10, 5, "x");
    enqueue(f, 0, 11, 20, "x");
    enqueue(f, 1, 7, 1, "x");
    enqueue(f, 1, 8, 9, "x");
    assert_int_equal(process(f), 4);
    assert_string_equal(f->line, "B@7 A@10 B@8 A@11 ");
    assert_int_equal(f->released, 4);
    close_fixture(f);
}

static void a_tie_goes_to_the_first_input(void **state)
{
    (void)state;
    struct fixture *f = open_fixture("max.task.idle.ms", "-1");
    enqueue(f, 1, 1, 5, "x");
    enqueue(f, 0, 1, 5, "x");
    assert_int_equal(process(f), 2);
    assert_string_equal(f->line, "A@1 B@1 ");
    close_fixture(f);
}

static void an_empty_input_that_may_hold_more_is_waited_for(void **state)
{
    (void)state;
    struct fixture *f = open_fixture(NULL, NULL);
    enqueue(f, 0, 1, 50, "x");
    assert_int_equal(process(f), 0); /* lag of B is not known */
    wr_task_set_lag(f->task, 1, 3);
    assert_int_equal(process(f), 0); /* the broker holds more of B */
    wr_task_set_lag(f->task, 1, 0);
    assert_int_equal(process(f), 1); /* B is at its end */
    close_fixture(f);
}

static void max_task_idle_waits_beyond_the_end(void **state)
{
    (void)state;
    struct fixture *f = open_fixture("max.task.idle.ms", "100");
    wr_task_set_lag(f->task, 1, 0);
    enqueue(f, 0, 1, 50, "x");
    assert_int_equal(process(f), 0);
    f->wall = 99;
    assert_int_equal(process(f), 0);
    f->wall = 100;
    assert_int_equal(process(f), 1);
    close_fixture(f);
}

static void an_absent_partition_is_never_waited_for(void **state)
{
    (void)state;
    struct fixture *f = open_fixture("max.task.idle.ms", "1000");
    wr_task_set_absent(f->task, 1);
    enqueue(f, 0, 1, 50, "x");
    assert_int_equal(process(f), 1);
    close_fixture(f);
}

static void the_committed_offset_is_the_next_to_process(void **state)
{
    (void)state;
    int64_t time = 0;
    struct fixture *f = open_fixture("max.task.idle.ms", "-1");
    assert_int_equal(wr_task_commit_offset(f->task, 0, -1, &time), -1);
    enqueue(f, 0, 10, 5, "x");
    enqueue(f, 0, 12, 70, "x");
    assert_int_equal(wr_task_commit_offset(f->task, 0, 13, &time), 10);
    assert_int_equal(time, -1);
    assert_int_equal(process(f), 2);
    assert_int_equal(wr_task_commit_offset(f->task, 0, -1, &time), 13);
    /* a control record behind it: the consumer's position is further */
    assert_int_equal(wr_task_commit_offset(f->task, 0, 15, &time), 15);
    assert_int_equal(time, 70);
    close_fixture(f);
}

static void a_failing_record_is_named_and_not_passed(void **state)
{
    (void)state;
    int64_t time = 0;
    size_t done = 0;
    struct weir_error err = {0};
    struct fixture *f = open_fixture("max.task.idle.ms", "-1");
    enqueue(f, 0, 10, 5, "x");
    enqueue(f, 0, 11, 6, "poison");
    assert_int_equal(wr_task_process(f->task, 10, 0, INT64_MAX, &done, &err),
                     WEIR_E_PROCESSOR);
    assert_int_equal(done, 1);
    assert_non_null(strstr(err.text, "task 0_3: node 'note'"));
    assert_non_null(strstr(err.text, "topic 'A' partition 3 offset 11"));
    assert_non_null(strstr(err.text, "it is poison"));
    assert_int_equal(wr_task_commit_offset(f->task, 0, -1, &time), 11);
    close_fixture(f);
}

static void a_failing_record_is_skipped_when_configured(void **state)
{
    (void)state;
    struct fixture *f =
        open_fixture("processing.exception.handler", "continue");
    struct wr_buf text;
    wr_task_set_lag(f->task, 1, 0);
    enqueue(f, 0, 10, 5, "poison");
    enqueue(f, 0, 11, 6, "x");
    assert_int_equal(process(f), 2);
    assert_string_equal(f->line, "A@11 ");
    wr_buf_init(&text, 1 << 20);
    wr_metrics_render(f->metrics, &text);
    assert_non_null(strstr(wr_buf_text(&text),
                           "weir_records_dropped_total{task=\"0_3\",reason="
                           "\"processing\"} 1"));
    wr_buf_done(&text);
    close_fixture(f);
}

static void an_abort_empties_the_queues_and_forgets_time(void **state)
{
    (void)state;
    int64_t time = 0;
    struct weir_error err = {0};
    struct fixture *f = open_fixture("max.task.idle.ms", "-1");
    enqueue(f, 0, 10, 50, "x");
    assert_int_equal(process(f), 1);
    assert_int_equal(wr_task_committed(f->task, NULL, &err), WEIR_OK);
    enqueue(f, 0, 11, 90, "x");
    assert_int_equal(process(f), 1);
    enqueue(f, 0, 12, 95, "x");
    assert_int_equal(wr_task_aborted(f->task, &err), WEIR_OK);
    assert_int_equal(wr_task_queued_all(f->task), 0);
    assert_int_equal(f->released, 3);
    assert_int_equal(wr_task_commit_offset(f->task, 0, -1, &time), -1);
    assert_int_equal(time, 50);
    close_fixture(f);
}

static void many_records_grow_the_queue_in_order(void **state)
{
    (void)state;
    struct fixture *f = open_fixture("max.task.idle.ms", "-1");
    int64_t time = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++) {
            enqueue(f, 0, round * 1000 + i, i, "x");
        }
        f->line[0] = '\0';
        size_t done = 0;
        struct weir_error err = {0};
        while (wr_task_queued(f->task, 0) > 10) {
            f->line[0] = '\0';
            assert_int_equal(
                wr_task_process(f->task, 10, 0, INT64_MAX, &done, &err),
                WEIR_OK);
        }
    }
    while (wr_task_queued(f->task, 0) > 0) {
        f->line[0] = '\0';
        (void)process(f);
    }
    assert_int_equal(wr_task_commit_offset(f->task, 0, -1, &time), 3000);
    assert_int_equal(f->released, 3000);
    close_fixture(f);
}

/* ---- extractors ---------------------------------------------------------- */

/* "t=5" is at 5, anything else at the time it comes with; "?" is refused. */
static enum weir_status time_of(struct weir_context *ctx,
                                const struct weir_record *record,
                                int64_t *timestamp_ms, void *user)
{
    struct fixture *f = user;
    const char *text = (const char *)record->value.data;
    f->extracted++;
    assert_string_equal(weir_context_node(ctx), "a");
    assert_string_equal(weir_context_topic(ctx), "A");
    if (*text == '?') {
        return weir_context_fail(ctx, WEIR_E_PROCESSOR, "no time in offset %d",
                                 (int)weir_context_offset(ctx));
    }
    if (strncmp(text, "t=", 2) == 0) {
        *timestamp_ms = strtoll(text + 2, NULL, 10);
    }
    return WEIR_OK;
}

static void extracted_time_decides_the_order(void **state)
{
    (void)state;
    int64_t time = 0;
    struct fixture *f = open_timed(time_of, "max.task.idle.ms", "-1");
    enqueue(f, 0, 1, 1, "t=30");
    enqueue(f, 0, 2, 2, "t=31");
    enqueue(f, 1, 1, 20, "x");
    enqueue(f, 1, 2, 40, "x");
    assert_int_equal(process(f), 4);
    assert_string_equal(f->line, "B@1 A@1 A@2 B@2 ");
    assert_int_equal(f->extracted, 2);
    /* a record without time has the partition's */
    enqueue(f, 0, 3, -1, "x");
    assert_int_equal(process(f), 1);
    (void)wr_task_commit_offset(f->task, 0, -1, &time);
    assert_int_equal(time, 31);
    close_fixture(f);
}

static void what_has_no_time_is_named_at_its_turn(void **state)
{
    (void)state;
    size_t done = 0;
    struct weir_error err = {0};
    struct fixture *f = open_timed(time_of, "max.task.idle.ms", "-1");
    enqueue(f, 0, 1, 9, "?");
    enqueue(f, 1, 1, 5, "x");
    assert_int_equal(wr_task_process(f->task, 10, 0, INT64_MAX, &done, &err),
                     WEIR_E_PROCESSOR);
    assert_int_equal(done, 0);
    assert_non_null(strstr(err.text, "topic 'A' partition 3 offset 1: no time "
                                     "in offset 1; deserialization.exception."
                                     "handler=continue skips"));
    close_fixture(f);

    f = open_timed(time_of, "deserialization.exception.handler", "continue");
    wr_task_set_lag(f->task, 1, 0);
    enqueue(f, 0, 1, 9, "?");
    enqueue(f, 0, 2, 9, "x");
    assert_int_equal(process(f), 2);
    assert_string_equal(f->line, "A@2 ");
    close_fixture(f);
}

static void an_extractor_sees_well_formed_records_only(void **state)
{
    (void)state;
    struct fixture *f =
        open_timed(time_of, "deserialization.exception.handler", "continue");
    wr_task_set_lag(f->task, 1, 0);
    enqueue(f, 0, 1, 9, "\xff");
    assert_int_equal(process(f), 1);
    assert_int_equal(f->extracted, 0);
    close_fixture(f);
}

static void when_time_is_up_one_record_is_taken(void **state)
{
    (void)state;
    struct weir_error err = {0};
    size_t done = 0;
    struct fixture *f = open_fixture(NULL, NULL);
    for (int i = 0; i < 5; i++) {
        enqueue(f, 0, i, i, "v");
    }
    wr_task_set_absent(f->task, 1);
    int64_t up = wr_mono_ms() - 1000;
    for (size_t left = 5; left > 0; left--) {
        assert_int_equal(wr_task_queued_all(f->task), left);
        assert_ok(wr_task_process(f->task, 10, 0, up, &done, &err), err);
        assert_int_equal(done, 1);
    }
    close_fixture(f);
}

/* ---- open and close ------------------------------------------------------ */

/* A task whose first processor has a store and a child, and does in open and
 * close what the test says. */
static struct {
    enum weir_status forwarded, put; /* what they said */
    size_t child_calls;
    size_t sent;
    char seen[8]; /* the value of "k" when close ran */
} ends;

static void write_and_forward(struct weir_context *ctx)
{
    struct weir_record record = make_record("last", "words", 1);
    struct weir_store *store = weir_context_store(ctx, "kept");
    ends.forwarded = weir_forward(ctx, &record);
    ends.put = weir_store_put(store, weir_text("closed"), weir_text("1"));
}

static enum weir_status open_eagerly(struct weir_context *ctx, void *user,
                                     void **state)
{
    *state = user;
    write_and_forward(ctx);
    return WEIR_OK;
}

static enum weir_status keep(struct weir_context *ctx,
                             const struct weir_record *record, void *state)
{
    struct weir_store *store = weir_context_store(ctx, "kept");
    (void)state;
    return weir_store_put(store, record->key, record->value);
}

static void close_eagerly(struct weir_context *ctx, void *state)
{
    struct weir_bytes value = WEIR_NULL;
    (void)state;
    if (weir_store_get(weir_context_store(ctx, "kept"), weir_text("k"),
                       &value) == WEIR_OK &&
        value.data) {
        memcpy(ends.seen, value.data, value.len < 7 ? value.len : 7);
    }
    write_and_forward(ctx);
}

static enum weir_status child_open(struct weir_context *ctx, void *user,
                                   void **state)
{
    (void)ctx;
    *state = user;
    return WEIR_OK;
}

/* Would crash where the instance is gone. */
static enum weir_status child_process(struct weir_context *ctx,
                                      const struct weir_record *record,
                                      void *state)
{
    (void)ctx;
    (void)record;
    (*(size_t *)state)++;
    return WEIR_OK;
}

static enum weir_status count_sent(struct wr_collector *c,
                                   const struct wr_output *output,
                                   struct weir_error *err)
{
    (void)c;
    (void)output;
    (void)err;
    ends.sent++;
    return WEIR_OK;
}

static struct wr_store_env *stores;

static enum weir_status refuse_all(struct wr_collector *c,
                                   const struct wr_output *output,
                                   struct weir_error *err)
{
    (void)c;
    return weir_fail(err, WEIR_E_NOMEM, "no room for topic %d", output->topic);
}

/* Does not care whether it can write. */
static enum weir_status put_carelessly(struct weir_context *ctx, int64_t now_ms,
                                       void *state)
{
    (void)now_ms;
    (void)state;
    enum weir_status ignored = weir_store_put(weir_context_store(ctx, "kept"),
                                              weir_text("k"), weir_text("v"));
    (void)ignored;
    return WEIR_OK;
}

static enum weir_status schedule_carelessly(struct weir_context *ctx,
                                            void *user, void **state)
{
    (void)user;
    (void)state;
    return weir_context_schedule(ctx, 1, WEIR_WALL_CLOCK, put_carelessly, NULL,
                                 NULL);
}

static enum weir_status (*ends_open)(struct weir_context *, void *, void **);

static struct fixture *open_ends(bool eager_open)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct weir_error err = {0};
    const char *parents[] = {"a", "keep"};
    assert_non_null(f);
    memset(&ends, 0, sizeof(ends));
    f->topology = weir_topology_new();
    add_source(f->topology, "a", "A");
    weir_topology_processor(
        f->topology,
        &(struct weir_processor){.size = sizeof(struct weir_processor),
                                 .name = "keep",
                                 .open = eager_open ? open_eagerly : ends_open,
                                 .process = keep,
                                 .close = close_eagerly,
                                 .parents = parents,
                                 .parent_count = 1});
    weir_topology_processor(
        f->topology,
        &(struct weir_processor){.size = sizeof(struct weir_processor),
                                 .name = "child",
                                 .open = child_open,
                                 .process = child_process,
                                 .user = &ends.child_calls,
                                 .parents = parents + 1,
                                 .parent_count = 1});
    add_store(f->topology, "kept", "keep");
    assert_int_equal(wr_plan_new(f->topology, "app", &f->plan, &err), WEIR_OK);
    f->config = weir_config_new();
    assert_int_equal(wr_metrics_new(&f->metrics), WEIR_OK);
    f->collector.topic = no_topic;
    f->collector.send = count_sent;
    struct wr_store_env_options options = {.warm_bytes = 1 << 20};
    assert_int_equal(wr_store_env_new(&options, &stores, &err), WEIR_OK);
    struct wr_task_env env = {.application_id = "app",
                              .state_dir = "/nonexistent",
                              .options = wr_config_options(f->config),
                              .collector = &f->collector,
                              .stores = stores,
                              .metrics = f->metrics,
                              .release = on_release,
                              .user = f,
                              .wall_ms = fixture_wall};
    assert_ok(wr_task_new(f->plan, 0, 0, &env, &f->task, &err), err);
    assert_ok(wr_task_start(f->task, &err), err);
    return f;
}

static void close_ends(struct fixture *f)
{
    close_fixture(f);
    wr_store_env_free(stores);
}

static void commit(struct fixture *f)
{
    struct weir_error err = {0};
    const int64_t offset = 0;
    assert_ok(wr_task_committed(f->task, &offset, &err), err);
}

static void what_close_writes_or_forwards_is_refused(void **state)
{
    (void)state;
    struct fixture *f = open_ends(false);
    enqueue(f, 0, 0, 1, "old");
    assert_int_equal(process(f), 1);
    commit(f);
    size_t sent = ends.sent;
    wr_task_close(f->task, true);
    f->task = NULL;
    assert_int_equal(ends.forwarded, WEIR_E_CLOSED);
    assert_int_equal(ends.put, WEIR_E_CLOSED);
    assert_int_equal(ends.child_calls, 0);
    assert_int_equal(ends.sent, sent);
    assert_string_equal(ends.seen, "old");
    close_ends(f);
}

static void close_after_an_abort_sees_what_is_committed(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct fixture *f = open_ends(false);
    enqueue(f, 0, 0, 1, "old");
    assert_int_equal(process(f), 1);
    commit(f);
    enqueue(f, 0, 1, 2, "new");
    assert_int_equal(process(f), 1);
    size_t sent = ends.sent;
    assert_ok(wr_task_aborted(f->task, &err), err);
    assert_string_equal(ends.seen, "old");
    assert_int_equal(ends.put, WEIR_E_CLOSED);
    assert_int_equal(ends.sent, sent);
    assert_false(wr_task_dirty(f->task));
    /* it goes on as before */
    enqueue(f, 0, 1, 2, "new");
    assert_int_equal(process(f), 1);
    assert_int_equal(ends.sent, sent + 1);
    close_ends(f);
}

static void open_may_write_but_not_forward(void **state)
{
    (void)state;
    struct fixture *f = open_ends(true);
    assert_int_equal(ends.forwarded, WEIR_E_CLOSED);
    assert_int_equal(ends.child_calls, 0);
    assert_int_equal(ends.put, WEIR_OK);
    assert_int_equal(ends.sent, 1);
    assert_true(wr_task_dirty(f->task)); /* so that it is committed */
    close_ends(f);
}

static void a_changelog_that_is_refused_to_a_punctuator_fails_it(void **state)
{
    (void)state;
    struct weir_error err = {0};
    ends_open = schedule_carelessly;
    struct fixture *f = open_ends(false);
    ends_open = NULL;
    f->collector.send = refuse_all;
    assert_status(
        WEIR_E_NOMEM,
        wr_task_punctuate(f->task, wr_task_next_punctuation_ms(f->task), &err));
    assert_non_null(strstr(err.text, "no room for topic"));
    close_ends(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_changelog_that_is_refused_to_a_punctuator_fails_it),
        cmocka_unit_test(extracted_time_decides_the_order),
        cmocka_unit_test(what_has_no_time_is_named_at_its_turn),
        cmocka_unit_test(an_extractor_sees_well_formed_records_only),
        cmocka_unit_test(the_lowest_timestamp_comes_first),
        cmocka_unit_test(a_tie_goes_to_the_first_input),
        cmocka_unit_test(an_empty_input_that_may_hold_more_is_waited_for),
        cmocka_unit_test(max_task_idle_waits_beyond_the_end),
        cmocka_unit_test(an_absent_partition_is_never_waited_for),
        cmocka_unit_test(the_committed_offset_is_the_next_to_process),
        cmocka_unit_test(a_failing_record_is_named_and_not_passed),
        cmocka_unit_test(a_failing_record_is_skipped_when_configured),
        cmocka_unit_test(an_abort_empties_the_queues_and_forgets_time),
        cmocka_unit_test(many_records_grow_the_queue_in_order),
        cmocka_unit_test(when_time_is_up_one_record_is_taken),

        cmocka_unit_test(what_close_writes_or_forwards_is_refused),
        cmocka_unit_test(close_after_an_abort_sees_what_is_committed),
        cmocka_unit_test(open_may_write_but_not_forward)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
