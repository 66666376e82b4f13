/* SPDX-License-Identifier: Apache-2.0
 *
 * Every name that a configuration may hold passes `guard` once, before it is
 * kept. In this order: names that weir decides itself are refused with the
 * reason; Kafka Streams' names that mean nothing without a JVM are refused with
 * what to use instead; the rows of the table are checked by their type; names
 * with a client's prefix, and bare names that librdkafka knows, are tried on a
 * scratch librdkafka configuration; the rest is unknown, and the nearest name
 * is offered.
 *
 * A name is never silently ignored: an option that does nothing is worse than
 * one that is missing. */
#include "runtime/config.h"

#include "base/log.h"
#include "runtime/kafka_client.h"

#include <stdio.h>
#include <stdlib.h>

#define DAY_MS   INT64_C(86400000)
#define GIB      (INT64_C(1) << 30)
#define HANDLERS "fail|continue"

static const struct wr_option config_rows[] = {
    {"application.id", WR_OPT_TEXT, NULL, 0, 0, NULL,
     "Name of the application: its consumer group, and the prefix of its "
     "internal topics and state."},
    {"bootstrap.servers", WR_OPT_TEXT, NULL, 0, 0, NULL,
     "Brokers to begin with, as host:port,host:port."},
    {"processing.guarantee", WR_OPT_CHOICE, "at_least_once", 0, 0,
     "at_least_once|exactly_once_v2",
     "What a failure may do to results: repeat some, or nothing at all."},
    {"num.stream.threads", WR_OPT_INT, "1", 1, 1000, NULL,
     "Threads of this process that run tasks."},
    {"commit.interval.ms", WR_OPT_DURATION, NULL, 0, DAY_MS, NULL,
     "Longest time between commits; 100 with exactly_once_v2, else 30000. A "
     "thread also commits when its input runs dry."},
    {"statestore.cache.max.bytes", WR_OPT_SIZE, "10m", 0, 64 * GIB, NULL,
     "Changes that caching stores hold back, over all threads, before they "
     "go to the changelog and downstream."},
    {"statestore.uncommitted.max.bytes", WR_OPT_SIZE, "64m", 65536, 64 * GIB,
     NULL, "Uncommitted state of a task that makes it commit early."},
    {"state.dir", WR_OPT_TEXT, "/tmp/weir", 0, 0, NULL,
     "Folder for local state; a copy of the changelogs, rebuilt when lost."},
    {"max.task.idle.ms", WR_OPT_DURATION, "0", -1, DAY_MS, NULL,
     "How long a task with several inputs waits for an empty one that the "
     "broker may still fill: -1 never, 0 while it is known to hold more."},
    {"buffered.records.per.partition", WR_OPT_INT, "1000", 1, 10000000, NULL,
     "Records waiting per input partition before its consumption pauses."},
    {"poll.ms", WR_OPT_DURATION, "100", 1, 60000, NULL,
     "Longest wait for new records when there is nothing to process."},
    {"max.poll.records", WR_OPT_INT, "1000", 1, 1000000, NULL,
     "Most records taken from the client at once."},
    {"auto.offset.reset", WR_OPT_CHOICE, "earliest", 0, 0,
     "earliest|latest|none",
     "Where a source begins that has no committed offset."},
    {"replication.factor", WR_OPT_INT, "-1", -1, 32767, NULL,
     "Replicas of internal topics; -1 is the broker's default."},
    {"repartition.purge.interval.ms", WR_OPT_DURATION, "30000", 0, DAY_MS, NULL,
     "How often processed records of repartition topics are deleted."},
    {"task.timeout.ms", WR_OPT_DURATION, "300000", 0, 7 * DAY_MS, NULL,
     "How long a task may fail to make progress, for reasons that can pass, "
     "before the application stops with an error."},
    {"deserialization.exception.handler", WR_OPT_CHOICE, "fail", 0, 0, HANDLERS,
     "What a record does that a serde cannot read: stop, or be skipped."},
    {"processing.exception.handler", WR_OPT_CHOICE, "fail", 0, 0, HANDLERS,
     "What a record does that a processor fails on: stop, or be skipped."},
    {"production.exception.handler", WR_OPT_CHOICE, "fail", 0, 0, HANDLERS,
     "What a record does that the broker refuses: stop, or be skipped."},
    {"application.server", WR_OPT_TEXT, NULL, 0, 0, NULL,
     "HOST:PORT under which other workers reach this one's queries."},
    {"client.id", WR_OPT_TEXT, NULL, 0, 0, NULL,
     "Begins the client ids of the threads; by default application.id and "
     "the process id."},
    {"group.instance.id", WR_OPT_TEXT, NULL, 0, 0, NULL,
     "Name that a restarted process keeps, so that it gets its tasks back "
     "without a rebalance; each thread adds its number."},
    {"weir.state.warm.bytes", WR_OPT_SIZE, "128m", 1 << 20, 1024 * GIB, NULL,
     "Committed state kept in memory, all stores of the process together."},
    {"weir.state.block.cache.bytes", WR_OPT_SIZE, "32m", 1 << 20, 1024 * GIB,
     NULL, "RocksDB's block cache, all stores of the process together."},
    {"weir.state.write.buffer.bytes", WR_OPT_SIZE, "16m", 1 << 20, 1024 * GIB,
     NULL, "RocksDB's memtables, all stores of the process together."},
    {"weir.lua.memory.max.bytes", WR_OPT_SIZE, "64m", 1 << 20, 16 * GIB, NULL,
     "Memory of a script's state; each stream thread has one."},
    {"weir.lua.call.max.ms", WR_OPT_DURATION, "2000", 10, DAY_MS, NULL,
     "How long a script may work on one record before it is stopped."},
    {"log.level", WR_OPT_CHOICE, "info", 0, 0, "error|warn|info|debug",
     "Least important lines that are logged."},
    {"log.format", WR_OPT_CHOICE, "auto", 0, 0, "auto|pretty|logfmt|json",
     "How log lines look; auto is pretty on a terminal."},
    {NULL, WR_OPT_TEXT, NULL, 0, 0, NULL, NULL}};

struct refusal {
    const char *name;
    const char *why; /* completes "option 'name' ..." */
};

#define SERDE_WHY                                                              \
    "is for Java classes; in weir the serdes stand at the sources, stores "    \
    "and "                                                                     \
    "sinks of the topology"
#define STANDBY_WHY "is about standby replicas, which weir does not have"
#define METRICS_WHY                                                            \
    "is for Java's metrics; weir shows its own at /metrics of its HTTP "       \
    "address"
#define PLACEMENT_WHY "is decided by weir: it places tasks itself"

/* Names that are known and cannot be set, with the remedy. */
static const struct refusal refusals[] = {
    /* what weir decides */
    {"group.id", "is decided by weir: the group is named by application.id"},
    {"enable.auto.commit", "is decided by weir: it commits offsets together "
                           "with state; see commit.interval.ms"},
    {"auto.commit.interval.ms", "does not apply; set commit.interval.ms"},
    {"enable.auto.offset.store", "is decided by weir"},
    {"enable.partition.eof", "is decided by weir"},
    {"transactional.id", "is decided by weir, one for each thread"},
    {"partition.assignment.strategy", PLACEMENT_WHY},
    {"partitioner", "is decided by weir: murmur2 of the key as in Java, or the "
                    "partition function of a sink"},
    {"delivery.report.only.error", "is decided by weir: it needs every report"},
    {"allow.auto.create.topics", "is decided by weir: input topics must exist"},
    {"group.protocol", "is decided by weir: a classic consumer group"},
    {"plugin.library.paths", "is not supported by weir"},
    /* Kafka Streams' older names */
    {"cache.max.bytes.buffering", "was renamed: statestore.cache.max.bytes"},
    {"default.deserialization.exception.handler",
     "was renamed: deserialization.exception.handler"},
    {"default.production.exception.handler",
     "was renamed: production.exception.handler"},
    {"retries.streams", "does not exist; see task.timeout.ms"},
    /* Kafka Streams' names that need a JVM or are not there */
    {"key.serializer", SERDE_WHY},
    {"value.serializer", SERDE_WHY},
    {"key.deserializer", SERDE_WHY},
    {"value.deserializer", SERDE_WHY},
    {"default.key.serde", SERDE_WHY},
    {"default.value.serde", SERDE_WHY},
    {"default.list.key.serde.inner", SERDE_WHY},
    {"default.list.value.serde.inner", SERDE_WHY},
    {"windowed.inner.class.serde", SERDE_WHY},
    {"default.timestamp.extractor", "is for Java classes; in weir a source has "
                                    "a timestamp function"},
    {"default.client.supplier", "is for Java classes"},
    {"default.dsl.store", "is chosen in the topology: the engine of a store"},
    {"dsl.store.suppliers.class", "is chosen in the topology: the engine of a "
                                  "store"},
    {"processor.wrapper.class", "is for Java classes"},
    {"rocksdb.config.setter", "is for Java classes; weir bounds RocksDB with "
                              "weir.state.block.cache.bytes and "
                              "weir.state.write.buffer.bytes"},
    {"topology.optimization", "does not exist in weir: a topology runs as "
                              "`weir check` shows it"},
    {"upgrade.from", "is for upgrades between versions of Kafka Streams"},
    {"num.standby.replicas", STANDBY_WHY},
    {"acceptable.recovery.lag", STANDBY_WHY},
    {"max.warmup.replicas", STANDBY_WHY},
    {"probing.rebalance.interval.ms", STANDBY_WHY},
    {"task.assignor.class", PLACEMENT_WHY},
    {"rack.aware.assignment.strategy", PLACEMENT_WHY},
    {"rack.aware.assignment.tags", PLACEMENT_WHY},
    {"metric.reporters", METRICS_WHY},
    {"metrics.recording.level", METRICS_WHY},
    {"metrics.num.samples", METRICS_WHY},
    {"metrics.sample.window.ms", METRICS_WHY},
    {"built.in.metrics.version", METRICS_WHY},
    {"interceptor.classes", "is for Java classes"},
    {"state.cleanup.delay.ms", "does not exist in weir: state of tasks that "
                               "moved away stays in state.dir"},
    /* Java clients' names */
    {"sasl.jaas.config", "is for Java; set sasl.username and sasl.password"},
    {"sasl.login.callback.handler.class",
     "is for Java; set sasl.oauthbearer.method and what goes with it"},
    {"sasl.client.callback.handler.class",
     "is for Java; set sasl.oauthbearer.method and what goes with it"},
    {"sasl.login.class", "is for Java; set sasl.mechanism"},
    {"ssl.truststore.location",
     "is for Java; set ssl.ca.location to a file of PEM certificates"},
    {"ssl.truststore.password",
     "is for Java; ssl.ca.location names a PEM file, which has no password"},
    {"ssl.truststore.type",
     "is for Java; ssl.ca.location names a file of PEM certificates"},
    {"ssl.truststore.certificates", "is for Java; set ssl.ca.pem"},
    {"ssl.keystore.type", "is for Java; ssl.keystore.location names a PKCS#12 "
                          "file, ssl.certificate.location a PEM file"},
    {"ssl.keystore.key", "is for Java; set ssl.key.pem"},
    {"ssl.keystore.certificate.chain", "is for Java; set ssl.certificate.pem"},
    {"ssl.protocol", "is for Java; librdkafka takes what OpenSSL offers"},
    {"ssl.enabled.protocols",
     "is for Java; librdkafka takes what OpenSSL offers"},
    {"fetch.max.wait.ms", "is Java's name; set fetch.wait.max.ms"},
    {"buffer.memory", "is Java's name; set queue.buffering.max.kbytes"},
    {"max.block.ms", "is for Java; see task.timeout.ms"},
    {"receive.buffer.bytes", "is Java's name; set socket.receive.buffer.bytes"},
    {"send.buffer.bytes", "is Java's name; set socket.send.buffer.bytes"},
    {"default.api.timeout.ms", "is for Java; see task.timeout.ms"},
    {"metadata.max.idle.ms", "is for Java"},
    {NULL, NULL}};

/* Java's class names of the handlers: their last parts, and the choice. */
static const struct refusal handler_classes[] = {
    {"LogAndFailExceptionHandler", "fail"},
    {"LogAndContinueExceptionHandler", "continue"},
    {"LogAndFailProcessingExceptionHandler", "fail"},
    {"LogAndContinueProcessingExceptionHandler", "continue"},
    {"DefaultProductionExceptionHandler", "fail"},
    {NULL, NULL}};

static const char *const client_prefixes[] = {
    "main.consumer.", "restore.consumer.",
    "consumer.",      "producer.",
    "admin.",         NULL};

const struct wr_option *wr_config_table(void)
{
    return config_rows;
}

static const char *lookup(const struct refusal *table, const char *name)
{
    for (; table->name; table++) {
        if (strcmp(table->name, name) == 0) {
            return table->why;
        }
    }
    return NULL;
}

static const struct wr_option *table_row(const char *name)
{
    for (const struct wr_option *row = config_rows; row->name; row++) {
        if (strcmp(row->name, name) == 0) {
            return row;
        }
    }
    return NULL;
}

/* `name` without a client's prefix, or NULL when it has none. */
static const char *without_prefix(const char *name)
{
    for (const char *const *p = client_prefixes; *p; p++) {
        if (strncmp(name, *p, strlen(*p)) == 0) {
            return name + strlen(*p);
        }
    }
    return NULL;
}

static enum weir_status fail_unknown(const char *name, struct weir_error *err)
{
    const char *names[sizeof(config_rows) / sizeof(config_rows[0])];
    size_t n = 0;
    for (const struct wr_option *row = config_rows; row->name; row++) {
        names[n++] = row->name;
    }
    names[n] = NULL;
    char near[128] = "";
    const char *own = wr_nearest_name(name, names);
    if (own) {
        (void)snprintf(near, sizeof(near), "%s", own);
    } else {
        wr_kafka_nearest_property(name, near, sizeof(near));
    }
    if (near[0]) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "unknown option '%.200s'; did you mean '%s'?", name,
                         near);
    }
    return weir_fail(err, WEIR_E_CONFIG,
                     "unknown option '%.200s': neither weir nor librdkafka "
                     "has it",
                     name);
}

/* A property that goes to librdkafka; `bare` is its name there. */
static enum weir_status guard_client(const char *name, const char *bare,
                                     const char *value, struct weir_error *err)
{
    const char *why = lookup(refusals, bare);
    if (why) {
        return weir_fail(err, WEIR_E_CONFIG, "option '%.200s' %s", name, why);
    }
    if (!wr_kafka_property_known(bare)) {
        return fail_unknown(bare, err);
    }
    return wr_kafka_property_check(bare, value, err);
}

/* Values that another name or an older version of Kafka Streams would use. */
static enum weir_status guard_value(const char *name, const char **value,
                                    struct weir_error *err)
{
    if (strcmp(name, "processing.guarantee") == 0 &&
        (strcmp(*value, "exactly_once") == 0 ||
         strcmp(*value, "exactly_once_beta") == 0)) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "processing.guarantee: '%s' was removed from Kafka "
                         "Streams and is refused here too; set "
                         "exactly_once_v2",
                         *value);
    }
    const struct wr_option *row = table_row(name);
    if (row && row->choices && strcmp(row->choices, HANDLERS) == 0) {
        const char *dot = strrchr(*value, '.');
        const char *choice = lookup(handler_classes, dot ? dot + 1 : *value);
        *value = choice ? choice : *value;
    }
    return WEIR_OK;
}

/* See the top of this file. */
static enum weir_status guard(const char **io_name, const char **value,
                              struct weir_error *err)
{
    if (strcmp(*io_name, "consumer.auto.offset.reset") == 0 ||
        strcmp(*io_name, "main.consumer.auto.offset.reset") == 0) {
        *io_name = "auto.offset.reset";
    }
    const char *name = *io_name;
    if (table_row(name)) {
        return guard_value(name, value, err);
    }
    const char *why = lookup(refusals, name);
    if (why) {
        return weir_fail(err, WEIR_E_CONFIG, "option '%.200s' %s", name, why);
    }
    if (wr_config_topic_property(name)) {
        return WEIR_OK; /* the broker's to judge */
    }
    const char *bare = without_prefix(name);
    if (bare && table_row(bare)) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "option '%.200s' has no prefix: it is '%s'", name,
                         bare);
    }
    return guard_client(name, bare ? bare : name, *value, err);
}

static bool keep_all(const char *name)
{
    (void)name; /* the guard has refused what is unknown */
    return true;
}

struct weir_config *weir_config_new(void)
{
    struct weir_config *config = calloc(1, sizeof(*config));
    if (config &&
        wr_options_new(config_rows, keep_all, &config->options) != WEIR_OK) {
        free(config);
        return NULL;
    }
    if (config) {
        wr_options_set_guard(config->options, guard);
    }
    return config;
}

void weir_config_free(struct weir_config *config)
{
    if (config) {
        wr_options_free(config->options);
        free(config);
    }
}

enum weir_status wr_config_copy(const struct weir_config *from,
                                struct weir_config **out,
                                struct weir_error *err)
{
    struct weir_config *config = calloc(1, sizeof(*config));
    if (!config ||
        wr_options_copy(from->options, &config->options) != WEIR_OK) {
        free(config);
        return weir_fail(err, WEIR_E_NOMEM, "configuration: out of memory");
    }
    *out = config;
    return WEIR_OK;
}

enum weir_status wr_config_set_at(struct weir_config *config, const char *name,
                                  const char *value, const char *place,
                                  struct weir_error *err)
{
    return wr_options_set(config->options, name, value, place, err);
}

enum weir_status weir_config_set(struct weir_config *config, const char *name,
                                 const char *value, struct weir_error *err)
{
    if (!config || !name || !value) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "configuration: an option needs a name and a value");
    }
    return wr_options_set(config->options, name, value, "configuration", err);
}

enum weir_status weir_config_load(struct weir_config *config, const char *path,
                                  struct weir_error *err)
{
    return wr_options_load(config->options, path, err);
}

const struct wr_options *wr_config_options(const struct weir_config *config)
{
    return config->options;
}

bool wr_config_exactly_once(const struct wr_options *options)
{
    const char *text = wr_options_text(options, "processing.guarantee");
    return text && strcmp(text, "exactly_once_v2") == 0;
}

int64_t wr_config_commit_interval_ms(const struct wr_options *options)
{
    if (wr_options_is_set(options, "commit.interval.ms")) {
        return wr_options_int(options, "commit.interval.ms");
    }
    return wr_config_exactly_once(options) ? 100 : 30000;
}

const char *wr_config_topic_property(const char *name)
{
    static const char prefix[] = "topic.";
    size_t n = sizeof(prefix) - 1;
    return strncmp(name, prefix, n) == 0 && name[n] &&
                   !wr_kafka_property_known(name)
               ? name + n
               : NULL;
}

const char *wr_config_client_property(const char *name,
                                      enum wr_client_kind kind)
{
    static const char *const prefixes[][2] = {
        [WR_CLIENT_CONSUMER] = {"consumer.", "main.consumer."},
        [WR_CLIENT_RESTORE] = {"consumer.", "restore.consumer."},
        [WR_CLIENT_PRODUCER] = {"producer.", "producer."},
        [WR_CLIENT_ADMIN] = {"admin.", "admin."}};
    for (size_t i = 0; i < 2; i++) {
        const char *prefix = prefixes[kind][i];
        if (strncmp(name, prefix, strlen(prefix)) == 0) {
            return name + strlen(prefix);
        }
    }
    bool other = without_prefix(name) || wr_config_topic_property(name);
    return other || table_row(name) ? NULL : name;
}

/* ---- contradictions ----------------------------------------------------- */

/* Kafka's own rule for topic names, since internal topics begin with it. */
enum weir_status wr_config_check_id(const char *id, struct weir_error *err)
{
    size_t len = id ? strlen(id) : 0;
    if (len == 0) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "application.id is not set: it names the consumer "
                         "group and the internal topics");
    }
    size_t good = strspn(id, "abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    if (good != len || len > 150) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "application.id '%.200s' may have at most 150 "
                         "letters, digits, '.', '_' and '-': topics are named "
                         "after it",
                         id);
    }
    return WEIR_OK;
}

static enum weir_status check_server(const char *server, struct weir_error *err)
{
    const char *colon = server ? strrchr(server, ':') : NULL;
    if (!server) {
        return WEIR_OK;
    }
    char *end = NULL;
    long port = colon ? strtol(colon + 1, &end, 10) : 0;
    if (!colon || colon == server || port < 1 || port > 65535 || *end ||
        strchr(server, '@')) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "application.server '%.200s' is not HOST:PORT",
                         server);
    }
    return WEIR_OK;
}

/* Client properties that cannot go with exactly_once_v2. */
static enum weir_status check_exactly_once(const char *name, const char *value,
                                           struct weir_error *err)
{
    static const struct refusal wanted[] = {
        {"enable.idempotence", "true"},
        {"isolation.level", "read_committed"},
        {"acks", "all"},
        {"request.required.acks", "all"},
        {NULL, NULL}};
    const char *bare = without_prefix(name);
    const char *want = lookup(wanted, bare ? bare : name);
    bool all = want && strcmp(want, "all") == 0 && strcmp(value, "-1") == 0;
    if (want && !all && strcmp(value, want) != 0) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "%s=%s contradicts processing.guarantee="
                         "exactly_once_v2, which needs %s; leave it out",
                         name, value, want);
    }
    return WEIR_OK;
}

/* A transaction must live longer than the time between two commits. */
static enum weir_status check_transaction_time(const struct wr_options *options,
                                               struct weir_error *err)
{
    static const char *const names[] = {"producer.transaction.timeout.ms",
                                        "transaction.timeout.ms"};
    int64_t interval_ms = wr_config_commit_interval_ms(options);
    for (size_t i = 0; i < 2; i++) {
        if (wr_config_exactly_once(options) &&
            wr_options_is_set(options, names[i]) &&
            wr_options_int(options, names[i]) <= interval_ms) {
            return weir_fail(err, WEIR_E_CONFIG,
                             "%s=%s is not longer than the commit interval of "
                             "%lld ms: every transaction would time out; raise "
                             "it, or lower commit.interval.ms",
                             names[i], wr_options_text(options, names[i]),
                             (long long)interval_ms);
        }
    }
    return WEIR_OK;
}

enum weir_status wr_config_check(const struct wr_options *options,
                                 struct weir_error *err)
{
    const char *servers = wr_options_text(options, "bootstrap.servers");
    enum weir_status status =
        wr_config_check_id(wr_options_text(options, "application.id"), err);
    if (status == WEIR_OK && (!servers || !*servers)) {
        status = weir_fail(err, WEIR_E_CONFIG,
                           "bootstrap.servers is not set: name at least one "
                           "broker as HOST:PORT");
    }
    if (status == WEIR_OK) {
        status =
            check_server(wr_options_text(options, "application.server"), err);
    }
    if (status == WEIR_OK) {
        status = check_transaction_time(options, err);
    }
    size_t cursor = 0;
    const char *name;
    const char *value;
    while (status == WEIR_OK && wr_config_exactly_once(options) &&
           wr_options_next(options, &cursor, &name, &value)) {
        status = check_exactly_once(name, value, err);
    }
    return status;
}

/* The log is the program's; only what was set here changes it. */
enum weir_status wr_config_apply_log(const struct wr_options *options,
                                     struct weir_error *err)
{
    enum wr_log_level level = wr_log_level_now;
    enum wr_log_format format = WR_LOG_LOGFMT;
    enum weir_status status = WEIR_OK;
    if (wr_options_is_set(options, "log.level")) {
        status =
            wr_log_level_parse(wr_options_text(options, "log.level"), &level);
    }
    if (status == WEIR_OK && wr_options_is_set(options, "log.format")) {
        status = wr_log_format_parse(wr_options_text(options, "log.format"),
                                     &format);
    }
    if (status != WEIR_OK) {
        return weir_fail(err, status, "log.level, log.format: cannot be read");
    }
    if (wr_options_is_set(options, "log.format")) {
        wr_log_configure(level, format);
    } else {
        wr_log_level_now = level;
    }
    return WEIR_OK;
}
