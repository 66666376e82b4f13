/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics for Prometheus: a registry of counters, gauges and histograms whose
 * updates are one relaxed atomic each, so that the hot path may use them.
 * Names follow Prometheus: base units, `_total` on counters, no labels whose
 * values grow with the data. Thread: any, unless said. */
#ifndef WEIR_BASE_METRICS_H
#define WEIR_BASE_METRICS_H

#include "base/bytes.h"

#include <stdatomic.h>

struct wr_metrics; /* a registry */

enum wr_metric_kind { WR_COUNTER, WR_GAUGE, WR_HISTOGRAM };

#define WR_HISTOGRAM_BUCKETS                                                   \
    28 /* powers of two from 1 us to 134 s, then +Inf */

/** One series. Live as long as its registry. */
struct wr_metric {
    _Atomic int64_t
        value; /* counter, gauge; histogram: beyond the last bucket */
    _Atomic int64_t buckets[WR_HISTOGRAM_BUCKETS]; /* histogram: counts */
    _Atomic int64_t sum_ns;                        /* histogram: sum */
};

/** An empty registry; *out is given: wr_metrics_free(). Errors: WEIR_E_NOMEM.
 */
WEIR_MUST_CHECK enum weir_status wr_metrics_new(struct wr_metrics **out);
/** Frees the registry and its series. NULL is fine. */
void wr_metrics_free(struct wr_metrics *metrics);

/** The series of name and labels, made at the first call. `labels` is what
 * stands between the braces, `topic="a",partition="0"`, or "". `help` is one
 * sentence. Never NULL: when memory or the limit of 10,000 series runs out, or
 *  the name exists with another kind, a shared series that is not rendered
 * comes back. Takes a lock: keep the pointer, do not ask for each record. */
struct wr_metric *wr_metric_get(struct wr_metrics *metrics,
                                enum wr_metric_kind kind, const char *name,
                                const char *labels, const char *help);
/** Drops the series whose labels contain `needle`, e.g. `task="0_1"`. The
 * caller must have no pointer to them left. */
void wr_metrics_drop(struct wr_metrics *metrics, const char *needle);

static inline void wr_metric_add(struct wr_metric *metric, int64_t n)
{
    atomic_fetch_add_explicit(&metric->value, n, memory_order_relaxed);
}
static inline void wr_metric_set(struct wr_metric *metric, int64_t n)
{
    atomic_store_explicit(&metric->value, n, memory_order_relaxed);
}
/** Adds a duration to a histogram (rendered in seconds). */
void wr_metric_observe_ns(struct wr_metric *metric, int64_t ns);

/** Appends all series in Prometheus' text format 0.0.4, sorted by name. */
void wr_metrics_render(struct wr_metrics *metrics, struct wr_buf *out);

#endif
