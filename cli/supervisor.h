/* SPDX-License-Identifier: Apache-2.0
 *
 * A supervisor keeps child processes alive: it forks them before it has any
 * thread, starts a dead one again with back-off, and ends them all in order
 * when it is asked to. It knows nothing of Kafka or of what its children do;
 * what an exit means is decided by one pure function, wr_supervise_exit(). */
#ifndef WEIR_CLI_SUPERVISOR_H
#define WEIR_CLI_SUPERVISOR_H

#include "cli/command.h"

#define WR_CHILDREN_MAX 129 /* 128 workers and a broker */

#define WR_BACKOFF_FIRST_MS 100
#define WR_HEALTHY_MS       60000 /* up so long: the back-off starts over */

/** A process to keep. `run` is its whole life after the fork; it writes one
 * byte to ready_fd once it serves, and returns an exit code. */
struct wr_child_spec {
    char name[32]; /* "worker-1": the log's name, and what messages say */
    int (*run)(void *arg, int slot, int ready_fd);
    void *arg;
    int slot;
    bool last; /* ends after the others: the broker */
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

/** How long to wait for an event, as poll(2) wants it: -1 is for ever, for
 *  until_ms INT64_MAX only. Both in monotonic milliseconds. Pure. */
int wr_supervise_wait_ms(int64_t until_ms, int64_t now_ms);

struct wr_child_patience {
    int64_t stop_ms;        /* children may take so long to end, then they are
                               killed */
    int64_t backoff_max_ms; /* longest wait before a dead child is started */
};

/** Runs until SIGTERM or SIGINT, or until a child's end stops the pool. A
 * second signal kills what is left. Returns the exit code of the pool.
 *  @param on_ready called once, when every child has said it serves; may be
 * NULL */
int wr_supervise(const struct wr_child_spec *specs, size_t count,
                 const struct wr_child_patience *patience,
                 void (*on_ready)(void *), void *user);

#endif
