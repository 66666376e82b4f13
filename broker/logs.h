/* SPDX-License-Identifier: Apache-2.0
 *
 * All logs of a data folder: found and recovered at start, synced together,
 * kept within their limits.
 *
 * Durability. An append is written to its segment at once, through the page
 * cache, and noted for the next sync. The loop ends each of its ticks with
 * wr_logs_commit, which hands what was noted to the sync thread; when that is
 * done the thread calls `wake`, the loop calls wr_logs_poll, and there high
 * watermarks move, waiters are called and readers see the data. With `sync` one
 * fdatasync of a shared write-ahead log covers all partitions of the tick.
 *
 * Thread: the broker's loop. Only `wake` comes from elsewhere. */
#ifndef WEIR_BROKER_LOGS_H
#define WEIR_BROKER_LOGS_H

#include "broker/log.h"

enum wr_durability {
    WR_DURABILITY_SYNC, /* acknowledged = on the disk; survives power loss */
    WR_DURABILITY_INTERVAL, /* on the disk at most sync_interval_ms later */
    WR_DURABILITY_NONE      /* left to the kernel: survives kill -9 only */
};

struct wr_logs_config {
    const char *dir;               /* data folder, made when missing; copied */
    enum wr_durability durability; /* what an acknowledgement promises */
    int64_t sync_interval_ms;      /* for WR_DURABILITY_INTERVAL */
    size_t cache_bytes_max;        /* newest batches kept in memory */
    size_t wal_file_bytes;         /* of one file of the write-ahead log */
    uint32_t wal_files_max;        /* files of it, at least 2 */
    size_t direct_bytes;           /* larger appends bypass it */
    size_t waiting_bytes_max;      /* appended and not yet durable: beyond it
                                      there is no room, see below */
    uint32_t open_files_max;       /* segment files open at once */
    size_t unpacked_bytes_max;     /* of a batch after decompression */
    uint32_t producers_max;     /* per partition: then those long unused go */
    int64_t producer_expire_ms; /* forget unused producers after this */
    int64_t retention_check_ms; /* how often ages are looked at; 0: always */
    struct wr_log_config topic; /* until wr_log_set_config says otherwise */
    int64_t (*now_ms)(void);    /* wall clock */
    int64_t (*mono_ms)(void);   /* one that nobody sets */
    void (*wake)(void *arg);    /* any thread, must not block: makes the loop
                                   call wr_logs_poll soon. May be NULL when
                                   the owner uses wr_logs_wait */
    void *wake_arg;
};
struct wr_logs_config wr_logs_config_default(void);

struct wr_logs;

/** Opens a data folder and everything in it. Partitions that are damaged where
 *  data was acknowledged come up offline (wr_log_offline) and the rest works.
 *  Errors: WEIR_E_LOCKED, WEIR_E_IO, WEIR_E_NOSPACE, WEIR_E_CORRUPT (the
 *  write-ahead log is damaged in a way that hides what is lost). */
WEIR_MUST_CHECK enum weir_status
wr_logs_open(const struct wr_logs_config *config, struct wr_logs **out,
             struct weir_error *err);
/** Syncs, writes all checkpoints and the clean-shutdown mark, frees everything,
 *  also on failure. Waiters that are left are called with WEIR_E_CLOSED. */
enum weir_status wr_logs_close(struct wr_logs *logs, struct weir_error *err);

/* ---- the loop's part ----------------------------------------------------- */

/** End of a tick: what was appended since goes to the sync thread, or waits for
 *  the round under way. Cheap when there is nothing. */
void wr_logs_commit(struct wr_logs *logs);
/** After `wake`: takes results of the threads, moves high watermarks, calls
 *  waiters and watches, and starts the next round. */
void wr_logs_poll(struct wr_logs *logs);
/** Blocks until everything appended is durable or failed, and polls: for
 * start-up, shutdown and tests. Errors: WEIR_E_IO after a failed sync. */
WEIR_MUST_CHECK enum weir_status wr_logs_wait(struct wr_logs *logs,
                                              struct weir_error *err);
/** Once a second or so: retention, rolls by age, interval syncs, checkpoints,
 *  expired producers, idle memory. */
void wr_logs_housekeep(struct wr_logs *logs);
/** Whether a client's batches may be appended now. False while more waits for
 *  the disk than should, or while others wait for room already: then wait with
 *  wr_logs_when_room. */
bool wr_logs_has_room(const struct wr_logs *logs);
/** NULL, or why nothing can be appended any more until a restart. */
const char *wr_logs_failed(const struct wr_logs *logs);

/** Someone who waits, for durability or for room; embedded in the waiter's own
 * object. */
struct wr_logs_waiter {
    void (*fn)(struct wr_logs_waiter *waiter, enum weir_status status);
    int64_t seq;                 /* private: what must be durable */
    struct wr_logs_waiter *next; /* private */
    struct wr_logs_waiter *prev; /* private */
};
/** Calls waiter->fn once, when everything appended so far to any log is durable
 *  (WEIR_OK) or will never be (WEIR_E_IO: answer KAFKA_STORAGE_ERROR). Never
 * from inside this call; in order of the calls. With nothing pending, at the
 * next wr_logs_commit. */
void wr_logs_when_durable(struct wr_logs *logs, struct wr_logs_waiter *waiter);
/** Calls waiter->fn once there is room (WEIR_OK), one after the other as they
 *  came, out of a poll; also when nothing can be appended any more, which the
 *  append then says. WEIR_E_CLOSED: there will be none. */
void wr_logs_when_room(struct wr_logs *logs, struct wr_logs_waiter *waiter);
/** Nobody waits for room any more: calls all with WEIR_E_CLOSED. Before those
 * go that they need. NULL is fine. */
void wr_logs_room_close(struct wr_logs *logs);
/** Forgets a waiter for durability that was not called yet. */
void wr_logs_waiter_cancel(struct wr_logs *logs, struct wr_logs_waiter *waiter);

/* ---- partitions ---------------------------------------------------------- */

/** A partition to be made. */
struct wr_logs_new {
    const char *topic;       /* copied */
    const uint8_t *topic_id; /* WR_TOPIC_ID_BYTES, copied */
    int32_t partition;
    bool later; /* more are made after it: not durable before the last one,
                   which has it false */
};
/** A new, empty partition in folder `<topic>-<partition>`.
 *  Errors: WEIR_E_EXISTS, WEIR_E_INVALID (name), WEIR_E_IO, WEIR_E_NOSPACE. */
WEIR_MUST_CHECK enum weir_status wr_logs_create(struct wr_logs *logs,
                                                const struct wr_logs_new *what,
                                                struct wr_log **out,
                                                struct weir_error *err);
/** NULL when there is no such partition. */
struct wr_log *wr_logs_get(const struct wr_logs *logs, struct weir_bytes topic,
                           int32_t partition);
/** Walks over all logs, in no order: start with *cursor = 0; NULL at the end.
 */
struct wr_log *wr_logs_next(const struct wr_logs *logs, size_t *cursor);
/** Takes the partition away at once (watches are called with `gone`); its
 * folder gets the suffix -delete and is removed in the background. The log is
 * freed. */
WEIR_MUST_CHECK enum weir_status wr_logs_delete(struct wr_logs *logs,
                                                struct wr_log *log,
                                                struct weir_error *err);
/** The same, but the folder stays, with the suffix -stray, for a person to look
 * at. Errors: WEIR_E_EXISTS (cannot be renamed: nothing was done), WEIR_E_IO.
 */
WEIR_MUST_CHECK enum weir_status wr_logs_set_aside(struct wr_logs *logs,
                                                   struct wr_log *log,
                                                   struct weir_error *err);

/** Figures for /metrics and tests. */
struct wr_logs_stats {
    int64_t appended_bytes; /* since the start */
    int64_t rounds;         /* syncs that covered appends */
    int64_t sync_ns;        /* spent in them */
    int64_t wal_bytes;      /* written to the write-ahead log */
    int64_t direct_bytes;   /* that bypassed it */
    int64_t checkpoints;    /* background syncs of segments */
    size_t unpacked_bytes;  /* of compressed batches, when they were checked */
    size_t cache_bytes;     /* of newest batches in memory */
    size_t pending_bytes;   /* appended, not yet durable */
    uint32_t open_files;    /* segment files open */
    uint32_t offline;       /* partitions */
};
void wr_logs_stats(const struct wr_logs *logs, struct wr_logs_stats *out);
/** unpacked_bytes alone: for each batch. */
size_t wr_logs_unpacked(const struct wr_logs *logs);

#endif
