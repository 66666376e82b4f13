/* SPDX-License-Identifier: Apache-2.0
 *
 * Between log_open.c and log_recover.c: two ways to open one log. */
#ifndef WEIR_BROKER_LOG_OPEN_H
#define WEIR_BROKER_LOG_OPEN_H

#include "base/fs.h"
#include "broker/log_internal.h"

/** Forgets the segments from an index on; files stay. */
void wr_log_segments_free(struct wr_log *log, size_t from);
/** Adds a segment for each .log of the folder; sizes from the files, next
 * offsets from the names, INT64_MAX for the last. */
WEIR_MUST_CHECK enum weir_status wr_log_find_segments(struct wr_log *log,
                                                      struct weir_error *err);
/** A segment that is no longer appended to, as it was left. Indexes are made
 * again where needed. Errors: WEIR_E_CORRUPT. */
WEIR_MUST_CHECK enum weir_status wr_log_open_sealed(struct wr_log *log,
                                                    struct wr_segment *segment,
                                                    struct weir_error *err);
/** Producers as of `offset`. Errors: WEIR_E_NOTFOUND, WEIR_E_CORRUPT. */
WEIR_MUST_CHECK enum weir_status wr_log_snapshot_load(struct wr_log *log,
                                                      int64_t offset);
/** Sets the log's numbers from its segments. */
void wr_log_opened(struct wr_log *log, const struct wr_log_recovery *recovery);

/** After an unclean end. Damage puts the log offline and is no failure. */
WEIR_MUST_CHECK enum weir_status
wr_log_recover(struct wr_log *log, const struct wr_log_recovery *recovery,
               struct weir_error *err);
/** Puts the log offline when its folder has the mark of an earlier run. */
WEIR_MUST_CHECK enum weir_status wr_log_quarantine_check(struct wr_log *log);

#endif
