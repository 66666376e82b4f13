/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzz: request targets. Whatever the bytes, there is a route or none; a key is
 * no longer than what it was decoded from, and a target that is read, written
 * with every byte encoded, and read again gives the same key. */
#include "runtime/http_route.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void put_encoded(struct wr_buf *out, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        wr_buf_printf(out, "%%%02x", (unsigned)bytes[i]);
    }
}

/* Whether the same store and key come back from a fully encoded target. */
static void check_again(const struct wr_route *route)
{
    struct wr_buf target;
    struct wr_route again;
    wr_buf_init(&target, (size_t)4 * WR_TARGET_MAX);
    wr_buf_put_text(&target, "/v1/stores/");
    put_encoded(&target, (const uint8_t *)route->store, strlen(route->store));
    wr_buf_put_text(&target, "/keys/");
    put_encoded(&target, route->key.data, route->key.len);
    if (target.len <= WR_TARGET_MAX) {
        wr_route_parse(wr_buf_view(&target), &again);
        require(again.kind == WR_ROUTE_KEY);
        require(strcmp(again.store, route->store) == 0);
        require(
            wr_bytes_equal(wr_buf_view(&again.key), wr_buf_view(&route->key)));
        wr_route_done(&again);
    }
    wr_buf_done(&target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wr_route route;
    wr_route_parse(weir_bytes(data, size), &route);
    require(route.key.len <= size);
    require(strlen(route.store) < sizeof(route.store));
    require(strlen(route.format) < sizeof(route.format));
    require(size > 0 || route.kind == WR_ROUTE_BAD);
    if (route.kind == WR_ROUTE_KEY) {
        check_again(&route);
    }
    wr_route_done(&route);
    return 0;
}
