/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches of our own making: records of the internal topics, and the markers
 * that end transactions. A marker is a control batch of one record:
 *
 *   key    i16 version 0, i16 type (0 abort, 1 commit)
 *   value  i16 version 0, i32 epoch of the transaction's coordinator
 *
 * Thread: any. */
#include "base/hash.h"
#include "broker/batch.h"

enum { MARKER_ABORT = 0, MARKER_COMMIT = 1 };

void wr_batch_begin(struct wr_batch_builder *builder, struct wr_buf *out,
                    const struct wr_batch_options *options)
{
    *builder = (struct wr_batch_builder){.out = out, .start = out->len};
    wr_buf_put_i64(out, 0);  /* base offset */
    wr_buf_put_i32(out, 0);  /* length */
    wr_buf_put_i32(out, -1); /* leader epoch */
    wr_buf_put_i8(out, 2);
    wr_buf_put_i32(out, 0); /* checksum */
    wr_buf_put_i16(out, options->attributes);
    wr_buf_put_i32(out, 0); /* last offset delta */
    wr_buf_put_i64(out, 0); /* base timestamp */
    wr_buf_put_i64(out, 0); /* max timestamp */
    wr_buf_put_i64(out, options->producer_id);
    wr_buf_put_i16(out, options->producer_epoch);
    wr_buf_put_i32(out, options->base_sequence);
    wr_buf_put_i32(out, 0); /* record count */
}

static size_t field_size(struct weir_bytes b)
{
    return b.data ? wr_uvarint_size(wr_zigzag((int64_t)b.len)) + b.len
                  : wr_uvarint_size(wr_zigzag(-1));
}

static void field_put(struct wr_buf *out, struct weir_bytes b)
{
    wr_buf_put_varint(out, b.data ? (int64_t)b.len : -1);
    wr_buf_put_bytes(out, b);
}

void wr_batch_add(struct wr_batch_builder *builder, int64_t timestamp_ms,
                  struct weir_bytes key, struct weir_bytes value)
{
    if (builder->record_count == 0) {
        builder->base_timestamp = timestamp_ms;
        builder->max_timestamp = timestamp_ms;
    }
    if (timestamp_ms > builder->max_timestamp) {
        builder->max_timestamp = timestamp_ms;
    }
    int64_t time_delta = timestamp_ms - builder->base_timestamp;
    size_t size = 1 + wr_uvarint_size(wr_zigzag(time_delta)) +
                  wr_uvarint_size(wr_zigzag(builder->record_count)) +
                  field_size(key) + field_size(value) + 1;
    wr_buf_put_varint(builder->out, (int64_t)size);
    wr_buf_put_i8(builder->out, 0);
    wr_buf_put_varint(builder->out, time_delta);
    wr_buf_put_varint(builder->out, builder->record_count);
    field_put(builder->out, key);
    field_put(builder->out, value);
    wr_buf_put_varint(builder->out, 0); /* headers */
    builder->record_count++;
}

enum weir_status wr_batch_end(struct wr_batch_builder *builder)
{
    struct wr_buf *out = builder->out;
    if (out->status != WEIR_OK) {
        return out->status;
    }
    if (builder->record_count == 0) {
        return WEIR_E_INVALID;
    }
    uint8_t *p = out->data + builder->start;
    size_t size = out->len - builder->start;
    if (size > INT32_MAX) {
        return WEIR_E_TOOBIG;
    }
    wr_store_i32(p + 8, (int32_t)(size - WR_BATCH_PREFIX_BYTES));
    wr_store_i32(p + 23, builder->record_count - 1);
    wr_store_i64(p + 27, builder->base_timestamp);
    wr_store_i32(p + 57, builder->record_count);
    wr_batch_set_max_timestamp(p, size, builder->max_timestamp);
    return WEIR_OK;
}

void wr_batch_put_marker(struct wr_buf *out, const struct wr_marker *marker)
{
    uint8_t key[4], value[6];
    struct wr_batch_builder builder;
    struct wr_batch_options options = {
        .producer_id = marker->producer_id,
        .producer_epoch = marker->producer_epoch,
        .base_sequence = -1,
        .attributes = WR_BATCH_TRANSACTIONAL | WR_BATCH_CONTROL,
    };
    wr_store_i16(key, 0);
    wr_store_i16(key + 2, marker->commit ? MARKER_COMMIT : MARKER_ABORT);
    wr_store_i16(value, 0);
    wr_store_i32(value + 2, marker->coordinator_epoch);
    wr_batch_begin(&builder, out, &options);
    wr_batch_add(&builder, marker->timestamp_ms, weir_bytes(key, sizeof(key)),
                 weir_bytes(value, sizeof(value)));
    enum weir_status status = wr_batch_end(&builder);
    if (status != WEIR_OK && out->status == WEIR_OK) {
        out->status = status;
    }
}

enum weir_status wr_batch_get_marker(struct weir_bytes bytes,
                                     struct wr_marker *out)
{
    struct wr_batch_iter iter;
    struct wr_record record;
    struct wr_batch batch;
    /* A control batch is never compressed: there is nothing to unpack into. */
    if (wr_batch_parse(bytes, &batch, NULL) != WEIR_OK ||
        !wr_batch_is_control(&batch) ||
        wr_batch_codec(&batch) != WR_CODEC_NONE ||
        wr_batch_iter_init(&iter, bytes, NULL, NULL) != WEIR_OK ||
        !wr_batch_iter_next(&iter, &record) || record.key.len < 4) {
        return WEIR_E_CORRUPT;
    }
    int16_t type = wr_load_i16(record.key.data + 2);
    if (type != MARKER_ABORT && type != MARKER_COMMIT) {
        return WEIR_E_NOTFOUND;
    }
    if (record.value.len < 6) {
        return WEIR_E_CORRUPT;
    }
    *out = (struct wr_marker){
        .producer_id = iter.batch.producer_id,
        .producer_epoch = iter.batch.producer_epoch,
        .commit = type == MARKER_COMMIT,
        .coordinator_epoch = wr_load_i32(record.value.data + 2),
        .timestamp_ms = record.timestamp,
    };
    return WEIR_OK;
}
