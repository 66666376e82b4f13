/* SPDX-License-Identifier: Apache-2.0
 *
 * The program: finds the command and runs it. `weir topic create x` is the
 * command "topic create" with the operand x; `weir topic` alone lists what
 * there is below it. */
#include "base/log.h"
#include "cli/command.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char about[] =
    "weir: stream processing in C and Lua, on Kafka's protocol.";

static const char exit_codes[] =
    "Exit status: 0 ok, 1 failed, 2 wrong usage or configuration, 3 the "
    "application\ndoes not load, 4 broker or worker does not answer, 5 not "
    "found, 6 state or\ntopology does not fit or is damaged, 7 a record cannot "
    "be processed, 8 folder,\nport or name in use.";

/* Words of argv that make the name of `command`: 0 when it is another. */
static int words_matched(const struct wr_cli_command *command, int argc,
                         char **argv)
{
    const char *at = command->name;
    int words = 0;
    while (*at) {
        size_t n = strcspn(at, " ");
        if (words >= argc || strlen(argv[words]) != n ||
            strncmp(argv[words], at, n) != 0) {
            return 0;
        }
        words++;
        at += n;
        at += *at == ' ';
    }
    return words;
}

static void list_commands(FILE *to, const char *prefix)
{
    for (const struct wr_cli_command *c = wr_commands; c->name; c++) {
        if (!c->hidden && strncmp(c->name, prefix, strlen(prefix)) == 0) {
            (void)fprintf(to, "  %-16s %s\n", c->name, c->summary);
        }
    }
}

static int print_overview(FILE *to)
{
    (void)fprintf(to,
                  "%s\n\nusage: weir COMMAND [OPTION...] [ARGUMENT...]\n\n"
                  "Commands:\n",
                  about);
    list_commands(to, "");
    (void)fprintf(to,
                  "\n'weir COMMAND --help' tells more of a command, 'weir help "
                  "config' lists the\nconfiguration, 'weir --version' the "
                  "version.\n\n%s\n",
                  exit_codes);
    return to == stdout ? WR_EXIT_OK : WR_EXIT_USAGE;
}

/* Whether `word` begins commands of two words: "topic". */
static bool begins_commands(const char *word)
{
    size_t n = strlen(word);
    for (const struct wr_cli_command *c = wr_commands; c->name; c++) {
        if (strncmp(c->name, word, n) == 0 && c->name[n] == ' ') {
            return true;
        }
    }
    return false;
}

static int explain_unknown(int word_count, char **words)
{
    char near[WR_COMMAND_NAME_MAX] = "";
    bool second = word_count > 1 && words[1][0] != '-';
    bool begins = begins_commands(words[0]);
    bool found = wr_cli_nearest(wr_commands, word_count, words, near);
    if (begins && (!second || strcmp(near, words[0]) == 0)) {
        char prefix[WR_COMMAND_NAME_MAX + 1];
        (void)snprintf(prefix, sizeof(prefix), "%s ", words[0]);
        (void)fprintf(stderr, "weir %s wants one of:\n", words[0]);
        list_commands(stderr, prefix);
        return WR_EXIT_USAGE;
    }
    /* Of a line that begins no command the second word may be an operand. */
    second = second && (begins || (found && strchr(near, ' ')));
    (void)fprintf(stderr, "weir: there is no command '%s%s%s'%s%s%s\n",
                  words[0], second ? " " : "", second ? words[1] : "",
                  found ? "; did you mean '" : "", found ? near : "",
                  found ? "'?" : "; 'weir --help' lists them");
    return WR_EXIT_USAGE;
}

static void configure_log(void)
{
    const char *level = getenv("WEIR_LOG_LEVEL");
    const char *format = getenv("WEIR_LOG_FORMAT");
    enum wr_log_level l = WR_INFO;
    enum wr_log_format f =
        isatty(STDERR_FILENO) ? WR_LOG_PRETTY : WR_LOG_LOGFMT;
    if (level && wr_log_level_parse(level, &l) != WEIR_OK) {
        (void)fprintf(stderr,
                      "weir: WEIR_LOG_LEVEL=%s is not error, warn, info or "
                      "debug; taking info\n",
                      level);
        l = WR_INFO;
    }
    if (format && strcmp(format, "json") == 0) {
        f = WR_LOG_JSON;
    } else if (format && strcmp(format, "logfmt") == 0) {
        f = WR_LOG_LOGFMT;
    } else if (format && strcmp(format, "pretty") == 0) {
        f = WR_LOG_PRETTY;
    }
    wr_log_configure(l, f);
}

int main(int argc, char **argv)
{
    configure_log();
    (void)signal(SIGPIPE, SIG_IGN); /* writes fail with EPIPE instead */
    if (argc < 2) {
        return print_overview(stderr);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        return print_overview(stdout);
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        (void)printf("weir %s\n", weir_version());
        return WR_EXIT_OK;
    }
    for (const struct wr_cli_command *c = wr_commands; c->name; c++) {
        int words = words_matched(c, argc - 1, argv + 1);
        if (words > 0) {
            return wr_cli_run(c, argc - words, argv + words);
        }
    }
    return explain_unknown(argc - 1, argv + 1);
}
