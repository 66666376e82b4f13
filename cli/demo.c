/* SPDX-License-Identifier: Apache-2.0
 *
 * weir demo: the whole system at work, and the proof beside it.
 *
 *   pool process     included broker, workers with the word count (its own
 *                    process group: Ctrl-C is ours to handle)
 *   this process     feeder thread -> "lines"; "word-counts" -> reader thread;
 *                    the main thread shows, kills a worker half-way, asks the
 *                    wrong worker for a word, compares at the end
 *
 * What was expected is counted by the feeder, which shares no code with the
 * word count. What was counted is the last count of each word in the output,
 * read committed; some words are also asked for over HTTP. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "broker/weir_broker.h"
#include "cli/kafka_feed.h"
#include "cli/run.h"
#include "cli/tools.h"
#include "runtime/http_client.h"
#include "runtime/json.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define INPUT        "lines"
#define OUTPUT       "word-counts"
#define STORE        "counts"
#define TOP_WORDS    10
#define READY_MS     30000
#define DRAIN_MS     120000
#define HOLD_MS      20
#define TICK_MS      1000
#define AHEAD_MAX    1000000 /* words sent and not counted: the feeder waits */
#define HTTP_TIMEOUT 1000
#define PAGE_MAX     ((size_t)4 << 20)

struct demo {
    struct wr_pool pool;
    char dir[64];     /* everything the demo writes; removed at the end */
    char broker[256]; /* HOST:PORT */
    char http_file[128];
    char application[600]; /* the installed one */
    char addresses[WR_WORKERS_MAX][300];
    pid_t pool_pid;
    int64_t seconds;
    bool kill_one;
    bool terminal;
    struct wr_feed feed;
    struct wr_reader_thread reader;
    int64_t lag, commits; /* as last asked; commits since the workers' start */
    char event[96];       /* what was done to the pool, or "" */
    int64_t started_ms;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* ---- the pool process --------------------------------------------------- */

static void pool_is_ready(void *user)
{
    int *fd = user;
    (void)!write(*fd, "r", 1);
}

static enum weir_status wait_ready(struct demo *d, int fd,
                                   struct weir_error *err)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    char byte;
    if (poll(&wait, 1, READY_MS) == 1 && read(fd, &byte, 1) == 1) {
        return WEIR_OK;
    }
    int status = 0;
    if (waitpid(d->pool_pid, &status, WNOHANG) == d->pool_pid) {
        d->pool_pid = 0;
    }
    return weir_fail(err, WEIR_E_UNREACHABLE,
                     "the workers are not ready after %d s; what they say is "
                     "above",
                     READY_MS / 1000);
}

static enum weir_status start_pool(struct demo *d, struct weir_error *err)
{
    int fds[2];
    sigset_t signals;
    sigset_t before;
    if (pipe(fds) != 0) {
        return weir_fail(err, WEIR_E_IO, "no pipe");
    }
    /* A stop that comes before the supervisor looks must wait for it. */
    wr_supervised_signals(&signals);
    (void)sigprocmask(SIG_BLOCK, &signals, &before);
    d->pool_pid = fork();
    if (d->pool_pid == 0) {
        (void)close(fds[0]);
        (void)setpgid(0, 0);
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        _exit(wr_pool_run(&d->pool, pool_is_ready, &fds[1]));
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    (void)close(fds[1]);
    enum weir_status s = d->pool_pid < 0
                             ? weir_fail(err, WEIR_E_NOMEM, "cannot fork")
                             : wait_ready(d, fds[0], err);
    (void)close(fds[0]);
    return s;
}

static void stop_pool(struct demo *d)
{
    if (d->pool_pid > 0) {
        (void)kill(d->pool_pid, SIGTERM);
        while (waitpid(d->pool_pid, NULL, 0) < 0 && errno == EINTR) {
        }
        d->pool_pid = 0;
    }
}

/* ---- asking the workers ------------------------------------------------- */

/* A worker notes its address when it starts; after a kill, a new one. */
static bool read_address(struct demo *d, int worker)
{
    char path[160];
    struct wr_buf text;
    struct weir_error ignored;
    (void)snprintf(path, sizeof(path), "%s.%d", d->http_file, worker + 1);
    wr_buf_init(&text, sizeof(d->addresses[0]) - 1);
    bool ok = wr_file_read(path, &text, &ignored) == WEIR_OK;
    if (ok) {
        memcpy(d->addresses[worker], text.data, text.len);
        d->addresses[worker][text.len] = '\0';
    }
    wr_buf_done(&text);
    return ok;
}

/* GET of a worker's path; false unless 200. */
static bool ask(struct demo *d, int worker, const char *path,
                struct wr_buf *out)
{
    char url[1024];
    struct weir_error ignored;
    int status = 0;
    wr_buf_reset(out);
    if (!read_address(d, worker)) {
        return false;
    }
    (void)snprintf(url, sizeof(url), "http://%s%s", d->addresses[worker], path);
    return wr_http_get(url, NULL, HTTP_TIMEOUT, out, &status, &ignored) ==
               WEIR_OK &&
           status == 200;
}

/* Sum of a metric's series in a page of Prometheus text. */
static int64_t sum_metric(const char *page, const char *name)
{
    int64_t sum = 0;
    size_t n = strlen(name);
    for (const char *line = page; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, n) == 0 && (line[n] == '{' || line[n] == ' ')) {
            const char *value = strchr(line, '\n');
            while (value && value > line && value[-1] != ' ') {
                value--;
            }
            sum += value ? strtoll(value, NULL, 10) : 0;
        }
    }
    return sum;
}

static int64_t sum_lag(struct wr_buf *page)
{
    int64_t sum = 0;
    struct wr_buf value;
    wr_buf_init(&value, 64);
    for (size_t i = 0;; i++) {
        wr_buf_reset(&value);
        if (wr_json_item_member(wr_buf_view(page), "tasks", i, "lag", &value) !=
            WEIR_OK) {
            break;
        }
        sum += strtoll(wr_buf_text(&value), NULL, 10);
    }
    wr_buf_done(&value);
    return sum;
}

static void look(struct demo *d)
{
    struct wr_buf page;
    int64_t lag = 0;
    int64_t commits = 0;
    wr_buf_init(&page, PAGE_MAX);
    for (int i = 0; i < d->pool.workers; i++) {
        if (ask(d, i, "/v1/tasks", &page)) {
            lag += sum_lag(&page);
        }
        if (ask(d, i, "/metrics", &page)) {
            commits += sum_metric(wr_buf_text(&page), "weir_commits_total");
        }
    }
    wr_buf_done(&page);
    d->lag = lag;
    d->commits = commits;
}

/* ---- what is shown ------------------------------------------------------ */

struct top_word {
    char word[40];
    int64_t count;
};

static void top_words(struct wr_tally *tally, struct top_word *top)
{
    size_t cursor = 0;
    struct weir_bytes word;
    void *value;
    memset(top, 0, TOP_WORDS * sizeof(*top));
    (void)pthread_mutex_lock(&tally->lock);
    while (wr_map_next(&tally->words, &cursor, &word, &value)) {
        const int64_t *count = value;
        size_t at = TOP_WORDS;
        while (at > 0 && *count > top[at - 1].count) {
            at--;
        }
        if (at == TOP_WORDS || word.len >= sizeof(top->word)) {
            continue;
        }
        memmove(&top[at + 1], &top[at], (TOP_WORDS - 1 - at) * sizeof(*top));
        memcpy(top[at].word, word.data, word.len);
        top[at].word[word.len] = '\0';
        top[at].count = *count;
    }
    (void)pthread_mutex_unlock(&tally->lock);
}

static int64_t total(struct wr_tally *tally)
{
    (void)pthread_mutex_lock(&tally->lock);
    int64_t n = tally->total;
    (void)pthread_mutex_unlock(&tally->lock);
    return n;
}

static void show_table(struct demo *d, int64_t per_second)
{
    struct top_word top[TOP_WORDS];
    top_words(&d->reader.tally, top);
    (void)printf("\x1b[H\x1b[2Jweir demo: %d workers, broker %s\n\n"
                 "  %-24s %12s\n",
                 d->pool.workers, d->broker, "WORD", "COUNT");
    for (int i = 0; i < TOP_WORDS; i++) {
        (void)printf("  %-24s %12lld\n", top[i].word, (long long)top[i].count);
    }
    (void)printf("\n  words counted %lld of %lld   %lld words/s   lag %lld   "
                 "commits %lld\n\n  curl http://%s/v1/stores/" STORE
                 "/keys/the\n%s%s%s",
                 (long long)total(&d->reader.tally),
                 (long long)total(&d->feed.tally), (long long)per_second,
                 (long long)d->lag, (long long)d->commits, d->addresses[0],
                 d->event[0] ? "\n  " : "", d->event, d->event[0] ? "\n" : "");
    (void)fflush(stdout);
}

static void show(struct demo *d, int64_t per_second)
{
    if (d->terminal) {
        show_table(d, per_second);
        return;
    }
    struct top_word top[TOP_WORDS];
    top_words(&d->reader.tally, top);
    (void)printf("%3lld s: %lld lines sent, %lld words counted, %lld words/s, "
                 "lag %lld, commits %lld, first '%s' %lld\n",
                 (long long)((wr_mono_ms() - d->started_ms) / 1000),
                 (long long)atomic_load(&d->feed.acked),
                 (long long)total(&d->reader.tally), (long long)per_second,
                 (long long)d->lag, (long long)d->commits, top[0].word,
                 (long long)top[0].count);
    (void)fflush(stdout);
}

/* ---- the events of the demo --------------------------------------------- */

/* kill -9 of the last worker, whose tasks then move or come back. */
static void kill_worker(struct demo *d)
{
    struct wr_buf page;
    struct wr_buf pid;
    wr_buf_init(&page, PAGE_MAX);
    wr_buf_init(&pid, 32);
    int victim = d->pool.workers - 1;
    if (ask(d, victim, "/v1/app", &page) &&
        wr_json_member(wr_buf_view(&page), "pid", &pid) == WEIR_OK) {
        pid_t number = (pid_t)strtol(wr_buf_text(&pid), NULL, 10);
        (void)snprintf(d->event, sizeof(d->event),
                       "---- kill -9 of worker %d (pid %d)", victim + 1,
                       (int)number);
        (void)printf("%s\n", d->event);
        (void)fflush(stdout);
        if (number > 1) {
            (void)kill(number, SIGKILL);
        }
    }
    wr_buf_done(&page);
    wr_buf_done(&pid);
}

/* Asks each worker for the word; all must agree, whoever owns it. Reports which
 * one had to forward. */
static bool query_word(struct demo *d, const char *word, int64_t expected)
{
    char path[160];
    struct wr_buf page;
    struct wr_buf value;
    struct wr_buf task;
    bool ok = true;
    wr_buf_init(&page, PAGE_MAX);
    wr_buf_init(&value, 64);
    wr_buf_init(&task, 64);
    (void)snprintf(path, sizeof(path), "/v1/stores/" STORE "/keys/%.40s", word);
    for (int i = 0; i < d->pool.workers; i++) {
        wr_buf_reset(&value);
        wr_buf_reset(&task);
        bool answered =
            ask(d, i, path, &page) &&
            wr_json_member(wr_buf_view(&page), "value", &value) == WEIR_OK &&
            wr_json_member(wr_buf_view(&page), "task", &task) == WEIR_OK;
        bool same =
            answered && strtoll(wr_buf_text(&value), NULL, 10) == expected;
        ok = ok && same;
        char needle[80];
        (void)snprintf(needle, sizeof(needle), "\"task\":\"%.60s\"",
                       wr_buf_text(&task));
        bool owner = answered && ask(d, i, "/v1/tasks", &page) &&
                     strstr(wr_buf_text(&page), needle) != NULL;
        (void)printf("---- worker %d, asked for '%s': %s (%s)\n", i + 1, word,
                     answered ? wr_buf_text(&value) : "no answer",
                     !answered ? "?"
                     : owner   ? "its own"
                               : "forwarded to the owner");
    }
    wr_buf_done(&page);
    wr_buf_done(&value);
    wr_buf_done(&task);
    return ok;
}

/* ---- the course --------------------------------------------------------- */

static void pass_time(int64_t ms)
{
    (void)poll(NULL, 0, (int)ms);
}

/* The feeder is far faster than anything that counts: it waits when it is too
 * far ahead, so that what is shown is now and not what was sent long ago. */
static void pass_time_holding(struct demo *d, int64_t ms)
{
    int64_t until = wr_mono_ms() + ms;
    while (wr_mono_ms() < until && !interrupted) {
        pass_time(HOLD_MS);
        atomic_store(&d->feed.hold,
                     total(&d->feed.tally) - total(&d->reader.tally) >
                         AHEAD_MAX);
    }
}

static void feed_and_show(struct demo *d)
{
    int64_t end = d->started_ms + d->seconds * 1000;
    int64_t middle = d->started_ms + d->seconds * 500;
    bool killed = !d->kill_one;
    int64_t last = 0;
    int64_t last_ms = d->started_ms;
    while (!interrupted && wr_mono_ms() < end &&
           !atomic_load(&d->feed.failed)) {
        pass_time_holding(d, TICK_MS);
        look(d);
        int64_t now = wr_mono_ms();
        int64_t counted = total(&d->reader.tally);
        show(d, (counted - last) * 1000 / (now - last_ms + 1));
        last = counted;
        last_ms = now;
        if (!killed && now >= middle) {
            killed = true;
            kill_worker(d);
        }
    }
}

/* Until the counts are equal, or nothing more can be expected. */
static void drain(struct demo *d)
{
    int64_t deadline = wr_mono_ms() + DRAIN_MS;
    int64_t next_show = 0;
    while (total(&d->reader.tally) != total(&d->feed.tally) &&
           wr_mono_ms() < deadline && !interrupted) {
        pass_time(20);
        if (wr_mono_ms() >= next_show) {
            look(d);
            show(d, 0);
            next_show = wr_mono_ms() + TICK_MS;
        }
    }
    look(d);
    show(d, 0); /* what the verdict is about */
}

static enum weir_status verdict(struct demo *d, struct weir_error *err)
{
    struct top_word top[TOP_WORDS];
    top_words(&d->feed.tally, top);
    size_t differences =
        wr_tally_differences(&d->feed.tally, &d->reader.tally, 10);
    bool queried = true;
    for (int i = 0; i < 3; i++) {
        queried = query_word(d, top[i].word, top[i].count) && queried;
    }
    bool equal = differences == 0 && queried;
    (void)printf("expected %lld words, counted %lld, %zu of %zu different; "
                 "exactly once: %s\n",
                 (long long)total(&d->feed.tally),
                 (long long)total(&d->reader.tally), differences,
                 d->feed.tally.words.count, equal ? "yes" : "NO");
    return equal ? WEIR_OK
                 : weir_fail(err, WEIR_E_INTERNAL,
                             "the counts differ from what was sent");
}

static enum weir_status play(struct demo *d, struct weir_error *err)
{
    enum weir_status s = start_pool(d, err);
    if (s != WEIR_OK) {
        return s;
    }
    wr_http_client_start();
    s = wr_reader_start(&d->reader, d->broker, OUTPUT, err);
    if (s != WEIR_OK) {
        return s;
    }
    s = wr_feed_start(&d->feed, d->broker, INPUT, err);
    if (s == WEIR_OK) {
        d->started_ms = wr_mono_ms();
        feed_and_show(d);
        s = wr_feed_stop(&d->feed, err);
    }
    if (s == WEIR_OK) {
        drain(d);
        s = interrupted ? weir_fail(err, WEIR_E_CLOSED,
                                    "interrupted: %lld of %lld words counted "
                                    "so far, nothing compared",
                                    (long long)total(&d->reader.tally),
                                    (long long)total(&d->feed.tally))
                        : verdict(d, err);
    }
    wr_reader_stop(&d->reader);
    wr_tally_done(&d->reader.tally);
    wr_feed_done(&d->feed);
    return s;
}

/* ---- set-up ------------------------------------------------------------- */

/* The word count of the source tree that one stands in, or the one that was
 * installed with this program. */
static const char *find_application(const struct wr_cli *cli, struct demo *d)
{
    static const char in_tree[] = "examples/word_count.lua";
    const char *given = wr_cli_text(cli, "application", NULL);
    if (given || access(in_tree, R_OK) == 0) {
        return given ? given : in_tree;
    }
    char program[sizeof(d->application) / 2] = "";
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
    char *name = n > 0 ? strrchr(program, '/') : NULL;
    if (name) {
        *name = '\0';
    }
    (void)snprintf(d->application, sizeof(d->application),
                   "%s/" WEIR_EXAMPLES_FROM_BIN "/word_count.lua", program);
    return d->application;
}

static enum weir_status configure_pool(struct demo *d, struct weir_error *err)
{
    char path[128];
    struct weir_config *c = d->pool.config;
    (void)snprintf(path, sizeof(path), "%s/state", d->dir);
    enum weir_status s = weir_config_set(c, "state.dir", path, err);
    s = s == WEIR_OK
            ? weir_config_set(c, "processing.guarantee", "exactly_once_v2", err)
            : s;
    return s == WEIR_OK ? weir_config_set(c, "session.timeout.ms", "6000", err)
                        : s;
}

/* A broker of its own: any free port, data that is removed at the end. */
static enum weir_status configure_broker(struct demo *d, struct weir_error *err)
{
    char data[128];
    struct wr_pool *pool = &d->pool;
    (void)snprintf(d->broker, sizeof(d->broker), "127.0.0.1:0");
    (void)snprintf(data, sizeof(data), "%s/broker", d->dir);
    enum weir_status s = wr_choose_port(d->broker, sizeof(d->broker), err);
    s = s == WEIR_OK
            ? wr_options_new(wr_broker_options, NULL, &pool->broker_options)
            : s;
    s = s == WEIR_OK ? wr_options_set(pool->broker_options, "data.dir", data,
                                      "demo", err)
                     : s;
    return s == WEIR_OK ? wr_options_set(pool->broker_options, "listen",
                                         d->broker, "demo", err)
                        : s;
}

static enum weir_status set_up(const struct wr_cli *cli, struct demo *d,
                               struct weir_error *err)
{
    int64_t workers = 0;
    enum weir_status s = wr_cli_int(
        cli, "seconds", (struct wr_cli_range){10, 1, 86400}, &d->seconds, err);
    s = s == WEIR_OK
            ? wr_cli_int(cli, "workers", (struct wr_cli_range){2, 1, 16},
                         &workers, err)
            : s;
    if (s != WEIR_OK) {
        return s;
    }
    (void)snprintf(d->dir, sizeof(d->dir), "/tmp/weir-demo-XXXXXX");
    if (!mkdtemp(d->dir)) {
        d->dir[0] = '\0';
        return weir_fail(err, WEIR_E_IO, "no temporary folder in /tmp");
    }
    (void)snprintf(d->http_file, sizeof(d->http_file), "%s/http", d->dir);
    d->terminal = isatty(STDOUT_FILENO) != 0;
    d->kill_one = !wr_cli_has(cli, "no-kill");
    d->pool.application = find_application(cli, d);
    d->pool.workers = (int)workers;
    d->pool.http_file = d->http_file;
    d->pool.patience = (struct wr_child_patience){20000, 5000, 6000};
    (void)snprintf(d->pool.http_host, sizeof(d->pool.http_host), "127.0.0.1");
    d->pool.config = weir_config_new();
    if (!d->pool.config) {
        return weir_fail(err, WEIR_E_NOMEM, "out of memory");
    }
    s = configure_broker(d, err);
    return s == WEIR_OK ? configure_pool(d, err) : s;
}

int wr_demo(struct wr_cli *cli)
{
    struct weir_error err = {0};
    struct weir_error cleaning;
    struct demo *d = calloc(1, sizeof(*d));
    struct sigaction action = {.sa_handler = on_interrupt};
    if (!d) {
        return WR_EXIT_FAILED;
    }
    wr_log_configure(WR_WARN, WR_LOG_PRETTY); /* the table is the output */
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    enum weir_status s = set_up(cli, d, &err);
    s = s == WEIR_OK ? play(d, &err) : s;
    stop_pool(d);
    if (d->dir[0] && wr_remove_all(d->dir, &cleaning) != WEIR_OK) {
        (void)fprintf(stderr, "weir demo: %s\n", cleaning.text);
    }
    wr_options_free(d->pool.broker_options);
    weir_config_free(d->pool.config);
    free(d);
    return s == WEIR_OK ? WR_EXIT_OK : wr_cli_fail(&err);
}
