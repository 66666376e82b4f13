/* SPDX-License-Identifier: Apache-2.0
 *
 * Walks message tables. What an element looks like on the wire:
 *
 *   type           before flexible versions       in flexible versions
 *   string         i16 length (-1 null), bytes    uvarint length + 1 (0 null)
 *   bytes, records i32 length (-1 null), bytes    uvarint length + 1 (0 null)
 *   array          i32 count (-1 null), elements  uvarint count + 1 (0 null)
 *   null struct    i8 -1; else i8 1, fields       the same
 *   struct         fields                         fields, then tagged fields:
 *                  uvarint count, each uvarint tag, uvarint size, bytes
 *
 * Depth of recursion is the depth of the table, which is constant. Nothing here
 * believes a length: counts are compared with the bytes left, lengths are
 * checked by the reader, memory comes from an arena with a limit. Thread: any.
 */
#include "broker/codec.h"

#include "broker/messages.h"

#include <limits.h>

static const uint8_t empty[1]; /* what an empty, non-null view points to */

static void struct_init(const struct wr_message_layout *layout, void *out);

static bool in_versions(int16_t version, int8_t since, int8_t until)
{
    return version >= since && version <= until;
}

static bool field_present(const struct wr_field *f, int16_t version)
{
    return in_versions(version, f->since, f->until);
}

static bool field_nullable(const struct wr_field *f, int16_t version)
{
    return in_versions(version, f->null_since, f->null_until);
}

static void *member(void *base, size_t at)
{
    return (uint8_t *)base + at;
}

static const void *member_const(const void *base, size_t at)
{
    return (const uint8_t *)base + at;
}

/* ---- defaults ----------------------------------------------------------- */

static size_t element_size(const struct wr_field *f)
{
    static const uint8_t sizes[] = {
        [WR_F_BOOL] = sizeof(bool),
        [WR_F_INT8] = 1,
        [WR_F_INT16] = 2,
        [WR_F_UINT16] = 2,
        [WR_F_INT32] = 4,
        [WR_F_INT64] = 8,
        [WR_F_UUID] = sizeof(struct wr_uuid),
        [WR_F_STRING] = sizeof(struct weir_bytes),
        [WR_F_BYTES] = sizeof(struct weir_bytes),
        [WR_F_RECORDS] = sizeof(struct weir_bytes),
    };
    return f->type == WR_F_STRUCT ? f->layout->size : sizes[f->type];
}

static void field_init(const struct wr_field *f, void *base)
{
    void *at = member(base, f->at);
    if (f->flags & WR_FIELD_ARRAY) {
        int32_t count = f->flags & WR_FIELD_NULL ? -1 : 0;
        memcpy(member(base, f->count_at), &count, sizeof(count));
        memset(at, 0, sizeof(void *));
        return;
    }
    if (f->flags & WR_FIELD_POINTER) {
        memset(at, 0, sizeof(void *));
        return;
    }
    switch ((enum wr_field_type)f->type) {
    case WR_F_BOOL:
        *(bool *)at = f->standard != 0;
        break;
    case WR_F_INT8:
        *(int8_t *)at = (int8_t)f->standard;
        break;
    case WR_F_INT16:
    case WR_F_UINT16:
        *(int16_t *)at = (int16_t)f->standard;
        break;
    case WR_F_INT32:
        *(int32_t *)at = (int32_t)f->standard;
        break;
    case WR_F_INT64:
        *(int64_t *)at = f->standard;
        break;
    case WR_F_UUID:
        memset(at, 0, sizeof(struct wr_uuid));
        break;
    case WR_F_STRING:
    case WR_F_BYTES:
    case WR_F_RECORDS:
        *(struct weir_bytes *)at =
            f->flags & WR_FIELD_NULL ? WEIR_NULL : weir_bytes(empty, 0);
        break;
    case WR_F_STRUCT:
        struct_init(f->layout, at);
        break;
    }
}

static void struct_init(const struct wr_message_layout *layout, void *out)
{
    for (size_t i = 0; i < layout->field_count; i++) {
        field_init(&layout->fields[i], out);
    }
}

void wr_message_init(const struct wr_message *message, void *out)
{
    memset(out, 0, message->layout->size);
    struct_init(message->layout, out);
}

/* ---- decode ------------------------------------------------------------- */

struct decoding {
    struct wr_reader *reader;
    struct wr_arena *arena;
    int16_t version;
    bool flexible;
};

static void struct_decode(struct decoding *d,
                          const struct wr_message_layout *layout, void *out);

/* A length or count: -1 for null. One that cannot be is an error and -1. */
static int64_t read_length(struct decoding *d, bool is_short)
{
    int64_t n;
    if (d->flexible) {
        uint64_t raw = wr_read_uvarint(d->reader);
        n = raw > INT32_MAX ? -2 : (int64_t)raw - 1;
    } else {
        n = is_short ? wr_read_i16(d->reader) : wr_read_i32(d->reader);
    }
    if (n < -1) {
        wr_reader_fail(d->reader, WEIR_E_CORRUPT);
        return -1;
    }
    return n;
}

static void null_check(struct decoding *d, const struct wr_field *f)
{
    if (!field_nullable(f, d->version)) {
        wr_reader_fail(d->reader, WEIR_E_CORRUPT);
    }
}

static struct weir_bytes read_view(struct decoding *d, const struct wr_field *f,
                                   bool null_allowed)
{
    int64_t n = read_length(d, f->type == WR_F_STRING);
    if (n < 0) {
        if (!null_allowed) {
            wr_reader_fail(d->reader, WEIR_E_CORRUPT);
        }
        return WEIR_NULL;
    }
    if (n == 0) {
        return weir_bytes(empty, 0);
    }
    return wr_read_bytes(d->reader, (size_t)n);
}

/* One element, which for an array of strings may never be null. */
static void element_decode(struct decoding *d, const struct wr_field *f,
                           void *at)
{
    switch ((enum wr_field_type)f->type) {
    case WR_F_BOOL:
        *(bool *)at = wr_read_i8(d->reader) != 0;
        break;
    case WR_F_INT8:
        *(int8_t *)at = wr_read_i8(d->reader);
        break;
    case WR_F_INT16:
    case WR_F_UINT16:
        *(int16_t *)at = wr_read_i16(d->reader);
        break;
    case WR_F_INT32:
        *(int32_t *)at = wr_read_i32(d->reader);
        break;
    case WR_F_INT64:
        *(int64_t *)at = wr_read_i64(d->reader);
        break;
    case WR_F_UUID: {
        struct weir_bytes b = wr_read_bytes(d->reader, sizeof(struct wr_uuid));
        if (b.data) {
            memcpy(at, b.data, sizeof(struct wr_uuid));
        }
        break;
    }
    case WR_F_STRING:
    case WR_F_BYTES:
    case WR_F_RECORDS:
        *(struct weir_bytes *)at = read_view(d, f,
                                             !(f->flags & WR_FIELD_ARRAY) &&
                                                 field_nullable(f, d->version));
        break;
    case WR_F_STRUCT:
        struct_decode(d, f->layout, at);
        break;
    }
}

static size_t element_wire_min(const struct wr_field *f)
{
    static const uint8_t sizes[] = {
        [WR_F_BOOL] = 1,   [WR_F_INT8] = 1,   [WR_F_INT16] = 2,
        [WR_F_UINT16] = 2, [WR_F_INT32] = 4,  [WR_F_INT64] = 8,
        [WR_F_UUID] = 16,  [WR_F_STRING] = 1, [WR_F_BYTES] = 1,
        [WR_F_RECORDS] = 1};
    return f->type == WR_F_STRUCT ? f->layout->wire_min : sizes[f->type];
}

static void array_decode(struct decoding *d, const struct wr_field *f,
                         void *base)
{
    int64_t n = read_length(d, false);
    if (n < 0) {
        null_check(d, f);
        int32_t count = field_nullable(f, d->version) ? -1 : 0;
        memcpy(member(base, f->count_at), &count, sizeof(count));
        return;
    }
    if ((uint64_t)n > wr_reader_left(d->reader) / element_wire_min(f)) {
        wr_reader_fail(d->reader, WEIR_E_TRUNCATED);
        return;
    }
    size_t size = element_size(f);
    uint8_t *items = wr_arena_calloc(d->arena, (size_t)n, size);
    if (!items) {
        wr_reader_fail(d->reader, WEIR_E_NOMEM);
        return;
    }
    for (int64_t i = 0; i < n && d->reader->status == WEIR_OK; i++) {
        element_decode(d, f, items + (size_t)i * size);
    }
    int32_t count = (int32_t)n;
    memcpy(member(base, f->at), &items, sizeof(items));
    memcpy(member(base, f->count_at), &count, sizeof(count));
}

static void pointer_decode(struct decoding *d, const struct wr_field *f,
                           void *at)
{
    if (wr_read_i8(d->reader) < 0) {
        null_check(d, f);
        return;
    }
    void *item = wr_arena_calloc(d->arena, 1, f->layout->size);
    if (!item) {
        wr_reader_fail(d->reader, WEIR_E_NOMEM);
        return;
    }
    struct_decode(d, f->layout, item);
    memcpy(at, &item, sizeof(item));
}

static void field_decode(struct decoding *d, const struct wr_field *f,
                         void *base)
{
    void *at = member(base, f->at);
    if (f->flags & WR_FIELD_ARRAY) {
        array_decode(d, f, base);
    } else if (f->flags & WR_FIELD_POINTER) {
        pointer_decode(d, f, at);
    } else {
        element_decode(d, f, at);
    }
}

/* Tags that the table does not know are skipped, as the protocol demands. */
static void tags_decode(struct decoding *d,
                        const struct wr_message_layout *layout, void *out)
{
    uint64_t count = wr_read_uvarint(d->reader);
    for (uint64_t i = 0; i < count && d->reader->status == WEIR_OK; i++) {
        uint64_t tag = wr_read_uvarint(d->reader);
        uint64_t size = wr_read_uvarint(d->reader);
        if (size > wr_reader_left(d->reader)) {
            wr_reader_fail(d->reader, WEIR_E_TRUNCATED);
            return;
        }
        size_t end = d->reader->pos + (size_t)size;
        for (size_t k = 0; k < layout->field_count; k++) {
            const struct wr_field *f = &layout->fields[k];
            if (f->tag >= 0 && (uint64_t)f->tag == tag &&
                field_present(f, d->version)) {
                field_decode(d, f, out);
            }
        }
        if (d->reader->pos > end) {
            wr_reader_fail(d->reader, WEIR_E_CORRUPT);
            return;
        }
        wr_read_skip(d->reader, end - d->reader->pos);
    }
}

static void struct_decode(struct decoding *d,
                          const struct wr_message_layout *layout, void *out)
{
    for (size_t i = 0; i < layout->field_count; i++) {
        const struct wr_field *f = &layout->fields[i];
        field_init(f, out);
        if (f->tag < 0 && field_present(f, d->version)) {
            field_decode(d, f, out);
        }
    }
    if (d->flexible) {
        tags_decode(d, layout, out);
    }
}

enum weir_status wr_message_decode(const struct wr_message *message, void *out,
                                   struct wr_reader *reader, int16_t version,
                                   struct wr_arena *arena)
{
    memset(out, 0, message->layout->size);
    if (version < message->version_min || version > message->version_max) {
        return WEIR_E_INVALID;
    }
    struct decoding d = {reader, arena, version,
                         wr_message_is_flexible(message, version)};
    struct_decode(&d, message->layout, out);
    return reader->status;
}

/* ---- encode ------------------------------------------------------------- */

struct encoding {
    struct wr_buf *out;
    struct wr_splices *splices; /* NULL: copy everything */
    int16_t version;
    bool flexible;
    bool strict;
};

static void struct_encode(struct encoding *e,
                          const struct wr_message_layout *layout,
                          const void *in);

static void write_length(struct encoding *e, int64_t n, bool is_short)
{
    if (e->flexible) {
        wr_buf_put_uvarint(e->out, (uint64_t)(n + 1));
    } else if (is_short) {
        if (n > INT16_MAX && e->out->status == WEIR_OK) {
            e->out->status = WEIR_E_TOOBIG;
        }
        wr_buf_put_i16(e->out, (int16_t)n);
    } else {
        wr_buf_put_i32(e->out, (int32_t)n);
    }
}

static void view_encode(struct encoding *e, const struct wr_field *f,
                        struct weir_bytes b)
{
    bool null_allowed =
        !(f->flags & WR_FIELD_ARRAY) && field_nullable(f, e->version);
    if (b.len > INT32_MAX - 1 && e->out->status == WEIR_OK) {
        e->out->status = WEIR_E_TOOBIG;
        return;
    }
    write_length(e, b.data || !null_allowed ? (int64_t)b.len : -1,
                 f->type == WR_F_STRING);
    struct wr_splices *s = e->splices;
    if (s && f->type == WR_F_RECORDS && b.len >= WR_SPLICE_MIN &&
        s->count < WR_SPLICE_MAX) {
        s->items[s->count++] = (struct wr_splice){e->out->len, b};
        s->bytes += b.len;
        return;
    }
    wr_buf_put_bytes(e->out, b);
}

static void element_encode(struct encoding *e, const struct wr_field *f,
                           const void *at)
{
    switch ((enum wr_field_type)f->type) {
    case WR_F_BOOL:
        wr_buf_put_i8(e->out, *(const bool *)at ? 1 : 0);
        break;
    case WR_F_INT8:
        wr_buf_put_i8(e->out, *(const int8_t *)at);
        break;
    case WR_F_INT16:
    case WR_F_UINT16:
        wr_buf_put_i16(e->out, *(const int16_t *)at);
        break;
    case WR_F_INT32:
        wr_buf_put_i32(e->out, *(const int32_t *)at);
        break;
    case WR_F_INT64:
        wr_buf_put_i64(e->out, *(const int64_t *)at);
        break;
    case WR_F_UUID:
        wr_buf_put(e->out, at, sizeof(struct wr_uuid));
        break;
    case WR_F_STRING:
    case WR_F_BYTES:
    case WR_F_RECORDS:
        view_encode(e, f, *(const struct weir_bytes *)at);
        break;
    case WR_F_STRUCT:
        struct_encode(e, f->layout, at);
        break;
    }
}

static void load_array(const struct wr_field *f, const void *base,
                       const uint8_t **out_items, int32_t *out_count)
{
    memcpy(out_items, member_const(base, f->at), sizeof(*out_items));
    memcpy(out_count, member_const(base, f->count_at), sizeof(*out_count));
}

static void field_encode(struct encoding *e, const struct wr_field *f,
                         const void *base)
{
    const void *at = member_const(base, f->at);
    if (f->flags & WR_FIELD_ARRAY) {
        const uint8_t *items;
        int32_t count;
        load_array(f, base, &items, &count);
        if (count < 0) {
            write_length(e, field_nullable(f, e->version) ? -1 : 0, false);
            return;
        }
        write_length(e, count, false);
        size_t size = element_size(f);
        for (int32_t i = 0; i < count && e->out->status == WEIR_OK; i++) {
            element_encode(e, f, items + (size_t)i * size);
        }
    } else if (f->flags & WR_FIELD_POINTER) {
        const void *item;
        memcpy(&item, at, sizeof(item));
        wr_buf_put_i8(e->out, item ? 1 : -1);
        if (item) {
            struct_encode(e, f->layout, item);
        }
    } else {
        element_encode(e, f, at);
    }
}

static bool field_is_default(const struct wr_field *f, const void *base);

static bool struct_is_default(const struct wr_message_layout *layout,
                              const void *in)
{
    for (size_t i = 0; i < layout->field_count; i++) {
        if (!field_is_default(&layout->fields[i], in)) {
            return false;
        }
    }
    return true;
}

static bool field_is_default(const struct wr_field *f, const void *base)
{
    const void *at = member_const(base, f->at);
    if (f->flags & WR_FIELD_ARRAY) {
        const uint8_t *items;
        int32_t count;
        load_array(f, base, &items, &count);
        return f->flags & WR_FIELD_NULL ? count < 0 : count <= 0;
    }
    if (f->flags & WR_FIELD_POINTER) {
        const void *item;
        memcpy(&item, at, sizeof(item));
        return item == NULL;
    }
    switch ((enum wr_field_type)f->type) {
    case WR_F_BOOL:
        return *(const bool *)at == (f->standard != 0);
    case WR_F_INT8:
        return *(const int8_t *)at == f->standard;
    case WR_F_INT16:
    case WR_F_UINT16:
        return *(const int16_t *)at == f->standard;
    case WR_F_INT32:
        return *(const int32_t *)at == f->standard;
    case WR_F_INT64:
        return *(const int64_t *)at == f->standard;
    case WR_F_UUID:
        return wr_uuid_is_zero(*(const struct wr_uuid *)at);
    case WR_F_STRING:
    case WR_F_BYTES:
    case WR_F_RECORDS: {
        /* null and empty both count where the default is empty */
        struct weir_bytes b = *(const struct weir_bytes *)at;
        return f->flags & WR_FIELD_NULL ? b.data == NULL : b.len == 0;
    }
    case WR_F_STRUCT:
        break;
    }
    return struct_is_default(f->layout, at);
}

/* Writes one tagged field and then puts its size before it. */
static void tag_encode(struct encoding *e, const struct wr_field *f,
                       const void *in)
{
    wr_buf_put_uvarint(e->out, (uint64_t)f->tag);
    size_t start = e->out->len;
    field_encode(e, f, in);
    size_t size = e->out->len - start;
    size_t width = wr_uvarint_size(size);
    uint8_t *room = wr_buf_extend(e->out, width);
    if (room) {
        uint8_t *at = e->out->data + start;
        uint8_t varint[WR_VARINT_MAX];
        wr_uvarint_store(varint, size);
        memmove(at + width, at, size);
        memcpy(at, varint, width);
    }
}

static void tags_encode(struct encoding *e,
                        const struct wr_message_layout *layout, const void *in)
{
    uint64_t count = 0;
    int8_t last = -1;
    for (size_t i = 0; i < layout->field_count; i++) {
        const struct wr_field *f = &layout->fields[i];
        count += f->tag >= 0 && field_present(f, e->version) &&
                 !field_is_default(f, in);
    }
    wr_buf_put_uvarint(e->out, count);
    for (; count > 0; count--) { /* in rising order of tags */
        const struct wr_field *next = NULL;
        for (size_t i = 0; i < layout->field_count; i++) {
            const struct wr_field *f = &layout->fields[i];
            if (f->tag > last && field_present(f, e->version) &&
                !field_is_default(f, in) && (!next || f->tag < next->tag)) {
                next = f;
            }
        }
        if (!next) {
            return;
        }
        tag_encode(e, next, in);
        last = next->tag;
    }
}

static void struct_encode(struct encoding *e,
                          const struct wr_message_layout *layout,
                          const void *in)
{
    for (size_t i = 0; i < layout->field_count; i++) {
        const struct wr_field *f = &layout->fields[i];
        if (f->tag < 0 && field_present(f, e->version)) {
            field_encode(e, f, in);
        } else if (e->strict && (f->flags & WR_FIELD_STRICT) &&
                   !field_present(f, e->version) && !field_is_default(f, in) &&
                   e->out->status == WEIR_OK) {
            e->out->status = WEIR_E_INVALID;
        }
    }
    if (e->flexible) {
        tags_encode(e, layout, in);
    }
}

void wr_message_encode(const struct wr_message *message, const void *in,
                       struct wr_buf *out, int16_t version,
                       struct wr_splices *splices)
{
    if (version < message->version_min || version > message->version_max) {
        if (out->status == WEIR_OK) {
            out->status = WEIR_E_INVALID;
        }
        return;
    }
    struct encoding e = {out, splices, version,
                         wr_message_is_flexible(message, version),
                         message->is_request};
    struct_encode(&e, message->layout, in);
}

const struct wr_api_messages *wr_api_messages_find(int16_t key)
{
    size_t low = 0;
    size_t high = WR_API_COUNT;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (wr_api_messages[mid].key < key) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < WR_API_COUNT && wr_api_messages[low].key == key
               ? &wr_api_messages[low]
               : NULL;
}
