/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of memory from weir_context_alloc(): a scope. Every callback of a
 * processor has its own (a record, a flushed entry, a punctuation, open, close,
 * an extractor, a partitioner), which ends when the callback returns. A
 * callback that may be long (a script that emits ten thousand records, say)
 * opens one of its own for each step. Thread: the task's. */
#ifndef WEIR_RUNTIME_SCOPE_H
#define WEIR_RUNTIME_SCOPE_H

#include "base/arena.h"
#include "weir/weir.h"

/** Begins a scope inside that of the callback that runs. */
struct wr_arena_mark wr_scope_begin(struct weir_context *ctx);
/** Ends it: what was allocated in it is gone. Scopes nest. One that is left by
 *  an error need not be ended: the callback's own does it. */
void wr_scope_end(struct weir_context *ctx, const struct wr_arena_mark *scope);

#endif
