/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include "tests/harness/weir_test.h"

/* By the definition: one bit at a time. */
static uint32_t crc32c_bitwise(uint32_t crc, const uint8_t *p, size_t len)
{
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
        }
    }
    return ~crc;
}

static void crc32c_gives_the_vectors_of_rfc_3720(void **state)
{
    (void)state;
    uint8_t b[32];
    uint32_t (*const ways[])(uint32_t, const void *,
                             size_t) = {wr_crc32c, wr_crc32c_portable};
    for (int w = 0; w < 2; w++) {
        memset(b, 0, 32);
        assert_int_equal(ways[w](0, b, 32), 0x8a9136aau);
        memset(b, 0xff, 32);
        assert_int_equal(ways[w](0, b, 32), 0x62a8ab43u);
        for (uint8_t i = 0; i < 32; i++) {
            b[i] = i;
        }
        assert_int_equal(ways[w](0, b, 32), 0x46dd794eu);
        for (uint8_t i = 0; i < 32; i++) {
            b[i] = (uint8_t)(31 - i);
        }
        assert_int_equal(ways[w](0, b, 32), 0x113fdb5cu);
        assert_int_equal(ways[w](0, "123456789", 9), 0xe3069283u);
        assert_int_equal(ways[w](0, "", 0), 0);
    }
}

static void crc32c_agrees_with_its_definition_at_any_length(void **state)
{
    (void)state;
    static uint8_t bytes[40000];
    uint64_t seed = wr_test_seed(1);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)wr_test_random(&seed);
    }
    for (size_t round = 0; round < 600; round++) {
        /* all short lengths, then around the edges of the three streams */
        size_t at = wr_test_random(&seed) % 16;
        size_t len = round < 300   ? round
                     : round < 350 ? 3 * 256 - 25 + (round - 300)
                     : round < 400 ? 3 * 4096 - 25 + (round - 350)
                                   : wr_test_random(&seed) % 39000;
        uint32_t start = (uint32_t)wr_test_random(&seed);
        uint32_t expected = crc32c_bitwise(start, bytes + at, len);
        assert_int_equal(wr_crc32c(start, bytes + at, len), expected);
        assert_int_equal(wr_crc32c_portable(start, bytes + at, len), expected);
    }
}

static void crc32c_continues_where_it_stopped(void **state)
{
    (void)state;
    static const char text[] = "a stream meets the sea in parts";
    uint32_t whole = wr_crc32c(0, text, sizeof(text));
    for (size_t cut = 0; cut <= sizeof(text); cut++) {
        uint32_t crc = wr_crc32c(0, text, cut);
        assert_int_equal(wr_crc32c(crc, text + cut, sizeof(text) - cut), whole);
    }
}

static void murmur2_gives_kafkas_own_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        int32_t hash;
    } rows[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal((int32_t)wr_murmur2(weir_text(rows[i].key)),
                         rows[i].hash);
    }
}

static void partitions_are_never_negative(void **state)
{
    (void)state;
    /* the sign bit is cleared, not negated */
    assert_int_equal(wr_partition_of(weir_text("21"), 1000),
                     (-973932308 & 0x7fffffff) % 1000);
    assert_int_equal(wr_partition_of(weir_text("abc"), 7), 479470107 % 7);
    for (uint32_t i = 0; i < 10000; i++) {
        int32_t p = wr_partition_of(weir_bytes(&i, sizeof(i)), 12);
        assert_in_range(p, 0, 11);
    }
}

static void hash64_tells_near_keys_apart(void **state)
{
    (void)state;
    assert_true(wr_hash64(weir_text("")) != wr_hash64(weir_text("a")));
    assert_true(wr_hash64(weir_text("a")) != wr_hash64(weir_text("b")));
    assert_true(wr_hash64(weir_bytes("a", 1)) == wr_hash64(weir_text("a")));
    assert_true(wr_hash64(weir_bytes("a\0", 2)) != wr_hash64(weir_text("a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_gives_the_vectors_of_rfc_3720),
        cmocka_unit_test(crc32c_agrees_with_its_definition_at_any_length),
        cmocka_unit_test(crc32c_continues_where_it_stopped),
        cmocka_unit_test(murmur2_gives_kafkas_own_numbers),
        cmocka_unit_test(partitions_are_never_negative),
        cmocka_unit_test(hash64_tells_near_keys_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
