/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP server of a worker: libmicrohttpd's door. What the paths answer is
 * in http_api.h. */
#ifndef WEIR_RUNTIME_HTTP_H
#define WEIR_RUNTIME_HTTP_H

#include "weir/weir.h"

struct wr_http;

/** Binds and serves from threads of its own. host: a numeric address or name,
 *  "" for 127.0.0.1; port 0: any free one. The application may be attached
 *  later; until then every path but /livez answers 503.
 *  Errors: WEIR_E_CONFIG for a bad address, WEIR_E_EXISTS for a port in use. */
WEIR_MUST_CHECK enum weir_status wr_http_start(const char *host, uint16_t port,
                                               struct wr_http **out,
                                               struct weir_error *err);
/** From now on the application answers. Lent until wr_http_stop. */
void wr_http_attach(struct wr_http *http, struct weir_app *app);
/** The port in use. */
uint16_t wr_http_port(const struct wr_http *http);
/** Ends open requests and frees the server. NULL is fine. */
void wr_http_stop(struct wr_http *http);
/** "HOST:PORT" or ":PORT" or "[v6]:PORT" into its parts.
 *  Errors: WEIR_E_CONFIG naming `option`. */
WEIR_MUST_CHECK enum weir_status
wr_address_parse(const char *text, const char *option, char *host,
                 size_t host_size, uint16_t *out_port, struct weir_error *err);

#endif
