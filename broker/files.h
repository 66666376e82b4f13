/* SPDX-License-Identifier: Apache-2.0
 *
 * Segment files that are open, at most so many at once: a log of a thousand
 * segments, or a folder of a thousand partitions, must not need a thousand
 * descriptors. The one used longest ago is closed first; it is opened again
 * when asked for. Thread: the broker's loop. */
#ifndef WEIR_BROKER_FILES_H
#define WEIR_BROKER_FILES_H

#include "weir/types.h"

/** One file that may be open. */
struct wr_file {
    char *path;           /* owned */
    int fd;               /* -1: closed at the moment */
    struct wr_file *next; /* private: used more recently */
    struct wr_file *prev; /* private: used longer ago */
};

struct wr_files {
    struct wr_file *oldest; /* closed first */
    struct wr_file *newest; /* just used */
    uint32_t open;          /* files with a descriptor */
    uint32_t max;           /* limit of open, at least 1 */
};

void wr_files_init(struct wr_files *files, uint32_t max);
/** `path` is copied; nothing is opened. Errors: WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status wr_file_init(struct wr_file *file,
                                              const char *path);
/** Closes and frees. Fine on a zeroed one whose path is NULL. */
void wr_file_done(struct wr_files *files, struct wr_file *file);
/** The descriptor, for reading and writing, lent until the next call with
 * another file. With `create` a missing file is made. Errors: WEIR_E_NOTFOUND,
 * WEIR_E_NOSPACE, WEIR_E_IO. */
WEIR_MUST_CHECK enum weir_status wr_file_get(struct wr_files *files,
                                             struct wr_file *file, int create,
                                             int *out_fd,
                                             struct weir_error *err);
/** Closes the descriptor now; the file stays usable. */
void wr_file_close(struct wr_files *files, struct wr_file *file);
/** pread until done. Errors: WEIR_E_IO; WEIR_E_TRUNCATED at the end of file. */
WEIR_MUST_CHECK enum weir_status wr_pread_all(int fd, void *data, size_t len,
                                              int64_t position,
                                              const char *path,
                                              struct weir_error *err);
/** pwrite until done. Errors: WEIR_E_IO, WEIR_E_NOSPACE. */
WEIR_MUST_CHECK enum weir_status wr_pwrite_all(int fd, const void *data,
                                               size_t len, int64_t position,
                                               const char *path,
                                               struct weir_error *err);

#endif
