/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/placement.h"

#include "tests/harness/weir_test.h"

static void differs(const char *theirs, const char *ours, const char *want)
{
    char out[256];
    wr_text_difference(theirs, ours, out, sizeof(out));
    assert_string_equal(out, want);
}

static void equal_texts_have_no_difference(void **state)
{
    (void)state;
    differs("", "", "");
    differs("a\nb\n", "a\nb\n", "");
}

static void only_the_lines_that_differ_are_shown(void **state)
{
    (void)state;
    differs("a\nb\nc\n", "a\nx\nc\n", "\n- b\n+ x");
    differs("a\nc\n", "a\nb\nc\n", "\n+ b");
    differs("a\nb\nc\n", "a\nc\n", "\n- b");
    differs("same", "same and more", "\n- same\n+ same and more");
    differs("xab\n", "yab\n", "\n- xab\n+ yab");
}

static void long_differences_are_cut(void **state)
{
    (void)state;
    char out[32];
    char theirs[400];
    memset(theirs, 'x', sizeof(theirs));
    theirs[sizeof(theirs) - 1] = '\0';
    wr_text_difference(theirs, "y", out, sizeof(out));
    assert_true(strlen(out) < sizeof(out));
    assert_int_equal(out[1], '-');
}

static struct wr_task_id seen[8];
static size_t seen_count;
static bool seen_lost;

static void on_given(void *user, const struct wr_task_id *tasks, size_t count)
{
    (void)user;
    memcpy(seen, tasks, count * sizeof(*tasks));
    seen_count = count;
}

static void on_revoked(void *user, const struct wr_task_id *tasks, size_t count,
                       bool lost)
{
    on_given(user, tasks, count);
    seen_lost = lost;
}

static void anchor_partitions_become_tasks(void **state)
{
    (void)state;
    const int32_t counts[] = {2, 2};
    const int32_t partitions[] = {2, 9, 0};
    struct wr_layout layout;
    assert_int_equal(wr_layout_init(&layout, counts, 2, NULL), WEIR_OK);
    struct wr_placement placement = {
        .layout = &layout, .given = on_given, .revoked = on_revoked};
    wr_placement_given(&placement, partitions, 3);
    assert_int_equal(seen_count, 2);
    assert_int_equal(seen[0].subtopology, 1);
    assert_int_equal(seen[0].partition, 1);
    assert_int_equal(seen[1].subtopology, 0);
    wr_placement_revoked(&placement, partitions, 1, true);
    assert_int_equal(seen_count, 1);
    assert_true(seen_lost);
    wr_placement_given(&placement, NULL, 0);
    assert_int_equal(seen_count, 0);
    wr_layout_done(&layout);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_texts_have_no_difference),
        cmocka_unit_test(only_the_lines_that_differ_are_shown),
        cmocka_unit_test(long_differences_are_cut),
        cmocka_unit_test(anchor_partitions_become_tasks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
