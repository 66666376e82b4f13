/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups and positions as records of __consumer_offsets. Keys of version 1 are
 * positions, of version 2 groups; a null value is a tombstone. Values are
 * written in version 3, versions 0 to 4 are read. Thread: broker loop. */
#ifndef WEIR_BROKER_GROUP_RECORDS_H
#define WEIR_BROKER_GROUP_RECORDS_H

#include "broker/coord_log.h"
#include "broker/group.h"
#include "broker/offsets.h"

/** Adds the group as it is; members with what the chosen protocol says.
 *  Errors: WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_group_record_add(struct wr_coord_log *log, const struct wr_group *group,
                    int64_t wall_ms);
/** Adds the tombstone of a group. */
void wr_group_record_add_tombstone(struct wr_coord_log *log,
                                   struct weir_bytes group_id, int64_t wall_ms);
/** Adds a position; offset NULL: the tombstone of it. */
void wr_offset_record_add(struct wr_coord_log *log, struct weir_bytes group_id,
                          const struct wr_offset *position, bool tombstone,
                          int64_t wall_ms);

enum wr_group_record_kind {
    WR_GROUP_RECORD_OFFSET, /* a position */
    WR_GROUP_RECORD_GROUP,  /* members and generation */
    WR_GROUP_RECORD_OTHER   /* of a newer Kafka: not ours to read */
};

/** A record that was read; views lie in the record or the arena. */
struct wr_group_record {
    enum wr_group_record_kind kind;
    bool tombstone;
    struct weir_bytes group_id;
    struct wr_offset position;             /* kind OFFSET */
    struct wr_group_metadata_value *group; /* kind GROUP, not a tombstone */
};
struct wr_group_metadata_value;

/** Errors: WEIR_E_CORRUPT, WEIR_E_TRUNCATED, WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_group_record_read(const struct wr_record *record, struct wr_arena *arena,
                     struct wr_group_record *out);
/** Makes the group what the record says. Errors: WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_group_record_apply(struct wr_group *group,
                      const struct wr_group_metadata_value *value);

/** Whether a member of the group subscribes to the topic; false when the group
 *  is not of consumers. */
bool wr_group_subscribes(const struct wr_group *group, struct weir_bytes topic);

#endif
