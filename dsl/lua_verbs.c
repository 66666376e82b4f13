/* SPDX-License-Identifier: Apache-2.0
 *
 * The verbs as a script calls them. Each reads its arguments, makes a node with
 * what the callbacks need, and calls the same verb of weir/dsl.h, so that a
 * script and a C program that say the same have the same topology. Keys and
 * values have types: results have the type of what came in unless the verb is
 * told another, and a new key is text unless it is told another.
 *
 *   stream:verb(fn, options)    fn(value, key, record)
 *
 * Thread: the one that loads the script. */
#include "dsl/lua_build.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>

#define STORE_OPTIONS (WR_LUA_OPT_NAME | WR_LUA_OPT_STORE)
#define SOURCE_OPTIONS                                                         \
    (WR_LUA_OPT_KEY | WR_LUA_OPT_VALUE | WR_LUA_OPT_RESET |                    \
     WR_LUA_OPT_TIMESTAMP)

/* What every verb of a stream with a function begins with. */
struct call {
    struct wr_lua_build *build;
    const struct wr_lua_handle *in;
    struct wr_lua_node *node;
    struct wr_lua_options options;
};

static struct call begin(lua_State *L, enum wr_lua_handle_kind kind,
                         const char *verb, const char *how, unsigned allowed)
{
    struct call c = {.build = wr_lua_building(L, verb),
                     .in = wr_lua_check_handle(L, 1, kind)};
    c.node = wr_lua_node(L, verb, how, c.in);
    if (how) {
        c.node->fn = wr_lua_take_function(L, 2, verb);
    }
    wr_lua_read_options(L, how ? 3 : 2, verb, allowed, &c.options);
    if (c.options.has_key) {
        c.node->out_key = c.options.key;
    }
    if (c.options.has_value) {
        c.node->out_value = c.options.value;
    }
    return c;
}

/* What every verb ends with: the trace and the handle of its result. */
static int end(lua_State *L, const struct call *c, enum wr_lua_handle_kind kind,
               void *result)
{
    const struct wr_lua_node *n = c->node;
    const struct wr_lua_options *o = &c->options;
    wr_lua_check_builder(L, c->build, n->verb);
    wr_lua_trace(L, "%s name=%s store=%s%s%s%s key=%s value=%s", n->verb,
                 o->name ? o->name : "", o->store ? o->store : "",
                 o->memory ? " memory" : "", o->no_caching ? " uncached" : "",
                 o->no_changelog ? " unlogged" : "",
                 wr_lua_type_name(n->out_key), wr_lua_type_name(n->out_value));
    wr_lua_push_handle(L, kind, result, n->out_key, n->out_value);
    return 1;
}

/* Says, for `weir check`, that a store or topic has a name that counts verbs.
 */
static void warn_unnamed(lua_State *L, struct wr_lua_build *build,
                         const char *verb, const char *remedy)
{
    luaL_where(L, 1);
    wr_buf_printf(&build->warnings,
                  "%s %s: its name is generated and changes when verbs are "
                  "added before it, which loses its state; %s\n",
                  lua_tostring(L, -1), verb, remedy);
    lua_pop(L, 1);
}

/* ---- the app ------------------------------------------------------------- */

static int weir_app(lua_State *L)
{
    struct wr_lua_build *build = wr_lua_building(L, "weir.app");
    size_t len = 0;
    const char *name = luaL_checklstring(L, 1, &len);
    luaL_argcheck(L, strlen(name) == len, 1, "a zero byte in a name");
    weir_builder_application(build->builder, name);
    wr_lua_check_builder(L, build, "weir.app");
    if (build->has_app) {
        return luaL_error(L, "weir.app: a script has one app");
    }
    build->has_app = true;
    wr_lua_trace(L, "app %s", name);
    wr_lua_push_handle(L, WR_LUA_APP, NULL, WR_LUA_BYTES, WR_LUA_BYTES);
    return 1;
}

/* Topics: one text or a list of them; memory of Lua. */
static const char **read_topics(lua_State *L, int index, size_t *out_count)
{
    size_t count = lua_istable(L, index) ? lua_rawlen(L, index) : 1;
    const char **topics =
        lua_newuserdatauv(L, (count + 1) * sizeof(*topics), 0);
    for (size_t i = 0; i < count; i++) {
        if (lua_istable(L, index)) {
            lua_rawgeti(L, index, (lua_Integer)i + 1);
        } else {
            lua_pushvalue(L, index);
        }
        if (lua_type(L, -1) != LUA_TSTRING) {
            luaL_error(L, "a topic's name must be a text, not a %s",
                       luaL_typename(L, -1));
        }
        topics[i] = lua_tostring(L, -1);
        wr_lua_trace(L, "topic %s", topics[i]);
        lua_pop(L, 1);
    }
    *out_count = count;
    return topics;
}

static struct weir_consumed consumed(const struct call *c)
{
    struct weir_consumed options = {
        .size = sizeof(options),
        .name = c->options.name,
        .key_serde = wr_lua_type_serde(c->node->out_key),
        .value_serde = wr_lua_type_serde(c->node->out_value),
        .reset = c->options.reset,
    };
    if (c->options.has_function) {
        options.timestamp = wr_lua_on_timestamp;
        options.timestamp_user = c->node;
    }
    return options;
}

/* The function that came as an option becomes the node's. */
static void take_option_function(const struct call *c)
{
    if (c->options.has_function) {
        c->node->fn = c->options.function;
    }
}

static struct call begin_source(lua_State *L, const char *verb,
                                unsigned allowed)
{
    struct call c = {.build = wr_lua_building(L, verb),
                     .in = wr_lua_check_handle(L, 1, WR_LUA_APP)};
    c.node = wr_lua_node(L, verb, NULL, c.in);
    wr_lua_read_options(L, 3, verb, SOURCE_OPTIONS | allowed, &c.options);
    c.node->out_key = c.options.has_key ? c.options.key : WR_LUA_BYTES;
    c.node->out_value = c.options.has_value ? c.options.value : WR_LUA_BYTES;
    c.node->in_key = c.node->out_key;
    c.node->in_value = c.node->out_value;
    take_option_function(&c);
    return c;
}

static int app_stream(lua_State *L)
{
    struct call c = begin_source(L, "stream", WR_LUA_OPT_NAME);
    size_t count;
    const char **topics = read_topics(L, 2, &count);
    struct weir_consumed options = consumed(&c);
    return end(L, &c, WR_LUA_STREAM,
               weir_builder_streams(c.build->builder, topics, count, &options));
}

static int app_table(lua_State *L)
{
    struct call c = begin_source(L, "table", STORE_OPTIONS);
    const char *topic = luaL_checkstring(L, 2);
    wr_lua_trace(L, "topic %s", topic);
    struct weir_consumed options = consumed(&c);
    struct weir_materialized rows;
    return end(
        L, &c, WR_LUA_TABLE,
        weir_builder_table(c.build->builder, topic, &options,
                           wr_lua_materialized(&c.options, c.node->out_key,
                                               c.node->out_value, &rows)));
}

/* ---- streams ------------------------------------------------------------- */

static int stream_filter(lua_State *L)
{
    struct call c = begin(L, WR_LUA_STREAM, "filter", "", WR_LUA_OPT_NAME);
    return end(L, &c, WR_LUA_STREAM,
               weir_stream_filter(c.in->object, wr_lua_on_predicate, c.node,
                                  c.options.name));
}

static int stream_filter_not(lua_State *L)
{
    struct call c = begin(L, WR_LUA_STREAM, "filter_not", "", WR_LUA_OPT_NAME);
    return end(L, &c, WR_LUA_STREAM,
               weir_stream_filter_not(c.in->object, wr_lua_on_predicate, c.node,
                                      c.options.name));
}

static int stream_map(lua_State *L)
{
    struct call c = begin(L, WR_LUA_STREAM, "map", "map(fn, {? = weir.*})",
                          WR_LUA_OPT_NAME | WR_LUA_OPT_KEY | WR_LUA_OPT_VALUE);
    return end(
        L, &c, WR_LUA_STREAM,
        weir_stream_map(c.in->object, wr_lua_on_pair, c.node, c.options.name));
}

static int stream_map_values(lua_State *L)
{
    struct call c =
        begin(L, WR_LUA_STREAM, "map_values", "map_values(fn, weir.*)",
              WR_LUA_OPT_NAME | WR_LUA_OPT_VALUE);
    return end(L, &c, WR_LUA_STREAM,
               weir_stream_map_values(c.in->object, wr_lua_on_value, c.node,
                                      c.options.name));
}

static int stream_flat_map(lua_State *L)
{
    struct call c =
        begin(L, WR_LUA_STREAM, "flat_map", "flat_map(fn, {? = weir.*})",
              WR_LUA_OPT_NAME | WR_LUA_OPT_KEY | WR_LUA_OPT_VALUE);
    return end(L, &c, WR_LUA_STREAM,
               weir_stream_flat_map(c.in->object, wr_lua_on_flat, c.node,
                                    c.options.name));
}

static int stream_flat_map_values(lua_State *L)
{
    struct call c = begin(L, WR_LUA_STREAM, "flat_map_values",
                          "flat_map_values(fn, weir.*)",
                          WR_LUA_OPT_NAME | WR_LUA_OPT_VALUE);
    return end(L, &c, WR_LUA_STREAM,
               weir_stream_flat_map_values(c.in->object, wr_lua_on_flat_values,
                                           c.node, c.options.name));
}

static int stream_select_key(lua_State *L)
{
    struct call c =
        begin(L, WR_LUA_STREAM, "select_key", "select_key(fn, {key = weir.*})",
              WR_LUA_OPT_NAME | WR_LUA_OPT_KEY);
    if (!c.options.has_key) {
        c.node->out_key = WR_LUA_TEXT;
    }
    return end(L, &c, WR_LUA_STREAM,
               weir_stream_select_key(c.in->object, wr_lua_on_key, c.node,
                                      c.options.name));
}

static int stream_peek(lua_State *L)
{
    struct call c = begin(L, WR_LUA_STREAM, "peek", "", WR_LUA_OPT_NAME);
    return end(L, &c, WR_LUA_STREAM,
               weir_stream_peek(c.in->object, wr_lua_on_action, c.node,
                                c.options.name));
}

static int stream_foreach(lua_State *L)
{
    struct call c = begin(L, WR_LUA_STREAM, "foreach", "", WR_LUA_OPT_NAME);
    weir_stream_foreach(c.in->object, wr_lua_on_action, c.node, c.options.name);
    (void)end(L, &c, WR_LUA_STREAM, NULL);
    return 0;
}

static int stream_merge(lua_State *L)
{
    struct wr_lua_build *build = wr_lua_building(L, "merge");
    const struct wr_lua_handle *in = wr_lua_check_handle(L, 1, WR_LUA_STREAM);
    const struct wr_lua_handle *other =
        wr_lua_check_handle(L, 2, WR_LUA_STREAM);
    if (in->key != other->key || in->value != other->value) {
        return luaL_error(
            L,
            "merge: one stream has %s keys and %s values, the other %s and "
            "%s: bring them to the same types with map first",
            wr_lua_type_name(in->key), wr_lua_type_name(in->value),
            wr_lua_type_name(other->key), wr_lua_type_name(other->value));
    }
    struct call c = {.build = build, .in = in};
    c.node = wr_lua_node(L, "merge", NULL, in);
    wr_lua_read_options(L, 3, "merge", WR_LUA_OPT_NAME, &c.options);
    return end(L, &c, WR_LUA_STREAM,
               weir_stream_merge(in->object, other->object, c.options.name));
}

static int stream_repartition(lua_State *L)
{
    struct call c =
        begin(L, WR_LUA_STREAM, "repartition", NULL,
              WR_LUA_OPT_NAME | WR_LUA_OPT_PARTITIONS | WR_LUA_OPT_PARTITION);
    struct weir_repartitioned options = {
        .size = sizeof(options),
        .name = c.options.name,
        .partitions = c.options.partitions,
        .key_serde = wr_lua_type_serde(c.in->key),
        .value_serde = wr_lua_type_serde(c.in->value),
    };
    if (!options.name) {
        warn_unnamed(L, c.build, "repartition", "give it a name");
    }
    if (c.options.has_function) {
        take_option_function(&c);
        options.partition = wr_lua_on_partition;
        options.partition_user = c.node;
    }
    return end(L, &c, WR_LUA_STREAM,
               weir_stream_repartition(c.in->object, &options));
}

/* to(topic [, type or options]): a type given here is a check. */
static int stream_to(lua_State *L)
{
    struct wr_lua_build *build = wr_lua_building(L, "to");
    const struct wr_lua_handle *in = wr_lua_check_handle(L, 1, WR_LUA_STREAM);
    const char *topic = luaL_checkstring(L, 2);
    struct call c = {.build = build, .in = in};
    c.node = wr_lua_node(L, "to", NULL, in);
    wr_lua_read_options(L, 3, "to",
                        WR_LUA_OPT_NAME | WR_LUA_OPT_KEY | WR_LUA_OPT_VALUE |
                            WR_LUA_OPT_PARTITION,
                        &c.options);
    const struct wr_lua_options *o = &c.options;
    bool wrong_value = o->has_value && o->value != in->value;
    if (wrong_value || (o->has_key && o->key != in->key)) {
        return luaL_error(
            L, "to: the stream's %s are %s, not %s: convert them with %s first",
            wrong_value ? "values" : "keys",
            wr_lua_type_name(wrong_value ? in->value : in->key),
            wr_lua_type_name(wrong_value ? o->value : o->key),
            wrong_value ? "map_values" : "map");
    }
    struct weir_produced options = {.size = sizeof(options), .name = o->name};
    if (o->has_function) {
        take_option_function(&c);
        options.partition = wr_lua_on_partition;
        options.partition_user = c.node;
    }
    weir_stream_to(in->object, topic, &options);
    wr_lua_trace(L, "topic %s", topic);
    (void)end(L, &c, WR_LUA_STREAM, NULL);
    return 0;
}

static int stream_to_table(lua_State *L)
{
    struct call c = begin(L, WR_LUA_STREAM, "to_table", NULL, STORE_OPTIONS);
    struct weir_materialized rows;
    return end(L, &c, WR_LUA_TABLE,
               weir_stream_to_table(c.in->object, c.options.name,
                                    wr_lua_materialized(&c.options, c.in->key,
                                                        c.in->value, &rows)));
}

/* ---- grouping ------------------------------------------------------------ */

static struct weir_grouping grouping(const struct call *c)
{
    return (struct weir_grouping){
        .size = sizeof(struct weir_grouping),
        .name = c->options.name,
        .key_serde = wr_lua_type_serde(c->node->out_key),
        .value_serde = wr_lua_type_serde(c->node->out_value),
    };
}

static int stream_group_by(lua_State *L)
{
    struct call c =
        begin(L, WR_LUA_STREAM, "group_by", "group_by(fn, {key = weir.*})",
              WR_LUA_OPT_NAME | WR_LUA_OPT_KEY);
    if (!c.options.has_key) {
        c.node->out_key = WR_LUA_TEXT;
    }
    struct weir_grouping options = grouping(&c);
    return end(
        L, &c, WR_LUA_GROUPED,
        weir_stream_group_by(c.in->object, wr_lua_on_key, c.node, &options));
}

static int stream_group_by_key(lua_State *L)
{
    struct call c =
        begin(L, WR_LUA_STREAM, "group_by_key", NULL, WR_LUA_OPT_NAME);
    struct weir_grouping options = grouping(&c);
    return end(L, &c, WR_LUA_GROUPED,
               weir_stream_group_by_key(c.in->object, &options));
}

static int table_group_by(lua_State *L)
{
    struct call c =
        begin(L, WR_LUA_TABLE, "group_by", "group_by(fn, {? = weir.*})",
              WR_LUA_OPT_NAME | WR_LUA_OPT_KEY | WR_LUA_OPT_VALUE);
    if (!c.options.has_key) {
        c.node->out_key = WR_LUA_TEXT;
    }
    struct weir_grouping options = grouping(&c);
    return end(
        L, &c, WR_LUA_GROUPED_TABLE,
        weir_table_group_by(c.in->object, wr_lua_on_pair, c.node, &options));
}

/* ---- tables -------------------------------------------------------------- */

static int table_filter(lua_State *L)
{
    struct call c = begin(L, WR_LUA_TABLE, "filter", "", STORE_OPTIONS);
    struct weir_materialized rows;
    return end(L, &c, WR_LUA_TABLE,
               weir_table_filter(c.in->object, wr_lua_on_predicate, c.node,
                                 c.options.name,
                                 wr_lua_materialized(&c.options, c.in->key,
                                                     c.in->value, &rows)));
}

static int table_filter_not(lua_State *L)
{
    struct call c = begin(L, WR_LUA_TABLE, "filter_not", "", STORE_OPTIONS);
    struct weir_materialized rows;
    return end(L, &c, WR_LUA_TABLE,
               weir_table_filter_not(c.in->object, wr_lua_on_predicate, c.node,
                                     c.options.name,
                                     wr_lua_materialized(&c.options, c.in->key,
                                                         c.in->value, &rows)));
}

static int table_map_values(lua_State *L)
{
    struct call c =
        begin(L, WR_LUA_TABLE, "map_values", "map_values(fn, {value = weir.*})",
              STORE_OPTIONS | WR_LUA_OPT_VALUE);
    struct weir_materialized rows;
    return end(L, &c, WR_LUA_TABLE,
               weir_table_map_values(
                   c.in->object, wr_lua_on_value, c.node, c.options.name,
                   wr_lua_materialized(&c.options, c.in->key, c.node->out_value,
                                       &rows)));
}

static int table_to_stream(lua_State *L)
{
    struct call c = begin(L, WR_LUA_TABLE, "to_stream", NULL, WR_LUA_OPT_NAME);
    return end(L, &c, WR_LUA_STREAM,
               weir_table_to_stream(c.in->object, c.options.name));
}

/* table:to(topic) is table:to_stream():to(topic). */
static int table_to(lua_State *L)
{
    const struct wr_lua_handle *in = wr_lua_check_handle(L, 1, WR_LUA_TABLE);
    (void)wr_lua_building(L, "to");
    wr_lua_push_handle(L, WR_LUA_STREAM, weir_table_to_stream(in->object, NULL),
                       in->key, in->value);
    lua_replace(L, 1);
    return stream_to(L);
}

/* ---- aggregates ---------------------------------------------------------- */

static void warn_store(lua_State *L, const struct call *c)
{
    if (!c->options.store) {
        warn_unnamed(L, c->build, c->node->verb,
                     "name its store, as in {store = \"totals\"}");
    }
}

static int grouped_count(lua_State *L, enum wr_lua_handle_kind kind)
{
    struct call c = begin(L, kind, "count", NULL, STORE_OPTIONS);
    c.node->out_value = WR_LUA_INT64;
    struct weir_materialized rows;
    const struct weir_materialized *m =
        wr_lua_materialized(&c.options, c.in->key, WR_LUA_INT64, &rows);
    warn_store(L, &c);
    return end(L, &c, WR_LUA_TABLE,
               kind == WR_LUA_GROUPED
                   ? weir_grouped_count(c.in->object, c.options.name, m)
                   : weir_grouped_table_count(c.in->object, c.options.name, m));
}

static int stream_count(lua_State *L)
{
    return grouped_count(L, WR_LUA_GROUPED);
}

static int table_count(lua_State *L)
{
    return grouped_count(L, WR_LUA_GROUPED_TABLE);
}

/* The function in field `name` of the table at 2; none when it may be missing.
 */
static struct wr_lua_function field_function(lua_State *L, const char *verb,
                                             const char *name, bool required)
{
    struct wr_lua_function fn = {WR_LUA_NO_FUNCTION, 0};
    int type = lua_getfield(L, 2, name);
    if (type == LUA_TFUNCTION) {
        fn = wr_lua_take_function(L, lua_gettop(L), verb);
    } else if (type != LUA_TNIL || required) {
        luaL_error(L, "%s: '%s' must be a function, not a %s", verb, name,
                   luaL_typename(L, -1));
    }
    lua_pop(L, 1);
    return fn;
}

/* reduce(fn, options), for tables reduce{add = fn, subtract = fn, ...}. */
static int stream_reduce(lua_State *L)
{
    struct call c = begin(L, WR_LUA_GROUPED, "reduce", "", STORE_OPTIONS);
    struct weir_materialized rows;
    (void)wr_lua_materialized(&c.options, c.in->key, c.in->value, &rows);
    warn_store(L, &c);
    return end(L, &c, WR_LUA_TABLE,
               weir_grouped_reduce(c.in->object, wr_lua_on_add, c.node,
                                   c.options.name, &rows));
}

/* Reads {init =, add =, subtract =, value =, store = ...}. An init that is not
 * a function is the value that a row begins with, the same for all. */
static struct call begin_aggregate(lua_State *L, enum wr_lua_handle_kind kind,
                                   const char *verb, bool with_init)
{
    struct call c = {.build = wr_lua_building(L, verb),
                     .in = wr_lua_check_handle(L, 1, kind)};
    if (!lua_istable(L, 2)) {
        luaL_error(L,
                   "%s: a table is due, as in %s{%sadd = function(row, "
                   "value, key) ... end}",
                   verb, verb, with_init ? "init = 0, " : "");
    }
    c.node = wr_lua_node(
        L, verb, with_init ? "aggregate{value = weir.*, ...}" : "", c.in);
    wr_lua_read_options(L, 2, verb,
                        STORE_OPTIONS | WR_LUA_OPT_ADD |
                            (with_init ? WR_LUA_OPT_VALUE : 0),
                        &c.options);
    if (c.options.has_value) {
        c.node->out_value = c.options.value;
    }
    c.node->fn = field_function(L, verb, "add", true);
    if (kind == WR_LUA_GROUPED_TABLE) {
        c.node->subtract = field_function(L, verb, "subtract", true);
    }
    if (with_init) {
        c.node->init = field_function(L, verb, "init", true);
    }
    return c;
}

static int aggregate(lua_State *L, enum wr_lua_handle_kind kind)
{
    struct call c = begin_aggregate(L, kind, "aggregate", true);
    struct weir_aggregator aggregator = {
        .size = sizeof(aggregator),
        .init = wr_lua_on_init,
        .add = wr_lua_on_add,
        .subtract = wr_lua_on_subtract,
        .user = c.node,
    };
    struct weir_materialized rows;
    (void)wr_lua_materialized(&c.options, c.in->key, c.node->out_value, &rows);
    warn_store(L, &c);
    return end(L, &c, WR_LUA_TABLE,
               kind == WR_LUA_GROUPED
                   ? weir_grouped_aggregate(c.in->object, &aggregator,
                                            c.options.name, &rows)
                   : weir_grouped_table_aggregate(c.in->object, &aggregator,
                                                  c.options.name, &rows));
}

static int stream_aggregate(lua_State *L)
{
    return aggregate(L, WR_LUA_GROUPED);
}

static int table_aggregate(lua_State *L)
{
    return aggregate(L, WR_LUA_GROUPED_TABLE);
}

static int table_reduce(lua_State *L)
{
    struct call c = begin_aggregate(L, WR_LUA_GROUPED_TABLE, "reduce", false);
    struct weir_aggregator aggregator = {
        .size = sizeof(aggregator),
        .add = wr_lua_on_add,
        .subtract = wr_lua_on_subtract,
        .user = c.node,
    };
    struct weir_materialized rows;
    (void)wr_lua_materialized(&c.options, c.in->key, c.in->value, &rows);
    warn_store(L, &c);
    return end(L, &c, WR_LUA_TABLE,
               weir_grouped_table_reduce(c.in->object, &aggregator,
                                         c.options.name, &rows));
}

/* ---- the module ---------------------------------------------------------- */

static const luaL_Reg app_methods[] = {
    {"stream", app_stream}, {"table", app_table}, {NULL, NULL}};
static const luaL_Reg stream_methods[] = {
    {"filter", stream_filter},
    {"filter_not", stream_filter_not},
    {"map", stream_map},
    {"map_values", stream_map_values},
    {"flat_map", stream_flat_map},
    {"flat_map_values", stream_flat_map_values},
    {"select_key", stream_select_key},
    {"peek", stream_peek},
    {"foreach", stream_foreach},
    {"merge", stream_merge},
    {"repartition", stream_repartition},
    {"process", wr_lua_process_verb},
    {"to", stream_to},
    {"to_table", stream_to_table},
    {"group_by", stream_group_by},
    {"group_by_key", stream_group_by_key},
    {NULL, NULL}};
static const luaL_Reg table_methods[] = {{"filter", table_filter},
                                         {"filter_not", table_filter_not},
                                         {"map_values", table_map_values},
                                         {"to_stream", table_to_stream},
                                         {"to", table_to},
                                         {"group_by", table_group_by},
                                         {NULL, NULL}};
static const luaL_Reg grouped_methods[] = {{"count", stream_count},
                                           {"reduce", stream_reduce},
                                           {"aggregate", stream_aggregate},
                                           {NULL, NULL}};
static const luaL_Reg grouped_table_methods[] = {{"count", table_count},
                                                 {"reduce", table_reduce},
                                                 {"aggregate", table_aggregate},
                                                 {NULL, NULL}};

/* An unknown verb: what the object is and what it knows. Upvalues: the object's
 * name, the table of methods. */
static int unknown_verb(lua_State *L)
{
    const char *name = luaL_tolstring(L, 2, NULL);
    luaL_Buffer known;
    luaL_buffinit(L, &known);
    const char *separator = "";
    const luaL_Reg *methods = lua_touserdata(L, lua_upvalueindex(2));
    for (; methods->name; methods++) {
        luaL_addstring(&known, separator);
        luaL_addstring(&known, methods->name);
        separator = ", ";
    }
    luaL_pushresult(&known);
    return luaL_error(L, "a %s has no verb '%s'; it has %s",
                      lua_tostring(L, lua_upvalueindex(1)), name,
                      lua_tostring(L, -1));
}

static void open_kind(lua_State *L, const char *kind, const luaL_Reg *methods)
{
    luaL_newmetatable(L, kind);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_createtable(L, 0, 2);
    lua_pushstring(L, kind);
    lua_pushlightuserdata(L, (void *)(uintptr_t)methods);
    lua_pushcclosure(L, unknown_verb, 2);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

void wr_lua_open_module(lua_State *L)
{
    open_kind(L, "app", app_methods);
    open_kind(L, "stream", stream_methods);
    open_kind(L, "table", table_methods);
    open_kind(L, "grouped stream", grouped_methods);
    open_kind(L, "grouped table", grouped_table_methods);
    wr_lua_open_process(L);
    lua_newtable(L);
    wr_lua_open_types(L);
    lua_pushcfunction(L, weir_app);
    lua_setfield(L, -2, "app");
    lua_pushcfunction(L, wr_lua_kv);
    lua_setfield(L, -2, "kv");
    lua_pushstring(L, weir_version());
    lua_setfield(L, -2, "version");
}
