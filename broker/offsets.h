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

struct wr_offsets_position; /* a wr_offset and where it stands */
struct wr_offsets_txn;      /* the positions of one open transaction */

struct wr_offsets {
    struct wr_map places; /* topic and partition -> what is known of them */
    size_t count;         /* committed positions */
    struct wr_offsets_txn *txns;
    struct wr_offsets_position *staged, **staged_end;
};

void wr_offsets_init(struct wr_offsets *offsets);
void wr_offsets_done(struct wr_offsets *offsets);
/** Takes the memory that a position will need until it is committed or dropped
 *  (copied; not visible yet), so that once it is in the log nothing can fail.
 *  @param producer_id of its open transaction; -1: none
 *  Errors: WEIR_E_NOMEM, WEIR_E_INVALID (topic's length, partition); what was
 *  staged before stays staged. */
WEIR_MUST_CHECK enum weir_status wr_offsets_stage(struct wr_offsets *offsets,
                                                  int64_t producer_id,
                                                  const struct wr_offset *from);
/** What was staged stands in the log, in order from log_offset on: without a
 *  transaction it is committed unless a newer position is there, else it waits
 *  for wr_offsets_end_txn. */
void wr_offsets_accept_staged(struct wr_offsets *offsets, int64_t log_offset);
/** Forgets what was staged. */
void wr_offsets_drop_staged(struct wr_offsets *offsets);
/** Ends the producer's transaction: its positions are committed, unless a newer
 *  one is there, or dropped. Needs no memory. False: it had nothing here. */
bool wr_offsets_end_txn(struct wr_offsets *offsets, int64_t producer_id,
                        bool commit);
/** The committed position, or NULL. Lent until the next change. */
const struct wr_offset *wr_offsets_get(const struct wr_offsets *offsets,
                                       struct weir_bytes topic,
                                       int32_t partition);
/** Whether an open transaction may move it. */
bool wr_offsets_unstable(const struct wr_offsets *offsets,
                         struct weir_bytes topic, int32_t partition);
/** Forgets what is known so far: the committed position and those of open
 *  transactions, which then end without it. False when there was none. */
bool wr_offsets_remove(struct wr_offsets *offsets, struct weir_bytes topic,
                       int32_t partition);
/** Committed positions in no order; cursor from 0; false at the end. Removing
 *  the current one is allowed. */
bool wr_offsets_next(const struct wr_offsets *offsets, size_t *cursor,
                     const struct wr_offset **out);
/** The same for every place, once: its committed position, else one of an open
 *  transaction. */
bool wr_offsets_next_known(const struct wr_offsets *offsets, size_t *cursor,
                           const struct wr_offset **out);
/** The committed position, else one of an open transaction, or NULL. Lent until
 *  the next change. */
const struct wr_offset *wr_offsets_get_known(const struct wr_offsets *offsets,
                                             struct weir_bytes topic,
                                             int32_t partition);
/** Forgets everything. */
void wr_offsets_clear(struct wr_offsets *offsets);
/** No positions: committed, of a transaction, or staged. */
bool wr_offsets_is_empty(const struct wr_offsets *offsets);

#endif
