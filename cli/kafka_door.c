/* SPDX-License-Identifier: Apache-2.0
 *
 * Clients of the tools. Their properties go through the same table and checks
 * as an application's, so that one client.properties serves both. */
#include "cli/kafka_door.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define STANDARD_BOOTSTRAP "127.0.0.1:9092"
#define ASK_SLICE_MS       2000
#define ASK_PAUSE_NS       100000000

static enum weir_status read_config(const struct wr_cli *cli,
                                    struct weir_config *config,
                                    struct weir_error *err)
{
    const char *text;
    for (size_t i = 0; (text = wr_cli_value(cli, "file", i)) != NULL; i++) {
        enum weir_status s = weir_config_load(config, text, err);
        if (s != WEIR_OK) {
            return s;
        }
    }
    for (size_t i = 0; (text = wr_cli_value(cli, "set", i)) != NULL; i++) {
        enum weir_status s =
            wr_options_set_pair(config->options, text, "-X", err);
        if (s != WEIR_OK) {
            return s;
        }
    }
    const char *given = wr_cli_text(cli, "bootstrap-server", NULL);
    if (!given && wr_options_is_set(config->options, "bootstrap.servers")) {
        return WEIR_OK;
    }
    const char *env = getenv("WEIR_BOOTSTRAP_SERVERS");
    return weir_config_set(config, "bootstrap.servers",
                           given         ? given
                           : env && *env ? env
                                         : STANDARD_BOOTSTRAP,
                           err);
}

static void on_log(const rd_kafka_t *client, int level, const char *facility,
                   const char *text)
{
    const struct wr_door *door = rd_kafka_opaque(client);
    int refusal = wr_kafka_refusal(facility, text);
    if (refusal) {
        door->on_refusal(door->opaque, (rd_kafka_resp_err_t)refusal);
    }
    wr_kafka_log(client, level, facility, text);
}

/* Refusals are told in the log only, if anybody asked for it. */
static void listen_for_refusals(rd_kafka_conf_t *conf)
{
    char debug[64] = "";
    size_t size = sizeof(debug);
    char reason[128];
    rd_kafka_conf_set_log_cb(conf, on_log);
    if (rd_kafka_conf_get(conf, "debug", debug, &size) == RD_KAFKA_CONF_OK &&
        !*debug) {
        (void)rd_kafka_conf_set(conf, "debug", "msg", reason, sizeof(reason));
    }
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message,
                        void *opaque)
{
    const struct wr_door *door = opaque;
    door->on_delivery(client, message, door->opaque);
}

static void on_error(rd_kafka_t *client, int code, const char *reason,
                     void *opaque)
{
    const struct wr_door *door = opaque;
    if (wr_kafka_status(code) == WEIR_E_NOTFOUND) {
        door->on_gone(door->opaque);
    } else { /* as librdkafka does where nobody listens */
        wr_kafka_log(client, LOG_ERR, "ERROR", reason);
    }
}

static enum weir_status make_client(struct wr_door *door,
                                    enum wr_client_kind kind,
                                    const struct wr_client_setting *forced,
                                    struct weir_error *err)
{
    char reason[512];
    rd_kafka_conf_t *conf = NULL;
    struct wr_client_spec spec = {.kind = kind,
                                  .options = door->config->options,
                                  .client_id = "weir-cli",
                                  .forced = forced,
                                  .opaque = door};
    enum weir_status s = wr_client_conf(&spec, &conf, err);
    if (s != WEIR_OK) {
        return s;
    }
    if (door->on_delivery) {
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    }
    if (door->on_refusal) {
        listen_for_refusals(conf);
    }
    if (door->on_gone) {
        rd_kafka_conf_set_error_cb(conf, on_error);
    }
    door->client = rd_kafka_new(kind == WR_CLIENT_CONSUMER ? RD_KAFKA_CONSUMER
                                                           : RD_KAFKA_PRODUCER,
                                conf, reason, sizeof(reason));
    if (!door->client) {
        rd_kafka_conf_destroy(conf);
        return weir_fail(err, WEIR_E_CONFIG, "client: %s", reason);
    }
    return WEIR_OK;
}

enum weir_status wr_door_open(const struct wr_cli *cli,
                              enum wr_client_kind kind,
                              const struct wr_client_setting *forced,
                              struct wr_door *door, struct weir_error *err)
{
    int64_t seconds = 0;
    door->client = NULL;
    door->config = weir_config_new();
    enum weir_status s =
        door->config ? WEIR_OK : weir_fail(err, WEIR_E_NOMEM, "out of memory");
    s = s == WEIR_OK
            ? wr_cli_int(cli, "timeout", (struct wr_cli_range){10, 1, 86400},
                         &seconds, err)
            : s;
    s = s == WEIR_OK ? read_config(cli, door->config, err) : s;
    if (s == WEIR_OK) {
        door->timeout_ms = (int)seconds * 1000;
        s = make_client(door, kind, forced, err);
    }
    if (s != WEIR_OK) {
        wr_door_close(door);
    }
    return s;
}

enum weir_status wr_door_open_config(struct weir_config *config,
                                     struct wr_door *door,
                                     struct weir_error *err)
{
    *door = (struct wr_door){
        .config = config, .config_lent = true, .timeout_ms = 10000};
    return make_client(door, WR_CLIENT_ADMIN, NULL, err);
}

void wr_door_close(struct wr_door *door)
{
    if (door->client) {
        rd_kafka_destroy(door->client);
    }
    if (!door->config_lent) {
        weir_config_free(door->config);
    }
    *door = (struct wr_door){0};
}

enum weir_status wr_door_fail(const struct wr_door *door,
                              rd_kafka_resp_err_t code, const char *reason,
                              struct weir_error *err, const char *format, ...)
{
    char doing[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(doing, sizeof(doing), format, args);
    va_end(args);
    return wr_kafka_fail(err, door->config->options, code, reason, doing);
}

enum weir_status wr_door_wait(struct wr_door *door, rd_kafka_queue_t *queue,
                              const char *doing, rd_kafka_event_t **out,
                              struct weir_error *err)
{
    /* The request itself times out first; the slack is for its answer. */
    rd_kafka_event_t *event =
        rd_kafka_queue_poll(queue, door->timeout_ms + 2000);
    if (!event) {
        return wr_door_fail(door, RD_KAFKA_RESP_ERR__TIMED_OUT, NULL, err, "%s",
                            doing);
    }
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    if (code) {
        enum weir_status s = wr_door_fail(
            door, code, rd_kafka_event_error_string(event), err, "%s", doing);
        rd_kafka_event_destroy(event);
        return s;
    }
    *out = event;
    return WEIR_OK;
}

/* ---- offsets ------------------------------------------------------------ */

/* One question to the leader as it is known. */
static rd_kafka_resp_err_t ask_offset(const struct wr_door *door,
                                      const char *topic, int32_t partition,
                                      int64_t *io_offset)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset =
        *io_offset;
    rd_kafka_resp_err_t code =
        rd_kafka_offsets_for_times(door->client, list, ASK_SLICE_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        code = list->elems[0].err;
    }
    *io_offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

/* rd_kafka_query_watermark_offsets() is the call for this, but before 2.3 it
 * never ends when the leader is away. Asking by time with -2 and -1, Kafka's
 * numbers for first and end, does. A leader that was elected meanwhile is
 * learnt from metadata. */
static rd_kafka_resp_err_t ask_patiently(const struct wr_door *door,
                                         const char *topic, int32_t partition,
                                         int64_t which, int64_t *out)
{
    int64_t until = wr_mono_ms() + door->timeout_ms;
    rd_kafka_resp_err_t code;
    for (;;) {
        *out = which;
        code = ask_offset(door, topic, partition, out);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR || wr_mono_ms() >= until) {
            return code;
        }
        const struct rd_kafka_metadata *metadata = NULL;
        if (rd_kafka_metadata(door->client, 1, NULL, &metadata, ASK_SLICE_MS) ==
            RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_metadata_destroy(metadata);
        }
        const struct timespec pause = {0, ASK_PAUSE_NS};
        (void)nanosleep(&pause, NULL);
    }
}

enum weir_status wr_door_bounds(const struct wr_door *door, const char *topic,
                                int32_t partition, int64_t *out_first,
                                int64_t *out_end, struct weir_error *err)
{
    rd_kafka_resp_err_t code = ask_patiently(
        door, topic, partition, RD_KAFKA_OFFSET_BEGINNING, out_first);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        code =
            ask_patiently(door, topic, partition, RD_KAFKA_OFFSET_END, out_end);
    }
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? WEIR_OK
               : wr_door_fail(door, code, NULL, err,
                              "offsets of topic '%s' partition %d", topic,
                              partition);
}

enum weir_status wr_door_json(const struct wr_cli *cli, bool *out,
                              struct weir_error *err)
{
    const char *format = wr_cli_text(cli, "output", "table");
    *out = strcmp(format, "json") == 0;
    if (!*out && strcmp(format, "table") != 0) {
        return weir_fail(err, WEIR_E_CONFIG, "-o %s: want table or json",
                         format);
    }
    return WEIR_OK;
}

bool wr_door_confirm(const char *question)
{
    char answer[16];
    if (!isatty(STDIN_FILENO)) {
        return false;
    }
    (void)fprintf(stderr, "%s [y/N] ", question);
    return fgets(answer, sizeof(answer), stdin) &&
           (answer[0] == 'y' || answer[0] == 'Y');
}
