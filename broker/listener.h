/* SPDX-License-Identifier: Apache-2.0
 *
 * The broker's door: one listening socket, the connections that came in by it,
 * and the limits they share. Thread: broker loop. */
#ifndef WEIR_BROKER_LISTENER_H
#define WEIR_BROKER_LISTENER_H

#include "base/metrics.h"
#include "broker/conn.h"

struct wr_broker;

struct wr_listener_config {
    const char *listen;       /* "host:port"; port 0: any free one */
    size_t request_bytes_max; /* of one request */
    size_t queued_bytes_max;  /* of all requests that are held */
    int32_t connections_max;
    int64_t idle_ms;  /* silence that ends a connection */
    int64_t stuck_ms; /* an answer that nobody takes for so long ends it */
};

struct wr_listener {
    struct wr_broker *broker; /* lent for life */
    struct wr_listener_config config;
    struct wr_watch watch;
    uint16_t port;         /* the real one */
    struct wr_conn *conns; /* all, newest first */
    int32_t conn_count;
    struct wr_conn *dirty; /* to be flushed at the end of this tick */
    struct wr_tick_hook flush;
    struct wr_timer sweep;  /* looks for idle and stuck connections */
    struct wr_timer resume; /* accepts again after running out of files */
    struct wr_frame_budget budget;
    uint8_t *scratch;         /* shared read buffer */
    struct wr_request *spare; /* freed requests, kept with their arena */
    int spare_count;
    struct wr_request *orphans; /* with handlers, their connection is gone */
    int64_t log_window_ms;      /* start of the current window of log lines */
    int log_lines;              /* written in it */
    int64_t log_dropped;        /* not written since the last line */
    struct wr_metric *accepted, *connections, *refused; /* figures */
    struct wr_metric *bytes_in, *bytes_out;
    struct wr_metric **requests; /* per row of wr_apis: count */
    struct wr_metric **latency;  /* per row: arrival to last byte sent */
};

/** Binds and listens. Errors: WEIR_E_CONFIG (address), WEIR_E_EXISTS (port in
 *  use), WEIR_E_IO, WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_listener_open(struct wr_broker *broker,
                 const struct wr_listener_config *config,
                 struct wr_listener **out, struct weir_error *err);
/** Closes the door and all connections; handlers may still let go of parked
 *  requests afterwards. NULL is fine. */
void wr_listener_close(struct wr_listener *listener);
/** After all handlers; frees the requests that they still held. NULL is fine.
 */
void wr_listener_free(struct wr_listener *listener);
/** Has the connection flushed at the end of this tick. */
void wr_listener_mark_dirty(struct wr_listener *listener, struct wr_conn *conn);
void wr_listener_unmark_dirty(struct wr_listener *listener,
                              struct wr_conn *conn);
/** An empty request; NULL when out of memory. */
struct wr_request *wr_listener_request_new(struct wr_listener *listener);
void wr_listener_request_free(struct wr_listener *listener,
                              struct wr_request *request);
/** Keeps a request that a handler holds on to after its connection went. */
void wr_listener_adopt(struct wr_listener *listener,
                       struct wr_request *request);
/** Whether a line about a bad peer may be logged: some each ten seconds.
 *  *out_dropped is how many were left out before it. */
bool wr_listener_may_log(struct wr_listener *listener, int64_t *out_dropped);

/** What is listened on where no host is said. */
#define WR_HOST_STANDARD "127.0.0.1"
/** Splits "host:port" or "[v6]:port". Errors: WEIR_E_CONFIG. */
WEIR_MUST_CHECK enum weir_status wr_address_split(const char *text, char *host,
                                                  size_t host_size,
                                                  uint16_t *out_port,
                                                  struct weir_error *err);

#endif
