/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/weir_test.h"

#include "base/fs.h"
#include "cli/pool_number.h"
#include "cli/supervisor.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 60000

static char dir[WR_TEST_PATH_MAX];

static int make_dir(void **state)
{
    sigset_t signals;
    (void)state;
    wr_supervised_signals(&signals);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    wr_test_dir_init(dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    wr_test_dir_done(dir);
    return 0;
}

static int take(int64_t patience_ms, int *fd)
{
    struct weir_error err = {0};
    int number = 0;
    assert_int_equal(wr_pool_number_take(dir, patience_ms, &number, fd, &err),
                     WEIR_OK);
    return number;
}

/* A supervisor, killed once its child is there; the child lives until `end` is
 * closed. */
static void leave_an_orphan(const int end[2])
{
    int up[2];
    char byte;
    int fd = -1;
    assert_int_equal(pipe(up), 0);
    pid_t supervisor = fork();
    if (supervisor == 0) {
        (void)take(0, &fd);
        if (fork() == 0) {
            (void)close(end[1]);
            (void)!write(up[1], "u", 1);
            (void)!read(end[0], &byte, 1);
            _exit(0);
        }
        (void)pause();
    }
    assert_int_equal(read(up[0], &byte, 1), 1);
    assert_int_equal(kill(supervisor, SIGKILL), 0);
    assert_int_equal(waitpid(supervisor, NULL, 0), supervisor);
    (void)close(up[0]);
    (void)close(up[1]);
}

static void two_pools_have_two_numbers(void **state)
{
    int up[2];
    int fd = -1;
    char byte;
    (void)state;
    assert_int_equal(pipe(up), 0);
    pid_t other = fork();
    if (other == 0) {
        int number = take(0, &fd);
        (void)!write(up[1], number == 1 ? "1" : "?", 1);
        (void)pause();
    }
    assert_int_equal(read(up[0], &byte, 1), 1);
    assert_int_equal(byte, '1');
    /* Patience is for the dead: a pool that lives is not waited for. */
    assert_int_equal(take(INT32_MAX, &fd), 2);
    (void)close(fd);
    assert_int_equal(kill(other, SIGKILL), 0);
    assert_int_equal(waitpid(other, NULL, 0), other);
    assert_int_equal(take(0, &fd), 1);
    (void)close(fd);
    (void)close(up[0]);
    (void)close(up[1]);
}

static void the_children_of_a_killed_supervisor_are_waited_for(void **state)
{
    int end[2];
    int told[2];
    int fd = -1;
    char byte;
    (void)state;
    assert_int_equal(pipe(end), 0);
    assert_int_equal(pipe(told), 0);
    leave_an_orphan(end);
    pid_t next = fork();
    if (next == 0) {
        (void)close(end[1]);
        int number = take(PATIENCE_MS, &fd);
        (void)!write(told[1], number == 1 ? "1" : "?", 1);
        _exit(0);
    }
    (void)close(end[1]); /* and now it ends */
    assert_int_equal(read(told[0], &byte, 1), 1);
    assert_int_equal(byte, '1');
    assert_int_equal(waitpid(next, NULL, 0), next);
    (void)close(end[0]);
    (void)close(told[0]);
    (void)close(told[1]);
}

static void who_does_not_end_costs_its_number_only(void **state)
{
    int end[2];
    int fd = -1;
    (void)state;
    assert_int_equal(pipe(end), 0);
    leave_an_orphan(end);
    assert_int_equal(take(100, &fd), 2);
    (void)close(fd);
    (void)close(end[0]);
    (void)close(end[1]);
}

static void a_signal_ends_the_wait(void **state)
{
    struct weir_error err = {0};
    int end[2];
    int number = 0;
    int fd = -1;
    (void)state;
    assert_int_equal(pipe(end), 0);
    leave_an_orphan(end);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    assert_int_equal(wr_pool_number_take(dir, PATIENCE_MS, &number, &fd, &err),
                     WEIR_E_CLOSED);
    assert_non_null(strstr(err.text, "told to stop"));
    (void)close(end[0]);
    (void)close(end[1]);
}

static void a_folder_that_cannot_be_is_named_with_the_remedy(void **state)
{
    struct weir_error err = {0};
    char path[WR_TEST_PATH_MAX + 8];
    int number = 0;
    int fd = -1;
    (void)state;
    (void)snprintf(path, sizeof(path), "%s/file", dir);
    assert_ok(wr_file_replace(path, weir_text("no folder"), &err), err);
    assert_int_not_equal(wr_pool_number_take(path, 0, &number, &fd, &err),
                         WEIR_OK);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "-X state.dir="));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(two_pools_have_two_numbers, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(
            the_children_of_a_killed_supervisor_are_waited_for, make_dir,
            remove_dir),
        cmocka_unit_test_setup_teardown(who_does_not_end_costs_its_number_only,
                                        make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_signal_ends_the_wait, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(
            a_folder_that_cannot_be_is_named_with_the_remedy, make_dir,
            remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
