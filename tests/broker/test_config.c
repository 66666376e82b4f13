/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/config.h"

#include "broker/weir_broker.h"
#include "tests/harness/weir_test.h"

static void set(struct wr_options *options, const char *name, const char *value)
{
    assert_int_equal(wr_options_set(options, name, value, "test", NULL),
                     WEIR_OK);
}

static void every_default_is_accepted_by_its_own_row(void **state)
{
    (void)state;
    struct wr_options *options;
    assert_int_equal(wr_options_new(wr_broker_options, NULL, &options),
                     WEIR_OK);
    for (const struct wr_option *o = wr_broker_options; o->name; o++) {
        assert_non_null(o->help);
        if (o->standard) {
            set(options, o->name, o->standard);
        }
    }
    wr_options_free(options);
}

static void every_topic_setting_has_a_default(void **state)
{
    (void)state;
    struct wr_options *options;
    assert_int_equal(wr_options_new(wr_broker_options, NULL, &options),
                     WEIR_OK);
    for (const struct wr_topic_option *row = wr_topic_option_rows; row->name;
         row++) {
        enum wr_config_source source;
        struct wr_options *own;
        char number[WR_OPTIONS_PLAIN];
        const char *value =
            wr_topic_option_value(options, NULL, row, &source, number);
        assert_non_null(value);
        assert_int_equal(source, WR_SOURCE_DEFAULT);
        assert_int_equal(wr_topic_options_new(&own), WEIR_OK);
        assert_int_equal(wr_topic_option_set(own, row->name, value, NULL), 0);
        wr_options_free(own);
    }
    wr_options_free(options);
}

static void a_topics_own_setting_wins_over_the_brokers(void **state)
{
    (void)state;
    struct wr_options *broker, *topic;
    assert_int_equal(wr_options_new(wr_broker_options, NULL, &broker), WEIR_OK);
    assert_int_equal(wr_topic_options_new(&topic), WEIR_OK);
    set(broker, "log.segment.bytes", "8k");
    set(broker, "log.cleanup.policy", "compact");
    struct wr_log_config c = wr_topic_log_config(broker, topic);
    assert_int_equal(c.segment_bytes, 8192);
    assert_true(c.cleanup_compact);
    assert_false(c.cleanup_delete);
    assert_int_equal(c.retention_ms, 7LL * 24 * 3600 * 1000);
    assert_int_equal(c.retention_bytes, -1);
    set(topic, "segment.bytes", "4096");
    set(topic, "cleanup.policy", "compact,delete");
    set(topic, "retention.ms", "-1");
    set(topic, "message.timestamp.type", "LogAppendTime");
    c = wr_topic_log_config(broker, topic);
    assert_int_equal(c.segment_bytes, 4096);
    assert_true(c.cleanup_compact && c.cleanup_delete);
    assert_int_equal(c.retention_ms, -1);
    assert_true(c.log_append_time);
    wr_options_free(broker);
    wr_options_free(topic);
}

static void settings_that_cannot_be_are_refused(void **state)
{
    (void)state;
    struct wr_options *topic;
    struct weir_error err;
    assert_int_equal(wr_topic_options_new(&topic), WEIR_OK);
    static const char *const bad[][2] = {
        {"retention.ms", "-2"},
        {"segment.bytes", "1"},
        {"cleanup.policy", "shred"},
        {"compression.type", "rar"},
        {"cleanup.policy", "delete,"},
        {"cleanup.policy", "delete compact"},
        {"min.insync.replicas", "0"},
        {"preallocate", "perhaps"},
        {"flush.messages", "0"},
        {"min.cleanable.dirty.ratio", "2"},
        {"unclean.leader.election.enable", "maybe"},
        {"retentoin.ms", "1"},
        {"segment.jitter.ms", "1\n2"},
        {"message.timestamp.type", "X"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(wr_topic_option_set(topic, bad[i][0], bad[i][1], &err),
                         WR_ERR_INVALID_CONFIG);
        assert_non_null(strstr(err.text, bad[i][0]));
    }
    wr_options_free(topic);
}

static void what_kafka_takes_is_taken(void **state)
{
    (void)state;
    struct wr_options *broker, *topic;
    static const char *const good[][2] = {
        {"compression.type", "zstd"},
        {"compression.type", "uncompressed"},
        {"cleanup.policy", "delete"},
        {"cleanup.policy", "compact, delete"},
        {"min.insync.replicas", "2"},
        {"unclean.leader.election.enable", "true"},
        {"min.cleanable.dirty.ratio", "0.01"},
        {"cleanup.policy", ""},
        {"retention.ms", "9223372036854775807"},
    };
    assert_int_equal(wr_options_new(wr_broker_options, NULL, &broker), WEIR_OK);
    assert_int_equal(wr_topic_options_new(&topic), WEIR_OK);
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        assert_int_equal(
            wr_topic_option_set(topic, good[i][0], good[i][1], NULL), 0);
    }
    struct wr_log_config c = wr_topic_log_config(broker, topic);
    assert_false(c.cleanup_compact || c.cleanup_delete); /* the empty list */
    /* stored by an earlier version */
    assert_int_equal(
        wr_topic_option_load(topic, "min.insync.replicas", "0", NULL), 0);
    wr_options_free(broker);
    wr_options_free(topic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_is_accepted_by_its_own_row),
        cmocka_unit_test(every_topic_setting_has_a_default),
        cmocka_unit_test(a_topics_own_setting_wins_over_the_brokers),
        cmocka_unit_test(settings_that_cannot_be_are_refused),
        cmocka_unit_test(what_kafka_takes_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
