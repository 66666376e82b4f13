/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes of rows to bytes and back; the layout is told in change.h. */
#include "dsl/change.h"

enum { ONLY_OLD, ONLY_NEW, BOTH, LATEST_FORMS };

size_t wr_change_size(const struct wr_change *change)
{
    size_t size = change->new_value.len + change->old_value.len + 1;
    if (change->new_value.data && change->old_value.data) {
        size += wr_uvarint_size(wr_zigzag((int64_t)change->new_value.len));
    }
    return size;
}

static uint8_t *append(uint8_t *out, struct weir_bytes b)
{
    if (b.data) {
        memcpy(out, b.data, b.len);
    }
    return out + b.len;
}

void wr_change_write(const struct wr_change *change, uint8_t *out)
{
    uint8_t flag = change->new_value.data ? ONLY_NEW : ONLY_OLD;
    if (change->new_value.data && change->old_value.data) {
        flag = BOTH;
        out += wr_uvarint_store(out, wr_zigzag((int64_t)change->new_value.len));
    }
    out = append(out, change->new_value);
    out = append(out, change->old_value);
    *out = flag;
}

enum weir_status wr_change_read(struct weir_bytes bytes, struct wr_change *out)
{
    if (bytes.len == 0 || bytes.data[bytes.len - 1] >= 2 * LATEST_FORMS) {
        return WEIR_E_DECODE;
    }
    uint8_t flag = bytes.data[--bytes.len];
    if (flag >= LATEST_FORMS) {
        if (bytes.len == 0) {
            return WEIR_E_DECODE;
        }
        bytes.len--;
        flag = (uint8_t)(flag - LATEST_FORMS);
    }
    struct wr_change change = {WEIR_NULL, WEIR_NULL};
    if (flag == BOTH) {
        struct wr_reader reader;
        wr_reader_init(&reader, bytes);
        int64_t new_len = wr_read_varint(&reader);
        if (new_len < 0 || (uint64_t)new_len > wr_reader_left(&reader)) {
            return WEIR_E_DECODE;
        }
        change.new_value = wr_read_bytes(&reader, (size_t)new_len);
        change.old_value = wr_read_bytes(&reader, wr_reader_left(&reader));
        if (reader.status != WEIR_OK) {
            return WEIR_E_DECODE;
        }
    } else if (flag == ONLY_NEW) {
        change.new_value = bytes;
    } else {
        change.old_value = bytes;
    }
    *out = change;
    return WEIR_OK;
}
