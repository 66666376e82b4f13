/* SPDX-License-Identifier: Apache-2.0
 *
 * A key-value store as processors see it: get, put, delete, and the flush of a
 * caching store. A get makes an entry warm, so that the put that follows finds
 * it without a look-up; a put writes the entry's uncommitted value only.
 *
 * What a write does besides:
 *   not caching   a changelog record at once
 *   caching       nothing until the flush; then one changelog record per key
 * and, when someone listens, one record downstream with the value that
 *                 downstream last saw. A key that was absent and is absent
 * again sends nothing.
 *
 * Where downstream stands (entry->seen): WR_UNKNOWN means at the committed
 * value; equal to current means that current was flushed; anything else is a
 * value kept for this purpose alone. A flushed value is therefore never
 * overwritten in place while someone listens. */
#include "stores/base_key.h"
#include "stores/state.h"

#include <stdlib.h>

#define SHRINK_STEP   ((size_t)64 << 10) /* bytes between looks at the budget */
#define SHRINK_PART   16u                /* of the room, freed at a time */
#define TIMESTAMP_LEN 8u

/* ---- entries ------------------------------------------------------------- */

size_t wr_store_entry_bytes(const struct weir_store *store, uint32_t ref,
                            uint32_t value)
{
    const struct wr_slab *slab = &store->table.slab;
    return wr_slab_size(slab, ref) +
           (wr_value_is(value) ? wr_slab_size(slab, value) : 0);
}

enum weir_status wr_store_order(struct weir_store *store, uint32_t ref)
{
    struct wr_entry *entry = wr_entry_at(&store->table, ref);
    if (!store->order.built || wr_entry_has(entry, WR_ORDERED)) {
        return WEIR_OK;
    }
    enum weir_status s = wr_order_add(&store->order, &store->table, ref);
    if (s == WEIR_OK) {
        wr_entry_set(entry, WR_ORDERED);
    }
    return s;
}

void wr_store_forget(struct weir_store *store, uint32_t ref)
{
    if (wr_entry_has(wr_entry_at(&store->table, ref), WR_ORDERED)) {
        wr_order_remove(&store->order, &store->table, ref);
    }
    wr_table_remove(&store->table, ref);
}

void wr_store_unorder(struct weir_store *store)
{
    struct wr_order_at at = {0, 0};
    struct wr_order_at end = wr_order_end(&store->order);
    while (!wr_order_same(at, end)) {
        uint32_t ref = wr_order_ref(&store->order, at);
        wr_entry_clear(wr_entry_at(&store->table, ref), WR_ORDERED);
        wr_order_next(&store->order, &at);
    }
    wr_order_done(&store->order);
}

/* What the budget leaves for this table: its share, or more while others do not
 * use theirs. */
static size_t room_now(struct weir_store *store)
{
    struct wr_store_env *env = store->state->env;
    size_t bytes = wr_table_bytes(&store->table);
    if (bytes >= store->published) {
        atomic_fetch_add(&env->warm_used, bytes - store->published);
    } else {
        atomic_fetch_sub(&env->warm_used, store->published - bytes);
    }
    store->published = bytes;
    size_t used = atomic_load(&env->warm_used);
    size_t others = used > bytes ? used - bytes : 0;
    size_t budget = env->options.warm_bytes;
    size_t left = budget > others ? budget - others : 0;
    size_t share = wr_store_share(store);
    return left > share ? left : share;
}

void wr_store_shrink(struct weir_store *store, uint32_t spare)
{
    struct wr_table *table = &store->table;
    if (!store->based || table->hold || wr_table_bytes(table) <= store->room) {
        return;
    }
    size_t room = room_now(store);
    size_t target = room - room / SHRINK_PART;
    /* What cannot go; looking for the rest must be worth a walk over the table.
     */
    size_t busy = wr_store_dirty_bytes(store) + store->touched_bytes +
                  table->cap * sizeof(struct wr_slot);
    bool worth = wr_table_bytes(table) > busy + room / SHRINK_PART;
    size_t steps = worth ? table->cap * 2 : 0;
    while (wr_table_bytes(table) > target) {
        uint32_t ref = wr_table_clock(table, &steps);
        if (!ref) {
            break;
        }
        struct wr_entry *entry = wr_entry_at(table, ref);
        if (ref == spare || entry->current ||
            wr_entry_has(entry, WR_DIRTY | WR_DOWN)) {
            continue;
        }
        wr_value_free(table, entry->committed);
        wr_store_forget(store, ref);
        store->stats.evictions++;
    }
    size_t bytes = wr_table_bytes(table);
    size_t step =
        room / SHRINK_PART < SHRINK_STEP ? room / SHRINK_PART + 1 : SHRINK_STEP;
    store->room = bytes < room ? room : bytes + step;
}

static enum weir_status null_key(struct weir_store *store)
{
    return weir_fail(&store->state->error, WEIR_E_INVALID,
                     "store %s: the key is null", store->spec->name);
}

/* ---- reading ------------------------------------------------------------- */

enum weir_status wr_store_row(const struct weir_store *store,
                              struct weir_bytes row,
                              struct weir_bytes *out_value,
                              int64_t *out_timestamp_ms)
{
    if (!store->spec->timestamped) {
        *out_value = row;
        *out_timestamp_ms = -1;
        return WEIR_OK;
    }
    if (row.len < TIMESTAMP_LEN) {
        return weir_fail(&store->state->error, WEIR_E_CORRUPT,
                         "%s: a row of %zu bytes has no timestamp",
                         store->state->db_path, row.len);
    }
    *out_timestamp_ms = wr_load_i64(row.data);
    *out_value = weir_bytes(row.data + TIMESTAMP_LEN, row.len - TIMESTAMP_LEN);
    return WEIR_OK;
}

/* The committed value as the base has it; *out_pin keeps it alive. */
static enum weir_status base_read(struct weir_store *store,
                                  struct weir_bytes key, void **out_pin,
                                  struct weir_bytes *out_value,
                                  int64_t *out_timestamp_ms)
{
    *out_pin = NULL;
    *out_value = WEIR_NULL;
    *out_timestamp_ms = -1;
    if (store->base_empty) {
        return WEIR_OK;
    }
    struct weir_bytes row;
    struct weir_bytes base_key = wr_base_key(key, &store->keys);
    if (!base_key.data) {
        return WEIR_E_NOMEM;
    }
    store->stats.reads[WR_READ_BASE]++;
    enum weir_status s =
        wr_rocks_get(store->state->rocks, store->index, base_key, out_pin, &row,
                     &store->state->error);
    if (s == WEIR_OK && row.data) {
        s = wr_store_row(store, row, out_value, out_timestamp_ms);
    }
    if (s != WEIR_OK) {
        wr_rocks_unpin(*out_pin);
        *out_pin = NULL;
        return wr_store_failed(store, s);
    }
    return WEIR_OK;
}

enum weir_status wr_store_load(struct weir_store *store, uint32_t ref)
{
    struct wr_entry *entry = wr_entry_at(&store->table, ref);
    if (entry->committed != WR_UNKNOWN) {
        return WEIR_OK;
    }
    void *pin;
    struct weir_bytes value;
    int64_t timestamp_ms;
    enum weir_status s =
        base_read(store, wr_entry_key(entry), &pin, &value, &timestamp_ms);
    if (s != WEIR_OK) {
        return s;
    }
    if (!value.data) {
        entry->committed = WR_ABSENT;
    } else {
        s = wr_value_set(&store->table, &entry->committed, value, timestamp_ms,
                         false);
    }
    wr_rocks_unpin(pin);
    return s;
}

/* The entry of key with a known value, or 0 when the key is absent and has no
 * entry. */
static enum weir_status entry_read(struct weir_store *store,
                                   struct weir_bytes key, uint32_t *out_ref)
{
    uint32_t ref = wr_table_find(&store->table, key);
    *out_ref = ref;
    if (ref) {
        struct wr_entry *entry = wr_entry_at(&store->table, ref);
        if (entry->current) {
            store->stats.reads[WR_READ_UNCOMMITTED]++;
            return WEIR_OK;
        }
        if (entry->committed != WR_UNKNOWN) {
            store->stats.reads[WR_READ_WARM]++;
            return WEIR_OK;
        }
        return wr_store_load(store, ref);
    }
    if (store->base_empty) {
        store->stats.reads[WR_READ_WARM]++;
        return WEIR_OK;
    }
    enum weir_status s = wr_table_insert(&store->table, key, &ref);
    if (s != WEIR_OK) {
        return s == WEIR_E_TOOBIG ? WEIR_OK : s; /* too big to be there */
    }
    s = wr_store_load(store, ref);
    if (s != WEIR_OK) {
        wr_store_forget(store, ref);
        return s;
    }
    wr_store_shrink(store, ref);
    *out_ref = ref;
    return WEIR_OK;
}

enum weir_status weir_store_get_timestamped(struct weir_store *store,
                                            struct weir_bytes key,
                                            struct weir_bytes *out_value,
                                            int64_t *out_timestamp_ms)
{
    if (!key.data) {
        return null_key(store);
    }
    uint32_t ref;
    enum weir_status s = entry_read(store, key, &ref);
    if (s != WEIR_OK) {
        return wr_store_failed(store, s);
    }
    int64_t timestamp_ms = -1;
    *out_value = WEIR_NULL;
    if (ref) {
        const struct wr_entry *entry = wr_entry_at(&store->table, ref);
        *out_value = wr_value_bytes(
            &store->table, entry->current ? entry->current : entry->committed,
            &timestamp_ms);
    }
    *out_timestamp_ms = store->spec->timestamped ? timestamp_ms : -1;
    return WEIR_OK;
}

enum weir_status weir_store_get(struct weir_store *store, struct weir_bytes key,
                                struct weir_bytes *out_value)
{
    int64_t timestamp_ms;
    return weir_store_get_timestamped(store, key, out_value, &timestamp_ms);
}

enum weir_status wr_store_get_committed(struct weir_store *store,
                                        struct weir_bytes key,
                                        struct weir_bytes *out_value,
                                        int64_t *out_timestamp_ms)
{
    if (!key.data) {
        return null_key(store);
    }
    wr_rocks_unpin(store->pin);
    store->pin = NULL;
    int64_t timestamp_ms = -1;
    uint32_t ref = wr_table_find(&store->table, key);
    uint32_t committed =
        ref ? wr_entry_at(&store->table, ref)->committed : WR_UNKNOWN;
    if (committed != WR_UNKNOWN) {
        *out_value = wr_value_bytes(&store->table, committed, &timestamp_ms);
    } else {
        enum weir_status s =
            base_read(store, key, &store->pin, out_value, &timestamp_ms);
        if (s != WEIR_OK) {
            return s;
        }
    }
    *out_timestamp_ms = store->spec->timestamped ? timestamp_ms : -1;
    return WEIR_OK;
}

int64_t weir_store_approximate_count(struct weir_store *store)
{
    int64_t count = store->count + store->count_delta;
    if (store->inexact && !store->base_empty) {
        count = wr_rocks_estimate(store->state->rocks, store->index) +
                (int64_t)store->dirty.count + store->count_delta;
    }
    return count > 0 ? count : 0;
}

/* ---- writing ------------------------------------------------------------- */

/* Whether the key is there as of now: 1, 0, or -1 when that is not known. */
static int presence(const struct weir_store *store,
                    const struct wr_entry *entry)
{
    uint32_t ref = entry->current ? entry->current : entry->committed;
    if (ref == WR_UNKNOWN) {
        return store->base_empty ? 0 : -1;
    }
    int64_t ignored;
    return wr_value_bytes(&store->table, ref, &ignored).data != NULL;
}

/* Room in the lists, so that a write cannot fail half-way. */
static enum weir_status lists_reserve(struct weir_store *store)
{
    if (store->touched.count == store->touched.cap) {
        enum weir_status s = wr_refs_grow(&store->touched, 1);
        if (s != WEIR_OK) {
            return s;
        }
    }
    if (store->cached.count == store->cached.cap) {
        return wr_refs_grow(&store->cached, 1);
    }
    return WEIR_OK;
}

/* Writes the entry's current value; null deletes. */
static enum weir_status entry_write(struct weir_store *store, uint32_t ref,
                                    struct weir_bytes value,
                                    int64_t timestamp_ms)
{
    struct wr_table *table = &store->table;
    struct wr_entry *entry = wr_entry_at(table, ref);
    enum weir_status s = lists_reserve(store);
    if (s == WEIR_OK) {
        s = wr_store_order(store, ref);
    }
    if (s != WEIR_OK) {
        return s;
    }
    int was = presence(store, entry);
    size_t before =
        entry->current ? wr_store_entry_bytes(store, ref, entry->current) : 0;
    bool keep = entry->seen != 0 && entry->seen == entry->current;
    s = wr_value_set(table, &entry->current, value, timestamp_ms, keep);
    if (s != WEIR_OK) {
        return s;
    }
    size_t after = wr_store_entry_bytes(store, ref, entry->current);
    store->touched_bytes += after - before;
    if (!wr_entry_has(entry, WR_TOUCHED)) {
        wr_entry_set(entry, WR_TOUCHED);
        store->touched.at[store->touched.count++] = ref;
    }
    if (store->spec->caching) {
        if (wr_entry_has(entry, WR_CACHED)) {
            store->cached_bytes += after - before;
        } else {
            wr_entry_set(entry, WR_CACHED);
            store->cached.at[store->cached.count++] = ref;
            store->cached_bytes += after;
        }
    }
    store->inexact |= was < 0;
    store->count_delta += (value.data ? 1 : 0) - (was > 0 ? 1 : 0);
    return WEIR_OK;
}

static enum weir_status changelog(struct weir_store *store,
                                  struct weir_bytes key,
                                  struct weir_bytes value, int64_t timestamp_ms)
{
    const struct wr_store_hooks *hooks = &store->state->hooks;
    if (store->spec->no_changelog || !hooks->changelog) {
        return WEIR_OK;
    }
    return hooks->changelog(hooks->user, store->index, key, value,
                            timestamp_ms);
}

/* A write in full. The arguments may be views lent by this store: they are
 * copied before anything is freed. */
static enum weir_status store_write(struct weir_store *store,
                                    struct weir_bytes key,
                                    struct weir_bytes value,
                                    int64_t timestamp_ms)
{
    if (store->iterators) {
        wr_iterators_detach(store);
    }
    store->stats.writes++;
    uint32_t ref = wr_table_find(&store->table, key);
    bool made = false;
    if (!ref && (value.data || !store->base_empty || store->spec->caching)) {
        enum weir_status s = wr_table_insert(&store->table, key, &ref);
        if (s != WEIR_OK) {
            return wr_store_failed(store, s);
        }
        made = true;
    }
    if (ref) {
        enum weir_status s = entry_write(store, ref, value, timestamp_ms);
        if (s != WEIR_OK) {
            if (made) {
                wr_store_forget(store, ref);
            }
            return wr_store_failed(store, s);
        }
        if (made) {
            wr_store_shrink(store, ref);
        }
    }
    if (!store->spec->caching) {
        /* The key's view may be gone; the value is that of the entry. */
        int64_t ignored;
        struct wr_entry *entry = ref ? wr_entry_at(&store->table, ref) : NULL;
        return changelog(
            store, entry ? wr_entry_key(entry) : key,
            entry ? wr_value_bytes(&store->table, entry->current, &ignored)
                  : WEIR_NULL,
            timestamp_ms);
    }
    return WEIR_OK;
}

static int64_t timestamp_now(const struct weir_store *store)
{
    const struct wr_store_hooks *hooks = &store->state->hooks;
    int64_t now_ms = hooks->timestamp ? hooks->timestamp(hooks->user) : 0;
    return now_ms > 0 ? now_ms : 0;
}

/* Refuses what no store takes; when the disk is full, also what memory cannot
 * hold for much longer. */
static enum weir_status write_check(struct weir_store *store,
                                    struct weir_bytes key, int64_t timestamp_ms)
{
    if (!key.data) {
        return null_key(store);
    }
    if (store->state->sealed) {
        return weir_fail(&store->state->error, WEIR_E_CLOSED,
                         "store %s: close comes after the last commit, so "
                         "nothing may be written any more",
                         store->spec->name);
    }
    if (timestamp_ms < 0) {
        return weir_fail(&store->state->error, WEIR_E_INVALID,
                         "store %s: the timestamp is %lld", store->spec->name,
                         (long long)timestamp_ms);
    }
    if (store->state->full && store->based &&
        wr_store_dirty_bytes(store) + store->touched_bytes >
            store->state->env->options.warm_bytes * 2) {
        return weir_fail(&store->state->error, WEIR_E_NOSPACE,
                         "store %s: %zu bytes wait for room on the disk of %s, "
                         "and memory may not hold more; free some space",
                         store->spec->name,
                         wr_store_dirty_bytes(store) + store->touched_bytes,
                         store->state->dir);
    }
    return WEIR_OK;
}

enum weir_status weir_store_put_timestamped(struct weir_store *store,
                                            struct weir_bytes key,
                                            struct weir_bytes value,
                                            int64_t timestamp_ms)
{
    enum weir_status s = write_check(store, key, timestamp_ms);
    return s == WEIR_OK ? store_write(store, key, value, timestamp_ms) : s;
}

enum weir_status weir_store_put(struct weir_store *store, struct weir_bytes key,
                                struct weir_bytes value)
{
    return weir_store_put_timestamped(store, key, value, timestamp_now(store));
}

enum weir_status weir_store_delete(struct weir_store *store,
                                   struct weir_bytes key)
{
    return weir_store_put(store, key, WEIR_NULL);
}

enum weir_status weir_store_put_if_absent(struct weir_store *store,
                                          struct weir_bytes key,
                                          struct weir_bytes value,
                                          struct weir_bytes *out_old)
{
    struct weir_bytes old = WEIR_NULL;
    enum weir_status s = weir_store_get(store, key, &old);
    if (s == WEIR_OK && !old.data && value.data) {
        s = weir_store_put(store, key, value);
    }
    if (s == WEIR_OK) {
        *out_old = old;
    }
    return s;
}

/* ---- flush --------------------------------------------------------------- */

/* Whether flushes are told downstream, with the old value. */
static bool wants_old(const struct weir_store *store)
{
    return store->listening && store->state->hooks.flushed;
}

/* Sends one cached entry; afterwards downstream has seen its current value. */
static enum weir_status entry_flush(struct weir_store *store, uint32_t ref)
{
    struct wr_table *table = &store->table;
    struct wr_entry *entry = wr_entry_at(table, ref);
    const struct wr_store_hooks *hooks = &store->state->hooks;
    bool tell = wants_old(store);
    uint32_t old = entry->seen ? entry->seen : entry->committed;
    int64_t ignored;
    struct weir_record record = {
        .key = wr_entry_key(entry),
        .timestamp_ms = wr_value_at(table, entry->current)->timestamp_ms};
    record.value = wr_value_bytes(table, entry->current, &ignored);
    record.old_value = wr_value_bytes(table, old, &ignored);
    bool unknown = old == WR_UNKNOWN && !store->base_empty;
    wr_entry_clear(entry, WR_CACHED);
    store->cached_bytes -= wr_store_entry_bytes(store, ref, entry->current);
    uint32_t seen = entry->seen;
    entry->seen = tell ? entry->current : 0; /* also keeps record.value alive */
    enum weir_status s = WEIR_OK;
    if (record.value.data || record.old_value.data || unknown) {
        s = changelog(store, record.key, record.value, record.timestamp_ms);
        if (s == WEIR_OK && tell) {
            s = hooks->flushed(hooks->user, store->index, &record);
        }
    }
    if (wr_value_is(seen) && seen != entry->seen && seen != entry->current) {
        wr_value_free(table, seen);
    }
    return s;
}

/* Puts what a failed flush left over before what listeners wrote meanwhile. */
static void flush_end(struct weir_store *store, struct wr_refs *batch,
                      size_t done)
{
    size_t left = batch->count - done;
    if (left == 0 && store->cached.count > 0) {
        wr_refs_done(batch);
        return;
    }
    if (left > 0) {
        memmove(batch->at, batch->at + done, left * sizeof(uint32_t));
    }
    batch->count = left;
    for (size_t i = 0; i < store->cached.count; i++) {
        if (wr_refs_push(batch, store->cached.at[i]) != WEIR_OK) {
            break;
        }
    }
    wr_refs_done(&store->cached);
    store->cached = *batch;
}

enum weir_status wr_store_flush(struct wr_task_state *state, int index,
                                struct weir_error *err)
{
    struct weir_store *store = &state->stores[index];
    if (store->flushing) {
        return weir_fail(err, WEIR_E_INVALID,
                         "store %s: flushed from inside its own flush",
                         store->spec->name);
    }
    struct wr_refs batch = store->cached;
    store->cached = (struct wr_refs){0}; /* listeners may write the store */
    store->flushing = true;
    state->error = (struct weir_error){0};
    enum weir_status s = WEIR_OK;
    size_t done = 0;
    while (done < batch.count && s == WEIR_OK) {
        if (wants_old(store) &&
            !wr_entry_at(&store->table, batch.at[done])->seen) {
            s = wr_store_load(store, batch.at[done]);
        }
        if (s == WEIR_OK) {
            s = entry_flush(store, batch.at[done++]);
        }
    }
    store->flushing = false;
    flush_end(store, &batch, done);
    if (s != WEIR_OK) {
        if (state->error.status == s) {
            return weir_fail(err, s, "%s", state->error.text);
        }
        return weir_fail(err, s, "store %s: flush: %s", store->spec->name,
                         weir_status_text(s));
    }
    return WEIR_OK;
}

/* ---- small --------------------------------------------------------------- */

const struct weir_store_spec *wr_store_spec(const struct weir_store *store)
{
    return store->spec;
}

bool wr_store_is_caching(const struct weir_store *store)
{
    return store->spec->caching;
}

int wr_store_index(const struct weir_store *store)
{
    return store->index;
}

int64_t wr_store_position(const struct weir_store *store)
{
    return store->position;
}

void wr_store_set_listening(struct weir_store *store, bool listening)
{
    store->listening = listening;
}
