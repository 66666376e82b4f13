/* SPDX-License-Identifier: Apache-2.0
 *
 * The data folder:
 *
 *   <topic>-<partition>/     one log each
 *   *-delete/                on their way out
 *   wal/                     the write-ahead log, only while durability=sync
 * runs weir.checkpoint, .copy   what is on the disk, and which part of wal/
 * counts .lock                    one process at a time .kafka_cleanshutdown
 * the last run ended properly
 *   *-offset-checkpoint      Kafka's, written at a proper end
 *
 * This file keeps the table of logs, makes and deletes them, and does what is
 * done once a second. logs_open.c opens and closes, logs_sync.c makes durable,
 * logs_checkpoint.c works in the background. Thread: the broker's loop. */
#include "broker/log_internal.h"

#include "base/clock.h"
#include "base/fs.h"
#include "broker/folder.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHECKPOINT_IDLE_MS                                                     \
    30000                   /* dirty this long: a checkpoint without need */
#define CACHE_IDLE_MS 60000 /* newest batches leave memory after this */

struct wr_logs_config wr_logs_config_default(void)
{
    return (struct wr_logs_config){
        .durability = WR_DURABILITY_SYNC,
        .sync_interval_ms = 1000,
        .cache_bytes_max = (size_t)64 << 20,
        .wal_file_bytes = (size_t)32 << 20,
        .wal_files_max = 4,
        .direct_bytes = (size_t)256 << 10,
        .waiting_bytes_max = (size_t)64 << 20,
        .open_files_max = 512,
        .unpacked_bytes_max = (size_t)64 << 20,
        .producers_max = 10000,
        .producer_expire_ms = 24 * 3600 * 1000,
        .topic = wr_log_config_default(),
        .now_ms = wr_wall_ms,
        .mono_ms = wr_mono_ms,
    };
}

/* ---- the table ----------------------------------------------------------- */

/* Key of a partition: topic, a zero, i32 partition. */
static bool table_key(struct weir_bytes topic, int32_t partition,
                      uint8_t out[WR_TOPIC_NAME_MAX + 5],
                      struct weir_bytes *out_key)
{
    if (!topic.data || topic.len > WR_TOPIC_NAME_MAX) {
        return false;
    }
    memcpy(out, topic.data, topic.len);
    out[topic.len] = 0;
    wr_store_i32(out + topic.len + 1, partition);
    *out_key = weir_bytes(out, topic.len + 5);
    return true;
}

struct wr_log *wr_logs_get(const struct wr_logs *logs, struct weir_bytes topic,
                           int32_t partition)
{
    uint8_t bytes[WR_TOPIC_NAME_MAX + 5];
    struct weir_bytes key;
    return table_key(topic, partition, bytes, &key)
               ? wr_map_get(&logs->map, key)
               : NULL;
}

enum weir_status wr_logs_table_put(struct wr_logs *logs, struct wr_log *log)
{
    uint8_t bytes[WR_TOPIC_NAME_MAX + 5];
    struct weir_bytes key;
    if (!table_key(weir_text(log->topic), log->partition, bytes, &key)) {
        return WEIR_E_INVALID;
    }
    return wr_map_put(&logs->map, key, log, NULL);
}

struct wr_log *wr_logs_next(const struct wr_logs *logs, size_t *cursor)
{
    void *value;
    return wr_map_next(&logs->map, cursor, NULL, &value) ? value : NULL;
}

/* ---- making and deleting ------------------------------------------------- */

/* Folder, identity and first segment of a new log. */
static enum weir_status folder_make(struct wr_log *log, struct weir_error *err)
{
    if (mkdir(log->dir, 0777) != 0 && errno != EEXIST) {
        return weir_fail(err, wr_status_of_errno(errno),
                         "%s: cannot make folder", log->dir);
    }
    enum weir_status status = wr_folder_write_id(log->dir, log->topic_id, err);
    return status == WEIR_OK ? wr_log_make(log, err) : status;
}

enum weir_status wr_logs_create(struct wr_logs *logs,
                                const struct wr_logs_new *what,
                                struct wr_log **out, struct weir_error *err)
{
    const char *topic = what->topic;
    int32_t partition = what->partition;
    char dir[PATH_MAX];
    struct wr_log *log = NULL;
    if (!wr_topic_name_valid(weir_text(topic)) || partition < 0) {
        return weir_fail(err, WEIR_E_INVALID,
                         "topic name %.64s is not one of 1 to 249 letters, "
                         "digits, '.', '_' and '-'",
                         topic);
    }
    if (wr_logs_get(logs, weir_text(topic), partition)) {
        return weir_fail(err, WEIR_E_EXISTS, "%s-%" PRId32 " exists", topic,
                         partition);
    }
    const char *refusal = wr_logs_refusal(logs);
    if (refusal) {
        return weir_fail(err, WEIR_E_IO, "%s", refusal);
    }
    (void)snprintf(dir, sizeof(dir), "%s/%s-%" PRId32, logs->config.dir, topic,
                   partition);
    enum weir_status status = wr_log_new(logs, topic, partition, dir, &log);
    if (status != WEIR_OK) {
        return weir_fail(err, status, "out of memory");
    }
    memcpy(log->topic_id, what->topic_id, WR_TOPIC_ID_BYTES);
    status = folder_make(log, err);
    if (status == WEIR_OK) {
        status = wr_dir_sync(log->dir, err);
    }
    if (status == WEIR_OK && !what->later) {
        status = wr_dir_sync(logs->config.dir, err);
    }
    if (status == WEIR_OK) {
        status = wr_logs_table_put(logs, log);
    }
    if (status != WEIR_OK) {
        enum weir_status removed = wr_remove_all(dir, NULL);
        (void)removed; /* what is left is found empty at the next start */
        wr_log_free(log);
        return status;
    }
    *out = log;
    return WEIR_OK;
}

/* Where the folder goes that is no partition any more: as Kafka names it, cut
 * to fit. */
static void gone_path(const struct wr_log *log, const char *suffix,
                      char out[PATH_MAX])
{
    char id[2 * WR_TOPIC_ID_BYTES + 1];
    for (size_t i = 0; i < WR_TOPIC_ID_BYTES; i++) {
        (void)snprintf(id + 2 * i, 3, "%02x", log->topic_id[i]);
    }
    (void)snprintf(out, PATH_MAX, "%s/%.180s-%" PRId32 ".%s-%s",
                   log->logs->config.dir, log->topic, log->partition, id,
                   suffix);
}

/* Moves the folder to `gone` and frees the log. WEIR_E_EXISTS: nothing was
 * done. */
static enum weir_status take_away(struct wr_logs *logs, struct wr_log *log,
                                  const char *gone, struct weir_error *err)
{
    uint8_t bytes[WR_TOPIC_NAME_MAX + 5];
    struct weir_bytes key;
    if (rename(log->dir, gone) != 0) {
        return weir_fail(err, WEIR_E_EXISTS, "%s: cannot be renamed to %s",
                         log->dir, gone);
    }
    enum weir_status status = wr_dir_sync(logs->config.dir, err);
    while (log->watches) {
        struct wr_log_watch *watch = log->watches;
        wr_log_watch_remove(watch);
        watch->fn(watch, true);
    }
    if (table_key(weir_text(log->topic), log->partition, bytes, &key)) {
        (void)wr_map_remove(&logs->map, key);
    }
    if (log->offline) {
        logs->stats.offline--;
    }
    wr_logs_forget(logs, log);
    wr_log_free(log);
    return status;
}

enum weir_status wr_logs_set_aside(struct wr_logs *logs, struct wr_log *log,
                                   struct weir_error *err)
{
    char gone[PATH_MAX];
    gone_path(log, "stray", gone);
    return take_away(logs, log, gone, err);
}

enum weir_status wr_logs_delete(struct wr_logs *logs, struct wr_log *log,
                                struct weir_error *err)
{
    char gone[PATH_MAX];
    gone_path(log, "delete", gone);
    enum weir_status status = take_away(logs, log, gone, err);
    if (status == WEIR_E_EXISTS) {
        return WEIR_E_IO;
    }
    char **paths = calloc(1, sizeof(*paths));
    if (paths) { /* without memory it is removed at the next start */
        paths[0] = strdup(gone);
        wr_logs_remove_later(logs, paths, 1);
    }
    return status;
}

/* ---- once a second ------------------------------------------------------- */

static bool checkpoint_due(struct wr_logs *logs, int64_t now_ms)
{
    size_t cursor = 0;
    struct wr_log *log;
    int64_t age = now_ms - logs->checkpoint_ms;
    if (logs->checkpoint_wanted) {
        return true;
    }
    if (logs->config.durability == WR_DURABILITY_NONE ||
        age < (logs->config.durability == WR_DURABILITY_INTERVAL
                   ? logs->config.sync_interval_ms
                   : CHECKPOINT_IDLE_MS)) {
        return false;
    }
    while ((log = wr_logs_next(logs, &cursor)) != NULL) {
        if (log->dirty && !log->offline) {
            return true;
        }
    }
    return false;
}

/* Records may carry the time of long ago: then an application has some minutes
 * to read them, as it has with Kafka, rather than none. */
static bool ages_due(struct wr_logs *logs, int64_t now_ms)
{
    int64_t since_ms = now_ms - logs->aged_ms;
    if (since_ms >= 0 && since_ms < logs->config.retention_check_ms) {
        return false;
    }
    logs->aged_ms = now_ms;
    return true;
}

void wr_logs_housekeep(struct wr_logs *logs)
{
    size_t cursor = 0;
    struct wr_log *log;
    int64_t now_ms = logs->config.now_ms();
    bool aged = ages_due(logs, now_ms);
    while ((log = wr_logs_next(logs, &cursor)) != NULL) {
        wr_log_keep(log, now_ms, aged);
    }
    wr_tail_trim(&logs->tail, now_ms - CACHE_IDLE_MS);
    if (checkpoint_due(logs, now_ms)) {
        wr_logs_checkpoint_begin(logs);
    }
    wr_logs_poll(logs);
}

size_t wr_logs_unpacked(const struct wr_logs *logs)
{
    return logs->stats.unpacked_bytes;
}

void wr_logs_stats(const struct wr_logs *logs, struct wr_logs_stats *out)
{
    *out = logs->stats;
    out->cache_bytes = logs->tail.bytes;
    out->open_files = logs->files.open;
    out->pending_bytes = logs->waiting_bytes;
    out->wal_bytes = logs->wal ? wr_wal_written(logs->wal) : 0;
}
