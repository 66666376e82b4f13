/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/weir_test.h"

#include "base/log.h"
#include "runtime/driver.h"
#include "tests/runtime/graph.h"

#include <fcntl.h>
#include <unistd.h>

static char told[8192];
static int kept_stderr = -1, pipe_fds[2];

static void listen_to_log(void)
{
    wr_log_configure(WR_WARN, WR_LOG_LOGFMT);
    assert_int_equal(pipe(pipe_fds), 0);
    kept_stderr = dup(STDERR_FILENO);
    assert_true(kept_stderr >= 0);
    assert_true(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
    assert_int_equal(close(pipe_fds[1]), 0);
}

static int give_stderr_back(void **state)
{
    (void)state;
    if (kept_stderr >= 0) {
        assert_true(dup2(kept_stderr, STDERR_FILENO) >= 0);
        assert_int_equal(close(kept_stderr), 0);
        kept_stderr = -1;
    }
    return 0;
}

/* Lines of the log since listen_to_log; the text is in `told`. */
static size_t lines_of_log(void)
{
    size_t len = 0;
    ssize_t n;
    (void)give_stderr_back(NULL);
    while ((n = read(pipe_fds[0], told + len, sizeof(told) - 1 - len)) > 0) {
        len += (size_t)n;
    }
    assert_int_equal(close(pipe_fds[0]), 0);
    told[len] = '\0';
    size_t lines = 0;
    for (const char *p = told; *p; p++) {
        lines += *p == '\n';
    }
    return lines;
}

/* The record's value is its time. */
static enum weir_status time_in_value(struct weir_context *ctx,
                                      const struct weir_record *record,
                                      int64_t *timestamp_ms, void *user)
{
    (void)ctx;
    (void)user;
    *timestamp_ms = number_in(record->value);
    return WEIR_OK;
}

static struct wr_driver *open_driver(struct weir_topology *t)
{
    struct weir_error err = {0};
    struct wr_driver *d = NULL;
    const char *topic = "A";
    weir_topology_source(
        t, &(struct weir_source){.size = sizeof(struct weir_source),
                                 .name = "in",
                                 .topics = &topic,
                                 .topic_count = 1,
                                 .timestamp = time_in_value});
    add_sink(t, "out", "B", "in");
    assert_ok(wr_driver_new(t, NULL, 1, &d, &err), err);
    return d;
}

static void send(struct wr_driver *d, const char *value)
{
    struct weir_error err = {0};
    struct weir_record r = make_record("k", value, 7);
    assert_ok(wr_driver_send(d, "A", &r, &err), err);
}

static void a_negative_timestamp_leaves_the_record_out(void **state)
{
    (void)state;
    struct weir_topology *t = weir_topology_new();
    struct wr_driver *d = open_driver(t);
    struct wr_driver_record r;
    listen_to_log();
    send(d, "5");
    send(d, "-3");
    send(d, "6");
    assert_int_equal(lines_of_log(), 1);
    assert_non_null(strstr(told, "level=warn"));
    assert_non_null(strstr(told, "event=record-skipped task=0_0 node=in "
                                 "topic=A partition=0 offset=1 "
                                 "timestamp_ms=-3 untold=0"));
    assert_true(wr_driver_read(d, "B", &r));
    assert_int_equal(r.record.timestamp_ms, 5);
    assert_true(wr_driver_read(d, "B", &r));
    assert_int_equal(r.record.timestamp_ms, 6);
    assert_false(wr_driver_read(d, "B", &r));
    wr_driver_free(d);
    weir_topology_free(t);
}

static void every_oddity_is_counted_but_few_are_told(void **state)
{
    (void)state;
    struct weir_error err = {0};
    struct weir_topology *t = weir_topology_new();
    struct wr_driver *d = open_driver(t);
    listen_to_log();
    for (int i = 0; i < 1000; i++) {
        send(d, "-1");
    }
    assert_ok(wr_driver_advance(d, 9000, &err), err);
    send(d, "-1");
    assert_ok(wr_driver_advance(d, 2000, &err), err);
    send(d, "-1");
    assert_int_equal(lines_of_log(), 2);
    assert_non_null(strstr(told, "offset=0 timestamp_ms=-1 untold=0\n"));
    assert_non_null(strstr(told, "offset=1001 timestamp_ms=-1 untold=1000\n"));
    struct wr_buf text;
    wr_buf_init(&text, 1 << 20);
    wr_metrics_render(wr_driver_metrics(d), &text);
    assert_non_null(strstr(wr_buf_text(&text),
                           "weir_records_dropped_total{task=\"0_0\",reason="
                           "\"negative_timestamp\"} 1002"));
    wr_buf_done(&text);
    wr_driver_free(d);
    weir_topology_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_negative_timestamp_leaves_the_record_out,
                                  give_stderr_back),
        cmocka_unit_test_teardown(every_oddity_is_counted_but_few_are_told,
                                  give_stderr_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
