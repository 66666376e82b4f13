/* SPDX-License-Identifier: Apache-2.0
 *
 * weir check and weir topology: an application as it would run, without running
 * it. */
#include "cli/tools.h"

#include "dsl/load.h"
#include "runtime/config.h"

#include <stdio.h>
#include <stdlib.h>

static enum weir_status read_config(const struct wr_cli *cli,
                                    struct weir_config *config,
                                    struct weir_error *err)
{
    const char *text;
    enum weir_status s = WEIR_OK;
    for (size_t i = 0; s == WEIR_OK && (text = wr_cli_value(cli, "file", i));
         i++) {
        s = weir_config_load(config, text, err);
    }
    for (size_t i = 0; s == WEIR_OK && (text = wr_cli_value(cli, "set", i));
         i++) {
        s = wr_options_set_pair(config->options, text, "-X", err);
    }
    return s;
}

/* The description, and what is unwise in the program: *out_warnings lines on
 * standard error. */
static enum weir_status describe(const char *path, enum weir_describe format,
                                 char **out_text, size_t *out_warnings,
                                 struct weir_error *err)
{
    struct wr_application *application = NULL;
    struct weir_topology *topology = NULL;
    enum weir_status s =
        wr_application_load(path, NULL, &application, &topology, err);
    if (s == WEIR_OK) {
        s = weir_topology_describe(topology, format, out_text, err);
    }
    if (s == WEIR_OK && out_warnings) {
        const char *text = wr_application_warnings(application);
        (void)fputs(text, stderr);
        for (*out_warnings = 0; *text; text++) {
            *out_warnings += *text == '\n';
        }
    }
    weir_topology_free(topology);
    wr_application_free(application);
    return s;
}

static enum weir_status check(const struct wr_cli *cli,
                              struct weir_config *config, size_t *out_warnings,
                              struct weir_error *err)
{
    char *text = NULL;
    enum weir_status s = read_config(cli, config, err);
    s = s == WEIR_OK ? describe(cli->operands[0], WEIR_DESCRIBE_TEXT, &text,
                                out_warnings, err)
                     : s;
    if (s == WEIR_OK) {
        (void)fputs(text, stdout);
    }
    free(text);
    return s;
}

int wr_check(struct wr_cli *cli)
{
    struct weir_error err = {0};
    size_t warnings = 0;
    struct weir_config *config = weir_config_new();
    if (!config) {
        return WR_EXIT_FAILED;
    }
    enum weir_status s = check(cli, config, &warnings, &err);
    weir_config_free(config);
    if (s != WEIR_OK) {
        return wr_cli_fail(&err);
    }
    (void)fprintf(stderr, "%s: ok, %zu warning%s\n", cli->operands[0], warnings,
                  warnings == 1 ? "" : "s");
    return WR_EXIT_OK;
}

int wr_topology(struct wr_cli *cli)
{
    static const char *const names[] = {"text", "dot", "json"};
    static const enum weir_describe formats[] = {
        WEIR_DESCRIBE_TEXT, WEIR_DESCRIBE_DOT, WEIR_DESCRIBE_JSON};
    const char *wanted = wr_cli_text(cli, "format", "text");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(wanted, names[i]) != 0) {
            continue;
        }
        struct weir_error err = {0};
        char *text = NULL;
        if (describe(cli->operands[0], formats[i], &text, NULL, &err) !=
            WEIR_OK) {
            return wr_cli_fail(&err);
        }
        (void)fputs(text, stdout);
        free(text);
        return WR_EXIT_OK;
    }
    return wr_cli_usage(cli, "--format %s: want text, dot or json", wanted);
}
