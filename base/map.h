/* SPDX-License-Identifier: Apache-2.0
 *
 * A hash map from bytes to a pointer-sized value: open addressing with linear
 * probing, at most 7/8 full, XXH3. Keys are copied into memory of the map.
 * Thread: its owner's. */
#ifndef WEIR_BASE_MAP_H
#define WEIR_BASE_MAP_H

#include "base/bytes.h"

struct wr_map_slot;

struct wr_map {
    struct wr_map_slot *slots; /* power of two, or NULL when empty */
    size_t cap;                /* slots in all */
    size_t count;              /* keys held */
    size_t dead;               /* slots of removed keys, reused on growth */
};

void wr_map_init(struct wr_map *map);
/** Frees keys and slots; what the values point to is the caller's. */
void wr_map_done(struct wr_map *map);
/** The value of key, or NULL. A key may be empty; null is never in a map. */
void *wr_map_get(const struct wr_map *map, struct weir_bytes key);
/** Sets key to value (not NULL); *out_old (may be NULL) gets the former value
 *  or NULL. Errors: WEIR_E_NOMEM, WEIR_E_INVALID for a null key or value; the
 *  map is as before. */
WEIR_MUST_CHECK enum weir_status wr_map_put(struct wr_map *map,
                                            struct weir_bytes key, void *value,
                                            void **out_old);
/** Removes key; returns its value or NULL. */
void *wr_map_remove(struct wr_map *map, struct weir_bytes key);
/** Iteration in no order: start with *cursor = 0; false at the end. The map may
 *  not grow meanwhile; removing the current key is allowed. out_* may be NULL.
 */
bool wr_map_next(const struct wr_map *map, size_t *cursor,
                 struct weir_bytes *out_key, void **out_value);

#endif
