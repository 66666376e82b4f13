/* SPDX-License-Identifier: Apache-2.0
 *
 * A pattern becomes a row of items, each one thing to match: a set of bytes
 * with its repetition, the edge of a capture, %b, %f, a reference back, the end
 * of the text. Sets are bit maps, so a class costs the same as a letter.
 * Matching backtracks by recursion, as deep as the pattern has items; every
 * step is counted and every 4096th looks whether the call is to be stopped; so
 * is every byte that an item passes over without giving it back. */
#include "dsl/lua_pattern.h"

#include <ctype.h>
#include <lauxlib.h>
#include <lua.h>

#define DEPTH_MAX         200  /* of backtracking */
#define STEPS_PER_LOOK    4096 /* a power of two */
#define COMPARED_PER_LOOK 4096 /* bytes of a capture, compared in one step */
#define CACHED_MAX        64   /* compiled patterns in a state */

enum item_kind {
    ITEM_SET, /* one byte of the set, repeated as `repeat` says */
    ITEM_OPEN,
    ITEM_OPEN_POSITION,
    ITEM_CLOSE,
    ITEM_BALANCED,  /* from byte `a` to the byte `b` that closes it */
    ITEM_FRONTIER,  /* between a byte not in the set and one in it */
    ITEM_REFERENCE, /* the text of capture `a` again */
    ITEM_END,       /* '$': only at the end of the subject */
    ITEM_DONE
};

struct item {
    uint8_t kind;
    uint8_t repeat; /* 0, '*', '+', '-' or '?' */
    uint8_t a, b;
    uint32_t set[8]; /* a bit per byte */
};

struct wr_pattern {
    bool anchored;
    size_t count;
    struct item items[];
};

/* ---- compiling --------------------------------------------------------------
 */

struct compiler {
    lua_State *L;
    const uint8_t *at, *end;
};

static void set_add(struct item *item, unsigned c)
{
    item->set[c >> 5] |= 1u << (c & 31);
}

static bool set_has(const struct item *item, uint8_t c)
{
    return item->set[c >> 5] >> (c & 31) & 1;
}

static bool in_class(int c, int letter)
{
    switch (letter) {
    case 'a':
        return isalpha(c);
    case 'c':
        return iscntrl(c);
    case 'd':
        return isdigit(c);
    case 'g':
        return isgraph(c);
    case 'l':
        return islower(c);
    case 'p':
        return ispunct(c);
    case 's':
        return isspace(c);
    case 'u':
        return isupper(c);
    case 'w':
        return isalnum(c);
    case 'x':
        return isxdigit(c);
    case 'z':
        return c == 0;
    default:
        return false;
    }
}

/* Adds what %letter means: a class, its complement, or the letter itself. */
static void set_add_escaped(struct item *item, uint8_t letter)
{
    int lower = tolower(letter);
    if (!strchr("acdglpsuwxz", lower) || !letter) {
        set_add(item, letter);
        return;
    }
    for (int c = 0; c < 256; c++) {
        if (in_class(c, lower) == (lower == letter)) {
            set_add(item, (unsigned)c);
        }
    }
}

static uint8_t next_byte(struct compiler *c, const char *missing)
{
    if (c->at == c->end) {
        luaL_error(c->L, "malformed pattern (%s)", missing);
    }
    return *c->at++;
}

/* After '[': up to and including ']'. The first byte is never the end. */
static void compile_set(struct compiler *c, struct item *item)
{
    static const char missing[] = "missing ']'";
    bool complement = c->at < c->end && *c->at == '^';
    c->at += complement;
    bool first = true;
    for (;; first = false) {
        uint8_t byte = next_byte(c, missing);
        if (byte == ']' && !first) {
            break;
        }
        if (byte == '%') {
            set_add_escaped(item, next_byte(c, missing));
        } else if (c->end - c->at >= 2 && c->at[0] == '-' && c->at[1] != ']') {
            for (unsigned b = byte; b <= c->at[1]; b++) {
                set_add(item, b);
            }
            c->at += 2;
        } else {
            set_add(item, byte);
        }
    }
    for (int i = 0; complement && i < 8; i++) {
        item->set[i] = ~item->set[i];
    }
}

/* After '%', when it may begin something else than a class. False: a class. */
static bool compile_special(struct compiler *c, struct item *item)
{
    uint8_t letter = next_byte(c, "ends with '%'");
    if (letter == 'b') {
        item->kind = ITEM_BALANCED;
        item->a = next_byte(c, "missing arguments to '%b'");
        item->b = next_byte(c, "missing arguments to '%b'");
    } else if (letter == 'f') {
        item->kind = ITEM_FRONTIER;
        if (next_byte(c, "missing '[' after '%f' in pattern") != '[') {
            luaL_error(c->L, "missing '[' after '%%f' in pattern");
        }
        compile_set(c, item);
    } else if (isdigit(letter)) {
        item->kind = ITEM_REFERENCE;
        item->a = (uint8_t)(letter - '1');
    } else {
        set_add_escaped(item, letter);
        return false;
    }
    return true;
}

static void compile_item(struct compiler *c, struct item *item)
{
    uint8_t byte = *c->at++;
    if (byte == '(') {
        bool position = c->at < c->end && *c->at == ')';
        c->at += position;
        item->kind = position ? ITEM_OPEN_POSITION : ITEM_OPEN;
        return;
    }
    if (byte == ')') {
        item->kind = ITEM_CLOSE;
        return;
    }
    if (byte == '$' && c->at == c->end) {
        item->kind = ITEM_END;
        return;
    }
    if (byte == '%') {
        if (compile_special(c, item)) {
            return;
        }
    } else if (byte == '[') {
        compile_set(c, item);
    } else if (byte == '.') {
        memset(item->set, 0xff, sizeof(item->set));
    } else {
        set_add(item, byte);
    }
    if (c->at < c->end && strchr("*+-?", *c->at) && *c->at) {
        item->repeat = *c->at++;
    }
}

/* Pushes the compiled pattern. */
static const struct wr_pattern *compile(lua_State *L, struct weir_bytes text)
{
    size_t room =
        sizeof(struct wr_pattern) + (text.len + 1) * sizeof(struct item);
    struct wr_pattern *pattern = lua_newuserdatauv(L, room, 0);
    memset(pattern, 0, room);
    struct compiler c = {L, text.data, text.data + text.len};
    if (c.at < c.end && *c.at == '^') {
        pattern->anchored = true;
        c.at++;
    }
    while (c.at < c.end) {
        compile_item(&c, &pattern->items[pattern->count++]);
    }
    pattern->items[pattern->count].kind = ITEM_DONE;
    return pattern;
}

static const char cache_key = 'p';

const struct wr_pattern *wr_pattern_get(lua_State *L, int index)
{
    size_t len;
    const char *text = luaL_checklstring(L, index, &len);
    index = lua_absindex(L, index);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &cache_key) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_createtable(L, 1, CACHED_MAX);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &cache_key);
    }
    lua_pushvalue(L, index);
    if (lua_rawget(L, -2) == LUA_TUSERDATA) {
        lua_remove(L, -2);
        return lua_touserdata(L, -1);
    }
    lua_pop(L, 1);
    const struct wr_pattern *pattern = compile(L, weir_bytes(text, len));
    /* [1] counts the entries; a full cache is begun anew. */
    lua_rawgeti(L, -2, 1);
    lua_Integer count = lua_tointeger(L, -1);
    lua_pop(L, 1);
    if (count >= CACHED_MAX) {
        lua_createtable(L, 1, CACHED_MAX);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &cache_key);
        lua_replace(L, -3);
        count = 0;
    }
    lua_pushinteger(L, count + 1);
    lua_rawseti(L, -3, 1);
    lua_pushvalue(L, index);
    lua_pushvalue(L, -2);
    lua_rawset(L, -4);
    lua_remove(L, -2);
    return pattern;
}

bool wr_pattern_is_anchored(const struct wr_pattern *pattern)
{
    return pattern->anchored;
}

/* ---- matching ------------------------------------------------------------ */

static const uint8_t *run(struct wr_matcher *m, const struct item *item,
                          const uint8_t *s);

static const uint8_t *subject_end(const struct wr_matcher *m)
{
    return m->subject.data + m->subject.len;
}

static void step(struct wr_matcher *m)
{
    if ((++m->steps & (STEPS_PER_LOOK - 1)) == 0) {
        wr_lua_check_doomed(m->lua, m->L);
    }
}

static bool fits(const struct wr_matcher *m, const struct item *item,
                 const uint8_t *s)
{
    return s < subject_end(m) && set_has(item, *s);
}

/* As many as there are, then fewer, until the rest matches. */
static const uint8_t *run_longest(struct wr_matcher *m, const struct item *item,
                                  const uint8_t *s)
{
    const uint8_t *first = s + (item->repeat == '+');
    while (fits(m, item, s)) {
        s++;
    }
    if (s >= first && item[1].kind == ITEM_DONE) {
        return s;
    }
    for (; s >= first; s--) {
        const uint8_t *end = run(m, item + 1, s);
        if (end) {
            return end;
        }
    }
    return NULL;
}

/* As few as possible. */
static const uint8_t *run_shortest(struct wr_matcher *m,
                                   const struct item *item, const uint8_t *s)
{
    for (;; s++) {
        const uint8_t *end = run(m, item + 1, s);
        if (end || !fits(m, item, s)) {
            return end;
        }
    }
}

static const uint8_t *run_open(struct wr_matcher *m, const struct item *item,
                               const uint8_t *s)
{
    if (m->capture_count >= WR_PATTERN_CAPTURES_MAX) {
        luaL_error(m->L, "too many captures");
    }
    m->captures[m->capture_count++] = (struct wr_capture){
        s, item->kind == ITEM_OPEN ? WR_CAPTURE_OPEN : WR_CAPTURE_POSITION};
    const uint8_t *end = run(m, item + 1, s);
    if (!end) {
        m->capture_count--;
    }
    return end;
}

static const uint8_t *run_close(struct wr_matcher *m, const struct item *item,
                                const uint8_t *s)
{
    int open = m->capture_count - 1;
    while (open >= 0 && m->captures[open].len != WR_CAPTURE_OPEN) {
        open--;
    }
    if (open < 0) {
        luaL_error(m->L, "invalid pattern capture");
        return NULL;
    }
    m->captures[open].len = s - m->captures[open].start;
    const uint8_t *end = run(m, item + 1, s);
    if (!end) {
        m->captures[open].len = WR_CAPTURE_OPEN;
    }
    return end;
}

static const uint8_t *skip_balanced(struct wr_matcher *m,
                                    const struct item *item, const uint8_t *s)
{
    if (s == subject_end(m) || *s != item->a) {
        return NULL;
    }
    size_t open = 1;
    while (++s < subject_end(m)) {
        step(m);
        if (*s == item->b) {
            if (--open == 0) {
                return s + 1;
            }
        } else if (*s == item->a) {
            open++;
        }
    }
    return NULL;
}

static const uint8_t *skip_reference(struct wr_matcher *m,
                                     const struct item *item, const uint8_t *s)
{
    if (item->a >= m->capture_count ||
        m->captures[item->a].len == WR_CAPTURE_OPEN) {
        luaL_error(m->L, "invalid capture index %%%d", item->a + 1);
    }
    ptrdiff_t len = m->captures[item->a].len;
    if (len >= COMPARED_PER_LOOK) {
        wr_lua_check_doomed(m->lua, m->L);
    }
    if (len < 0 || subject_end(m) - s < len ||
        memcmp(m->captures[item->a].start, s, (size_t)len) != 0) {
        return NULL;
    }
    return s + len;
}

static bool at_frontier(const struct wr_matcher *m, const struct item *item,
                        const uint8_t *s)
{
    uint8_t before = s == m->subject.data ? 0 : s[-1];
    uint8_t after = s == subject_end(m) ? 0 : *s;
    return !set_has(item, before) && set_has(item, after);
}

static const uint8_t *run_repeated(struct wr_matcher *m,
                                   const struct item *item, const uint8_t *s)
{
    switch (item->repeat) {
    case '?': {
        const uint8_t *end = fits(m, item, s) ? run(m, item + 1, s + 1) : NULL;
        return end ? end : run(m, item + 1, s);
    }
    case '-':
        return run_shortest(m, item, s);
    default:
        return run_longest(m, item, s);
    }
}

static const uint8_t *run_items(struct wr_matcher *m, const struct item *item,
                                const uint8_t *s)
{
    for (; s; item++) {
        step(m);
        switch ((enum item_kind)item->kind) {
        case ITEM_SET:
            if (item->repeat) {
                return run_repeated(m, item, s);
            }
            s = fits(m, item, s) ? s + 1 : NULL;
            break;
        case ITEM_OPEN:
        case ITEM_OPEN_POSITION:
            return run_open(m, item, s);
        case ITEM_CLOSE:
            return run_close(m, item, s);
        case ITEM_BALANCED:
            s = skip_balanced(m, item, s);
            break;
        case ITEM_FRONTIER:
            s = at_frontier(m, item, s) ? s : NULL;
            break;
        case ITEM_REFERENCE:
            s = skip_reference(m, item, s);
            break;
        case ITEM_END:
            s = s == subject_end(m) ? s : NULL;
            break;
        case ITEM_DONE:
            return s;
        }
    }
    return NULL;
}

static const uint8_t *run(struct wr_matcher *m, const struct item *item,
                          const uint8_t *s)
{
    if (++m->depth > DEPTH_MAX) {
        luaL_error(m->L, "pattern too complex");
    }
    const uint8_t *end = run_items(m, item, s);
    m->depth--;
    return end;
}

const uint8_t *wr_pattern_skip(const struct wr_pattern *pattern,
                               struct weir_bytes subject, const uint8_t *at)
{
    const struct item *first = pattern->items;
    const uint8_t *end = subject.data + subject.len;
    if (first->kind != ITEM_SET || (first->repeat && first->repeat != '+')) {
        return at;
    }
    while (at < end && !set_has(first, *at)) {
        at++;
    }
    return at < end ? at : NULL;
}

const uint8_t *wr_pattern_match(const struct wr_pattern *pattern,
                                struct wr_matcher *m, const uint8_t *at)
{
    m->capture_count = 0;
    m->depth = 0;
    return run(m, pattern->items, at);
}
