/* SPDX-License-Identifier: Apache-2.0
 *
 * What a store promises a processor, on both engines: every test runs once on
 * RocksDB and once in memory. */
#include "tests/stores/fixture.h"

enum { PLAIN, STAMPED, CACHED, UNLOGGED };

static enum weir_store_engine engine;

static struct weir_store_spec specs[4];

static int setup(void **state)
{
    static struct fixture f;
    fixture_init(&f, 1 << 20);
    specs[PLAIN] = (struct weir_store_spec){.name = "plain"};
    specs[STAMPED] =
        (struct weir_store_spec){.name = "stamped", .timestamped = true};
    specs[CACHED] = (struct weir_store_spec){
        .name = "cached", .caching = true, .timestamped = true};
    specs[UNLOGGED] =
        (struct weir_store_spec){.name = "unlogged", .no_changelog = true};
    for (int i = 0; i < 4; i++) {
        specs[i].size = sizeof(specs[i]);
        specs[i].engine = engine;
        fixture_add(&f, &specs[i]);
    }
    fixture_open(&f);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture_done(*state);
    return 0;
}

static void what_was_put_is_there_and_nothing_else(void **state)
{
    struct weir_store *s = fixture_store(*state, PLAIN);
    assert_string_equal(must_get(s, "a"), "null");
    must_put(s, "a", "1");
    assert_string_equal(must_get(s, "a"), "1");
    assert_string_equal(must_get(s, "b"), "null");
    must_put(s, "a", "a longer value than before, which needs more room");
    assert_string_equal(must_get(s, "a"),
                        "a longer value than before, which needs more room");
    must_put(s, "a", "2");
    assert_string_equal(must_get(s, "a"), "2");
    assert_status(WEIR_OK, weir_store_delete(s, weir_text("a")));
    assert_string_equal(must_get(s, "a"), "null");
    assert_status(WEIR_OK, weir_store_delete(s, weir_text("never there")));
}

static void empty_keys_and_values_are_not_null(void **state)
{
    struct weir_store *s = fixture_store(*state, PLAIN);
    struct weir_bytes value;
    must_put(s, "", "of the empty key");
    must_put(s, "empty", "");
    must_commit(*state, 1);
    assert_string_equal(must_get(s, ""), "of the empty key");
    assert_status(WEIR_OK, weir_store_get(s, weir_text("empty"), &value));
    assert_non_null(value.data);
    assert_int_equal(value.len, 0);
    assert_status(WEIR_E_INVALID, weir_store_get(s, WEIR_NULL, &value));
    assert_status(WEIR_E_INVALID, weir_store_put(s, WEIR_NULL, weir_text("x")));
    assert_status(WEIR_E_INVALID, weir_store_delete(s, WEIR_NULL));
}

static void put_if_absent_puts_once(void **state)
{
    struct fixture *f = *state;
    struct weir_store *s = fixture_store(f, PLAIN);
    struct weir_bytes old;
    assert_status(WEIR_OK, weir_store_put_if_absent(s, weir_text("a"),
                                                    weir_text("1"), &old));
    assert_null(old.data);
    assert_status(WEIR_OK, weir_store_put_if_absent(s, weir_text("a"),
                                                    weir_text("2"), &old));
    assert_string_equal(text_of(old), "1");
    assert_string_equal(must_get(s, "a"), "1");
    assert_status(WEIR_OK,
                  weir_store_put_if_absent(s, weir_text("b"), WEIR_NULL, &old));
    assert_string_equal(fixture_trace(f), "log plain a=1@5\n");
}

static void a_timestamped_store_keeps_each_values_time(void **state)
{
    struct fixture *f = *state;
    struct weir_bytes value;
    int64_t ts;
    struct weir_store *s = fixture_store(f, STAMPED);
    assert_status(WEIR_OK, weir_store_put_timestamped(s, weir_text("a"),
                                                      weir_text("1"), 77));
    assert_status(WEIR_OK, weir_store_put(s, weir_text("b"), weir_text("2")));
    must_commit(f, 1);
    assert_status(WEIR_OK,
                  weir_store_get_timestamped(s, weir_text("a"), &value, &ts));
    assert_int_equal(ts, 77);
    assert_status(WEIR_OK,
                  weir_store_get_timestamped(s, weir_text("b"), &value, &ts));
    assert_int_equal(ts, 5);
    assert_status(WEIR_OK,
                  weir_store_get_timestamped(s, weir_text("c"), &value, &ts));
    assert_int_equal(ts, -1);
    assert_status(WEIR_E_INVALID, weir_store_put_timestamped(
                                      s, weir_text("a"), weir_text("1"), -1));
    struct weir_store *plain = fixture_store(f, PLAIN);
    assert_status(WEIR_OK, weir_store_put_timestamped(plain, weir_text("a"),
                                                      weir_text("1"), 99));
    assert_status(WEIR_OK, weir_store_get_timestamped(plain, weir_text("a"),
                                                      &value, &ts));
    assert_int_equal(ts, -1);
    assert_string_equal(fixture_trace(f), "log stamped a=1@77\n"
                                          "log stamped b=2@5\n"
                                          "log plain a=1@99\n");
}

static void without_a_cache_each_write_is_a_changelog_record(void **state)
{
    struct fixture *f = *state;
    struct weir_store *s = fixture_store(f, PLAIN);
    must_put(s, "a", "1");
    must_put(s, "a", "2");
    assert_status(WEIR_OK, weir_store_delete(s, weir_text("a")));
    assert_status(WEIR_OK, weir_store_delete(s, weir_text("none")));
    must_put(fixture_store(f, UNLOGGED), "a", "1");
    assert_string_equal(fixture_trace(f), "log plain a=1@5\n"
                                          "log plain a=2@5\n"
                                          "log plain a=null@5\n"
                                          "log plain none=null@5\n");
    must_commit(f, 1);
    assert_string_equal(fixture_trace(f), "");
}

static void a_cache_sends_each_key_once_in_order_of_first_write(void **state)
{
    struct fixture *f = *state;
    struct weir_store *s = fixture_store(f, CACHED);
    must_put(s, "b", "1");
    must_put(s, "a", "1");
    f->now_ms = 8;
    must_put(s, "b", "2");
    assert_string_equal(fixture_trace(f), "");
    assert_true(wr_task_state_cached_bytes(f->state) > 0);
    must_commit(f, 1);
    assert_int_equal(wr_task_state_cached_bytes(f->state), 0);
    assert_string_equal(fixture_trace(f), "log cached b=2@8\n"
                                          "out cached b=2<-null@8\n"
                                          "log cached a=1@5\n"
                                          "out cached a=1<-null@5\n");
    must_put(s, "a", "2");
    must_commit(f, 2);
    assert_string_equal(fixture_trace(f), "log cached a=2@8\n"
                                          "out cached a=2<-1@8\n");
}

static void the_old_value_is_what_downstream_last_saw(void **state)
{
    struct fixture *f = *state;
    struct weir_store *s = fixture_store(f, CACHED);
    must_put(s, "a", "1");
    must_commit(f, 1);
    must_put(s, "a", "2");
    assert_status(WEIR_OK, wr_store_flush(f->state, CACHED, NULL));
    must_put(s, "a", "3");
    must_put(s, "a", "4");
    assert_status(WEIR_OK, wr_store_flush(f->state, CACHED, NULL));
    assert_status(WEIR_OK, wr_store_flush(f->state, CACHED, NULL));
    assert_string_equal(fixture_trace(f), "log cached a=1@5\n"
                                          "out cached a=1<-null@5\n"
                                          "log cached a=2@5\n"
                                          "out cached a=2<-1@5\n"
                                          "log cached a=4@5\n"
                                          "out cached a=4<-2@5\n");
    wr_task_state_abort(f->state);
    must_put(s, "a", "5");
    must_commit(f, 2);
    assert_string_equal(fixture_trace(f), "log cached a=5@5\n"
                                          "out cached a=5<-1@5\n");
}

static void absent_before_and_after_sends_nothing(void **state)
{
    struct fixture *f = *state;
    struct weir_store *s = fixture_store(f, CACHED);
    must_put(s, "a", "1");
    assert_status(WEIR_OK, weir_store_delete(s, weir_text("a")));
    assert_status(WEIR_OK, weir_store_delete(s, weir_text("b")));
    must_commit(f, 1);
    assert_string_equal(fixture_trace(f), "");
    must_put(s, "a", "1");
    must_commit(f, 2);
    fixture_trace(f);
    assert_status(WEIR_OK, weir_store_delete(s, weir_text("a")));
    must_commit(f, 3);
    assert_string_equal(fixture_trace(f), "log cached a=null@5\n"
                                          "out cached a=null<-1@5\n");
}

static void
a_store_that_nobody_listens_to_sends_only_its_changelog(void **state)
{
    struct fixture *f = *state;
    struct weir_store *s = fixture_store(f, CACHED);
    wr_store_set_listening(s, false);
    must_put(s, "a", "1");
    must_put(s, "a", "2");
    must_commit(f, 1);
    assert_string_equal(fixture_trace(f), "log cached a=2@5\n");
}

static void a_commit_before_the_flush_is_refused(void **state)
{
    struct fixture *f = *state;
    struct weir_error err = {0};
    int64_t offsets[4] = {-1, -1, -1, -1};
    must_put(fixture_store(f, CACHED), "a", "1");
    must_put(fixture_store(f, PLAIN), "a", "1");
    assert_status(WEIR_E_INVALID,
                  wr_task_state_commit(f->state, offsets, 1, &err));
    assert_non_null(strstr(err.text, "cached"));
    assert_string_equal(must_get_committed(fixture_store(f, PLAIN), "a"),
                        "null");
}

static void an_abort_leaves_what_was_committed(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 4; i++) {
        struct weir_store *s = fixture_store(f, i);
        must_put(s, "a", "1");
        must_put(s, "b", "1");
    }
    must_commit(f, 1);
    for (int i = 0; i < 4; i++) {
        struct weir_store *s = fixture_store(f, i);
        must_put(s, "a", "2");
        must_put(s, "c", "2");
        assert_status(WEIR_OK, weir_store_delete(s, weir_text("b")));
        assert_string_equal(must_get(s, "b"), "null");
        assert_string_equal(must_get_committed(s, "a"), "1");
        assert_string_equal(must_get_committed(s, "b"), "1");
        assert_string_equal(must_get_committed(s, "c"), "null");
        assert_int_equal(weir_store_approximate_count(s), 2);
    }
    wr_task_state_abort(f->state);
    assert_int_equal(wr_task_state_uncommitted_bytes(f->state), 0);
    for (int i = 0; i < 4; i++) {
        struct weir_store *s = fixture_store(f, i);
        assert_string_equal(must_get(s, "a"), "1");
        assert_string_equal(must_get(s, "b"), "1");
        assert_string_equal(must_get(s, "c"), "null");
        assert_int_equal(weir_store_approximate_count(s), 2);
    }
}

static void a_value_lent_by_the_store_may_be_put_again(void **state)
{
    struct weir_store *s = fixture_store(*state, PLAIN);
    struct weir_bytes value;
    must_put(s, "a", "a value that is a little longer");
    assert_status(WEIR_OK, weir_store_get(s, weir_text("a"), &value));
    assert_status(WEIR_OK, weir_store_put(s, weir_text("b"), value));
    assert_status(WEIR_OK, weir_store_get(s, weir_text("a"), &value));
    value.data += 2;
    value.len -= 2;
    assert_status(WEIR_OK, weir_store_put(s, weir_text("a"), value));
    assert_string_equal(must_get(s, "a"), "value that is a little longer");
    assert_string_equal(must_get(s, "b"), "a value that is a little longer");
}

static void a_failing_hook_ends_the_flush_and_loses_nothing(void **state)
{
    struct fixture *f = *state;
    struct weir_store *s = fixture_store(f, CACHED);
    struct weir_error err = {0};
    must_put(s, "a", "1");
    must_put(s, "b", "1");
    f->fail = WEIR_E_KAFKA;
    assert_status(WEIR_E_KAFKA, wr_store_flush(f->state, CACHED, &err));
    assert_non_null(strstr(err.text, "cached"));
    f->fail = WEIR_OK;
    must_put(s, "c", "1");
    assert_status(WEIR_OK, wr_store_flush(f->state, CACHED, &err));
    assert_string_equal(fixture_trace(f), "log cached b=1@5\n"
                                          "out cached b=1<-null@5\n"
                                          "log cached c=1@5\n"
                                          "out cached c=1<-null@5\n");
    f->fail = WEIR_E_KAFKA;
    assert_status(WEIR_E_KAFKA, weir_store_put(fixture_store(f, PLAIN),
                                               weir_text("a"), weir_text("1")));
    f->fail = WEIR_OK;
}

static enum weir_status write_back(void *user, int index,
                                   const struct weir_record *record)
{
    struct fixture *f = user;
    fixture_out(user, index, record);
    if (record->value.len < 3) {
        uint8_t longer[8] = "xxx";
        struct weir_store *s = fixture_store(f, index);
        assert_status(WEIR_OK,
                      weir_store_put(s, record->key, weir_bytes(longer, 3)));
        /* the record's views are still what they were */
        fixture_out(user, index, record);
        assert_status(WEIR_E_INVALID, wr_store_flush(f->state, index, NULL));
    }
    return WEIR_OK;
}

static void a_listener_may_write_the_store(void **state)
{
    struct fixture *f = *state;
    fixture_close(f, true);
    f->hooks.flushed = write_back;
    fixture_open(f);
    must_put(fixture_store(f, CACHED), "a", "1");
    assert_status(WEIR_OK, wr_store_flush(f->state, CACHED, NULL));
    assert_true(wr_task_state_cached_bytes(f->state) > 0);
    assert_status(WEIR_OK, wr_store_flush(f->state, CACHED, NULL));
    assert_int_equal(wr_task_state_cached_bytes(f->state), 0);
    assert_string_equal(fixture_trace(f), "log cached a=1@5\n"
                                          "out cached a=1<-null@5\n"
                                          "out cached a=1<-null@5\n"
                                          "log cached a=xxx@5\n"
                                          "out cached a=xxx<-1@5\n");
}

static void sizes_have_limits(void **state)
{
    struct fixture *f = *state;
    struct weir_store *s = fixture_store(f, PLAIN);
    struct weir_bytes value;
    static uint8_t big[(1 << 24) + 1];
    assert_status(WEIR_E_TOOBIG,
                  weir_store_put(s, weir_bytes(big, 1 << 24), weir_text("x")));
    assert_non_null(strstr(wr_task_state_error(f->state)->text, "plain"));
    assert_status(WEIR_OK, weir_store_get(s, weir_bytes(big, 1 << 24), &value));
    assert_null(value.data);
    assert_status(WEIR_OK, weir_store_put(s, weir_text("big"),
                                          weir_bytes(big, sizeof(big))));
    must_commit(f, 1);
    assert_status(WEIR_OK, weir_store_get(s, weir_text("big"), &value));
    assert_int_equal(value.len, sizeof(big));
    assert_status(WEIR_E_TOOBIG,
                  weir_store_put(s, weir_text("a"),
                                 weir_bytes(big, ((size_t)1 << 30) + 1)));
    assert_string_equal(must_get(s, "a"), "null");
}

static void the_small_ones_tell_what_was_declared(void **state)
{
    struct fixture *f = *state;
    assert_true(wr_store_is_caching(fixture_store(f, CACHED)));
    assert_false(wr_store_is_caching(fixture_store(f, PLAIN)));
    assert_int_equal(wr_store_index(fixture_store(f, STAMPED)), STAMPED);
    assert_ptr_equal(wr_store_spec(fixture_store(f, PLAIN)), &specs[PLAIN]);
    assert_int_equal(wr_store_position(fixture_store(f, PLAIN)), -1);
    must_put(fixture_store(f, PLAIN), "a", "1");
    must_put(fixture_store(f, PLAIN), "a", "1");
    assert_int_equal(wr_store_position(fixture_store(f, PLAIN)), -1);
    must_commit(f, 1);
    assert_int_equal(wr_store_position(fixture_store(f, PLAIN)), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_put_is_there_and_nothing_else),
        TEST(empty_keys_and_values_are_not_null),
        TEST(put_if_absent_puts_once),
        TEST(a_timestamped_store_keeps_each_values_time),
        TEST(without_a_cache_each_write_is_a_changelog_record),
        TEST(a_cache_sends_each_key_once_in_order_of_first_write),
        TEST(the_old_value_is_what_downstream_last_saw),
        TEST(absent_before_and_after_sends_nothing),
        TEST(a_store_that_nobody_listens_to_sends_only_its_changelog),
        TEST(a_commit_before_the_flush_is_refused),
        TEST(an_abort_leaves_what_was_committed),
        TEST(a_value_lent_by_the_store_may_be_put_again),
        TEST(a_failing_hook_ends_the_flush_and_loses_nothing),
        TEST(a_listener_may_write_the_store),
        TEST(sizes_have_limits),
        TEST(the_small_ones_tell_what_was_declared),
    };
    engine = WEIR_ROCKSDB;
    int failed = cmocka_run_group_tests_name("rocksdb", tests, NULL, NULL);
    engine = WEIR_MEMORY;
    return failed + cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
