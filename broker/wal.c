/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing the write-ahead log. A file is
 *
 *   free -> current -> sealed -> free
 *
 * current takes rounds until the next one does not fit; sealed waits until the
 * segments have its data on the disk (a checkpoint), which wr_wal_release says.
 * When no file is free and no more may be made, the writer waits: that is how a
 * disk too slow for the segments slows the producers down.
 *
 * A file grows once, by WAL_GROW of zeros beyond what a round needs, and is
 * overwritten from then on: syncing an overwritten block needs no journal of
 * the file system. A full disk stops the growth, not the use of what is there.
 *
 * Threads: see wal.h. The lock guards states of files, numbers and flags; the
 * bytes are the writer's alone. It is never held during I/O. */
#include "broker/wal.h"

#include "base/fs.h"
#include "broker/files.h"
#include "broker/wal_format.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define WAL_GROW     ((size_t)1 << 20)
#define WAL_IOV      512
#define WAL_RETRY_MS 50 /* between two tries on a full disk */

enum file_state { FILE_FREE, FILE_CURRENT, FILE_SEALED };

struct wal_file {
    int fd;
    enum file_state state; /* under the lock */
    uint64_t last_seq;     /* newest round in it; under the lock */
    size_t pos;            /* where the next round goes */
    size_t filled;         /* bytes that exist in the file */
};

struct wr_wal {
    struct wr_wal_config config;
    char *dir;              /* owned */
    struct wal_file *files; /* owned; config.files_max places */
    uint32_t file_count;    /* that exist */
    uint32_t current;       /* index of the current file */
    uint64_t seq_next;      /* of the next round; the writer's */
    struct wr_buf head;     /* the writer's, reused */
    struct wr_buf tail;     /* the writer's, reused */
    pthread_mutex_t lock;   /* guards states, last_seq, and what follows */
    pthread_cond_t freed;   /* signalled by release and shutdown */
    bool stuck;             /* the writer waits for disk space */
    bool shutdown;
    int64_t written;
};

static void file_path(const struct wr_wal *wal, uint32_t i, char out[PATH_MAX])
{
    (void)snprintf(out, PATH_MAX, "%s/%06" PRIu32 ".wal", wal->dir, i);
}

/* ---- files ------------------------------------------------------------------
 */

/* Makes the file `need` bytes long, and a step longer if that works. */
static enum weir_status file_grow(struct wr_wal *wal, uint32_t i, size_t need,
                                  struct weir_error *err)
{
    static const uint8_t zeros[64 << 10];
    char path[PATH_MAX];
    struct wal_file *file = &wal->files[i];
    size_t goal = wal_block_up(need) + WAL_GROW;
    if (goal > wal->config.file_bytes && need <= wal->config.file_bytes) {
        goal = wal->config.file_bytes;
    }
    file_path(wal, i, path);
    while (file->filled < goal) {
        size_t n = goal - file->filled;
        n = n < sizeof(zeros) ? n : sizeof(zeros);
        enum weir_status status =
            wr_pwrite_all(file->fd, zeros, n, (int64_t)file->filled, path, err);
        if (status != WEIR_OK) {
            return file->filled >= need ? WEIR_OK : status;
        }
        file->filled += n;
    }
    return WEIR_OK;
}

static void file_count_set(struct wr_wal *wal, uint32_t count)
{
    pthread_mutex_lock(&wal->lock);
    wal->file_count = count;
    pthread_mutex_unlock(&wal->lock);
}

/* Opens file i, new or from a former run. */
static enum weir_status file_open(struct wr_wal *wal, uint32_t i, int flags,
                                  struct weir_error *err)
{
    char path[PATH_MAX];
    struct stat st;
    file_path(wal, i, path);
    int fd = open(path, O_RDWR | O_CLOEXEC | flags, 0666);
    if (fd < 0 || fstat(fd, &st) != 0) {
        enum weir_status status = wr_status_of_errno(errno);
        if (fd >= 0) {
            (void)close(fd);
        }
        return weir_fail(err, status, "%s: cannot open", path);
    }
    wal->files[i] = (struct wal_file){
        .fd = fd,
        .state = FILE_FREE,
        .filled = (size_t)st.st_size / WAL_BLOCK * WAL_BLOCK,
    };
    file_count_set(wal, i + 1);
    return WEIR_OK;
}

/* One more file, with room for `need` bytes, durable in its folder. */
static enum weir_status file_new(struct wr_wal *wal, size_t need,
                                 struct weir_error *err)
{
    uint32_t i = wal->file_count;
    enum weir_status status = file_open(wal, i, O_CREAT, err);
    if (status == WEIR_OK) {
        status = file_grow(wal, i, need, err);
        if (status == WEIR_OK && fsync(wal->files[i].fd) != 0) {
            status = weir_fail(err, WEIR_E_IO, "%s: cannot sync a new file",
                               wal->dir);
        }
        if (status == WEIR_OK) {
            status = wr_dir_sync(wal->dir, err);
        }
        if (status != WEIR_OK) {
            char path[PATH_MAX];
            file_path(wal, i, path);
            (void)close(wal->files[i].fd);
            (void)unlink(path);
            file_count_set(wal, i);
        }
    }
    return status;
}

enum weir_status wr_wal_open(const struct wr_wal_config *config,
                             struct wr_wal **out, struct weir_error *err)
{
    struct wr_wal *wal = calloc(1, sizeof(*wal));
    if (!wal) {
        return weir_fail(err, WEIR_E_NOMEM, "write-ahead log: out of memory");
    }
    wal->config = *config;
    wal->seq_next = 1;
    wr_buf_init(&wal->head, WAL_HEAD + WR_WAL_ROUND_ENTRIES_MAX * WAL_ENTRY);
    wr_buf_init(&wal->tail, WAL_BLOCK * 2 + WAL_HEAD +
                                WR_WAL_ROUND_ENTRIES_MAX * WAL_ENTRY);
    (void)pthread_mutex_init(&wal->lock, NULL);
    (void)pthread_cond_init(&wal->freed, NULL);
    wal->dir = strdup(config->dir);
    wal->files = calloc(config->files_max, sizeof(*wal->files));
    enum weir_status status =
        wal->dir && wal->files ? wr_mkdirs(wal->dir, err) : WEIR_E_NOMEM;
    while (status == WEIR_OK && wal->file_count < config->files_max) {
        status = file_open(wal, wal->file_count, 0, NULL);
    }
    if (status == WEIR_E_NOTFOUND) {
        status = wal->file_count > 0 ? WEIR_OK : file_new(wal, 1, err);
    }
    if (status != WEIR_OK) {
        wr_wal_close(wal);
        return status;
    }
    wal->files[0].state = FILE_CURRENT;
    *out = wal;
    return WEIR_OK;
}

void wr_wal_close(struct wr_wal *wal)
{
    if (!wal) {
        return;
    }
    for (uint32_t i = 0; i < wal->file_count; i++) {
        (void)close(wal->files[i].fd);
    }
    wr_buf_done(&wal->head);
    wr_buf_done(&wal->tail);
    (void)pthread_mutex_destroy(&wal->lock);
    (void)pthread_cond_destroy(&wal->freed);
    free(wal->files);
    free(wal->dir);
    free(wal);
}

/* ---- the writer -------------------------------------------------------------
 */

/* Seals the current file and, if one is free, makes it current. */
static bool rotate(struct wr_wal *wal)
{
    bool found = false;
    bool sealed = false;
    pthread_mutex_lock(&wal->lock);
    struct wal_file *current = &wal->files[wal->current];
    if (current->state == FILE_CURRENT) {
        current->state = FILE_SEALED;
        sealed = true;
    }
    for (uint32_t i = 0; i < wal->file_count && !found; i++) {
        if (wal->files[i].state == FILE_FREE) {
            wal->files[i].state = FILE_CURRENT;
            wal->files[i].pos = 0;
            wal->current = i;
            found = true;
        }
    }
    pthread_mutex_unlock(&wal->lock);
    if (sealed && wal->config.wake) {
        wal->config.wake(wal->config.wake_arg);
    }
    return found;
}

/* Waits for a release, or a moment where the disk is full. */
static enum weir_status wait_freed(struct wr_wal *wal, bool stuck)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += WAL_RETRY_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&wal->lock);
    bool free_one = false;
    bool sealed = false;
    for (uint32_t i = 0; i < wal->file_count; i++) {
        free_one = free_one || wal->files[i].state == FILE_FREE;
        sealed = sealed || wal->files[i].state == FILE_SEALED;
    }
    /* A sealed file will be free without anybody's help. */
    wal->stuck = stuck && !sealed && !free_one;
    if (!free_one && !wal->shutdown) {
        (void)pthread_cond_timedwait(&wal->freed, &wal->lock, &until);
    }
    bool shutdown = wal->shutdown;
    pthread_mutex_unlock(&wal->lock);
    return shutdown ? WEIR_E_CLOSED : WEIR_OK;
}

static bool is_current(struct wr_wal *wal, const struct wal_file *file)
{
    pthread_mutex_lock(&wal->lock);
    bool current = file->state == FILE_CURRENT;
    pthread_mutex_unlock(&wal->lock);
    return current;
}

/* Brings a file to be current that has `size` bytes of room. */
static enum weir_status find_room(struct wr_wal *wal, size_t size,
                                  struct weir_error *err)
{
    bool full_disk = false;
    for (;;) {
        struct wal_file *file = &wal->files[wal->current];
        if (is_current(wal, file) &&
            (file->pos + size <= wal->config.file_bytes || file->pos == 0)) {
            enum weir_status status = WEIR_OK;
            if (file->pos + size > file->filled) {
                status = file_grow(wal, wal->current, file->pos + size, err);
            }
            if (status != WEIR_E_NOSPACE) {
                return status;
            }
            full_disk = true;
            if (file->pos == 0) { /* nothing to seal: only space helps */
                status = wait_freed(wal, true);
                if (status != WEIR_OK) {
                    return status;
                }
                continue;
            }
        }
        if (rotate(wal)) {
            continue;
        }
        enum weir_status status = WEIR_E_NOSPACE;
        if (wal->file_count < wal->config.files_max && !full_disk) {
            status = file_new(wal, size, err);
        }
        if (status == WEIR_E_NOSPACE) {
            full_disk = wal->file_count < wal->config.files_max;
            status = wait_freed(wal, full_disk);
        }
        if (status != WEIR_OK) {
            return status;
        }
    }
}

static void entry_put(struct wr_buf *out, const struct wr_wal_entry *entry,
                      size_t position)
{
    wr_buf_put(out, entry->topic_id, WR_TOPIC_ID_BYTES);
    wr_buf_put_i32(out, entry->partition);
    wr_buf_put_i32(out, (int32_t)entry->kind);
    wr_buf_put_i64(out, entry->base_offset);
    wr_buf_put_i64(out, entry->next_offset);
    wr_buf_put_i32(out, entry->leader_epoch);
    wr_buf_put_i32(out, (int32_t)position);
    wr_buf_put_i32(out, (int32_t)entry->len);
}

/* Fills head and tail; *out_size is that of the whole round. */
static enum weir_status round_encode(struct wr_wal *wal,
                                     const struct wr_wal_entry *entries,
                                     size_t count, size_t *out_size)
{
    size_t data = 0;
    struct wr_buf *head = &wal->head;
    struct wr_buf *tail = &wal->tail;
    wr_buf_reset(head);
    wr_buf_reset(tail);
    (void)wr_buf_extend(head, WAL_HEAD);
    for (size_t i = 0; i < count; i++) {
        entry_put(head, &entries[i], data);
        data += entries[i].len;
    }
    if (head->status != WEIR_OK) {
        return head->status;
    }
    size_t size = wal_block_up(2 * head->len + data + WAL_TAIL);
    wr_store_u32(head->data, WAL_MAGIC);
    wr_store_u64(head->data + 8, wal->seq_next);
    wr_store_u32(head->data + 16, (uint32_t)count);
    wr_store_u32(head->data + 20, (uint32_t)data);
    wr_store_u32(head->data + 24, (uint32_t)size);
    wr_store_u32(head->data + 28, 0);
    wr_store_u32(head->data + 4,
                 wal_crc(wal->config.salt, head->data, head->len));
    size_t pad = size - (2 * head->len + data + WAL_TAIL);
    uint8_t *zeros = wr_buf_extend(tail, pad);
    if (zeros) {
        memset(zeros, 0, pad);
    }
    wr_buf_put(tail, head->data, head->len);
    wr_buf_put_i32(tail, (int32_t)head->len);
    wr_buf_put_i32(tail, (int32_t)WAL_TAIL_MAGIC);
    *out_size = size;
    return tail->status;
}

/* Writes what the vectors hold at *at, which moves on. */
static enum weir_status vectors_write(int fd, struct iovec *v, int n,
                                      int64_t *at)
{
    while (n > 0) {
        ssize_t done = pwritev(fd, v, n, *at);
        if (done < 0) {
            if (errno == EINTR) {
                continue;
            }
            return wr_status_of_errno(errno);
        }
        *at += done;
        while (n > 0 && (size_t)done >= v->iov_len) {
            done -= (ssize_t)v->iov_len;
            v++;
            n--;
        }
        if (n > 0) {
            v->iov_base = (uint8_t *)v->iov_base + done;
            v->iov_len -= (size_t)done;
        }
    }
    return WEIR_OK;
}

/* Head, batches and tail at the file's position; neighbours in memory as one.
 */
static enum weir_status round_write(struct wr_wal *wal,
                                    const struct wr_wal_entry *entries,
                                    size_t count, struct weir_error *err)
{
    struct iovec v[WAL_IOV];
    struct wal_file *file = &wal->files[wal->current];
    int64_t at = (int64_t)file->pos;
    int n = 0;
    enum weir_status status = WEIR_OK;
    v[n++] = (struct iovec){wal->head.data, wal->head.len};
    for (size_t i = 0; i <= count && status == WEIR_OK; i++) {
        const uint8_t *data = i < count ? entries[i].data : wal->tail.data;
        size_t len = i < count ? entries[i].len : wal->tail.len;
        if (len == 0) {
            continue;
        }
        if ((const uint8_t *)v[n - 1].iov_base + v[n - 1].iov_len == data) {
            v[n - 1].iov_len += len;
            continue;
        }
        if (n == WAL_IOV) {
            status = vectors_write(file->fd, v, n, &at);
            n = 0;
        }
        v[n++] = (struct iovec){(void *)(uintptr_t)data, len};
    }
    if (status == WEIR_OK) {
        status = vectors_write(file->fd, v, n, &at);
    }
    if (status == WEIR_OK && fdatasync(file->fd) != 0) {
        status = WEIR_E_IO;
    }
    if (status != WEIR_OK) {
        return weir_fail(err, WEIR_E_IO,
                         "%s: the write-ahead log cannot be synced: nothing "
                         "more is accepted; check the disk, then restart",
                         wal->dir);
    }
    return WEIR_OK;
}

enum weir_status wr_wal_write(struct wr_wal *wal,
                              const struct wr_wal_entry *entries, size_t count,
                              struct weir_error *err)
{
    size_t size;
    enum weir_status status = round_encode(wal, entries, count, &size);
    if (status != WEIR_OK) {
        return weir_fail(err, status, "write-ahead log: %s",
                         weir_status_text(status));
    }
    status = find_room(wal, size, err);
    if (status == WEIR_OK) {
        status = round_write(wal, entries, count, err);
    }
    pthread_mutex_lock(&wal->lock);
    wal->stuck = false;
    if (status == WEIR_OK) {
        struct wal_file *file = &wal->files[wal->current];
        file->pos += size;
        file->last_seq = wal->seq_next++;
        wal->written += (int64_t)size;
    }
    pthread_mutex_unlock(&wal->lock);
    return status;
}

/* ---- the others -------------------------------------------------------------
 */

bool wr_wal_sealed(struct wr_wal *wal, uint64_t done_seq, uint64_t *out_seq)
{
    uint64_t newest = 0;
    pthread_mutex_lock(&wal->lock);
    for (uint32_t i = 0; i < wal->file_count; i++) {
        const struct wal_file *file = &wal->files[i];
        if (file->state == FILE_SEALED && file->last_seq <= done_seq &&
            file->last_seq > newest) {
            newest = file->last_seq;
        }
    }
    pthread_mutex_unlock(&wal->lock);
    *out_seq = newest;
    return newest > 0;
}

void wr_wal_release(struct wr_wal *wal, uint64_t seq)
{
    pthread_mutex_lock(&wal->lock);
    for (uint32_t i = 0; i < wal->file_count; i++) {
        struct wal_file *file = &wal->files[i];
        if (file->state == FILE_SEALED && file->last_seq <= seq) {
            file->state = FILE_FREE;
        }
    }
    pthread_cond_broadcast(&wal->freed);
    pthread_mutex_unlock(&wal->lock);
}

bool wr_wal_is_stuck(struct wr_wal *wal)
{
    pthread_mutex_lock(&wal->lock);
    bool stuck = wal->stuck;
    pthread_mutex_unlock(&wal->lock);
    return stuck;
}

void wr_wal_shutdown(struct wr_wal *wal)
{
    pthread_mutex_lock(&wal->lock);
    wal->shutdown = true;
    pthread_cond_broadcast(&wal->freed);
    pthread_mutex_unlock(&wal->lock);
}

int64_t wr_wal_written(struct wr_wal *wal)
{
    pthread_mutex_lock(&wal->lock);
    int64_t written = wal->written;
    pthread_mutex_unlock(&wal->lock);
    return written;
}
