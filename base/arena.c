/* SPDX-License-Identifier: Apache-2.0
 *
 * Arena: a list of blocks that double up to a bound. Reset keeps the first
 * block only, so a single large record does not pin its memory until the task
 * ends. A rewind keeps the block behind the mark too, so that a loop of large
 * scopes does not ask the system for memory each time round. Under
 * AddressSanitizer the free part of each block is poisoned: a view that
 * outlives its batch is then a report, not a wrong word count. */
#include "base/arena.h"

#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) /* gcc */
#define ARENA_ASAN 1
#elif defined(__has_feature) /* clang */
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#if defined(ARENA_ASAN)
#include <sanitizer/asan_interface.h>
#define ARENA_POISON(p, n)   __asan_poison_memory_region((p), (n))
#define ARENA_UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define ARENA_POISON(p, n)   ((void)(p), (void)(n))
#define ARENA_UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define ARENA_ALIGN     16u
#define ARENA_BLOCK_MIN ((size_t)16 << 10)
#define ARENA_BLOCK_MAX ((size_t)1 << 20)

void wr_arena_init(struct wr_arena *arena, size_t max)
{
    *arena = (struct wr_arena){.max = max};
}

static void blocks_free(struct wr_arena_block *block)
{
    while (block) {
        struct wr_arena_block *next = block->next;
        ARENA_UNPOISON(block->bytes, block->cap);
        free(block);
        block = next;
    }
}

void wr_arena_done(struct wr_arena *arena)
{
    blocks_free(arena->first);
    wr_arena_init(arena, arena->max);
}

void wr_arena_reset(struct wr_arena *arena)
{
    arena->used = 0;
    arena->current = arena->first;
    if (arena->first) {
        blocks_free(arena->first->next);
        arena->first->next = NULL;
        arena->first->used = 0;
        ARENA_POISON(arena->first->bytes, arena->first->cap);
    }
}

/* Takes all pieces of the blocks behind `last` back and frees all blocks but
 * the first of them. */
static void blocks_empty(struct wr_arena_block *last)
{
    struct wr_arena_block *spare = last->next;
    if (spare) {
        blocks_free(spare->next);
        spare->next = NULL;
        spare->used = 0;
        ARENA_POISON(spare->bytes, spare->cap);
    }
}

void wr_arena_take_back(struct wr_arena *arena,
                        const struct wr_arena_mark *mark)
{
    if (!mark->block) {
        wr_arena_reset(arena);
        return;
    }
    struct wr_arena_block *block = mark->block;
    ARENA_POISON(block->bytes + mark->block_used,
                 block->cap - mark->block_used);
    block->used = mark->block_used;
    blocks_empty(block);
    arena->current = block;
    arena->used = mark->used;
}

/* A block behind the current one that has room: the spare one, or a new one. */
static struct wr_arena_block *block_next(struct wr_arena *arena, size_t need)
{
    struct wr_arena_block *spare = arena->current ? arena->current->next : NULL;
    if (spare && spare->cap >= need) {
        arena->current = spare;
        return spare;
    }
    blocks_free(spare);
    size_t cap = arena->current ? arena->current->cap * 2 : ARENA_BLOCK_MIN;
    if (cap > ARENA_BLOCK_MAX) {
        cap = ARENA_BLOCK_MAX;
    }
    if (cap < need) {
        cap = need;
    }
    struct wr_arena_block *block = malloc(sizeof(*block) + cap);
    if (!block) {
        return NULL;
    }
    block->next = NULL;
    block->cap = cap;
    block->used = 0;
    ARENA_POISON(block->bytes, cap);
    if (arena->current) {
        arena->current->next = block; /* the spare one was freed */
    } else {
        arena->first = block;
    }
    arena->current = block;
    return block;
}

void *wr_arena_alloc(struct wr_arena *arena, size_t n)
{
    if (n > SIZE_MAX - ARENA_ALIGN || arena->used > arena->max ||
        n > arena->max - arena->used) {
        return NULL;
    }
    size_t size = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    struct wr_arena_block *block = arena->current;
    if (!block || size > block->cap - block->used) {
        block = block_next(arena, size);
        if (!block) {
            return NULL;
        }
    }
    uint8_t *at = block->bytes + block->used;
    block->used += size;
    arena->used += size;
    ARENA_UNPOISON(at, n);
    return at;
}

void *wr_arena_calloc(struct wr_arena *arena, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    void *at = wr_arena_alloc(arena, count * size);
    if (at) {
        memset(at, 0, count * size);
    }
    return at;
}

enum weir_status wr_arena_copy(struct wr_arena *arena, struct weir_bytes b,
                               struct weir_bytes *out)
{
    *out = WEIR_NULL;
    if (!b.data) {
        return WEIR_OK;
    }
    uint8_t *at = wr_arena_alloc(arena, b.len);
    if (!at) {
        return WEIR_E_NOMEM;
    }
    if (b.len > 0) {
        memcpy(at, b.data, b.len);
    }
    *out = weir_bytes(at, b.len);
    return WEIR_OK;
}

char *wr_arena_text(struct wr_arena *arena, struct weir_bytes b)
{
    char *at = b.len < SIZE_MAX ? wr_arena_alloc(arena, b.len + 1) : NULL;
    if (at) {
        if (b.len > 0) {
            memcpy(at, b.data, b.len);
        }
        at[b.len] = '\0';
    }
    return at;
}
