/* SPDX-License-Identifier: Apache-2.0
 *
 * The log: one line an event, to standard error. Pretty on a terminal, logfmt
 * or JSON otherwise (`log.format=auto|pretty|logfmt|json`, env
 * WEIR_LOG_FORMAT). Library rooms return errors and do not log them; programs,
 * threads and servers that have no caller to return to do, once.
 *
 *   wr_log(WR_INFO, "broker", "ready", "listen=%s:%d", host, port);
 *     -> 2026-11-21T21:40:12.123Z INFO  broker: ready listen=127.0.0.1:9092
 *
 * Arguments are not evaluated when the level is off. Thread: any. */
#ifndef WEIR_BASE_LOG_H
#define WEIR_BASE_LOG_H

#include "weir/types.h"

enum wr_log_level { WR_ERROR, WR_WARN, WR_INFO, WR_DEBUG };

enum wr_log_format { WR_LOG_PRETTY, WR_LOG_LOGFMT, WR_LOG_JSON };

extern enum wr_log_level wr_log_level_now; /* read by the macro below */

/** Sets level and format (info and logfmt until then); call before threads
 *  start. */
void wr_log_configure(enum wr_log_level level, enum wr_log_format format);
/** "error", "warn", "info", "debug" -> level. Errors: WEIR_E_CONFIG. */
WEIR_MUST_CHECK enum weir_status wr_log_level_parse(const char *text,
                                                    enum wr_log_level *out);
/** "pretty", "logfmt", "json" -> format. NULL or "auto": what the environment's
 *  WEIR_LOG_FORMAT says, else pretty on a terminal and logfmt elsewhere.
 *  Errors: WEIR_E_CONFIG. */
WEIR_MUST_CHECK enum weir_status wr_log_format_parse(const char *text,
                                                     enum wr_log_format *out);
/** A prefix for this process's lines, such as "worker-1"; "" for none. At
 *  most 31 bytes; call before threads start. */
void wr_log_set_name(const char *name);

/** Writes a line; use the macro. `fields` is key=value text; a value that may
 *  have spaces stands in quotes: `path=%s error="%s"`. A quoted value ends at
 * the quote that another key= or the end follows, so it may have quotes inside.
 *  Control characters are escaped. Lines over 4 KiB are cut. */
void wr_log_write(enum wr_log_level level, const char *component,
                  const char *event, const char *fields, ...) WEIR_PRINTF(4, 5);

#define wr_log(level, component, event, ...)                                   \
    do {                                                                       \
        if ((level) <= wr_log_level_now) {                                     \
            wr_log_write((level), (component), (event), __VA_ARGS__);          \
        }                                                                      \
    } while (0)

#endif
