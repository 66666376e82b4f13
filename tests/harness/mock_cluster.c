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
    struct mock_cluster *m = calloc(1, sizeof(*m));
    if (!m) {
        return NULL;
    }
    m->home = make_producer(NULL);
    m->cluster = m->home ? rd_kafka_mock_cluster_new(m->home, 1) : NULL;
    m->producer = m->cluster ? make_producer(mock_cluster_bootstrap(m)) : NULL;
    if (!m->producer) {
        mock_cluster_free(m);
        return NULL;
    }
    return m;
}

void mock_cluster_free(struct mock_cluster *m)
{
    if (m) {
        if (m->producer) {
            rd_kafka_destroy(m->producer);
        }
        if (m->cluster) {
            rd_kafka_mock_cluster_destroy(m->cluster);
        }
        if (m->home) {
            rd_kafka_destroy(m->home);
        }
        free(m);
    }
}

const char *mock_cluster_bootstrap(const struct mock_cluster *m)
{
    return rd_kafka_mock_cluster_bootstraps(m->cluster);
}

int mock_cluster_topic(struct mock_cluster *m, const char *name, int partitions)
{
    return rd_kafka_mock_topic_create(m->cluster, name, partitions, 1) ==
                   RD_KAFKA_RESP_ERR_NO_ERROR
               ? 0
               : -1;
}

int mock_cluster_produce(struct mock_cluster *m, const char *topic,
                         int32_t partition, struct weir_bytes key,
                         struct weir_bytes value)
{
    rd_kafka_resp_err_t code = rd_kafka_producev(
        m->producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY((void *)(uintptr_t)key.data, key.len),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)value.data, value.len),
        RD_KAFKA_V_END);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        code = rd_kafka_flush(m->producer, 10000);
    }
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : -1;
}

void mock_cluster_fail(struct mock_cluster *m, int16_t api_key,
                       const int *codes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t code = (rd_kafka_resp_err_t)codes[i];
        rd_kafka_mock_push_request_errors_array(m->cluster, api_key, 1, &code);
    }
}

void mock_cluster_down(struct mock_cluster *m, int down)
{
    rd_kafka_resp_err_t code =
        down ? rd_kafka_mock_broker_set_down(m->cluster, 1)
             : rd_kafka_mock_broker_set_up(m->cluster, 1);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        abort();
    }
}
