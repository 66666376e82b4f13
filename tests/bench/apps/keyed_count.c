/* SPDX-License-Identifier: Apache-2.0
 * The benchmark's count of records by key, for `weir run keyed_count.so`. */
#include <weir/dsl.h>

WEIR_API enum weir_status weir_application(struct weir_builder *builder,
                                           struct weir_error *err)
{
    (void)err;
    static const struct weir_materialized counts = {.size = sizeof counts,
                                                    .name = "counts"};
    weir_builder_application(builder, "bench-keyed-count");
    struct weir_stream *events = weir_builder_stream(builder, "events", NULL);
    struct weir_table *by_key = weir_grouped_count(
        weir_stream_group_by_key(events, NULL), NULL, &counts);
    weir_stream_to(weir_table_to_stream(by_key, NULL), "event-counts", NULL);
    return WEIR_OK;
}
