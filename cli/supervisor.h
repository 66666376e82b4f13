/* SPDX-License-Identifier: Apache-2.0
 *
 * A supervisor keeps child processes alive: it forks them before it has any
 * thread, starts a dead one again with back-off, and ends them all in order
 * when it is asked to. It knows nothing of Kafka or of what its children do.
 * What an exit, a signal and a silence mean is decided by pure functions, in
 * cli/supervisor_policy.c. */
#ifndef WEIR_CLI_SUPERVISOR_H
#define WEIR_CLI_SUPERVISOR_H

#include "cli/command.h"

#include <signal.h>
#include <stdatomic.h>

#define WR_CHILDREN_MAX 129 /* 128 workers and a broker */

#define WR_BACKOFF_FIRST_MS 100
#define WR_HEALTHY_MS       60000 /* up so long: the back-off starts over */

/* What a child's beat can be; anything else is a turn of its loop. */
#define WR_BEAT_NONE  0 /* it has not begun: is not listened to */
#define WR_BEAT_ENDS  1 /* it ends, within a time of its own */
#define WR_BEAT_FIRST 2

/** What ties a child to its supervisor. Both descriptors are the child's to
 * close. */
struct wr_child_line {
    int ready_fd;  /* one byte written to it says: I serve */
    int needed_fd; /* of a child that is `last`: at end of file the supervisor
                      and all children it served are gone; else -1 */
    _Atomic uint32_t *beat; /* the child changes it while its loop turns */
};

/** A process to keep. `run` is its whole life after the fork; it returns an
 * exit code. It begins with wr_supervised_signals() blocked, SIGINT, SIGHUP,
 * SIGQUIT, SIGUSR1 and SIGUSR2 ignored, and a process group of its own: what is
 * sent to the whole group or session is the supervisor's to act on. */
struct wr_child_spec {
    char name[32]; /* "worker-1": the log's name, and what messages say */
    int (*run)(void *arg, int slot, const struct wr_child_line *line);
    void *arg;
    int slot;
    /** The broker: others cannot end well without it. It ends when needed_fd
     * says so, and ignores SIGTERM, which service managers send to all. */
    bool last;
    /** A child that is needed before the others start. */
    bool first;
};

enum wr_exit_action { WR_RESTART, WR_STOP_POOL };

struct wr_exit_facts {
    int wait_status;        /* of waitpid */
    int64_t uptime_ms;      /* of this run */
    bool was_ready;         /* in this run or an earlier one */
    int64_t backoff_ms;     /* the last one used; 0: none */
    int64_t backoff_max_ms; /* never wait longer */
};

/** What follows from a child's end that nobody asked for. A wrong command line,
 *  an application that does not load, state that does not fit and a poison
 * record would only fail again: the pool stops with that code. So does a broker
 * that was never reached. Anything else is started again, later each time.
 *  @param random  0..999, spreads the back-off by a quarter
 *  @param[out] out_backoff_ms  for WR_RESTART
 *  @param[out] out_code        for WR_STOP_POOL */
enum wr_exit_action wr_supervise_exit(const struct wr_exit_facts *facts,
                                      unsigned random, int64_t *out_backoff_ms,
                                      int *out_code);

/** The pool's exit code after a child's end that was asked for: what stopped
 * the pool, else the child's own code; a crash is WR_EXIT_FAILED. Pure. */
int wr_supervise_stopped_code(int wait_status, int code);

/* `timeout` and service managers send their signal to a process and then to its
 * group: that is one wish. */
#define WR_SAME_WISH_MS 1000

enum wr_signal_action { WR_SIGNAL_IGNORE, WR_SIGNAL_STOP, WR_SIGNAL_KILL };

/** What to do about a signal: SIGTERM, SIGINT, SIGHUP and SIGQUIT stop the
 * pool; one more, later than WR_SAME_WISH_MS, kills it. SIGUSR1 and SIGUSR2 are
 * ignored. Pure.
 *  @param stopping_ms  when the stop began, monotonic; -1: not stopping */
enum wr_signal_action wr_supervise_signal(int number, int64_t stopping_ms,
                                          int64_t now_ms);

/** How long to wait for an event, as poll(2) wants it: -1 is for ever, for
 *  until_ms INT64_MAX only. Both in monotonic milliseconds. Pure. */
int wr_supervise_wait_ms(int64_t until_ms, int64_t now_ms);

#define WR_LOOK_MS 500 /* how often the beats are looked at */

/** What is known of a child's beats. All zero: nothing yet. */
struct wr_silence {
    uint32_t beat;
    int64_t heard_ms;  /* when it last changed, as far as was listened */
    int64_t looked_ms; /* the last look */
};

/** Looks at a beat; true: unchanged for silent_ms, so the child hangs. A time
 * in which nobody looked is not counted against it. Pure but for `silence`. */
bool wr_silence_look(struct wr_silence *silence, uint32_t beat, int64_t now_ms,
                     int64_t silent_ms);

struct wr_child_patience {
    int64_t stop_ms;        /* children may take so long to end, then they are
                               killed */
    int64_t backoff_max_ms; /* longest wait before a dead child is started */
    int64_t silent_ms;      /* a child that beats, and then does not for so
                               long, is killed and started again; 0: never */
};

/** The signals that a supervisor takes; not SIGHUP where that is ignored, as
 * under nohup(1). Whoever calls wr_supervise() blocks
 * them as early as it can: one that comes before is not lost then. */
void wr_supervised_signals(sigset_t *out);

/** Runs until a signal (wr_supervise_signal) or a child's end stops the pool.
 * Returns the exit code of the pool: 1 when children had to be killed.
 *  @param on_ready called once, when every child has said it serves; may be
 * NULL */
int wr_supervise(const struct wr_child_spec *specs, size_t count,
                 const struct wr_child_patience *patience,
                 void (*on_ready)(void *), void *user);

#endif
