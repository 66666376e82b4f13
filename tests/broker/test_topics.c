/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/topics.h"

#include "base/fs.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/logs.h"
#include "broker/weir_broker.h"
#include "tests/broker/log_fixture.h"
#include "tests/harness/weir_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A broker that is open but never runs: the registry is used directly. */
struct fixture {
    char dir[64];
    struct wr_options *options;
    struct wr_broker *broker;
};

static void reopen(struct fixture *f)
{
    struct weir_error err = {.text = ""};
    wr_broker_close(f->broker);
    f->broker = NULL;
    if (wr_broker_open(f->options, &f->broker, &err) != WEIR_OK) {
        fail_msg("%s", err.text);
    }
}

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.dir = "/tmp/weir-test-XXXXXX"};
    *state = &f;
    wr_log_level_now = WR_ERROR;
    if (!mkdtemp(f.dir) ||
        wr_options_new(wr_broker_options, NULL, &f.options) != WEIR_OK ||
        wr_options_set(f.options, "data.dir", f.dir, "test", NULL) != WEIR_OK ||
        wr_options_set(f.options, "listen", "127.0.0.1:0", "test", NULL) !=
            WEIR_OK) {
        return -1;
    }
    reopen(&f);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    wr_broker_close(f->broker);
    wr_options_free(f->options);
    return wr_remove_all(f->dir, NULL) == WEIR_OK ? 0 : -1;
}

static struct wr_topic *create(struct fixture *f, const char *name,
                               int32_t partitions)
{
    struct wr_topic *topic;
    struct wr_topic_spec spec = {.name = weir_text(name),
                                 .partition_count = partitions};
    assert_int_equal(wr_topics_create(f->broker->topics, &spec, &topic, NULL),
                     0);
    return topic;
}

static void names_are_those_that_kafka_allows(void **state)
{
    (void)state;
    char long_name[WR_TOPIC_NAME_MAX + 2];
    memset(long_name, 'a', sizeof(long_name));
    assert_true(wr_topic_name_valid(weir_text("a")));
    assert_true(wr_topic_name_valid(weir_text("A-z_0.9")));
    assert_true(wr_topic_name_valid(weir_text("...")));
    assert_true(wr_topic_name_valid(weir_bytes(long_name, 249)));
    assert_false(wr_topic_name_valid(weir_bytes(long_name, 250)));
    assert_false(wr_topic_name_valid(weir_text("")));
    assert_false(wr_topic_name_valid(WEIR_NULL));
    assert_false(wr_topic_name_valid(weir_text(".")));
    assert_false(wr_topic_name_valid(weir_text("..")));
    assert_false(wr_topic_name_valid(weir_text("a b")));
    assert_false(wr_topic_name_valid(weir_text("../x")));
    assert_false(wr_topic_name_valid(weir_bytes("a\0b", 3)));
    assert_false(wr_topic_name_valid(weir_text("\xc3\xa9")));
}

static void topics_are_the_same_after_a_restart(void **state)
{
    struct fixture *f = *state;
    struct wr_topic_setting setting = {"retention.ms", "1000"};
    struct wr_topic_spec spec = {.name = weir_text("kept"),
                                 .partition_count = 3,
                                 .settings = &setting,
                                 .setting_count = 1};
    struct wr_topic *kept;
    assert_int_equal(wr_topics_create(f->broker->topics, &spec, &kept, NULL),
                     0);
    struct wr_uuid id = kept->id;
    struct wr_topic *gone = create(f, "gone", 2);
    assert_int_equal(wr_topics_delete(f->broker->topics, gone, NULL), 0);
    struct wr_topic *grown = create(f, "grown", 1);
    assert_int_equal(wr_topics_grow(f->broker->topics, grown, 4, false, NULL),
                     0);
    reopen(f);
    assert_int_equal(wr_topics_count(f->broker->topics), 2);
    kept = wr_topics_find(f->broker->topics, weir_text("kept"));
    assert_non_null(kept);
    assert_true(wr_uuid_equal(kept->id, id));
    assert_ptr_equal(wr_topics_find_id(f->broker->topics, id), kept);
    assert_int_equal(kept->partition_count, 3);
    assert_int_equal(kept->config.retention_ms, 1000);
    assert_non_null(wr_topics_log(f->broker->topics, weir_text("grown"), 3));
    assert_null(wr_topics_log(f->broker->topics, weir_text("grown"), 4));
    assert_null(wr_topics_log(f->broker->topics, weir_text("grown"), -1));
    assert_null(wr_topics_log(f->broker->topics, weir_text("gone"), 0));
}

static void topics_are_walked_by_name(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"m", "z", "a", "k", "b"};
    for (size_t i = 0; i < 5; i++) {
        create(f, names[i], 1);
    }
    size_t cursor = 0;
    struct wr_topic *topic;
    char walked[16] = "";
    while (wr_topics_next(f->broker->topics, &cursor, &topic)) {
        strncat(walked, topic->name, 1);
    }
    assert_string_equal(walked, "abkmz");
}

static void a_partition_that_no_topic_has_is_removed_at_the_start(void **state)
{
    struct fixture *f = *state;
    char path[128];
    create(f, "whole", 1);
    /* what a crash leaves between the folders and the file */
    struct wr_log *log;
    static const uint8_t id[16] = {7};
    struct wr_logs_new half = {"half", id, 0, false};
    assert_int_equal(wr_logs_create(f->broker->logs, &half, &log, NULL),
                     WEIR_OK);
    snprintf(path, sizeof(path), "%s/half-0", f->dir);
    assert_int_equal(access(path, F_OK), 0);
    reopen(f);
    assert_null(wr_topics_log(f->broker->topics, weir_text("half"), 0));
    assert_null(wr_logs_get(f->broker->logs, weir_text("half"), 0));
    assert_non_null(wr_topics_log(f->broker->topics, weir_text("whole"), 0));
}

/* `topics` is an older copy: it does not know what was made since. */
static void records_that_no_topic_has_are_set_aside_not_deleted(void **state)
{
    struct fixture *f = *state;
    char path[256];
    struct wr_log *log;
    static const uint8_t id[16] = {7};
    struct wr_logs_new since = {"since", id, 0, false};
    assert_int_equal(wr_logs_create(f->broker->logs, &since, &log, NULL),
                     WEIR_OK);
    (void)test_put(log, "acked", 3);
    test_sync(f->broker->logs);
    reopen(f);
    assert_null(wr_logs_get(f->broker->logs, weir_text("since"), 0));
    snprintf(path, sizeof(path),
             "%s/since-0.07000000000000000000000000000000-stray/"
             "00000000000000000000.log",
             f->dir);
    for (int start = 0; start < 2; start++) {
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_true(st.st_size > 0);
        reopen(f);
    }
    (void)create(f, "since", 1); /* the name is free */
}

static int deletions;
static void a_partition_without_its_identity_is_offline_alone(void **state)
{
    struct fixture *f = *state;
    char path[128];
    (void)create(f, "some", 2);
    (void)snprintf(path, sizeof(path), "%s/some-1/partition.metadata", f->dir);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(i == 0 ? truncate(path, 3) : unlink(path), 0);
        reopen(f);
        struct wr_topic *topic =
            wr_topics_find(f->broker->topics, weir_text("some"));
        assert_non_null(topic);
        assert_null(wr_log_offline(topic->logs[0]));
        assert_non_null(strstr(wr_log_offline(topic->logs[1]), path));
        assert_non_null(strstr(wr_log_offline(topic->logs[1]), "another"));
    }
}

static void count_deletion(void *arg, const struct wr_topic *topic)
{
    assert_string_equal(topic->name, arg);
    deletions++;
}

static void watchers_hear_of_a_deletion(void **state)
{
    struct fixture *f = *state;
    static char name[] = "watched";
    struct wr_topics_watcher watcher = {.deleting = count_deletion,
                                        .arg = name};
    wr_topics_watch(f->broker->topics, &watcher);
    deletions = 0;
    struct wr_topic *topic = create(f, name, 2);
    assert_int_equal(wr_topics_delete(f->broker->topics, topic, NULL), 0);
    assert_int_equal(deletions, 1);
}

#define TOPICS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_those_that_kafka_allows),
        TOPICS_TEST(topics_are_the_same_after_a_restart),
        TOPICS_TEST(topics_are_walked_by_name),
        TOPICS_TEST(a_partition_without_its_identity_is_offline_alone),
        TOPICS_TEST(a_partition_that_no_topic_has_is_removed_at_the_start),
        TOPICS_TEST(records_that_no_topic_has_are_set_aside_not_deleted),
        TOPICS_TEST(watchers_hear_of_a_deletion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
