/* SPDX-License-Identifier: Apache-2.0
 *
 * One Lua state: capped memory, a sandbox instead of the open libraries,
 * protected calls whose errors name the script's lines, and a watch on how long
 * a call takes.
 *
 * A state belongs to one thread. Its life: new, then watched (lua_watch.h),
 * then calls. Everything that may raise a Lua error runs inside wr_lua_call():
 * C frames between the call and the error hold nothing that must be freed.
 * Functions that may jump are marked WR_MAY_JUMP. */
#ifndef WEIR_DSL_LUA_STATE_H
#define WEIR_DSL_LUA_STATE_H

#include "base/bytes.h"
#include "weir/dsl.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#define WR_MAY_JUMP  /* raises Lua errors by longjmp: only inside wr_lua_call  \
                      */

struct lua_State;

/** Bounds of what a script may use. */
struct wr_lua_limits {
    size_t memory_bytes_max; /* of one state */
    int64_t call_ms_max;     /* of one call from outside, until it is stopped */
};
#define WR_LUA_MEMORY_BYTES_MAX ((size_t)64 << 20)
#define WR_LUA_CALL_MS_MAX      2000

/** A compiled file, known to show its lines in errors. */
struct wr_lua_source {
    struct wr_lua_source *next;
    char *chunk;            /* as in error positions: "word_count.lua" */
    struct weir_bytes text; /* of the file; lent by `files` */
};

struct wr_sources;
struct wr_lua_build; /* the program while the script runs (lua_build.h) */

struct wr_lua {
    struct lua_State *main;             /* the state itself */
    struct lua_State *volatile running; /* main, or the coroutine that runs */
    struct wr_lua_limits limits;
    size_t memory_bytes;     /* held now */
    volatile unsigned depth; /* calls from outside, nested */

    /* what the watch sees (lua_watch.h) */
    atomic_uint_fast64_t sequence;  /* odd while the script runs */
    atomic_uint_fast64_t call;      /* number of the outermost call */
    atomic_uint_fast64_t condemned; /* the call that took too long */
    volatile sig_atomic_t expired;  /* the call is being stopped */
    enum weir_status failed;        /* what a call out of the script said;
                                       no pcall may hide it */

    /* the program */
    char *directory;          /* of the script, for require */
    struct wr_sources *files; /* where scripts come from; lent */
    struct wr_lua_source *sources;
    struct wr_lua_build *build; /* NULL once the script has run */
    int *functions;             /* registry references by ordinal */
    size_t function_count;
    size_t function_cap;
    int globals; /* registry: the script's _G */
    int names;   /* registry: what it resolves to */

    char error[WEIR_ERROR_TEXT_MAX]; /* of the last failed call; "" when a
                                        call out of the script failed */
    struct wr_buf scratch;           /* for JSON on its way out */
};

/** A state with the sandbox and nothing else. *out is given. */
WEIR_MUST_CHECK enum weir_status wr_lua_new(const struct wr_lua_limits *limits,
                                            struct wr_lua **out,
                                            struct weir_error *err);
/** Closes the state. NULL is fine. */
void wr_lua_free(struct wr_lua *lua);

/** Runs fn(L) with `argument` as light userdata on its stack, protected. On
 *  failure lua->error tells why, with the script's lines; when it is empty, a
 * call out of the script failed with this status and has told why already.
 *  Errors: WEIR_E_LUA; those of calls out of the script. */
WEIR_MUST_CHECK enum weir_status
wr_lua_call(struct wr_lua *lua, int (*fn)(struct lua_State *), void *argument);
/** The state that L belongs to. */
struct wr_lua *wr_lua_of(struct lua_State *L);

/** Time in nodes downstream, which may wait for the network, is not the
 * script's: put around calls that lead there. */
void wr_lua_pause(struct wr_lua *lua);
/** The clock of the call goes on. */
void wr_lua_resume(struct wr_lua *lua);

/** Takes a script's text from lua->files and compiles it, text only; pushes
 * the function. `path` is the file, `chunk` is how errors call it. */
WR_MAY_JUMP void wr_lua_compile(struct lua_State *L, const char *path,
                                const char *chunk);
/** The text of a line of a compiled file, without its end; null when unknown.
 */
struct weir_bytes wr_lua_source_line(const struct wr_lua *lua,
                                     const char *chunk, int line);

/* ---- its parts ----------------------------------------------------------- */

/** Opens the allowed libraries, closes what leads out, makes globals strict
 *  (lua_sandbox.c). */
WR_MAY_JUMP void wr_lua_sandbox(struct lua_State *L);
/** Replaces the table on top by a read-only view of it. */
WR_MAY_JUMP void wr_lua_read_only(struct lua_State *L);
/** The text key nearest to `name` of the table at index, or NULL. */
WR_MAY_JUMP const char *wr_lua_nearest_key(struct lua_State *L, int index,
                                           const char *name);
/** string.find and the like with bounded time (lua_pattern.c); expects the
 *  string library's table on top. */
WR_MAY_JUMP void wr_lua_open_patterns(struct lua_State *L);
/** Raises an error if the call is to end: its time is over, or a call out of
 * the script failed. For C loops, which no hook interrupts, and after every
 * pcall. */
WR_MAY_JUMP void wr_lua_check_doomed(struct wr_lua *lua, struct lua_State *L);
/** Raises an error if status is one, which the script cannot catch. */
WR_MAY_JUMP void wr_lua_must(struct lua_State *L, enum weir_status status);
/** Message handler: writes lua->error (lua_error.c). */
int wr_lua_message(struct lua_State *L);

#endif
