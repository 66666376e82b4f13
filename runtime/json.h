/* SPDX-License-Identifier: Apache-2.0
 *
 * The door to jansson, for what is not on a record's way at full speed. */
#ifndef WEIR_RUNTIME_JSON_H
#define WEIR_RUNTIME_JSON_H

#include "weir/types.h"

/** Whether bytes are exactly one JSON value (RFC 8259), nested at most 2048
 * deep. Errors: WEIR_E_DECODE with line and column. */
WEIR_MUST_CHECK enum weir_status wr_json_check(struct weir_bytes bytes,
                                               struct weir_error *err);

#endif
