/* SPDX-License-Identifier: Apache-2.0 */
#include "stores/order.h"

#include "tests/harness/weir_test.h"

#define KEYS 4000

/* Distinct keys of one of several kinds: short, long common prefixes, zeros at
 * the end, numbers. */
static size_t key_make(uint64_t *seed, int kind, uint32_t n, uint8_t out[700])
{
    memset(out, 'p', 700);
    switch (kind) {
    case 0:
        return (size_t)snprintf((char *)out, 700, "user-%08u", n * 7919u);
    case 1:
        wr_store_u64(out, n * 11400714819323198485u);
        return 8;
    case 2: /* agree in 600 bytes */
        wr_store_u32(out + 600, n * 2654435761u);
        return 604;
    case 3: /* prefixes of each other, with zeros */
        memset(out, 0, 700);
        out[n % 4] = (uint8_t)(n / 4 % 2);
        return n / 8;
    default: {
        size_t len = 4 + wr_test_random(seed) % 30;
        for (size_t i = 4; i < len; i++) {
            out[i] = (uint8_t)(wr_test_random(seed) % 3);
        }
        wr_store_u32(out, n % 5);
        wr_store_u32(out + len, n);
        return len + 4;
    }
    }
}

static size_t fill(struct wr_table *table, uint64_t *seed, int kind,
                   uint32_t count, uint32_t *refs)
{
    uint8_t key[700 + 8];
    size_t made = 0;
    for (uint32_t n = 0; n < count; n++) {
        size_t len = key_make(seed, kind, n, key);
        if (len > 700 || wr_table_find(table, weir_bytes(key, len))) {
            continue;
        }
        assert_status(
            WEIR_OK, wr_table_insert(table, weir_bytes(key, len), &refs[made]));
        made++;
    }
    return made;
}

static void a_sort_gives_byte_order(void **state)
{
    (void)state;
    static uint32_t refs[KEYS];
    static struct wr_sort_item items[2 * KEYS];
    uint64_t seed = wr_test_seed(7);
    for (int kind = 0; kind < 5; kind++) {
        for (uint32_t count = 1; count <= KEYS; count = count * 3 + 1) {
            struct wr_table table;
            wr_table_init(&table);
            size_t n = fill(&table, &seed, kind, count, refs);
            for (size_t i = 0; i < n; i++) {
                items[i] = (struct wr_sort_item){
                    0, wr_entry_at(&table, refs[i]), refs[i]};
            }
            wr_order_sort(items, n, items + n);
            for (size_t i = 1; i < n; i++) {
                assert_true(wr_bytes_compare(wr_entry_key(items[i - 1].entry),
                                             wr_entry_key(items[i].entry)) < 0);
                assert_ptr_equal(wr_entry_at(&table, (uint32_t)items[i].tag),
                                 items[i].entry);
            }
            wr_table_done(&table);
        }
    }
}

/* The index has `count` entries, in order, both ways. */
static void check_index(const struct wr_order *order,
                        const struct wr_table *table, size_t count)
{
    struct wr_order_at at = wr_order_seek(order, table, weir_text(""), false);
    struct wr_order_at end = wr_order_end(order);
    struct weir_bytes before = WEIR_NULL;
    size_t seen = 0;
    for (; !wr_order_same(at, end); wr_order_next(order, &at), seen++) {
        uint32_t ref = wr_order_ref(order, at);
        struct weir_bytes key = wr_entry_key(wr_entry_at(table, ref));
        if (before.data) {
            assert_true(wr_bytes_compare(before, key) < 0);
        }
        struct wr_order_at found = wr_order_seek(order, table, key, false);
        assert_true(wr_order_same(found, at));
        struct wr_order_at behind = at;
        wr_order_next(order, &behind);
        assert_true(
            wr_order_same(wr_order_seek(order, table, key, true), behind));
        wr_order_back(order, &behind);
        assert_true(wr_order_same(behind, at));
        before = key;
    }
    assert_int_equal(seen, count);
    assert_int_equal(order->count, count);
}

static void the_index_stays_sorted(void **state)
{
    (void)state;
    static uint32_t refs[KEYS];
    static bool in[KEYS];
    uint64_t seed = wr_test_seed(9);
    for (int kind = 0; kind < 5; kind++) {
        struct wr_table table;
        struct wr_order order = {0};
        wr_table_init(&table);
        size_t n = fill(&table, &seed, kind, KEYS, refs);
        size_t half = n / 2;
        assert_status(
            WEIR_OK,
            wr_order_build(&order, &table, (struct wr_refs){refs, half, half}));
        assert_true(order.built);
        memset(in, 0, sizeof(in));
        memset(in, 1, half);
        size_t count = half;
        check_index(&order, &table, count);
        for (int round = 0; round < 12000; round++) {
            size_t i = wr_test_random(&seed) % n;
            if (in[i]) {
                wr_order_remove(&order, &table, refs[i]);
                count--;
            } else {
                assert_status(WEIR_OK, wr_order_add(&order, &table, refs[i]));
                count++;
            }
            in[i] = !in[i];
        }
        check_index(&order, &table, count);
        for (size_t i = 0; i < n; i++) {
            if (in[i]) {
                wr_order_remove(&order, &table, refs[i]);
            }
        }
        check_index(&order, &table, 0);
        wr_order_done(&order);
        assert_false(order.built);
        wr_table_done(&table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sort_gives_byte_order),
        cmocka_unit_test(the_index_stays_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
