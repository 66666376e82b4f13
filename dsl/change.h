/* SPDX-License-Identifier: Apache-2.0
 *
 * A change of a table's row as it travels through a repartition topic: the
 * bytes of Kafka Streams.
 *
 *   flag  before the flag, which is the last byte
 *   0     old value
 *   1     new value
 *   2     zig-zag varint length of new, new, old
 *   3..5  as 0..2, then a byte that tells whether the update is the latest */
#ifndef WEIR_DSL_CHANGE_H
#define WEIR_DSL_CHANGE_H

#include "base/bytes.h"

struct wr_change {
    struct weir_bytes new_value; /* null: the row left */
    struct weir_bytes old_value; /* null: the row is new */
};

/** Bytes that the change takes; one of its values must not be null. */
size_t wr_change_size(const struct wr_change *change);
/** Writes exactly wr_change_size bytes, flag 0, 1 or 2. */
void wr_change_write(const struct wr_change *change, uint8_t *out);
/** Reads any of the six forms; the views point into bytes.
 *  Errors: WEIR_E_DECODE. */
WEIR_MUST_CHECK enum weir_status wr_change_read(struct weir_bytes bytes,
                                                struct wr_change *out);

#endif
