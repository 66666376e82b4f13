/* SPDX-License-Identifier: Apache-2.0
 *
 * What the processors that keep rows share: an instance per task that knows its
 * store, and the one way in which a row is changed and passed on. */
#ifndef WEIR_DSL_KEYED_H
#define WEIR_DSL_KEYED_H

#include "dsl/graph.h"

/** Instance of a processor with rows. Thread: its task's. */
struct wr_keyed {
    const struct wr_graph_node *node;
    struct weir_store *store; /* NULL: the node keeps no rows */
    bool forwards;            /* at once; false: at a flush of the cache */
};

/** A row as it was. */
struct wr_row {
    struct weir_bytes value; /* null: absent */
    int64_t timestamp_ms;    /* -1: absent or unknown */
};

/** Reads key's row. value is lent until the next call on the store, or until
 * the record is done when the node sends former values on. */
WEIR_MUST_CHECK enum weir_status wr_keyed_get(struct wr_keyed *keyed,
                                              struct weir_context *ctx,
                                              struct weir_bytes key,
                                              struct wr_row *out);
/** Sets the row of record->key and, unless the store caches, passes it on.
 *  `was` is the row as wr_keyed_get gave it. */
WEIR_MUST_CHECK enum weir_status
wr_keyed_put(struct wr_keyed *keyed, struct weir_context *ctx,
             const struct weir_record *record, struct weir_bytes value,
             int64_t timestamp_ms, const struct wr_row *was);
/** bytes, copied to the record's memory when they may point into `from`. */
WEIR_MUST_CHECK enum weir_status wr_keyed_detach(struct weir_context *ctx,
                                                 struct weir_bytes from,
                                                 struct weir_bytes *bytes);

#endif
