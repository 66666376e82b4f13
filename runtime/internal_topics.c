/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting goes upstream to downstream: a repartition topic without a wish has
 * as many partitions as the largest input of the sub-topology that writes it,
 * so these must be known first; the plan lists them in such an order.
 *
 * Inputs of one sub-topology with state must have equal counts: records of one
 * key would otherwise meet different stores, and results would be wrong without
 * any error. Kafka Streams checks this for joins only. */
#include "runtime/internal_topics.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <time.h>

#define ASK_TIMEOUT_MS  10000
#define MADE_TIMEOUT_MS 30000

size_t wr_internal_topics_max(const struct wr_plan *plan)
{
    size_t n = plan->repartition_count;
    for (size_t i = 0; i < plan->subtopology_count; i++) {
        n += plan->subtopologies[i].store_count;
    }
    return n;
}

/* ---- counting ----------------------------------------------------------- */

/* Largest partition count over the inputs of a sub-topology. */
static enum weir_status count_tasks(const struct wr_plan *plan,
                                    const struct wr_cluster_topics *topics,
                                    int sub, int32_t *out,
                                    struct weir_error *err)
{
    const struct wr_subtopology *s = &plan->subtopologies[sub];
    const char *first = NULL;
    int32_t max = 0;
    for (size_t i = 0; i < s->input_count; i++) {
        const char *name = s->inputs[i].name;
        int32_t n = wr_cluster_topics_partitions(topics, name);
        if (n < 0) {
            return weir_fail(err, WEIR_E_NOTFOUND,
                             "input topic '%s' does not exist; create it, "
                             "for example with `weir topic create %s "
                             "--partitions 4`",
                             name, name);
        }
        if (s->store_count > 0 && first && n != max) {
            return weir_fail(
                err, WEIR_E_TOPOLOGY,
                "topics '%s' (%d partitions) and '%s' (%d) are read by one "
                "sub-topology with state, which needs equal counts: records of "
                "one key would meet different stores; repartition one of them",
                first, max, name, n);
        }
        first = first ? first : name;
        max = n > max ? n : max;
    }
    *out = max;
    return WEIR_OK;
}

/* An internal topic exists with `want` partitions, or is to be made. */
static enum weir_status want_topic(struct wr_cluster_topics *topics,
                                   struct wr_missing_topic want,
                                   struct wr_missing_topic *missing,
                                   size_t *missing_count,
                                   struct weir_error *err)
{
    int32_t have = wr_cluster_topics_partitions(topics, want.name);
    if (have == want.partitions) {
        return WEIR_OK;
    }
    if (have >= 0) {
        return weir_fail(err, WEIR_E_INCOMPATIBLE,
                         "internal topic '%s' has %d partitions and the "
                         "topology needs %d: the partition count of an input "
                         "changed, or the topology did; go back to the former "
                         "count, or delete the application's internal topics "
                         "and begin anew",
                         want.name, have, want.partitions);
    }
    missing[(*missing_count)++] = want;
    return wr_cluster_topics_put(topics, want.name, want.partitions) == WEIR_OK
               ? WEIR_OK
               : weir_fail(err, WEIR_E_NOMEM, "topics: out of memory");
}

static enum weir_status resolve_stores(const struct wr_subtopology *sub,
                                       struct wr_cluster_topics *topics,
                                       int32_t tasks,
                                       struct wr_missing_topic *missing,
                                       size_t *missing_count,
                                       struct weir_error *err)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < sub->store_count && status == WEIR_OK; i++) {
        const struct wr_plan_store *store = &sub->stores[i];
        if (store->changelog) {
            struct wr_missing_topic want = {store->changelog, tasks,
                                            store->spec};
            status = want_topic(topics, want, missing, missing_count, err);
        }
    }
    return status;
}

enum weir_status wr_internal_topics_resolve(
    const struct wr_plan *plan, struct wr_cluster_topics *topics,
    struct wr_layout *out_layout, struct wr_missing_topic *out_missing,
    size_t *out_missing_count, struct weir_error *err)
{
    enum weir_status status = WEIR_OK;
    int32_t *counts = calloc(plan->subtopology_count + 1, sizeof(*counts));
    if (!counts) {
        return weir_fail(err, WEIR_E_NOMEM, "topics: out of memory");
    }
    *out_missing_count = 0;
    for (size_t i = 0; i < plan->repartition_count && status == WEIR_OK; i++) {
        const struct wr_repartition_topic *r = &plan->repartitions[i];
        struct wr_missing_topic want = {r->name, r->partitions, NULL};
        if (want.partitions == 0) {
            status =
                count_tasks(plan, topics, r->writer, &want.partitions, err);
        }
        if (status == WEIR_OK) {
            status =
                want_topic(topics, want, out_missing, out_missing_count, err);
        }
    }
    for (size_t i = 0; i < plan->subtopology_count && status == WEIR_OK; i++) {
        status = count_tasks(plan, topics, (int)i, &counts[i], err);
        if (status == WEIR_OK) {
            status = resolve_stores(&plan->subtopologies[i], topics, counts[i],
                                    out_missing, out_missing_count, err);
        }
    }
    if (status == WEIR_OK) {
        status =
            wr_layout_init(out_layout, counts, plan->subtopology_count, err);
    }
    free(counts);
    return status;
}

/* ---- making ------------------------------------------------------------- */

/* Kafka Streams' configurations, so that either can go on with the other's. */
static const struct wr_client_setting changelog_config[] = {
    {"cleanup.policy", "compact"},
    {"message.timestamp.type", "CreateTime"},
    {NULL, NULL}};
static const struct wr_client_setting repartition_config[] = {
    {"cleanup.policy", "delete"},
    {"message.timestamp.type", "CreateTime"},
    {"retention.ms", "-1"},
    {"segment.bytes", "52428800"},
    {NULL, NULL}};
static const struct wr_client_setting anchor_config[] = {
    {"cleanup.policy", "compact"}, {NULL, NULL}};

/* Waits until the cluster shows the topics that were just made. */
static enum weir_status wait_for(struct wr_admin *admin,
                                 const struct wr_new_topic *made, size_t count,
                                 struct weir_error *err)
{
    int64_t until = wr_mono_ms() + MADE_TIMEOUT_MS;
    size_t seen = 0;
    while (seen < count) {
        struct wr_cluster_topics now = {NULL, 0, NULL};
        enum weir_status status =
            wr_admin_topics(admin, ASK_TIMEOUT_MS, &now, err);
        if (status != WEIR_OK) {
            return status;
        }
        seen = 0;
        while (seen < count &&
               wr_cluster_topics_partitions(&now, made[seen].name) > 0) {
            seen++;
        }
        wr_cluster_topics_done(&now);
        if (seen < count && wr_mono_ms() > until) {
            return weir_fail(err, WEIR_E_TIMEOUT,
                             "topic '%s' was created but does not appear",
                             made[seen].name);
        }
        if (seen < count) {
            const struct timespec pause = {0, 10 * 1000 * 1000};
            (void)nanosleep(&pause, NULL);
        }
    }
    return WEIR_OK;
}

static enum weir_status make_topics(struct wr_admin *admin,
                                    const struct wr_missing_topic *missing,
                                    size_t count, const char *anchor,
                                    int32_t anchor_partitions,
                                    struct weir_error *err)
{
    struct wr_new_topic *topics = calloc(count + 1, sizeof(*topics));
    size_t n = 0;
    if (!topics) {
        return weir_fail(err, WEIR_E_NOMEM, "topics: out of memory");
    }
    for (; n < count; n++) {
        const struct weir_store_spec *store = missing[n].store;
        topics[n] = (struct wr_new_topic){
            .name = missing[n].name,
            .partitions = missing[n].partitions,
            .config = store ? changelog_config : repartition_config,
            .config_texts = store ? store->changelog_config : NULL};
    }
    if (anchor_partitions > 0) {
        topics[n++] = (struct wr_new_topic){.name = anchor,
                                            .partitions = anchor_partitions,
                                            .config = anchor_config};
    }
    enum weir_status status = wr_admin_create_topics(admin, topics, n, err);
    if (status == WEIR_OK && n > 0) {
        wr_log(WR_INFO, "topics", "created", "count=%zu first=%s", n,
               topics[0].name);
        status = wait_for(admin, topics, n, err);
    }
    free(topics);
    return status;
}

enum weir_status
wr_internal_topics_prepare(struct wr_admin *admin, const struct wr_plan *plan,
                           const char *anchor,
                           struct wr_cluster_topics *out_topics,
                           struct wr_layout *out_layout, struct weir_error *err)
{
    struct wr_cluster_topics topics = {NULL, 0, NULL};
    struct wr_layout layout = {0};
    size_t count = 0;
    struct wr_missing_topic *missing =
        calloc(wr_internal_topics_max(plan) + 1, sizeof(*missing));
    enum weir_status status =
        missing ? wr_admin_topics(admin, ASK_TIMEOUT_MS, &topics, err)
                : weir_fail(err, WEIR_E_NOMEM, "topics: out of memory");
    if (status == WEIR_OK) {
        status = wr_internal_topics_resolve(plan, &topics, &layout, missing,
                                            &count, err);
    }
    if (status == WEIR_OK) {
        int32_t have = wr_cluster_topics_partitions(&topics, anchor);
        status = make_topics(admin, missing, count, anchor,
                             have < 0 ? layout.total : 0, err);
        if (status == WEIR_OK && have > 0 && have < layout.total) {
            status = wr_admin_grow_topic(admin, anchor, layout.total, err);
        }
    }
    free(missing);
    if (status != WEIR_OK) {
        wr_cluster_topics_done(&topics);
        wr_layout_done(&layout);
        return status;
    }
    *out_topics = topics;
    *out_layout = layout;
    return WEIR_OK;
}
