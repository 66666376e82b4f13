/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory by lifetime: an arena hands out pieces and takes them back at once,
 * all of them or those since a mark. The hot path allocates from one that is
 * reset after each record, so it frees nothing. Every arena has a limit from
 * birth. Thread: its owner's. */
#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H

#include "weir/types.h"

/** Private: a chunk of memory, linked. */
struct wr_arena_block {
    struct wr_arena_block *next;
    size_t cap;  /* bytes behind the header */
    size_t used; /* of cap */
    _Alignas(16) uint8_t bytes[];
};

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

/** How far an arena was used: the beginning of a scope. */
struct wr_arena_mark {
    struct wr_arena_block *block; /* NULL: nothing was handed out */
    size_t block_used;            /* of the block */
    size_t used;                  /* of the arena */
};
static inline struct wr_arena_mark wr_arena_mark(const struct wr_arena *arena);
/** Takes back what was handed out since the mark, which is of this arena and
 *  not older than its last reset. Scopes nest: the last one made ends first. */
static inline void wr_arena_rewind(struct wr_arena *arena,
                                   const struct wr_arena_mark *mark);

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

/* ---- inline, since every node of every record has a scope ---------------- */

/** Private: the part of a rewind that has something to take back. */
void wr_arena_take_back(struct wr_arena *arena,
                        const struct wr_arena_mark *mark);

static inline struct wr_arena_mark wr_arena_mark(const struct wr_arena *arena)
{
    struct wr_arena_block *block = arena->current;
    return (struct wr_arena_mark){block, block ? block->used : 0, arena->used};
}

static inline void wr_arena_rewind(struct wr_arena *arena,
                                   const struct wr_arena_mark *mark)
{
    if (arena->used != mark->used) {
        wr_arena_take_back(arena, mark);
    }
}

#endif
