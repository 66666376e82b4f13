/* SPDX-License-Identifier: Apache-2.0
 *
 * One transactional id, from its first InitProducerId on:
 *
 *            add             end(commit)                 all markers
 *   Empty ---------> Ongoing ----------> PrepareCommit -------------+
 *     ^               ^  |                                          v
 *     | init          |  | end(abort), time-out,          CompleteCommit
 *     | (new epoch)   |  | fenced by init
 *     |               |  +-------------> PrepareAbort --> CompleteAbort
 *     |               |                                          |
 *     +---------------+------------------------------------------+
 *                      add (next transaction), init
 *
 * The Prepare record is the decision: written once, it is carried out whatever
 * happens. Here one process has the coordinator and all partitions, and the
 * log makes appends durable in their order, so Prepare, the markers and
 * Complete are written in one step and share one sync; a crash in between
 * leaves a prefix of them, which wr_txn_tick finishes after the replay.
 *
 * Who fences (a new InitProducerId, or a time-out) raises the epoch already in
 * PrepareAbort, so that the markers carry it to all partitions and the old
 * producer's late writes are refused there too. */
#include "broker/txn.h"

#include "broker/errors.h"
#include "broker/owned.h"

#define MARK_RETRY_MS 100

enum weir_status wr_txn_new(struct weir_bytes id,
                            const struct wr_txn_sink *sink, struct wr_txn **out)
{
    struct wr_txn *txn = calloc(1, sizeof(*txn));
    if (!txn || wr_owned_set(&txn->id, id) != WEIR_OK) {
        free(txn);
        return WEIR_E_NOMEM;
    }
    txn->producer_id = -1;
    txn->last_producer_id = -1;
    txn->epoch = -1;
    txn->last_epoch = -1;
    txn->start_ms = -1;
    txn->sink = sink;
    *out = txn;
    return WEIR_OK;
}

void wr_txn_free(struct wr_txn *txn)
{
    if (!txn) {
        return;
    }
    wr_txn_clear(txn);
    free(txn->partitions);
    wr_owned_free(&txn->id);
    free(txn);
}

const char *wr_txn_state_name(enum wr_txn_state state)
{
    static const char *const names[] = {
        "Empty",          "Ongoing",       "PrepareCommit", "PrepareAbort",
        "CompleteCommit", "CompleteAbort", "Dead"};
    return names[state];
}

/* ---- partitions ---------------------------------------------------------- */

bool wr_txn_has(const struct wr_txn *txn, struct weir_bytes topic,
                int32_t partition)
{
    for (size_t i = 0; i < txn->partition_count; i++) {
        if (txn->partitions[i].partition == partition &&
            wr_bytes_equal(txn->partitions[i].topic, topic)) {
            return true;
        }
    }
    return false;
}

enum weir_status wr_txn_put(struct wr_txn *txn, struct weir_bytes topic,
                            int32_t partition)
{
    if (txn->partition_count >= WR_TXN_PARTITIONS_MAX) {
        return WEIR_E_TOOBIG;
    }
    if (txn->partition_count == txn->partition_cap) {
        size_t cap = txn->partition_cap ? txn->partition_cap * 2 : 8;
        struct wr_txn_partition *grown =
            realloc(txn->partitions, cap * sizeof(*grown));
        if (!grown) {
            return WEIR_E_NOMEM;
        }
        txn->partitions = grown;
        txn->partition_cap = cap;
    }
    struct wr_txn_partition *last = &txn->partitions[txn->partition_count];
    last->topic = WEIR_NULL;
    last->partition = partition;
    enum weir_status status = wr_owned_set(&last->topic, topic);
    if (status == WEIR_OK) {
        txn->partition_count++;
    }
    return status;
}

static void shrink_to(struct wr_txn *txn, size_t count)
{
    while (txn->partition_count > count) {
        wr_owned_free(&txn->partitions[--txn->partition_count].topic);
    }
}

void wr_txn_clear(struct wr_txn *txn)
{
    shrink_to(txn, 0);
}

static void remove_at(struct wr_txn *txn, size_t at)
{
    wr_owned_free(&txn->partitions[at].topic);
    txn->partitions[at] = txn->partitions[--txn->partition_count];
}

void wr_txn_drop_topic(struct wr_txn *txn, struct weir_bytes topic)
{
    for (size_t i = txn->partition_count; i-- > 0;) {
        if (wr_bytes_equal(txn->partitions[i].topic, topic)) {
            remove_at(txn, i);
        }
    }
}

/* ---- records ------------------------------------------------------------- */

/* What a failed persist must give back. */
struct before {
    int64_t producer_id, last_producer_id, start_ms, update_ms;
    int16_t epoch, last_epoch;
    int32_t timeout_ms;
    enum wr_txn_state state;
};

static struct before before_of(const struct wr_txn *txn)
{
    return (struct before){
        .producer_id = txn->producer_id,
        .last_producer_id = txn->last_producer_id,
        .start_ms = txn->start_ms,
        .update_ms = txn->update_ms,
        .epoch = txn->epoch,
        .last_epoch = txn->last_epoch,
        .timeout_ms = txn->timeout_ms,
        .state = txn->state,
    };
}

/* Writes the transaction as it is now, or takes the change back. */
static int16_t persist(struct wr_txn *txn, const struct before *before,
                       int64_t now_ms)
{
    txn->update_ms = now_ms;
    if (txn->sink->persist(txn->sink->context, txn) == WEIR_OK) {
        return WR_ERR_NONE;
    }
    txn->producer_id = before->producer_id;
    txn->last_producer_id = before->last_producer_id;
    txn->start_ms = before->start_ms;
    txn->update_ms = before->update_ms;
    txn->epoch = before->epoch;
    txn->last_epoch = before->last_epoch;
    txn->timeout_ms = before->timeout_ms;
    txn->state = before->state;
    return WR_ERR_COORDINATOR_NOT_AVAILABLE;
}

static bool is_prepared(const struct wr_txn *txn)
{
    return txn->state == WR_TXN_PREPARE_COMMIT ||
           txn->state == WR_TXN_PREPARE_ABORT;
}

/* Writes the markers that are missing, then Complete. */
static void carry_out(struct wr_txn *txn, int64_t now_ms)
{
    bool commit = txn->state == WR_TXN_PREPARE_COMMIT;
    for (size_t i = txn->partition_count; i-- > 0;) {
        if (txn->sink->mark(txn->sink->context, txn, &txn->partitions[i],
                            commit) != WR_TXN_MARK_LATER) {
            remove_at(txn, i);
        }
    }
    txn->retry_ms = now_ms + MARK_RETRY_MS;
    if (txn->partition_count > 0) {
        return;
    }
    struct before before = before_of(txn);
    txn->state = commit ? WR_TXN_COMPLETE_COMMIT : WR_TXN_COMPLETE_ABORT;
    /* On failure the state stays Prepare and a tick comes here again. */
    (void)persist(txn, &before, now_ms);
}

/* Decides, and carries the decision out as far as possible now. */
static int16_t decide(struct wr_txn *txn, bool commit, bool fence,
                      int64_t now_ms)
{
    struct before before = before_of(txn);
    txn->state = commit ? WR_TXN_PREPARE_COMMIT : WR_TXN_PREPARE_ABORT;
    if (fence) {
        txn->epoch = (int16_t)(txn->epoch + (txn->epoch < INT16_MAX ? 1 : 0));
        txn->last_epoch = -1;
    }
    int16_t error = persist(txn, &before, now_ms);
    if (error == WR_ERR_NONE) {
        carry_out(txn, now_ms);
    }
    return error;
}

/* ---- init ---------------------------------------------------------------- */

/* The last epoch that a producer may have; the one after it is kept back, to
 * fence with. Below 0: a log in which it has been counted beyond the end. */
static bool is_exhausted(int16_t epoch)
{
    return epoch >= INT16_MAX - 1 || epoch < 0;
}

/* KIP-360: whether the caller's producer id can be ours at all. */
static bool may_be_owner(const struct wr_txn *txn,
                         const struct wr_txn_init *init)
{
    return init->producer_id < 0 || txn->epoch < 0 ||
           init->producer_id == txn->producer_id ||
           (init->producer_id == txn->last_producer_id &&
            is_exhausted(init->epoch));
}

static int16_t take_new_id(struct wr_txn *txn, const struct wr_txn_init *init)
{
    int64_t fresh = txn->sink->fresh_producer_id(txn->sink->context);
    if (fresh < 0) {
        return WR_ERR_COORDINATOR_NOT_AVAILABLE;
    }
    txn->last_producer_id = txn->producer_id;
    txn->last_epoch = init->producer_id >= 0 ? init->epoch : -1;
    txn->producer_id = fresh;
    txn->epoch = 0;
    return WR_ERR_NONE;
}

/* Chooses the epoch for who calls. */
static int16_t take_epoch(struct wr_txn *txn, const struct wr_txn_init *init)
{
    bool named = init->producer_id >= 0;
    if (txn->producer_id < 0) {
        struct wr_txn_init first = {.producer_id = -1};
        return take_new_id(txn, &first);
    }
    if (is_exhausted(txn->epoch) && (!named || init->epoch == txn->epoch)) {
        return take_new_id(txn, init);
    }
    if (txn->epoch == INT16_MAX && init->epoch == txn->last_epoch) {
        return take_new_id(txn, init); /* this epoch is nobody's */
    }
    if (!named) {
        txn->last_epoch = -1;
        txn->epoch++;
    } else if (init->epoch == txn->epoch) {
        txn->last_epoch = txn->epoch;
        txn->epoch++;
    } else if (init->epoch != txn->last_epoch) {
        return WR_ERR_PRODUCER_FENCED;
    } /* else: the same call again, the same answer */
    return WR_ERR_NONE;
}

int16_t wr_txn_init_producer(struct wr_txn *txn, const struct wr_txn_init *init,
                             int64_t now_ms)
{
    if (!may_be_owner(txn, init)) {
        return WR_ERR_PRODUCER_FENCED;
    }
    if (txn->state == WR_TXN_ONGOING) {
        if (init->producer_id >= 0 && init->epoch != txn->epoch) {
            return WR_ERR_PRODUCER_FENCED;
        }
        int16_t error =
            decide(txn, /* commit= */ false, /* fence= */ true, now_ms);
        if (error != WR_ERR_NONE) {
            return error;
        }
        if (init->producer_id >= 0) {
            /* The owner itself wants to begin anew: the epoch that fences is
             * its next one, and the same call again gets the same answer. */
            txn->last_epoch = init->epoch;
        }
    }
    if (is_prepared(txn)) {
        return WR_ERR_CONCURRENT_TRANSACTIONS;
    }
    struct before before = before_of(txn);
    int16_t error = take_epoch(txn, init);
    if (error != WR_ERR_NONE) {
        return error;
    }
    txn->timeout_ms = init->timeout_ms;
    txn->state = WR_TXN_EMPTY;
    txn->start_ms = -1;
    return persist(txn, &before, now_ms);
}

/* ---- add, end ------------------------------------------------------------ */

static int16_t check_caller(const struct wr_txn *txn,
                            const struct wr_txn_caller *caller)
{
    if (caller->producer_id != txn->producer_id) {
        return WR_ERR_INVALID_PRODUCER_ID_MAPPING;
    }
    return caller->epoch == txn->epoch ? WR_ERR_NONE : WR_ERR_PRODUCER_FENCED;
}

int16_t wr_txn_add(struct wr_txn *txn, const struct wr_txn_caller *caller,
                   const struct wr_txn_partition *partitions, size_t count,
                   int64_t now_ms)
{
    int16_t error = check_caller(txn, caller);
    if (error != WR_ERR_NONE) {
        return error;
    }
    if (is_prepared(txn)) {
        return WR_ERR_CONCURRENT_TRANSACTIONS;
    }
    bool opens = txn->state != WR_TXN_ONGOING;
    size_t had = txn->partition_count;
    for (size_t i = 0; i < count; i++) {
        if (wr_txn_has(txn, partitions[i].topic, partitions[i].partition)) {
            continue;
        }
        if (wr_txn_put(txn, partitions[i].topic, partitions[i].partition) !=
            WEIR_OK) {
            shrink_to(txn, had);
            return WR_ERR_COORDINATOR_NOT_AVAILABLE;
        }
    }
    if (txn->partition_count == had && !opens) {
        return WR_ERR_NONE;
    }
    struct before before = before_of(txn);
    if (opens) {
        txn->state = WR_TXN_ONGOING;
        txn->start_ms = now_ms;
    }
    error = persist(txn, &before, now_ms);
    if (error != WR_ERR_NONE) {
        shrink_to(txn, had);
    }
    return error;
}

int16_t wr_txn_end(struct wr_txn *txn, const struct wr_txn_caller *caller,
                   bool commit, int64_t now_ms)
{
    int16_t error = check_caller(txn, caller);
    if (error != WR_ERR_NONE) {
        return error;
    }
    switch (txn->state) {
    case WR_TXN_ONGOING:
        return decide(txn, commit, /* fence= */ false, now_ms);
    case WR_TXN_PREPARE_COMMIT:
        return commit ? WR_ERR_CONCURRENT_TRANSACTIONS
                      : WR_ERR_INVALID_TXN_STATE;
    case WR_TXN_PREPARE_ABORT:
        return commit ? WR_ERR_INVALID_TXN_STATE
                      : WR_ERR_CONCURRENT_TRANSACTIONS;
    case WR_TXN_COMPLETE_COMMIT:
        return commit ? WR_ERR_NONE : WR_ERR_INVALID_TXN_STATE;
    case WR_TXN_COMPLETE_ABORT:
        return commit ? WR_ERR_INVALID_TXN_STATE : WR_ERR_NONE;
    case WR_TXN_EMPTY:
    case WR_TXN_DEAD:
    default:
        return WR_ERR_INVALID_TXN_STATE;
    }
}

/* ---- time, writes -------------------------------------------------------- */

void wr_txn_tick(struct wr_txn *txn, int64_t now_ms)
{
    if (wr_txn_deadline(txn) > now_ms) {
        return;
    }
    if (is_prepared(txn)) {
        carry_out(txn, now_ms);
    } else if (decide(txn, /* commit= */ false, /* fence= */ true, now_ms) !=
               WR_ERR_NONE) {
        txn->retry_ms = now_ms + MARK_RETRY_MS;
    }
}

int64_t wr_txn_deadline(const struct wr_txn *txn)
{
    if (is_prepared(txn)) {
        return txn->retry_ms;
    }
    if (txn->state != WR_TXN_ONGOING) {
        return INT64_MAX;
    }
    int64_t due_ms = txn->start_ms + txn->timeout_ms;
    return due_ms > txn->retry_ms ? due_ms : txn->retry_ms;
}

int16_t wr_txn_check_write(const struct wr_txn *txn,
                           const struct wr_txn_writer *writer)
{
    if (writer->producer_id != txn->producer_id) {
        return WR_ERR_INVALID_PRODUCER_ID_MAPPING;
    }
    if (writer->epoch != txn->epoch) {
        return WR_ERR_INVALID_PRODUCER_EPOCH;
    }
    bool open = txn->state == WR_TXN_ONGOING &&
                wr_txn_has(txn, writer->topic, writer->partition);
    return open ? WR_ERR_NONE : WR_ERR_INVALID_TXN_STATE;
}
