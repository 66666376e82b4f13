/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/frame.h"

#include "tests/harness/weir_test.h"

#include <stdlib.h>

static uint8_t scratch[WR_FRAME_SCRATCH];

static bool settle_each; /* whether others read between two reads */

/* Gives bytes to the frames as a socket would, at most `step` at a time. */
static enum weir_status feed(struct wr_frames *frames, const uint8_t *data,
                             size_t len, size_t step)
{
    while (len > 0) {
        uint8_t *at;
        size_t room;
        enum weir_status s = wr_frames_space(frames, &at, &room);
        if (s != WEIR_OK) {
            return s;
        }
        assert_true(room > 0);
        size_t n = len < room ? len : room;
        n = n < step ? n : step;
        memcpy(at, data, n);
        wr_frames_added(frames, n);
        if (settle_each) {
            s = wr_frames_settle(frames);
            memset(at, 0xee, at == scratch ? n : 0);
        }
        if (s != WEIR_OK || wr_frames_ready(frames)) {
            return s;
        }
        data += n;
        len -= n;
    }
    return WEIR_OK;
}

static void frames_of_all_sizes_come_out_whole(void)
{
    static const size_t sizes[] = {0,    1,    3,     4,      5,     100,
                                   4091, 4092, 70000, 131068, 400000};
    static const size_t steps[] = {1, 2, 3, 7, 4096, 65536, 1 << 20};
    struct wr_frame_budget budget = {0, 1 << 20};
    struct wr_frames frames;
    wr_frames_init(&frames, scratch, &budget, 500000);
    for (size_t s = 0; s < sizeof(steps) / sizeof(*steps); s++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
            size_t n = sizes[i];
            uint8_t *bytes = malloc(n + 4);
            wr_store_u32(bytes, (uint32_t)n);
            for (size_t k = 0; k < n; k++) {
                bytes[4 + k] = (uint8_t)(k * 31 + i);
            }
            assert_int_equal(feed(&frames, bytes, n + 4, steps[s]), WEIR_OK);
            uint8_t *got;
            size_t len;
            assert_int_equal(wr_frames_next(&frames, &got, &len), WEIR_OK);
            assert_int_equal(len, n);
            assert_memory_equal(got, bytes, n + 4);
            assert_int_equal(wr_frames_next(&frames, &got, &len), WEIR_E_AGAIN);
            wr_frame_free(&budget, got, len);
            free(bytes);
        }
    }
    wr_frames_done(&frames);
    assert_int_equal(budget.used, 0);
}

static void frames_come_out_whole_however_they_arrive(void **state)
{
    (void)state;
    settle_each = true;
    frames_of_all_sizes_come_out_whole();
    settle_each = false;
    frames_of_all_sizes_come_out_whole();
}

static void several_frames_of_one_read_come_out_in_order(void **state)
{
    (void)state;
    struct wr_frame_budget budget = {0, 1 << 20};
    struct wr_frames frames;
    wr_frames_init(&frames, scratch, &budget, 1000);
    uint8_t *at;
    size_t room;
    assert_int_equal(wr_frames_space(&frames, &at, &room), WEIR_OK);
    for (uint8_t i = 0; i < 10; i++) {
        wr_store_u32(at + i * 5, 1);
        at[i * 5 + 4] = i;
    }
    wr_store_u32(at + 50, 8); /* one that is not complete */
    wr_frames_added(&frames, 54);
    for (uint8_t i = 0; i < 10; i++) {
        uint8_t *got;
        size_t len;
        if (i == 5) { /* another connection needs the shared buffer */
            assert_int_equal(wr_frames_settle(&frames), WEIR_OK);
            memset(scratch, 0xee, sizeof(scratch));
        }
        assert_true(wr_frames_ready(&frames));
        assert_int_equal(wr_frames_next(&frames, &got, &len), WEIR_OK);
        assert_int_equal(got[4], i);
        wr_frame_free(&budget, got, len);
    }
    assert_false(wr_frames_ready(&frames));
    static const uint8_t rest[8] = {9};
    assert_int_equal(feed(&frames, rest, 8, 100), WEIR_OK);
    uint8_t *got;
    size_t len;
    assert_int_equal(wr_frames_next(&frames, &got, &len), WEIR_OK);
    assert_int_equal(got[4], 9);
    wr_frame_free(&budget, got, len);
    wr_frames_done(&frames);
    assert_int_equal(budget.used, 0);
}

static void
second_read_keeps_what_the_first_left_in_the_shared_buffer(void **state)
{
    (void)state;
    struct wr_frame_budget budget = {0, 1 << 20};
    struct wr_frames frames;
    wr_frames_init(&frames, scratch, &budget, 100000);
    uint8_t *at;
    size_t room;
    uint8_t *got;
    size_t len;
    assert_int_equal(wr_frames_space(&frames, &at, &room), WEIR_OK);
    wr_store_u32(at, 1); /* a whole frame, and the first byte of another */
    at[4] = 7;
    wr_store_u32(at + 5, 2);
    at[9] = 8;
    wr_frames_added(&frames, 10);
    assert_int_equal(wr_frames_next(&frames, &got, &len), WEIR_OK);
    wr_frame_free(&budget, got, len);
    assert_int_equal(wr_frames_space(&frames, &at, &room), WEIR_OK);
    assert_int_equal(room, 1);
    at[0] = 9;
    wr_frames_added(&frames, 1);
    assert_int_equal(wr_frames_next(&frames, &got, &len), WEIR_OK);
    assert_int_equal(len, 2);
    assert_int_equal(got[4], 8);
    assert_int_equal(got[5], 9);
    wr_frame_free(&budget, got, len);
    wr_frames_done(&frames);
    assert_int_equal(budget.used, 0);
}

static void an_announced_length_costs_nothing_before_it_arrives(void **state)
{
    (void)state;
    struct wr_frame_budget budget = {0, (size_t)1 << 30};
    struct wr_frames frames;
    wr_frames_init(&frames, scratch, &budget, (size_t)100 << 20);
    uint8_t head[5];
    wr_store_u32(head, 100 << 20);
    assert_int_equal(feed(&frames, head, 5, 5), WEIR_OK);
    uint8_t *at;
    size_t room;
    assert_int_equal(wr_frames_space(&frames, &at, &room), WEIR_OK);
    assert_true(budget.used <= 8192);
    wr_frames_done(&frames);
}

static void lengths_out_of_range_are_refused(void **state)
{
    (void)state;
    static const uint32_t bad[] = {1001, 0x7fffffff, 0x80000000, 0xffffffff};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct wr_frame_budget budget = {0, 1 << 20};
        struct wr_frames frames;
        uint8_t head[4];
        uint8_t *got;
        size_t len;
        wr_frames_init(&frames, scratch, &budget, 1000);
        wr_store_u32(head, bad[i]);
        assert_int_equal(feed(&frames, head, 4, 4), WEIR_OK);
        assert_true(wr_frames_ready(&frames));
        assert_int_equal(wr_frames_next(&frames, &got, &len), WEIR_E_CORRUPT);
        assert_int_equal(frames.bad_length, bad[i]);
        wr_frames_done(&frames);
    }
}

static void all_connections_together_stay_within_the_budget(void **state)
{
    (void)state;
    struct wr_frame_budget budget = {0, 10000};
    struct wr_frames a, b;
    static uint8_t bytes[9000];
    settle_each = true;
    wr_frames_init(&a, scratch, &budget, 100000);
    wr_frames_init(&b, scratch, &budget, 100000);
    wr_store_u32(bytes, 20000);
    assert_int_equal(feed(&a, bytes, 6000, 6000), WEIR_OK);
    assert_int_equal(feed(&b, bytes, 6000, 6000), WEIR_E_TOOBIG);
    assert_true(budget.used <= budget.max);
    wr_frames_done(&a);
    wr_frames_done(&b);
    assert_int_equal(budget.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_out_whole_however_they_arrive),
        cmocka_unit_test(several_frames_of_one_read_come_out_in_order),
        cmocka_unit_test(
            second_read_keeps_what_the_first_left_in_the_shared_buffer),
        cmocka_unit_test(an_announced_length_costs_nothing_before_it_arrives),
        cmocka_unit_test(lengths_out_of_range_are_refused),
        cmocka_unit_test(all_connections_together_stay_within_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
