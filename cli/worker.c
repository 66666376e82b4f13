/* SPDX-License-Identifier: Apache-2.0
 *
 * One worker process of a pool: load the application, serve queries, run until
 * told to stop or until it cannot go on.
 *
 *   load -> http -> start -> (ready) -> wait for SIGTERM or failure -> stop
 *
 * Signals are blocked before any thread exists and read here, so that no thread
 * of the runtime or of librdkafka ever sees one. While it waits, this loop
 * beats for the supervisor, which kills a process whose loop does not turn. */
#include "cli/run.h"

#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/pages.h"
#include "cli/kafka_ensure.h"
#include "cli/leave_group.h"
#include "cli/tools.h"
#include "dsl/load.h"
#include "runtime/http.h"
#include "runtime/http_client.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS                                                                \
    50 /* how often the state is looked at while it is not running */

struct worker {
    struct wr_pool *pool;
    int slot;
    const struct wr_child_line *line;
    struct wr_sources *sources;
    struct wr_application *application;
    struct wr_http *http;
    struct weir_app *app;
    struct weir_config *config;
};

/* ---- making ------------------------------------------------------------- */

static enum weir_status set_default(struct worker *w, const char *name,
                                    const char *value, struct weir_error *err)
{
    if (wr_options_is_set(w->config->options, name)) {
        return WEIR_OK;
    }
    return weir_config_set(w->config, name, value, err);
}

/* application.id: as set, else as the program says, else its file's name. */
static enum weir_status name_application(struct worker *w,
                                         struct weir_error *err)
{
    const char *id = wr_application_id(w->application);
    const char *path = w->pool->application;
    const char *slash = strrchr(path, '/');
    char name[256];
    (void)snprintf(name, sizeof(name), "%s", slash ? slash + 1 : path);
    char *dot = strrchr(name, '.');
    if (dot && dot != name) {
        *dot = '\0';
    }
    return set_default(w, "application.id", id ? id : name, err);
}

/* A respawned worker keeps its name in the group, and so gets its tasks back.
 * The name has all that must stay the same for that: a coordinator goes on
 * telling the address that a static member had when it first joined. */
static enum weir_status name_in_group(struct worker *w, struct weir_error *err)
{
    char host[65] = "localhost";
    char dir[PATH_MAX];
    char name[512];
    char port[16] = "";
    const struct wr_options *o = w->config->options;
    if (wr_options_is_set(o, "group.instance.id")) {
        return WEIR_OK;
    }
    if (!realpath(wr_options_text(o, "state.dir"), dir)) {
        return weir_fail(err, WEIR_E_IO, "state.dir: %s", strerror(errno));
    }
    if (w->pool->http_port >= 0) {
        (void)snprintf(port, sizeof(port), "-%u",
                       (unsigned)w->pool->http_ports[w->slot]);
    }
    (void)gethostname(host, sizeof(host) - 1);
    (void)snprintf(name, sizeof(name), "%s-%s-%08x-%d-%d%s",
                   wr_options_text(o, "application.id"), host,
                   (unsigned)wr_crc32c(0, dir, strlen(dir)), w->pool->number,
                   w->slot + 1, port);
    return weir_config_set(w->config, "group.instance.id", name, err);
}

/* Writes the address that serves queries to FILE.N, whole. */
static enum weir_status note_address(const struct worker *w,
                                     const char *address,
                                     struct weir_error *err)
{
    char path[4096];
    int n =
        snprintf(path, sizeof(path), "%s.%d", w->pool->http_file, w->slot + 1);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        return weir_fail(err, WEIR_E_CONFIG, "--http-file: path is too long");
    }
    return wr_file_replace(path, weir_text(address), err);
}

static enum weir_status start_http(struct worker *w, struct weir_error *err)
{
    if (w->pool->http_port < 0) {
        return WEIR_OK;
    }
    enum weir_status s = wr_http_start(
        w->pool->http_host, w->pool->http_ports[w->slot], &w->http, err);
    if (s != WEIR_OK) {
        return weir_fail_prefix(err, s, "worker %d", w->slot + 1);
    }
    char address[300];
    const char *host = *w->pool->http_host ? w->pool->http_host : "127.0.0.1";
    (void)snprintf(address, sizeof(address), "%s:%u", host,
                   (unsigned)wr_http_port(w->http));
    wr_log(WR_INFO, "http", "listening", "address=%s", address);
    s = set_default(w, "application.server", address, err);
    if (s == WEIR_OK && w->pool->http_file) {
        s = note_address(w, address, err);
    }
    return s;
}

static enum weir_status load(struct worker *w, struct weir_error *err)
{
    enum weir_status s = wr_config_copy(w->pool->config, &w->config, err);
    if (s == WEIR_OK) {
        s = wr_sources_read(w->pool->sources_fd, &w->sources, err);
    }
    if (s == WEIR_OK) {
        s = wr_application_load_from(w->sources, w->pool->application,
                                     w->config->options, &w->application, err);
    }
    s = s == WEIR_OK ? name_application(w, err) : s;
    return s == WEIR_OK ? name_in_group(w, err) : s;
}

static enum weir_status make_app(struct worker *w, struct weir_error *err)
{
    struct weir_topology *t = wr_application_take_topology(w->application);
    enum weir_status s = weir_app_new(t, w->config, &w->app, err);
    if (s != WEIR_OK) {
        weir_topology_free(t);
    } else if (w->http) {
        wr_http_attach(w->http, w->app);
    }
    return s;
}

/* One partition, which is the broker's own standard, would be one task. */
static int partitions_to_make(const struct wr_options *broker_options)
{
    return wr_options_is_set(broker_options, "num.partitions")
               ? (int)wr_options_int(broker_options, "num.partitions")
               : WR_ENSURE_PARTITIONS;
}

static enum weir_status make(struct worker *w, struct weir_error *err)
{
    enum weir_status s = load(w, err);
    s = s == WEIR_OK ? start_http(w, err) : s;
    s = s == WEIR_OK ? make_app(w, err) : s;
    if (s == WEIR_OK && w->pool->broker_options) {
        s = wr_ensure_topics(w->app, w->config,
                             partitions_to_make(w->pool->broker_options), err);
    }
    return s == WEIR_OK ? weir_app_start(w->app, err) : s;
}

/* ---- running ------------------------------------------------------------ */

static void beat(const struct worker *w, uint32_t turn)
{
    uint32_t values = UINT32_MAX - WR_BEAT_FIRST;
    atomic_store(w->line->beat, WR_BEAT_FIRST + turn % values);
}

static void say_running(const struct worker *w)
{
    wr_log(WR_INFO, "worker", "running", "application=%s",
           wr_options_text(w->config->options, "application.id"));
    (void)!write(w->line->ready_fd, "r", 1);
    (void)close(w->line->ready_fd);
    wr_pages_let_go();
}

/* Until a signal asks to stop, or the application has ended by itself. */
static void wait_for_end(struct worker *w, const sigset_t *signals)
{
    bool told = false;
    for (uint32_t turn = 0;; turn++) {
        struct timespec timeout = {.tv_nsec = LOOK_MS * 1000000L};
        int number = sigtimedwait(signals, NULL, &timeout);
        enum weir_app_state state = weir_app_state(w->app);
        beat(w, turn);
        if (number == SIGTERM || state == WEIR_APP_ERROR ||
            state == WEIR_APP_STOPPED) {
            break;
        }
        if (!told && state == WEIR_APP_RUNNING) {
            told = true;
            say_running(w);
        }
    }
    atomic_store(w->line->beat, WR_BEAT_ENDS);
}

/* Behind TLS or SASL the client has to leave, before it is gone; else the group
 * is left by name, after. A failure costs time, not records: the session times
 * out. */
static enum weir_status stop(struct worker *w, struct weir_error *err)
{
    bool by_name = wr_leave_group_can(w->config->options);
    struct weir_error ignored = {0};
    if (by_name) {
        weir_app_stop(w->app);
    } else {
        weir_app_leave(w->app);
    }
    enum weir_status s = weir_app_wait(w->app, err);
    if (s == WEIR_OK && by_name &&
        wr_leave_group(w->config->options, &ignored) != WEIR_OK) {
        wr_log(WR_WARN, "worker", "did not leave", "error=\"%s\"",
               ignored.text);
    }
    return s;
}

/* A failed start can still be our fault or the surroundings': both exit codes
 * come from the status. */
static int run(struct worker *w, const sigset_t *signals)
{
    struct weir_error err = {0};
    enum weir_status s = make(w, &err);
    bool made = s == WEIR_OK;
    if (made) {
        wait_for_end(w, signals);
        /* A supervisor kills what does not end; without one this does. */
        (void)alarm((unsigned)(w->pool->patience.stop_ms / 1000) + 5);
        s = stop(w, &err);
    }
    if (s != WEIR_OK) {
        wr_log(WR_ERROR, "worker", "failed", "error=\"%s\"", err.text);
        /* The script did load: what failed is a record's processing. */
        return (int)(made && s == WEIR_E_LUA ? WR_EXIT_POISON : wr_exit_of(s));
    }
    return WR_EXIT_OK;
}

int wr_worker_run(void *arg, int slot, const struct wr_child_line *line)
{
    struct worker w = {.pool = arg, .slot = slot, .line = line};
    sigset_t signals; /* blocked since before the fork */
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    wr_http_client_start();
    int code = run(&w, &signals);
    wr_http_stop(w.http);
    weir_app_free(w.app);
    wr_application_free(w.application);
    wr_sources_free(w.sources);
    weir_config_free(w.config);
    return code;
}
