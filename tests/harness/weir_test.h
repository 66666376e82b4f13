/* The one door to cmocka: it needs these four headers before its own, in this
 * order, which include sorting would break anywhere else. */
#ifndef WEIR_TESTS_WEIR_TEST_H
#define WEIR_TESTS_WEIR_TEST_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#endif
