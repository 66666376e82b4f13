/* SPDX-License-Identifier: Apache-2.0
 *
 * All groups of the broker. A group is a step machine (group.c) and a table of
 * positions (offsets.c); this file gives them a log, a timer and an end of
 * life.
 *
 * What is in the log counts: a step that must survive a crash appends a record
 * before its answers go out, and the answers wait for the sync. At start the
 * log is read from its beginning, so members find their group again and go on
 * with a heartbeat, as with Kafka.
 *
 * Time: the group machines run on the loop's monotonic clock, records and
 * expiry on the wall clock. One timer serves all groups: it is set for the
 * earliest deadline of any. */
#include "broker/groups.h"

#include "base/log.h"
#include "broker/broker.h"
#include "broker/coord_log.h"
#include "broker/group_member.h"
#include "broker/group_records.h"
#include "broker/messages.h"
#include "broker/topics.h"

#include <stdlib.h>

#define GROUPS_MAX         100000
#define REPLAY_ARENA_BYTES ((size_t)32 << 20)
#define EXPIRY_EVERY_MS    (10 * 60 * 1000)

/* Positions of a group that wait for the end of a transaction. */
struct open_txn {
    int64_t producer_id;
    struct wr_group_entry *entry;
};

struct wr_groups {
    struct wr_broker *broker;
    struct wr_map by_id; /* group id -> entry, owned */
    struct wr_coord_log log;
    struct wr_group_config config;
    struct wr_group_sink sink;
    struct wr_timer tick_timer;   /* due at tick_due_ms */
    int64_t tick_due_ms;          /* monotonic; INT64_MAX: nothing to do */
    struct wr_timer expiry_timer; /* every EXPIRY_EVERY_MS */
    struct wr_topics_watcher watcher;
    struct open_txn *open; /* owned */
    size_t open_count;
    size_t open_cap;
    int64_t retention_ms; /* of positions nobody uses */
    bool written;         /* since wr_groups_has_written was asked */
};

/* ---- finding, making, dropping ------------------------------------------- */

struct wr_group_entry *wr_groups_find(const struct wr_groups *groups,
                                      struct weir_bytes id)
{
    return wr_map_get(&groups->by_id, id);
}

enum weir_status wr_groups_make(struct wr_groups *groups, struct weir_bytes id,
                                struct wr_group_entry **out)
{
    struct wr_group_entry *entry = wr_groups_find(groups, id);
    if (entry) {
        *out = entry;
        return WEIR_OK;
    }
    if (groups->by_id.count >= GROUPS_MAX) {
        return WEIR_E_TOOBIG;
    }
    entry = calloc(1, sizeof(*entry));
    if (!entry || wr_group_new(id, &groups->config, &groups->sink,
                               &entry->group) != WEIR_OK) {
        free(entry);
        return WEIR_E_NOMEM;
    }
    wr_offsets_init(&entry->offsets);
    entry->partition = -1;
    entry->empty_since_ms = wr_loop_wall_ms(groups->broker->loop);
    enum weir_status status = wr_map_put(&groups->by_id, id, entry, NULL);
    if (status != WEIR_OK) {
        wr_group_free(entry->group);
        free(entry);
        return status;
    }
    *out = entry;
    return WEIR_OK;
}

static void entry_free(struct wr_group_entry *entry)
{
    wr_group_free(entry->group);
    wr_offsets_done(&entry->offsets);
    free(entry);
}

static void entry_drop(struct wr_groups *groups, struct wr_group_entry *entry)
{
    for (size_t i = groups->open_count; i-- > 0;) {
        if (groups->open[i].entry == entry) {
            groups->open[i] = groups->open[--groups->open_count];
        }
    }
    (void)wr_map_remove(&groups->by_id, entry->group->id);
    entry_free(entry);
}

bool wr_groups_next(const struct wr_groups *groups, size_t *cursor,
                    struct wr_group_entry **out)
{
    void *value = NULL;
    bool more = wr_map_next(&groups->by_id, cursor, NULL, &value);
    *out = value;
    return more;
}

/* ---- time ---------------------------------------------------------------- */

static void plan_tick(struct wr_groups *groups, int64_t at_ms)
{
    if (at_ms >= groups->tick_due_ms) {
        return;
    }
    int64_t now_ms = wr_loop_now_ms(groups->broker->loop);
    groups->tick_due_ms = at_ms;
    if (wr_loop_timer_start(groups->broker->loop, &groups->tick_timer,
                            at_ms > now_ms ? at_ms - now_ms : 0) != WEIR_OK) {
        wr_log(WR_ERROR, "broker", "group-timer", "reason=\"out of memory\"");
    }
}

static void tick_all(void *arg)
{
    struct wr_groups *groups = arg;
    int64_t now_ms = wr_loop_now_ms(groups->broker->loop);
    int64_t next_ms = INT64_MAX;
    size_t cursor = 0;
    struct wr_group_entry *entry;
    groups->tick_due_ms = INT64_MAX;
    while (wr_groups_next(groups, &cursor, &entry)) {
        if (wr_group_deadline(entry->group) <= now_ms) {
            wr_groups_begin_step(groups);
            wr_group_tick(entry->group, now_ms);
        }
        int64_t at_ms = wr_group_deadline(entry->group);
        next_ms = at_ms < next_ms ? at_ms : next_ms;
    }
    if (next_ms != INT64_MAX) {
        plan_tick(groups, next_ms);
    }
}

static bool is_trace(const struct wr_group_entry *entry)
{
    const struct wr_group *group = entry->group;
    return group->state == WR_GROUP_EMPTY && !group->pending &&
           group->generation == 0 && wr_offsets_is_empty(&entry->offsets);
}

void wr_groups_stepped(struct wr_groups *groups, struct wr_group_entry *entry)
{
    if (entry->group->state == WR_GROUP_DEAD || is_trace(entry)) {
        entry_drop(groups, entry);
        return;
    }
    int64_t at_ms = wr_group_deadline(entry->group);
    if (at_ms != INT64_MAX) {
        plan_tick(groups, at_ms);
    }
}

void wr_groups_begin_step(struct wr_groups *groups)
{
    groups->written = false;
}

bool wr_groups_has_written(const struct wr_groups *groups)
{
    return groups->written;
}

/* ---- the log ------------------------------------------------------------- */

int16_t wr_groups_partition_of(struct wr_groups *groups, struct weir_bytes id,
                               int32_t *out_partition)
{
    int32_t count = 0;
    int16_t error = wr_coord_log_ensure(&groups->log, &count);
    if (error == WR_ERR_NONE) {
        *out_partition = wr_coord_partition(id, count);
    }
    return error;
}

static int16_t entry_partition(struct wr_groups *groups,
                               struct wr_group_entry *entry)
{
    return entry->partition >= 0
               ? WR_ERR_NONE
               : wr_groups_partition_of(groups, entry->group->id,
                                        &entry->partition);
}

static int16_t append(struct wr_groups *groups, struct wr_group_entry *entry,
                      int64_t *out_base)
{
    int16_t error =
        wr_coord_batch_append(&groups->log, entry->partition, out_base);
    groups->written |= error == WR_ERR_NONE;
    return error;
}

static void begin_plain(struct wr_groups *groups)
{
    struct wr_batch_options plain = WR_BATCH_PLAIN;
    wr_coord_batch_begin(&groups->log, &plain);
}

static enum weir_status persist(void *context, struct wr_group *group)
{
    struct wr_groups *groups = context;
    struct wr_group_entry *entry = wr_groups_find(groups, group->id);
    int64_t wall_ms = wr_loop_wall_ms(groups->broker->loop);
    if (group->state == WR_GROUP_EMPTY) {
        entry->empty_since_ms = wall_ms;
    }
    if (entry_partition(groups, entry) != WR_ERR_NONE) {
        return WEIR_E_IO;
    }
    begin_plain(groups);
    enum weir_status status = wr_group_record_add(&groups->log, group, wall_ms);
    if (status != WEIR_OK) {
        return status;
    }
    return append(groups, entry, NULL) == WR_ERR_NONE ? WEIR_OK : WEIR_E_IO;
}

/* ---- positions ----------------------------------------------------------- */

static enum weir_status note_open(struct wr_groups *groups,
                                  struct wr_group_entry *entry,
                                  int64_t producer_id)
{
    for (size_t i = 0; i < groups->open_count; i++) {
        if (groups->open[i].entry == entry &&
            groups->open[i].producer_id == producer_id) {
            return WEIR_OK;
        }
    }
    if (groups->open_count == groups->open_cap) {
        size_t cap = groups->open_cap ? groups->open_cap * 2 : 16;
        struct open_txn *grown = realloc(groups->open, cap * sizeof(*grown));
        if (!grown) {
            return WEIR_E_NOMEM;
        }
        groups->open = grown;
        groups->open_cap = cap;
    }
    groups->open[groups->open_count++] = (struct open_txn){producer_id, entry};
    return WEIR_OK;
}

/* Takes all the memory that positions need, before they go to the log. */
static enum weir_status stage(struct wr_groups *groups,
                              struct wr_group_entry *entry,
                              const struct wr_offset_commit *commit)
{
    enum weir_status status =
        commit->producer_id >= 0 ? note_open(groups, entry, commit->producer_id)
                                 : WEIR_OK;
    for (size_t i = 0; status == WEIR_OK && i < commit->count; i++) {
        status = wr_offsets_stage(&entry->offsets, commit->producer_id,
                                  &commit->offsets[i]);
    }
    if (status != WEIR_OK) {
        wr_offsets_drop_staged(&entry->offsets);
    }
    return status;
}

int16_t wr_groups_commit(struct wr_groups *groups, struct wr_group_entry *entry,
                         const struct wr_offset_commit *commit)
{
    int16_t error = entry_partition(groups, entry);
    if (error != WR_ERR_NONE) {
        return error;
    }
    enum weir_status status = stage(groups, entry, commit);
    if (status != WEIR_OK) {
        wr_log(WR_ERROR, "broker", "offset-commit-refused",
               "group=%.*s reason=\"%s\"", (int)entry->group->id.len,
               (const char *)entry->group->id.data, weir_status_text(status));
        return status == WEIR_E_INVALID ? WR_ERR_INVALID_TOPIC_EXCEPTION
                                        : WR_ERR_COORDINATOR_NOT_AVAILABLE;
    }
    struct wr_batch_options options = WR_BATCH_PLAIN;
    if (commit->producer_id >= 0) {
        options.producer_id = commit->producer_id;
        options.producer_epoch = commit->producer_epoch;
        options.attributes = WR_BATCH_TRANSACTIONAL;
    }
    int64_t wall_ms = wr_loop_wall_ms(groups->broker->loop);
    wr_coord_batch_begin(&groups->log, &options);
    for (size_t i = 0; i < commit->count; i++) {
        wr_offset_record_add(&groups->log, entry->group->id,
                             &commit->offsets[i], /* tombstone= */ false,
                             wall_ms);
    }
    int64_t base = 0;
    error = append(groups, entry, &base);
    if (error == WR_ERR_NONE) {
        wr_offsets_accept_staged(&entry->offsets, base);
        return error;
    }
    wr_offsets_drop_staged(&entry->offsets);
    if (error == WR_ERR_MESSAGE_TOO_LARGE) {
        return WR_ERR_INVALID_COMMIT_OFFSET_SIZE;
    }
    if (error == WR_ERR_KAFKA_STORAGE_ERROR) {
        return WR_ERR_COORDINATOR_NOT_AVAILABLE;
    }
    return error; /* of the producer: its epoch is old */
}

int16_t wr_groups_forget_offset(struct wr_groups *groups,
                                struct wr_group_entry *entry,
                                struct weir_bytes topic, int32_t partition)
{
    const struct wr_offset *position =
        wr_offsets_get_known(&entry->offsets, topic, partition);
    if (!position) {
        return WR_ERR_NONE;
    }
    int16_t error = entry_partition(groups, entry);
    if (error != WR_ERR_NONE) {
        return error;
    }
    begin_plain(groups);
    wr_offset_record_add(&groups->log, entry->group->id, position,
                         /* tombstone= */ true,
                         wr_loop_wall_ms(groups->broker->loop));
    error = append(groups, entry, NULL);
    if (error == WR_ERR_NONE) {
        (void)wr_offsets_remove(&entry->offsets, topic, partition);
    }
    return error;
}

/* Writes tombstones for the group and what it committed. */
static int16_t bury(struct wr_groups *groups, struct wr_group_entry *entry)
{
    int16_t error = entry_partition(groups, entry);
    if (error != WR_ERR_NONE) {
        return error;
    }
    int64_t wall_ms = wr_loop_wall_ms(groups->broker->loop);
    begin_plain(groups);
    size_t cursor = 0;
    const struct wr_offset *position;
    while (wr_offsets_next_known(&entry->offsets, &cursor, &position)) {
        wr_offset_record_add(&groups->log, entry->group->id, position,
                             /* tombstone= */ true, wall_ms);
    }
    wr_group_record_add_tombstone(&groups->log, entry->group->id, wall_ms);
    return append(groups, entry, NULL);
}

int16_t wr_groups_delete(struct wr_groups *groups, struct wr_group_entry *entry)
{
    if (entry->group->state != WR_GROUP_EMPTY) {
        return WR_ERR_NON_EMPTY_GROUP;
    }
    int16_t error = bury(groups, entry);
    if (error == WR_ERR_NONE) {
        error = wr_group_delete(entry->group);
        entry_drop(groups, entry);
    }
    return error;
}

void wr_groups_end_txn(struct wr_groups *groups, int32_t partition,
                       int64_t producer_id, bool commit)
{
    for (size_t i = groups->open_count; i-- > 0;) {
        struct open_txn *open = &groups->open[i];
        if (open->producer_id == producer_id &&
            open->entry->partition == partition) {
            (void)wr_offsets_end_txn(&open->entry->offsets, producer_id,
                                     commit);
            *open = groups->open[--groups->open_count];
        }
    }
}

/* ---- expiry, deleted topics ---------------------------------------------- */

/* Kafka's rules: a group without members keeps its positions for a while after
 * it became empty; one that never had members counts from each commit; one with
 * members keeps those of subscribed topics, and all of them unless it is a
 * stable group of consumers: who else can say what is still in use? */
static bool is_in_use(const struct wr_group *group, struct weir_bytes topic)
{
    if (group->state == WR_GROUP_EMPTY) {
        return false;
    }
    return group->state != WR_GROUP_STABLE ||
           !wr_bytes_equal_text(group->protocol_type, "consumer") ||
           wr_group_subscribes(group, topic);
}

static bool is_expired(const struct wr_groups *groups,
                       const struct wr_group_entry *entry,
                       const struct wr_offset *position, int64_t wall_ms)
{
    const struct wr_group *group = entry->group;
    if (wr_offsets_unstable(&entry->offsets, position->topic,
                            position->partition) ||
        is_in_use(group, position->topic)) {
        return false;
    }
    if (position->expire_ms >= 0) {
        return position->expire_ms <= wall_ms;
    }
    int64_t since_ms = position->commit_ms;
    if (group->state == WR_GROUP_EMPTY && group->protocol_type.len > 0 &&
        entry->empty_since_ms > since_ms) {
        since_ms = entry->empty_since_ms;
    }
    return wall_ms - since_ms >= groups->retention_ms;
}

/* True: the group itself went away. */
static bool expire_entry(struct wr_groups *groups, struct wr_group_entry *entry,
                         int64_t wall_ms)
{
    bool removed = true;
    while (removed) { /* one at a time: removal may move the cursor's ground */
        removed = false;
        size_t cursor = 0;
        const struct wr_offset *position;
        while (!removed &&
               wr_offsets_next(&entry->offsets, &cursor, &position)) {
            if (is_expired(groups, entry, position, wall_ms)) {
                removed =
                    wr_groups_forget_offset(groups, entry, position->topic,
                                            position->partition) == WR_ERR_NONE;
            }
        }
    }
    return entry->group->state == WR_GROUP_EMPTY && !entry->group->pending &&
           wr_offsets_is_empty(&entry->offsets) &&
           wr_groups_delete(groups, entry) == WR_ERR_NONE;
}

void wr_groups_expire(struct wr_groups *groups, int64_t wall_ms)
{
    size_t cursor = 0;
    struct wr_group_entry *entry;
    while (wr_groups_next(groups, &cursor, &entry)) {
        (void)expire_entry(groups, entry, wall_ms);
    }
}

static void expire_all(void *arg)
{
    struct wr_groups *groups = arg;
    wr_groups_expire(groups, wr_loop_wall_ms(groups->broker->loop));
    if (wr_loop_timer_start(groups->broker->loop, &groups->expiry_timer,
                            EXPIRY_EVERY_MS) != WEIR_OK) {
        wr_log(WR_ERROR, "broker", "group-timer", "reason=\"out of memory\"");
    }
}

static void topic_deleting(void *arg, const struct wr_topic *topic)
{
    struct wr_groups *groups = arg;
    struct weir_bytes name = weir_text(topic->name);
    size_t cursor = 0;
    struct wr_group_entry *entry;
    while (wr_groups_next(groups, &cursor, &entry)) {
        for (int32_t p = 0; p < topic->partition_count; p++) {
            (void)wr_groups_forget_offset(groups, entry, name, p);
        }
    }
}

/* ---- start --------------------------------------------------------------- */

struct replay {
    struct wr_groups *groups;
    struct wr_arena arena;
    enum weir_status status; /* the first failure */
};

static enum weir_status replay_read(struct replay *replay, int32_t partition,
                                    const struct wr_batch *batch,
                                    const struct wr_group_record *record)
{
    struct wr_groups *groups = replay->groups;
    struct wr_group_entry *entry = NULL;
    enum weir_status status = wr_groups_make(groups, record->group_id, &entry);
    if (status != WEIR_OK) {
        return status;
    }
    entry->partition = partition;
    if (record->kind == WR_GROUP_RECORD_GROUP) {
        if (record->tombstone) {
            wr_group_members_clear(entry->group);
            entry->group->state = WR_GROUP_EMPTY;
            entry->group->generation = 0;
            wr_offsets_clear(&entry->offsets);
            return WEIR_OK;
        }
        entry->empty_since_ms = record->group->current_state_timestamp;
        return wr_group_record_apply(entry->group, record->group);
    }
    if (record->tombstone) {
        (void)wr_offsets_remove(&entry->offsets, record->position.topic,
                                record->position.partition);
    } else {
        struct wr_offset_commit commit = {
            .offsets = &record->position,
            .count = 1,
            .producer_id =
                wr_batch_is_transactional(batch) ? batch->producer_id : -1};
        status = stage(groups, entry, &commit);
        wr_offsets_accept_staged(&entry->offsets, record->position.log_offset);
    }
    return status;
}

static void replay_record(void *context, int32_t partition,
                          const struct wr_batch *batch,
                          const struct wr_record *record)
{
    struct replay *replay = context;
    struct wr_group_record read;
    wr_arena_reset(&replay->arena);
    enum weir_status status =
        wr_group_record_read(record, &replay->arena, &read);
    if (status == WEIR_OK && read.kind != WR_GROUP_RECORD_OTHER) {
        status = replay_read(replay, partition, batch, &read);
    }
    if (status == WEIR_E_NOMEM && replay->status == WEIR_OK) {
        replay->status = status;
    } else if (status != WEIR_OK) {
        wr_log(WR_WARN, "broker", "group-record-skipped",
               "partition=%d offset=%lld reason=\"%s\"", partition,
               (long long)record->offset, weir_status_text(status));
    }
}

static void replay_marker(void *context, int32_t partition,
                          const struct wr_marker *marker)
{
    struct replay *replay = context;
    wr_groups_end_txn(replay->groups, partition, marker->producer_id,
                      marker->commit);
}

static void finish_replay(struct wr_groups *groups)
{
    int64_t now_ms = wr_loop_now_ms(groups->broker->loop);
    int64_t next_ms = INT64_MAX;
    size_t cursor = 0;
    struct wr_group_entry *entry;
    while (wr_groups_next(groups, &cursor, &entry)) {
        if (is_trace(entry)) {
            entry_drop(groups, entry);
            continue;
        }
        wr_group_restore_done(entry->group, now_ms);
        int64_t at_ms = wr_group_deadline(entry->group);
        next_ms = at_ms < next_ms ? at_ms : next_ms;
    }
    if (next_ms != INT64_MAX) {
        plan_tick(groups, next_ms);
    }
}

static enum weir_status replay_all(struct wr_groups *groups,
                                   struct weir_error *err)
{
    struct replay replay = {.groups = groups};
    struct wr_coord_visitor visitor = {&replay, replay_record, replay_marker};
    wr_arena_init(&replay.arena, REPLAY_ARENA_BYTES);
    enum weir_status status = wr_coord_log_replay(&groups->log, &visitor, err);
    wr_arena_done(&replay.arena);
    if (status == WEIR_OK && replay.status != WEIR_OK) {
        status = weir_fail(err, replay.status, "replay of groups: %s",
                           weir_status_text(replay.status));
    }
    finish_replay(groups);
    return status;
}

static void configure(struct wr_groups *groups)
{
    const struct wr_options *options = groups->broker->options;
    groups->config = (struct wr_group_config){
        .session_timeout_min_ms =
            (int32_t)wr_options_int(options, "group.min.session.timeout.ms"),
        .session_timeout_max_ms =
            (int32_t)wr_options_int(options, "group.max.session.timeout.ms"),
        .initial_rebalance_delay_ms = (int32_t)wr_options_int(
            options, "group.initial.rebalance.delay.ms"),
        .member_count_max = (int32_t)wr_options_int(options, "group.max.size"),
        .metadata_bytes_max = (size_t)8 << 20};
    groups->retention_ms =
        wr_options_int(options, "offsets.retention.minutes") * 60 * 1000;
    groups->sink = (struct wr_group_sink){groups, wr_groups_send_join,
                                          wr_groups_send_sync, persist};
}

enum weir_status wr_groups_open(struct wr_broker *broker,
                                struct wr_groups **out, struct weir_error *err)
{
    struct wr_groups *groups = calloc(1, sizeof(*groups));
    if (!groups) {
        return weir_fail(err, WEIR_E_NOMEM, "groups: out of memory");
    }
    groups->broker = broker;
    groups->tick_due_ms = INT64_MAX;
    groups->tick_timer.fire = tick_all;
    groups->tick_timer.arg = groups;
    groups->expiry_timer.fire = expire_all;
    groups->expiry_timer.arg = groups;
    wr_map_init(&groups->by_id);
    wr_coord_log_init(&groups->log, broker, WR_TOPIC_OFFSETS,
                      "offsets.topic.num.partitions");
    configure(groups);
    enum weir_status status = replay_all(groups, err);
    if (status == WEIR_OK) {
        status = wr_loop_timer_start(broker->loop, &groups->expiry_timer,
                                     EXPIRY_EVERY_MS);
    }
    if (status != WEIR_OK) {
        wr_groups_close(groups);
        return status;
    }
    groups->watcher.deleting = topic_deleting;
    groups->watcher.arg = groups;
    wr_topics_watch(broker->topics, &groups->watcher);
    *out = groups;
    return WEIR_OK;
}

void wr_groups_close(struct wr_groups *groups)
{
    if (!groups) {
        return;
    }
    wr_loop_timer_stop(groups->broker->loop, &groups->tick_timer);
    wr_loop_timer_stop(groups->broker->loop, &groups->expiry_timer);
    size_t cursor = 0;
    struct wr_group_entry *entry;
    while (wr_groups_next(groups, &cursor, &entry)) {
        entry_free(entry);
    }
    wr_map_done(&groups->by_id);
    wr_coord_log_done(&groups->log);
    free(groups->open);
    free(groups);
}
