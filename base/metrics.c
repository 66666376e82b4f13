/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics. Families (one name, kind and sentence) hold series (one set of
 * labels). The registry's mutex guards its structure only; values are atomics
 * that writers touch without it. Rendering reads while others write: each
 * number is right at some moment, and a histogram's buckets always add up to
 * its count, because the count is computed from them. */
#include "base/metrics.h"

#include "base/map.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define METRICS_SERIES_MAX 10000

struct series {
    struct wr_metric metric; /* first, so that both have one address */
    struct series *next;     /* in its family */
    char *labels;            /* owned; "" for none */
};

struct family {
    char *name; /* owned */
    char *help; /* owned */
    enum wr_metric_kind kind;
    struct series *first; /* newest first */
};

struct wr_metrics {
    pthread_mutex_t lock;  /* guards all below but the metrics' values */
    struct wr_map by_name; /* name -> family */
    struct wr_map by_id;   /* name{labels} -> series */
    struct wr_metric sink; /* stands in when a series cannot be had */
};

enum weir_status wr_metrics_new(struct wr_metrics **out)
{
    struct wr_metrics *metrics = calloc(1, sizeof(*metrics));
    if (!metrics) {
        return WEIR_E_NOMEM;
    }
    if (pthread_mutex_init(&metrics->lock, NULL) != 0) {
        free(metrics);
        return WEIR_E_NOMEM;
    }
    wr_map_init(&metrics->by_name);
    wr_map_init(&metrics->by_id);
    *out = metrics;
    return WEIR_OK;
}

static void series_free(struct series *series)
{
    if (series) {
        free(series->labels);
        free(series);
    }
}

static void family_free(struct family *family)
{
    if (family) {
        while (family->first) {
            struct series *next = family->first->next;
            series_free(family->first);
            family->first = next;
        }
        free(family->name);
        free(family->help);
        free(family);
    }
}

void wr_metrics_free(struct wr_metrics *metrics)
{
    if (!metrics) {
        return;
    }
    size_t cursor = 0;
    void *family;
    while (wr_map_next(&metrics->by_name, &cursor, NULL, &family)) {
        family_free(family);
    }
    wr_map_done(&metrics->by_name);
    wr_map_done(&metrics->by_id);
    (void)pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}

/* ---- series ------------------------------------------------------------- */

/* The family of name, made when missing; NULL without memory. */
static struct family *family_get(struct wr_metrics *metrics,
                                 enum wr_metric_kind kind, const char *name,
                                 const char *help)
{
    struct family *family = wr_map_get(&metrics->by_name, weir_text(name));
    if (family) {
        return family;
    }
    family = calloc(1, sizeof(*family));
    if (!family) {
        return NULL;
    }
    family->kind = kind;
    family->name = strdup(name);
    family->help = strdup(help);
    if (!family->name || !family->help ||
        wr_map_put(&metrics->by_name, weir_text(name), family, NULL) !=
            WEIR_OK) {
        family_free(family);
        return NULL;
    }
    return family;
}

static void series_id(struct wr_buf *id, const char *name, const char *labels)
{
    wr_buf_put_text(id, name);
    wr_buf_put_text(id, "{");
    wr_buf_put_text(id, labels);
}

/* A new series; NULL without memory or beyond the limit. */
static struct series *series_new(struct wr_metrics *metrics,
                                 struct family *family, const char *labels,
                                 struct weir_bytes id)
{
    if (metrics->by_id.count >= METRICS_SERIES_MAX) {
        return NULL;
    }
    struct series *series = calloc(1, sizeof(*series));
    if (!series) {
        return NULL;
    }
    series->labels = strdup(labels);
    if (!series->labels ||
        wr_map_put(&metrics->by_id, id, series, NULL) != WEIR_OK) {
        series_free(series);
        return NULL;
    }
    series->next = family->first;
    family->first = series;
    return series;
}

struct wr_metric *wr_metric_get(struct wr_metrics *metrics,
                                enum wr_metric_kind kind, const char *name,
                                const char *labels, const char *help)
{
    struct wr_buf id;
    wr_buf_init(&id, 4096);
    series_id(&id, name, labels);
    (void)pthread_mutex_lock(&metrics->lock);
    struct series *series = NULL;
    struct family *family =
        id.status == WEIR_OK ? family_get(metrics, kind, name, help) : NULL;
    if (family && family->kind == kind) {
        series = wr_map_get(&metrics->by_id, wr_buf_view(&id));
        if (!series) {
            series = series_new(metrics, family, labels, wr_buf_view(&id));
        }
    }
    (void)pthread_mutex_unlock(&metrics->lock);
    wr_buf_done(&id);
    return series ? &series->metric : &metrics->sink;
}

void wr_metrics_drop(struct wr_metrics *metrics, const char *needle)
{
    struct wr_buf id;
    wr_buf_init(&id, 4096);
    (void)pthread_mutex_lock(&metrics->lock);
    size_t cursor = 0;
    void *value;
    while (wr_map_next(&metrics->by_name, &cursor, NULL, &value)) {
        struct family *family = value;
        struct series **at = &family->first;
        while (*at) {
            struct series *series = *at;
            if (!strstr(series->labels, needle)) {
                at = &series->next;
                continue;
            }
            wr_buf_reset(&id);
            series_id(&id, family->name, series->labels);
            (void)wr_map_remove(&metrics->by_id, wr_buf_view(&id));
            *at = series->next;
            series_free(series);
        }
    }
    (void)pthread_mutex_unlock(&metrics->lock);
    wr_buf_done(&id);
}

void wr_metric_observe_ns(struct wr_metric *metric, int64_t ns)
{
    int64_t us = ns > 0 ? (ns + 999) / 1000 : 0; /* up: a bound is inclusive */
    int bucket = us <= 1 ? 0 : 64 - __builtin_clzll((unsigned long long)us - 1);
    _Atomic int64_t *count = bucket < WR_HISTOGRAM_BUCKETS
                                 ? &metric->buckets[bucket]
                                 : &metric->value;
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&metric->sum_ns, ns > 0 ? ns : 0,
                              memory_order_relaxed);
}

/* ---- rendering ---------------------------------------------------------- */

static int64_t load(const _Atomic int64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static void render_histogram(const struct family *family,
                             const struct series *series, struct wr_buf *out)
{
    const char *comma = series->labels[0] ? "," : "";
    int64_t count = 0;
    for (int i = 0; i < WR_HISTOGRAM_BUCKETS; i++) {
        count += load(&series->metric.buckets[i]);
        wr_buf_printf(out, "%s_bucket{%s%sle=\"%.9g\"} %lld\n", family->name,
                      series->labels, comma, (double)(1LL << i) / 1e6,
                      (long long)count);
    }
    count += load(&series->metric.value);
    wr_buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %lld\n", family->name,
                  series->labels, comma, (long long)count);
    const char *open = series->labels[0] ? "{" : "";
    const char *close = series->labels[0] ? "}" : "";
    int64_t sum = load(&series->metric.sum_ns);
    wr_buf_printf(out, "%s_sum%s%s%s %lld.%09lld\n", family->name, open,
                  series->labels, close, (long long)(sum / 1000000000),
                  (long long)(sum % 1000000000));
    wr_buf_printf(out, "%s_count%s%s%s %lld\n", family->name, open,
                  series->labels, close, (long long)count);
}

static void render_family(const struct family *family,
                          struct series *const *series, size_t count,
                          struct wr_buf *out)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    wr_buf_printf(out, "# HELP %s ", family->name);
    for (const char *p = family->help; *p; p++) {
        wr_buf_put_text(out, *p == '\\'   ? "\\\\"
                             : *p == '\n' ? "\\n"
                                          : (char[]){*p, '\0'});
    }
    wr_buf_printf(out, "\n# TYPE %s %s\n", family->name, kinds[family->kind]);
    for (size_t i = 0; i < count; i++) {
        if (family->kind == WR_HISTOGRAM) {
            render_histogram(family, series[i], out);
        } else if (series[i]->labels[0]) {
            wr_buf_printf(out, "%s{%s} %lld\n", family->name, series[i]->labels,
                          (long long)load(&series[i]->metric.value));
        } else {
            wr_buf_printf(out, "%s %lld\n", family->name,
                          (long long)load(&series[i]->metric.value));
        }
    }
}

static int by_family_name(const void *a, const void *b)
{
    const struct family *const *x = a;
    const struct family *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static int by_series_labels(const void *a, const void *b)
{
    const struct series *const *x = a;
    const struct series *const *y = b;
    return strcmp((*x)->labels, (*y)->labels);
}

/* Families by name, series by labels: the same state gives the same text. */
static enum weir_status render_locked(struct wr_metrics *metrics,
                                      struct wr_buf *out)
{
    size_t family_count = 0;
    struct family **families =
        calloc(metrics->by_name.count + 1, sizeof(struct family *));
    struct series **series =
        calloc(metrics->by_id.count + 1, sizeof(struct series *));
    enum weir_status status = families && series ? WEIR_OK : WEIR_E_NOMEM;
    size_t cursor = 0;
    void *value;
    while (status == WEIR_OK &&
           wr_map_next(&metrics->by_name, &cursor, NULL, &value)) {
        families[family_count++] = value;
    }
    if (family_count > 0) {
        qsort(families, family_count, sizeof(struct family *), by_family_name);
    }
    for (size_t i = 0; i < family_count; i++) {
        size_t count = 0;
        for (struct series *s = families[i]->first; s; s = s->next) {
            series[count++] = s;
        }
        if (count > 0) {
            qsort(series, count, sizeof(struct series *), by_series_labels);
            render_family(families[i], series, count, out);
        }
    }
    free(families);
    free(series);
    return status;
}

void wr_metrics_render(struct wr_metrics *metrics, struct wr_buf *out)
{
    (void)pthread_mutex_lock(&metrics->lock);
    enum weir_status status = render_locked(metrics, out);
    (void)pthread_mutex_unlock(&metrics->lock);
    if (status != WEIR_OK && out->status == WEIR_OK) {
        out->status = status;
    }
}
