/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking over a whole segment: recovery, indexes made anew, and the list of
 * aborted transactions, which is short and read whole.
 *
 * A .txnindex entry: i16 version 0, i64 producer id, i64 first offset, i64 last
 * offset (the marker's), i64 last stable offset then. 34 bytes.
 * Thread: the broker's loop. */
#include "broker/segment.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define SCAN_STEP                                                              \
    ((size_t)1 << 20) /* read at once; more for a larger batch                 \
                       */

/* ---- scan ------------------------------------------------------------------
 */

/* A window of the file that slides over the batches. */
struct window {
    struct wr_buf bytes; /* what was read */
    size_t at;           /* of the next batch in bytes */
    int64_t position;    /* of the next batch in the file */
    int fd;
};

/* Makes at least `need` bytes readable at the batch, if the file has them. */
static enum weir_status window_fill(struct window *w, size_t need, int64_t end,
                                    struct weir_error *err, const char *path)
{
    size_t have = w->bytes.len - w->at;
    int64_t left = end - w->position;
    if (have >= need || (int64_t)have >= left) {
        return WEIR_OK;
    }
    size_t want = need > SCAN_STEP ? need : SCAN_STEP;
    if ((int64_t)want > left) {
        want = (size_t)left;
    }
    if (have > 0) {
        memmove(w->bytes.data, w->bytes.data + w->at, have);
    }
    w->bytes.len = have;
    w->at = 0;
    uint8_t *room = wr_buf_extend(&w->bytes, want - have);
    if (!room) {
        return weir_fail(err, w->bytes.status, "%s: out of memory", path);
    }
    return wr_pread_all(w->fd, room, want - have, w->position + (int64_t)have,
                        path, err);
}

/* The batch at the window's place. Errors: WEIR_E_CORRUPT with the reason. */
static enum weir_status scan_batch(struct window *w,
                                   const struct wr_segment_scan *scan,
                                   struct wr_batch *out, const char *path,
                                   struct weir_error *err)
{
    enum weir_status status =
        window_fill(w, WR_BATCH_HEADER_BYTES, scan->end, err, path);
    if (status != WEIR_OK) {
        return status;
    }
    size_t have = w->bytes.len - w->at;
    if (have < WR_BATCH_HEADER_BYTES) {
        return weir_fail(err, WEIR_E_CORRUPT, "file ends inside a header");
    }
    status = wr_batch_parse_header(w->bytes.data + w->at, out, err);
    if (status != WEIR_OK) {
        return WEIR_E_CORRUPT;
    }
    if (out->size > scan->batch_max) {
        return weir_fail(err, WEIR_E_CORRUPT, "batch of %zu bytes", out->size);
    }
    if (out->base_offset < scan->good_offset) {
        return weir_fail(err, WEIR_E_CORRUPT,
                         "base offset %" PRId64 " where at least %" PRId64
                         " follows",
                         out->base_offset, scan->good_offset);
    }
    status = window_fill(w, out->size, scan->end, err, path);
    if (status != WEIR_OK) {
        return status;
    }
    struct weir_bytes bytes =
        weir_bytes(w->bytes.data + w->at, w->bytes.len - w->at);
    if (bytes.len < out->size) {
        return weir_fail(err, WEIR_E_CORRUPT, "file ends inside a batch");
    }
    if (scan->check_crc && !wr_batch_crc_ok(bytes, out)) {
        return weir_fail(err, WEIR_E_CORRUPT, "checksum of a batch is wrong");
    }
    return WEIR_OK;
}

enum weir_status wr_segment_scan(struct wr_files *files,
                                 struct wr_segment *segment,
                                 struct wr_segment_scan *scan,
                                 struct weir_error *err)
{
    struct window w = {.position = scan->from};
    wr_buf_init(&w.bytes, scan->batch_max + SCAN_STEP);
    scan->good_end = scan->from;
    scan->good_offset = scan->offset_min;
    enum weir_status status =
        wr_file_get(files, &segment->log, false, &w.fd, err);
    while (status == WEIR_OK && w.position < scan->end) {
        struct wr_batch batch;
        status = scan_batch(&w, scan, &batch, segment->log.path, err);
        if (status == WEIR_E_CORRUPT) {
            (void)weir_fail_prefix(err, status, "%s: at %" PRId64,
                                   segment->log.path, w.position);
        }
        if (status == WEIR_OK && scan->fn) {
            status = scan->fn(scan->arg, &batch,
                              weir_bytes(w.bytes.data + w.at, batch.size));
        }
        if (status == WEIR_OK) {
            w.at += batch.size;
            w.position += (int64_t)batch.size;
            scan->good_end = w.position;
            scan->good_offset = wr_batch_last_offset(&batch) + 1;
        }
    }
    wr_buf_done(&w.bytes);
    return status;
}

/* ---- indexes ---------------------------------------------------------------
 */

struct reindex {
    struct wr_segment *segment;
    int32_t interval;
};

static enum weir_status reindex_batch(void *arg, const struct wr_batch *batch,
                                      struct weir_bytes bytes)
{
    struct reindex *r = arg;
    (void)bytes;
    wr_segment_note(r->segment, batch, r->interval);
    return WEIR_OK;
}

enum weir_status wr_segment_reindex(struct wr_files *files,
                                    struct wr_segment *segment,
                                    struct weir_error *err)
{
    struct reindex r = {segment, 4096};
    struct wr_segment_scan scan = {
        .end = segment->size,
        .offset_min = segment->base_offset,
        .batch_max = INT32_MAX,
        .fn = reindex_batch,
        .arg = &r,
    };
    int64_t size = segment->size;
    int64_t next_offset = segment->next_offset;
    int64_t known_ms = segment->max_timestamp;
    int64_t known_offset = segment->max_time_offset;
    segment->size = 0;
    segment->since_index = 0;
    segment->max_timestamp = -1;
    wr_index_clear(&segment->offsets);
    wr_index_clear(&segment->times);
    enum weir_status status = wr_segment_scan(files, segment, &scan, err);
    segment->size = size;
    segment->next_offset = next_offset;
    if (status != WEIR_OK && segment->max_timestamp < known_ms) {
        segment->max_timestamp = known_ms;
        segment->max_time_offset = known_offset;
    }
    return status;
}

/* ---- aborted transactions --------------------------------------------------
 */

static void abort_path(const struct wr_segment *segment, struct wr_buf *out)
{
    wr_buf_init(out, PATH_MAX);
    wr_buf_put(out, segment->log.path,
               strlen(segment->log.path) - strlen(".log"));
    wr_buf_put_text(out, ".txnindex");
}

struct wr_abort_entry wr_abort_entry_decode(const uint8_t *p)
{
    return (struct wr_abort_entry){
        .producer_id = wr_load_i64(p + 2),
        .first_offset = wr_load_i64(p + 10),
        .last_offset = wr_load_i64(p + 18),
        .last_stable_offset = wr_load_i64(p + 26),
    };
}

void wr_segment_abort_note(struct wr_segment *segment,
                           const struct wr_abort_entry *entry)
{
    segment->abort_count++;
    if (entry->last_offset > segment->abort_last_offset) {
        segment->abort_last_offset = entry->last_offset;
    }
}

enum weir_status wr_segment_abort_write(struct wr_segment *segment,
                                        const struct wr_abort_entry *entry,
                                        struct weir_error *err)
{
    uint8_t bytes[WR_ABORT_ENTRY_BYTES];
    struct wr_buf path;
    wr_store_i16(bytes, 0);
    wr_store_i64(bytes + 2, entry->producer_id);
    wr_store_i64(bytes + 10, entry->first_offset);
    wr_store_i64(bytes + 18, entry->last_offset);
    wr_store_i64(bytes + 26, entry->last_stable_offset);
    abort_path(segment, &path);
    enum weir_status status;
    int fd = open(wr_buf_text(&path), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
        status = weir_fail(err, wr_status_of_errno(errno), "%s: cannot open",
                           wr_buf_text(&path));
    } else {
        /* At its place by count: half an entry of a full disk is overwritten.
         */
        status = wr_pwrite_all(fd, bytes, sizeof(bytes),
                               segment->abort_count * WR_ABORT_ENTRY_BYTES,
                               wr_buf_text(&path), err);
        (void)close(fd);
    }
    wr_buf_done(&path);
    return status;
}

enum weir_status wr_segment_abort_load(struct wr_segment *segment,
                                       struct wr_buf *out,
                                       struct weir_error *err)
{
    struct wr_buf path;
    size_t start = out->len;
    abort_path(segment, &path);
    enum weir_status status = wr_file_read(wr_buf_text(&path), out, err);
    if (status == WEIR_E_NOTFOUND) {
        status = WEIR_OK;
    }
    size_t count = (out->len - start) / WR_ABORT_ENTRY_BYTES;
    int64_t known = segment->abort_count;
    segment->abort_count = 0;
    segment->abort_last_offset = -1;
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        const uint8_t *p = out->data + start + i * WR_ABORT_ENTRY_BYTES;
        struct wr_abort_entry entry = wr_abort_entry_decode(p);
        if (wr_load_i16(p) != 0 || entry.first_offset > entry.last_offset ||
            entry.last_stable_offset > entry.last_offset + 1 ||
            entry.last_offset < segment->base_offset ||
            entry.last_offset >= segment->next_offset) {
            status = weir_fail(err, WEIR_E_CORRUPT,
                               "%s: entry %zu is damaged; a restart of the "
                               "broker makes the file again",
                               wr_buf_text(&path), i);
        } else {
            wr_segment_abort_note(segment, &entry);
        }
    }
    if (status == WEIR_OK) {
        out->len = start + count * WR_ABORT_ENTRY_BYTES;
    } else {
        segment->abort_count = known;
    }
    wr_buf_done(&path);
    return status;
}

void wr_segment_abort_clear(struct wr_segment *segment)
{
    struct wr_buf path;
    abort_path(segment, &path);
    /* One that stays is rewritten from its start and cut by its count. */
    if (truncate(wr_buf_text(&path), 0) != 0) {
        errno = 0;
    }
    segment->abort_count = 0;
    segment->abort_last_offset = -1;
    wr_buf_done(&path);
}
