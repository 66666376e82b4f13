/* SPDX-License-Identifier: Apache-2.0
 *
 * See the header. Who owns a task elsewhere comes from the group's coordinator:
 * the client id of a member ends with "@host:port" where it advertises one, and
 * its assignment says which anchor partitions it has. What was asked last is
 * kept for a second, for all askers. */
#include "runtime/query.h"

#include "base/clock.h"
#include "base/hash.h"
#include "runtime/app.h"

#include <stdio.h>

#define GROUP_FRESH_MS 1000

const char *wr_app_id(const struct weir_app *app)
{
    return app->plan->application_id;
}

const struct wr_plan *wr_app_plan(const struct weir_app *app)
{
    return app->plan;
}

struct wr_metrics *wr_app_metrics(struct weir_app *app)
{
    return app->metrics;
}

/* ---- stores -------------------------------------------------------------- */

size_t wr_app_store_count(const struct weir_app *app)
{
    size_t n = 0;
    for (size_t i = 0; i < app->plan->subtopology_count; i++) {
        n += app->plan->subtopologies[i].store_count;
    }
    return n;
}

/* Store i over all sub-topologies, and its index in its own. */
static const struct wr_plan_store *store_at(const struct weir_app *app,
                                            size_t i, int *out_subtopology,
                                            int *out_index)
{
    for (size_t s = 0; s < app->plan->subtopology_count; s++) {
        const struct wr_subtopology *sub = &app->plan->subtopologies[s];
        if (i < sub->store_count) {
            *out_subtopology = (int)s;
            *out_index = (int)i;
            return &sub->stores[i];
        }
        i -= sub->store_count;
    }
    return NULL;
}

void wr_app_store(const struct weir_app *app, size_t i,
                  struct wr_store_info *out)
{
    int index = 0;
    *out = (struct wr_store_info){0};
    const struct wr_plan_store *store =
        store_at(app, i, &out->subtopology, &index);
    if (store) {
        out->spec = store->spec;
        out->changelog = store->changelog;
        out->partitions = atomic_load(&app->started)
                              ? app->layout.task_counts[out->subtopology]
                              : 0;
    }
}

bool wr_app_find_store(const struct weir_app *app, const char *name,
                       size_t *out)
{
    size_t count = wr_app_store_count(app);
    for (size_t i = 0; i < count; i++) {
        int subtopology;
        int index;
        const struct wr_plan_store *store =
            store_at(app, i, &subtopology, &index);
        if (store && strcmp(store->spec->name, name) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* ---- tasks --------------------------------------------------------------- */

size_t wr_app_tasks(const struct weir_app *app, struct wr_task_info *out,
                    size_t max)
{
    size_t count = 0;
    for (size_t i = 0; atomic_load(&app->started) && i < app->worker_count;
         i++) {
        wr_worker_tasks(app->workers[i], out, max, &count);
    }
    return count;
}

/* The worker that has a task, with the task's row; NULL when none has. */
static struct wr_worker *worker_of(const struct weir_app *app, int subtopology,
                                   int32_t partition, struct wr_task_info *out)
{
    for (size_t i = 0; atomic_load(&app->started) && i < app->worker_count;
         i++) {
        if (wr_worker_find_task(app->workers[i], subtopology, partition, out)) {
            return app->workers[i];
        }
    }
    return NULL;
}

/* ---- owners -------------------------------------------------------------- */

/* The lock is not held while the broker is asked, which may be away: a reader
 * whose owner is known goes on with what is known while another asks. A failure
 * counts for as long as an answer does. Under owners_lock, which is given up
 * meanwhile. */
static void refresh_group(struct weir_app *app, bool refresh, int timeout_ms)
{
    int64_t now = wr_mono_ms();
    struct wr_group_view group = {NULL, 0, false};
    struct weir_error err;
    int64_t age_ms = now - app->group_asked_ms;
    bool asked = app->group_asked_ms > 0;
    bool fresh = asked && age_ms < GROUP_FRESH_MS;
    bool known = app->group.count > 0 && !refresh;
    if ((fresh && (!refresh || !app->group_answered)) ||
        (known && app->group_askers > 0) || timeout_ms <= 0) {
        return;
    }
    app->group_askers++;
    (void)pthread_mutex_unlock(&app->owners_lock);
    enum weir_status status =
        wr_admin_group(app->admin, app->plan->application_id, app->anchor,
                       timeout_ms, &group, &err);
    (void)pthread_mutex_lock(&app->owners_lock);
    app->group_askers--;
    app->group_answered = status == WEIR_OK;
    app->group_asked_ms = wr_mono_ms();
    if (status == WEIR_OK) {
        wr_group_view_done(&app->group);
        app->group = group;
    }
}

static const char *endpoint_of(const struct wr_group_view *group,
                               int32_t anchor)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct wr_member_view *member = &group->members[i];
        for (size_t k = 0; k < member->partition_count; k++) {
            if (member->partitions[k] == anchor) {
                const char *at = strrchr(member->client_id, '@');
                return at ? at + 1 : NULL;
            }
        }
    }
    return NULL;
}

void wr_app_owner(struct weir_app *app, int subtopology, int32_t partition,
                  bool refresh, int timeout_ms, struct wr_owner *out)
{
    const char *own = wr_options_text(app->options, "application.server");
    *out = (struct wr_owner){.kind = WR_OWNER_UNKNOWN};
    if (worker_of(app, subtopology, partition, &out->task)) {
        out->kind = out->task.phase == WR_TASK_RUNNING ? WR_OWNER_HERE
                                                       : WR_OWNER_RESTORING;
        (void)snprintf(out->endpoint, sizeof(out->endpoint), "%s",
                       own ? own : "");
        return;
    }
    if (!atomic_load(&app->started)) {
        return;
    }
    struct wr_task_id id = {subtopology, partition};
    (void)pthread_mutex_lock(&app->owners_lock);
    refresh_group(app, refresh, timeout_ms);
    const char *endpoint =
        endpoint_of(&app->group, wr_layout_anchor(&app->layout, id));
    if (endpoint && (!own || strcmp(endpoint, own) != 0)) {
        out->kind = WR_OWNER_THERE;
        (void)snprintf(out->endpoint, sizeof(out->endpoint), "%s", endpoint);
    }
    (void)pthread_mutex_unlock(&app->owners_lock);
}

int32_t wr_app_partition(const struct weir_app *app, size_t store,
                         struct weir_bytes key)
{
    struct wr_store_info info;
    wr_app_store(app, store, &info);
    return info.partitions > 0 ? wr_partition_of(key, info.partitions) : 0;
}

/* ---- values -------------------------------------------------------------- */

enum weir_status wr_app_get(struct weir_app *app, const struct wr_query *query,
                            struct wr_query_answer *out, struct weir_error *err)
{
    struct wr_worker_query question = {.task = {0, query->partition},
                                       .key = query->key,
                                       .timeout_ms = query->timeout_ms};
    struct wr_task_info info;
    const struct wr_plan_store *row = store_at(
        app, query->store, &question.task.subtopology, &question.store_index);
    if (!row) {
        return weir_fail(err, WEIR_E_NOTFOUND, "there is no such store");
    }
    struct wr_worker *worker =
        worker_of(app, question.task.subtopology, query->partition, &info);
    if (!worker) {
        return weir_fail(err, WEIR_E_AGAIN, "task %d_%d is not here",
                         question.task.subtopology, (int)query->partition);
    }
    if (atomic_load(&app->stopping)) {
        return weir_fail(err, WEIR_E_CLOSED, "the application is stopping");
    }
    return wr_worker_get(worker, &question, out, err);
}
