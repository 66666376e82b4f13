/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/coord_log.h"

#include "tests/harness/weir_test.h"

static void keys_go_where_kafka_puts_them(void **state)
{
    (void)state;
    /* Math.abs("...".hashCode()) % 50, as Java computes it */
    static const struct {
        const char *key;
        int32_t partition;
    } rows[] = {{"", 0},
                {"a", 47},
                {"my-group", 12},
                {"weir-app", 29},
                {"gr\xc3\xb6\xc3\x9f\x65", 7},
                {"\xf0\x9d\x84\x9e clef", 2},
                {"polygenelubricants", 0}}; /* hash -2147483648 */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(wr_coord_partition(weir_text(rows[i].key), 50),
                         rows[i].partition);
    }
}

static void malformed_text_has_a_partition_too(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0xff, 0xf0, 0x9d, 0x84};
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        int32_t at = wr_coord_partition(weir_bytes(bytes, len), 7);
        assert_in_range(at, 0, 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_go_where_kafka_puts_them),
        cmocka_unit_test(malformed_text_has_a_partition_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
