/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing Lua values as JSON. A table is an array when it is marked as one or
 * holds 1..n and nothing else; an empty table without a mark is an object. What
 * JSON cannot say is an error with the path to it: functions, NaN, infinity,
 * texts that are not UTF-8, keys that are not texts, lists with holes. */
#include "dsl/lua_json.h"

#include "runtime/serde.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>

struct step {
    const char *key; /* NULL: an element */
    lua_Integer element;
};

struct writer {
    lua_State *L;
    struct wr_buf *out;
    int depth;
    struct step path[WR_JSON_DEPTH_MAX + 1];
};

static void write_value(struct writer *w, int index);

static void fail(struct writer *w, const char *what)
{
    luaL_Buffer path;
    luaL_buffinit(w->L, &path);
    for (int i = 1; i <= w->depth && i <= 8; i++) {
        const struct step *step = &w->path[i];
        if (step->key) {
            luaL_addstring(&path, i > 1 ? "." : "");
            luaL_addstring(&path, step->key);
        } else {
            char element[32];
            snprintf(element, sizeof(element), "[%lld]",
                     (long long)step->element);
            luaL_addstring(&path, element);
        }
    }
    luaL_addstring(&path, w->depth ? ": " : "");
    luaL_addstring(&path, what);
    luaL_pushresult(&path);
    luaL_error(w->L, "cannot be written as JSON: %s", lua_tostring(w->L, -1));
}

static void write_text(struct writer *w, int index)
{
    size_t len, at;
    const char *text = lua_tolstring(w->L, index, &len);
    struct weir_bytes bytes = weir_bytes(text, len);
    bool plain = true;
    for (size_t i = 0; i < len && plain; i++) {
        uint8_t c = bytes.data[i];
        plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
    }
    if (plain) {
        wr_buf_put(w->out, "\"", 1);
        wr_buf_put(w->out, text, len);
        wr_buf_put(w->out, "\"", 1);
        return;
    }
    if (!wr_utf8_valid(bytes, &at)) {
        fail(w, "a text that is not UTF-8 (give the stream the type "
                "weir.bytes, or encode it, in base64 for example)");
    }
    wr_json_text(w->out, bytes);
}

static void write_integer(struct writer *w, lua_Integer value)
{
    char text[24];
    char *at = text + sizeof(text);
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (value < 0) {
        *--at = '-';
    }
    wr_buf_put(w->out, at, (size_t)(text + sizeof(text) - at));
}

static void write_float(struct writer *w, double value)
{
    char text[64];
    if (value - value != 0) {
        fail(w, value == value ? "an infinite number" : "not a number (NaN)");
    }
    /* The shortest of these that reads back as the same number. */
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    wr_buf_put_text(w->out, text);
    if (!strpbrk(text, ".e")) {
        wr_buf_put_text(w->out, ".0"); /* so that it stays a float */
    }
}

/* ---- tables -------------------------------------------------------------- */

static void enter(struct writer *w)
{
    if (++w->depth > WR_JSON_DEPTH_MAX) {
        w->depth = 0;
        fail(w, "more than 512 levels; does the table contain itself?");
    }
    luaL_checkstack(w->L, 6, "JSON");
    wr_lua_check_doomed(wr_lua_of(w->L), w->L);
}

static void write_array(struct writer *w, int index, lua_Integer n)
{
    enter(w);
    wr_buf_put(w->out, "[", 1);
    for (lua_Integer i = 1; i <= n; i++) {
        w->path[w->depth] = (struct step){NULL, i};
        if (i > 1) {
            wr_buf_put(w->out, ",", 1);
        }
        lua_rawgeti(w->L, index, i);
        write_value(w, lua_gettop(w->L));
        lua_pop(w->L, 1);
    }
    wr_buf_put(w->out, "]", 1);
    w->depth--;
}

struct key {
    const char *text;
    size_t len;
};

static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a;
    const struct key *y = b;
    return wr_bytes_compare(weir_bytes(x->text, x->len),
                            weir_bytes(y->text, y->len));
}

/* The keys of an object in order; memory of Lua, left on the stack. */
static struct key *sorted_keys(struct writer *w, int index, size_t count)
{
    lua_State *L = w->L;
    struct key *keys = lua_newuserdatauv(L, (count + 1) * sizeof(*keys), 0);
    size_t i = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING) {
            w->depth--; /* the table's own place: it has no step inside yet */
            fail(w, "a table with both named fields and other keys, or a list "
                    "with holes (put weir.null into them)");
        }
        keys[i].text = lua_tolstring(L, -2, &keys[i].len);
        i++;
    }
    qsort(keys, count, sizeof(*keys), compare_keys);
    return keys;
}

static void write_object(struct writer *w, int index, size_t count)
{
    enter(w);
    const struct key *keys = sorted_keys(w, index, count);
    wr_buf_put(w->out, "{", 1);
    for (size_t i = 0; i < count; i++) {
        w->path[w->depth] = (struct step){keys[i].text, 0};
        if (i > 0) {
            wr_buf_put(w->out, ",", 1);
        }
        lua_pushlstring(w->L, keys[i].text, keys[i].len);
        write_text(w, -1);
        wr_buf_put(w->out, ":", 1);
        lua_rawget(w->L, index);
        write_value(w, lua_gettop(w->L));
        lua_pop(w->L, 1);
    }
    wr_buf_put(w->out, "}", 1);
    lua_pop(w->L, 1);
    w->depth--;
}

static void write_table(struct writer *w, int index)
{
    lua_State *L = w->L;
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        count++;
    }
    lua_Integer n = (lua_Integer)lua_rawlen(L, index);
    bool marked = wr_json_is_array(L, index);
    if (marked && (size_t)n != count) {
        fail(w, "an array with holes or named fields (put weir.null into "
                "holes)");
    }
    if (marked || (n > 0 && (size_t)n == count)) {
        write_array(w, index, n);
    } else {
        write_object(w, index, count);
    }
}

/* Looked at before each value: one text may stand in a table a million times,
 * and what does not fit any more is not to be read as often. */
static void check_room(struct writer *w)
{
    if (w->out->status != WEIR_OK) {
        luaL_error(w->L, "cannot be written as JSON: %s",
                   weir_status_text(w->out->status));
    }
}

static void write_value(struct writer *w, int index)
{
    check_room(w);
    switch (lua_type(w->L, index)) {
    case LUA_TSTRING:
        write_text(w, index);
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(w->L, index)) {
            write_integer(w, lua_tointeger(w->L, index));
        } else {
            write_float(w, lua_tonumber(w->L, index));
        }
        break;
    case LUA_TBOOLEAN:
        wr_buf_put_text(w->out, lua_toboolean(w->L, index) ? "true" : "false");
        break;
    case LUA_TTABLE:
        write_table(w, index);
        break;
    case LUA_TLIGHTUSERDATA:
    case LUA_TNIL:
        wr_buf_put_text(w->out, "null");
        break;
    default:
        fail(w, lua_pushfstring(w->L, "a %s", luaL_typename(w->L, index)));
    }
}

void wr_json_encode(lua_State *L, int index, struct wr_buf *out)
{
    struct writer w; /* its path is filled as it is walked */
    w.L = L;
    w.out = out;
    w.depth = 0;
    luaL_checkstack(L, 6, "JSON");
    write_value(&w, lua_absindex(L, index));
    check_room(&w);
}
