/* SPDX-License-Identifier: Apache-2.0
 *
 * The door to RocksDB, and the only one.
 *
 *   <dir>/rocksdb/         the database
 *   <dir>/rocksdb.load-3   a sorted file for family 3, before it is ingested
 *
 * Ingestion moves a file in by a hard link. A crash between link and unlink
 * leaves a load file that IS a table of the database: such a file is unlinked,
 * never truncated.
 *
 * Memory: blocks, indexes and filters live in one cache for the process.
 * Memtables stay empty (nothing is put), so the write-buffer bound costs
 * nothing; it holds all the same, as db_write_buffer_size of each database,
 * because RocksDB 7.8's C interface has no write-buffer manager to share. */
#include "stores/rocks.h"

#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOOM_BITS       10.0 /* about 1 % of absent keys cost a block read */
#define BLOCK_BYTES      4096u
#define L0_COMPACT       4  /* sorted files that start a compaction */
#define L0_SLOW          40 /* never met by ingestion, see below */
#define L0_STOP          80
#define OPEN_FILES       256  /* of a database */
#define FAMILY_PREFIX    "s." /* keeps a store named "default" possible */
#define CURRENT_MAX      64u
#define WRITE_BUFFER_MIN ((size_t)64 << 10)

struct wr_rocks_env {
    rocksdb_cache_t *cache;
    rocksdb_options_t *options; /* of databases, families and sorted files */
    rocksdb_block_based_table_options_t *blocks;
    rocksdb_readoptions_t *read;
    rocksdb_env_t *env;
    rocksdb_envoptions_t *file;
    rocksdb_ingestexternalfileoptions_t *ingest;
};

struct wr_rocks {
    struct wr_rocks_env *env;
    rocksdb_t *db;
    char *path;
    int count; /* families, without the unused default */
    rocksdb_column_family_handle_t *standard;
    rocksdb_column_family_handle_t **families; /* NULL: not opened */
    char **names;                              /* of families, with prefix */
    rocksdb_column_family_handle_t **others;   /* there, but not wanted */
    int other_count;
};

struct wr_rocks_file {
    struct wr_rocks *db;
    int family;
    char *path;
    rocksdb_sstfilewriter_t *writer;
};

struct wr_rocks_iter {
    rocksdb_iterator_t *it;
};

/* Turns RocksDB's text into a status; frees it. */
static enum weir_status failed(char *text, const char *path,
                               struct weir_error *err)
{
    static const char *const full[] = {"No space left", "quota exceeded",
                                       "File too large"};
    enum weir_status status = WEIR_E_IO;
    if (strncmp(text, "Corruption", strlen("Corruption")) == 0) {
        status = WEIR_E_CORRUPT;
    }
    for (size_t i = 0; i < sizeof(full) / sizeof(full[0]); i++) {
        if (strstr(text, full[i])) {
            status = WEIR_E_NOSPACE;
        }
    }
    weir_fail(err, status, "%s: RocksDB: %s%s", path, text,
              status == WEIR_E_NOSPACE
                  ? "; free space there, or move state.dir to a larger disk"
                  : "");
    rocksdb_free(text);
    return status;
}

/* ---- environment -------------------------------------------------- */

static void options_set(struct wr_rocks_env *env, size_t write_buffer_bytes)
{
    rocksdb_options_t *o = env->options;
    rocksdb_options_set_env(o, env->env);
    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_set_create_missing_column_families(o, 1);
    rocksdb_options_set_paranoid_checks(o, 1);
    rocksdb_options_set_compression(o, rocksdb_no_compression);
    rocksdb_options_set_max_open_files(o, OPEN_FILES);
    rocksdb_options_set_max_background_jobs(o, 2);
    size_t buffer = write_buffer_bytes > WRITE_BUFFER_MIN ? write_buffer_bytes
                                                          : WRITE_BUFFER_MIN;
    rocksdb_options_set_db_write_buffer_size(o, buffer);
    rocksdb_options_set_write_buffer_size(o, WRITE_BUFFER_MIN);
    /* Files come seldom and large; a bloom filter passes over each that has not
     * the key. Stalls would only make a commit wait for a compaction. */
    rocksdb_options_set_level0_file_num_compaction_trigger(o, L0_COMPACT);
    rocksdb_options_set_level0_slowdown_writes_trigger(o, L0_SLOW);
    rocksdb_options_set_level0_stop_writes_trigger(o, L0_STOP);
    rocksdb_options_set_soft_pending_compaction_bytes_limit(o, 0);
    rocksdb_options_set_hard_pending_compaction_bytes_limit(o, 0);
    /* No background noise: statistics in the log, log files without end. */
    rocksdb_options_set_info_log_level(o, 3);
    rocksdb_options_set_keep_log_file_num(o, 1);
    rocksdb_options_set_stats_dump_period_sec(o, 0);
    rocksdb_options_set_stats_persist_period_sec(o, 0);
    rocksdb_options_set_skip_stats_update_on_db_open(o, 1);
}

static void blocks_set(struct wr_rocks_env *env)
{
    rocksdb_block_based_table_options_t *b = env->blocks;
    rocksdb_block_based_options_set_block_cache(b, env->cache);
    rocksdb_block_based_options_set_block_size(b, BLOCK_BYTES);
    rocksdb_block_based_options_set_format_version(b, 5);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(b, 1);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(
        b, 1);
    /* The cache is cut into shards of a megabyte or so: an index or filter in
     * one piece would not fit into one and be read again for every get. */
    rocksdb_block_based_options_set_index_type(
        b, rocksdb_block_based_table_index_type_two_level_index_search);
    rocksdb_block_based_options_set_partition_filters(b, 1);
    rocksdb_block_based_options_set_metadata_block_size(b, BLOCK_BYTES);
    rocksdb_block_based_options_set_pin_top_level_index_and_filter(b, 1);
    rocksdb_block_based_options_set_filter_policy(
        b, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS)); /* taken */
    rocksdb_options_set_block_based_table_factory(env->options, b);
}

enum weir_status wr_rocks_env_new(size_t block_cache_bytes,
                                  size_t write_buffer_bytes,
                                  struct wr_rocks_env **out,
                                  struct weir_error *err)
{
    struct wr_rocks_env *env = calloc(1, sizeof(*env));
    if (!env) {
        return weir_fail(err, WEIR_E_NOMEM, "RocksDB's environment");
    }
    /* RocksDB's constructors do not return NULL: they abort without memory. */
    env->cache = rocksdb_cache_create_lru(block_cache_bytes);
    env->options = rocksdb_options_create();
    env->blocks = rocksdb_block_based_options_create();
    env->read = rocksdb_readoptions_create();
    env->env = rocksdb_create_default_env();
    env->file = rocksdb_envoptions_create();
    env->ingest = rocksdb_ingestexternalfileoptions_create();
    rocksdb_ingestexternalfileoptions_set_move_files(env->ingest, 1);
    rocksdb_env_set_background_threads(env->env, 1);
    rocksdb_env_set_high_priority_background_threads(env->env, 1);
    options_set(env, write_buffer_bytes);
    blocks_set(env);
    *out = env;
    return WEIR_OK;
}

void wr_rocks_env_free(struct wr_rocks_env *env)
{
    if (!env) {
        return;
    }
    rocksdb_ingestexternalfileoptions_destroy(env->ingest);
    rocksdb_envoptions_destroy(env->file);
    rocksdb_readoptions_destroy(env->read);
    rocksdb_options_destroy(env->options);
    rocksdb_block_based_options_destroy(env->blocks);
    rocksdb_cache_destroy(env->cache);
    rocksdb_env_destroy(env->env);
    free(env);
}

size_t wr_rocks_env_cached(const struct wr_rocks_env *env)
{
    return rocksdb_cache_get_usage(env->cache);
}

/* ---- database ----------------------------------------------------- */

/* What a directory has of a database. */
struct seen {
    bool current;
    bool manifest;
    bool table;
};

static bool begins(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static enum weir_status unreadable(const char *path, struct weir_error *err)
{
    int errnum = errno;
    char reason[128];
    return weir_fail(err, WEIR_E_IO, "%s: cannot be read: %s", path,
                     strerror_r(errnum, reason, sizeof(reason)));
}

/* A directory that is not there has nothing; one that cannot be read may have
 * everything. */
static enum weir_status see(const char *path, struct seen *out,
                            struct weir_error *err)
{
    *out = (struct seen){false, false, false};
    DIR *dir = opendir(path);
    if (!dir) {
        return errno == ENOENT ? WEIR_OK : unreadable(path, err);
    }
    enum weir_status s = WEIR_OK;
    struct dirent *entry;
    while ((errno = 0, entry = readdir(dir)) != NULL) {
        const char *name = entry->d_name;
        const char *end = strrchr(name, '.');
        out->current |= strcmp(name, "CURRENT") == 0;
        out->manifest |= begins(name, "MANIFEST-");
        out->table |= end && strcmp(end, ".sst") == 0;
    }
    if (errno != 0) {
        s = unreadable(path, err);
    }
    closedir(dir);
    return s;
}

/* Whether bytes are `MANIFEST-<digits>\n`. */
static bool names_manifest(struct weir_bytes bytes)
{
    static const char prefix[] = "MANIFEST-";
    size_t len = sizeof(prefix) - 1;
    if (bytes.len < len + 2 || bytes.data[bytes.len - 1] != '\n' ||
        memcmp(bytes.data, prefix, len) != 0) {
        return false;
    }
    for (size_t i = len; i < bytes.len - 1; i++) {
        if (bytes.data[i] < '0' || bytes.data[i] > '9') {
            return false;
        }
    }
    return true;
}

/* RocksDB takes what CURRENT says for a name, and a name that does not exist
 * for a failure of the disk, which would be tried again for ever. */
static enum weir_status check_current(const char *path, struct weir_error *err)
{
    char name[PATH_MAX];
    struct wr_buf text;
    (void)snprintf(name, sizeof(name), "%s/CURRENT", path);
    wr_buf_init(&text, CURRENT_MAX);
    enum weir_status s = wr_file_read(name, &text, err);
    if (s == WEIR_E_TOOBIG || (s == WEIR_OK && text.len == 0) ||
        (s == WEIR_OK && !names_manifest(wr_buf_view(&text)))) {
        s = weir_fail(err, WEIR_E_CORRUPT, "%s does not name a MANIFEST", name);
    } else if (s == WEIR_OK) {
        (void)snprintf(name, sizeof(name), "%s/%.*s", path, (int)text.len - 1,
                       (const char *)text.data);
        if (access(name, F_OK) != 0) {
            s = errno == ENOENT ? weir_fail(err, WEIR_E_CORRUPT,
                                            "%s/CURRENT names %s, which is "
                                            "missing",
                                            path, name)
                                : unreadable(name, err);
        }
    }
    wr_buf_done(&text);
    return s;
}

enum weir_status wr_rocks_look(const char *path, bool *out_there,
                               struct weir_error *err)
{
    struct seen seen;
    enum weir_status s = see(path, &seen, err);
    if (s != WEIR_OK) {
        return s;
    }
    /* Without CURRENT, RocksDB would take the folder for a new one and remove
     * its tables. */
    if (!seen.current && (seen.manifest || seen.table)) {
        return weir_fail(err, WEIR_E_CORRUPT, "%s/CURRENT is missing", path);
    }
    if (seen.current && !seen.manifest) {
        return weir_fail(err, WEIR_E_CORRUPT, "%s/MANIFEST is missing", path);
    }
    s = seen.current ? check_current(path, err) : WEIR_OK;
    if (s == WEIR_OK) {
        *out_there = seen.current;
    }
    return s;
}

static void names_free(char **names, size_t count)
{
    for (size_t i = 0; names && i < count; i++) {
        free(names[i]);
    }
    free(names);
}

static enum weir_status names_make(struct wr_rocks *db,
                                   const char *const *names)
{
    db->names = calloc((size_t)db->count + 1, sizeof(char *));
    db->families = calloc((size_t)db->count + 1, sizeof(*db->families));
    if (!db->names || !db->families) {
        return WEIR_E_NOMEM;
    }
    for (int i = 0; i < db->count; i++) {
        if (names[i] &&
            asprintf(&db->names[i], FAMILY_PREFIX "%s", names[i]) < 0) {
            db->names[i] = NULL;
            return WEIR_E_NOMEM;
        }
    }
    return WEIR_OK;
}

/* What to open: the default family, those wanted, those that are there. */
struct open_list {
    const char **names;
    int *index; /* of the family; -1: default; -2: not wanted */
    const rocksdb_options_t **options;
    rocksdb_column_family_handle_t **handles;
    int count;
};

static void open_list_add(struct open_list *list, const char *name, int index,
                          const rocksdb_options_t *options)
{
    for (int i = 0; i < list->count; i++) {
        if (strcmp(list->names[i], name) == 0) {
            return;
        }
    }
    list->names[list->count] = name;
    list->index[list->count] = index;
    list->options[list->count++] = options;
}

static enum weir_status families_open(struct wr_rocks *db, char **present,
                                      size_t present_count,
                                      struct weir_error *err)
{
    size_t max = (size_t)db->count + present_count + 1;
    struct open_list list = {.names = calloc(max, sizeof(char *)),
                             .index = calloc(max, sizeof(int)),
                             .options = calloc(max, sizeof(void *)),
                             .handles = calloc(max, sizeof(void *))};
    enum weir_status s = WEIR_E_NOMEM;
    db->others = calloc(max, sizeof(*db->others));
    if (!list.names || !list.index || !list.options || !list.handles ||
        !db->others) {
        weir_fail(err, s, "%s: no memory", db->path);
        goto done;
    }
    open_list_add(&list, "default", -1, db->env->options);
    for (int i = 0; i < db->count; i++) {
        if (db->names[i]) {
            open_list_add(&list, db->names[i], i, db->env->options);
        }
    }
    for (size_t i = 0; i < present_count; i++) {
        open_list_add(&list, present[i], -2, db->env->options);
    }
    char *text = NULL;
    db->db = rocksdb_open_column_families(db->env->options, db->path,
                                          list.count, list.names, list.options,
                                          list.handles, &text);
    if (text) {
        s = failed(text, db->path, err);
        goto done;
    }
    s = WEIR_OK;
    for (int i = 0; i < list.count; i++) {
        if (list.index[i] >= 0) {
            db->families[list.index[i]] = list.handles[i];
        } else if (list.index[i] == -1) {
            db->standard = list.handles[i];
        } else {
            db->others[db->other_count++] = list.handles[i];
        }
    }
done:
    free(list.names);
    free(list.index);
    free(list.options);
    free(list.handles);
    return s;
}

enum weir_status wr_rocks_open(struct wr_rocks_env *env, const char *path,
                               const char *const *names, int count,
                               struct wr_rocks **out, struct weir_error *err)
{
    char **present = NULL;
    size_t present_count = 0;
    struct wr_rocks *db = calloc(1, sizeof(*db));
    if (!db) {
        return weir_fail(err, WEIR_E_NOMEM, "%s: no memory", path);
    }
    db->env = env;
    db->count = count;
    db->path = strdup(path);
    enum weir_status s = db->path ? names_make(db, names) : WEIR_E_NOMEM;
    if (s != WEIR_OK) {
        weir_fail(err, s, "%s: no memory", path);
        goto fail;
    }
    bool there = false;
    s = wr_rocks_look(path, &there, err);
    if (s != WEIR_OK) {
        goto fail;
    }
    if (there) {
        char *text = NULL;
        present = rocksdb_list_column_families(env->options, path,
                                               &present_count, &text);
        if (text) {
            s = failed(text, path, err);
            goto fail; /* it returns an empty list, to be freed, even so */
        }
    }
    s = families_open(db, present, present_count, err);
    if (s != WEIR_OK) {
        goto fail;
    }
    *out = db;
    db = NULL;
fail:
    if (present) {
        rocksdb_list_column_families_destroy(present, present_count);
    }
    wr_rocks_close(db);
    return s;
}

void wr_rocks_close(struct wr_rocks *db)
{
    if (!db) {
        return;
    }
    for (int i = 0; db->families && i < db->count; i++) {
        if (db->families[i]) {
            rocksdb_column_family_handle_destroy(db->families[i]);
        }
    }
    for (int i = 0; i < db->other_count; i++) {
        rocksdb_column_family_handle_destroy(db->others[i]);
    }
    if (db->standard) {
        rocksdb_column_family_handle_destroy(db->standard);
    }
    if (db->db) {
        rocksdb_cancel_all_background_work(db->db, 1);
        rocksdb_close(db->db);
    }
    names_free(db->names, (size_t)db->count);
    free(db->families);
    free(db->others);
    free(db->path);
    free(db);
}

enum weir_status wr_rocks_drop_others(struct wr_rocks *db,
                                      struct weir_error *err)
{
    while (db->other_count > 0) {
        char *text = NULL;
        rocksdb_column_family_handle_t *other = db->others[db->other_count - 1];
        rocksdb_drop_column_family(db->db, other, &text);
        if (text) {
            return failed(text, db->path, err);
        }
        rocksdb_column_family_handle_destroy(other);
        db->other_count--;
    }
    return WEIR_OK;
}

enum weir_status wr_rocks_get(struct wr_rocks *db, int i, struct weir_bytes key,
                              void **out_pin, struct weir_bytes *out,
                              struct weir_error *err)
{
    char *text = NULL;
    rocksdb_pinnableslice_t *slice =
        rocksdb_get_pinned_cf(db->db, db->env->read, db->families[i],
                              (const char *)key.data, key.len, &text);
    if (text) {
        return failed(text, db->path, err);
    }
    *out_pin = slice;
    *out = WEIR_NULL;
    if (slice) {
        size_t len;
        const char *data = rocksdb_pinnableslice_value(slice, &len);
        *out = weir_bytes(data, len);
    }
    return WEIR_OK;
}

void wr_rocks_unpin(void *pin)
{
    if (pin) {
        rocksdb_pinnableslice_destroy(pin);
    }
}

int64_t wr_rocks_estimate(struct wr_rocks *db, int i)
{
    uint64_t keys = 0;
    if (rocksdb_property_int_cf(db->db, db->families[i],
                                "rocksdb.estimate-num-keys", &keys) != 0) {
        return 0;
    }
    return (int64_t)keys;
}

enum weir_status wr_rocks_clear(struct wr_rocks *db, int i,
                                struct weir_error *err)
{
    char *text = NULL;
    rocksdb_drop_column_family(db->db, db->families[i], &text);
    if (text) {
        return failed(text, db->path, err);
    }
    rocksdb_column_family_handle_destroy(db->families[i]);
    db->families[i] = rocksdb_create_column_family(db->db, db->env->options,
                                                   db->names[i], &text);
    if (text) {
        db->families[i] = NULL;
        return failed(text, db->path, err);
    }
    return WEIR_OK;
}

/* ---- sorted files ------------------------------------------------- */

enum weir_status wr_rocks_file_new(struct wr_rocks *db, int i,
                                   struct wr_rocks_file **out,
                                   struct weir_error *err)
{
    struct wr_rocks_file *file = calloc(1, sizeof(*file));
    if (!file || asprintf(&file->path, "%s.load-%d", db->path, i) < 0) {
        free(file);
        return weir_fail(err, WEIR_E_NOMEM, "%s: no memory", db->path);
    }
    file->db = db;
    file->family = i;
    if (unlink(file->path) != 0 && errno != ENOENT) {
        enum weir_status s =
            weir_fail(err, wr_status_of_errno(errno),
                      "%s: cannot be removed: %s", file->path, strerror(errno));
        wr_rocks_file_done(file);
        return s;
    }
    char *text = NULL;
    file->writer =
        rocksdb_sstfilewriter_create(db->env->file, db->env->options);
    rocksdb_sstfilewriter_open(file->writer, file->path, &text);
    if (text) {
        enum weir_status s = failed(text, file->path, err);
        wr_rocks_file_done(file);
        return s;
    }
    *out = file;
    return WEIR_OK;
}

enum weir_status wr_rocks_file_add(struct wr_rocks_file *file,
                                   struct weir_bytes key,
                                   struct weir_bytes value,
                                   struct weir_error *err)
{
    char *text = NULL;
    if (value.data) {
        rocksdb_sstfilewriter_put(file->writer, (const char *)key.data, key.len,
                                  (const char *)value.data, value.len, &text);
    } else {
        rocksdb_sstfilewriter_delete(file->writer, (const char *)key.data,
                                     key.len, &text);
    }
    return text ? failed(text, file->path, err) : WEIR_OK;
}

enum weir_status wr_rocks_file_ingest(struct wr_rocks_file *file,
                                      uint64_t *out_bytes,
                                      struct weir_error *err)
{
    char *text = NULL;
    rocksdb_sstfilewriter_finish(file->writer, &text);
    if (text) {
        return failed(text, file->path, err);
    }
    rocksdb_sstfilewriter_file_size(file->writer, out_bytes);
    const char *paths[1] = {file->path};
    rocksdb_ingest_external_file_cf(file->db->db,
                                    file->db->families[file->family], paths, 1,
                                    file->db->env->ingest, &text);
    return text ? failed(text, file->path, err) : WEIR_OK;
}

void wr_rocks_file_done(struct wr_rocks_file *file)
{
    if (!file) {
        return;
    }
    if (file->writer) {
        rocksdb_sstfilewriter_destroy(file->writer);
        unlink(file->path); /* gone already when it was ingested */
    }
    free(file->path);
    free(file);
}

/* ---- iterators ---------------------------------------------------- */

struct wr_rocks_iter *wr_rocks_iter_new(struct wr_rocks *db, int i)
{
    struct wr_rocks_iter *iter = calloc(1, sizeof(*iter));
    if (iter) {
        iter->it =
            rocksdb_create_iterator_cf(db->db, db->env->read, db->families[i]);
    }
    return iter;
}

void wr_rocks_iter_free(struct wr_rocks_iter *iter)
{
    if (iter) {
        rocksdb_iter_destroy(iter->it);
        free(iter);
    }
}

void wr_rocks_iter_seek(struct wr_rocks_iter *iter, struct weir_bytes key,
                        bool back)
{
    if (!key.data) {
        if (back) {
            rocksdb_iter_seek_to_last(iter->it);
        } else {
            rocksdb_iter_seek_to_first(iter->it);
        }
    } else if (back) {
        rocksdb_iter_seek_for_prev(iter->it, (const char *)key.data, key.len);
    } else {
        rocksdb_iter_seek(iter->it, (const char *)key.data, key.len);
    }
}

bool wr_rocks_iter_valid(const struct wr_rocks_iter *iter)
{
    return rocksdb_iter_valid(iter->it) != 0;
}

void wr_rocks_iter_step(struct wr_rocks_iter *iter, bool back)
{
    if (back) {
        rocksdb_iter_prev(iter->it);
    } else {
        rocksdb_iter_next(iter->it);
    }
}

struct weir_bytes wr_rocks_iter_key(const struct wr_rocks_iter *iter)
{
    size_t len;
    const char *data = rocksdb_iter_key(iter->it, &len);
    return weir_bytes(data, len);
}

struct weir_bytes wr_rocks_iter_value(const struct wr_rocks_iter *iter)
{
    size_t len;
    const char *data = rocksdb_iter_value(iter->it, &len);
    return weir_bytes(data, len);
}

enum weir_status wr_rocks_iter_status(const struct wr_rocks_iter *iter,
                                      struct weir_error *err)
{
    char *text = NULL;
    rocksdb_iter_get_error(iter->it, &text);
    return text ? failed(text, "iterator", err) : WEIR_OK;
}
