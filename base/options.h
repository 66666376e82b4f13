/* SPDX-License-Identifier: Apache-2.0
 *
 * Options: a table of typed rows, and a set of values read from properties
 * files
 * (`key=value`, Kafka's own format) and `-X key=value`. One row gives name,
 * type, default, limits and a sentence, and feeds parsing, help and
 * docs/CONFIG.md. An unknown name is refused with the nearest known one. */
#ifndef WEIR_BASE_OPTIONS_H
#define WEIR_BASE_OPTIONS_H

#include "base/bytes.h"

enum wr_option_type {
    WR_OPT_TEXT,     /* any text */
    WR_OPT_INT,      /* decimal integer within [min, max] */
    WR_OPT_SIZE,     /* bytes: integer, or with suffix k, m, g (1024-based) */
    WR_OPT_DURATION, /* milliseconds: integer, or with suffix ms, s, m, h, d */
    WR_OPT_BOOL,     /* true or false */
    WR_OPT_CHOICE    /* one of choices, separated by '|' */
};

struct wr_option {
    const char *name;         /* "commit.interval.ms" */
    enum wr_option_type type; /* how the text is read */
    const char *standard;     /* default as text; NULL: none */
    int64_t min, max;         /* for INT, SIZE, DURATION; both 0: any */
    const char *choices;      /* for CHOICE: "a|b|c" */
    const char *help;         /* one sentence */
};

/** A table of options, ended by a row with name NULL, and what is set. */
struct wr_options;

/** `table` is lent for the life of the set. `passthrough(name)` (may be NULL)
 *  tells for a name outside the table whether it is to be kept as free text,
 * e.g. a librdkafka property; other unknown names are refused. */
WEIR_MUST_CHECK enum weir_status
wr_options_new(const struct wr_option *table, bool (*passthrough)(const char *),
               struct wr_options **out);
void wr_options_free(struct wr_options *options);
/** A second look at every value before it is checked and kept: the guard may
 *  replace name and value by others that live for ever, or refuse them with a
 *  text, to which the place is added. Copies of the set keep it. */
typedef enum weir_status (*wr_options_guard_fn)(const char **name,
                                                const char **value,
                                                struct weir_error *err);
/** Sets the guard of values that are set from now on; NULL: none. */
void wr_options_set_guard(struct wr_options *options,
                          wr_options_guard_fn guard);
/** A deep copy of the set. */
WEIR_MUST_CHECK enum weir_status wr_options_copy(const struct wr_options *from,
                                                 struct wr_options **out);

/** Sets one value; checked at once. A later set of the same name wins.
 *  Errors: WEIR_E_CONFIG with the place, e.g. "app.properties:3: ...". */
WEIR_MUST_CHECK enum weir_status
wr_options_set(struct wr_options *options, const char *name, const char *value,
               const char *place, struct weir_error *err);
/** "name=value" as given to -X. */
WEIR_MUST_CHECK enum weir_status wr_options_set_pair(struct wr_options *options,
                                                     const char *pair,
                                                     const char *place,
                                                     struct weir_error *err);
/** Reads a properties file: `#` and `!` comments, `=` or `:` or blank between,
 *  backslash continuation and escapes. At most 1 MiB. */
WEIR_MUST_CHECK enum weir_status wr_options_load(struct wr_options *options,
                                                 const char *path,
                                                 struct weir_error *err);
/** The same for a text in memory; errors call it `name`. */
WEIR_MUST_CHECK enum weir_status wr_options_parse(struct wr_options *options,
                                                  struct weir_bytes text,
                                                  const char *name,
                                                  struct weir_error *err);

/** The text of a value: what was set, else the default, else NULL. Lent until
 * the option is set again. The typed ones return 0/false where there is no
 * value. */
const char *wr_options_text(const struct wr_options *options, const char *name);
/** The number of a value: an integer, bytes of a size, milliseconds of a
 *  duration. */
int64_t wr_options_int(const struct wr_options *options, const char *name);
/** As wr_options_text, but a number without its unit, for readers that know
 *  none: "7d" is "604800000". `buf` may be what is returned. */
#define WR_OPTIONS_PLAIN 24
const char *wr_options_plain(const struct wr_options *options, const char *name,
                             char buf[WR_OPTIONS_PLAIN]);
bool wr_options_bool(const struct wr_options *options, const char *name);
/** Whether it was set by someone (not the default). */
bool wr_options_is_set(const struct wr_options *options, const char *name);
/** Iterates over everything that was set, in no order; cursor from 0. */
bool wr_options_next(const struct wr_options *options, size_t *cursor,
                     const char **out_name, const char **out_value);

/** The known name nearest to `name` (edit distance at most 1/3 of its length),
 * or NULL. `names` ends with NULL. */
const char *wr_nearest_name(const char *name, const char *const *names);

#endif
