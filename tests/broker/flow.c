/* SPDX-License-Identifier: Apache-2.0
 *
 * The broker runs in a forked child, so that kill -9 is what it is. */
#include "tests/broker/flow.h"

#include "base/clock.h"
#include "base/fs.h"
#include "broker/weir_broker.h"
#include "tests/harness/weir_test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 30000

static struct wr_broker *child_broker;

static void child_stop(int signal_number)
{
    (void)signal_number;
    wr_broker_stop(child_broker);
}

/* The child: says its address through the pipe, then serves. */
static void child_run(const struct flow *flow, const char *listen, int pipe_fd)
{
    struct wr_options *options = NULL;
    struct weir_error err = {0};
    if (wr_options_new(wr_broker_options, NULL, &options) != WEIR_OK ||
        wr_options_set(options, "data.dir", flow->dir, "test", &err) !=
            WEIR_OK ||
        wr_options_set(options, "listen", listen, "test", &err) != WEIR_OK ||
        wr_options_set(options, "group.min.session.timeout.ms", "1000", "test",
                       &err) != WEIR_OK ||
        wr_broker_open(options, &child_broker, &err) != WEIR_OK) {
        fprintf(stderr, "flow: broker: %s\n", err.text);
        _exit(1);
    }
    struct sigaction action = {.sa_handler = child_stop};
    (void)sigaction(SIGTERM, &action, NULL);
    const char *address = wr_broker_address(child_broker);
    if (write(pipe_fd, address, strlen(address)) < 0) {
        _exit(1);
    }
    (void)close(pipe_fd);
    enum weir_status status = wr_broker_run(child_broker, &err);
    wr_broker_close(child_broker);
    wr_options_free(options);
    if (status != WEIR_OK) {
        fprintf(stderr, "flow: broker: %s\n", err.text);
    }
    exit(status == WEIR_OK ? 0 : 1);
}

static void spawn(struct flow *flow, const char *listen)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(fds[0]);
        child_run(flow, listen, fds[1]);
    }
    (void)close(fds[1]);
    char address[64] = {0};
    ssize_t n = read(fds[0], address, sizeof(address) - 1);
    (void)close(fds[0]);
    if (n <= 0) {
        fail_msg("the broker did not start");
    }
    snprintf(flow->bootstrap, sizeof(flow->bootstrap), "%s", address);
    flow->pid = pid;
}

void flow_start(struct flow *flow)
{
    *flow = (struct flow){0};
    const char *other = getenv("WEIR_FLOW_BOOTSTRAP");
    if (other) {
        snprintf(flow->bootstrap, sizeof(flow->bootstrap), "%s", other);
        return;
    }
    snprintf(flow->dir, sizeof(flow->dir), "/tmp/weir-flow-XXXXXX");
    assert_non_null(mkdtemp(flow->dir));
    spawn(flow, "127.0.0.1:0");
}

void flow_crash(struct flow *flow)
{
    if (flow->pid == 0) {
        const char *command = getenv("WEIR_FLOW_CRASH");
        if (!command) {
            skip();
        }
        assert_int_equal(system(command), 0);
        return;
    }
    int status = 0;
    char listen[64];
    memcpy(listen, flow->bootstrap, sizeof(listen));
    assert_int_equal(kill(flow->pid, SIGKILL), 0);
    assert_int_equal(waitpid(flow->pid, &status, 0), flow->pid);
    spawn(flow, listen);
}

void flow_stop(struct flow *flow)
{
    if (flow->pid == 0) {
        return;
    }
    int status = 0;
    assert_int_equal(kill(flow->pid, SIGTERM), 0);
    assert_int_equal(waitpid(flow->pid, &status, 0), flow->pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    struct weir_error err;
    assert_int_equal(wr_remove_all(flow->dir, &err), WEIR_OK);
}

const char *flow_name(struct flow *flow, const char *prefix)
{
    static char names[8][64];
    char *name = names[flow->serial % 8];
    snprintf(name, sizeof(names[0]), "%s-%d-%d", prefix, flow->serial++,
             (int)getpid());
    return name;
}

int64_t flow_now_ms(void)
{
    return wr_mono_ms();
}

/* ---- clients ------------------------------------------------------------- */

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[512];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) !=
        RD_KAFKA_CONF_OK) {
        fail_msg("%s=%s: %s", name, value, text);
    }
}

static void quiet(const rd_kafka_t *rk, int level, const char *facility,
                  const char *text)
{
    (void)rk;
    if (getenv("WEIR_FLOW_DEBUG")) {
        fprintf(stderr, "%d %s %s\n", level, facility, text);
    }
}

static rd_kafka_conf_t *conf_new(struct flow *flow, const char *const *pairs)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", flow->bootstrap);
    set(conf, "reconnect.backoff.max.ms", "500");
    const char *debug = getenv("WEIR_FLOW_DEBUG");
    if (debug && debug[0]) {
        set(conf, "debug", debug);
    }
    rd_kafka_conf_set_log_cb(conf, quiet);
    for (size_t i = 0; pairs && pairs[i]; i += 2) {
        set(conf, pairs[i], pairs[i + 1]);
    }
    return conf;
}

static rd_kafka_t *client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char text[512];
    rd_kafka_t *client = rd_kafka_new(type, conf, text, sizeof(text));
    if (!client) {
        fail_msg("client: %s", text);
    }
    return client;
}

rd_kafka_t *flow_producer(struct flow *flow, const char *const *pairs)
{
    return client_new(RD_KAFKA_PRODUCER, conf_new(flow, pairs));
}

rd_kafka_t *flow_consumer(struct flow *flow, const char *group,
                          const char *const *pairs)
{
    rd_kafka_conf_t *conf = conf_new(flow, NULL);
    set(conf, "group.id", group);
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "enable.auto.commit", "false");
    set(conf, "fetch.wait.max.ms", "100");
    for (size_t i = 0; pairs && pairs[i]; i += 2) {
        set(conf, pairs[i], pairs[i + 1]);
    }
    rd_kafka_t *consumer = client_new(RD_KAFKA_CONSUMER, conf);
    rd_kafka_poll_set_consumer(consumer);
    return consumer;
}

void flow_ok(rd_kafka_error_t *error)
{
    if (error) {
        fail_msg("%s: %s", rd_kafka_error_name(error),
                 rd_kafka_error_string(error));
    }
}

void flow_topic(struct flow *flow, const char *topic, int partitions)
{
    rd_kafka_t *client = flow_producer(flow, NULL);
    char text[256];
    rd_kafka_NewTopic_t *spec =
        rd_kafka_NewTopic_new(topic, partitions, 1, text, sizeof(text));
    assert_non_null(spec);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_CreateTopics(client, &spec, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, WAIT_MS);
    assert_non_null(event);
    size_t count = 0;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(
            rd_kafka_event_CreateTopics_result(event), &count);
    assert_int_equal(count, 1);
    if (rd_kafka_topic_result_error(results[0])) {
        fail_msg("topic %s: %s", topic,
                 rd_kafka_topic_result_error_string(results[0]));
    }
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(spec);
    rd_kafka_destroy(client);
}

void flow_send(rd_kafka_t *producer, const char *topic, int32_t partition,
               const char *value)
{
    rd_kafka_resp_err_t err;
    do {
        err = rd_kafka_producev(
            producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
            RD_KAFKA_V_VALUE((void *)(uintptr_t)value, strlen(value)),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            rd_kafka_poll(producer, 10);
        }
    } while (err == RD_KAFKA_RESP_ERR__QUEUE_FULL);
    if (err) {
        fail_msg("produce: %s", rd_kafka_err2str(err));
    }
}

void flow_flush(rd_kafka_t *producer)
{
    assert_int_equal(rd_kafka_flush(producer, WAIT_MS), 0);
}

const char *flow_read(struct flow *flow, const char *topic, int32_t partition,
                      const char *isolation)
{
    static struct wr_buf text;
    if (text.max == 0) {
        wr_buf_init(&text, (size_t)64 << 20);
    }
    wr_buf_reset(&text);
    rd_kafka_t *consumer = flow_consumer(
        flow, "reader",
        PAIRS("isolation.level", isolation, "enable.partition.eof", "true"));
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset =
        RD_KAFKA_OFFSET_BEGINNING;
    assert_int_equal(rd_kafka_assign(consumer, list), 0);
    bool end = false;
    int64_t until_ms = flow_now_ms() + WAIT_MS;
    while (!end && flow_now_ms() < until_ms) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);
        if (message && message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            end = true;
        } else if (message && !message->err) {
            wr_buf_printf(&text, "%s%.*s", text.len ? " " : "",
                          (int)message->len, (const char *)message->payload);
        }
        if (message) {
            rd_kafka_message_destroy(message);
        }
    }
    assert_true(end);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return wr_buf_text(&text);
}

int64_t flow_committed(struct flow *flow, const char *group, const char *topic,
                       int32_t partition)
{
    rd_kafka_t *consumer = flow_consumer(flow, group, NULL);
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition);
    rd_kafka_resp_err_t err = rd_kafka_committed(consumer, list, WAIT_MS);
    if (err) {
        fail_msg("committed: %s", rd_kafka_err2str(err));
    }
    int64_t offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(consumer);
    return offset;
}
