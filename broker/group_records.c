/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups and positions as Kafka's records. The layouts are rows of
 * broker/messages/records.msg; here they meet the coordinator's own structs. */
#include "broker/group_records.h"

#include "broker/group_member.h"
#include "broker/messages.h"
#include "broker/owned.h"

#define OFFSET_KEY_VERSION    1
#define GROUP_KEY_VERSION     2
#define VALUE_VERSION         3
#define OFFSET_VALUE_EXPIRING 1 /* the only version with an expiry time */
#define READ_ARENA_BYTES      ((size_t)1 << 20)

/* ---- writing ------------------------------------------------------------- */

static struct wr_coord_part no_value(void)
{
    return (struct wr_coord_part){NULL, 0, NULL};
}

static void add_group(struct wr_coord_log *log, struct weir_bytes group_id,
                      const struct wr_coord_part *value, int64_t wall_ms)
{
    struct wr_group_metadata_key key = {.group = group_id};
    struct wr_coord_part key_part = {&wr_group_metadata_key_message,
                                     GROUP_KEY_VERSION, &key};
    wr_coord_batch_add(log, wall_ms, &key_part, value);
}

void wr_group_record_add_tombstone(struct wr_coord_log *log,
                                   struct weir_bytes group_id, int64_t wall_ms)
{
    struct wr_coord_part value = no_value();
    add_group(log, group_id, &value, wall_ms);
}

enum weir_status wr_group_record_add(struct wr_coord_log *log,
                                     const struct wr_group *group,
                                     int64_t wall_ms)
{
    struct wr_group_metadata_value_member *members =
        calloc(group->member_count + 1, sizeof(*members));
    if (!members) {
        return WEIR_E_NOMEM;
    }
    int32_t count = 0;
    for (const struct wr_group_member *m = group->members; m; m = m->next) {
        members[count++] = (struct wr_group_metadata_value_member){
            .member_id = m->id,
            .group_instance_id = m->instance_id,
            .client_id = m->client_id,
            .client_host = m->client_host,
            .rebalance_timeout = m->rebalance_timeout_ms,
            .session_timeout = m->session_timeout_ms,
            .subscription = wr_group_metadata(group, m),
            .assignment = m->assignment,
        };
    }
    struct wr_group_metadata_value value = {
        .protocol_type =
            group->protocol_type.data ? group->protocol_type : weir_text(""),
        .generation = group->generation,
        .protocol = group->protocol_name,
        .leader = group->leader,
        .current_state_timestamp = wall_ms,
        .members = members,
        .members_count = count,
    };
    struct wr_coord_part part = {&wr_group_metadata_value_message,
                                 VALUE_VERSION, &value};
    add_group(log, group->id, &part, wall_ms);
    free(members);
    return WEIR_OK;
}

void wr_offset_record_add(struct wr_coord_log *log, struct weir_bytes group_id,
                          const struct wr_offset *position, bool tombstone,
                          int64_t wall_ms)
{
    struct wr_offset_commit_key key = {.group = group_id,
                                       .topic = position->topic,
                                       .partition = position->partition};
    struct wr_offset_commit_value value = {
        .offset = position->offset,
        .leader_epoch = position->leader_epoch,
        .metadata =
            position->metadata.data ? position->metadata : weir_text(""),
        .commit_timestamp = position->commit_ms,
        .expire_timestamp = position->expire_ms,
    };
    struct wr_coord_part key_part = {&wr_offset_commit_key_message,
                                     OFFSET_KEY_VERSION, &key};
    struct wr_coord_part value_part = {
        &wr_offset_commit_value_message,
        position->expire_ms >= 0 ? OFFSET_VALUE_EXPIRING : VALUE_VERSION,
        &value};
    struct wr_coord_part nothing = no_value();
    wr_coord_batch_add(log, wall_ms, &key_part,
                       tombstone ? &nothing : &value_part);
}

/* ---- reading ------------------------------------------------------------- */

static enum weir_status read_offset(const struct wr_record *record,
                                    struct wr_arena *arena,
                                    struct wr_group_record *out)
{
    struct wr_offset_commit_key key;
    enum weir_status status = wr_coord_part_read(
        record->key, &wr_offset_commit_key_message, &key, arena);
    if (status != WEIR_OK) {
        return status;
    }
    out->kind = WR_GROUP_RECORD_OFFSET;
    out->group_id = key.group;
    out->position = (struct wr_offset){.topic = key.topic,
                                       .partition = key.partition,
                                       .log_offset = record->offset};
    if (out->tombstone) {
        return WEIR_OK;
    }
    struct wr_offset_commit_value value;
    status = wr_coord_part_read(record->value, &wr_offset_commit_value_message,
                                &value, arena);
    if (status == WEIR_OK) {
        out->position.offset = value.offset;
        out->position.leader_epoch = value.leader_epoch;
        out->position.metadata = value.metadata;
        out->position.commit_ms = value.commit_timestamp;
        out->position.expire_ms = value.expire_timestamp;
    }
    return status;
}

static enum weir_status read_group(const struct wr_record *record,
                                   struct wr_arena *arena,
                                   struct wr_group_record *out)
{
    struct wr_group_metadata_key key;
    enum weir_status status = wr_coord_part_read(
        record->key, &wr_group_metadata_key_message, &key, arena);
    if (status != WEIR_OK) {
        return status;
    }
    out->kind = WR_GROUP_RECORD_GROUP;
    out->group_id = key.group;
    if (out->tombstone) {
        return WEIR_OK;
    }
    out->group = wr_arena_calloc(arena, 1, sizeof(*out->group));
    if (!out->group) {
        return WEIR_E_NOMEM;
    }
    return wr_coord_part_read(record->value, &wr_group_metadata_value_message,
                              out->group, arena);
}

enum weir_status wr_group_record_read(const struct wr_record *record,
                                      struct wr_arena *arena,
                                      struct wr_group_record *out)
{
    *out = (struct wr_group_record){.tombstone = !record->value.data};
    if (record->key.len < 2) {
        return WEIR_E_CORRUPT;
    }
    switch (wr_load_i16(record->key.data)) {
    case 0:
    case 1:
        return read_offset(record, arena, out);
    case GROUP_KEY_VERSION:
        return read_group(record, arena, out);
    default:
        out->kind = WR_GROUP_RECORD_OTHER;
        return WEIR_OK;
    }
}

enum weir_status
wr_group_record_apply(struct wr_group *group,
                      const struct wr_group_metadata_value *value)
{
    wr_group_members_clear(group);
    group->generation = value->generation;
    enum weir_status status =
        wr_owned_set(&group->protocol_type, value->protocol_type);
    if (status == WEIR_OK) {
        status = wr_owned_set(&group->protocol_name, value->protocol);
    }
    for (int32_t i = 0; status == WEIR_OK && i < value->members_count; i++) {
        const struct wr_group_metadata_value_member *m = &value->members[i];
        struct wr_group_protocol protocol = {
            value->protocol.data ? value->protocol : weir_text(""),
            m->subscription};
        struct wr_group_member from = {
            .id = m->member_id,
            .instance_id = m->group_instance_id,
            .client_id = m->client_id,
            .client_host = m->client_host,
            .protocols = &protocol,
            .protocol_count = 1,
            .assignment = m->assignment,
            .session_timeout_ms = m->session_timeout,
            .rebalance_timeout_ms = m->rebalance_timeout < 0
                                        ? m->session_timeout
                                        : m->rebalance_timeout,
        };
        status = wr_group_member_add(group, &from, NULL);
    }
    if (status == WEIR_OK) {
        /* after the members: clearing them took the leader away */
        status = wr_owned_set(&group->leader, value->leader);
    }
    group->state = group->members ? WR_GROUP_STABLE : WR_GROUP_EMPTY;
    return status;
}

/* ---- subscriptions ------------------------------------------------------- */

static bool subscription_has(struct weir_bytes metadata,
                             struct weir_bytes topic, struct wr_arena *arena)
{
    struct wr_consumer_protocol_subscription subscription;
    struct wr_reader reader;
    wr_reader_init(&reader, metadata);
    int16_t version = wr_read_i16(&reader);
    if (version > wr_consumer_protocol_subscription_message.version_max) {
        version = wr_consumer_protocol_subscription_message.version_max;
    }
    if (reader.status != WEIR_OK || version < 0 ||
        wr_message_decode(&wr_consumer_protocol_subscription_message,
                          &subscription, &reader, version, arena) != WEIR_OK) {
        return true; /* cannot be read: better to believe that it is in use */
    }
    for (int32_t i = 0; i < subscription.topics_count; i++) {
        if (wr_bytes_equal(subscription.topics[i], topic)) {
            return true;
        }
    }
    return false;
}

bool wr_group_subscribes(const struct wr_group *group, struct weir_bytes topic)
{
    if (!wr_bytes_equal_text(group->protocol_type, "consumer")) {
        return false;
    }
    struct wr_arena arena;
    wr_arena_init(&arena, READ_ARENA_BYTES);
    bool found = false;
    for (const struct wr_group_member *m = group->members; m && !found;
         m = m->next) {
        struct weir_bytes metadata = group->protocol_name.data
                                         ? wr_group_metadata(group, m)
                                         : m->protocols[0].metadata;
        found = subscription_has(metadata, topic, &arena);
        wr_arena_reset(&arena);
    }
    wr_arena_done(&arena);
    return found;
}
