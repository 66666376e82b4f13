/* SPDX-License-Identifier: Apache-2.0
 *
 * Four stores (two engines, plain and timestamped, caching and not) against a
 * model that is plain arrays: random gets, writes, ranges, flushes, commits,
 * aborts, closes, crashes and wipes, with budgets so small that eviction and
 * write-down happen all the time. A failure prints its seed:
 *   WEIR_SEED=n WEIR_STEPS=n tests/stores/test_model */
#include "tests/stores/fixture.h"

#define STORES    4
#define KEYS      220
#define KEY_MAX   24
#define OPEN_ITER 3

static const struct weir_store_spec specs[STORES] = {
    {.size = sizeof(struct weir_store_spec), .name = "plain"},
    {.size = sizeof(struct weir_store_spec),
     .name = "stamped",
     .timestamped = true,
     .caching = true},
    {.size = sizeof(struct weir_store_spec),
     .name = "memory",
     .engine = WEIR_MEMORY,
     .caching = true},
    {.size = sizeof(struct weir_store_spec),
     .name = "memory-stamped",
     .engine = WEIR_MEMORY,
     .timestamped = true},
};

/* A value is a number that its bytes are made from; 0 is none. */
struct cell {
    uint32_t number;
    int64_t timestamp_ms;
};

struct log_record {
    int key;
    struct cell cell;
    bool committed;
};

struct open_iter {
    struct weir_iterator *it; /* NULL: free */
    int keys[KEYS];           /* what is to come */
    struct cell cells[KEYS];
    int count;
    int at;
};

struct model_store {
    struct cell committed[KEYS];
    struct cell current[KEYS];
    struct cell seen[KEYS]; /* downstream */
    int cached[KEYS];       /* keys by first write since the flush */
    int cached_count;
    int flushed; /* of cached, while a flush runs */
    struct log_record *log;
    size_t log_count;
    size_t log_cap;
    struct open_iter iters[OPEN_ITER];
};

struct model {
    struct fixture f;
    uint64_t random;
    uint8_t keys[KEYS][KEY_MAX];
    size_t key_len[KEYS];
    struct model_store stores[STORES];
    uint32_t next_number;
    int64_t clock_ms;
    bool flushing;
};

static uint32_t roll(struct model *m, uint32_t n)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (uint32_t)(m->random >> 33) % n;
}

static struct weir_bytes key_at(const struct model *m, int k)
{
    return weir_bytes(m->keys[k], m->key_len[k]);
}

static int key_find(const struct model *m, struct weir_bytes key)
{
    for (int k = 0; k < KEYS; k++) {
        if (wr_bytes_equal(key_at(m, k), key)) {
            return k;
        }
    }
    fail_msg("a key of %zu bytes that nobody put", key.len);
    return -1;
}

/* Sorted distinct keys, many of them zeros, prefixes of others or 255s. */
static void keys_make(struct model *m)
{
    static const uint8_t alphabet[] = {0, 0, 1, 'a', 255};
    for (int k = 0; k < KEYS;) {
        size_t len = k < 6 ? (size_t)k : roll(m, KEY_MAX);
        for (size_t i = 0; i < len; i++) {
            m->keys[k][i] = k < 6 ? 0 : alphabet[roll(m, 5)];
        }
        m->key_len[k] = len;
        int at = k;
        while (at > 0 && wr_bytes_compare(key_at(m, at - 1),
                                          weir_bytes(m->keys[k], len)) > 0) {
            at--;
        }
        if (at > 0 && wr_bytes_equal(key_at(m, at - 1), key_at(m, k))) {
            continue;
        }
        uint8_t bytes[KEY_MAX];
        memcpy(bytes, m->keys[k], KEY_MAX);
        for (int i = k; i > at; i--) {
            memcpy(m->keys[i], m->keys[i - 1], KEY_MAX);
            m->key_len[i] = m->key_len[i - 1];
        }
        memcpy(m->keys[at], bytes, KEY_MAX);
        m->key_len[at] = len;
        k++;
    }
}

static struct weir_bytes value_of(uint32_t number, uint8_t out[40000])
{
    if (number == 0) {
        return WEIR_NULL;
    }
    size_t len = number % 50;
    if (number % 37 == 0) {
        len = 300 + number % 4000;
    }
    if (number % 501 == 0) {
        len = 17000 + number % 20000;
    }
    memset(out, (int)(number % 251), len + 1);
    for (size_t i = 0; i < 4 && i < len; i++) {
        out[i] = (uint8_t)(number >> (8 * i));
    }
    return weir_bytes(out, len);
}

static void check_value(struct weir_bytes got, struct cell want)
{
    static uint8_t bytes[40000];
    struct weir_bytes value = value_of(want.number, bytes);
    if (!wr_bytes_equal(got, value)) {
        fail_msg("got %zu bytes at %p, want number %u of %zu bytes", got.len,
                 (const void *)got.data, want.number, value.len);
    }
}

/* ---- hooks -------------------------------------------------------- */

static enum weir_status on_log(void *user, int s, struct weir_bytes key,
                               struct weir_bytes value, int64_t timestamp_ms)
{
    struct model *m = user;
    struct model_store *st = &m->stores[s];
    int k = key_find(m, key);
    check_value(value, st->current[k]);
    assert_int_equal(timestamp_ms, st->current[k].timestamp_ms);
    if (st->log_count == st->log_cap) {
        st->log_cap = st->log_cap ? st->log_cap * 2 : 256;
        st->log = realloc(st->log, st->log_cap * sizeof(*st->log));
        assert_non_null(st->log);
    }
    st->log[st->log_count++] = (struct log_record){k, st->current[k], false};
    m->f.logged[s] = (int64_t)st->log_count;
    return WEIR_OK;
}

static enum weir_status on_out(void *user, int s,
                               const struct weir_record *record)
{
    struct model *m = user;
    struct model_store *st = &m->stores[s];
    assert_true(m->flushing && specs[s].caching);
    int k = key_find(m, record->key);
    while (st->cached[st->flushed] != k) {
        /* only what was absent and is absent again may be left out */
        int skipped = st->cached[st->flushed++];
        assert_true(st->flushed <= st->cached_count);
        assert_int_equal(st->current[skipped].number, 0);
        assert_int_equal(st->seen[skipped].number, 0);
    }
    st->flushed++;
    check_value(record->value, st->current[k]);
    check_value(record->old_value, st->seen[k]);
    assert_int_equal(record->timestamp_ms, st->current[k].timestamp_ms);
    st->seen[k] = st->current[k];
    return WEIR_OK;
}

static int64_t on_timestamp(void *user)
{
    return ((struct model *)user)->clock_ms;
}

/* ---- steps -------------------------------------------------------- */

static void step_get(struct model *m, int s)
{
    struct model_store *st = &m->stores[s];
    struct weir_store *store = fixture_store(&m->f, s);
    int k = (int)roll(m, KEYS);
    struct weir_bytes value;
    int64_t timestamp_ms;
    bool committed = roll(m, 4) == 0;
    enum weir_status status =
        committed
            ? wr_store_get_committed(store, key_at(m, k), &value, &timestamp_ms)
            : weir_store_get_timestamped(store, key_at(m, k), &value,
                                         &timestamp_ms);
    assert_status(WEIR_OK, status);
    struct cell want = committed ? st->committed[k] : st->current[k];
    check_value(value, want);
    assert_int_equal(timestamp_ms, specs[s].timestamped && want.number
                                       ? want.timestamp_ms
                                       : -1);
}

static void model_write(struct model *m, int s, int k, struct cell cell)
{
    struct model_store *st = &m->stores[s];
    st->current[k] = cell;
    if (specs[s].caching) {
        for (int i = 0; i < st->cached_count; i++) {
            if (st->cached[i] == k) {
                return;
            }
        }
        st->cached[st->cached_count++] = k;
    }
}

static void step_write(struct model *m, int s)
{
    static uint8_t bytes[40000];
    struct weir_store *store = fixture_store(&m->f, s);
    int k = (int)roll(m, roll(m, 3) ? KEYS / 8 : KEYS);
    m->clock_ms += roll(m, 3);
    struct cell cell = {roll(m, 4) ? m->next_number++ : 0, m->clock_ms};
    struct cell before = m->stores[s].current[k];
    struct weir_bytes value = value_of(cell.number, bytes);
    struct weir_bytes old;
    switch (roll(m, 5)) {
    case 0:
        if (!before.number && cell.number) {
            model_write(m, s, k, cell);
        }
        assert_status(WEIR_OK, weir_store_put_if_absent(store, key_at(m, k),
                                                        value, &old));
        check_value(old, before);
        return;
    case 1:
        cell.timestamp_ms = roll(m, 1000);
        model_write(m, s, k, cell);
        assert_status(WEIR_OK,
                      weir_store_put_timestamped(store, key_at(m, k), value,
                                                 cell.timestamp_ms));
        return;
    case 2:
        assert_status(WEIR_OK, weir_store_get(store, key_at(m, k), &old));
        check_value(old, before);
        break;
    case 3: /* a value that the store lent */
        assert_status(WEIR_OK, weir_store_get(store, key_at(m, k), &old));
        cell.number = before.number;
        value = old;
        break;
    default:
        break;
    }
    model_write(m, s, k, cell);
    if (!value.data && roll(m, 2)) {
        assert_status(WEIR_OK, weir_store_delete(store, key_at(m, k)));
    } else {
        assert_status(WEIR_OK, weir_store_put(store, key_at(m, k), value));
    }
}

static bool starts_with(struct weir_bytes key, struct weir_bytes prefix)
{
    return key.len >= prefix.len &&
           memcmp(key.data, prefix.data, prefix.len) == 0;
}

static void iter_check(struct model *m, int s, struct open_iter *open,
                       int steps)
{
    struct weir_bytes key;
    struct weir_bytes value;
    int64_t timestamp_ms;
    while (steps-- != 0) {
        if (!weir_iterator_next(open->it, &key, &value, &timestamp_ms)) {
            assert_status(WEIR_OK, weir_iterator_status(open->it));
            assert_int_equal(open->at, open->count);
            weir_iterator_close(open->it);
            open->it = NULL;
            return;
        }
        assert_true(open->at < open->count);
        int k = open->keys[open->at];
        assert_int_equal(key_find(m, key), k);
        check_value(value, open->cells[open->at]);
        assert_int_equal(timestamp_ms, specs[s].timestamped
                                           ? open->cells[open->at].timestamp_ms
                                           : -1);
        open->at++;
    }
}

static void step_range(struct model *m, int s)
{
    struct model_store *st = &m->stores[s];
    struct weir_store *store = fixture_store(&m->f, s);
    struct open_iter *open = &st->iters[roll(m, OPEN_ITER)];
    if (open->it) {
        iter_check(m, s, open, (int)roll(m, 20));
        return;
    }
    memset(open, 0, sizeof(*open));
    int from = (int)roll(m, KEYS);
    int to = (int)roll(m, KEYS);
    uint32_t kind = roll(m, 6);
    bool prefix = kind == 0;
    bool reverse = !prefix && roll(m, 2);
    bool committed = kind == 1;
    struct weir_bytes low = kind == 2 ? WEIR_NULL : key_at(m, from);
    struct weir_bytes high = kind == 3 ? WEIR_NULL : key_at(m, to);
    if (prefix && low.len > 2) {
        low.len = 2;
    }
    enum weir_status status =
        prefix ? weir_store_prefix(store, low, &open->it)
        : committed
            ? wr_store_range_committed(store, low, high, reverse, &open->it)
            : weir_store_range(store, low, high, reverse, &open->it);
    assert_status(WEIR_OK, status);
    for (int i = 0; i < KEYS; i++) {
        int k = reverse ? KEYS - 1 - i : i;
        struct weir_bytes key = key_at(m, k);
        struct cell cell = committed ? st->committed[k] : st->current[k];
        bool in = prefix ? starts_with(key, low)
                         : (!low.data || wr_bytes_compare(key, low) >= 0) &&
                               (!high.data || wr_bytes_compare(key, high) <= 0);
        if (in && cell.number) {
            open->keys[open->count] = k;
            open->cells[open->count++] = cell;
        }
    }
    iter_check(m, s, open, roll(m, 2) ? -1 : (int)roll(m, 10));
}

static void step_flush(struct model *m, int s)
{
    struct model_store *st = &m->stores[s];
    m->flushing = true;
    st->flushed = 0;
    assert_status(WEIR_OK, wr_store_flush(m->f.state, s, NULL));
    while (st->flushed < st->cached_count) {
        int k = st->cached[st->flushed++];
        assert_int_equal(st->current[k].number, 0);
        assert_int_equal(st->seen[k].number, 0);
    }
    m->flushing = false;
    st->cached_count = 0;
}

static void model_reset(struct model_store *st)
{
    memcpy(st->current, st->committed, sizeof(st->current));
    memcpy(st->seen, st->committed, sizeof(st->seen));
    st->cached_count = 0;
}

static void step_commit(struct model *m)
{
    struct weir_error err = {0};
    for (int s = 0; s < STORES; s++) {
        step_flush(m, s);
    }
    m->clock_ms += roll(m, 10) ? 10 : 40000;
    enum weir_status status = fixture_commit(&m->f, m->clock_ms, &err);
    if (status != WEIR_OK) {
        fail_msg("commit: %s", err.text);
    }
    for (int s = 0; s < STORES; s++) {
        struct model_store *st = &m->stores[s];
        for (size_t i = st->log_count; i > 0 && !st->log[i - 1].committed;
             i--) {
            st->log[i - 1].committed = true;
        }
        memcpy(st->committed, st->current, sizeof(st->committed));
        memcpy(st->seen, st->current, sizeof(st->seen));
    }
}

static void model_abort(struct model *m)
{
    for (int s = 0; s < STORES; s++) {
        struct model_store *st = &m->stores[s];
        /* Aborted records keep their offsets, but nobody gets to read them. */
        for (size_t i = st->log_count; i > 0 && !st->log[i - 1].committed;
             i--) {
            st->log[i - 1] = (struct log_record){-1, {0, 0}, true};
        }
        model_reset(st);
    }
}

static void restore(struct model *m, int s)
{
    static uint8_t bytes[40000];
    struct model_store *st = &m->stores[s];
    int64_t from = wr_store_restore_from(m->f.state, s);
    assert_true(from >= 0 && from <= (int64_t)st->log_count);
    for (size_t i = (size_t)from; i < st->log_count; i++) {
        const struct log_record *r = &st->log[i];
        if (r->key < 0) {
            continue;
        }
        struct wr_changelog_record record = {key_at(m, r->key),
                                             value_of(r->cell.number, bytes),
                                             r->cell.timestamp_ms, (int64_t)i};
        assert_status(WEIR_OK,
                      wr_store_restore(m->f.state, s, &record, 1, NULL));
    }
    assert_int_equal(
        WEIR_OK,
        wr_store_restored(m->f.state, s, (int64_t)st->log_count - 1, NULL));
}

static void check_all(struct model *m, int s)
{
    struct model_store *st = &m->stores[s];
    struct weir_iterator *it;
    struct weir_bytes key;
    struct weir_bytes value;
    int64_t timestamp_ms;
    assert_status(WEIR_OK, weir_store_range(fixture_store(&m->f, s), WEIR_NULL,
                                            WEIR_NULL, false, &it));
    int k = -1;
    while (weir_iterator_next(it, &key, &value, &timestamp_ms)) {
        int found = key_find(m, key);
        for (k++; k < found; k++) {
            assert_int_equal(st->current[k].number, 0);
        }
        check_value(value, st->current[k]);
    }
    for (k++; k < KEYS; k++) {
        assert_int_equal(st->current[k].number, 0);
    }
    assert_status(WEIR_OK, weir_iterator_status(it));
    weir_iterator_close(it);
}

static void iters_close(struct model *m)
{
    for (int s = 0; s < STORES; s++) {
        for (int i = 0; i < OPEN_ITER; i++) {
            weir_iterator_close(m->stores[s].iters[i].it);
            m->stores[s].iters[i].it = NULL;
        }
    }
}

static void step_reopen(struct model *m)
{
    bool before = roll(m, 2);
    if (before) {
        iters_close(m);
    }
    fixture_close(&m->f, roll(m, 2));
    if (!before) {
        for (int s = 0; s < STORES; s++) {
            for (int i = 0; i < OPEN_ITER; i++) {
                struct weir_iterator *it = m->stores[s].iters[i].it;
                struct weir_bytes b;
                assert_false(it && weir_iterator_next(it, &b, &b, NULL));
            }
        }
        iters_close(m);
    }
    model_abort(m);
    fixture_open(&m->f);
    for (int s = 0; s < STORES; s++) {
        restore(m, s);
        check_all(m, s);
    }
}

static void step_wipe(struct model *m, int s)
{
    for (int i = 0; i < OPEN_ITER; i++) {
        weir_iterator_close(m->stores[s].iters[i].it);
        m->stores[s].iters[i].it = NULL;
    }
    step_commit(m);
    assert_status(WEIR_OK, wr_store_wipe(m->f.state, s, NULL));
    assert_int_equal(wr_store_restore_from(m->f.state, s), 0);
    restore(m, s);
    check_all(m, s);
}

static void run(uint64_t seed, size_t warm_bytes, uint32_t steps)
{
    struct model *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    m->random = seed * 0x9e3779b97f4a7c15u + 1;
    m->next_number = 1;
    fixture_background = seed / 4 % 2 == 1;
    print_message("seed %llu, warm %zu bytes, write-downs %s\n",
                  (unsigned long long)seed, warm_bytes,
                  fixture_background ? "in the background" : "at once");
    fixture_init(&m->f, warm_bytes);
    m->f.hooks = (struct wr_store_hooks){on_log, on_out, on_timestamp, m};
    keys_make(m);
    for (int s = 0; s < STORES; s++) {
        fixture_add(&m->f, &specs[s]);
    }
    fixture_open(&m->f);
    for (uint32_t i = 0; i < steps; i++) {
        int s = (int)roll(m, STORES);
        uint32_t what = roll(m, 1000);
        if (what < 350) {
            step_get(m, s);
        } else if (what < 850) {
            step_write(m, s);
        } else if (what < 940) {
            step_range(m, s);
        } else if (what < 960) {
            step_flush(m, s);
        } else if (what < 990) {
            step_commit(m);
        } else if (what < 996) {
            wr_task_state_abort(m->f.state);
            model_abort(m);
        } else if (what < 999) {
            step_reopen(m);
        } else {
            step_wipe(m, s);
        }
    }
    for (int s = 0; s < STORES; s++) {
        check_all(m, s);
    }
    iters_close(m);
    fixture_done(&m->f);
    for (int s = 0; s < STORES; s++) {
        free(m->stores[s].log);
    }
    free(m);
}

static uint32_t number_of(const char *name, uint32_t standard)
{
    const char *text = getenv(name);
    return text ? (uint32_t)strtoul(text, NULL, 10) : standard;
}

static void every_store_is_like_the_model(void **state)
{
    (void)state;
    static const size_t budgets[] = {0, 4096, 65536, 1 << 20};
    uint32_t steps = number_of("WEIR_STEPS", 4000);
    if (getenv("WEIR_SEED")) {
        for (size_t i = 0; i < 4; i++) {
            run(number_of("WEIR_SEED", 1), budgets[i], steps);
        }
        return;
    }
    for (uint64_t seed = 1; seed <= 8; seed++) {
        run(seed, budgets[seed % 4], steps);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_store_is_like_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
