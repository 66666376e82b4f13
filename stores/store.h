/* SPDX-License-Identifier: Apache-2.0
 *
 * State of one task, in three layers (docs/ARCHITECTURE.md, "State"):
 *
 *   uncommitted   what this commit interval changed: a hash overlay
 *   warm          committed entries in memory, dirty or clean, one budget for
 *                 the process
 *   base          RocksDB (one per task, a column family per store), or nothing
 *                 for a memory store, whose warm layer is never evicted
 *
 * A write touches the first, a read falls through, a commit moves the first
 * into the second, an abort drops it. Dirty warm entries go down to RocksDB by
 * size or time as one sorted SST per store that also holds the changelog offset
 * they correspond to. So RocksDB never holds an uncommitted byte.
 *
 * Thread: the task's, for everything but the environment's counters. */
#ifndef WEIR_STORES_STORE_H
#define WEIR_STORES_STORE_H

#include "base/bytes.h"
#include "base/metrics.h"
#include "weir/weir.h"

/* ---- what the process shares ------------------------------------------- */

struct wr_store_env; /* block cache, write-buffer manager, warm budget */

struct wr_store_env_options {
    size_t block_cache_bytes;   /* RocksDB's blocks, all stores together */
    size_t write_buffer_bytes;  /* RocksDB's memtables, all stores together */
    size_t warm_bytes;          /* warm entries, all stores together */
    struct wr_metrics *metrics; /* lent; NULL: none */
    /** Write-downs run on a thread of the environment, beside the tasks. A
     * failure is then reported by a later commit. False: inside the commit
     * itself. */
    bool background;
};

WEIR_MUST_CHECK enum weir_status
wr_store_env_new(const struct wr_store_env_options *options,
                 struct wr_store_env **out, struct weir_error *err);
void wr_store_env_free(struct wr_store_env *env);

/* ---- a task's state ----------------------------------------------------- */

/** How a store speaks to its task. All calls come from inside store calls on
 * the task's thread. */
struct wr_store_hooks {
    /** A changelog record: for a caching store one per key and flush, else one
     *  per write. value null is a tombstone. Views lent for the call. */
    enum weir_status (*changelog)(void *user, int store_index,
                                  struct weir_bytes key,
                                  struct weir_bytes value,
                                  int64_t timestamp_ms);
    /** A cached entry leaves the cache at a flush: key, value and old_value as
     *  downstream last saw it, timestamp. */
    enum weir_status (*flushed)(void *user, int store_index,
                                const struct weir_record *record);
    /** Timestamp of the record being processed, for plain puts. */
    int64_t (*timestamp)(void *user);
    void *user;
};

struct wr_task_state;

/** What a task's state is made of. */
struct wr_task_state_spec {
    const char *dir; /* the task's folder; NULL keeps every store in memory */
    const struct weir_store_spec *const *stores; /* lent for the state's life */
    int store_count;
    const struct wr_store_hooks *hooks; /* copied; its members may be NULL */
    bool rebuild_corrupt; /* start empty when the folder is damaged */
    /** Id of the cluster that has the changelogs, lent for the state's life:
     * what the folder has from another one is removed. NULL: not known,
     * whatever the folder has will do. */
    const char *cluster;
};

/** Opens (or makes) the state directory `spec->dir` of a task, takes its lock,
 * opens one RocksDB for the specs that want it (a new directory gets its
 * RocksDB with the first write-down). stores are lent for the state's life,
 * hooks are copied; a hook that is NULL is not called. `spec->dir` NULL:
 * nothing touches the disk and every store lives in memory, as a test driver
 * wants it. Errors: WEIR_E_LOCKED naming the holder; WEIR_E_CORRUPT naming the
 * file, with the remedy (the directory is moved aside and rebuilt from the
 * changelog when `rebuild_corrupt` is true); WEIR_E_IO; WEIR_E_NOSPACE. */
WEIR_MUST_CHECK enum weir_status
wr_task_state_open(struct wr_store_env *env,
                   const struct wr_task_state_spec *spec,
                   struct wr_task_state **out, struct weir_error *err);
/** Writes dirty committed entries down (clean close) or not, and closes.
 *  The uncommitted layer is dropped either way. */
void wr_task_state_close(struct wr_task_state *state, bool clean);
struct weir_store *wr_task_state_store(struct wr_task_state *state, int index);
/** Text and status of the last store call that failed; weir_store_* themselves
 *  return a status only. Lent; overwritten by the next failure. */
const struct weir_error *wr_task_state_error(const struct wr_task_state *state);
/** Why state was removed or moved aside at open (it is damaged, or of another
 * cluster), for the log; NULL when it was not. Its stores then restore from
 * offset 0; those without a changelog are empty. */
const char *wr_task_state_rebuilt(const struct wr_task_state *state);

/** Bytes in the uncommitted layers, caches included: the task commits early
 * when they pass statestore.uncommitted.max.bytes. */
size_t wr_task_state_uncommitted_bytes(const struct wr_task_state *state);
/** Of these, bytes of cached entries that have not been flushed downstream. */
size_t wr_task_state_cached_bytes(const struct wr_task_state *state);

/** Sends the cached entries of store `index` to its hooks (changelog, then
 *  flushed), in the order of their first write since the last flush. The task
 *  flushes stores in topology order, before a commit or when the cache is full.
 *  Listeners may write to the store; what they write waits for the next flush,
 * so the task repeats until wr_task_state_cached_bytes() is 0. The first
 * failure of a hook ends the flush; its entry counts as flushed, the rest
 * waits. */
WEIR_MUST_CHECK enum weir_status
wr_store_flush(struct wr_task_state *state, int index, struct weir_error *err);
/** The commit happened: uncommitted becomes committed. changelog_offsets[i] is
 *  the offset of the last changelog record of store i known to be written, -1
 *  when none was. May write dirty entries down.
 *  Errors: WEIR_E_INVALID when cached entries were not flushed, nothing is
 *  committed. WEIR_E_NOSPACE, WEIR_E_IO, WEIR_E_CORRUPT: the state is
 * committed, but could not be written down; nothing is lost, later commits try
 * again (a second apart). While the disk is full memory grows, up to twice the
 * warm budget; then puts are refused with WEIR_E_NOSPACE. */
WEIR_MUST_CHECK enum weir_status
wr_task_state_commit(struct wr_task_state *state,
                     const int64_t *changelog_offsets, int64_t now_ms,
                     struct weir_error *err);
/** The transaction was aborted: the uncommitted layer is gone. */
void wr_task_state_abort(struct wr_task_state *state);
/** While sealed, writes are refused with WEIR_E_CLOSED: nobody would commit
 *  them. Either way the last error is forgotten. */
void wr_task_state_seal(struct wr_task_state *state, bool sealed);

/* ---- restore ------------------------------------------------------------ */

struct wr_changelog_record {
    struct weir_bytes key;   /* not null */
    struct weir_bytes value; /* null: tombstone */
    int64_t timestamp_ms;
    int64_t offset;
};

/** Changelog offset from which store `index` must be replayed: one more than
 * the offset stored with its data, 0 when there is none. A store whose data is
 * newer than the changelog's end must be wiped: wr_store_wipe(). */
int64_t wr_store_restore_from(const struct wr_task_state *state, int index);
/** Applies changelog records in order; they count as committed. Bulk loads are
 *  sorted and ingested. Records at or below wr_store_position() are passed
 * over, so a batch that failed half-way (WEIR_E_NOSPACE) may be given again. */
WEIR_MUST_CHECK enum weir_status
wr_store_restore(struct wr_task_state *state, int index,
                 const struct wr_changelog_record *records, size_t count,
                 struct weir_error *err);
/** The replay reached its end; `offset` is the last one covered (control
 * records included), -1 for an empty changelog. */
WEIR_MUST_CHECK enum weir_status wr_store_restored(struct wr_task_state *state,
                                                   int index, int64_t offset,
                                                   struct weir_error *err);
/** Empties the store, its stored offset included. */
WEIR_MUST_CHECK enum weir_status
wr_store_wipe(struct wr_task_state *state, int index, struct weir_error *err);

/* ---- queries ------------------------------------------------------------ */

/** Committed value of key, null when absent: the uncommitted layer is not read.
 *  Lent until the next call on the store. */
WEIR_MUST_CHECK enum weir_status
wr_store_get_committed(struct weir_store *store, struct weir_bytes key,
                       struct weir_bytes *out_value, int64_t *out_timestamp_ms);
/** Changelog offset that the committed state corresponds to; -1: none. */
int64_t wr_store_position(const struct weir_store *store);
const struct weir_store_spec *wr_store_spec(const struct weir_store *store);
bool wr_store_is_caching(const struct weir_store *store);
/** Whether flushes of a caching store go to the hook `flushed` (true at open).
 *  Without a listener a flush need not know the old value, which spares a read
 * of RocksDB for keys that were put without a get. */
void wr_store_set_listening(struct weir_store *store, bool listening);
/** Index given at open. */
int wr_store_index(const struct weir_store *store);
/** As weir_store_range(), of the committed state only. */
WEIR_MUST_CHECK enum weir_status
wr_store_range_committed(struct weir_store *store, struct weir_bytes from,
                         struct weir_bytes to, bool reverse,
                         struct weir_iterator **out);

#endif
