/* SPDX-License-Identifier: Apache-2.0
 *
 * What a script's error looks like to the person who wrote the script:
 *
 *   word_count.lua:5: attempt to index a nil value (field 'user')
 *       5 |     return click.user.name
 *     called from word_count.lua:9
 *
 * Only frames of the script and of the modules it requires are shown; those of
 * C and of weir say nothing to its author. It is written into the state's own
 * buffer, so that it needs no memory of the state, of which there may be none
 * left. */
#include "dsl/lua_state.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdarg.h>
#include <stdio.h>

#define FRAMES_MAX 6   /* shown */
#define LEVELS_MAX 200 /* looked at */

struct text {
    char *at;
    size_t left; /* NUL included */
};

static void add(struct text *text, const char *format, ...) WEIR_PRINTF(2, 3);

static void add(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text->at, text->left, format, args);
    va_end(args);
    size_t written = n < 0 ? 0 : (size_t)n;
    written = written < text->left ? written : text->left - 1;
    text->at += written;
    text->left -= written;
}

static bool is_script(const lua_Debug *ar)
{
    return ar->source[0] == '@' && ar->currentline > 0;
}

static void add_source_line(struct text *text, const struct wr_lua *lua,
                            const lua_Debug *ar)
{
    struct weir_bytes line =
        wr_lua_source_line(lua, ar->source + 1, ar->currentline);
    if (line.data) {
        int n = line.len > 160 ? 160 : (int)line.len;
        add(text, "\n    %d | %.*s", ar->currentline, n,
            (const char *)line.data);
    }
}

static void add_frames(struct text *text, lua_State *L, const char *message)
{
    lua_Debug ar;
    int shown = 0;
    for (int level = 1; level < LEVELS_MAX && shown < FRAMES_MAX; level++) {
        if (!lua_getstack(L, level, &ar) || !lua_getinfo(L, "Sl", &ar)) {
            break;
        }
        if (!is_script(&ar)) {
            continue;
        }
        if (shown++ > 0) {
            add(text, "\n  called from %s:%d", ar.source + 1, ar.currentline);
            continue;
        }
        char place[160];
        snprintf(place, sizeof(place), "%s:%d:", ar.short_src, ar.currentline);
        if (strncmp(message, place, strlen(place)) != 0) {
            add(text, "\n  at %s:%d", ar.source + 1, ar.currentline);
        }
        add_source_line(text, wr_lua_of(L), &ar);
    }
}

int wr_lua_message(lua_State *L)
{
    struct wr_lua *lua = wr_lua_of(L);
    struct text text = {lua->error, sizeof(lua->error)};
    const char *message = lua_tostring(L, 1);
    if (message) {
        /* Leave room for the frames. */
        add(&text, "%.*s", (int)(sizeof(lua->error) / 2), message);
    } else {
        message = "";
        add(&text, "the script raised an error that is not a text but a %s",
            luaL_typename(L, 1));
    }
    add_frames(&text, L, message);
    return 1;
}
