/* SPDX-License-Identifier: Apache-2.0
 *
 * Write-downs under bad conditions: kill -9 at any moment, and no room on the
 * disk. */
#include "base/clock.h"
#include "tests/stores/fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define KEYS         500
#define SURE_COMMITS 30 /* at 7 s each: one at least is written down */

static const struct weir_store_spec rows = {
    .size = sizeof(struct weir_store_spec), .name = "rows"};
static const struct weir_store_spec more = {.size =
                                                sizeof(struct weir_store_spec),
                                            .name = "more",
                                            .timestamped = true};

/* Changelog record i of a store sets key i*7 mod KEYS to the text of i. */
static void put_number(struct fixture *f, int store, int64_t i)
{
    char key[48];
    char value[64];
    snprintf(key, sizeof(key), "key-%d", (int)(i * 7 % KEYS));
    snprintf(value, sizeof(value), "%lld %*s", (long long)i, (int)(i % 40), "");
    must_put(fixture_store(f, store), key, value);
}

/* Commits for ever, at a pace of `every` records; never returns. Says by a byte
 * each that it begins and that it did one of the first SURE_COMMITS commits. */
static void commit_for_ever(struct fixture *f, int every, int ready)
{
    int64_t now_ms = 0;
    assert_int_equal(write(ready, "x", 1), 1);
    fixture_open(f);
    for (int s = 0; s < 2; s++) {
        f->logged[s] = wr_store_restore_from(f->state, s);
    }
    for (;;) {
        for (int i = 0; i < every; i++) {
            put_number(f, 0, f->logged[0]);
            put_number(f, 1, f->logged[1]);
        }
        now_ms += 7000;
        must_commit(f, now_ms);
        if (now_ms <= 7000 * SURE_COMMITS) {
            assert_int_equal(write(ready, "x", 1), 1);
        }
    }
}

/* The store's rows are exactly those of changelog records 0..position. */
static void check_exact(struct fixture *f, int store)
{
    char want[64];
    char key[48];
    int64_t position = wr_store_position(fixture_store(f, store));
    for (int k = 0; k < KEYS; k++) {
        int64_t last = -1;
        for (int64_t i = position; i >= 0 && i > position - KEYS; i--) {
            if (i * 7 % KEYS == k) {
                last = i;
                break;
            }
        }
        snprintf(key, sizeof(key), "key-%d", k);
        snprintf(want, sizeof(want), "%lld %*s", (long long)last,
                 (int)(last % 40), "");
        assert_string_equal(must_get(fixture_store(f, store), key),
                            last < 0 ? "null" : want);
    }
}

static void data_and_offset_agree_after_kill_9(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t seed = wr_test_seed(11);
    const char *rounds_text = getenv("WEIR_KILLS");
    int rounds = rounds_text ? (int)strtol(rounds_text, NULL, 10) : 12;
    int64_t moved = 0;
    fixture_prepare(&f); /* without threads, which would not survive fork */
    fixture_add(&f, &rows);
    fixture_add(&f, &more);
    for (int round = 0; round < rounds; round++) {
        int every = (int)(1 + wr_test_random(&seed) % 400);
        useconds_t pause = (useconds_t)(wr_test_random(&seed) % 300000);
        int ready[2];
        assert_int_equal(pipe(ready), 0);
        fixture_background = round % 2 == 1;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            fixture_env(&f, 64 << 10);
            commit_for_ever(&f, every, ready[1]);
        }
        fixture_background = false;
        char byte;
        close(ready[1]);
        for (int i = 0; i <= (round % 4 < 2 ? 0 : SURE_COMMITS); i++) {
            assert_int_equal(read(ready[0], &byte, 1), 1);
        }
        usleep(pause); /* the moment of the kill is the point */
        assert_int_equal(kill(child, SIGKILL), 0);
        close(ready[0]);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        pid_t checker = fork(); /* RocksDB's threads stay in a child */
        if (checker == 0) {
            fixture_env(&f, 64 << 10);
            fixture_open(&f);
            check_exact(&f, 0);
            check_exact(&f, 1);
            bool further =
                wr_store_position(fixture_store(&f, 0)) > f.logged[0];
            _exit(further ? 43 : 42); /* cmocka itself would say 1 */
        }
        assert_int_equal(waitpid(checker, &status, 0), checker);
        assert_true(WIFEXITED(status));
        assert_in_range(WEXITSTATUS(status), 42, 43);
        moved += WEXITSTATUS(status) - 42;
    }
    assert_true(moved > 0); /* else nothing was ever written down */
    assert_status(WEIR_OK, wr_remove_all(f.root, NULL));
    wr_buf_done(&f.trace);
}

/* Files may not grow beyond `bytes`; 0: as large as they like. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_costs_nothing_but_memory(void **state)
{
    (void)state;
    struct fixture f;
    struct weir_error err = {0};
    signal(SIGXFSZ, SIG_IGN);
    fixture_init(&f, 1 << 20);
    fixture_add(&f, &rows);
    fixture_open(&f);
    for (int64_t i = 0; i < 1000; i++) {
        put_number(&f, 0, i);
    }
    must_commit(&f, 1);
    must_commit(&f, 40000); /* a base that works */
    for (int64_t i = 1000; i < 3000; i++) {
        put_number(&f, 0, i);
    }
    limit_files(4096);
    assert_status(WEIR_E_NOSPACE, fixture_commit(&f, 80000, &err));
    assert_non_null(strstr(err.text, "rows"));
    assert_non_null(strstr(err.text, "rocksdb"));
    check_exact(&f, 0);
    assert_int_equal(wr_store_position(fixture_store(&f, 0)), 2999);
    put_number(&f, 0, 3000);
    must_commit(&f, 80500); /* too early to try again */
    assert_status(WEIR_E_NOSPACE, fixture_commit(&f, 81500, &err));
    limit_files(0);
    put_number(&f, 0, 3001);
    must_commit(&f, 90000);
    check_exact(&f, 0);
    fixture_close(&f, false);
    fixture_open(&f);
    assert_int_equal(wr_store_position(fixture_store(&f, 0)), 3001);
    check_exact(&f, 0);
    fixture_done(&f);
}

static void a_full_disk_bounds_memory_in_the_end(void **state)
{
    (void)state;
    struct fixture f;
    struct weir_error err = {0};
    char key[48];
    signal(SIGXFSZ, SIG_IGN);
    fixture_init(&f, 1 << 18);
    fixture_add(&f, &rows);
    fixture_open(&f);
    limit_files(4096);
    enum weir_status s = WEIR_OK;
    int put = 0;
    for (; put < 100000 && s == WEIR_OK; put++) {
        snprintf(key, sizeof(key), "a-key-that-takes-room-%d", put);
        s = weir_store_put(fixture_store(&f, 0), weir_text(key),
                           weir_text("value"));
        if (put % 100 == 99 &&
            fixture_commit(&f, put * INT64_C(100), &err) != WEIR_OK) {
            assert_status(WEIR_E_NOSPACE, err.status);
        }
    }
    limit_files(0);
    assert_status(WEIR_E_NOSPACE, s);
    assert_in_range(put, 1000, 20000);
    assert_non_null(strstr(wr_task_state_error(f.state)->text, f.dir));
    must_commit(&f, INT64_C(100000000));
    must_put(fixture_store(&f, 0), "goes", "on");
    fixture_done(&f);
}

static void a_failed_ingestion_is_made_good_by_a_reopen(void **state)
{
    (void)state;
    struct fixture f;
    struct weir_error err = {0};
    struct weir_bytes key;
    struct weir_bytes value;
    signal(SIGXFSZ, SIG_IGN);
    fixture_init(&f, 1 << 20);
    fixture_add(&f, &rows);
    fixture_open(&f);
    int failures = 0;
    int64_t n = 0;
    int64_t now_ms = 1;
    for (rlim_t limit = 200; limit < 6000; limit += 200) {
        for (int i = 0; i < 5; i++) {
            put_number(&f, 0, n++);
        }
        struct weir_iterator *it;
        assert_status(WEIR_OK, weir_store_range(fixture_store(&f, 0), WEIR_NULL,
                                                WEIR_NULL, false, &it));
        limit_files(limit);
        now_ms += 40000;
        enum weir_status s = fixture_commit(&f, now_ms, &err);
        limit_files(0);
        failures += s != WEIR_OK;
        while (weir_iterator_next(it, &key, &value, NULL)) {
        }
        assert_status(WEIR_OK, weir_iterator_status(it));
        weir_iterator_close(it);
        check_exact(&f, 0);
    }
    assert_true(failures > 0);
    must_commit(&f, now_ms + 40000);
    check_exact(&f, 0);
    fixture_close(&f, false);
    fixture_open(&f);
    assert_int_equal(wr_store_position(fixture_store(&f, 0)), n - 1);
    check_exact(&f, 0);
    fixture_done(&f);
}

/* The status of the first commit, from now_ms on, that is not what `than` says.
 */
static enum weir_status commit_until_other(struct fixture *f, int64_t now_ms,
                                           enum weir_status than)
{
    struct weir_error err = {0};
    for (int i = 0; i < 2000; i++) {
        enum weir_status s = fixture_commit(f, now_ms + i * 2000, &err);
        if (s != than) {
            return s;
        }
        usleep(1000); /* the background thread has its own pace */
    }
    return than;
}

static void in_the_background_a_failure_is_told_by_a_later_commit(void **state)
{
    (void)state;
    struct fixture f;
    signal(SIGXFSZ, SIG_IGN);
    fixture_background = true;
    fixture_init(&f, 1 << 20);
    fixture_background = false;
    fixture_add(&f, &rows);
    fixture_open(&f);
    int64_t n = 0;
    while (n < 1000) {
        put_number(&f, 0, n++);
    }
    must_commit(&f, 1);
    limit_files(1 << 13);
    assert_status(WEIR_E_NOSPACE, commit_until_other(&f, 40000, WEIR_OK));
    limit_files(0);
    check_exact(&f, 0);
    for (int round = 0; round < 5; round++) {
        put_number(&f, 0, n++);
        must_commit(&f, 10000000 + round * 40000);
        put_number(&f, 0, n++); /* while the other is on its way */
        must_commit(&f, 10000001 + round * 40000);
        check_exact(&f, 0);
    }
    fixture_close(&f, true);
    fixture_open(&f);
    assert_int_equal(wr_store_position(fixture_store(&f, 0)), n - 1);
    check_exact(&f, 0);
    fixture_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_and_offset_agree_after_kill_9),
        cmocka_unit_test(a_full_disk_costs_nothing_but_memory),
        cmocka_unit_test(a_full_disk_bounds_memory_in_the_end),
        cmocka_unit_test(a_failed_ingestion_is_made_good_by_a_reopen),
        cmocka_unit_test(in_the_background_a_failure_is_told_by_a_later_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
