/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzz: the decoder of every message in every version. The first two bytes
 * choose them, the rest is the message. What decodes must encode, and what was
 * encoded must decode to something that encodes to the same bytes. Memory must
 * stay within the arena's limit whatever the bytes say. */
#include "broker/messages.h"

#include <stdlib.h>

#define ARENA_MAX ((size_t)8 << 20)
#define BYTES_MAX ((size_t)8 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void round_trip(const struct wr_message *m, const void *decoded,
                       int16_t version)
{
    struct wr_buf first, second;
    struct wr_arena arena;
    struct wr_reader reader;
    wr_buf_init(&first, BYTES_MAX);
    wr_buf_init(&second, BYTES_MAX);
    wr_arena_init(&arena, 4 * ARENA_MAX);
    wr_message_encode(m, decoded, &first, version, NULL);
    require(first.status == WEIR_OK);
    void *again = wr_arena_calloc(&arena, 1, m->layout->size);
    wr_reader_init(&reader, wr_buf_view(&first));
    require(wr_message_decode(m, again, &reader, version, &arena) == WEIR_OK);
    require(wr_reader_left(&reader) == 0);
    wr_message_encode(m, again, &second, version, NULL);
    require(wr_bytes_equal(wr_buf_view(&first), wr_buf_view(&second)));
    wr_arena_done(&arena);
    wr_buf_done(&first);
    wr_buf_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const struct wr_message *m = wr_all_messages[data[0] % WR_MESSAGE_COUNT];
    int16_t version =
        (int16_t)(m->version_min +
                  data[1] % (m->version_max - m->version_min + 1));
    struct wr_arena arena;
    struct wr_reader reader;
    wr_arena_init(&arena, ARENA_MAX);
    wr_reader_init(&reader, weir_bytes(data + 2, size - 2));
    void *out = wr_arena_calloc(&arena, 1, m->layout->size);
    if (wr_message_decode(m, out, &reader, version, &arena) == WEIR_OK) {
        round_trip(m, out, version);
    }
    require(arena.used <= arena.max);
    wr_arena_done(&arena);
    return 0;
}
