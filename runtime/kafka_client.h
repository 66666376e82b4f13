/* SPDX-License-Identifier: Apache-2.0
 *
 * What the doors to librdkafka share: how a client's configuration is made from
 * ours, how librdkafka's errors become weir's, and what its log says. Only
 * runtime/kafka_*.c include <librdkafka/rdkafka.h>; its types appear here as
 * incomplete structs. */
#ifndef WEIR_RUNTIME_KAFKA_CLIENT_H
#define WEIR_RUNTIME_KAFKA_CLIENT_H

#include "runtime/config.h"

struct rd_kafka_s; /* rd_kafka_t */
struct rd_kafka_conf_s;
struct rd_kafka_error_s;
struct rd_kafka_queue_s; /* rd_kafka_queue_t */

/** Whether librdkafka has a property of that name. Thread: any. */
bool wr_kafka_property_known(const char *name);
/** Waits, a second at most, until a closed consumer has had the answer to the
 *  last fetch of a partition in which it met damaged records; to be called
 *  before its destruction: see kafka_client.c. Thread: the consumer's. */
void wr_kafka_settle(struct rd_kafka_s *rk, const char *topic,
                     int32_t partition);
/** Empties and gives up a partition's own queue (rd_kafka_queue_get_partition),
 *  or NULL, of a consumer that was closed and is to be destroyed. A consumer
 *  takes one of each partition when it is assigned: where its topic is deleted
 *  later, librdkafka 2.0.2 leaves something in there that it waits for, for
 *  ever, in the destruction. A queue of a partition that is still assigned is
 *  the client's: not to be ended. Thread: the consumer's. */
void wr_kafka_end_queue(struct rd_kafka_queue_s *own);
/** Whether librdkafka takes the value. Errors: WEIR_E_CONFIG with its reason.
 */
WEIR_MUST_CHECK enum weir_status
wr_kafka_property_check(const char *name, const char *value,
                        struct weir_error *err);
/** Writes librdkafka's property nearest to name into out, "" when none is. */
void wr_kafka_nearest_property(const char *name, char *out, size_t size);

struct wr_client_setting {
    const char *name;
    const char *value;
};

struct wr_client_spec {
    enum wr_client_kind kind;
    const struct wr_options *options;
    const char *client_id;
    const struct wr_client_setting *defaults; /* ends with name NULL; may be
                                                 NULL; the user's options win */
    const struct wr_client_setting *forced;   /* same; these win */
    void *opaque; /* for the callbacks of the door */
};

/** A librdkafka configuration: defaults, the user's options for this kind of
 *  client, what is forced; logs go to our log. *out is given: it is taken by
 *  rd_kafka_new or freed with rd_kafka_conf_destroy. Errors: WEIR_E_CONFIG. */
WEIR_MUST_CHECK enum weir_status
wr_client_conf(const struct wr_client_spec *spec, struct rd_kafka_conf_s **out,
               struct weir_error *err);

/** The log callback of every client: librdkafka's lines become lines of our
 * log. For a callback that listens first. `level` is syslog's. Thread: any. */
void wr_kafka_log(const struct rd_kafka_s *client, int level,
                  const char *facility, const char *text);
/** librdkafka tries again when a broker refuses records for what may pass,
 * until the records time out, and tells the reason only in its log with
 * debug=msg. The code of the broker's refusal in such a line; 0 when it is
 * another line. Thread: any. */
int wr_kafka_refusal(const char *facility, const char *text);

/** The status for librdkafka's error code. Thread: any. */
enum weir_status wr_kafka_status(int code);
/** Writes what happened to err and returns the status: `doing` says what was
 *  tried, `code` is librdkafka's. Unreachable brokers are named by what the
 *  configuration says. */
enum weir_status wr_kafka_fail(struct weir_error *err,
                               const struct wr_options *options, int code,
                               const char *reason, const char *doing);
/** The same for an error object, which is destroyed: fatal is WEIR_E_FENCED (or
 *  WEIR_E_KAFKA when the broker forbids it), one that asks for an abort is
 *  WEIR_E_ABORT_TXN. NULL is WEIR_OK. */
enum weir_status wr_kafka_fail_object(struct weir_error *err,
                                      const struct wr_options *options,
                                      struct rd_kafka_error_s *error,
                                      const char *doing);

#endif
