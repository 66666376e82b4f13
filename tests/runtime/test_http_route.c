/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/weir_test.h"

#include "runtime/http_route.h"

static enum wr_route_kind kind_of(const char *target)
{
    struct wr_route r;
    wr_route_parse(weir_text(target), &r);
    wr_route_done(&r);
    return r.kind;
}

static void key_of(const char *target, const char *store, const void *key,
                   size_t len)
{
    struct wr_route r;
    wr_route_parse(weir_text(target), &r);
    assert_int_equal(r.kind, WR_ROUTE_KEY);
    assert_string_equal(r.store, store);
    assert_int_equal(r.key.len, len);
    if (len > 0) {
        assert_memory_equal(r.key.data, key, len);
    }
    wr_route_done(&r);
}

static void fixed_paths_are_known(void **state)
{
    (void)state;
    assert_int_equal(kind_of("/livez"), WR_ROUTE_LIVEZ);
    assert_int_equal(kind_of("/readyz?x=1"), WR_ROUTE_READYZ);
    assert_int_equal(kind_of("/metrics"), WR_ROUTE_METRICS);
    assert_int_equal(kind_of("/v1/app"), WR_ROUTE_APP);
    assert_int_equal(kind_of("/v1/stores"), WR_ROUTE_STORES);
    assert_int_equal(kind_of("/v1/stores/"), WR_ROUTE_STORES);
    assert_int_equal(kind_of("/v1/stores/counts"), WR_ROUTE_STORE);
    assert_int_equal(kind_of("/v1/tasks"), WR_ROUTE_TASKS);
    assert_int_equal(kind_of("/v1/topology?format=dot"), WR_ROUTE_TOPOLOGY);
}

static void what_is_unknown_or_malformed_is_told_apart(void **state)
{
    (void)state;
    assert_int_equal(kind_of("/"), WR_ROUTE_NONE);
    assert_int_equal(kind_of("/v1/stores/a/rows/b"), WR_ROUTE_NONE);
    assert_int_equal(kind_of("/v1/stores/../../etc/passwd"), WR_ROUTE_NONE);
    assert_int_equal(kind_of(""), WR_ROUTE_BAD);
    assert_int_equal(kind_of("livez"), WR_ROUTE_BAD);
    assert_int_equal(kind_of("/v1/stores/%zz"), WR_ROUTE_BAD);
    assert_int_equal(kind_of("/v1/stores/a/keys/%4"), WR_ROUTE_BAD);
    assert_int_equal(kind_of("/v1/stores/%00"), WR_ROUTE_BAD);
    assert_int_equal(kind_of("/v1/topology?format=%00"), WR_ROUTE_BAD);
}

static void a_key_may_hold_any_byte(void **state)
{
    (void)state;
    key_of("/v1/stores/counts/keys/the", "counts", "the", 3);
    key_of("/v1/stores/counts/keys/", "counts", "", 0);
    key_of("/v1/stores/counts/keys/a%2Fb", "counts", "a/b", 3);
    key_of("/v1/stores/counts/keys/a/b", "counts", "a/b", 3);
    key_of("/v1/stores/counts/keys/%00%ff", "counts", "\0\xff", 2);
    key_of("/v1/stores/counts/keys/a+b%20c", "counts", "a+b c", 5);
    key_of("/v1/stores/my%2Dstore/keys/x?kenc=text", "my-store", "x", 1);
}

static void options_are_read_from_the_query(void **state)
{
    (void)state;
    struct wr_route r;
    wr_route_parse(weir_text("/v1/stores/s/keys/6162?kenc=hex&redirect=1&x"),
                   &r);
    assert_int_equal(r.kind, WR_ROUTE_KEY);
    assert_string_equal(r.key_encoding, "hex");
    assert_true(r.redirect);
    wr_route_done(&r);
}

static void a_target_that_is_too_long_is_bad(void **state)
{
    (void)state;
    static uint8_t big[WR_TARGET_MAX + 1];
    struct wr_route r;
    memset(big, 'a', sizeof(big));
    big[0] = '/';
    wr_route_parse(weir_bytes(big, sizeof(big)), &r);
    assert_int_equal(r.kind, WR_ROUTE_BAD);
    wr_route_done(&r);
}

static void hex_is_pairs_of_digits(void **state)
{
    (void)state;
    struct wr_buf out;
    wr_buf_init(&out, 16);
    assert_int_equal(wr_hex_decode(weir_text("00fF"), &out), WEIR_OK);
    assert_memory_equal(out.data, "\0\xff", 2);
    assert_int_equal(wr_hex_decode(weir_text("0"), &out), WEIR_E_DECODE);
    assert_int_equal(wr_hex_decode(weir_text("0g"), &out), WEIR_E_DECODE);
    wr_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_paths_are_known),
        cmocka_unit_test(what_is_unknown_or_malformed_is_told_apart),
        cmocka_unit_test(a_key_may_hold_any_byte),
        cmocka_unit_test(options_are_read_from_the_query),
        cmocka_unit_test(a_target_that_is_too_long_is_bad),
        cmocka_unit_test(hex_is_pairs_of_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
