/* SPDX-License-Identifier: Apache-2.0
 *
 * A topology as text, as Graphviz and as JSON.
 *
 * The text is the one Kafka Streams prints, so that tools which draw that one
 * draw ours, and a diff between a Java program and a weir program is a diff of
 * two texts. Its order of nodes within a sub-topology: those with more
 * descendants first (a node counts once per path to it), then by name. */
#include "runtime/plan.h"
#include "runtime/topology.h"

#include "base/bytes.h"

#include <stdlib.h>

#define DESCRIPTION_MAX ((size_t)4 << 20) /* bytes */

struct describe {
    const struct wr_plan *plan;
    uint64_t *weights; /* by node index: 1 + weights of the children */
    struct wr_buf out;
};

static void weigh(struct describe *d)
{
    for (size_t i = d->plan->node_count; i-- > 0;) {
        const struct wr_node *node = d->plan->nodes[i];
        d->weights[i] = 1;
        for (size_t k = 0; k < node->child_count; k++) {
            uint64_t w = d->weights[node->children[k]];
            d->weights[i] =
                d->weights[i] > UINT64_MAX - w ? UINT64_MAX : d->weights[i] + w;
        }
    }
}

static bool comes_first(const struct describe *d, int a, int b)
{
    if (d->weights[a] != d->weights[b]) {
        return d->weights[a] > d->weights[b];
    }
    return strcmp(d->plan->nodes[a]->name, d->plan->nodes[b]->name) < 0;
}

/* A sorted copy of node indexes; small counts, so insertion sort. */
static int *sorted_nodes(const struct describe *d, const int *nodes,
                         size_t count)
{
    int *copy = malloc((count + 1) * sizeof(int));
    for (size_t i = 0; copy && i < count; i++) {
        size_t at = i;
        while (at > 0 && comes_first(d, nodes[i], copy[at - 1])) {
            copy[at] = copy[at - 1];
            at--;
        }
        copy[at] = nodes[i];
    }
    return copy;
}

/* ---- text --------------------------------------------------------------- */

static enum weir_status put_names(struct describe *d, const char *arrow,
                                  const int *nodes, size_t count)
{
    int *sorted = sorted_nodes(d, nodes, count);
    if (!sorted) {
        return WEIR_E_NOMEM;
    }
    wr_buf_printf(&d->out, "      %s ", arrow);
    for (size_t i = 0; i < count; i++) {
        wr_buf_printf(&d->out, "%s%s", i ? ", " : "",
                      d->plan->nodes[sorted[i]]->name);
    }
    wr_buf_put_text(&d->out, count ? "\n" : "none\n");
    free(sorted);
    return WEIR_OK;
}

static void put_stores(struct describe *d, const struct wr_node *node)
{
    const char *last = "";
    for (size_t n = 0; n < node->store_count; n++) {
        const char *next = NULL;
        for (size_t i = 0; i < node->store_count; i++) {
            const char *name =
                d->plan->topology->stores[node->stores[i]]->spec.name;
            if (strcmp(name, last) > 0 && (!next || strcmp(name, next) < 0)) {
                next = name;
            }
        }
        wr_buf_printf(&d->out, "%s%s", n ? ", " : "", next ? next : "");
        last = next ? next : last;
    }
}

static enum weir_status put_node_text(struct describe *d,
                                      const struct wr_node *node)
{
    enum weir_status s = WEIR_OK;
    switch (node->kind) {
    case WR_NODE_SOURCE:
        wr_buf_printf(&d->out, "    Source: %s (topics: [", node->name);
        for (size_t i = 0; i < node->topic_count; i++) {
            wr_buf_printf(&d->out, "%s%s", i ? ", " : "", node->topics[i]);
        }
        wr_buf_put_text(&d->out, "])\n");
        return put_names(d, "-->", node->children, node->child_count);
    case WR_NODE_PROCESSOR:
        wr_buf_printf(&d->out, "    Processor: %s (stores: [", node->name);
        put_stores(d, node);
        wr_buf_put_text(&d->out, "])\n");
        s = put_names(d, "-->", node->children, node->child_count);
        break;
    case WR_NODE_SINK:
        wr_buf_printf(&d->out, "    Sink: %s (topic: %s)\n", node->name,
                      node->topics[0]);
        break;
    }
    return s != WEIR_OK
               ? s
               : put_names(d, "<--", node->parents, node->parent_count);
}

static enum weir_status describe_text(struct describe *d)
{
    wr_buf_put_text(&d->out, "Topologies:\n ");
    for (size_t i = 0; i < d->plan->subtopology_count; i++) {
        const struct wr_subtopology *sub = &d->plan->subtopologies[i];
        wr_buf_printf(&d->out, "  Sub-topology: %d\n", sub->id);
        int *sorted = sorted_nodes(d, sub->nodes, sub->node_count);
        enum weir_status s = sorted ? WEIR_OK : WEIR_E_NOMEM;
        for (size_t k = 0; k < sub->node_count && s == WEIR_OK; k++) {
            s = put_node_text(d, d->plan->nodes[sorted[k]]);
        }
        free(sorted);
        if (s != WEIR_OK) {
            return s;
        }
        wr_buf_put_text(&d->out, "\n");
    }
    return WEIR_OK;
}

/* ---- Graphviz ----------------------------------------------------------- */

static void put_topic_edge(struct describe *d, const struct wr_node *node,
                           const char *topic)
{
    wr_buf_printf(&d->out, "  \"topic %s\" [label=\"%s\", shape=cylinder];\n",
                  topic, topic);
    if (node->kind == WR_NODE_SOURCE) {
        wr_buf_printf(&d->out, "  \"topic %s\" -> \"%s\";\n", topic,
                      node->name);
    } else {
        wr_buf_printf(&d->out, "  \"%s\" -> \"topic %s\";\n", node->name,
                      topic);
    }
}

static void put_node_dot(struct describe *d, const struct wr_node *node)
{
    for (size_t i = 0; i < node->topic_count; i++) {
        put_topic_edge(d, node, node->topics[i]);
    }
    for (size_t i = 0; i < node->child_count; i++) {
        wr_buf_printf(&d->out, "  \"%s\" -> \"%s\";\n", node->name,
                      d->plan->nodes[node->children[i]]->name);
    }
    for (size_t i = 0; i < node->store_count; i++) {
        const char *store =
            d->plan->topology->stores[node->stores[i]]->spec.name;
        wr_buf_printf(&d->out,
                      "  \"store %s\" [label=\"%s\", shape=folder];\n"
                      "  \"%s\" -> \"store %s\" [dir=both, style=dashed];\n",
                      store, store, node->name, store);
    }
}

static enum weir_status describe_dot(struct describe *d)
{
    wr_buf_put_text(&d->out,
                    "digraph topology {\n  node [shape=box, style=rounded];\n");
    for (size_t i = 0; i < d->plan->subtopology_count; i++) {
        const struct wr_subtopology *sub = &d->plan->subtopologies[i];
        wr_buf_printf(
            &d->out,
            "  subgraph cluster_%d {\n    label=\"sub-topology %d\";\n",
            sub->id, sub->id);
        for (size_t k = 0; k < sub->node_count; k++) {
            wr_buf_printf(&d->out, "    \"%s\";\n",
                          d->plan->nodes[sub->nodes[k]]->name);
        }
        wr_buf_put_text(&d->out, "  }\n");
    }
    for (size_t i = 0; i < d->plan->node_count; i++) {
        put_node_dot(d, d->plan->nodes[i]);
    }
    wr_buf_put_text(&d->out, "}\n");
    return WEIR_OK;
}

/* ---- JSON --------------------------------------------------------------- */

/* Names are letters, digits, '.', '_' and '-': nothing to escape. */
static void put_name_list(struct describe *d, const char *field,
                          const int *nodes, size_t count)
{
    wr_buf_printf(&d->out, ",\"%s\":[", field);
    for (size_t i = 0; i < count; i++) {
        wr_buf_printf(&d->out, "%s\"%s\"", i ? "," : "",
                      d->plan->nodes[nodes[i]]->name);
    }
    wr_buf_put_text(&d->out, "]");
}

static void put_node_json(struct describe *d, const struct wr_node *node)
{
    static const char *const kinds[] = {"source", "processor", "sink"};
    wr_buf_printf(&d->out, "{\"name\":\"%s\",\"kind\":\"%s\"", node->name,
                  kinds[node->kind]);
    if (node->topic_count > 0) {
        wr_buf_put_text(&d->out, ",\"topics\":[");
        for (size_t i = 0; i < node->topic_count; i++) {
            wr_buf_printf(&d->out, "%s\"%s\"", i ? "," : "",
                          wr_plan_topic(d->plan, node->topics[i]));
        }
        wr_buf_put_text(&d->out, "]");
    }
    if (node->store_count > 0) {
        wr_buf_put_text(&d->out, ",\"stores\":[");
        for (size_t i = 0; i < node->store_count; i++) {
            wr_buf_printf(
                &d->out, "%s\"%s\"", i ? "," : "",
                d->plan->topology->stores[node->stores[i]]->spec.name);
        }
        wr_buf_put_text(&d->out, "]");
    }
    put_name_list(d, "children", node->children, node->child_count);
    wr_buf_put_text(&d->out, "}");
}

static enum weir_status describe_json(struct describe *d)
{
    wr_buf_put_text(&d->out, "{\"subtopologies\":[");
    for (size_t i = 0; i < d->plan->subtopology_count; i++) {
        const struct wr_subtopology *sub = &d->plan->subtopologies[i];
        wr_buf_printf(&d->out, "%s{\"id\":%d,\"nodes\":[", i ? "," : "",
                      sub->id);
        for (size_t k = 0; k < sub->node_count; k++) {
            wr_buf_put_text(&d->out, k ? "," : "");
            put_node_json(d, d->plan->nodes[sub->nodes[k]]);
        }
        wr_buf_put_text(&d->out, "]}");
    }
    wr_buf_put_text(&d->out, "]}");
    return WEIR_OK;
}

/* ---- door --------------------------------------------------------------- */

enum weir_status wr_plan_describe(const struct wr_plan *plan,
                                  enum weir_describe format, char **out_text,
                                  struct weir_error *err)
{
    struct describe d = {.plan = plan};
    wr_buf_init(&d.out, DESCRIPTION_MAX);
    d.weights = calloc(plan->node_count + 1, sizeof(*d.weights));
    enum weir_status s = d.weights ? WEIR_OK : WEIR_E_NOMEM;
    if (s == WEIR_OK) {
        weigh(&d);
        switch (format) {
        case WEIR_DESCRIBE_TEXT:
            s = describe_text(&d);
            break;
        case WEIR_DESCRIBE_DOT:
            s = describe_dot(&d);
            break;
        case WEIR_DESCRIBE_JSON:
            s = describe_json(&d);
            break;
        default:
            s = WEIR_E_INVALID;
            break;
        }
    }
    char *copy = s == WEIR_OK ? strdup(wr_buf_text(&d.out)) : NULL;
    s = s == WEIR_OK ? d.out.status : s;
    wr_buf_done(&d.out);
    free(d.weights);
    if (s != WEIR_OK || !copy) {
        free(copy);
        return weir_fail(err, s == WEIR_OK ? WEIR_E_NOMEM : s,
                         "topology description: %s",
                         weir_status_text(s == WEIR_OK ? WEIR_E_NOMEM : s));
    }
    *out_text = copy;
    return WEIR_OK;
}

enum weir_status weir_topology_describe(struct weir_topology *topology,
                                        enum weir_describe format,
                                        char **out_text, struct weir_error *err)
{
    struct wr_plan *plan = NULL;
    /* Without an application there is no prefix; names stay as declared. */
    enum weir_status s = wr_plan_new(topology, "application", &plan, err);
    if (s == WEIR_OK) {
        s = wr_plan_describe(plan, format, out_text, err);
    }
    wr_plan_free(plan);
    return s;
}
