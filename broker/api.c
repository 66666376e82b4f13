/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of what is served, and the way from a frame's bytes to a decoded
 * request. The lowest versions are listed even where Kafka dropped them,
 * because librdkafka switches features off when it does not see them; a handler
 * answers those it cannot serve with UNSUPPORTED_VERSION in the fields for
 * errors.
 *
 * A request's header: i16 API key, i16 version, i32 correlation id, client id
 * as a nullable string with an i16 length in all versions, and tagged fields
 * when the request's version is flexible. */
#include "broker/api.h"

#define ROW(key, low, high, handler)                                           \
    {                                                                          \
        WR_API_##key, low, high, false, handler, NULL                          \
    }
#define ROW_ALONE(key, low, high, handler)                                     \
    {                                                                          \
        WR_API_##key, low, high, true, handler, NULL                           \
    }

static struct wr_api apis[] = {
    ROW(PRODUCE, 0, 13, wr_handle_produce),
    ROW_ALONE(FETCH, 0, 17, wr_handle_fetch),
    ROW(LIST_OFFSETS, 0, 10, wr_handle_list_offsets),
    ROW(METADATA, 0, 13, wr_handle_metadata),
    ROW(OFFSET_COMMIT, 0, 9, wr_handle_offset_commit),
    ROW(OFFSET_FETCH, 0, 9, wr_handle_offset_fetch),
    ROW(FIND_COORDINATOR, 0, 6, wr_handle_find_coordinator),
    ROW(JOIN_GROUP, 0, 9, wr_handle_join_group),
    ROW(HEARTBEAT, 0, 4, wr_handle_heartbeat),
    ROW(LEAVE_GROUP, 0, 5, wr_handle_leave_group),
    ROW(SYNC_GROUP, 0, 5, wr_handle_sync_group),
    ROW(DESCRIBE_GROUPS, 0, 6, wr_handle_describe_groups),
    ROW(LIST_GROUPS, 0, 5, wr_handle_list_groups),
    ROW(API_VERSIONS, 0, 4, wr_handle_api_versions),
    ROW(CREATE_TOPICS, 0, 7, wr_handle_create_topics),
    ROW(DELETE_TOPICS, 0, 6, wr_handle_delete_topics),
    ROW(DELETE_RECORDS, 0, 2, wr_handle_delete_records),
    ROW(INIT_PRODUCER_ID, 0, 5, wr_handle_init_producer_id),
    ROW(OFFSET_FOR_LEADER_EPOCH, 0, 4, wr_handle_offset_for_leader_epoch),
    ROW(ADD_PARTITIONS_TO_TXN, 0, 3, wr_handle_add_partitions_to_txn),
    ROW(ADD_OFFSETS_TO_TXN, 0, 4, wr_handle_add_offsets_to_txn),
    ROW(END_TXN, 0, 4, wr_handle_end_txn),
    ROW(WRITE_TXN_MARKERS, 0, 1, wr_handle_write_txn_markers),
    ROW(TXN_OFFSET_COMMIT, 0, 4, wr_handle_txn_offset_commit),
    ROW(DESCRIBE_CONFIGS, 0, 4, wr_handle_describe_configs),
    ROW(ALTER_CONFIGS, 0, 2, wr_handle_alter_configs),
    ROW(DESCRIBE_LOG_DIRS, 0, 4, wr_handle_describe_log_dirs),
    ROW(CREATE_PARTITIONS, 0, 3, wr_handle_create_partitions),
    ROW(DELETE_GROUPS, 0, 2, wr_handle_delete_groups),
    ROW(INCREMENTAL_ALTER_CONFIGS, 0, 1, wr_handle_incremental_alter_configs),
    ROW(OFFSET_DELETE, 0, 0, wr_handle_offset_delete),
    ROW(DESCRIBE_CLUSTER, 0, 2, wr_handle_describe_cluster),
    ROW(DESCRIBE_PRODUCERS, 0, 0, wr_handle_describe_producers),
    ROW(DESCRIBE_TRANSACTIONS, 0, 0, wr_handle_describe_transactions),
    ROW(LIST_TRANSACTIONS, 0, 1, wr_handle_list_transactions),
    ROW(CONSUMER_GROUP_HEARTBEAT, 0, 1, wr_handle_consumer_group_heartbeat),
    ROW(DESCRIBE_TOPIC_PARTITIONS, 0, 0, wr_handle_describe_topic_partitions),
};

#define API_ROWS (sizeof(apis) / sizeof(apis[0]))

const struct wr_api *wr_apis(size_t *out_count)
{
    if (out_count) {
        *out_count = API_ROWS;
    }
    return apis;
}

void wr_api_init(void)
{
    for (size_t i = 0; i < API_ROWS; i++) {
        apis[i].messages = wr_api_messages_find(apis[i].key);
    }
}

const struct wr_api *wr_api_find(int16_t key)
{
    for (size_t i = 0; i < API_ROWS; i++) {
        if (apis[i].key == key) {
            return &apis[i];
        }
    }
    return NULL;
}

static void skip_tags(struct wr_reader *r)
{
    uint64_t count = wr_read_uvarint(r);
    for (uint64_t i = 0; i < count && r->status == WEIR_OK; i++) {
        (void)wr_read_uvarint(r);
        uint64_t size = wr_read_uvarint(r);
        if (size > wr_reader_left(r)) {
            wr_reader_fail(r, WEIR_E_TRUNCATED);
            return;
        }
        wr_read_skip(r, (size_t)size);
    }
}

static void read_client_id(struct wr_reader *r, struct weir_bytes *out)
{
    int16_t n = wr_read_i16(r);
    *out = n < 0 ? WEIR_NULL : wr_read_bytes(r, (size_t)n);
    if (n < -1) {
        wr_reader_fail(r, WEIR_E_CORRUPT);
    }
}

enum weir_status wr_api_decode(struct wr_request *request)
{
    struct wr_reader r;
    wr_reader_init(&r, weir_bytes(request->frame + 4, request->frame_len));
    int16_t key = wr_read_i16(&r);
    request->version = wr_read_i16(&r);
    request->correlation_id = wr_read_i32(&r);
    read_client_id(&r, &request->client_id);
    if (r.status != WEIR_OK) {
        return r.status;
    }
    request->api = wr_api_find(key);
    if (!request->api) {
        return WEIR_E_INVALID;
    }
    const struct wr_message *message = request->api->messages->request;
    request->body = wr_arena_alloc(&request->arena, message->layout->size);
    if (!request->body) {
        return WEIR_E_NOMEM;
    }
    if (request->version < request->api->version_min ||
        request->version > request->api->version_max) {
        /* Asking which versions there are must not need to know them. */
        request->unknown_version = true;
        request->version = 0;
        wr_message_init(message, request->body);
        return key == WR_API_API_VERSIONS ? WEIR_OK : WEIR_E_INVALID;
    }
    if (wr_message_is_flexible(message, request->version)) {
        skip_tags(&r);
    }
    return wr_message_decode(message, request->body, &r, request->version,
                             &request->arena);
}
