/* SPDX-License-Identifier: Apache-2.0
 *
 * Records come through librdkafka's batch queue: the cheapest way it has, about
 * 0.6 us a message. That queue fills its whole array or waits for the time-out,
 * so a poll asks without waiting first, then waits for one message, then takes
 * what else is there. Before 2.1, a rebalance that begins while it fills an
 * array of more than one message loses those that are in it (librdkafka 4208);
 * there each message is asked for by itself.
 *
 * From a message to its partition's place: messages carry the address of
 * librdkafka's topic object, which is the same as long as someone holds a
 * reference; we hold one for each topic ever assigned. A handful of topics is
 * searched in order, and the last hit is tried first.
 *
 * librdkafka stops fetching while its queue holds queued.min.messages or
 * queued.max.messages.kbytes, and before 2.2 it looks at the queue again only
 * after a second, however fast it is drained: at half a million records a
 * second the thread would starve most of the time. Newer versions have
 * fetch.queue.backoff.ms. For the others there is one cheap call that wakes the
 * threads of all brokers: setting the credentials of SASL, to what they are. It
 * is made whenever a quarter of either limit was taken since the last time:
 * whether the queue was full in between cannot be seen from here, since it may
 * fill and drain between two looks.
 *
 * OFFSET_BEGINNING makes librdkafka ask the leader, and again only after half a
 * second when it does not know the leader yet, as at a start. So the beginning
 * is first taken to be offset 0, and asked for when the broker says that 0 is
 * gone.
 *
 * A record's owner is its rd_kafka_message_t. Few records have headers; those
 * that do get a block with the array of weir_header in it, and the owner is the
 * block's address plus one, which no message can have. */
#include "base/clock.h"
#include "base/log.h"
#include "runtime/kafka_client.h"
#include "runtime/kafka_consumer_state.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCHES_ARE_SAFE 0x02010000
#define NUDGE_PART       4 /* of a limit of the queue */
#define CALL_TIMEOUT_MS  10000
#define TELL_EVERY_MS    30000
#define HEADER_COUNT_MAX 10000
#define PARTITION_MAX    1000000

struct header_block {
    rd_kafka_message_t *message;
    struct weir_header headers[];
};

/* ---- life --------------------------------------------------------------- */

static const struct wr_client_setting consumer_defaults[] = {
    {"session.timeout.ms", "10000"},
    {"heartbeat.interval.ms", "500"},
    {"fetch.wait.max.ms", "100"},
    {"fetch.error.backoff.ms", "20"},
    {"fetch.message.max.bytes", "262144"}, /* of a partition in one answer */
    {"queued.min.messages", "10000"},
    {"queued.max.messages.kbytes", "16384"},
    {NULL, NULL}};

/* A restore ends when the changelog's end was seen, and that takes an empty
 * fetch: it must not wait. */
static const struct wr_client_setting restore_defaults[] = {
    {"fetch.wait.max.ms", "10"},
    {"fetch.error.backoff.ms", "20"},
    {"queued.min.messages", "50000"},
    {"queued.max.messages.kbytes", "16384"},
    {NULL, NULL}};

/* librdkafka tells once a second which partitions it cannot find; a line now
 * and then is enough. */
static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        wr_consumer_tell_fatal(opaque);
        return;
    }
    struct wr_consumer *consumer = opaque;
    int64_t now_ms = wr_mono_ms();
    if (wr_kafka_status(code) == WEIR_E_NOTFOUND &&
        now_ms >= consumer->tell_ms) {
        consumer->tell_ms = now_ms + TELL_EVERY_MS;
        wr_log(
            WR_WARN, "kafka", "input gone",
            "client=%s reason=\"%s\" remedy=\"stop the application before an "
            "input is deleted; one that is made again is read from the old "
            "offset on\"",
            rd_kafka_name(rk), reason);
        return;
    }
    wr_log(WR_DEBUG, "kafka", "consumer", "client=%s reason=\"%s\"",
           rd_kafka_name(rk), reason);
}

/* A property that is a number; 0 when it is not there. */
static size_t conf_number(const rd_kafka_conf_t *conf, const char *name)
{
    char text[64] = "";
    size_t size = sizeof(text);
    return rd_kafka_conf_get(conf, name, text, &size) == RD_KAFKA_CONF_OK
               ? strtoul(text, NULL, 10)
               : 0;
}

static void note_session(struct wr_consumer *consumer, rd_kafka_conf_t *conf,
                         const char *instance_id)
{
    consumer->session_ms = (int64_t)conf_number(conf, "session.timeout.ms");
    (void)snprintf(consumer->instance_id, sizeof(consumer->instance_id), "%s",
                   instance_id ? instance_id : "");
}

/* Notes what wake-ups need before the configuration is used up. */
static void prepare_nudges(struct wr_consumer *consumer, rd_kafka_conf_t *conf)
{
    if (wr_kafka_property_known("fetch.queue.backoff.ms")) {
        return;
    }
    char text[64] = "";
    size_t size = sizeof(text);
    consumer->queue_limit = conf_number(conf, "queued.min.messages");
    consumer->bytes_limit =
        conf_number(conf, "queued.max.messages.kbytes") * 1024;
    consumer->username[0] = consumer->password[0] = '-'; /* never used */
    bool sasl = rd_kafka_conf_get(conf, "security.protocol", text, &size) ==
                    RD_KAFKA_CONF_OK &&
                strncmp(text, "sasl", 4) == 0;
    consumer->can_nudge = consumer->queue_limit > 0;
    if (sasl) {
        size_t name_size = sizeof(consumer->username);
        size_t word_size = sizeof(consumer->password);
        consumer->can_nudge =
            rd_kafka_conf_get(conf, "sasl.username", consumer->username,
                              &name_size) == RD_KAFKA_CONF_OK &&
            rd_kafka_conf_get(conf, "sasl.password", consumer->password,
                              &word_size) == RD_KAFKA_CONF_OK;
    }
}

/* Makes librdkafka look at its queue while that has room, after `count`
 * messages at the front of the batch were taken from it. */
static void nudge(struct wr_consumer *consumer, size_t count)
{
    if (!consumer->can_nudge) {
        return;
    }
    consumer->taken += count;
    for (size_t i = 0; i < count; i++) {
        consumer->taken_bytes +=
            consumer->batch[i]->len + consumer->batch[i]->key_len;
    }
    if ((consumer->taken < consumer->queue_limit / NUDGE_PART &&
         consumer->taken_bytes < consumer->bytes_limit / NUDGE_PART) ||
        rd_kafka_queue_length(consumer->queue) >= consumer->queue_limit) {
        return;
    }
    rd_kafka_error_t *error = rd_kafka_sasl_set_credentials(
        consumer->rk, consumer->username, consumer->password);
    consumer->taken = consumer->taken_bytes = 0;
    if (error) {
        rd_kafka_error_destroy(error);
    }
}

static enum weir_status consumer_conf(const struct wr_consumer_spec *spec,
                                      struct wr_consumer *consumer,
                                      rd_kafka_conf_t **out,
                                      struct weir_error *err)
{
    bool member = spec->kind == WR_CLIENT_CONSUMER;
    const struct wr_client_setting forced[] = {
        {"group.id", wr_options_text(spec->options, "application.id")},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"enable.partition.eof", "true"},
        {"auto.offset.reset", "error"},
        {"partition.assignment.strategy", "cooperative-sticky"},
        {"allow.auto.create.topics", "false"},
        {member && spec->instance_id ? "group.instance.id" : NULL,
         spec->instance_id},
        {NULL, NULL}};
    struct wr_client_spec client = {.kind = spec->kind,
                                    .options = spec->options,
                                    .client_id = spec->client_id,
                                    .defaults = member ? consumer_defaults
                                                       : restore_defaults,
                                    .forced = forced,
                                    .opaque = consumer};
    rd_kafka_conf_t *conf = NULL;
    enum weir_status status = wr_client_conf(&client, &conf, err);
    if (status == WEIR_OK) {
        prepare_nudges(consumer, conf);
        note_session(consumer, conf, spec->instance_id);
        rd_kafka_conf_set_error_cb(conf, on_error);
        if (member) {
            rd_kafka_conf_set_rebalance_cb(conf, wr_consumer_on_rebalance);
        }
        *out = conf;
    }
    return status;
}

enum weir_status wr_consumer_new(const struct wr_consumer_spec *spec,
                                 struct wr_consumer **out,
                                 struct weir_error *err)
{
    struct wr_consumer *consumer = calloc(1, sizeof(*consumer));
    rd_kafka_conf_t *conf = NULL;
    char reason[512] = "";
    if (!consumer) {
        return weir_fail(err, WEIR_E_NOMEM, "consumer: out of memory");
    }
    consumer->options = spec->options;
    consumer->events = spec->events;
    enum weir_status status = consumer_conf(spec, consumer, &conf, err);
    if (status != WEIR_OK) {
        free(consumer);
        return status;
    }
    consumer->rk =
        rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
    if (!consumer->rk) {
        rd_kafka_conf_destroy(conf);
        free(consumer);
        return weir_fail(err, WEIR_E_CONFIG, "consumer: %s", reason);
    }
    rd_kafka_poll_set_consumer(consumer->rk);
    consumer->queue = rd_kafka_queue_get_consumer(consumer->rk);
    *out = consumer;
    return WEIR_OK;
}

static void free_topic(struct wr_consumer_topic *topic)
{
    for (int32_t i = 0; i < topic->place_count; i++) {
        wr_kafka_end_queue(topic->places[i].own);
    }
    rd_kafka_topic_destroy(topic->rkt);
    free(topic->places);
}

void wr_consumer_free(struct wr_consumer *consumer)
{
    if (!consumer) {
        return;
    }
    if (!wr_consumer_close(consumer)) {
        wr_log(WR_DEBUG, "kafka", "consumer kept", "client=%s",
               rd_kafka_name(consumer->rk));
        return; /* until the process ends; it takes part in nothing */
    }
    if (consumer->damaged) {
        wr_kafka_settle(consumer->rk, rd_kafka_topic_name(consumer->damaged),
                        consumer->damaged_partition);
    }
    for (size_t i = 0; i < consumer->topic_count; i++) {
        free_topic(&consumer->topics[i]);
    }
    free(consumer->topics);
    rd_kafka_queue_destroy(consumer->queue);
    rd_kafka_destroy_flags(consumer->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    free(consumer);
}

/* ---- places ------------------------------------------------------------- */

static struct wr_consumer_topic *topic_of(struct wr_consumer *consumer,
                                          const char *name)
{
    for (size_t i = 0; i < consumer->topic_count; i++) {
        if (strcmp(rd_kafka_topic_name(consumer->topics[i].rkt), name) == 0) {
            return &consumer->topics[i];
        }
    }
    struct wr_consumer_topic *topics = realloc(
        consumer->topics, (consumer->topic_count + 1) * sizeof(*topics));
    if (!topics) {
        return NULL;
    }
    consumer->topics = topics;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(consumer->rk, name, NULL);
    if (!rkt) {
        return NULL;
    }
    topics[consumer->topic_count] = (struct wr_consumer_topic){rkt, NULL, 0};
    return &topics[consumer->topic_count++];
}

static enum weir_status set_place(struct wr_consumer *consumer,
                                  const struct wr_partition *p,
                                  struct wr_place place)
{
    struct wr_consumer_topic *topic = topic_of(consumer, p->topic);
    if (!topic || p->partition < 0 || p->partition > PARTITION_MAX) {
        return WEIR_E_NOMEM;
    }
    if (p->partition >= topic->place_count) {
        size_t n = (size_t)p->partition + 16;
        struct wr_place *places = realloc(topic->places, n * sizeof(*places));
        if (!places) {
            return WEIR_E_NOMEM;
        }
        memset(places + topic->place_count, 0,
               (n - (size_t)topic->place_count) * sizeof(*places));
        topic->places = places;
        topic->place_count = (int32_t)n;
    }
    place.own = topic->places[p->partition].own;
    topic->places[p->partition] = place;
    return WEIR_OK;
}

static struct wr_place *place_of(struct wr_consumer *consumer,
                                 const rd_kafka_topic_t *rkt, int32_t partition)
{
    size_t i = consumer->topic_last;
    if (i >= consumer->topic_count || consumer->topics[i].rkt != rkt) {
        for (i = 0; i < consumer->topic_count; i++) {
            if (consumer->topics[i].rkt == rkt) {
                break;
            }
        }
        if (i == consumer->topic_count) {
            return NULL;
        }
        consumer->topic_last = i;
    }
    const struct wr_consumer_topic *topic = &consumer->topics[i];
    return partition >= 0 && partition < topic->place_count &&
                   topic->places[partition].tag
               ? &topic->places[partition]
               : NULL;
}

/* ---- partitions --------------------------------------------------------- */

rd_kafka_topic_partition_list_t *
wr_partition_list(const struct wr_partition *partitions, size_t count)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_topic_partition_t *p = rd_kafka_topic_partition_list_add(
            list, partitions[i].topic, partitions[i].partition);
        p->offset = partitions[i].offset;
        if (partitions[i].metadata) {
            size_t size = strlen(partitions[i].metadata) + 1;
            p->metadata = malloc(size);
            if (p->metadata) {
                memcpy(p->metadata, partitions[i].metadata, size);
                p->metadata_size = size - 1;
            }
        }
    }
    return list;
}

/* The place of a partition that set_place was once called for, or NULL. */
static struct wr_place *known_place(struct wr_consumer *consumer,
                                    const char *name, int32_t partition)
{
    const struct wr_consumer_topic *topic = topic_of(consumer, name);
    return topic && partition >= 0 && partition < topic->place_count
               ? &topic->places[partition]
               : NULL;
}

/* See wr_kafka_end_queue. One from the first assignment on is enough: a topic
 * that is made anew has other partitions, which librdkafka ends itself. */
static void keep_own_queues(struct wr_consumer *consumer,
                            const struct wr_partition *partitions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct wr_place *place =
            known_place(consumer, partitions[i].topic, partitions[i].partition);
        if (place && !place->own) {
            place->own = rd_kafka_queue_get_partition(
                consumer->rk, partitions[i].topic, partitions[i].partition);
        }
    }
}

enum weir_status wr_consumer_assign(struct wr_consumer *consumer,
                                    const struct wr_partition *partitions,
                                    size_t count, struct weir_error *err)
{
    consumer->answered = true;
    for (size_t i = 0; i < count; i++) {
        struct wr_place place = {.tag = partitions[i].tag,
                                 .guessed =
                                     partitions[i].offset == WR_OFFSET_BEGIN};
        if (set_place(consumer, &partitions[i], place) != WEIR_OK) {
            return weir_fail(err, WEIR_E_NOMEM, "assignment: out of memory");
        }
    }
    rd_kafka_topic_partition_list_t *list =
        wr_partition_list(partitions, count);
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].offset == RD_KAFKA_OFFSET_BEGINNING) {
            list->elems[i].offset = 0;
        }
    }
    rd_kafka_error_t *error =
        wr_consumer_may_assign(consumer)
            ? rd_kafka_incremental_assign(consumer->rk, list)
            : NULL;
    rd_kafka_topic_partition_list_destroy(list);
    keep_own_queues(consumer, partitions, count);
    return wr_kafka_fail_object(err, consumer->options, error, "assignment");
}

/* librdkafka keeps a partition paused beyond its assignment. */
static void end_pauses(struct wr_consumer *consumer,
                       const struct wr_partition *partitions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct wr_place *place =
            known_place(consumer, partitions[i].topic, partitions[i].partition);
        if (place && place->paused) {
            wr_consumer_pause(consumer, partitions[i].topic,
                              partitions[i].partition, false);
        }
    }
}

void wr_consumer_unassign(struct wr_consumer *consumer,
                          const struct wr_partition *partitions, size_t count)
{
    consumer->answered = true;
    end_pauses(consumer, partitions, count);
    rd_kafka_topic_partition_list_t *list =
        wr_partition_list(partitions, count);
    rd_kafka_error_t *error =
        wr_consumer_may_assign(consumer)
            ? rd_kafka_incremental_unassign(consumer->rk, list)
            : NULL;
    rd_kafka_topic_partition_list_destroy(list);
    if (error) {
        wr_log(WR_DEBUG, "kafka", "unassign", "reason=\"%s\"",
               rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    }
    for (size_t i = 0; i < count; i++) {
        if (set_place(consumer, &partitions[i], (struct wr_place){0}) !=
            WEIR_OK) {
            continue; /* it was never set */
        }
    }
}

enum weir_status wr_consumer_seek(struct wr_consumer *consumer,
                                  const struct wr_partition *partitions,
                                  size_t count, struct weir_error *err)
{
    rd_kafka_topic_partition_list_t *list =
        wr_partition_list(partitions, count);
    rd_kafka_error_t *error =
        rd_kafka_seek_partitions(consumer->rk, list, CALL_TIMEOUT_MS);
    enum weir_status status =
        wr_kafka_fail_object(err, consumer->options, error, "seek");
    for (int i = 0; status == WEIR_OK && i < list->cnt; i++) {
        rd_kafka_resp_err_t code = list->elems[i].err;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR ||
            code == RD_KAFKA_RESP_ERR__STATE) {
            continue; /* STATE: not started yet, so nothing to go back over */
        }
        status = wr_kafka_fail(err, consumer->options, (int)code, NULL, "seek");
        status = weir_fail_prefix(err, status, "%s partition %d",
                                  list->elems[i].topic,
                                  (int)list->elems[i].partition);
    }
    rd_kafka_topic_partition_list_destroy(list);
    return status;
}

void wr_consumer_pause(struct wr_consumer *consumer, const char *topic,
                       int32_t partition, bool pause)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition);
    rd_kafka_resp_err_t code =
        pause ? rd_kafka_pause_partitions(consumer->rk, list)
              : rd_kafka_resume_partitions(consumer->rk, list);
    struct wr_place *place = known_place(consumer, topic, partition);
    if (place) {
        place->paused = pause;
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        wr_log(WR_DEBUG, "kafka", pause ? "pause" : "resume",
               "topic=%s partition=%d reason=\"%s\"", topic, (int)partition,
               rd_kafka_err2str(code));
    }
    rd_kafka_topic_partition_list_destroy(list);
}

int64_t wr_consumer_end_offset(struct wr_consumer *consumer, const char *topic,
                               int32_t partition)
{
    int64_t low = -1;
    int64_t high = -1;
    rd_kafka_resp_err_t code = rd_kafka_get_watermark_offsets(
        consumer->rk, topic, partition, &low, &high);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0 ? high : -1;
}

/* ---- records ------------------------------------------------------------ */

void wr_consumer_release(void *user, void *owner)
{
    (void)user;
    uintptr_t address = (uintptr_t)owner;
    if (address & 1) {
        struct header_block *block = (struct header_block *)(address - 1);
        rd_kafka_message_destroy(block->message);
        free(block);
    } else if (owner) {
        rd_kafka_message_destroy(owner);
    }
}

/* Fills headers and owner of a record that has headers. */
static enum weir_status take_headers(rd_kafka_message_t *message,
                                     const rd_kafka_headers_t *headers,
                                     struct wr_input *in)
{
    size_t count = rd_kafka_header_cnt(headers);
    if (count > HEADER_COUNT_MAX) {
        return WEIR_E_TOOBIG;
    }
    struct header_block *block =
        malloc(sizeof(*block) + count * sizeof(block->headers[0]));
    if (!block) {
        return WEIR_E_NOMEM;
    }
    block->message = message;
    size_t n = 0;
    for (; n < count; n++) {
        const char *name = NULL;
        const void *value = NULL;
        size_t size = 0;
        if (rd_kafka_header_get_all(headers, n, &name, &value, &size) !=
            RD_KAFKA_RESP_ERR_NO_ERROR) {
            break;
        }
        block->headers[n].key = weir_text(name);
        block->headers[n].value = weir_bytes(value, value ? size : 0);
    }
    in->record.headers = block->headers;
    in->record.header_count = n;
    in->owner = (void *)((uintptr_t)block + 1);
    return WEIR_OK;
}

static void deliver_record(struct wr_consumer *consumer, void *tag,
                           rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;
    rd_kafka_headers_t *headers = NULL;
    struct wr_input in = {
        .record = {.key = weir_bytes(message->key, message->key_len),
                   .value = weir_bytes(message->payload, message->len),
                   .timestamp_ms = rd_kafka_message_timestamp(message, &type)},
        .offset = message->offset,
        .owner = message};
    if (rd_kafka_message_headers(message, &headers) ==
            RD_KAFKA_RESP_ERR_NO_ERROR &&
        take_headers(message, headers, &in) != WEIR_OK) {
        struct weir_error err;
        (void)weir_fail(&err, WEIR_E_TOOBIG,
                        "%s partition %d offset %lld: its headers do not fit "
                        "into memory or are more than %d",
                        rd_kafka_topic_name(message->rkt),
                        (int)message->partition, (long long)message->offset,
                        HEADER_COUNT_MAX);
        consumer->events.problem(consumer->events.user, tag, &err);
        rd_kafka_message_destroy(message);
        return;
    }
    consumer->events.record(consumer->events.user, tag, &in);
}

/* Offset 0 is gone: what the beginning is, the leader has to say. */
static void begin_where_it_is(struct wr_consumer *consumer,
                              const rd_kafka_message_t *message)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, rd_kafka_topic_name(message->rkt),
                                      message->partition)
        ->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_error_t *error = rd_kafka_incremental_unassign(consumer->rk, list);
    if (!error) {
        error = rd_kafka_incremental_assign(consumer->rk, list);
    }
    rd_kafka_topic_partition_list_destroy(list);
    if (error) {
        struct weir_error err;
        (void)wr_kafka_fail_object(&err, consumer->options, error,
                                   "going to the beginning");
        consumer->events.problem(consumer->events.user, NULL, &err);
    }
}

static void deliver_out_of_range(struct wr_consumer *consumer,
                                 struct wr_place *place,
                                 const rd_kafka_message_t *message)
{
    if (consumer->terminating) {
        return; /* nothing is read any more */
    }
    if (place->guessed) {
        place->guessed = false;
        begin_where_it_is(consumer, message);
    } else {
        consumer->events.out_of_range(consumer->events.user, place->tag);
    }
}

/* Anything but a record; the message is destroyed by the caller. */
static void deliver_event(struct wr_consumer *consumer,
                          const rd_kafka_message_t *message)
{
    const struct wr_consumer_events *events = &consumer->events;
    struct weir_error err;
    struct wr_place *place =
        message->rkt ? place_of(consumer, message->rkt, message->partition)
                     : NULL;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (place) {
            events->end(events->user, place->tag, message->offset);
        }
        return;
    }
    if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
        message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
        if (place) {
            deliver_out_of_range(consumer, place, message);
        }
        return;
    }
    if (message->err == RD_KAFKA_RESP_ERR__FATAL) {
        wr_consumer_tell_fatal(consumer);
        return;
    }
    (void)wr_kafka_fail(&err, consumer->options, (int)message->err,
                        rd_kafka_message_errstr(message), "consuming");
    if (message->rkt) {
        (void)weir_fail_prefix(&err, err.status, "%s partition %d offset %lld",
                               rd_kafka_topic_name(message->rkt),
                               (int)message->partition,
                               (long long)message->offset);
    }
    if (place && err.status == WEIR_E_CORRUPT) {
        consumer->damaged = message->rkt;
        consumer->damaged_partition = message->partition;
    }
    events->problem(events->user, place ? place->tag : NULL, &err);
}

static size_t deliver(struct wr_consumer *consumer, size_t count)
{
    size_t records = 0;
    for (size_t i = 0; i < count; i++) {
        rd_kafka_message_t *message = consumer->batch[i];
        if (message->err) {
            deliver_event(consumer, message);
            rd_kafka_message_destroy(message);
            continue;
        }
        const struct wr_place *place =
            place_of(consumer, message->rkt, message->partition);
        if (!place) {
            rd_kafka_message_destroy(message);
            continue;
        }
        records++;
        deliver_record(consumer, place->tag, message);
    }
    return records;
}

/* Fills the batch from `from` up to `max`; waits for the first message only. */
static size_t take_batch(struct wr_consumer *consumer, int wait_ms, size_t from,
                         size_t max)
{
    bool one_by_one = rd_kafka_version() < BATCHES_ARE_SAFE;
    ssize_t n;
    do {
        n = rd_kafka_consume_batch_queue(consumer->queue, wait_ms,
                                         consumer->batch + from,
                                         one_by_one ? 1 : max - from);
        from += n > 0 ? (size_t)n : 0;
        wait_ms = 0;
    } while (n > 0 && from < max);
    return from;
}

void wr_consumer_poll(struct wr_consumer *consumer, int wait_ms, size_t max,
                      size_t *out_count)
{
    max = max > WR_BATCH_MAX ? WR_BATCH_MAX : max;
    size_t n = take_batch(consumer, 0, 0, max);
    if (n == 0 && wait_ms > 0 && !atomic_exchange(&consumer->woken, false)) {
        n = take_batch(consumer, wait_ms, 0, 1);
        if (n > 0 && n < max) {
            n = take_batch(consumer, 0, n, max);
        }
    }
    nudge(consumer, n);
    *out_count = deliver(consumer, n);
}

void wr_consumer_wake(struct wr_consumer *consumer)
{
    atomic_store(&consumer->woken, true);
    rd_kafka_queue_yield(consumer->queue);
}
