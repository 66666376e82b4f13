/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/folder.h"

#include "base/fs.h"
#include "tests/harness/weir_test.h"

#include <stdio.h>
#include <stdlib.h>

static void names_are_split_at_the_last_dash(void **state)
{
    (void)state;
    char topic[WR_TOPIC_NAME_MAX + 1];
    int32_t partition;
    assert_true(wr_folder_parse("a-b-12", topic, &partition));
    assert_string_equal(topic, "a-b");
    assert_int_equal(partition, 12);
    static const char *const bad[] = {"wal",
                                      "-1",
                                      "a-",
                                      "a-x",
                                      "a--1",
                                      "a-01",
                                      "a-1x",
                                      "a b-1",
                                      ".-1",
                                      "..-0",
                                      "a-1.0123-delete",
                                      "a-99999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        bool ok = wr_folder_parse(bad[i], topic, &partition);
        /* "a--1" is partition 1 of topic "a-". */
        assert_int_equal(ok, strcmp(bad[i], "a--1") == 0);
    }
    char name[300];
    memset(name, 'x', sizeof(name));
    memcpy(name + WR_TOPIC_NAME_MAX, "-0", 3);
    assert_true(wr_folder_parse(name, topic, &partition));
    memset(name, 'x', sizeof(name));
    memcpy(name + WR_TOPIC_NAME_MAX + 1, "-0", 3);
    assert_false(wr_folder_parse(name, topic, &partition));
}

static void an_identity_comes_back_in_kafkas_form(void **state)
{
    (void)state;
    char dir[] = "/tmp/weir-folder-XXXXXX", path[64];
    struct wr_buf text;
    /* 16 bytes and what Kafka's Uuid.toString makes of them */
    static const uint8_t id[WR_TOPIC_ID_BYTES] = {
        0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
        0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
    uint8_t got[WR_TOPIC_ID_BYTES];
    assert_non_null(mkdtemp(dir));
    assert_int_equal(wr_folder_read_id(dir, got, NULL), WEIR_E_NOTFOUND);
    assert_int_equal(wr_folder_write_id(dir, id, NULL), WEIR_OK);
    assert_int_equal(wr_folder_read_id(dir, got, NULL), WEIR_OK);
    assert_memory_equal(got, id, sizeof(id));
    (void)snprintf(path, sizeof(path), "%s/partition.metadata", dir);
    wr_buf_init(&text, 100);
    assert_int_equal(wr_file_read(path, &text, NULL), WEIR_OK);
    assert_string_equal(wr_buf_text(&text),
                        "version: 0\ntopic_id: ABEiM0RVZneImaq7zN3u_w\n");
    wr_buf_done(&text);
    FILE *file = fopen(path, "w");
    assert_true(file && fputs("version: 0\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(wr_folder_read_id(dir, got, NULL), WEIR_E_CORRUPT);
    assert_int_equal(wr_remove_all(dir, NULL), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_split_at_the_last_dash),
        cmocka_unit_test(an_identity_comes_back_in_kafkas_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
