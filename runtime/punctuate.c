/* SPDX-License-Identifier: Apache-2.0
 *
 * Punctuators: callbacks on a clock.
 *
 *   stream time  slots are multiples of the interval from 0; the first record
 *                fires the first one; only new records make it go on
 *   wall clock   the first slot is one interval after scheduling
 *
 * When several slots passed at once the callback runs once, and the next slot
 * is the first one later than now: Kafka Streams' rule. A cancelled punctuator
 * stays linked until the sweep after a round, so that cancelling inside a
 * callback is safe; one scheduled inside a callback waits for the next round.
 * The sweep sets cancelled ones aside and frees none: their handles are lent
 * until the task closes, and may be cancelled again. */
#include "runtime/node.h"

#include <stdlib.h>

static int64_t *earliest(struct wr_task *task, enum weir_punctuation type)
{
    return type == WEIR_STREAM_TIME ? &task->due_stream_ms : &task->due_wall_ms;
}

static int64_t add_capped(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

enum weir_status weir_context_schedule(struct weir_context *ctx,
                                       int64_t interval_ms,
                                       enum weir_punctuation type,
                                       weir_punctuate_fn fn, void *state,
                                       struct weir_punctuator **out)
{
    struct wr_task *task = ctx->task;
    if (interval_ms < 1 || !fn ||
        (type != WEIR_STREAM_TIME && type != WEIR_WALL_CLOCK)) {
        return weir_context_fail(ctx, WEIR_E_INVALID,
                                 "schedule: the interval is %lld ms; it must "
                                 "be at least 1, with a callback",
                                 (long long)interval_ms);
    }
    struct weir_punctuator *p = calloc(1, sizeof(*p));
    if (!p) {
        return weir_context_fail(ctx, WEIR_E_NOMEM, "schedule: out of memory");
    }
    p->context = ctx;
    p->type = type;
    p->interval_ms = interval_ms;
    p->fn = fn;
    p->state = state;
    p->due_ms =
        type == WEIR_STREAM_TIME
            ? 0
            : add_capped(task->env.wall_ms(task->env.user), interval_ms);
    struct weir_punctuator **tail = &task->punctuators;
    while (*tail) {
        tail = &(*tail)->next;
    }
    *tail = p; /* in the order of scheduling */
    if (p->due_ms < *earliest(task, type)) {
        *earliest(task, type) = p->due_ms;
    }
    if (out) {
        *out = p;
    }
    return WEIR_OK;
}

void weir_punctuator_cancel(struct weir_punctuator *punctuator)
{
    if (punctuator) {
        punctuator->cancelled = true;
    }
}

/* Sets the cancelled ones aside and finds the next due time of a kind. */
static void sweep(struct wr_task *task, enum weir_punctuation type)
{
    int64_t due = INT64_MAX;
    struct weir_punctuator **at = &task->punctuators;
    while (*at) {
        struct weir_punctuator *p = *at;
        if (p->cancelled) {
            *at = p->next;
            p->next = task->cancelled;
            task->cancelled = p;
            continue;
        }
        if (p->type == type && p->due_ms < due) {
            due = p->due_ms;
        }
        at = &p->next;
    }
    *earliest(task, type) = due;
}

static enum weir_status fire(struct weir_punctuator *p, int64_t now_ms)
{
    struct wr_task *task = p->context->task;
    int64_t missed = (now_ms - p->due_ms) / p->interval_ms;
    int64_t step = missed >= INT64_MAX / p->interval_ms - 1
                       ? INT64_MAX
                       : (missed + 1) * p->interval_ms;
    p->due_ms = add_capped(p->due_ms, step);
    task->topic = NULL;
    task->offset = -1;
    task->timestamp_ms = now_ms;
    task->dirty = true;
    struct wr_arena_mark scope = wr_arena_mark(&task->arena);
    enum weir_status s = p->fn(p->context, now_ms, p->state);
    wr_arena_rewind(&task->arena, &scope);
    if (s == WEIR_OK && task->infrastructure) {
        /* a store could not write its changelog and nobody minded */
        s = task->error.status;
    }
    return s == WEIR_OK ? s : wr_task_failed(task, p->context, s);
}

enum weir_status wr_punctuate_due(struct wr_task *task,
                                  enum weir_punctuation type, int64_t now_ms)
{
    if (now_ms < *earliest(task, type)) {
        return WEIR_OK;
    }
    /* What callbacks schedule goes behind `last` and waits. */
    struct weir_punctuator *last = task->punctuators;
    while (last && last->next) {
        last = last->next;
    }
    enum weir_status s = WEIR_OK;
    for (struct weir_punctuator *p = task->punctuators; p; p = p->next) {
        if (p->type == type && !p->cancelled && p->due_ms <= now_ms) {
            s = fire(p, now_ms);
        }
        if (s != WEIR_OK || p == last) {
            break;
        }
    }
    sweep(task, type);
    return s;
}

static void free_list(struct weir_punctuator **list)
{
    while (*list) {
        struct weir_punctuator *next = (*list)->next;
        free(*list);
        *list = next;
    }
}

void wr_punctuators_free(struct wr_task *task)
{
    free_list(&task->punctuators);
    free_list(&task->cancelled);
    task->due_stream_ms = INT64_MAX;
    task->due_wall_ms = INT64_MAX;
}
