/* SPDX-License-Identifier: Apache-2.0
 *
 * A task: queues in front (task_inputs.c), nodes behind, stores beside.
 *
 *   enqueue -> [ring per input] -> choose the lowest timestamp -> source
 *           -> children, depth first (context.c) -> stores, collector
 *
 * Memory comes from an arena in which each callback of a node has a scope
 * (scope.h), so the path above allocates nothing in steady state. */
#include "runtime/node.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_MAX    ((size_t)64 << 20) /* bytes one callback may need */
#define FLUSH_PASSES 64 /* a store may dirty another; they form no circle */

/* ---- hooks of the stores ------------------------------------------------ */

static enum weir_status on_changelog(void *user, int store_index,
                                     struct weir_bytes key,
                                     struct weir_bytes value,
                                     int64_t timestamp_ms)
{
    struct wr_task *task = user;
    if (task->changelog_topics[store_index] < 0) {
        return WEIR_OK;
    }
    struct wr_output out = {
        .topic = task->changelog_topics[store_index],
        .partition = task->partition,
        .key = key,
        .value = value,
        .timestamp_ms = timestamp_ms,
        .changelog_slot = task->env.changelog_slot_base + store_index,
    };
    enum weir_status s =
        task->env.collector->send(task->env.collector, &out, &task->error);
    if (s != WEIR_OK) {
        task->infrastructure = true;
    }
    return s;
}

static enum weir_status on_flushed(void *user, int store_index,
                                   const struct weir_record *record)
{
    return wr_task_flushed(user, store_index, record);
}

static int64_t on_timestamp(void *user)
{
    const struct wr_task *task = user;
    return task->timestamp_ms;
}

/* ---- making ------------------------------------------------------------- */

static struct weir_context *context_of(struct wr_task *task, int node_index)
{
    for (size_t i = 0; i < task->sub->node_count; i++) {
        if (task->sub->nodes[i] == node_index) {
            return &task->nodes[i];
        }
    }
    return NULL;
}

static enum weir_status make_nodes(struct wr_task *task, struct weir_error *err)
{
    const struct wr_subtopology *sub = task->sub;
    task->nodes = calloc(sub->node_count, sizeof(*task->nodes));
    if (!task->nodes) {
        return WEIR_E_NOMEM;
    }
    enum weir_status s = WEIR_OK;
    for (size_t i = 0; i < sub->node_count && s == WEIR_OK; i++) {
        struct weir_context *ctx = &task->nodes[i];
        const struct wr_node *node = task->plan->nodes[sub->nodes[i]];
        ctx->task = task;
        ctx->node = node;
        ctx->child_count = node->child_count;
        ctx->children = calloc(node->child_count + 1, sizeof(*ctx->children));
        if (!ctx->children) {
            return WEIR_E_NOMEM;
        }
        for (size_t k = 0; k < node->child_count; k++) {
            ctx->children[k] = context_of(task, node->children[k]);
        }
        if (node->kind == WR_NODE_SINK) {
            s = task->env.collector->topic(
                task->env.collector, wr_plan_topic(task->plan, node->topics[0]),
                &ctx->sink_topic, &ctx->sink_partition_count, err);
        }
    }
    return s;
}

static enum weir_status make_inputs(struct wr_task *task)
{
    const struct wr_subtopology *sub = task->sub;
    task->inputs = calloc(sub->input_count + 1, sizeof(*task->inputs));
    if (!task->inputs) {
        return WEIR_E_NOMEM;
    }
    for (size_t i = 0; i < sub->input_count; i++) {
        struct wr_input_queue *q = &task->inputs[i];
        q->source = context_of(task, sub->inputs[i].source);
        q->next_offset = -1;
        q->time_ms = -1;
        q->committed_time_ms = -1;
        q->lag = -1;
    }
    return WEIR_OK;
}

static enum weir_status make_state(struct wr_task *task, struct weir_error *err)
{
    const struct wr_subtopology *sub = task->sub;
    const struct weir_store_spec **specs =
        calloc(sub->store_count + 1, sizeof(*specs));
    task->specs = calloc(sub->store_count + 1, sizeof(*task->specs));
    task->listeners = calloc(sub->store_count + 1, sizeof(*task->listeners));
    task->changelog_topics =
        calloc(sub->store_count + 1, sizeof(*task->changelog_topics));
    enum weir_status s =
        specs && task->specs && task->listeners && task->changelog_topics
            ? WEIR_OK
            : WEIR_E_NOMEM;
    for (size_t i = 0; i < sub->store_count && s == WEIR_OK; i++) {
        int32_t partitions = 0;
        task->specs[i] = *sub->stores[i].spec;
        task->specs[i].caching &= task->cache_bytes_max > 0;
        specs[i] = &task->specs[i];
        task->changelog_topics[i] = -1;
        if (sub->stores[i].changelog) {
            s = task->env.collector->topic(
                task->env.collector, sub->stores[i].changelog,
                &task->changelog_topics[i], &partitions, err);
        }
    }
    if (s == WEIR_OK && sub->store_count > 0) {
        struct wr_store_hooks hooks = {on_changelog, on_flushed, on_timestamp,
                                       task};
        char dir[4096];
        struct wr_task_state_spec spec = {.dir = dir,
                                          .stores = specs,
                                          .store_count = (int)sub->store_count,
                                          .hooks = &hooks,
                                          .rebuild_corrupt = true,
                                          .cluster = task->env.cluster};
        int n = snprintf(dir, sizeof(dir), "%s/%s", task->env.state_dir,
                         task->name);
        s = n > 0 && (size_t)n < sizeof(dir)
                ? wr_task_state_open(task->env.stores, &spec, &task->state, err)
                : weir_fail(err, WEIR_E_CONFIG, "state.dir is too long: '%s'",
                            task->env.state_dir);
    }
    free(specs);
    return s;
}

/* Whether a handler option says to go on; see runtime/config.h's table. */
static bool goes_on(const struct wr_options *options, const char *name)
{
    const char *value = wr_options_text(options, name);
    return value && strcmp(value, "continue") == 0;
}

static void read_options(struct wr_task *task)
{
    const struct wr_options *o = task->env.options;
    int64_t threads = wr_options_int(o, "num.stream.threads");
    threads = threads > 0 ? threads : 1;
    task->max_idle_ms = wr_options_int(o, "max.task.idle.ms");
    task->cache_bytes_max =
        (size_t)(wr_options_int(o, "statestore.cache.max.bytes") / threads);
    task->uncommitted_bytes_max =
        (size_t)(wr_options_int(o, "statestore.uncommitted.max.bytes") /
                 threads);
    task->continue_on_decode = goes_on(o, "deserialization.exception.handler");
    task->continue_on_process = goes_on(o, "processing.exception.handler");
}

enum weir_status wr_task_new(const struct wr_plan *plan, int subtopology,
                             int32_t partition, const struct wr_task_env *env,
                             struct wr_task **out, struct weir_error *err)
{
    struct wr_task *task = calloc(1, sizeof(*task));
    if (!task) {
        return weir_fail(err, WEIR_E_NOMEM, "task %d_%d: out of memory",
                         subtopology, partition);
    }
    task->plan = plan;
    task->sub = &plan->subtopologies[subtopology];
    task->env = *env;
    task->partition = partition;
    task->stream_time_ms = -1;
    task->idle_since_ms = -1;
    task->due_stream_ms = INT64_MAX;
    task->due_wall_ms = INT64_MAX;
    (void)snprintf(task->name, sizeof(task->name), "%d_%d", subtopology,
                   partition);
    wr_arena_init(&task->arena, ARENA_MAX);
    read_options(task);
    char labels[64];
    (void)snprintf(labels, sizeof(labels), "task=\"%s\"", task->name);
    task->processed =
        wr_metric_get(env->metrics, WR_COUNTER, "weir_records_processed_total",
                      labels, "Records taken from the inputs of a task");
    enum weir_status s = make_nodes(task, err);
    s = s == WEIR_OK ? make_inputs(task) : s;
    s = s == WEIR_OK ? make_state(task, err) : s;
    if (s != WEIR_OK) {
        if (s == WEIR_E_NOMEM) {
            (void)weir_fail(err, s, "out of memory");
        }
        (void)weir_fail_prefix(err, s, "task %s", task->name);
        wr_task_close(task, false);
        return s;
    }
    *out = task;
    return WEIR_OK;
}

const char *wr_task_name(const struct wr_task *task)
{
    return task->name;
}

const struct wr_subtopology *wr_task_subtopology(const struct wr_task *task)
{
    return task->sub;
}

struct wr_task_state *wr_task_state(struct wr_task *task)
{
    return task->state;
}

/* ---- opening and closing the processors --------------------------------- */

/* The task's failure as a sentence with its place, into err. */
static enum weir_status report(struct wr_task *task, enum weir_status status,
                               const char *doing, struct weir_error *err)
{
    const char *node = task->failed ? task->failed->node->name : "?";
    if (task->topic) {
        (void)weir_fail(err, status,
                        "task %s: node '%s' failed %s topic '%s' partition %d "
                        "offset %lld: %s",
                        task->name, node, doing, task->topic, task->partition,
                        (long long)task->offset, task->error.text);
    } else {
        (void)weir_fail(err, status, "task %s: node '%s' failed %s: %s",
                        task->name, node, doing, task->error.text);
    }
    task->failed = NULL;
    task->infrastructure = false;
    task->error.status = WEIR_OK;
    return status;
}

/* A failure of close keeps nothing from ending: it is told, once; so is a write
 * that was refused and that close did not mind. */
static void close_node(struct weir_context *ctx)
{
    struct wr_task *task = ctx->task;
    struct weir_error why = {0};
    task->error.status = WEIR_OK;
    if (task->state) {
        wr_task_state_seal(task->state, true);
    }
    struct wr_arena_mark scope = wr_arena_mark(&task->arena);
    ctx->node->processor.close(ctx, ctx->state);
    wr_arena_rewind(&task->arena, &scope);
    if (task->state) {
        why = *wr_task_state_error(task->state);
    }
    why = task->error.status == WEIR_OK ? why : task->error;
    if (why.status != WEIR_OK) {
        wr_log(WR_WARN, "task", "close failed", "task=%s node=%s error=\"%s\"",
               task->name, ctx->node->name, why.text);
    }
    task->error.status = WEIR_OK;
    task->failed = NULL;
}

/* What was not committed is gone before close runs, so that it sees what the
 * next owner of the task will see. */
static void close_nodes(struct wr_task *task)
{
    task->topic = NULL;
    task->started = false;
    task->closing = true;
    if (task->state) {
        wr_task_state_abort(task->state);
    }
    for (size_t i = task->nodes ? task->sub->node_count : 0; i-- > 0;) {
        struct weir_context *ctx = &task->nodes[i];
        if (ctx->open && ctx->node->processor.close) {
            close_node(ctx);
        }
        ctx->open = false;
        ctx->state = NULL;
    }
    wr_punctuators_free(task);
    for (size_t i = 0; task->listeners && i < task->sub->store_count; i++) {
        task->listeners[i] = (struct wr_flush_listener){0};
    }
    if (task->state) {
        wr_task_state_seal(task->state, false);
    }
    task->closing = false;
}

enum weir_status wr_task_start(struct wr_task *task, struct weir_error *err)
{
    task->topic = NULL;
    for (size_t i = 0; i < task->sub->input_count; i++) {
        if (task->inputs[i].time_ms > task->stream_time_ms) {
            task->stream_time_ms = task->inputs[i].time_ms;
        }
    }
    for (size_t i = 0; i < task->sub->node_count; i++) {
        struct weir_context *ctx = &task->nodes[i];
        if (ctx->node->kind != WR_NODE_PROCESSOR) {
            continue;
        }
        const struct weir_processor *p = &ctx->node->processor;
        ctx->open = true; /* close undoes a half-done open too */
        struct wr_arena_mark scope = wr_arena_mark(&task->arena);
        enum weir_status s =
            p->open ? p->open(ctx, p->user, &ctx->state) : WEIR_OK;
        wr_arena_rewind(&task->arena, &scope);
        if (!p->open) {
            ctx->state = p->user;
        }
        if (s != WEIR_OK) {
            (void)wr_task_failed(task, ctx, s);
            (void)report(task, s, "to open", err);
            close_nodes(task);
            return s;
        }
    }
    task->started = true;
    /* what open wrote is committed like what a record wrote */
    task->dirty |=
        task->state && wr_task_state_uncommitted_bytes(task->state) > 0;
    return WEIR_OK;
}

void wr_task_close(struct wr_task *task, bool clean)
{
    if (!task) {
        return;
    }
    close_nodes(task);
    wr_inputs_empty(task);
    if (task->state) {
        wr_task_state_close(task->state, clean);
    }
    for (size_t i = 0; task->nodes && i < task->sub->node_count; i++) {
        free(task->nodes[i].children);
    }
    for (size_t i = 0; task->inputs && i < task->sub->input_count; i++) {
        free(task->inputs[i].ring);
    }
    free(task->nodes);
    free(task->inputs);
    free(task->specs);
    free(task->listeners);
    free(task->changelog_topics);
    wr_arena_done(&task->arena);
    free(task);
}

/* ---- one record --------------------------------------------------------- */

/* Whether a failure is the record's own, and the handlers say to go on. */
static bool may_skip(const struct wr_task *task, enum weir_status s,
                     bool decoding)
{
    if (task->infrastructure || weir_status_class(s) == WEIR_CLASS_ABORT ||
        weir_status_class(s) == WEIR_CLASS_FENCED || s == WEIR_E_NOMEM) {
        return false;
    }
    return decoding ? task->continue_on_decode : task->continue_on_process;
}

/* What a store could not read is no fault of the record: it is never skipped,
 * whatever the processor made of it. Local state is a copy, so damage is
 * trouble of this machine, which the next open repairs. */
static enum weir_status state_trouble(struct wr_task *task,
                                      const struct weir_context *node,
                                      enum weir_status s)
{
    const struct weir_error *why =
        task->state ? wr_task_state_error(task->state) : NULL;
    if (!why || (why->status != WEIR_E_CORRUPT && why->status != WEIR_E_IO)) {
        return s;
    }
    task->infrastructure = true;
    task->failed = task->failed ? task->failed : node;
    return weir_fail(&task->error, WEIR_E_IO, "%s%s", why->text,
                     why->status == WEIR_E_CORRUPT
                         ? "; the next start rebuilds it from its changelog"
                         : "");
}

/* Runs the record through the source's children. */
static enum weir_status forward_record(struct wr_task *task,
                                       struct wr_input_queue *q,
                                       const struct weir_record *r)
{
    if (r->timestamp_ms < 0) {
        wr_context_notice(q->source, WR_NOTICE_NEGATIVE_TIMESTAMP,
                          "timestamp_ms=%lld", (long long)r->timestamp_ms);
        return WEIR_OK;
    }
    if (r->timestamp_ms > task->stream_time_ms) {
        task->stream_time_ms = r->timestamp_ms;
    }
    enum weir_status s =
        state_trouble(task, q->source, weir_forward(q->source, r));
    if (s == WEIR_OK && task->infrastructure) {
        /* a store could not write its changelog and nobody minded */
        s = wr_task_failed(task, q->source, task->error.status);
    }
    return s;
}

/* Reads the head, if it was not read before, and runs it; a skipped failure is
 * counted. */
static enum weir_status run_head(struct wr_task *task, struct wr_input_queue *q,
                                 struct weir_error *err)
{
    enum weir_status s =
        q->head == WR_HEAD_READ ? WEIR_OK : wr_input_read(task, q);
    bool decoding = s != WEIR_OK;
    if (decoding) {
        (void)wr_task_failed(task, q->source, s);
    } else {
        s = forward_record(task, q, &wr_input_head(q)->record);
    }
    if (s == WEIR_OK) {
        return WEIR_OK;
    }
    bool skip = may_skip(task, s, decoding);
    (void)report(task, s, decoding ? "to read" : "on", err);
    if (skip) {
        weir_context_drop(q->source, decoding ? "decode" : "processing");
        return WEIR_OK;
    }
    if (decoding && err) {
        size_t n = strlen(err->text);
        (void)snprintf(err->text + n, sizeof(err->text) - n,
                       "; deserialization.exception.handler=continue skips "
                       "such records");
    }
    return s;
}

static enum weir_status process_head(struct wr_task *task,
                                     struct wr_input_queue *q,
                                     struct weir_error *err)
{
    struct wr_input *in = wr_input_head(q);
    wr_arena_reset(&task->arena);
    task->topic = task->sub->inputs[q - task->inputs].name;
    task->offset = in->offset;
    task->timestamp_ms = in->record.timestamp_ms;
    task->dirty = true;
    enum weir_status s = run_head(task, q, err);
    if (s != WEIR_OK) {
        return s;
    }
    if (in->record.timestamp_ms > q->time_ms) {
        q->time_ms = in->record.timestamp_ms;
    }
    if (task->stream_time_ms >= task->due_stream_ms) {
        s = wr_punctuate_due(task, WEIR_STREAM_TIME, task->stream_time_ms);
        s = state_trouble(task, q->source, s);
        if (s != WEIR_OK) {
            return report(task, s, "to punctuate", err);
        }
    }
    wr_input_pop(task, q);
    return WEIR_OK;
}

enum weir_status wr_task_process(struct wr_task *task, size_t max,
                                 int64_t now_ms, int64_t until_ms,
                                 size_t *out_done, struct weir_error *err)
{
    size_t done = 0;
    enum weir_status s = WEIR_OK;
    while (done < max && task->queued > 0 && s == WEIR_OK &&
           (done == 0 || wr_mono_coarse_ms() < until_ms)) {
        struct wr_input_queue *q = wr_input_choose(task, now_ms);
        if (!q) {
            break;
        }
        s = process_head(task, q, err);
        done += s == WEIR_OK;
    }
    task->topic = NULL;
    wr_metric_add(task->processed, (int64_t)done);
    *out_done = done;
    if (s == WEIR_OK && task->state && task->cache_bytes_max > 0 &&
        wr_task_state_cached_bytes(task->state) > task->cache_bytes_max) {
        s = wr_task_flush(task, err);
    }
    return s;
}

enum weir_status wr_task_punctuate(struct wr_task *task, int64_t now_ms,
                                   struct weir_error *err)
{
    if (!task->started || now_ms < task->due_wall_ms) {
        return WEIR_OK;
    }
    wr_arena_reset(&task->arena);
    enum weir_status s = state_trouble(
        task, NULL, wr_punctuate_due(task, WEIR_WALL_CLOCK, now_ms));
    return s == WEIR_OK ? s : report(task, s, "to punctuate", err);
}

int64_t wr_task_next_punctuation_ms(const struct wr_task *task)
{
    return task->due_wall_ms;
}

/* ---- the task's side of a commit ---------------------------------------- */

bool wr_task_dirty(const struct wr_task *task)
{
    return task->dirty;
}

bool wr_task_wants_commit(const struct wr_task *task)
{
    return task->commit_requested ||
           (task->state && task->uncommitted_bytes_max > 0 &&
            wr_task_state_uncommitted_bytes(task->state) >
                task->uncommitted_bytes_max);
}

/* The node whose output a store's flush is, for the order of flushing. */
static int flush_rank(const struct wr_task *task, size_t store)
{
    const struct weir_context *ctx = task->listeners[store].context;
    return ctx ? ctx->node->index : INT32_MAX;
}

/* Flushes every store once, upstream ones first. */
static enum weir_status flush_pass(struct wr_task *task, struct weir_error *err)
{
    int last_rank = -1;
    size_t flushed = 0;
    while (flushed < task->sub->store_count) {
        int rank = INT32_MAX;
        for (size_t i = 0; i < task->sub->store_count; i++) {
            int r = flush_rank(task, i);
            rank = r > last_rank && r < rank ? r : rank;
        }
        for (size_t i = 0; i < task->sub->store_count; i++) {
            if (flush_rank(task, i) != rank) {
                continue;
            }
            enum weir_status s = wr_store_flush(task->state, (int)i, err);
            if (s != WEIR_OK) {
                return s;
            }
            flushed++;
        }
        if (rank == INT32_MAX) {
            break;
        }
        last_rank = rank;
    }
    return WEIR_OK;
}

enum weir_status wr_task_flush(struct wr_task *task, struct weir_error *err)
{
    if (!task->state) {
        return WEIR_OK;
    }
    wr_arena_reset(&task->arena);
    int pass = 0;
    while (wr_task_state_cached_bytes(task->state) > 0) {
        if (pass++ == FLUSH_PASSES) {
            return weir_fail(err, WEIR_E_INTERNAL,
                             "task %s: caches do not run empty", task->name);
        }
        enum weir_status s = flush_pass(task, err);
        if (s != WEIR_OK) {
            return task->failed || task->error.status == s
                       ? report(task, s, "to flush its cache", err)
                       : weir_fail_prefix(err, s, "task %s", task->name);
        }
    }
    return WEIR_OK;
}

int64_t wr_task_commit_offset(const struct wr_task *task, int input,
                              int64_t position, int64_t *out_partition_time_ms)
{
    const struct wr_input_queue *q = &task->inputs[input];
    *out_partition_time_ms = q->time_ms;
    if (q->count > 0) {
        return q->ring[q->first].offset;
    }
    return position > q->next_offset ? position : q->next_offset;
}

enum weir_status wr_task_committed(struct wr_task *task,
                                   const int64_t *changelog_offsets,
                                   struct weir_error *err)
{
    task->dirty = false;
    task->commit_requested = false;
    for (size_t i = 0; i < task->sub->input_count; i++) {
        task->inputs[i].committed_time_ms = task->inputs[i].time_ms;
    }
    if (!task->state) {
        return WEIR_OK;
    }
    enum weir_status s = wr_task_state_commit(
        task->state, changelog_offsets, task->env.wall_ms(task->env.user), err);
    return s == WEIR_OK ? s : weir_fail_prefix(err, s, "task %s", task->name);
}

enum weir_status wr_task_aborted(struct wr_task *task, struct weir_error *err)
{
    bool was_started = task->started;
    close_nodes(task);
    wr_inputs_empty(task);
    task->dirty = false;
    task->commit_requested = false;
    task->stream_time_ms = -1;
    task->idle_since_ms = -1;
    return was_started ? wr_task_start(task, err) : WEIR_OK;
}
