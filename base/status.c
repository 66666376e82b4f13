/* SPDX-License-Identifier: Apache-2.0
 *
 * Statuses and errors. One table in weir/types.h feeds the enum, the names, the
 * sentences and the classes; nothing here knows what a status is used for. */
#include "weir/types.h"

#include <stdarg.h>
#include <stdio.h>

struct status_row {
    enum weir_status status;
    enum weir_status_class klass;
    const char *name;
    const char *text;
};

#define ROW(name, value, klass, text) {name, WEIR_CLASS_##klass, #name, text},
static const struct status_row status_rows[] = {WEIR_STATUS_TABLE(ROW)};
#undef ROW

static const struct status_row *status_row(enum weir_status status)
{
    size_t index = (size_t)(-(int)status);
    if ((int)status > 0 ||
        index >= sizeof(status_rows) / sizeof(status_rows[0])) {
        return NULL;
    }
    return &status_rows[index];
}

const char *weir_status_name(enum weir_status status)
{
    const struct status_row *row = status_row(status);
    return row ? row->name : "WEIR_E_UNKNOWN";
}

const char *weir_status_text(enum weir_status status)
{
    const struct status_row *row = status_row(status);
    return row ? row->text : "unknown status";
}

enum weir_status_class weir_status_class(enum weir_status status)
{
    const struct status_row *row = status_row(status);
    return row ? row->klass : WEIR_CLASS_FATAL;
}

#undef weir_fail /* see the header: for analyzers they are macros */
#undef weir_fail_prefix

enum weir_status weir_fail(struct weir_error *err, enum weir_status status,
                           const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        err->status = status;
        (void)vsnprintf(err->text, sizeof(err->text), format, args);
        va_end(args);
    }
    return status;
}

enum weir_status weir_fail_prefix(struct weir_error *err,
                                  enum weir_status status, const char *format,
                                  ...)
{
    if (err) {
        char old[WEIR_ERROR_TEXT_MAX];
        char prefix[WEIR_ERROR_TEXT_MAX];
        va_list args;
        va_start(args, format);
        (void)vsnprintf(prefix, sizeof(prefix), format, args);
        va_end(args);
        memcpy(old, err->text, sizeof(old));
        err->status = status;
        int n = snprintf(err->text, sizeof(err->text), "%s: %s", prefix, old);
        if (n >= (int)sizeof(err->text)) {
            err->text[sizeof(err->text) - 1] = '\0';
        }
    }
    return status;
}

const char *weir_version(void)
{
    return WEIR_VERSION_STRING;
}
