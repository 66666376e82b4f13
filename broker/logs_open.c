/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening a data folder, and closing it.
 *
 *   lock; checkpoint; was the last run's end a proper one?
 *   if not: find the write-ahead log's rounds, sort them by partition
 *   each folder: load or recover its log
 *   sync what recovery changed, save a checkpoint with a new salt (from here on
 *   the old write-ahead log is void), open the new one
 *
 * A crash in between leaves the old checkpoint and the old write-ahead log, and
 * the next start does the same again. Thread: the caller's, before the loop
 * runs. */
#include "broker/log_internal.h"

#include "base/fs.h"
#include "base/log.h"
#include "broker/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#define CLEAN_FILE ".kafka_cleanshutdown"

/* What is known before any log is opened. */
struct opening {
    struct wr_logs *logs;
    bool clean;
    bool has_checkpoint;
    struct wr_checkpoint checkpoint;
    struct wr_kafka_checkpoint kafka_recovery; /* of a folder that Kafka made */
    struct wr_kafka_checkpoint kafka_start;
    bool has_wal;
    struct wr_wal_reader wal;
    size_t log_count;
};

static const char *in_dir(const struct wr_logs *logs, const char *name,
                          char out[PATH_MAX])
{
    (void)snprintf(out, PATH_MAX, "%s/%s", logs->config.dir, name);
    return out;
}

/* ---- before the logs ----------------------------------------------------- */

static enum weir_status checkpoints_load(struct opening *opening,
                                         struct weir_error *err)
{
    char path[PATH_MAX];
    struct wr_logs *logs = opening->logs;
    opening->clean = access(in_dir(logs, CLEAN_FILE, path), F_OK) == 0;
    enum weir_status status =
        wr_checkpoint_load(logs->config.dir, &opening->checkpoint, err);
    opening->has_checkpoint = status == WEIR_OK;
    if (status == WEIR_E_NOTFOUND) {
        status = wr_kafka_checkpoint_load(
            &opening->kafka_recovery,
            in_dir(logs, "recovery-point-offset-checkpoint", path), err);
        if (status == WEIR_OK) {
            status = wr_kafka_checkpoint_load(
                &opening->kafka_start,
                in_dir(logs, "log-start-offset-checkpoint", path), err);
        }
        status = status == WEIR_E_NOTFOUND ? WEIR_OK : status;
    }
    if (status == WEIR_OK && !opening->clean && opening->has_checkpoint &&
        opening->checkpoint.durability == WR_DURABILITY_SYNC) {
        status = wr_wal_reader_open(
            in_dir(logs, "wal", path), opening->checkpoint.salt,
            opening->checkpoint.live_from, &opening->wal, err);
        opening->has_wal = status == WEIR_OK;
    }
    if (opening->has_wal && opening->wal.cut) {
        wr_log(WR_WARN, "broker",
               "the write-ahead log was cut or removed: all whole batches of "
               "the segments are kept; what only it held is lost",
               "folder=%s", path);
    }
    return status;
}

/* The entries of one log out of all, in order. */
static enum weir_status frames_of(const struct opening *opening,
                                  const struct wr_log *log,
                                  struct wr_log_recovery *recovery)
{
    const struct wr_wal_reader *wal = &opening->wal;
    size_t count = 0;
    for (int pass = 0; pass < 2; pass++) {
        count = 0;
        for (size_t i = 0; i < wal->count; i++) {
            const struct wr_wal_entry *entry = &wal->found[i].entry;
            if (entry->partition != log->partition ||
                memcmp(entry->topic_id, log->topic_id, WR_TOPIC_ID_BYTES) !=
                    0) {
                continue;
            }
            if (pass == 1) {
                recovery->frames[count] = &wal->found[i];
                if (entry->next_offset > recovery->acked_end) {
                    recovery->acked_end = entry->next_offset;
                }
            }
            count++;
        }
        if (pass == 0 && count > 0) {
            recovery->frames =
                calloc(count, sizeof(const struct wr_wal_found *));
            if (!recovery->frames) {
                return WEIR_E_NOMEM;
            }
        }
        if (count == 0) {
            return WEIR_OK;
        }
    }
    recovery->frame_count = count;
    return WEIR_OK;
}

static enum weir_status recovery_plan(struct opening *opening,
                                      const struct wr_log *log,
                                      struct wr_log_recovery *out)
{
    *out = (struct wr_log_recovery){
        .clean = opening->clean,
        .wal = opening->has_wal ? &opening->wal : NULL,
    };
    if (opening->has_checkpoint) {
        const struct wr_checkpoint_log *entry = wr_checkpoint_find(
            &opening->checkpoint, log->topic_id, log->partition);
        if (entry) {
            out->known = true;
            out->recovery_point = entry->recovery_point;
            out->start_offset = entry->start_offset;
        }
    } else {
        int64_t point = wr_kafka_checkpoint_find(&opening->kafka_recovery,
                                                 log->topic, log->partition);
        int64_t start = wr_kafka_checkpoint_find(&opening->kafka_start,
                                                 log->topic, log->partition);
        out->recovery_point = point > 0 ? point : 0;
        out->start_offset = start > 0 ? start : 0;
    }
    out->acked_end = out->recovery_point;
    enum weir_status status =
        opening->has_wal ? frames_of(opening, log, out) : WEIR_OK;
    /* The end is known only from a write-ahead log that is whole, of a log that
     * it or the checkpoint speaks of. */
    out->exact = opening->has_wal && !opening->wal.cut &&
                 (out->known || out->frame_count > 0);
    return status;
}

/* ---- the logs ------------------------------------------------------------ */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static bool has_segments(const struct wr_log *log)
{
    bool found = false;
    DIR *dir = opendir(log->dir);
    struct dirent *entry;
    while (dir && !found && (entry = readdir(dir)) != NULL) {
        found = ends_with(entry->d_name, ".log");
    }
    if (dir) {
        (void)closedir(dir);
    }
    return found;
}

static enum weir_status load_folder(struct opening *opening, const char *name,
                                    struct weir_error *err)
{
    char topic[WR_TOPIC_NAME_MAX + 1], dir[PATH_MAX];
    int32_t partition;
    struct wr_log *log;
    struct wr_log_recovery recovery = {0};
    struct wr_logs *logs = opening->logs;
    if (!wr_folder_parse(name, topic, &partition)) {
        return WEIR_OK;
    }
    enum weir_status status =
        wr_log_new(logs, topic, partition, in_dir(logs, name, dir), &log);
    if (status != WEIR_OK) {
        return weir_fail(err, status, "%s: out of memory", dir);
    }
    struct weir_error why = {0};
    status = wr_folder_read_id(dir, log->topic_id, &why);
    if (status == WEIR_OK) {
        status = recovery_plan(opening, log, &recovery);
    }
    if (status == WEIR_OK) {
        status = wr_log_load(log, &recovery, &why);
    }
    free(recovery.frames);
    if (status != WEIR_OK && log->segment_count == 0 && !has_segments(log)) {
        wr_log_free(log); /* a folder that was being made, or none of ours */
        return WEIR_OK;
    }
    if (status != WEIR_OK && status != WEIR_E_NOMEM) {
        wr_log_set_offline(log,
                           why.text[0] ? why.text : weir_status_text(status));
        wr_log(WR_ERROR, "broker", "partition is offline",
               "log=%s-%" PRId32 " reason=\"%s\"", topic, partition,
               log->offline ? log->offline : "");
        status = log->offline ? WEIR_OK : WEIR_E_NOMEM;
    }
    if (status == WEIR_OK) {
        status = wr_logs_table_put(logs, log);
    }
    if (status != WEIR_OK) {
        wr_log_free(log);
        return weir_fail(err, status, "%s: %s", dir, weir_status_text(status));
    }
    opening->log_count++;
    return WEIR_OK;
}

static enum weir_status load_all(struct opening *opening,
                                 struct weir_error *err)
{
    struct wr_logs *logs = opening->logs;
    enum weir_status status = WEIR_OK;
    DIR *dir = opendir(logs->config.dir);
    struct dirent *entry;
    if (!dir) {
        return weir_fail(err, WEIR_E_IO, "%s: cannot be read",
                         logs->config.dir);
    }
    while (status == WEIR_OK && (entry = readdir(dir)) != NULL) {
        if (ends_with(entry->d_name, "-delete")) {
            char path[PATH_MAX];
            char **paths = calloc(1, sizeof(*paths));
            if (paths) {
                paths[0] = strdup(in_dir(logs, entry->d_name, path));
                wr_logs_remove_later(logs, paths, 1);
            }
        } else {
            status = load_folder(opening, entry->d_name, err);
        }
    }
    (void)closedir(dir);
    return status;
}

/* Everything found is on the disk and said so; the old write-ahead log is void.
 */
static enum weir_status begin_run(struct wr_logs *logs, struct weir_error *err)
{
    char path[PATH_MAX];
    if (getrandom(&logs->salt, sizeof(logs->salt), 0) !=
        (ssize_t)sizeof(logs->salt)) {
        return weir_fail(err, WEIR_E_IO, "no random numbers: %d", errno);
    }
    enum weir_status status = wr_logs_checkpoint_now(logs, err);
    if (status == WEIR_OK && unlink(in_dir(logs, CLEAN_FILE, path)) != 0 &&
        errno != ENOENT) {
        status = weir_fail(err, WEIR_E_IO, "%s: cannot remove", path);
    }
    if (status == WEIR_OK) {
        status = wr_dir_sync(logs->config.dir, err);
    }
    in_dir(logs, "wal", path);
    if (status == WEIR_OK && logs->config.durability != WR_DURABILITY_SYNC) {
        return wr_remove_all(path, err);
    }
    if (status == WEIR_OK) {
        struct wr_wal_config config = {
            .dir = path,
            .file_bytes = logs->config.wal_file_bytes,
            .files_max = logs->config.wal_files_max,
            .salt = logs->salt,
            .wake = wr_logs_wake,
            .wake_arg = logs,
        };
        status = wr_wal_open(&config, &logs->wal, err);
    }
    if (status == WEIR_OK) {
        status =
            wr_helper_start("weir-sync", wr_logs_wake, logs, &logs->sync, err);
    }
    return status;
}

static void logs_free(struct wr_logs *logs)
{
    size_t cursor = 0;
    struct wr_log *log;
    wr_logs_sync_stop(logs);
    while ((log = wr_logs_next(logs, &cursor)) != NULL) {
        wr_log_free(log);
    }
    wr_map_done(&logs->map);
    wr_tail_done(&logs->tail);
    wr_buf_done(&logs->scratch);
    if (logs->lock_fd >= 0) {
        (void)close(logs->lock_fd);
    }
    free(logs->failed);
    free((void *)(uintptr_t)logs->config.dir);
    free(logs);
}

/* A folder that cannot be made will not be made by trying again: the wish is
 * wrong. */
static enum weir_status make_dir(const char *dir, struct weir_error *err)
{
    struct weir_error why;
    enum weir_status status = wr_mkdirs(dir, &why);
    if (status != WEIR_E_IO) {
        return status == WEIR_OK ? status
                                 : weir_fail(err, status, "%s", why.text);
    }
    return weir_fail(err, WEIR_E_CONFIG, "%s; name another folder with --data",
                     why.text);
}

enum weir_status wr_logs_open(const struct wr_logs_config *config,
                              struct wr_logs **out, struct weir_error *err)
{
    char path[PATH_MAX];
    struct wr_logs *logs = calloc(1, sizeof(*logs));
    if (!logs) {
        return weir_fail(err, WEIR_E_NOMEM, "out of memory");
    }
    struct opening opening = {.logs = logs, .wal = {.fd = -1}};
    logs->config = *config;
    logs->config.dir = strdup(config->dir);
    logs->lock_fd = -1;
    wr_files_init(&logs->files, config->open_files_max);
    wr_tail_init(&logs->tail, config->cache_bytes_max);
    wr_buf_init(&logs->scratch, config->unpacked_bytes_max);
    wr_map_init(&logs->map);
    wr_kafka_checkpoint_init(&opening.kafka_recovery);
    wr_kafka_checkpoint_init(&opening.kafka_start);
    enum weir_status status =
        logs->config.dir ? wr_logs_sync_start(logs, err) : WEIR_E_NOMEM;
    if (status == WEIR_OK) {
        status = make_dir(logs->config.dir, err);
    }
    if (status == WEIR_OK) {
        status = wr_lock_file(in_dir(logs, ".lock", path), &logs->lock_fd, err);
    }
    if (status == WEIR_OK) {
        status = checkpoints_load(&opening, err);
    }
    if (status == WEIR_OK) {
        status = load_all(&opening, err);
    }
    if (status == WEIR_OK) {
        logs->checkpoint_ms = logs->config.now_ms();
        logs->aged_ms = logs->checkpoint_ms;
        status = begin_run(logs, err);
    }
    wr_checkpoint_done(&opening.checkpoint);
    wr_kafka_checkpoint_done(&opening.kafka_recovery);
    wr_kafka_checkpoint_done(&opening.kafka_start);
    if (opening.has_wal) {
        wr_wal_reader_done(&opening.wal);
    }
    if (status != WEIR_OK) {
        logs_free(logs);
        return status;
    }
    *out = logs;
    return WEIR_OK;
}

/* ---- the end ------------------------------------------------------------- */

/* Kafka's own checkpoints, for its tools and for moving the folder. */
static enum weir_status kafka_checkpoints(struct wr_logs *logs,
                                          struct weir_error *err)
{
    static const char *const names[] = {"recovery-point-offset-checkpoint",
                                        "replication-offset-checkpoint",
                                        "log-start-offset-checkpoint"};
    enum weir_status status = WEIR_OK;
    for (int i = 0; i < 3 && status == WEIR_OK; i++) {
        char path[PATH_MAX];
        struct wr_kafka_checkpoint file;
        size_t cursor = 0;
        struct wr_log *log;
        wr_kafka_checkpoint_init(&file);
        while ((log = wr_logs_next(logs, &cursor)) != NULL) {
            int64_t offset = i == 0   ? log->recovery_point
                             : i == 1 ? log->high_watermark
                                      : log->start_offset;
            if (!log->offline && (i < 2 || offset > 0)) {
                wr_kafka_checkpoint_add(&file, log->topic, log->partition,
                                        offset);
            }
        }
        status =
            wr_kafka_checkpoint_save(&file, in_dir(logs, names[i], path), err);
        wr_kafka_checkpoint_done(&file);
    }
    return status;
}

/* Indexes and snapshots of a log, ready to be synced. */
static enum weir_status log_finish(struct wr_log *log, struct weir_error *err)
{
    if (log->offline) {
        return WEIR_OK;
    }
    enum weir_status status = wr_segment_save(wr_log_active(log), false, err);
    if (status == WEIR_OK) {
        status = wr_log_snapshot(log, log->end_offset, err);
    }
    wr_log_snapshot_tidy(log);
    log->dirty = true;
    wr_log_dir_changed(log);
    return status;
}

static enum weir_status end_run(struct wr_logs *logs, struct weir_error *err)
{
    char path[PATH_MAX];
    static const char text[] = "{\"version\":0,\"brokerEpoch\":-1}";
    size_t cursor = 0;
    struct wr_log *log;
    enum weir_status status = wr_logs_wait(logs, err);
    while (status == WEIR_OK && (log = wr_logs_next(logs, &cursor)) != NULL) {
        status = log_finish(log, err);
    }
    if (status == WEIR_OK) {
        status = wr_logs_checkpoint_now(logs, err);
    }
    if (status == WEIR_OK) {
        status = kafka_checkpoints(logs, err);
    }
    if (status == WEIR_OK) {
        status = wr_file_replace(in_dir(logs, CLEAN_FILE, path),
                                 weir_bytes(text, sizeof(text) - 1), err);
    }
    if (status == WEIR_OK) {
        status = wr_remove_all(in_dir(logs, "wal", path), err);
    }
    return status;
}

enum weir_status wr_logs_close(struct wr_logs *logs, struct weir_error *err)
{
    if (!logs) {
        return WEIR_OK;
    }
    enum weir_status status = end_run(logs, err);
    size_t cursor = 0;
    struct wr_log *log;
    while ((log = wr_logs_next(logs, &cursor)) != NULL) {
        while (log->watches) {
            struct wr_log_watch *watch = log->watches;
            wr_log_watch_remove(watch);
            watch->fn(watch, true);
        }
    }
    wr_logs_waiters_fail(logs, WEIR_E_CLOSED);
    logs_free(logs);
    return status;
}
