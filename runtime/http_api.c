/* SPDX-License-Identifier: Apache-2.0
 *
 * What each path answers.
 *
 * A key's way: store -> bytes of the key (by the store's serde) -> partition
 * (the default partitioner) -> owner of that task. Here: ask its thread for
 * committed state. There: forward once. "Not found" is said only by a restored
 * owner; anything in between is 503 with what is going on, so that a client
 * that sees 404 may believe it. */
#include "runtime/http_api.h"

#include "base/clock.h"
#include "runtime/http_client.h"
#include "runtime/http_route.h"
#include "runtime/query.h"
#include "runtime/serde.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define BODY_MAX         ((size_t)64 << 20)
#define QUERY_TIMEOUT_MS 2000
#define OWNER_TIMEOUT_MS 2000
#define PEER_TIMEOUT_MS  5000
#define TASKS_MAX        10000

static const char json_type[] = "application/json";
static const char text_type[] = "text/plain; charset=utf-8";

/* ---- replies ------------------------------------------------------------ */

static void reply_init(struct wr_http_reply *reply)
{
    *reply = (struct wr_http_reply){.status = 200, .content_type = json_type};
    wr_buf_init(&reply->body, BODY_MAX);
}

void wr_http_reply_done(struct wr_http_reply *reply)
{
    wr_buf_done(&reply->body);
}

static void put_text(struct wr_buf *out, const char *text)
{
    wr_json_text(out, weir_text(text));
}

void wr_http_problem(struct wr_http_reply *reply, int status, const char *code,
                     const char *format, ...)
{
    char detail[WEIR_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    reply->status = status;
    reply->content_type = "application/problem+json";
    reply->retry_after_s = status == 503 ? 1 : 0;
    wr_buf_reset(&reply->body);
    wr_buf_printf(&reply->body,
                  "{\"status\":%d,\"code\":\"%s\",\"detail\":", status, code);
    put_text(&reply->body, detail);
    wr_buf_put_text(&reply->body, "}\n");
}

/* 503 with the progress of a task that is being restored. */
static void problem_restoring(struct wr_http_reply *reply,
                              const struct wr_task_info *task)
{
    wr_http_problem(reply, 503, "restoring",
                    "task %s is being restored: %lld of %lld changelog records",
                    task->name, (long long)task->restored,
                    (long long)task->restore_end);
    reply->body.len -= 2; /* "}\n" */
    wr_buf_printf(&reply->body,
                  ",\"task\":\"%s\",\"restored\":%lld,\"restore_end\":%lld}\n",
                  task->name, (long long)task->restored,
                  (long long)task->restore_end);
}

/* ---- application and tasks ---------------------------------------------- */

static const char *state_name(enum weir_app_state state)
{
    static const char *const names[] = {"created",  "rebalancing", "running",
                                        "stopping", "stopped",     "error"};
    return names[state];
}

static void api_app(struct weir_app *app, struct wr_http_reply *reply)
{
    wr_buf_put_text(&reply->body, "{\"application\":");
    put_text(&reply->body, wr_app_id(app));
    wr_buf_printf(&reply->body,
                  ",\"state\":\"%s\",\"version\":\"%s\",\"pid\":%d,"
                  "\"stores\":%zu,\"subtopologies\":%zu}\n",
                  state_name(weir_app_state(app)), weir_version(), getpid(),
                  wr_app_store_count(app), wr_app_plan(app)->subtopology_count);
}

static void put_task(struct wr_buf *out, const struct wr_task_info *t)
{
    wr_buf_printf(out,
                  "{\"task\":\"%s\",\"thread\":%d,\"state\":\"%s\","
                  "\"restored\":%lld,\"restore_end\":%lld,\"lag\":",
                  t->name, t->thread,
                  t->phase == WR_TASK_RUNNING ? "running" : "restoring",
                  (long long)t->restored, (long long)t->restore_end);
    if (t->lag < 0) {
        wr_buf_put_text(out, "null}");
    } else {
        wr_buf_printf(out, "%lld}", (long long)t->lag);
    }
}

/* All tasks of this process; *out is given: free(). */
static size_t all_tasks(const struct weir_app *app, struct wr_task_info **out)
{
    size_t count = wr_app_tasks(app, NULL, 0);
    count = count < TASKS_MAX ? count : TASKS_MAX;
    *out = calloc(count + 1, sizeof(**out));
    if (!*out) {
        return 0;
    }
    size_t now = wr_app_tasks(app, *out, count);
    return now < count ? now : count;
}

static void api_tasks(struct weir_app *app, struct wr_http_reply *reply)
{
    struct wr_task_info *tasks = NULL;
    size_t count = all_tasks(app, &tasks);
    wr_buf_put_text(&reply->body, "{\"tasks\":[");
    for (size_t i = 0; i < count; i++) {
        wr_buf_put_text(&reply->body, i ? "," : "");
        put_task(&reply->body, &tasks[i]);
    }
    wr_buf_put_text(&reply->body, "]}\n");
    free(tasks);
}

static void api_topology(struct weir_app *app, const struct wr_route *route,
                         struct wr_http_reply *reply)
{
    static const struct {
        const char *name;
        enum weir_describe format;
        const char *type;
    } formats[] = {
        {"json", WEIR_DESCRIBE_JSON, "application/json"},
        {"text", WEIR_DESCRIBE_TEXT, "text/plain; charset=utf-8"},
        {"dot", WEIR_DESCRIBE_DOT, "text/vnd.graphviz; charset=utf-8"},
    };
    const char *wanted = route->format[0] ? route->format : "json";
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (strcmp(wanted, formats[i].name) != 0) {
            continue;
        }
        char *text = NULL;
        struct weir_error err = {0};
        if (wr_plan_describe(wr_app_plan(app), formats[i].format, &text,
                             &err) != WEIR_OK) {
            wr_http_problem(reply, 500, "internal", "%s", err.text);
            return;
        }
        reply->content_type = formats[i].type;
        wr_buf_put_text(&reply->body, text);
        wr_buf_put_text(&reply->body, i == 0 ? "\n" : "");
        free(text);
        return;
    }
    wr_http_problem(reply, 400, "bad_format",
                    "format '%s' is not json, text or dot", wanted);
}

/* ---- stores ------------------------------------------------------------- */

static void put_store(struct wr_buf *out, const struct wr_store_info *s)
{
    wr_buf_put_text(out, "{\"store\":");
    put_text(out, s->spec->name);
    wr_buf_printf(out,
                  ",\"type\":\"%s\",\"engine\":\"%s\",\"key\":\"%s\","
                  "\"value\":\"%s\",\"partitions\":%d,\"changelog\":",
                  s->spec->timestamped ? "timestamped-key-value" : "key-value",
                  s->spec->engine == WEIR_MEMORY ? "memory" : "rocksdb",
                  s->spec->key_serde->name, s->spec->value_serde->name,
                  s->partitions);
    if (s->changelog) {
        put_text(out, s->changelog);
    } else {
        wr_buf_put_text(out, "null");
    }
}

static void api_stores(struct weir_app *app, struct wr_http_reply *reply)
{
    wr_buf_put_text(&reply->body, "{\"stores\":[");
    for (size_t i = 0; i < wr_app_store_count(app); i++) {
        struct wr_store_info info;
        wr_app_store(app, i, &info);
        wr_buf_put_text(&reply->body, i ? "," : "");
        put_store(&reply->body, &info);
        wr_buf_put_text(&reply->body, "}");
    }
    wr_buf_put_text(&reply->body, "]}\n");
}

/* The store a route names, or a 404 that says what there is. */
static bool find_store(struct weir_app *app, const struct wr_route *route,
                       struct wr_http_reply *reply, size_t *out,
                       struct wr_store_info *out_info)
{
    if (wr_app_find_store(app, route->store, out)) {
        wr_app_store(app, *out, out_info);
        return true;
    }
    struct wr_buf names;
    wr_buf_init(&names, 512);
    for (size_t i = 0; i < wr_app_store_count(app); i++) {
        struct wr_store_info info;
        wr_app_store(app, i, &info);
        wr_buf_printf(&names, "%s%s", i ? ", " : "", info.spec->name);
    }
    wr_http_problem(reply, 404, "store_not_found",
                    "there is no store '%s'; there is: %s", route->store,
                    names.len ? wr_buf_text(&names) : "none");
    wr_buf_done(&names);
    return false;
}

static void put_partition(struct weir_app *app, size_t store,
                          const struct wr_store_info *info, int32_t partition,
                          struct wr_buf *out)
{
    struct wr_owner owner;
    wr_app_owner(app, info->subtopology, partition, false, OWNER_TIMEOUT_MS,
                 &owner);
    static const char *const kinds[] = {"here", "restoring", "elsewhere",
                                        "unknown"};
    wr_buf_printf(out,
                  "{\"partition\":%d,\"owner\":\"%s\",\"endpoint\":", partition,
                  kinds[owner.kind]);
    put_text(out, owner.endpoint);
    struct wr_query_answer answer = {0};
    struct weir_error err;
    const struct wr_query query = {.store = store,
                                   .partition = partition,
                                   .key = WEIR_NULL,
                                   .timeout_ms = QUERY_TIMEOUT_MS};
    if (owner.kind == WR_OWNER_HERE &&
        wr_app_get(app, &query, &answer, &err) == WEIR_OK) {
        wr_buf_printf(out, ",\"entries\":%lld,\"position\":%lld",
                      (long long)answer.entries, (long long)answer.position);
        wr_buf_done(&answer.value);
    }
    wr_buf_put_text(out, "}");
}

static void api_store(struct weir_app *app, const struct wr_route *route,
                      struct wr_http_reply *reply)
{
    size_t store = 0;
    struct wr_store_info info;
    if (!find_store(app, route, reply, &store, &info)) {
        return;
    }
    put_store(&reply->body, &info);
    wr_buf_put_text(&reply->body, ",\"tasks\":[");
    for (int32_t p = 0; p < info.partitions; p++) {
        wr_buf_put_text(&reply->body, p ? "," : "");
        put_partition(app, store, &info, p, &reply->body);
    }
    wr_buf_put_text(&reply->body, "]}\n");
}

/* ---- one key ------------------------------------------------------------ */

struct key_request {
    struct weir_app *app;
    const struct wr_route *route;
    struct weir_bytes target;
    bool forwarded;
    size_t store;
    struct wr_store_info info;
    struct weir_writer key;
    int32_t partition;
};

static bool parse_key(struct key_request *r, struct wr_http_reply *reply)
{
    struct weir_error err = {0};
    struct weir_bytes text = wr_buf_view(&r->route->key);
    enum weir_status s;
    if (strcmp(r->route->key_encoding, "hex") == 0) {
        s = wr_hex_decode(text, &r->key.buf);
        (void)weir_fail(&err, s, "not pairs of hex digits");
    } else if (!r->route->key_encoding[0] ||
               strcmp(r->route->key_encoding, "text") == 0) {
        s = r->info.spec->key_serde->from_text(text, &r->key, &err);
    } else {
        s = weir_fail(&err, WEIR_E_DECODE, "kenc '%s' is not text or hex",
                      r->route->key_encoding);
    }
    if (s != WEIR_OK) {
        wr_http_problem(reply, 400, "bad_key", "key of store '%s' (%s): %s",
                        r->info.spec->name, r->info.spec->key_serde->name,
                        err.text);
        return false;
    }
    r->partition = wr_app_partition(r->app, r->store, wr_buf_view(&r->key.buf));
    return true;
}

/* Appends ,"name":<bytes as the serde shows them>; base64 when it cannot. */
static void put_shown(struct wr_buf *out, const char *name,
                      const struct weir_serde *serde, struct weir_bytes bytes)
{
    struct weir_writer text;
    wr_buf_init(&text.buf, BODY_MAX);
    if (serde->to_json(bytes, &text, NULL) != WEIR_OK) {
        wr_buf_reset(&text.buf);
        (void)weir_serde_bytes.to_json(bytes, &text, NULL);
        wr_buf_printf(out, ",\"%s_encoding\":\"base64\"", name);
    }
    wr_buf_printf(out, ",\"%s\":", name);
    wr_buf_put_bytes(out, wr_buf_view(&text.buf));
    wr_buf_done(&text.buf);
}

static void answer_here(struct key_request *r, const struct wr_owner *owner,
                        struct wr_http_reply *reply)
{
    struct wr_query_answer answer = {0};
    struct weir_error err = {0};
    const struct wr_query query = {.store = r->store,
                                   .partition = r->partition,
                                   .key = wr_buf_view(&r->key.buf),
                                   .timeout_ms = QUERY_TIMEOUT_MS};
    enum weir_status s = wr_app_get(r->app, &query, &answer, &err);
    if (s != WEIR_OK) {
        bool damaged = s == WEIR_E_CORRUPT || s == WEIR_E_IO;
        wr_http_problem(reply, 503,
                        s == WEIR_E_TIMEOUT ? "busy"
                        : damaged           ? "damaged"
                                            : "rebalancing",
                        "task %s: %s", owner->task.name, err.text);
        return;
    }
    (void)snprintf(reply->owner, sizeof(reply->owner), "%s", owner->endpoint);
    if (!answer.found) {
        wr_http_problem(reply, 404, "key_not_found",
                        "store '%s' has no such key (task %s, changelog "
                        "position %lld)",
                        r->info.spec->name, owner->task.name,
                        (long long)answer.position);
    } else {
        struct wr_buf *out = &reply->body;
        wr_buf_put_text(out, "{\"store\":");
        put_text(out, r->info.spec->name);
        put_shown(out, "key", r->info.spec->key_serde,
                  wr_buf_view(&r->key.buf));
        put_shown(out, "value", r->info.spec->value_serde,
                  wr_buf_view(&answer.value));
        if (r->info.spec->timestamped) {
            wr_buf_printf(out, ",\"timestamp\":%lld",
                          (long long)answer.timestamp_ms);
        }
        wr_buf_printf(
            out, ",\"partition\":%d,\"task\":\"%s\",\"position\":%lld}\n",
            r->partition, owner->task.name, (long long)answer.position);
    }
    wr_buf_done(&answer.value);
}

static void peer_url(const struct key_request *r, const struct wr_owner *owner,
                     char *out, size_t size)
{
    (void)snprintf(out, size, "http://%s%.*s", owner->endpoint,
                   (int)r->target.len, (const char *)r->target.data);
}

/* Asks the owner; false when it does not answer, or says it is not the owner.
 */
static bool answer_there(struct key_request *r, const struct wr_owner *owner,
                         struct wr_http_reply *reply)
{
    struct weir_error err = {0};
    int status = 0;
    size_t size = r->target.len + sizeof(owner->endpoint) + 16;
    char *url = malloc(size);
    if (!url) {
        return false;
    }
    peer_url(r, owner, url, size);
    wr_buf_reset(&reply->body);
    enum weir_status s = wr_http_get(url, "Weir-Forwarded: 1", PEER_TIMEOUT_MS,
                                     &reply->body, &status, &err);
    free(url);
    if (s != WEIR_OK) {
        wr_http_problem(reply, 503, "owner_unreachable",
                        "the owner of the key, %s, does not answer: %s",
                        owner->endpoint, err.text);
        return false;
    }
    reply->status = status;
    reply->content_type =
        status == 200 ? json_type : "application/problem+json";
    reply->retry_after_s = status == 503 ? 1 : 0;
    (void)snprintf(reply->owner, sizeof(reply->owner), "%s", owner->endpoint);
    return status != 421;
}

/* One attempt; false when fresh knowledge of the owner may do better. */
static bool answer_key(struct key_request *r, bool refresh,
                       struct wr_http_reply *reply)
{
    struct wr_owner owner;
    wr_app_owner(r->app, r->info.subtopology, r->partition, refresh,
                 OWNER_TIMEOUT_MS, &owner);
    switch (owner.kind) {
    case WR_OWNER_HERE:
        answer_here(r, &owner, reply);
        return true;
    case WR_OWNER_RESTORING:
        problem_restoring(reply, &owner.task);
        return true;
    case WR_OWNER_THERE:
        if (r->forwarded) {
            wr_http_problem(reply, 421, "not_owner",
                            "this worker does not own partition %d of store "
                            "'%s' any more",
                            r->partition, r->info.spec->name);
            return true;
        }
        if (r->route->redirect) {
            reply->status = 307;
            peer_url(r, &owner, reply->location, sizeof(reply->location));
            return true;
        }
        return answer_there(r, &owner, reply);
    case WR_OWNER_UNKNOWN:
        break;
    }
    wr_http_problem(reply, 503, "rebalancing",
                    "partition %d of store '%s' has no running owner that is "
                    "known; it is moving, or its worker has no --http address",
                    r->partition, r->info.spec->name);
    return false;
}

static void api_key(struct weir_app *app, const struct wr_route *route,
                    struct weir_bytes target, bool forwarded,
                    struct wr_http_reply *reply)
{
    struct key_request r = {
        .app = app, .route = route, .target = target, .forwarded = forwarded};
    wr_buf_init(&r.key.buf, WR_TARGET_MAX);
    if (find_store(app, route, reply, &r.store, &r.info)) {
        if (r.info.partitions == 0) {
            wr_http_problem(reply, 503, "starting",
                            "the application has not joined its group yet");
        } else if (parse_key(&r, reply) && !answer_key(&r, false, reply)) {
            (void)answer_key(&r, true, reply);
        }
    }
    wr_buf_done(&r.key.buf);
}

/* ---- health and metrics ------------------------------------------------- */

static void api_livez(struct weir_app *app, struct wr_http_reply *reply)
{
    enum weir_app_state state = weir_app_state(app);
    if (state == WEIR_APP_ERROR) {
        wr_http_problem(reply, 503, "error", "a stream thread failed for good");
        return;
    }
    reply->content_type = text_type;
    wr_buf_put_text(&reply->body, "ok\n");
}

static void api_readyz(struct weir_app *app, struct wr_http_reply *reply)
{
    enum weir_app_state state = weir_app_state(app);
    struct wr_task_info *tasks = NULL;
    size_t count = all_tasks(app, &tasks);
    size_t up = 0;
    for (size_t i = 0; i < count; i++) {
        up += tasks[i].phase == WR_TASK_RUNNING;
    }
    free(tasks);
    if (state != WEIR_APP_RUNNING || up < count) {
        wr_http_problem(reply, 503, "not_ready",
                        "state %s, %zu of %zu tasks running", state_name(state),
                        up, count);
        return;
    }
    reply->content_type = text_type;
    wr_buf_printf(&reply->body, "ok, %zu tasks\n", count);
}

static void put_process_metrics(struct wr_buf *out)
{
    struct rusage usage;
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm) {
        long total = 0;
        if (fscanf(statm, "%ld %ld", &total, &pages) != 2) {
            pages = 0;
        }
        (void)fclose(statm);
    }
    (void)getrusage(RUSAGE_SELF, &usage);
    double cpu =
        (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
        (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    wr_buf_printf(
        out,
        "# HELP process_cpu_seconds_total Processor time used, user and "
        "system\n"
        "# TYPE process_cpu_seconds_total counter\n"
        "process_cpu_seconds_total %.6f\n"
        "# HELP process_resident_memory_bytes Memory in use\n"
        "# TYPE process_resident_memory_bytes gauge\n"
        "process_resident_memory_bytes %lld\n"
        "# HELP weir_build_info The version, as a label\n"
        "# TYPE weir_build_info gauge\n"
        "weir_build_info{version=\"%s\"} 1\n",
        cpu, (long long)pages * sysconf(_SC_PAGESIZE), weir_version());
}

static void api_metrics(struct weir_app *app, struct wr_http_reply *reply)
{
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    wr_metrics_render(wr_app_metrics(app), &reply->body);
    put_process_metrics(&reply->body);
}

/* ---- door --------------------------------------------------------------- */

static void answer(struct weir_app *app, const struct wr_route *route,
                   struct weir_bytes target, bool forwarded,
                   struct wr_http_reply *out)
{
    switch (route->kind) {
    case WR_ROUTE_NONE:
        wr_http_problem(out, 404, "no_such_path",
                        "there is /v1/app, /v1/stores, /v1/stores/{store}, "
                        "/v1/stores/{store}/keys/{key}, /v1/topology, "
                        "/v1/tasks, /metrics, /livez and /readyz");
        return;
    case WR_ROUTE_BAD:
        wr_http_problem(out, 400, "bad_target",
                        "the path or query is malformed or longer than %d "
                        "bytes",
                        WR_TARGET_MAX);
        return;
    case WR_ROUTE_APP:
        api_app(app, out);
        return;
    case WR_ROUTE_STORES:
        api_stores(app, out);
        return;
    case WR_ROUTE_STORE:
        api_store(app, route, out);
        return;
    case WR_ROUTE_KEY:
        api_key(app, route, target, forwarded, out);
        return;
    case WR_ROUTE_TOPOLOGY:
        api_topology(app, route, out);
        return;
    case WR_ROUTE_TASKS:
        api_tasks(app, out);
        return;
    case WR_ROUTE_METRICS:
        api_metrics(app, out);
        return;
    case WR_ROUTE_LIVEZ:
        api_livez(app, out);
        return;
    case WR_ROUTE_READYZ:
        api_readyz(app, out);
        return;
    }
}

void wr_http_api(struct weir_app *app, struct weir_bytes target, bool forwarded,
                 struct wr_http_reply *out)
{
    struct wr_route route;
    reply_init(out);
    wr_route_parse(target, &route);
    answer(app, &route, target, forwarded, out);
    wr_route_done(&route);
    if (out->body.status != WEIR_OK) {
        wr_http_problem(out, 500, "too_big",
                        "the answer is larger than %zu MiB", BODY_MAX >> 20);
    }
}
