/* SPDX-License-Identifier: Apache-2.0
 *
 * Fills any message from its table with values that a seed decides: for tests
 * that want every field of every message in every version. */
#ifndef WEIR_TESTS_BROKER_MESSAGE_FILL_H
#define WEIR_TESTS_BROKER_MESSAGE_FILL_H

#include "broker/messages.h"

/** Values of all fields that exist in the version, the others their defaults.
 *  Memory comes from the arena. */
void message_fill(const struct wr_message *message, void *out, int16_t version,
                  uint64_t *seed, struct wr_arena *arena);

#endif
