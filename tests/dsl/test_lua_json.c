/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON in and out of Lua: exact integers, stable bytes, what is no JSON and
 * what has none. */
#include "tests/harness/weir_test.h"

#include "dsl/lua_json.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>

static struct wr_lua *lua;

static int open_state(void **state)
{
    (void)state;
    struct wr_lua_limits limits = {64 << 20, 1000};
    return wr_lua_new(&limits, &lua, NULL) == WEIR_OK ? 0 : -1;
}

static int close_state(void **state)
{
    (void)state;
    wr_lua_free(lua);
    return 0;
}

struct trip {
    struct weir_bytes in;
    struct wr_buf out;
};

static int round_trip(lua_State *L)
{
    struct trip *trip = lua_touserdata(L, 1);
    wr_json_open(L);
    wr_json_decode(L, trip->in);
    int top = lua_gettop(L);
    wr_json_encode(L, -1, &trip->out);
    assert_int_equal(lua_gettop(L), top);
    return 0;
}

/* Reads and writes a text; the status, and what was written in `out`. */
static enum weir_status trip_of(const char *text, size_t len, char out[4096])
{
    struct trip trip = {.in = weir_bytes(text, len)};
    wr_buf_init(&trip.out, 1 << 20);
    enum weir_status status = wr_lua_call(lua, round_trip, &trip);
    snprintf(out, 4096, "%s",
             status == WEIR_OK ? wr_buf_text(&trip.out) : lua->error);
    wr_buf_done(&trip.out);
    return status;
}

static void assert_becomes(const char *in, const char *wanted)
{
    char out[4096], again[4096];
    if (trip_of(in, strlen(in), out) != WEIR_OK || strcmp(out, wanted) != 0) {
        fail_msg("%s became %s, not %s", in, out, wanted);
    }
    assert_int_equal(trip_of(out, strlen(out), again), WEIR_OK);
    assert_string_equal(out, again);
}

static void assert_refused(const char *in, size_t len, const char *says)
{
    char out[4096];
    if (trip_of(in, len, out) == WEIR_OK || !strstr(out, says)) {
        fail_msg("%s: '%s' does not say '%s'", in, out, says);
    }
}

static void values_come_back_as_they_were(void **state)
{
    (void)state;
    static const char *const same[] = {
        "null",
        "true",
        "false",
        "0",
        "-1",
        "9007199254740993",
        "9223372036854775807",
        "-9223372036854775808",
        "1.5",
        "-0.0",
        "0.1",
        "1e+300",

        "1.7976931348623157e+308",
        "3.0",
        "\"\"",
        "\"text\"",
        "\"\\\"\\\\\\n\\t\"",
        "[]",
        "{}",
        "[1,2,3]",
        "[null]",
        "[[],{},[[]]]",
        "{\"a\":1,\"b\":[true,null]}",
        "{\"\":0}",
        "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"",
        "[0.30000000000000004,100000.0]"};
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        assert_becomes(same[i], same[i]);
    }
}

static void other_spellings_become_one(void **state)
{
    (void)state;
    assert_becomes(" [ 1 , 2 ] ", "[1,2]");
    assert_becomes("{\"b\":1,\"a\":2}", "{\"a\":2,\"b\":1}");
    assert_becomes("{\"a\":1,\"a\":2}", "{\"a\":2}");
    assert_becomes("-0", "-0.0");
    assert_becomes("1E2", "100.0");
}

static void numbers_beyond_64_bits_are_floats(void **state)
{
    (void)state;
    assert_becomes("9223372036854775808", "9.223372036854776e+18");
    assert_becomes("-9223372036854775809", "-9.223372036854776e+18");
    assert_becomes("123456789012345678901234567890", "1.2345678901234568e+29");
}

static void escapes_are_read(void **state)
{
    (void)state;
    assert_becomes("\"\\u0041\\u00e4\\u20ac\\ud83d\\ude00\\/\"",
                   "\"A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80/\"");
    assert_becomes("\"\\b\\f\\u0001\"", "\"\\u0008\\u000c\\u0001\"");
    char out[4096];
    assert_int_equal(trip_of("\"\\u0000x\"", 9, out), WEIR_OK);
    assert_string_equal(out, "\"\\u0000x\"");
}

static void what_is_no_json_is_refused_with_its_place(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        " ",
                                        "{",
                                        "[",
                                        "[1",
                                        "[1,]",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{\"a\":1,}",
                                        "{a:1}",
                                        "'a'",
                                        "tru",
                                        "nulll",
                                        "01",
                                        "-",
                                        "1.",
                                        ".5",
                                        "1e",
                                        "+1",
                                        "\"",
                                        "\"\\\"",
                                        "\"\\x\"",
                                        "\"\\u12\"",
                                        "1 2",
                                        "[1 2]",
                                        "{\"a\" 1}",
                                        "\"\\ud800\"",
                                        "\"\\ud800\\u0041\"",
                                        "\"\\udc00\"",
                                        "NaN",
                                        "Infinity",
                                        "\"a\nb\"",
                                        "]",
                                        "}",
                                        "\"\xff\"",
                                        "\"\xc0\x80\"",
                                        "\"\xed\xa0\x80\"",
                                        "[\"a\\n\xff\"]",
                                        "/*x*/1",
                                        "1e400",
                                        "\"\\uzzzz\""};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_refused(texts[i], strlen(texts[i]), "not JSON: ");
    }
    assert_refused("[1,2,x]", 7, "at byte 6");
    assert_refused("1\0", 2, "something follows");
}

static void depth_is_bounded_both_ways(void **state)
{
    (void)state;
    char text[2000], out[4096];
    memset(text, '[', 1000);
    memset(text + 1000, ']', 1000);
    assert_int_equal(trip_of(text + 488, 1024, out), WEIR_OK);
    assert_int_equal(strlen(out), 1024);
    assert_refused(text + 487, 1026, "more than 512 levels");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back_as_they_were),
        cmocka_unit_test(other_spellings_become_one),
        cmocka_unit_test(numbers_beyond_64_bits_are_floats),
        cmocka_unit_test(escapes_are_read),
        cmocka_unit_test(what_is_no_json_is_refused_with_its_place),
        cmocka_unit_test(depth_is_bounded_both_ways),
    };
    return cmocka_run_group_tests(tests, open_state, close_state);
}
