/* SPDX-License-Identifier: Apache-2.0
 *
 * A task's input queues: a ring of records per input partition, and the choice
 * of the one that comes next.
 *
 * The choice is by event time. It waits for an empty input only while the
 * broker is known (or not known not) to hold more for it, and beyond that for
 * max.task.idle.ms: Kafka Streams' rule (KIP-695). Thread: the task's. */
#include "runtime/node.h"

#include <stdlib.h>

#define QUEUE_CAP_MIN 64u

/* ---- queues ------------------------------------------------------------- */

static void release(struct wr_task *task, struct wr_input *in)
{
    if (in->owner && task->env.release) {
        task->env.release(task->env.user, in->owner);
    }
}

static bool queue_grow(struct wr_input_queue *q)
{
    size_t cap = q->cap ? q->cap * 2 : QUEUE_CAP_MIN;
    struct wr_input *ring = malloc(cap * sizeof(*ring));
    if (!ring) {
        return false;
    }
    for (size_t i = 0; i < q->count; i++) {
        ring[i] = q->ring[(q->first + i) & (q->cap - 1)];
    }
    free(q->ring);
    q->ring = ring;
    q->cap = cap;
    q->first = 0;
    return true;
}

enum weir_status wr_task_enqueue(struct wr_task *task, int input,
                                 const struct wr_input *in)
{
    struct wr_input_queue *q = &task->inputs[input];
    if (q->count == q->cap && !queue_grow(q)) {
        return WEIR_E_NOMEM;
    }
    q->ring[(q->first + q->count) & (q->cap - 1)] = *in;
    q->count++;
    task->queued++;
    return WEIR_OK;
}

size_t wr_task_queued(const struct wr_task *task, int input)
{
    return task->inputs[input].count;
}

size_t wr_task_queued_all(const struct wr_task *task)
{
    return task->queued;
}

void wr_task_set_lag(struct wr_task *task, int input, int64_t lag)
{
    task->inputs[input].lag = lag;
}

void wr_task_set_absent(struct wr_task *task, int input)
{
    task->inputs[input].absent = true;
}

void wr_task_set_partition_time(struct wr_task *task, int input,
                                int64_t time_ms)
{
    struct wr_input_queue *q = &task->inputs[input];
    q->time_ms = time_ms > q->time_ms ? time_ms : q->time_ms;
    q->committed_time_ms = q->time_ms;
}

struct wr_input *wr_input_head(struct wr_input_queue *q)
{
    return &q->ring[q->first];
}

void wr_input_pop(struct wr_task *task, struct wr_input_queue *q)
{
    struct wr_input *in = wr_input_head(q);
    q->next_offset = in->offset + 1;
    release(task, in);
    q->first = (q->first + 1) & (q->cap - 1);
    q->count--;
    q->head = WR_HEAD_NEW;
    task->queued--;
}

/* ---- the record at the head ---------------------------------------------- */

/* Key and value as the source wants them. */
static enum weir_status check_record(struct wr_task *task,
                                     const struct weir_source *source,
                                     const struct weir_record *r)
{
    enum weir_status s = WEIR_OK;
    const char *part = "key";
    if (source->key_serde && r->key.data) {
        s = source->key_serde->check(r->key, &task->error);
    }
    if (s == WEIR_OK && source->value_serde && r->value.data) {
        part = "value";
        s = source->value_serde->check(r->value, &task->error);
    }
    return s == WEIR_OK
               ? s
               : weir_fail_prefix(&task->error, s, "cannot read the %s", part);
}

/* Makes the head the record at hand, checks it and gives it its event time. A
 * failure's text is in task->error until the next call. */
enum weir_status wr_input_read(struct wr_task *task, struct wr_input_queue *q)
{
    struct wr_input *in = wr_input_head(q);
    struct weir_record *r = &in->record;
    const struct weir_source *source = &q->source->node->source;
    task->topic = task->sub->inputs[q - task->inputs].name;
    task->offset = in->offset;
    task->timestamp_ms = r->timestamp_ms;
    enum weir_status s = check_record(task, source, r);
    if (s != WEIR_OK) {
        return s;
    }
    if (source->timestamp) {
        int64_t time_ms = r->timestamp_ms >= 0 ? r->timestamp_ms : q->time_ms;
        struct wr_arena_mark scope = wr_arena_mark(&task->arena);
        s = source->timestamp(q->source, r, &time_ms, source->timestamp_user);
        wr_arena_rewind(&task->arena, &scope);
        if (s != WEIR_OK) {
            return s;
        }
        r->timestamp_ms = time_ms;
    } else if (r->timestamp_ms < 0) {
        return weir_fail(&task->error, WEIR_E_DECODE,
                         "the timestamp is %lld; give the source a timestamp "
                         "extractor",
                         (long long)r->timestamp_ms);
    }
    task->timestamp_ms = r->timestamp_ms;
    return WEIR_OK;
}

/* The time by which the head is chosen. An extractor reads the record's content
 * now; what it cannot read comes first, so that the failure is told at once. */
static int64_t head_time(struct wr_task *task, struct wr_input_queue *q)
{
    if (q->source->node->source.timestamp && q->head == WR_HEAD_NEW) {
        q->head = wr_input_read(task, q) == WEIR_OK ? WR_HEAD_READ
                                                    : WR_HEAD_UNREADABLE;
    }
    return q->head == WR_HEAD_UNREADABLE
               ? -1
               : wr_input_head(q)->record.timestamp_ms;
}

/* Whether the choice may be made although this input is empty. */
static bool may_ignore(const struct wr_task *task,
                       const struct wr_input_queue *q, int64_t now_ms)
{
    if (q->absent || task->max_idle_ms < 0) {
        return true;
    }
    if (q->lag != 0) {
        return false; /* the broker holds more, or may */
    }
    return task->max_idle_ms == 0 ||
           (task->idle_since_ms >= 0 &&
            now_ms - task->idle_since_ms >= task->max_idle_ms);
}

/* The input whose head comes next, or NULL when there is none or it must wait.
 */
struct wr_input_queue *wr_input_choose(struct wr_task *task, int64_t now_ms)
{
    struct wr_input_queue *best = NULL;
    bool all = true;
    for (size_t i = 0; i < task->sub->input_count; i++) {
        struct wr_input_queue *q = &task->inputs[i];
        if (q->count == 0) {
            all = false;
            continue;
        }
        if (!best || head_time(task, q) < head_time(task, best)) {
            best = q;
        }
    }
    if (all || !best) {
        task->idle_since_ms = -1;
        return best;
    }
    if (task->idle_since_ms < 0) {
        task->idle_since_ms = now_ms;
    }
    for (size_t i = 0; i < task->sub->input_count; i++) {
        struct wr_input_queue *q = &task->inputs[i];
        if (q->count == 0 && !may_ignore(task, q, now_ms)) {
            return NULL;
        }
    }
    return best;
}

void wr_inputs_empty(struct wr_task *task)
{
    for (size_t i = 0; task->inputs && i < task->sub->input_count; i++) {
        struct wr_input_queue *q = &task->inputs[i];
        for (size_t k = 0; k < q->count; k++) {
            release(task, &q->ring[(q->first + k) & (q->cap - 1)]);
        }
        q->count = 0;
        q->head = WR_HEAD_NEW;
        q->next_offset = -1;
        q->lag = -1;
        q->time_ms = q->committed_time_ms;
    }
    task->queued = 0;
}
