/* SPDX-License-Identifier: Apache-2.0
 *
 * Record batches, Kafka's format 2: read, checked, walked and made. A batch is
 * the unit of append, of compression and of the checksum; the log stores it as
 * it was sent, except for 12 bytes outside the checksum (base offset, leader
 * epoch). The older message formats 0 and 1 are refused.
 *
 * Nothing here does I/O or keeps state. Thread: any. */
#ifndef WEIR_BROKER_BATCH_H
#define WEIR_BROKER_BATCH_H

#include "base/bytes.h"
#include "broker/errors.h"

#define WR_BATCH_HEADER_BYTES 61 /* everything before the records */
#define WR_BATCH_PREFIX_BYTES 12 /* base offset and length: tell the size */
#define WR_BATCH_MAGIC_AT     16 /* the format, here in all formats */
#define WR_BATCH_CRC_FROM     21 /* the checksum covers from here to the end */
#define WR_BATCH_MARKER_BYTES 78 /* a batch of one transaction marker */

/** What compresses the records: bits 0 to 2 of the attributes. */
enum wr_codec {
    WR_CODEC_NONE = 0,
    WR_CODEC_GZIP = 1,
    WR_CODEC_SNAPPY = 2,
    WR_CODEC_LZ4 = 3,
    WR_CODEC_ZSTD = 4
};

#define WR_BATCH_CODEC_MASK      0x07
#define WR_BATCH_LOG_APPEND_TIME 0x08 /* max_timestamp is the broker's time */
#define WR_BATCH_TRANSACTIONAL   0x10
#define WR_BATCH_CONTROL         0x20 /* holds a marker, not data */
#define WR_BATCH_DELETE_HORIZON  0x40 /* base_timestamp is a delete horizon */

/** The header of a batch, in our byte order. */
struct wr_batch {
    int64_t base_offset;  /* offset of the first record */
    size_t size;          /* of the whole batch in bytes, header included */
    int32_t leader_epoch; /* of the log when it was appended */
    int8_t magic;         /* always 2 after a parse that succeeded */
    uint32_t crc;         /* as stored; not yet compared */
    int16_t attributes;   /* WR_BATCH_* bits */
    int32_t last_offset_delta; /* last offset - base_offset, >= 0 */
    int64_t base_timestamp;    /* of the first record, ms */
    int64_t max_timestamp;     /* of all records, ms */
    int64_t producer_id;       /* -1: not idempotent */
    int16_t producer_epoch;    /* -1: not idempotent */
    int32_t base_sequence;     /* of the first record; -1: not idempotent */
    int32_t record_count;      /* 0 is legal in a compacted log */
};

static inline enum wr_codec wr_batch_codec(const struct wr_batch *batch)
{
    return (enum wr_codec)(batch->attributes & WR_BATCH_CODEC_MASK);
}
static inline bool wr_batch_is_control(const struct wr_batch *batch)
{
    return (batch->attributes & WR_BATCH_CONTROL) != 0;
}
static inline bool wr_batch_is_transactional(const struct wr_batch *batch)
{
    return (batch->attributes & WR_BATCH_TRANSACTIONAL) != 0;
}
static inline int64_t wr_batch_last_offset(const struct wr_batch *batch)
{
    return batch->base_offset + batch->last_offset_delta;
}
/** Sequence of the last record; wraps from 2147483647 to 0. */
static inline int32_t wr_batch_last_sequence(const struct wr_batch *batch)
{
    return (int32_t)(((uint32_t)batch->base_sequence +
                      (uint32_t)batch->last_offset_delta) &
                     0x7fffffff);
}

/* ---- reading ------------------------------------------------------------ */

/** Size in bytes of the batch that begins at p, of which WR_BATCH_PREFIX_BYTES
 *  are readable. 0: its length field cannot be right. */
size_t wr_batch_size(const uint8_t *p);

/** Parses the header of the first batch in `bytes`, which may go on after it.
 *  The records and the checksum are not looked at.
 *  Errors: WEIR_E_TRUNCATED (bytes end before the batch does), WEIR_E_CORRUPT,
 *  WEIR_E_INCOMPATIBLE (message format 0 or 1). */
WEIR_MUST_CHECK enum weir_status wr_batch_parse(struct weir_bytes bytes,
                                                struct wr_batch *out,
                                                struct weir_error *err);

/** As wr_batch_parse, but only the header must be there: WR_BATCH_HEADER_BYTES
 *  at p. */
WEIR_MUST_CHECK enum weir_status wr_batch_parse_header(const uint8_t *p,
                                                       struct wr_batch *out,
                                                       struct weir_error *err);

/** Whether the stored checksum is that of the bytes. `bytes` begins with a
 * whole batch, `batch` is its header. */
bool wr_batch_crc_ok(struct weir_bytes bytes, const struct wr_batch *batch);

/** One record; views are lent until the next step of the iterator's scratch. */
struct wr_record {
    int64_t offset;            /* absolute */
    int64_t timestamp;         /* ms; the batch's for log-append time */
    struct weir_bytes key;     /* may be null */
    struct weir_bytes value;   /* may be null */
    int32_t header_count;      /* headers in `headers` */
    struct weir_bytes headers; /* as stored; see wr_record_header_next */
};

/** A walk over the records of one batch. */
struct wr_batch_iter {
    struct wr_batch batch;   /* header */
    const uint8_t *at;       /* the next record, plain */
    const uint8_t *end;      /* after the last record */
    int32_t left;            /* records not yet read */
    int32_t last_delta;      /* offset delta of the last record read, or -1 */
    enum weir_status status; /* of the walk; WEIR_OK at a proper end */
};

/** Begins a walk. Compressed records are unpacked into `scratch` (whose max is
 *  the bomb limit), which must stay untouched during the walk. `bytes` begins
 *  with a whole batch and is lent for the walk.
 *  Errors: as wr_batch_parse; WEIR_E_CORRUPT, WEIR_E_TOOBIG when unpacking. */
WEIR_MUST_CHECK enum weir_status wr_batch_iter_init(struct wr_batch_iter *iter,
                                                    struct weir_bytes bytes,
                                                    struct wr_buf *scratch,
                                                    struct weir_error *err);
/** The next record; false at the end or after an error (see iter->status).
 *  Offsets that do not rise, and bytes left over after the last record, are
 *  WEIR_E_CORRUPT. */
bool wr_batch_iter_next(struct wr_batch_iter *iter, struct wr_record *out);
/** The next header of a record: cut from the front of *headers. False at the
 * end or when malformed. */
bool wr_record_header_next(struct weir_bytes *headers, struct weir_bytes *key,
                           struct weir_bytes *value);

/* ---- checking what a client sends --------------------------------------- */

/** Which records of a batch are refused, for the client that wants to know. */
#define WR_BATCH_FAULTS_MAX 1000
struct wr_batch_faults {
    int32_t count;                   /* of `at` */
    int32_t at[WR_BATCH_FAULTS_MAX]; /* the first of them, by their place */
};

struct wr_batch_rules {
    int32_t batch_bytes_max;     /* max.message.bytes */
    bool keys_required;          /* the topic is compacted */
    bool zstd_allowed;           /* the request's version knows zstd */
    bool log_append_time;        /* timestamps of the client do not matter */
    int64_t now_ms;              /* for the two limits below */
    int64_t timestamp_before_ms; /* a record may be this much older than now */
    int64_t timestamp_after_ms;  /* ... or newer */
    struct wr_batch_faults *faults; /* filled on an error; may be NULL */
};

/** Checks that `bytes` is exactly one batch that a client may append: size,
 *  format, checksum, attributes, producer fields, and each record, after
 *  unpacking into `scratch`. The header comes back in *out, with the largest
 *  timestamp that the records really have: where it differs from the bytes, the
 *  caller corrects them.
 *  Errors: Kafka's codes, with a sentence in err. */
enum wr_kafka_error wr_batch_validate(struct weir_bytes bytes,
                                      const struct wr_batch_rules *rules,
                                      struct wr_buf *scratch,
                                      struct wr_batch *out,
                                      struct weir_error *err);

/* ---- changing in place -------------------------------------------------- */

/** Gives a batch its place in the log. Outside the checksum, which stays. */
void wr_batch_place(uint8_t *batch, int64_t base_offset, int32_t leader_epoch);
/** Makes all records carry `now_ms` as broker's time; computes the checksum. */
void wr_batch_set_append_time(uint8_t *batch, size_t size, int64_t now_ms);

/** Corrects the largest timestamp; computes the checksum. */
void wr_batch_set_max_timestamp(uint8_t *batch, size_t size,
                                int64_t max_timestamp_ms);

/* ---- making ------------------------------------------------------------- */

/** What a new batch says about itself. Zero-initialised plus the three -1 of
 *  WR_BATCH_PLAIN is a plain one. */
struct wr_batch_options {
    int64_t producer_id;    /* -1: none */
    int16_t producer_epoch; /* -1: none */
    int32_t base_sequence;  /* -1: none */
    int16_t attributes;     /* WR_BATCH_TRANSACTIONAL, WR_BATCH_CONTROL */
};
#define WR_BATCH_PLAIN ((struct wr_batch_options){-1, -1, -1, 0})

/** A batch being written at the end of a buffer; uncompressed. */
struct wr_batch_builder {
    struct wr_buf *out;     /* lent until wr_batch_end */
    size_t start;           /* where the batch begins in out */
    int64_t base_timestamp; /* of the first record */
    int64_t max_timestamp;  /* so far */
    int32_t record_count;   /* so far */
};

void wr_batch_begin(struct wr_batch_builder *builder, struct wr_buf *out,
                    const struct wr_batch_options *options);
/** Adds a record without headers. Null key and null value are kept as null. */
void wr_batch_add(struct wr_batch_builder *builder, int64_t timestamp_ms,
                  struct weir_bytes key, struct weir_bytes value);
/** Finishes lengths, counts and checksum; base offset 0 until the log places
 * it. Errors: WEIR_E_INVALID without records; the buffer's. */
WEIR_MUST_CHECK enum weir_status wr_batch_end(struct wr_batch_builder *builder);

/** The end of a transaction, as a control batch says it. */
struct wr_marker {
    int64_t producer_id;
    int16_t producer_epoch;
    bool commit;               /* false: abort */
    int32_t coordinator_epoch; /* of the transaction's coordinator */
    int64_t timestamp_ms;
};
/** Appends a marker batch of WR_BATCH_MARKER_BYTES to out; see out->status. */
void wr_batch_put_marker(struct wr_buf *out, const struct wr_marker *marker);
/** Reads a control batch. Errors: WEIR_E_CORRUPT; WEIR_E_NOTFOUND for a control
 *  record that is no transaction marker. */
WEIR_MUST_CHECK enum weir_status wr_batch_get_marker(struct weir_bytes bytes,
                                                     struct wr_marker *out);

#endif
