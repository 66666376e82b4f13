/* SPDX-License-Identifier: Apache-2.0
 *
 * The two ends of the demo's stream: a feeder that sends lines of texts and
 * counts their words by itself, and a reader that keeps the last count of each
 * word from the output topic. Each is a thread with a client of its own. */
#ifndef WEIR_CLI_KAFKA_FEED_H
#define WEIR_CLI_KAFKA_FEED_H

#include "base/map.h"
#include "weir/types.h"

#include <pthread.h>
#include <stdatomic.h>

/** Words and numbers, shared by a thread that writes and one that shows. */
struct wr_tally {
    pthread_mutex_t lock;
    struct wr_map words; /* word -> int64_t * */
    int64_t total;       /* of all counts */
};

struct wr_feed {
    char bootstrap[256];
    const char *topic;
    char **lines; /* of all texts; line_count of them */
    size_t line_count;
    struct wr_tally tally;   /* what was sent and acknowledged */
    _Atomic bool stop, hold; /* end; wait, the workers are behind */
    _Atomic int64_t sent;    /* lines */
    _Atomic int64_t acked;
    _Atomic bool failed;
    struct weir_error err; /* why, once failed */
    pthread_t thread;
};

struct wr_reader_thread {
    char bootstrap[256];
    const char *topic;
    struct wr_tally tally; /* last count of each word */
    _Atomic int64_t records;
    _Atomic bool stop;
    pthread_t thread;
};

/** Empty. One thread, before and after the others use it. */
void wr_tally_init(struct wr_tally *tally);
void wr_tally_done(struct wr_tally *tally);
/** Sets the count of a word (copied). Without memory the program aborts: a demo
 *  has nothing to show then. Thread: any. */
void wr_tally_set(struct wr_tally *tally, struct weir_bytes word, int64_t n);
/** As wr_tally_set, adding n. */
void wr_tally_add(struct wr_tally *tally, struct weir_bytes word, int64_t n);
/** Words whose counts differ between the two, up to `max` named on stderr. */
size_t wr_tally_differences(struct wr_tally *a, struct wr_tally *b, size_t max);

/** Reads the texts and starts sending, round and round, until stopped.
 *  Errors: WEIR_E_NOTFOUND when there is no text to send. */
WEIR_MUST_CHECK enum weir_status wr_feed_start(struct wr_feed *feed,
                                               const char *bootstrap,
                                               const char *topic,
                                               struct weir_error *err);
/** Stops and waits until everything sent is acknowledged. */
WEIR_MUST_CHECK enum weir_status wr_feed_stop(struct wr_feed *feed,
                                              struct weir_error *err);
/** Frees texts and counts of a stopped feeder. */
void wr_feed_done(struct wr_feed *feed);

/** Starts a thread that reads the topic from its beginning; values are int64.
 *  Errors: WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_reader_start(struct wr_reader_thread *reader, const char *bootstrap,
                const char *topic, struct weir_error *err);
/** Ends the thread; the counts stay for wr_tally_done(). */
void wr_reader_stop(struct wr_reader_thread *reader);

#endif
