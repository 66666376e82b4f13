/* SPDX-License-Identifier: Apache-2.0
 *
 * Records through librdkafka: what is sent comes back, whatever the codec, the
 * acks or the kill -9 in between. */
#include "base/clock.h"
#include "tests/broker/flow.h"
#include "tests/harness/weir_test.h"

#include <stdio.h>
#include <stdlib.h>

#define WAIT_MS 30000

static struct flow flow;

static int set_up(void **state)
{
    (void)state;
    flow_start(&flow);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    flow_stop(&flow);
    return 0;
}

/* "0 1 2 ..." */
static void assert_counts_up(const char *text, int count)
{
    struct wr_buf want;
    wr_buf_init(&want, 1 << 20);
    for (int i = 0; i < count; i++) {
        wr_buf_printf(&want, "%s%d", i ? " " : "", i);
    }
    assert_string_equal(text, wr_buf_text(&want));
    wr_buf_done(&want);
}

static void send_numbers(rd_kafka_t *producer, const char *topic, int from,
                         int to)
{
    for (int i = from; i < to; i++) {
        char value[16];
        snprintf(value, sizeof(value), "%d", i);
        flow_send(producer, topic, 0, value);
    }
}

static void every_codec_comes_back(void **state)
{
    (void)state;
    static const char *const codecs[] = {"none", "gzip", "snappy", "lz4",
                                         "zstd"};
    for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++) {
        const char *topic = flow_name(&flow, codecs[i]);
        flow_topic(&flow, topic, 1);
        rd_kafka_t *p = flow_producer(
            &flow, PAIRS("compression.codec", codecs[i], "linger.ms", "20"));
        send_numbers(p, topic, 0, 1000);
        flow_flush(p);
        assert_counts_up(flow_read(&flow, topic, 0, "read_committed"), 1000);
        rd_kafka_destroy(p);
    }
}

static void weaker_acks_deliver_too(void **state)
{
    (void)state;
    static const char *const acks[] = {"0", "1"};
    for (size_t i = 0; i < 2; i++) {
        const char *topic = flow_name(&flow, "t");
        flow_topic(&flow, topic, 1);
        rd_kafka_t *p = flow_producer(&flow, PAIRS("acks", acks[i]));
        send_numbers(p, topic, 0, 100);
        flow_flush(p);
        const char *text = "";
        int64_t until_ms = flow_now_ms() + WAIT_MS;
        while (strlen(text) < 289 && flow_now_ms() < until_ms) {
            text = flow_read(&flow, topic, 0, "read_committed");
        }
        assert_counts_up(text, 100);
        rd_kafka_destroy(p);
    }
}

static void acknowledged_records_survive_kill_9_once_and_in_order(void **state)
{
    (void)state;
    const char *topic = flow_name(&flow, "t");
    flow_topic(&flow, topic, 1);
    rd_kafka_t *p = flow_producer(
        &flow, PAIRS("enable.idempotence", "true", "linger.ms", "1"));
    for (int round = 0; round < 5; round++) {
        send_numbers(p, topic, round * 1000, round * 1000 + 1000);
        rd_kafka_poll(p, 5);
        flow_crash(&flow); /* with requests in flight */
    }
    flow_flush(p);
    assert_counts_up(flow_read(&flow, topic, 0, "read_committed"), 5000);
    rd_kafka_destroy(p);
}

static void waiting_fetch_is_woken_by_a_produce(void **state)
{
    (void)state;
    const char *topic = flow_name(&flow, "t");
    flow_topic(&flow, topic, 1);
    rd_kafka_t *c =
        flow_consumer(&flow, "g", PAIRS("fetch.wait.max.ms", "30000"));
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset =
        RD_KAFKA_OFFSET_BEGINNING;
    assert_int_equal(rd_kafka_assign(c, list), 0);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_t *p = flow_producer(&flow, PAIRS("linger.ms", "0"));
    int64_t began_ms = flow_now_ms();
    for (int i = 0; i < 3; i++) { /* what follows the first is waited for */
        flow_send(p, topic, 0, "x");
        rd_kafka_message_t *m = rd_kafka_consumer_poll(c, WAIT_MS);
        assert_non_null(m);
        assert_int_equal(m->err, 0);
        rd_kafka_message_destroy(m);
    }
    assert_true(flow_now_ms() - began_ms < 15000);
    rd_kafka_consumer_close(c);
    rd_kafka_destroy(c);
    rd_kafka_destroy(p);
}

static void offsets_are_found_by_time(void **state)
{
    (void)state;
    const char *topic = flow_name(&flow, "t");
    flow_topic(&flow, topic, 1);
    rd_kafka_t *p = flow_producer(&flow, PAIRS("linger.ms", "0"));
    int64_t base_ms = wr_wall_ms() - 3600000; /* young enough to be kept */
    char value[] = "v";
    for (int i = 0; i < 10; i++) {
        assert_int_equal(
            rd_kafka_producev(
                p, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0),
                RD_KAFKA_V_TIMESTAMP(base_ms + i * 100),
                RD_KAFKA_V_VALUE(value, 1),
                RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
            0);
        if (i % 3 == 0) {
            flow_flush(p);
        }
    }
    flow_flush(p);
    static const struct {
        int64_t after_ms;
        int64_t offset;
    } rows[] = {{-5000, 0},
                {0, 0},
                {1, 1},
                {100, 1},
                {450, 5},
                {900, 9},
                {901, RD_KAFKA_OFFSET_END}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rd_kafka_topic_partition_list_t *list =
            rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(list, topic, 0)->offset =
            base_ms + rows[i].after_ms;
        assert_int_equal(rd_kafka_offsets_for_times(p, list, WAIT_MS), 0);
        assert_int_equal(list->elems[0].offset, rows[i].offset);
        rd_kafka_topic_partition_list_destroy(list);
    }
    int64_t low = -1;
    int64_t high = -1;
    assert_int_equal(
        rd_kafka_query_watermark_offsets(p, topic, 0, &low, &high, WAIT_MS), 0);
    assert_int_equal(low, 0);
    assert_int_equal(high, 10);
    rd_kafka_destroy(p);
}

static void large_records_pass_and_too_large_ones_are_refused(void **state)
{
    (void)state;
    const char *topic = flow_name(&flow, "t");
    flow_topic(&flow, topic, 1);
    rd_kafka_t *p = flow_producer(&flow, PAIRS("message.max.bytes", "4000000"));
    char *big = malloc(2000001);
    memset(big, 'b', 2000000);
    big[1000000] = '\0'; /* 1,000,000 bytes: fits */
    flow_send(p, topic, 0, big);
    flow_flush(p);
    assert_int_equal(strlen(flow_read(&flow, topic, 0, "read_committed")),
                     1000000);
    big[1000000] = 'b';
    big[2000000] = '\0';
    flow_send(p, topic, 0, big);
    flow_flush(p);
    assert_int_equal(strlen(flow_read(&flow, topic, 0, "read_committed")),
                     1000000);
    free(big);
    rd_kafka_destroy(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_codec_comes_back),
        cmocka_unit_test(weaker_acks_deliver_too),
        cmocka_unit_test(waiting_fetch_is_woken_by_a_produce),
        cmocka_unit_test(offsets_are_found_by_time),
        cmocka_unit_test(large_records_pass_and_too_large_ones_are_refused),
        cmocka_unit_test(acknowledged_records_survive_kill_9_once_and_in_order),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
