/* SPDX-License-Identifier: Apache-2.0
 *
 * The logs of the coordinators. Keys and values are Kafka's own records, so
 * that its tools can read them (DumpLogSegments with --offsets-decoder and
 * --transaction-log-decoder). */
#include "broker/coord_log.h"

#include "base/log.h"
#include "broker/broker.h"
#include "broker/codec.h"
#include "broker/topics.h"

#include <stdio.h>

#define BATCH_BYTES_MAX   ((size_t)12 << 20)
#define REPLAY_BYTES      ((size_t)1 << 20)
#define UNPACKED_BYTES    ((size_t)64 << 20)
#define MESSAGE_BYTES_MAX "10485760"

void wr_coord_log_init(struct wr_coord_log *log, struct wr_broker *broker,
                       const char *topic, const char *partitions_option)
{
    *log = (struct wr_coord_log){.broker = broker,
                                 .topic = topic,
                                 .partitions_option = partitions_option};
    wr_buf_init(&log->scratch, BATCH_BYTES_MAX);
    wr_buf_init(&log->record, BATCH_BYTES_MAX);
}

void wr_coord_log_done(struct wr_coord_log *log)
{
    wr_buf_done(&log->scratch);
    wr_buf_done(&log->record);
}

/* ---- the topic ----------------------------------------------------------- */

int16_t wr_coord_log_ensure(struct wr_coord_log *log, int32_t *out_partitions)
{
    struct wr_topics *topics = log->broker->topics;
    struct wr_topic *topic = wr_topics_find(topics, weir_text(log->topic));
    if (!topic) {
        static const struct wr_topic_setting settings[] = {
            {"cleanup.policy", "compact"},
            {"segment.bytes", "104857600"},
            {"max.message.bytes", MESSAGE_BYTES_MAX}};
        struct wr_topic_spec spec = {
            .name = weir_text(log->topic),
            .partition_count = (int32_t)wr_options_int(log->broker->options,
                                                       log->partitions_option),
            .settings = settings,
            .setting_count = sizeof(settings) / sizeof(settings[0]),
            .internal = true};
        struct weir_error err = {0};
        int16_t error = wr_topics_create(topics, &spec, &topic, &err);
        if (error != WR_ERR_NONE) {
            wr_log(WR_ERROR, "broker", "coordinator-topic",
                   "topic=%s error=%d reason=\"%s\"", log->topic, error,
                   err.text);
            return WR_ERR_COORDINATOR_NOT_AVAILABLE;
        }
    }
    *out_partitions = topic->partition_count;
    return WR_ERR_NONE;
}

/* The next code point of UTF-8 text; malformed bytes stand for themselves. */
static uint32_t next_code_point(struct weir_bytes text, size_t *at)
{
    uint8_t first = text.data[(*at)++];
    size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
    if (more == 0 || *at + more > text.len) {
        return first;
    }
    uint32_t point = first & (0x3fu >> more);
    for (size_t i = 0; i < more; i++) {
        point = point << 6 | (text.data[(*at)++] & 0x3fu);
    }
    return point;
}

int32_t wr_coord_partition(struct weir_bytes key, int32_t partition_count)
{
    uint32_t hash = 0; /* over UTF-16 units, as in Java */
    for (size_t at = 0; at < key.len;) {
        uint32_t point = next_code_point(key, &at);
        if (point >= 0x10000) {
            hash = hash * 31 + (0xd800 + ((point - 0x10000) >> 10));
            point = 0xdc00 + ((point - 0x10000) & 0x3ff);
        }
        hash = hash * 31 + point;
    }
    uint32_t value = hash == 0x80000000u  ? 0
                     : hash > 0x7fffffffu ? 0u - hash
                                          : hash;
    return (int32_t)(value % (uint32_t)partition_count);
}

/* ---- append -------------------------------------------------------------- */

void wr_coord_batch_begin(struct wr_coord_log *log,
                          const struct wr_batch_options *options)
{
    wr_buf_reset(&log->scratch);
    log->record_count = 0;
    wr_batch_begin(&log->builder, &log->scratch, options);
}

static void put_part(struct wr_buf *out, const struct wr_coord_part *part)
{
    wr_buf_put_i16(out, part->version);
    wr_message_encode(part->message, part->body, out, part->version, NULL);
}

void wr_coord_batch_add(struct wr_coord_log *log, int64_t timestamp_ms,
                        const struct wr_coord_part *key,
                        const struct wr_coord_part *value)
{
    wr_buf_reset(&log->record);
    put_part(&log->record, key);
    size_t key_len = log->record.len;
    if (value->message) {
        put_part(&log->record, value);
    }
    if (log->record.status != WEIR_OK) {
        log->scratch.status = log->record.status;
        return;
    }
    struct weir_bytes key_bytes = weir_bytes(log->record.data, key_len);
    struct weir_bytes value_bytes = WEIR_NULL;
    if (value->message) {
        value_bytes =
            weir_bytes(log->record.data + key_len, log->record.len - key_len);
    }
    wr_batch_add(&log->builder, timestamp_ms, key_bytes, value_bytes);
    log->record_count++;
}

int16_t wr_coord_batch_append(struct wr_coord_log *log, int32_t partition,
                              int64_t *out_base_offset)
{
    if (log->record_count == 0) {
        return WR_ERR_NONE;
    }
    if (wr_batch_end(&log->builder) != WEIR_OK) {
        return WR_ERR_MESSAGE_TOO_LARGE;
    }
    struct wr_log *to =
        wr_topics_log(log->broker->topics, weir_text(log->topic), partition);
    if (!to) {
        return WR_ERR_COORDINATOR_NOT_AVAILABLE;
    }
    struct wr_log_append how = {.origin = WR_LOG_COORDINATOR,
                                .zstd_allowed = true,
                                .now_ms = wr_loop_wall_ms(log->broker->loop)};
    struct wr_log_appended appended = {0};
    struct weir_error err = {0};
    enum wr_kafka_error error =
        wr_log_append(to, wr_buf_view(&log->scratch), &how, &appended, &err);
    if (error != WR_ERR_NONE) {
        wr_log(WR_ERROR, "broker", "coordinator-append",
               "topic=%s partition=%d error=%d reason=\"%s\"", log->topic,
               partition, error, err.text);
        return (int16_t)error;
    }
    if (out_base_offset) {
        *out_base_offset = appended.base_offset;
    }
    return WR_ERR_NONE;
}

/* ---- reading ---------------------------------------------------------- */

enum weir_status wr_coord_part_read(struct weir_bytes bytes,
                                    const struct wr_message *message, void *out,
                                    struct wr_arena *arena)
{
    struct wr_reader reader;
    wr_reader_init(&reader, bytes);
    int16_t version = wr_read_i16(&reader);
    if (reader.status != WEIR_OK) {
        return reader.status;
    }
    return wr_message_decode(message, out, &reader, version, arena);
}

/* ---- replay -------------------------------------------------------------- */

struct replay {
    const struct wr_coord_visitor *visitor;
    struct wr_buf bytes;   /* batches read */
    struct wr_buf scratch; /* records unpacked */
    int32_t partition;     /* whose log it is */
};

static enum weir_status replay_batch(struct replay *replay,
                                     struct weir_bytes bytes,
                                     const struct wr_batch *batch,
                                     struct weir_error *err)
{
    const struct wr_coord_visitor *visitor = replay->visitor;
    if (wr_batch_is_control(batch)) {
        struct wr_marker marker;
        enum weir_status status = wr_batch_get_marker(bytes, &marker);
        if (status == WEIR_OK) {
            visitor->marker(visitor->context, replay->partition, &marker);
        }
        return status == WEIR_E_NOTFOUND ? WEIR_OK : status;
    }
    struct wr_batch_iter iter;
    enum weir_status status =
        wr_batch_iter_init(&iter, bytes, &replay->scratch, err);
    struct wr_record record;
    while (status == WEIR_OK && wr_batch_iter_next(&iter, &record)) {
        visitor->record(visitor->context, replay->partition, batch, &record);
    }
    return status == WEIR_OK ? iter.status : status;
}

static enum weir_status replay_bytes(struct replay *replay, int64_t *offset,
                                     struct weir_error *err)
{
    struct weir_bytes left = wr_buf_view(&replay->bytes);
    while (left.len > 0) {
        struct wr_batch batch;
        enum weir_status status = wr_batch_parse(left, &batch, err);
        if (status == WEIR_OK) {
            status = replay_batch(replay, left, &batch, err);
        }
        if (status != WEIR_OK) {
            return status;
        }
        *offset = wr_batch_last_offset(&batch) + 1;
        left = weir_bytes(left.data + batch.size, left.len - batch.size);
    }
    return WEIR_OK;
}

static enum weir_status replay_partition(struct replay *replay,
                                         struct wr_log *log,
                                         struct weir_error *err)
{
    int64_t offset = wr_log_start_offset(log);
    while (offset < wr_log_end_offset(log)) {
        struct wr_log_read how = {.offset = offset,
                                  .bytes_max = REPLAY_BYTES,
                                  .min_one = true,
                                  .isolation = WR_READ_LOG_END};
        wr_buf_reset(&replay->bytes);
        struct weir_error why = {0};
        if (wr_log_read(log, &how, &replay->bytes, &why) != WR_ERR_NONE ||
            replay->bytes.len == 0) {
            wr_log(WR_ERROR, "broker", "coordinator-replay",
                   "topic=%s partition=%d offset=%lld reason=\"%s\"",
                   wr_log_topic(log), wr_log_partition(log), (long long)offset,
                   why.text);
            return WEIR_OK; /* the partition is offline; the rest works */
        }
        enum weir_status status = replay_bytes(replay, &offset, err);
        if (status != WEIR_OK) {
            return weir_fail_prefix(err, status, "replay of %s-%d at %lld",
                                    wr_log_topic(log), wr_log_partition(log),
                                    (long long)offset);
        }
    }
    return WEIR_OK;
}

enum weir_status wr_coord_log_replay(struct wr_coord_log *log,
                                     const struct wr_coord_visitor *visitor,
                                     struct weir_error *err)
{
    struct wr_topic *topic =
        wr_topics_find(log->broker->topics, weir_text(log->topic));
    if (!topic) {
        return WEIR_OK;
    }
    struct replay replay = {.visitor = visitor};
    wr_buf_init(&replay.bytes, BATCH_BYTES_MAX + REPLAY_BYTES);
    wr_buf_init(&replay.scratch, UNPACKED_BYTES);
    enum weir_status status = WEIR_OK;
    for (int32_t p = 0; p < topic->partition_count && status == WEIR_OK; p++) {
        replay.partition = p;
        status = replay_partition(&replay, topic->logs[p], err);
    }
    wr_buf_done(&replay.bytes);
    wr_buf_done(&replay.scratch);
    return status;
}
