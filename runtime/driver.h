/* SPDX-License-Identifier: Apache-2.0
 *
 * A driver runs a topology without a broker: records go in by hand, come out in
 * lists, and time stands still until it is told to move. Every topic has the
 * same number of partitions; keys find theirs as on a cluster, and what goes to
 * a topic that the topology also reads comes back in. Everything happens inside
 * the calls, on the caller's thread, in an order that depends on nothing else.
 */
#ifndef WEIR_RUNTIME_DRIVER_H
#define WEIR_RUNTIME_DRIVER_H

#include "runtime/task.h"

struct wr_driver;

/** Makes all tasks and opens their processors. The topology and the
 * configuration are lent for the driver's life; state goes to a temporary
 * directory that the driver removes. `partitions` >= 1 for every topic. *out is
 * given. */
WEIR_MUST_CHECK enum weir_status wr_driver_new(struct weir_topology *topology,
                                               const struct weir_config *config,
                                               int32_t partitions,
                                               struct wr_driver **out,
                                               struct weir_error *err);
void wr_driver_free(struct wr_driver *driver);

/** Writes a record to a topic that the topology reads and runs everything that
 *  follows from it. Views are copied. Errors: WEIR_E_NOTFOUND for a topic that
 *  nobody reads; what a processor returned. */
WEIR_MUST_CHECK enum weir_status
wr_driver_send(struct wr_driver *driver, const char *topic,
               const struct weir_record *record, struct weir_error *err);
/** Commits: caches go downstream, state becomes committed. */
WEIR_MUST_CHECK enum weir_status wr_driver_commit(struct wr_driver *driver,
                                                  struct weir_error *err);
/** Aborts: state is as of the last commit; outputs since then are forgotten. */
WEIR_MUST_CHECK enum weir_status wr_driver_abort(struct wr_driver *driver,
                                                 struct weir_error *err);
/** Moves the wall clock (which starts at 0) and fires what is due. */
WEIR_MUST_CHECK enum weir_status
wr_driver_advance(struct wr_driver *driver, int64_t ms, struct weir_error *err);

struct wr_driver_record {
    struct weir_record record; /* lent until the driver is freed or aborts */
    const char *topic;         /* real name */
    int32_t partition;
};
/** The next record that was written to a topic (real name; changelogs and
 *  repartition topics too) and was not read yet; false when there is none. */
bool wr_driver_read(struct wr_driver *driver, const char *topic,
                    struct wr_driver_record *out);
/** The store of that name in the task of `partition`, or NULL. */
struct weir_store *wr_driver_store(struct wr_driver *driver, const char *name,
                                   int32_t partition);
/** The metrics of the tasks. Lent. */
struct wr_metrics *wr_driver_metrics(struct wr_driver *driver);

#endif
