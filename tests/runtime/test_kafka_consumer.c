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
    put_record(producer, 1, "a", -1);
    put_record(producer, 0, "elsewhere", -1);
    put_record(producer, 1, "b", 2);
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

static void what_was_paused_is_read_when_it_is_assigned_anew(void **state)
{
    (void)state;
    struct wr_consumer *consumer = make_consumer();
    struct wr_partition p = {.topic = "t", .partition = 0, .tag = &seen};
    assert_int_equal(
        mock_cluster_produce(cluster, "t", 0, weir_text("k"), weir_text("v")),
        0);
    assert_ok(wr_consumer_assign(consumer, &p, 1, &err), err);
    poll_until(consumer, 1, 1);
    wr_consumer_pause(consumer, "t", 0, true);
    wr_consumer_unassign(consumer, &p, 1);
    seen.records = 0;
    seen.end = -1;
    assert_ok(wr_consumer_assign(consumer, &p, 1, &err), err);
    poll_until(consumer, 1, 1);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(records_come_in_as_they_went_out),
        T(a_seek_delivers_again_from_there),
        T(a_position_that_does_not_exist_is_told),
        T(a_beginning_that_is_not_0_is_found),
        T(what_was_paused_is_read_when_it_is_assigned_anew),
        T(a_waiting_poll_can_be_woken),
        T(a_drained_queue_is_filled_again_at_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
