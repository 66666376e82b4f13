/* SPDX-License-Identifier: Apache-2.0
 *
 * A stream thread as the application sees it: start it, ask it something, stop
 * it. What it does is in worker.c; its insides, shared by the files that make
 * up a worker, are in worker_state.h. */
#ifndef WEIR_RUNTIME_WORKER_H
#define WEIR_RUNTIME_WORKER_H

#include "base/metrics.h"
#include "runtime/kafka_admin.h"
#include "runtime/layout.h"
#include "runtime/query.h"
#include "stores/store.h"

struct wr_worker;

/** What a worker borrows from its application; lives longer than it does. */
struct wr_worker_env {
    const struct wr_plan *plan;
    const struct wr_options *options;
    const struct wr_layout *layout;
    const struct wr_cluster_topics *topics; /* as found at the start */
    struct wr_store_env *stores;
    struct wr_metrics *metrics;
    struct wr_admin *admin;
    const char *anchor;      /* topic of the placement */
    const char *state_dir;   /* <state.dir>/<application.id> */
    const char *client_base; /* begins every client id */
    const char *process_uuid;
    /** Waits until the group may be joined; false: end instead. */
    bool (*may_join)(void *user);
    /** The thread ends for good, with err. */
    void (*failed)(void *user, const struct weir_error *err);
    void *user;
};

/** Starts thread `index` (from 1). *out is given: wr_worker_free after
 *  wr_worker_join. Errors: WEIR_E_NOMEM, WEIR_E_INTERNAL. */
WEIR_MUST_CHECK enum weir_status
wr_worker_start(const struct wr_worker_env *env, int index,
                struct wr_worker **out, struct weir_error *err);
/** Asks it to commit and end; leave: to leave its group too, which a static
 *  member does not by itself. Thread: any. */
void wr_worker_stop(struct wr_worker *worker, bool leave);
/** Waits until the thread has ended. */
void wr_worker_join(struct wr_worker *worker);
void wr_worker_free(struct wr_worker *worker);

/** Appends the rows of its tasks to out (room for max, *count used). Thread:
 * any.
 */
void wr_worker_tasks(struct wr_worker *worker, struct wr_task_info *out,
                     size_t max, size_t *count);
/** The row of one task; false when this thread does not have it. Thread: any.
 */
bool wr_worker_find_task(struct wr_worker *worker, int subtopology,
                         int32_t partition, struct wr_task_info *out);
/** Whether the group has given it a task yet. Thread: any. */
bool wr_worker_placed(const struct wr_worker *worker);
/** Whether every task it was given is running. Thread: any. */
bool wr_worker_ready(const struct wr_worker *worker);

/** A question about a key, for the thread that has the task. */
struct wr_worker_query {
    struct wr_task_id task;
    int store_index; /* in the task's sub-topology */
    struct weir_bytes key;
    int timeout_ms;
};
/** As wr_app_get. Errors: also WEIR_E_AGAIN when the task is not here. Thread:
 *  any. */
WEIR_MUST_CHECK enum weir_status
wr_worker_get(struct wr_worker *worker, const struct wr_worker_query *query,
              struct wr_query_answer *out, struct weir_error *err);

#endif
