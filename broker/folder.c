/* SPDX-License-Identifier: Apache-2.0
 *
 * Folders of partitions. partition.metadata is text:
 *
 *   version: 0
 *   topic_id: <22 characters of base64url, without padding>
 *
 * The identity matters after a crash: the write-ahead log names partitions by
 * it, so that what was written to a deleted topic never enters a new one of its
 * name. */
#include "broker/folder.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ID_TEXT 22 /* characters of base64url for 16 bytes */

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool wr_topic_name_valid(struct weir_bytes name)
{
    if (name.len == 0 || name.len > WR_TOPIC_NAME_MAX ||
        wr_bytes_equal_text(name, ".") || wr_bytes_equal_text(name, "..")) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-')) {
            return false;
        }
    }
    return true;
}

bool wr_folder_parse(const char *name, char out_topic[WR_TOPIC_NAME_MAX + 1],
                     int32_t *out_partition)
{
    const char *dash = strrchr(name, '-');
    size_t n = dash ? (size_t)(dash - name) : 0;
    if (!dash || n == 0 || n > WR_TOPIC_NAME_MAX || dash[1] < '0' ||
        dash[1] > '9') {
        return false;
    }
    char *end;
    errno = 0;
    long partition = strtol(dash + 1, &end, 10);
    if (*end != '\0' || errno != 0 || partition > INT32_MAX ||
        (dash[1] == '0' && dash[2] != '\0')) {
        return false;
    }
    memcpy(out_topic, name, n);
    out_topic[n] = '\0';
    *out_partition = (int32_t)partition;
    return wr_topic_name_valid(weir_text(out_topic));
}

static void id_encode(const uint8_t *id, char out[ID_TEXT + 1])
{
    for (size_t i = 0; i < ID_TEXT; i++) {
        unsigned v = 0;
        for (size_t bit = 6 * i; bit < 6 * i + 6; bit++) {
            unsigned one =
                bit < 128 ? (unsigned)(id[bit / 8] >> (7 - bit % 8)) & 1u : 0;
            v = v << 1 | one;
        }
        out[i] = alphabet[v];
    }
    out[ID_TEXT] = '\0';
}

static bool id_decode(const char *text, uint8_t *out)
{
    memset(out, 0, WR_TOPIC_ID_BYTES);
    for (size_t i = 0; i < ID_TEXT; i++) {
        const char *at = text[i] ? strchr(alphabet, text[i]) : NULL;
        if (!at) {
            return false;
        }
        unsigned v = (unsigned)(at - alphabet);
        for (size_t bit = 6 * i; bit < 6 * i + 6 && bit < 128; bit++) {
            unsigned one = v >> (5 - (bit - 6 * i)) & 1u;
            out[bit / 8] = (uint8_t)(out[bit / 8] | one << (7 - bit % 8));
        }
    }
    return true;
}

enum weir_status wr_folder_write_id(const char *dir,
                                    const uint8_t topic_id[WR_TOPIC_ID_BYTES],
                                    struct weir_error *err)
{
    char path[PATH_MAX], id[ID_TEXT + 1], text[64];
    id_encode(topic_id, id);
    int n = snprintf(text, sizeof(text), "version: 0\ntopic_id: %s\n", id);
    (void)snprintf(path, sizeof(path), "%s/partition.metadata", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return weir_fail(err, wr_status_of_errno(errno), "%s: cannot create",
                         path);
    }
    enum weir_status status = wr_write_all(fd, text, (size_t)n, path, err);
    if (status == WEIR_OK && fsync(fd) != 0) {
        status = weir_fail(err, WEIR_E_IO, "%s: cannot sync", path);
    }
    (void)close(fd);
    return status;
}

enum weir_status wr_folder_read_id(const char *dir,
                                   uint8_t out[WR_TOPIC_ID_BYTES],
                                   struct weir_error *err)
{
    char path[PATH_MAX], id[ID_TEXT + 1];
    struct wr_buf text;
    wr_buf_init(&text, 4096);
    (void)snprintf(path, sizeof(path), "%s/partition.metadata", dir);
    enum weir_status status = wr_file_read(path, &text, err);
    if (status == WEIR_E_NOTFOUND) {
        status = weir_fail(err, status,
                           "%s: is missing; put it back from a copy, or copy "
                           "that of another partition of the topic",
                           path);
    }
    if (status == WEIR_OK) {
        const char *line = strstr(wr_buf_text(&text), "topic_id:");
        if (!line || sscanf(line, "topic_id: %22[A-Za-z0-9_-]", id) != 1 ||
            strlen(id) != ID_TEXT || !id_decode(id, out)) {
            status = weir_fail(err, WEIR_E_CORRUPT,
                               "%s: has no topic_id; put the file back from a "
                               "copy, or take the line of another partition "
                               "of the topic",
                               path);
        }
    }
    wr_buf_done(&text);
    return status;
}
