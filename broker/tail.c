/* SPDX-License-Identifier: Apache-2.0
 *
 * Tail cache. Memory comes in chunks that are filled from front to back and
 * freed in the order they were made, so what is alive is told by one number:
 * the oldest chunk. A log's list holds (offset, place) of its batches and finds
 * out by that number which of its oldest ones are gone; nobody has to be told.
 *
 * A freed chunk of usual size is used again at once, so that a busy broker does
 * not fault in fresh pages for each batch. Thread: the broker's loop. */
#include "broker/tail.h"

#include <stdlib.h>

#define TAIL_CHUNK ((size_t)1 << 20)

struct wr_tail_chunk {
    struct wr_tail_chunk *next; /* newer */
    uint64_t seq;               /* rises by one */
    int64_t used_ms;            /* when it was last appended to, roughly */
    size_t cap;                 /* bytes behind the header */
    size_t len;                 /* of them kept */
    uint8_t bytes[];
};

void wr_tail_init(struct wr_tail *tail, size_t max)
{
    *tail = (struct wr_tail){
        .max = max,
        .seq_next = 1,
        .pinned = UINT64_MAX,
    };
}

/* Takes the oldest chunk off the list; NULL when it is pinned or the newest. */
static struct wr_tail_chunk *take_oldest(struct wr_tail *tail)
{
    struct wr_tail_chunk *chunk = tail->oldest;
    if (!chunk || chunk->seq >= tail->pinned) {
        return NULL;
    }
    tail->oldest = chunk->next;
    if (!tail->oldest) {
        tail->newest = NULL;
    }
    tail->bytes -= chunk->cap;
    return chunk;
}

void wr_tail_done(struct wr_tail *tail)
{
    tail->pinned = UINT64_MAX;
    for (struct wr_tail_chunk *chunk; (chunk = take_oldest(tail)) != NULL;) {
        free(chunk);
    }
}

uint8_t *wr_tail_room(struct wr_tail *tail, size_t len)
{
    struct wr_tail_chunk *newest = tail->newest;
    if (newest && newest->cap - newest->len >= len) {
        return newest->bytes + newest->len;
    }
    size_t cap = len > TAIL_CHUNK ? len : TAIL_CHUNK;
    struct wr_tail_chunk *chunk = NULL;
    while (tail->bytes + cap > tail->max) {
        struct wr_tail_chunk *old = take_oldest(tail);
        if (!old) {
            break;
        }
        if (!chunk && old->cap == cap) {
            chunk = old;
        } else {
            free(old);
        }
    }
    if (!chunk) {
        chunk = malloc(sizeof(*chunk) + cap);
        if (!chunk) {
            return NULL;
        }
    }
    int64_t used_ms = tail->newest ? tail->newest->used_ms : 0;
    chunk->next = NULL;
    chunk->seq = tail->seq_next++;
    chunk->used_ms = used_ms;
    chunk->cap = cap;
    chunk->len = 0;
    if (tail->newest) {
        tail->newest->next = chunk;
    } else {
        tail->oldest = chunk;
    }
    tail->newest = chunk;
    tail->bytes += cap;
    return chunk->bytes;
}

void wr_tail_keep(struct wr_tail *tail, size_t len, uint64_t *out_seq)
{
    tail->newest->len += len;
    *out_seq = tail->newest->seq;
}

void wr_tail_touch(struct wr_tail *tail, int64_t now_ms)
{
    if (tail->newest) {
        tail->newest->used_ms = now_ms;
    }
}

void wr_tail_trim(struct wr_tail *tail, int64_t before_ms)
{
    while (tail->oldest && tail->oldest->used_ms < before_ms) {
        struct wr_tail_chunk *chunk = take_oldest(tail);
        if (!chunk) {
            return;
        }
        free(chunk);
    }
}

bool wr_tail_alive(const struct wr_tail *tail, uint64_t chunk_seq)
{
    return tail->oldest && chunk_seq >= tail->oldest->seq;
}

/* ---- lists -----------------------------------------------------------------
 */

void wr_tail_list_done(struct wr_tail_list *list)
{
    free(list->entries);
    *list = (struct wr_tail_list){0};
}

static bool list_grow(struct wr_tail_list *list)
{
    size_t cap = list->cap ? list->cap * 2 : 8;
    struct wr_tail_entry *entries = malloc(cap * sizeof(*entries));
    if (!entries) {
        return false;
    }
    for (size_t i = 0; i < list->count; i++) {
        entries[i] = *wr_tail_list_get(list, i);
    }
    free(list->entries);
    list->entries = entries;
    list->cap = cap;
    list->head = 0;
    return true;
}

void wr_tail_list_add(struct wr_tail_list *list,
                      const struct wr_tail_entry *entry)
{
    if (list->count == list->cap && !list_grow(list)) {
        list->count = 0;
        return;
    }
    list->entries[(list->head + list->count) & (list->cap - 1)] = *entry;
    list->count++;
}

void wr_tail_list_trim(struct wr_tail_list *list, const struct wr_tail *tail)
{
    while (list->count > 0 &&
           !wr_tail_alive(tail, wr_tail_list_get(list, 0)->chunk_seq)) {
        list->head = (list->head + 1) & (list->cap - 1);
        list->count--;
    }
    if (list->count == 0) {
        wr_tail_list_done(list);
    }
}

size_t wr_tail_list_find(const struct wr_tail_list *list, int64_t offset)
{
    size_t low = 0;
    size_t high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (wr_tail_list_get(list, middle)->last_offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}
