/* SPDX-License-Identifier: Apache-2.0
 *
 * What stores of one process share: the warm budget, and the thread that writes
 * down. */
#include "stores/state.h"

#include "tests/stores/fixture.h"

static const struct weir_store_spec rows = {
    .size = sizeof(struct weir_store_spec), .name = "rows"};

#define TASKS 3

static void open_task(struct fixture *f, int task, struct wr_task_state **out)
{
    char dir[WR_TEST_PATH_MAX + 16];
    struct weir_error err = {0};
    const struct weir_store_spec *specs[] = {&rows};
    snprintf(dir, sizeof(dir), "%s/0_%d", f->root, task);
    struct wr_task_state_spec spec = {
        .dir = dir, .stores = specs, .store_count = 1, .hooks = &f->hooks};
    assert_ok(wr_task_state_open(f->env, &spec, out, &err), err);
}

static void use(struct fixture *f, struct wr_task_state *task, int from, int to)
{
    char key[32];
    struct weir_error err = {0};
    for (int i = from; i < to; i++) {
        snprintf(key, sizeof(key), "key-%d", i);
        must_put(wr_task_state_store(task, 0), key, "a value of some length");
        if (i % 500 == 499) {
            f->now_ms++;
            int64_t offset = i;
            assert_ok(wr_task_state_commit(task, &offset, f->now_ms, &err),
                      err);
        }
    }
}

static void the_warm_budget_holds_for_all_tasks_together(void **state)
{
    (void)state;
    struct fixture f;
    struct wr_task_state *tasks[TASKS];
    char key[32];
    size_t budget = 1 << 20;
    fixture_background = true;
    fixture_init(&f, budget);
    fixture_background = false;
    fixture_add(&f, &rows);
    for (int t = 0; t < TASKS; t++) {
        open_task(&f, t, &tasks[t]);
    }
    use(&f, tasks[0], 0, 30000); /* alone, it may use what others leave */
    for (int round = 0; round < 20; round++) {
        for (int t = 0; t < TASKS; t++) {
            use(&f, tasks[t], round * 2000, round * 2000 + 2000);
        }
    }
    size_t used = atomic_load(&f.env->warm_used);
    /* Dirty and unpublished bytes may stand above it for a while. */
    assert_in_range(used, budget / 4, budget * 2);
    for (int t = 0; t < TASKS; t++) {
        for (int i = 0; i < 40000; i += 111) {
            snprintf(key, sizeof(key), "key-%d", i);
            assert_string_equal(must_get(wr_task_state_store(tasks[t], 0), key),
                                "a value of some length");
        }
        assert_int_equal(
            weir_store_approximate_count(wr_task_state_store(tasks[t], 0)) > 0,
            1);
        wr_task_state_close(tasks[t], t % 2 == 0);
    }
    assert_int_equal(atomic_load(&f.env->warm_used), 0);
    assert_int_equal(atomic_load(&f.env->warm_tables), 0);
    fixture_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_warm_budget_holds_for_all_tasks_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
