/* SPDX-License-Identifier: Apache-2.0
 *
 * The door through which records leave: one librdkafka producer a thread, the
 * collector of all its tasks. With a transactional id everything sent between
 * two commits is one transaction, begun by the first record. It also remembers,
 * for each changelog slot, the offset of the last record that the broker has
 * acknowledged. Thread: the owner's. */
#ifndef WEIR_RUNTIME_KAFKA_PRODUCER_H
#define WEIR_RUNTIME_KAFKA_PRODUCER_H

#include "runtime/config.h"
#include "runtime/kafka_consumer.h"
#include "runtime/task.h"

struct wr_producer;

/** Partition count of a topic as the application found it at its start, or -1.
 */
typedef int32_t (*wr_partition_count_fn)(void *user, const char *topic);

struct wr_producer_spec {
    const struct wr_options *options;
    const char *client_id;
    const char *transactional_id; /* NULL: idempotent, without transactions */
    struct wr_metric *dropped;    /* records left out; NULL: not counted */
    wr_partition_count_fn partition_count;
    void *user;
};

/** *out is given: wr_producer_free. Errors: WEIR_E_CONFIG, WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_producer_new(const struct wr_producer_spec *spec, struct wr_producer **out,
                struct weir_error *err);
/** What was not sent yet is dropped: flush or commit before. NULL is fine. */
void wr_producer_free(struct wr_producer *producer);
/** Registers the transactional id, which ends its predecessor's transaction.
 *  Errors: WEIR_E_TIMEOUT and WEIR_E_UNREACHABLE (call again), WEIR_E_KAFKA. */
WEIR_MUST_CHECK enum weir_status wr_producer_init(struct wr_producer *producer,
                                                  int timeout_ms,
                                                  struct weir_error *err);
/** The collector, lent for the producer's life. */
struct wr_collector *wr_producer_collector(struct wr_producer *producer);
/** Room for changelog slots 0..count-1. Errors: WEIR_E_NOMEM; WEIR_E_TOOBIG:
 *  16,777,215 and more. */
WEIR_MUST_CHECK enum weir_status wr_producer_slots(struct wr_producer *producer,
                                                   size_t count);
/** Last acknowledged offset by slot since wr_producer_slots_clear, -1: none.
 * Lent until wr_producer_slots. */
const int64_t *wr_producer_slot_offsets(const struct wr_producer *producer);
void wr_producer_slots_clear(struct wr_producer *producer, size_t from,
                             size_t count);
/** Serves delivery reports. Errors: the first failed delivery since the last
 *  wr_producer_abort, of records outside a transaction (inside one the commit
 *  fails): WEIR_E_ABORT_TXN when doing it again may help. */
WEIR_MUST_CHECK enum weir_status wr_producer_poll(struct wr_producer *producer,
                                                  struct weir_error *err);
/** Waits until everything sent is acknowledged. Errors: WEIR_E_TIMEOUT, and as
 *  wr_producer_poll. */
WEIR_MUST_CHECK enum weir_status wr_producer_flush(struct wr_producer *producer,
                                                   int timeout_ms,
                                                   struct weir_error *err);

/** Whether a transaction has begun. */
bool wr_producer_in_transaction(const struct wr_producer *producer);
/** Adds offsets to the transaction, beginning one where there is none. Errors:
 *  WEIR_E_TIMEOUT (call again), WEIR_E_ABORT_TXN, WEIR_E_FENCED, WEIR_E_KAFKA.
 */
WEIR_MUST_CHECK enum weir_status wr_producer_send_offsets(
    struct wr_producer *producer, const struct wr_partition *partitions,
    size_t count, const struct rd_kafka_consumer_group_metadata_s *membership,
    struct weir_error *err);
/** Commits; waits for all records first. Errors: as wr_producer_send_offsets.
 */
WEIR_MUST_CHECK enum weir_status
wr_producer_commit(struct wr_producer *producer, struct weir_error *err);
/** Gives up what was sent since the last commit: aborts the transaction, where
 *  there is one, and forgets failed deliveries, those told later included.
 *  Nothing to abort is fine. Errors: WEIR_E_TIMEOUT (call again),
 *  WEIR_E_FENCED. */
WEIR_MUST_CHECK enum weir_status wr_producer_abort(struct wr_producer *producer,
                                                   struct weir_error *err);

#endif
