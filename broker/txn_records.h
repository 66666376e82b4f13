/* SPDX-License-Identifier: Apache-2.0
 *
 * Transactions as records of __transaction_state: key version 0 is the
 * transactional id, values are written in version 0 and read in 0 and 1; a null
 * value is a tombstone. Thread: broker loop. */
#ifndef WEIR_BROKER_TXN_RECORDS_H
#define WEIR_BROKER_TXN_RECORDS_H

#include "broker/coord_log.h"
#include "broker/txn.h"

/** Adds the transaction as it is. Errors: WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status wr_txn_record_add(struct wr_coord_log *log,
                                                   const struct wr_txn *txn,
                                                   struct wr_arena *arena,
                                                   int64_t wall_ms);
/** Adds the tombstone of a transactional id. */
void wr_txn_record_add_tombstone(struct wr_coord_log *log, struct weir_bytes id,
                                 int64_t wall_ms);
/** The transactional id of a record; lent with it. Errors: WEIR_E_CORRUPT. */
WEIR_MUST_CHECK enum weir_status
wr_txn_record_id(const struct wr_record *record, struct wr_arena *arena,
                 struct weir_bytes *out);
/** Makes the transaction what the record (no tombstone) says.
 *  Errors: WEIR_E_CORRUPT, WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_txn_record_apply(struct wr_txn *txn, const struct wr_record *record,
                    struct wr_arena *arena);

#endif
