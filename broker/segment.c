/* SPDX-License-Identifier: Apache-2.0
 *
 * Segment files. An append is one pwrite at the end that we know of; when it
 * does not go through whole, the file is cut back, so a full disk never leaves
 * half a batch. Readers trust an index as far as the header that it leads to
 * proves it: when it does not, both indexes are made again from the .log.
 * Thread: the broker's loop. */
#include "broker/segment.h"

#include "base/fs.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum weir_status wr_segment_path(const char *dir, int64_t base_offset,
                                 const char *suffix, struct wr_buf *out)
{
    wr_buf_reset(out);
    wr_buf_printf(out, "%s/%020" PRId64 "%s", dir, base_offset, suffix);
    return out->status;
}

enum weir_status wr_segment_init(struct wr_segment *segment, const char *dir,
                                 int64_t base_offset)
{
    struct wr_buf path;
    wr_buf_init(&path, PATH_MAX);
    *segment = (struct wr_segment){
        .base_offset = base_offset,
        .next_offset = base_offset,
        .first_timestamp = -1,
        .max_timestamp = -1,
        .max_time_offset = base_offset,
        .abort_last_offset = -1,
        .log = {.fd = -1},
    };
    enum weir_status status = wr_segment_path(dir, base_offset, ".log", &path);
    if (status == WEIR_OK) {
        status = wr_file_init(&segment->log, wr_buf_text(&path));
    }
    if (status == WEIR_OK) {
        status = wr_segment_path(dir, base_offset, ".index", &path);
    }
    if (status == WEIR_OK) {
        status = wr_index_init(&segment->offsets, WR_INDEX_OFFSET,
                               wr_buf_text(&path), base_offset);
    }
    if (status == WEIR_OK) {
        status = wr_segment_path(dir, base_offset, ".timeindex", &path);
    }
    if (status == WEIR_OK) {
        status = wr_index_init(&segment->times, WR_INDEX_TIME,
                               wr_buf_text(&path), base_offset);
    }
    wr_buf_done(&path);
    if (status != WEIR_OK) {
        free(segment->log.path);
        wr_index_done(&segment->offsets);
        wr_index_done(&segment->times);
    }
    return status;
}

void wr_segment_done(struct wr_files *files, struct wr_segment *segment)
{
    wr_file_done(files, &segment->log);
    wr_index_done(&segment->offsets);
    wr_index_done(&segment->times);
}

enum weir_status wr_segment_create(struct wr_files *files,
                                   struct wr_segment *segment,
                                   struct weir_error *err)
{
    int fd;
    return wr_file_get(files, &segment->log, true, &fd, err);
}

/* ---- append ----------------------------------------------------------------
 */

void wr_segment_note(struct wr_segment *segment, const struct wr_batch *batch,
                     int32_t index_interval)
{
    int64_t last_offset = wr_batch_last_offset(batch);
    if (segment->size == 0) {
        segment->first_timestamp = batch->max_timestamp;
    }
    if (batch->max_timestamp > segment->max_timestamp) {
        segment->max_timestamp = batch->max_timestamp;
        segment->max_time_offset = last_offset;
    }
    if (segment->since_index > (size_t)index_interval) {
        wr_index_add(&segment->offsets, last_offset, segment->size);
        wr_index_add(&segment->times, segment->max_time_offset,
                     segment->max_timestamp);
        segment->since_index = 0;
    }
    segment->since_index += batch->size;
    segment->size += (int64_t)batch->size;
    segment->next_offset = last_offset + 1;
}

enum weir_status wr_segment_cut(struct wr_files *files,
                                struct wr_segment *segment, int64_t size,
                                struct weir_error *err)
{
    int fd;
    enum weir_status status =
        wr_file_get(files, &segment->log, false, &fd, err);
    if (status == WEIR_OK && ftruncate(fd, size) != 0) {
        status = weir_fail(err, WEIR_E_IO, "%s: cannot cut at %" PRId64,
                           segment->log.path, size);
    }
    return status;
}

enum weir_status wr_segment_append(struct wr_files *files,
                                   struct wr_segment *segment,
                                   const struct wr_batch *batch,
                                   const uint8_t *bytes, int32_t index_interval,
                                   struct weir_error *err)
{
    int fd;
    enum weir_status status = wr_file_get(files, &segment->log, true, &fd, err);
    if (status != WEIR_OK) {
        return status;
    }
    status = wr_pwrite_all(fd, bytes, batch->size, segment->size,
                           segment->log.path, err);
    if (status != WEIR_OK) {
        /* A tail that cannot be cut off now is overwritten by the next append,
         * or cut at the next start. */
        enum weir_status cut =
            wr_segment_cut(files, segment, segment->size, NULL);
        (void)cut;
        return status;
    }
    wr_segment_note(segment, batch, index_interval);
    return WEIR_OK;
}

enum weir_status wr_segment_save(struct wr_segment *segment, bool release,
                                 struct weir_error *err)
{
    if (segment->max_timestamp >= 0 && segment->times.in_memory) {
        wr_index_add(&segment->times, segment->max_time_offset,
                     segment->max_timestamp);
    }
    enum weir_status status = wr_index_save(&segment->offsets, release, err);
    if (status == WEIR_OK) {
        status = wr_index_save(&segment->times, release, err);
    }
    return status;
}

/* Path of a file beside the .log, with another suffix. */
static void beside(const struct wr_segment *segment, const char *suffix,
                   struct wr_buf *out)
{
    wr_buf_init(out, PATH_MAX);
    wr_buf_put(out, segment->log.path,
               strlen(segment->log.path) - strlen(".log"));
    wr_buf_put_text(out, suffix);
}

enum weir_status wr_segment_remove(struct wr_files *files,
                                   struct wr_segment *segment,
                                   struct weir_error *err)
{
    static const char *const suffixes[] = {".log", ".index", ".timeindex",
                                           ".txnindex", ".snapshot"};
    enum weir_status status = WEIR_OK;
    wr_file_close(files, &segment->log);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        struct wr_buf path;
        beside(segment, suffixes[i], &path);
        if (unlink(wr_buf_text(&path)) != 0 && errno != ENOENT &&
            status == WEIR_OK) {
            status = weir_fail(err, WEIR_E_IO, "%s: cannot remove",
                               wr_buf_text(&path));
        }
        wr_buf_done(&path);
    }
    return status;
}

/* ---- reading ---------------------------------------------------------------
 */

enum weir_status wr_segment_read(struct wr_files *files,
                                 struct wr_segment *segment, int64_t position,
                                 void *data, size_t len, struct weir_error *err)
{
    int fd;
    enum weir_status status =
        wr_file_get(files, &segment->log, false, &fd, err);
    if (status == WEIR_OK) {
        status = wr_pread_all(fd, data, len, position, segment->log.path, err);
    }
    return status == WEIR_E_TRUNCATED ? WEIR_E_CORRUPT : status;
}

enum weir_status wr_segment_header(struct wr_files *files,
                                   struct wr_segment *segment, int64_t position,
                                   struct wr_segment_batch *out,
                                   struct weir_error *err)
{
    uint8_t bytes[WR_BATCH_HEADER_BYTES];
    out->position = position;
    if (position > segment->size - WR_BATCH_HEADER_BYTES) {
        return weir_fail(err, WEIR_E_CORRUPT,
                         "%s: no batch at %" PRId64 " before the end at "
                         "%" PRId64,
                         segment->log.path, position, segment->size);
    }
    enum weir_status status =
        wr_segment_read(files, segment, position, bytes, sizeof(bytes), err);
    if (status != WEIR_OK) {
        return status;
    }
    status = wr_batch_parse_header(bytes, &out->batch, err);
    if (status == WEIR_OK &&
        (out->batch.base_offset < segment->base_offset ||
         wr_batch_last_offset(&out->batch) >= segment->next_offset ||
         (int64_t)out->batch.size > segment->size - position)) {
        status = weir_fail(err, WEIR_E_CORRUPT,
                           "batch with base offset %" PRId64
                           " and %zu bytes does not fit in",
                           out->batch.base_offset, out->batch.size);
    }
    if (status != WEIR_OK) {
        return weir_fail_prefix(err, WEIR_E_CORRUPT, "%s: at %" PRId64,
                                segment->log.path, position);
    }
    return WEIR_OK;
}

/* Steps from `position` to the first batch that `wanted` says yes to. */
static enum weir_status
walk(struct wr_files *files, struct wr_segment *segment,
     bool (*wanted)(const struct wr_batch *batch, int64_t key), int64_t key,
     struct wr_segment_batch *at, struct weir_error *err)
{
    while (at->position < segment->size) {
        enum weir_status status =
            wr_segment_header(files, segment, at->position, at, err);
        if (status != WEIR_OK || wanted(&at->batch, key)) {
            return status;
        }
        at->position += (int64_t)at->batch.size;
    }
    return WEIR_OK;
}

static bool reaches_offset(const struct wr_batch *batch, int64_t offset)
{
    return wr_batch_last_offset(batch) >= offset;
}

static bool reaches_time(const struct wr_batch *batch, int64_t timestamp_ms)
{
    return batch->max_timestamp >= timestamp_ms;
}

/* Whether the batch at an indexed position is one that a search for `offset`
 * may begin at. */
static bool index_is_right(struct wr_files *files, struct wr_segment *segment,
                           int64_t position, int64_t offset)
{
    struct wr_segment_batch at;
    return position == 0 ||
           (position > 0 &&
            wr_segment_header(files, segment, position, &at, NULL) == WEIR_OK &&
            at.batch.base_offset <= offset);
}

enum weir_status wr_segment_locate(struct wr_files *files,
                                   struct wr_segment *segment, int64_t offset,
                                   struct wr_segment_batch *out,
                                   struct weir_error *err)
{
    int64_t position = wr_index_find(&segment->offsets, offset).value;
    if (!index_is_right(files, segment, position, offset)) {
        enum weir_status status = wr_segment_reindex(files, segment, err);
        if (status != WEIR_OK) {
            return status;
        }
        position = wr_index_find(&segment->offsets, offset).value;
    }
    out->position = position;
    return walk(files, segment, reaches_offset, offset, out, err);
}

enum weir_status wr_segment_locate_time(struct wr_files *files,
                                        struct wr_segment *segment,
                                        int64_t timestamp_ms,
                                        struct wr_segment_batch *out,
                                        struct weir_error *err)
{
    /* Everything up to that entry's offset is at most its timestamp. */
    struct wr_index_entry entry =
        wr_index_find(&segment->times, timestamp_ms - 1);
    int64_t from = entry.value < 0 ? segment->base_offset : entry.offset;
    enum weir_status status = wr_segment_locate(files, segment, from, out, err);
    if (status == WEIR_OK) {
        status = walk(files, segment, reaches_time, timestamp_ms, out, err);
    }
    return status;
}

/* ---- age ------------------------------------------------------------------
 */

static bool reaches_end(const struct wr_batch *batch, int64_t next_offset)
{
    return wr_batch_last_offset(batch) + 1 >= next_offset;
}

/* Whether max_timestamp is of the whole segment: an index that lost its end, or
 * came back as zeros, knows nothing of the last batch. */
static bool max_is_known(struct wr_files *files, struct wr_segment *segment)
{
    struct wr_segment_batch at = {.position =
                                      wr_index_last(&segment->offsets).value};
    return segment->max_timestamp >= 0 && at.position >= 0 &&
           walk(files, segment, reaches_end, segment->next_offset, &at, NULL) ==
               WEIR_OK &&
           at.position < segment->size &&
           at.batch.max_timestamp <= segment->max_timestamp;
}

int64_t wr_segment_newest_ms(struct wr_files *files, struct wr_segment *segment)
{
    struct stat st;
    if (max_is_known(files, segment)) {
        return segment->max_timestamp;
    }
    if (stat(segment->log.path, &st) != 0) {
        return INT64_MAX;
    }
    int64_t written_ms =
        (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    return written_ms > segment->max_timestamp ? written_ms
                                               : segment->max_timestamp;
}
