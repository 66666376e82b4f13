/* SPDX-License-Identifier: Apache-2.0
 *
 * Files, as far as more than one room needs them: whole-file reads with a
 * limit, replacement that survives power loss, directories, locks. Errors name
 * the path and the system's reason; ENOSPC and EDQUOT are WEIR_E_NOSPACE. */
#ifndef WEIR_BASE_FS_H
#define WEIR_BASE_FS_H

#include "base/bytes.h"

/** Status for an errno value. */
enum weir_status wr_status_of_errno(int errnum);

/** mkdir -p. Errors: WEIR_E_IO, WEIR_E_NOSPACE. */
WEIR_MUST_CHECK enum weir_status wr_mkdirs(const char *path,
                                           struct weir_error *err);
/** Appends the whole file to out (whose max is the limit).
 *  Errors: WEIR_E_NOTFOUND, WEIR_E_IO, WEIR_E_TOOBIG. */
WEIR_MUST_CHECK enum weir_status
wr_file_read(const char *path, struct wr_buf *out, struct weir_error *err);
/** Replaces path by bytes: temporary file, fdatasync, rename, sync of the
 *  directory. After a crash the file is the old or the new one, whole. */
WEIR_MUST_CHECK enum weir_status wr_file_replace(const char *path,
                                                 struct weir_bytes bytes,
                                                 struct weir_error *err);
/** write(2) until done or failed. */
WEIR_MUST_CHECK enum weir_status wr_write_all(int fd, const void *data,
                                              size_t len, const char *path,
                                              struct weir_error *err);
/** fsync of a directory, so that its entries survive power loss. */
WEIR_MUST_CHECK enum weir_status wr_dir_sync(const char *path,
                                             struct weir_error *err);
/** Removes a file or a whole directory tree; missing is fine. Symbolic links
 * are removed, not followed. */
WEIR_MUST_CHECK enum weir_status wr_remove_all(const char *path,
                                               struct weir_error *err);

/** Takes an exclusive lock on a file (made when missing) without waiting.
 * *out_fd holds it until closed. Errors: WEIR_E_LOCKED, with the holder's
 * process id where the file says it. */
WEIR_MUST_CHECK enum weir_status wr_lock_file(const char *path, int *out_fd,
                                              struct weir_error *err);

#endif
