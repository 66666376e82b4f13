/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening a log after a crash.
 *
 *   1. Segments below the recovery point are on the disk: opened as they are.
 *   2. The others are read through: checksums, offsets; indexes, aborted lists
 * and producers are made again on the way (producers from the nearest
 * snapshot). The walk stops at the first bad batch, and, where the end of what
 * was acknowledged is known exactly (durability=sync), right there: what
 * follows was never acknowledged, and keeping it could show a transaction's
 * marker whose decision, in another partition, is lost. Where a segment ends
 * before the next one begins, what is missing comes from the write-ahead log.
 *   3. The write-ahead log's batches go where the walk ended.
 *   4. If that does not reach the end of what was acknowledged, data is
 * missing: nothing is changed, the log goes offline, and a file in its folder
 * says so until a person decides. Else the tail is cut.
 *
 * With the weaker modes, and when the write-ahead log was cut by somebody or
 * neither it nor the checkpoint knows the log, there is no exact end; the
 * recovery point and what is left of the write-ahead log must be reached, and
 * every whole batch beyond is kept, up to a place where something is missing:
 * segments behind it are set aside.
 * Thread: the one that opens the data folder. */
#include "broker/log_internal.h"

#include "base/fs.h"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define QUARANTINE_FILE "offline.weir"
#define SET_ASIDE_MAX   1000 /* of one segment, over all starts */

/* ---- quarantine ---------------------------------------------------------- */

static void quarantine_path(const struct wr_log *log, char out[PATH_MAX])
{
    (void)snprintf(out, PATH_MAX, "%s/%s", log->dir, QUARANTINE_FILE);
}

enum weir_status wr_log_quarantine_check(struct wr_log *log)
{
    char path[PATH_MAX];
    struct wr_buf text;
    wr_buf_init(&text, 4096);
    quarantine_path(log, path);
    enum weir_status status = wr_file_read(path, &text, NULL);
    if (status == WEIR_OK || status == WEIR_E_TOOBIG) {
        text.status = WEIR_OK;
        const char *why = wr_buf_text(&text);
        wr_log_set_offline(log, why[0] ? why : "marked as offline");
        wr_log(WR_ERROR, "broker", "partition is offline",
               "log=%s-%" PRId32 " reason=\"%s\"", log->topic, log->partition,
               log->offline ? log->offline : "");
        status = log->offline ? WEIR_OK : WEIR_E_NOMEM;
    }
    wr_buf_done(&text);
    return status == WEIR_E_NOTFOUND ? WEIR_OK : status;
}

static enum weir_status quarantine(struct wr_log *log, const char *reason,
                                   struct weir_error *err)
{
    char path[PATH_MAX];
    struct wr_buf text;
    wr_buf_init(&text, 4096);
    quarantine_path(log, path);
    wr_buf_printf(&text,
                  "acknowledged data is damaged: %s; restore the file from a "
                  "copy, or accept the loss of what follows that place, then "
                  "remove %s and restart",
                  reason, path);
    wr_log_set_offline(log, wr_buf_text(&text));
    enum weir_status status = wr_file_replace(path, wr_buf_view(&text), err);
    wr_log(WR_ERROR, "broker", "partition is offline",
           "log=%s-%" PRId32 " reason=\"%s\"", log->topic, log->partition,
           wr_buf_text(&text));
    wr_buf_done(&text);
    return log->offline ? status : WEIR_E_NOMEM;
}

/* ---- the walk ------------------------------------------------------------ */

struct walk {
    struct wr_log *log;
    struct wr_segment *segment;
    int64_t stop_at;     /* first offset that is not wanted; INT64_MAX: none */
    bool producers_only; /* the segment itself is opened already */
};

/* Takes a batch into the producers and, for an abort, into the segment's list.
 */
static enum weir_status absorb(struct wr_log *log, struct wr_segment *segment,
                               const struct wr_batch *batch,
                               struct weir_bytes bytes, bool note_aborts)
{
    struct wr_marker marker;
    struct wr_abort_entry entry;
    enum weir_status status;
    if (!wr_batch_is_control(batch)) {
        return wr_producers_apply(&log->producers, batch);
    }
    status = wr_batch_get_marker(bytes, &marker);
    if (status != WEIR_OK) {
        return status == WEIR_E_NOTFOUND ? WEIR_OK : status;
    }
    if (note_aborts && wr_producers_abort_entry(&log->producers, &marker,
                                                batch->base_offset, &entry)) {
        status = wr_segment_abort_write(segment, &entry, NULL);
        if (status != WEIR_OK) {
            return status;
        }
        wr_segment_abort_note(segment, &entry);
    }
    return wr_producers_apply_marker(&log->producers, &marker,
                                     batch->base_offset);
}

static enum weir_status walk_batch(void *arg, const struct wr_batch *batch,
                                   struct weir_bytes bytes)
{
    struct walk *walk = arg;
    if (batch->base_offset >= walk->stop_at) {
        return WEIR_E_CLOSED;
    }
    enum weir_status status =
        absorb(walk->log, walk->segment, batch, bytes, !walk->producers_only);
    if (status == WEIR_OK && !walk->producers_only) {
        wr_segment_note(walk->segment, batch,
                        walk->log->config.index_interval_bytes);
    }
    return status;
}

/* Reads a segment through. *out_end is the position after its last wanted
 * batch. */
static enum weir_status walk_segment(struct walk *walk, int64_t offset_min,
                                     struct weir_error *err)
{
    struct wr_segment *segment = walk->segment;
    struct wr_segment_scan scan = {
        .end = segment->size,
        .offset_min = offset_min,
        .check_crc = !walk->producers_only,
        .batch_max = INT32_MAX,
        .fn = walk_batch,
        .arg = walk,
    };
    if (!walk->producers_only) {
        segment->size = 0;
        segment->next_offset = segment->base_offset;
        segment->since_index = 0;
        segment->max_timestamp = -1;
        wr_index_clear(&segment->offsets);
        wr_index_clear(&segment->times);
        wr_segment_abort_clear(segment);
    }
    return wr_segment_scan(&walk->log->logs->files, segment, &scan, err);
}

/* Producers as of the base of segment `first`: the nearest snapshot, and the
 * segments between. */
static enum weir_status producers_before(struct wr_log *log, size_t first,
                                         struct weir_error *err)
{
    size_t from = first;
    while (from > 0 && wr_log_snapshot_load(
                           log, log->segments[from]->base_offset) != WEIR_OK) {
        from--;
    }
    if (from == 0 &&
        wr_log_snapshot_load(log, log->segments[0]->base_offset) != WEIR_OK) {
        wr_producers_clear(&log->producers);
    }
    enum weir_status status = WEIR_OK;
    for (size_t i = from; i < first && status == WEIR_OK; i++) {
        struct walk walk = {log, log->segments[i], INT64_MAX, true};
        status = walk_segment(&walk, log->segments[i]->base_offset, err);
    }
    return status;
}

/* ---- frames -------------------------------------------------------------- */

/* Appends to `segment` what only the write-ahead log has, up to offset `to`. */
static enum weir_status frames_apply(struct wr_log *log,
                                     struct wr_segment *segment,
                                     const struct wr_log_recovery *recovery,
                                     int64_t to, struct weir_error *err)
{
    struct wr_buf bytes;
    struct wr_batch batch;
    enum weir_status status = WEIR_OK;
    wr_buf_init(&bytes, (size_t)INT32_MAX);
    for (size_t i = 0; i < recovery->frame_count && status == WEIR_OK; i++) {
        const struct wr_wal_found *frame = recovery->frames[i];
        if (frame->entry.base_offset < segment->next_offset ||
            frame->entry.next_offset > to) {
            continue;
        }
        status = wr_wal_load(recovery->wal, frame, &bytes, err);
        if (status == WEIR_OK) {
            status = wr_batch_parse(wr_buf_view(&bytes), &batch, err);
        }
        if (status == WEIR_OK) {
            status = absorb(log, segment, &batch, wr_buf_view(&bytes), true);
        }
        if (status == WEIR_OK) {
            status = wr_segment_append(&log->logs->files, segment, &batch,
                                       bytes.data,
                                       log->config.index_interval_bytes, err);
        }
    }
    wr_buf_done(&bytes);
    return status;
}

/* Whether the write-ahead log has whole batches of all from `from` to `to`.
 * Errors: WEIR_E_CORRUPT (it has not), WEIR_E_IO, WEIR_E_NOMEM. */
static enum weir_status frames_cover(const struct wr_log_recovery *recovery,
                                     int64_t from, int64_t to,
                                     struct weir_error *err)
{
    struct wr_buf batch;
    enum weir_status status = WEIR_OK;
    wr_buf_init(&batch, (size_t)INT32_MAX);
    for (size_t i = 0;
         i < recovery->frame_count && status == WEIR_OK && from < to; i++) {
        const struct wr_wal_entry *entry = &recovery->frames[i]->entry;
        if (entry->next_offset <= from) {
            continue;
        }
        if (entry->kind == WR_WAL_DIRECT || entry->base_offset != from) {
            break;
        }
        status = wr_wal_load(recovery->wal, recovery->frames[i], &batch, err);
        from = entry->next_offset;
    }
    wr_buf_done(&batch);
    if (status == WEIR_OK && from != to) {
        status = weir_fail(
            err, WEIR_E_CORRUPT,
            "offsets from %" PRId64 " to %" PRId64 " are missing", from, to);
    }
    return status;
}

/* A segment that ended before the next one begins, because pages of it were
 * lost: the rest comes from the write-ahead log, and what follows stays. */
static enum weir_status fill(struct wr_log *log, struct wr_segment *segment,
                             const struct wr_log_recovery *recovery, int64_t to,
                             struct weir_error *err)
{
    enum weir_status status =
        frames_cover(recovery, segment->next_offset, to, NULL);
    if (status != WEIR_OK) {
        return status;
    }
    wr_log(WR_INFO, "broker", "segment is completed from the write-ahead log",
           "log=%s-%" PRId32 " file=%s from=%" PRId64 " to=%" PRId64,
           log->topic, log->partition, segment->log.path, segment->next_offset,
           to);
    status = wr_segment_cut(&log->logs->files, segment, segment->size, err);
    return status == WEIR_OK ? frames_apply(log, segment, recovery, to, err)
                             : status;
}

/* ---- the end ------------------------------------------------------------- */

/* Where the walk ended. */
struct walked {
    size_t segment;    /* index of the last one with something wanted */
    bool damaged;      /* because of a bad batch: reason says which */
    bool below;        /* that one is below the recovery point */
    int64_t file_size; /* of that segment's file before */
    struct weir_error reason;
};

/* What lies below the recovery point. */
static enum weir_status walk_below(struct wr_log *log, size_t first,
                                   struct walked *out, struct weir_error *err)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < first && status == WEIR_OK; i++) {
        status = wr_log_open_sealed(log, log->segments[i], &out->reason);
    }
    if (status == WEIR_OK) {
        status = producers_before(log, first, &out->reason);
    }
    if (status != WEIR_OK) {
        (void)weir_fail(err, status, "%s", out->reason.text);
        out->damaged = status == WEIR_E_CORRUPT;
        out->below = out->damaged;
    }
    return out->damaged ? WEIR_OK : status;
}

/* Between the end of one segment and the begin of the next. WEIR_E_CORRUPT:
 * something is missing there, and what follows may not be kept. */
static enum weir_status walk_border(struct wr_log *log, size_t i,
                                    const struct wr_log_recovery *recovery,
                                    enum weir_status walked,
                                    struct weir_error *reason)
{
    struct wr_segment *segment = log->segments[i];
    const struct wr_segment *next = log->segments[i + 1];
    if ((walked != WEIR_OK && walked != WEIR_E_CORRUPT) ||
        segment->next_offset >= next->base_offset) {
        return walked;
    }
    enum weir_status status =
        fill(log, segment, recovery, next->base_offset, reason);
    if (status != WEIR_E_CORRUPT) {
        return status;
    }
    if (walked != WEIR_OK ||
        (recovery->exact && next->base_offset >= recovery->acked_end)) {
        return walked;
    }
    (void)weir_fail(reason, WEIR_E_CORRUPT,
                    "%s: begins at offset %" PRId64 ", %" PRId64 " is missing",
                    next->log.path, next->base_offset, segment->next_offset);
    if (recovery->exact || recovery->known) {
        return WEIR_E_CORRUPT;
    }
    /* Nothing says that there ever was more. */
    wr_log(WR_WARN, "broker", "offsets are missing between two segments",
           "log=%s-%" PRId32 " reason=\"%s\"", log->topic, log->partition,
           reason->text);
    return WEIR_OK;
}

static enum weir_status walk_log(struct wr_log *log,
                                 const struct wr_log_recovery *recovery,
                                 struct walked *out, struct weir_error *err)
{
    size_t first = wr_log_segment_find(log, recovery->recovery_point);
    out->segment = first;
    enum weir_status status = walk_below(log, first, out, err);
    if (out->damaged) {
        return WEIR_OK;
    }
    int64_t next = log->segments[first]->base_offset;
    for (size_t i = first; i < log->segment_count && status == WEIR_OK; i++) {
        struct walk walk = {log, log->segments[i],
                            recovery->exact ? recovery->acked_end : INT64_MAX,
                            false};
        if (walk.segment->base_offset >= walk.stop_at && i > first) {
            return WEIR_OK;
        }
        out->segment = i;
        out->file_size = walk.segment->size;
        status = walk_segment(&walk, next, &out->reason);
        if (i + 1 < log->segment_count) {
            status = walk_border(log, i, recovery, status, &out->reason);
        }
        next = walk.segment->next_offset;
    }
    out->damaged = status == WEIR_E_CORRUPT;
    if (status != WEIR_OK && status != WEIR_E_CLOSED && !out->damaged) {
        return weir_fail(err, status, "%s", out->reason.text);
    }
    return WEIR_OK;
}

/* Whether the write-ahead log carries on from `end` to what was acknowledged.
 */
static enum weir_status frames_check(const struct wr_log_recovery *recovery,
                                     int64_t end, struct weir_error *err)
{
    return end < recovery->acked_end
               ? frames_cover(recovery, end, recovery->acked_end, err)
               : WEIR_OK;
}

/* A segment behind a place where something is missing, and nobody knows whether
 * it was acknowledged: kept under a name that no start looks at. */
static enum weir_status set_aside(const struct wr_log *log,
                                  const struct wr_segment *segment,
                                  const struct walked *walked,
                                  struct weir_error *err)
{
    char to[PATH_MAX];
    for (int i = 0; i < SET_ASIDE_MAX; i++) {
        (void)snprintf(to, sizeof(to), "%s.aside-%d", segment->log.path, i);
        if (link(segment->log.path, to) == 0) {
            wr_log(WR_ERROR, "broker", "segment is set aside",
                   "log=%s-%" PRId32 " file=%s reason=\"%s\"", log->topic,
                   log->partition, to, walked->reason.text);
            return WEIR_OK;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    return weir_fail(err, wr_status_of_errno(errno),
                     "%s: cannot be kept as %s: move it away by hand, then "
                     "restart",
                     segment->log.path, to);
}

/* Cuts what the walk did not want. */
static enum weir_status cut_tail(struct wr_log *log,
                                 const struct wr_log_recovery *recovery,
                                 const struct walked *walked,
                                 struct weir_error *err)
{
    struct wr_segment *last = log->segments[walked->segment];
    enum weir_status status = WEIR_OK;
    if (walked->file_size > last->size) {
        wr_log(WR_WARN, "broker", "unacknowledged tail is cut",
               "log=%s-%" PRId32 " file=%s position=%" PRId64 " bytes=%" PRId64
               " reason=\"%s\"",
               log->topic, log->partition, last->log.path, last->size,
               walked->file_size - last->size,
               walked->damaged ? walked->reason.text
                               : "was never acknowledged");
        status = wr_segment_cut(&log->logs->files, last, last->size, err);
    }
    for (size_t i = walked->segment + 1;
         i < log->segment_count && status == WEIR_OK; i++) {
        if (!recovery->exact && log->segments[i]->size > 0) {
            status = set_aside(log, log->segments[i], walked, err);
        }
        if (status == WEIR_OK) {
            status =
                wr_segment_remove(&log->logs->files, log->segments[i], err);
        }
    }
    wr_log_segments_free(log, walked->segment + 1);
    return status;
}

/* A cut in a weaker mode may have taken what a consumer saw: a new epoch lets
 * it find out. */
static enum weir_status epoch_bump(struct wr_log *log, struct weir_error *err)
{
    struct wr_epoch *epochs =
        realloc(log->epochs, (log->epoch_count + 1) * sizeof(*epochs));
    if (!epochs) {
        return WEIR_E_NOMEM;
    }
    log->epochs = epochs;
    epochs[log->epoch_count] = (struct wr_epoch){
        .epoch = epochs[log->epoch_count - 1].epoch + 1,
        .start_offset = log->end_offset,
    };
    log->epoch_count++;
    return wr_log_epochs_save(log, err);
}

enum weir_status wr_log_recover(struct wr_log *log,
                                const struct wr_log_recovery *recovery,
                                struct weir_error *err)
{
    struct walked walked = {0};
    struct weir_error why = {0};
    enum weir_status status = walk_log(log, recovery, &walked, err);
    if (status != WEIR_OK) {
        return status;
    }
    struct wr_segment *last = log->segments[walked.segment];
    status = frames_check(recovery, last->next_offset, &why);
    if (status == WEIR_OK && walked.below) {
        status = WEIR_E_CORRUPT;
    }
    if (status == WEIR_E_CORRUPT) {
        return quarantine(log, walked.damaged ? walked.reason.text : why.text,
                          err);
    }
    if (status == WEIR_OK) {
        status = cut_tail(log, recovery, &walked, err);
    }
    if (status == WEIR_OK) {
        status =
            frames_apply(log, wr_log_active(log), recovery, INT64_MAX, err);
    }
    if (status != WEIR_OK) {
        return weir_fail_prefix(err, status, "%s", log->dir);
    }
    /* The segment that ends the log is active again: its index is in memory,
     * for it was walked. Those between the recovery point and it are finished.
     */
    for (size_t i = 0; i + 1 < log->segment_count && status == WEIR_OK; i++) {
        status = wr_segment_save(log->segments[i], true, err);
    }
    wr_log_opened(log, recovery);
    log->recovery_point = recovery->recovery_point < log->end_offset
                              ? recovery->recovery_point
                              : log->end_offset;
    log->dirty = true;
    wr_log_dir_changed(log);
    if (status == WEIR_OK && walked.damaged && !recovery->exact) {
        status = epoch_bump(log, err);
    }
    return status;
}
