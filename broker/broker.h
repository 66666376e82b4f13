/* SPDX-License-Identifier: Apache-2.0
 *
 * The assembled broker as its own files see it: who holds what. Opened in the
 * order of the members, closed in the reverse order. Thread: broker loop. */
#ifndef WEIR_BROKER_BROKER_H
#define WEIR_BROKER_BROKER_H

#include "base/metrics.h"
#include "base/options.h"
#include "broker/codec.h"
#include "broker/loop.h"

struct wr_topics;   /* topics.h */
struct wr_listener; /* listener.h */
struct wr_logs;     /* logs.h: all partitions' logs; holds the folder's lock */
struct wr_groups;   /* handle_group.c: coordinator of groups and offsets */
struct wr_txns;     /* handle_txn.c: coordinator of transactions */

/* Records read for answers that have not left yet, of all clients together. */
#define WR_FETCHED_BYTES_MAX ((size_t)256 << 20)

struct wr_broker {
    struct wr_options *options;    /* config.h's table; owned */
    struct wr_metrics *metrics;    /* owned */
    struct wr_broker_drive *drive; /* broker.c: what drives the logs; owned */
    struct wr_loop *loop;
    char *data_dir;        /* owned */
    int lock_fd;           /* of data_dir/.lock */
    int32_t node_id;       /* always 1 */
    char cluster_id[23];   /* 22 characters, kept in meta.properties */
    char *advertised_host; /* what clients are told; owned */
    uint16_t advertised_port;
    char *address; /* the two as host:port; owned */
    /* see WR_FETCHED_BYTES_MAX; the loop's, others may look */
    _Atomic size_t fetched_bytes;
    struct {
        int64_t now_ms;         /* which turn of the loop */
        size_t unpacked_before; /* bytes unpacked when it began */
        int64_t full; /* how often a request had to wait for the next */
    } turn;           /* handle_produce.c's */
    struct {
        int64_t now_ms; /* which turn of the loop */
        int count;      /* topics that were asked for and made in it */
    } makes;            /* handle_metadata.c's */
    struct wr_logs *logs;
    struct wr_topics *topics;
    struct wr_groups *groups;
    struct wr_txns *txns;
    struct wr_listener *listener; /* last: clients come when all is ready */
};

#endif
