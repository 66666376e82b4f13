/* SPDX-License-Identifier: Apache-2.0
 *
 * A segment: a file of batches back to back, its two indexes, and the list of
 * transactions that were aborted in it. Named by the offset of its first
 * record, in Kafka's formats:
 *
 *   %020d.log  %020d.index  %020d.timeindex  %020d.txnindex
 *
 * Knows nothing of offsets' order between segments, of producers or of
 * durability: that is the log's. Thread: the broker's loop. */
#ifndef WEIR_BROKER_SEGMENT_H
#define WEIR_BROKER_SEGMENT_H

#include "broker/batch.h"
#include "broker/files.h"
#include "broker/index.h"
#include "broker/producer_state.h"

struct wr_segment {
    int64_t base_offset;       /* of the first record that it may hold */
    int64_t next_offset;       /* after the last record; == base when empty */
    int64_t size;              /* of the .log in bytes: whole batches only */
    struct wr_file log;        /* the .log */
    struct wr_index offsets;   /* the .index */
    struct wr_index times;     /* the .timeindex */
    size_t since_index;        /* bytes appended since the last entry */
    int64_t first_timestamp;   /* largest of the first batch; -1: empty */
    int64_t max_timestamp;     /* of all records; -1: none */
    int64_t max_time_offset;   /* last offset of the batch that has it */
    int64_t abort_count;       /* entries of the .txnindex */
    int64_t abort_last_offset; /* largest last offset of them; -1: none */
};

/** Writes the path of a segment's file into out. Errors: WEIR_E_TOOBIG. */
WEIR_MUST_CHECK enum weir_status wr_segment_path(const char *dir,
                                                 int64_t base_offset,
                                                 const char *suffix,
                                                 struct wr_buf *out);

/** A segment over files that may or may not exist yet; nothing is opened.
 *  Errors: WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status wr_segment_init(struct wr_segment *segment,
                                                 const char *dir,
                                                 int64_t base_offset);
void wr_segment_done(struct wr_files *files, struct wr_segment *segment);
/** Makes an empty .log file. Errors: WEIR_E_IO, WEIR_E_NOSPACE. */
WEIR_MUST_CHECK enum weir_status wr_segment_create(struct wr_files *files,
                                                   struct wr_segment *segment,
                                                   struct weir_error *err);
/** Removes the files, as far as there are any. */
WEIR_MUST_CHECK enum weir_status wr_segment_remove(struct wr_files *files,
                                                   struct wr_segment *segment,
                                                   struct weir_error *err);

/** Appends one batch that is placed already. On failure the file is cut back to
 *  what it was. Errors: WEIR_E_NOSPACE, WEIR_E_IO. */
WEIR_MUST_CHECK enum weir_status
wr_segment_append(struct wr_files *files, struct wr_segment *segment,
                  const struct wr_batch *batch, const uint8_t *bytes,
                  int32_t index_interval, struct weir_error *err);
/** Accounts for a batch that stands in the file at segment->size already. */
void wr_segment_note(struct wr_segment *segment, const struct wr_batch *batch,
                     int32_t index_interval);
/** Writes both indexes; with `release` their memory is given up: the segment is
 *  no longer appended to. Errors: WEIR_E_IO, WEIR_E_NOSPACE. */
WEIR_MUST_CHECK enum weir_status wr_segment_save(struct wr_segment *segment,
                                                 bool release,
                                                 struct weir_error *err);
/** Cuts the .log behind `size` bytes. Errors: WEIR_E_IO. */
WEIR_MUST_CHECK enum weir_status wr_segment_cut(struct wr_files *files,
                                                struct wr_segment *segment,
                                                int64_t size,
                                                struct weir_error *err);

/* ---- reading ------------------------------------------------------------- */

/** Reads bytes of the .log; [position, position + len) must be in it.
 *  Errors: WEIR_E_IO, WEIR_E_CORRUPT (the file is shorter than it was). */
WEIR_MUST_CHECK enum weir_status wr_segment_read(struct wr_files *files,
                                                 struct wr_segment *segment,
                                                 int64_t position, void *data,
                                                 size_t len,
                                                 struct weir_error *err);

/** A batch found in a segment. */
struct wr_segment_batch {
    int64_t position;      /* of its first byte; the segment's size: none */
    struct wr_batch batch; /* header */
};
/** The header at a position. Errors: as wr_segment_read; WEIR_E_CORRUPT names
 * file and position. */
WEIR_MUST_CHECK enum weir_status wr_segment_header(struct wr_files *files,
                                                   struct wr_segment *segment,
                                                   int64_t position,
                                                   struct wr_segment_batch *out,
                                                   struct weir_error *err);
/** The first batch whose last offset is >= offset; at the end out->position is
 * the size. A misleading index is noticed and made again. Errors: as
 * wr_segment_header. */
WEIR_MUST_CHECK enum weir_status wr_segment_locate(struct wr_files *files,
                                                   struct wr_segment *segment,
                                                   int64_t offset,
                                                   struct wr_segment_batch *out,
                                                   struct weir_error *err);
/** The first batch with a record at or after timestamp_ms by its header's
 * maximum; at the end out->position is the size. Errors: as wr_segment_header.
 */
WEIR_MUST_CHECK enum weir_status
wr_segment_locate_time(struct wr_files *files, struct wr_segment *segment,
                       int64_t timestamp_ms, struct wr_segment_batch *out,
                       struct weir_error *err);
/** The time that says how old the segment is, ms: the largest of its records,
 * where that is known. Where it is not (records without a time, an index that
 * lost its end, a header that cannot be read), when the .log was last written,
 * if that is later; INT64_MAX when that cannot be told either. What is unknown
 * is never taken for old. Reads the headers behind the last index entry. */
int64_t wr_segment_newest_ms(struct wr_files *files,
                             struct wr_segment *segment);

/* ---- scanning ------------------------------------------------------------ */

/** Called with each batch in turn, header and bytes (lent for the call).
 *  Anything but WEIR_OK ends the scan with that. */
typedef enum weir_status (*wr_segment_scan_fn)(void *arg,
                                               const struct wr_batch *batch,
                                               struct weir_bytes bytes);
struct wr_segment_scan {
    int64_t from;          /* position to begin at */
    int64_t end;           /* bytes of the file to look at */
    int64_t offset_min;    /* what the first batch must not be below */
    bool check_crc;        /* whether checksums are computed */
    size_t batch_max;      /* larger ones are damage */
    wr_segment_scan_fn fn; /* may be NULL */
    void *arg;             /* of fn */
    int64_t good_end;      /* out: position after the last good batch */
    int64_t good_offset;   /* out: offset after the last good batch */
};
/** Walks over batches from a position to the end of the file.
 *  Errors: WEIR_E_CORRUPT at the first bad or torn batch (err says which and
 *  where; good_end and good_offset tell what stands before it), WEIR_E_IO,
 *  WEIR_E_NOMEM, fn's. */
WEIR_MUST_CHECK enum weir_status wr_segment_scan(struct wr_files *files,
                                                 struct wr_segment *segment,
                                                 struct wr_segment_scan *scan,
                                                 struct weir_error *err);
/** Makes both indexes again from the .log's headers, in memory.
 *  Errors: as wr_segment_scan; the indexes then reach as far as the headers
 * could be read, and max_timestamp is never lower than before. */
WEIR_MUST_CHECK enum weir_status wr_segment_reindex(struct wr_files *files,
                                                    struct wr_segment *segment,
                                                    struct weir_error *err);

/* ---- aborted transactions --------------------------------------------------
 */

/** Writes an entry after those that are noted in the .txnindex: it counts only
 * once wr_segment_abort_note is called, when its marker is in the .log. Errors:
 * WEIR_E_IO, WEIR_E_NOSPACE. */
WEIR_MUST_CHECK enum weir_status
wr_segment_abort_write(struct wr_segment *segment,
                       const struct wr_abort_entry *entry,
                       struct weir_error *err);
void wr_segment_abort_note(struct wr_segment *segment,
                           const struct wr_abort_entry *entry);
/** Reads all entries into out as they are in the file (34 bytes each) and
 * brings abort_count and abort_last_offset up to date. A missing file has none.
 *  Errors: WEIR_E_CORRUPT, WEIR_E_IO. */
WEIR_MUST_CHECK enum weir_status
wr_segment_abort_load(struct wr_segment *segment, struct wr_buf *out,
                      struct weir_error *err);
/** Drops all entries: they are about to be made again. */
void wr_segment_abort_clear(struct wr_segment *segment);
#define WR_ABORT_ENTRY_BYTES 34
struct wr_abort_entry wr_abort_entry_decode(const uint8_t *p);

#endif
