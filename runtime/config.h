/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration of an application: one table of options under Kafka
 * Streams' names, weir's own beside them, and librdkafka's names for the
 * clients. What a name means is decided when it is set, so that an error can
 * say where it stands; what contradicts what is decided once, by
 * wr_config_check(). Thread: its owner's; read-only use by any. */
#ifndef WEIR_RUNTIME_CONFIG_H
#define WEIR_RUNTIME_CONFIG_H

#include "base/options.h"
#include "weir/weir.h"

struct weir_config {
    struct wr_options *options; /* owned */
};

/** The option table, ended by a row with name NULL: feeds help and docs. */
const struct wr_option *wr_config_table(void);

/** The values, lent for the configuration's life. */
const struct wr_options *wr_config_options(const struct weir_config *config);
/** A deep copy. *out is given: weir_config_free(). */
WEIR_MUST_CHECK enum weir_status wr_config_copy(const struct weir_config *from,
                                                struct weir_config **out,
                                                struct weir_error *err);
/** As weir_config_set() with the place that an error names. */
WEIR_MUST_CHECK enum weir_status
wr_config_set_at(struct weir_config *config, const char *name,
                 const char *value, const char *place, struct weir_error *err);
/** What an application needs to start is there, and nothing contradicts
 * anything else. Errors: WEIR_E_CONFIG naming the options and the remedy. */
WEIR_MUST_CHECK enum weir_status
wr_config_check(const struct wr_options *options, struct weir_error *err);
/** Sets the process' log as log.level and log.format say; what is not set stays
 * as it is. Errors: WEIR_E_CONFIG. Thread: while there is one. */
WEIR_MUST_CHECK enum weir_status
wr_config_apply_log(const struct wr_options *options, struct weir_error *err);
/** Whether an application may be called that: internal topics begin with its
 *  name. Errors: WEIR_E_CONFIG. */
WEIR_MUST_CHECK enum weir_status wr_config_check_id(const char *id,
                                                    struct weir_error *err);

/** processing.guarantee is exactly_once_v2. */
bool wr_config_exactly_once(const struct wr_options *options);
/** commit.interval.ms, or its default for the guarantee: 100 or 30000. */
int64_t wr_config_commit_interval_ms(const struct wr_options *options);

enum wr_client_kind {
    WR_CLIENT_CONSUMER, /* bare names, consumer., main.consumer. */
    WR_CLIENT_RESTORE,  /* bare names, consumer., restore.consumer. */
    WR_CLIENT_PRODUCER, /* bare names, producer. */
    WR_CLIENT_ADMIN     /* bare names, admin. */
};
/** The name of an internal topic's configuration that an option "topic.NAME"
 *  sets, NULL for any other option: librdkafka has properties that begin like
 *  that (topic.metadata.refresh.interval.ms). Points into name. Thread: any. */
const char *wr_config_topic_property(const char *name);
/** The librdkafka name that a set name means for a client of that kind, or NULL
 *  when it is no client property or one of another kind. Points into `name`. */
const char *wr_config_client_property(const char *name,
                                      enum wr_client_kind kind);

#endif
