/* SPDX-License-Identifier: Apache-2.0
 *
 * The broker's options, the topics' options, and how the second fall back on
 * the first. Names and meanings are Kafka's where Kafka has them. Thread:
 * broker loop; the tables are constant. */
#ifndef WEIR_BROKER_CONFIG_H
#define WEIR_BROKER_CONFIG_H

#include "base/options.h"
#include "broker/log.h"

/** Where a value comes from, as DescribeConfigs numbers it. */
enum wr_config_source {
    WR_SOURCE_TOPIC = 1,  /* set on the topic */
    WR_SOURCE_STATIC = 4, /* set when the broker was started */
    WR_SOURCE_DEFAULT = 5
};

/** The type of a value, as DescribeConfigs numbers it. */
enum wr_config_type {
    WR_TYPE_BOOLEAN = 1,
    WR_TYPE_STRING = 2,
    WR_TYPE_INT = 3,
    WR_TYPE_LONG = 5,
    WR_TYPE_DOUBLE = 6,
    WR_TYPE_LIST = 7
};

/** Whether the broker's options say enough and fit together. Errors:
 * WEIR_E_CONFIG naming them. */
WEIR_MUST_CHECK enum weir_status
wr_broker_options_check(const struct wr_options *options,
                        struct weir_error *err);

/** One setting that a topic may have. */
struct wr_topic_option {
    const char *name;         /* "retention.ms" */
    const char *broker_name;  /* its default is this broker option, or NULL */
    enum wr_config_type type; /* for DescribeConfigs */
    const char *standard;     /* default where there is no broker option */
};

/** Every setting that a topic may have; ends with name NULL. Those without an
 *  effect on a broker that is alone are kept and shown, because Kafka's clients
 *  and tools send them. */
extern const struct wr_topic_option wr_topic_option_rows[];

/** An empty set of topic options. */
WEIR_MUST_CHECK enum weir_status wr_topic_options_new(struct wr_options **out);
/** Sets one. Returns 0 or INVALID_CONFIG with a sentence in err (may be NULL):
 *  unknown name, value out of range, control characters. */
int16_t wr_topic_option_set(struct wr_options *options, const char *name,
                            const char *value, struct weir_error *err);
/** The same for what was set before and is stored: earlier versions took more
 *  for settings that have no effect here, and that may not stop a start. */
int16_t wr_topic_option_load(struct wr_options *options, const char *name,
                             const char *value, struct weir_error *err);
/** The value in force and its source; with `options` NULL those that it would
 *  have without the topic's own. Numbers are without units, since Kafka's
 *  clients read them as numbers; `buf` may be what is returned. */
const char *wr_topic_option_value(const struct wr_options *broker,
                                  const struct wr_options *options,
                                  const struct wr_topic_option *row,
                                  enum wr_config_source *out_source,
                                  char buf[WR_OPTIONS_PLAIN]);
/** What the options mean to a log. `options` may be NULL. */
struct wr_log_config wr_topic_log_config(const struct wr_options *broker,
                                         const struct wr_options *options);

#endif
