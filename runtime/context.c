/* SPDX-License-Identifier: Apache-2.0
 *
 * What user code sees of its task: forwarding, stores, where the record is
 * from.
 *
 * Forwarding is a plain call, depth first: a child has returned before its next
 * sibling begins, and nothing is copied. A failure unwinds the calls; the
 * deepest node that failed is the one named in the error. */
#include "runtime/node.h"
#include "runtime/scope.h"

#include "base/hash.h"

#include <stdarg.h>
#include <stdio.h>

#define UNKEYED_RUN 128u /* records without a key per partition, in a row */

/* ---- failures ----------------------------------------------------------- */

/* The text of a status that user code passed on: stores return a status only
 * and keep the text. */
static const char *text_of_failure(const struct wr_task *task,
                                   enum weir_status status)
{
    const struct weir_error *stores =
        task->state ? wr_task_state_error(task->state) : NULL;
    return stores && stores->status == status ? stores->text
                                              : weir_status_text(status);
}

enum weir_status wr_task_failed(struct wr_task *task,
                                const struct weir_context *node,
                                enum weir_status status)
{
    if (!task->failed) {
        task->failed = node;
        if (task->error.status != status) {
            (void)weir_fail(&task->error, status, "%s",
                            text_of_failure(task, status));
        }
    }
    return status;
}

enum weir_status weir_context_fail(struct weir_context *ctx,
                                   enum weir_status status, const char *format,
                                   ...)
{
    char text[WEIR_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ctx->task->failed = NULL;
    (void)weir_fail(&ctx->task->error, status, "%s", text);
    return status;
}

/* ---- running a node ----------------------------------------------------- */

static int32_t standard_partition(struct weir_context *node,
                                  const struct weir_record *record)
{
    int32_t count = node->sink_partition_count;
    return record->key.data ? wr_partition_of(record->key, count)
                            : (int32_t)(node->sink_unkeyed++ / UNKEYED_RUN %
                                        (uint32_t)count);
}

static enum weir_status choose_partition(struct weir_context *node,
                                         const struct weir_record *record,
                                         int32_t *out)
{
    const struct weir_sink *sink = &node->node->sink;
    int32_t count = node->sink_partition_count;
    *out = -1;
    if (sink->partition) {
        enum weir_status s =
            sink->partition(node, node->node->topics[0], record, count, out,
                            sink->partition_user);
        if (s != WEIR_OK) {
            return s;
        }
    }
    if (*out == -1) {
        *out = standard_partition(node, record);
    }
    if (*out < 0 || *out >= count) {
        return weir_context_fail(node, WEIR_E_PROCESSOR,
                                 "the partitioner of topic '%s' chose %d of "
                                 "%d",
                                 node->node->topics[0], *out, count);
    }
    return WEIR_OK;
}

static enum weir_status run_sink(struct weir_context *node,
                                 const struct weir_record *record)
{
    struct wr_task *task = node->task;
    struct wr_output out = {
        .topic = node->sink_topic,
        .key = record->key,
        .value = record->value,
        .timestamp_ms = record->timestamp_ms,
        .headers = record->headers,
        .header_count = record->header_count,
        .changelog_slot = -1,
    };
    enum weir_status s = choose_partition(node, record, &out.partition);
    if (s != WEIR_OK) {
        return wr_task_failed(task, node, s);
    }
    s = task->env.collector->send(task->env.collector, &out, &task->error);
    if (s != WEIR_OK) {
        task->infrastructure = true;
        task->failed = NULL;
        return wr_task_failed(task, node, s);
    }
    return WEIR_OK;
}

static enum weir_status run_processor(struct weir_context *node,
                                      const struct weir_record *record)
{
    struct wr_task *task = node->task;
    int64_t before = task->timestamp_ms;
    task->timestamp_ms = record->timestamp_ms;
    enum weir_status s =
        node->node->processor.process(node, record, node->state);
    task->timestamp_ms = before;
    return s == WEIR_OK ? s : wr_task_failed(task, node, s);
}

enum weir_status wr_node_run(struct weir_context *node,
                             const struct weir_record *record)
{
    struct wr_arena *arena = &node->task->arena;
    struct wr_arena_mark scope = wr_arena_mark(arena);
    enum weir_status s = node->node->kind == WR_NODE_SINK
                             ? run_sink(node, record)
                             : run_processor(node, record);
    wr_arena_rewind(arena, &scope);
    return s;
}

/* Between open and close of the whole task every node has its instance. */
static enum weir_status refuse_forward(struct weir_context *ctx)
{
    return weir_context_fail(
        ctx, WEIR_E_CLOSED, "node '%s' may not forward from %s: %s",
        ctx->node->name, ctx->task->closing ? "close" : "open",
        ctx->task->closing ? "the last commit is over"
                           : "its children may not be open yet");
}

enum weir_status weir_forward(struct weir_context *ctx,
                              const struct weir_record *record)
{
    if (!ctx->task->started) {
        return refuse_forward(ctx);
    }
    for (size_t i = 0; i < ctx->child_count; i++) {
        enum weir_status s = wr_node_run(ctx->children[i], record);
        if (s != WEIR_OK) {
            return s;
        }
    }
    return WEIR_OK;
}

enum weir_status weir_forward_to(struct weir_context *ctx, const char *child,
                                 const struct weir_record *record)
{
    if (!ctx->task->started) {
        return refuse_forward(ctx);
    }
    for (size_t i = 0; i < ctx->child_count; i++) {
        if (strcmp(ctx->children[i]->node->name, child) == 0) {
            return wr_node_run(ctx->children[i], record);
        }
    }
    return weir_context_fail(ctx, WEIR_E_NOTFOUND,
                             "node '%s' has no child '%s'", ctx->node->name,
                             child);
}

enum weir_status wr_task_flushed(struct wr_task *task, int store_index,
                                 const struct weir_record *record)
{
    const struct wr_flush_listener *l = &task->listeners[store_index];
    if (!l->context) {
        return WEIR_OK;
    }
    task->topic = NULL;
    task->offset = -1;
    task->timestamp_ms = record->timestamp_ms;
    struct wr_arena_mark scope = wr_arena_mark(&task->arena);
    enum weir_status s = l->fn(l->context, record, l->state);
    wr_arena_rewind(&task->arena, &scope);
    return s == WEIR_OK ? s : wr_task_failed(task, l->context, s);
}

/* ---- look-ups ----------------------------------------------------------- */

/* Index among the sub-topology's stores of the node's k-th store. */
static int local_store(const struct weir_context *ctx, const char *name)
{
    const struct wr_subtopology *sub = ctx->task->sub;
    for (size_t i = 0; i < sub->store_count; i++) {
        if (strcmp(sub->stores[i].spec->name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

struct weir_store *weir_context_store(struct weir_context *ctx,
                                      const char *name)
{
    int index = local_store(ctx, name);
    if (index < 0) {
        return NULL;
    }
    /* Only what this node was connected with. */
    struct weir_store *store = wr_task_state_store(ctx->task->state, index);
    for (size_t i = 0; i < ctx->node->store_count; i++) {
        const struct weir_store_spec *spec =
            wr_plan_store_spec(ctx->task->plan, ctx->node->stores[i]);
        if (strcmp(spec->name, name) == 0) {
            return store;
        }
    }
    return NULL;
}

bool weir_store_on_flush(struct weir_context *ctx, struct weir_store *store,
                         weir_flush_fn fn, void *state)
{
    if (!wr_store_is_caching(store)) {
        return false;
    }
    ctx->task->listeners[wr_store_index(store)] =
        (struct wr_flush_listener){ctx, fn, state};
    return true;
}

const char *weir_context_topic(const struct weir_context *ctx)
{
    return ctx->task->topic;
}

int32_t weir_context_partition(const struct weir_context *ctx)
{
    return ctx->task->topic ? ctx->task->partition : -1;
}

int64_t weir_context_offset(const struct weir_context *ctx)
{
    return ctx->task->topic ? ctx->task->offset : -1;
}

const char *weir_context_node(const struct weir_context *ctx)
{
    return ctx->node->name;
}

const char *weir_context_task(const struct weir_context *ctx)
{
    return ctx->task->name;
}

const char *weir_context_application(const struct weir_context *ctx)
{
    return ctx->task->env.application_id;
}

int64_t weir_context_stream_time_ms(const struct weir_context *ctx)
{
    return ctx->task->stream_time_ms;
}

int64_t weir_context_wall_clock_ms(const struct weir_context *ctx)
{
    return ctx->task->env.wall_ms(ctx->task->env.user);
}

void weir_context_request_commit(struct weir_context *ctx)
{
    ctx->task->commit_requested = true;
}

void *weir_context_thread_state(const struct weir_context *ctx)
{
    return ctx->task->env.thread_state;
}

void *weir_context_alloc(struct weir_context *ctx, size_t n)
{
    return wr_arena_alloc(&ctx->task->arena, n);
}

struct wr_arena_mark wr_scope_begin(struct weir_context *ctx)
{
    return wr_arena_mark(&ctx->task->arena);
}

void wr_scope_end(struct weir_context *ctx, const struct wr_arena_mark *scope)
{
    wr_arena_rewind(&ctx->task->arena, scope);
}

void weir_context_drop(struct weir_context *ctx, const char *reason)
{
    struct wr_task *task = ctx->task;
    for (size_t i = 0; i < WR_DROP_REASONS_MAX; i++) {
        struct wr_drop_counter *d = &task->drops[i];
        if (!d->reason) {
            char labels[128];
            (void)snprintf(labels, sizeof(labels), "task=\"%s\",reason=\"%s\"",
                           task->name, reason);
            d->reason = reason;
            d->metric = wr_metric_get(task->env.metrics, WR_COUNTER,
                                      "weir_records_dropped_total", labels,
                                      "Records left out on purpose, by reason");
        }
        if (d->reason == reason || strcmp(d->reason, reason) == 0) {
            wr_metric_add(d->metric, 1);
            return;
        }
    }
}
