/* SPDX-License-Identifier: Apache-2.0
 *
 * Small topologies for the tests of this room: terse verbs over weir/weir.h. */
#ifndef WEIR_TESTS_RUNTIME_GRAPH_H
#define WEIR_TESTS_RUNTIME_GRAPH_H

#include "weir/weir.h"

#include <stdlib.h>

/* Passes every record on. */
static inline enum weir_status
pass(struct weir_context *ctx, const struct weir_record *record, void *state)
{
    (void)state;
    return weir_forward(ctx, record);
}

static inline void add_source(struct weir_topology *t, const char *name,
                              const char *topic)
{
    weir_topology_source(
        t, &(struct weir_source){.size = sizeof(struct weir_source),
                                 .name = name,
                                 .topics = &topic,
                                 .topic_count = 1});
}

static inline void
add_processor(struct weir_topology *t, const char *name, const char *parent,
              enum weir_status (*fn)(struct weir_context *,
                                     const struct weir_record *, void *))
{
    weir_topology_processor(
        t, &(struct weir_processor){.size = sizeof(struct weir_processor),
                                    .name = name,
                                    .process = fn,
                                    .parents = &parent,
                                    .parent_count = 1});
}

static inline void add_sink(struct weir_topology *t, const char *name,
                            const char *topic, const char *parent)
{
    weir_topology_sink(t, &(struct weir_sink){.size = sizeof(struct weir_sink),
                                              .name = name,
                                              .topic = topic,
                                              .parents = &parent,
                                              .parent_count = 1});
}

static inline void add_store(struct weir_topology *t, const char *name,
                             const char *processor)
{
    weir_topology_store(
        t, &(struct weir_store_spec){.size = sizeof(struct weir_store_spec),
                                     .name = name,
                                     .engine = WEIR_MEMORY});
    weir_topology_connect(t, processor, name);
}

static inline struct weir_record make_record(const char *key, const char *value,
                                             int64_t timestamp_ms)
{
    struct weir_record r = {.key = weir_text(key),
                            .value = weir_text(value),
                            .timestamp_ms = timestamp_ms};
    return r;
}

/* The whole number that bytes begin with, as text; 0 when there is none. */
static inline int64_t number_in(struct weir_bytes bytes)
{
    char text[24] = "";
    memcpy(text, bytes.data, bytes.len < 23 ? bytes.len : 23);
    return strtoll(text, NULL, 10);
}

#endif
