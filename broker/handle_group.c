/* SPDX-License-Identifier: Apache-2.0
 *
 * JoinGroup, SyncGroup, Heartbeat and LeaveGroup: from the wire to a step of
 * the group, and from its replies to the wire. A parked Join or Sync is its
 * request: the group keeps the pointer and gives it back with the reply. */
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/durable.h"
#include "broker/errors.h"
#include "broker/groups.h"

#include <stdio.h>
#include <sys/random.h>

#define MEMBER_ID_PREFIX_MAX 256

/* `prefix`-`random UUID`, in the request's arena; null without memory. */
static struct weir_bytes fresh_member_id(struct wr_request *request,
                                         struct weir_bytes prefix)
{
    uint8_t r[16] = {0};
    if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r)) {
        return WEIR_NULL; /* the kernel has no randomness: cannot be unique */
    }
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    size_t prefix_len =
        prefix.len < MEMBER_ID_PREFIX_MAX ? prefix.len : MEMBER_ID_PREFIX_MAX;
    size_t cap = prefix_len + 40;
    char *id = wr_arena_alloc(&request->arena, cap);
    if (!id) {
        return WEIR_NULL;
    }
    int n =
        snprintf(id, cap,
                 "%.*s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
                 "%02x%02x%02x%02x%02x%02x",
                 (int)prefix_len, prefix.data ? (const char *)prefix.data : "",
                 r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9],
                 r[10], r[11], r[12], r[13], r[14], r[15]);
    return weir_bytes(id, (size_t)n);
}

/* ---- join ---------------------------------------------------------------- */

static void join_failed(struct wr_request *request, void *response)
{
    (void)request;
    struct wr_join_group_response *join = response;
    join->error_code = WR_ERR_COORDINATOR_NOT_AVAILABLE;
    join->members_count = 0;
}

static bool join_members(struct wr_request *request,
                         const struct wr_group *group,
                         struct wr_join_group_response *response)
{
    response->members = wr_request_take(request, group->member_count,
                                        sizeof(*response->members));
    if (!response->members) {
        return false;
    }
    for (const struct wr_group_member *m = group->members; m; m = m->next) {
        struct wr_join_group_response_member *to =
            &response->members[response->members_count++];
        if (wr_arena_copy(&request->arena, m->id, &to->member_id) != WEIR_OK ||
            wr_arena_copy(&request->arena, m->instance_id,
                          &to->group_instance_id) != WEIR_OK ||
            wr_arena_copy(&request->arena, wr_group_metadata(group, m),
                          &to->metadata) != WEIR_OK) {
            wr_request_hang_up(request, "the group is too large to describe");
            return false;
        }
    }
    return true;
}

void wr_groups_send_join(void *context, struct wr_group *group, void *waiter,
                         const struct wr_group_join_reply *reply)
{
    struct wr_request *request = waiter;
    struct wr_join_group_response *response =
        wr_request_take(request, 1, sizeof(*response));
    if (!response) {
        return;
    }
    wr_join_group_response_init(response);
    response->error_code = reply->error;
    response->skip_assignment = reply->skip_assignment;
    struct weir_bytes type = WEIR_NULL;
    struct weir_bytes name = WEIR_NULL;
    if (reply->error == WR_ERR_NONE) {
        response->generation_id = group->generation;
        type = group->protocol_type;
        name = group->protocol_name;
    }
    if (wr_arena_copy(&request->arena, type, &response->protocol_type) !=
            WEIR_OK ||
        wr_arena_copy(&request->arena, name, &response->protocol_name) !=
            WEIR_OK ||
        wr_arena_copy(&request->arena, reply->leader, &response->leader) !=
            WEIR_OK ||
        wr_arena_copy(&request->arena, reply->member_id,
                      &response->member_id) != WEIR_OK) {
        wr_request_hang_up(request, "the request needs too much memory");
        return;
    }
    if (reply->send_members && !join_members(request, group, response)) {
        return;
    }
    if (wr_groups_has_written(context)) {
        wr_request_reply_durable(request, response, join_failed);
    } else {
        wr_request_reply(request, response);
    }
}

static void refuse_join(struct wr_request *request, int16_t error)
{
    const struct wr_join_group_request *body = request->body;
    struct wr_join_group_response response;
    wr_join_group_response_init(&response);
    response.error_code = error;
    response.member_id = body->member_id;
    response.leader = weir_text("");
    wr_request_reply(request, &response);
}

/* What the wire says, as the group understands it. */
static bool read_join(struct wr_request *request, struct wr_group_join *join)
{
    const struct wr_join_group_request *body = request->body;
    char *host = wr_request_take(request, 1, strlen(request->host) + 2);
    if (!host) {
        return false;
    }
    host[0] = '/';
    memcpy(host + 1, request->host, strlen(request->host));
    *join = (struct wr_group_join){
        .waiter = request,
        .member_id = body->member_id,
        .instance_id = body->group_instance_id,
        .client_id =
            request->client_id.data ? request->client_id : weir_text(""),
        .client_host = weir_text(host),
        .protocol_type = body->protocol_type,
        .protocol_count = (size_t)body->protocols_count,
        .session_timeout_ms = body->session_timeout_ms,
        .rebalance_timeout_ms = body->rebalance_timeout_ms < 0
                                    ? body->session_timeout_ms
                                    : body->rebalance_timeout_ms,
        .need_known_id = request->version >= 4,
        .can_skip_assignment = request->version >= 9,
    };
    join->fresh_id = fresh_member_id(
        request, join->instance_id.data ? join->instance_id : join->client_id);
    join->protocols = wr_request_calloc(request, join->protocol_count,
                                        sizeof(*join->protocols));
    if (!join->fresh_id.data || !join->protocols) {
        wr_request_hang_up(request, "the request needs too much memory");
        return false;
    }
    for (size_t i = 0; i < join->protocol_count; i++) {
        join->protocols[i].name = body->protocols[i].name;
        join->protocols[i].metadata = body->protocols[i].metadata;
    }
    return true;
}

void wr_handle_join_group(struct wr_request *request)
{
    const struct wr_join_group_request *body = request->body;
    struct wr_groups *groups = request->broker->groups;
    struct wr_group_entry *entry = wr_groups_find(groups, body->group_id);
    if (body->group_id.len == 0) {
        refuse_join(request, WR_ERR_INVALID_GROUP_ID);
        return;
    }
    if (!entry && body->member_id.len > 0) {
        refuse_join(request, WR_ERR_UNKNOWN_MEMBER_ID);
        return;
    }
    if (!entry && wr_groups_make(groups, body->group_id, &entry) != WEIR_OK) {
        refuse_join(request, WR_ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    struct wr_group_join join;
    if (read_join(request, &join)) {
        wr_groups_begin_step(groups);
        wr_group_join(entry->group, &join,
                      wr_loop_now_ms(request->broker->loop));
    }
    wr_groups_stepped(groups, entry);
}

/* ---- sync ---------------------------------------------------------------- */

static void sync_failed(struct wr_request *request, void *response)
{
    (void)request;
    struct wr_sync_group_response *sync = response;
    sync->error_code = WR_ERR_COORDINATOR_NOT_AVAILABLE;
    sync->assignment = weir_text("");
}

void wr_groups_send_sync(void *context, struct wr_group *group, void *waiter,
                         const struct wr_group_sync_reply *reply)
{
    struct wr_request *request = waiter;
    struct wr_sync_group_response *response =
        wr_request_take(request, 1, sizeof(*response));
    if (!response) {
        return;
    }
    wr_sync_group_response_init(response);
    response->error_code = reply->error;
    struct weir_bytes type = WEIR_NULL;
    struct weir_bytes name = WEIR_NULL;
    if (reply->error == WR_ERR_NONE) {
        type = group->protocol_type;
        name = group->protocol_name;
    }
    if (wr_arena_copy(&request->arena, type, &response->protocol_type) !=
            WEIR_OK ||
        wr_arena_copy(&request->arena, name, &response->protocol_name) !=
            WEIR_OK ||
        wr_arena_copy(&request->arena, reply->assignment,
                      &response->assignment) != WEIR_OK) {
        wr_request_hang_up(request, "the request needs too much memory");
    } else if (wr_groups_has_written(context)) {
        wr_request_reply_durable(request, response, sync_failed);
    } else {
        wr_request_reply(request, response);
    }
}

static void refuse_sync(struct wr_request *request, int16_t error)
{
    struct wr_sync_group_response response;
    wr_sync_group_response_init(&response);
    response.error_code = error;
    response.assignment = weir_text("");
    wr_request_reply(request, &response);
}

void wr_handle_sync_group(struct wr_request *request)
{
    const struct wr_sync_group_request *body = request->body;
    struct wr_groups *groups = request->broker->groups;
    struct wr_group_entry *entry = wr_groups_find(groups, body->group_id);
    if (body->group_id.len == 0) {
        refuse_sync(request, WR_ERR_INVALID_GROUP_ID);
        return;
    }
    if (request->version >= 5 &&
        (!body->protocol_type.data || !body->protocol_name.data)) {
        refuse_sync(request, WR_ERR_INCONSISTENT_GROUP_PROTOCOL);
        return;
    }
    if (!entry) {
        refuse_sync(request, WR_ERR_UNKNOWN_MEMBER_ID);
        return;
    }
    size_t count = (size_t)body->assignments_count;
    struct wr_group_assignment *assignments =
        wr_request_take(request, count, sizeof(*assignments));
    if (!assignments) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        assignments[i].member_id = body->assignments[i].member_id;
        assignments[i].assignment = body->assignments[i].assignment;
    }
    struct wr_group_sync sync = {.waiter = request,
                                 .member_id = body->member_id,
                                 .instance_id = body->group_instance_id,
                                 .protocol_type = body->protocol_type,
                                 .protocol_name = body->protocol_name,
                                 .generation = body->generation_id,
                                 .assignments = assignments,
                                 .assignment_count = count};
    wr_groups_begin_step(groups);
    wr_group_sync(entry->group, &sync, wr_loop_now_ms(request->broker->loop));
    wr_groups_stepped(groups, entry);
}

/* ---- heartbeat, leave ---------------------------------------------------- */

void wr_handle_heartbeat(struct wr_request *request)
{
    const struct wr_heartbeat_request *body = request->body;
    struct wr_groups *groups = request->broker->groups;
    struct wr_group_entry *entry = wr_groups_find(groups, body->group_id);
    struct wr_heartbeat_response response;
    wr_heartbeat_response_init(&response);
    if (body->group_id.len == 0) {
        response.error_code = WR_ERR_INVALID_GROUP_ID;
    } else if (!entry) {
        response.error_code = WR_ERR_UNKNOWN_MEMBER_ID;
    } else {
        struct wr_group_caller caller = {
            body->member_id, body->group_instance_id, body->generation_id};
        response.error_code = wr_group_heartbeat(
            entry->group, &caller, wr_loop_now_ms(request->broker->loop));
        wr_groups_stepped(groups, entry);
    }
    wr_request_reply(request, &response);
}

static void leave_failed(struct wr_request *request, void *response)
{
    (void)request;
    struct wr_leave_group_response *leave = response;
    leave->error_code = WR_ERR_COORDINATOR_NOT_AVAILABLE;
}

/* Up to version 2 one member leaves, by its id. */
static void leave_one(struct wr_request *request, struct wr_group *group,
                      struct wr_leave_group_response *response)
{
    const struct wr_leave_group_request *body = request->body;
    response->error_code =
        group ? wr_group_leave(group, body->member_id, WEIR_NULL,
                               wr_loop_now_ms(request->broker->loop))
              : (int16_t)WR_ERR_UNKNOWN_MEMBER_ID;
}

static void leave_many(struct wr_request *request, struct wr_group *group,
                       struct wr_leave_group_response *response)
{
    const struct wr_leave_group_request *body = request->body;
    for (int32_t i = 0; i < body->members_count; i++) {
        const struct wr_leave_group_request_member *from = &body->members[i];
        response->members[i] = (struct wr_leave_group_response_member){
            .member_id = from->member_id,
            .group_instance_id = from->group_instance_id,
            .error_code = WR_ERR_UNKNOWN_MEMBER_ID};
        if (group) {
            response->members[i].error_code =
                wr_group_leave(group, from->member_id, from->group_instance_id,
                               wr_loop_now_ms(request->broker->loop));
        }
    }
    response->members_count = body->members_count;
}

void wr_handle_leave_group(struct wr_request *request)
{
    const struct wr_leave_group_request *body = request->body;
    struct wr_groups *groups = request->broker->groups;
    struct wr_group_entry *entry = wr_groups_find(groups, body->group_id);
    struct wr_leave_group_response *response =
        wr_request_take(request, 1, sizeof(*response));
    if (!response) {
        return;
    }
    wr_leave_group_response_init(response);
    if (request->version >= 3) {
        response->members = wr_request_take(
            request, (size_t)body->members_count, sizeof(*response->members));
        if (!response->members) {
            return;
        }
    }
    wr_groups_begin_step(groups);
    struct wr_group *group = entry ? entry->group : NULL;
    if (body->group_id.len == 0) {
        response->error_code = WR_ERR_INVALID_GROUP_ID;
    } else if (request->version >= 3) {
        leave_many(request, group, response);
    } else {
        leave_one(request, group, response);
    }
    bool written = wr_groups_has_written(groups);
    if (entry) {
        wr_groups_stepped(groups, entry);
    }
    if (written) {
        wr_request_reply_durable(request, response, leave_failed);
    } else {
        wr_request_reply(request, response);
    }
}
