/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include "tests/harness/faults.h"
#include "tests/harness/weir_test.h"

static struct weir_bytes number_key(const uint32_t *n)
{
    return weir_bytes(n, sizeof(*n));
}

static void put_get_remove_and_replace(void **state)
{
    (void)state;
    struct wr_map map;
    int one = 1;
    int two = 2;
    void *old = &one;
    wr_map_init(&map);
    assert_null(wr_map_get(&map, weir_text("a")));
    assert_null(wr_map_remove(&map, weir_text("a")));
    assert_status(WEIR_OK, wr_map_put(&map, weir_text("a"), &one, &old));
    assert_null(old);
    assert_status(WEIR_OK, wr_map_put(&map, weir_text("a"), &two, &old));
    assert_ptr_equal(old, &one);
    assert_int_equal(map.count, 1);
    assert_ptr_equal(wr_map_remove(&map, weir_text("a")), &two);
    assert_null(wr_map_get(&map, weir_text("a")));
    assert_int_equal(map.count, 0);
    wr_map_done(&map);
}

static void an_empty_key_is_a_key_and_null_is_not(void **state)
{
    (void)state;
    struct wr_map map;
    int one = 1;
    wr_map_init(&map);
    assert_status(WEIR_OK, wr_map_put(&map, weir_text(""), &one, NULL));
    assert_ptr_equal(wr_map_get(&map, weir_text("")), &one);
    assert_null(wr_map_get(&map, WEIR_NULL));
    assert_null(wr_map_remove(&map, WEIR_NULL));
    assert_status(WEIR_E_INVALID, wr_map_put(&map, WEIR_NULL, &one, NULL));
    assert_status(WEIR_E_INVALID, wr_map_put(&map, weir_text("a"), NULL, NULL));
    wr_map_done(&map);
}

static void the_map_keeps_its_own_copy_of_keys(void **state)
{
    (void)state;
    struct wr_map map;
    int one = 1;
    char key[] = "word";
    wr_map_init(&map);
    assert_status(WEIR_OK, wr_map_put(&map, weir_text(key), &one, NULL));
    key[0] = 'f';
    assert_null(wr_map_get(&map, weir_text(key)));
    assert_ptr_equal(wr_map_get(&map, weir_text("word")), &one);
    wr_map_done(&map);
}

static void iteration_sees_each_key_once_even_when_it_removes_it(void **state)
{
    (void)state;
    struct wr_map map;
    uint8_t seen[1000] = {0};
    size_t cursor = 0;
    struct weir_bytes key;
    void *value;
    wr_map_init(&map);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_status(WEIR_OK,
                      wr_map_put(&map, number_key(&i), &seen[i], NULL));
    }
    while (wr_map_next(&map, &cursor, &key, &value)) {
        uint32_t n;
        assert_int_equal(key.len, sizeof(n));
        memcpy(&n, key.data, sizeof(n));
        assert_ptr_equal(value, &seen[n]);
        seen[n]++;
        if (n % 2 == 0) {
            assert_ptr_equal(wr_map_remove(&map, number_key(&n)), &seen[n]);
        }
    }
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(seen[i], 1);
        assert_true((wr_map_get(&map, number_key(&i)) != NULL) == (i % 2 == 1));
    }
    assert_int_equal(map.count, 500);
    wr_map_done(&map);
}

static void churn_does_not_make_the_map_grow(void **state)
{
    (void)state;
    struct wr_map map;
    int one = 1;
    wr_map_init(&map);
    for (uint32_t i = 0; i < 100000; i++) {
        uint32_t gone = i - 10;
        assert_status(WEIR_OK, wr_map_put(&map, number_key(&i), &one, NULL));
        (void)wr_map_remove(&map, number_key(&gone));
        assert_true(map.count + map.dead < map.cap);
    }
    assert_int_equal(map.count, 10);
    assert_true(map.cap <= 64);
    wr_map_done(&map);
}

/* Against an array that is indexed by the key. */
static void random_operations_agree_with_a_plain_array(void **state)
{
    (void)state;
    enum { KEYS = 500, STEPS = 300000 };
    static int values[KEYS];
    static void *model[KEYS];
    uint64_t seed = wr_test_seed(20260101);
    size_t count = 0;
    struct wr_map map;
    wr_map_init(&map);
    for (int step = 0; step < STEPS; step++) {
        uint32_t k = (uint32_t)(wr_test_random(&seed) % KEYS);
        /* phases of growth and of shrinking */
        bool grow = wr_test_random(&seed) % 100 < (step / 3000 % 2 ? 30u : 70u);
        if (grow) {
            void *value = &values[wr_test_random(&seed) % KEYS];
            void *old;
            assert_status(WEIR_OK,
                          wr_map_put(&map, number_key(&k), value, &old));
            assert_ptr_equal(old, model[k]);
            count += model[k] == NULL;
            model[k] = value;
        } else {
            assert_ptr_equal(wr_map_remove(&map, number_key(&k)), model[k]);
            count -= model[k] != NULL;
            model[k] = NULL;
        }
        assert_int_equal(map.count, count);
        uint32_t probe = (uint32_t)(wr_test_random(&seed) % KEYS);
        assert_ptr_equal(wr_map_get(&map, number_key(&probe)), model[probe]);
    }
    wr_map_done(&map);
}

/* Whatever fails, the keys that were put are there, and no others. */
static enum weir_status fill_map(void *arg)
{
    int one = 1;
    uint32_t put = 0;
    enum weir_status status = WEIR_OK;
    struct wr_map map;
    wr_map_init(&map);
    for (; put < 100 && status == WEIR_OK; put += status == WEIR_OK) {
        status = wr_map_put(&map, number_key(&put), &one, NULL);
    }
    assert_int_equal(map.count, put);
    for (uint32_t i = 0; i <= put; i++) {
        assert_true((wr_map_get(&map, number_key(&i)) != NULL) == (i < put));
    }
    wr_map_done(&map);
    *(uint32_t *)arg = put;
    return status;
}

static void without_memory_the_map_is_as_before(void **state)
{
    (void)state;
    uint32_t put = 0;
    assert_true(wr_faults_each(fill_map, &put) > 100);
    assert_int_equal(put, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_get_remove_and_replace),
        cmocka_unit_test(an_empty_key_is_a_key_and_null_is_not),
        cmocka_unit_test(the_map_keeps_its_own_copy_of_keys),
        cmocka_unit_test(iteration_sees_each_key_once_even_when_it_removes_it),
        cmocka_unit_test(churn_does_not_make_the_map_grow),
        cmocka_unit_test(random_operations_agree_with_a_plain_array),
        cmocka_unit_test(without_memory_the_map_is_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
