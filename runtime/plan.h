/* SPDX-License-Identifier: Apache-2.0
 *
 * A plan: a topology cut into sub-topologies, frozen, with the real names of
 * its internal topics. Nodes that share a stream or a store are in one
 * sub-topology; sub-topologies are numbered in the order their first node was
 * added, as in Kafka Streams, so that task ids agree. Immutable once made: any
 * thread. */
#ifndef WEIR_RUNTIME_PLAN_H
#define WEIR_RUNTIME_PLAN_H

#include "weir/weir.h"

enum wr_node_kind { WR_NODE_SOURCE, WR_NODE_PROCESSOR, WR_NODE_SINK };

/** One node of the topology. Owned by the topology; arrays end at their counts.
 */
struct wr_node {
    enum wr_node_kind kind;
    int index; /* order in which it was added */
    char *name;
    int *children; /* node indexes, in the order they were added */
    size_t child_count;
    int *parents;
    size_t parent_count;
    int *stores; /* store indexes */
    size_t store_count;
    int subtopology; /* set by the plan */
    /* sources: topics as declared; sinks: one */
    char **topics;
    size_t topic_count;
    struct weir_source source; /* the spec; names inside are not to be used */
    struct weir_processor processor;
    struct weir_sink sink;
};

/** A topic that a sub-topology reads. */
struct wr_input_topic {
    char *name; /* real name */
    int source; /* node index */
    bool repartition;
};

/** A store of a sub-topology. */
struct wr_plan_store {
    const struct weir_store_spec *spec; /* of the topology */
    char *changelog;                    /* real topic name; NULL: none */
};

struct wr_subtopology {
    int id;
    int *nodes; /* node indexes, parents before children */
    size_t node_count;
    struct wr_input_topic *inputs;
    size_t input_count;
    struct wr_plan_store *stores;
    size_t store_count;
};

/** An internal topic to create: repartition topics first, in an order in which
 *  each one's upstream partition counts are known. */
struct wr_repartition_topic {
    char *name;         /* real name */
    int32_t partitions; /* as asked; 0: largest upstream source */
    int writer;         /* sub-topology that writes it */
};

struct wr_plan {
    const struct weir_topology *topology; /* lent */
    char *application_id;
    struct wr_node *const *nodes; /* all nodes of the topology, lent */
    size_t node_count;
    struct wr_subtopology *subtopologies;
    size_t subtopology_count;
    struct wr_repartition_topic *repartitions;
    size_t repartition_count;
};

/** Cuts a checked topology. The topology is lent for the plan's life.
 *  Errors: as weir_topology_check(); WEIR_E_TOPOLOGY. *out is given. */
WEIR_MUST_CHECK enum weir_status wr_plan_new(struct weir_topology *topology,
                                             const char *application_id,
                                             struct wr_plan **out,
                                             struct weir_error *err);
void wr_plan_free(struct wr_plan *plan);
/** The real name of a topic as a node declares it. Lent by the plan. */
const char *wr_plan_topic(const struct wr_plan *plan, const char *declared);
/** The spec of a store by its index in the topology (wr_node.stores). */
const struct weir_store_spec *wr_plan_store_spec(const struct wr_plan *plan,
                                                 int store);
/** The thread hook of the topology, or NULL. */
const struct weir_thread_hook *wr_plan_hook(const struct wr_plan *plan);
/** As weir_topology_describe(), with the real names of internal topics in JSON.
 */
WEIR_MUST_CHECK enum weir_status wr_plan_describe(const struct wr_plan *plan,
                                                  enum weir_describe format,
                                                  char **out_text,
                                                  struct weir_error *err);
/** A text that is the same for equal topologies: the description plus stores
 * and partition wishes. *out_text is given: free(). */
WEIR_MUST_CHECK enum weir_status wr_plan_signature(const struct wr_plan *plan,
                                                   char **out_text,
                                                   struct weir_error *err);

#endif
