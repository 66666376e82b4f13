/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory by lifetime: an arena hands out pieces and takes them all back at
 * once. The hot path allocates from one that is reset after each batch, so it
 * frees nothing. Every arena has a limit from birth. Thread: its owner's. */
#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H

#include "weir/types.h"

struct wr_arena_block; /* private: a chunk of memory, linked */

struct wr_arena {
    struct wr_arena_block *first;   /* kept across resets */
    struct wr_arena_block *current; /* where the next piece comes from */
    size_t used;                    /* bytes handed out since the reset */
    size_t max;                     /* limit of used, in bytes */
};

void wr_arena_init(struct wr_arena *arena, size_t max);
/** Frees all memory. */
void wr_arena_done(struct wr_arena *arena);
/** Takes every piece back. One block of memory is kept for the next round. */
void wr_arena_reset(struct wr_arena *arena);
/** n bytes, aligned to 16, not zeroed, lent until reset. NULL when the limit or
 *  the machine's memory is reached. n == 0 gives a valid pointer. */
void *wr_arena_alloc(struct wr_arena *arena, size_t n);
/** As wr_arena_alloc for count * size bytes, zeroed; NULL on overflow. */
void *wr_arena_calloc(struct wr_arena *arena, size_t count, size_t size);
/** A copy of b (null stays null). On failure *out is null and WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status wr_arena_copy(struct wr_arena *arena,
                                               struct weir_bytes b,
                                               struct weir_bytes *out);
/** A NUL-terminated copy of b; NULL when out of memory. */
char *wr_arena_text(struct wr_arena *arena, struct weir_bytes b);

#endif
