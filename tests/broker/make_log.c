/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes a data folder with one partition of everything a log may hold: several
 * segments, each codec, idempotent and transactional batches, commits and
 * aborts, an open transaction. For tests/interop/log_files, which has Kafka's
 * own tools read it.
 *
 *   make_log FOLDER */
#include "broker/codec_compress.h"
#include "tests/broker/log_fixture.h"

#include <stdio.h>
#include <stdlib.h>

static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "make_log: %s: %s\n", what, why);
    exit(1);
}

/* The batch with its records compressed. */
static void recode(struct wr_buf *batch, enum wr_codec codec)
{
    struct wr_buf packed;
    wr_buf_init(&packed, (size_t)1 << 20);
    struct weir_bytes records = weir_bytes(batch->data + WR_BATCH_HEADER_BYTES,
                                           batch->len - WR_BATCH_HEADER_BYTES);
    if (wr_pack(codec, records, &packed) != WEIR_OK) {
        die("pack", "failed");
    }
    batch->len = WR_BATCH_HEADER_BYTES;
    wr_buf_put_bytes(batch, wr_buf_view(&packed));
    wr_store_i32(batch->data + 8,
                 (int32_t)(batch->len - WR_BATCH_PREFIX_BYTES));
    wr_store_i16(batch->data + 21,
                 (int16_t)(wr_load_i16(batch->data + 21) | (int16_t)codec));
    wr_batch_set_max_timestamp(batch->data, batch->len,
                               wr_load_i64(batch->data + 35));
    wr_buf_done(&packed);
}

static void put(struct wr_log *log, const struct test_batch *what,
                enum wr_codec codec)
{
    struct wr_buf batch;
    struct wr_log_appended out;
    struct weir_error err = {0};
    struct wr_log_append how = {WR_LOG_CLIENT, true, TEST_TIME_MS, NULL};
    wr_buf_init(&batch, (size_t)1 << 20);
    test_batch_put(&batch, what);
    recode(&batch, codec);
    if (wr_log_append(log, wr_buf_view(&batch), &how, &out, &err) !=
        WR_ERR_NONE) {
        die("append", err.text);
    }
    wr_buf_done(&batch);
}

static void end(struct wr_log *log, int64_t producer_id, bool commit)
{
    struct wr_log_appended out;
    struct weir_error err = {0};
    struct wr_marker marker = {producer_id, 0, commit, 0, TEST_TIME_MS};
    if (wr_log_append_marker(log, &marker, &out, &err) != WR_ERR_NONE) {
        die("marker", err.text);
    }
}

int main(int argc, char **argv)
{
    uint8_t id[WR_TOPIC_ID_BYTES] = "topic-id-16-byte";
    struct wr_logs *logs;
    struct wr_log *log;
    struct weir_error err = {0};
    struct wr_logs_new what = {"every-thing", id, 0, false};
    if (argc != 2) {
        die("usage", "make_log FOLDER");
    }
    struct wr_logs_config config = test_logs_config(argv[1]);
    config.topic.segment_bytes = 20000;
    if (wr_logs_open(&config, &logs, &err) != WEIR_OK ||
        wr_logs_create(logs, &what, &log, &err) != WEIR_OK) {
        die(argv[1], err.text);
    }
    int32_t sequence = 0;
    for (int i = 0; i < 250; i++) {
        struct test_batch plain = {.producer_id = -1,
                                   .count = 1 + i % 7,
                                   .tag = "plain",
                                   .timestamp = TEST_TIME_MS - 10000 + i,
                                   .pad = 40};
        struct test_batch txn = {.producer_id = 4000,
                                 .count = 3,
                                 .tag = "txn",
                                 .sequence = sequence,
                                 .transactional = true,
                                 .timestamp = TEST_TIME_MS - 10000 + i};
        put(log, &plain, (enum wr_codec)(i % 5));
        put(log, &txn, (enum wr_codec)((i + 1) % 5));
        sequence += txn.count;
        if (i % 3 != 0) {
            end(log, 4000, i % 3 == 1);
        }
    }
    if (wr_logs_close(logs, &err) != WEIR_OK) {
        die("close", err.text);
    }
    return 0;
}
