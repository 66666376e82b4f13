/* SPDX-License-Identifier: Apache-2.0
 *
 * An application from a file: a Lua script or a shared object, as `weir run`
 * and `weir check` take it. */
#ifndef WEIR_DSL_LOAD_H
#define WEIR_DSL_LOAD_H

#include "weir/dsl.h"

struct wr_application; /* what the topology's nodes point to */

/** Bounds for scripts; 0 takes the default. */
struct wr_application_limits {
    size_t
        lua_memory_bytes_max; /* weir.lua.memory.max.bytes, per stream thread */
    int64_t lua_call_ms_max;  /* weir.lua.call.max.ms, per record */
};

/** Loads `path` (.lua or .so), builds and checks its topology. `limits` may be
 * NULL. *out_topology is given: weir_app_new() takes it, else
 * weir_topology_free(). *out is given: wr_application_free(), after
 * weir_app_free(). Errors: WEIR_E_NOTFOUND, WEIR_E_INVALID for a file that is
 * neither, WEIR_E_LUA naming file and line, WEIR_E_TOPOLOGY. */
WEIR_MUST_CHECK enum weir_status wr_application_load(
    const char *path, const struct wr_application_limits *limits,
    struct wr_application **out, struct weir_topology **out_topology,
    struct weir_error *err);
void wr_application_free(struct wr_application *application);
/** The application.id that the program names, or NULL. Lent. */
const char *wr_application_id(const struct wr_application *application);
/** What is allowed but unwise in the program: lines of text, "" when nothing.
 * Lent. */
const char *wr_application_warnings(struct wr_application *application);

#endif
