/* SPDX-License-Identifier: Apache-2.0
 *
 * The program's memory comes from jemalloc: every record that passes is a few
 * pieces of memory that one thread of librdkafka takes and another gives back,
 * and the C library's allocator takes a lock for that each time. Keyed count
 * costs a fifth less processor time, docs/notes/008-memory.md.
 *
 * Here is only how jemalloc is set; MALLOC_CONF in the environment comes after
 * it. One arena: its threads' caches do without it nearly always, and memory
 * that one thread freed serves the others. What is unused for 200 ms goes back
 * to the system.
 *
 * A program that embeds libweir keeps its own allocator. */

/* jemalloc finds it by its name (jemalloc(3), TUNING). */
extern const char *malloc_conf;
__attribute__((visibility("default"))) const char *malloc_conf =
    "narenas:1,dirty_decay_ms:200,muzzy_decay_ms:0";
