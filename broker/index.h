/* SPDX-License-Identifier: Apache-2.0
 *
 * The two sparse indexes of a segment, in Kafka's format: offset to position,
 * and timestamp to offset. Both may be lost or damaged: they can be made again
 * from the segment, and a look-up is a hint that the segment confirms.
 *
 * The index of the active segment lives in memory and is written when the
 * segment is rolled or the log closed; nothing is preallocated. That of an
 * older segment stays in its file and is searched there. Thread: the broker's
 * loop. */
#ifndef WEIR_BROKER_INDEX_H
#define WEIR_BROKER_INDEX_H

#include "base/bytes.h"

#define WR_INDEX_BYTES_MAX ((size_t)10 << 20) /* then the segment is rolled */

enum wr_index_kind {
    WR_INDEX_OFFSET = 8, /* i32 offset - base, i32 position: bytes an entry */
    WR_INDEX_TIME = 12   /* i64 timestamp, i32 offset - base */
};

struct wr_index {
    enum wr_index_kind kind; /* also the size of an entry */
    int64_t base_offset;     /* of the segment */
    char *path;              /* owned */
    bool in_memory;          /* entries are in mem; else in the file */
    struct wr_buf mem;       /* the file's bytes, where in_memory */
    size_t count;            /* entries */
};

struct wr_index_entry {
    int64_t offset; /* absolute */
    int64_t value;  /* position in bytes, or timestamp in ms */
};

/** An empty index in memory. `path` is copied. Errors: WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status wr_index_init(struct wr_index *index,
                                               enum wr_index_kind kind,
                                               const char *path,
                                               int64_t base_offset);
void wr_index_done(struct wr_index *index);
/** Forgets all entries and begins again in memory. */
void wr_index_clear(struct wr_index *index);
/** Takes the file's entries as they are; into memory when `in_memory`. Entries
 * at or above `end_offset` and zeros of a preallocated file are cut off.
 *  Errors: WEIR_E_NOTFOUND, WEIR_E_CORRUPT (size, order), WEIR_E_IO: the index
 * is then empty and in memory; make it again. */
WEIR_MUST_CHECK enum weir_status wr_index_load(struct wr_index *index,
                                               int64_t end_offset,
                                               bool in_memory,
                                               struct weir_error *err);
/** Writes the file whole (not synced). With `release` the memory is given up
 * and look-ups go to the file. Errors: WEIR_E_IO, WEIR_E_NOSPACE: the index
 * stays in memory and usable. */
WEIR_MUST_CHECK enum weir_status
wr_index_save(struct wr_index *index, bool release, struct weir_error *err);

/** Adds an entry; one that is not above the last one is left out, as is any
 * that memory has no room for: the index is only sparser then. */
void wr_index_add(struct wr_index *index, int64_t offset, int64_t value);
bool wr_index_is_full(const struct wr_index *index);
/** The last entry whose offset (WR_INDEX_OFFSET) or value (WR_INDEX_TIME) is at
 *  most `key`; without one, base offset and position 0 or timestamp -1. */
struct wr_index_entry wr_index_find(const struct wr_index *index, int64_t key);
/** The last entry, or as wr_index_find when there is none. */
struct wr_index_entry wr_index_last(const struct wr_index *index);

#endif
