/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON to Lua values and back, without a tree in between.
 *
 *   JSON            Lua
 *   object          table with text keys
 *   array           table 1..n, marked by a metatable, so that [] stays []
 *   null            weir.null (nil cannot be kept in a table)
 *   12, 9007199254740993   integer: 64 bits, exact
 *   1.5, 1e3, beyond 64 bits    float, written so that it reads back the same
 *
 * Written objects have their keys in byte order: the same value gives the same
 * bytes in every state and process. */
#ifndef WEIR_DSL_LUA_JSON_H
#define WEIR_DSL_LUA_JSON_H

#include "dsl/lua_state.h"

#define WR_JSON_DEPTH_MAX 512 /* nested arrays and objects */

/** Makes the array mark and weir.null known to a state; once per state. */
WR_MAY_JUMP void wr_json_open(struct lua_State *L);
/** Pushes weir.null. */
void wr_json_push_null(struct lua_State *L);
/** Marks the table at index as an array. */
WR_MAY_JUMP void wr_json_mark_array(struct lua_State *L, int index);
/** Whether the table at index is marked as an array. */
bool wr_json_is_array(struct lua_State *L, int index);
/** Reads one JSON value and pushes it; raises an error that tells the byte
 * where the text went wrong. */
WR_MAY_JUMP void wr_json_decode(struct lua_State *L, struct weir_bytes text);
/** Appends the value at index as JSON; raises an error naming the path to what
 * has no JSON, such as "items[3].price: a function". */
WR_MAY_JUMP void wr_json_encode(struct lua_State *L, int index,
                                struct wr_buf *out);

#endif
