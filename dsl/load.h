/* SPDX-License-Identifier: Apache-2.0
 *
 * An application from a file: a Lua script or a shared object, as `weir run`
 * and `weir check` take it. */
#ifndef WEIR_DSL_LOAD_H
#define WEIR_DSL_LOAD_H

#include "base/options.h"
#include "dsl/sources.h"
#include "weir/dsl.h"

struct wr_application; /* a program, and what its topology's nodes point to */

/** Loads `path` (.lua or .so), builds and checks its topology. `options` (of
 *  runtime/config.h's table; may be NULL: the defaults) bound scripts. *out is
 * given: wr_application_free(), after weir_app_free(). Errors: WEIR_E_NOTFOUND,
 * WEIR_E_INVALID for a file that is neither, WEIR_E_LUA naming file and line,
 * WEIR_E_TOPOLOGY. */
WEIR_MUST_CHECK enum weir_status
wr_application_load(const char *path, const struct wr_options *options,
                    struct wr_application **out, struct weir_error *err);
/** As wr_application_load(), with files from `sources`, which is lent for the
 * application's life and sealed by it: the first load fills it, each later one
 * with the same set, here or in another process, makes the same application.
 */
WEIR_MUST_CHECK enum weir_status
wr_application_load_from(struct wr_sources *sources, const char *path,
                         const struct wr_options *options,
                         struct wr_application **out, struct weir_error *err);
/** Frees it, and the topology unless it was taken. NULL is fine. */
void wr_application_free(struct wr_application *application);
/** The topology, with the hook that scripts need. Given: weir_app_new() takes
 * it, else weir_topology_free(). NULL the second time. */
struct weir_topology *
wr_application_take_topology(struct wr_application *application);
/** The application.id that the program names, or NULL. Lent. */
const char *wr_application_id(const struct wr_application *application);

/** Loads and looks closer, for `weir check`: what is allowed but unwise goes to
 *  `report`, a line each. Errors: as wr_application_load, and WEIR_E_LUA for
 * names that a script uses but nobody defines. */
WEIR_MUST_CHECK enum weir_status wr_application_check(const char *path,
                                                      struct wr_buf *report,
                                                      size_t *out_warnings,
                                                      struct weir_error *err);

#endif
