/* SPDX-License-Identifier: Apache-2.0
 *
 * The classic group: from JoinGroup to an assignment that everybody has.
 *
 *              first join                     all have joined, or deadline
 *   Empty ------------------> Preparing --------------------> Completing
 *     ^                         ^   ^                              |
 *     |  nobody joined          |   | join, leave, silence,        | leader's
 *     +-------------------------+   | missing sync                 | SyncGroup
 *     |                             +------------- Stable <--------+
 *     +--> Dead (deleted)
 *
 * A round begins with prepare_round and ends with complete_round, which makes
 * a new generation. Who does not join again by then is out, except static
 * members: they keep their place until their session ends, and if they come
 * back with a new member id while the group is Stable, only the id changes.
 *
 * Sessions: a member that waits for us (a parked Join or Sync) is alive by
 * definition; a newcomer gets five minutes until its first round completes.
 * Errors are Kafka's, so that every client's retry logic fits. */
#include "broker/group.h"

#include "broker/errors.h"
#include "broker/group_round.h"
#include "broker/owned.h"

enum weir_status wr_group_new(struct weir_bytes id,
                              const struct wr_group_config *config,
                              const struct wr_group_sink *sink,
                              struct wr_group **out)
{
    struct wr_group *group = calloc(1, sizeof(*group));
    if (!group || wr_owned_set(&group->id, id) != WEIR_OK) {
        free(group);
        return WEIR_E_NOMEM;
    }
    group->config = config;
    group->sink = sink;
    group->join_deadline_ms = -1;
    group->sync_deadline_ms = -1;
    *out = group;
    return WEIR_OK;
}

void wr_group_free(struct wr_group *group)
{
    if (!group) {
        return;
    }
    wr_group_members_clear(group);
    wr_owned_free(&group->id);
    wr_owned_free(&group->protocol_type);
    wr_owned_free(&group->protocol_name);
    wr_owned_free(&group->leader);
    free(group);
}

const char *wr_group_state_name(enum wr_group_state state)
{
    static const char *const names[] = {
        "Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"};
    return names[state];
}

/* ---- sync ------------------------------------------------------- */

static int16_t check_sync(const struct wr_group *group,
                          const struct wr_group_sync *sync)
{
    if (group->state == WR_GROUP_DEAD) {
        return WR_ERR_COORDINATOR_NOT_AVAILABLE;
    }
    int16_t error =
        wr_group_check_member(group, sync->member_id, sync->instance_id);
    if (error != WR_ERR_NONE) {
        return error;
    }
    if (sync->generation != group->generation) {
        return WR_ERR_ILLEGAL_GENERATION;
    }
    if ((sync->protocol_type.data &&
         !wr_bytes_equal(sync->protocol_type, group->protocol_type)) ||
        (sync->protocol_name.data && group->protocol_name.data &&
         !wr_bytes_equal(sync->protocol_name, group->protocol_name))) {
        return WR_ERR_INCONSISTENT_GROUP_PROTOCOL;
    }
    return group->state == WR_GROUP_PREPARING ? WR_ERR_REBALANCE_IN_PROGRESS
                                              : WR_ERR_NONE;
}

static enum weir_status assign_all(struct wr_group *group,
                                   const struct wr_group_sync *sync)
{
    for (struct wr_group_member *m = group->members; m; m = m->next) {
        struct weir_bytes assignment = weir_text("");
        for (size_t i = 0; i < sync->assignment_count; i++) {
            if (wr_bytes_equal(sync->assignments[i].member_id, m->id)) {
                assignment = sync->assignments[i].assignment;
            }
        }
        enum weir_status status = wr_group_member_assign(group, m, assignment);
        if (status != WEIR_OK) {
            return status;
        }
    }
    return WEIR_OK;
}

static void leader_syncs(struct wr_group *group,
                         const struct wr_group_sync *sync, int64_t now_ms)
{
    enum weir_status status = assign_all(group, sync);
    if (status == WEIR_OK) {
        wr_group_enter(group, WR_GROUP_STABLE, now_ms);
        status = group->sink->persist(group->sink->context, group);
    }
    if (status != WEIR_OK) {
        wr_group_enter(group, WR_GROUP_COMPLETING, now_ms);
        wr_group_cancel_syncs(group, WR_ERR_COORDINATOR_NOT_AVAILABLE, now_ms);
        wr_group_prepare_round(group, now_ms);
        return;
    }
    for (struct wr_group_member *m = group->members; m; m = m->next) {
        void *waiter = m->sync_waiter;
        m->sync_waiter = NULL;
        if (waiter) {
            wr_group_renew(m, now_ms);
            wr_group_answer_sync(group, waiter, WR_ERR_NONE, m->assignment);
        }
    }
}

void wr_group_sync(struct wr_group *group, const struct wr_group_sync *sync,
                   int64_t now_ms)
{
    int16_t error = check_sync(group, sync);
    if (error != WR_ERR_NONE) {
        wr_group_answer_sync(group, sync->waiter, error, WEIR_NULL);
        return;
    }
    struct wr_group_member *member = wr_group_find(group, sync->member_id);
    member->sync_pending = false;
    wr_group_renew(member, now_ms);
    if (group->state == WR_GROUP_STABLE) {
        wr_group_answer_sync(group, sync->waiter, WR_ERR_NONE,
                             member->assignment);
        return;
    }
    void *former = member->sync_waiter;
    member->sync_waiter = sync->waiter;
    if (former) {
        wr_group_answer_sync(group, former, WR_ERR_REBALANCE_IN_PROGRESS,
                             WEIR_NULL);
    }
    if (wr_bytes_equal(group->leader, member->id)) {
        leader_syncs(group, sync, now_ms);
    }
}

/* ---- heartbeat, commit, leave ---------------------------------------------
 */

int16_t wr_group_heartbeat(struct wr_group *group,
                           const struct wr_group_caller *caller, int64_t now_ms)
{
    if (group->state == WR_GROUP_DEAD) {
        return WR_ERR_COORDINATOR_NOT_AVAILABLE;
    }
    int16_t error =
        wr_group_check_member(group, caller->member_id, caller->instance_id);
    if (error != WR_ERR_NONE) {
        return error;
    }
    if (caller->generation != group->generation) {
        return WR_ERR_ILLEGAL_GENERATION;
    }
    wr_group_renew(wr_group_find(group, caller->member_id), now_ms);
    return group->state == WR_GROUP_PREPARING ? WR_ERR_REBALANCE_IN_PROGRESS
                                              : WR_ERR_NONE;
}

int16_t wr_group_check_commit(struct wr_group *group,
                              const struct wr_group_caller *caller,
                              bool transactional, int64_t now_ms)
{
    if (group->state == WR_GROUP_DEAD) {
        return WR_ERR_COORDINATOR_NOT_AVAILABLE;
    }
    if (caller->generation < 0 && group->state == WR_GROUP_EMPTY) {
        return WR_ERR_NONE; /* someone who uses the group to keep offsets */
    }
    bool claims = caller->generation >= 0 || caller->member_id.len > 0 ||
                  caller->instance_id.data;
    if (!claims) {
        return transactional ? WR_ERR_NONE : WR_ERR_UNKNOWN_MEMBER_ID;
    }
    int16_t error =
        wr_group_check_member(group, caller->member_id, caller->instance_id);
    if (error != WR_ERR_NONE) {
        return error;
    }
    if (caller->generation != group->generation) {
        return WR_ERR_ILLEGAL_GENERATION;
    }
    if (!transactional && group->state == WR_GROUP_COMPLETING) {
        return WR_ERR_REBALANCE_IN_PROGRESS;
    }
    if (group->state != WR_GROUP_COMPLETING) {
        wr_group_renew(wr_group_find(group, caller->member_id), now_ms);
    }
    return WR_ERR_NONE;
}

static void remove_member(struct wr_group *group,
                          struct wr_group_member *member, int64_t now_ms)
{
    void *join_waiter = member->join_waiter;
    void *sync_waiter = member->sync_waiter;
    wr_group_member_remove(group, member);
    if (join_waiter) {
        wr_group_refuse_join(group, join_waiter, weir_text(""),
                             WR_ERR_UNKNOWN_MEMBER_ID);
    }
    if (sync_waiter) {
        wr_group_answer_sync(group, sync_waiter, WR_ERR_UNKNOWN_MEMBER_ID,
                             WEIR_NULL);
    }
    wr_group_prepare_or_complete(group, now_ms);
}

int16_t wr_group_leave(struct wr_group *group, struct weir_bytes member_id,
                       struct weir_bytes instance_id, int64_t now_ms)
{
    if (group->state == WR_GROUP_DEAD) {
        return WR_ERR_COORDINATOR_NOT_AVAILABLE;
    }
    struct wr_group_member *member;
    if (instance_id.data) {
        member = wr_group_find_static(group, instance_id);
        if (member && member_id.len > 0 &&
            !wr_bytes_equal(member->id, member_id)) {
            return WR_ERR_FENCED_INSTANCE_ID;
        }
    } else if (wr_group_pending_remove(group, member_id)) {
        wr_group_maybe_complete(group, now_ms);
        return WR_ERR_NONE;
    } else {
        member = wr_group_find(group, member_id);
    }
    if (!member) {
        return WR_ERR_UNKNOWN_MEMBER_ID;
    }
    remove_member(group, member, now_ms);
    return WR_ERR_NONE;
}

int16_t wr_group_delete(struct wr_group *group)
{
    if (group->state == WR_GROUP_DEAD) {
        return WR_ERR_GROUP_ID_NOT_FOUND;
    }
    if (group->state != WR_GROUP_EMPTY) {
        return WR_ERR_NON_EMPTY_GROUP;
    }
    group->state = WR_GROUP_DEAD;
    return WR_ERR_NONE;
}

/* ---- time ------------------------------------------------------- */

/* Who waits for us cannot be silent; newcomers can. */
static bool may_expire(const struct wr_group_member *member)
{
    return member->fresh || (!member->join_waiter && !member->sync_waiter);
}

static void expire_pending(struct wr_group *group, int64_t now_ms)
{
    struct wr_group_pending *next;
    for (struct wr_group_pending *p = group->pending; p; p = next) {
        next = p->next;
        if (p->expires_ms <= now_ms) {
            (void)wr_group_pending_remove(group, p->member_id);
            if (!group->pending) {
                wr_group_maybe_complete(group, now_ms);
                return;
            }
        }
    }
}

static void expire_members(struct wr_group *group, int64_t now_ms)
{
    struct wr_group_member *member = group->members;
    while (member) {
        if (may_expire(member) && member->expires_ms <= now_ms) {
            remove_member(group, member, now_ms);
            member = group->members; /* the list may be a different one now */
        } else {
            member = member->next;
        }
    }
}

static void expire_syncs(struct wr_group *group, int64_t now_ms)
{
    group->sync_deadline_ms = -1;
    bool removed = false;
    struct wr_group_member *next;
    for (struct wr_group_member *m = group->members; m; m = next) {
        next = m->next;
        if (m->sync_pending) {
            wr_group_member_remove(group, m);
            removed = true;
        }
    }
    if (removed) {
        wr_group_prepare_round(group, now_ms);
    }
}

static void end_join_wait(struct wr_group *group, int64_t now_ms)
{
    int32_t delay_ms = group->config->initial_rebalance_delay_ms;
    if (group->initial_round && group->member_added &&
        group->initial_left_ms > 0) {
        group->member_added = false;
        int64_t more_ms = group->initial_left_ms < delay_ms
                              ? group->initial_left_ms
                              : delay_ms;
        group->initial_left_ms -= more_ms;
        group->join_deadline_ms = now_ms + more_ms;
        return;
    }
    wr_group_complete_round(group, now_ms);
}

void wr_group_tick(struct wr_group *group, int64_t now_ms)
{
    expire_pending(group, now_ms);
    expire_members(group, now_ms);
    if (group->state == WR_GROUP_PREPARING &&
        group->join_deadline_ms <= now_ms) {
        end_join_wait(group, now_ms);
    }
    if (group->sync_deadline_ms >= 0 && group->sync_deadline_ms <= now_ms) {
        expire_syncs(group, now_ms);
    }
}

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

int64_t wr_group_deadline(const struct wr_group *group)
{
    int64_t at_ms = INT64_MAX;
    for (const struct wr_group_pending *p = group->pending; p; p = p->next) {
        at_ms = sooner(at_ms, p->expires_ms);
    }
    for (const struct wr_group_member *m = group->members; m; m = m->next) {
        if (may_expire(m)) {
            at_ms = sooner(at_ms, m->expires_ms);
        }
    }
    if (group->state == WR_GROUP_PREPARING) {
        at_ms = sooner(at_ms, group->join_deadline_ms);
    }
    if (group->sync_deadline_ms >= 0) {
        at_ms = sooner(at_ms, group->sync_deadline_ms);
    }
    return at_ms;
}

void wr_group_restore_done(struct wr_group *group, int64_t now_ms)
{
    for (struct wr_group_member *m = group->members; m; m = m->next) {
        wr_group_renew(m, now_ms);
    }
}
