/* SPDX-License-Identifier: Apache-2.0
 *
 * The supervisor's loop. It waits on four things at once, in one place: signals
 * (blocked, read from a signalfd), the children's ready pipes, the time at
 * which a dead child is to be started again, and that of the next look at the
 * beats.
 *
 *   starting -> up -> dead -> (back-off) -> starting ...
 *
 * Children that are `first` must be up before the others are started. Those
 * that are `last` hold the read end of a pipe whose write end everybody else
 * has: when the others and the supervisor are gone, however they went, it is at
 * its end. So the order holds for SIGTERM to all processes at once and for kill
 * -9 of the supervisor, with which all others get SIGTERM (PR_SET_PDEATHSIG).
 */
#include "cli/supervisor.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
    const struct wr_child_spec *spec;
    pid_t pid;    /* 0: not running */
    int ready_fd; /* read end; -1: said so, or gone */
    bool ready;   /* in this run */
    bool ever_ready;
    int64_t started_ms;
    int64_t start_at_ms; /* when dead: start then */
    int64_t backoff_ms;
    _Atomic uint32_t *beat;
    struct wr_silence silence;
};

struct supervisor {
    struct child children[WR_CHILDREN_MAX];
    size_t count;
    pid_t pid; /* our own: a child whose parent is another is an orphan */
    int signal_fd;
    int needed[2]; /* the pipe that tells who is `last` of the others' end */
    _Atomic uint32_t *beats; /* shared with the children, one for each */
    bool stopping;
    bool killing;
    bool told_ready;
    int64_t stopping_ms; /* since when; -1: not */
    int64_t look_at_ms;
    struct wr_child_patience patience;
    int code;
    unsigned random;
    void (*on_ready)(void *);
    void *user;
};

/* ---- starting ----------------------------------------------------------- */

/* A stop of a session, a group or a user is the supervisor's to pass on, in the
 * right order; what else is sent to all must not end a child. */
static void ignore_what_is_sent_to_all(void)
{
    static const int numbers[] = {SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        (void)signal(numbers[i], SIG_IGN);
    }
}

/* Lets go, in the child, of what is the supervisor's. */
static void close_inherited(const struct supervisor *sup)
{
    for (size_t i = 0; i < sup->count; i++) {
        if (sup->children[i].ready_fd >= 0) {
            (void)close(sup->children[i].ready_fd);
        }
    }
    (void)close(sup->signal_fd);
}

static void run_child(const struct supervisor *sup, const struct child *child,
                      int ready_fd)
{
    const struct wr_child_spec *spec = child->spec;
    struct wr_child_line line = {ready_fd, -1, child->beat};
    (void)setpgid(0, 0);
    ignore_what_is_sent_to_all();
    close_inherited(sup);
    if (spec->last) {
        line.needed_fd = sup->needed[0];
        (void)close(sup->needed[1]);
    } else {
        (void)close(sup->needed[0]);
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    }
    if (getppid() != sup->pid) {
        _exit(WR_EXIT_FAILED); /* the supervisor died before prctl */
    }
    wr_log_set_name(spec->name);
    exit(spec->run(spec->arg, spec->slot, &line));
}

static void cannot_start(const struct supervisor *sup, struct child *child)
{
    wr_log(WR_ERROR, "pool", "cannot start", "child=%s error=\"%s\"",
           child->spec->name, strerror(errno));
    child->start_at_ms = wr_mono_ms() + sup->patience.backoff_max_ms;
}

static void start_child(struct supervisor *sup, struct child *child)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        cannot_start(sup, child);
        return;
    }
    atomic_store(child->beat, WR_BEAT_NONE);
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(fds[0]);
        run_child(sup, child, fds[1]);
    }
    (void)close(fds[1]);
    if (pid < 0) {
        (void)close(fds[0]);
        cannot_start(sup, child);
        return;
    }
    child->pid = pid;
    child->silence = (struct wr_silence){0};
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

/* Tells who is `last` once it is needed no more. */
static void let_last_go(struct supervisor *sup)
{
    if (running(sup, false) == 0 && sup->needed[1] >= 0) {
        (void)close(sup->needed[1]);
        sup->needed[1] = -1;
    }
}

static void begin_stop(struct supervisor *sup, int code)
{
    if (sup->stopping) {
        return;
    }
    sup->stopping = true;
    sup->code = code;
    sup->stopping_ms = wr_mono_ms();
    signal_children(sup, false, SIGTERM);
    let_last_go(sup);
}

static void kill_rest(struct supervisor *sup, const char *why)
{
    if (!sup->killing) {
        sup->killing = true;
        sup->code = sup->code == WR_EXIT_OK ? WR_EXIT_FAILED : sup->code;
        wr_log(WR_WARN, "pool", "killing",
               "children=%zu reason=\"%s; what they have not committed is done "
               "again by who comes next\"",
               running(sup, false) + running(sup, true), why);
    }
    signal_children(sup, false, SIGKILL);
    signal_children(sup, true, SIGKILL);
}

/* ---- beats -------------------------------------------------------------- */

/* Whether a child's loop still turns; one that hangs holds its tasks' folders,
 * and nobody else can have them while it is there. */
static void look_at_beat(const struct supervisor *sup, struct child *c)
{
    if (c->pid == 0 ||
        !wr_silence_look(&c->silence, atomic_load(c->beat), wr_mono_ms(),
                         sup->patience.silent_ms)) {
        return;
    }
    wr_log(WR_ERROR, "pool", "killing a child that hangs",
           "child=%s pid=%d silent_ms=%lld", c->spec->name, (int)c->pid,
           (long long)sup->patience.silent_ms);
    (void)kill(c->pid, SIGKILL);
    c->silence = (struct wr_silence){0};
}

/* Returns when to look again, INT64_MAX: never. */
static int64_t look_at_beats(struct supervisor *sup)
{
    int64_t now = wr_mono_ms();
    if (sup->patience.silent_ms == 0) {
        return INT64_MAX;
    }
    if (now >= sup->look_at_ms) {
        for (size_t i = 0; i < sup->count; i++) {
            look_at_beat(sup, &sup->children[i]);
        }
        sup->look_at_ms = now + WR_LOOK_MS;
    }
    return sup->look_at_ms;
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

/* A crash while stopping is a crash: the pool's exit code tells of it. */
static void ended_in_stop(struct supervisor *sup, const struct child *c,
                          int status)
{
    if (WIFSIGNALED(status) && !sup->killing) {
        wr_log(WR_ERROR, "pool", "child died while stopping",
               "child=%s pid=%d signal=%d", c->spec->name, (int)c->pid,
               WTERMSIG(status));
    }
    sup->code = wr_supervise_stopped_code(status, sup->code);
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
        ended_in_stop(sup, c, status);
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
    if (sup->stopping) {
        let_last_go(sup);
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

static void act_on_signal(struct supervisor *sup, int number)
{
    switch (wr_supervise_signal(number, sup->stopping_ms, wr_mono_ms())) {
    case WR_SIGNAL_STOP:
        wr_log(WR_INFO, "pool", "stopping", "signal=%d", number);
        begin_stop(sup, WR_EXIT_OK);
        break;
    case WR_SIGNAL_KILL:
        kill_rest(sup, "a second signal");
        break;
    case WR_SIGNAL_IGNORE:
        break;
    }
}

static void read_signals(struct supervisor *sup)
{
    struct signalfd_siginfo info;
    while (read(sup->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGCHLD) {
            continue; /* reap() comes next and looks at every child */
        }
        act_on_signal(sup, (int)info.ssi_signo);
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

/* Ends what has not ended in time; returns when to look again. */
static int64_t wait_for_stop(struct supervisor *sup)
{
    int64_t stop_by_ms = sup->stopping_ms + sup->patience.stop_ms;
    if (wr_mono_ms() < stop_by_ms) {
        return stop_by_ms;
    }
    kill_rest(sup, "--stop-timeout is over");
    return INT64_MAX;
}

static void loop(struct supervisor *sup)
{
    for (;;) {
        int64_t until = start_due(sup);
        int64_t look = look_at_beats(sup);
        if (sup->stopping) {
            if (running(sup, false) + running(sup, true) == 0) {
                return;
            }
            until = wait_for_stop(sup);
        }
        wait_for_event(sup, until < look ? until : look);
        /* In this order: a SIGCHLD that is read here is looked into at once. */
        read_signals(sup);
        reap(sup);
    }
}

void wr_supervised_signals(sigset_t *out)
{
    static const int numbers[] = {SIGTERM, SIGINT,  SIGHUP, SIGQUIT,
                                  SIGUSR1, SIGUSR2, SIGCHLD};
    (void)sigemptyset(out);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sigaction now;
        bool ignored =
            sigaction(numbers[i], NULL, &now) == 0 && now.sa_handler == SIG_IGN;
        /* Under nohup a hang-up is not for us; one that is blocked would be
         * kept for us although it is ignored. */
        if (numbers[i] != SIGHUP || !ignored) {
            (void)sigaddset(out, numbers[i]);
        }
    }
}

/* ---- its life ----------------------------------------------------------- */

static void supervisor_free(struct supervisor *sup)
{
    for (size_t i = 0; i < 2; i++) {
        if (sup->needed[i] >= 0) {
            (void)close(sup->needed[i]);
        }
    }
    if (sup->signal_fd >= 0) {
        (void)close(sup->signal_fd);
    }
    if (sup->beats) {
        (void)munmap(sup->beats, WR_CHILDREN_MAX * sizeof(*sup->beats));
    }
    free(sup);
}

/* NULL: no memory or no descriptors. */
static struct supervisor *supervisor_new(const struct wr_child_spec *specs,
                                         size_t count, const sigset_t *signals)
{
    struct supervisor *sup = calloc(1, sizeof(*sup));
    if (!sup) {
        return NULL;
    }
    sup->pid = getpid();
    sup->stopping_ms = -1;
    sup->count = count;
    sup->random = (unsigned)wr_mono_ns();
    sup->needed[0] = sup->needed[1] = -1;
    sup->signal_fd = signalfd(-1, signals, SFD_NONBLOCK | SFD_CLOEXEC);
    void *beats =
        mmap(NULL, WR_CHILDREN_MAX * sizeof(*sup->beats),
             PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sup->beats = beats == MAP_FAILED ? NULL : beats;
    if (sup->signal_fd < 0 || !sup->beats ||
        pipe2(sup->needed, O_CLOEXEC) != 0) {
        supervisor_free(sup);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        sup->children[i] = (struct child){
            .spec = &specs[i], .ready_fd = -1, .beat = &sup->beats[i]};
    }
    return sup;
}

int wr_supervise(const struct wr_child_spec *specs, size_t count,
                 const struct wr_child_patience *patience,
                 void (*on_ready)(void *), void *user)
{
    sigset_t signals;
    sigset_t before;
    wr_supervised_signals(&signals);
    (void)sigprocmask(SIG_BLOCK, &signals, &before);
    struct supervisor *sup = count <= WR_CHILDREN_MAX
                                 ? supervisor_new(specs, count, &signals)
                                 : NULL;
    int code = WR_EXIT_FAILED;
    if (sup) {
        sup->patience = *patience;
        sup->on_ready = on_ready;
        sup->user = user;
        loop(sup);
        code = sup->code;
        supervisor_free(sup);
    } else {
        wr_log(WR_ERROR, "pool", "cannot start", "error=\"%s\"",
               strerror(errno));
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return code;
}
