/* SPDX-License-Identifier: Apache-2.0
 *
 * The base layer: one RocksDB of a task, a column family per store. Nothing is
 * ever put: data comes in as sorted files, each with the changelog offset that
 * it completes, one atomic ingestion per file. There is no write-ahead log (the
 * changelog is it) and nothing in memtables.
 *
 * Errors are WEIR_E_CORRUPT, WEIR_E_NOSPACE or WEIR_E_IO with RocksDB's own
 * text, which names the file. Thread: a database's calls come from one thread;
 * the environment is shared. */
#ifndef WEIR_STORES_ROCKS_H
#define WEIR_STORES_ROCKS_H

#include "base/bytes.h"

struct wr_rocks_env;  /* block cache, options, background threads */
struct wr_rocks;      /* a database */
struct wr_rocks_file; /* a sorted file in the making */
struct wr_rocks_iter;

WEIR_MUST_CHECK enum weir_status wr_rocks_env_new(size_t block_cache_bytes,
                                                  size_t write_buffer_bytes,
                                                  struct wr_rocks_env **out,
                                                  struct weir_error *err);
void wr_rocks_env_free(struct wr_rocks_env *env);
/** Bytes in the block cache. Thread: any. */
size_t wr_rocks_env_cached(const struct wr_rocks_env *env);

/** Whether a database is in directory `path`; reads only. Errors:
 * WEIR_E_CORRUPT when files of one are there, but not those by which RocksDB
 * finds the others (it would begin anew, or talk of input and output);
 * WEIR_E_IO when it cannot be known. */
WEIR_MUST_CHECK enum weir_status
wr_rocks_look(const char *path, bool *out_there, struct weir_error *err);
/** Opens or makes the database; names are the column families wanted, others
 * that exist stay until wr_rocks_drop_others. env is lent for the database's
 * life. Errors: as wr_rocks_look. */
WEIR_MUST_CHECK enum weir_status wr_rocks_open(struct wr_rocks_env *env,
                                               const char *path,
                                               const char *const *names,
                                               int count, struct wr_rocks **out,
                                               struct weir_error *err);
/** Drops the families that were there but not wanted. */
WEIR_MUST_CHECK enum weir_status wr_rocks_drop_others(struct wr_rocks *db,
                                                      struct weir_error *err);
/** Closes; iterators and values must be gone. NULL is fine. */
void wr_rocks_close(struct wr_rocks *db);

/** Value of key in family i, lent until wr_rocks_unpin(*out_pin); *out_pin NULL
 *  and *out null when absent. */
WEIR_MUST_CHECK enum weir_status
wr_rocks_get(struct wr_rocks *db, int i, struct weir_bytes key, void **out_pin,
             struct weir_bytes *out, struct weir_error *err);
/** NULL is fine. */
void wr_rocks_unpin(void *pin);
/** RocksDB's guess at the number of keys in family i. */
int64_t wr_rocks_estimate(struct wr_rocks *db, int i);
/** Drops and remakes family i. */
WEIR_MUST_CHECK enum weir_status wr_rocks_clear(struct wr_rocks *db, int i,
                                                struct weir_error *err);

/** Begins a sorted file for family i. *out is given: wr_rocks_file_done(). */
WEIR_MUST_CHECK enum weir_status wr_rocks_file_new(struct wr_rocks *db, int i,
                                                   struct wr_rocks_file **out,
                                                   struct weir_error *err);
/** Adds a pair (a null value: a deletion); keys rise. */
WEIR_MUST_CHECK enum weir_status wr_rocks_file_add(struct wr_rocks_file *file,
                                                   struct weir_bytes key,
                                                   struct weir_bytes value,
                                                   struct weir_error *err);
/** Syncs the file and makes it part of the database, all of it or nothing.
 *  *out_bytes gets its size. */
WEIR_MUST_CHECK enum weir_status
wr_rocks_file_ingest(struct wr_rocks_file *file, uint64_t *out_bytes,
                     struct weir_error *err);
/** Frees; removes the file when it was not ingested. NULL is fine. */
void wr_rocks_file_done(struct wr_rocks_file *file);

/** An iterator over family i as it is now; NULL when out of memory. */
struct wr_rocks_iter *wr_rocks_iter_new(struct wr_rocks *db, int i);
void wr_rocks_iter_free(struct wr_rocks_iter *iter); /* NULL is fine */
/** To the first key >= key, or with `back` to the last key <= key; a null key
 *  means the first or the last of all. */
void wr_rocks_iter_seek(struct wr_rocks_iter *iter, struct weir_bytes key,
                        bool back);
bool wr_rocks_iter_valid(const struct wr_rocks_iter *iter);
/** One on, or one back. */
void wr_rocks_iter_step(struct wr_rocks_iter *iter, bool back);
/** Lent until the next step. */
struct weir_bytes wr_rocks_iter_key(const struct wr_rocks_iter *iter);
struct weir_bytes wr_rocks_iter_value(const struct wr_rocks_iter *iter);
WEIR_MUST_CHECK enum weir_status
wr_rocks_iter_status(const struct wr_rocks_iter *iter, struct weir_error *err);

#endif
