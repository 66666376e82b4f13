/* SPDX-License-Identifier: Apache-2.0
 *
 * What a script's values are as bytes: the five types a stream's keys and
 * values can have in Lua, the way in and the way out. Null is nil in every
 * type. */
#ifndef WEIR_DSL_LUA_TYPES_H
#define WEIR_DSL_LUA_TYPES_H

#include "dsl/lua_state.h"

enum wr_lua_type {
    WR_LUA_BYTES,  /* string */
    WR_LUA_TEXT,   /* string, UTF-8; up to here a value is its own bytes */
    WR_LUA_INT64,  /* integer */
    WR_LUA_DOUBLE, /* number */
    WR_LUA_JSON    /* what lua_json.h says */
};

/** The serde whose bytes a type has. */
const struct weir_serde *wr_lua_type_serde(enum wr_lua_type type);
/** The name of a type as scripts write it behind `weir.`: "text". */
const char *wr_lua_type_name(enum wr_lua_type type);

/** Puts weir.bytes, .text, .int64 (also .i64), .double (.f64), .json and .null
 * into the table on top. */
WR_MAY_JUMP void wr_lua_open_types(struct lua_State *L);
/** Whether the value at index is a type, and which. */
bool wr_lua_is_type(struct lua_State *L, int index, enum wr_lua_type *out);

/** Pushes the value that bytes are. Raises an error when they are not of the
 * type. */
WR_MAY_JUMP void wr_lua_push(struct lua_State *L, enum wr_lua_type type,
                             struct weir_bytes bytes);
/** What a value is, for the error that it is of the wrong type. */
struct wr_lua_place {
    const char *verb; /* "map_values" */
    const char *what; /* "returned" or "emitted" */
    const char *part; /* "key" or "value" */
    const char *how;  /* as in struct wr_lua_node */
};

/** The bytes of the value at index: memory of the record, or of the value
 * itself, which must then stay on the stack. */
WR_MAY_JUMP struct weir_bytes wr_lua_take(struct lua_State *L, int index,
                                          enum wr_lua_type type,
                                          struct weir_context *ctx,
                                          const struct wr_lua_place *place);
/** As wr_lua_take, in memory of the record: the value may go. */
WR_MAY_JUMP struct weir_bytes
wr_lua_take_copy(struct lua_State *L, int index, enum wr_lua_type type,
                 struct weir_context *ctx, const struct wr_lua_place *place);

#endif
