/* SPDX-License-Identifier: Apache-2.0
 *
 * Who this process is to the brokers. Its id is part of each thread's
 * transactional id, so a process that takes the place of one that died should
 * have the same one: it then ends its predecessor's transaction at once instead
 * of waiting for the time-out. Thread: the application's. */
#ifndef WEIR_RUNTIME_PROCESS_ID_H
#define WEIR_RUNTIME_PROCESS_ID_H

#include "weir/types.h"

struct wr_process_id {
    char uuid[37]; /* NUL-terminated */
    int lock_fd;   /* held for the process's life; -1: none */
};

/** Finds the id for a process whose state is in `dir` (which exists).
 *  instance_id: group.instance.id, or NULL. Errors: WEIR_E_IO, WEIR_E_NOSPACE.
 */
WEIR_MUST_CHECK enum weir_status wr_process_id_open(struct wr_process_id *out,
                                                    const char *dir,
                                                    const char *instance_id,
                                                    struct weir_error *err);
void wr_process_id_close(struct wr_process_id *id);

#endif
