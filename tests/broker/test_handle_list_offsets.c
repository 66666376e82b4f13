/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/broker/wire.h"
#include "tests/harness/weir_test.h"

static struct test_broker broker;
static struct test_client client;

static int start(void **state)
{
    (void)state;
    /* the records are from 1970: keep them */
    static const char *const options[] = {"log.retention.ms=-1", NULL};
    test_broker_start(&broker, options);
    test_client_open(&client, &broker);
    wire_topic(&client, "t", 1);
    for (int i = 0; i < 3; i++) { /* offsets 0, 1, 2 at 1000, 1100, 1050 */
        static const int64_t at_ms[] = {1000, 1100, 1050};
        (void)wire_produce(
            &client, WIRE_PRODUCE(.topic = "t", .timestamp_ms = at_ms[i]));
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_client_close(&client);
    test_broker_stop(&broker);
    return 0;
}

static struct wr_list_offsets_response_partition
list(int16_t version, int32_t partition, int64_t timestamp, int32_t epoch)
{
    struct wr_list_offsets_request_partition p = {.index = partition,
                                                  .current_leader_epoch = epoch,
                                                  .timestamp = timestamp,
                                                  .max_num_offsets = 1};
    struct wr_list_offsets_request_topic t = {
        .name = weir_text("t"), .partitions = &p, .partitions_count = 1};
    struct wr_list_offsets_response r;
    WIRE_INIT(list_offsets, q);
    q.replica_id = -1;
    q.topics = &t;
    q.topics_count = 1;
    test_client_call(&client, WR_API_LIST_OFFSETS, version, &q, &r);
    assert_int_equal(r.topics_count, 1);
    return r.topics[0].partitions[0];
}

static void times_and_names_of_offsets_are_found_in_every_version(void **state)
{
    (void)state;
    static const struct {
        int64_t timestamp, offset, found;
        int16_t since;
    } rows[] = {{-1, 3, -1, 1},     {-2, 0, -1, 1},     {-3, 1, 1100, 7},
                {-4, 0, -1, 8},     {-5, -1, -1, 9},    {0, 0, 1000, 1},
                {1000, 0, 1000, 1}, {1001, 1, 1100, 1}, {1101, -1, -1, 1}};
    for (int16_t version = 1; version <= 10; version++) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            if (version < rows[i].since) {
                continue;
            }
            struct wr_list_offsets_response_partition p =
                list(version, 0, rows[i].timestamp, -1);
            assert_int_equal(p.error_code, 0);
            assert_int_equal(p.offset, rows[i].offset);
            assert_int_equal(p.timestamp, rows[i].found);
        }
    }
}

static void version_0_answers_with_a_list(void **state)
{
    (void)state;
    struct wr_list_offsets_response_partition p = list(0, 0, -1, -1);
    assert_int_equal(p.old_style_offsets_count, 1);
    assert_int_equal(p.old_style_offsets[0], 3);
}

static void errors_are_kafkas(void **state)
{
    (void)state;
    assert_int_equal(list(5, 1, -1, -1).error_code, 3);
    assert_int_equal(list(5, 0, -1, 1000).error_code, 75);
    assert_int_equal(list(5, 0, -77, -1).error_code, 35);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_and_names_of_offsets_are_found_in_every_version),
        cmocka_unit_test(version_0_answers_with_a_list),
        cmocka_unit_test(errors_are_kafkas),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
