/* SPDX-License-Identifier: Apache-2.0
 *
 * What a client may append: exactly one batch, whole, with the checksum it
 * says, and records that agree with its header. Everything is looked at before
 * a byte reaches the log, for a log cannot take anything back, and every reader
 * of the topic would have to cope. Compressed records are unpacked to be
 * checked and stored as they came.
 *
 * Kafka corrects a wrong max timestamp rather than refuse it; so do we.
 *
 * CORRUPT_MESSAGE tells a client to send the same again, so it is for bytes
 * that may have been damaged on their way. Older message formats, no batch at
 * all and less than a batch come the same again and are refused for good.
 * Thread: any. */
#include "broker/batch.h"

/* One Kafka error code with its sentence. */
static enum wr_kafka_error refuse(struct weir_error *err,
                                  enum wr_kafka_error code, const char *text)
{
    (void)weir_fail(err, WEIR_E_INVALID, "%s", text);
    return code;
}

/* The format byte stands at the same place in all formats, and messages of the
 * older ones may be shorter than a batch's header. */
static bool is_older_format(struct weir_bytes bytes)
{
    return bytes.len > WR_BATCH_MAGIC_AT &&
           (bytes.data[WR_BATCH_MAGIC_AT] == 0 ||
            bytes.data[WR_BATCH_MAGIC_AT] == 1);
}

static enum wr_kafka_error check_size(struct weir_bytes bytes,
                                      const struct wr_batch_rules *rules,
                                      struct wr_batch *out,
                                      struct weir_error *err)
{
    if (is_older_format(bytes)) {
        (void)weir_fail(err, WEIR_E_INCOMPATIBLE,
                        "message format %d is older than this broker takes; "
                        "use a client that writes format 2",
                        bytes.data[WR_BATCH_MAGIC_AT]);
        return WR_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT;
    }
    enum weir_status status = wr_batch_parse(bytes, out, err);
    if (status == WEIR_E_TRUNCATED) {
        return WR_ERR_INVALID_RECORD;
    }
    if (status != WEIR_OK) {
        return WR_ERR_CORRUPT_MESSAGE;
    }
    if (bytes.len > out->size) {
        return refuse(err, WR_ERR_INVALID_RECORD,
                      "a produce request holds exactly one batch a partition");
    }
    if (out->size > (size_t)rules->batch_bytes_max) {
        (void)weir_fail(err, WEIR_E_TOOBIG,
                        "batch of %zu bytes is over max.message.bytes=%d",
                        out->size, rules->batch_bytes_max);
        return WR_ERR_MESSAGE_TOO_LARGE;
    }
    if (!wr_batch_crc_ok(bytes, out)) {
        return refuse(err, WR_ERR_CORRUPT_MESSAGE,
                      "batch does not have the checksum it says");
    }
    return WR_ERR_NONE;
}

static enum wr_kafka_error check_header(const struct wr_batch *batch,
                                        const struct wr_batch_rules *rules,
                                        struct weir_error *err)
{
    if (batch->record_count <= 0 ||
        batch->last_offset_delta != batch->record_count - 1) {
        return refuse(err, WR_ERR_INVALID_RECORD,
                      "record count and last offset delta do not agree");
    }
    if (wr_batch_is_control(batch)) {
        return refuse(err, WR_ERR_INVALID_RECORD,
                      "clients may not write control batches");
    }
    if (batch->producer_id >= 0 &&
        (batch->producer_epoch < 0 || batch->base_sequence < 0)) {
        return refuse(err, WR_ERR_INVALID_RECORD,
                      "an idempotent batch needs an epoch and a sequence");
    }
    if (batch->producer_id < 0 && wr_batch_is_transactional(batch)) {
        return refuse(err, WR_ERR_INVALID_RECORD,
                      "a transactional batch needs a producer id");
    }
    if (batch->attributes &
            (WR_BATCH_LOG_APPEND_TIME | WR_BATCH_DELETE_HORIZON) ||
        wr_batch_codec(batch) > WR_CODEC_ZSTD) {
        return refuse(err, WR_ERR_INVALID_RECORD,
                      "batch has attributes that a client may not set");
    }
    if (wr_batch_codec(batch) == WR_CODEC_ZSTD && !rules->zstd_allowed) {
        return refuse(err, WR_ERR_UNSUPPORTED_COMPRESSION_TYPE,
                      "zstd needs version 7 of the produce request");
    }
    return WR_ERR_NONE;
}

/* Whether a record's own timestamp is within the topic's window around now. */
static bool time_ok(const struct wr_batch_rules *rules, int64_t timestamp)
{
    if (rules->log_append_time || timestamp == -1) {
        return true;
    }
    if (timestamp < 0) {
        return false;
    }
    return timestamp < rules->now_ms
               ? rules->now_ms - timestamp <= rules->timestamp_before_ms
               : timestamp - rules->now_ms <= rules->timestamp_after_ms;
}

static enum wr_kafka_error check_record(const struct wr_record *record,
                                        const struct wr_batch_rules *rules,
                                        struct weir_error *err)
{
    if (rules->keys_required && !record->key.data) {
        return refuse(err, WR_ERR_INVALID_RECORD,
                      "a compacted topic needs a key in every record");
    }
    if (!time_ok(rules, record->timestamp)) {
        (void)weir_fail(err, WEIR_E_INVALID,
                        "record timestamp %lld is outside the window that "
                        "message.timestamp.before.max.ms and "
                        "message.timestamp.after.max.ms leave around %lld",
                        (long long)record->timestamp, (long long)rules->now_ms);
        return WR_ERR_INVALID_TIMESTAMP;
    }
    return WR_ERR_NONE;
}

/* All are looked at, also after a bad one: the client is told which they are,
 * so that the others can be sent again. */
static enum wr_kafka_error check_records(struct wr_batch_iter *iter,
                                         const struct wr_batch_rules *rules,
                                         int64_t *out_max_timestamp,
                                         struct weir_error *err)
{
    struct wr_record record;
    struct wr_batch_faults *faults = rules->faults;
    enum wr_kafka_error first = WR_ERR_NONE;
    int64_t max_timestamp = INT64_MIN;
    for (int32_t i = 0; wr_batch_iter_next(iter, &record); i++) {
        enum wr_kafka_error code =
            check_record(&record, rules, first ? NULL : err);
        first = first ? first : code;
        if (code != WR_ERR_NONE && faults &&
            (size_t)faults->count < WR_BATCH_FAULTS_MAX) {
            faults->at[faults->count++] = i;
        }
        if (record.timestamp > max_timestamp) {
            max_timestamp = record.timestamp;
        }
    }
    /* Deltas rise strictly and end at count - 1: so they are 0, 1, 2, ... */
    if (iter->status != WEIR_OK ||
        iter->last_delta != iter->batch.last_offset_delta) {
        if (faults) {
            faults->count = 0; /* it is not for single records */
        }
        return refuse(err, WR_ERR_INVALID_RECORD,
                      "records are malformed or their offsets are not 0, 1, "
                      "2, ...");
    }
    *out_max_timestamp = max_timestamp;
    return first;
}

enum wr_kafka_error wr_batch_validate(struct weir_bytes bytes,
                                      const struct wr_batch_rules *rules,
                                      struct wr_buf *scratch,
                                      struct wr_batch *out,
                                      struct weir_error *err)
{
    struct wr_batch batch;
    struct wr_batch_iter iter;
    enum wr_kafka_error code = check_size(bytes, rules, &batch, err);
    if (code == WR_ERR_NONE) {
        code = check_header(&batch, rules, err);
    }
    if (code != WR_ERR_NONE) {
        return code;
    }
    enum weir_status status = wr_batch_iter_init(&iter, bytes, scratch, err);
    if (status != WEIR_OK) {
        return status == WEIR_E_TOOBIG  ? WR_ERR_MESSAGE_TOO_LARGE
               : status == WEIR_E_NOMEM ? WR_ERR_UNKNOWN_SERVER_ERROR
                                        : WR_ERR_CORRUPT_MESSAGE;
    }
    code = check_records(&iter, rules, &batch.max_timestamp, err);
    if (code == WR_ERR_NONE) {
        *out = batch;
    }
    return code;
}
