/* SPDX-License-Identifier: Apache-2.0
 *
 * What count, reduce and aggregate do. Of streams: a record changes its key's
 * row; the row's timestamp is the largest that went into it. Of tables: a
 * change (change.h) takes its old value out of the row, then puts its new value
 * in. Thread: the task's. */
#include "dsl/change.h"
#include "dsl/keyed.h"

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Records with nothing to group by or nothing to add are left out. */
static bool is_dropped(struct weir_context *ctx,
                       const struct weir_record *record)
{
    if (record->key.data && record->value.data) {
        return false;
    }
    weir_context_drop(ctx, record->key.data ? "null_value" : "null_key");
    return true;
}

/* ---- count -----------------------------------------------------------------
 */

static enum weir_status row_count(const struct wr_keyed *keyed,
                                  struct weir_context *ctx,
                                  const struct wr_row *row, int64_t *out)
{
    *out = 0;
    if (!row->value.data || weir_int64_read(row->value, out) == WEIR_OK) {
        return WEIR_OK;
    }
    return weir_context_fail(ctx, WEIR_E_INCOMPATIBLE,
                             "store '%s' has a row of %zu bytes where a count "
                             "of 8 bytes is due: its changelog was written by "
                             "another program",
                             keyed->node->store.name, row->value.len);
}

enum weir_status wr_op_count(struct weir_context *ctx,
                             const struct weir_record *record, void *state)
{
    struct wr_keyed *keyed = state;
    if (is_dropped(ctx, record)) {
        return WEIR_OK;
    }
    struct wr_row was;
    int64_t count;
    enum weir_status status = wr_keyed_get(keyed, ctx, record->key, &was);
    if (status == WEIR_OK) {
        status = row_count(keyed, ctx, &was, &count);
    }
    if (status != WEIR_OK) {
        return status;
    }
    uint8_t bytes[8];
    return wr_keyed_put(keyed, ctx, record, weir_int64_bytes(count + 1, bytes),
                        later(record->timestamp_ms, was.timestamp_ms), &was);
}

/* ---- reduce and aggregate ---------------------------------------------------
 */

/* Sets *row to what fn makes of it; the result no longer points into `was`. */
static enum weir_status apply(const struct wr_keyed *keyed,
                              struct weir_context *ctx, weir_aggregate_fn fn,
                              const struct weir_record *record,
                              struct weir_bytes *row)
{
    struct weir_bytes in = *row;
    enum weir_status status =
        fn(ctx, record, in, row, keyed->node->aggregator.user);
    return status == WEIR_OK ? wr_keyed_detach(ctx, in, row) : status;
}

static enum weir_status initial(const struct wr_keyed *keyed,
                                struct weir_context *ctx,
                                struct weir_bytes *row)
{
    const struct weir_aggregator *a = &keyed->node->aggregator;
    *row = a->initial;
    return a->init ? a->init(ctx, row, a->user) : WEIR_OK;
}

/* The row with the record in it: reduce begins with the first value, aggregate
 * with what the user says. */
static enum weir_status add_record(struct weir_context *ctx,
                                   const struct weir_record *record,
                                   struct wr_keyed *keyed, bool first_value)
{
    struct wr_row was;
    if (is_dropped(ctx, record)) {
        return WEIR_OK;
    }
    enum weir_status status = wr_keyed_get(keyed, ctx, record->key, &was);
    struct weir_bytes row = was.value;
    bool begins = status == WEIR_OK && !row.data;
    if (begins && first_value) {
        row = record->value;
    } else if (begins) {
        status = initial(keyed, ctx, &row);
    }
    if (status == WEIR_OK && !(begins && first_value)) {
        status = apply(keyed, ctx, keyed->node->aggregator.add, record, &row);
    }
    if (status != WEIR_OK) {
        return status;
    }
    return wr_keyed_put(keyed, ctx, record, row,
                        later(record->timestamp_ms, was.timestamp_ms), &was);
}

enum weir_status wr_op_reduce(struct weir_context *ctx,
                              const struct weir_record *record, void *state)
{
    return add_record(ctx, record, state, /* first_value= */ true);
}

enum weir_status wr_op_aggregate(struct weir_context *ctx,
                                 const struct weir_record *record, void *state)
{
    return add_record(ctx, record, state, /* first_value= */ false);
}

/* ---- the same for tables ------------------------------------------------- */

static enum weir_status read_change(struct weir_context *ctx,
                                    const struct weir_record *record,
                                    struct wr_change *out)
{
    if (!record->key.data || !record->value.data ||
        wr_change_read(record->value, out) != WEIR_OK) {
        (void)weir_context_fail(
            ctx, WEIR_E_DECODE,
            "the record is not a change of a table's row (%zu bytes, key %s): "
            "only weir or Kafka Streams may write this topic",
            record->value.len, record->key.data ? "given" : "null");
        return WEIR_E_DECODE;
    }
    return WEIR_OK;
}

/* A record with one of the change's values. */
static struct weir_record with_value(const struct weir_record *record,
                                     struct weir_bytes value)
{
    struct weir_record out = *record;
    out.value = value;
    out.old_value = WEIR_NULL;
    return out;
}

enum weir_status wr_op_table_count(struct weir_context *ctx,
                                   const struct weir_record *record,
                                   void *state)
{
    struct wr_keyed *keyed = state;
    struct wr_change change;
    struct wr_row was;
    int64_t count;
    enum weir_status status = read_change(ctx, record, &change);
    if (status == WEIR_OK) {
        status = wr_keyed_get(keyed, ctx, record->key, &was);
    }
    if (status == WEIR_OK) {
        status = row_count(keyed, ctx, &was, &count);
    }
    if (status != WEIR_OK) {
        return status;
    }
    bool present = was.value.data != NULL;
    if (change.old_value.data && present) {
        count--;
    }
    if (change.new_value.data) {
        count++;
        present = true;
    }
    uint8_t bytes[8];
    return wr_keyed_put(keyed, ctx, record,
                        present ? weir_int64_bytes(count, bytes) : WEIR_NULL,
                        later(record->timestamp_ms, was.timestamp_ms), &was);
}

/* Reduce and aggregate differ in what an absent row becomes. */
static enum weir_status change_row(struct wr_keyed *keyed,
                                   struct weir_context *ctx,
                                   const struct weir_record *record,
                                   bool reduces)
{
    const struct weir_aggregator *a = &keyed->node->aggregator;
    struct wr_change change;
    struct wr_row was;
    enum weir_status status = read_change(ctx, record, &change);
    if (status == WEIR_OK) {
        status = wr_keyed_get(keyed, ctx, record->key, &was);
    }
    if (status != WEIR_OK) {
        return status;
    }
    struct weir_bytes row = was.value;
    if (change.old_value.data && row.data) {
        struct weir_record in = with_value(record, change.old_value);
        status = apply(keyed, ctx, a->subtract, &in, &row);
    }
    if (status == WEIR_OK && change.new_value.data) {
        struct weir_record in = with_value(record, change.new_value);
        if (!row.data && reduces) {
            row = change.new_value;
        } else {
            status = row.data ? WEIR_OK : initial(keyed, ctx, &row);
            if (status == WEIR_OK) {
                status = apply(keyed, ctx, a->add, &in, &row);
            }
        }
    }
    if (status != WEIR_OK) {
        return status;
    }
    return wr_keyed_put(keyed, ctx, record, row,
                        later(record->timestamp_ms, was.timestamp_ms), &was);
}

enum weir_status wr_op_table_reduce(struct weir_context *ctx,
                                    const struct weir_record *record,
                                    void *state)
{
    return change_row(state, ctx, record, true);
}

enum weir_status wr_op_table_aggregate(struct weir_context *ctx,
                                       const struct weir_record *record,
                                       void *state)
{
    return change_row(state, ctx, record, false);
}
