/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranges over both engines, with what is committed half in the base and half
 * above it. */
#include "tests/stores/fixture.h"

static struct weir_store_spec spec;
static enum weir_store_engine engine;

/* a b c e in the base, d and f committed above, c deleted, b changed, g and a
 * NUL not committed. */
static int setup(void **state)
{
    static struct fixture f;
    fixture_init(&f, 1 << 20);
    spec = (struct weir_store_spec){
        .size = sizeof(spec), .name = "s", .engine = engine};
    fixture_add(&f, &spec);
    fixture_open(&f);
    struct weir_store *s = fixture_store(&f, 0);
    must_put(s, "a", "1");
    must_put(s, "b", "1");
    must_put(s, "c", "1");
    must_put(s, "e", "1");
    must_commit(&f, 1);
    must_commit(&f, 100000); /* goes down by time */
    must_put(s, "d", "1");
    must_put(s, "f", "1");
    assert_status(WEIR_OK, weir_store_delete(s, weir_text("c")));
    must_commit(&f, 100001);
    must_put(s, "b", "2");
    must_put(s, "g", "1");
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture_done(*state);
    return 0;
}

/* The rest of an iterator as "a1 b2 ", which is closed. */
static const char *rest(struct weir_iterator *it)
{
    static char text[256];
    struct weir_bytes key;
    struct weir_bytes value;
    size_t len = 0;
    text[0] = '\0';
    while (weir_iterator_next(it, &key, &value, NULL)) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s%.*s ",
                                (int)key.len, (const char *)key.data,
                                (int)value.len, (const char *)value.data);
    }
    assert_status(WEIR_OK, weir_iterator_status(it));
    weir_iterator_close(it);
    return text;
}

static struct weir_iterator *range(struct fixture *f, const char *from,
                                   const char *to, bool reverse)
{
    struct weir_iterator *it;
    assert_status(WEIR_OK,
                  weir_store_range(fixture_store(f, 0), weir_text(from),
                                   weir_text(to), reverse, &it));
    return it;
}

static void both_ends_are_inclusive_and_null_is_open(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(rest(range(f, NULL, NULL, false)),
                        "a1 b2 d1 e1 f1 g1 ");
    assert_string_equal(rest(range(f, NULL, NULL, true)), "g1 f1 e1 d1 b2 a1 ");
    assert_string_equal(rest(range(f, "b", "e", false)), "b2 d1 e1 ");
    assert_string_equal(rest(range(f, "b", "e", true)), "e1 d1 b2 ");
    assert_string_equal(rest(range(f, "c", NULL, false)), "d1 e1 f1 g1 ");
    assert_string_equal(rest(range(f, NULL, "c", true)), "b2 a1 ");
    assert_string_equal(rest(range(f, "e", "b", false)), "");
    assert_string_equal(rest(range(f, "x", "z", false)), "");
    assert_string_equal(rest(range(f, "c", "c", true)), "");
}

static void a_committed_range_does_not_see_the_uncommitted(void **state)
{
    struct fixture *f = *state;
    struct weir_iterator *it;
    assert_status(WEIR_OK,
                  wr_store_range_committed(fixture_store(f, 0), WEIR_NULL,
                                           WEIR_NULL, false, &it));
    assert_string_equal(rest(it), "a1 b1 d1 e1 f1 ");
}

static void an_iterator_is_not_disturbed_by_what_comes_later(void **state)
{
    struct fixture *f = *state;
    struct weir_store *s = fixture_store(f, 0);
    struct weir_bytes key;
    struct weir_bytes value;
    struct weir_iterator *forward = range(f, NULL, NULL, false);
    struct weir_iterator *back = range(f, NULL, NULL, true);
    assert_true(weir_iterator_next(forward, &key, &value, NULL));
    assert_true(weir_iterator_next(forward, &key, &value, NULL));
    must_put(s, "b", "a longer value that does not fit in place");
    assert_string_equal(text_of(value), "2"); /* still lent */
    must_put(s, "f", "9");
    must_put(s, "ee", "9");
    assert_status(WEIR_OK, weir_store_delete(s, weir_text("a")));
    assert_status(WEIR_OK, weir_store_delete(s, weir_text("g")));
    must_commit(f, 200000); /* and down */
    must_put(s, "d", "7");
    wr_task_state_abort(f->state);
    must_put(s, "e", "8");
    must_commit(f, 300000);
    assert_string_equal(rest(forward), "d1 e1 f1 g1 ");
    assert_string_equal(rest(back), "g1 f1 e1 d1 b2 a1 ");
    assert_string_equal(rest(range(f, "c", NULL, false)), "d1 e8 ee9 f9 ");
}

static void a_prefix_finds_its_keys_only(void **state)
{
    struct fixture *f = *state;
    struct weir_store *s = fixture_store(f, 0);
    struct weir_iterator *it;
    const uint8_t high[3] = {255, 255, 'x'};
    must_put(s, "ab", "1");
    must_put(s, "abc", "1");
    must_put(s, "ac", "1");
    assert_status(WEIR_OK,
                  weir_store_put(s, weir_bytes(high, 3), weir_text("1")));
    for (int round = 0; round < 2; round++) {
        assert_status(WEIR_OK, weir_store_prefix(s, weir_text("ab"), &it));
        assert_string_equal(rest(it), "ab1 abc1 ");
        assert_status(WEIR_OK, weir_store_prefix(s, weir_text("c"), &it));
        assert_string_equal(rest(it), "");
        assert_status(WEIR_OK, weir_store_prefix(s, weir_bytes(high, 2), &it));
        assert_string_equal(rest(it), "\xff\xffx1 ");
        assert_status(WEIR_OK, weir_store_prefix(s, weir_text(""), &it));
        assert_string_equal(rest(it),
                            "a1 ab1 abc1 ac1 b2 d1 e1 f1 g1 \xff\xffx1 ");
        must_commit(f, 200000);
    }
}

static void keys_of_zeros_keep_their_place(void **state)
{
    struct fixture *f = *state;
    struct weir_store *s = fixture_store(f, 0);
    static const uint8_t zeros[4];
    struct weir_bytes key;
    struct weir_bytes value;
    struct weir_iterator *it;
    for (size_t n = 0; n <= 4; n++) {
        assert_status(WEIR_OK, weir_store_put(s, weir_bytes(zeros, n),
                                              weir_bytes("0123456", n + 1)));
    }
    must_commit(f, 200000);
    assert_status(WEIR_OK, weir_store_range(s, weir_bytes(zeros, 1),
                                            weir_bytes(zeros, 3), false, &it));
    for (size_t n = 1; n <= 3; n++) {
        assert_true(weir_iterator_next(it, &key, &value, NULL));
        assert_true(wr_bytes_equal(key, weir_bytes(zeros, n)));
        assert_int_equal(value.len, n + 1);
    }
    assert_false(weir_iterator_next(it, &key, &value, NULL));
    weir_iterator_close(it);
    assert_status(WEIR_OK, weir_store_prefix(s, weir_bytes(zeros, 4), &it));
    assert_true(weir_iterator_next(it, &key, &value, NULL));
    assert_int_equal(key.len, 4);
    assert_false(weir_iterator_next(it, &key, &value, NULL));
    weir_iterator_close(it);
}

static void iterators_outlive_the_store_but_end(void **state)
{
    struct fixture *f = *state;
    struct weir_bytes key;
    struct weir_bytes value;
    struct weir_iterator *it = range(f, NULL, NULL, false);
    assert_true(weir_iterator_next(it, &key, &value, NULL));
    fixture_close(f, true);
    assert_false(weir_iterator_next(it, &key, &value, NULL));
    assert_status(WEIR_E_CLOSED, weir_iterator_status(it));
    weir_iterator_close(it);
    fixture_open(f);
    it = range(f, NULL, NULL, false);
    assert_status(WEIR_OK, wr_store_wipe(f->state, 0, NULL));
    assert_false(weir_iterator_next(it, &key, &value, NULL));
    assert_status(WEIR_E_CLOSED, weir_iterator_status(it));
    weir_iterator_close(it);
    assert_string_equal(rest(range(f, NULL, NULL, false)), "");
    weir_iterator_close(NULL);
}

static void forgotten_iterators_are_noticed(void **state)
{
    struct fixture *f = *state;
    static struct weir_iterator *its[1024];
    struct weir_iterator *one_more;
    for (size_t i = 0; i < 1024; i++) {
        its[i] = range(f, NULL, NULL, i % 2 == 0);
    }
    assert_status(WEIR_E_INVALID,
                  weir_store_range(fixture_store(f, 0), WEIR_NULL, WEIR_NULL,
                                   false, &one_more));
    assert_non_null(
        strstr(wr_task_state_error(f->state)->text, "weir_iterator_close"));
    for (size_t i = 0; i < 1024; i++) {
        weir_iterator_close(its[i]);
    }
    assert_string_equal(rest(range(f, "g", NULL, false)), "g1 ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_ends_are_inclusive_and_null_is_open),
        TEST(a_committed_range_does_not_see_the_uncommitted),
        TEST(an_iterator_is_not_disturbed_by_what_comes_later),
        TEST(a_prefix_finds_its_keys_only),
        TEST(keys_of_zeros_keep_their_place),
        TEST(iterators_outlive_the_store_but_end),
        TEST(forgotten_iterators_are_noticed),
    };
    engine = WEIR_ROCKSDB;
    int failed = cmocka_run_group_tests_name("rocksdb", tests, NULL, NULL);
    engine = WEIR_MEMORY;
    return failed + cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
