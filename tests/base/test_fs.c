/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"

#include "tests/harness/faults.h"
#include "tests/harness/weir_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[WR_TEST_PATH_MAX];
static char path[WR_TEST_PATH_MAX * 2];
static struct weir_error err;

static int setup(void **state)
{
    (void)state;
    wr_test_dir_init(dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wr_test_dir_done(dir);
    return 0;
}

static const char *in_dir(const char *name)
{
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void write_file(const char *at, const char *text)
{
    assert_ok(wr_file_replace(at, weir_text(text), &err), err);
}

static void assert_file(const char *at, const char *text)
{
    struct wr_buf buf;
    wr_buf_init(&buf, 1000);
    assert_ok(wr_file_read(at, &buf, &err), err);
    assert_string_equal(wr_buf_text(&buf), text);
    wr_buf_done(&buf);
}

static void errno_becomes_the_status_that_says_what_to_do(void **state)
{
    (void)state;
    assert_status(WEIR_OK, wr_status_of_errno(0));
    assert_status(WEIR_E_NOTFOUND, wr_status_of_errno(ENOENT));
    assert_status(WEIR_E_NOSPACE, wr_status_of_errno(ENOSPC));
    assert_status(WEIR_E_NOSPACE, wr_status_of_errno(EDQUOT));
    assert_status(WEIR_E_IO, wr_status_of_errno(EIO));
    assert_status(WEIR_E_IO, wr_status_of_errno(EACCES));
}

static void mkdirs_makes_every_level_and_again_is_fine(void **state)
{
    (void)state;
    struct stat st;
    assert_ok(wr_mkdirs(in_dir("a/b/c"), &err), err);
    assert_ok(wr_mkdirs(in_dir("a/b/c/"), &err), err);
    assert_int_equal(stat(in_dir("a/b/c"), &st), 0);
    assert_true(S_ISDIR(st.st_mode));
}

static void mkdirs_over_a_file_names_the_path(void **state)
{
    (void)state;
    write_file(in_dir("file"), "x");
    assert_status(WEIR_E_IO, wr_mkdirs(in_dir("file"), &err));
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "Not a directory"));
    assert_status(WEIR_E_IO, wr_mkdirs(in_dir("file/below"), &err));
    assert_status(WEIR_E_IO, wr_mkdirs("", &err));
}

static void replace_gives_the_new_file_and_leaves_nothing_else(void **state)
{
    (void)state;
    write_file(in_dir("f"), "old and longer");
    write_file(in_dir("f"), "new");
    assert_file(in_dir("f"), "new");
    assert_int_equal(access(in_dir("f.tmp"), F_OK), -1);
    write_file(in_dir("f"), "");
    assert_file(in_dir("f"), "");
}

static void replace_that_fails_keeps_the_old_file(void **state)
{
    (void)state;
    struct rlimit before;
    write_file(in_dir("f"), "old");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = {4, before.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum weir_status status =
        wr_file_replace(path, weir_text("too long to fit"), &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    assert_status(WEIR_E_IO, status);
    assert_non_null(strstr(err.text, "f.tmp"));
    assert_file(in_dir("f"), "old");
    assert_int_equal(access(in_dir("f.tmp"), F_OK), -1);
}

static void replace_in_a_missing_directory_says_so(void **state)
{
    (void)state;
    assert_status(WEIR_E_NOTFOUND,
                  wr_file_replace(in_dir("no/f"), weir_text("x"), &err));
    assert_non_null(strstr(err.text, "no/f"));
}

static void a_full_disk_is_no_space(void **state)
{
    (void)state;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        skip();
    }
    assert_status(WEIR_E_NOSPACE, wr_write_all(fd, "x", 1, "/dev/full", &err));
    assert_non_null(strstr(err.text, "/dev/full: cannot write"));
    assert_int_equal(close(fd), 0);
}

static void reading_checks_existence_and_limit(void **state)
{
    (void)state;
    struct wr_buf buf;
    wr_buf_init(&buf, 4);
    assert_status(WEIR_E_NOTFOUND, wr_file_read(in_dir("no"), &buf, &err));
    assert_non_null(strstr(err.text, path));
    assert_status(WEIR_E_IO, wr_file_read(dir, &buf, &err));
    write_file(in_dir("five"), "12345");
    assert_status(WEIR_E_TOOBIG, wr_file_read(path, &buf, &err));
    assert_non_null(strstr(err.text, "limit 4 bytes"));
    wr_buf_reset(&buf);
    write_file(in_dir("four"), "1234");
    assert_ok(wr_file_read(path, &buf, &err), err);
    wr_buf_done(&buf);
}

static void remove_all_takes_a_tree_but_not_what_links_point_to(void **state)
{
    (void)state;
    char kept[WR_TEST_PATH_MAX * 2];
    assert_ok(wr_mkdirs(in_dir("kept"), &err), err);
    memcpy(kept, path, sizeof(kept));
    write_file(in_dir("kept/file"), "safe");
    assert_ok(wr_mkdirs(in_dir("tree/a/b"), &err), err);
    write_file(in_dir("tree/a/b/file"), "x");
    write_file(in_dir("tree/file"), "x");
    assert_int_equal(symlink(kept, in_dir("tree/a/link")), 0);
    assert_ok(wr_remove_all(in_dir("tree"), &err), err);
    assert_int_equal(access(in_dir("tree"), F_OK), -1);
    assert_file(in_dir("kept/file"), "safe");
    assert_ok(wr_remove_all(in_dir("tree"), &err), err);
    assert_ok(wr_remove_all(in_dir("kept/file"), &err), err);
    assert_int_equal(access(in_dir("kept/file"), F_OK), -1);
}

static void dir_sync_of_a_file_is_an_error(void **state)
{
    (void)state;
    assert_ok(wr_dir_sync(dir, &err), err);
    write_file(in_dir("f"), "x");
    assert_status(WEIR_E_IO, wr_dir_sync(in_dir("f"), &err));
    assert_status(WEIR_E_NOTFOUND, wr_dir_sync(in_dir("no"), &err));
}

static void a_lock_excludes_and_names_its_holder(void **state)
{
    (void)state;
    int fd = -1;
    int other = -1;
    char pid[32];
    assert_ok(wr_lock_file(in_dir("LOCK"), &fd, &err), err);
    assert_status(WEIR_E_LOCKED, wr_lock_file(path, &other, &err));
    assert_int_equal(other, -1);
    (void)snprintf(pid, sizeof(pid), "process %ld;", (long)getpid());
    assert_non_null(strstr(err.text, pid));
    assert_int_equal(close(fd), 0);
    assert_ok(wr_lock_file(path, &other, &err), err);
    assert_int_equal(close(other), 0);
}

static void a_lock_dies_with_its_process(void **state)
{
    (void)state;
    int fd = -1;
    int wait_status;
    in_dir("LOCK");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int held;
        _exit(wr_lock_file(path, &held, NULL) == WEIR_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &wait_status, 0), child);
    assert_int_equal(wait_status, 0);
    assert_ok(wr_lock_file(path, &fd, &err), err);
    assert_int_equal(close(fd), 0);
}

static enum weir_status read_file(void *arg)
{
    struct wr_buf buf;
    struct weir_error why;
    wr_buf_init(&buf, 100);
    enum weir_status status = wr_file_read(arg, &buf, &why);
    wr_buf_done(&buf);
    return status;
}

static void without_memory_reading_says_so(void **state)
{
    (void)state;
    write_file(in_dir("f"), "text");
    assert_int_equal(wr_faults_each(read_file, path), 1);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errno_becomes_the_status_that_says_what_to_do),
        IN_DIR(mkdirs_makes_every_level_and_again_is_fine),
        IN_DIR(mkdirs_over_a_file_names_the_path),
        IN_DIR(replace_gives_the_new_file_and_leaves_nothing_else),
        IN_DIR(replace_that_fails_keeps_the_old_file),
        IN_DIR(replace_in_a_missing_directory_says_so),
        cmocka_unit_test(a_full_disk_is_no_space),
        IN_DIR(reading_checks_existence_and_limit),
        IN_DIR(remove_all_takes_a_tree_but_not_what_links_point_to),
        IN_DIR(dir_sync_of_a_file_is_an_error),
        IN_DIR(a_lock_excludes_and_names_its_holder),
        IN_DIR(a_lock_dies_with_its_process),
        IN_DIR(without_memory_reading_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
