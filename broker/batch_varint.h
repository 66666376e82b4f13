/* SPDX-License-Identifier: Apache-2.0
 *
 * Varints of records, inline: every record has at least six, most of one byte,
 * and the broker reads every record that a client sends. */
#ifndef WEIR_BROKER_BATCH_VARINT_H
#define WEIR_BROKER_BATCH_VARINT_H

#include "base/bytes.h"

/** Reads a zig-zag varint at *at, which moves on. False when it goes past `end`
 *  or is longer than ten bytes. */
static inline bool wr_varint_read(const uint8_t **at, const uint8_t *end,
                                  int64_t *out)
{
    const uint8_t *p = *at;
    if (p < end && *p < 0x80) {
        *out = wr_unzigzag(*p);
        *at = p + 1;
        return true;
    }
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70 && p < end; shift += 7) {
        uint8_t byte = *p++;
        v |= (uint64_t)(byte & 0x7f) << (shift & 63);
        if (byte < 0x80) {
            *out = wr_unzigzag(v);
            *at = p;
            return shift < 63 || byte <= 1;
        }
    }
    return false;
}

#endif
