/* SPDX-License-Identifier: Apache-2.0
 *
 * Files. What must survive power loss is written in the order file data,
 * rename, directory; a failure of any sync is an error and never retried,
 * because the kernel may have dropped the pages it could not write. Thread:
 * any. */
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FS_DEPTH_MAX 128 /* of wr_remove_all; each level holds a descriptor */

enum weir_status wr_status_of_errno(int errnum)
{
    switch (errnum) {
    case 0:
        return WEIR_OK;
    case ENOENT:
        return WEIR_E_NOTFOUND;
    case EEXIST:
        return WEIR_E_EXISTS;
    case ENOMEM:
        return WEIR_E_NOMEM;
    case ENOSPC:
    case EDQUOT:
        return WEIR_E_NOSPACE;
    case EINVAL:
    case ENAMETOOLONG:
        return WEIR_E_INVALID;
    case EAGAIN:
    case EINTR:
        return WEIR_E_AGAIN;
    case ETIMEDOUT:
        return WEIR_E_TIMEOUT;
    default:
        return WEIR_E_IO;
    }
}

/* "path: what: reason", with the status of errno. Files only: what is neither
 * missing nor for lack of space is an input/output error. */
static enum weir_status fail_errno(struct weir_error *err, const char *path,
                                   const char *what)
{
    int errnum = errno;
    char reason[128];
    enum weir_status status = wr_status_of_errno(errnum);
    if (status != WEIR_E_NOTFOUND && status != WEIR_E_NOSPACE &&
        status != WEIR_E_NOMEM) {
        status = WEIR_E_IO;
    }
    return weir_fail(err, status, "%s: cannot %s: %s%s", path, what,
                     strerror_r(errnum, reason, sizeof(reason)),
                     status == WEIR_E_NOSPACE ? "; free space there" : "");
}

/* ---- directories -------------------------------------------------------- */

/* One level. That it exists already is success only for a directory. */
static enum weir_status mkdir_one(const char *path, struct weir_error *err)
{
    struct stat st;
    if (mkdir(path, 0777) == 0) {
        return WEIR_OK;
    }
    if (errno == EEXIST && stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode)) {
            return WEIR_OK;
        }
        errno = ENOTDIR;
    }
    return fail_errno(err, path, "make directory");
}

enum weir_status wr_mkdirs(const char *path, struct weir_error *err)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(part)) {
        return weir_fail(err, WEIR_E_IO, "%.64s: a path has 1 to %d bytes",
                         path, PATH_MAX - 1);
    }
    memcpy(part, path, len + 1);
    for (size_t i = 1; i < len; i++) {
        if (part[i] == '/') {
            part[i] = '\0';
            enum weir_status status = mkdir_one(part, err);
            if (status != WEIR_OK) {
                return status;
            }
            part[i] = '/';
        }
    }
    return mkdir_one(part, err);
}

enum weir_status wr_dir_sync(const char *path, struct weir_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return fail_errno(err, path, "open directory");
    }
    enum weir_status status = WEIR_OK;
    if (fsync(fd) != 0) {
        status = fail_errno(err, path, "sync directory");
    }
    (void)close(fd);
    return status;
}

static int remove_entries(int dir_fd, int depth);

/* Removes name in dir_fd, whatever it is. 0, or -1 with errno. */
static int remove_at(int dir_fd, const char *name, int depth)
{
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT) {
        return 0;
    }
    if (errno != EISDIR) {
        return -1;
    }
    int fd =
        openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? 0 : -1;
    }
    if (remove_entries(fd, depth + 1) != 0) {
        return -1;
    }
    return unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0
                                                                        : -1;
}

/* Empties the directory and closes dir_fd. */
static int remove_entries(int dir_fd, int depth)
{
    DIR *dir = depth < FS_DEPTH_MAX ? fdopendir(dir_fd) : NULL;
    if (!dir) {
        int errnum = depth < FS_DEPTH_MAX ? errno : ELOOP;
        (void)close(dir_fd);
        errno = errnum;
        return -1;
    }
    int errnum = 0;
    struct dirent *entry;
    while (errnum == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 &&
            strcmp(entry->d_name, "..") != 0 &&
            remove_at(dirfd(dir), entry->d_name, depth) != 0) {
            errnum = errno;
        }
    }
    errnum = errnum ? errnum : errno;
    (void)closedir(dir);
    errno = errnum;
    return errnum == 0 ? 0 : -1;
}

enum weir_status wr_remove_all(const char *path, struct weir_error *err)
{
    if (remove_at(AT_FDCWD, path, 0) != 0 && errno != ENOTDIR) {
        return fail_errno(err, path, "remove");
    }
    return WEIR_OK;
}

/* ---- whole files -------------------------------------------------------- */

enum weir_status wr_file_read(const char *path, struct wr_buf *out,
                              struct weir_error *err)
{
    uint8_t chunk[16384];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail_errno(err, path, "open");
    }
    enum weir_status status = WEIR_OK;
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            status = fail_errno(err, path, "read");
        }
        if (n <= 0) {
            break;
        }
        wr_buf_put(out, chunk, (size_t)n);
        if (out->status != WEIR_OK) {
            status = weir_fail(err, out->status,
                               "%s: cannot be taken whole: %s (limit %zu "
                               "bytes)",
                               path, weir_status_text(out->status), out->max);
            break;
        }
    }
    (void)close(fd);
    return status;
}

enum weir_status wr_write_all(int fd, const void *data, size_t len,
                              const char *path, struct weir_error *err)
{
    const uint8_t *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return fail_errno(err, path, "write");
        }
        p += n;
        len -= (size_t)n;
    }
    return WEIR_OK;
}

/* Syncs the directory that holds path. */
static enum weir_status parent_sync(const char *path, struct weir_error *err)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (!slash) {
        return wr_dir_sync(".", err);
    }
    if (len == 0) {
        return wr_dir_sync("/", err);
    }
    memcpy(parent, path, len);
    parent[len] = '\0';
    return wr_dir_sync(parent, err);
}

enum weir_status wr_file_replace(const char *path, struct weir_bytes bytes,
                                 struct weir_error *err)
{
    char tmp[PATH_MAX];
    int n = snprintf(tmp, sizeof(tmp), "%s.tmp", path);
    if (n < 0 || n >= (int)sizeof(tmp)) {
        return weir_fail(err, WEIR_E_IO, "%.64s...: path is too long", path);
    }
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return fail_errno(err, tmp, "create");
    }
    enum weir_status status = wr_write_all(fd, bytes.data, bytes.len, tmp, err);
    if (status == WEIR_OK && fdatasync(fd) != 0) {
        status = fail_errno(err, tmp, "sync");
    }
    if (close(fd) != 0 && status == WEIR_OK) {
        status = fail_errno(err, tmp, "close");
    }
    if (status == WEIR_OK && rename(tmp, path) != 0) {
        status = fail_errno(err, path, "rename to");
    }
    if (status != WEIR_OK) {
        (void)unlink(tmp);
        return status;
    }
    return parent_sync(path, err);
}

/* ---- locks -------------------------------------------------------------- */

/* The text that the holder wrote: its process id; "unknown" if unreadable. */
static void lock_holder(int fd, char out[32])
{
    ssize_t n = pread(fd, out, 31, 0);
    size_t len = 0;
    while (n > 0 && len < (size_t)n && out[len] >= '0' && out[len] <= '9') {
        len++;
    }
    out[len] = '\0';
    if (len == 0) {
        memcpy(out, "unknown", sizeof("unknown"));
    }
}

enum weir_status wr_lock_file(const char *path, int *out_fd,
                              struct weir_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
        return fail_errno(err, path, "open lock file");
    }
    enum weir_status status = WEIR_OK;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            char holder[32];
            lock_holder(fd, holder);
            status = weir_fail(err, WEIR_E_LOCKED,
                               "%s: in use by process %s; stop it or choose "
                               "another directory",
                               path, holder);
        } else {
            status = fail_errno(err, path, "lock");
        }
        (void)close(fd);
        return status;
    }
    char text[32];
    int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    /* The id is a courtesy to the next one who asks; the lock holds without. */
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n) {
        errno = 0;
    }
    *out_fd = fd;
    return WEIR_OK;
}
