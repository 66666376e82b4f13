/* SPDX-License-Identifier: Apache-2.0
 *
 * Transactions through librdkafka: what readers may see, who is fenced, and
 * that exactly once survives kill -9 of the broker. */
#include "tests/broker/flow.h"
#include "tests/harness/weir_test.h"

#include <stdio.h>
#include <stdlib.h>

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

static rd_kafka_t *txn_producer(const char *id, const char *timeout_ms)
{
    rd_kafka_t *producer =
        flow_producer(&flow, PAIRS("transactional.id", id, "linger.ms", "0",
                                   "transaction.timeout.ms", timeout_ms));
    flow_ok(rd_kafka_init_transactions(producer, 30000));
    return producer;
}

static void commit(rd_kafka_t *producer)
{
    flow_ok(rd_kafka_commit_transaction(producer, 30000));
}

static void aborted_is_never_seen_and_committed_always(void **state)
{
    (void)state;
    const char *topic = flow_name(&flow, "t");
    flow_topic(&flow, topic, 2);
    rd_kafka_t *p = txn_producer(flow_name(&flow, "x"), "60000");
    flow_ok(rd_kafka_begin_transaction(p));
    flow_send(p, topic, 0, "a");
    flow_send(p, topic, 1, "b");
    commit(p);
    flow_ok(rd_kafka_begin_transaction(p));
    flow_send(p, topic, 0, "bad1");
    flow_send(p, topic, 1, "bad2");
    flow_flush(p);
    flow_ok(rd_kafka_abort_transaction(p, 30000));
    flow_ok(rd_kafka_begin_transaction(p));
    flow_send(p, topic, 0, "c");
    commit(p);
    assert_string_equal(flow_read(&flow, topic, 0, "read_committed"), "a c");
    assert_string_equal(flow_read(&flow, topic, 1, "read_committed"), "b");
    assert_string_equal(flow_read(&flow, topic, 0, "read_uncommitted"),
                        "a bad1 c");
    rd_kafka_destroy(p);
}

static void open_transaction_holds_back_what_comes_after_it(void **state)
{
    (void)state;
    const char *topic = flow_name(&flow, "t");
    flow_topic(&flow, topic, 1);
    rd_kafka_t *p = txn_producer(flow_name(&flow, "x"), "60000");
    rd_kafka_t *plain = flow_producer(&flow, PAIRS("linger.ms", "0"));
    flow_send(plain, topic, 0, "before");
    flow_flush(plain);
    flow_ok(rd_kafka_begin_transaction(p));
    flow_send(p, topic, 0, "inside");
    flow_flush(p);
    flow_send(plain, topic, 0, "after");
    flow_flush(plain);
    assert_string_equal(flow_read(&flow, topic, 0, "read_committed"), "before");
    assert_string_equal(flow_read(&flow, topic, 0, "read_uncommitted"),
                        "before inside after");
    commit(p);
    assert_string_equal(flow_read(&flow, topic, 0, "read_committed"),
                        "before inside after");
    rd_kafka_destroy(p);
    rd_kafka_destroy(plain);
}

static void second_producer_fences_the_first(void **state)
{
    (void)state;
    const char *topic = flow_name(&flow, "t");
    const char *id = flow_name(&flow, "x");
    flow_topic(&flow, topic, 1);
    rd_kafka_t *zombie = txn_producer(id, "60000");
    flow_ok(rd_kafka_begin_transaction(zombie));
    flow_send(zombie, topic, 0, "zombie");
    flow_flush(zombie);
    rd_kafka_t *heir = txn_producer(id, "60000");
    flow_ok(rd_kafka_begin_transaction(heir));
    flow_send(heir, topic, 0, "heir");
    rd_kafka_error_t *error = rd_kafka_commit_transaction(zombie, 30000);
    assert_non_null(error);
    assert_true(rd_kafka_error_is_fatal(error));
    assert_int_equal(rd_kafka_error_code(error), RD_KAFKA_RESP_ERR__FENCED);
    rd_kafka_error_destroy(error);
    commit(heir);
    assert_string_equal(flow_read(&flow, topic, 0, "read_committed"), "heir");
    rd_kafka_destroy(zombie);
    rd_kafka_destroy(heir);
}

static void hanging_transaction_is_aborted_after_its_timeout(void **state)
{
    (void)state;
    const char *topic = flow_name(&flow, "t");
    flow_topic(&flow, topic, 1);
    rd_kafka_t *p = txn_producer(flow_name(&flow, "x"), "2000");
    flow_ok(rd_kafka_begin_transaction(p));
    flow_send(p, topic, 0, "hangs");
    flow_flush(p);
    rd_kafka_t *plain = flow_producer(&flow, PAIRS("linger.ms", "0"));
    flow_send(plain, topic, 0, "waits");
    flow_flush(plain);
    assert_string_equal(flow_read(&flow, topic, 0, "read_committed"), "");
    int64_t until_ms = flow_now_ms() + 30000;
    while (flow_read(&flow, topic, 0, "read_committed")[0] == '\0') {
        assert_true(flow_now_ms() < until_ms);
    }
    assert_string_equal(flow_read(&flow, topic, 0, "read_committed"), "waits");
    rd_kafka_error_t *error = rd_kafka_commit_transaction(p, 30000);
    assert_non_null(error);
    rd_kafka_error_destroy(error);
    rd_kafka_destroy(p);
    rd_kafka_destroy(plain);
}

/* ---- consume, transform, produce ----------------------------------------- */

#define PARTITIONS_MAX 8

/* Whether a rebalance inside a poll took a partition that was read in this
 * round: what was read of it is then another member's to commit. */
static bool has_moved(const rd_kafka_topic_partition_list_t *positions,
                      const int64_t next[PARTITIONS_MAX])
{
    for (int32_t p = 0; p < PARTITIONS_MAX; p++) {
        bool kept = next[p] < 0;
        for (int i = 0; !kept && i < positions->cnt; i++) {
            kept = positions->elems[i].partition == p &&
                   positions->elems[i].offset == next[p];
        }
        if (!kept) {
            return true;
        }
    }
    return false;
}

/* Aborts and goes back to what is committed. */
static void give_up(rd_kafka_t *consumer, rd_kafka_t *producer,
                    rd_kafka_topic_partition_list_t *positions)
{
    flow_ok(rd_kafka_abort_transaction(producer, 30000));
    if (positions->cnt == 0) {
        return;
    }
    assert_int_equal(rd_kafka_committed(consumer, positions, 30000), 0);
    for (int i = 0; i < positions->cnt; i++) {
        if (positions->elems[i].offset < 0) {
            positions->elems[i].offset = RD_KAFKA_OFFSET_BEGINNING;
        }
    }
    flow_ok(rd_kafka_seek_partitions(consumer, positions, 30000));
}

/* One round: reads up to `max` records and writes each as value' with the
 * position in one transaction. Returns how many, or -1 after an abort. */
static int transform(rd_kafka_t *consumer, rd_kafka_t *producer, const char *to,
                     int max)
{
    int count = 0;
    int64_t next[PARTITIONS_MAX];
    memset(next, 0xff, sizeof(next)); /* -1: not read in this round */
    rd_kafka_error_t *error = NULL;
    rd_kafka_message_t *message;
    while (count < max && (message = rd_kafka_consumer_poll(
                               consumer, count ? 10 : 500)) != NULL) {
        if (!message->err) {
            if (count == 0) {
                flow_ok(rd_kafka_begin_transaction(producer));
            }
            char value[64];
            snprintf(value, sizeof(value), "%.*s'", (int)message->len,
                     (const char *)message->payload);
            flow_send(producer, to, message->partition, value);
            assert_in_range(message->partition, 0, PARTITIONS_MAX - 1);
            next[message->partition] = message->offset + 1;
            count++;
        }
        rd_kafka_message_destroy(message);
    }
    if (count == 0) {
        return 0;
    }
    rd_kafka_topic_partition_list_t *positions = NULL;
    assert_int_equal(rd_kafka_assignment(consumer, &positions), 0);
    assert_int_equal(rd_kafka_position(consumer, positions), 0);
    if (has_moved(positions, next)) {
        give_up(consumer, producer, positions);
        rd_kafka_topic_partition_list_destroy(positions);
        return -1;
    }
    rd_kafka_consumer_group_metadata_t *group =
        rd_kafka_consumer_group_metadata(consumer);
    error =
        rd_kafka_send_offsets_to_transaction(producer, positions, group, 30000);
    if (!error) {
        error = rd_kafka_commit_transaction(producer, 30000);
        while (error && rd_kafka_error_is_retriable(error)) {
            rd_kafka_error_destroy(error);
            error = rd_kafka_commit_transaction(producer, 30000);
        }
    }
    rd_kafka_consumer_group_metadata_destroy(group);
    if (error) {
        assert_true(rd_kafka_error_txn_requires_abort(error));
        rd_kafka_error_destroy(error);
        give_up(consumer, producer, positions);
        count = -1;
    }
    rd_kafka_topic_partition_list_destroy(positions);
    return count;
}

static void fill(const char *topic, int partitions, int each)
{
    rd_kafka_t *p = flow_producer(&flow, PAIRS("enable.idempotence", "true"));
    for (int i = 0; i < each; i++) {
        for (int32_t k = 0; k < partitions; k++) {
            char value[32];
            snprintf(value, sizeof(value), "%d", i);
            flow_send(p, topic, k, value);
        }
    }
    flow_flush(p);
    rd_kafka_destroy(p);
}

/* 0' 1' 2' ... without gap or repeat. */
static void assert_counts_up(const char *text, int count)
{
    struct wr_buf want;
    wr_buf_init(&want, 1 << 20);
    for (int i = 0; i < count; i++) {
        wr_buf_printf(&want, "%s%d'", i ? " " : "", i);
    }
    assert_string_equal(text, wr_buf_text(&want));
    wr_buf_done(&want);
}

static void assign_all(rd_kafka_t *consumer, const char *topic)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA);
    assert_int_equal(rd_kafka_subscribe(consumer, list), 0);
    rd_kafka_topic_partition_list_destroy(list);
}

static void two_transformers_share_work_exactly_once(void **state)
{
    (void)state;
    const char *from = flow_name(&flow, "from");
    const char *to = flow_name(&flow, "to");
    const char *group = flow_name(&flow, "g");
    flow_topic(&flow, from, 4);
    flow_topic(&flow, to, 4);
    fill(from, 4, 100);
    rd_kafka_t *c[2];
    rd_kafka_t *p[2];
    for (int i = 0; i < 2; i++) {
        c[i] = flow_consumer(&flow, group,
                             PAIRS("isolation.level", "read_committed",
                                   "session.timeout.ms", "6000"));
        p[i] = txn_producer(flow_name(&flow, "x"), "60000");
        assign_all(c[i], from);
    }
    int done = 0;
    int64_t until_ms = flow_now_ms() + 60000;
    while (done < 400 && flow_now_ms() < until_ms) {
        for (int i = 0; i < 2; i++) {
            int n = transform(c[i], p[i], to, 30);
            done += n > 0 ? n : 0;
        }
    }
    for (int32_t k = 0; k < 4; k++) {
        assert_counts_up(flow_read(&flow, to, k, "read_committed"), 100);
        assert_int_equal(flow_committed(&flow, group, from, k), 100);
    }
    for (int i = 0; i < 2; i++) {
        rd_kafka_consumer_close(c[i]);
        rd_kafka_destroy(c[i]);
        rd_kafka_destroy(p[i]);
    }
}

static void offsets_of_a_former_generation_are_refused(void **state)
{
    (void)state;
    const char *from = flow_name(&flow, "from");
    const char *group = flow_name(&flow, "g");
    flow_topic(&flow, from, 1);
    fill(from, 1, 1);
    rd_kafka_t *p = txn_producer(flow_name(&flow, "x"), "60000");
    rd_kafka_t *c = flow_consumer(&flow, group, NULL);
    assign_all(c, from);
    rd_kafka_message_t *message = NULL;
    int64_t until_ms = flow_now_ms() + 30000;
    while (!message && flow_now_ms() < until_ms) {
        message = rd_kafka_consumer_poll(c, 100);
    }
    assert_non_null(message);
    rd_kafka_message_destroy(message);
    rd_kafka_consumer_group_metadata_t *old =
        rd_kafka_consumer_group_metadata(c);
    rd_kafka_consumer_close(c); /* leaves: the generation is over */
    rd_kafka_destroy(c);
    flow_ok(rd_kafka_begin_transaction(p));
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, from, 0)->offset = 1;
    rd_kafka_error_t *error =
        rd_kafka_send_offsets_to_transaction(p, list, old, 30000);
    assert_non_null(error);
    assert_true(rd_kafka_error_txn_requires_abort(error));
    rd_kafka_error_destroy(error);
    flow_ok(rd_kafka_abort_transaction(p, 30000));
    assert_int_equal(flow_committed(&flow, group, from, 0),
                     RD_KAFKA_OFFSET_INVALID);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_consumer_group_metadata_destroy(old);
    rd_kafka_destroy(p);
}

static void exactly_once_survives_kill_9_of_the_broker(void **state)
{
    (void)state;
    const char *from = flow_name(&flow, "from");
    const char *to = flow_name(&flow, "to");
    const char *group = flow_name(&flow, "g");
    flow_topic(&flow, from, 2);
    flow_topic(&flow, to, 2);
    fill(from, 2, 500);
    rd_kafka_t *c =
        flow_consumer(&flow, group, PAIRS("isolation.level", "read_committed"));
    rd_kafka_t *p = txn_producer(flow_name(&flow, "x"), "60000");
    assign_all(c, from);
    int done = 0;
    int rounds = 0;
    int64_t until_ms = flow_now_ms() + 90000;
    while (done < 1000 && flow_now_ms() < until_ms) {
        int n = transform(c, p, to, 50);
        done += n > 0 ? n : 0;
        if (n > 0 && ++rounds % 5 == 0) {
            flow_crash(&flow);
        }
    }
    assert_int_equal(done, 1000);
    for (int32_t k = 0; k < 2; k++) {
        assert_counts_up(flow_read(&flow, to, k, "read_committed"), 500);
        assert_int_equal(flow_committed(&flow, group, from, k), 500);
    }
    rd_kafka_consumer_close(c);
    rd_kafka_destroy(c);
    rd_kafka_destroy(p);
}

static void open_transaction_goes_on_after_kill_9(void **state)
{
    (void)state;
    const char *topic = flow_name(&flow, "t");
    flow_topic(&flow, topic, 1);
    rd_kafka_t *p = txn_producer(flow_name(&flow, "x"), "60000");
    flow_ok(rd_kafka_begin_transaction(p));
    flow_send(p, topic, 0, "a");
    flow_flush(p);
    flow_crash(&flow);
    flow_send(p, topic, 0, "b");
    assert_string_equal(flow_read(&flow, topic, 0, "read_committed"), "");
    commit(p);
    assert_string_equal(flow_read(&flow, topic, 0, "read_committed"), "a b");
    rd_kafka_destroy(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aborted_is_never_seen_and_committed_always),
        cmocka_unit_test(open_transaction_holds_back_what_comes_after_it),
        cmocka_unit_test(second_producer_fences_the_first),
        cmocka_unit_test(hanging_transaction_is_aborted_after_its_timeout),
        cmocka_unit_test(two_transformers_share_work_exactly_once),
        cmocka_unit_test(offsets_of_a_former_generation_are_refused),
        cmocka_unit_test(open_transaction_goes_on_after_kill_9),
        cmocka_unit_test(exactly_once_survives_kill_9_of_the_broker),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
