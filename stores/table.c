/* SPDX-License-Identifier: Apache-2.0
 *
 * Open addressing with linear probing over slots of eight bytes: 31 bits of the
 * hash, a used bit for the clock, and the entry's reference. The slot index is
 * taken from the top of the hash, so entries stand in the order of their hashes
 * and doubling the table reads and writes memory in one direction without
 * looking at a single entry. Removal shifts back, so there are no dead slots.
 *
 * The last looked-up entry is remembered: a get followed by a put of the same
 * key compares the key once and hashes nothing. */
#include "stores/table.h"

#include "base/hash.h"

#include <stdlib.h>

#define CAP_MIN   64u
#define HASH_BITS 31u
#define REFS_MAX  ((size_t)1 << 32)
#define USED      1u

void wr_refs_done(struct wr_refs *refs)
{
    free(refs->at);
    *refs = (struct wr_refs){0};
}

enum weir_status wr_refs_grow(struct wr_refs *refs, size_t n)
{
    size_t cap = refs->cap ? refs->cap : 64;
    while (cap < refs->count + n) {
        cap *= 2;
    }
    if (cap > REFS_MAX) {
        return WEIR_E_NOMEM;
    }
    uint32_t *at = realloc(refs->at, cap * sizeof(*at));
    if (!at) {
        return WEIR_E_NOMEM;
    }
    refs->at = at;
    refs->cap = cap;
    return WEIR_OK;
}

void wr_table_init(struct wr_table *table)
{
    *table = (struct wr_table){0};
    wr_slab_init(&table->slab);
}

void wr_table_done(struct wr_table *table)
{
    wr_slab_done(&table->slab);
    wr_refs_done(&table->waiting);
    free(table->slots);
    wr_table_init(table);
}

void wr_table_reset(struct wr_table *table)
{
    wr_table_done(table);
}

static uint32_t hash_of(struct weir_bytes key)
{
    return (uint32_t)(wr_hash64(key) >> 32) & ~USED;
}

static size_t home_of(const struct wr_table *table, uint32_t hash)
{
    return (size_t)(hash >> table->shift);
}

static bool is_key(const struct wr_table *table, uint32_t ref,
                   struct weir_bytes key)
{
    const struct wr_entry *entry = wr_entry_at(table, ref);
    return entry->meta >> 8 == key.len &&
           (key.len == 0 || memcmp(entry->key, key.data, key.len) == 0);
}

uint32_t wr_table_find(struct wr_table *table, struct weir_bytes key)
{
    if (table->last && is_key(table, table->last, key)) {
        return table->last;
    }
    if (table->cap == 0) {
        return 0;
    }
    uint32_t hash = hash_of(key);
    size_t mask = table->cap - 1;
    for (size_t i = home_of(table, hash);; i = (i + 1) & mask) {
        struct wr_slot *slot = &table->slots[i];
        if (slot->ref == 0) {
            return 0;
        }
        if ((slot->hash & ~USED) == hash && is_key(table, slot->ref, key)) {
            if (!(slot->hash & USED)) {
                slot->hash |= USED;
            }
            table->last = slot->ref;
            return slot->ref;
        }
    }
}

static void slot_put(struct wr_table *table, struct wr_slot slot)
{
    size_t mask = table->cap - 1;
    size_t i = home_of(table, slot.hash);
    while (table->slots[i].ref) {
        i = (i + 1) & mask;
    }
    table->slots[i] = slot;
}

static enum weir_status table_double(struct wr_table *table)
{
    size_t cap = table->cap ? table->cap * 2 : CAP_MIN;
    if (cap > (size_t)1 << HASH_BITS) {
        return WEIR_E_NOMEM;
    }
    struct wr_slot *slots = calloc(cap, sizeof(*slots));
    if (!slots) {
        return WEIR_E_NOMEM;
    }
    struct wr_slot *old = table->slots;
    size_t old_cap = table->cap;
    table->slots = slots;
    table->cap = cap;
    table->shift = 32u - (unsigned)__builtin_ctzll(cap);
    table->hand = 0;
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i].ref) {
            slot_put(table, old[i]);
        }
    }
    free(old);
    return WEIR_OK;
}

enum weir_status wr_table_insert(struct wr_table *table, struct weir_bytes key,
                                 uint32_t *out_ref)
{
    if (key.len > WR_KEY_MAX) {
        return WEIR_E_TOOBIG;
    }
    if (table->count + 1 > table->cap / 4 * 3) {
        enum weir_status s = table_double(table);
        if (s != WEIR_OK) {
            return s;
        }
    }
    uint32_t ref =
        wr_slab_alloc(&table->slab, sizeof(struct wr_entry) + key.len);
    if (!ref) {
        return WEIR_E_NOMEM;
    }
    struct wr_entry *entry = wr_entry_at(table, ref);
    *entry = (struct wr_entry){.meta = (uint32_t)key.len << 8};
    if (key.len) {
        memcpy(entry->key, key.data, key.len);
    }
    slot_put(table, (struct wr_slot){hash_of(key) | USED, ref});
    table->count++;
    table->last = ref;
    *out_ref = ref;
    return WEIR_OK;
}

/* Frees now, or later when an iterator may still look at it. */
static void piece_free(struct wr_table *table, uint32_t ref)
{
    if (table->hold && wr_refs_push(&table->waiting, ref) == WEIR_OK) {
        return;
    }
    if (!table->hold) {
        wr_slab_free(&table->slab, ref);
    } /* else: no memory to remember it; it stays until the table is done */
}

void wr_table_release(struct wr_table *table)
{
    for (size_t i = 0; i < table->waiting.count; i++) {
        wr_slab_free(&table->slab, table->waiting.at[i]);
    }
    wr_refs_done(&table->waiting);
}

void wr_table_remove(struct wr_table *table, uint32_t ref)
{
    struct weir_bytes key = wr_entry_key(wr_entry_at(table, ref));
    size_t mask = table->cap - 1;
    size_t hole = home_of(table, hash_of(key));
    while (table->slots[hole].ref != ref) {
        hole = (hole + 1) & mask;
    }
    for (size_t i = (hole + 1) & mask; table->slots[i].ref;
         i = (i + 1) & mask) {
        size_t home = home_of(table, table->slots[i].hash);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            table->slots[hole] = table->slots[i];
            hole = i;
        }
    }
    table->slots[hole] = (struct wr_slot){0, 0};
    table->count--;
    if (table->last == ref) {
        table->last = 0;
    }
    piece_free(table, ref);
}

uint32_t wr_table_clock(struct wr_table *table, size_t *steps)
{
    while (*steps > 0 && table->cap > 0) {
        (*steps)--;
        table->hand = (table->hand + 1) & (table->cap - 1);
        struct wr_slot *slot = &table->slots[table->hand];
        if (slot->ref == 0) {
            continue;
        }
        if (slot->hash & USED) {
            slot->hash &= ~USED;
            continue;
        }
        return slot->ref;
    }
    return 0;
}

enum weir_status wr_value_set(struct wr_table *table, uint32_t *ref,
                              struct weir_bytes bytes, int64_t timestamp_ms,
                              bool keep)
{
    if (bytes.len > WR_VALUE_MAX) {
        return WEIR_E_TOOBIG;
    }
    size_t need = WR_VALUE_HEAD + bytes.len;
    uint32_t to = *ref;
    if (keep || !wr_value_is(to) || table->hold ||
        wr_slab_size(&table->slab, to) < need ||
        wr_slab_size(&table->slab, to) / 4 > need) {
        to = wr_slab_alloc(&table->slab, need);
        if (!to) {
            return WEIR_E_NOMEM;
        }
    }
    struct wr_value *value = wr_value_at(table, to);
    if (bytes.data) {
        memmove(value->bytes, bytes.data, bytes.len);
        value->len = (uint32_t)bytes.len;
    } else {
        value->len = WR_TOMBSTONE;
    }
    value->timestamp_ms = timestamp_ms;
    if (to != *ref) {
        if (!keep) {
            wr_value_free(table, *ref);
        }
        *ref = to;
    }
    return WEIR_OK;
}

void wr_value_free(struct wr_table *table, uint32_t ref)
{
    if (wr_value_is(ref)) {
        piece_free(table, ref);
    }
}
