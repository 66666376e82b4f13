/* SPDX-License-Identifier: Apache-2.0
 *
 * Producer ids, each given out once in the life of a data folder. They are
 * taken in blocks of 1000: the file `producer-ids` holds the first id of no
 * block yet, so a restart wastes at most a block. Thread: broker loop. */
#ifndef WEIR_BROKER_PRODUCER_IDS_H
#define WEIR_BROKER_PRODUCER_IDS_H

#include "weir/types.h"

struct wr_producer_ids {
    char *path;   /* owned */
    int64_t next; /* the next to give */
    int64_t end;  /* first one that the file does not cover */
};

/** Reads the file; no file means no id was given. Errors: WEIR_E_CORRUPT,
 *  WEIR_E_IO, WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_producer_ids_open(struct wr_producer_ids *ids, const char *data_dir,
                     struct weir_error *err);
void wr_producer_ids_close(struct wr_producer_ids *ids);
/** Makes sure that `seen` and all below are never given out. */
void wr_producer_ids_saw(struct wr_producer_ids *ids, int64_t seen);
/** Errors: WEIR_E_IO, WEIR_E_NOSPACE: no id could be reserved. */
WEIR_MUST_CHECK enum weir_status
wr_producer_ids_take(struct wr_producer_ids *ids, int64_t *out,
                     struct weir_error *err);

#endif
