/* SPDX-License-Identifier: Apache-2.0
 *
 * Flow tests: a broker in a child process and librdkafka against it. With
 * WEIR_FLOW_BOOTSTRAP=HOST:PORT the same tests run on another broker, such as
 * Apache Kafka; WEIR_FLOW_CRASH is then a command that kills it with -9 and
 * starts it again on the same port. */
#ifndef WEIR_TESTS_FLOW_H
#define WEIR_TESTS_FLOW_H

#include "base/bytes.h"

#include <librdkafka/rdkafka.h>
#include <sys/types.h>

struct flow {
    char bootstrap[64]; /* HOST:PORT */
    char dir[64];       /* data folder of our broker */
    pid_t pid;          /* of our broker; 0: another one */
    int serial;         /* makes names unique */
};

/** Starts the broker and waits until it answers. Fails the test otherwise. */
void flow_start(struct flow *flow);
/** kill -9 and start again, on the same port and folder. */
void flow_crash(struct flow *flow);
/** SIGTERM, checks that it ends well, removes the folder. */
void flow_stop(struct flow *flow);
/** A name that no test has used: "t-3-1234". Four alive at a time. */
const char *flow_name(struct flow *flow, const char *prefix);

/** Clients; `pairs` is key, value, ..., NULL. */
rd_kafka_t *flow_producer(struct flow *flow, const char *const *pairs);
rd_kafka_t *flow_consumer(struct flow *flow, const char *group,
                          const char *const *pairs);
#define PAIRS(...) ((const char *const[]){__VA_ARGS__, NULL})

void flow_topic(struct flow *flow, const char *topic, int partitions);
/** Produces one value and does not wait. */
void flow_send(rd_kafka_t *producer, const char *topic, int32_t partition,
               const char *value);
void flow_flush(rd_kafka_t *producer);
/** All values of a partition from its start to its end, joined by blanks. The
 *  text lasts until the next call. */
const char *flow_read(struct flow *flow, const char *topic, int32_t partition,
                      const char *isolation);
/** What the group has committed for a partition; -1001 when nothing. */
int64_t flow_committed(struct flow *flow, const char *group, const char *topic,
                       int32_t partition);
/** Fails the test with the error's text, if there is one. */
void flow_ok(rd_kafka_error_t *error);
int64_t flow_now_ms(void);

#endif
