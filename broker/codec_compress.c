/* SPDX-License-Identifier: Apache-2.0
 *
 * The door to zlib, snappy, lz4 and zstd. Unpacking grows the output in steps,
 * so that a small batch which claims to be large costs what it really holds,
 * and stops at the output's limit.
 *
 * Snappy comes in two shapes. Java's clients and librdkafka write xerial's:
 *   0  8  magic 82 'S' 'N' 'A' 'P' 'P' 'Y' 00
 *   8  8  two version numbers, not looked at
 *   16 -  blocks: i32 length, bare snappy of that length
 * and others write one bare block. Which one it is shows in the magic.
 *
 * Gzip and lz4 are one member, one frame: Java's lz4 reader and librdkafka's
 * gzip reader stop after the first and never see what follows it, so bytes
 * after it are refused rather than stored where no reader gets them. Frames of
 * zstd may follow one another: every reader goes on to the next.
 *
 * Thread: any; each call makes its own contexts. */
#include "broker/codec_compress.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#define UNPACK_STEP   ((size_t)64 << 10) /* room asked for at once */
#define XERIAL_HEADER 16u

static const uint8_t xerial_magic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};

/* Room for some more output; *out_n is how much. NULL at the limit. */
static uint8_t *step_begin(struct wr_buf *out, size_t *out_n)
{
    size_t left = out->max - out->len;
    size_t n = left < UNPACK_STEP ? left : UNPACK_STEP;
    if (n == 0) {
        out->status = WEIR_E_TOOBIG;
        return NULL;
    }
    *out_n = n;
    return wr_buf_extend(out, n);
}

static enum weir_status fail_unpack(struct weir_error *err,
                                    enum weir_status status, const char *codec)
{
    if (status == WEIR_E_TOOBIG) {
        return weir_fail(err, status,
                         "%s records unpack to more than the broker accepts",
                         codec);
    }
    return weir_fail(err, status, "%s records cannot be unpacked: %s", codec,
                     weir_status_text(status));
}

/* ---- gzip -----------------------------------------------------------------
 */

static enum weir_status gzip_run(z_stream *z, struct wr_buf *out)
{
    for (;;) {
        size_t room;
        uint8_t *at = step_begin(out, &room);
        if (!at) {
            return out->status;
        }
        z->next_out = at;
        z->avail_out = (uInt)room;
        int r = inflate(z, Z_NO_FLUSH);
        out->len -= z->avail_out;
        if (r == Z_STREAM_END) {
            return z->avail_in == 0 ? WEIR_OK : WEIR_E_CORRUPT;
        }
        if (r == Z_MEM_ERROR) {
            return WEIR_E_NOMEM;
        }
        if (r != Z_OK || (z->avail_in == 0 && z->avail_out > 0)) {
            return WEIR_E_CORRUPT;
        }
    }
}

static enum weir_status gzip_unpack(struct weir_bytes in, struct wr_buf *out)
{
    z_stream z = {0};
    if (in.len > UINT32_MAX) {
        return WEIR_E_TOOBIG;
    }
    if (inflateInit2(&z, 15 + 16) != Z_OK) {
        return WEIR_E_NOMEM;
    }
    z.next_in = (Bytef *)(uintptr_t)in.data;
    z.avail_in = (uInt)in.len;
    enum weir_status status = gzip_run(&z, out);
    (void)inflateEnd(&z);
    return status;
}

static enum weir_status gzip_pack(struct weir_bytes in, struct wr_buf *out)
{
    z_stream z = {0};
    if (in.len > UINT32_MAX) {
        return WEIR_E_TOOBIG;
    }
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return WEIR_E_NOMEM;
    }
    enum weir_status status = WEIR_OK;
    size_t bound = deflateBound(&z, (uLong)in.len);
    uint8_t *at = wr_buf_extend(out, bound);
    if (at) {
        z.next_in = (Bytef *)(uintptr_t)in.data;
        z.avail_in = (uInt)in.len;
        z.next_out = at;
        z.avail_out = (uInt)bound;
        status =
            deflate(&z, Z_FINISH) == Z_STREAM_END ? WEIR_OK : WEIR_E_INTERNAL;
        out->len -= z.avail_out;
    } else {
        status = out->status;
    }
    (void)deflateEnd(&z);
    return status;
}

/* ---- snappy ---------------------------------------------------------------
 */

static enum weir_status snappy_block(struct weir_bytes in, struct wr_buf *out)
{
    size_t n = 0;
    const char *from = (const char *)in.data;
    if (snappy_uncompressed_length(from, in.len, &n) != SNAPPY_OK) {
        return WEIR_E_CORRUPT;
    }
    if (n > out->max - out->len) {
        return WEIR_E_TOOBIG;
    }
    /* The length is a claim until the block is seen to be well-formed. */
    if (snappy_validate_compressed_buffer(from, in.len) != SNAPPY_OK) {
        return WEIR_E_CORRUPT;
    }
    uint8_t *at = wr_buf_extend(out, n);
    if (!at) {
        return out->status;
    }
    return snappy_uncompress(from, in.len, (char *)at, &n) == SNAPPY_OK
               ? WEIR_OK
               : WEIR_E_CORRUPT;
}

static enum weir_status snappy_unpack(struct weir_bytes in, struct wr_buf *out)
{
    if (in.len < XERIAL_HEADER ||
        memcmp(in.data, xerial_magic, sizeof(xerial_magic)) != 0) {
        return snappy_block(in, out);
    }
    size_t pos = XERIAL_HEADER;
    while (pos < in.len) {
        if (in.len - pos < 4) {
            return WEIR_E_CORRUPT;
        }
        size_t n = wr_load_u32(in.data + pos);
        pos += 4;
        if (n > in.len - pos) {
            return WEIR_E_CORRUPT;
        }
        enum weir_status status =
            snappy_block(weir_bytes(in.data + pos, n), out);
        if (status != WEIR_OK) {
            return status;
        }
        pos += n;
    }
    return WEIR_OK;
}

static enum weir_status snappy_pack(struct weir_bytes in, struct wr_buf *out)
{
    size_t n = snappy_max_compressed_length(in.len);
    wr_buf_put(out, xerial_magic, sizeof(xerial_magic));
    wr_buf_put_i32(out, 1);
    wr_buf_put_i32(out, 1);
    size_t at_length = out->len;
    uint8_t *at = wr_buf_extend(out, 4 + n);
    if (!at) {
        return out->status;
    }
    size_t room = n;
    if (snappy_compress((const char *)in.data, in.len, (char *)at + 4, &n) !=
        SNAPPY_OK) {
        return WEIR_E_INTERNAL;
    }
    wr_store_u32(out->data + at_length, (uint32_t)n);
    out->len -= room - n;
    return WEIR_OK;
}

/* ---- lz4 ------------------------------------------------------------------
 */

static enum weir_status lz4_unpack(struct weir_bytes in, struct wr_buf *out)
{
    LZ4F_dctx *ctx = NULL;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&ctx, LZ4F_VERSION))) {
        return WEIR_E_NOMEM;
    }
    enum weir_status status = WEIR_OK;
    size_t pos = 0;
    size_t want = 1; /* 0: the frame is complete */
    while (want != 0) {
        size_t room;
        uint8_t *at = step_begin(out, &room);
        if (!at) {
            status = out->status;
            break;
        }
        size_t made = room;
        size_t used = in.len - pos;
        want = LZ4F_decompress(ctx, at, &made, in.data + pos, &used, NULL);
        if (LZ4F_isError(want)) {
            status = WEIR_E_CORRUPT;
            made = 0;
        }
        out->len -= room - made;
        pos += used;
        if (status == WEIR_OK && want != 0 && made == 0 && used == 0) {
            status = WEIR_E_CORRUPT; /* the input ends inside a frame */
        }
        if (status != WEIR_OK) {
            break;
        }
    }
    (void)LZ4F_freeDecompressionContext(ctx);
    if (status == WEIR_OK && pos < in.len) {
        status = WEIR_E_CORRUPT; /* bytes after the frame */
    }
    return status;
}

static enum weir_status lz4_pack(struct weir_bytes in, struct wr_buf *out)
{
    size_t bound = LZ4F_compressFrameBound(in.len, NULL);
    uint8_t *at = wr_buf_extend(out, bound);
    if (!at) {
        return out->status;
    }
    size_t n = LZ4F_compressFrame(at, bound, in.data, in.len, NULL);
    if (LZ4F_isError(n)) {
        return WEIR_E_INTERNAL;
    }
    out->len -= bound - n;
    return WEIR_OK;
}

/* ---- zstd -----------------------------------------------------------------
 */

static enum weir_status zstd_unpack(struct weir_bytes in, struct wr_buf *out)
{
    ZSTD_DCtx *ctx = ZSTD_createDCtx();
    if (!ctx) {
        return WEIR_E_NOMEM;
    }
    enum weir_status status = WEIR_OK;
    ZSTD_inBuffer from = {in.data, in.len, 0};
    size_t want = 1; /* 0: a frame is complete */
    while (from.pos < from.size || want != 0) {
        size_t room;
        uint8_t *at = step_begin(out, &room);
        if (!at) {
            status = out->status;
            break;
        }
        ZSTD_outBuffer to = {at, room, 0};
        size_t before = from.pos;
        want = ZSTD_decompressStream(ctx, &to, &from);
        out->len -= room - to.pos;
        if (ZSTD_isError(want) ||
            (want != 0 && to.pos == 0 && from.pos == before)) {
            status = WEIR_E_CORRUPT;
            break;
        }
    }
    (void)ZSTD_freeDCtx(ctx);
    return status;
}

static enum weir_status zstd_pack(struct weir_bytes in, struct wr_buf *out)
{
    size_t bound = ZSTD_compressBound(in.len);
    uint8_t *at = wr_buf_extend(out, bound);
    if (!at) {
        return out->status;
    }
    size_t n = ZSTD_compress(at, bound, in.data, in.len, 3);
    if (ZSTD_isError(n)) {
        return WEIR_E_NOMEM;
    }
    out->len -= bound - n;
    return WEIR_OK;
}

/* ---- the door -------------------------------------------------------------
 */

static const struct {
    const char *name;
    enum weir_status (*unpack)(struct weir_bytes in, struct wr_buf *out);
    enum weir_status (*pack)(struct weir_bytes in, struct wr_buf *out);
} codecs[] = {
    [WR_CODEC_NONE] = {"plain", NULL, NULL},
    [WR_CODEC_GZIP] = {"gzip", gzip_unpack, gzip_pack},
    [WR_CODEC_SNAPPY] = {"snappy", snappy_unpack, snappy_pack},
    [WR_CODEC_LZ4] = {"lz4", lz4_unpack, lz4_pack},
    [WR_CODEC_ZSTD] = {"zstd", zstd_unpack, zstd_pack},
};
#define CODEC_COUNT (sizeof(codecs) / sizeof(codecs[0]))

enum weir_status wr_unpack(enum wr_codec codec, struct weir_bytes in,
                           struct wr_buf *out, struct weir_error *err)
{
    if ((size_t)codec >= CODEC_COUNT) {
        return weir_fail(err, WEIR_E_CORRUPT, "compression codec %d is unknown",
                         (int)codec);
    }
    if (!codecs[codec].unpack) {
        wr_buf_put_bytes(out, in);
        return out->status;
    }
    enum weir_status status = codecs[codec].unpack(in, out);
    return status == WEIR_OK ? WEIR_OK
                             : fail_unpack(err, status, codecs[codec].name);
}

enum weir_status wr_pack(enum wr_codec codec, struct weir_bytes in,
                         struct wr_buf *out)
{
    if ((size_t)codec >= CODEC_COUNT || !codecs[codec].pack) {
        wr_buf_put_bytes(out, in);
        return out->status;
    }
    return codecs[codec].pack(in, out);
}
