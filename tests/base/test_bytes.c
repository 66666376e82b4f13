/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include "tests/harness/weir_test.h"

static void null_empty_and_prefix_compare_as_rocksdb_does(void **state)
{
    (void)state;
    assert_true(wr_bytes_equal(WEIR_NULL, WEIR_NULL));
    assert_false(wr_bytes_equal(WEIR_NULL, weir_text("")));
    assert_true(wr_bytes_equal(weir_text("a"), weir_bytes("ab", 1)));
    assert_true(wr_bytes_compare(weir_text("a"), weir_text("ab")) < 0);
    assert_true(wr_bytes_compare(weir_text("b"), weir_text("ab")) > 0);
    assert_true(wr_bytes_compare(weir_text("\x7f"), weir_text("\x80")) < 0);
    assert_int_equal(wr_bytes_compare(weir_text("ab"), weir_text("ab")), 0);
}

static void integers_are_big_endian_and_round_trip(void **state)
{
    (void)state;
    struct wr_buf buf;
    struct wr_reader reader;
    static const uint8_t expected[] = {0xff, 0x01, 0x02, 0x80, 0,
                                       0,    1,    0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xfe};
    wr_buf_init(&buf, 100);
    wr_buf_put_i8(&buf, -1);
    wr_buf_put_i16(&buf, 0x0102);
    wr_buf_put_i32(&buf, INT32_MIN + 1);
    wr_buf_put_i64(&buf, -2);
    assert_int_equal(buf.len, sizeof(expected));
    assert_memory_equal(buf.data, expected, sizeof(expected));
    wr_reader_init(&reader, wr_buf_view(&buf));
    assert_int_equal(wr_read_i8(&reader), -1);
    assert_int_equal(wr_read_i16(&reader), 0x0102);
    assert_int_equal(wr_read_i32(&reader), INT32_MIN + 1);
    assert_int_equal(wr_read_i64(&reader), -2);
    assert_int_equal(wr_reader_left(&reader), 0);
    assert_status(WEIR_OK, reader.status);
    wr_buf_done(&buf);
}

static void varints_round_trip_at_every_length(void **state)
{
    (void)state;
    struct wr_buf buf;
    wr_buf_init(&buf, 1000);
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t edge = (uint64_t)1 << bit;
        uint64_t values[] = {edge, edge - 1, ~edge};
        for (size_t i = 0; i < 3; i++) {
            struct wr_reader reader;
            wr_buf_reset(&buf);
            wr_buf_put_uvarint(&buf, values[i]);
            assert_int_equal(buf.len, wr_uvarint_size(values[i]));
            wr_buf_put_varint(&buf, (int64_t)values[i]);
            wr_reader_init(&reader, wr_buf_view(&buf));
            assert_true(wr_read_uvarint(&reader) == values[i]);
            assert_true(wr_read_varint(&reader) == (int64_t)values[i]);
            assert_status(WEIR_OK, reader.status);
            assert_int_equal(wr_reader_left(&reader), 0);
        }
    }
    wr_buf_done(&buf);
}

static void a_varint_too_long_is_corrupt_and_a_short_one_truncated(void **state)
{
    (void)state;
    struct wr_reader reader;
    static const uint8_t eleven[11] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                       0x80, 0x80, 0x80, 0x80, 0x01};
    static const uint8_t bit_65[10] = {0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0x02};
    wr_reader_init(&reader, weir_bytes(eleven, sizeof(eleven)));
    assert_int_equal(wr_read_uvarint(&reader), 0);
    assert_status(WEIR_E_CORRUPT, reader.status);
    wr_reader_init(&reader, weir_bytes(bit_65, sizeof(bit_65)));
    assert_int_equal(wr_read_uvarint(&reader), 0);
    assert_status(WEIR_E_CORRUPT, reader.status);
    wr_reader_init(&reader, weir_bytes(eleven, 3));
    assert_int_equal(wr_read_uvarint(&reader), 0);
    assert_status(WEIR_E_TRUNCATED, reader.status);
}

static void a_reader_believes_no_length_and_keeps_its_first_error(void **state)
{
    (void)state;
    struct wr_reader reader;
    wr_reader_init(&reader, weir_text("abc"));
    assert_true(wr_bytes_equal_text(wr_read_bytes(&reader, 2), "ab"));
    assert_null(wr_read_bytes(&reader, SIZE_MAX).data);
    assert_status(WEIR_E_TRUNCATED, reader.status);
    assert_int_equal(wr_read_i8(&reader), 0);
    wr_reader_fail(&reader, WEIR_E_CORRUPT);
    assert_status(WEIR_E_TRUNCATED, reader.status);
    assert_int_equal(reader.pos, 2);
}

static void reading_nothing_of_nothing_is_empty_not_null(void **state)
{
    (void)state;
    struct wr_reader reader;
    wr_reader_init(&reader, WEIR_NULL);
    assert_non_null(wr_read_bytes(&reader, 0).data);
    wr_read_skip(&reader, 0);
    assert_status(WEIR_OK, reader.status);
    wr_read_skip(&reader, 1);
    assert_status(WEIR_E_TRUNCATED, reader.status);
}

static void a_buffer_stops_at_its_limit_and_stays_stopped(void **state)
{
    (void)state;
    struct wr_buf buf;
    wr_buf_init(&buf, 5);
    wr_buf_put_text(&buf, "abc");
    wr_buf_put_i32(&buf, 1);
    assert_status(WEIR_E_TOOBIG, buf.status);
    wr_buf_put_i8(&buf, 1);
    assert_int_equal(buf.len, 3);
    assert_null(wr_buf_extend(&buf, 0));
    wr_buf_reset(&buf);
    wr_buf_put_text(&buf, "abcde");
    assert_status(WEIR_OK, buf.status);
    assert_true(wr_bytes_equal_text(wr_buf_view(&buf), "abcde"));
    wr_buf_done(&buf);
    wr_buf_done(NULL);
}

static void printf_of_any_length_leaves_no_nul(void **state)
{
    (void)state;
    struct wr_buf buf;
    char word[600];
    memset(word, 'w', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    wr_buf_init(&buf, 2000);
    wr_buf_printf(&buf, "%d-", 7);
    wr_buf_printf(&buf, "%s", word);
    wr_buf_printf(&buf, "%s", "");
    wr_buf_put_text(&buf, "!");
    assert_int_equal(buf.len, 2 + 599 + 1);
    const char *text = wr_buf_text(&buf);
    assert_int_equal(strlen(text), 602);
    assert_int_equal(buf.len, 602);
    assert_memory_equal(text, "7-www", 5);
    assert_memory_equal(text + 600, "w!", 3);
    wr_buf_done(&buf);
}

static void an_empty_buffer_is_empty_text(void **state)
{
    (void)state;
    struct wr_buf buf;
    wr_buf_init(&buf, 0);
    assert_non_null(wr_buf_view(&buf).data);
    assert_int_equal(wr_buf_view(&buf).len, 0);
    assert_string_equal(wr_buf_text(&buf), "");
    wr_buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_empty_and_prefix_compare_as_rocksdb_does),
        cmocka_unit_test(integers_are_big_endian_and_round_trip),
        cmocka_unit_test(varints_round_trip_at_every_length),
        cmocka_unit_test(
            a_varint_too_long_is_corrupt_and_a_short_one_truncated),
        cmocka_unit_test(a_reader_believes_no_length_and_keeps_its_first_error),
        cmocka_unit_test(reading_nothing_of_nothing_is_empty_not_null),
        cmocka_unit_test(a_buffer_stops_at_its_limit_and_stays_stopped),
        cmocka_unit_test(printf_of_any_length_leaves_no_nul),
        cmocka_unit_test(an_empty_buffer_is_empty_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
