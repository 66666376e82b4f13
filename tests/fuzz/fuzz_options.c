/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzz: properties files. Whatever the text, it is read or refused with a place
 * and a reason; what was kept is within its limits, and a copy says the same.
 */
#include "base/options.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct wr_option table[] = {
    {"text", WR_OPT_TEXT, NULL, 0, 0, NULL, "Any."},
    {"n", WR_OPT_INT, "1", 1, 64, NULL, "A number."},
    {"size", WR_OPT_SIZE, "10m", 0, 1 << 30, NULL, "A size."},
    {"wait", WR_OPT_DURATION, "1s", 0, 1 << 30, NULL, "A time."},
    {"on", WR_OPT_BOOL, "true", 0, 0, NULL, "Whether."},
    {"which", WR_OPT_CHOICE, "a", 0, 0, "a|bc|d", "One of."},
    {0}};

static bool starts_with_x(const char *name)
{
    return name[0] == 'x';
}

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_values(const struct wr_options *options)
{
    require(wr_options_int(options, "n") >= 1);
    require(wr_options_int(options, "n") <= 64);
    require(wr_options_int(options, "size") >= 0);
    require(wr_options_int(options, "wait") <= 1 << 30);
    const char *which = wr_options_text(options, "which");
    require(strcmp(which, "a") == 0 || strcmp(which, "bc") == 0 ||
            strcmp(which, "d") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wr_options *options;
    struct wr_options *copy;
    struct weir_error err = {.status = WEIR_OK};
    if (wr_options_new(table, starts_with_x, &options) != WEIR_OK) {
        return 0;
    }
    enum weir_status status =
        wr_options_parse(options, weir_bytes(data, size), "input", &err);
    require(status == err.status);
    require(status == WEIR_OK || strncmp(err.text, "input:", 6) == 0);
    check_values(options);
    if (wr_options_copy(options, &copy) == WEIR_OK) {
        size_t cursor = 0;
        const char *name;
        const char *value;
        while (wr_options_next(options, &cursor, &name, &value)) {
            require(strcmp(wr_options_text(copy, name), value) == 0);
        }
        wr_options_free(copy);
    }
    wr_options_free(options);
    return 0;
}
