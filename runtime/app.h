/* SPDX-License-Identifier: Apache-2.0
 *
 * The insides of an application, for app.c (its life) and query.c (what it
 * tells about itself). */
#ifndef WEIR_RUNTIME_APP_H
#define WEIR_RUNTIME_APP_H

#include "runtime/config.h"
#include "runtime/kafka_admin.h"
#include "runtime/layout.h"
#include "runtime/process_id.h"
#include "runtime/worker.h"

#include <pthread.h>
#include <stdatomic.h>

enum wr_gate { WR_GATE_SHUT, WR_GATE_OPEN, WR_GATE_NEVER };

struct weir_app {
    struct weir_topology *topology; /* owned */
    struct weir_config *config;     /* owned copy */
    const struct wr_options *options;
    struct wr_plan *plan;
    struct wr_metrics *metrics;
    char *anchor;      /* topic of the placement */
    char *state_dir;   /* <state.dir>/<application.id> */
    char *client_base; /* made at the start */
    /* from the start on, unchanged until the end */
    struct wr_process_id process;
    struct wr_store_env *stores;
    struct wr_admin *admin;
    struct wr_cluster_topics topics;
    struct wr_layout layout;
    struct wr_worker_env env;
    struct wr_worker **workers;
    size_t worker_count; /* started */
    /* shared */
    atomic_bool started; /* the fields above may be read */
    atomic_bool stopping;
    atomic_bool stopped;
    atomic_bool erred;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    enum wr_gate gate;
    struct weir_error error; /* the first failure of a thread */
    /* who is in the group, as asked last */
    pthread_mutex_t owners_lock; /* of what follows; taken alone, and never
                                    over a call to the broker */
    struct wr_group_view group;
    int64_t group_asked_ms; /* monotonic, of the last answer or failure; 0:
                               never */
    bool group_answered;    /* the last time */
    size_t group_askers;    /* threads that wait for the broker */
};

#endif
