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

int main(void)
{
    const struct CMUnitTest tests[] = {T(errors_have_their_statuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
