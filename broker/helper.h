/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread that does one job after the other for the loop: syncs, checkpoints,
 * removals. Jobs finish in the order they were given; what a job holds belongs
 * to the thread from submit until take. */
#ifndef WEIR_BROKER_HELPER_H
#define WEIR_BROKER_HELPER_H

#include "weir/types.h"

struct wr_helper; /* the thread and its two queues */

/** Embedded at the start of a job's own struct. */
struct wr_helper_job {
    void (*run)(struct wr_helper_job *job); /* on the thread */
    struct wr_helper_job *next;             /* private */
};

/** Starts a thread called `name`. `wake` (may be NULL) is called on it after
 * each job. Errors: WEIR_E_NOMEM, WEIR_E_IO. */
WEIR_MUST_CHECK enum weir_status
wr_helper_start(const char *name, void (*wake)(void *arg), void *wake_arg,
                struct wr_helper **out, struct weir_error *err);
/** Finishes the jobs given so far and ends the thread. Those finished and not
 * taken must be taken before. NULL is fine. */
void wr_helper_stop(struct wr_helper *helper);
/** Gives a job. */
void wr_helper_submit(struct wr_helper *helper, struct wr_helper_job *job);
/** The next finished job, or NULL. */
struct wr_helper_job *wr_helper_take(struct wr_helper *helper);
/** Blocks until a finished job can be taken, or none is under way. */
void wr_helper_wait(struct wr_helper *helper);

#endif
