/* SPDX-License-Identifier: Apache-2.0
 *
 * Sparse indexes. An offset entry is (last offset of the chunk that was
 * appended, where the chunk begins); a time entry (t, o) says that every record
 * later than t comes after offset o. Both rise strictly in both columns.
 *
 * There is no checksum: loading checks the size and the order of all entries,
 * and whoever follows an entry into the segment checks what it finds there.
 * Thread: the broker's loop. */
#include "broker/index.h"

#include "base/fs.h"
#include "broker/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum weir_status wr_index_init(struct wr_index *index, enum wr_index_kind kind,
                               const char *path, int64_t base_offset)
{
    *index = (struct wr_index){
        .kind = kind,
        .base_offset = base_offset,
        .path = strdup(path),
        .in_memory = true,
    };
    wr_buf_init(&index->mem, WR_INDEX_BYTES_MAX);
    return index->path ? WEIR_OK : WEIR_E_NOMEM;
}

void wr_index_done(struct wr_index *index)
{
    wr_buf_done(&index->mem);
    free(index->path);
    index->path = NULL;
}

void wr_index_clear(struct wr_index *index)
{
    wr_buf_done(&index->mem);
    index->in_memory = true;
    index->count = 0;
}

static struct wr_index_entry entry_decode(const struct wr_index *index,
                                          const uint8_t *p)
{
    if (index->kind == WR_INDEX_OFFSET) {
        return (struct wr_index_entry){
            .offset = index->base_offset + wr_load_i32(p),
            .value = wr_load_i32(p + 4),
        };
    }
    return (struct wr_index_entry){
        .offset = index->base_offset + wr_load_i32(p + 8),
        .value = wr_load_i64(p),
    };
}

/* What a search finds before the first entry. */
static struct wr_index_entry entry_none(const struct wr_index *index)
{
    return (struct wr_index_entry){
        .offset = index->base_offset,
        .value = index->kind == WR_INDEX_OFFSET ? 0 : -1,
    };
}

/* Cuts at the first entry that is out of order or belongs to offsets that the
 * segment does not have. The zeros at the end of a preallocated file are such.
 */
static enum weir_status entries_check(struct wr_index *index,
                                      int64_t end_offset)
{
    size_t size = (size_t)index->kind;
    struct wr_index_entry last = entry_none(index);
    if (index->mem.len % size != 0) {
        return WEIR_E_CORRUPT;
    }
    size_t count = index->mem.len / size;
    for (size_t i = 0; i < count; i++) {
        struct wr_index_entry e =
            entry_decode(index, index->mem.data + i * size);
        bool zero = e.offset == index->base_offset && e.value == 0;
        if (e.offset >= end_offset || (zero && i > 0)) {
            count = i;
            break;
        }
        if (e.offset < last.offset || (i > 0 && e.value <= last.value)) {
            return WEIR_E_CORRUPT;
        }
        last = e;
    }
    index->count = count;
    index->mem.len = count * size;
    return WEIR_OK;
}

enum weir_status wr_index_load(struct wr_index *index, int64_t end_offset,
                               bool in_memory, struct weir_error *err)
{
    wr_index_clear(index);
    enum weir_status status = wr_file_read(index->path, &index->mem, err);
    if (status == WEIR_OK) {
        size_t len = index->mem.len;
        status = entries_check(index, end_offset);
        if (status != WEIR_OK) {
            (void)weir_fail(err, status, "%s: entries out of order",
                            index->path);
        } else if (!in_memory && index->mem.len == len) {
            index->in_memory = false;
            wr_buf_done(&index->mem);
        }
    }
    if (status != WEIR_OK) {
        wr_index_clear(index);
    }
    return status;
}

enum weir_status wr_index_save(struct wr_index *index, bool release,
                               struct weir_error *err)
{
    if (!index->in_memory) {
        return WEIR_OK;
    }
    int fd = open(index->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        char reason[128];
        return weir_fail(err, WEIR_E_IO, "%s: cannot create: %s", index->path,
                         strerror_r(errno, reason, sizeof(reason)));
    }
    enum weir_status status =
        wr_write_all(fd, index->mem.data, index->mem.len, index->path, err);
    (void)close(fd);
    if (status != WEIR_OK) {
        (void)unlink(index->path); /* half an index is worse than none */
        return status;
    }
    if (release) {
        wr_buf_done(&index->mem);
        index->in_memory = false;
    }
    return WEIR_OK;
}

void wr_index_add(struct wr_index *index, int64_t offset, int64_t value)
{
    struct wr_index_entry last = wr_index_last(index);
    int64_t relative = offset - index->base_offset;
    if (!index->in_memory || relative < 0 || relative > INT32_MAX ||
        (index->count > 0 && (offset <= last.offset || value <= last.value)) ||
        wr_index_is_full(index)) {
        return;
    }
    uint8_t *p = wr_buf_extend(&index->mem, (size_t)index->kind);
    if (!p) {
        index->mem.status = WEIR_OK;
        return;
    }
    if (index->kind == WR_INDEX_OFFSET) {
        wr_store_i32(p, (int32_t)relative);
        wr_store_i32(p + 4, (int32_t)value);
    } else {
        wr_store_i64(p, value);
        wr_store_i32(p + 8, (int32_t)relative);
    }
    index->count++;
}

bool wr_index_is_full(const struct wr_index *index)
{
    return (index->count + 1) * (size_t)index->kind > WR_INDEX_BYTES_MAX;
}

/* Entry i; false when the file cannot be read. */
static bool entry_get(const struct wr_index *index, int fd, size_t i,
                      struct wr_index_entry *out)
{
    size_t size = (size_t)index->kind;
    uint8_t bytes[12];
    const uint8_t *p = bytes;
    if (index->in_memory) {
        p = index->mem.data + i * size;
    } else if (wr_pread_all(fd, bytes, size, (int64_t)(i * size), index->path,
                            NULL) != WEIR_OK) {
        return false;
    }
    *out = entry_decode(index, p);
    return true;
}

/* The last of the entries whose key column is <= key; all when `all`. */
static struct wr_index_entry search(const struct wr_index *index, int64_t key,
                                    bool all)
{
    struct wr_index_entry found = entry_none(index);
    struct wr_index_entry e;
    if (index->count == 0) {
        return found;
    }
    int fd = -1;
    if (!index->in_memory) {
        fd = open(index->path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            return found; /* slower, not wrong */
        }
    }
    size_t low = all ? index->count - 1 : 0;
    size_t high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (!entry_get(index, fd, middle, &e)) {
            found = entry_none(index);
            break;
        }
        int64_t column = index->kind == WR_INDEX_OFFSET ? e.offset : e.value;
        if (all || column <= key) {
            found = e;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return found;
}

struct wr_index_entry wr_index_find(const struct wr_index *index, int64_t key)
{
    return search(index, key, false);
}

struct wr_index_entry wr_index_last(const struct wr_index *index)
{
    return search(index, 0, true);
}
