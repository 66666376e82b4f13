/* SPDX-License-Identifier: Apache-2.0
 *
 * What a crash leaves, and what must be there after it. A running data folder
 * is copied at some moment: that is kill -9. For a power cut, what was not
 * synced is then taken out of the copy again: the segments beyond the recovery
 * point, cut or with blocks of zeros; the write-ahead log is synced with each
 * acknowledgement. */
#include "broker/log_internal.h"

#include "base/fs.h"
#include "base/log.h"
#include "tests/broker/log_fixture.h"
#include "tests/harness/weir_test.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char *path_in(const char *dir, const char *name)
{
    static char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

/* A run of a log whose crash is looked at in many ways. */
struct scene {
    char *dir;     /* of the run */
    char *crashed; /* copy of it, parent folder made by test_dir_new */
    char copy[PATH_MAX];
    char *expected; /* what is acknowledged in t-0 */
    int64_t acked;  /* end of that */
};

static void scene_begin(struct scene *s, struct wr_logs_config *config,
                        struct wr_logs **logs)
{
    s->dir = test_dir_new();
    s->crashed = test_dir_new();
    (void)snprintf(s->copy, sizeof(s->copy), "%s/d", s->crashed);
    *config = test_logs_config(s->dir);
    *logs = test_logs_open(config);
}

/* Everything so far is acknowledged and remembered; then the folder is copied.
 */
static void scene_crash(struct scene *s, struct wr_logs *logs, int unsynced)
{
    struct wr_log *log = test_log(logs, "t", 0);
    test_sync(logs);
    s->expected = test_read(log, 0, WR_READ_UNCOMMITTED);
    s->acked = wr_log_high_watermark(log);
    for (int i = 0; i < unsynced; i++) {
        (void)test_put(log, "unacked", 1);
    }
    test_dir_copy(s->dir, s->copy);
    test_logs_crash(logs);
}

static void scene_end(struct scene *s)
{
    free(s->expected);
    test_dir_remove(s->dir);
    test_dir_remove(s->crashed);
}

/* Opens a fresh copy of the crash; `damage` has been done to it. */
static void expect_all_there(const struct scene *s, const char *dir)
{
    struct wr_logs_config config = test_logs_config(dir);
    struct wr_logs *logs = test_logs_open(&config);
    struct wr_log *log = wr_logs_get(logs, weir_text("t"), 0);
    assert_non_null(log);
    assert_null(wr_log_offline(log));
    assert_int_equal(wr_log_end_offset(log), s->acked);
    char *text = test_read(log, 0, WR_READ_UNCOMMITTED);
    assert_string_equal(text, s->expected);
    free(text);
    assert_int_equal(test_put(log, "next", 1), s->acked);
    test_logs_close(logs);
}

/* A copy of the copy, to be damaged. */
static char *scene_copy(const struct scene *s)
{
    char to[PATH_MAX];
    (void)snprintf(to, sizeof(to), "%s/x", s->crashed);
    assert_int_equal(wr_remove_all(to, NULL), WEIR_OK);
    test_dir_copy(s->copy, to);
    return strdup(to);
}

static void flip(const char *path, int64_t at, int bit)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte = (uint8_t)(byte ^ 1 << bit);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    (void)close(fd);
}

static int64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : -1;
}

static void kill_keeps_the_acknowledged_and_cuts_the_rest(void **state)
{
    struct scene s;
    struct wr_logs_config config;
    struct wr_logs *logs;
    (void)state;
    scene_begin(&s, &config, &logs);
    for (int i = 0; i < 20; i++) {
        (void)test_put(test_log(logs, "t", 0), "acked", 2);
    }
    scene_crash(&s, logs, 3);
    expect_all_there(&s, s.copy);
    scene_end(&s);
}

/* A broker was killed after it had acknowledged `records` of partition t-0 and
 * written `unsynced` more. */
static void scene_of_acked(struct scene *s, int records, int unsynced)
{
    struct wr_logs_config config;
    struct wr_logs *logs;
    scene_begin(s, &config, &logs);
    for (int i = 0; i < records; i++) {
        (void)test_put(test_log(logs, "t", 0), "acked", 1);
    }
    scene_crash(s, logs, unsynced);
}

static void a_tail_torn_at_any_byte_comes_back(void **state)
{
    struct scene s;
    (void)state;
    scene_of_acked(&s, 5, 1);
    int64_t size = size_of(path_in(s.copy, "t-0/00000000000000000000.log"));
    int64_t three = 4 * (size / 6);
    for (int64_t cut = size - three; cut < size; cut += 3) {
        char *dir = scene_copy(&s);
        assert_int_equal(
            truncate(path_in(dir, "t-0/00000000000000000000.log"), cut), 0);
        expect_all_there(&s, dir);
        free(dir);
    }
    scene_end(&s);
}

static void
a_flipped_bit_in_a_segment_is_healed_from_the_shared_log(void **state)
{
    struct scene s;
    (void)state;
    scene_of_acked(&s, 4, 0);
    int64_t size = size_of(path_in(s.copy, "t-0/00000000000000000000.log"));
    for (int64_t at = 0; at < size; at += 5) {
        char *dir = scene_copy(&s);
        flip(path_in(dir, "t-0/00000000000000000000.log"), at, (int)(at % 8));
        expect_all_there(&s, dir);
        free(dir);
    }
    scene_end(&s);
}

static void
a_flipped_bit_in_the_shared_log_loses_nothing_after_a_kill(void **state)
{
    struct scene s;
    struct wr_logs_config config;
    struct wr_logs *logs;
    (void)state;
    scene_begin(&s, &config, &logs);
    for (int i = 0; i < 4; i++) {
        (void)test_put(test_log(logs, "t", 0), "acked", 1);
        (void)test_put(test_log(logs, "u", 0), "other", 1);
        test_sync(logs);
    }
    scene_crash(&s, logs, 0);
    /* Four rounds of one block each; the newest is told apart from a torn one
     * only by being whole, so what it holds may be cut as if it was never
     * acknowledged. */
    for (int64_t at = 0; at < 3 * 4096; at += 7) {
        char *dir = scene_copy(&s);
        flip(path_in(dir, "wal/000000.wal"), at, (int)(at % 8));
        expect_all_there(&s, dir);
        free(dir);
    }
    scene_end(&s);
}

/* Somebody cut or removed the write-ahead log of a broker that was killed: the
 * segments have everything, and nothing says that it was not acknowledged. */
static void a_cut_shared_log_cuts_nothing_from_the_segments(void **state)
{
    struct scene s;
    struct wr_logs_config config;
    struct wr_logs *logs;
    (void)state;
    scene_begin(&s, &config, &logs);
    (void)test_put(test_log(logs, "t", 0), "known", 1);
    test_logs_close(logs); /* the checkpoint knows the log */
    logs = test_logs_open(&config);
    for (int i = 0; i < 5; i++) {
        (void)test_put(test_log(logs, "t", 0), "acked", 20);
        test_sync(logs);
    }
    scene_crash(&s, logs, 0);
    for (off_t size = 0; size <= 6 * 4096; size += 1024) {
        char *dir = scene_copy(&s);
        assert_int_equal(truncate(path_in(dir, "wal/000000.wal"), size), 0);
        expect_all_there(&s, dir);
        free(dir);
    }
    char *dir = scene_copy(&s);
    assert_int_equal(unlink(path_in(dir, "wal/000000.wal")), 0);
    expect_all_there(&s, dir);
    free(dir);
    scene_end(&s);
}

/* Three segments of a topic: `small` records in each of two, and in the third
 * one batch that is synced there, past the write-ahead log. */
static void scene_of_rolls(struct scene *s, struct wr_logs_config *config,
                           bool direct)
{
    struct wr_logs *logs;
    scene_begin(s, config, &logs);
    struct wr_log *log = test_log(logs, "t", 0);
    for (int segment = 0; segment < 2; segment++) {
        for (int i = 0; i < 5; i++) {
            (void)test_put(log, "acked", 1);
        }
        test_sync(logs);
        assert_int_equal(wr_log_roll(log, NULL), WEIR_OK);
    }
    struct test_batch last = {.producer_id = -1, .count = 1, .tag = "last"};
    last.pad = direct ? config->direct_bytes : 0;
    assert_int_equal(test_append(log, &last, NULL), WR_ERR_NONE);
    scene_crash(s, logs, 0);
}

static const char *const rolled[] = {"t-0/00000000000000000000.log",
                                     "t-0/00000000000000000005.log",
                                     "t-0/00000000000000000010.log"};

/* Cuts the pages of some segments off, as a power cut does. */
static void cut_each_and_expect_all(const struct scene *s, unsigned which)
{
    int64_t size = size_of(path_in(s->copy, rolled[0]));
    for (int64_t left = 0; left <= size; left += size / 10) {
        char *dir = scene_copy(s);
        for (unsigned i = 0; i < 3; i++) {
            if (which >> i & 1) {
                assert_int_equal(truncate(path_in(dir, rolled[i]), left), 0);
            }
        }
        expect_all_there(s, dir);
        free(dir);
    }
}

static void
what_a_lost_page_held_before_a_roll_comes_from_the_shared_log(void **state)
{
    struct scene s;
    struct wr_logs_config config;
    (void)state;
    scene_of_rolls(&s, &config, false);
    for (unsigned which = 1; which < 4; which++) {
        cut_each_and_expect_all(&s, which);
    }
    scene_end(&s);
}

static void
a_segment_synced_by_itself_stays_when_pages_before_it_are_lost(void **state)
{
    struct scene s;
    struct wr_logs_config config;
    (void)state;
    scene_of_rolls(&s, &config, true);
    for (unsigned which = 1; which < 4; which++) {
        cut_each_and_expect_all(&s, which);
    }
    scene_end(&s);
}

static void
a_lost_segment_leaves_no_hole_in_a_weaker_mode_and_nothing_is_deleted(
    void **state)
{
    struct scene s;
    struct wr_logs *logs;
    (void)state;
    struct wr_logs_config config;
    scene_begin(&s, &config, &logs);
    test_logs_close(logs);
    config.durability = WR_DURABILITY_NONE;
    logs = test_logs_open(&config);
    struct wr_log *log = test_log(logs, "t", 0);
    assert_int_equal(wr_logs_checkpoint_now(logs, NULL), WEIR_OK);
    for (int i = 0; i < 3; i++) {
        (void)test_put(log, "acked", 5);
        test_sync(logs);
        if (i < 2) {
            assert_int_equal(wr_log_roll(log, NULL), WEIR_OK);
        }
    }
    scene_crash(&s, logs, 0);
    assert_int_equal(unlink(path_in(s.copy, rolled[1])), 0);
    config.dir = s.copy;
    for (int start = 0; start < 2; start++) {
        logs = test_logs_open(&config);
        log = wr_logs_get(logs, weir_text("t"), 0);
        assert_null(wr_log_offline(log));
        assert_int_equal(wr_log_end_offset(log), 5);
        test_logs_close(logs);
    }
    assert_true(
        size_of(path_in(s.copy, "t-0/00000000000000000010.log.aside-0")) > 0);
    scene_end(&s);
}

/* Damage that hides acknowledged data. */
static void
a_damaged_acknowledged_batch_puts_only_its_partition_offline(void **state)
{
    struct scene s;
    struct wr_logs_config config;
    struct wr_logs *logs;
    (void)state;
    scene_begin(&s, &config, &logs);
    for (int i = 0; i < 10; i++) {
        (void)test_put(test_log(logs, "t", 0), "acked", 1);
        (void)test_put(test_log(logs, "u", 0), "other", 1);
    }
    test_sync(logs);
    /* A checkpoint: the shared log is not needed for these any more. */
    assert_int_equal(wr_logs_checkpoint_now(logs, NULL), WEIR_OK);
    logs->wal_released = logs->wal_done;
    assert_int_equal(wr_logs_checkpoint_now(logs, NULL), WEIR_OK);
    scene_crash(&s, logs, 2);
    int64_t before = size_of(path_in(s.copy, "t-0/00000000000000000000.log"));
    flip(path_in(s.copy, "t-0/00000000000000000000.log"), 300, 3);
    config.dir = s.copy;
    for (int round = 0; round < 2; round++) {
        logs = test_logs_open(&config);
        struct wr_log *log = wr_logs_get(logs, weir_text("t"), 0);
        struct wr_log_appended out;
        struct weir_error err = {0};
        struct test_batch batch = {.producer_id = -1, .count = 1, .tag = "no"};
        assert_non_null(wr_log_offline(log));
        assert_non_null(strstr(wr_log_offline(log), "000.log"));
        assert_int_equal(test_append(log, &batch, &out),
                         WR_ERR_KAFKA_STORAGE_ERROR);
        struct wr_buf bytes;
        wr_buf_init(&bytes, 1000);
        struct wr_log_read how = {0, 1000, true, WR_READ_UNCOMMITTED};
        assert_int_equal(wr_log_read(log, &how, &bytes, &err),
                         WR_ERR_CORRUPT_MESSAGE);
        log = wr_logs_get(logs, weir_text("u"), 0);
        assert_null(wr_log_offline(log));
        assert_int_equal(wr_log_end_offset(log), 10 + round);
        (void)test_put(log, "works", 1);
        test_logs_close(logs);
    }
    /* Nothing was cut. */
    assert_int_equal(size_of(path_in(s.copy, "t-0/00000000000000000000.log")),
                     before);
    /* A person accepts the loss. */
    assert_int_equal(unlink(path_in(s.copy, "t-0/offline.weir")), 0);
    assert_int_equal(unlink(path_in(s.copy, ".kafka_cleanshutdown")), 0);
    logs = test_logs_open(&config);
    struct wr_log *log = wr_logs_get(logs, weir_text("t"), 0);
    assert_null(wr_log_offline(log));
    assert_true(wr_log_end_offset(log) < 10);
    test_logs_close(logs);
    scene_end(&s);
}

static void damaged_indexes_and_snapshots_are_made_again(void **state)
{
    static const char *const files[] = {"t-0/00000000000000000000.index",
                                        "t-0/00000000000000000000.timeindex",
                                        "t-0/00000000000000000000.txnindex",
                                        "t-0/00000000000000000400.snapshot"};
    struct scene s;
    struct wr_logs_config config;
    struct wr_logs *logs;
    (void)state;
    scene_begin(&s, &config, &logs);
    struct wr_log *log = test_log(logs, "t", 0);
    for (int i = 0; i < 200; i++) {
        struct test_batch batch = {.producer_id = 5,
                                   .count = 1,
                                   .sequence = i,
                                   .transactional = true,
                                   .tag = "x",
                                   .pad = 60};
        assert_int_equal(test_append(log, &batch, NULL), WR_ERR_NONE);
        assert_int_equal(test_marker(log, 5, 0, i % 2 == 0), WR_ERR_NONE);
    }
    test_sync(logs);
    s.expected = test_read(log, 0, WR_READ_UNCOMMITTED);
    s.acked = 400;
    test_logs_close(logs);
    test_dir_copy(s.dir, s.copy);
    for (size_t f = 0; f < 4; f++) {
        int64_t size = size_of(path_in(s.copy, files[f]));
        assert_true(size > 0);
        for (int64_t at = 0; at < size; at += 1 + size / 40) {
            char *dir = scene_copy(&s);
            flip(path_in(dir, files[f]), at, (int)(at % 8));
            expect_all_there(&s, dir);
            struct wr_arena arena;
            struct wr_aborted_list aborted;
            wr_arena_init(&arena, (size_t)1 << 20);
            struct wr_logs_config copy = test_logs_config(dir);
            logs = test_logs_open(&copy);
            log = wr_logs_get(logs, weir_text("t"), 0);
            /* A flip inside an entry's producer id cannot be seen. */
            assert_int_equal(
                wr_log_aborted(log, 0, 400, &arena, &aborted, NULL), WEIR_OK);
            assert_int_equal(aborted.count, 100);
            struct wr_log_time found;
            assert_int_equal(wr_log_find_time(log, TEST_TIME_MS,
                                              WR_READ_UNCOMMITTED, &found,
                                              NULL),
                             WR_ERR_NONE);
            assert_int_equal(found.offset, 0);
            test_logs_close(logs);
            wr_arena_done(&arena);
            free(dir);
        }
    }
    scene_end(&s);
}

static void weaker_modes_keep_everything_after_a_kill(void **state)
{
    struct scene s;
    struct wr_logs_config config;
    struct wr_logs *logs;
    (void)state;
    scene_begin(&s, &config, &logs);
    test_logs_close(logs);
    config.durability = WR_DURABILITY_NONE;
    logs = test_logs_open(&config);
    for (int i = 0; i < 20; i++) {
        (void)test_put(test_log(logs, "t", 0), "x", 1);
    }
    scene_crash(&s, logs, 0);
    expect_all_there(&s, s.copy);
    scene_end(&s);
}

/* ---- power cut, at random ------------------------------------------------ */

static uint64_t rng_state;
static uint32_t rng(uint32_t below)
{
    rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
    return below > 0 ? (uint32_t)(rng_state >> 33) % below : 0;
}

#define PARTITIONS 4

/* Where offset `from` stands in a segment file that begins at `base`. */
static int64_t position_of(const char *path, int64_t from)
{
    int64_t pos = 0;
    uint8_t head[WR_BATCH_HEADER_BYTES];
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    while (pread(fd, head, sizeof(head), pos) == (ssize_t)sizeof(head) &&
           wr_batch_size(head) > 0 && wr_load_i64(head) < from) {
        pos += (int64_t)wr_batch_size(head);
    }
    (void)close(fd);
    return pos;
}

/* Takes out of the file what was not synced: all, or each block with luck. */
static void lose_unsynced(const char *path, int64_t from)
{
    static const uint8_t zeros[512];
    int64_t size = size_of(path);
    switch (rng(3)) {
    case 0:
        assert_int_equal(truncate(path, from), 0);
        break;
    case 1:
        assert_int_equal(
            truncate(path, from + (int64_t)rng((uint32_t)(size - from) + 1)),
            0);
        break;
    default: {
        int fd = open(path, O_RDWR);
        for (int64_t at = from; at < size; at += 512 - at % 512) {
            size_t n = (size_t)(512 - at % 512);
            n = (int64_t)n > size - at ? (size_t)(size - at) : n;
            if (rng(2) == 0) {
                assert_int_equal(pwrite(fd, zeros, n, at), n);
            }
        }
        (void)close(fd);
    }
    }
}

/* Large appends sync their segment themselves: that counts as well. */
static int64_t direct_point(const struct wr_wal_reader *wal,
                            const struct wr_log *log, int64_t point)
{
    for (size_t i = 0; i < wal->count; i++) {
        const struct wr_wal_entry *entry = &wal->found[i].entry;
        if (entry->kind == WR_WAL_DIRECT && entry->next_offset > point &&
            entry->partition == log->partition &&
            memcmp(entry->topic_id, log->topic_id, WR_TOPIC_ID_BYTES) == 0) {
            point = entry->next_offset;
        }
    }
    return point;
}

static void power_cut(const char *dir, const struct wr_logs *logs)
{
    struct wr_wal_reader wal;
    struct wr_checkpoint checkpoint = {.durability = WR_DURABILITY_SYNC};
    assert_int_equal(wr_checkpoint_load(dir, &checkpoint, NULL), WEIR_OK);
    assert_int_equal(wr_wal_reader_open(path_in(dir, "wal"), checkpoint.salt,
                                        checkpoint.live_from, &wal, NULL),
                     WEIR_OK);
    size_t cursor = 0;
    struct wr_log *log;
    while ((log = wr_logs_next(logs, &cursor)) != NULL) {
        const struct wr_checkpoint_log *known =
            wr_checkpoint_find(&checkpoint, log->topic_id, log->partition);
        int64_t point =
            direct_point(&wal, log, known ? known->recovery_point : 0);
        for (size_t i = 0; i < log->segment_count; i++) {
            char path[PATH_MAX];
            const struct wr_segment *segment = log->segments[i];
            (void)snprintf(path, sizeof(path), "%s/%s-%d/%020" PRId64 ".log",
                           dir, log->topic, log->partition,
                           segment->base_offset);
            if (size_of(path) < 0) {
                continue;
            }
            if (segment->base_offset >= point && segment->base_offset > 0 &&
                rng(2) == 0) {
                assert_int_equal(unlink(path), 0); /* its name was not synced */
                continue;
            }
            lose_unsynced(path, position_of(path, point));
        }
    }
    wr_wal_reader_done(&wal);
    wr_checkpoint_done(&checkpoint);
}

/* One life: appends, transactions, syncs; then the crash. */
static void live(struct wr_logs *logs, char *expected[PARTITIONS],
                 int32_t sequence[PARTITIONS])
{
    uint32_t steps = 20 + rng(60);
    for (uint32_t i = 0; i < steps; i++) {
        int32_t p = (int32_t)rng(PARTITIONS);
        struct wr_log *log = test_log(logs, "t", p);
        char tag[32];
        (void)snprintf(tag, sizeof(tag), "%u", rng(1000000));
        struct test_batch batch = {.producer_id = 100 + p,
                                   .count = 1 + (int32_t)rng(5),
                                   .sequence = sequence[p],
                                   .transactional = true,
                                   .tag = tag,
                                   .pad = rng(20) ? rng(300) : 70000};
        assert_int_equal(test_append(log, &batch, NULL), WR_ERR_NONE);
        sequence[p] += batch.count;
        if (rng(3) == 0) {
            assert_int_equal(test_marker(log, 100 + p, 0, rng(2) == 0),
                             WR_ERR_NONE);
        }
        if (rng(3) == 0) {
            wr_logs_commit(logs);
        }
        if (rng(6) == 0) {
            test_sync(logs);
        }
        if (rng(10) == 0) {
            wr_logs_checkpoint_begin(logs);
        }
    }
    /* What is acknowledged at this moment; more is under way. */
    wr_logs_poll(logs);
    while (logs->checkpoint) { /* cp is not one moment; this part has to be */
        wr_helper_wait(logs->background);
        wr_logs_poll(logs);
    }
    for (int32_t p = 0; p < PARTITIONS; p++) {
        free(expected[p]);
        expected[p] = test_read(test_log(logs, "t", p), 0, WR_READ_UNCOMMITTED);
    }
}

static void check_life(struct wr_logs *logs, char *expected[PARTITIONS],
                       int32_t sequence[PARTITIONS])
{
    for (int32_t p = 0; p < PARTITIONS; p++) {
        struct wr_log *log = test_log(logs, "t", p);
        struct wr_log_producer producer;
        if (wr_log_offline(log)) {
            fail_msg("offline: %s", wr_log_offline(log));
        }
        char *text = test_read(log, 0, WR_READ_UNCOMMITTED);
        /* Everything acknowledged, and maybe some that was under way. */
        if (strncmp(text, expected[p], strlen(expected[p])) != 0) {
            fail_msg("partition %d lost something:\n%s\n%s", p, expected[p],
                     text);
        }
        free(text);
        size_t cursor = 0;
        sequence[p] = 0;
        while (wr_log_producer_next(log, &cursor, &producer)) {
            sequence[p] = producer.last_sequence + 1;
        }
    }
}

static void power_cuts_at_random_lose_nothing_acknowledged(void **state)
{
    (void)state;
    const char *seeds = getenv("WEIR_TEST_SEEDS");
    for (uint64_t seed = 1; seed <= (seeds ? strtoul(seeds, NULL, 10) : 12);
         seed++) {
        char *dirs[8];
        char *expected[PARTITIONS] = {NULL};
        int32_t sequence[PARTITIONS] = {0};
        rng_state = seed;
        dirs[0] = test_dir_new();
        struct wr_logs_config config = test_logs_config(dirs[0]);
        config.topic.segment_bytes = 500000;
        for (int life = 0; life < 7; life++) {
            char copy[PATH_MAX];
            struct wr_logs *logs = test_logs_open(&config);
            if (life > 0) {
                check_life(logs, expected, sequence);
            }
            live(logs, expected, sequence);
            dirs[life + 1] = test_dir_new();
            (void)snprintf(copy, sizeof(copy), "%s/d", dirs[life + 1]);
            test_dir_copy(config.dir, copy);
            if (rng(3) != 0) {
                power_cut(copy, logs);
            }
            test_logs_crash(logs);
            free((void *)(uintptr_t)(life > 0 ? config.dir : NULL));
            config.dir = strdup(copy);
        }
        struct wr_logs *logs = test_logs_open(&config);
        check_life(logs, expected, sequence);
        test_logs_close(logs);
        free((void *)(uintptr_t)config.dir);
        for (int32_t p = 0; p < PARTITIONS; p++) {
            free(expected[p]);
        }
        for (int life = 0; life < 8; life++) {
            test_dir_remove(dirs[life]);
        }
    }
}

int main(void)
{
    if (!getenv("WEIR_TEST_LOG")) {
        wr_log_configure(WR_ERROR, WR_LOG_LOGFMT);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kill_keeps_the_acknowledged_and_cuts_the_rest),
        cmocka_unit_test(a_tail_torn_at_any_byte_comes_back),
        cmocka_unit_test(
            a_flipped_bit_in_a_segment_is_healed_from_the_shared_log),
        cmocka_unit_test(
            a_flipped_bit_in_the_shared_log_loses_nothing_after_a_kill),
        cmocka_unit_test(a_cut_shared_log_cuts_nothing_from_the_segments),
        cmocka_unit_test(
            what_a_lost_page_held_before_a_roll_comes_from_the_shared_log),
        cmocka_unit_test(
            a_segment_synced_by_itself_stays_when_pages_before_it_are_lost),
        cmocka_unit_test(
            a_lost_segment_leaves_no_hole_in_a_weaker_mode_and_nothing_is_deleted),
        cmocka_unit_test(
            a_damaged_acknowledged_batch_puts_only_its_partition_offline),
        cmocka_unit_test(damaged_indexes_and_snapshots_are_made_again),
        cmocka_unit_test(weaker_modes_keep_everything_after_a_kill),
        cmocka_unit_test(power_cuts_at_random_lose_nothing_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
