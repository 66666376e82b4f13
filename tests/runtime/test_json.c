/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/weir_test.h"

#include "runtime/json.h"

static void member(const char *json, const char *name, const char *expected)
{
    struct wr_buf out;
    wr_buf_init(&out, 4096);
    assert_int_equal(wr_json_member(weir_text(json), name, &out), WEIR_OK);
    assert_string_equal(wr_buf_text(&out), expected);
    wr_buf_done(&out);
}

static void a_member_is_a_text_or_json(void **state)
{
    (void)state;
    member("{\"a\":\"x y\"}", "a", "x y");
    member("{\"a\":9007199254740993}", "a", "9007199254740993");
    member("{\"a\":{\"b\":[1]}}", "a", "{\"b\":[1]}");
    member("{\"a\":null}", "a", "null");
}

static void what_is_missing_is_not_found(void **state)
{
    (void)state;
    struct wr_buf out;
    wr_buf_init(&out, 64);
    assert_int_equal(wr_json_member(weir_text("{}"), "a", &out),
                     WEIR_E_NOTFOUND);
    assert_int_equal(wr_json_member(weir_text("{"), "a", &out), WEIR_E_DECODE);
    assert_int_equal(
        wr_json_item_member(weir_text("{\"t\":[]}"), "t", 0, "x", &out),
        WEIR_E_NOTFOUND);
    wr_buf_done(&out);
}

static void an_item_of_an_array_has_members(void **state)
{
    (void)state;
    struct wr_buf out;
    wr_buf_init(&out, 64);
    assert_int_equal(wr_json_item_member(weir_text("{\"t\":[{\"x\":1},{\"x\":"
                                                   "\"two\"}]}"),
                                         "t", 1, "x", &out),
                     WEIR_OK);
    assert_string_equal(wr_buf_text(&out), "two");
    wr_buf_done(&out);
}

static void deep_nesting_is_refused_not_crashed_on(void **state)
{
    (void)state;
    struct weir_error err = {0};
    static char deep[100000];
    memset(deep, '[', sizeof(deep));
    assert_int_equal(wr_json_check(weir_bytes(deep, sizeof(deep)), &err),
                     WEIR_E_DECODE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_is_a_text_or_json),
        cmocka_unit_test(what_is_missing_is_not_found),
        cmocka_unit_test(an_item_of_an_array_has_members),
        cmocka_unit_test(deep_nesting_is_refused_not_crashed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
