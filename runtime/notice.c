/* SPDX-License-Identifier: Apache-2.0
 *
 * See the header. A source gone wrong can be odd a million times a second: the
 * counter has them all, the log must stay readable. */
#include "runtime/notice.h"

#include "base/log.h"
#include "runtime/node.h"

#include <stdarg.h>
#include <stdio.h>

#define QUIET_MS 10000 /* between two lines of a kind, per task */

static const struct {
    const char *event;
    const char *drop; /* the record is left out for this reason; or NULL */
    const char *metric, *help;
} kinds[WR_NOTICE_KINDS] = {
    [WR_NOTICE_NEGATIVE_TIMESTAMP] = {.event = "record-skipped",
                                      .drop = "negative_timestamp"},
    [WR_NOTICE_LATE_UPDATE] =
        {.event = "late-update",
         .metric = "weir_table_updates_late_total",
         .help = "Updates of a table that are older than the row they "
                 "replaced"},
};

static void count(struct weir_context *ctx, enum wr_notice_kind kind)
{
    struct wr_task *task = ctx->task;
    struct wr_notice *notice = &task->notices[kind];
    if (kinds[kind].drop) {
        weir_context_drop(ctx, kinds[kind].drop);
        return;
    }
    if (!notice->metric) {
        char labels[64];
        (void)snprintf(labels, sizeof(labels), "task=\"%s\"", task->name);
        notice->metric =
            wr_metric_get(task->env.metrics, WR_COUNTER, kinds[kind].metric,
                          labels, kinds[kind].help);
    }
    wr_metric_add(notice->metric, 1);
}

void wr_context_notice(struct weir_context *ctx, enum wr_notice_kind kind,
                       const char *fields, ...)
{
    struct wr_task *task = ctx->task;
    struct wr_notice *notice = &task->notices[kind];
    count(ctx, kind);
    int64_t now_ms = task->env.wall_ms(task->env.user);
    int64_t quiet_ms = now_ms - notice->told_ms;
    if (notice->told && quiet_ms >= 0 && quiet_ms < QUIET_MS) {
        notice->untold++;
        return;
    }
    char text[512];
    va_list args;
    va_start(args, fields);
    (void)vsnprintf(text, sizeof(text), fields, args);
    va_end(args);
    wr_log(WR_WARN, "task", kinds[kind].event,
           "task=%s node=%s topic=%s partition=%d offset=%lld %s untold=%lld",
           task->name, ctx->node->name, task->topic ? task->topic : "-",
           task->partition, (long long)task->offset, text,
           (long long)notice->untold);
    notice->told = true;
    notice->told_ms = now_ms;
    notice->untold = 0;
}
