/* SPDX-License-Identifier: Apache-2.0
 *
 * An application's life:
 *
 *   CREATED -> start -> REBALANCING <-> RUNNING -> STOPPING -> STOPPED
 *                                \----------------> ERROR
 *
 * Starting is arranged for a short time to the first record. One question
 * brings all topics; what is missing is made. Then the threads begin: they
 * connect, while this thread compares the topology's signature with the
 * group's. Only when that is settled does the gate open and the threads join.
 */
#include "runtime/app.h"

#include "base/fs.h"
#include "base/log.h"
#include "runtime/internal_topics.h"
#include "runtime/placement.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- made and freed ------------------------------------------------------ */

static char *join_text(const char *a, const char *between, const char *b)
{
    size_t size = strlen(a) + strlen(between) + strlen(b) + 1;
    char *text = malloc(size);
    if (text) {
        (void)snprintf(text, size, "%s%s%s", a, between, b);
    }
    return text;
}

static enum weir_status make_parts(struct weir_app *app,
                                   struct weir_topology *topology,
                                   const struct weir_config *config,
                                   struct weir_error *err)
{
    enum weir_status status = weir_topology_check(topology, err);
    if (status == WEIR_OK) {
        status = wr_config_copy(config, &app->config, err);
    }
    if (status != WEIR_OK) {
        return status;
    }
    app->options = wr_config_options(app->config);
    status = wr_config_check(app->options, err);
    if (status == WEIR_OK) {
        status = wr_config_apply_log(app->options, err);
    }
    if (status != WEIR_OK) {
        return status;
    }
    const char *id = wr_options_text(app->options, "application.id");
    app->anchor = join_text(id, "", WR_ANCHOR_SUFFIX);
    app->state_dir =
        join_text(wr_options_text(app->options, "state.dir"), "/", id);
    if (!app->anchor || !app->state_dir ||
        wr_metrics_new(&app->metrics) != WEIR_OK) {
        return weir_fail(err, WEIR_E_NOMEM, "application: out of memory");
    }
    return wr_plan_new(topology, id, &app->plan, err);
}

enum weir_status weir_app_new(struct weir_topology *topology,
                              const struct weir_config *config,
                              struct weir_app **out, struct weir_error *err)
{
    if (!topology || !config || !out) {
        return weir_fail(err, WEIR_E_INVALID,
                         "an application needs a topology and a "
                         "configuration");
    }
    struct weir_app *app = calloc(1, sizeof(*app));
    if (!app) {
        return weir_fail(err, WEIR_E_NOMEM, "application: out of memory");
    }
    app->process.lock_fd = -1;
    (void)pthread_mutex_init(&app->lock, NULL);
    (void)pthread_mutex_init(&app->owners_lock, NULL);
    (void)pthread_cond_init(&app->changed, NULL);
    enum weir_status status = make_parts(app, topology, config, err);
    if (status != WEIR_OK) {
        weir_app_free(app); /* the topology stays the caller's */
        return status;
    }
    app->topology = topology;
    *out = app;
    return WEIR_OK;
}

static void stop_workers(struct weir_app *app, bool leave)
{
    for (size_t i = 0; i < app->worker_count; i++) {
        wr_worker_stop(app->workers[i], leave);
    }
}

static void join_workers(struct weir_app *app)
{
    for (size_t i = 0; i < app->worker_count; i++) {
        wr_worker_join(app->workers[i]);
    }
}

/* Ends what the start began, threads first. */
static void end_parts(struct weir_app *app)
{
    for (size_t i = 0; i < app->worker_count; i++) {
        wr_worker_free(app->workers[i]);
    }
    app->worker_count = 0;
    free(app->workers);
    app->workers = NULL;
    wr_admin_free(app->admin);
    app->admin = NULL;
    wr_store_env_free(app->stores);
    app->stores = NULL;
    wr_process_id_close(&app->process);
    wr_cluster_topics_done(&app->topics);
    wr_layout_done(&app->layout);
    free(app->client_base);
    app->client_base = NULL;
}

void weir_app_free(struct weir_app *app)
{
    if (!app) {
        return;
    }
    if (atomic_load(&app->started) && !atomic_load(&app->stopped)) {
        weir_app_stop(app); /* a caller in a hurry; better late than wrong */
        join_workers(app);
    }
    end_parts(app);
    wr_group_view_done(&app->group);
    wr_plan_free(app->plan);
    weir_topology_free(app->topology);
    weir_config_free(app->config);
    wr_metrics_free(app->metrics);
    free(app->anchor);
    free(app->state_dir);
    (void)pthread_cond_destroy(&app->changed);
    (void)pthread_mutex_destroy(&app->owners_lock);
    (void)pthread_mutex_destroy(&app->lock);
    free(app);
}

/* ---- what threads call --------------------------------------------------- */

static void set_gate(struct weir_app *app, enum wr_gate gate)
{
    (void)pthread_mutex_lock(&app->lock);
    if (app->gate == WR_GATE_SHUT) {
        app->gate = gate;
    }
    (void)pthread_cond_broadcast(&app->changed);
    (void)pthread_mutex_unlock(&app->lock);
}

static bool may_join(void *user)
{
    struct weir_app *app = user;
    (void)pthread_mutex_lock(&app->lock);
    while (app->gate == WR_GATE_SHUT) {
        (void)pthread_cond_wait(&app->changed, &app->lock);
    }
    bool open = app->gate == WR_GATE_OPEN;
    (void)pthread_mutex_unlock(&app->lock);
    return open;
}

/* The first failure is the one that is reported; it ends all threads, since a
 * group member that lives on without some of its threads hides the failure. */
static void failed(void *user, const struct weir_error *err)
{
    struct weir_app *app = user;
    (void)pthread_mutex_lock(&app->lock);
    if (app->error.status == WEIR_OK) {
        app->error = *err;
    }
    (void)pthread_mutex_unlock(&app->lock);
    wr_log(WR_ERROR, "app", "failed", "reason=\"%s\"", err->text);
    atomic_store(&app->erred, true);
    weir_app_stop(app);
}

/* ---- start --------------------------------------------------------------- */

static enum weir_status open_local(struct weir_app *app, struct weir_error *err)
{
    const struct wr_options *o = app->options;
    struct wr_store_env_options stores = {
        .block_cache_bytes =
            (size_t)wr_options_int(o, "weir.state.block.cache.bytes"),
        .write_buffer_bytes =
            (size_t)wr_options_int(o, "weir.state.write.buffer.bytes"),
        .warm_bytes = (size_t)wr_options_int(o, "weir.state.warm.bytes"),
        .metrics = app->metrics,
        .background = true};
    const char *client = wr_options_text(o, "client.id");
    enum weir_status status = wr_mkdirs(app->state_dir, err);
    if (status == WEIR_OK) {
        status =
            wr_process_id_open(&app->process, app->state_dir,
                               wr_options_text(o, "group.instance.id"), err);
    }
    if (status != WEIR_OK) {
        return weir_fail_prefix(err, status, "state.dir");
    }
    app->client_base = client ? strdup(client)
                              : join_text(wr_options_text(o, "application.id"),
                                          "-", app->process.uuid);
    if (!app->client_base) {
        return weir_fail(err, WEIR_E_NOMEM, "application: out of memory");
    }
    return wr_store_env_new(&stores, &app->stores, err);
}

static enum weir_status start_workers(struct weir_app *app,
                                      struct weir_error *err)
{
    size_t count = (size_t)wr_options_int(app->options, "num.stream.threads");
    app->env = (struct wr_worker_env){.plan = app->plan,
                                      .options = app->options,
                                      .layout = &app->layout,
                                      .topics = &app->topics,
                                      .stores = app->stores,
                                      .metrics = app->metrics,
                                      .admin = app->admin,
                                      .anchor = app->anchor,
                                      .state_dir = app->state_dir,
                                      .client_base = app->client_base,
                                      .process_uuid = app->process.uuid,
                                      .may_join = may_join,
                                      .failed = failed,
                                      .user = app};
    app->workers = calloc(count, sizeof(struct wr_worker *));
    enum weir_status status =
        app->workers ? WEIR_OK
                     : weir_fail(err, WEIR_E_NOMEM, "threads: out of memory");
    while (status == WEIR_OK && app->worker_count < count) {
        status = wr_worker_start(&app->env, (int)app->worker_count + 1,
                                 &app->workers[app->worker_count], err);
        app->worker_count += status == WEIR_OK;
    }
    return status;
}

enum weir_status weir_app_start(struct weir_app *app, struct weir_error *err)
{
    if (atomic_load(&app->started) || atomic_load(&app->stopped)) {
        return weir_fail(err, WEIR_E_CLOSED,
                         "an application can be started once");
    }
    enum weir_status status = open_local(app, err);
    wr_log(WR_DEBUG, "app", "starting", "application=%s state=%s",
           app->plan->application_id, app->state_dir);
    if (status == WEIR_OK) {
        status = wr_admin_new(app->options, app->client_base, &app->admin, err);
    }
    if (status == WEIR_OK) {
        status = wr_internal_topics_prepare(app->admin, app->plan, app->anchor,
                                            &app->topics, &app->layout, err);
    }
    if (status == WEIR_OK) {
        wr_log(WR_DEBUG, "app", "topics-known", "topics=%zu tasks=%d",
               app->topics.count, (int)app->layout.total);
        status = start_workers(app, err);
    }
    atomic_store(&app->started, status == WEIR_OK);
    if (status == WEIR_OK) {
        status = wr_placement_agree(app->admin, app->plan, app->anchor, err);
    }
    if (status != WEIR_OK) {
        set_gate(app, WR_GATE_NEVER);
        stop_workers(app, false);
        join_workers(app);
        atomic_store(&app->started, false);
        atomic_store(&app->stopped, true);
        end_parts(app);
        return status;
    }
    wr_log(WR_INFO, "app", "started",
           "application=%s tasks=%d threads=%zu guarantee=%s",
           app->plan->application_id, (int)app->layout.total, app->worker_count,
           wr_options_text(app->options, "processing.guarantee"));
    set_gate(app, WR_GATE_OPEN);
    return WEIR_OK;
}

/* ---- stop ---------------------------------------------------------------- */

static void stop(struct weir_app *app, bool leave)
{
    atomic_store(&app->stopping, true);
    if (atomic_load(&app->started)) {
        stop_workers(app, leave);
    }
}

void weir_app_stop(struct weir_app *app)
{
    stop(app, false);
}

void weir_app_leave(struct weir_app *app)
{
    stop(app, true);
}

enum weir_status weir_app_wait(struct weir_app *app, struct weir_error *err)
{
    if (atomic_load(&app->started) && !atomic_load(&app->stopped)) {
        join_workers(app);
        atomic_store(&app->stopped, true);
    }
    (void)pthread_mutex_lock(&app->lock);
    enum weir_status status = app->error.status;
    if (status != WEIR_OK && err) {
        *err = app->error;
    }
    (void)pthread_mutex_unlock(&app->lock);
    return status;
}

enum weir_app_state weir_app_state(const struct weir_app *app)
{
    if (atomic_load(&app->erred)) {
        return WEIR_APP_ERROR;
    }
    if (atomic_load(&app->stopped)) {
        return WEIR_APP_STOPPED;
    }
    if (!atomic_load(&app->started)) {
        return WEIR_APP_CREATED;
    }
    if (atomic_load(&app->stopping)) {
        return WEIR_APP_STOPPING;
    }
    bool placed = false;
    bool ready = true;
    for (size_t i = 0; i < app->worker_count; i++) {
        /* a thread that was given nothing yet may never be */
        placed |= wr_worker_placed(app->workers[i]);
        ready &= wr_worker_ready(app->workers[i]) ||
                 !wr_worker_placed(app->workers[i]);
    }
    return placed && ready ? WEIR_APP_RUNNING : WEIR_APP_REBALANCING;
}
