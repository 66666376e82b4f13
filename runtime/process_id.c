/* SPDX-License-Identifier: Apache-2.0
 *
 * With group.instance.id the id is computed from it. Without, a process takes
 * the first free slot of its state folder: slot 0 has Kafka Streams' file
 * names,
 * `.lock` and `kafka-streams-process-metadata` (JSON, {"processId":"<uuid>"}),
 * slot n has `.lock-n` and so on. A slot is free when nobody holds its lock, so
 * a process that restarts finds its predecessor's slot and id; workers that
 * share a folder get one slot each. When all are taken, a random id does. */
#include "runtime/process_id.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"

#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#define SLOT_COUNT    256
#define METADATA_FILE "kafka-streams-process-metadata"

static void uuid_of(const uint8_t b[16], char out[37])
{
    (void)snprintf(out, 37,
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
                   "%02x%02x%02x%02x%02x%02x",
                   b[0], b[1], b[2], b[3], b[4], b[5],
                   (unsigned)((b[6] & 0x0f) | 0x40), b[7],
                   (unsigned)((b[8] & 0x3f) | 0x80), b[9], b[10], b[11], b[12],
                   b[13], b[14], b[15]);
}

static void uuid_random(char out[37])
{
    uint8_t b[16];
    if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b)) {
        int64_t seed[2] = {wr_mono_ns(), (int64_t)getpid()};
        memcpy(b, seed, sizeof(b));
    }
    uuid_of(b, out);
}

static void uuid_of_name(const char *name, char out[37])
{
    uint8_t b[16];
    char text[512];
    for (int i = 0; i < 4; i++) {
        (void)snprintf(text, sizeof(text), "%d/%s", i, name);
        wr_store_u32(b + 4 * i, wr_murmur2(weir_text(text)));
    }
    uuid_of(b, out);
}

/* The 36 characters after `"processId":"`, if they are there. */
static bool parse_metadata(const char *text, char out[37])
{
    static const char key[] = "\"processId\"";
    const char *at = strstr(text, key);
    at = at ? strchr(at + sizeof(key) - 1, '"') : NULL;
    size_t n = at ? strspn(at + 1, "0123456789abcdefABCDEF-") : 0;
    if (n != 36 || at[37] != '"') {
        return false;
    }
    memcpy(out, at + 1, 36);
    out[36] = '\0';
    return true;
}

static enum weir_status read_or_make(struct wr_process_id *out,
                                     const char *path, struct weir_error *err)
{
    struct wr_buf text;
    wr_buf_init(&text, 4096);
    bool found = wr_file_read(path, &text, NULL) == WEIR_OK &&
                 parse_metadata(wr_buf_text(&text), out->uuid);
    enum weir_status status = WEIR_OK;
    if (!found) {
        wr_buf_reset(&text);
        uuid_random(out->uuid);
        wr_buf_printf(&text, "{\"processId\":\"%s\"}", out->uuid);
        status = wr_file_replace(path, wr_buf_view(&text), err);
    }
    wr_buf_done(&text);
    return status;
}

enum weir_status wr_process_id_open(struct wr_process_id *out, const char *dir,
                                    const char *instance_id,
                                    struct weir_error *err)
{
    out->lock_fd = -1;
    if (instance_id) {
        uuid_of_name(instance_id, out->uuid);
        return WEIR_OK;
    }
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        char suffix[16] = "";
        char path[4096];
        if (slot > 0) {
            (void)snprintf(suffix, sizeof(suffix), "-%d", slot);
        }
        (void)snprintf(path, sizeof(path), "%s/.lock%s", dir, suffix);
        enum weir_status status = wr_lock_file(path, &out->lock_fd, err);
        if (status == WEIR_E_LOCKED) {
            out->lock_fd = -1;
            continue;
        }
        if (status != WEIR_OK) {
            return status;
        }
        (void)snprintf(path, sizeof(path), "%s/" METADATA_FILE "%s", dir,
                       suffix);
        status = read_or_make(out, path, err);
        if (status != WEIR_OK) {
            wr_process_id_close(out);
        }
        return status;
    }
    uuid_random(out->uuid);
    return WEIR_OK;
}

void wr_process_id_close(struct wr_process_id *id)
{
    if (id->lock_fd >= 0) {
        (void)close(id->lock_fd);
        id->lock_fd = -1;
    }
}
