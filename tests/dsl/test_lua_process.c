/* SPDX-License-Identifier: Apache-2.0
 *
 * Processors in Lua: stores, timers, what ctx tells, and that nothing of a
 * processor can be used after its time. */
#include "tests/dsl/flow.h"

#include <stdio.h>
#include <stdlib.h>

static void run(const char *lines, const char *in, const char *topics,
                const char *out)
{
    flow_check(&(struct flow_case){.name = "process",
                                   .lua = lines,
                                   .in = in,
                                   .topics = topics,
                                   .out = out});
}

static void a_processor_reads_and_writes_its_store(void **state)
{
    (void)state;
    run("app:stream('in', {key = weir.text, value = weir.i64}):process{\n"
        "  name = 'sum', stores = {sums = weir.kv{key = weir.text,"
        " value = weir.i64}},\n"
        "  each = function(ctx, value, key)\n"
        "    local sum = (ctx.sums:get(key) or 0) + value\n"
        "    ctx.sums:put(key, sum) ctx:emit(key, sum)\n"
        "  end}:to 'out'\n",
        /* int64 values cannot be written as text here: see the next test */
        "", "out", "");
    run("app:stream('in', {key = weir.text, value = weir.text}):process{\n"
        "  name = 'sum', value = weir.i64,"
        " stores = {sums = weir.kv(weir.i64)},\n"
        "  each = function(ctx, value, key)\n"
        "    if value == 'gone' then ctx.sums:delete(key) return end\n"
        "    local sum = (ctx.sums:get(key) or 0) + tonumber(value)\n"
        "    ctx.sums:put(key, sum) ctx:emit(key, sum)\n"
        "  end}:to 'out'\n",
        "in a 1 1\nin a 2 2\nin b 5 3\nin a gone 4\nin a 7 5",
        "out test-sums-changelog",
        "out a=#1@1\nout a=#3@2\nout b=#5@3\nout a=#7@5\n"
        "test-sums-changelog a=#1@1\ntest-sums-changelog a=#3@2\n"
        "test-sums-changelog b=#5@3\ntest-sums-changelog a=null@4\n"
        "test-sums-changelog a=#7@5\n");
}

static void a_store_is_walked_in_order(void **state)
{
    (void)state;
    run("app:stream('in', {key = weir.text, value = weir.text}):process{\n"
        "  stores = {rows = weir.kv(weir.text)},\n"
        "  each = function(ctx, value, key)\n"
        "    if value ~= 'show' then\n"
        "      assert(ctx.rows:put_if_absent(key, value) == nil)\n"
        "      assert(ctx.rows:put_if_absent(key, 'x') == value) return end\n"
        "    local function all(...)\n"
        "      local t = {} for k, v in ... do t[#t + 1] = k .. v end\n"
        "      return table.concat(t, ' ') end\n"
        "    ctx:emit('scan', all(ctx.rows:scan()))\n"
        "    ctx:emit('back', all(ctx.rows:scan 'reverse'))\n"
        "    ctx:emit('range', all(ctx.rows:range('aa', 'b')))\n"
        "    ctx:emit('open', all(ctx.rows:range(nil, 'aa')))\n"
        "    ctx:emit('prefix', all(ctx.rows:prefix 'a'))\n"
        "    for k in ctx.rows:scan() do break end\n"
        "    local left_open = ctx.rows:scan()\n"
        "    assert(ctx.rows:count() >= 3)\n"
        "  end}:to 'out'\n",
        "in b 1 1\nin a 2 2\nin ab 3 3\nin k show 4", "out",
        "out scan=a2 ab3 b1@4\nout back=b1 ab3 a2@4\nout range=ab3 b1@4\n"
        "out open=a2@4\nout prefix=a2 ab3@4\n");
}

static void ctx_tells_where_a_record_is_from(void **state)
{
    (void)state;
    run("app:stream('in', {key = weir.text, value = weir.text}):process{\n"
        "  name = 'tell',\n"
        "  each = function(ctx, value, key, record)\n"
        "    ctx:emit(key, table.concat({ctx:topic(), ctx:partition(),"
        " ctx:offset(), ctx:timestamp(), ctx:stream_time(), ctx:task(),"
        " record.topic, record.offset, record.timestamp}, ' '))\n"
        "    ctx:emit(key, 'later', {timestamp = 99, headers = {h = 'x'}})\n"
        "    ctx:commit()\n"
        "  end}:process{name = 'headers', each = function(ctx, v, k, r)\n"
        "    ctx:emit(k, v .. (r.headers.h or '')) end}:to 'out'\n",
        "in k v 7", "out", "out k=in 0 0 7 7 0_0 in 0 7@7\nout k=laterx@99\n");
}

static void timers_fire_and_stop(void **state)
{
    (void)state;
    struct flow flow;
    struct weir_error err = {0};
    flow_open_lua(
        &flow,
        "app:stream('in', {key = weir.text, value = weir.text}):process{\n"
        "  stores = {rows = weir.kv(weir.text)},\n"
        "  open = function(ctx)\n"
        "    local left, timer = 2\n"
        "    timer = ctx:every('1s', 'wall', function(now)\n"
        "      ctx:emit('wall', tostring(now)) left = left - 1\n"
        "      if left == 0 then timer:cancel() end end)\n"
        "    ctx:every(10, 'stream', function(now)\n"
        "      for k, v in ctx.rows:scan() do ctx:emit(k, v .. now) end end)\n"
        "  end,\n"
        "  each = function(ctx, v, k) ctx.rows:put(k, v) end}:to 'out'");
    flow_start(&flow, false);
    flow_send(&flow, "in k a 5\nin k b 25");
    for (int i = 0; i < 4; i++) {
        assert_int_equal(wr_driver_advance(flow.driver, 1000, &err), WEIR_OK);
    }
    char *out = flow_read(&flow, "out");
    assert_string_equal(out, "out k=a5@5\nout k=b25@25\n"
                             "out wall=1000@1000\nout wall=2000@2000\n");
    free(out);
    flow_close(&flow);
}

static void a_timer_may_be_cancelled_again(void **state)
{
    (void)state;
    struct flow flow;
    struct weir_error err = {0};
    flow_open_lua(
        &flow,
        "local old, fired = {}, 0\n"
        "app:stream('in', {key = weir.text, value = weir.text}):process{\n"
        "  open = function(ctx) for i = 1, 9 do local t\n"
        "    t = ctx:every('1s', 'wall', function() t:cancel() end)\n"
        "    old[i] = t end end,\n"
        "  each = function(ctx, v, k)\n"
        "    for i = 1, 9 do ctx:every('1s', 'wall', function()\n"
        "      fired = fired + 1 ctx:emit(k, tostring(fired)) end) end\n"
        "    for i = 1, 9 do old[i]:cancel() end\n"
        "  end}:to 'out'");
    flow_start(&flow, false);
    assert_int_equal(wr_driver_advance(flow.driver, 1000, &err), WEIR_OK);
    flow_send(&flow, "in k v 5");
    assert_int_equal(wr_driver_advance(flow.driver, 1000, &err), WEIR_OK);
    char *out = flow_read(&flow, "out");
    assert_non_null(strstr(out, "out k=9@2000\n"));
    free(out);
    flow_close(&flow);
}

static void assert_process_says(const char *each, const char *says)
{
    struct flow flow;
    struct weir_error err = {0};
    char lines[2048];
    snprintf(lines, sizeof(lines),
             "local kept\n"
             "app:stream('in', {key = weir.text, value = weir.text}):process{\n"
             "  stores = {rows = weir.kv(weir.i64)},\n"
             "  each = function(ctx, value, key) %s end}:to 'out'",
             each);
    flow_open_lua(&flow, lines);
    flow_start(&flow, false);
    enum weir_status status = flow_try_send(&flow, "in k v 1", &err);
    if (status == WEIR_OK) {
        status = flow_try_send(&flow, "in k v 2", &err);
    }
    if (status == WEIR_OK || !strstr(err.text, says)) {
        fail_msg("%s: '%s' does not say '%s'", each, err.text, says);
    }
    flow_close(&flow);
}

static void mistakes_are_told(void **state)
{
    (void)state;
    assert_process_says("ctx.rows:put(key, 'text')",
                        "rows was given a string as value, where int64 is due");
    assert_process_says("ctx.rows:put(nil, 1)", "store 'rows': the key is nil");
    assert_process_says("ctx.rows.put(key, 1)", "a store is due before ':'");
    assert_process_says("ctx.emit(key, value)", "a ctx is due before ':'");
    assert_process_says("ctx:emit(key, {})",
                        "emit was given a table as value, where text is due: "
                        "make it a string, or give its type: process{value = "
                        "weir.json, ...}");
    assert_process_says("ctx:emit(key, value, {to = 'nobody'})", "nobody");
    assert_process_says("ctx:emit(key, value, {time = 5})",
                        "unknown option 'time'");
    assert_process_says("ctx:emit(key, value, {timestamp = 0 / 0})",
                        "'timestamp' must be whole milliseconds");
    assert_process_says(
        "local t = {} for i = 1, 1025 do t[i] = {ctx.rows:scan()} end",
        "1024 iterators are open");
    assert_process_says("ctx.total = 5", "ctx.total cannot be set");
    assert_process_says("ctx:every('5x', 'wall', print)",
                        "'5x' is no duration");
    assert_process_says("ctx:every(0, 'wall', print)", "at least 1 ms");
    assert_process_says("ctx:every('1s', 'moon', print)", "moon");
    assert_process_says("ctx.missing:get(key)", "nil value (field 'missing')");
}

static void nothing_is_usable_outside_its_callback(void **state)
{
    (void)state;
    assert_process_says("if kept then for k in kept do end end"
                        " local f, s = ctx.rows:scan() kept = function()"
                        " return f(s) end",
                        "the iterator is closed");
    struct flow flow;
    struct weir_error err = {0};
    flow_open_lua(
        &flow,
        "local kept\n"
        "local s = app:stream('in', {key = weir.text, value = weir.text})\n"
        "s:process{stores = {rows = weir.kv(weir.i64)},"
        " each = function(ctx) kept = ctx.rows end}\n"
        "s:foreach(function() kept:get 'k' end)");
    flow_start(&flow, false);
    assert_int_equal(flow_try_send(&flow, "in k v 1", &err), WEIR_E_LUA);
    assert_non_null(strstr(err.text, "outside of its processor's callbacks"));
    flow_close(&flow);
}

/* After an abort processors are closed and opened again: what the first life of
 * the processor left in the script must not reach freed memory. */
static void assert_closed_with(const char *close)
{
    struct flow flow;
    struct weir_error err = {0};
    char program[2048];
    snprintf(program, sizeof(program),
             "local old\n"
             "app:stream('in', {key = weir.text, value = weir.text}):process{\n"
             "  stores = {rows = weir.kv(weir.text)},\n"
             "  open = function(ctx) end,\n"
             "  each = function(ctx, value, key)\n"
             "    if not old then old = {ctx = ctx, rows = ctx.rows,\n"
             "      timer = ctx:every('1s', 'wall', print)} return end\n"
             "    local f = load_of[value]\n"
             "    f(old, ctx)\n"
             "  end,\n"
             "  close = function(ctx) ctx.rows:put('closed', 'x') %s end}"
             ":to 'out'\n"
             "load_of = {ctx = function(o) o.ctx:emit('k', 'v') end,\n"
             "  rows = function(o) o.rows:get 'k' end,\n"
             "  timer = function(o) o.timer:cancel() end}\n",
             close);
    flow_open_lua(&flow, program);
    flow_start(&flow, false);
    flow_send(&flow, "in k first 1");
    static const char *const uses[] = {"in k ctx 2", "in k rows 3",
                                       "in k timer 4"};
    for (size_t i = 0; i < 3; i++) {
        flow_abort(&flow);
        assert_int_equal(flow_try_send(&flow, uses[i], &err), WEIR_E_LUA);
        assert_non_null(strstr(err.text, "outside of its processor's"));
    }
    flow_close(&flow);
}

static void nothing_of_a_closed_processor_is_usable(void **state)
{
    (void)state;
    assert_closed_with("");
    assert_closed_with("error 'not now'");
    assert_closed_with("local x = {} x = x + 1");
    assert_closed_with("kept = ctx.rows:scan()"); /* a global: refused */
}

static void a_failure_downstream_cannot_be_hidden(void **state)
{
    (void)state;
    struct flow flow;
    struct weir_error err = {0};
    flow_open_lua(&flow,
                  "app:stream('in', {key = weir.text, value = weir.text})"
                  ":process{each = function(ctx, v, k)\n"
                  "  pcall(ctx.emit, ctx, k, v) ctx:emit(k, 'more') end}"
                  ":map_values(function(v) error('below: ' .. v) end)"
                  ":to 'out'");
    flow_start(&flow, false);
    assert_int_equal(flow_try_send(&flow, "in k v 1", &err), WEIR_E_LUA);
    assert_non_null(strstr(err.text, "below: v"));
    assert_non_null(strstr(err.text, "KSTREAM-MAPVALUES"));
    assert_null(strstr(err.text, "downstream failed"));
    flow_close(&flow);
}

/* The memory of a callback is 64 MiB; each of these loops passes more than that
 * through it, 100 kB at a time, or makes more calls than it has pieces for. */
static void a_callback_may_make_any_number_of_calls(void **state)
{
    (void)state;
    static const char *const loops[] = {
        "for i = 1, 1000 do ctx:emit(k, pad) end",
        "for i = 1, 9000 do ctx:emit(k, i, {headers = {h = pad100}}) end",
        "for i = 1, 1000 do ctx.rows:put(k, pad) end",
        "for i = 1, 1000 do ctx.rows:put_if_absent(k, pad) end",
        "for i = 1, 1000 do ctx.rows:get(pad) end",
        "for i = 1, 1000 do ctx.rows:delete(pad) end",
        "for i = 1, 1000 do for _ in ctx.rows:range(pad, pad) do end end",
        "for i = 1, 1000 do for _ in ctx.rows:prefix(pad) do end end",
    };
    static const char *const flats[] = {
        "flat_map_values(function() local n = 0 return function()\n"
        "  n = n + 1 if n <= 1000 then return pad end end end)",
        "flat_map(function(v, k)\n"
        "  local all = {} for i = 1, 1000 do all[i] = {k, pad} end\n"
        "  return all end)",
    };
    size_t loop_count = sizeof(loops) / sizeof(loops[0]);
    size_t count = loop_count + sizeof(flats) / sizeof(flats[0]);
    for (size_t i = 0; i < count; i++) {
        struct flow flow;
        struct weir_error err = {0};
        char lines[1024];
        if (i < loop_count) {
            (void)snprintf(lines, sizeof(lines),
                           "process{value = weir.json, stores = {rows ="
                           " weir.kv{key = weir.json, value = weir.json,"
                           " memory = true, changelog = false}},\n"
                           "each = function(ctx, v, k) %s end}",
                           loops[i]);
        }
        char program[2048];
        (void)snprintf(program, sizeof(program),
                       "local pad, pad100 = {('x'):rep(100000)},"
                       " ('x'):rep(100)\n"
                       "app:stream('in', {key = weir.text, value = weir.json})"
                       ":%s:foreach(function() end)",
                       i < loop_count ? lines : flats[i - loop_count]);
        flow_open_lua(&flow, program);
        flow_start(&flow, false);
        if (flow_try_send(&flow, "in k 1 1", &err) != WEIR_OK) {
            fail_msg("%s: %s", program, err.text);
        }
        flow_close(&flow);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_processor_reads_and_writes_its_store),
        cmocka_unit_test(a_store_is_walked_in_order),
        cmocka_unit_test(ctx_tells_where_a_record_is_from),
        cmocka_unit_test(timers_fire_and_stop),
        cmocka_unit_test(a_timer_may_be_cancelled_again),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(nothing_is_usable_outside_its_callback),
        cmocka_unit_test(nothing_of_a_closed_processor_is_usable),
        cmocka_unit_test(a_failure_downstream_cannot_be_hidden),
        cmocka_unit_test(a_callback_may_make_any_number_of_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
