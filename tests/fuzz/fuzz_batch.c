/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzz: a record batch from a client. The bytes are judged as they are, and
 * with length and checksum made right, so that what lies behind them is
 * reached. What is accepted must be walked to its proper end, with the offsets
 * that were promised. */
#include "broker/batch.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void judge(struct weir_bytes bytes)
{
    struct wr_batch batch;
    struct wr_batch_iter iter;
    struct wr_record record;
    struct wr_buf scratch;
    struct wr_marker marker;
    struct wr_batch_rules rules = {
        .batch_bytes_max = 1 << 20,
        .zstd_allowed = true,
        .now_ms = 1700000000000,
        .timestamp_before_ms = INT64_MAX,
        .timestamp_after_ms = INT64_MAX,
    };
    wr_buf_init(&scratch, (size_t)1 << 20);
    bool good =
        wr_batch_validate(bytes, &rules, &scratch, &batch, NULL) == WR_ERR_NONE;
    int32_t count = 0;
    if (wr_batch_iter_init(&iter, bytes, &scratch, NULL) == WEIR_OK) {
        while (wr_batch_iter_next(&iter, &record)) {
            struct weir_bytes key, value;
            while (wr_record_header_next(&record.headers, &key, &value)) {
                require(key.data != NULL);
            }
            require(!good || record.offset == iter.batch.base_offset + count);
            count++;
        }
        require(!good || iter.status == WEIR_OK);
    }
    require(!good || count == batch.record_count);
    enum weir_status status = wr_batch_get_marker(bytes, &marker);
    require(!good || status != WEIR_OK);
    wr_buf_done(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    judge(weir_bytes(data, size));
    if (size >= WR_BATCH_HEADER_BYTES && size < 1 << 20) {
        uint8_t *copy = malloc(size);
        require(copy != NULL);
        memcpy(copy, data, size);
        copy[16] = 2;
        wr_store_i32(copy + 8, (int32_t)(size - WR_BATCH_PREFIX_BYTES));
        wr_batch_set_max_timestamp(copy, size, wr_load_i64(copy + 35));
        judge(weir_bytes(copy, size));
        free(copy);
    }
    return 0;
}
