/* SPDX-License-Identifier: Apache-2.0
 *
 * Puts the broker together and takes it apart:
 *
 *   options -> loop -> logs (folder, lock, recovery) -> topics -> groups ->
 *   transactions -> listener
 *
 * Closing goes the other way, except that the listener, which goes first,
 * leaves its memory for requests that handlers still hold. Between: each tick
 * ends with wr_logs_commit, and the sync thread's wake comes back as a posted
 * task. */
#include "broker/broker.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "broker/api.h"
#include "broker/config.h"
#include "broker/groups.h"
#include "broker/listener.h"
#include "broker/logs.h"
#include "broker/topics.h"
#include "broker/txns.h"
#include "broker/weir_broker.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#define HOUSEKEEP_MS 1000
#define STUCK_MS     60000

/* What drives the logs from the loop. */
struct wr_broker_drive {
    struct wr_tick_hook commit; /* end of tick: hand over what was appended */
    struct wr_loop_work poll;   /* after wake: take results */
    atomic_bool posted;         /* poll is posted and has not run */
    struct wr_timer housekeep;
};

static void drive_commit(void *arg)
{
    struct wr_broker *broker = arg;
    wr_logs_commit(broker->logs);
}

static void drive_poll(void *arg)
{
    struct wr_broker *broker = arg;
    atomic_store(&broker->drive->posted, false);
    wr_logs_poll(broker->logs);
}

/* Thread: any. */
static void drive_wake(void *arg)
{
    struct wr_broker *broker = arg;
    if (!atomic_exchange(&broker->drive->posted, true)) {
        wr_loop_post(broker->loop, &broker->drive->poll);
    }
}

static void drive_housekeep(void *arg)
{
    struct wr_broker *broker = arg;
    wr_logs_housekeep(broker->logs);
    if (wr_loop_timer_start(broker->loop, &broker->drive->housekeep,
                            HOUSEKEEP_MS) != WEIR_OK) {
        wr_log(WR_ERROR, "broker", "no more housekeeping", "reason=%s",
               "\"out of memory\"");
    }
}

static enum weir_status drive_open(struct wr_broker *broker,
                                   struct weir_error *err)
{
    struct wr_broker_drive *drive = calloc(1, sizeof(*drive));
    if (!drive) {
        return weir_fail(err, WEIR_E_NOMEM, "broker: out of memory");
    }
    drive->commit = (struct wr_tick_hook){NULL, drive_commit, broker};
    drive->poll = (struct wr_loop_work){NULL, drive_poll, broker};
    drive->housekeep.fire = drive_housekeep;
    drive->housekeep.arg = broker;
    broker->drive = drive;
    return WEIR_OK;
}

/* ---- the folder ------------------------------------------------------------
 */

static enum wr_durability durability_of(const struct wr_options *options)
{
    const char *text = wr_options_text(options, "durability");
    if (strcmp(text, "interval") == 0) {
        return WR_DURABILITY_INTERVAL;
    }
    return strcmp(text, "none") == 0 ? WR_DURABILITY_NONE : WR_DURABILITY_SYNC;
}

static enum weir_status logs_open(struct wr_broker *broker,
                                  struct weir_error *err)
{
    struct wr_logs_config config = wr_logs_config_default();
    config.dir = broker->data_dir;
    config.durability = durability_of(broker->options);
    config.sync_interval_ms =
        wr_options_int(broker->options, "durability.interval.ms");
    config.retention_check_ms =
        wr_options_int(broker->options, "log.retention.check.interval.ms");
    config.topic = wr_topic_log_config(broker->options, NULL);
    config.now_ms = wr_wall_ms;
    config.wake = drive_wake;
    config.wake_arg = broker;
    return wr_logs_open(&config, &broker->logs, err);
}

/* 22 characters of base64url, as Kafka writes its ids. */
static void make_cluster_id(char out[23])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t random[22] = {0};
    ssize_t n = getrandom(random, sizeof(random), 0);
    (void)n; /* less randomness is still an id */
    for (size_t i = 0; i < 22; i++) {
        out[i] = digits[random[i] & (i == 21 ? 0x30 : 0x3f)];
    }
    out[0] = out[0] == '-' ? 'w' : out[0];
    out[22] = '\0';
}

/* meta.properties says which cluster the folder belongs to. */
static enum weir_status identity_open(struct wr_broker *broker,
                                      struct weir_error *err)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/meta.properties", broker->data_dir);
    struct wr_buf text;
    wr_buf_init(&text, 64 << 10);
    enum weir_status s = wr_file_read(path, &text, err);
    if (s == WEIR_OK) {
        const char *at = strstr(wr_buf_text(&text), "cluster.id=");
        if (!at || sscanf(at, "cluster.id=%22[A-Za-z0-9_-]",
                          broker->cluster_id) != 1) {
            s = weir_fail(err, WEIR_E_CORRUPT,
                          "%s has no line cluster.id=...; remove the file to "
                          "get a new id",
                          path);
        }
    } else if (s == WEIR_E_NOTFOUND) {
        make_cluster_id(broker->cluster_id);
        wr_buf_reset(&text);
        wr_buf_printf(&text, "version=1\ncluster.id=%s\nnode.id=%d\n",
                      broker->cluster_id, broker->node_id);
        s = wr_file_replace(path, wr_buf_view(&text), err);
    }
    wr_buf_done(&text);
    return s;
}

/* ---- the door --------------------------------------------------------------
 */

static enum weir_status advertise(struct wr_broker *broker,
                                  struct weir_error *err)
{
    const char *text = wr_options_text(broker->options, "advertised.listener");
    bool own = text == NULL;
    char host[256];
    uint16_t port;
    enum weir_status s = wr_address_split(
        own ? wr_options_text(broker->options, "listen") : text, host,
        sizeof(host), &port, err);
    if (s != WEIR_OK) {
        return weir_fail_prefix(err, s, "%s",
                                own ? "listen" : "advertised.listener");
    }
    if (own && host[0] == '\0') {
        snprintf(host, sizeof(host), "%s", WR_HOST_STANDARD);
    } else if (host[0] == '\0' || strcmp(host, "0.0.0.0") == 0 ||
               strcmp(host, "::") == 0) { /* every address: name the machine */
        if (gethostname(host, sizeof(host)) != 0) {
            snprintf(host, sizeof(host), "localhost");
        }
        host[sizeof(host) - 1] = '\0';
    }
    broker->advertised_port = port ? port : broker->listener->port;
    broker->advertised_host = strdup(host);
    bool v6 = strchr(host, ':') != NULL;
    size_t size = strlen(host) + 16;
    broker->address = malloc(size);
    if (!broker->advertised_host || !broker->address) {
        return weir_fail(err, WEIR_E_NOMEM, "broker: out of memory");
    }
    snprintf(broker->address, size, v6 ? "[%s]:%u" : "%s:%u", host,
             broker->advertised_port);
    return WEIR_OK;
}

static enum weir_status door_open(struct wr_broker *broker,
                                  struct weir_error *err)
{
    const struct wr_options *o = broker->options;
    struct wr_listener_config config = {
        .listen = wr_options_text(o, "listen"),
        .request_bytes_max =
            (size_t)wr_options_int(o, "socket.request.max.bytes"),
        .queued_bytes_max =
            (size_t)wr_options_int(o, "queued.max.request.bytes"),
        .connections_max = (int32_t)wr_options_int(o, "max.connections"),
        .idle_ms = wr_options_int(o, "connections.max.idle.ms"),
        .stuck_ms = STUCK_MS,
    };
    enum weir_status s =
        wr_listener_open(broker, &config, &broker->listener, err);
    return s == WEIR_OK ? advertise(broker, err) : s;
}

/* ---- life ------------------------------------------------------------------
 */

static enum weir_status open_parts(struct wr_broker *broker,
                                   struct weir_error *err)
{
    enum weir_status s = drive_open(broker, err);
    if (s == WEIR_OK) {
        s = wr_loop_new(&broker->loop, err);
    }
    if (s == WEIR_OK) {
        s = logs_open(broker, err);
    }
    if (s == WEIR_OK) {
        s = identity_open(broker, err);
    }
    if (s == WEIR_OK) {
        s = wr_topics_open(broker, &broker->topics, err);
    }
    if (s == WEIR_OK) {
        s = wr_groups_open(broker, &broker->groups, err);
    }
    if (s == WEIR_OK) {
        s = wr_txns_open(broker, &broker->txns, err);
    }
    if (s == WEIR_OK) {
        wr_loop_on_tick_end(broker->loop, &broker->drive->commit);
        s = door_open(broker, err);
    }
    if (s == WEIR_OK) {
        drive_housekeep(broker);
    }
    return s;
}

enum weir_status wr_broker_open(const struct wr_options *options,
                                struct wr_broker **out, struct weir_error *err)
{
    enum weir_status s = wr_broker_options_check(options, err);
    if (s != WEIR_OK) {
        return s;
    }
    wr_api_init();
    struct wr_broker *broker = calloc(1, sizeof(*broker));
    if (!broker) {
        return weir_fail(err, WEIR_E_NOMEM, "broker: out of memory");
    }
    broker->node_id = 1;
    broker->data_dir = strdup(wr_options_text(options, "data.dir"));
    if (!broker->data_dir || wr_metrics_new(&broker->metrics) != WEIR_OK ||
        wr_options_copy(options, &broker->options) != WEIR_OK) {
        s = weir_fail(err, WEIR_E_NOMEM, "broker: out of memory");
    }
    if (s == WEIR_OK) {
        s = open_parts(broker, err);
    }
    if (s != WEIR_OK) {
        wr_broker_close(broker);
        return s;
    }
    *out = broker;
    return WEIR_OK;
}

const char *wr_broker_address(const struct wr_broker *broker)
{
    return broker->address;
}

void wr_broker_metrics(const struct wr_broker *broker, struct wr_buf *out)
{
    wr_metrics_render(broker->metrics, out);
}

enum weir_status wr_broker_run(struct wr_broker *broker, struct weir_error *err)
{
    return wr_loop_run(broker->loop, err);
}

void wr_broker_stop(struct wr_broker *broker)
{
    wr_loop_stop(broker->loop);
}

void wr_broker_close(struct wr_broker *broker)
{
    if (!broker) {
        return;
    }
    wr_listener_close(broker->listener);
    wr_logs_room_close(broker->logs);
    wr_txns_close(broker->txns);
    wr_groups_close(broker->groups);
    wr_topics_close(broker->topics);
    struct weir_error err;
    if (broker->logs && wr_logs_close(broker->logs, &err) != WEIR_OK) {
        wr_log(WR_ERROR, "broker", "not closed cleanly", "reason=\"%s\"",
               err.text);
    }
    wr_listener_free(broker->listener);
    wr_loop_free(broker->loop);
    wr_options_free(broker->options);
    wr_metrics_free(broker->metrics);
    free(broker->drive);
    free(broker->address);
    free(broker->advertised_host);
    free(broker->data_dir);
    free(broker);
}
