/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints as text, so that a person with a broken folder can read them:
 *
 *   weir checkpoint 1
 *   durability sync
 *   wal 7f3a... 1234                     salt, first round that counts
 *   0123...cdef 0 500 20                 topic id, partition, recovery point,
 *   ...                                  log start
 *   crc 1a2b3c4d                         CRC-32C of all lines before
 *
 * Saving replaces the first file, then the copy: whichever is damaged later,
 * the other one is at most one checkpoint older, and what the older one still
 * counts on is recycled only after both are written. Thread: any. */
#include "broker/checkpoint.h"

#include "base/fs.h"
#include "base/hash.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECKPOINT_BYTES_MAX ((size_t)64 << 20)

static const char *const file_names[2] = {"weir.checkpoint",
                                          "weir.checkpoint.copy"};
static const char *const durability_names[] = {
    [WR_DURABILITY_SYNC] = "sync",
    [WR_DURABILITY_INTERVAL] = "interval",
    [WR_DURABILITY_NONE] = "none",
};

void wr_checkpoint_done(struct wr_checkpoint *checkpoint)
{
    free(checkpoint->logs);
    *checkpoint = (struct wr_checkpoint){0};
}

enum weir_status wr_checkpoint_add(struct wr_checkpoint *checkpoint,
                                   const struct wr_checkpoint_log *log)
{
    if (checkpoint->log_count == checkpoint->log_cap) {
        size_t cap = checkpoint->log_cap ? checkpoint->log_cap * 2 : 16;
        struct wr_checkpoint_log *logs =
            realloc(checkpoint->logs, cap * sizeof(*logs));
        if (!logs) {
            return WEIR_E_NOMEM;
        }
        checkpoint->logs = logs;
        checkpoint->log_cap = cap;
    }
    checkpoint->logs[checkpoint->log_count++] = *log;
    return WEIR_OK;
}

const struct wr_checkpoint_log *
wr_checkpoint_find(const struct wr_checkpoint *checkpoint,
                   const uint8_t *topic_id, int32_t partition)
{
    for (size_t i = 0; i < checkpoint->log_count; i++) {
        const struct wr_checkpoint_log *log = &checkpoint->logs[i];
        if (log->partition == partition &&
            memcmp(log->topic_id, topic_id, WR_TOPIC_ID_BYTES) == 0) {
            return log;
        }
    }
    return NULL;
}

static void put_hex(struct wr_buf *out, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        wr_buf_printf(out, "%02x", bytes[i]);
    }
}

enum weir_status wr_checkpoint_save(const char *dir,
                                    const struct wr_checkpoint *checkpoint,
                                    struct weir_error *err)
{
    struct wr_buf text;
    wr_buf_init(&text, CHECKPOINT_BYTES_MAX);
    wr_buf_printf(&text,
                  "weir checkpoint 1\ndurability %s\nwal %016" PRIx64
                  " %" PRIu64 "\n",
                  durability_names[checkpoint->durability], checkpoint->salt,
                  checkpoint->live_from);
    for (size_t i = 0; i < checkpoint->log_count; i++) {
        const struct wr_checkpoint_log *log = &checkpoint->logs[i];
        put_hex(&text, log->topic_id, WR_TOPIC_ID_BYTES);
        wr_buf_printf(&text, " %" PRId32 " %" PRId64 " %" PRId64 "\n",
                      log->partition, log->recovery_point, log->start_offset);
    }
    uint32_t crc =
        text.status == WEIR_OK ? wr_crc32c(0, text.data, text.len) : 0;
    wr_buf_printf(&text, "crc %08" PRIx32 "\n", crc);
    enum weir_status status = text.status;
    for (int i = 0; i < 2 && status == WEIR_OK; i++) {
        char path[PATH_MAX];
        (void)snprintf(path, sizeof(path), "%s/%s", dir, file_names[i]);
        status = wr_file_replace(path, wr_buf_view(&text), err);
    }
    wr_buf_done(&text);
    return status;
}

/* ---- reading ---------------------------------------------------------------
 */

/* Cuts the next line, without its end, from the front of *rest into out. */
static bool line_next(struct weir_bytes *rest, char out[256])
{
    const uint8_t *end = memchr(rest->data, '\n', rest->len);
    size_t n = end ? (size_t)(end - rest->data) : 0;
    if (!end || n >= 256) {
        return false;
    }
    memcpy(out, rest->data, n);
    out[n] = '\0';
    *rest = weir_bytes(end + 1, rest->len - n - 1);
    return true;
}

static bool parse_hex(const char *text, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned byte;
        if (sscanf(text + 2 * i, "%2x", &byte) != 1) {
            return false;
        }
        out[i] = (uint8_t)byte;
    }
    return true;
}

static enum weir_status parse_log(struct wr_checkpoint *out, const char *line)
{
    struct wr_checkpoint_log log;
    char id[2 * WR_TOPIC_ID_BYTES + 1];
    if (sscanf(line, "%32[0-9a-f] %" SCNd32 " %" SCNd64 " %" SCNd64, id,
               &log.partition, &log.recovery_point, &log.start_offset) != 4 ||
        strlen(id) != 2 * WR_TOPIC_ID_BYTES ||
        !parse_hex(id, log.topic_id, WR_TOPIC_ID_BYTES)) {
        return WEIR_E_CORRUPT;
    }
    return wr_checkpoint_add(out, &log);
}

static enum weir_status parse_head(struct wr_checkpoint *out,
                                   struct weir_bytes *rest)
{
    char line[256], name[16];
    if (!line_next(rest, line) || strcmp(line, "weir checkpoint 1") != 0 ||
        !line_next(rest, line) || sscanf(line, "durability %15s", name) != 1) {
        return WEIR_E_CORRUPT;
    }
    bool known = false;
    for (int i = WR_DURABILITY_SYNC; i <= WR_DURABILITY_NONE; i++) {
        if (strcmp(name, durability_names[i]) == 0) {
            out->durability = (enum wr_durability)i;
            known = true;
        }
    }
    if (!known || !line_next(rest, line) ||
        sscanf(line, "wal %" SCNx64 " %" SCNu64, &out->salt, &out->live_from) !=
            2) {
        return WEIR_E_CORRUPT;
    }
    return WEIR_OK;
}

static enum weir_status parse(struct wr_checkpoint *out, struct weir_bytes text)
{
    static const size_t crc_line = sizeof("crc 01234567\n") - 1;
    char line[256];
    uint32_t crc;
    if (text.len < crc_line) {
        return WEIR_E_CORRUPT;
    }
    struct weir_bytes tail =
        weir_bytes(text.data + text.len - crc_line, crc_line);
    struct weir_bytes rest = weir_bytes(text.data, text.len - crc_line);
    if (!line_next(&tail, line) || sscanf(line, "crc %" SCNx32, &crc) != 1 ||
        crc != wr_crc32c(0, rest.data, rest.len)) {
        return WEIR_E_CORRUPT;
    }
    enum weir_status status = parse_head(out, &rest);
    while (status == WEIR_OK && rest.len > 0) {
        status = line_next(&rest, line) ? parse_log(out, line) : WEIR_E_CORRUPT;
    }
    return status;
}

enum weir_status wr_checkpoint_load(const char *dir, struct wr_checkpoint *out,
                                    struct weir_error *err)
{
    struct wr_checkpoint found[2] = {{.durability = WR_DURABILITY_SYNC}};
    enum weir_status status[2];
    for (int i = 0; i < 2; i++) {
        char path[PATH_MAX];
        struct wr_buf text;
        wr_buf_init(&text, CHECKPOINT_BYTES_MAX);
        (void)snprintf(path, sizeof(path), "%s/%s", dir, file_names[i]);
        status[i] = wr_file_read(path, &text, err);
        if (status[i] == WEIR_OK) {
            status[i] = parse(&found[i], wr_buf_view(&text));
        }
        wr_buf_done(&text);
    }
    int newer =
        status[0] == WEIR_OK &&
                (status[1] != WEIR_OK || found[0].salt != found[1].salt ||
                 found[0].live_from >= found[1].live_from)
            ? 0
            : 1;
    if (status[newer] == WEIR_OK) {
        *out = found[newer];
        wr_checkpoint_done(&found[1 - newer]);
        return WEIR_OK;
    }
    wr_checkpoint_done(&found[0]);
    wr_checkpoint_done(&found[1]);
    if (status[0] == WEIR_E_NOTFOUND && status[1] == WEIR_E_NOTFOUND) {
        return weir_fail(err, WEIR_E_NOTFOUND, "%s: no checkpoint", dir);
    }
    return weir_fail(err, WEIR_E_CORRUPT,
                     "%s/%s and its copy are damaged; restore one of them, or "
                     "move both and the folder wal away to start with what the "
                     "segments hold",
                     dir, file_names[0]);
}

/* ---- Kafka's ---------------------------------------------------------------
 */

void wr_kafka_checkpoint_init(struct wr_kafka_checkpoint *checkpoint)
{
    checkpoint->count = 0;
    wr_buf_init(&checkpoint->text, CHECKPOINT_BYTES_MAX);
}

void wr_kafka_checkpoint_done(struct wr_kafka_checkpoint *checkpoint)
{
    wr_buf_done(&checkpoint->text);
}

void wr_kafka_checkpoint_add(struct wr_kafka_checkpoint *checkpoint,
                             const char *topic, int32_t partition,
                             int64_t offset)
{
    wr_buf_printf(&checkpoint->text, "%s %" PRId32 " %" PRId64 "\n", topic,
                  partition, offset);
    checkpoint->count++;
}

enum weir_status
wr_kafka_checkpoint_save(struct wr_kafka_checkpoint *checkpoint,
                         const char *path, struct weir_error *err)
{
    struct wr_buf file;
    wr_buf_init(&file, CHECKPOINT_BYTES_MAX);
    wr_buf_printf(&file, "0\n%zu\n", checkpoint->count);
    wr_buf_put_bytes(&file, wr_buf_view(&checkpoint->text));
    enum weir_status status = checkpoint->text.status;
    if (status == WEIR_OK) {
        status = file.status;
    }
    if (status == WEIR_OK) {
        status = wr_file_replace(path, wr_buf_view(&file), err);
    }
    wr_buf_done(&file);
    return status;
}

enum weir_status
wr_kafka_checkpoint_load(struct wr_kafka_checkpoint *checkpoint,
                         const char *path, struct weir_error *err)
{
    char line[256];
    size_t count;
    struct wr_buf file;
    wr_buf_init(&file, CHECKPOINT_BYTES_MAX);
    enum weir_status status = wr_file_read(path, &file, err);
    if (status == WEIR_OK) {
        struct weir_bytes rest = wr_buf_view(&file);
        if (!line_next(&rest, line) || strcmp(line, "0") != 0 ||
            !line_next(&rest, line) || sscanf(line, "%zu", &count) != 1) {
            status = weir_fail(err, WEIR_E_CORRUPT,
                               "%s: not a checkpoint of version 0", path);
        } else {
            checkpoint->count = count;
            wr_buf_put_bytes(&checkpoint->text, rest);
            status = checkpoint->text.status;
        }
    }
    wr_buf_done(&file);
    return status;
}

int64_t wr_kafka_checkpoint_find(const struct wr_kafka_checkpoint *checkpoint,
                                 const char *topic, int32_t partition)
{
    char line[384], name[256];
    struct weir_bytes rest = wr_buf_view(&checkpoint->text);
    while (rest.len > 0) {
        int32_t p;
        int64_t offset;
        const uint8_t *end = memchr(rest.data, '\n', rest.len);
        size_t n = end ? (size_t)(end - rest.data) : 0;
        if (!end || n >= sizeof(line)) {
            return -1;
        }
        memcpy(line, rest.data, n);
        line[n] = '\0';
        rest = weir_bytes(end + 1, rest.len - n - 1);
        if (sscanf(line, "%255s %" SCNd32 " %" SCNd64, name, &p, &offset) ==
                3 &&
            p == partition && strcmp(name, topic) == 0) {
            return offset;
        }
    }
    return -1;
}
