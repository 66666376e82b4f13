/* SPDX-License-Identifier: Apache-2.0
 *
 * Open segment files: a doubly linked list from the one used longest ago to the
 * one just used. Thread: the broker's loop, except the two loops around pread
 * and pwrite, which touch no shared state. */
#include "broker/files.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static enum weir_status fail_errno(struct weir_error *err, const char *path,
                                   const char *what)
{
    int errnum = errno;
    char reason[128];
    enum weir_status status = wr_status_of_errno(errnum);
    if (status != WEIR_E_NOTFOUND && status != WEIR_E_NOSPACE) {
        status = WEIR_E_IO;
    }
    if (errnum == EFBIG) {
        status = WEIR_E_NOSPACE;
    }
    return weir_fail(err, status, "%s: cannot %s: %s", path, what,
                     strerror_r(errnum, reason, sizeof(reason)));
}

void wr_files_init(struct wr_files *files, uint32_t max)
{
    *files = (struct wr_files){.max = max > 0 ? max : 1};
}

enum weir_status wr_file_init(struct wr_file *file, const char *path)
{
    *file = (struct wr_file){.path = strdup(path), .fd = -1};
    return file->path ? WEIR_OK : WEIR_E_NOMEM;
}

static void list_remove(struct wr_files *files, struct wr_file *file)
{
    *(file->prev ? &file->prev->next : &files->oldest) = file->next;
    *(file->next ? &file->next->prev : &files->newest) = file->prev;
    file->next = NULL;
    file->prev = NULL;
}

static void list_add(struct wr_files *files, struct wr_file *file)
{
    file->prev = files->newest;
    file->next = NULL;
    *(files->newest ? &files->newest->next : &files->oldest) = file;
    files->newest = file;
}

void wr_file_close(struct wr_files *files, struct wr_file *file)
{
    if (file->fd >= 0) {
        (void)close(file->fd); /* nothing is buffered on our side */
        file->fd = -1;
        files->open--;
        list_remove(files, file);
    }
}

void wr_file_done(struct wr_files *files, struct wr_file *file)
{
    if (file->path) {
        wr_file_close(files, file);
        free(file->path);
        file->path = NULL;
    }
}

enum weir_status wr_file_get(struct wr_files *files, struct wr_file *file,
                             int create, int *out_fd, struct weir_error *err)
{
    if (file->fd >= 0) {
        if (files->newest != file) {
            list_remove(files, file);
            list_add(files, file);
        }
        *out_fd = file->fd;
        return WEIR_OK;
    }
    while (files->open >= files->max) {
        wr_file_close(files, files->oldest);
    }
    int flags = O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0);
    int fd = open(file->path, flags, 0666);
    while (fd < 0 && (errno == EMFILE || errno == ENFILE) && files->oldest) {
        wr_file_close(files, files->oldest);
        fd = open(file->path, flags, 0666);
    }
    if (fd < 0) {
        return fail_errno(err, file->path, "open");
    }
    file->fd = fd;
    files->open++;
    list_add(files, file);
    *out_fd = fd;
    return WEIR_OK;
}

enum weir_status wr_pread_all(int fd, void *data, size_t len, int64_t position,
                              const char *path, struct weir_error *err)
{
    uint8_t *at = data;
    while (len > 0) {
        ssize_t n = pread(fd, at, len, position);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fail_errno(err, path, "read");
        }
        if (n == 0) {
            return weir_fail(err, WEIR_E_TRUNCATED,
                             "%s: ends at %lld, before it should", path,
                             (long long)position);
        }
        at += n;
        position += n;
        len -= (size_t)n;
    }
    return WEIR_OK;
}

enum weir_status wr_pwrite_all(int fd, const void *data, size_t len,
                               int64_t position, const char *path,
                               struct weir_error *err)
{
    const uint8_t *at = data;
    while (len > 0) {
        ssize_t n = pwrite(fd, at, len, position);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fail_errno(err, path, "write");
        }
        at += n;
        position += n;
        len -= (size_t)n;
    }
    return WEIR_OK;
}
