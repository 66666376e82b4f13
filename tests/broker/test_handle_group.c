/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/broker/served.h"

#include <stdio.h>

static char member_id[256]; /* of the last join that gave one */

static struct wr_join_group_response join(int16_t version, const char *group,
                                          const char *id, const char *instance)
{
    struct wr_join_group_request_protocol protocol = {weir_text("range"),
                                                      weir_text("meta")};
    struct wr_join_group_response r;
    WIRE_INIT(join_group, q);
    q.group_id = weir_text(group);
    q.session_timeout_ms = 10000;
    q.rebalance_timeout_ms = version == 0 ? -1 : 10000;
    q.member_id = weir_text(id);
    q.group_instance_id = weir_text(instance);
    q.protocol_type = weir_text("consumer");
    q.protocols = &protocol;
    q.protocols_count = 1;
    test_client_call(&client, WR_API_JOIN_GROUP, version, &q, &r);
    if (r.member_id.len > 0) {
        assert_true(r.member_id.len < sizeof(member_id));
        memcpy(member_id, r.member_id.data, r.member_id.len);
        member_id[r.member_id.len] = '\0';
    }
    return r;
}

static int16_t sync_group(int16_t version, const char *group,
                          int32_t generation, const char *protocol)
{
    struct wr_sync_group_request_assignment own = {weir_text(member_id),
                                                   weir_text("A")};
    struct wr_sync_group_response r;
    WIRE_INIT(sync_group, q);
    q.group_id = weir_text(group);
    q.generation_id = generation;
    q.member_id = weir_text(member_id);
    q.protocol_type = weir_text(version >= 5 ? "consumer" : NULL);
    q.protocol_name = weir_text(version >= 5 ? protocol : NULL);
    q.assignments = &own;
    q.assignments_count = 1;
    test_client_call(&client, WR_API_SYNC_GROUP, version, &q, &r);
    if (r.error_code == 0) {
        assert_true(wr_bytes_equal_text(r.assignment, "A"));
        if (version >= 5) {
            assert_true(wr_bytes_equal_text(r.protocol_type, "consumer"));
            assert_true(wr_bytes_equal_text(r.protocol_name, "range"));
        }
    }
    return r.error_code;
}

static int16_t heartbeat(int16_t version, const char *group, int32_t generation)
{
    struct wr_heartbeat_response r;
    WIRE_INIT(heartbeat, q);
    q.group_id = weir_text(group);
    q.generation_id = generation;
    q.member_id = weir_text(member_id);
    test_client_call(&client, WR_API_HEARTBEAT, version, &q, &r);
    return r.error_code;
}

static int16_t leave(int16_t version, const char *group, const char *id)
{
    struct wr_leave_group_request_member one = {.member_id = weir_text(id)};
    struct wr_leave_group_response r;
    WIRE_INIT(leave_group, q);
    q.group_id = weir_text(group);
    if (version < 3) {
        q.member_id = weir_text(id);
    } else {
        q.members = &one;
        q.members_count = 1;
    }
    test_client_call(&client, WR_API_LEAVE_GROUP, version, &q, &r);
    if (version >= 3 && r.error_code == 0) {
        assert_int_equal(r.members_count, 1);
        return r.members[0].error_code;
    }
    return r.error_code;
}

static int16_t at_most(int16_t version, int16_t max)
{
    return version < max ? version : max;
}

static void whole_life_of_a_member_in_every_version(void **state)
{
    (void)state;
    for (int16_t version = 0; version <= 9; version++) {
        char group[16];
        snprintf(group, sizeof(group), "g%d", version);
        struct wr_join_group_response r = join(version, group, "", NULL);
        if (version >= 4) {
            assert_int_equal(r.error_code, 79);
            char id[256];
            memcpy(id, member_id, sizeof(id));
            r = join(version, group, id, NULL);
        }
        assert_int_equal(r.error_code, 0);
        assert_int_equal(r.generation_id, 1);
        assert_true(wr_bytes_equal(r.leader, r.member_id));
        assert_true(wr_bytes_equal_text(r.protocol_name, "range"));
        assert_int_equal(r.members_count, 1);
        assert_true(wr_bytes_equal_text(r.members[0].metadata, "meta"));
        int16_t sync_version = at_most(version, 5);
        assert_int_equal(sync_group(sync_version, group, 9, "range"), 22);
        assert_int_equal(sync_group(sync_version, group, 1, "range"), 0);
        assert_int_equal(heartbeat(at_most(version, 4), group, 1), 0);
        assert_int_equal(heartbeat(at_most(version, 4), group, 2), 22);
        int16_t leave_version = at_most(version, 5);
        assert_int_equal(leave(leave_version, group, "nobody"), 25);
        assert_int_equal(leave(leave_version, group, member_id), 0);
        assert_int_equal(heartbeat(at_most(version, 4), group, 1), 25);
    }
}

static void errors_are_kafkas(void **state)
{
    (void)state;
    assert_int_equal(join(5, "", "", NULL).error_code, 24);
    assert_int_equal(join(5, "nothing", "some-id", NULL).error_code, 25);
    assert_int_equal(heartbeat(3, "", 1), 24);
    assert_int_equal(heartbeat(3, "nothing", 1), 25);
    assert_int_equal(leave(3, "nothing", "x"), 25);
    assert_int_equal(leave(0, "", "x"), 24);
    assert_int_equal(sync_group(3, "nothing", 1, NULL), 25);
    assert_int_equal(sync_group(5, "nothing", 1, NULL), 23);
}

static void static_leader_is_told_to_skip_the_assignment(void **state)
{
    (void)state;
    struct wr_join_group_response r = join(9, "s", "", "i1");
    assert_int_equal(r.error_code, 0);
    assert_int_equal(sync_group(5, "s", 1, "range"), 0);
    r = join(9, "s", "", "i1");
    assert_int_equal(r.error_code, 0);
    assert_int_equal(r.generation_id, 1);
    assert_true(r.skip_assignment);
    assert_true(wr_bytes_equal(r.leader, r.member_id));
    assert_int_equal(sync_group(5, "s", 1, "other"), 23);
    assert_int_equal(sync_group(5, "s", 1, "range"), 0);
}

static void peer_that_goes_while_it_joins_is_forgotten(void **state)
{
    (void)state;
    struct weir_bytes id;
    assert_int_equal(wire_member(&client, "leaving", &id), 1);
    struct test_client own;
    test_client_open(&own, &broker);
    struct wr_join_group_request_protocol protocol = {weir_text("range"),
                                                      weir_text("")};
    WIRE_INIT(join_group, q);
    q.group_id = weir_text("leaving");
    q.session_timeout_ms = 10000;
    q.rebalance_timeout_ms = 10000;
    q.member_id = weir_text("");
    q.protocol_type = weir_text("consumer");
    q.protocols = &protocol;
    q.protocols_count = 1;
    (void)test_client_send(&own, WR_API_JOIN_GROUP, 3, &q);
    int16_t error = 0; /* until the newcomer is seen */
    memcpy(member_id, id.data, id.len);
    member_id[id.len] = '\0';
    while (error == 0) {
        error = heartbeat(3, "leaving", 1);
    }
    assert_int_equal(error, 27);
    test_client_close(&own); /* parked; its place stays until the deadline */
    assert_int_equal(leave(3, "leaving", member_id), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_life_of_a_member_in_every_version),
        cmocka_unit_test(errors_are_kafkas),
        cmocka_unit_test(static_leader_is_told_to_skip_the_assignment),
        cmocka_unit_test(peer_that_goes_while_it_joins_is_forgotten),
    };
    return cmocka_run_group_tests(tests, served_start, served_stop);
}
