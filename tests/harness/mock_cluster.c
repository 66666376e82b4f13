/* SPDX-License-Identifier: Apache-2.0
 *
 * See the header. The cluster lives in a producer, which also writes records.
 */
#include "tests/harness/mock_cluster.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>

struct mock_cluster {
    rd_kafka_t *home; /* the cluster needs one to live in */
    rd_kafka_mock_cluster_t *cluster;
    rd_kafka_t *producer;
};

static rd_kafka_t *make_producer(const char *bootstrap)
{
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (bootstrap &&
        (rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, reason,
                           sizeof(reason)) != RD_KAFKA_CONF_OK ||
         rd_kafka_conf_set(conf, "linger.ms", "0", reason, sizeof(reason)) !=
             RD_KAFKA_CONF_OK)) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_t *rk =
        rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    if (!rk) {
        rd_kafka_conf_destroy(conf);
    }
    return rk;
}

struct mock_cluster *mock_cluster_new(void)
{
    struct mock_cluster *cluster = calloc(1, sizeof(*cluster));
    if (!cluster) {
        return NULL;
    }
    cluster->home = make_producer(NULL);
    cluster->cluster =
        cluster->home ? rd_kafka_mock_cluster_new(cluster->home, 1) : NULL;
    cluster->producer = cluster->cluster
                            ? make_producer(mock_cluster_bootstrap(cluster))
                            : NULL;
    if (!cluster->producer) {
        mock_cluster_free(cluster);
        return NULL;
    }
    return cluster;
}

void mock_cluster_free(struct mock_cluster *cluster)
{
    if (cluster) {
        if (cluster->producer) {
            rd_kafka_destroy(cluster->producer);
        }
        if (cluster->cluster) {
            rd_kafka_mock_cluster_destroy(cluster->cluster);
        }
        if (cluster->home) {
            rd_kafka_destroy(cluster->home);
        }
        free(cluster);
    }
}

const char *mock_cluster_bootstrap(const struct mock_cluster *cluster)
{
    return rd_kafka_mock_cluster_bootstraps(cluster->cluster);
}

int mock_cluster_topic(struct mock_cluster *cluster, const char *name,
                       int partitions)
{
    return rd_kafka_mock_topic_create(cluster->cluster, name, partitions, 1) ==
                   RD_KAFKA_RESP_ERR_NO_ERROR
               ? 0
               : -1;
}

int mock_cluster_produce(struct mock_cluster *cluster, const char *topic,
                         int32_t partition, struct weir_bytes key,
                         struct weir_bytes value)
{
    rd_kafka_resp_err_t code = rd_kafka_producev(
        cluster->producer, RD_KAFKA_V_TOPIC(topic),
        RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY((void *)(uintptr_t)key.data, key.len),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)value.data, value.len),
        RD_KAFKA_V_END);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        code = rd_kafka_flush(cluster->producer, 10000);
    }
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : -1;
}

int64_t mock_cluster_end(struct mock_cluster *cluster, const char *topic,
                         int32_t partition)
{
    int64_t low = -1;
    int64_t high = -1;
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(
        cluster->producer, topic, partition, &low, &high, 10000);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? high : -1;
}

void mock_cluster_fail(struct mock_cluster *cluster, int16_t api_key,
                       const int *codes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t code = (rd_kafka_resp_err_t)codes[i];
        rd_kafka_mock_push_request_errors_array(cluster->cluster, api_key, 1,
                                                &code);
    }
}

void mock_cluster_down(struct mock_cluster *cluster, int down)
{
    rd_kafka_resp_err_t code =
        down ? rd_kafka_mock_broker_set_down(cluster->cluster, 1)
             : rd_kafka_mock_broker_set_up(cluster->cluster, 1);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        abort();
    }
}
