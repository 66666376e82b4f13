/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/index.h"

#include "tests/harness/weir_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[64];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof(path), "/tmp/weir-index-XXXXXX");
    int fd = mkstemp(path);
    return fd >= 0 ? close(fd) : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static void fill(struct wr_index *index, enum wr_index_kind kind)
{
    assert_int_equal(wr_index_init(index, kind, path, 1000), WEIR_OK);
    for (int64_t i = 1; i <= 100; i++) {
        wr_index_add(index, 1000 + i * 10, i * 500);
    }
}

static void look_up(const struct wr_index *index)
{
    bool by_offset = index->kind == WR_INDEX_OFFSET;
    assert_int_equal(wr_index_find(index, 0).value, by_offset ? 0 : -1);
    int64_t key = by_offset ? 1259 : 12999;
    assert_int_equal(wr_index_find(index, key).value, 12500);
    assert_int_equal(wr_index_find(index, key + 1).value, 13000);
    assert_int_equal(wr_index_find(index, INT64_MAX).offset, 2000);
    assert_int_equal(wr_index_last(index).value, 50000);
}

static void both_kinds_find_the_same_in_memory_and_in_the_file(void **state)
{
    (void)state;
    static const enum wr_index_kind kinds[] = {WR_INDEX_OFFSET, WR_INDEX_TIME};
    for (int k = 0; k < 2; k++) {
        struct wr_index index;
        fill(&index, kinds[k]);
        look_up(&index);
        assert_int_equal(wr_index_save(&index, true, NULL), WEIR_OK);
        assert_false(index.in_memory);
        look_up(&index);
        assert_int_equal(wr_index_load(&index, 3000, true, NULL), WEIR_OK);
        look_up(&index);
        assert_int_equal(wr_index_load(&index, 3000, false, NULL), WEIR_OK);
        look_up(&index);
        wr_index_done(&index);
    }
}

static void entries_that_do_not_rise_are_left_out(void **state)
{
    (void)state;
    struct wr_index index;
    fill(&index, WR_INDEX_TIME);
    wr_index_add(&index, 2000, 60000);
    wr_index_add(&index, 2001, 50000);
    wr_index_add(&index, 999, 60000);
    assert_int_equal(index.count, 100);
    wr_index_done(&index);
}

static void loading_cuts_what_the_segment_does_not_have(void **state)
{
    (void)state;
    struct wr_index index;
    static const char zeros[800] = {0};
    fill(&index, WR_INDEX_OFFSET);
    assert_int_equal(wr_index_save(&index, false, NULL), WEIR_OK);
    FILE *file = fopen(path, "a"); /* as Kafka leaves it after a crash */
    assert_int_equal(fwrite(zeros, 1, sizeof(zeros), file), sizeof(zeros));
    assert_int_equal(fclose(file), 0);
    assert_int_equal(wr_index_load(&index, 3000, true, NULL), WEIR_OK);
    assert_int_equal(index.count, 100);
    assert_int_equal(wr_index_load(&index, 1500, true, NULL), WEIR_OK);
    assert_int_equal(index.count, 49);
    wr_index_done(&index);
}

static void disorder_and_odd_sizes_are_damage(void **state)
{
    (void)state;
    struct wr_index index;
    fill(&index, WR_INDEX_OFFSET);
    wr_store_i32(index.mem.data + 50 * 8, 3);
    assert_int_equal(wr_index_save(&index, false, NULL), WEIR_OK);
    assert_int_equal(wr_index_load(&index, 3000, true, NULL), WEIR_E_CORRUPT);
    assert_int_equal(index.count, 0);
    assert_true(index.in_memory);
    assert_int_equal(truncate(path, 399), 0);
    assert_int_equal(wr_index_load(&index, 3000, true, NULL), WEIR_E_CORRUPT);
    wr_index_done(&index);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_kinds_find_the_same_in_memory_and_in_the_file),
        TEST(entries_that_do_not_rise_are_left_out),
        TEST(loading_cuts_what_the_segment_does_not_have),
        TEST(disorder_and_odd_sizes_are_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
