/* SPDX-License-Identifier: Apache-2.0
 *
 * jansson's door in this room. */
#include "runtime/json.h"

#include <jansson.h>
#include <stdlib.h>

enum weir_status wr_json_check(struct weir_bytes bytes, struct weir_error *err)
{
    if (wr_json_scan(bytes)) {
        return WEIR_OK;
    }
    json_error_t where;
    json_t *value = json_loadb((const char *)bytes.data, bytes.len,
                               JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);
    if (!value) {
        return weir_fail(err, WEIR_E_DECODE,
                         "not one JSON value: line %d, column %d: %s",
                         where.line, where.column, where.text);
    }
    json_decref(value);
    return WEIR_OK;
}

static enum weir_status put_value(const json_t *value, struct wr_buf *out)
{
    if (!value) {
        return WEIR_E_NOTFOUND;
    }
    if (json_is_string(value)) {
        wr_buf_put(out, json_string_value(value), json_string_length(value));
        return out->status;
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    if (!text) {
        return WEIR_E_NOMEM;
    }
    wr_buf_put_text(out, text);
    free(text);
    return out->status;
}

enum weir_status wr_json_member(struct weir_bytes object, const char *name,
                                struct wr_buf *out)
{
    json_t *root =
        json_loadb((const char *)object.data, object.len, JSON_ALLOW_NUL, NULL);
    enum weir_status s =
        root ? put_value(json_object_get(root, name), out) : WEIR_E_DECODE;
    json_decref(root);
    return s;
}

enum weir_status wr_json_item_member(struct weir_bytes object,
                                     const char *array, size_t index,
                                     const char *name, struct wr_buf *out)
{
    json_t *root =
        json_loadb((const char *)object.data, object.len, JSON_ALLOW_NUL, NULL);
    enum weir_status s = WEIR_E_DECODE;
    if (root) {
        const json_t *items = json_object_get(root, array);
        s = put_value(json_object_get(json_array_get(items, index), name), out);
    }
    json_decref(root);
    return s;
}
