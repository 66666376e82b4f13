/* SPDX-License-Identifier: Apache-2.0
 *
 * Slab: chunks of 64 KiB, each cut into slots of one size class. A reference is
 *
 *   bits 31..13   chunk number
 *   bits 12..0    offset in the chunk, in units of 8 bytes
 *
 * which reaches 32 GiB. A chunk's header fills its first five units, so small
 * numbers are never references and can mean something else to the caller.
 * Pieces above the largest class get a chunk of their own size.
 *
 * Each chunk has its own free list; a chunk without live pieces goes back to
 * the system, except the last one of its class. Freed slots are poisoned under
 * AddressSanitizer. */
#include "stores/slab.h"

#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define SLAB_POISON(p, n)   __asan_poison_memory_region((p), (n))
#define SLAB_UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define SLAB_POISON(p, n)   ((void)(p), (void)(n))
#define SLAB_UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define CHUNK_BYTES ((size_t)WR_SLAB_UNIT << WR_SLAB_UNIT_BITS)
#define SMALL_MAX   128u   /* up to here a class every 8 bytes */
#define CLASS_MAX   16384u /* largest class; four classes per doubling */
#define HUGE_CLASS  WR_SLAB_CLASSES
#define PIECE_MAX   ((size_t)1 << 31)

struct wr_slab_chunk {
    size_t slot_bytes;
    uint32_t number;    /* own index in chunks */
    uint32_t klass;     /* HUGE_CLASS: one piece */
    uint32_t live;      /* pieces handed out */
    uint32_t fresh;     /* unit of the first never used slot */
    uint32_t free_head; /* unit of the first freed slot; 0: none */
    uint32_t next;      /* partial list, number + 1; 0: none */
    uint32_t prev;
    uint32_t listed; /* whether it is in the partial list */
};

_Static_assert(sizeof(struct wr_slab_chunk) ==
                   (size_t)WR_SLAB_REF_LOWEST * WR_SLAB_UNIT,
               "the header fills the units below the first reference");

static uint32_t class_of(size_t n)
{
    if (n <= SMALL_MAX) {
        return n ? (uint32_t)((n - 1) / WR_SLAB_UNIT) : 0;
    }
    uint32_t s = (uint32_t)n - 1;
    uint32_t top = 31u - (uint32_t)__builtin_clz(s);
    return SMALL_MAX / WR_SLAB_UNIT + (top - 7u) * 4u +
           ((s >> (top - 2u)) & 3u);
}

static size_t class_bytes(uint32_t klass)
{
    uint32_t small = SMALL_MAX / WR_SLAB_UNIT;
    if (klass < small) {
        return (size_t)(klass + 1) * WR_SLAB_UNIT;
    }
    uint32_t top = 7u + (klass - small) / 4u;
    return (size_t)(5u + (klass - small) % 4u) << (top - 2u);
}

static size_t chunk_bytes(const struct wr_slab_chunk *chunk)
{
    return chunk->klass == HUGE_CLASS ? sizeof(*chunk) + chunk->slot_bytes
                                      : CHUNK_BYTES;
}

void wr_slab_init(struct wr_slab *slab)
{
    *slab = (struct wr_slab){0};
}

static void chunk_release(struct wr_slab_chunk *chunk)
{
    SLAB_UNPOISON(chunk, chunk_bytes(chunk));
    free(chunk);
}

void wr_slab_done(struct wr_slab *slab)
{
    for (uint32_t i = 0; i < slab->count; i++) {
        if (slab->chunks[i]) {
            chunk_release(slab->chunks[i]);
        }
    }
    free(slab->chunks);
    wr_slab_init(slab);
}

static void list_remove(struct wr_slab *slab, struct wr_slab_chunk *chunk)
{
    if (!chunk->listed) {
        return;
    }
    if (chunk->prev) {
        slab->chunks[chunk->prev - 1]->next = chunk->next;
    } else {
        slab->partial[chunk->klass] = chunk->next;
    }
    if (chunk->next) {
        slab->chunks[chunk->next - 1]->prev = chunk->prev;
    }
    chunk->next = chunk->prev = chunk->listed = 0;
}

static void list_add(struct wr_slab *slab, struct wr_slab_chunk *chunk)
{
    chunk->prev = 0;
    chunk->next = slab->partial[chunk->klass];
    if (chunk->next) {
        slab->chunks[chunk->next - 1]->prev = chunk->number + 1;
    }
    slab->partial[chunk->klass] = chunk->number + 1;
    chunk->listed = 1;
}

/* A number for a new chunk, or WR_SLAB_CHUNK_MAX. */
static uint32_t number_take(struct wr_slab *slab)
{
    if (slab->vacant) {
        for (uint32_t i = slab->lowest; i < slab->count; i++) {
            if (!slab->chunks[i]) {
                slab->vacant--;
                slab->lowest = i + 1;
                return i;
            }
        }
    }
    if (slab->count == WR_SLAB_CHUNK_MAX) {
        return WR_SLAB_CHUNK_MAX;
    }
    if (slab->count == slab->cap) {
        uint32_t cap = slab->cap ? slab->cap * 2u : 16u;
        void *grown =
            realloc(slab->chunks, cap * sizeof(struct wr_slab_chunk *));
        if (!grown) {
            return WR_SLAB_CHUNK_MAX;
        }
        slab->chunks = grown;
        slab->cap = cap;
    }
    slab->chunks[slab->count] = NULL;
    return slab->count++;
}

static struct wr_slab_chunk *chunk_new(struct wr_slab *slab, uint32_t klass,
                                       size_t slot_bytes)
{
    size_t bytes = klass == HUGE_CLASS
                       ? sizeof(struct wr_slab_chunk) + slot_bytes
                       : CHUNK_BYTES;
    struct wr_slab_chunk *chunk = malloc(bytes);
    if (!chunk) {
        return NULL;
    }
    uint32_t number = number_take(slab);
    if (number == WR_SLAB_CHUNK_MAX) {
        free(chunk);
        return NULL;
    }
    *chunk = (struct wr_slab_chunk){.slot_bytes = slot_bytes,
                                    .number = number,
                                    .klass = klass,
                                    .fresh = WR_SLAB_REF_LOWEST};
    SLAB_POISON(chunk + 1, bytes - sizeof(*chunk));
    slab->chunks[number] = chunk;
    slab->held += bytes;
    return chunk;
}

/* A slot of a chunk that has one; takes the chunk off the list when it was the
 * last. */
static uint32_t slot_take(struct wr_slab *slab, struct wr_slab_chunk *chunk)
{
    uint32_t unit = chunk->free_head;
    uint8_t *base = (uint8_t *)chunk;
    uint32_t slot_units = (uint32_t)(chunk->slot_bytes / WR_SLAB_UNIT);
    if (unit) {
        SLAB_UNPOISON(base + (size_t)unit * WR_SLAB_UNIT, chunk->slot_bytes);
        memcpy(&chunk->free_head, base + (size_t)unit * WR_SLAB_UNIT,
               sizeof(chunk->free_head));
    } else {
        unit = chunk->fresh;
        SLAB_UNPOISON(base + (size_t)unit * WR_SLAB_UNIT, chunk->slot_bytes);
        chunk->fresh += slot_units;
    }
    chunk->live++;
    slab->used += chunk->slot_bytes;
    if (!chunk->free_head && chunk->klass != HUGE_CLASS &&
        chunk->fresh + slot_units > (1u << WR_SLAB_UNIT_BITS)) {
        list_remove(slab, chunk);
    }
    return chunk->number << WR_SLAB_UNIT_BITS | unit;
}

uint32_t wr_slab_alloc(struct wr_slab *slab, size_t n)
{
    if (n > PIECE_MAX) {
        return 0;
    }
    if (n > CLASS_MAX) {
        size_t bytes = (n + WR_SLAB_UNIT - 1) / WR_SLAB_UNIT * WR_SLAB_UNIT;
        struct wr_slab_chunk *chunk = chunk_new(slab, HUGE_CLASS, bytes);
        return chunk ? slot_take(slab, chunk) : 0;
    }
    uint32_t klass = class_of(n);
    if (!slab->partial[klass]) {
        struct wr_slab_chunk *chunk =
            chunk_new(slab, klass, class_bytes(klass));
        if (!chunk) {
            return 0;
        }
        list_add(slab, chunk);
    }
    return slot_take(slab, slab->chunks[slab->partial[klass] - 1]);
}

static void chunk_drop(struct wr_slab *slab, struct wr_slab_chunk *chunk)
{
    list_remove(slab, chunk);
    slab->held -= chunk_bytes(chunk);
    slab->chunks[chunk->number] = NULL;
    slab->vacant++;
    if (chunk->number < slab->lowest) {
        slab->lowest = chunk->number;
    }
    chunk_release(chunk);
}

void wr_slab_free(struct wr_slab *slab, uint32_t ref)
{
    struct wr_slab_chunk *chunk = slab->chunks[ref >> WR_SLAB_UNIT_BITS];
    uint8_t *slot = wr_slab_at(slab, ref);
    slab->used -= chunk->slot_bytes;
    chunk->live--;
    if (chunk->klass == HUGE_CLASS) {
        chunk_drop(slab, chunk);
        return;
    }
    memcpy(slot, &chunk->free_head, sizeof(chunk->free_head));
    SLAB_POISON(slot, chunk->slot_bytes);
    chunk->free_head = ref & ((1u << WR_SLAB_UNIT_BITS) - 1u);
    if (!chunk->listed) {
        list_add(slab, chunk);
    }
    if (chunk->live == 0 && (chunk->next || chunk->prev)) {
        chunk_drop(slab, chunk);
    }
}

size_t wr_slab_size(const struct wr_slab *slab, uint32_t ref)
{
    return slab->chunks[ref >> WR_SLAB_UNIT_BITS]->slot_bytes;
}
