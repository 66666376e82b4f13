/* SPDX-License-Identifier: Apache-2.0
 *
 * Which tasks this thread has. The group subscribes to one internal anchor
 * topic with one partition per task; whoever is assigned an anchor partition
 * runs its task. So librdkafka's cooperative-sticky assignor places tasks, and
 * offsets of the real inputs are committed in the same group. Behind this
 * interface another way of placing tasks could stand.
 *
 * The anchor's partition 0 also holds a record with the topology's signature:
 * two different topologies must never run in one group at once. */
#ifndef WEIR_RUNTIME_PLACEMENT_H
#define WEIR_RUNTIME_PLACEMENT_H

#include "runtime/kafka_admin.h"
#include "runtime/kafka_consumer.h"
#include "runtime/layout.h"

#define WR_ANCHOR_SUFFIX "-weir-tasks"

struct wr_placement {
    const struct wr_layout *layout; /* lent */
    const char *anchor;             /* topic; lent */
    /** These tasks are ours from now on. */
    void (*given)(void *user, const struct wr_task_id *tasks, size_t count);
    /** They are another's when this returns; lost: they are already. */
    void (*revoked)(void *user, const struct wr_task_id *tasks, size_t count,
                    bool lost);
    void *user;
};

/** Joins the group: given and revoked follow from polls. Thread: the
 * consumer's.
 */
WEIR_MUST_CHECK enum weir_status
wr_placement_join(const struct wr_placement *placement,
                  struct wr_consumer *consumer, struct weir_error *err);
/** To be called from the consumer's events of the same names. */
void wr_placement_given(const struct wr_placement *placement,
                        const int32_t *partitions, size_t count);
/** As wr_placement_given; lost: somebody else may have them already. */
void wr_placement_revoked(const struct wr_placement *placement,
                          const int32_t *partitions, size_t count, bool lost);

/** Whether the group knows a static member (group.instance.id) of that name.
 *  One that joins then is given what its former life had, without a rebalance
 *  (KIP-345), and should ask wr_placement_unowned: if that one had been told to
 *  give tasks up, and died before it could join again to pass them on
 *  (KIP-429), nobody will ever be given them unless a member leaves and joins
 *  anew. Where the group cannot be asked, true. Waits a second at most. Thread:
 *  any. */
bool wr_placement_returns(const struct wr_placement *placement,
                          struct wr_admin *admin, const char *group_id,
                          const char *instance_id);
/** Sets *out to the number of tasks that no member of the group has, -1 while
 *  the group rebalances. Errors: as wr_admin_group. Waits a second at most.
 * Thread: any. */
WEIR_MUST_CHECK enum weir_status
wr_placement_unowned(const struct wr_placement *placement,
                     struct wr_admin *admin, const char *group_id, int32_t *out,
                     struct weir_error *err);

/** Makes sure that the group runs this topology or nothing: writes its
 * signature when there is none or nobody runs another. Errors:
 * WEIR_E_INCOMPATIBLE with the difference. Thread: the application's start. */
WEIR_MUST_CHECK enum weir_status wr_placement_agree(struct wr_admin *admin,
                                                    const struct wr_plan *plan,
                                                    const char *anchor,
                                                    struct weir_error *err);

/** Writes the lines in which two texts differ, theirs with '-', ours with '+',
 * at most size bytes. Pure. */
void wr_text_difference(const char *theirs, const char *ours, char *out,
                        size_t size);

#endif
