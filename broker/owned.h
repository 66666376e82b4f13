/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes that a long-lived object keeps: a view whose memory is the object's
 * own. A null stays null. Thread: the owner's. */
#ifndef WEIR_BROKER_OWNED_H
#define WEIR_BROKER_OWNED_H

#include "weir/types.h"

#include <stdlib.h>

/** Frees what wr_owned_set put there; the view is null afterwards. */
static inline void wr_owned_free(struct weir_bytes *owned)
{
    free((void *)(uintptr_t)owned->data);
    *owned = WEIR_NULL;
}

/** Replaces *owned by a copy of b. b may not lie inside *owned.
 *  Errors: WEIR_E_NOMEM, *owned is as before. */
WEIR_MUST_CHECK static inline enum weir_status
wr_owned_set(struct weir_bytes *owned, struct weir_bytes b)
{
    uint8_t *copy = NULL;
    if (b.data) {
        copy = malloc(b.len > 0 ? b.len : 1);
        if (!copy) {
            return WEIR_E_NOMEM;
        }
        if (b.len > 0) {
            memcpy(copy, b.data, b.len);
        }
    }
    wr_owned_free(owned);
    *owned = weir_bytes(copy, b.len);
    return WEIR_OK;
}

#endif
