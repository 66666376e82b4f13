/* SPDX-License-Identifier: Apache-2.0
 *
 * Two tables: what can be said to the broker, and what to a topic. A topic's
 * setting that is not set takes the broker option named in its row, so a
 * default exists in one place only. Thread: any. */
#include "broker/config.h"

#include "broker/weir_broker.h"

#include <limits.h>
#include <stdlib.h>

#define MIB ((int64_t)1 << 20)
#define GIB ((int64_t)1 << 30)

const struct wr_option wr_broker_options[] = {
    /* where it is */
    {"data.dir", WR_OPT_TEXT, NULL, 0, 0, NULL,
     "Folder that holds everything; made when missing."},
    {"listen", WR_OPT_TEXT, "127.0.0.1:9092", 0, 0, NULL,
     "HOST:PORT to accept clients on. Port 0 takes any free one; without HOST "
     "it is 127.0.0.1, and 0.0.0.0 is every address of the machine."},
    {"advertised.listener", WR_OPT_TEXT, NULL, 0, 0, NULL,
     "HOST:PORT that clients are told to connect to; as `listen` if not set."},

    /* what is promised */
    {"durability", WR_OPT_CHOICE, "sync", 0, 0, "sync|interval|none",
     "What an acknowledgement means: sync, it is on the disk and survives "
     "power "
     "loss; interval, it will be within durability.interval.ms; none, it "
     "survives a crash of the broker but not of the machine."},
    {"durability.interval.ms", WR_OPT_DURATION, "1000", 1, 3600000, NULL,
     "Longest time between two syncs with durability=interval."},

    /* topics */
    {"num.partitions", WR_OPT_INT, "1", 1, 10000, NULL,
     "Partitions of a topic whose creator does not say."},
    {"auto.create.topics.enable", WR_OPT_BOOL, "true", 0, 0, NULL,
     "Whether a client's asking for a topic makes it."},
    {"message.max.bytes", WR_OPT_SIZE, "1048588", 128, 512 * MIB, NULL,
     "Largest record batch, as compressed by the client."},
    {"log.segment.bytes", WR_OPT_SIZE, "1g", 4096, INT32_MAX, NULL,
     "Size at which a partition's file is closed and the next begun."},
    {"log.roll.ms", WR_OPT_DURATION, "7d", 1, INT64_MAX, NULL,
     "Age at which a partition's file is closed and the next begun."},
    {"log.retention.ms", WR_OPT_DURATION, "7d", -1, INT64_MAX, NULL,
     "Age at which files are deleted; -1: never."},
    {"log.retention.check.interval.ms", WR_OPT_DURATION, "5m", 1, INT64_MAX,
     NULL, "How often files are looked at for their age."},
    {"log.retention.bytes", WR_OPT_SIZE, "-1", -1, INT64_MAX, NULL,
     "Size of a partition beyond which old files are deleted; -1: none."},
    {"log.cleanup.policy", WR_OPT_CHOICE, "delete", 0, 0,
     "delete|compact|compact,delete|delete,compact",
     "How old records go: by age and size, or by key."},
    {"log.index.interval.bytes", WR_OPT_SIZE, "4096", 0, INT32_MAX, NULL,
     "An index entry is made for each so many bytes."},
    {"log.message.timestamp.type", WR_OPT_CHOICE, "CreateTime", 0, 0,
     "CreateTime|LogAppendTime",
     "Whether a record's time is the producer's or the broker's."},
    {"log.message.timestamp.before.max.ms", WR_OPT_DURATION,
     "9223372036854775807", 0, INT64_MAX, NULL,
     "How far before the broker's time a record's may be."},
    {"log.message.timestamp.after.max.ms", WR_OPT_DURATION, "3600000", 0,
     INT64_MAX, NULL, "How far after the broker's time a record's may be."},

    /* groups and transactions */
    {"offsets.topic.num.partitions", WR_OPT_INT, "4", 1, 1000, NULL,
     "Partitions of __consumer_offsets, when it is made."},
    {"transaction.state.log.num.partitions", WR_OPT_INT, "4", 1, 1000, NULL,
     "Partitions of __transaction_state, when it is made."},
    {"group.initial.rebalance.delay.ms", WR_OPT_DURATION, "0", 0, INT32_MAX,
     NULL, "How long a new group waits for more members before it starts."},
    {"group.min.session.timeout.ms", WR_OPT_DURATION, "6000", 1, INT32_MAX,
     NULL, "Shortest session timeout that a member may ask for."},
    {"group.max.session.timeout.ms", WR_OPT_DURATION, "1800000", 1, INT32_MAX,
     NULL, "Longest session timeout that a member may ask for."},
    {"group.max.size", WR_OPT_INT, "1000", 1, 100000, NULL,
     "Members that a group may have."},
    {"offsets.retention.minutes", WR_OPT_INT, "10080", 1, INT32_MAX, NULL,
     "How long a group's positions outlive their last use."},
    {"transaction.max.timeout.ms", WR_OPT_DURATION, "900000", 1, INT32_MAX,
     NULL, "Longest transaction timeout that a producer may ask for."},

    /* limits */
    {"max.connections", WR_OPT_INT, "1000", 1, 1000000, NULL,
     "Connections at a time. One more takes the place of one that has asked "
     "for nothing or been idle for a minute, or is refused."},
    {"connections.max.idle.ms", WR_OPT_DURATION, "600000", 1000, INT64_MAX,
     NULL, "Silence after which a connection is closed."},
    {"socket.request.max.bytes", WR_OPT_SIZE, "104857600", 1024, GIB, NULL,
     "Largest request; a longer one ends its connection."},
    {"queued.max.request.bytes", WR_OPT_SIZE, "512m", MIB, INT64_MAX, NULL,
     "Memory for requests of all connections together."},
    {NULL, WR_OPT_TEXT, NULL, 0, 0, NULL, NULL},
};

/* The settings that the broker obeys. */
static const struct wr_option topic_options[] = {
    {"cleanup.policy", WR_OPT_TEXT, NULL, 0, 0, NULL,
     "By age, or by key: delete, compact, both or neither."},
    {"retention.ms", WR_OPT_DURATION, NULL, -1, INT64_MAX, NULL,
     "Age at which files are deleted; -1: never."},
    {"retention.bytes", WR_OPT_SIZE, NULL, -1, INT64_MAX, NULL,
     "Size beyond which old files are deleted; -1: none."},
    {"segment.bytes", WR_OPT_SIZE, NULL, 4096, INT32_MAX, NULL,
     "Size of a file."},
    {"segment.ms", WR_OPT_DURATION, NULL, 1, INT64_MAX, NULL,
     "Age at which the next file is begun."},
    {"max.message.bytes", WR_OPT_SIZE, NULL, 0, INT32_MAX, NULL,
     "Largest record batch."},
    {"index.interval.bytes", WR_OPT_SIZE, NULL, 0, INT32_MAX, NULL,
     "An index entry is made for each so many bytes."},
    {"message.timestamp.type", WR_OPT_CHOICE, NULL, 0, 0,
     "CreateTime|LogAppendTime", "Whose time a record has."},
    {"message.timestamp.before.max.ms", WR_OPT_DURATION, NULL, 0, INT64_MAX,
     NULL, "How old a record may be."},
    {"message.timestamp.after.max.ms", WR_OPT_DURATION, NULL, 0, INT64_MAX,
     NULL, "How far in the future a record may be."},
    {"compression.type", WR_OPT_CHOICE, NULL, 0, 0,
     "producer|uncompressed|gzip|snappy|lz4|zstd",
     "Batches are stored as the producer compressed them, whatever it says."},
    {NULL, WR_OPT_TEXT, NULL, 0, 0, NULL, NULL},
};

/* Those without an effect here: what Kafka lets them be. */
static const struct wr_option kept_options[] = {
    {"delete.retention.ms", WR_OPT_INT, NULL, 0, INT64_MAX, NULL, NULL},
    {"file.delete.delay.ms", WR_OPT_INT, NULL, 0, INT64_MAX, NULL, NULL},
    {"flush.messages", WR_OPT_INT, NULL, 1, INT64_MAX, NULL, NULL},
    {"flush.ms", WR_OPT_INT, NULL, 0, INT64_MAX, NULL, NULL},
    {"max.compaction.lag.ms", WR_OPT_INT, NULL, 1, INT64_MAX, NULL, NULL},
    {"min.compaction.lag.ms", WR_OPT_INT, NULL, 0, INT64_MAX, NULL, NULL},
    {"min.insync.replicas", WR_OPT_INT, NULL, 1, INT32_MAX, NULL, NULL},
    {"preallocate", WR_OPT_BOOL, NULL, 0, 0, NULL, NULL},
    {"segment.index.bytes", WR_OPT_INT, NULL, 4, INT32_MAX, NULL, NULL},
    {"segment.jitter.ms", WR_OPT_INT, NULL, 0, INT64_MAX, NULL, NULL},
    {"unclean.leader.election.enable", WR_OPT_BOOL, NULL, 0, 0, NULL, NULL},
    {NULL, WR_OPT_TEXT, NULL, 0, 0, NULL, NULL},
};

const struct wr_topic_option wr_topic_option_rows[] = {
    {"cleanup.policy", "log.cleanup.policy", WR_TYPE_LIST, NULL},
    {"compression.type", NULL, WR_TYPE_STRING, "producer"},
    {"delete.retention.ms", NULL, WR_TYPE_LONG, "86400000"},
    {"file.delete.delay.ms", NULL, WR_TYPE_LONG, "60000"},
    {"flush.messages", NULL, WR_TYPE_LONG, "9223372036854775807"},
    {"flush.ms", NULL, WR_TYPE_LONG, "9223372036854775807"},
    {"index.interval.bytes", "log.index.interval.bytes", WR_TYPE_INT, NULL},
    {"max.compaction.lag.ms", NULL, WR_TYPE_LONG, "9223372036854775807"},
    {"max.message.bytes", "message.max.bytes", WR_TYPE_INT, NULL},
    {"message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms",
     WR_TYPE_LONG, NULL},
    {"message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms",
     WR_TYPE_LONG, NULL},
    {"message.timestamp.type", "log.message.timestamp.type", WR_TYPE_STRING,
     NULL},
    {"min.cleanable.dirty.ratio", NULL, WR_TYPE_DOUBLE, "0.5"},
    {"min.compaction.lag.ms", NULL, WR_TYPE_LONG, "0"},
    {"min.insync.replicas", NULL, WR_TYPE_INT, "1"},
    {"preallocate", NULL, WR_TYPE_BOOLEAN, "false"},
    {"retention.bytes", "log.retention.bytes", WR_TYPE_LONG, NULL},
    {"retention.ms", "log.retention.ms", WR_TYPE_LONG, NULL},
    {"segment.bytes", "log.segment.bytes", WR_TYPE_INT, NULL},
    {"segment.index.bytes", NULL, WR_TYPE_INT, "10485760"},
    {"segment.jitter.ms", NULL, WR_TYPE_LONG, "0"},
    {"segment.ms", "log.roll.ms", WR_TYPE_LONG, NULL},
    {"unclean.leader.election.enable", NULL, WR_TYPE_BOOLEAN, "false"},
    {NULL, NULL, WR_TYPE_STRING, NULL},
};

enum weir_status wr_broker_options_check(const struct wr_options *options,
                                         struct weir_error *err)
{
    const char *dir = wr_options_text(options, "data.dir");
    if (!dir || dir[0] == '\0') {
        return weir_fail(err, WEIR_E_CONFIG,
                         "data.dir is not set: say where the broker keeps its "
                         "data");
    }
    int64_t min = wr_options_int(options, "group.min.session.timeout.ms");
    int64_t max = wr_options_int(options, "group.max.session.timeout.ms");
    if (min > max) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "group.min.session.timeout.ms=%lld is above "
                         "group.max.session.timeout.ms=%lld: no member could "
                         "join; lower the one or raise the other",
                         (long long)min, (long long)max);
    }
    return WEIR_OK;
}

/* Settings of Kafka that are kept as text. */
static bool is_kept(const char *name)
{
    for (const struct wr_topic_option *row = wr_topic_option_rows; row->name;
         row++) {
        if (strcmp(row->name, name) == 0) {
            return true;
        }
    }
    return false;
}

enum weir_status wr_topic_options_new(struct wr_options **out)
{
    return wr_options_new(topic_options, is_kept, out);
}

/* Commas between, blanks around them; nothing at all is an empty list. */
static bool is_policy(const char *list)
{
    static const char *const words[] = {"delete", "compact"};
    const char *at = list + strspn(list, " ");
    while (*at) {
        size_t n = strcspn(at, " ,");
        bool known = false;
        for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
            known = known ||
                    (n == strlen(words[i]) && memcmp(at, words[i], n) == 0);
        }
        at += n + strspn(at + n, " ");
        if (!known || (*at && *at != ',')) {
            return false;
        }
        if (*at && *(at += 1 + strspn(at + 1, " ")) == '\0') {
            return false;
        }
    }
    return true;
}

static bool is_ratio(const char *text)
{
    char *end;
    double ratio = strtod(text, &end);
    return end != text && *end == '\0' && ratio >= 0 && ratio <= 1;
}

/* What neither row nor broker looks at, but Kafka does. */
static enum weir_status check_kept(const char *name, const char *value,
                                   struct weir_error *err)
{
    if (strcmp(name, "cleanup.policy") == 0 && !is_policy(value)) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "cleanup.policy: '%.200s' is not a list of delete and "
                         "compact",
                         value);
    }
    if (strcmp(name, "min.cleanable.dirty.ratio") == 0 && !is_ratio(value)) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "min.cleanable.dirty.ratio: '%.200s' is not a number "
                         "from 0 to 1",
                         value);
    }
    const struct wr_option *row = kept_options;
    while (row->name && strcmp(row->name, name) != 0) {
        row++;
    }
    struct wr_options *probe = NULL;
    if (!row->name) {
        return WEIR_OK;
    }
    enum weir_status s = wr_options_new(kept_options, NULL, &probe);
    s = s == WEIR_OK ? wr_options_set(probe, name, value, "topic", err)
                     : weir_fail(err, s, "out of memory");
    wr_options_free(probe);
    return s;
}

int16_t wr_topic_option_set(struct wr_options *options, const char *name,
                            const char *value, struct weir_error *err)
{
    return check_kept(name, value, err) == WEIR_OK
               ? wr_topic_option_load(options, name, value, err)
               : WR_ERR_INVALID_CONFIG;
}

int16_t wr_topic_option_load(struct wr_options *options, const char *name,
                             const char *value, struct weir_error *err)
{
    for (const char *p = value; *p; p++) {
        if ((unsigned char)*p < 0x20) {
            (void)weir_fail(err, WEIR_E_CONFIG,
                            "Value of %s holds a control character.", name);
            return WR_ERR_INVALID_CONFIG;
        }
    }
    return wr_options_set(options, name, value, "topic", err) == WEIR_OK
               ? 0
               : WR_ERR_INVALID_CONFIG;
}

const char *wr_topic_option_value(const struct wr_options *broker,
                                  const struct wr_options *options,
                                  const struct wr_topic_option *row,
                                  enum wr_config_source *out_source,
                                  char buf[WR_OPTIONS_PLAIN])
{
    const char *own =
        options ? wr_options_plain(options, row->name, buf) : NULL;
    if (own) {
        *out_source = WR_SOURCE_TOPIC;
        return own;
    }
    if (!row->broker_name) {
        *out_source = WR_SOURCE_DEFAULT;
        return row->standard;
    }
    *out_source = wr_options_is_set(broker, row->broker_name)
                      ? WR_SOURCE_STATIC
                      : WR_SOURCE_DEFAULT;
    return wr_options_plain(broker, row->broker_name, buf);
}

static int64_t number(const struct wr_options *broker,
                      const struct wr_options *options, const char *name,
                      const char *broker_name)
{
    return options && wr_options_is_set(options, name)
               ? wr_options_int(options, name)
               : wr_options_int(broker, broker_name);
}

static const char *text(const struct wr_options *broker,
                        const struct wr_options *options, const char *name,
                        const char *broker_name)
{
    const char *own = options ? wr_options_text(options, name) : NULL;
    return own ? own : wr_options_text(broker, broker_name);
}

struct wr_log_config wr_topic_log_config(const struct wr_options *broker,
                                         const struct wr_options *options)
{
    const struct wr_options *b = broker;
    const struct wr_options *o = options;
    struct wr_log_config c = wr_log_config_default();
    const char *policy = text(b, o, "cleanup.policy", "log.cleanup.policy");
    c.cleanup_compact = strstr(policy, "compact") != NULL;
    c.cleanup_delete = strstr(policy, "delete") != NULL;
    c.segment_bytes =
        (int32_t)number(b, o, "segment.bytes", "log.segment.bytes");
    c.segment_ms = number(b, o, "segment.ms", "log.roll.ms");
    c.retention_ms = number(b, o, "retention.ms", "log.retention.ms");
    c.retention_bytes = number(b, o, "retention.bytes", "log.retention.bytes");
    c.message_bytes_max =
        (int32_t)number(b, o, "max.message.bytes", "message.max.bytes");
    c.index_interval_bytes = (int32_t)number(b, o, "index.interval.bytes",
                                             "log.index.interval.bytes");
    c.log_append_time = strcmp(text(b, o, "message.timestamp.type",
                                    "log.message.timestamp.type"),
                               "LogAppendTime") == 0;
    c.timestamp_before_ms = number(b, o, "message.timestamp.before.max.ms",
                                   "log.message.timestamp.before.max.ms");
    c.timestamp_after_ms = number(b, o, "message.timestamp.after.max.ms",
                                  "log.message.timestamp.after.max.ms");
    return c;
}
