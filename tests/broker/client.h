/* SPDX-License-Identifier: Apache-2.0
 *
 * A broker on a thread of its own with a fresh folder, and a client that speaks
 * the protocol over a blocking socket, for tests. Failures end the test. */
#ifndef WEIR_TESTS_BROKER_CLIENT_H
#define WEIR_TESTS_BROKER_CLIENT_H

#include "broker/messages.h"
#include "broker/weir_broker.h"

/** A broker under test. */
struct test_broker {
    char dir[64]; /* its folder, removed at the end */
    struct wr_options *options;
    struct wr_broker *broker;
    struct test_broker_thread *thread; /* NULL: it is only open */
};

/** Sets options before the start: pairs "name=value", ended by NULL. */
void test_broker_start(struct test_broker *t, const char *const *pairs);
/** The same without its thread: it serves nobody, and the test's own thread may
 *  use what is in it. */
void test_broker_open(struct test_broker *t, const char *const *pairs);
/** Stops it and starts it again on its folder; what was only open is only
 *  opened. */
void test_broker_restart(struct test_broker *t);
void test_broker_stop(struct test_broker *t);

/** A connection with its own memory for answers. */
struct test_client {
    int fd;
    int32_t correlation_id; /* of the last request */
    struct wr_arena arena;
    struct wr_buf in; /* the last answer */
};

void test_client_open(struct test_client *c, const struct test_broker *t);
void test_client_close(struct test_client *c);
/** Sends a request; returns its correlation id. */
int32_t test_client_send(struct test_client *c, int16_t key, int16_t version,
                         const void *request);
/** Receives the next answer and checks its correlation id. */
void test_client_receive(struct test_client *c, int16_t key, int16_t version,
                         int32_t correlation_id, void *response);
/** Both. The response's views live until the next call. */
void test_client_call(struct test_client *c, int16_t key, int16_t version,
                      const void *request, void *response);
/** Sends bytes as they are. */
void test_client_send_raw(struct test_client *c, const void *data, size_t len);
/** Whether the broker closes the connection without another byte. */
bool test_client_is_closed(struct test_client *c);

#endif
