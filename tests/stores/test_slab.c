/* SPDX-License-Identifier: Apache-2.0 */
#include "stores/slab.h"

#include "tests/harness/weir_test.h"

#define PIECES 3000

static void pieces_are_apart_and_large_enough(void **state)
{
    (void)state;
    static uint32_t refs[PIECES];
    static size_t sizes[PIECES];
    struct wr_slab slab;
    uint64_t seed = wr_test_seed(3);
    size_t used = 0;
    wr_slab_init(&slab);
    for (int round = 0; round < 40000; round++) {
        size_t i = wr_test_random(&seed) % PIECES;
        if (refs[i]) {
            const uint8_t *bytes = wr_slab_at(&slab, refs[i]);
            for (size_t b = 0; b < sizes[i]; b += 7) {
                assert_int_equal(bytes[b], (uint8_t)i);
            }
            used -= wr_slab_size(&slab, refs[i]);
            wr_slab_free(&slab, refs[i]);
            refs[i] = 0;
            continue;
        }
        uint64_t kind = wr_test_random(&seed) % 100;
        size_t most = kind == 0 ? 100000 : kind < 10 ? 5000 : 200;
        sizes[i] = wr_test_random(&seed) % most;
        refs[i] = wr_slab_alloc(&slab, sizes[i]);
        assert_true(refs[i] > WR_SLAB_REF_LOWEST - 1);
        assert_true(wr_slab_size(&slab, refs[i]) >= sizes[i]);
        assert_int_equal((uintptr_t)wr_slab_at(&slab, refs[i]) % WR_SLAB_UNIT,
                         0);
        used += wr_slab_size(&slab, refs[i]);
        memset(wr_slab_at(&slab, refs[i]), (int)(i & 0xff), sizes[i]);
    }
    assert_int_equal(slab.used, used);
    for (size_t i = 0; i < PIECES; i++) {
        if (refs[i]) {
            wr_slab_free(&slab, refs[i]);
        }
    }
    assert_int_equal(slab.used, 0);
    /* at most one empty chunk for each class stays */
    assert_true(slab.held <= (size_t)WR_SLAB_CLASSES << 16);
    wr_slab_done(&slab);
}

static void waste_is_at_most_a_quarter(void **state)
{
    (void)state;
    struct wr_slab slab;
    wr_slab_init(&slab);
    for (size_t n = 1; n <= 20000; n += n < 300 ? 1 : 97) {
        uint32_t ref = wr_slab_alloc(&slab, n);
        assert_true(ref != 0);
        size_t size = wr_slab_size(&slab, ref);
        assert_in_range(size, n, n + n / 4 + WR_SLAB_UNIT);
        wr_slab_free(&slab, ref);
    }
    wr_slab_done(&slab);
}

static void what_is_too_large_is_refused(void **state)
{
    (void)state;
    struct wr_slab slab;
    wr_slab_init(&slab);
    assert_int_equal(wr_slab_alloc(&slab, ((size_t)1 << 31) + 1), 0);
    assert_int_equal(wr_slab_alloc(&slab, SIZE_MAX), 0);
    uint32_t ref = wr_slab_alloc(&slab, 0);
    assert_true(ref != 0);
    wr_slab_free(&slab, ref);
    wr_slab_done(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_apart_and_large_enough),
        cmocka_unit_test(waste_is_at_most_a_quarter),
        cmocka_unit_test(what_is_too_large_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
