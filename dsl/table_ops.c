/* SPDX-License-Identifier: Apache-2.0
 *
 * What the nodes of tables do with an update: a record whose old_value is what
 * the value replaces, when somebody downstream asked for that. Thread: the
 * task's. */
#include "dsl/keyed.h"

#include "runtime/notice.h"

/* Offsets decide, not timestamps: a late update replaces a newer row, as in
 * Kafka Streams. Somebody should know. */
static void note_late(struct weir_context *ctx,
                      const struct weir_record *record,
                      const struct wr_row *was)
{
    if (was->value.data && record->timestamp_ms < was->timestamp_ms) {
        wr_context_notice(ctx, WR_NOTICE_LATE_UPDATE,
                          "timestamp_ms=%lld row_timestamp_ms=%lld",
                          (long long)record->timestamp_ms,
                          (long long)was->timestamp_ms);
    }
}

/** An update of a topic becomes an update of the table. */
enum weir_status wr_op_table_source(struct weir_context *ctx,
                                    const struct weir_record *record,
                                    void *state)
{
    struct wr_keyed *keyed = state;
    if (!record->key.data) {
        weir_context_drop(ctx, "null_key");
        return WEIR_OK;
    }
    if (!keyed->store) {
        return weir_forward(ctx, record);
    }
    struct wr_row was = {WEIR_NULL, -1};
    enum weir_status status = WEIR_OK;
    /* What is not behind the task's time is not behind a row's: a topic in
     * order costs no look-up. */
    bool behind = record->timestamp_ms < weir_context_stream_time_ms(ctx);
    if (behind || (keyed->forwards && keyed->node->sends_old)) {
        status = wr_keyed_get(keyed, ctx, record->key, &was);
    }
    if (status == WEIR_OK) {
        note_late(ctx, record, &was);
        status = wr_keyed_put(keyed, ctx, record, record->value,
                              record->timestamp_ms, &was);
    }
    return status;
}

/* The former value of a derived row: what its own store has, else what the verb
 * makes of the parent's former value. */
typedef enum weir_status (*compute_fn)(const struct wr_graph_node *node,
                                       struct weir_context *ctx,
                                       const struct weir_record *record,
                                       struct weir_bytes *out);

static enum weir_status former_row(struct wr_keyed *keyed,
                                   struct weir_context *ctx,
                                   const struct weir_record *record,
                                   compute_fn compute, struct wr_row *out)
{
    *out = (struct wr_row){WEIR_NULL, -1};
    if (!keyed->node->sends_old) {
        return WEIR_OK;
    }
    if (keyed->store) {
        return wr_keyed_get(keyed, ctx, record->key, out);
    }
    struct weir_record old = *record;
    old.value = record->old_value;
    old.old_value = WEIR_NULL;
    return compute(keyed->node, ctx, &old, &out->value);
}

static enum weir_status update(struct wr_keyed *keyed, struct weir_context *ctx,
                               const struct weir_record *record,
                               struct weir_bytes value,
                               const struct wr_row *was)
{
    if (keyed->store) {
        return wr_keyed_put(keyed, ctx, record, value, record->timestamp_ms,
                            was);
    }
    struct weir_record out = *record;
    out.value = value;
    out.old_value = was->value;
    return weir_forward(ctx, &out);
}

/* ---- filter ---------------------------------------------------------------
 */

static enum weir_status keep_or_null(const struct wr_graph_node *node,
                                     struct weir_context *ctx,
                                     const struct weir_record *record,
                                     struct weir_bytes *out)
{
    bool keep = false;
    enum weir_status status = WEIR_OK;
    if (record->value.data) {
        status = node->fn.predicate(ctx, record, &keep, node->user);
        keep = keep != node->negate;
    }
    *out = keep ? record->value : WEIR_NULL;
    return status;
}

enum weir_status wr_op_table_filter(struct weir_context *ctx,
                                    const struct weir_record *record,
                                    void *state)
{
    struct wr_keyed *keyed = state;
    struct weir_bytes value = WEIR_NULL;
    struct wr_row was;
    enum weir_status status = keep_or_null(keyed->node, ctx, record, &value);
    if (status == WEIR_OK) {
        status = former_row(keyed, ctx, record, keep_or_null, &was);
    }
    if (status != WEIR_OK) {
        return status;
    }
    if (keyed->node->sends_old && !value.data && !was.value.data) {
        return WEIR_OK; /* was absent, is absent */
    }
    return update(keyed, ctx, record, value, &was);
}

/* ---- map_values ------------------------------------------------------------
 */

static enum weir_status map_or_null(const struct wr_graph_node *node,
                                    struct weir_context *ctx,
                                    const struct weir_record *record,
                                    struct weir_bytes *out)
{
    *out = record->value;
    return record->value.data ? node->fn.mapper(ctx, record, out, node->user)
                              : WEIR_OK;
}

enum weir_status wr_op_table_map_values(struct weir_context *ctx,
                                        const struct weir_record *record,
                                        void *state)
{
    struct wr_keyed *keyed = state;
    struct weir_bytes value = WEIR_NULL;
    struct wr_row was;
    enum weir_status status = map_or_null(keyed->node, ctx, record, &value);
    if (status == WEIR_OK) {
        status = former_row(keyed, ctx, record, map_or_null, &was);
    }
    return status == WEIR_OK ? update(keyed, ctx, record, value, &was) : status;
}
