/* SPDX-License-Identifier: Apache-2.0
 *
 * The coordinator across restarts: groups, positions and what was pending. */
#include "broker/broker.h"
#include "broker/groups.h"
#include "broker/topics.h"

#include "tests/broker/served.h"

static int start(void **state)
{
    (void)served_start(state);
    wire_topic(&client, "t", 1);
    return 0;
}

static int64_t committed(const char *group, bool stable)
{
    int32_t index = 0;
    struct wr_offset_fetch_request_topic t = {
        .name = weir_text("t"), .partitions = &index, .partitions_count = 1};
    struct wr_offset_fetch_response r;
    WIRE_INIT(offset_fetch, q);
    q.group_id = weir_text(group);
    q.topics = &t;
    q.topics_count = 1;
    q.require_stable = stable;
    test_client_call(&client, WR_API_OFFSET_FETCH, 7, &q, &r);
    return r.topics[0].partitions[0].error_code == 88
               ? -88
               : r.topics[0].partitions[0].committed_offset;
}

static void commit(const char *group, int64_t offset)
{
    struct wr_offset_commit_request_partition p = {.committed_offset = offset,
                                                   .committed_leader_epoch = -1,
                                                   .commit_timestamp = -1};
    struct wr_offset_commit_request_topic t = {
        .name = weir_text("t"), .partitions = &p, .partitions_count = 1};
    struct wr_offset_commit_response r;
    WIRE_INIT(offset_commit, q);
    q.group_id = weir_text(group);
    q.member_id = weir_text("");
    q.topics = &t;
    q.topics_count = 1;
    test_client_call(&client, WR_API_OFFSET_COMMIT, 7, &q, &r);
    assert_int_equal(r.topics[0].partitions[0].error_code, 0);
}

static void commit_in_txn(const char *id,
                          const struct wr_init_producer_id_response *p,
                          const char *group, int64_t offset)
{
    struct wr_add_offsets_to_txn_response added;
    WIRE_INIT(add_offsets_to_txn, add);
    add.transactional_id = weir_text(id);
    add.producer_id = p->producer_id;
    add.producer_epoch = p->producer_epoch;
    add.group_id = weir_text(group);
    test_client_call(&client, WR_API_ADD_OFFSETS_TO_TXN, 3, &add, &added);
    assert_int_equal(added.error_code, 0);
    struct wr_txn_offset_commit_request_partition at = {
        .committed_offset = offset, .committed_leader_epoch = -1};
    struct wr_txn_offset_commit_request_topic t = {
        .name = weir_text("t"), .partitions = &at, .partitions_count = 1};
    struct wr_txn_offset_commit_response done;
    WIRE_INIT(txn_offset_commit, q);
    q.transactional_id = weir_text(id);
    q.group_id = weir_text(group);
    q.producer_id = p->producer_id;
    q.producer_epoch = p->producer_epoch;
    q.member_id = weir_text("");
    q.topics = &t;
    q.topics_count = 1;
    test_client_call(&client, WR_API_TXN_OFFSET_COMMIT, 3, &q, &done);
    assert_int_equal(done.topics[0].partitions[0].error_code, 0);
}

static void members_go_on_with_their_heartbeats_after_a_restart(void **state)
{
    (void)state;
    struct weir_bytes id;
    int32_t generation = wire_member(&client, "g", &id);
    served_restart();
    struct wr_heartbeat_response r;
    WIRE_INIT(heartbeat, q);
    q.group_id = weir_text("g");
    q.generation_id = generation;
    q.member_id = id;
    test_client_call(&client, WR_API_HEARTBEAT, 3, &q, &r);
    assert_int_equal(r.error_code, 0);
    q.generation_id = generation + 1;
    test_client_call(&client, WR_API_HEARTBEAT, 3, &q, &r);
    assert_int_equal(r.error_code, 22);
}

static void positions_are_there_after_a_restart(void **state)
{
    (void)state;
    commit("kept", 41);
    commit("kept", 42);
    served_restart();
    assert_int_equal(committed("kept", true), 42);
    assert_int_equal(committed("never", true), -1);
}

static void pending_positions_stay_pending_across_a_restart(void **state)
{
    (void)state;
    struct wr_init_producer_id_response p[2];
    assert_int_equal(wire_init(&client, 2, "c", &p[0]), 0);
    assert_int_equal(wire_init(&client, 2, "a", &p[1]), 0);
    commit("eos", 1);
    commit_in_txn("c", &p[0], "eos", 10);
    served_restart();
    assert_int_equal(committed("eos", true), -88);
    assert_int_equal(committed("eos", false), 1);
    assert_int_equal(wire_end(&client, 2, "c", &p[0], true), 0);
    assert_int_equal(committed("eos", true), 10);
    commit_in_txn("a", &p[1], "eos", 20);
    served_restart();
    assert_int_equal(wire_end(&client, 2, "a", &p[1], false), 0);
    assert_int_equal(committed("eos", true), 10);
    served_restart(); /* the markers are replayed as well */
    assert_int_equal(committed("eos", true), 10);
}

static void positions_go_with_their_topic(void **state)
{
    (void)state;
    commit("fate", 5);
    wire_delete_topic(&client, "t");
    assert_int_equal(committed("fate", true), -1);
    wire_topic(&client, "t", 1);
    served_restart();
    assert_int_equal(committed("fate", true), -1);
}

static void pending_positions_go_with_their_topic(void **state)
{
    (void)state;
    for (int restart = 0; restart < 2; restart++) {
        struct wr_init_producer_id_response p;
        assert_int_equal(wire_init(&client, 2, "pending", &p), 0);
        commit_in_txn("pending", &p, "fate", 500);
        wire_delete_topic(&client, "t");
        wire_topic(&client, "t", 1);
        if (restart) {
            served_restart();
        }
        assert_int_equal(wire_end(&client, 2, "pending", &p, true), 0);
        assert_int_equal(committed("fate", true), -1);
    }
}

static void deleted_group_stays_away_though_a_transaction_ends(void **state)
{
    (void)state;
    struct wr_init_producer_id_response p;
    struct weir_bytes name = weir_text("gone");
    struct wr_delete_groups_response r;
    assert_int_equal(wire_init(&client, 2, "late", &p), 0);
    commit_in_txn("late", &p, "gone", 500);
    WIRE_INIT(delete_groups, q);
    q.groups = &name;
    q.groups_count = 1;
    test_client_call(&client, WR_API_DELETE_GROUPS, 2, &q, &r);
    assert_int_equal(r.results[0].error_code, 0);
    served_restart();
    assert_int_equal(committed("gone", true), -1);
    assert_int_equal(wire_end(&client, 2, "late", &p, true), 0);
    assert_int_equal(committed("gone", true), -1);
    served_restart();
    assert_int_equal(committed("gone", true), -1);
}

/* ---- in a broker that only is open --------------------------------------- */

static void store(struct wr_groups *groups, struct wr_group_entry *entry,
                  int64_t producer_id, struct wr_offset *position)
{
    struct wr_offset_commit commit = {.offsets = position,
                                      .count = 1,
                                      .producer_id = producer_id,
                                      .producer_epoch = 0};
    position->topic = weir_text("t");
    position->leader_epoch = -1;
    position->metadata = weir_text("");
    assert_int_equal(wr_groups_commit(groups, entry, &commit), 0);
}

/* A position that nothing keeps is a day old; how many survive the rules. */
static size_t kept_a_day(enum wr_group_state state, const char *type,
                         int64_t expire_ms)
{
    struct test_broker still;
    struct wr_group_entry *entry = NULL;
    struct wr_offset position = {.expire_ms = expire_ms, .commit_ms = 0};
    test_broker_open(&still,
                     (const char *[]){"offsets.retention.minutes=1440",
                                      "offsets.topic.num.partitions=1", NULL});
    struct wr_groups *groups = still.broker->groups;
    assert_int_equal(wr_groups_make(groups, weir_text("g"), &entry), WEIR_OK);
    store(groups, entry, -1, &position);
    entry->group->state = state;
    entry->group->protocol_type = weir_text(type);
    entry->empty_since_ms = 0;
    wr_groups_expire(groups, (int64_t)24 * 60 * 60 * 1000);
    entry = wr_groups_find(groups, weir_text("g"));
    size_t kept = entry ? entry->offsets.count : 0;
    if (entry) {
        entry->group->protocol_type = WEIR_NULL;
    }
    test_broker_stop(&still);
    return kept;
}

static void only_what_is_known_to_be_unused_expires(void **state)
{
    (void)state;
    assert_int_equal(kept_a_day(WR_GROUP_STABLE, "connect", -1), 1);
    assert_int_equal(kept_a_day(WR_GROUP_STABLE, "connect", 5), 1);
    assert_int_equal(kept_a_day(WR_GROUP_PREPARING, "consumer", -1), 1);
    assert_int_equal(kept_a_day(WR_GROUP_PREPARING, "consumer", 5), 1);
    /* a group of consumers that subscribe to something else */
    assert_int_equal(kept_a_day(WR_GROUP_STABLE, "consumer", -1), 0);
    assert_int_equal(kept_a_day(WR_GROUP_STABLE, "", -1), 1);
    assert_int_equal(kept_a_day(WR_GROUP_COMPLETING, "connect", -1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_go_on_with_their_heartbeats_after_a_restart),
        cmocka_unit_test(positions_are_there_after_a_restart),
        cmocka_unit_test(pending_positions_stay_pending_across_a_restart),
        cmocka_unit_test(positions_go_with_their_topic),
        cmocka_unit_test(only_what_is_known_to_be_unused_expires),
        cmocka_unit_test(pending_positions_go_with_their_topic),
        cmocka_unit_test(deleted_group_stays_away_though_a_transaction_ends),
    };
    return cmocka_run_group_tests(tests, start, served_stop);
}
