/* SPDX-License-Identifier: Apache-2.0
 *
 * Between logs.c and logs_open.c. */
#ifndef WEIR_BROKER_LOGS_OPEN_H
#define WEIR_BROKER_LOGS_OPEN_H

#include "broker/log_internal.h"

/** Enters a log into the table. Errors: WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status wr_logs_table_put(struct wr_logs *logs,
                                                   struct wr_log *log);

#endif
