/* SPDX-License-Identifier: Apache-2.0
 *
 * The broker and client of tests/broker/client.h. */
#include "tests/broker/client.h"

#include "base/fs.h"
#include "base/log.h"
#include "tests/harness/weir_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)64 << 20)

struct test_broker_thread {
    pthread_t id;
    struct wr_broker *broker;
};

static void *serve(void *arg)
{
    struct test_broker_thread *thread = arg;
    struct weir_error err;
    if (wr_broker_run(thread->broker, &err) != WEIR_OK) {
        (void)fprintf(stderr, "broker: %s\n", err.text);
        abort();
    }
    return NULL;
}

static void open_broker(struct test_broker *t)
{
    struct weir_error err = {.text = ""};
    if (wr_broker_open(t->options, &t->broker, &err) != WEIR_OK) {
        fail_msg("broker does not start: %s", err.text);
    }
    t->thread = NULL;
}

static void run(struct test_broker *t)
{
    t->thread = calloc(1, sizeof(*t->thread));
    assert_non_null(t->thread);
    t->thread->broker = t->broker;
    assert_int_equal(pthread_create(&t->thread->id, NULL, serve, t->thread), 0);
}

void test_broker_open(struct test_broker *t, const char *const *pairs)
{
    struct weir_error err = {.text = ""};
    wr_log_level_now = WR_ERROR;
    snprintf(t->dir, sizeof(t->dir), "/tmp/weir-test-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    assert_int_equal(wr_options_new(wr_broker_options, NULL, &t->options),
                     WEIR_OK);
    assert_int_equal(
        wr_options_set(t->options, "data.dir", t->dir, "test", &err), WEIR_OK);
    assert_int_equal(
        wr_options_set(t->options, "listen", "127.0.0.1:0", "test", &err),
        WEIR_OK);
    for (; pairs && *pairs; pairs++) {
        if (wr_options_set_pair(t->options, *pairs, "test", &err) != WEIR_OK) {
            fail_msg("%s", err.text);
        }
    }
    open_broker(t);
}

void test_broker_start(struct test_broker *t, const char *const *pairs)
{
    test_broker_open(t, pairs);
    run(t);
}

static void stop(struct test_broker *t)
{
    if (t->thread) {
        wr_broker_stop(t->broker);
        pthread_join(t->thread->id, NULL);
        free(t->thread);
    }
    wr_broker_close(t->broker);
}

void test_broker_restart(struct test_broker *t)
{
    bool runs = t->thread != NULL;
    stop(t);
    open_broker(t);
    if (runs) {
        run(t);
    }
}

void test_broker_stop(struct test_broker *t)
{
    stop(t);
    wr_options_free(t->options);
    assert_int_equal(wr_remove_all(t->dir, NULL), WEIR_OK);
}

/* ---- client -------------------------------------------------------------- */

void test_client_open(struct test_client *c, const struct test_broker *t)
{
    const char *colon = strrchr(wr_broker_address(t->broker), ':');
    struct sockaddr_in at = {.sin_family = AF_INET};
    struct timeval patience = {.tv_sec = 10};
    at.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *c = (struct test_client){.fd = socket(AF_INET, SOCK_STREAM, 0)};
    assert_true(c->fd >= 0);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(c->fd, (struct sockaddr *)&at, sizeof(at)), 0);
    wr_arena_init(&c->arena, ANSWER_MAX);
    wr_buf_init(&c->in, ANSWER_MAX);
}

void test_client_close(struct test_client *c)
{
    close(c->fd);
    wr_arena_done(&c->arena);
    wr_buf_done(&c->in);
}

void test_client_send_raw(struct test_client *c, const void *data, size_t len)
{
    const uint8_t *at = data;
    while (len > 0) {
        ssize_t n = send(c->fd, at, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return; /* closed by the broker; the test looks at that */
        }
        at += n;
        len -= (size_t)n;
    }
}

int32_t test_client_send(struct test_client *c, int16_t key, int16_t version,
                         const void *request)
{
    const struct wr_api_messages *api = wr_api_messages_find(key);
    struct wr_buf out;
    assert_non_null(api);
    wr_buf_init(&out, ANSWER_MAX);
    wr_buf_put_i32(&out, 0);
    wr_buf_put_i16(&out, key);
    wr_buf_put_i16(&out, version);
    wr_buf_put_i32(&out, ++c->correlation_id);
    wr_buf_put_i16(&out, 4);
    wr_buf_put_text(&out, "test");
    if (wr_message_is_flexible(api->request, version)) {
        wr_buf_put_uvarint(&out, 0);
    }
    wr_message_encode(api->request, request, &out, version, NULL);
    assert_int_equal(out.status, WEIR_OK);
    wr_store_u32(out.data, (uint32_t)(out.len - 4));
    test_client_send_raw(c, out.data, out.len);
    wr_buf_done(&out);
    return c->correlation_id;
}

static void receive(struct test_client *c, size_t n)
{
    uint8_t *at = wr_buf_extend(&c->in, n);
    assert_non_null(at);
    while (n > 0) {
        ssize_t got = recv(c->fd, at, n, 0);
        if (got <= 0) {
            fail_msg("no answer: %s", got ? strerror(errno) : "closed");
        }
        at += got;
        n -= (size_t)got;
    }
}

void test_client_receive(struct test_client *c, int16_t key, int16_t version,
                         int32_t correlation_id, void *response)
{
    const struct wr_api_messages *api = wr_api_messages_find(key);
    struct wr_reader reader;
    wr_arena_reset(&c->arena);
    wr_buf_reset(&c->in);
    receive(c, 4);
    receive(c, wr_load_u32(c->in.data));
    wr_reader_init(&reader, wr_buf_view(&c->in));
    wr_read_skip(&reader, 4);
    assert_int_equal(wr_read_i32(&reader), correlation_id);
    if (wr_message_is_flexible(api->response, version) &&
        key != WR_API_API_VERSIONS) {
        assert_int_equal(wr_read_uvarint(&reader), 0);
    }
    assert_int_equal(
        wr_message_decode(api->response, response, &reader, version, &c->arena),
        WEIR_OK);
    assert_int_equal(wr_reader_left(&reader), 0);
}

void test_client_call(struct test_client *c, int16_t key, int16_t version,
                      const void *request, void *response)
{
    int32_t id = test_client_send(c, key, version, request);
    test_client_receive(c, key, version, id, response);
}

bool test_client_is_closed(struct test_client *c)
{
    uint8_t byte;
    ssize_t n = recv(c->fd, &byte, 1, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}
