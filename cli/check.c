/* SPDX-License-Identifier: Apache-2.0
 *
 * weir check and weir topology: an application as it would run, without running
 * it. */
#include "cli/tools.h"

#include "dsl/load.h"
#include "runtime/config.h"

#include <stdio.h>
#include <stdlib.h>

#define REPORT_MAX ((size_t)1 << 20)

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

static enum weir_status describe(const char *path, enum weir_describe format,
                                 const struct wr_options *options,
                                 char **out_text, struct weir_error *err)
{
    struct wr_application *application = NULL;
    enum weir_status s = wr_application_load(path, options, &application, err);
    if (s == WEIR_OK) {
        struct weir_topology *t = wr_application_take_topology(application);
        s = weir_topology_describe(t, format, out_text, err);
        weir_topology_free(t);
    }
    wr_application_free(application);
    return s;
}

static enum weir_status check(const struct wr_cli *cli,
                              struct weir_config *config, size_t *out_warnings,
                              struct weir_error *err)
{
    char *text = NULL;
    struct wr_buf report;
    wr_buf_init(&report, REPORT_MAX);
    enum weir_status s = read_config(cli, config, err);
    s = s == WEIR_OK ? describe(cli->operands[0], WEIR_DESCRIBE_TEXT,
                                config->options, &text, err)
                     : s;
    s = s == WEIR_OK
            ? wr_application_check(cli->operands[0], &report, out_warnings, err)
            : s;
    if (s == WEIR_OK) {
        (void)fputs(wr_buf_text(&report), stderr);
        (void)fputs(text, stdout);
    }
    free(text);
    wr_buf_done(&report);
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
        (void)wr_cli_fail(&err);
        return (int)wr_exit_of_load(s);
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
        enum weir_status s =
            describe(cli->operands[0], formats[i], NULL, &text, &err);
        if (s != WEIR_OK) {
            (void)wr_cli_fail(&err);
            return (int)wr_exit_of_load(s);
        }
        (void)fputs(text, stdout);
        free(text);
        return WR_EXIT_OK;
    }
    return wr_cli_usage(cli, "--format %s: want text, dot or json", wanted);
}
