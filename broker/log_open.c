/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening a log after a proper end of the last run: segments by their names,
 * older ones by their indexes, the active one by its last indexed batch and
 * what follows, producers by the snapshot at the log end. Whatever of this is
 * missing or damaged, but can be made again from the segments, is:
 * log_recover.c. Thread: the one that opens the data folder. */
#include "broker/log_internal.h"

#include "base/fs.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#define BACKFILL_BYTES ((int64_t)1 << 20) /* looked at to refill producers */
#define BACKFILL_MAX   4096u              /* batches of them */

enum weir_status wr_log_new(struct wr_logs *logs, const char *topic,
                            int32_t partition, const char *dir,
                            struct wr_log **out)
{
    struct wr_log *log = calloc(1, sizeof(*log));
    if (!log) {
        return WEIR_E_NOMEM;
    }
    log->logs = logs;
    log->partition = partition;
    log->config = logs->config.topic;
    log->topic = strdup(topic);
    log->dir = strdup(dir);
    wr_producers_init(&log->producers, logs->config.producers_max,
                      logs->config.producer_expire_ms, logs->config.mono_ms());
    if (!log->topic || !log->dir) {
        wr_log_free(log);
        return WEIR_E_NOMEM;
    }
    *out = log;
    return WEIR_OK;
}

void wr_log_segments_free(struct wr_log *log, size_t from)
{
    for (size_t i = from; i < log->segment_count; i++) {
        wr_segment_done(&log->logs->files, log->segments[i]);
        free(log->segments[i]);
    }
    if (from < log->segment_count) {
        log->segment_count = from;
    }
}

void wr_log_free(struct wr_log *log)
{
    if (!log) {
        return;
    }
    wr_log_segments_free(log, 0);
    wr_producers_done(&log->producers);
    wr_tail_list_done(&log->tail);
    free(log->segments);
    free(log->epochs);
    free(log->offline);
    free(log->topic);
    free(log->dir);
    free(log);
}

enum weir_status wr_log_make(struct wr_log *log, struct weir_error *err)
{
    struct wr_segment *segment;
    enum weir_status status =
        wr_log_segment_add(log, log->start_offset, &segment);
    if (status == WEIR_OK) {
        status = wr_segment_create(&log->logs->files, segment, err);
    }
    if (status == WEIR_OK) {
        status = wr_log_epochs_load(log, err);
    }
    log->end_offset = log->start_offset;
    log->high_watermark = log->start_offset;
    log->recovery_point = log->start_offset;
    return status;
}

/* ---- segments ------------------------------------------------------------ */

static int base_order(const void *a, const void *b)
{
    const int64_t *x = a;
    const int64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Adds the base offsets that the folder's .log files are named by. */
static enum weir_status list_segments(const struct wr_log *log,
                                      struct wr_buf *out,
                                      struct weir_error *err)
{
    DIR *dir = opendir(log->dir);
    struct dirent *entry;
    if (!dir) {
        return weir_fail(err, WEIR_E_IO, "%s: cannot be read", log->dir);
    }
    while ((entry = readdir(dir)) != NULL) {
        char *end;
        errno = 0;
        int64_t base = strtoll(entry->d_name, &end, 10);
        if (end == entry->d_name + 20 && strcmp(end, ".log") == 0 &&
            errno == 0 && base >= 0) {
            wr_buf_put(out, &base, sizeof(base));
        }
    }
    (void)closedir(dir);
    if (out->len > 0 && out->status == WEIR_OK) {
        qsort(out->data, out->len / sizeof(int64_t), sizeof(int64_t),
              base_order);
    }
    return out->status;
}

enum weir_status wr_log_find_segments(struct wr_log *log,
                                      struct weir_error *err)
{
    struct wr_buf bases;
    wr_buf_init(&bases, (size_t)64 << 20);
    enum weir_status status = list_segments(log, &bases, err);
    for (size_t at = 0; status == WEIR_OK && at < bases.len;
         at += sizeof(int64_t)) {
        int64_t base;
        struct stat st;
        struct wr_segment *segment;
        memcpy(&base, bases.data + at, sizeof(base));
        status = wr_log_segment_add(log, base, &segment);
        if (status == WEIR_OK && stat(segment->log.path, &st) != 0) {
            status =
                weir_fail(err, WEIR_E_IO, "%s: cannot stat", segment->log.path);
        }
        if (status == WEIR_OK) {
            segment->size = st.st_size;
            segment->next_offset = INT64_MAX;
            if (log->segment_count > 1) {
                log->segments[log->segment_count - 2]->next_offset = base;
            }
        }
    }
    wr_buf_done(&bases);
    return status;
}

enum weir_status wr_log_open_sealed(struct wr_log *log,
                                    struct wr_segment *segment,
                                    struct weir_error *err)
{
    struct wr_buf aborted;
    bool indexed = wr_index_load(&segment->offsets, segment->next_offset, false,
                                 NULL) == WEIR_OK &&
                   wr_index_load(&segment->times, segment->next_offset, false,
                                 NULL) == WEIR_OK;
    enum weir_status status = WEIR_OK;
    struct wr_index_entry last = wr_index_last(&segment->times);
    /* One that had to be cut lost its end; time 0 is a page of zeros. */
    if (indexed && !segment->times.in_memory && last.value > 0) {
        segment->max_timestamp = last.value;
        segment->max_time_offset = last.offset;
    } else if (segment->size > 0) {
        status = wr_segment_reindex(&log->logs->files, segment, err);
        if (status == WEIR_OK) {
            status = wr_segment_save(segment, true, err);
        }
    }
    if (status != WEIR_OK) {
        return status;
    }
    wr_buf_init(&aborted, (size_t)INT32_MAX);
    status = wr_segment_abort_load(segment, &aborted, err);
    wr_buf_done(&aborted);
    return status;
}

static enum weir_status active_batch(void *arg, const struct wr_batch *batch,
                                     struct weir_bytes bytes)
{
    struct wr_segment *segment = arg;
    (void)bytes;
    if (batch->max_timestamp > segment->max_timestamp) {
        segment->max_timestamp = batch->max_timestamp;
        segment->max_time_offset = wr_batch_last_offset(batch);
    }
    segment->since_index += batch->size;
    return WEIR_OK;
}

/* The active segment, from its last indexed batch on. */
static enum weir_status open_active(struct wr_log *log,
                                    struct wr_segment *segment,
                                    struct weir_error *err)
{
    struct wr_buf aborted;
    enum weir_status status =
        wr_index_load(&segment->offsets, INT64_MAX, true, err);
    if (status == WEIR_OK) {
        status = wr_index_load(&segment->times, INT64_MAX, true, err);
    }
    if (status != WEIR_OK) {
        return WEIR_E_CORRUPT;
    }
    struct wr_index_entry last_time = wr_index_last(&segment->times);
    segment->max_timestamp = last_time.value;
    segment->max_time_offset = last_time.offset;
    struct wr_segment_scan scan = {
        .from = wr_index_last(&segment->offsets).value,
        .end = segment->size,
        .offset_min = segment->base_offset,
        .check_crc = true,
        .batch_max = INT32_MAX,
        .fn = active_batch,
        .arg = segment,
    };
    if (scan.from > segment->size) {
        return WEIR_E_CORRUPT;
    }
    status = wr_segment_scan(&log->logs->files, segment, &scan, err);
    if (status != WEIR_OK) {
        return status;
    }
    segment->next_offset = scan.good_offset;
    wr_buf_init(&aborted, (size_t)INT32_MAX);
    status = wr_segment_abort_load(segment, &aborted, err);
    wr_buf_done(&aborted);
    return status;
}

/* ---- producers ----------------------------------------------------------- */

enum weir_status wr_log_snapshot_load(struct wr_log *log, int64_t offset)
{
    struct wr_buf path, bytes;
    wr_buf_init(&path, 4096);
    wr_buf_init(&bytes, (size_t)64 << 20);
    enum weir_status status =
        wr_segment_path(log->dir, offset, ".snapshot", &path);
    if (status == WEIR_OK) {
        status = wr_file_read(wr_buf_text(&path), &bytes, NULL);
    }
    if (status == WEIR_OK) {
        status = wr_producers_load(&log->producers, wr_buf_view(&bytes), NULL);
    }
    wr_buf_done(&path);
    wr_buf_done(&bytes);
    return status;
}

struct backfill {
    struct wr_batch batches[BACKFILL_MAX]; /* ring: the newest are kept */
    size_t count;
};

static enum weir_status backfill_batch(void *arg, const struct wr_batch *batch,
                                       struct weir_bytes bytes)
{
    struct backfill *backfill = arg;
    (void)bytes;
    if (batch->producer_id >= 0 && !wr_batch_is_control(batch)) {
        backfill->batches[backfill->count++ % BACKFILL_MAX] = *batch;
    }
    return WEIR_OK;
}

/* A snapshot has one batch per producer: the others come from the log's end, so
 * that a client that repeats five batches after our restart is understood. */
static void producers_backfill(struct wr_log *log)
{
    struct wr_segment *active = wr_log_active(log);
    struct backfill *backfill = malloc(sizeof(*backfill));
    if (!backfill || log->producers.map.count == 0) {
        free(backfill);
        return;
    }
    backfill->count = 0;
    struct wr_segment_scan scan = {
        .end = active->size,
        .offset_min = active->base_offset,
        .batch_max = INT32_MAX,
        .fn = backfill_batch,
        .arg = backfill,
    };
    for (size_t i = active->offsets.count; i > 0; i--) {
        int64_t position =
            wr_load_i32(active->offsets.mem.data + (i - 1) * 8 + 4);
        if (active->size - position >= BACKFILL_BYTES) {
            scan.from = position;
            break;
        }
    }
    enum weir_status status =
        wr_segment_scan(&log->logs->files, active, &scan, NULL);
    size_t kept =
        backfill->count < BACKFILL_MAX ? backfill->count : BACKFILL_MAX;
    for (size_t i = 0; status == WEIR_OK && i < kept; i++) {
        size_t at = (backfill->count - 1 - i) % BACKFILL_MAX;
        wr_producers_backfill(&log->producers, &backfill->batches[at]);
    }
    free(backfill);
}

/* ---- opening ------------------------------------------------------------- */

void wr_log_opened(struct wr_log *log, const struct wr_log_recovery *recovery)
{
    struct wr_segment_batch first;
    struct wr_segment *active = wr_log_active(log);
    int64_t now_ms = log->logs->config.now_ms();
    log->end_offset = active->next_offset;
    log->high_watermark = log->end_offset;
    log->start_offset = recovery->start_offset;
    if (log->start_offset < log->segments[0]->base_offset) {
        log->start_offset = log->segments[0]->base_offset;
    }
    if (log->start_offset > log->end_offset) {
        log->start_offset = log->end_offset;
    }
    log->active_since_ms = now_ms;
    if (active->size > 0 &&
        wr_segment_header(&log->logs->files, active, 0, &first, NULL) ==
            WEIR_OK &&
        first.batch.max_timestamp >= 0 && first.batch.max_timestamp < now_ms) {
        log->active_since_ms = first.batch.max_timestamp;
    }
    wr_producers_advance(&log->producers, log->high_watermark);
}

/* All as the last run left it. Any error means: look closer. */
static enum weir_status open_clean(struct wr_log *log,
                                   const struct wr_log_recovery *recovery,
                                   struct weir_error *err)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i + 1 < log->segment_count && status == WEIR_OK; i++) {
        status = wr_log_open_sealed(log, log->segments[i], err);
    }
    if (status == WEIR_OK) {
        status = open_active(log, wr_log_active(log), err);
    }
    if (status == WEIR_OK) {
        status = wr_log_snapshot_load(log, wr_log_active(log)->next_offset);
    }
    if (status == WEIR_OK &&
        wr_log_active(log)->next_offset < recovery->acked_end) {
        status = WEIR_E_CORRUPT;
    }
    if (status == WEIR_OK) {
        wr_log_opened(log, recovery);
        producers_backfill(log);
        log->recovery_point = log->end_offset;
    }
    return status;
}

enum weir_status wr_log_load(struct wr_log *log,
                             struct wr_log_recovery *recovery,
                             struct weir_error *err)
{
    enum weir_status status = wr_log_quarantine_check(log);
    if (log->offline || status != WEIR_OK) {
        return status;
    }
    log->start_offset = recovery->start_offset;
    status = wr_log_find_segments(log, err);
    if (status == WEIR_OK && log->segment_count == 0) {
        status = wr_log_make(log, err);
        wr_log_dir_changed(log);
    }
    if (status == WEIR_OK) {
        status = wr_log_epochs_load(log, err);
    }
    if (status != WEIR_OK) {
        return status;
    }
    if (recovery->clean) {
        struct weir_error why = {0};
        status = open_clean(log, recovery, &why);
        if (status == WEIR_OK || status == WEIR_E_NOMEM) {
            return status;
        }
        wr_log(WR_WARN, "broker", "log is checked again",
               "log=%s-%" PRId32 " reason=\"%s\"", log->topic, log->partition,
               why.text[0] ? why.text : weir_status_text(status));
        wr_log_segments_free(log, 0);
        wr_producers_clear(&log->producers);
        status = wr_log_find_segments(log, err);
        recovery->recovery_point = 0; /* everything is looked at */
    }
    if (status == WEIR_OK) {
        status = wr_log_recover(log, recovery, err);
    }
    return status;
}
