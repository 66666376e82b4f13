/* SPDX-License-Identifier: Apache-2.0
 *
 * Serdes from the inside: what weir/serde.h's writer is made of. */
#ifndef WEIR_RUNTIME_SERDE_H
#define WEIR_RUNTIME_SERDE_H

#include "base/bytes.h"
#include "weir/serde.h"

/** A writer is a buffer; see base/bytes.h for its limit and status. */
struct weir_writer {
    struct wr_buf buf;
};

/** The built-in serde of that name ("bytes", "text", "int64", "double",
 * "json"), or NULL. */
const struct weir_serde *wr_serde_by_name(const char *name);
/** Appends text as a JSON string, quotes included. Invalid UTF-8 becomes
 *  U+FFFD, control characters are escaped. */
void wr_json_text(struct wr_buf *out, struct weir_bytes text);
/** Whether bytes are well-formed UTF-8 (RFC 3629); *out_at is the first bad
 *  byte. */
bool wr_utf8_valid(struct weir_bytes bytes, size_t *out_at);

#endif
