/* SPDX-License-Identifier: Apache-2.0
 *
 * What the data folder as a whole knows between two runs: up to where each log
 * is on the disk, where it starts, and which part of the write-ahead log
 * counts. Written twice (`weir.checkpoint`, `weir.checkpoint.copy`), each with
 * a checksum, because a wrong number here would cut or hide good data. Kafka's
 * own checkpoint files are written beside them at a clean shutdown, and read in
 * a folder that Kafka made. Thread: any; the owner's. */
#ifndef WEIR_BROKER_CHECKPOINT_H
#define WEIR_BROKER_CHECKPOINT_H

#include "base/bytes.h"
#include "broker/log.h"
#include "broker/logs.h"

struct wr_checkpoint_log {
    uint8_t topic_id[WR_TOPIC_ID_BYTES];
    int32_t partition;
    int64_t recovery_point; /* everything below is synced in the segments */
    int64_t start_offset;   /* log start */
};

struct wr_checkpoint {
    enum wr_durability durability;  /* of the run that wrote it */
    uint64_t salt;                  /* of the write-ahead log's checksums */
    uint64_t live_from;             /* first round of it that counts */
    struct wr_checkpoint_log *logs; /* owned */
    size_t log_count;
    size_t log_cap;
};

void wr_checkpoint_done(struct wr_checkpoint *checkpoint);
/** Errors: WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_checkpoint_add(struct wr_checkpoint *checkpoint,
                  const struct wr_checkpoint_log *log);
/** NULL when it says nothing of that partition. */
const struct wr_checkpoint_log *
wr_checkpoint_find(const struct wr_checkpoint *checkpoint,
                   const uint8_t *topic_id, int32_t partition);
/** Replaces both files in `dir`; durable on return.
 *  Errors: WEIR_E_IO, WEIR_E_NOSPACE, WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_checkpoint_save(const char *dir, const struct wr_checkpoint *checkpoint,
                   struct weir_error *err);
/** Reads the newer of the two that are whole. Zero-initialise *out.
 *  Errors: WEIR_E_NOTFOUND (neither exists), WEIR_E_CORRUPT (both damaged),
 *  WEIR_E_IO. */
WEIR_MUST_CHECK enum weir_status wr_checkpoint_load(const char *dir,
                                                    struct wr_checkpoint *out,
                                                    struct weir_error *err);

/* ---- Kafka's: `0`, count, then `topic partition offset` lines ---------------
 */

struct wr_kafka_checkpoint {
    struct wr_buf text; /* of the file, lines only while it is being made */
    size_t count;       /* lines */
};
void wr_kafka_checkpoint_init(struct wr_kafka_checkpoint *checkpoint);
void wr_kafka_checkpoint_done(struct wr_kafka_checkpoint *checkpoint);
void wr_kafka_checkpoint_add(struct wr_kafka_checkpoint *checkpoint,
                             const char *topic, int32_t partition,
                             int64_t offset);
WEIR_MUST_CHECK enum weir_status
wr_kafka_checkpoint_save(struct wr_kafka_checkpoint *checkpoint,
                         const char *path, struct weir_error *err);
/** Errors: WEIR_E_NOTFOUND, WEIR_E_CORRUPT, WEIR_E_IO. */
WEIR_MUST_CHECK enum weir_status
wr_kafka_checkpoint_load(struct wr_kafka_checkpoint *checkpoint,
                         const char *path, struct weir_error *err);
/** The offset of a partition; -1 when there is no such line. */
int64_t wr_kafka_checkpoint_find(const struct wr_kafka_checkpoint *checkpoint,
                                 const char *topic, int32_t partition);

#endif
