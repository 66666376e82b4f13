/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/files.h"

#include "base/fs.h"
#include "tests/harness/weir_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[64];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/weir-files-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return wr_remove_all(dir, NULL) == WEIR_OK ? 0 : -1;
}

static void never_more_are_open_than_allowed(void **state)
{
    (void)state;
    struct wr_files files;
    struct wr_file many[10];
    int fd, again;
    wr_files_init(&files, 3);
    for (int i = 0; i < 10; i++) {
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/%d", dir, i);
        assert_int_equal(wr_file_init(&many[i], path), WEIR_OK);
        assert_int_equal(wr_file_get(&files, &many[i], true, &fd, NULL),
                         WEIR_OK);
        assert_true(files.open <= 3);
        char byte = (char)('0' + i);
        assert_int_equal(wr_pwrite_all(fd, &byte, 1, 0, path, NULL), WEIR_OK);
    }
    assert_int_equal(many[0].fd, -1);
    /* The one just used stays, the one used longest ago goes. */
    assert_int_equal(wr_file_get(&files, &many[7], false, &fd, NULL), WEIR_OK);
    assert_int_equal(wr_file_get(&files, &many[0], false, &again, NULL),
                     WEIR_OK);
    assert_int_equal(many[8].fd, -1);
    assert_true(many[7].fd >= 0);
    char byte;
    assert_int_equal(wr_pread_all(again, &byte, 1, 0, "x", NULL), WEIR_OK);
    assert_int_equal(byte, '0');
    for (int i = 0; i < 10; i++) {
        wr_file_done(&files, &many[i]);
    }
    assert_int_equal(files.open, 0);
    assert_null(files.oldest);
}

static void missing_and_short_files_are_told(void **state)
{
    (void)state;
    struct wr_files files;
    struct wr_file file;
    struct weir_error err = {0};
    char path[128], bytes[10];
    int fd;
    (void)snprintf(path, sizeof(path), "%s/x", dir);
    wr_files_init(&files, 3);
    assert_int_equal(wr_file_init(&file, path), WEIR_OK);
    assert_int_equal(wr_file_get(&files, &file, false, &fd, &err),
                     WEIR_E_NOTFOUND);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(wr_file_get(&files, &file, true, &fd, &err), WEIR_OK);
    assert_int_equal(wr_pwrite_all(fd, "abc", 3, 0, path, &err), WEIR_OK);
    assert_int_equal(wr_pread_all(fd, bytes, 4, 0, path, &err),
                     WEIR_E_TRUNCATED);
    wr_file_done(&files, &file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(never_more_are_open_than_allowed),
        TEST(missing_and_short_files_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
