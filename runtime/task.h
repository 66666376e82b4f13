/* SPDX-License-Identifier: Apache-2.0
 *
 * A task: one sub-topology over one partition number. It queues records of its
 * input partitions, takes the one with the lowest timestamp, runs it through
 * the nodes, fires punctuators, and keeps the stores. It does no I/O of its
 * own: what leaves goes to a collector, time comes in as an argument. The
 * worker (worker.c) drives it; the test driver (driver.c) drives it without a
 * broker.
 *
 * Life:   new -> [restore by the worker] -> start -> process/punctuate/flush/
 *         committed|aborted ... -> close
 * Thread: the owner's. */
#ifndef WEIR_RUNTIME_TASK_H
#define WEIR_RUNTIME_TASK_H

#include "base/arena.h"
#include "base/metrics.h"
#include "base/options.h"
#include "runtime/plan.h"
#include "stores/store.h"

/* ---- what leaves a task ------------------------------------------------- */

/** A record on its way out. Views lent for the call of send. */
struct wr_output {
    int32_t topic;     /* a handle from wr_collector.topic */
    int32_t partition; /* >= 0 */
    struct weir_bytes key;
    struct weir_bytes value;
    int64_t timestamp_ms;
    const struct weir_header *headers;
    size_t header_count;
    /** >= 0: report the written offset as that of this changelog slot */
    int32_t changelog_slot;
};

/** Where a task's records go: the producer of its thread, or a test's list. */
struct wr_collector {
    /** A handle for a topic's real name and its partition count; the same name
     *  gives the same handle. Errors: WEIR_E_NOTFOUND naming the topic. */
    enum weir_status (*topic)(struct wr_collector *collector, const char *name,
                              int32_t *out_topic, int32_t *out_partition_count,
                              struct weir_error *err);
    enum weir_status (*send)(struct wr_collector *collector,
                             const struct wr_output *output,
                             struct weir_error *err);
};

/* ---- what enters a task ------------------------------------------------- */

/** A consumed record. `owner` is what keeps the views alive; the task gives it
 *  back through wr_task_env.release once the record is done. */
struct wr_input {
    struct weir_record record;
    int64_t offset;
    void *owner;
};

/** Everything a task borrows from its surroundings; lives longer than the task.
 */
struct wr_task_env {
    const char *application_id;
    const char *state_dir;            /* <state.dir>/<application.id> */
    const char *cluster;              /* its id; NULL: not known */
    const struct wr_options *options; /* runtime/config.h's table */
    struct wr_store_env *stores;
    struct wr_collector *collector;
    struct wr_metrics *metrics;
    void *thread_state;                       /* of the thread hook */
    void (*release)(void *user, void *owner); /* frees an input's owner */
    void *user;
    int64_t (*wall_ms)(void *user);
    /** Changelog slots are numbered from here on for this task's stores; slot i
     * of the task is changelog_slot_base + i, so that one producer serves many.
     */
    int32_t changelog_slot_base;
    bool exactly_once;
};

struct wr_task;

/** Makes the nodes and opens the state directory; runs no user code yet.
 *  `partition` is the task's partition number. Errors as wr_task_state_open. */
WEIR_MUST_CHECK enum weir_status wr_task_new(const struct wr_plan *plan,
                                             int subtopology, int32_t partition,
                                             const struct wr_task_env *env,
                                             struct wr_task **out,
                                             struct weir_error *err);
const char *wr_task_name(const struct wr_task *task); /* "0_3" */
const struct wr_subtopology *wr_task_subtopology(const struct wr_task *task);
struct wr_task_state *wr_task_state(struct wr_task *task);
/** Opens the processors (user code). The stores must be restored. */
WEIR_MUST_CHECK enum weir_status wr_task_start(struct wr_task *task,
                                               struct weir_error *err);
/** Closes the processors and the stores. clean: after a commit, state goes
 * down; otherwise the uncommitted layer is dropped. Frees the task. */
void wr_task_close(struct wr_task *task, bool clean);

/** Adds a record to input `input` (index into the sub-topology's input topics).
 *  Offsets of an input rise. The owner is taken. Errors: WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_task_enqueue(struct wr_task *task, int input, const struct wr_input *in);
/** Records waiting in an input / in all inputs. */
size_t wr_task_queued(const struct wr_task *task, int input);
size_t wr_task_queued_all(const struct wr_task *task);
/** What the broker is known to hold beyond what was consumed from an input:
 *  records behind, 0 when the end was reached, -1 unknown. Used to decide
 * whether to wait for an empty input before choosing (max.task.idle.ms). */
void wr_task_set_lag(struct wr_task *task, int input, int64_t lag);

/** The input's topic has no partition of this task's number: never wait for it.
 */
void wr_task_set_absent(struct wr_task *task, int input);

/** Processes up to max records, as long as the choice of the next one is safe
 *  and the time of wr_mono_ms() has not reached until_ms; one record is taken
 * in any case. *out_done counts the records taken. On failure the error names
 * node, topic, partition and offset; the failed record counts as not processed.
 */
WEIR_MUST_CHECK enum weir_status
wr_task_process(struct wr_task *task, size_t max, int64_t now_ms,
                int64_t until_ms, size_t *out_done, struct weir_error *err);
/** Fires wall-clock punctuators that are due. */
WEIR_MUST_CHECK enum weir_status
wr_task_punctuate(struct wr_task *task, int64_t now_ms, struct weir_error *err);
/** When the next wall-clock punctuator is due; INT64_MAX: never. */
int64_t wr_task_next_punctuation_ms(const struct wr_task *task);

/** Whether anything happened since the last commit. */
bool wr_task_dirty(const struct wr_task *task);
/** Whether a processor asked for a commit, or a bound on memory does. */
bool wr_task_wants_commit(const struct wr_task *task);
/** First step of a commit: caches go downstream, in topology order. */
WEIR_MUST_CHECK enum weir_status wr_task_flush(struct wr_task *task,
                                               struct weir_error *err);
/** The offset to commit for an input: the next one to process, -1 when nothing
 *  was consumed yet; and the partition time, for the metadata. `position` is
 * the consumer's position, used when the queue is empty (-1: not known). */
int64_t wr_task_commit_offset(const struct wr_task *task, int input,
                              int64_t position, int64_t *out_partition_time_ms);
/** Partition time found in committed metadata, before wr_task_start. */
void wr_task_set_partition_time(struct wr_task *task, int input,
                                int64_t time_ms);
/** The commit is durable. changelog_offsets as wr_task_state_commit. */
WEIR_MUST_CHECK enum weir_status
wr_task_committed(struct wr_task *task, const int64_t *changelog_offsets,
                  struct weir_error *err);
/** The transaction was aborted: queues are emptied, state is as committed. The
 *  worker seeks the inputs back to their committed offsets. Processors are
 * closed and opened again, since what they kept in memory was part of it. */
WEIR_MUST_CHECK enum weir_status wr_task_aborted(struct wr_task *task,
                                                 struct weir_error *err);

#endif
