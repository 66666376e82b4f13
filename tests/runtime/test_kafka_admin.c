/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/runtime/kafka_fixture.h"

static void topics_and_their_partitions_are_listed(void **state)
{
    (void)state;
    struct wr_admin *admin = NULL;
    struct wr_cluster_topics topics = {NULL, 0, NULL};
    assert_int_equal(mock_cluster_topic(cluster, "another", 5), 0);
    assert_ok(wr_admin_new(wr_config_options(config), "test", &admin, &err),
              err);
    assert_ok(wr_admin_topics(admin, WAIT_MS, &topics, &err), err);
    assert_int_equal(wr_cluster_topics_partitions(&topics, "t"), 2);
    assert_int_equal(wr_cluster_topics_partitions(&topics, "another"), 5);
    assert_int_equal(wr_cluster_topics_partitions(&topics, "no"), -1);
    assert_int_equal(wr_cluster_topics_put(&topics, "no", 3), WEIR_OK);
    assert_int_equal(wr_cluster_topics_partitions(&topics, "no"), 3);
    assert_non_null(topics.cluster);
    assert_true(topics.cluster[0] != '\0');
    wr_cluster_topics_done(&topics);
    wr_admin_free(admin);
}

static void an_unreachable_broker_is_named(void **state)
{
    (void)state;
    struct wr_admin *admin = NULL;
    struct wr_cluster_topics topics = {NULL, 0, NULL};
    assert_ok(weir_config_set(config, "bootstrap.servers", "127.0.0.1:1", &err),
              err);
    assert_ok(wr_admin_new(wr_config_options(config), "test", &admin, &err),
              err);
    enum weir_status status = wr_admin_topics(admin, 300, &topics, &err);
    assert_int_equal(weir_status_class(status), WEIR_CLASS_RETRY);
    assert_non_null(strstr(err.text, "127.0.0.1:1"));
    assert_non_null(strstr(err.text, "bootstrap.servers"));
    wr_admin_free(admin);
}

static void forget(void *user, struct weir_bytes key, struct weir_bytes value)
{
    struct wr_buf *all = user;
    wr_buf_put_bytes(all, key);
    wr_buf_put_bytes(all, value);
}

static void a_partition_is_read_to_its_end(void **state)
{
    (void)state;
    struct wr_admin *admin = NULL;
    struct wr_buf all;
    wr_buf_init(&all, 1000);
    assert_ok(wr_admin_new(wr_config_options(config), "test", &admin, &err),
              err);
    assert_ok(wr_admin_read(admin, "t", 0, forget, &all, &err), err);
    assert_int_equal(all.len, 0);
    assert_ok(
        wr_admin_write(admin, "t", 0, weir_text("k1"), weir_text("v1"), &err),
        err);
    assert_ok(
        wr_admin_write(admin, "t", 0, weir_text("k2"), weir_text("v2"), &err),
        err);
    assert_ok(wr_admin_read(admin, "t", 0, forget, &all, &err), err);
    assert_string_equal(wr_buf_text(&all), "k1v1k2v2");
    wr_buf_done(&all);
    wr_admin_free(admin);
}

/* The client library may end the process when a question that was given up
 * during an outage is answered after it. */
static void a_question_about_the_group_outlives_an_outage(void **state)
{
    (void)state;
    struct wr_admin *admin = NULL;
    struct wr_cluster_topics topics = {NULL, 0, NULL};
    struct wr_group_view group = {NULL, 0, false};
    assert_ok(wr_admin_new(wr_config_options(config), "test", &admin, &err),
              err);
    assert_ok(wr_admin_topics(admin, WAIT_MS, &topics, &err), err);
    wr_cluster_topics_done(&topics);
    mock_cluster_down(cluster, 1);
    for (int i = 0; i < 5; i++) {
        enum weir_status status =
            wr_admin_group(admin, "app", "t", 100, &group, &err);
        assert_int_equal(weir_status_class(status), WEIR_CLASS_RETRY);
    }
    mock_cluster_down(cluster, 0);
    for (int i = 0; i < 5; i++) {
        assert_ok(wr_admin_topics(admin, WAIT_MS, &topics, &err), err);
        wr_cluster_topics_done(&topics);
    }
    wr_admin_free(admin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(topics_and_their_partitions_are_listed),
        T(an_unreachable_broker_is_named), T(a_partition_is_read_to_its_end),
        T(a_question_about_the_group_outlives_an_outage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
