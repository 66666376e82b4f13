/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading an application, by the end of its file's name. A shared object stays
 * loaded until its application is freed, since the topology's nodes call into
 * it.
 *
 * A shared object is loaded by its path, which debuggers and $ORIGIN need, as
 * long as the file is what was kept of it; else from a file in memory. */
#include "dsl/load.h"

#include "base/fs.h"
#include "dsl/graph.h"
#include "dsl/lua_check.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PATH_BYTES_MAX 4096

struct wr_application {
    struct weir_builder *builder;
    struct weir_topology *topology; /* until it is taken */
    struct wr_sources *own;         /* files, unless they are lent */
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
                                    struct wr_sources *sources,
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
    return wr_lua_host_new(path, &bounds, sources, application->builder,
                           &application->host, err);
}

static bool file_is(const char *path, struct weir_bytes kept)
{
    struct wr_buf now;
    struct weir_error ignored;
    wr_buf_init(&now, WR_SOURCE_OBJECT_BYTES_MAX);
    bool same = wr_file_read(path, &now, &ignored) == WEIR_OK &&
                wr_bytes_equal(wr_buf_view(&now), kept);
    wr_buf_done(&now);
    return same;
}

static void *open_in_memory(const char *path, struct weir_bytes kept,
                            struct weir_error *err)
{
    char name[64];
    int fd = memfd_create("weir-application", MFD_CLOEXEC);
    void *object = NULL;
    if (fd >= 0 &&
        wr_write_all(fd, kept.data, kept.len, path, err) == WEIR_OK) {
        (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
        object = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return object;
}

/* Opens what was kept of the shared object at path. */
static enum weir_status open_object(struct wr_application *application,
                                    struct wr_sources *sources,
                                    const char *path, struct weir_error *err)
{
    /* Without a slash dlopen would look elsewhere than where the user does. */
    char name[PATH_BYTES_MAX];
    struct weir_bytes kept;
    int n = snprintf(name, sizeof(name), "%s%s", strchr(path, '/') ? "" : "./",
                     path);
    if (n < 0 || (size_t)n >= sizeof(name)) {
        return weir_fail(err, WEIR_E_INVALID, "the path has %zu bytes",
                         strlen(path));
    }
    enum weir_status status =
        wr_sources_get(sources, path, WR_SOURCE_OBJECT_BYTES_MAX, &kept, err);
    if (status != WEIR_OK) {
        return status;
    }
    application->object = file_is(name, kept)
                              ? dlopen(name, RTLD_NOW | RTLD_LOCAL)
                              : open_in_memory(path, kept, err);
    if (!application->object) {
        const char *why = dlerror();
        return weir_fail(err, WEIR_E_INVALID, "%s: cannot be loaded: %s", path,
                         why ? why : "no file in memory");
    }
    wr_sources_seal(sources);
    return WEIR_OK;
}

static enum weir_status load_object(struct wr_application *application,
                                    struct wr_sources *sources,
                                    const char *path, struct weir_error *err)
{
    enum weir_status opened = open_object(application, sources, path, err);
    if (opened != WEIR_OK) {
        return opened;
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
                             struct wr_sources *sources, const char *path,
                             const struct wr_options *options,
                             struct weir_error *err)
{
    if (!wr_sources_has(sources, path)) {
        return weir_fail(err, WEIR_E_NOTFOUND,
                         "%s: there is no such file, or "
                         "it may not be read",
                         path);
    }
    if (ends_with(path, ".lua")) {
        return load_script(application, sources, path, options, err);
    }
    if (ends_with(path, ".so")) {
        return load_object(application, sources, path, err);
    }
    return weir_fail(err, WEIR_E_INVALID,
                     "%s: an application is a Lua script (.lua) or a shared "
                     "object (.so)",
                     path);
}

static enum weir_status load_and_build(struct wr_application *application,
                                       struct wr_sources *sources,
                                       const char *path,
                                       const struct wr_options *options,
                                       struct weir_error *err)
{
    enum weir_status status = load(application, sources, path, options, err);
    if (status == WEIR_OK) {
        status = weir_builder_build(application->builder,
                                    &application->topology, err);
        if (status != WEIR_OK) {
            (void)weir_fail_prefix(err, status, "%s", path);
        }
    }
    if (status == WEIR_OK && application->host) {
        weir_topology_hook(application->topology,
                           wr_lua_host_hook(application->host));
    }
    return status;
}

enum weir_status wr_application_load_from(struct wr_sources *sources,
                                          const char *path,
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
    enum weir_status status =
        load_and_build(application, sources, path, options, err);
    if (status != WEIR_OK) {
        wr_application_free(application);
        return status;
    }
    *out = application;
    return WEIR_OK;
}

enum weir_status wr_application_load(const char *path,
                                     const struct wr_options *options,
                                     struct wr_application **out,
                                     struct weir_error *err)
{
    struct wr_sources *sources = NULL;
    if (wr_sources_new(&sources) != WEIR_OK) {
        return weir_fail(err, WEIR_E_NOMEM, "no memory for an application");
    }
    enum weir_status status =
        wr_application_load_from(sources, path, options, out, err);
    if (status != WEIR_OK) {
        wr_sources_free(sources);
        return status;
    }
    (*out)->own = sources;
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
    wr_sources_free(application->own);
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
