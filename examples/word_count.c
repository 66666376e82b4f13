/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts words: the topic "lines" (text) in, the topic "word-counts" (text key,
 * int64 value) out, the store "counts" for queries. The same as word_count.lua.
 *
 *   cc -shared -fPIC -o word_count.so word_count.c $(pkg-config --cflags weir)
 *   weir run ./word_count.so */
#include <weir/dsl.h>

static int is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* Emits the words of a line, in lower case: runs of letters, digits and '_'. */
static enum weir_status split(struct weir_emitter *out,
                              const struct weir_record *record, void *user)
{
    (void)user;
    size_t len = record->value.len;
    uint8_t *text = weir_context_alloc(weir_emitter_context(out), len);
    if (!text) {
        return WEIR_E_NOMEM;
    }
    enum weir_status status = WEIR_OK;
    size_t start = 0;
    for (size_t i = 0; i <= len && status == WEIR_OK; i++) {
        uint8_t c = i < len ? record->value.data[i] : ' ';
        c = (uint8_t)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
        if (i < len && is_word(c)) {
            text[i] = c;
            continue;
        }
        if (i > start) {
            status = weir_emit_value(out, weir_bytes(text + start, i - start));
        }
        start = i + 1;
    }
    return status;
}

static enum weir_status by_word(struct weir_context *ctx,
                                const struct weir_record *record,
                                struct weir_bytes *key, void *user)
{
    (void)ctx;
    (void)user;
    *key = record->value;
    return WEIR_OK;
}

enum weir_status weir_application(struct weir_builder *builder,
                                  struct weir_error *err)
{
    (void)err;
    const struct weir_consumed text = {.size = sizeof(text),
                                       .value_serde = &weir_serde_text};
    const struct weir_grouping word = {.size = sizeof(word),
                                       .key_serde = &weir_serde_text,
                                       .value_serde = &weir_serde_text};
    const struct weir_materialized counts = {.size = sizeof(counts),
                                             .name = "counts"};
    weir_builder_application(builder, "word-count");
    struct weir_stream *s = weir_builder_stream(builder, "lines", &text);
    s = weir_stream_flat_map_values(s, split, NULL, NULL);
    struct weir_grouped *g = weir_stream_group_by(s, by_word, NULL, &word);
    struct weir_table *t = weir_grouped_count(g, NULL, &counts);
    weir_stream_to(weir_table_to_stream(t, NULL), "word-counts", NULL);
    return WEIR_OK;
}
