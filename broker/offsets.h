/* SPDX-License-Identifier: Apache-2.0
 *
 * The positions of one group: what is committed, and what open transactions
 * will commit or drop. The newest by place in the log wins, whatever the order
 * in which transactions end. Memory only; groups.c writes the log.
 * Thread: broker loop. */
#ifndef WEIR_BROKER_OFFSETS_H
#define WEIR_BROKER_OFFSETS_H

#include "base/map.h"

#define WR_OFFSET_METADATA_MAX 4096 /* bytes of a position's metadata */

struct wr_offset {
    struct weir_bytes topic;    /* 1..249 bytes */
    int32_t partition;          /* >= 0 */
    int64_t offset;             /* the next to be read */
    int32_t leader_epoch;       /* of the record before; -1: not told */
    struct weir_bytes metadata; /* never null in the table */
    int64_t commit_ms;          /* wall clock of the commit */
    int64_t expire_ms;  /* as old clients set it; -1: the broker's rule */
    int64_t log_offset; /* where the log has it */
};

struct wr_offsets_pending; /* positions of one open transaction */

struct wr_offsets {
    struct wr_map committed;            /* topic and partition -> wr_offset */
    struct wr_offsets_pending *pending; /* one an open transaction */
};

void wr_offsets_init(struct wr_offsets *offsets);
void wr_offsets_done(struct wr_offsets *offsets);
/** Stores a committed position (copied), unless a newer one is there.
 *  Errors: WEIR_E_NOMEM, WEIR_E_INVALID (topic's length, partition). */
WEIR_MUST_CHECK enum weir_status wr_offsets_put(struct wr_offsets *offsets,
                                                const struct wr_offset *from);
/** As wr_offsets_put, but it counts only when the producer's transaction
 *  commits. */
WEIR_MUST_CHECK enum weir_status
wr_offsets_put_pending(struct wr_offsets *offsets, int64_t producer_id,
                       const struct wr_offset *from);
/** Ends the producer's transaction; false when it had nothing here. Without
 *  memory a position may be missing until the next start: the log has it. */
bool wr_offsets_end_txn(struct wr_offsets *offsets, int64_t producer_id,
                        bool commit);
/** The committed position, or NULL. Lent until the next change. */
const struct wr_offset *wr_offsets_get(const struct wr_offsets *offsets,
                                       struct weir_bytes topic,
                                       int32_t partition);
/** Whether an open transaction may move it. */
bool wr_offsets_unstable(const struct wr_offsets *offsets,
                         struct weir_bytes topic, int32_t partition);
/** Forgets a committed position; false when there was none. */
bool wr_offsets_remove(struct wr_offsets *offsets, struct weir_bytes topic,
                       int32_t partition);
/** Committed positions in no order; cursor from 0; false at the end. Removing
 *  the current one is allowed. */
bool wr_offsets_next(const struct wr_offsets *offsets, size_t *cursor,
                     const struct wr_offset **out);
/** Neither committed nor pending positions. */
bool wr_offsets_is_empty(const struct wr_offsets *offsets);

#endif
