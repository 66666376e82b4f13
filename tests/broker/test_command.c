/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/fs.h"
#include "broker/weir_broker.h"
#include "tests/harness/weir_test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX 16

static char dir[64];

/* A `weir broker` in a process of its own. */
struct command {
    pid_t pid;
    int out;          /* its standard output and error */
    char text[65536]; /* what it said so far */
    size_t len;
};

static void spawn(struct command *c, const char *const *args)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    *c = (struct command){.out = fds[0]};
    c->pid = fork();
    assert_true(c->pid >= 0);
    if (c->pid == 0) {
        char *argv[ARGS_MAX] = {strdup("weir broker")};
        int argc = 1;
        for (; args[argc - 1]; argc++) {
            argv[argc] = strdup(args[argc - 1]);
        }
        dup2(fds[1], 1);
        dup2(fds[1], 2);
        close(fds[0]);
        close(fds[1]);
        int code = wr_broker_command(argc, argv);
        for (int i = 0; i < argc; i++) {
            free(argv[i]);
        }
        (void)fflush(stdout);
        _exit(code);
    }
    close(fds[1]);
}

/* Reads until a text was said, or the end. False at the end or after 20 s. */
static bool read_until(struct command *c, const char *text)
{
    int64_t deadline = wr_mono_ms() + 20000;
    while (!text || !strstr(c->text, text)) {
        struct pollfd p = {.fd = c->out, .events = POLLIN};
        int64_t left = deadline - wr_mono_ms();
        if (left <= 0 || poll(&p, 1, (int)left) <= 0) {
            return false;
        }
        ssize_t n =
            read(c->out, c->text + c->len, sizeof(c->text) - 1 - c->len);
        if (n <= 0) {
            return false;
        }
        c->len += (size_t)n;
        c->text[c->len] = '\0';
    }
    return true;
}

static int finish(struct command *c)
{
    int status;
    (void)read_until(c, NULL);
    assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
    close(c->out);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int run(struct command *c, const char *const *args)
{
    spawn(c, args);
    return finish(c);
}

static void help_and_version_say_what_there_is(void **state)
{
    (void)state;
    struct command c;
    assert_int_equal(run(&c, (const char *const[]){"--help", NULL}), 0);
    assert_non_null(strstr(c.text, "--data DIR"));
    for (const struct wr_option *o = wr_broker_options; o->name; o++) {
        assert_non_null(strstr(c.text, o->name));
    }
    assert_int_equal(run(&c, (const char *const[]){"--version", NULL}), 0);
    assert_non_null(strstr(c.text, weir_version()));
}

static void wrong_usage_is_exit_code_2_and_names_the_mistake(void **state)
{
    (void)state;
    struct command c;
    assert_int_equal(run(&c, (const char *const[]){NULL}), 2);
    assert_non_null(strstr(c.text, "data.dir"));
    assert_int_equal(run(&c, (const char *const[]){"--dta", "x", NULL}), 2);
    assert_int_equal(run(&c, (const char *const[]){"extra", NULL}), 2);
    assert_non_null(strstr(c.text, "extra"));
    assert_int_equal(
        run(&c, (const char *const[]){"-X", "num.partitoins=3", NULL}), 2);
    assert_non_null(strstr(c.text, "num.partitions"));
    assert_int_equal(
        run(&c, (const char *const[]){"--log-level", "loud", NULL}), 2);
    assert_non_null(strstr(c.text, "loud"));
}

static void sigterm_stops_a_ready_broker_with_0(void **state)
{
    (void)state;
    struct command c;
    spawn(&c, (const char *const[]){"--data", dir, "--listen", "127.0.0.1:0",
                                    NULL});
    assert_true(read_until(&c, "ready"));
    assert_true(read_until(&c, "listen=127.0.0.1:"));
    assert_null(strstr(c.text, "listen=127.0.0.1:0 "));
    assert_int_equal(kill(c.pid, SIGTERM), 0);
    assert_int_equal(finish(&c), 0);
}

static void a_folder_or_port_in_use_is_exit_code_8(void **state)
{
    (void)state;
    struct command first, second;
    char other[96];
    char address[64] = "";
    spawn(&first, (const char *const[]){"--data", dir, "--listen",
                                        "127.0.0.1:0", NULL});
    assert_true(read_until(&first, " ms="));
    assert_int_equal(
        sscanf(strstr(first.text, "listen="), "listen=%63s", address), 1);
    assert_int_equal(run(&second, (const char *const[]){"--data", dir, NULL}),
                     8);
    assert_non_null(strstr(second.text, dir));
    snprintf(other, sizeof(other), "%s-other", dir);
    assert_int_equal(
        run(&second,
            (const char *const[]){"--data", other, "--listen", address, NULL}),
        8);
    assert_non_null(strstr(second.text, "the port is in use"));
    assert_int_equal(wr_remove_all(other, NULL), WEIR_OK);
    kill(first.pid, SIGTERM);
    assert_int_equal(finish(&first), 0);
}

static void damaged_data_is_exit_code_6(void **state)
{
    (void)state;
    struct command c;
    char path[96];
    snprintf(path, sizeof(path), "%s/topics", dir);
    assert_int_equal(wr_file_replace(path, weir_text("nonsense\n"), NULL),
                     WEIR_OK);
    assert_int_equal(run(&c, (const char *const[]){"--data", dir, "--listen",
                                                   "127.0.0.1:0", NULL}),
                     6);
    assert_non_null(strstr(c.text, path));
}

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/weir-test-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return wr_remove_all(dir, NULL) == WEIR_OK ? 0 : -1;
}

#define COMMAND_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        COMMAND_TEST(help_and_version_say_what_there_is),
        COMMAND_TEST(wrong_usage_is_exit_code_2_and_names_the_mistake),
        COMMAND_TEST(sigterm_stops_a_ready_broker_with_0),
        COMMAND_TEST(a_folder_or_port_in_use_is_exit_code_8),
        COMMAND_TEST(damaged_data_is_exit_code_6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
