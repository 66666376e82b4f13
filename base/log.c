/* SPDX-License-Identifier: Apache-2.0
 *
 * The log. A line is built on the stack and leaves by one write(2), so lines of
 * several threads and processes do not mix and a crash loses none. The fields'
 * text is taken apart into key and value once, and each of the three formats
 * only says how it writes a name, a value and what stands between. */
#include "base/log.h"

#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX 4096
#define LOG_FIELDS_MAX                                                         \
    3072                /* of the caller's text; escaping may lengthen it      \
                         */
#define LOG_TAIL     32 /* kept free for closing quotes, cut mark, newline */
#define LOG_NAME_MAX 32

enum wr_log_level wr_log_level_now = WR_INFO;

static enum wr_log_format log_format = WR_LOG_LOGFMT;
static char log_name[LOG_NAME_MAX];

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const char *const level_columns[] = {"ERROR", "WARN ", "INFO ", "DEBUG"};
static const char *const format_names[] = {"pretty", "logfmt", "json"};

/* ---- configuration ------------------------------------------------------ */

void wr_log_configure(enum wr_log_level level, enum wr_log_format format)
{
    wr_log_level_now = level;
    log_format = format;
}

void wr_log_set_name(const char *name)
{
    (void)snprintf(log_name, sizeof(log_name), "%s", name);
}

static int index_of(const char *text, const char *const *names, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(text, names[i]) == 0) {
            return i;
        }
    }
    return -1;
}

enum weir_status wr_log_level_parse(const char *text, enum wr_log_level *out)
{
    int i = index_of(text, level_names, 4);
    if (i < 0) {
        return WEIR_E_CONFIG;
    }
    *out = (enum wr_log_level)i;
    return WEIR_OK;
}

enum weir_status wr_log_format_parse(const char *text, enum wr_log_format *out)
{
    if (!text || strcmp(text, "auto") == 0) {
        text = getenv("WEIR_LOG_FORMAT");
        if (!text || strcmp(text, "auto") == 0) {
            *out = isatty(STDERR_FILENO) ? WR_LOG_PRETTY : WR_LOG_LOGFMT;
            return WEIR_OK;
        }
    }
    int i = index_of(text, format_names, 3);
    if (i < 0) {
        return WEIR_E_CONFIG;
    }
    *out = (enum wr_log_format)i;
    return WEIR_OK;
}

/* ---- a line ------------------------------------------------------------- */

struct log_line {
    char text[LOG_LINE_MAX];
    size_t len; /* <= LOG_LINE_MAX */
    bool cut;   /* something did not fit before the tail */
};

/* Adds n bytes whole or not at all, leaving the tail free. */
static void line_put(struct log_line *line, const char *text, size_t n)
{
    if (line->cut || n > LOG_LINE_MAX - LOG_TAIL - line->len) {
        line->cut = true;
        return;
    }
    memcpy(line->text + line->len, text, n);
    line->len += n;
}

static void line_text(struct log_line *line, const char *text)
{
    line_put(line, text, strlen(text));
}

/* Adds what must not be missing: it may use the tail. */
static void line_close(struct log_line *line, const char *text)
{
    size_t n = strlen(text);
    if (n <= LOG_LINE_MAX - line->len) {
        memcpy(line->text + line->len, text, n);
        line->len += n;
    }
}

/* Bytes of the well-formed UTF-8 character at p, or 0. */
static size_t utf8_len(const uint8_t *p, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = *p < 0x80             ? 1
               : (*p & 0xe0) == 0xc0 ? 2
               : (*p & 0xf0) == 0xe0 ? 3
               : (*p & 0xf8) == 0xf0 ? 4
                                     : 0;
    if (n <= 1 || n > left) {
        return n == 1 ? 1 : 0;
    }
    uint32_t code = *p & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (p[i] & 0x3f);
    }
    bool surrogate = code >= 0xd800 && code < 0xe000;
    return code < least[n] || code > 0x10ffff || surrogate ? 0 : n;
}

/* Adds the text between quotes, escaped as JSON does, which logfmt shares. */
static void line_quoted(struct log_line *line, const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text;
    line_text(line, "\"");
    bool opened = !line->cut;
    for (size_t i = 0; i < len && !line->cut;) {
        char escape[8];
        size_t n = utf8_len(p + i, len - i);
        if (p[i] == '"' || p[i] == '\\') {
            (void)snprintf(escape, sizeof(escape), "\\%c", p[i]);
            line_text(line, escape);
        } else if (p[i] == '\n') {
            line_text(line, "\\n");
        } else if (p[i] == '\t') {
            line_text(line, "\\t");
        } else if (p[i] < 0x20 || p[i] == 0x7f) {
            (void)snprintf(escape, sizeof(escape), "\\u%04x", p[i]);
            line_text(line, escape);
        } else if (n == 0) {
            line_text(line, "\\ufffd");
        } else {
            line_put(line, text + i, n);
        }
        i += n ? n : 1;
    }
    if (opened) {
        line_close(line, "\"");
    }
}

static bool needs_quotes(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)text[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f) {
            return true;
        }
    }
    return len == 0;
}

/* ---- fields ------------------------------------------------------------- */

struct field {
    const char *key, *value;
    size_t key_len, value_len;
};

static bool is_key_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

/* Whether a field, or nothing more, starts at text. */
static bool field_starts(const char *text)
{
    while (*text == ' ') {
        text++;
    }
    if (!*text) {
        return true;
    }
    size_t n = 0;
    while (is_key_byte(text[n])) {
        n++;
    }
    return n > 0 && text[n] == '=';
}

/* Takes the next field from *text; words without a key become "msg". */
static bool field_next(const char **text, struct field *out)
{
    const char *p = *text;
    while (*p == ' ') {
        p++;
    }
    if (!*p) {
        return false;
    }
    *out = (struct field){.key = "msg", .key_len = 3};
    size_t n = 0;
    while (is_key_byte(p[n])) {
        n++;
    }
    if (n > 0 && p[n] == '=') {
        out->key = p;
        out->key_len = n;
        p += n + 1;
    }
    if (*p == '"') {
        out->value = ++p;
        while (*p &&
               !(*p == '"' && (!p[1] || p[1] == ' ') && field_starts(p + 1))) {
            p++;
        }
        out->value_len = (size_t)(p - out->value);
        p += *p == '"';
    } else {
        out->value = p;
        while (*p && !(*p == ' ' && field_starts(p))) {
            p++;
        }
        out->value_len = (size_t)(p - out->value);
    }
    *text = p;
    return true;
}

/* ---- formats ------------------------------------------------------------ */

/* "key=value", quoted where needed, or "\"key\":\"value\"" after a comma. */
static void line_pair(struct log_line *line, const char *key, size_t key_len,
                      const char *value, size_t value_len)
{
    size_t before = line->len;
    if (log_format == WR_LOG_JSON) {
        line_text(line, line->len == 0 ? "{" : ",");
        line_quoted(line, key, key_len);
        line_text(line, ":");
    } else {
        line_text(line, line->len == 0 ? "" : " ");
        line_put(line, key, key_len);
        line_text(line, "=");
    }
    if (line->cut) {
        line->len = before; /* no half a name */
    } else if (log_format == WR_LOG_JSON || needs_quotes(value, value_len)) {
        line_quoted(line, value, value_len);
        if (line->cut && line->text[line->len - 1] != '"') {
            line->len = before;
        }
    } else {
        line_put(line, value, value_len);
        if (line->cut) {
            line->len = before;
        }
    }
}

static void line_pair_text(struct log_line *line, const char *key,
                           const char *value)
{
    line_pair(line, key, strlen(key), value, strlen(value));
}

static void time_text(char out[32])
{
    int64_t now = wr_wall_ms();
    time_t seconds = (time_t)(now / 1000);
    struct tm tm;
    (void)gmtime_r(&seconds, &tm);
    size_t n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(out + n, 32 - n, ".%03dZ", (int)(now % 1000));
}

static void line_head(struct log_line *line, enum wr_log_level level,
                      const char *component, const char *event)
{
    char now[32];
    time_text(now);
    if (log_format == WR_LOG_PRETTY) {
        line_text(line, now);
        line_text(line, " ");
        line_text(line, level_columns[level]);
        line_text(line, " ");
        if (log_name[0]) {
            line_text(line, log_name);
            line_text(line, " ");
        }
        line_text(line, component);
        line_text(line, ": ");
        line_text(line, event);
        return;
    }
    line_pair_text(line, "ts", now);
    line_pair_text(line, "level", level_names[level]);
    if (log_name[0]) {
        line_pair_text(line, "process", log_name);
    }
    line_pair_text(line, "component", component);
    line_pair_text(line, "event", event);
}

void wr_log_write(enum wr_log_level level, const char *component,
                  const char *event, const char *fields, ...)
{
    int errnum = errno; /* callers may log before they look at it */
    char text[LOG_FIELDS_MAX];
    struct log_line line;
    line.len = 0;
    line.cut = false;
    va_list args;
    va_start(args, fields);
    int n = vsnprintf(text, sizeof(text), fields, args);
    va_end(args);
    line_head(&line, level, component, event);
    const char *rest = n < 0 ? "" : text;
    struct field field;
    while (!line.cut && field_next(&rest, &field)) {
        line_pair(&line, field.key, field.key_len, field.value,
                  field.value_len);
    }
    if (line.cut || n >= (int)sizeof(text)) {
        line_close(&line, log_format == WR_LOG_JSON ? ",\"cut\":\"true\""
                                                    : " cut=true");
    }
    line_close(&line, log_format == WR_LOG_JSON ? "}\n" : "\n");
    for (size_t at = 0; at < line.len;) {
        ssize_t put = write(STDERR_FILENO, line.text + at, line.len - at);
        if (put < 0 && errno != EINTR) {
            break; /* nowhere left to complain */
        }
        at += put > 0 ? (size_t)put : 0;
    }
    errno = errnum;
}
