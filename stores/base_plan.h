/* SPDX-License-Identifier: Apache-2.0
 *
 * What to do with the base that a task finds in its directory. A pure function
 * of what was read: nothing is changed before everything is known, since the
 * second store may say that the first one's data cannot be kept either.
 *
 *   what was read        folder                       store
 *   nothing there        KEEP, as new                 KEEP
 *   cannot be read       REFUSE                       -
 *   of another cluster   REMOVE; ASIDE when a store   -
 *                        has no changelog
 *   damaged, anywhere    ASIDE, or REFUSE             -
 *   other kind of rows   KEEP; REFUSE when the store  CLEAR
 *                        has no changelog
 *   whole                KEEP                         KEEP
 *
 * The first row that fits decides. With ASIDE and REMOVE all stores begin anew.
 */
#ifndef WEIR_STORES_BASE_PLAN_H
#define WEIR_STORES_BASE_PLAN_H

#include <stdbool.h>

/** State of a folder, or of a store's mark in it. */
enum wr_found {
    WR_FOUND_NOTHING,
    WR_FOUND_WHOLE,
    WR_FOUND_OTHER_KIND, /* stores only: rows with timestamps, or without */
    WR_FOUND_DAMAGED,
    WR_FOUND_UNREADABLE /* it may be whole: a failure that may pass */
};

struct wr_base_found {
    enum wr_found folder;
    bool foreign; /* its changelogs are those of another cluster */
    bool rebuild; /* damage may be set aside */
};

struct wr_store_found {
    enum wr_found mark;
    bool no_changelog; /* what is lost here is lost for good */
};

enum wr_base_act {
    WR_BASE_KEEP,
    WR_BASE_ASIDE,
    WR_BASE_REMOVE,
    WR_BASE_REFUSE
};

enum wr_store_act { WR_STORE_KEEP, WR_STORE_CLEAR, WR_STORE_REFUSE };

/** Decides. `stores` are those with a base; with a folder that is not whole,
 * their marks are not looked at. out_acts gets an act a store, which counts
 * when the folder is kept, or WR_STORE_REFUSE for those that had it refused. */
enum wr_base_act wr_base_plan(const struct wr_base_found *base,
                              const struct wr_store_found *stores, int count,
                              enum wr_store_act *out_acts);

#endif
