/* SPDX-License-Identifier: Apache-2.0
 *
 * The metadata beside a committed offset, in Kafka Streams' format (base64):
 *
 *   byte 0      version: 1 or 2
 *   bytes 1..8  partition time, int64
 *   bytes 9..   version 2: what processors keep (int32 count, then name and
 *               time each), left out when there is nothing; weir writes none
 *               and reads past it
 *
 * Anything else, as other tools commit, means "unknown". */
#include "runtime/offsets.h"

#include "base/bytes.h"

#define VERSION        2
#define TEXT_LEN       12 /* base64 of 9 bytes, without padding */
#define TEXT_LEN_FIRST 12 /* of a text that has more: its first 9 bytes */

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void wr_offset_metadata(int64_t time_ms, char out[WR_OFFSET_METADATA_MAX])
{
    uint8_t bytes[9] = {VERSION};
    wr_store_i64(bytes + 1, time_ms);
    for (size_t i = 0; i < sizeof(bytes) / 3; i++) {
        const uint8_t *b = bytes + 3 * i;
        uint32_t v = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2];
        out[4 * i] = alphabet[v >> 18];
        out[4 * i + 1] = alphabet[v >> 12 & 63];
        out[4 * i + 2] = alphabet[v >> 6 & 63];
        out[4 * i + 3] = alphabet[v & 63];
    }
    out[TEXT_LEN] = '\0';
}

int64_t wr_offset_metadata_time_ms(const char *text)
{
    uint8_t bytes[9];
    if (!text || strlen(text) < TEXT_LEN_FIRST) {
        return -1;
    }
    for (size_t i = 0; i < sizeof(bytes) / 3; i++) {
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            const char *at = strchr(alphabet, text[4 * i + k]);
            if (!at) {
                return -1;
            }
            v = v << 6 | (uint32_t)(at - alphabet);
        }
        bytes[3 * i] = (uint8_t)(v >> 16);
        bytes[3 * i + 1] = (uint8_t)(v >> 8);
        bytes[3 * i + 2] = (uint8_t)v;
    }
    int64_t time_ms = wr_load_i64(bytes + 1);
    return (bytes[0] == 1 || bytes[0] == 2) && time_ms >= 0 ? time_ms : -1;
}
