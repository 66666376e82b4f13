/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/broker/served.h"

#include <stdlib.h>

static int start(void **state)
{
    (void)served_start(state);
    wire_topic(&client, "t", 2);
    return 0;
}

struct commit {
    int16_t version;
    const char *group, *topic, *member, *metadata;
    int32_t generation, partition;
    int64_t offset;
};

static int16_t commit(const struct commit *c)
{
    struct wr_offset_commit_request_partition p = {
        .index = c->partition,
        .committed_offset = c->offset,
        .committed_leader_epoch = 4,
        .commit_timestamp = -1,
        .committed_metadata = weir_text(c->metadata)};
    struct wr_offset_commit_request_topic t = {
        .name = weir_text(c->topic), .partitions = &p, .partitions_count = 1};
    struct wr_offset_commit_response r;
    WIRE_INIT(offset_commit, q);
    q.group_id = weir_text(c->group);
    q.generation_id = c->generation;
    q.member_id = weir_text(c->member ? c->member : "");
    q.topics = &t;
    q.topics_count = 1;
    test_client_call(&client, WR_API_OFFSET_COMMIT, c->version, &q, &r);
    assert_int_equal(r.topics_count, 1);
    assert_int_equal(r.topics[0].partitions[0].index, c->partition);
    return r.topics[0].partitions[0].error_code;
}

static void what_is_committed_is_fetched_in_every_version(void **state)
{
    (void)state;
    for (int16_t version = 0; version <= 9; version++) {
        struct commit c = {.version = version,
                           .group = "g",
                           .topic = "t",
                           .metadata = "meta",
                           .generation = -1,
                           .partition = 1,
                           .offset = 100 + version};
        assert_int_equal(commit(&c), 0);
        int32_t indexes[] = {1, 0};
        struct wr_offset_fetch_response r;
        WIRE_INIT(offset_fetch, q);
        if (version >= 8) {
            struct wr_offset_fetch_request_group_topic t = {
                .name = weir_text("t"),
                .partitions = indexes,
                .partitions_count = 2};
            struct wr_offset_fetch_request_group g = {.group_id =
                                                          weir_text("g"),
                                                      .member_epoch = -1,
                                                      .topics = &t,
                                                      .topics_count = 1};
            q.groups = &g;
            q.groups_count = 1;
            test_client_call(&client, WR_API_OFFSET_FETCH, version, &q, &r);
            assert_int_equal(r.groups[0].error_code, 0);
            assert_int_equal(
                r.groups[0].topics[0].partitions[0].committed_offset,
                100 + version);
            assert_int_equal(
                r.groups[0].topics[0].partitions[1].committed_offset, -1);
            continue;
        }
        struct wr_offset_fetch_request_topic t = {.name = weir_text("t"),
                                                  .partitions = indexes,
                                                  .partitions_count = 2};
        q.group_id = weir_text("g");
        q.topics = &t;
        q.topics_count = 1;
        test_client_call(&client, WR_API_OFFSET_FETCH, version, &q, &r);
        struct wr_offset_fetch_response_partition *p = r.topics[0].partitions;
        assert_int_equal(p[0].committed_offset, 100 + version);
        assert_true(wr_bytes_equal_text(p[0].metadata, "meta"));
        if (version >= 5) {
            assert_int_equal(p[0].committed_leader_epoch,
                             version >= 6 ? 4 : -1);
        }
        assert_int_equal(p[1].committed_offset, -1);
        assert_int_equal(p[1].error_code, 0);
    }
}

static void null_topics_ask_for_all_that_are_stored(void **state)
{
    (void)state;
    for (int32_t partition = 0; partition < 2; partition++) {
        struct commit c = {.version = 7,
                           .group = "all",
                           .topic = "t",
                           .generation = -1,
                           .partition = partition,
                           .offset = partition + 1};
        assert_int_equal(commit(&c), 0);
    }
    struct wr_offset_fetch_response r;
    WIRE_INIT(offset_fetch, q);
    q.group_id = weir_text("all");
    q.topics_count = -1;
    test_client_call(&client, WR_API_OFFSET_FETCH, 7, &q, &r);
    assert_int_equal(r.topics_count, 1);
    assert_int_equal(r.topics[0].partitions_count, 2);
    int64_t sum = r.topics[0].partitions[0].committed_offset +
                  r.topics[0].partitions[1].committed_offset;
    assert_int_equal(sum, 3);
    q.group_id = weir_text("nobody");
    test_client_call(&client, WR_API_OFFSET_FETCH, 7, &q, &r);
    assert_int_equal(r.topics_count, 0);
    assert_int_equal(r.error_code, 0);
}

static void errors_are_kafkas(void **state)
{
    (void)state;
    char *large = malloc(4098);
    memset(large, 'm', 4097);
    large[4097] = '\0';
    struct weir_bytes id;
    assert_int_equal(wire_member(&client, "busy", &id), 1);
    const struct {
        int16_t error;
        struct commit commit;
    } rows[] = {
        {3, {8, "g", "none", NULL, "", -1, 0, 1}},
        {3, {8, "g", "t", NULL, "", -1, 2, 1}},
        {12, {8, "g", "t", NULL, large, -1, 0, 1}},
        {22, {8, "unknown", "t", "m", "", 3, 0, 1}},
        {69, {9, "unknown", "t", "m", "", 3, 0, 1}},
        {25, {8, "busy", "t", NULL, "", -1, 0, 1}},
        {3, {8, "busy", "none", NULL, "", -1, 0, 1}},
        {25, {8, "busy", "t", "stranger", "", 1, 0, 1}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int16_t error = commit(&rows[i].commit);
        if (error != rows[i].error) {
            fail_msg("row %zu: %d instead of %d", i, error, rows[i].error);
        }
    }
    free(large);
}

static void position_of_an_open_transaction_is_unstable(void **state)
{
    (void)state;
    struct wr_init_producer_id_response p;
    assert_int_equal(wire_init(&client, 2, "x", &p), 0);
    struct wr_txn_offset_commit_request_partition at = {
        .index = 0, .committed_offset = 7, .committed_leader_epoch = -1};
    struct wr_txn_offset_commit_request_topic t = {
        .name = weir_text("t"), .partitions = &at, .partitions_count = 1};
    struct wr_txn_offset_commit_response done;
    WIRE_INIT(txn_offset_commit, commit_request);
    commit_request.transactional_id = weir_text("x");
    commit_request.group_id = weir_text("eos");
    commit_request.producer_id = p.producer_id;
    commit_request.producer_epoch = p.producer_epoch;
    commit_request.member_id = weir_text("");
    commit_request.topics = &t;
    commit_request.topics_count = 1;
    test_client_call(&client, WR_API_TXN_OFFSET_COMMIT, 3, &commit_request,
                     &done);
    /* the transaction does not know of the group yet */
    assert_int_equal(done.topics[0].partitions[0].error_code, 48);
    struct wr_add_offsets_to_txn_response added;
    WIRE_INIT(add_offsets_to_txn, add);
    add.transactional_id = weir_text("x");
    add.producer_id = p.producer_id;
    add.producer_epoch = p.producer_epoch;
    add.group_id = weir_text("eos");
    test_client_call(&client, WR_API_ADD_OFFSETS_TO_TXN, 3, &add, &added);
    assert_int_equal(added.error_code, 0);
    test_client_call(&client, WR_API_TXN_OFFSET_COMMIT, 3, &commit_request,
                     &done);
    assert_int_equal(done.topics[0].partitions[0].error_code, 0);
    int32_t index = 0;
    struct wr_offset_fetch_request_topic asked = {
        .name = weir_text("t"), .partitions = &index, .partitions_count = 1};
    struct wr_offset_fetch_response r;
    WIRE_INIT(offset_fetch, q);
    q.group_id = weir_text("eos");
    q.topics = &asked;
    q.topics_count = 1;
    q.require_stable = true;
    test_client_call(&client, WR_API_OFFSET_FETCH, 7, &q, &r);
    assert_int_equal(r.topics[0].partitions[0].error_code, 88);
    q.require_stable = false;
    test_client_call(&client, WR_API_OFFSET_FETCH, 7, &q, &r);
    assert_int_equal(r.topics[0].partitions[0].error_code, 0);
    assert_int_equal(r.topics[0].partitions[0].committed_offset, -1);
    assert_int_equal(wire_end(&client, 2, "x", &p, true), 0);
    q.require_stable = true;
    test_client_call(&client, WR_API_OFFSET_FETCH, 7, &q, &r);
    assert_int_equal(r.topics[0].partitions[0].committed_offset, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_committed_is_fetched_in_every_version),
        cmocka_unit_test(null_topics_ask_for_all_that_are_stored),
        cmocka_unit_test(errors_are_kafkas),
        cmocka_unit_test(position_of_an_open_transaction_is_unstable),
    };
    return cmocka_run_group_tests(tests, start, served_stop);
}
