/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes of rows: the bytes of Kafka Streams, and what it may have written. */
#include "tests/harness/weir_test.h"

#include "dsl/change.h"

static void assert_bytes(const char *new_value, const char *old_value,
                         const char *bytes, size_t len)
{
    struct wr_change change = {weir_text(new_value), weir_text(old_value)};
    uint8_t out[64];
    assert_int_equal(wr_change_size(&change), len);
    wr_change_write(&change, out);
    assert_memory_equal(out, bytes, len);
    struct wr_change back;
    assert_int_equal(wr_change_read(weir_bytes(out, len), &back), WEIR_OK);
    assert_true(wr_bytes_equal(back.new_value, change.new_value));
    assert_true(wr_bytes_equal(back.old_value, change.old_value));
}

static void changes_have_kafka_streams_bytes(void **state)
{
    (void)state;
    assert_bytes("new", NULL, "new\x01", 4);
    assert_bytes(NULL, "old", "old\x00", 4);
    assert_bytes("ab", "old",
                 "\x04"
                 "abold\x02",
                 7);
    assert_bytes("", NULL, "\x01", 1);
    assert_bytes("", "", "\x00\x02", 2);
    assert_bytes("", "o", "\x00o\x02", 3);
}

static void forms_with_the_latest_mark_are_read(void **state)
{
    (void)state;
    struct wr_change change;
    assert_int_equal(wr_change_read(weir_bytes("old\x01\x03", 5), &change),
                     WEIR_OK);
    assert_true(wr_bytes_equal_text(change.old_value, "old"));
    assert_null(change.new_value.data);
    assert_int_equal(wr_change_read(weir_bytes("new\x00\x04", 5), &change),
                     WEIR_OK);
    assert_true(wr_bytes_equal_text(change.new_value, "new"));
    assert_int_equal(wr_change_read(weir_bytes("\x02no\x01\x05", 5), &change),
                     WEIR_OK);
    assert_true(wr_bytes_equal_text(change.new_value, "n"));
    assert_true(wr_bytes_equal_text(change.old_value, "o"));
}

static void what_is_no_change_is_refused(void **state)
{
    (void)state;
    static const struct weir_bytes bad[] = {
        {(const uint8_t *)"", 0},
        {(const uint8_t *)"x\x06", 2},
        {(const uint8_t *)"\x03", 1},
        {(const uint8_t *)"\x02", 1},
        {(const uint8_t *)"\x09x\x02", 3},
        {(const uint8_t *)"\x01x\x02", 3},
        {(const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
         12}};
    struct wr_change change;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(wr_change_read(bad[i], &change), WEIR_E_DECODE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_have_kafka_streams_bytes),
        cmocka_unit_test(forms_with_the_latest_mark_are_read),
        cmocka_unit_test(what_is_no_change_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
