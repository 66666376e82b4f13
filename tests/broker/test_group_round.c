/* SPDX-License-Identifier: Apache-2.0
 *
 * Rounds by themselves: who leads, and when one ends. The whole group is in
 * test_group.c. */
#include "broker/group_round.h"

#include "tests/harness/weir_test.h"

static int replies; /* JoinGroups answered */

static void on_join(void *context, struct wr_group *group, void *waiter,
                    const struct wr_group_join_reply *reply)
{
    (void)context;
    (void)group;
    (void)waiter;
    assert_int_equal(reply->error, 0);
    replies++;
}

static void on_sync(void *context, struct wr_group *group, void *waiter,
                    const struct wr_group_sync_reply *reply)
{
    (void)context;
    (void)group;
    (void)waiter;
    assert_int_equal(reply->error, 27);
    replies++;
}

static enum weir_status on_persist(void *context, struct wr_group *group)
{
    (void)context;
    (void)group;
    return WEIR_OK;
}

static const struct wr_group_config config = {.metadata_bytes_max = 100};
static const struct wr_group_sink sink = {NULL, on_join, on_sync, on_persist};
static struct wr_group *group;
static char waiter;

static int set_up(void **state)
{
    (void)state;
    replies = 0;
    return wr_group_new(weir_text("g"), &config, &sink, &group) == WEIR_OK ? 0
                                                                           : 1;
}

static int tear_down(void **state)
{
    (void)state;
    wr_group_free(group);
    return 0;
}

static struct wr_group_member *add(const char *id, const char *instance)
{
    struct wr_group_protocol protocol = {weir_text("range"), weir_text("")};
    struct wr_group_member from = {.id = weir_text(id),
                                   .instance_id = weir_text(instance),
                                   .protocols = &protocol,
                                   .protocol_count = 1,
                                   .session_timeout_ms = 100,
                                   .rebalance_timeout_ms = 500};
    struct wr_group_member *member = NULL;
    assert_int_equal(wr_group_member_add(group, &from, &member), WEIR_OK);
    return member;
}

static void
first_who_has_joined_leads_and_the_absent_static_one_stays(void **state)
{
    (void)state;
    add("absent", "i1");
    add("gone", NULL);
    add("here", NULL)->join_waiter = &waiter;
    wr_group_prepare_round(group, 0);
    assert_int_equal(group->state, WR_GROUP_PREPARING); /* two are awaited */
    wr_group_complete_round(group, 500);
    assert_int_equal(group->state, WR_GROUP_COMPLETING);
    assert_true(wr_bytes_equal_text(group->leader, "here"));
    assert_int_equal(group->member_count, 2);
    assert_int_equal(replies, 1);
}

static void nobody_but_absent_static_members_puts_the_end_off(void **state)
{
    (void)state;
    add("absent", "i1");
    wr_group_prepare_round(group, 0);
    wr_group_complete_round(group, 500);
    assert_int_equal(group->state, WR_GROUP_PREPARING);
    assert_int_equal(group->generation, 0);
    assert_int_equal(group->join_deadline_ms, 1000);
}

static void new_round_takes_assignments_back(void **state)
{
    (void)state;
    struct wr_group_member *member = add("m", NULL);
    member->sync_waiter = &waiter;
    group->state = WR_GROUP_COMPLETING;
    assert_int_equal(wr_group_member_assign(group, member, weir_text("A")),
                     WEIR_OK);
    wr_group_prepare_round(group, 0);
    assert_int_equal(replies, 1);
    assert_int_equal(member->assignment.len, 0);
    assert_int_equal(group->state, WR_GROUP_PREPARING);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_who_has_joined_leads_and_the_absent_static_one_stays),
        TEST(nobody_but_absent_static_members_puts_the_end_off),
        TEST(new_round_takes_assignments_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
