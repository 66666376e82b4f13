/* SPDX-License-Identifier: Apache-2.0
 *
 * weir help: the pages of commands, and of the configuration. */
#include "cli/tools.h"

#include "broker/weir_broker.h"
#include "runtime/config.h"

#include <stdio.h>

static const char *type_name(const struct wr_option *o)
{
    static const char *const names[] = {"text",     "integer", "size",
                                        "duration", "boolean", "choice"};
    return o->type == WR_OPT_CHOICE ? o->choices : names[o->type];
}

static void print_table(const char *title, const struct wr_option *rows)
{
    (void)printf("%s\n\n", title);
    for (; rows->name; rows++) {
        (void)printf("  %s\n      %s\n      %s, default %s\n", rows->name,
                     rows->help, type_name(rows),
                     rows->standard ? rows->standard : "none");
    }
    (void)printf("\n");
}

static void print_markdown(const char *title, const struct wr_option *rows)
{
    (void)printf("## %s\n\n| option | type | default | meaning |\n"
                 "|---|---|---|---|\n",
                 title);
    for (; rows->name; rows++) {
        (void)printf("| `%s` | ", rows->name);
        for (const char *p = type_name(rows); *p; p++) {
            (void)printf(*p == '|' ? " or " : "%c", *p);
        }
        (void)printf(" | %s | %s |\n", rows->standard ? rows->standard : "",
                     rows->help);
    }
    (void)printf("\n");
}

static int print_config(const char *format)
{
    void (*print)(const char *, const struct wr_option *) =
        format && strcmp(format, "markdown") == 0 ? print_markdown
                                                  : print_table;
    if (print == print_markdown) {
        (void)printf("# Configuration\n\nPrinted by `weir help config "
                     "markdown`; edit the tables in the source.\n\n");
    }
    print("Options of an application (-X, -F, weir_config_set)",
          wr_config_table());
    print("Options of the broker", wr_broker_options);
    (void)printf("Names of librdkafka are passed to its clients; with the "
                 "prefix consumer.,\nproducer. or admin. to one kind of them. "
                 "Sizes take the suffixes k, m, g,\ndurations ms, s, m, h, d; "
                 "plain numbers are bytes and milliseconds.\n");
    return WR_EXIT_OK;
}

/* weir-broker(1): the broker reads its own arguments, its options are a table.
 */
static int print_broker_man(void)
{
    (void)printf(
        ".Dd November 21, 2026\n.Dt WEIR-BROKER 1\n.Os\n.Sh NAME\n"
        ".Nm weir-broker\n.Nd a single-node broker that speaks Kafka's "
        "protocol\n.Sh SYNOPSIS\n.Nm weir broker\n.Fl Fl data Ar DIR\n"
        ".Op Fl Fl listen Ar HOST:PORT\n.Op Fl F Ar FILE\n"
        ".Op Fl X Ar NAME=VALUE ...\n.Op Fl Fl log-level Ar LEVEL\n"
        ".Sh DESCRIPTION\nRuns in the foreground until SIGTERM, SIGINT or "
        "SIGHUP.\n"
        "It says\n.Dq ready\non standard error when clients may connect.\n"
        ".Sh OPTIONS\nTo be set with\n.Fl X\nor in a properties file.\n"
        ".Bl -tag -width Ds\n");
    for (const struct wr_option *o = wr_broker_options; o->name; o++) {
        (void)printf(".It Cm %s\n%s\nDefault: %s.\n", o->name, o->help,
                     o->standard ? o->standard : "none");
    }
    (void)printf(".El\n.Sh EXIT STATUS\nAs described in\n.Xr weir 1 .\n"
                 ".Sh SEE ALSO\n.Xr weir 1\n");
    return WR_EXIT_OK;
}

/* The command named by one or two words, or NULL. */
static const struct wr_cli_command *find(const char *a, const char *b)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "%.30s%s%.30s", a, b ? " " : "",
                   b ? b : "");
    for (const struct wr_cli_command *c = wr_commands; c->name; c++) {
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

int wr_help(struct wr_cli *cli)
{
    if (cli->operand_count == 0) {
        for (const struct wr_cli_command *c = wr_commands; c->name; c++) {
            if (!c->hidden) {
                (void)printf("  %-16s %s\n", c->name, c->summary);
            }
        }
        return WR_EXIT_OK;
    }
    const char *second = cli->operand_count > 1 ? cli->operands[1] : NULL;
    if (strcmp(cli->operands[0], "config") == 0) {
        return print_config(second);
    }
    const struct wr_cli_command *command = find(cli->operands[0], second);
    if (!command) {
        char near[WR_COMMAND_NAME_MAX];
        bool found = wr_cli_nearest(wr_commands, cli->operand_count,
                                    cli->operands, near);
        return wr_cli_usage(cli, "there is no command '%s%s%s'%s%s%s",
                            cli->operands[0], second ? " " : "",
                            second ? second : "",
                            found ? "; did you mean '" : "", found ? near : "",
                            found ? "'?" : "");
    }
    if (command->run_argv && wr_cli_has(cli, "man")) {
        return print_broker_man();
    }
    if (command->run_argv) {
        char *argv[] = {(char *)"weir broker", (char *)"--help", NULL};
        return command->run_argv(2, argv);
    }
    if (wr_cli_has(cli, "man")) {
        wr_cli_print_man(command);
    } else {
        wr_cli_print_help(command);
    }
    return WR_EXIT_OK;
}
