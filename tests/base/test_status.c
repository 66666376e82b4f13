/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/weir_test.h"

static void every_status_has_name_sentence_and_class(void **state)
{
    (void)state;
#define ROW(name, value, klass, text)                                          \
    assert_int_equal(name, value);                                             \
    assert_string_equal(weir_status_name(name), #name);                        \
    assert_string_equal(weir_status_text(name), text);                         \
    assert_int_equal(weir_status_class(name), WEIR_CLASS_##klass);
    WEIR_STATUS_TABLE(ROW)
#undef ROW
}

static void a_status_of_no_row_is_unknown_and_fatal(void **state)
{
    (void)state;
    static const int none[] = {1, -1000};
    for (size_t i = 0; i < 2; i++) {
        enum weir_status status = (enum weir_status)none[i];
        assert_string_equal(weir_status_name(status), "WEIR_E_UNKNOWN");
        assert_string_equal(weir_status_text(status), "unknown status");
        assert_int_equal(weir_status_class(status), WEIR_CLASS_FATAL);
    }
}

static void fail_writes_status_and_text_and_takes_null(void **state)
{
    (void)state;
    struct weir_error err;
    assert_status(WEIR_E_IO, weir_fail(&err, WEIR_E_IO, "file %d", 7));
    assert_status(WEIR_E_IO, err.status);
    assert_string_equal(err.text, "file 7");
    assert_status(WEIR_E_IO, weir_fail(NULL, WEIR_E_IO, "file %d", 7));
    assert_status(WEIR_E_IO, weir_fail_prefix(NULL, WEIR_E_IO, "x"));
}

static void prefixes_tell_the_way_from_outside_in(void **state)
{
    (void)state;
    struct weir_error err;
    (void)weir_fail(&err, WEIR_E_CORRUPT, "bad crc");
    assert_status(WEIR_E_CORRUPT,
                  weir_fail_prefix(&err, WEIR_E_CORRUPT, "segment %d", 42));
    assert_string_equal(err.text, "segment 42: bad crc");
}

static void text_of_any_length_stays_inside(void **state)
{
    (void)state;
    struct weir_error err;
    char word[3000];
    memset(word, 'w', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    (void)weir_fail(&err, WEIR_E_IO, "%s", word);
    assert_int_equal(strlen(err.text), WEIR_ERROR_TEXT_MAX - 1);
    (void)weir_fail_prefix(&err, WEIR_E_IO, "head");
    assert_int_equal(strlen(err.text), WEIR_ERROR_TEXT_MAX - 1);
    assert_memory_equal(err.text, "head: www", 9);
}

static void the_version_is_the_projects(void **state)
{
    (void)state;
    assert_string_equal(weir_version(), WEIR_VERSION_STRING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_name_sentence_and_class),
        cmocka_unit_test(a_status_of_no_row_is_unknown_and_fatal),
        cmocka_unit_test(fail_writes_status_and_text_and_takes_null),
        cmocka_unit_test(prefixes_tell_the_way_from_outside_in),
        cmocka_unit_test(text_of_any_length_stays_inside),
        cmocka_unit_test(the_version_is_the_projects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
