/* SPDX-License-Identifier: Apache-2.0
 *
 * Positions by topic and partition. The key of the table is the partition as
 * four bytes, then the topic's name. A pending position is moved, not copied,
 * into the committed table when its transaction commits, so that the end of a
 * transaction needs memory for the table's slots only. */
#include "broker/offsets.h"

#include "broker/owned.h"

#define TOPIC_BYTES_MAX 249

struct wr_offsets_pending {
    struct wr_offsets_pending *next;
    int64_t producer_id;
    struct wr_map positions; /* key -> wr_offset, owned */
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

static void offset_free(struct wr_offset *offset)
{
    if (offset) {
        wr_owned_free(&offset->topic);
        wr_owned_free(&offset->metadata);
        free(offset);
    }
}

static struct wr_offset *offset_copy(const struct wr_offset *from)
{
    struct wr_offset *offset = malloc(sizeof(*offset));
    if (!offset) {
        return NULL;
    }
    *offset = *from;
    offset->topic = WEIR_NULL;
    offset->metadata = WEIR_NULL;
    struct weir_bytes metadata =
        from->metadata.data ? from->metadata : weir_text("");
    if (wr_owned_set(&offset->topic, from->topic) != WEIR_OK ||
        wr_owned_set(&offset->metadata, metadata) != WEIR_OK) {
        offset_free(offset);
        return NULL;
    }
    return offset;
}

static void positions_done(struct wr_map *positions)
{
    size_t cursor = 0;
    void *value;
    while (wr_map_next(positions, &cursor, NULL, &value)) {
        offset_free(value);
    }
    wr_map_done(positions);
}

/* Puts an offset (taken, unless this fails) where there is none or an older
 * one. */
static enum weir_status positions_put_take(struct wr_map *positions,
                                           struct wr_offset *offset)
{
    struct key key;
    if (!key_make(&key, offset->topic, offset->partition)) {
        return WEIR_E_INVALID;
    }
    struct weir_bytes at = weir_bytes(key.bytes, key.len);
    const struct wr_offset *now = wr_map_get(positions, at);
    if (now && now->log_offset > offset->log_offset) {
        offset_free(offset);
        return WEIR_OK;
    }
    void *former = NULL;
    enum weir_status status = wr_map_put(positions, at, offset, &former);
    if (status == WEIR_OK) {
        offset_free(former);
    }
    return status;
}

static enum weir_status positions_put(struct wr_map *positions,
                                      const struct wr_offset *from)
{
    struct key key;
    if (!key_make(&key, from->topic, from->partition)) {
        return WEIR_E_INVALID;
    }
    struct wr_offset *offset = offset_copy(from);
    enum weir_status status =
        offset ? positions_put_take(positions, offset) : WEIR_E_NOMEM;
    if (status != WEIR_OK) {
        offset_free(offset);
    }
    return status;
}

void wr_offsets_init(struct wr_offsets *offsets)
{
    wr_map_init(&offsets->committed);
    offsets->pending = NULL;
}

void wr_offsets_done(struct wr_offsets *offsets)
{
    positions_done(&offsets->committed);
    while (offsets->pending) {
        struct wr_offsets_pending *pending = offsets->pending;
        offsets->pending = pending->next;
        positions_done(&pending->positions);
        free(pending);
    }
}

enum weir_status wr_offsets_put(struct wr_offsets *offsets,
                                const struct wr_offset *from)
{
    return positions_put(&offsets->committed, from);
}

enum weir_status wr_offsets_put_pending(struct wr_offsets *offsets,
                                        int64_t producer_id,
                                        const struct wr_offset *from)
{
    struct wr_offsets_pending *pending = offsets->pending;
    while (pending && pending->producer_id != producer_id) {
        pending = pending->next;
    }
    if (!pending) {
        pending = calloc(1, sizeof(*pending));
        if (!pending) {
            return WEIR_E_NOMEM;
        }
        pending->producer_id = producer_id;
        wr_map_init(&pending->positions);
        pending->next = offsets->pending;
        offsets->pending = pending;
    }
    return positions_put(&pending->positions, from);
}

bool wr_offsets_end_txn(struct wr_offsets *offsets, int64_t producer_id,
                        bool commit)
{
    struct wr_offsets_pending **at = &offsets->pending;
    while (*at && (*at)->producer_id != producer_id) {
        at = &(*at)->next;
    }
    struct wr_offsets_pending *pending = *at;
    if (!pending) {
        return false;
    }
    *at = pending->next;
    size_t cursor = 0;
    void *value;
    while (commit && wr_map_next(&pending->positions, &cursor, NULL, &value)) {
        if (positions_put_take(&offsets->committed, value) != WEIR_OK) {
            offset_free(value);
        }
    }
    if (commit) {
        wr_map_done(&pending->positions); /* the positions have moved */
    } else {
        positions_done(&pending->positions);
    }
    free(pending);
    return true;
}

const struct wr_offset *wr_offsets_get(const struct wr_offsets *offsets,
                                       struct weir_bytes topic,
                                       int32_t partition)
{
    struct key key;
    return key_make(&key, topic, partition)
               ? wr_map_get(&offsets->committed, weir_bytes(key.bytes, key.len))
               : NULL;
}

bool wr_offsets_unstable(const struct wr_offsets *offsets,
                         struct weir_bytes topic, int32_t partition)
{
    struct key key;
    if (!key_make(&key, topic, partition)) {
        return false;
    }
    for (const struct wr_offsets_pending *p = offsets->pending; p;
         p = p->next) {
        if (wr_map_get(&p->positions, weir_bytes(key.bytes, key.len))) {
            return true;
        }
    }
    return false;
}

bool wr_offsets_remove(struct wr_offsets *offsets, struct weir_bytes topic,
                       int32_t partition)
{
    struct key key;
    if (!key_make(&key, topic, partition)) {
        return false;
    }
    struct wr_offset *former =
        wr_map_remove(&offsets->committed, weir_bytes(key.bytes, key.len));
    offset_free(former);
    return former != NULL;
}

bool wr_offsets_next(const struct wr_offsets *offsets, size_t *cursor,
                     const struct wr_offset **out)
{
    void *value = NULL;
    bool more = wr_map_next(&offsets->committed, cursor, NULL, &value);
    *out = value;
    return more;
}

bool wr_offsets_is_empty(const struct wr_offsets *offsets)
{
    return offsets->committed.count == 0 && !offsets->pending;
}
