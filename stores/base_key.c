/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys and the mark of the base layer; the layout is in base_key.h.
 *
 * Why the order stays: let z be a key of zero bytes only and k another key. If
 * k is all zeros too, both grow by two. Otherwise k has a byte > 0 somewhere,
 * and any number of zeros is below it: z and z + 00 00 both are. */
#include "stores/base_key.h"

#define MARK_FORMAT      1u
#define MARK_TIMESTAMPED 1u
#define MARK_EXACT       2u

static const uint8_t zeros[3];

struct weir_bytes wr_mark_key(void)
{
    return weir_bytes(zeros, 1);
}

void wr_mark_write(const struct wr_mark *mark, uint8_t out[WR_MARK_LEN])
{
    out[0] = MARK_FORMAT;
    out[1] = (uint8_t)((mark->timestamped ? MARK_TIMESTAMPED : 0) |
                       (mark->exact ? MARK_EXACT : 0));
    wr_store_i64(out + 2, mark->offset);
    wr_store_i64(out + 10, mark->count);
}

enum weir_status wr_mark_read(struct weir_bytes bytes, struct wr_mark *out)
{
    if (bytes.len != WR_MARK_LEN || bytes.data[0] != MARK_FORMAT) {
        return WEIR_E_CORRUPT;
    }
    out->timestamped = (bytes.data[1] & MARK_TIMESTAMPED) != 0;
    out->exact = (bytes.data[1] & MARK_EXACT) != 0;
    out->offset = wr_load_i64(bytes.data + 2);
    out->count = wr_load_i64(bytes.data + 10);
    return out->offset < -1 || out->count < 0 ? WEIR_E_CORRUPT : WEIR_OK;
}

static bool all_zeros(struct weir_bytes key)
{
    for (size_t i = 0; i < key.len; i++) {
        if (key.data[i] != 0) {
            return false;
        }
    }
    return true;
}

struct weir_bytes wr_base_key(struct weir_bytes key, struct wr_buf *scratch)
{
    if (!all_zeros(key)) {
        return key;
    }
    wr_buf_reset(scratch);
    wr_buf_put_bytes(scratch, key);
    wr_buf_put(scratch, zeros, 2);
    return scratch->status == WEIR_OK ? wr_buf_view(scratch) : WEIR_NULL;
}

struct weir_bytes wr_user_key(struct weir_bytes key)
{
    if (key.len >= 2 && all_zeros(key)) {
        key.len -= 2;
    }
    return key;
}
