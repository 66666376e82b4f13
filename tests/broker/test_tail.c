/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/tail.h"

#include "tests/harness/weir_test.h"

#define MIB ((size_t)1 << 20)

static struct wr_tail_entry put(struct wr_tail *tail, struct wr_tail_list *list,
                                int64_t base, size_t len)
{
    struct wr_tail_entry entry = {
        .base_offset = base, .last_offset = base + 1, .len = len};
    uint8_t *p = wr_tail_room(tail, len);
    assert_non_null(p);
    memset(p, (int)base & 0xff, len);
    wr_tail_keep(tail, len, &entry.chunk_seq);
    entry.data = p;
    wr_tail_list_add(list, &entry);
    return entry;
}

static void the_newest_stay_within_the_limit(void **state)
{
    (void)state;
    struct wr_tail tail;
    struct wr_tail_list list = {0};
    wr_tail_init(&tail, 4 * MIB);
    for (int64_t i = 0; i < 100; i++) {
        (void)put(&tail, &list, i * 3, MIB / 4);
        assert_true(tail.bytes <= 4 * MIB);
    }
    wr_tail_list_trim(&list, &tail);
    assert_true(list.count >= 12 && list.count <= 16);
    for (size_t i = 0; i < list.count; i++) {
        const struct wr_tail_entry *entry = wr_tail_list_get(&list, i);
        assert_int_equal(entry->data[0], entry->base_offset & 0xff);
        assert_int_equal(entry->data[entry->len - 1],
                         entry->base_offset & 0xff);
    }
    assert_int_equal(wr_tail_list_get(&list, list.count - 1)->base_offset, 297);
    wr_tail_list_done(&list);
    wr_tail_done(&tail);
}

static void a_batch_is_found_by_offset(void **state)
{
    (void)state;
    struct wr_tail tail;
    struct wr_tail_list list = {0};
    wr_tail_init(&tail, 4 * MIB);
    for (int64_t i = 0; i < 50; i++) {
        (void)put(&tail, &list, i * 3, 100);
    }
    assert_int_equal(wr_tail_list_find(&list, 0), 0);
    assert_int_equal(wr_tail_list_find(&list, 31), 10);
    assert_int_equal(wr_tail_list_find(&list, 32), 11); /* in the gap */
    assert_int_equal(wr_tail_list_find(&list, 149), 50);
    wr_tail_list_done(&list);
    wr_tail_done(&tail);
}

static void what_is_pinned_stays_above_the_limit(void **state)
{
    (void)state;
    struct wr_tail tail;
    struct wr_tail_list list = {0};
    wr_tail_init(&tail, 2 * MIB);
    struct wr_tail_entry first = put(&tail, &list, 5, MIB);
    tail.pinned = first.chunk_seq;
    for (int64_t i = 3; i < 8; i++) {
        (void)put(&tail, &list, i * 3, MIB);
    }
    assert_true(wr_tail_alive(&tail, first.chunk_seq));
    assert_int_equal(first.data[MIB - 1], 5);
    tail.pinned = UINT64_MAX;
    (void)put(&tail, &list, 50, MIB);
    assert_false(wr_tail_alive(&tail, first.chunk_seq));
    assert_true(tail.bytes <= 2 * MIB);
    wr_tail_list_done(&list);
    wr_tail_done(&tail);
}

static void room_that_is_not_kept_is_given_again(void **state)
{
    (void)state;
    struct wr_tail tail;
    wr_tail_init(&tail, 2 * MIB);
    uint8_t *first = wr_tail_room(&tail, 100);
    assert_ptr_equal(wr_tail_room(&tail, 200), first);
    wr_tail_done(&tail);
}

static void idle_memory_is_given_back(void **state)
{
    (void)state;
    struct wr_tail tail;
    struct wr_tail_list list = {0};
    wr_tail_init(&tail, 4 * MIB);
    (void)put(&tail, &list, 0, 100);
    wr_tail_touch(&tail, 1000);
    wr_tail_trim(&tail, 1000);
    assert_int_equal(tail.bytes, MIB);
    wr_tail_trim(&tail, 1001);
    assert_int_equal(tail.bytes, 0);
    wr_tail_list_trim(&list, &tail);
    assert_int_equal(list.count, 0);
    assert_null(list.entries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_stay_within_the_limit),
        cmocka_unit_test(a_batch_is_found_by_offset),
        cmocka_unit_test(what_is_pinned_stays_above_the_limit),
        cmocka_unit_test(room_that_is_not_kept_is_given_again),
        cmocka_unit_test(idle_memory_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
