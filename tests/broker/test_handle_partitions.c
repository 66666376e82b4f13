/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "broker/api.h"
#include "broker/batch.h"
#include "broker/errors.h"

#include "tests/broker/client.h"
#include "tests/harness/weir_test.h"

#include <stdlib.h>

#define RECORDS 10

static struct test_broker broker;
static struct test_client client;

/* One batch of RECORDS records from producer 7 into the partition. */
static void produce(const char *topic, int32_t index, int32_t base_sequence)
{
    struct wr_batch_options options = {.producer_id = 7,
                                       .base_sequence = base_sequence};
    struct wr_batch_builder builder;
    struct wr_buf batch;
    wr_buf_init(&batch, 1 << 20);
    wr_batch_begin(&builder, &batch, &options);
    for (int i = 0; i < RECORDS; i++) {
        wr_batch_add(&builder, wr_wall_ms(), weir_text("k"), weir_text("v"));
    }
    assert_int_equal(wr_batch_end(&builder), WEIR_OK);
    struct wr_produce_request_partition p = {.index = index,
                                             .records = wr_buf_view(&batch)};
    struct wr_produce_request_topic t = {
        .name = weir_text(topic), .partitions = &p, .partitions_count = 1};
    struct wr_produce_request q;
    struct wr_produce_response r;
    wr_produce_request_init(&q);
    q.acks = -1;
    q.topics = &t;
    q.topics_count = 1;
    test_client_call(&client, WR_API_PRODUCE, 9, &q, &r);
    assert_int_equal(r.topics[0].partitions[0].error_code, 0);
    wr_buf_done(&batch);
}

static int start(void **state)
{
    (void)state;
    test_broker_start(&broker, NULL);
    test_client_open(&client, &broker);
    struct wr_create_topics_request q;
    struct wr_create_topics_response r;
    struct wr_create_topics_request_topic t = {
        .name = weir_text("t"), .num_partitions = 2, .replication_factor = 1};
    wr_create_topics_request_init(&q);
    q.topics = &t;
    q.topics_count = 1;
    test_client_call(&client, WR_API_CREATE_TOPICS, 5, &q, &r);
    assert_int_equal(r.topics[0].error_code, 0);
    produce("t", 0, 0);
    produce("t", 0, RECORDS);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_client_close(&client);
    test_broker_stop(&broker);
    return 0;
}

static struct wr_delete_records_response_partition
delete_records(const char *topic, int32_t index, int64_t offset)
{
    struct wr_delete_records_request q;
    struct wr_delete_records_response r;
    struct wr_delete_records_request_partition p = {.index = index,
                                                    .offset = offset};
    struct wr_delete_records_request_topic t = {
        .name = weir_text(topic), .partitions = &p, .partitions_count = 1};
    wr_delete_records_request_init(&q);
    q.topics = &t;
    q.topics_count = 1;
    test_client_call(&client, WR_API_DELETE_RECORDS, 2, &q, &r);
    return r.topics[0].partitions[0];
}

static void records_are_deleted_up_to_an_offset(void **state)
{
    (void)state;
    struct wr_delete_records_response_partition p = delete_records("t", 0, 5);
    assert_int_equal(p.error_code, 0);
    assert_int_equal(p.low_watermark, 5);
    p = delete_records("t", 0, 2 * RECORDS + 1);
    assert_int_equal(p.error_code, WR_ERR_OFFSET_OUT_OF_RANGE);
    p = delete_records("t", 0, -1);
    assert_int_equal(p.low_watermark, 2 * RECORDS);
    p = delete_records("t", 9, 0);
    assert_int_equal(p.error_code, WR_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    p = delete_records("missing", 0, 0);
    assert_int_equal(p.error_code, WR_ERR_UNKNOWN_TOPIC_OR_PARTITION);
}

static struct wr_offset_for_leader_epoch_response_partition
epoch_end(int32_t current, int32_t epoch)
{
    struct wr_offset_for_leader_epoch_request q;
    struct wr_offset_for_leader_epoch_response r;
    struct wr_offset_for_leader_epoch_request_partition p = {
        .current_leader_epoch = current, .leader_epoch = epoch};
    struct wr_offset_for_leader_epoch_request_topic t = {
        .name = weir_text("t"), .partitions = &p, .partitions_count = 1};
    wr_offset_for_leader_epoch_request_init(&q);
    q.topics = &t;
    q.topics_count = 1;
    test_client_call(&client, WR_API_OFFSET_FOR_LEADER_EPOCH, 4, &q, &r);
    return r.topics[0].partitions[0];
}

static void an_epoch_ends_where_the_log_does(void **state)
{
    (void)state;
    struct wr_offset_for_leader_epoch_response_partition p = epoch_end(-1, 0);
    assert_int_equal(p.error_code, 0);
    assert_int_equal(p.leader_epoch, 0);
    assert_int_equal(p.end_offset, 2 * RECORDS);
    assert_int_equal(epoch_end(99, 0).error_code, WR_ERR_UNKNOWN_LEADER_EPOCH);
}

static void the_folder_says_how_much_it_holds(void **state)
{
    (void)state;
    struct wr_describe_log_dirs_request q;
    struct wr_describe_log_dirs_response r;
    wr_describe_log_dirs_request_init(&q);
    q.topics_count = -1;
    test_client_call(&client, WR_API_DESCRIBE_LOG_DIRS, 4, &q, &r);
    assert_int_equal(r.error_code, 0);
    assert_int_equal(r.log_dirs_count, 1);
    assert_true(wr_bytes_equal_text(r.log_dirs[0].log_dir, broker.dir));
    assert_true(r.log_dirs[0].usable_bytes > 0);
    assert_int_equal(r.log_dirs[0].topics_count, 1);
    assert_int_equal(r.log_dirs[0].topics[0].partitions_count, 2);
    assert_int_equal(r.log_dirs[0].topics[0].partitions[1].partition_size, 0);
    int32_t one = 0;
    struct wr_describe_log_dirs_request_topic t = {
        .name = weir_text("t"), .partitions = &one, .partitions_count = 1};
    q.topics = &t;
    q.topics_count = 1;
    test_client_call(&client, WR_API_DESCRIBE_LOG_DIRS, 1, &q, &r);
    assert_int_equal(r.log_dirs[0].topics[0].partitions_count, 1);
    assert_true(r.log_dirs[0].topics[0].partitions[0].partition_size > 0);
}

/* So the work is that of reading the request, whatever it repeats. */
static void each_partition_asked_for_is_shown_as_often_as_asked(void **state)
{
    (void)state;
    enum { ASKED = 200000 };
    struct wr_describe_log_dirs_request q;
    struct wr_describe_log_dirs_response r;
    int32_t *asked = calloc(ASKED, sizeof(*asked));
    assert_non_null(asked);
    asked[1] = 1;
    asked[2] = 2; /* these two are not there */
    asked[3] = -1;
    struct wr_describe_log_dirs_request_topic t = {
        .name = weir_text("t"), .partitions = asked, .partitions_count = ASKED};
    wr_describe_log_dirs_request_init(&q);
    q.topics = &t;
    q.topics_count = 1;
    test_client_call(&client, WR_API_DESCRIBE_LOG_DIRS, 4, &q, &r);
    assert_int_equal(r.log_dirs[0].topics[0].partitions_count, ASKED - 2);
    assert_int_equal(r.log_dirs[0].topics[0].partitions[1].index, 1);
    assert_int_equal(r.log_dirs[0].topics[0].partitions[2].index, 0);
    free(asked);
}

static void producers_are_listed_with_their_last_sequence(void **state)
{
    (void)state;
    struct wr_describe_producers_request q;
    struct wr_describe_producers_response r;
    int32_t indexes[3] = {0, 1, 2};
    struct wr_describe_producers_request_topic t = {
        .name = weir_text("t"), .partitions = indexes, .partitions_count = 3};
    wr_describe_producers_request_init(&q);
    q.topics = &t;
    q.topics_count = 1;
    test_client_call(&client, WR_API_DESCRIBE_PRODUCERS, 0, &q, &r);
    assert_int_equal(r.topics[0].partitions[0].active_producers_count, 1);
    const struct wr_describe_producers_response_active_producer *p =
        &r.topics[0].partitions[0].active_producers[0];
    assert_int_equal(p->producer_id, 7);
    assert_int_equal(p->last_sequence, 2 * RECORDS - 1);
    assert_int_equal(p->current_txn_start_offset, -1);
    assert_int_equal(r.topics[0].partitions[1].active_producers_count, 0);
    assert_int_equal(r.topics[0].partitions[2].error_code,
                     WR_ERR_UNKNOWN_TOPIC_OR_PARTITION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_epoch_ends_where_the_log_does),
        cmocka_unit_test(the_folder_says_how_much_it_holds),
        cmocka_unit_test(each_partition_asked_for_is_shown_as_often_as_asked),
        cmocka_unit_test(producers_are_listed_with_their_last_sequence),
        cmocka_unit_test(records_are_deleted_up_to_an_offset),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
