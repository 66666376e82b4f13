/* SPDX-License-Identifier: Apache-2.0
 *
 * The event loop: level-triggered epoll, a binary heap of timers, an eventfd by
 * which other threads wake it, and hooks at the end of each tick. It knows
 * nothing of Kafka. Posted work is a list under a mutex that is held for a few
 * instructions; everything else belongs to the loop's thread. */
#include "broker/loop.h"

#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_PER_TICK 256
#define LATE_MS         50 /* of a timer: then sockets are read before it */
#define TIMERS_MAX      ((size_t)1 << 20)

struct wr_loop {
    int epoll_fd;
    int wake_fd;            /* eventfd; readable: posted work or a stop */
    atomic_bool stopping;   /* set by wr_loop_stop */
    int64_t now_ms;         /* of this tick */
    int64_t wall_ms;        /* of this tick */
    struct wr_timer **heap; /* [0] is due first */
    size_t heap_count;
    size_t heap_cap;
    pthread_mutex_t post_lock;        /* guards posted_* */
    struct wr_loop_work *posted_head; /* in order of posting */
    struct wr_loop_work **posted_tail;
    struct wr_tick_hook *hooks; /* in the order added */
    size_t watch_count;         /* file descriptors watched */
    struct epoll_event events[EVENTS_PER_TICK];
    int event_count; /* of this tick; those of unwatched fds are nulled */
};

enum weir_status wr_loop_new(struct wr_loop **out, struct weir_error *err)
{
    struct wr_loop *loop = calloc(1, sizeof(*loop));
    if (!loop) {
        return weir_fail(err, WEIR_E_NOMEM, "event loop: out of memory");
    }
    pthread_mutex_init(&loop->post_lock, NULL);
    loop->posted_tail = &loop->posted_head;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (loop->epoll_fd < 0 || loop->wake_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) < 0) {
        enum weir_status s =
            weir_fail(err, WEIR_E_IO, "event loop: %s", strerror(errno));
        wr_loop_free(loop);
        return s;
    }
    loop->now_ms = wr_mono_ms();
    loop->wall_ms = wr_wall_ms();
    *out = loop;
    return WEIR_OK;
}

void wr_loop_free(struct wr_loop *loop)
{
    if (!loop) {
        return;
    }
    if (loop->epoll_fd >= 0) {
        close(loop->epoll_fd);
    }
    if (loop->wake_fd >= 0) {
        close(loop->wake_fd);
    }
    pthread_mutex_destroy(&loop->post_lock);
    free(loop->heap);
    free(loop);
}

static void wake(struct wr_loop *loop)
{
    uint64_t one = 1;
    ssize_t n = write(loop->wake_fd, &one, sizeof(one));
    (void)n; /* full means that it is awake already */
}

void wr_loop_stop(struct wr_loop *loop)
{
    atomic_store(&loop->stopping, true);
    wake(loop);
}

bool wr_loop_is_stopping(const struct wr_loop *loop)
{
    return atomic_load(&loop->stopping);
}

int64_t wr_loop_now_ms(const struct wr_loop *loop)
{
    return loop->now_ms;
}

int64_t wr_loop_wall_ms(const struct wr_loop *loop)
{
    return loop->wall_ms;
}

/* ---- timers ------------------------------------------------------------- */

static void heap_set(struct wr_loop *loop, size_t i, struct wr_timer *timer)
{
    loop->heap[i] = timer;
    timer->slot = i + 1;
}

static void heap_up(struct wr_loop *loop, size_t i)
{
    struct wr_timer *timer = loop->heap[i];
    while (i > 0 && loop->heap[(i - 1) / 2]->due_ms > timer->due_ms) {
        heap_set(loop, i, loop->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_set(loop, i, timer);
}

static void heap_down(struct wr_loop *loop, size_t i)
{
    struct wr_timer *timer = loop->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= loop->heap_count) {
            break;
        }
        if (child + 1 < loop->heap_count &&
            loop->heap[child + 1]->due_ms < loop->heap[child]->due_ms) {
            child++;
        }
        if (loop->heap[child]->due_ms >= timer->due_ms) {
            break;
        }
        heap_set(loop, i, loop->heap[child]);
        i = child;
    }
    heap_set(loop, i, timer);
}

enum weir_status wr_loop_timer_start(struct wr_loop *loop,
                                     struct wr_timer *timer, int64_t delay_ms)
{
    wr_loop_timer_stop(loop, timer);
    if (loop->heap_count == loop->heap_cap) {
        size_t cap = loop->heap_cap ? loop->heap_cap * 2 : 64;
        struct wr_timer **heap =
            cap <= TIMERS_MAX ? realloc(loop->heap, cap * sizeof(*heap)) : NULL;
        if (!heap) {
            return WEIR_E_NOMEM;
        }
        loop->heap = heap;
        loop->heap_cap = cap;
    }
    int64_t delay = delay_ms < 0 ? 0 : delay_ms;
    if (__builtin_add_overflow(loop->now_ms, delay, &timer->due_ms)) {
        timer->due_ms = INT64_MAX;
    }
    loop->heap[loop->heap_count++] = timer;
    heap_up(loop, loop->heap_count - 1);
    return WEIR_OK;
}

void wr_loop_timer_stop(struct wr_loop *loop, struct wr_timer *timer)
{
    if (timer->slot == 0) {
        return;
    }
    size_t i = timer->slot - 1;
    timer->slot = 0;
    struct wr_timer *last = loop->heap[--loop->heap_count];
    if (last == timer) {
        return;
    }
    heap_set(loop, i, last);
    heap_up(loop, i);
    heap_down(loop, last->slot - 1);
}

/* A timer that starts itself again with no delay fires in the next tick. */
static void fire_timers(struct wr_loop *loop)
{
    for (size_t left = loop->heap_count; left > 0 && loop->heap_count > 0;
         left--) {
        struct wr_timer *timer = loop->heap[0];
        if (timer->due_ms > loop->now_ms) {
            return;
        }
        wr_loop_timer_stop(loop, timer);
        timer->fire(timer->arg);
    }
}

/* ---- work from elsewhere ------------------------------------------------ */

void wr_loop_post(struct wr_loop *loop, struct wr_loop_work *work)
{
    work->next = NULL;
    pthread_mutex_lock(&loop->post_lock);
    bool first = loop->posted_head == NULL;
    *loop->posted_tail = work;
    loop->posted_tail = &work->next;
    pthread_mutex_unlock(&loop->post_lock);
    if (first) {
        wake(loop);
    }
}

static void run_posted(struct wr_loop *loop)
{
    pthread_mutex_lock(&loop->post_lock);
    struct wr_loop_work *work = loop->posted_head;
    loop->posted_head = NULL;
    loop->posted_tail = &loop->posted_head;
    pthread_mutex_unlock(&loop->post_lock);
    while (work) {
        struct wr_loop_work *next =
            work->next; /* run may free or post it again */
        work->run(work->arg);
        work = next;
    }
}

void wr_loop_on_tick_end(struct wr_loop *loop, struct wr_tick_hook *hook)
{
    struct wr_tick_hook **at = &loop->hooks;
    while (*at) {
        at = &(*at)->next;
    }
    hook->next = NULL;
    *at = hook;
}

/* ---- file descriptors --------------------------------------------------- */

enum weir_status wr_loop_watch(struct wr_loop *loop, struct wr_watch *watch,
                               struct weir_error *err)
{
    struct epoll_event event = {.events = watch->events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) < 0) {
        return weir_fail(err, WEIR_E_IO, "epoll_ctl: %s", strerror(errno));
    }
    loop->watch_count++;
    return WEIR_OK;
}

void wr_loop_watch_change(struct wr_loop *loop, struct wr_watch *watch,
                          uint32_t events)
{
    if (events != watch->events) {
        struct epoll_event event = {.events = events, .data.ptr = watch};
        watch->events = events;
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
    }
}

void wr_loop_unwatch(struct wr_loop *loop, struct wr_watch *watch)
{
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    loop->watch_count -= loop->watch_count > 0;
    for (int i = 0; i < loop->event_count; i++) {
        if (loop->events[i].data.ptr == watch) {
            loop->events[i].data.ptr = NULL;
        }
    }
}

/* ---- ticks -------------------------------------------------------------- */

static int wait_for(const struct wr_loop *loop, int wait_ms)
{
    if (loop->heap_count == 0) {
        return wait_ms;
    }
    int64_t left = loop->heap[0]->due_ms - wr_mono_ms();
    left = left < 0 ? 0 : left;
    if (wait_ms >= 0 && left > wait_ms) {
        return wait_ms;
    }
    return left > INT_MAX ? INT_MAX : (int)left;
}

/* One round of reading; *out_more: the wait was cut short, or there may be more
 * than one round takes. */
static enum weir_status read_ready(struct wr_loop *loop, int wait_ms,
                                   bool *out_more, struct weir_error *err)
{
    int n = epoll_wait(loop->epoll_fd, loop->events, EVENTS_PER_TICK, wait_ms);
    if (n < 0 && errno != EINTR) {
        return weir_fail(err, WEIR_E_IO, "epoll_wait: %s", strerror(errno));
    }
    *out_more = n != 0;
    loop->event_count = n < 0 ? 0 : n;
    loop->now_ms = wr_mono_ms();
    loop->wall_ms = wr_wall_ms();
    bool woken = false;
    for (int i = 0; i < loop->event_count; i++) {
        struct wr_watch *watch = loop->events[i].data.ptr;
        if (watch) {
            watch->ready(watch->arg, loop->events[i].events);
        } else {
            woken = true; /* or unwatched; then there is nothing to read */
        }
    }
    loop->event_count = 0;
    if (woken) {
        uint64_t count;
        ssize_t got = read(loop->wake_fd, &count, sizeof(count));
        (void)got;
    }
    return WEIR_OK;
}

static bool is_late(const struct wr_loop *loop)
{
    return loop->heap_count > 0 &&
           loop->now_ms - loop->heap[0]->due_ms >= LATE_MS;
}

/* The process was stopped, or a turn took long. What peers sent meanwhile lies
 * in the sockets and may be what a timer waits for, so it is read first: each
 * socket once, new connections twice. */
static enum weir_status catch_up(struct wr_loop *loop, bool more,
                                 struct weir_error *err)
{
    enum weir_status s = WEIR_OK;
    size_t rounds = loop->watch_count / EVENTS_PER_TICK + 2;
    for (; s == WEIR_OK && more && rounds > 0 && is_late(loop); rounds--) {
        s = read_ready(loop, 0, &more, err);
    }
    return s;
}

enum weir_status wr_loop_tick(struct wr_loop *loop, int wait_ms,
                              struct weir_error *err)
{
    bool more = false;
    enum weir_status s = read_ready(loop, wait_for(loop, wait_ms), &more, err);
    if (s == WEIR_OK) {
        s = catch_up(loop, more, err);
    }
    if (s != WEIR_OK) {
        return s;
    }
    fire_timers(loop);
    run_posted(loop);
    for (struct wr_tick_hook *hook = loop->hooks; hook; hook = hook->next) {
        hook->run(hook->arg);
    }
    return WEIR_OK;
}

enum weir_status wr_loop_run(struct wr_loop *loop, struct weir_error *err)
{
    enum weir_status s = WEIR_OK;
    while (s == WEIR_OK && !wr_loop_is_stopping(loop)) {
        s = wr_loop_tick(loop, -1, err);
    }
    return s;
}
