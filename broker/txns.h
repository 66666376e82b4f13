/* SPDX-License-Identifier: Apache-2.0
 *
 * The coordinator of all transactions and the giver of producer ids. Its state
 * is what the partitions of __transaction_state say; it is read back at start.
 * The handlers of handle_txn.c stand before it. Thread: broker loop. */
#ifndef WEIR_BROKER_TXNS_H
#define WEIR_BROKER_TXNS_H

#include "broker/log.h"
#include "broker/txn.h"

struct wr_broker;
struct wr_txns;

/** Replays __transaction_state, if there is one; completes what was decided
 *  (Prepare) before the stop and ends what no coordinator knows of. Opened
 * after the groups, since offsets may be among it. Errors: WEIR_E_NOMEM,
 * WEIR_E_IO. */
WEIR_MUST_CHECK enum weir_status wr_txns_open(struct wr_broker *broker,
                                              struct wr_txns **out,
                                              struct weir_error *err);
/** NULL is fine. */
void wr_txns_close(struct wr_txns *txns);

/** The transactional id, or NULL. */
struct wr_txn *wr_txns_find(const struct wr_txns *txns, struct weir_bytes id);
/** The transactional id, made when missing. Errors: WEIR_E_NOMEM, WEIR_E_TOOBIG
 *  (too many). */
WEIR_MUST_CHECK enum weir_status
wr_txns_make(struct wr_txns *txns, struct weir_bytes id, struct wr_txn **out);
/** All of them in no order; cursor from 0; false at the end. */
bool wr_txns_next(const struct wr_txns *txns, size_t *cursor,
                  struct wr_txn **out);
/** After a step: plans the next tick; forgets an id that never got a producer.
 */
void wr_txns_stepped(struct wr_txns *txns, struct wr_txn *txn);
/** A producer id that nobody has had; -1: the disk says no. */
int64_t wr_txns_fresh_producer_id(struct wr_txns *txns);
/** Appends a marker to a partition, and tells the groups where it is theirs.
 *  0 or Kafka's error code. */
int16_t wr_txns_append_marker(struct wr_txns *txns, struct weir_bytes topic,
                              int32_t partition,
                              const struct wr_marker *marker);

/** Whether the producer may write transactional batches to the partition now:
 *  0, or INVALID_TXN_STATE, INVALID_PRODUCER_EPOCH, INVALID_PRODUCER_ID_MAPPING
 *  for Produce to answer. Late writes after EndTxn end here. */
int16_t wr_txns_check_write(const struct wr_txns *txns,
                            struct weir_bytes transactional_id,
                            const struct wr_txn_writer *writer);

#endif
