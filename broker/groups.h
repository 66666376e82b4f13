/* SPDX-License-Identifier: Apache-2.0
 *
 * The coordinator of all groups and their offsets. Its state is what the
 * partitions of __consumer_offsets say; it is read back at start. The handlers
 * of handle_group.c and handle_offsets.c stand before it.
 * Thread: broker loop. */
#ifndef WEIR_BROKER_GROUPS_H
#define WEIR_BROKER_GROUPS_H

#include "broker/group.h"
#include "broker/log.h"
#include "broker/logs.h"
#include "broker/offsets.h"

struct wr_broker;
struct wr_groups;

/** A group and what it committed. */
struct wr_group_entry {
    struct wr_group *group;    /* owned */
    struct wr_offsets offsets; /* owned */
    int32_t partition;         /* of __consumer_offsets that keeps it; or -1 */
    int64_t empty_since_ms;    /* wall clock; while the group is Empty */
};

/** Replays __consumer_offsets, if there is one; transactions that are open at
 *  its end stay pending. Sessions of restored members run from now.
 *  Errors: WEIR_E_NOMEM, WEIR_E_IO. A record that cannot be read is logged and
 *  skipped. */
WEIR_MUST_CHECK enum weir_status wr_groups_open(struct wr_broker *broker,
                                                struct wr_groups **out,
                                                struct weir_error *err);
/** NULL is fine. Parked requests are forgotten: the listener has closed. */
void wr_groups_close(struct wr_groups *groups);

/** The group, or NULL. */
struct wr_group_entry *wr_groups_find(const struct wr_groups *groups,
                                      struct weir_bytes id);
/** The group, made when missing. Errors: WEIR_E_NOMEM, WEIR_E_TOOBIG (too many
 *  groups). */
WEIR_MUST_CHECK enum weir_status wr_groups_make(struct wr_groups *groups,
                                                struct weir_bytes id,
                                                struct wr_group_entry **out);
/** Groups in no order; cursor from 0; false at the end. */
bool wr_groups_next(const struct wr_groups *groups, size_t *cursor,
                    struct wr_group_entry **out);
/** After a step of the group: plans its next tick, and drops it
 *  when nothing of it is left. */
void wr_groups_stepped(struct wr_groups *groups, struct wr_group_entry *entry);

/** The partition of __consumer_offsets that keeps a group; the topic is made
 *  when missing. 0 or Kafka's error code. */
int16_t wr_groups_partition_of(struct wr_groups *groups, struct weir_bytes id,
                               int32_t *out_partition);
/** Before a step of a group. */
void wr_groups_begin_step(struct wr_groups *groups);
/** Whether the step has written something, so that answers wait for the disk.
 */
bool wr_groups_has_written(const struct wr_groups *groups);

/** One position to be stored. */
struct wr_offset_commit {
    const struct wr_offset *offsets; /* lent for the call */
    size_t count;                    /* of offsets, > 0 */
    int64_t producer_id;             /* -1: not in a transaction */
    int16_t producer_epoch;          /* with producer_id */
};
/** Appends the positions to the log and keeps them: at once, or until the end
 *  of the producer's transaction. Durable with the next sync. 0 or Kafka's
 * error code, then nothing has changed. */
int16_t wr_groups_commit(struct wr_groups *groups, struct wr_group_entry *entry,
                         const struct wr_offset_commit *commit);
/** Forgets one position, also of open transactions; written as a tombstone. 0
 * or Kafka's error code. */
int16_t wr_groups_forget_offset(struct wr_groups *groups,
                                struct wr_group_entry *entry,
                                struct weir_bytes topic, int32_t partition);
/** Deletes an empty group with its positions, also those of open transactions.
 * 0 or Kafka's error code. */
int16_t wr_groups_delete(struct wr_groups *groups,
                         struct wr_group_entry *entry);

/** Forgets the positions that nobody has used for offsets.retention.minutes,
 * and empty groups that are left without any. wall_ms: wall clock. The broker
 * does it every ten minutes. */
void wr_groups_expire(struct wr_groups *groups, int64_t wall_ms);

/** A marker of the producer was appended to that partition of
 *  __consumer_offsets: its pending positions become the groups' or go away. */
void wr_groups_end_txn(struct wr_groups *groups, int32_t partition,
                       int64_t producer_id, bool commit);

/* The sink's replies, in handle_group.c; the context is the wr_groups. */
void wr_groups_send_join(void *context, struct wr_group *group, void *waiter,
                         const struct wr_group_join_reply *reply);
void wr_groups_send_sync(void *context, struct wr_group *group, void *waiter,
                         const struct wr_group_sync_reply *reply);

#endif
