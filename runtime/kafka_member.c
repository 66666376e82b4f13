/* SPDX-License-Identifier: Apache-2.0
 *
 * The consumer as a member of its group: joining, what the group gives and
 * takes, leaving, committed offsets.
 *
 * A static member may be fenced by itself: when the coordinator was silent for
 * a session time-out, librdkafka forgets its member id and goes on with
 * heartbeats that have none, which the coordinator takes for a second member of
 * the name. That is no reason to stop; joining anew is. A member that is fenced
 * sooner than that after joining has met a second one. */
#include "base/clock.h"
#include "base/log.h"
#include "runtime/kafka_client.h"
#include "runtime/kafka_consumer_state.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EARLY_END_IS_SAFE  0x02030000
#define GENERATION_WAIT_MS 3000
#define CLOSE_TIMEOUT_MS   5000
#define LEAVE_TIMEOUT_MS   3000

/* What ends the client for good; see the top of this file. */
void wr_consumer_tell_fatal(struct wr_consumer *consumer)
{
    struct weir_error err;
    char text[512] = "";
    rd_kafka_resp_err_t code =
        rd_kafka_fatal_error(consumer->rk, text, sizeof(text));
    (void)wr_kafka_fail(&err, consumer->options, (int)code, text, "consumer");
    if (code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID &&
        wr_mono_ms() - consumer->subscribed_ms > consumer->session_ms) {
        (void)weir_fail(&err, WEIR_E_FENCED,
                        "the group was not heard of for session.timeout.ms=%lld"
                        " and took this member for another one of its name",
                        (long long)consumer->session_ms);
    } else if (code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) {
        (void)weir_fail(&err, WEIR_E_EXISTS,
                        "another process joined group '%s' as "
                        "group.instance.id '%s'; give each process its own, or "
                        "stop the other one",
                        wr_options_text(consumer->options, "application.id"),
                        consumer->instance_id);
    }
    consumer->events.problem(consumer->events.user, NULL, &err);
}

static bool is_member(struct wr_consumer *consumer)
{
    char *id = rd_kafka_memberid(consumer->rk);
    bool is = id && *id;
    rd_kafka_mem_free(consumer->rk, id);
    return is;
}

/* Runs the callbacks that are due; what else comes is dropped. */
static void serve(struct wr_consumer *consumer)
{
    if (rd_kafka_consume_batch_queue(consumer->queue, 10, consumer->batch, 1) >
        0) {
        rd_kafka_message_destroy(consumer->batch[0]);
    }
}

/* Before 2.3, a client that is destroyed when its JoinGroup was answered and it
 * was not assigned anything yet aborts the process (librdkafka 4381). That
 * answer, and nothing else, names the protocol of the group; a member id may be
 * lost again on the way. */
static bool is_half_joined(struct wr_consumer *consumer)
{
    if (consumer->subscribed_ms == 0 || consumer->assigned ||
        rd_kafka_version() >= EARLY_END_IS_SAFE) {
        return false;
    }
    const char *protocol = rd_kafka_rebalance_protocol(consumer->rk);
    return protocol && strcmp(protocol, "NONE") != 0;
}

/* While librdkafka ends the membership it takes whatever it is told of assigned
 * partitions for "none", and then gives up the queue it is told by. An answer
 * that comes at that moment is thrown away, and who gave it waits for ever: an
 * assignment that was on its way when the closing began, and the revocation
 * that follows, are two events. One answer is enough. */
bool wr_consumer_may_assign(struct wr_consumer *consumer)
{
    bool may = !consumer->let_go;
    consumer->let_go = consumer->terminating;
    return may;
}

/* librdkafka's blocking close gives up half-way when the queue is woken, which
 * wr_consumer_wake may do at any moment; so the closing is served here. */
static void close_group(struct wr_consumer *consumer)
{
    int64_t until = wr_mono_ms() + CLOSE_TIMEOUT_MS;
    consumer->terminating = true;
    rd_kafka_error_t *error =
        rd_kafka_consumer_close_queue(consumer->rk, consumer->queue);
    bool closes = error == NULL;
    if (error) {
        wr_log(WR_DEBUG, "kafka", "consumer-close", "reason=\"%s\"",
               rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    }
    while (closes && !rd_kafka_consumer_closed(consumer->rk) &&
           wr_mono_ms() < until) {
        serve(consumer);
    }
}

bool wr_consumer_close(struct wr_consumer *consumer)
{
    int64_t until = wr_mono_ms() + CLOSE_TIMEOUT_MS;
    consumer->closing = true;
    while (is_half_joined(consumer) && wr_mono_ms() < until) {
        serve(consumer);
    }
    /* asked now: a closed consumer does not answer it any more */
    bool half = is_half_joined(consumer);
    close_group(consumer);
    return !half || consumer->assigned;
}

bool wr_consumer_leave(struct wr_consumer *consumer)
{
    int64_t until = wr_mono_ms() + LEAVE_TIMEOUT_MS;
    (void)rd_kafka_unsubscribe(consumer->rk);
    bool left = false;
    while (!left && wr_mono_ms() < until) {
        serve(consumer);
        left = !is_member(consumer);
    }
    return left;
}

/* ---- the group ---------------------------------------------------------- */

enum weir_status wr_consumer_subscribe(struct wr_consumer *consumer,
                                       const char *topic,
                                       struct weir_error *err)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(consumer->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return wr_kafka_fail(err, consumer->options, (int)code, NULL,
                             "joining the group");
    }
    consumer->subscribed_ms = wr_mono_ms();
    return WEIR_OK;
}

/* Tells the owner, and makes sure that librdkafka gets the answer it waits for,
 * even for partitions with nothing to read. */
void wr_consumer_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                              rd_kafka_topic_partition_list_t *list,
                              void *opaque)
{
    struct wr_consumer *consumer = opaque;
    const struct wr_consumer_events *events = &consumer->events;
    rd_kafka_error_t *error = NULL;
    size_t count = (size_t)list->cnt;
    int32_t *partitions = calloc(count + 1, sizeof(*partitions));
    for (size_t i = 0; partitions && i < count; i++) {
        partitions[i] = list->elems[i].partition;
    }
    rd_kafka_topic_partition_list_t *none =
        rd_kafka_topic_partition_list_new(0);
    consumer->answered = false;
    if (!partitions) {
        wr_log(WR_ERROR, "kafka", "rebalance", "reason=\"out of memory\"");
    }
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        consumer->assigned = true;
        if (partitions && !consumer->closing) {
            events->given(events->user, partitions, count);
        }
        if (!consumer->answered && wr_consumer_may_assign(consumer)) {
            error = rd_kafka_incremental_assign(rk, none);
        }
    } else {
        bool lost = rd_kafka_assignment_lost(rk) ||
                    code != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS;
        if (partitions) {
            events->revoked(events->user, partitions, count, lost);
        }
        if (!consumer->answered && wr_consumer_may_assign(consumer)) {
            error = rd_kafka_incremental_unassign(rk, none);
        }
    }
    if (error) {
        wr_log(WR_DEBUG, "kafka", "rebalance", "reason=\"%s\"",
               rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    }
    rd_kafka_topic_partition_list_destroy(none);
    free(partitions);
    wr_consumer_wake(consumer); /* there is work: a poll does not wait now */
}

struct rd_kafka_consumer_group_metadata_s *
wr_consumer_membership(struct wr_consumer *consumer)
{
    return rd_kafka_consumer_group_metadata(consumer->rk);
}

void wr_consumer_membership_free(rd_kafka_consumer_group_metadata_t *membership)
{
    if (membership) {
        rd_kafka_consumer_group_metadata_destroy(membership);
    }
}

/* ---- committed offsets -------------------------------------------------- */

/* The metadata as a text; librdkafka's has no NUL at its end. */
static char *copy_metadata(const rd_kafka_topic_partition_t *p)
{
    char *text = p->metadata ? malloc(p->metadata_size + 1) : NULL;
    if (text) {
        memcpy(text, p->metadata, p->metadata_size);
        text[p->metadata_size] = '\0';
    }
    return text;
}

enum weir_status wr_consumer_committed(struct wr_consumer *consumer,
                                       struct wr_partition *partitions,
                                       size_t count, int timeout_ms,
                                       struct weir_error *err)
{
    rd_kafka_topic_partition_list_t *list =
        wr_partition_list(partitions, count);
    rd_kafka_resp_err_t code =
        rd_kafka_committed(consumer->rk, list, timeout_ms);
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
        code = list->elems[i].err;
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_topic_partition_list_destroy(list);
        return wr_kafka_fail(err, consumer->options, (int)code, NULL,
                             "reading committed offsets");
    }
    for (size_t i = 0; i < count; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        partitions[i].offset = p->offset >= 0 ? p->offset : WR_OFFSET_NONE;
        partitions[i].metadata = copy_metadata(p);
    }
    rd_kafka_topic_partition_list_destroy(list);
    return WEIR_OK;
}

enum weir_status wr_consumer_commit(struct wr_consumer *consumer,
                                    const struct wr_partition *partitions,
                                    size_t count, struct weir_error *err)
{
    const struct timespec pause = {0, 20 * 1000 * 1000};
    int64_t until = wr_mono_ms() + GENERATION_WAIT_MS;
    rd_kafka_topic_partition_list_t *list =
        wr_partition_list(partitions, count);
    rd_kafka_resp_err_t code = rd_kafka_commit(consumer->rk, list, 0);
    /* the group is between two generations; what we read is still ours until
     * revoked says otherwise, and librdkafka is about to learn the next one */
    while ((code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
            code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS) &&
           !rd_kafka_assignment_lost(consumer->rk) && wr_mono_ms() < until) {
        (void)nanosleep(&pause, NULL);
        code = rd_kafka_commit(consumer->rk, list, 0);
    }
    rd_kafka_topic_partition_list_destroy(list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR ||
        code == RD_KAFKA_RESP_ERR__NO_OFFSET) {
        return WEIR_OK;
    }
    return wr_kafka_fail(err, consumer->options, (int)code, NULL,
                         "committing offsets");
}
