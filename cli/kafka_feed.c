/* SPDX-License-Identifier: Apache-2.0
 *
 * The feeder's own word count uses none of the runtime's code: it is the check.
 * A word is a run of ASCII letters, digits and underscores, in lower case. A
 * line counts when its delivery report says that it was written. */
#include "cli/kafka_feed.h"

#include "base/fs.h"
#include "weir/serde.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXTS_DIR      "/usr/share/common-licenses"
#define TEXT_MAX_BYTES ((size_t)4 << 20)
#define POLL_MS        50
#define FLUSH_MS       60000

/* ---- tally -------------------------------------------------------------- */

void wr_tally_init(struct wr_tally *tally)
{
    (void)pthread_mutex_init(&tally->lock, NULL);
    wr_map_init(&tally->words);
    tally->total = 0;
}

void wr_tally_done(struct wr_tally *tally)
{
    size_t cursor = 0;
    void *value;
    while (wr_map_next(&tally->words, &cursor, NULL, &value)) {
        free(value);
    }
    wr_map_done(&tally->words);
    (void)pthread_mutex_destroy(&tally->lock);
}

static int64_t *tally_slot(struct wr_tally *tally, struct weir_bytes word)
{
    int64_t *slot = wr_map_get(&tally->words, word);
    if (!slot) {
        slot = calloc(1, sizeof(*slot));
        if (!slot || wr_map_put(&tally->words, word, slot, NULL) != WEIR_OK) {
            abort(); /* a demo without memory has nothing to show */
        }
    }
    return slot;
}

void wr_tally_set(struct wr_tally *tally, struct weir_bytes word, int64_t n)
{
    (void)pthread_mutex_lock(&tally->lock);
    int64_t *slot = tally_slot(tally, word);
    tally->total += n - *slot;
    *slot = n;
    (void)pthread_mutex_unlock(&tally->lock);
}

void wr_tally_add(struct wr_tally *tally, struct weir_bytes word, int64_t n)
{
    (void)pthread_mutex_lock(&tally->lock);
    *tally_slot(tally, word) += n;
    tally->total += n;
    (void)pthread_mutex_unlock(&tally->lock);
}

size_t wr_tally_differences(struct wr_tally *a, struct wr_tally *b, size_t max)
{
    size_t cursor = 0;
    size_t count = 0;
    struct weir_bytes word;
    void *value;
    (void)pthread_mutex_lock(&a->lock);
    (void)pthread_mutex_lock(&b->lock);
    while (wr_map_next(&a->words, &cursor, &word, &value)) {
        const int64_t *mine = value;
        const int64_t *other = wr_map_get(&b->words, word);
        if (*mine == (other ? *other : 0)) {
            continue;
        }
        if (count++ < max) {
            (void)fprintf(stderr, "  '%.*s': expected %lld, counted %lld\n",
                          (int)word.len, (const char *)word.data,
                          (long long)*mine, (long long)(other ? *other : 0));
        }
    }
    count +=
        b->words.count > a->words.count ? b->words.count - a->words.count : 0;
    (void)pthread_mutex_unlock(&b->lock);
    (void)pthread_mutex_unlock(&a->lock);
    return count;
}

static void tally_line(struct wr_tally *tally, const char *line)
{
    char word[256];
    size_t n = 0;
    for (const char *p = line;; p++) {
        unsigned char c = (unsigned char)*p;
        if (c < 0x80 && (isalnum(c) || c == '_') && n < sizeof(word)) {
            word[n++] = (char)tolower(c);
            continue;
        }
        if (n > 0) {
            wr_tally_add(tally, weir_bytes(word, n), 1);
            n = 0;
        }
        if (!c) {
            return;
        }
    }
}

/* ---- texts -------------------------------------------------------------- */

static enum weir_status add_lines(struct wr_feed *feed, char *text)
{
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        char **grown =
            realloc(feed->lines, (feed->line_count + 1) * sizeof(*grown));
        char *copy = strdup(line);
        if (!grown || !copy) {
            free(copy);
            feed->lines = grown ? grown : feed->lines;
            return WEIR_E_NOMEM;
        }
        feed->lines = grown;
        feed->lines[feed->line_count++] = copy;
    }
    return WEIR_OK;
}

static enum weir_status read_texts(struct wr_feed *feed, struct weir_error *err)
{
    DIR *dir = opendir(TEXTS_DIR);
    if (!dir) {
        return weir_fail(err, WEIR_E_NOTFOUND,
                         "the demo counts the words of the texts in "
                         "%s, which cannot be read: %s",
                         TEXTS_DIR, strerror(errno));
    }
    enum weir_status s = WEIR_OK;
    struct dirent *entry;
    while (s == WEIR_OK && (entry = readdir(dir)) != NULL) {
        char path[512];
        struct wr_buf text;
        if (entry->d_type != DT_REG) {
            continue;
        }
        (void)snprintf(path, sizeof(path), "%s/%s", TEXTS_DIR, entry->d_name);
        wr_buf_init(&text, TEXT_MAX_BYTES);
        s = wr_file_read(path, &text, err);
        if (s == WEIR_OK) {
            wr_buf_put_i8(&text, 0);
            s = add_lines(feed, (char *)text.data);
        }
        wr_buf_done(&text);
    }
    (void)closedir(dir);
    if (s == WEIR_OK && feed->line_count == 0) {
        s = weir_fail(err, WEIR_E_NOTFOUND, "there is no text in %s",
                      TEXTS_DIR);
    }
    return s;
}

/* ---- clients ------------------------------------------------------------ */

static rd_kafka_t *make_client(rd_kafka_type_t type, const char *const *pairs,
                               void (*on_delivery)(rd_kafka_t *,
                                                   const rd_kafka_message_t *,
                                                   void *),
                               void *opaque, struct weir_error *err)
{
    char reason[512] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_opaque(conf, opaque);
    if (on_delivery) {
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    }
    for (size_t i = 0; pairs[i]; i += 2) {
        if (rd_kafka_conf_set(conf, pairs[i], pairs[i + 1], reason,
                              sizeof(reason)) != RD_KAFKA_CONF_OK) {
            rd_kafka_conf_destroy(conf);
            (void)weir_fail(err, WEIR_E_CONFIG, "demo client: %s", reason);
            return NULL;
        }
    }
    rd_kafka_t *client = rd_kafka_new(type, conf, reason, sizeof(reason));
    if (!client) {
        rd_kafka_conf_destroy(conf);
        (void)weir_fail(err, WEIR_E_CONFIG, "demo client: %s", reason);
    }
    return client;
}

/* ---- feeder ------------------------------------------------------------- */

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message,
                        void *opaque)
{
    struct wr_feed *feed = opaque;
    (void)client;
    if (message->err) {
        if (!atomic_exchange(&feed->failed, true)) {
            (void)weir_fail(&feed->err, WEIR_E_KAFKA,
                            "a line was not written: %s",
                            rd_kafka_err2str(message->err));
        }
        return;
    }
    tally_line(&feed->tally, message->_private);
    atomic_fetch_add(&feed->acked, 1);
}

static void send_line(struct wr_feed *feed, rd_kafka_t *client, char *line)
{
    for (;;) {
        rd_kafka_resp_err_t code =
            rd_kafka_producev(client, RD_KAFKA_V_TOPIC(feed->topic),
                              RD_KAFKA_V_VALUE(line, strlen(line)),
                              RD_KAFKA_V_OPAQUE(line), RD_KAFKA_V_END);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            atomic_fetch_add(&feed->sent, 1);
            return;
        }
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            if (!atomic_exchange(&feed->failed, true)) {
                (void)weir_fail(&feed->err, WEIR_E_KAFKA,
                                "a line was not written: %s",
                                rd_kafka_err2str(code));
            }
            return;
        }
        (void)rd_kafka_poll(client, POLL_MS);
    }
}

static void *feed_main(void *arg)
{
    struct wr_feed *feed = arg;
    const char *const pairs[] = {"bootstrap.servers",
                                 feed->bootstrap,
                                 "enable.idempotence",
                                 "true",
                                 "linger.ms",
                                 "5",
                                 "queue.buffering.max.messages",
                                 "100000",
                                 NULL};
    rd_kafka_t *client =
        make_client(RD_KAFKA_PRODUCER, pairs, on_delivery, feed, &feed->err);
    if (!client) {
        atomic_store(&feed->failed, true);
        return NULL;
    }
    size_t at = 0;
    while (!atomic_load(&feed->stop) && !atomic_load(&feed->failed)) {
        if (atomic_load(&feed->hold)) {
            (void)rd_kafka_poll(client, POLL_MS);
            continue;
        }
        send_line(feed, client, feed->lines[at]);
        at = (at + 1) % feed->line_count;
        if (at % 64 == 0) {
            (void)rd_kafka_poll(client, 0);
        }
    }
    (void)rd_kafka_flush(client, FLUSH_MS);
    rd_kafka_destroy(client);
    return NULL;
}

enum weir_status wr_feed_start(struct wr_feed *feed, const char *bootstrap,
                               const char *topic, struct weir_error *err)
{
    *feed = (struct wr_feed){.topic = topic};
    (void)snprintf(feed->bootstrap, sizeof(feed->bootstrap), "%s", bootstrap);
    wr_tally_init(&feed->tally);
    enum weir_status s = read_texts(feed, err);
    if (s == WEIR_OK &&
        pthread_create(&feed->thread, NULL, feed_main, feed) != 0) {
        s = weir_fail(err, WEIR_E_NOMEM, "the feeder's thread does not start");
    }
    return s;
}

enum weir_status wr_feed_stop(struct wr_feed *feed, struct weir_error *err)
{
    atomic_store(&feed->stop, true);
    (void)pthread_join(feed->thread, NULL);
    if (atomic_load(&feed->failed)) {
        return weir_fail(err, feed->err.status, "%s", feed->err.text);
    }
    if (atomic_load(&feed->acked) != atomic_load(&feed->sent)) {
        return weir_fail(
            err, WEIR_E_TIMEOUT, "%lld of %lld lines were not acknowledged",
            (long long)(feed->sent - feed->acked), (long long)feed->sent);
    }
    return WEIR_OK;
}

void wr_feed_done(struct wr_feed *feed)
{
    for (size_t i = 0; i < feed->line_count; i++) {
        free(feed->lines[i]);
    }
    free(feed->lines);
    wr_tally_done(&feed->tally);
}

/* ---- reader ------------------------------------------------------------- */

static void read_record(struct wr_reader_thread *reader,
                        const rd_kafka_message_t *m)
{
    int64_t n = 0;
    if (m->err || !m->key ||
        weir_int64_read(weir_bytes(m->payload, m->len), &n) != WEIR_OK) {
        return;
    }
    wr_tally_set(&reader->tally, weir_bytes(m->key, m->key_len), n);
    atomic_fetch_add(&reader->records, 1);
}

static void *reader_main(void *arg)
{
    struct wr_reader_thread *reader = arg;
    struct weir_error err = {0};
    const char *const pairs[] = {"bootstrap.servers",
                                 reader->bootstrap,
                                 "group.id",
                                 "weir-demo-reader",
                                 "auto.offset.reset",
                                 "earliest",
                                 "enable.auto.commit",
                                 "false",
                                 NULL};
    rd_kafka_t *client =
        make_client(RD_KAFKA_CONSUMER, pairs, NULL, reader, &err);
    if (!client) {
        (void)fprintf(stderr, "weir demo: %s\n", err.text);
        return NULL;
    }
    (void)rd_kafka_poll_set_consumer(client);
    rd_kafka_topic_partition_list_t *topics =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, reader->topic,
                                      RD_KAFKA_PARTITION_UA);
    (void)rd_kafka_subscribe(client, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    while (!atomic_load(&reader->stop)) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(client, POLL_MS);
        if (m) {
            read_record(reader, m);
            rd_kafka_message_destroy(m);
        }
    }
    (void)rd_kafka_consumer_close(client);
    rd_kafka_destroy(client);
    return NULL;
}

enum weir_status wr_reader_start(struct wr_reader_thread *reader,
                                 const char *bootstrap, const char *topic,
                                 struct weir_error *err)
{
    *reader = (struct wr_reader_thread){.topic = topic};
    (void)snprintf(reader->bootstrap, sizeof(reader->bootstrap), "%s",
                   bootstrap);
    wr_tally_init(&reader->tally);
    if (pthread_create(&reader->thread, NULL, reader_main, reader) != 0) {
        return weir_fail(err, WEIR_E_NOMEM, "the reader does not start");
    }
    return WEIR_OK;
}

void wr_reader_stop(struct wr_reader_thread *reader)
{
    atomic_store(&reader->stop, true);
    (void)pthread_join(reader->thread, NULL);
}
