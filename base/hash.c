/* SPDX-License-Identifier: Apache-2.0
 *
 * Hashes. CRC-32C is on the broker's hot path (every produced batch is
 * checked), so it has two ways: the processor's crc32 instruction, three
 * streams at a time because the instruction has a latency of three cycles and a
 * throughput of one; and slicing by eight tables for other machines. The choice
 * is made at the first call. XXH3 is compiled in from its header, which makes
 * short keys cheap. */
#include "base/hash.h"

#include <pthread.h>
#include <stdatomic.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define CRC_POLY 0x82f63b78u /* Castagnoli, bits reversed */

static uint32_t crc_table[8][256];
static pthread_once_t crc_table_once = PTHREAD_ONCE_INIT;

static void crc_table_make(void)
{
    for (uint32_t n = 0; n < 256; n++) {
        uint32_t crc = n;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? crc >> 1 ^ CRC_POLY : crc >> 1;
        }
        crc_table[0][n] = crc;
    }
    for (uint32_t n = 0; n < 256; n++) {
        for (int k = 1; k < 8; k++) {
            uint32_t crc = crc_table[k - 1][n];
            crc_table[k][n] = crc_table[0][crc & 0xff] ^ crc >> 8;
        }
    }
}

static uint32_t load_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

uint32_t wr_crc32c_portable(uint32_t crc, const void *data, size_t len)
{
    const uint8_t *p = data;
    (void)pthread_once(&crc_table_once, crc_table_make);
    crc = ~crc;
    for (; len >= 8; len -= 8, p += 8) {
        uint32_t low = crc ^ load_le32(p);
        uint32_t high = load_le32(p + 4);
        crc = crc_table[7][low & 0xff] ^ crc_table[6][low >> 8 & 0xff] ^
              crc_table[5][low >> 16 & 0xff] ^ crc_table[4][low >> 24] ^
              crc_table[3][high & 0xff] ^ crc_table[2][high >> 8 & 0xff] ^
              crc_table[1][high >> 16 & 0xff] ^ crc_table[0][high >> 24];
    }
    for (; len > 0; len--, p++) {
        crc = crc_table[0][(crc ^ *p) & 0xff] ^ crc >> 8;
    }
    return ~crc;
}

#if defined(__x86_64__)

/* Three streams of `span` bytes lie side by side; the first two checksums are
 * then carried over the bytes that follow them. Carrying over n zero bytes is a
 * linear map on 32 bits, tabled by byte: crc_shift[i] for span i. */
#define CRC_SPANS 2
static const size_t crc_spans[CRC_SPANS] = {4096, 256};
static uint32_t crc_shift[CRC_SPANS][4][256];

/* The map over n bytes is linear, so its value at 32 single bits gives all. */
static void crc_shift_make(void)
{
    static const uint8_t zeros[256] = {0};
    for (int i = 0; i < CRC_SPANS; i++) {
        uint32_t bit_image[32];
        for (int bit = 0; bit < 32; bit++) {
            uint32_t crc = (uint32_t)1 << bit;
            for (size_t n = 0; n < crc_spans[i]; n += sizeof(zeros)) {
                /* both complements cancel out: the register, not the sum */
                crc = ~wr_crc32c_portable(~crc, zeros, sizeof(zeros));
            }
            bit_image[bit] = crc;
        }
        for (int byte = 0; byte < 4; byte++) {
            for (uint32_t v = 0; v < 256; v++) {
                uint32_t image = 0;
                for (int bit = 0; bit < 8; bit++) {
                    image ^= v >> bit & 1 ? bit_image[byte * 8 + bit] : 0;
                }
                crc_shift[i][byte][v] = image;
            }
        }
    }
}

static uint64_t crc_carry(uint32_t table[4][256], uint64_t crc)
{
    return table[0][crc & 0xff] ^ table[1][crc >> 8 & 0xff] ^
           table[2][crc >> 16 & 0xff] ^ table[3][crc >> 24 & 0xff];
}

static uint64_t load_word(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t start, const void *data, size_t len)
{
    const uint8_t *p = data;
    uint64_t crc = (uint32_t)~start;
    for (int i = 0; i < CRC_SPANS; i++) {
        size_t span = crc_spans[i];
        for (; len >= 3 * span; len -= 3 * span, p += 3 * span) {
            uint64_t second = 0;
            uint64_t third = 0;
            for (size_t at = 0; at < span; at += 8) {
                crc = __builtin_ia32_crc32di(crc, load_word(p + at));
                second =
                    __builtin_ia32_crc32di(second, load_word(p + span + at));
                third =
                    __builtin_ia32_crc32di(third, load_word(p + 2 * span + at));
            }
            crc = crc_carry(crc_shift[i], crc) ^ second;
            crc = crc_carry(crc_shift[i], crc) ^ third;
        }
    }
    for (; len >= 8; len -= 8, p += 8) {
        crc = __builtin_ia32_crc32di(crc, load_word(p));
    }
    uint32_t crc32 = (uint32_t)crc;
    for (; len > 0; len--, p++) {
        crc32 = __builtin_ia32_crc32qi(crc32, *p);
    }
    return ~crc32;
}

static pthread_once_t crc_shift_once = PTHREAD_ONCE_INIT;

#endif

typedef uint32_t crc_fn(uint32_t crc, const void *data, size_t len);

static crc_fn crc_first_call;
static _Atomic(crc_fn *) crc_chosen = crc_first_call;

static uint32_t crc_first_call(uint32_t crc, const void *data, size_t len)
{
    crc_fn *chosen = wr_crc32c_portable;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) {
        (void)pthread_once(&crc_shift_once, crc_shift_make);
        chosen = crc32c_sse42;
    }
#endif
    atomic_store_explicit(&crc_chosen, chosen, memory_order_release);
    return chosen(crc, data, len);
}

uint32_t wr_crc32c(uint32_t crc, const void *data, size_t len)
{
    return atomic_load_explicit(&crc_chosen, memory_order_acquire)(crc, data,
                                                                   len);
}

uint32_t wr_murmur2(struct weir_bytes key)
{
    const uint32_t m = 0x5bd1e995u;
    const uint8_t *p = key.data;
    size_t left = key.len;
    uint32_t h = 0x9747b28cu ^ (uint32_t)key.len;
    for (; left >= 4; left -= 4, p += 4) {
        uint32_t k = load_le32(p) * m;
        k ^= k >> 24;
        h = (h * m) ^ (k * m);
    }
    if (left > 0) {
        uint32_t tail = 0;
        for (size_t i = 0; i < left; i++) {
            tail |= (uint32_t)p[i] << (8 * i);
        }
        h = (h ^ tail) * m;
    }
    h = (h ^ h >> 13) * m;
    return h ^ h >> 15;
}

int32_t wr_partition_of(struct weir_bytes key, int32_t partition_count)
{
    return (int32_t)(wr_murmur2(key) & 0x7fffffffu) % partition_count;
}

uint64_t wr_hash64(struct weir_bytes bytes)
{
    return XXH3_64bits(bytes.data, bytes.len);
}
