/* SPDX-License-Identifier: Apache-2.0
 *
 * Record batch, format 2, as bytes:
 *
 *    0  8  base offset          patched by the log
 *    8  4  length               bytes after this field
 *   12  4  leader epoch         patched by the log
 *   16  1  magic                2
 *   17  4  CRC-32C              over everything from 21 on
 *   21  2  attributes           codec, time type, transactional, control
 *   23  4  last offset delta
 *   27  8  base timestamp
 *   35  8  max timestamp
 *   43  8  producer id
 *   51  2  producer epoch
 *   53  4  base sequence
 *   57  4  record count
 *   61  -  records              compressed as one block
 *
 * A record is made of zig-zag varints: length; i8 attributes; timestamp delta;
 * offset delta; key length (-1: null), key; value length, value; header count;
 * and per header key length, key, value length, value.
 *
 * This file reads and patches; batch_validate.c judges, batch_build.c makes.
 * Thread: any. */
#include "broker/batch.h"

#include "base/hash.h"
#include "broker/batch_varint.h"
#include "broker/codec_compress.h"

size_t wr_batch_size(const uint8_t *p)
{
    int32_t length = wr_load_i32(p + 8);
    if (length < WR_BATCH_HEADER_BYTES - WR_BATCH_PREFIX_BYTES ||
        length > INT32_MAX - WR_BATCH_PREFIX_BYTES) {
        return 0;
    }
    return (size_t)length + WR_BATCH_PREFIX_BYTES;
}

enum weir_status wr_batch_parse_header(const uint8_t *p, struct wr_batch *out,
                                       struct weir_error *err)
{
    int8_t magic = (int8_t)p[WR_BATCH_MAGIC_AT];
    if (magic == 0 || magic == 1) {
        return weir_fail(err, WEIR_E_INCOMPATIBLE,
                         "message format %d is older than this broker takes; "
                         "use a client that writes format 2",
                         magic);
    }
    struct wr_batch batch = {
        .base_offset = wr_load_i64(p),
        .size = wr_batch_size(p),
        .leader_epoch = wr_load_i32(p + 12),
        .magic = magic,
        .crc = wr_load_u32(p + 17),
        .attributes = wr_load_i16(p + 21),
        .last_offset_delta = wr_load_i32(p + 23),
        .base_timestamp = wr_load_i64(p + 27),
        .max_timestamp = wr_load_i64(p + 35),
        .producer_id = wr_load_i64(p + 43),
        .producer_epoch = wr_load_i16(p + 51),
        .base_sequence = wr_load_i32(p + 53),
        .record_count = wr_load_i32(p + 57),
    };
    if (magic != 2) {
        return weir_fail(err, WEIR_E_CORRUPT, "batch has format byte %d",
                         magic);
    }
    if (batch.size == 0) {
        return weir_fail(err, WEIR_E_CORRUPT, "batch has length field %d",
                         wr_load_i32(p + 8));
    }
    if (batch.base_offset < 0 || batch.last_offset_delta < 0 ||
        batch.record_count < 0 ||
        batch.base_offset > INT64_MAX - batch.last_offset_delta - 1) {
        return weir_fail(err, WEIR_E_CORRUPT,
                         "batch has base offset %lld, last offset delta %d, "
                         "record count %d",
                         (long long)batch.base_offset, batch.last_offset_delta,
                         batch.record_count);
    }
    *out = batch;
    return WEIR_OK;
}

enum weir_status wr_batch_parse(struct weir_bytes bytes, struct wr_batch *out,
                                struct weir_error *err)
{
    struct wr_batch batch;
    if (bytes.len < WR_BATCH_HEADER_BYTES) {
        return weir_fail(err, WEIR_E_TRUNCATED,
                         "%zu bytes are less than a batch header", bytes.len);
    }
    enum weir_status status = wr_batch_parse_header(bytes.data, &batch, err);
    if (status != WEIR_OK) {
        return status;
    }
    if (batch.size > bytes.len) {
        return weir_fail(err, WEIR_E_TRUNCATED,
                         "batch of %zu bytes has only %zu", batch.size,
                         bytes.len);
    }
    *out = batch;
    return WEIR_OK;
}

bool wr_batch_crc_ok(struct weir_bytes bytes, const struct wr_batch *batch)
{
    return wr_crc32c(0, bytes.data + WR_BATCH_CRC_FROM,
                     batch->size - WR_BATCH_CRC_FROM) == batch->crc;
}

/* ---- walking --------------------------------------------------------------
 */

enum weir_status wr_batch_iter_init(struct wr_batch_iter *iter,
                                    struct weir_bytes bytes,
                                    struct wr_buf *scratch,
                                    struct weir_error *err)
{
    struct wr_batch batch;
    enum weir_status status = wr_batch_parse(bytes, &batch, err);
    if (status != WEIR_OK) {
        return status;
    }
    struct weir_bytes records = weir_bytes(bytes.data + WR_BATCH_HEADER_BYTES,
                                           batch.size - WR_BATCH_HEADER_BYTES);
    if (wr_batch_codec(&batch) != WR_CODEC_NONE && batch.record_count > 0) {
        wr_buf_reset(scratch);
        status = wr_unpack(wr_batch_codec(&batch), records, scratch, err);
        if (status != WEIR_OK) {
            return status;
        }
        records = wr_buf_view(scratch);
    }
    *iter = (struct wr_batch_iter){
        .batch = batch,
        .at = records.data,
        .end = records.data + records.len,
        .left = batch.record_count,
        .last_delta = -1,
        .status = WEIR_OK,
    };
    return WEIR_OK;
}

/* A length and so many bytes; -1 is null. */
static bool field_read(const uint8_t **at, const uint8_t *end,
                       struct weir_bytes *out)
{
    int64_t n;
    if (!wr_varint_read(at, end, &n) || n < -1 || n > end - *at) {
        return false;
    }
    *out = n < 0 ? WEIR_NULL : weir_bytes(*at, (size_t)n);
    *at += n < 0 ? 0 : n;
    return true;
}

bool wr_record_header_next(struct weir_bytes *headers, struct weir_bytes *key,
                           struct weir_bytes *value)
{
    const uint8_t *at = headers->data;
    const uint8_t *end = at + headers->len;
    if (headers->len == 0 || !field_read(&at, end, key) || !key->data ||
        !field_read(&at, end, value)) {
        return false;
    }
    *headers = weir_bytes(at, (size_t)(end - at));
    return true;
}

/* The record that fills [at, end). */
static bool record_read(struct wr_batch_iter *iter, const uint8_t *at,
                        const uint8_t *end, struct wr_record *out)
{
    int64_t time_delta, offset_delta, header_count;
    if (at == end) {
        return false;
    }
    at++; /* attributes of a record: none are defined */
    if (!wr_varint_read(&at, end, &time_delta) ||
        !wr_varint_read(&at, end, &offset_delta) ||
        !field_read(&at, end, &out->key) ||
        !field_read(&at, end, &out->value) ||
        !wr_varint_read(&at, end, &header_count) ||
        offset_delta <= iter->last_delta ||
        offset_delta > iter->batch.last_offset_delta || header_count < 0 ||
        header_count > end - at) {
        return false;
    }
    out->header_count = (int32_t)header_count;
    out->headers = weir_bytes(at, (size_t)(end - at));
    struct weir_bytes rest = out->headers;
    for (int64_t i = 0; i < header_count; i++) {
        struct weir_bytes key, value;
        if (!wr_record_header_next(&rest, &key, &value)) {
            return false;
        }
    }
    if (rest.len > 0) {
        return false;
    }
    iter->last_delta = (int32_t)offset_delta;
    out->offset = iter->batch.base_offset + offset_delta;
    out->timestamp = iter->batch.attributes & WR_BATCH_LOG_APPEND_TIME
                         ? iter->batch.max_timestamp
                         : (int64_t)((uint64_t)iter->batch.base_timestamp +
                                     (uint64_t)time_delta);
    return true;
}

bool wr_batch_iter_next(struct wr_batch_iter *iter, struct wr_record *out)
{
    if (iter->status != WEIR_OK) {
        return false;
    }
    if (iter->left == 0) {
        iter->status = iter->at == iter->end ? WEIR_OK : WEIR_E_CORRUPT;
        return false;
    }
    int64_t n;
    const uint8_t *at = iter->at;
    if (!wr_varint_read(&at, iter->end, &n) || n < 0 || n > iter->end - at ||
        !record_read(iter, at, at + n, out)) {
        iter->status = WEIR_E_CORRUPT;
        return false;
    }
    iter->at = at + n;
    iter->left--;
    return true;
}

/* ---- patching -------------------------------------------------------------
 */

void wr_batch_place(uint8_t *batch, int64_t base_offset, int32_t leader_epoch)
{
    wr_store_i64(batch, base_offset);
    wr_store_i32(batch + 12, leader_epoch);
}

void wr_batch_set_max_timestamp(uint8_t *batch, size_t size,
                                int64_t max_timestamp_ms)
{
    wr_store_i64(batch + 35, max_timestamp_ms);
    wr_store_u32(batch + 17, wr_crc32c(0, batch + WR_BATCH_CRC_FROM,
                                       size - WR_BATCH_CRC_FROM));
}

void wr_batch_set_append_time(uint8_t *batch, size_t size, int64_t now_ms)
{
    int16_t attributes = wr_load_i16(batch + 21);
    wr_store_i16(batch + 21, (int16_t)(attributes | WR_BATCH_LOG_APPEND_TIME));
    wr_batch_set_max_timestamp(batch, size, now_ms);
}
