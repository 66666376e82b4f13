/* SPDX-License-Identifier: Apache-2.0
 *
 * The driver: a broker of lists. Topics are numbered as they are first named;
 * every record written is kept, in order, in one log. Records for topics that
 * the topology reads are handed to their task right away; pump() runs the tasks
 * until no queue holds anything. */
#include "runtime/driver.h"

#include "base/fs.h"
#include "base/hash.h"
#include "runtime/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DRIVER_TOPICS_MAX 256
#define DRIVER_PUMP_MAX   1000000 /* records that one call may cause */
#define DRIVER_ARENA_MAX  ((size_t)256 << 20)

struct driver_topic {
    char *name;
    size_t read;   /* log index from which wr_driver_read goes on */
    int64_t *next; /* next offset, by partition */
};

struct driver_entry {
    int32_t topic;
    int32_t partition;
    struct weir_record record; /* in the driver's arena */
};

struct wr_driver {
    struct wr_collector collector; /* first: the collector is the driver */
    struct wr_plan *plan;
    const struct wr_options *options;
    struct weir_config *own_config;
    struct wr_metrics *metrics;
    struct wr_store_env *stores;
    struct wr_arena arena;
    char state_dir[64];
    void *thread_state;
    bool hooked;
    int32_t partitions;
    int64_t wall_ms;
    struct driver_topic topics[DRIVER_TOPICS_MAX];
    int32_t topic_count;
    struct driver_entry *log;
    size_t log_count, log_cap, log_committed;
    struct wr_task **tasks; /* subtopology * partitions + partition */
    size_t task_count;
};

/* ---- the collector ------------------------------------------------------ */

static enum weir_status collector_topic(struct wr_collector *collector,
                                        const char *name, int32_t *out_topic,
                                        int32_t *out_partition_count,
                                        struct weir_error *err)
{
    struct wr_driver *d = (struct wr_driver *)collector;
    *out_partition_count = d->partitions;
    for (int32_t i = 0; i < d->topic_count; i++) {
        if (strcmp(d->topics[i].name, name) == 0) {
            *out_topic = i;
            return WEIR_OK;
        }
    }
    if (d->topic_count == DRIVER_TOPICS_MAX) {
        return weir_fail(err, WEIR_E_TOOBIG, "driver: more than %d topics",
                         DRIVER_TOPICS_MAX);
    }
    struct driver_topic *t = &d->topics[d->topic_count];
    t->name = strdup(name);
    t->next = calloc((size_t)d->partitions, sizeof(*t->next));
    if (!t->name || !t->next) {
        free(t->name);
        free(t->next);
        *t = (struct driver_topic){0};
        return weir_fail(err, WEIR_E_NOMEM, "driver: out of memory");
    }
    *out_topic = d->topic_count++;
    return WEIR_OK;
}

static enum weir_status copy_record(struct wr_driver *d,
                                    const struct weir_record *from,
                                    struct weir_record *to)
{
    *to = *from;
    to->old_value = WEIR_NULL;
    to->headers = NULL;
    enum weir_status s = wr_arena_copy(&d->arena, from->key, &to->key);
    if (s == WEIR_OK) {
        s = wr_arena_copy(&d->arena, from->value, &to->value);
    }
    if (s != WEIR_OK || from->header_count == 0) {
        return s;
    }
    struct weir_header *headers =
        wr_arena_calloc(&d->arena, from->header_count, sizeof(*headers));
    if (!headers) {
        return WEIR_E_NOMEM;
    }
    for (size_t i = 0; i < from->header_count && s == WEIR_OK; i++) {
        s = wr_arena_copy(&d->arena, from->headers[i].key, &headers[i].key);
        if (s == WEIR_OK) {
            s = wr_arena_copy(&d->arena, from->headers[i].value,
                              &headers[i].value);
        }
    }
    to->headers = headers;
    return s;
}

/* Gives a record to the task that reads its topic, if any does. */
static enum weir_status deliver(struct wr_driver *d, int32_t topic,
                                int32_t partition,
                                const struct weir_record *record,
                                bool *out_read)
{
    struct driver_topic *t = &d->topics[topic];
    int64_t offset = t->next[partition]++;
    for (size_t i = 0; i < d->plan->subtopology_count; i++) {
        const struct wr_subtopology *sub = &d->plan->subtopologies[i];
        for (size_t k = 0; k < sub->input_count; k++) {
            if (strcmp(sub->inputs[k].name, t->name) != 0) {
                continue;
            }
            struct wr_input in = {.record = *record, .offset = offset};
            *out_read = true;
            return wr_task_enqueue(
                d->tasks[i * (size_t)d->partitions + (size_t)partition], (int)k,
                &in);
        }
    }
    return WEIR_OK;
}

static enum weir_status collector_send(struct wr_collector *collector,
                                       const struct wr_output *output,
                                       struct weir_error *err)
{
    struct wr_driver *d = (struct wr_driver *)collector;
    if (d->log_count == d->log_cap) {
        size_t cap = d->log_cap ? d->log_cap * 2 : 256;
        struct driver_entry *log = realloc(d->log, cap * sizeof(*log));
        if (!log) {
            return weir_fail(err, WEIR_E_NOMEM, "driver: out of memory");
        }
        d->log = log;
        d->log_cap = cap;
    }
    struct weir_record record = {.key = output->key,
                                 .value = output->value,
                                 .timestamp_ms = output->timestamp_ms,
                                 .headers = output->headers,
                                 .header_count = output->header_count};
    struct driver_entry *e = &d->log[d->log_count];
    e->topic = output->topic;
    e->partition = output->partition;
    enum weir_status s = copy_record(d, &record, &e->record);
    bool read = false;
    if (s == WEIR_OK) {
        s = deliver(d, e->topic, e->partition, &e->record, &read);
    }
    if (s != WEIR_OK) {
        return weir_fail(err, s, "driver: %s", weir_status_text(s));
    }
    d->log_count++;
    return WEIR_OK;
}

/* ---- running ------------------------------------------------------------ */

static enum weir_status pump(struct wr_driver *d, struct weir_error *err)
{
    size_t total = 0;
    bool moved = true;
    while (moved) {
        moved = false;
        for (size_t i = 0; i < d->task_count; i++) {
            size_t done = 0;
            enum weir_status s = wr_task_process(d->tasks[i], 1, d->wall_ms,
                                                 INT64_MAX, &done, err);
            if (s != WEIR_OK) {
                return s;
            }
            moved = moved || done > 0;
            total += done;
        }
        if (total > DRIVER_PUMP_MAX) {
            return weir_fail(err, WEIR_E_TOPOLOGY,
                             "driver: the topology feeds itself without end");
        }
    }
    return WEIR_OK;
}

enum weir_status wr_driver_send(struct wr_driver *d, const char *topic,
                                const struct weir_record *record,
                                struct weir_error *err)
{
    int32_t handle = 0;
    int32_t count = 0;
    struct weir_record copy;
    bool read = false;
    enum weir_status s =
        collector_topic(&d->collector, topic, &handle, &count, err);
    if (s != WEIR_OK) {
        return s;
    }
    s = copy_record(d, record, &copy);
    if (s == WEIR_OK) {
        int32_t partition =
            record->key.data ? wr_partition_of(record->key, count) : 0;
        s = deliver(d, handle, partition, &copy, &read);
    }
    if (s != WEIR_OK) {
        return weir_fail(err, s, "driver: %s", weir_status_text(s));
    }
    if (!read) {
        return weir_fail(err, WEIR_E_NOTFOUND,
                         "driver: no source reads topic '%s'", topic);
    }
    return pump(d, err);
}

static bool any_cached(const struct wr_driver *d)
{
    for (size_t i = 0; i < d->task_count; i++) {
        struct wr_task_state *state = wr_task_state(d->tasks[i]);
        if (state && wr_task_state_cached_bytes(state) > 0) {
            return true;
        }
    }
    return false;
}

static int64_t changelog_offset(const struct wr_driver *d,
                                const char *changelog, int32_t partition)
{
    for (int32_t i = 0; changelog && i < d->topic_count; i++) {
        if (strcmp(d->topics[i].name, changelog) == 0) {
            return d->topics[i].next[partition] - 1;
        }
    }
    return -1;
}

static enum weir_status task_committed(struct wr_driver *d, size_t index,
                                       struct weir_error *err)
{
    const struct wr_subtopology *sub = wr_task_subtopology(d->tasks[index]);
    int32_t partition = (int32_t)(index % (size_t)d->partitions);
    int64_t *offsets = calloc(sub->store_count + 1, sizeof(*offsets));
    if (!offsets) {
        return weir_fail(err, WEIR_E_NOMEM, "driver: out of memory");
    }
    for (size_t i = 0; i < sub->store_count; i++) {
        offsets[i] = changelog_offset(d, sub->stores[i].changelog, partition);
    }
    enum weir_status s = wr_task_committed(d->tasks[index], offsets, err);
    free(offsets);
    return s;
}

enum weir_status wr_driver_commit(struct wr_driver *d, struct weir_error *err)
{
    enum weir_status s = WEIR_OK;
    do {
        for (size_t i = 0; i < d->task_count && s == WEIR_OK; i++) {
            s = wr_task_flush(d->tasks[i], err);
        }
        s = s == WEIR_OK ? pump(d, err) : s;
    } while (s == WEIR_OK && any_cached(d));
    for (size_t i = 0; i < d->task_count && s == WEIR_OK; i++) {
        s = task_committed(d, i, err);
    }
    d->log_committed = d->log_count;
    return s;
}

enum weir_status wr_driver_abort(struct wr_driver *d, struct weir_error *err)
{
    enum weir_status s = WEIR_OK;
    for (size_t i = 0; i < d->task_count && s == WEIR_OK; i++) {
        s = wr_task_aborted(d->tasks[i], err);
    }
    d->log_count = d->log_committed;
    for (int32_t i = 0; i < d->topic_count; i++) {
        if (d->topics[i].read > d->log_count) {
            d->topics[i].read = d->log_count;
        }
    }
    return s;
}

enum weir_status wr_driver_advance(struct wr_driver *d, int64_t ms,
                                   struct weir_error *err)
{
    d->wall_ms += ms;
    for (size_t i = 0; i < d->task_count; i++) {
        enum weir_status s = wr_task_punctuate(d->tasks[i], d->wall_ms, err);
        if (s != WEIR_OK) {
            return s;
        }
    }
    return pump(d, err);
}

bool wr_driver_read(struct wr_driver *d, const char *topic,
                    struct wr_driver_record *out)
{
    for (int32_t i = 0; i < d->topic_count; i++) {
        struct driver_topic *t = &d->topics[i];
        if (strcmp(t->name, topic) != 0) {
            continue;
        }
        while (t->read < d->log_count) {
            const struct driver_entry *e = &d->log[t->read++];
            if (e->topic == i) {
                *out =
                    (struct wr_driver_record){e->record, t->name, e->partition};
                return true;
            }
        }
    }
    return false;
}

struct weir_store *wr_driver_store(struct wr_driver *d, const char *name,
                                   int32_t partition)
{
    for (size_t i = 0; i < d->plan->subtopology_count; i++) {
        const struct wr_subtopology *sub = &d->plan->subtopologies[i];
        for (size_t k = 0; k < sub->store_count; k++) {
            if (strcmp(sub->stores[k].spec->name, name) == 0 &&
                partition >= 0 && partition < d->partitions) {
                return wr_task_state_store(
                    wr_task_state(d->tasks[i * (size_t)d->partitions +
                                           (size_t)partition]),
                    (int)k);
            }
        }
    }
    return NULL;
}

struct wr_metrics *wr_driver_metrics(struct wr_driver *d)
{
    return d->metrics;
}

/* ---- life --------------------------------------------------------------- */

static int64_t driver_wall(void *user)
{
    const struct wr_driver *d = user;
    return d->wall_ms;
}

static enum weir_status make_tasks(struct wr_driver *d, struct weir_error *err)
{
    struct wr_task_env env = {
        .application_id = d->plan->application_id,
        .state_dir = d->state_dir,
        .options = d->options,
        .stores = d->stores,
        .collector = &d->collector,
        .metrics = d->metrics,
        .thread_state = d->thread_state,
        .user = d,
        .wall_ms = driver_wall,
    };
    size_t count = d->plan->subtopology_count * (size_t)d->partitions;
    d->tasks = calloc(count, sizeof(*d->tasks));
    enum weir_status s = d->tasks ? WEIR_OK : WEIR_E_NOMEM;
    for (size_t i = 0; i < count && s == WEIR_OK; i++) {
        s = wr_task_new(d->plan, (int)(i / (size_t)d->partitions),
                        (int32_t)(i % (size_t)d->partitions), &env,
                        &d->tasks[i], err);
        if (s != WEIR_OK) {
            return s;
        }
        d->task_count++;
        const struct wr_subtopology *sub = wr_task_subtopology(d->tasks[i]);
        for (size_t k = 0; k < sub->store_count && s == WEIR_OK; k++) {
            s = wr_store_restored(wr_task_state(d->tasks[i]), (int)k, -1, err);
        }
        for (size_t k = 0; k < sub->input_count; k++) {
            wr_task_set_lag(d->tasks[i], (int)k, 0);
        }
        s = s == WEIR_OK ? wr_task_start(d->tasks[i], err) : s;
    }
    return s;
}

static enum weir_status make_surroundings(struct wr_driver *d,
                                          struct weir_error *err)
{
    struct wr_store_env_options stores = {.block_cache_bytes = 1u << 20,
                                          .write_buffer_bytes = 4u << 20,
                                          .warm_bytes = 16u << 20};
    const struct weir_thread_hook *hook = wr_plan_hook(d->plan);
    (void)snprintf(d->state_dir, sizeof(d->state_dir),
                   "/tmp/weir-driver-XXXXXX");
    if (!mkdtemp(d->state_dir)) {
        d->state_dir[0] = '\0';
        return weir_fail(err, WEIR_E_IO,
                         "driver: no temporary directory in /tmp");
    }
    enum weir_status s = wr_metrics_new(&d->metrics);
    if (s == WEIR_OK) {
        stores.metrics = d->metrics;
        s = wr_store_env_new(&stores, &d->stores, err);
    }
    if (s == WEIR_OK && hook) {
        s = hook->start(hook->user, &d->thread_state, err);
        d->hooked = s == WEIR_OK;
    }
    return s;
}

enum weir_status wr_driver_new(struct weir_topology *topology,
                               const struct weir_config *config,
                               int32_t partitions, struct wr_driver **out,
                               struct weir_error *err)
{
    struct wr_driver *d = calloc(1, sizeof(*d));
    if (!d) {
        return weir_fail(err, WEIR_E_NOMEM, "driver: out of memory");
    }
    d->collector.topic = collector_topic;
    d->collector.send = collector_send;
    d->partitions = partitions;
    wr_arena_init(&d->arena, DRIVER_ARENA_MAX);
    d->own_config = config ? NULL : weir_config_new();
    d->options = wr_config_options(config ? config : d->own_config);
    const char *id = wr_options_text(d->options, "application.id");
    enum weir_status s =
        wr_plan_new(topology, id ? id : "driver", &d->plan, err);
    s = s == WEIR_OK ? make_surroundings(d, err) : s;
    s = s == WEIR_OK ? make_tasks(d, err) : s;
    if (s != WEIR_OK) {
        wr_driver_free(d);
        return s;
    }
    *out = d;
    return WEIR_OK;
}

void wr_driver_free(struct wr_driver *d)
{
    if (!d) {
        return;
    }
    for (size_t i = 0; i < d->task_count; i++) {
        wr_task_close(d->tasks[i], false);
    }
    if (d->hooked && wr_plan_hook(d->plan)->stop) {
        wr_plan_hook(d->plan)->stop(d->thread_state);
    }
    wr_store_env_free(d->stores);
    wr_metrics_free(d->metrics);
    if (d->state_dir[0]) {
        struct weir_error ignored;
        if (wr_remove_all(d->state_dir, &ignored) != WEIR_OK) {
            (void)fprintf(stderr, "driver: %s\n", ignored.text);
        }
    }
    for (int32_t i = 0; i < d->topic_count; i++) {
        free(d->topics[i].name);
        free(d->topics[i].next);
    }
    free(d->tasks);
    free(d->log);
    wr_arena_done(&d->arena);
    wr_plan_free(d->plan);
    weir_config_free(d->own_config);
    free(d);
}
