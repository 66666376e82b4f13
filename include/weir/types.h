/* SPDX-License-Identifier: Apache-2.0
 *
 * weir/types.h: what every other public header builds on: byte views, statuses
 * and the caller-owned error.
 *
 * Ownership is told in five words, everywhere in weir:
 *   lent    valid until the named moment; copy it to keep it
 *   taken   the callee owns it on success; it is still yours on failure
 *   given   you free it, with the named function
 *   copied  the callee keeps its own copy
 *   shared  reference counted; drop it with the named unref
 */
#ifndef WEIR_TYPES_H
#define WEIR_TYPES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WEIR_API        __attribute__((visibility("default")))
#define WEIR_MUST_CHECK __attribute__((warn_unused_result))
#define WEIR_PRINTF(fmt_index, first_arg)                                      \
    __attribute__((format(printf, fmt_index, first_arg)))
#else
#define WEIR_API
#define WEIR_MUST_CHECK
#define WEIR_PRINTF(fmt_index, first_arg)
#endif

/** A view of bytes that someone else owns. `data == NULL` is Kafka's null,
 * which is not the same as an empty value (`data != NULL, len == 0`). */
struct weir_bytes {
    const uint8_t *data; /* first byte, or NULL for null */
    size_t len;          /* in bytes; 0 when data is NULL */
};

#define WEIR_NULL ((struct weir_bytes){NULL, 0})

/** View of a NUL-terminated text, without its NUL; NULL gives null. */
static inline struct weir_bytes weir_text(const char *text)
{
    struct weir_bytes b = {(const uint8_t *)text, text ? strlen(text) : 0};
    return b;
}

/** View of `len` bytes at `data`. */
static inline struct weir_bytes weir_bytes(const void *data, size_t len)
{
    struct weir_bytes b = {(const uint8_t *)data, len};
    return b;
}

static inline int weir_bytes_is_null(struct weir_bytes b)
{
    return b.data == NULL;
}

/* One row a status: name, value, class, sentence. The class says what to do:
 *   OK       nothing
 *   RETRY    the same call may succeed later
 *   SKIP     this record is bad; the next may be good
 *   ABORT    the open transaction must be aborted, then go on
 *   FENCED   someone else owns our work: give it up, rejoin
 *   FATAL    stop
 *   CALLER   the call itself is wrong */
#define WEIR_STATUS_TABLE(ROW)                                                 \
    ROW(WEIR_OK, 0, OK, "ok")                                                  \
    ROW(WEIR_E_NOMEM, -1, FATAL, "out of memory")                              \
    ROW(WEIR_E_INVALID, -2, CALLER, "invalid argument")                        \
    ROW(WEIR_E_CONFIG, -3, CALLER, "invalid configuration")                    \
    ROW(WEIR_E_TOPOLOGY, -4, CALLER, "invalid topology")                       \
    ROW(WEIR_E_NOTFOUND, -5, CALLER, "not found")                              \
    ROW(WEIR_E_EXISTS, -6, CALLER, "exists already")                           \
    ROW(WEIR_E_IO, -7, FATAL, "input/output error")                            \
    ROW(WEIR_E_NOSPACE, -8, RETRY, "no space left on device")                  \
    ROW(WEIR_E_CORRUPT, -9, FATAL, "damaged data")                             \
    ROW(WEIR_E_TRUNCATED, -10, SKIP, "data ends too early")                    \
    ROW(WEIR_E_TOOBIG, -11, SKIP, "larger than its limit")                     \
    ROW(WEIR_E_DECODE, -12, SKIP, "value cannot be read")                      \
    ROW(WEIR_E_PROCESSOR, -13, FATAL, "a processor failed")                    \
    ROW(WEIR_E_LUA, -14, FATAL, "a Lua script failed")                         \
    ROW(WEIR_E_TIMEOUT, -15, RETRY, "timed out")                               \
    ROW(WEIR_E_UNREACHABLE, -16, RETRY, "broker is unreachable")               \
    ROW(WEIR_E_KAFKA, -17, FATAL, "broker refused")                            \
    ROW(WEIR_E_ABORT_TXN, -18, ABORT, "transaction must be aborted")           \
    ROW(WEIR_E_FENCED, -19, FENCED, "fenced by a newer instance")              \
    ROW(WEIR_E_LOCKED, -20, RETRY, "in use by another process")                \
    ROW(WEIR_E_INCOMPATIBLE, -21, FATAL, "state or topology does not fit")     \
    ROW(WEIR_E_AGAIN, -22, RETRY, "not now")                                   \
    ROW(WEIR_E_CLOSED, -23, CALLER, "closed")                                  \
    ROW(WEIR_E_INTERNAL, -24, FATAL, "a mistake inside weir")

#define WEIR_STATUS_ENUM_ROW(name, value, klass, text) name = value,
enum weir_status { WEIR_STATUS_TABLE(WEIR_STATUS_ENUM_ROW) };
#undef WEIR_STATUS_ENUM_ROW

enum weir_status_class {
    WEIR_CLASS_OK,
    WEIR_CLASS_RETRY,
    WEIR_CLASS_SKIP,
    WEIR_CLASS_ABORT,
    WEIR_CLASS_FENCED,
    WEIR_CLASS_FATAL,
    WEIR_CLASS_CALLER
};

#define WEIR_ERROR_TEXT_MAX 1024 /* bytes of an error's text, NUL included */

/** Why a call failed, for a person. Owned by the caller; every function that
 *  takes one also takes NULL. Only written on failure. */
struct weir_error {
    enum weir_status status;        /* same as the returned status */
    char text[WEIR_ERROR_TEXT_MAX]; /* thing, place, remedy; NUL-terminated */
};

/** The name of a status, such as "WEIR_E_IO". Thread: any. */
WEIR_API const char *weir_status_name(enum weir_status status);
/** One sentence for a status. Thread: any. */
WEIR_API const char *weir_status_text(enum weir_status status);
/** What a status asks of its receiver. Thread: any. */
WEIR_API enum weir_status_class weir_status_class(enum weir_status status);

/** Writes status and formatted text into err (which may be NULL) and returns
 *  status, so that `return weir_fail(err, WEIR_E_IO, "...")` reads well. */
WEIR_API enum weir_status weir_fail(struct weir_error *err,
                                    enum weir_status status, const char *format,
                                    ...) WEIR_PRINTF(3, 4);

/** Puts "formatted text: " before the text that err has; returns its status.
 *  Each layer says what it was doing. err may be NULL, then status comes back.
 */
WEIR_API enum weir_status weir_fail_prefix(struct weir_error *err,
                                           enum weir_status status,
                                           const char *format, ...)
    WEIR_PRINTF(3, 4);

#ifdef __clang_analyzer__
/* An analyzer cannot see that these return the status they are given, and would
 * follow paths on which a failure is a success. */
#define weir_fail(err, status, ...)                                            \
    ((void)(weir_fail)(err, status, __VA_ARGS__), (status))
#define weir_fail_prefix(err, status, ...)                                     \
    ((void)(weir_fail_prefix)(err, status, __VA_ARGS__), (status))
#endif

/** The library's version, such as "0.1.0". Thread: any. */
WEIR_API const char *weir_version(void);

#ifdef __cplusplus
}
#endif
#endif
