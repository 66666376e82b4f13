/* SPDX-License-Identifier: Apache-2.0
 *
 * weir consume: the records of a topic, one a line, from where it is told to
 * begin, until it is told to end. Partitions are assigned directly, so that no
 * group is joined and nothing is committed.
 *
 * In text, a line is "key TAB value" where there is a key, else the value; null
 * is shown as the word null. In JSON a line is one object.
 *
 * The end of --exit is what is there at the start: a topic that is written to
 * all the time has no other. A partition has ended with the first record behind
 * it, which is not shown, or when the broker has no more to give (an open
 * transaction hides the rest). */
#include "cli/kafka_door.h"
#include "cli/tools.h"

#include "runtime/serde.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS 200

struct consume {
    struct wr_door door;
    const char *topic;
    int64_t from;      /* an offset, or RD_KAFKA_OFFSET_* */
    int32_t partition; /* -1: all */
    int64_t max;       /* records; -1: no limit */
    bool exit_at_end;
    bool json;
    const struct weir_serde *key_serde;
    const struct weir_serde *value_serde;
    int partitions; /* assigned */
    int at_end;     /* of these */
    bool *ended;    /* by partition number; an end may be told twice */
    int64_t *ends;  /* by partition number: the end at the start */
    int ended_count;
    int64_t count;
    int32_t last_partition; /* of what came last */
    bool reader_left;       /* of standard output */
    bool gone;              /* the topic is */
    rd_kafka_queue_t **own; /* by partition number; see wr_kafka_end_queue */
    struct weir_writer line;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

static void on_gone(void *opaque)
{
    struct consume *c = opaque;
    c->gone = true;
}

/* ---- one record --------------------------------------------------------- */

/* A text for a person: JSON without the quotes of a string. */
static enum weir_status show(struct consume *c, const struct weir_serde *serde,
                             struct weir_bytes bytes, struct weir_error *err)
{
    if (!bytes.data) {
        wr_buf_put_text(&c->line.buf, "null");
        return WEIR_OK;
    }
    if (!c->json && (serde == &weir_serde_text || serde == &weir_serde_bytes)) {
        wr_buf_put_bytes(&c->line.buf, bytes);
        return WEIR_OK;
    }
    return serde->to_json(bytes, &c->line, err);
}

static struct weir_bytes view(const void *data, size_t len)
{
    return weir_bytes(data, data ? len : 0);
}

static void put_headers(struct consume *c, const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers = NULL;
    const char *name;
    const void *value;
    size_t size;
    wr_buf_put_text(&c->line.buf, ",\"headers\":[");
    if (rd_kafka_message_headers(m, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        for (size_t i = 0;
             rd_kafka_header_get_all(headers, i, &name, &value, &size) ==
             RD_KAFKA_RESP_ERR_NO_ERROR;
             i++) {
            wr_buf_put_text(&c->line.buf, i ? ",[" : "[");
            wr_json_text(&c->line.buf, weir_text(name));
            wr_buf_put_text(&c->line.buf, ",");
            if (value) {
                wr_json_text(&c->line.buf, weir_bytes(value, size));
            } else {
                wr_buf_put_text(&c->line.buf, "null");
            }
            wr_buf_put_text(&c->line.buf, "]");
        }
    }
    wr_buf_put_text(&c->line.buf, "]");
}

static enum weir_status put_json(struct consume *c, const rd_kafka_message_t *m,
                                 struct weir_error *err)
{
    rd_kafka_timestamp_type_t type;
    wr_buf_printf(&c->line.buf,
                  "{\"topic\":\"%s\",\"partition\":%d,\"offset\":%lld,"
                  "\"timestamp\":%lld,\"key\":",
                  c->topic, m->partition, (long long)m->offset,
                  (long long)rd_kafka_message_timestamp(m, &type));
    enum weir_status s = show(c, c->key_serde, view(m->key, m->key_len), err);
    wr_buf_put_text(&c->line.buf, ",\"value\":");
    s = s == WEIR_OK ? show(c, c->value_serde, view(m->payload, m->len), err)
                     : s;
    put_headers(c, m);
    wr_buf_put_text(&c->line.buf, "}\n");
    return s;
}

static enum weir_status put_text(struct consume *c, const rd_kafka_message_t *m,
                                 struct weir_error *err)
{
    enum weir_status s = WEIR_OK;
    if (m->key) {
        s = show(c, c->key_serde, view(m->key, m->key_len), err);
        wr_buf_put_text(&c->line.buf, "\t");
    }
    s = s == WEIR_OK ? show(c, c->value_serde, view(m->payload, m->len), err)
                     : s;
    wr_buf_put_text(&c->line.buf, "\n");
    return s;
}

/* A reader that has left (`| head -1`) has what it wanted: the end, in silence.
 */
static enum weir_status not_written(struct consume *c, struct weir_error *err)
{
    if (errno == EPIPE) {
        c->reader_left = true;
        return WEIR_OK;
    }
    return weir_fail(err, WEIR_E_IO, "cannot write to standard output: %s",
                     strerror(errno));
}

static enum weir_status print_record(struct consume *c,
                                     const rd_kafka_message_t *m,
                                     struct weir_error *err)
{
    wr_buf_reset(&c->line.buf);
    enum weir_status s = c->json ? put_json(c, m, err) : put_text(c, m, err);
    if (s != WEIR_OK) {
        return weir_fail_prefix(err, s,
                                "topic '%s' partition %d offset %lld (see "
                                "--key-type and --value-type)",
                                c->topic, m->partition, (long long)m->offset);
    }
    struct weir_bytes line = wr_buf_view(&c->line.buf);
    c->count++;
    return fwrite(line.data, 1, line.len, stdout) == line.len
               ? WEIR_OK
               : not_written(c, err);
}

/* ---- the loop ----------------------------------------------------------- */

/* Whether this is no record to be shown, but says that its partition ended. */
static bool note_end(struct consume *c, const rd_kafka_message_t *m)
{
    bool is_end = m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
    if ((!is_end && m->err) || !c->exit_at_end || m->partition < 0 ||
        m->partition >= c->ended_count) {
        return is_end;
    }
    if (!is_end && m->offset < c->ends[m->partition]) {
        return false;
    }
    c->at_end += !c->ended[m->partition];
    c->ended[m->partition] = true;
    return true;
}

static enum weir_status handle(struct consume *c, const rd_kafka_message_t *m,
                               struct weir_error *err)
{
    if (note_end(c, m)) {
        return WEIR_OK;
    }
    if (m->err) {
        return wr_door_fail(&c->door, m->err, rd_kafka_message_errstr(m), err,
                            "topic '%s' partition %d offset %lld", c->topic,
                            m->partition, (long long)m->offset);
    }
    return print_record(c, m, err);
}

static bool has_enough(const struct consume *c)
{
    return interrupted || c->reader_left ||
           (c->max >= 0 && c->count >= c->max) ||
           (c->exit_at_end && c->at_end >= c->partitions);
}

static enum weir_status consume_all(struct consume *c, struct weir_error *err)
{
    enum weir_status s = WEIR_OK;
    while (s == WEIR_OK && !has_enough(c) && !c->gone) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(c->door.client, POLL_MS);
        if (!m) {
            s = fflush(stdout) == 0 ? WEIR_OK : not_written(c, err);
            continue;
        }
        c->last_partition = m->partition;
        s = handle(c, m, err);
        rd_kafka_message_destroy(m);
    }
    if (s == WEIR_OK && !c->reader_left && fflush(stdout) != 0) {
        s = not_written(c, err);
    }
    if (s == WEIR_OK && !has_enough(c)) { /* the topic is gone */
        s = weir_fail(
            err, WEIR_E_NOTFOUND,
            "topic '%s' does not exist any more: it was deleted while "
            "it was read, after %lld records",
            c->topic, (long long)c->count);
    }
    return s;
}

/* ---- set-up ------------------------------------------------------------- */

static enum weir_status count_partitions(struct consume *c, int *out,
                                         struct weir_error *err)
{
    const struct rd_kafka_metadata *md = NULL;
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(c->door.client, 1, NULL, &md, c->door.timeout_ms);
    if (code) {
        return wr_door_fail(&c->door, code, NULL, err, "topic '%s'", c->topic);
    }
    *out = 0;
    for (int i = 0; i < md->topic_cnt; i++) {
        if (strcmp(md->topics[i].topic, c->topic) == 0) {
            *out = md->topics[i].partition_cnt;
        }
    }
    rd_kafka_metadata_destroy(md);
    if (*out == 0) {
        return weir_fail(err, WEIR_E_NOTFOUND,
                         "topic '%s' does not exist; 'weir topic create %s' "
                         "makes it",
                         c->topic, c->topic);
    }
    if (c->partition >= *out) {
        return weir_fail(err, WEIR_E_NOTFOUND,
                         "topic '%s' has %d partitions, there is no %d",
                         c->topic, *out, c->partition);
    }
    return WEIR_OK;
}

/* Notes where the partitions end now. */
static enum weir_status find_ends(struct consume *c,
                                  const rd_kafka_topic_partition_list_t *list,
                                  struct weir_error *err)
{
    enum weir_status s = WEIR_OK;
    for (int i = 0; i < list->cnt && s == WEIR_OK; i++) {
        int32_t partition = list->elems[i].partition;
        int64_t first = 0;
        s = wr_door_bounds(&c->door, c->topic, partition, &first,
                           &c->ends[partition], err);
    }
    return s;
}

static enum weir_status assign(struct consume *c, struct weir_error *err)
{
    int count = 0;
    enum weir_status s = count_partitions(c, &count, err);
    if (s != WEIR_OK) {
        return s;
    }
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(count);
    for (int i = 0; i < count; i++) {
        if (c->partition < 0 || c->partition == i) {
            rd_kafka_topic_partition_list_add(list, c->topic, i)->offset =
                c->from;
        }
    }
    c->partitions = list->cnt;
    c->ended = calloc((size_t)count, sizeof(*c->ended));
    c->ends = calloc((size_t)count, sizeof(*c->ends));
    c->own = calloc((size_t)count + 1, sizeof(*c->own));
    c->ended_count = count;
    s = c->ended && c->ends && c->own
            ? WEIR_OK
            : weir_fail(err, WEIR_E_NOMEM, "out of memory");
    if (s == WEIR_OK && c->exit_at_end) {
        s = find_ends(c, list, err);
    }
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (s == WEIR_OK) {
        code = rd_kafka_assign(c->door.client, list);
    }
    for (int i = 0; s == WEIR_OK && !code && i < list->cnt; i++) {
        int32_t partition = list->elems[i].partition;
        c->own[partition] =
            rd_kafka_queue_get_partition(c->door.client, c->topic, partition);
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code
               ? wr_door_fail(&c->door, code, NULL, err, "topic '%s'", c->topic)
               : s;
}

static enum weir_status read_from(const char *text, int64_t *out,
                                  struct weir_error *err)
{
    if (strcmp(text, "beginning") == 0) {
        *out = RD_KAFKA_OFFSET_BEGINNING;
        return WEIR_OK;
    }
    if (strcmp(text, "end") == 0) {
        *out = RD_KAFKA_OFFSET_END;
        return WEIR_OK;
    }
    char *end = NULL;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno || end == text || *end) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "--from %s: want beginning, end, an offset, or -N for "
                         "the last N of each partition",
                         text);
    }
    *out = v < 0 ? RD_KAFKA_OFFSET_TAIL(-v) : v;
    return WEIR_OK;
}

static enum weir_status read_serde(const struct wr_cli *cli, const char *option,
                                   const struct weir_serde **out,
                                   struct weir_error *err)
{
    const char *name = wr_cli_text(cli, option, "text");
    *out = wr_serde_by_name(name);
    return *out ? WEIR_OK
                : weir_fail(err, WEIR_E_CONFIG,
                            "--%s %s: want bytes, text, int64, double or json",
                            option, name);
}

static enum weir_status configure(const struct wr_cli *cli, struct consume *c,
                                  struct weir_error *err)
{
    int64_t partition = 0;
    c->topic = cli->operands[0];
    c->exit_at_end = wr_cli_has(cli, "exit");
    enum weir_status s =
        wr_cli_int(cli, "partition", (struct wr_cli_range){-1, 0, INT32_MAX},
                   &partition, err);
    c->partition = (int32_t)partition;
    s = s == WEIR_OK
            ? wr_cli_int(cli, "max", (struct wr_cli_range){-1, 0, INT64_MAX},
                         &c->max, err)
            : s;
    s = s == WEIR_OK
            ? read_from(wr_cli_text(cli, "from", "beginning"), &c->from, err)
            : s;
    s = s == WEIR_OK ? read_serde(cli, "key-type", &c->key_serde, err) : s;
    s = s == WEIR_OK ? read_serde(cli, "value-type", &c->value_serde, err) : s;
    return s == WEIR_OK ? wr_door_json(cli, &c->json, err) : s;
}

int wr_consume(struct wr_cli *cli)
{
    struct wr_client_setting forced[] = {
        {"enable.partition.eof", "true"},
        {"enable.auto.commit", "false"},
        {"group.id", "weir-consume"}, /* required, never joined */
        {"isolation.level", wr_cli_has(cli, "uncommitted") ? "read_uncommitted"
                                                           : "read_committed"},
        {NULL, NULL}};
    struct weir_error err = {0};
    struct consume c = {.door = {.on_gone = on_gone, .opaque = &c}};
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    wr_buf_init(&c.line.buf, (size_t)512 << 20);
    enum weir_status s = configure(cli, &c, &err);
    s = s == WEIR_OK
            ? wr_door_open(cli, WR_CLIENT_CONSUMER, forced, &c.door, &err)
            : s;
    if (s == WEIR_OK) {
        (void)rd_kafka_poll_set_consumer(c.door.client);
        s = assign(&c, &err);
        s = s == WEIR_OK ? consume_all(&c, &err) : s;
        (void)rd_kafka_consumer_close(c.door.client);
        if (s == WEIR_E_CORRUPT) {
            wr_kafka_settle(c.door.client, c.topic, c.last_partition);
        }
        for (int i = 0; c.own && i < c.ended_count; i++) {
            wr_kafka_end_queue(c.own[i]);
        }
    }
    wr_door_close(&c.door);
    wr_buf_done(&c.line.buf);
    free(c.ended);
    free(c.ends);
    free(c.own);
    return s == WEIR_OK ? WR_EXIT_OK : wr_cli_fail(&err);
}
