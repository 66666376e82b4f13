/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the log share: log.c, log_read.c, log_open.c, log_keep.c
 * and logs*.c. Nobody else includes this. Thread: the broker's loop. */
#ifndef WEIR_BROKER_LOG_INTERNAL_H
#define WEIR_BROKER_LOG_INTERNAL_H

#include "base/map.h"
#include "broker/checkpoint.h"
#include "broker/helper.h"
#include "broker/log.h"
#include "broker/logs.h"
#include "broker/producer_state.h"
#include "broker/segment.h"
#include "broker/tail.h"
#include "broker/wal.h"

struct wr_epoch {
    int32_t epoch;
    int64_t start_offset; /* first offset of the epoch */
};

struct wr_log {
    struct wr_logs *logs; /* its manager */
    char *topic;          /* owned */
    int32_t partition;
    uint8_t topic_id[WR_TOPIC_ID_BYTES];
    char *dir; /* owned: folder of the partition */
    struct wr_log_config config;
    struct wr_segment **segments; /* by base offset; the last is active */
    size_t segment_count;
    size_t segment_cap;
    int64_t active_since_ms; /* when the active segment got its first batch */
    int64_t start_offset;    /* log start */
    int64_t end_offset;      /* log end */
    int64_t high_watermark;  /* durable, by the mode's meaning of it */
    int64_t recovery_point;  /* synced in the segments */
    int64_t
        checkpoint_point; /* recovery point once the job under way is done */
    struct wr_producers producers;
    struct wr_tail_list tail;
    struct wr_epoch *epochs; /* rising; at least one */
    size_t epoch_count;
    char *offline;     /* owned: why, or NULL */
    bool dirty;        /* something above the recovery point */
    bool dir_dirty;    /* files were made since a checkpoint synced it */
    bool dir_unsynced; /* files were made since a direct round synced it */
    uint64_t
        direct_mark;     /* number of the round that syncs its active segment */
    int64_t direct_base; /* base offset of that segment */
    struct wr_log_watch *watches;
};

/** Appends that wait for one sync, or are in it. */
struct wr_round {
    struct wr_helper_job job; /* first: the thread gets this */
    struct wr_round *next;    /* that flies behind this one, or NULL */
    struct wr_logs *logs;
    uint64_t number;              /* rises by one; for direct_mark */
    struct wr_wal_entry *entries; /* owned */
    struct wr_log **owners;       /* owned; NULL where the log is gone */
    size_t count;
    size_t cap;
    size_t bytes;         /* of batches */
    size_t wal_bytes;     /* of which go to the write-ahead log */
    uint64_t first_chunk; /* oldest memory in use */
    int64_t ticket;       /* append_seq of the last append */
    int *direct_fds;      /* owned: segments to sync themselves */
    char **direct_dirs;   /* owned: folders of them; NULL where clean */
    size_t direct_count;
    size_t direct_cap;
    uint64_t wal_seq;        /* out: last round written to the log */
    int64_t sync_ns;         /* out */
    int64_t direct_bytes;    /* of entries that bypass the log */
    enum weir_status status; /* out */
    struct weir_error err;   /* out */
};

struct wr_checkpoint_job; /* logs_checkpoint.c */

/** Those who wait, first come first. */
struct wr_logs_waiters {
    struct wr_logs_waiter *first;
    struct wr_logs_waiter *last;
};

struct wr_logs {
    struct wr_logs_config config; /* dir owned */
    int lock_fd;
    struct wr_files files;
    struct wr_tail tail;
    struct wr_buf scratch; /* unpacked records */
    struct wr_map map;     /* topic, 0, i32 partition -> struct wr_log */
    struct wr_wal *wal;    /* NULL unless durability is sync */
    uint64_t salt;
    struct wr_helper *sync;       /* NULL unless durability is sync */
    struct wr_helper *background; /* checkpoints */
    struct wr_helper *removals;   /* files to be removed: nobody waits */
    struct wr_round *pending;     /* collects */
    struct wr_round *flying;      /* oldest with the sync thread, or NULL */
    struct wr_round *flying_last; /* newest of them */
    struct wr_round *completing;  /* in round_complete, or NULL */
    uint64_t round_next;
    uint64_t wal_done;     /* rounds of the log that are complete */
    uint64_t wal_released; /* rounds that a checkpoint covers */
    int64_t append_seq;    /* appends so far */
    int64_t durable_seq;   /* of which durable */
    size_t waiting_bytes;  /* appended and in no round that is complete */
    bool sync_broken;      /* the sync thread's: a round failed, so do all
                              that follow */
    struct wr_logs_waiters durable_waiters; /* by seq */
    struct wr_logs_waiters room_waiters;    /* as they came */
    struct wr_log_watch *watch_cursor; /* next one to call; moves on removal */
    struct wr_checkpoint_job *checkpoint; /* under way, or NULL */
    bool checkpoint_wanted;
    bool checkpoint_put_off; /* no space for it; tried again once a second */
    int64_t checkpoint_ms;   /* when the last one was begun */
    int64_t aged_ms;         /* when ages were last looked at */
    bool polling;            /* no poll inside a poll */
    char *failed;            /* owned: why nothing is accepted, or NULL */
    struct wr_logs_wakeup *wakeup; /* logs_sync.c: for wr_logs_wait */
    struct wr_logs_stats stats;
};

/* ---- log_open.c ------------------------------------------------------------
 */

/** What is known of a log before it is opened. */
struct wr_log_recovery {
    bool clean; /* the last run ended properly */
    bool known; /* the checkpoint has the log: a new one otherwise */
    int64_t recovery_point;    /* synced up to here; 0 when not known */
    int64_t start_offset;      /* log start; 0 when not known */
    bool exact;                /* acked_end says where the log has to end */
    int64_t acked_end;         /* end of what was acknowledged */
    struct wr_wal_reader *wal; /* NULL: none */
    const struct wr_wal_found **frames; /* of this log, in order */
    size_t frame_count;
};

/** A log of an existing or new folder; not opened. `topic`, `dir` copied. */
WEIR_MUST_CHECK enum weir_status wr_log_new(struct wr_logs *logs,
                                            const char *topic,
                                            int32_t partition, const char *dir,
                                            struct wr_log **out);
/** Frees; nothing is saved. NULL is fine. */
void wr_log_free(struct wr_log *log);
/** Loads or recovers what the folder holds. Damage to acknowledged data is no
 *  failure: the log is then offline.
 *  Errors: WEIR_E_IO, WEIR_E_NOSPACE, WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status wr_log_load(struct wr_log *log,
                                             struct wr_log_recovery *recovery,
                                             struct weir_error *err);
/** The first files of an empty log. */
WEIR_MUST_CHECK enum weir_status wr_log_make(struct wr_log *log,
                                             struct weir_error *err);

/* ---- log_open.c and log_recover.c: two ways to open one log ------------- */

/** Forgets the segments from an index on; files stay. */
void wr_log_segments_free(struct wr_log *log, size_t from);
/** Adds a segment for each .log of the folder; sizes from the files, next
 * offsets from the names, INT64_MAX for the last. */
WEIR_MUST_CHECK enum weir_status wr_log_find_segments(struct wr_log *log,
                                                      struct weir_error *err);
/** A segment that is no longer appended to, as it was left. Indexes are made
 * again where needed. Errors: WEIR_E_CORRUPT. */
WEIR_MUST_CHECK enum weir_status wr_log_open_sealed(struct wr_log *log,
                                                    struct wr_segment *segment,
                                                    struct weir_error *err);
/** Producers as of `offset`. Errors: WEIR_E_NOTFOUND, WEIR_E_CORRUPT. */
WEIR_MUST_CHECK enum weir_status wr_log_snapshot_load(struct wr_log *log,
                                                      int64_t offset);
/** Sets the log's numbers from its segments. */
void wr_log_opened(struct wr_log *log, const struct wr_log_recovery *recovery);

/** After an unclean end. Damage puts the log offline and is no failure. */
WEIR_MUST_CHECK enum weir_status
wr_log_recover(struct wr_log *log, const struct wr_log_recovery *recovery,
               struct weir_error *err);
/** Puts the log offline when its folder has the mark of an earlier run. */
WEIR_MUST_CHECK enum weir_status wr_log_quarantine_check(struct wr_log *log);

/* ---- log.c -----------------------------------------------------------------
 */

static inline struct wr_segment *wr_log_active(const struct wr_log *log)
{
    return log->segments[log->segment_count - 1];
}
/** Adds an empty segment object at the end. */
WEIR_MUST_CHECK enum weir_status wr_log_segment_add(struct wr_log *log,
                                                    int64_t base_offset,
                                                    struct wr_segment **out);
/** The active segment is finished and a new one begins at the log end. Fine
 * when the active one is empty. */
WEIR_MUST_CHECK enum weir_status wr_log_roll(struct wr_log *log,
                                             struct weir_error *err);
/** Everything below `offset` is durable. */
void wr_log_advance(struct wr_log *log, int64_t offset);
/** Files were made or removed in the log's folder. */
static inline void wr_log_dir_changed(struct wr_log *log)
{
    log->dir_dirty = true;
    log->dir_unsynced = true;
}
/** Index of the segment that `offset` belongs to. */
size_t wr_log_segment_find(const struct wr_log *log, int64_t offset);
/** Puts the log offline for the rest of the run. */
void wr_log_set_offline(struct wr_log *log, const char *why);
/** How far a reader of that isolation may see. */
int64_t wr_log_limit(const struct wr_log *log, enum wr_isolation isolation);

/* ---- log_keep.c: what happens to a log over time ----------------------------
 */

/** Removes the `count` oldest segments. */
void wr_log_drop_segments(struct wr_log *log, size_t count);
/** Retention and roll by age; by time only when `aged` says that it is time. */
void wr_log_keep(struct wr_log *log, int64_t now_ms, bool aged);
/** Writes the producer snapshot for `offset`. */
WEIR_MUST_CHECK enum weir_status
wr_log_snapshot(struct wr_log *log, int64_t offset, struct weir_error *err);
/** Removes snapshots that belong to no segment, but the one at log end. */
void wr_log_snapshot_tidy(struct wr_log *log);
/** Replaces leader-epoch-checkpoint. */
WEIR_MUST_CHECK enum weir_status wr_log_epochs_save(const struct wr_log *log,
                                                    struct weir_error *err);
/** Reads it; without one, epoch 0 from the log start on. */
WEIR_MUST_CHECK enum weir_status wr_log_epochs_load(struct wr_log *log,
                                                    struct weir_error *err);

/* ---- logs.c ----------------------------------------------------------------
 */

/** Enters a log into the table. Errors: WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status wr_logs_table_put(struct wr_logs *logs,
                                                   struct wr_log *log);

/* ---- logs_sync.c -----------------------------------------------------------
 */

/** Before an append of `size` bytes is written: room to note it, and its
 * segment among those that the round syncs itself if it is that large. */
WEIR_MUST_CHECK enum weir_status
wr_logs_reserve(struct wr_log *log, size_t size, struct weir_error *err);
/** After: notes it for the next round. Cannot fail after wr_logs_reserve. */
void wr_logs_note(struct wr_log *log, const struct wr_batch *batch,
                  const uint8_t *data, uint64_t chunk);
/** NULL when appends are possible, else why not. */
const char *wr_logs_refusal(const struct wr_logs *logs);
void wr_logs_fail(struct wr_logs *logs, const char *why);
/** A log that goes away: rounds forget it. */
void wr_logs_forget(struct wr_logs *logs, const struct wr_log *log);
WEIR_MUST_CHECK enum weir_status wr_logs_sync_start(struct wr_logs *logs,
                                                    struct weir_error *err);
void wr_logs_sync_stop(struct wr_logs *logs);
void wr_logs_wake(void *arg); /* any thread; arg: struct wr_logs */
/** Calls all waiters with `status`. */
void wr_logs_waiters_fail(struct wr_logs *logs, enum weir_status status);

/* ---- logs_checkpoint.c ------------------------------------------------------
 */

/** Begins a checkpoint in the background, unless one is under way. */
void wr_logs_checkpoint_begin(struct wr_logs *logs);
/** Takes finished jobs of the two threads. */
void wr_logs_checkpoint_poll(struct wr_logs *logs);
/** Waits for what runs in the background and forgets its results: at the end.
 */
void wr_logs_background_drain(struct wr_logs *logs);
/** The same, all at once and waited for: start and clean shutdown.
 *  Errors: WEIR_E_IO, WEIR_E_NOSPACE, WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status wr_logs_checkpoint_now(struct wr_logs *logs,
                                                        struct weir_error *err);
/** Removes files or folders on a thread of their own, so that no checkpoint
 *  stands behind them. Takes the texts. */
void wr_logs_remove_later(struct wr_logs *logs, char **paths_take,
                          size_t count);

#endif
