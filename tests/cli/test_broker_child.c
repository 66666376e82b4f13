/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/weir_test.h"

#include "base/fs.h"
#include "broker/weir_broker.h"
#include "cli/run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[WR_TEST_PATH_MAX];

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

static struct wr_options *options_for(const char *data)
{
    struct weir_error err;
    struct wr_options *o = NULL;
    assert_int_equal(wr_options_new(wr_broker_options, NULL, &o), WEIR_OK);
    assert_int_equal(wr_options_set(o, "data.dir", data, "", &err), WEIR_OK);
    assert_int_equal(wr_options_set(o, "listen", "127.0.0.1:0", "", &err),
                     WEIR_OK);
    return o;
}

/* Forks the broker of a pool; the parent keeps what tells it is needed. */
static pid_t start(const char *data, int *needed, int *ready)
{
    struct wr_pool pool = {.broker_options = options_for(data)};
    int serves[2];
    int wanted[2];
    assert_int_equal(pipe(serves), 0);
    assert_int_equal(pipe(wanted), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct wr_child_line line = {serves[1], wanted[0], NULL};
        (void)close(wanted[1]);
        (void)close(serves[0]);
        _exit(wr_broker_child_run(&pool, 0, &line));
    }
    wr_options_free(pool.broker_options);
    (void)close(serves[1]);
    (void)close(wanted[0]);
    *needed = wanted[1];
    *ready = serves[0];
    return pid;
}

static void it_serves_until_nobody_needs_it_whatever_it_is_told(void **state)
{
    int needed;
    int ready;
    int status = 0;
    char byte;
    (void)state;
    pid_t pid = start(dir, &needed, &ready);
    assert_int_equal(read(ready, &byte, 1), 1);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    (void)close(needed);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), WR_EXIT_OK);
    (void)close(ready);
}

static void one_that_cannot_start_says_so_with_its_code(void **state)
{
    char file[128];
    struct weir_error err;
    int needed;
    int ready;
    int status = 0;
    char byte;
    (void)state;
    (void)snprintf(file, sizeof(file), "%s/file", dir);
    assert_int_equal(wr_file_replace(file, weir_text("no folder"), &err),
                     WEIR_OK);
    pid_t pid = start(file, &needed, &ready);
    assert_int_equal(read(ready, &byte, 1), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_not_equal(WEXITSTATUS(status), WR_EXIT_OK);
    (void)close(needed);
    (void)close(ready);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            it_serves_until_nobody_needs_it_whatever_it_is_told, make_dir,
            remove_dir),
        cmocka_unit_test_setup_teardown(
            one_that_cannot_start_says_so_with_its_code, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
