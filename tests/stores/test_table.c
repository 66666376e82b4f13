/* SPDX-License-Identifier: Apache-2.0 */
#include "stores/table.h"

#include "tests/harness/weir_test.h"

#define KEYS 5000

static struct weir_bytes key_of(uint32_t n, char text[16])
{
    int len = snprintf(text, 16, "k%u", n);
    return weir_bytes(text, (size_t)len);
}

static void entries_come_and_go(void **state)
{
    (void)state;
    static bool there[KEYS];
    struct wr_table table;
    char text[16];
    uint64_t seed = wr_test_seed(5);
    size_t count = 0;
    wr_table_init(&table);
    for (int round = 0; round < 100000; round++) {
        uint32_t n = (uint32_t)(wr_test_random(&seed) % KEYS);
        struct weir_bytes key = key_of(n, text);
        uint32_t ref = wr_table_find(&table, key);
        assert_int_equal(ref != 0, there[n]);
        if (ref) {
            assert_true(
                wr_bytes_equal(wr_entry_key(wr_entry_at(&table, ref)), key));
            assert_int_equal(wr_table_find(&table, key), ref);
            wr_table_remove(&table, ref);
            assert_int_equal(wr_table_find(&table, key), 0);
            count--;
        } else {
            assert_status(WEIR_OK, wr_table_insert(&table, key, &ref));
            assert_int_equal(wr_table_find(&table, key), ref);
            count++;
        }
        there[n] = !there[n];
        assert_int_equal(table.count, count);
    }
    wr_table_done(&table);
}

static void values_are_overwritten_in_place_where_that_is_allowed(void **state)
{
    (void)state;
    struct wr_table table;
    uint32_t value = WR_UNKNOWN;
    int64_t ts;
    wr_table_init(&table);
    assert_status(WEIR_OK, wr_value_set(&table, &value,
                                        weir_text("twelve bytes"), 7, false));
    uint32_t first = value;
    assert_status(WEIR_OK, wr_value_set(&table, &value,
                                        weir_text("other bytes"), 8, false));
    assert_int_equal(value, first);
    assert_true(
        wr_bytes_equal_text(wr_value_bytes(&table, value, &ts), "other bytes"));
    assert_int_equal(ts, 8);
    uint32_t kept = value;
    assert_status(WEIR_OK,
                  wr_value_set(&table, &value, weir_text("x"), 9, true));
    assert_int_not_equal(value, kept);
    assert_true(
        wr_bytes_equal_text(wr_value_bytes(&table, kept, &ts), "other bytes"));
    wr_value_free(&table, kept);
    /* part of itself, and a deletion */
    struct weir_bytes part;
    assert_status(WEIR_OK, wr_value_set(&table, &value, weir_text("0123456789"),
                                        9, false));
    part = wr_value_bytes(&table, value, &ts);
    part.data += 3;
    part.len -= 3;
    assert_status(WEIR_OK, wr_value_set(&table, &value, part, 9, false));
    assert_true(
        wr_bytes_equal_text(wr_value_bytes(&table, value, &ts), "3456789"));
    assert_status(WEIR_OK, wr_value_set(&table, &value, WEIR_NULL, 10, false));
    assert_null(wr_value_bytes(&table, value, &ts).data);
    wr_value_free(&table, value);
    assert_int_equal(table.slab.used, 0);
    wr_value_free(&table, WR_UNKNOWN);
    wr_value_free(&table, WR_ABSENT);
    wr_table_done(&table);
}

static void while_held_nothing_is_freed_or_overwritten(void **state)
{
    (void)state;
    struct wr_table table;
    uint32_t value = WR_UNKNOWN;
    int64_t ts;
    wr_table_init(&table);
    assert_status(WEIR_OK,
                  wr_value_set(&table, &value, weir_text("old"), 1, false));
    struct weir_bytes old = wr_value_bytes(&table, value, &ts);
    table.hold = 1;
    assert_status(WEIR_OK,
                  wr_value_set(&table, &value, weir_text("new"), 1, false));
    assert_true(wr_bytes_equal_text(old, "old"));
    size_t used = table.slab.used;
    table.hold = 0;
    wr_table_release(&table);
    assert_true(table.slab.used < used);
    assert_true(wr_bytes_equal_text(wr_value_bytes(&table, value, &ts), "new"));
    wr_table_done(&table);
}

static void the_clock_spares_what_was_used(void **state)
{
    (void)state;
    struct wr_table table;
    char text[16];
    uint32_t ref;
    size_t steps;
    size_t evicted_hot = 0;
    wr_table_init(&table);
    for (uint32_t n = 0; n < 1000; n++) {
        assert_status(WEIR_OK, wr_table_insert(&table, key_of(n, text), &ref));
    }
    for (int round = 0; round < 800; round++) {
        for (uint32_t n = 0; n < 10; n++) { /* always in use */
            assert_true(wr_table_find(&table, key_of(n, text)) != 0);
        }
        steps = table.cap * 2;
        ref = wr_table_clock(&table, &steps);
        assert_true(ref != 0);
        struct weir_bytes key = wr_entry_key(wr_entry_at(&table, ref));
        evicted_hot += key.len == 2;
        if (key.len > 2) {
            wr_table_remove(&table, ref);
        }
    }
    assert_in_range(evicted_hot, 0, 40);
    steps = 0;
    assert_int_equal(wr_table_clock(&table, &steps), 0);
    wr_table_done(&table);
}

static void keys_have_a_limit(void **state)
{
    (void)state;
    struct wr_table table;
    static uint8_t big[WR_KEY_MAX + 1];
    uint32_t ref = 0;
    wr_table_init(&table);
    assert_int_equal(wr_table_find(&table, weir_text("")), 0);
    assert_status(WEIR_E_TOOBIG,
                  wr_table_insert(&table, weir_bytes(big, sizeof(big)), &ref));
    assert_status(WEIR_OK,
                  wr_table_insert(&table, weir_bytes(big, WR_KEY_MAX), &ref));
    assert_int_equal(wr_table_find(&table, weir_bytes(big, WR_KEY_MAX)), ref);
    assert_status(WEIR_OK, wr_table_insert(&table, weir_text(""), &ref));
    assert_int_equal(wr_table_find(&table, weir_text("")), ref);
    wr_table_done(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_come_and_go),
        cmocka_unit_test(values_are_overwritten_in_place_where_that_is_allowed),
        cmocka_unit_test(while_held_nothing_is_freed_or_overwritten),
        cmocka_unit_test(the_clock_spares_what_was_used),
        cmocka_unit_test(keys_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
