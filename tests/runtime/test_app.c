/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/runtime/app_fixture.h"

static void a_poison_record_ends_the_application_with_its_place(void **state)
{
    (void)state;
    feed("a", "1", 2);
    feed("a", "poison", 1);
    start();
    assert_int_equal(weir_app_wait(app, &err), WEIR_E_PROCESSOR);
    assert_int_equal(weir_app_state(app), WEIR_APP_ERROR);
    assert_non_null(strstr(err.text, "'count'"));
    assert_non_null(strstr(err.text, "'in' partition 0 offset 2"));
    assert_non_null(strstr(err.text, "this one is poison"));
}

static void a_missing_input_topic_refuses_the_start(void **state)
{
    (void)state;
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "nowhere");
    add_sink(t, "out", "out", "in");
    assert_ok(weir_app_new(t, config, &app, &err), err);
    assert_int_equal(weir_app_start(app, &err), WEIR_E_NOTFOUND);
    assert_non_null(strstr(err.text, "'nowhere'"));
    assert_int_equal(weir_app_state(app), WEIR_APP_STOPPED);
}

static void stopping_before_the_start_is_harmless(void **state)
{
    (void)state;
    assert_ok(weir_app_new(topology(), config, &app, &err), err);
    weir_app_stop(app);
    assert_int_equal(weir_app_wait(app, &err), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_poison_record_ends_the_application_with_its_place),
        T(a_missing_input_topic_refuses_the_start),
        T(stopping_before_the_start_is_harmless)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
