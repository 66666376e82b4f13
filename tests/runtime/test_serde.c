/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/weir_test.h"

#include "runtime/serde.h"

static void writes(const struct weir_serde *serde, const char *text,
                   const void *bytes, size_t len)
{
    struct weir_writer w;
    struct weir_error err = {0};
    wr_buf_init(&w.buf, 4096);
    if (serde->from_text(weir_text(text), &w, &err) != WEIR_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(w.buf.len, len);
    assert_memory_equal(w.buf.data, bytes, len);
    wr_buf_done(&w.buf);
}

static void shows(const struct weir_serde *serde, const void *bytes, size_t len,
                  const char *json)
{
    struct weir_writer w;
    struct weir_error err = {0};
    wr_buf_init(&w.buf, 4096);
    if (serde->to_json(weir_bytes(bytes, len), &w, &err) != WEIR_OK) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(wr_buf_text(&w.buf), json);
    wr_buf_done(&w.buf);
}

static void refuses(const struct weir_serde *serde, const void *bytes,
                    size_t len, const char *needle)
{
    struct weir_error err = {0};
    assert_int_equal(serde->check(weir_bytes(bytes, len), &err), WEIR_E_DECODE);
    if (!strstr(err.text, needle)) {
        fail_msg("'%s' is not in '%s'", needle, err.text);
    }
}

static void int64_is_java_long(void **state)
{
    (void)state;
    writes(&weir_serde_int64, "1", "\0\0\0\0\0\0\0\1", 8);
    writes(&weir_serde_int64, "-1", "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    shows(&weir_serde_int64, "\x7f\xff\xff\xff\xff\xff\xff\xff", 8,
          "9223372036854775807");
    shows(&weir_serde_int64, "\x80\0\0\0\0\0\0\0", 8, "-9223372036854775808");
    refuses(&weir_serde_int64, "abc", 3, "8 bytes, there are 3");
}

static void int64_reads_no_nonsense(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "x", "1x", "1.5",
                                        "9223372036854775808"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct weir_writer w;
        struct weir_error err = {0};
        wr_buf_init(&w.buf, 64);
        assert_int_equal(
            weir_serde_int64.from_text(weir_text(texts[i]), &w, &err),
            WEIR_E_DECODE);
        wr_buf_done(&w.buf);
    }
}

static void double_is_java_double(void **state)
{
    (void)state;
    writes(&weir_serde_double, "1.5", "\x3f\xf8\0\0\0\0\0\0", 8);
    shows(&weir_serde_double, "\x3f\xb9\x99\x99\x99\x99\x99\x9a", 8, "0.1");
    shows(&weir_serde_double, "\x7f\xf8\0\0\0\0\0\0", 8, "\"NaN\"");
    shows(&weir_serde_double, "\xff\xf0\0\0\0\0\0\0", 8, "\"-Infinity\"");
}

static void text_is_utf8(void **state)
{
    (void)state;
    shows(&weir_serde_text, "h\xc3\xa9 \"\n", 6, "\"h\xc3\xa9 \\\"\\n\"");
    refuses(&weir_serde_text, "ab\xff", 3, "0xff at position 2");
    refuses(&weir_serde_text, "\xc0\x80", 2, "not UTF-8");     /* overlong */
    refuses(&weir_serde_text, "\xed\xa0\x80", 3, "not UTF-8"); /* surrogate */
    refuses(&weir_serde_text, "\xe2\x82", 2, "not UTF-8");     /* cut short */
}

static void bytes_are_shown_as_base64(void **state)
{
    (void)state;
    shows(&weir_serde_bytes, "", 0, "\"\"");
    shows(&weir_serde_bytes, "f", 1, "\"Zg==\"");
    shows(&weir_serde_bytes, "fo", 2, "\"Zm8=\"");
    shows(&weir_serde_bytes, "foobar", 6, "\"Zm9vYmFy\"");
}

static void json_is_one_value(void **state)
{
    (void)state;
    shows(&weir_serde_json, "{\"a\":[1,2]}", 11, "{\"a\":[1,2]}");
    refuses(&weir_serde_json, "{\"a\":", 5, "line 1");
    refuses(&weir_serde_json, "1 2", 3, "one JSON value");
}

static void a_serde_is_found_by_name(void **state)
{
    (void)state;
    assert_ptr_equal(wr_serde_by_name("int64"), &weir_serde_int64);
    assert_null(wr_serde_by_name("avro"));
    assert_null(wr_serde_by_name(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(int64_is_java_long),
        cmocka_unit_test(int64_reads_no_nonsense),
        cmocka_unit_test(double_is_java_double),
        cmocka_unit_test(text_is_utf8),
        cmocka_unit_test(bytes_are_shown_as_base64),
        cmocka_unit_test(json_is_one_value),
        cmocka_unit_test(a_serde_is_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
