/* SPDX-License-Identifier: Apache-2.0
 *
 * The number of a pool on its state.dir, which its workers' names in the group
 * are made of: the lowest that no other pool has. */
#ifndef WEIR_CLI_POOL_NUMBER_H
#define WEIR_CLI_POOL_NUMBER_H

#include "base/bytes.h"

#define WR_POOLS_MAX 256 /* on one state.dir */

/** Takes a number, from 1. The supervisor and all children that it forks
 * afterwards hold it, until the last of them has ended. A number whose
 * supervisor was killed is waited for while its children end, so that a pool
 * that is started again at once has the names, ports and folders it had; a stop
 * signal (blocked by the caller, see wr_supervised_signals) ends the wait.
 *  @param patience_ms  how long such children may take; then the next number
 *                      is taken
 *  @param[out] out_fd  keep it open as long as the pool lives
 *  Errors: WEIR_E_LOCKED (all are taken), WEIR_E_CLOSED (a signal), WEIR_E_IO.
 */
WEIR_MUST_CHECK enum weir_status
wr_pool_number_take(const char *state_dir, int64_t patience_ms, int *out_number,
                    int *out_fd, struct weir_error *err);

#endif
