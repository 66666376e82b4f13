/* SPDX-License-Identifier: Apache-2.0
 *
 * Views and buffers of bytes, and the two ways through them: a reader that
 * never believes a length before it has checked it, and a buffer that never
 * grows past the limit it was born with.
 *
 * All multi-byte integers are big-endian unless the name says otherwise.
 * Errors are sticky: after the first one, a reader reads zeros and nulls and a
 * buffer takes nothing more; the caller asks once, at the end. */
#ifndef WEIR_BASE_BYTES_H
#define WEIR_BASE_BYTES_H

#include "weir/types.h"

#include <stdbool.h>

/* ---- views ------------------------------------------------------------- */

/** Same length and same bytes; null equals only null. */
static inline bool wr_bytes_equal(struct weir_bytes a, struct weir_bytes b)
{
    if (a.data == NULL || b.data == NULL) {
        return a.data == b.data;
    }
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/** Unsigned byte order, a shorter prefix first: the order of RocksDB and of
 *  Kafka Streams' ranges. <0, 0 or >0. */
static inline int wr_bytes_compare(struct weir_bytes a, struct weir_bytes b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.data, b.data, n) : 0;
    if (c != 0) {
        return c;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

/** Same bytes as a NUL-terminated text. */
static inline bool wr_bytes_equal_text(struct weir_bytes a, const char *text)
{
    return wr_bytes_equal(a, weir_text(text));
}

/* ---- integers in place -------------------------------------------------- */

static inline uint16_t wr_load_u16(const uint8_t *p)
{
    return (uint16_t)((uint16_t)p[0] << 8 | p[1]);
}
static inline uint32_t wr_load_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           (uint32_t)p[3];
}
static inline uint64_t wr_load_u64(const uint8_t *p)
{
    return (uint64_t)wr_load_u32(p) << 32 | wr_load_u32(p + 4);
}
static inline int16_t wr_load_i16(const uint8_t *p)
{
    return (int16_t)wr_load_u16(p);
}
static inline int32_t wr_load_i32(const uint8_t *p)
{
    return (int32_t)wr_load_u32(p);
}
static inline int64_t wr_load_i64(const uint8_t *p)
{
    return (int64_t)wr_load_u64(p);
}
static inline void wr_store_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void wr_store_u32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}
static inline void wr_store_u64(uint8_t *p, uint64_t v)
{
    wr_store_u32(p, (uint32_t)(v >> 32));
    wr_store_u32(p + 4, (uint32_t)v);
}
static inline void wr_store_i16(uint8_t *p, int16_t v)
{
    wr_store_u16(p, (uint16_t)v);
}
static inline void wr_store_i32(uint8_t *p, int32_t v)
{
    wr_store_u32(p, (uint32_t)v);
}
static inline void wr_store_i64(uint8_t *p, int64_t v)
{
    wr_store_u64(p, (uint64_t)v);
}

#define WR_VARINT_MAX 10 /* bytes of the longest variable-length integer */

/** Writes v as an unsigned base-128 varint; returns its length, 1..10. */
size_t wr_uvarint_store(uint8_t out[WR_VARINT_MAX], uint64_t v);
/** Zig-zag form of a signed number, as Kafka's varint and varlong use it. */
static inline uint64_t wr_zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}
static inline int64_t wr_unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}
/** Bytes that wr_uvarint_store would write. */
size_t wr_uvarint_size(uint64_t v);

/* ---- buffer ------------------------------------------------------------- */

/** Growing bytes with a hard limit. Zero-initialised is not enough: use
 *  wr_buf_init, which allocates nothing yet. */
struct wr_buf {
    uint8_t *data;           /* owned; NULL until the first byte */
    size_t len;              /* bytes written */
    size_t cap;              /* bytes allocated */
    size_t max;              /* limit of len; reaching it sets status */
    enum weir_status status; /* WEIR_OK, WEIR_E_TOOBIG or WEIR_E_NOMEM */
};

void wr_buf_init(struct wr_buf *buf, size_t max);
/** Frees the bytes; the buffer may be used again as after init. NULL is fine.
 */
void wr_buf_done(struct wr_buf *buf);
/** Length 0, no error; the memory stays. */
void wr_buf_reset(struct wr_buf *buf);
/** Room for n more bytes, which the caller fills before anything else is
 *  written; the length already counts them. NULL after an error. */
uint8_t *wr_buf_extend(struct wr_buf *buf, size_t n);
void wr_buf_put(struct wr_buf *buf, const void *data, size_t n);
void wr_buf_put_i8(struct wr_buf *buf, int8_t v);
void wr_buf_put_i16(struct wr_buf *buf, int16_t v);
void wr_buf_put_i32(struct wr_buf *buf, int32_t v);
void wr_buf_put_i64(struct wr_buf *buf, int64_t v);
void wr_buf_put_uvarint(struct wr_buf *buf, uint64_t v);
void wr_buf_put_varint(struct wr_buf *buf, int64_t v);          /* zig-zag */
void wr_buf_put_bytes(struct wr_buf *buf, struct weir_bytes b); /* bare */
void wr_buf_put_text(struct wr_buf *buf, const char *text); /* without NUL */
/** printf into the buffer, without the NUL. */
void wr_buf_printf(struct wr_buf *buf, const char *format, ...)
    WEIR_PRINTF(2, 3);
/** The written bytes, lent until the next write. Never null, even when empty.
 */
struct weir_bytes wr_buf_view(const struct wr_buf *buf);
/** NUL-terminates (not counted in len) and lends the text; "" after an error.
 */
const char *wr_buf_text(struct wr_buf *buf);

/* ---- reader ------------------------------------------------------------- */

/** A position in bytes that someone else owns. */
struct wr_reader {
    const uint8_t *data;     /* lent for the reader's life; never NULL */
    size_t len;              /* bytes in all */
    size_t pos;              /* next byte to read, <= len */
    enum weir_status status; /* WEIR_OK, _TRUNCATED, _CORRUPT (malformed) */
};

void wr_reader_init(struct wr_reader *reader, struct weir_bytes bytes);
static inline size_t wr_reader_left(const struct wr_reader *reader)
{
    return reader->len - reader->pos;
}
/** Marks the reader as malformed, unless it already has an error. */
void wr_reader_fail(struct wr_reader *reader, enum weir_status status);
int8_t wr_read_i8(struct wr_reader *reader);
int16_t wr_read_i16(struct wr_reader *reader);
int32_t wr_read_i32(struct wr_reader *reader);
int64_t wr_read_i64(struct wr_reader *reader);
uint32_t wr_read_u32(struct wr_reader *reader);
/** At most 10 bytes; longer or overflowing is WEIR_E_CORRUPT. */
uint64_t wr_read_uvarint(struct wr_reader *reader);
int64_t wr_read_varint(struct wr_reader *reader); /* zig-zag */
/** The next n bytes, lent as long as the reader's bytes; null after an error.
 */
struct weir_bytes wr_read_bytes(struct wr_reader *reader, size_t n);
void wr_read_skip(struct wr_reader *reader, size_t n);

#endif
