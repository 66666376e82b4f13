/* SPDX-License-Identifier: Apache-2.0
 *
 * The doors to librdkafka on its mock cluster: what goes out comes in,
 * positions and ends are told, failures have their statuses. */
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

static void on_record(void *user, void *tag, const struct wr_input *in)
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

static void on_end(void *user, void *tag, int64_t offset)
{
    (void)user;
    (void)tag;
    seen.end = offset;
}

static void on_out_of_range(void *user, void *tag)
{
    (void)user;
    (void)tag;
    seen.out_of_range = true;
}

static void on_problem(void *user, void *tag, const struct weir_error *problem)
{
    (void)user;
    (void)tag;
    print_message("problem: %s\n", problem->text);
}

static int setup(void **state)
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

static int teardown(void **state)
{
    (void)state;
    weir_config_free(config);
    mock_cluster_free(cluster);
    return 0;
}

static struct wr_consumer *make_consumer(void)
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

static struct wr_producer *make_producer(const char *transactional_id)
{
    struct wr_producer *producer = NULL;
    struct wr_producer_spec spec = {.options = wr_config_options(config),
                                    .client_id = "test",
                                    .transactional_id = transactional_id};
    assert_ok(wr_producer_new(&spec, &producer, &err), err);
    assert_int_equal(wr_producer_slots(producer, 4), WEIR_OK);
    return producer;
}

static void send(struct wr_producer *producer, int32_t partition,
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

static void poll_until(struct wr_consumer *consumer, size_t records,
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

static void records_come_in_as_they_went_out(void **state)
{
    (void)state;
    struct wr_producer *producer = make_producer(NULL);
    struct wr_consumer *consumer = make_consumer();
    int tag = 0;
    struct wr_partition p = {
        .topic = "t", .partition = 1, .offset = WR_OFFSET_BEGIN, .tag = &tag};
    send(producer, 1, "a", -1);
    send(producer, 0, "elsewhere", -1);
    send(producer, 1, "b", 2);
    assert_ok(wr_producer_flush(producer, WAIT_MS, &err), err);
    assert_int_equal(wr_producer_slot_offsets(producer)[2], 1);
    assert_int_equal(wr_producer_slot_offsets(producer)[0], -1);
    assert_ok(wr_consumer_assign(consumer, &p, 1, &err), err);
    poll_until(consumer, 2, 2);
    assert_string_equal(seen.key, "b");
    assert_string_equal(seen.header, "worth");
    assert_int_equal(seen.last_time, 12345);
    assert_int_equal(seen.last_offset, 1);
    assert_ptr_equal(seen.tag, &tag);
    assert_int_equal(wr_consumer_end_offset(consumer, "t", 1), 2);
    wr_consumer_free(consumer);
    wr_producer_free(producer);
}

static void a_seek_delivers_again_from_there(void **state)
{
    (void)state;
    struct wr_consumer *consumer = make_consumer();
    struct wr_partition p = {.topic = "t", .partition = 0, .tag = &seen};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(mock_cluster_produce(cluster, "t", 0, weir_text("k"),
                                              weir_text("v")),
                         0);
    }
    assert_ok(wr_consumer_assign(consumer, &p, 1, &err), err);
    poll_until(consumer, 5, 5);
    p.offset = 3;
    seen.records = 0;
    seen.end = -1;
    assert_ok(wr_consumer_seek(consumer, &p, 1, &err), err);
    poll_until(consumer, 2, 5);
    wr_consumer_unassign(consumer, &p, 1);
    wr_consumer_free(consumer);
}

static void a_position_that_does_not_exist_is_told(void **state)
{
    (void)state;
    struct wr_consumer *consumer = make_consumer();
    struct wr_partition p = {
        .topic = "t", .partition = 0, .offset = 77, .tag = &seen};
    int64_t until = wr_mono_ms() + WAIT_MS;
    assert_ok(wr_consumer_assign(consumer, &p, 1, &err), err);
    while (!seen.out_of_range && wr_mono_ms() < until) {
        size_t n = 0;
        wr_consumer_poll(consumer, 50, 100, &n);
    }
    assert_true(seen.out_of_range);
    wr_consumer_free(consumer);
}

static void a_waiting_poll_can_be_woken(void **state)
{
    (void)state;
    struct wr_consumer *consumer = make_consumer();
    size_t n = 0;
    wr_consumer_wake(consumer);
    int64_t began = wr_mono_ms();
    wr_consumer_poll(consumer, WAIT_MS, 1, &n);
    assert_true(wr_mono_ms() - began < WAIT_MS / 2);
    wr_consumer_wake(consumer); /* closing is not disturbed by it */
    wr_consumer_free(consumer);
}

static void a_record_that_is_too_large_stops_or_is_left_out(void **state)
{
    (void)state;
    static const char large[5000] = {1};
    struct wr_output out = {.key = weir_text("k"),
                            .value = weir_bytes(large, sizeof(large)),
                            .changelog_slot = -1};
    int32_t count = 0;
    assert_ok(
        weir_config_set(config, "producer.message.max.bytes", "1000", &err),
        err);
    struct wr_producer *producer = make_producer(NULL);
    struct wr_collector *c = wr_producer_collector(producer);
    assert_ok(c->topic(c, "t", &out.topic, &count, &err), err);
    assert_int_equal(c->send(c, &out, &err), WEIR_E_TOOBIG);
    assert_non_null(strstr(err.text, "production.exception.handler"));
    wr_producer_free(producer);
    assert_ok(weir_config_set(config, "production.exception.handler",
                              "continue", &err),
              err);
    producer = make_producer(NULL);
    c = wr_producer_collector(producer);
    assert_ok(c->topic(c, "t", &out.topic, &count, &err), err);
    assert_ok(c->send(c, &out, &err), err);
    out.changelog_slot = 0; /* a changelog record is never left out */
    assert_int_equal(c->send(c, &out, &err), WEIR_E_TOOBIG);
    wr_producer_free(producer);
}

static void a_transaction_begins_with_its_first_record(void **state)
{
    (void)state;
    struct wr_producer *producer = make_producer("app-x-1");
    assert_ok(wr_producer_init(producer, WAIT_MS, &err), err);
    assert_false(wr_producer_in_transaction(producer));
    send(producer, 0, "a", 0);
    assert_true(wr_producer_in_transaction(producer));
    assert_ok(wr_producer_commit(producer, &err), err);
    assert_false(wr_producer_in_transaction(producer));
    assert_int_equal(wr_producer_slot_offsets(producer)[0], 0);
    send(producer, 0, "b", 0);
    assert_ok(wr_producer_abort(producer, &err), err);
    assert_false(wr_producer_in_transaction(producer));
    wr_producer_free(producer);
}

static void a_fenced_producer_says_so(void **state)
{
    (void)state;
    static const int fenced[] = {47}; /* INVALID_PRODUCER_EPOCH */
    struct wr_producer *producer = make_producer("app-x-1");
    assert_ok(wr_producer_init(producer, WAIT_MS, &err), err);
    send(producer, 0, "a", -1);
    mock_cluster_fail(cluster, 26, fenced, 1); /* EndTxn */
    assert_int_equal(wr_producer_commit(producer, &err), WEIR_E_FENCED);
    wr_producer_free(producer);
}

static void a_missing_output_topic_is_named(void **state)
{
    (void)state;
    static const int unknown[] = {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
                                  3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3};
    assert_int_equal(wr_kafka_status(unknown[0]), WEIR_E_NOTFOUND);
    assert_int_equal(wr_kafka_fail(&err, wr_config_options(config), unknown[0],
                                   NULL, "producing"),
                     WEIR_E_NOTFOUND);
    assert_non_null(strstr(err.text, "producing"));
}

static void topics_and_their_partitions_are_listed(void **state)
{
    (void)state;
    struct wr_admin *admin = NULL;
    struct wr_topics topics = {NULL, 0};
    assert_int_equal(mock_cluster_topic(cluster, "another", 5), 0);
    assert_ok(wr_admin_new(wr_config_options(config), "test", &admin, &err),
              err);
    assert_ok(wr_admin_topics(admin, WAIT_MS, &topics, &err), err);
    assert_int_equal(wr_topics_partitions(&topics, "t"), 2);
    assert_int_equal(wr_topics_partitions(&topics, "another"), 5);
    assert_int_equal(wr_topics_partitions(&topics, "no"), -1);
    assert_int_equal(wr_topics_put(&topics, "no", 3), WEIR_OK);
    assert_int_equal(wr_topics_partitions(&topics, "no"), 3);
    wr_topics_done(&topics);
    wr_admin_free(admin);
}

static void an_unreachable_broker_is_named(void **state)
{
    (void)state;
    struct wr_admin *admin = NULL;
    struct wr_topics topics = {NULL, 0};
    assert_ok(weir_config_set(config, "bootstrap.servers", "127.0.0.1:1", &err),
              err);
    assert_ok(wr_admin_new(wr_config_options(config), "test", &admin, &err),
              err);
    enum weir_status status = wr_admin_topics(admin, 300, &topics, &err);
    assert_int_equal(weir_status_class(status), WEIR_CLASS_RETRY);
    assert_non_null(strstr(err.text, "127.0.0.1:1"));
    assert_non_null(strstr(err.text, "bootstrap.servers"));
    wr_admin_free(admin);
}

static void forget(void *user, struct weir_bytes key, struct weir_bytes value)
{
    struct wr_buf *all = user;
    wr_buf_put_bytes(all, key);
    wr_buf_put_bytes(all, value);
}

static void a_partition_is_read_to_its_end(void **state)
{
    (void)state;
    struct wr_admin *admin = NULL;
    struct wr_buf all;
    wr_buf_init(&all, 1000);
    assert_ok(wr_admin_new(wr_config_options(config), "test", &admin, &err),
              err);
    assert_ok(wr_admin_read(admin, "t", 0, forget, &all, &err), err);
    assert_int_equal(all.len, 0);
    assert_ok(
        wr_admin_write(admin, "t", 0, weir_text("k1"), weir_text("v1"), &err),
        err);
    assert_ok(
        wr_admin_write(admin, "t", 0, weir_text("k2"), weir_text("v2"), &err),
        err);
    assert_ok(wr_admin_read(admin, "t", 0, forget, &all, &err), err);
    assert_string_equal(wr_buf_text(&all), "k1v1k2v2");
    wr_buf_done(&all);
    wr_admin_free(admin);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(records_come_in_as_they_went_out),
        T(a_seek_delivers_again_from_there),
        T(a_position_that_does_not_exist_is_told),
        T(a_waiting_poll_can_be_woken),
        T(a_record_that_is_too_large_stops_or_is_left_out),
        T(a_transaction_begins_with_its_first_record),
        T(a_fenced_producer_says_so),
        T(a_missing_output_topic_is_named),
        T(topics_and_their_partitions_are_listed),
        T(an_unreachable_broker_is_named),
        T(a_partition_is_read_to_its_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
