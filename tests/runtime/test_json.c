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

static void the_scan_knows_what_is_common(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-1.5e+10",
        "\"\"",
        " [ ] ",
        "{}",
        "true",
        "null",
        "{\"a\":[1,2,{\"b\":\"x\\n\\u00e4\xc3\xa4\"}],\"c\":{}}",
        "[[],{},[{}]]",
        "123456789012345678"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (!wr_json_scan(weir_text(texts[i]))) {
            fail_msg("%s", texts[i]);
        }
    }
}

/* Seeded changes of real texts: what the scan accepts, the full parser accepts.
 */
static void the_scan_accepts_nothing_that_is_no_json(void **state)
{
    (void)state;
    static const char letters[] = "{}[]\":,\\u0123456789eE.-+ntfalse \x01\xff";
    static const char seed[] =
        "{\"user\":\"a\\u00e9\",\"n\":[1,-2.5e3,0],\"o\":{\"t\":true,"
        "\"f\":false,\"z\":null},\"e\":[]}";
    uint32_t random = 20261121;
    size_t accepted = 0;
    for (int round = 0; round < 200000; round++) {
        char text[sizeof(seed) + 8] = "{\"v\":";
        size_t head = strlen(text);
        size_t len = sizeof(seed) - 1;
        memcpy(text + head, seed, len);
        for (int change = 0; change < 1 + round % 3; change++) {
            random = random * 1664525u + 1013904223u;
            text[head + (random >> 8) % len] =
                letters[(random >> 20) % (sizeof(letters) - 1)];
        }
        if (!wr_json_scan(weir_bytes(text + head, len))) {
            continue;
        }
        accepted++;
        struct wr_buf out;
        wr_buf_init(&out, 4096);
        text[head + len] = '}';
        if (wr_json_member(weir_bytes(text, head + len + 1), "v", &out) !=
            WEIR_OK) {
            fail_msg("%.*s", (int)len, text + head);
        }
        wr_buf_done(&out);
    }
    assert_true(accepted > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_is_a_text_or_json),
        cmocka_unit_test(what_is_missing_is_not_found),
        cmocka_unit_test(an_item_of_an_array_has_members),
        cmocka_unit_test(deep_nesting_is_refused_not_crashed_on),
        cmocka_unit_test(the_scan_knows_what_is_common),
        cmocka_unit_test(the_scan_accepts_nothing_that_is_no_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
