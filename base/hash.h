/* SPDX-License-Identifier: Apache-2.0
 *
 * The three hashes weir needs: CRC-32C for record batches and files (RFC 3720,
 * Castagnoli polynomial), murmur2 for Kafka's default partitioner, XXH3 for our
 * own tables. Thread: any. */
#ifndef WEIR_BASE_HASH_H
#define WEIR_BASE_HASH_H

#include "weir/types.h"

/** CRC-32C of bytes, continuing from crc (0 to begin). Uses the processor's
 *  instruction where there is one. */
uint32_t wr_crc32c(uint32_t crc, const void *data, size_t len);
/** The same without the processor's instruction: what wr_crc32c is elsewhere.
 */
uint32_t wr_crc32c_portable(uint32_t crc, const void *data, size_t len);

/** Murmur2 with Kafka's seed 0x9747b28c, as org.apache.kafka.common.utils.Utils
 *  computes it. */
uint32_t wr_murmur2(struct weir_bytes key);

/** Partition of a non-null key: murmur2 & 0x7fffffff mod count; count > 0. */
int32_t wr_partition_of(struct weir_bytes key, int32_t partition_count);

/** XXH3 of bytes, for tables in memory; not stable across versions. */
uint64_t wr_hash64(struct weir_bytes bytes);

#endif
