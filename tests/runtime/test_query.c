/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/runtime/app_fixture.h"

static void keys_are_counted_and_answered(void **state)
{
    (void)state;
    feed("a", "1", 3);
    start();
    wait_for_count("a", 3);
    feed("b", "1", 2);
    feed("a", "1", 1);
    wait_for_count("a", 4);
    wait_for_count("b", 2);
    assert_int_equal(ask("never"), -1);
    struct wr_task_info rows[4];
    assert_int_equal(wr_app_tasks(app, rows, 4), PARTITIONS);
    struct wr_owner owner;
    wr_app_owner(app, 0, 1, false, 0, &owner);
    assert_int_equal(owner.kind, WR_OWNER_HERE);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(keys_are_counted_and_answered)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
