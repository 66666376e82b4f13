/* SPDX-License-Identifier: Apache-2.0
 *
 * Iterators: a merge of the table's index with an iterator of the base, which
 * is a snapshot by itself. The table's side becomes one only when it has to:
 *
 *   live       walks the index; nothing was changed since the iterator was
 * opened detached   the first change of the store made it copy the references
 * (eight bytes each) of what it has not returned yet
 *
 * While an iterator is open the table frees and overwrites nothing, so
 * references stay good. Reading ten keys of a million costs ten steps; changing
 * a store while iterating costs one copy of references.
 *
 * An entry whose value is unknown has nothing to say: the base is asked. A
 * tombstone hides the base's row. */
#include "stores/base_key.h"
#include "stores/state.h"

#include <stdlib.h>

#define OPEN_MAX 1024u /* iterators of a store: more are a leak */

enum side { SIDE_NONE, SIDE_TABLE, SIDE_BASE, SIDE_BOTH };

struct pair {
    uint32_t entry;
    uint32_t value;
};

struct weir_iterator {
    struct weir_store *store; /* NULL once the store is gone */
    struct weir_iterator *next;
    struct weir_iterator *prev;
    bool reverse;
    bool committed; /* does not see the uncommitted layer */
    bool high_open; /* high itself is outside */
    enum weir_status status;
    struct weir_bytes low;  /* owned; never null */
    struct weir_bytes high; /* owned; null: no bound */
    enum side returned;     /* sides to step before the next pair */
    /* the table's side */
    bool live;
    struct wr_order_at at;   /* forward: next; reverse: behind the next */
    struct wr_order_at stop; /* reaching it ends the side */
    struct pair *pairs;      /* detached: what is left */
    size_t pair_count;
    size_t pair_at;
    struct pair head; /* entry 0: this side has ended */
    /* the base's side */
    struct wr_rocks_iter *base; /* NULL: ended */
};

/* ---- the table's side --------------------------------------------- */

static uint32_t value_seen(const struct weir_iterator *it,
                           const struct wr_entry *entry)
{
    return entry->current && !it->committed ? entry->current : entry->committed;
}

/* The next pair of the live side with something to say; false at its end. */
static bool live_next(struct weir_iterator *it, struct pair *out)
{
    const struct weir_store *store = it->store;
    while (!wr_order_same(it->at, it->stop)) {
        if (it->reverse) {
            wr_order_back(&store->order, &it->at);
        }
        uint32_t ref = wr_order_ref(&store->order, it->at);
        if (!it->reverse) {
            wr_order_next(&store->order, &it->at);
        }
        uint32_t value = value_seen(it, wr_entry_at(&store->table, ref));
        if (value != WR_UNKNOWN) {
            *out = (struct pair){ref, value};
            return true;
        }
    }
    return false;
}

static void table_step(struct weir_iterator *it)
{
    it->head = (struct pair){0, 0};
    if (it->live) {
        if (!live_next(it, &it->head)) {
            it->head = (struct pair){0, 0};
        }
    } else if (it->pair_at < it->pair_count) {
        it->head = it->pairs[it->pair_at++];
    }
}

static void detach(struct weir_iterator *it)
{
    size_t cap = 0;
    struct pair next;
    while (live_next(it, &next)) {
        if (it->pair_count == cap) {
            cap = cap ? cap * 2 : 64;
            struct pair *grown = realloc(it->pairs, cap * sizeof(*grown));
            if (!grown) {
                it->status = WEIR_E_NOMEM;
                break;
            }
            it->pairs = grown;
        }
        it->pairs[it->pair_count++] = next;
    }
    it->live = false;
}

void wr_iterators_detach(struct weir_store *store)
{
    for (struct weir_iterator *it = store->iterators; it; it = it->next) {
        if (it->live) {
            detach(it);
        }
    }
}

/* Builds the index of a store that has none. */
static enum weir_status index_build(struct weir_store *store)
{
    struct wr_refs refs = {0};
    enum weir_status s = WEIR_OK;
    if (!store->based) {
        for (size_t i = 0; i < store->table.cap && s == WEIR_OK; i++) {
            if (store->table.slots[i].ref) {
                s = wr_refs_push(&refs, store->table.slots[i].ref);
            }
        }
    } else {
        for (size_t i = 0; i < store->dirty.count && s == WEIR_OK; i++) {
            s = wr_refs_push(&refs, store->dirty.at[i]);
        }
        const struct wr_refs *down = store->down ? &store->down->refs : NULL;
        for (size_t i = 0; down && i < down->count && s == WEIR_OK; i++) {
            if (wr_entry_has(wr_entry_at(&store->table, down->at[i]),
                             WR_DOWN)) {
                s = wr_refs_push(&refs, down->at[i]);
            }
        }
        for (size_t i = 0; i < store->touched.count && s == WEIR_OK; i++) {
            uint32_t ref = store->touched.at[i];
            if (!wr_entry_has(wr_entry_at(&store->table, ref),
                              WR_DIRTY | WR_DOWN)) {
                s = wr_refs_push(&refs, ref);
            }
        }
    }
    if (s == WEIR_OK) {
        s = wr_order_build(&store->order, &store->table, refs);
    }
    for (size_t i = 0; i < refs.count && s == WEIR_OK; i++) {
        wr_entry_set(wr_entry_at(&store->table, refs.at[i]), WR_ORDERED);
    }
    wr_refs_done(&refs);
    return s;
}

static enum weir_status table_open(struct weir_iterator *it)
{
    struct weir_store *store = it->store;
    if (!store->order.built) {
        enum weir_status s = index_build(store);
        if (s != WEIR_OK) {
            return s;
        }
    }
    struct wr_order_at low =
        wr_order_seek(&store->order, &store->table, it->low, false);
    struct wr_order_at high = it->high.data
                                  ? wr_order_seek(&store->order, &store->table,
                                                  it->high, !it->high_open)
                                  : wr_order_end(&store->order);
    it->at = it->reverse ? high : low;
    it->stop = it->reverse ? low : high;
    it->live = true;
    table_step(it);
    return WEIR_OK;
}

/* ---- the base's side ---------------------------------------------- */

static bool in_range(const struct weir_iterator *it, struct weir_bytes key)
{
    if (it->reverse) {
        return wr_bytes_compare(key, it->low) >= 0;
    }
    if (!it->high.data) {
        return true;
    }
    int c = wr_bytes_compare(key, it->high);
    return it->high_open ? c < 0 : c <= 0;
}

/* Ends the base's side where the range or the rows end. */
static void base_check(struct weir_iterator *it)
{
    if (wr_rocks_iter_valid(it->base)) {
        struct weir_bytes key = wr_rocks_iter_key(it->base);
        if (!wr_bytes_equal(key, wr_mark_key()) &&
            in_range(it, wr_user_key(key))) {
            return;
        }
    } else {
        enum weir_status s =
            wr_rocks_iter_status(it->base, &it->store->state->error);
        if (s != WEIR_OK) {
            it->status = wr_store_failed(it->store, s);
        }
    }
    wr_rocks_iter_free(it->base);
    it->base = NULL;
}

static enum weir_status base_open(struct weir_iterator *it)
{
    struct weir_store *store = it->store;
    if (store->base_empty) {
        return WEIR_OK;
    }
    it->base = wr_rocks_iter_new(store->state->rocks, store->index);
    if (!it->base) {
        return WEIR_E_NOMEM;
    }
    struct weir_bytes start = it->reverse ? it->high : it->low;
    if (start.data) {
        start = wr_base_key(start, &store->keys);
        if (!start.data) {
            return WEIR_E_NOMEM;
        }
    }
    wr_rocks_iter_seek(it->base, start, it->reverse);
    if (it->reverse && it->high_open && wr_rocks_iter_valid(it->base) &&
        wr_bytes_equal(wr_rocks_iter_key(it->base), start)) {
        wr_rocks_iter_step(it->base, true);
    }
    base_check(it);
    return it->status;
}

static void base_step(struct weir_iterator *it)
{
    wr_rocks_iter_step(it->base, it->reverse);
    base_check(it);
}

/* ---- both --------------------------------------------------------- */

static void iterator_release(struct weir_iterator *it)
{
    wr_rocks_iter_free(it->base);
    free(it->pairs);
    it->base = NULL;
    it->pairs = NULL;
    it->pair_count = it->pair_at = 0;
    it->head = (struct pair){0, 0};
    it->live = false;
    it->returned = SIDE_NONE;
}

static void iterator_unlink(struct weir_store *store, struct weir_iterator *it)
{
    if (it->prev) {
        it->prev->next = it->next;
    } else {
        store->iterators = it->next;
    }
    if (it->next) {
        it->next->prev = it->prev;
    }
    it->store = NULL;
    store->iterator_count--;
    if (--store->table.hold == 0) {
        wr_table_release(&store->table);
    }
}

void wr_iterators_kill(struct weir_store *store)
{
    while (store->iterators) {
        struct weir_iterator *it = store->iterators;
        iterator_release(it);
        iterator_unlink(store, it);
        it->status = WEIR_E_CLOSED;
    }
}

static enum weir_status copy_bytes(struct weir_bytes b, struct weir_bytes *out)
{
    *out = WEIR_NULL;
    if (b.data) {
        uint8_t *copy = malloc(b.len + 1);
        if (!copy) {
            return WEIR_E_NOMEM;
        }
        memcpy(copy, b.data, b.len);
        *out = weir_bytes(copy, b.len);
    }
    return WEIR_OK;
}

static void iterator_free(struct weir_iterator *it)
{
    free((void *)(uintptr_t)it->low.data);
    free((void *)(uintptr_t)it->high.data);
    free(it);
}

struct span {
    struct weir_bytes low;  /* null: open */
    struct weir_bytes high; /* null: open */
    bool high_open;
    bool reverse;
    bool committed;
};

static enum weir_status iterator_new(struct weir_store *store,
                                     const struct span *span,
                                     struct weir_iterator **out)
{
    if (store->iterator_count >= OPEN_MAX) {
        return weir_fail(&store->state->error, WEIR_E_INVALID,
                         "store %s: %u iterators are open; close each with "
                         "weir_iterator_close()",
                         store->spec->name, OPEN_MAX);
    }
    struct weir_iterator *it = calloc(1, sizeof(*it));
    if (!it) {
        return wr_store_failed(store, WEIR_E_NOMEM);
    }
    it->store = store;
    it->reverse = span->reverse;
    it->committed = span->committed;
    it->high_open = span->high_open;
    struct weir_bytes empty = weir_text("");
    enum weir_status s =
        copy_bytes(span->low.data ? span->low : empty, &it->low);
    if (s == WEIR_OK) {
        s = copy_bytes(span->high, &it->high);
    }
    if (s != WEIR_OK) {
        iterator_free(it);
        return wr_store_failed(store, s);
    }
    it->next = store->iterators;
    if (it->next) {
        it->next->prev = it;
    }
    store->iterators = it;
    store->iterator_count++;
    store->table.hold++;
    if (!it->high.data || wr_bytes_compare(it->low, it->high) <= 0) {
        s = table_open(it);
        if (s == WEIR_OK) {
            s = base_open(it);
        }
    }
    if (s != WEIR_OK) {
        weir_iterator_close(it);
        return wr_store_failed(store, s);
    }
    *out = it;
    return WEIR_OK;
}

enum weir_status weir_store_range(struct weir_store *store,
                                  struct weir_bytes from, struct weir_bytes to,
                                  bool reverse, struct weir_iterator **out)
{
    struct span span = {.low = from, .high = to, .reverse = reverse};
    return iterator_new(store, &span, out);
}

enum weir_status wr_store_range_committed(struct weir_store *store,
                                          struct weir_bytes from,
                                          struct weir_bytes to, bool reverse,
                                          struct weir_iterator **out)
{
    struct span span = {
        .low = from, .high = to, .reverse = reverse, .committed = true};
    return iterator_new(store, &span, out);
}

enum weir_status weir_store_prefix(struct weir_store *store,
                                   struct weir_bytes prefix,
                                   struct weir_iterator **out)
{
    /* The first key behind the prefix: last byte below 255, plus one. */
    struct weir_bytes high;
    if (copy_bytes(prefix, &high) != WEIR_OK) {
        return wr_store_failed(store, WEIR_E_NOMEM);
    }
    uint8_t *bytes = (uint8_t *)(uintptr_t)high.data;
    size_t len = high.len;
    while (len > 0 && bytes[len - 1] == UINT8_MAX) {
        len--;
    }
    struct span span = {.low = prefix, .high_open = true};
    if (len > 0) {
        bytes[len - 1]++;
        span.high = weir_bytes(bytes, len);
    }
    enum weir_status s = iterator_new(store, &span, out);
    free(bytes);
    return s;
}

/* Which side has the next pair; both when their keys are equal. */
static enum side side_next(const struct weir_iterator *it)
{
    if (!it->head.entry) {
        return it->base ? SIDE_BASE : SIDE_NONE;
    }
    if (!it->base) {
        return SIDE_TABLE;
    }
    int c = wr_bytes_compare(
        wr_entry_key(wr_entry_at(&it->store->table, it->head.entry)),
        wr_user_key(wr_rocks_iter_key(it->base)));
    if (c == 0) {
        return SIDE_BOTH;
    }
    return (c < 0) == !it->reverse ? SIDE_TABLE : SIDE_BASE;
}

bool weir_iterator_next(struct weir_iterator *it, struct weir_bytes *out_key,
                        struct weir_bytes *out_value, int64_t *out_timestamp_ms)
{
    while (it->store && it->status == WEIR_OK) {
        if (it->returned == SIDE_TABLE || it->returned == SIDE_BOTH) {
            table_step(it);
        }
        if (it->returned == SIDE_BASE || it->returned == SIDE_BOTH) {
            base_step(it);
        }
        it->returned = it->status == WEIR_OK ? side_next(it) : SIDE_NONE;
        int64_t timestamp_ms = -1;
        if (it->returned == SIDE_NONE) {
            return false;
        }
        if (it->returned == SIDE_BASE) {
            *out_key = wr_user_key(wr_rocks_iter_key(it->base));
            enum weir_status s =
                wr_store_row(it->store, wr_rocks_iter_value(it->base),
                             out_value, &timestamp_ms);
            if (s != WEIR_OK) {
                it->status = wr_store_failed(it->store, s);
                return false;
            }
        } else {
            const struct wr_table *table = &it->store->table;
            *out_key = wr_entry_key(wr_entry_at(table, it->head.entry));
            *out_value = wr_value_bytes(table, it->head.value, &timestamp_ms);
            if (!out_value->data) {
                continue; /* a tombstone, or known to be absent */
            }
        }
        if (out_timestamp_ms) {
            *out_timestamp_ms =
                it->store->spec->timestamped ? timestamp_ms : -1;
        }
        return true;
    }
    return false;
}

enum weir_status weir_iterator_status(const struct weir_iterator *it)
{
    return it->status;
}

void weir_iterator_close(struct weir_iterator *it)
{
    if (!it) {
        return;
    }
    if (it->store) {
        iterator_release(it);
        iterator_unlink(it->store, it);
    }
    iterator_free(it);
}
