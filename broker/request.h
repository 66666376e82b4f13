/* SPDX-License-Identifier: Apache-2.0
 *
 * A request on its way through the broker: what a handler gets, and how it
 * answers, now or in a later tick. Answers leave a connection in the order of
 * its requests, whatever the order of the calls below.
 *
 * A handler is called once. It then owes exactly one of wr_request_reply,
 * wr_request_no_reply or wr_request_hang_up, at any later time, even when the
 * peer is gone (the answer is then dropped); after that the request is not
 * its any more. Thread: broker loop. */
#ifndef WEIR_BROKER_REQUEST_H
#define WEIR_BROKER_REQUEST_H

#include "broker/codec.h"

struct wr_broker;
struct wr_conn;
struct wr_api;

struct wr_request {
    struct wr_broker *broker;    /* whose request it is */
    const struct wr_api *api;    /* row of api.c */
    int16_t version;             /* within what the row serves */
    bool unknown_version;        /* ApiVersions only: it asked for another */
    int32_t correlation_id;      /* comes back in the answer */
    struct weir_bytes client_id; /* may be null; lent until the answer */
    const char *host;      /* of the peer, "127.0.0.1"; until the answer */
    struct wr_arena arena; /* for the request and its answer, limited */
    void *body;            /* decoded struct, in the arena; views in it
                              live until the answer */
    void *state;           /* the handler's own, for parked requests */
    /** When set: the peer went away before the answer. The handler forgets the
     *  request and then answers (or not) as always, now or later. */
    void (*gone)(struct wr_request *request);
    /** When set: called last, after the answer has left, with its arena still
     *  whole. Gives back what the answer's records point to. */
    void (*done)(struct wr_request *request);

    /* The connection's part; handlers leave it alone. */
    struct wr_conn *conn;       /* NULL: the peer is gone */
    struct wr_request *next;    /* in the connection's order, or an orphan's */
    struct wr_request *prev;    /* orphans only */
    uint8_t *frame;             /* owned bytes of the request */
    size_t frame_len;           /* of frame */
    struct wr_buf out;          /* encoded answer with length and header */
    struct wr_splices *splices; /* records beside out; NULL: none */
    int outcome;                /* enum in conn.c: pending, ready, ... */
    int64_t arrived_ns;         /* monotonic, for metrics */
};

/** Answers with the API's response struct, encoded at once in the request's
 *  version. Records of 4 KiB and more are not copied: they must live until
 *  request->done (the request's arena does). */
void wr_request_reply(struct wr_request *request, const void *response);
/** Until wr_request_resume no further request is taken from this connection:
 *  its peer is to wait, and what it sends meanwhile stays with it. */
void wr_request_hold(struct wr_request *request);
/** Ends that; also fine when the peer is gone. */
void wr_request_resume(struct wr_request *request);
/** The request is done without an answer (Produce with acks=0). */
void wr_request_no_reply(struct wr_request *request);
/** No answer is possible: closes the connection. `why` goes to the log. */
void wr_request_hang_up(struct wr_request *request, const char *why);

/** size bytes from the request's arena, zeroed. NULL when its limit is reached,
 *  upon which a handler hangs up. */
static inline void *wr_request_calloc(struct wr_request *request, size_t count,
                                      size_t size)
{
    return wr_arena_calloc(&request->arena, count, size);
}

#endif
