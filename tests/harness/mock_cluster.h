/* SPDX-License-Identifier: Apache-2.0
 *
 * librdkafka's mock cluster, for tests of what speaks to Kafka without a
 * broker: produce, fetch, groups and transactions work, in memory; committed
 * offsets of transactions are forgotten, and topics are made here, not by
 * request. */
#ifndef WEIR_TESTS_MOCK_CLUSTER_H
#define WEIR_TESTS_MOCK_CLUSTER_H

#include "weir/types.h"

struct mock_cluster;

/** One broker on a free port of 127.0.0.1; NULL when it cannot be made. */
struct mock_cluster *mock_cluster_new(void);
void mock_cluster_free(struct mock_cluster *cluster);
/** "127.0.0.1:port", for bootstrap.servers. */
const char *mock_cluster_bootstrap(const struct mock_cluster *cluster);
/** 0 on success. */
int mock_cluster_topic(struct mock_cluster *cluster, const char *name,
                       int partitions);
/** Appends a record and waits for it; 0 on success. */
int mock_cluster_produce(struct mock_cluster *cluster, const char *topic,
                         int32_t partition, struct weir_bytes key,
                         struct weir_bytes value);
/** One after the last offset of a partition, whoever wrote it; -1 on failure.
 */
int64_t mock_cluster_end(struct mock_cluster *cluster, const char *topic,
                         int32_t partition);
/** The next requests of that API key (0 Produce, 26 EndTxn ...) fail, one with
 *  each of the error codes. */
void mock_cluster_fail(struct mock_cluster *cluster, int16_t api_key,
                       const int *codes, size_t count);
/** The broker goes away, or comes back. */
void mock_cluster_down(struct mock_cluster *cluster, int down);

#endif
