/* SPDX-License-Identifier: Apache-2.0
 *
 * A task with a store of each kind, for tests of what all have in common. */
#ifndef WEIR_TESTS_STORES_THREE_STORES_H
#define WEIR_TESTS_STORES_THREE_STORES_H

#include "tests/stores/fixture.h"

enum { ROWS, STAMPED, MEMORY };

static struct weir_store_spec specs[3];

static inline int setup(void **state)
{
    static struct fixture f;
    fixture_init(&f, 1 << 20);
    specs[ROWS] = (struct weir_store_spec){.name = "rows"};
    specs[STAMPED] =
        (struct weir_store_spec){.name = "stamped", .timestamped = true};
    specs[MEMORY] =
        (struct weir_store_spec){.name = "memory", .engine = WEIR_MEMORY};
    for (int i = 0; i < 3; i++) {
        specs[i].size = sizeof(specs[i]);
        fixture_add(&f, &specs[i]);
    }
    fixture_open(&f);
    *state = &f;
    return 0;
}

static inline int teardown(void **state)
{
    fixture_done(*state);
    return 0;
}

/* A thousand rows in each store, committed; written down when `down`. */
static inline void fill(struct fixture *f, bool down)
{
    char key[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "key-%d", i);
        for (int s = 0; s < f->store_count; s++) {
            must_put(fixture_store(f, s), key, key);
        }
    }
    must_commit(f, 1);
    if (down) {
        must_commit(f, 31000);
    }
}

#endif
