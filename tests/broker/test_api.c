/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/api.h"

#include "tests/harness/weir_test.h"

#include <stdlib.h>

static int setup(void **state)
{
    (void)state;
    wr_api_init();
    return 0;
}

static void rows_are_within_their_message_tables(void **state)
{
    (void)state;
    size_t n;
    const struct wr_api *rows = wr_apis(&n);
    for (size_t i = 0; i < n; i++) {
        assert_non_null(rows[i].messages);
        assert_non_null(rows[i].handle);
        assert_true(rows[i].version_min >=
                    rows[i].messages->request->version_min);
        assert_true(rows[i].version_max <=
                    rows[i].messages->request->version_max);
        assert_true(rows[i].version_max <=
                    rows[i].messages->response->version_max);
        assert_ptr_equal(wr_api_find(rows[i].key), &rows[i]);
        assert_true(i == 0 || rows[i - 1].key < rows[i].key);
    }
}

/* librdkafka switches compression, groups and more off unless these very old
 * versions are listed. */
static void the_versions_that_librdkafka_looks_for_are_listed(void **state)
{
    (void)state;
    static const int16_t want[][2] = {
        {WR_API_PRODUCE, 0},         {WR_API_PRODUCE, 7},
        {WR_API_FETCH, 2},           {WR_API_FETCH, 10},
        {WR_API_LIST_OFFSETS, 1},    {WR_API_FIND_COORDINATOR, 0},
        {WR_API_OFFSET_COMMIT, 1},   {WR_API_OFFSET_FETCH, 1},
        {WR_API_JOIN_GROUP, 0},      {WR_API_SYNC_GROUP, 0},
        {WR_API_HEARTBEAT, 0},       {WR_API_LEAVE_GROUP, 0},
        {WR_API_INIT_PRODUCER_ID, 0}};
    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
        const struct wr_api *row = wr_api_find(want[i][0]);
        assert_non_null(row);
        assert_true(row->version_min <= want[i][1]);
        assert_true(row->version_max >= want[i][1]);
    }
}

static enum weir_status decode(struct wr_request *request, const uint8_t *frame,
                               size_t len)
{
    *request = (struct wr_request){.frame_len = len - 4};
    request->frame = malloc(len);
    memcpy(request->frame, frame, len);
    wr_arena_init(&request->arena, 1 << 20);
    return wr_api_decode(request);
}

static void done(struct wr_request *request)
{
    wr_arena_done(&request->arena);
    free(request->frame);
}

static void a_flexible_header_has_an_old_client_id_and_tags(void **state)
{
    (void)state;
    static const uint8_t frame[] = {
        0, 0,  0,   0,   /* length, not looked at here */
        0, 3,  0,   9,   /* Metadata v9 */
        0, 0,  0,   42,  /* correlation id */
        0, 2,  'm', 'e', /* client id: int16 length */
        1, 99, 2,   'x', 'y' /* one unknown tag */,
        2, 2,  't', 0, /* one topic */
        1, 0,  0,   0};
    struct wr_request request;
    assert_int_equal(decode(&request, frame, sizeof(frame)), WEIR_OK);
    const struct wr_metadata_request *body = request.body;
    assert_int_equal(request.correlation_id, 42);
    assert_true(wr_bytes_equal_text(request.client_id, "me"));
    assert_int_equal(body->topics_count, 1);
    assert_true(wr_bytes_equal_text(body->topics[0].name, "t"));
    assert_true(body->allow_auto_topic_creation);
    done(&request);
}

static void a_null_client_id_is_fine(void **state)
{
    (void)state;
    static const uint8_t frame[] = {0, 0, 0, 0, 0, 18,   0,
                                    0, 0, 0, 0, 1, 0xff, 0xff};
    struct wr_request request;
    assert_int_equal(decode(&request, frame, sizeof(frame)), WEIR_OK);
    assert_null(request.client_id.data);
    done(&request);
}

static void only_api_versions_may_have_an_unknown_version(void **state)
{
    (void)state;
    uint8_t frame[] = {0, 0, 0, 0, 0, 18, 0, 77, 0, 0, 0, 1, 0xff, 0xff};
    struct wr_request request;
    assert_int_equal(decode(&request, frame, sizeof(frame)), WEIR_OK);
    assert_true(request.unknown_version);
    assert_int_equal(request.version, 0);
    done(&request);
    frame[5] = 3;
    assert_int_equal(decode(&request, frame, sizeof(frame)), WEIR_E_INVALID);
    done(&request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_within_their_message_tables),
        cmocka_unit_test(the_versions_that_librdkafka_looks_for_are_listed),
        cmocka_unit_test(a_flexible_header_has_an_old_client_id_and_tags),
        cmocka_unit_test(a_null_client_id_is_fine),
        cmocka_unit_test(only_api_versions_may_have_an_unknown_version),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
