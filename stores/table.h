/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of a store: its uncommitted and its warm layer in one hash table,
 * so that a get and a put of one key are one look-up.
 *
 *   entry       key, up to three values:
 *     committed   what the last commit left; or known to be absent; or unknown,
 *                 then the base (RocksDB) has it
 *     current     what this commit interval wrote, a tombstone included; or
 * none seen        what downstream last saw of a caching store, where that is
 *                 neither of the two
 *
 * Values are never changed while something may look at them: while `hold` is
 * not zero (an iterator is open), freed pieces are kept and nothing is
 * overwritten.
 *
 * The table knows no policy: what is dirty, evicted or flushed is the store's
 * business. Thread: its owner's. */
#ifndef WEIR_STORES_TABLE_H
#define WEIR_STORES_TABLE_H

#include "base/bytes.h"
#include "stores/slab.h"

#define WR_KEY_MAX   ((size_t)(1u << 24) - 1u)
#define WR_VALUE_MAX ((size_t)1 << 30)

/* What a value reference can be besides a piece of memory. */
#define WR_UNKNOWN 0u /* committed: ask the base. current, seen: none */
#define WR_ABSENT  1u /* committed: known not to be there */

/* Flags of an entry. */
#define WR_DIRTY   1u  /* committed differs from the base */
#define WR_CACHED  2u  /* current was written since the last flush */
#define WR_ORDERED 4u  /* is in the ordered index */
#define WR_TOUCHED 8u  /* in the list of uncommitted entries */
#define WR_DOWN    16u /* committed is being written down: keep the value */
#define WR_FLAGS   255u

struct wr_entry {
    uint32_t committed; /* value, WR_UNKNOWN or WR_ABSENT */
    uint32_t current;   /* value or WR_UNKNOWN */
    uint32_t seen;      /* value, == current, or WR_UNKNOWN: as committed */
    uint32_t meta;      /* key length << 8 | flags; see wr_entry_meta */
    uint8_t key[];
};

#define WR_TOMBSTONE UINT32_MAX

struct wr_value {
    int64_t timestamp_ms;
    uint32_t len;    /* WR_TOMBSTONE: a deletion */
    uint8_t bytes[]; /* len of them */
};
#define WR_VALUE_HEAD offsetof(struct wr_value, bytes)

/** A list of references. */
struct wr_refs {
    uint32_t *at;
    size_t count;
    size_t cap;
};

struct wr_slot {
    uint32_t
        hash; /* upper 31 bits of the hash << 1 | used since the clock came */
    uint32_t ref; /* entry; 0: empty */
};

struct wr_table {
    struct wr_slab slab;
    struct wr_slot *slots;
    size_t cap;             /* slots, a power of two; 0 at first */
    unsigned shift;         /* hash >> shift is the first slot to look at */
    size_t count;           /* entries */
    size_t hand;            /* the clock's */
    uint32_t last;          /* entry of the last look-up, 0: none */
    size_t hold;            /* open iterators */
    struct wr_refs waiting; /* freed while held */
};

void wr_refs_done(struct wr_refs *refs);
WEIR_MUST_CHECK enum weir_status wr_refs_grow(struct wr_refs *refs, size_t n);
static inline enum weir_status wr_refs_push(struct wr_refs *refs, uint32_t ref)
{
    if (refs->count == refs->cap) {
        enum weir_status s = wr_refs_grow(refs, 1);
        if (s != WEIR_OK) {
            return s;
        }
    }
    refs->at[refs->count++] = ref;
    return WEIR_OK;
}

void wr_table_init(struct wr_table *table);
void wr_table_done(struct wr_table *table);
/** Removes every entry; hold must be 0. */
void wr_table_reset(struct wr_table *table);
/** Bytes of entries, values and slots. */
static inline size_t wr_table_bytes(const struct wr_table *table)
{
    return table->slab.used + table->cap * sizeof(struct wr_slot);
}

/** The entry of key, or 0. */
uint32_t wr_table_find(struct wr_table *table, struct weir_bytes key);
/** Makes an entry for an absent key, with everything unknown.
 *  Errors: WEIR_E_TOOBIG, WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status wr_table_insert(struct wr_table *table,
                                                 struct weir_bytes key,
                                                 uint32_t *out_ref);
/** Removes an entry; its values must be gone. */
void wr_table_remove(struct wr_table *table, uint32_t ref);
/** Next candidate for eviction: an entry that was not used since the hand's
 * last round. 0 when `steps` slots were passed without one. */
uint32_t wr_table_clock(struct wr_table *table, size_t *steps);
/** Lets go what was freed while an iterator was open. */
void wr_table_release(struct wr_table *table);

static inline struct wr_entry *wr_entry_at(const struct wr_table *table,
                                           uint32_t ref)
{
    return wr_slab_at(&table->slab, ref);
}
/** Length and flags. A write-down in the background reads the length while the
 *  owner changes flags: hence relaxed atomics, which cost nothing. */
static inline uint32_t wr_entry_meta(const struct wr_entry *entry)
{
    return __atomic_load_n(&entry->meta, __ATOMIC_RELAXED);
}
static inline struct weir_bytes wr_entry_key(const struct wr_entry *entry)
{
    return weir_bytes(entry->key, wr_entry_meta(entry) >> 8);
}
static inline bool wr_entry_has(const struct wr_entry *entry, uint32_t flags)
{
    return (entry->meta & flags) != 0;
}
static inline void wr_entry_set(struct wr_entry *entry, uint32_t flags)
{
    __atomic_store_n(&entry->meta, entry->meta | flags, __ATOMIC_RELAXED);
}
static inline void wr_entry_clear(struct wr_entry *entry, uint32_t flags)
{
    __atomic_store_n(&entry->meta, entry->meta & ~flags, __ATOMIC_RELAXED);
}
static inline struct wr_value *wr_value_at(const struct wr_table *table,
                                           uint32_t ref)
{
    return wr_slab_at(&table->slab, ref);
}
/** Whether ref is memory, not WR_UNKNOWN or WR_ABSENT. */
static inline bool wr_value_is(uint32_t ref)
{
    return ref > WR_ABSENT;
}
/** The bytes of a value reference; null for a deletion, unknown or absent. */
static inline struct weir_bytes wr_value_bytes(const struct wr_table *table,
                                               uint32_t ref,
                                               int64_t *out_timestamp_ms)
{
    if (wr_value_is(ref)) {
        const struct wr_value *value = wr_value_at(table, ref);
        if (value->len != WR_TOMBSTONE) {
            *out_timestamp_ms = value->timestamp_ms;
            return weir_bytes(value->bytes, value->len);
        }
    }
    *out_timestamp_ms = -1;
    return WEIR_NULL;
}

/** Sets *ref, a value reference of an entry, to bytes (null: a deletion), in
 *  place where that is allowed and it fits; bytes may lie in any value of the
 *  table. `keep` leaves the old value to the caller.
 *  Errors: WEIR_E_TOOBIG, WEIR_E_NOMEM, *ref is as before. */
WEIR_MUST_CHECK enum weir_status wr_value_set(struct wr_table *table,
                                              uint32_t *ref,
                                              struct weir_bytes bytes,
                                              int64_t timestamp_ms, bool keep);
/** Frees a value reference; WR_UNKNOWN and WR_ABSENT are fine. */
void wr_value_free(struct wr_table *table, uint32_t ref);

#endif
