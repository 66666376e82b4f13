/* SPDX-License-Identifier: Apache-2.0
 *
 * As written to a descriptor: for each file the lengths of path and bytes, 4
 * and 8 bytes big-endian, then both. */
#include "dsl/sources.h"

#include "base/fs.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES_MAX 4096
#define HEAD_BYTES     12

struct source {
    char *path;
    struct wr_buf bytes;
};

struct wr_sources {
    struct source *files[WR_SOURCES_MAX];
    size_t count;
    bool sealed;
};

enum weir_status wr_sources_new(struct wr_sources **out)
{
    *out = calloc(1, sizeof(**out));
    return *out ? WEIR_OK : WEIR_E_NOMEM;
}

static void source_free(struct source *source)
{
    if (source) {
        wr_buf_done(&source->bytes);
        free(source->path);
        free(source);
    }
}

void wr_sources_free(struct wr_sources *sources)
{
    for (size_t i = 0; sources && i < sources->count; i++) {
        source_free(sources->files[i]);
    }
    free(sources);
}

void wr_sources_seal(struct wr_sources *sources)
{
    sources->sealed = true;
}

static struct source *find(const struct wr_sources *sources, const char *path)
{
    for (size_t i = 0; i < sources->count; i++) {
        if (strcmp(sources->files[i]->path, path) == 0) {
            return sources->files[i];
        }
    }
    return NULL;
}

bool wr_sources_has(const struct wr_sources *sources, const char *path)
{
    return find(sources, path) || (!sources->sealed && access(path, R_OK) == 0);
}

/* Adds a file without bytes; *out is lent. */
static enum weir_status add(struct wr_sources *sources, const char *path,
                            size_t path_len, size_t bytes_max,
                            struct source **out, struct weir_error *err)
{
    if (sources->count == WR_SOURCES_MAX) {
        return weir_fail(err, WEIR_E_TOOBIG,
                         "%.*s: an application has at most %d files",
                         (int)path_len, path, WR_SOURCES_MAX);
    }
    struct source *source = calloc(1, sizeof(*source));
    char *copy = strndup(path, path_len);
    if (!source || !copy) {
        free(source);
        free(copy);
        return weir_fail(err, WEIR_E_NOMEM, "%.*s: no memory", (int)path_len,
                         path);
    }
    source->path = copy;
    wr_buf_init(&source->bytes, bytes_max);
    sources->files[sources->count++] = source;
    *out = source;
    return WEIR_OK;
}

enum weir_status wr_sources_get(struct wr_sources *sources, const char *path,
                                size_t bytes_max, struct weir_bytes *out,
                                struct weir_error *err)
{
    struct source *source = find(sources, path);
    enum weir_status s = WEIR_OK;
    if (!source && sources->sealed) {
        return weir_fail(err, WEIR_E_NOTFOUND,
                         "%s: was not there when the application was loaded",
                         path);
    }
    if (!source) {
        s = add(sources, path, strlen(path), bytes_max, &source, err);
        s = s == WEIR_OK ? wr_file_read(path, &source->bytes, err) : s;
        if (s != WEIR_OK && source) {
            sources->count--;
            source_free(source);
        }
    }
    if (s == WEIR_OK) {
        *out = wr_buf_view(&source->bytes);
    }
    return s;
}

const char *wr_sources_path(const struct wr_sources *sources, size_t index)
{
    return index < sources->count ? sources->files[index]->path : NULL;
}

/* ---- to another process -------------------------------------------------- */

enum weir_status wr_sources_write(const struct wr_sources *sources, int fd,
                                  struct weir_error *err)
{
    enum weir_status s = WEIR_OK;
    for (size_t i = 0; s == WEIR_OK && i < sources->count; i++) {
        const struct source *source = sources->files[i];
        struct weir_bytes bytes = wr_buf_view(&source->bytes);
        size_t path_len = strlen(source->path);
        uint8_t head[HEAD_BYTES];
        wr_store_u32(head, (uint32_t)path_len);
        wr_store_u64(head + 4, bytes.len);
        s = wr_write_all(fd, head, sizeof(head), source->path, err);
        s = s == WEIR_OK
                ? wr_write_all(fd, source->path, path_len, source->path, err)
                : s;
        s = s == WEIR_OK
                ? wr_write_all(fd, bytes.data, bytes.len, source->path, err)
                : s;
    }
    return s;
}

static enum weir_status read_all(struct wr_sources *sources,
                                 struct weir_bytes all, struct weir_error *err)
{
    struct wr_reader r;
    wr_reader_init(&r, all);
    while (wr_reader_left(&r) > 0) {
        struct source *source = NULL;
        uint32_t path_len = wr_read_u32(&r);
        int64_t len = wr_read_i64(&r);
        if (path_len > PATH_BYTES_MAX || len < 0 ||
            len > (int64_t)WR_SOURCE_OBJECT_BYTES_MAX) {
            return weir_fail(err, WEIR_E_CORRUPT, "the kept files are damaged");
        }
        struct weir_bytes path = wr_read_bytes(&r, path_len);
        struct weir_bytes bytes = wr_read_bytes(&r, (size_t)len);
        if (r.status != WEIR_OK) {
            return weir_fail(err, WEIR_E_CORRUPT, "the kept files are damaged");
        }
        enum weir_status s = add(sources, (const char *)path.data, path.len,
                                 bytes.len, &source, err);
        if (s != WEIR_OK) {
            return s;
        }
        wr_buf_put(&source->bytes, bytes.data, bytes.len);
        if (source->bytes.status != WEIR_OK) {
            return weir_fail(err, WEIR_E_NOMEM, "%s: no memory", source->path);
        }
    }
    return WEIR_OK;
}

enum weir_status wr_sources_read(int fd, struct wr_sources **out,
                                 struct weir_error *err)
{
    struct stat info;
    struct wr_sources *sources = NULL;
    if (fstat(fd, &info) != 0) {
        return weir_fail(err, WEIR_E_IO, "the kept files: %s", strerror(errno));
    }
    size_t size = (size_t)info.st_size;
    void *at = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    if (at == MAP_FAILED || wr_sources_new(&sources) != WEIR_OK) {
        if (size && at != MAP_FAILED) {
            (void)munmap(at, size);
        }
        return weir_fail(err, WEIR_E_NOMEM, "the kept files: no memory");
    }
    enum weir_status s = read_all(sources, weir_bytes(at, size), err);
    if (size) {
        (void)munmap(at, size);
    }
    if (s != WEIR_OK) {
        wr_sources_free(sources);
        return s;
    }
    wr_sources_seal(sources);
    *out = sources;
    return WEIR_OK;
}
