/* SPDX-License-Identifier: Apache-2.0
 *
 * On the included broker nobody else makes an application's topics, so the
 * worker does, before it starts. */
#ifndef WEIR_CLI_KAFKA_ENSURE_H
#define WEIR_CLI_KAFKA_ENSURE_H

#include "runtime/config.h"

#define WR_ENSURE_PARTITIONS 4

/** Makes the topics that the application reads and writes and that do not
 * exist, with WR_ENSURE_PARTITIONS partitions, and says so in the log. Errors:
 * WEIR_E_UNREACHABLE, WEIR_E_KAFKA. */
WEIR_MUST_CHECK enum weir_status wr_ensure_topics(const struct weir_app *app,
                                                  struct weir_config *config,
                                                  struct weir_error *err);

#endif
