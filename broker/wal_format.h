/* SPDX-License-Identifier: Apache-2.0
 *
 * Layout of a round in the write-ahead log, which begins at a multiple of
 * WAL_BLOCK so that writing one never touches a block of another:
 *
 *   head                          as below
 *   batches                       back to back, as in the segments
 *   zeros
 *   head again, ending 8 bytes before the end of the last block
 *   u32 length of the head
 *   u32 WAL_TAIL_MAGIC
 *
 * Head:
 *    0  4  WAL_MAGIC
 *    4  4  CRC-32C, seeded with the salt, over the head from 8 on
 *    8  8  sequence of the round, rising by one
 *   16  4  entries
 *   20  4  bytes of batches
 *   24  4  bytes of the round
 *   28  4  0
 *   32 52 each: topic id (16), i32 partition, i32 kind, i64 base offset, i64
 * next offset, i32 leader epoch, u32 position among the batches, u32 length
 *
 * Batches carry their own checksum; what that leaves out is in the entry. With
 * the head at both ends, one damaged place hides at most one batch, and tells
 * whose. */
#ifndef WEIR_BROKER_WAL_FORMAT_H
#define WEIR_BROKER_WAL_FORMAT_H

#include "base/hash.h"
#include "broker/wal.h"

#define WAL_BLOCK      4096u
#define WAL_MAGIC      0x57524c31u /* "WRL1" */
#define WAL_TAIL_MAGIC 0x57524c54u /* "WRLT" */
#define WAL_HEAD       32u
#define WAL_ENTRY      52u
#define WAL_TAIL       8u

static inline uint32_t wal_crc(uint64_t salt, const uint8_t *head, size_t len)
{
    uint8_t seed[8];
    wr_store_u64(seed, salt);
    return wr_crc32c(wr_crc32c(0, seed, sizeof(seed)), head + 8, len - 8);
}

static inline size_t wal_block_up(size_t n)
{
    return (n + WAL_BLOCK - 1) & ~(size_t)(WAL_BLOCK - 1);
}

#endif
