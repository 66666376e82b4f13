/* SPDX-License-Identifier: Apache-2.0
 *
 * The members of a classic group as data: who is in, what they said, which
 * protocol they agree on. Nothing here decides when a round begins or ends;
 * that is group.c. Replay builds groups with these as well.
 * Thread: broker loop. */
#ifndef WEIR_BROKER_GROUP_MEMBER_H
#define WEIR_BROKER_GROUP_MEMBER_H

#include "broker/group.h"

/** A member id that was given out (error 79) and is awaited back. */
struct wr_group_pending {
    struct wr_group_pending *next;
    struct weir_bytes member_id; /* owned */
    int64_t expires_ms;          /* then nobody waits for it any more */
};

/** Appends a copy of `from` without waiters. Its metadata counts against the
 *  group's limit. *out (may be NULL) is lent until removal.
 *  Errors: WEIR_E_TOOBIG, WEIR_E_NOMEM; the group is as before. */
WEIR_MUST_CHECK enum weir_status
wr_group_member_add(struct wr_group *group, const struct wr_group_member *from,
                    struct wr_group_member **out);
/** Replaces the member's protocols. Errors: as wr_group_member_add. */
WEIR_MUST_CHECK enum weir_status wr_group_member_set_protocols(
    struct wr_group *group, struct wr_group_member *member,
    const struct wr_group_protocol *protocols, size_t count);
/** Replaces the member's assignment. Errors: as wr_group_member_add. */
WEIR_MUST_CHECK enum weir_status
wr_group_member_assign(struct wr_group *group, struct wr_group_member *member,
                       struct weir_bytes assignment);
/** Leaves the member without an assignment. */
void wr_group_member_unassign(struct wr_group *group,
                              struct wr_group_member *member);
/** Takes the member out and frees it. A leader leaves its place empty. */
void wr_group_member_remove(struct wr_group *group,
                            struct wr_group_member *member);
/** Takes everybody out, without effects. */
void wr_group_members_clear(struct wr_group *group);
/** The member with that (non-null) instance id, or NULL. */
struct wr_group_member *wr_group_find_static(const struct wr_group *group,
                                             struct weir_bytes instance_id);
/** Same protocols with the same metadata in the same order. */
bool wr_group_member_matches(const struct wr_group_member *member,
                             const struct wr_group_protocol *protocols,
                             size_t count);
/** Whether a member with these protocols could be in the group. */
bool wr_group_supports(const struct wr_group *group,
                       const struct wr_group_join *join);
/** The protocol that wins the vote: of those that all members know, the one
 *  most members prefer; null when there is none. Lent by a member. */
struct weir_bytes wr_group_vote(const struct wr_group *group);
/** The longest rebalance timeout of the members; 0 without members. */
int32_t wr_group_rebalance_timeout(const struct wr_group *group);

/** Remembers a member id that was given out. Errors: WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_group_pending_add(struct wr_group *group, struct weir_bytes member_id,
                     int64_t expires_ms);
/** Forgets it; false when it was not pending. */
bool wr_group_pending_remove(struct wr_group *group,
                             struct weir_bytes member_id);

#endif
