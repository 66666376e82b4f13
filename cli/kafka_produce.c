/* SPDX-License-Identifier: Apache-2.0
 *
 * weir produce: one record per line of standard input, acknowledged by all, in
 * order, without repeats. At the end it says how many were written; when one
 * was not, it says which line and why, and fails. */
#include "cli/kafka_door.h"
#include "cli/tools.h"

#include "base/clock.h"
#include "runtime/serde.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_MAX_BYTES ((size_t)64 << 20)
#define HEADERS_MAX    32

struct produce {
    struct wr_door door;
    rd_kafka_topic_t *topic;
    int32_t partition;
    const struct weir_serde *key_serde;
    const struct weir_serde *value_serde;
    const char *separator;  /* NULL: lines have no key */
    const char *null_value; /* a value of this text is null */
    const char *fixed_key;
    rd_kafka_headers_t *headers; /* of every record, or NULL */
    struct weir_writer key, value;
    int64_t line, sent, acknowledged;
    _Atomic int refusal; /* why the broker refused what is under way; 0: it did
                            not */
    struct weir_error failure; /* of the first record that failed */
};

static void on_refusal(void *opaque, rd_kafka_resp_err_t code)
{
    struct produce *p = opaque;
    atomic_store(&p->refusal, (int)code);
}

/* Says why records were not written. When the time ran out because the broker
 * refused them again and again, that is what the user must know. */
static enum weir_status fail(struct produce *p, rd_kafka_resp_err_t code,
                             struct weir_error *err, const char *doing)
{
    int refusal = atomic_load(&p->refusal);
    if (!refusal || wr_kafka_status((int)code) != WEIR_E_TIMEOUT) {
        return wr_door_fail(&p->door, code, NULL, err, "%s", doing);
    }
    return weir_fail(
        err, WEIR_E_KAFKA, "%s: the broker refuses them (%s); %s", doing,
        rd_kafka_err2str((rd_kafka_resp_err_t)refusal),
        refusal == RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR
            ? "its disk is full or broken: its log names the file and the "
              "reason, make room there and try again"
            : "its log may say more");
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message,
                        void *opaque)
{
    struct produce *p = opaque;
    (void)client;
    if (!message->err) {
        p->acknowledged++;
        atomic_store(&p->refusal, 0);
        return;
    }
    if (p->failure.status == WEIR_OK) {
        char doing[64];
        (void)snprintf(doing, sizeof(doing), "line %lld was not written",
                       (long long)(intptr_t)message->_private);
        (void)fail(p, message->err, &p->failure, doing);
    }
}

static enum weir_status encode(const struct weir_serde *serde,
                               struct weir_bytes text, struct weir_writer *out,
                               int64_t line, struct weir_error *err)
{
    wr_buf_reset(&out->buf);
    enum weir_status s = serde->from_text(text, out, err);
    return s == WEIR_OK
               ? s
               : weir_fail_prefix(err, s, "line %lld", (long long)line);
}

/* Hands one record to librdkafka; waits while its queue is full, as long as
 * something of it is acknowledged now and then. */
static enum weir_status enqueue(struct produce *p, struct weir_bytes key,
                                struct weir_bytes value, struct weir_error *err)
{
    int64_t seen = p->acknowledged;
    int64_t until = 0; /* of the waiting; not begun */
    while (p->failure.status == WEIR_OK) {
        rd_kafka_headers_t *headers =
            p->headers ? rd_kafka_headers_copy(p->headers) : NULL;
        /* clang-format off */
        rd_kafka_resp_err_t code = rd_kafka_producev(
            p->door.client, RD_KAFKA_V_RKT(p->topic),
            RD_KAFKA_V_PARTITION(p->partition),
            RD_KAFKA_V_KEY((const void *)key.data, key.len),
            RD_KAFKA_V_VALUE((void *)(uintptr_t)value.data, value.len),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_OPAQUE((void *)(intptr_t)p->line),
            RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
        /* clang-format on */
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            p->sent++;
            (void)rd_kafka_poll(p->door.client, 0);
            return WEIR_OK;
        }
        if (headers) {
            rd_kafka_headers_destroy(headers);
        }
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            return wr_door_fail(&p->door, code, NULL, err,
                                "line %lld was not written",
                                (long long)p->line);
        }
        if (until == 0 || p->acknowledged != seen) {
            seen = p->acknowledged;
            until = wr_mono_ms() + p->door.timeout_ms;
        } else if (wr_mono_ms() >= until) {
            return fail(p, RD_KAFKA_RESP_ERR__TIMED_OUT, err,
                        "nothing was written for --timeout");
        }
        (void)rd_kafka_poll(p->door.client, 100);
    }
    return weir_fail(err, p->failure.status, "%s", p->failure.text);
}

static enum weir_status produce_line(struct produce *p, struct weir_bytes line,
                                     struct weir_error *err)
{
    struct weir_bytes key = p->fixed_key ? weir_text(p->fixed_key) : WEIR_NULL;
    struct weir_bytes value = line;
    if (p->separator) {
        const char *at =
            memmem(line.data, line.len, p->separator, strlen(p->separator));
        if (!at) {
            return weir_fail(err, WEIR_E_DECODE,
                             "line %lld has no '%s' between key and value",
                             (long long)p->line, p->separator);
        }
        key = weir_bytes(line.data, (size_t)(at - (const char *)line.data));
        size_t skip = key.len + strlen(p->separator);
        value = weir_bytes(line.data + skip, line.len - skip);
    }
    enum weir_status s = WEIR_OK;
    if (key.data) {
        s = encode(p->key_serde, key, &p->key, p->line, err);
        key = wr_buf_view(&p->key.buf);
    }
    if (s == WEIR_OK && p->null_value &&
        wr_bytes_equal(value, weir_text(p->null_value))) {
        value = WEIR_NULL;
    } else if (s == WEIR_OK) {
        s = encode(p->value_serde, value, &p->value, p->line, err);
        value = wr_buf_view(&p->value.buf);
    }
    return s == WEIR_OK ? enqueue(p, key, value, err) : s;
}

static enum weir_status produce_stdin(struct produce *p, struct weir_error *err)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    enum weir_status s = WEIR_OK;
    while (s == WEIR_OK && (n = getline(&line, &cap, stdin)) >= 0) {
        p->line++;
        if ((size_t)n > LINE_MAX_BYTES) {
            s = weir_fail(err, WEIR_E_TOOBIG, "line %lld is longer than %zu",
                          (long long)p->line, LINE_MAX_BYTES);
            break;
        }
        if (n > 0 && line[n - 1] == '\n') {
            n--;
        }
        s = produce_line(p, weir_bytes(line, (size_t)n), err);
    }
    if (s == WEIR_OK && ferror(stdin)) {
        s = weir_fail(err, WEIR_E_IO, "cannot read standard input");
    }
    free(line);
    return s;
}

static enum weir_status read_serde(const struct wr_cli *cli, const char *option,
                                   const struct weir_serde **out,
                                   struct weir_error *err)
{
    const char *name = wr_cli_text(cli, option, "text");
    *out = wr_serde_by_name(name);
    if (!*out) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "--%s %s: want bytes, text, int64, double or json",
                         option, name);
    }
    return WEIR_OK;
}

static enum weir_status read_headers(const struct wr_cli *cli,
                                     struct produce *p, struct weir_error *err)
{
    const char *pair;
    for (size_t i = 0; (pair = wr_cli_value(cli, "header", i)) != NULL; i++) {
        const char *equals = strchr(pair, '=');
        if (!equals || i >= HEADERS_MAX) {
            return weir_fail(err, WEIR_E_CONFIG,
                             "--header %s: want NAME=VALUE, at most %d times",
                             pair, HEADERS_MAX);
        }
        if (!p->headers) {
            p->headers = rd_kafka_headers_new(HEADERS_MAX);
        }
        (void)rd_kafka_header_add(p->headers, pair, equals - pair, equals + 1,
                                  -1);
    }
    return WEIR_OK;
}

static enum weir_status configure(const struct wr_cli *cli, struct produce *p,
                                  struct weir_error *err)
{
    int64_t partition = 0;
    enum weir_status s =
        wr_cli_int(cli, "partition", (struct wr_cli_range){-1, 0, INT32_MAX},
                   &partition, err);
    s = s == WEIR_OK ? read_serde(cli, "key-type", &p->key_serde, err) : s;
    s = s == WEIR_OK ? read_serde(cli, "value-type", &p->value_serde, err) : s;
    s = s == WEIR_OK ? read_headers(cli, p, err) : s;
    p->partition = partition < 0 ? RD_KAFKA_PARTITION_UA : (int32_t)partition;
    p->separator = wr_cli_text(cli, "key-separator", NULL);
    p->null_value = wr_cli_text(cli, "null-value", NULL);
    p->fixed_key = wr_cli_text(cli, "key", NULL);
    if (s == WEIR_OK && p->separator && (!*p->separator || p->fixed_key)) {
        s = weir_fail(err, WEIR_E_CONFIG,
                      p->fixed_key
                          ? "--key and --key-separator exclude each other"
                          : "--key-separator is empty");
    }
    return s;
}

/* Waits until everything handed over is acknowledged or failed. */
static enum weir_status finish(struct produce *p, struct weir_error *err)
{
    rd_kafka_resp_err_t code =
        rd_kafka_flush(p->door.client, p->door.timeout_ms);
    if (p->failure.status != WEIR_OK) {
        return weir_fail(err, p->failure.status, "%s", p->failure.text);
    }
    if (code) {
        char doing[96];
        (void)snprintf(
            doing, sizeof(doing), "%lld of %lld records are not acknowledged",
            (long long)(p->sent - p->acknowledged), (long long)p->sent);
        return fail(p, code, err, doing);
    }
    return WEIR_OK;
}

/* wr_door_open makes the client; the report needs a callback before that. */
static enum weir_status open_client(const struct wr_cli *cli, struct produce *p,
                                    struct weir_error *err)
{
    static const struct wr_client_setting forced[] = {
        {"enable.idempotence", "true"},
        {"partitioner", "murmur2_random"},
        {NULL, NULL}};
    p->door.on_delivery = on_delivery;
    p->door.on_refusal = on_refusal;
    p->door.opaque = p;
    enum weir_status s =
        wr_door_open(cli, WR_CLIENT_PRODUCER, forced, &p->door, err);
    if (s != WEIR_OK) {
        return s;
    }
    p->topic = rd_kafka_topic_new(p->door.client, cli->operands[0], NULL);
    if (!p->topic) {
        return wr_door_fail(&p->door, rd_kafka_last_error(), NULL, err,
                            "topic '%s'", cli->operands[0]);
    }
    /* Nobody there is told now, not when the first record has timed out. */
    const struct rd_kafka_metadata *md = NULL;
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(p->door.client, 0, p->topic, &md, p->door.timeout_ms);
    if (code) {
        return wr_door_fail(&p->door, code, NULL, err, "topic '%s'",
                            cli->operands[0]);
    }
    rd_kafka_metadata_destroy(md);
    return WEIR_OK;
}

int wr_produce(struct wr_cli *cli)
{
    struct weir_error err = {0};
    struct produce p = {0};
    wr_buf_init(&p.key.buf, LINE_MAX_BYTES);
    wr_buf_init(&p.value.buf, LINE_MAX_BYTES);
    enum weir_status s = configure(cli, &p, &err);
    s = s == WEIR_OK ? open_client(cli, &p, &err) : s;
    if (s == WEIR_OK) {
        s = produce_stdin(&p, &err);
        struct weir_error flush_err;
        enum weir_status f = finish(&p, s == WEIR_OK ? &err : &flush_err);
        s = s == WEIR_OK ? f : s;
        (void)fprintf(stderr, "%lld records written to %s\n",
                      (long long)p.acknowledged, cli->operands[0]);
    }
    if (p.headers) {
        rd_kafka_headers_destroy(p.headers);
    }
    if (p.topic) {
        rd_kafka_topic_destroy(p.topic);
    }
    wr_door_close(&p.door);
    wr_buf_done(&p.key.buf);
    wr_buf_done(&p.value.buf);
    return s == WEIR_OK ? WR_EXIT_OK : wr_cli_fail(&err);
}
