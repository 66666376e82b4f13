/* SPDX-License-Identifier: Apache-2.0
 *
 * The supervisor's loop. It waits on three things at once, in one place:
 * signals (blocked, read from a signalfd), the children's ready pipes, and the
 * time at which a dead child is to be started again.
 *
 *   starting -> up -> dead -> (back-off) -> starting ...
 *
 * Children that are `first` must be up before the others are started; those
 * that are `last` get their SIGTERM when all others have ended. A child dies
 * with its supervisor (PR_SET_PDEATHSIG), so that kill -9 leaves no orphans. */
#include "cli/supervisor.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/pages.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS_MAX 60000

struct child {
    const struct wr_child_spec *spec;
    pid_t pid;    /* 0: not running */
    int ready_fd; /* read end; -1: said so, or gone */
    bool ready;   /* in this run */
    bool ever_ready;
    int64_t started_ms;
    int64_t start_at_ms; /* when dead: start then */
    int64_t backoff_ms;
};

struct supervisor {
    struct child children[WR_CHILDREN_MAX];
    size_t count;
    int signal_fd;
    bool stopping;
    bool killing;
    bool told_ready;
    int64_t stop_by_ms;
    struct wr_child_patience patience;
    int code;
    unsigned random;
    void (*on_ready)(void *);
    void *user;
};

/* ---- policy ------------------------------------------------------------- */

static bool is_final(int code, bool was_ready)
{
    return code == WR_EXIT_USAGE || code == WR_EXIT_LOAD ||
           code == WR_EXIT_INCOMPATIBLE || code == WR_EXIT_POISON ||
           (code == WR_EXIT_UNREACHABLE && !was_ready) ||
           (code == WR_EXIT_IN_USE && !was_ready) ||
           (code == WR_EXIT_NOTFOUND && !was_ready);
}

enum wr_exit_action wr_supervise_exit(const struct wr_exit_facts *facts,
                                      unsigned random, int64_t *out_backoff_ms,
                                      int *out_code)
{
    if (WIFEXITED(facts->wait_status)) {
        int code = WEXITSTATUS(facts->wait_status);
        if (is_final(code, facts->was_ready)) {
            *out_code = code;
            return WR_STOP_POOL;
        }
    }
    int64_t next = facts->backoff_ms * 2;
    if (facts->backoff_ms == 0 || facts->uptime_ms >= WR_HEALTHY_MS) {
        next = WR_BACKOFF_FIRST_MS;
    }
    if (next > facts->backoff_max_ms) {
        next = facts->backoff_max_ms;
    }
    *out_backoff_ms = next - next / 4 * (int64_t)(random % 1000) / 1000;
    return WR_RESTART;
}

int wr_supervise_wait_ms(int64_t until_ms, int64_t now_ms)
{
    if (until_ms == INT64_MAX) {
        return -1;
    }
    int64_t left = until_ms - now_ms;
    return left < 0 ? 0 : left > WAIT_MS_MAX ? WAIT_MS_MAX : (int)left;
}

/* ---- starting ----------------------------------------------------------- */

static void run_child(const struct supervisor *sup, const struct child *child,
                      int ready_fd)
{
    sigset_t none;
    /* A signal to the whole group (Ctrl-C, timeout) is the supervisor's to pass
     * on, in the right order. */
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == 1) {
        _exit(WR_EXIT_FAILED); /* the supervisor died before prctl */
    }
    for (size_t i = 0; i < sup->count; i++) {
        if (sup->children[i].ready_fd >= 0) {
            (void)close(sup->children[i].ready_fd);
        }
    }
    (void)close(sup->signal_fd);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    wr_log_set_name(child->spec->name);
    exit(child->spec->run(child->spec->arg, child->spec->slot, ready_fd));
}

static void start_child(struct supervisor *sup, struct child *child)
{
    int fds[2];
    if (pipe(fds) != 0) {
        wr_log(WR_ERROR, "pool", "cannot start", "child=%s error=\"%s\"",
               child->spec->name, strerror(errno));
        child->start_at_ms = wr_mono_ms() + sup->patience.backoff_max_ms;
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(fds[0]);
        run_child(sup, child, fds[1]);
    }
    (void)close(fds[1]);
    if (pid < 0) {
        (void)close(fds[0]);
        wr_log(WR_ERROR, "pool", "cannot start", "child=%s error=\"%s\"",
               child->spec->name, strerror(errno));
        child->start_at_ms = wr_mono_ms() + sup->patience.backoff_max_ms;
        return;
    }
    child->pid = pid;
    child->ready_fd = fds[0];
    child->ready = false;
    child->started_ms = wr_mono_ms();
    wr_log(WR_DEBUG, "pool", "started", "child=%s pid=%d", child->spec->name,
           (int)pid);
}

/* Whether all children that come first are up. */
static bool firsts_are_up(const struct supervisor *sup)
{
    for (size_t i = 0; i < sup->count; i++) {
        const struct child *c = &sup->children[i];
        if (c->spec->first && !c->ever_ready) {
            return false;
        }
    }
    return true;
}

/* Starts what is due; returns when the next one is, INT64_MAX: none waits. */
static int64_t start_due(struct supervisor *sup)
{
    int64_t next = INT64_MAX;
    int64_t now = wr_mono_ms();
    bool up = firsts_are_up(sup);
    for (size_t i = 0; i < sup->count && !sup->stopping; i++) {
        struct child *c = &sup->children[i];
        if (c->pid != 0 || (!up && !c->spec->first)) {
            continue;
        }
        if (c->start_at_ms <= now) {
            start_child(sup, c);
        }
        if (c->pid == 0 && c->start_at_ms < next) {
            next = c->start_at_ms;
        }
    }
    return next;
}

/* ---- stopping ----------------------------------------------------------- */

static size_t running(const struct supervisor *sup, bool last)
{
    size_t n = 0;
    for (size_t i = 0; i < sup->count; i++) {
        n += sup->children[i].pid != 0 && sup->children[i].spec->last == last;
    }
    return n;
}

static void signal_children(struct supervisor *sup, bool last, int number)
{
    for (size_t i = 0; i < sup->count; i++) {
        struct child *c = &sup->children[i];
        if (c->pid != 0 && c->spec->last == last) {
            (void)kill(c->pid, number);
        }
    }
}

static void begin_stop(struct supervisor *sup, int code)
{
    if (sup->stopping) {
        return;
    }
    sup->stopping = true;
    sup->code = code;
    sup->stop_by_ms = wr_mono_ms() + sup->patience.stop_ms;
    signal_children(sup, false, SIGTERM);
    if (running(sup, false) == 0) {
        signal_children(sup, true, SIGTERM);
    }
}

static void kill_rest(struct supervisor *sup, const char *why)
{
    if (!sup->killing) {
        sup->killing = true;
        wr_log(WR_WARN, "pool", "killing",
               "children=%zu reason=\"%s; what they have not committed is done "
               "again by who comes next\"",
               running(sup, false) + running(sup, true), why);
    }
    signal_children(sup, false, SIGKILL);
    signal_children(sup, true, SIGKILL);
}

/* ---- events ------------------------------------------------------------- */

static void describe_end(const struct child *c, int status, int64_t backoff_ms)
{
    if (WIFSIGNALED(status)) {
        wr_log(WR_WARN, "pool", "child died",
               "child=%s pid=%d signal=%d restart_in_ms=%lld", c->spec->name,
               (int)c->pid, WTERMSIG(status), (long long)backoff_ms);
    } else {
        wr_log(WR_WARN, "pool", "child ended",
               "child=%s pid=%d exit=%d restart_in_ms=%lld", c->spec->name,
               (int)c->pid, WEXITSTATUS(status), (long long)backoff_ms);
    }
}

static void child_ended(struct supervisor *sup, struct child *c, int status)
{
    struct wr_exit_facts facts = {status, wr_mono_ms() - c->started_ms,
                                  c->ever_ready, c->backoff_ms,
                                  sup->patience.backoff_max_ms};
    int64_t backoff = 0;
    int code = 0;
    if (c->ready_fd >= 0) {
        (void)close(c->ready_fd);
        c->ready_fd = -1;
    }
    if (sup->stopping) {
        if (WIFEXITED(status) && WEXITSTATUS(status) != 0 && sup->code == 0) {
            sup->code = WEXITSTATUS(status);
        }
    } else if (wr_supervise_exit(&facts, sup->random, &backoff, &code) ==
               WR_STOP_POOL) {
        wr_log(WR_ERROR, "pool", "stopping", "child=%s exit=%d", c->spec->name,
               code);
        c->pid = 0;
        begin_stop(sup, code);
    } else {
        describe_end(c, status, backoff);
        c->backoff_ms = backoff;
        c->start_at_ms = wr_mono_ms() + backoff;
        sup->random = sup->random * 1103515245u + 12345u;
    }
    c->pid = 0;
    if (sup->stopping && running(sup, false) == 0) {
        signal_children(sup, true, SIGTERM);
    }
}

static void reap(struct supervisor *sup)
{
    int status = 0;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (size_t i = 0; i < sup->count; i++) {
            if (sup->children[i].pid == pid) {
                child_ended(sup, &sup->children[i], status);
            }
        }
    }
}

static void read_signals(struct supervisor *sup)
{
    struct signalfd_siginfo info;
    while (read(sup->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGCHLD) {
            continue; /* reap() comes next and looks at every child */
        }
        if (sup->stopping) {
            kill_rest(sup, "a second signal");
        } else {
            wr_log(WR_INFO, "pool", "stopping", "signal=%d",
                   (int)info.ssi_signo);
            begin_stop(sup, WR_EXIT_OK);
        }
    }
}

static void child_is_ready(struct supervisor *sup, struct child *c)
{
    char byte;
    ssize_t n = read(c->ready_fd, &byte, 1);
    (void)close(c->ready_fd);
    c->ready_fd = -1;
    if (n != 1) {
        return; /* it is ending: waitpid tells the rest */
    }
    c->ready = true;
    c->ever_ready = true;
    for (size_t i = 0; i < sup->count; i++) {
        if (!sup->children[i].ready) {
            return;
        }
    }
    if (!sup->told_ready) {
        sup->told_ready = true;
        wr_pages_let_go(); /* it waits from now on */
        if (sup->on_ready) {
            sup->on_ready(sup->user);
        }
    }
}

static void wait_for_event(struct supervisor *sup, int64_t until_ms)
{
    struct pollfd fds[WR_CHILDREN_MAX + 1];
    struct child *of[WR_CHILDREN_MAX + 1];
    nfds_t n = 0;
    fds[n++] = (struct pollfd){.fd = sup->signal_fd, .events = POLLIN};
    for (size_t i = 0; i < sup->count; i++) {
        if (sup->children[i].ready_fd >= 0) {
            of[n] = &sup->children[i];
            fds[n++] = (struct pollfd){.fd = sup->children[i].ready_fd,
                                       .events = POLLIN};
        }
    }
    if (poll(fds, n, wr_supervise_wait_ms(until_ms, wr_mono_ms())) < 0) {
        return; /* EINTR: the loop looks again */
    }
    for (nfds_t i = 1; i < n; i++) {
        if (fds[i].revents) {
            child_is_ready(sup, of[i]);
        }
    }
}

static void loop(struct supervisor *sup)
{
    for (;;) {
        int64_t until = start_due(sup);
        if (sup->stopping) {
            if (running(sup, false) + running(sup, true) == 0) {
                return;
            }
            until = sup->stop_by_ms;
            if (wr_mono_ms() >= until) {
                kill_rest(sup, "--stop-timeout is over");
                until = INT64_MAX;
            }
        }
        wait_for_event(sup, until);
        /* In this order: a SIGCHLD that is read here is looked into at once. */
        read_signals(sup);
        reap(sup);
    }
}

int wr_supervise(const struct wr_child_spec *specs, size_t count,
                 const struct wr_child_patience *patience,
                 void (*on_ready)(void *), void *user)
{
    sigset_t signals;
    sigset_t before;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &signals, &before);
    struct supervisor *sup = calloc(1, sizeof(*sup));
    if (!sup || count > WR_CHILDREN_MAX) {
        free(sup);
        return WR_EXIT_FAILED;
    }
    sup->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    sup->count = count;
    sup->patience = *patience;
    sup->on_ready = on_ready;
    sup->user = user;
    sup->random = (unsigned)wr_mono_ns();
    for (size_t i = 0; i < count; i++) {
        sup->children[i].spec = &specs[i];
        sup->children[i].ready_fd = -1;
    }
    loop(sup);
    int code = sup->code;
    (void)close(sup->signal_fd);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    free(sup);
    return code;
}
