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

enum {
    KEY_BYTES = 16,
    BATCH_RECORDS = 1000,
    LINE_WORDS_MAX = 19,
    WORD_BYTES_MAX = 12
};

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

/* Zipf by inversion over a table of cumulative weights: exact, log(n) a draw.
 */
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
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
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

struct options {
    const char *bootstrap, *topic;
    uint64_t records, keys, seed;
    size_t value_bytes;
    int partitions;
    double exponent;
    bool text;
};

static bool parse(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"bootstrap", 1, NULL, 'b'},   {"topic", 1, NULL, 't'},
        {"partitions", 1, NULL, 'p'},  {"records", 1, NULL, 'n'},
        {"keys", 1, NULL, 'k'},        {"zipf", 1, NULL, 'z'},
        {"value-bytes", 1, NULL, 'v'}, {"seed", 1, NULL, 's'},
        {"text", 0, NULL, 'x'},        {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 'b':
            o->bootstrap = optarg;
            break;
        case 't':
            o->topic = optarg;
            break;
        case 'p':
            o->partitions = (int)strtol(optarg, NULL, 10);
            break;
        case 'n':
            o->records = strtoull(optarg, NULL, 10);
            break;
        case 'k':
            o->keys = strtoull(optarg, NULL, 10);
            break;
        case 'z':
            o->exponent = strtod(optarg, NULL);
            break;
        case 'v':
            o->value_bytes = strtoull(optarg, NULL, 10);
            break;
        case 's':
            o->seed = strtoull(optarg, NULL, 10);
            break;
        case 'x':
            o->text = true;
            break;
        default:
            return false;
        }
    }
    return o->bootstrap && o->topic && o->records > 0 && o->keys > 0;
}

/* What a batch's messages point to, and what all records were made of. */
struct maker {
    const struct options *o;
    struct zipf zipf;
    uint64_t state; /* of the randomness */
    size_t slot;    /* bytes for a value */
    char *values;   /* BATCH_RECORDS slots */
    char (*keys)[KEY_BYTES + 1];
    uint64_t words, bytes; /* so far */
};

static void make(struct maker *k, int i, rd_kafka_message_t *m)
{
    memset(m, 0, sizeof *m);
    char *value = k->values + (size_t)i * k->slot;
    m->payload = value;
    if (k->o->text) {
        m->len = put_line(value, &k->zipf, &k->state);
        k->words++;
        for (size_t c = 0; c < m->len; c++)
            k->words += value[c] == ' ';
    } else {
        /* a prime beyond any number of keys: a permutation of them */
        uint64_t key =
            zipf_draw(&k->zipf, &k->state) * 2654435761u % k->o->keys;
        snprintf(k->keys[i], sizeof k->keys[i], "user-%011" PRIu64,
                 key % 100000000000u);
        m->key = k->keys[i];
        m->key_len = KEY_BYTES;
        m->len = k->o->value_bytes;
        put_value(value, m->len, &k->state);
    }
    k->bytes += m->len + m->key_len;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static rd_kafka_topic_t *topic_open(rd_kafka_t *rk, const char *name)
{
    char text[256];
    rd_kafka_topic_conf_t *conf = rd_kafka_topic_conf_new();
    if (rd_kafka_topic_conf_set(conf, "partitioner", "murmur2_random", text,
                                sizeof text) != RD_KAFKA_CONF_OK)
        die("partitioner", text);
    return rd_kafka_topic_new(rk, name, conf);
}

int main(int argc, char **argv)
{
    struct options o = {.keys = 1000000,
                        .seed = 1,
                        .value_bytes = 100,
                        .partitions = 4,
                        .exponent = 0.99};
    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "usage: load --bootstrap HOST:PORT --topic T "
                        "--records N [--partitions N] [--keys N] [--zipf S] "
                        "[--value-bytes N] [--seed N] [--text]\n");
        return 2;
    }
    static char keys[BATCH_RECORDS][KEY_BYTES + 1];
    static rd_kafka_message_t batch[BATCH_RECORDS];
    struct maker k = {.o = &o, .state = o.seed, .keys = keys};
    k.slot = o.text ? LINE_WORDS_MAX * (WORD_BYTES_MAX + 1) : o.value_bytes + 1;
    k.values = malloc(BATCH_RECORDS * k.slot);
    if (!k.values)
        die("values", "no memory");
    zipf_init(&k.zipf, o.keys, o.exponent);
    rd_kafka_t *rk = client_new(o.bootstrap);
    create_topic(rk, o.topic, o.partitions);
    rd_kafka_topic_t *topic = topic_open(rk, o.topic);
    double began = now_s();
    for (uint64_t sent = 0; sent < o.records;) {
        int count = 0;
        for (; count < BATCH_RECORDS && sent < o.records; count++, sent++)
            make(&k, count, &batch[count]);
        send_batch(rk, topic, batch, count);
    }
    if (rd_kafka_flush(rk, 120000) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die("flush", "not all records were taken within 120 s");
    if (failed_count > 0)
        die("records refused", "the topic is incomplete");
    printf("{\"records\": %" PRIu64 ", \"words\": %" PRIu64
           ", \"bytes\": %" PRIu64 ", \"seconds\": %.3f}\n",
           o.records, k.words, k.bytes, now_s() - began);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    free(k.values);
    free(k.zipf.cumulative);
    return 0;
}
