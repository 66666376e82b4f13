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
#include "stores/base_key.h"
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

/* ---- the database ----------------------------------------------------------
 */

/* Reads the mark of a store; *out_found tells whether there is one. */
static enum weir_status mark_load(struct weir_store *store, struct wr_mark *out,
                                  bool *out_found, struct weir_error *err)
{
    void *pin;
    struct weir_bytes bytes;
    enum weir_status s = wr_rocks_get(store->state->rocks, store->index,
                                      wr_mark_key(), &pin, &bytes, err);
    if (s != WEIR_OK) {
        return s;
    }
    *out_found = bytes.data != NULL;
    if (bytes.data && wr_mark_read(bytes, out) != WEIR_OK) {
        s = weir_fail(err, WEIR_E_CORRUPT,
                      "%s: the mark of store %s is damaged",
                      store->state->db_path, store->spec->name);
    }
    wr_rocks_unpin(pin);
    return s;
}

/* Makes a store know its base. `first`: the table is still empty. */
static enum weir_status store_attach(struct weir_store *store, bool first,
                                     struct weir_error *err)
{
    struct wr_mark mark;
    bool found;
    enum weir_status s = mark_load(store, &mark, &found, err);
    if (s != WEIR_OK) {
        return s;
    }
    if (found && mark.timestamped != store->spec->timestamped) {
        if (store->spec->no_changelog) {
            return weir_fail(
                err, WEIR_E_INCOMPATIBLE,
                "store %s: %s has rows %s timestamps, the topology wants the "
                "other kind, and there is no changelog to rebuild from; give "
                "the store a new name or remove the directory",
                store->spec->name, store->state->db_path,
                mark.timestamped ? "with" : "without");
        }
        s = wr_rocks_clear(store->state->rocks, store->index, err);
        if (s != WEIR_OK) {
            return s;
        }
        found = false;
    }
    store->base_empty = !found;
    store->stored = found ? mark.offset : -1;
    if (first && found) {
        store->position = mark.offset;
        store->count = mark.count;
        store->inexact = !mark.exact;
    }
    return WEIR_OK;
}

enum weir_status wr_state_base_open(struct wr_task_state *state, bool make,
                                    struct weir_error *err)
{
    if (state->rocks || (!make && !wr_rocks_exists(state->db_path))) {
        return WEIR_OK;
    }
    const char **names = calloc((size_t)state->store_count + 1, sizeof(*names));
    if (!names) {
        return weir_fail(err, WEIR_E_NOMEM, "%s: no memory", state->db_path);
    }
    for (int i = 0; i < state->store_count; i++) {
        names[i] = state->stores[i].based ? state->stores[i].spec->name : NULL;
    }
    enum weir_status s = wr_rocks_open(state->env->rocks, state->db_path, names,
                                       state->store_count, &state->rocks, err);
    free(names);
    bool first = !state->rocks_failed && !make;
    for (int i = 0; i < state->store_count && s == WEIR_OK; i++) {
        if (state->stores[i].based) {
            s = store_attach(&state->stores[i], first, err);
        }
    }
    if (s != WEIR_OK) {
        wr_rocks_close(state->rocks);
        state->rocks = NULL;
        return s;
    }
    state->rocks_failed = false;
    return WEIR_OK;
}

/* After a failed ingestion RocksDB refuses further writes until it is opened
 * again; nothing that we need is in its memory. */
static enum weir_status base_ready(struct wr_task_state *state,
                                   struct weir_error *err)
{
    if (state->rocks && state->rocks_failed) {
        for (int i = 0; i < state->store_count; i++) {
            if (state->stores[i].iterators) {
                return weir_fail(err, WEIR_E_AGAIN,
                                 "%s: must be opened again after a failed "
                                 "write, but iterators are open",
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
    return wr_state_base_open(state, true, err);
}

/* ---- a store's write-down --------------------------------------------------
 */

/* The row of a committed value; null for a deletion. */
static struct weir_bytes row_of(struct weir_store *store, uint32_t value)
{
    int64_t timestamp_ms;
    struct weir_bytes bytes =
        wr_value_bytes(&store->table, value, &timestamp_ms);
    if (!bytes.data || !store->spec->timestamped) {
        return bytes;
    }
    wr_buf_reset(&store->row);
    wr_buf_put_i64(&store->row, timestamp_ms);
    wr_buf_put_bytes(&store->row, bytes);
    return wr_buf_view(&store->row);
}

static void prefetch(const struct weir_store *store,
                     const struct wr_order_item *items, size_t i, size_t count)
{
    if (i + 2 * PREFETCH < count) {
        __builtin_prefetch(
            wr_entry_at(&store->table, items[i + 2 * PREFETCH].ref));
    }
    if (i + PREFETCH < count) {
        uint32_t value =
            wr_entry_at(&store->table, items[i + PREFETCH].ref)->committed;
        if (wr_value_is(value)) {
            __builtin_prefetch(wr_value_at(&store->table, value));
        }
    }
}

static enum weir_status rows_write(struct weir_store *store,
                                   struct wr_rocks_file *file,
                                   const struct wr_order_item *items,
                                   struct weir_error *err)
{
    struct wr_mark mark = {.timestamped = store->spec->timestamped,
                           .exact = !store->inexact,
                           .offset = store->position,
                           .count = store->count > 0 ? store->count : 0};
    uint8_t bytes[WR_MARK_LEN];
    wr_mark_write(&mark, bytes);
    enum weir_status s = wr_rocks_file_add(
        file, wr_mark_key(), weir_bytes(bytes, sizeof(bytes)), err);
    size_t count = store->dirty.count;
    for (size_t i = 0; i < count && s == WEIR_OK; i++) {
        prefetch(store, items, i, count);
        const struct wr_entry *entry = wr_entry_at(&store->table, items[i].ref);
        struct weir_bytes row = row_of(store, entry->committed);
        if (!row.data && store->base_empty) {
            continue;
        }
        struct weir_bytes key = wr_base_key(wr_entry_key(entry), &store->keys);
        if (!key.data || store->row.status != WEIR_OK) {
            return weir_fail(err, WEIR_E_NOMEM, "no memory for a row");
        }
        s = wr_rocks_file_add(file, key, row, err);
    }
    return s;
}

static enum weir_status file_write(struct weir_store *store,
                                   uint64_t *out_bytes, struct weir_error *err)
{
    size_t count = store->dirty.count;
    struct wr_rocks_file *file = NULL;
    struct wr_order_item *items = malloc((count + 1) * 2 * sizeof(*items));
    if (!items) {
        return weir_fail(err, WEIR_E_NOMEM, "no memory to sort %zu entries",
                         count);
    }
    for (size_t i = 0; i < count; i++) {
        items[i].ref = store->dirty.at[i];
    }
    wr_order_sort(&store->table, items, count, items + count);
    enum weir_status s =
        wr_rocks_file_new(store->state->rocks, store->index, &file, err);
    if (s == WEIR_OK) {
        s = rows_write(store, file, items, err);
    }
    if (s == WEIR_OK) {
        store->state->rocks_failed = true;
        s = wr_rocks_file_ingest(file, out_bytes, err);
        store->state->rocks_failed = s != WEIR_OK;
    }
    wr_rocks_file_done(file);
    free(items);
    return s;
}

static void mark_clean(struct weir_store *store)
{
    if (store->order.built) {
        wr_iterators_detach(store);
        wr_store_unorder(store);
    }
    for (size_t i = 0; i < store->dirty.count; i++) {
        wr_entry_at(&store->table, store->dirty.at[i])->meta &= ~WR_DIRTY;
    }
    store->dirty.count = 0;
    store->dirty_bytes = 0;
    store->base_empty = false;
    store->stored = store->position;
}

enum weir_status wr_store_down(struct weir_store *store, struct weir_error *err)
{
    if (!store->based ||
        (store->dirty.count == 0 && store->position == store->stored)) {
        return WEIR_OK;
    }
    int64_t start_ns = wr_mono_ns();
    uint64_t bytes = 0;
    enum weir_status s = base_ready(store->state, err);
    if (s == WEIR_OK) {
        s = file_write(store, &bytes, err);
    }
    if (s != WEIR_OK) {
        return weir_fail_prefix(err, s, "store %s: writing %zu entries down",
                                store->spec->name, store->dirty.count);
    }
    mark_clean(store);
    if (store->series.downs) {
        wr_metric_add(store->series.downs, 1);
        wr_metric_add(store->series.down_bytes, (int64_t)bytes);
        wr_metric_observe_ns(store->series.down_seconds,
                             wr_mono_ns() - start_ns);
    }
    return WEIR_OK;
}
