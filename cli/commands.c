/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of commands and their options: the one place where they are listed.
 */
#include "broker/weir_broker.h"
#include "cli/kafka_door.h"
#include "cli/tools.h"

#define END                                                                    \
    {                                                                          \
        NULL, 0, NULL, NULL                                                    \
    }
#define OUTPUT_ROW                                                             \
    {                                                                          \
        "output", 'o', "FORMAT", "table (default) or json, one object a line." \
    }
#define TYPE_HELP "bytes, text (default), int64, double or json."

static const struct wr_cli_option run_options[] = {
    {"workers", 'w', "N", "Worker processes (default 1, at most 128)."},
    {"threads", 't', "T", "Stream threads of each worker (default 1)."},
    {"http", 0, "HOST:PORT",
     "Serves queries: the first worker here, each next one on the next port; "
     "port 0 takes any free ones."},
    {"http-file", 0, "FILE",
     "Notes each worker's query address in FILE.N, N from 1."},
    {"set", 'X', "KEY=VALUE",
     "Sets an option of Kafka Streams or librdkafka; may be repeated."},
    {"file", 'F', "FILE", "Reads options from a properties file."},
    {"data", 'd', "DIR", "Folder of the included broker (default weir-data)."},
    {"broker", 0, "HOST:PORT",
     "Address of the included broker (default 127.0.0.1:9092)."},
    {"broker-set", 0, "NAME=VALUE",
     "Sets an option of the included broker ('weir broker --help' lists them); "
     "may be repeated."},
    {"restart-max", 0, "SECONDS",
     "Longest wait before a dead worker is started again (default 30)."},
    {"stop-timeout", 0, "SECONDS",
     "How long workers may take to end before they are killed (default 30)."},
    END};

static const struct wr_cli_option demo_options[] = {
    {"seconds", 's', "N", "Feeds for so long (default 10)."},
    {"workers", 'w', "N", "Worker processes (default 2)."},
    {"application", 'a', "FILE",
     "The word count to run (default examples/word_count.lua)."},
    {"no-kill", 0, NULL, "Kills no worker half-way."},
    END};

static const struct wr_cli_option check_options[] = {
    {"set", 'X', "KEY=VALUE", "Sets an option, to be checked too."},
    {"file", 'F', "FILE", "Reads options from a properties file."},
    END};

static const struct wr_cli_option topology_options[] = {
    {"format", 'f', "FORMAT", "text (default), dot or json."}, END};

static const struct wr_cli_option query_options[] = {
    {"http", 0, "HOST:PORT",
     "A worker's address (default 127.0.0.1:8090); any worker will do."},
    {"output", 'o', "FORMAT", "text (default: the value alone) or json."},
    {"hex", 0, NULL, "KEY is given as hex digits."},
    END};

static const struct wr_cli_option create_options[] = {
    {"partitions", 'p', "N", "Partitions (default: the broker's)."},
    {"replication-factor", 'r', "N", "Replicas (default: the broker's)."},
    {"config", 'c', "NAME=VALUE", "Topic configuration; may be repeated."},
    WR_CLI_CLIENT_OPTIONS,
    END};

static const struct wr_cli_option list_options[] = {
    {"all", 'a', NULL, "Also those that begin with __."},
    OUTPUT_ROW,
    WR_CLI_CLIENT_OPTIONS,
    END};

static const struct wr_cli_option describe_options[] = {
    {"all", 'a', NULL, "Also configuration that has its default value."},
    OUTPUT_ROW,
    WR_CLI_CLIENT_OPTIONS,
    END};

static const struct wr_cli_option delete_options[] = {
    {"yes", 'y', NULL, "Does not ask."}, WR_CLI_CLIENT_OPTIONS, END};

static const struct wr_cli_option group_options[] = {
    OUTPUT_ROW, WR_CLI_CLIENT_OPTIONS, END};

static const struct wr_cli_option produce_options[] = {
    {"key-separator", 'K', "TEXT", "A line is key, TEXT, value."},
    {"key", 'k', "KEY", "The key of every record."},
    {"key-type", 0, "TYPE", "What the key's text means: " TYPE_HELP},
    {"value-type", 0, "TYPE", "What the value's text means: " TYPE_HELP},
    {"null-value", 0, "TEXT", "A value of this text is null (a tombstone)."},
    {"header", 'H', "NAME=VALUE", "A header of every record."},
    {"partition", 'p', "N", "Writes to one partition."},
    WR_CLI_CLIENT_OPTIONS,
    END};

static const struct wr_cli_option consume_options[] = {
    {"from", 'f', "WHERE",
     "beginning (default), end, an offset, or -N for the last N records of "
     "each partition."},
    {"exit", 'e', NULL, "Ends with the records that are there now."},
    {"max", 'n', "N", "Ends after N records."},
    {"partition", 'p', "N", "Reads one partition."},
    {"key-type", 0, "TYPE", TYPE_HELP},
    {"value-type", 0, "TYPE", TYPE_HELP},
    {"uncommitted", 0, NULL, "Also records of open and aborted transactions."},
    OUTPUT_ROW,
    WR_CLI_CLIENT_OPTIONS,
    END};

static const struct wr_cli_option help_options[] = {
    {"man", 0, NULL, "Prints a man page."}, END};

/* Rows are long but there is one kind of them. */
const struct wr_cli_command wr_commands[] = {
    {"run", "APPLICATION", "Runs an application as a pool of workers.",
     "APPLICATION is a Lua script that returns an application, or a shared "
     "object that\nexports weir_application(). Without bootstrap.servers the "
     "included broker is started\nbeside the workers; WEIR_BOOTSTRAP_SERVERS "
     "in the environment counts as given.\n\nA worker that dies or hangs is "
     "started again, later each time. SIGTERM, SIGINT,\nSIGHUP and SIGQUIT end "
     "the pool gracefully: each worker commits and leaves its\ngroup; one "
     "more, "
     "a second later or more, kills it.",
     run_options, 1, 1, wr_run, NULL, false},
    {"demo", "", "Counts the words of real texts, kills a worker, checks.",
     "Runs the included broker, workers with a word count and a feeder that "
     "sends the\nlicence texts of the machine. The last line says how many "
     "words were expected and\nhow many were counted; the exit status says "
     "whether they are equal.",
     demo_options, 0, 0, wr_demo, NULL, false},
    {"check", "APPLICATION",
     "Finds mistakes in an application without running it.",
     "Loads the application, builds its topology and reports what would fail.",
     check_options, 1, 1, wr_check, NULL, false},
    {"topology", "APPLICATION", "Prints an application's topology.",
     "As text it is what Kafka Streams prints; dot is for Graphviz.",
     topology_options, 1, 1, wr_topology, NULL, false},
    {"query", "STORE KEY", "Asks a running application for a key.",
     "The state is the committed one. KEY is a text that the store's key type "
     "reads.",
     query_options, 2, 2, wr_query, NULL, false},
    {"broker", "", "Runs the included broker.", "", NULL, 0, 0, NULL,
     wr_broker_command, false},
    {"topic create", "TOPIC...", "Makes topics.", "", create_options, 1, -1,
     wr_topic_create, NULL, false},
    {"topic list", "", "Lists topics.", "", list_options, 0, 0, wr_topic_list,
     NULL, false},
    {"topic describe", "TOPIC", "Shows partitions, offsets and configuration.",
     "", describe_options, 1, 1, wr_topic_describe, NULL, false},
    {"topic delete", "TOPIC...", "Deletes topics and their records.", "",
     delete_options, 1, -1, wr_topic_delete, NULL, false},
    {"group list", "", "Lists consumer groups.", "", group_options, 0, 0,
     wr_group_list, NULL, false},
    {"group describe", "GROUP", "Shows members, committed offsets and lag.", "",
     group_options, 1, 1, wr_group_describe, NULL, false},
    {"produce", "TOPIC", "Writes lines of standard input as records.",
     "Records are acknowledged by all replicas, in order and without repeats. "
     "The exit\nstatus is 0 only when every one is.",
     produce_options, 1, 1, wr_produce, NULL, false},
    {"consume", "TOPIC", "Prints the records of a topic.",
     "A line is key, tab, value, or the value alone where there is no key. "
     "Goes on until\nit is interrupted, or the topic is deleted (exit status "
     "5); see --exit and --max.",
     consume_options, 1, 1, wr_consume, NULL, false},
    {"help", "[COMMAND... | config]", "Shows the page of a command.", "",
     help_options, 0, 2, wr_help, NULL, false},
    {NULL, NULL, NULL, NULL, NULL, 0, 0, NULL, NULL, false}};
