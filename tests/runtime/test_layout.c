/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/weir_test.h"

#include "runtime/layout.h"

#include <stdio.h>

static void anchor_partitions_alternate_the_sub_topologies(void **state)
{
    (void)state;
    struct weir_error err;
    struct wr_layout l;
    char text[256] = "";
    assert_int_equal(wr_layout_init(&l, (const int32_t[]){4, 4}, 2, &err),
                     WEIR_OK);
    for (int32_t i = 0; i < l.total; i++) {
        struct wr_task_id id;
        size_t n = strlen(text);
        assert_true(wr_layout_task(&l, i, &id));
        (void)snprintf(text + n, sizeof(text) - n, "%d_%d ", id.subtopology,
                       id.partition);
    }
    assert_string_equal(text, "0_0 1_0 1_1 0_1 0_2 1_2 1_3 0_3 ");
    wr_layout_done(&l);
}

static void every_task_has_one_anchor_partition(void **state)
{
    (void)state;
    struct weir_error err;
    struct wr_layout l;
    struct wr_task_id id;
    assert_int_equal(wr_layout_init(&l, (const int32_t[]){1, 7, 3}, 3, &err),
                     WEIR_OK);
    assert_int_equal(l.total, 11);
    for (int32_t i = 0; i < l.total; i++) {
        assert_true(wr_layout_task(&l, i, &id));
        assert_int_equal(wr_layout_anchor(&l, id), i);
    }
    assert_false(wr_layout_task(&l, l.total, &id));
    assert_false(wr_layout_task(&l, -1, &id));
    assert_int_equal(wr_layout_anchor(&l, (struct wr_task_id){0, 1}), -1);
    wr_layout_done(&l);
}

static void too_many_tasks_are_refused(void **state)
{
    (void)state;
    struct weir_error err;
    struct wr_layout l;
    assert_int_equal(
        wr_layout_init(&l, (const int32_t[]){60000, 60000}, 2, &err),
        WEIR_E_TOPOLOGY);
    assert_non_null(strstr(err.text, "fewer partitions"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anchor_partitions_alternate_the_sub_topologies),
        cmocka_unit_test(every_task_has_one_anchor_partition),
        cmocka_unit_test(too_many_tasks_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
