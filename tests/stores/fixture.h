/* SPDX-License-Identifier: Apache-2.0
 *
 * What the store tests share: a directory of their own, an environment with
 * small budgets, and hooks that write down what they were told. */
#ifndef WEIR_TESTS_STORES_FIXTURE_H
#define WEIR_TESTS_STORES_FIXTURE_H

#include "base/bytes.h"
#include "stores/store.h"

#include "tests/harness/weir_test.h"

#include <unistd.h>

#define FIXTURE_STORES_MAX 8

static bool fixture_background; /* for environments made from now on */

struct fixture {
    char root[WR_TEST_PATH_MAX];    /* removed at the end */
    char dir[WR_TEST_PATH_MAX + 8]; /* of the task, below root */
    struct wr_store_env *env;
    struct wr_task_state *state;
    const struct weir_store_spec *specs[FIXTURE_STORES_MAX];
    int store_count;
    const char *cluster; /* whose state this is; NULL: not said */
    struct wr_store_hooks hooks;
    struct wr_buf trace; /* "log counts a=1@5\n", "out counts a=1<-null@5\n" */
    int64_t now_ms;      /* what the timestamp hook says */
    int64_t logged[FIXTURE_STORES_MAX]; /* changelog records so far */
    enum weir_status fail;              /* what the hooks return */
};

static inline void trace_bytes(struct wr_buf *trace, struct weir_bytes b)
{
    if (!b.data) {
        wr_buf_printf(trace, "null");
    } else {
        wr_buf_put_bytes(trace, b);
    }
}

static inline enum weir_status fixture_log(void *user, int index,
                                           struct weir_bytes key,
                                           struct weir_bytes value,
                                           int64_t timestamp_ms)
{
    struct fixture *f = user;
    if (f->fail != WEIR_OK) {
        return f->fail;
    }
    f->logged[index]++;
    wr_buf_printf(&f->trace, "log %s ", f->specs[index]->name);
    trace_bytes(&f->trace, key);
    wr_buf_printf(&f->trace, "=");
    trace_bytes(&f->trace, value);
    wr_buf_printf(&f->trace, "@%lld\n", (long long)timestamp_ms);
    return WEIR_OK;
}

static inline enum weir_status fixture_out(void *user, int index,
                                           const struct weir_record *record)
{
    struct fixture *f = user;
    wr_buf_printf(&f->trace, "out %s ", f->specs[index]->name);
    trace_bytes(&f->trace, record->key);
    wr_buf_printf(&f->trace, "=");
    trace_bytes(&f->trace, record->value);
    wr_buf_printf(&f->trace, "<-");
    trace_bytes(&f->trace, record->old_value);
    wr_buf_printf(&f->trace, "@%lld\n", (long long)record->timestamp_ms);
    return WEIR_OK;
}

static inline int64_t fixture_now(void *user)
{
    return ((struct fixture *)user)->now_ms;
}

/** All but the environment, which starts threads: a test that forks makes it in
 *  its children. */
static inline void fixture_prepare(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    wr_test_dir_init(f->root);
    snprintf(f->dir, sizeof(f->dir), "%s/0_0", f->root);
    wr_buf_init(&f->trace, (size_t)1 << 24);
    f->hooks =
        (struct wr_store_hooks){fixture_log, fixture_out, fixture_now, f};
    f->now_ms = 5;
}

static inline void fixture_env(struct fixture *f, size_t warm_bytes)
{
    struct wr_store_env_options options = {.block_cache_bytes = 1 << 20,
                                           .write_buffer_bytes = 1 << 20,
                                           .warm_bytes = warm_bytes,
                                           .background = fixture_background};
    struct weir_error err = {0};
    assert_ok(wr_store_env_new(&options, &f->env, &err), err);
}

static inline void fixture_init(struct fixture *f, size_t warm_bytes)
{
    fixture_prepare(f);
    fixture_env(f, warm_bytes);
}

static inline void fixture_add(struct fixture *f,
                               const struct weir_store_spec *spec)
{
    f->specs[f->store_count++] = spec;
}

/* What fixture_open() opens. */
static inline struct wr_task_state_spec fixture_spec(struct fixture *f)
{
    return (struct wr_task_state_spec){.dir = f->dir,
                                       .cluster = f->cluster,
                                       .stores = f->specs,
                                       .store_count = f->store_count,
                                       .hooks = &f->hooks};
}

static inline void fixture_open(struct fixture *f)
{
    struct wr_task_state_spec spec = fixture_spec(f);
    struct weir_error err = {0};
    assert_ok(wr_task_state_open(f->env, &spec, &f->state, &err), err);
}

static inline void fixture_close(struct fixture *f, bool clean)
{
    wr_task_state_close(f->state, clean);
    f->state = NULL;
}

static inline void fixture_done(struct fixture *f)
{
    wr_task_state_close(f->state, false);
    wr_store_env_free(f->env);
    wr_buf_done(&f->trace);
    wr_test_dir_done(f->root);
}

/** The trace since the last call, which this one ends. */
static inline const char *fixture_trace(struct fixture *f)
{
    static char text[1 << 16];
    snprintf(text, sizeof(text), "%s", wr_buf_text(&f->trace));
    wr_buf_reset(&f->trace);
    return text;
}

/** Flushes everything and commits with the offsets of what was logged. */
static inline enum weir_status fixture_commit(struct fixture *f, int64_t now_ms,
                                              struct weir_error *err)
{
    int64_t offsets[FIXTURE_STORES_MAX];
    for (int i = 0; i < f->store_count; i++) {
        enum weir_status s = wr_store_flush(f->state, i, err);
        if (s != WEIR_OK) {
            return s;
        }
    }
    for (int i = 0; i < f->store_count; i++) {
        offsets[i] = f->logged[i] - 1;
    }
    return wr_task_state_commit(f->state, offsets, now_ms, err);
}

static inline void must_commit(struct fixture *f, int64_t now_ms)
{
    struct weir_error err = {0};
    assert_ok(fixture_commit(f, now_ms, &err), err);
}

static inline struct weir_store *fixture_store(struct fixture *f, int index)
{
    return wr_task_state_store(f->state, index);
}

static inline void must_put(struct weir_store *store, const char *key,
                            const char *value)
{
    assert_status(WEIR_OK,
                  weir_store_put(store, weir_text(key), weir_text(value)));
}

/** The value as text, "null" when absent; good until the next call. */
static inline const char *text_of(struct weir_bytes b)
{
    static char text[256];
    if (!b.data) {
        return "null";
    }
    snprintf(text, sizeof(text), "%.*s", (int)b.len, (const char *)b.data);
    return text;
}

static inline const char *must_get(struct weir_store *store, const char *key)
{
    struct weir_bytes value;
    assert_status(WEIR_OK, weir_store_get(store, weir_text(key), &value));
    return text_of(value);
}

static inline const char *must_get_committed(struct weir_store *store,
                                             const char *key)
{
    struct weir_bytes value;
    int64_t timestamp_ms;
    assert_status(WEIR_OK, wr_store_get_committed(store, weir_text(key), &value,
                                                  &timestamp_ms));
    return text_of(value);
}

#endif
