/* SPDX-License-Identifier: Apache-2.0
 *
 * The broker under SIGKILL: producers write as fast as they are answered, the
 * broker is killed at random moments and started again, and at the end every
 * record that was acknowledged has to be at the offset that its acknowledgement
 * named, once.
 *
 *   broker_kill [--kills N] [--seed S] [--records N] [--dir FOLDER]
 *               [--durability sync|interval|none] [--kafka SCRIPT]
 *
 * Moments are counted in records that were acknowledged since the broker came
 * back, 0 to twice --records: a slow machine takes longer, and meets the same.
 * One time in three the broker stays away until producers have waited for it.
 *
 * Two idempotent producers and one transactional, over four partitions. Every
 * value is unique: "<producer>:<number>:<transaction>". Checked at the end:
 *   - an acknowledged record is at its offset, with its value
 *   - no value is there twice; each producer's numbers rise in each partition
 *   - read committed: committed transactions whole and once, aborted ones not
 *     at all, those whose outcome is not known whole or not at all
 * Ends with "N passed, N failed". The broker is this program, started anew with
 * --serve. */
#include "base/clock.h"
#include "broker/weir_broker.h"

#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOPIC         "kill"
#define PARTITIONS    4
#define PRODUCERS     3 /* the last is the transactional one */
#define RECORDS_MAX   400000
#define TXNS_MAX      20000
#define SECONDS_MAX   240
#define IN_FLIGHT_MAX 16    /* records of a producer that are not answered */
#define POLL_MS       10    /* a producer waits for answers so long at a time */
#define OUTAGE_MAX    30    /* such waits, in vain, while the broker is away */
#define PATIENCE_MS   60000 /* for something that must happen */

enum outcome { UNKNOWN, COMMITTED, ABORTED };

/* One record, by its producer's number. */
struct sent {
    int64_t offset; /* acknowledged there; -1: not acknowledged */
    int32_t partition;
    int32_t txn;
    int32_t seen_all;       /* times, read uncommitted */
    int32_t seen_committed; /* times, read committed */
};

struct producer {
    pthread_t thread;
    int id;
    rd_kafka_t *rk;
    struct sent *sent;
    int32_t count;
    int32_t in_flight; /* sent and not reported on */
    enum outcome txns[TXNS_MAX];
    int32_t txn_count;
};

static struct producer producers[PRODUCERS];
static char bootstrap[64];
static char durability[16] = "sync";
static const char *kafka; /* script of another broker, or NULL */
static atomic_bool stopping;
static atomic_int fatal;
static int passed, failed;
static uint64_t rng_state = 1;

/* What the killer waits for. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t acknowledged; /* records */
    int64_t starved;      /* times a producer found no room for a record */
} progress = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};

static void progress_add(int64_t *what)
{
    (void)pthread_mutex_lock(&progress.lock);
    (*what)++;
    (void)pthread_cond_signal(&progress.changed);
    (void)pthread_mutex_unlock(&progress.lock);
}

/* Until *what has risen by n; false when it takes too long. */
static bool progress_wait(const int64_t *what, int64_t n)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    int late = 0;
    (void)pthread_mutex_lock(&progress.lock);
    int64_t due = *what + n;
    while (*what < due && late == 0 && !atomic_load(&fatal)) {
        late =
            pthread_cond_timedwait(&progress.changed, &progress.lock, &until);
    }
    (void)pthread_mutex_unlock(&progress.lock);
    return late == 0;
}

static uint32_t rng(uint32_t below)
{
    rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(rng_state >> 33) % below;
}

static void check(bool ok, const char *what, int64_t bad)
{
    (void)printf("%s %s", ok ? "ok     " : "FAILED ", what);
    (void)printf(ok ? "\n" : ": %" PRId64 " times\n", bad);
    *(ok ? &passed : &failed) += 1;
}

/* ---- the broker ---------------------------------------------------------- */

static struct wr_broker *served;

static void serve_stop(int number)
{
    (void)number;
    wr_broker_stop(served);
}

static int serve(const char *dir, const char *listen, const char *mode)
{
    struct wr_options *options = NULL;
    struct weir_error err = {0};
    if (wr_options_new(wr_broker_options, NULL, &options) != WEIR_OK ||
        wr_options_set(options, "data.dir", dir, "", &err) != WEIR_OK ||
        wr_options_set(options, "listen", listen, "", &err) != WEIR_OK ||
        wr_options_set(options, "durability", mode, "", &err) != WEIR_OK ||
        wr_options_set(options, "log.segment.bytes", "1m", "", &err) !=
            WEIR_OK ||
        wr_options_set(options, "num.partitions", "4", "", &err) != WEIR_OK ||
        wr_broker_open(options, &served, &err) != WEIR_OK) {
        (void)fprintf(stderr, "broker: %s\n", err.text);
        return 1;
    }
    struct sigaction stop = {.sa_handler = serve_stop};
    (void)sigaction(SIGTERM, &stop, NULL);
    (void)printf("%s\n", wr_broker_address(served));
    (void)fflush(stdout);
    enum weir_status status = wr_broker_run(served, &err);
    wr_broker_close(served);
    return status == WEIR_OK ? 0 : 1;
}

static void kafka_do(const char *what, const char *dir, const char *more)
{
    char command[1024];
    (void)snprintf(command, sizeof(command), "%s %s --data %s %s >/dev/null",
                   kafka, what, dir, more);
    if (system(command) != 0) {
        (void)fprintf(stderr, "failed: %s\n", command);
    }
}

static void broker_kill(pid_t pid, const char *dir, int number)
{
    if (kafka) {
        kafka_do(number == SIGKILL ? "kill" : "stop", dir, "");
        return;
    }
    (void)kill(pid, number);
    (void)waitpid(pid, NULL, 0);
}

/* Starts the broker; its address is in `bootstrap` on return. */
static pid_t broker_start(const char *dir, const char *listen)
{
    int fds[2];
    if (kafka) {
        (void)snprintf(bootstrap, sizeof(bootstrap), "127.0.0.1:19531");
        kafka_do("start", dir,
                 "--port 19531 -X num.partitions=4 "
                 "-X offsets.topic.replication.factor=1 "
                 "-X transaction.state.log.replication.factor=1 "
                 "-X transaction.state.log.min.isr=1");
        return 1;
    }
    if (pipe(fds) != 0) {
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(fds[1], STDOUT_FILENO);
        (void)close(fds[0]);
        (void)close(fds[1]);
        (void)execl("/proc/self/exe", "broker_kill", "--serve", dir, listen,
                    durability, (char *)NULL);
        _exit(127);
    }
    (void)close(fds[1]);
    FILE *from = fdopen(fds[0], "r");
    char line[64] = "";
    if (!from || !fgets(line, sizeof(line), from)) {
        (void)fprintf(stderr, "the broker does not start\n");
        exit(1);
    }
    (void)fclose(from);
    line[strcspn(line, "\n")] = '\0';
    memcpy(bootstrap, line, sizeof(line));
    return pid;
}

/* ---- producers ----------------------------------------------------------- */

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *message,
                      void *opaque)
{
    struct producer *p = opaque;
    (void)rk;
    p->in_flight--;
    if (message->err == 0) {
        struct sent *sent = &p->sent[(intptr_t)message->_private];
        sent->offset = message->offset;
        sent->partition = message->partition;
        progress_add(&progress.acknowledged);
    }
}

static rd_kafka_t *client_new(rd_kafka_type_t type, struct producer *p,
                              const char *const *settings)
{
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    (void)rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, text,
                            sizeof(text));
    (void)rd_kafka_conf_set(conf, "reconnect.backoff.max.ms", "100", text,
                            sizeof(text));
    (void)rd_kafka_conf_set(conf, "log_level", "2", text, sizeof(text));
    for (size_t i = 0; settings[i]; i += 2) {
        if (rd_kafka_conf_set(conf, settings[i], settings[i + 1], text,
                              sizeof(text)) != RD_KAFKA_CONF_OK) {
            (void)fprintf(stderr, "%s\n", text);
            exit(1);
        }
    }
    if (type == RD_KAFKA_PRODUCER) {
        rd_kafka_conf_set_dr_msg_cb(conf, delivered);
        rd_kafka_conf_set_opaque(conf, p);
    }
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof(text));
    if (!rk) {
        (void)fprintf(stderr, "%s\n", text);
        exit(1);
    }
    return rk;
}

/* Sends a record once there is room for one more that is not answered. */
static void send_one(struct producer *p)
{
    char value[64];
    (void)rd_kafka_poll(p->rk, 0);
    while (p->in_flight >= IN_FLIGHT_MAX && !atomic_load(&stopping) &&
           rd_kafka_fatal_error(p->rk, NULL, 0) == 0) {
        if (rd_kafka_poll(p->rk, POLL_MS) == 0) {
            progress_add(&progress.starved);
        }
    }
    if (p->count == RECORDS_MAX) {
        atomic_fetch_add(&fatal, 1);
        (void)fprintf(stderr, "producer %d: too many records\n", p->id);
        return;
    }
    int32_t number = p->count;
    p->sent[number] = (struct sent){.offset = -1, .txn = p->txn_count};
    int n = snprintf(value, sizeof(value), "%d:%" PRId32 ":%" PRId32, p->id,
                     number, p->txn_count);
    rd_kafka_resp_err_t err = rd_kafka_producev(
        p->rk, RD_KAFKA_V_TOPIC(TOPIC),
        RD_KAFKA_V_PARTITION(number % PARTITIONS),
        RD_KAFKA_V_VALUE(value, (size_t)n),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_OPAQUE((void *)(intptr_t)number), RD_KAFKA_V_END);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        p->count++;
        p->in_flight++;
    }
}

/* Whether the producer is of no use any more. */
static bool is_fatal(struct producer *p)
{
    char text[256];
    rd_kafka_resp_err_t err = rd_kafka_fatal_error(p->rk, text, sizeof(text));
    if (err) {
        (void)fprintf(stderr, "producer %d: %s\n", p->id, text);
    }
    return err != 0;
}

static void *plain_main(void *arg)
{
    struct producer *p = arg;
    static const char *const settings[] = {
        "enable.idempotence", "true",   "linger.ms", "1",
        "message.timeout.ms", "120000", NULL};
    p->rk = client_new(RD_KAFKA_PRODUCER, p, settings);
    while (!atomic_load(&stopping) && !atomic_load(&fatal)) {
        send_one(p);
        atomic_fetch_add(&fatal, is_fatal(p));
    }
    (void)rd_kafka_flush(p->rk, 60000);
    atomic_fetch_add(&fatal, is_fatal(p));
    rd_kafka_destroy(p->rk);
    return NULL;
}

/* Repeats an operation of a transaction while it says so; what it said last. */
static rd_kafka_resp_err_t
until_done(struct producer *p, rd_kafka_error_t *(*op)(rd_kafka_t *, int),
           bool *out_abortable)
{
    for (int i = 0; i < 1000; i++) {
        rd_kafka_error_t *error = op(p->rk, 20000);
        rd_kafka_resp_err_t code = rd_kafka_error_code(error);
        bool retry = error && rd_kafka_error_is_retriable(error);
        *out_abortable = error && rd_kafka_error_txn_requires_abort(error);
        if (error && !retry && !*out_abortable) {
            (void)fprintf(stderr, "transactions: %s\n",
                          rd_kafka_error_string(error));
        }
        rd_kafka_error_destroy(error);
        if (!retry) {
            return code;
        }
    }
    return RD_KAFKA_RESP_ERR__TIMED_OUT;
}

static void one_txn(struct producer *p, uint32_t *random)
{
    bool abortable;
    *random = *random * 1103515245u + 12345u;
    rd_kafka_error_t *error = rd_kafka_begin_transaction(p->rk);
    if (error) {
        rd_kafka_error_destroy(error);
        (void)rd_kafka_poll(p->rk, 10);
        return;
    }
    int n = 1 + (int)(*random >> 16) % 30;
    for (int i = 0; i < n; i++) {
        send_one(p);
    }
    bool commit = (*random >> 8) % 4 != 0;
    enum outcome outcome = UNKNOWN;
    if (commit) {
        rd_kafka_resp_err_t code =
            until_done(p, rd_kafka_commit_transaction, &abortable);
        if (code == 0) {
            outcome = COMMITTED;
        } else if (abortable) {
            commit = false;
        }
    }
    if (!commit && until_done(p, rd_kafka_abort_transaction, &abortable) == 0) {
        outcome = ABORTED;
    }
    p->txns[p->txn_count++] = outcome;
}

/* A transactional producer may end with a fatal error, on Apache Kafka as well:
 * when the broker dies before it took the first partition of a transaction,
 * librdkafka still asks to abort, and hears INVALID_TXN_STATE. An application
 * starts another. */
static void *txn_main(void *arg)
{
    struct producer *p = arg;
    bool abortable;
    int started = 0;
    uint32_t random = (uint32_t)rng_state;
    static const char *const settings[] = {
        "transactional.id",       "killer", "linger.ms", "1",
        "transaction.timeout.ms", "60000",  NULL};
    while (!atomic_load(&stopping) && !atomic_load(&fatal)) {
        p->rk = client_new(RD_KAFKA_PRODUCER, p, settings);
        p->in_flight = 0;
        started++;
        bool good = until_done(p, rd_kafka_init_transactions, &abortable) == 0;
        while (good && !atomic_load(&stopping) && !atomic_load(&fatal) &&
               p->txn_count < TXNS_MAX) {
            one_txn(p, &random);
            good = !is_fatal(p);
        }
        rd_kafka_destroy(p->rk);
    }
    (void)printf("%d transactional producers, one after the other\n", started);
    return NULL;
}

/* ---- what is there at the end -------------------------------------------- */

struct findings {
    int64_t wrong_place, unknown_value, disorder, records;
    int32_t last[PRODUCERS][PARTITIONS];
};

static void look_at(struct findings *f, const rd_kafka_message_t *m,
                    bool committed)
{
    int id;
    int32_t number, txn;
    char text[64] = "";
    memcpy(text, m->payload, m->len < 63 ? m->len : 63);
    f->records++;
    if (sscanf(text, "%d:%" SCNd32 ":%" SCNd32, &id, &number, &txn) != 3 ||
        id < 0 || id >= PRODUCERS || number >= producers[id].count) {
        f->unknown_value++;
        return;
    }
    struct sent *sent = &producers[id].sent[number];
    if (sent->offset >= 0 &&
        (sent->offset != m->offset || sent->partition != m->partition)) {
        f->wrong_place++;
    }
    if (number <= f->last[id][m->partition]) {
        f->disorder++;
    }
    f->last[id][m->partition] = number;
    *(committed ? &sent->seen_committed : &sent->seen_all) += 1;
}

static struct findings read_all(bool committed)
{
    struct findings f = {0};
    const char *const settings[] = {"group.id",
                                    "reader",
                                    "enable.partition.eof",
                                    "true",
                                    "isolation.level",
                                    committed ? "read_committed"
                                              : "read_uncommitted",
                                    "auto.offset.reset",
                                    "earliest",
                                    "enable.auto.commit",
                                    "false",
                                    "check.crcs",
                                    "true",
                                    NULL};
    memset(f.last, 0xff, sizeof(f.last));
    rd_kafka_t *rk = client_new(RD_KAFKA_CONSUMER, NULL, settings);
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(PARTITIONS);
    for (int32_t p = 0; p < PARTITIONS; p++) {
        rd_kafka_topic_partition_list_add(list, TOPIC, p)->offset =
            RD_KAFKA_OFFSET_BEGINNING;
    }
    (void)rd_kafka_assign(rk, list);
    int ends = 0;
    int64_t deadline = wr_mono_ms() + 60000;
    while (ends < PARTITIONS && wr_mono_ms() < deadline) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 1000);
        if (m && m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            ends++;
        } else if (m && m->err == 0) {
            look_at(&f, m, committed);
        }
        if (m) {
            rd_kafka_message_destroy(m);
        }
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
    check(ends == PARTITIONS, "every partition can be read to its end",
          PARTITIONS - ends);
    return f;
}

static void judge_records(void)
{
    int64_t lost = 0, twice = 0, acked = 0;
    for (int id = 0; id < PRODUCERS; id++) {
        for (int32_t n = 0; n < producers[id].count; n++) {
            const struct sent *sent = &producers[id].sent[n];
            acked += sent->offset >= 0;
            lost += sent->offset >= 0 && sent->seen_all == 0;
            twice += sent->seen_all > 1;
            if (sent->offset >= 0 && sent->seen_all == 0 && lost < 10) {
                (void)printf("lost: %d:%" PRId32 ":%" PRId32
                             " acknowledged at %" PRId32 "@%" PRId64 "\n",
                             id, n, sent->txn, sent->partition, sent->offset);
            }
        }
    }
    (void)printf("%" PRId64 " records acknowledged\n", acked);
    check(acked > 100, "there was something to lose", acked);
    check(lost == 0, "no acknowledged record is lost", lost);
    check(twice == 0, "no record is there twice", twice);
}

static void judge_txns(void)
{
    const struct producer *p = &producers[PRODUCERS - 1];
    int64_t torn = 0, lost = 0, dirty = 0, twice = 0, committed = 0;
    for (int32_t n = 0; n < p->count;) {
        int32_t txn = p->sent[n].txn;
        int32_t all = 0, seen = 0;
        for (; n < p->count && p->sent[n].txn == txn; n++) {
            all++;
            seen += p->sent[n].seen_committed > 0;
            twice += p->sent[n].seen_committed > 1;
        }
        enum outcome outcome = txn < p->txn_count ? p->txns[txn] : UNKNOWN;
        torn += seen != 0 && seen != all;
        lost += outcome == COMMITTED && seen != all;
        dirty += outcome == ABORTED && seen != 0;
        committed += outcome == COMMITTED;
    }
    (void)printf("%" PRId64 " transactions committed of %" PRId32 "\n",
                 committed, p->txn_count);
    check(committed > 5, "transactions were committed", committed);
    check(lost == 0, "committed transactions are whole", lost);
    check(dirty == 0, "aborted transactions are not seen", dirty);
    check(torn == 0, "no transaction is seen in part", torn);
    check(twice == 0, "none is seen twice", twice);
}

/* ---- the run ------------------------------------------------------------- */

static pid_t kill_loop(pid_t broker, const char *dir, int kills,
                       uint32_t records)
{
    char listen[64];
    int64_t stuck = 0;
    memcpy(listen, bootstrap, sizeof(listen));
    for (int i = 0; i < kills && !atomic_load(&fatal); i++) {
        stuck += !progress_wait(&progress.acknowledged, rng(2 * records + 1));
        broker_kill(broker, dir, SIGKILL);
        if (rng(3) == 0) {
            stuck += !progress_wait(&progress.starved, rng(OUTAGE_MAX));
        }
        broker = broker_start(dir, listen);
    }
    stuck += !progress_wait(&progress.acknowledged, records);
    check(stuck == 0, "the producers go on after each start", stuck);
    return broker;
}

int main(int argc, char **argv)
{
    int kills = 30;
    uint32_t records = 2000; /* between two kills, on average */
    char made[] = "/tmp/weir-kill-XXXXXX";
    const char *dir = NULL;
    if (argc == 5 && strcmp(argv[1], "--serve") == 0) {
        return serve(argv[2], argv[3], argv[4]);
    }
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--kills") == 0) {
            kills = (int)strtol(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0) {
            rng_state = strtoull(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--records") == 0) {
            records = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--durability") == 0) {
            (void)snprintf(durability, sizeof(durability), "%s", argv[i + 1]);
        } else if (strcmp(argv[i], "--kafka") == 0) {
            kafka = argv[i + 1];
        } else if (strcmp(argv[i], "--dir") == 0) {
            dir = argv[i + 1];
        }
    }
    dir = dir ? dir : mkdtemp(made);
    (void)printf("seed %" PRIu64 ", %d kills, durability %s, data in %s\n",
                 rng_state, kills, durability, dir);
    (void)alarm(SECONDS_MAX); /* whatever hangs, the test ends */
    pid_t broker = broker_start(dir, "127.0.0.1:0");
    for (int id = 0; id < PRODUCERS; id++) {
        producers[id].id = id;
        producers[id].sent = calloc(RECORDS_MAX, sizeof(struct sent));
        (void)pthread_create(&producers[id].thread, NULL,
                             id == PRODUCERS - 1 ? txn_main : plain_main,
                             &producers[id]);
    }
    broker = kill_loop(broker, dir, kills, records);
    atomic_store(&stopping, true);
    for (int id = 0; id < PRODUCERS; id++) {
        (void)pthread_join(producers[id].thread, NULL);
    }
    check(atomic_load(&fatal) == 0, "no idempotent producer met a fatal error",
          atomic_load(&fatal));
    struct findings all = read_all(false);
    check(all.wrong_place == 0, "acknowledged records are at their offsets",
          all.wrong_place);
    check(all.unknown_value == 0, "nothing is there that nobody sent",
          all.unknown_value);
    check(all.disorder == 0, "each producer's records are in order",
          all.disorder);
    (void)read_all(true);
    judge_records();
    judge_txns();
    broker_kill(broker, dir, SIGTERM);
    (void)printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
