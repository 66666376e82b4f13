/* SPDX-License-Identifier: Apache-2.0
 *
 * What there is: Metadata, DescribeCluster, DescribeTopicPartitions. There is
 * one broker, which leads everything. A topic that does not exist is made in
 * line when the client and auto.create.topics.enable allow it, so that the
 * first answer already has it. Each one costs some syncs of the disk, for which
 * everybody waits, so a turn of the loop makes TURN_MAKES_MAX of them; whoever
 * asks for more is told to ask again. Thread: broker loop. */
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/errors.h"
#include "broker/topics.h"

#include <stdlib.h>

/* Bits of Kafka's ACL operations; without authorization everything is allowed.
 */
#define TOPIC_OPERATIONS   0x0df8 /* read .. describe, both config ones */
#define CLUSTER_OPERATIONS 0x1fa0 /* create, alter .. idempotent write */
#define NOT_ASKED          INT32_MIN
#define TURN_MAKES_MAX     10

static const char out_of_memory[] = "out of memory for an answer";

/* ---- Metadata --------------------------------------------------------------
 */

static bool fill_partitions(struct wr_request *request,
                            struct wr_metadata_response_topic *out,
                            const struct wr_topic *topic)
{
    int32_t n = topic->partition_count;
    out->partitions =
        wr_request_calloc(request, (size_t)n, sizeof(*out->partitions));
    if (!out->partitions) {
        return false;
    }
    out->partitions_count = n;
    for (int32_t i = 0; i < n; i++) {
        struct wr_metadata_response_partition *p = &out->partitions[i];
        p->index = i;
        p->leader_id = request->broker->node_id;
        p->leader_epoch = wr_log_leader_epoch(topic->logs[i]);
        p->replica_nodes = &request->broker->node_id;
        p->replica_nodes_count = 1;
        p->isr_nodes = &request->broker->node_id;
        p->isr_nodes_count = 1;
    }
    return true;
}

static bool fill_topic(struct wr_request *request,
                       struct wr_metadata_response_topic *out,
                       const struct wr_topic *topic)
{
    const struct wr_metadata_request *body = request->body;
    out->name = weir_text(topic->name);
    out->topic_id = topic->id;
    out->is_internal = topic->internal;
    out->topic_authorized_operations = body->include_topic_authorized_operations
                                           ? TOPIC_OPERATIONS
                                           : NOT_ASKED;
    return fill_partitions(request, out, topic);
}

/* Java's clients leave an empty name beside the id that they ask for. */
static bool by_id(const struct wr_metadata_request_topic *asked)
{
    return !asked->name.data || !wr_uuid_is_zero(asked->topic_id);
}

static bool may_make(struct wr_broker *broker)
{
    int64_t now_ms = wr_loop_now_ms(broker->loop);
    if (broker->makes.now_ms != now_ms) {
        broker->makes.now_ms = now_ms;
        broker->makes.count = 0;
    }
    return broker->makes.count++ < TURN_MAKES_MAX;
}

/* The topic asked for, made when that is wanted; NULL with *out_error. */
static struct wr_topic *ask(struct wr_request *request,
                            const struct wr_metadata_request_topic *asked,
                            int16_t *out_error)
{
    const struct wr_metadata_request *body = request->body;
    struct wr_broker *broker = request->broker;
    if (by_id(asked)) {
        *out_error = WR_ERR_UNKNOWN_TOPIC_ID;
        return wr_topics_find_id(broker->topics, asked->topic_id);
    }
    struct wr_topic *topic = wr_topics_find(broker->topics, asked->name);
    *out_error = WR_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    if (topic) {
        return topic;
    }
    if (!wr_topic_name_valid(asked->name)) {
        *out_error = WR_ERR_INVALID_TOPIC_EXCEPTION;
    } else if (body->allow_auto_topic_creation &&
               !wr_bytes_equal_text(asked->name, WR_TOPIC_OFFSETS) &&
               !wr_bytes_equal_text(asked->name, WR_TOPIC_TXNS) &&
               wr_options_bool(broker->options, "auto.create.topics.enable")) {
        struct wr_topic_spec spec = {.name = asked->name,
                                     .partition_count = -1};
        *out_error =
            may_make(broker)
                ? wr_topics_create(broker->topics, &spec, &topic, NULL)
                : (int16_t)WR_ERR_LEADER_NOT_AVAILABLE; /* clients try again */
    }
    return topic;
}

static bool fill_asked(struct wr_request *request,
                       struct wr_metadata_response *out)
{
    const struct wr_metadata_request *body = request->body;
    out->topics = wr_request_calloc(request, (size_t)body->topics_count,
                                    sizeof(*out->topics));
    if (!out->topics) {
        return false;
    }
    out->topics_count = body->topics_count;
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct wr_metadata_request_topic *asked = &body->topics[i];
        int16_t error = 0;
        struct wr_topic *topic = ask(request, asked, &error);
        if (!topic) {
            out->topics[i].error_code = error;
            if (!by_id(asked)) {
                out->topics[i].name = asked->name;
            }
            out->topics[i].topic_id = asked->topic_id;
            out->topics[i].topic_authorized_operations = NOT_ASKED;
        } else if (!fill_topic(request, &out->topics[i], topic)) {
            return false;
        }
    }
    return true;
}

static bool fill_all(struct wr_request *request,
                     struct wr_metadata_response *out)
{
    struct wr_topics *topics = request->broker->topics;
    out->topics = wr_request_calloc(request, wr_topics_count(topics),
                                    sizeof(*out->topics));
    if (!out->topics) {
        return false;
    }
    size_t cursor = 0;
    struct wr_topic *topic;
    while (wr_topics_next(topics, &cursor, &topic)) {
        if (!fill_topic(request, &out->topics[out->topics_count++], topic)) {
            return false;
        }
    }
    return true;
}

void wr_handle_metadata(struct wr_request *request)
{
    const struct wr_metadata_request *body = request->body;
    struct wr_broker *broker = request->broker;
    struct wr_metadata_response response;
    struct wr_metadata_response_broker self = {
        .node_id = broker->node_id,
        .host = weir_text(broker->advertised_host),
        .port = broker->advertised_port,
    };
    wr_metadata_response_init(&response);
    response.brokers = &self;
    response.brokers_count = 1;
    response.cluster_id = weir_text(broker->cluster_id);
    response.controller_id = broker->node_id;
    if (body->include_cluster_authorized_operations) {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    bool all = body->topics_count < 0 ||
               (request->version == 0 && body->topics_count == 0);
    if (all ? !fill_all(request, &response) : !fill_asked(request, &response)) {
        wr_request_hang_up(request, out_of_memory);
        return;
    }
    wr_request_reply(request, &response);
}

/* ---- DescribeCluster ----------------------------------------------------- */

void wr_handle_describe_cluster(struct wr_request *request)
{
    const struct wr_describe_cluster_request *body = request->body;
    struct wr_broker *broker = request->broker;
    struct wr_describe_cluster_response response;
    struct wr_describe_cluster_response_broker self = {
        .broker_id = broker->node_id,
        .host = weir_text(broker->advertised_host),
        .port = broker->advertised_port,
    };
    wr_describe_cluster_response_init(&response);
    response.endpoint_type = body->endpoint_type;
    if (body->endpoint_type != 1) { /* 2 would be a controller of its own */
        response.error_code = body->endpoint_type == 2
                                  ? WR_ERR_MISMATCHED_ENDPOINT_TYPE
                                  : WR_ERR_UNSUPPORTED_ENDPOINT_TYPE;
        response.error_message = weir_text("This is a broker's endpoint.");
        wr_request_reply(request, &response);
        return;
    }
    response.cluster_id = weir_text(broker->cluster_id);
    response.controller_id = broker->node_id;
    response.brokers = &self;
    response.brokers_count = 1;
    if (body->include_cluster_authorized_operations) {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    wr_request_reply(request, &response);
}

/* ---- DescribeTopicPartitions --------------------------------------------- */

#define PAGE_PARTITIONS_MAX 2000

/* An answer that fills up to its limit of partitions. */
struct page {
    struct wr_request *request;
    struct wr_describe_topic_partitions_response response;
    struct wr_describe_topic_partitions_response_next_cursor cursor;
    int32_t left; /* partitions that still fit */
};

static bool
page_partitions(struct page *page, const struct wr_topic *topic,
                struct wr_describe_topic_partitions_response_topic *out,
                int32_t from)
{
    int32_t n = topic->partition_count - from;
    n = n > page->left ? page->left : n;
    out->partitions =
        wr_request_calloc(page->request, (size_t)n, sizeof(*out->partitions));
    if (!out->partitions) {
        return false;
    }
    out->partitions_count = n;
    page->left -= n;
    int32_t *node = &page->request->broker->node_id;
    for (int32_t i = 0; i < n; i++) {
        struct wr_describe_topic_partitions_response_partition *p =
            &out->partitions[i];
        p->index = from + i;
        p->leader_id = *node;
        p->leader_epoch = wr_log_leader_epoch(topic->logs[from + i]);
        p->replica_nodes = node;
        p->replica_nodes_count = 1;
        p->isr_nodes = node;
        p->isr_nodes_count = 1;
    }
    return true;
}

/* Adds a topic from a partition on. False when the page is full before it ends,
 * then the cursor says where; or when memory is out, then left is -1. */
static bool page_topic(struct page *page, const struct wr_topic *topic,
                       struct weir_bytes name, int32_t from)
{
    if (page->left == 0) {
        page->cursor.topic = name;
        page->cursor.index = from;
        page->response.next_cursor = &page->cursor;
        return false;
    }
    struct wr_describe_topic_partitions_response_topic *out =
        &page->response.topics[page->response.topics_count++];
    out->name = name;
    out->topic_authorized_operations = NOT_ASKED;
    if (!topic) {
        out->error_code = wr_topic_name_valid(name)
                              ? WR_ERR_UNKNOWN_TOPIC_OR_PARTITION
                              : WR_ERR_INVALID_TOPIC_EXCEPTION;
        return true;
    }
    out->topic_id = topic->id;
    out->is_internal = topic->internal;
    out->topic_authorized_operations = TOPIC_OPERATIONS;
    if (!page_partitions(page, topic, out, from)) {
        page->left = -1;
        return false;
    }
    if (from + out->partitions_count < topic->partition_count) {
        page->cursor.topic = name;
        page->cursor.index = from + out->partitions_count;
        page->response.next_cursor = &page->cursor;
        return false;
    }
    return true;
}

static int by_name(const void *a, const void *b)
{
    const struct wr_describe_topic_partitions_request_topic *x = a;
    const struct wr_describe_topic_partitions_request_topic *y = b;
    return wr_bytes_compare(x->name, y->name);
}

/* Where a topic begins on this page: 0, the cursor's partition, or -1 for not
 * at all since it comes before the cursor. */
static int32_t
page_start(const struct wr_describe_topic_partitions_request *body,
           struct weir_bytes name)
{
    if (!body->cursor) {
        return 0;
    }
    int order = wr_bytes_compare(name, body->cursor->topic);
    if (order != 0) {
        return order < 0 ? -1 : 0;
    }
    return body->cursor->index < 0 ? 0 : body->cursor->index;
}

static void fill_page(struct page *page)
{
    const struct wr_describe_topic_partitions_request *body =
        page->request->body;
    const struct wr_topics *topics = page->request->broker->topics;
    if (body->topics_count == 0) { /* all of them */
        size_t cursor = 0;
        struct wr_topic *topic;
        while (wr_topics_next(topics, &cursor, &topic)) {
            int32_t from = page_start(body, weir_text(topic->name));
            if (from >= 0 && from < topic->partition_count &&
                !page_topic(page, topic, weir_text(topic->name), from)) {
                return;
            }
        }
        return;
    }
    qsort(body->topics, (size_t)body->topics_count, sizeof(*body->topics),
          by_name);
    for (int32_t i = 0; i < body->topics_count; i++) {
        struct weir_bytes name = body->topics[i].name;
        const struct wr_topic *topic = wr_topics_find(topics, name);
        int32_t from = page_start(body, name);
        if (from < 0 || (topic && from >= topic->partition_count)) {
            continue;
        }
        if (!page_topic(page, topic, name, from)) {
            return;
        }
    }
}

void wr_handle_describe_topic_partitions(struct wr_request *request)
{
    const struct wr_describe_topic_partitions_request *body = request->body;
    struct page page = {.request = request};
    int32_t limit = body->response_partition_limit;
    page.left =
        limit <= 0 || limit > PAGE_PARTITIONS_MAX ? PAGE_PARTITIONS_MAX : limit;
    wr_describe_topic_partitions_response_init(&page.response);
    size_t most = body->topics_count > 0
                      ? (size_t)body->topics_count
                      : wr_topics_count(request->broker->topics);
    page.response.topics =
        wr_request_calloc(request, most, sizeof(*page.response.topics));
    if (page.response.topics) {
        fill_page(&page);
    }
    if (!page.response.topics || page.left < 0) {
        wr_request_hang_up(request, out_of_memory);
        return;
    }
    wr_request_reply(request, &page.response);
}
