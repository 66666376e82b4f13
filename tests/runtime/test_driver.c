/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/weir_test.h"

#include "runtime/driver.h"
#include "tests/runtime/graph.h"

#include <stdio.h>

/* Counts by key in store "counts", passes the count on. */
static enum weir_status count(struct weir_context *ctx,
                              const struct weir_record *record, void *state)
{
    struct weir_store *store = weir_context_store(ctx, "counts");
    struct weir_bytes old;
    int64_t n = 0;
    uint8_t bytes[8];
    (void)state;
    enum weir_status s = weir_store_get(store, record->key, &old);
    if (s == WEIR_OK && old.data) {
        s = weir_int64_read(old, &n);
    }
    struct weir_record out = *record;
    out.value = weir_int64_bytes(n + 1, bytes);
    if (s == WEIR_OK) {
        s = weir_store_put(store, record->key, out.value);
    }
    return s == WEIR_OK ? weir_forward(ctx, &out) : s;
}

static enum weir_status value_as_key(struct weir_context *ctx,
                                     const struct weir_record *record,
                                     void *state)
{
    struct weir_record out = *record;
    (void)state;
    out.key = record->value;
    return weir_forward(ctx, &out);
}

static struct weir_topology *word_count(void)
{
    struct weir_topology *t = weir_topology_new();
    add_source(t, "in", "words");
    add_processor(t, "key", "in", value_as_key);
    weir_topology_repartition(t, "by-word", 0);
    add_sink(t, "by-word-out", "by-word", "key");
    add_source(t, "by-word-in", "by-word");
    add_processor(t, "count", "by-word-in", count);
    add_store(t, "counts", "count");
    add_sink(t, "out", "results", "count");
    return t;
}

static struct wr_driver *open_driver(struct weir_topology *t,
                                     int32_t partitions)
{
    struct wr_driver *d = NULL;
    struct weir_error err = {0};
    if (wr_driver_new(t, NULL, partitions, &d, &err) != WEIR_OK) {
        fail_msg("%s", err.text);
    }
    return d;
}

static void send_word(struct wr_driver *d, const char *word, int64_t ts)
{
    struct weir_error err = {0};
    struct weir_record r = make_record(NULL, word, ts);
    if (wr_driver_send(d, "words", &r, &err) != WEIR_OK) {
        fail_msg("%s", err.text);
    }
}

static int64_t next_count(struct wr_driver *d, const char *word)
{
    struct wr_driver_record r;
    int64_t n = -1;
    assert_true(wr_driver_read(d, "results", &r));
    assert_true(wr_bytes_equal_text(r.record.key, word));
    assert_int_equal(weir_int64_read(r.record.value, &n), WEIR_OK);
    return n;
}

static void words_are_counted_through_a_repartition_topic(void **state)
{
    (void)state;
    for (int32_t partitions = 1; partitions <= 4; partitions += 3) {
        struct weir_topology *t = word_count();
        struct wr_driver *d = open_driver(t, partitions);
        struct wr_driver_record r;
        send_word(d, "a", 1);
        send_word(d, "b", 2);
        send_word(d, "a", 3);
        assert_int_equal(next_count(d, "a"), 1);
        assert_int_equal(next_count(d, "b"), 1);
        assert_int_equal(next_count(d, "a"), 2);
        assert_false(wr_driver_read(d, "results", &r));
        wr_driver_free(d);
        weir_topology_free(t);
    }
}

static void every_write_has_its_changelog_record(void **state)
{
    (void)state;
    struct weir_topology *t = word_count();
    struct wr_driver *d = open_driver(t, 1);
    struct wr_driver_record r;
    send_word(d, "a", 7);
    send_word(d, "a", 9);
    assert_true(wr_driver_read(d, "driver-counts-changelog", &r));
    assert_int_equal(r.record.timestamp_ms, 7);
    assert_true(wr_driver_read(d, "driver-counts-changelog", &r));
    assert_memory_equal(r.record.value.data, "\0\0\0\0\0\0\0\2", 8);
    assert_int_equal(r.record.timestamp_ms, 9);
    assert_false(wr_driver_read(d, "driver-counts-changelog", &r));
    wr_driver_free(d);
    weir_topology_free(t);
}

static void an_abort_takes_state_and_output_back(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct weir_topology *t = word_count();
    struct wr_driver *d = open_driver(t, 1);
    struct wr_driver_record r;
    send_word(d, "a", 1);
    assert_int_equal(wr_driver_commit(d, &err), WEIR_OK);
    send_word(d, "a", 2);
    send_word(d, "b", 3);
    assert_int_equal(wr_driver_abort(d, &err), WEIR_OK);
    assert_int_equal(next_count(d, "a"), 1);
    assert_false(wr_driver_read(d, "results", &r));
    send_word(d, "a", 4);
    assert_int_equal(next_count(d, "a"), 2);
    wr_driver_free(d);
    weir_topology_free(t);
}

static void a_topic_that_nobody_reads_is_refused(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct weir_topology *t = word_count();
    struct wr_driver *d = open_driver(t, 1);
    struct weir_record r = make_record("k", "v", 1);
    assert_int_equal(wr_driver_send(d, "nope", &r, &err), WEIR_E_NOTFOUND);
    assert_non_null(strstr(err.text, "'nope'"));
    wr_driver_free(d);
    weir_topology_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_counted_through_a_repartition_topic),
        cmocka_unit_test(every_write_has_its_changelog_record),
        cmocka_unit_test(an_abort_takes_state_and_output_back),
        cmocka_unit_test(a_topic_that_nobody_reads_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
