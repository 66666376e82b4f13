/* SPDX-License-Identifier: Apache-2.0
 *
 * Positions by topic and partition. A place of the table has the committed
 * position and those of open transactions; it lives while there is any. The key
 * is the partition as four bytes, then the topic's name.
 *
 *   staged -> committed                        a plain commit
 *   staged -> of a transaction -> committed    the transaction commits
 *                              -> dropped      it aborts
 *
 * Memory is taken for staging only. A commit marker stands in the log when it
 * gets here: a position of it that were lost then would be lost for good. */
#include "broker/offsets.h"

#include "broker/owned.h"

#define TOPIC_BYTES_MAX 249

struct place {
    struct wr_offsets_position *committed; /* owned; or NULL */
    struct wr_offsets_position *open;      /* lent by transactions, `beside` */
    size_t staged;                         /* positions that will come here */
};

struct wr_offsets_position {
    struct wr_offsets_position *next;   /* of its transaction, or staged */
    struct wr_offsets_position *beside; /* of its place, other transactions' */
    struct place *place;
    struct wr_offsets_txn *txn; /* NULL: none */
    struct wr_offset offset;    /* with bytes of its own */
};

struct wr_offsets_txn {
    struct wr_offsets_txn *next;
    int64_t producer_id;
    struct wr_offsets_position *positions; /* owned; one a place */
    size_t staged;                         /* positions that will come here */
};

struct key {
    uint8_t bytes[4 + TOPIC_BYTES_MAX];
    size_t len;
};

static bool key_make(struct key *key, struct weir_bytes topic,
                     int32_t partition)
{
    if (topic.len == 0 || topic.len > TOPIC_BYTES_MAX || partition < 0) {
        return false;
    }
    wr_store_i32(key->bytes, partition);
    memcpy(key->bytes + 4, topic.data, topic.len);
    key->len = 4 + topic.len;
    return true;
}

static struct place *place_find(const struct wr_offsets *offsets,
                                struct weir_bytes topic, int32_t partition)
{
    struct key key;
    return key_make(&key, topic, partition)
               ? wr_map_get(&offsets->places, weir_bytes(key.bytes, key.len))
               : NULL;
}

static enum weir_status place_make(struct wr_offsets *offsets,
                                   struct weir_bytes topic, int32_t partition,
                                   struct place **out)
{
    struct key key;
    if (!key_make(&key, topic, partition)) {
        return WEIR_E_INVALID;
    }
    struct weir_bytes at = weir_bytes(key.bytes, key.len);
    *out = wr_map_get(&offsets->places, at);
    if (*out) {
        return WEIR_OK;
    }
    struct place *place = calloc(1, sizeof(*place));
    if (!place) {
        return WEIR_E_NOMEM;
    }
    enum weir_status status = wr_map_put(&offsets->places, at, place, NULL);
    if (status != WEIR_OK) {
        free(place);
        return status;
    }
    *out = place;
    return WEIR_OK;
}

/* Frees a place that nothing needs. */
static void place_release(struct wr_offsets *offsets, struct place *place,
                          struct weir_bytes topic, int32_t partition)
{
    struct key key;
    if (!place->committed && !place->open && place->staged == 0 &&
        key_make(&key, topic, partition)) {
        (void)wr_map_remove(&offsets->places, weir_bytes(key.bytes, key.len));
        free(place);
    }
}

static struct wr_offsets_position *position_new(const struct wr_offset *from)
{
    struct wr_offsets_position *position = calloc(1, sizeof(*position));
    if (!position) {
        return NULL;
    }
    struct wr_offset *offset = &position->offset;
    *offset = *from;
    offset->topic = WEIR_NULL;
    offset->metadata = WEIR_NULL;
    struct weir_bytes metadata =
        from->metadata.data ? from->metadata : weir_text("");
    if (wr_owned_set(&offset->topic, from->topic) != WEIR_OK ||
        wr_owned_set(&offset->metadata, metadata) != WEIR_OK) {
        wr_owned_free(&offset->topic);
        free(position);
        return NULL;
    }
    return position;
}

static void position_free(struct wr_offsets_position *position)
{
    if (position) {
        wr_owned_free(&position->offset.topic);
        wr_owned_free(&position->offset.metadata);
        free(position);
    }
}

/* Frees a position that its place no longer has, and the place if it was the
 * last there. */
static void position_drop(struct wr_offsets *offsets,
                          struct wr_offsets_position *position)
{
    place_release(offsets, position->place, position->offset.topic,
                  position->offset.partition);
    position_free(position);
}

/* The newer of two by place in the log stays. */
static void commit(struct wr_offsets *offsets,
                   struct wr_offsets_position *position)
{
    struct place *place = position->place;
    if (place->committed &&
        place->committed->offset.log_offset > position->offset.log_offset) {
        position_drop(offsets, position);
        return;
    }
    offsets->count += place->committed ? 0 : 1;
    position_free(place->committed);
    place->committed = position;
    position->txn = NULL;
    position->next = NULL;
}

/* ---- transactions ---------------------------------------------------------
 */

static struct wr_offsets_txn **txn_find(struct wr_offsets *offsets,
                                        int64_t producer_id)
{
    struct wr_offsets_txn **at = &offsets->txns;
    while (*at && (*at)->producer_id != producer_id) {
        at = &(*at)->next;
    }
    return at;
}

static struct wr_offsets_txn *txn_make(struct wr_offsets *offsets,
                                       int64_t producer_id)
{
    struct wr_offsets_txn **at = txn_find(offsets, producer_id);
    if (!*at) {
        *at = calloc(1, sizeof(**at));
        if (*at) {
            (*at)->producer_id = producer_id;
        }
    }
    return *at;
}

/* Frees a transaction that has nothing here. */
static void txn_release(struct wr_offsets *offsets, struct wr_offsets_txn *txn)
{
    if (!txn->positions && txn->staged == 0) {
        *txn_find(offsets, txn->producer_id) = txn->next;
        free(txn);
    }
}

/* Takes a position in; the same transaction's former one there is replaced. */
static void txn_add(struct wr_offsets_position *position)
{
    struct wr_offsets_position *former = position->place->open;
    while (former && former->txn != position->txn) {
        former = former->beside;
    }
    if (former) {
        struct wr_offset older = former->offset;
        former->offset = position->offset;
        position->offset = older;
        position_free(position);
        return;
    }
    position->beside = position->place->open;
    position->place->open = position;
    position->next = position->txn->positions;
    position->txn->positions = position;
}

static void place_close(struct wr_offsets_position *position)
{
    struct wr_offsets_position **at = &position->place->open;
    while (*at != position) {
        at = &(*at)->beside;
    }
    *at = position->beside;
    position->beside = NULL;
}

bool wr_offsets_end_txn(struct wr_offsets *offsets, int64_t producer_id,
                        bool committed)
{
    struct wr_offsets_txn *txn = *txn_find(offsets, producer_id);
    if (!txn) {
        return false;
    }
    struct wr_offsets_position *position = txn->positions;
    txn->positions = NULL;
    while (position) {
        struct wr_offsets_position *next = position->next;
        place_close(position);
        if (committed) {
            commit(offsets, position);
        } else {
            position_drop(offsets, position);
        }
        position = next;
    }
    txn_release(offsets, txn);
    return true;
}

/* ---- staging --------------------------------------------------------------
 */

enum weir_status wr_offsets_stage(struct wr_offsets *offsets,
                                  int64_t producer_id,
                                  const struct wr_offset *from)
{
    struct place *place = NULL;
    enum weir_status status =
        place_make(offsets, from->topic, from->partition, &place);
    if (status != WEIR_OK) {
        return status;
    }
    struct wr_offsets_position *position = position_new(from);
    struct wr_offsets_txn *txn =
        position && producer_id >= 0 ? txn_make(offsets, producer_id) : NULL;
    if (!position || (producer_id >= 0 && !txn)) {
        place_release(offsets, place, from->topic, from->partition);
        position_free(position);
        return WEIR_E_NOMEM;
    }
    place->staged++;
    position->place = place;
    if (txn) {
        txn->staged++;
        position->txn = txn;
    }
    *offsets->staged_end = position;
    offsets->staged_end = &position->next;
    return WEIR_OK;
}

/* The oldest of what is staged, or NULL. */
static struct wr_offsets_position *unstage(struct wr_offsets *offsets)
{
    struct wr_offsets_position *position = offsets->staged;
    if (position) {
        offsets->staged = position->next;
        if (!offsets->staged) {
            offsets->staged_end = &offsets->staged;
        }
        position->next = NULL;
        position->place->staged--;
        if (position->txn) {
            position->txn->staged--;
        }
    }
    return position;
}

void wr_offsets_accept_staged(struct wr_offsets *offsets, int64_t log_offset)
{
    struct wr_offsets_position *position;
    while ((position = unstage(offsets)) != NULL) {
        position->offset.log_offset = log_offset++;
        if (position->txn) {
            txn_add(position);
        } else {
            commit(offsets, position);
        }
    }
}

void wr_offsets_drop_staged(struct wr_offsets *offsets)
{
    struct wr_offsets_position *position;
    while ((position = unstage(offsets)) != NULL) {
        if (position->txn) {
            txn_release(offsets, position->txn);
        }
        position_drop(offsets, position);
    }
}

/* ---- the table ------------------------------------------------------------
 */

void wr_offsets_init(struct wr_offsets *offsets)
{
    wr_map_init(&offsets->places);
    offsets->count = 0;
    offsets->txns = NULL;
    offsets->staged = NULL;
    offsets->staged_end = &offsets->staged;
}

void wr_offsets_clear(struct wr_offsets *offsets)
{
    wr_offsets_done(offsets);
    wr_offsets_init(offsets);
}

void wr_offsets_done(struct wr_offsets *offsets)
{
    wr_offsets_drop_staged(offsets);
    while (offsets->txns) {
        (void)wr_offsets_end_txn(offsets, offsets->txns->producer_id, false);
    }
    size_t cursor = 0;
    void *value;
    while (wr_map_next(&offsets->places, &cursor, NULL, &value)) {
        struct place *place = value;
        position_free(place->committed);
        free(place);
    }
    wr_map_done(&offsets->places);
}

const struct wr_offset *wr_offsets_get(const struct wr_offsets *offsets,
                                       struct weir_bytes topic,
                                       int32_t partition)
{
    const struct place *place = place_find(offsets, topic, partition);
    return place && place->committed ? &place->committed->offset : NULL;
}

bool wr_offsets_unstable(const struct wr_offsets *offsets,
                         struct weir_bytes topic, int32_t partition)
{
    const struct place *place = place_find(offsets, topic, partition);
    return place && place->open;
}

static const struct wr_offset *known(const struct place *place)
{
    if (place->committed) {
        return &place->committed->offset;
    }
    return place->open ? &place->open->offset : NULL;
}

const struct wr_offset *wr_offsets_get_known(const struct wr_offsets *offsets,
                                             struct weir_bytes topic,
                                             int32_t partition)
{
    const struct place *place = place_find(offsets, topic, partition);
    return place ? known(place) : NULL;
}

bool wr_offsets_next_known(const struct wr_offsets *offsets, size_t *cursor,
                           const struct wr_offset **out)
{
    void *value = NULL;
    while (wr_map_next(&offsets->places, cursor, NULL, &value)) {
        *out = known(value);
        if (*out) {
            return true;
        }
    }
    *out = NULL;
    return false;
}

/* Takes a position out of its place and its transaction. */
static void leave_txn(struct wr_offsets *offsets,
                      struct wr_offsets_position *position)
{
    struct wr_offsets_position **at = &position->txn->positions;
    while (*at != position) {
        at = &(*at)->next;
    }
    *at = position->next;
    place_close(position);
    txn_release(offsets, position->txn);
}

bool wr_offsets_remove(struct wr_offsets *offsets, struct weir_bytes topic,
                       int32_t partition)
{
    struct key key; /* the topic may be that of a position that goes */
    struct place *place = place_find(offsets, topic, partition);
    if (!place || !known(place) || !key_make(&key, topic, partition)) {
        return false;
    }
    struct wr_offsets_position *position = place->open;
    while (position) {
        struct wr_offsets_position *beside = position->beside;
        leave_txn(offsets, position);
        position_free(position);
        position = beside;
    }
    if (place->committed) {
        position_free(place->committed);
        place->committed = NULL;
        offsets->count--;
    }
    place_release(offsets, place, weir_bytes(key.bytes + 4, key.len - 4),
                  partition);
    return true;
}

bool wr_offsets_next(const struct wr_offsets *offsets, size_t *cursor,
                     const struct wr_offset **out)
{
    void *value = NULL;
    while (wr_map_next(&offsets->places, cursor, NULL, &value)) {
        const struct place *place = value;
        if (place->committed) {
            *out = &place->committed->offset;
            return true;
        }
    }
    *out = NULL;
    return false;
}

bool wr_offsets_is_empty(const struct wr_offsets *offsets)
{
    return offsets->places.count == 0;
}
