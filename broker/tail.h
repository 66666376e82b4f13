/* SPDX-License-Identifier: Apache-2.0
 *
 * The newest batches of all partitions, in memory. An append copies its batch
 * here once; the segment, the write-ahead log and the readers of the tail all
 * take it from here. The oldest memory goes first, whoever's it is, when the
 * limit is reached or nobody appended for a while. Thread: the broker's loop;
 * the sync thread reads pinned bytes only. */
#ifndef WEIR_BROKER_TAIL_H
#define WEIR_BROKER_TAIL_H

#include "base/bytes.h"

struct wr_tail_chunk; /* private: a piece of memory, linked oldest to newest */

struct wr_tail {
    struct wr_tail_chunk *oldest;
    struct wr_tail_chunk *newest;
    size_t bytes;      /* memory held */
    size_t max;        /* limit of it, exceeded only by what is pinned */
    uint64_t seq_next; /* number of the next chunk, from 1 */
    uint64_t
        pinned; /* chunks from this number on must stay; UINT64_MAX: none */
};

/** A batch that may still be in memory. */
struct wr_tail_entry {
    int64_t base_offset;
    int64_t last_offset;
    const uint8_t *data; /* valid while chunk_seq is alive */
    size_t len;          /* of the batch */
    uint64_t chunk_seq;  /* where it lies */
};

/** The batches of one log, oldest first, without a gap up to the log's end. */
struct wr_tail_list {
    struct wr_tail_entry *entries; /* ring, owned */
    size_t cap;                    /* power of two, or 0 */
    size_t head;                   /* index of the oldest */
    size_t count;
};

void wr_tail_init(struct wr_tail *tail, size_t max);
void wr_tail_done(struct wr_tail *tail);
/** Room for a batch at the end of the newest chunk. It is kept only by
 * wr_tail_keep before the next call. NULL when out of memory. */
uint8_t *wr_tail_room(struct wr_tail *tail, size_t len);
/** Keeps what was written to the room; *out_seq is its chunk. */
void wr_tail_keep(struct wr_tail *tail, size_t len, uint64_t *out_seq);
/** Frees chunks that got their last batch before `before_ms` and are not
 * pinned. */
void wr_tail_trim(struct wr_tail *tail, int64_t before_ms);
/** What "now" is for wr_tail_trim. */
void wr_tail_touch(struct wr_tail *tail, int64_t now_ms);
bool wr_tail_alive(const struct wr_tail *tail, uint64_t chunk_seq);

void wr_tail_list_done(struct wr_tail_list *list);
/** Adds the newest batch. Without memory for it the list becomes empty: readers
 * go to the file. */
void wr_tail_list_add(struct wr_tail_list *list,
                      const struct wr_tail_entry *entry);
/** Drops entries whose memory is gone. */
void wr_tail_list_trim(struct wr_tail_list *list, const struct wr_tail *tail);
/** Index of the batch that holds `offset` or is the first after it; `count`
 * when none is. Trim first. Entry i is wr_tail_list_get. */
size_t wr_tail_list_find(const struct wr_tail_list *list, int64_t offset);
static inline const struct wr_tail_entry *
wr_tail_list_get(const struct wr_tail_list *list, size_t i)
{
    return &list->entries[(list->head + i) & (list->cap - 1)];
}

#endif
