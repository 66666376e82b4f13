/* SPDX-License-Identifier: Apache-2.0
 *
 * Which APIs the broker serves, in which versions, and by which function. One
 * row an API; what has no row is neither listed by ApiVersions nor accepted.
 * Thread: broker loop. */
#ifndef WEIR_BROKER_API_H
#define WEIR_BROKER_API_H

#include "broker/messages.h"
#include "broker/request.h"

struct wr_api {
    int16_t key;
    int16_t version_min; /* listed from here */
    int16_t version_max; /* to here */
    bool alone;          /* no later request of the connection is handled before
                            the answer has left: it may be large or wait */
    void (*handle)(struct wr_request *request);
    const struct wr_api_messages *messages; /* filled by wr_api_init */
};

/** Once, before anything else here. */
void wr_api_init(void);

/** The rows, by rising key. */
const struct wr_api *wr_apis(size_t *out_count);
/** The row of a key, or NULL. */
const struct wr_api *wr_api_find(int16_t key);
/** Reads header and body of the frame of a request. ApiVersions in an unknown
 *  version comes out as version 0 with unknown_version set. Errors:
 *  WEIR_E_CORRUPT, _TRUNCATED, _NOMEM, _INVALID (no such API or version): the
 *  connection cannot go on. */
WEIR_MUST_CHECK enum weir_status wr_api_decode(struct wr_request *request);

/* The handlers, each in the file named. They follow broker/request.h. */

/* handle_versions.c */
void wr_handle_api_versions(struct wr_request *request);
/* handle_metadata.c */
void wr_handle_metadata(struct wr_request *request);
void wr_handle_describe_cluster(struct wr_request *request);
void wr_handle_describe_topic_partitions(struct wr_request *request);
/* handle_topics.c */
void wr_handle_create_topics(struct wr_request *request);
void wr_handle_delete_topics(struct wr_request *request);
void wr_handle_create_partitions(struct wr_request *request);
/* handle_configs.c */
void wr_handle_describe_configs(struct wr_request *request);
void wr_handle_alter_configs(struct wr_request *request);
void wr_handle_incremental_alter_configs(struct wr_request *request);
/* handle_partitions.c */
void wr_handle_delete_records(struct wr_request *request);
void wr_handle_offset_for_leader_epoch(struct wr_request *request);
void wr_handle_describe_log_dirs(struct wr_request *request);
void wr_handle_describe_producers(struct wr_request *request);

/* Log and coordinators (produce, fetch, list offsets; groups, offsets,
 * transactions): declared here, defined in their own files, and listed in api.c
 * as they come to exist. */
void wr_handle_produce(struct wr_request *request);
void wr_handle_fetch(struct wr_request *request);
void wr_handle_list_offsets(struct wr_request *request);
void wr_handle_find_coordinator(struct wr_request *request);
void wr_handle_join_group(struct wr_request *request);
void wr_handle_sync_group(struct wr_request *request);
void wr_handle_heartbeat(struct wr_request *request);
void wr_handle_leave_group(struct wr_request *request);
void wr_handle_describe_groups(struct wr_request *request);
void wr_handle_list_groups(struct wr_request *request);
void wr_handle_delete_groups(struct wr_request *request);
void wr_handle_offset_commit(struct wr_request *request);
void wr_handle_offset_fetch(struct wr_request *request);
void wr_handle_offset_delete(struct wr_request *request);
void wr_handle_init_producer_id(struct wr_request *request);
void wr_handle_add_partitions_to_txn(struct wr_request *request);
void wr_handle_add_offsets_to_txn(struct wr_request *request);
void wr_handle_end_txn(struct wr_request *request);
void wr_handle_txn_offset_commit(struct wr_request *request);
void wr_handle_describe_transactions(struct wr_request *request);
void wr_handle_consumer_group_heartbeat(struct wr_request *request);
void wr_handle_list_transactions(struct wr_request *request);
void wr_handle_write_txn_markers(struct wr_request *request);

#endif
