/* SPDX-License-Identifier: Apache-2.0
 *
 * The broker for whoever runs it: the `weir broker` command, `weir run` and
 * `weir demo` when no bootstrap.servers is given, and tests. One broker is one
 * data folder, one listener and one thread. */
#ifndef WEIR_BROKER_WEIR_BROKER_H
#define WEIR_BROKER_WEIR_BROKER_H

#include "base/options.h"

struct wr_broker;

/** The table of the broker's options, for wr_options_new, --help and docs. */
extern const struct wr_option wr_broker_options[];

/** Takes the data folder (made when missing), recovers it and listens. After it
 *  clients may connect; they are served while wr_broker_run runs.
 *  @param options  a set over wr_broker_options; copied
 *  Errors: WEIR_E_LOCKED (folder in use), WEIR_E_CONFIG, WEIR_E_EXISTS (port in
 *  use), WEIR_E_CORRUPT, WEIR_E_IO. */
WEIR_MUST_CHECK enum weir_status
wr_broker_open(const struct wr_options *options, struct wr_broker **out,
               struct weir_error *err);
/** "host:port" that clients are to use, with the real port; lent for life. */
const char *wr_broker_address(const struct wr_broker *broker);
/** Serves until wr_broker_stop. Thread: the one that owns the broker. */
WEIR_MUST_CHECK enum weir_status wr_broker_run(struct wr_broker *broker,
                                               struct weir_error *err);
/** Ends wr_broker_run. Thread: any; signal-safe. */
void wr_broker_stop(struct wr_broker *broker);
/** Closes connections, syncs and closes logs, gives the folder back. NULL is
 *  fine. */
void wr_broker_close(struct wr_broker *broker);
/** Appends the broker's metrics in Prometheus' text format. Thread: any. */
void wr_broker_metrics(const struct wr_broker *broker, struct wr_buf *out);

/** `weir broker`: the whole program, from arguments to exit code. argv[0] is
 * the name to show, e.g. "weir broker". Exit codes: 0 stopped as asked, 2 wrong
 *  usage or configuration, 6 damaged data, 8 data folder or port in use,
 *  1 anything else. */
int wr_broker_command(int argc, char **argv);

#endif
