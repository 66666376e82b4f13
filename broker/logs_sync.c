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
 * One round is one write to the write-ahead log, and never more than one of its
 * files holds with ease: one that is full flies behind those that do, and the
 * next collects. For a file of the log is free again only when the rounds in it
 * are complete; a round that needed several files could wait for itself. When
 * more waits than waiting_bytes_max, clients' appends wait for room.
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

static enum weir_status round_fly(struct wr_logs *logs);

/* How much of the write-ahead log one round may take, beyond its first append.
 */
static size_t round_bytes_max(const struct wr_logs *logs)
{
    size_t half = logs->config.wal_file_bytes / 2;
    return half < WR_WAL_ROUND_BYTES_MAX ? half : WR_WAL_ROUND_BYTES_MAX;
}

static bool round_is_full(const struct wr_logs *logs, size_t size)
{
    const struct wr_round *round = logs->pending;
    return logs->sync && round->count > 0 &&
           (round->count >= WR_WAL_ROUND_ENTRIES_MAX ||
            round->wal_bytes + size > round_bytes_max(logs));
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
    enum weir_status status = WEIR_OK;
    if (!is_direct(log, size) && round_is_full(logs, size)) {
        status = round_fly(logs);
    }
    if (status == WEIR_OK) {
        status = round_reserve(logs->pending);
    }
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
    round->wal_bytes += entry->len;
    logs->waiting_bytes += batch->size;
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
    struct wr_logs *logs = round->logs;
    int64_t begin_ns = wr_mono_ns();
    if (logs->sync_broken) { /* what follows a gap must not be found whole */
        round->status = WEIR_E_CLOSED;
        return;
    }
    round->status = direct_sync(round);
    if (round->status == WEIR_OK) {
        round->status =
            wr_wal_write(logs->wal, round->entries, round->count, &round->err);
    }
    round->wal_seq = round->status == WEIR_OK;
    logs->sync_broken = round->status != WEIR_OK;
    round->sync_ns = wr_mono_ns() - begin_ns;
}

/* ---- completion ---------------------------------------------------------- */

static void waiter_add(struct wr_logs_waiters *list,
                       struct wr_logs_waiter *waiter)
{
    waiter->next = NULL;
    waiter->prev = list->last;
    *(list->last ? &list->last->next : &list->first) = waiter;
    list->last = waiter;
}

static void waiter_remove(struct wr_logs_waiters *list,
                          struct wr_logs_waiter *waiter)
{
    *(waiter->prev ? &waiter->prev->next : &list->first) = waiter->next;
    *(waiter->next ? &waiter->next->prev : &list->last) = waiter->prev;
    waiter->seq = -1;
    waiter->next = NULL;
    waiter->prev = NULL;
}

static void waiters_call(struct wr_logs *logs)
{
    struct wr_logs_waiter *waiter;
    while ((waiter = logs->durable_waiters.first) != NULL &&
           waiter->seq <= logs->durable_seq) {
        waiter_remove(&logs->durable_waiters, waiter);
        waiter->fn(waiter, WEIR_OK);
    }
}

static void waiters_end(struct wr_logs_waiters *list, enum weir_status status)
{
    struct wr_logs_waiter *waiter;
    while ((waiter = list->first) != NULL) {
        waiter_remove(list, waiter);
        waiter->fn(waiter, status);
    }
}

void wr_logs_waiters_fail(struct wr_logs *logs, enum weir_status status)
{
    waiters_end(&logs->durable_waiters, status);
}

static bool is_congested(const struct wr_logs *logs)
{
    return logs->waiting_bytes > logs->config.waiting_bytes_max &&
           !wr_logs_refusal(logs);
}

static void room_call(struct wr_logs *logs)
{
    struct wr_logs_waiter *waiter;
    while ((waiter = logs->room_waiters.first) != NULL && !is_congested(logs)) {
        waiter_remove(&logs->room_waiters, waiter);
        waiter->fn(waiter, WEIR_OK);
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
    logs->waiting_bytes -= round->bytes;
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

/* The oldest memory of a round and those behind it; pending is the last. */
static uint64_t pinned_from(const struct wr_logs *logs,
                            const struct wr_round *round)
{
    for (; round; round = round->next) {
        if (round->first_chunk != UINT64_MAX) {
            return round->first_chunk;
        }
    }
    return logs->pending->first_chunk;
}

/* Memory of rounds under way stays. */
static void pins_update(struct wr_logs *logs)
{
    logs->tail.pinned = pinned_from(logs, logs->flying);
}

/* The pending round goes to the sync thread, and another one collects. */
static enum weir_status round_fly(struct wr_logs *logs)
{
    struct wr_round *round = logs->pending;
    struct wr_round *next = round_new(logs);
    if (!next) {
        return WEIR_E_NOMEM;
    }
    wr_tail_touch(&logs->tail, logs->config.now_ms());
    logs->pending = next;
    *(logs->flying ? &logs->flying_last->next : &logs->flying) = round;
    logs->flying_last = round;
    round->job.run = round_run;
    wr_helper_submit(logs->sync, &round->job);
    return WEIR_OK;
}

static struct wr_round *round_landed(struct wr_logs *logs)
{
    struct wr_helper_job *job = logs->sync ? wr_helper_take(logs->sync) : NULL;
    struct wr_round *round = (struct wr_round *)job;
    if (round) { /* they land as they flew */
        logs->flying = round->next;
        pins_update(logs);
    }
    return round;
}

/* Lets the pending round fly when none does, or completes it at once in the
 * weaker modes. */
static void round_start(struct wr_logs *logs)
{
    while (!logs->flying && logs->pending->count > 0 && !logs->failed) {
        if (logs->sync) {
            enum weir_status status = round_fly(logs);
            (void)status; /* without memory the next tick tries again */
            return;
        }
        struct wr_round *round = logs->pending;
        struct wr_round *next = round_new(logs);
        if (!next) {
            return;
        }
        wr_tail_touch(&logs->tail, logs->config.now_ms());
        logs->pending = next;
        round_complete(logs, round);
        round_free(round);
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
    struct wr_round *round;
    while ((round = round_landed(logs)) != NULL) {
        round_complete(logs, round);
        round_free(round);
    }
    wr_logs_checkpoint_poll(logs);
    room_call(logs);
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
    waiter_add(&logs->durable_waiters, waiter);
}

void wr_logs_waiter_cancel(struct wr_logs *logs, struct wr_logs_waiter *waiter)
{
    if (waiter->prev || waiter->next || logs->durable_waiters.first == waiter) {
        waiter_remove(&logs->durable_waiters, waiter);
    }
}

bool wr_logs_has_room(const struct wr_logs *logs)
{
    return !logs->room_waiters.first && !is_congested(logs);
}

void wr_logs_when_room(struct wr_logs *logs, struct wr_logs_waiter *waiter)
{
    waiter_add(&logs->room_waiters, waiter);
}

void wr_logs_room_close(struct wr_logs *logs)
{
    if (logs) {
        waiters_end(&logs->room_waiters, WEIR_E_CLOSED);
    }
}

/* ---- state --------------------------------------------------------------- */

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

static void round_forget(struct wr_round *round, const struct wr_log *log)
{
    for (size_t i = 0; round && i < round->count; i++) {
        if (round->owners[i] == log) {
            round->owners[i] = NULL;
        }
    }
}

void wr_logs_forget(struct wr_logs *logs, const struct wr_log *log)
{
    for (struct wr_round *round = logs->flying; round; round = round->next) {
        round_forget(round, log);
    }
    round_forget(logs->pending, log);
    round_forget(logs->completing, log);
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
    enum weir_status status = wr_helper_start("weir-keep", wr_logs_wake, logs,
                                              &logs->background, err);
    return status == WEIR_OK ? wr_helper_start("weir-remove", wr_logs_wake,
                                               logs, &logs->removals, err)
                             : status;
}

void wr_logs_sync_stop(struct wr_logs *logs)
{
    if (logs->wal) {
        wr_wal_shutdown(logs->wal);
    }
    wr_helper_stop(logs->sync);
    wr_logs_background_drain(logs);
    wr_helper_stop(logs->background);
    wr_helper_stop(logs->removals);
    logs->sync = NULL;
    logs->background = NULL;
    logs->removals = NULL;
    wr_wal_close(logs->wal);
    logs->wal = NULL;
    round_free(logs->pending);
    while (logs->flying) {
        struct wr_round *round = logs->flying;
        logs->flying = round->next;
        round_free(round);
    }
    if (logs->wakeup) {
        (void)pthread_mutex_destroy(&logs->wakeup->lock);
        (void)pthread_cond_destroy(&logs->wakeup->cond);
        free(logs->wakeup);
    }
}
