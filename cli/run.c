/* SPDX-License-Identifier: Apache-2.0
 *
 * weir run: a pool of worker processes for one application, and the included
 * broker beside them when no bootstrap.servers is given.
 *
 * This process only supervises: it has no thread, no client and no store. */
#include "cli/run.h"

#include "base/fs.h"
#include "base/log.h"
#include "broker/weir_broker.h"
#include "cli/pool_number.h"
#include "cli/pool_sources.h"
#include "cli/tools.h"
#include "runtime/http.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define STANDARD_BROKER_DATA "weir-data"
#define SILENT_STANDARD_MS   10000 /* session.timeout.ms of weir */
/* What a worker has for its end beyond --stop-timeout, and the broker after it.
 */
#define ORPHANS_MS      10000
#define SILENT_LEAST_MS 5000

enum weir_status wr_choose_port(char *listen_on, size_t size,
                                struct weir_error *err)
{
    char host[200];
    uint16_t port = 0;
    struct wr_http *probe = NULL;
    enum weir_status s =
        wr_address_parse(listen_on, "--broker", host, sizeof(host), &port, err);
    if (s != WEIR_OK || port != 0) {
        return s;
    }
    s = wr_http_start(host, 0, &probe, err);
    if (s == WEIR_OK) {
        (void)snprintf(listen_on, size, "%s:%u", *host ? host : "127.0.0.1",
                       (unsigned)wr_http_port(probe));
        wr_http_stop(probe);
    }
    return s;
}

/* ---- the pool ----------------------------------------------------------- */

/* All processes of the pool must know the broker's address before any of them
 * starts. */
static enum weir_status add_broker(struct wr_pool *pool,
                                   struct wr_child_spec *spec,
                                   struct weir_error *err)
{
    char listen_on[256];
    struct wr_options *o = pool->broker_options;
    (void)snprintf(listen_on, sizeof(listen_on), "%s",
                   wr_options_text(o, "listen"));
    enum weir_status s = wr_choose_port(listen_on, sizeof(listen_on), err);
    s = s == WEIR_OK ? wr_options_set(o, "listen", listen_on, "--broker", err)
                     : s;
    if (s != WEIR_OK) {
        return s;
    }
    *spec = (struct wr_child_spec){.name = "broker",
                                   .run = wr_broker_child_run,
                                   .arg = pool,
                                   .last = true,
                                   .first = true};
    wr_log(WR_INFO, "pool", "included broker",
           "listen=%s data=%s reason=\"no bootstrap.servers given\"", listen_on,
           wr_options_text(o, "data.dir"));
    return weir_config_set(pool->config, "bootstrap.servers", listen_on, err);
}

/* Port 0 is decided here, once for each worker: a worker that is started again
 * keeps its address, which is what the others know it by. */
static enum weir_status choose_http_ports(struct wr_pool *pool,
                                          struct weir_error *err)
{
    enum weir_status s = WEIR_OK;
    for (int i = 0; i < pool->workers && s == WEIR_OK; i++) {
        char address[300];
        char host[256];
        pool->http_ports[i] = (uint16_t)(pool->http_port + i);
        if (pool->http_port == 0) {
            (void)snprintf(address, sizeof(address), "%s:0", pool->http_host);
            s = wr_choose_port(address, sizeof(address), err);
            s = s == WEIR_OK
                    ? wr_address_parse(address, "--http", host, sizeof(host),
                                       &pool->http_ports[i], err)
                    : s;
        }
    }
    return s;
}

/* Children that come after, and so their order: the broker, then workers. */
static enum weir_status list_children(struct wr_pool *pool,
                                      struct wr_child_spec *specs,
                                      size_t *out_count, struct weir_error *err)
{
    size_t count = 0;
    enum weir_status s = WEIR_OK;
    if (pool->broker_options) {
        s = add_broker(pool, &specs[count++], err);
    }
    for (int i = 0; i < pool->workers; i++) {
        struct wr_child_spec *spec = &specs[count++];
        *spec = (struct wr_child_spec){
            .run = wr_worker_run, .arg = pool, .slot = i};
        (void)snprintf(spec->name, sizeof(spec->name), "worker-%d", i + 1);
    }
    *out_count = count;
    return s;
}

int wr_pool_run(struct wr_pool *pool, void (*on_ready)(void *), void *user)
{
    struct weir_error err = {0};
    struct wr_child_spec specs[WR_CHILDREN_MAX] = {0};
    size_t count = 0;
    int code = wr_pool_sources_take(pool->application, pool->config->options,
                                    &pool->sources_fd);
    if (code != WR_EXIT_OK) {
        return code;
    }
    enum weir_status s =
        wr_pool_number_take(wr_options_text(pool->config->options, "state.dir"),
                            pool->patience.stop_ms + ORPHANS_MS, &pool->number,
                            &pool->lock_fd, &err);
    if (s == WEIR_OK && pool->http_port >= 0) {
        s = choose_http_ports(pool, &err);
    }
    s = s == WEIR_OK ? list_children(pool, specs, &count, &err) : s;
    if (s != WEIR_OK) {
        return wr_cli_fail(&err);
    }
    return wr_supervise(specs, count, &pool->patience, on_ready, user);
}

/* ---- the command -------------------------------------------------------- */

static bool names_a_broker_option(const char *pair)
{
    size_t n = strcspn(pair, "=");
    for (const struct wr_option *row = wr_broker_options; row->name; row++) {
        if (strlen(row->name) == n && strncmp(row->name, pair, n) == 0) {
            return true;
        }
    }
    return false;
}

static enum weir_status read_config(const struct wr_cli *cli,
                                    struct wr_pool *pool,
                                    struct weir_error *err)
{
    const char *text;
    enum weir_status s = WEIR_OK;
    for (size_t i = 0; s == WEIR_OK && (text = wr_cli_value(cli, "file", i));
         i++) {
        s = weir_config_load(pool->config, text, err);
    }
    for (size_t i = 0; s == WEIR_OK && (text = wr_cli_value(cli, "set", i));
         i++) {
        s = wr_options_set_pair(pool->config->options, text, "-X", err);
        if (s != WEIR_OK && names_a_broker_option(text)) {
            s = weir_fail(err, s,
                          "-X %.200s: that is an option of the included "
                          "broker; say --broker-set %.200s",
                          text, text);
        }
    }
    if (s == WEIR_OK && (text = wr_cli_text(cli, "threads", NULL))) {
        s = wr_config_set_at(pool->config, "num.stream.threads", text,
                             "--threads", err);
    }
    return s;
}

static enum weir_status read_http(const struct wr_cli *cli,
                                  struct wr_pool *pool, struct weir_error *err)
{
    const char *text = wr_cli_text(cli, "http", NULL);
    uint16_t port = 0;
    pool->http_port = -1;
    if (!text) {
        return WEIR_OK;
    }
    enum weir_status s = wr_address_parse(text, "--http", pool->http_host,
                                          sizeof(pool->http_host), &port, err);
    pool->http_port = port;
    if (s == WEIR_OK && port > 0 && port + pool->workers - 1 > 65535) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "--http %s: worker %d would need port %d", text,
                         pool->workers, port + pool->workers - 1);
    }
    return s;
}

static enum weir_status read_patience(const struct wr_cli *cli,
                                      struct wr_pool *pool,
                                      struct weir_error *err)
{
    int64_t stop_s = 0;
    int64_t restart_s = 0;
    enum weir_status s = wr_cli_int(
        cli, "stop-timeout", (struct wr_cli_range){30, 1, 3600}, &stop_s, err);
    s = s == WEIR_OK
            ? wr_cli_int(cli, "restart-max", (struct wr_cli_range){30, 1, 3600},
                         &restart_s, err)
            : s;
    pool->patience.stop_ms = stop_s * 1000;
    pool->patience.backoff_max_ms = restart_s * 1000;
    return s;
}

/* The group gives a silent member's tasks to others after its session: by then
 * the process must let go of their folders. */
static int64_t silence_allowed(const struct weir_config *config)
{
    int64_t session_ms =
        wr_options_is_set(config->options, "session.timeout.ms")
            ? wr_options_int(config->options, "session.timeout.ms")
            : SILENT_STANDARD_MS;
    return session_ms < SILENT_LEAST_MS ? SILENT_LEAST_MS : session_ms;
}

/* --data, --broker and --broker-set, over what a broker of a pool has by
 * itself. */
static enum weir_status read_broker(const struct wr_cli *cli,
                                    struct wr_pool *pool,
                                    struct weir_error *err)
{
    const char *text;
    enum weir_status s =
        wr_options_new(wr_broker_options, NULL, &pool->broker_options);
    s = s == WEIR_OK ? wr_options_set(pool->broker_options, "data.dir",
                                      STANDARD_BROKER_DATA, "--data", err)
                     : s;
    for (size_t i = 0;
         s == WEIR_OK && (text = wr_cli_value(cli, "broker-set", i)); i++) {
        s = wr_options_set_pair(pool->broker_options, text, "--broker-set",
                                err);
    }
    if (s == WEIR_OK && (text = wr_cli_text(cli, "data", NULL))) {
        s = wr_options_set(pool->broker_options, "data.dir", text, "--data",
                           err);
    }
    if (s == WEIR_OK && (text = wr_cli_text(cli, "broker", NULL))) {
        s = wr_options_set(pool->broker_options, "listen", text, "--broker",
                           err);
    }
    return s;
}

/* bootstrap.servers: as set, else as the tools take it, from the environment.
 */
static enum weir_status find_broker(const struct wr_cli *cli,
                                    struct wr_pool *pool,
                                    struct weir_error *err)
{
    const char *env = getenv("WEIR_BOOTSTRAP_SERVERS");
    bool included = wr_cli_has(cli, "data") || wr_cli_has(cli, "broker") ||
                    wr_cli_has(cli, "broker-set");
    if (wr_options_is_set(pool->config->options, "bootstrap.servers")) {
        return !included ? WEIR_OK
                         : weir_fail(err, WEIR_E_CONFIG,
                                     "--data, --broker and --broker-set are "
                                     "for the included broker, which is not "
                                     "started when bootstrap.servers is given");
    }
    if (env && *env && !included) {
        return wr_config_set_at(pool->config, "bootstrap.servers", env,
                                "$WEIR_BOOTSTRAP_SERVERS", err);
    }
    return read_broker(cli, pool, err);
}

static enum weir_status configure(const struct wr_cli *cli,
                                  struct wr_pool *pool, struct weir_error *err)
{
    int64_t workers = 0;
    pool->application = cli->operands[0];
    pool->http_file = wr_cli_text(cli, "http-file", NULL);
    enum weir_status s =
        wr_cli_int(cli, "workers", (struct wr_cli_range){1, 1, WR_WORKERS_MAX},
                   &workers, err);
    pool->workers = (int)workers;
    s = s == WEIR_OK ? read_patience(cli, pool, err) : s;
    s = s == WEIR_OK ? read_config(cli, pool, err) : s;
    s = s == WEIR_OK ? wr_config_apply_log(pool->config->options, err) : s;
    s = s == WEIR_OK ? read_http(cli, pool, err) : s;
    s = s == WEIR_OK ? find_broker(cli, pool, err) : s;
    if (s != WEIR_OK) {
        return s;
    }
    pool->patience.silent_ms = silence_allowed(pool->config);
    if (access(pool->application, R_OK) != 0) {
        return weir_fail(err, WEIR_E_LUA, "cannot read application '%s': %s",
                         pool->application, strerror(errno));
    }
    return WEIR_OK;
}

int wr_run(struct wr_cli *cli)
{
    struct weir_error err = {0};
    struct wr_pool pool = {.config = weir_config_new()};
    sigset_t signals;
    if (!pool.config) {
        return WR_EXIT_FAILED;
    }
    wr_supervised_signals(&signals);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    enum weir_status s = configure(cli, &pool, &err);
    int code =
        s == WEIR_OK ? wr_pool_run(&pool, NULL, NULL) : wr_cli_fail(&err);
    wr_options_free(pool.broker_options);
    weir_config_free(pool.config);
    return code;
}
