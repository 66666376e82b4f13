/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the write-ahead log after a crash. Each block of each file may begin
 * a round (a head) or end one (the head's copy); whatever has the checksum
 * under the present salt is one. Rounds are then put in order and must be there
 * without a gap up to the newest: the next round is written only when the one
 * before is synced, so a gap is damage to something acknowledged, while a torn
 * newest round is what a crash leaves.
 *
 * What a writer leaves: files numbered without a gap, the first of them made
 * before anything is appended, each of whole blocks and grown beyond a round
 * before the round is written. Files that look otherwise were cut or removed by
 * somebody else. Thread: the one that opens the data folder. */
#include "base/fs.h"
#include "broker/batch.h"
#include "broker/files.h"
#include "broker/wal.h"
#include "broker/wal_format.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAL_FILES_MAX 4096u /* numbers looked at: 000000.wal and on */

/* A file of the log as it lies in memory while it is searched. */
struct image {
    const uint8_t *data;
    size_t len;
    uint32_t file;
};

/* Length of the whole head at p, of which `room` bytes are there; 0: none. */
static size_t head_len(const uint8_t *p, size_t room, uint64_t salt)
{
    if (room < WAL_HEAD || wr_load_u32(p) != WAL_MAGIC) {
        return 0;
    }
    uint32_t count = wr_load_u32(p + 16);
    if (count > WR_WAL_ROUND_ENTRIES_MAX) {
        return 0;
    }
    size_t len = WAL_HEAD + (size_t)count * WAL_ENTRY;
    return len <= room && wal_crc(salt, p, len) == wr_load_u32(p + 4) ? len : 0;
}

static bool found_add(struct wr_wal_reader *reader,
                      const struct wr_wal_found *found)
{
    if (reader->count == reader->cap) {
        size_t cap = reader->cap ? reader->cap * 2 : 256;
        struct wr_wal_found *grown =
            realloc(reader->found, cap * sizeof(*grown));
        if (!grown) {
            return false;
        }
        reader->found = grown;
        reader->cap = cap;
    }
    reader->found[reader->count++] = *found;
    return true;
}

/* Takes the entries of a round whose batches begin at data_at. */
static enum weir_status round_take(struct wr_wal_reader *reader,
                                   const struct image *image,
                                   const uint8_t *head, size_t data_at)
{
    uint32_t count = wr_load_u32(head + 16);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *p = head + WAL_HEAD + (size_t)i * WAL_ENTRY;
        struct wr_wal_found found = {
            .entry =
                {
                    .partition = wr_load_i32(p + 16),
                    .kind = (enum wr_wal_kind)wr_load_i32(p + 20),
                    .base_offset = wr_load_i64(p + 24),
                    .next_offset = wr_load_i64(p + 32),
                    .leader_epoch = wr_load_i32(p + 40),
                    .len = wr_load_u32(p + 48),
                },
            .seq = wr_load_u64(head + 8),
            .position = (int64_t)(data_at + wr_load_u32(p + 44)),
            .file = image->file,
            .index = i,
        };
        memcpy(found.entry.topic_id, p, WR_TOPIC_ID_BYTES);
        if (!found_add(reader, &found)) {
            return WEIR_E_NOMEM;
        }
    }
    return WEIR_OK;
}

/* The head's copy at the end of the block that begins at pos; NULL: none. */
static const uint8_t *tail_find(const struct image *image, size_t pos,
                                uint64_t salt, size_t *out_data_at)
{
    size_t end = pos + WAL_BLOCK;
    const uint8_t *mark = image->data + end - WAL_TAIL;
    size_t len = wr_load_u32(mark);
    if (wr_load_u32(mark + 4) != WAL_TAIL_MAGIC || len < WAL_HEAD ||
        len > end - WAL_TAIL) {
        return NULL;
    }
    const uint8_t *head = mark - len;
    size_t size = wr_load_u32(head + 24);
    if (head_len(head, len, salt) != len || size > end) {
        return NULL;
    }
    *out_data_at = end - size + len;
    return head;
}

static void seq_see(struct wr_wal_reader *reader, uint64_t seq, bool at_end)
{
    if (seq > reader->seen_seq) {
        reader->seen_seq = seq;
    }
    if (at_end && seq > reader->edge_seq) {
        reader->edge_seq = seq;
    }
}

static enum weir_status image_search(struct wr_wal_reader *reader,
                                     const struct image *image, uint64_t salt,
                                     uint64_t live_from)
{
    size_t pos = 0;
    while (pos + WAL_BLOCK <= image->len) {
        const uint8_t *p = image->data + pos;
        size_t data_at;
        size_t len = head_len(p, image->len - pos, salt);
        size_t step = WAL_BLOCK;
        if (len > 0) {
            size_t size = wr_load_u32(p + 24);
            /* A torn round is whole only if its copy at the end is there. */
            const uint8_t *copy =
                size >= WAL_BLOCK && size <= image->len - pos
                    ? tail_find(image, pos + size - WAL_BLOCK, salt, &data_at)
                    : NULL;
            bool torn = !copy || wr_load_u64(copy + 8) != wr_load_u64(p + 8);
            seq_see(reader, wr_load_u64(p + 8), size >= image->len - pos);
            if (wr_load_u64(p + 8) >= live_from) {
                enum weir_status status =
                    round_take(reader, image, p, pos + len);
                if (status != WEIR_OK) {
                    return status;
                }
            }
            step = torn ? WAL_BLOCK : size;
        } else {
            const uint8_t *head = tail_find(image, pos, salt, &data_at);
            if (head && wr_load_u64(head + 8) >= live_from) {
                enum weir_status status =
                    round_take(reader, image, head, data_at);
                if (status != WEIR_OK) {
                    return status;
                }
            }
        }
        pos += step;
    }
    return WEIR_OK;
}

static enum weir_status file_search(struct wr_wal_reader *reader, uint32_t file,
                                    uint64_t salt, uint64_t live_from,
                                    struct weir_error *err)
{
    char path[PATH_MAX];
    struct stat st;
    (void)snprintf(path, sizeof(path), "%s/%06" PRIu32 ".wal", reader->dir,
                   file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT
                   ? WEIR_E_NOTFOUND
                   : weir_fail(err, WEIR_E_IO, "%s: cannot open", path);
    }
    enum weir_status status = WEIR_OK;
    if (fstat(fd, &st) != 0) {
        status = weir_fail(err, WEIR_E_IO, "%s: cannot stat", path);
    } else if (st.st_size < (off_t)WAL_BLOCK) {
        reader->cut = true;
    } else {
        reader->cut = reader->cut || st.st_size % (off_t)WAL_BLOCK != 0;
        struct image image = {.len = (size_t)st.st_size, .file = file};
        uint8_t *data = malloc(image.len);
        status = data ? wr_pread_all(fd, data, image.len, 0, path, err)
                      : WEIR_E_NOMEM;
        if (status == WEIR_OK) {
            image.data = data;
            status = image_search(reader, &image, salt, live_from);
        }
        free(data);
    }
    (void)close(fd);
    return status;
}

/* All files, also those behind one that is missing. */
static enum weir_status files_search(struct wr_wal_reader *reader,
                                     uint64_t salt, uint64_t live_from,
                                     struct weir_error *err)
{
    uint32_t present = 0;
    for (uint32_t i = 0; i < WAL_FILES_MAX; i++) {
        enum weir_status status = file_search(reader, i, salt, live_from, err);
        if (status == WEIR_OK) {
            reader->cut = reader->cut || i > present;
            present++;
        } else if (status != WEIR_E_NOTFOUND) {
            return status;
        }
    }
    /* Behind the newest round there is room, unless its file is full: then
     * nobody can tell, and what is unknown is not taken for nothing. */
    reader->cut =
        reader->cut || present == 0 ||
        (reader->edge_seq > 0 && reader->edge_seq == reader->seen_seq);
    return WEIR_OK;
}

static int found_order(const void *a, const void *b)
{
    const struct wr_wal_found *x = a;
    const struct wr_wal_found *y = b;
    if (x->seq != y->seq) {
        return x->seq < y->seq ? -1 : 1;
    }
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Sorts, and drops what was found by head and by copy. */
static void found_sort(struct wr_wal_reader *reader)
{
    size_t kept = 0;
    if (reader->count > 1) {
        qsort(reader->found, reader->count, sizeof(*reader->found),
              found_order);
    }
    for (size_t i = 0; i < reader->count; i++) {
        if (kept == 0 ||
            found_order(&reader->found[kept - 1], &reader->found[i]) != 0) {
            reader->found[kept++] = reader->found[i];
        }
    }
    reader->count = kept;
}

/* Leaves the newest round out when it was not written whole. */
static enum weir_status newest_check(struct wr_wal_reader *reader,
                                     struct weir_error *err)
{
    struct wr_buf batch;
    enum weir_status status = WEIR_OK;
    wr_buf_init(&batch, INT32_MAX);
    uint64_t newest = reader->found[reader->count - 1].seq;
    size_t first = reader->count;
    while (first > 0 && reader->found[first - 1].seq == newest) {
        first--;
        if (status == WEIR_OK) {
            status = wr_wal_load(reader, &reader->found[first], &batch, err);
        }
    }
    wr_buf_done(&batch);
    if (status == WEIR_E_CORRUPT) {
        reader->count = first;
        newest--;
        status = WEIR_OK;
    }
    reader->last_seq = newest;
    return status;
}

static enum weir_status gaps_check(const struct wr_wal_reader *reader,
                                   uint64_t live_from, struct weir_error *err)
{
    uint64_t expected = live_from;
    for (size_t i = 0; i < reader->count; i++) {
        uint64_t seq = reader->found[i].seq;
        if (seq > expected) {
            return weir_fail(
                err, WEIR_E_CORRUPT,
                "%s: round %" PRIu64 " of the write-ahead log is damaged, "
                "later ones are not: restore the folder from a copy, or move "
                "it and weir.checkpoint* away to start with what the segments "
                "hold",
                reader->dir, expected);
        }
        expected = seq + 1;
    }
    return WEIR_OK;
}

enum weir_status wr_wal_reader_open(const char *dir, uint64_t salt,
                                    uint64_t live_from,
                                    struct wr_wal_reader *out,
                                    struct weir_error *err)
{
    struct wr_wal_reader reader = {.dir = strdup(dir), .fd = -1};
    enum weir_status status = reader.dir ? WEIR_OK : WEIR_E_NOMEM;
    if (status == WEIR_OK) {
        status = files_search(&reader, salt, live_from, err);
    }
    if (status == WEIR_OK && reader.count > 0) {
        found_sort(&reader);
        status = gaps_check(&reader, live_from, err);
        if (status == WEIR_OK) {
            status = newest_check(&reader, err);
        }
    }
    if (status != WEIR_OK) {
        wr_wal_reader_done(&reader);
        return status;
    }
    *out = reader;
    return WEIR_OK;
}

void wr_wal_reader_done(struct wr_wal_reader *reader)
{
    if (reader->fd >= 0) {
        (void)close(reader->fd);
    }
    free(reader->found);
    free(reader->dir);
    *reader = (struct wr_wal_reader){.fd = -1};
}

enum weir_status wr_wal_load(struct wr_wal_reader *reader,
                             const struct wr_wal_found *found,
                             struct wr_buf *out, struct weir_error *err)
{
    char path[PATH_MAX];
    struct wr_batch batch;
    const struct wr_wal_entry *entry = &found->entry;
    wr_buf_reset(out);
    if (entry->kind == WR_WAL_DIRECT) {
        return WEIR_OK;
    }
    (void)snprintf(path, sizeof(path), "%s/%06" PRIu32 ".wal", reader->dir,
                   found->file);
    if (reader->fd < 0 || reader->file_open != found->file) {
        if (reader->fd >= 0) {
            (void)close(reader->fd);
        }
        reader->fd = open(path, O_RDONLY | O_CLOEXEC);
        reader->file_open = found->file;
        if (reader->fd < 0) {
            return weir_fail(err, WEIR_E_IO, "%s: cannot open", path);
        }
    }
    uint8_t *p = wr_buf_extend(out, entry->len);
    if (!p) {
        return weir_fail(err, WEIR_E_NOMEM, "%s: out of memory", path);
    }
    enum weir_status status =
        wr_pread_all(reader->fd, p, entry->len, found->position, path, err);
    if (status == WEIR_OK) {
        status = wr_batch_parse(wr_buf_view(out), &batch, err);
    }
    if (status == WEIR_E_IO) {
        return status;
    }
    if (status != WEIR_OK || batch.size != entry->len ||
        batch.base_offset != entry->base_offset ||
        wr_batch_last_offset(&batch) + 1 != entry->next_offset ||
        batch.leader_epoch != entry->leader_epoch ||
        !wr_batch_crc_ok(wr_buf_view(out), &batch)) {
        return weir_fail(err, WEIR_E_CORRUPT,
                         "%s: batch at %" PRId64 " is damaged", path,
                         found->position);
    }
    return WEIR_OK;
}
