/* SPDX-License-Identifier: Apache-2.0
 *
 * On the included broker nobody else makes an application's topics, so the
 * worker does, before it starts. */
#ifndef WEIR_CLI_KAFKA_ENSURE_H
#define WEIR_CLI_KAFKA_ENSURE_H

#include "runtime/config.h"

#define WR_ENSURE_PARTITIONS 4 /* when nobody said how many */

/** Makes the topics that the application reads and writes and that do not
 * exist, with so many partitions, and says so in the log. Errors:
 * WEIR_E_UNREACHABLE, WEIR_E_KAFKA. */
WEIR_MUST_CHECK enum weir_status wr_ensure_topics(const struct weir_app *app,
                                                  struct weir_config *config,
                                                  int partitions,
                                                  struct weir_error *err);

#endif
