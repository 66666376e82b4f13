/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/checkpoint.h"

#include "base/fs.h"
#include "tests/harness/weir_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[64];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/weir-checkpoint-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return wr_remove_all(dir, NULL) == WEIR_OK ? 0 : -1;
}

static void save(uint64_t live_from)
{
    struct wr_checkpoint checkpoint = {
        .durability = WR_DURABILITY_INTERVAL,
        .salt = 0x1234567890abcdef,
        .live_from = live_from,
    };
    for (int32_t i = 0; i < 20; i++) {
        struct wr_checkpoint_log log = {{(uint8_t)i, 0xfe}, i, 100 + i, i};
        assert_int_equal(wr_checkpoint_add(&checkpoint, &log), WEIR_OK);
    }
    assert_int_equal(wr_checkpoint_save(dir, &checkpoint, NULL), WEIR_OK);
    wr_checkpoint_done(&checkpoint);
}

static void flip(const char *name, long at)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_true(fputc(byte ^ 1, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void what_was_saved_comes_back(void **state)
{
    (void)state;
    struct wr_checkpoint got = {.durability = WR_DURABILITY_SYNC};
    uint8_t id[WR_TOPIC_ID_BYTES] = {7, 0xfe};
    assert_int_equal(wr_checkpoint_load(dir, &got, NULL), WEIR_E_NOTFOUND);
    save(42);
    assert_int_equal(wr_checkpoint_load(dir, &got, NULL), WEIR_OK);
    assert_int_equal(got.durability, WR_DURABILITY_INTERVAL);
    assert_int_equal(got.live_from, 42);
    assert_int_equal(got.salt, 0x1234567890abcdef);
    assert_int_equal(wr_checkpoint_find(&got, id, 7)->recovery_point, 107);
    assert_int_equal(wr_checkpoint_find(&got, id, 7)->start_offset, 7);
    assert_null(wr_checkpoint_find(&got, id, 8));
    wr_checkpoint_done(&got);
}

static void one_damaged_file_is_replaced_by_the_other(void **state)
{
    (void)state;
    static const char *const names[] = {"weir.checkpoint",
                                        "weir.checkpoint.copy"};
    for (long at = 0; at < 900; at += 13) {
        for (int i = 0; i < 2; i++) {
            struct wr_checkpoint got = {.durability = WR_DURABILITY_SYNC};
            save(42);
            flip(names[i], at);
            assert_int_equal(wr_checkpoint_load(dir, &got, NULL), WEIR_OK);
            assert_int_equal(got.log_count, 20);
            wr_checkpoint_done(&got);
        }
    }
}

static void two_damaged_files_are_an_error_that_names_them(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct wr_checkpoint got = {.durability = WR_DURABILITY_SYNC};
    save(42);
    flip("weir.checkpoint", 30);
    flip("weir.checkpoint.copy", 31);
    assert_int_equal(wr_checkpoint_load(dir, &got, &err), WEIR_E_CORRUPT);
    assert_non_null(strstr(err.text, dir));
}

static void kafkas_files_are_written_and_read(void **state)
{
    (void)state;
    char path[128];
    struct wr_kafka_checkpoint file;
    struct wr_buf text;
    (void)snprintf(path, sizeof(path), "%s/r", dir);
    wr_kafka_checkpoint_init(&file);
    wr_kafka_checkpoint_add(&file, "a-b", 0, 5);
    wr_kafka_checkpoint_add(&file, "a-b", 12, 500);
    assert_int_equal(wr_kafka_checkpoint_save(&file, path, NULL), WEIR_OK);
    wr_kafka_checkpoint_done(&file);
    wr_buf_init(&text, 1000);
    assert_int_equal(wr_file_read(path, &text, NULL), WEIR_OK);
    assert_string_equal(wr_buf_text(&text), "0\n2\na-b 0 5\na-b 12 500\n");
    wr_buf_done(&text);
    wr_kafka_checkpoint_init(&file);
    assert_int_equal(wr_kafka_checkpoint_load(&file, path, NULL), WEIR_OK);
    assert_int_equal(wr_kafka_checkpoint_find(&file, "a-b", 12), 500);
    assert_int_equal(wr_kafka_checkpoint_find(&file, "a", 12), -1);
    wr_kafka_checkpoint_done(&file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_saved_comes_back),
        TEST(one_damaged_file_is_replaced_by_the_other),
        TEST(two_damaged_files_are_an_error_that_names_them),
        TEST(kafkas_files_are_written_and_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
