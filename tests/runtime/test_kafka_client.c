/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/runtime/kafka_fixture.h"

static void errors_have_their_statuses(void **state)
{
    (void)state;
    static const int unknown[] = {3}; /* UNKNOWN_TOPIC_OR_PART */
    assert_int_equal(wr_kafka_status(unknown[0]), WEIR_E_NOTFOUND);
    assert_int_equal(wr_kafka_fail(&err, wr_config_options(config), unknown[0],
                                   NULL, "producing"),
                     WEIR_E_NOTFOUND);
    assert_non_null(strstr(err.text, "producing"));
}

static void a_refusal_is_read_from_the_log(void **state)
{
    (void)state;
    static const char line[] =
        "[thrd:127.0.0.1:9092/1]: 127.0.0.1:9092/1: t [0]: MessageSet with 3 "
        "message(s) (MsgId 1, BaseSeq 0) encountered error: Broker: Disk error "
        "when trying to access log file on disk (actions "
        "Retry,MsgNotPersisted)";
    static const int storage_error = 56;
    assert_int_equal(wr_kafka_refusal("MSGSET", line), storage_error);
    assert_int_equal(wr_kafka_refusal("PRODUCE", line), 0);
    assert_int_equal(wr_kafka_refusal("MSGSET", "t [0]: 3 messages"), 0);
    assert_int_equal(wr_kafka_refusal("MSGSET", "encountered error: "), 0);
    assert_int_equal(wr_kafka_refusal("MSGSET",
                                      "encountered error: Local: Timed out "
                                      "(actions Retry)"),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(errors_have_their_statuses),
                                       T(a_refusal_is_read_from_the_log)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
