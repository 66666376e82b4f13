/* SPDX-License-Identifier: Apache-2.0
 *
 * load: fills a topic with records for the benchmark, the same for the same
 * seed, as fast as librdkafka takes them (produce_batch).
 *
 *   load --bootstrap HOST:PORT --topic T --partitions N --records N
 *        [--keys N] [--zipf S] [--value-bytes N] [--seed N] [--text]
 *
 * Keyed records: 16-byte keys "user-00000000042" whose popularity follows
 * Zipf's law with exponent S over N keys, hot keys spread over the key space;
 * values of random printable bytes. With --text: null keys, values are lines of
 * one to nineteen words drawn by the same law from a vocabulary of N words.
 * Creates the topic (it must not exist), without retention or compression. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH_RECORDS = 1000, LINE_WORDS_MAX = 19, WORD_BYTES_MAX = 12 };

static void die(const char *what, const char *why)
{
    fprintf(stderr, "load: %s: %s\n", what, why);
    exit(1);
}

/* ---- randomness --------------------------------------------------------- */

static uint64_t mix(uint64_t x) /* splitmix64 */
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    return mix(*state);
}

/* Zipf by inversion over a table of cumulative weights: exact, log(n) a draw. */
struct zipf {
    double *cumulative; /* [i]: P(rank <= i) */
    uint64_t n;
};

static void zipf_init(struct zipf *z, uint64_t n, double exponent)
{
    double sum = 0;
    z->n = n;
    z->cumulative = malloc(n * sizeof *z->cumulative);
    if (!z->cumulative)
        die("keys", "no memory");
    for (uint64_t i = 0; i < n; i++)
        z->cumulative[i] = sum += pow((double)(i + 1), -exponent);
    for (uint64_t i = 0; i < n; i++)
        z->cumulative[i] /= sum;
}

static uint64_t zipf_draw(const struct zipf *z, uint64_t *state)
{
    double u = (double)(next_random(state) >> 11) * 0x1p-53;
    uint64_t low = 0, high = z->n - 1;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if (z->cumulative[middle] < u)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- records ------------------------------------------------------------ */

/* The word of a rank: letters only, so that every word count agrees on it. */
static size_t put_word(char *at, uint64_t rank)
{
    size_t n = 0;
    uint64_t left = rank, letters = 2 + mix(rank) % 5;
    do {
        at[n++] = (char)('a' + left % 26);
        left /= 26;
    } while (left > 0);
    for (; n < letters; n++)
        at[n] = (char)('a' + mix(rank + n) % 26);
    return n;
}

static size_t put_line(char *at, const struct zipf *z, uint64_t *state)
{
    size_t n = 0;
    uint64_t words = 1 + next_random(state) % LINE_WORDS_MAX;
    for (uint64_t i = 0; i < words; i++) {
        if (i > 0)
            at[n++] = ' ';
        n += put_word(at + n, zipf_draw(z, state));
    }
    return n;
}

static void put_value(char *at, size_t n, uint64_t *state)
{
    for (size_t i = 0; i < n; i++)
        at[i] = (char)(' ' + (next_random(state) >> 32) % 95);
}

/* ---- the client --------------------------------------------------------- */

static int64_t failed_count; /* written in rd_kafka_poll() only */

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *u)
{
    (void)rk;
    (void)u;
    if (m->err) {
        if (failed_count++ == 0)
            fprintf(stderr, "load: a record was refused: %s\n",
                    rd_kafka_err2str(m->err));
    }
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[256];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) !=
        RD_KAFKA_CONF_OK)
        die(name, text);
}

static rd_kafka_t *client_new(const char *bootstrap)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", bootstrap);
    set(conf, "linger.ms", "20");
    set(conf, "batch.num.messages", "10000");
    set(conf, "batch.size", "1000000");
    set(conf, "queue.buffering.max.messages", "500000");
    set(conf, "enable.idempotence", "true");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *rk =
        rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!rk)
        die("client", text);
    return rk;
}

static void create_topic(rd_kafka_t *rk, const char *topic, int partitions)
{
    char text[256];
    rd_kafka_NewTopic_t *t =
        rd_kafka_NewTopic_new(topic, partitions, 1, text, sizeof text);
    if (!t)
        die(topic, text);
    rd_kafka_NewTopic_set_config(t, "retention.ms", "-1");
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_CreateTopics(rk, &t, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 30000);
    if (!event)
        die(topic, "not created within 30 s");
    if (rd_kafka_event_error(event))
        die(topic, rd_kafka_event_error_string(event));
    size_t n;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(
            rd_kafka_event_CreateTopics_result(event), &n);
    if (n != 1 || rd_kafka_topic_result_error(results[0]))
        die(topic, n ? rd_kafka_topic_result_error_string(results[0])
                     : "an empty answer");
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(t);
}

/* Hands a batch over; what the full queue refuses is tried again. */
static void send_batch(rd_kafka_t *rk, rd_kafka_topic_t *topic,
                       rd_kafka_message_t *messages, int count)
{
    int done = 0;
    while (done < count) {
        rd_kafka_produce_batch(topic, RD_KAFKA_PARTITION_UA,
                               RD_KAFKA_MSG_F_COPY, messages + done,
                               count - done);
        int kept = done; /* those to try again move to the front */
        for (int i = done; i < count; i++) {
            if (messages[i].err == RD_KAFKA_RESP_ERR__QUEUE_FULL)
                continue;
            if (messages[i].err)
                die("produce", rd_kafka_err2str(messages[i].err));
            rd_kafka_message_t swap = messages[kept];
            messages[kept++] = messages[i];
            messages[i] = swap;
        }
        done = kept;
        rd_kafka_poll(rk, done < count ? 10 : 0);
    }
}

int main(int argc, char **argv)
{
    const char *bootstrap = NULL, *topic_name = NULL;
    uint64_t records = 0, keys = 1000000, seed = 1;
    size_t value_bytes = 100;
    int partitions = 4;
    double exponent = 0.99;
    bool text = false;
    static const struct option options[] = {
        {"bootstrap", 1, NULL, 'b'},  {"topic", 1, NULL, 't'},
        {"partitions", 1, NULL, 'p'}, {"records", 1, NULL, 'n'},
        {"keys", 1, NULL, 'k'},       {"zipf", 1, NULL, 'z'},
        {"value-bytes", 1, NULL, 'v'}, {"seed", 1, NULL, 's'},
        {"text", 0, NULL, 'x'},       {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'b': bootstrap = optarg; break;
        case 't': topic_name = optarg; break;
        case 'p': partitions = (int)strtol(optarg, NULL, 10); break;
        case 'n': records = strtoull(optarg, NULL, 10); break;
        case 'k': keys = strtoull(optarg, NULL, 10); break;
        case 'z': exponent = strtod(optarg, NULL); break;
        case 'v': value_bytes = strtoull(optarg, NULL, 10); break;
        case 's': seed = strtoull(optarg, NULL, 10); break;
        case 'x': text = true; break;
        default: return 2;
        }
    }
    if (!bootstrap || !topic_name || records == 0 || keys == 0) {
        fprintf(stderr, "usage: load --bootstrap HOST:PORT --topic T "
                        "--records N [--partitions N] [--keys N] [--zipf S] "
                        "[--value-bytes N] [--seed N] [--text]\n");
        return 2;
    }

    struct zipf z;
    zipf_init(&z, keys, exponent);
    rd_kafka_t *rk = client_new(bootstrap);
    create_topic(rk, topic_name, partitions);
    rd_kafka_topic_conf_t *topic_conf = rd_kafka_topic_conf_new();
    char error[256];
    if (rd_kafka_topic_conf_set(topic_conf, "partitioner", "murmur2_random",
                                error, sizeof error) != RD_KAFKA_CONF_OK)
        die("partitioner", error);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, topic_name, topic_conf);

    enum { KEY_BYTES = 16 };
    size_t slot = text ? LINE_WORDS_MAX * (WORD_BYTES_MAX + 1) : value_bytes;
    char *values = malloc(BATCH_RECORDS * (slot + 1));
    static char key[BATCH_RECORDS][KEY_BYTES + 1];
    static rd_kafka_message_t batch[BATCH_RECORDS];
    if (!values)
        die("values", "no memory");
    uint64_t state = seed, words = 0, bytes = 0;
    struct timespec began, now;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (uint64_t sent = 0; sent < records;) {
        int count = 0;
        for (; count < BATCH_RECORDS && sent < records; count++, sent++) {
            rd_kafka_message_t *m = &batch[count];
            memset(m, 0, sizeof *m);
            m->payload = values + (size_t)count * (slot + 1);
            if (text) {
                m->len = put_line(m->payload, &z, &state);
                words++;
                for (size_t i = 0; i < m->len; i++)
                    words += ((char *)m->payload)[i] == ' ';
            } else {
                /* a prime beyond any number of keys: a permutation of them */
                uint64_t k = zipf_draw(&z, &state) * 2654435761u % keys;
                snprintf(key[count], sizeof key[count], "user-%011" PRIu64,
                         k % 100000000000u);
                m->key = key[count];
                m->key_len = KEY_BYTES;
                m->len = value_bytes;
                put_value(m->payload, value_bytes, &state);
            }
            bytes += m->len + m->key_len;
        }
        send_batch(rk, topic, batch, count);
    }
    if (rd_kafka_flush(rk, 120000) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die("flush", "not all records were taken within 120 s");
    if (failed_count > 0)
        die("records refused", "the topic is incomplete");
    clock_gettime(CLOCK_MONOTONIC, &now);
    double took = (double)(now.tv_sec - began.tv_sec) +
                  (double)(now.tv_nsec - began.tv_nsec) / 1e9;
    printf("{\"records\": %" PRIu64 ", \"words\": %" PRIu64
           ", \"bytes\": %" PRIu64 ", \"seconds\": %.3f}\n",
           records, words, bytes, took);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    free(values);
    free(z.cumulative);
    return 0;
}
