/* SPDX-License-Identifier: Apache-2.0
 *
 * A pool: what `weir run` and `weir demo` start. */
#ifndef WEIR_CLI_RUN_H
#define WEIR_CLI_RUN_H

#include "base/options.h"
#include "cli/supervisor.h"
#include "runtime/config.h"

#define WR_WORKERS_MAX 128

struct wr_pool {
    const char *application;    /* path of a .lua or .so */
    int sources_fd;             /* its files, once read; see pool_sources.h */
    struct weir_config *config; /* owned by the pool's caller */
    int workers;
    int lock_fd; /* holds the number */
    int number;  /* of the pool on its state.dir, once taken; from 1 */
    char http_host[256];
    int http_port; /* of the first worker, the next has the next;
                      0: any; -1: no HTTP */
    uint16_t http_ports[WR_WORKERS_MAX]; /* by worker, once chosen */
    const char *http_file; /* where workers note their addresses, or NULL */
    /* Over wr_broker_options, for the included broker; owned by the pool's
       caller. NULL: bootstrap.servers is given. */
    struct wr_options *broker_options;
    struct wr_child_patience patience;
};

/** Runs the pool until it is told to stop; returns an enum wr_exit. The
 * config's bootstrap.servers is set here when the broker is our own. */
int wr_pool_run(struct wr_pool *pool, void (*on_ready)(void *), void *user);

/** Replaces port 0 of "HOST:PORT" by one that is free now: all processes must
 * know it before any of them starts. Errors: WEIR_E_CONFIG. */
WEIR_MUST_CHECK enum weir_status wr_choose_port(char *listen_on, size_t size,
                                                struct weir_error *err);

/** The life of one worker process; see cli/supervisor.h. arg: the pool. */
int wr_worker_run(void *arg, int slot, const struct wr_child_line *line);
/** The life of the included broker's process. arg: the pool. */
int wr_broker_child_run(void *arg, int slot, const struct wr_child_line *line);

#endif
