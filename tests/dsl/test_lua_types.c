/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of each type in and out of Lua are Java's bytes. */
#include "tests/dsl/flow.h"

#include <stdio.h>
#include <stdlib.h>

static void types_have_names(void **state)
{
    (void)state;
    struct flow flow;
    flow_open_lua(&flow, "assert(tostring(weir.text) == 'weir.text')"
                         " assert(weir.i64 ~= nil and weir.f64 ~= nil)"
                         " assert(tostring(weir.int64) == 'weir.int64')"
                         " assert(type(weir.null) == 'userdata')"
                         " local t = weir.json.decode '{\"a\":[1,null]}'"
                         " assert(t.a[1] == 1 and t.a[2] == weir.null)"
                         " assert(math.type(t.a[1]) == 'integer')"
                         " assert(weir.json.encode(t) == '{\"a\":[1,null]}')"
                         " assert(weir.json.encode{} == '{}')"
                         " assert(weir.json.encode(weir.json.array{}) == '[]')"
                         " assert(weir.json.encode{b = 1, a = {2, 3}} =="
                         " '{\"a\":[2,3],\"b\":1}')"
                         " assert(not pcall(weir.json.decode, '{'))"
                         " assert(not pcall(weir.json.encode, {[1.5] = 2}))"
                         " assert(not pcall(weir.json.encode, {1, nil, 3}))"
                         " app:stream('in'):to 'out'");
    flow_close(&flow);
}

/* Sends 8 bytes through map_values of a type; both ways must be the identity.
 */
static void assert_same_bytes(const char *type, const uint8_t bytes[8])
{
    struct flow flow;
    struct weir_error err = {0};
    char lines[256];
    snprintf(lines, sizeof(lines),
             "app:stream('in', {key = weir.%s, value = weir.%s})"
             ":map_values(function(v, k) assert(v == k) return v end):to 'out'",
             type, type);
    flow_open_lua(&flow, lines);
    flow_start(&flow, false);
    struct weir_record r = {.key = weir_bytes(bytes, 8),
                            .value = weir_bytes(bytes, 8)};
    assert_int_equal(wr_driver_send(flow.driver, "in", &r, &err), WEIR_OK);
    struct wr_driver_record out;
    assert_true(wr_driver_read(flow.driver, "out", &out));
    assert_int_equal(out.record.value.len, 8);
    assert_memory_equal(out.record.value.data, bytes, 8);
    flow_close(&flow);
}

static void numbers_are_javas_bytes(void **state)
{
    (void)state;
    static const int64_t integers[] = {0,         1,         -1,
                                       INT64_MAX, INT64_MIN, 9007199254740993};
    static const double numbers[] = {0.0, -0.0, 1.5, 5e-324, 1e308};
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++) {
        weir_int64_bytes(integers[i], bytes);
        assert_same_bytes("int64", bytes);
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        weir_double_bytes(numbers[i], bytes);
        assert_same_bytes("double", bytes);
    }
    assert_same_bytes("bytes", (const uint8_t *)"\0\1\2\377\376xyz");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_have_names),
        cmocka_unit_test(numbers_are_javas_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
