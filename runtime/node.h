/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a task, shared by task.c (life and commit), task_inputs.c
 * (queues), context.c (what user code sees), punctuate.c (timers) and notice.c.
 * Nobody else includes this. */
#ifndef WEIR_RUNTIME_NODE_H
#define WEIR_RUNTIME_NODE_H

#include "runtime/notice.h"
#include "runtime/task.h"

#define WR_DROP_REASONS_MAX 16 /* different reasons a task may count */

/** A node of one task: what user code knows as its context. */
struct weir_context {
    struct wr_task *task;
    const struct wr_node *node;
    struct weir_context **children; /* child_count, in the order of adding */
    size_t child_count;
    void *state;        /* of the processor */
    bool open;          /* the processor's open has run */
    int32_t sink_topic; /* collector's handle */
    int32_t sink_partition_count;
    uint32_t sink_unkeyed; /* records without a key, to spread them */
};

/** Who hears when a cached entry leaves its store. */
struct wr_flush_listener {
    struct weir_context *context; /* NULL: nobody */
    weir_flush_fn fn;
    void *state;
};

/** What is known of the oldest record of a queue. */
enum wr_head {
    WR_HEAD_NEW,
    WR_HEAD_READ,      /* checked; its timestamp is the extracted one */
    WR_HEAD_UNREADABLE /* its failure is told when its turn comes */
};

/** Records of one input partition, oldest first, in a ring. */
struct wr_input_queue {
    struct wr_input *ring; /* power of two, or NULL */
    size_t cap, first, count;
    struct weir_context *source;
    bool absent; /* the topic has no such partition */
    enum wr_head head;
    int64_t next_offset; /* one past the last processed; -1: none */
    int64_t time_ms;     /* partition time: highest timestamp processed; -1 */
    int64_t committed_time_ms; /* the same, as of the last commit */
    int64_t lag;               /* as told; -1: unknown */
};

struct weir_punctuator {
    struct weir_punctuator *next;
    struct weir_context *context;
    enum weir_punctuation type;
    int64_t interval_ms;
    int64_t due_ms;
    weir_punctuate_fn fn;
    void *state;
    bool cancelled;
};

struct wr_drop_counter {
    const char *reason; /* a literal */
    struct wr_metric *metric;
};

struct wr_task {
    const struct wr_plan *plan;
    const struct wr_subtopology *sub;
    struct wr_task_env env;
    int32_t partition;
    char name[32]; /* "<sub-topology>_<partition>" */

    struct weir_context *nodes;    /* sub->node_count, in the plan's order */
    struct wr_input_queue *inputs; /* sub->input_count */
    size_t queued;                 /* over all inputs */
    int64_t idle_since_ms;         /* waiting for an empty input; -1: not */

    struct wr_task_state *state;
    struct weir_store_spec *specs; /* as run: no caching without a cache */
    struct wr_flush_listener *listeners; /* sub->store_count */
    int32_t *changelog_topics;           /* collector's handles; -1: none */

    struct weir_punctuator *punctuators;
    struct weir_punctuator *cancelled; /* kept: their handles are lent */
    int64_t due_stream_ms; /* earliest due of each kind; INT64_MAX: none */
    int64_t due_wall_ms;

    /* the record at hand */
    const char *topic; /* NULL: none (punctuation, flush) */
    int64_t offset;
    int64_t timestamp_ms; /* of the record that the current node was given */
    int64_t stream_time_ms;
    struct wr_arena arena;

    struct weir_error error;           /* text of weir_context_fail() */
    const struct weir_context *failed; /* where the failure arose */
    bool infrastructure;               /* it was a store's or the collector's */

    bool started; /* every node is open: records may run */
    bool closing; /* nodes are being closed: nothing would be committed */
    bool dirty, commit_requested;
    int64_t max_idle_ms;
    size_t cache_bytes_max, uncommitted_bytes_max;
    bool continue_on_decode, continue_on_process;
    struct wr_metric *processed;
    struct wr_drop_counter drops[WR_DROP_REASONS_MAX];
    struct wr_notice notices[WR_NOTICE_KINDS];
};

/** Runs a record through one node (processor or sink). */
enum weir_status wr_node_run(struct weir_context *node,
                             const struct weir_record *record);
/** Notes where and why it failed, unless something deeper did; returns status.
 */
enum weir_status wr_task_failed(struct wr_task *task,
                                const struct weir_context *node,
                                enum weir_status status);
/** Hands the cached entry of a store to its listener. */
enum weir_status wr_task_flushed(struct wr_task *task, int store_index,
                                 const struct weir_record *record);

/** Fires what is due of a kind at now_ms. */
enum weir_status wr_punctuate_due(struct wr_task *task,
                                  enum weir_punctuation type, int64_t now_ms);
/** Frees all punctuators, cancelled ones too. */
void wr_punctuators_free(struct wr_task *task);

/* ---- input queues (task_inputs.c) ---------------------------------------- */

/** The oldest record of a queue that is not empty; lent until it is popped. */
struct wr_input *wr_input_head(struct wr_input_queue *q);
/** Makes the head the record at hand, checks it and gives it its event time.
 *  Errors: WEIR_E_DECODE, what the extractor returned; the text is in
 *  task->error until the next call. */
WEIR_MUST_CHECK enum weir_status wr_input_read(struct wr_task *task,
                                               struct wr_input_queue *q);
/** The input whose head comes next, or NULL when there is none or it must wait.
 */
struct wr_input_queue *wr_input_choose(struct wr_task *task, int64_t now_ms);
/** Gives the head back to its owner: it is done. */
void wr_input_pop(struct wr_task *task, struct wr_input_queue *q);
/** Gives every record back and forgets positions and times since the last
 *  commit. */
void wr_inputs_empty(struct wr_task *task);

#endif
