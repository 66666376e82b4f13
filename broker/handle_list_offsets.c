/* SPDX-License-Identifier: Apache-2.0
 *
 * ListOffsets: the offset that belongs to a time, or to one of the names that
 * stand in its place: -1 latest, -2 earliest, -3 largest timestamp, -4 earliest
 * on this machine, -5 and -6 about tiered storage, which there is not. */
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/durable.h"
#include "broker/errors.h"
#include "broker/leader_epoch.h"
#include "broker/topics.h"

enum special_time {
    TIME_LATEST = -1,
    TIME_EARLIEST = -2,
    TIME_MAX = -3,
    TIME_EARLIEST_LOCAL = -4,
    TIME_LATEST_TIERED = -5,
    TIME_EARLIEST_PENDING = -6
};

static int16_t find_offset(struct wr_log *log, int64_t timestamp,
                           enum wr_isolation isolation, struct wr_log_time *out)
{
    *out = (struct wr_log_time){-1, -1, -1};
    switch (timestamp) {
    case TIME_LATEST:
        out->offset = isolation == WR_READ_COMMITTED
                          ? wr_log_last_stable_offset(log)
                          : wr_log_high_watermark(log);
        out->leader_epoch = wr_log_leader_epoch(log);
        return WR_ERR_NONE;
    case TIME_EARLIEST:
    case TIME_EARLIEST_LOCAL:
        out->offset = wr_log_start_offset(log);
        out->leader_epoch = wr_log_leader_epoch(log);
        return WR_ERR_NONE;
    case TIME_LATEST_TIERED:
    case TIME_EARLIEST_PENDING:
        return WR_ERR_NONE;
    case TIME_MAX:
        return (int16_t)wr_log_find_max_time(log, out, NULL);
    default:
        break;
    }
    return timestamp < 0 ? (int16_t)WR_ERR_UNSUPPORTED_VERSION
                         : (int16_t)wr_log_find_time(log, timestamp, isolation,
                                                     out, NULL);
}

/* Version 0 has a list of offsets where later ones have one. */
static bool old_style(struct wr_request *request,
                      struct wr_list_offsets_response_partition *to)
{
    if (request->version > 0 || to->error_code != WR_ERR_NONE ||
        to->offset < 0) {
        return true;
    }
    to->old_style_offsets = wr_request_take(request, 1, sizeof(int64_t));
    if (!to->old_style_offsets) {
        return false;
    }
    to->old_style_offsets[0] = to->offset;
    to->old_style_offsets_count = 1;
    return true;
}

static bool list_one(struct wr_request *request, struct weir_bytes topic,
                     const struct wr_list_offsets_request_partition *from,
                     struct wr_list_offsets_response_partition *to)
{
    const struct wr_list_offsets_request *body = request->body;
    *to = (struct wr_list_offsets_response_partition){.index = from->index,
                                                      .timestamp = -1,
                                                      .offset = -1,
                                                      .leader_epoch = -1};
    struct wr_log *log =
        wr_topics_log(request->broker->topics, topic, from->index);
    if (!log) {
        to->error_code = WR_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        return true;
    }
    to->error_code = wr_check_leader_epoch(log, from->current_leader_epoch);
    if (to->error_code != WR_ERR_NONE) {
        return true;
    }
    /* Its numbers are not known to be right. As for Fetch: a storage error a
     * client would try again, for ever and in silence; damage it must tell. */
    if (wr_log_offline(log)) {
        to->error_code = WR_ERR_CORRUPT_MESSAGE;
        return true;
    }
    struct wr_log_time found;
    to->error_code = find_offset(
        log, from->timestamp,
        body->isolation_level == 1 ? WR_READ_COMMITTED : WR_READ_UNCOMMITTED,
        &found);
    if (to->error_code == WR_ERR_NONE) {
        to->offset = found.offset;
        to->timestamp = found.timestamp_ms;
        to->leader_epoch = found.leader_epoch;
    }
    return old_style(request, to);
}

void wr_handle_list_offsets(struct wr_request *request)
{
    const struct wr_list_offsets_request *body = request->body;
    struct wr_list_offsets_response response;
    wr_list_offsets_response_init(&response);
    if (!WR_REQUEST_TAKE_TOPICS(request, body, &response)) {
        return;
    }
    for (int32_t t = 0; t < body->topics_count; t++) {
        const struct wr_list_offsets_request_topic *from = &body->topics[t];
        struct wr_list_offsets_response_topic *to = &response.topics[t];
        if (!WR_REQUEST_TAKE_PARTITIONS(request, from, to)) {
            return;
        }
        for (int32_t p = 0; p < from->partitions_count; p++) {
            if (!list_one(request, from->name, &from->partitions[p],
                          &to->partitions[p])) {
                return;
            }
        }
    }
    wr_request_reply(request, &response);
}
