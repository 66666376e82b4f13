/* SPDX-License-Identifier: Apache-2.0
 *
 * The included broker as a child of a pool. It serves as long as anybody of the
 * pool is there: workers commit to it until they have ended, whoever told them
 * to. So it does not act on SIGTERM, which service managers send to all
 * processes at once, but on the end of what the supervisor and the workers hold
 * open (cli/supervisor.h). */
#include "base/log.h"
#include "broker/weir_broker.h"
#include "cli/run.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

struct needed {
    struct wr_broker *broker;
    int fd; /* at its end when nobody needs the broker */
};

/* Thread: its own, until the process ends. */
static void *stop_when_not_needed(void *arg)
{
    const struct needed *needed = arg;
    char byte;
    ssize_t n;
    do {
        n = read(needed->fd, &byte, 1);
    } while (n > 0 || (n < 0 && errno == EINTR));
    wr_broker_stop(needed->broker);
    return NULL;
}

static int fail_to_start(enum weir_status s, const struct weir_error *err)
{
    (void)fprintf(stderr,
                  "weir: the included broker does not start: %s\n"
                  "weir: to use a broker that is there already, say -X "
                  "bootstrap.servers=HOST:PORT\n",
                  err->text);
    return (int)wr_exit_of(s);
}

static enum weir_status serve(struct wr_broker *broker,
                              const struct wr_child_line *line,
                              struct weir_error *err)
{
    static struct needed needed; /* outlives the call, as the thread does */
    pthread_t thread;
    needed = (struct needed){broker, line->needed_fd};
    int code = pthread_create(&thread, NULL, stop_when_not_needed, &needed);
    if (code != 0) {
        return weir_fail(err, WEIR_E_NOMEM, "no thread: %s", strerror(code));
    }
    (void)!write(line->ready_fd, "r", 1);
    (void)close(line->ready_fd);
    enum weir_status s = wr_broker_run(broker, err);
    if (s == WEIR_OK) {
        (void)pthread_join(thread, NULL); /* it is what ended the run */
    } else {
        (void)pthread_detach(thread);
    }
    return s;
}

int wr_broker_child_run(void *arg, int slot, const struct wr_child_line *line)
{
    const struct wr_pool *pool = arg;
    struct wr_broker *broker = NULL;
    struct weir_error err = {0};
    sigset_t none;
    (void)slot;
    (void)signal(SIGTERM, SIG_IGN);
    enum weir_status s = wr_broker_open(pool->broker_options, &broker, &err);
    if (s != WEIR_OK) {
        return fail_to_start(s, &err);
    }
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    wr_log(WR_INFO, "broker", "ready", "listen=%s data=%s",
           wr_broker_address(broker),
           wr_options_text(pool->broker_options, "data.dir"));
    s = serve(broker, line, &err);
    if (s != WEIR_OK) {
        (void)fprintf(stderr, "weir: broker: %s\n", err.text);
        _exit(WR_EXIT_FAILED); /* the watching thread may be in it */
    }
    wr_broker_close(broker);
    return WR_EXIT_OK;
}
