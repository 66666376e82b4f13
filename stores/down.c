/* SPDX-License-Identifier: Apache-2.0
 *
 * The write-down: dirty committed entries of a store go to its base as one
 * sorted file, together with the mark that says which changelog offset they
 * complete. The file is synced and ingested in one step, so the base is always
 * exactly the state at some offset. Nothing happens to the entries before that
 * step succeeded: a full disk costs nothing but memory.
 *
 * When: at a commit, once dirty entries take half of the table's share of the
 * warm budget, or DOWN_EVERY_MS after the last time, so that the offset of a
 * quiet store does not fall behind what the changelog still has; while
 * restoring, by size; at a clean close. */
#include "stores/state.h"

#include "base/clock.h"

#include <stdlib.h>

#define PREFETCH 8u /* entries ahead */

size_t wr_store_share(const struct weir_store *store)
{
    const struct wr_store_env *env = store->state->env;
    uint32_t tables = atomic_load(&env->warm_tables);
    return env->options.warm_bytes / (tables ? tables : 1);
}

/* ---- the database ------------------------------------------------- */

/* After a failed ingestion RocksDB refuses further writes until it is opened
 * again; nothing that we need is in its memory. */
static enum weir_status base_ready(struct wr_task_state *state,
                                   struct weir_error *err)
{
    if (state->rocks && state->rocks_failed) {
        for (int i = 0; i < state->store_count; i++) {
            struct weir_store *store = &state->stores[i];
            if (store->iterators || store->down) {
                return weir_fail(err, WEIR_E_AGAIN,
                                 "%s: must be opened again after a failed "
                                 "write, but is in use",
                                 state->db_path);
            }
        }
        for (int i = 0; i < state->store_count; i++) {
            wr_rocks_unpin(state->stores[i].pin);
            state->stores[i].pin = NULL;
        }
        wr_rocks_close(state->rocks);
        state->rocks = NULL;
    }
    return wr_state_base_open(state, err);
}

/* ---- run ---------------------------------------------------------- */

static void prefetch(const struct wr_down *down, size_t i)
{
    if (i + 2 * PREFETCH < down->count) {
        __builtin_prefetch(down->items[i + 2 * PREFETCH].entry);
    }
    if (i + PREFETCH < down->count) {
        __builtin_prefetch((const void *)down->items[i + PREFETCH].tag);
    }
}

/* The row of a value; null for a deletion. */
static struct weir_bytes row_of(const struct wr_down *down, uintptr_t tag,
                                struct wr_buf *scratch)
{
    const struct wr_value *value = (const struct wr_value *)tag;
    if (!value) {
        return WEIR_NULL;
    }
    struct weir_bytes bytes = weir_bytes(value->bytes, value->len);
    if (!down->timestamped) {
        return bytes;
    }
    wr_buf_reset(scratch);
    wr_buf_put_i64(scratch, value->timestamp_ms);
    wr_buf_put_bytes(scratch, bytes);
    return wr_buf_view(scratch);
}

static enum weir_status rows_write(struct wr_down *down,
                                   struct wr_rocks_file *file)
{
    struct weir_error *err = &down->error;
    struct wr_buf keys;
    struct wr_buf rows;
    uint8_t bytes[WR_MARK_LEN];
    wr_buf_init(&keys, WR_KEY_MAX + 2);
    wr_buf_init(&rows, WR_VALUE_MAX + sizeof(int64_t));
    wr_mark_write(&down->mark, bytes);
    enum weir_status s = wr_rocks_file_add(
        file, wr_mark_key(), weir_bytes(bytes, sizeof(bytes)), err);
    for (size_t i = 0; i < down->count && s == WEIR_OK; i++) {
        prefetch(down, i);
        struct weir_bytes row = row_of(down, down->items[i].tag, &rows);
        if (!row.data && down->base_empty) {
            continue;
        }
        struct weir_bytes key =
            wr_base_key(wr_entry_key(down->items[i].entry), &keys);
        s = key.data && rows.status == WEIR_OK
                ? wr_rocks_file_add(file, key, row, err)
                : weir_fail(err, WEIR_E_NOMEM, "no memory for a row");
    }
    wr_buf_done(&keys);
    wr_buf_done(&rows);
    return s;
}

void wr_down_run(struct wr_down *down)
{
    int64_t start_ns = wr_mono_ns();
    struct wr_rocks_file *file = NULL;
    wr_order_sort(down->items, down->count, down->spare);
    enum weir_status s =
        wr_rocks_file_new(down->rocks, down->family, &file, &down->error);
    if (s == WEIR_OK) {
        s = rows_write(down, file);
    }
    if (s == WEIR_OK) {
        s = wr_rocks_file_ingest(file, &down->file_bytes, &down->error);
        down->ingest_failed = s != WEIR_OK;
    }
    wr_rocks_file_done(file);
    down->status = s;
    down->took_ns = wr_mono_ns() - start_ns;
}

/* ---- start -------------------------------------------------------- */

static void down_free(struct wr_down *down)
{
    if (down) {
        wr_refs_done(&down->refs);
        wr_refs_done(&down->garbage);
        free(down->items);
        free(down);
    }
}

/* Copies what run needs; changes nothing yet. */
static struct wr_down *down_new(struct weir_store *store)
{
    size_t count = store->dirty.count;
    struct wr_down *down = calloc(1, sizeof(*down));
    if (down) {
        down->items = malloc((count + 1) * 2 * sizeof(*down->items));
    }
    if (!down || !down->items) {
        down_free(down);
        return NULL;
    }
    down->rocks = store->state->rocks;
    down->family = store->index;
    down->timestamped = store->spec->timestamped;
    down->base_empty = store->base_empty;
    down->mark = (struct wr_mark){.timestamped = store->spec->timestamped,
                                  .exact = !store->inexact,
                                  .offset = store->position,
                                  .count = store->count > 0 ? store->count : 0};
    down->spare = down->items + count;
    down->count = count;
    down->bytes = store->dirty_bytes;
    return down;
}

/* The dirty entries become those of the write-down. */
static void down_take(struct weir_store *store, struct wr_down *down)
{
    const struct wr_table *table = &store->table;
    for (size_t i = 0; i < down->count; i++) {
        if (i + PREFETCH < down->count) {
            __builtin_prefetch(
                wr_entry_at(table, store->dirty.at[i + PREFETCH]), 1);
        }
        struct wr_entry *entry = wr_entry_at(table, store->dirty.at[i]);
        uint32_t value = entry->committed;
        down->items[i].entry = entry;
        down->items[i].tag =
            wr_value_is(value) ? (uintptr_t)wr_value_at(table, value) : 0;
        wr_entry_clear(entry, WR_DIRTY);
        wr_entry_set(entry, WR_DOWN);
    }
    down->refs = store->dirty;
    store->dirty = (struct wr_refs){0};
    store->dirty_bytes = 0;
    store->down = down;
}

static bool has_news(const struct weir_store *store)
{
    return store->based &&
           (store->dirty.count > 0 || store->position != store->stored);
}

static enum weir_status down_start(struct weir_store *store,
                                   struct weir_error *err)
{
    enum weir_status s =
        store->stuck ? weir_fail(err, WEIR_E_NOMEM, "memory ran out before")
                     : base_ready(store->state, err);
    struct wr_down *down = NULL;
    if (s == WEIR_OK) {
        down = down_new(store);
        s = down ? WEIR_OK : weir_fail(err, WEIR_E_NOMEM, "no memory");
    }
    if (s != WEIR_OK) {
        return weir_fail_prefix(err, s, "store %s: writing %zu entries down",
                                store->spec->name, store->dirty.count);
    }
    down_take(store, down);
    return WEIR_OK;
}

/* ---- end ---------------------------------------------------------- */

static void garbage_free(struct weir_store *store, struct wr_down *down)
{
    for (size_t i = 0; i < down->garbage.count; i++) {
        wr_value_free(&store->table, down->garbage.at[i]);
    }
}

static void down_succeeded(struct weir_store *store, struct wr_down *down)
{
    for (size_t i = 0; i < down->refs.count; i++) {
        if (i + PREFETCH < down->refs.count) {
            __builtin_prefetch(
                wr_entry_at(&store->table, down->refs.at[i + PREFETCH]), 1);
        }
        wr_entry_clear(wr_entry_at(&store->table, down->refs.at[i]), WR_DOWN);
    }
    if (store->order.built) {
        wr_iterators_detach(store);
        wr_store_unorder(store);
    }
    store->base_empty = false;
    store->stored = down->mark.offset;
    if (store->dirty.cap == 0) { /* keep the memory of the list */
        store->dirty = down->refs;
        store->dirty.count = 0;
        down->refs = (struct wr_refs){0};
    }
    if (store->series.downs) {
        wr_metric_add(store->series.downs, 1);
        wr_metric_add(store->series.down_bytes, (int64_t)down->file_bytes);
        wr_metric_observe_ns(store->series.down_seconds, down->took_ns);
    }
}

static void down_failed(struct weir_store *store, struct wr_down *down)
{
    for (size_t i = 0; i < down->refs.count; i++) {
        uint32_t ref = down->refs.at[i];
        struct wr_entry *entry = wr_entry_at(&store->table, ref);
        if (!wr_entry_has(entry, WR_DOWN)) {
            continue; /* dirty again since */
        }
        if (wr_refs_push(&store->dirty, ref) != WEIR_OK) {
            store->stuck = true; /* they keep WR_DOWN: never evicted */
            break;
        }
        wr_entry_clear(entry, WR_DOWN);
        wr_entry_set(entry, WR_DIRTY);
        store->dirty_bytes +=
            wr_store_entry_bytes(store, ref, entry->committed);
    }
    store->state->rocks_failed |= down->ingest_failed;
}

enum weir_status wr_store_down_end(struct weir_store *store, bool wait,
                                   struct weir_error *err)
{
    struct wr_down *down = store->down;
    if (!down || !wr_env_done(store->state->env, down, wait)) {
        return WEIR_OK;
    }
    store->down = NULL;
    enum weir_status s = down->status;
    if (s == WEIR_OK) {
        down_succeeded(store, down);
    } else {
        down_failed(store, down);
        weir_fail(err, s, "store %s: writing %zu entries down: %s",
                  store->spec->name, down->count, down->error.text);
    }
    garbage_free(store, down);
    down_free(down);
    return s;
}

enum weir_status wr_store_down(struct weir_store *store, struct weir_error *err)
{
    enum weir_status s = wr_store_down_end(store, true, err);
    if (s != WEIR_OK || !has_news(store)) {
        return s;
    }
    s = down_start(store, err);
    if (s != WEIR_OK) {
        return s;
    }
    wr_down_run(store->down);
    store->down->done = true;
    return wr_store_down_end(store, true, err);
}

enum weir_status wr_store_down_start(struct weir_store *store,
                                     struct weir_error *err)
{
    if (store->down || !has_news(store)) {
        return WEIR_OK;
    }
    enum weir_status s = down_start(store, err);
    if (s != WEIR_OK || wr_env_submit(store->state->env, store->down)) {
        return s;
    }
    wr_down_run(store->down);
    store->down->done = true;
    return wr_store_down_end(store, true, err);
}

size_t wr_store_dirty_bytes(const struct weir_store *store)
{
    return store->dirty_bytes + (store->down ? store->down->bytes : 0);
}
