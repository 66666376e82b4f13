/* SPDX-License-Identifier: Apache-2.0
 *
 * Buffers and readers. See the header for the contract; the only subtlety here
 * is arithmetic on lengths, which never adds before it has compared. */
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

size_t wr_uvarint_store(uint8_t out[WR_VARINT_MAX], uint64_t v)
{
    size_t n = 0;
    while (v >= 0x80) {
        out[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    out[n++] = (uint8_t)v;
    return n;
}

size_t wr_uvarint_size(uint64_t v)
{
    size_t n = 1;
    while (v >= 0x80) {
        n++;
        v >>= 7;
    }
    return n;
}

/* ---- buffer ------------------------------------------------------------- */

void wr_buf_init(struct wr_buf *buf, size_t max)
{
    *buf = (struct wr_buf){.max = max};
}

void wr_buf_done(struct wr_buf *buf)
{
    if (buf) {
        free(buf->data);
        wr_buf_init(buf, buf->max);
    }
}

void wr_buf_reset(struct wr_buf *buf)
{
    buf->len = 0;
    buf->status = WEIR_OK;
}

static bool buf_grow(struct wr_buf *buf, size_t need)
{
    size_t cap = buf->cap ? buf->cap : 64;
    while (cap < need) {
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    }
    uint8_t *data = realloc(buf->data, cap);
    if (!data) {
        buf->status = WEIR_E_NOMEM;
        return false;
    }
    buf->data = data;
    buf->cap = cap;
    return true;
}

uint8_t *wr_buf_extend(struct wr_buf *buf, size_t n)
{
    if (buf->status != WEIR_OK) {
        return NULL;
    }
    if (n > buf->max - buf->len) {
        buf->status = WEIR_E_TOOBIG;
        return NULL;
    }
    if (n > buf->cap - buf->len || !buf->data) {
        if (!buf_grow(buf, buf->len + n)) {
            return NULL;
        }
    }
    uint8_t *at = buf->data + buf->len;
    buf->len += n;
    return at;
}

void wr_buf_put(struct wr_buf *buf, const void *data, size_t n)
{
    uint8_t *at = wr_buf_extend(buf, n);
    if (at && n > 0) {
        memcpy(at, data, n);
    }
}

void wr_buf_put_i8(struct wr_buf *buf, int8_t v)
{
    uint8_t *at = wr_buf_extend(buf, 1);
    if (at) {
        *at = (uint8_t)v;
    }
}

void wr_buf_put_i16(struct wr_buf *buf, int16_t v)
{
    uint8_t *at = wr_buf_extend(buf, 2);
    if (at) {
        wr_store_i16(at, v);
    }
}

void wr_buf_put_i32(struct wr_buf *buf, int32_t v)
{
    uint8_t *at = wr_buf_extend(buf, 4);
    if (at) {
        wr_store_i32(at, v);
    }
}

void wr_buf_put_i64(struct wr_buf *buf, int64_t v)
{
    uint8_t *at = wr_buf_extend(buf, 8);
    if (at) {
        wr_store_i64(at, v);
    }
}

void wr_buf_put_uvarint(struct wr_buf *buf, uint64_t v)
{
    uint8_t tmp[WR_VARINT_MAX];
    wr_buf_put(buf, tmp, wr_uvarint_store(tmp, v));
}

void wr_buf_put_varint(struct wr_buf *buf, int64_t v)
{
    wr_buf_put_uvarint(buf, wr_zigzag(v));
}

void wr_buf_put_bytes(struct wr_buf *buf, struct weir_bytes b)
{
    wr_buf_put(buf, b.data, b.len);
}

void wr_buf_put_text(struct wr_buf *buf, const char *text)
{
    wr_buf_put(buf, text, strlen(text));
}

void wr_buf_printf(struct wr_buf *buf, const char *format, ...)
{
    char small[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(small, sizeof(small), format, args);
    va_end(args);
    if (n < 0) {
        buf->status = WEIR_E_INTERNAL;
        return;
    }
    if ((size_t)n < sizeof(small)) {
        wr_buf_put(buf, small, (size_t)n);
        return;
    }
    /* vsnprintf writes a NUL, so take one byte more and give it back. */
    uint8_t *at = wr_buf_extend(buf, (size_t)n + 1);
    if (at) {
        va_start(args, format);
        (void)vsnprintf((char *)at, (size_t)n + 1, format, args);
        va_end(args);
        buf->len--;
    }
}

struct weir_bytes wr_buf_view(const struct wr_buf *buf)
{
    static const uint8_t nothing[1] = {0};
    return weir_bytes(buf->data ? buf->data : nothing, buf->len);
}

const char *wr_buf_text(struct wr_buf *buf)
{
    uint8_t *at = wr_buf_extend(buf, 1);
    if (!at) {
        return "";
    }
    *at = 0;
    buf->len--;
    return (const char *)buf->data;
}

/* ---- reader ------------------------------------------------------------- */

void wr_reader_init(struct wr_reader *reader, struct weir_bytes bytes)
{
    static const uint8_t nothing[1] = {0}; /* no arithmetic on a null pointer */
    *reader = (struct wr_reader){.data = bytes.data ? bytes.data : nothing,
                                 .len = bytes.data ? bytes.len : 0};
}

void wr_reader_fail(struct wr_reader *reader, enum weir_status status)
{
    if (reader->status == WEIR_OK) {
        reader->status = status;
    }
}

/* The next n bytes, or NULL with the error set. */
static const uint8_t *reader_take(struct wr_reader *reader, size_t n)
{
    if (reader->status != WEIR_OK) {
        return NULL;
    }
    if (n > wr_reader_left(reader)) {
        reader->status = WEIR_E_TRUNCATED;
        return NULL;
    }
    const uint8_t *at = reader->data + reader->pos;
    reader->pos += n;
    return at;
}

int8_t wr_read_i8(struct wr_reader *reader)
{
    const uint8_t *at = reader_take(reader, 1);
    return at ? (int8_t)*at : 0;
}

int16_t wr_read_i16(struct wr_reader *reader)
{
    const uint8_t *at = reader_take(reader, 2);
    return at ? wr_load_i16(at) : 0;
}

int32_t wr_read_i32(struct wr_reader *reader)
{
    const uint8_t *at = reader_take(reader, 4);
    return at ? wr_load_i32(at) : 0;
}

uint32_t wr_read_u32(struct wr_reader *reader)
{
    const uint8_t *at = reader_take(reader, 4);
    return at ? wr_load_u32(at) : 0;
}

int64_t wr_read_i64(struct wr_reader *reader)
{
    const uint8_t *at = reader_take(reader, 8);
    return at ? wr_load_i64(at) : 0;
}

uint64_t wr_read_uvarint(struct wr_reader *reader)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        const uint8_t *at = reader_take(reader, 1);
        if (!at) {
            return 0;
        }
        if (shift == 63 && *at > 1) {
            break; /* a 65th bit, or an eleventh byte */
        }
        v |= (uint64_t)(*at & 0x7f) << shift;
        if (*at < 0x80) {
            return v;
        }
    }
    wr_reader_fail(reader, WEIR_E_CORRUPT);
    return 0;
}

int64_t wr_read_varint(struct wr_reader *reader)
{
    return wr_unzigzag(wr_read_uvarint(reader));
}

struct weir_bytes wr_read_bytes(struct wr_reader *reader, size_t n)
{
    const uint8_t *at = reader_take(reader, n);
    return at ? weir_bytes(at, n) : WEIR_NULL;
}

void wr_read_skip(struct wr_reader *reader, size_t n)
{
    (void)reader_take(reader, n);
}
