/* SPDX-License-Identifier: Apache-2.0
 *
 * An application that counts keys, with threads and all, on librdkafka's mock
 * cluster, for the tests of what runs in it. */
#ifndef WEIR_TESTS_RUNTIME_APP_FIXTURE_H
#define WEIR_TESTS_RUNTIME_APP_FIXTURE_H

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

static inline enum weir_status
count(struct weir_context *ctx, const struct weir_record *record, void *state)
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

/* What the application does with a record, and before the first one; setup
 * makes it `count`, nothing, and a store in memory. */
static enum weir_status (*counting)(struct weir_context *,
                                    const struct weir_record *, void *) = count;

static enum weir_store_engine engine = WEIR_MEMORY; /* of its store */

static enum weir_status (*opening)(struct weir_context *, void *, void **);

static inline struct weir_topology *topology(void)
{
    const char *in = "in";
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "in");
    weir_topology_processor(
        t, &(struct weir_processor){.size = sizeof(struct weir_processor),
                                    .name = "count",
                                    .open = opening,
                                    .process = counting,
                                    .parents = &in,
                                    .parent_count = 1});
    weir_topology_store(
        t, &(struct weir_store_spec){.size = sizeof(struct weir_store_spec),
                                     .name = "counts",
                                     .engine = engine});
    weir_topology_connect(t, "count", "counts");
    add_sink(t, "out", "out", "count");
    return t;
}

static inline void set(const char *name, const char *value)
{
    assert_ok(weir_config_set(config, name, value, &err), err);
}

static inline int setup(void **state)
{
    (void)state;
    wr_test_dir_init(dir);
    cluster = mock_cluster_new();
    config = weir_config_new();
    app = NULL;
    counting = count;
    opening = NULL;
    engine = WEIR_MEMORY;
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

static inline int teardown(void **state)
{
    (void)state;
    weir_app_free(app);
    weir_config_free(config);
    mock_cluster_free(cluster);
    wr_test_dir_done(dir);
    return 0;
}

static inline void start(void)
{
    assert_ok(weir_app_new(topology(), config, &app, &err), err);
    assert_ok(weir_app_start(app, &err), err);
}

static inline void stop(void)
{
    weir_app_stop(app);
    assert_ok(weir_app_wait(app, &err), err);
    assert_int_equal(weir_app_state(app), WEIR_APP_STOPPED);
    weir_app_free(app);
    app = NULL;
}

static inline void feed(const char *key, const char *value, int times)
{
    for (int i = 0; i < times; i++) {
        assert_int_equal(mock_cluster_produce(cluster, "in", 0, weir_text(key),
                                              weir_text(value)),
                         0);
    }
}

/* Committed count of a key in partition 0, as a query sees it; -1: none. */
static inline int64_t ask(const char *key)
{
    struct wr_query_answer answer;
    size_t store = 9;
    int64_t n = -1;
    assert_true(wr_app_find_store(app, "counts", &store));
    struct wr_query query = {
        .store = store, .key = weir_text(key), .timeout_ms = 5000};
    enum weir_status status = wr_app_get(app, &query, &answer, &err);
    if (status != WEIR_OK) { /* moving, restoring, damaged, a slow machine */
        assert_true(status == WEIR_E_AGAIN || status == WEIR_E_TIMEOUT ||
                    status == WEIR_E_CORRUPT);
        return -1;
    }
    if (answer.found) {
        assert_int_equal(weir_int64_read(wr_buf_view(&answer.value), &n),
                         WEIR_OK);
    }
    wr_buf_done(&answer.value);
    return n;
}

static inline void wait_for_count(const char *key, int64_t want)
{
    int64_t until = wr_mono_ms() + WAIT_MS;
    const struct timespec pause = {0, 5000000};
    while (ask(key) != want && wr_mono_ms() < until) {
        (void)nanosleep(&pause, NULL);
    }
    assert_int_equal(ask(key), want);
}

/* At-least-once: a thread that joins late makes another count again. */
static inline void wait_for_at_least(const char *key, int64_t least)
{
    int64_t until = wr_mono_ms() + WAIT_MS;
    const struct timespec pause = {0, 5000000};
    int64_t n = ask(key);
    while (n < least && wr_mono_ms() < until) {
        (void)nanosleep(&pause, NULL);
        n = ask(key);
    }
    assert_true(n >= least);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
