/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection holds a queue of requests in the order they came:
 *
 *   PENDING   with its handler, now or parked
 *   READY     answered and encoded; goes out when all before it are out
 *   SILENT    done without an answer (acks=0)
 *
 * Only the head's answer may leave, so the order of answers is that of requests
 * however the handlers finish. Several requests may be with handlers at once
 * (pipelined Produce requests then share one sync), within limits of number and
 * bytes; a Fetch runs alone, because its answer may be large and may wait.
 * When a limit is reached the socket is not read, and TCP holds the peer back.
 *
 * Whatever ends a connection is noted in `doomed` and done at the end of the
 * tick, so no function here pulls the ground from under its caller. */
#include "broker/conn.h"

#include "base/clock.h"
#include "base/log.h"
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/listener.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#define QUEUE_MAX       64                 /* requests with handlers */
#define QUEUE_BYTES_MAX ((size_t)32 << 20) /* of their frames */
#define OUT_HIGH        ((size_t)1 << 20)  /* unsent bytes that stop reading */
#define READ_PER_TICK   ((size_t)4 << 20)  /* of one connection: fairness */
#define IOV_PER_WRITE   64

enum outcome { PENDING, READY, SILENT };

static void conn_ready(void *arg, uint32_t events);

enum weir_status wr_conn_open(struct wr_listener *listener, int fd,
                              const char *host, struct weir_error *err)
{
    struct wr_conn *conn = calloc(1, sizeof(*conn));
    if (!conn) {
        close(fd);
        return weir_fail(err, WEIR_E_NOMEM, "connection: out of memory");
    }
    conn->listener = listener;
    conn->tail = &conn->head;
    conn->watch = (struct wr_watch){fd, EPOLLIN | EPOLLRDHUP, conn_ready, conn};
    conn->active_ms = wr_loop_now_ms(listener->broker->loop);
    strncpy(conn->host, host, sizeof(conn->host) - 1);
    wr_frames_init(&conn->frames, listener->scratch, &listener->budget,
                   listener->config.request_bytes_max);
    enum weir_status s =
        wr_loop_watch(listener->broker->loop, &conn->watch, err);
    if (s != WEIR_OK) {
        close(fd);
        free(conn);
        return s;
    }
    conn->next = listener->conns;
    if (conn->next) {
        conn->next->prev = conn;
    }
    listener->conns = conn;
    listener->conn_count++;
    wr_metric_set(listener->connections, listener->conn_count);
    return WEIR_OK;
}

/* ---- ends ---------------------------------------------------------------- */

void wr_conn_doom(struct wr_conn *conn, const char *why, bool quiet)
{
    if (!conn->doomed) {
        conn->doomed = why;
        conn->quiet = quiet;
        wr_listener_mark_dirty(conn->listener, conn);
    }
}

void wr_conn_request_free(struct wr_listener *listener,
                          struct wr_request *request)
{
    if (!request->conn) { /* an orphan */
        if (request->next) {
            request->next->prev = request->prev;
        }
        *(request->prev ? &request->prev->next : &listener->orphans) =
            request->next;
    }
    if (request->done) {
        request->done(request);
    }
    wr_frame_free(&listener->budget, request->frame, request->frame_len);
    wr_listener_request_free(listener, request);
}

static void log_end(struct wr_conn *conn)
{
    int64_t dropped;
    if (conn->quiet || !wr_listener_may_log(conn->listener, &dropped)) {
        return;
    }
    wr_log(WR_WARN, "broker", "connection closed",
           "peer=%s reason=\"%s\" more_like_this=%lld", conn->host,
           conn->doomed ? conn->doomed : "stopping", (long long)dropped);
}

void wr_conn_close(struct wr_conn *conn)
{
    struct wr_listener *listener = conn->listener;
    if (conn->doomed) {
        log_end(conn);
    }
    wr_listener_unmark_dirty(listener, conn);
    wr_loop_unwatch(listener->broker->loop, &conn->watch);
    close(conn->watch.fd);
    if (conn->next) {
        conn->next->prev = conn->prev;
    }
    *(conn->prev ? &conn->prev->next : &listener->conns) = conn->next;
    listener->conn_count--;
    wr_metric_set(listener->connections, listener->conn_count);

    struct wr_request *next = conn->head;
    while (next) {
        struct wr_request *request = next;
        next = request->next;
        if (request->outcome != PENDING) {
            wr_conn_request_free(listener, request);
            continue;
        }
        request->conn = NULL;
        request->host = "";
        wr_listener_adopt(listener, request);
        if (request->gone) {
            request->gone(request);
        }
    }
    wr_frames_done(&conn->frames);
    free(conn);
}

bool wr_conn_is_stuck(const struct wr_conn *conn)
{
    return conn->head && conn->head->outcome == READY;
}

bool wr_conn_is_waiting(const struct wr_conn *conn)
{
    return conn->head != NULL;
}

/* ---- in ------------------------------------------------------------------ */

/* A parked request of a peer that went away is freed when its handler lets go;
 * the handler reaches the listener by its broker. */
static struct wr_listener *listener_of(const struct wr_request *request)
{
    return request->broker->listener;
}

static const char *decode_error(enum weir_status status)
{
    switch ((int)status) {
    case WEIR_E_INVALID:
        return "request for an API or version that is not served";
    case WEIR_E_TRUNCATED:
        return "request ends before its last field";
    case WEIR_E_NOMEM:
        return "request needs more memory than one may";
    default:
        return "request is malformed";
    }
}

static void dispatch(struct wr_conn *conn, uint8_t *frame, size_t frame_len)
{
    struct wr_listener *listener = conn->listener;
    struct wr_request *request = wr_listener_request_new(listener);
    if (!request) {
        wr_frame_free(&listener->budget, frame, frame_len);
        wr_conn_doom(conn, "out of memory for requests", false);
        return;
    }
    request->broker = listener->broker;
    request->conn = conn;
    request->host = conn->host;
    request->frame = frame;
    request->frame_len = frame_len;
    request->outcome = PENDING;
    request->arrived_ns = wr_mono_ns();
    enum weir_status s = wr_api_decode(request);
    if (s != WEIR_OK) {
        wr_conn_request_free(listener, request);
        wr_conn_doom(conn, decode_error(s), false);
        return;
    }
    conn->asked = true;
    *conn->tail = request;
    conn->tail = &request->next;
    conn->queued++;
    conn->queued_bytes += frame_len;
    conn->alone = request->api->alone;
    wr_metric_add(listener->requests[request->api - wr_apis(NULL)], 1);
    request->api->handle(request);
}

static bool may_dispatch(const struct wr_conn *conn)
{
    return !conn->doomed && !conn->alone && !conn->held &&
           conn->queued < QUEUE_MAX && conn->queued_bytes < QUEUE_BYTES_MAX &&
           conn->out_bytes < OUT_HIGH;
}

static const char *length_error(size_t length)
{
    switch (length) {
    case 0x47455420: /* "GET " */
    case 0x504f5354: /* "POST" */
    case 0x48454144: /* "HEAD" */
        return "peer speaks HTTP; this port speaks the Kafka protocol";
    default:
        break;
    }
    if (length >> 16 == 0x1603) {
        return "peer speaks TLS; this port is plain text "
               "(security.protocol=PLAINTEXT)";
    }
    return "request is longer than socket.request.max.bytes";
}

static const char *frame_error(const struct wr_conn *conn,
                               enum weir_status status)
{
    if (status == WEIR_E_CORRUPT) {
        return length_error(conn->frames.bad_length);
    }
    return status == WEIR_E_TOOBIG
               ? "requests in memory exceed queued.max.request.bytes"
               : "out of memory for requests";
}

/* Hands on every whole frame that the limits allow. */
static void take_frames(struct wr_conn *conn)
{
    while (may_dispatch(conn)) {
        uint8_t *frame;
        size_t len;
        enum weir_status s = wr_frames_next(&conn->frames, &frame, &len);
        if (s == WEIR_E_AGAIN) {
            return;
        }
        if (s != WEIR_OK) {
            wr_conn_doom(conn, frame_error(conn, s), false);
            return;
        }
        dispatch(conn, frame, len);
    }
}

static void want_events(struct wr_conn *conn)
{
    uint32_t events = EPOLLRDHUP;
    if (may_dispatch(conn) && !wr_frames_ready(&conn->frames)) {
        events |= EPOLLIN;
    }
    if (wr_conn_is_stuck(conn)) {
        events |= EPOLLOUT;
    }
    wr_loop_watch_change(conn->listener->broker->loop, &conn->watch, events);
}

/* One read; false when there is nothing more now. */
static bool read_some(struct wr_conn *conn, size_t *budget)
{
    uint8_t *at;
    size_t size;
    enum weir_status s = wr_frames_space(&conn->frames, &at, &size);
    if (s != WEIR_OK) {
        wr_conn_doom(conn, frame_error(conn, s), false);
        return false;
    }
    ssize_t n = read(conn->watch.fd, at, size);
    if (n > 0) {
        wr_frames_added(&conn->frames, (size_t)n);
        wr_metric_add(conn->listener->bytes_in, n);
        conn->active_ms = wr_loop_now_ms(conn->listener->broker->loop);
        *budget = *budget > (size_t)n ? *budget - (size_t)n : 0;
        take_frames(conn);
        return (size_t)n == size; /* a short read emptied the socket */
    }
    if (n == 0) {
        wr_conn_doom(conn, "closed by the peer", true);
    } else if (errno != EAGAIN && errno != EINTR) {
        wr_conn_doom(conn, "connection lost", true);
    }
    return false;
}

static void conn_read(struct wr_conn *conn)
{
    size_t budget = READ_PER_TICK;
    take_frames(conn);
    while (budget > 0 && may_dispatch(conn) &&
           !wr_frames_ready(&conn->frames) && read_some(conn, &budget)) {
    }
    enum weir_status s = wr_frames_settle(&conn->frames);
    if (s != WEIR_OK) {
        wr_conn_doom(conn, frame_error(conn, s), false);
    }
}

static void conn_ready(void *arg, uint32_t events)
{
    struct wr_conn *conn = arg;
    if (events & (EPOLLERR | EPOLLHUP)) {
        wr_conn_doom(conn, "connection lost", true);
    } else if (events & EPOLLIN) {
        conn_read(conn);
    } else if (events & EPOLLRDHUP) {
        wr_conn_doom(conn, "closed by the peer", true);
    }
    wr_listener_mark_dirty(conn->listener, conn);
}

/* ---- out ----------------------------------------------------------------- */

static void add_piece(struct iovec *iov, int *count, const uint8_t *data,
                      size_t len, size_t *skip)
{
    if (*skip >= len) {
        *skip -= len;
    } else if (*count < IOV_PER_WRITE) {
        /* iovec is not const; writev does not write to it */
        union {
            const uint8_t *in;
            void *out;
        } base = {.in = data + *skip};
        iov[(*count)++] = (struct iovec){base.out, len - *skip};
        *skip = 0;
    }
}

static size_t answer_size(const struct wr_request *request)
{
    return request->outcome == READY
               ? request->out.len +
                     (request->splices ? request->splices->bytes : 0)
               : 0;
}

static void add_answer(const struct wr_request *request, struct iovec *iov,
                       int *count, size_t skip)
{
    size_t from = 0;
    const struct wr_splices *splices = request->splices;
    for (size_t i = 0; splices && i < splices->count; i++) {
        const struct wr_splice *splice = &splices->items[i];
        add_piece(iov, count, request->out.data + from, splice->at - from,
                  &skip);
        add_piece(iov, count, splice->bytes.data, splice->bytes.len, &skip);
        from = splice->at;
    }
    add_piece(iov, count, request->out.data + from, request->out.len - from,
              &skip);
}

static void pop_head(struct wr_conn *conn)
{
    struct wr_request *request = conn->head;
    conn->head = request->next;
    if (!conn->head) {
        conn->tail = &conn->head;
    }
    conn->queued--;
    conn->queued_bytes -= request->frame_len;
    conn->head_sent = 0;
    if (request->api->alone) {
        conn->alone = false;
    }
    wr_metric_observe_ns(conn->listener->latency[request->api - wr_apis(NULL)],
                         wr_mono_ns() - request->arrived_ns);
    wr_conn_request_free(conn->listener, request);
}

/* Takes n sent bytes off the queue, and all that is done without an answer. */
static void sent(struct wr_conn *conn, size_t n)
{
    conn->out_bytes -= n;
    while (conn->head && conn->head->outcome != PENDING) {
        size_t left = answer_size(conn->head) - conn->head_sent;
        if (n < left) {
            conn->head_sent += n;
            return;
        }
        n -= left;
        pop_head(conn);
    }
}

static void conn_write(struct wr_conn *conn)
{
    sent(conn, 0);
    while (!conn->doomed && wr_conn_is_stuck(conn)) {
        struct iovec iov[IOV_PER_WRITE];
        int count = 0;
        size_t skip = conn->head_sent;
        for (struct wr_request *r = conn->head;
             r && r->outcome != PENDING && count < IOV_PER_WRITE; r = r->next) {
            if (r->outcome == READY) {
                add_answer(r, iov, &count, skip);
            }
            skip = 0;
        }
        ssize_t n = writev(conn->watch.fd, iov, count);
        if (n < 0) {
            if (errno != EAGAIN && errno != EINTR) {
                wr_conn_doom(conn, "connection lost", true);
            }
            return;
        }
        wr_metric_add(conn->listener->bytes_out, n);
        conn->active_ms = wr_loop_now_ms(conn->listener->broker->loop);
        sent(conn, (size_t)n);
    }
}

void wr_conn_flush(struct wr_conn *conn)
{
    conn_write(conn);
    if (!conn->doomed && may_dispatch(conn) && wr_frames_ready(&conn->frames)) {
        take_frames(conn); /* held back by a limit that is no longer reached */
        wr_listener_mark_dirty(conn->listener, conn);
    }
    if (conn->doomed) {
        wr_conn_close(conn);
        return;
    }
    want_events(conn);
}

/* ---- what handlers call ---------------------------------------------------
 */

static void finish(struct wr_request *request, enum outcome outcome)
{
    request->outcome = (int)outcome;
    request->gone = NULL;
    if (!request->conn) {
        wr_conn_request_free(listener_of(request), request);
        return;
    }
    wr_listener_mark_dirty(request->conn->listener, request->conn);
}

void wr_request_reply(struct wr_request *request, const void *response)
{
    struct wr_conn *conn = request->conn;
    if (!conn) {
        finish(request, SILENT);
        return;
    }
    const struct wr_message *message = request->api->messages->response;
    struct wr_buf *out = &request->out;
    if (request->api->alone) {
        request->splices =
            wr_arena_calloc(&request->arena, 1, sizeof(*request->splices));
    }
    wr_buf_put_i32(out, 0);
    wr_buf_put_i32(out, request->correlation_id);
    /* ApiVersions' answer never has tagged fields in its header. */
    if (wr_message_is_flexible(message, request->version) &&
        request->api->key != WR_API_API_VERSIONS) {
        wr_buf_put_uvarint(out, 0);
    }
    wr_message_encode(message, response, out, request->version,
                      request->splices);
    size_t size = out->len + (request->splices ? request->splices->bytes : 0);
    if (out->status != WEIR_OK || size - 4 > INT32_MAX) {
        wr_request_hang_up(request, "answer cannot be encoded");
        return;
    }
    wr_store_i32(out->data, (int32_t)(size - 4));
    conn->out_bytes += size;
    finish(request, READY);
}

void wr_request_hold(struct wr_request *request)
{
    request->conn->held = true;
}

void wr_request_resume(struct wr_request *request)
{
    if (request->conn) {
        request->conn->held = false;
        wr_listener_mark_dirty(request->conn->listener, request->conn);
    }
}

void wr_request_no_reply(struct wr_request *request)
{
    finish(request, SILENT);
}

void wr_request_hang_up(struct wr_request *request, const char *why)
{
    if (request->conn) {
        wr_conn_doom(request->conn, why, false);
    }
    finish(request, SILENT);
}
