/* SPDX-License-Identifier: Apache-2.0
 *
 * Order over the entries of a table: a sort for whole sets (a write-down), and
 * an index that stays sorted while entries come and go (ranges). Unsigned byte
 * order, as RocksDB's. Thread: its owner's. */
#ifndef WEIR_STORES_ORDER_H
#define WEIR_STORES_ORDER_H

#include "stores/table.h"

/** An entry to sort, and something of the caller's to go with it. */
struct wr_sort_item {
    uint64_t prefix; /* used by the sort: eight bytes of the key */
    const struct wr_entry *entry;
    uintptr_t tag;
};

/** Sorts items by the keys of their entries, which are distinct. `spare` has
 * room for count items. Thread: any, while the entries stay. */
void wr_order_sort(struct wr_sort_item *items, size_t count,
                   struct wr_sort_item *spare);

struct wr_order_run; /* private: a sorted piece of the index */

/** The index: none until it is built. Zero-initialised is empty. */
struct wr_order {
    struct wr_order_run **runs; /* in order, none of them empty */
    size_t run_count;
    size_t run_cap;
    size_t count; /* entries */
    bool built;
};

/** A place in the index; any change of the index makes it void. */
struct wr_order_at {
    size_t run;
    size_t item;
};

/** Frees the index; it is unbuilt again. */
void wr_order_done(struct wr_order *order);
/** Builds an unbuilt index from entries. Errors: WEIR_E_NOMEM, still unbuilt.
 */
WEIR_MUST_CHECK enum weir_status wr_order_build(struct wr_order *order,
                                                const struct wr_table *table,
                                                struct wr_refs refs);
/** Adds an entry whose key is not in the index. Errors: WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status wr_order_add(struct wr_order *order,
                                              const struct wr_table *table,
                                              uint32_t ref);
/** Removes an entry that is in the index. */
void wr_order_remove(struct wr_order *order, const struct wr_table *table,
                     uint32_t ref);
/** First place whose key is >= key, or > key when `after`. */
struct wr_order_at wr_order_seek(const struct wr_order *order,
                                 const struct wr_table *table,
                                 struct weir_bytes key, bool after);
/** Place behind the last entry. */
struct wr_order_at wr_order_end(const struct wr_order *order);
/** The entry at a place that is not the end. */
uint32_t wr_order_ref(const struct wr_order *order, struct wr_order_at at);
void wr_order_next(const struct wr_order *order, struct wr_order_at *at);
/** One back from a place that is not the first. */
void wr_order_back(const struct wr_order *order, struct wr_order_at *at);
static inline bool wr_order_same(struct wr_order_at a, struct wr_order_at b)
{
    return a.run == b.run && a.item == b.item;
}

#endif
