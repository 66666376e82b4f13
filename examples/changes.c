/* SPDX-License-Identifier: Apache-2.0
 *
 * Passes on what has changed: records of the topic "states" whose value is not
 * the one that their key had before go to the topic "changes". A processor with
 * a store, in C.
 *
 *   cc -shared -fPIC -o changes.so changes.c $(pkg-config --cflags weir)
 *   weir run ./changes.so */
#include <weir/dsl.h>

static enum weir_status open_store(struct weir_context *ctx, void *user,
                                   void **state)
{
    (void)user;
    *state = weir_context_store(ctx, "states");
    return *state ? WEIR_OK
                  : weir_context_fail(ctx, WEIR_E_NOTFOUND,
                                      "the store is not connected");
}

static bool is_same(struct weir_bytes a, struct weir_bytes b)
{
    if (!a.data || !b.data) {
        return a.data == b.data;
    }
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static enum weir_status compare(struct weir_context *ctx,
                                const struct weir_record *record, void *state)
{
    struct weir_store *states = state;
    struct weir_bytes before, now = record->value;
    if (!record->key.data) {
        weir_context_drop(ctx, "null_key");
        return WEIR_OK;
    }
    enum weir_status status = weir_store_get(states, record->key, &before);
    if (status != WEIR_OK || is_same(before, now)) {
        return status;
    }
    status = weir_store_put(states, record->key, now);
    return status == WEIR_OK ? weir_forward(ctx, record) : status;
}

enum weir_status weir_application(struct weir_builder *builder,
                                  struct weir_error *err)
{
    (void)err;
    static const char *const stores[] = {"states"};
    const struct weir_store_spec spec = {.size = sizeof(spec),
                                         .name = "states"};
    const struct weir_processor processor = {.size = sizeof(processor),
                                             .name = "compare",
                                             .open = open_store,
                                             .process = compare,
                                             .stores = stores,
                                             .store_count = 1};
    weir_builder_application(builder, "changes");
    weir_builder_store(builder, &spec);
    struct weir_stream *s = weir_builder_stream(builder, "states", NULL);
    weir_stream_to(weir_stream_process(s, &processor), "changes", NULL);
    return WEIR_OK;
}
