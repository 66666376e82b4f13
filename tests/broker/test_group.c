/* SPDX-License-Identifier: Apache-2.0
 *
 * The classic group as traces: each test drives events at a chosen time and
 * compares the whole text of what came out. A waiter is the name of a client.
 */
#include "broker/group.h"
#include "broker/group_member.h"

#include "tests/harness/weir_test.h"

#include <stdio.h>
#include <stdlib.h>

struct fixture {
    struct wr_group *group;
    struct wr_group_config config;
    struct wr_group_sink sink;
    struct wr_buf trace;
    enum weir_status persist_status; /* what the log answers */
    int64_t now_ms;
};

#define B(bytes) (int)(bytes).len, (const char *)(bytes).data

static void on_join(void *context, struct wr_group *group, void *waiter,
                    const struct wr_group_join_reply *reply)
{
    struct fixture *f = context;
    wr_buf_printf(&f->trace, "[%lld] %s join ", (long long)f->now_ms,
                  (const char *)waiter);
    if (reply->error != 0) {
        wr_buf_printf(&f->trace, "error=%d id=%.*s\n", reply->error,
                      B(reply->member_id));
        return;
    }
    wr_buf_printf(&f->trace, "gen=%d id=%.*s leader=%.*s protocol=%.*s",
                  group->generation, B(reply->member_id), B(reply->leader),
                  B(group->protocol_name));
    if (reply->skip_assignment) {
        wr_buf_printf(&f->trace, " skip");
    }
    for (struct wr_group_member *m = group->members; reply->send_members && m;
         m = m->next) {
        wr_buf_printf(&f->trace, " %.*s:%.*s", B(m->id),
                      B(wr_group_metadata(group, m)));
    }
    wr_buf_printf(&f->trace, "\n");
}

static void on_sync(void *context, struct wr_group *group, void *waiter,
                    const struct wr_group_sync_reply *reply)
{
    (void)group;
    struct fixture *f = context;
    wr_buf_printf(&f->trace, "[%lld] %s sync error=%d \"%.*s\"\n",
                  (long long)f->now_ms, (const char *)waiter, reply->error,
                  B(reply->assignment));
}

static enum weir_status on_persist(void *context, struct wr_group *group)
{
    struct fixture *f = context;
    wr_buf_printf(&f->trace, "[%lld] log %s gen=%d members=%zu\n",
                  (long long)f->now_ms, wr_group_state_name(group->state),
                  group->generation, group->member_count);
    return f->persist_status;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->config = (struct wr_group_config){.session_timeout_min_ms = 10,
                                         .session_timeout_max_ms = 100000,
                                         .member_count_max = 3,
                                         .metadata_bytes_max = 1000};
    f->sink = (struct wr_group_sink){f, on_join, on_sync, on_persist};
    wr_buf_init(&f->trace, 1 << 16);
    assert_int_equal(
        wr_group_new(weir_text("g"), &f->config, &f->sink, &f->group), WEIR_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    wr_group_free(f->group);
    wr_buf_done(&f->trace);
    free(f);
    return 0;
}

/* What came out since the last look. */
static void expect(struct fixture *f, const char *text)
{
    assert_string_equal(wr_buf_text(&f->trace), text);
    wr_buf_reset(&f->trace);
}

#define NAME(text) ((void *)(uintptr_t)(text))

/* A client joins; "!" as metadata: two protocols, "coop" first. */
static void join_as(struct fixture *f, const char *client, const char *id,
                    const char *instance, const char *metadata)
{
    struct wr_group_protocol protocols[2] = {
        {weir_text("range"), weir_text(metadata)},
        {weir_text("coop"), weir_text(metadata)}};
    if (metadata[0] == '!') {
        protocols[0].name = weir_text("coop");
        protocols[1].name = weir_text("range");
    }
    char fresh[32];
    snprintf(fresh, sizeof(fresh), "%s-new", client);
    struct wr_group_join join = {.waiter = NAME(client),
                                 .member_id = weir_text(id),
                                 .fresh_id = weir_text(fresh),
                                 .instance_id = weir_text(instance),
                                 .client_id = weir_text(client),
                                 .client_host = weir_text("/127.0.0.1"),
                                 .protocol_type = weir_text("consumer"),
                                 .protocols = protocols,
                                 .protocol_count = 2,
                                 .session_timeout_ms = 100,
                                 .rebalance_timeout_ms = 500,
                                 .need_known_id = strcmp(id, "?") == 0,
                                 .can_skip_assignment = metadata[0] == '9'};
    if (join.need_known_id) {
        join.member_id = weir_text("");
    }
    wr_group_join(f->group, &join, f->now_ms);
}

static void join(struct fixture *f, const char *client, const char *id)
{
    join_as(f, client, id, NULL, "m");
}

/* Sync; assignments only matter from the leader: "x=1,y=2" as pairs. */
static void sync_as(struct fixture *f, const char *client, const char *instance,
                    int32_t generation, const char *first, const char *second)
{
    struct wr_group_assignment assignments[2] = {
        {weir_text(first), weir_text("A1")},
        {weir_text(second), weir_text("A2")}};
    char id[32];
    snprintf(id, sizeof(id), "%s-new", client);
    struct wr_group_sync sync = {.waiter = NAME(client),
                                 .member_id = weir_text(id),
                                 .instance_id = weir_text(instance),
                                 .generation = generation,
                                 .assignments = assignments,
                                 .assignment_count =
                                     (size_t)(!!first + !!second)};
    wr_group_sync(f->group, &sync, f->now_ms);
}

static int16_t heartbeat(struct fixture *f, const char *id, int32_t generation)
{
    struct wr_group_caller caller = {.member_id = weir_text(id),
                                     .generation = generation};
    return wr_group_heartbeat(f->group, &caller, f->now_ms);
}

static void tick(struct fixture *f, int64_t now_ms)
{
    f->now_ms = now_ms;
    wr_group_tick(f->group, now_ms);
}

/* a and b are members of generation 2, a leads, both have assignments. */
static void make_stable_pair(struct fixture *f)
{
    join(f, "a", "");
    join(f, "b", "");
    join(f, "a", "a-new");
    sync_as(f, "b", NULL, 2, NULL, NULL);
    sync_as(f, "a", NULL, 2, "a-new", "b-new");
    assert_int_equal(f->group->state, WR_GROUP_STABLE);
    wr_buf_reset(&f->trace);
}

static void first_member_leads_and_assigns_itself(void **state)
{
    struct fixture *f = *state;
    join(f, "a", "?");
    join(f, "a", "a-new");
    sync_as(f, "a", NULL, 1, "a-new", NULL);
    expect(f, "[0] a join error=79 id=a-new\n"
              "[0] a join gen=1 id=a-new leader=a-new protocol=range "
              "a-new:m\n"
              "[0] log Stable gen=1 members=1\n"
              "[0] a sync error=0 \"A1\"\n");
    assert_int_equal(heartbeat(f, "a-new", 1), 0);
    assert_int_equal(heartbeat(f, "a-new", 0), 22);
    assert_int_equal(heartbeat(f, "x", 1), 25);
}

static void second_member_waits_until_the_first_comes_again(void **state)
{
    struct fixture *f = *state;
    join(f, "a", "");
    sync_as(f, "a", NULL, 1, "a-new", NULL);
    wr_buf_reset(&f->trace);
    f->now_ms = 10;
    join(f, "b", "");
    expect(f, "");
    assert_int_equal(heartbeat(f, "a-new", 1), 27);
    sync_as(f, "a", NULL, 1, NULL, NULL);
    join(f, "a", "a-new");
    sync_as(f, "b", NULL, 2, NULL, NULL);
    sync_as(f, "a", NULL, 2, "a-new", "b-new");
    expect(f, "[10] a sync error=27 \"\"\n"
              "[10] a join gen=2 id=a-new leader=a-new protocol=range "
              "a-new:m b-new:m\n"
              "[10] b join gen=2 id=b-new leader=a-new protocol=range\n"
              "[10] log Stable gen=2 members=2\n"
              "[10] a sync error=0 \"A1\"\n"
              "[10] b sync error=0 \"A2\"\n");
}

static void laggard_is_out_at_the_deadline(void **state)
{
    struct fixture *f = *state;
    make_stable_pair(f);
    for (int64_t t = 50; t <= 500; t += 50) { /* b lives, but does not join */
        f->now_ms = t;
        if (t == 50) {
            join(f, "a", "a-new");
        }
        assert_int_equal(heartbeat(f, "b-new", 2), 27);
        tick(f, t);
    }
    expect(f, "");
    assert_int_equal(heartbeat(f, "b-new", 2), 27);
    assert_int_equal(wr_group_deadline(f->group), 550);
    tick(f, 549);
    expect(f, "");
    tick(f, 550);
    expect(f, "[550] a join gen=3 id=a-new leader=a-new protocol=range "
              "a-new:m\n");
    assert_int_equal(heartbeat(f, "b-new", 2), 25);
}

static void silence_ends_membership_and_starts_a_round(void **state)
{
    struct fixture *f = *state;
    make_stable_pair(f);
    f->now_ms = 60;
    assert_int_equal(heartbeat(f, "a-new", 2), 0);
    assert_int_equal(wr_group_deadline(f->group), 100);
    tick(f, 100);
    assert_int_equal(heartbeat(f, "b-new", 2), 25);
    assert_int_equal(heartbeat(f, "a-new", 2), 27);
    join(f, "a", "a-new");
    expect(f, "[100] a join gen=3 id=a-new leader=a-new protocol=range "
              "a-new:m\n");
}

static void group_whose_members_leave_is_empty_and_that_is_written(void **state)
{
    struct fixture *f = *state;
    make_stable_pair(f);
    assert_int_equal(wr_group_delete(f->group), 68);
    assert_int_equal(wr_group_leave(f->group, weir_text("a-new"), WEIR_NULL, 0),
                     0);
    assert_int_equal(wr_group_leave(f->group, weir_text("a-new"), WEIR_NULL, 0),
                     25);
    assert_int_equal(wr_group_leave(f->group, weir_text("b-new"), WEIR_NULL, 0),
                     0);
    expect(f, "[0] log Empty gen=3 members=0\n");
    assert_int_equal(wr_group_deadline(f->group), INT64_MAX);
    assert_int_equal(wr_group_delete(f->group), 0);
    join(f, "c", "");
    expect(f, "[0] c join error=15 id=\n");
}

static void follower_with_unchanged_metadata_causes_no_round(void **state)
{
    struct fixture *f = *state;
    make_stable_pair(f);
    join(f, "b", "b-new");
    expect(f, "[0] b join gen=2 id=b-new leader=a-new protocol=range\n");
    join_as(f, "b", "b-new", NULL, "changed");
    expect(f, "");
    assert_int_equal(heartbeat(f, "a-new", 2), 27);
}

static void missing_sync_costs_the_place(void **state)
{
    struct fixture *f = *state;
    join(f, "a", "");
    join(f, "b", "");
    join(f, "a", "a-new");
    f->now_ms = 400;
    for (int64_t t = 50; t <= 450; t += 50) { /* both live */
        f->now_ms = t;
        assert_int_equal(heartbeat(f, "a-new", 2), 0);
        assert_int_equal(heartbeat(f, "b-new", 2), 0);
    }
    sync_as(f, "b", NULL, 2, NULL, NULL);
    wr_buf_reset(&f->trace);
    tick(f, 500);
    expect(f, "[500] b sync error=27 \"\"\n");
    assert_int_equal(heartbeat(f, "a-new", 2), 25);
    assert_int_equal(heartbeat(f, "b-new", 2), 27);
}

static void protocol_is_the_majority_among_common_ones(void **state)
{
    struct fixture *f = *state;
    join_as(f, "a", "", NULL, "m");
    join_as(f, "b", "", NULL, "!m");
    join_as(f, "c", "", NULL, "!m");
    join_as(f, "a", "a-new", NULL, "m");
    expect(f, "[0] a join gen=1 id=a-new leader=a-new protocol=range a-new:m\n"
              "[0] a join gen=2 id=a-new leader=a-new protocol=coop "
              "a-new:m b-new:!m c-new:!m\n"
              "[0] b join gen=2 id=b-new leader=a-new protocol=coop\n"
              "[0] c join gen=2 id=c-new leader=a-new protocol=coop\n");
    struct wr_group_protocol alien = {weir_text("sticky"), weir_text("")};
    struct wr_group_join stranger = {.waiter = NAME("d"),
                                     .member_id = weir_text("a-new"),
                                     .protocol_type = weir_text("consumer"),
                                     .protocols = &alien,
                                     .protocol_count = 1,
                                     .session_timeout_ms = 100,
                                     .rebalance_timeout_ms = 100};
    wr_group_join(f->group, &stranger, 0);
    expect(f, "[0] d join error=23 id=a-new\n");
}

static void static_member_returns_without_a_round(void **state)
{
    struct fixture *f = *state;
    join_as(f, "a", "", "i1", "m");
    sync_as(f, "a", "i1", 1, "a-new", NULL);
    wr_buf_reset(&f->trace);
    join_as(f, "z", "", "i1", "m");
    /* an old client must not believe that it leads */
    expect(f, "[0] log Stable gen=1 members=1\n"
              "[0] z join gen=1 id=z-new leader=a-new protocol=range\n");
    sync_as(f, "z", "i1", 1, NULL, NULL);
    sync_as(f, "a", "i1", 1, NULL, NULL);
    expect(f, "[0] z sync error=0 \"A1\"\n"
              "[0] a sync error=82 \"\"\n");
    join_as(f, "y", "", "i1", "9");
    expect(f, "[0] log Stable gen=1 members=1\n"
              "[0] y join gen=1 id=y-new leader=y-new protocol=range skip "
              "y-new:9\n");
    struct wr_group_caller caller = {weir_text("z-new"), weir_text("i1"), 1};
    assert_int_equal(wr_group_heartbeat(f->group, &caller, 0), 82);
    assert_int_equal(wr_group_check_commit(f->group, &caller, false, 0), 82);
    assert_int_equal(
        wr_group_leave(f->group, weir_text("z-new"), weir_text("i1"), 0), 82);
    assert_int_equal(
        wr_group_leave(f->group, weir_text(""), weir_text("i1"), 0), 0);
    assert_int_equal(f->group->state, WR_GROUP_EMPTY);
}

static void parked_former_incarnation_is_fenced(void **state)
{
    struct fixture *f = *state;
    join_as(f, "a", "", "i1", "m");
    join_as(f, "b", "", "i2", "m");
    join_as(f, "c", "", "i2", "m");
    join_as(f, "a", "a-new", "i1", "m");
    expect(f, "[0] a join gen=1 id=a-new leader=a-new protocol=range a-new:m\n"
              "[0] b join error=82 id=b-new\n"
              "[0] a join gen=2 id=a-new leader=a-new protocol=range "
              "a-new:m c-new:m\n"
              "[0] c join gen=2 id=c-new leader=a-new protocol=range\n");
}

static void absent_static_member_keeps_its_place_until_silence(void **state)
{
    struct fixture *f = *state;
    join_as(f, "a", "", "i1", "m");
    f->now_ms = 1;
    join_as(f, "b", "", "i2", "m");
    tick(f, 99);
    assert_int_equal(f->group->member_count, 2);
    tick(f, 100); /* a is silent since 0 */
    expect(f, "[0] a join gen=1 id=a-new leader=a-new protocol=range a-new:m\n"
              "[100] b join gen=2 id=b-new leader=b-new protocol=range "
              "b-new:m\n");
}

static void initial_delay_collects_first_members(void **state)
{
    struct fixture *f = *state;
    f->config.initial_rebalance_delay_ms = 200;
    join(f, "a", "");
    tick(f, 100);
    join(f, "b", "");
    tick(f, 200);
    expect(f, ""); /* b came: another 200 */
    tick(f, 400);
    expect(f, "[400] a join gen=1 id=a-new leader=a-new protocol=range "
              "a-new:m b-new:m\n"
              "[400] b join gen=1 id=b-new leader=a-new protocol=range\n");
}

static void id_given_out_holds_up_the_round_until_it_expires(void **state)
{
    struct fixture *f = *state;
    make_stable_pair(f);
    join(f, "c", "?");
    join(f, "a", "a-new");
    join(f, "b", "b-new");
    expect(f, "[0] c join error=79 id=c-new\n");
    tick(f, 99);
    expect(f, "");
    tick(f, 100);
    expect(f, "[100] a join gen=3 id=a-new leader=a-new protocol=range "
              "a-new:m b-new:m\n"
              "[100] b join gen=3 id=b-new leader=a-new protocol=range\n");
}

static void limits_hold(void **state)
{
    struct fixture *f = *state;
    make_stable_pair(f);
    join(f, "c", "");
    join(f, "a", "a-new");
    join(f, "b", "b-new");
    wr_buf_reset(&f->trace);
    join(f, "d", "");
    expect(f, "[0] d join error=81 id=\n");
    char big[1001];
    memset(big, 'x', 1000);
    big[1000] = '\0';
    size_t before = f->group->metadata_bytes;
    join_as(f, "c", "c-new", NULL, big);
    expect(f, "[0] c join error=81 id=c-new\n");
    assert_int_equal(f->group->metadata_bytes, before);
    struct wr_group_join join = {.waiter = NAME("e"),
                                 .member_id = weir_text(""),
                                 .session_timeout_ms = 9};
    wr_group_join(f->group, &join, 0);
    expect(f, "[0] e join error=26 id=\n");
}

static void log_failure_makes_everyone_come_again(void **state)
{
    struct fixture *f = *state;
    join(f, "a", "");
    join(f, "b", "");
    join(f, "a", "a-new");
    sync_as(f, "b", NULL, 2, NULL, NULL);
    wr_buf_reset(&f->trace);
    f->persist_status = WEIR_E_NOSPACE;
    sync_as(f, "a", NULL, 2, "a-new", "b-new");
    expect(f, "[0] log Stable gen=2 members=2\n"
              "[0] a sync error=15 \"\"\n"
              "[0] b sync error=15 \"\"\n");
    assert_int_equal(heartbeat(f, "a-new", 2), 27);
}

static void commits_need_the_current_generation(void **state)
{
    struct fixture *f = *state;
    struct wr_group_caller none = {weir_text(""), WEIR_NULL, -1};
    struct wr_group_caller a = {weir_text("a-new"), WEIR_NULL, 2};
    struct wr_group_caller old = {weir_text("a-new"), WEIR_NULL, 1};
    struct wr_group_caller unknown = {weir_text("x"), WEIR_NULL, 2};
    assert_int_equal(wr_group_check_commit(f->group, &none, false, 0), 0);
    make_stable_pair(f);
    assert_int_equal(wr_group_check_commit(f->group, &none, false, 0), 25);
    assert_int_equal(wr_group_check_commit(f->group, &none, true, 0), 0);
    assert_int_equal(wr_group_check_commit(f->group, &a, false, 0), 0);
    assert_int_equal(wr_group_check_commit(f->group, &old, false, 0), 22);
    assert_int_equal(wr_group_check_commit(f->group, &unknown, true, 0), 25);
    join(f, "a", "a-new"); /* preparing: accepted */
    assert_int_equal(wr_group_check_commit(f->group, &a, false, 0), 0);
    join(f, "b", "b-new"); /* completing: not, unless transactional */
    a.generation = 3;
    assert_int_equal(wr_group_check_commit(f->group, &a, false, 0), 27);
    assert_int_equal(wr_group_check_commit(f->group, &a, true, 0), 0);
}

static void join_asked_twice_answers_the_first_one_too(void **state)
{
    struct fixture *f = *state;
    make_stable_pair(f);
    join(f, "a", "a-new");
    join(f, "a", "a-new");
    expect(f, "[0] a join error=27 id=a-new\n");
}

static void leaver_that_waits_is_answered(void **state)
{
    struct fixture *f = *state;
    make_stable_pair(f);
    join(f, "a", "a-new");
    assert_int_equal(wr_group_leave(f->group, weir_text("a-new"), WEIR_NULL, 0),
                     0);
    expect(f, "[0] a join error=25 id=\n");
    join(f, "b", "b-new");
    expect(f, "[0] b join gen=3 id=b-new leader=b-new protocol=range "
              "b-new:m\n");
}

static void restored_members_have_a_whole_session(void **state)
{
    struct fixture *f = *state;
    struct wr_group_protocol protocol = {weir_text("range"), weir_text("m")};
    struct wr_group_member member = {.id = weir_text("a-new"),
                                     .client_id = weir_text("a"),
                                     .client_host = weir_text("/h"),
                                     .protocols = &protocol,
                                     .protocol_count = 1,
                                     .assignment = weir_text("A1"),
                                     .session_timeout_ms = 100,
                                     .rebalance_timeout_ms = 500};
    assert_int_equal(wr_group_member_add(f->group, &member, NULL), WEIR_OK);
    f->group->state = WR_GROUP_STABLE;
    f->group->generation = 7;
    wr_group_restore_done(f->group, 1000);
    f->now_ms = 1050;
    assert_int_equal(wr_group_deadline(f->group), 1100);
    assert_int_equal(heartbeat(f, "a-new", 7), 0);
    sync_as(f, "a", NULL, 7, NULL, NULL);
    expect(f, "[1050] a sync error=0 \"A1\"\n");
    tick(f, 1150);
    expect(f, "[1150] log Empty gen=8 members=0\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_member_leads_and_assigns_itself),
        TEST(second_member_waits_until_the_first_comes_again),
        TEST(laggard_is_out_at_the_deadline),
        TEST(silence_ends_membership_and_starts_a_round),
        TEST(group_whose_members_leave_is_empty_and_that_is_written),
        TEST(follower_with_unchanged_metadata_causes_no_round),
        TEST(missing_sync_costs_the_place),
        TEST(protocol_is_the_majority_among_common_ones),
        TEST(static_member_returns_without_a_round),
        TEST(parked_former_incarnation_is_fenced),
        TEST(absent_static_member_keeps_its_place_until_silence),
        TEST(initial_delay_collects_first_members),
        TEST(id_given_out_holds_up_the_round_until_it_expires),
        TEST(limits_hold),
        TEST(log_failure_makes_everyone_come_again),
        TEST(commits_need_the_current_generation),
        TEST(join_asked_twice_answers_the_first_one_too),
        TEST(leaver_that_waits_is_answered),
        TEST(restored_members_have_a_whole_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
