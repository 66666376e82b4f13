/* SPDX-License-Identifier: Apache-2.0
 *
 * Rounds of a classic group: how one begins (everybody is asked to join
 * again), how it ends (a new generation, a leader, a protocol), and the replies
 * that go out meanwhile. Who may trigger a round is decided in group_join.c and
 * group.c, whose drawing shows the states. */
#include "broker/group_round.h"

#include "broker/errors.h"
#include "broker/owned.h"

void wr_group_enter(struct wr_group *group, enum wr_group_state state,
                    int64_t now_ms)
{
    group->state = state;
    group->state_since_ms = now_ms;
}

/* ---- replies ------------------------------------------------------- */

void wr_group_refuse_join(struct wr_group *group, void *waiter,
                          struct weir_bytes member_id, int16_t error)
{
    struct wr_group_join_reply reply = {
        .error = error, .member_id = member_id, .leader = weir_text("")};
    group->sink->join_reply(group->sink->context, group, waiter, &reply);
}

/* Answers with the current generation. */
void wr_group_accept_join(struct wr_group *group, void *waiter,
                          struct wr_group_member *member)
{
    struct wr_group_join_reply reply = {
        .member_id = member->id,
        .member = member,
        .leader = group->leader.data ? group->leader : weir_text(""),
        .send_members = wr_bytes_equal(group->leader, member->id)};
    group->sink->join_reply(group->sink->context, group, waiter, &reply);
}

void wr_group_answer_sync(struct wr_group *group, void *waiter, int16_t error,
                          struct weir_bytes assignment)
{
    struct wr_group_sync_reply reply = {
        .error = error,
        .assignment = assignment.data ? assignment : weir_text("")};
    group->sink->sync_reply(group->sink->context, group, waiter, &reply);
}

void wr_group_renew(struct wr_group_member *member, int64_t now_ms)
{
    member->expires_ms = now_ms + member->session_timeout_ms;
}

/* ---- rounds ------------------------------------------------------- */

static bool all_joined(const struct wr_group *group)
{
    if (group->pending) {
        return false;
    }
    for (const struct wr_group_member *m = group->members; m; m = m->next) {
        if (!m->join_waiter) {
            return false;
        }
    }
    return true;
}

static void remove_laggards(struct wr_group *group)
{
    struct wr_group_member *next;
    for (struct wr_group_member *m = group->members; m; m = next) {
        next = m->next;
        if (!m->join_waiter && !m->instance_id.data) {
            wr_group_member_remove(group, m);
        }
    }
}

/* Makes sure that the leader is someone who has joined; false when nobody has.
 */
static bool elect_leader(struct wr_group *group)
{
    struct wr_group_member *leader =
        group->leader.data ? wr_group_find(group, group->leader) : NULL;
    if (leader && leader->join_waiter) {
        return true;
    }
    for (struct wr_group_member *m = group->members; m; m = m->next) {
        if (m->join_waiter) {
            return wr_owned_set(&group->leader, m->id) == WEIR_OK;
        }
    }
    return false;
}

static void become_empty(struct wr_group *group, int64_t now_ms)
{
    wr_owned_free(&group->protocol_name);
    wr_owned_free(&group->leader);
    wr_group_enter(group, WR_GROUP_EMPTY, now_ms);
    /* Should this record be lost, the former generation comes back after a
     * restart and its members time out: nothing is wrong for long. */
    (void)group->sink->persist(group->sink->context, group);
}

void wr_group_complete_round(struct wr_group *group, int64_t now_ms)
{
    remove_laggards(group);
    bool led = elect_leader(group);
    struct weir_bytes chosen = wr_group_vote(group);
    if (group->members &&
        (!led || wr_owned_set(&group->protocol_name, chosen) != WEIR_OK)) {
        /* Only absent static members: their sessions will decide. */
        group->join_deadline_ms = now_ms + wr_group_rebalance_timeout(group);
        group->initial_round = false;
        return;
    }
    group->generation =
        group->generation == INT32_MAX ? 1 : group->generation + 1;
    group->join_deadline_ms = -1;
    group->initial_round = false;
    if (!group->members) {
        become_empty(group, now_ms);
        return;
    }
    wr_group_enter(group, WR_GROUP_COMPLETING, now_ms);
    group->sync_deadline_ms = now_ms + wr_group_rebalance_timeout(group);
    for (struct wr_group_member *m = group->members; m; m = m->next) {
        void *waiter = m->join_waiter;
        m->join_waiter = NULL;
        m->fresh = false;
        m->sync_pending = true;
        wr_group_renew(m, now_ms);
        if (waiter) {
            wr_group_accept_join(group, waiter, m);
        }
    }
}

void wr_group_maybe_complete(struct wr_group *group, int64_t now_ms)
{
    if (group->state == WR_GROUP_PREPARING && !group->initial_round &&
        all_joined(group)) {
        wr_group_complete_round(group, now_ms);
    }
}

/* Takes assignments back; members that wait for one are told why. */
void wr_group_cancel_syncs(struct wr_group *group, int16_t error,
                           int64_t now_ms)
{
    for (struct wr_group_member *m = group->members; m; m = m->next) {
        void *waiter = m->sync_waiter;
        wr_group_member_unassign(group, m);
        m->sync_waiter = NULL;
        if (waiter) {
            wr_group_renew(m, now_ms);
            wr_group_answer_sync(group, waiter, error, WEIR_NULL);
        }
    }
}

void wr_group_prepare_round(struct wr_group *group, int64_t now_ms)
{
    if (group->state == WR_GROUP_COMPLETING) {
        wr_group_cancel_syncs(group, WR_ERR_REBALANCE_IN_PROGRESS, now_ms);
    }
    group->sync_deadline_ms = -1;
    int32_t patience_ms = wr_group_rebalance_timeout(group);
    int32_t delay_ms = group->config->initial_rebalance_delay_ms;
    group->initial_round = group->state == WR_GROUP_EMPTY && delay_ms > 0;
    if (group->initial_round) {
        group->initial_left_ms =
            patience_ms > delay_ms ? patience_ms - delay_ms : 0;
        group->member_added = false;
    }
    group->join_deadline_ms =
        now_ms + (group->initial_round ? delay_ms : patience_ms);
    wr_group_enter(group, WR_GROUP_PREPARING, now_ms);
    wr_group_maybe_complete(group, now_ms);
}

void wr_group_prepare_or_complete(struct wr_group *group, int64_t now_ms)
{
    if (group->state == WR_GROUP_PREPARING) {
        wr_group_maybe_complete(group, now_ms);
    } else {
        wr_group_prepare_round(group, now_ms);
    }
}

/* Whether the caller is who it claims to be: 0, 25 or 82. */
int16_t wr_group_check_member(const struct wr_group *group,
                              struct weir_bytes member_id,
                              struct weir_bytes instance_id)
{
    if (instance_id.data) {
        const struct wr_group_member *holder =
            wr_group_find_static(group, instance_id);
        if (!holder) {
            return WR_ERR_UNKNOWN_MEMBER_ID;
        }
        if (!wr_bytes_equal(holder->id, member_id)) {
            return WR_ERR_FENCED_INSTANCE_ID;
        }
    }
    return wr_group_find(group, member_id) ? WR_ERR_NONE
                                           : WR_ERR_UNKNOWN_MEMBER_ID;
}
