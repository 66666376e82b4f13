/* SPDX-License-Identifier: Apache-2.0
 *
 * Time, passed in. Code that decides by time takes a `now_ms` or a clock, so
 * that a test can say what time it is. */
#ifndef WEIR_BASE_CLOCK_H
#define WEIR_BASE_CLOCK_H

#include <stdint.h>

/** Milliseconds since 1970-01-01 UTC: record timestamps, wall-clock
 * punctuation. */
int64_t wr_wall_ms(void);
/** Milliseconds that only grow: deadlines and durations. */
int64_t wr_mono_ms(void);
/** As wr_mono_ms, at a few nanoseconds a call and late by 4 ms at most: for
 *  a look after each record. */
int64_t wr_mono_coarse_ms(void);
/** Nanoseconds that only grow: measurements. */
int64_t wr_mono_ns(void);

#endif
