/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a log: batches from memory or file, aborted transactions, and records
 * by time. A reader gets whole batches and never one that reaches beyond its
 * limit. What is found damaged is an error to that reader and names file and
 * position; the log itself stays as it is. Thread: the broker's loop. */
#include "broker/log_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#define BATCH_BYTES_MAX ((size_t)INT32_MAX) /* of one that is read whole */

static enum wr_kafka_error read_error(struct weir_error *err,
                                      const struct wr_log *log,
                                      enum weir_status status)
{
    (void)weir_fail_prefix(err, status, "%s-%" PRId32, log->topic,
                           log->partition);
    /* A client tries a storage error again, for ever and in silence; damage it
     * must tell. */
    return status == WEIR_E_CORRUPT ? WR_ERR_CORRUPT_MESSAGE
                                    : WR_ERR_KAFKA_STORAGE_ERROR;
}

static enum wr_kafka_error readable(const struct wr_log *log, int64_t offset,
                                    struct weir_error *err)
{
    if (log->offline) {
        (void)weir_fail(err, WEIR_E_CORRUPT, "%s-%" PRId32 ": %s", log->topic,
                        log->partition, log->offline);
        return WR_ERR_CORRUPT_MESSAGE;
    }
    if (offset < log->start_offset || offset > log->end_offset) {
        (void)weir_fail(err, WEIR_E_INVALID,
                        "%s-%" PRId32 ": offset %" PRId64
                        " is outside of %" PRId64 " to %" PRId64,
                        log->topic, log->partition, offset, log->start_offset,
                        log->end_offset);
        return WR_ERR_OFFSET_OUT_OF_RANGE;
    }
    return WR_ERR_NONE;
}

/* ---- batches ------------------------------------------------------------- */

/* Copies batches from memory. False when the offset is older than what is
 * there. */
static bool read_tail(struct wr_log *log, const struct wr_log_read *how,
                      int64_t limit, struct wr_buf *out)
{
    size_t start = out->len;
    wr_tail_list_trim(&log->tail, &log->logs->tail);
    if (log->tail.count == 0 ||
        wr_tail_list_get(&log->tail, 0)->base_offset > how->offset) {
        return false;
    }
    for (size_t i = wr_tail_list_find(&log->tail, how->offset);
         i < log->tail.count; i++) {
        const struct wr_tail_entry *entry = wr_tail_list_get(&log->tail, i);
        size_t used = out->len - start;
        bool fits =
            used + entry->len <= how->bytes_max || (how->min_one && used == 0);
        if (entry->last_offset >= limit || !fits) {
            break;
        }
        wr_buf_put(out, entry->data, entry->len);
        if (out->status != WEIR_OK) {
            break;
        }
    }
    return true;
}

/* Bytes at `data` that are whole batches below the limit. */
static size_t whole_batches(const uint8_t *data, size_t len, int64_t limit)
{
    size_t end = 0;
    struct wr_batch batch;
    while (wr_batch_parse(weir_bytes(data + end, len - end), &batch, NULL) ==
               WEIR_OK &&
           wr_batch_last_offset(&batch) < limit) {
        end += batch.size;
    }
    return end;
}

/* No offset of a log is left out: one that is, was in a file that somebody cut
 * or removed. */
static enum weir_status gap(const struct wr_segment *segment, int64_t offset,
                            int64_t next, struct weir_error *err)
{
    return weir_fail(err, WEIR_E_CORRUPT,
                     "offsets %" PRId64 " to %" PRId64
                     " are missing before %s: a file was cut or removed; put "
                     "it back from a copy, or read on behind that place",
                     offset, next - 1, segment->log.path);
}

/* The first batch at or after `offset`, in whichever segment. *out_segment is
 * NULL when there is none. */
static enum weir_status locate(struct wr_log *log, int64_t offset,
                               struct wr_segment **out_segment,
                               struct wr_segment_batch *out,
                               struct weir_error *err)
{
    *out_segment = NULL;
    for (size_t i = wr_log_segment_find(log, offset); i < log->segment_count;
         i++) {
        struct wr_segment *segment = log->segments[i];
        enum weir_status status =
            wr_segment_locate(&log->logs->files, segment, offset, out, err);
        if (status != WEIR_OK) {
            return status;
        }
        if (out->position < segment->size) {
            *out_segment = segment;
            return out->batch.base_offset <= offset
                       ? WEIR_OK
                       : gap(segment, offset, out->batch.base_offset, err);
        }
    }
    return WEIR_OK;
}

/* Copies batches from the file: as many as fit of one segment. */
static enum weir_status read_file(struct wr_log *log,
                                  const struct wr_log_read *how, int64_t limit,
                                  struct wr_buf *out, struct weir_error *err)
{
    struct wr_segment *segment;
    struct wr_segment_batch at;
    enum weir_status status = locate(log, how->offset, &segment, &at, err);
    if (status != WEIR_OK || !segment ||
        wr_batch_last_offset(&at.batch) >= limit ||
        (at.batch.size > how->bytes_max && !how->min_one)) {
        return status;
    }
    size_t want =
        how->bytes_max > at.batch.size ? how->bytes_max : at.batch.size;
    if ((int64_t)want > segment->size - at.position) {
        want = (size_t)(segment->size - at.position);
    }
    size_t start = out->len;
    if (want > out->max - start && at.batch.size <= out->max - start) {
        want = out->max - start;
    }
    uint8_t *p = wr_buf_extend(out, want);
    if (!p) {
        return WEIR_E_TOOBIG;
    }
    status =
        wr_segment_read(&log->logs->files, segment, at.position, p, want, err);
    out->len = start + (status == WEIR_OK ? whole_batches(p, want, limit) : 0);
    return status;
}

enum wr_kafka_error wr_log_read(struct wr_log *log,
                                const struct wr_log_read *how,
                                struct wr_buf *out, struct weir_error *err)
{
    enum wr_kafka_error code = readable(log, how->offset, err);
    int64_t limit = wr_log_limit(log, how->isolation);
    if (code != WR_ERR_NONE || how->offset >= limit) {
        return code;
    }
    enum weir_status status = WEIR_OK;
    if (!read_tail(log, how, limit, out)) {
        status = read_file(log, how, limit, out, err);
    }
    if (out->status != WEIR_OK || status == WEIR_E_TOOBIG) {
        (void)weir_fail(err, WEIR_E_TOOBIG, "the answer is full");
        return WR_ERR_UNKNOWN_SERVER_ERROR;
    }
    return status == WEIR_OK ? WR_ERR_NONE : read_error(err, log, status);
}

size_t wr_log_readable(const struct wr_log *log, int64_t offset,
                       enum wr_isolation isolation, size_t bytes_max)
{
    int64_t limit = wr_log_limit(log, isolation);
    if (log->offline || offset >= limit || offset < log->start_offset) {
        return 0;
    }
    const struct wr_tail_list *tail = &log->tail;
    size_t first = wr_tail_list_find(tail, offset);
    if (first == tail->count ||
        (first == 0 && wr_tail_list_get(tail, 0)->base_offset > offset)) {
        return bytes_max; /* older than memory: there is plenty */
    }
    size_t bytes = 0;
    for (size_t i = first; i < tail->count && bytes < bytes_max; i++) {
        const struct wr_tail_entry *entry = wr_tail_list_get(tail, i);
        if (entry->last_offset >= limit) {
            break;
        }
        bytes += entry->len;
    }
    return bytes < bytes_max ? bytes : bytes_max;
}

/* ---- aborted transactions ------------------------------------------------ */

static int aborted_order(const void *a, const void *b)
{
    const struct wr_aborted *x = a;
    const struct wr_aborted *y = b;
    return x->first_offset < y->first_offset
               ? -1
               : x->first_offset > y->first_offset;
}

/* Takes those of a segment that overlap. *out_last: no later one can. */
static enum weir_status aborted_take(struct wr_segment *segment, int64_t from,
                                     int64_t to, struct wr_buf *out,
                                     bool *out_last, struct weir_error *err)
{
    struct wr_buf entries;
    wr_buf_init(&entries, (size_t)INT32_MAX);
    enum weir_status status = wr_segment_abort_load(segment, &entries, err);
    for (size_t at = 0; status == WEIR_OK && at < entries.len;
         at += WR_ABORT_ENTRY_BYTES) {
        struct wr_abort_entry entry = wr_abort_entry_decode(entries.data + at);
        if (entry.last_offset >= from && entry.first_offset < to) {
            struct wr_aborted one = {entry.producer_id, entry.first_offset};
            wr_buf_put(out, &one, sizeof(one));
            status = out->status;
        }
        if (entry.last_stable_offset >= to) {
            *out_last = true;
            break;
        }
    }
    wr_buf_done(&entries);
    return status;
}

enum weir_status wr_log_aborted(struct wr_log *log, int64_t from, int64_t to,
                                struct wr_arena *arena,
                                struct wr_aborted_list *out,
                                struct weir_error *err)
{
    struct wr_buf found;
    struct weir_bytes copy = WEIR_NULL;
    enum weir_status status = WEIR_OK;
    bool last = false;
    wr_buf_init(&found, (size_t)INT32_MAX);
    for (size_t i = wr_log_segment_find(log, from);
         i < log->segment_count && !last && status == WEIR_OK; i++) {
        struct wr_segment *segment = log->segments[i];
        if (segment->abort_count > 0 && segment->abort_last_offset >= from) {
            status = aborted_take(segment, from, to, &found, &last, err);
        }
    }
    size_t count = found.len / sizeof(struct wr_aborted);
    if (status == WEIR_OK && count > 0) {
        qsort(found.data, count, sizeof(struct wr_aborted), aborted_order);
    }
    if (status == WEIR_OK) {
        status = wr_arena_copy(arena, wr_buf_view(&found), &copy);
    }
    if (status == WEIR_OK) {
        out->items = (struct wr_aborted *)(uintptr_t)copy.data;
        out->count = count;
    }
    wr_buf_done(&found);
    return status;
}

/* ---- time ---------------------------------------------------------------- */

/* The first record of a batch that is visible and not earlier. */
static enum weir_status
record_by_time(struct wr_log *log, struct wr_segment *segment,
               const struct wr_segment_batch *at, int64_t timestamp_ms,
               struct wr_log_time *out, struct weir_error *err)
{
    struct wr_buf bytes, plain;
    struct wr_batch_iter iter;
    struct wr_record record;
    wr_buf_init(&bytes, BATCH_BYTES_MAX);
    wr_buf_init(&plain, log->logs->config.unpacked_bytes_max);
    enum weir_status status = WEIR_E_NOMEM;
    uint8_t *p = wr_buf_extend(&bytes, at->batch.size);
    if (p) {
        status = wr_segment_read(&log->logs->files, segment, at->position, p,
                                 at->batch.size, err);
    }
    if (status == WEIR_OK) {
        status = wr_batch_iter_init(&iter, wr_buf_view(&bytes), &plain, err);
    }
    while (status == WEIR_OK && wr_batch_iter_next(&iter, &record)) {
        if (record.timestamp >= timestamp_ms &&
            record.offset >= log->start_offset) {
            *out = (struct wr_log_time){record.offset, record.timestamp,
                                        at->batch.leader_epoch};
            break;
        }
    }
    wr_buf_done(&bytes);
    wr_buf_done(&plain);
    return status;
}

enum wr_kafka_error wr_log_find_time(struct wr_log *log, int64_t timestamp_ms,
                                     enum wr_isolation isolation,
                                     struct wr_log_time *out,
                                     struct weir_error *err)
{
    int64_t limit = wr_log_limit(log, isolation);
    enum wr_kafka_error code = readable(log, log->start_offset, err);
    if (code != WR_ERR_NONE) {
        return code;
    }
    *out = (struct wr_log_time){-1, -1, -1};
    for (size_t i = wr_log_segment_find(log, log->start_offset);
         i < log->segment_count && out->offset < 0; i++) {
        struct wr_segment *segment = log->segments[i];
        struct wr_segment_batch at;
        if (segment->max_timestamp < timestamp_ms) {
            continue;
        }
        enum weir_status status = wr_segment_locate_time(
            &log->logs->files, segment, timestamp_ms, &at, err);
        while (status == WEIR_OK && at.position < segment->size &&
               wr_batch_last_offset(&at.batch) < limit && out->offset < 0) {
            if (at.batch.max_timestamp >= timestamp_ms &&
                wr_batch_last_offset(&at.batch) >= log->start_offset) {
                status =
                    record_by_time(log, segment, &at, timestamp_ms, out, err);
            }
            int64_t next = at.position + (int64_t)at.batch.size;
            if (status == WEIR_OK && out->offset < 0) {
                at.position = next;
                status = next < segment->size
                             ? wr_segment_header(&log->logs->files, segment,
                                                 next, &at, err)
                             : WEIR_OK;
            }
        }
        if (status != WEIR_OK) {
            return read_error(err, log, status);
        }
    }
    return WR_ERR_NONE;
}

enum wr_kafka_error wr_log_find_max_time(struct wr_log *log,
                                         struct wr_log_time *out,
                                         struct weir_error *err)
{
    int64_t newest = -1;
    for (size_t i = wr_log_segment_find(log, log->start_offset);
         i < log->segment_count; i++) {
        if (log->segments[i]->max_timestamp > newest) {
            newest = log->segments[i]->max_timestamp;
        }
    }
    *out = (struct wr_log_time){-1, -1, -1};
    if (newest < 0) {
        return readable(log, log->start_offset, err);
    }
    return wr_log_find_time(log, newest, WR_READ_UNCOMMITTED, out, err);
}
