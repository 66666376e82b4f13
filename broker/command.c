/* SPDX-License-Identifier: Apache-2.0
 *
 * The command `weir broker`: arguments, signals, one line when ready, exit
 * code. Runs in the foreground until SIGTERM, SIGINT, SIGHUP or SIGQUIT; one
 * more, a second later or more, ends it at once. All it has to say goes to
 * standard error. */
#include "base/clock.h"
#include "base/log.h"
#include "base/pages.h"
#include "broker/weir_broker.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum exit_code {
    EXIT_STOPPED = 0,
    EXIT_OTHER = 1,
    EXIT_USAGE = 2,
    EXIT_DAMAGED = 6,
    EXIT_IN_USE = 8
};

/* `timeout` and service managers send their signal to a process and then to its
 * group: that is one wish. */
#define SAME_WISH_MS 1000

static struct wr_broker *running;         /* what the signal handler stops */
static _Atomic int64_t stopping_since_ms; /* 0: it is not */

static void on_signal(int number)
{
    int64_t now = wr_mono_ms();
    if (stopping_since_ms == 0) {
        stopping_since_ms = now;
        wr_broker_stop(running);
    } else if (now - stopping_since_ms >= SAME_WISH_MS) {
        (void)signal(number, SIG_DFL);
        (void)raise(number); /* once this handler has returned */
    }
}

static void take_signals(void)
{
    static const int stops[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    struct sigaction action = {.sa_handler = on_signal,
                               .sa_flags = (int)SA_RESTART};
    for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
        struct sigaction before;
        (void)sigaction(stops[i], &action, &before);
        if (stops[i] == SIGHUP && before.sa_handler == SIG_IGN) {
            (void)signal(SIGHUP, SIG_IGN); /* nohup: it is not for us */
        }
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGUSR1, SIG_IGN); /* their standard is to end a program */
    (void)signal(SIGUSR2, SIG_IGN);
}

static void print_help(const char *name)
{
    printf("usage: %s --data DIR [--listen HOST:PORT] [-F FILE] "
           "[-X NAME=VALUE]...\n\n"
           "Runs a single-node broker that speaks Kafka's protocol, in the "
           "foreground.\nIt says \"ready\" on standard error when clients may "
           "connect, and stops on\nSIGTERM, SIGINT or SIGHUP.\n\n"
           "  --data DIR          folder of the data; made when missing\n"
           "  --listen HOST:PORT  where to accept clients (default "
           "127.0.0.1:9092);\n"
           "                      port 0 takes any free one\n"
           "  -F, --config FILE   properties file with options\n"
           "  -X NAME=VALUE       sets an option\n"
           "  --log-level LEVEL   error, warn, info or debug\n"
           "  -h, --help          this text\n"
           "  -V, --version       the version\n\n"
           "options (default):\n",
           name);
    for (const struct wr_option *o = wr_broker_options; o->name; o++) {
        printf("  %s (%s)\n      %s\n", o->name,
               o->standard ? o->standard : "none", o->help);
    }
    printf("\nexit codes: 0 stopped as asked, 2 wrong usage or configuration,\n"
           "6 damaged data, 8 data folder or port in use, 1 anything else.\n");
}

static int exit_code_of(enum weir_status status)
{
    switch ((int)status) {
    case WEIR_OK:
        return EXIT_STOPPED;
    case WEIR_E_CONFIG:
    case WEIR_E_INVALID:
        return EXIT_USAGE;
    case WEIR_E_LOCKED:
    case WEIR_E_EXISTS:
        return EXIT_IN_USE;
    case WEIR_E_CORRUPT:
        return EXIT_DAMAGED;
    default:
        return EXIT_OTHER;
    }
}

enum long_only { OPT_DATA = 256, OPT_LISTEN, OPT_LOG_LEVEL };

static const struct option long_options[] = {
    {"data", required_argument, NULL, OPT_DATA},
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"config", required_argument, NULL, 'F'},
    {"log-level", required_argument, NULL, OPT_LOG_LEVEL},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static enum weir_status take_option(struct wr_options *options, int c,
                                    struct weir_error *err)
{
    enum wr_log_level level;
    switch (c) {
    case OPT_DATA:
        return wr_options_set(options, "data.dir", optarg, "--data", err);
    case OPT_LISTEN:
        return wr_options_set(options, "listen", optarg, "--listen", err);
    case 'F':
        return wr_options_load(options, optarg, err);
    case 'X':
        return wr_options_set_pair(options, optarg, "-X", err);
    case OPT_LOG_LEVEL:
        if (wr_log_level_parse(optarg, &level) != WEIR_OK) {
            return weir_fail(err, WEIR_E_CONFIG,
                             "--log-level: \"%s\" is not error, warn, info or "
                             "debug",
                             optarg);
        }
        wr_log_level_now = level;
        return WEIR_OK;
    default: /* getopt has said what it did not understand */
        return weir_fail(err, WEIR_E_CONFIG, "see --help");
    }
}

/* Reads arguments into options. *out_done: help or version was printed. */
static enum weir_status parse(int argc, char **argv, struct wr_options *options,
                              bool *out_done, struct weir_error *err)
{
    int c;
    optind = 1;
    while ((c = getopt_long(argc, argv, "F:X:hV", long_options, NULL)) != -1) {
        if (c == 'h') {
            print_help(argv[0]);
            *out_done = true;
            return WEIR_OK;
        }
        if (c == 'V') {
            printf("weir %s\n", weir_version());
            *out_done = true;
            return WEIR_OK;
        }
        enum weir_status s = take_option(options, c, err);
        if (s != WEIR_OK) {
            return s;
        }
    }
    if (optind < argc) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "unexpected argument \"%s\"; see --help",
                         argv[optind]);
    }
    return WEIR_OK;
}

/* A connection and a segment are a file each, and the soft limit is often 1024.
 */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
        limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static enum weir_status serve(const struct wr_options *options,
                              struct weir_error *err)
{
    int64_t started_ms = wr_mono_ms();
    struct wr_broker *broker = NULL;
    raise_file_limit();
    enum weir_status s = wr_broker_open(options, &broker, err);
    if (s != WEIR_OK) {
        return s;
    }
    running = broker;
    take_signals();
    if (strcmp(wr_options_text(options, "durability"), "sync") != 0) {
        wr_log(WR_WARN, "broker", "acknowledged data may be lost",
               "durability=%s remedy=durability=sync",
               wr_options_text(options, "durability"));
    }
    wr_log(WR_INFO, "broker", "ready", "listen=%s data=%s pid=%d ms=%lld",
           wr_broker_address(broker), wr_options_text(options, "data.dir"),
           (int)getpid(), (long long)(wr_mono_ms() - started_ms));
    wr_pages_let_go();
    s = wr_broker_run(broker, err);
    wr_log(WR_INFO, "broker", "stopping", "%s", "");
    if (stopping_since_ms == 0) {
        stopping_since_ms = wr_mono_ms(); /* by itself: nothing to stop */
    }
    wr_broker_close(broker);
    return s;
}

int wr_broker_command(int argc, char **argv)
{
    struct weir_error err = {.text = ""};
    struct wr_options *options = NULL;
    bool done = false;
    enum weir_status s = wr_options_new(wr_broker_options, NULL, &options);
    if (s == WEIR_OK) {
        s = parse(argc, argv, options, &done, &err);
    }
    if (s == WEIR_OK && !done) {
        s = serve(options, &err);
    }
    if (s != WEIR_OK) {
        fprintf(stderr, "%s: %s\n", argv[0],
                err.text[0] ? err.text : weir_status_text(s));
    }
    wr_options_free(options);
    return exit_code_of(s);
}
