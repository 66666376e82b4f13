/* SPDX-License-Identifier: Apache-2.0
 *
 * What the stores of a process share: RocksDB's block cache and threads, and
 * the budget of the warm tables, which is two counters. Thread: any. */
#include "stores/state.h"

#include <stdlib.h>

enum weir_status wr_store_env_new(const struct wr_store_env_options *options,
                                  struct wr_store_env **out,
                                  struct weir_error *err)
{
    struct wr_store_env *env = calloc(1, sizeof(*env));
    if (!env) {
        return weir_fail(err, WEIR_E_NOMEM, "the stores' environment");
    }
    env->options = *options;
    enum weir_status s =
        wr_rocks_env_new(options->block_cache_bytes,
                         options->write_buffer_bytes, &env->rocks, err);
    if (s != WEIR_OK) {
        free(env);
        return s;
    }
    if (options->metrics) {
        env->cached = wr_metric_get(options->metrics, WR_GAUGE,
                                    "weir_rocksdb_block_cache_bytes", "",
                                    "Bytes in RocksDB's block cache.");
    }
    *out = env;
    return WEIR_OK;
}

void wr_store_env_free(struct wr_store_env *env)
{
    if (env) {
        wr_rocks_env_free(env->rocks);
        free(env);
    }
}
