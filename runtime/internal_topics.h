/* SPDX-License-Identifier: Apache-2.0
 *
 * The topics of an application: input topics are there and agree, repartition
 * and changelog topics have the partitions that the tasks need, and are made
 * when they are missing. Thread: the application's start. */
#ifndef WEIR_RUNTIME_INTERNAL_TOPICS_H
#define WEIR_RUNTIME_INTERNAL_TOPICS_H

#include "runtime/kafka_admin.h"
#include "runtime/layout.h"

/** An internal topic that is to be made. */
struct wr_missing_topic {
    const char *name; /* of the plan */
    int32_t partitions;
    const struct weir_store_spec
        *store; /* changelog of it; NULL: repartition */
};
/** Pure part: computes the partitions of repartition topics and the tasks of
 * each sub-topology from the topics that exist, and adds to *topics the
 * internal ones that do not. out_missing (room for all internal topics; each
 * with name and partitions) and *out_missing_count get those to be made.
 * Errors: WEIR_E_NOTFOUND for a missing input topic; WEIR_E_TOPOLOGY and
 *  WEIR_E_INCOMPATIBLE for partition counts that do not fit; each names the
 *  topic, the counts and the remedy. */
WEIR_MUST_CHECK enum weir_status wr_internal_topics_resolve(
    const struct wr_plan *plan, struct wr_cluster_topics *topics,
    struct wr_layout *out_layout, struct wr_missing_topic *out_missing,
    size_t *out_missing_count, struct weir_error *err);
/** How many internal topics a plan may need. */
size_t wr_internal_topics_max(const struct wr_plan *plan);

/** Asks the cluster, resolves, makes what is missing and the anchor topic, and
 *  waits until all are known. *out_topics and *out_layout are given. */
WEIR_MUST_CHECK enum weir_status wr_internal_topics_prepare(
    struct wr_admin *admin, const struct wr_plan *plan, const char *anchor,
    struct wr_cluster_topics *out_topics, struct wr_layout *out_layout,
    struct weir_error *err);

#endif
