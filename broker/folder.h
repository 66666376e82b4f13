/* SPDX-License-Identifier: Apache-2.0
 *
 * A partition's folder by its name and its `partition.metadata`, as Kafka has
 * them. Thread: any. */
#ifndef WEIR_BROKER_FOLDER_H
#define WEIR_BROKER_FOLDER_H

#include "broker/log.h"

#define WR_TOPIC_NAME_MAX 249

/** Whether Kafka takes the name for a topic: 1 to 249 of [a-zA-Z0-9._-], not
 * "." and not "..". */
bool wr_topic_name_valid(struct weir_bytes name);
/** Splits `<topic>-<partition>`. False for anything else. */
bool wr_folder_parse(const char *name, char out_topic[WR_TOPIC_NAME_MAX + 1],
                     int32_t *out_partition);

/** Writes partition.metadata, durable in the file but not yet in the folder.
 *  Errors: WEIR_E_IO, WEIR_E_NOSPACE. */
WEIR_MUST_CHECK enum weir_status
wr_folder_write_id(const char *dir, const uint8_t topic_id[WR_TOPIC_ID_BYTES],
                   struct weir_error *err);
/** Errors: WEIR_E_NOTFOUND, WEIR_E_CORRUPT, WEIR_E_IO. */
WEIR_MUST_CHECK enum weir_status
wr_folder_read_id(const char *dir, uint8_t out[WR_TOPIC_ID_BYTES],
                  struct weir_error *err);

#endif
