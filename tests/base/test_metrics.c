/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"

#include "tests/harness/faults.h"
#include "tests/harness/weir_test.h"

#include <pthread.h>

static struct wr_metrics *metrics;
static struct wr_buf out;

static int setup(void **state)
{
    (void)state;
    wr_buf_init(&out, (size_t)8 << 20);
    return wr_metrics_new(&metrics) == WEIR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    wr_metrics_free(metrics);
    wr_buf_done(&out);
    return 0;
}

static const char *render(void)
{
    wr_buf_reset(&out);
    wr_metrics_render(metrics, &out);
    assert_status(WEIR_OK, out.status);
    return wr_buf_text(&out);
}

static void counters_and_gauges_render_sorted_with_help_and_type(void **state)
{
    (void)state;
    struct wr_metric *b1 = wr_metric_get(metrics, WR_COUNTER, "b_total",
                                         "topic=\"t\"", "Things\nthat \\ go.");
    struct wr_metric *b0 =
        wr_metric_get(metrics, WR_COUNTER, "b_total", "topic=\"a\"", "");
    struct wr_metric *a =
        wr_metric_get(metrics, WR_GAUGE, "a_bytes", "", "Size.");
    wr_metric_add(b1, 2);
    wr_metric_add(b1, 3);
    wr_metric_add(b0, 1);
    wr_metric_set(a, -7);
    assert_string_equal(render(), "# HELP a_bytes Size.\n"
                                  "# TYPE a_bytes gauge\n"
                                  "a_bytes -7\n"
                                  "# HELP b_total Things\\nthat \\\\ go.\n"
                                  "# TYPE b_total counter\n"
                                  "b_total{topic=\"a\"} 1\n"
                                  "b_total{topic=\"t\"} 5\n");
}

static void the_same_name_and_labels_are_the_same_series(void **state)
{
    (void)state;
    struct wr_metric *one =
        wr_metric_get(metrics, WR_COUNTER, "n_total", "a=\"1\"", "N.");
    assert_ptr_equal(
        wr_metric_get(metrics, WR_COUNTER, "n_total", "a=\"1\"", "N."), one);
    assert_ptr_not_equal(
        wr_metric_get(metrics, WR_COUNTER, "n_total", "a=\"2\"", "N."), one);
    /* a name has one kind: the misfit is usable but not shown */
    struct wr_metric *misfit =
        wr_metric_get(metrics, WR_GAUGE, "n_total", "a=\"1\"", "N.");
    assert_ptr_not_equal(misfit, one);
    wr_metric_set(misfit, 99);
    assert_null(strstr(render(), "99"));
}

static void a_histogram_counts_each_duration_in_its_bucket(void **state)
{
    (void)state;
    struct wr_metric *h =
        wr_metric_get(metrics, WR_HISTOGRAM, "t_seconds", "k=\"v\"", "T.");
    wr_metric_observe_ns(h, -5);                        /* le 1 us */
    wr_metric_observe_ns(h, 1000);                      /* le 1 us */
    wr_metric_observe_ns(h, 1001);                      /* le 2 us */
    wr_metric_observe_ns(h, 4000);                      /* le 4 us */
    wr_metric_observe_ns(h, 134217728000);              /* le 134.217728 s */
    wr_metric_observe_ns(h, (int64_t)200 * 1000000000); /* beyond */
    const char *text = render();
    static const char *const lines[] = {
        "# TYPE t_seconds histogram\n",
        "t_seconds_bucket{k=\"v\",le=\"1e-06\"} 2\n",
        "t_seconds_bucket{k=\"v\",le=\"2e-06\"} 3\n",
        "t_seconds_bucket{k=\"v\",le=\"4e-06\"} 4\n",
        "t_seconds_bucket{k=\"v\",le=\"67.108864\"} 4\n",
        "t_seconds_bucket{k=\"v\",le=\"134.217728\"} 5\n",
        "t_seconds_bucket{k=\"v\",le=\"+Inf\"} 6\n",
        "t_seconds_sum{k=\"v\"} 334.217734001\n",
        "t_seconds_count{k=\"v\"} 6\n"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (!strstr(text, lines[i])) {
            fail_msg("no line %s in\n%s", lines[i], text);
        }
    }
}

static void dropping_takes_only_what_matches(void **state)
{
    (void)state;
    (void)wr_metric_get(metrics, WR_GAUGE, "a", "task=\"0_1\"", "A.");
    (void)wr_metric_get(metrics, WR_GAUGE, "a", "task=\"0_10\"", "A.");
    (void)wr_metric_get(metrics, WR_GAUGE, "b", "task=\"0_1\",x=\"y\"", "B.");
    wr_metrics_drop(metrics, "task=\"0_1\"");
    assert_string_equal(render(), "# HELP a A.\n# TYPE a gauge\n"
                                  "a{task=\"0_10\"} 0\n");
    struct wr_metric *again =
        wr_metric_get(metrics, WR_GAUGE, "a", "task=\"0_1\"", "A.");
    wr_metric_set(again, 4);
    assert_non_null(strstr(render(), "a{task=\"0_1\"} 4\n"));
}

static void series_beyond_the_limit_work_but_do_not_show(void **state)
{
    (void)state;
    char labels[32];
    struct wr_metric *metric = NULL;
    for (int i = 0; i < 10002; i++) {
        (void)snprintf(labels, sizeof(labels), "n=\"%d\"", i);
        metric = wr_metric_get(metrics, WR_COUNTER, "n_total", labels, "N.");
        assert_non_null(metric);
        wr_metric_add(metric, 1);
    }
    const char *text = render();
    assert_non_null(strstr(text, "n_total{n=\"9999\"} 1\n"));
    assert_null(strstr(text, "n_total{n=\"10000\"}"));
}

static void *count_and_render(void *arg)
{
    (void)arg;
    struct wr_buf mine;
    wr_buf_init(&mine, 1 << 20);
    for (int i = 0; i < 20000; i++) {
        struct wr_metric *metric =
            wr_metric_get(metrics, WR_COUNTER, "n_total", "", "N.");
        wr_metric_add(metric, 1);
        if (i % 1000 == 0) {
            wr_buf_reset(&mine);
            wr_metrics_render(metrics, &mine);
        }
    }
    wr_buf_done(&mine);
    return NULL;
}

static void threads_lose_no_count(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(
            pthread_create(&threads[i], NULL, count_and_render, NULL), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_non_null(strstr(render(), "\nn_total 80000\n"));
}

static void a_full_buffer_tells(void **state)
{
    (void)state;
    struct wr_buf small;
    (void)wr_metric_get(metrics, WR_GAUGE, "a", "", "A sentence.");
    wr_buf_init(&small, 10);
    wr_metrics_render(metrics, &small);
    assert_status(WEIR_E_TOOBIG, small.status);
    wr_buf_done(&small);
}

/* A metric is always had; without memory it is just not shown. */
static enum weir_status use_metrics(void *arg)
{
    (void)arg;
    struct wr_metrics *mine;
    struct wr_buf text;
    enum weir_status status = wr_metrics_new(&mine);
    if (status != WEIR_OK) {
        return status;
    }
    wr_buf_init(&text, 1 << 16);
    wr_metric_add(wr_metric_get(mine, WR_COUNTER, "n_total", "", "N."), 1);
    wr_metric_observe_ns(
        wr_metric_get(mine, WR_HISTOGRAM, "t_seconds", "a=\"1\"", "T."), 1);
    wr_metrics_render(mine, &text);
    status = text.status;
    wr_buf_done(&text);
    wr_metrics_free(mine);
    return status;
}

static void without_memory_metrics_still_count(void **state)
{
    (void)state;
    assert_true(wr_faults_each(use_metrics, NULL) > 0);
}

#define METRICS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        METRICS(counters_and_gauges_render_sorted_with_help_and_type),
        METRICS(the_same_name_and_labels_are_the_same_series),
        METRICS(a_histogram_counts_each_duration_in_its_bucket),
        METRICS(dropping_takes_only_what_matches),
        METRICS(series_beyond_the_limit_work_but_do_not_show),
        METRICS(threads_lose_no_count),
        METRICS(a_full_buffer_tells),
        cmocka_unit_test(without_memory_metrics_still_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
