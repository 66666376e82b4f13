/* SPDX-License-Identifier: Apache-2.0
 *
 * Tasks come and go. A task that was given goes through
 *
 *   OPEN ---> CATCH_UP ---> BEGIN ---> RUN
 *   (folder,  (changelogs   (committed  (records)
 *    stores)   replayed)     offsets,
 *                            processors)
 *
 * one step at a time between polls, so that the others keep running and the
 * group keeps its member. Its inputs are read from RUN on only: nothing has to
 * be paused or held while it catches up. A step that fails for a reason that
 * passes (the folder is locked by the worker that had the task before) is tried
 * again until task.timeout.ms.
 *
 * A task in whose base a query met damage goes back to OPEN, which sets the
 * folder aside: an idle task would never meet it itself.
 *
 * A task that is revoked is committed together with all others of the thread
 * (they share the transaction) and closed inside the callback. When that commit
 * fails, the loop does the rest: until then arriving records are dropped. */
#include "runtime/worker_state.h"

#include "base/clock.h"
#include "base/log.h"
#include "runtime/offsets.h"

#include <stdio.h>
#include <stdlib.h>

#define COMMITTED_TIMEOUT_MS 2000
#define RESTORE_WAIT_MS      5
#define OPEN_SLICE_MS        5 /* begin no further task after that in a turn */

struct wr_worker_task *wr_worker_find(struct wr_worker *worker,
                                      struct wr_task_id id)
{
    for (size_t i = 0; i < worker->task_count; i++) {
        struct wr_worker_task *t = worker->tasks[i];
        if (t->id.subtopology == id.subtopology &&
            t->id.partition == id.partition) {
            return t;
        }
    }
    return NULL;
}

/* ---- given -------------------------------------------------------------- */

static void task_free(struct wr_worker_task *t)
{
    if (t) {
        free(t->inputs);
        free(t->restores);
        free(t);
    }
}

static struct wr_worker_task *task_make(struct wr_worker *worker,
                                        struct wr_task_id id)
{
    const struct wr_subtopology *sub =
        &worker->env->plan->subtopologies[id.subtopology];
    struct wr_worker_task *t = calloc(1, sizeof(*t));
    if (!t) {
        return NULL;
    }
    t->worker = worker;
    t->id = id;
    t->step = WR_STEP_OPEN;
    t->slot_base =
        wr_layout_anchor(worker->env->layout, id) * (int32_t)worker->stores_max;
    t->input_count = sub->input_count;
    t->inputs = calloc(sub->input_count + 1, sizeof(*t->inputs));
    t->restores = calloc(sub->store_count + 1, sizeof(*t->restores));
    if (!t->inputs || !t->restores) {
        task_free(t);
        return NULL;
    }
    for (size_t i = 0; i < sub->input_count; i++) {
        const char *topic = sub->inputs[i].name;
        t->inputs[i] = (struct wr_worker_input){
            .owner = t,
            .index = (int)i,
            .topic = topic,
            .partition = id.partition,
            .absent = id.partition >=
                      wr_cluster_topics_partitions(worker->env->topics, topic),
            .position = -1,
            .committed = WR_OFFSET_NONE};
    }
    return t;
}

static bool comes_before(struct wr_task_id a, struct wr_task_id b)
{
    return a.subtopology != b.subtopology ? a.subtopology < b.subtopology
                                          : a.partition < b.partition;
}

/* Keeps the tasks in the order of their ids: upstream ones first. */
static bool task_add(struct wr_worker *worker, struct wr_worker_task *t)
{
    struct wr_worker_task **tasks =
        realloc(worker->tasks,
                (worker->task_count + 1) * sizeof(struct wr_worker_task *));
    if (!tasks) {
        return false;
    }
    worker->tasks = tasks;
    size_t i = worker->task_count++;
    while (i > 0 && comes_before(t->id, tasks[i - 1]->id)) {
        tasks[i] = tasks[i - 1];
        i--;
    }
    tasks[i] = t;
    worker->unready++;
    return true;
}

void wr_worker_given(void *user, const struct wr_task_id *tasks, size_t count)
{
    struct wr_worker *worker = user;
    wr_metric_add(worker->rebalances, 1);
    for (size_t i = 0; i < count; i++) {
        if (wr_worker_find(worker, tasks[i])) {
            continue;
        }
        struct wr_worker_task *t = task_make(worker, tasks[i]);
        if (!t || !task_add(worker, t)) {
            task_free(t);
            (void)weir_fail(&worker->failure, WEIR_E_NOMEM,
                            "task %d_%d: out of memory", tasks[i].subtopology,
                            (int)tasks[i].partition);
            break;
        }
    }
    wr_log(WR_INFO, "worker", "tasks-given", "thread=%s given=%zu all=%zu",
           worker->name, count, worker->task_count);
    wr_worker_snapshot(worker);
    atomic_store(&worker->placed, true);
}

/* ---- revoked ------------------------------------------------------------ */

static void unassign_inputs(struct wr_worker *worker, struct wr_worker_task *t)
{
    for (size_t i = 0; i < t->input_count; i++) {
        struct wr_worker_input *input = &t->inputs[i];
        if (input->assigned) {
            struct wr_partition p = {.topic = input->topic,
                                     .partition = input->partition};
            wr_consumer_unassign(worker->consumer, &p, 1);
            input->assigned = false;
        }
    }
}

static void drop_restores(struct wr_worker *worker, struct wr_worker_task *t)
{
    for (size_t i = 0; i < t->restore_count; i++) {
        if (!t->restores[i].done && worker->restore) {
            wr_restore_drop(worker->restore, &t->restores[i]);
        }
    }
    t->restore_count = 0;
}

void wr_worker_task_close(struct wr_worker *worker, struct wr_worker_task *t,
                          bool clean)
{
    size_t i = 0;
    while (i < worker->task_count && worker->tasks[i] != t) {
        i++;
    }
    if (i == worker->task_count) {
        return;
    }
    memmove(worker->tasks + i, worker->tasks + i + 1,
            (worker->task_count - i - 1) * sizeof(struct wr_worker_task *));
    worker->task_count--;
    worker->unready -= t->step != WR_STEP_RUN;
    unassign_inputs(worker, t);
    drop_restores(worker, t);
    wr_task_close(t->task, clean);
    task_free(t);
}

void wr_worker_close_all(struct wr_worker *worker, bool clean)
{
    while (worker->task_count > 0) {
        wr_worker_task_close(worker, worker->tasks[worker->task_count - 1],
                             clean);
    }
    wr_worker_snapshot(worker);
}

void wr_worker_revoked(void *user, const struct wr_task_id *tasks, size_t count,
                       bool lost)
{
    struct wr_worker *worker = user;
    struct weir_error err = {.status = WEIR_OK};
    bool clean = !lost && worker->failure.status == WEIR_OK;
    size_t closed = 0;
    if (clean) {
        enum weir_status status = wr_commit(worker, &err);
        if (status != WEIR_OK) {
            worker->failure = err;
            worker->failure.status = status;
            worker->failure_step = WR_STEP_COMMIT;
            clean = false;
        }
    } else if (lost && worker->failure.status == WEIR_OK &&
               worker->task_count > 0) {
        (void)weir_fail(&worker->failure, WEIR_E_ABORT_TXN,
                        "the group gave the tasks of %s to others: it was not "
                        "heard of in time",
                        worker->name);
        worker->failure_step = WR_STEP_COMMIT;
    }
    for (size_t i = 0; i < count; i++) {
        struct wr_worker_task *t = wr_worker_find(worker, tasks[i]);
        if (t) {
            wr_worker_task_close(worker, t, clean);
            closed++;
        }
    }
    if (closed > 0) {
        wr_log(lost ? WR_WARN : WR_INFO, "worker",
               lost ? "tasks-lost" : "tasks-revoked",
               "thread=%s closed=%zu left=%zu", worker->name, closed,
               worker->task_count);
    }
    wr_worker_snapshot(worker);
}

/* ---- the steps ---------------------------------------------------------- */

/* Whether a failed step is to be tried again later. */
static bool postpone(struct wr_worker *worker, struct wr_worker_task *t,
                     enum weir_status status, const struct weir_error *err)
{
    int64_t now = wr_mono_ms();
    int64_t timeout = wr_options_int(worker->env->options, "task.timeout.ms");
    bool first = t->patience.since_ms == 0;
    if (wr_failure_action(status, WR_STEP_RESTORE) != WR_TRY_AGAIN ||
        !wr_patience_failed(&t->patience, now, timeout)) {
        return false;
    }
    t->try_at_ms = now + t->patience.pause_ms;
    wr_log(first ? WR_INFO : WR_DEBUG, "worker", "task-waits",
           "task=%d_%d reason=\"%s\"", t->id.subtopology, (int)t->id.partition,
           err->text);
    return true;
}

static enum weir_status begin_restores(struct wr_worker *worker,
                                       struct wr_worker_task *t,
                                       struct weir_error *err)
{
    const struct wr_subtopology *sub = wr_task_subtopology(t->task);
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < sub->store_count && status == WEIR_OK; i++) {
        if (!sub->stores[i].changelog) {
            continue;
        }
        if (!worker->restore) {
            char client_id[sizeof(worker->name) + 20];
            (void)snprintf(client_id, sizeof(client_id), "%s-restore-consumer",
                           worker->name);
            status = wr_restore_new(worker->env->options, client_id,
                                    &worker->restore, err);
        }
        if (status == WEIR_OK) {
            struct wr_restore_entry *entry = &t->restores[t->restore_count++];
            *entry =
                (struct wr_restore_entry){.state = wr_task_state(t->task),
                                          .store = (int)i,
                                          .topic = sub->stores[i].changelog,
                                          .partition = t->id.partition};
            status = wr_restore_add(worker->restore, entry, err);
        }
    }
    return status;
}

/* What became of a task's folder, for the operator. */
static void log_opened(const struct wr_worker_task *t, int64_t began_ns)
{
    const struct wr_task_state *state = wr_task_state(t->task);
    const char *rebuilt = state ? wr_task_state_rebuilt(state) : NULL;
    if (rebuilt) {
        wr_log(WR_WARN, "worker", "state-rebuilt", "task=%s reason=\"%s\"",
               wr_task_name(t->task), rebuilt);
    }
    wr_log(WR_DEBUG, "worker", "task-opened", "task=%s us=%lld",
           wr_task_name(t->task), (long long)(wr_mono_ns() - began_ns) / 1000);
}

static enum weir_status step_open(struct wr_worker *worker,
                                  struct wr_worker_task *t,
                                  struct weir_error *err)
{
    struct wr_task_env env = worker->task_env;
    int64_t began_ns = wr_mono_ns();
    env.changelog_slot_base = t->slot_base;
    env.cluster = worker->env->topics->cluster;
    enum weir_status status = wr_task_new(worker->env->plan, t->id.subtopology,
                                          t->id.partition, &env, &t->task, err);
    if (status != WEIR_OK) {
        t->task = NULL;
        return postpone(worker, t, status, err) ? WEIR_OK : status;
    }
    wr_patience_succeeded(&t->patience);
    wr_producer_slots_clear(worker->producer, (size_t)t->slot_base,
                            worker->stores_max);
    for (size_t i = 0; i < t->input_count; i++) {
        if (t->inputs[i].absent) {
            wr_task_set_absent(t->task, (int)i);
        }
    }
    t->step = WR_STEP_CATCH_UP;
    log_opened(t, began_ns);
    return begin_restores(worker, t, err);
}

/* Where an input without committed offset begins. */
static enum weir_status choose_start(struct wr_worker *worker,
                                     struct wr_worker_input *input,
                                     struct weir_error *err)
{
    const struct wr_plan *plan = worker->env->plan;
    const struct wr_input_topic *in =
        &plan->subtopologies[input->owner->id.subtopology].inputs[input->index];
    enum weir_offset_reset reset = plan->nodes[in->source]->source.reset;
    const char *option =
        wr_options_text(worker->env->options, "auto.offset.reset");
    if (reset == WEIR_RESET_DEFAULT && strcmp(option, "none") == 0 &&
        !in->repartition) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "topic '%s' partition %d: there is no committed "
                         "offset that exists, and auto.offset.reset=none; set "
                         "earliest or latest",
                         input->topic, (int)input->partition);
    }
    bool latest = reset == WEIR_RESET_LATEST || (reset == WEIR_RESET_DEFAULT &&
                                                 strcmp(option, "latest") == 0);
    input->start = latest && !in->repartition ? WR_OFFSET_END : WR_OFFSET_BEGIN;
    return WEIR_OK;
}

enum weir_status wr_worker_reset_input(struct wr_worker *worker,
                                       struct wr_worker_input *input,
                                       struct weir_error *err)
{
    enum weir_status status = choose_start(worker, input, err);
    if (status != WEIR_OK) {
        return status;
    }
    struct wr_partition p = {.topic = input->topic,
                             .partition = input->partition,
                             .offset = input->start,
                             .tag = input};
    wr_log(WR_WARN, "worker", "offset-reset",
           "topic=%s partition=%d offset=%lld to=%s", input->topic,
           (int)input->partition, (long long)input->position,
           input->start == WR_OFFSET_END ? "latest" : "earliest");
    input->committed = WR_OFFSET_NONE;
    input->position = -1;
    input->paused = false; /* a pause ends with the assignment */
    wr_consumer_unassign(worker->consumer, &p, 1);
    return wr_consumer_assign(worker->consumer, &p, 1, err);
}

/* ---- from committed offsets to running ---------------------------------- */

static size_t collect_begin(struct wr_worker *worker, int64_t now_ms,
                            struct wr_partition *out)
{
    size_t n = 0;
    for (size_t i = 0; i < worker->task_count; i++) {
        struct wr_worker_task *t = worker->tasks[i];
        if (t->step != WR_STEP_BEGIN || t->try_at_ms > now_ms) {
            continue;
        }
        for (size_t k = 0; k < t->input_count; k++) {
            if (!t->inputs[k].absent) {
                out[n++] =
                    (struct wr_partition){.topic = t->inputs[k].topic,
                                          .partition = t->inputs[k].partition,
                                          .offset = WR_OFFSET_NONE,
                                          .tag = &t->inputs[k]};
            }
        }
    }
    return n;
}

/* Notes the committed offset and turns the row into what is to be assigned. */
static enum weir_status take_committed(struct wr_worker *worker,
                                       struct wr_partition *p,
                                       struct weir_error *err)
{
    struct wr_worker_input *input = p->tag;
    input->committed = p->offset;
    wr_task_set_partition_time(input->owner->task, input->index,
                               wr_offset_metadata_time_ms(p->metadata));
    if (p->offset == WR_OFFSET_NONE) {
        enum weir_status status = choose_start(worker, input, err);
        if (status != WEIR_OK) {
            return status;
        }
        p->offset = input->start;
    } else {
        input->start = p->offset;
        input->position = p->offset;
        input->purged = p->offset;
    }
    input->assigned = true;
    return WEIR_OK;
}

static enum weir_status start_tasks(struct wr_worker *worker, int64_t now_ms,
                                    struct weir_error *err)
{
    for (size_t i = 0; i < worker->task_count; i++) {
        struct wr_worker_task *t = worker->tasks[i];
        if (t->step != WR_STEP_BEGIN || t->try_at_ms > now_ms) {
            continue;
        }
        enum weir_status status = wr_task_start(t->task, err);
        if (status != WEIR_OK) {
            return status;
        }
        wr_patience_succeeded(&t->patience);
        t->step = WR_STEP_RUN;
        worker->unready--;
    }
    return WEIR_OK;
}

static bool postpone_begin(struct wr_worker *worker, int64_t now_ms,
                           enum weir_status status,
                           const struct weir_error *err)
{
    bool all = true;
    for (size_t i = 0; i < worker->task_count; i++) {
        struct wr_worker_task *t = worker->tasks[i];
        if (t->step == WR_STEP_BEGIN && t->try_at_ms <= now_ms) {
            all = postpone(worker, t, status, err) && all;
        }
    }
    return all;
}

/* All tasks that may begin, with one question for their offsets. */
static enum weir_status step_begin(struct wr_worker *worker,
                                   struct weir_error *err)
{
    int64_t now_ms = wr_mono_ms();
    size_t max = 1;
    for (size_t i = 0; i < worker->task_count; i++) {
        max += worker->tasks[i]->input_count;
    }
    struct wr_partition *rows = calloc(max, sizeof(*rows));
    if (!rows) {
        return weir_fail(err, WEIR_E_NOMEM, "offsets: out of memory");
    }
    size_t count = collect_begin(worker, now_ms, rows);
    enum weir_status status =
        count == 0 ? WEIR_OK
                   : wr_consumer_committed(worker->consumer, rows, count,
                                           COMMITTED_TIMEOUT_MS, err);
    if (status != WEIR_OK) {
        free(rows);
        return postpone_begin(worker, now_ms, status, err) ? WEIR_OK : status;
    }
    for (size_t i = 0; i < count; i++) {
        if (status == WEIR_OK) {
            status = take_committed(worker, &rows[i], err);
        }
        free((char *)(uintptr_t)rows[i].metadata);
        rows[i].metadata = NULL;
    }
    if (status == WEIR_OK) {
        status = start_tasks(worker, now_ms, err);
    }
    if (status == WEIR_OK && count > 0) {
        status = wr_consumer_assign(worker->consumer, rows, count, err);
        wr_log(WR_DEBUG, "worker", "tasks-begun", "thread=%s inputs=%zu",
               worker->name, count);
    }
    free(rows);
    return status;
}

/* ---- damage ------------------------------------------------------------- */

/* Back to the first step, as if it had just been given. */
static void begin_anew(struct wr_worker *worker, struct wr_worker_task *t)
{
    const struct wr_task_state *state = wr_task_state(t->task);
    wr_log(WR_WARN, "worker", "state-damaged", "task=%s reason=\"%s\"",
           wr_task_name(t->task),
           state ? wr_task_state_error(state)->text : "");
    unassign_inputs(worker, t);
    drop_restores(worker, t);
    wr_task_close(t->task, false);
    t->task = NULL;
    worker->unready += t->step == WR_STEP_RUN;
    t->step = WR_STEP_OPEN;
    t->patience = (struct wr_patience){0, 0};
    t->try_at_ms = 0;
    t->damaged = false;
    t->moved = false;
    for (size_t i = 0; i < t->input_count; i++) {
        struct wr_worker_input *input = &t->inputs[i];
        input->paused = false;
        input->at_end = false;
        input->position = -1;
        input->committed = WR_OFFSET_NONE;
    }
}

enum weir_status wr_worker_mend(struct wr_worker *worker,
                                struct weir_error *err)
{
    enum weir_status status = wr_commit(worker, err);
    if (status != WEIR_OK) {
        return status;
    }
    worker->damaged = false;
    for (size_t i = 0; i < worker->task_count; i++) {
        struct wr_worker_task *t = worker->tasks[i];
        if (t->damaged && t->task) {
            begin_anew(worker, t);
        }
    }
    wr_worker_snapshot(worker);
    return WEIR_OK;
}

static bool restored(const struct wr_worker_task *t)
{
    for (size_t i = 0; i < t->restore_count; i++) {
        if (!t->restores[i].done) {
            return false;
        }
    }
    return true;
}

enum weir_status wr_worker_advance(struct wr_worker *worker, bool *out_progress,
                                   struct weir_error *err)
{
    int64_t now_ms = wr_mono_ms();
    enum weir_status status = WEIR_OK;
    size_t before = worker->unready;
    size_t replayed = 0;
    size_t catching_up = 0;
    size_t beginning = 0;
    size_t opening = 0;
    for (size_t i = 0; i < worker->task_count && status == WEIR_OK; i++) {
        struct wr_worker_task *t = worker->tasks[i];
        /* opening a folder takes long enough to let the others run between */
        if (t->step == WR_STEP_OPEN && t->try_at_ms <= now_ms &&
            wr_mono_ms() - now_ms < OPEN_SLICE_MS) {
            status = step_open(worker, t, err);
        }
        catching_up += t->step == WR_STEP_CATCH_UP && !restored(t);
        opening += t->step == WR_STEP_OPEN && t->try_at_ms <= now_ms;
    }
    if (status == WEIR_OK && catching_up > 0) {
        bool busy = worker->polled > 0 || opening > 0;
        int wait = busy ? 0 : RESTORE_WAIT_MS;
        status = wr_restore_step(worker->restore, wait, &replayed, err);
    }
    for (size_t i = 0; i < worker->task_count && status == WEIR_OK; i++) {
        struct wr_worker_task *t = worker->tasks[i];
        if (t->step == WR_STEP_CATCH_UP && restored(t)) {
            wr_log(WR_DEBUG, "worker", "task-restored", "task=%s stores=%zu",
                   wr_task_name(t->task), t->restore_count);
            t->step = WR_STEP_BEGIN;
        }
        beginning += t->step == WR_STEP_BEGIN;
    }
    if (status == WEIR_OK && beginning > 0) {
        status = step_begin(worker, err);
    }
    if (worker->unready != before) {
        wr_worker_snapshot(worker);
    }
    *out_progress = catching_up > 0 || opening > 0 || worker->unready != before;
    return status;
}

/* ---- what others see ---------------------------------------------------- */

static int64_t task_lag(struct wr_worker *worker,
                        const struct wr_worker_task *t)
{
    int64_t lag = 0;
    for (size_t i = 0; i < t->input_count; i++) {
        const struct wr_worker_input *input = &t->inputs[i];
        if (input->absent) {
            continue;
        }
        int64_t end = wr_consumer_end_offset(worker->consumer, input->topic,
                                             input->partition);
        if (input->position < 0 || end < 0) {
            return input->at_end ? lag : -1;
        }
        lag += (int64_t)wr_task_queued(t->task, (int)i);
        lag +=
            !input->at_end && end > input->position ? end - input->position : 0;
    }
    return lag;
}

static void fill_info(struct wr_worker *worker, const struct wr_worker_task *t,
                      struct wr_task_info *out)
{
    *out = (struct wr_task_info){
        .subtopology = t->id.subtopology,
        .partition = t->id.partition,
        .thread = worker->index,
        .phase = t->step == WR_STEP_RUN ? WR_TASK_RUNNING : WR_TASK_RESTORING,
        .lag = -1};
    (void)snprintf(out->name, sizeof(out->name), "%d_%d", t->id.subtopology,
                   (int)t->id.partition);
    for (size_t i = 0; i < t->restore_count; i++) {
        const struct wr_restore_entry *entry = &t->restores[i];
        out->restored += entry->position - entry->from;
        if (entry->end > entry->from) {
            out->restore_end += entry->end - entry->from;
        }
    }
    if (t->step == WR_STEP_RUN) {
        out->lag = task_lag(worker, t);
    }
}

void wr_worker_snapshot(struct wr_worker *worker)
{
    struct wr_task_info *infos = calloc(worker->task_count + 1, sizeof(*infos));
    if (!infos) {
        return; /* the last one stays */
    }
    for (size_t i = 0; i < worker->task_count; i++) {
        fill_info(worker, worker->tasks[i], &infos[i]);
    }
    (void)pthread_mutex_lock(&worker->lock);
    struct wr_task_info *old = worker->infos;
    worker->infos = infos;
    worker->info_count = worker->task_count;
    (void)pthread_mutex_unlock(&worker->lock);
    free(old);
    atomic_store(&worker->ready, worker->unready == 0);
    worker->snapshot_last_ms = wr_mono_ms();
}
