/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include "base/bytes.h"

#include "tests/harness/faults.h"
#include "tests/harness/weir_test.h"

static void pieces_are_aligned_and_apart(void **state)
{
    (void)state;
    struct wr_arena arena;
    uint8_t *pieces[200];
    wr_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < 200; i++) {
        pieces[i] = wr_arena_alloc(&arena, i);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], (int)i, i);
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_int_equal(pieces[i][j], i);
        }
    }
    wr_arena_done(&arena);
}

static void the_limit_holds_and_reset_gives_it_back(void **state)
{
    (void)state;
    struct wr_arena arena;
    wr_arena_init(&arena, 100000);
    for (int round = 0; round < 3; round++) {
        size_t taken = 0;
        while (wr_arena_alloc(&arena, 1000)) {
            taken++;
        }
        assert_in_range(taken, 98, 100);
        assert_null(wr_arena_alloc(&arena, 100000));
        wr_arena_reset(&arena);
        assert_int_equal(arena.used, 0);
    }
    wr_arena_done(&arena);
}

static void a_piece_larger_than_a_block_gets_its_own(void **state)
{
    (void)state;
    struct wr_arena arena;
    wr_arena_init(&arena, (size_t)8 << 20);
    uint8_t *small = wr_arena_alloc(&arena, 10);
    uint8_t *large = wr_arena_alloc(&arena, (size_t)4 << 20);
    assert_non_null(small);
    assert_non_null(large);
    memset(large, 1, (size_t)4 << 20);
    assert_non_null(wr_arena_alloc(&arena, 10));
    wr_arena_done(&arena);
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    struct wr_arena arena;
    wr_arena_init(&arena, SIZE_MAX);
    assert_null(wr_arena_alloc(&arena, SIZE_MAX));
    assert_null(wr_arena_alloc(&arena, SIZE_MAX - 8));
    assert_null(wr_arena_calloc(&arena, SIZE_MAX / 2, 3));
    wr_arena_done(&arena);
}

static void a_rewind_takes_back_what_came_after_the_mark(void **state)
{
    (void)state;
    struct wr_arena arena;
    wr_arena_init(&arena, (size_t)8 << 20);
    struct wr_arena_mark empty = wr_arena_mark(&arena);
    uint8_t *kept = wr_arena_alloc(&arena, 1000);
    memset(kept, 7, 1000);
    struct wr_arena_mark mark = wr_arena_mark(&arena);
    size_t used = arena.used;
    const uint8_t *again = NULL;
    for (size_t round = 0; round < 1000; round++) {
        /* more than fits beside it, and once more than any block */
        size_t size = round == 500 ? (size_t)4 << 20 : 60000;
        uint8_t *inner = wr_arena_alloc(&arena, 100);
        assert_non_null(inner);
        uint8_t *large = wr_arena_alloc(&arena, size);
        assert_non_null(large);
        memset(large, 1, size);
        struct wr_arena_mark nested = wr_arena_mark(&arena);
        assert_non_null(wr_arena_alloc(&arena, 60000));
        wr_arena_rewind(&arena, &nested);
        wr_arena_rewind(&arena, &mark);
        assert_int_equal(arena.used, used);
        assert_true(!again || again == inner);
        again = inner;
    }
    assert_int_equal(kept[0] + kept[999], 14);
    wr_arena_rewind(&arena, &empty);
    assert_int_equal(arena.used, 0);
    wr_arena_done(&arena);
}

static void calloc_gives_zeros_even_in_used_memory(void **state)
{
    (void)state;
    struct wr_arena arena;
    wr_arena_init(&arena, 1 << 16);
    memset(wr_arena_alloc(&arena, 4096), 0xff, 4096);
    wr_arena_reset(&arena);
    const uint8_t *zeros = wr_arena_calloc(&arena, 64, 64);
    assert_non_null(zeros);
    for (size_t i = 0; i < 4096; i++) {
        assert_int_equal(zeros[i], 0);
    }
    wr_arena_done(&arena);
}

static void copies_keep_null_and_empty_apart(void **state)
{
    (void)state;
    struct wr_arena arena;
    struct weir_bytes out;
    wr_arena_init(&arena, 64);
    assert_status(WEIR_OK, wr_arena_copy(&arena, WEIR_NULL, &out));
    assert_null(out.data);
    assert_status(WEIR_OK, wr_arena_copy(&arena, weir_text(""), &out));
    assert_non_null(out.data);
    assert_int_equal(out.len, 0);
    assert_status(WEIR_OK, wr_arena_copy(&arena, weir_text("word"), &out));
    assert_true(wr_bytes_equal_text(out, "word"));
    assert_string_equal(wr_arena_text(&arena, out), "word");
    assert_status(WEIR_E_NOMEM,
                  wr_arena_copy(&arena, weir_bytes("x", 100), &out));
    assert_null(out.data);
    wr_arena_done(&arena);
}

static enum weir_status use_arena(void *arg)
{
    (void)arg;
    struct wr_arena arena;
    struct weir_bytes out;
    wr_arena_init(&arena, 1 << 20);
    enum weir_status status = wr_arena_copy(&arena, weir_text("a"), &out);
    if (status == WEIR_OK && !wr_arena_calloc(&arena, 100, 1000)) {
        status = WEIR_E_NOMEM;
    }
    if (status == WEIR_OK && !wr_arena_text(&arena, out)) {
        status = WEIR_E_NOMEM;
    }
    wr_arena_done(&arena);
    return status;
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    /* a first block, one that is larger, and the next after that */
    assert_int_equal(wr_faults_each(use_arena, NULL), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_apart),
        cmocka_unit_test(the_limit_holds_and_reset_gives_it_back),
        cmocka_unit_test(a_piece_larger_than_a_block_gets_its_own),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(a_rewind_takes_back_what_came_after_the_mark),
        cmocka_unit_test(calloc_gives_zeros_even_in_used_memory),
        cmocka_unit_test(copies_keep_null_and_empty_apart),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
