/* SPDX-License-Identifier: Apache-2.0
 *
 * The door to jansson, for what is not on a record's way at full speed. */
#ifndef WEIR_RUNTIME_JSON_H
#define WEIR_RUNTIME_JSON_H

#include "base/bytes.h"

/** Whether bytes surely are one JSON value; a scan without a tree. False: they
 * are not, or only the full parser can tell. */
bool wr_json_scan(struct weir_bytes bytes);
/** Whether bytes are exactly one JSON value (RFC 8259), nested at most 2048
 * deep. Errors: WEIR_E_DECODE with line and column. */
WEIR_MUST_CHECK enum weir_status wr_json_check(struct weir_bytes bytes,
                                               struct weir_error *err);

/** Appends member `name` of a JSON object to out: a string without its quotes,
 *  anything else as JSON. Errors: WEIR_E_DECODE, WEIR_E_NOTFOUND. */
WEIR_MUST_CHECK enum weir_status
wr_json_member(struct weir_bytes object, const char *name, struct wr_buf *out);
/** As wr_json_member for item `index` of the array that is member `array`.
 *  Errors: WEIR_E_NOTFOUND past its end. */
WEIR_MUST_CHECK enum weir_status
wr_json_item_member(struct weir_bytes object, const char *array, size_t index,
                    const char *name, struct wr_buf *out);

#endif
