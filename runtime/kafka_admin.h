/* SPDX-License-Identifier: Apache-2.0
 *
 * The door for what an application asks of the cluster beside records: which
 * topics there are, making internal ones, who is in the group, deleting what a
 * repartition topic no longer needs. One client a process. Thread: any. */
#ifndef WEIR_RUNTIME_KAFKA_ADMIN_H
#define WEIR_RUNTIME_KAFKA_ADMIN_H

#include "runtime/config.h"
#include "runtime/kafka_client.h"
#include "runtime/kafka_consumer.h"

struct wr_admin;

struct wr_cluster_topic {
    char *name;         /* owned */
    int32_t partitions; /* > 0 */
};

/** Topics of the cluster, sorted by name. */
struct wr_cluster_topics {
    struct wr_cluster_topic *items;
    size_t count;
    char *cluster; /* its id, owned; NULL: it tells none */
};

/** Makes the client; contacts nobody yet. *out is given: wr_admin_free().
 *  Errors: WEIR_E_CONFIG, WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status wr_admin_new(const struct wr_options *options,
                                              const char *client_id,
                                              struct wr_admin **out,
                                              struct weir_error *err);
void wr_admin_free(struct wr_admin *admin);

/** All topics, and whose they are; creates none. Errors: WEIR_E_UNREACHABLE or
 * WEIR_E_TIMEOUT naming the address; WEIR_E_KAFKA. */
WEIR_MUST_CHECK enum weir_status wr_admin_topics(struct wr_admin *admin,
                                                 int timeout_ms,
                                                 struct wr_cluster_topics *out,
                                                 struct weir_error *err);
void wr_cluster_topics_done(struct wr_cluster_topics *topics);
/** Partitions of a topic, -1 when it is not there. */
int32_t wr_cluster_topics_partitions(const struct wr_cluster_topics *topics,
                                     const char *name);
/** Adds or changes one. Errors: WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_cluster_topics_put(struct wr_cluster_topics *topics, const char *name,
                      int32_t partitions);

struct wr_new_topic {
    const char *name;
    int32_t partitions;
    const struct wr_client_setting *config; /* ends with name NULL; or NULL */
    const char *const *config_texts; /* "name=value", NULL-ended; or NULL; these
                                        win over the `topic.` options, which win
                                        over config */
};

/** Makes topics, all in one request; those that exist already are fine. Errors:
 *  as wr_admin_topics; WEIR_E_KAFKA naming the topic. */
WEIR_MUST_CHECK enum weir_status
wr_admin_create_topics(struct wr_admin *admin,
                       const struct wr_new_topic *topics, size_t count,
                       struct weir_error *err);
/** Makes a topic larger, to `partitions` in all. */
WEIR_MUST_CHECK enum weir_status wr_admin_grow_topic(struct wr_admin *admin,
                                                     const char *name,
                                                     int32_t partitions,
                                                     struct weir_error *err);

struct wr_member_view {
    char *client_id; /* owned */
    char *member_id; /* owned; brokers make it of the instance id of a static
                        member, else of the client id: NAME-UUID */
    char *host;      /* owned; the address the broker saw */
    int32_t *partitions; /* of the topic asked for */
    size_t partition_count;
};

struct wr_group_view {
    struct wr_member_view *members;
    size_t count;   /* 0: nobody is in the group */
    bool is_stable; /* not between two generations */
};

/** The members of a group and their partitions of `topic`. Safe while brokers
 *  are away, and when they are back. Waits timeout_ms at most, and as long
 * while any broker of the cluster is away. Errors: as wr_admin_topics;
 *  WEIR_E_DECODE. */
WEIR_MUST_CHECK enum weir_status
wr_admin_group(struct wr_admin *admin, const char *group, const char *topic,
               int timeout_ms, struct wr_group_view *out,
               struct weir_error *err);
void wr_group_view_done(struct wr_group_view *group);

/** Deletes records below each .offset, without waiting for the answer: it is
 * only space, and the next call tries again. */
void wr_admin_delete_records(struct wr_admin *admin,
                             const struct wr_partition *partitions,
                             size_t count);

/** What wr_admin_read calls; the views are lent for the call. */
typedef void (*wr_admin_record_fn)(void *user, struct weir_bytes key,
                                   struct weir_bytes value);
/** Calls fn for each record of a partition, from its beginning to its end as it
 *  is when this reaches it. Errors: as wr_admin_topics. */
WEIR_MUST_CHECK enum weir_status
wr_admin_read(struct wr_admin *admin, const char *topic, int32_t partition,
              wr_admin_record_fn fn, void *user, struct weir_error *err);
/** Appends one record and waits until the broker has it. */
WEIR_MUST_CHECK enum weir_status
wr_admin_write(struct wr_admin *admin, const char *topic, int32_t partition,
               struct weir_bytes key, struct weir_bytes value,
               struct weir_error *err);

#endif
