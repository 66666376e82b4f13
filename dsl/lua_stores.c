/* SPDX-License-Identifier: Apache-2.0
 *
 * A store as a script sees it:
 *
 *   store:get(key)            value or nil       store:put(key, value)
 *   store:put_if_absent(key, value)  former      store:delete(key)
 *   store:range(from, to [, "reverse"])          store:prefix(key)
 *   store:scan(["reverse"])                      store:count()   about
 *
 *   for key, value in ctx.seen:scan() do ... end
 *
 * Iterators are closed at their end, when the loop is left, and in any case
 * when the callback returns. They see the store as it was when they were made.
 * The bytes of keys and values on their way to the store live for one call of a
 * method, so that a callback may make any number of calls. */
#include "dsl/lua_process.h"

#include "runtime/scope.h"

#include <lauxlib.h>
#include <lua.h>

#define PUT_BYTES_MAX ((size_t)256 << 20) /* of one call */

struct store_ref {
    struct wr_lua_instance *instance;
    struct weir_store *store;
    const struct wr_lua_process_store *spec;
    struct wr_arena_mark scope; /* of this call of a method */
};

static struct store_ref self(lua_State *L)
{
    const struct wr_lua_object *object =
        wr_lua_object(L, 1, WR_LUA_STORE_MAGIC, "store");
    struct wr_lua_instance *instance = *object->home;
    return (struct store_ref){instance, instance->stores[object->store],
                              &instance->node->process->stores[object->store],
                              wr_scope_begin(instance->ctx)};
}

/* The end of a method that gives `results` values; one that raises an error
 * leaves its memory to the callback. */
static int finish(const struct store_ref *s, int results)
{
    wr_scope_end(s->instance->ctx, &s->scope);
    return results;
}

static struct weir_bytes take(lua_State *L, int index,
                              const struct store_ref *s, bool is_key)
{
    struct wr_lua_place place = {s->spec->name, "was given",
                                 is_key ? "key" : "value",
                                 "weir.kv{? = weir.*}"};
    struct weir_bytes bytes =
        wr_lua_take(L, index, is_key ? s->spec->key : s->spec->value,
                    s->instance->ctx, &place);
    if (is_key && !bytes.data) {
        luaL_error(L, "store '%s': the key is nil", s->spec->name);
    }
    return bytes;
}

/* ---- single keys --------------------------------------------------------- */

static int store_get(lua_State *L)
{
    struct store_ref s = self(L);
    struct weir_bytes value = WEIR_NULL;
    wr_lua_must(L, weir_store_get(s.store, take(L, 2, &s, true), &value));
    wr_lua_push(L, s.spec->value, value);
    return finish(&s, 1);
}

/* What is put is held in memory until the commit, which is not before the call
 * returns. */
static void check_puts(lua_State *L, const struct store_ref *s,
                       struct weir_bytes key, struct weir_bytes value)
{
    s->instance->put_bytes += key.len + value.len;
    if (s->instance->put_bytes > PUT_BYTES_MAX) {
        luaL_error(L,
                   "store '%s': more than %d MiB were put in one call; does "
                   "the loop end?",
                   s->spec->name, (int)(PUT_BYTES_MAX >> 20));
    }
}

static int store_put(lua_State *L)
{
    struct store_ref s = self(L);
    struct weir_bytes key = take(L, 2, &s, true);
    struct weir_bytes value = take(L, 3, &s, false);
    check_puts(L, &s, key, value);
    wr_lua_must(L, weir_store_put(s.store, key, value));
    return finish(&s, 0);
}

static int store_put_if_absent(lua_State *L)
{
    struct store_ref s = self(L);
    struct weir_bytes key = take(L, 2, &s, true);
    struct weir_bytes value = take(L, 3, &s, false);
    struct weir_bytes old = WEIR_NULL;
    check_puts(L, &s, key, value);
    wr_lua_must(L, weir_store_put_if_absent(s.store, key, value, &old));
    wr_lua_push(L, s.spec->value, old);
    return finish(&s, 1);
}

static int store_delete(lua_State *L)
{
    struct store_ref s = self(L);
    struct weir_bytes key = take(L, 2, &s, true);
    check_puts(L, &s, key, WEIR_NULL);
    wr_lua_must(L, weir_store_delete(s.store, key));
    return finish(&s, 0);
}

static int store_count(lua_State *L)
{
    struct store_ref s = self(L);
    lua_pushinteger(L, weir_store_approximate_count(s.store));
    return 1;
}

/* ---- iterators ----------------------------------------------------------- */

struct wr_lua_iterator {
    struct wr_lua_object object;    /* store: index of the store */
    struct weir_iterator *iterator; /* NULL once closed */
    struct wr_lua_iterator *next;   /* of the instance's open ones */
};

static void close_one(struct wr_lua_iterator *it)
{
    if (!it->iterator) {
        return;
    }
    weir_iterator_close(it->iterator);
    it->iterator = NULL;
    struct wr_lua_iterator **link = &(*it->object.home)->iterators;
    while (*link && *link != it) {
        link = &(*link)->next;
    }
    if (*link) {
        *link = it->next;
    }
}

void wr_lua_close_iterators(struct wr_lua_instance *instance)
{
    while (instance->iterators) {
        close_one(instance->iterators);
    }
}

static int iterator_close(lua_State *L)
{
    struct wr_lua_iterator *it = lua_touserdata(L, 1);
    if (it && lua_rawlen(L, 1) == sizeof(*it) &&
        it->object.magic == WR_LUA_ITERATOR_MAGIC) {
        close_one(it);
    }
    return 0;
}

static int iterator_next(lua_State *L)
{
    struct wr_lua_iterator *it = (struct wr_lua_iterator *)wr_lua_object(
        L, 1, WR_LUA_ITERATOR_MAGIC, "iterator");
    struct wr_lua_instance *instance = *it->object.home;
    const struct wr_lua_process_store *spec =
        &instance->node->process->stores[it->object.store];
    struct weir_bytes key, value;
    if (!it->iterator) {
        return luaL_error(L, "the iterator is closed");
    }
    if (weir_iterator_next(it->iterator, &key, &value, NULL)) {
        instance->emitted = 0;
        wr_lua_push(L, spec->key, key);
        wr_lua_push(L, spec->value, value);
        return 2;
    }
    wr_lua_must(L, weir_iterator_status(it->iterator));
    close_one(it);
    return 0;
}

/* Makes the userdata first, so that an error leaks nothing. */
static struct wr_lua_iterator *new_iterator(lua_State *L)
{
    return (struct wr_lua_iterator *)wr_lua_new_object(
        L, 1, WR_LUA_ITERATOR_MAGIC, sizeof(struct wr_lua_iterator),
        "iterator");
}

/* Returns what a for loop wants: function, state, control, and what to close.
 */
static int return_iterator(lua_State *L, struct wr_lua_iterator *it)
{
    struct wr_lua_instance *instance = *it->object.home;
    it->next = instance->iterators;
    instance->iterators = it;
    lua_pushcfunction(L, iterator_next);
    lua_insert(L, -2);
    lua_pushnil(L);
    lua_pushvalue(L, -2);
    return 4;
}

static int range(lua_State *L, const struct store_ref *s,
                 struct weir_bytes from, struct weir_bytes to, int order)
{
    static const char *const orders[] = {"forward", "reverse", NULL};
    bool reverse = luaL_checkoption(L, order, "forward", orders) == 1;
    struct wr_lua_iterator *it = new_iterator(L);
    wr_lua_must(L,
                weir_store_range(s->store, from, to, reverse, &it->iterator));
    return finish(s, return_iterator(L, it));
}

static int store_range(lua_State *L)
{
    struct store_ref s = self(L);
    struct weir_bytes from =
        lua_isnoneornil(L, 2) ? WEIR_NULL : take(L, 2, &s, true);
    struct weir_bytes to =
        lua_isnoneornil(L, 3) ? WEIR_NULL : take(L, 3, &s, true);
    return range(L, &s, from, to, 4);
}

static int store_scan(lua_State *L)
{
    struct store_ref s = self(L);
    return range(L, &s, WEIR_NULL, WEIR_NULL, 2);
}

static int store_prefix(lua_State *L)
{
    struct store_ref s = self(L);
    struct weir_bytes prefix = take(L, 2, &s, true);
    struct wr_lua_iterator *it = new_iterator(L);
    wr_lua_must(L, weir_store_prefix(s.store, prefix, &it->iterator));
    return finish(&s, return_iterator(L, it));
}

/* ---- putting it together ------------------------------------------------- */

void wr_lua_open_stores(lua_State *L)
{
    static const luaL_Reg methods[] = {{"get", store_get},
                                       {"put", store_put},
                                       {"put_if_absent", store_put_if_absent},
                                       {"delete", store_delete},
                                       {"count", store_count},
                                       {"range", store_range},
                                       {"scan", store_scan},
                                       {"prefix", store_prefix},
                                       {NULL, NULL}};
    luaL_newmetatable(L, "store");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    luaL_newmetatable(L, "iterator");
    lua_pushcfunction(L, iterator_close);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, iterator_close);
    lua_setfield(L, -2, "__close");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}
