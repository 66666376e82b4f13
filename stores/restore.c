/* SPDX-License-Identifier: Apache-2.0
 *
 * A store rebuilt from its changelog. Restored records are committed ones: they
 * go straight into the committed layer and are dirty there, so a bulk load goes
 * down as sorted files like everything else, each with the offset that it
 * reaches. A crash in the middle of a restore costs only what was not down yet.
 */
#include "stores/state.h"

#define RESTORED_DOWN 10000u /* restored entries worth a write-down at once */

int64_t wr_store_restore_from(const struct wr_task_state *state, int index)
{
    return state->stores[index].position + 1;
}

static enum weir_status restore_one(struct weir_store *store,
                                    const struct wr_changelog_record *record)
{
    struct wr_table *table = &store->table;
    uint32_t ref = wr_table_find(table, record->key);
    enum weir_status s = WEIR_OK;
    if (!ref) {
        if (!record->value.data && store->base_empty) {
            return WEIR_OK;
        }
        s = wr_table_insert(table, record->key, &ref);
    }
    if (s == WEIR_OK) {
        s = wr_store_reserve_dirty(store, 1);
    }
    if (s == WEIR_OK) {
        s = wr_store_order(store, ref);
    }
    if (s != WEIR_OK) {
        return s;
    }
    struct wr_entry *entry = wr_entry_at(table, ref);
    size_t before = wr_store_dirty_bytes_of(store, ref);
    bool was = wr_value_is(entry->committed);
    store->inexact |= entry->committed == WR_UNKNOWN && !store->base_empty;
    if (record->value.data) {
        s = wr_value_set(table, &entry->committed, record->value,
                         record->timestamp_ms, false);
    } else {
        wr_value_free(table, entry->committed);
        entry->committed = WR_ABSENT;
    }
    if (s != WEIR_OK) {
        return s;
    }
    store->count += (record->value.data ? 1 : 0) - (was ? 1 : 0);
    if (store->based) {
        wr_store_entry_dirty(store, ref, before);
    } else if (!record->value.data) {
        wr_store_forget(store, ref);
    }
    return WEIR_OK;
}

enum weir_status wr_store_restore(struct wr_task_state *state, int index,
                                  const struct wr_changelog_record *records,
                                  size_t count, struct weir_error *err)
{
    struct weir_store *store = &state->stores[index];
    size_t limit = wr_store_share(store) / WR_DOWN_PART;
    enum weir_status ended = wr_store_down_end(store, true, err);
    if (ended != WEIR_OK) {
        return ended;
    }
    wr_iterators_detach(store);
    for (size_t i = 0; i < count; i++) {
        if (records[i].offset <= store->position) {
            continue; /* a batch that failed half-way comes again */
        }
        enum weir_status s = restore_one(store, &records[i]);
        if (s != WEIR_OK) {
            return weir_fail(err, s,
                             "store %s: restore of changelog offset %lld: %s",
                             store->spec->name, (long long)records[i].offset,
                             weir_status_text(s));
        }
        store->position = records[i].offset;
        if (store->based && store->dirty_bytes > limit) {
            s = wr_store_down(store, err);
            if (s != WEIR_OK) {
                return s;
            }
        }
        wr_store_shrink(store, 0);
    }
    return WEIR_OK;
}

enum weir_status wr_store_restored(struct wr_task_state *state, int index,
                                   int64_t offset, struct weir_error *err)
{
    struct weir_store *store = &state->stores[index];
    if (offset > store->position) {
        store->position = offset;
    }
    if (store->dirty.count >= RESTORED_DOWN) {
        return wr_store_down(store, err);
    }
    return WEIR_OK;
}

enum weir_status wr_store_wipe(struct wr_task_state *state, int index,
                               struct weir_error *err)
{
    struct weir_store *store = &state->stores[index];
    enum weir_status ended = wr_store_down_end(store, true, NULL);
    (void)ended; /* what it was about goes anyway */
    wr_iterators_kill(store);
    wr_rocks_unpin(store->pin);
    store->pin = NULL;
    if (store->based && state->rocks && !store->base_empty) {
        enum weir_status s = wr_rocks_clear(state->rocks, index, err);
        if (s != WEIR_OK) {
            return weir_fail_prefix(err, s, "store %s: wipe",
                                    store->spec->name);
        }
    }
    wr_order_done(&store->order);
    wr_table_reset(&store->table);
    store->touched.count = store->cached.count = store->dirty.count = 0;
    store->touched_bytes = store->cached_bytes = store->dirty_bytes = 0;
    store->position = store->stored = -1;
    store->count = store->count_delta = 0;
    store->inexact = store->stuck = false;
    store->base_empty = true;
    return WEIR_OK;
}
