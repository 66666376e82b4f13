/* SPDX-License-Identifier: Apache-2.0
 *
 * The broker's one event loop. A turn of it, called a tick, is always:
 *
 *   wait for sockets, timers or posted work
 *   -> ready sockets are read and their requests handled; all of them, when a
 *      timer is late: what it waits for may lie in one
 *   -> due timers fire, posted work runs
 *   -> end-of-tick hooks, in the order they were added: storage syncs what the
 *      tick appended (group commit) and answers who waited for it
 *   -> outputs are flushed
 *
 * So nothing that was answered during a tick or in its hooks leaves before the
 * hooks have run. Everything but wr_loop_post and wr_loop_stop belongs to the
 * loop's thread. */
#ifndef WEIR_BROKER_LOOP_H
#define WEIR_BROKER_LOOP_H

#include "base/bytes.h"

struct wr_loop;

WEIR_MUST_CHECK enum weir_status wr_loop_new(struct wr_loop **out,
                                             struct weir_error *err);
/** Posted work that has not run is dropped; timers are forgotten. */
void wr_loop_free(struct wr_loop *loop);
/** Runs ticks until wr_loop_stop. Errors: WEIR_E_IO. */
WEIR_MUST_CHECK enum weir_status wr_loop_run(struct wr_loop *loop,
                                             struct weir_error *err);
/** One tick that waits at most wait_ms (-1: until something happens). For tests
 *  and for draining at the end. */
WEIR_MUST_CHECK enum weir_status wr_loop_tick(struct wr_loop *loop, int wait_ms,
                                              struct weir_error *err);
/** Ends wr_loop_run after the current tick. Thread: any; signal-safe. */
void wr_loop_stop(struct wr_loop *loop);
bool wr_loop_is_stopping(const struct wr_loop *loop);

/** Monotonic and wall-clock time of the current tick, in milliseconds: the same
 *  for everything that happens in it. */
int64_t wr_loop_now_ms(const struct wr_loop *loop);
int64_t wr_loop_wall_ms(const struct wr_loop *loop);

/* ---- timers -------------------------------------------------------------- */

/** Embedded in what it belongs to; zero-initialised is "not started". */
struct wr_timer {
    int64_t due_ms;          /* monotonic */
    size_t slot;             /* 1-based place in the heap; 0: not started */
    void (*fire)(void *arg); /* may start the timer again */
    void *arg;
};

/** Starts or restarts a timer that fires once, delay_ms from now (0: next
 * tick). Errors: WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status wr_loop_timer_start(struct wr_loop *loop,
                                                     struct wr_timer *timer,
                                                     int64_t delay_ms);
/** Must be called before its memory goes; not started is fine. */
void wr_loop_timer_stop(struct wr_loop *loop, struct wr_timer *timer);
static inline bool wr_timer_is_started(const struct wr_timer *timer)
{
    return timer->slot != 0;
}

/* ---- work from elsewhere --------------------------------------------------
 */

/** Embedded in what it belongs to; lent to the loop until `run` is called. */
struct wr_loop_work {
    struct wr_loop_work *next; /* the loop's */
    void (*run)(void *arg);
    void *arg;
};

/** Has work->run called in the loop's next tick, in order of posting. Never
 *  fails. Thread: any. */
void wr_loop_post(struct wr_loop *loop, struct wr_loop_work *work);

/** Embedded; called at the end of every tick, after sockets and timers. */
struct wr_tick_hook {
    struct wr_tick_hook *next; /* the loop's */
    void (*run)(void *arg);
    void *arg;
};
void wr_loop_on_tick_end(struct wr_loop *loop, struct wr_tick_hook *hook);

/* ---- file descriptors -----------------------------------------------------
 */

/** What epoll points to; embedded in a connection or a listener. */
struct wr_watch {
    int fd;
    uint32_t events;                           /* EPOLL* asked for */
    void (*ready)(void *arg, uint32_t events); /* EPOLL* that happened */
    void *arg;
};
WEIR_MUST_CHECK enum weir_status wr_loop_watch(struct wr_loop *loop,
                                               struct wr_watch *watch,
                                               struct weir_error *err);
/** Changes the events asked for. */
void wr_loop_watch_change(struct wr_loop *loop, struct wr_watch *watch,
                          uint32_t events);
/** Before the fd is closed. Events of this tick for it are not delivered. */
void wr_loop_unwatch(struct wr_loop *loop, struct wr_watch *watch);

#endif
