/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/process_id.h"

#include "tests/harness/weir_test.h"

static char dir[WR_TEST_PATH_MAX];

static int setup(void **state)
{
    (void)state;
    wr_test_dir_init(dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wr_test_dir_done(dir);
    return 0;
}

static struct wr_process_id open_id(const char *instance)
{
    struct wr_process_id id;
    struct weir_error err;
    assert_ok(wr_process_id_open(&id, dir, instance, &err), err);
    assert_int_equal(strlen(id.uuid), 36);
    return id;
}

static void a_process_that_comes_back_has_its_id(void **state)
{
    (void)state;
    struct wr_process_id first = open_id(NULL);
    wr_process_id_close(&first);
    struct wr_process_id second = open_id(NULL);
    assert_string_equal(first.uuid, second.uuid);
    wr_process_id_close(&second);
}

static void processes_that_share_a_folder_have_their_own(void **state)
{
    (void)state;
    struct wr_process_id a = open_id(NULL);
    struct wr_process_id b = open_id(NULL);
    assert_string_not_equal(a.uuid, b.uuid);
    wr_process_id_close(&a);
    struct wr_process_id c = open_id(NULL); /* takes the free slot */
    assert_string_equal(a.uuid, c.uuid);
    wr_process_id_close(&b);
    wr_process_id_close(&c);
}

static void an_instance_id_decides_alone(void **state)
{
    (void)state;
    struct wr_process_id a = open_id("worker-1");
    struct wr_process_id b = open_id("worker-1");
    struct wr_process_id c = open_id("worker-2");
    assert_string_equal(a.uuid, b.uuid);
    assert_string_not_equal(a.uuid, c.uuid);
}

static void kafka_streams_file_is_taken_over(void **state)
{
    (void)state;
    static const char text[] =
        "{\"processId\":\"0b5c2a54-65d6-4b5c-9d30-8d9a7c0f3a11\",\"x\":1}";
    char path[WR_TEST_PATH_MAX + 64];
    struct weir_error err;
    (void)snprintf(path, sizeof(path), "%s/kafka-streams-process-metadata",
                   dir);
    assert_ok(wr_file_replace(path, weir_text(text), &err), err);
    struct wr_process_id id = open_id(NULL);
    assert_string_equal(id.uuid, "0b5c2a54-65d6-4b5c-9d30-8d9a7c0f3a11");
    wr_process_id_close(&id);
    /* a damaged one is replaced */
    assert_ok(wr_file_replace(path, weir_text("{\"processId\":\"0b\""), &err),
              err);
    id = open_id(NULL);
    wr_process_id_close(&id);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_process_that_comes_back_has_its_id),
        T(processes_that_share_a_folder_have_their_own),
        T(an_instance_id_decides_alone), T(kafka_streams_file_is_taken_over)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
