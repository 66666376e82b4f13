/* SPDX-License-Identifier: Apache-2.0
 *
 * librdkafka's producer behind our collector.
 *
 * Delivery reports are always on, as callbacks: without them librdkafka's flush
 * sleeps in steps of 10 ms, and a record that failed for good would vanish in
 * silence. They also give the offsets of changelog records, which is what a
 * store notes next to its data: the slot of a record travels as its opaque
 * pointer.
 *
 * Records go through rd_kafka_produceva, about 1 us each; the batch call is
 * half of that but has neither timestamps nor headers.
 *
 * Back-pressure: librdkafka's queue is bounded; when it is full, send serves
 * reports until there is room. The thread consumes nothing meanwhile. */
#include "runtime/kafka_producer.h"

#include "base/clock.h"
#include "base/log.h"
#include "runtime/kafka_client.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

#define TOPIC_COUNT_MAX     100000
#define METADATA_TIMEOUT_MS 5000
#define QUEUE_FULL_WAIT_MS  50
#define QUEUE_FULL_MAX_MS   120000
#define TXN_CALL_TIMEOUT_MS 30000
#define FLUSH_SLICE_MS      100 /* between looks at the transaction */
#define TAG_SLOT_BITS       24 /* of a record's tag; the epoch has the others */
/* a transaction may last this much longer than the commit interval */
#define TXN_TIMEOUT_SPARE_MS 10000

struct out_topic {
    char *name; /* owned */
    rd_kafka_topic_t *rkt;
    int32_t partition_count;
};

struct wr_producer {
    struct wr_collector collector; /* first: the collector is the producer */
    rd_kafka_t *rk;
    const struct wr_options *options; /* lent */
    wr_partition_count_fn partition_count;
    void *user;
    struct out_topic *topics; /* a handle is an index */
    size_t topic_count;
    int64_t *slots; /* by changelog slot: last acknowledged offset */
    size_t slot_count;
    struct wr_metric *dropped; /* may be NULL */
    bool transactional;
    bool drop_refused; /* production.exception.handler=continue */
    bool in_transaction;
    uintptr_t epoch; /* of what is sent now; an abort begins the next one */
    struct weir_error failure; /* first failed delivery since the last abort;
                                  status OK: none */
};

/* ---- delivery reports --------------------------------------------------- */

/* What travels with a record: its changelog slot plus one (0: none), and the
 * epoch in which it was sent. */
static uintptr_t tag_of(const struct wr_producer *producer, int32_t slot)
{
    return producer->epoch << TAG_SLOT_BITS | (uintptr_t)(slot + 1);
}

static size_t tag_slot(uintptr_t tag)
{
    return tag & (((uintptr_t)1 << TAG_SLOT_BITS) - 1);
}

/* A record of before the last abort: nothing depends on it any more. */
static bool tag_is_old(const struct wr_producer *producer, uintptr_t tag)
{
    return tag >> TAG_SLOT_BITS !=
           (producer->epoch << TAG_SLOT_BITS) >> TAG_SLOT_BITS;
}

/* Whether a refused record is left out instead of failing the task; a changelog
 * record (slot >= 0) never is, since the store already has its change. */
static bool drop(struct wr_producer *producer, enum weir_status status,
                 int32_t slot, const char *topic)
{
    if (!producer->drop_refused || slot >= 0 ||
        weir_status_class(status) != WEIR_CLASS_SKIP) {
        return false;
    }
    wr_log(WR_WARN, "producer", "record-dropped", "topic=%s reason=\"%s\"",
           topic, weir_status_text(status));
    if (producer->dropped) {
        wr_metric_add(producer->dropped, 1);
    }
    return true;
}

/* Why a record was not taken, with what helps to find it. */
static void tell_failure(struct wr_producer *producer,
                         const rd_kafka_message_t *message)
{
    const char *topic = rd_kafka_topic_name(message->rkt);
    (void)wr_kafka_fail(&producer->failure, producer->options,
                        (int)message->err, NULL, "producing");
    enum weir_status status = producer->failure.status;
    if (message->err == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP) {
        (void)weir_fail(&producer->failure, status,
                        "the broker refuses the time of a record as too far "
                        "from now: see what sets it, and "
                        "message.timestamp.before.max.ms and "
                        "message.timestamp.after.max.ms of the topic");
    } else if (message->err == RD_KAFKA_RESP_ERR_INVALID_RECORD) {
        (void)weir_fail(&producer->failure, status,
                        "the broker refuses a record as unfit (%s): a record "
                        "without key in a compacted topic, for instance",
                        rd_kafka_err2str(message->err));
    }
    /* trying again writes nothing: the record is gone, and with it what it
     * was made from has to be done again */
    if (!producer->transactional &&
        weir_status_class(status) == WEIR_CLASS_RETRY) {
        status = WEIR_E_ABORT_TXN;
    }
    (void)weir_fail_prefix(&producer->failure, status, "%s partition %d", topic,
                           (int)message->partition);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message,
                        void *opaque)
{
    (void)rk;
    struct wr_producer *producer = opaque;
    uintptr_t tag = (uintptr_t)message->_private;
    size_t slot = tag_slot(tag);
    if (tag_is_old(producer, tag)) {
        return;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (message->err != RD_KAFKA_RESP_ERR__PURGE_QUEUE &&
            message->err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT &&
            producer->failure.status == WEIR_OK &&
            (producer->transactional || /* its transaction is lost */
             !drop(producer, wr_kafka_status((int)message->err),
                   (int32_t)slot - 1, rd_kafka_topic_name(message->rkt)))) {
            tell_failure(producer, message);
        }
        return;
    }
    if (slot > 0 && slot <= producer->slot_count &&
        message->offset > producer->slots[slot - 1]) {
        producer->slots[slot - 1] = message->offset;
    }
}

/* ---- life --------------------------------------------------------------- */

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    (void)opaque; /* fatal errors come out of the next transactional call */
    wr_log(WR_DEBUG, "kafka", "producer", "client=%s code=%d reason=\"%s\"",
           rd_kafka_name(rk), code, reason);
}

static enum weir_status collector_topic(struct wr_collector *collector,
                                        const char *name, int32_t *out_topic,
                                        int32_t *out_partition_count,
                                        struct weir_error *err);
static enum weir_status collector_send(struct wr_collector *collector,
                                       const struct wr_output *output,
                                       struct weir_error *err);

static enum weir_status producer_conf(const struct wr_producer_spec *spec,
                                      struct wr_producer *producer,
                                      rd_kafka_conf_t **out,
                                      struct weir_error *err)
{
    char timeout[32];
    int64_t interval_ms = wr_config_commit_interval_ms(spec->options);
    (void)snprintf(timeout, sizeof(timeout), "%lld",
                   (long long)interval_ms + TXN_TIMEOUT_SPARE_MS);
    static const struct wr_client_setting defaults[] = {
        {"linger.ms", "5"},
        {"enable.idempotence", "true"},
        {"delivery.timeout.ms", "120000"},
        {"queue.buffering.max.messages", "40000"},
        {"queue.buffering.max.kbytes", "32768"},
        {NULL, NULL}};
    /* an idempotent producer may not time a record out before its transaction
     */
    const struct wr_client_setting transactional_defaults[] = {
        {"linger.ms", "5"},
        {"transaction.timeout.ms", timeout},
        {"queue.buffering.max.messages", "40000"},
        {"queue.buffering.max.kbytes", "32768"},
        {NULL, NULL}};
    const struct wr_client_setting forced[] = {
        {spec->transactional_id ? "transactional.id" : NULL,
         spec->transactional_id},
        {NULL, NULL}};
    struct wr_client_spec client = {
        .kind = WR_CLIENT_PRODUCER,
        .options = spec->options,
        .client_id = spec->client_id,
        .defaults = spec->transactional_id ? transactional_defaults : defaults,
        .forced = forced,
        .opaque = producer};
    enum weir_status status = wr_client_conf(&client, out, err);
    if (status == WEIR_OK) {
        rd_kafka_conf_set_dr_msg_cb(*out, on_delivery);
        rd_kafka_conf_set_error_cb(*out, on_error);
    }
    return status;
}

enum weir_status wr_producer_new(const struct wr_producer_spec *spec,
                                 struct wr_producer **out,
                                 struct weir_error *err)
{
    struct wr_producer *producer = calloc(1, sizeof(*producer));
    rd_kafka_conf_t *conf = NULL;
    char reason[512] = "";
    if (!producer) {
        return weir_fail(err, WEIR_E_NOMEM, "producer: out of memory");
    }
    producer->collector.topic = collector_topic;
    producer->collector.send = collector_send;
    producer->options = spec->options;
    producer->partition_count = spec->partition_count;
    producer->user = spec->user;
    producer->transactional = spec->transactional_id != NULL;
    producer->dropped = spec->dropped;
    const char *handler =
        wr_options_text(spec->options, "production.exception.handler");
    producer->drop_refused = handler && strcmp(handler, "continue") == 0;
    enum weir_status status = producer_conf(spec, producer, &conf, err);
    if (status != WEIR_OK) {
        free(producer);
        return status;
    }
    producer->rk =
        rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    if (!producer->rk) {
        rd_kafka_conf_destroy(conf);
        free(producer);
        return weir_fail(err, WEIR_E_CONFIG, "producer: %s", reason);
    }
    *out = producer;
    return WEIR_OK;
}

void wr_producer_free(struct wr_producer *producer)
{
    if (!producer) {
        return;
    }
    rd_kafka_resp_err_t code = rd_kafka_purge(
        producer->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)rd_kafka_flush(producer->rk, 100); /* serves the reports */
    }
    for (size_t i = 0; i < producer->topic_count; i++) {
        rd_kafka_topic_destroy(producer->topics[i].rkt);
        free(producer->topics[i].name);
    }
    rd_kafka_destroy(producer->rk);
    free(producer->topics);
    free(producer->slots);
    free(producer);
}

enum weir_status wr_producer_init(struct wr_producer *producer, int timeout_ms,
                                  struct weir_error *err)
{
    if (!producer->transactional) {
        return WEIR_OK;
    }
    return wr_kafka_fail_object(
        err, producer->options,
        rd_kafka_init_transactions(producer->rk, timeout_ms),
        "registering the transactional id");
}

struct wr_collector *wr_producer_collector(struct wr_producer *producer)
{
    return &producer->collector;
}

/* ---- changelog slots ---------------------------------------------------- */

enum weir_status wr_producer_slots(struct wr_producer *producer, size_t count)
{
    if (count <= producer->slot_count) {
        return WEIR_OK;
    }
    if (count >= (size_t)1 << TAG_SLOT_BITS) {
        return WEIR_E_TOOBIG;
    }
    int64_t *slots = realloc(producer->slots, count * sizeof(*slots));
    if (!slots) {
        return WEIR_E_NOMEM;
    }
    producer->slots = slots;
    size_t from = producer->slot_count;
    producer->slot_count = count;
    wr_producer_slots_clear(producer, from, count - from);
    return WEIR_OK;
}

const int64_t *wr_producer_slot_offsets(const struct wr_producer *producer)
{
    return producer->slots;
}

void wr_producer_slots_clear(struct wr_producer *producer, size_t from,
                             size_t count)
{
    for (size_t i = from; i < from + count && i < producer->slot_count; i++) {
        producer->slots[i] = -1;
    }
}

/* ---- topics ------------------------------------------------------------- */

/* Asks the broker, which creates the topic where it is set to. */
static int32_t ask_partition_count(struct wr_producer *producer,
                                   rd_kafka_topic_t *rkt)
{
    int64_t until = wr_mono_ms() + METADATA_TIMEOUT_MS;
    int32_t count = -1;
    do {
        const struct rd_kafka_metadata *metadata = NULL;
        if (rd_kafka_metadata(producer->rk, 0, rkt, &metadata,
                              METADATA_TIMEOUT_MS) !=
            RD_KAFKA_RESP_ERR_NO_ERROR) {
            continue;
        }
        if (metadata->topic_cnt == 1 &&
            metadata->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR &&
            metadata->topics[0].partition_cnt > 0) {
            count = metadata->topics[0].partition_cnt;
        }
        rd_kafka_metadata_destroy(metadata);
        if (count < 0) {
            (void)rd_kafka_poll(producer->rk, 50);
        }
    } while (count < 0 && wr_mono_ms() < until);
    return count;
}

static enum weir_status add_topic(struct wr_producer *producer,
                                  const char *name, struct weir_error *err)
{
    struct out_topic *topics = realloc(
        producer->topics, (producer->topic_count + 1) * sizeof(*topics));
    char *copy = strdup(name);
    if (topics) {
        producer->topics = topics;
    }
    if (!topics || !copy || producer->topic_count == TOPIC_COUNT_MAX) {
        free(copy);
        return weir_fail(err, WEIR_E_NOMEM, "topic %s: out of memory", name);
    }
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(producer->rk, name, NULL);
    int32_t count = rkt && producer->partition_count
                        ? producer->partition_count(producer->user, name)
                        : -1;
    if (rkt && count < 0) {
        count = ask_partition_count(producer, rkt);
    }
    if (count < 0) {
        if (rkt) {
            rd_kafka_topic_destroy(rkt);
        }
        free(copy);
        return weir_fail(err, WEIR_E_NOTFOUND,
                         "output topic '%s' does not exist and the broker does "
                         "not create it by itself: create it with `weir topic "
                         "create %s`",
                         name, name);
    }
    topics[producer->topic_count++] = (struct out_topic){copy, rkt, count};
    return WEIR_OK;
}

static enum weir_status collector_topic(struct wr_collector *collector,
                                        const char *name, int32_t *out_topic,
                                        int32_t *out_partition_count,
                                        struct weir_error *err)
{
    struct wr_producer *producer = (struct wr_producer *)collector;
    size_t i = 0;
    while (i < producer->topic_count &&
           strcmp(producer->topics[i].name, name) != 0) {
        i++;
    }
    if (i == producer->topic_count) {
        enum weir_status status = add_topic(producer, name, err);
        if (status != WEIR_OK) {
            return status;
        }
    }
    *out_topic = (int32_t)i;
    *out_partition_count = producer->topics[i].partition_count;
    return WEIR_OK;
}

/* ---- sending ------------------------------------------------------------ */

static enum weir_status ensure_transaction(struct wr_producer *producer,
                                           struct weir_error *err)
{
    if (!producer->transactional || producer->in_transaction) {
        return WEIR_OK;
    }
    enum weir_status status = wr_kafka_fail_object(
        err, producer->options, rd_kafka_begin_transaction(producer->rk),
        "beginning a transaction");
    producer->in_transaction = status == WEIR_OK;
    return status;
}

static rd_kafka_headers_t *copy_headers(const struct wr_output *output)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(output->header_count);
    for (size_t i = 0; headers && i < output->header_count; i++) {
        const struct weir_header *h = &output->headers[i];
        if (rd_kafka_header_add(headers, (const char *)h->key.data,
                                (ssize_t)h->key.len, h->value.data,
                                (ssize_t)h->value.len) !=
            RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_headers_destroy(headers);
            return NULL;
        }
    }
    return headers;
}

/* librdkafka takes time 0 for "none given" and writes the time of day, which
 * would carry the stream time of whoever reads it away: the nearest time that
 * it can carry is a millisecond later. */
static int64_t wire_time_ms(int64_t timestamp_ms)
{
    return timestamp_ms == 0 ? 1 : timestamp_ms;
}

/* One try; the error object is the caller's. */
static rd_kafka_error_t *produce(struct wr_producer *producer,
                                 const struct wr_output *output,
                                 rd_kafka_headers_t *headers)
{
    rd_kafka_vu_t vus[8];
    size_t n = 0;
    vus[n].vtype = RD_KAFKA_VTYPE_RKT;
    vus[n++].u.rkt = producer->topics[output->topic].rkt;
    vus[n].vtype = RD_KAFKA_VTYPE_PARTITION;
    vus[n++].u.i32 = output->partition;
    vus[n].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    vus[n++].u.i = RD_KAFKA_MSG_F_COPY;
    vus[n].vtype = RD_KAFKA_VTYPE_KEY;
    vus[n].u.mem.ptr = (void *)(uintptr_t)output->key.data;
    vus[n++].u.mem.size = output->key.len;
    vus[n].vtype = RD_KAFKA_VTYPE_VALUE;
    vus[n].u.mem.ptr = (void *)(uintptr_t)output->value.data;
    vus[n++].u.mem.size = output->value.len;
    vus[n].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
    vus[n++].u.i64 = wire_time_ms(output->timestamp_ms);
    vus[n].vtype = RD_KAFKA_VTYPE_OPAQUE;
    vus[n++].u.ptr = (void *)tag_of(producer, output->changelog_slot);
    if (headers) {
        vus[n].vtype = RD_KAFKA_VTYPE_HEADERS;
        vus[n++].u.headers = headers;
    }
    return rd_kafka_produceva(producer->rk, vus, n);
}

/* A delivery that failed says more than the call of the transaction after it; a
 * record that the broker refuses would be refused again after an abort. */
static enum weir_status tell_why(const struct wr_producer *producer,
                                 enum weir_status status,
                                 struct weir_error *err)
{
    if (status == WEIR_OK || producer->failure.status == WEIR_OK || !err) {
        return status;
    }
    *err = producer->failure;
    if (weir_status_class(err->status) != WEIR_CLASS_SKIP) {
        err->status = status;
    }
    return err->status;
}

/* What ended the transaction, if something did. librdkafka holds the records
 * of such a one back, so that waiting for them would not end, and tells only
 * calls of transactions. Beginning another one, of all calls, changes nothing:
 * it is refused either way. */
static enum weir_status transaction_status(struct wr_producer *producer,
                                           struct weir_error *err)
{
    rd_kafka_error_t *error = producer->in_transaction
                                  ? rd_kafka_begin_transaction(producer->rk)
                                  : NULL;
    if (error && !rd_kafka_error_is_fatal(error) &&
        !rd_kafka_error_txn_requires_abort(error)) {
        rd_kafka_error_destroy(error);
        error = NULL;
    }
    enum weir_status status = wr_kafka_fail_object(
        err, producer->options, error, "waiting for produced records");
    return tell_why(producer, status, err);
}

static enum weir_status send_failed(struct wr_producer *producer,
                                    const struct wr_output *output,
                                    rd_kafka_error_t *error,
                                    struct weir_error *err)
{
    bool too_big =
        rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    const char *topic = producer->topics[output->topic].name;
    enum weir_status status =
        wr_kafka_fail_object(err, producer->options, error, "producing");
    struct weir_error why;
    if (transaction_status(producer, &why) != WEIR_OK) {
        /* a call is refused because of what ended the transaction before it */
        if (err) {
            *err = why;
        }
        return why.status;
    }
    if (too_big &&
        drop(producer, WEIR_E_TOOBIG, output->changelog_slot, topic)) {
        return WEIR_OK;
    }
    if (too_big) {
        return weir_fail(err, WEIR_E_TOOBIG,
                         "%s partition %d: a record of %zu bytes is larger "
                         "than message.max.bytes of the producer; raise it, "
                         "and the topic's, or set "
                         "production.exception.handler=continue",
                         topic, (int)output->partition,
                         output->key.len + output->value.len);
    }
    return weir_fail_prefix(err, status, "%s partition %d", topic,
                            (int)output->partition);
}

/* The slow part of send: headers, a full queue, failures. */
static enum weir_status send_patiently(struct wr_producer *producer,
                                       const struct wr_output *output,
                                       rd_kafka_error_t *error,
                                       rd_kafka_headers_t *headers,
                                       struct weir_error *err)
{
    int64_t until = wr_mono_ms() + QUEUE_FULL_MAX_MS;
    while (error &&
           rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL &&
           wr_mono_ms() < until) {
        rd_kafka_error_destroy(error);
        (void)rd_kafka_poll(producer->rk, QUEUE_FULL_WAIT_MS);
        error = produce(producer, output, headers);
    }
    if (!error) {
        return WEIR_OK;
    }
    if (headers) {
        rd_kafka_headers_destroy(headers);
    }
    return send_failed(producer, output, error, err);
}

static enum weir_status collector_send(struct wr_collector *collector,
                                       const struct wr_output *output,
                                       struct weir_error *err)
{
    struct wr_producer *producer = (struct wr_producer *)collector;
    enum weir_status status = ensure_transaction(producer, err);
    if (status != WEIR_OK) {
        return status;
    }
    rd_kafka_headers_t *headers = NULL;
    if (output->header_count > 0) {
        headers = copy_headers(output);
        if (!headers) {
            return weir_fail(err, WEIR_E_NOMEM, "headers: out of memory");
        }
    }
    rd_kafka_error_t *error = produce(producer, output, headers);
    return error ? send_patiently(producer, output, error, headers, err)
                 : WEIR_OK;
}

enum weir_status wr_producer_poll(struct wr_producer *producer,
                                  struct weir_error *err)
{
    (void)rd_kafka_poll(producer->rk, 0);
    enum weir_status status = producer->failure.status;
    if (status == WEIR_OK || producer->transactional) {
        return WEIR_OK;
    }
    if (err) {
        *err = producer->failure;
    }
    return status;
}

enum weir_status wr_producer_flush(struct wr_producer *producer, int timeout_ms,
                                   struct weir_error *err)
{
    rd_kafka_resp_err_t code;
    do {
        int slice = timeout_ms < FLUSH_SLICE_MS ? timeout_ms : FLUSH_SLICE_MS;
        code = rd_kafka_flush(producer->rk, slice);
        timeout_ms -= slice;
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            enum weir_status status = transaction_status(producer, err);
            if (status != WEIR_OK) {
                return status;
            }
        }
    } while (code == RD_KAFKA_RESP_ERR__TIMED_OUT && timeout_ms > 0);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return wr_kafka_fail(err, producer->options, (int)code, NULL,
                             "waiting for produced records");
    }
    return wr_producer_poll(producer, err);
}

/* ---- transactions ------------------------------------------------------- */

bool wr_producer_in_transaction(const struct wr_producer *producer)
{
    return producer->in_transaction;
}

enum weir_status
wr_producer_send_offsets(struct wr_producer *producer,
                         const struct wr_partition *partitions, size_t count,
                         const rd_kafka_consumer_group_metadata_t *membership,
                         struct weir_error *err)
{
    enum weir_status status = ensure_transaction(producer, err);
    if (status != WEIR_OK) {
        return status;
    }
    rd_kafka_topic_partition_list_t *list =
        wr_partition_list(partitions, count);
    rd_kafka_error_t *error = rd_kafka_send_offsets_to_transaction(
        producer->rk, list, membership, TXN_CALL_TIMEOUT_MS);
    rd_kafka_topic_partition_list_destroy(list);
    status = wr_kafka_fail_object(err, producer->options, error,
                                  "adding offsets to the transaction");
    return tell_why(producer, status, err);
}

enum weir_status wr_producer_commit(struct wr_producer *producer,
                                    struct weir_error *err)
{
    enum weir_status status = wr_kafka_fail_object(
        err, producer->options,
        rd_kafka_commit_transaction(producer->rk, TXN_CALL_TIMEOUT_MS),
        "committing the transaction");
    if (status == WEIR_OK) {
        producer->in_transaction = false;
    }
    return tell_why(producer, status, err);
}

enum weir_status wr_producer_abort(struct wr_producer *producer,
                                   struct weir_error *err)
{
    enum weir_status status = WEIR_OK;
    if (producer->in_transaction) {
        status = wr_kafka_fail_object(
            err, producer->options,
            rd_kafka_abort_transaction(producer->rk, TXN_CALL_TIMEOUT_MS),
            "aborting the transaction");
    }
    if (status == WEIR_OK) {
        producer->in_transaction = false;
        producer->failure.status = WEIR_OK;
        producer->epoch++;
    }
    return status;
}
