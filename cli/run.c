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
#include "cli/tools.h"
#include "runtime/http.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define POOLS_MAX              256
#define STANDARD_BROKER_LISTEN "127.0.0.1:9092"
#define STANDARD_BROKER_DATA   "weir-data"

/* ---- the included broker ------------------------------------------------ */

static struct wr_broker *running_broker;

static void on_stop_signal(int number)
{
    (void)number;
    wr_broker_stop(running_broker);
}

static enum weir_status open_broker(const struct wr_pool *pool,
                                    struct wr_broker **out,
                                    struct weir_error *err)
{
    struct wr_options *options = NULL;
    enum weir_status s = wr_options_new(wr_broker_options, NULL, &options);
    if (s != WEIR_OK) {
        return weir_fail(err, s, "broker: %s", weir_status_text(s));
    }
    s = wr_options_set(options, "data.dir", pool->broker_data, "--data", err);
    s = s == WEIR_OK ? wr_options_set(options, "listen", pool->broker_listen,
                                      "--broker", err)
                     : s;
    s = s == WEIR_OK ? wr_broker_open(options, out, err) : s;
    wr_options_free(options);
    return s;
}

int wr_broker_child_run(void *arg, int slot, int ready_fd)
{
    const struct wr_pool *pool = arg;
    struct weir_error err = {0};
    (void)slot;
    enum weir_status s = open_broker(pool, &running_broker, &err);
    if (s != WEIR_OK) {
        (void)fprintf(stderr,
                      "weir: the included broker does not start: %s\n"
                      "weir: to use a broker that is there already, say -X "
                      "bootstrap.servers=HOST:PORT\n",
                      err.text);
        return (int)wr_exit_of(s);
    }
    struct sigaction action = {.sa_handler = on_stop_signal};
    (void)sigaction(SIGTERM, &action, NULL);
    (void)signal(SIGINT, SIG_IGN); /* the supervisor decides the order */
    wr_log(WR_INFO, "broker", "ready", "listen=%s data=%s",
           wr_broker_address(running_broker), pool->broker_data);
    (void)!write(ready_fd, "r", 1);
    (void)close(ready_fd);
    s = wr_broker_run(running_broker, &err);
    wr_broker_close(running_broker);
    if (s != WEIR_OK) {
        (void)fprintf(stderr, "weir: broker: %s\n", err.text);
        return WR_EXIT_FAILED;
    }
    return WR_EXIT_OK;
}

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

static enum weir_status add_broker(struct wr_pool *pool, char *listen_on,
                                   size_t size, struct wr_child_spec *spec,
                                   struct weir_error *err)
{
    (void)snprintf(listen_on, size, "%s", pool->broker_listen);
    enum weir_status s = wr_choose_port(listen_on, size, err);
    if (s != WEIR_OK) {
        return s;
    }
    pool->broker_listen = listen_on;
    *spec = (struct wr_child_spec){.name = "broker",
                                   .run = wr_broker_child_run,
                                   .arg = pool,
                                   .last = true,
                                   .first = true};
    wr_log(WR_INFO, "pool", "included broker",
           "listen=%s data=%s reason=\"no bootstrap.servers given\"", listen_on,
           pool->broker_data);
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

/* Takes the lowest number that no other pool on this state.dir has. The lock is
 * held by the supervisor and its children, and so until the last of them ends.
 */
static enum weir_status take_number(struct wr_pool *pool,
                                    struct weir_error *err)
{
    const char *dir = wr_options_text(pool->config->options, "state.dir");
    enum weir_status s = wr_mkdirs(dir, err);
    for (int i = 1; s == WEIR_OK && i <= POOLS_MAX; i++) {
        char path[4096];
        int n = snprintf(path, sizeof(path), "%s/.pool-%d.lock", dir, i);
        if (n < 0 || (size_t)n >= sizeof(path)) {
            return weir_fail(err, WEIR_E_CONFIG, "state.dir is too long");
        }
        enum weir_status locked = wr_lock_file(path, &pool->lock_fd, err);
        if (locked != WEIR_E_LOCKED) {
            pool->number = i;
            return locked;
        }
    }
    return s != WEIR_OK ? s
                        : weir_fail(err, WEIR_E_LOCKED,
                                    "there are %d pools on state.dir '%s'",
                                    POOLS_MAX, dir);
}

int wr_pool_run(struct wr_pool *pool, void (*on_ready)(void *), void *user)
{
    struct weir_error err = {0};
    enum weir_status s = take_number(pool, &err);
    if (s == WEIR_OK && pool->http_port >= 0) {
        s = choose_http_ports(pool, &err);
    }
    if (s != WEIR_OK) {
        return wr_cli_fail(&err);
    }
    char listen_on[256];
    size_t count = 0;
    struct wr_child_spec *specs =
        calloc((size_t)pool->workers + 1, sizeof(*specs));
    if (!specs) {
        return WR_EXIT_FAILED;
    }
    if (pool->own_broker) {
        if (add_broker(pool, listen_on, sizeof(listen_on), &specs[count++],
                       &err) != WEIR_OK) {
            free(specs);
            return wr_cli_fail(&err);
        }
    }
    for (int i = 0; i < pool->workers; i++) {
        struct wr_child_spec *spec = &specs[count++];
        *spec = (struct wr_child_spec){
            .run = wr_worker_run, .arg = pool, .slot = i};
        (void)snprintf(spec->name, sizeof(spec->name), "worker-%d", i + 1);
    }
    int code = wr_supervise(specs, count, &pool->patience, on_ready, user);
    free(specs);
    return code;
}

/* ---- the command -------------------------------------------------------- */

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

static enum weir_status configure(const struct wr_cli *cli,
                                  struct wr_pool *pool, struct weir_error *err)
{
    int64_t workers = 0;
    int64_t stop_s = 0;
    int64_t restart_s = 0;
    pool->application = cli->operands[0];
    pool->broker_data = wr_cli_text(cli, "data", STANDARD_BROKER_DATA);
    pool->broker_listen = wr_cli_text(cli, "broker", STANDARD_BROKER_LISTEN);
    pool->http_file = wr_cli_text(cli, "http-file", NULL);
    enum weir_status s =
        wr_cli_int(cli, "workers", (struct wr_cli_range){1, 1, WR_WORKERS_MAX},
                   &workers, err);
    s = s == WEIR_OK
            ? wr_cli_int(cli, "stop-timeout",
                         (struct wr_cli_range){30, 1, 3600}, &stop_s, err)
            : s;
    pool->workers = (int)workers;
    s = s == WEIR_OK
            ? wr_cli_int(cli, "restart-max", (struct wr_cli_range){30, 1, 3600},
                         &restart_s, err)
            : s;
    pool->patience.stop_ms = stop_s * 1000;
    pool->patience.backoff_max_ms = restart_s * 1000;
    s = s == WEIR_OK ? read_config(cli, pool, err) : s;
    s = s == WEIR_OK ? read_http(cli, pool, err) : s;
    if (s != WEIR_OK) {
        return s;
    }
    pool->own_broker =
        !wr_options_is_set(pool->config->options, "bootstrap.servers");
    if (!pool->own_broker &&
        (wr_cli_has(cli, "data") || wr_cli_has(cli, "broker"))) {
        return weir_fail(
            err, WEIR_E_CONFIG,
            "--data and --broker are for the included broker, "
            "which is not started when bootstrap.servers is given");
    }
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
    if (!pool.config) {
        return WR_EXIT_FAILED;
    }
    enum weir_status s = configure(cli, &pool, &err);
    int code =
        s == WEIR_OK ? wr_pool_run(&pool, NULL, NULL) : wr_cli_fail(&err);
    weir_config_free(pool.config);
    return code;
}
