/* SPDX-License-Identifier: Apache-2.0
 *
 * Cutting a topology into sub-topologies.
 *
 * Two nodes belong together when an edge or a shared store joins them. That is
 * union-find over the nodes; groups are numbered by the first node they were
 * given, which is how Kafka Streams numbers them, so that task ids (and with
 * them changelog partitions) agree between the two. */
#include "runtime/topology.h"

#include "base/bytes.h"

#include <stdlib.h>

#define SIGNATURE_MAX ((size_t)4 << 20) /* bytes */

/* ---- groups ------------------------------------------------------------- */

static int group_root(int *group, int node)
{
    while (group[node] != node) {
        group[node] = group[group[node]];
        node = group[node];
    }
    return node;
}

/* Joins two groups; the smaller root stays, so that a root is a first node. */
static void group_join(int *group, int a, int b)
{
    int ra = group_root(group, a);
    int rb = group_root(group, b);
    if (ra < rb) {
        group[rb] = ra;
    } else {
        group[ra] = rb;
    }
}

static void group_nodes(const struct weir_topology *t, int *group)
{
    for (size_t i = 0; i < t->node_count; i++) {
        group[i] = (int)i;
    }
    for (size_t i = 0; i < t->node_count; i++) {
        for (size_t k = 0; k < t->nodes[i]->parent_count; k++) {
            group_join(group, (int)i, t->nodes[i]->parents[k]);
        }
    }
    for (size_t i = 0; i < t->store_count; i++) {
        for (size_t k = 1; k < t->stores[i]->node_count; k++) {
            group_join(group, t->stores[i]->nodes[0], t->stores[i]->nodes[k]);
        }
    }
}

/* ---- one sub-topology --------------------------------------------------- */

static char *join_name(const char *a, const char *b, const char *c)
{
    size_t n = strlen(a) + strlen(b) + strlen(c) + 2;
    char *name = malloc(n);
    if (name) {
        struct wr_buf text;
        wr_buf_init(&text, n);
        wr_buf_printf(&text, "%s-%s%s", a, b, c);
        memcpy(name, wr_buf_text(&text), text.len + 1);
        wr_buf_done(&text);
    }
    return name;
}

/* The real name of a topic as declared, in memory of its own. */
static char *real_topic(const struct wr_plan *plan, const char *declared)
{
    if (wr_topology_is_repartition(plan->topology, declared)) {
        return join_name(plan->application_id, declared, "");
    }
    return strdup(declared);
}

static enum weir_status add_inputs(struct wr_plan *plan,
                                   struct wr_subtopology *sub,
                                   const struct wr_node *node)
{
    if (node->topic_count == 0) {
        return WEIR_OK;
    }
    struct wr_input_topic *inputs = realloc(
        sub->inputs, (sub->input_count + node->topic_count) * sizeof(*inputs));
    if (!inputs) {
        return WEIR_E_NOMEM;
    }
    sub->inputs = inputs;
    for (size_t i = 0; i < node->topic_count; i++) {
        struct wr_input_topic *input = &sub->inputs[sub->input_count];
        input->name = real_topic(plan, node->topics[i]);
        input->source = node->index;
        input->repartition =
            wr_topology_is_repartition(plan->topology, node->topics[i]);
        if (!input->name) {
            return WEIR_E_NOMEM;
        }
        sub->input_count++;
    }
    return WEIR_OK;
}

static enum weir_status add_stores(struct wr_plan *plan,
                                   struct wr_subtopology *sub)
{
    const struct weir_topology *t = plan->topology;
    sub->stores = calloc(t->store_count + 1, sizeof(*sub->stores));
    if (!sub->stores) {
        return WEIR_E_NOMEM;
    }
    for (size_t i = 0; i < t->store_count; i++) {
        const struct wr_topology_store *store = t->stores[i];
        if (plan->nodes[store->nodes[0]]->subtopology != sub->id) {
            continue;
        }
        struct wr_plan_store *out = &sub->stores[sub->store_count++];
        out->spec = &store->spec;
        if (!store->spec.no_changelog) {
            out->changelog =
                join_name(plan->application_id, store->spec.name, "-changelog");
            if (!out->changelog) {
                return WEIR_E_NOMEM;
            }
        }
    }
    return WEIR_OK;
}

static enum weir_status fill_subtopology(struct wr_plan *plan,
                                         struct wr_subtopology *sub)
{
    sub->nodes = calloc(plan->node_count, sizeof(int));
    if (!sub->nodes) {
        return WEIR_E_NOMEM;
    }
    enum weir_status s = WEIR_OK;
    for (size_t i = 0; i < plan->node_count && s == WEIR_OK; i++) {
        const struct wr_node *node = plan->nodes[i];
        if (node->subtopology != sub->id) {
            continue;
        }
        sub->nodes[sub->node_count++] = node->index;
        if (node->kind == WR_NODE_SOURCE) {
            s = add_inputs(plan, sub, node);
        }
    }
    return s == WEIR_OK ? add_stores(plan, sub) : s;
}

static enum weir_status number_groups(struct wr_plan *plan)
{
    int *group = calloc(plan->node_count, sizeof(int));
    if (!group) {
        return WEIR_E_NOMEM;
    }
    group_nodes(plan->topology, group);
    int count = 0;
    for (size_t i = 0; i < plan->node_count; i++) {
        int root = group_root(group, (int)i);
        plan->nodes[i]->subtopology =
            root == (int)i ? count++ : plan->nodes[root]->subtopology;
    }
    free(group);
    plan->subtopologies = calloc((size_t)count, sizeof(*plan->subtopologies));
    if (!plan->subtopologies) {
        return WEIR_E_NOMEM;
    }
    plan->subtopology_count = (size_t)count;
    for (int i = 0; i < count; i++) {
        plan->subtopologies[i].id = i;
        enum weir_status s = fill_subtopology(plan, &plan->subtopologies[i]);
        if (s != WEIR_OK) {
            return s;
        }
    }
    return WEIR_OK;
}

/* ---- repartition topics ------------------------------------------------- */

static int writer_of(const struct wr_plan *plan, const char *declared)
{
    for (size_t i = 0; i < plan->node_count; i++) {
        if (plan->nodes[i]->kind == WR_NODE_SINK &&
            strcmp(plan->nodes[i]->topics[0], declared) == 0) {
            return plan->nodes[i]->subtopology;
        }
    }
    return -1;
}

/* Whether all repartition topics that the writer of `r` reads are placed. */
static bool inputs_are_placed(const struct wr_plan *plan,
                              const struct wr_repartition_topic *r)
{
    const struct wr_subtopology *sub = &plan->subtopologies[r->writer];
    for (size_t i = 0; i < sub->input_count; i++) {
        if (!sub->inputs[i].repartition) {
            continue;
        }
        bool placed = false;
        for (size_t k = 0; k < plan->repartition_count; k++) {
            placed = placed || strcmp(plan->repartitions[k].name,
                                      sub->inputs[i].name) == 0;
        }
        if (!placed) {
            return false;
        }
    }
    return true;
}

/* Orders repartition topics so that each comes after those its writer reads. */
static enum weir_status order_repartitions(struct wr_plan *plan,
                                           struct weir_error *err)
{
    const struct weir_topology *t = plan->topology;
    size_t count = t->repartition_count;
    plan->repartitions = calloc(count + 1, sizeof(*plan->repartitions));
    bool *done = calloc(count + 1, sizeof(*done));
    enum weir_status s = plan->repartitions && done ? WEIR_OK : WEIR_E_NOMEM;
    while (s == WEIR_OK && plan->repartition_count < count) {
        size_t before = plan->repartition_count;
        for (size_t i = 0; i < count && s == WEIR_OK; i++) {
            struct wr_repartition_topic r = {
                .partitions = t->repartitions[i].partitions,
                .writer = writer_of(plan, t->repartitions[i].name)};
            if (done[i] || !(r.partitions > 0 || inputs_are_placed(plan, &r))) {
                continue;
            }
            r.name = real_topic(plan, t->repartitions[i].name);
            s = r.name ? WEIR_OK : WEIR_E_NOMEM;
            plan->repartitions[plan->repartition_count++] = r;
            done[i] = true;
        }
        if (s == WEIR_OK && plan->repartition_count == before) {
            s = weir_fail(err, WEIR_E_TOPOLOGY,
                          "the repartition topics feed each other in a circle, "
                          "so that no partition count follows: give one of "
                          "them a partition count");
        }
    }
    free(done);
    return s;
}

/* ---- life --------------------------------------------------------------- */

enum weir_status wr_plan_new(struct weir_topology *topology,
                             const char *application_id, struct wr_plan **out,
                             struct weir_error *err)
{
    enum weir_status s = weir_topology_check(topology, err);
    if (s != WEIR_OK) {
        return s;
    }
    struct wr_plan *plan = calloc(1, sizeof(*plan));
    if (!plan) {
        return weir_fail(err, WEIR_E_NOMEM, "plan: out of memory");
    }
    plan->topology = topology;
    plan->nodes = topology->nodes;
    plan->node_count = topology->node_count;
    plan->application_id = strdup(application_id);
    s = plan->application_id ? number_groups(plan) : WEIR_E_NOMEM;
    if (s == WEIR_OK) {
        s = order_repartitions(plan, err);
    }
    if (s != WEIR_OK) {
        wr_plan_free(plan);
        return s == WEIR_E_NOMEM ? weir_fail(err, s, "plan: out of memory") : s;
    }
    *out = plan;
    return WEIR_OK;
}

void wr_plan_free(struct wr_plan *plan)
{
    if (!plan) {
        return;
    }
    for (size_t i = 0; i < plan->subtopology_count; i++) {
        struct wr_subtopology *sub = &plan->subtopologies[i];
        for (size_t k = 0; k < sub->input_count; k++) {
            free(sub->inputs[k].name);
        }
        for (size_t k = 0; k < sub->store_count; k++) {
            free(sub->stores[k].changelog);
        }
        free(sub->inputs);
        free(sub->stores);
        free(sub->nodes);
    }
    for (size_t i = 0; i < plan->repartition_count; i++) {
        free(plan->repartitions[i].name);
    }
    free(plan->subtopologies);
    free(plan->repartitions);
    free(plan->application_id);
    free(plan);
}

const char *wr_plan_topic(const struct wr_plan *plan, const char *declared)
{
    if (!wr_topology_is_repartition(plan->topology, declared)) {
        return declared;
    }
    size_t prefix = strlen(plan->application_id) + 1;
    for (size_t i = 0; i < plan->repartition_count; i++) {
        if (strcmp(plan->repartitions[i].name + prefix, declared) == 0) {
            return plan->repartitions[i].name;
        }
    }
    return declared;
}

const struct weir_store_spec *wr_plan_store_spec(const struct wr_plan *plan,
                                                 int store)
{
    return &plan->topology->stores[store]->spec;
}

const struct weir_thread_hook *wr_plan_hook(const struct wr_plan *plan)
{
    return plan->topology->hook.start ? &plan->topology->hook : NULL;
}

/* ---- signature ---------------------------------------------------------- */

enum weir_status wr_plan_signature(const struct wr_plan *plan, char **out_text,
                                   struct weir_error *err)
{
    const struct weir_topology *t = plan->topology;
    char *description = NULL;
    enum weir_status s =
        weir_topology_describe((struct weir_topology *)(uintptr_t)t,
                               WEIR_DESCRIBE_TEXT, &description, err);
    if (s != WEIR_OK) {
        return s;
    }
    struct wr_buf text;
    wr_buf_init(&text, SIGNATURE_MAX);
    wr_buf_put_text(&text, description);
    free(description);
    for (size_t i = 0; i < t->store_count; i++) {
        const struct weir_store_spec *spec = &t->stores[i]->spec;
        wr_buf_printf(&text, "Store: %s%s%s\n", spec->name,
                      spec->timestamped ? " timestamped" : "",
                      spec->no_changelog ? " no-changelog" : "");
    }
    for (size_t i = 0; i < t->repartition_count; i++) {
        if (t->repartitions[i].partitions > 0) {
            wr_buf_printf(&text, "Repartition: %s partitions %d\n",
                          t->repartitions[i].name,
                          t->repartitions[i].partitions);
        }
    }
    char *copy = text.status == WEIR_OK ? strdup(wr_buf_text(&text)) : NULL;
    s = text.status;
    wr_buf_done(&text);
    if (!copy) {
        return weir_fail(err, s == WEIR_OK ? WEIR_E_NOMEM : s,
                         "topology signature does not fit in memory");
    }
    *out_text = copy;
    return WEIR_OK;
}
