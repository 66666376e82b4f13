/* SPDX-License-Identifier: Apache-2.0
 *
 * What a compiled script does, read from its bytecode: which globals it reads,
 * which variables outside of itself a function changes. The compiler has
 * resolved the scopes already, so nothing is guessed. Knows Lua 5.4's format;
 * of any other it says nothing. */
#ifndef WEIR_DSL_LUA_CODE_H
#define WEIR_DSL_LUA_CODE_H

#include "base/bytes.h"

enum wr_lua_fact {
    WR_LUA_READS_GLOBAL, /* `name` is read as a global */
    WR_LUA_SETS_GLOBAL,  /* `name` is set as a global */
    WR_LUA_SETS_OUTER,   /* a function sets a local of the script itself */
    WR_LUA_CHANGES_OUTER /* ... or a field of the table in one */
};

/** Tells a fact: the function's first line, the line, and the variable's name.
 */
typedef void (*wr_lua_fact_fn)(void *user, enum wr_lua_fact fact,
                               int function_line, int line, const char *name);

/** Walks over dumped code (lua_dump, not stripped), functions within functions
 *  included. Errors: WEIR_E_DECODE when the format is not the known one. */
WEIR_MUST_CHECK enum weir_status
wr_lua_walk_code(struct weir_bytes code, wr_lua_fact_fn fn, void *user);

#endif
