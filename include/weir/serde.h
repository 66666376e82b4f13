/* SPDX-License-Identifier: Apache-2.0
 *
 * weir/serde.h: what the bytes of keys and values mean.
 *
 * Records travel as bytes; a serde says how to check them, how to read them
 * from a text (a key in a URL, an argument of `weir produce`) and how to show
 * them as JSON (queries, `weir consume`). The built-in ones write the bytes of
 * Java's serializers: text is UTF-8, int64 and double are 8 bytes big-endian.
 */
#ifndef WEIR_SERDE_H
#define WEIR_SERDE_H

#include "weir/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A growing text or byte string that weir owns; serdes write into it. */
struct weir_writer;
/** Appends len bytes (copied). A failure sticks to the writer, whose owner
 * looks for it: too large, or no memory. */
WEIR_API void weir_write(struct weir_writer *writer, const void *data,
                         size_t len);

/** How bytes are read and shown. Null never reaches these functions: it is null
 *  in every serde. All are pure and may be called by any thread. */
struct weir_serde {
    size_t size;      /* sizeof(struct weir_serde) */
    const char *name; /* "text", "int64": named in errors and /v1/stores */
    /** Whether bytes are well formed. Errors: WEIR_E_DECODE, saying what was
     *  expected and what was there. */
    enum weir_status (*check)(struct weir_bytes bytes, struct weir_error *err);
    /** The bytes for a text. Errors: WEIR_E_DECODE. */
    enum weir_status (*from_text)(struct weir_bytes text,
                                  struct weir_writer *out,
                                  struct weir_error *err);
    /** The bytes as one JSON value. Errors: WEIR_E_DECODE. */
    enum weir_status (*to_json)(struct weir_bytes bytes,
                                struct weir_writer *out,
                                struct weir_error *err);
};

/* The built-in ones; their bytes are those of Java's serializers. */
WEIR_API extern const struct weir_serde
    weir_serde_bytes;                                    /* JSON: base64 text */
WEIR_API extern const struct weir_serde weir_serde_text; /* UTF-8 */
WEIR_API extern const struct weir_serde weir_serde_int64;  /* Java Long */
WEIR_API extern const struct weir_serde weir_serde_double; /* Java Double */
WEIR_API extern const struct weir_serde weir_serde_json;   /* one JSON value */

/** 8 bytes big-endian. `out` is the caller's; the view points into it. */
static inline struct weir_bytes weir_int64_bytes(int64_t v, uint8_t out[8])
{
    uint64_t u = (uint64_t)v;
    for (int i = 7; i >= 0; i--) {
        out[i] = (uint8_t)u;
        u >>= 8;
    }
    return weir_bytes(out, 8);
}

/** The number in 8 bytes big-endian. Errors: WEIR_E_DECODE when not 8 bytes. */
static inline enum weir_status weir_int64_read(struct weir_bytes b,
                                               int64_t *out)
{
    uint64_t u = 0;
    if (!b.data || b.len != 8) {
        return WEIR_E_DECODE;
    }
    for (int i = 0; i < 8; i++) {
        u = u << 8 | b.data[i];
    }
    *out = (int64_t)u;
    return WEIR_OK;
}

/** As weir_int64_bytes, of an IEEE 754 double. */
static inline struct weir_bytes weir_double_bytes(double v, uint8_t out[8])
{
    int64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    return weir_int64_bytes(bits, out);
}

/** The double in 8 bytes big-endian. Errors: WEIR_E_DECODE when not 8 bytes. */
static inline enum weir_status weir_double_read(struct weir_bytes b,
                                                double *out)
{
    int64_t bits = 0;
    enum weir_status s = weir_int64_read(b, &bits);
    if (s == WEIR_OK) {
        memcpy(out, &bits, sizeof(*out));
    }
    return s;
}

#ifdef __cplusplus
}
#endif
#endif
