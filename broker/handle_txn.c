/* SPDX-License-Identifier: Apache-2.0
 *
 * The producer's part of transactions: InitProducerId, AddPartitionsToTxn,
 * AddOffsetsToTxn, TxnOffsetCommit and EndTxn. Partitions join a transaction
 * without waiting for the disk (txns.c says why); a new producer epoch, offsets
 * and the end of a transaction wait.
 *
 * The machine answers PRODUCER_FENCED; requests from before that code existed
 * get INVALID_PRODUCER_EPOCH. */
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/durable.h"
#include "broker/errors.h"
#include "broker/groups.h"
#include "broker/topics.h"
#include "broker/txns.h"

/* The error as the request's version knows it. */
static int16_t error_for(const struct wr_request *request, int16_t fenced_since,
                         int16_t error)
{
    return error == WR_ERR_PRODUCER_FENCED && request->version < fenced_since
               ? (int16_t)WR_ERR_INVALID_PRODUCER_EPOCH
               : error;
}

/* ---- init producer id ---------------------------------------------------- */

static void init_failed(struct wr_request *request, void *response)
{
    (void)request;
    struct wr_init_producer_id_response *init = response;
    init->error_code = WR_ERR_COORDINATOR_NOT_AVAILABLE;
    init->producer_id = -1;
    init->producer_epoch = -1;
}

static int16_t check_init(const struct wr_request *request)
{
    const struct wr_init_producer_id_request *body = request->body;
    bool named = body->producer_id >= 0;
    if (body->transactional_id.len == 0 ||
        named != (body->producer_epoch >= 0)) {
        return WR_ERR_INVALID_REQUEST;
    }
    int64_t max_ms =
        wr_options_int(request->broker->options, "transaction.max.timeout.ms");
    return body->transaction_timeout_ms <= 0 ||
                   body->transaction_timeout_ms > max_ms
               ? WR_ERR_INVALID_TRANSACTION_TIMEOUT
               : WR_ERR_NONE;
}

static void init_transactional(struct wr_request *request,
                               struct wr_init_producer_id_response *response)
{
    const struct wr_init_producer_id_request *body = request->body;
    struct wr_txns *txns = request->broker->txns;
    struct wr_txn *txn = NULL;
    response->error_code = check_init(request);
    if (response->error_code != WR_ERR_NONE) {
        return;
    }
    if (wr_txns_make(txns, body->transactional_id, &txn) != WEIR_OK) {
        response->error_code = WR_ERR_COORDINATOR_NOT_AVAILABLE;
        return;
    }
    struct wr_txn_init init = {body->transaction_timeout_ms, body->producer_id,
                               body->producer_epoch};
    int16_t error = wr_txn_init_producer(
        txn, &init, wr_loop_wall_ms(request->broker->loop));
    response->error_code = error_for(request, 4, error);
    if (error == WR_ERR_NONE) {
        response->producer_id = txn->producer_id;
        response->producer_epoch = txn->epoch;
    }
    wr_txns_stepped(txns, txn);
}

void wr_handle_init_producer_id(struct wr_request *request)
{
    const struct wr_init_producer_id_request *body = request->body;
    struct wr_init_producer_id_response *response =
        wr_request_take(request, 1, sizeof(*response));
    if (!response) {
        return;
    }
    wr_init_producer_id_response_init(response);
    response->producer_epoch = -1;
    if (body->transactional_id.data) {
        init_transactional(request, response);
        wr_request_reply_durable(request, response, init_failed);
        return;
    }
    int64_t fresh = wr_txns_fresh_producer_id(request->broker->txns);
    if (fresh < 0) {
        response->error_code = WR_ERR_COORDINATOR_NOT_AVAILABLE;
    } else {
        response->producer_id = fresh;
        response->producer_epoch = 0;
    }
    wr_request_reply(request, response);
}

/* ---- add partitions ------------------------------------------------------ */

static bool all_exist(const struct wr_request *request)
{
    const struct wr_add_partitions_to_txn_request *body = request->body;
    for (int32_t t = 0; t < body->topics_count; t++) {
        const struct wr_add_partitions_to_txn_request_topic *topic =
            &body->topics[t];
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            if (!wr_topics_log(request->broker->topics, topic->name,
                               topic->partitions[p])) {
                return false;
            }
        }
    }
    return true;
}

static size_t
count_partitions(const struct wr_add_partitions_to_txn_request *body)
{
    size_t count = 0;
    for (int32_t t = 0; t < body->topics_count; t++) {
        count += (size_t)body->topics[t].partitions_count;
    }
    return count;
}

static int16_t add_partitions(struct wr_request *request,
                              struct wr_txn_partition *partitions)
{
    const struct wr_add_partitions_to_txn_request *body = request->body;
    struct wr_txns *txns = request->broker->txns;
    size_t count = 0;
    for (int32_t t = 0; t < body->topics_count; t++) {
        const struct wr_add_partitions_to_txn_request_topic *topic =
            &body->topics[t];
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            partitions[count++] =
                (struct wr_txn_partition){topic->name, topic->partitions[p]};
        }
    }
    struct wr_txn *txn = wr_txns_find(txns, body->transactional_id);
    if (!txn) {
        return WR_ERR_INVALID_PRODUCER_ID_MAPPING;
    }
    struct wr_txn_caller caller = {body->producer_id, body->producer_epoch};
    int16_t error = wr_txn_add(txn, &caller, partitions, count,
                               wr_loop_wall_ms(request->broker->loop));
    wr_txns_stepped(txns, txn);
    return error_for(request, 2, error);
}

/* One bad partition spoils the request: it is named, the others are told that
 * nothing was tried. */
static int16_t partition_error(const struct wr_request *request,
                               struct weir_bytes topic, int32_t partition,
                               bool spoiled, int16_t error)
{
    if (!spoiled) {
        return error;
    }
    return wr_topics_log(request->broker->topics, topic, partition)
               ? WR_ERR_OPERATION_NOT_ATTEMPTED
               : WR_ERR_UNKNOWN_TOPIC_OR_PARTITION;
}

void wr_handle_add_partitions_to_txn(struct wr_request *request)
{
    const struct wr_add_partitions_to_txn_request *body = request->body;
    struct wr_add_partitions_to_txn_response response;
    wr_add_partitions_to_txn_response_init(&response);
    struct wr_txn_partition *partitions =
        wr_request_take(request, count_partitions(body), sizeof(*partitions));
    if (!partitions) {
        return;
    }
    if (!WR_REQUEST_TAKE_TOPICS(request, body, &response)) {
        return;
    }
    bool spoiled = !all_exist(request);
    int16_t error =
        spoiled ? (int16_t)WR_ERR_NONE : add_partitions(request, partitions);
    for (int32_t t = 0; t < body->topics_count; t++) {
        const struct wr_add_partitions_to_txn_request_topic *from =
            &body->topics[t];
        struct wr_add_partitions_to_txn_response_topic *to =
            &response.topics[t];
        if (!WR_REQUEST_TAKE_PARTITIONS(request, from, to)) {
            return;
        }
        for (int32_t p = 0; p < from->partitions_count; p++) {
            to->partitions[p].index = from->partitions[p];
            to->partitions[p].error_code = partition_error(
                request, from->name, from->partitions[p], spoiled, error);
        }
    }
    wr_request_reply(request, &response);
}

/* ---- add offsets --------------------------------------------------------- */

void wr_handle_add_offsets_to_txn(struct wr_request *request)
{
    const struct wr_add_offsets_to_txn_request *body = request->body;
    struct wr_txns *txns = request->broker->txns;
    struct wr_add_offsets_to_txn_response response;
    wr_add_offsets_to_txn_response_init(&response);
    struct wr_txn *txn = wr_txns_find(txns, body->transactional_id);
    struct wr_txn_partition partition = {weir_text(WR_TOPIC_OFFSETS), -1};
    int16_t error = wr_groups_partition_of(
        request->broker->groups, body->group_id, &partition.partition);
    if (error == WR_ERR_NONE && !txn) {
        error = WR_ERR_INVALID_PRODUCER_ID_MAPPING;
    }
    if (error == WR_ERR_NONE) {
        struct wr_txn_caller caller = {body->producer_id, body->producer_epoch};
        error = wr_txn_add(txn, &caller, &partition, 1,
                           wr_loop_wall_ms(request->broker->loop));
        wr_txns_stepped(txns, txn);
    }
    response.error_code = error_for(request, 2, error);
    wr_request_reply(request, &response);
}

/* ---- offsets of a transaction -------------------------------------------- */

/* KIP-447: the member must be of the current generation; and the transaction
 * must have been told of the group. */
static int16_t check_offsets(struct wr_request *request,
                             struct wr_group_entry *entry)
{
    const struct wr_txn_offset_commit_request *body = request->body;
    struct wr_group_caller caller = {body->member_id, body->group_instance_id,
                                     body->generation_id};
    int16_t error =
        wr_group_check_commit(entry->group, &caller, /* transactional= */ true,
                              wr_loop_now_ms(request->broker->loop));
    if (error != WR_ERR_NONE) {
        return error;
    }
    struct wr_txn_writer writer = {.producer_id = body->producer_id,
                                   .epoch = body->producer_epoch,
                                   .topic = weir_text(WR_TOPIC_OFFSETS)};
    error = wr_groups_partition_of(request->broker->groups, body->group_id,
                                   &writer.partition);
    return error != WR_ERR_NONE
               ? error
               : wr_txns_check_write(request->broker->txns,
                                     body->transactional_id, &writer);
}

static int16_t offsets_group(struct wr_request *request,
                             struct wr_group_entry **out)
{
    const struct wr_txn_offset_commit_request *body = request->body;
    struct wr_groups *groups = request->broker->groups;
    *out = wr_groups_find(groups, body->group_id);
    if (!*out && body->generation_id >= 0) {
        return WR_ERR_ILLEGAL_GENERATION;
    }
    if (!*out && wr_groups_make(groups, body->group_id, out) != WEIR_OK) {
        return WR_ERR_COORDINATOR_NOT_AVAILABLE;
    }
    return check_offsets(request, *out);
}

static int16_t
check_position(const struct wr_request *request, struct weir_bytes topic,
               const struct wr_txn_offset_commit_request_partition *at)
{
    if (!wr_topics_log(request->broker->topics, topic, at->index)) {
        return WR_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return at->committed_metadata.len > WR_OFFSET_METADATA_MAX
               ? WR_ERR_OFFSET_METADATA_TOO_LARGE
               : WR_ERR_NONE;
}

static bool read_offsets(struct wr_request *request, int16_t group_error,
                         struct wr_txn_offset_commit_response *response,
                         struct wr_offset *positions, size_t *count)
{
    const struct wr_txn_offset_commit_request *body = request->body;
    for (int32_t t = 0; t < body->topics_count; t++) {
        const struct wr_txn_offset_commit_request_topic *from =
            &body->topics[t];
        struct wr_txn_offset_commit_response_topic *to = &response->topics[t];
        if (!WR_REQUEST_TAKE_PARTITIONS(request, from, to)) {
            return false;
        }
        for (int32_t p = 0; p < from->partitions_count; p++) {
            const struct wr_txn_offset_commit_request_partition *at =
                &from->partitions[p];
            int16_t error = group_error != WR_ERR_NONE
                                ? group_error
                                : check_position(request, from->name, at);
            to->partitions[p].index = at->index;
            to->partitions[p].error_code = error;
            if (error == WR_ERR_NONE) {
                positions[(*count)++] = (struct wr_offset){
                    .topic = from->name,
                    .partition = at->index,
                    .offset = at->committed_offset,
                    .leader_epoch = at->committed_leader_epoch,
                    .metadata = at->committed_metadata,
                    .commit_ms = wr_loop_wall_ms(request->broker->loop),
                    .expire_ms = -1};
            }
        }
    }
    return true;
}

static void set_offset_errors(struct wr_txn_offset_commit_response *response,
                              int16_t error)
{
    for (int32_t t = 0; t < response->topics_count; t++) {
        struct wr_txn_offset_commit_response_topic *topic =
            &response->topics[t];
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            if (topic->partitions[p].error_code == WR_ERR_NONE) {
                topic->partitions[p].error_code = error;
            }
        }
    }
}

static void offsets_failed(struct wr_request *request, void *response)
{
    (void)request;
    set_offset_errors(response, WR_ERR_COORDINATOR_NOT_AVAILABLE);
}

/* The answer waits for the disk: a broker that dies before it writes the
 * offsets down would, once it is back, commit the transaction without them. */
void wr_handle_txn_offset_commit(struct wr_request *request)
{
    const struct wr_txn_offset_commit_request *body = request->body;
    struct wr_groups *groups = request->broker->groups;
    struct wr_txn_offset_commit_response *response =
        wr_request_take(request, 1, sizeof(*response));
    if (!response) {
        return;
    }
    wr_txn_offset_commit_response_init(response);
    size_t total = 0;
    for (int32_t t = 0; t < body->topics_count; t++) {
        total += (size_t)body->topics[t].partitions_count;
    }
    struct wr_offset *positions =
        wr_request_take(request, total, sizeof(*positions));
    if (!positions) {
        return;
    }
    if (!WR_REQUEST_TAKE_TOPICS(request, body, response)) {
        return;
    }
    struct wr_group_entry *entry = NULL;
    int16_t error = offsets_group(request, &entry);
    size_t count = 0;
    if (read_offsets(request, error, response, positions, &count)) {
        if (count > 0) {
            struct wr_offset_commit commit = {
                positions, count, body->producer_id, body->producer_epoch};
            set_offset_errors(response,
                              wr_groups_commit(groups, entry, &commit));
            wr_request_reply_durable(request, response, offsets_failed);
        } else {
            wr_request_reply(request, response);
        }
    }
    if (entry) {
        wr_groups_stepped(groups, entry);
    }
}

/* ---- end ----------------------------------------------------------------- */

static void end_failed(struct wr_request *request, void *response)
{
    (void)request;
    struct wr_end_txn_response *end = response;
    end->error_code = WR_ERR_COORDINATOR_NOT_AVAILABLE;
}

void wr_handle_end_txn(struct wr_request *request)
{
    const struct wr_end_txn_request *body = request->body;
    struct wr_txns *txns = request->broker->txns;
    struct wr_end_txn_response *response =
        wr_request_take(request, 1, sizeof(*response));
    if (!response) {
        return;
    }
    wr_end_txn_response_init(response);
    struct wr_txn *txn = wr_txns_find(txns, body->transactional_id);
    if (!txn) {
        response->error_code = WR_ERR_INVALID_PRODUCER_ID_MAPPING;
        wr_request_reply(request, response);
        return;
    }
    struct wr_txn_caller caller = {body->producer_id, body->producer_epoch};
    int16_t error = wr_txn_end(txn, &caller, body->committed,
                               wr_loop_wall_ms(request->broker->loop));
    wr_txns_stepped(txns, txn);
    response->error_code = error_for(request, 2, error);
    if (error == WR_ERR_NONE) {
        wr_request_reply_durable(request, response, end_failed);
    } else {
        wr_request_reply(request, response);
    }
}
