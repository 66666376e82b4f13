/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/segment.h"

#include "base/fs.h"
#include "tests/harness/weir_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[64];
static struct wr_files files;
static struct wr_segment segment;

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/weir-segment-XXXXXX");
    wr_files_init(&files, 4);
    if (!mkdtemp(dir) || wr_segment_init(&segment, dir, 500) != WEIR_OK) {
        return -1;
    }
    /* 60 batches of two records, one offset apart from each other: a gap */
    for (int i = 0; i < 60; i++) {
        struct wr_buf bytes;
        struct wr_batch batch;
        struct wr_batch_builder builder;
        struct wr_batch_options options = WR_BATCH_PLAIN;
        wr_buf_init(&bytes, 1000);
        wr_batch_begin(&builder, &bytes, &options);
        wr_batch_add(&builder, 1000 + i * 10, weir_text("k"), weir_text("v"));
        wr_batch_add(&builder, 1001 + i * 10, weir_text("k"), weir_text("v"));
        assert_int_equal(wr_batch_end(&builder), WEIR_OK);
        wr_batch_place(bytes.data, 500 + i * 3, 0);
        assert_int_equal(wr_batch_parse(wr_buf_view(&bytes), &batch, NULL),
                         WEIR_OK);
        assert_int_equal(
            wr_segment_append(&files, &segment, &batch, bytes.data, 300, NULL),
            WEIR_OK);
        wr_buf_done(&bytes);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    wr_segment_done(&files, &segment);
    return wr_remove_all(dir, NULL) == WEIR_OK ? 0 : -1;
}

static int64_t base_of(int64_t offset)
{
    struct wr_segment_batch at;
    assert_int_equal(wr_segment_locate(&files, &segment, offset, &at, NULL),
                     WEIR_OK);
    return at.position < segment.size ? at.batch.base_offset : -1;
}

static void each_offset_leads_to_its_batch_or_the_next(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        assert_true(segment.offsets.count > 10);
        for (int64_t offset = 500; offset < 500 + 60 * 3 - 1; offset++) {
            int64_t expected = 500 + (offset - 500 + 1) / 3 * 3;
            assert_int_equal(base_of(offset), expected);
        }
        assert_int_equal(base_of(segment.next_offset), -1);
        assert_int_equal(wr_segment_save(&segment, true, NULL), WEIR_OK);
    }
}

static void each_time_leads_to_its_batch(void **state)
{
    (void)state;
    struct wr_segment_batch at;
    for (int64_t i = 0; i < 60; i++) {
        assert_int_equal(
            wr_segment_locate_time(&files, &segment, 1001 + i * 10, &at, NULL),
            WEIR_OK);
        assert_int_equal(at.batch.base_offset, 500 + i * 3);
    }
    assert_int_equal(wr_segment_locate_time(&files, &segment, 5000, &at, NULL),
                     WEIR_OK);
    assert_int_equal(at.position, segment.size);
}

static void a_misleading_index_is_made_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < segment.offsets.mem.len; i++) {
        segment.offsets.mem.data[i] ^= 0x15;
    }
    assert_int_equal(base_of(620), 620);
    assert_int_equal(base_of(500), 500);
    assert_int_equal(base_of(677), 677);
}

static enum weir_status count_batch(void *arg, const struct wr_batch *batch,
                                    struct weir_bytes bytes)
{
    assert_int_equal(batch->size, bytes.len);
    ++*(int *)arg;
    return WEIR_OK;
}

static void a_scan_stops_at_the_first_bad_batch(void **state)
{
    (void)state;
    int count = 0;
    int fd;
    struct weir_error err = {0};
    struct wr_segment_batch at;
    struct wr_segment_scan scan = {
        .end = segment.size,
        .offset_min = 500,
        .check_crc = true,
        .batch_max = 1000,
        .fn = count_batch,
        .arg = &count,
    };
    assert_int_equal(wr_segment_scan(&files, &segment, &scan, &err), WEIR_OK);
    assert_int_equal(count, 60);
    assert_int_equal(scan.good_offset, segment.next_offset);
    assert_int_equal(wr_segment_locate(&files, &segment, 530, &at, NULL),
                     WEIR_OK);
    assert_int_equal(wr_file_get(&files, &segment.log, false, &fd, NULL),
                     WEIR_OK);
    assert_int_equal(pwrite(fd, "x", 1, at.position + 70), 1);
    count = 0;
    assert_int_equal(wr_segment_scan(&files, &segment, &scan, &err),
                     WEIR_E_CORRUPT);
    assert_int_equal(count, 10);
    assert_int_equal(scan.good_end, at.position);
    assert_int_equal(scan.good_offset, 529);
    assert_non_null(strstr(err.text, segment.log.path));
}

static void aborted_entries_come_back_and_damage_shows(void **state)
{
    (void)state;
    struct wr_buf out;
    struct wr_abort_entry entry = {9, 503, 510, 511};
    wr_buf_init(&out, 1000);
    assert_int_equal(wr_segment_abort_load(&segment, &out, NULL), WEIR_OK);
    assert_int_equal(out.len, 0);
    /* One whose marker never came is overwritten. */
    assert_int_equal(wr_segment_abort_write(&segment, &entry, NULL), WEIR_OK);
    entry.last_offset = 520;
    entry.last_stable_offset = 521;
    assert_int_equal(wr_segment_abort_write(&segment, &entry, NULL), WEIR_OK);
    wr_segment_abort_note(&segment, &entry);
    assert_int_equal(wr_segment_abort_load(&segment, &out, NULL), WEIR_OK);
    assert_int_equal(out.len, WR_ABORT_ENTRY_BYTES);
    assert_int_equal(wr_abort_entry_decode(out.data).last_offset, 520);
    assert_int_equal(segment.abort_last_offset, 520);
    entry.first_offset = 600;
    assert_int_equal(wr_segment_abort_write(&segment, &entry, NULL), WEIR_OK);
    wr_segment_abort_note(&segment, &entry);
    wr_buf_reset(&out);
    assert_int_equal(wr_segment_abort_load(&segment, &out, NULL),
                     WEIR_E_CORRUPT);
    wr_buf_done(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_offset_leads_to_its_batch_or_the_next),
        TEST(each_time_leads_to_its_batch),
        TEST(a_misleading_index_is_made_again),
        TEST(a_scan_stops_at_the_first_bad_batch),
        TEST(aborted_entries_come_back_and_damage_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
