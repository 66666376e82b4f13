/* SPDX-License-Identifier: Apache-2.0
 *
 * The write-ahead log that all partitions share: one write and one fdatasync
 * make a whole tick durable, however many partitions it touched. Files are
 * overwritten again and again, because that syncs several times faster than
 * growing a file (docs/notes/002). They are read only after a crash.
 *
 * Who calls what: wr_wal_write on the sync thread, wr_wal_release on the
 * background thread, everything else on the loop. */
#ifndef WEIR_BROKER_WAL_H
#define WEIR_BROKER_WAL_H

#include "base/bytes.h"
#include "broker/log.h"

#include <stdbool.h>

#define WR_WAL_ROUND_BYTES_MAX   ((size_t)8 << 20) /* of batches in a round */
#define WR_WAL_ROUND_ENTRIES_MAX 8192

enum wr_wal_kind {
    WR_WAL_DATA = 0,  /* the batch follows */
    WR_WAL_DIRECT = 1 /* it is synced in the segment; only said here */
};

/** One append. */
struct wr_wal_entry {
    uint8_t topic_id[WR_TOPIC_ID_BYTES];
    int32_t partition;
    enum wr_wal_kind kind;
    int64_t base_offset;
    int64_t next_offset;
    int32_t leader_epoch;
    uint32_t len;        /* of the batch; 0 for WR_WAL_DIRECT */
    const uint8_t *data; /* lent; NULL for WR_WAL_DIRECT */
};

/* ---- writing ------------------------------------------------------------- */

struct wr_wal;

struct wr_wal_config {
    const char *dir;         /* copied; made when missing */
    size_t file_bytes;       /* of one file */
    uint32_t files_max;      /* >= 2 */
    uint64_t salt;           /* new for each opening */
    void (*wake)(void *arg); /* a file waits to be released; may be NULL */
    void *wake_arg;
};

/** Opens for writing; rounds count from 1. Files that are there are used again,
 * their content is void by the new salt. Makes sure that the first rounds will
 * find room. Errors: WEIR_E_IO, WEIR_E_NOSPACE, WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status wr_wal_open(const struct wr_wal_config *config,
                                             struct wr_wal **out,
                                             struct weir_error *err);
/** Closes. No thread may be inside. NULL is fine. */
void wr_wal_close(struct wr_wal *wal);
/** Writes one round and syncs it; blocks, also while no file is free or the
 * disk is full. Entries within WR_WAL_ROUND_*_MAX, or one entry of any size.
 *  Errors: WEIR_E_IO, WEIR_E_NOMEM, WEIR_E_CLOSED (wr_wal_shutdown). */
WEIR_MUST_CHECK enum weir_status
wr_wal_write(struct wr_wal *wal, const struct wr_wal_entry *entries,
             size_t count, struct weir_error *err);
/** Whether full files wait for their data to be synced in the segments.
 * *out_seq is the last round in them. Only files whose rounds are all <=
 * done_seq count. */
bool wr_wal_sealed(struct wr_wal *wal, uint64_t done_seq, uint64_t *out_seq);
/** Rounds up to seq are of no use any more: their files may be overwritten. */
void wr_wal_release(struct wr_wal *wal, uint64_t seq);
/** The writer waits for space on the disk. */
bool wr_wal_is_stuck(struct wr_wal *wal);
/** A writer that waits gives up. */
void wr_wal_shutdown(struct wr_wal *wal);
/** Bytes written so far, padding included. */
int64_t wr_wal_written(struct wr_wal *wal);

/* ---- reading after a crash ------------------------------------------------
 */

/** An entry found in the files. */
struct wr_wal_found {
    struct wr_wal_entry entry; /* data is NULL: see wr_wal_load */
    uint64_t seq;              /* of its round */
    int64_t position;          /* of the batch in the file */
    uint32_t file;             /* number of the file */
    uint32_t index;            /* of the entry in its round */
};

struct wr_wal_reader {
    char *dir;                  /* owned */
    struct wr_wal_found *found; /* owned; in order of writing */
    size_t count;
    size_t cap;
    uint64_t last_seq; /* newest whole round, or 0 */
    uint64_t seen_seq; /* newest of all that begin, of use or not */
    uint64_t edge_seq; /* newest that reaches the very end of its file */
    bool cut;          /* files are missing or shorter than their writer left
                          them: newer rounds may have been there */
    int fd;            /* of file_open, or -1 */
    uint32_t file_open;
};

/** Finds all rounds of `salt` from live_from on. A torn newest round was never
 *  acknowledged and is left out. Files that are missing or too short are no
 *  error, but `cut` is set: the newest round that is there may not be the
 *  newest that was.
 *  Errors: WEIR_E_CORRUPT (a round is missing before the newest: err names the
 *  place), WEIR_E_IO, WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_wal_reader_open(const char *dir, uint64_t salt, uint64_t live_from,
                   struct wr_wal_reader *out, struct weir_error *err);
void wr_wal_reader_done(struct wr_wal_reader *reader);
/** Reads the batch of an entry into out (reset) and checks it against entry and
 *  checksum. Errors: WEIR_E_CORRUPT, WEIR_E_IO, WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status wr_wal_load(struct wr_wal_reader *reader,
                                             const struct wr_wal_found *found,
                                             struct wr_buf *out,
                                             struct weir_error *err);

#endif
