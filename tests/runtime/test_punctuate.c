/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/weir_test.h"

#include "runtime/driver.h"
#include "tests/runtime/graph.h"

#include <stdio.h>

/* One processor that schedules `wanted` at open; callbacks write their times.
 */
static struct {
    int64_t interval_ms;
    enum weir_punctuation type;
    int cancel_after; /* 0: never */
    char fired[512];
    int count;
    struct weir_punctuator *handle;
    bool another; /* the next record schedules one more */
} wanted;

static enum weir_status on_time(struct weir_context *ctx, int64_t now_ms,
                                void *state)
{
    size_t n = strlen(wanted.fired);
    (void)state;
    assert_null(weir_context_topic(ctx));
    (void)snprintf(wanted.fired + n, sizeof(wanted.fired) - n, "%lld ",
                   (long long)now_ms);
    if (++wanted.count == wanted.cancel_after) {
        weir_punctuator_cancel(wanted.handle);
    }
    return WEIR_OK;
}

static enum weir_status open_it(struct weir_context *ctx, void *user,
                                void **state)
{
    (void)user;
    (void)state;
    return weir_context_schedule(ctx, wanted.interval_ms, wanted.type, on_time,
                                 NULL, &wanted.handle);
}

static enum weir_status on_record(struct weir_context *ctx,
                                  const struct weir_record *record, void *state)
{
    (void)record;
    if (!wanted.another) {
        return WEIR_OK;
    }
    wanted.another = false;
    return open_it(ctx, NULL, &state);
}

static struct weir_topology *topology(int64_t interval_ms,
                                      enum weir_punctuation type)
{
    const char *parent = "in";
    struct weir_topology *t = weir_topology_new();
    wanted.interval_ms = interval_ms;
    wanted.type = type;
    wanted.cancel_after = 0;
    wanted.count = 0;
    wanted.another = false;
    wanted.fired[0] = '\0';
    add_source(t, "in", "A");
    weir_topology_processor(
        t, &(struct weir_processor){.size = sizeof(struct weir_processor),
                                    .name = "clock",
                                    .open = open_it,
                                    .process = on_record,
                                    .parents = &parent,
                                    .parent_count = 1});
    return t;
}

static void send_at(struct wr_driver *d, int64_t ts)
{
    struct weir_error err = {0};
    struct weir_record r = make_record("k", "v", ts);
    assert_int_equal(wr_driver_send(d, "A", &r, &err), WEIR_OK);
}

static void
stream_time_slots_are_multiples_and_missed_ones_fire_once(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct wr_driver *d = NULL;
    struct weir_topology *t = topology(10, WEIR_STREAM_TIME);
    assert_int_equal(wr_driver_new(t, NULL, 1, &d, &err), WEIR_OK);
    send_at(d, 3);  /* the slot at 0 */
    send_at(d, 9);  /* none */
    send_at(d, 12); /* 10 */
    send_at(d, 55); /* 20, 30, 40, 50: once */
    send_at(d, 59); /* none */
    send_at(d, 20); /* time does not go back */
    send_at(d, 60); /* 60 */
    assert_string_equal(wanted.fired, "3 12 55 60 ");
    wr_driver_free(d);
    weir_topology_free(t);
}

static void wall_clock_begins_after_one_interval(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct wr_driver *d = NULL;
    struct weir_topology *t = topology(10, WEIR_WALL_CLOCK);
    assert_int_equal(wr_driver_new(t, NULL, 1, &d, &err), WEIR_OK);
    send_at(d, 1000); /* stream time does not matter */
    assert_int_equal(wr_driver_advance(d, 9, &err), WEIR_OK);
    assert_string_equal(wanted.fired, "");
    assert_int_equal(wr_driver_advance(d, 1, &err), WEIR_OK);
    assert_int_equal(wr_driver_advance(d, 35, &err), WEIR_OK);
    assert_int_equal(wr_driver_advance(d, 5, &err), WEIR_OK);
    assert_string_equal(wanted.fired, "10 45 50 ");
    wr_driver_free(d);
    weir_topology_free(t);
}

static void a_punctuator_may_cancel_itself(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct wr_driver *d = NULL;
    struct weir_topology *t = topology(10, WEIR_WALL_CLOCK);
    wanted.cancel_after = 2;
    assert_int_equal(wr_driver_new(t, NULL, 1, &d, &err), WEIR_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(wr_driver_advance(d, 10, &err), WEIR_OK);
    }
    assert_string_equal(wanted.fired, "10 20 ");
    wr_driver_free(d);
    weir_topology_free(t);
}

/* Freed memory that is cancelled again would belong to the new one. */
static void a_handle_that_is_cancelled_again_stops_nothing_else(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct wr_driver *d = NULL;
    struct weir_topology *t = topology(10, WEIR_WALL_CLOCK);
    wanted.cancel_after = 1;
    assert_int_equal(wr_driver_new(t, NULL, 1, &d, &err), WEIR_OK);
    assert_int_equal(wr_driver_advance(d, 10, &err), WEIR_OK);
    struct weir_punctuator *old = wanted.handle;
    wanted.another = true;
    send_at(d, 1);
    weir_punctuator_cancel(old);
    assert_int_equal(wr_driver_advance(d, 10, &err), WEIR_OK);
    assert_int_equal(wr_driver_advance(d, 10, &err), WEIR_OK);
    weir_punctuator_cancel(old);
    assert_string_equal(wanted.fired, "10 20 30 ");
    wr_driver_free(d);
    weir_topology_free(t);
}

static void an_interval_below_one_is_refused(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct wr_driver *d = NULL;
    struct weir_topology *t = topology(0, WEIR_WALL_CLOCK);
    assert_int_equal(wr_driver_new(t, NULL, 1, &d, &err), WEIR_E_INVALID);
    assert_non_null(strstr(err.text, "at least 1"));
    weir_topology_free(t);
}

static void huge_intervals_do_not_overflow(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct wr_driver *d = NULL;
    struct weir_topology *t = topology(INT64_MAX - 1, WEIR_STREAM_TIME);
    assert_int_equal(wr_driver_new(t, NULL, 1, &d, &err), WEIR_OK);
    send_at(d, INT64_MAX - 1);
    send_at(d, INT64_MAX - 1);
    assert_int_equal(wanted.count, 1);
    wr_driver_free(d);
    weir_topology_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            stream_time_slots_are_multiples_and_missed_ones_fire_once),
        cmocka_unit_test(wall_clock_begins_after_one_interval),
        cmocka_unit_test(a_punctuator_may_cancel_itself),
        cmocka_unit_test(a_handle_that_is_cancelled_again_stops_nothing_else),
        cmocka_unit_test(an_interval_below_one_is_refused),
        cmocka_unit_test(huge_intervals_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
