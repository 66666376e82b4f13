/* SPDX-License-Identifier: Apache-2.0
 *
 * One client's connection: its requests in, its answers out, in order.
 * Thread: broker loop. */
#ifndef WEIR_BROKER_CONN_H
#define WEIR_BROKER_CONN_H

#include "broker/frame.h"
#include "broker/loop.h"
#include "broker/request.h"

struct wr_listener;

struct wr_conn {
    struct wr_conn *next, *prev;  /* the listener's list */
    struct wr_conn *dirty_next;   /* the listener's list of those to flush */
    struct wr_listener *listener; /* lent for life */
    struct wr_watch watch;        /* fd and what epoll is asked for */
    struct wr_frames frames;      /* incoming bytes */
    struct wr_request *head;      /* oldest request not fully answered */
    struct wr_request **tail;
    size_t queued;       /* requests between head and tail */
    size_t queued_bytes; /* of their frames */
    size_t out_bytes;    /* encoded and not yet sent */
    size_t head_sent;    /* of the head's answer */
    int64_t active_ms;   /* last byte in or out, monotonic */
    const char *doomed;  /* why it is closed at the next flush; or NULL */
    bool asked;          /* a request came that could be decoded */
    bool quiet;          /* the end is normal: no line in the log */
    bool dirty;          /* in the dirty list */
    bool held;           /* a handler wants nothing more for now */
    bool alone;          /* head must be answered before more is dispatched */
    char host[48];       /* peer's address as text */
};

/** Takes over a connected, non-blocking socket (closed on failure).
 *  Errors: WEIR_E_NOMEM, WEIR_E_IO. */
WEIR_MUST_CHECK enum weir_status wr_conn_open(struct wr_listener *listener,
                                              int fd, const char *host,
                                              struct weir_error *err);
/** Closes the socket; parked requests are told that the peer is gone. */
void wr_conn_close(struct wr_conn *conn);
/** Has it closed at the end of this tick. `why` (lent for ever) goes to the log
 *  unless quiet. The first reason counts. */
void wr_conn_doom(struct wr_conn *conn, const char *why, bool quiet);
/** Sends what is ready, closes what is doomed, goes on with what was held back.
 *  The connection may be gone after it. */
void wr_conn_flush(struct wr_conn *conn);
/** Ends a request: its `done`, its frame, its memory; an orphan leaves its
 * list. */
void wr_conn_request_free(struct wr_listener *listener,
                          struct wr_request *request);
/** Whether something of ours is due to the peer that it does not take. */
bool wr_conn_is_stuck(const struct wr_conn *conn);
/** Whether a request is with a handler. */
bool wr_conn_is_waiting(const struct wr_conn *conn);

#endif
