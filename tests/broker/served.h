/* SPDX-License-Identifier: Apache-2.0
 *
 * A broker and a client of it, for tests of what it answers. */
#ifndef WEIR_TESTS_BROKER_SERVED_H
#define WEIR_TESTS_BROKER_SERVED_H

#include "tests/broker/wire.h"
#include "tests/harness/weir_test.h"

static struct test_broker broker;
static struct test_client client;

/** A set-up: the broker is up, without topics. */
static inline int served_start(void **state)
{
    (void)state;
    test_broker_start(&broker, NULL);
    test_client_open(&client, &broker);
    return 0;
}

/** A tear-down. */
static inline int served_stop(void **state)
{
    (void)state;
    test_client_close(&client);
    test_broker_stop(&broker);
    return 0;
}

/** The broker ends and starts again over the same data. */
static inline void served_restart(void)
{
    test_client_close(&client);
    test_broker_restart(&broker);
    test_client_open(&client, &broker);
}

#endif
