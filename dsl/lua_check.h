/* SPDX-License-Identifier: Apache-2.0
 *
 * What `weir check` finds in a script beyond what loading it finds: globals
 * that nobody defines, in code that has not run yet, and variables outside of a
 * function that the function changes, which is state that a task loses when it
 * moves. */
#ifndef WEIR_DSL_LUA_CHECK_H
#define WEIR_DSL_LUA_CHECK_H

#include "dsl/lua_host.h"

/** Adds a line to `report` for each thing that is unwise.
 *  Errors: WEIR_E_LUA naming the first undefined global and how many there are.
 */
WEIR_MUST_CHECK enum weir_status wr_lua_check(struct wr_lua_host *host,
                                              struct wr_buf *report,
                                              struct weir_error *err);

#endif
