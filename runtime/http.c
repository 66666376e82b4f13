/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP on the wire. One thread per connection, at most CONNECTIONS_MAX: a
 * request may wait for a stream thread or for another worker, and a pool of
 * fewer threads could have two workers wait for each other until they time out.
 *
 * The request target is taken as it came (libmicrohttpd would cut a key at
 * %00). */
#include "runtime/http.h"

#include "base/log.h"
#include "runtime/http_api.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX   512
#define PER_ADDRESS_MAX   256
#define IDLE_TIMEOUT_S    30
#define CONNECTION_MEMORY ((size_t)32 << 10) /* headers and target, bytes */
#define CONNECTION_STACK  ((size_t)1 << 20)  /* address space; JSON nests */

struct wr_http {
    struct MHD_Daemon *daemon;
    _Atomic(struct weir_app *) app;
    uint16_t port;
};

/* ---- requests ----------------------------------------------------------- */

/* The first call for a request: keeps its raw target. */
static void *on_target(void *user, const char *uri,
                       struct MHD_Connection *connection)
{
    (void)user;
    (void)connection;
    return strdup(uri);
}

static void on_completed(void *user, struct MHD_Connection *connection,
                         void **state, enum MHD_RequestTerminationCode code)
{
    (void)user;
    (void)connection;
    (void)code;
    free(*state);
    *state = NULL;
}

/* libmicrohttpd must not decode the target: routes do, bytes and all. */
static size_t keep_encoded(void *user, struct MHD_Connection *connection,
                           char *text)
{
    (void)user;
    (void)connection;
    return strlen(text);
}

static enum MHD_Result send_reply(struct MHD_Connection *connection,
                                  const struct wr_http_reply *reply)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        reply->body.len, reply->body.data, MHD_RESPMEM_MUST_COPY);
    if (!response) {
        return MHD_NO;
    }
    char number[16];
    (void)MHD_add_response_header(response, "Content-Type",
                                  reply->content_type);
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    if (reply->owner[0]) {
        (void)MHD_add_response_header(response, "Weir-Owner", reply->owner);
    }
    if (reply->location[0]) {
        (void)MHD_add_response_header(response, "Location", reply->location);
    }
    if (reply->status == 405) {
        (void)MHD_add_response_header(response, "Allow", "GET, HEAD");
    }
    if (reply->retry_after_s > 0) {
        (void)snprintf(number, sizeof(number), "%d", reply->retry_after_s);
        (void)MHD_add_response_header(response, "Retry-After", number);
    }
    enum MHD_Result result =
        MHD_queue_response(connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    return result;
}

static void answer(struct wr_http *http, struct MHD_Connection *connection,
                   const char *target, struct wr_http_reply *reply)
{
    struct weir_app *app = atomic_load(&http->app);
    const char *forwarded = MHD_lookup_connection_value(
        connection, MHD_HEADER_KIND, "Weir-Forwarded");
    if (app) {
        wr_http_api(app, weir_text(target), forwarded != NULL, reply);
        return;
    }
    *reply =
        (struct wr_http_reply){.status = 200, .content_type = "text/plain"};
    wr_buf_init(&reply->body, 4096);
    if (strcmp(target, "/livez") == 0) {
        wr_buf_put_text(&reply->body, "ok\n");
    } else {
        wr_http_problem(reply, 503, "starting", "the worker is starting");
    }
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection,
                                  const char *path, const char *method,
                                  const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
    (void)path;
    (void)version;
    (void)upload;
    if (*upload_size > 0) {
        *upload_size = 0; /* a body nobody asked for is read and dropped */
        return MHD_YES;
    }
    if (!*state) {
        return MHD_NO;
    }
    struct wr_http_reply reply;
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) {
        answer(user, connection, *state, &reply);
    } else {
        reply = (struct wr_http_reply){0};
        wr_buf_init(&reply.body, 4096);
        wr_http_problem(&reply, 405, "method_not_allowed",
                        "only GET and HEAD are answered");
    }
    enum MHD_Result result = send_reply(connection, &reply);
    wr_http_reply_done(&reply);
    return result;
}

/* ---- life --------------------------------------------------------------- */

enum weir_status wr_address_parse(const char *text, const char *option,
                                  char *host, size_t host_size,
                                  uint16_t *out_port, struct weir_error *err)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    errno = 0;
    long port = colon ? strtol(colon + 1, &end, 10) : -1;
    if (!colon || end == colon + 1 || *end || errno || port < 0 ||
        port > 65535) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "%s '%s': want HOST:PORT with a port from 0 to 65535",
                         option, text);
    }
    size_t len = (size_t)(colon - text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    if (len >= host_size) {
        return weir_fail(err, WEIR_E_CONFIG, "%s: the host is too long",
                         option);
    }
    memcpy(host, text, len);
    host[len] = '\0';
    *out_port = (uint16_t)port;
    return WEIR_OK;
}

/* A listening socket, so that its error is ours to tell. */
static enum weir_status listen_on(const char *host, uint16_t port, int *out_fd,
                                  struct weir_error *err)
{
    char service[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    const char *name = *host ? host : "127.0.0.1";
    (void)snprintf(service, sizeof(service), "%u", (unsigned)port);
    int code = getaddrinfo(name, service, &hints, &found);
    if (code != 0) {
        return weir_fail(err, WEIR_E_CONFIG, "http address '%s': %s", name,
                         gai_strerror(code));
    }
    int one = 1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    }
    if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0 ||
        listen(fd, CONNECTIONS_MAX) != 0) {
        enum weir_status s =
            errno == EADDRINUSE
                ? weir_fail(err, WEIR_E_EXISTS,
                            "http port %u on %s is in use: choose another with "
                            "--http, or 0 for any",
                            (unsigned)port, name)
                : weir_fail(err, WEIR_E_CONFIG, "http address %s:%u: %s", name,
                            (unsigned)port, strerror(errno));
        if (fd >= 0) {
            (void)close(fd);
        }
        freeaddrinfo(found);
        return s;
    }
    freeaddrinfo(found);
    *out_fd = fd;
    return WEIR_OK;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    char service[8] = "0";
    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0) {
        (void)getnameinfo((struct sockaddr *)&address, len, NULL, 0, service,
                          sizeof(service), NI_NUMERICSERV);
    }
    return (uint16_t)strtol(service, NULL, 10);
}

enum weir_status wr_http_start(const char *host, uint16_t port,
                               struct wr_http **out, struct weir_error *err)
{
    int fd = -1;
    enum weir_status s = listen_on(host, port, &fd, err);
    if (s != WEIR_OK) {
        return s;
    }
    struct wr_http *http = calloc(1, sizeof(*http));
    if (!http) {
        (void)close(fd);
        return weir_fail(err, WEIR_E_NOMEM, "http: out of memory");
    }
    http->port = port_of(fd);
    http->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
            MHD_USE_ITC,
        0, NULL, NULL, on_request, http, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)PER_ADDRESS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
        MHD_OPTION_THREAD_STACK_SIZE, CONNECTION_STACK,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_encoded, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
    if (!http->daemon) {
        (void)close(fd);
        free(http);
        return weir_fail(err, WEIR_E_IO, "http: the server does not start");
    }
    *out = http;
    return WEIR_OK;
}

void wr_http_attach(struct wr_http *http, struct weir_app *app)
{
    atomic_store(&http->app, app);
}

uint16_t wr_http_port(const struct wr_http *http)
{
    return http->port;
}

void wr_http_stop(struct wr_http *http)
{
    if (http) {
        MHD_stop_daemon(http->daemon);
        free(http);
    }
}
