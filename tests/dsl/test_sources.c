/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/weir_test.h"

#include "base/fs.h"
#include "dsl/sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static char dir[WR_TEST_PATH_MAX];

static const char *file(const char *name, const char *text)
{
    static char paths[4][128];
    static size_t next;
    struct weir_error err;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    if (text) {
        assert_int_equal(wr_file_replace(path, weir_text(text), &err), WEIR_OK);
    }
    return path;
}

static int make_dir(void **state)
{
    (void)state;
    wr_test_dir_init(dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    wr_test_dir_done(dir);
    return 0;
}

static struct wr_sources *two_files(void)
{
    struct wr_sources *sources = NULL;
    struct weir_bytes bytes;
    struct weir_error err;
    assert_int_equal(wr_sources_new(&sources), WEIR_OK);
    assert_int_equal(
        wr_sources_get(sources, file("a.lua", "one"), 100, &bytes, &err),
        WEIR_OK);
    assert_int_equal(
        wr_sources_get(sources, file("b.lua", ""), 100, &bytes, &err), WEIR_OK);
    return sources;
}

static void assert_has(struct wr_sources *sources, const char *path,
                       const char *text)
{
    struct weir_bytes bytes;
    struct weir_error err;
    assert_true(wr_sources_has(sources, path));
    assert_int_equal(wr_sources_get(sources, path, 100, &bytes, &err), WEIR_OK);
    assert_int_equal(bytes.len, strlen(text));
    assert_memory_equal(bytes.data ? (const char *)bytes.data : "", text,
                        bytes.len);
}

static void a_file_is_read_once_and_none_after_the_seal(void **state)
{
    struct weir_bytes bytes;
    struct weir_error err;
    (void)state;
    struct wr_sources *sources = two_files();
    assert_has(sources, file("a.lua", "changed"), "one");
    const char *late = file("c.lua", "late");
    assert_true(wr_sources_has(sources, late));
    wr_sources_seal(sources);
    assert_false(wr_sources_has(sources, late));
    assert_int_equal(wr_sources_get(sources, late, 100, &bytes, &err),
                     WEIR_E_NOTFOUND);
    assert_has(sources, file("a.lua", NULL), "one");
    assert_has(sources, file("b.lua", NULL), "");
    assert_string_equal(wr_sources_path(sources, 0), file("a.lua", NULL));
    assert_null(wr_sources_path(sources, 2));
    wr_sources_free(sources);
}

static void what_cannot_be_read_is_named_and_not_kept(void **state)
{
    struct weir_bytes bytes;
    struct weir_error err;
    struct wr_sources *sources = NULL;
    (void)state;
    assert_int_equal(wr_sources_new(&sources), WEIR_OK);
    assert_int_not_equal(
        wr_sources_get(sources, file("none.lua", NULL), 100, &bytes, &err),
        WEIR_OK);
    assert_non_null(strstr(err.text, "none.lua"));
    assert_int_equal(
        wr_sources_get(sources, file("long.lua", "long"), 3, &bytes, &err),
        WEIR_E_TOOBIG);
    assert_null(wr_sources_path(sources, 0));
    wr_sources_free(sources);
}

static void another_process_has_the_same(void **state)
{
    struct weir_error err;
    struct wr_sources *copy = NULL;
    (void)state;
    int fd = memfd_create("test", MFD_CLOEXEC);
    struct wr_sources *sources = two_files();
    assert_int_equal(wr_sources_write(sources, fd, &err), WEIR_OK);
    wr_sources_free(sources);
    assert_int_equal(wr_sources_read(fd, &copy, &err), WEIR_OK);
    assert_has(copy, file("a.lua", NULL), "one");
    assert_has(copy, file("b.lua", NULL), "");
    assert_false(wr_sources_has(copy, file("c.lua", "late")));
    wr_sources_free(copy);
    (void)close(fd);
}

static void a_cut_or_changed_copy_is_refused(void **state)
{
    struct weir_error err;
    struct wr_sources *copy = NULL;
    (void)state;
    int fd = memfd_create("test", MFD_CLOEXEC);
    struct wr_sources *sources = two_files();
    assert_int_equal(wr_sources_write(sources, fd, &err), WEIR_OK);
    off_t first = 12 + (off_t)strlen(wr_sources_path(sources, 0)) + 3;
    off_t size = lseek(fd, 0, SEEK_END);
    wr_sources_free(sources);
    for (off_t at = size - 1; at > 0; at--) {
        assert_int_equal(ftruncate(fd, at), 0);
        if (at == first) { /* the first file, whole */
            assert_int_equal(wr_sources_read(fd, &copy, &err), WEIR_OK);
            wr_sources_free(copy);
            continue;
        }
        assert_int_equal(wr_sources_read(fd, &copy, &err), WEIR_E_CORRUPT);
    }
    assert_int_equal(pwrite(fd, "\xff\xff\xff\xff", 4, 0), 4);
    assert_int_equal(wr_sources_read(fd, &copy, &err), WEIR_E_CORRUPT);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_once_and_none_after_the_seal),
        cmocka_unit_test(what_cannot_be_read_is_named_and_not_kept),
        cmocka_unit_test(another_process_has_the_same),
        cmocka_unit_test(a_cut_or_changed_copy_is_refused),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
