/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of a table: pieces of many sizes, named by 32 bits instead of 64, so
 * that a million entries stay small, and given back to the system chunk by
 * chunk. Thread: its owner's. */
#ifndef WEIR_STORES_SLAB_H
#define WEIR_STORES_SLAB_H

#include "weir/types.h"

#define WR_SLAB_UNIT       8u  /* bytes; every piece is aligned to it */
#define WR_SLAB_UNIT_BITS  13u /* a chunk has 2^13 units: 64 KiB */
#define WR_SLAB_CLASSES    44u
#define WR_SLAB_CHUNK_MAX  (1u << (32u - WR_SLAB_UNIT_BITS))
#define WR_SLAB_REF_LOWEST 5u /* smaller references are never handed out */

struct wr_slab_chunk; /* private: header and slots of one size */

struct wr_slab {
    struct wr_slab_chunk **chunks;     /* by number; NULL: free number */
    uint32_t count;                    /* numbers in use or freed */
    uint32_t cap;                      /* room in chunks */
    uint32_t vacant;                   /* freed numbers among count */
    uint32_t lowest;                   /* no freed number is below */
    uint32_t partial[WR_SLAB_CLASSES]; /* chunk number + 1; 0: none */
    size_t used;                       /* bytes of pieces handed out */
    size_t held;                       /* bytes of chunks */
};

void wr_slab_init(struct wr_slab *slab);
/** Frees every piece. */
void wr_slab_done(struct wr_slab *slab);
/** A piece of at least n bytes, n <= 2^31; 0 when out of memory. */
uint32_t wr_slab_alloc(struct wr_slab *slab, size_t n);
void wr_slab_free(struct wr_slab *slab, uint32_t ref);
/** Bytes that the piece can hold, >= what was asked for. */
size_t wr_slab_size(const struct wr_slab *slab, uint32_t ref);

/** Where a piece is: stays there until it is freed. */
static inline void *wr_slab_at(const struct wr_slab *slab, uint32_t ref)
{
    return (uint8_t *)(void *)slab->chunks[ref >> WR_SLAB_UNIT_BITS] +
           (size_t)(ref & ((1u << WR_SLAB_UNIT_BITS) - 1u)) * WR_SLAB_UNIT;
}

#endif
