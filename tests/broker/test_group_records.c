/* SPDX-License-Identifier: Apache-2.0
 *
 * The records of __consumer_offsets, byte for byte: the expected bytes follow
 * Kafka's field lists, written out by hand. */
#include "broker/group_records.h"

#include "broker/group_member.h"
#include "broker/messages.h"
#include "tests/harness/weir_test.h"

#include <stdio.h>

struct fixture {
    struct wr_coord_log log;
    struct wr_buf hex;
    struct wr_buf scratch;
    struct wr_arena arena;
};

static struct fixture f;

static int set_up(void **state)
{
    (void)state;
    wr_coord_log_init(&f.log, NULL, "__consumer_offsets", "");
    wr_buf_init(&f.hex, 1 << 16);
    wr_buf_init(&f.scratch, 1 << 16);
    wr_arena_init(&f.arena, 1 << 20);
    struct wr_batch_options plain = WR_BATCH_PLAIN;
    wr_coord_batch_begin(&f.log, &plain);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    wr_coord_log_done(&f.log);
    wr_buf_done(&f.hex);
    wr_buf_done(&f.scratch);
    wr_arena_done(&f.arena);
    return 0;
}

/* The only record of the batch that was made; lent with the batch. */
static struct wr_record only_record(void)
{
    struct wr_batch_iter iter;
    struct wr_record record;
    assert_int_equal(wr_batch_end(&f.log.builder), WEIR_OK);
    assert_int_equal(wr_batch_iter_init(&iter, wr_buf_view(&f.log.scratch),
                                        &f.scratch, NULL),
                     WEIR_OK);
    assert_true(wr_batch_iter_next(&iter, &record));
    assert_int_equal(iter.left, 0);
    return record;
}

static const char *hex(struct weir_bytes bytes)
{
    wr_buf_reset(&f.hex);
    for (size_t i = 0; i < bytes.len; i++) {
        wr_buf_printf(&f.hex, "%02x", bytes.data[i]);
    }
    return wr_buf_text(&f.hex);
}

static struct wr_offset position(void)
{
    return (struct wr_offset){.topic = weir_text("t"),
                              .partition = 3,
                              .offset = 258,
                              .leader_epoch = 7,
                              .metadata = weir_text("m"),
                              .commit_ms = 1,
                              .expire_ms = -1};
}

static void position_has_kafkas_bytes_and_comes_back(void **state)
{
    (void)state;
    struct wr_offset from = position();
    wr_offset_record_add(&f.log, weir_text("g"), &from, false, 99);
    struct wr_record record = only_record();
    assert_string_equal(hex(record.key), "0001" /* version */
                                         "0001"
                                         "67" /* "g" */
                                         "0001"
                                         "74" /* "t" */
                                         "00000003");
    assert_string_equal(hex(record.value), "0003" /* version */
                                           "0000000000000102"
                                           "00000007" /* leader epoch */
                                           "0001"
                                           "6d" /* "m" */
                                           "0000000000000001");
    struct wr_group_record read;
    assert_int_equal(wr_group_record_read(&record, &f.arena, &read), WEIR_OK);
    assert_int_equal(read.kind, WR_GROUP_RECORD_OFFSET);
    assert_false(read.tombstone);
    assert_true(wr_bytes_equal_text(read.group_id, "g"));
    assert_true(wr_bytes_equal_text(read.position.topic, "t"));
    assert_int_equal(read.position.partition, 3);
    assert_int_equal(read.position.offset, 258);
    assert_int_equal(read.position.leader_epoch, 7);
    assert_int_equal(read.position.expire_ms, -1);
}

static void position_with_an_expiry_is_written_in_version_1(void **state)
{
    (void)state;
    struct wr_offset from = position();
    from.expire_ms = 2;
    wr_offset_record_add(&f.log, weir_text("g"), &from, false, 99);
    struct wr_record record = only_record();
    assert_string_equal(hex(record.value), "0001"
                                           "0000000000000102"
                                           "0001"
                                           "6d"
                                           "0000000000000001"
                                           "0000000000000002");
    struct wr_group_record read;
    assert_int_equal(wr_group_record_read(&record, &f.arena, &read), WEIR_OK);
    assert_int_equal(read.position.expire_ms, 2);
    assert_int_equal(read.position.leader_epoch, -1);
}

static struct wr_group *make_group(void)
{
    static const struct wr_group_config config = {.metadata_bytes_max = 1000};
    struct wr_group *group = NULL;
    assert_int_equal(wr_group_new(weir_text("g"), &config, NULL, &group),
                     WEIR_OK);
    return group;
}

static void group_has_kafkas_bytes_and_comes_back(void **state)
{
    (void)state;
    struct wr_group *group = make_group();
    struct wr_group_protocol protocol = {weir_text("r"), weir_text("S")};
    struct wr_group_member member = {.id = weir_text("a"),
                                     .instance_id = weir_text("i"),
                                     .client_id = weir_text("c"),
                                     .client_host = weir_text("/h"),
                                     .protocols = &protocol,
                                     .protocol_count = 1,
                                     .assignment = weir_text("A"),
                                     .session_timeout_ms = 16,
                                     .rebalance_timeout_ms = 32};
    assert_int_equal(wr_group_member_add(group, &member, NULL), WEIR_OK);
    group->generation = 5;
    group->protocol_type = weir_text("consumer");
    group->protocol_name = weir_text("r");
    group->leader = weir_text("a");
    assert_int_equal(wr_group_record_add(&f.log, group, 9), WEIR_OK);
    group->protocol_type = WEIR_NULL; /* were not the group's own memory */
    group->protocol_name = WEIR_NULL;
    group->leader = WEIR_NULL;
    wr_group_free(group);
    struct wr_record record = only_record();
    assert_string_equal(hex(record.key), "0002"
                                         "0001"
                                         "67");
    assert_string_equal(hex(record.value),
                        "0003"
                        "0008636f6e73756d6572" /* "consumer" */
                        "00000005"
                        "000172"
                        "000161"
                        "0000000000000009"
                        "00000001" /* members */
                        "000161"
                        "000169"
                        "000163"
                        "00022f68"
                        "00000020" /* rebalance timeout */
                        "00000010" /* session timeout */
                        "0000000153"
                        "0000000141");
    struct wr_group_record read;
    assert_int_equal(wr_group_record_read(&record, &f.arena, &read), WEIR_OK);
    assert_int_equal(read.kind, WR_GROUP_RECORD_GROUP);
    group = make_group();
    assert_int_equal(wr_group_record_apply(group, read.group), WEIR_OK);
    assert_int_equal(group->state, WR_GROUP_STABLE);
    assert_int_equal(group->generation, 5);
    assert_int_equal(group->member_count, 1);
    assert_true(wr_bytes_equal_text(group->leader, "a"));
    assert_true(wr_bytes_equal_text(group->members->assignment, "A"));
    assert_true(
        wr_bytes_equal_text(wr_group_metadata(group, group->members), "S"));
    wr_group_free(group);
}

static void empty_group_and_tombstones_come_back(void **state)
{
    (void)state;
    struct wr_group *group = make_group();
    group->generation = 2;
    assert_int_equal(wr_group_record_add(&f.log, group, 9), WEIR_OK);
    struct wr_record record = only_record();
    struct wr_group_record read;
    assert_int_equal(wr_group_record_read(&record, &f.arena, &read), WEIR_OK);
    assert_int_equal(wr_group_record_apply(group, read.group), WEIR_OK);
    assert_int_equal(group->state, WR_GROUP_EMPTY);
    assert_null(group->leader.data);
    wr_group_free(group);

    record.value = WEIR_NULL;
    assert_int_equal(wr_group_record_read(&record, &f.arena, &read), WEIR_OK);
    assert_true(read.tombstone);
    assert_int_equal(read.kind, WR_GROUP_RECORD_GROUP);
}

static void cut_records_are_refused_and_newer_ones_left_alone(void **state)
{
    (void)state;
    struct wr_offset from = position();
    wr_offset_record_add(&f.log, weir_text("g"), &from, false, 99);
    struct wr_record whole = only_record();
    struct wr_group_record read;
    for (size_t len = 0; len < whole.value.len; len++) {
        struct wr_record cut = whole;
        cut.value.len = len;
        assert_int_not_equal(wr_group_record_read(&cut, &f.arena, &read),
                             WEIR_OK);
    }
    for (size_t len = 0; len < whole.key.len; len++) {
        struct wr_record cut = whole;
        cut.key.len = len;
        assert_int_not_equal(wr_group_record_read(&cut, &f.arena, &read),
                             WEIR_OK);
    }
    static const uint8_t newer[] = {0, 8, 1, 2};
    struct wr_record other = whole;
    other.key = weir_bytes(newer, sizeof(newer));
    assert_int_equal(wr_group_record_read(&other, &f.arena, &read), WEIR_OK);
    assert_int_equal(read.kind, WR_GROUP_RECORD_OTHER);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(position_has_kafkas_bytes_and_comes_back),
        TEST(position_with_an_expiry_is_written_in_version_1),
        TEST(group_has_kafkas_bytes_and_comes_back),
        TEST(empty_group_and_tombstones_come_back),
        TEST(cut_records_are_refused_and_newer_ones_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
