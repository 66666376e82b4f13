/* SPDX-License-Identifier: Apache-2.0
 *
 * What the stores of a process share: RocksDB's block cache and threads, the
 * budget of the warm tables, which is two counters, and one thread that writes
 * down. The thread takes write-downs in the order they came; it touches nothing
 * of a store, only the snapshot that it was handed. Thread: any. */
#include "stores/state.h"

#include <stdlib.h>

static void *write_downs(void *user)
{
    struct wr_store_env *env = user;
    pthread_mutex_lock(&env->lock);
    for (;;) {
        struct wr_down *down = env->first;
        if (!down && env->stop) {
            break;
        }
        if (!down) {
            pthread_cond_wait(&env->change, &env->lock);
            continue;
        }
        env->first = down->next;
        pthread_mutex_unlock(&env->lock);
        wr_down_run(down);
        pthread_mutex_lock(&env->lock);
        down->done = true;
        pthread_cond_broadcast(&env->change);
    }
    pthread_mutex_unlock(&env->lock);
    return NULL;
}

bool wr_env_submit(struct wr_store_env *env, struct wr_down *down)
{
    if (!env->options.background) {
        return false;
    }
    pthread_mutex_lock(&env->lock);
    if (!env->started) {
        env->started =
            pthread_create(&env->thread, NULL, write_downs, env) == 0;
    }
    bool submitted = env->started;
    if (submitted) {
        down->next = NULL;
        if (env->first) {
            env->last->next = down;
        } else {
            env->first = down;
        }
        env->last = down;
        pthread_cond_broadcast(&env->change);
    }
    pthread_mutex_unlock(&env->lock);
    return submitted;
}

bool wr_env_done(struct wr_store_env *env, struct wr_down *down, bool wait)
{
    pthread_mutex_lock(&env->lock);
    while (wait && !down->done) {
        pthread_cond_wait(&env->change, &env->lock);
    }
    bool done = down->done;
    pthread_mutex_unlock(&env->lock);
    return done;
}

enum weir_status wr_store_env_new(const struct wr_store_env_options *options,
                                  struct wr_store_env **out,
                                  struct weir_error *err)
{
    struct wr_store_env *env = calloc(1, sizeof(*env));
    if (!env) {
        return weir_fail(err, WEIR_E_NOMEM, "the stores' environment");
    }
    env->options = *options;
    pthread_mutex_init(&env->lock, NULL);
    pthread_cond_init(&env->change, NULL);
    enum weir_status s =
        wr_rocks_env_new(options->block_cache_bytes,
                         options->write_buffer_bytes, &env->rocks, err);
    if (s != WEIR_OK) {
        pthread_cond_destroy(&env->change);
        pthread_mutex_destroy(&env->lock);
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
    if (!env) {
        return;
    }
    pthread_mutex_lock(&env->lock);
    env->stop = true;
    pthread_cond_broadcast(&env->change);
    pthread_mutex_unlock(&env->lock);
    if (env->started) {
        pthread_join(env->thread, NULL);
    }
    pthread_cond_destroy(&env->change);
    pthread_mutex_destroy(&env->lock);
    wr_rocks_env_free(env->rocks);
    free(env);
}
