/* SPDX-License-Identifier: Apache-2.0
 *
 * Walks a message's table as the codec does, but writes random values. Thread:
 * any. */
#include "tests/broker/message_fill.h"

#include <stdlib.h>

struct filling {
    uint64_t *seed;
    struct wr_arena *arena;
    int16_t version;
};

static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static bool within(int16_t version, int8_t since, int8_t until)
{
    return version >= since && version <= until;
}

static void fill_struct(struct filling *f,
                        const struct wr_message_layout *layout, uint8_t *out);

static struct weir_bytes random_view(struct filling *f, bool null_allowed)
{
    uint64_t r = next_random(f->seed);
    if (null_allowed && r % 4 == 0) {
        return WEIR_NULL;
    }
    size_t n = (size_t)(r >> 8) % (r % 16 == 1 ? 300 : 9);
    uint8_t *at = wr_arena_alloc(f->arena, n);
    if (!at) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        at[i] = (uint8_t)('a' + next_random(f->seed) % 26);
    }
    return weir_bytes(at, n);
}

static void fill_element(struct filling *f, const struct wr_field *field,
                         uint8_t *at, bool null_allowed)
{
    uint64_t r = next_random(f->seed);
    r = r % 8 == 0 ? 0 : r; /* defaults happen, too */
    switch ((enum wr_field_type)field->type) {
    case WR_F_BOOL:
        *at = r & 1;
        break;
    case WR_F_INT8:
        *at = (uint8_t)r;
        break;
    case WR_F_INT16:
    case WR_F_UINT16:
        memcpy(at, &r, 2);
        break;
    case WR_F_INT32:
        memcpy(at, &r, 4);
        break;
    case WR_F_INT64:
        memcpy(at, &r, 8);
        break;
    case WR_F_UUID:
        memcpy(at, &r, 8);
        break;
    case WR_F_STRING:
    case WR_F_BYTES:
    case WR_F_RECORDS: {
        struct weir_bytes b = random_view(f, null_allowed);
        memcpy(at, &b, sizeof(b));
        break;
    }
    case WR_F_STRUCT:
        fill_struct(f, field->layout, at);
        break;
    }
}

static size_t size_of(const struct wr_field *field)
{
    switch ((enum wr_field_type)field->type) {
    case WR_F_BOOL:
    case WR_F_INT8:
        return 1;
    case WR_F_INT16:
    case WR_F_UINT16:
        return 2;
    case WR_F_INT32:
        return 4;
    case WR_F_INT64:
        return 8;
    case WR_F_UUID:
        return 16;
    case WR_F_STRUCT:
        return field->layout->size;
    case WR_F_STRING:
    case WR_F_BYTES:
    case WR_F_RECORDS:
        break;
    }
    return sizeof(struct weir_bytes);
}

static void fill_array(struct filling *f, const struct wr_field *field,
                       uint8_t *out, bool null_allowed)
{
    uint64_t r = next_random(f->seed);
    int32_t count = null_allowed && r % 4 == 0 ? -1 : (int32_t)((r >> 8) % 4);
    uint8_t *items = NULL;
    if (count > 0) {
        items = wr_arena_calloc(f->arena, (size_t)count, size_of(field));
        if (!items) {
            abort();
        }
    }
    for (int32_t i = 0; i < count; i++) {
        fill_element(f, field, items + (size_t)i * size_of(field), false);
    }
    memcpy(out + field->at, &items, sizeof(items));
    memcpy(out + field->count_at, &count, sizeof(count));
}

static void fill_pointer(struct filling *f, const struct wr_field *field,
                         uint8_t *at)
{
    uint8_t *item = NULL;
    if (next_random(f->seed) % 3 != 0) {
        item = wr_arena_calloc(f->arena, 1, field->layout->size);
        if (!item) {
            abort();
        }
        fill_struct(f, field->layout, item);
    }
    memcpy(at, &item, sizeof(item));
}

static void fill_struct(struct filling *f,
                        const struct wr_message_layout *layout, uint8_t *out)
{
    /* A message of this layout alone sets the defaults. */
    const struct wr_message defaults = {"", layout, 0, 0, 127, false};
    wr_message_init(&defaults, out);
    for (size_t i = 0; i < layout->field_count; i++) {
        const struct wr_field *field = &layout->fields[i];
        bool null_allowed =
            within(f->version, field->null_since, field->null_until);
        if (!within(f->version, field->since, field->until)) {
            continue;
        }
        if (field->flags & WR_FIELD_ARRAY) {
            fill_array(f, field, out, null_allowed);
        } else if (field->flags & WR_FIELD_POINTER) {
            fill_pointer(f, field, out + field->at);
        } else {
            fill_element(f, field, out + field->at, null_allowed);
        }
    }
}

void message_fill(const struct wr_message *message, void *out, int16_t version,
                  uint64_t *seed, struct wr_arena *arena)
{
    struct filling f = {seed, arena, version};
    fill_struct(&f, message->layout, out);
}
