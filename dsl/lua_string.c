/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of the string library that could keep a thread busy for ever,
 * with bounds: find, match, gmatch and gsub over lua_pattern.c, and rep. They
 * do what the manual of Lua 5.4 says (6.4.1, 6.4.2); malformed patterns are
 * told at once, not when the match gets there. */
#include "dsl/lua_pattern.h"

#include <lauxlib.h>
#include <lua.h>

/* ---- what a match gives -------------------------------------------------- */

static void begin(struct wr_matcher *m, lua_State *L, int subject)
{
    size_t len;
    const char *text = luaL_checklstring(L, subject, &len);
    m->L = L;
    m->lua = wr_lua_of(L);
    m->subject = weir_bytes(text, len);
    m->steps = 0;
}

static void push_capture(const struct wr_matcher *m, int i,
                         const uint8_t *start, const uint8_t *end)
{
    if (i >= m->capture_count) {
        if (i != 0) {
            luaL_error(m->L, "invalid capture index %%%d", i + 1);
        }
        lua_pushlstring(m->L, (const char *)start, (size_t)(end - start));
        return;
    }
    const struct wr_capture *c = &m->captures[i];
    if (c->len == WR_CAPTURE_POSITION) {
        lua_pushinteger(m->L, c->start - m->subject.data + 1);
    } else if (c->len == WR_CAPTURE_OPEN) {
        luaL_error(m->L, "unfinished capture");
    } else {
        lua_pushlstring(m->L, (const char *)c->start, (size_t)c->len);
    }
}

/* Pushes all captures, or the whole match when there are none and `whole`. */
static int push_captures(const struct wr_matcher *m, const uint8_t *start,
                         const uint8_t *end, bool whole)
{
    int count = m->capture_count == 0 && whole ? 1 : m->capture_count;
    if (count > 1) {
        luaL_checkstack(m->L, count, "too many captures");
    }
    for (int i = 0; i < count; i++) {
        push_capture(m, i, start, end);
    }
    return count;
}

/* The offset that `init` (1-based, negative from the end) means; > len: none.
 */
static size_t offset_of(lua_Integer init, size_t len)
{
    if (init > 0) {
        return (size_t)init - 1;
    }
    if (init == 0 || init < -(lua_Integer)len) {
        return 0;
    }
    return len - (size_t)-init;
}

/* ---- find and match ------------------------------------------------------ */

static bool has_specials(struct weir_bytes pattern)
{
    for (size_t i = 0; i < pattern.len; i++) {
        if (pattern.data[i] && strchr("^$*+?.([%-", pattern.data[i])) {
            return true;
        }
    }
    return false;
}

static int find_plain(lua_State *L, struct weir_bytes subject, size_t from,
                      struct weir_bytes text)
{
    const uint8_t *found = text.len == 0
                               ? subject.data + from
                               : memmem(subject.data + from, subject.len - from,
                                        text.data, text.len);
    if (!found) {
        lua_pushnil(L);
        return 1;
    }
    lua_Integer at = found - subject.data;
    lua_pushinteger(L, at + 1);
    lua_pushinteger(L, at + (lua_Integer)text.len);
    return 2;
}

static int find_or_match(lua_State *L, bool find)
{
    struct wr_matcher m;
    begin(&m, L, 1);
    size_t pattern_len;
    const char *text = luaL_checklstring(L, 2, &pattern_len);
    size_t from = offset_of(luaL_optinteger(L, 3, 1), m.subject.len);
    if (from > m.subject.len) {
        lua_pushnil(L);
        return 1;
    }
    struct weir_bytes plain = weir_bytes(text, pattern_len);
    if (find && (lua_toboolean(L, 4) || !has_specials(plain))) {
        return find_plain(L, m.subject, from, plain);
    }
    const struct wr_pattern *pattern = wr_pattern_get(L, 2);
    const uint8_t *end = m.subject.data + m.subject.len;
    const uint8_t *s = m.subject.data + from;
    do {
        const uint8_t *stop = wr_pattern_match(pattern, &m, s);
        if (!stop) {
            continue;
        }
        if (!find) {
            return push_captures(&m, s, stop, true);
        }
        lua_pushinteger(L, s - m.subject.data + 1);
        lua_pushinteger(L, stop - m.subject.data);
        return push_captures(&m, s, stop, false) + 2;
    } while (s++ < end && !wr_pattern_is_anchored(pattern));
    lua_pushnil(L);
    return 1;
}

static int string_find(lua_State *L)
{
    return find_or_match(L, true);
}

static int string_match(lua_State *L)
{
    return find_or_match(L, false);
}

/* ---- gmatch -------------------------------------------------------------- */

/* Where an iteration is; userdata whose user value 1 keeps the pattern and 2
 * the subject alive. */
struct gmatch {
    const struct wr_pattern *pattern;
    struct weir_bytes subject;
    const uint8_t *next; /* where to look on; NULL at the end */
    const uint8_t *last; /* end of the last match: an empty one there is none */
};

static int gmatch_next(lua_State *L)
{
    struct gmatch *g = lua_touserdata(L, lua_upvalueindex(1));
    struct wr_matcher m;
    m.L = L;
    m.lua = wr_lua_of(L);
    m.subject = g->subject;
    m.steps = 0;
    const uint8_t *end = g->subject.data + g->subject.len;
    const uint8_t *s = g->next;
    while (s && s <= end) {
        s = wr_pattern_skip(g->pattern, m.subject, s);
        const uint8_t *stop = s ? wr_pattern_match(g->pattern, &m, s) : NULL;
        if (stop && stop != g->last) {
            g->next = g->last = stop;
            return push_captures(&m, s, stop, true);
        }
        s = s ? s + 1 : NULL;
    }
    g->next = NULL;
    return 0;
}

static int string_gmatch(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    size_t from = offset_of(luaL_optinteger(L, 3, 1), len);
    struct gmatch *g = lua_newuserdatauv(L, sizeof(*g), 2);
    *g = (struct gmatch){.subject = weir_bytes(text, len)};
    g->next = from > len ? NULL : g->subject.data + from;
    g->pattern = wr_pattern_get(L, 2);
    if (wr_pattern_is_anchored(g->pattern)) {
        return luaL_error(L, "gmatch: a pattern with '^' matches once only; "
                             "use string.match, or '%%^' for the character");
    }
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 2);
    lua_pushcclosure(L, gmatch_next, 1);
    return 1;
}

/* ---- gsub ---------------------------------------------------------------- */

/* Adds the replacement text with its %0 to %9. */
static void add_template(struct wr_matcher *m, luaL_Buffer *out,
                         const uint8_t *s, const uint8_t *stop)
{
    size_t len;
    const char *text = lua_tolstring(m->L, 3, &len);
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '%') {
            luaL_addchar(out, text[i]);
            continue;
        }
        char c = ++i < len ? text[i] : '\0';
        if (i < len && c == '%') {
            luaL_addchar(out, c);
        } else if (i < len && c == '0') {
            luaL_addlstring(out, (const char *)s, (size_t)(stop - s));
        } else if (i < len && c >= '1' && c <= '9') {
            push_capture(m, c - '1', s, stop);
            luaL_tolstring(m->L, -1, NULL);
            lua_remove(m->L, -2);
            luaL_addvalue(out);
        } else {
            luaL_error(m->L, "invalid use of '%%' in replacement string");
        }
    }
}

/* Adds what replaces one match; the match itself when that is nil or false. */
static bool add_replacement(struct wr_matcher *m, luaL_Buffer *out,
                            const uint8_t *s, const uint8_t *stop)
{
    lua_State *L = m->L;
    int type = lua_type(L, 3);
    if (type == LUA_TSTRING || type == LUA_TNUMBER) {
        add_template(m, out, s, stop);
        return true;
    }
    if (type == LUA_TTABLE) {
        push_capture(m, 0, s, stop);
        lua_gettable(L, 3);
    } else {
        lua_pushvalue(L, 3);
        int n = push_captures(m, s, stop, true);
        lua_call(L, n, 1);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(out, (const char *)s, (size_t)(stop - s));
        return false;
    }
    if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
    luaL_addvalue(out);
    return true;
}

static int string_gsub(lua_State *L)
{
    struct wr_matcher m;
    begin(&m, L, 1);
    int type = lua_type(L, 3);
    luaL_argexpected(L,
                     type == LUA_TNUMBER || type == LUA_TSTRING ||
                         type == LUA_TFUNCTION || type == LUA_TTABLE,
                     3, "string/function/table");
    lua_Integer max = luaL_optinteger(L, 4, (lua_Integer)m.subject.len + 1);
    const struct wr_pattern *pattern = wr_pattern_get(L, 2);
    const uint8_t *s = m.subject.data;
    const uint8_t *end = s + m.subject.len;
    const uint8_t *last = NULL;
    lua_Integer count = 0;
    bool changed = false;
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    while (count < max) {
        const uint8_t *stop = wr_pattern_match(pattern, &m, s);
        if (stop && stop != last) {
            count++;
            changed = add_replacement(&m, &out, s, stop) || changed;
            s = last = stop;
        } else if (s < end) {
            luaL_addchar(&out, (char)*s++);
        } else {
            break;
        }
        if (wr_pattern_is_anchored(pattern)) {
            break;
        }
    }
    if (changed) {
        luaL_addlstring(&out, (const char *)s, (size_t)(end - s));
        luaL_pushresult(&out);
    } else {
        lua_pushvalue(L, 1);
    }
    lua_pushinteger(L, count);
    return 2;
}

/* ---- rep ----------------------------------------------------------------- */

static int string_rep(lua_State *L)
{
    size_t len, separator_len;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_Integer n = luaL_checkinteger(L, 2);
    const char *separator = luaL_optlstring(L, 3, "", &separator_len);
    size_t limit = wr_lua_of(L)->limits.memory_bytes_max;
    if (n <= 0 || len + separator_len == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if ((uint64_t)n > limit / (len + separator_len)) {
        return luaL_error(L, "string.rep: the result is larger than the "
                             "script's memory may be");
    }
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    for (lua_Integer i = 0; i < n; i++) {
        luaL_addlstring(&out, text, len);
        if (i + 1 < n) {
            luaL_addlstring(&out, separator, separator_len);
        }
    }
    luaL_pushresult(&out);
    return 1;
}

void wr_lua_open_patterns(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"find", string_find},     {"match", string_match},
        {"gmatch", string_gmatch}, {"gsub", string_gsub},
        {"rep", string_rep},       {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
