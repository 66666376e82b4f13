/* SPDX-License-Identifier: Apache-2.0
 *
 * The insides of a consumer, for kafka_consumer.c (clients, partitions,
 * records) and kafka_member.c (the group and its offsets). */
#ifndef WEIR_RUNTIME_KAFKA_CONSUMER_STATE_H
#define WEIR_RUNTIME_KAFKA_CONSUMER_STATE_H

#include "runtime/kafka_consumer.h"

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

#define WR_BATCH_MAX 4096 /* messages taken from librdkafka at once */

struct wr_place {
    void *tag;             /* NULL: not assigned */
    bool guessed;          /* its beginning was taken to be offset 0 */
    bool paused;           /* by wr_consumer_pause */
    rd_kafka_queue_t *own; /* librdkafka's for the partition, also when it is no
                              longer assigned; see wr_kafka_end_queue */
};

struct wr_consumer_topic {
    rd_kafka_topic_t *rkt;   /* our reference */
    struct wr_place *places; /* by partition */
    int32_t place_count;
};

struct wr_consumer {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    const struct wr_options *options; /* lent */
    struct wr_consumer_events events;
    struct wr_consumer_topic *topics;
    size_t topic_count;
    size_t topic_last;     /* index of the last hit */
    int64_t session_ms;    /* session.timeout.ms */
    int64_t subscribed_ms; /* when; 0: not yet */
    int64_t tell_ms;       /* monotonic: not before, of a topic that is gone */
    char instance_id[600];
    bool assigned;     /* was given partitions, maybe none, at least once */
    bool closing;      /* takes no more */
    bool terminating;  /* librdkafka was told to end the membership */
    bool let_go;       /* since then it was told that nothing is assigned */
    bool answered;     /* the running rebalance was answered with an assign */
    atomic_bool woken; /* do not wait; the queue's own mark is used up by
                          looks that do not wait */
    const rd_kafka_topic_t *damaged; /* a record of it was; one of `topics` */
    int32_t damaged_partition;
    /* refilling; see kafka_consumer.c */
    bool can_nudge;
    size_t queue_limit; /* queued.min.messages */
    size_t bytes_limit; /* queued.max.messages.kbytes */
    size_t taken;       /* messages since the last nudge */
    size_t taken_bytes;
    char username[512];
    char password[512];
    rd_kafka_message_t *batch[WR_BATCH_MAX];
};

/* ---- kafka_member.c ------------------------------------------------------ */

/** librdkafka's rebalance callback. */
void wr_consumer_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                              rd_kafka_topic_partition_list_t *list,
                              void *opaque);
/** Whether librdkafka may be told of assigned partitions now; once, while it
 * ends the membership. */
bool wr_consumer_may_assign(struct wr_consumer *consumer);
/** Tells the owner what ended the client for good. */
void wr_consumer_tell_fatal(struct wr_consumer *consumer);
/** Ends the membership; a dynamic member leaves the group by it. Waits up to
 *  10 s. False: the client must not be destroyed. */
bool wr_consumer_close(struct wr_consumer *consumer);

#endif
