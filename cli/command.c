/* SPDX-License-Identifier: Apache-2.0
 *
 * Command lines: parsing over getopt_long, help and man pages from the rows. */
#include "cli/command.h"

#include "base/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define OPTIONS_MAX  31
#define COMMANDS_MAX 64
#define LONG_FIRST   256 /* getopt values of options without a letter */

enum wr_exit wr_exit_of(enum weir_status status)
{
    static const struct {
        enum weir_status status;
        enum wr_exit code;
    } rows[] = {
        {WEIR_OK, WR_EXIT_OK},
        {WEIR_E_CONFIG, WR_EXIT_USAGE},
        {WEIR_E_INVALID, WR_EXIT_USAGE},
        {WEIR_E_TOPOLOGY, WR_EXIT_LOAD},
        {WEIR_E_LUA, WR_EXIT_LOAD},
        {WEIR_E_UNREACHABLE, WR_EXIT_UNREACHABLE},
        {WEIR_E_TIMEOUT, WR_EXIT_UNREACHABLE},
        {WEIR_E_NOTFOUND, WR_EXIT_NOTFOUND},
        {WEIR_E_INCOMPATIBLE, WR_EXIT_INCOMPATIBLE},
        {WEIR_E_CORRUPT, WR_EXIT_INCOMPATIBLE},
        {WEIR_E_LOCKED, WR_EXIT_IN_USE},
        {WEIR_E_EXISTS, WR_EXIT_IN_USE},
        {WEIR_E_DECODE, WR_EXIT_POISON},
        {WEIR_E_PROCESSOR, WR_EXIT_POISON},
        {WEIR_E_TOOBIG, WR_EXIT_POISON},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].status == status) {
            return rows[i].code;
        }
    }
    return WR_EXIT_FAILED;
}

enum wr_exit wr_exit_of_load(enum weir_status status)
{
    return status == WEIR_E_INVALID || status == WEIR_E_TOOBIG
               ? WR_EXIT_LOAD
               : wr_exit_of(status);
}

/* ---- values ------------------------------------------------------------- */

static int option_row(const struct wr_cli *cli, const char *name)
{
    const struct wr_cli_option *rows = cli->command->options;
    for (int i = 0; rows && rows[i].name; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

bool wr_cli_has(const struct wr_cli *cli, const char *name)
{
    int row = option_row(cli, name);
    return row >= 0 && cli->value_count[row] > 0;
}

const char *wr_cli_value(const struct wr_cli *cli, const char *name, size_t i)
{
    int row = option_row(cli, name);
    return row >= 0 && i < cli->value_count[row] ? cli->values[row][i] : NULL;
}

const char *wr_cli_text(const struct wr_cli *cli, const char *name,
                        const char *standard)
{
    int row = option_row(cli, name);
    return row >= 0 && cli->value_count[row] > 0
               ? cli->values[row][cli->value_count[row] - 1]
               : standard;
}

enum weir_status wr_cli_int(const struct wr_cli *cli, const char *name,
                            struct wr_cli_range range, int64_t *out,
                            struct weir_error *err)
{
    const char *text = wr_cli_text(cli, name, NULL);
    if (!text) {
        *out = range.standard;
        return WEIR_OK;
    }
    char *end = NULL;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno || end == text || *end || v < range.min || v > range.max) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "--%s %s: want a whole number from %lld to %lld", name,
                         text, (long long)range.min, (long long)range.max);
    }
    *out = v;
    return WEIR_OK;
}

int wr_cli_fail(const struct weir_error *err)
{
    (void)fprintf(stderr, "weir: %s\n", err->text);
    return (int)wr_exit_of(err->status);
}

int wr_cli_usage(const struct wr_cli *cli, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fprintf(stderr, "weir %s: ", cli->command->name);
    (void)vfprintf(stderr, format, args);
    (void)fprintf(stderr, "\nTry 'weir %s --help'.\n", cli->command->name);
    va_end(args);
    return WR_EXIT_USAGE;
}

/* ---- parsing ------------------------------------------------------------ */

static const char *nearest_option(const struct wr_cli_command *command,
                                  const char *given)
{
    const char *names[OPTIONS_MAX + 1] = {0};
    size_t n = 0;
    for (; command->options && command->options[n].name && n < OPTIONS_MAX;
         n++) {
        names[n] = command->options[n].name;
    }
    return wr_nearest_name(given, names);
}

/* getopt stopped at something it does not know, or that lacks its argument. */
static int bad_option(const struct wr_cli *cli, char **argv, int kind)
{
    const char *given = argv[optind - 1];
    if (kind == ':') {
        return wr_cli_usage(cli, "option '%s' needs an argument", given);
    }
    if (strncmp(given, "--", 2) != 0) {
        return wr_cli_usage(cli, "there is no option '-%c'", optopt);
    }
    const char *near = nearest_option(cli->command, given + 2);
    return near ? wr_cli_usage(cli,
                               "there is no option '%s'; did you mean "
                               "'--%s'?",
                               given, near)
                : wr_cli_usage(cli, "there is no option '%s'", given);
}

/* The word of commands' names that is nearest to `word`, of those that follow
 * `begin` ("" or "topic "); written behind `begin` into near. */
static bool nearest_word(const struct wr_cli_command *commands,
                         const char *begin, const char *word, char *near)
{
    char words[COMMANDS_MAX][WR_COMMAND_NAME_MAX];
    const char *names[COMMANDS_MAX + 1] = {0};
    size_t n = 0;
    size_t skip = strlen(begin);
    for (; commands->name && n < COMMANDS_MAX; commands++) {
        if (!commands->hidden && strncmp(commands->name, begin, skip) == 0) {
            const char *from = commands->name + skip;
            (void)snprintf(words[n], sizeof(words[n]), "%.*s",
                           (int)strcspn(from, " "), from);
            names[n] = words[n];
            n++;
        }
    }
    const char *found = wr_nearest_name(word, names);
    if (found) {
        (void)snprintf(near, WR_COMMAND_NAME_MAX, "%s%s", begin, found);
    }
    return found != NULL;
}

bool wr_cli_nearest(const struct wr_cli_command *commands, int word_count,
                    char *const *words, char *near)
{
    if (word_count < 1 || words[0][0] == '-' ||
        !nearest_word(commands, "", words[0], near)) {
        return false;
    }
    char begin[WR_COMMAND_NAME_MAX + 1];
    (void)snprintf(begin, sizeof(begin), "%s ", near);
    if (word_count > 1 && words[1][0] != '-') {
        (void)nearest_word(commands, begin, words[1], near);
    }
    return true;
}

static void build_getopt(const struct wr_cli_command *command,
                         struct option *longs, char *shorts)
{
    size_t n = 0;
    size_t s = 0;
    shorts[s++] = ':'; /* tell a missing argument from an unknown option */
    for (const struct wr_cli_option *o = command->options; o && o->name; o++) {
        longs[n] = (struct option){
            o->name, o->argument ? required_argument : no_argument, NULL,
            o->letter ? o->letter : LONG_FIRST + (int)n};
        if (o->letter) {
            shorts[s++] = o->letter;
            if (o->argument) {
                shorts[s++] = ':';
            }
        }
        n++;
    }
    longs[n++] = (struct option){"help", no_argument, NULL, 'h'};
    longs[n] = (struct option){0};
    shorts[s++] = 'h';
    shorts[s] = '\0';
}

static int row_of_value(const struct wr_cli_command *command, int value)
{
    for (int i = 0; command->options && command->options[i].name; i++) {
        if (value == LONG_FIRST + i || (command->options[i].letter &&
                                        value == command->options[i].letter)) {
            return i;
        }
    }
    return -1;
}

static bool add_value(struct wr_cli *cli, int row, const char *value)
{
    if (cli->value_count[row] == WR_CLI_VALUES_MAX) {
        return false;
    }
    if (!cli->values[row]) {
        cli->values[row] = calloc(WR_CLI_VALUES_MAX, sizeof(char *));
        if (!cli->values[row]) {
            return false;
        }
    }
    cli->values[row][cli->value_count[row]++] = value ? value : "";
    return true;
}

/* -1: go on and run; otherwise the exit code. */
static int parse(struct wr_cli *cli, int argc, char **argv)
{
    struct option longs[OPTIONS_MAX + 2];
    char shorts[2 * OPTIONS_MAX + 4];
    build_getopt(cli->command, longs, shorts);
    optind = 0; /* glibc: start over, forget what an earlier parse left */
    opterr = 0;
    int value;
    while ((value = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        if (value == 'h') {
            wr_cli_print_help(cli->command);
            return WR_EXIT_OK;
        }
        int row = row_of_value(cli->command, value);
        if (row < 0) {
            return bad_option(cli, argv, value);
        }
        if (!add_value(cli, row, optarg)) {
            return wr_cli_usage(cli, "--%s is given more than %d times",
                                cli->command->options[row].name,
                                WR_CLI_VALUES_MAX);
        }
    }
    cli->operands = argv + optind;
    cli->operand_count = argc - optind;
    if (cli->operand_count < cli->command->operand_min) {
        return wr_cli_usage(cli, "want %s", cli->command->operands);
    }
    if (cli->command->operand_max >= 0 &&
        cli->operand_count > cli->command->operand_max) {
        return wr_cli_usage(cli, "'%s' is too much",
                            cli->operands[cli->command->operand_max]);
    }
    return -1;
}

int wr_cli_run(const struct wr_cli_command *command, int argc, char **argv)
{
    if (command->run_argv) {
        char name[WR_COMMAND_NAME_MAX + 5]; /* what its messages begin with */
        (void)snprintf(name, sizeof(name), "weir %s", command->name);
        argv[0] = name;
        return command->run_argv(argc, argv);
    }
    struct wr_cli cli = {.command = command};
    int code = parse(&cli, argc, argv);
    if (code < 0) {
        code = command->run(&cli);
    }
    for (size_t i = 0; i < sizeof(cli.values) / sizeof(cli.values[0]); i++) {
        free(cli.values[i]);
    }
    return code;
}

/* ---- pages -------------------------------------------------------------- */

void wr_cli_print_help(const struct wr_cli_command *command)
{
    (void)printf("usage: weir %s%s%s%s\n\n%s\n", command->name,
                 command->options ? " [OPTION...]" : "",
                 *command->operands ? " " : "", command->operands,
                 command->summary);
    if (command->description && *command->description) {
        (void)printf("\n%s\n", command->description);
    }
    (void)printf("\nOptions:\n");
    for (const struct wr_cli_option *o = command->options; o && o->name; o++) {
        char left[80];
        (void)snprintf(left, sizeof(left), "%c%c%s --%s%s%s",
                       o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
                       o->letter ? "," : " ", o->name, o->argument ? " " : "",
                       o->argument ? o->argument : "");
        (void)printf("  %-30s %s\n", left, o->help);
    }
    (void)printf("  %-30s %s\n", "-h, --help", "Shows this page.");
}

/* Text for mdoc: a line that begins with a dot or quote would be a macro. */
static void man_text(const char *text)
{
    bool line_start = true;
    for (const char *p = text; *p; p++) {
        if (p[0] == '\n' && p[1] == '\n') {
            (void)printf("\n.Pp\n");
            p++;
            line_start = true;
            continue;
        }
        if (line_start && (*p == '.' || *p == '\'')) {
            (void)printf("\\&");
        }
        if (*p == '\\') {
            (void)printf("\\e");
        } else if (*p == '-') {
            (void)printf("\\-");
        } else if (!(line_start && *p == ' ')) {
            (void)putchar(*p);
        }
        line_start = *p == '\n';
    }
    (void)putchar('\n');
}

void wr_cli_print_man(const struct wr_cli_command *command)
{
    char page[64];
    (void)snprintf(page, sizeof(page), "weir-%s", command->name);
    for (char *p = page; *p; p++) {
        *p = *p == ' ' ? '-' : *p;
    }
    (void)printf(".Dd November 21, 2026\n.Dt %s 1\n.Os\n.Sh NAME\n.Nm %s\n"
                 ".Nd ",
                 page, page);
    man_text(command->summary);
    (void)printf(".Sh SYNOPSIS\n.Nm weir %s\n%s%s%s%s", command->name,
                 command->options ? ".Op Ar option ...\n" : "",
                 *command->operands ? ".Ar " : "", command->operands,
                 *command->operands ? "\n" : "");
    (void)printf(".Sh DESCRIPTION\n");
    man_text(command->description && *command->description
                 ? command->description
                 : command->summary);
    (void)printf(".Bl -tag -width Ds\n");
    for (const struct wr_cli_option *o = command->options; o && o->name; o++) {
        (void)printf(".It ");
        if (o->letter) {
            (void)printf("Fl %c , ", o->letter);
        }
        (void)printf("Fl Fl %s%s%s\n", o->name, o->argument ? " Ar " : "",
                     o->argument ? o->argument : "");
        man_text(o->help);
    }
    (void)printf(".El\n.Sh EXIT STATUS\nAs described in\n.Xr weir 1 .\n"
                 ".Sh SEE ALSO\n.Xr weir 1\n");
}
