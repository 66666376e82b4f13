/* SPDX-License-Identifier: Apache-2.0
 *
 * The one encoder and decoder of Kafka's protocol messages. It walks tables
 * that tools/gen_messages.py makes from broker/messages/ (all versions,
 * flexible ones, nulls, tagged fields, defaults); `broker/messages.h` has the
 * structs and a typed init, decode and encode for each message.
 *
 * Shape of the structs: arrays are a pointer and `<name>_count` (-1 is null);
 * strings, bytes and records are views (null has data NULL); a single struct
 * that may be null is a pointer, any other stands inside its parent. Thread:
 * any; the tables are constant. */
#ifndef WEIR_BROKER_CODEC_H
#define WEIR_BROKER_CODEC_H

#include "base/arena.h"
#include "base/bytes.h"

struct wr_uuid {
    uint8_t b[16]; /* most significant byte first; all zero: none */
};

static inline bool wr_uuid_is_zero(struct wr_uuid id)
{
    static const struct wr_uuid zero;
    return memcmp(&id, &zero, sizeof(id)) == 0;
}
static inline bool wr_uuid_equal(struct wr_uuid a, struct wr_uuid b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

enum wr_field_type {
    WR_F_BOOL,
    WR_F_INT8,
    WR_F_INT16,
    WR_F_UINT16,
    WR_F_INT32,
    WR_F_INT64,
    WR_F_UUID,
    WR_F_STRING,  /* struct weir_bytes, int16 length before flexible versions */
    WR_F_BYTES,   /* struct weir_bytes, int32 length before flexible versions */
    WR_F_RECORDS, /* as bytes; large ones may be spliced, see below */
    WR_F_STRUCT   /* fields of `layout` */
};

#define WR_FIELD_ARRAY   1 /* pointer and count */
#define WR_FIELD_NULL    2 /* the default is null */
#define WR_FIELD_POINTER 4 /* a struct that may be null: pointer */
#define WR_FIELD_STRICT  8 /* has a value, version lacks it: encode fails */

struct wr_message_layout;

/** A row of a message table. */
struct wr_field {
    const char *name;              /* as in the struct */
    uint8_t type;                  /* enum wr_field_type, of an element */
    uint8_t flags;                 /* WR_FIELD_* */
    int8_t since, until;           /* versions that have it */
    int8_t null_since, null_until; /* versions in which null is allowed */
    int8_t tag;                    /* -1: not tagged */
    uint16_t at;                   /* offset in the struct */
    uint16_t count_at;             /* offset of the count, arrays only */
    const struct wr_message_layout *layout; /* WR_F_STRUCT only */
    int64_t standard;                       /* default of a number */
};

struct wr_message_layout {
    const struct wr_field *fields; /* in wire order */
    uint16_t field_count;
    uint16_t size;     /* sizeof the struct */
    uint16_t wire_min; /* fewest bytes it takes on the wire, >= 1 */
};

struct wr_message {
    const char *name; /* "fetch_request" */
    const struct wr_message_layout *layout;
    int16_t version_min, version_max;
    int16_t flexible_since; /* 127: never */
    bool is_request;        /* then WR_FIELD_STRICT is enforced */
};

/** The two messages of an API. */
struct wr_api_messages {
    int16_t key;
    const char *name; /* "fetch" */
    const struct wr_message *request;
    const struct wr_message *response;
};

#define WR_SPLICE_MIN 4096 /* smaller records are copied */
#define WR_SPLICE_MAX 64   /* splices of one message; more are copied */

/** Records that the encoder left out of the buffer: whoever sends it sends
 *  `bytes` after the first `at` bytes of the buffer. Saves a copy of what a
 * Fetch answers with. */
struct wr_splice {
    size_t at;               /* offset in the encoded buffer */
    struct weir_bytes bytes; /* lent by the message */
};
struct wr_splices {
    size_t count; /* <= WR_SPLICE_MAX, rising `at` */
    size_t bytes; /* sum of lengths */
    struct wr_splice items[WR_SPLICE_MAX];
};

static inline bool wr_message_is_flexible(const struct wr_message *message,
                                          int16_t version)
{
    return version >= message->flexible_since;
}

/** Sets every field to its default. */
void wr_message_init(const struct wr_message *message, void *out);
/** Reads a message from the reader's position on. Views point into the reader's
 *  bytes, arrays into the arena. A count is checked against the bytes left
 * before memory is taken. Errors: WEIR_E_TRUNCATED, WEIR_E_CORRUPT (null or
 * length not allowed), WEIR_E_NOMEM (arena's limit), WEIR_E_INVALID (version).
 */
WEIR_MUST_CHECK enum weir_status
wr_message_decode(const struct wr_message *message, void *out,
                  struct wr_reader *reader, int16_t version,
                  struct wr_arena *arena);
/** Appends a message. A null where the version allows none is written as empty.
 *  splices may be NULL. Errors stick to out: WEIR_E_TOOBIG, WEIR_E_INVALID
 *  (unknown version; a request's strict field with a value). */
void wr_message_encode(const struct wr_message *message, const void *in,
                       struct wr_buf *out, int16_t version,
                       struct wr_splices *splices);

/** The messages of an API, or NULL when weir has no table for the key. */
const struct wr_api_messages *wr_api_messages_find(int16_t key);

#endif
