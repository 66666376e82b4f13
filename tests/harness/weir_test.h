/* SPDX-License-Identifier: Apache-2.0
 *
 * The one door to cmocka: it needs these four headers before its own, in this
 * order, which include sorting would break anywhere else. And the two things
 * that nearly every test needs: a status that says its name when it is not the
 * expected one, and a directory that is gone afterwards. */
#ifndef WEIR_TESTS_WEIR_TEST_H
#define WEIR_TESTS_WEIR_TEST_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "base/fs.h"

#include <stdio.h>
#include <stdlib.h>

#define WR_TEST_PATH_MAX 256

/** The status of `expression` is `expected`, or the test fails with both names.
 */
#define assert_status(expected, expression)                                    \
    assert_string_equal(weir_status_name(expected),                            \
                        weir_status_name(expression))

/** `expression`, which writes `err` (a struct weir_error) on failure, is
 * WEIR_OK, or the test fails with the error's text. */
#define assert_ok(expression, err)                                             \
    do {                                                                       \
        enum weir_status status_ = (expression);                               \
        if (status_ != WEIR_OK) {                                              \
            fail_msg("%s: %s", weir_status_name(status_), (err).text);         \
        }                                                                      \
    } while (0)

/** Makes an empty directory and writes its path. Pair with wr_test_dir_done. */
static inline void wr_test_dir_init(char out[WR_TEST_PATH_MAX])
{
    const char *base = getenv("TMPDIR");
    int n = snprintf(out, WR_TEST_PATH_MAX, "%s/weir-test-XXXXXX",
                     base && *base ? base : "/tmp");
    assert_in_range(n, 1, WR_TEST_PATH_MAX - 1);
    assert_non_null(mkdtemp(out));
}

static inline void wr_test_dir_done(const char *path)
{
    struct weir_error err;
    assert_ok(wr_remove_all(path, &err), err);
}

/** The seed of a randomised test: WEIR_SEED, else `standard`. Printed, so that
 * a failure can be run again. */
static inline uint64_t wr_test_seed(uint64_t standard)
{
    const char *text = getenv("WEIR_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : standard;
    print_message("WEIR_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/** The next number of a sequence that the seed decides (splitmix64). */
static inline uint64_t wr_test_random(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

#endif
