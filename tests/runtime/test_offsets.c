/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/offsets.h"

#include "tests/harness/weir_test.h"

/* As Kafka Streams writes them: Base64 of 02 + int64. */
static void text_has_the_bytes_of_kafka_streams(void **state)
{
    (void)state;
    char text[WR_OFFSET_METADATA_MAX];
    wr_offset_metadata(0, text);
    assert_string_equal(text, "AgAAAAAAAAAA");
    wr_offset_metadata(-1, text);
    assert_string_equal(text, "Av//////////");
    wr_offset_metadata(1700000000000, text);
    assert_string_equal(text, "AgAAAYvP5WgA");
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    const int64_t times[] = {0, 1, 255, 1700000000000, INT64_MAX};
    char text[WR_OFFSET_METADATA_MAX];
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        wr_offset_metadata(times[i], text);
        assert_int_equal(wr_offset_metadata_time_ms(text), times[i]);
    }
}

static void other_versions_and_longer_texts_are_read(void **state)
{
    (void)state;
    assert_int_equal(wr_offset_metadata_time_ms("AQAAAYvP5WgA"), 1700000000000);
    assert_int_equal(wr_offset_metadata_time_ms("AgAAAYvP5WgAAAAAAQ=="),
                     1700000000000);
}

static void anything_else_means_unknown(void **state)
{
    (void)state;
    assert_int_equal(wr_offset_metadata_time_ms(NULL), -1);
    assert_int_equal(wr_offset_metadata_time_ms(""), -1);
    assert_int_equal(wr_offset_metadata_time_ms("AgAA"), -1);
    assert_int_equal(wr_offset_metadata_time_ms("AwAAAYvP5WgA"), -1);
    assert_int_equal(wr_offset_metadata_time_ms("committed by a person"), -1);
    assert_int_equal(wr_offset_metadata_time_ms("Av//////////"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_has_the_bytes_of_kafka_streams),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(other_versions_and_longer_texts_are_read),
        cmocka_unit_test(anything_else_means_unknown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
