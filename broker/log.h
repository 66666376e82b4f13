/* SPDX-License-Identifier: Apache-2.0
 *
 * One partition's log: appended batches get offsets, order and, in time,
 * durability; readers see what can no longer vanish.
 *
 *   log start <= ... <= last stable <= high watermark <= log end
 *
 * log start       first offset that may be read (retention and DeleteRecords)
 * high watermark  one after the last durable offset; what lies above it is not
 *                 shown to anybody and may be lost in a power cut
 * last stable     one after the last offset that no open transaction touches
 * log end         the offset that the next record gets
 *
 * A log belongs to a wr_logs (broker/logs.h), which syncs all of its logs at
 * once. An append is acknowledged when wr_logs_when_durable says so.
 * Thread: the broker's loop, for everything. */
#ifndef WEIR_BROKER_LOG_H
#define WEIR_BROKER_LOG_H

#include "base/arena.h"
#include "broker/batch.h"
#include "broker/errors.h"

#define WR_TOPIC_ID_BYTES 16

struct wr_log; /* owned by its wr_logs */

/** What a topic's configuration means to its logs. */
struct wr_log_config {
    int32_t segment_bytes;     /* roll beyond this size */
    int64_t segment_ms;        /* roll when the first record is this old */
    int64_t retention_ms;      /* drop segments older than this; -1: never */
    int64_t retention_bytes;   /* drop beyond this size; -1: never */
    bool cleanup_delete;       /* cleanup.policy has delete: the two above */
    bool cleanup_compact;      /* cleanup.policy has compact: keys required */
    int32_t message_bytes_max; /* of a batch as sent */
    int32_t index_interval_bytes; /* an index entry each so many bytes */
    bool log_append_time;         /* message.timestamp.type=LogAppendTime */
    int64_t timestamp_before_ms;  /* message.timestamp.before.max.ms */
    int64_t timestamp_after_ms;   /* message.timestamp.after.max.ms */
};
/** Kafka 4's defaults. */
struct wr_log_config wr_log_config_default(void);

/* ---- where it stands ----------------------------------------------------- */

/** Topic name, NUL-terminated, lent for the log's life. */
const char *wr_log_topic(const struct wr_log *log);
int32_t wr_log_partition(const struct wr_log *log);
/** WR_TOPIC_ID_BYTES, lent for the log's life. */
const uint8_t *wr_log_topic_id(const struct wr_log *log);
int64_t wr_log_start_offset(const struct wr_log *log);
int64_t wr_log_high_watermark(const struct wr_log *log);
int64_t wr_log_last_stable_offset(const struct wr_log *log);
int64_t wr_log_end_offset(const struct wr_log *log);
int32_t wr_log_leader_epoch(const struct wr_log *log);
/** Bytes in all segments. */
int64_t wr_log_size(const struct wr_log *log);
/** NULL, or why the partition is offline: every append and read then answers
 *  WR_ERR_KAFKA_STORAGE_ERROR. Lent for the log's life. */
const char *wr_log_offline(const struct wr_log *log);
const struct wr_log_config *wr_log_config(const struct wr_log *log);
/** Replaces the configuration (copied); the next append obeys it. */
void wr_log_set_config(struct wr_log *log, const struct wr_log_config *config);
/** For OffsetForLeaderEpoch: the largest epoch <= `epoch` and where it ends.
 *  Unknown: *out_epoch = -1, *out_end = -1. */
void wr_log_epoch_end(const struct wr_log *log, int32_t epoch,
                      int32_t *out_epoch, int64_t *out_end);

/* ---- append -------------------------------------------------------------- */

enum wr_log_origin {
    WR_LOG_CLIENT,     /* all of a client's batch is checked */
    WR_LOG_COORDINATOR /* a batch of our own making: internal topics */
};

struct wr_log_append {
    enum wr_log_origin origin;
    bool zstd_allowed;              /* Produce v7+; true for our own */
    int64_t now_ms;                 /* wall clock */
    struct wr_batch_faults *faults; /* a client's bad records; may be NULL */
};

struct wr_log_appended {
    int64_t base_offset;    /* of the first record */
    int64_t last_offset;    /* of the last record */
    int64_t append_time_ms; /* log-append time, or -1 for the record's own */
    bool duplicate; /* it was there already; the offsets are the old ones */
};

/** Appends exactly one batch (lent; copied). Nothing is durable, and nothing
 * can be read, before the next sync: acknowledge by wr_logs_when_durable,
 * duplicates too. On an error the log is as before. Errors: Kafka's codes, with
 * a sentence in err (may be NULL): what the batch breaks (2, 10, 18, 32, 43,
 * 76, 87), sequences (45, 47, 48), WR_ERR_KAFKA_STORAGE_ERROR (offline, no
 * space, read-only after a failed sync).
 */
enum wr_kafka_error wr_log_append(struct wr_log *log, struct weir_bytes batch,
                                  const struct wr_log_append *how,
                                  struct wr_log_appended *out,
                                  struct weir_error *err);

/** Ends the producer's transaction in this partition; also where it wrote
 * nothing. Errors: WR_ERR_INVALID_PRODUCER_EPOCH (older than the producer's),
 *  WR_ERR_TRANSACTION_COORDINATOR_FENCED, WR_ERR_KAFKA_STORAGE_ERROR. */
enum wr_kafka_error wr_log_append_marker(struct wr_log *log,
                                         const struct wr_marker *marker,
                                         struct wr_log_appended *out,
                                         struct weir_error *err);

/* ---- read ---------------------------------------------------------------- */

enum wr_isolation {
    WR_READ_UNCOMMITTED, /* up to the high watermark */
    WR_READ_COMMITTED,   /* up to the last stable offset */
    WR_READ_LOG_END      /* our own: replay of internal topics at start */
};

struct wr_log_read {
    int64_t offset;   /* where to begin */
    size_t bytes_max; /* of batches to copy */
    bool min_one;     /* the first batch comes whole even if larger */
    enum wr_isolation isolation; /* how far */
};

/** Appends whole batches to out, from the one that holds `offset` or follows
 * it: its first records may be older. Nothing is appended where nothing can be
 * read yet. Reads the tail from memory and the rest by pread. Errors:
 * WR_ERR_OFFSET_OUT_OF_RANGE (below log start, above log end),
 *  WR_ERR_KAFKA_STORAGE_ERROR (err names file and position),
 *  WR_ERR_UNKNOWN_SERVER_ERROR when out is full. */
enum wr_kafka_error wr_log_read(struct wr_log *log,
                                const struct wr_log_read *how,
                                struct wr_buf *out, struct weir_error *err);

/** Bytes that wr_log_read could give from `offset`, at most bytes_max and
 * roughly: for min_bytes of a fetch. No I/O. */
size_t wr_log_readable(const struct wr_log *log, int64_t offset,
                       enum wr_isolation isolation, size_t bytes_max);

struct wr_aborted {
    int64_t producer_id;
    int64_t first_offset; /* of the transaction, in this partition */
};
struct wr_aborted_list {
    struct wr_aborted *items; /* by first offset */
    size_t count;
};
/** The aborted transactions that overlap [from, to), by first offset. *out lies
 * in the arena. Errors: WEIR_E_IO, WEIR_E_CORRUPT, WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status wr_log_aborted(struct wr_log *log,
                                                int64_t from, int64_t to,
                                                struct wr_arena *arena,
                                                struct wr_aborted_list *out,
                                                struct weir_error *err);

struct wr_log_time {
    int64_t offset;       /* -1: no such record */
    int64_t timestamp_ms; /* of that record; -1: none */
    int32_t leader_epoch; /* of its batch; -1: none */
};
/** The first record below the isolation's end with timestamp >= timestamp_ms.
 *  Errors: WR_ERR_KAFKA_STORAGE_ERROR. */
enum wr_kafka_error wr_log_find_time(struct wr_log *log, int64_t timestamp_ms,
                                     enum wr_isolation isolation,
                                     struct wr_log_time *out,
                                     struct weir_error *err);
/** The record with the largest timestamp, the first of equals (ListOffsets -3).
 */
enum wr_kafka_error wr_log_find_max_time(struct wr_log *log,
                                         struct wr_log_time *out,
                                         struct weir_error *err);

/* ---- other verbs --------------------------------------------------------- */

/** DeleteRecords: raises log start to `offset` (-1: the high watermark).
 *  *out_low is the new log start.
 *  Errors: WR_ERR_OFFSET_OUT_OF_RANGE, WR_ERR_POLICY_VIOLATION (compact only),
 *  WR_ERR_KAFKA_STORAGE_ERROR. */
enum wr_kafka_error wr_log_delete_records(struct wr_log *log, int64_t offset,
                                          int64_t *out_low,
                                          struct weir_error *err);

/** What a log knows of a producer (DescribeProducers; transactions at start).
 */
struct wr_log_producer {
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t last_sequence;     /* -1: none */
    int64_t last_timestamp_ms; /* of its last batch */
    int32_t coordinator_epoch; /* -1: no marker yet */
    int64_t txn_first_offset;  /* of the open transaction; -1: none */
};
/** Walks over the producers: start with *cursor = 0; false at the end. The log
 * may not be appended to meanwhile. */
bool wr_log_producer_next(const struct wr_log *log, size_t *cursor,
                          struct wr_log_producer *out);
/** Whether the producer has an open transaction here; *out (may be NULL). */
bool wr_log_producer_get(const struct wr_log *log, int64_t producer_id,
                         struct wr_log_producer *out);

/** Someone who waits for a log to move: a parked fetch. Embedded in the
 * waiter's own object; `fn` is called on the loop, out of wr_logs_poll or
 * wr_logs_delete, whenever the high watermark or the last stable offset moved,
 * and once more with `gone` when the log goes away. It may unwatch itself and
 * others. */
struct wr_log_watch {
    void (*fn)(struct wr_log_watch *watch, bool gone); /* set by the owner */
    struct wr_log *log;                                /* set by wr_log_watch */
    struct wr_log_watch *next;                         /* private */
    struct wr_log_watch *prev;                         /* private */
};
void wr_log_watch_add(struct wr_log *log, struct wr_log_watch *watch);
/** Fine on one that watches nothing (log == NULL). */
void wr_log_watch_remove(struct wr_log_watch *watch);

#endif
