/* SPDX-License-Identifier: Apache-2.0
 *
 * The insides of a stream thread, for worker.c (the loop), worker_tasks.c
 * (tasks come and go), worker_commit.c (the one commit) and worker_mailbox.c
 * (questions). Everything is the thread's own but what stands under "shared".
 */
#ifndef WEIR_RUNTIME_WORKER_STATE_H
#define WEIR_RUNTIME_WORKER_STATE_H

#include "runtime/failure.h"
#include "runtime/kafka_producer.h"
#include "runtime/placement.h"
#include "runtime/restore.h"
#include "runtime/worker.h"

#include <pthread.h>
#include <stdatomic.h>

/** One input partition of a task. */
struct wr_worker_input {
    struct wr_worker_task *owner;
    int index; /* in the sub-topology */
    const char *topic;
    int32_t partition;
    bool absent;       /* the topic has no such partition */
    bool assigned;     /* the consumer reads it */
    bool paused;       /* too much waits already */
    bool at_end;       /* nothing more was there at the last look */
    int64_t position;  /* next offset to be delivered; -1: unknown */
    int64_t committed; /* next offset of the last commit; WR_OFFSET_NONE */
    int64_t start;     /* where reading began: an offset, _BEGIN or _END */
    int64_t purged;    /* repartition: records below are deleted */
};

enum wr_task_step {
    WR_STEP_OPEN,     /* to be made: its folder may still be locked */
    WR_STEP_CATCH_UP, /* stores are being restored */
    WR_STEP_BEGIN,    /* to be given its offsets and started */
    WR_STEP_RUN
};

struct wr_worker_task {
    struct wr_worker *worker;
    struct wr_task_id id;
    struct wr_task *task; /* NULL before it is made */
    enum wr_task_step step;
    struct wr_patience patience; /* of the step */
    int64_t try_at_ms;           /* not before */
    struct wr_worker_input *inputs;
    size_t input_count;
    struct wr_restore_entry *restores; /* by store with a changelog */
    size_t restore_count;
    int32_t slot_base;
    bool damaged; /* a query met damage in its base */
    bool
        moved; /* a position advanced past what is committed, without records */
};

struct wr_question;

struct wr_worker {
    const struct wr_worker_env *env;
    int index;
    pthread_t thread;
    bool exactly_once;
    char name[300];             /* <client>-StreamThread-<n> */
    char transactional_id[320]; /* "" without transactions */
    char instance_id[320];      /* "" for a dynamic member */
    void *thread_state;         /* of the topology's hook */
    struct wr_consumer *consumer;
    struct wr_producer *producer;
    struct wr_restore *restore; /* NULL when nothing needs it */
    struct wr_placement placement;
    struct wr_task_env task_env;
    struct wr_worker_task **tasks; /* in order of their ids */
    size_t task_count;
    size_t first_task; /* index of the one that begins the next turn */
    size_t stores_max; /* largest store count of a sub-topology */
    size_t unready;    /* tasks that do not run yet */
    bool damaged;      /* one of them is */
    /* a failure inside a callback of the consumer, for the loop to act on */
    struct weir_error failure;
    enum wr_step failure_step;
    /* time */
    int64_t commit_interval_ms;
    int64_t commit_last_ms;   /* monotonic: end of the last commit */
    int64_t commit_cost_ms;   /* how long it took */
    int64_t purge_last_ms;    /* monotonic */
    int64_t snapshot_last_ms; /* monotonic */
    int64_t restore_last_ms;  /* monotonic: last use of the restore client */
    int64_t look_ms;          /* monotonic: when to look for tasks that nobody
                                 has; 0: not known yet */
    int32_t unowned;          /* tasks that nobody had at the last look */
    bool leaves;              /* the session ends by leaving the group */
    struct wr_patience patience; /* of commits and rejoins */
    size_t polled;               /* records of the last poll */
    struct wr_metric *commits;
    struct wr_metric *commit_time;
    struct wr_metric *aborts;
    struct wr_metric *rebalances;
    /* ---- shared ---- */
    atomic_bool stopping;
    atomic_bool leaving; /* and is to leave the group even as a static member */
    atomic_bool placed;  /* was given tasks, maybe none, at least once */
    atomic_bool ready;   /* none of its tasks is on its way */
    atomic_bool has_mail;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t answered;
    struct wr_question *questions; /* a list, last first */
    bool closed;                   /* takes no questions any more */
    struct wr_task_info *infos;    /* snapshot */
    size_t info_count;
    struct wr_consumer *wakeable; /* consumer while it lives */
};

/* ---- worker_tasks.c ----------------------------------------------------- */

/** Placement's callbacks; `user` is the worker. */
void wr_worker_given(void *user, const struct wr_task_id *tasks, size_t count);
void wr_worker_revoked(void *user, const struct wr_task_id *tasks, size_t count,
                       bool lost);
/** Moves tasks on that do not run yet. *out_progress: something happened.
 *  Errors: those that cannot be waited out. */
WEIR_MUST_CHECK enum weir_status wr_worker_advance(struct wr_worker *worker,
                                                   bool *out_progress,
                                                   struct weir_error *err);
/** Commits, and opens the damaged tasks anew: their folders are set aside and
 * restored. Errors: of the commit; then they are damaged still. */
WEIR_MUST_CHECK enum weir_status wr_worker_mend(struct wr_worker *worker,
                                                struct weir_error *err);
/** Closes a task and stops reading for it. */
void wr_worker_task_close(struct wr_worker *worker, struct wr_worker_task *task,
                          bool clean);
void wr_worker_close_all(struct wr_worker *worker, bool clean);
/** The position of an input is gone: begins anew where its source says. */
WEIR_MUST_CHECK enum weir_status
wr_worker_reset_input(struct wr_worker *worker, struct wr_worker_input *input,
                      struct weir_error *err);
struct wr_worker_task *wr_worker_find(struct wr_worker *worker,
                                      struct wr_task_id id);
/** Publishes what the tasks are doing. */
void wr_worker_snapshot(struct wr_worker *worker);

/* ---- worker_commit.c ----------------------------------------------------- */

/** The one commit. Nothing to commit is fine. Errors: see failure.h. */
WEIR_MUST_CHECK enum weir_status wr_commit(struct wr_worker *worker,
                                           struct weir_error *err);
/** The opposite: what is uncommitted is dropped, reading goes on from the last
 *  commit. */
WEIR_MUST_CHECK enum weir_status wr_abort(struct wr_worker *worker,
                                          struct weir_error *err);
/** Whether a task has something to commit. */
bool wr_commit_is_needed(const struct wr_worker *worker);
/** Deletes committed records of repartition topics. */
void wr_commit_purge(struct wr_worker *worker);

/* ---- worker_mailbox.c ---------------------------------------------------- */

/** Answers the questions that wait. */
void wr_mailbox_serve(struct wr_worker *worker);
/** Refuses what waits and what will come. */
void wr_mailbox_close(struct wr_worker *worker);

#endif
