/* SPDX-License-Identifier: Apache-2.0
 *
 * Stops a script that does not come back. Calls into Lua cost nothing for it
 * but two stores: a watching thread looks at each state's sequence number now
 * and then, and when the same call is still running after its time, sends the
 * state's thread a signal (SIGURG, which is otherwise ignored), whose handler
 * sets a count hook. The hook raises an error again and again until the call
 * has unwound, pcall or not. */
#ifndef WEIR_DSL_LUA_WATCH_H
#define WEIR_DSL_LUA_WATCH_H

#include "dsl/lua_state.h"

/** Begins to watch a state that the calling thread uses. One state at a time
 * per thread and watch. Errors: WEIR_E_NOMEM. Thread: the state's. Locks: the
 * list's. */
WEIR_MUST_CHECK enum weir_status wr_lua_watch(struct wr_lua *lua,
                                              struct weir_error *err);
/** Ends it; the last one ends the watching thread. Thread: the state's. */
void wr_lua_unwatch(struct wr_lua *lua);

#endif
