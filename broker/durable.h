/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers that wait for the disk: what was appended up to now is durable before
 * the answer leaves. Thread: broker loop. */
#ifndef WEIR_BROKER_DURABLE_H
#define WEIR_BROKER_DURABLE_H

#include "broker/request.h"

/** Answers with `response` (in the request's arena) once everything appended
 *  so far is durable. If it will never be, `fail` puts errors into the response
 *  before it goes out. */
void wr_request_reply_durable(struct wr_request *request, void *response,
                              void (*fail)(struct wr_request *request,
                                           void *response));

/** Zeroed memory of the request, or the connection is closed: then NULL, and
 *  the request is not the caller's any more. */
void *wr_request_take(struct wr_request *request, size_t count, size_t size);

#endif
