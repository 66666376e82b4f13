/* SPDX-License-Identifier: Apache-2.0
 *
 * One topic, one batch, one member at a time: requests with a single element,
 * as most tests of handlers want them. */
#ifndef WEIR_TESTS_BROKER_WIRE_H
#define WEIR_TESTS_BROKER_WIRE_H

#include "broker/batch.h"
#include "tests/broker/client.h"

/** Sets every field of a message to its default, then calls `call`. */
#define WIRE_INIT(name, request)                                               \
    struct wr_##name##_request request;                                        \
    wr_##name##_request_init(&request)

void wire_topic(struct test_client *c, const char *name, int partitions);
void wire_delete_topic(struct test_client *c, const char *name);

/* The macros below give defaults that a test then overrides by name. */
#pragma GCC diagnostic ignored "-Woverride-init"

struct wire_produce {
    const char *topic;
    int32_t partition;
    int16_t version;        /* of the request */
    int16_t acks;           /* 0: nothing comes back */
    const char *txn_id;     /* NULL: none */
    int64_t producer_id;    /* -1: none */
    int16_t producer_epoch; /* with it */
    int32_t sequence;       /* with it */
    bool transactional;     /* bit of the batch */
    int records;            /* in the batch, each with 10 bytes of value */
    int keyed;              /* so many of them, the first ones, have a key */
    int64_t timestamp_ms;   /* of the records; 0: now */
    int damage_at;          /* byte of the batch to flip; 0: none */
};
#define WIRE_PRODUCE(...)                                                      \
    (&(struct wire_produce){.version = 9,                                      \
                            .acks = -1,                                        \
                            .producer_id = -1,                                 \
                            .producer_epoch = -1,                              \
                            .sequence = -1,                                    \
                            .records = 1,                                      \
                            __VA_ARGS__})
/** The partition of the answer; with acks 0 nothing is waited for. */
struct wr_produce_response_partition wire_produce(struct test_client *c,
                                                  const struct wire_produce *p);

struct wire_fetch {
    const char *topic;
    int32_t partition;
    int16_t version;
    int64_t offset;
    int8_t isolation;
    int32_t max_wait_ms, min_bytes, max_bytes, partition_max_bytes;
    int32_t session_id, session_epoch, leader_epoch;
};
#define WIRE_FETCH(...)                                                        \
    (&(struct wire_fetch){.version = 12,                                       \
                          .min_bytes = 1,                                      \
                          .max_bytes = 1 << 20,                                \
                          .partition_max_bytes = 1 << 20,                      \
                          .session_epoch = -1,                                 \
                          .leader_epoch = -1,                                  \
                          __VA_ARGS__})
/** Sends without waiting; the id is for wire_fetched. */
int32_t wire_fetch_send(struct test_client *c, const struct wire_fetch *f);
struct wr_fetch_response_partition
wire_fetched(struct test_client *c, const struct wire_fetch *f, int32_t id);
struct wr_fetch_response_partition wire_fetch(struct test_client *c,
                                              const struct wire_fetch *f);
/** Records in the batches, control records too. */
int wire_records(struct weir_bytes batches);

/** A member alone: joins (twice where needed) and syncs; its id lasts until the
 *  next call. Returns the generation. */
int32_t wire_member(struct test_client *c, const char *group,
                    struct weir_bytes *out_id);
/** Transactional id -> producer id and epoch; returns the error. */
int16_t wire_init(struct test_client *c, int16_t version, const char *txn_id,
                  struct wr_init_producer_id_response *out);
int16_t wire_add(struct test_client *c, int16_t version, const char *txn_id,
                 const struct wr_init_producer_id_response *p,
                 const char *topic, int32_t partition);
int16_t wire_end(struct test_client *c, int16_t version, const char *txn_id,
                 const struct wr_init_producer_id_response *p, bool commit);

#endif
