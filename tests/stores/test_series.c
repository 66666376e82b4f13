/* SPDX-License-Identifier: Apache-2.0
 *
 * What a store tells about itself. */
#include "tests/stores/three_stores.h"

static void what_a_store_does_can_be_measured(void **state)
{
    struct fixture *f = *state;
    struct wr_metrics *metrics;
    struct wr_buf text;
    struct weir_error err = {0};
    fixture_close(f, false);
    wr_store_env_free(f->env);
    assert_status(WEIR_OK, wr_metrics_new(&metrics));
    struct wr_store_env_options options = {.warm_bytes = 1 << 20,
                                           .metrics = metrics};
    assert_ok(wr_store_env_new(&options, &f->env, &err), err);
    fixture_open(f);
    fill(f, true);
    must_get(fixture_store(f, ROWS), "key-7");
    must_commit(f, 31001);
    wr_buf_init(&text, 1 << 20);
    wr_metrics_render(metrics, &text);
    const char *all = wr_buf_text(&text);
    assert_non_null(strstr(
        all, "weir_store_writes_total{task=\"0_0\",store=\"rows\"} 1000"));
    assert_non_null(strstr(all, "weir_store_reads_total{task=\"0_0\",store="
                                "\"rows\",layer=\"warm\"} 1"));
    assert_non_null(strstr(
        all, "weir_store_keys_estimate{task=\"0_0\",store=\"rows\"} 1000"));
    assert_non_null(strstr(
        all, "weir_store_write_downs_total{task=\"0_0\",store=\"rows\"} 1"));
    assert_non_null(strstr(all, "weir_rocksdb_block_cache_bytes"));
    wr_buf_done(&text);
    fixture_close(f, false);
    wr_store_env_free(f->env);
    f->env = NULL;
    wr_metrics_free(metrics);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_a_store_does_can_be_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
