/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading an application, by the end of its file's name. A shared object stays
 * loaded until its application is freed, since the topology's nodes call into
 * it. */
#include "dsl/load.h"

#include "dsl/graph.h"
#include "dsl/lua_check.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PATH_BYTES_MAX 4096

struct wr_application {
    struct weir_builder *builder;
    struct weir_topology *topology; /* until it is taken */
    struct wr_lua_host *host;       /* of a script */
    void *object;                   /* of a shared object */
};

static bool ends_with(const char *text, const char *end)
{
    size_t text_len = strlen(text);
    size_t end_len = strlen(end);
    return text_len > end_len && strcmp(text + text_len - end_len, end) == 0;
}

static enum weir_status load_script(struct wr_application *application,
                                    const char *path,
                                    const struct wr_options *options,
                                    struct weir_error *err)
{
    struct wr_lua_limits bounds = {WR_LUA_MEMORY_BYTES_MAX, WR_LUA_CALL_MS_MAX};
    if (options) {
        bounds.memory_bytes_max =
            (size_t)wr_options_int(options, "weir.lua.memory.max.bytes");
        bounds.call_ms_max = wr_options_int(options, "weir.lua.call.max.ms");
    }
    return wr_lua_host_new(path, &bounds, application->builder,
                           &application->host, err);
}

static enum weir_status load_object(struct wr_application *application,
                                    const char *path, struct weir_error *err)
{
    /* Without a slash dlopen would look elsewhere than where the user does. */
    char name[PATH_BYTES_MAX];
    int n = snprintf(name, sizeof(name), "%s%s", strchr(path, '/') ? "" : "./",
                     path);
    if (n < 0 || (size_t)n >= sizeof(name)) {
        return weir_fail(err, WEIR_E_INVALID, "the path has %zu bytes",
                         strlen(path));
    }
    application->object = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!application->object) {
        return weir_fail(err, WEIR_E_INVALID, "%s: cannot be loaded: %s", path,
                         dlerror());
    }
    void *symbol = dlsym(application->object, "weir_application");
    if (!symbol) {
        return weir_fail(err, WEIR_E_INVALID,
                         "%s: exports no weir_application(); see weir/dsl.h",
                         path);
    }
    enum weir_status (*function)(struct weir_builder *, struct weir_error *);
    memcpy(&function, &symbol, sizeof(function));
    struct weir_error inner = {WEIR_OK, ""};
    enum weir_status status = function(application->builder, &inner);
    if (status != WEIR_OK) {
        return weir_fail(err, status, "%s: weir_application: %s", path,
                         inner.text[0] ? inner.text : weir_status_text(status));
    }
    return WEIR_OK;
}

static enum weir_status load(struct wr_application *application,
                             const char *path, const struct wr_options *options,
                             struct weir_error *err)
{
    if (access(path, R_OK) != 0) {
        return weir_fail(err, WEIR_E_NOTFOUND,
                         "%s: there is no such file, or "
                         "it may not be read",
                         path);
    }
    if (ends_with(path, ".lua")) {
        return load_script(application, path, options, err);
    }
    if (ends_with(path, ".so")) {
        return load_object(application, path, err);
    }
    return weir_fail(err, WEIR_E_INVALID,
                     "%s: an application is a Lua script (.lua) or a shared "
                     "object (.so)",
                     path);
}

enum weir_status wr_application_load(const char *path,
                                     const struct wr_options *options,
                                     struct wr_application **out,
                                     struct weir_error *err)
{
    struct wr_application *application = calloc(1, sizeof(*application));
    if (application) {
        application->builder = weir_builder_new();
    }
    if (!application || !application->builder) {
        wr_application_free(application);
        return weir_fail(err, WEIR_E_NOMEM, "no memory for an application");
    }
    enum weir_status status = load(application, path, options, err);
    if (status == WEIR_OK) {
        status = weir_builder_build(application->builder,
                                    &application->topology, err);
        if (status != WEIR_OK) {
            (void)weir_fail_prefix(err, status, "%s", path);
        }
    }
    if (status != WEIR_OK) {
        wr_application_free(application);
        return status;
    }
    if (application->host) {
        weir_topology_hook(application->topology,
                           wr_lua_host_hook(application->host));
    }
    *out = application;
    return WEIR_OK;
}

void wr_application_free(struct wr_application *application)
{
    if (!application) {
        return;
    }
    weir_topology_free(application->topology);
    wr_lua_host_free(application->host);
    weir_builder_free(application->builder);
    if (application->object) {
        dlclose(application->object);
    }
    free(application);
}

struct weir_topology *
wr_application_take_topology(struct wr_application *application)
{
    struct weir_topology *topology = application->topology;
    application->topology = NULL;
    return topology;
}

const char *wr_application_id(const struct wr_application *application)
{
    return application->builder->application_id;
}

enum weir_status wr_application_check(const char *path, struct wr_buf *report,
                                      size_t *out_warnings,
                                      struct weir_error *err)
{
    struct wr_application *application = NULL;
    enum weir_status status =
        wr_application_load(path, NULL, &application, err);
    if (status == WEIR_OK && application->host) {
        status = wr_lua_check(application->host, report, err);
    }
    wr_application_free(application);
    if (status != WEIR_OK) {
        return status;
    }
    struct weir_bytes lines = wr_buf_view(report);
    *out_warnings = 0;
    for (size_t i = 0; i < lines.len; i++) {
        *out_warnings += lines.data[i] == '\n';
    }
    return WEIR_OK;
}
