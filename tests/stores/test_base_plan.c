/* SPDX-License-Identifier: Apache-2.0
 *
 * All that a task of two stores may find, against what must hold of any plan.
 */
#include "stores/base_plan.h"

#include "tests/harness/weir_test.h"

struct combination {
    struct wr_base_found base;
    struct wr_store_found stores[2];
    enum wr_store_act acts[2];
    enum wr_base_act act;
};

static bool any_mark(const struct combination *c, enum wr_found what)
{
    return c->base.folder == WR_FOUND_WHOLE &&
           (c->stores[0].mark == what || c->stores[1].mark == what);
}

static bool any(const struct combination *c, enum wr_found what)
{
    return c->base.folder == what || any_mark(c, what);
}

/* Calls check with each combination and its plan. */
static void each(void (*check)(const struct combination *c))
{
    static const enum wr_found folders[] = {WR_FOUND_NOTHING, WR_FOUND_WHOLE,
                                            WR_FOUND_DAMAGED,
                                            WR_FOUND_UNREADABLE};
    for (int i = 0; i < 4 * 2 * 2 * 10 * 10; i++) {
        int n = i;
        struct combination c = {.base = {0}};
        c.base.folder = folders[n % 4];
        n /= 4;
        c.base.foreign = n % 2;
        n /= 2;
        c.base.rebuild = n % 2;
        n /= 2;
        for (int s = 0; s < 2; s++) {
            c.stores[s].mark = (enum wr_found)(n % 5);
            n /= 5;
            c.stores[s].no_changelog = n % 2;
            n /= 2;
        }
        c.act = wr_base_plan(&c.base, c.stores, 2, c.acts);
        check(&c);
    }
}

static void check_unreadable(const struct combination *c)
{
    if (any(c, WR_FOUND_UNREADABLE)) {
        assert_int_equal(c->act, WR_BASE_REFUSE);
    }
}

static void what_cannot_be_read_is_left_alone(void **state)
{
    (void)state;
    each(check_unreadable);
}

static void check_removed(const struct combination *c)
{
    if (c->act == WR_BASE_REMOVE) {
        assert_true(c->base.foreign);
        assert_false(c->stores[0].no_changelog || c->stores[1].no_changelog);
    }
    for (int s = 0; c->act == WR_BASE_KEEP && s < 2; s++) {
        if (c->acts[s] == WR_STORE_CLEAR) {
            assert_int_equal(c->stores[s].mark, WR_FOUND_OTHER_KIND);
            assert_false(c->stores[s].no_changelog);
        }
    }
}

static void only_what_a_changelog_has_is_removed(void **state)
{
    (void)state;
    each(check_removed);
}

static void check_kept(const struct combination *c)
{
    if (c->act == WR_BASE_KEEP && c->base.folder != WR_FOUND_NOTHING) {
        assert_int_equal(c->base.folder, WR_FOUND_WHOLE);
        assert_false(c->base.foreign);
        for (int s = 0; s < 2; s++) {
            bool good = c->stores[s].mark == WR_FOUND_WHOLE ||
                        c->stores[s].mark == WR_FOUND_NOTHING;
            assert_true(good || c->acts[s] == WR_STORE_CLEAR);
            assert_true(!good || c->acts[s] == WR_STORE_KEEP);
        }
    }
}

static void nothing_bad_is_kept_and_nothing_good_is_cleared(void **state)
{
    (void)state;
    each(check_kept);
}

static void check_aside(const struct combination *c)
{
    if (c->act == WR_BASE_ASIDE) {
        assert_true(c->base.foreign ||
                    (c->base.rebuild && any(c, WR_FOUND_DAMAGED)));
    }
}

static void set_aside_is_only_what_is_bad_and_may_be_rebuilt(void **state)
{
    (void)state;
    each(check_aside);
}

static void check_refused(const struct combination *c)
{
    bool stuck = false;
    for (int s = 0; s < 2; s++) {
        bool refused = c->acts[s] == WR_STORE_REFUSE;
        stuck = stuck || refused;
        if (refused) {
            assert_int_equal(c->act, WR_BASE_REFUSE);
            assert_int_equal(c->stores[s].mark, WR_FOUND_OTHER_KIND);
            assert_true(c->stores[s].no_changelog);
        }
    }
    if (c->act == WR_BASE_REFUSE) {
        assert_true(stuck || any(c, WR_FOUND_UNREADABLE) ||
                    (any(c, WR_FOUND_DAMAGED) && !c->base.rebuild));
    }
}

static void nothing_is_refused_without_a_reason(void **state)
{
    (void)state;
    each(check_refused);
}

static void check_order(const struct combination *c)
{
    struct wr_store_found turned[2] = {c->stores[1], c->stores[0]};
    enum wr_store_act acts[2];
    assert_int_equal(wr_base_plan(&c->base, turned, 2, acts), c->act);
    assert_int_equal(acts[0], c->acts[1]);
    assert_int_equal(acts[1], c->acts[0]);
}

static void the_order_of_stores_decides_nothing(void **state)
{
    (void)state;
    each(check_order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_read_is_left_alone),
        cmocka_unit_test(only_what_a_changelog_has_is_removed),
        cmocka_unit_test(nothing_bad_is_kept_and_nothing_good_is_cleared),
        cmocka_unit_test(set_aside_is_only_what_is_bad_and_may_be_rebuilt),
        cmocka_unit_test(nothing_is_refused_without_a_reason),
        cmocka_unit_test(the_order_of_stores_decides_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
