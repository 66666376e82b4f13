/* SPDX-License-Identifier: Apache-2.0
 *
 * Two locks on one file say who holds a number. flock(2) belongs to the open
 * file, which children inherit: it is held until the last process of the pool
 * has ended. A record lock (fcntl(2)) belongs to the process that took it: it
 * is held while the supervisor lives. The first without the second are the
 * children of a supervisor that was killed, and they are ending. */
#include "cli/pool_number.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "cli/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 50

static struct flock whole_file(void)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

/* Whether the supervisor that has the number is gone. */
static bool is_orphaned(const char *path)
{
    struct flock lock = whole_file();
    int fd = open(path, O_RDWR | O_CLOEXEC);
    bool free =
        fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
    if (fd >= 0) {
        (void)close(fd);
    }
    return free;
}

static enum weir_status try_to_take(const char *path, int *out_fd,
                                    struct weir_error *err)
{
    struct flock lock = whole_file();
    enum weir_status s = wr_lock_file(path, out_fd, err);
    if (s == WEIR_OK && fcntl(*out_fd, F_SETLK, &lock) != 0) {
        s = weir_fail(err, WEIR_E_IO, "%s: cannot lock: %s", path,
                      strerror(errno));
        (void)close(*out_fd);
    }
    return s;
}

/* Sleeps a little; true when a signal asks to stop. */
static bool told_to_stop(void)
{
    struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    sigset_t signals;
    wr_supervised_signals(&signals);
    int number = sigtimedwait(&signals, NULL, &pause);
    return number > 0 && wr_supervise_signal(number, -1, 0) == WR_SIGNAL_STOP;
}

/* Takes the number when the children of a killed supervisor have ended; it may
 * go to another pool that waits as well. */
static enum weir_status wait_for_orphans(const char *path, int64_t patience_ms,
                                         int *out_fd, struct weir_error *err)
{
    int64_t until_ms = wr_mono_ms() + patience_ms;
    enum weir_status s = WEIR_E_LOCKED;
    wr_log(WR_INFO, "pool", "waiting for what a killed pool left",
           "lock=%s patience_ms=%lld", path, (long long)patience_ms);
    while (s == WEIR_E_LOCKED && wr_mono_ms() < until_ms && is_orphaned(path)) {
        if (told_to_stop()) {
            return weir_fail(err, WEIR_E_CLOSED,
                             "told to stop while the processes of a killed "
                             "pool hold '%s'",
                             path);
        }
        s = try_to_take(path, out_fd, err);
    }
    if (s == WEIR_E_LOCKED) {
        wr_log(WR_WARN, "pool", "taking another number",
               "lock=%s reason=\"%s\"", path, err->text);
    }
    return s;
}

static enum weir_status fail_folder(const char *state_dir,
                                    struct weir_error *err)
{
    struct weir_error inner = *err;
    return weir_fail(err, inner.status,
                     "state.dir '%s' cannot be used: %s; name a folder of your "
                     "own with -X state.dir=FOLDER",
                     state_dir, inner.text);
}

enum weir_status wr_pool_number_take(const char *state_dir, int64_t patience_ms,
                                     int *out_number, int *out_fd,
                                     struct weir_error *err)
{
    enum weir_status s = wr_mkdirs(state_dir, err);
    for (int i = 1; s == WEIR_OK && i <= WR_POOLS_MAX; i++) {
        char path[PATH_MAX];
        int n = snprintf(path, sizeof(path), "%s/.pool-%d.lock", state_dir, i);
        if (n < 0 || (size_t)n >= sizeof(path)) {
            return weir_fail(err, WEIR_E_CONFIG, "state.dir is too long");
        }
        enum weir_status taken = try_to_take(path, out_fd, err);
        if (taken == WEIR_E_LOCKED && is_orphaned(path)) {
            taken = wait_for_orphans(path, patience_ms, out_fd, err);
        }
        if (taken == WEIR_E_IO) {
            return fail_folder(state_dir, err);
        }
        if (taken != WEIR_E_LOCKED) {
            *out_number = i;
            return taken;
        }
    }
    return s != WEIR_OK ? fail_folder(state_dir, err)
                        : weir_fail(err, WEIR_E_LOCKED,
                                    "there are %d pools on state.dir '%s'",
                                    WR_POOLS_MAX, state_dir);
}
