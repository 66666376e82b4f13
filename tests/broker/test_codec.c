/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/codec.h"

#include "broker/messages.h"
#include "tests/broker/message_fill.h"
#include "tests/harness/weir_test.h"

#include <stdlib.h>

#define BYTES_MAX ((size_t)1 << 20)

/* A message's struct; no message is larger. */
union any {
    uint8_t bytes[1024];
    int64_t align;
};

static enum weir_status decode(const struct wr_message *m, union any *out,
                               struct weir_bytes bytes, int16_t version,
                               struct wr_arena *arena, size_t *out_left)
{
    struct wr_reader reader;
    assert_true(m->layout->size <= sizeof(out->bytes));
    wr_reader_init(&reader, bytes);
    enum weir_status s = wr_message_decode(m, out, &reader, version, arena);
    *out_left = wr_reader_left(&reader);
    return s;
}

static void every_message_in_every_version_comes_back(void **state)
{
    (void)state;
    uint64_t seed = 1;
    struct wr_arena arena;
    struct wr_buf first, second;
    wr_arena_init(&arena, BYTES_MAX);
    wr_buf_init(&first, BYTES_MAX);
    wr_buf_init(&second, BYTES_MAX);
    for (size_t i = 0; i < WR_MESSAGE_COUNT; i++) {
        const struct wr_message *m = wr_all_messages[i];
        for (int16_t v = m->version_min; v <= m->version_max; v++) {
            for (int round = 0; round < 20; round++) {
                union any message, again;
                size_t left;
                wr_arena_reset(&arena);
                wr_buf_reset(&first);
                wr_buf_reset(&second);
                message_fill(m, &message, v, &seed, &arena);
                wr_message_encode(m, &message, &first, v, NULL);
                assert_int_equal(first.status, WEIR_OK);
                assert_int_equal(
                    decode(m, &again, wr_buf_view(&first), v, &arena, &left),
                    WEIR_OK);
                assert_int_equal(left, 0);
                wr_message_encode(m, &again, &second, v, NULL);
                if (!wr_bytes_equal(wr_buf_view(&first),
                                    wr_buf_view(&second))) {
                    fail_msg("%s v%d changes on its way", m->name, v);
                }
            }
        }
    }
    wr_buf_done(&first);
    wr_buf_done(&second);
    wr_arena_done(&arena);
}

static void a_message_cut_anywhere_is_truncated_and_nothing_else(void **state)
{
    (void)state;
    uint64_t seed = 2;
    struct wr_arena arena;
    struct wr_buf whole;
    wr_arena_init(&arena, BYTES_MAX);
    wr_buf_init(&whole, BYTES_MAX);
    for (size_t i = 0; i < WR_MESSAGE_COUNT; i++) {
        const struct wr_message *m = wr_all_messages[i];
        for (int16_t v = m->version_min; v <= m->version_max; v++) {
            union any message;
            wr_arena_reset(&arena);
            wr_buf_reset(&whole);
            message_fill(m, &message, v, &seed, &arena);
            wr_message_encode(m, &message, &whole, v, NULL);
            for (size_t n = 0; n < whole.len; n++) {
                /* a block of its own, so that a sanitizer sees a step over */
                uint8_t *cut = malloc(n ? n : 1);
                size_t left;
                memcpy(cut, whole.data, n);
                assert_int_equal(
                    decode(m, &message, weir_bytes(cut, n), v, &arena, &left),
                    WEIR_E_TRUNCATED);
                free(cut);
            }
        }
    }
    wr_buf_done(&whole);
    wr_arena_done(&arena);
}

static void expect_bytes(const struct wr_buf *buf, const uint8_t *want,
                         size_t len)
{
    assert_int_equal(buf->len, len);
    assert_memory_equal(buf->data, want, len);
}

static void old_versions_have_plain_lengths_and_new_ones_compact(void **state)
{
    (void)state;
    struct wr_buf buf;
    struct wr_find_coordinator_request q;
    wr_buf_init(&buf, 100);
    wr_find_coordinator_request_init(&q);
    q.key = weir_text("ab");
    q.key_type = 1;
    wr_find_coordinator_request_encode(&q, &buf, 1);
    static const uint8_t v1[] = {0, 2, 'a', 'b', 1};
    expect_bytes(&buf, v1, sizeof(v1));
    wr_buf_reset(&buf);
    wr_find_coordinator_request_encode(&q, &buf, 3);
    static const uint8_t v3[] = {3, 'a', 'b', 1, 0};
    expect_bytes(&buf, v3, sizeof(v3));
    wr_buf_done(&buf);
}

static void null_and_empty_are_different_on_the_wire(void **state)
{
    (void)state;
    struct wr_buf buf;
    struct wr_metadata_request q;
    wr_buf_init(&buf, 100);
    wr_metadata_request_init(&q);
    q.topics_count = -1;
    wr_metadata_request_encode(&q, &buf, 9);
    static const uint8_t all[] = {0, 1, 0, 0, 0};
    expect_bytes(&buf, all, sizeof(all));
    q.topics_count = 0;
    wr_buf_reset(&buf);
    wr_metadata_request_encode(&q, &buf, 9);
    static const uint8_t none[] = {1, 1, 0, 0, 0};
    expect_bytes(&buf, none, sizeof(none));

    struct wr_arena arena;
    struct wr_reader reader;
    wr_arena_init(&arena, BYTES_MAX);
    wr_reader_init(&reader, weir_bytes(all, sizeof(all)));
    assert_int_equal(wr_metadata_request_decode(&q, &reader, 9, &arena),
                     WEIR_OK);
    assert_int_equal(q.topics_count, -1);
    wr_reader_init(&reader, weir_bytes(none, sizeof(none)));
    assert_int_equal(wr_metadata_request_decode(&q, &reader, 9, &arena),
                     WEIR_OK);
    assert_int_equal(q.topics_count, 0);
    wr_arena_done(&arena);
    wr_buf_done(&buf);
}

static void a_null_that_is_not_allowed_is_malformed(void **state)
{
    (void)state;
    struct wr_arena arena;
    struct wr_reader reader;
    wr_arena_init(&arena, BYTES_MAX);
    struct wr_metadata_request q;
    static const uint8_t null_topics_v0[] = {0xff, 0xff, 0xff, 0xff};
    wr_reader_init(&reader, weir_bytes(null_topics_v0, 4));
    assert_int_equal(wr_metadata_request_decode(&q, &reader, 0, &arena),
                     WEIR_E_CORRUPT);
    struct wr_heartbeat_request h;
    static const uint8_t null_group[] = {0xff, 0xff, 0, 0, 0, 0, 0, 0};
    wr_reader_init(&reader, weir_bytes(null_group, sizeof(null_group)));
    assert_int_equal(wr_heartbeat_request_decode(&h, &reader, 0, &arena),
                     WEIR_E_CORRUPT);
    wr_arena_done(&arena);
}

static void a_count_is_checked_before_memory_is_taken(void **state)
{
    (void)state;
    struct wr_arena arena;
    struct wr_reader reader;
    wr_arena_init(&arena, 1024);
    struct wr_metadata_request q;
    static const uint8_t huge[] = {0x7f, 0xff, 0xff, 0xff, 0, 1, 'a'};
    wr_reader_init(&reader, weir_bytes(huge, sizeof(huge)));
    assert_int_equal(wr_metadata_request_decode(&q, &reader, 1, &arena),
                     WEIR_E_TRUNCATED);
    assert_int_equal(arena.used, 0);
    /* many small elements end at the arena's limit */
    uint8_t many[2004] = {0, 0, 3, 0xe8};
    wr_reader_init(&reader, weir_bytes(many, sizeof(many)));
    assert_int_equal(wr_metadata_request_decode(&q, &reader, 1, &arena),
                     WEIR_E_NOMEM);
    wr_arena_done(&arena);
}

static void unknown_tags_are_skipped_and_known_ones_read(void **state)
{
    (void)state;
    struct wr_arena arena;
    struct wr_reader reader;
    struct wr_api_versions_response r;
    wr_arena_init(&arena, BYTES_MAX);
    static const uint8_t bytes[] = {
        0, 0,          /* error */
        1,             /* no keys */
        0, 0,    0, 0, /* throttle */
        2,             /* tags: */
        1, 8,          /* finalized features epoch, 8 bytes */
        0, 0,    0, 0,   0,   0,  0,
        9, 0x55, 3, 'x', 'y', 'z' /* something of the future */
    };
    wr_reader_init(&reader, weir_bytes(bytes, sizeof(bytes)));
    assert_int_equal(wr_api_versions_response_decode(&r, &reader, 3, &arena),
                     WEIR_OK);
    assert_int_equal(r.finalized_features_epoch, 9);
    assert_int_equal(wr_reader_left(&reader), 0);
    struct wr_buf buf;
    wr_buf_init(&buf, 100);
    wr_api_versions_response_encode(&r, &buf, 3);
    static const uint8_t want[] = {0, 0, 1, 0, 0, 0, 0, 1, 1,
                                   8, 0, 0, 0, 0, 0, 0, 0, 9};
    expect_bytes(&buf, want, sizeof(want));
    wr_buf_done(&buf);
    wr_arena_done(&arena);
}

static void a_tag_that_lies_about_its_size_is_malformed(void **state)
{
    (void)state;
    struct wr_arena arena;
    struct wr_reader reader;
    struct wr_api_versions_response r;
    wr_arena_init(&arena, BYTES_MAX);
    static const uint8_t small[] = {0, 0, 1, 0, 0, 0, 0, 1, 1,
                                    2, 0, 0, 0, 0, 0, 0, 0, 9};
    wr_reader_init(&reader, weir_bytes(small, sizeof(small)));
    assert_int_equal(wr_api_versions_response_decode(&r, &reader, 3, &arena),
                     WEIR_E_CORRUPT);
    static const uint8_t large[] = {0, 0, 1, 0, 0, 0, 0, 1, 1, 99, 0};
    wr_reader_init(&reader, weir_bytes(large, sizeof(large)));
    assert_int_equal(wr_api_versions_response_decode(&r, &reader, 3, &arena),
                     WEIR_E_TRUNCATED);
    wr_arena_done(&arena);
}

static void large_records_are_left_out_for_the_sender(void **state)
{
    (void)state;
    static uint8_t records[WR_SPLICE_MIN + 10];
    struct wr_fetch_response_partition p = {
        .records = weir_bytes(records, sizeof(records))};
    struct wr_fetch_response_topic t = {
        .partitions = &p, .partitions_count = 1, .topic_id = {{1}}};
    struct wr_fetch_response r;
    wr_fetch_response_init(&r);
    r.topics = &t;
    r.topics_count = 1;
    struct wr_splices splices = {0};
    struct wr_buf with, without;
    wr_buf_init(&with, BYTES_MAX);
    wr_buf_init(&without, BYTES_MAX);
    wr_message_encode(&wr_fetch_response_message, &r, &with, 13, &splices);
    wr_fetch_response_encode(&r, &without, 13);
    assert_int_equal(splices.count, 1);
    assert_ptr_equal(splices.items[0].bytes.data, records);
    assert_int_equal(with.len + sizeof(records), without.len);
    assert_memory_equal(with.data, without.data, splices.items[0].at);
    assert_memory_equal(with.data + splices.items[0].at,
                        without.data + splices.items[0].at + sizeof(records),
                        with.len - splices.items[0].at);
    wr_buf_done(&with);
    wr_buf_done(&without);
}

static void a_request_does_not_lose_what_its_version_cannot_say(void **state)
{
    (void)state;
    struct wr_buf buf;
    wr_buf_init(&buf, 1000);
    struct wr_join_group_request q;
    wr_join_group_request_init(&q);
    q.group_instance_id = weir_text("static-1");
    wr_join_group_request_encode(&q, &buf, 4);
    assert_int_equal(buf.status, WEIR_E_INVALID);
    wr_buf_reset(&buf);
    wr_join_group_request_encode(&q, &buf, 5);
    assert_int_equal(buf.status, WEIR_OK);
    wr_buf_reset(&buf);
    wr_join_group_request_encode(&q, &buf, 99);
    assert_int_equal(buf.status, WEIR_E_INVALID);
    wr_buf_done(&buf);
}

static void defaults_are_those_of_the_tables(void **state)
{
    (void)state;
    struct wr_fetch_request q;
    wr_fetch_request_init(&q);
    assert_int_equal(q.replica_id, -1);
    assert_int_equal(q.max_bytes, INT32_MAX);
    assert_int_equal(q.session_epoch, -1);
    assert_int_equal(q.replica_state.replica_epoch, -1);
    assert_null(q.cluster_id.data);
    assert_non_null(q.rack_id.data);
    struct wr_describe_topic_partitions_request d;
    wr_describe_topic_partitions_request_init(&d);
    assert_int_equal(d.response_partition_limit, 2000);
    assert_null(d.cursor);
}

static void apis_are_found_by_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < WR_API_COUNT; i++) {
        assert_ptr_equal(wr_api_messages_find(wr_api_messages[i].key),
                         &wr_api_messages[i]);
    }
    assert_null(wr_api_messages_find(-1));
    assert_null(wr_api_messages_find(4));
    assert_null(wr_api_messages_find(INT16_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_in_every_version_comes_back),
        cmocka_unit_test(a_message_cut_anywhere_is_truncated_and_nothing_else),
        cmocka_unit_test(old_versions_have_plain_lengths_and_new_ones_compact),
        cmocka_unit_test(null_and_empty_are_different_on_the_wire),
        cmocka_unit_test(a_null_that_is_not_allowed_is_malformed),
        cmocka_unit_test(a_count_is_checked_before_memory_is_taken),
        cmocka_unit_test(unknown_tags_are_skipped_and_known_ones_read),
        cmocka_unit_test(a_tag_that_lies_about_its_size_is_malformed),
        cmocka_unit_test(large_records_are_left_out_for_the_sender),
        cmocka_unit_test(a_request_does_not_lose_what_its_version_cannot_say),
        cmocka_unit_test(defaults_are_those_of_the_tables),
        cmocka_unit_test(apis_are_found_by_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
