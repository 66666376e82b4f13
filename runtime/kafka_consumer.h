/* SPDX-License-Identifier: Apache-2.0
 *
 * The door through which records come in: a librdkafka consumer whose
 * partitions are assigned one by one, and which may be a member of a group for
 * the sake of one topic (the anchor, placement.h). What arrives is handed to
 * callbacks, from inside wr_consumer_poll() only. Thread: the owner's, but for
 * wr_consumer_wake().
 */
#ifndef WEIR_RUNTIME_KAFKA_CONSUMER_H
#define WEIR_RUNTIME_KAFKA_CONSUMER_H

#include "runtime/config.h"
#include "runtime/task.h"

#define WR_OFFSET_END   (-1)    /* behind the last record */
#define WR_OFFSET_BEGIN (-2)    /* the oldest record there is */
#define WR_OFFSET_NONE  (-1001) /* nothing was committed */

struct wr_consumer;
struct rd_kafka_consumer_group_metadata_s;

/** A partition that is assigned, committed or asked for. Lent for the call. */
struct wr_partition {
    const char *topic;
    int32_t partition;
    int64_t offset;       /* meaning by call */
    const char *metadata; /* committed with the offset; may be NULL */
    void *tag;            /* comes back with its records */
};

/** The same as librdkafka has it, with offsets and metadata. Given:
 *  rd_kafka_topic_partition_list_destroy(). */
struct rd_kafka_topic_partition_list_s *
wr_partition_list(const struct wr_partition *partitions, size_t count);

/** What a poll may tell. All run on the polling thread. */
struct wr_consumer_events {
    /** The group gave us partitions of the subscribed topic. Must answer with
     *  wr_consumer_assign of what is to be read for them. */
    void (*given)(void *user, const int32_t *partitions, size_t count);
    /** They go to another member once this returns: commit, then
     *  wr_consumer_unassign. lost: they are another's already. */
    void (*revoked)(void *user, const int32_t *partitions, size_t count,
                    bool lost);
    /** A record of an assigned partition. The owner inside is taken: give it
     *  back with wr_consumer_release. */
    void (*record)(void *user, void *tag, const struct wr_input *in);
    /** Everything up to `offset`, the next one to come, was delivered. */
    void (*end)(void *user, void *tag, int64_t offset);
    /** The position of a partition does not exist (any more). */
    void (*out_of_range)(void *user, void *tag);
    /** Something else went wrong; tag may be NULL. */
    void (*problem)(void *user, void *tag, const struct weir_error *err);
    void *user;
};

struct wr_consumer_spec {
    enum wr_client_kind kind; /* WR_CLIENT_CONSUMER or WR_CLIENT_RESTORE */
    const struct wr_options *options;
    const char *client_id;
    const char *instance_id; /* static membership; NULL: none */
    struct wr_consumer_events events;
};

/** Makes a client; contacts nobody before it has something to do. *out is
 * given. Errors: WEIR_E_CONFIG, WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_consumer_new(const struct wr_consumer_spec *, struct wr_consumer **out,
                struct weir_error *err);
/** Leaves the group, unless as a static member (revoked may run), and frees.
 *  NULL is fine. */
void wr_consumer_free(struct wr_consumer *consumer);
/** Joins the group for `topic`; given and revoked follow from polls. */
WEIR_MUST_CHECK enum weir_status wr_consumer_subscribe(struct wr_consumer *,
                                                       const char *topic,
                                                       struct weir_error *err);
/** Leaves the group even as a static member, which only closing does not;
 *  revoked runs inside, and the consumer is good for nothing but freeing after.
 *  To be called while the group is stable: in the middle of a rebalance
 *  librdkafka does not leave. Waits up to 3 s. Returns whether it has left. */
bool wr_consumer_leave(struct wr_consumer *consumer);
/** Waits up to wait_ms for the first event, takes at most max records.
 * *out_count gets the number of records handed over. */
void wr_consumer_poll(struct wr_consumer *consumer, int wait_ms, size_t max,
                      size_t *out_count);
/** Makes a waiting poll return. Thread: any. */
void wr_consumer_wake(struct wr_consumer *consumer);
/** Gives a record back. `user` is not used. Thread: any. */
void wr_consumer_release(void *user, void *owner);

/** Starts reading at .offset; records carry .tag. */
WEIR_MUST_CHECK enum weir_status
wr_consumer_assign(struct wr_consumer *consumer,
                   const struct wr_partition *partitions, size_t count,
                   struct weir_error *err);
/** Stops reading; not yet delivered records are dropped, and a pause ends. */
void wr_consumer_unassign(struct wr_consumer *consumer,
                          const struct wr_partition *partitions, size_t count);
/** Continues at .offset; what was fetched before is not delivered any more. */
WEIR_MUST_CHECK enum weir_status
wr_consumer_seek(struct wr_consumer *consumer,
                 const struct wr_partition *partitions, size_t count,
                 struct weir_error *err);
/** Stops or resumes the delivery of a partition; its position stays. */
void wr_consumer_pause(struct wr_consumer *consumer, const char *topic,
                       int32_t partition, bool pause);
/** Sets each .offset to what the group has committed, or WR_OFFSET_NONE, and
 *  .metadata to a text that is given: free(), may be NULL. With exactly-once
 *  it waits for open transactions over these offsets.
 *  Errors: WEIR_E_TIMEOUT, WEIR_E_UNREACHABLE, WEIR_E_KAFKA. */
WEIR_MUST_CHECK enum weir_status
wr_consumer_committed(struct wr_consumer *consumer,
                      struct wr_partition *partitions, size_t count,
                      int timeout_ms, struct weir_error *err);
/** Commits each .offset and .metadata and waits. Errors: WEIR_E_FENCED when the
 *  group has gone on without us, and as wr_consumer_committed. */
WEIR_MUST_CHECK enum weir_status
wr_consumer_commit(struct wr_consumer *consumer,
                   const struct wr_partition *partitions, size_t count,
                   struct weir_error *err);
/** The end of a partition as the last fetch saw it (uncommitted records
 *  included), -1 before the first. */
int64_t wr_consumer_end_offset(struct wr_consumer *consumer, const char *topic,
                               int32_t partition);
/** Proof of membership for a transaction; free with
 *  wr_consumer_membership_free. NULL when not in a group. */
struct rd_kafka_consumer_group_metadata_s *
wr_consumer_membership(struct wr_consumer *consumer);
void wr_consumer_membership_free(
    struct rd_kafka_consumer_group_metadata_s *membership);

#endif
