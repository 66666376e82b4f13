/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/batch.h"

#include "broker/codec_compress.h"
#include "tests/broker/log_fixture.h"
#include "tests/harness/weir_test.h"

#include <stdlib.h>

static struct wr_batch_rules rules(void)
{
    return (struct wr_batch_rules){
        .batch_bytes_max = 1 << 20,
        .zstd_allowed = true,
        .now_ms = TEST_TIME_MS,
        .timestamp_before_ms = INT64_MAX,
        .timestamp_after_ms = 1000,
    };
}

/* A batch of three records, whose records are compressed. */
static void make(struct wr_buf *out, enum wr_codec codec)
{
    struct wr_buf packed;
    struct test_batch batch = {
        .producer_id = -1, .count = 3, .tag = "v", .pad = 200};
    wr_buf_init(out, 100000);
    wr_buf_init(&packed, 100000);
    test_batch_put(out, &batch);
    assert_int_equal(wr_pack(codec,
                             weir_bytes(out->data + WR_BATCH_HEADER_BYTES,
                                        out->len - WR_BATCH_HEADER_BYTES),
                             &packed),
                     WEIR_OK);
    out->len = WR_BATCH_HEADER_BYTES;
    wr_buf_put_bytes(out, wr_buf_view(&packed));
    wr_store_i32(out->data + 8, (int32_t)(out->len - WR_BATCH_PREFIX_BYTES));
    wr_store_i16(out->data + 21, (int16_t)codec);
    wr_batch_set_max_timestamp(out->data, out->len, TEST_TIME_MS + 2);
    wr_buf_done(&packed);
}

/* Judges a batch whose checksum is made right again after `at` was changed. */
static enum wr_kafka_error judge(struct wr_buf *batch,
                                 const struct wr_batch_rules *with,
                                 struct wr_batch *out)
{
    struct wr_buf scratch;
    struct weir_error err = {0};
    wr_buf_init(&scratch, 10000);
    if (batch->len >= WR_BATCH_HEADER_BYTES) {
        wr_batch_set_max_timestamp(batch->data, batch->len,
                                   wr_load_i64(batch->data + 35));
    }
    enum wr_kafka_error code =
        wr_batch_validate(wr_buf_view(batch), with, &scratch, out, &err);
    assert_true(code == WR_ERR_NONE || err.text[0] != '\0');
    wr_buf_done(&scratch);
    return code;
}

static void every_codec_is_accepted_and_walked(void **state)
{
    (void)state;
    for (int codec = WR_CODEC_NONE; codec <= WR_CODEC_ZSTD; codec++) {
        struct wr_buf batch, plain;
        struct wr_batch header;
        struct wr_batch_iter iter;
        struct wr_record record;
        struct wr_batch_rules with = rules();
        int count = 0;
        make(&batch, (enum wr_codec)codec);
        wr_buf_init(&plain, 10000);
        assert_int_equal(judge(&batch, &with, &header), WR_ERR_NONE);
        assert_int_equal(wr_batch_codec(&header), codec);
        assert_int_equal(
            wr_batch_iter_init(&iter, wr_buf_view(&batch), &plain, NULL),
            WEIR_OK);
        while (wr_batch_iter_next(&iter, &record)) {
            assert_int_equal(record.offset, count);
            assert_int_equal(record.timestamp, TEST_TIME_MS + count);
            assert_int_equal(record.key.len, 2);
            count++;
        }
        assert_int_equal(iter.status, WEIR_OK);
        assert_int_equal(count, 3);
        wr_buf_done(&plain);
        wr_buf_done(&batch);
    }
}

static void a_bare_snappy_block_is_read_as_well(void **state)
{
    (void)state;
    struct wr_buf packed, plain;
    const char text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    wr_buf_init(&packed, 1000);
    wr_buf_init(&plain, 1000);
    assert_int_equal(wr_pack(WR_CODEC_SNAPPY, weir_text(text), &packed),
                     WEIR_OK);
    struct weir_bytes bare = weir_bytes(packed.data + 20, packed.len - 20);
    assert_int_equal(wr_unpack(WR_CODEC_SNAPPY, bare, &plain, NULL), WEIR_OK);
    assert_true(wr_bytes_equal_text(wr_buf_view(&plain), text));
    wr_buf_done(&packed);
    wr_buf_done(&plain);
}

static void a_bomb_stops_at_the_limit(void **state)
{
    (void)state;
    static uint8_t zeros[1 << 20];
    for (int codec = WR_CODEC_GZIP; codec <= WR_CODEC_ZSTD; codec++) {
        struct wr_buf packed, plain;
        wr_buf_init(&packed, (size_t)4 << 20);
        wr_buf_init(&plain, 100000);
        assert_int_equal(wr_pack((enum wr_codec)codec,
                                 weir_bytes(zeros, sizeof(zeros)), &packed),
                         WEIR_OK);
        assert_int_equal(
            wr_unpack((enum wr_codec)codec, wr_buf_view(&packed), &plain, NULL),
            WEIR_E_TOOBIG);
        assert_true(plain.cap <= 200000);
        wr_buf_done(&packed);
        wr_buf_done(&plain);
    }
}

static void what_a_client_may_not_send_gets_its_code(void **state)
{
    (void)state;
    struct {
        size_t at;     /* byte of the batch */
        int size;      /* of the field: 1, 2, 4, 8 */
        int64_t value; /* that it is given */
        enum wr_kafka_error code;
    } cases[] = {
        {16, 1, 1, WR_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT},
        {16, 1, 3, WR_ERR_CORRUPT_MESSAGE},
        {8, 4, -1, WR_ERR_CORRUPT_MESSAGE},
        {8, 4, 1 << 30, WR_ERR_INVALID_RECORD},
        {57, 4, 2, WR_ERR_INVALID_RECORD},
        {57, 4, 0, WR_ERR_INVALID_RECORD},
        {23, 4, 5, WR_ERR_INVALID_RECORD},
        {21, 2, WR_BATCH_CONTROL, WR_ERR_INVALID_RECORD},
        {21, 2, WR_BATCH_TRANSACTIONAL, WR_ERR_INVALID_RECORD},
        {21, 2, 5, WR_ERR_INVALID_RECORD},
        {21, 2, WR_CODEC_LZ4, WR_ERR_CORRUPT_MESSAGE},
        {43, 8, 7, WR_ERR_INVALID_RECORD},
        {27, 8, TEST_TIME_MS + 100000, WR_ERR_INVALID_TIMESTAMP},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wr_buf batch;
        struct wr_batch header;
        struct wr_batch_rules with = rules();
        make(&batch, WR_CODEC_NONE);
        uint64_t value = (uint64_t)cases[i].value;
        for (int k = 0; k < cases[i].size; k++) {
            batch.data[cases[i].at + (size_t)(cases[i].size - 1 - k)] =
                (uint8_t)(value >> 8 * k);
        }
        assert_int_equal(judge(&batch, &with, &header), cases[i].code);
        wr_buf_done(&batch);
    }
}

static void older_formats_get_their_code_whatever_their_size(void **state)
{
    (void)state;
    struct wr_batch_rules with = rules();
    for (uint8_t format = 0; format <= 1; format++) {
        for (size_t size = 17; size <= 200; size++) {
            uint8_t *set = calloc(1, size);
            struct wr_buf scratch;
            struct wr_batch header;
            struct weir_error err = {0};
            assert_non_null(set);
            wr_store_i32(set + 8, (int32_t)size - 12);
            set[16] = format;
            wr_buf_init(&scratch, 1000);
            assert_int_equal(wr_batch_validate(weir_bytes(set, size), &with,
                                               &scratch, &header, &err),
                             WR_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT);
            assert_non_null(strstr(err.text, "format 2"));
            wr_buf_done(&scratch);
            free(set);
        }
    }
}

static void less_than_a_batch_is_refused_for_good(void **state)
{
    (void)state;
    struct wr_buf batch, scratch;
    struct wr_batch header;
    struct wr_batch_rules with = rules();
    make(&batch, WR_CODEC_NONE);
    wr_buf_init(&scratch, 1000);
    for (size_t size = 0; size < batch.len; size++) {
        assert_int_equal(wr_batch_validate(weir_bytes(batch.data, size), &with,
                                           &scratch, &header, NULL),
                         WR_ERR_INVALID_RECORD);
    }
    assert_int_equal(
        wr_batch_validate(WEIR_NULL, &with, &scratch, &header, NULL),
        WR_ERR_INVALID_RECORD);
    wr_buf_done(&scratch);
    wr_buf_done(&batch);
}

static void limits_of_the_topic_are_kept(void **state)
{
    (void)state;
    struct wr_buf batch;
    struct wr_batch header;
    struct wr_batch_rules with = rules();
    make(&batch, WR_CODEC_ZSTD);
    with.zstd_allowed = false;
    assert_int_equal(judge(&batch, &with, &header),
                     WR_ERR_UNSUPPORTED_COMPRESSION_TYPE);
    with = rules();
    with.batch_bytes_max = (int32_t)batch.len - 1;
    assert_int_equal(judge(&batch, &with, &header), WR_ERR_MESSAGE_TOO_LARGE);
    wr_buf_done(&batch);

    struct wr_batch_builder builder;
    struct wr_batch_options options = WR_BATCH_PLAIN;
    wr_buf_init(&batch, 1000);
    wr_batch_begin(&builder, &batch, &options);
    wr_batch_add(&builder, TEST_TIME_MS, WEIR_NULL, weir_text("v"));
    assert_int_equal(wr_batch_end(&builder), WEIR_OK);
    with = rules();
    assert_int_equal(judge(&batch, &with, &header), WR_ERR_NONE);
    with.keys_required = true;
    assert_int_equal(judge(&batch, &with, &header), WR_ERR_INVALID_RECORD);
    wr_buf_done(&batch);
}

static void two_batches_or_a_wrong_checksum_are_refused(void **state)
{
    (void)state;
    struct wr_buf batch, scratch;
    struct wr_batch header;
    struct wr_batch_rules with = rules();
    struct test_batch one = {.producer_id = -1, .count = 1, .tag = "v"};
    wr_buf_init(&batch, 1000);
    wr_buf_init(&scratch, 1000);
    test_batch_put(&batch, &one);
    batch.data[70] ^= 1;
    assert_int_equal(
        wr_batch_validate(wr_buf_view(&batch), &with, &scratch, &header, NULL),
        WR_ERR_CORRUPT_MESSAGE);
    batch.data[70] ^= 1;
    test_batch_put(&batch, &one);
    assert_int_equal(
        wr_batch_validate(wr_buf_view(&batch), &with, &scratch, &header, NULL),
        WR_ERR_INVALID_RECORD);
    wr_buf_done(&batch);
    wr_buf_done(&scratch);
}

static void the_real_largest_timestamp_comes_back(void **state)
{
    (void)state;
    struct wr_buf batch;
    struct wr_batch header;
    struct wr_batch_rules with = rules();
    make(&batch, WR_CODEC_NONE);
    wr_store_i64(batch.data + 35, 5);
    assert_int_equal(judge(&batch, &with, &header), WR_ERR_NONE);
    assert_int_equal(header.max_timestamp, TEST_TIME_MS + 2);
    wr_buf_done(&batch);
}

static void a_marker_comes_back(void **state)
{
    (void)state;
    struct wr_buf out;
    struct wr_marker marker = {77, 3, true, 9, TEST_TIME_MS};
    struct wr_marker got;
    wr_buf_init(&out, 1000);
    wr_batch_put_marker(&out, &marker);
    assert_int_equal(out.len, WR_BATCH_MARKER_BYTES);
    assert_int_equal(wr_batch_get_marker(wr_buf_view(&out), &got), WEIR_OK);
    assert_int_equal(got.producer_id, 77);
    assert_int_equal(got.producer_epoch, 3);
    assert_true(got.commit);
    assert_int_equal(got.coordinator_epoch, 9);
    wr_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_codec_is_accepted_and_walked),
        cmocka_unit_test(a_bare_snappy_block_is_read_as_well),
        cmocka_unit_test(a_bomb_stops_at_the_limit),
        cmocka_unit_test(what_a_client_may_not_send_gets_its_code),
        cmocka_unit_test(older_formats_get_their_code_whatever_their_size),
        cmocka_unit_test(less_than_a_batch_is_refused_for_good),
        cmocka_unit_test(limits_of_the_topic_are_kept),
        cmocka_unit_test(two_batches_or_a_wrong_checksum_are_refused),
        cmocka_unit_test(the_real_largest_timestamp_comes_back),
        cmocka_unit_test(a_marker_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
