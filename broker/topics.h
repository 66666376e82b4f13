/* SPDX-License-Identifier: Apache-2.0
 *
 * Which topics there are: names, ids, partition counts, configuration. Kept in
 * one file, `topics`, that is replaced whole, so that creating or deleting a
 * topic has happened or has not. The logs themselves belong to wr_logs. Thread:
 * broker loop. */
#ifndef WEIR_BROKER_TOPICS_H
#define WEIR_BROKER_TOPICS_H

#include "base/map.h"
#include "base/options.h"
#include "broker/codec.h"
#include "broker/folder.h"
#include "broker/log.h"

struct wr_broker;

#define WR_TOPIC_NAME_MAX       249   /* characters */
#define WR_TOPIC_PARTITIONS_MAX 10000 /* of one topic */
#define WR_PARTITIONS_MAX       20000 /* of the broker */

#define WR_TOPIC_OFFSETS "__consumer_offsets"
#define WR_TOPIC_TXNS    "__transaction_state"

struct wr_topic {
    char *name;                  /* NUL-terminated, owned */
    struct wr_uuid id;           /* random, never zero */
    int32_t partition_count;     /* > 0 */
    struct wr_log **logs;        /* partition_count of them; of wr_logs */
    struct wr_options *options;  /* what was set for it, owned; or NULL */
    struct wr_log_config config; /* in force, given to each of the logs */
    bool internal;               /* a coordinator's: clients may only read */
};

struct wr_topics;

/** Reads the registry of the data folder and finds each topic's logs among the
 *  broker's, which are open. Logs of no topic are what a crash left of one that
 *  was being made or deleted, or the file is older than they are: those that
 *  hold nothing are removed, the others set aside (wr_logs_set_aside).
 *  Errors: WEIR_E_CORRUPT, _IO. */
WEIR_MUST_CHECK enum weir_status wr_topics_open(struct wr_broker *broker,
                                                struct wr_topics **out,
                                                struct weir_error *err);
/** NULL is fine. The logs stay open. */
void wr_topics_close(struct wr_topics *topics);

/** NULL when there is none. Lent until the topic is deleted. */
struct wr_topic *wr_topics_find(const struct wr_topics *topics,
                                struct weir_bytes name);
struct wr_topic *wr_topics_find_id(const struct wr_topics *topics,
                                   struct wr_uuid id);
/** The log of a partition, or NULL when topic or partition do not exist. */
struct wr_log *wr_topics_log(const struct wr_topics *topics,
                             struct weir_bytes name, int32_t index);
/** Topics by name; cursor from 0; false at the end. The set may not change
 *  meanwhile. */
bool wr_topics_next(const struct wr_topics *topics, size_t *cursor,
                    struct wr_topic **out);
size_t wr_topics_count(const struct wr_topics *topics);

/** One configuration entry of a new topic. */
struct wr_topic_setting {
    const char *name;  /* e.g. "retention.ms" */
    const char *value; /* as text */
};

/** What a new topic is to be. */
struct wr_topic_spec {
    struct weir_bytes name;                  /* checked */
    int32_t partition_count;                 /* -1: num.partitions */
    const struct wr_topic_setting *settings; /* lent for the call */
    size_t setting_count;                    /* of settings */
    bool validate_only;                      /* checks, makes nothing */
    bool internal;                           /* made by the broker itself */
};

/** Creates a topic; durable on return. Returns 0 or Kafka's error code
 *  (TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION, INVALID_PARTITIONS,
 *  INVALID_CONFIG, KAFKA_STORAGE_ERROR, POLICY_VIOLATION at a limit), with a
 *  sentence in err->text. *out (may be NULL) is the topic on success, NULL when
 *  only validated. */
int16_t wr_topics_create(struct wr_topics *topics,
                         const struct wr_topic_spec *spec,
                         struct wr_topic **out, struct weir_error *err);
/** Adds partitions up to count. Returns 0 or Kafka's error code. */
int16_t wr_topics_grow(struct wr_topics *topics, struct wr_topic *topic,
                       int32_t count, bool validate_only,
                       struct weir_error *err);
/** Removes a topic and its files. Who waits on its logs is told by the logs'
 *  own close. Returns 0 or Kafka's error code. */
int16_t wr_topics_delete(struct wr_topics *topics, struct wr_topic *topic,
                         struct weir_error *err);
/** Replaces a topic's options by a checked set (taken). Returns 0 or Kafka's
 *  error code. */
int16_t wr_topics_configure(struct wr_topics *topics, struct wr_topic *topic,
                            struct wr_options *options, struct weir_error *err);

/** Called after a topic was created, grown or deleted; embedded in the
 * listener. For coordinators that hold state per topic. */
struct wr_topics_watcher {
    struct wr_topics_watcher *next; /* the registry's */
    /** The topic as it is about to go, its logs still open. */
    void (*deleting)(void *arg, const struct wr_topic *topic);
    void *arg;
};
void wr_topics_watch(struct wr_topics *topics,
                     struct wr_topics_watcher *watcher);

#endif
