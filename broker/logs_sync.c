/* SPDX-License-Identifier: Apache-2.0
 *
 * Group commit. Appends of a tick collect in the pending round; when no round
 * is flying, the pending one flies: the sync thread syncs the segments of large
 * appends themselves, then writes all other appends, and a note of the large
 * ones, to the write-ahead log and syncs that. Meanwhile the next round
 * collects. So a disk that takes long gets larger rounds, not a queue.
 *
 *   append -> pending -> flying -> complete: high watermarks, watches, waiters
 *
 * Large appends are synced before the note of them is written: the write-ahead
 * log never says more than is on the disk. With the weaker modes a round is
 * complete as soon as the tick ends.
 *
 * Threads: round_run is the sync thread's and touches only its round and the
 * write-ahead log; everything else is the loop's. */
#include "broker/log_internal.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define CONGESTED_BYTES ((size_t)64 << 20) /* appended, not yet durable */

/* ---- waking -------------------------------------------------------------- */

struct wr_logs_wakeup {
    pthread_mutex_t lock; /* guards woken */
    pthread_cond_t cond;
    bool woken; /* since wr_logs_wait last looked */
};

void wr_logs_wake(void *arg)
{
    struct wr_logs *logs = arg;
    pthread_mutex_lock(&logs->wakeup->lock);
    logs->wakeup->woken = true;
    pthread_cond_signal(&logs->wakeup->cond);
    pthread_mutex_unlock(&logs->wakeup->lock);
    if (logs->config.wake) {
        logs->config.wake(logs->config.wake_arg);
    }
}

/* ---- rounds -------------------------------------------------------------- */

static struct wr_round *round_new(struct wr_logs *logs)
{
    struct wr_round *round = calloc(1, sizeof(*round));
    if (round) {
        round->logs = logs;
        round->number = logs->round_next++;
        round->first_chunk = UINT64_MAX;
    }
    return round;
}

static void direct_clear(struct wr_round *round)
{
    for (size_t i = 0; i < round->direct_count; i++) {
        (void)close(round->direct_fds[i]);
        free(round->direct_dirs[i]);
    }
    round->direct_count = 0;
}

static void round_free(struct wr_round *round)
{
    if (!round) {
        return;
    }
    direct_clear(round);
    free(round->direct_fds);
    free(round->direct_dirs);
    free(round->entries);
    free(round->owners);
    free(round);
}

static enum weir_status round_reserve(struct wr_round *round)
{
    if (round->count < round->cap) {
        return WEIR_OK;
    }
    size_t cap = round->cap ? round->cap * 2 : 16;
    struct wr_wal_entry *entries =
        realloc(round->entries, cap * sizeof(*entries));
    if (!entries) {
        return WEIR_E_NOMEM;
    }
    round->entries = entries;
    struct wr_log **owners =
        realloc(round->owners, cap * sizeof(struct wr_log *));
    if (!owners) {
        return WEIR_E_NOMEM;
    }
    round->owners = owners;
    round->cap = cap;
    return WEIR_OK;
}

/* The log's active segment will be synced by the round itself. */
static enum weir_status direct_add(struct wr_round *round, struct wr_log *log,
                                   struct weir_error *err)
{
    struct wr_segment *active = wr_log_active(log);
    if (log->direct_mark == round->number &&
        log->direct_base == active->base_offset) {
        return WEIR_OK;
    }
    if (round->direct_count == round->direct_cap) {
        size_t cap = round->direct_cap ? round->direct_cap * 2 : 4;
        int *fds = realloc(round->direct_fds, cap * sizeof(*fds));
        if (!fds) {
            return WEIR_E_NOMEM;
        }
        round->direct_fds = fds;
        char **dirs = realloc(round->direct_dirs, cap * sizeof(*dirs));
        if (!dirs) {
            return WEIR_E_NOMEM;
        }
        round->direct_dirs = dirs;
        round->direct_cap = cap;
    }
    int fd;
    enum weir_status status =
        wr_file_get(&log->logs->files, &active->log, false, &fd, err);
    if (status != WEIR_OK) {
        return status;
    }
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    char *dir = log->dir_unsynced ? strdup(log->dir) : NULL;
    if (own < 0 || (log->dir_unsynced && !dir)) {
        if (own >= 0) {
            (void)close(own);
        }
        free(dir);
        return weir_fail(err, WEIR_E_IO, "%s: no descriptor left to sync it",
                         active->log.path);
    }
    round->direct_fds[round->direct_count] = own;
    round->direct_dirs[round->direct_count] = dir;
    round->direct_count++;
    log->dir_unsynced = false;
    log->direct_mark = round->number;
    log->direct_base = active->base_offset;
    return WEIR_OK;
}

static bool is_direct(const struct wr_log *log, size_t size)
{
    const struct wr_logs *logs = log->logs;
    return logs->wal && (size >= logs->config.direct_bytes ||
                         log->direct_mark == logs->pending->number);
}

enum weir_status wr_logs_reserve(struct wr_log *log, size_t size,
                                 struct weir_error *err)
{
    struct wr_logs *logs = log->logs;
    enum weir_status status = round_reserve(logs->pending);
    if (status == WEIR_OK && is_direct(log, size)) {
        status = direct_add(logs->pending, log, err);
    }
    return status == WEIR_E_NOMEM ? weir_fail(err, status, "out of memory")
                                  : status;
}

void wr_logs_note(struct wr_log *log, const struct wr_batch *batch,
                  const uint8_t *data, uint64_t chunk)
{
    struct wr_logs *logs = log->logs;
    struct wr_round *round = logs->pending;
    bool direct = is_direct(log, batch->size);
    struct wr_wal_entry *entry = &round->entries[round->count];
    *entry = (struct wr_wal_entry){
        .partition = log->partition,
        .kind = direct ? WR_WAL_DIRECT : WR_WAL_DATA,
        .base_offset = batch->base_offset,
        .next_offset = wr_batch_last_offset(batch) + 1,
        .leader_epoch = batch->leader_epoch,
        .len = direct ? 0 : (uint32_t)batch->size,
        .data = direct ? NULL : data,
    };
    memcpy(entry->topic_id, log->topic_id, WR_TOPIC_ID_BYTES);
    round->owners[round->count++] = log;
    round->bytes += batch->size;
    round->direct_bytes += direct ? (int64_t)batch->size : 0;
    if (chunk < round->first_chunk) {
        round->first_chunk = chunk;
    }
    if (chunk < logs->tail.pinned) {
        logs->tail.pinned = chunk;
    }
    round->ticket = ++logs->append_seq;
    logs->stats.appended_bytes += (int64_t)batch->size;
}

/* ---- the sync thread ----------------------------------------------------- */

static enum weir_status direct_sync(struct wr_round *round)
{
    for (size_t i = 0; i < round->direct_count; i++) {
        if (fdatasync(round->direct_fds[i]) != 0) {
            return weir_fail(&round->err, WEIR_E_IO,
                             "a segment cannot be synced: nothing more is "
                             "accepted; check the disk, then restart");
        }
        if (round->direct_dirs[i]) {
            enum weir_status status =
                wr_dir_sync(round->direct_dirs[i], &round->err);
            if (status != WEIR_OK) {
                return status;
            }
        }
    }
    return WEIR_OK;
}

static void round_run(struct wr_helper_job *job)
{
    struct wr_round *round = (struct wr_round *)job;
    int64_t begin_ns = wr_mono_ns();
    round->status = direct_sync(round);
    size_t at = 0;
    while (round->status == WEIR_OK && at < round->count) {
        size_t n = 0;
        size_t bytes = 0;
        while (at + n < round->count && n < WR_WAL_ROUND_ENTRIES_MAX &&
               (n == 0 ||
                bytes + round->entries[at + n].len <= WR_WAL_ROUND_BYTES_MAX)) {
            bytes += round->entries[at + n++].len;
        }
        round->status =
            wr_wal_write(round->logs->wal, round->entries + at, n, &round->err);
        round->wal_seq++;
        at += n;
    }
    round->sync_ns = wr_mono_ns() - begin_ns;
}

/* ---- completion ---------------------------------------------------------- */

static void waiter_remove(struct wr_logs *logs, struct wr_logs_waiter *waiter)
{
    *(waiter->prev ? &waiter->prev->next : &logs->waiter_first) = waiter->next;
    *(waiter->next ? &waiter->next->prev : &logs->waiter_last) = waiter->prev;
    waiter->seq = -1;
    waiter->next = NULL;
    waiter->prev = NULL;
}

static void waiters_call(struct wr_logs *logs)
{
    struct wr_logs_waiter *waiter;
    while ((waiter = logs->waiter_first) != NULL &&
           waiter->seq <= logs->durable_seq) {
        waiter_remove(logs, waiter);
        waiter->fn(waiter, WEIR_OK);
    }
}

void wr_logs_waiters_fail(struct wr_logs *logs, enum weir_status status)
{
    struct wr_logs_waiter *waiter;
    while ((waiter = logs->waiter_first) != NULL) {
        waiter_remove(logs, waiter);
        waiter->fn(waiter, status);
    }
}

static void watches_call(struct wr_logs *logs, struct wr_log *log)
{
    logs->watch_cursor = log->watches;
    while (logs->watch_cursor) {
        struct wr_log_watch *watch = logs->watch_cursor;
        logs->watch_cursor = watch->next;
        watch->fn(watch, false);
    }
}

/* What is durable becomes visible: first all numbers, then those who wait. */
static void round_complete(struct wr_logs *logs, struct wr_round *round)
{
    logs->stats.rounds++;
    logs->stats.sync_ns += round->sync_ns;
    logs->stats.direct_bytes += round->direct_bytes;
    logs->wal_done += round->wal_seq;
    if (round->status != WEIR_OK) {
        if (round->status != WEIR_E_CLOSED) {
            wr_logs_fail(logs, round->err.text);
        }
        return;
    }
    logs->durable_seq = round->ticket;
    logs->completing = round;
    for (size_t i = 0; i < round->count; i++) {
        if (round->owners[i]) {
            wr_log_advance(round->owners[i], round->entries[i].next_offset);
        }
    }
    for (size_t i = 0; i < round->count; i++) {
        struct wr_log *log = round->owners[i];
        /* Once a log: at its newest entry, which says where it stands now. */
        if (log && round->entries[i].next_offset == log->high_watermark) {
            watches_call(logs, log);
        }
    }
    logs->completing = NULL;
    waiters_call(logs);
}

/* Memory of rounds under way stays. */
static void pins_update(struct wr_logs *logs)
{
    uint64_t pinned = logs->pending->first_chunk;
    if (logs->flying && logs->flying->first_chunk < pinned) {
        pinned = logs->flying->first_chunk;
    }
    logs->tail.pinned = pinned;
}

/* Lets the pending round fly, or completes it at once in the weaker modes. */
static void round_start(struct wr_logs *logs)
{
    while (!logs->flying && logs->pending->count > 0 && !logs->failed) {
        struct wr_round *round = logs->pending;
        struct wr_round *next = round_new(logs);
        if (!next) {
            return; /* the next tick tries again */
        }
        wr_tail_touch(&logs->tail, logs->config.now_ms());
        logs->pending = next;
        if (logs->sync) {
            logs->flying = round;
            round->job.run = round_run;
            wr_helper_submit(logs->sync, &round->job);
        } else {
            round_complete(logs, round);
            round_free(round);
        }
        pins_update(logs);
    }
}

void wr_logs_commit(struct wr_logs *logs)
{
    if (logs->polling) {
        return;
    }
    logs->polling = true;
    round_start(logs);
    if (logs->failed) {
        wr_logs_waiters_fail(logs, WEIR_E_IO);
    } else {
        waiters_call(logs);
    }
    round_start(logs);
    logs->polling = false;
}

void wr_logs_poll(struct wr_logs *logs)
{
    if (logs->polling) {
        return;
    }
    logs->polling = true;
    struct wr_helper_job *job = logs->sync ? wr_helper_take(logs->sync) : NULL;
    if (job) {
        struct wr_round *round = logs->flying;
        logs->flying = NULL;
        pins_update(logs);
        round_complete(logs, round);
        round_free(round);
    }
    wr_logs_checkpoint_poll(logs);
    logs->polling = false;
    wr_logs_commit(logs);
}

/* Waits until a thread wakes us, or a moment. */
static void wakeup_wait(struct wr_logs_wakeup *wakeup)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    pthread_mutex_lock(&wakeup->lock);
    while (!wakeup->woken &&
           pthread_cond_timedwait(&wakeup->cond, &wakeup->lock, &until) == 0) {
    }
    wakeup->woken = false;
    pthread_mutex_unlock(&wakeup->lock);
}

enum weir_status wr_logs_wait(struct wr_logs *logs, struct weir_error *err)
{
    wr_logs_commit(logs);
    while (!logs->failed && (logs->flying || logs->pending->count > 0)) {
        bool stuck = wr_logs_refusal(logs) != NULL;
        if (logs->flying) {
            wakeup_wait(logs->wakeup);
        }
        wr_logs_poll(logs);
        if (stuck && wr_logs_refusal(logs)) {
            return weir_fail(err, WEIR_E_NOSPACE, "%s", wr_logs_refusal(logs));
        }
    }
    return logs->failed ? weir_fail(err, WEIR_E_IO, "%s", logs->failed)
                        : WEIR_OK;
}

/* ---- waiters ------------------------------------------------------------- */

void wr_logs_when_durable(struct wr_logs *logs, struct wr_logs_waiter *waiter)
{
    waiter->seq = logs->append_seq;
    waiter->next = NULL;
    waiter->prev = logs->waiter_last;
    *(logs->waiter_last ? &logs->waiter_last->next : &logs->waiter_first) =
        waiter;
    logs->waiter_last = waiter;
}

void wr_logs_waiter_cancel(struct wr_logs *logs, struct wr_logs_waiter *waiter)
{
    if (waiter->prev || waiter->next || logs->waiter_first == waiter) {
        waiter_remove(logs, waiter);
    }
}

/* ---- state --------------------------------------------------------------- */

bool wr_logs_congested(const struct wr_logs *logs)
{
    return logs->pending->bytes + (logs->flying ? logs->flying->bytes : 0) >
           CONGESTED_BYTES;
}

const char *wr_logs_failed(const struct wr_logs *logs)
{
    return logs->failed;
}

const char *wr_logs_refusal(const struct wr_logs *logs)
{
    if (logs->failed) {
        return logs->failed;
    }
    if (logs->checkpoint_put_off) {
        return "no space is left for a checkpoint; free some";
    }
    if (logs->wal && wr_wal_is_stuck(logs->wal)) {
        return "no space is left for the write-ahead log; free some";
    }
    return NULL;
}

void wr_logs_fail(struct wr_logs *logs, const char *why)
{
    if (!logs->failed) {
        logs->failed = strdup(why[0] ? why : "a sync failed");
        wr_log(WR_ERROR, "broker", "log is read-only", "reason=\"%s\"", why);
    }
}

void wr_logs_forget(struct wr_logs *logs, const struct wr_log *log)
{
    struct wr_round *rounds[] = {logs->pending, logs->flying, logs->completing};
    for (size_t k = 0; k < sizeof(rounds) / sizeof(rounds[0]); k++) {
        for (size_t i = 0; rounds[k] && i < rounds[k]->count; i++) {
            if (rounds[k]->owners[i] == log) {
                rounds[k]->owners[i] = NULL;
            }
        }
    }
}

enum weir_status wr_logs_sync_start(struct wr_logs *logs,
                                    struct weir_error *err)
{
    logs->round_next = 1;
    logs->wakeup = calloc(1, sizeof(*logs->wakeup));
    logs->pending = round_new(logs);
    if (!logs->wakeup || !logs->pending) {
        free(logs->wakeup);
        logs->wakeup = NULL;
        return weir_fail(err, WEIR_E_NOMEM, "out of memory");
    }
    (void)pthread_mutex_init(&logs->wakeup->lock, NULL);
    (void)pthread_cond_init(&logs->wakeup->cond, NULL);
    return wr_helper_start("weir-keep", wr_logs_wake, logs, &logs->background,
                           err);
}

void wr_logs_sync_stop(struct wr_logs *logs)
{
    if (logs->wal) {
        wr_wal_shutdown(logs->wal);
    }
    wr_helper_stop(logs->sync);
    wr_logs_background_drain(logs);
    wr_helper_stop(logs->background);
    logs->sync = NULL;
    logs->background = NULL;
    wr_wal_close(logs->wal);
    logs->wal = NULL;
    round_free(logs->pending);
    round_free(logs->flying);
    if (logs->wakeup) {
        (void)pthread_mutex_destroy(&logs->wakeup->lock);
        (void)pthread_cond_destroy(&logs->wakeup->cond);
        free(logs->wakeup);
    }
}
