/* SPDX-License-Identifier: Apache-2.0
 *
 * A task begins with the base that is in its directory: everything is read
 * first, base_plan.h decides, and only then is something changed. Until then
 * no store knows of the base, and families of stores that went away are there.
 *
 *   look    .cluster, RocksDB's CURRENT, .corrupt; then, if these are good, the
 *           database is opened and the mark of each store is read
 *   plan    wr_base_plan
 *   act     the folder is moved aside or removed, or: stores are cleared or
 *           attached, and the cluster is noted
 *
 * The database is closed again before its folder is moved. Thread: the task's.
 */
#include "stores/base_plan.h"
#include "stores/state.h"

#include "base/fs.h"

#include <stdio.h>
#include <stdlib.h>

#define CLUSTER_MAX 256u

/* What was read of a base, and why it is as it is. */
struct look {
    struct wr_base_found base;
    char cluster[CLUSTER_MAX + 1]; /* that it is of */
    struct wr_store_found *stores; /* store_count of each */
    struct wr_mark *marks;
    enum wr_store_act *acts;
    struct weir_error error; /* of what is damaged or unreadable */
};

bool wr_state_path(const struct wr_task_state *state, const char *name,
                   char **out)
{
    *out = NULL;
    if (asprintf(out, "%s/%s", state->dir, name) < 0) {
        *out = NULL;
        return false;
    }
    return true;
}

/* ---- look --------------------------------------------------------- */

static void look_done(struct look *look)
{
    free(look->stores);
    free(look->marks);
    free(look->acts);
}

static enum weir_status look_init(struct look *look,
                                  const struct wr_task_state *state,
                                  struct weir_error *err)
{
    size_t n = (size_t)state->store_count + 1;
    *look = (struct look){.stores = calloc(n, sizeof(*look->stores)),
                          .marks = calloc(n, sizeof(*look->marks)),
                          .acts = calloc(n, sizeof(*look->acts))};
    if (!look->stores || !look->marks || !look->acts) {
        look_done(look);
        return weir_fail(err, WEIR_E_NOMEM, "%s: no memory", state->db_path);
    }
    for (int i = 0; i < state->store_count; i++) {
        const struct weir_store *store = &state->stores[i];
        look->stores[i].mark = WR_FOUND_NOTHING;
        look->stores[i].no_changelog =
            store->based && store->spec->no_changelog;
    }
    return WEIR_OK;
}

static enum wr_found found_of(enum weir_status status)
{
    if (status == WEIR_OK) {
        return WR_FOUND_WHOLE;
    }
    return status == WEIR_E_CORRUPT ? WR_FOUND_DAMAGED : WR_FOUND_UNREADABLE;
}

/* Reads a small file of the directory, if it is there. */
static enum weir_status note_read(const struct wr_task_state *state,
                                  const char *name, struct wr_buf *out,
                                  bool *out_there, struct weir_error *err)
{
    char *path;
    if (!wr_state_path(state, name, &path)) {
        return weir_fail(err, WEIR_E_NOMEM, "%s: no memory", state->dir);
    }
    enum weir_status s = wr_file_read(path, out, err);
    free(path);
    *out_there = s == WEIR_OK || s == WEIR_E_TOOBIG;
    return *out_there || s == WEIR_E_NOTFOUND ? WEIR_OK : s;
}

/* Whose base it is. One that says nothing is taken for this cluster's. */
static enum weir_status look_cluster(struct wr_task_state *state,
                                     struct look *look)
{
    if (!state->cluster) {
        return WEIR_OK;
    }
    struct wr_buf text;
    bool there = false;
    wr_buf_init(&text, CLUSTER_MAX);
    enum weir_status s =
        note_read(state, ".cluster", &text, &there, &look->error);
    if (there) {
        (void)snprintf(look->cluster, sizeof(look->cluster), "%s",
                       text.status == WEIR_OK ? wr_buf_text(&text) : "");
        state->cluster_noted = strcmp(look->cluster, state->cluster) == 0;
        look->base.foreign = !state->cluster_noted;
    }
    wr_buf_done(&text);
    return s;
}

/* The damage that an earlier run noted. */
static enum weir_status look_noted(const struct wr_task_state *state,
                                   struct weir_error *err)
{
    struct wr_buf text;
    bool there = false;
    wr_buf_init(&text, WEIR_ERROR_TEXT_MAX);
    enum weir_status s = note_read(state, ".corrupt", &text, &there, err);
    if (there) {
        s = weir_fail(err, WEIR_E_CORRUPT, "found while running: %s",
                      wr_buf_text(&text));
    }
    wr_buf_done(&text);
    return s;
}

static enum weir_status database_open(struct wr_task_state *state,
                                      struct weir_error *err)
{
    const char **names = calloc((size_t)state->store_count + 1, sizeof(*names));
    if (!names) {
        return weir_fail(err, WEIR_E_NOMEM, "%s: no memory", state->db_path);
    }
    for (int i = 0; i < state->store_count; i++) {
        names[i] = state->stores[i].based ? state->stores[i].spec->name : NULL;
    }
    enum weir_status s = wr_rocks_open(state->env->rocks, state->db_path, names,
                                       state->store_count, &state->rocks, err);
    free(names);
    return s;
}

static void database_close(struct wr_task_state *state)
{
    wr_rocks_close(state->rocks);
    state->rocks = NULL;
}

/* Reads the mark of a store and says what it is. */
static enum wr_found mark_look(const struct weir_store *store,
                               struct wr_mark *out, struct weir_error *err)
{
    void *pin;
    struct weir_bytes bytes;
    enum weir_status s = wr_rocks_get(store->state->rocks, store->index,
                                      wr_mark_key(), &pin, &bytes, err);
    if (s != WEIR_OK) {
        return found_of(s);
    }
    enum wr_found found = WR_FOUND_NOTHING;
    if (bytes.data && wr_mark_read(bytes, out) != WEIR_OK) {
        (void)weir_fail(err, WEIR_E_CORRUPT,
                        "%s: the mark of store %s is damaged",
                        store->state->db_path, store->spec->name);
        found = WR_FOUND_DAMAGED;
    } else if (bytes.data) {
        found = out->timestamped == store->spec->timestamped
                    ? WR_FOUND_WHOLE
                    : WR_FOUND_OTHER_KIND;
    }
    wr_rocks_unpin(pin);
    return found;
}

/* The error that is kept tells of what cannot be read, else of damage. */
static void look_marks(struct wr_task_state *state, struct look *look)
{
    bool unreadable = false;
    for (int i = 0; i < state->store_count; i++) {
        struct weir_error err = {0};
        if (!state->stores[i].based) {
            continue;
        }
        enum wr_found found =
            mark_look(&state->stores[i], &look->marks[i], &err);
        look->stores[i].mark = found;
        if ((found == WR_FOUND_DAMAGED || found == WR_FOUND_UNREADABLE) &&
            !unreadable) {
            look->error = err;
            unreadable = found == WR_FOUND_UNREADABLE;
        }
    }
}

/* Reads all there is; the database stays open when it can be. */
static void look_all(struct wr_task_state *state, struct look *look)
{
    bool there = false;
    enum weir_status s = wr_rocks_look(state->db_path, &there, &look->error);
    if (s == WEIR_OK && !there) {
        return;
    }
    look->base.folder = found_of(s);
    if (look->base.folder == WR_FOUND_UNREADABLE) {
        return;
    }
    enum weir_status cluster = look_cluster(state, look);
    if (cluster != WEIR_OK) {
        look->base.folder = WR_FOUND_UNREADABLE;
        return;
    }
    if (s == WEIR_OK && !look->base.foreign) {
        s = look_noted(state, &look->error);
        s = s == WEIR_OK ? database_open(state, &look->error) : s;
        look->base.folder = found_of(s);
    }
    if (state->rocks) {
        look_marks(state, look);
    }
}

/* ---- act ---------------------------------------------------------- */

static enum weir_status cluster_note(struct wr_task_state *state,
                                     struct weir_error *err)
{
    if (!state->cluster || state->cluster_noted) {
        return WEIR_OK;
    }
    char *path;
    if (!wr_state_path(state, ".cluster", &path)) {
        return weir_fail(err, WEIR_E_NOMEM, "%s: no memory", state->dir);
    }
    enum weir_status s = wr_file_replace(path, weir_text(state->cluster), err);
    state->cluster_noted = s == WEIR_OK;
    free(path);
    return s;
}

/* Forgets the damage that was noted of a base that is gone. */
static enum weir_status note_remove(const struct wr_task_state *state,
                                    struct weir_error *err)
{
    char *note;
    if (!wr_state_path(state, ".corrupt", &note)) {
        return weir_fail(err, WEIR_E_NOMEM, "%s: no memory", state->dir);
    }
    enum weir_status s = wr_remove_all(note, err);
    free(note);
    return s;
}

/* Moves the base aside, in place of one that was moved aside before. */
static enum weir_status base_aside(struct wr_task_state *state,
                                   struct weir_error *err)
{
    char *aside;
    if (!wr_state_path(state, "rocksdb.corrupt", &aside)) {
        return weir_fail(err, WEIR_E_NOMEM, "%s: no memory", state->dir);
    }
    enum weir_status s = wr_remove_all(aside, err);
    if (s == WEIR_OK && rename(state->db_path, aside) != 0) {
        s = weir_fail(err, WEIR_E_IO, "%s: cannot be moved to %s",
                      state->db_path, aside);
    }
    free(aside);
    return s;
}

/* Says why the stores are rebuilt, and makes room for that. */
static enum weir_status base_discard(struct wr_task_state *state,
                                     const struct look *look, bool aside,
                                     struct weir_error *err)
{
    struct weir_error *why = &state->rebuilt;
    if (look->base.foreign) {
        why->status = weir_fail(
            why, WEIR_E_INCOMPATIBLE,
            "%s was of cluster '%s' and is %s; its stores are rebuilt from "
            "their changelogs in cluster '%s'",
            state->db_path, look->cluster,
            aside ? "now rocksdb.corrupt beside it" : "removed",
            state->cluster);
    } else {
        why->status = weir_fail(
            why, WEIR_E_CORRUPT,
            "%s was damaged and is now rocksdb.corrupt beside it; its stores "
            "are rebuilt from their changelogs: %s",
            state->db_path, look->error.text);
    }
    database_close(state);
    enum weir_status s =
        aside ? base_aside(state, err) : wr_remove_all(state->db_path, err);
    return s == WEIR_OK ? note_remove(state, err) : s;
}

static enum weir_status base_refuse(struct wr_task_state *state,
                                    const struct look *look,
                                    struct weir_error *err)
{
    for (int i = 0; i < state->store_count; i++) {
        const struct weir_store *store = &state->stores[i];
        if (look->acts[i] == WR_STORE_REFUSE) {
            return weir_fail(
                err, WEIR_E_INCOMPATIBLE,
                "store %s: %s has rows %s timestamps, the topology wants the "
                "other kind, and there is no changelog to rebuild from; give "
                "the store a new name or remove the directory",
                store->spec->name, state->db_path,
                look->marks[i].timestamped ? "with" : "without");
        }
    }
    if (look->error.status == WEIR_E_CORRUPT) {
        return weir_fail(err, WEIR_E_CORRUPT,
                         "state of task in %s is damaged (remove %s to rebuild "
                         "it from the changelog): %s",
                         state->dir, state->db_path, look->error.text);
    }
    return weir_fail(err, look->error.status, "%s", look->error.text);
}

static void store_attach(struct weir_store *store, const struct look *look)
{
    const struct wr_mark *mark = &look->marks[store->index];
    bool found = look->stores[store->index].mark == WR_FOUND_WHOLE;
    store->base_empty = !found;
    store->stored = found ? mark->offset : -1;
    if (found) {
        store->position = mark->offset;
        store->count = mark->count;
        store->inexact = !mark->exact;
    }
}

static enum weir_status base_keep(struct wr_task_state *state,
                                  struct look *look, struct weir_error *err)
{
    enum weir_status s = WEIR_OK;
    if (!state->rocks) {
        return note_remove(state, err);
    }
    for (int i = 0; i < state->store_count && s == WEIR_OK; i++) {
        if (look->acts[i] == WR_STORE_CLEAR) {
            s = wr_rocks_clear(state->rocks, i, err);
        }
    }
    s = s == WEIR_OK ? wr_rocks_drop_others(state->rocks, err) : s;
    s = s == WEIR_OK ? cluster_note(state, err) : s;
    for (int i = 0; i < state->store_count && s == WEIR_OK; i++) {
        if (state->stores[i].based) {
            store_attach(&state->stores[i], look);
        }
    }
    return s;
}

enum weir_status wr_state_base_plan(struct wr_task_state *state, bool rebuild,
                                    struct weir_error *err)
{
    struct look look;
    enum weir_status s = look_init(&look, state, err);
    if (s != WEIR_OK) {
        return s;
    }
    look.base.rebuild = rebuild;
    look_all(state, &look);
    switch (
        wr_base_plan(&look.base, look.stores, state->store_count, look.acts)) {
    case WR_BASE_KEEP:
        s = base_keep(state, &look, err);
        break;
    case WR_BASE_ASIDE:
        s = base_discard(state, &look, true, err);
        break;
    case WR_BASE_REMOVE:
        s = base_discard(state, &look, false, err);
        break;
    case WR_BASE_REFUSE:
        s = base_refuse(state, &look, err);
        break;
    }
    if (s != WEIR_OK) {
        database_close(state);
    }
    look_done(&look);
    return s;
}

/* ---- while running ------------------------------------------------ */

/* Whether the base still has what the store counts on: at least what went down
 * last (a write-down that failed may have arrived). */
static enum weir_status store_again(struct weir_store *store,
                                    struct weir_error *err)
{
    struct wr_mark mark;
    enum wr_found found = mark_look(store, &mark, err);
    if (found == WR_FOUND_DAMAGED || found == WR_FOUND_UNREADABLE) {
        return err->status;
    }
    if (found == WR_FOUND_OTHER_KIND ||
        (!store->base_empty &&
         (found == WR_FOUND_NOTHING || mark.offset < store->stored))) {
        return weir_fail(err, WEIR_E_CORRUPT,
                         "%s: the rows of store %s are not those that were "
                         "written",
                         store->state->db_path, store->spec->name);
    }
    store->base_empty = found == WR_FOUND_NOTHING;
    store->stored = found == WR_FOUND_WHOLE ? mark.offset : -1;
    return WEIR_OK;
}

enum weir_status wr_state_base_open(struct wr_task_state *state,
                                    struct weir_error *err)
{
    struct weir_error why = {0};
    if (state->rocks) {
        return WEIR_OK;
    }
    enum weir_status s = database_open(state, &why);
    s = s == WEIR_OK ? cluster_note(state, &why) : s;
    for (int i = 0; i < state->store_count && s == WEIR_OK; i++) {
        if (state->stores[i].based) {
            s = store_again(&state->stores[i], &why);
        }
    }
    if (s != WEIR_OK) {
        database_close(state);
        return weir_fail(err, s, "%s", why.text);
    }
    state->rocks_failed = false;
    return WEIR_OK;
}
