/* SPDX-License-Identifier: Apache-2.0
 *
 * How a task begins with the base that it finds. */
#include "stores/state.h"

#include "base/fs.h"
#include "tests/stores/three_stores.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

static enum weir_status reopen(struct fixture *f, bool rebuild,
                               struct weir_error *err)
{
    struct wr_task_state_spec spec = fixture_spec(f);
    spec.rebuild_corrupt = rebuild;
    return wr_task_state_open(f->env, &spec, &f->state, err);
}

static const char *in_dir(const struct fixture *f, const char *name)
{
    static char path[WR_TEST_PATH_MAX + 300];
    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    return path;
}

/* The path of the n-th table; NULL when there are fewer. */
static const char *table_path(const struct fixture *f, int n)
{
    DIR *d = opendir(in_dir(f, "rocksdb"));
    assert_non_null(d);
    char name[300] = "";
    struct dirent *entry;
    while ((entry = readdir(d)) != NULL) {
        if (strstr(entry->d_name, ".sst") && n-- == 0) {
            snprintf(name, sizeof(name), "rocksdb/%s", entry->d_name);
        }
    }
    closedir(d);
    return name[0] ? in_dir(f, name) : NULL;
}

static void flip(const char *path, off_t at, uint8_t bits)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= bits;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void one_damaged_mark_begins_all_stores_anew(void **state)
{
    struct fixture *f = *state;
    struct weir_error err = {0};
    for (int n = 0; n < 2; n++) {
        fill(f, true);
        fixture_close(f, true);
        const char *path = table_path(f, n);
        assert_non_null(path);
        flip(path, 12, 0xff); /* the mark is a table's first row */
        assert_ok(reopen(f, true, &err), err);
        assert_non_null(wr_task_state_rebuilt(f->state));
        for (int i = ROWS; i <= STAMPED; i++) {
            assert_int_equal(wr_store_restore_from(f->state, i), 0);
            assert_string_equal(must_get(fixture_store(f, i), "key-7"), "null");
            assert_int_equal(weir_store_approximate_count(fixture_store(f, i)),
                             0);
        }
        fixture_close(f, false);
        fixture_open(f);
        assert_null(wr_task_state_rebuilt(f->state));
    }
}

static void any_bit_of_current_that_flips_is_damage(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    fill(f, true);
    fixture_close(f, true);
    assert_int_equal(stat(in_dir(f, "rocksdb/CURRENT"), &st), 0);
    for (off_t bit = 0; bit < st.st_size * 8; bit++) {
        struct weir_error err = {0};
        uint8_t mask = (uint8_t)(1 << bit % 8);
        flip(in_dir(f, "rocksdb/CURRENT"), bit / 8, mask);
        assert_status(WEIR_E_CORRUPT, reopen(f, false, &err));
        assert_non_null(strstr(err.text, "CURRENT"));
        flip(in_dir(f, "rocksdb/CURRENT"), bit / 8, mask);
    }
    fixture_open(f);
    assert_int_equal(wr_store_restore_from(f->state, ROWS), 1000);
    fixture_close(f, true);
    flip(in_dir(f, "rocksdb/CURRENT"), 11, 1);
    struct weir_error err = {0};
    assert_ok(reopen(f, true, &err), err);
    assert_int_equal(wr_store_restore_from(f->state, ROWS), 0);
    assert_int_equal(access(in_dir(f, "rocksdb.corrupt"), F_OK), 0);
}

static void tables_alone_are_not_taken_for_a_new_base(void **state)
{
    struct fixture *f = *state;
    struct weir_error err = {0};
    char other[WR_TEST_PATH_MAX + 32];
    fill(f, true);
    fixture_close(f, true);
    snprintf(other, sizeof(other), "%s/kept.sst", f->root);
    assert_int_equal(rename(table_path(f, 0), other), 0);
    assert_ok(wr_remove_all(in_dir(f, "rocksdb"), &err), err);
    assert_int_equal(mkdir(in_dir(f, "rocksdb"), 0700), 0);
    assert_int_equal(rename(other, in_dir(f, "rocksdb/000009.sst")), 0);
    assert_status(WEIR_E_CORRUPT, reopen(f, false, &err));
    assert_int_equal(access(in_dir(f, "rocksdb/000009.sst"), F_OK), 0);
}

static void a_base_that_cannot_be_looked_at_is_refused_and_kept(void **state)
{
    struct fixture *f = *state;
    struct weir_error err = {0};
    char kept[WR_TEST_PATH_MAX + 32];
    fill(f, true);
    fixture_close(f, true);
    snprintf(kept, sizeof(kept), "%s/kept", f->root);
    assert_int_equal(rename(in_dir(f, "rocksdb"), kept), 0);
    close(open(in_dir(f, "rocksdb"), O_CREAT | O_WRONLY, 0600));
    assert_status(WEIR_E_IO, reopen(f, true, &err));
    assert_non_null(strstr(err.text, "rocksdb"));
    assert_int_equal(unlink(in_dir(f, "rocksdb")), 0);
    assert_int_equal(rename(kept, in_dir(f, "rocksdb")), 0);
    fixture_open(f);
    assert_int_equal(wr_store_restore_from(f->state, ROWS), 1000);
}

static void an_open_that_is_refused_has_dropped_nothing(void **state)
{
    struct fixture *f = *state;
    struct weir_error err = {0};
    fill(f, true);
    fixture_close(f, true);
    f->store_count = 1; /* the other stores are not wanted any more */
    f->cluster = "there";
    specs[ROWS].timestamped = true;
    specs[ROWS].no_changelog = true;
    assert_status(WEIR_E_INCOMPATIBLE, reopen(f, true, &err));
    assert_int_not_equal(access(in_dir(f, ".cluster"), F_OK), 0);
    specs[ROWS].timestamped = false;
    specs[ROWS].no_changelog = false;
    f->store_count = 3;
    fixture_open(f);
    assert_int_equal(wr_store_restore_from(f->state, STAMPED), 1000);
    assert_string_equal(must_get(fixture_store(f, STAMPED), "key-7"), "key-7");
}

static void what_has_no_changelog_outlives_its_cluster_aside(void **state)
{
    struct fixture *f = *state;
    fixture_close(f, true);
    specs[ROWS].no_changelog = true;
    f->cluster = "here";
    fixture_open(f);
    fill(f, true);
    fixture_close(f, true);
    f->cluster = "there";
    fixture_open(f);
    assert_non_null(strstr(wr_task_state_rebuilt(f->state), "rocksdb.corrupt"));
    assert_int_equal(access(in_dir(f, "rocksdb.corrupt"), F_OK), 0);
}

static void a_base_that_went_away_is_not_begun_anew_in_silence(void **state)
{
    struct fixture *f = *state;
    struct weir_error err = {0};
    fill(f, true);
    assert_ok(wr_remove_all(in_dir(f, "rocksdb"), &err), err);
    f->state->rocks_failed = true; /* as a full disk leaves it */
    must_put(fixture_store(f, ROWS), "a", "1");
    assert_status(WEIR_E_CORRUPT, fixture_commit(f, 70000, &err));
}

static void a_note_of_damage_does_not_outlive_its_base(void **state)
{
    struct fixture *f = *state;
    struct weir_error err = {0};
    fill(f, true);
    fixture_close(f, true);
    assert_ok(wr_remove_all(in_dir(f, "rocksdb"), &err), err);
    assert_ok(wr_file_replace(in_dir(f, ".corrupt"), weir_text("x"), &err),
              err);
    fixture_open(f);
    fill(f, true);
    fixture_close(f, true);
    fixture_open(f);
    assert_null(wr_task_state_rebuilt(f->state));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_damaged_mark_begins_all_stores_anew),
        TEST(any_bit_of_current_that_flips_is_damage),
        TEST(tables_alone_are_not_taken_for_a_new_base),
        TEST(a_base_that_cannot_be_looked_at_is_refused_and_kept),
        TEST(an_open_that_is_refused_has_dropped_nothing),
        TEST(what_has_no_changelog_outlives_its_cluster_aside),
        TEST(a_base_that_went_away_is_not_begun_anew_in_silence),
        TEST(a_note_of_damage_does_not_outlive_its_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
