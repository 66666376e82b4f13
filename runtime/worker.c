/* SPDX-License-Identifier: Apache-2.0
 *
 * A stream thread. It owns a consumer, a producer and the tasks that the group
 * gives it; nobody else touches them. Its life is a row of sessions, each a
 * membership in the group from joining to leaving; a fenced thread ends its
 * session without committing and begins another. A session is a row of turns:
 *
 *   poll -> bring tasks on their way -> process -> punctuate -> commit -> mail
 *
 * A commit is due every commit.interval.ms, when a task asks for it, and when
 * the input has run dry: nothing came for a moment and nothing waits. Dry
 * commits keep a distance of a few times what the last one cost, so that a
 * trickle of records does not turn into a stream of commits.
 *
 * Threads: the loop is the stream thread; stop, get and tasks are called by
 * others and touch only what worker_state.h lists as shared. */
#include "runtime/worker_state.h"

#include "base/clock.h"
#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define INIT_SLICE_MS     500 /* one try to register the transactional id */
#define PROCESS_SLICE     256 /* records of a task between looks at its cache */
#define PROCESS_TIME_MS   50  /* of all tasks in a turn */
#define DRY_GAP_MIN_MS    2
#define DRY_GAP_COSTS     2 /* dry commits take at most a third of the time */
#define SNAPSHOT_EVERY_MS 250
#define RESTORE_KEEP_MS   3000  /* the restore client outlives its work */
#define LOOK_AFTER_MS     2000  /* who lives has mostly passed its tasks on */
#define LOOK_AGAIN_MS     10000 /* by then even one with much work at hand */

/* ---- the consumer's events ---------------------------------------------- */

static void on_record(void *user, void *tag, const struct wr_input *in)
{
    struct wr_worker *worker = user;
    struct wr_worker_input *input = tag;
    if (in->offset < input->position) {
        /* had already: a rebalance may rewind the client by a record */
        wr_consumer_release(NULL, in->owner);
        return;
    }
    if (worker->failure.status != WEIR_OK ||
        wr_task_enqueue(input->owner->task, input->index, in) != WEIR_OK) {
        /* the loop goes back to the last commit, or ends */
        wr_consumer_release(NULL, in->owner);
        if (worker->failure.status == WEIR_OK) {
            (void)weir_fail(&worker->failure, WEIR_E_NOMEM,
                            "records of '%s': out of memory", input->topic);
        }
        return;
    }
    input->position = in->offset + 1;
    input->at_end = false;
}

static void on_end(void *user, void *tag, int64_t offset)
{
    (void)user;
    struct wr_worker_input *input = tag;
    if (offset >= input->position) {
        input->position = offset;
        input->at_end = true;
        input->owner->moved |= offset != input->committed;
    }
}

static void on_out_of_range(void *user, void *tag)
{
    struct wr_worker *worker = user;
    struct weir_error err;
    enum weir_status status = wr_worker_reset_input(worker, tag, &err);
    if (status != WEIR_OK && worker->failure.status == WEIR_OK) {
        worker->failure = err;
        worker->failure.status = status;
        worker->failure_step = WR_STEP_OTHER;
    }
}

/* How much of the thread's work a failure ends: nothing, this commit interval,
 * the membership, everything. */
static int gravity(enum weir_status status)
{
    switch (weir_status_class(status)) {
    case WEIR_CLASS_OK:
    case WEIR_CLASS_RETRY:
        return 0;
    case WEIR_CLASS_ABORT:
        return 1;
    case WEIR_CLASS_FENCED:
        return 2;
    case WEIR_CLASS_SKIP:
    case WEIR_CLASS_FATAL:
    case WEIR_CLASS_CALLER:
        return 3;
    }
    return 3;
}

/* Several may come with one poll: tasks are lost, and then the client. A grave
 * one must not be hidden by one that the loop survives. */
static void on_problem(void *user, void *tag, const struct weir_error *err)
{
    struct wr_worker *worker = user;
    (void)tag;
    if (gravity(err->status) == 0) {
        wr_log(WR_WARN, "worker", "waiting", "thread=%s reason=\"%s\"",
               worker->name, err->text);
    } else if (gravity(err->status) > gravity(worker->failure.status)) {
        worker->failure = *err;
        worker->failure_step = WR_STEP_OTHER;
    }
}

static void on_given(void *user, const int32_t *partitions, size_t count)
{
    struct wr_worker *worker = user;
    if (worker->look_ms == 0) {
        worker->look_ms = wr_mono_ms() + LOOK_AFTER_MS;
    }
    wr_placement_given(&worker->placement, partitions, count);
}

static void on_revoked(void *user, const int32_t *partitions, size_t count,
                       bool lost)
{
    struct wr_worker *worker = user;
    wr_placement_revoked(&worker->placement, partitions, count, lost);
}

/* ---- session: begin and end --------------------------------------------- */

static int32_t partition_count(void *user, const char *topic)
{
    const struct wr_worker *worker = user;
    return wr_cluster_topics_partitions(worker->env->topics, topic);
}

static int64_t wall_ms(void *user)
{
    (void)user;
    return wr_wall_ms();
}

static bool plan_has_changelog(const struct wr_plan *plan)
{
    for (size_t i = 0; i < plan->subtopology_count; i++) {
        const struct wr_subtopology *sub = &plan->subtopologies[i];
        for (size_t k = 0; k < sub->store_count; k++) {
            if (sub->stores[k].changelog) {
                return true;
            }
        }
    }
    return false;
}

static enum weir_status open_consumer(struct wr_worker *worker,
                                      struct weir_error *err)
{
    const struct wr_options *options = worker->env->options;
    const char *server = wr_options_text(options, "application.server");
    char client_id[sizeof(worker->name) + 300];
    (void)snprintf(client_id, sizeof(client_id), "%s-consumer%s%s",
                   worker->name, server ? "@" : "", server ? server : "");
    struct wr_consumer_spec spec = {
        .kind = WR_CLIENT_CONSUMER,
        .options = options,
        .client_id = client_id,
        .instance_id = worker->instance_id[0] ? worker->instance_id : NULL,
        .events = {.given = on_given,
                   .revoked = on_revoked,
                   .record = on_record,
                   .end = on_end,
                   .out_of_range = on_out_of_range,
                   .problem = on_problem,
                   .user = worker}};
    return wr_consumer_new(&spec, &worker->consumer, err);
}

static enum weir_status open_producer(struct wr_worker *worker,
                                      struct weir_error *err)
{
    char client_id[sizeof(worker->name) + 20];
    (void)snprintf(client_id, sizeof(client_id), "%s-producer", worker->name);
    struct wr_producer_spec spec = {
        .options = worker->env->options,
        .client_id = client_id,
        .transactional_id =
            worker->exactly_once ? worker->transactional_id : NULL,
        .dropped = wr_metric_get(
            worker->env->metrics, WR_COUNTER, "weir_records_dropped_total",
            "reason=\"production\"", "Records left out on purpose, by reason"),
        .partition_count = partition_count,
        .user = worker};
    enum weir_status status = wr_producer_new(&spec, &worker->producer, err);
    if (status == WEIR_OK) {
        size_t slots =
            (size_t)worker->env->layout->total * worker->stores_max + 1;
        status = wr_producer_slots(worker->producer, slots);
    }
    return status;
}

static enum weir_status open_clients(struct wr_worker *worker,
                                     struct weir_error *err)
{
    char client_id[sizeof(worker->name) + 20];
    (void)snprintf(client_id, sizeof(client_id), "%s-restore-consumer",
                   worker->name);
    enum weir_status status = open_consumer(worker, err);
    if (status == WEIR_OK) {
        status = open_producer(worker, err);
    }
    if (status == WEIR_OK && plan_has_changelog(worker->env->plan)) {
        status = wr_restore_new(worker->env->options, client_id,
                                &worker->restore, err);
    }
    if (status == WEIR_OK) {
        worker->task_env.collector = wr_producer_collector(worker->producer);
        (void)pthread_mutex_lock(&worker->lock);
        worker->wakeable = worker->consumer;
        (void)pthread_mutex_unlock(&worker->lock);
    }
    return status;
}

static void close_clients(struct wr_worker *worker)
{
    (void)pthread_mutex_lock(&worker->lock);
    worker->wakeable = NULL;
    (void)pthread_mutex_unlock(&worker->lock);
    wr_restore_free(worker->restore);
    worker->restore = NULL;
    if ((worker->leaves || atomic_load(&worker->leaving)) &&
        !wr_consumer_leave(worker->consumer)) {
        wr_log(WR_DEBUG, "worker", "did not leave", "thread=%s", worker->name);
    }
    wr_consumer_free(worker->consumer);
    worker->consumer = NULL;
    wr_producer_free(worker->producer);
    worker->producer = NULL;
}

/* Sleeps before the next try; false when there must not be one. */
static bool pause_after(struct wr_worker *worker, enum weir_status status,
                        enum wr_step step, const struct weir_error *err)
{
    int64_t timeout = wr_options_int(worker->env->options, "task.timeout.ms");
    enum wr_action action = wr_failure_action(status, step);
    if ((action != WR_TRY_AGAIN && action != WR_REJOIN) ||
        atomic_load(&worker->stopping) ||
        !wr_patience_failed(&worker->patience, wr_mono_ms(), timeout)) {
        return false;
    }
    wr_log(WR_WARN, "worker", action == WR_REJOIN ? "rejoining" : "waiting",
           "thread=%s reason=\"%s\"", worker->name, err->text);
    int64_t ms = worker->patience.pause_ms;
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
    return true;
}

/* Joining begins before the transactional id is registered: the group's round
 * trips and the transaction coordinator's overlap. */
static enum weir_status join(struct wr_worker *worker, struct weir_error *err)
{
    enum weir_status status =
        wr_placement_join(&worker->placement, worker->consumer, err);
    while (status == WEIR_OK && !atomic_load(&worker->stopping)) {
        status = wr_producer_init(worker->producer, INIT_SLICE_MS, err);
        if (status == WEIR_OK) {
            wr_patience_succeeded(&worker->patience);
            break;
        }
        if (pause_after(worker, status, WR_STEP_OTHER, err)) {
            status = WEIR_OK;
        }
    }
    return status;
}

/* ---- session: turns ----------------------------------------------------- */

/* Tells a task with several inputs what the broker still holds for the empty
 * ones. */
static void update_lags(struct wr_worker *worker, struct wr_worker_task *t)
{
    for (size_t i = 0; t->input_count > 1 && i < t->input_count; i++) {
        struct wr_worker_input *input = &t->inputs[i];
        if (input->absent || wr_task_queued(t->task, (int)i) > 0) {
            continue;
        }
        int64_t lag = 0;
        if (!input->at_end) {
            int64_t end = wr_consumer_end_offset(worker->consumer, input->topic,
                                                 input->partition);
            lag = end < 0 || input->position < 0 ? -1
                  : end > input->position        ? end - input->position
                                                 : 0;
        }
        wr_task_set_lag(t->task, (int)i, lag);
    }
}

/* Stops reading inputs of which too much waits, and goes on once it is gone. */
static void hold_back(struct wr_worker *worker, struct wr_worker_task *t)
{
    size_t max = (size_t)wr_options_int(worker->env->options,
                                        "buffered.records.per.partition");
    for (size_t i = 0; i < t->input_count; i++) {
        struct wr_worker_input *input = &t->inputs[i];
        size_t queued = wr_task_queued(t->task, (int)i);
        if (input->assigned && !input->paused && queued > max) {
            wr_consumer_pause(worker->consumer, input->topic, input->partition,
                              true);
            input->paused = true;
        } else if (input->paused && queued <= max / 2) {
            wr_consumer_pause(worker->consumer, input->topic, input->partition,
                              false);
            input->paused = false;
        }
    }
}

static enum weir_status run_task(struct wr_worker *worker,
                                 struct wr_worker_task *t, int64_t now_ms,
                                 int64_t until_ms, size_t *io_done,
                                 struct weir_error *err)
{
    enum weir_status status = WEIR_OK;
    size_t done = 0;
    if (wr_task_queued_all(t->task) > 0) {
        update_lags(worker, t);
        do {
            status = wr_task_process(t->task, PROCESS_SLICE, now_ms, until_ms,
                                     &done, err);
            *io_done += done;
        } while (status == WEIR_OK && done == PROCESS_SLICE &&
                 wr_mono_coarse_ms() < until_ms);
        hold_back(worker, t);
    }
    if (status == WEIR_OK && now_ms >= wr_task_next_punctuation_ms(t->task)) {
        status = wr_task_punctuate(t->task, now_ms, err);
    }
    return status;
}

/* The tasks share the time of a turn, however slow a record is: the group, the
 * commit and a stop wait no longer than that and one record. Who got no share
 * comes first in the next turn. */
static enum weir_status run_tasks(struct wr_worker *worker, size_t *out_done,
                                  struct weir_error *err)
{
    enum weir_status status = WEIR_OK;
    int64_t now_ms = wr_wall_ms();
    int64_t mono_ms = wr_mono_ms();
    int64_t until_ms = mono_ms + PROCESS_TIME_MS;
    size_t count = worker->task_count;
    size_t first = worker->first_task;
    *out_done = 0;
    for (size_t k = 0; k < count && status == WEIR_OK; k++) {
        struct wr_worker_task *t = worker->tasks[(first + k) % count];
        if (t->step == WR_STEP_RUN) {
            int64_t share_ms = (until_ms - mono_ms) / (int64_t)(count - k);
            status =
                run_task(worker, t, now_ms, mono_ms + share_ms, out_done, err);
            mono_ms = wr_mono_coarse_ms();
        }
        if (mono_ms >= until_ms) {
            worker->first_task = (first + k + 1) % count;
            break;
        }
    }
    return status;
}

static int64_t dry_gap_ms(const struct wr_worker *worker)
{
    int64_t gap = worker->commit_cost_ms * DRY_GAP_COSTS;
    return gap > DRY_GAP_MIN_MS ? gap : DRY_GAP_MIN_MS;
}

static bool commit_is_due(const struct wr_worker *worker, bool dry)
{
    int64_t since = wr_mono_ms() - worker->commit_last_ms;
    if (since >= worker->commit_interval_ms ||
        (dry && since >= dry_gap_ms(worker))) {
        return wr_commit_is_needed(worker);
    }
    for (size_t i = 0; i < worker->task_count; i++) {
        const struct wr_worker_task *t = worker->tasks[i];
        if (t->step == WR_STEP_RUN && wr_task_wants_commit(t->task)) {
            return true;
        }
    }
    return false;
}

/* How long the next poll may wait: 0 while there is something to do. */
static int next_wait_ms(const struct wr_worker *worker, bool busy)
{
    if (busy || worker->unready > 0 || atomic_load(&worker->has_mail)) {
        return 0;
    }
    int64_t wait = wr_options_int(worker->env->options, "poll.ms");
    int64_t now_ms = wr_wall_ms();
    for (size_t i = 0; i < worker->task_count; i++) {
        int64_t due = wr_task_next_punctuation_ms(worker->tasks[i]->task);
        if (due != INT64_MAX && due - now_ms < wait) {
            wait = due - now_ms;
        }
    }
    if (wr_commit_is_needed(worker)) {
        int64_t left =
            worker->commit_last_ms + dry_gap_ms(worker) - wr_mono_ms();
        wait = left < wait ? left : wait;
    }
    return wait < 1 ? 1 : (int)wait;
}

/* A member of a name that the group knows makes sure, once it was given its
 * tasks, that every task has an owner; see placement.h. */
static void expect_owners(struct wr_worker *worker)
{
    const char *group = worker->env->plan->application_id;
    bool returns = worker->instance_id[0] &&
                   wr_placement_returns(&worker->placement, worker->env->admin,
                                        group, worker->instance_id);
    worker->look_ms = returns ? 0 : INT64_MAX;
    worker->leaves = false;
    worker->unowned = 0;
}

/* Tasks are without an owner for a moment in every rebalance, as long as their
 * former one takes to commit; so this looks twice. */
static void look_for_owners(struct wr_worker *worker, int64_t now_ms)
{
    struct weir_error err;
    int32_t unowned = 0;
    enum weir_status status =
        wr_placement_unowned(&worker->placement, worker->env->admin,
                             worker->env->plan->application_id, &unowned, &err);
    if (status != WEIR_OK || unowned < 0) {
        worker->look_ms = now_ms + LOOK_AFTER_MS;
        return;
    }
    if (unowned > 0 && unowned != worker->unowned) {
        worker->unowned = unowned;
        worker->look_ms = now_ms + LOOK_AGAIN_MS;
        return;
    }
    worker->look_ms = INT64_MAX;
    worker->leaves = unowned > 0;
    if (worker->leaves) {
        wr_log(WR_WARN, "worker", "rejoining",
               "thread=%s reason=\"%d of %d tasks have no owner: a member died "
               "while it passed them on\"",
               worker->name, (int)unowned, (int)worker->env->layout->total);
    }
}

static void housekeeping(struct wr_worker *worker)
{
    int64_t now = wr_mono_ms();
    int64_t purge =
        wr_options_int(worker->env->options, "repartition.purge.interval.ms");
    wr_mailbox_serve(worker);
    if (now - worker->purge_last_ms >= purge) {
        wr_commit_purge(worker);
        worker->purge_last_ms = now;
    }
    if (now - worker->snapshot_last_ms >= SNAPSHOT_EVERY_MS) {
        wr_worker_snapshot(worker);
    }
    if (worker->look_ms > 0 && now >= worker->look_ms) {
        look_for_owners(worker, now);
    }
    if (worker->unready > 0) {
        worker->restore_last_ms = now;
    } else if (worker->restore &&
               now - worker->restore_last_ms >= RESTORE_KEEP_MS) {
        wr_restore_free(worker->restore);
        worker->restore = NULL;
    }
}

/* One turn. *io_busy: the last turn had something to do, and whether this one
 * had. On failure *out_step says where. */
static enum weir_status turn(struct wr_worker *worker, bool *io_busy,
                             enum wr_step *out_step, struct weir_error *err)
{
    bool progress = false;
    size_t done = 0;
    size_t max =
        (size_t)wr_options_int(worker->env->options, "max.poll.records");
    int wait = next_wait_ms(worker, *io_busy);
    wr_consumer_poll(worker->consumer, wait, max, &worker->polled);
    if (worker->failure.status != WEIR_OK) {
        enum weir_status status = worker->failure.status;
        *err = worker->failure;
        *out_step = worker->failure_step;
        worker->failure.status = WEIR_OK;
        return status;
    }
    enum weir_status status = WEIR_OK;
    if (worker->damaged) {
        *out_step = WR_STEP_COMMIT;
        status = wr_worker_mend(worker, err);
    }
    if (status == WEIR_OK && worker->unready > 0) {
        *out_step = WR_STEP_OTHER;
        status = wr_worker_advance(worker, &progress, err);
    }
    if (status == WEIR_OK) {
        *out_step = WR_STEP_PROCESS;
        status = run_tasks(worker, &done, err);
    }
    if (status == WEIR_OK) {
        status = wr_producer_poll(worker->producer, err);
    }
    bool dry = wait > 0 && worker->polled == 0 && done == 0;
    if (status == WEIR_OK && commit_is_due(worker, dry)) {
        *out_step = WR_STEP_COMMIT;
        status = wr_commit(worker, err);
    }
    housekeeping(worker);
    *io_busy = worker->polled > 0 || done > 0 || progress;
    return status;
}

static enum weir_status run_turns(struct wr_worker *worker,
                                  struct weir_error *err)
{
    bool busy = true;
    enum weir_status status = WEIR_OK;
    while (status == WEIR_OK && !worker->leaves &&
           !atomic_load(&worker->stopping)) {
        enum wr_step step = WR_STEP_OTHER;
        status = turn(worker, &busy, &step, err);
        if (wr_failure_action(status, step) == WR_ABORT) {
            wr_log(WR_WARN, "worker", "aborting", "thread=%s reason=\"%s\"",
                   worker->name, err->text);
            status = wr_abort(worker, err);
            busy = true;
        }
    }
    return status;
}

/* Drops what is not committed, as far as that takes the broker. */
static void abandon(struct wr_worker *worker, enum weir_status why)
{
    struct weir_error err;
    if (weir_status_class(why) != WEIR_CLASS_FENCED &&
        wr_producer_abort(worker->producer, &err) != WEIR_OK) {
        wr_log(WR_DEBUG, "worker", "abort", "reason=\"%s\"", err.text);
    }
}

/* From joining the group to leaving it. */
static enum weir_status session(struct wr_worker *worker,
                                struct weir_error *err)
{
    enum weir_status status = open_clients(worker, err);
    if (status == WEIR_OK && !worker->env->may_join(worker->env->user)) {
        atomic_store(&worker->stopping, true);
    } else if (status == WEIR_OK) {
        worker->commit_last_ms = wr_mono_ms();
        worker->purge_last_ms = worker->commit_last_ms;
        expect_owners(worker);
        status = join(worker, err);
        if (status == WEIR_OK) {
            status = run_turns(worker, err);
        }
    }
    bool refused = false;
    if (status == WEIR_OK && worker->producer) {
        status = wr_commit(worker, err);
        enum wr_action action = wr_failure_action(status, WR_STEP_COMMIT);
        refused = action == WR_ABORT || action == WR_REJOIN;
    }
    bool clean = status == WEIR_OK;
    if (worker->producer && !clean) {
        abandon(worker, status);
    }
    if (refused) { /* nothing is lost: the next owner does it again */
        wr_log(WR_WARN, "worker", "aborting", "thread=%s reason=\"%s\"",
               worker->name, err->text);
        status = WEIR_OK;
    }
    if (worker->consumer) {
        wr_worker_close_all(worker, clean);
        close_clients(worker);
    }
    worker->failure.status = WEIR_OK;
    return status;
}

static void *worker_main(void *arg)
{
    struct wr_worker *worker = arg;
    struct weir_error err = {.status = WEIR_OK};
    const struct weir_thread_hook *hook = wr_plan_hook(worker->env->plan);
    enum weir_status status = WEIR_OK;
    if (hook && hook->start) {
        status = hook->start(hook->user, &worker->thread_state, &err);
        worker->task_env.thread_state = worker->thread_state;
    }
    while (status == WEIR_OK && !atomic_load(&worker->stopping)) {
        status = session(worker, &err);
        if (status != WEIR_OK &&
            pause_after(worker, status, WR_STEP_OTHER, &err)) {
            status = WEIR_OK;
        }
    }
    wr_mailbox_close(worker);
    if (hook && hook->stop && worker->thread_state) {
        hook->stop(worker->thread_state);
    }
    if (status != WEIR_OK) {
        (void)weir_fail_prefix(&err, status, "thread %d", worker->index);
        worker->env->failed(worker->env->user, &err);
    }
    return NULL;
}

/* ---- from outside ------------------------------------------------------- */

static void fill_names(struct wr_worker *worker)
{
    const struct wr_options *options = worker->env->options;
    const char *instance = wr_options_text(options, "group.instance.id");
    const char *id = wr_options_text(options, "application.id");
    (void)snprintf(worker->name, sizeof(worker->name), "%s-StreamThread-%d",
                   worker->env->client_base, worker->index);
    (void)snprintf(worker->transactional_id, sizeof(worker->transactional_id),
                   "%s-%s-%d", id, worker->env->process_uuid, worker->index);
    if (instance) {
        (void)snprintf(worker->instance_id, sizeof(worker->instance_id),
                       "%s-%d", instance, worker->index);
    }
}

static void fill_metrics(struct wr_worker *worker)
{
    char labels[32];
    struct wr_metrics *m = worker->env->metrics;
    (void)snprintf(labels, sizeof(labels), "thread=\"%d\"", worker->index);
    worker->commits = wr_metric_get(m, WR_COUNTER, "weir_commits_total", labels,
                                    "Commits of a stream thread");
    worker->commit_time = wr_metric_get(m, WR_HISTOGRAM, "weir_commit_seconds",
                                        labels, "How long commits took");
    worker->aborts = wr_metric_get(m, WR_COUNTER, "weir_aborts_total", labels,
                                   "Times that a thread went back to its last "
                                   "commit");
    worker->rebalances =
        wr_metric_get(m, WR_COUNTER, "weir_rebalances_total", labels,
                      "Times that the group gave tasks to a thread");
}

static enum weir_status start_thread(struct wr_worker *worker,
                                     struct weir_error *err)
{
    sigset_t all;
    sigset_t before;
    pthread_condattr_t attr;
    (void)pthread_mutex_init(&worker->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&worker->answered, &attr);
    (void)pthread_condattr_destroy(&attr);
    /* signals are the program's business, on its own threads */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&worker->thread, NULL, worker_main, worker);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        return weir_fail(err, WEIR_E_NOMEM,
                         "a stream thread cannot be started (error %d)",
                         failed);
    }
    return WEIR_OK;
}

enum weir_status wr_worker_start(const struct wr_worker_env *env, int index,
                                 struct wr_worker **out, struct weir_error *err)
{
    struct wr_worker *worker = calloc(1, sizeof(*worker));
    if (!worker) {
        return weir_fail(err, WEIR_E_NOMEM, "thread %d: out of memory", index);
    }
    worker->env = env;
    worker->index = index;
    worker->exactly_once = wr_config_exactly_once(env->options);
    worker->commit_interval_ms = wr_config_commit_interval_ms(env->options);
    for (size_t i = 0; i < env->plan->subtopology_count; i++) {
        size_t n = env->plan->subtopologies[i].store_count;
        worker->stores_max = n > worker->stores_max ? n : worker->stores_max;
    }
    worker->placement = (struct wr_placement){.layout = env->layout,
                                              .anchor = env->anchor,
                                              .given = wr_worker_given,
                                              .revoked = wr_worker_revoked,
                                              .user = worker};
    worker->task_env = (struct wr_task_env){
        .application_id = wr_options_text(env->options, "application.id"),
        .state_dir = env->state_dir,
        .options = env->options,
        .stores = env->stores,
        .metrics = env->metrics,
        .release = wr_consumer_release,
        .user = worker,
        .wall_ms = wall_ms,
        .exactly_once = worker->exactly_once};
    fill_names(worker);
    fill_metrics(worker);
    enum weir_status status = start_thread(worker, err);
    if (status != WEIR_OK) {
        free(worker);
        return status;
    }
    *out = worker;
    return WEIR_OK;
}

void wr_worker_stop(struct wr_worker *worker, bool leave)
{
    atomic_store(&worker->leaving, leave);
    atomic_store(&worker->stopping, true);
    (void)pthread_mutex_lock(&worker->lock);
    if (worker->wakeable) {
        wr_consumer_wake(worker->wakeable);
    }
    (void)pthread_mutex_unlock(&worker->lock);
}

void wr_worker_join(struct wr_worker *worker)
{
    (void)pthread_join(worker->thread, NULL);
}

void wr_worker_free(struct wr_worker *worker)
{
    if (worker) {
        (void)pthread_cond_destroy(&worker->answered);
        (void)pthread_mutex_destroy(&worker->lock);
        free(worker->infos);
        free(worker->tasks);
        free(worker);
    }
}

void wr_worker_tasks(struct wr_worker *worker, struct wr_task_info *out,
                     size_t max, size_t *count)
{
    (void)pthread_mutex_lock(&worker->lock);
    for (size_t i = 0; i < worker->info_count; i++) {
        if (*count < max) {
            out[*count] = worker->infos[i];
        }
        (*count)++;
    }
    (void)pthread_mutex_unlock(&worker->lock);
}

bool wr_worker_find_task(struct wr_worker *worker, int subtopology,
                         int32_t partition, struct wr_task_info *out)
{
    bool found = false;
    (void)pthread_mutex_lock(&worker->lock);
    for (size_t i = 0; i < worker->info_count && !found; i++) {
        const struct wr_task_info *info = &worker->infos[i];
        if (info->subtopology == subtopology && info->partition == partition) {
            *out = *info;
            found = true;
        }
    }
    (void)pthread_mutex_unlock(&worker->lock);
    return found;
}

bool wr_worker_placed(const struct wr_worker *worker)
{
    return atomic_load(&worker->placed);
}

bool wr_worker_ready(const struct wr_worker *worker)
{
    return atomic_load(&worker->ready);
}
