/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "broker/broker.h"
#include "broker/codec_compress.h"
#include "tests/broker/served.h"

#include <stdlib.h>

static int start(void **state)
{
    (void)served_start(state);
    wire_topic(&client, "t", 2);
    return 0;
}

static void offsets_follow_each_other_in_every_version(void **state)
{
    (void)state;
    int64_t next = 0;
    for (int16_t version = 3; version <= 12; version++) {
        struct wr_produce_response_partition p =
            wire_produce(&client, WIRE_PRODUCE(.topic = "t", .version = version,
                                               .records = 3, .partition = 1));
        assert_int_equal(p.error_code, 0);
        assert_int_equal(p.base_offset, next);
        assert_int_equal(p.log_append_time_ms, -1);
        if (version >= 5) {
            assert_int_equal(p.log_start_offset, 0);
        }
        next += 3;
    }
}

static void what_cannot_be_appended_gets_kafkas_code(void **state)
{
    (void)state;
    int64_t pid = 5;
    static const char *const internal = "__transaction_state";
    struct wr_init_producer_id_response made;
    assert_int_equal(wire_init(&client, 2, "makes-the-topic", &made), 0);
    const struct {
        int16_t error;
        const struct wire_produce *produce;
    } rows[] = {
        {3, WIRE_PRODUCE(.topic = "none")},
        {3, WIRE_PRODUCE(.topic = "t", .partition = 2)},
        {3, WIRE_PRODUCE(.topic = "t", .partition = -1)},
        {17, WIRE_PRODUCE(.topic = internal)},
        {21, WIRE_PRODUCE(.topic = "t", .acks = 2)},
        {2, WIRE_PRODUCE(.topic = "t", .damage_at = 70)},
        {100, WIRE_PRODUCE(.topic = "t", .version = 13)}, /* no id was sent */
        {53, WIRE_PRODUCE(.topic = "t", .producer_id = pid, .producer_epoch = 0,
                          .sequence = 0, .transactional = true)},
        {49, WIRE_PRODUCE(.topic = "t", .producer_id = pid, .producer_epoch = 0,
                          .sequence = 0, .transactional = true,
                          .txn_id = "unknown")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct wr_produce_response_partition p =
            wire_produce(&client, rows[i].produce);
        if (p.error_code != rows[i].error) {
            fail_msg("row %zu: %d instead of %d", i, p.error_code,
                     rows[i].error);
        }
        assert_int_equal(p.base_offset, -1);
    }
}

/* A batch of zstd that is small and unpacks to UNPACKED bytes. */
#define UNPACKED ((size_t)8 << 20)
static void put_bomb(struct wr_buf *out)
{
    uint8_t *zeros = calloc(1, UNPACKED);
    struct wr_batch_options options = WR_BATCH_PLAIN;
    struct wr_batch_builder builder;
    struct wr_buf plain;
    assert_non_null(zeros);
    wr_buf_init(&plain, UNPACKED * 2);
    wr_batch_begin(&builder, &plain, &options);
    wr_batch_add(&builder, wr_wall_ms(), WEIR_NULL,
                 weir_bytes(zeros, UNPACKED));
    assert_int_equal(wr_batch_end(&builder), WEIR_OK);
    wr_buf_put(out, plain.data, WR_BATCH_HEADER_BYTES);
    assert_int_equal(wr_pack(WR_CODEC_ZSTD,
                             weir_bytes(plain.data + WR_BATCH_HEADER_BYTES,
                                        plain.len - WR_BATCH_HEADER_BYTES),
                             out),
                     WEIR_OK);
    wr_store_i32(out->data + 8, (int32_t)(out->len - WR_BATCH_PREFIX_BYTES));
    wr_store_i16(out->data + 21, WR_CODEC_ZSTD);
    wr_batch_set_max_timestamp(out->data, out->len,
                               wr_load_i64(out->data + 35));
    wr_buf_done(&plain);
    free(zeros);
}

#define BOMBS 32
static void what_a_turn_unpacks_is_bounded_however_small_it_comes(void **state)
{
    (void)state;
    struct wr_buf bomb;
    struct wr_produce_request_partition at[BOMBS];
    struct wr_produce_response r;
    wire_topic(&client, "bombs", 4);
    wr_buf_init(&bomb, UNPACKED * 2);
    put_bomb(&bomb);
    for (int32_t i = 0; i < BOMBS; i++) {
        at[i] = (struct wr_produce_request_partition){
            .index = i % 4, .records = wr_buf_view(&bomb)};
    }
    struct wr_produce_request_topic t = {.name = weir_text("bombs"),
                                         .partitions = at,
                                         .partitions_count = BOMBS};
    WIRE_INIT(produce, q);
    q.acks = -1;
    q.topics = &t;
    q.topics_count = 1;
    int64_t before = broker.broker->turn.full;
    int32_t id = test_client_send(&client, WR_API_PRODUCE, 9, &q);
    int32_t next = test_client_send(&client, WR_API_PRODUCE, 9, &q);
    for (int k = 0; k < 2; k++) { /* in their order, and so are the offsets */
        test_client_receive(&client, WR_API_PRODUCE, 9, k == 0 ? id : next, &r);
        for (int32_t i = 0; i < BOMBS; i++) {
            assert_int_equal(r.topics[0].partitions[i].error_code, 0);
            assert_int_equal(r.topics[0].partitions[i].base_offset,
                             k * BOMBS / 4 + i / 4);
        }
    }
    /* Two of 8 MiB each a turn, and what does not fit waits for the next. */
    assert_true(broker.broker->turn.full - before >= BOMBS - 2);
    wr_buf_done(&bomb);
}

static void bad_records_of_a_batch_are_named(void **state)
{
    (void)state;
    wire_topic(&client, "compacted", 1);
    struct wr_incremental_alter_configs_response changed;
    struct wr_incremental_alter_configs_request_config setting = {
        .name = weir_text("cleanup.policy"), .value = weir_text("compact")};
    struct wr_incremental_alter_configs_request_resource topic = {
        .resource_type = 2,
        .resource_name = weir_text("compacted"),
        .configs = &setting,
        .configs_count = 1};
    WIRE_INIT(incremental_alter_configs, q);
    q.resources = &topic;
    q.resources_count = 1;
    test_client_call(&client, WR_API_INCREMENTAL_ALTER_CONFIGS, 1, &q,
                     &changed);
    assert_int_equal(changed.resources[0].error_code, 0);
    for (int16_t version = 7; version <= 9; version++) {
        struct wr_produce_response_partition p = wire_produce(
            &client, WIRE_PRODUCE(.topic = "compacted", .version = version,
                                  .records = 5, .keyed = 3));
        assert_int_equal(p.error_code, WR_ERR_INVALID_RECORD);
        assert_int_equal(p.record_errors_count, version >= 8 ? 2 : 0);
        if (version >= 8) {
            assert_int_equal(p.record_errors[0].batch_index, 3);
            assert_int_equal(p.record_errors[1].batch_index, 4);
            assert_true(p.error_message.len > 0);
        }
    }
}

static void
transactional_batch_needs_its_partition_in_the_transaction(void **state)
{
    (void)state;
    struct wr_init_producer_id_response p;
    assert_int_equal(wire_init(&client, 2, "x", &p), 0);
#define IN_TXN(at, seq)                                                        \
    wire_produce(&client, WIRE_PRODUCE(.topic = "t", .partition = (at),        \
                                       .producer_id = p.producer_id,           \
                                       .producer_epoch = p.producer_epoch,     \
                                       .sequence = (seq),                      \
                                       .transactional = true, .txn_id = "x"))  \
        .error_code
    assert_int_equal(IN_TXN(0, 0), 48);
    assert_int_equal(wire_add(&client, 2, "x", &p, "t", 0), 0);
    assert_int_equal(IN_TXN(0, 0), 0);
    assert_int_equal(IN_TXN(1, 0), 48);
    assert_int_equal(wire_end(&client, 2, "x", &p, true), 0);
    assert_int_equal(IN_TXN(0, 1), 48); /* late */
    p.producer_epoch--;
    assert_int_equal(IN_TXN(0, 1), 47);
#undef IN_TXN
}

static void acks_0_is_silent_and_an_error_closes_the_connection(void **state)
{
    (void)state;
    struct test_client own;
    test_client_open(&own, &broker);
    (void)wire_produce(&own, WIRE_PRODUCE(.topic = "t", .acks = 0));
    /* the next answer is that of the next request */
    assert_int_equal(wire_produce(&own, WIRE_PRODUCE(.topic = "t")).error_code,
                     0);
    (void)wire_produce(&own, WIRE_PRODUCE(.topic = "none", .acks = 0));
    assert_true(test_client_is_closed(&own));
    test_client_close(&own);
}

static void same_batch_again_has_the_same_offset(void **state)
{
    (void)state;
    struct wr_produce_response_partition p[3];
    for (int i = 0; i < 3; i++) {
        p[i] =
            wire_produce(&client, WIRE_PRODUCE(.topic = "t", .producer_id = 900,
                                               .producer_epoch = 0,
                                               .sequence = i == 2 ? 5 : 0));
    }
    assert_int_equal(p[0].error_code, 0);
    assert_int_equal(p[1].error_code, 0);
    assert_int_equal(p[1].base_offset, p[0].base_offset);
    assert_int_equal(p[2].error_code, 45); /* a gap */
}

/* What ListOffsets says is the end. */
static int64_t latest(const char *topic, int32_t partition)
{
    struct wr_list_offsets_response r;
    struct wr_list_offsets_request_partition part = {.index = partition,
                                                     .current_leader_epoch = -1,
                                                     .timestamp = -1,
                                                     .max_num_offsets = 1};
    struct wr_list_offsets_request_topic asked = {
        .name = weir_text(topic), .partitions = &part, .partitions_count = 1};
    WIRE_INIT(list_offsets, q);
    q.replica_id = -1;
    q.topics = &asked;
    q.topics_count = 1;
    test_client_call(&client, WR_API_LIST_OFFSETS, 4, &q, &r);
    assert_int_equal(r.topics[0].partitions[0].error_code, 0);
    return r.topics[0].partitions[0].offset;
}

static void what_is_acknowledged_is_visible(void **state)
{
    (void)state;
    wire_topic(&client, "seen", 1);
    for (int i = 0; i < 50; i++) {
        struct wr_produce_response_partition p =
            wire_produce(&client, WIRE_PRODUCE(.topic = "seen",
                                               .acks = i % 2 == 0 ? 1 : -1));
        assert_int_equal(p.error_code, 0);
        assert_int_equal(p.base_offset, i);
        assert_int_equal(latest("seen", 0), i + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_follow_each_other_in_every_version),
        cmocka_unit_test(what_cannot_be_appended_gets_kafkas_code),
        cmocka_unit_test(what_a_turn_unpacks_is_bounded_however_small_it_comes),
        cmocka_unit_test(bad_records_of_a_batch_are_named),
        cmocka_unit_test(
            transactional_batch_needs_its_partition_in_the_transaction),
        cmocka_unit_test(acks_0_is_silent_and_an_error_closes_the_connection),
        cmocka_unit_test(same_batch_again_has_the_same_offset),
        cmocka_unit_test(what_is_acknowledged_is_visible),
    };
    return cmocka_run_group_tests(tests, start, served_stop);
}
