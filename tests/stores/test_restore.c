/* SPDX-License-Identifier: Apache-2.0
 *
 * Stores rebuilt from their changelogs, and wiped. */
#include "tests/stores/three_stores.h"

static void restore_takes_up_where_the_base_ends(void **state)
{
    struct fixture *f = *state;
    fill(f, true);
    fixture_close(f, false);
    fixture_open(f);
    struct wr_changelog_record records[] = {
        {weir_text("key-1"), weir_text("new"), 70, 1003},
        {weir_text("key-2"), WEIR_NULL, 71, 1004},
        {weir_text("more"), weir_text("1"), 72, 1006},
        {weir_text("never"), WEIR_NULL, 73, 1007},
    };
    for (int s = 0; s < 3; s++) {
        struct weir_store *store = fixture_store(f, s);
        assert_status(WEIR_OK, wr_store_restore(f->state, s, records, 4, NULL));
        assert_status(WEIR_OK, wr_store_restored(f->state, s, 1009, NULL));
        assert_int_equal(wr_store_position(store), 1009);
        assert_string_equal(must_get(store, "key-1"), "new");
        assert_string_equal(must_get(store, "key-2"), "null");
        assert_string_equal(must_get_committed(store, "more"), "1");
        assert_string_equal(must_get(store, "key-3"),
                            s == MEMORY ? "null" : "key-3");
    }
    struct weir_bytes value;
    int64_t ts;
    assert_status(WEIR_OK,
                  weir_store_get_timestamped(fixture_store(f, STAMPED),
                                             weir_text("more"), &value, &ts));
    assert_int_equal(ts, 72);
    wr_task_state_abort(f->state);
    fixture_close(f, true);
    fixture_open(f);
    assert_int_equal(wr_store_restore_from(f->state, ROWS), 1010);
    assert_string_equal(must_get(fixture_store(f, ROWS), "key-1"), "new");
    assert_string_equal(must_get(fixture_store(f, ROWS), "key-2"), "null");
}

static void a_batch_may_be_given_again(void **state)
{
    struct fixture *f = *state;
    struct wr_changelog_record records[] = {
        {weir_text("a"), weir_text("1"), 70, 0},
        {weir_text("a"), weir_text("2"), 71, 1},
    };
    assert_status(WEIR_OK, wr_store_restore(f->state, ROWS, records, 2, NULL));
    assert_status(WEIR_OK, wr_store_restore(f->state, ROWS, records, 1, NULL));
    assert_int_equal(wr_store_position(fixture_store(f, ROWS)), 1);
    assert_string_equal(must_get(fixture_store(f, ROWS), "a"), "2");
    assert_int_equal(weir_store_approximate_count(fixture_store(f, ROWS)), 1);
}

static void a_bulk_load_goes_down_while_it_runs(void **state)
{
    struct fixture *f = *state;
    char key[32];
    for (int i = 0; i < 50000; i++) {
        snprintf(key, sizeof(key), "key-%d", i % 30000);
        struct wr_changelog_record record = {weir_text(key), weir_text(key), 1,
                                             i};
        assert_status(WEIR_OK,
                      wr_store_restore(f->state, ROWS, &record, 1, NULL));
    }
    fixture_close(f, false); /* as after a crash */
    fixture_open(f);
    assert_in_range(wr_store_restore_from(f->state, ROWS), 30000, 50000);
    assert_string_equal(must_get(fixture_store(f, ROWS), "key-29999"),
                        "key-29999");
}

static void a_wiped_store_is_empty_and_the_others_are_not(void **state)
{
    struct fixture *f = *state;
    fill(f, true);
    assert_status(WEIR_OK, wr_store_wipe(f->state, ROWS, NULL));
    for (int round = 0; round < 2; round++) {
        assert_int_equal(wr_store_restore_from(f->state, ROWS), 0);
        assert_string_equal(must_get(fixture_store(f, ROWS), "key-7"), "null");
        assert_int_equal(weir_store_approximate_count(fixture_store(f, ROWS)),
                         0);
        assert_string_equal(must_get(fixture_store(f, STAMPED), "key-7"),
                            "key-7");
        fixture_close(f, true);
        fixture_open(f);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(restore_takes_up_where_the_base_ends),
        TEST(a_batch_may_be_given_again),
        TEST(a_bulk_load_goes_down_while_it_runs),
        TEST(a_wiped_store_is_empty_and_the_others_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
