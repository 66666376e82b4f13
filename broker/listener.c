/* SPDX-License-Identifier: Apache-2.0
 *
 * Accepts connections and looks after what they share: the read buffer, the
 * budget of request memory, a few spare requests, the limit on log lines about
 * bad peers, and a sweep that ends connections which are idle or do not take
 * their answers. At max.connections a newcomer takes the place of the one that
 * has been silent longest, if that never asked for anything or has been idle
 * for a minute; else it is refused. Nothing here waits; when the process runs
 * out of file descriptors the door closes for a moment instead of spinning. */
#include "broker/listener.h"

#include "base/log.h"
#include "broker/api.h"
#include "broker/broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_PER_TICK   64
#define SPARE_REQUESTS     32
#define REQUEST_MEMORY_MAX ((size_t)64 << 20)  /* of a request's arena */
#define ANSWER_BYTES_MAX   ((size_t)512 << 20) /* of one answer */
#define ANSWER_KEPT_MAX    ((size_t)16 << 10)  /* memory kept in a spare one */
#define SWEEP_MS           5000
#define RESUME_MS          200
#define YIELDS_MS          60000 /* idle for so long: gives way to a newcomer */
#define LOG_WINDOW_MS      10000
#define LOG_LINES          5

/* ---- address --------------------------------------------------------------
 */

enum weir_status wr_address_split(const char *text, char *host,
                                  size_t host_size, uint16_t *out_port,
                                  struct weir_error *err)
{
    const char *colon = strrchr(text, ':');
    const char *from = text;
    size_t len = colon ? (size_t)(colon - text) : 0;
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        from++;
        len -= 2;
    }
    char *end = NULL;
    unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
    if (!colon || end == colon + 1 || *end != '\0' || port > UINT16_MAX ||
        colon[1] == '-' || colon[1] == '+' || len >= host_size) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "address \"%s\" is not HOST:PORT, as in "
                         "127.0.0.1:9092",
                         text);
    }
    memcpy(host, from, len);
    host[len] = '\0';
    *out_port = (uint16_t)port;
    return WEIR_OK;
}

static enum weir_status resolve(const char *listen_at, struct addrinfo **out,
                                struct weir_error *err)
{
    char host[256];
    char port_text[8];
    uint16_t port;
    enum weir_status s =
        wr_address_split(listen_at, host, sizeof(host), &port, err);
    if (s != WEIR_OK) {
        return s;
    }
    snprintf(port_text, sizeof(port_text), "%u", port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    int rc =
        getaddrinfo(host[0] ? host : WR_HOST_STANDARD, port_text, &hints, out);
    if (rc != 0) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "cannot listen on %s: host \"%s\": %s", listen_at,
                         host, gai_strerror(rc));
    }
    return WEIR_OK;
}

static enum weir_status bind_failed(const char *listen_at, int errnum,
                                    struct weir_error *err)
{
    if (errnum == EADDRINUSE) {
        return weir_fail(err, WEIR_E_EXISTS,
                         "cannot listen on %s: the port is in use; choose "
                         "another one, or 0 for any free one",
                         listen_at);
    }
    return weir_fail(err,
                     errnum == EADDRNOTAVAIL || errnum == EACCES ? WEIR_E_CONFIG
                                                                 : WEIR_E_IO,
                     "cannot listen on %s: %s", listen_at, strerror(errnum));
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);
    char service[8] = "0";
    if (getsockname(fd, (struct sockaddr *)&at, &len) == 0) {
        getnameinfo((struct sockaddr *)&at, len, NULL, 0, service,
                    sizeof(service), NI_NUMERICSERV);
    }
    return (uint16_t)strtoul(service, NULL, 10);
}

static enum weir_status bind_socket(const char *listen_at, int *out_fd,
                                    struct weir_error *err)
{
    struct addrinfo *found = NULL;
    enum weir_status s = resolve(listen_at, &found, err);
    if (s != WEIR_OK) {
        return s;
    }
    struct addrinfo *at = found; /* "localhost": 127.0.0.1 before ::1 */
    for (struct addrinfo *a = found->ai_next; a && at->ai_family != AF_INET;
         a = a->ai_next) {
        at = a->ai_family == AF_INET ? a : at;
    }
    int one = 1;
    int fd =
        socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(fd, at->ai_addr, at->ai_addrlen) < 0 || listen(fd, 1024) < 0) {
        s = bind_failed(listen_at, errno, err);
        if (fd >= 0) {
            close(fd);
        }
    } else {
        *out_fd = fd;
    }
    freeaddrinfo(found);
    return s;
}

static void start_sweep(struct wr_listener *listener);

/* ---- accept ---------------------------------------------------------------
 */

static void refuse(struct wr_listener *listener, int fd, const char *host)
{
    int64_t dropped;
    wr_metric_add(listener->refused, 1);
    if (wr_listener_may_log(listener, &dropped)) {
        wr_log(WR_WARN, "broker", "connection refused",
               "peer=%s reason=\"max.connections=%d are open\" "
               "more_like_this=%lld",
               host, listener->config.connections_max, (long long)dropped);
    }
    close(fd);
}

/* Ends the connection that can best be missed; false when all are in use. */
static bool make_place(struct wr_listener *listener)
{
    int64_t now_ms = wr_loop_now_ms(listener->broker->loop);
    struct wr_conn *silent = NULL; /* since when: the oldest of them */
    struct wr_conn *idle = NULL;
    for (struct wr_conn *c = listener->conns; c; c = c->next) {
        if (c->doomed || wr_conn_is_waiting(c)) {
            continue;
        }
        if (!c->asked && (!silent || c->active_ms <= silent->active_ms)) {
            silent = c;
        } else if (now_ms - c->active_ms >= YIELDS_MS &&
                   (!idle || c->active_ms <= idle->active_ms)) {
            idle = c;
        }
    }
    struct wr_conn *goes = silent ? silent : idle;
    if (!goes) {
        return false;
    }
    wr_conn_doom(goes, "gives way to another at max.connections", false);
    wr_conn_close(goes);
    return true;
}

static void accepted(struct wr_listener *listener, int fd,
                     const struct sockaddr_storage *peer, socklen_t len)
{
    char host[48] = "?";
    getnameinfo((const struct sockaddr *)peer, len, host, sizeof(host), NULL, 0,
                NI_NUMERICHOST);
    if (listener->conn_count >= listener->config.connections_max &&
        !make_place(listener)) {
        refuse(listener, fd, host);
        return;
    }
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    struct weir_error err;
    if (wr_conn_open(listener, fd, host, &err) != WEIR_OK) {
        wr_log(WR_WARN, "broker", "connection refused", "peer=%s reason=\"%s\"",
               host, err.text);
        return;
    }
    wr_metric_add(listener->accepted, 1);
    start_sweep(listener);
}

static void pause_accepting(struct wr_listener *listener, int errnum)
{
    int64_t dropped;
    if (wr_listener_may_log(listener, &dropped)) {
        wr_log(WR_WARN, "broker", "cannot accept",
               "reason=\"%s\" remedy=\"raise the limit of open files\" "
               "more_like_this=%lld",
               strerror(errnum), (long long)dropped);
    }
    struct wr_loop *loop = listener->broker->loop;
    if (wr_loop_timer_start(loop, &listener->resume, RESUME_MS) == WEIR_OK) {
        wr_loop_watch_change(loop, &listener->watch, 0);
    }
}

static void listener_ready(void *arg, uint32_t events)
{
    (void)events;
    struct wr_listener *listener = arg;
    for (int i = 0; i < ACCEPTS_PER_TICK; i++) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof(peer);
        int fd = accept4(listener->watch.fd, (struct sockaddr *)&peer, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            accepted(listener, fd, &peer, len);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
                   errno == ENOBUFS) {
            pause_accepting(listener, errno);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

static void resume_accepting(void *arg)
{
    struct wr_listener *listener = arg;
    wr_loop_watch_change(listener->broker->loop, &listener->watch, EPOLLIN);
}

/* ---- what connections share -----------------------------------------------
 */

void wr_listener_mark_dirty(struct wr_listener *listener, struct wr_conn *conn)
{
    if (!conn->dirty) {
        conn->dirty = true;
        conn->dirty_next = listener->dirty;
        listener->dirty = conn;
    }
}

void wr_listener_unmark_dirty(struct wr_listener *listener,
                              struct wr_conn *conn)
{
    struct wr_conn **at = &listener->dirty;
    while (conn->dirty && *at && *at != conn) {
        at = &(*at)->dirty_next;
    }
    if (conn->dirty && *at) {
        *at = conn->dirty_next;
        conn->dirty = false;
    }
}

/* Rounds, because a flush may let held back requests go, whose answers are to
 * be flushed too. A request that is answered at once again and again ends when
 * the socket's bytes in hand do. */
static void flush_dirty(void *arg)
{
    struct wr_listener *listener = arg;
    while (listener->dirty) {
        struct wr_conn *conn = listener->dirty;
        listener->dirty = conn->dirty_next;
        conn->dirty = false;
        wr_conn_flush(conn);
    }
}

bool wr_listener_may_log(struct wr_listener *listener, int64_t *out_dropped)
{
    int64_t now = wr_loop_now_ms(listener->broker->loop);
    if (now - listener->log_window_ms >= LOG_WINDOW_MS) {
        listener->log_window_ms = now;
        listener->log_lines = 0;
    }
    if (listener->log_lines >= LOG_LINES) {
        listener->log_dropped++;
        return false;
    }
    listener->log_lines++;
    *out_dropped = listener->log_dropped;
    listener->log_dropped = 0;
    return true;
}

struct wr_request *wr_listener_request_new(struct wr_listener *listener)
{
    struct wr_request *request = listener->spare;
    if (request) {
        listener->spare = request->next;
        listener->spare_count--;
    } else {
        request = calloc(1, sizeof(*request));
        if (!request) {
            return NULL;
        }
        wr_arena_init(&request->arena, REQUEST_MEMORY_MAX);
        wr_buf_init(&request->out, ANSWER_BYTES_MAX);
    }
    struct wr_arena arena = request->arena;
    struct wr_buf out = request->out;
    *request = (struct wr_request){.arena = arena, .out = out};
    return request;
}

void wr_listener_request_free(struct wr_listener *listener,
                              struct wr_request *request)
{
    if (listener->spare_count < SPARE_REQUESTS) {
        wr_arena_reset(&request->arena);
        if (request->out.cap > ANSWER_KEPT_MAX) {
            wr_buf_done(&request->out);
        }
        wr_buf_reset(&request->out);
        request->next = listener->spare;
        listener->spare = request;
        listener->spare_count++;
        return;
    }
    wr_arena_done(&request->arena);
    wr_buf_done(&request->out);
    free(request);
}

/* Nobody to look after, no timer: an idle broker sleeps. */
static void start_sweep(struct wr_listener *listener)
{
    if (listener->conns && !wr_timer_is_started(&listener->sweep) &&
        wr_loop_timer_start(listener->broker->loop, &listener->sweep,
                            SWEEP_MS) != WEIR_OK) {
        wr_log(WR_WARN, "broker", "idle connections are not closed", "%s",
               "reason=\"out of memory\"");
    }
}

void wr_listener_adopt(struct wr_listener *listener, struct wr_request *request)
{
    request->prev = NULL;
    request->next = listener->orphans;
    if (request->next) {
        request->next->prev = request;
    }
    listener->orphans = request;
}

static void sweep(void *arg)
{
    struct wr_listener *listener = arg;
    struct wr_loop *loop = listener->broker->loop;
    int64_t now = wr_loop_now_ms(loop);
    for (struct wr_conn *conn = listener->conns; conn; conn = conn->next) {
        int64_t silent = now - conn->active_ms;
        if (wr_conn_is_stuck(conn)) {
            if (silent > listener->config.stuck_ms) {
                wr_conn_doom(conn, "peer does not take its answers", false);
            }
        } else if (!wr_conn_is_waiting(conn) &&
                   silent > listener->config.idle_ms) {
            wr_conn_doom(conn, "idle", true);
        }
    }
    start_sweep(listener);
}

/* ---- life -----------------------------------------------------------------
 */

static enum weir_status make_metrics(struct wr_listener *listener,
                                     struct wr_metrics *m)
{
    size_t n;
    const struct wr_api *rows = wr_apis(&n);
    listener->requests = calloc(n, sizeof(struct wr_metric *));
    listener->latency = calloc(n, sizeof(struct wr_metric *));
    if (!listener->requests || !listener->latency) {
        return WEIR_E_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        char label[64];
        snprintf(label, sizeof(label), "api=\"%s\"", rows[i].messages->name);
        listener->requests[i] =
            wr_metric_get(m, WR_COUNTER, "weir_broker_requests_total", label,
                          "Requests received.");
        listener->latency[i] =
            wr_metric_get(m, WR_HISTOGRAM, "weir_broker_request_seconds", label,
                          "From a request's arrival to its answer's last byte, "
                          "waiting included.");
    }
    listener->accepted =
        wr_metric_get(m, WR_COUNTER, "weir_broker_connections_accepted_total",
                      "", "Connections accepted.");
    listener->refused =
        wr_metric_get(m, WR_COUNTER, "weir_broker_connections_refused_total",
                      "", "Connections refused at max.connections.");
    listener->connections = wr_metric_get(
        m, WR_GAUGE, "weir_broker_connections", "", "Connections open now.");
    listener->bytes_in =
        wr_metric_get(m, WR_COUNTER, "weir_broker_received_bytes_total", "",
                      "Bytes of requests.");
    listener->bytes_out = wr_metric_get(
        m, WR_COUNTER, "weir_broker_sent_bytes_total", "", "Bytes of answers.");
    return WEIR_OK;
}

static enum weir_status listener_start(struct wr_listener *listener,
                                       struct weir_error *err)
{
    struct wr_loop *loop = listener->broker->loop;
    int fd = -1;
    enum weir_status s = bind_socket(listener->config.listen, &fd, err);
    if (s != WEIR_OK) {
        return s;
    }
    listener->watch = (struct wr_watch){fd, EPOLLIN, listener_ready, listener};
    listener->port = bound_port(fd);
    listener->flush = (struct wr_tick_hook){NULL, flush_dirty, listener};
    listener->sweep.fire = sweep;
    listener->sweep.arg = listener;
    listener->resume.fire = resume_accepting;
    listener->resume.arg = listener;
    wr_loop_on_tick_end(loop, &listener->flush);
    return wr_loop_watch(loop, &listener->watch, err);
}

enum weir_status wr_listener_open(struct wr_broker *broker,
                                  const struct wr_listener_config *config,
                                  struct wr_listener **out,
                                  struct weir_error *err)
{
    struct wr_listener *listener = calloc(1, sizeof(*listener));
    if (!listener) {
        return weir_fail(err, WEIR_E_NOMEM, "listener: out of memory");
    }
    listener->broker = broker;
    listener->config = *config;
    listener->watch.fd = -1;
    listener->budget.max = config->queued_bytes_max;
    listener->scratch = malloc(WR_FRAME_SCRATCH);
    enum weir_status s = WEIR_OK;
    if (!listener->scratch ||
        make_metrics(listener, broker->metrics) != WEIR_OK) {
        s = weir_fail(err, WEIR_E_NOMEM, "listener: out of memory");
    }
    if (s == WEIR_OK) {
        s = listener_start(listener, err);
    }
    if (s != WEIR_OK) {
        wr_listener_close(listener);
        wr_listener_free(listener);
        return s;
    }
    *out = listener;
    return WEIR_OK;
}

void wr_listener_close(struct wr_listener *listener)
{
    if (!listener) {
        return;
    }
    struct wr_loop *loop = listener->broker->loop;
    wr_loop_timer_stop(loop, &listener->sweep);
    wr_loop_timer_stop(loop, &listener->resume);
    if (listener->watch.fd >= 0) {
        wr_loop_unwatch(loop, &listener->watch);
        close(listener->watch.fd);
        listener->watch.fd = -1;
    }
    while (listener->conns) {
        wr_conn_close(listener->conns);
    }
    listener->dirty = NULL;
}

void wr_listener_free(struct wr_listener *listener)
{
    if (!listener) {
        return;
    }
    while (listener->orphans) {
        wr_conn_request_free(listener, listener->orphans);
    }
    while (listener->spare) {
        struct wr_request *request = listener->spare;
        listener->spare = request->next;
        wr_arena_done(&request->arena);
        wr_buf_done(&request->out);
        free(request);
    }
    free(listener->requests);
    free(listener->latency);
    free(listener->scratch);
    free(listener);
}
