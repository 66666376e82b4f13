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

/* Many responses have a request's shape: the same topics, each with as many
 * partitions. Their structs are generated and differ in type, not in the names
 * of these members, so these two are macros. They evaluate to false, and the
 * request is over, when memory ends (see wr_request_take). */

/** Gives `to` zeroed topics, as many as `from` has. */
#define WR_REQUEST_TAKE_TOPICS(request, from, to)                              \
    ((to)->topics_count = (from)->topics_count,                                \
     (to)->topics = wr_request_take((request), (size_t)(from)->topics_count,   \
                                    sizeof(*(to)->topics)),                    \
     (to)->topics != NULL)
/** Gives the topic `to` the name of the topic `from`, and zeroed partitions, as
 *  many as that has. */
#define WR_REQUEST_TAKE_PARTITIONS(request, from, to)                          \
    ((to)->name = (from)->name,                                                \
     (to)->partitions_count = (from)->partitions_count,                        \
     (to)->partitions =                                                        \
         wr_request_take((request), (size_t)(from)->partitions_count,          \
                         sizeof(*(to)->partitions)),                           \
     (to)->partitions != NULL)

#endif
