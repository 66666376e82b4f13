/* SPDX-License-Identifier: Apache-2.0
 * The benchmark's word count, for `weir run word_count.so`: words are runs of
 * ASCII letters, digits and underscores, in lower case. */
#include <stdbool.h>
#include <stddef.h>
#include <weir/dsl.h>

static bool in_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_';
}

static enum weir_status split(struct weir_emitter *out,
                              const struct weir_record *line, void *user)
{
    (void)user;
    struct weir_context *ctx = weir_emitter_context(out);
    size_t n = line->value.len;
    if (n == 0)
        return WEIR_OK;
    uint8_t *lower = weir_context_alloc(ctx, n);
    if (!lower)
        return weir_context_fail(ctx, WEIR_E_NOMEM, "a line of %zu bytes", n);
    for (size_t i = 0; i < n; i++) {
        uint8_t c = line->value.data[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
    }
    for (size_t at = 0; at < n;) {
        while (at < n && !in_word(lower[at]))
            at++;
        size_t from = at;
        while (at < n && in_word(lower[at]))
            at++;
        if (at == from)
            break;
        enum weir_status s = weir_emit_value(
            out, (struct weir_bytes){.data = lower + from, .len = at - from});
        if (s != WEIR_OK)
            return s;
    }
    return WEIR_OK;
}

static enum weir_status word(struct weir_context *ctx,
                             const struct weir_record *record,
                             struct weir_bytes *out, void *user)
{
    (void)ctx;
    (void)user;
    *out = record->value;
    return WEIR_OK;
}

WEIR_API enum weir_status weir_application(struct weir_builder *builder,
                                           struct weir_error *err)
{
    (void)err;
    static const struct weir_materialized counts = {.size = sizeof counts,
                                                    .name = "counts"};
    weir_builder_application(builder, "bench-word-count");
    struct weir_stream *words = weir_stream_flat_map_values(
        weir_builder_stream(builder, "lines", NULL), split, NULL, NULL);
    struct weir_table *by_word = weir_grouped_count(
        weir_stream_group_by(words, word, NULL, NULL), NULL, &counts);
    weir_stream_to(weir_table_to_stream(by_word, NULL), "word-counts", NULL);
    return WEIR_OK;
}
