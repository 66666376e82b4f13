/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/listener.h"

#include "base/clock.h"
#include "broker/broker.h"
#include "tests/broker/client.h"
#include "tests/harness/weir_test.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

static void addresses_are_split_or_refused(void **state)
{
    (void)state;
    char host[32];
    uint16_t port;
    assert_int_equal(
        wr_address_split("127.0.0.1:9092", host, sizeof(host), &port, NULL),
        WEIR_OK);
    assert_string_equal(host, "127.0.0.1");
    assert_int_equal(port, 9092);
    assert_int_equal(
        wr_address_split("[::1]:0", host, sizeof(host), &port, NULL), WEIR_OK);
    assert_string_equal(host, "::1");
    assert_int_equal(wr_address_split(":80", host, sizeof(host), &port, NULL),
                     WEIR_OK);
    assert_string_equal(host, "");
    static const char *const bad[] = {
        "",       "host",    "host:",
        "host:x", "host:-1", "h:65536",
        "h:1x",   "h:+1",    "an.endless.host.name.that.does.not.fit:1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct weir_error err;
        assert_int_equal(
            wr_address_split(bad[i], host, sizeof(host), &port, &err),
            WEIR_E_CONFIG);
        assert_non_null(strstr(err.text, bad[i]));
    }
}

static void without_a_host_only_this_machine_is_served(void **state)
{
    (void)state;
    static const char *const options[] = {"listen=:0", NULL};
    struct test_broker broker;
    struct sockaddr_in at = {0};
    socklen_t len = sizeof(at);
    test_broker_start(&broker, options);
    assert_int_equal(getsockname(broker.broker->listener->watch.fd,
                                 (struct sockaddr *)&at, &len),
                     0);
    assert_int_equal(at.sin_family, AF_INET);
    assert_int_equal(ntohl(at.sin_addr.s_addr), INADDR_LOOPBACK);
    assert_string_equal(broker.broker->advertised_host, "127.0.0.1");
    test_broker_stop(&broker);
}

static void ask(struct test_client *c)
{
    struct wr_api_versions_request q;
    struct wr_api_versions_response r;
    wr_api_versions_request_init(&q);
    test_client_call(c, WR_API_API_VERSIONS, 0, &q, &r);
}

static void connections_that_say_nothing_lock_nobody_out(void **state)
{
    (void)state;
    static const char *const options[] = {"max.connections=20", NULL};
    struct test_broker broker;
    struct test_client silent[40], good[10];
    test_broker_start(&broker, options);
    for (int i = 0; i < 40; i++) {
        test_client_open(&silent[i], &broker);
    }
    for (int i = 0; i < 10; i++) {
        test_client_open(&good[i], &broker);
        ask(&good[i]);
    }
    for (int i = 0; i < 10; i++) { /* and they stay */
        ask(&good[i]);
        test_client_close(&good[i]);
    }
    assert_true(test_client_is_closed(&silent[0]));
    for (int i = 0; i < 40; i++) {
        test_client_close(&silent[i]);
    }
    test_broker_stop(&broker);
}

static void connections_beyond_the_limit_are_refused(void **state)
{
    (void)state;
    static const char *const options[] = {"max.connections=2", NULL};
    struct test_broker broker;
    struct test_client a, b, c;
    test_broker_start(&broker, options);
    test_client_open(&a, &broker);
    ask(&a);
    test_client_open(&b, &broker);
    ask(&b);
    test_client_open(&c, &broker);
    assert_true(test_client_is_closed(&c));
    test_client_close(&c);
    test_client_close(&a);
    /* a place is free once the broker has seen the end of the first */
    int64_t deadline = wr_mono_ms() + 5000;
    bool in = false;
    while (!in && wr_mono_ms() < deadline) {
        struct wr_buf text;
        wr_buf_init(&text, 1 << 20);
        wr_broker_metrics(broker.broker, &text);
        in =
            strstr(wr_buf_text(&text), "\nweir_broker_connections 1\n") != NULL;
        wr_buf_done(&text);
    }
    assert_true(in);
    test_client_open(&c, &broker);
    ask(&c);
    ask(&b);
    test_client_close(&b);
    test_client_close(&c);
    test_broker_stop(&broker);
}

static void a_silent_connection_is_closed(void **state)
{
    (void)state;
    static const char *const options[] = {"connections.max.idle.ms=1000", NULL};
    struct test_broker broker;
    struct test_client c;
    test_broker_start(&broker, options);
    test_client_open(&c, &broker);
    ask(&c);
    assert_true(test_client_is_closed(&c)); /* waits at most 10 s */
    test_client_close(&c);
    test_broker_stop(&broker);
}

static void a_port_in_use_is_said_so(void **state)
{
    (void)state;
    struct test_broker broker;
    test_broker_start(&broker, NULL);
    struct wr_options *options;
    struct wr_broker *second = NULL;
    struct weir_error err;
    char dir[80];
    snprintf(dir, sizeof(dir), "%s/second", broker.dir);
    assert_int_equal(wr_options_copy(broker.options, &options), WEIR_OK);
    assert_int_equal(wr_options_set(options, "data.dir", dir, "test", &err),
                     WEIR_OK);
    assert_int_equal(wr_options_set(options, "listen",
                                    wr_broker_address(broker.broker), "test",
                                    &err),
                     WEIR_OK);
    assert_int_equal(wr_broker_open(options, &second, &err), WEIR_E_EXISTS);
    assert_non_null(strstr(err.text, "the port is in use"));
    assert_non_null(strstr(err.text, wr_broker_address(broker.broker)));
    wr_options_free(options);
    test_broker_stop(&broker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_split_or_refused),
        cmocka_unit_test(without_a_host_only_this_machine_is_served),
        cmocka_unit_test(connections_that_say_nothing_lock_nobody_out),
        cmocka_unit_test(connections_beyond_the_limit_are_refused),
        cmocka_unit_test(a_silent_connection_is_closed),
        cmocka_unit_test(a_port_in_use_is_said_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
