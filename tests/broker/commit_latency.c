/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a transaction takes through librdkafka: begin, one record to each of
 * four partitions, positions of a group, commit. Prints the distribution.
 *
 *   commit_latency HOST:PORT [COUNT] */
#include "base/clock.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOPIC      "commit-latency"
#define PARTITIONS 4

static void must(rd_kafka_error_t *error, const char *what)
{
    if (error) {
        fprintf(stderr, "%s: %s\n", what, rd_kafka_error_string(error));
        exit(1);
    }
}

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *message,
                      void *opaque)
{
    (void)rk;
    (void)message;
    (void)opaque;
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *bootstrap)
{
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *pairs[] = {
        "bootstrap.servers", bootstrap, "transactional.id", "commit-latency",
        "linger.ms",         "0",       "group.id",         "commit-latency"};
    size_t from = type == RD_KAFKA_PRODUCER ? 0 : 6;
    size_t to = type == RD_KAFKA_PRODUCER ? 6 : 8;
    if (rd_kafka_conf_set(conf, pairs[0], pairs[1], text, sizeof(text))) {
        exit(1);
    }
    for (size_t i = from ? from : 2; i < to; i += 2) {
        if (rd_kafka_conf_set(conf, pairs[i], pairs[i + 1], text,
                              sizeof(text))) {
            exit(1);
        }
    }
    if (type == RD_KAFKA_PRODUCER) {
        rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    }
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof(text));
    if (!rk) {
        fprintf(stderr, "%s\n", text);
        exit(1);
    }
    return rk;
}

static void make_topic(rd_kafka_t *rk)
{
    char text[256];
    rd_kafka_NewTopic_t *spec =
        rd_kafka_NewTopic_new(TOPIC, PARTITIONS, 1, text, sizeof(text));
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_CreateTopics(rk, &spec, 1, NULL, queue);
    rd_kafka_event_destroy(rd_kafka_queue_poll(queue, 10000));
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(spec);
}

static void once(rd_kafka_t *producer,
                 rd_kafka_consumer_group_metadata_t *group, int64_t position,
                 int64_t out_ns[4])
{
    int64_t began_ns = wr_mono_ns();
    char value[] = "0123456789";
    must(rd_kafka_begin_transaction(producer), "begin");
    for (int32_t p = 0; p < PARTITIONS; p++) {
        (void)rd_kafka_producev(
            producer, RD_KAFKA_V_TOPIC(TOPIC), RD_KAFKA_V_PARTITION(p),
            RD_KAFKA_V_VALUE(value, 10),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    }
    rd_kafka_flush(producer, 10000);
    int64_t flushed_ns = wr_mono_ns();
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, TOPIC, 0)->offset = position;
    must(rd_kafka_send_offsets_to_transaction(producer, list, group, 10000),
         "send offsets");
    rd_kafka_topic_partition_list_destroy(list);
    int64_t sent_ns = wr_mono_ns();
    must(rd_kafka_commit_transaction(producer, 10000), "commit");
    int64_t end_ns = wr_mono_ns();
    out_ns[0] = flushed_ns - began_ns;
    out_ns[1] = sent_ns - flushed_ns;
    out_ns[2] = end_ns - sent_ns;
    out_ns[3] = end_ns - began_ns;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void report(const char *name, int64_t *ns, size_t count)
{
    qsort(ns, count, sizeof(*ns), by_size);
    const size_t at[] = {count / 2, count * 9 / 10, count * 99 / 100,
                         count - 1};
    printf("%-14s p50 %7.3f ms  p90 %7.3f  p99 %7.3f  max %7.3f\n", name,
           (double)ns[at[0]] / 1e6, (double)ns[at[1]] / 1e6,
           (double)ns[at[2]] / 1e6, (double)ns[at[3]] / 1e6);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: commit_latency HOST:PORT [COUNT]\n");
        return 2;
    }
    size_t count = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 500;
    rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, argv[1]);
    rd_kafka_t *consumer = client(RD_KAFKA_CONSUMER, argv[1]);
    make_topic(producer);
    must(rd_kafka_init_transactions(producer, 30000), "init");
    rd_kafka_consumer_group_metadata_t *group =
        rd_kafka_consumer_group_metadata_new("commit-latency");
    static const char *const names[4] = {"produce+flush", "send offsets",
                                         "commit", "all"};
    int64_t *ns[4];
    for (size_t k = 0; k < 4; k++) {
        ns[k] = calloc(count + 1, sizeof(int64_t));
    }
    int64_t one[4];
    for (size_t i = 0; i < 20; i++) { /* connections, first records */
        once(producer, group, (int64_t)i, one);
    }
    for (size_t i = 0; i < count; i++) {
        once(producer, group, (int64_t)i, one);
        for (size_t k = 0; k < 4; k++) {
            ns[k][i] = one[k];
        }
    }
    for (size_t k = 0; k < 4; k++) {
        report(names[k], ns[k], count);
        free(ns[k]);
    }
    rd_kafka_consumer_group_metadata_destroy(group);
    rd_kafka_destroy(producer);
    rd_kafka_destroy(consumer);
    return 0;
}
