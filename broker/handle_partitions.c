/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions and orders about single partitions that are not reading or writing:
 * DeleteRecords, OffsetForLeaderEpoch, DescribeLogDirs, DescribeProducers.
 * Thread: broker loop. */
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/durable.h"
#include "broker/errors.h"
#include "broker/topics.h"

#include <sys/statvfs.h>

/* ---- DeleteRecords ------------------------------------------------------- */

static void delete_records(struct wr_request *request, struct weir_bytes topic,
                           const struct wr_delete_records_request_partition *p,
                           struct wr_delete_records_response_partition *out)
{
    struct wr_log *log =
        wr_topics_log(request->broker->topics, topic, p->index);
    out->index = p->index;
    out->low_watermark = -1;
    out->error_code = log ? (int16_t)wr_log_delete_records(
                                log, p->offset, &out->low_watermark, NULL)
                          : (int16_t)WR_ERR_UNKNOWN_TOPIC_OR_PARTITION;
}

void wr_handle_delete_records(struct wr_request *request)
{
    const struct wr_delete_records_request *body = request->body;
    struct wr_delete_records_response response;
    wr_delete_records_response_init(&response);
    if (!WR_REQUEST_TAKE_TOPICS(request, body, &response)) {
        return;
    }
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct wr_delete_records_request_topic *in = &body->topics[i];
        struct wr_delete_records_response_topic *out = &response.topics[i];
        if (!WR_REQUEST_TAKE_PARTITIONS(request, in, out)) {
            return;
        }
        for (int32_t k = 0; k < in->partitions_count; k++) {
            delete_records(request, in->name, &in->partitions[k],
                           &out->partitions[k]);
        }
    }
    wr_request_reply(request, &response);
}

/* ---- OffsetForLeaderEpoch ------------------------------------------------ */

static void
epoch_end(struct wr_request *request, struct weir_bytes topic,
          const struct wr_offset_for_leader_epoch_request_partition *p,
          struct wr_offset_for_leader_epoch_response_partition *out)
{
    const struct wr_log *log =
        wr_topics_log(request->broker->topics, topic, p->index);
    out->index = p->index;
    out->leader_epoch = -1;
    out->end_offset = -1;
    if (!log) {
        out->error_code = WR_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    int32_t now = wr_log_leader_epoch(log);
    if (p->current_leader_epoch >= 0 && p->current_leader_epoch != now) {
        out->error_code = p->current_leader_epoch < now
                              ? WR_ERR_FENCED_LEADER_EPOCH
                              : WR_ERR_UNKNOWN_LEADER_EPOCH;
        return;
    }
    wr_log_epoch_end(log, p->leader_epoch, &out->leader_epoch,
                     &out->end_offset);
}

void wr_handle_offset_for_leader_epoch(struct wr_request *request)
{
    const struct wr_offset_for_leader_epoch_request *body = request->body;
    struct wr_offset_for_leader_epoch_response response;
    wr_offset_for_leader_epoch_response_init(&response);
    if (!WR_REQUEST_TAKE_TOPICS(request, body, &response)) {
        return;
    }
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct wr_offset_for_leader_epoch_request_topic *in =
            &body->topics[i];
        struct wr_offset_for_leader_epoch_response_topic *out =
            &response.topics[i];
        if (!WR_REQUEST_TAKE_PARTITIONS(request, in, out)) {
            return;
        }
        for (int32_t k = 0; k < in->partitions_count; k++) {
            epoch_end(request, in->name, &in->partitions[k],
                      &out->partitions[k]);
        }
    }
    wr_request_reply(request, &response);
}

/* ---- DescribeLogDirs ----------------------------------------------------- */

typedef struct wr_describe_log_dirs_response_topic dir_topic;

static void dir_partition(const struct wr_topic *topic, int32_t index,
                          dir_topic *out)
{
    if (index >= 0 && index < topic->partition_count) {
        struct wr_describe_log_dirs_response_partition *p =
            &out->partitions[out->partitions_count++];
        p->index = index;
        p->partition_size = wr_log_size(topic->logs[index]);
    }
}

/* asked is NULL for all partitions. One that is asked for twice is shown twice:
 * the work is then that of reading the request, however long it is. */
static bool dir_add(struct wr_request *request, const struct wr_topic *topic,
                    const struct wr_describe_log_dirs_request_topic *asked,
                    dir_topic *out)
{
    int32_t n = asked ? asked->partitions_count : topic->partition_count;
    out->name = weir_text(topic->name);
    out->partitions =
        wr_request_take(request, (size_t)n, sizeof(*out->partitions));
    if (!out->partitions) {
        return false;
    }
    for (int32_t i = 0; i < n; i++) {
        dir_partition(topic, asked ? asked->partitions[i] : i, out);
    }
    return true;
}

static bool dir_topics(struct wr_request *request,
                       struct wr_describe_log_dirs_response_log_dir *dir)
{
    const struct wr_describe_log_dirs_request *body = request->body;
    const struct wr_topics *topics = request->broker->topics;
    bool all = body->topics_count < 0;
    size_t most = all ? wr_topics_count(topics) : (size_t)body->topics_count;
    dir->topics = wr_request_take(request, most, sizeof(*dir->topics));
    if (!dir->topics) {
        return false;
    }
    size_t cursor = 0;
    struct wr_topic *topic;
    while (all && wr_topics_next(topics, &cursor, &topic)) {
        if (!dir_add(request, topic, NULL, &dir->topics[dir->topics_count++])) {
            return false;
        }
    }
    for (int32_t i = 0; i < body->topics_count; i++) {
        topic = wr_topics_find(topics, body->topics[i].name);
        if (topic && !dir_add(request, topic, &body->topics[i],
                              &dir->topics[dir->topics_count++])) {
            return false;
        }
    }
    return true;
}

void wr_handle_describe_log_dirs(struct wr_request *request)
{
    const char *path = request->broker->data_dir;
    struct wr_describe_log_dirs_response_log_dir dir = {
        .log_dir = weir_text(path), .total_bytes = -1, .usable_bytes = -1};
    struct wr_describe_log_dirs_response response;
    wr_describe_log_dirs_response_init(&response);
    response.log_dirs = &dir;
    response.log_dirs_count = 1;
    struct statvfs fs;
    if (statvfs(path, &fs) == 0) {
        dir.total_bytes = (int64_t)(fs.f_blocks * fs.f_frsize);
        dir.usable_bytes = (int64_t)(fs.f_bavail * fs.f_frsize);
    }
    if (dir_topics(request, &dir)) {
        wr_request_reply(request, &response);
    }
}

/* ---- DescribeProducers --------------------------------------------------- */

#define PRODUCERS_SHOWN_MAX 1000 /* of a partition */

static bool producers(struct wr_request *request, const struct wr_log *log,
                      struct wr_describe_producers_response_partition *out)
{
    size_t cursor = 0;
    size_t n = 0;
    struct wr_log_producer p;
    while (n < PRODUCERS_SHOWN_MAX && wr_log_producer_next(log, &cursor, &p)) {
        n++;
    }
    out->active_producers =
        wr_request_take(request, n, sizeof(*out->active_producers));
    if (!out->active_producers) {
        return false;
    }
    cursor = 0;
    while ((size_t)out->active_producers_count < n &&
           wr_log_producer_next(log, &cursor, &p)) {
        out->active_producers[out->active_producers_count++] =
            (struct wr_describe_producers_response_active_producer){
                .producer_id = p.producer_id,
                .producer_epoch = p.producer_epoch,
                .last_sequence = p.last_sequence,
                .last_timestamp = p.last_timestamp_ms,
                .coordinator_epoch = p.coordinator_epoch,
                .current_txn_start_offset = p.txn_first_offset};
    }
    return true;
}

void wr_handle_describe_producers(struct wr_request *request)
{
    const struct wr_describe_producers_request *body = request->body;
    const struct wr_topics *topics = request->broker->topics;
    struct wr_describe_producers_response response;
    wr_describe_producers_response_init(&response);
    if (!WR_REQUEST_TAKE_TOPICS(request, body, &response)) {
        return;
    }
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct wr_describe_producers_request_topic *in = &body->topics[i];
        struct wr_describe_producers_response_topic *out = &response.topics[i];
        if (!WR_REQUEST_TAKE_PARTITIONS(request, in, out)) {
            return;
        }
        for (int32_t k = 0; k < in->partitions_count; k++) {
            const struct wr_log *log =
                wr_topics_log(topics, in->name, in->partitions[k]);
            out->partitions[k].index = in->partitions[k];
            if (!log) {
                out->partitions[k].error_code =
                    WR_ERR_UNKNOWN_TOPIC_OR_PARTITION;
            } else if (!producers(request, log, &out->partitions[k])) {
                return;
            }
        }
    }
    wr_request_reply(request, &response);
}
