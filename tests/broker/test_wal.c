/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/wal.h"

#include "base/fs.h"
#include "tests/harness/weir_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SALT 77

static char dir[64];
static struct wr_wal *wal;

static void open_wal(uint64_t salt)
{
    struct wr_wal_config config = {.dir = dir,
                                   .file_bytes = (size_t)64 << 10,
                                   .files_max = 2,
                                   .salt = salt};
    assert_int_equal(wr_wal_open(&config, &wal, NULL), WEIR_OK);
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/weir-wal-XXXXXX");
    if (!mkdtemp(dir)) {
        return -1;
    }
    open_wal(SALT);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    wr_wal_close(wal);
    return wr_remove_all(dir, NULL) == WEIR_OK ? 0 : -1;
}

/* Writes a round of `count` batches, one record each, from offset `base` on. */
static void write_round(int64_t base, int count, size_t value_size)
{
    static uint8_t value[20000];
    struct wr_buf bytes[8];
    struct wr_wal_entry entries[8];
    for (int i = 0; i < count; i++) {
        struct wr_batch_builder builder;
        struct wr_batch_options options = WR_BATCH_PLAIN;
        wr_buf_init(&bytes[i], 100000);
        wr_batch_begin(&builder, &bytes[i], &options);
        wr_batch_add(&builder, 1, WEIR_NULL, weir_bytes(value, value_size));
        assert_int_equal(wr_batch_end(&builder), WEIR_OK);
        wr_batch_place(bytes[i].data, base + i, 4);
        entries[i] = (struct wr_wal_entry){
            .topic_id = {9},
            .partition = 3,
            .kind = WR_WAL_DATA,
            .base_offset = base + i,
            .next_offset = base + i + 1,
            .leader_epoch = 4,
            .len = (uint32_t)bytes[i].len,
            .data = bytes[i].data,
        };
    }
    assert_int_equal(wr_wal_write(wal, entries, (size_t)count, NULL), WEIR_OK);
    for (int i = 0; i < count; i++) {
        wr_buf_done(&bytes[i]);
    }
}

/* Offsets that a reader finds: all from `from` to `to`, in order, readable. */
static void expect(uint64_t live_from, int64_t from, int64_t to)
{
    struct wr_wal_reader reader;
    struct weir_error err = {0};
    struct wr_buf bytes;
    wr_buf_init(&bytes, 100000);
    if (wr_wal_reader_open(dir, SALT, live_from, &reader, &err) != WEIR_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(reader.count, to - from);
    for (size_t i = 0; i < reader.count; i++) {
        assert_int_equal(reader.found[i].entry.base_offset, from + (int64_t)i);
        assert_int_equal(reader.found[i].entry.topic_id[0], 9);
        assert_int_equal(wr_wal_load(&reader, &reader.found[i], &bytes, NULL),
                         WEIR_OK);
    }
    wr_wal_reader_done(&reader);
    wr_buf_done(&bytes);
}

static void flip(int64_t at, int file)
{
    char path[128];
    uint8_t byte;
    (void)snprintf(path, sizeof(path), "%s/%06d.wal", dir, file);
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    assert_int_equal(close(fd), 0);
}

static void rounds_come_back_in_order(void **state)
{
    (void)state;
    expect(1, 0, 0);
    for (int64_t i = 0; i < 6; i++) {
        write_round(i * 3, 3, i % 2 ? 10 : 2000);
    }
    expect(1, 0, 18);
    expect(3, 6, 18);
}

static void files_go_round_once_they_are_released(void **state)
{
    (void)state;
    uint64_t seq;
    int64_t first = 0;
    uint64_t released = 0;
    assert_false(wr_wal_sealed(wal, UINT64_MAX, &seq));
    for (int64_t i = 0; i < 60; i++) {
        write_round(i, 1, 10000); /* 12 KiB: five a file */
        if (wr_wal_sealed(wal, (uint64_t)i + 1, &seq)) {
            wr_wal_release(wal, seq);
            released = seq;
            first = (int64_t)seq;
        }
    }
    assert_true(released > 50);
    expect(released + 1, first, 60);
    assert_int_equal(access(dir, F_OK), 0);
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/000002.wal", dir);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_file_is_not_released_before_its_rounds_are_done(void **state)
{
    (void)state;
    uint64_t seq;
    for (int64_t i = 0; i < 6; i++) {
        write_round(i, 1, 10000);
    }
    assert_false(wr_wal_sealed(wal, 4, &seq));
    assert_true(wr_wal_sealed(wal, 5, &seq));
    assert_int_equal(seq, 5);
}

static void a_damaged_head_is_replaced_by_its_copy(void **state)
{
    (void)state;
    for (int64_t i = 0; i < 4; i++) {
        write_round(i * 2, 2, 10);
    }
    for (int64_t at = 0; at < 136; at += 5) { /* head of round 2 */
        flip(4096 + at, 0);
        expect(1, 0, 8);
        flip(4096 + at, 0);
    }
    for (int64_t at = 8192 - 144; at < 8192; at += 5) { /* its copy */
        flip(at, 0);
        expect(1, 0, 8);
        flip(at, 0);
    }
}

static void
a_torn_newest_round_is_left_out_and_a_missing_one_is_damage(void **state)
{
    (void)state;
    struct wr_wal_reader reader;
    struct weir_error err = {0};
    for (int64_t i = 0; i < 4; i++) {
        write_round(i * 2, 2, 10);
    }
    flip(3 * 4096 + 10, 0);
    expect(1, 0, 8); /* the copy */
    flip(4 * 4096 - 20, 0);
    expect(1, 0, 6); /* both: as if it was never written */
    flip(2 * 4096 + 10, 0);
    flip(3 * 4096 - 20, 0);
    expect(1, 0, 4);
    flip(3 * 4096 + 10, 0); /* round 4 is whole again, round 3 is not */
    assert_int_equal(wr_wal_reader_open(dir, SALT, 1, &reader, &err),
                     WEIR_E_CORRUPT);
    assert_non_null(strstr(err.text, "round 3"));
}

static bool is_cut(void)
{
    struct wr_wal_reader reader;
    assert_int_equal(wr_wal_reader_open(dir, SALT, 1, &reader, NULL), WEIR_OK);
    bool cut = reader.cut;
    wr_wal_reader_done(&reader);
    return cut;
}

static void files_that_were_cut_or_removed_are_known_by_it(void **state)
{
    (void)state;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/000000.wal", dir);
    assert_false(is_cut());
    for (int64_t i = 0; i < 4; i++) {
        write_round(i, 1, 10000); /* three blocks each */
        assert_false(is_cut());
    }
    for (off_t size = 12 * 4096; size >= 0; size -= 2048) {
        assert_int_equal(truncate(path, size), 0);
        assert_true(is_cut());
    }
    assert_int_equal(unlink(path), 0);
    assert_true(is_cut());
}

static void a_new_salt_voids_what_was_there(void **state)
{
    (void)state;
    struct wr_wal_reader reader;
    write_round(0, 3, 10);
    wr_wal_close(wal);
    open_wal(SALT + 1);
    assert_int_equal(wr_wal_reader_open(dir, SALT + 1, 1, &reader, NULL),
                     WEIR_OK);
    assert_int_equal(reader.count, 0);
    wr_wal_reader_done(&reader);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rounds_come_back_in_order),
        TEST(files_go_round_once_they_are_released),
        TEST(a_file_is_not_released_before_its_rounds_are_done),
        TEST(a_damaged_head_is_replaced_by_its_copy),
        TEST(a_torn_newest_round_is_left_out_and_a_missing_one_is_damage),
        TEST(files_that_were_cut_or_removed_are_known_by_it),
        TEST(a_new_salt_voids_what_was_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
