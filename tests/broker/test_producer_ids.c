/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/producer_ids.h"

#include "base/fs.h"
#include "tests/harness/weir_test.h"

#include <stdio.h>
#include <stdlib.h>

static char dir[] = "/tmp/weir-producer-ids-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
    return mkdtemp(dir) ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    return wr_remove_all(dir, NULL) == WEIR_OK ? 0 : 1;
}

static int64_t take(struct wr_producer_ids *ids)
{
    int64_t id = -1;
    assert_int_equal(wr_producer_ids_take(ids, &id, NULL), WEIR_OK);
    return id;
}

static void no_id_is_given_twice_across_restarts(void **state)
{
    (void)state;
    int64_t last = -1;
    for (int life = 0; life < 3; life++) {
        struct wr_producer_ids ids;
        assert_int_equal(wr_producer_ids_open(&ids, dir, NULL), WEIR_OK);
        for (int i = 0; i < 1500; i++) {
            int64_t id = take(&ids);
            assert_true(id > last);
            last = id;
        }
        wr_producer_ids_close(&ids);
    }
    assert_true(last < 3 * 2000); /* a restart wastes at most a block */
}

static void ids_seen_in_the_log_are_not_given_again(void **state)
{
    (void)state;
    struct wr_producer_ids ids;
    assert_int_equal(wr_producer_ids_open(&ids, dir, NULL), WEIR_OK);
    wr_producer_ids_saw(&ids, 5000);
    wr_producer_ids_saw(&ids, 10);
    assert_int_equal(take(&ids), 5001);
    wr_producer_ids_close(&ids);
    assert_int_equal(wr_producer_ids_open(&ids, dir, NULL), WEIR_OK);
    assert_true(take(&ids) > 5001);
    wr_producer_ids_close(&ids);
}

static void damaged_file_is_refused_with_its_name(void **state)
{
    (void)state;
    static const char *const texts[] = {"",        "0\n",
                                        "1\n5\n",  "0\nx\n",
                                        "0\n-5\n", "0\n99999999999999999999\n",
                                        "0\n7"};
    char path[128];
    snprintf(path, sizeof(path), "%s/producer-ids", dir);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct wr_producer_ids ids;
        struct weir_error err = {0};
        assert_int_equal(wr_file_replace(path, weir_text(texts[i]), NULL),
                         WEIR_OK);
        assert_int_equal(wr_producer_ids_open(&ids, dir, &err), WEIR_E_CORRUPT);
        assert_non_null(strstr(err.text, path));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_id_is_given_twice_across_restarts),
        TEST(ids_seen_in_the_log_are_not_given_again),
        TEST(damaged_file_is_refused_with_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
