/* SPDX-License-Identifier: Apache-2.0
 *
 * Rebalances in the middle of reading: a member of a group reads a topic as
 * fast as it can while another joins and leaves. librdkafka pauses what a
 * member reads as soon as a rebalance begins, in a thread of its own, maybe
 * while a poll takes records; none of them may get lost.
 *
 *   rebalance BOOTSTRAP GROUP ANCHOR LOAD ROUNDS
 *
 * ANCHOR is what the group shares, LOAD a topic whose one partition has records
 * at all its offsets. Exit status 0: nothing was lost; 1: records were, or an
 * error, on standard error. */
#include "runtime/kafka_consumer.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 60000

static struct {
    int64_t due;     /* next offset of the load */
    int64_t end;     /* of the load; -1: not known yet */
    int64_t missing; /* offsets that never came */
    size_t records;
    size_t given; /* partitions, since somebody waits for some */
} told = {.end = -1};

static void fail(const char *what, const struct weir_error *err)
{
    (void)fprintf(stderr, "rebalance: %s: %s\n", what, err ? err->text : "");
    exit(1);
}

static void on_given(void *user, const int32_t *partitions, size_t count)
{
    (void)user;
    (void)partitions;
    told.given += count;
}

static void on_revoked(void *user, const int32_t *partitions, size_t count,
                       bool lost)
{
    (void)user;
    (void)partitions;
    (void)count;
    (void)lost;
}

static void on_record(void *user, void *tag, const struct wr_input *in)
{
    (void)user;
    (void)tag;
    if (in->offset >= told.due) { /* once more is for the worker to notice */
        told.missing += in->offset - told.due;
        told.due = in->offset + 1;
    }
    told.records++;
    wr_consumer_release(NULL, in->owner);
}

static void on_end(void *user, void *tag, int64_t offset)
{
    (void)user;
    (void)tag;
    told.end = offset;
}

static void on_out_of_range(void *user, void *tag)
{
    (void)user;
    (void)tag;
    fail("the load has no offset 0", NULL);
}

static void on_problem(void *user, void *tag, const struct weir_error *err)
{
    (void)user;
    (void)tag;
    if (weir_status_class(err->status) != WEIR_CLASS_RETRY) {
        fail("reading", err);
    }
}

static struct wr_consumer *join(const struct wr_options *options,
                                const char *anchor)
{
    struct weir_error err = {0};
    struct wr_consumer *consumer = NULL;
    struct wr_consumer_spec spec = {.kind = WR_CLIENT_CONSUMER,
                                    .options = options,
                                    .client_id = "rebalance",
                                    .events = {.given = on_given,
                                               .revoked = on_revoked,
                                               .record = on_record,
                                               .end = on_end,
                                               .out_of_range = on_out_of_range,
                                               .problem = on_problem}};
    told.given = 0;
    if (wr_consumer_new(&spec, &consumer, &err) != WEIR_OK ||
        wr_consumer_subscribe(consumer, anchor, &err) != WEIR_OK) {
        fail("joining", &err);
    }
    return consumer;
}

/* Reads the load, round and round, until somebody is given something. */
static void read_until_given(struct wr_consumer *reader,
                             struct wr_consumer *guest, struct wr_partition *p)
{
    struct weir_error err = {0};
    int64_t until = wr_mono_ms() + WAIT_MS;
    size_t n;
    while (told.given == 0) {
        wr_consumer_poll(reader, 1, 1000, &n);
        if (guest) {
            wr_consumer_poll(guest, 0, 1000, &n);
        }
        if (told.end >= 0 && told.due >= told.end) {
            told.due = p->offset = 0;
            if (wr_consumer_seek(reader, p, 1, &err) != WEIR_OK) {
                fail("seeking", &err);
            }
        }
        if (wr_mono_ms() > until) {
            fail("nothing was given for a minute", NULL);
        }
    }
}

static struct weir_config *configure(char **argv)
{
    struct weir_error err = {0};
    struct weir_config *config = weir_config_new();
    if (!config ||
        weir_config_set(config, "bootstrap.servers", argv[1], &err) ||
        weir_config_set(config, "application.id", argv[2], &err) ||
        weir_config_set(config, "heartbeat.interval.ms", "20", &err)) {
        fail("configuration", &err);
    }
    return config;
}

int main(int argc, char **argv)
{
    struct weir_error err = {0};
    if (argc != 6) {
        (void)fprintf(stderr,
                      "usage: rebalance BOOTSTRAP GROUP ANCHOR LOAD ROUNDS\n");
        return 2;
    }
    struct weir_config *config = configure(argv);
    const struct wr_options *options = wr_config_options(config);
    struct wr_partition load = {
        .topic = argv[4], .offset = WR_OFFSET_BEGIN, .tag = &told};
    struct wr_consumer *reader = join(options, argv[3]);
    if (wr_consumer_assign(reader, &load, 1, &err) != WEIR_OK) {
        fail("assigning", &err);
    }
    read_until_given(reader, NULL, &load);
    for (long round = strtol(argv[5], NULL, 10); round > 0; round--) {
        struct wr_consumer *guest = join(options, argv[3]);
        read_until_given(reader, guest, &load);
        told.given = 0;
        wr_consumer_free(guest);
        read_until_given(reader, NULL, &load);
    }
    wr_consumer_free(reader);
    weir_config_free(config);
    (void)fprintf(stderr, "rebalance: %zu records read, %lld lost\n",
                  told.records, (long long)told.missing);
    return told.missing != 0;
}
