/* SPDX-License-Identifier: Apache-2.0
 *
 * The decision table of base_plan.h, in its order. */
#include "stores/base_plan.h"

/* Whether the folder is, or one of the marks in it says so. */
static bool is(const struct wr_base_found *base,
               const struct wr_store_found *stores, int count,
               enum wr_found what)
{
    bool found = base->folder == what;
    for (int i = 0; base->folder == WR_FOUND_WHOLE && i < count; i++) {
        found = found || stores[i].mark == what;
    }
    return found;
}

/* Whether a store has no changelog to be rebuilt from. */
static bool is_only_copy(const struct wr_store_found *stores, int count)
{
    bool found = false;
    for (int i = 0; i < count; i++) {
        found = found || stores[i].no_changelog;
    }
    return found;
}

static enum wr_base_act stores_plan(const struct wr_store_found *stores,
                                    int count, enum wr_store_act *out_acts)
{
    enum wr_base_act act = WR_BASE_KEEP;
    for (int i = 0; i < count; i++) {
        if (stores[i].mark == WR_FOUND_OTHER_KIND) {
            out_acts[i] =
                stores[i].no_changelog ? WR_STORE_REFUSE : WR_STORE_CLEAR;
        }
        if (out_acts[i] == WR_STORE_REFUSE) {
            act = WR_BASE_REFUSE;
        }
    }
    return act;
}

enum wr_base_act wr_base_plan(const struct wr_base_found *base,
                              const struct wr_store_found *stores, int count,
                              enum wr_store_act *out_acts)
{
    for (int i = 0; i < count; i++) {
        out_acts[i] = WR_STORE_KEEP;
    }
    if (base->folder == WR_FOUND_NOTHING) {
        return WR_BASE_KEEP;
    }
    if (is(base, stores, count, WR_FOUND_UNREADABLE)) {
        return WR_BASE_REFUSE;
    }
    if (base->foreign) {
        return is_only_copy(stores, count) ? WR_BASE_ASIDE : WR_BASE_REMOVE;
    }
    if (is(base, stores, count, WR_FOUND_DAMAGED)) {
        return base->rebuild ? WR_BASE_ASIDE : WR_BASE_REFUSE;
    }
    return stores_plan(stores, count, out_acts);
}
