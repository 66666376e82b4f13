/* SPDX-License-Identifier: Apache-2.0
 *
 * A log: its numbers, and the append. An append goes
 *
 *   check batch -> check producer -> roll -> reserve -> copy to memory and
 * place
 *   -> write to the segment -> tell producers, tail and the round
 *
 * Everything that may fail comes before the write, and what comes after cannot,
 * so that an append is there whole or not at all. The copy in memory is the
 * only one: the write-ahead log and the readers of the tail use the same bytes.
 * Thread: the broker's loop. */
#include "broker/log_internal.h"

#include <inttypes.h>
#include <stdlib.h>

struct wr_log_config wr_log_config_default(void)
{
    return (struct wr_log_config){
        .segment_bytes = 1 << 30,
        .segment_ms = INT64_C(7) * 24 * 3600 * 1000,
        .retention_ms = INT64_C(7) * 24 * 3600 * 1000,
        .retention_bytes = -1,
        .cleanup_delete = true,
        .cleanup_compact = false,
        .message_bytes_max = 1048588,
        .index_interval_bytes = 4096,
        .log_append_time = false,
        .timestamp_before_ms = INT64_MAX,
        .timestamp_after_ms = 3600 * 1000,
    };
}

/* ---- where it stands ----------------------------------------------------- */

const char *wr_log_topic(const struct wr_log *log)
{
    return log->topic;
}
int32_t wr_log_partition(const struct wr_log *log)
{
    return log->partition;
}
const uint8_t *wr_log_topic_id(const struct wr_log *log)
{
    return log->topic_id;
}
int64_t wr_log_start_offset(const struct wr_log *log)
{
    return log->start_offset;
}
int64_t wr_log_high_watermark(const struct wr_log *log)
{
    return log->high_watermark;
}
int64_t wr_log_last_stable_offset(const struct wr_log *log)
{
    return wr_producers_stable(&log->producers, log->high_watermark);
}
int64_t wr_log_end_offset(const struct wr_log *log)
{
    return log->end_offset;
}
int32_t wr_log_leader_epoch(const struct wr_log *log)
{
    return log->epoch_count > 0 ? log->epochs[log->epoch_count - 1].epoch : 0;
}
const char *wr_log_offline(const struct wr_log *log)
{
    return log->offline;
}
const struct wr_log_config *wr_log_config(const struct wr_log *log)
{
    return &log->config;
}
void wr_log_set_config(struct wr_log *log, const struct wr_log_config *config)
{
    log->config = *config;
}

int64_t wr_log_size(const struct wr_log *log)
{
    int64_t size = 0;
    for (size_t i = 0; i < log->segment_count; i++) {
        size += log->segments[i]->size;
    }
    return size;
}

void wr_log_epoch_end(const struct wr_log *log, int32_t epoch,
                      int32_t *out_epoch, int64_t *out_end)
{
    *out_epoch = -1;
    *out_end = -1;
    if (epoch > wr_log_leader_epoch(log)) {
        return;
    }
    for (size_t i = 0; i < log->epoch_count; i++) {
        if (log->epochs[i].epoch <= epoch) {
            *out_epoch = log->epochs[i].epoch;
            *out_end = i + 1 < log->epoch_count
                           ? log->epochs[i + 1].start_offset
                           : log->high_watermark;
        }
    }
}

int64_t wr_log_limit(const struct wr_log *log, enum wr_isolation isolation)
{
    switch (isolation) {
    case WR_READ_COMMITTED:
        return wr_log_last_stable_offset(log);
    case WR_READ_LOG_END:
        return log->end_offset;
    case WR_READ_UNCOMMITTED:
        break;
    }
    return log->high_watermark;
}

void wr_log_set_offline(struct wr_log *log, const char *why)
{
    if (!log->offline) {
        log->offline = strdup(why);
        log->logs->stats.offline++;
    }
}

void wr_log_advance(struct wr_log *log, int64_t offset)
{
    if (offset > log->high_watermark) {
        log->high_watermark = offset;
        wr_producers_advance(&log->producers, offset);
    }
}

size_t wr_log_segment_find(const struct wr_log *log, int64_t offset)
{
    size_t low = 0;
    size_t high = log->segment_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (log->segments[middle]->base_offset <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* ---- segments ------------------------------------------------------------ */

enum weir_status wr_log_segment_add(struct wr_log *log, int64_t base_offset,
                                    struct wr_segment **out)
{
    if (log->segment_count == log->segment_cap) {
        size_t cap = log->segment_cap ? log->segment_cap * 2 : 2;
        struct wr_segment **segments =
            realloc(log->segments, cap * sizeof(struct wr_segment *));
        if (!segments) {
            return WEIR_E_NOMEM;
        }
        log->segments = segments;
        log->segment_cap = cap;
    }
    struct wr_segment *segment = malloc(sizeof(*segment));
    if (!segment ||
        wr_segment_init(segment, log->dir, base_offset) != WEIR_OK) {
        free(segment);
        return WEIR_E_NOMEM;
    }
    log->segments[log->segment_count++] = segment;
    *out = segment;
    return WEIR_OK;
}

enum weir_status wr_log_roll(struct wr_log *log, struct weir_error *err)
{
    struct wr_segment *active = wr_log_active(log);
    struct wr_segment *next;
    if (active->size == 0) {
        return WEIR_OK;
    }
    enum weir_status status = wr_log_snapshot(log, log->end_offset, err);
    if (status == WEIR_OK) {
        /* Gives up the index's memory. Should the new file fail below, the next
         * append tries to roll again; nothing else is added meanwhile. */
        status = wr_segment_save(active, true, err);
    }
    if (status == WEIR_OK) {
        status = wr_log_segment_add(log, log->end_offset, &next);
    }
    if (status != WEIR_OK) {
        return status;
    }
    status = wr_segment_create(&log->logs->files, next, err);
    if (status != WEIR_OK) {
        wr_segment_done(&log->logs->files, next);
        free(next);
        log->segment_count--;
        return status;
    }
    wr_log_dir_changed(log);
    return WEIR_OK;
}

/* Rolls where the next batch may not go into the active segment. */
static enum weir_status roll_for(struct wr_log *log, const struct wr_batch *b,
                                 int64_t now_ms, struct weir_error *err)
{
    const struct wr_segment *active = wr_log_active(log);
    int64_t last = log->end_offset + b->last_offset_delta;
    bool roll = active->size > 0 &&
                (active->size + (int64_t)b->size > log->config.segment_bytes ||
                 last - active->base_offset > INT32_MAX ||
                 wr_index_is_full(&active->offsets) ||
                 wr_index_is_full(&active->times) ||
                 now_ms - log->active_since_ms > log->config.segment_ms);
    return roll ? wr_log_roll(log, err) : WEIR_OK;
}

/* ---- append -------------------------------------------------------------- */

static enum wr_kafka_error
storage_error(struct weir_error *err, const struct wr_log *log, const char *why)
{
    (void)weir_fail(err, WEIR_E_IO, "%s-%" PRId32 ": %s", log->topic,
                    log->partition, why);
    return WR_ERR_KAFKA_STORAGE_ERROR;
}

static enum wr_kafka_error writable(const struct wr_log *log,
                                    struct weir_error *err)
{
    const char *why = log->offline ? log->offline : wr_logs_refusal(log->logs);
    return why ? storage_error(err, log, why) : WR_ERR_NONE;
}

/* How a batch is changed on its way in. */
struct placing {
    bool append_time;      /* all records get now_ms */
    int64_t max_timestamp; /* what the header must say */
    int64_t now_ms;
};

/* Copies the batch to its place in memory and writes it to the segment.
 * Producers are reserved and, for an abort, its entry is in the .txnindex. */
static enum weir_status write_batch(struct wr_log *log, struct weir_bytes bytes,
                                    struct wr_batch *batch,
                                    const struct placing *how,
                                    struct weir_error *err)
{
    struct wr_logs *logs = log->logs;
    struct wr_segment *active = wr_log_active(log);
    enum weir_status status = wr_logs_reserve(log, batch->size, err);
    if (status != WEIR_OK) {
        return status;
    }
    uint8_t *p = wr_tail_room(&logs->tail, batch->size);
    if (!p) {
        return weir_fail(err, WEIR_E_NOMEM, "out of memory");
    }
    memcpy(p, bytes.data, batch->size);
    wr_batch_place(p, log->end_offset, wr_log_leader_epoch(log));
    batch->base_offset = log->end_offset;
    batch->leader_epoch = wr_log_leader_epoch(log);
    if (how->append_time) {
        wr_batch_set_append_time(p, batch->size, how->now_ms);
        batch->max_timestamp = how->now_ms;
    } else if (wr_load_i64(p + 35) != how->max_timestamp) {
        wr_batch_set_max_timestamp(p, batch->size, how->max_timestamp);
    }
    bool first = active->size == 0;
    status = wr_segment_append(&logs->files, active, batch, p,
                               log->config.index_interval_bytes, err);
    if (status != WEIR_OK) {
        return status;
    }
    if (first) {
        log->active_since_ms = how->now_ms;
    }
    struct wr_tail_entry entry = {
        .base_offset = batch->base_offset,
        .last_offset = wr_batch_last_offset(batch),
        .data = p,
        .len = batch->size,
    };
    wr_tail_keep(&logs->tail, batch->size, &entry.chunk_seq);
    if (log->tail.count == log->tail.cap) {
        wr_tail_list_trim(&log->tail, &logs->tail);
    }
    wr_tail_list_add(&log->tail, &entry);
    log->end_offset = entry.last_offset + 1;
    log->dirty = true;
    wr_logs_note(log, batch, p, entry.chunk_seq);
    return WEIR_OK;
}

/* The check that fits where the batch comes from. */
static enum wr_kafka_error check_batch(struct wr_log *log,
                                       struct weir_bytes bytes,
                                       const struct wr_log_append *how,
                                       struct wr_batch *out,
                                       struct weir_error *err)
{
    if (how->origin == WR_LOG_COORDINATOR) {
        return wr_batch_parse(bytes, out, err) == WEIR_OK &&
                       out->size == bytes.len
                   ? WR_ERR_NONE
                   : WR_ERR_CORRUPT_MESSAGE;
    }
    struct wr_batch_rules rules = {
        .batch_bytes_max = log->config.message_bytes_max,
        .keys_required = log->config.cleanup_compact,
        .zstd_allowed = how->zstd_allowed,
        .log_append_time = log->config.log_append_time,
        .now_ms = how->now_ms,
        .timestamp_before_ms = log->config.timestamp_before_ms,
        .timestamp_after_ms = log->config.timestamp_after_ms,
        .faults = how->faults,
    };
    struct wr_buf *scratch = &log->logs->scratch;
    wr_buf_reset(scratch);
    enum wr_kafka_error code =
        wr_batch_validate(bytes, &rules, scratch, out, err);
    log->logs->stats.unpacked_bytes += scratch->len;
    if (scratch->cap > ((size_t)4 << 20)) {
        wr_buf_done(scratch); /* a rare giant does not stay in memory */
    }
    return code;
}

enum wr_kafka_error wr_log_append(struct wr_log *log, struct weir_bytes batch,
                                  const struct wr_log_append *how,
                                  struct wr_log_appended *out,
                                  struct weir_error *err)
{
    struct wr_batch header;
    struct wr_producer_batch old;
    bool duplicate;
    enum wr_kafka_error code = writable(log, err);
    if (code == WR_ERR_NONE) {
        code = check_batch(log, batch, how, &header, err);
    }
    if (code == WR_ERR_NONE) {
        code =
            wr_producers_check(&log->producers, &header, &old, &duplicate, err);
    }
    if (code != WR_ERR_NONE) {
        return code;
    }
    if (duplicate) {
        *out = (struct wr_log_appended){
            .base_offset = old.last_offset - old.offset_delta,
            .last_offset = old.last_offset,
            .append_time_ms =
                log->config.log_append_time ? old.timestamp_ms : -1,
            .duplicate = true,
        };
        return WR_ERR_NONE;
    }
    if (header.size > (size_t)log->config.segment_bytes) {
        (void)weir_fail(err, WEIR_E_TOOBIG,
                        "batch of %zu bytes is over segment.bytes=%" PRId32,
                        header.size, log->config.segment_bytes);
        return WR_ERR_RECORD_LIST_TOO_LARGE;
    }
    struct placing placing = {
        .append_time = log->config.log_append_time,
        .max_timestamp = header.max_timestamp,
        .now_ms = how->now_ms,
    };
    struct weir_error why = {0};
    enum weir_status status =
        wr_producers_reserve(&log->producers, header.producer_id);
    if (status == WEIR_OK) {
        status = roll_for(log, &header, how->now_ms, &why);
    }
    if (status == WEIR_OK) {
        status = write_batch(log, batch, &header, &placing, &why);
    }
    if (status == WEIR_OK) {
        status = wr_producers_apply(&log->producers, &header);
    }
    if (status != WEIR_OK) {
        return storage_error(err, log,
                             why.text[0] ? why.text : weir_status_text(status));
    }
    *out = (struct wr_log_appended){
        .base_offset = header.base_offset,
        .last_offset = wr_batch_last_offset(&header),
        .append_time_ms = placing.append_time ? how->now_ms : -1,
    };
    return WR_ERR_NONE;
}

/* Writes a marker batch; an abort's entry goes first, to its place after those
 * that count, and counts once the marker stands. */
static enum weir_status write_marker(struct wr_log *log,
                                     const struct wr_marker *marker,
                                     struct weir_bytes bytes,
                                     struct wr_batch *batch,
                                     struct weir_error *err)
{
    struct wr_abort_entry entry;
    struct placing placing = {
        .max_timestamp = batch->max_timestamp,
        .now_ms = marker->timestamp_ms,
    };
    bool aborts = wr_producers_abort_entry(&log->producers, marker,
                                           log->end_offset, &entry);
    enum weir_status status = WEIR_OK;
    if (aborts) {
        status = wr_segment_abort_write(wr_log_active(log), &entry, err);
        wr_log_dir_changed(log);
    }
    if (status == WEIR_OK) {
        status = write_batch(log, bytes, batch, &placing, err);
    }
    if (status == WEIR_OK && aborts) {
        wr_segment_abort_note(wr_log_active(log), &entry);
    }
    return status;
}

enum wr_kafka_error wr_log_append_marker(struct wr_log *log,
                                         const struct wr_marker *marker,
                                         struct wr_log_appended *out,
                                         struct weir_error *err)
{
    struct wr_buf bytes;
    struct wr_batch batch;
    struct weir_error why = {0};
    enum wr_kafka_error code = writable(log, err);
    if (code == WR_ERR_NONE) {
        code = wr_producers_check_marker(&log->producers, marker, err);
    }
    if (code != WR_ERR_NONE) {
        return code;
    }
    wr_buf_init(&bytes, 2 * WR_BATCH_MARKER_BYTES);
    wr_batch_put_marker(&bytes, marker);
    enum weir_status status = wr_batch_parse(wr_buf_view(&bytes), &batch, &why);
    if (status == WEIR_OK) {
        status = wr_producers_reserve(&log->producers, marker->producer_id);
    }
    if (status == WEIR_OK) {
        status = roll_for(log, &batch, marker->timestamp_ms, &why);
    }
    if (status == WEIR_OK) {
        status = write_marker(log, marker, wr_buf_view(&bytes), &batch, &why);
    }
    if (status == WEIR_OK) {
        status = wr_producers_apply_marker(&log->producers, marker,
                                           batch.base_offset);
    }
    wr_buf_done(&bytes);
    if (status != WEIR_OK) {
        return storage_error(err, log,
                             why.text[0] ? why.text : weir_status_text(status));
    }
    *out = (struct wr_log_appended){
        .base_offset = batch.base_offset,
        .last_offset = batch.base_offset,
        .append_time_ms = -1,
    };
    return WR_ERR_NONE;
}

/* ---- producers and watches ----------------------------------------------- */

static void producer_out(const struct wr_producer_state *p,
                         struct wr_log_producer *out)
{
    *out = (struct wr_log_producer){
        .producer_id = p->producer_id,
        .producer_epoch = p->producer_epoch,
        .last_sequence = p->batch_count > 0
                             ? p->batches[p->batch_count - 1].last_sequence
                             : -1,
        .last_timestamp_ms = p->last_timestamp_ms,
        .coordinator_epoch = p->coordinator_epoch,
        .txn_first_offset = p->txn_first_offset,
    };
}

bool wr_log_producer_next(const struct wr_log *log, size_t *cursor,
                          struct wr_log_producer *out)
{
    void *value;
    if (!wr_map_next(&log->producers.map, cursor, NULL, &value)) {
        return false;
    }
    producer_out(value, out);
    return true;
}

bool wr_log_producer_get(const struct wr_log *log, int64_t producer_id,
                         struct wr_log_producer *out)
{
    const struct wr_producer_state *p =
        wr_producers_get(&log->producers, producer_id);
    if (p && out) {
        producer_out(p, out);
    }
    return p && p->txn_first_offset >= 0;
}

void wr_log_watch_add(struct wr_log *log, struct wr_log_watch *watch)
{
    watch->log = log;
    watch->prev = NULL;
    watch->next = log->watches;
    if (log->watches) {
        log->watches->prev = watch;
    }
    log->watches = watch;
}

void wr_log_watch_remove(struct wr_log_watch *watch)
{
    struct wr_log *log = watch->log;
    if (!log) {
        return;
    }
    if (log->logs->watch_cursor == watch) {
        log->logs->watch_cursor = watch->next;
    }
    *(watch->prev ? &watch->prev->next : &log->watches) = watch->next;
    if (watch->next) {
        watch->next->prev = watch->prev;
    }
    watch->log = NULL;
    watch->next = NULL;
    watch->prev = NULL;
}
