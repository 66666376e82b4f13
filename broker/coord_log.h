/* SPDX-License-Identifier: Apache-2.0
 *
 * An internal topic as the log of a coordinator: made at the first need, chosen
 * by the hash of a key as Kafka does, appended to in batches, replayed at
 * start. Thread: broker loop. */
#ifndef WEIR_BROKER_COORD_LOG_H
#define WEIR_BROKER_COORD_LOG_H

#include "broker/log.h"

struct wr_broker;
struct wr_message;

struct wr_coord_log {
    struct wr_broker *broker;        /* lent for life */
    const char *topic;               /* its name, static */
    const char *partitions_option;   /* broker option with their number */
    struct wr_buf scratch;           /* the batch that is being made */
    struct wr_buf record;            /* the key or value that is being made */
    struct wr_batch_builder builder; /* over scratch */
    int32_t record_count;            /* in the batch that is being made */
};

void wr_coord_log_init(struct wr_coord_log *log, struct wr_broker *broker,
                       const char *topic, const char *partitions_option);
void wr_coord_log_done(struct wr_coord_log *log);

/** How many partitions there are; the topic is made when missing. 0 or
 *  COORDINATOR_NOT_AVAILABLE. */
int16_t wr_coord_log_ensure(struct wr_coord_log *log, int32_t *out_partitions);
/** The partition of a key: Java's String.hashCode without its sign, modulo. */
int32_t wr_coord_partition(struct weir_bytes key, int32_t partition_count);

/** Begins a batch; one at a time. */
void wr_coord_batch_begin(struct wr_coord_log *log,
                          const struct wr_batch_options *options);
/** A key or a value: on disk its version as int16, then the message. */
struct wr_coord_part {
    const struct wr_message *message; /* NULL: a tombstone (value only) */
    int16_t version;                  /* of the message */
    const void *body;                 /* its struct */
};
/** Adds a record. */
void wr_coord_batch_add(struct wr_coord_log *log, int64_t timestamp_ms,
                        const struct wr_coord_part *key,
                        const struct wr_coord_part *value);
/** Appends the batch; durable with the next sync. 0 or Kafka's error code. An
 *  empty batch is fine and appends nothing. */
int16_t wr_coord_batch_append(struct wr_coord_log *log, int32_t partition,
                              int64_t *out_base_offset);

/** Reads a key or a value: its version, then the message. Views lie in `bytes`,
 *  arrays in the arena. Errors: as wr_message_decode. */
WEIR_MUST_CHECK enum weir_status
wr_coord_part_read(struct weir_bytes bytes, const struct wr_message *message,
                   void *out, struct wr_arena *arena);

/** What a replay meets, in order. */
struct wr_coord_visitor {
    void *context;
    /** A record; batch tells producer and flags. Its views end with the call.
     *  partition: of the topic. */
    void (*record)(void *context, int32_t partition,
                   const struct wr_batch *batch,
                   const struct wr_record *record);
    /** A transaction's end. */
    void (*marker)(void *context, int32_t partition,
                   const struct wr_marker *marker);
};
/** Reads every partition from its start to its end; no topic is no record. A
 *  partition that is offline is skipped with a line in the log.
 *  Errors: WEIR_E_NOMEM, WEIR_E_CORRUPT. */
WEIR_MUST_CHECK enum weir_status
wr_coord_log_replay(struct wr_coord_log *log,
                    const struct wr_coord_visitor *visitor,
                    struct weir_error *err);

#endif
