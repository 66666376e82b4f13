/* SPDX-License-Identifier: Apache-2.0
 *
 * Produce: each partition's batch is checked and appended in the order of the
 * request; the answer waits for the disk, also when acks is 1: what is
 * acknowledged is there for every reader, and readers see nothing that a power
 * cut could take back. With acks 0 there is no answer (then an error closes the
 * connection, which is all that a client could learn). While more waits for the
 * disk than should, a request waits before it is looked at, and so does its
 * connection. It also waits, between two partitions, when batches of this turn
 * of the loop have unpacked to more than TURN_UNPACKED_MAX: a small batch may
 * hold a lot, and others are to be served in between.
 *
 * What a batch must be is the log's business (batch.h, log.h). Here stands what
 * depends on the request: topic and partition, acks, and that a transactional
 * batch belongs to a transaction that knows of this partition right now. */
#include "base/clock.h"
#include "base/log.h"
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/durable.h"
#include "broker/errors.h"
#include "broker/logs.h"
#include "broker/topics.h"
#include "broker/txns.h"

#define VERSION_OF_TOPIC_IDS 13
#define VERSION_OF_ZSTD      7
#define TURN_UNPACKED_MAX    ((size_t)16 << 20) /* one batch may go beyond */

/* The topic, or NULL and why not. */
static const struct wr_topic *
find_topic(const struct wr_request *request,
           const struct wr_produce_request_topic *asked, int16_t *out_error)
{
    const struct wr_topic *topic;
    *out_error = WR_ERR_NONE;
    if (request->version >= VERSION_OF_TOPIC_IDS) {
        topic = wr_topics_find_id(request->broker->topics, asked->topic_id);
        if (!topic) {
            *out_error = WR_ERR_UNKNOWN_TOPIC_ID;
        }
    } else {
        topic = wr_topics_find(request->broker->topics, asked->name);
        if (!topic) {
            *out_error = WR_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        }
    }
    if (topic && topic->internal) {
        *out_error = WR_ERR_INVALID_TOPIC_EXCEPTION;
    }
    return topic;
}

/* A transactional batch must come from the holder of the transactional id while
 * this partition is in its open transaction; a late one would be committed with
 * the next. */
static int16_t check_transaction(const struct wr_request *request,
                                 const struct wr_topic *topic,
                                 int32_t partition, struct weir_bytes records)
{
    const struct wr_produce_request *body = request->body;
    struct wr_batch batch;
    if (wr_batch_parse(records, &batch, NULL) != WEIR_OK ||
        !wr_batch_is_transactional(&batch)) {
        return WR_ERR_NONE; /* the log says what is wrong, if anything is */
    }
    if (body->transactional_id.len == 0) {
        return WR_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    }
    struct wr_txn_writer writer = {batch.producer_id, batch.producer_epoch,
                                   weir_text(topic->name), partition};
    return wr_txns_check_write(request->broker->txns, body->transactional_id,
                               &writer);
}

static bool say_why(struct wr_request *request, const char *text,
                    struct weir_bytes *out)
{
    return text[0] == '\0' ||
           wr_arena_copy(&request->arena, weir_text(text), out) == WEIR_OK;
}

/* A client may send again what is good in a batch once it knows what is bad. */
static void say_which(struct wr_request *request,
                      const struct wr_batch_faults *faults,
                      struct wr_produce_response_partition *to)
{
    to->record_errors = wr_request_calloc(request, (size_t)faults->count,
                                          sizeof(*to->record_errors));
    to->record_errors_count = to->record_errors ? faults->count : 0;
    for (int32_t i = 0; i < to->record_errors_count; i++) {
        to->record_errors[i].batch_index = faults->at[i];
    }
}

#define STORAGE_TOLD_MS 10000

/* A disk that takes nothing more: clients only see a code and try again, so the
 * operator is told why, and not for each of their tries. Thread: broker loop.
 */
static void tell_storage(struct weir_bytes topic, int32_t partition,
                         const struct weir_error *err)
{
    static int64_t told_ms = -STORAGE_TOLD_MS;
    int64_t now_ms = wr_mono_ms();
    if (now_ms - told_ms >= STORAGE_TOLD_MS) {
        told_ms = now_ms;
        wr_log(WR_ERROR, "broker", "records refused",
               "topic=%.*s partition=%d reason=\"%s\"", (int)topic.len,
               (const char *)topic.data, partition, err->text);
    }
}

static int16_t append_one(struct wr_request *request,
                          const struct wr_topic *topic,
                          const struct wr_produce_request_partition *from,
                          struct wr_produce_response_partition *to)
{
    if (from->index < 0 || from->index >= topic->partition_count) {
        return WR_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    int16_t error =
        check_transaction(request, topic, from->index, from->records);
    if (error != WR_ERR_NONE) {
        return error;
    }
    struct wr_log *log = topic->logs[from->index];
    struct wr_batch_faults faults;
    faults.count = 0;
    struct wr_log_append how = {
        .origin = WR_LOG_CLIENT,
        .zstd_allowed = request->version >= VERSION_OF_ZSTD,
        .now_ms = wr_loop_wall_ms(request->broker->loop),
        .faults = &faults};
    struct wr_log_appended appended = {0};
    struct weir_error err = {0};
    error = (int16_t)wr_log_append(log, from->records, &how, &appended, &err);
    if (error == WR_ERR_KAFKA_STORAGE_ERROR) {
        tell_storage(weir_text(topic->name), from->index, &err);
    }
    to->log_start_offset = wr_log_start_offset(log);
    if (error == WR_ERR_NONE) {
        to->base_offset = appended.base_offset;
        to->log_append_time_ms = appended.append_time_ms;
    } else {
        if (!say_why(request, err.text, &to->error_message)) {
            to->error_message = WEIR_NULL;
        }
        say_which(request, &faults, to);
    }
    return error;
}

/* A request under way; in its arena. */
struct producing {
    struct wr_request *request;
    struct wr_produce_response *response;
    struct wr_timer timer; /* the next turn of the loop */
    int32_t topic;         /* the partition that is next */
    int32_t partition;     /* of the topic */
    bool good;             /* all so far were appended */
    bool held;             /* the connection waits for the next turn */
};

/* Appends one partition; the topic is looked for anew, for it may have been
 * deleted since the last turn. */
static int16_t append_next(struct producing *p,
                           struct wr_produce_response_partition *to)
{
    const struct wr_produce_request *body = p->request->body;
    const struct wr_produce_request_topic *from = &body->topics[p->topic];
    int16_t topic_error;
    const struct wr_topic *topic = find_topic(p->request, from, &topic_error);
    if (body->acks < -1 || body->acks > 1) {
        topic_error = WR_ERR_INVALID_REQUIRED_ACKS;
    }
    return topic_error != WR_ERR_NONE
               ? topic_error
               : append_one(p->request, topic, &from->partitions[p->partition],
                            to);
}

/* Goes to the next partition that there is; false at the end. */
static bool has_next(struct producing *p)
{
    const struct wr_produce_request *body = p->request->body;
    while (p->topic < body->topics_count &&
           p->partition >= body->topics[p->topic].partitions_count) {
        p->topic++;
        p->partition = 0;
    }
    return p->topic < body->topics_count;
}

static bool turn_is_full(struct wr_broker *broker)
{
    int64_t now_ms = wr_loop_now_ms(broker->loop);
    size_t unpacked = wr_logs_unpacked(broker->logs);
    if (broker->turn.now_ms != now_ms) {
        broker->turn.now_ms = now_ms;
        broker->turn.unpacked_before = unpacked;
    }
    return unpacked - broker->turn.unpacked_before >= TURN_UNPACKED_MAX;
}

static void produce_failed(struct wr_request *request, void *body)
{
    (void)request;
    struct wr_produce_response *response = body;
    for (int32_t t = 0; t < response->topics_count; t++) {
        struct wr_produce_response_topic *topic = &response->topics[t];
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            if (topic->partitions[p].error_code == WR_ERR_NONE) {
                topic->partitions[p].error_code = WR_ERR_KAFKA_STORAGE_ERROR;
                topic->partitions[p].base_offset = -1;
            }
        }
    }
}

static void finish(const struct producing *p)
{
    const struct wr_produce_request *body = p->request->body;
    p->response->topics_count = body->topics_count;
    if (p->held) {
        wr_request_resume(p->request);
    }
    if (body->acks == 0 && p->good) {
        wr_request_no_reply(p->request);
    } else if (body->acks == 0) {
        wr_request_hang_up(p->request, "a produce with acks=0 was refused");
    } else {
        wr_request_reply_durable(p->request, p->response, produce_failed);
    }
}

/* Whether the rest was put off to the next turn. */
static bool put_off(struct producing *p)
{
    struct wr_broker *broker = p->request->broker;
    if (!turn_is_full(broker) ||
        wr_loop_timer_start(broker->loop, &p->timer, 0) != WEIR_OK) {
        return false;
    }
    broker->turn.full++;
    if (p->request->conn && !p->held) {
        p->held = true;
        wr_request_hold(p->request);
    }
    return true;
}

static void go_on(void *arg)
{
    struct producing *p = arg;
    const struct wr_produce_request *body = p->request->body;
    for (; has_next(p); p->partition++) {
        if (put_off(p)) {
            return;
        }
        const struct wr_produce_request_topic *from = &body->topics[p->topic];
        struct wr_produce_response_partition *to =
            &p->response->topics[p->topic].partitions[p->partition];
        *to = (struct wr_produce_response_partition){
            .index = from->partitions[p->partition].index,
            .base_offset = -1,
            .log_append_time_ms = -1,
            .log_start_offset = -1,
            .current_leader = {-1, -1}};
        to->error_code = append_next(p, to);
        p->good = p->good && to->error_code == WR_ERR_NONE;
    }
    finish(p);
}

static void produce_done(struct wr_request *request)
{
    struct producing *p = request->state;
    wr_loop_timer_stop(request->broker->loop, &p->timer);
}

static void produce(struct wr_request *request)
{
    const struct wr_produce_request *body = request->body;
    struct producing *p = wr_request_take(request, 1, sizeof(*p));
    struct wr_produce_response *response =
        p ? wr_request_take(request, 1, sizeof(*response)) : NULL;
    if (!response) {
        return;
    }
    wr_produce_response_init(response);
    response->topics = wr_request_take(request, (size_t)body->topics_count,
                                       sizeof(*response->topics));
    if (!response->topics) {
        return;
    }
    for (int32_t t = 0; t < body->topics_count; t++) {
        response->topics[t].name = body->topics[t].name;
        response->topics[t].topic_id = body->topics[t].topic_id;
        response->topics[t].partitions_count = body->topics[t].partitions_count;
        response->topics[t].partitions =
            wr_request_take(request, (size_t)body->topics[t].partitions_count,
                            sizeof(*response->topics[t].partitions));
        if (!response->topics[t].partitions) {
            return;
        }
    }
    p->request = request;
    p->response = response;
    p->timer.fire = go_on;
    p->timer.arg = p;
    p->good = true;
    request->state = p;
    request->done = produce_done;
    go_on(p);
}

/* A request that waits for room; in its arena. */
struct held {
    struct wr_logs_waiter waiter; /* first */
    struct wr_request *request;
};

static void has_room(struct wr_logs_waiter *waiter, enum weir_status status)
{
    struct wr_request *request = ((struct held *)waiter)->request;
    wr_request_resume(request);
    if (status == WEIR_OK) {
        produce(request);
    } else {
        wr_request_hang_up(request, "the broker stops");
    }
}

void wr_handle_produce(struct wr_request *request)
{
    struct wr_logs *logs = request->broker->logs;
    if (wr_logs_has_room(logs)) {
        produce(request);
        return;
    }
    struct held *held = wr_request_take(request, 1, sizeof(*held));
    if (held) {
        held->waiter.fn = has_room;
        held->request = request;
        wr_request_hold(request);
        wr_logs_when_room(logs, &held->waiter);
    }
}
