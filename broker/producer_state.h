/* SPDX-License-Identifier: Apache-2.0
 *
 * What one partition knows of its producers: the last batches of each, so that
 * a batch sent twice is stored once and a lost one is noticed, and the
 * transactions that are open, which hold the last stable offset back.
 *
 * A step machine: no I/O, no clock. The log asks wr_producers_check before it
 * appends and tells wr_producers_apply after; recovery only tells.
 * Thread: the broker's loop. */
#ifndef WEIR_BROKER_PRODUCER_STATE_H
#define WEIR_BROKER_PRODUCER_STATE_H

#include "base/map.h"
#include "broker/batch.h"
#include "broker/log.h"

#define WR_PRODUCER_BATCHES                                                    \
    5 /* in flight per connection, as clients keep to                          \
       */

struct wr_producer_batch {
    int32_t first_sequence;
    int32_t last_sequence;
    int64_t last_offset;
    int32_t offset_delta; /* last - first offset */
    int64_t timestamp_ms; /* largest of the batch */
    uint32_t crc;         /* of the batch as sent; 0: from a snapshot */
};

struct wr_producer_state {
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t coordinator_epoch;  /* of the last marker; -1: none */
    int64_t last_timestamp_ms;  /* that the last batch or marker carries */
    int64_t used_ms;            /* wr_producers.now_ms at the last of them */
    int64_t used_offset;        /* of the last of them; -1: not known */
    int64_t txn_first_offset;   /* of the open transaction; -1: none */
    int32_t txn_first_sequence; /* of the open transaction; -1: not known */
    int32_t void_from;          /* sequences from here on are an aborted
                                   transaction's; -1: none */
    uint32_t batch_count; /* of the current epoch, <= WR_PRODUCER_BATCHES */
    struct wr_producer_batch batches[WR_PRODUCER_BATCHES]; /* oldest first */
};

/** A transaction that began in this partition and whose end is not yet both
 * written and below the high watermark. */
struct wr_unstable_txn {
    int64_t producer_id;
    int64_t first_offset;
    int64_t marker_offset; /* -1: still open */
};

struct wr_producers {
    struct wr_map
        map; /* producer id (8 bytes) -> struct wr_producer_state, owned */
    struct wr_unstable_txn *txns; /* by first offset, owned */
    size_t txn_count;
    size_t txn_cap;
    uint32_t max;      /* from here on idle producers make room */
    uint32_t full;     /* when room is looked for next, >= max */
    int64_t expire_ms; /* forget idle producers after this */
    int64_t now_ms;    /* when wr_producers_expire was last called */
};

/** A finished transaction that was aborted, as the .txnindex keeps it. */
struct wr_abort_entry {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset;        /* of the marker */
    int64_t last_stable_offset; /* when the marker was written */
};

/** From `max` producers on those that were not used for a quarter of an hour
 * make room, longest unused first. Those that were are kept, for a client of
 * theirs may still repeat a batch, up to ten times as many. `now_ms` is of the
 * clock that wr_producers_expire gets: one that nobody sets. */
void wr_producers_init(struct wr_producers *producers, uint32_t max,
                       int64_t expire_ms, int64_t now_ms);
void wr_producers_done(struct wr_producers *producers);
/** Forgets everybody. */
void wr_producers_clear(struct wr_producers *producers);
/** NULL when the producer is unknown. */
struct wr_producer_state *wr_producers_get(const struct wr_producers *producers,
                                           int64_t producer_id);

/** Whether a client's batch may be appended. *out_duplicate is set, and 0
 * returned, when it is one of the producer's last batches (copied): answer with
 * its offsets. Errors: 45, 47, 48. */
enum wr_kafka_error wr_producers_check(const struct wr_producers *producers,
                                       const struct wr_batch *batch,
                                       struct wr_producer_batch *out_duplicate,
                                       bool *out_is_duplicate,
                                       struct weir_error *err);
/** Makes sure that the next apply for this producer cannot fail: called before
 * the batch or marker is written. Fine with -1. Errors: WEIR_E_NOMEM,
 * WEIR_E_TOOBIG (every producer has a transaction open). */
WEIR_MUST_CHECK enum weir_status
wr_producers_reserve(struct wr_producers *producers, int64_t producer_id);
/** Takes in a data batch that stands at its place in the log.
 *  Errors: WEIR_E_NOMEM, WEIR_E_TOOBIG (every producer has a transaction open).
 */
WEIR_MUST_CHECK enum weir_status
wr_producers_apply(struct wr_producers *producers,
                   const struct wr_batch *batch);
/** Whether a marker may be written. Errors: 47, 52. */
enum wr_kafka_error
wr_producers_check_marker(const struct wr_producers *producers,
                          const struct wr_marker *marker,
                          struct weir_error *err);
/** Whether a marker at `offset` will end a transaction by abort: *out is then
 * its entry for the .txnindex. Changes nothing. */
bool wr_producers_abort_entry(const struct wr_producers *producers,
                              const struct wr_marker *marker, int64_t offset,
                              struct wr_abort_entry *out);
/** Takes in a marker that stands at `offset`. Errors: as wr_producers_apply. */
WEIR_MUST_CHECK enum weir_status
wr_producers_apply_marker(struct wr_producers *producers,
                          const struct wr_marker *marker, int64_t offset);

/** Transactions whose marker lies below the high watermark no longer hold back.
 */
void wr_producers_advance(struct wr_producers *producers,
                          int64_t high_watermark);
/** min(first offset of what is left, high_watermark). */
int64_t wr_producers_stable(const struct wr_producers *producers,
                            int64_t high_watermark);
/** Forgets producers without a transaction that were not used since now_ms -
 * expire_ms, by this clock: what time their records carry says nothing. Those
 * of a snapshot count as used when it was loaded. */
void wr_producers_expire(struct wr_producers *producers, int64_t now_ms);

/** Adds an older batch of a producer at the front of its window, when it has
 * room and the batch fits before what is there: refills after a snapshot. */
void wr_producers_backfill(struct wr_producers *producers,
                           const struct wr_batch *batch);

/** Appends the snapshot in Kafka's format, with what Kafka does not keep behind
 * it; see out->status. */
void wr_producers_save(const struct wr_producers *producers,
                       struct wr_buf *out);
/** Replaces everything by a snapshot's content: as it was when it was saved,
 * or, where Kafka wrote it, the last batch of each producer. Errors:
 * WEIR_E_CORRUPT (nobody is known then), WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_producers_load(struct wr_producers *producers, struct weir_bytes bytes,
                  struct weir_error *err);

#endif
