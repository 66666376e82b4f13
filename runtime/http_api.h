/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP interface without HTTP: a request target in, a reply out. http.c
 * brings it to the network. */
#ifndef WEIR_RUNTIME_HTTP_API_H
#define WEIR_RUNTIME_HTTP_API_H

#include "base/bytes.h"
#include "weir/weir.h"

struct wr_http_reply {
    int status;                         /* 200, 307, 400, 404, 421, 500, 503 */
    const char *content_type;           /* a literal */
    struct wr_buf body;                 /* owned: wr_http_reply_done() */
    char location[WEIR_ERROR_TEXT_MAX]; /* for 307; else "" */
    char owner[256];   /* endpoint that answered, for Weir-Owner; or "" */
    int retry_after_s; /* for 503; 0: no header */
};

/** Answers a GET of `target` ("path?query", still percent-encoded).
 *  @param forwarded  another worker sent it: never forward it again
 *  Thread: any. Blocks for as long as a worker thread or another worker takes
 * to answer, at most about 5 s. */
void wr_http_api(struct weir_app *app, struct weir_bytes target, bool forwarded,
                 struct wr_http_reply *out);
void wr_http_reply_done(struct wr_http_reply *reply);

/** Fills the reply with an RFC 9457 problem: status, a stable code, a sentence.
 */
void wr_http_problem(struct wr_http_reply *reply, int status, const char *code,
                     const char *format, ...) WEIR_PRINTF(4, 5);

#endif
