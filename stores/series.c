/* SPDX-License-Identifier: Apache-2.0
 *
 * What a store tells about itself. The hot path counts in plain numbers; they
 * become metrics at each commit. */
#include "stores/state.h"

#include <stdio.h>
#include <stdlib.h>

#define TASK_LABEL_MAX 64u

void wr_store_series_make(struct weir_store *store)
{
    static const char *const layers[WR_STORE_READS] = {"uncommitted", "warm",
                                                       "rocksdb"};
    struct wr_metrics *metrics = store->state->env->options.metrics;
    if (!metrics) {
        return;
    }
    const char *dir = store->state->dir ? store->state->dir : "";
    const char *slash = strrchr(dir, '/');
    char *label = NULL;
    if (asprintf(&label, "task=\"%.*s\",store=\"%s\"", (int)TASK_LABEL_MAX,
                 slash ? slash + 1 : dir, store->spec->name) < 0) {
        return;
    }
    struct wr_store_series *series = &store->series;
    for (int i = 0; i < WR_STORE_READS; i++) {
        char *read = NULL;
        if (asprintf(&read, "%s,layer=\"%s\"", label, layers[i]) >= 0) {
            series->reads[i] =
                wr_metric_get(metrics, WR_COUNTER, "weir_store_reads_total",
                              read, "Gets, by the layer that answered.");
            free(read);
        }
    }
    series->writes =
        wr_metric_get(metrics, WR_COUNTER, "weir_store_writes_total", label,
                      "Puts and deletes.");
    series->evictions =
        wr_metric_get(metrics, WR_COUNTER, "weir_store_evictions_total", label,
                      "Warm entries that gave way.");
    series->bytes = wr_metric_get(metrics, WR_GAUGE, "weir_store_bytes", label,
                                  "Bytes of a store in memory.");
    series->dirty = wr_metric_get(
        metrics, WR_GAUGE, "weir_store_dirty_bytes", label,
        "Committed bytes that have not been written down to RocksDB.");
    series->uncommitted =
        wr_metric_get(metrics, WR_GAUGE, "weir_store_uncommitted_bytes", label,
                      "Bytes written in the last commit interval.");
    series->keys = wr_metric_get(metrics, WR_GAUGE, "weir_store_keys_estimate",
                                 label, "About how many keys the store has.");
    series->downs =
        wr_metric_get(metrics, WR_COUNTER, "weir_store_write_downs_total",
                      label, "Sorted files written down to RocksDB.");
    series->down_bytes =
        wr_metric_get(metrics, WR_COUNTER, "weir_store_write_down_bytes_total",
                      label, "Bytes of these files.");
    series->down_seconds = wr_metric_get(
        metrics, WR_HISTOGRAM, "weir_store_write_down_duration_seconds", label,
        "How long a write-down took.");
    free(label);
}

void wr_store_series_publish(struct weir_store *store, size_t uncommitted_bytes)
{
    struct wr_store_series *series = &store->series;
    struct wr_store_stats *stats = &store->stats;
    if (series->writes) {
        for (int i = 0; i < WR_STORE_READS; i++) {
            if (series->reads[i]) {
                wr_metric_add(series->reads[i], stats->reads[i]);
            }
        }
        wr_metric_add(series->writes, stats->writes);
        wr_metric_add(series->evictions, stats->evictions);
        wr_metric_set(series->bytes, (int64_t)wr_table_bytes(&store->table));
        wr_metric_set(series->dirty, (int64_t)wr_store_dirty_bytes(store));
        wr_metric_set(series->uncommitted, (int64_t)uncommitted_bytes);
        wr_metric_set(series->keys, weir_store_approximate_count(store));
    }
    *stats = (struct wr_store_stats){0};
}
