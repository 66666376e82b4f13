/* SPDX-License-Identifier: Apache-2.0
 *
 * A state directory's life: locks, reopening, restore, wipe, damage. */
#include "tests/stores/three_stores.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* The path of the first file in <dir>/rocksdb whose name has `part`. */
static const char *base_file(struct fixture *f, const char *part)
{
    static char path[2 * WR_TEST_PATH_MAX + 300];
    char dir[WR_TEST_PATH_MAX + 32];
    snprintf(dir, sizeof(dir), "%s/rocksdb", f->dir);
    DIR *d = opendir(dir);
    assert_non_null(d);
    bool found = false;
    struct dirent *entry;
    while (!found && (entry = readdir(d)) != NULL) {
        found = strstr(entry->d_name, part) != NULL;
        if (found) {
            snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        }
    }
    closedir(d);
    assert_true(found);
    return path;
}

/* Inverts `len` bytes of a file at `at`, or from its end when that is negative.
 */
static void damage(const char *path, off_t at, size_t len)
{
    uint8_t bytes[64];
    struct stat st;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0 && len <= sizeof(bytes));
    assert_int_equal(fstat(fd, &st), 0);
    at = at < 0 ? st.st_size + at : at;
    assert_int_equal(pread(fd, bytes, len, at), (ssize_t)len);
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= 0xff;
    }
    assert_int_equal(pwrite(fd, bytes, len, at), (ssize_t)len);
    close(fd);
}

static enum weir_status reopen(struct fixture *f, bool rebuild,
                               struct weir_error *err)
{
    struct wr_task_state_spec spec = fixture_spec(f);
    spec.rebuild_corrupt = rebuild;
    return wr_task_state_open(f->env, &spec, &f->state, err);
}

static void another_process_is_refused_and_told_who_holds_it(void **state)
{
    struct fixture *f = *state;
    struct weir_error err = {0};
    struct wr_task_state *second = NULL;
    struct wr_task_state_spec spec = fixture_spec(f);
    spec.rebuild_corrupt = true;
    assert_status(WEIR_E_LOCKED,
                  wr_task_state_open(f->env, &spec, &second, &err));
    assert_null(second);
    assert_non_null(strstr(err.text, f->dir));
    char pid[32];
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    assert_non_null(strstr(err.text, pid));
    must_put(fixture_store(f, ROWS), "a", "1");
    assert_string_equal(must_get(fixture_store(f, ROWS), "a"), "1");
    fixture_close(f, false);
    fixture_open(f);
}

static void a_clean_close_keeps_everything_but_memory_stores(void **state)
{
    struct fixture *f = *state;
    fill(f, false);
    must_put(fixture_store(f, ROWS), "late", "uncommitted");
    fixture_close(f, true);
    fixture_open(f);
    assert_int_equal(wr_store_restore_from(f->state, ROWS), 1000);
    assert_int_equal(wr_store_restore_from(f->state, STAMPED), 1000);
    assert_int_equal(wr_store_restore_from(f->state, MEMORY), 0);
    assert_string_equal(must_get(fixture_store(f, ROWS), "key-7"), "key-7");
    assert_string_equal(must_get(fixture_store(f, ROWS), "late"), "null");
    assert_string_equal(
        must_get_committed(fixture_store(f, STAMPED), "key-999"), "key-999");
    assert_string_equal(must_get(fixture_store(f, MEMORY), "key-7"), "null");
    assert_int_equal(weir_store_approximate_count(fixture_store(f, ROWS)),
                     1000);
    assert_null(wr_task_state_rebuilt(f->state));
}

static void without_a_write_down_nothing_touches_the_disk(void **state)
{
    struct fixture *f = *state;
    char path[WR_TEST_PATH_MAX + 32];
    fill(f, false);
    snprintf(path, sizeof(path), "%s/rocksdb", f->dir);
    assert_int_not_equal(access(path, F_OK), 0);
    fixture_close(f, false);
    fixture_open(f);
    assert_int_equal(wr_store_restore_from(f->state, ROWS), 0);
    assert_string_equal(must_get(fixture_store(f, ROWS), "key-7"), "null");
}

static void a_quiet_store_goes_down_by_time(void **state)
{
    struct fixture *f = *state;
    must_put(fixture_store(f, ROWS), "a", "1");
    must_commit(f, 1000);
    must_put(fixture_store(f, ROWS), "b", "1");
    must_commit(f, 31000);
    must_put(fixture_store(f, ROWS), "c", "1");
    must_commit(f, 32000);
    fixture_close(f, false);
    fixture_open(f);
    assert_int_equal(wr_store_restore_from(f->state, ROWS), 2);
    assert_string_equal(must_get(fixture_store(f, ROWS), "a"), "1");
    assert_string_equal(must_get(fixture_store(f, ROWS), "b"), "1");
    assert_string_equal(must_get(fixture_store(f, ROWS), "c"), "null");
}

static void a_busy_store_goes_down_by_size(void **state)
{
    struct fixture *f = *state;
    char key[16];
    for (int i = 0; i < 20000; i++) {
        snprintf(key, sizeof(key), "key-%d", i);
        must_put(fixture_store(f, ROWS), key, key);
        if (i % 1000 == 0) {
            must_commit(f, 1);
        }
    }
    fixture_close(f, false);
    fixture_open(f);
    assert_in_range(wr_store_restore_from(f->state, ROWS), 10000, 20000);
}

static void stores_may_come_and_go(void **state)
{
    struct fixture *f = *state;
    fill(f, true);
    fixture_close(f, true);
    f->store_count = 1;
    fixture_open(f);
    assert_string_equal(must_get(fixture_store(f, ROWS), "key-7"), "key-7");
    fixture_close(f, true);
    f->store_count = 3;
    fixture_open(f);
    assert_string_equal(must_get(fixture_store(f, ROWS), "key-7"), "key-7");
    assert_int_equal(wr_store_restore_from(f->state, STAMPED), 0);
}

static void rows_of_the_other_kind_are_restored_anew(void **state)
{
    struct fixture *f = *state;
    struct weir_error err = {0};
    fill(f, true);
    fixture_close(f, true);
    specs[ROWS].timestamped = true;
    fixture_open(f);
    assert_int_equal(wr_store_restore_from(f->state, ROWS), 0);
    assert_string_equal(must_get(fixture_store(f, ROWS), "key-7"), "null");
    fill(f, true);
    fixture_close(f, true);
    specs[ROWS].timestamped = false;
    specs[ROWS].no_changelog = true;
    assert_status(WEIR_E_INCOMPATIBLE, reopen(f, true, &err));
    assert_non_null(strstr(err.text, "rows"));
}

/* ---- damage ------------------------------------------------------- */

/* The open fails, names `part` and the remedy; with leave, the base is moved
 * aside and the stores are empty. */
static void open_finds(struct fixture *f, const char *part)
{
    struct weir_error err = {0};
    assert_status(WEIR_E_CORRUPT, reopen(f, false, &err));
    if (!strstr(err.text, part) || !strstr(err.text, "remove")) {
        fail_msg("no '%s' in: %s", part, err.text);
    }
    assert_ok(reopen(f, true, &err), err);
    assert_non_null(wr_task_state_rebuilt(f->state));
    assert_non_null(strstr(wr_task_state_rebuilt(f->state), part));
    assert_int_equal(wr_store_restore_from(f->state, ROWS), 0);
    assert_string_equal(must_get(fixture_store(f, ROWS), "key-7"), "null");
    fill(f, true);
    fixture_close(f, true);
    fixture_open(f);
    assert_null(wr_task_state_rebuilt(f->state));
    assert_string_equal(must_get(fixture_store(f, ROWS), "key-7"), "key-7");
}

static void a_missing_current_is_found(void **state)
{
    fill(*state, true);
    fixture_close(*state, true);
    assert_int_equal(unlink(base_file(*state, "CURRENT")), 0);
    open_finds(*state, "CURRENT");
}

static void a_garbled_current_is_found(void **state)
{
    fill(*state, true);
    fixture_close(*state, true);
    damage(base_file(*state, "CURRENT"), 0, 8);
    open_finds(*state, "CURRENT");
}

static void a_damaged_manifest_is_found(void **state)
{
    fill(*state, true);
    fixture_close(*state, true);
    damage(base_file(*state, "MANIFEST"), 40, 20);
    open_finds(*state, "rocksdb");
}

static void a_missing_manifest_is_found(void **state)
{
    fill(*state, true);
    fixture_close(*state, true);
    assert_int_equal(unlink(base_file(*state, "MANIFEST")), 0);
    open_finds(*state, "MANIFEST is missing");
}

static void a_missing_table_is_found(void **state)
{
    fill(*state, true);
    fixture_close(*state, true);
    const char *path = base_file(*state, ".sst");
    assert_int_equal(unlink(path), 0);
    char number[8]; /* RocksDB tries other endings of the name */
    snprintf(number, sizeof(number), "%.6s", strrchr(path, '/') + 1);
    open_finds(*state, number);
}

static void a_truncated_table_is_found(void **state)
{
    fill(*state, true);
    fixture_close(*state, true);
    const char *path = base_file(*state, ".sst");
    assert_int_equal(truncate(path, 1000), 0);
    open_finds(*state, strrchr(path, '/') + 1);
}

static void a_flipped_block_is_found_when_it_is_read(void **state)
{
    struct fixture *f = *state;
    struct weir_bytes value;
    char key[16];
    fill(f, true);
    f->store_count = 1; /* one table only */
    fixture_close(f, true);
    fixture_open(f);
    fixture_close(f, true);
    const char *path = base_file(f, ".sst");
    damage(path, 6000, 4); /* in the second block or so */
    fixture_open(f);
    enum weir_status s = WEIR_OK;
    for (int i = 0; i < 1000 && s == WEIR_OK; i++) {
        snprintf(key, sizeof(key), "key-%d", i);
        s = weir_store_get(fixture_store(f, ROWS), weir_text(key), &value);
        if (s == WEIR_OK) {
            assert_string_equal(text_of(value), key);
        }
    }
    assert_status(WEIR_E_CORRUPT, s);
    const struct weir_error *err = wr_task_state_error(f->state);
    assert_non_null(strstr(err->text, "rows"));
    assert_non_null(strstr(err->text, ".sst"));
    struct weir_iterator *it;
    struct weir_bytes k;
    assert_status(WEIR_OK, weir_store_range(fixture_store(f, ROWS), WEIR_NULL,
                                            WEIR_NULL, false, &it));
    while (weir_iterator_next(it, &k, &value, NULL)) {
    }
    assert_status(WEIR_E_CORRUPT, weir_iterator_status(it));
    weir_iterator_close(it);
    fixture_close(f, false);
    open_finds(f, "checksum mismatch");
}

static void a_state_without_a_directory_lives_in_memory(void **state)
{
    struct fixture *f = *state;
    struct weir_error err = {0};
    fixture_close(f, false);
    struct wr_task_state_spec spec = fixture_spec(f);
    spec.dir = NULL;
    spec.store_count = 3;
    assert_ok(wr_task_state_open(f->env, &spec, &f->state, &err), err);
    fill(f, true);
    assert_string_equal(must_get(fixture_store(f, ROWS), "key-7"), "key-7");
    fixture_close(f, true);
    fixture_open(f);
    assert_string_equal(must_get(fixture_store(f, ROWS), "key-7"), "null");
}

/* Closes the state and opens it for a cluster; where the rows then begin. */
static int64_t restore_from_in(struct fixture *f, const char *cluster)
{
    fixture_close(f, true);
    f->cluster = cluster;
    fixture_open(f);
    return wr_store_restore_from(f->state, ROWS);
}

static void state_of_another_cluster_is_not_taken(void **state)
{
    struct fixture *f = *state;
    fill(f, false);
    /* what says nothing of its cluster is taken for this one's, from now on */
    assert_int_equal(restore_from_in(f, "here"), 1000);
    assert_int_equal(restore_from_in(f, "here"), 1000);
    assert_null(wr_task_state_rebuilt(f->state));
    assert_int_equal(restore_from_in(f, "there"), 0);
    assert_string_equal(must_get(fixture_store(f, ROWS), "key-7"), "null");
    const char *why = wr_task_state_rebuilt(f->state);
    assert_non_null(strstr(why, "of cluster 'here'"));
    assert_non_null(strstr(why, "in cluster 'there'"));
    fill(f, false);
    assert_int_equal(restore_from_in(f, "there"), 2000);
    assert_int_equal(restore_from_in(f, "here"), 0);
}

static void names_must_differ(void **state)
{
    struct fixture *f = *state;
    struct weir_error err = {0};
    fixture_close(f, false);
    f->specs[2] = &specs[ROWS];
    assert_status(WEIR_E_INVALID, reopen(f, false, &err));
    assert_non_null(strstr(err.text, "rows"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(another_process_is_refused_and_told_who_holds_it),
        TEST(a_clean_close_keeps_everything_but_memory_stores),
        TEST(without_a_write_down_nothing_touches_the_disk),
        TEST(a_quiet_store_goes_down_by_time),
        TEST(a_busy_store_goes_down_by_size),
        TEST(stores_may_come_and_go),
        TEST(rows_of_the_other_kind_are_restored_anew),
        TEST(a_missing_current_is_found),
        TEST(a_garbled_current_is_found),
        TEST(a_damaged_manifest_is_found),
        TEST(a_missing_manifest_is_found),
        TEST(a_missing_table_is_found),
        TEST(a_truncated_table_is_found),
        TEST(a_flipped_block_is_found_when_it_is_read),
        TEST(a_state_without_a_directory_lives_in_memory),
        TEST(state_of_another_cluster_is_not_taken),
        TEST(names_must_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
