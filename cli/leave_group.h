/* SPDX-License-Identifier: Apache-2.0
 *
 * Leaving a group by name. Workers are static members, so that one that is
 * killed gets its tasks back without a rebalance; librdkafka therefore leaves
 * nothing when it closes, and a pool that ends would hold its tasks until the
 * session times out. A worker that ends as asked says so itself, with the one
 * request that librdkafka does not have: it works in the middle of a rebalance
 * too, where weir_app_leave() may not. */
#ifndef WEIR_CLI_LEAVE_GROUP_H
#define WEIR_CLI_LEAVE_GROUP_H

#include "base/options.h"

/** Whether the brokers are spoken to without TLS and SASL; only then can a
 * group be left by name. */
bool wr_leave_group_can(const struct wr_options *options);
/** Removes the static members of this process's threads from its group. Errors:
 *  WEIR_E_UNREACHABLE, WEIR_E_KAFKA; nothing depends on them. */
WEIR_MUST_CHECK enum weir_status
wr_leave_group(const struct wr_options *options, struct weir_error *err);

#endif
