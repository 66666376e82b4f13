/* SPDX-License-Identifier: Apache-2.0
 *
 * From the text of a request target to what it asks for. Pure, and fuzzed:
 * whatever the bytes, the answer is a route or none. */
#ifndef WEIR_RUNTIME_HTTP_ROUTE_H
#define WEIR_RUNTIME_HTTP_ROUTE_H

#include "base/bytes.h"

#define WR_TARGET_MAX 16384 /* bytes of a request target */

enum wr_route_kind {
    WR_ROUTE_NONE,     /* no such path: 404 */
    WR_ROUTE_BAD,      /* malformed: 400 */
    WR_ROUTE_APP,      /* /v1/app */
    WR_ROUTE_STORES,   /* /v1/stores */
    WR_ROUTE_STORE,    /* /v1/stores/{store} */
    WR_ROUTE_KEY,      /* /v1/stores/{store}/keys/{key} */
    WR_ROUTE_TOPOLOGY, /* /v1/topology?format=text|dot|json */
    WR_ROUTE_TASKS,    /* /v1/tasks */
    WR_ROUTE_METRICS,  /* /metrics */
    WR_ROUTE_LIVEZ,    /* /livez */
    WR_ROUTE_READYZ    /* /readyz */
};

struct wr_route {
    enum wr_route_kind kind;
    char store[256];       /* decoded, NUL-terminated */
    struct wr_buf key;     /* decoded; may hold any byte; wr_route_done() */
    char format[16];       /* ?format= */
    char key_encoding[16]; /* ?kenc=: "", "text" or "hex" */
    bool redirect;         /* ?redirect=1: point to the owner, do not forward */
};

/** Parses "path?query". out->key is owned by the route, whatever the result. */
void wr_route_parse(struct weir_bytes target, struct wr_route *out);
void wr_route_done(struct wr_route *route);
/** Bytes of a text of hex digits. Errors: WEIR_E_DECODE. */
WEIR_MUST_CHECK enum weir_status wr_hex_decode(struct weir_bytes text,
                                               struct wr_buf *out);

#endif
