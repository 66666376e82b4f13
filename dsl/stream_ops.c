/* SPDX-License-Identifier: Apache-2.0
 *
 * What the nodes of streams do with a record. They keep nothing between
 * records: their instance is the graph's node itself. Thread: the task's. */
#include "dsl/change.h"
#include "dsl/graph.h"

/** The node's instance is the node. */
static enum weir_status open_plain(struct weir_context *ctx, void *user,
                                   void **state)
{
    (void)ctx;
    *state = user;
    return WEIR_OK;
}

void wr_op_plain(struct wr_graph_node *node,
                 enum weir_status (*process)(struct weir_context *,
                                             const struct weir_record *,
                                             void *))
{
    node->code = (struct weir_processor){
        .size = sizeof(node->code),
        .open = open_plain,
        .process = process,
        .user = node,
    };
}

enum weir_status wr_op_filter(struct weir_context *ctx,
                              const struct weir_record *record, void *state)
{
    const struct wr_graph_node *node = state;
    bool keep = false;
    enum weir_status status =
        node->fn.predicate(ctx, record, &keep, node->user);
    if (status != WEIR_OK || keep == node->negate) {
        return status;
    }
    return weir_forward(ctx, record);
}

enum weir_status wr_op_map(struct weir_context *ctx,
                           const struct weir_record *record, void *state)
{
    const struct wr_graph_node *node = state;
    struct weir_record out = *record;
    enum weir_status status =
        node->fn.pair(ctx, record, &out.key, &out.value, node->user);
    return status == WEIR_OK ? weir_forward(ctx, &out) : status;
}

enum weir_status wr_op_map_values(struct weir_context *ctx,
                                  const struct weir_record *record, void *state)
{
    const struct wr_graph_node *node = state;
    struct weir_record out = *record;
    enum weir_status status =
        node->fn.mapper(ctx, record, &out.value, node->user);
    return status == WEIR_OK ? weir_forward(ctx, &out) : status;
}

enum weir_status wr_op_select_key(struct weir_context *ctx,
                                  const struct weir_record *record, void *state)
{
    const struct wr_graph_node *node = state;
    struct weir_record out = *record;
    enum weir_status status =
        node->fn.mapper(ctx, record, &out.key, node->user);
    return status == WEIR_OK ? weir_forward(ctx, &out) : status;
}

/* ---- any number of results ----------------------------------------------- */

struct weir_emitter {
    struct weir_context *ctx;
    const struct weir_record *record;
    bool key_stays;
};

struct weir_context *weir_emitter_context(struct weir_emitter *out)
{
    return out->ctx;
}

enum weir_status weir_emit_value(struct weir_emitter *out,
                                 struct weir_bytes value)
{
    struct weir_record record = *out->record;
    record.value = value;
    return weir_forward(out->ctx, &record);
}

enum weir_status weir_emit(struct weir_emitter *out, struct weir_bytes key,
                           struct weir_bytes value)
{
    if (out->key_stays) {
        return weir_context_fail(out->ctx, WEIR_E_PROCESSOR,
                                 "flat_map_values keeps the key: emit with "
                                 "weir_emit_value(), or use flat_map");
    }
    struct weir_record record = *out->record;
    record.key = key;
    record.value = value;
    return weir_forward(out->ctx, &record);
}

enum weir_status wr_op_flat_map(struct weir_context *ctx,
                                const struct weir_record *record, void *state)
{
    const struct wr_graph_node *node = state;
    struct weir_emitter out = {.ctx = ctx, .record = record};
    return node->fn.flat(&out, record, node->user);
}

enum weir_status wr_op_flat_map_values(struct weir_context *ctx,
                                       const struct weir_record *record,
                                       void *state)
{
    const struct wr_graph_node *node = state;
    struct weir_emitter out = {.ctx = ctx, .record = record, .key_stays = true};
    return node->fn.flat(&out, record, node->user);
}

/* ---- looking and passing on -----------------------------------------------
 */

enum weir_status wr_op_peek(struct weir_context *ctx,
                            const struct weir_record *record, void *state)
{
    const struct wr_graph_node *node = state;
    enum weir_status status = node->fn.action(ctx, record, node->user);
    return status == WEIR_OK ? weir_forward(ctx, record) : status;
}

enum weir_status wr_op_foreach(struct weir_context *ctx,
                               const struct weir_record *record, void *state)
{
    const struct wr_graph_node *node = state;
    return node->fn.action(ctx, record, node->user);
}

enum weir_status wr_op_pass(struct weir_context *ctx,
                            const struct weir_record *record, void *state)
{
    (void)state;
    return weir_forward(ctx, record);
}

enum weir_status wr_op_drop_null_key(struct weir_context *ctx,
                                     const struct weir_record *record,
                                     void *state)
{
    (void)state;
    if (!record->key.data) {
        weir_context_drop(ctx, "null_key");
        return WEIR_OK;
    }
    return weir_forward(ctx, record);
}

enum weir_status wr_op_to_stream(struct weir_context *ctx,
                                 const struct weir_record *record, void *state)
{
    (void)state;
    struct weir_record out = *record;
    out.old_value = WEIR_NULL;
    return weir_forward(ctx, &out);
}

/* ---- a table's rows on their way to another key ---------------------------
 */

/* Group key and value of one side of an update; null when it takes no part. */
static enum weir_status select_side(const struct wr_graph_node *node,
                                    struct weir_context *ctx,
                                    const struct weir_record *record,
                                    struct weir_bytes value,
                                    struct weir_record *out)
{
    *out = *record;
    out->value = value;
    out->old_value = WEIR_NULL;
    if (!value.data) {
        out->key = WEIR_NULL;
        return WEIR_OK;
    }
    struct weir_record in = *out;
    enum weir_status status =
        node->fn.pair(ctx, &in, &out->key, &out->value, node->user);
    if (!out->key.data || !out->value.data) {
        out->key = out->value = WEIR_NULL;
    }
    return status;
}

static enum weir_status send_change(struct weir_context *ctx,
                                    const struct weir_record *record,
                                    struct weir_bytes key,
                                    const struct wr_change *change)
{
    size_t size = wr_change_size(change);
    uint8_t *bytes = weir_context_alloc(ctx, size);
    if (!bytes) {
        return weir_context_fail(ctx, WEIR_E_NOMEM,
                                 "no memory for a change of %zu bytes", size);
    }
    wr_change_write(change, bytes);
    struct weir_record out = *record;
    out.key = key;
    out.value = weir_bytes(bytes, size);
    out.old_value = WEIR_NULL;
    return weir_forward(ctx, &out);
}

enum weir_status wr_op_table_select(struct weir_context *ctx,
                                    const struct weir_record *record,
                                    void *state)
{
    const struct wr_graph_node *node = state;
    struct weir_record old_side, new_side;
    enum weir_status status =
        select_side(node, ctx, record, record->value, &new_side);
    if (status == WEIR_OK) {
        status = select_side(node, ctx, record, record->old_value, &old_side);
    }
    if (status != WEIR_OK) {
        return status;
    }
    if (old_side.key.data && wr_bytes_equal(old_side.key, new_side.key)) {
        return send_change(ctx, record, new_side.key,
                           &(struct wr_change){new_side.value, old_side.value});
    }
    if (old_side.key.data) {
        status = send_change(ctx, record, old_side.key,
                             &(struct wr_change){WEIR_NULL, old_side.value});
    }
    if (status == WEIR_OK && new_side.key.data) {
        status = send_change(ctx, record, new_side.key,
                             &(struct wr_change){new_side.value, WEIR_NULL});
    }
    return status;
}
