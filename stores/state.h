/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this room share: the insides of a task's state and of a
 * store. See store.h for the layers, table.h for entries.
 *
 * Invariants of a store between calls:
 *   - an entry with `current` is in `touched`; with WR_CACHED in `cached` too;
 *   - an entry with WR_DIRTY is in `dirty`, one with WR_DOWN in `down` (stores
 *     with a base only);
 *   - when the index is built, it has every touched, dirty or WR_DOWN entry,
 * and in a store without a base every entry;
 *   - the base holds exactly the committed state at changelog offset `stored`.
 * Thread: the task's. */
#ifndef WEIR_STORES_STATE_H
#define WEIR_STORES_STATE_H

#include "stores/base_key.h"
#include "stores/order.h"
#include "stores/rocks.h"
#include "stores/store.h"
#include "stores/table.h"

#include <pthread.h>
#include <stdatomic.h>

/** A write-down: a snapshot of a store's dirty entries on its way to the base.
 *  Between wr_env_submit and its being done it belongs to the background
 * thread, except `refs` and `garbage`, which stay the store's. */
struct wr_down {
    struct wr_rocks *rocks;
    int family;
    bool timestamped;
    bool base_empty; /* deletions need not be written */
    struct wr_mark mark;
    struct wr_sort_item *items; /* tag: the value, or 0 for a deletion */
    struct wr_sort_item *spare; /* part of items' memory */
    size_t count;
    struct wr_refs refs; /* the entries; those with WR_DOWN are as in items */
    struct wr_refs garbage; /* values replaced meanwhile */
    size_t bytes;           /* that these entries take */
    /* results */
    enum weir_status status;
    struct weir_error error;
    bool ingest_failed;
    uint64_t file_bytes;
    int64_t took_ns;
    struct wr_down *next; /* in the queue */
    bool done;            /* guarded by the environment's lock */
};

/* A table may be dirty in this part of its share before that goes down, and in
 * two such parts more while it is on its way. */
#define WR_DOWN_PART 3u

struct wr_store_env {
    struct wr_store_env_options options;
    struct wr_rocks_env *rocks;
    pthread_mutex_t lock;  /* of the queue; nothing is taken inside it */
    pthread_cond_t change; /* a write-down came or is done, or stop */
    pthread_t thread;
    bool started; /* the thread runs */
    bool stop;
    struct wr_down *first; /* the queue */
    struct wr_down *last;
    _Atomic size_t warm_used; /* bytes of all tables that have a base */
    _Atomic uint32_t warm_tables;
    struct wr_metric *cached; /* gauge; NULL without metrics */
};

enum wr_store_read { WR_READ_UNCOMMITTED, WR_READ_WARM, WR_READ_BASE };
#define WR_STORE_READS 3

/** What a store counts; published at each commit. */
struct wr_store_stats {
    int64_t reads[WR_STORE_READS];
    int64_t writes;
    int64_t evictions;
};

/** Series of a store; all NULL without metrics. */
struct wr_store_series {
    struct wr_metric *reads[WR_STORE_READS];
    struct wr_metric *writes;
    struct wr_metric *evictions;
    struct wr_metric *bytes;
    struct wr_metric *dirty;
    struct wr_metric *uncommitted;
    struct wr_metric *keys;
    struct wr_metric *downs;
    struct wr_metric *down_bytes;
    struct wr_metric *down_seconds;
};

struct weir_store {
    struct wr_task_state *state;
    const struct weir_store_spec *spec; /* lent */
    int index;
    bool based;      /* has a base below; else everything is in the table */
    bool base_empty; /* the base has no row */
    bool listening;  /* flushes go to the hook `flushed` too */
    bool flushing;
    struct wr_table table;
    struct wr_order order;
    struct wr_refs touched; /* written in this interval, by first write */
    struct wr_refs cached;  /* of these, not flushed yet, by first write */
    struct wr_refs dirty;
    struct wr_down *down; /* a write-down on its way; NULL: none */
    bool stuck;           /* lost track of dirty entries: no write-downs */
    size_t touched_bytes;
    size_t cached_bytes;
    size_t dirty_bytes;
    size_t room;         /* bytes the table may have before it looks again */
    size_t published;    /* bytes of it in env->warm_used */
    int64_t position;    /* changelog offset of the committed layer; -1: none */
    int64_t stored;      /* of the base */
    int64_t count;       /* committed keys */
    int64_t count_delta; /* what the uncommitted layer adds */
    bool inexact;        /* a key was written without knowing of it before */
    struct weir_iterator *iterators;
    size_t iterator_count;
    void *pin;          /* what wr_store_get_committed lent */
    struct wr_buf keys; /* scratch of wr_base_key */
    struct wr_buf row;  /* scratch of a row's value */
    struct wr_store_stats stats;
    struct wr_store_series series;
};

struct wr_task_state {
    struct wr_store_env *env;
    char *dir; /* NULL: nothing touches the disk */
    char *db_path;
    const char *cluster; /* lent; NULL: not known */
    bool cluster_noted;  /* .cluster says so */
    int lock_fd;         /* -1: none */
    struct wr_store_hooks hooks;
    struct wr_rocks *rocks; /* NULL: no base yet, or none wanted */
    bool rocks_failed;      /* refuses writes until it is opened again */
    bool full;              /* the last write-down failed */
    bool sealed;            /* takes no writes: see wr_task_state_seal */
    int64_t down_ms;        /* when dirty entries last went down; -1: not yet */
    int64_t retry_ms;       /* no write-down before */
    struct weir_error error;   /* of the last failed store call */
    struct weir_error rebuilt; /* why the base was not kept */
    int store_count;
    struct weir_store *stores; /* store_count of them */
};

/* ---- state.c ------------------------------------------------------------- */

/** Notes in the state why a store call failed, prefixed with the store's name;
 *  corruption is also marked on disk, so that the next open sees it. */
enum weir_status wr_store_failed(struct weir_store *store,
                                 enum weir_status status);

/** Makes an entry dirty after its committed value changed; `before` is what it
 *  took when it was dirty already. Room was reserved. */
void wr_store_entry_dirty(struct weir_store *store, uint32_t ref,
                          size_t before);
/** Bytes of an entry when it is dirty, else 0. */
size_t wr_store_dirty_bytes_of(const struct weir_store *store, uint32_t ref);
/** Room for n more dirty entries. Errors: WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_store_reserve_dirty(struct weir_store *store, size_t n);

/* ---- series.c ------------------------------------------------------------ */

void wr_store_series_make(struct weir_store *store);
/** Publishes what was counted since the last time. */
void wr_store_series_publish(struct weir_store *store,
                             size_t uncommitted_bytes);

/* ---- store.c ------------------------------------------------------------- */

/** Makes the committed value of an entry known, from the base if need be. */
WEIR_MUST_CHECK enum weir_status wr_store_load(struct weir_store *store,
                                               uint32_t ref);
/** Reads a row's value: its bytes and timestamp. Errors: WEIR_E_CORRUPT. */
WEIR_MUST_CHECK enum weir_status wr_store_row(const struct weir_store *store,
                                              struct weir_bytes row,
                                              struct weir_bytes *out_value,
                                              int64_t *out_timestamp_ms);
/** Adds an entry to the index when that is built and the entry is not in it. */
WEIR_MUST_CHECK enum weir_status wr_store_order(struct weir_store *store,
                                                uint32_t ref);
/** Takes an entry without values out of index and table. */
void wr_store_forget(struct weir_store *store, uint32_t ref);
/** Drops the index; entries remember nothing of it. */
void wr_store_unorder(struct weir_store *store);
/** Evicts clean entries, except `spare` (0: none), when the table is over its
 *  share of the budget. */
void wr_store_shrink(struct weir_store *store, uint32_t spare);
/** Bytes that an entry with this value takes. */
size_t wr_store_entry_bytes(const struct weir_store *store, uint32_t ref,
                            uint32_t value);

/* ---- down.c -------------------------------------------------------------- */

/** Writes dirty entries and the position down, and waits for it. Errors as
 * rocks.h; nothing is lost, the entries stay dirty. */
WEIR_MUST_CHECK enum weir_status wr_store_down(struct weir_store *store,
                                               struct weir_error *err);
/** As wr_store_down, but in the background where the environment allows it;
 * then wr_store_down_end() tells the result. Does nothing while one is on its
 * way. */
WEIR_MUST_CHECK enum weir_status wr_store_down_start(struct weir_store *store,
                                                     struct weir_error *err);
/** Takes the result of a write-down that is done, or waits for it first.
 * WEIR_OK when there is none, or it is not done yet and `wait` is false. */
WEIR_MUST_CHECK enum weir_status
wr_store_down_end(struct weir_store *store, bool wait, struct weir_error *err);
/** The part of a write-down that needs no store. Thread: any. */
void wr_down_run(struct wr_down *down);
/** Dirty bytes, those on their way down included. */
size_t wr_store_dirty_bytes(const struct weir_store *store);
/** Bytes of the warm budget that a table may count on. */
size_t wr_store_share(const struct weir_store *store);
/* ---- base.c -------------------------------------------------------------- */

/** The path of a name in the state's directory, given; false: no memory. */
bool wr_state_path(const struct wr_task_state *state, const char *name,
                   char **out);
/** Begins with what the directory has, as base_plan.h decides; `rebuild` as
 * rebuild_corrupt of store.h. Errors: WEIR_E_CORRUPT, WEIR_E_IO,
 * WEIR_E_NOSPACE, WEIR_E_INCOMPATIBLE; then nothing in it has changed. */
WEIR_MUST_CHECK enum weir_status wr_state_base_plan(struct wr_task_state *state,
                                                    bool rebuild,
                                                    struct weir_error *err);
/** Opens the database of a state that is not open: a new one, or again the one
 * that its stores know. Errors: also WEIR_E_CORRUPT when it is not that one. */
WEIR_MUST_CHECK enum weir_status wr_state_base_open(struct wr_task_state *state,
                                                    struct weir_error *err);

/* ---- env.c --------------------------------------------------------------- */

/** Gives a write-down to the background thread. False: there is none, and the
 *  caller runs it. */
bool wr_env_submit(struct wr_store_env *env, struct wr_down *down);
/** Whether it is done; with `wait`, true once it is. */
bool wr_env_done(struct wr_store_env *env, struct wr_down *down, bool wait);

/* ---- iterator.c ---------------------------------------------------------- */

/** Before a change: open iterators take what they still need from the table. */
void wr_iterators_detach(struct weir_store *store);
/** Ends open iterators with WEIR_E_CLOSED: the store goes away. */
void wr_iterators_kill(struct weir_store *store);

#endif
