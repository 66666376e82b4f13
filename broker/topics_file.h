/* SPDX-License-Identifier: Apache-2.0
 *
 * The registry's inside, shared by topics.c and topics_file.c, and the file it
 * is kept in. Nobody else includes this. Thread: broker loop. */
#ifndef WEIR_BROKER_TOPICS_FILE_H
#define WEIR_BROKER_TOPICS_FILE_H

#include "broker/topics.h"

struct wr_topics {
    struct wr_broker *broker; /* lent for life */
    struct wr_topic **items;  /* sorted by name; owned */
    size_t count, cap;        /* of items */
    size_t partition_count;   /* of all topics */
    struct wr_map by_name;    /* -> struct wr_topic */
    struct wr_map by_id;      /* -> struct wr_topic */
    struct wr_topics_watcher *watchers;
};

/** Replaces the file by what the registry holds. Errors: WEIR_E_IO, _NOSPACE,
 *  _NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_topics_file_write(const struct wr_topics *topics, struct weir_error *err);
/** Reads the file into an empty registry. Errors: WEIR_E_NOTFOUND, _CORRUPT
 * with the line, _IO, _NOMEM. */
WEIR_MUST_CHECK enum weir_status wr_topics_file_read(struct wr_topics *topics,
                                                     struct weir_error *err);
/** Takes a topic that was read: finds its logs, puts it into the registry.
 *  Freed on failure. */
WEIR_MUST_CHECK enum weir_status wr_topics_add_read(struct wr_topics *topics,
                                                    struct wr_topic *topic,
                                                    struct weir_error *err);
/** Frees a topic, not its logs. NULL is fine. */
void wr_topic_free(struct wr_topic *topic);

#endif
