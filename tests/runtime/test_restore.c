/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/runtime/app_fixture.h"

static void state_and_position_survive_a_restart(void **state)
{
    (void)state;
    feed("a", "1", 3);
    start();
    wait_for_count("a", 3);
    stop();
    feed("a", "1", 2);
    start();
    wait_for_count("a", 5);
    stop();
}

static void a_lost_folder_is_rebuilt_from_the_changelog(void **state)
{
    (void)state;
    feed("a", "1", 3);
    start();
    wait_for_count("a", 3);
    stop();
    assert_ok(wr_remove_all(dir, &err), err);
    feed("a", "1", 2);
    start();
    wait_for_count("a", 5);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(state_and_position_survive_a_restart),
        T(a_lost_folder_is_rebuilt_from_the_changelog)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
