/* SPDX-License-Identifier: Apache-2.0
 *
 * Lua's patterns, compiled and matched by ourselves. The standard library's
 * matcher is a C loop that nothing can interrupt, and a pattern such as
 * "(.-)(.-)(.-)x" keeps it busy for hours on a short text. This one counts its
 * steps and looks at the state's watch. Compiled patterns are kept, so that a
 * pattern used for every record is read once. */
#ifndef WEIR_DSL_LUA_PATTERN_H
#define WEIR_DSL_LUA_PATTERN_H

#include "dsl/lua_state.h"

#define WR_PATTERN_CAPTURES_MAX 32

struct wr_pattern; /* a compiled pattern; memory of the Lua state */

struct wr_capture {
    const uint8_t *start;
    ptrdiff_t len; /* bytes, or WR_CAPTURE_POSITION */
};
#define WR_CAPTURE_OPEN     (-1)
#define WR_CAPTURE_POSITION (-2)

/** A match in progress. */
struct wr_matcher {
    struct lua_State *L;
    struct wr_lua *lua;
    struct weir_bytes subject;
    uint32_t steps;
    int depth;
    int capture_count;
    struct wr_capture captures[WR_PATTERN_CAPTURES_MAX];
};

/** The compiled form of the pattern at `index`; lent while the pattern text is
 * in use by the caller (its place in the cache is not). Pushes it, to keep it
 * alive. */
WR_MAY_JUMP const struct wr_pattern *wr_pattern_get(struct lua_State *L,
                                                    int index);
/** Whether it begins with '^'. */
bool wr_pattern_is_anchored(const struct wr_pattern *pattern);
/** The first place from `at` on where a match may begin; NULL: nowhere. */
const uint8_t *wr_pattern_skip(const struct wr_pattern *pattern,
                               struct weir_bytes subject, const uint8_t *at);
/** Matches at exactly `at`; returns the end of the match or NULL. */
WR_MAY_JUMP const uint8_t *wr_pattern_match(const struct wr_pattern *pattern,
                                            struct wr_matcher *matcher,
                                            const uint8_t *at);

#endif
