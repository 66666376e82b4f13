/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/config.h"

#include "tests/harness/weir_test.h"

#include <stdio.h>

static struct weir_config *config;
static struct weir_error err;

static int setup(void **state)
{
    (void)state;
    config = weir_config_new();
    return config ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    weir_config_free(config);
    return 0;
}

static void set(const char *name, const char *value)
{
    if (weir_config_set(config, name, value, &err) != WEIR_OK) {
        fail_msg("%s=%s: %s", name, value, err.text);
    }
}

/* The error must hold every one of the words. */
static void refused(const char *name, const char *value, const char *word,
                    const char *word2)
{
    assert_int_equal(weir_config_set(config, name, value, &err), WEIR_E_CONFIG);
    if (!strstr(err.text, word) || !strstr(err.text, word2)) {
        fail_msg("'%s' lacks '%s' or '%s'", err.text, word, word2);
    }
}

static void contradicts(const char *word)
{
    assert_int_equal(wr_config_check(wr_config_options(config), &err),
                     WEIR_E_CONFIG);
    if (!strstr(err.text, word)) {
        fail_msg("'%s' lacks '%s'", err.text, word);
    }
}

static void old_names_of_the_guarantee_point_to_the_new_one(void **state)
{
    (void)state;
    refused("processing.guarantee", "exactly_once", "exactly_once_v2",
            "removed");
    refused("processing.guarantee", "exactly_once_beta", "exactly_once_v2",
            "removed");
    set("processing.guarantee", "exactly_once_v2");
    assert_true(wr_config_exactly_once(wr_config_options(config)));
}

static void commit_interval_depends_on_the_guarantee(void **state)
{
    (void)state;
    const struct wr_options *o = wr_config_options(config);
    assert_int_equal(wr_config_commit_interval_ms(o), 30000);
    set("processing.guarantee", "exactly_once_v2");
    assert_int_equal(wr_config_commit_interval_ms(o), 100);
    set("commit.interval.ms", "7");
    assert_int_equal(wr_config_commit_interval_ms(o), 7);
}

static void handlers_take_names_of_java_classes(void **state)
{
    (void)state;
    const struct wr_options *o = wr_config_options(config);
    set("deserialization.exception.handler",
        "org.apache.kafka.streams.errors.LogAndContinueExceptionHandler");
    assert_string_equal(wr_options_text(o, "deserialization.exception.handler"),
                        "continue");
    set("processing.exception.handler", "LogAndFailProcessingExceptionHandler");
    assert_string_equal(wr_options_text(o, "processing.exception.handler"),
                        "fail");
    refused("production.exception.handler", "com.example.Mine", "fail|continue",
            "Mine");
}

static void names_of_librdkafka_pass_and_their_values_are_checked(void **state)
{
    (void)state;
    set("security.protocol", "sasl_ssl");
    set("producer.linger.ms", "7");
    set("main.consumer.fetch.min.bytes", "10");
    refused("security.protocol", "telepathy", "security.protocol", "telepathy");
    refused("producer.linger.mss", "7", "linger.mss", "linger.ms");
    refused("fetch.min.byte", "7", "fetch.min.byte", "did you mean");
}

static void names_of_java_name_the_equivalent(void **state)
{
    (void)state;
    refused("sasl.jaas.config", "x", "sasl.username", "sasl.password");
    refused("ssl.truststore.location", "x", "ssl.ca.location", "Java");
    refused("consumer.key.deserializer", "x", "serdes", "topology");
    refused("cache.max.bytes.buffering", "1", "statestore.cache.max.bytes",
            "renamed");
    refused("num.standby.replicas", "1", "standby", "weir");
}

static void unknown_names_get_the_nearest(void **state)
{
    (void)state;
    refused("commit.intervall.ms", "1", "commit.interval.ms", "did you mean");
    refused("zzzzzzzzzzzzzzzzz", "1", "unknown", "neither");
}

static void what_weir_decides_cannot_be_set(void **state)
{
    (void)state;
    refused("group.id", "x", "application.id", "group.id");
    refused("consumer.enable.auto.commit", "true", "commit", "weir");
    refused("producer.transactional.id", "x", "weir", "thread");
    refused("consumer.poll.ms", "1", "poll.ms", "no prefix");
}

static void a_file_gives_file_and_line(void **state)
{
    (void)state;
    char path[] = "/tmp/weir-config-XXXXXX";
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");
    assert_non_null(f);
    fputs("application.id=a\ngroup.id=b\n", f);
    fclose(f);
    assert_int_equal(weir_config_load(config, path, &err), WEIR_E_CONFIG);
    assert_non_null(strstr(err.text, ":2"));
    assert_non_null(strstr(err.text, "group.id"));
    remove(path);
}

static void a_start_needs_name_and_brokers(void **state)
{
    (void)state;
    contradicts("application.id");
    set("application.id", "a b");
    contradicts("a b");
    set("application.id", "app");
    contradicts("bootstrap.servers");
    set("bootstrap.servers", "127.0.0.1:1");
    assert_int_equal(wr_config_check(wr_config_options(config), &err), WEIR_OK);
    set("application.server", "nowhere");
    contradicts("HOST:PORT");
}

static void exactly_once_refuses_what_undoes_it(void **state)
{
    (void)state;
    set("application.id", "app");
    set("bootstrap.servers", "127.0.0.1:1");
    set("acks", "1");
    assert_int_equal(wr_config_check(wr_config_options(config), &err), WEIR_OK);
    set("processing.guarantee", "exactly_once_v2");
    contradicts("acks=1");
    set("acks", "-1");
    set("producer.enable.idempotence", "false");
    contradicts("enable.idempotence");
    set("producer.enable.idempotence", "true");
    set("commit.interval.ms", "2s");
    set("producer.transaction.timeout.ms", "1000");
    contradicts("commit.interval.ms");
    set("producer.transaction.timeout.ms", "5000");
    set("consumer.isolation.level", "read_uncommitted");
    contradicts("read_committed");
}

static void prefixes_choose_the_client(void **state)
{
    (void)state;
    assert_string_equal(
        wr_config_client_property("linger.ms", WR_CLIENT_PRODUCER),
        "linger.ms");
    assert_string_equal(
        wr_config_client_property("consumer.x", WR_CLIENT_RESTORE), "x");
    assert_null(
        wr_config_client_property("main.consumer.x", WR_CLIENT_RESTORE));
    assert_null(wr_config_client_property("consumer.x", WR_CLIENT_PRODUCER));
    assert_null(wr_config_client_property("poll.ms", WR_CLIENT_CONSUMER));
    assert_null(wr_config_client_property("topic.x", WR_CLIENT_CONSUMER));
    assert_string_equal(wr_config_topic_property("topic.x"), "x");
    /* begins like one, and is not */
    assert_null(wr_config_topic_property("topic.metadata.refresh.interval.ms"));
    assert_string_equal(
        wr_config_client_property("topic.metadata.refresh.interval.ms",
                                  WR_CLIENT_CONSUMER),
        "topic.metadata.refresh.interval.ms");
    assert_null(wr_config_topic_property("topic."));
    assert_null(wr_config_topic_property("client.id"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(old_names_of_the_guarantee_point_to_the_new_one),
        T(commit_interval_depends_on_the_guarantee),
        T(handlers_take_names_of_java_classes),
        T(names_of_librdkafka_pass_and_their_values_are_checked),
        T(names_of_java_name_the_equivalent),
        T(unknown_names_get_the_nearest),
        T(what_weir_decides_cannot_be_set),
        T(a_file_gives_file_and_line),
        T(a_start_needs_name_and_brokers),
        T(exactly_once_refuses_what_undoes_it),
        T(prefixes_choose_the_client)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
