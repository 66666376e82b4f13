/* SPDX-License-Identifier: Apache-2.0
 *
 * One classic consumer group as a step machine: an event and the time go in,
 * replies and records to persist come out through a sink. It never reads a
 * clock, a socket or a file, so its tests are traces.
 *
 * The waiter of an event is an opaque pointer that comes back with the reply:
 * Join and Sync may answer now or in a later step. Error codes are Kafka's.
 * Thread: broker loop. */
#ifndef WEIR_BROKER_GROUP_H
#define WEIR_BROKER_GROUP_H

#include "base/bytes.h"

enum wr_group_state {
    WR_GROUP_EMPTY,      /* no members; offsets may live on */
    WR_GROUP_PREPARING,  /* members are asked to join again */
    WR_GROUP_COMPLETING, /* joined; the leader's assignment is awaited */
    WR_GROUP_STABLE,     /* everyone may fetch its assignment */
    WR_GROUP_DEAD        /* deleted; only its memory is left */
};

struct wr_group_protocol {
    struct weir_bytes name;     /* e.g. "cooperative-sticky" */
    struct weir_bytes metadata; /* the member's subscription, opaque */
};

struct wr_group_member {
    struct wr_group_member *next;        /* in order of first join */
    struct weir_bytes id;                /* owned */
    struct weir_bytes instance_id;       /* owned; null: dynamic member */
    struct weir_bytes client_id;         /* owned */
    struct weir_bytes client_host;       /* owned, e.g. "/127.0.0.1" */
    struct wr_group_protocol *protocols; /* owned, in order of preference */
    size_t protocol_count;               /* > 0 */
    struct weir_bytes assignment;        /* owned; never null */
    int32_t session_timeout_ms;          /* silence that ends membership */
    int32_t rebalance_timeout_ms; /* patience for this member to rejoin */
    int64_t expires_ms;           /* when silence becomes death */
    void *join_waiter;            /* parked JoinGroup, or NULL */
    void *sync_waiter;            /* parked SyncGroup, or NULL */
    bool fresh;                   /* joined since the last completed round */
    bool sync_pending;            /* has not asked for its assignment yet */
};

/** Limits and timing, shared by all groups. */
struct wr_group_config {
    int32_t session_timeout_min_ms;     /* Kafka's default 6000 */
    int32_t session_timeout_max_ms;     /* Kafka's default 1800000 */
    int32_t initial_rebalance_delay_ms; /* 0: the first member starts at once */
    int32_t member_count_max;           /* members of one group */
    size_t metadata_bytes_max; /* protocols and assignments of one group */
};

struct wr_group;

struct wr_group_join_reply {
    int16_t error;                  /* 0, or why not */
    struct weir_bytes member_id;    /* lent for the call */
    struct wr_group_member *member; /* on success: who joined */
    struct weir_bytes leader;       /* id of the leader, as to be told */
    bool send_members;              /* the list of members goes along */
    bool skip_assignment;           /* leader of an unchanged group (v9+) */
};

struct wr_group_sync_reply {
    int16_t error;                /* 0, or why not */
    struct weir_bytes assignment; /* lent for the call; never null */
};

/** Where a step's effects go, in order, during the step. A callback may read
 *  the group but may not step it. */
struct wr_group_sink {
    void *context; /* handed to each callback */
    void (*join_reply)(void *context, struct wr_group *group, void *waiter,
                       const struct wr_group_join_reply *reply);
    void (*sync_reply)(void *context, struct wr_group *group, void *waiter,
                       const struct wr_group_sync_reply *reply);
    /** The group as it is now is to be written; replies of the same step must
     *  not leave before the record is durable. On failure the members are told
     *  to come again. */
    enum weir_status (*persist)(void *context, struct wr_group *group);
};

struct wr_group {
    struct weir_bytes id;             /* owned */
    enum wr_group_state state;        /* see group.c */
    int32_t generation;               /* 0 before the first round */
    struct weir_bytes protocol_type;  /* owned; null before the first join */
    struct weir_bytes protocol_name;  /* owned; null between rounds */
    struct weir_bytes leader;         /* owned; null: none */
    struct wr_group_member *members;  /* owned list */
    size_t member_count;              /* of members */
    size_t metadata_bytes;            /* protocols and assignments held */
    struct wr_group_pending *pending; /* ids given out, not yet used */
    int64_t state_since_ms;           /* time of the last change of state */
    int64_t join_deadline_ms;         /* Preparing: laggards go; or -1 */
    int64_t initial_left_ms;          /* first round: waiting time left */
    int64_t sync_deadline_ms;         /* Completing: laggards go; or -1 */
    bool initial_round;               /* waiting for more first members */
    bool member_added;                /* since the initial wait began */
    const struct wr_group_config *config; /* lent for the group's life */
    const struct wr_group_sink *sink;     /* lent for the group's life */
};

/** An empty group. id is copied; config and sink are lent for its life. */
WEIR_MUST_CHECK enum weir_status
wr_group_new(struct weir_bytes id, const struct wr_group_config *config,
             const struct wr_group_sink *sink, struct wr_group **out);
/** Frees the group; parked waiters are forgotten, so answer them before. */
void wr_group_free(struct wr_group *group);

struct wr_group_join {
    void *waiter;                        /* never NULL */
    struct weir_bytes member_id;         /* empty: a new member */
    struct weir_bytes fresh_id;          /* id to give to a new member */
    struct weir_bytes instance_id;       /* null: dynamic */
    struct weir_bytes client_id;         /* may be empty */
    struct weir_bytes client_host;       /* as to be shown */
    struct weir_bytes protocol_type;     /* "consumer" */
    struct wr_group_protocol *protocols; /* lent for the call */
    size_t protocol_count;               /* of protocols */
    int32_t session_timeout_ms;          /* checked against the limits */
    int32_t rebalance_timeout_ms;        /* v0: same as the session's */
    bool need_known_id;                  /* v4+: answer 79 first */
    bool can_skip_assignment;            /* v9+ */
};

void wr_group_join(struct wr_group *group, const struct wr_group_join *join,
                   int64_t now_ms);

struct wr_group_assignment {
    struct weir_bytes member_id;
    struct weir_bytes assignment;
};

struct wr_group_sync {
    void *waiter;                                  /* never NULL */
    struct weir_bytes member_id;                   /* who asks */
    struct weir_bytes instance_id;                 /* null: dynamic */
    struct weir_bytes protocol_type;               /* null before v5 */
    struct weir_bytes protocol_name;               /* null before v5 */
    int32_t generation;                            /* of the join */
    const struct wr_group_assignment *assignments; /* the leader's; lent */
    size_t assignment_count;                       /* of assignments */
};

void wr_group_sync(struct wr_group *group, const struct wr_group_sync *sync,
                   int64_t now_ms);

/** Who a request says it comes from. */
struct wr_group_caller {
    struct weir_bytes member_id;   /* may be empty */
    struct weir_bytes instance_id; /* null: dynamic */
    int32_t generation;            /* -1: not a member */
};

/** Returns the error code of the heartbeat; 0 renews the session. */
int16_t wr_group_heartbeat(struct wr_group *group,
                           const struct wr_group_caller *caller,
                           int64_t now_ms);
/** One member leaves (by id, by instance id, or both); returns its error. */
int16_t wr_group_leave(struct wr_group *group, struct weir_bytes member_id,
                       struct weir_bytes instance_id, int64_t now_ms);
/** Whether an offset commit may go ahead: 0 or an error. A good commit of a
 *  member renews its session. transactional: TxnOffsetCommit's milder rules. */
int16_t wr_group_check_commit(struct wr_group *group,
                              const struct wr_group_caller *caller,
                              bool transactional, int64_t now_ms);
/** Lets time pass: removes the silent, ends rounds whose deadline is over. */
void wr_group_tick(struct wr_group *group, int64_t now_ms);
/** When wr_group_tick has something to do next; INT64_MAX: never. */
int64_t wr_group_deadline(const struct wr_group *group);
/** Empty group: no further events change it. Non-empty: returns 68. */
int16_t wr_group_delete(struct wr_group *group);

/** After replay: sessions of restored members run from now. */
void wr_group_restore_done(struct wr_group *group, int64_t now_ms);

/** The member with that id, or NULL. Lent until the next step. */
struct wr_group_member *wr_group_find(const struct wr_group *group,
                                      struct weir_bytes member_id);
/** Kafka's name of the state: "Stable", "PreparingRebalance", ... */
const char *wr_group_state_name(enum wr_group_state state);
/** The member's metadata for the chosen protocol; empty when there is none. */
struct weir_bytes wr_group_metadata(const struct wr_group *group,
                                    const struct wr_group_member *member);

#endif
