/* SPDX-License-Identifier: Apache-2.0
 *
 * Producers of a partition. The rules for a batch of producer p, epoch e, with
 * sequences f..l:
 *
 *   p unknown                 any f (Kafka: the log may have forgotten p)
 *   e lower than p's          47
 *   e higher, or no batch yet f must be 0, else 45
 *   e equal, f..l remembered  a duplicate: the old offsets
 *   e equal, f == last + 1    next; 2147483647 is followed by 0
 *   e equal, else             45, but see below
 *   not transactional while p's transaction is open: 48
 *
 * Sequences of an aborted transaction are void: until the producer's next batch
 * they may be used again. librdkafka does so when it aborts with batches under
 * way, of which it cannot know whether they arrived; Kafka would take their
 * successors for duplicates, acknowledge them and store nothing. A batch that
 * is late and the same to the byte (its checksum says so) still is a duplicate.
 * docs/notes/003.
 *
 * The snapshot is Kafka's, which keeps the last batch of each producer only:
 *   0  2  version 1
 *   2  4  CRC-32C of everything from 6 on, to the end of the file
 *   6  4  count
 *  10  46 each: i64 producer id, i16 epoch, i32 last sequence, i64 last offset,
 *         i32 offset delta, i64 timestamp, i32 coordinator epoch, i64 first
 *         offset of the open transaction (-1 none)
 * What it has no place for follows, where Kafka does not look but to sum it:
 *      4  "weir"
 *      2  version 0
 *         each, in the same order: i32 first sequence of the open transaction,
 *         i32 void from, i16 batches, and per batch i32 first sequence, i32
 *         last sequence, i64 last offset, i32 offset delta, i64 timestamp, u32
 *         checksum
 * A snapshot that Kafka wrote has no such part: the log refills the other four
 * batches from its end. Thread: the broker's loop. */
#include "broker/producer_state.h"

#include "base/hash.h"

#include <stdlib.h>

#define LIVE_MS          (INT64_C(15) * 60 * 1000) /* may repeat a batch */
#define LIVE_FACTOR      10u /* times `max` while all are live */
#define SNAPSHOT_ENTRY   46u
#define SNAPSHOT_VERSION 1
#define REST_MAGIC       0x77656972u /* "weir" */
#define REST_VERSION     0

void wr_producers_init(struct wr_producers *producers, uint32_t max,
                       int64_t expire_ms, int64_t now_ms)
{
    *producers = (struct wr_producers){
        .max = max,
        .full = max,
        .expire_ms = expire_ms,
        .now_ms = now_ms,
    };
    wr_map_init(&producers->map);
}

void wr_producers_done(struct wr_producers *producers)
{
    wr_producers_clear(producers);
    free(producers->txns);
    producers->txns = NULL;
    producers->txn_cap = 0;
}

void wr_producers_clear(struct wr_producers *producers)
{
    size_t cursor = 0;
    void *value;
    while (wr_map_next(&producers->map, &cursor, NULL, &value)) {
        free(value);
    }
    wr_map_done(&producers->map);
    producers->txn_count = 0;
    producers->full = producers->max;
}

/* ---- the map --------------------------------------------------------------
 */

static struct weir_bytes map_key(int64_t producer_id, uint8_t out[8])
{
    wr_store_i64(out, producer_id);
    return weir_bytes(out, 8);
}

struct wr_producer_state *wr_producers_get(const struct wr_producers *producers,
                                           int64_t producer_id)
{
    uint8_t key[8];
    return wr_map_get(&producers->map, map_key(producer_id, key));
}

static void producer_remove(struct wr_producers *producers, int64_t producer_id)
{
    uint8_t key[8];
    free(wr_map_remove(&producers->map, map_key(producer_id, key)));
}

void wr_producers_expire(struct wr_producers *producers, int64_t now_ms)
{
    size_t cursor = 0;
    void *value;
    producers->now_ms = now_ms;
    while (wr_map_next(&producers->map, &cursor, NULL, &value)) {
        struct wr_producer_state *p = value;
        if (p->txn_first_offset < 0 &&
            p->used_ms < now_ms - producers->expire_ms) {
            producer_remove(producers, p->producer_id);
        }
    }
}

static int offset_order(const void *a, const void *b)
{
    const int64_t *x = a;
    const int64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Removes those without a transaction that were last used at or before `ms`,
 * longest unused first (the log's order is that of use), until `keep` are
 * left. Without memory nobody goes. */
static void remove_unused(struct wr_producers *producers, int64_t ms,
                          size_t keep)
{
    size_t cursor = 0;
    size_t count = 0;
    void *value;
    int64_t *offsets = malloc(producers->map.count * sizeof(*offsets));
    while (offsets && wr_map_next(&producers->map, &cursor, NULL, &value)) {
        const struct wr_producer_state *p = value;
        if (p->txn_first_offset < 0 && p->used_ms <= ms) {
            offsets[count++] = p->used_offset;
        }
    }
    size_t wanted =
        producers->map.count > keep ? producers->map.count - keep : 0;
    if (count > 0 && wanted > 0) {
        qsort(offsets, count, sizeof(*offsets), offset_order);
        int64_t last = offsets[(wanted < count ? wanted : count) - 1];
        cursor = 0;
        while (wr_map_next(&producers->map, &cursor, NULL, &value)) {
            const struct wr_producer_state *p = value;
            if (p->txn_first_offset < 0 && p->used_ms <= ms &&
                p->used_offset <= last) {
                producer_remove(producers, p->producer_id);
            }
        }
    }
    free(offsets);
}

/* An eighth of the limit at once, so that the search is rare; also when it
 * finds nobody. */
static void make_room(struct wr_producers *producers)
{
    size_t eighth = producers->max / 8 + 1;
    size_t most = (size_t)producers->max * LIVE_FACTOR;
    remove_unused(producers, producers->now_ms - LIVE_MS,
                  producers->max - eighth);
    if (producers->map.count >= most) {
        remove_unused(producers, INT64_MAX, most - eighth);
    }
    size_t full = producers->map.count + eighth;
    full = full < producers->max ? producers->max : full;
    producers->full = (uint32_t)(full < most ? full : most);
}

/* The producer, made when unknown. */
static enum weir_status producer_make(struct wr_producers *producers,
                                      int64_t producer_id,
                                      struct wr_producer_state **out)
{
    uint8_t key[8];
    struct wr_producer_state *p = wr_producers_get(producers, producer_id);
    if (!p) {
        if (producers->map.count >= producers->full) {
            make_room(producers);
        }
        if (producers->map.count >= producers->full) {
            return WEIR_E_TOOBIG;
        }
        p = calloc(1, sizeof(*p));
        if (!p) {
            return WEIR_E_NOMEM;
        }
        *p = (struct wr_producer_state){
            .producer_id = producer_id,
            .producer_epoch = -1,
            .coordinator_epoch = -1,
            .used_ms = producers->now_ms,
            .used_offset = -1,
            .txn_first_offset = -1,
            .txn_first_sequence = -1,
            .void_from = -1,
        };
        if (wr_map_put(&producers->map, map_key(producer_id, key), p, NULL) !=
            WEIR_OK) {
            free(p);
            return WEIR_E_NOMEM;
        }
    }
    *out = p;
    return WEIR_OK;
}

/* ---- batches --------------------------------------------------------------
 */

static const struct wr_producer_batch *
last_batch(const struct wr_producer_state *p)
{
    return p->batch_count > 0 ? &p->batches[p->batch_count - 1] : NULL;
}

static int32_t next_sequence(int32_t sequence)
{
    return sequence == INT32_MAX ? 0 : sequence + 1;
}

static const struct wr_producer_batch *
find_batch(const struct wr_producer_state *p, const struct wr_batch *batch)
{
    for (uint32_t i = 0; i < p->batch_count; i++) {
        const struct wr_producer_batch *b = &p->batches[i];
        if (b->first_sequence == batch->base_sequence &&
            b->last_sequence == wr_batch_last_sequence(batch)) {
            return b;
        }
    }
    return NULL;
}

/* Whether a sequence is one of those that an aborted transaction used. */
static bool is_void(const struct wr_producer_state *p, int32_t sequence)
{
    const struct wr_producer_batch *last = last_batch(p);
    if (p->void_from < 0 || !last) {
        return false;
    }
    uint32_t from = (uint32_t)p->void_from;
    uint32_t used = ((uint32_t)last->last_sequence - from) & 0x7fffffff;
    return (((uint32_t)sequence - from) & 0x7fffffff) <= used;
}

/* Whether the newest remembered batch lies at or behind where `batch` begins.
 */
static bool is_replaced(const struct wr_producer_state *p,
                        const struct wr_batch *batch)
{
    uint32_t last = (uint32_t)p->batches[p->batch_count - 1].last_sequence;
    return ((last - (uint32_t)batch->base_sequence) & 0x7fffffff) < 0x40000000;
}

static enum wr_kafka_error refuse_sequence(const struct wr_batch *batch,
                                           int32_t wanted,
                                           struct weir_error *err)
{
    (void)weir_fail(err, WEIR_E_INVALID,
                    "producer %lld epoch %d sent sequence %d where %d follows",
                    (long long)batch->producer_id, batch->producer_epoch,
                    batch->base_sequence, wanted);
    return WR_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
}

enum wr_kafka_error wr_producers_check(const struct wr_producers *producers,
                                       const struct wr_batch *batch,
                                       struct wr_producer_batch *out_duplicate,
                                       bool *out_is_duplicate,
                                       struct weir_error *err)
{
    *out_is_duplicate = false;
    const struct wr_producer_state *p =
        batch->producer_id >= 0
            ? wr_producers_get(producers, batch->producer_id)
            : NULL;
    if (!p) {
        return WR_ERR_NONE;
    }
    if (batch->producer_epoch < p->producer_epoch) {
        (void)weir_fail(err, WEIR_E_FENCED,
                        "producer %lld epoch %d was replaced by epoch %d",
                        (long long)p->producer_id, batch->producer_epoch,
                        p->producer_epoch);
        return WR_ERR_INVALID_PRODUCER_EPOCH;
    }
    const struct wr_producer_batch *last = last_batch(p);
    if (batch->base_sequence < 0) {
        /* positions of a transaction, from the coordinator: no sequences */
    } else if (batch->producer_epoch > p->producer_epoch || !last) {
        if (batch->base_sequence != 0 && p->producer_epoch >= 0) {
            return refuse_sequence(batch, 0, err);
        }
    } else {
        const struct wr_producer_batch *same = find_batch(p, batch);
        bool again = wr_batch_is_transactional(batch) &&
                     is_void(p, batch->base_sequence);
        if (same && (!again || same->crc == batch->crc || same->crc == 0)) {
            *out_duplicate = *same;
            *out_is_duplicate = true;
            return WR_ERR_NONE;
        }
        int32_t wanted = next_sequence(last->last_sequence);
        if (batch->base_sequence != wanted && !again) {
            return refuse_sequence(batch, wanted, err);
        }
    }
    if (p->txn_first_offset >= 0 && !wr_batch_is_transactional(batch)) {
        (void)weir_fail(err, WEIR_E_INVALID,
                        "producer %lld has a transaction open and sent a batch "
                        "outside of it",
                        (long long)p->producer_id);
        return WR_ERR_INVALID_TXN_STATE;
    }
    return WR_ERR_NONE;
}

static enum weir_status txn_room(struct wr_producers *producers)
{
    if (producers->txn_count == producers->txn_cap) {
        size_t cap = producers->txn_cap ? producers->txn_cap * 2 : 4;
        struct wr_unstable_txn *txns =
            realloc(producers->txns, cap * sizeof(*txns));
        if (!txns) {
            return WEIR_E_NOMEM;
        }
        producers->txns = txns;
        producers->txn_cap = cap;
    }
    return WEIR_OK;
}

enum weir_status wr_producers_reserve(struct wr_producers *producers,
                                      int64_t producer_id)
{
    struct wr_producer_state *p;
    if (producer_id < 0) {
        return WEIR_OK;
    }
    enum weir_status status = producer_make(producers, producer_id, &p);
    return status == WEIR_OK ? txn_room(producers) : status;
}

static enum weir_status txn_add(struct wr_producers *producers,
                                int64_t producer_id, int64_t first_offset)
{
    enum weir_status status = txn_room(producers);
    if (status != WEIR_OK) {
        return status;
    }
    producers->txns[producers->txn_count++] =
        (struct wr_unstable_txn){producer_id, first_offset, -1};
    return WEIR_OK;
}

enum weir_status wr_producers_apply(struct wr_producers *producers,
                                    const struct wr_batch *batch)
{
    struct wr_producer_state *p;
    if (batch->producer_id < 0) {
        return WEIR_OK;
    }
    enum weir_status status = producer_make(producers, batch->producer_id, &p);
    if (status == WEIR_OK && wr_batch_is_transactional(batch) &&
        p->txn_first_offset < 0) {
        status = txn_add(producers, p->producer_id, batch->base_offset);
        if (status == WEIR_OK) {
            p->txn_first_offset = batch->base_offset;
            p->txn_first_sequence = batch->base_sequence;
        }
    }
    if (status != WEIR_OK) {
        return status;
    }
    if (batch->producer_epoch != p->producer_epoch) {
        p->producer_epoch = batch->producer_epoch;
        p->batch_count = 0;
    }
    p->last_timestamp_ms = batch->max_timestamp;
    p->used_ms = producers->now_ms;
    p->used_offset = batch->base_offset;
    if (batch->base_sequence < 0) {
        return WEIR_OK; /* nothing that could come twice */
    }
    if (is_void(p, batch->base_sequence)) {
        while (p->batch_count > 0 && is_replaced(p, batch)) {
            p->batch_count--;
        }
    }
    p->void_from = -1;
    if (p->batch_count == WR_PRODUCER_BATCHES) {
        p->batch_count--;
        memmove(p->batches, p->batches + 1,
                p->batch_count * sizeof(p->batches[0]));
    }
    p->batches[p->batch_count++] = (struct wr_producer_batch){
        .first_sequence = batch->base_sequence,
        .last_sequence = wr_batch_last_sequence(batch),
        .last_offset = wr_batch_last_offset(batch),
        .offset_delta = batch->last_offset_delta,
        .timestamp_ms = batch->max_timestamp,
        .crc = batch->crc,
    };
    return WEIR_OK;
}

void wr_producers_backfill(struct wr_producers *producers,
                           const struct wr_batch *batch)
{
    struct wr_producer_state *p =
        batch->producer_id >= 0
            ? wr_producers_get(producers, batch->producer_id)
            : NULL;
    if (!p || p->producer_epoch != batch->producer_epoch ||
        p->batch_count == 0 || p->batch_count == WR_PRODUCER_BATCHES ||
        wr_batch_last_offset(batch) >= p->batches[0].last_offset ||
        next_sequence(wr_batch_last_sequence(batch)) !=
            p->batches[0].first_sequence) {
        return;
    }
    memmove(p->batches + 1, p->batches, p->batch_count * sizeof(p->batches[0]));
    p->batch_count++;
    p->batches[0] = (struct wr_producer_batch){
        .first_sequence = batch->base_sequence,
        .last_sequence = wr_batch_last_sequence(batch),
        .last_offset = wr_batch_last_offset(batch),
        .offset_delta = batch->last_offset_delta,
        .timestamp_ms = batch->max_timestamp,
        .crc = batch->crc,
    };
}

/* ---- transactions ---------------------------------------------------------
 */

enum wr_kafka_error
wr_producers_check_marker(const struct wr_producers *producers,
                          const struct wr_marker *marker,
                          struct weir_error *err)
{
    const struct wr_producer_state *p =
        wr_producers_get(producers, marker->producer_id);
    if (p && marker->producer_epoch < p->producer_epoch) {
        (void)weir_fail(err, WEIR_E_FENCED,
                        "marker of producer %lld has epoch %d, the partition "
                        "knows %d",
                        (long long)p->producer_id, marker->producer_epoch,
                        p->producer_epoch);
        return WR_ERR_INVALID_PRODUCER_EPOCH;
    }
    if (p && marker->coordinator_epoch < p->coordinator_epoch) {
        (void)weir_fail(err, WEIR_E_FENCED,
                        "marker of producer %lld comes from coordinator epoch "
                        "%d, the partition knows %d",
                        (long long)p->producer_id, marker->coordinator_epoch,
                        p->coordinator_epoch);
        return WR_ERR_TRANSACTION_COORDINATOR_FENCED;
    }
    return WR_ERR_NONE;
}

bool wr_producers_abort_entry(const struct wr_producers *producers,
                              const struct wr_marker *marker, int64_t offset,
                              struct wr_abort_entry *out)
{
    const struct wr_producer_state *p =
        wr_producers_get(producers, marker->producer_id);
    if (marker->commit || !p || p->txn_first_offset < 0) {
        return false;
    }
    /* Kafka's LSO of an abort entry: where readers stand once this one is over.
     */
    int64_t stable = offset + 1;
    for (size_t i = 0; i < producers->txn_count; i++) {
        const struct wr_unstable_txn *txn = &producers->txns[i];
        if (txn->marker_offset < 0 && txn->producer_id != p->producer_id &&
            txn->first_offset < stable) {
            stable = txn->first_offset;
        }
    }
    *out = (struct wr_abort_entry){
        .producer_id = marker->producer_id,
        .first_offset = p->txn_first_offset,
        .last_offset = offset,
        .last_stable_offset = stable,
    };
    return true;
}

enum weir_status wr_producers_apply_marker(struct wr_producers *producers,
                                           const struct wr_marker *marker,
                                           int64_t offset)
{
    struct wr_producer_state *p;
    enum weir_status status = producer_make(producers, marker->producer_id, &p);
    if (status != WEIR_OK) {
        return status;
    }
    if (marker->producer_epoch != p->producer_epoch) {
        p->producer_epoch = marker->producer_epoch;
        p->batch_count = 0;
    }
    p->coordinator_epoch = marker->coordinator_epoch;
    p->last_timestamp_ms = marker->timestamp_ms;
    p->used_ms = producers->now_ms;
    p->used_offset = offset;
    for (size_t i = 0; i < producers->txn_count; i++) {
        struct wr_unstable_txn *txn = &producers->txns[i];
        if (txn->marker_offset < 0 && txn->producer_id == p->producer_id) {
            txn->marker_offset = offset;
        }
    }
    p->void_from =
        marker->commit || p->txn_first_offset < 0 ? -1 : p->txn_first_sequence;
    p->txn_first_offset = -1;
    p->txn_first_sequence = -1;
    return WEIR_OK;
}

void wr_producers_advance(struct wr_producers *producers,
                          int64_t high_watermark)
{
    size_t kept = 0;
    for (size_t i = 0; i < producers->txn_count; i++) {
        const struct wr_unstable_txn *txn = &producers->txns[i];
        if (txn->marker_offset < 0 || txn->marker_offset >= high_watermark) {
            producers->txns[kept++] = *txn;
        }
    }
    producers->txn_count = kept;
}

int64_t wr_producers_stable(const struct wr_producers *producers,
                            int64_t high_watermark)
{
    if (producers->txn_count == 0 ||
        producers->txns[0].first_offset > high_watermark) {
        return high_watermark;
    }
    return producers->txns[0].first_offset;
}

/* ---- snapshot -------------------------------------------------------------
 */

/* Kafka's part of a producer. */
static void entry_save(const struct wr_producer_state *p, struct wr_buf *out)
{
    const struct wr_producer_batch *last = last_batch(p);
    wr_buf_put_i64(out, p->producer_id);
    wr_buf_put_i16(out, p->producer_epoch);
    wr_buf_put_i32(out, last ? last->last_sequence : -1);
    wr_buf_put_i64(out, last ? last->last_offset : -1);
    wr_buf_put_i32(out, last ? last->offset_delta : 0);
    wr_buf_put_i64(out, p->last_timestamp_ms);
    wr_buf_put_i32(out, p->coordinator_epoch);
    wr_buf_put_i64(out, p->txn_first_offset);
}

/* The rest of it. */
static void rest_save(const struct wr_producer_state *p, struct wr_buf *out)
{
    wr_buf_put_i32(out, p->txn_first_sequence);
    wr_buf_put_i32(out, p->void_from);
    wr_buf_put_i16(out, (int16_t)p->batch_count);
    for (uint32_t i = 0; i < p->batch_count; i++) {
        const struct wr_producer_batch *batch = &p->batches[i];
        wr_buf_put_i32(out, batch->first_sequence);
        wr_buf_put_i32(out, batch->last_sequence);
        wr_buf_put_i64(out, batch->last_offset);
        wr_buf_put_i32(out, batch->offset_delta);
        wr_buf_put_i64(out, batch->timestamp_ms);
        wr_buf_put_i32(out, (int32_t)batch->crc);
    }
}

static void save_each(const struct wr_producers *producers, struct wr_buf *out,
                      void (*save)(const struct wr_producer_state *p,
                                   struct wr_buf *out))
{
    size_t cursor = 0;
    void *value;
    while (wr_map_next(&producers->map, &cursor, NULL, &value)) {
        save(value, out);
    }
}

void wr_producers_save(const struct wr_producers *producers, struct wr_buf *out)
{
    size_t start = out->len;
    wr_buf_put_i16(out, SNAPSHOT_VERSION);
    wr_buf_put_i32(out, 0);
    wr_buf_put_i32(out, (int32_t)producers->map.count);
    save_each(producers, out, entry_save);
    wr_buf_put_i32(out, REST_MAGIC);
    wr_buf_put_i16(out, REST_VERSION);
    save_each(producers, out, rest_save);
    if (out->status == WEIR_OK) {
        wr_store_u32(out->data + start + 2,
                     wr_crc32c(0, out->data + start + 6, out->len - start - 6));
    }
}

static enum weir_status entry_load(struct wr_producers *producers,
                                   struct wr_reader *reader,
                                   struct wr_producer_state **out)
{
    struct wr_producer_state *p;
    int64_t producer_id = wr_read_i64(reader);
    enum weir_status status = producer_make(producers, producer_id, &p);
    if (status != WEIR_OK) {
        return status;
    }
    p->producer_epoch = wr_read_i16(reader);
    int32_t last_sequence = wr_read_i32(reader);
    int64_t last_offset = wr_read_i64(reader);
    int32_t offset_delta = wr_read_i32(reader);
    p->last_timestamp_ms = wr_read_i64(reader);
    p->coordinator_epoch = wr_read_i32(reader);
    p->txn_first_offset = wr_read_i64(reader);
    p->used_offset = last_offset;
    if (last_sequence >= 0 && last_offset >= 0 && offset_delta >= 0) {
        p->batch_count = 1;
        p->batches[0] = (struct wr_producer_batch){
            .first_sequence =
                (int32_t)(((uint32_t)last_sequence - (uint32_t)offset_delta) &
                          0x7fffffff),
            .last_sequence = last_sequence,
            .last_offset = last_offset,
            .offset_delta = offset_delta,
            .timestamp_ms = p->last_timestamp_ms,
        };
    }
    *out = p;
    return p->txn_first_offset >= 0
               ? txn_add(producers, producer_id, p->txn_first_offset)
               : WEIR_OK;
}

static enum weir_status rest_load(struct wr_producer_state *p,
                                  struct wr_reader *reader)
{
    p->txn_first_sequence = wr_read_i32(reader);
    p->void_from = wr_read_i32(reader);
    int16_t count = wr_read_i16(reader);
    if (count < 0 || count > WR_PRODUCER_BATCHES) {
        return WEIR_E_CORRUPT;
    }
    p->batch_count = (uint32_t)count;
    for (int16_t i = 0; i < count; i++) {
        struct wr_producer_batch *batch = &p->batches[i];
        batch->first_sequence = wr_read_i32(reader);
        batch->last_sequence = wr_read_i32(reader);
        batch->last_offset = wr_read_i64(reader);
        batch->offset_delta = wr_read_i32(reader);
        batch->timestamp_ms = wr_read_i64(reader);
        batch->crc = wr_read_u32(reader);
    }
    return reader->status == WEIR_OK ? WEIR_OK : WEIR_E_CORRUPT;
}

static int txn_order(const void *a, const void *b)
{
    const struct wr_unstable_txn *x = a;
    const struct wr_unstable_txn *y = b;
    return x->first_offset < y->first_offset
               ? -1
               : x->first_offset > y->first_offset;
}

/* A snapshot in its parts. */
struct snapshot {
    struct wr_reader entries;
    struct wr_reader rest; /* what Kafka does not know of the same producers */
    bool has_rest;
};

static enum weir_status snapshot_open(struct weir_bytes bytes,
                                      struct snapshot *out)
{
    struct wr_reader reader;
    wr_reader_init(&reader, bytes);
    int16_t version = wr_read_i16(&reader);
    uint32_t crc = wr_read_u32(&reader);
    int32_t count = wr_read_i32(&reader);
    if (reader.status != WEIR_OK || version != SNAPSHOT_VERSION || count < 0 ||
        wr_reader_left(&reader) / SNAPSHOT_ENTRY < (size_t)count ||
        wr_crc32c(0, bytes.data + 6, bytes.len - 6) != crc) {
        return WEIR_E_CORRUPT;
    }
    struct weir_bytes entries =
        wr_read_bytes(&reader, (size_t)count * SNAPSHOT_ENTRY);
    wr_reader_init(&out->entries, entries);
    out->has_rest = wr_reader_left(&reader) > 0;
    out->rest = reader;
    if (out->has_rest && (wr_read_u32(&out->rest) != REST_MAGIC ||
                          wr_read_i16(&out->rest) != REST_VERSION)) {
        return WEIR_E_CORRUPT;
    }
    return WEIR_OK;
}

enum weir_status wr_producers_load(struct wr_producers *producers,
                                   struct weir_bytes bytes,
                                   struct weir_error *err)
{
    struct snapshot from;
    wr_producers_clear(producers);
    enum weir_status status = snapshot_open(bytes, &from);
    while (status == WEIR_OK && wr_reader_left(&from.entries) > 0) {
        struct wr_producer_state *p = NULL;
        status = entry_load(producers, &from.entries, &p);
        if (status == WEIR_OK && from.has_rest) {
            status = rest_load(p, &from.rest);
        }
    }
    if (status == WEIR_OK && wr_reader_left(&from.rest) > 0) {
        status = WEIR_E_CORRUPT;
    }
    if (status != WEIR_OK) {
        wr_producers_clear(producers);
        return weir_fail(err, status, "producer snapshot: %s",
                         weir_status_text(status));
    }
    if (producers->txn_count > 1) {
        qsort(producers->txns, producers->txn_count,
              sizeof(struct wr_unstable_txn), txn_order);
    }
    return WEIR_OK;
}
