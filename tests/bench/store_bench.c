/* SPDX-License-Identifier: Apache-2.0
 *
 * What a record costs in a store: get + put of one key, a commit every so many
 * records, write-downs included; then restore and ranges. Prints microseconds
 * of wall and of CPU (all threads, RocksDB's included) per operation.
 *
 *   store_bench [--keys N] [--records N] [--value BYTES] [--commit RECORDS]
 *               [--warm MIB] [--blocks MIB] [--zipf 0|1] [--dir DIR] [--memory]
 * [--caching] */
#include "base/clock.h"
#include "base/fs.h"
#include "stores/store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct bench {
    uint64_t keys;
    uint64_t records;
    size_t value_len;
    uint64_t commit_every;
    size_t warm_mib;
    size_t block_mib;
    bool zipf;
    bool memory;
    bool caching;
    bool inline_down;
    const char *dir;
    uint64_t random;
    int64_t logged;
    double zipf_zeta;
    struct wr_store_env *env;
    struct wr_task_state *state;
    struct weir_store *store;
    struct weir_store_spec spec;
};

static void must(enum weir_status s, const char *what,
                 const struct weir_error *err)
{
    if (s != WEIR_OK) {
        fprintf(stderr, "store_bench: %s: %s %s\n", what, weir_status_name(s),
                err ? err->text : "");
        exit(1);
    }
}

static enum weir_status on_log(void *user, int index, struct weir_bytes key,
                               struct weir_bytes value, int64_t timestamp_ms)
{
    (void)index, (void)key, (void)value, (void)timestamp_ms;
    ((struct bench *)user)->logged++;
    return WEIR_OK;
}

static int64_t on_time(void *user)
{
    (void)user;
    return 1;
}

static uint64_t rnd(struct bench *b)
{
    uint64_t z = b->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Zipf with exponent 0.99 (Gray et al., as YCSB does it), scattered over keys.
 */
static uint64_t zipf(struct bench *b)
{
    if (b->keys == 0) {
        return 0;
    }
    const double theta = 0.99;
    double n = (double)b->keys;
    if (b->zipf_zeta == 0.0) {
        for (uint64_t i = 1; i <= b->keys; i++) {
            b->zipf_zeta += 1.0 / pow((double)i, theta);
        }
    }
    double zeta2 = 1.0 + pow(0.5, theta);
    double alpha = 1.0 / (1.0 - theta);
    double eta =
        (1.0 - pow(2.0 / n, 1.0 - theta)) / (1.0 - zeta2 / b->zipf_zeta);
    double u = (double)(rnd(b) >> 11) / 9007199254740992.0;
    double uz = u * b->zipf_zeta;
    uint64_t rank = uz < 1.0 ? 0
                    : uz < zeta2
                        ? 1
                        : (uint64_t)(n * pow(eta * u - eta + 1.0, alpha));
    return rank * 0x9e3779b97f4a7c15u % b->keys;
}

static double cpu_now(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void report(const char *what, int64_t start_ns, double start_cpu,
                   uint64_t ops)
{
    double wall = (double)(wr_mono_ns() - start_ns) / 1e3;
    double cpu = (cpu_now() - start_cpu) * 1e6;
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("%-34s %8.3f us wall  %8.3f us cpu  %10.0f /s  rss %ld MiB\n", what,
           wall / (double)ops, cpu / (double)ops, (double)ops * 1e6 / wall,
           u.ru_maxrss / 1024);
    fflush(stdout);
}

static void open_state(struct bench *b)
{
    struct weir_error err = {0};
    struct wr_store_hooks hooks = {on_log, NULL, on_time, b};
    const struct weir_store_spec *specs[1] = {&b->spec};
    struct wr_task_state_spec spec = {
        .dir = b->dir, .stores = specs, .store_count = 1, .hooks = &hooks};
    must(wr_task_state_open(b->env, &spec, &b->state, &err), "open", &err);
    b->store = wr_task_state_store(b->state, 0);
    wr_store_set_listening(b->store, false);
}

static void commit(struct bench *b)
{
    struct weir_error err = {0};
    int64_t offset = b->logged - 1;
    must(wr_store_flush(b->state, 0, &err), "flush", &err);
    must(wr_task_state_commit(b->state, &offset, wr_wall_ms(), &err), "commit",
         &err);
}

static void key_make(uint64_t n, char key[32])
{
    snprintf(key, 32, "user-%011llu", (unsigned long long)n);
}

static void run_get_put(struct bench *b, const char *what, uint64_t records,
                        bool fill)
{
    uint8_t value[4096] = {0};
    char key[32];
    int64_t worst_ns = 0;
    /* Choosing keys is not what is measured: choose before. */
    uint32_t *choice = malloc(records * sizeof(*choice));
    char *keys = malloc(b->keys * 16);
    if (!choice || !keys) {
        exit(1);
    }
    for (uint64_t i = 0; i < records; i++) {
        choice[i] = (uint32_t)(fill      ? i % b->keys
                               : b->zipf ? zipf(b)
                                         : rnd(b) % b->keys);
    }
    for (uint64_t i = 0; i < b->keys; i++) {
        key_make(i, key);
        memcpy(keys + 16 * i, key, 16);
    }
    double cpu = cpu_now();
    int64_t start = wr_mono_ns();
    for (uint64_t i = 0; i < records; i++) {
        struct weir_bytes k = weir_bytes(keys + 16 * (uint64_t)choice[i], 16);
        struct weir_bytes old;
        must(weir_store_get(b->store, k, &old), "get", NULL);
        uint64_t count = 0;
        if (old.data) {
            memcpy(&count, old.data, sizeof(count));
        }
        count++;
        memcpy(value, &count, sizeof(count));
        must(weir_store_put(b->store, k, weir_bytes(value, b->value_len)),
             "put", NULL);
        if ((i + 1) % b->commit_every == 0) {
            int64_t before = wr_mono_ns();
            commit(b);
            int64_t took = wr_mono_ns() - before;
            worst_ns = took > worst_ns ? took : worst_ns;
        }
    }
    commit(b);
    report(what, start, cpu, records);
    printf("%-34s %8.3f ms\n", "  longest commit", (double)worst_ns / 1e6);
    free(choice);
    free(keys);
}

static void run_restore(struct bench *b)
{
    struct weir_error err = {0};
    struct wr_changelog_record batch[500];
    static char keys[500][32];
    uint8_t value[4096] = {1};
    uint64_t total = b->keys * 2;
    must(wr_store_wipe(b->state, 0, &err), "wipe", &err);
    double cpu = cpu_now();
    int64_t start = wr_mono_ns();
    for (uint64_t i = 0; i < total; i += 500) {
        for (uint64_t j = 0; j < 500; j++) {
            key_make(rnd(b) % b->keys, keys[j]);
            batch[j] = (struct wr_changelog_record){
                weir_bytes(keys[j], 16), weir_bytes(value, b->value_len), 1,
                (int64_t)(i + j)};
        }
        must(wr_store_restore(b->state, 0, batch, 500, &err), "restore", &err);
    }
    must(wr_store_restored(b->state, 0, (int64_t)total - 1, &err), "restored",
         &err);
    report("restore (key made with printf)", start, cpu, total);
}

static void run_ranges(struct bench *b)
{
    uint64_t rounds = 20000;
    char key[32];
    double cpu = cpu_now();
    int64_t start = wr_mono_ns();
    for (uint64_t i = 0; i < rounds; i++) {
        struct weir_iterator *it;
        struct weir_bytes k;
        struct weir_bytes v;
        key_make(rnd(b) % b->keys, key);
        must(weir_store_range(b->store, weir_bytes(key, 16), WEIR_NULL, false,
                              &it),
             "range", NULL);
        for (int n = 0; n < 10 && weir_iterator_next(it, &k, &v, NULL); n++) {
        }
        weir_iterator_close(it);
    }
    report("range: open, 10 pairs, close", start, cpu, rounds);
    cpu = cpu_now();
    start = wr_mono_ns();
    struct weir_iterator *it;
    struct weir_bytes k;
    struct weir_bytes v;
    uint64_t n = 0;
    must(weir_store_range(b->store, WEIR_NULL, WEIR_NULL, false, &it), "range",
         NULL);
    while (weir_iterator_next(it, &k, &v, NULL)) {
        n++;
    }
    weir_iterator_close(it);
    report("full scan, per pair", start, cpu, n ? n : 1);
}

static uint64_t number(const char *text)
{
    return strtoull(text, NULL, 10);
}

static void arguments(struct bench *b, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        const char *v = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(a, "--memory") == 0) {
            b->memory = true;
            continue;
        }
        if (strcmp(a, "--inline") == 0) {
            b->inline_down = true;
            continue;
        }
        if (strcmp(a, "--caching") == 0) {
            b->caching = true;
            continue;
        }
        i++;
        if (strcmp(a, "--keys") == 0) {
            b->keys = number(v);
        } else if (strcmp(a, "--records") == 0) {
            b->records = number(v);
        } else if (strcmp(a, "--value") == 0) {
            b->value_len = number(v);
        } else if (strcmp(a, "--commit") == 0) {
            b->commit_every = number(v);
        } else if (strcmp(a, "--warm") == 0) {
            b->warm_mib = number(v);
        } else if (strcmp(a, "--blocks") == 0) {
            b->block_mib = number(v);
        } else if (strcmp(a, "--zipf") == 0) {
            b->zipf = number(v) != 0;
        } else if (strcmp(a, "--dir") == 0) {
            b->dir = v;
        } else {
            fprintf(stderr, "store_bench: unknown argument %s\n", a);
            exit(2);
        }
    }
    if (b->value_len < 8 || b->value_len > 4096 || b->keys == 0 ||
        b->commit_every == 0) {
        fprintf(stderr, "store_bench: --value must be 8..4096, --keys and "
                        "--commit at least 1\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct weir_error err = {0};
    struct bench b = {.keys = 1000000,
                      .records = 5000000,
                      .value_len = 100,
                      .commit_every = 100000,
                      .warm_mib = 512,
                      .block_mib = 64,
                      .zipf = true,
                      .dir = "/tmp/weir-store-bench",
                      .random = 1};
    arguments(&b, argc, argv);
    b.spec = (struct weir_store_spec){.size = sizeof(b.spec),
                                      .name = "bench",
                                      .engine =
                                          b.memory ? WEIR_MEMORY : WEIR_ROCKSDB,
                                      .caching = b.caching};
    struct wr_store_env_options options = {.block_cache_bytes = b.block_mib
                                                                << 20,
                                           .write_buffer_bytes = 16u << 20,
                                           .warm_bytes = b.warm_mib << 20,
                                           .background = !b.inline_down};
    must(wr_remove_all(b.dir, &err), "remove", &err);
    must(wr_store_env_new(&options, &b.env, &err), "environment", &err);
    open_state(&b);
    printf("%llu keys, %zu-byte values, %s, commit every %llu, warm %zu MiB, "
           "%s%s\n",
           (unsigned long long)b.keys, b.value_len,
           b.zipf ? "zipf 0.99" : "uniform", (unsigned long long)b.commit_every,
           b.warm_mib, b.memory ? "memory" : "RocksDB",
           b.caching ? ", caching" : "");
    run_get_put(&b, "get + put, new keys", b.keys, true);
    run_get_put(&b, "get + put", b.records, false);
    run_ranges(&b);
    double cpu = cpu_now();
    int64_t start = wr_mono_ns();
    wr_task_state_close(b.state, true);
    report("close", start, cpu, 1);
    cpu = cpu_now();
    start = wr_mono_ns();
    open_state(&b);
    report("open", start, cpu, 1);
    run_get_put(&b, "get + put after open (cold)", b.records, false);
    run_restore(&b);
    wr_task_state_close(b.state, false);
    wr_store_env_free(b.env);
    must(wr_remove_all(b.dir, &err), "remove", &err);
    return 0;
}
