/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/runtime/kafka_fixture.h"

#include "runtime/kafka_client.h"

/* The call that wakes librdkafka's threads, counted; see kafka_consumer.c. */
struct rd_kafka_error_s *__real_rd_kafka_sasl_set_credentials(
    struct rd_kafka_s *rk, const char *username, const char *password);
struct rd_kafka_error_s *__wrap_rd_kafka_sasl_set_credentials(
    struct rd_kafka_s *rk, const char *username, const char *password);
static int nudges;

struct rd_kafka_error_s *
__wrap_rd_kafka_sasl_set_credentials(struct rd_kafka_s *rk,
                                     const char *username, const char *password)
{
    nudges++;
    return __real_rd_kafka_sasl_set_credentials(rk, username, password);
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

/* The mock keeps 5 MB of a partition. */
static void a_beginning_that_is_not_0_is_found(void **state)
{
    (void)state;
    static uint8_t large[900000];
    struct wr_consumer *consumer = make_consumer();
    struct wr_partition p = {
        .topic = "t", .partition = 0, .offset = WR_OFFSET_BEGIN, .tag = &seen};
    for (int i = 0; i < 9; i++) {
        assert_int_equal(mock_cluster_produce(cluster, "t", 0, weir_text("k"),
                                              weir_bytes(large, sizeof(large))),
                         0);
    }
    assert_ok(wr_consumer_assign(consumer, &p, 1, &err), err);
    int64_t until = wr_mono_ms() + WAIT_MS;
    while (seen.end < 9 && wr_mono_ms() < until) {
        size_t n = 0;
        wr_consumer_poll(consumer, 50, 100, &n);
    }
    assert_int_equal(seen.end, 9);
    assert_false(seen.out_of_range); /* that is for the owner's own offsets */
    assert_in_range(seen.records, 1, 6);
    assert_int_equal(seen.last_offset, 8);
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

/* The queue of 8 fills and drains between two looks of a poll that takes all
 * there is; librdkafka 2.0 would then sleep for a second, 10 times. */
static void a_drained_queue_is_filled_again_at_once(void **state)
{
    (void)state;
    struct wr_partition p = {.topic = "t", .partition = 0, .tag = &seen};
    assert_int_equal(weir_config_set(config,
                                     "restore.consumer.queued.min.messages",
                                     "8", &err),
                     WEIR_OK);
    struct wr_consumer *consumer = make_consumer();
    for (int i = 0; i < 80; i++) {
        assert_int_equal(mock_cluster_produce(cluster, "t", 0, weir_text("k"),
                                              weir_text("v")),
                         0);
    }
    nudges = 0;
    assert_ok(wr_consumer_assign(consumer, &p, 1, &err), err);
    poll_until(consumer, 80, 80);
    if (wr_kafka_property_known("fetch.queue.backoff.ms")) {
        assert_int_equal(nudges, 0); /* newer ones need none */
    } else {
        assert_true(nudges >= 80 / 8);
        assert_true(nudges <= 80 / (8 / 4));
    }
    wr_consumer_free(consumer);
}

/* ---- a member of the group ---------------------------------------------- */

#define API_HEARTBEAT         12
#define ERROR_FENCED_INSTANCE 82

static size_t given;
static struct weir_error problem;

static void on_given(void *user, const int32_t *partitions, size_t count)
{
    (void)user;
    (void)partitions;
    given += count;
}

static void on_revoked(void *user, const int32_t *partitions, size_t count,
                       bool lost)
{
    (void)user;
    (void)partitions;
    (void)count;
    (void)lost;
}

static void keep_problem(void *user, void *tag, const struct weir_error *told)
{
    (void)user;
    (void)tag;
    problem = *told;
}

static void poll_once(struct wr_consumer *consumer)
{
    size_t n = 0;
    wr_consumer_poll(consumer, 10, 100, &n);
}

/* What a static member is told that is fenced so long after it joined. */
static enum weir_status fenced_after(const char *session_ms, int64_t after_ms)
{
    struct wr_consumer *consumer = NULL;
    struct wr_consumer_spec spec = {.kind = WR_CLIENT_CONSUMER,
                                    .client_id = "test",
                                    .instance_id = "me",
                                    .events = {.given = on_given,
                                               .revoked = on_revoked,
                                               .problem = keep_problem}};
    const int fenced = ERROR_FENCED_INSTANCE;
    int64_t until = wr_mono_ms() + WAIT_MS;
    given = 0;
    problem.status = WEIR_OK;
    assert_ok(weir_config_set(config, "heartbeat.interval.ms", "20", &err),
              err);
    assert_ok(weir_config_set(config, "session.timeout.ms", session_ms, &err),
              err);
    spec.options = wr_config_options(config);
    assert_ok(wr_consumer_new(&spec, &consumer, &err), err);
    assert_ok(wr_consumer_subscribe(consumer, "t", &err), err);
    int64_t joined = wr_mono_ms();
    while ((given < 2 || wr_mono_ms() - joined <= after_ms) &&
           wr_mono_ms() < until) {
        poll_once(consumer);
    }
    assert_int_equal(given, 2);
    mock_cluster_fail(cluster, API_HEARTBEAT, &fenced, 1);
    while (problem.status == WEIR_OK && wr_mono_ms() < until) {
        poll_once(consumer);
    }
    wr_consumer_free(consumer);
    return problem.status;
}

/* What was given waits to be begun: the thread must not sleep on it. */
static void a_poll_after_a_rebalance_does_not_wait(void **state)
{
    (void)state;
    struct wr_consumer *consumer = NULL;
    struct wr_consumer_spec spec = {.kind = WR_CLIENT_CONSUMER,
                                    .options = wr_config_options(config),
                                    .client_id = "test",
                                    .events = {.given = on_given,
                                               .revoked = on_revoked,
                                               .problem = keep_problem}};
    int64_t until = wr_mono_ms() + WAIT_MS;
    size_t n = 0;
    given = 0;
    assert_ok(wr_consumer_new(&spec, &consumer, &err), err);
    assert_ok(wr_consumer_subscribe(consumer, "t", &err), err);
    while (given == 0 && wr_mono_ms() < until) {
        wr_consumer_poll(consumer, 0, 100, &n);
    }
    assert_int_equal(given, 2);
    int64_t began = wr_mono_ms();
    wr_consumer_poll(consumer, WAIT_MS, 100, &n);
    assert_true(wr_mono_ms() - began < WAIT_MS / 2);
    wr_consumer_free(consumer);
}

static void a_member_fenced_within_its_session_has_met_another(void **state)
{
    (void)state;
    assert_int_equal(fenced_after("30000", 0), WEIR_E_EXISTS);
    assert_non_null(strstr(problem.text, "group.instance.id 'me'"));
}

static void a_member_fenced_after_its_session_joins_anew(void **state)
{
    (void)state;
    assert_int_equal(fenced_after("4000", 4100), WEIR_E_FENCED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(records_come_in_as_they_went_out),
        T(a_seek_delivers_again_from_there),
        T(a_position_that_does_not_exist_is_told),
        T(a_beginning_that_is_not_0_is_found),
        T(a_waiting_poll_can_be_woken),
        T(a_poll_after_a_rebalance_does_not_wait),
        T(a_drained_queue_is_filled_again_at_once),
        T(a_member_fenced_within_its_session_has_met_another),
        T(a_member_fenced_after_its_session_joins_anew)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
