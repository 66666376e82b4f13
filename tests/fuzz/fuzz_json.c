/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzz: JSON in the three places that read it. What the quick scan accepts, the
 * full parser accepts; what the Lua codec reads it writes as JSON that reads as
 * the same bytes again; nothing crashes or leaks on any bytes. */
#include "dsl/lua_json.h"
#include "runtime/json.h"

#include <lua.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static struct wr_lua *state(void)
{
    static struct wr_lua *lua;
    static const struct wr_lua_limits limits = {64 << 20, 10000};
    if (!lua) {
        require(wr_lua_new(&limits, &lua, NULL) == WEIR_OK);
    }
    return lua;
}

struct trip {
    struct weir_bytes in;
    struct wr_buf *out;
};

static int round_trip(lua_State *L)
{
    const struct trip *trip = lua_touserdata(L, 1);
    wr_json_open(L);
    wr_json_decode(L, trip->in);
    wr_json_encode(L, -1, trip->out);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t none[1];
    struct weir_bytes in = weir_bytes(data ? data : none, size);
    struct wr_buf once, twice;
    wr_buf_init(&once, 1 << 20);
    wr_buf_init(&twice, 1 << 20);
    bool scanned = wr_json_scan(in);
    enum weir_status checked = wr_json_check(in, NULL);
    enum weir_status read =
        wr_lua_call(state(), round_trip, &(struct trip){in, &once});
    require(!scanned || checked == WEIR_OK);
    require(!scanned || read == WEIR_OK);
    if (read == WEIR_OK) {
        struct trip again = {wr_buf_view(&once), &twice};
        require(wr_lua_call(state(), round_trip, &again) == WEIR_OK);
        require(wr_bytes_equal(wr_buf_view(&once), wr_buf_view(&twice)));
        require(wr_json_check(wr_buf_view(&once), NULL) == WEIR_OK);
    }
    wr_buf_done(&once);
    wr_buf_done(&twice);
    return 0;
}
