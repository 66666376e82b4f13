/* SPDX-License-Identifier: Apache-2.0 */
#include "stores/rocks.h"

#include "tests/harness/weir_test.h"

#include <fcntl.h>
#include <unistd.h>

struct place {
    char root[WR_TEST_PATH_MAX];
    char path[WR_TEST_PATH_MAX + 8];
    struct wr_rocks_env *env;
    struct wr_rocks *db;
};

static const char *const two[] = {"a", NULL, "default"};

static int setup(void **state)
{
    static struct place p;
    struct weir_error err;
    wr_test_dir_init(p.root);
    snprintf(p.path, sizeof(p.path), "%s/db", p.root);
    assert_ok(wr_rocks_env_new(1 << 20, 1 << 20, &p.env, &err), err);
    bool there = true;
    assert_ok(wr_rocks_look(p.path, &there, &err), err);
    assert_false(there);
    assert_ok(wr_rocks_open(p.env, p.path, two, 3, &p.db, &err), err);
    assert_ok(wr_rocks_look(p.path, &there, &err), err);
    assert_true(there);
    *state = &p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    wr_rocks_close(p->db);
    wr_rocks_env_free(p->env);
    wr_test_dir_done(p->root);
    return 0;
}

static struct wr_rocks_file *load_new(struct place *p, int family)
{
    struct wr_rocks_file *file;
    struct weir_error err;
    assert_ok(wr_rocks_file_new(p->db, family, &file, &err), err);
    return file;
}

static void add(struct wr_rocks_file *file, const char *key, const char *value)
{
    struct weir_error err;
    assert_ok(wr_rocks_file_add(file, weir_text(key), weir_text(value), &err),
              err);
}

static void ingest(struct wr_rocks_file *file)
{
    struct weir_error err;
    uint64_t bytes = 0;
    assert_ok(wr_rocks_file_ingest(file, &bytes, &err), err);
    assert_true(bytes > 0);
    wr_rocks_file_done(file);
}

static void expect(struct place *p, int family, const char *key,
                   const char *value)
{
    void *pin;
    struct weir_bytes got;
    struct weir_error err;
    assert_ok(wr_rocks_get(p->db, family, weir_text(key), &pin, &got, &err),
              err);
    assert_true(wr_bytes_equal(got, weir_text(value)));
    wr_rocks_unpin(pin);
}

static void a_file_is_part_of_its_family_once_ingested(void **state)
{
    struct place *p = *state;
    struct wr_rocks_file *file = load_new(p, 0);
    add(file, "1", "one");
    add(file, "2", "two");
    expect(p, 0, "1", NULL);
    ingest(file);
    expect(p, 0, "1", "one");
    expect(p, 2, "1", NULL);
    file = load_new(p, 0);
    add(file, "1", NULL);
    add(file, "3", "three");
    ingest(file);
    expect(p, 0, "1", NULL);
    expect(p, 0, "2", "two");
    expect(p, 0, "3", "three");
    assert_true(wr_rocks_estimate(p->db, 0) > 0);
    assert_true(wr_rocks_env_cached(p->env) > 0);
}

static void a_file_that_is_dropped_leaves_nothing(void **state)
{
    struct place *p = *state;
    char path[WR_TEST_PATH_MAX + 32];
    struct wr_rocks_file *file = load_new(p, 0);
    add(file, "1", "one");
    snprintf(path, sizeof(path), "%s.load-0", p->path);
    assert_int_equal(access(path, F_OK), 0);
    wr_rocks_file_done(file);
    assert_int_not_equal(access(path, F_OK), 0);
    expect(p, 0, "1", NULL);
    wr_rocks_file_done(NULL);
}

/* A crash between link and unlink leaves a load file that is a table too. */
static void a_left_over_link_to_a_table_is_not_written_over(void **state)
{
    struct place *p = *state;
    struct weir_error err;
    char load[WR_TEST_PATH_MAX + 32];
    char kept[WR_TEST_PATH_MAX + 32];
    snprintf(load, sizeof(load), "%s.load-0", p->path);
    snprintf(kept, sizeof(kept), "%s/kept", p->root);
    struct wr_rocks_file *file = load_new(p, 0);
    add(file, "1", "one");
    assert_int_equal(link(load, kept), 0);
    ingest(file);
    assert_int_equal(rename(kept, load), 0); /* as if it had not been removed */
    file = load_new(p, 0);
    add(file, "2", "two");
    ingest(file);
    wr_rocks_close(p->db);
    p->db = NULL;
    assert_ok(wr_rocks_open(p->env, p->path, two, 3, &p->db, &err), err);
    expect(p, 0, "1", "one");
    expect(p, 0, "2", "two");
}

static void iterators_go_both_ways_over_a_snapshot(void **state)
{
    struct place *p = *state;
    struct weir_error err;
    struct wr_rocks_file *file = load_new(p, 0);
    add(file, "b", "1");
    add(file, "d", "1");
    ingest(file);
    struct wr_rocks_iter *it = wr_rocks_iter_new(p->db, 0);
    file = load_new(p, 0);
    add(file, "c", "2");
    ingest(file);
    wr_rocks_iter_seek(it, weir_text("c"), false);
    assert_true(wr_bytes_equal_text(wr_rocks_iter_key(it), "d"));
    wr_rocks_iter_step(it, true);
    assert_true(wr_bytes_equal_text(wr_rocks_iter_key(it), "b"));
    assert_true(wr_bytes_equal_text(wr_rocks_iter_value(it), "1"));
    wr_rocks_iter_seek(it, weir_text("c"), true);
    assert_true(wr_bytes_equal_text(wr_rocks_iter_key(it), "b"));
    wr_rocks_iter_seek(it, WEIR_NULL, true);
    assert_true(wr_bytes_equal_text(wr_rocks_iter_key(it), "d"));
    wr_rocks_iter_step(it, false);
    assert_false(wr_rocks_iter_valid(it));
    wr_rocks_iter_seek(it, WEIR_NULL, false);
    assert_true(wr_bytes_equal_text(wr_rocks_iter_key(it), "b"));
    assert_ok(wr_rocks_iter_status(it, &err), err);
    wr_rocks_iter_free(it);
    wr_rocks_iter_free(NULL);
}

static void a_cleared_family_is_empty_and_usable(void **state)
{
    struct place *p = *state;
    struct weir_error err;
    for (int round = 0; round < 2; round++) {
        struct wr_rocks_file *file = load_new(p, 2);
        add(file, "1", "one");
        ingest(file);
        expect(p, 2, "1", "one");
        assert_ok(wr_rocks_clear(p->db, 2, &err), err);
        expect(p, 2, "1", NULL);
    }
}

static void keys_out_of_order_are_refused(void **state)
{
    struct place *p = *state;
    struct weir_error err;
    struct wr_rocks_file *file = load_new(p, 0);
    add(file, "2", "two");
    assert_status(WEIR_E_IO, wr_rocks_file_add(file, weir_text("1"),
                                               weir_text("one"), &err));
    assert_non_null(strstr(err.text, "load-0"));
    wr_rocks_file_done(file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_part_of_its_family_once_ingested),
        TEST(a_file_that_is_dropped_leaves_nothing),
        TEST(a_left_over_link_to_a_table_is_not_written_over),
        TEST(iterators_go_both_ways_over_a_snapshot),
        TEST(a_cleared_family_is_empty_and_usable),
        TEST(keys_out_of_order_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
