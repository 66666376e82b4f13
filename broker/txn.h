/* SPDX-License-Identifier: Apache-2.0
 *
 * One transactional id as a step machine: an event and the time go in; records
 * to persist and markers to write come out through a sink. It reads no clock
 * and no file, so its tests are traces. Transactions of version 1: KIP-890 is
 * not offered, KIP-360 and KIP-588 are. Error codes are Kafka's newest; the
 * handlers translate them for older requests. Thread: broker loop. */
#ifndef WEIR_BROKER_TXN_H
#define WEIR_BROKER_TXN_H

#include "base/bytes.h"

/** As the log writes them. */
enum wr_txn_state {
    WR_TXN_EMPTY = 0,           /* has a producer, nothing open */
    WR_TXN_ONGOING = 1,         /* partitions have been added */
    WR_TXN_PREPARE_COMMIT = 2,  /* decided; markers are being written */
    WR_TXN_PREPARE_ABORT = 3,   /* decided; markers are being written */
    WR_TXN_COMPLETE_COMMIT = 4, /* over */
    WR_TXN_COMPLETE_ABORT = 5,  /* over */
    WR_TXN_DEAD = 6             /* forgotten for its age */
};

#define WR_TXN_PARTITIONS_MAX 20000 /* of one transaction */

struct wr_txn_partition {
    struct weir_bytes topic; /* owned */
    int32_t partition;
};

struct wr_txn;

enum wr_txn_mark {
    WR_TXN_MARKED,    /* the marker is in the log */
    WR_TXN_GONE,      /* there is no such partition any more */
    WR_TXN_MARK_LATER /* not now; to be tried again */
};

/** Where a step's effects go, in order, during the step. Callbacks may read the
 *  transaction but may not step it. */
struct wr_txn_sink {
    void *context; /* handed to each callback */
    /** The transaction as it is now is to be written. On failure the step has
     *  not happened. */
    enum weir_status (*persist)(void *context, const struct wr_txn *txn);
    /** The end of the transaction is to be written to a partition. */
    enum wr_txn_mark (*mark)(void *context, const struct wr_txn *txn,
                             const struct wr_txn_partition *partition,
                             bool commit);
    /** A producer id that nobody has had; -1: not now. */
    int64_t (*fresh_producer_id)(void *context);
};

struct wr_txn {
    struct weir_bytes id;                /* owned; never empty */
    int64_t producer_id;                 /* -1: none yet */
    int64_t last_producer_id;            /* before a change of id; or -1 */
    int16_t epoch;                       /* of producer_id; -1: none yet */
    int16_t last_epoch;                  /* before a bump by its owner; or -1 */
    int32_t timeout_ms;                  /* longest time in Ongoing */
    enum wr_txn_state state;             /* see txn.c */
    struct wr_txn_partition *partitions; /* owned; those without a marker */
    size_t partition_count;              /* of partitions */
    size_t partition_cap;                /* of partitions */
    int64_t start_ms;               /* wall clock of the first add; or -1 */
    int64_t update_ms;              /* wall clock of the last change */
    int64_t retry_ms;               /* Prepare: next try of markers */
    const struct wr_txn_sink *sink; /* lent for life */
};

/** A transactional id that nobody has used. id is copied, sink lent for life.
 *  Errors: WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status wr_txn_new(struct weir_bytes id,
                                            const struct wr_txn_sink *sink,
                                            struct wr_txn **out);
void wr_txn_free(struct wr_txn *txn);

struct wr_txn_init {
    int32_t timeout_ms;  /* checked by the caller */
    int64_t producer_id; /* -1, or what the caller has (KIP-360) */
    int16_t epoch;       /* with producer_id */
};
/** InitProducerId: fences who had the id before, ends its transaction. On 0 the
 *  answer is txn->producer_id and txn->epoch. */
int16_t wr_txn_init_producer(struct wr_txn *txn, const struct wr_txn_init *init,
                             int64_t now_ms);
/** Who a request says it comes from. */
struct wr_txn_caller {
    int64_t producer_id;
    int16_t epoch;
};
/** Takes partitions in (lent for the call); already there is fine. */
int16_t wr_txn_add(struct wr_txn *txn, const struct wr_txn_caller *caller,
                   const struct wr_txn_partition *partitions, size_t count,
                   int64_t now_ms);
/** EndTxn. 0: the decision is written; markers are, or will be. */
int16_t wr_txn_end(struct wr_txn *txn, const struct wr_txn_caller *caller,
                   bool commit, int64_t now_ms);
/** Lets time pass: aborts what is open for too long, writes markers that could
 *  not be written. Also what completes a replayed Prepare. */
void wr_txn_tick(struct wr_txn *txn, int64_t now_ms);
/** When wr_txn_tick has something to do; INT64_MAX: never. Wall clock. */
int64_t wr_txn_deadline(const struct wr_txn *txn);

/** What a Produce wants to write to. */
struct wr_txn_writer {
    int64_t producer_id;
    int16_t epoch;
    struct weir_bytes topic;
    int32_t partition;
};
/** Whether it may: 0, 47, 48 or 49. */
int16_t wr_txn_check_write(const struct wr_txn *txn,
                           const struct wr_txn_writer *writer);
/** Whether the partition is part of the open transaction. */
bool wr_txn_has(const struct wr_txn *txn, struct weir_bytes topic,
                int32_t partition);
/** Appends a partition, for replay. Errors: WEIR_E_NOMEM, WEIR_E_TOOBIG. */
WEIR_MUST_CHECK enum weir_status
wr_txn_put(struct wr_txn *txn, struct weir_bytes topic, int32_t partition);
/** Forgets all partitions, for replay. */
void wr_txn_clear(struct wr_txn *txn);
/** Takes one partition out of the open transaction: its topic is deleted. */
void wr_txn_drop_topic(struct wr_txn *txn, struct weir_bytes topic);
/** Kafka's name: "Ongoing", "PrepareCommit", ... */
const char *wr_txn_state_name(enum wr_txn_state state);

#endif
