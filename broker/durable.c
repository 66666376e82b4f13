/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers that wait for the disk. The waiter lives in the request's arena,
 * which lasts until the answer. */
#include "broker/durable.h"

#include "broker/broker.h"
#include "broker/logs.h"

struct durable {
    struct wr_logs_waiter waiter;
    struct wr_request *request;
    void *response;
    void (*fail)(struct wr_request *request, void *response);
};

static void durable_done(struct wr_logs_waiter *waiter, enum weir_status status)
{
    struct durable *durable =
        (void *)((char *)waiter - offsetof(struct durable, waiter));
    if (status != WEIR_OK) {
        durable->fail(durable->request, durable->response);
    }
    wr_request_reply(durable->request, durable->response);
}

void *wr_request_take(struct wr_request *request, size_t count, size_t size)
{
    void *memory = wr_request_calloc(request, count, size);
    if (!memory) {
        wr_request_hang_up(request, "the request needs too much memory");
    }
    return memory;
}

void wr_request_reply_durable(struct wr_request *request, void *response,
                              void (*fail)(struct wr_request *request,
                                           void *response))
{
    struct durable *durable = wr_request_take(request, 1, sizeof(*durable));
    if (!durable) {
        return;
    }
    durable->waiter.fn = durable_done;
    durable->request = request;
    durable->response = response;
    durable->fail = fail;
    wr_logs_when_durable(request->broker->logs, &durable->waiter);
}
