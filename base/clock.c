/* SPDX-License-Identifier: Apache-2.0
 *
 * The system's clocks, for the few places where time enters: the loops that
 * hand it on as now_ms. Thread: any. */
#include "base/clock.h"

#include <time.h>

static int64_t clock_ns(clockid_t id)
{
    struct timespec ts;
    (void)clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t wr_wall_ms(void)
{
    return clock_ns(CLOCK_REALTIME) / 1000000;
}

int64_t wr_mono_ms(void)
{
    return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

int64_t wr_mono_coarse_ms(void)
{
    return clock_ns(CLOCK_MONOTONIC_COARSE) / 1000000;
}

int64_t wr_mono_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}
