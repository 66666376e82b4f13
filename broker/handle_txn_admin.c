/* SPDX-License-Identifier: Apache-2.0
 *
 * Transactions from outside: ListTransactions, DescribeTransactions, and
 * WriteTxnMarkers, by which an administrator ends one that hangs. */
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/durable.h"
#include "broker/errors.h"
#include "broker/txns.h"

/* ---- describe ------------------------------------------------------------ */

static bool describe_partitions(
    struct wr_request *request, const struct wr_txn *txn,
    struct wr_describe_transactions_response_transaction_state *out)
{
    size_t count = txn->partition_count;
    int32_t *indexes = wr_request_take(request, count, sizeof(*indexes));
    if (!indexes) {
        return false;
    }
    out->topics = wr_request_take(request, count, sizeof(*out->topics));
    if (!out->topics) {
        return false;
    }
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        struct weir_bytes name = txn->partitions[i].topic;
        bool before = false;
        for (size_t k = 0; k < i && !before; k++) {
            before = wr_bytes_equal(txn->partitions[k].topic, name);
        }
        if (before) {
            continue;
        }
        struct wr_describe_transactions_response_topic *topic =
            &out->topics[out->topics_count++];
        topic->name = name;
        topic->partitions = &indexes[used];
        for (size_t k = i; k < count; k++) {
            if (wr_bytes_equal(txn->partitions[k].topic, name)) {
                indexes[used++] = txn->partitions[k].partition;
                topic->partitions_count++;
            }
        }
    }
    return true;
}

static bool
describe_one(struct wr_request *request, struct weir_bytes id,
             struct wr_describe_transactions_response_transaction_state *out)
{
    const struct wr_txn *txn = wr_txns_find(request->broker->txns, id);
    out->transactional_id = id;
    out->transaction_state = weir_text("");
    if (!txn) {
        out->error_code = id.len == 0 ? WR_ERR_INVALID_REQUEST
                                      : WR_ERR_TRANSACTIONAL_ID_NOT_FOUND;
        return true;
    }
    out->transaction_state = weir_text(wr_txn_state_name(txn->state));
    out->transaction_timeout_ms = txn->timeout_ms;
    out->transaction_start_time_ms = txn->start_ms;
    out->producer_id = txn->producer_id;
    out->producer_epoch = txn->epoch;
    return describe_partitions(request, txn, out);
}

void wr_handle_describe_transactions(struct wr_request *request)
{
    const struct wr_describe_transactions_request *body = request->body;
    struct wr_describe_transactions_response response;
    wr_describe_transactions_response_init(&response);
    response.transaction_states =
        wr_request_take(request, (size_t)body->transactional_ids_count,
                        sizeof(*response.transaction_states));
    if (!response.transaction_states) {
        return;
    }
    for (int32_t i = 0; i < body->transactional_ids_count; i++) {
        if (!describe_one(request, body->transactional_ids[i],
                          &response.transaction_states[i])) {
            return;
        }
    }
    response.transaction_states_count = body->transactional_ids_count;
    wr_request_reply(request, &response);
}

/* ---- list ---------------------------------------------------------------- */

static bool is_state(struct weir_bytes name)
{
    for (int s = WR_TXN_EMPTY; s <= WR_TXN_DEAD; s++) {
        if (wr_bytes_equal_text(name,
                                wr_txn_state_name((enum wr_txn_state)s))) {
            return true;
        }
    }
    return false;
}

static bool is_listed(const struct wr_list_transactions_request *body,
                      const struct wr_txn *txn, int64_t wall_ms)
{
    bool state = body->state_filters_count <= 0;
    for (int32_t i = 0; i < body->state_filters_count && !state; i++) {
        state = wr_bytes_equal_text(body->state_filters[i],
                                    wr_txn_state_name(txn->state));
    }
    bool producer = body->producer_id_filters_count <= 0;
    for (int32_t i = 0; i < body->producer_id_filters_count && !producer; i++) {
        producer = body->producer_id_filters[i] == txn->producer_id;
    }
    bool old = body->duration_filter < 0 ||
               (txn->state == WR_TXN_ONGOING &&
                wall_ms - txn->start_ms > body->duration_filter);
    return state && producer && old;
}

void wr_handle_list_transactions(struct wr_request *request)
{
    const struct wr_list_transactions_request *body = request->body;
    const struct wr_txns *txns = request->broker->txns;
    struct wr_list_transactions_response response;
    wr_list_transactions_response_init(&response);
    size_t count = 0;
    size_t cursor = 0;
    struct wr_txn *txn;
    while (wr_txns_next(txns, &cursor, &txn)) {
        count++;
    }
    response.transaction_states =
        wr_request_take(request, count, sizeof(*response.transaction_states));
    if (!response.transaction_states) {
        return;
    }
    response.unknown_state_filters =
        wr_request_take(request, (size_t)body->state_filters_count,
                        sizeof(*response.unknown_state_filters));
    if (!response.unknown_state_filters) {
        return;
    }
    for (int32_t i = 0; i < body->state_filters_count; i++) {
        if (!is_state(body->state_filters[i])) {
            response
                .unknown_state_filters[response.unknown_state_filters_count++] =
                body->state_filters[i];
        }
    }
    cursor = 0;
    while (wr_txns_next(txns, &cursor, &txn)) {
        if (is_listed(body, txn, wr_loop_wall_ms(request->broker->loop))) {
            response.transaction_states[response.transaction_states_count++] =
                (struct wr_list_transactions_response_transaction_state){
                    txn->id, txn->producer_id,
                    weir_text(wr_txn_state_name(txn->state))};
        }
    }
    wr_request_reply(request, &response);
}

/* ---- write markers ------------------------------------------------------- */

static void markers_failed(struct wr_request *request, void *body)
{
    (void)request;
    struct wr_write_txn_markers_response *response = body;
    for (int32_t m = 0; m < response->markers_count; m++) {
        for (int32_t t = 0; t < response->markers[m].topics_count; t++) {
            struct wr_write_txn_markers_response_topic *topic =
                &response->markers[m].topics[t];
            for (int32_t p = 0; p < topic->partitions_count; p++) {
                topic->partitions[p].error_code = WR_ERR_KAFKA_STORAGE_ERROR;
            }
        }
    }
}

static bool write_marker(struct wr_request *request,
                         const struct wr_write_txn_markers_request_marker *from,
                         struct wr_write_txn_markers_response_marker *to)
{
    struct wr_marker marker = {
        .producer_id = from->producer_id,
        .producer_epoch = from->producer_epoch,
        .commit = from->transaction_result,
        .coordinator_epoch =
            from->coordinator_epoch < 0 ? 0 : from->coordinator_epoch,
        .timestamp_ms = wr_loop_wall_ms(request->broker->loop)};
    to->producer_id = from->producer_id;
    to->topics_count = from->topics_count;
    to->topics = wr_request_take(request, (size_t)from->topics_count,
                                 sizeof(*to->topics));
    if (!to->topics) {
        return false;
    }
    for (int32_t t = 0; t < from->topics_count; t++) {
        const struct wr_write_txn_markers_request_topic *topic =
            &from->topics[t];
        to->topics[t].name = topic->name;
        to->topics[t].partitions_count = topic->partitions_count;
        to->topics[t].partitions =
            wr_request_take(request, (size_t)topic->partitions_count,
                            sizeof(*to->topics[t].partitions));
        if (!to->topics[t].partitions) {
            return false;
        }
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            to->topics[t].partitions[p].index = topic->partitions[p];
            to->topics[t].partitions[p].error_code =
                wr_txns_append_marker(request->broker->txns, topic->name,
                                      topic->partitions[p], &marker);
        }
    }
    return true;
}

void wr_handle_write_txn_markers(struct wr_request *request)
{
    const struct wr_write_txn_markers_request *body = request->body;
    struct wr_write_txn_markers_response *response =
        wr_request_take(request, 1, sizeof(*response));
    if (!response) {
        return;
    }
    wr_write_txn_markers_response_init(response);
    response->markers = wr_request_take(request, (size_t)body->markers_count,
                                        sizeof(*response->markers));
    if (!response->markers) {
        return;
    }
    for (int32_t m = 0; m < body->markers_count; m++) {
        if (!write_marker(request, &body->markers[m], &response->markers[m])) {
            return;
        }
    }
    response->markers_count = body->markers_count;
    wr_request_reply_durable(request, response, markers_failed);
}
