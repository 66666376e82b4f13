/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of the base layer.
 *
 *   key               value
 *   00                the mark: what the family's data corresponds to
 *   a user's key      value, or int64 timestamp + value in a timestamped store
 *
 * A user's key may be any bytes, so those that consist of zero bytes only (the
 * empty key too) get two more zero bytes: the mark's key is free, and the order
 * of keys stays as it was.
 *
 *   mark: offset 0  uint8  1, the format
 *                1  uint8  flags: 1 timestamped, 2 the count is exact
 *                2  int64  changelog offset of the last record covered; -1:
 * none 10  int64  keys in the store */
#ifndef WEIR_STORES_BASE_KEY_H
#define WEIR_STORES_BASE_KEY_H

#include "base/bytes.h"

#define WR_MARK_LEN 18u

struct wr_mark {
    bool timestamped;
    bool exact;
    int64_t offset;
    int64_t count;
};

void wr_mark_write(const struct wr_mark *mark, uint8_t out[WR_MARK_LEN]);
/** Errors: WEIR_E_CORRUPT. */
WEIR_MUST_CHECK enum weir_status wr_mark_read(struct weir_bytes bytes,
                                              struct wr_mark *out);
/** The mark's key; static. */
struct weir_bytes wr_mark_key(void);

/** The row's key for a user's key: key itself, or bytes in `scratch`, lent
 * until that is written again. Null when out of memory. */
struct weir_bytes wr_base_key(struct weir_bytes key, struct wr_buf *scratch);
/** The user's key of a row other than the mark; a part of `key`. */
struct weir_bytes wr_user_key(struct weir_bytes key);

#endif
