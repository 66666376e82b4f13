/* SPDX-License-Identifier: Apache-2.0
 *
 * jansson's door in this room. */
#include "runtime/json.h"

#include <jansson.h>

enum weir_status wr_json_check(struct weir_bytes bytes, struct weir_error *err)
{
    json_error_t where;
    json_t *value =
        json_loadb((const char *)bytes.data, bytes.len,
                   JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &where);
    if (!value) {
        return weir_fail(err, WEIR_E_DECODE,
                         "not one JSON value: line %d, column %d: %s",
                         where.line, where.column, where.text);
    }
    json_decref(value);
    return WEIR_OK;
}
