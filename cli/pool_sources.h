/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of a pool's application, read once before any worker starts: a
 * worker that is started again later has the text that the others have. */
#ifndef WEIR_CLI_POOL_SOURCES_H
#define WEIR_CLI_POOL_SOURCES_H

#include "base/options.h"
#include "cli/command.h"

/** Loads the application in a process of its own, which this one waits for: it
 * has threads, and may crash. What it read is in a file in memory that children
 * inherit. A stop signal (blocked by the caller, see wr_supervised_signals)
 * ends it.
 *  @param[out] out_fd  for wr_sources_read(); given: close it
 *  @return an enum wr_exit; what is wrong has been said on standard error */
int wr_pool_sources_take(const char *application,
                         const struct wr_options *options, int *out_fd);

#endif
