/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pages.h"

#include "tests/harness/weir_test.h"

#include <stdio.h>

/* KiB of files that this process has in memory. */
static long file_kib(void)
{
    char line[256];
    long kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof(line), status)) {
        (void)sscanf(line, "RssFile: %ld", &kib);
    }
    if (status) {
        (void)fclose(status);
    }
    return kib;
}

static int changed = 7; /* in a segment that can be written */

static void only_what_was_read_is_let_go(void **state)
{
    (void)state;
    changed++;
    long before = file_kib();
    assert_true(before > 0);
    wr_pages_let_go();
    long after = file_kib();
    assert_true(after < before);
    assert_int_equal(changed, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_was_read_is_let_go)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
