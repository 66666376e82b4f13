/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/failure.h"

#include "tests/harness/weir_test.h"

static void success_changes_nothing(void **state)
{
    (void)state;
    for (int step = WR_STEP_PROCESS; step <= WR_STEP_OTHER; step++) {
        assert_int_equal(wr_failure_action(WEIR_OK, (enum wr_step)step),
                         WR_GO_ON);
    }
}

static void a_half_processed_record_is_never_tried_again_in_place(void **state)
{
    (void)state;
    assert_int_equal(wr_failure_action(WEIR_E_TIMEOUT, WR_STEP_PROCESS),
                     WR_ABORT);
    assert_int_equal(wr_failure_action(WEIR_E_TIMEOUT, WR_STEP_COMMIT),
                     WR_TRY_AGAIN);
    assert_int_equal(wr_failure_action(WEIR_E_LOCKED, WR_STEP_RESTORE),
                     WR_TRY_AGAIN);
}

static void the_class_decides(void **state)
{
    (void)state;
    assert_int_equal(wr_failure_action(WEIR_E_ABORT_TXN, WR_STEP_COMMIT),
                     WR_ABORT);
    assert_int_equal(wr_failure_action(WEIR_E_FENCED, WR_STEP_PROCESS),
                     WR_REJOIN);
    assert_int_equal(wr_failure_action(WEIR_E_PROCESSOR, WR_STEP_PROCESS),
                     WR_STOP);
    assert_int_equal(wr_failure_action(WEIR_E_DECODE, WR_STEP_PROCESS),
                     WR_STOP);
    assert_int_equal(wr_failure_action(WEIR_E_CONFIG, WR_STEP_OTHER), WR_STOP);
}

static void patience_ends_after_its_time_and_begins_anew(void **state)
{
    (void)state;
    struct wr_patience p = {0, 0};
    assert_true(wr_patience_failed(&p, 1000, 500));
    int64_t first = p.pause_ms;
    assert_true(wr_patience_failed(&p, 1500, 500));
    assert_true(p.pause_ms > first);
    assert_false(wr_patience_failed(&p, 1501, 500));
    wr_patience_succeeded(&p);
    assert_true(wr_patience_failed(&p, 9000, 500));
    for (int i = 0; i < 100; i++) {
        assert_true(wr_patience_failed(&p, 9001, 500));
    }
    assert_in_range(p.pause_ms, 1, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_changes_nothing),
        cmocka_unit_test(a_half_processed_record_is_never_tried_again_in_place),
        cmocka_unit_test(the_class_decides),
        cmocka_unit_test(patience_ends_after_its_time_and_begins_anew)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
