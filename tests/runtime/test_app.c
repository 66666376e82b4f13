/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole application, threads and all, on librdkafka's mock cluster: keys are
 * counted, asked for, and survive a restart; failures end it with their text.
 */
#include "runtime/query.h"

#include "base/clock.h"
#include "runtime/config.h"
#include "tests/harness/mock_cluster.h"
#include "tests/harness/weir_test.h"
#include "tests/runtime/graph.h"

#include <time.h>

#define WAIT_MS    30000
#define PARTITIONS 2

static struct mock_cluster *cluster;
static struct weir_config *config;
static struct weir_app *app;
static char dir[WR_TEST_PATH_MAX];
static struct weir_error err;

static enum weir_status count(struct weir_context *ctx,
                              const struct weir_record *record, void *state)
{
    struct weir_store *store = weir_context_store(ctx, "counts");
    struct weir_bytes old;
    int64_t n = 0;
    uint8_t bytes[8];
    (void)state;
    if (wr_bytes_equal_text(record->value, "poison")) {
        return weir_context_fail(ctx, WEIR_E_PROCESSOR, "this one is poison");
    }
    enum weir_status status = weir_store_get(store, record->key, &old);
    if (status == WEIR_OK && !weir_bytes_is_null(old)) {
        status = weir_int64_read(old, &n);
    }
    if (status != WEIR_OK) {
        return status;
    }
    struct weir_record out = *record;
    out.value = weir_int64_bytes(n + 1, bytes);
    status = weir_store_put(store, record->key, out.value);
    return status == WEIR_OK ? weir_forward(ctx, &out) : status;
}

static struct weir_topology *topology(void)
{
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "in");
    add_processor(t, "count", "in", count);
    add_store(t, "counts", "count");
    add_sink(t, "out", "out", "count");
    return t;
}

static void set(const char *name, const char *value)
{
    assert_ok(weir_config_set(config, name, value, &err), err);
}

static int setup(void **state)
{
    (void)state;
    wr_test_dir_init(dir);
    cluster = mock_cluster_new();
    config = weir_config_new();
    app = NULL;
    if (!cluster || !config) {
        return -1;
    }
    static const char *const topics[] = {"in", "out", "app-counts-changelog",
                                         "app-weir-tasks"};
    for (size_t i = 0; i < 4; i++) {
        if (mock_cluster_topic(cluster, topics[i], PARTITIONS) != 0) {
            return -1;
        }
    }
    set("application.id", "app");
    set("bootstrap.servers", mock_cluster_bootstrap(cluster));
    set("state.dir", dir);
    set("session.timeout.ms", "6000");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_app_free(app);
    weir_config_free(config);
    mock_cluster_free(cluster);
    wr_test_dir_done(dir);
    return 0;
}

static void start(void)
{
    assert_ok(weir_app_new(topology(), config, &app, &err), err);
    assert_ok(weir_app_start(app, &err), err);
}

static void stop(void)
{
    weir_app_stop(app);
    assert_ok(weir_app_wait(app, &err), err);
    assert_int_equal(weir_app_state(app), WEIR_APP_STOPPED);
    weir_app_free(app);
    app = NULL;
}

static void feed(const char *key, const char *value, int times)
{
    for (int i = 0; i < times; i++) {
        assert_int_equal(mock_cluster_produce(cluster, "in", 0, weir_text(key),
                                              weir_text(value)),
                         0);
    }
}

/* Committed count of a key in partition 0, as a query sees it; -1: none. */
static int64_t ask(const char *key)
{
    struct wr_query_answer answer;
    size_t store = 9;
    int64_t n = -1;
    assert_true(wr_app_find_store(app, "counts", &store));
    enum weir_status status =
        wr_app_get(app, store, 0, weir_text(key), 5000, &answer, &err);
    if (status != WEIR_OK) { /* moving, restoring, or a slow machine */
        assert_true(status == WEIR_E_AGAIN || status == WEIR_E_TIMEOUT);
        return -1;
    }
    if (answer.found) {
        assert_int_equal(weir_int64_read(wr_buf_view(&answer.value), &n),
                         WEIR_OK);
    }
    wr_buf_done(&answer.value);
    return n;
}

static void wait_for_count(const char *key, int64_t want)
{
    int64_t until = wr_mono_ms() + WAIT_MS;
    const struct timespec pause = {0, 5000000};
    while (ask(key) != want && wr_mono_ms() < until) {
        (void)nanosleep(&pause, NULL);
    }
    assert_int_equal(ask(key), want);
}

static void keys_are_counted_and_answered(void **state)
{
    (void)state;
    feed("a", "1", 3);
    start();
    wait_for_count("a", 3);
    feed("b", "1", 2);
    feed("a", "1", 1);
    wait_for_count("a", 4);
    wait_for_count("b", 2);
    assert_int_equal(ask("never"), -1);
    struct wr_task_info rows[4];
    assert_int_equal(wr_app_tasks(app, rows, 4), PARTITIONS);
    struct wr_owner owner;
    wr_app_owner(app, 0, 1, false, 0, &owner);
    assert_int_equal(owner.kind, WR_OWNER_HERE);
    stop();
}

static void exactly_once_commits_through_transactions(void **state)
{
    (void)state;
    set("processing.guarantee", "exactly_once_v2");
    feed("a", "1", 5);
    start();
    wait_for_count("a", 5);
    stop();
}

static void state_and_position_survive_a_restart(void **state)
{
    (void)state;
    feed("a", "1", 3);
    start();
    wait_for_count("a", 3);
    stop();
    feed("a", "1", 2);
    start();
    wait_for_count("a", 5);
    stop();
}

static void threads_share_the_tasks(void **state)
{
    (void)state;
    set("num.stream.threads", "2");
    feed("a", "1", 2);
    start();
    wait_for_count("a", 2);
    int64_t until = wr_mono_ms() + WAIT_MS;
    const struct timespec pause = {0, 5000000};
    while (weir_app_state(app) != WEIR_APP_RUNNING && wr_mono_ms() < until) {
        (void)nanosleep(&pause, NULL);
    }
    assert_int_equal(weir_app_state(app), WEIR_APP_RUNNING);
    stop();
}

static void a_poison_record_ends_the_application_with_its_place(void **state)
{
    (void)state;
    feed("a", "1", 2);
    feed("a", "poison", 1);
    start();
    assert_int_equal(weir_app_wait(app, &err), WEIR_E_PROCESSOR);
    assert_int_equal(weir_app_state(app), WEIR_APP_ERROR);
    assert_non_null(strstr(err.text, "'count'"));
    assert_non_null(strstr(err.text, "'in' partition 0 offset 2"));
    assert_non_null(strstr(err.text, "this one is poison"));
}

static void a_poison_record_is_skipped_when_told_so(void **state)
{
    (void)state;
    set("processing.exception.handler", "continue");
    feed("a", "1", 1);
    feed("a", "poison", 1);
    feed("a", "1", 1);
    start();
    wait_for_count("a", 2);
    stop();
}

static void an_abort_goes_back_to_the_last_commit(void **state)
{
    (void)state;
    /* the group does not take the offsets: the transaction must be aborted */
    static const int refused[] = {22}; /* ILLEGAL_GENERATION */
    set("processing.guarantee", "exactly_once_v2");
    feed("a", "1", 3);
    start();
    wait_for_count("a", 3);
    mock_cluster_fail(cluster, 28, refused, 1); /* TxnOffsetCommit */
    feed("a", "1", 4);
    wait_for_count("a", 7);
    stop();
}

static void a_broker_that_comes_back_is_used_again(void **state)
{
    (void)state;
    feed("a", "1", 2);
    start();
    wait_for_count("a", 2);
    mock_cluster_down(cluster, 1);
    assert_int_equal(ask("a"), 2); /* queries are answered meanwhile */
    mock_cluster_down(cluster, 0);
    feed("a", "1", 2);
    wait_for_count("a", 4);
    stop();
}

static void a_missing_input_topic_refuses_the_start(void **state)
{
    (void)state;
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "nowhere");
    add_sink(t, "out", "out", "in");
    assert_ok(weir_app_new(t, config, &app, &err), err);
    assert_int_equal(weir_app_start(app, &err), WEIR_E_NOTFOUND);
    assert_non_null(strstr(err.text, "'nowhere'"));
    assert_int_equal(weir_app_state(app), WEIR_APP_STOPPED);
}

static void stopping_before_the_start_is_harmless(void **state)
{
    (void)state;
    assert_ok(weir_app_new(topology(), config, &app, &err), err);
    weir_app_stop(app);
    assert_int_equal(weir_app_wait(app, &err), WEIR_OK);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(keys_are_counted_and_answered),
        T(exactly_once_commits_through_transactions),
        T(state_and_position_survive_a_restart),
        T(threads_share_the_tasks),
        T(a_poison_record_ends_the_application_with_its_place),
        T(a_poison_record_is_skipped_when_told_so),
        T(an_abort_goes_back_to_the_last_commit),
        T(a_broker_that_comes_back_is_used_again),
        T(a_missing_input_topic_refuses_the_start),
        T(stopping_before_the_start_is_harmless)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
