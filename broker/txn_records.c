/* SPDX-License-Identifier: Apache-2.0
 *
 * Transactions as Kafka's records. The layouts are rows of
 * broker/messages/records.msg. */
#include "broker/txn_records.h"

#include "broker/messages.h"

#define KEY_VERSION   0
#define VALUE_VERSION 0

/* The partitions by topic. A transaction has few topics, so a topic is found by
 * looking at each. */
static enum weir_status group_topics(const struct wr_txn *txn,
                                     struct wr_arena *arena,
                                     struct wr_transaction_log_value *value)
{
    size_t count = txn->partition_count;
    value->topics = wr_arena_calloc(arena, count, sizeof(*value->topics));
    int32_t *indexes = wr_arena_calloc(arena, count, sizeof(*indexes));
    bool *taken = wr_arena_calloc(arena, count, sizeof(*taken));
    if (!value->topics || !indexes || !taken) {
        return WEIR_E_NOMEM;
    }
    value->topics_count = 0;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (taken[i]) {
            continue;
        }
        struct wr_transaction_log_value_topic *topic =
            &value->topics[value->topics_count++];
        topic->name = txn->partitions[i].topic;
        topic->partitions = &indexes[used];
        for (size_t k = i; k < count; k++) {
            if (!taken[k] &&
                wr_bytes_equal(txn->partitions[k].topic, topic->name)) {
                taken[k] = true;
                indexes[used++] = txn->partitions[k].partition;
                topic->partitions_count++;
            }
        }
    }
    return WEIR_OK;
}

static void add(struct wr_coord_log *log, struct weir_bytes id,
                const struct wr_coord_part *value, int64_t wall_ms)
{
    struct wr_transaction_log_key key = {.transactional_id = id};
    struct wr_coord_part key_part = {&wr_transaction_log_key_message,
                                     KEY_VERSION, &key};
    wr_coord_batch_add(log, wall_ms, &key_part, value);
}

enum weir_status wr_txn_record_add(struct wr_coord_log *log,
                                   const struct wr_txn *txn,
                                   struct wr_arena *arena, int64_t wall_ms)
{
    struct wr_transaction_log_value value;
    wr_transaction_log_value_init(&value);
    value.producer_id = txn->producer_id;
    value.producer_epoch = txn->epoch;
    value.timeout_ms = txn->timeout_ms;
    value.status = (int8_t)txn->state;
    value.last_update_timestamp_ms = txn->update_ms;
    value.start_timestamp_ms = txn->start_ms;
    value.topics_count = -1; /* null, as Kafka has it without a transaction */
    if (txn->state != WR_TXN_EMPTY) {
        enum weir_status status = group_topics(txn, arena, &value);
        if (status != WEIR_OK) {
            return status;
        }
    }
    struct wr_coord_part part = {&wr_transaction_log_value_message,
                                 VALUE_VERSION, &value};
    add(log, txn->id, &part, wall_ms);
    return WEIR_OK;
}

void wr_txn_record_add_tombstone(struct wr_coord_log *log, struct weir_bytes id,
                                 int64_t wall_ms)
{
    struct wr_coord_part nothing = {NULL, 0, NULL};
    add(log, id, &nothing, wall_ms);
}

/* ---- reading ------------------------------------------------------------- */

enum weir_status wr_txn_record_id(const struct wr_record *record,
                                  struct wr_arena *arena,
                                  struct weir_bytes *out)
{
    struct wr_transaction_log_key key;
    enum weir_status status = wr_coord_part_read(
        record->key, &wr_transaction_log_key_message, &key, arena);
    if (status == WEIR_OK) {
        *out = key.transactional_id;
    }
    return status;
}

enum weir_status wr_txn_record_apply(struct wr_txn *txn,
                                     const struct wr_record *record,
                                     struct wr_arena *arena)
{
    struct wr_transaction_log_value value;
    enum weir_status status = wr_coord_part_read(
        record->value, &wr_transaction_log_value_message, &value, arena);
    if (status != WEIR_OK) {
        return status;
    }
    if (value.status < WR_TXN_EMPTY || value.status > WR_TXN_DEAD) {
        return WEIR_E_CORRUPT;
    }
    txn->producer_id = value.producer_id;
    txn->last_producer_id = value.previous_producer_id;
    txn->epoch = value.producer_epoch;
    txn->last_epoch = -1;
    txn->timeout_ms = value.timeout_ms;
    txn->state = (enum wr_txn_state)value.status;
    txn->update_ms = value.last_update_timestamp_ms;
    txn->start_ms = value.start_timestamp_ms;
    wr_txn_clear(txn);
    for (int32_t t = 0; t < value.topics_count; t++) {
        const struct wr_transaction_log_value_topic *topic = &value.topics[t];
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            status = wr_txn_put(txn, topic->name, topic->partitions[p]);
            if (status != WEIR_OK) {
                return status;
            }
        }
    }
    return WEIR_OK;
}
