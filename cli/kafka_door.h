/* SPDX-License-Identifier: Apache-2.0
 *
 * How the program's tools reach a broker: the options they share, a client made
 * from them, and librdkafka's answers as weir's errors. */
#ifndef WEIR_CLI_KAFKA_DOOR_H
#define WEIR_CLI_KAFKA_DOOR_H

#include "cli/command.h"
#include "runtime/kafka_client.h"

#include <librdkafka/rdkafka.h>

/* The option rows that every tool has. */
#define WR_CLI_CLIENT_OPTIONS                                                  \
    {"bootstrap-server", 'b', "HOST:PORT",                                     \
     "Broker to reach (default: $WEIR_BOOTSTRAP_SERVERS, else "                \
     "127.0.0.1:9092)."},                                                      \
        {"set", 'X', "KEY=VALUE", "Sets a client property; may be repeated."}, \
        {"file", 'F', "FILE", "Reads properties from a file."},                \
    {                                                                          \
        "timeout", 0, "SECONDS", "Gives up after so long (default 10)."        \
    }

struct wr_door {
    struct weir_config *config; /* owned, unless config_lent */
    bool config_lent;
    rd_kafka_t *client; /* owned */
    int timeout_ms;
    /* The callbacks are set before wr_door_open; NULL: not wanted. */
    void (*on_delivery)(rd_kafka_t *, const rd_kafka_message_t *, void *);
    /** Called, on any thread, with the code of each refusal of records that
     *  librdkafka tries again after. */
    void (*on_refusal)(void *opaque, rd_kafka_resp_err_t code);
    /** Called from polls when a topic that is read does not exist any more. */
    void (*on_gone)(void *opaque);
    void *opaque;
};

/** Makes a client of the kind from the command line. The door's callbacks and
 *  opaque are read, the rest is set; the door is empty on
 * failure. `forced` settings win over the user's; may be NULL. Errors:
 * WEIR_E_CONFIG; nobody is contacted yet. */
WEIR_MUST_CHECK enum weir_status
wr_door_open(const struct wr_cli *cli, enum wr_client_kind kind,
             const struct wr_client_setting *forced, struct wr_door *door,
             struct weir_error *err);
/** An admin client over a configuration, which is lent for the door's life. */
WEIR_MUST_CHECK enum weir_status wr_door_open_config(struct weir_config *config,
                                                     struct wr_door *door,
                                                     struct weir_error *err);
void wr_door_close(struct wr_door *door);

/** Writes librdkafka's complaint into err: what was tried, the address when
 *  nobody answered. */
enum weir_status wr_door_fail(const struct wr_door *door,
                              rd_kafka_resp_err_t code, const char *reason,
                              struct weir_error *err, const char *format, ...)
    WEIR_PRINTF(5, 6);

/** Runs an admin request: waits for its one event, which is given
 *  (rd_kafka_event_destroy). Errors: unreachable, refused. */
WEIR_MUST_CHECK enum weir_status
wr_door_wait(struct wr_door *door, rd_kafka_queue_t *queue, const char *doing,
             rd_kafka_event_t **out, struct weir_error *err);

/** First and end offset of a partition, asked of its leader, whoever that is by
 *  then. Takes the door's timeout at most. Errors: unreachable, refused. */
WEIR_MUST_CHECK enum weir_status
wr_door_bounds(const struct wr_door *door, const char *topic, int32_t partition,
               int64_t *out_first, int64_t *out_end, struct weir_error *err);

/** "-o": true for JSON. Errors: WEIR_E_CONFIG for anything but table and json.
 */
WEIR_MUST_CHECK enum weir_status
wr_door_json(const struct wr_cli *cli, bool *out, struct weir_error *err);

/** Asks a yes/no question on the terminal; false when there is none. */
bool wr_door_confirm(const char *question);

#endif
