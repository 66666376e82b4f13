/* SPDX-License-Identifier: Apache-2.0
 *
 * The coordinator of all transactions and the giver of producer ids. Its state
 * is what the partitions of __transaction_state say; it is read back at start.
 * The handlers of handle_txn.c stand before it. Thread: broker loop. */
#ifndef WEIR_BROKER_TXNS_H
#define WEIR_BROKER_TXNS_H

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

/** Whether the producer may write transactional batches to the partition now:
 *  0, or INVALID_TXN_STATE, INVALID_PRODUCER_EPOCH, INVALID_PRODUCER_ID_MAPPING
 *  for Produce to answer. Late writes after EndTxn end here. */
int16_t wr_txns_check_produce(const struct wr_txns *txns,
                              struct weir_bytes transactional_id,
                              const struct wr_txn_writer *writer);

#endif
