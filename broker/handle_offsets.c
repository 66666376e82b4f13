/* SPDX-License-Identifier: Apache-2.0
 *
 * OffsetCommit, OffsetFetch and OffsetDelete: the positions of a group. */
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/durable.h"
#include "broker/errors.h"
#include "broker/group_records.h"
#include "broker/groups.h"
#include "broker/topics.h"

/* ---- commit -------------------------------------------------------------- */

/* Where nothing went wrong yet, `error` did. */
static void commit_set_errors(struct wr_offset_commit_response *response,
                              int16_t error)
{
    for (int32_t t = 0; t < response->topics_count; t++) {
        struct wr_offset_commit_response_topic *topic = &response->topics[t];
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            if (topic->partitions[p].error_code == WR_ERR_NONE) {
                topic->partitions[p].error_code = error;
            }
        }
    }
}

static void commit_failed(struct wr_request *request, void *response)
{
    (void)request;
    commit_set_errors(response, WR_ERR_COORDINATOR_NOT_AVAILABLE);
}

/* A partition that does not exist is said to be unknown whoever asks. */
static int16_t check_position(const struct wr_request *request,
                              int16_t group_error, struct weir_bytes topic,
                              int32_t partition, struct weir_bytes metadata)
{
    if (!wr_topics_log(request->broker->topics, topic, partition)) {
        return WR_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (group_error != WR_ERR_NONE) {
        return group_error;
    }
    return metadata.len > WR_OFFSET_METADATA_MAX
               ? WR_ERR_OFFSET_METADATA_TOO_LARGE
               : WR_ERR_NONE;
}

/* The group that is to keep the positions, and whether it may. */
static int16_t commit_group(struct wr_request *request,
                            struct wr_group_entry **out)
{
    const struct wr_offset_commit_request *body = request->body;
    struct wr_groups *groups = request->broker->groups;
    *out = wr_groups_find(groups, body->group_id);
    if (!*out && body->generation_id >= 0) {
        return request->version >= 9 ? WR_ERR_GROUP_ID_NOT_FOUND
                                     : WR_ERR_ILLEGAL_GENERATION;
    }
    if (!*out && wr_groups_make(groups, body->group_id, out) != WEIR_OK) {
        return WR_ERR_COORDINATOR_NOT_AVAILABLE;
    }
    struct wr_group_caller caller = {body->member_id, body->group_instance_id,
                                     body->generation_id};
    return wr_group_check_commit((*out)->group, &caller,
                                 /* transactional= */ false,
                                 wr_loop_now_ms(request->broker->loop));
}

/* Versions 2 to 4 say how long; -1: as long as the group's other positions. */
static int64_t expires_ms(int64_t wall_ms, int64_t retention_ms)
{
    int64_t at_ms;
    if (retention_ms < 0) {
        return -1;
    }
    return __builtin_add_overflow(wall_ms, retention_ms, &at_ms) ? INT64_MAX
                                                                 : at_ms;
}

/* One topic: lays out its part of the response, collects its positions. */
static bool read_topic(struct wr_request *request, int16_t group_error,
                       const struct wr_offset_commit_request_topic *from,
                       struct wr_offset_commit_response_topic *to,
                       struct wr_offset *positions, size_t *count)
{
    const struct wr_offset_commit_request *body = request->body;
    int64_t wall_ms = wr_loop_wall_ms(request->broker->loop);
    if (!WR_REQUEST_TAKE_PARTITIONS(request, from, to)) {
        return false;
    }
    for (int32_t p = 0; p < from->partitions_count; p++) {
        const struct wr_offset_commit_request_partition *at =
            &from->partitions[p];
        int16_t error = check_position(request, group_error, from->name,
                                       at->index, at->committed_metadata);
        to->partitions[p].index = at->index;
        to->partitions[p].error_code = error;
        if (error != WR_ERR_NONE) {
            continue;
        }
        positions[(*count)++] = (struct wr_offset){
            .topic = from->name,
            .partition = at->index,
            .offset = at->committed_offset,
            .leader_epoch = at->committed_leader_epoch,
            .metadata = at->committed_metadata,
            .commit_ms =
                at->commit_timestamp >= 0 ? at->commit_timestamp : wall_ms,
            .expire_ms = expires_ms(wall_ms, body->retention_time_ms)};
    }
    return true;
}

/* Lays out the response and collects what can be committed. */
static bool read_commit(struct wr_request *request, int16_t group_error,
                        struct wr_offset_commit_response *response,
                        struct wr_offset_commit *commit)
{
    const struct wr_offset_commit_request *body = request->body;
    size_t total = 0;
    for (int32_t t = 0; t < body->topics_count; t++) {
        total += (size_t)body->topics[t].partitions_count;
    }
    struct wr_offset *positions =
        wr_request_take(request, total, sizeof(*positions));
    if (!positions) {
        return false;
    }
    if (!WR_REQUEST_TAKE_TOPICS(request, body, response)) {
        return false;
    }
    for (int32_t t = 0; t < body->topics_count; t++) {
        if (!read_topic(request, group_error, &body->topics[t],
                        &response->topics[t], positions, &commit->count)) {
            return false;
        }
    }
    commit->offsets = positions;
    return true;
}

void wr_handle_offset_commit(struct wr_request *request)
{
    struct wr_groups *groups = request->broker->groups;
    struct wr_offset_commit_response *response =
        wr_request_take(request, 1, sizeof(*response));
    if (!response) {
        return;
    }
    wr_offset_commit_response_init(response);
    struct wr_group_entry *entry = NULL;
    int16_t error = commit_group(request, &entry);
    struct wr_offset_commit commit = {.producer_id = -1, .producer_epoch = -1};
    if (read_commit(request, error, response, &commit)) {
        if (commit.count == 0) {
            wr_request_reply(request, response);
        } else {
            error = wr_groups_commit(groups, entry, &commit);
            commit_set_errors(response, error);
            wr_request_reply_durable(request, response, commit_failed);
        }
    }
    if (entry) {
        wr_groups_stepped(groups, entry);
    }
}

/* ---- fetch --------------------------------------------------------------- */

struct fetch {
    struct wr_request *request;
    const struct wr_offsets *offsets; /* NULL: no such group */
    bool require_stable;
};

static struct wr_offset_fetch_response_group_topic_partition
fetch_one(const struct fetch *fetch, struct weir_bytes topic, int32_t partition)
{
    struct wr_offset_fetch_response_group_topic_partition out = {
        .index = partition,
        .committed_offset = -1,
        .committed_leader_epoch = -1,
        .metadata = weir_text("")};
    const struct wr_offset *position =
        fetch->offsets ? wr_offsets_get(fetch->offsets, topic, partition)
                       : NULL;
    if (fetch->require_stable && fetch->offsets &&
        wr_offsets_unstable(fetch->offsets, topic, partition)) {
        out.error_code = WR_ERR_UNSTABLE_OFFSET_COMMIT;
    } else if (position) {
        out.committed_offset = position->offset;
        out.committed_leader_epoch = position->leader_epoch;
        out.metadata = position->metadata;
    }
    return out;
}

/* The topics that were asked for. */
static bool fetch_named(const struct fetch *fetch,
                        const struct wr_offset_fetch_request_group *asked,
                        struct wr_offset_fetch_response_group *out)
{
    out->topics = wr_request_take(fetch->request, (size_t)asked->topics_count,
                                  sizeof(*out->topics));
    if (!out->topics) {
        return false;
    }
    for (int32_t t = 0; t < asked->topics_count; t++) {
        const struct wr_offset_fetch_request_group_topic *from =
            &asked->topics[t];
        struct wr_offset_fetch_response_group_topic *to = &out->topics[t];
        to->name = from->name;
        to->partitions =
            wr_request_take(fetch->request, (size_t)from->partitions_count,
                            sizeof(*to->partitions));
        if (!to->partitions) {
            return false;
        }
        for (int32_t p = 0; p < from->partitions_count; p++) {
            to->partitions[p] =
                fetch_one(fetch, from->name, from->partitions[p]);
        }
        to->partitions_count = from->partitions_count;
    }
    out->topics_count = asked->topics_count;
    return true;
}

static struct wr_offset_fetch_response_group_topic *
topic_of(struct wr_offset_fetch_response_group *out, struct weir_bytes name)
{
    for (int32_t t = out->topics_count; t-- > 0;) {
        if (wr_bytes_equal(out->topics[t].name, name)) {
            return &out->topics[t];
        }
    }
    struct wr_offset_fetch_response_group_topic *topic =
        &out->topics[out->topics_count++];
    topic->name = name;
    return topic;
}

/* Everything the group has: counted first, then filled in. */
static bool fetch_all(const struct fetch *fetch,
                      struct wr_offset_fetch_response_group *out)
{
    size_t count = fetch->offsets ? fetch->offsets->count : 0;
    out->topics = wr_request_take(fetch->request, count, sizeof(*out->topics));
    if (!out->topics) {
        return false;
    }
    size_t cursor = 0;
    const struct wr_offset *position;
    while (count > 0 && wr_offsets_next(fetch->offsets, &cursor, &position)) {
        topic_of(out, position->topic)->partitions_count++;
    }
    for (int32_t t = 0; t < out->topics_count; t++) {
        struct wr_offset_fetch_response_group_topic *topic = &out->topics[t];
        topic->partitions =
            wr_request_take(fetch->request, (size_t)topic->partitions_count,
                            sizeof(*topic->partitions));
        if (!topic->partitions) {
            return false;
        }
        topic->partitions_count = 0;
    }
    cursor = 0;
    while (count > 0 && wr_offsets_next(fetch->offsets, &cursor, &position)) {
        struct wr_offset_fetch_response_group_topic *topic =
            topic_of(out, position->topic);
        topic->partitions[topic->partitions_count++] =
            fetch_one(fetch, position->topic, position->partition);
    }
    return true;
}

static bool fetch_group(struct wr_request *request, bool require_stable,
                        const struct wr_offset_fetch_request_group *asked,
                        struct wr_offset_fetch_response_group *out)
{
    const struct wr_group_entry *entry =
        wr_groups_find(request->broker->groups, asked->group_id);
    struct fetch fetch = {request, entry ? &entry->offsets : NULL,
                          require_stable};
    out->group_id = asked->group_id;
    return asked->topics_count < 0 ? fetch_all(&fetch, out)
                                   : fetch_named(&fetch, asked, out);
}

/* Up to version 7 there is one group, and its topics have types of their own.
 */
static void fetch_single(struct wr_request *request,
                         struct wr_offset_fetch_response *response)
{
    const struct wr_offset_fetch_request *body = request->body;
    struct wr_offset_fetch_request_group asked = {
        .group_id = body->group_id, .topics_count = body->topics_count};
    if (body->topics_count > 0) {
        asked.topics = wr_request_take(request, (size_t)body->topics_count,
                                       sizeof(*asked.topics));
        if (!asked.topics) {
            return;
        }
    }
    for (int32_t t = 0; t < body->topics_count; t++) {
        asked.topics[t].name = body->topics[t].name;
        asked.topics[t].partitions = body->topics[t].partitions;
        asked.topics[t].partitions_count = body->topics[t].partitions_count;
    }
    struct wr_offset_fetch_response_group found = {0};
    if (!fetch_group(request, body->require_stable, &asked, &found)) {
        return;
    }
    if (!WR_REQUEST_TAKE_TOPICS(request, &found, response)) {
        return;
    }
    for (int32_t t = 0; t < found.topics_count; t++) {
        const struct wr_offset_fetch_response_group_topic *from =
            &found.topics[t];
        struct wr_offset_fetch_response_topic *to = &response->topics[t];
        if (!WR_REQUEST_TAKE_PARTITIONS(request, from, to)) {
            return;
        }
        for (int32_t p = 0; p < from->partitions_count; p++) {
            const struct wr_offset_fetch_response_group_topic_partition *at =
                &from->partitions[p];
            to->partitions[p] = (struct wr_offset_fetch_response_partition){
                at->index, at->committed_offset, at->committed_leader_epoch,
                at->metadata, at->error_code};
        }
    }
    wr_request_reply(request, response);
}

void wr_handle_offset_fetch(struct wr_request *request)
{
    const struct wr_offset_fetch_request *body = request->body;
    struct wr_offset_fetch_response response;
    wr_offset_fetch_response_init(&response);
    if (request->version < 8) {
        fetch_single(request, &response);
        return;
    }
    response.groups = wr_request_take(request, (size_t)body->groups_count,
                                      sizeof(*response.groups));
    if (!response.groups) {
        return;
    }
    for (int32_t g = 0; g < body->groups_count; g++) {
        if (!fetch_group(request, body->require_stable, &body->groups[g],
                         &response.groups[g])) {
            return;
        }
    }
    response.groups_count = body->groups_count;
    wr_request_reply(request, &response);
}

/* ---- delete -------------------------------------------------------------- */

static void delete_failed(struct wr_request *request, void *response)
{
    (void)request;
    struct wr_offset_delete_response *deletion = response;
    deletion->error_code = WR_ERR_COORDINATOR_NOT_AVAILABLE;
}

static int16_t delete_one(struct wr_request *request,
                          struct wr_group_entry *entry, struct weir_bytes topic,
                          int32_t partition)
{
    if (!wr_topics_log(request->broker->topics, topic, partition)) {
        return WR_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (entry->group->state != WR_GROUP_EMPTY &&
        wr_group_subscribes(entry->group, topic)) {
        return WR_ERR_GROUP_SUBSCRIBED_TO_TOPIC;
    }
    return wr_groups_forget_offset(request->broker->groups, entry, topic,
                                   partition);
}

static bool delete_topics(struct wr_request *request,
                          struct wr_group_entry *entry,
                          struct wr_offset_delete_response *response)
{
    const struct wr_offset_delete_request *body = request->body;
    if (!WR_REQUEST_TAKE_TOPICS(request, body, response)) {
        return false;
    }
    for (int32_t t = 0; t < body->topics_count; t++) {
        const struct wr_offset_delete_request_topic *from = &body->topics[t];
        struct wr_offset_delete_response_topic *to = &response->topics[t];
        if (!WR_REQUEST_TAKE_PARTITIONS(request, from, to)) {
            return false;
        }
        for (int32_t p = 0; p < from->partitions_count; p++) {
            int32_t index = from->partitions[p].index;
            to->partitions[p].index = index;
            to->partitions[p].error_code =
                delete_one(request, entry, from->name, index);
        }
    }
    return true;
}

void wr_handle_offset_delete(struct wr_request *request)
{
    const struct wr_offset_delete_request *body = request->body;
    struct wr_offset_delete_response *response =
        wr_request_take(request, 1, sizeof(*response));
    if (!response) {
        return;
    }
    wr_offset_delete_response_init(response);
    struct wr_group_entry *entry =
        wr_groups_find(request->broker->groups, body->group_id);
    if (!entry) {
        response->error_code = WR_ERR_GROUP_ID_NOT_FOUND;
        wr_request_reply(request, response);
        return;
    }
    if (entry->group->state != WR_GROUP_EMPTY &&
        !wr_bytes_equal_text(entry->group->protocol_type, "consumer")) {
        response->error_code = WR_ERR_NON_EMPTY_GROUP;
        wr_request_reply(request, response);
        return;
    }
    if (delete_topics(request, entry, response)) {
        wr_request_reply_durable(request, response, delete_failed);
    }
}
