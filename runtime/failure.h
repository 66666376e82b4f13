/* SPDX-License-Identifier: Apache-2.0
 *
 * What a stream thread does about a failure: the one place where the class of a
 * status becomes an action. Pure; thread: any. */
#ifndef WEIR_RUNTIME_FAILURE_H
#define WEIR_RUNTIME_FAILURE_H

#include "weir/types.h"

#include <stdbool.h>

enum wr_action {
    WR_GO_ON,     /* nothing happened */
    WR_TRY_AGAIN, /* the same step, after a pause; not for ever */
    WR_ABORT,     /* drop what is uncommitted, go back to the last commit */
    WR_REJOIN,    /* give up every task unclean, begin anew as a new member */
    WR_STOP       /* end the application with the error */
};

/** Where the failure happened: half a processed record cannot be tried again.
 */
enum wr_step {
    WR_STEP_PROCESS,
    WR_STEP_COMMIT,
    WR_STEP_RESTORE,
    WR_STEP_OTHER
};

/** What to do about a failure of that status in that step. */
enum wr_action wr_failure_action(enum weir_status status, enum wr_step step);

/** How long something has failed without a success between; zero-initialised.
 */
struct wr_patience {
    int64_t since_ms; /* first failure in a row; 0: none */
    int64_t pause_ms; /* before the next try; doubles up to 1 s */
};
/** Notes a failure at now_ms; false when it has lasted longer than timeout_ms.
 */
bool wr_patience_failed(struct wr_patience *patience, int64_t now_ms,
                        int64_t timeout_ms);
/** The row of failures has ended. */
void wr_patience_succeeded(struct wr_patience *patience);

#endif
