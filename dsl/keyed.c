/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows: how a processor reads and changes the row of a key, and how the change
 * travels on. Without caching it goes on at once; with caching the store tells
 * us at each flush what became of the key in the meantime.
 *
 * Views into a store die with the next call on it, so a row that must survive
 * the write (to be sent on as the former value, or because the new value is a
 * part of it) is copied to the record's memory first. Thread: the task's. */
#include "dsl/keyed.h"

#include <stdlib.h>

/* A row leaves the cache. Nothing before and nothing now is no news. */
static enum weir_status flushed(struct weir_context *ctx,
                                const struct weir_record *record, void *state)
{
    const struct wr_keyed *keyed = state;
    if (!record->value.data && !record->old_value.data) {
        return WEIR_OK;
    }
    struct weir_record out = *record;
    if (!keyed->node->sends_old) {
        out.old_value = WEIR_NULL;
    }
    return weir_forward(ctx, &out);
}

static enum weir_status open_keyed(struct weir_context *ctx, void *user,
                                   void **state)
{
    const struct wr_graph_node *node = user;
    struct wr_keyed *keyed = calloc(1, sizeof(*keyed));
    if (!keyed) {
        return weir_context_fail(ctx, WEIR_E_NOMEM, "no memory for '%s'",
                                 node->name);
    }
    *state = keyed;
    keyed->node = node;
    keyed->forwards = true;
    if (node->keeps_rows) {
        keyed->store = weir_context_store(ctx, node->store.name);
        if (!keyed->store) {
            return weir_context_fail(ctx, WEIR_E_INTERNAL,
                                     "store '%s' is not connected",
                                     node->store.name);
        }
        keyed->forwards =
            !weir_store_on_flush(ctx, keyed->store, flushed, keyed);
    }
    return WEIR_OK;
}

static void close_keyed(struct weir_context *ctx, void *state)
{
    (void)ctx;
    free(state);
}

void wr_op_keyed(struct wr_graph_node *node,
                 enum weir_status (*process)(struct weir_context *,
                                             const struct weir_record *,
                                             void *))
{
    node->code = (struct weir_processor){
        .size = sizeof(node->code),
        .open = open_keyed,
        .process = process,
        .close = close_keyed,
        .user = node,
    };
}

static enum weir_status copy(struct weir_context *ctx, struct weir_bytes *bytes)
{
    uint8_t *memory = weir_context_alloc(ctx, bytes->len);
    if (!memory) {
        return weir_context_fail(
            ctx, WEIR_E_NOMEM, "no memory for a row of %zu bytes", bytes->len);
    }
    if (bytes->len) {
        memcpy(memory, bytes->data, bytes->len);
    }
    bytes->data = memory;
    return WEIR_OK;
}

enum weir_status wr_keyed_get(struct wr_keyed *keyed, struct weir_context *ctx,
                              struct weir_bytes key, struct wr_row *out)
{
    enum weir_status status = weir_store_get_timestamped(
        keyed->store, key, &out->value, &out->timestamp_ms);
    if (status == WEIR_OK && out->value.data && keyed->forwards &&
        keyed->node->sends_old) {
        status = copy(ctx, &out->value);
    }
    return status;
}

enum weir_status wr_keyed_put(struct wr_keyed *keyed, struct weir_context *ctx,
                              const struct weir_record *record,
                              struct weir_bytes value, int64_t timestamp_ms,
                              const struct wr_row *was)
{
    /* As in Kafka Streams: a row that leaves has no time of its own, so that
     * its tombstone, and what a cache passes on, has the record's. */
    enum weir_status status = weir_store_put_timestamped(
        keyed->store, record->key, value,
        value.data ? timestamp_ms : record->timestamp_ms);
    if (status != WEIR_OK || !keyed->forwards) {
        return status;
    }
    struct weir_record out = *record;
    out.value = value;
    out.old_value = keyed->node->sends_old ? was->value : WEIR_NULL;
    out.timestamp_ms = timestamp_ms;
    return weir_forward(ctx, &out);
}

enum weir_status wr_keyed_detach(struct weir_context *ctx,
                                 struct weir_bytes from,
                                 struct weir_bytes *bytes)
{
    uintptr_t start = (uintptr_t)from.data;
    uintptr_t at = (uintptr_t)bytes->data;
    if (!from.data || !bytes->data || at < start || at > start + from.len) {
        return WEIR_OK;
    }
    return copy(ctx, bytes);
}
