/* SPDX-License-Identifier: Apache-2.0
 *
 * A task's state directory and the life of its stores: open, commit, abort,
 * close. What becomes of the base that is found there is in base.c.
 *
 *   <dir>/.lock      held while open
 *   <dir>/rocksdb    the base of all stores that have one (rocks.c)
 *   <dir>/.corrupt   text of a damage found while running; the next open takes
 *                    the base for damaged without having to find it again
 *   <dir>/rocksdb.corrupt   the last base that was moved aside
 *   <dir>/.cluster   id of the cluster that has the base's changelogs: offsets
 *                    mean nothing in another one, so a base without its cluster
 *                    is removed
 *
 * A commit walks the entries of the interval once: current becomes committed,
 * and what has a base becomes dirty. An abort walks the same list and frees. */
#include "stores/state.h"

#include "base/fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DOWN_EVERY_MS INT64_C(30000)
#define RETRY_MS      INT64_C(1000)
#define PREFETCH      8u

/* ---- errors ------------------------------------------------------- */

/* Remembers on disk that the base is damaged; where that fails, the damage has
 * to be met again. */
static void corrupt_note(const struct wr_task_state *state)
{
    char *path;
    if (state->dir && wr_state_path(state, ".corrupt", &path)) {
        FILE *file = fopen(path, "we");
        if (file) {
            fputs(state->error.text, file);
            fclose(file);
        }
        free(path);
    }
}

enum weir_status wr_store_failed(struct weir_store *store,
                                 enum weir_status status)
{
    struct wr_task_state *state = store->state;
    if (state->error.status != status) {
        weir_fail(&state->error, status, "%s", weir_status_text(status));
    }
    if (strncmp(state->error.text, "store ", strlen("store ")) != 0) {
        weir_fail_prefix(&state->error, status, "store %s", store->spec->name);
    }
    if (status == WEIR_E_CORRUPT) {
        corrupt_note(state);
    }
    return status;
}

const struct weir_error *wr_task_state_error(const struct wr_task_state *state)
{
    return &state->error;
}

const char *wr_task_state_rebuilt(const struct wr_task_state *state)
{
    return state->rebuilt.status != WEIR_OK ? state->rebuilt.text : NULL;
}

/* ---- open --------------------------------------------------------- */

static void store_init(struct wr_task_state *state, int index,
                       const struct weir_store_spec *spec)
{
    struct weir_store *store = &state->stores[index];
    *store = (struct weir_store){.state = state,
                                 .spec = spec,
                                 .index = index,
                                 .based = spec->engine == WEIR_ROCKSDB &&
                                          state->dir != NULL,
                                 .base_empty = true,
                                 .listening = true,
                                 .position = -1,
                                 .stored = -1};
    wr_table_init(&store->table);
    wr_buf_init(&store->keys, WR_KEY_MAX + 2);
    wr_buf_init(&store->row, WR_VALUE_MAX + sizeof(int64_t));
    if (store->based) {
        atomic_fetch_add(&state->env->warm_tables, 1);
    }
    wr_store_series_make(store);
}

static void store_done(struct weir_store *store)
{
    wr_iterators_kill(store);
    wr_rocks_unpin(store->pin);
    wr_order_done(&store->order);
    wr_table_done(&store->table);
    wr_refs_done(&store->touched);
    wr_refs_done(&store->cached);
    wr_refs_done(&store->dirty);
    wr_buf_done(&store->keys);
    wr_buf_done(&store->row);
    if (store->based) {
        atomic_fetch_sub(&store->state->env->warm_used, store->published);
        atomic_fetch_sub(&store->state->env->warm_tables, 1);
    }
}

static enum weir_status dir_open(struct wr_task_state *state, const char *dir,
                                 struct weir_error *err)
{
    state->dir = strdup(dir);
    char *lock = NULL;
    if (!state->dir || !wr_state_path(state, "rocksdb", &state->db_path) ||
        !wr_state_path(state, ".lock", &lock)) {
        free(lock);
        return weir_fail(err, WEIR_E_NOMEM, "%s: no memory", dir);
    }
    enum weir_status s = wr_mkdirs(dir, err);
    if (s == WEIR_OK) {
        s = wr_lock_file(lock, &state->lock_fd, err);
        if (s == WEIR_E_LOCKED) {
            weir_fail_prefix(err, s, "state directory %s", dir);
        }
    }
    free(lock);
    return s;
}

static enum weir_status specs_check(const struct weir_store_spec *const *specs,
                                    int store_count, struct weir_error *err)
{
    for (int i = 0; i < store_count; i++) {
        if (!specs[i]->name || specs[i]->name[0] == '\0') {
            return weir_fail(err, WEIR_E_INVALID, "store %d has no name", i);
        }
        for (int j = 0; j < i; j++) {
            if (strcmp(specs[i]->name, specs[j]->name) == 0) {
                return weir_fail(err, WEIR_E_INVALID,
                                 "two stores have the name %s", specs[i]->name);
            }
        }
    }
    return WEIR_OK;
}

enum weir_status wr_task_state_open(struct wr_store_env *env,
                                    const struct wr_task_state_spec *spec,
                                    struct wr_task_state **out,
                                    struct weir_error *err)
{
    enum weir_status s = specs_check(spec->stores, spec->store_count, err);
    if (s != WEIR_OK) {
        return s;
    }
    struct wr_task_state *state = calloc(1, sizeof(*state));
    if (!state) {
        return weir_fail(err, WEIR_E_NOMEM, "a task's state");
    }
    struct weir_error why = {0};
    state->env = env;
    state->hooks = *spec->hooks;
    state->cluster = spec->cluster;
    state->lock_fd = -1;
    state->down_ms = -1;
    state->stores =
        calloc((size_t)spec->store_count + 1, sizeof(*state->stores));
    if (!state->stores) {
        s = weir_fail(&why, WEIR_E_NOMEM, "%d stores", spec->store_count);
    }
    if (s == WEIR_OK && spec->dir) {
        s = dir_open(state, spec->dir, &why);
    }
    bool based = false;
    for (int i = 0; s == WEIR_OK && i < spec->store_count; i++) {
        store_init(state, i, spec->stores[i]);
        state->store_count = i + 1;
        based = based || state->stores[i].based;
    }
    if (s == WEIR_OK && based) {
        s = wr_state_base_plan(state, spec->rebuild_corrupt, &why);
    }
    if (s != WEIR_OK) {
        wr_task_state_close(state, false);
        return weir_fail(err, s, "%s", why.text);
    }
    *out = state;
    return WEIR_OK;
}

void wr_task_state_close(struct wr_task_state *state, bool clean)
{
    if (!state) {
        return;
    }
    wr_task_state_abort(state);
    for (int i = 0; i < state->store_count; i++) {
        if (wr_store_down_end(&state->stores[i], true, NULL) != WEIR_OK) {
            clean = false;
        }
    }
    for (int i = 0; i < state->store_count; i++) {
        /* What cannot be written is replayed from the changelog. */
        if (clean && wr_store_down(&state->stores[i], NULL) != WEIR_OK) {
            clean = false;
        }
        wr_store_series_publish(&state->stores[i], 0);
        store_done(&state->stores[i]);
    }
    wr_rocks_close(state->rocks);
    if (state->lock_fd >= 0) {
        close(state->lock_fd);
    }
    free(state->stores);
    free(state->db_path);
    free(state->dir);
    free(state);
}

struct weir_store *wr_task_state_store(struct wr_task_state *state, int index)
{
    return &state->stores[index];
}

/* ---- commit and abort --------------------------------------------- */

size_t wr_task_state_uncommitted_bytes(const struct wr_task_state *state)
{
    size_t bytes = 0;
    for (int i = 0; i < state->store_count; i++) {
        bytes += state->stores[i].touched_bytes;
    }
    return bytes;
}

size_t wr_task_state_cached_bytes(const struct wr_task_state *state)
{
    size_t bytes = 0;
    for (int i = 0; i < state->store_count; i++) {
        bytes += state->stores[i].cached_bytes;
    }
    return bytes;
}

void wr_store_entry_dirty(struct weir_store *store, uint32_t ref, size_t before)
{
    struct wr_entry *entry = wr_entry_at(&store->table, ref);
    size_t after = wr_store_entry_bytes(store, ref, entry->committed);
    store->dirty_bytes += after - before;
    if (!wr_entry_has(entry, WR_DIRTY)) {
        wr_entry_set(entry, WR_DIRTY);
        store->dirty.at[store->dirty.count++] = ref; /* room was made */
    }
}

size_t wr_store_dirty_bytes_of(const struct weir_store *store, uint32_t ref)
{
    const struct wr_entry *entry = wr_entry_at(&store->table, ref);
    return wr_entry_has(entry, WR_DIRTY)
               ? wr_store_entry_bytes(store, ref, entry->committed)
               : 0;
}

static void entry_commit(struct weir_store *store, uint32_t ref)
{
    struct wr_table *table = &store->table;
    struct wr_entry *entry = wr_entry_at(table, ref);
    uint32_t current = entry->current;
    uint32_t seen = entry->seen;
    size_t before = wr_store_dirty_bytes_of(store, ref);
    if (!wr_entry_has(entry, WR_DOWN)) {
        wr_value_free(table, entry->committed);
    } else {
        if (wr_value_is(entry->committed)) {
            store->down->garbage.at[store->down->garbage.count++] =
                entry->committed; /* room was made */
        }
        wr_entry_clear(entry, WR_DOWN);
    }
    if (seen != current) {
        wr_value_free(table, seen);
    }
    if (wr_value_at(table, current)->len == WR_TOMBSTONE) {
        wr_value_free(table, current);
        current = WR_ABSENT;
    }
    entry->committed = current;
    entry->current = entry->seen = WR_UNKNOWN;
    wr_entry_clear(entry, WR_TOUCHED | WR_CACHED);
    if (store->based) {
        wr_store_entry_dirty(store, ref, before);
    } else if (current == WR_ABSENT) {
        wr_store_forget(store, ref);
    }
}

enum weir_status wr_store_reserve_dirty(struct weir_store *store, size_t n)
{
    if (store->down &&
        store->down->garbage.count + n > store->down->garbage.cap) {
        enum weir_status s = wr_refs_grow(&store->down->garbage, n);
        if (s != WEIR_OK) {
            return s;
        }
    }
    if (store->based && store->dirty.count + n > store->dirty.cap) {
        return wr_refs_grow(&store->dirty, n);
    }
    return WEIR_OK;
}

static void store_commit(struct weir_store *store, int64_t offset)
{
    wr_iterators_detach(store);
    const struct wr_refs *touched = &store->touched;
    for (size_t i = 0; i < touched->count; i++) {
        if (i + PREFETCH < touched->count) {
            __builtin_prefetch(
                wr_entry_at(&store->table, touched->at[i + PREFETCH]));
        }
        entry_commit(store, touched->at[i]);
    }
    store->touched.count = 0;
    store->cached.count = 0;
    store->touched_bytes = store->cached_bytes = 0;
    store->count += store->count_delta;
    store->count_delta = 0;
    if (offset > store->position) {
        store->position = offset;
    }
}

/* Takes the result of an earlier write-down and begins one that is due. */
static enum weir_status store_down_due(struct weir_store *store, bool start,
                                       bool late, struct weir_error *err)
{
    size_t large = wr_store_share(store) / WR_DOWN_PART;
    /* Writing faster than the disk takes it: wait rather than grow. */
    bool behind = store->down && store->dirty_bytes >= 2 * large;
    enum weir_status s = wr_store_down_end(store, behind, err);
    if (s == WEIR_OK && start && (late || store->dirty_bytes >= large)) {
        s = wr_store_down_start(store, err);
    }
    return s;
}

static enum weir_status stores_down(struct wr_task_state *state, int64_t now_ms,
                                    struct weir_error *err)
{
    bool start = now_ms >= state->retry_ms;
    bool late = now_ms - state->down_ms >= DOWN_EVERY_MS;
    enum weir_status first = WEIR_OK;
    for (int i = 0; i < state->store_count; i++) {
        if (!state->stores[i].based) {
            continue;
        }
        enum weir_status s = store_down_due(&state->stores[i], start, late,
                                            first == WEIR_OK ? err : NULL);
        first = first == WEIR_OK ? s : first;
    }
    if (first != WEIR_OK) {
        state->full = true;
        state->retry_ms = now_ms + RETRY_MS;
    } else if (start) {
        state->full = false;
        state->down_ms = late ? now_ms : state->down_ms;
    }
    return first;
}

enum weir_status wr_task_state_commit(struct wr_task_state *state,
                                      const int64_t *changelog_offsets,
                                      int64_t now_ms, struct weir_error *err)
{
    for (int i = 0; i < state->store_count; i++) {
        struct weir_store *store = &state->stores[i];
        if (store->cached_bytes > 0) {
            return weir_fail(err, WEIR_E_INVALID,
                             "store %s: committed with %zu cached entries that "
                             "were not flushed",
                             store->spec->name, store->cached.count);
        }
        enum weir_status s =
            wr_store_reserve_dirty(store, store->touched.count);
        if (s != WEIR_OK) {
            return weir_fail(err, s, "store %s: commit: %s", store->spec->name,
                             weir_status_text(s));
        }
    }
    for (int i = 0; i < state->store_count; i++) {
        struct weir_store *store = &state->stores[i];
        size_t uncommitted = store->touched_bytes;
        store_commit(store, changelog_offsets[i]);
        wr_store_series_publish(store, uncommitted);
    }
    if (state->down_ms < 0 || state->down_ms > now_ms) {
        state->down_ms =
            now_ms; /* the first commit, or the clock was set back */
    }
    if (state->retry_ms > now_ms + RETRY_MS) {
        state->retry_ms = now_ms;
    }
    enum weir_status s = stores_down(state, now_ms, err);
    for (int i = 0; i < state->store_count; i++) {
        wr_store_shrink(&state->stores[i], 0);
    }
    if (state->env->cached) {
        wr_metric_set(state->env->cached,
                      (int64_t)wr_rocks_env_cached(state->env->rocks));
    }
    return s;
}

static void store_abort(struct weir_store *store)
{
    struct wr_table *table = &store->table;
    wr_iterators_detach(store);
    for (size_t i = 0; i < store->touched.count; i++) {
        uint32_t ref = store->touched.at[i];
        struct wr_entry *entry = wr_entry_at(table, ref);
        if (entry->seen != entry->current) {
            wr_value_free(table, entry->seen);
        }
        wr_value_free(table, entry->current);
        entry->current = entry->seen = WR_UNKNOWN;
        wr_entry_clear(entry, WR_TOUCHED | WR_CACHED);
        if (!store->based && !wr_value_is(entry->committed)) {
            wr_store_forget(store, ref);
        }
    }
    store->touched.count = 0;
    store->cached.count = 0;
    store->touched_bytes = store->cached_bytes = 0;
    store->count_delta = 0;
}

void wr_task_state_abort(struct wr_task_state *state)
{
    for (int i = 0; i < state->store_count; i++) {
        store_abort(&state->stores[i]);
    }
}

void wr_task_state_seal(struct wr_task_state *state, bool sealed)
{
    state->sealed = sealed;
    state->error = (struct weir_error){0};
}
