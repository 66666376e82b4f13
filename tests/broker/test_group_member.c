/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/group_member.h"

#include "tests/harness/weir_test.h"

static const struct wr_group_config config = {.metadata_bytes_max = 100};
static struct wr_group *group;

static int set_up(void **state)
{
    (void)state;
    return wr_group_new(weir_text("g"), &config, NULL, &group) == WEIR_OK ? 0
                                                                          : 1;
}

static int tear_down(void **state)
{
    (void)state;
    wr_group_free(group);
    return 0;
}

/* A member whose protocols are the letters of `names`, preferred first. */
static struct wr_group_member *add(const char *id, const char *names)
{
    struct wr_group_protocol protocols[8];
    size_t count = 0;
    for (; names[count]; count++) {
        protocols[count].name = weir_bytes(&names[count], 1);
        protocols[count].metadata = weir_text("");
    }
    struct wr_group_member from = {
        .id = weir_text(id), .protocols = protocols, .protocol_count = count};
    struct wr_group_member *member = NULL;
    assert_int_equal(wr_group_member_add(group, &from, &member), WEIR_OK);
    return member;
}

static void vote_is_for_what_all_know_and_most_prefer(void **state)
{
    (void)state;
    assert_true(weir_bytes_is_null(wr_group_vote(group)));
    add("1", "abc");
    assert_true(wr_bytes_equal_text(wr_group_vote(group), "a"));
    add("2", "bca");
    add("3", "bac");
    assert_true(wr_bytes_equal_text(wr_group_vote(group), "b"));
    struct wr_group_member *four = add("4", "xc"); /* c is all that is left */
    assert_true(wr_bytes_equal_text(wr_group_vote(group), "c"));
    wr_group_member_remove(group, four);
    assert_true(wr_bytes_equal_text(wr_group_vote(group), "b"));
    add("5", "x");
    assert_true(weir_bytes_is_null(wr_group_vote(group)));
}

static void metadata_is_counted_and_given_back(void **state)
{
    (void)state;
    struct wr_group_member *member = add("1", "ab");
    assert_int_equal(group->metadata_bytes, 2);
    char text[100];
    memset(text, 't', sizeof(text));
    assert_int_equal(
        wr_group_member_assign(group, member, weir_bytes(text, 98)), WEIR_OK);
    assert_int_equal(
        wr_group_member_assign(group, member, weir_bytes(text, 99)),
        WEIR_E_TOOBIG);
    assert_int_equal(group->metadata_bytes, 100);
    wr_group_member_unassign(group, member);
    assert_int_equal(group->metadata_bytes, 2);
    wr_group_member_remove(group, member);
    assert_int_equal(group->metadata_bytes, 0);
    assert_int_equal(group->member_count, 0);
}

static void pending_ids_are_remembered_once_each(void **state)
{
    (void)state;
    assert_int_equal(wr_group_pending_add(group, weir_text("p"), 5), WEIR_OK);
    assert_int_equal(wr_group_deadline(group), 5);
    assert_false(wr_group_pending_remove(group, weir_text("q")));
    assert_true(wr_group_pending_remove(group, weir_text("p")));
    assert_false(wr_group_pending_remove(group, weir_text("p")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vote_is_for_what_all_know_and_most_prefer),
        TEST(metadata_is_counted_and_given_back),
        TEST(pending_ids_are_remembered_once_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
