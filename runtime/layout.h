/* SPDX-License-Identifier: Apache-2.0
 *
 * How many tasks each sub-topology has, and which partition of the anchor topic
 * stands for which task. Made once the partition counts of all inputs are
 * known. Immutable; thread: any. */
#ifndef WEIR_RUNTIME_LAYOUT_H
#define WEIR_RUNTIME_LAYOUT_H

#include "runtime/plan.h"

struct wr_task_id {
    int subtopology;
    int32_t partition;
};

struct wr_layout {
    int32_t *task_counts;     /* by sub-topology */
    struct wr_task_id *tasks; /* by anchor partition */
    size_t subtopology_count;
    int32_t total; /* tasks in all */
};

/** Takes a copy of the counts. Errors: WEIR_E_NOMEM; WEIR_E_TOPOLOGY when they
 *  are too many for one topic. */
WEIR_MUST_CHECK enum weir_status wr_layout_init(struct wr_layout *layout,
                                                const int32_t *task_counts,
                                                size_t subtopology_count,
                                                struct weir_error *err);
void wr_layout_done(struct wr_layout *layout);
/** The task of an anchor partition; false when there is none (the anchor may be
 *  larger than it needs to be). */
bool wr_layout_task(const struct wr_layout *layout, int32_t anchor_partition,
                    struct wr_task_id *out);
/** The anchor partition of a task; -1 when there is no such task. */
int32_t wr_layout_anchor(const struct wr_layout *layout, struct wr_task_id id);

#endif
