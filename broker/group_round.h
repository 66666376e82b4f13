/* SPDX-License-Identifier: Apache-2.0
 *
 * What the steps of a classic group share: its rounds and its replies. Only the
 * group*.c files include this. Thread: broker loop. */
#ifndef WEIR_BROKER_GROUP_ROUND_H
#define WEIR_BROKER_GROUP_ROUND_H

#include "broker/group_member.h"

/** Changes the state and notes when. */
void wr_group_enter(struct wr_group *group, enum wr_group_state state,
                    int64_t now_ms);
/** Answers a JoinGroup with an error. */
void wr_group_refuse_join(struct wr_group *group, void *waiter,
                          struct weir_bytes member_id, int16_t error);
/** Answers a JoinGroup with the current generation. */
void wr_group_accept_join(struct wr_group *group, void *waiter,
                          struct wr_group_member *member);
/** Answers a SyncGroup; a null assignment goes out empty. */
void wr_group_answer_sync(struct wr_group *group, void *waiter, int16_t error,
                          struct weir_bytes assignment);
/** The member's session starts anew. */
void wr_group_renew(struct wr_group_member *member, int64_t now_ms);
/** Ends the round: a new generation of those who have joined. */
void wr_group_complete_round(struct wr_group *group, int64_t now_ms);
/** Ends the round if there is nobody left to wait for. */
void wr_group_maybe_complete(struct wr_group *group, int64_t now_ms);
/** Takes assignments back; members that wait for one are told why. */
void wr_group_cancel_syncs(struct wr_group *group, int16_t error,
                           int64_t now_ms);
/** Begins a round. */
void wr_group_prepare_round(struct wr_group *group, int64_t now_ms);
/** Begins a round, or ends the one that is on if that is possible now. */
void wr_group_prepare_or_complete(struct wr_group *group, int64_t now_ms);
/** Whether the caller is who it claims to be: 0, or error 25 or 82. */
int16_t wr_group_check_member(const struct wr_group *group,
                              struct weir_bytes member_id,
                              struct weir_bytes instance_id);

#endif
