/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzz: the reader. The input is both a script and the bytes it is run on: each
 * step's first byte says what to read next. A reader may never leave its bytes,
 * never lose its first error, and what it reads must be written back the same.
 */
#include "base/bytes.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* A varint that was read and written again has the same meaning, and at most as
 * many bytes (the wire may pad it). */
static void read_varint(struct wr_reader *reader)
{
    size_t before = reader->pos;
    uint64_t v = wr_read_uvarint(reader);
    if (reader->status == WEIR_OK) {
        uint8_t out[WR_VARINT_MAX];
        struct wr_reader again;
        size_t n = wr_uvarint_store(out, v);
        require(n <= reader->pos - before && n == wr_uvarint_size(v));
        wr_reader_init(&again, weir_bytes(out, n));
        require(wr_read_uvarint(&again) == v && again.status == WEIR_OK);
        require(wr_zigzag(wr_unzigzag(v)) == v);
    }
}

static void read_integers(struct wr_reader *reader, struct wr_buf *buf)
{
    size_t before = reader->pos;
    wr_buf_put_i8(buf, wr_read_i8(reader));
    wr_buf_put_i16(buf, wr_read_i16(reader));
    wr_buf_put_i32(buf, wr_read_i32(reader));
    wr_buf_put_i64(buf, wr_read_i64(reader));
    if (reader->status == WEIR_OK) {
        require(wr_bytes_equal(wr_buf_view(buf),
                               weir_bytes(reader->data + before, 15)));
    }
}

static void step(struct wr_reader *reader, struct wr_buf *buf)
{
    struct weir_bytes bytes;
    wr_buf_reset(buf);
    switch ((uint8_t)wr_read_i8(reader) % 4) {
    case 0:
        read_varint(reader);
        break;
    case 1:
        read_integers(reader, buf);
        break;
    case 2:
        bytes = wr_read_bytes(reader, wr_read_u32(reader));
        require((bytes.data == NULL) == (reader->status != WEIR_OK));
        wr_buf_put_bytes(buf, bytes);
        require(buf->len <= buf->max);
        break;
    default:
        wr_read_skip(reader, (size_t)wr_read_varint(reader));
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wr_reader reader;
    struct wr_buf buf;
    wr_reader_init(&reader, weir_bytes(data, size));
    wr_buf_init(&buf, 64);
    while (reader.status == WEIR_OK) {
        size_t before = reader.pos;
        step(&reader, &buf);
        require(reader.pos <= size && reader.pos >= before);
    }
    enum weir_status first = reader.status;
    step(&reader, &buf);
    require(reader.status == first);
    wr_buf_done(&buf);
    return 0;
}
