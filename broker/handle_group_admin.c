/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests about groups from outside of them: where the coordinator is (here),
 * which groups there are, what they look like, and their deletion. */
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/durable.h"
#include "broker/errors.h"
#include "broker/groups.h"

/* Bits of Kafka's ACL operations; without authorization everything is allowed.
 */
#define GROUP_OPERATIONS 0x0d48 /* read, delete, describe, both config ones */
#define NOT_ASKED        INT32_MIN

/* ---- find coordinator ---------------------------------------------------- */

static int16_t check_key(int8_t key_type, struct weir_bytes key)
{
    if (key_type != 0 && key_type != 1) { /* 2, share groups, is not served */
        return WR_ERR_INVALID_REQUEST;
    }
    if (key.len == 0) {
        return key_type == 0 ? WR_ERR_INVALID_GROUP_ID : WR_ERR_INVALID_REQUEST;
    }
    return WR_ERR_NONE;
}

static void find_one(const struct wr_request *request,
                     struct wr_find_coordinator_response_coordinator *out)
{
    const struct wr_find_coordinator_request *body = request->body;
    out->error_code = check_key(body->key_type, out->key);
    out->node_id = -1;
    out->port = -1;
    out->host = weir_text("");
    if (out->error_code == WR_ERR_NONE) {
        out->node_id = request->broker->node_id;
        out->host = weir_text(request->broker->advertised_host);
        out->port = request->broker->advertised_port;
    } else {
        out->error_message =
            weir_text("no such kind of coordinator, or no key");
    }
}

void wr_handle_find_coordinator(struct wr_request *request)
{
    const struct wr_find_coordinator_request *body = request->body;
    struct wr_find_coordinator_response response;
    wr_find_coordinator_response_init(&response);
    if (request->version < 4) {
        struct wr_find_coordinator_response_coordinator one = {.key =
                                                                   body->key};
        find_one(request, &one);
        response.error_code = one.error_code;
        response.error_message = one.error_message;
        response.node_id = one.node_id;
        response.host = one.host;
        response.port = one.port;
    } else {
        response.coordinators =
            wr_request_take(request, (size_t)body->coordinator_keys_count,
                            sizeof(*response.coordinators));
        if (!response.coordinators) {
            return;
        }
        for (int32_t i = 0; i < body->coordinator_keys_count; i++) {
            response.coordinators[i].key = body->coordinator_keys[i];
            find_one(request, &response.coordinators[i]);
        }
        response.coordinators_count = body->coordinator_keys_count;
    }
    wr_request_reply(request, &response);
}

/* ---- list ---------------------------------------------------------------- */

/* Whether a filter of names lets a name through; upper and lower case alike. */
static bool passes(const struct weir_bytes *filter, int32_t count,
                   const char *name)
{
    struct weir_bytes text = weir_text(name);
    for (int32_t i = 0; i < count; i++) {
        bool same = filter[i].len == text.len;
        for (size_t c = 0; same && c < text.len; c++) {
            same = (filter[i].data[c] | 0x20) == (text.data[c] | 0x20);
        }
        if (same) {
            return true;
        }
    }
    return count <= 0;
}

void wr_handle_list_groups(struct wr_request *request)
{
    const struct wr_list_groups_request *body = request->body;
    const struct wr_groups *groups = request->broker->groups;
    struct wr_list_groups_response response;
    wr_list_groups_response_init(&response);
    size_t cursor = 0;
    size_t count = 0;
    struct wr_group_entry *entry;
    while (wr_groups_next(groups, &cursor, &entry)) {
        count++;
    }
    response.groups = wr_request_take(request, count, sizeof(*response.groups));
    if (!response.groups) {
        return;
    }
    cursor = 0;
    while (wr_groups_next(groups, &cursor, &entry)) {
        const struct wr_group *group = entry->group;
        const char *state = wr_group_state_name(group->state);
        if (!passes(body->states_filter, body->states_filter_count, state) ||
            !passes(body->types_filter, body->types_filter_count, "classic")) {
            continue;
        }
        response.groups[response.groups_count++] =
            (struct wr_list_groups_response_group){
                .group_id = group->id,
                .protocol_type = group->protocol_type.data
                                     ? group->protocol_type
                                     : weir_text(""),
                .group_state = weir_text(state),
                .group_type = weir_text("classic")};
    }
    wr_request_reply(request, &response);
}

/* ---- describe ------------------------------------------------------------ */

static bool describe_members(struct wr_request *request,
                             const struct wr_group *group,
                             struct wr_describe_groups_response_group *out)
{
    out->members =
        wr_request_take(request, group->member_count, sizeof(*out->members));
    if (!out->members) {
        return false;
    }
    bool assigned = group->state == WR_GROUP_STABLE;
    for (const struct wr_group_member *m = group->members; m; m = m->next) {
        out->members[out->members_count++] =
            (struct wr_describe_groups_response_member){
                .member_id = m->id,
                .group_instance_id = m->instance_id,
                .client_id = m->client_id,
                .client_host = m->client_host,
                .member_metadata =
                    assigned ? wr_group_metadata(group, m) : weir_text(""),
                .member_assignment = assigned ? m->assignment : weir_text("")};
    }
    return true;
}

static bool describe_one(struct wr_request *request, struct weir_bytes id,
                         struct wr_describe_groups_response_group *out)
{
    *out = (struct wr_describe_groups_response_group){
        .group_id = id,
        .group_state = weir_text("Dead"),
        .protocol_type = weir_text(""),
        .protocol_data = weir_text(""),
        .authorized_operations = NOT_ASKED};
    const struct wr_group_entry *entry =
        wr_groups_find(request->broker->groups, id);
    if (!entry) {
        if (id.len == 0) {
            out->error_code = WR_ERR_INVALID_GROUP_ID;
        } else if (request->version >= 6) {
            out->error_code = WR_ERR_GROUP_ID_NOT_FOUND;
            out->error_message = weir_text("there is no such group");
        }
        return true;
    }
    const struct wr_describe_groups_request *body = request->body;
    const struct wr_group *group = entry->group;
    if (body->include_authorized_operations) {
        out->authorized_operations = GROUP_OPERATIONS;
    }
    out->group_state = weir_text(wr_group_state_name(group->state));
    if (group->protocol_type.data) {
        out->protocol_type = group->protocol_type;
    }
    if (group->state == WR_GROUP_STABLE && group->protocol_name.data) {
        out->protocol_data = group->protocol_name;
    }
    return describe_members(request, group, out);
}

void wr_handle_describe_groups(struct wr_request *request)
{
    const struct wr_describe_groups_request *body = request->body;
    struct wr_describe_groups_response response;
    wr_describe_groups_response_init(&response);
    response.groups = wr_request_take(request, (size_t)body->groups_count,
                                      sizeof(*response.groups));
    if (!response.groups) {
        return;
    }
    for (int32_t i = 0; i < body->groups_count; i++) {
        if (!describe_one(request, body->groups[i], &response.groups[i])) {
            return;
        }
    }
    response.groups_count = body->groups_count;
    wr_request_reply(request, &response);
}

/* ---- groups of the new protocol ------------------------------------------ */

/* Listed although it is not served, as Kafka does where the protocol is
 * switched off: librdkafka tries for ever, and says nothing, when the API is
 * missing; this error it takes for final, and so does Java's client. */
void wr_handle_consumer_group_heartbeat(struct wr_request *request)
{
    struct wr_consumer_group_heartbeat_response response;
    wr_consumer_group_heartbeat_response_init(&response);
    response.error_code = WR_ERR_UNSUPPORTED_VERSION;
    response.error_message = weir_text(
        "This broker serves classic groups: set group.protocol=classic.");
    wr_request_reply(request, &response);
}

/* ---- delete -------------------------------------------------------------- */

static void delete_failed(struct wr_request *request, void *response)
{
    (void)request;
    struct wr_delete_groups_response *deletion = response;
    for (int32_t i = 0; i < deletion->results_count; i++) {
        deletion->results[i].error_code = WR_ERR_COORDINATOR_NOT_AVAILABLE;
    }
}

void wr_handle_delete_groups(struct wr_request *request)
{
    const struct wr_delete_groups_request *body = request->body;
    struct wr_groups *groups = request->broker->groups;
    struct wr_delete_groups_response *response =
        wr_request_take(request, 1, sizeof(*response));
    if (!response) {
        return;
    }
    wr_delete_groups_response_init(response);
    response->results = wr_request_take(request, (size_t)body->groups_count,
                                        sizeof(*response->results));
    if (!response->results) {
        return;
    }
    for (int32_t i = 0; i < body->groups_count; i++) {
        struct wr_group_entry *entry = wr_groups_find(groups, body->groups[i]);
        struct wr_delete_groups_response_result *result = &response->results[i];
        result->group_id = body->groups[i];
        if (entry) {
            result->error_code = wr_groups_delete(groups, entry);
        } else {
            result->error_code = body->groups[i].len == 0
                                     ? WR_ERR_INVALID_GROUP_ID
                                     : WR_ERR_GROUP_ID_NOT_FOUND;
        }
    }
    response->results_count = body->groups_count;
    wr_request_reply_durable(request, response, delete_failed);
}
