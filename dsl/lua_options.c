/* SPDX-License-Identifier: Apache-2.0
 *
 * The options of verbs in a script: one table of fields for all verbs, so that
 * the same word means the same everywhere and a misspelt one is refused with
 * the nearest that the verb knows. */
#include "dsl/lua_build.h"

#include "base/options.h"

#include <lauxlib.h>
#include <lua.h>

#define CONFIG_MAX 32

struct reading {
    lua_State *L;
    const char *verb;
    const char *field;
    int value; /* stack index */
    struct wr_lua_options *out;
};

static void wrong(const struct reading *r, const char *due)
{
    luaL_error(r->L, "%s: '%s' must be %s, not a %s", r->verb, r->field, due,
               luaL_typename(r->L, r->value));
}

static const char *read_text(const struct reading *r)
{
    if (lua_type(r->L, r->value) != LUA_TSTRING) {
        wrong(r, "a text");
    }
    return lua_tostring(r->L, r->value);
}

static bool read_bool(const struct reading *r)
{
    if (!lua_isboolean(r->L, r->value)) {
        wrong(r, "true or false");
    }
    return lua_toboolean(r->L, r->value);
}

static enum wr_lua_type read_type(const struct reading *r)
{
    enum wr_lua_type type = WR_LUA_BYTES;
    if (!wr_lua_is_type(r->L, r->value, &type)) {
        wrong(r, "a type such as weir.text");
    }
    return type;
}

/* ---- fields -------------------------------------------------------------- */

static void set_name(const struct reading *r)
{
    r->out->name = read_text(r);
}

static void set_key(const struct reading *r)
{
    r->out->key = read_type(r);
    r->out->has_key = true;
}

static void set_value(const struct reading *r)
{
    r->out->value = read_type(r);
    r->out->has_value = true;
}

static void set_store(const struct reading *r)
{
    r->out->store = read_text(r);
    r->out->has_store_options = true;
}

static void set_memory(const struct reading *r)
{
    r->out->memory = read_bool(r);
    r->out->has_store_options = true;
}

static void set_caching(const struct reading *r)
{
    r->out->no_caching = !read_bool(r);
    r->out->has_store_options = true;
}

static void set_changelog(const struct reading *r)
{
    r->out->no_changelog = !read_bool(r);
    r->out->has_store_options = true;
}

/* {["retention.ms"] = "1000"} as "retention.ms=1000", sorted by nobody: Kafka
 * does not care, and the trace has no room for it. */
static void set_changelog_config(const struct reading *r)
{
    lua_State *L = r->L;
    if (!lua_istable(L, r->value)) {
        wrong(r, "a table of names and values");
    }
    struct weir_builder *builder = wr_lua_building(L, r->verb)->builder;
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, r->value); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || count >= CONFIG_MAX) {
            luaL_error(L, "%s: changelog_config has %s", r->verb,
                       count >= CONFIG_MAX ? "more than 32 entries"
                                           : "a name that is not a text");
        }
        const char *value = luaL_tolstring(L, -1, NULL);
        const char *pair =
            lua_pushfstring(L, "%s=%s", lua_tostring(L, -3), value);
        r->out->changelog_config[count++] = wr_graph_text(builder, pair);
        lua_pop(L, 2);
    }
    r->out->has_store_options = true;
}

static void set_reset(const struct reading *r)
{
    const char *text = read_text(r);
    if (strcmp(text, "earliest") == 0) {
        r->out->reset = WEIR_RESET_EARLIEST;
    } else if (strcmp(text, "latest") == 0) {
        r->out->reset = WEIR_RESET_LATEST;
    } else {
        luaL_error(r->L,
                   "%s: reset must be \"earliest\" or \"latest\", not "
                   "\"%s\"",
                   r->verb, text);
    }
}

static void set_partitions(const struct reading *r)
{
    int whole = 0;
    lua_Integer n = lua_tointegerx(r->L, r->value, &whole);
    if (!whole || n < 1 || n > 100000) {
        luaL_error(r->L, "%s: partitions must be an integer from 1 to 100000",
                   r->verb);
    }
    r->out->partitions = (int32_t)n;
}

static void set_function(const struct reading *r)
{
    if (!lua_isfunction(r->L, r->value)) {
        wrong(r, "a function");
    }
    r->out->function = wr_lua_take_function(r->L, r->value, r->verb);
    r->out->has_function = true;
}

static void set_elsewhere(const struct reading *r)
{
    (void)r;
}

static const struct field {
    const char *name;
    unsigned option;
    void (*set)(const struct reading *);
} fields[] = {
    {"name", WR_LUA_OPT_NAME, set_name},
    {"key", WR_LUA_OPT_KEY, set_key},
    {"value", WR_LUA_OPT_VALUE, set_value},
    {"store", WR_LUA_OPT_STORE, set_store},
    {"memory", WR_LUA_OPT_STORE | WR_LUA_OPT_KV, set_memory},
    {"caching", WR_LUA_OPT_STORE, set_caching},
    {"changelog", WR_LUA_OPT_STORE | WR_LUA_OPT_KV, set_changelog},
    {"changelog_config", WR_LUA_OPT_STORE, set_changelog_config},
    {"reset", WR_LUA_OPT_RESET, set_reset},
    {"partitions", WR_LUA_OPT_PARTITIONS, set_partitions},
    {"timestamp", WR_LUA_OPT_TIMESTAMP, set_function},
    {"partition", WR_LUA_OPT_PARTITION, set_function},
    {"init", WR_LUA_OPT_ADD, set_elsewhere},
    {"add", WR_LUA_OPT_ADD, set_elsewhere},
    {"subtract", WR_LUA_OPT_ADD, set_elsewhere},
    {"open", WR_LUA_OPT_PROCESS, set_elsewhere},
    {"each", WR_LUA_OPT_PROCESS, set_elsewhere},
    {"close", WR_LUA_OPT_PROCESS, set_elsewhere},
    {"stores", WR_LUA_OPT_PROCESS, set_elsewhere},
};
#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

/* ---- reading ------------------------------------------------------------- */

static void unknown_field(struct reading *r, unsigned allowed)
{
    const char *known[FIELD_COUNT + 1];
    size_t n = 0;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (fields[i].option & allowed) {
            known[n++] = fields[i].name;
        }
    }
    known[n] = NULL;
    const char *nearest = wr_nearest_name(r->field, known);
    if (nearest) {
        luaL_error(r->L, "%s: unknown option '%s': did you mean '%s'?", r->verb,
                   r->field, nearest);
    }
    luaL_error(r->L, "%s: unknown option '%s'", r->verb, r->field);
}

static void read_table(struct reading *r, int index, unsigned allowed)
{
    lua_State *L = r->L;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING) {
            luaL_error(L, "%s: the options must be named, as in {name = \"x\"}",
                       r->verb);
        }
        r->field = lua_tostring(L, -2);
        r->value = lua_gettop(L);
        size_t i = 0;
        while (i < FIELD_COUNT && (!(fields[i].option & allowed) ||
                                   strcmp(fields[i].name, r->field) != 0)) {
            i++;
        }
        if (i == FIELD_COUNT) {
            unknown_field(r, allowed);
        }
        fields[i].set(r);
    }
}

void wr_lua_read_options(lua_State *L, int index, const char *verb,
                         unsigned allowed, struct wr_lua_options *out)
{
    *out = (struct wr_lua_options){0};
    struct reading r = {L, verb, NULL, index, out};
    enum wr_lua_type type;
    if (!lua_isnone(L, index + 1)) {
        luaL_error(L,
                   "%s: something comes after the options; give one table, as "
                   "in {name = \"x\", ...}",
                   verb);
    }
    if (lua_isnoneornil(L, index)) {
        return;
    }
    if (lua_type(L, index) == LUA_TSTRING &&
        (allowed & (WR_LUA_OPT_STORE | WR_LUA_OPT_NAME))) {
        r.field = "the name";
        if (allowed & WR_LUA_OPT_STORE) {
            set_store(&r);
        } else {
            set_name(&r);
        }
    } else if (wr_lua_is_type(L, index, &type) &&
               (allowed & (WR_LUA_OPT_KEY | WR_LUA_OPT_VALUE))) {
        if (allowed & WR_LUA_OPT_VALUE) {
            set_value(&r);
        } else {
            set_key(&r);
        }
    } else if (lua_istable(L, index)) {
        read_table(&r, index, allowed);
    } else {
        luaL_error(L,
                   "%s: the options must be a table, a name or a type, not "
                   "a %s",
                   verb, luaL_typename(L, index));
    }
}

const struct weir_materialized *
wr_lua_materialized(const struct wr_lua_options *options, enum wr_lua_type key,
                    enum wr_lua_type value, struct weir_materialized *out)
{
    *out = (struct weir_materialized){
        .size = sizeof(*out),
        .name = options->store,
        .key_serde = wr_lua_type_serde(key),
        .value_serde = wr_lua_type_serde(value),
        .engine = options->memory ? WEIR_MEMORY : WEIR_ROCKSDB,
        .no_caching = options->no_caching,
        .no_changelog = options->no_changelog,
        .changelog_config =
            options->changelog_config[0] ? options->changelog_config : NULL,
    };
    return options->has_store_options ? out : NULL;
}
