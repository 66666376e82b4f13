/* SPDX-License-Identifier: Apache-2.0
 *
 * JoinGroup: newcomers, members that come again, and static members that come
 * back with a new id (KIP-345). The states are drawn in group.c. */
#include "broker/errors.h"
#include "broker/group_round.h"
#include "broker/owned.h"

#define NEWCOMER_TIMEOUT_MS (5 * 60 * 1000)

static int16_t error_of(enum weir_status status)
{
    switch ((int)status) {
    case WEIR_OK:
        return WR_ERR_NONE;
    case WEIR_E_TOOBIG:
        return WR_ERR_GROUP_MAX_SIZE_REACHED;
    default:
        return WR_ERR_COORDINATOR_NOT_AVAILABLE;
    }
}

static void park_join(struct wr_group *group, struct wr_group_member *member,
                      void *waiter)
{
    void *former = member->join_waiter;
    member->join_waiter = waiter;
    if (former) { /* the client asked again, over another connection */
        wr_group_refuse_join(group, former, member->id,
                             WR_ERR_REBALANCE_IN_PROGRESS);
    }
}

static void add_member(struct wr_group *group, const struct wr_group_join *join,
                       struct weir_bytes member_id, int64_t now_ms)
{
    struct wr_group_member from = {
        .id = member_id,
        .instance_id = join->instance_id,
        .client_id = join->client_id,
        .client_host = join->client_host,
        .protocols = join->protocols,
        .protocol_count = join->protocol_count,
        .session_timeout_ms = join->session_timeout_ms,
        .rebalance_timeout_ms = join->rebalance_timeout_ms,
        .expires_ms = now_ms + NEWCOMER_TIMEOUT_MS};
    struct wr_group_member *member = NULL;
    enum weir_status status = WEIR_OK;
    if (!group->members) {
        status = wr_owned_set(&group->protocol_type, join->protocol_type);
    }
    if (status == WEIR_OK) {
        status = wr_group_member_add(group, &from, &member);
    }
    if (status != WEIR_OK) {
        wr_group_refuse_join(group, join->waiter, join->member_id,
                             error_of(status));
        return;
    }
    (void)wr_group_pending_remove(group, member_id);
    member->fresh = true;
    group->member_added = true;
    park_join(group, member, join->waiter);
    wr_group_prepare_or_complete(group, now_ms);
}

/* Takes over what the member says now. */
static enum weir_status update_member(struct wr_group *group,
                                      struct wr_group_member *member,
                                      const struct wr_group_join *join)
{
    enum weir_status status = wr_group_member_set_protocols(
        group, member, join->protocols, join->protocol_count);
    if (status == WEIR_OK) {
        member->session_timeout_ms = join->session_timeout_ms;
        member->rebalance_timeout_ms = join->rebalance_timeout_ms;
    }
    return status;
}

static void rejoin(struct wr_group *group, struct wr_group_member *member,
                   const struct wr_group_join *join, int64_t now_ms)
{
    enum weir_status status = update_member(group, member, join);
    if (status != WEIR_OK) {
        wr_group_refuse_join(group, join->waiter, member->id, error_of(status));
        return;
    }
    park_join(group, member, join->waiter);
    wr_group_prepare_or_complete(group, now_ms);
}

/* The static member has a new id; its former incarnation is fenced. */
static enum weir_status replace_id(struct wr_group *group,
                                   struct wr_group_member *member,
                                   struct weir_bytes id, int64_t now_ms)
{
    struct weir_bytes leader = WEIR_NULL;
    bool led = group->leader.data && wr_bytes_equal(group->leader, member->id);
    if (led && wr_owned_set(&leader, id) != WEIR_OK) {
        return WEIR_E_NOMEM;
    }
    struct weir_bytes former = member->id;
    member->id = WEIR_NULL;
    if (wr_owned_set(&member->id, id) != WEIR_OK) {
        member->id = former;
        wr_owned_free(&leader);
        return WEIR_E_NOMEM;
    }
    if (led) {
        wr_owned_free(&group->leader);
        group->leader = leader;
    }
    void *join_waiter = member->join_waiter;
    void *sync_waiter = member->sync_waiter;
    member->join_waiter = NULL;
    member->sync_waiter = NULL;
    wr_group_renew(member, now_ms);
    if (join_waiter) {
        wr_group_refuse_join(group, join_waiter, former,
                             WR_ERR_FENCED_INSTANCE_ID);
    }
    if (sync_waiter) {
        wr_group_answer_sync(group, sync_waiter, WR_ERR_FENCED_INSTANCE_ID,
                             WEIR_NULL);
    }
    wr_owned_free(&former);
    return WEIR_OK;
}

/* A static member of a Stable group came back and changed nothing that matters:
 * the assignment stands, only its new id is written. A leader must not assign
 * again, since a Stable group would not hear of it: from v9 on it is told so,
 * before that it is shown its former id as the leader's. */
static void keep_assignment(struct wr_group *group,
                            struct wr_group_member *member,
                            struct weir_bytes former_leader,
                            const struct wr_group_join *join)
{
    if (group->sink->persist(group->sink->context, group) != WEIR_OK) {
        wr_group_refuse_join(group, join->waiter, weir_text(""),
                             WR_ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    bool leads = wr_bytes_equal(group->leader, member->id);
    struct wr_group_join_reply reply = {
        .member_id = member->id, .member = member, .leader = former_leader};
    if (join->can_skip_assignment) {
        reply.leader = group->leader;
        reply.send_members = leads;
        reply.skip_assignment = leads;
    }
    group->sink->join_reply(group->sink->context, group, join->waiter, &reply);
}

static void static_returns(struct wr_group *group,
                           struct wr_group_member *member,
                           const struct wr_group_join *join, int64_t now_ms)
{
    struct weir_bytes former_leader = WEIR_NULL;
    enum weir_status status = wr_owned_set(
        &former_leader, group->leader.data ? group->leader : weir_text(""));
    if (status == WEIR_OK) {
        status = replace_id(group, member, join->fresh_id, now_ms);
    }
    if (status == WEIR_OK) {
        status = update_member(group, member, join);
    }
    if (status != WEIR_OK) {
        wr_group_refuse_join(group, join->waiter, weir_text(""),
                             error_of(status));
    } else if (group->state == WR_GROUP_STABLE &&
               wr_bytes_equal(wr_group_vote(group), group->protocol_name)) {
        keep_assignment(group, member, former_leader, join);
    } else {
        park_join(group, member, join->waiter);
        wr_group_prepare_or_complete(group, now_ms);
    }
    wr_owned_free(&former_leader);
}

static size_t pending_count(const struct wr_group *group)
{
    size_t count = 0;
    for (const struct wr_group_pending *p = group->pending; p; p = p->next) {
        count++;
    }
    return count;
}

static void join_new(struct wr_group *group, const struct wr_group_join *join,
                     int64_t now_ms)
{
    if (join->instance_id.data) {
        struct wr_group_member *member =
            wr_group_find_static(group, join->instance_id);
        if (member) {
            static_returns(group, member, join, now_ms);
        } else {
            add_member(group, join, join->fresh_id, now_ms);
        }
        return;
    }
    if (!join->need_known_id) {
        add_member(group, join, join->fresh_id, now_ms);
        return;
    }
    int16_t error = WR_ERR_MEMBER_ID_REQUIRED;
    if (pending_count(group) >= (size_t)group->config->member_count_max) {
        error = WR_ERR_GROUP_MAX_SIZE_REACHED;
    } else if (wr_group_pending_add(group, join->fresh_id,
                                    now_ms + join->session_timeout_ms) !=
               WEIR_OK) {
        error = WR_ERR_COORDINATOR_NOT_AVAILABLE;
    }
    wr_group_refuse_join(group, join->waiter,
                         error == WR_ERR_MEMBER_ID_REQUIRED ? join->fresh_id
                                                            : weir_text(""),
                         error);
}

static bool is_pending(const struct wr_group *group, struct weir_bytes id)
{
    const struct wr_group_pending *p = group->pending;
    while (p && !wr_bytes_equal(p->member_id, id)) {
        p = p->next;
    }
    return p != NULL;
}

static void join_known(struct wr_group *group, const struct wr_group_join *join,
                       int64_t now_ms)
{
    if (!join->instance_id.data && is_pending(group, join->member_id)) {
        add_member(group, join, join->member_id, now_ms);
        return;
    }
    int16_t error =
        wr_group_check_member(group, join->member_id, join->instance_id);
    if (error != WR_ERR_NONE) {
        wr_group_refuse_join(group, join->waiter, join->member_id, error);
        return;
    }
    struct wr_group_member *member = wr_group_find(group, join->member_id);
    bool same =
        wr_group_member_matches(member, join->protocols, join->protocol_count);
    bool leads =
        group->leader.data && wr_bytes_equal(group->leader, member->id);
    if (same && (group->state == WR_GROUP_COMPLETING ||
                 (group->state == WR_GROUP_STABLE && !leads))) {
        wr_group_renew(member, now_ms);
        wr_group_accept_join(group, join->waiter, member);
        return;
    }
    rejoin(group, member, join, now_ms);
}

/* Whether there is room for the caller. */
static bool has_room(const struct wr_group *group, struct weir_bytes member_id)
{
    const struct wr_group_member *known = wr_group_find(group, member_id);
    size_t taken = group->member_count;
    if (group->state == WR_GROUP_PREPARING) {
        taken = 0;
        for (struct wr_group_member *m = group->members; m; m = m->next) {
            taken += m->join_waiter != NULL;
        }
        known = known && known->join_waiter ? known : NULL;
    }
    return known || taken < (size_t)group->config->member_count_max;
}

void wr_group_join(struct wr_group *group, const struct wr_group_join *join,
                   int64_t now_ms)
{
    const struct wr_group_config *config = group->config;
    int16_t error = WR_ERR_NONE;
    if (group->state == WR_GROUP_DEAD) {
        error = WR_ERR_COORDINATOR_NOT_AVAILABLE;
    } else if (join->session_timeout_ms < config->session_timeout_min_ms ||
               join->session_timeout_ms > config->session_timeout_max_ms) {
        error = WR_ERR_INVALID_SESSION_TIMEOUT;
    } else if (!has_room(group, join->member_id)) {
        error = WR_ERR_GROUP_MAX_SIZE_REACHED;
    } else if (!wr_group_supports(group, join)) {
        error = WR_ERR_INCONSISTENT_GROUP_PROTOCOL;
    }
    if (error != WR_ERR_NONE) {
        wr_group_refuse_join(group, join->waiter, join->member_id, error);
    } else if (join->member_id.len == 0) {
        join_new(group, join, now_ms);
    } else {
        join_known(group, join, now_ms);
    }
}
