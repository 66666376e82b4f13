/* SPDX-License-Identifier: Apache-2.0
 *
 * What a command of the program is: one table row for its name and sentence,
 * one row per option. Parsing, --help and the man page all come from these
 * rows, so they cannot disagree.
 *
 * Data goes to standard output, everything else to standard error. */
#ifndef WEIR_CLI_COMMAND_H
#define WEIR_CLI_COMMAND_H

#include "base/bytes.h"

/** Exit codes of every command; documented in weir(1), stable. */
enum wr_exit {
    WR_EXIT_OK = 0,
    WR_EXIT_FAILED = 1, /* anything without a code of its own */
    WR_EXIT_USAGE = 2,  /* the command line or the configuration is wrong */
    WR_EXIT_LOAD = 3,   /* the application does not load */
    WR_EXIT_UNREACHABLE = 4, /* broker or worker does not answer */
    WR_EXIT_NOTFOUND = 5,    /* topic, group, store or key is not there */
    WR_EXIT_INCOMPATIBLE =
        6,              /* state or topology does not fit, or is damaged */
    WR_EXIT_POISON = 7, /* a record cannot be processed */
    WR_EXIT_IN_USE = 8  /* folder, port or name is taken */
};

/** The exit code for a failure's status. */
enum wr_exit wr_exit_of(enum weir_status status);
/** The same for an application that does not load: a file that is none is
 * WR_EXIT_LOAD, not wrong usage. */
enum wr_exit wr_exit_of_load(enum weir_status status);

#define WR_CLI_VALUES_MAX 64 /* of an option that may be repeated */

struct wr_cli_option {
    const char *name;     /* long name without dashes */
    char letter;          /* short name, or 0 */
    const char *argument; /* what it takes, "HOST:PORT"; NULL: a flag */
    const char *help;     /* one sentence, with the default */
};

/** Options of one invocation, in the order of the command's rows. */
struct wr_cli {
    const struct wr_cli_command *command;
    const char **values[32]; /* by option row: the given values, in order */
    size_t value_count[32];
    char **operands; /* what is no option */
    int operand_count;
};

struct wr_cli_command {
    const char *name;                    /* "topic create" */
    const char *operands;                /* "TOPIC...", or "" */
    const char *summary;                 /* one line */
    const char *description;             /* paragraphs for the man page */
    const struct wr_cli_option *options; /* ended by name NULL; at most 31 */
    int operand_min, operand_max;        /* -1: no bound */
    int (*run)(struct wr_cli *cli);      /* returns an enum wr_exit */
    /** Takes argv as it is (options are the command's own affair) when not
     *  NULL; `run` is NULL then. */
    int (*run_argv)(int argc, char **argv);
    bool hidden; /* not in lists */
};

/** Whether the option was given. */
bool wr_cli_has(const struct wr_cli *cli, const char *name);
/** The last value of an option, or `standard`. */
const char *wr_cli_text(const struct wr_cli *cli, const char *name,
                        const char *standard);
/** The i-th value, or NULL past the last. */
const char *wr_cli_value(const struct wr_cli *cli, const char *name, size_t i);
struct wr_cli_range {
    int64_t standard; /* when the option is not given */
    int64_t min, max; /* both allowed */
};
/** An integer within the range, or its standard.
 *  Errors: WEIR_E_CONFIG naming the option. */
WEIR_MUST_CHECK enum weir_status
wr_cli_int(const struct wr_cli *cli, const char *name,
           struct wr_cli_range range, int64_t *out, struct weir_error *err);

/** Parses argv (argv[0] is ignored) for a command and runs it; handles --help.
 *  Returns the exit code. */
int wr_cli_run(const struct wr_cli_command *command, int argc, char **argv);
/** The command's page for --help, or as a man page (mdoc). */
void wr_cli_print_help(const struct wr_cli_command *command);
void wr_cli_print_man(const struct wr_cli_command *command);

/** All commands, ended by name NULL. */
extern const struct wr_cli_command wr_commands[];

#define WR_COMMAND_NAME_MAX 32 /* bytes of a command's name, NUL included */
/** The name nearest to mistyped words of a command line, compared word by word:
 *  "topci creat" is near "topic create". A word that only begins a name, such
 *  as "topic", is a name too. Words from the first option on do not count.
 *  @param commands  as wr_commands
 *  @param[out] near WR_COMMAND_NAME_MAX bytes
 *  @return whether there is one */
bool wr_cli_nearest(const struct wr_cli_command *commands, int word_count,
                    char *const *words, char *near);

/** "weir: text" to standard error; returns the status' exit code. */
int wr_cli_fail(const struct weir_error *err);
/** Usage error: "weir COMMAND: text" and where help is; returns WR_EXIT_USAGE.
 */
int wr_cli_usage(const struct wr_cli *cli, const char *format, ...)
    WEIR_PRINTF(2, 3);

#endif
