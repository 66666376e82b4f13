/* SPDX-License-Identifier: Apache-2.0
 * The benchmark's copy of a topic, for `weir run pass_through.so`. */
#include <weir/dsl.h>

WEIR_API enum weir_status weir_application(struct weir_builder *builder,
                                           struct weir_error *err)
{
    (void)err;
    weir_builder_application(builder, "bench-pass-through");
    weir_stream_to(weir_builder_stream(builder, "events", NULL), "copies",
                   NULL);
    return WEIR_OK;
}
