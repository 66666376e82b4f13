/* SPDX-License-Identifier: Apache-2.0
 *
 * The file `producer-ids`: two lines of text, the format's version (0) and the
 * first producer id that no block has taken. Replaced whole, durable before an
 * id of the block is given. */
#include "broker/producer_ids.h"

#include "base/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK_IDS      1000
#define FILE_BYTES_MAX 256

enum weir_status wr_producer_ids_open(struct wr_producer_ids *ids,
                                      const char *data_dir,
                                      struct weir_error *err)
{
    *ids = (struct wr_producer_ids){0};
    size_t cap = strlen(data_dir) + sizeof("/producer-ids");
    ids->path = malloc(cap);
    if (!ids->path) {
        return weir_fail(err, WEIR_E_NOMEM, "producer ids: out of memory");
    }
    (void)snprintf(ids->path, cap, "%s/producer-ids", data_dir);
    struct wr_buf file;
    wr_buf_init(&file, FILE_BYTES_MAX);
    enum weir_status status = wr_file_read(ids->path, &file, err);
    if (status == WEIR_OK) {
        const char *text = wr_buf_text(&file);
        char *rest = NULL;
        errno = 0;
        long long end = 0;
        if (strncmp(text, "0\n", 2) == 0) {
            end = strtoll(text + 2, &rest, 10);
        }
        if (!rest || rest == text + 2 || *rest != '\n' || errno || end < 0) {
            status = weir_fail(
                err, WEIR_E_CORRUPT,
                "%s: is not a version and a number. Producer ids must never "
                "be given twice: put back the file from a backup, or write "
                "\"0\", a new line, and a number above every producer id ever "
                "used",
                ids->path);
        }
        ids->next = end;
        ids->end = end;
    } else if (status == WEIR_E_NOTFOUND) {
        status = WEIR_OK;
    }
    wr_buf_done(&file);
    if (status != WEIR_OK) {
        wr_producer_ids_close(ids);
    }
    return status;
}

void wr_producer_ids_close(struct wr_producer_ids *ids)
{
    free(ids->path);
    ids->path = NULL;
}

void wr_producer_ids_saw(struct wr_producer_ids *ids, int64_t seen)
{
    if (seen >= ids->next && seen < INT64_MAX) {
        ids->next = seen + 1;
    }
    if (ids->next > ids->end) {
        ids->end = ids->next; /* the file follows with the next block */
    }
}

enum weir_status wr_producer_ids_take(struct wr_producer_ids *ids, int64_t *out,
                                      struct weir_error *err)
{
    if (ids->next >= ids->end) {
        int64_t end = ids->next + BLOCK_IDS;
        char text[64];
        int n = snprintf(text, sizeof(text), "0\n%lld\n", (long long)end);
        enum weir_status status =
            wr_file_replace(ids->path, weir_bytes(text, (size_t)n), err);
        if (status != WEIR_OK) {
            return status;
        }
        ids->end = end;
    }
    *out = ids->next++;
    return WEIR_OK;
}
