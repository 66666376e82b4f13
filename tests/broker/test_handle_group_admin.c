/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/broker/wire.h"
#include "tests/harness/weir_test.h"

static struct test_broker broker;
static struct test_client client;
static struct weir_bytes member; /* of group "busy" */

static int start(void **state)
{
    (void)state;
    test_broker_start(&broker, NULL);
    test_client_open(&client, &broker);
    assert_int_equal(wire_member(&client, "busy", &member), 1);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_client_close(&client);
    test_broker_stop(&broker);
    return 0;
}

static void coordinator_is_this_broker_in_every_version(void **state)
{
    (void)state;
    struct weir_bytes keys[] = {weir_text("a"), weir_text("")};
    for (int16_t version = 0; version <= 6; version++) {
        int8_t types = version > 0 ? 2 : 1;
        for (int8_t type = 0; type < types; type++) {
            struct wr_find_coordinator_response r;
            WIRE_INIT(find_coordinator, q);
            q.key_type = type;
            if (version < 4) {
                q.key = keys[0];
            } else {
                q.coordinator_keys = keys;
                q.coordinator_keys_count = 2;
            }
            test_client_call(&client, WR_API_FIND_COORDINATOR, version, &q, &r);
            if (version < 4) {
                assert_int_equal(r.error_code, 0);
                assert_int_equal(r.node_id, 1);
                assert_true(r.port > 0);
            } else {
                assert_int_equal(r.coordinators_count, 2);
                assert_int_equal(r.coordinators[0].error_code, 0);
                assert_int_equal(r.coordinators[0].node_id, 1);
                assert_int_equal(r.coordinators[1].error_code,
                                 type == 0 ? 24 : 42);
            }
        }
    }
    struct wr_find_coordinator_response r;
    WIRE_INIT(find_coordinator, q);
    q.key_type = 7;
    q.key = keys[0];
    test_client_call(&client, WR_API_FIND_COORDINATOR, 3, &q, &r);
    assert_int_equal(r.error_code, 42);
}

static void list_obeys_its_filters(void **state)
{
    (void)state;
    struct wr_list_groups_response r;
    for (int16_t version = 0; version <= 5; version++) {
        WIRE_INIT(list_groups, q);
        test_client_call(&client, WR_API_LIST_GROUPS, version, &q, &r);
        assert_int_equal(r.groups_count, 1);
        assert_true(wr_bytes_equal_text(r.groups[0].group_id, "busy"));
        assert_true(wr_bytes_equal_text(r.groups[0].protocol_type, "consumer"));
    }
    struct weir_bytes empty = weir_text("Empty");
    struct weir_bytes stable = weir_text("stable"); /* any case */
    WIRE_INIT(list_groups, q);
    q.states_filter = &empty;
    q.states_filter_count = 1;
    test_client_call(&client, WR_API_LIST_GROUPS, 5, &q, &r);
    assert_int_equal(r.groups_count, 0);
    q.states_filter = &stable;
    test_client_call(&client, WR_API_LIST_GROUPS, 5, &q, &r);
    assert_int_equal(r.groups_count, 1);
    assert_true(wr_bytes_equal_text(r.groups[0].group_type, "classic"));
}

static void groups_are_described_in_every_version(void **state)
{
    (void)state;
    struct weir_bytes ids[] = {weir_text("busy"), weir_text("none")};
    for (int16_t version = 0; version <= 6; version++) {
        struct wr_describe_groups_response r;
        WIRE_INIT(describe_groups, q);
        q.groups = ids;
        q.groups_count = 2;
        test_client_call(&client, WR_API_DESCRIBE_GROUPS, version, &q, &r);
        assert_int_equal(r.groups_count, 2);
        assert_true(wr_bytes_equal_text(r.groups[0].group_state, "Stable"));
        assert_true(wr_bytes_equal_text(r.groups[0].protocol_data, "range"));
        assert_int_equal(r.groups[0].members_count, 1);
        assert_true(
            wr_bytes_equal_text(r.groups[0].members[0].member_assignment, "A"));
        assert_true(wr_bytes_equal_text(r.groups[0].members[0].client_host,
                                        "/127.0.0.1"));
        assert_true(wr_bytes_equal_text(r.groups[1].group_state, "Dead"));
        assert_int_equal(r.groups[1].error_code, version >= 6 ? 69 : 0);
        if (version >= 3) {
            assert_int_equal(r.groups[0].authorized_operations, INT32_MIN);
            q.include_authorized_operations = true;
            test_client_call(&client, WR_API_DESCRIBE_GROUPS, version, &q, &r);
            assert_int_equal(r.groups[0].authorized_operations, 0x0d48);
        }
    }
}

static void groups_of_the_new_protocol_are_refused_with_a_word(void **state)
{
    (void)state;
    for (int16_t version = 0; version <= 1; version++) {
        struct wr_consumer_group_heartbeat_response r;
        WIRE_INIT(consumer_group_heartbeat, q);
        q.group_id = weir_text("new");
        test_client_call(&client, WR_API_CONSUMER_GROUP_HEARTBEAT, version, &q,
                         &r);
        assert_int_equal(r.error_code, WR_ERR_UNSUPPORTED_VERSION);
        assert_true(r.error_message.len > 0);
    }
}

static void only_empty_groups_are_deleted(void **state)
{
    (void)state;
    struct weir_bytes ids[] = {weir_text("busy"), weir_text("none"),
                               weir_text("")};
    struct wr_delete_groups_response r;
    WIRE_INIT(delete_groups, q);
    q.groups = ids;
    q.groups_count = 3;
    test_client_call(&client, WR_API_DELETE_GROUPS, 2, &q, &r);
    assert_int_equal(r.results[0].error_code, 68);
    assert_int_equal(r.results[1].error_code, 69);
    assert_int_equal(r.results[2].error_code, 24);
    struct wr_leave_group_request_member one = {.member_id = member};
    struct wr_leave_group_response left;
    WIRE_INIT(leave_group, leave);
    leave.group_id = weir_text("busy");
    leave.members = &one;
    leave.members_count = 1;
    test_client_call(&client, WR_API_LEAVE_GROUP, 4, &leave, &left);
    assert_int_equal(left.members[0].error_code, 0);
    test_client_call(&client, WR_API_DELETE_GROUPS, 2, &q, &r);
    assert_int_equal(r.results[0].error_code, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coordinator_is_this_broker_in_every_version),
        cmocka_unit_test(list_obeys_its_filters),
        cmocka_unit_test(groups_are_described_in_every_version),
        cmocka_unit_test(groups_of_the_new_protocol_are_refused_with_a_word),
        cmocka_unit_test(only_empty_groups_are_deleted), /* last */
    };
    return cmocka_run_group_tests(tests, start, stop);
}
