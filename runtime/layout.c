/* SPDX-License-Identifier: Apache-2.0
 *
 * See the header. Anchor partitions go through the partitions of the inputs,
 * and for each through the sub-topologies, beginning with another one each
 * time:
 *
 *   0_0 1_0 | 1_1 0_1 | 0_2 1_2 | 1_3 0_3
 *
 * cooperative-sticky deals partitions out in turn to members that join
 * together, and moves neighbours to one that joins later. Tasks of one
 * sub-topology cost about the same; in this order both ways give every member
 * some of each. */
#include "runtime/layout.h"

#include <stdlib.h>

#define TASKS_MAX 100000

/* Fills tasks, in the order that the top of the file draws. */
static void deal(struct wr_layout *layout)
{
    int32_t at = 0;
    size_t kinds = layout->subtopology_count;
    for (int32_t p = 0; at < layout->total; p++) {
        for (size_t k = 0; k < kinds; k++) {
            size_t sub = (k + (size_t)p) % kinds;
            if (p < layout->task_counts[sub]) {
                layout->tasks[at++] = (struct wr_task_id){(int)sub, p};
            }
        }
    }
}

enum weir_status wr_layout_init(struct wr_layout *layout,
                                const int32_t *task_counts,
                                size_t subtopology_count,
                                struct weir_error *err)
{
    *layout = (struct wr_layout){.subtopology_count = subtopology_count};
    layout->task_counts =
        calloc(subtopology_count + 1, sizeof(*layout->task_counts));
    if (!layout->task_counts) {
        return weir_fail(err, WEIR_E_NOMEM, "tasks: out of memory");
    }
    for (size_t i = 0; i < subtopology_count; i++) {
        layout->task_counts[i] = task_counts[i];
        if (task_counts[i] > TASKS_MAX - layout->total) {
            wr_layout_done(layout);
            return weir_fail(err, WEIR_E_TOPOLOGY,
                             "the topology has more than %d tasks: use inputs "
                             "with fewer partitions",
                             TASKS_MAX);
        }
        layout->total += task_counts[i];
    }
    layout->tasks = calloc((size_t)layout->total + 1, sizeof(*layout->tasks));
    if (!layout->tasks) {
        wr_layout_done(layout);
        return weir_fail(err, WEIR_E_NOMEM, "tasks: out of memory");
    }
    deal(layout);
    return WEIR_OK;
}

void wr_layout_done(struct wr_layout *layout)
{
    free(layout->task_counts);
    free(layout->tasks);
    *layout = (struct wr_layout){0};
}

bool wr_layout_task(const struct wr_layout *layout, int32_t anchor_partition,
                    struct wr_task_id *out)
{
    if (anchor_partition < 0 || anchor_partition >= layout->total) {
        return false;
    }
    *out = layout->tasks[anchor_partition];
    return true;
}

int32_t wr_layout_anchor(const struct wr_layout *layout, struct wr_task_id id)
{
    for (int32_t i = 0; i < layout->total; i++) {
        if (layout->tasks[i].subtopology == id.subtopology &&
            layout->tasks[i].partition == id.partition) {
            return i;
        }
    }
    return -1;
}
