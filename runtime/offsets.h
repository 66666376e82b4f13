/* SPDX-License-Identifier: Apache-2.0
 *
 * The text that Kafka Streams commits beside an offset: the partition's time,
 * so that stream time survives a move. Byte for byte the same: base64 of a
 * version byte and a big-endian time, and perhaps more that other versions
 * wrote. Pure; thread: any. */
#ifndef WEIR_RUNTIME_OFFSETS_H
#define WEIR_RUNTIME_OFFSETS_H

#include "weir/types.h"

#define WR_OFFSET_METADATA_MAX 16 /* bytes of a written text, NUL included */

/** Writes the text for a partition time; time_ms -1 is "unknown". */
void wr_offset_metadata(int64_t time_ms, char out[WR_OFFSET_METADATA_MAX]);
/** The partition time in a text of any origin; -1 when there is none. NULL is
 *  fine. */
int64_t wr_offset_metadata_time_ms(const char *text);

#endif
