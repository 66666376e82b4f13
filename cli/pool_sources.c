/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading the application for the first time: what it reads on the way goes to
 * a file in memory, and all workers load from that. It runs in a child, for the
 * supervisor must have no thread before it forks, and because a program in C
 * may crash. The child's exit code is the pool's when it is not 0. */
#include "cli/pool_sources.h"

#include "cli/supervisor.h"
#include "dsl/load.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 50

static int load_and_write(const char *path, const struct wr_options *options,
                          int fd)
{
    struct wr_sources *sources = NULL;
    struct wr_application *application = NULL;
    struct weir_error err = {0};
    if (wr_sources_new(&sources) != WEIR_OK) {
        return WR_EXIT_FAILED;
    }
    enum weir_status s =
        wr_application_load_from(sources, path, options, &application, &err);
    if (s == WEIR_OK) {
        s = wr_sources_write(sources, fd, &err);
    }
    wr_application_free(application);
    wr_sources_free(sources);
    if (s != WEIR_OK) {
        (void)wr_cli_fail(&err);
    }
    return (int)wr_exit_of_load(s);
}

/* Until the child has ended; a stop signal ends it. Returns its wait status. */
static int wait_for(pid_t pid, bool *out_stopped)
{
    struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    sigset_t signals;
    int status = 0;
    wr_supervised_signals(&signals);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        int number = sigtimedwait(&signals, NULL, &pause);
        if (number > 0 &&
            wr_supervise_signal(number, -1, 0) == WR_SIGNAL_STOP) {
            *out_stopped = true;
            (void)kill(pid, SIGKILL);
        }
    }
    return status;
}

static int code_of(const char *application, int status, bool stopped)
{
    if (stopped) {
        (void)fprintf(stderr, "weir: told to stop while '%s' was loaded\n",
                      application);
        return WR_EXIT_FAILED;
    }
    if (WIFSIGNALED(status)) {
        (void)fprintf(stderr,
                      "weir: '%s' was ended by signal %d (%s) while it was "
                      "loaded\n",
                      application, WTERMSIG(status),
                      strsignal(WTERMSIG(status)));
        return WR_EXIT_LOAD;
    }
    return WEXITSTATUS(status);
}

int wr_pool_sources_take(const char *application,
                         const struct wr_options *options, int *out_fd)
{
    int fd = memfd_create("weir-application", MFD_CLOEXEC);
    pid_t pid = fd >= 0 ? fork() : -1;
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(load_and_write(application, options, fd));
    }
    if (pid < 0) {
        (void)fprintf(stderr, "weir: cannot load '%s': %s\n", application,
                      strerror(errno));
        return WR_EXIT_FAILED;
    }
    bool stopped = false;
    int status = wait_for(pid, &stopped);
    int code = code_of(application, status, stopped);
    if (code == WR_EXIT_OK) {
        *out_fd = fd;
    } else {
        (void)close(fd);
    }
    return code;
}
