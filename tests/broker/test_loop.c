/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/loop.h"

#include "base/clock.h"
#include "tests/harness/weir_test.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

static char trace[256]; /* what happened, in order */

static void note(void *arg)
{
    strncat(trace, arg, sizeof(trace) - strlen(trace) - 1);
}

static int setup(void **state)
{
    struct wr_loop *loop;
    trace[0] = '\0';
    if (wr_loop_new(&loop, NULL) != WEIR_OK) {
        return -1;
    }
    *state = loop;
    return 0;
}

static int teardown(void **state)
{
    wr_loop_free(*state);
    return 0;
}

static void tick(struct wr_loop *loop, int wait_ms)
{
    assert_int_equal(wr_loop_tick(loop, wait_ms, NULL), WEIR_OK);
}

/* Ticks until the trace has n events. */
static void tick_until(struct wr_loop *loop, size_t n)
{
    int64_t deadline = wr_mono_ms() + 20000;
    while (strlen(trace) < n && wr_mono_ms() < deadline) {
        tick(loop, 100);
    }
    assert_int_equal(strlen(trace), n);
}

static void timers_fire_in_order_of_their_time(void **state)
{
    struct wr_loop *loop = *state;
    struct wr_timer timers[5] = {0};
    static const int delays[5] = {8, 2, 6, 0, 4};
    static char names[5][2] = {"e", "b", "d", "a", "c"};
    for (int i = 0; i < 5; i++) {
        timers[i].fire = note;
        timers[i].arg = names[i];
        assert_int_equal(wr_loop_timer_start(loop, &timers[i], delays[i]),
                         WEIR_OK);
    }
    tick_until(loop, 5);
    assert_string_equal(trace, "abcde");
}

static void stopped_and_restarted_timers_keep_their_last_word(void **state)
{
    struct wr_loop *loop = *state;
    struct wr_timer a = {.fire = note, .arg = (char[]){"a"}};
    struct wr_timer b = {.fire = note, .arg = (char[]){"b"}};
    assert_int_equal(wr_loop_timer_start(loop, &a, 0), WEIR_OK);
    assert_int_equal(wr_loop_timer_start(loop, &b, 0), WEIR_OK);
    assert_int_equal(wr_loop_timer_start(loop, &b, 3), WEIR_OK);
    wr_loop_timer_stop(loop, &a);
    wr_loop_timer_stop(loop, &a);
    assert_false(wr_timer_is_started(&a));
    tick_until(loop, 1);
    assert_string_equal(trace, "b");
}

static struct {
    int count;
    int64_t last_ms;
} fired;

static void fire_in_order(void *arg)
{
    const struct wr_timer *timer = arg;
    assert_true(timer->due_ms >= fired.last_ms);
    fired.last_ms = timer->due_ms;
    fired.count++;
}

static void timers_stay_sorted_under_random_starts_and_stops(void **state)
{
    struct wr_loop *loop = *state;
    enum { N = 300 };
    static struct wr_timer timers[N];
    int started = 0;
    memset(timers, 0, sizeof(timers));
    memset(&fired, 0, sizeof(fired));
    unsigned seed = 7;
    for (int i = 0; i < 5000; i++) {
        struct wr_timer *t = &timers[rand_r(&seed) % N];
        t->fire = fire_in_order;
        t->arg = t;
        if (rand_r(&seed) % 3 == 0) {
            wr_loop_timer_stop(loop, t);
        } else {
            assert_int_equal(
                wr_loop_timer_start(loop, t, 1 + rand_r(&seed) % 50), WEIR_OK);
        }
    }
    for (int i = 0; i < N; i++) {
        started += wr_timer_is_started(&timers[i]);
    }
    assert_in_range(started, N / 2, N - 1); /* some were stopped */
    int64_t deadline = wr_mono_ms() + 20000;
    while (fired.count < started && wr_mono_ms() < deadline) {
        tick(loop, 100);
    }
    assert_int_equal(fired.count, started);
    for (int i = 0; i < N; i++) {
        assert_false(wr_timer_is_started(&timers[i]));
    }
}

static struct wr_loop *again_loop;
static struct wr_timer again_timer;
static void fire_again(void *arg)
{
    note(arg);
    assert_int_equal(wr_loop_timer_start(again_loop, &again_timer, 0), WEIR_OK);
}

static void a_timer_that_restarts_itself_does_not_hold_the_tick(void **state)
{
    again_loop = *state;
    again_timer = (struct wr_timer){.fire = fire_again, .arg = (char[]){"x"}};
    assert_int_equal(wr_loop_timer_start(again_loop, &again_timer, 0), WEIR_OK);
    tick(again_loop, 0);
    tick(again_loop, 0);
    assert_string_equal(trace, "xx");
    wr_loop_timer_stop(again_loop, &again_timer);
}

static void a_tick_is_sockets_then_timers_then_tasks_then_hooks(void **state)
{
    struct wr_loop *loop = *state;
    struct wr_tick_hook first = {NULL, note, (char[]){"1"}};
    struct wr_tick_hook second = {NULL, note, (char[]){"2"}};
    struct wr_loop_work task = {NULL, note, (char[]){"p"}};
    struct wr_timer timer = {.fire = note, .arg = (char[]){"t"}};
    wr_loop_on_tick_end(loop, &first);
    wr_loop_on_tick_end(loop, &second);
    wr_loop_post(loop, &task);
    assert_int_equal(wr_loop_timer_start(loop, &timer, 0), WEIR_OK);
    tick(loop, 1000);
    assert_string_equal(trace, "tp12");
}

static struct wr_loop *post_loop;
enum { POSTS = 2000 };
static struct wr_loop_work tasks[2][POSTS];
static int ran; /* by the loop's thread alone */

static void count_task(void *arg)
{
    (void)arg;
    ran++;
}

static void *post_many(void *arg)
{
    struct wr_loop_work *mine = arg;
    for (int i = 0; i < POSTS; i++) {
        mine[i].run = count_task;
        wr_loop_post(post_loop, &mine[i]);
    }
    return NULL;
}

static void work_posted_by_threads_all_runs(void **state)
{
    pthread_t threads[2];
    post_loop = *state;
    ran = 0;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, tasks[i]),
                         0);
    }
    int64_t deadline = wr_mono_ms() + 10000;
    while (ran < 2 * POSTS && wr_mono_ms() < deadline) {
        tick(post_loop, 100);
    }
    assert_int_equal(ran, 2 * POSTS);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void *stop_from_elsewhere(void *arg)
{
    wr_loop_stop(arg);
    return NULL;
}

static void stop_ends_a_loop_that_sleeps(void **state)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_from_elsewhere, *state),
                     0);
    assert_int_equal(wr_loop_run(*state, NULL), WEIR_OK);
    assert_true(wr_loop_is_stopping(*state));
    pthread_join(thread, NULL);
}

/* Two pipes are ready in one tick; whoever is first removes the other. */
struct pair {
    struct wr_loop *loop;
    struct wr_watch watches[2];
};

static void remove_both(void *arg, uint32_t events)
{
    struct pair *pair = arg;
    assert_true(events & EPOLLIN);
    note((char[]){"r"});
    wr_loop_unwatch(pair->loop, &pair->watches[0]);
    wr_loop_unwatch(pair->loop, &pair->watches[1]);
}

static void an_unwatched_descriptor_hears_nothing_more(void **state)
{
    struct pair pair = {.loop = *state};
    int fds[2][2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe(fds[i]), 0);
        assert_int_equal(write(fds[i][1], "x", 1), 1);
        pair.watches[i] =
            (struct wr_watch){fds[i][0], EPOLLIN, remove_both, &pair};
        assert_int_equal(wr_loop_watch(pair.loop, &pair.watches[i], NULL),
                         WEIR_OK);
    }
    tick(pair.loop, 1000);
    tick(pair.loop, 0);
    assert_string_equal(trace, "r");
    for (int i = 0; i < 2; i++) {
        close(fds[i][0]);
        close(fds[i][1]);
    }
}

#define PEERS 600 /* more than the loop takes at once */

/* Peers that send while the loop is late, and a timer that counts them. */
struct late {
    struct wr_loop *loop;
    struct wr_watch slow;         /* holds the loop up */
    struct wr_watch peers[PEERS]; /* readable when that is over */
    struct wr_timer timer;
    int heard;   /* peers that were read */
    int counted; /* of them when the timer fired; -1: it has not */
};
static struct late late;

static void hear(void *arg, uint32_t events)
{
    (void)events;
    struct wr_watch *watch = arg;
    uint64_t value;
    assert_int_equal(read(watch->fd, &value, sizeof(value)), sizeof(value));
    late.heard++;
}

static void hold_up(void)
{
    uint64_t one = 1;
    while (wr_mono_ms() < late.timer.due_ms + 1000) {
    }
    for (int i = 0; i < PEERS; i++) {
        ssize_t n = write(late.peers[i].fd, &one, sizeof(one));
        (void)n;
    }
}

static void hear_slowly(void *arg, uint32_t events)
{
    hear(arg, events);
    late.heard = 0;
    hold_up();
}

static void on_alarm(int signal)
{
    (void)signal;
    hold_up();
}

static void count_heard(void *arg)
{
    (void)arg;
    late.counted = late.heard;
}

static void watch_new(struct wr_watch *watch,
                      void (*ready)(void *arg, uint32_t events))
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(fd >= 0);
    *watch = (struct wr_watch){fd, EPOLLIN, ready, watch};
    assert_int_equal(wr_loop_watch(late.loop, watch, NULL), WEIR_OK);
}

static void late_begin(struct wr_loop *loop, int64_t delay_ms)
{
    late = (struct late){.loop = loop, .counted = -1};
    late.timer.fire = count_heard;
    watch_new(&late.slow, hear_slowly);
    for (int i = 0; i < PEERS; i++) {
        watch_new(&late.peers[i], hear);
    }
    assert_int_equal(wr_loop_timer_start(loop, &late.timer, delay_ms), WEIR_OK);
}

static void late_end(void)
{
    while (late.counted < 0) {
        tick(late.loop, 100);
    }
    assert_int_equal(late.counted, PEERS);
    close(late.slow.fd);
    for (int i = 0; i < PEERS; i++) {
        close(late.peers[i].fd);
    }
}

static void
what_came_during_a_long_turn_is_read_before_late_timers(void **state)
{
    late_begin(*state, 1000);
    uint64_t one = 1;
    assert_int_equal(write(late.slow.fd, &one, sizeof(one)), sizeof(one));
    late_end();
}

/* As a process that is stopped and goes on: its wait is cut short. */
static void what_came_while_stopped_is_read_before_late_timers(void **state)
{
    late_begin(*state, 1000);
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval soon = {.it_value = {.tv_usec = 10000}};
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
    late_end();
}

#define LOOP_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(timers_fire_in_order_of_their_time),
        LOOP_TEST(stopped_and_restarted_timers_keep_their_last_word),
        LOOP_TEST(timers_stay_sorted_under_random_starts_and_stops),
        LOOP_TEST(a_timer_that_restarts_itself_does_not_hold_the_tick),
        LOOP_TEST(a_tick_is_sockets_then_timers_then_tasks_then_hooks),
        LOOP_TEST(work_posted_by_threads_all_runs),
        LOOP_TEST(stop_ends_a_loop_that_sleeps),
        LOOP_TEST(an_unwatched_descriptor_hears_nothing_more),
        LOOP_TEST(what_came_during_a_long_turn_is_read_before_late_timers),
        LOOP_TEST(what_came_while_stopped_is_read_before_late_timers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
