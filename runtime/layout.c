/* SPDX-License-Identifier: Apache-2.0
 *
 * See the header. Sub-topology by sub-topology, since cooperative-sticky deals
 * partitions out in turn: tasks of one kind, which cost about the same, are
 * then spread evenly. */
#include "runtime/layout.h"

#include <stdlib.h>

#define TASKS_MAX 100000

enum weir_status wr_layout_init(struct wr_layout *layout,
                                const int32_t *task_counts,
                                size_t subtopology_count,
                                struct weir_error *err)
{
    *layout = (struct wr_layout){.subtopology_count = subtopology_count};
    layout->task_counts =
        calloc(subtopology_count + 1, sizeof(*layout->task_counts));
    layout->firsts = calloc(subtopology_count + 1, sizeof(*layout->firsts));
    if (!layout->task_counts || !layout->firsts) {
        wr_layout_done(layout);
        return weir_fail(err, WEIR_E_NOMEM, "tasks: out of memory");
    }
    for (size_t i = 0; i < subtopology_count; i++) {
        layout->task_counts[i] = task_counts[i];
        layout->firsts[i] = layout->total;
        if (task_counts[i] > TASKS_MAX - layout->total) {
            wr_layout_done(layout);
            return weir_fail(err, WEIR_E_TOPOLOGY,
                             "the topology has more than %d tasks: use inputs "
                             "with fewer partitions",
                             TASKS_MAX);
        }
        layout->total += task_counts[i];
    }
    return WEIR_OK;
}

void wr_layout_done(struct wr_layout *layout)
{
    free(layout->task_counts);
    free(layout->firsts);
    *layout = (struct wr_layout){0};
}

bool wr_layout_task(const struct wr_layout *layout, int32_t anchor_partition,
                    struct wr_task_id *out)
{
    for (size_t i = 0; i < layout->subtopology_count; i++) {
        int32_t at = anchor_partition - layout->firsts[i];
        if (at >= 0 && at < layout->task_counts[i]) {
            *out = (struct wr_task_id){(int)i, at};
            return true;
        }
    }
    return false;
}

int32_t wr_layout_anchor(const struct wr_layout *layout, struct wr_task_id id)
{
    return layout->firsts[id.subtopology] + id.partition;
}
