/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include "tests/harness/weir_test.h"

#include <time.h>

static void wall_time_is_milliseconds_since_1970(void **state)
{
    (void)state;
    int64_t before = (int64_t)time(NULL);
    int64_t now = wr_wall_ms();
    int64_t after = (int64_t)time(NULL);
    /* time() may read a coarser clock that lags by a tick */
    assert_true(now / 1000 >= before - 1);
    assert_true(now / 1000 <= after + 1);
}

static void monotonic_time_never_goes_back_and_its_units_agree(void **state)
{
    (void)state;
    int64_t last = wr_mono_ns();
    for (int i = 0; i < 100000; i++) {
        int64_t now = wr_mono_ns();
        assert_true(now >= last);
        last = now;
    }
    int64_t ms = wr_mono_ms();
    assert_true(ms >= last / 1000000);
    assert_true(ms <= wr_mono_ns() / 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wall_time_is_milliseconds_since_1970),
        cmocka_unit_test(monotonic_time_never_goes_back_and_its_units_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
