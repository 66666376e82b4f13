/* SPDX-License-Identifier: Apache-2.0
 *
 * The sort is a radix sort over eight bytes of the keys, least significant
 * first, that skips bytes in which all keys agree; groups that agree in all
 * eight are sorted by the next eight. Keys of a fixed form ("user-000123",
 * int64) need three or four passes over memory and look at each entry once or
 * twice.
 *
 * The index is a row of sorted runs of at most RUN_MAX entries. An insertion is
 * two binary searches and a small move; a full run splits. A million entries
 * are some 6,000 runs, so the row itself is small too. */
#include "stores/order.h"

#include <stdlib.h>

#define RUN_MAX     256u
#define RADIX_MIN   64u  /* fewer items: plain comparisons */
#define DEPTH_MAX   512u /* bytes of common prefix before plain comparisons */
#define PREFIX_LEN  8u
#define BYTE_VALUES 256u

/* An entry of the index. */
struct wr_order_item {
    uint64_t prefix; /* first eight bytes of the key, zeros behind */
    uint32_t ref;
};

struct wr_order_run {
    size_t count; /* 1..RUN_MAX */
    struct wr_order_item items[RUN_MAX];
};

/* ---- sort ---------------------------------------------------------------- */

static uint64_t prefix_at(struct weir_bytes key, size_t depth)
{
    if (key.len >= depth + PREFIX_LEN) {
        return wr_load_u64(key.data + depth);
    }
    uint64_t prefix = 0;
    for (size_t i = 0; i < PREFIX_LEN; i++) {
        uint8_t byte = depth + i < key.len ? key.data[depth + i] : 0;
        prefix = prefix << 8 | byte;
    }
    return prefix;
}

static struct weir_bytes key_of(const struct wr_table *table, uint32_t ref)
{
    return wr_entry_key(wr_entry_at(table, ref));
}

static int item_compare(const void *a, const void *b)
{
    const struct wr_sort_item *x = a;
    const struct wr_sort_item *y = b;
    return wr_bytes_compare(wr_entry_key(x->entry), wr_entry_key(y->entry));
}

static void compare_sort(struct wr_sort_item *items, size_t count)
{
    qsort(items, count, sizeof(*items), item_compare);
}

/* Sorts by prefix; the result is in items. */
static void radix_sort(struct wr_sort_item *items, size_t count,
                       struct wr_sort_item *spare)
{
    size_t histogram[PREFIX_LEN][BYTE_VALUES] = {{0}};
    for (size_t i = 0; i < count; i++) {
        for (unsigned b = 0; b < PREFIX_LEN; b++) {
            histogram[b][items[i].prefix >> (8 * b) & 0xff]++;
        }
    }
    struct wr_sort_item *from = items;
    struct wr_sort_item *to = spare;
    for (unsigned b = 0; b < PREFIX_LEN; b++) {
        if (histogram[b][from[0].prefix >> (8 * b) & 0xff] == count) {
            continue;
        }
        size_t start = 0;
        for (size_t v = 0; v < BYTE_VALUES; v++) {
            size_t n = histogram[b][v];
            histogram[b][v] = start;
            start += n;
        }
        for (size_t i = 0; i < count; i++) {
            to[histogram[b][from[i].prefix >> (8 * b) & 0xff]++] = from[i];
        }
        struct wr_sort_item *swap = from;
        from = to;
        to = swap;
    }
    if (from != items) {
        memcpy(items, from, count * sizeof(*items));
    }
}

static void sort_from(struct wr_sort_item *items, size_t count,
                      struct wr_sort_item *spare, size_t depth);

/* Items that agree up to depth + PREFIX_LEN, zeros behind short keys included:
 * the short ones come first, by length; the others are sorted by what follows.
 */
static void sort_equal(struct wr_sort_item *items, size_t count,
                       struct wr_sort_item *spare, size_t depth)
{
    size_t ended = 0;
    for (size_t i = 0; i < count; i++) {
        if (wr_entry_key(items[i].entry).len <= depth + PREFIX_LEN) {
            struct wr_sort_item item = items[i];
            items[i] = items[ended];
            items[ended++] = item;
        }
    }
    compare_sort(items, ended);
    sort_from(items + ended, count - ended, spare, depth + PREFIX_LEN);
}

static void sort_from(struct wr_sort_item *items, size_t count,
                      struct wr_sort_item *spare, size_t depth)
{
    if (count < RADIX_MIN || depth >= DEPTH_MAX) {
        compare_sort(items, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        items[i].prefix = prefix_at(wr_entry_key(items[i].entry), depth);
    }
    radix_sort(items, count, spare);
    for (size_t from = 0; from < count;) {
        size_t to = from + 1;
        while (to < count && items[to].prefix == items[from].prefix) {
            to++;
        }
        if (to - from > 1) {
            sort_equal(items + from, to - from, spare, depth);
        }
        from = to;
    }
}

void wr_order_sort(struct wr_sort_item *items, size_t count,
                   struct wr_sort_item *spare)
{
    sort_from(items, count, spare, 0);
}

/* ---- index -------------------------------------------------------- */

void wr_order_done(struct wr_order *order)
{
    for (size_t i = 0; i < order->run_count; i++) {
        free(order->runs[i]);
    }
    free(order->runs);
    *order = (struct wr_order){0};
}

/* Makes room for an empty run at index `at`. */
static struct wr_order_run *run_insert(struct wr_order *order, size_t at)
{
    if (order->run_count == order->run_cap) {
        size_t cap = order->run_cap ? order->run_cap * 2 : 16;
        void *grown = realloc(order->runs, cap * sizeof(struct wr_order_run *));
        if (!grown) {
            return NULL;
        }
        order->runs = grown;
        order->run_cap = cap;
    }
    struct wr_order_run *run = malloc(sizeof(*run));
    if (!run) {
        return NULL;
    }
    run->count = 0;
    memmove(order->runs + at + 1, order->runs + at,
            (order->run_count - at) * sizeof(struct wr_order_run *));
    order->runs[at] = run;
    order->run_count++;
    return run;
}

/* Fills the index from sorted items, runs three quarters full. */
static enum weir_status fill(struct wr_order *order,
                             const struct wr_table *table,
                             const struct wr_sort_item *items, size_t count)
{
    for (size_t i = 0; i < count;) {
        struct wr_order_run *run = run_insert(order, order->run_count);
        if (!run) {
            return WEIR_E_NOMEM;
        }
        while (i < count && run->count < RUN_MAX / 4 * 3) {
            uint32_t ref = (uint32_t)items[i++].tag;
            run->items[run->count++] =
                (struct wr_order_item){prefix_at(key_of(table, ref), 0), ref};
        }
    }
    order->count = count;
    order->built = true;
    return WEIR_OK;
}

enum weir_status wr_order_build(struct wr_order *order,
                                const struct wr_table *table,
                                struct wr_refs refs)
{
    struct wr_sort_item *items = malloc((refs.count + 1) * 2 * sizeof(*items));
    if (!items) {
        return WEIR_E_NOMEM;
    }
    for (size_t i = 0; i < refs.count; i++) {
        items[i].entry = wr_entry_at(table, refs.at[i]);
        items[i].tag = refs.at[i];
    }
    wr_order_sort(items, refs.count, items + refs.count);
    enum weir_status s = fill(order, table, items, refs.count);
    free(items);
    if (s != WEIR_OK) {
        wr_order_done(order);
    }
    return s;
}

/* <0, 0, >0: the item's key against key, whose prefix is given. */
static int item_against(const struct wr_table *table,
                        const struct wr_order_item *item, uint64_t prefix,
                        struct weir_bytes key)
{
    if (item->prefix != prefix) {
        return item->prefix < prefix ? -1 : 1;
    }
    return wr_bytes_compare(key_of(table, item->ref), key);
}

struct wr_order_at wr_order_seek(const struct wr_order *order,
                                 const struct wr_table *table,
                                 struct weir_bytes key, bool after)
{
    uint64_t prefix = prefix_at(key, 0);
    int limit = after ? 1 : 0; /* keys that compare below it are passed */
    size_t low = 0;            /* runs below it end before the place */
    size_t high = order->run_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct wr_order_run *run = order->runs[mid];
        if (item_against(table, &run->items[run->count - 1], prefix, key) <
            limit) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    struct wr_order_at at = {low, 0};
    if (low == order->run_count) {
        return at;
    }
    const struct wr_order_run *run = order->runs[low];
    size_t end = run->count;
    while (at.item < end) {
        size_t mid = at.item + (end - at.item) / 2;
        if (item_against(table, &run->items[mid], prefix, key) < limit) {
            at.item = mid + 1;
        } else {
            end = mid;
        }
    }
    return at;
}

struct wr_order_at wr_order_end(const struct wr_order *order)
{
    return (struct wr_order_at){order->run_count, 0};
}

uint32_t wr_order_ref(const struct wr_order *order, struct wr_order_at at)
{
    return order->runs[at.run]->items[at.item].ref;
}

void wr_order_next(const struct wr_order *order, struct wr_order_at *at)
{
    if (++at->item == order->runs[at->run]->count) {
        at->run++;
        at->item = 0;
    }
}

void wr_order_back(const struct wr_order *order, struct wr_order_at *at)
{
    if (at->item == 0) {
        at->run--;
        at->item = order->runs[at->run]->count;
    }
    at->item--;
}

/* Splits the full run so that `at` has room. */
static enum weir_status run_split(struct wr_order *order,
                                  struct wr_order_at *at)
{
    struct wr_order_run *right = run_insert(order, at->run + 1);
    if (!right) {
        return WEIR_E_NOMEM;
    }
    struct wr_order_run *left = order->runs[at->run];
    /* Ascending insertions leave full runs behind, not half-full ones. */
    bool appending = at->run + 2 == order->run_count && at->item == RUN_MAX;
    size_t keep = appending ? RUN_MAX - 1 : RUN_MAX / 2;
    right->count = RUN_MAX - keep;
    memcpy(right->items, left->items + keep,
           right->count * sizeof(right->items[0]));
    left->count = keep;
    if (at->item > keep) {
        at->run++;
        at->item -= keep;
    }
    return WEIR_OK;
}

enum weir_status wr_order_add(struct wr_order *order,
                              const struct wr_table *table, uint32_t ref)
{
    struct weir_bytes key = key_of(table, ref);
    struct wr_order_at at = wr_order_seek(order, table, key, false);
    if (at.run == order->run_count) {
        if (order->run_count == 0) {
            if (!run_insert(order, 0)) {
                return WEIR_E_NOMEM;
            }
            at = (struct wr_order_at){0, 0};
        } else {
            at.run--;
            at.item = order->runs[at.run]->count;
        }
    }
    if (order->runs[at.run]->count == RUN_MAX) {
        enum weir_status s = run_split(order, &at);
        if (s != WEIR_OK) {
            return s;
        }
    }
    struct wr_order_run *run = order->runs[at.run];
    memmove(run->items + at.item + 1, run->items + at.item,
            (run->count - at.item) * sizeof(run->items[0]));
    run->items[at.item] = (struct wr_order_item){prefix_at(key, 0), ref};
    run->count++;
    order->count++;
    return WEIR_OK;
}

void wr_order_remove(struct wr_order *order, const struct wr_table *table,
                     uint32_t ref)
{
    struct wr_order_at at =
        wr_order_seek(order, table, key_of(table, ref), false);
    struct wr_order_run *run = order->runs[at.run];
    run->count--;
    order->count--;
    memmove(run->items + at.item, run->items + at.item + 1,
            (run->count - at.item) * sizeof(run->items[0]));
    if (run->count == 0) {
        free(run);
        order->run_count--;
        memmove(order->runs + at.run, order->runs + at.run + 1,
                (order->run_count - at.run) * sizeof(run));
    }
}
