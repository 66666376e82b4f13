/* SPDX-License-Identifier: Apache-2.0
 *
 * A script as an application: run once to make the topology, and again in a
 * state of its own for each stream thread, whose functions the nodes then call.
 * Nothing is shared between states. The runs must make the same program: a
 * script that asks the clock or a random number what to build is refused. */
#ifndef WEIR_DSL_LUA_HOST_H
#define WEIR_DSL_LUA_HOST_H

#include "dsl/lua_state.h"

struct wr_lua_host;

/** Runs the script; its verbs go to `builder`. It and the files that it
 * requires are taken from `files`, which is sealed by it: later runs have the
 * same text. Both are lent for the host's life. Errors: WEIR_E_LUA with the
 * script's file and line; WEIR_E_NOMEM. *out is given. Thread: any; it is
 * watched for the time of the call. */
WEIR_MUST_CHECK enum weir_status
wr_lua_host_new(const char *path, const struct wr_lua_limits *limits,
                struct wr_sources *files, struct weir_builder *builder,
                struct wr_lua_host **out, struct weir_error *err);
/** Frees the host and the first state; after weir_app_free(). NULL is fine. */
void wr_lua_host_free(struct wr_lua_host *host);
/** What makes a state for each thread; lent for the host's life. */
const struct weir_thread_hook *wr_lua_host_hook(const struct wr_lua_host *host);
/** What `weir check` should tell besides errors: a line each, "" when nothing.
 * Lent. */
const char *wr_lua_host_warnings(struct wr_lua_host *host);

/** The files that the script is made of: itself first, NULL past the last.
 * Lent. */
const char *wr_lua_host_file(const struct wr_lua_host *host, size_t index);

#endif
