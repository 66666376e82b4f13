/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/helper.h"

#include "tests/harness/weir_test.h"

#include <stdatomic.h>

struct numbered {
    struct wr_helper_job job;
    int number;
    int ran; /* which one it was */
};

static atomic_int counter, woken;

static void run(struct wr_helper_job *job)
{
    ((struct numbered *)job)->ran = atomic_fetch_add(&counter, 1);
}

static void wake(void *arg)
{
    (void)arg;
    atomic_fetch_add(&woken, 1);
}

static void jobs_run_and_come_back_in_order(void **state)
{
    (void)state;
    struct wr_helper *helper;
    struct numbered jobs[200];
    assert_int_equal(wr_helper_start("test", wake, NULL, &helper, NULL),
                     WEIR_OK);
    assert_null(wr_helper_take(helper));
    for (int i = 0; i < 200; i++) {
        jobs[i] = (struct numbered){.job.run = run, .number = i};
        wr_helper_submit(helper, &jobs[i].job);
    }
    for (int i = 0; i < 200; i++) {
        wr_helper_wait(helper);
        struct numbered *job = (struct numbered *)wr_helper_take(helper);
        assert_non_null(job);
        assert_int_equal(job->number, i);
        assert_int_equal(job->ran, i);
    }
    wr_helper_wait(helper); /* nothing under way: returns */
    wr_helper_stop(helper);
    assert_int_equal(atomic_load(&woken), 200);
}

static void stopping_finishes_what_was_given(void **state)
{
    (void)state;
    struct wr_helper *helper;
    struct numbered jobs[50];
    atomic_store(&counter, 0);
    assert_int_equal(wr_helper_start("test", NULL, NULL, &helper, NULL),
                     WEIR_OK);
    for (int i = 0; i < 50; i++) {
        jobs[i] = (struct numbered){.job.run = run, .number = i};
        wr_helper_submit(helper, &jobs[i].job);
    }
    wr_helper_stop(helper);
    assert_int_equal(atomic_load(&counter), 50);
    wr_helper_stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_run_and_come_back_in_order),
        cmocka_unit_test(stopping_finishes_what_was_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
