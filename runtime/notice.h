/* SPDX-License-Identifier: Apache-2.0
 *
 * What a task tells its operator about single records that are odd but no
 * failure. Each is counted; the log has a line for the first and then at most
 * one in ten seconds, which says how many were not told. Thread: the task's. */
#ifndef WEIR_RUNTIME_NOTICE_H
#define WEIR_RUNTIME_NOTICE_H

#include "base/metrics.h"
#include "weir/weir.h"

enum wr_notice_kind {
    WR_NOTICE_NEGATIVE_TIMESTAMP, /* an extractor's; the record is left out */
    WR_NOTICE_LATE_UPDATE,        /* of a table: older than the row it replaces;
                                     weir_table_updates_late_total */
    WR_NOTICE_KINDS
};

/** One kind's state in a task; zero-initialised. */
struct wr_notice {
    struct wr_metric *metric;
    bool told;       /* there was a line */
    int64_t told_ms; /* wall clock of the last one */
    int64_t untold;  /* since then */
};

/** Notes an oddity of the current record. `fields` is key=value text for the
 *  log, behind node, topic, partition and offset. */
void wr_context_notice(struct weir_context *ctx, enum wr_notice_kind kind,
                       const char *fields, ...) WEIR_PRINTF(3, 4);

#endif
