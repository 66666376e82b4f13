/* SPDX-License-Identifier: Apache-2.0
 *
 * The files that an application is made of, as they were when they were first
 * read. Whoever loads the application again, a thread of the same process or
 * another process of the pool, takes them from here: a running pool goes on
 * with the text that it was started with, whatever becomes of the files.
 *
 * Thread: its owner's until it is sealed, then any. */
#ifndef WEIR_DSL_SOURCES_H
#define WEIR_DSL_SOURCES_H

#include "base/bytes.h"

#define WR_SOURCE_SCRIPT_BYTES_MAX ((size_t)4 << 20)
#define WR_SOURCE_OBJECT_BYTES_MAX ((size_t)256 << 20)
#define WR_SOURCES_MAX             1000 /* files of an application */

struct wr_sources;

/** No files yet. *out is given. */
WEIR_MUST_CHECK enum weir_status wr_sources_new(struct wr_sources **out);
/** NULL is fine. */
void wr_sources_free(struct wr_sources *sources);
/** From now on there is nothing but what was read. */
void wr_sources_seal(struct wr_sources *sources);

/** Whether there is such a file: one that was read or, until the seal, one that
 * can be. */
bool wr_sources_has(const struct wr_sources *sources, const char *path);
/** The bytes of a file; before the seal it is read, once. *out is lent for the
 * set's life. Errors: WEIR_E_IO, WEIR_E_NOTFOUND, WEIR_E_TOOBIG. */
WEIR_MUST_CHECK enum weir_status
wr_sources_get(struct wr_sources *sources, const char *path, size_t bytes_max,
               struct weir_bytes *out, struct weir_error *err);
/** The path of the index-th file in the order of reading; NULL past the last.
 * Lent. */
const char *wr_sources_path(const struct wr_sources *sources, size_t index);

/** Writes all files to fd, for another process of this program. */
WEIR_MUST_CHECK enum weir_status
wr_sources_write(const struct wr_sources *sources, int fd,
                 struct weir_error *err);
/** Reads from offset 0 of fd what was written; sealed. *out is given. Errors:
 * WEIR_E_CORRUPT, WEIR_E_IO, WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_sources_read(int fd, struct wr_sources **out, struct weir_error *err);

#endif
