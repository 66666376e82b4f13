/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading JSON (RFC 8259) straight into Lua values. Everything is checked:
 * depth, numbers, escapes, surrogates, UTF-8, and that nothing follows. A text
 * without escapes, the common case, is one scan and one copy. Writing is in
 * lua_json_write.c. */
#include "dsl/lua_json.h"

#include "runtime/serde.h"

#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>

#define NUMBER_BYTES_MAX 400 /* digits, sign, dot, exponent */
#define FIRST_SIZE       4   /* room of a new table: most have about that */

static const char array_key = 'a'; /* registry: the arrays' metatable */

struct reader {
    lua_State *L;
    const uint8_t *start, *at, *end;
    int depth;
};

static void fail(const struct reader *r, const char *what)
{
    luaL_error(r->L, "not JSON: %s at byte %d", what,
               (int)(r->at - r->start) + 1);
}

static void skip_blanks(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' ||
                              *r->at == '\t' || *r->at == '\r')) {
        r->at++;
    }
}

/* The next byte that is not blank, not taken; 0 at the end. */
static uint8_t peek(struct reader *r)
{
    skip_blanks(r);
    return r->at < r->end ? *r->at : 0;
}

/* ---- texts --------------------------------------------------------------- */

static unsigned read_hex4(struct reader *r)
{
    unsigned code = 0;
    if (r->end - r->at < 4) {
        fail(r, "a \\u escape is cut short");
    }
    for (int i = 0; i < 4; i++) {
        uint8_t c = *r->at++;
        unsigned digit = c - '0';
        if (c >= 'a' && c <= 'f') {
            digit = c - 'a' + 10u;
        } else if (c >= 'A' && c <= 'F') {
            digit = c - 'A' + 10u;
        } else if (c < '0' || c > '9') {
            fail(r, "a \\u escape has a wrong digit");
        }
        code = code << 4 | digit;
    }
    return code;
}

static void add_code_point(luaL_Buffer *out, unsigned code)
{
    if (code < 0x80) {
        luaL_addchar(out, (char)code);
    } else if (code < 0x800) {
        luaL_addchar(out, (char)(0xc0 | code >> 6));
        luaL_addchar(out, (char)(0x80 | (code & 0x3f)));
    } else if (code < 0x10000) {
        luaL_addchar(out, (char)(0xe0 | code >> 12));
        luaL_addchar(out, (char)(0x80 | (code >> 6 & 0x3f)));
        luaL_addchar(out, (char)(0x80 | (code & 0x3f)));
    } else {
        luaL_addchar(out, (char)(0xf0 | code >> 18));
        luaL_addchar(out, (char)(0x80 | (code >> 12 & 0x3f)));
        luaL_addchar(out, (char)(0x80 | (code >> 6 & 0x3f)));
        luaL_addchar(out, (char)(0x80 | (code & 0x3f)));
    }
}

static void read_unicode_escape(struct reader *r, luaL_Buffer *out)
{
    unsigned code = read_hex4(r);
    if (code >= 0xdc00 && code <= 0xdfff) {
        fail(r, "half of a surrogate pair");
    }
    if (code >= 0xd800 && code <= 0xdbff) {
        if (r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u') {
            fail(r, "half of a surrogate pair");
        }
        r->at += 2;
        unsigned low = read_hex4(r);
        if (low < 0xdc00 || low > 0xdfff) {
            fail(r, "half of a surrogate pair");
        }
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    add_code_point(out, code);
}

static void read_escape(struct reader *r, luaL_Buffer *out)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    uint8_t c = r->at < r->end ? *r->at++ : 0;
    const char *found = c ? strchr(letters, c) : NULL;
    if (found) {
        luaL_addchar(out, meanings[found - letters]);
    } else if (c == 'u') {
        read_unicode_escape(r, out);
    } else {
        fail(r, "an unknown escape");
    }
}

/* The bytes up to the next quote, escape or control character. */
static struct weir_bytes plain_part(struct reader *r, bool *non_ascii)
{
    const uint8_t *start = r->at;
    uint8_t all = 0;
    while (r->at < r->end && *r->at != '"' && *r->at != '\\' &&
           *r->at >= 0x20) {
        all |= *r->at++;
    }
    *non_ascii = *non_ascii || all >= 0x80;
    return weir_bytes(start, (size_t)(r->at - start));
}

static void check_utf8(struct reader *r, struct weir_bytes part)
{
    size_t at;
    if (!wr_utf8_valid(part, &at)) {
        r->at = part.data + at;
        fail(r, "a text that is not UTF-8");
    }
}

static void read_text(struct reader *r)
{
    bool non_ascii = false;
    r->at++;
    struct weir_bytes part = plain_part(r, &non_ascii);
    if (non_ascii) {
        check_utf8(r, part);
    }
    if (r->at < r->end && *r->at == '"') {
        r->at++;
        lua_pushlstring(r->L, (const char *)part.data, part.len);
        return;
    }
    luaL_Buffer out;
    luaL_buffinit(r->L, &out);
    luaL_addlstring(&out, (const char *)part.data, part.len);
    while (r->at < r->end && *r->at == '\\') {
        r->at++;
        read_escape(r, &out);
        non_ascii = false;
        part = plain_part(r, &non_ascii);
        if (non_ascii) {
            check_utf8(r, part);
        }
        luaL_addlstring(&out, (const char *)part.data, part.len);
    }
    if (r->at == r->end || *r->at != '"') {
        fail(r, r->at == r->end ? "a text without its end"
                                : "a control character in a text");
    }
    r->at++;
    luaL_pushresult(&out);
}

/* ---- numbers ------------------------------------------------------------- */

static size_t skip_digits(struct reader *r)
{
    const uint8_t *start = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
        r->at++;
    }
    if (r->at == start) {
        fail(r, "a number without a digit where one is due");
    }
    return (size_t)(r->at - start);
}

/* Pushes the integer of these digits; false when it needs more than 64 bits. */
static bool push_integer(struct reader *r, const uint8_t *digits, bool negative)
{
    uint64_t value = 0;
    for (const uint8_t *d = digits; d < r->at; d++) {
        uint64_t digit = (uint64_t)(*d - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    if (value > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    lua_pushinteger(r->L, (lua_Integer)(negative ? 0 - value : value));
    return true;
}

static void push_float(struct reader *r, const uint8_t *start)
{
    char text[NUMBER_BYTES_MAX + 1];
    size_t len = (size_t)(r->at - start);
    if (len > NUMBER_BYTES_MAX) {
        fail(r, "a number of more than 400 characters");
    }
    memcpy(text, start, len);
    text[len] = '\0';
    double value = strtod(text, NULL);
    if (value - value != 0) {
        fail(r, "a number too large for a double");
    }
    lua_pushnumber(r->L, value);
}

static void read_number(struct reader *r)
{
    const uint8_t *start = r->at;
    bool negative = *r->at == '-';
    r->at += negative;
    const uint8_t *digits = r->at;
    size_t count = skip_digits(r);
    if (count > 1 && *digits == '0') {
        fail(r, "a number that begins with 0");
    }
    bool whole = true;
    if (r->at < r->end && *r->at == '.') {
        whole = false;
        r->at++;
        skip_digits(r);
    }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        whole = false;
        r->at++;
        r->at += r->at < r->end && (*r->at == '+' || *r->at == '-');
        skip_digits(r);
    }
    bool minus_zero = negative && count == 1 && *digits == '0';
    if (!whole || minus_zero || !push_integer(r, digits, negative)) {
        push_float(r, start);
    }
}

/* ---- values -------------------------------------------------------------- */

static void read_value(struct reader *r);

static void enter(struct reader *r)
{
    r->at++;
    if (++r->depth > WR_JSON_DEPTH_MAX) {
        fail(r, "more than 512 levels");
    }
    luaL_checkstack(r->L, 4, "JSON");
}

static void read_array(struct reader *r)
{
    enter(r);
    lua_createtable(r->L, FIRST_SIZE, 0);
    wr_json_mark_array(r->L, -1);
    lua_Integer n = 0;
    if (peek(r) == ']') {
        r->at++;
        r->depth--;
        return;
    }
    for (;;) {
        read_value(r);
        lua_rawseti(r->L, -2, ++n);
        uint8_t c = peek(r);
        if (c != ',' && c != ']') {
            fail(r, "',' or ']' is missing");
        }
        r->at++;
        if (c == ']') {
            break;
        }
    }
    r->depth--;
}

static void read_object(struct reader *r)
{
    enter(r);
    lua_createtable(r->L, 0, FIRST_SIZE);
    if (peek(r) == '}') {
        r->at++;
        r->depth--;
        return;
    }
    for (;;) {
        if (peek(r) != '"') {
            fail(r, "a key in quotes is missing");
        }
        read_text(r);
        if (peek(r) != ':') {
            fail(r, "':' is missing");
        }
        r->at++;
        read_value(r);
        lua_rawset(r->L, -3);
        uint8_t c = peek(r);
        if (c != ',' && c != '}') {
            fail(r, "',' or '}' is missing");
        }
        r->at++;
        if (c == '}') {
            break;
        }
    }
    r->depth--;
}

static void read_word(struct reader *r, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0) {
        fail(r, "a value is missing");
    }
    r->at += len;
}

static void read_value(struct reader *r)
{
    switch (peek(r)) {
    case '"':
        read_text(r);
        break;
    case '{':
        read_object(r);
        break;
    case '[':
        read_array(r);
        break;
    case 't':
        read_word(r, "true");
        lua_pushboolean(r->L, true);
        break;
    case 'f':
        read_word(r, "false");
        lua_pushboolean(r->L, false);
        break;
    case 'n':
        read_word(r, "null");
        wr_json_push_null(r->L);
        break;
    default:
        if (r->at < r->end &&
            (*r->at == '-' || (*r->at >= '0' && *r->at <= '9'))) {
            read_number(r);
        } else {
            fail(r, "a value is missing");
        }
    }
}

void wr_json_decode(lua_State *L, struct weir_bytes text)
{
    struct reader r = {L, text.data, text.data, text.data + text.len, 0};
    luaL_checkstack(L, 4, "JSON");
    read_value(&r);
    if (peek(&r) || r.at < r.end) {
        fail(&r, "something follows the value");
    }
}

/* ---- marks --------------------------------------------------------------- */

void wr_json_open(lua_State *L)
{
    lua_createtable(L, 0, 2);
    lua_pushliteral(L, "array");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &array_key);
}

void wr_json_push_null(lua_State *L)
{
    lua_pushlightuserdata(L, NULL);
}

void wr_json_mark_array(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key);
    lua_setmetatable(L, index);
}

bool wr_json_is_array(lua_State *L, int index)
{
    if (!lua_getmetatable(L, index)) {
        return false;
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}
