/* SPDX-License-Identifier: Apache-2.0
 *
 * Stores catch up with their changelogs: a consumer of its own replays them in
 * batches, while the thread goes on with the tasks that are ready. Thread: the
 * owner's. */
#ifndef WEIR_RUNTIME_RESTORE_H
#define WEIR_RUNTIME_RESTORE_H

#include "runtime/kafka_consumer.h"
#include "stores/store.h"

struct wr_restore;

/** One store that is catching up; memory of the task's. */
struct wr_restore_entry {
    struct wr_task_state *state;
    int store;         /* index in state */
    const char *topic; /* changelog */
    int32_t partition;
    int64_t from;     /* where the replay began */
    int64_t position; /* next offset to apply */
    int64_t end;      /* of the changelog as known; -1: unknown */
    bool done;
};

/** A consumer of its own for changelogs, without a group. *out is given:
 *  wr_restore_free(). Errors: WEIR_E_CONFIG, WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_restore_new(const struct wr_options *options, const char *client_id,
               struct wr_restore **out, struct weir_error *err);
/** Entries that are not done are forgotten. NULL is fine. */
void wr_restore_free(struct wr_restore *restore);
/** Begins to replay; fill state, store, topic and partition. The entry must
 * live until it is done or dropped. */
WEIR_MUST_CHECK enum weir_status wr_restore_add(struct wr_restore *restore,
                                                struct wr_restore_entry *entry,
                                                struct weir_error *err);
/** Stops replaying into an entry. */
void wr_restore_drop(struct wr_restore *restore,
                     struct wr_restore_entry *entry);
/** Replays one batch, waiting up to wait_ms for it. *out_records counts.
 * Errors: those of the stores, and of brokers that refuse. */
WEIR_MUST_CHECK enum weir_status wr_restore_step(struct wr_restore *restore,
                                                 int wait_ms,
                                                 size_t *out_records,
                                                 struct weir_error *err);

#endif
