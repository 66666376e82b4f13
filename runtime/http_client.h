/* SPDX-License-Identifier: Apache-2.0
 *
 * An HTTP GET, for workers that ask each other and for `weir query`: libcurl's
 * door. */
#ifndef WEIR_RUNTIME_HTTP_CLIENT_H
#define WEIR_RUNTIME_HTTP_CLIENT_H

#include "base/bytes.h"

/** Gets url. `header` (may be NULL) is one line "Name: value". The body is
 *  appended to out, whose max is the limit. Follows no redirects. Call
 *  wr_http_client_start() once before threads. Thread: any.
 *  Errors: WEIR_E_UNREACHABLE, WEIR_E_TIMEOUT, WEIR_E_TOOBIG; the text names
 * the url. A status such as 404 is no error. */
WEIR_MUST_CHECK enum weir_status
wr_http_get(const char *url, const char *header, int timeout_ms,
            struct wr_buf *out, int *out_status, struct weir_error *err);
/** Prepares libcurl, which is not safe to do in threads. */
void wr_http_client_start(void);

#endif
