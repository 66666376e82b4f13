/* SPDX-License-Identifier: Apache-2.0 */
#include "stores/base_key.h"

#include "tests/harness/weir_test.h"

static void row_keys_keep_the_order_and_leave_the_mark_free(void **state)
{
    (void)state;
    /* every key of up to four bytes out of 0, 1, 255 */
    static uint8_t keys[121][4];
    static size_t lens[121];
    static const uint8_t alphabet[] = {0, 1, 255};
    size_t count = 0;
    for (size_t len = 0; len <= 4; len++) {
        size_t all = 1;
        for (size_t i = 0; i < len; i++) {
            all *= 3;
        }
        for (size_t n = 0; n < all; n++, count++) {
            size_t rest = n;
            lens[count] = len;
            for (size_t i = 0; i < len; i++, rest /= 3) {
                keys[count][i] = alphabet[rest % 3];
            }
        }
    }
    assert_int_equal(count, 121);
    struct wr_buf one;
    struct wr_buf two;
    wr_buf_init(&one, 64);
    wr_buf_init(&two, 64);
    for (size_t i = 0; i < count; i++) {
        struct weir_bytes a = weir_bytes(keys[i], lens[i]);
        struct weir_bytes row_a = wr_base_key(a, &one);
        assert_true(wr_bytes_equal(wr_user_key(row_a), a));
        assert_true(wr_bytes_compare(wr_mark_key(), row_a) < 0);
        for (size_t j = 0; j < count; j++) {
            struct weir_bytes b = weir_bytes(keys[j], lens[j]);
            int want = wr_bytes_compare(a, b);
            int got = wr_bytes_compare(row_a, wr_base_key(b, &two));
            assert_int_equal((want > 0) - (want < 0), (got > 0) - (got < 0));
        }
    }
    wr_buf_done(&one);
    wr_buf_done(&two);
}

static void a_mark_reads_as_it_was_written(void **state)
{
    (void)state;
    uint8_t bytes[WR_MARK_LEN];
    for (int i = 0; i < 4; i++) {
        struct wr_mark mark = {i % 2 == 1, i / 2 == 1, i - 1,
                               INT64_MAX / (i + 1)};
        struct wr_mark read;
        wr_mark_write(&mark, bytes);
        assert_status(WEIR_OK,
                      wr_mark_read(weir_bytes(bytes, WR_MARK_LEN), &read));
        assert_int_equal(read.timestamped, mark.timestamped);
        assert_int_equal(read.exact, mark.exact);
        assert_int_equal(read.offset, mark.offset);
        assert_int_equal(read.count, mark.count);
    }
}

static void a_strange_mark_is_damage(void **state)
{
    (void)state;
    uint8_t bytes[WR_MARK_LEN + 1] = {0};
    struct wr_mark mark = {false, true, 3, 4};
    wr_mark_write(&mark, bytes);
    assert_status(WEIR_E_CORRUPT, wr_mark_read(WEIR_NULL, &mark));
    for (size_t len = 0; len <= WR_MARK_LEN + 1; len++) {
        if (len != WR_MARK_LEN) {
            assert_status(WEIR_E_CORRUPT,
                          wr_mark_read(weir_bytes(bytes, len), &mark));
        }
    }
    bytes[0] = 2;
    assert_status(WEIR_E_CORRUPT,
                  wr_mark_read(weir_bytes(bytes, WR_MARK_LEN), &mark));
    bytes[0] = 1;
    wr_store_i64(bytes + 2, -2);
    assert_status(WEIR_E_CORRUPT,
                  wr_mark_read(weir_bytes(bytes, WR_MARK_LEN), &mark));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_keys_keep_the_order_and_leave_the_mark_free),
        cmocka_unit_test(a_mark_reads_as_it_was_written),
        cmocka_unit_test(a_strange_mark_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
