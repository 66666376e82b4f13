/* SPDX-License-Identifier: Apache-2.0
 *
 * Building a topology: every call copies what it is given, checks what can be
 * checked at once, and keeps the first error for weir_topology_check(). Nothing
 * here knows of partitions, brokers or threads: plan.c makes it runnable. */
#include "runtime/topology.h"

#include <ctype.h>
#include <stdlib.h>

#define NAME_MAX_BYTES 240 /* Kafka's 249, less what internal names add */
#define NODES_MAX      10000

/* ---- growing arrays and copies ------------------------------------------ */

static void out_of_memory(struct weir_topology *t)
{
    if (t->error.status == WEIR_OK) {
        (void)weir_fail(&t->error, WEIR_E_NOMEM, "out of memory");
    }
}

/* Appends one element of `size` bytes to *array; false and sticky on failure.
 */
static bool append(struct weir_topology *t, void *array_ptr, size_t *count,
                   const void *element, size_t size)
{
    void *old;
    memcpy(&old, array_ptr, sizeof(old));
    uint8_t *grown = realloc(old, (*count + 1) * size);
    if (!grown) {
        out_of_memory(t);
        return false;
    }
    memcpy(grown + *count * size, element, size);
    memcpy(array_ptr, &grown, sizeof(grown));
    (*count)++;
    return true;
}

static char *copy_text(struct weir_topology *t, const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy) {
        out_of_memory(t);
    }
    return copy;
}

/* ---- life --------------------------------------------------------------- */

struct weir_topology *weir_topology_new(void)
{
    struct weir_topology *t = calloc(1, sizeof(*t));
    if (t) {
        wr_map_init(&t->node_by_name);
    }
    return t;
}

static void node_free(struct wr_node *node)
{
    for (size_t i = 0; i < node->topic_count; i++) {
        free(node->topics[i]);
    }
    free(node->topics);
    free(node->children);
    free(node->parents);
    free(node->stores);
    free(node->name);
    free(node);
}

static void config_free(const char *const *config)
{
    if (config) {
        for (size_t i = 0; config[i]; i++) {
            free((void *)(uintptr_t)config[i]);
        }
        free((void *)(uintptr_t)config);
    }
}

static void store_free(struct wr_topology_store *store)
{
    config_free(store->spec.changelog_config);
    free((void *)(uintptr_t)store->spec.name);
    free(store->nodes);
    free(store);
}

void weir_topology_free(struct weir_topology *t)
{
    if (!t) {
        return;
    }
    for (size_t i = 0; i < t->node_count; i++) {
        node_free(t->nodes[i]);
    }
    for (size_t i = 0; i < t->store_count; i++) {
        store_free(t->stores[i]);
    }
    for (size_t i = 0; i < t->repartition_count; i++) {
        free(t->repartitions[i].name);
    }
    free(t->nodes);
    free(t->stores);
    free(t->repartitions);
    wr_map_done(&t->node_by_name);
    free(t);
}

/* ---- look-ups ----------------------------------------------------------- */

struct wr_node *wr_topology_node(const struct weir_topology *t,
                                 const char *name)
{
    return name ? wr_map_get(&t->node_by_name, weir_text(name)) : NULL;
}

int wr_topology_store_index(const struct weir_topology *t, const char *name)
{
    for (size_t i = 0; name && i < t->store_count; i++) {
        if (strcmp(t->stores[i]->spec.name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

bool wr_topology_is_repartition(const struct weir_topology *t,
                                const char *topic)
{
    for (size_t i = 0; i < t->repartition_count; i++) {
        if (strcmp(t->repartitions[i].name, topic) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- checks of names ---------------------------------------------------- */

/* A Kafka topic's and so a store's letters: they become parts of topic names.
 */
static bool is_legal_name(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > NAME_MAX_BYTES || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c >= 0x80 || !(isalnum(c) || c == '.' || c == '_' || c == '-')) {
            return false;
        }
    }
    return true;
}

static bool check_name(struct weir_topology *t, const char *what,
                       const char *name)
{
    if (t->error.status != WEIR_OK) {
        return false;
    }
    if (!name || !is_legal_name(name)) {
        (void)weir_fail(&t->error, WEIR_E_TOPOLOGY,
                        "%s name '%s' is not legal: use 1 to %d letters, "
                        "digits, '.', '_' or '-'",
                        what, name ? name : "(null)", NAME_MAX_BYTES);
        return false;
    }
    return true;
}

static bool check_size(struct weir_topology *t, size_t size, size_t expected,
                       const char *what)
{
    if (size != expected && t->error.status == WEIR_OK) {
        (void)weir_fail(&t->error, WEIR_E_INVALID,
                        "struct %s: size is %zu but this library's is %zu; "
                        "set .size = sizeof(struct %s) and compile against "
                        "the library's headers",
                        what, size, expected, what);
    }
    return t->error.status == WEIR_OK;
}

/* ---- nodes -------------------------------------------------------------- */

static bool add_parents(struct weir_topology *t, struct wr_node *node,
                        const char *const *parents, size_t count)
{
    if (count == 0) {
        (void)weir_fail(&t->error, WEIR_E_TOPOLOGY,
                        "node '%s' has no parent: name at least one source or "
                        "processor that feeds it",
                        node->name);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct wr_node *parent = wr_topology_node(t, parents[i]);
        if (!parent || parent == node || parent->kind == WR_NODE_SINK) {
            (void)weir_fail(&t->error, WEIR_E_TOPOLOGY,
                            "node '%s': parent '%s' %s", node->name,
                            parents[i] ? parents[i] : "(null)",
                            !parent ? "is not known; add parents before their "
                                      "children"
                                    : "cannot have children");
            return false;
        }
        if (!append(t, &node->parents, &node->parent_count, &parent->index,
                    sizeof(int)) ||
            !append(t, &parent->children, &parent->child_count, &node->index,
                    sizeof(int))) {
            return false;
        }
    }
    return true;
}

/* Makes an empty node and registers its name; NULL with the error set. */
static struct wr_node *node_new(struct weir_topology *t, enum wr_node_kind kind,
                                const char *name)
{
    if (!check_name(t, "node", name)) {
        return NULL;
    }
    if (wr_topology_node(t, name)) {
        (void)weir_fail(&t->error, WEIR_E_TOPOLOGY,
                        "node '%s' exists already: node names are unique",
                        name);
        return NULL;
    }
    if (t->node_count >= NODES_MAX) {
        (void)weir_fail(&t->error, WEIR_E_TOPOLOGY,
                        "node '%s': a topology has at most %d nodes", name,
                        NODES_MAX);
        return NULL;
    }
    struct wr_node *node = calloc(1, sizeof(*node));
    if (!node) {
        out_of_memory(t);
        return NULL;
    }
    node->kind = kind;
    node->index = (int)t->node_count;
    node->subtopology = -1;
    node->name = copy_text(t, name);
    if (!node->name ||
        !append(t, &t->nodes, &t->node_count, &node, sizeof(node))) {
        node_free(node);
        return NULL;
    }
    if (wr_map_put(&t->node_by_name, weir_text(name), node, NULL) != WEIR_OK) {
        out_of_memory(t);
        return NULL;
    }
    return node;
}

static bool add_topic(struct weir_topology *t, struct wr_node *node,
                      const char *topic)
{
    if (!check_name(t, "topic", topic)) {
        (void)weir_fail_prefix(&t->error, t->error.status, "node '%s'",
                               node->name);
        return false;
    }
    char *copy = copy_text(t, topic);
    if (!copy ||
        !append(t, &node->topics, &node->topic_count, &copy, sizeof(copy))) {
        free(copy);
        return false;
    }
    return true;
}

/* The source that reads topic already, or NULL. */
static const struct wr_node *source_of(const struct weir_topology *t,
                                       const char *topic)
{
    for (size_t i = 0; i < t->node_count; i++) {
        const struct wr_node *node = t->nodes[i];
        for (size_t k = 0;
             node->kind == WR_NODE_SOURCE && k < node->topic_count; k++) {
            if (strcmp(node->topics[k], topic) == 0) {
                return node;
            }
        }
    }
    return NULL;
}

void weir_topology_source(struct weir_topology *t,
                          const struct weir_source *source)
{
    if (!check_size(t, source->size, sizeof(*source), "weir_source")) {
        return;
    }
    struct wr_node *node = node_new(t, WR_NODE_SOURCE, source->name);
    if (!node) {
        return;
    }
    node->source = *source;
    if (source->topic_count == 0) {
        (void)weir_fail(&t->error, WEIR_E_TOPOLOGY,
                        "source '%s' names no topic", node->name);
        return;
    }
    for (size_t i = 0; i < source->topic_count; i++) {
        const struct wr_node *other =
            source->topics[i] ? source_of(t, source->topics[i]) : NULL;
        if (other) {
            (void)weir_fail(&t->error, WEIR_E_TOPOLOGY,
                            "topic '%s' is read by source '%s' already: read "
                            "it once and give the source several children",
                            source->topics[i], other->name);
            return;
        }
        if (!add_topic(t, node, source->topics[i])) {
            return;
        }
    }
}

void weir_topology_processor(struct weir_topology *t,
                             const struct weir_processor *processor)
{
    if (!check_size(t, processor->size, sizeof(*processor), "weir_processor")) {
        return;
    }
    struct wr_node *node = node_new(t, WR_NODE_PROCESSOR, processor->name);
    if (!node) {
        return;
    }
    node->processor = *processor;
    if (!processor->process) {
        (void)weir_fail(&t->error, WEIR_E_TOPOLOGY,
                        "processor '%s' has no process function", node->name);
        return;
    }
    if (!add_parents(t, node, processor->parents, processor->parent_count)) {
        return;
    }
    for (size_t i = 0; i < processor->store_count; i++) {
        weir_topology_connect(t, node->name, processor->stores[i]);
    }
}

void weir_topology_sink(struct weir_topology *t, const struct weir_sink *sink)
{
    if (!check_size(t, sink->size, sizeof(*sink), "weir_sink")) {
        return;
    }
    struct wr_node *node = node_new(t, WR_NODE_SINK, sink->name);
    if (!node) {
        return;
    }
    node->sink = *sink;
    if (add_topic(t, node, sink->topic)) {
        (void)add_parents(t, node, sink->parents, sink->parent_count);
    }
}

/* ---- stores and internal topics ----------------------------------------- */

static const char *const *copy_config(struct weir_topology *t,
                                      const char *const *config)
{
    size_t count = 0;
    while (config && config[count]) {
        count++;
    }
    if (count == 0) {
        return NULL;
    }
    const char **copy = calloc(count + 1, sizeof(*copy));
    if (!copy) {
        out_of_memory(t);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        const char *equals = strchr(config[i], '=');
        if ((!equals || equals == config[i]) && t->error.status == WEIR_OK) {
            (void)weir_fail(&t->error, WEIR_E_TOPOLOGY,
                            "changelog configuration '%s' is not name=value",
                            config[i]);
        }
        copy[i] = copy_text(t, config[i]);
    }
    return (const char *const *)copy;
}

void weir_topology_store(struct weir_topology *t,
                         const struct weir_store_spec *spec)
{
    if (!check_size(t, spec->size, sizeof(*spec), "weir_store_spec") ||
        !check_name(t, "store", spec->name)) {
        return;
    }
    if (wr_topology_store_index(t, spec->name) >= 0) {
        (void)weir_fail(&t->error, WEIR_E_TOPOLOGY,
                        "store '%s' exists already: store names are unique",
                        spec->name);
        return;
    }
    struct wr_topology_store *store = calloc(1, sizeof(*store));
    if (!store) {
        out_of_memory(t);
        return;
    }
    store->spec = *spec;
    store->spec.name = copy_text(t, spec->name);
    store->spec.changelog_config = copy_config(t, spec->changelog_config);
    if (!store->spec.key_serde) {
        store->spec.key_serde = &weir_serde_bytes;
    }
    if (!store->spec.value_serde) {
        store->spec.value_serde = &weir_serde_bytes;
    }
    if (!store->spec.name ||
        !append(t, &t->stores, &t->store_count, &store, sizeof(store))) {
        store_free(store);
    }
}

void weir_topology_connect(struct weir_topology *t, const char *processor,
                           const char *store)
{
    if (t->error.status != WEIR_OK) {
        return;
    }
    struct wr_node *node = wr_topology_node(t, processor);
    int index = wr_topology_store_index(t, store);
    if (!node || node->kind != WR_NODE_PROCESSOR || index < 0) {
        (void)weir_fail(&t->error, WEIR_E_TOPOLOGY,
                        "cannot connect processor '%s' with store '%s': %s",
                        processor ? processor : "(null)",
                        store ? store : "(null)",
                        index < 0 ? "no such store; add the store first"
                                  : "no such processor");
        return;
    }
    for (size_t i = 0; i < node->store_count; i++) {
        if (node->stores[i] == index) {
            return;
        }
    }
    struct wr_topology_store *s = t->stores[index];
    (void)(append(t, &node->stores, &node->store_count, &index, sizeof(int)) &&
           append(t, &s->nodes, &s->node_count, &node->index, sizeof(int)));
}

void weir_topology_repartition(struct weir_topology *t, const char *name,
                               int32_t partitions)
{
    if (!check_name(t, "repartition topic", name)) {
        return;
    }
    if (partitions < 0 || wr_topology_is_repartition(t, name)) {
        (void)weir_fail(&t->error, WEIR_E_TOPOLOGY, "repartition topic '%s' %s",
                        name,
                        partitions < 0 ? "has a negative partition count"
                                       : "exists already");
        return;
    }
    struct wr_topology_repartition r = {copy_text(t, name), partitions};
    if (!r.name ||
        !append(t, &t->repartitions, &t->repartition_count, &r, sizeof(r))) {
        free(r.name);
    }
}

void weir_topology_hook(struct weir_topology *t,
                        const struct weir_thread_hook *hook)
{
    if (!check_size(t, hook->size, sizeof(*hook), "weir_thread_hook")) {
        return;
    }
    if (t->hook.start || !hook->start) {
        (void)weir_fail(
            &t->error, WEIR_E_TOPOLOGY,
            "a topology has one thread hook, with a start function");
        return;
    }
    t->hook = *hook;
}

/* ---- the whole ---------------------------------------------------------- */

static enum weir_status check_repartition(const struct weir_topology *t,
                                          const char *name,
                                          struct weir_error *err)
{
    bool written = false;
    for (size_t i = 0; i < t->node_count && !written; i++) {
        written = t->nodes[i]->kind == WR_NODE_SINK &&
                  strcmp(t->nodes[i]->topics[0], name) == 0;
    }
    if (!written || !source_of(t, name)) {
        return weir_fail(
            err, WEIR_E_TOPOLOGY, "repartition topic '%s' has no %s", name,
            written ? "source that reads it" : "sink that writes it");
    }
    return WEIR_OK;
}

enum weir_status weir_topology_check(struct weir_topology *t,
                                     struct weir_error *err)
{
    if (t->error.status != WEIR_OK) {
        return weir_fail(err, t->error.status, "%s", t->error.text);
    }
    bool has_source = false;
    for (size_t i = 0; i < t->node_count; i++) {
        has_source = has_source || t->nodes[i]->kind == WR_NODE_SOURCE;
    }
    if (!has_source) {
        return weir_fail(err, WEIR_E_TOPOLOGY,
                         "the topology has no source: add at least one");
    }
    for (size_t i = 0; i < t->store_count; i++) {
        if (t->stores[i]->node_count == 0) {
            return weir_fail(err, WEIR_E_TOPOLOGY,
                             "store '%s' is used by no processor: connect it "
                             "or leave it out",
                             t->stores[i]->spec.name);
        }
    }
    for (size_t i = 0; i < t->repartition_count; i++) {
        enum weir_status s = check_repartition(t, t->repartitions[i].name, err);
        if (s != WEIR_OK) {
            return s;
        }
    }
    return WEIR_OK;
}
