/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/weir_test.h"

#include "base/fs.h"
#include "cli/pool_sources.h"
#include "cli/supervisor.h"
#include "dsl/sources.h"
#include "runtime/config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[WR_TEST_PATH_MAX];

static int make_dir(void **state)
{
    (void)state;
    wr_test_dir_init(dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    wr_test_dir_done(dir);
    return 0;
}

static const char *script(const char *text)
{
    static char path[128];
    struct weir_error err;
    (void)snprintf(path, sizeof(path), "%s/app.lua", dir);
    assert_int_equal(wr_file_replace(path, weir_text(text), &err), WEIR_OK);
    return path;
}

#define APPLICATION                                                            \
    "local weir = require 'weir' local app = weir.app 'test'\n"                \
    "app:stream('in'):to 'out'\nreturn app"

static void what_was_loaded_is_for_all_children(void **state)
{
    struct wr_sources *sources = NULL;
    struct weir_error err;
    struct weir_bytes text;
    int fd = -1;
    (void)state;
    const char *path = script(APPLICATION);
    assert_int_equal(wr_pool_sources_take(path, NULL, &fd), WR_EXIT_OK);
    (void)script("changed");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(wr_sources_read(fd, &sources, &err), WEIR_OK);
        assert_int_equal(wr_sources_get(sources, path, 1000, &text, &err),
                         WEIR_OK);
        assert_true(wr_bytes_equal_text(text, APPLICATION));
        wr_sources_free(sources);
    }
    (void)close(fd);
}

static void one_that_does_not_load_ends_with_its_code(void **state)
{
    int fd = -1;
    (void)state;
    assert_int_equal(wr_pool_sources_take(script("a mistake"), NULL, &fd),
                     WR_EXIT_LOAD);
    assert_int_equal(fd, -1);
}

static void a_stop_ends_the_loading(void **state)
{
    sigset_t signals;
    int fd = -1;
    (void)state;
    wr_supervised_signals(&signals);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    struct weir_error err = {0};
    struct weir_config *config = weir_config_new();
    assert_non_null(config);
    /* The script would load for ever. */
    assert_ok(weir_config_set(config, "weir.lua.call.max.ms", "86400000", &err),
              err);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    assert_int_equal(wr_pool_sources_take(script("while true do end"),
                                          wr_config_options(config), &fd),
                     WR_EXIT_FAILED);
    assert_int_equal(fd, -1);
    weir_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_loaded_is_for_all_children),
        cmocka_unit_test(one_that_does_not_load_ends_with_its_code),
        cmocka_unit_test(a_stop_ends_the_loading),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
