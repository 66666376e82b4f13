/* SPDX-License-Identifier: Apache-2.0
 *
 * The four codecs that a record batch may be compressed with, in the framings
 * that Kafka clients use. Thread: any. */
#ifndef WEIR_BROKER_CODEC_COMPRESS_H
#define WEIR_BROKER_CODEC_COMPRESS_H

#include "broker/batch.h"

/** Appends the plain form of `in` to out, whose max is the limit against bombs.
 *  gzip: one or more members; snappy: xerial's framing or a bare block; lz4:
 * the frame format; zstd: one or more frames. Errors: WEIR_E_CORRUPT,
 * WEIR_E_TOOBIG (the limit), WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status wr_unpack(enum wr_codec codec,
                                           struct weir_bytes in,
                                           struct wr_buf *out,
                                           struct weir_error *err);

/** Appends the compressed form of `in` to out; snappy in xerial's framing.
 *  Errors: WEIR_E_TOOBIG, WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_pack(enum wr_codec codec, struct weir_bytes in, struct wr_buf *out);

#endif
