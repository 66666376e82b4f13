/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/weir_test.h"

#include "cli/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
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
    volatile pid_t pids[2];
};

static const struct wr_child_patience patience = {.stop_ms = 60000,
                                                  .backoff_max_ms = 1000};

static struct shared *shared_new(void)
{
    struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(s != MAP_FAILED);
    return s;
}

/* Until the supervisor says SIGTERM. */
static void wait_for_term(void)
{
    sigset_t term;
    int number = 0;
    (void)sigemptyset(&term);
    (void)sigaddset(&term, SIGTERM);
    (void)sigwait(&term, &number);
}

/* Dies twice, then asks its supervisor to stop. */
static int dies_twice(void *arg, int slot, const struct wr_child_line *line)
{
    struct shared *s = arg;
    (void)slot;
    if (++s->starts <= 2) {
        (void)raise(SIGKILL);
    }
    (void)!write(line->ready_fd, "r", 1);
    (void)kill(getppid(), SIGTERM);
    wait_for_term();
    return 0;
}

static void a_dead_child_is_started_again(void **state)
{
    (void)state;
    struct shared *s = shared_new();
    struct wr_child_spec spec = {.name = "child", .run = dies_twice, .arg = s};
    assert_int_equal(wr_supervise(&spec, 1, &patience, NULL, NULL), 0);
    assert_int_equal(s->starts, 3);
    (void)munmap(s, sizeof(*s));
}

static int does_not_load(void *arg, int slot, const struct wr_child_line *line)
{
    (void)arg;
    (void)slot;
    (void)line;
    return WR_EXIT_LOAD;
}

static void the_pool_exits_with_the_code_that_stopped_it(void **state)
{
    (void)state;
    struct wr_child_spec spec = {.name = "child", .run = does_not_load};
    assert_int_equal(wr_supervise(&spec, 1, &patience, NULL, NULL),
                     WR_EXIT_LOAD);
}

/* Ends when told to, and notes its turn. */
static int waits_for_term(void *arg, int slot, const struct wr_child_line *line)
{
    struct shared *s = arg;
    (void)!write(line->ready_fd, "r", 1);
    wait_for_term();
    s->order[s->ended++] = slot;
    return 0;
}

/* A broker: ends when nobody needs it, whatever it is told. */
static int waits_to_be_needless(void *arg, int slot,
                                const struct wr_child_line *line)
{
    struct shared *s = arg;
    char byte;
    (void)signal(SIGTERM, SIG_IGN);
    (void)!write(line->ready_fd, "r", 1);
    while (read(line->needed_fd, &byte, 1) > 0) {
    }
    s->order[s->ended++] = slot;
    return 0;
}

static void say_up(void *user)
{
    (void)!write(*(int *)user, "u", 1);
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
         .run = waits_to_be_needless,
         .arg = s,
         .slot = 9,
         .first = true,
         .last = true},
        {.name = "worker", .run = waits_for_term, .arg = s, .slot = 1},
    };
    assert_int_equal(wr_supervise(specs, 2, &patience, stop_it, NULL), 0);
    assert_int_equal(s->ended, 2);
    assert_int_equal(s->order[0], 1);
    assert_int_equal(s->order[1], 9);
    (void)munmap(s, sizeof(*s));
}

/* What a service manager does: everybody gets the signal at once. */
static void stop_all(void *user)
{
    struct shared *s = user;
    for (int i = 0; i < 2; i++) {
        (void)kill(s->pids[i], SIGTERM);
    }
    (void)kill(getpid(), SIGTERM);
}

static int worker_with_pid(void *arg, int slot,
                           const struct wr_child_line *line)
{
    ((struct shared *)arg)->pids[0] = getpid();
    return waits_for_term(arg, slot, line);
}

static int broker_with_pid(void *arg, int slot,
                           const struct wr_child_line *line)
{
    ((struct shared *)arg)->pids[1] = getpid();
    return waits_to_be_needless(arg, slot, line);
}

static void a_signal_to_all_at_once_keeps_the_order(void **state)
{
    (void)state;
    struct shared *s = shared_new();
    struct wr_child_spec specs[] = {
        {.name = "broker",
         .run = broker_with_pid,
         .arg = s,
         .slot = 9,
         .first = true,
         .last = true},
        {.name = "worker", .run = worker_with_pid, .arg = s, .slot = 1},
    };
    assert_int_equal(wr_supervise(specs, 2, &patience, stop_all, s), 0);
    assert_int_equal(s->ended, 2);
    assert_int_equal(s->order[0], 1);
    assert_int_equal(s->order[1], 9);
    (void)munmap(s, sizeof(*s));
}

/* Runs a pool in a process of its own and kills that with -9: the worker, which
 * takes its time, must have ended before the broker does. */
static void an_orphaned_broker_ends_after_the_workers(void **state)
{
    (void)state;
    struct shared *s = shared_new();
    int up[2];
    int gone[2]; /* its end of file: worker and broker are gone */
    char byte;
    assert_int_equal(pipe(up), 0);
    assert_int_equal(pipe(gone), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct wr_child_spec specs[] = {
            {.name = "broker",
             .run = waits_to_be_needless,
             .arg = s,
             .slot = 9,
             .first = true,
             .last = true},
            {.name = "worker", .run = waits_for_term, .arg = s, .slot = 1},
        };
        (void)close(gone[0]);
        _exit(wr_supervise(specs, 2, &patience, say_up, &up[1]));
    }
    (void)close(gone[1]);
    assert_int_equal(read(up[0], &byte, 1), 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(read(gone[0], &byte, 1), 0);
    assert_int_equal(s->ended, 2);
    assert_int_equal(s->order[0], 1);
    assert_int_equal(s->order[1], 9);
    (void)close(up[0]);
    (void)close(up[1]);
    (void)close(gone[0]);
    (void)munmap(s, sizeof(*s));
}

static int ignores_term(void *arg, int slot, const struct wr_child_line *line)
{
    (void)arg;
    (void)slot;
    (void)!write(line->ready_fd, "r", 1);
    while (pause() != 0) { /* always: SIGTERM stays blocked */
    }
    return 0;
}

static void
a_child_that_does_not_end_is_killed_and_the_code_says_so(void **state)
{
    (void)state;
    struct wr_child_spec spec = {.name = "child", .run = ignores_term};
    struct wr_child_patience short_one = {.stop_ms = 50,
                                          .backoff_max_ms = 1000};
    assert_int_equal(wr_supervise(&spec, 1, &short_one, stop_it, NULL),
                     WR_EXIT_FAILED);
}

static int crashes_while_stopping(void *arg, int slot,
                                  const struct wr_child_line *line)
{
    (void)arg;
    (void)slot;
    (void)!write(line->ready_fd, "r", 1);
    wait_for_term();
    (void)raise(SIGKILL);
    return 0;
}

static void a_crash_while_stopping_is_the_pools_exit_code(void **state)
{
    (void)state;
    struct wr_child_spec spec = {.name = "child",
                                 .run = crashes_while_stopping};
    assert_int_equal(wr_supervise(&spec, 1, &patience, stop_it, NULL),
                     WR_EXIT_FAILED);
    assert_int_equal(wr_supervise_stopped_code(SIGSEGV, WR_EXIT_OK),
                     WR_EXIT_FAILED);
    assert_int_equal(wr_supervise_stopped_code(EXITED(0), WR_EXIT_OK),
                     WR_EXIT_OK);
    assert_int_equal(wr_supervise_stopped_code(EXITED(6), WR_EXIT_OK), 6);
    assert_int_equal(wr_supervise_stopped_code(EXITED(6), 7), 7);
}

/* Beats, and at its first start then hangs as a stopped process does. */
static int hangs_once(void *arg, int slot, const struct wr_child_line *line)
{
    struct shared *s = arg;
    (void)slot;
    atomic_store(line->beat, WR_BEAT_FIRST);
    (void)!write(line->ready_fd, "r", 1);
    if (++s->starts == 1) {
        (void)raise(SIGSTOP);
    }
    (void)kill(getppid(), SIGTERM);
    atomic_store(line->beat, WR_BEAT_ENDS);
    wait_for_term();
    return 0;
}

static void a_child_that_hangs_is_killed_and_started_again(void **state)
{
    (void)state;
    struct shared *s = shared_new();
    struct wr_child_spec spec = {.name = "child", .run = hangs_once, .arg = s};
    struct wr_child_patience listening = {
        .stop_ms = 5000, .backoff_max_ms = 1000, .silent_ms = 1000};
    assert_int_equal(wr_supervise(&spec, 1, &listening, NULL, NULL), 0);
    assert_int_equal(s->starts, 2);
    (void)munmap(s, sizeof(*s));
}

/* All that is sent to a group or a session, and nobody dies of it. */
static int takes_all_signals(void *arg, int slot,
                             const struct wr_child_line *line)
{
    static const int numbers[] = {SIGHUP, SIGQUIT, SIGINT, SIGUSR1, SIGUSR2};
    sigset_t none;
    (void)arg;
    (void)slot;
    (void)sigprocmask(SIG_BLOCK, NULL, &none);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        (void)sigdelset(&none, numbers[i]);
    }
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        (void)raise(numbers[i]);
    }
    (void)!write(line->ready_fd, "r", 1);
    wait_for_term();
    return 0;
}

static void hang_up(void *user)
{
    (void)user;
    (void)kill(getpid(), SIGUSR1);
    (void)kill(getpid(), SIGUSR2);
    (void)kill(getpid(), SIGHUP);
}

static void what_is_sent_to_all_ends_no_child_and_sighup_stops(void **state)
{
    (void)state;
    struct wr_child_spec spec = {.name = "child", .run = takes_all_signals};
    assert_int_equal(wr_supervise(&spec, 1, &patience, hang_up, NULL), 0);
}

static void each_signal_has_its_meaning(void **state)
{
    (void)state;
    static const int stops[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    static const int others[] = {SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
        assert_int_equal(wr_supervise_signal(stops[i], -1, 5), WR_SIGNAL_STOP);
        assert_int_equal(
            wr_supervise_signal(stops[i], 5, 5 + WR_SAME_WISH_MS - 1),
            WR_SIGNAL_IGNORE);
        assert_int_equal(wr_supervise_signal(stops[i], 5, 5 + WR_SAME_WISH_MS),
                         WR_SIGNAL_KILL);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(wr_supervise_signal(others[i], -1, 5),
                         WR_SIGNAL_IGNORE);
        assert_int_equal(wr_supervise_signal(others[i], 5, 99999),
                         WR_SIGNAL_IGNORE);
    }
}

/* Looks each WR_LOOK_MS from `from` to `to`; whether one said it hangs. */
static bool look_from(struct wr_silence *silence, uint32_t beat, int64_t from,
                      int64_t to)
{
    bool hangs = false;
    for (int64_t now = from; now <= to; now += WR_LOOK_MS) {
        hangs = wr_silence_look(silence, beat, now, 5000) || hangs;
    }
    return hangs;
}

static void silence_is_a_beat_that_stays_while_it_is_listened_to(void **state)
{
    (void)state;
    struct wr_silence silence = {0};
    assert_false(look_from(&silence, WR_BEAT_NONE, 1000, 100000));
    assert_false(look_from(&silence, 7, 100500, 105000));
    assert_true(look_from(&silence, 7, 105500, 105500));
    assert_false(look_from(&silence, 8, 106000, 106000));
    assert_false(look_from(&silence, WR_BEAT_ENDS, 106500, 200000));
    /* Nobody listened for an hour. */
    silence = (struct wr_silence){0};
    assert_false(look_from(&silence, 7, 1000, 3000));
    assert_false(look_from(&silence, 7, 3603000, 3605000));
    assert_true(look_from(&silence, 7, 3605500, 3607000));
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
        cmocka_unit_test(a_signal_to_all_at_once_keeps_the_order),
        cmocka_unit_test(an_orphaned_broker_ends_after_the_workers),
        cmocka_unit_test(
            a_child_that_does_not_end_is_killed_and_the_code_says_so),
        cmocka_unit_test(a_crash_while_stopping_is_the_pools_exit_code),
        cmocka_unit_test(a_child_that_hangs_is_killed_and_started_again),
        cmocka_unit_test(what_is_sent_to_all_ends_no_child_and_sighup_stops),
        cmocka_unit_test(each_signal_has_its_meaning),
        cmocka_unit_test(silence_is_a_beat_that_stays_while_it_is_listened_to),
        cmocka_unit_test(a_time_that_has_passed_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
