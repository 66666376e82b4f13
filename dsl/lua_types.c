/* SPDX-License-Identifier: Apache-2.0
 *
 * Types as a script sees them are userdata made by us, so that nothing else
 * passes for one. Numbers become Java's 8 bytes. A value of another type than
 * its stream's is an error that says what came, what is due and how to say
 * otherwise: silent conversions would write bytes that no reader expects. */
#include "dsl/lua_types.h"

#include "dsl/lua_json.h"

#include "runtime/serde.h"

#include <lauxlib.h>
#include <lua.h>
#include <math.h>

#define TYPE_MAGIC 0x77747970u /* "wtyp" */

struct type_value {
    uint32_t magic;
    enum wr_lua_type type;
};

static const struct {
    const char *name;
    const struct weir_serde *serde;
    const char *lua; /* what a script gives for it */
} types[] = {
    [WR_LUA_BYTES] = {"bytes", &weir_serde_bytes, "a string"},
    [WR_LUA_TEXT] = {"text", &weir_serde_text, "a string"},
    [WR_LUA_INT64] = {"int64", &weir_serde_int64, "an integer"},
    [WR_LUA_DOUBLE] = {"double", &weir_serde_double, "a number"},
    [WR_LUA_JSON] = {"json", &weir_serde_json, "a table or a plain value"},
};

const struct weir_serde *wr_lua_type_serde(enum wr_lua_type type)
{
    return types[type].serde;
}

const char *wr_lua_type_name(enum wr_lua_type type)
{
    return types[type].name;
}

/* ---- types as values ----------------------------------------------------- */

bool wr_lua_is_type(lua_State *L, int index, enum wr_lua_type *out)
{
    const struct type_value *value =
        lua_type(L, index) == LUA_TUSERDATA ? lua_touserdata(L, index) : NULL;
    if (!value || lua_rawlen(L, index) != sizeof(*value) ||
        value->magic != TYPE_MAGIC) {
        return false;
    }
    *out = value->type;
    return true;
}

static int type_to_text(lua_State *L)
{
    enum wr_lua_type type = WR_LUA_BYTES;
    (void)wr_lua_is_type(L, 1, &type);
    lua_pushfstring(L, "weir.%s", types[type].name);
    return 1;
}

static int json_decode(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    wr_json_decode(L, weir_bytes(text, len));
    return 1;
}

static int json_encode(lua_State *L)
{
    struct wr_buf *out = &wr_lua_of(L)->scratch;
    luaL_checkany(L, 1);
    wr_buf_reset(out);
    wr_json_encode(L, 1, out);
    lua_pushlstring(L, (const char *)out->data, out->len);
    return 1;
}

static int json_array(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    if (!wr_json_is_array(L, 1) &&
        luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) {
        return luaL_error(L, "weir.json.array: the table is protected");
    }
    wr_json_mark_array(L, 1);
    lua_settop(L, 1);
    return 1;
}

/* Pushes a type. JSON has functions of its own: weir.json.decode(text) ... */
static void push_type(lua_State *L, enum wr_lua_type type)
{
    static const luaL_Reg json[] = {{"decode", json_decode},
                                    {"encode", json_encode},
                                    {"array", json_array},
                                    {NULL, NULL}};
    struct type_value *value = lua_newuserdatauv(L, sizeof(*value), 0);
    *value = (struct type_value){TYPE_MAGIC, type};
    lua_createtable(L, 0, 4);
    lua_pushcfunction(L, type_to_text);
    lua_setfield(L, -2, "__tostring");
    lua_pushliteral(L, "weir type");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    if (type == WR_LUA_JSON) {
        luaL_newlib(L, json);
        lua_setfield(L, -2, "__index");
    }
    lua_setmetatable(L, -2);
}

void wr_lua_open_types(lua_State *L)
{
    static const struct {
        const char *name;
        enum wr_lua_type type;
    } names[] = {{"bytes", WR_LUA_BYTES},   {"text", WR_LUA_TEXT},
                 {"int64", WR_LUA_INT64},   {"i64", WR_LUA_INT64},
                 {"double", WR_LUA_DOUBLE}, {"f64", WR_LUA_DOUBLE},
                 {"json", WR_LUA_JSON}};
    wr_json_open(L);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        push_type(L, names[i].type);
        lua_setfield(L, -2, names[i].name);
    }
    wr_json_push_null(L);
    lua_setfield(L, -2, "null");
}

/* ---- in ------------------------------------------------------------------ */

void wr_lua_push(lua_State *L, enum wr_lua_type type, struct weir_bytes bytes)
{
    int64_t integer;
    double number;
    if (!bytes.data) {
        lua_pushnil(L);
        return;
    }
    switch (type) {
    case WR_LUA_BYTES:
    case WR_LUA_TEXT:
        lua_pushlstring(L, (const char *)bytes.data, bytes.len);
        return;
    case WR_LUA_INT64:
        if (weir_int64_read(bytes, &integer) == WEIR_OK) {
            lua_pushinteger(L, integer);
            return;
        }
        break;
    case WR_LUA_DOUBLE:
        if (weir_double_read(bytes, &number) == WEIR_OK) {
            lua_pushnumber(L, number);
            return;
        }
        break;
    case WR_LUA_JSON:
        wr_json_decode(L, bytes);
        return;
    }
    luaL_error(L, "%s is due, which has 8 bytes, but there are %d",
               types[type].name, (int)bytes.len);
}

/* ---- out ----------------------------------------------------------------- */

/* The type that suits a value, for the hint. */
static const char *suitable(lua_State *L, int index)
{
    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        return "text";
    case LUA_TNUMBER:
        return lua_isinteger(L, index) ? "int64" : "double";
    default:
        return "json";
    }
}

/* The hint of an error: how the verb is told another type. */
static const char *type_hint(lua_State *L, const struct wr_lua_place *place,
                             const char *type)
{
    const char *hint = luaL_gsub(L, place->how, "*", type);
    hint = luaL_gsub(L, hint, "?", place->part);
    return lua_pushfstring(L, "give its type: %s", hint);
}

static void wrong_type(lua_State *L, int index, enum wr_lua_type type,
                       const struct wr_lua_place *place)
{
    index = lua_absindex(L, index);
    const char *got = lua_type(L, index) == LUA_TNUMBER
                          ? (lua_isinteger(L, index) ? "an integer" : "a float")
                          : lua_pushfstring(L, "a %s", luaL_typename(L, index));
    const char *hint = "";
    if (place->how[0] && lua_type(L, index) != LUA_TFUNCTION) {
        hint = lua_pushfstring(L, ", or %s",
                               type_hint(L, place, suitable(L, index)));
    }
    luaL_error(L, "%s %s %s as %s, where %s is due: make it %s%s", place->verb,
               place->what, got, place->part, types[type].name, types[type].lua,
               hint);
}

/* Refused here, where the script's line is known: a reader of text would stop
 * at it, and after a grouping that reader is the application itself. */
static void check_text(lua_State *L, struct weir_bytes text,
                       const struct wr_lua_place *place)
{
    size_t at = 0;
    if (!wr_utf8_valid(text, &at)) {
        luaL_error(L,
                   "%s %s a text that is not UTF-8 (byte %d of %d) as %s%s%s",
                   place->verb, place->what, (int)at + 1, (int)text.len,
                   place->part, place->how[0] ? ": " : "",
                   place->how[0] ? type_hint(L, place, "bytes") : "");
    }
}

static uint8_t *record_memory(lua_State *L, struct weir_context *ctx, size_t n)
{
    uint8_t *memory = weir_context_alloc(ctx, n);
    if (!memory) {
        luaL_error(L,
                   "no memory for %d bytes: the results for one record are "
                   "too large",
                   (int)n);
    }
    return memory;
}

static struct weir_bytes take_json(lua_State *L, int index,
                                   struct weir_context *ctx)
{
    struct wr_buf *out = &wr_lua_of(L)->scratch;
    wr_buf_reset(out);
    wr_json_encode(L, index, out);
    uint8_t *memory = record_memory(L, ctx, out->len);
    memcpy(memory, out->data, out->len);
    return weir_bytes(memory, out->len);
}

static struct weir_bytes take_number(lua_State *L, int index,
                                     enum wr_lua_type type,
                                     struct weir_context *ctx, bool *ok)
{
    int whole = 0;
    bool is_number = lua_type(L, index) == LUA_TNUMBER;
    lua_Integer integer = lua_tointegerx(L, index, &whole);
    *ok = is_number && (type == WR_LUA_DOUBLE || whole);
    if (!*ok) {
        return WEIR_NULL;
    }
    uint8_t *memory = record_memory(L, ctx, 8);
    return type == WR_LUA_INT64
               ? weir_int64_bytes(integer, memory)
               : weir_double_bytes(lua_tonumber(L, index), memory);
}

struct weir_bytes wr_lua_take(lua_State *L, int index, enum wr_lua_type type,
                              struct weir_context *ctx,
                              const struct wr_lua_place *place)
{
    int given = lua_type(L, index);
    struct weir_bytes bytes = WEIR_NULL;
    bool ok = false;
    if (given == LUA_TSTRING && type <= WR_LUA_TEXT) {
        size_t len;
        const char *text = lua_tolstring(L, index, &len);
        bytes = weir_bytes(text, len);
        if (type == WR_LUA_TEXT) {
            check_text(L, bytes, place);
        }
        return bytes;
    }
    if (given <= LUA_TNIL) {
        return WEIR_NULL;
    }
    if (type == WR_LUA_JSON) {
        return take_json(L, index, ctx);
    }
    if (type > WR_LUA_TEXT) {
        bytes = take_number(L, index, type, ctx, &ok);
    }
    if (!ok) {
        wrong_type(L, index, type, place);
    }
    return bytes;
}

struct weir_bytes wr_lua_take_copy(lua_State *L, int index,
                                   enum wr_lua_type type,
                                   struct weir_context *ctx,
                                   const struct wr_lua_place *place)
{
    struct weir_bytes bytes = wr_lua_take(L, index, type, ctx, place);
    if (!bytes.data || type > WR_LUA_TEXT) {
        return bytes;
    }
    uint8_t *memory = record_memory(L, ctx, bytes.len);
    memcpy(memory, bytes.data, bytes.len);
    return weir_bytes(memory, bytes.len);
}
