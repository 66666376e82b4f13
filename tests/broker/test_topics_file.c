/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/topics_file.h"

#include "base/fs.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/weir_broker.h"
#include "tests/harness/weir_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[64];
static char path[96];
static struct wr_options *options;

static enum weir_status try_open(struct wr_broker **out, struct weir_error *err)
{
    err->text[0] = '\0';
    return wr_broker_open(options, out, err);
}

/* A folder with one topic of two partitions, closed. */
static int setup(void **state)
{
    (void)state;
    struct weir_error err;
    struct wr_broker *broker;
    wr_log_level_now = WR_ERROR;
    snprintf(dir, sizeof(dir), "/tmp/weir-test-XXXXXX");
    if (!mkdtemp(dir) ||
        wr_options_new(wr_broker_options, NULL, &options) != WEIR_OK ||
        wr_options_set(options, "data.dir", dir, "test", NULL) != WEIR_OK ||
        wr_options_set(options, "listen", "127.0.0.1:0", "test", NULL) !=
            WEIR_OK ||
        try_open(&broker, &err) != WEIR_OK) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/topics", dir);
    struct wr_topic_spec spec = {.name = weir_text("orders"),
                                 .partition_count = 2};
    struct wr_topic_setting setting = {"cleanup.policy", "compact,delete"};
    spec.settings = &setting;
    spec.setting_count = 1;
    int16_t code = wr_topics_create(broker->topics, &spec, NULL, NULL);
    wr_broker_close(broker);
    return code;
}

static int teardown(void **state)
{
    (void)state;
    wr_options_free(options);
    return wr_remove_all(dir, NULL) == WEIR_OK ? 0 : -1;
}

static void read_file(struct wr_buf *out)
{
    wr_buf_init(out, 1 << 20);
    assert_int_equal(wr_file_read(path, out, NULL), WEIR_OK);
}

static void the_file_is_text_that_says_what_there_is(void **state)
{
    (void)state;
    struct wr_buf text;
    read_file(&text);
    assert_non_null(strstr(wr_buf_text(&text), "weir topics 1\ntopic orders "));
    assert_non_null(strstr(wr_buf_text(&text), " 2 public\n"
                                               "set cleanup.policy "
                                               "compact,delete\nend "));
    wr_buf_done(&text);
}

static void a_file_changed_anywhere_is_refused(void **state)
{
    (void)state;
    struct wr_buf text;
    read_file(&text);
    for (size_t i = 0; i < text.len; i++) {
        struct wr_broker *broker = NULL;
        struct weir_error err;
        text.data[i] ^= 1;
        assert_int_equal(wr_file_replace(path, wr_buf_view(&text), NULL),
                         WEIR_OK);
        assert_int_equal(try_open(&broker, &err), WEIR_E_CORRUPT);
        assert_non_null(strstr(err.text, path));
        text.data[i] ^= 1;
    }
    assert_int_equal(
        wr_file_replace(path, weir_bytes(text.data, text.len / 2), NULL),
        WEIR_OK);
    struct wr_broker *broker = NULL;
    struct weir_error err;
    assert_int_equal(try_open(&broker, &err), WEIR_E_CORRUPT);
    /* and the whole one is read again */
    assert_int_equal(wr_file_replace(path, wr_buf_view(&text), NULL), WEIR_OK);
    assert_int_equal(try_open(&broker, &err), WEIR_OK);
    wr_broker_close(broker);
    wr_buf_done(&text);
}

static void partitions_without_the_file_are_not_touched(void **state)
{
    (void)state;
    struct wr_broker *broker = NULL;
    struct weir_error err;
    char partition[96];
    assert_int_equal(unlink(path), 0);
    assert_int_equal(try_open(&broker, &err), WEIR_E_CORRUPT);
    assert_non_null(strstr(err.text, "no file `topics`"));
    snprintf(partition, sizeof(partition), "%s/orders-0", dir);
    assert_int_equal(access(partition, F_OK), 0);
}

#define FILE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(the_file_is_text_that_says_what_there_is),
        FILE_TEST(a_file_changed_anywhere_is_refused),
        FILE_TEST(partitions_without_the_file_are_not_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
