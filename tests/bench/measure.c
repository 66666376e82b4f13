/* SPDX-License-Identifier: Apache-2.0
 *
 * measure: runs an application and times it from outside, by what it commits.
 *
 *   measure run    --bootstrap B --group G --input T --records N
 *                  [--drain T --drain-records M] [--timeout-s N] [--log FILE]
 *                  -- COMMAND...
 *       starts the command, polls the offsets that group G has committed for T
 *       until they sum to N, then ends the command with SIGTERM. With --drain,
 *       M records go through that topic on the way: the work is half done when
 *       all is read from the one or half from both, and done when the group
 *       has caught up with both.
 *   measure first  --bootstrap B --group G --input T --output T [--log FILE]
 *                  -- COMMAND...
 *       the group exists and has no lag: one record goes into the input, the
 *       command starts; how long until a committed record is in the output?
 *   measure ends   --bootstrap B --topic T
 *       the end offsets of a topic, "12,0,7".
 *   measure verify --bootstrap B --topic T --from 12,0,7 --expect N [--counts]
 *       the committed records since those offsets are N, or, with --counts, the
 *       last counts (8 bytes, big-endian) of all keys sum to N.
 *
 * Prints one JSON object. The processor time is that of the whole process, all
 * threads, from its CPU clock; the memory is its peak resident set. Rates weigh
 * by offsets: from the first commit seen to the last, and for the warm half
 * from the first commit at or past the middle. A process of its own, so that
 * what it costs is not the application's. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    POLL_MS = 10,
    DRAIN_SLACK = 4,  /* transaction markers take offsets at a log's end */
    SETTLED_MS = 400, /* committed offsets that rest so long are final */
    PARTITIONS_MAX = 256
};

struct options {
    const char *bootstrap, *group, *input, *output, *drain, *topic, *from, *log;
    int64_t records, drain_records, expect;
    int timeout_s;
    bool counts;
    char **command;
};

static pid_t child;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "measure: %s: %s\n", what, why);
    if (child > 0)
        kill(child, SIGKILL);
    exit(1);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void rest(int ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

/* ---- the client --------------------------------------------------------- */

static rd_kafka_t *client(const char *bootstrap, const char *group,
                          const char *isolation)
{
    const char *settings[][2] = {
        {"bootstrap.servers", bootstrap},
        {"group.id", group ? group : "measure"},
        {"isolation.level", isolation},
        {"enable.auto.commit", "false"},
        {"enable.partition.eof", "true"},
        {"fetch.wait.max.ms", "50"},
        {"fetch.error.backoff.ms", "10"},
        {"auto.offset.reset", "error"},
        {"queued.max.messages.kbytes", "32768"},
    };
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], text,
                              sizeof text) != RD_KAFKA_CONF_OK)
            die(settings[i][0], text);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (!rk)
        die("client", text);
    return rk;
}

/* How many partitions a topic has; 0 while there is none. */
static int partition_count(rd_kafka_t *rk, const char *topic)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t e = rd_kafka_metadata(rk, 1, NULL, &metadata, 10000);
    if (e)
        die("metadata", rd_kafka_err2str(e));
    int count = 0;
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (strcmp(metadata->topics[i].topic, topic) == 0)
            count = metadata->topics[i].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    return count;
}

static rd_kafka_topic_partition_list_t *partitions_of(rd_kafka_t *rk,
                                                      const char *topic)
{
    int count = partition_count(rk, topic);
    if (count == 0)
        die(topic, "there is no such topic");
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(count);
    for (int p = 0; p < count; p++)
        rd_kafka_topic_partition_list_add(list, topic, p);
    return list;
}

/* Fills in what the group has committed; 0 where it has not. False while the
 * coordinator does not answer or a transaction is between. */
static bool committed(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list,
                      int64_t *out_sum)
{
    if (rd_kafka_committed(rk, list, 5000))
        return false;
    int64_t sum = 0;
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].err)
            return false;
        if (list->elems[i].offset < 0)
            list->elems[i].offset = 0;
        sum += list->elems[i].offset;
    }
    *out_sum = sum;
    return true;
}

static int64_t end_offset(rd_kafka_t *rk, const char *topic, int32_t partition)
{
    int64_t low, high;
    rd_kafka_resp_err_t e = rd_kafka_query_watermark_offsets(
        rk, topic, partition, &low, &high, 10000);
    if (e)
        die("end offset", rd_kafka_err2str(e));
    return high;
}

static bool caught_up(rd_kafka_t *rk,
                      const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++)
        if (list->elems[i].offset + DRAIN_SLACK <
            end_offset(rk, list->elems[i].topic, list->elems[i].partition))
            return false;
    return true;
}

/* ---- the application ---------------------------------------------------- */

static void start(const struct options *o)
{
    child = fork();
    if (child < 0)
        die("fork", strerror(errno));
    if (child > 0)
        return;
    int log = open(o->log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (log >= 0) {
        dup2(log, 1);
        dup2(log, 2);
    }
    execvp(o->command[0], o->command);
    fprintf(stderr, "%s: %s\n", o->command[0], strerror(errno));
    _exit(127);
}

static void must_live(void)
{
    int status;
    if (waitpid(child, &status, WNOHANG) == child) {
        child = 0;
        die("the application", "it ended by itself; see its log");
    }
}

/* The application may be a pool: what counts is the process and its children.
 */
static size_t processes(pid_t *out, size_t max)
{
    char path[64];
    size_t n = 0;
    int pid;
    out[n++] = child;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)child,
             (int)child);
    FILE *f = fopen(path, "r");
    while (f && n < max && fscanf(f, "%d", &pid) == 1)
        out[n++] = pid;
    if (f)
        fclose(f);
    return n;
}

static double cpu_s(void)
{
    pid_t pids[64];
    double sum = 0;
    size_t count = processes(pids, 64);
    for (size_t i = 0; i < count; i++) {
        clockid_t clock;
        struct timespec t;
        if (clock_getcpuclockid(pids[i], &clock) == 0 &&
            clock_gettime(clock, &t) == 0)
            sum += (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    }
    return sum;
}

static long peak_of(pid_t pid)
{
    char path[64], line[256];
    long kb = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kb = strtol(line + 6, NULL, 10);
    if (f)
        fclose(f);
    return kb;
}

static long peak_rss_kb(void)
{
    pid_t pids[64];
    long sum = 0;
    size_t count = processes(pids, 64);
    for (size_t i = 0; i < count; i++)
        sum += peak_of(pids[i]);
    return sum;
}

/* Ends it, and says how long that took. */
static double stop(void)
{
    double asked = now_s();
    int status;
    kill(child, SIGTERM);
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (now_s() - asked > 60)
            die("the application", "it did not end within 60 s of SIGTERM");
        rest(1);
    }
    child = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        die("the application", "it did not end with exit code 0");
    return now_s() - asked;
}

/* ---- verbs -------------------------------------------------------------- */

struct point {
    double at_s, cpu_s, done; /* done: in records of the input */
};

/* What the group has done, in records of the input: all of it, or half of it
 * and half of what lies between. Negative while that cannot be told. */
static double progress(rd_kafka_t *rk, const struct options *o,
                       rd_kafka_topic_partition_list_t *input,
                       rd_kafka_topic_partition_list_t **drain)
{
    int64_t read, between = 0;
    if (!committed(rk, input, &read))
        return -1;
    if (!o->drain)
        return (double)read;
    if (!*drain && partition_count(rk, o->drain) > 0)
        *drain = partitions_of(rk, o->drain);
    if (*drain && !committed(rk, *drain, &between))
        return -1;
    if (between > o->drain_records) /* markers of transactions */
        between = o->drain_records;
    return (double)read / 2 +
           (double)o->records / 2 * (double)between / (double)o->drain_records;
}

static int run(const struct options *o)
{
    rd_kafka_t *rk = client(o->bootstrap, o->group, "read_uncommitted");
    rd_kafka_topic_partition_list_t *input = partitions_of(rk, o->input);
    rd_kafka_topic_partition_list_t *drain = NULL;
    struct point first = {0}, middle = {0}, last = {0};
    double began = now_s(), n = (double)o->records;
    start(o);
    for (;; rest(POLL_MS)) {
        must_live();
        double at = now_s();
        if (at - began > o->timeout_s)
            die("the application", "too slow: time is up");
        double done = progress(rk, o, input, &drain);
        struct point p = {at, cpu_s(), done};
        if (done > last.done)
            last = p;
        if (done > 0 && first.done <= 0)
            first = p;
        if (done >= n / 2 && middle.done <= 0)
            middle = p;
        /* With two topics the end is not exact, but then it rests. */
        if (o->drain ? done > n * 0.99 && at - last.at_s > SETTLED_MS / 1e3 &&
                           caught_up(rk, input) && caught_up(rk, drain)
                     : done >= n)
            break;
    }
    long rss = peak_rss_kb();
    double stop_s = stop();
    double whole = last.at_s - first.at_s, half = last.at_s - middle.at_s;
    /* One commit may have held it all: then there is no slope to measure. */
    double rate = whole > 0 ? (last.done - first.done) / whole : 0;
    double warm = half > 0 ? (last.done - middle.done) / half : 0;
    double cpu_us = (last.cpu_s - middle.cpu_s) * 1e6;
    printf("{\"records\": %" PRId64 ", \"first_commit_s\": %.3f, "
           "\"total_s\": %.3f, \"rate\": %.0f, \"warm_rate\": %.0f, "
           "\"cpu_us\": %.3f, \"warm_cpu_us\": %.3f, \"cpu_s\": %.3f, "
           "\"rss_kb\": %ld, \"stop_s\": %.3f}\n",
           o->records, first.at_s - began, last.at_s - began, rate, warm,
           last.cpu_s * 1e6 / n,
           half > 0 ? cpu_us / (last.done - middle.done) : 0, last.cpu_s, rss,
           stop_s);
    rd_kafka_topic_partition_list_destroy(input);
    if (drain)
        rd_kafka_topic_partition_list_destroy(drain);
    rd_kafka_destroy(rk);
    return 0;
}

static void put_one(const char *bootstrap, const char *topic)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, text,
                          sizeof text) != RD_KAFKA_CONF_OK)
        die("bootstrap.servers", text);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!rk)
        die("client", text);
    rd_kafka_resp_err_t e = rd_kafka_producev(
        rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY("first", 5),
        RD_KAFKA_V_VALUE("first", 5), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_END);
    if (e)
        die("produce", rd_kafka_err2str(e));
    if (rd_kafka_flush(rk, 10000))
        die("produce", "not taken within 10 s");
    rd_kafka_destroy(rk);
}

static int first(const struct options *o)
{
    rd_kafka_t *rk = client(o->bootstrap, NULL, "read_committed");
    rd_kafka_topic_partition_list_t *list = partitions_of(rk, o->output);
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset =
            end_offset(rk, o->output, list->elems[i].partition);
    if (rd_kafka_assign(rk, list))
        die("assign", o->output);
    for (int seen = 0; seen < list->cnt;) { /* connected, at the end of all */
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 10000);
        if (!m)
            die(o->output, "no answer within 10 s");
        seen += m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (m->err && m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
            die(o->output, rd_kafka_message_errstr(m));
        rd_kafka_message_destroy(m);
    }
    put_one(o->bootstrap, o->input);
    double began = now_s(), came = 0;
    start(o);
    while (came == 0) {
        must_live();
        if (now_s() - began > o->timeout_s)
            die("the application", "no output: time is up");
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 50);
        if (m && !m->err)
            came = now_s();
        if (m)
            rd_kafka_message_destroy(m);
    }
    double cpu = cpu_s();
    long rss = peak_rss_kb();
    double stop_s = stop();
    printf("{\"first_output_ms\": %.1f, \"cpu_s\": %.3f, \"rss_kb\": %ld, "
           "\"stop_s\": %.3f}\n",
           (came - began) * 1e3, cpu, rss, stop_s);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return 0;
}

static int ends(const struct options *o)
{
    rd_kafka_t *rk = client(o->bootstrap, NULL, "read_uncommitted");
    int count = partition_count(rk, o->topic);
    if (count == 0)
        die(o->topic, "there is no such topic");
    for (int p = 0; p < count; p++)
        printf("%s%" PRId64, p ? "," : "", end_offset(rk, o->topic, p));
    printf("\n");
    rd_kafka_destroy(rk);
    return 0;
}

/* ---- verification ------------------------------------------------------- */

/* The last count of each key: open addressing, doubled when half full. */
struct entry {
    char *key; /* NULL: free */
    size_t key_len;
    int64_t count;
};
struct table {
    struct entry *entries;
    size_t capacity, used; /* capacity is a power of two */
};

static uint64_t hash(const char *key, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)key[i]) * 0x100000001b3u;
    return h ^ (h >> 29);
}

static struct entry *slot(struct table *t, const char *key, size_t n)
{
    size_t i = hash(key, n) & (t->capacity - 1);
    while (t->entries[i].key && (t->entries[i].key_len != n ||
                                 memcmp(t->entries[i].key, key, n) != 0))
        i = (i + 1) & (t->capacity - 1);
    return &t->entries[i];
}

static void grow(struct table *t)
{
    struct table larger = {.capacity = t->capacity ? t->capacity * 2 : 1024,
                           .used = t->used};
    larger.entries = calloc(larger.capacity, sizeof *larger.entries);
    if (!larger.entries)
        die("keys", "no memory");
    for (size_t i = 0; i < t->capacity; i++)
        if (t->entries[i].key)
            *slot(&larger, t->entries[i].key, t->entries[i].key_len) =
                t->entries[i];
    free(t->entries);
    *t = larger;
}

/* Sets the key's count and returns by how much it changed. */
static int64_t set_count(struct table *t, const char *key, size_t n,
                         int64_t count)
{
    if (t->used * 2 >= t->capacity)
        grow(t);
    struct entry *e = slot(t, key, n);
    if (!e->key) {
        e->key = malloc(n + 1);
        if (!e->key)
            die("keys", "no memory");
        memcpy(e->key, key, n);
        e->key_len = n;
        t->used++;
    }
    int64_t change = count - e->count;
    e->count = count;
    return change;
}

static int64_t big_endian(const void *data)
{
    const unsigned char *b = data;
    uint64_t n = 0;
    for (int i = 0; i < 8; i++)
        n = n << 8 | b[i];
    return (int64_t)n;
}

static int verify(const struct options *o)
{
    rd_kafka_t *rk = client(o->bootstrap, NULL, "read_committed");
    rd_kafka_topic_partition_list_t *list = partitions_of(rk, o->topic);
    char *at = (char *)(uintptr_t)o->from;
    for (int i = 0; i < list->cnt; i++) {
        list->elems[i].offset = strtoll(at, &at, 10);
        if (*at == ',')
            at++;
    }
    if (rd_kafka_assign(rk, list))
        die("assign", o->topic);
    struct table counts = {0};
    int64_t seen = 0, sum = 0;
    bool ended[PARTITIONS_MAX] = {false};
    for (int left = list->cnt; left > 0;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 30000);
        if (!m)
            die(o->topic, "no record and no end within 30 s");
        if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            if (m->partition >= PARTITIONS_MAX)
                die(o->topic, "too many partitions");
            left -= !ended[m->partition];
            ended[m->partition] = true;
        } else if (m->err) {
            die(o->topic, rd_kafka_message_errstr(m));
        } else {
            seen++;
            if (o->counts && m->len != 8)
                die(o->topic, "a value is not a count of 8 bytes");
            if (o->counts)
                sum += set_count(&counts, m->key, m->key_len,
                                 big_endian(m->payload));
        }
        rd_kafka_message_destroy(m);
    }
    int64_t found = o->counts ? sum : seen;
    printf("{\"output_records\": %" PRId64
           ", \"keys\": %zu, \"found\": %" PRId64 ", \"expected\": %" PRId64
           "}\n",
           seen, counts.used, found, o->expect);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    for (size_t i = 0; i < counts.capacity; i++)
        free(counts.entries[i].key);
    free(counts.entries);
    return found == o->expect ? 0 : 1;
}

static bool parse(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"bootstrap", 1, NULL, 'b'},     {"group", 1, NULL, 'g'},
        {"input", 1, NULL, 'i'},         {"output", 1, NULL, 'o'},
        {"drain", 1, NULL, 'd'},         {"topic", 1, NULL, 't'},
        {"from", 1, NULL, 'f'},          {"log", 1, NULL, 'l'},
        {"records", 1, NULL, 'n'},       {"expect", 1, NULL, 'e'},
        {"drain-records", 1, NULL, 'm'}, {"timeout-s", 1, NULL, 's'},
        {"counts", 0, NULL, 'c'},        {NULL, 0, NULL, 0}};
    for (int c; argc > 1 && (c = getopt_long(argc - 1, argv + 1, "+", known,
                                             NULL)) != -1;) {
        switch (c) {
        case 'b':
            o->bootstrap = optarg;
            break;
        case 'g':
            o->group = optarg;
            break;
        case 'i':
            o->input = optarg;
            break;
        case 'o':
            o->output = optarg;
            break;
        case 'd':
            o->drain = optarg;
            break;
        case 't':
            o->topic = optarg;
            break;
        case 'f':
            o->from = optarg;
            break;
        case 'l':
            o->log = optarg;
            break;
        case 'n':
            o->records = strtoll(optarg, NULL, 10);
            break;
        case 'm':
            o->drain_records = strtoll(optarg, NULL, 10);
            break;
        case 'e':
            o->expect = strtoll(optarg, NULL, 10);
            break;
        case 's':
            o->timeout_s = (int)strtol(optarg, NULL, 10);
            break;
        case 'c':
            o->counts = true;
            break;
        default:
            return false;
        }
    }
    o->command = argv + 1 + optind;
    return o->bootstrap != NULL;
}

int main(int argc, char **argv)
{
    struct options o = {.timeout_s = 600, .log = "/dev/null"};
    const char *verb = argc > 1 ? argv[1] : "";
    bool given = argc > 1 && parse(argc, argv, &o);
    bool command = given && o.command[0] != NULL;
    if (given && strcmp(verb, "run") == 0 && o.group && o.input &&
        o.records > 0 && command)
        return run(&o);
    if (given && strcmp(verb, "first") == 0 && o.input && o.output && command)
        return first(&o);
    if (given && strcmp(verb, "ends") == 0 && o.topic)
        return ends(&o);
    if (given && strcmp(verb, "verify") == 0 && o.topic && o.from)
        return verify(&o);
    fprintf(stderr, "usage: measure run|first|ends|verify --bootstrap B ... "
                    "(see the head of measure.c)\n");
    return 2;
}
