/* SPDX-License-Identifier: Apache-2.0
 *
 * A log over time: old segments go by age, by size, or because DeleteRecords
 * put them below the log start; a segment is finished by age; the two small
 * files beside the segments.
 *
 * Only whole segments are removed, oldest first, never one that holds something
 * above the high watermark, and the log start rises before. A topic that is
 * only compacted keeps everything. Thread: the broker's loop. */
#include "broker/log_internal.h"

#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SNAPSHOT_BYTES_MAX ((size_t)64 << 20)

/* ---- removal ------------------------------------------------------------- */

void wr_log_drop_segments(struct wr_log *log, size_t count)
{
    static const char *const suffixes[] = {".log", ".index", ".timeindex",
                                           ".txnindex", ".snapshot"};
    enum { SUFFIXES = sizeof(suffixes) / sizeof(suffixes[0]) };
    char **paths = calloc(count * SUFFIXES, sizeof(*paths));
    if (!paths) {
        return; /* the next round of retention tries again */
    }
    for (size_t i = 0; i < count; i++) {
        struct wr_segment *segment = log->segments[i];
        struct wr_buf path;
        wr_buf_init(&path, PATH_MAX);
        for (size_t k = 0; k < SUFFIXES; k++) {
            if (wr_segment_path(log->dir, segment->base_offset, suffixes[k],
                                &path) == WEIR_OK) {
                paths[i * SUFFIXES + k] = strdup(wr_buf_text(&path));
            }
        }
        wr_buf_done(&path);
        wr_segment_done(&log->logs->files, segment);
        free(segment);
    }
    log->segment_count -= count;
    memmove(log->segments, log->segments + count,
            log->segment_count * sizeof(log->segments[0]));
    if (log->segments[0]->base_offset > log->start_offset) {
        log->start_offset = log->segments[0]->base_offset;
    }
    wr_logs_remove_later(log->logs, paths, count * SUFFIXES);
    log->logs->checkpoint_wanted = true;
}

/* Whether segment `i`, now the oldest, goes, `size` being that of the whole
 * log. By time goes what is older than `oldest_ms`. */
static bool oldest_goes(const struct wr_log *log, int64_t size,
                        int64_t oldest_ms, size_t i)
{
    struct wr_segment *segment = log->segments[i];
    const struct wr_log_config *config = &log->config;
    if (segment->next_offset > log->high_watermark || segment->size == 0) {
        return false;
    }
    int64_t next_base = i + 1 < log->segment_count
                            ? log->segments[i + 1]->base_offset
                            : segment->next_offset;
    if (next_base <= log->start_offset) {
        return true;
    }
    if (!config->cleanup_delete) {
        return false;
    }
    if (config->retention_bytes >= 0 &&
        size - segment->size >= config->retention_bytes) {
        return true;
    }
    return segment->max_timestamp < oldest_ms &&
           wr_segment_newest_ms(&log->logs->files, segment) < oldest_ms;
}

void wr_log_keep(struct wr_log *log, int64_t now_ms, bool aged)
{
    if (log->offline || wr_logs_refusal(log->logs)) {
        return;
    }
    struct wr_segment *active = wr_log_active(log);
    enum weir_status status = WEIR_OK;
    if (active->size > 0 &&
        now_ms - log->active_since_ms > log->config.segment_ms) {
        status = wr_log_roll(log, NULL);
    }
    size_t count = 0;
    int64_t size = wr_log_size(log);
    int64_t oldest_ms = aged && log->config.retention_ms >= 0
                            ? now_ms - log->config.retention_ms
                            : INT64_MIN;
    while (count < log->segment_count &&
           oldest_goes(log, size, oldest_ms, count)) {
        size -= log->segments[count++]->size;
    }
    if (status == WEIR_OK && count == log->segment_count) {
        status = wr_log_roll(log, NULL); /* an empty one stays */
        if (status != WEIR_OK || count == log->segment_count) {
            count--;
        }
    }
    if (count > 0) {
        wr_log_drop_segments(log, count);
    }
    wr_producers_expire(&log->producers, log->logs->config.mono_ms());
    wr_tail_list_trim(&log->tail, &log->logs->tail);
}

enum wr_kafka_error wr_log_delete_records(struct wr_log *log, int64_t offset,
                                          int64_t *out_low,
                                          struct weir_error *err)
{
    if (log->offline) {
        (void)weir_fail(err, WEIR_E_CORRUPT, "%s", log->offline);
        return WR_ERR_KAFKA_STORAGE_ERROR;
    }
    if (!log->config.cleanup_delete) {
        (void)weir_fail(err, WEIR_E_INVALID,
                        "%s: records of a topic that is only compacted are not "
                        "deleted; add delete to cleanup.policy",
                        log->topic);
        return WR_ERR_POLICY_VIOLATION;
    }
    int64_t to = offset == -1 ? log->high_watermark : offset;
    if (to < 0 || to > log->high_watermark) {
        (void)weir_fail(err, WEIR_E_INVALID,
                        "%s-%" PRId32 ": offset %" PRId64
                        " is beyond the high watermark %" PRId64,
                        log->topic, log->partition, to, log->high_watermark);
        return WR_ERR_OFFSET_OUT_OF_RANGE;
    }
    if (to > log->start_offset) {
        log->start_offset = to;
        log->logs->checkpoint_wanted = true;
    }
    *out_low = log->start_offset;
    return WR_ERR_NONE;
}

/* ---- producer snapshots -------------------------------------------------- */

enum weir_status wr_log_snapshot(struct wr_log *log, int64_t offset,
                                 struct weir_error *err)
{
    struct wr_buf path, bytes;
    wr_buf_init(&path, PATH_MAX);
    wr_buf_init(&bytes, SNAPSHOT_BYTES_MAX);
    wr_producers_save(&log->producers, &bytes);
    enum weir_status status = bytes.status;
    if (status == WEIR_OK) {
        status = wr_segment_path(log->dir, offset, ".snapshot", &path);
    }
    FILE *file = NULL;
    if (status == WEIR_OK) {
        file = fopen(wr_buf_text(&path), "we");
        if (!file) {
            status = weir_fail(err, wr_status_of_errno(errno),
                               "%s: cannot create", wr_buf_text(&path));
        }
    }
    if (file) {
        bool written = fwrite(bytes.data, 1, bytes.len, file) == bytes.len;
        int closed = fclose(file);
        if (!written || closed != 0) {
            (void)unlink(wr_buf_text(&path));
            status = weir_fail(err, WEIR_E_NOSPACE, "%s: cannot write",
                               wr_buf_text(&path));
        }
    }
    wr_buf_done(&path);
    wr_buf_done(&bytes);
    return status;
}

static bool snapshot_is_needed(const struct wr_log *log, int64_t offset)
{
    for (size_t i = 0; i < log->segment_count; i++) {
        if (log->segments[i]->base_offset == offset) {
            return true;
        }
    }
    return offset == log->end_offset;
}

void wr_log_snapshot_tidy(struct wr_log *log)
{
    DIR *dir = opendir(log->dir);
    struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL) {
        char *end;
        long long offset = strtoll(entry->d_name, &end, 10);
        if (end == entry->d_name + 20 && strcmp(end, ".snapshot") == 0 &&
            !snapshot_is_needed(log, offset) &&
            unlinkat(dirfd(dir), entry->d_name, 0) != 0) {
            errno = 0; /* in nobody's way */
        }
    }
    if (dir) {
        (void)closedir(dir);
    }
}

/* ---- leader epochs ------------------------------------------------------- */

/* Text: "0", count, then "epoch start-offset" lines, as Kafka has it. */
enum weir_status wr_log_epochs_save(const struct wr_log *log,
                                    struct weir_error *err)
{
    char path[PATH_MAX];
    struct wr_buf text;
    wr_buf_init(&text, SNAPSHOT_BYTES_MAX);
    wr_buf_printf(&text, "0\n%zu\n", log->epoch_count);
    for (size_t i = 0; i < log->epoch_count; i++) {
        wr_buf_printf(&text, "%" PRId32 " %" PRId64 "\n", log->epochs[i].epoch,
                      log->epochs[i].start_offset);
    }
    (void)snprintf(path, sizeof(path), "%s/leader-epoch-checkpoint", log->dir);
    enum weir_status status = text.status;
    FILE *file = status == WEIR_OK ? fopen(path, "we") : NULL;
    if (file) {
        bool written = fwrite(text.data, 1, text.len, file) == text.len;
        status = fclose(file) == 0 && written
                     ? WEIR_OK
                     : weir_fail(err, WEIR_E_NOSPACE, "%s: cannot write", path);
    } else if (status == WEIR_OK) {
        status = weir_fail(err, wr_status_of_errno(errno), "%s: cannot create",
                           path);
    }
    wr_buf_done(&text);
    return status;
}

/* One epoch per line; false when the text is not one. */
static bool epochs_parse(const char *text, struct wr_log *log)
{
    size_t count;
    int used;
    if (sscanf(text, "0 %zu%n", &count, &used) != 1 || count == 0 ||
        count > 1000000) {
        return false;
    }
    struct wr_epoch *epochs = calloc(count, sizeof(*epochs));
    text += used;
    for (size_t i = 0; epochs && i < count; i++) {
        if (sscanf(text, "%" SCNd32 " %" SCNd64 "%n", &epochs[i].epoch,
                   &epochs[i].start_offset, &used) != 2 ||
            (i > 0 && epochs[i].epoch <= epochs[i - 1].epoch)) {
            free(epochs);
            return false;
        }
        text += used;
    }
    if (!epochs) {
        return false;
    }
    free(log->epochs);
    log->epochs = epochs;
    log->epoch_count = count;
    return true;
}

enum weir_status wr_log_epochs_load(struct wr_log *log, struct weir_error *err)
{
    char path[PATH_MAX];
    struct wr_buf text;
    wr_buf_init(&text, SNAPSHOT_BYTES_MAX);
    (void)snprintf(path, sizeof(path), "%s/leader-epoch-checkpoint", log->dir);
    bool loaded = wr_file_read(path, &text, err) == WEIR_OK &&
                  epochs_parse(wr_buf_text(&text), log);
    wr_buf_done(&text);
    if (loaded) {
        return WEIR_OK;
    }
    struct wr_epoch *epochs = calloc(1, sizeof(*epochs));
    if (!epochs) {
        return WEIR_E_NOMEM;
    }
    epochs[0].start_offset = log->start_offset;
    free(log->epochs);
    log->epochs = epochs;
    log->epoch_count = 1;
    return wr_log_epochs_save(log, err);
}
