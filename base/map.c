/* SPDX-License-Identifier: Apache-2.0
 *
 * Hash map. A slot is empty (no key), dead (its key was removed, probes go on
 * over it) or live. Removal leaves a dead slot only where a probe could need
 * it: before an empty slot it and the dead ones that lead to it become empty,
 * so a map that churns stays short of rehashing. */
#include "base/map.h"

#include "base/hash.h"

#include <stdlib.h>

#define MAP_CAP_MIN 8u

struct wr_map_slot {
    uint64_t hash; /* of the key */
    uint8_t *key;  /* owned; NULL: empty; slot_dead: removed */
    size_t len;    /* of the key, in bytes */
    void *value;   /* not NULL when live */
};

static uint8_t slot_dead[1];

static bool slot_is_live(const struct wr_map_slot *slot)
{
    return slot->key != NULL && slot->key != slot_dead;
}

void wr_map_init(struct wr_map *map)
{
    *map = (struct wr_map){0};
}

void wr_map_done(struct wr_map *map)
{
    for (size_t i = 0; i < map->cap; i++) {
        if (slot_is_live(&map->slots[i])) {
            free(map->slots[i].key);
        }
    }
    free(map->slots);
    wr_map_init(map);
}

/* The live slot of key, or NULL. */
static struct wr_map_slot *map_find(const struct wr_map *map,
                                    struct weir_bytes key, uint64_t hash)
{
    if (map->cap == 0) {
        return NULL;
    }
    size_t mask = map->cap - 1;
    for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
        struct wr_map_slot *slot = &map->slots[i];
        if (!slot->key) {
            return NULL;
        }
        if (slot->hash == hash && slot->len == key.len &&
            slot->key != slot_dead &&
            (key.len == 0 || memcmp(slot->key, key.data, key.len) == 0)) {
            return slot;
        }
    }
}

/* The first slot on the hash's way that holds no live key. */
static struct wr_map_slot *map_room(struct wr_map *map, uint64_t hash)
{
    size_t mask = map->cap - 1;
    size_t i = (size_t)hash & mask;
    while (slot_is_live(&map->slots[i])) {
        i = (i + 1) & mask;
    }
    return &map->slots[i];
}

/* Makes place for one more key; doubles only when live keys need it. */
static enum weir_status map_reserve(struct wr_map *map)
{
    size_t used = map->count + map->dead + 1;
    if (used <= map->cap - map->cap / 8 && map->cap > 0) {
        return WEIR_OK;
    }
    size_t cap = map->cap ? map->cap : MAP_CAP_MIN;
    if (map->cap > 0 && map->count >= map->cap / 2) {
        cap *= 2;
    }
    struct wr_map old = *map;
    struct wr_map_slot *slots = calloc(cap, sizeof(*slots));
    if (!slots) {
        return WEIR_E_NOMEM;
    }
    *map = (struct wr_map){slots, cap, old.count, 0};
    for (size_t i = 0; i < old.cap; i++) {
        if (slot_is_live(&old.slots[i])) {
            *map_room(map, old.slots[i].hash) = old.slots[i];
        }
    }
    free(old.slots);
    return WEIR_OK;
}

void *wr_map_get(const struct wr_map *map, struct weir_bytes key)
{
    if (!key.data || map->count == 0) {
        return NULL;
    }
    struct wr_map_slot *slot = map_find(map, key, wr_hash64(key));
    return slot ? slot->value : NULL;
}

enum weir_status wr_map_put(struct wr_map *map, struct weir_bytes key,
                            void *value, void **out_old)
{
    if (!key.data || !value) {
        return WEIR_E_INVALID;
    }
    uint64_t hash = wr_hash64(key);
    void *old = NULL;
    struct wr_map_slot *slot = map_find(map, key, hash);
    if (slot) {
        old = slot->value;
        slot->value = value;
    } else {
        uint8_t *copy = malloc(key.len ? key.len : 1);
        if (!copy || map_reserve(map) != WEIR_OK) {
            free(copy);
            return WEIR_E_NOMEM;
        }
        if (key.len > 0) {
            memcpy(copy, key.data, key.len);
        }
        slot = map_room(map, hash);
        map->dead -= slot->key == slot_dead;
        map->count++;
        *slot = (struct wr_map_slot){hash, copy, key.len, value};
    }
    if (out_old) {
        *out_old = old;
    }
    return WEIR_OK;
}

void *wr_map_remove(struct wr_map *map, struct weir_bytes key)
{
    struct wr_map_slot *slot =
        key.data ? map_find(map, key, wr_hash64(key)) : NULL;
    if (!slot) {
        return NULL;
    }
    void *value = slot->value;
    free(slot->key);
    *slot = (struct wr_map_slot){.key = slot_dead};
    map->count--;
    map->dead++;
    size_t mask = map->cap - 1;
    size_t i = (size_t)(slot - map->slots);
    if (!map->slots[(i + 1) & mask].key) {
        for (; map->slots[i].key == slot_dead; i = (i - 1) & mask) {
            map->slots[i].key = NULL;
            map->dead--;
        }
    }
    return value;
}

bool wr_map_next(const struct wr_map *map, size_t *cursor,
                 struct weir_bytes *out_key, void **out_value)
{
    for (size_t i = *cursor; i < map->cap; i++) {
        const struct wr_map_slot *slot = &map->slots[i];
        if (slot_is_live(slot)) {
            *cursor = i + 1;
            if (out_key) {
                *out_key = weir_bytes(slot->key, slot->len);
            }
            if (out_value) {
                *out_value = slot->value;
            }
            return true;
        }
    }
    *cursor = map->cap;
    return false;
}
