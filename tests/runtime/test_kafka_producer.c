/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/runtime/kafka_fixture.h"

/* What clients are configured with, seen on its way to the client library. */
struct rd_kafka_conf_s;
int __real_rd_kafka_conf_set(struct rd_kafka_conf_s *conf, const char *name,
                             const char *value, char *reason, size_t size);
int __wrap_rd_kafka_conf_set(struct rd_kafka_conf_s *conf, const char *name,
                             const char *value, char *reason, size_t size);
static char transaction_timeout[32];

int __wrap_rd_kafka_conf_set(struct rd_kafka_conf_s *conf, const char *name,
                             const char *value, char *reason, size_t size)
{
    if (strcmp(name, "transaction.timeout.ms") == 0) {
        (void)snprintf(transaction_timeout, sizeof(transaction_timeout), "%s",
                       value);
    }
    return __real_rd_kafka_conf_set(conf, name, value, reason, size);
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
    put_record(producer, 0, "a", 0);
    assert_true(wr_producer_in_transaction(producer));
    assert_ok(wr_producer_commit(producer, &err), err);
    assert_false(wr_producer_in_transaction(producer));
    assert_int_equal(wr_producer_slot_offsets(producer)[0], 0);
    put_record(producer, 0, "b", 0);
    assert_ok(wr_producer_abort(producer, &err), err);
    assert_false(wr_producer_in_transaction(producer));
    wr_producer_free(producer);
}

static void a_transaction_may_outlive_the_commit_interval(void **state)
{
    (void)state;
    assert_ok(weir_config_set(config, "commit.interval.ms", "30s", &err), err);
    wr_producer_free(make_producer("app-x-1"));
    assert_string_equal(transaction_timeout, "40000");
}

static void a_fenced_producer_says_so(void **state)
{
    (void)state;
    static const int fenced[] = {47}; /* INVALID_PRODUCER_EPOCH */
    struct wr_producer *producer = make_producer("app-x-1");
    assert_ok(wr_producer_init(producer, WAIT_MS, &err), err);
    put_record(producer, 0, "a", -1);
    mock_cluster_fail(cluster, 26, fenced, 1); /* EndTxn */
    assert_int_equal(wr_producer_commit(producer, &err), WEIR_E_FENCED);
    wr_producer_free(producer);
}

/* Sends one record and flushes until its delivery is settled. */
static enum weir_status settle(struct wr_producer *producer)
{
    int64_t until = wr_mono_ms() + WAIT_MS;
    enum weir_status status;
    do {
        status = wr_producer_flush(producer, 500, &err);
    } while (status == WEIR_E_TIMEOUT && wr_mono_ms() < until);
    return status;
}

static void a_record_that_timed_out_is_told_until_it_is_given_up(void **state)
{
    (void)state;
    assert_ok(
        weir_config_set(config, "producer.delivery.timeout.ms", "1000", &err),
        err);
    struct wr_producer *producer = make_producer(NULL);
    put_record(producer, 0, "a", 0);
    assert_ok(settle(producer), err);
    mock_cluster_down(cluster, 1);
    put_record(producer, 0, "b", 0);
    assert_int_equal(settle(producer), WEIR_E_ABORT_TXN);
    assert_non_null(strstr(err.text, "t partition 0"));
    /* asking again does not make it written */
    assert_int_equal(settle(producer), WEIR_E_ABORT_TXN);
    assert_int_equal(wr_producer_poll(producer, &err), WEIR_E_ABORT_TXN);
    mock_cluster_down(cluster, 0);
    assert_int_equal(settle(producer), WEIR_E_ABORT_TXN);
    assert_ok(wr_producer_abort(producer, &err), err);
    put_record(producer, 0, "b", 0);
    assert_ok(settle(producer), err);
    wr_producer_free(producer);
}

static void reports_of_what_was_given_up_change_nothing(void **state)
{
    (void)state;
    assert_ok(
        weir_config_set(config, "producer.delivery.timeout.ms", "1000", &err),
        err);
    struct wr_producer *producer = make_producer(NULL);
    put_record(producer, 0, "a", 1);
    assert_ok(wr_producer_abort(producer, &err), err);
    assert_ok(settle(producer), err);
    assert_int_equal(mock_cluster_end(cluster, "t", 0), 1);
    assert_int_equal(wr_producer_slot_offsets(producer)[1], -1);
    mock_cluster_down(cluster, 1);
    put_record(producer, 0, "b", 1);
    assert_ok(wr_producer_abort(producer, &err), err);
    assert_ok(settle(producer), err);
    wr_producer_free(producer);
}

static void a_send_that_meets_a_lost_transaction_says_abort(void **state)
{
    (void)state;
    static const int lost[] = {44}; /* POLICY_VIOLATION */
    struct wr_producer *producer = make_producer("app-x-1");
    struct wr_collector *c = wr_producer_collector(producer);
    struct wr_output out = {.key = weir_text("k"),
                            .value = weir_text("v"),
                            .timestamp_ms = 1,
                            .changelog_slot = -1};
    int32_t count = 0;
    enum weir_status status = WEIR_OK;
    int64_t until = wr_mono_ms() + WAIT_MS;
    assert_ok(wr_producer_init(producer, WAIT_MS, &err), err);
    put_record(producer, 0, "a", -1);
    assert_ok(wr_producer_flush(producer, WAIT_MS, &err), err);
    assert_ok(c->topic(c, "t", &out.topic, &count, &err), err);
    mock_cluster_fail(cluster, 0, lost, 1); /* Produce */
    while (status == WEIR_OK && wr_mono_ms() < until) {
        status = c->send(c, &out, &err);
        if (status == WEIR_OK) {
            assert_ok(wr_producer_poll(producer, &err), err);
        }
    }
    assert_int_equal(status, WEIR_E_ABORT_TXN);
    assert_ok(wr_producer_abort(producer, &err), err);
    wr_producer_free(producer);
}

static void time_zero_is_not_the_time_of_day(void **state)
{
    (void)state;
    struct wr_producer *producer = make_producer(NULL);
    struct wr_collector *c = wr_producer_collector(producer);
    struct wr_output out = {
        .key = weir_text("k"), .value = weir_text("v"), .changelog_slot = -1};
    int32_t count = 0;
    assert_ok(c->topic(c, "t", &out.topic, &count, &err), err);
    assert_ok(c->send(c, &out, &err), err);
    assert_ok(settle(producer), err);
    struct wr_consumer *consumer = make_consumer();
    struct wr_partition from = {.topic = "t", .tag = &seen};
    assert_ok(wr_consumer_assign(consumer, &from, 1, &err), err);
    poll_until(consumer, 1, 1);
    assert_int_equal(seen.last_time, 1);
    wr_consumer_free(consumer);
    wr_producer_free(producer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_record_that_is_too_large_stops_or_is_left_out),
        T(a_transaction_begins_with_its_first_record),
        T(a_transaction_may_outlive_the_commit_interval),
        T(a_fenced_producer_says_so),
        T(a_record_that_timed_out_is_told_until_it_is_given_up),
        T(reports_of_what_was_given_up_change_nothing),
        T(a_send_that_meets_a_lost_transaction_says_abort),
        T(time_zero_is_not_the_time_of_day)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
