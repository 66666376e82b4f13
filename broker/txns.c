/* SPDX-License-Identifier: Apache-2.0
 *
 * All transactional ids of the broker: their log, their timer, and the markers
 * that end a transaction in each partition.
 *
 * What is in the log counts. The log makes all appends of the broker durable in
 * the order in which they were made, whatever the partition. So partitions may
 * join a transaction without waiting for the disk: records and offsets are
 * written after them, and are refused where they are unknown. The answers to
 * records, to offsets and to the decision wait: a broker that comes back
 * without what it acknowledged would carry out a decision that counts on it.
 *
 * At start a decision without its Complete is carried out again (a second
 * marker does no harm), and a transaction that is open in a partition but
 * unknown here is aborted there, so that nothing holds up readers for ever. */
#include "broker/txns.h"

#include "base/log.h"
#include "broker/broker.h"
#include "broker/coord_log.h"
#include "broker/groups.h"
#include "broker/logs.h"
#include "broker/producer_ids.h"
#include "broker/topics.h"
#include "broker/txn_records.h"

#include <stdlib.h>

#define TXNS_MAX          100000
#define ARENA_BYTES       ((size_t)8 << 20)
#define TICK_MS_MAX       1000 /* the wall clock may jump: look again */
#define EXPIRY_EVERY_MS   (60 * 60 * 1000)
#define ID_RETENTION_MS   ((int64_t)7 * 24 * 60 * 60 * 1000)
#define COORDINATOR_EPOCH 0 /* there is only ever one coordinator */

struct wr_txns {
    struct wr_broker *broker;
    struct wr_map by_id; /* transactional id -> wr_txn, owned */
    struct wr_coord_log log;
    struct wr_txn_sink sink;
    struct wr_arena arena; /* of one record */
    struct wr_producer_ids producer_ids;
    struct wr_timer tick_timer;
    int64_t tick_due_ms; /* wall clock; INT64_MAX: not started */
    struct wr_timer expiry_timer;
    struct wr_topics_watcher watcher;
};

static int64_t wall_ms(const struct wr_txns *txns)
{
    return wr_loop_wall_ms(txns->broker->loop);
}

/* ---- finding, making, dropping ------------------------------------------- */

struct wr_txn *wr_txns_find(const struct wr_txns *txns, struct weir_bytes id)
{
    return wr_map_get(&txns->by_id, id);
}

enum weir_status wr_txns_make(struct wr_txns *txns, struct weir_bytes id,
                              struct wr_txn **out)
{
    struct wr_txn *txn = wr_txns_find(txns, id);
    if (txn) {
        *out = txn;
        return WEIR_OK;
    }
    if (txns->by_id.count >= TXNS_MAX) {
        return WEIR_E_TOOBIG;
    }
    enum weir_status status = wr_txn_new(id, &txns->sink, &txn);
    if (status == WEIR_OK) {
        status = wr_map_put(&txns->by_id, id, txn, NULL);
    }
    if (status != WEIR_OK) {
        wr_txn_free(txn);
        return status;
    }
    *out = txn;
    return WEIR_OK;
}

static void drop(struct wr_txns *txns, struct wr_txn *txn)
{
    (void)wr_map_remove(&txns->by_id, txn->id);
    wr_txn_free(txn);
}

bool wr_txns_next(const struct wr_txns *txns, size_t *cursor,
                  struct wr_txn **out)
{
    void *value = NULL;
    bool more = wr_map_next(&txns->by_id, cursor, NULL, &value);
    *out = value;
    return more;
}

/* ---- time ---------------------------------------------------------------- */

static void plan_tick(struct wr_txns *txns, int64_t at_ms)
{
    int64_t now_ms = wall_ms(txns);
    if (at_ms > now_ms + TICK_MS_MAX) {
        at_ms = now_ms + TICK_MS_MAX;
    }
    if (at_ms >= txns->tick_due_ms) {
        return;
    }
    txns->tick_due_ms = at_ms;
    if (wr_loop_timer_start(txns->broker->loop, &txns->tick_timer,
                            at_ms > now_ms ? at_ms - now_ms : 0) != WEIR_OK) {
        wr_log(WR_ERROR, "broker", "txn-timer", "reason=\"out of memory\"");
    }
}

static void tick_all(void *arg)
{
    struct wr_txns *txns = arg;
    int64_t now_ms = wall_ms(txns);
    int64_t next_ms = INT64_MAX;
    size_t cursor = 0;
    struct wr_txn *txn;
    txns->tick_due_ms = INT64_MAX;
    while (wr_txns_next(txns, &cursor, &txn)) {
        wr_txn_tick(txn, now_ms);
        int64_t at_ms = wr_txn_deadline(txn);
        next_ms = at_ms < next_ms ? at_ms : next_ms;
    }
    if (next_ms != INT64_MAX) {
        plan_tick(txns, next_ms);
    }
}

void wr_txns_stepped(struct wr_txns *txns, struct wr_txn *txn)
{
    if (txn->producer_id < 0) {
        drop(txns, txn); /* its first record could not be written */
        return;
    }
    int64_t at_ms = wr_txn_deadline(txn);
    if (at_ms != INT64_MAX) {
        plan_tick(txns, at_ms);
    }
}

/* ---- the sink ------------------------------------------------------------ */

static enum weir_status append(struct wr_txns *txns, struct weir_bytes id)
{
    int32_t count = 0;
    if (wr_coord_log_ensure(&txns->log, &count) != WR_ERR_NONE) {
        return WEIR_E_IO;
    }
    int32_t partition = wr_coord_partition(id, count);
    return wr_coord_batch_append(&txns->log, partition, NULL) == WR_ERR_NONE
               ? WEIR_OK
               : WEIR_E_IO;
}

static void begin_batch(struct wr_txns *txns)
{
    struct wr_batch_options plain = WR_BATCH_PLAIN;
    wr_coord_batch_begin(&txns->log, &plain);
}

static enum weir_status persist(void *context, const struct wr_txn *txn)
{
    struct wr_txns *txns = context;
    wr_arena_reset(&txns->arena);
    begin_batch(txns);
    enum weir_status status =
        wr_txn_record_add(&txns->log, txn, &txns->arena, wall_ms(txns));
    return status == WEIR_OK ? append(txns, txn->id) : status;
}

int16_t wr_txns_append_marker(struct wr_txns *txns, struct weir_bytes topic,
                              int32_t partition, const struct wr_marker *marker)
{
    struct wr_log *log = wr_topics_log(txns->broker->topics, topic, partition);
    if (!log) {
        return WR_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    struct wr_log_appended appended = {0};
    struct weir_error err = {0};
    enum wr_kafka_error error =
        wr_log_append_marker(log, marker, &appended, &err);
    if (error != WR_ERR_NONE) {
        wr_log(WR_ERROR, "broker", "txn-marker",
               "topic=%s partition=%d producer=%lld error=%d reason=\"%s\"",
               wr_log_topic(log), partition, (long long)marker->producer_id,
               (int)error, err.text);
        return (int16_t)error;
    }
    if (wr_bytes_equal_text(topic, WR_TOPIC_OFFSETS)) {
        wr_groups_end_txn(txns->broker->groups, partition, marker->producer_id,
                          marker->commit);
    }
    return WR_ERR_NONE;
}

static enum wr_txn_mark mark(void *context, const struct wr_txn *txn,
                             const struct wr_txn_partition *partition,
                             bool commit)
{
    struct wr_txns *txns = context;
    struct wr_marker marker = {.producer_id = txn->producer_id,
                               .producer_epoch = txn->epoch,
                               .commit = commit,
                               .coordinator_epoch = COORDINATOR_EPOCH,
                               .timestamp_ms = wall_ms(txns)};
    switch (wr_txns_append_marker(txns, partition->topic, partition->partition,
                                  &marker)) {
    case WR_ERR_NONE:
        return WR_TXN_MARKED;
    case WR_ERR_KAFKA_STORAGE_ERROR:
        return WR_TXN_MARK_LATER;
    default: /* deleted, or a newer producer has been there */
        return WR_TXN_GONE;
    }
}

int64_t wr_txns_fresh_producer_id(struct wr_txns *txns)
{
    int64_t fresh = -1;
    struct weir_error err = {0};
    if (wr_producer_ids_take(&txns->producer_ids, &fresh, &err) != WEIR_OK) {
        wr_log(WR_ERROR, "broker", "producer-ids", "reason=\"%s\"", err.text);
        return -1;
    }
    return fresh;
}

static int64_t fresh_producer_id(void *context)
{
    return wr_txns_fresh_producer_id(context);
}

int16_t wr_txns_check_write(const struct wr_txns *txns,
                            struct weir_bytes transactional_id,
                            const struct wr_txn_writer *writer)
{
    const struct wr_txn *txn = wr_txns_find(txns, transactional_id);
    return txn ? wr_txn_check_write(txn, writer)
               : (int16_t)WR_ERR_INVALID_PRODUCER_ID_MAPPING;
}

/* ---- ends of life -------------------------------------------------------- */

static bool is_idle(const struct wr_txn *txn, int64_t now_ms)
{
    bool resting = txn->state == WR_TXN_EMPTY ||
                   txn->state == WR_TXN_COMPLETE_COMMIT ||
                   txn->state == WR_TXN_COMPLETE_ABORT;
    return resting && now_ms - txn->update_ms >= ID_RETENTION_MS;
}

static void expire_all(void *arg)
{
    struct wr_txns *txns = arg;
    size_t cursor = 0;
    struct wr_txn *txn;
    while (wr_txns_next(txns, &cursor, &txn)) {
        if (!is_idle(txn, wall_ms(txns))) {
            continue;
        }
        begin_batch(txns);
        wr_txn_record_add_tombstone(&txns->log, txn->id, wall_ms(txns));
        if (append(txns, txn->id) == WEIR_OK) {
            drop(txns, txn);
        }
    }
    if (wr_loop_timer_start(txns->broker->loop, &txns->expiry_timer,
                            EXPIRY_EVERY_MS) != WEIR_OK) {
        wr_log(WR_ERROR, "broker", "txn-timer", "reason=\"out of memory\"");
    }
}

static void topic_deleting(void *arg, const struct wr_topic *topic)
{
    struct wr_txns *txns = arg;
    size_t cursor = 0;
    struct wr_txn *txn;
    while (wr_txns_next(txns, &cursor, &txn)) {
        wr_txn_drop_topic(txn, weir_text(topic->name));
    }
}

/* ---- start --------------------------------------------------------------- */

struct replay {
    struct wr_txns *txns;
    enum weir_status status; /* the first failure */
};

static enum weir_status replay_one(struct wr_txns *txns,
                                   const struct wr_record *record)
{
    struct weir_bytes id;
    struct wr_txn *txn = NULL;
    wr_arena_reset(&txns->arena);
    enum weir_status status = wr_txn_record_id(record, &txns->arena, &id);
    if (status != WEIR_OK) {
        return status;
    }
    if (!record->value.data) {
        txn = wr_txns_find(txns, id);
        if (txn) {
            drop(txns, txn);
        }
        return WEIR_OK;
    }
    status = wr_txns_make(txns, id, &txn);
    if (status == WEIR_OK) {
        status = wr_txn_record_apply(txn, record, &txns->arena);
        wr_producer_ids_saw(&txns->producer_ids, txn->producer_id);
    }
    return status;
}

static void replay_record(void *context, int32_t partition,
                          const struct wr_batch *batch,
                          const struct wr_record *record)
{
    (void)batch;
    struct replay *replay = context;
    enum weir_status status = replay_one(replay->txns, record);
    if (status == WEIR_E_NOMEM && replay->status == WEIR_OK) {
        replay->status = status;
    } else if (status != WEIR_OK) {
        wr_log(WR_WARN, "broker", "txn-record-skipped",
               "partition=%d offset=%lld reason=\"%s\"", partition,
               (long long)record->offset, weir_status_text(status));
    }
}

static void replay_marker(void *context, int32_t partition,
                          const struct wr_marker *marker)
{
    (void)context;
    (void)partition;
    (void)marker; /* nobody writes to this topic in a transaction */
}

/* Whether a transaction that is open in a partition will be ended by someone.
 */
static bool is_known(const struct wr_txns *txns, const struct wr_log *log,
                     int64_t producer_id)
{
    size_t cursor = 0;
    struct wr_txn *txn;
    while (wr_txns_next(txns, &cursor, &txn)) {
        if (txn->producer_id == producer_id &&
            wr_txn_has(txn, weir_text(wr_log_topic(log)),
                       wr_log_partition(log))) {
            return true;
        }
    }
    return false;
}

static void abort_orphan(struct wr_txns *txns, struct wr_log *log,
                         const struct wr_log_producer *producer)
{
    struct wr_marker marker = {.producer_id = producer->producer_id,
                               .producer_epoch = producer->producer_epoch,
                               .commit = false,
                               .coordinator_epoch = COORDINATOR_EPOCH,
                               .timestamp_ms = wall_ms(txns)};
    wr_log(WR_WARN, "broker", "txn-orphan-aborted",
           "topic=%s partition=%d producer=%lld first=%lld", wr_log_topic(log),
           wr_log_partition(log), (long long)producer->producer_id,
           (long long)producer->txn_first_offset);
    (void)wr_txns_append_marker(txns, weir_text(wr_log_topic(log)),
                                wr_log_partition(log), &marker);
}

static void abort_orphans(struct wr_txns *txns)
{
    size_t at = 0;
    struct wr_log *log;
    while ((log = wr_logs_next(txns->broker->logs, &at)) != NULL) {
        bool found = !wr_log_offline(log);
        while (found) { /* an append moves the cursor's ground: start again */
            found = false;
            size_t cursor = 0;
            struct wr_log_producer producer;
            while (!found && wr_log_producer_next(log, &cursor, &producer)) {
                found = producer.txn_first_offset >= 0 &&
                        !is_known(txns, log, producer.producer_id);
            }
            if (found) {
                abort_orphan(txns, log, &producer);
                found = !wr_log_producer_get(log, producer.producer_id,
                                             &producer) ||
                        producer.txn_first_offset < 0;
            }
        }
    }
}

static enum weir_status start(struct wr_txns *txns, struct weir_error *err)
{
    struct replay replay = {.txns = txns};
    struct wr_coord_visitor visitor = {&replay, replay_record, replay_marker};
    enum weir_status status =
        wr_producer_ids_open(&txns->producer_ids, txns->broker->data_dir, err);
    if (status == WEIR_OK) {
        status = wr_coord_log_replay(&txns->log, &visitor, err);
    }
    if (status == WEIR_OK && replay.status != WEIR_OK) {
        status = weir_fail(err, replay.status, "replay of transactions: %s",
                           weir_status_text(replay.status));
    }
    if (status == WEIR_OK) {
        status = wr_loop_timer_start(txns->broker->loop, &txns->expiry_timer,
                                     EXPIRY_EVERY_MS);
    }
    if (status == WEIR_OK) {
        tick_all(txns); /* carries out what was decided */
        abort_orphans(txns);
    }
    return status;
}

enum weir_status wr_txns_open(struct wr_broker *broker, struct wr_txns **out,
                              struct weir_error *err)
{
    struct wr_txns *txns = calloc(1, sizeof(*txns));
    if (!txns) {
        return weir_fail(err, WEIR_E_NOMEM, "transactions: out of memory");
    }
    txns->broker = broker;
    txns->tick_due_ms = INT64_MAX;
    txns->tick_timer.fire = tick_all;
    txns->tick_timer.arg = txns;
    txns->expiry_timer.fire = expire_all;
    txns->expiry_timer.arg = txns;
    txns->sink = (struct wr_txn_sink){txns, persist, mark, fresh_producer_id};
    wr_map_init(&txns->by_id);
    wr_arena_init(&txns->arena, ARENA_BYTES);
    wr_coord_log_init(&txns->log, broker, WR_TOPIC_TXNS,
                      "transaction.state.log.num.partitions");
    enum weir_status status = start(txns, err);
    if (status != WEIR_OK) {
        wr_txns_close(txns);
        return status;
    }
    txns->watcher.deleting = topic_deleting;
    txns->watcher.arg = txns;
    wr_topics_watch(broker->topics, &txns->watcher);
    *out = txns;
    return WEIR_OK;
}

void wr_txns_close(struct wr_txns *txns)
{
    if (!txns) {
        return;
    }
    wr_loop_timer_stop(txns->broker->loop, &txns->tick_timer);
    wr_loop_timer_stop(txns->broker->loop, &txns->expiry_timer);
    size_t cursor = 0;
    struct wr_txn *txn;
    while (wr_txns_next(txns, &cursor, &txn)) {
        wr_txn_free(txn);
    }
    wr_map_done(&txns->by_id);
    wr_arena_done(&txns->arena);
    wr_coord_log_done(&txns->log);
    wr_producer_ids_close(&txns->producer_ids);
    free(txns);
}
