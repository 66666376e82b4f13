/* SPDX-License-Identifier: Apache-2.0
 *
 * The leader epoch that a request believes in, against the log's.
 * Thread: broker loop. */
#ifndef WEIR_BROKER_LEADER_EPOCH_H
#define WEIR_BROKER_LEADER_EPOCH_H

#include "broker/log.h"

/** 0, FENCED_LEADER_EPOCH (the client's is old) or UNKNOWN_LEADER_EPOCH (newer
 *  than ours); -1 asks for no check. */
static inline int16_t wr_check_leader_epoch(const struct wr_log *log,
                                            int32_t epoch)
{
    int32_t ours = wr_log_leader_epoch(log);
    if (epoch < 0 || epoch == ours) {
        return WR_ERR_NONE;
    }
    return epoch < ours ? WR_ERR_FENCED_LEADER_EPOCH
                        : WR_ERR_UNKNOWN_LEADER_EPOCH;
}

#endif
