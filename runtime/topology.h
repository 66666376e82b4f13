/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a topology, for plan.c and describe.c. Everybody else uses
 * weir/weir.h to build one and runtime/plan.h to run one. */
#ifndef WEIR_RUNTIME_TOPOLOGY_H
#define WEIR_RUNTIME_TOPOLOGY_H

#include "base/map.h"
#include "runtime/plan.h"

/** A store as declared, with everything copied. */
struct wr_topology_store {
    struct weir_store_spec spec; /* its texts are owned by the topology */
    int *nodes;                  /* processors that use it, as connected */
    size_t node_count;
};

struct wr_topology_repartition {
    char *name;
    int32_t partitions; /* 0: decided by the upstream sources */
};

struct weir_topology {
    struct wr_node **nodes; /* in the order they were added */
    size_t node_count;
    struct wr_map node_by_name; /* name -> struct wr_node */
    struct wr_topology_store **stores;
    size_t store_count;
    struct wr_topology_repartition *repartitions;
    size_t repartition_count;
    struct weir_thread_hook hook; /* hook.start NULL: none */
    struct weir_error error;      /* first failure; status WEIR_OK: none */
};

/** The node of that name, or NULL. */
struct wr_node *wr_topology_node(const struct weir_topology *topology,
                                 const char *name);
/** The index of the store of that name, or -1. */
int wr_topology_store_index(const struct weir_topology *topology,
                            const char *name);
/** Whether a topic name was declared with weir_topology_repartition(). */
bool wr_topology_is_repartition(const struct weir_topology *topology,
                                const char *topic);

#endif
