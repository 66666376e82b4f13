/* SPDX-License-Identifier: Apache-2.0
 *
 * The one commit of a stream thread, for all its tasks at once:
 *
 *   1 flush     caches go downstream and to changelogs, in topology order
 *   2 wait      for the acknowledgement of all records
 *   3 offsets   exactly-once: into the transaction,    | at-least-once: they
 *     commit    which is committed                     | are committed
 *   4 tell      what is uncommitted in the stores becomes committed, with the
 *               changelog offsets that the broker gave to it
 *
 * Nothing is committed before everything it depends on is acknowledged, and no
 * store believes in a commit before the broker has it. A crash between 3 and 4
 * loses nothing: the store has an older changelog offset and replays.
 *
 * Why 2 comes before 3 in a transaction too: who is given the tasks meanwhile
 * replays the changelog up to its end, transactions under way included, and
 * waits until no open transaction has offsets of the tasks. Were the offsets
 * there before the changelog's records, it would miss these.
 *
 * A call that timed out is repeated as it is (librdkafka goes on where it was)
 * until task.timeout.ms; a transaction that cannot be saved is aborted, and
 * then everything since the last commit is done again. */
#include "runtime/worker_state.h"

#include "base/clock.h"
#include "base/log.h"
#include "runtime/offsets.h"

#include <stdlib.h>
#include <time.h>

#define FLUSH_SLICE_MS 10000

bool wr_commit_is_needed(const struct wr_worker *worker)
{
    for (size_t i = 0; i < worker->task_count; i++) {
        const struct wr_worker_task *t = worker->tasks[i];
        if (t->step == WR_STEP_RUN && (t->moved || wr_task_dirty(t->task))) {
            return true;
        }
    }
    return wr_producer_in_transaction(worker->producer);
}

static enum weir_status flush_tasks(struct wr_worker *worker,
                                    struct weir_error *err)
{
    for (size_t i = 0; i < worker->task_count; i++) {
        struct wr_worker_task *t = worker->tasks[i];
        if (t->step != WR_STEP_RUN || !wr_task_dirty(t->task)) {
            continue;
        }
        enum weir_status status = wr_task_flush(t->task, err);
        if (status != WEIR_OK) {
            return status;
        }
    }
    return WEIR_OK;
}

/* ---- offsets ------------------------------------------------------------ */

/** Offsets that changed since the last commit, with their metadata. */
struct offsets {
    struct wr_partition *partitions;
    struct wr_worker_input **inputs; /* by partition */
    char (*texts)[WR_OFFSET_METADATA_MAX];
    size_t count;
};

static void offsets_done(struct offsets *offsets)
{
    free(offsets->partitions);
    free(offsets->inputs);
    free(offsets->texts);
}

static void offsets_add(struct offsets *offsets, struct wr_worker_input *input,
                        bool changed_only)
{
    int64_t time_ms = -1;
    int64_t offset = wr_task_commit_offset(input->owner->task, input->index,
                                           input->position, &time_ms);
    if (offset < 0 || (changed_only && offset == input->committed)) {
        return;
    }
    size_t i = offsets->count++;
    wr_offset_metadata(time_ms, offsets->texts[i]);
    offsets->inputs[i] = input;
    offsets->partitions[i] =
        (struct wr_partition){.topic = input->topic,
                              .partition = input->partition,
                              .offset = offset,
                              .metadata = offsets->texts[i]};
}

static void offsets_add_all(struct wr_worker *worker, struct offsets *out,
                            bool changed_only)
{
    for (size_t i = 0; i < worker->task_count; i++) {
        struct wr_worker_task *t = worker->tasks[i];
        for (size_t k = 0; t->step == WR_STEP_RUN && k < t->input_count; k++) {
            if (!t->inputs[k].absent) {
                offsets_add(out, &t->inputs[k], changed_only);
            }
        }
    }
}

/* A transaction without offsets (what punctuation did) takes along those that
 * have not changed: they are what the group refuses when the tasks are
 * another's by now. Whatever it returns, the caller calls offsets_done. */
static enum weir_status offsets_collect(struct wr_worker *worker,
                                        struct offsets *out)
{
    size_t max = 1;
    for (size_t i = 0; i < worker->task_count; i++) {
        max += worker->tasks[i]->input_count;
    }
    *out = (struct offsets){.partitions = calloc(max, sizeof(*out->partitions)),
                            .inputs = calloc(max, sizeof(*out->inputs)),
                            .texts = calloc(max, sizeof(*out->texts))};
    if (!out->partitions || !out->inputs || !out->texts) {
        return WEIR_E_NOMEM;
    }
    offsets_add_all(worker, out, true);
    if (out->count == 0 && wr_producer_in_transaction(worker->producer)) {
        offsets_add_all(worker, out, false);
    }
    return WEIR_OK;
}

/* ---- the broker's part --------------------------------------------------- */

/* Whether a failed call is to be repeated; sleeps before it says yes. */
static bool again(struct wr_worker *worker, enum weir_status status,
                  const struct weir_error *err)
{
    if (status == WEIR_OK) {
        wr_patience_succeeded(&worker->patience);
        return false;
    }
    int64_t timeout = wr_options_int(worker->env->options, "task.timeout.ms");
    if (wr_failure_action(status, WR_STEP_COMMIT) != WR_TRY_AGAIN ||
        !wr_patience_failed(&worker->patience, wr_mono_ms(), timeout)) {
        return false;
    }
    wr_log(WR_WARN, "commit", "waiting", "thread=%s reason=\"%s\"",
           worker->name, err->text);
    int64_t ms = worker->patience.pause_ms;
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
    return true;
}

static enum weir_status wait_for_records(struct wr_worker *worker,
                                         struct weir_error *err)
{
    enum weir_status status;
    do {
        status = wr_producer_flush(worker->producer, FLUSH_SLICE_MS, err);
    } while (again(worker, status, err));
    return status;
}

static enum weir_status send_offsets(struct wr_worker *worker,
                                     const struct offsets *offsets,
                                     struct weir_error *err)
{
    enum weir_status status;
    if (offsets->count == 0) {
        return WEIR_OK;
    }
    struct rd_kafka_consumer_group_metadata_s *membership =
        wr_consumer_membership(worker->consumer);
    do {
        status = wr_producer_send_offsets(worker->producer, offsets->partitions,
                                          offsets->count, membership, err);
    } while (again(worker, status, err));
    wr_consumer_membership_free(membership);
    return status;
}

static enum weir_status commit_transaction(struct wr_worker *worker,
                                           const struct offsets *offsets,
                                           struct weir_error *err)
{
    enum weir_status status = wait_for_records(worker, err);
    if (status == WEIR_OK) {
        status = send_offsets(worker, offsets, err);
    }
    if (status != WEIR_OK || !wr_producer_in_transaction(worker->producer)) {
        return status;
    }
    do {
        status = wr_producer_commit(worker->producer, err);
    } while (again(worker, status, err));
    return status;
}

static enum weir_status commit_plainly(struct wr_worker *worker,
                                       const struct offsets *offsets,
                                       struct weir_error *err)
{
    enum weir_status status = wait_for_records(worker, err);
    if (status != WEIR_OK || offsets->count == 0) {
        return status;
    }
    do {
        status = wr_consumer_commit(worker->consumer, offsets->partitions,
                                    offsets->count, err);
    } while (again(worker, status, err));
    return status;
}

/* ---- telling ------------------------------------------------------------ */

static enum weir_status tell_tasks(struct wr_worker *worker,
                                   const struct offsets *offsets,
                                   struct weir_error *err)
{
    for (size_t i = 0; i < offsets->count; i++) {
        offsets->inputs[i]->committed = offsets->partitions[i].offset;
    }
    const int64_t *slots = wr_producer_slot_offsets(worker->producer);
    /* Every task is told, whatever another one says: the commit has happened.
     */
    enum weir_status first = WEIR_OK;
    for (size_t i = 0; i < worker->task_count; i++) {
        struct wr_worker_task *t = worker->tasks[i];
        if (t->step != WR_STEP_RUN) {
            continue;
        }
        t->moved = false;
        if (!wr_task_dirty(t->task)) {
            continue;
        }
        enum weir_status status = wr_task_committed(
            t->task, slots + t->slot_base, first == WEIR_OK ? err : NULL);
        first = first == WEIR_OK ? status : first;
    }
    return first;
}

enum weir_status wr_commit(struct wr_worker *worker, struct weir_error *err)
{
    struct offsets offsets = {0};
    int64_t began_ns = wr_mono_ns();
    enum weir_status status = WEIR_OK;
    if (wr_commit_is_needed(worker)) {
        status = flush_tasks(worker, err);
        if (status == WEIR_OK) {
            status = offsets_collect(worker, &offsets);
        }
        if (status == WEIR_OK) {
            status = worker->exactly_once
                         ? commit_transaction(worker, &offsets, err)
                         : commit_plainly(worker, &offsets, err);
        }
        if (status == WEIR_OK) {
            status = tell_tasks(worker, &offsets, err);
            wr_metric_add(worker->commits, 1);
            wr_metric_observe_ns(worker->commit_time, wr_mono_ns() - began_ns);
        }
        offsets_done(&offsets);
    }
    worker->commit_last_ms = wr_mono_ms();
    worker->commit_cost_ms = (wr_mono_ns() - began_ns) / 1000000;
    return status;
}

/* ---- the opposite ------------------------------------------------------- */

/* Nothing waits of an input any more: nobody looks at an empty queue, so it is
 * read on here. */
static void read_on(struct wr_worker *worker, struct wr_worker_input *input)
{
    if (input->paused) {
        wr_consumer_pause(worker->consumer, input->topic, input->partition,
                          false);
        input->paused = false;
    }
}

/* Sends every input back to what the broker has as committed. */
static enum weir_status rewind_inputs(struct wr_worker *worker,
                                      struct weir_error *err)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < worker->task_count && status == WEIR_OK; i++) {
        struct wr_worker_task *t = worker->tasks[i];
        for (size_t k = 0; k < t->input_count && status == WEIR_OK; k++) {
            struct wr_worker_input *input = &t->inputs[k];
            if (!input->assigned) {
                continue;
            }
            bool none = input->committed == WR_OFFSET_NONE;
            struct wr_partition p = {.topic = input->topic,
                                     .partition = input->partition,
                                     .offset =
                                         none ? input->start : input->committed,
                                     .tag = input};
            input->position = p.offset >= 0 ? p.offset : -1;
            input->at_end = false;
            read_on(worker, input);
            status = wr_consumer_seek(worker->consumer, &p, 1, err);
        }
    }
    return status;
}

enum weir_status wr_abort(struct wr_worker *worker, struct weir_error *err)
{
    enum weir_status status;
    wr_metric_add(worker->aborts, 1);
    do {
        status = wr_producer_abort(worker->producer, err);
    } while (again(worker, status, err));
    for (size_t i = 0; i < worker->task_count && status == WEIR_OK; i++) {
        struct wr_worker_task *t = worker->tasks[i];
        if (t->step == WR_STEP_RUN) {
            wr_producer_slots_clear(worker->producer, (size_t)t->slot_base,
                                    worker->stores_max);
            t->moved = false;
            status = wr_task_aborted(t->task, err);
        }
    }
    return status == WEIR_OK ? rewind_inputs(worker, err) : status;
}

/* ---- purge -------------------------------------------------------------- */

void wr_commit_purge(struct wr_worker *worker)
{
    for (size_t i = 0; i < worker->task_count; i++) {
        struct wr_worker_task *t = worker->tasks[i];
        for (size_t k = 0; t->step == WR_STEP_RUN && k < t->input_count; k++) {
            struct wr_worker_input *input = &t->inputs[k];
            const struct wr_subtopology *sub = wr_task_subtopology(t->task);
            if (!sub->inputs[k].repartition || input->absent ||
                input->committed <= input->purged) {
                continue;
            }
            struct wr_partition p = {.topic = input->topic,
                                     .partition = input->partition,
                                     .offset = input->committed};
            wr_admin_delete_records(worker->env->admin, &p, 1);
            input->purged = input->committed;
        }
    }
}
