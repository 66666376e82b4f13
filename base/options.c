/* SPDX-License-Identifier: Apache-2.0
 *
 * Options. A value is checked when it is set, so that the error can name the
 * file and the line; reading one later cannot fail. Values are kept in a list
 * in the order of their first setting: there are tens of them, and they are
 * read when something starts, not for each record. */
#include "base/options.h"

#include "base/fs.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define OPTIONS_FILE_MAX  ((size_t)1 << 20)
#define OPTIONS_COUNT_MAX 1000
#define NAME_DISTANCE_MAX 128 /* longest name that is compared by distance */

struct value {
    char *name; /* owned */
    char *text; /* owned */
};

struct wr_options {
    const struct wr_option *table;          /* lent */
    bool (*passthrough)(const char *);      /* may be NULL */
    wr_options_guard_fn guard;              /* may be NULL */
    struct value values[OPTIONS_COUNT_MAX]; /* the first `count` are set */
    size_t count;
};

/* ---- typed text --------------------------------------------------------- */

struct unit {
    const char *suffix;
    int64_t factor;
};

static const struct unit size_units[] = {
    {"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {NULL, 0}};
static const struct unit duration_units[] = {{"ms", 1},       {"s", 1000},
                                             {"m", 60000},    {"h", 3600000},
                                             {"d", 86400000}, {NULL, 0}};

/* Decimal digits with an optional sign and, given units, one of their suffixes
 * (letters of either case). False when it is anything else or overflows. */
static bool parse_number(const char *text, const struct unit *units,
                         int64_t *out)
{
    const char *p = text;
    bool negative = *p == '-';
    p += negative || *p == '+';
    if (!isdigit((unsigned char)*p)) {
        return false;
    }
    int64_t v = 0;
    for (; isdigit((unsigned char)*p); p++) {
        int64_t digit = *p - '0';
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, negative ? -digit : digit, &v)) {
            return false;
        }
    }
    int64_t factor = *p ? 0 : 1;
    for (; *p && units && units->suffix; units++) {
        if (strcasecmp(p, units->suffix) == 0) {
            factor = units->factor;
        }
    }
    return factor != 0 && !__builtin_mul_overflow(v, factor, out);
}

static const struct unit *units_of(enum wr_option_type type)
{
    if (type == WR_OPT_SIZE) {
        return size_units;
    }
    return type == WR_OPT_DURATION ? duration_units : NULL;
}

static bool choice_has(const char *choices, const char *text)
{
    size_t len = strlen(text);
    for (const char *p = choices; *p;) {
        size_t n = strcspn(p, "|");
        if (n == len && memcmp(p, text, len) == 0) {
            return len > 0;
        }
        p += n + (p[n] == '|');
    }
    return false;
}

static enum weir_status number_check(const struct wr_option *row,
                                     const char *text, struct weir_error *err)
{
    static const char *const wants[] = {
        [WR_OPT_INT] = "a whole number",
        [WR_OPT_SIZE] = "a size such as 1048576, 64k, 16m or 1g",
        [WR_OPT_DURATION] = "a duration such as 100, 500ms, 30s or 7d"};
    int64_t v;
    if (!parse_number(text, units_of(row->type), &v)) {
        return weir_fail(err, WEIR_E_CONFIG, "%s: '%.200s' is not %s",
                         row->name, text, wants[row->type]);
    }
    if ((row->min != 0 || row->max != 0) && (v < row->min || v > row->max)) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "%s: %.200s is outside %lld to %lld", row->name, text,
                         (long long)row->min, (long long)row->max);
    }
    return WEIR_OK;
}

static enum weir_status text_check(const struct wr_option *row,
                                   const char *text, struct weir_error *err)
{
    switch (row->type) {
    case WR_OPT_TEXT:
        return WEIR_OK;
    case WR_OPT_BOOL:
        if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
            return WEIR_OK;
        }
        return weir_fail(err, WEIR_E_CONFIG,
                         "%s: '%.200s' is neither true nor false", row->name,
                         text);
    case WR_OPT_CHOICE:
        if (choice_has(row->choices, text)) {
            return WEIR_OK;
        }
        return weir_fail(err, WEIR_E_CONFIG, "%s: '%.200s' is not one of %s",
                         row->name, text, row->choices);
    case WR_OPT_INT:
    case WR_OPT_SIZE:
    case WR_OPT_DURATION:
        return number_check(row, text, err);
    }
    return weir_fail(err, WEIR_E_INTERNAL, "%s: its table row has no type",
                     row->name);
}

/* ---- the set ------------------------------------------------------------ */

static const struct wr_option *row_of(const struct wr_options *options,
                                      const char *name)
{
    for (const struct wr_option *row = options->table; row->name; row++) {
        if (strcmp(row->name, name) == 0) {
            return row;
        }
    }
    return NULL;
}

static const struct value *value_of(const struct wr_options *options,
                                    const char *name)
{
    for (size_t i = 0; i < options->count; i++) {
        if (strcmp(options->values[i].name, name) == 0) {
            return &options->values[i];
        }
    }
    return NULL;
}

enum weir_status wr_options_new(const struct wr_option *table,
                                bool (*passthrough)(const char *),
                                struct wr_options **out)
{
    for (const struct wr_option *row = table; row->name; row++) {
        if (row->standard && text_check(row, row->standard, NULL) != WEIR_OK) {
            return WEIR_E_INTERNAL;
        }
    }
    struct wr_options *options = calloc(1, sizeof(*options));
    if (!options) {
        return WEIR_E_NOMEM;
    }
    options->table = table;
    options->passthrough = passthrough;
    *out = options;
    return WEIR_OK;
}

void wr_options_free(struct wr_options *options)
{
    if (options) {
        for (size_t i = 0; i < options->count; i++) {
            free(options->values[i].name);
            free(options->values[i].text);
        }
        free(options);
    }
}

void wr_options_set_guard(struct wr_options *options, wr_options_guard_fn guard)
{
    options->guard = guard;
}

/* Keeps a copy of both; checked before. */
static enum weir_status value_keep(struct wr_options *options, const char *name,
                                   const char *text)
{
    char *copy = strdup(text);
    if (!copy) {
        return WEIR_E_NOMEM;
    }
    for (size_t i = 0; i < options->count; i++) {
        if (strcmp(options->values[i].name, name) == 0) {
            free(options->values[i].text);
            options->values[i].text = copy;
            return WEIR_OK;
        }
    }
    char *name_copy = strdup(name);
    if (!name_copy || options->count == OPTIONS_COUNT_MAX) {
        free(copy);
        free(name_copy);
        return name_copy ? WEIR_E_TOOBIG : WEIR_E_NOMEM;
    }
    options->values[options->count++] = (struct value){name_copy, copy};
    return WEIR_OK;
}

enum weir_status wr_options_copy(const struct wr_options *from,
                                 struct wr_options **out)
{
    struct wr_options *copy = calloc(1, sizeof(*copy));
    if (!copy) {
        return WEIR_E_NOMEM;
    }
    copy->table = from->table;
    copy->passthrough = from->passthrough;
    copy->guard = from->guard;
    for (size_t i = 0; i < from->count; i++) {
        enum weir_status status =
            value_keep(copy, from->values[i].name, from->values[i].text);
        if (status != WEIR_OK) {
            wr_options_free(copy);
            return status;
        }
    }
    *out = copy;
    return WEIR_OK;
}

static enum weir_status fail_unknown(const struct wr_options *options,
                                     const char *name, struct weir_error *err)
{
    const char *names[OPTIONS_COUNT_MAX + 1] = {NULL};
    size_t count = 0;
    for (const struct wr_option *row = options->table;
         row->name && count < OPTIONS_COUNT_MAX; row++) {
        names[count++] = row->name;
    }
    const char *near = wr_nearest_name(name, names);
    if (near) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "unknown option '%.200s'; did you mean '%s'?", name,
                         near);
    }
    return weir_fail(err, WEIR_E_CONFIG, "unknown option '%.200s'", name);
}

enum weir_status wr_options_set(struct wr_options *options, const char *name,
                                const char *value, const char *place,
                                struct weir_error *err)
{
    enum weir_status status =
        options->guard ? options->guard(&name, &value, err) : WEIR_OK;
    const struct wr_option *row = row_of(options, name);
    if (status != WEIR_OK) {
        return weir_fail_prefix(err, status, "%s", place);
    }
    if (row) {
        status = text_check(row, value, err);
    } else if (!options->passthrough || !options->passthrough(name)) {
        status = fail_unknown(options, name, err);
    }
    if (status != WEIR_OK) {
        return weir_fail_prefix(err, status, "%s", place);
    }
    status = value_keep(options, name, value);
    if (status != WEIR_OK) {
        return weir_fail(err, status, "%s: %.200s cannot be kept: %s", place,
                         name, weir_status_text(status));
    }
    return WEIR_OK;
}

enum weir_status wr_options_set_pair(struct wr_options *options,
                                     const char *pair, const char *place,
                                     struct weir_error *err)
{
    const char *equal = strchr(pair, '=');
    if (!equal || equal == pair) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "%s: '%.200s' is not of the form name=value", place,
                         pair);
    }
    char *name = strndup(pair, (size_t)(equal - pair));
    if (!name) {
        return weir_fail(err, WEIR_E_NOMEM, "%s: out of memory", place);
    }
    enum weir_status status =
        wr_options_set(options, name, equal + 1, place, err);
    free(name);
    return status;
}

/* ---- reading ------------------------------------------------------------ */

const char *wr_options_text(const struct wr_options *options, const char *name)
{
    const struct value *value = value_of(options, name);
    if (value) {
        return value->text;
    }
    const struct wr_option *row = row_of(options, name);
    return row ? row->standard : NULL;
}

int64_t wr_options_int(const struct wr_options *options, const char *name)
{
    const char *text = wr_options_text(options, name);
    const struct wr_option *row = row_of(options, name);
    int64_t v = 0;
    if (!text || !parse_number(text, row ? units_of(row->type) : NULL, &v)) {
        return 0;
    }
    return v;
}

const char *wr_options_plain(const struct wr_options *options, const char *name,
                             char buf[WR_OPTIONS_PLAIN])
{
    const char *text = wr_options_text(options, name);
    const struct wr_option *row = row_of(options, name);
    const struct unit *units = row ? units_of(row->type) : NULL;
    int64_t v;
    if (!text || !units || !parse_number(text, units, &v)) {
        return text;
    }
    snprintf(buf, WR_OPTIONS_PLAIN, "%lld", (long long)v);
    return buf;
}

bool wr_options_bool(const struct wr_options *options, const char *name)
{
    const char *text = wr_options_text(options, name);
    return text && strcmp(text, "true") == 0;
}

bool wr_options_is_set(const struct wr_options *options, const char *name)
{
    return value_of(options, name) != NULL;
}

bool wr_options_next(const struct wr_options *options, size_t *cursor,
                     const char **out_name, const char **out_value)
{
    if (*cursor >= options->count) {
        return false;
    }
    *out_name = options->values[*cursor].name;
    *out_value = options->values[*cursor].text;
    (*cursor)++;
    return true;
}

/* ---- properties files --------------------------------------------------- */

/* Where a properties file is being read. */
struct properties {
    const char *at;    /* next byte; the text ends with a NUL */
    int line;          /* of `at`, from 1 */
    int entry_line;    /* where the entry began */
    struct wr_buf key; /* without escapes */
    struct wr_buf value;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

static void skip_blanks(struct properties *in)
{
    while (is_blank(*in->at)) {
        in->at++;
    }
}

static void put_utf8(struct wr_buf *out, uint32_t code)
{
    uint8_t b[3];
    if (code < 0x80) {
        wr_buf_put_i8(out, (int8_t)code);
        return;
    }
    if (code < 0x800) {
        b[0] = (uint8_t)(0xc0 | code >> 6);
        b[1] = (uint8_t)(0x80 | (code & 0x3f));
        wr_buf_put(out, b, 2);
        return;
    }
    b[0] = (uint8_t)(0xe0 | code >> 12);
    b[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
    b[2] = (uint8_t)(0x80 | (code & 0x3f));
    wr_buf_put(out, b, 3);
}

/* What follows a backslash at in->at[-1]; false when malformed. */
static bool read_escape(struct properties *in, struct wr_buf *out)
{
    static const char names[] = "tnrf";
    static const char meant[] = "\t\n\r\f";
    char c = *in->at++;
    if (c == 'u') {
        uint32_t code = 0;
        for (int i = 0; i < 4; i++, in->at++) {
            if (!isxdigit((unsigned char)*in->at)) {
                return false;
            }
            uint32_t digit = isdigit((unsigned char)*in->at)
                                 ? (uint32_t)(*in->at - '0')
                                 : (uint32_t)((*in->at | 0x20) - 'a' + 10);
            code = code << 4 | digit;
        }
        if (code == 0 || (code >= 0xd800 && code < 0xe000)) {
            return false;
        }
        put_utf8(out, code);
        return true;
    }
    const char *name = strchr(names, c);
    wr_buf_put(out, name ? &meant[name - names] : &c, 1);
    return true;
}

/* At a backslash before a line end: goes to the text of the next line. */
static bool skip_continuation(struct properties *in)
{
    const char *p = in->at + 1;
    p += *p == '\r';
    if (*p != '\n') {
        return false;
    }
    in->at = p + 1;
    in->line++;
    skip_blanks(in);
    return true;
}

/* Reads up to the end of the line, or for a key up to its separator. */
static bool read_part(struct properties *in, struct wr_buf *out, bool is_key)
{
    for (;;) {
        char c = *in->at;
        if (!c || c == '\n' || (c == '\r' && (in->at[1] == '\n'))) {
            return true;
        }
        if (is_key && (c == '=' || c == ':' || is_blank(c))) {
            return true;
        }
        if (c != '\\') {
            wr_buf_put(out, &c, 1);
            in->at++;
        } else if (!skip_continuation(in)) {
            in->at++;
            if (!*in->at) {
                return true; /* a backslash ends the file: nothing follows */
            }
            if (!read_escape(in, out)) {
                return false;
            }
        }
    }
}

enum entry { ENTRY_FOUND, ENTRY_NONE, ENTRY_BAD };

static enum entry read_entry(struct properties *in)
{
    for (;;) {
        while (is_blank(*in->at) || *in->at == '\r' || *in->at == '\n') {
            in->line += *in->at == '\n';
            in->at++;
        }
        if (*in->at != '#' && *in->at != '!') {
            break;
        }
        in->at += strcspn(in->at, "\n");
    }
    if (!*in->at) {
        return ENTRY_NONE;
    }
    wr_buf_reset(&in->key);
    wr_buf_reset(&in->value);
    in->entry_line = in->line;
    if (!read_part(in, &in->key, true)) {
        return ENTRY_BAD;
    }
    skip_blanks(in);
    if (*in->at == '=' || *in->at == ':') {
        in->at++;
        skip_blanks(in);
    }
    return read_part(in, &in->value, false) ? ENTRY_FOUND : ENTRY_BAD;
}

/* Reads all entries of a NUL-terminated text. */
static enum weir_status load_text(struct wr_options *options, const char *path,
                                  const char *text, struct weir_error *err)
{
    struct properties in = {.at = text, .line = 1};
    wr_buf_init(&in.key, OPTIONS_FILE_MAX);
    wr_buf_init(&in.value, OPTIONS_FILE_MAX);
    enum weir_status status = WEIR_OK;
    while (status == WEIR_OK) {
        char place[512];
        enum entry entry = read_entry(&in);
        if (entry == ENTRY_NONE) {
            break;
        }
        (void)snprintf(place, sizeof(place), "%s:%d", path, in.entry_line);
        if (entry == ENTRY_BAD) {
            status = weir_fail(err, WEIR_E_CONFIG,
                               "%s: \\u needs four hexadecimal digits of a "
                               "character",
                               place);
        } else if (in.key.status != WEIR_OK || in.value.status != WEIR_OK) {
            status = weir_fail(err, WEIR_E_NOMEM, "%s: out of memory", place);
        } else {
            status = wr_options_set(options, wr_buf_text(&in.key),
                                    wr_buf_text(&in.value), place, err);
        }
    }
    wr_buf_done(&in.key);
    wr_buf_done(&in.value);
    return status;
}

enum weir_status wr_options_parse(struct wr_options *options,
                                  struct weir_bytes text, const char *path,
                                  struct weir_error *err)
{
    if (text.len > OPTIONS_FILE_MAX) {
        return weir_fail(err, WEIR_E_TOOBIG,
                         "%s: has %zu bytes; options have at most %zu", path,
                         text.len, OPTIONS_FILE_MAX);
    }
    if (text.len > 0 && memchr(text.data, '\0', text.len)) {
        return weir_fail(err, WEIR_E_CONFIG,
                         "%s: has a NUL byte; a properties file is text", path);
    }
    struct wr_buf copy; /* one byte more than a full file, for the NUL */
    wr_buf_init(&copy, OPTIONS_FILE_MAX + 1);
    wr_buf_put_bytes(&copy, text);
    const char *ended = wr_buf_text(&copy);
    enum weir_status status =
        copy.status == WEIR_OK
            ? load_text(options, path, ended, err)
            : weir_fail(err, copy.status, "%s: out of memory", path);
    wr_buf_done(&copy);
    return status;
}

enum weir_status wr_options_load(struct wr_options *options, const char *path,
                                 struct weir_error *err)
{
    struct wr_buf file;
    wr_buf_init(&file, OPTIONS_FILE_MAX);
    enum weir_status status = wr_file_read(path, &file, err);
    if (status == WEIR_OK) {
        status = wr_options_parse(options, wr_buf_view(&file), path, err);
    }
    wr_buf_done(&file);
    return status;
}

/* ---- nearest name ------------------------------------------------------- */

/* Edits (insert, delete, replace, swap of neighbours) from a to b, letters of
 * either case alike. Both names have at most NAME_DISTANCE_MAX bytes. */
static size_t edit_distance(const char *a, size_t a_len, const char *b,
                            size_t b_len)
{
    size_t rows[3][NAME_DISTANCE_MAX + 1];
    size_t *before = rows[0];
    size_t *above = rows[1];
    size_t *row = rows[2];
    for (size_t j = 0; j <= b_len; j++) {
        above[j] = j;
        before[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            int x = tolower((unsigned char)a[i - 1]);
            int y = tolower((unsigned char)b[j - 1]);
            size_t best = above[j - 1] + (x != y);
            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
                y == tolower((unsigned char)a[i - 2]) &&
                before[j - 2] + 1 < best) {
                best = before[j - 2] + 1;
            }
            row[j] = best;
        }
        size_t *recycled = before;
        before = above;
        above = row;
        row = recycled;
    }
    return above[b_len];
}

const char *wr_nearest_name(const char *name, const char *const *names)
{
    size_t len = strlen(name);
    const char *nearest = NULL;
    size_t limit = len / 3;
    if (len > NAME_DISTANCE_MAX) {
        return NULL;
    }
    for (; *names; names++) {
        size_t other = strlen(*names);
        if (other > NAME_DISTANCE_MAX) {
            continue;
        }
        size_t distance = edit_distance(name, len, *names, other);
        if (distance < limit || (distance == limit && !nearest)) {
            limit = distance;
            nearest = *names;
        }
    }
    return nearest;
}
