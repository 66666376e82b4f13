/* SPDX-License-Identifier: Apache-2.0
 *
 * See the header. Timing defaults stand here, since they are what makes a
 * worker start fast: librdkafka's own are made for long-lived clients of large
 * clusters, and cost a start several waits of a quarter or half a second.
 *
 * Leaders are asked for every 5 s: librdkafka asks at once when a connection
 * breaks, but a client that is new while a broker is down learns of a leader
 * that it can never reach, and would not ask again for five minutes. */
#include "runtime/kafka_client.h"

#include "base/clock.h"
#include "base/log.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SETTLE_MS 1000

#define REFUSAL_RECENT_MS 30000
/* https://github.com/confluentinc/librdkafka/pull/4895 */
#define SCRAM_MENDED_VERSION 0x02060100

static enum weir_status property_try(rd_kafka_conf_t *conf, const char *name,
                                     const char *value, struct weir_error *err)
{
    char reason[512] = "";
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason)) !=
        RD_KAFKA_CONF_OK) {
        return weir_fail(err, WEIR_E_CONFIG, "%s: %s", name, reason);
    }
    return WEIR_OK;
}

/* Behind a batch whose checksum is wrong librdkafka 2.0 takes the bytes in its
 * middle for the next batch, and fetches at what it takes for that one's
 * offset. The broker's "out of range" then locks the client up for ever if it
 * comes while the client is being destroyed: an operation that is refused by a
 * queue that is gone begins itself anew, under the lock that it holds. A broker
 * answers a connection in order, so whoever has the leader's answer to a later
 * question has had that one. */
void wr_kafka_settle(struct rd_kafka_s *rk, const char *topic,
                     int32_t partition)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = 0;
    (void)rd_kafka_offsets_for_times(rk, list, SETTLE_MS);
    rd_kafka_topic_partition_list_destroy(list);
}

/* What stays behind is an operation that refers to the partition, which refers
 * to its broker; a client is destroyed only when nothing refers to its brokers.
 * The partitions of topics that are known are cleared by librdkafka itself. */
void wr_kafka_end_queue(struct rd_kafka_queue_s *own)
{
    rd_kafka_message_t *left[64];
    ssize_t n = own ? 1 : 0;
    while (n > 0) {
        n = rd_kafka_consume_batch_queue(own, 0, left,
                                         sizeof(left) / sizeof(left[0]));
        for (ssize_t i = 0; i < n; i++) {
            rd_kafka_message_destroy(left[i]);
        }
    }
    if (own) {
        rd_kafka_queue_destroy(own);
    }
}

bool wr_kafka_property_known(const char *name)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char reason[512];
    rd_kafka_conf_res_t res =
        rd_kafka_conf_set(conf, name, NULL, reason, sizeof(reason));
    rd_kafka_conf_destroy(conf);
    return res != RD_KAFKA_CONF_UNKNOWN;
}

enum weir_status wr_kafka_property_check(const char *name, const char *value,
                                         struct weir_error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    enum weir_status status = property_try(conf, name, value, err);
    rd_kafka_conf_destroy(conf);
    return status;
}

static void nearest_of(const char *name, const char **pairs, size_t count,
                       char *out, size_t size)
{
    const char **names = calloc(count / 2 + 1, sizeof(*names));
    if (!names) {
        return;
    }
    for (size_t i = 0; i + 1 < count; i += 2) {
        names[i / 2] = pairs[i];
    }
    const char *near = wr_nearest_name(name, names);
    if (near && !out[0]) {
        (void)snprintf(out, size, "%s", near);
    }
    free(names);
}

void wr_kafka_nearest_property(const char *name, char *out, size_t size)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_topic_conf_t *topic_conf = rd_kafka_topic_conf_new();
    size_t count = 0;
    out[0] = '\0';
    const char **pairs = rd_kafka_conf_dump(conf, &count);
    nearest_of(name, pairs, count, out, size);
    rd_kafka_conf_dump_free(pairs, count);
    pairs = rd_kafka_topic_conf_dump(topic_conf, &count);
    nearest_of(name, pairs, count, out, size);
    rd_kafka_conf_dump_free(pairs, count);
    rd_kafka_topic_conf_destroy(topic_conf);
    rd_kafka_conf_destroy(conf);
}

/* ---- configuration ------------------------------------------------------ */

static const struct wr_client_setting every_client[] = {
    {"topic.metadata.refresh.fast.interval.ms", "20"},
    {"topic.metadata.refresh.interval.ms", "5000"},
    {"reconnect.backoff.ms", "20"},
    {"reconnect.backoff.max.ms", "1000"},
    {"socket.nagle.disable", "true"},
    {"broker.address.ttl", "5000"},
    {"retry.backoff.ms", "20"},
    {"check.crcs", "true"}, /* as Java's clients: damage is not data */
    {NULL, NULL}};

/* Why brokers refuse this process's clients: a call that waits for them only
 * says that time ran out, and librdkafka tells the reason to its log alone
 * while nobody polls the client. */
static struct {
    pthread_mutex_t lock;
    int64_t at_ms; /* 0: never */
    char text[300];
} refusal = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note_refusal(const char *text)
{
    static const char *const reasons[] = {"SASL authentication error",
                                          "SASL SCRAM",
                                          "SASL PLAIN",
                                          "SSL handshake failed",
                                          "certificate verify failed",
                                          "security.protocol",
                                          NULL};
    const char *found = NULL;
    for (size_t i = 0; reasons[i] && !found; i++) {
        found = strstr(text, reasons[i]);
    }
    if (found && !strstr(text, "handle destroyed")) {
        const char *end = strstr(found, " (after ");
        (void)pthread_mutex_lock(&refusal.lock);
        (void)snprintf(refusal.text, sizeof(refusal.text), "%.*s",
                       end ? (int)(end - found) : (int)strlen(found), found);
        refusal.at_ms = wr_mono_ms();
        (void)pthread_mutex_unlock(&refusal.lock);
    }
}

/* Copies the reason of a refusal of late; false: there was none. */
static bool recent_refusal(char *out, size_t size)
{
    (void)pthread_mutex_lock(&refusal.lock);
    bool recent =
        refusal.at_ms > 0 && wr_mono_ms() - refusal.at_ms < REFUSAL_RECENT_MS;
    (void)snprintf(out, size, "%s", recent ? refusal.text : "");
    (void)pthread_mutex_unlock(&refusal.lock);
    return recent;
}

/* syslog's levels: 3 and below are errors of a client that goes on, which is a
 * warning to us; what stops the application is reported by the caller. */
void wr_kafka_log(const rd_kafka_t *client, int level, const char *facility,
                  const char *text)
{
    if (strcmp(facility, "CONFWARN") == 0) {
        return; /* a bare name goes to clients of every kind */
    }
    note_refusal(text);
    wr_log(level <= 3 ? WR_WARN : WR_DEBUG, "kafka", facility, "client=%s %s",
           rd_kafka_name(client), text);
}

int wr_kafka_refusal(const char *facility, const char *text)
{
    static const char before[] = "encountered error: ";
    static const char behind[] = " (actions";
    const char *reason = strstr(text, before);
    if (strcmp(facility, "MSGSET") != 0 || !reason) {
        return 0;
    }
    reason += sizeof(before) - 1;
    const struct rd_kafka_err_desc *rows = NULL;
    size_t count = 0;
    rd_kafka_get_err_descs(&rows, &count);
    for (size_t i = 0; i < count; i++) {
        size_t n = rows[i].desc ? strlen(rows[i].desc) : 0;
        if (n > 0 && rows[i].code > 0 &&
            strncmp(reason, rows[i].desc, n) == 0 &&
            strncmp(reason + n, behind, sizeof(behind) - 1) == 0) {
            return (int)rows[i].code;
        }
    }
    return 0;
}

static enum weir_status set_all(rd_kafka_conf_t *conf,
                                const struct wr_client_setting *settings,
                                struct weir_error *err)
{
    enum weir_status status = WEIR_OK;
    for (; settings && settings->name && status == WEIR_OK; settings++) {
        status = property_try(conf, settings->name, settings->value, err);
    }
    return status;
}

/* Bare names first, so that prefixed ones win whatever the order. */
static enum weir_status set_from_options(rd_kafka_conf_t *conf,
                                         const struct wr_client_spec *spec,
                                         struct weir_error *err)
{
    enum weir_status status = WEIR_OK;
    for (int prefixed = 0; prefixed < 2; prefixed++) {
        size_t cursor = 0;
        const char *name;
        const char *value;
        while (status == WEIR_OK &&
               wr_options_next(spec->options, &cursor, &name, &value)) {
            const char *bare = wr_config_client_property(name, spec->kind);
            if (bare && (bare != name) == prefixed) {
                status = property_try(conf, bare, value, err);
            }
        }
    }
    return status;
}

enum weir_status wr_client_conf(const struct wr_client_spec *spec,
                                rd_kafka_conf_t **out, struct weir_error *err)
{
    const char *servers = wr_options_text(spec->options, "bootstrap.servers");
    const struct wr_client_setting own[] = {
        {"bootstrap.servers", servers ? servers : ""},
        {"client.id", spec->client_id},
        {NULL, NULL}};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, wr_kafka_log);
    rd_kafka_conf_set_opaque(conf, spec->opaque);
    enum weir_status status = set_all(conf, every_client, err);
    if (status == WEIR_OK &&
        wr_kafka_property_known("fetch.queue.backoff.ms")) {
        status = property_try(conf, "fetch.queue.backoff.ms", "1", err);
    }
    if (status == WEIR_OK) {
        status = set_all(conf, spec->defaults, err);
    }
    if (status == WEIR_OK) {
        status = set_from_options(conf, spec, err);
    }
    if (status == WEIR_OK) {
        status = set_all(conf, own, err);
    }
    if (status == WEIR_OK) {
        status = set_all(conf, spec->forced, err);
    }
    if (status != WEIR_OK) {
        rd_kafka_conf_destroy(conf);
        return status;
    }
    *out = conf;
    return WEIR_OK;
}

/* ---- errors ------------------------------------------------------------- */

/* What passes by itself once brokers are back or have elected a leader. */
static bool is_unreachable(rd_kafka_resp_err_t code)
{
    static const rd_kafka_resp_err_t codes[] = {
        RD_KAFKA_RESP_ERR__TRANSPORT,
        RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
        RD_KAFKA_RESP_ERR__RESOLVE,
        RD_KAFKA_RESP_ERR__WAIT_COORD,
        RD_KAFKA_RESP_ERR__NODE_UPDATE,
        RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION,
        RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
        RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
        RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_NOT_CONTROLLER};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i] == code) {
            return true;
        }
    }
    return false;
}

static bool is_forbidden(rd_kafka_resp_err_t code)
{
    static const rd_kafka_resp_err_t codes[] = {
        RD_KAFKA_RESP_ERR__AUTHENTICATION,
        RD_KAFKA_RESP_ERR__SSL,
        RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED,
        RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM,
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i] == code) {
            return true;
        }
    }
    return false;
}

enum weir_status wr_kafka_status(int code)
{
    struct row {
        rd_kafka_resp_err_t code;
        enum weir_status status;
    };
    static const struct row rows[] = {
        {RD_KAFKA_RESP_ERR_NO_ERROR, WEIR_OK},
        {RD_KAFKA_RESP_ERR__TIMED_OUT, WEIR_E_TIMEOUT},
        {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, WEIR_E_TIMEOUT},
        {RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE, WEIR_E_TIMEOUT},
        {RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, WEIR_E_TIMEOUT},
        {RD_KAFKA_RESP_ERR__QUEUE_FULL, WEIR_E_AGAIN},
        {RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS, WEIR_E_AGAIN},
        {RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, WEIR_E_AGAIN},
        {RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT, WEIR_E_AGAIN},
        {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, WEIR_E_NOTFOUND},
        {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, WEIR_E_NOTFOUND},
        {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, WEIR_E_NOTFOUND},
        {RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS, WEIR_E_EXISTS},
        {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, WEIR_E_TOOBIG},
        {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, WEIR_E_TOOBIG},
        {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, WEIR_E_DECODE},
        {RD_KAFKA_RESP_ERR_INVALID_RECORD, WEIR_E_DECODE},
        {RD_KAFKA_RESP_ERR__BAD_MSG, WEIR_E_CORRUPT},
        {RD_KAFKA_RESP_ERR__BAD_COMPRESSION, WEIR_E_CORRUPT},
        {RD_KAFKA_RESP_ERR_INVALID_MSG, WEIR_E_CORRUPT},
        {RD_KAFKA_RESP_ERR__FENCED, WEIR_E_FENCED},
        {RD_KAFKA_RESP_ERR_PRODUCER_FENCED, WEIR_E_FENCED},
        {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, WEIR_E_FENCED},
        {RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, WEIR_E_EXISTS},
        {RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, WEIR_E_FENCED},
        {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, WEIR_E_FENCED},
        {RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, WEIR_E_AGAIN},
        {RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED, WEIR_E_FENCED}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if ((int)rows[i].code == code) {
            return rows[i].status;
        }
    }
    return is_unreachable((rd_kafka_resp_err_t)code) ? WEIR_E_UNREACHABLE
                                                     : WEIR_E_KAFKA;
}

/* What to say of a call that nobody answered in time. */
static enum weir_status fail_waiting(struct weir_error *err,
                                     enum weir_status status,
                                     const char *servers, const char *reason,
                                     const char *doing)
{
    char refused[sizeof(refusal.text)];
    if (recent_refusal(refused, sizeof(refused))) {
        bool scram = strstr(refused, "SCRAM") != NULL &&
                     rd_kafka_version() < SCRAM_MENDED_VERSION;
        return weir_fail(
            err, status,
            "%s: the broker at %s refuses this client (%s); check "
            "security.protocol, ssl.ca.location, sasl.mechanism, sasl.username "
            "and sasl.password%s%s%s",
            doing, servers, refused,
            scram ? "; Apache Kafka 4 refuses even right ones by SCRAM from "
                    "librdkafka before 2.6.1, and this is "
                  : "",
            scram ? rd_kafka_version_str() : "",
            scram ? ": use PLAIN over TLS, or a newer one" : "");
    }
    return weir_fail(err, status,
                     "%s: no answer from %s (%s); is a broker running there "
                     "and bootstrap.servers right?",
                     doing, servers, reason);
}

enum weir_status wr_kafka_fail(struct weir_error *err,
                               const struct wr_options *options, int code,
                               const char *reason, const char *doing)
{
    enum weir_status status = wr_kafka_status(code);
    const char *text = rd_kafka_err2str((rd_kafka_resp_err_t)code);
    const char *servers = wr_options_text(options, "bootstrap.servers");
    if (!reason || !*reason) {
        reason = text;
    }
    bool waited = status == WEIR_E_UNREACHABLE || status == WEIR_E_TIMEOUT;
    if (waited && code > 0) { /* a broker's own words */
        return weir_fail(err, status,
                         "%s: the broker at %s cannot do it yet (%s); are all "
                         "brokers and replicas up?",
                         doing, servers ? servers : "?", reason);
    }
    if (waited) {
        return fail_waiting(err, status, servers ? servers : "the broker",
                            reason, doing);
    }
    if (is_forbidden((rd_kafka_resp_err_t)code)) {
        return weir_fail(err, status,
                         "%s: the broker at %s does not permit it (%s); check "
                         "security.protocol, the credentials and the ACLs",
                         doing, servers ? servers : "?", reason);
    }
    if (status == WEIR_E_CORRUPT) {
        return weir_fail(err, status,
                         "%s: %s; what the broker keeps there is damaged: see "
                         "its log, put the file back from a copy, or read on "
                         "behind that place",
                         doing, reason);
    }
    return weir_fail(err, status, "%s: %s", doing, reason);
}

enum weir_status wr_kafka_fail_object(struct weir_error *err,
                                      const struct wr_options *options,
                                      rd_kafka_error_t *error,
                                      const char *doing)
{
    if (!error) {
        return WEIR_OK;
    }
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    enum weir_status status = wr_kafka_fail(
        err, options, (int)code, rd_kafka_error_string(error), doing);
    if (rd_kafka_error_txn_requires_abort(error)) {
        status = WEIR_E_ABORT_TXN;
    } else if (rd_kafka_error_is_fatal(error) && !is_forbidden(code)) {
        status = WEIR_E_FENCED;
    }
    if (err) {
        err->status = status;
    }
    rd_kafka_error_destroy(error);
    return status;
}
