/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints: everything below the high watermark is synced in the segments,
 * and a file says so; then the write-ahead log that held it may be overwritten.
 * The job is made on the loop, which knows the logs, and runs on the background
 * thread, which knows only paths:
 *
 *   loop        for each dirty log: paths of what changed, high watermark
 *   background  fdatasync of each path; save the checkpoint; release the log's
 * files loop        recovery points take the high watermarks of the job
 *
 * A path that is gone was deleted meanwhile. The other job here is removing
 * files. It may take as long as a slow disk likes, and appends wait for the
 * room that a checkpoint makes, so it has a thread of its own. A failed sync
 * stops all appends; a full disk only puts the checkpoint off. */
#include "broker/log_internal.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct wr_checkpoint_job {
    struct wr_helper_job job; /* first */
    char *dir;                /* data folder, owned */
    struct wr_buf paths;      /* NUL-terminated one after the other */
    struct wr_checkpoint checkpoint;
    struct wr_wal *wal;      /* to release from, or NULL */
    uint64_t release_seq;    /* rounds up to this */
    bool checkpoints;        /* else: removes the paths */
    enum weir_status status; /* out */
    struct weir_error err;   /* out */
};

static void job_free(struct wr_checkpoint_job *job)
{
    if (job) {
        wr_buf_done(&job->paths);
        wr_checkpoint_done(&job->checkpoint);
        free(job->dir);
        free(job);
    }
}

/* ---- the background thread ----------------------------------------------- */

static enum weir_status path_sync(const char *path, struct weir_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT
                   ? WEIR_OK
                   : weir_fail(err, WEIR_E_IO, "%s: cannot open", path);
    }
    enum weir_status status = WEIR_OK;
    if (fdatasync(fd) != 0) {
        status = weir_fail(err, WEIR_E_IO,
                           "%s: cannot be synced: nothing more is accepted; "
                           "check the disk, then restart",
                           path);
    }
    (void)close(fd);
    return status;
}

static void job_run(struct wr_helper_job *base)
{
    struct wr_checkpoint_job *job = (struct wr_checkpoint_job *)base;
    struct weir_bytes paths = wr_buf_view(&job->paths); /* never a null view */
    const char *path = (const char *)paths.data;
    const char *end = path + paths.len;
    job->status = WEIR_OK;
    for (; path < end && job->status == WEIR_OK; path += strlen(path) + 1) {
        job->status = job->checkpoints ? path_sync(path, &job->err)
                                       : wr_remove_all(path, &job->err);
    }
    if (job->status == WEIR_OK && job->checkpoints) {
        job->status = wr_checkpoint_save(job->dir, &job->checkpoint, &job->err);
        if (job->status == WEIR_OK && job->wal) {
            wr_wal_release(job->wal, job->release_seq);
        }
    }
}

/* ---- the loop ------------------------------------------------------------ */

static void path_add(struct wr_checkpoint_job *job, const char *path)
{
    wr_buf_put(&job->paths, path, strlen(path) + 1);
}

/* What changed in a log since its recovery point. */
static void log_paths(struct wr_checkpoint_job *job, const struct wr_log *log)
{
    static const char *const suffixes[] = {".index", ".timeindex", ".txnindex",
                                           ".snapshot"};
    struct wr_buf path;
    wr_buf_init(&path, PATH_MAX);
    for (size_t i = log->segment_count; i-- > 0;) {
        const struct wr_segment *segment = log->segments[i];
        if (segment->next_offset <= log->recovery_point &&
            i + 1 < log->segment_count) {
            break;
        }
        path_add(job, segment->log.path);
        for (size_t k = 0; k < sizeof(suffixes) / sizeof(suffixes[0]); k++) {
            if (wr_segment_path(log->dir, segment->base_offset, suffixes[k],
                                &path) == WEIR_OK) {
                path_add(job, wr_buf_text(&path));
            }
        }
    }
    wr_buf_done(&path);
    if (log->dir_dirty) {
        path_add(job, log->dir);
    }
}

static struct wr_checkpoint_job *job_new(struct wr_logs *logs)
{
    struct wr_checkpoint_job *job = calloc(1, sizeof(*job));
    if (job) {
        job->job.run = job_run;
        wr_buf_init(&job->paths, (size_t)256 << 20);
        job->dir = strdup(logs->config.dir);
        if (!job->dir) {
            free(job);
            job = NULL;
        }
    }
    return job;
}

/* All logs as they stand. */
static enum weir_status job_fill(struct wr_logs *logs,
                                 struct wr_checkpoint_job *job)
{
    size_t cursor = 0;
    struct wr_log *log;
    enum weir_status status = WEIR_OK;
    job->checkpoints = true;
    job->checkpoint.durability = logs->config.durability;
    job->checkpoint.salt = logs->salt;
    job->checkpoint.live_from = logs->wal_released + 1;
    while (status == WEIR_OK && (log = wr_logs_next(logs, &cursor)) != NULL) {
        if (log->offline) {
            continue;
        }
        log->checkpoint_point = log->recovery_point;
        if (log->dirty) {
            log_paths(job, log);
            log->checkpoint_point = log->high_watermark;
            log->dirty = log->end_offset > log->high_watermark;
            log->dir_dirty = false;
        }
        struct wr_checkpoint_log entry = {
            .partition = log->partition,
            .recovery_point = log->checkpoint_point,
            .start_offset = log->start_offset,
        };
        memcpy(entry.topic_id, log->topic_id, WR_TOPIC_ID_BYTES);
        status = wr_checkpoint_add(&job->checkpoint, &entry);
    }
    return status == WEIR_OK ? job->paths.status : status;
}

/* A job that did not come through: what it was to sync is dirty still. */
static void job_undo(struct wr_logs *logs)
{
    size_t cursor = 0;
    struct wr_log *log;
    while ((log = wr_logs_next(logs, &cursor)) != NULL) {
        if (log->checkpoint_point > log->recovery_point) {
            log->dirty = true;
            wr_log_dir_changed(log);
        }
    }
}

static void job_done(struct wr_logs *logs, const struct wr_checkpoint_job *job)
{
    size_t cursor = 0;
    struct wr_log *log;
    if (job->status != WEIR_OK) {
        job_undo(logs);
        if (job->status == WEIR_E_IO) {
            wr_logs_fail(logs, job->err.text);
        } else {
            logs->checkpoint_wanted = true;
            logs->checkpoint_put_off = true;
        }
        return;
    }
    logs->stats.checkpoints++;
    logs->wal_released = job->checkpoint.live_from - 1;
    while ((log = wr_logs_next(logs, &cursor)) != NULL) {
        if (log->checkpoint_point > log->recovery_point) {
            log->recovery_point = log->checkpoint_point;
        }
    }
}

void wr_logs_checkpoint_begin(struct wr_logs *logs)
{
    uint64_t release = logs->wal_released;
    if (logs->checkpoint || logs->failed) {
        return;
    }
    struct wr_checkpoint_job *job = job_new(logs);
    if (!job) {
        return; /* asked for again */
    }
    /* Rounds that are complete are covered: the high watermarks include them.
     */
    if (logs->wal) {
        release = logs->wal_done;
        job->wal = logs->wal;
        job->release_seq = release;
    }
    enum weir_status status = job_fill(logs, job);
    if (status != WEIR_OK) {
        job_undo(logs);
        job_free(job);
        return;
    }
    job->checkpoint.live_from = release + 1;
    logs->checkpoint = job;
    logs->checkpoint_wanted = false;
    logs->checkpoint_put_off = false;
    logs->checkpoint_ms = logs->config.now_ms();
    wr_helper_submit(logs->background, &job->job);
}

void wr_logs_checkpoint_poll(struct wr_logs *logs)
{
    uint64_t seq;
    struct wr_helper_job *done;
    while ((done = wr_helper_take(logs->background)) != NULL) {
        struct wr_checkpoint_job *job = (struct wr_checkpoint_job *)done;
        if (job == logs->checkpoint) {
            logs->checkpoint = NULL;
            job_done(logs, job);
        }
        job_free(job);
    }
    while ((done = wr_helper_take(logs->removals)) != NULL) {
        job_free((struct wr_checkpoint_job *)done);
    }
    if (logs->wal && !logs->checkpoint_put_off &&
        wr_wal_sealed(logs->wal, logs->wal_done, &seq)) {
        wr_logs_checkpoint_begin(logs);
    }
}

static void drain(struct wr_helper *helper)
{
    struct wr_helper_job *done;
    if (!helper) {
        return;
    }
    wr_helper_wait(helper);
    while ((done = wr_helper_take(helper)) != NULL) {
        job_free((struct wr_checkpoint_job *)done);
        wr_helper_wait(helper);
    }
}

void wr_logs_background_drain(struct wr_logs *logs)
{
    drain(logs->background);
    drain(logs->removals);
    logs->checkpoint = NULL;
}

enum weir_status wr_logs_checkpoint_now(struct wr_logs *logs,
                                        struct weir_error *err)
{
    while (logs->checkpoint) {
        wr_helper_wait(logs->background);
        wr_logs_checkpoint_poll(logs);
    }
    struct wr_checkpoint_job *job = job_new(logs);
    enum weir_status status = job ? job_fill(logs, job) : WEIR_E_NOMEM;
    if (status == WEIR_OK) {
        job_run(&job->job);
        status = job->status;
        job_done(logs, job);
        if (status != WEIR_OK) {
            (void)weir_fail(err, status, "%s", job->err.text);
        }
    }
    job_free(job);
    return status;
}

void wr_logs_remove_later(struct wr_logs *logs, char **paths_take, size_t count)
{
    struct wr_checkpoint_job *job = job_new(logs);
    for (size_t i = 0; i < count; i++) {
        if (paths_take[i] && job) {
            path_add(job, paths_take[i]);
        }
        free(paths_take[i]);
    }
    free(paths_take);
    if (job) {
        wr_helper_submit(logs->removals, &job->job);
    }
}
