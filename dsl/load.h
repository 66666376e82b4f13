/* SPDX-License-Identifier: Apache-2.0
 *
 * From a file to a topology: `weir run`, `check` and `topology` take a Lua script
 * (.lua) or a shared object that exports weir_application() (.so). */
#ifndef WEIR_DSL_LOAD_H
#define WEIR_DSL_LOAD_H

#include "base/bytes.h"
#include "base/options.h"
#include "weir/weir.h"

struct wr_application; /* a loaded script or shared object */

/** Loads the file and builds its topology. `options` (lent for the application's
 *  life; may be NULL) has the limits of Lua.
 *  Errors: WEIR_E_LUA, WEIR_E_TOPOLOGY, WEIR_E_NOTFOUND, WEIR_E_CONFIG for a file
 *  that is neither; the text names file and line. *out is given. */
WEIR_MUST_CHECK enum weir_status
wr_application_load(const char *path, const struct wr_options *options,
                    struct wr_application **out, struct weir_error *err);
/** The name it gives itself, for application.id when none is set: the name in
 *  weir.app("..."), or the file's name without its ending. Lent. */
const char *wr_application_id(const struct wr_application *application);
/** The topology; the first call hands it over (weir_app_new takes it), later ones
 *  give NULL. Its code stays in the application. */
struct weir_topology *
wr_application_take_topology(struct wr_application *application);
/** Frees everything, after the app that runs the topology. NULL is fine. */
void wr_application_free(struct wr_application *application);

/** Looks for mistakes beyond those that loading finds and appends a line each,
 *  "file:line: text". Errors: as wr_application_load. */
WEIR_MUST_CHECK enum weir_status wr_application_check(const char *path,
                                                      struct wr_buf *out,
                                                      size_t *out_warnings,
                                                      struct weir_error *err);

#endif
