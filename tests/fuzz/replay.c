/* SPDX-License-Identifier: Apache-2.0
 *
 * The main of a fuzz program where there is no libFuzzer: gives every file of
 * the corpus to LLVMFuzzerTestOneInput as it is, then a number of mutations
 * that the seed decides. The same seed, corpus and number give the same inputs
 * in the same order on every machine, so a failure in a run of the tests can be
 * had again.
 *
 *   fuzz_NAME CORPUS-FOLDER
 *     WEIR_SEED        seed of the mutations (1)
 *     WEIR_FUZZ_RUNS   number of mutations (20000)
 *     WEIR_FUZZ_MS     stop after that long, 0: never (20000)
 *
 * Each input is given in a block of exactly its size, so that AddressSanitizer
 * sees a read beyond it. Thread: one. */
#include "base/bytes.h"
#include "base/clock.h"
#include "base/fs.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_MAX  65536 /* bytes of one input */
#define CORPUS_MAX 4096  /* files */

/* libFuzzer's own name; each fuzz program defines it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct wr_buf corpus[CORPUS_MAX]; /* the files, whole */
static size_t corpus_count;

static uint64_t env_number(const char *name, uint64_t standard)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 0) : standard;
}

static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static size_t below(uint64_t *seed, size_t n)
{
    return n ? (size_t)(next_random(seed) % n) : 0;
}

static void give(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact) {
        (void)fprintf(stderr, "replay: out of memory\n");
        exit(2);
    }
    if (size > 0) {
        memcpy(exact, data, size);
    }
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

/* ---- corpus ------------------------------------------------------------- */

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Files in the order of their names, which readdir does not promise. */
static bool corpus_load(const char *folder)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, visible, alphasort);
    for (int i = 0; i < count; i++) {
        char path[4096];
        struct weir_error err;
        struct wr_buf file;
        wr_buf_init(&file, INPUT_MAX);
        (void)snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        free(entries[i]);
        if (wr_file_read(path, &file, &err) != WEIR_OK) {
            (void)fprintf(stderr, "replay: %s\n", err.text);
            wr_buf_done(&file);
        } else if (corpus_count < CORPUS_MAX) {
            corpus[corpus_count++] = file;
        } else {
            wr_buf_done(&file);
        }
    }
    free(entries);
    if (corpus_count == 0) {
        (void)fprintf(stderr,
                      "replay: %s: no readable files; a fuzz program without a "
                      "corpus tests nothing\n",
                      folder);
    }
    return corpus_count > 0;
}

/* ---- mutations ---------------------------------------------------------- */

struct input {
    uint8_t data[INPUT_MAX];
    size_t len;
};

static void cut_piece(struct input *in, uint64_t *seed)
{
    size_t at = below(seed, in->len);
    size_t n = below(seed, in->len - at) + (in->len > at);
    memmove(in->data + at, in->data + at + n, in->len - at - n);
    in->len -= n;
}

static void insert_piece(struct input *in, const uint8_t *from, size_t n,
                         uint64_t *seed)
{
    size_t at = below(seed, in->len + 1);
    if (n > INPUT_MAX - in->len) {
        n = INPUT_MAX - in->len;
    }
    memmove(in->data + at + n, in->data + at, in->len - at);
    memcpy(in->data + at, from, n);
    in->len += n;
}

/* Numbers at which decoders break: signs, lengths that are far too long. */
static void put_edge_number(struct input *in, uint64_t *seed)
{
    static const uint64_t edges[] = {
        0,          1,          0x7f,       0x80,
        0xff,       0x7fff,     0x8000,     0xffff,
        0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX,
        UINT64_MAX, 0x7ffffff0, 1000000,    (uint64_t)1 << 63};
    static const size_t widths[] = {1, 2, 4, 8};
    uint8_t number[8];
    size_t width = widths[below(seed, 4)];
    wr_store_u64(number, edges[below(seed, 16)]);
    if (in->len >= width) {
        memcpy(in->data + below(seed, in->len - width + 1),
               number + (8 - width), width);
    }
}

static void mutate(struct input *in, uint64_t *seed)
{
    uint8_t noise[16];
    struct weir_bytes other = wr_buf_view(&corpus[below(seed, corpus_count)]);
    for (size_t i = 0; i < sizeof(noise); i++) {
        noise[i] = (uint8_t)next_random(seed);
    }
    switch (below(seed, 7)) {
    case 0:
        if (in->len > 0) {
            in->data[below(seed, in->len)] ^= (uint8_t)(1u << below(seed, 8));
        }
        break;
    case 1:
        if (in->len > 0) {
            in->data[below(seed, in->len)] = noise[0];
        }
        break;
    case 2:
        put_edge_number(in, seed);
        break;
    case 3:
        cut_piece(in, seed);
        break;
    case 4:
        insert_piece(in, noise, 1 + below(seed, sizeof(noise)), seed);
        break;
    case 5: /* a piece of another file, or of the same one */
        if (other.len > 0) {
            size_t at = below(seed, other.len);
            insert_piece(in, other.data + at, 1 + below(seed, other.len - at),
                         seed);
        }
        break;
    default: /* ends too early */
        in->len = below(seed, in->len + 1);
        break;
    }
}

int main(int argc, char **argv)
{
    static struct input in;
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    uint64_t seed = env_number("WEIR_SEED", 1);
    uint64_t runs = env_number("WEIR_FUZZ_RUNS", 20000);
    int64_t limit_ms = (int64_t)env_number("WEIR_FUZZ_MS", 20000);
    int64_t start_ms = wr_mono_ms();
    (void)printf("replay: WEIR_SEED=%llu\n", (unsigned long long)seed);
    (void)fflush(stdout);
    if (!corpus_load(argv[1])) {
        return 2;
    }
    for (size_t i = 0; i < corpus_count; i++) {
        give(corpus[i].data, corpus[i].len);
    }
    uint64_t run = 0;
    for (; run < runs; run++) {
        if (limit_ms > 0 && run % 64 == 0 &&
            wr_mono_ms() - start_ms > limit_ms) {
            break;
        }
        struct weir_bytes base =
            wr_buf_view(&corpus[below(&seed, corpus_count)]);
        memcpy(in.data, base.data, base.len);
        in.len = base.len;
        for (size_t n = 1 + below(&seed, 5); n > 0; n--) {
            mutate(&in, &seed);
        }
        give(in.data, in.len);
    }
    for (size_t i = 0; i < corpus_count; i++) {
        wr_buf_done(&corpus[i]);
    }
    (void)printf("replay: %zu files and %llu mutations, none crashed\n",
                 corpus_count, (unsigned long long)run);
    return 0;
}
