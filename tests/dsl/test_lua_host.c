/* SPDX-License-Identifier: Apache-2.0
 *
 * Scripts as applications: modules, a state per thread, and runs that must
 * agree. */
#include "tests/dsl/flow.h"

#include "dsl/lua_host.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64];

static int make_directory(void **state)
{
    (void)state;
    snprintf(directory, sizeof(directory), "/tmp/weir-test-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -r '%s'", directory);
    return system(command);
}

/* Writes a file below the directory; its path is lent until the next call. */
static const char *write_file(const char *name, const char *text)
{
    static char path[160];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return path;
}

#define BEGIN "local weir = require 'weir' local app = weir.app 'test'\n"

static void load(struct flow *flow, const char *path)
{
    struct weir_error err = {0};
    *flow = (struct flow){0};
    if (wr_application_load(path, NULL, &flow->application, &err) != WEIR_OK) {
        fail_msg("%s", err.text);
    }
    flow->topology = wr_application_take_topology(flow->application);
}

static void modules_are_found_beside_the_script(void **state)
{
    (void)state;
    char path[160];
    snprintf(path, sizeof(path), "%s/lib", directory);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/deep", directory);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file("one.lua", "local m = {} function m.f(v) return v .. 1 end"
                          " return m");
    write_file("lib/two.lua", "return {f = function(v) return v .. 2 end}");
    write_file("deep/init.lua", "assert(require 'one' == require 'one')"
                                " return {f = function(v) return v .. 3 end}");
    struct flow flow;
    load(&flow, write_file("app.lua", BEGIN
                           "local a, b, c = require 'one', require 'two',"
                           " require 'deep'\n"
                           "app:stream('in', weir.text):map_values(function(v)"
                           " return c.f(b.f(a.f(v))) end):to 'out'\n"
                           "return app"));
    flow_start(&flow, false);
    flow_send(&flow, "in k v 1");
    char *out = flow_read(&flow, "out");
    assert_string_equal(out, "out k=v123@1\n");
    free(out);
    flow_close(&flow);
}

static void assert_load_says(const char *text, const char *says)
{
    struct weir_error err = {0};
    struct wr_application *application = NULL;
    assert_int_not_equal(wr_application_load(write_file("bad.lua", text), NULL,
                                             &application, &err),
                         WEIR_OK);
    if (!strstr(err.text, says)) {
        fail_msg("'%s' does not say '%s'", err.text, says);
    }
}

static void marks_before_a_script_are_skipped(void **state)
{
    (void)state;
    assert_load_says("\xef\xbb\xbf"
                     "error 'read'",
                     "bad.lua:1: read");
    assert_load_says("\xef\xbb\xbf#!/usr/bin/env weir\nerror 'read'",
                     "bad.lua:2: read");
    assert_load_says("#!/usr/bin/env weir\nerror 'read'", "bad.lua:2: read");
}

static void modules_elsewhere_are_not(void **state)
{
    (void)state;
    assert_load_says(BEGIN "require 'nothing'",
                     "there is no nothing.lua, nothing/init.lua or "
                     "lib/nothing.lua in /tmp/weir-test-");
    assert_load_says(BEGIN "require '../etc/passwd'", "there is no");
    assert_load_says(BEGIN "require '..'", "there is no");
    assert_load_says(BEGIN "require '/etc/passwd'", "there is no");
    assert_load_says("local t = {} for i = 1, 1e9 do t[i] = i end",
                     "bad.lua: not enough memory");
    assert_load_says("\x1bLua", "bad.lua: ");
    write_file("broken.lua", "return =");
    assert_load_says(BEGIN "require 'broken'", "broken.lua:1: unexpected");
}

static void a_script_that_builds_by_chance_is_refused(void **state)
{
    (void)state;
    struct flow flow;
    load(&flow,
         write_file("chance.lua", BEGIN
                    "local name = ('by%d'):format(os.clock() * 1e6 // 1)\n"
                    "app:stream('in'):filter(print, name):to 'out'\n"
                    "return app"));
    flow.config = weir_config_new();
    struct weir_error err = {0};
    assert_int_equal(
        weir_config_set(flow.config, "application.id", "test", &err), WEIR_OK);
    assert_int_equal(
        wr_driver_new(flow.topology, flow.config, 1, &flow.driver, &err),
        WEIR_E_LUA);
    assert_non_null(strstr(err.text, "builds another topology each time"));
    assert_non_null(strstr(err.text, "name=by"));
    flow_close(&flow);
}

/* ---- threads ------------------------------------------------------------- */

static void *run_states(void *user)
{
    const struct weir_thread_hook *hook = user;
    for (int i = 0; i < 5; i++) {
        void *lua = NULL;
        struct weir_error err = {0};
        if (hook->start(hook->user, &lua, &err) != WEIR_OK) {
            return strdup(err.text);
        }
        hook->stop(lua);
    }
    return NULL;
}

static void every_thread_has_its_own_state(void **state)
{
    (void)state;
    struct weir_builder *builder = weir_builder_new();
    struct wr_lua_limits limits = {WR_LUA_MEMORY_BYTES_MAX, 1000};
    struct wr_lua_host *host = NULL;
    struct wr_sources *files = NULL;
    struct weir_error err = {0};
    assert_int_equal(wr_sources_new(&files), WEIR_OK);
    assert_int_equal(
        wr_lua_host_new(write_file("threads.lua",
                                   BEGIN "app:stream('in'):filter(print):to "
                                         "'out'\nreturn app"),
                        &limits, files, builder, &host, &err),
        WEIR_OK);
    pthread_t threads[4];
    struct weir_thread_hook hook = *wr_lua_host_hook(host);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run_states, &hook),
                         0);
    }
    for (int i = 0; i < 4; i++) {
        void *error = NULL;
        pthread_join(threads[i], &error);
        if (error) {
            fail_msg("%s", (char *)error);
        }
    }
    wr_lua_host_free(host);
    wr_sources_free(files);
    weir_builder_free(builder);
}

/* What the files are later, or that they are gone, is nothing to who goes on.
 */
static void a_script_is_loaded_again_as_it_was(void **state)
{
    (void)state;
    struct wr_sources *files = NULL;
    struct wr_application *again = NULL;
    struct weir_error err = {0};
    write_file("part.lua", "return function(v) return v .. 1 end");
    const char *path =
        write_file("whole.lua", BEGIN "local f = require 'part'\n"
                                      "app:stream('in', weir.text)"
                                      ":map_values(f):to 'out'\nreturn app");
    assert_int_equal(wr_sources_new(&files), WEIR_OK);
    assert_int_equal(wr_application_load_from(files, path, NULL, &again, &err),
                     WEIR_OK);
    wr_application_free(again);
    write_file("whole.lua", "this is a mistake");
    char part[160];
    snprintf(part, sizeof(part), "%s/part.lua", directory);
    assert_int_equal(unlink(part), 0);
    struct flow flow = {0};
    assert_int_equal(
        wr_application_load_from(files, path, NULL, &flow.application, &err),
        WEIR_OK);
    flow.topology = wr_application_take_topology(flow.application);
    flow_start(&flow, false);
    flow_send(&flow, "in k v 1");
    char *out = flow_read(&flow, "out");
    assert_string_equal(out, "out k=v1@1\n");
    free(out);
    flow_close(&flow);
    wr_sources_free(files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modules_are_found_beside_the_script),
        cmocka_unit_test(a_script_is_loaded_again_as_it_was),
        cmocka_unit_test(marks_before_a_script_are_skipped),
        cmocka_unit_test(modules_elsewhere_are_not),
        cmocka_unit_test(a_script_that_builds_by_chance_is_refused),
        cmocka_unit_test(every_thread_has_its_own_state),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
