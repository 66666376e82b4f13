/* SPDX-License-Identifier: Apache-2.0
 *
 * The built-in serdes. Each is three pure functions: is it well formed, what
 * are the bytes for this text, how does it look as JSON.
 *
 *   bytes   anything                     JSON: base64 text; from text: as it is
 *   text    UTF-8                        JSON: string
 *   int64   8 bytes, big-endian          JSON: number
 *   double  8 bytes, IEEE 754 big-endian JSON: number, "NaN"/"Infinity" as text
 *   json    one JSON value               JSON: as it is
 */
#include "runtime/serde.h"

#include "runtime/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void weir_write(struct weir_writer *writer, const void *data, size_t len)
{
    wr_buf_put(&writer->buf, data, len);
}

/* ---- UTF-8 -------------------------------------------------------------- */

/* Length of the well-formed sequence at p, 0 when malformed. */
static size_t utf8_length(const uint8_t *p, size_t left)
{
    uint8_t c = p[0];
    size_t n = c < 0x80   ? 1
               : c < 0xc2 ? 0
               : c < 0xe0 ? 2
               : c < 0xf0 ? 3
               : c < 0xf5 ? 4
                          : 0;
    if (n == 0 || n > left) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) ||
        (c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f)) {
        return 0; /* overlong, surrogate, above U+10FFFF */
    }
    return n;
}

bool wr_utf8_valid(struct weir_bytes bytes, size_t *out_at)
{
    size_t at = 0;
    while (at < bytes.len) {
        /* Most text is ASCII: eight bytes at a time while it is. */
        uint64_t eight;
        while (bytes.len - at >= sizeof(eight)) {
            memcpy(&eight, bytes.data + at, sizeof(eight));
            if (eight & UINT64_C(0x8080808080808080)) {
                break;
            }
            at += sizeof(eight);
        }
        if (at == bytes.len) {
            return true;
        }
        size_t n = utf8_length(bytes.data + at, bytes.len - at);
        if (n == 0) {
            *out_at = at;
            return false;
        }
        at += n;
    }
    return true;
}

static void json_char(struct wr_buf *out, uint8_t c)
{
    switch (c) {
    case '"':
        wr_buf_put_text(out, "\\\"");
        break;
    case '\\':
        wr_buf_put_text(out, "\\\\");
        break;
    case '\n':
        wr_buf_put_text(out, "\\n");
        break;
    case '\r':
        wr_buf_put_text(out, "\\r");
        break;
    case '\t':
        wr_buf_put_text(out, "\\t");
        break;
    default:
        if (c < 0x20 || c == 0x7f) {
            wr_buf_printf(out, "\\u%04x", (unsigned)c);
        } else {
            wr_buf_put(out, &c, 1);
        }
        break;
    }
}

void wr_json_text(struct wr_buf *out, struct weir_bytes text)
{
    wr_buf_put_text(out, "\"");
    size_t at = 0;
    while (at < text.len) {
        size_t n = utf8_length(text.data + at, text.len - at);
        if (n == 0) {
            wr_buf_put_text(out, "\\ufffd");
            n = 1;
        } else if (n == 1) {
            json_char(out, text.data[at]);
        } else {
            wr_buf_put(out, text.data + at, n);
        }
        at += n;
    }
    wr_buf_put_text(out, "\"");
}

/* ---- shared pieces ------------------------------------------------------ */

static enum weir_status check_any(struct weir_bytes bytes,
                                  struct weir_error *err)
{
    (void)bytes;
    (void)err;
    return WEIR_OK;
}

static enum weir_status copy_checked(const struct weir_serde *serde,
                                     struct weir_bytes text,
                                     struct weir_writer *out,
                                     struct weir_error *err)
{
    enum weir_status s = serde->check(text, err);
    if (s == WEIR_OK) {
        weir_write(out, text.data, text.len);
        s = out->buf.status;
    }
    return s;
}

/* The text as a C string of at most 63 bytes, for strtoll and strtod. */
static bool short_text(struct weir_bytes text, char out[64])
{
    if (text.len == 0 || text.len > 63 || memchr(text.data, 0, text.len)) {
        return false;
    }
    memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    return true;
}

static enum weir_status check_eight(const char *name, struct weir_bytes bytes,
                                    struct weir_error *err)
{
    if (bytes.len == 8) {
        return WEIR_OK;
    }
    return weir_fail(err, WEIR_E_DECODE, "%s wants 8 bytes, there are %zu",
                     name, bytes.len);
}

/* ---- bytes -------------------------------------------------------------- */

static enum weir_status bytes_from_text(struct weir_bytes text,
                                        struct weir_writer *out,
                                        struct weir_error *err)
{
    return copy_checked(&weir_serde_bytes, text, out, err);
}

static enum weir_status bytes_to_json(struct weir_bytes bytes,
                                      struct weir_writer *out,
                                      struct weir_error *err)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    (void)err;
    weir_write(out, "\"", 1);
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t v = (uint32_t)bytes.data[i] << 16;
        v |= n > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        v |= n > 2 ? bytes.data[i + 2] : 0u;
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63],
                        n > 1 ? digits[v >> 6 & 63] : '=',
                        n > 2 ? digits[v & 63] : '='};
        weir_write(out, four, 4);
    }
    weir_write(out, "\"", 1);
    return out->buf.status;
}

const struct weir_serde weir_serde_bytes = {sizeof(struct weir_serde), "bytes",
                                            check_any, bytes_from_text,
                                            bytes_to_json};

/* ---- text --------------------------------------------------------------- */

static enum weir_status text_check(struct weir_bytes bytes,
                                   struct weir_error *err)
{
    size_t at = 0;
    if (wr_utf8_valid(bytes, &at)) {
        return WEIR_OK;
    }
    return weir_fail(err, WEIR_E_DECODE,
                     "text is not UTF-8: byte 0x%02x at position %zu of %zu",
                     (unsigned)bytes.data[at], at, bytes.len);
}

static enum weir_status text_from_text(struct weir_bytes text,
                                       struct weir_writer *out,
                                       struct weir_error *err)
{
    return copy_checked(&weir_serde_text, text, out, err);
}

static enum weir_status text_to_json(struct weir_bytes bytes,
                                     struct weir_writer *out,
                                     struct weir_error *err)
{
    enum weir_status s = text_check(bytes, err);
    if (s == WEIR_OK) {
        wr_json_text(&out->buf, bytes);
        s = out->buf.status;
    }
    return s;
}

const struct weir_serde weir_serde_text = {sizeof(struct weir_serde), "text",
                                           text_check, text_from_text,
                                           text_to_json};

/* ---- int64 -------------------------------------------------------------- */

static enum weir_status int64_check(struct weir_bytes bytes,
                                    struct weir_error *err)
{
    return check_eight("int64", bytes, err);
}

static enum weir_status int64_from_text(struct weir_bytes text,
                                        struct weir_writer *out,
                                        struct weir_error *err)
{
    char small[64];
    char *end = NULL;
    errno = 0;
    long long v = 0;
    if (short_text(text, small)) {
        v = strtoll(small, &end, 10);
    }
    if (!end || end == small || *end || errno) {
        return weir_fail(err, WEIR_E_DECODE, "'%.*s' is not an int64",
                         (int)(text.len < 60 ? text.len : 60),
                         (const char *)text.data);
    }
    uint8_t bytes[8];
    (void)weir_int64_bytes(v, bytes);
    weir_write(out, bytes, sizeof(bytes));
    return out->buf.status;
}

static enum weir_status int64_to_json(struct weir_bytes bytes,
                                      struct weir_writer *out,
                                      struct weir_error *err)
{
    int64_t v = 0;
    enum weir_status s = int64_check(bytes, err);
    if (s == WEIR_OK && weir_int64_read(bytes, &v) == WEIR_OK) {
        wr_buf_printf(&out->buf, "%lld", (long long)v);
        s = out->buf.status;
    }
    return s;
}

const struct weir_serde weir_serde_int64 = {sizeof(struct weir_serde), "int64",
                                            int64_check, int64_from_text,
                                            int64_to_json};

/* ---- double ------------------------------------------------------------- */

static enum weir_status double_check(struct weir_bytes bytes,
                                     struct weir_error *err)
{
    return check_eight("double", bytes, err);
}

static enum weir_status double_from_text(struct weir_bytes text,
                                         struct weir_writer *out,
                                         struct weir_error *err)
{
    char small[64];
    char *end = NULL;
    double v = 0;
    if (short_text(text, small)) {
        v = strtod(small, &end);
    }
    if (!end || end == small || *end) {
        return weir_fail(err, WEIR_E_DECODE, "'%.*s' is not a number",
                         (int)(text.len < 60 ? text.len : 60),
                         (const char *)text.data);
    }
    uint8_t bytes[8];
    (void)weir_double_bytes(v, bytes);
    weir_write(out, bytes, sizeof(bytes));
    return out->buf.status;
}

static enum weir_status double_to_json(struct weir_bytes bytes,
                                       struct weir_writer *out,
                                       struct weir_error *err)
{
    double v = 0;
    enum weir_status s = double_check(bytes, err);
    if (s != WEIR_OK || weir_double_read(bytes, &v) != WEIR_OK) {
        return s;
    }
    if (isnan(v)) {
        wr_buf_put_text(&out->buf, "\"NaN\"");
    } else if (isinf(v)) {
        wr_buf_put_text(&out->buf, v < 0 ? "\"-Infinity\"" : "\"Infinity\"");
    } else {
        char shortest[40];
        for (int digits = 15; digits <= 17; digits++) {
            (void)snprintf(shortest, sizeof(shortest), "%.*g", digits, v);
            if (strtod(shortest, NULL) == v) {
                break;
            }
        }
        wr_buf_put_text(&out->buf, shortest);
    }
    return out->buf.status;
}

const struct weir_serde weir_serde_double = {sizeof(struct weir_serde),
                                             "double", double_check,
                                             double_from_text, double_to_json};

/* ---- json --------------------------------------------------------------- */

static enum weir_status json_check(struct weir_bytes bytes,
                                   struct weir_error *err)
{
    return wr_json_check(bytes, err);
}

static enum weir_status json_from_text(struct weir_bytes text,
                                       struct weir_writer *out,
                                       struct weir_error *err)
{
    return copy_checked(&weir_serde_json, text, out, err);
}

static enum weir_status json_to_json(struct weir_bytes bytes,
                                     struct weir_writer *out,
                                     struct weir_error *err)
{
    return copy_checked(&weir_serde_json, bytes, out, err);
}

const struct weir_serde weir_serde_json = {sizeof(struct weir_serde), "json",
                                           json_check, json_from_text,
                                           json_to_json};

/* ---- by name ------------------------------------------------------------ */

const struct weir_serde *wr_serde_by_name(const char *name)
{
    static const struct weir_serde *const all[] = {
        &weir_serde_bytes, &weir_serde_text, &weir_serde_int64,
        &weir_serde_double, &weir_serde_json};
    for (size_t i = 0; name && i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(all[i]->name, name) == 0) {
            return all[i];
        }
    }
    return NULL;
}
