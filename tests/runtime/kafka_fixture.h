/* SPDX-License-Identifier: Apache-2.0
 *
 * librdkafka's mock cluster with a topic, and clients of ours on it. */
#ifndef WEIR_TESTS_RUNTIME_KAFKA_FIXTURE_H
#define WEIR_TESTS_RUNTIME_KAFKA_FIXTURE_H

#include "runtime/kafka_admin.h"
#include "runtime/kafka_consumer.h"
#include "runtime/kafka_producer.h"

#include "base/clock.h"
#include "tests/harness/mock_cluster.h"
#include "tests/harness/weir_test.h"

#define WAIT_MS 20000 /* a test that hangs fails */

static struct mock_cluster *cluster;
static struct weir_config *config;
static struct weir_error err;

/* What the consumer's events told. */
static struct {
    size_t records;
    int64_t last_offset;
    int64_t last_time;
    int64_t end;
    char key[32];
    char header[32];
    void *tag;
    bool out_of_range;
} seen;

static inline void on_record(void *user, void *tag, const struct wr_input *in)
{
    (void)user;
    seen.records++;
    seen.last_offset = in->offset;
    seen.last_time = in->record.timestamp_ms;
    seen.tag = tag;
    (void)snprintf(seen.key, sizeof(seen.key), "%.*s", (int)in->record.key.len,
                   (const char *)in->record.key.data);
    if (in->record.header_count > 0) {
        (void)snprintf(seen.header, sizeof(seen.header), "%.*s",
                       (int)in->record.headers[0].value.len,
                       (const char *)in->record.headers[0].value.data);
    }
    wr_consumer_release(NULL, in->owner);
}

static inline void on_end(void *user, void *tag, int64_t offset)
{
    (void)user;
    (void)tag;
    seen.end = offset;
}

static inline void on_out_of_range(void *user, void *tag)
{
    (void)user;
    (void)tag;
    seen.out_of_range = true;
}

static inline void on_problem(void *user, void *tag,
                              const struct weir_error *problem)
{
    (void)user;
    (void)tag;
    print_message("problem: %s\n", problem->text);
}

static inline int setup(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof(seen));
    seen.end = -1;
    cluster = mock_cluster_new();
    config = weir_config_new();
    if (!cluster || !config || mock_cluster_topic(cluster, "t", 2) != 0) {
        return -1;
    }
    return weir_config_set(config, "application.id", "app", &err) ||
           weir_config_set(config, "bootstrap.servers",
                           mock_cluster_bootstrap(cluster), &err);
}

static inline int teardown(void **state)
{
    (void)state;
    weir_config_free(config);
    mock_cluster_free(cluster);
    return 0;
}

static inline struct wr_consumer *make_consumer(void)
{
    struct wr_consumer *consumer = NULL;
    struct wr_consumer_spec spec = {.kind = WR_CLIENT_RESTORE,
                                    .options = wr_config_options(config),
                                    .client_id = "test",
                                    .events = {.record = on_record,
                                               .end = on_end,
                                               .out_of_range = on_out_of_range,
                                               .problem = on_problem}};
    assert_ok(wr_consumer_new(&spec, &consumer, &err), err);
    return consumer;
}

static inline struct wr_producer *make_producer(const char *transactional_id)
{
    struct wr_producer *producer = NULL;
    struct wr_producer_spec spec = {.options = wr_config_options(config),
                                    .client_id = "test",
                                    .transactional_id = transactional_id};
    assert_ok(wr_producer_new(&spec, &producer, &err), err);
    assert_int_equal(wr_producer_slots(producer, 4), WEIR_OK);
    return producer;
}

static inline void put_record(struct wr_producer *producer, int32_t partition,
                              const char *key, int32_t slot)
{
    struct wr_collector *collector = wr_producer_collector(producer);
    const struct weir_header header = {weir_text("h"), weir_text("worth")};
    struct wr_output out = {.partition = partition,
                            .key = weir_text(key),
                            .value = weir_text("v"),
                            .timestamp_ms = 12345,
                            .headers = &header,
                            .header_count = 1,
                            .changelog_slot = slot};
    int32_t count = 0;
    assert_ok(collector->topic(collector, "t", &out.topic, &count, &err), err);
    assert_int_equal(count, 2);
    assert_ok(collector->send(collector, &out, &err), err);
}

static inline void poll_until(struct wr_consumer *consumer, size_t records,
                              int64_t end)
{
    int64_t until = wr_mono_ms() + WAIT_MS;
    while ((seen.records < records || seen.end < end) && wr_mono_ms() < until) {
        size_t n = 0;
        wr_consumer_poll(consumer, 50, 100, &n);
    }
    assert_int_equal(seen.records, records);
    assert_true(seen.end >= end);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
