/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/weir_test.h"

#include "cli/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define BACKOFF_MAX  30000
#define EXITED(code) ((code) << 8)

static enum wr_exit_action after(int wait_status, bool was_ready,
                                 int64_t backoff, int64_t uptime,
                                 int64_t *out_backoff, int *out_code)
{
    struct wr_exit_facts facts = {wait_status, uptime, was_ready, backoff,
                                  BACKOFF_MAX};
    return wr_supervise_exit(&facts, 0, out_backoff, out_code);
}

static void what_would_only_fail_again_stops_the_pool(void **state)
{
    (void)state;
    static const int final[] = {WR_EXIT_USAGE, WR_EXIT_LOAD,
                                WR_EXIT_INCOMPATIBLE, WR_EXIT_POISON};
    for (size_t i = 0; i < sizeof(final) / sizeof(final[0]); i++) {
        int64_t backoff = 0;
        int code = 0;
        assert_int_equal(after(EXITED(final[i]), true, 0, 5, &backoff, &code),
                         WR_STOP_POOL);
        assert_int_equal(code, final[i]);
    }
}

static void
a_broker_never_reached_stops_one_that_went_away_does_not(void **state)
{
    (void)state;
    int64_t backoff = 0;
    int code = 0;
    assert_int_equal(
        after(EXITED(WR_EXIT_UNREACHABLE), false, 0, 5, &backoff, &code),
        WR_STOP_POOL);
    assert_int_equal(code, WR_EXIT_UNREACHABLE);
    assert_int_equal(
        after(EXITED(WR_EXIT_UNREACHABLE), true, 0, 5, &backoff, &code),
        WR_RESTART);
}

static void back_off_doubles_to_its_limit_and_starts_over(void **state)
{
    (void)state;
    int64_t backoff = 0;
    int code = 0;
    int64_t seen = 0;
    for (int i = 0; i < 12; i++) {
        assert_int_equal(after(SIGKILL, true, seen, 5, &backoff, &code),
                         WR_RESTART);
        assert_true(backoff > seen || backoff == BACKOFF_MAX);
        seen = backoff;
    }
    assert_int_equal(seen, BACKOFF_MAX);
    assert_int_equal(after(SIGKILL, true, seen, WR_HEALTHY_MS, &backoff, &code),
                     WR_RESTART);
    assert_int_equal(backoff, WR_BACKOFF_FIRST_MS);
}

/* ---- with real processes ------------------------------------------------ */

struct shared {
    volatile int starts;
    volatile int order[8]; /* slots, as they ended by SIGTERM */
    volatile int ended;
};

static struct shared *shared_new(void)
{
    struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(s != MAP_FAILED);
    return s;
}

/* Dies twice, then asks its supervisor to stop. */
static int dies_twice(void *arg, int slot, int ready_fd)
{
    struct shared *s = arg;
    (void)slot;
    if (++s->starts <= 2) {
        (void)raise(SIGKILL);
    }
    (void)!write(ready_fd, "r", 1);
    (void)kill(getppid(), SIGTERM);
    (void)pause();
    return 0;
}

static void a_dead_child_is_started_again(void **state)
{
    (void)state;
    struct shared *s = shared_new();
    struct wr_child_spec spec = {.name = "child", .run = dies_twice, .arg = s};
    assert_int_equal(wr_supervise(&spec, 1,
                                  &(struct wr_child_patience){5000, 1000}, NULL,
                                  NULL),
                     0);
    assert_int_equal(s->starts, 3);
    (void)munmap(s, sizeof(*s));
}

static int does_not_load(void *arg, int slot, int ready_fd)
{
    (void)arg;
    (void)slot;
    (void)ready_fd;
    return WR_EXIT_LOAD;
}

static void the_pool_exits_with_the_code_that_stopped_it(void **state)
{
    (void)state;
    struct wr_child_spec spec = {.name = "child", .run = does_not_load};
    assert_int_equal(wr_supervise(&spec, 1,
                                  &(struct wr_child_patience){5000, 1000}, NULL,
                                  NULL),
                     WR_EXIT_LOAD);
}

static struct shared *ordered; /* for the signal handler */
static int my_slot;

static void on_term(int number)
{
    (void)number;
    ordered->order[ordered->ended++] = my_slot;
    _exit(0);
}

static int waits_for_term(void *arg, int slot, int ready_fd)
{
    ordered = arg;
    my_slot = slot;
    (void)signal(SIGTERM, on_term);
    (void)!write(ready_fd, "r", 1);
    while (pause() != 0) { /* always: it returns -1 after each signal */
    }
    return 0;
}

static void stop_it(void *user)
{
    (void)user;
    (void)kill(getpid(), SIGTERM);
}

static void the_last_child_ends_after_the_others(void **state)
{
    (void)state;
    struct shared *s = shared_new();
    struct wr_child_spec specs[] = {
        {.name = "broker",
         .run = waits_for_term,
         .arg = s,
         .slot = 9,
         .first = true,
         .last = true},
        {.name = "worker", .run = waits_for_term, .arg = s, .slot = 1},
    };
    assert_int_equal(wr_supervise(specs, 2,
                                  &(struct wr_child_patience){5000, 1000},
                                  stop_it, NULL),
                     0);
    assert_int_equal(s->ended, 2);
    assert_int_equal(s->order[0], 1);
    assert_int_equal(s->order[1], 9);
    (void)munmap(s, sizeof(*s));
}

static int ignores_term(void *arg, int slot, int ready_fd)
{
    (void)arg;
    (void)slot;
    (void)signal(SIGTERM, SIG_IGN);
    (void)!write(ready_fd, "r", 1);
    while (pause() != 0) { /* always: it returns -1 after each signal */
    }
    return 0;
}

static void a_child_that_does_not_end_is_killed(void **state)
{
    (void)state;
    struct wr_child_spec spec = {.name = "child", .run = ignores_term};
    assert_int_equal(wr_supervise(&spec, 1,
                                  &(struct wr_child_patience){50, 1000},
                                  stop_it, NULL),
                     0);
}

/* A millisecond late is not "for ever". */
static void a_time_that_has_passed_is_not_waited_for(void **state)
{
    (void)state;
    assert_int_equal(wr_supervise_wait_ms(INT64_MAX, 1000), -1);
    assert_int_equal(wr_supervise_wait_ms(1500, 1000), 500);
    for (int64_t late = 0; late < 5; late++) {
        assert_int_equal(wr_supervise_wait_ms(1000, 1000 + late), 0);
    }
    assert_in_range(wr_supervise_wait_ms(INT64_MAX - 1, 1000), 1000, 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_would_only_fail_again_stops_the_pool),
        cmocka_unit_test(
            a_broker_never_reached_stops_one_that_went_away_does_not),
        cmocka_unit_test(back_off_doubles_to_its_limit_and_starts_over),
        cmocka_unit_test(a_dead_child_is_started_again),
        cmocka_unit_test(the_pool_exits_with_the_code_that_stopped_it),
        cmocka_unit_test(the_last_child_ends_after_the_others),
        cmocka_unit_test(a_child_that_does_not_end_is_killed),
        cmocka_unit_test(a_time_that_has_passed_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
