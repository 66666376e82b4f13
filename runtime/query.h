/* SPDX-License-Identifier: Apache-2.0
 *
 * What an application tells about itself while it runs: its stores, its tasks,
 * who owns which task in the whole group, and committed values of keys.
 *
 * A question about a key is a message to the thread that owns the task; the
 * answer is a copy. Nothing here touches a store from another thread. All
 * functions: any thread, while the application is started. */
#ifndef WEIR_RUNTIME_QUERY_H
#define WEIR_RUNTIME_QUERY_H

#include "base/bytes.h"
#include "base/metrics.h"
#include "runtime/plan.h"

/* ---- what there is ------------------------------------------------------ */

/** The application.id; lent for the app's life, as the two below. */
const char *wr_app_id(const struct weir_app *app);
const struct wr_plan *wr_app_plan(const struct weir_app *app);
struct wr_metrics *wr_app_metrics(struct weir_app *app);

struct wr_store_info {
    const struct weir_store_spec *spec; /* lent for the app's life */
    const char *changelog;              /* topic, or NULL; lent likewise */
    int subtopology;
    int32_t partitions; /* tasks that have it; 0 before the start */
};
/** Stores of the whole topology, not only of this process' tasks. */
size_t wr_app_store_count(const struct weir_app *app);
/** The i-th of them, i below wr_app_store_count(). */
void wr_app_store(const struct weir_app *app, size_t i,
                  struct wr_store_info *out);
/** Index of the store of that name; false when there is none. */
bool wr_app_find_store(const struct weir_app *app, const char *name,
                       size_t *out);

enum wr_task_phase { WR_TASK_RESTORING, WR_TASK_RUNNING };

/** A task of this process, as of a moment ago. */
struct wr_task_info {
    char name[32];
    int subtopology;
    int32_t partition;
    int thread; /* 1.. */
    enum wr_task_phase phase;
    int64_t restored;    /* changelog records replayed so far */
    int64_t restore_end; /* of these in all, as known; 0: nothing to do */
    int64_t lag;         /* records behind over its inputs; -1: unknown */
};
/** Copies up to max rows; returns how many tasks there are. */
size_t wr_app_tasks(const struct weir_app *app, struct wr_task_info *out,
                    size_t max);

/* ---- who owns what ------------------------------------------------------ */

enum wr_owner_kind {
    WR_OWNER_HERE,      /* this process, running */
    WR_OWNER_RESTORING, /* this process, not ready yet */
    WR_OWNER_THERE,     /* another member; its endpoint is known */
    WR_OWNER_UNKNOWN    /* moving, or its member advertises no endpoint */
};

struct wr_owner {
    enum wr_owner_kind kind;
    char endpoint[256]; /* HERE: our own application.server; THERE: host:port */
    struct wr_task_info task; /* HERE and RESTORING */
};
/** Who owns the task of a sub-topology and partition. May ask the group's
 *  coordinator when what is known is older than a second or the task moved
 *  (`refresh`), waiting up to timeout_ms. */
void wr_app_owner(struct weir_app *app, int subtopology, int32_t partition,
                  bool refresh, int timeout_ms, struct wr_owner *out);
/** The partition of a key in a store: the default partitioner over its tasks.
 */
int32_t wr_app_partition(const struct weir_app *app, size_t store,
                         struct weir_bytes key);

/* ---- committed state ---------------------------------------------------- */

struct wr_query_answer {
    bool found;
    struct wr_buf value;  /* owned; wr_buf_done */
    int64_t timestamp_ms; /* -1: none */
    int64_t position;     /* changelog offset of the committed state; -1 */
    int64_t entries;      /* approximate, over the task's store */
};
struct wr_query {
    size_t store;          /* index among the application's stores */
    int32_t partition;     /* its task, which must be here */
    struct weir_bytes key; /* null: only position and entries are asked for */
    int timeout_ms;        /* how long the answer may take */
};
/** The committed value of a key; the query is lent for the call. Errors:
 *  WEIR_E_AGAIN restoring or just moved; WEIR_E_TIMEOUT the thread is busy for
 *  longer than timeout_ms; WEIR_E_CLOSED stopping. */
WEIR_MUST_CHECK enum weir_status wr_app_get(struct weir_app *app,
                                            const struct wr_query *query,
                                            struct wr_query_answer *out,
                                            struct weir_error *err);

#endif
