/* SPDX-License-Identifier: Apache-2.0
 *
 * When is a replay over? Not at "the last record": a changelog may end with
 * commit markers, be compacted to nothing, or be cut off. It is over when the
 * partition's end was reached (librdkafka says so) and that end is the log's
 * real one. The two differ while a transaction is open or its markers are on
 * their way: reading stops below it, and what the former owner has committed
 * may still be behind. So the end must not lie below the high watermark of the
 * fetch.
 *
 * A position that does not exist (the changelog was made anew, or has lost its
 * head) means that the local state belongs to another history: the store is
 * wiped and replayed from the beginning. */
#include "runtime/restore.h"

#include "base/log.h"

#include <stdlib.h>

#define BATCH 4096

struct wr_restore {
    struct wr_consumer *consumer;
    size_t count;            /* records in the batch */
    enum weir_status status; /* of the callbacks of this step */
    struct weir_error error;
    struct wr_restore_entry *entries[BATCH]; /* by record */
    void *owners[BATCH];
    struct wr_changelog_record records[BATCH];
};

static void on_record(void *user, void *tag, const struct wr_input *in)
{
    struct wr_restore *restore = user;
    if (weir_bytes_is_null(in->record.key) || restore->count == BATCH) {
        wr_consumer_release(NULL, in->owner); /* no changelog record has none */
        return;
    }
    size_t i = restore->count++;
    restore->entries[i] = tag;
    restore->owners[i] = in->owner;
    restore->records[i] =
        (struct wr_changelog_record){.key = in->record.key,
                                     .value = in->record.value,
                                     .timestamp_ms = in->record.timestamp_ms,
                                     .offset = in->offset};
}

/* Hands over the batch, run by run of one store, and lets go of it. */
static enum weir_status apply(struct wr_restore *restore,
                              struct weir_error *err)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < restore->count && status == WEIR_OK;) {
        struct wr_restore_entry *entry = restore->entries[i];
        size_t n = 1;
        while (i + n < restore->count && restore->entries[i + n] == entry) {
            n++;
        }
        status = wr_store_restore(entry->state, entry->store,
                                  &restore->records[i], n, err);
        if (status == WEIR_OK) {
            entry->position = restore->records[i + n - 1].offset + 1;
        }
        i += n;
    }
    for (size_t i = 0; i < restore->count; i++) {
        wr_consumer_release(NULL, restore->owners[i]);
    }
    restore->count = 0;
    return status;
}

static void keep_failure(struct wr_restore *restore, enum weir_status status)
{
    restore->status = restore->status == WEIR_OK ? status : restore->status;
}

static void on_end(void *user, void *tag, int64_t offset)
{
    struct wr_restore *restore = user;
    struct wr_restore_entry *entry = tag;
    enum weir_status status = apply(restore, &restore->error);
    entry->position = offset > entry->position ? offset : entry->position;
    entry->end = wr_consumer_end_offset(restore->consumer, entry->topic,
                                        entry->partition);
    if (status == WEIR_OK && entry->position >= entry->end) {
        status = wr_store_restored(entry->state, entry->store,
                                   entry->position - 1, &restore->error);
        entry->done = status == WEIR_OK;
    }
    if (entry->done) {
        wr_restore_drop(restore, entry);
    }
    keep_failure(restore, status);
}

static struct wr_partition partition_of(struct wr_restore_entry *entry,
                                        int64_t offset)
{
    return (struct wr_partition){.topic = entry->topic,
                                 .partition = entry->partition,
                                 .offset = offset,
                                 .tag = entry};
}

static void on_out_of_range(void *user, void *tag)
{
    struct wr_restore *restore = user;
    struct wr_restore_entry *entry = tag;
    struct wr_partition p = partition_of(entry, WR_OFFSET_BEGIN);
    wr_log(WR_WARN, "restore", "wiped",
           "topic=%s partition=%d offset=%lld reason=\"the changelog does not "
           "have it; rebuilding from its beginning\"",
           entry->topic, (int)entry->partition, (long long)entry->position);
    enum weir_status status = apply(restore, &restore->error);
    if (status == WEIR_OK) {
        status = wr_store_wipe(entry->state, entry->store, &restore->error);
    }
    wr_consumer_unassign(restore->consumer, &p, 1);
    if (status == WEIR_OK) {
        entry->from = 0;
        entry->position = 0;
        status = wr_consumer_assign(restore->consumer, &p, 1, &restore->error);
    }
    keep_failure(restore, status);
}

static void on_problem(void *user, void *tag, const struct weir_error *err)
{
    struct wr_restore *restore = user;
    (void)tag;
    if (weir_status_class(err->status) == WEIR_CLASS_RETRY) {
        wr_log(WR_WARN, "restore", "waiting", "reason=\"%s\"", err->text);
        return;
    }
    if (restore->status == WEIR_OK) {
        restore->error = *err;
        restore->status = err->status;
    }
}

enum weir_status wr_restore_new(const struct wr_options *options,
                                const char *client_id, struct wr_restore **out,
                                struct weir_error *err)
{
    struct wr_restore *restore = calloc(1, sizeof(*restore));
    if (!restore) {
        return weir_fail(err, WEIR_E_NOMEM, "restore: out of memory");
    }
    struct wr_consumer_spec spec = {.kind = WR_CLIENT_RESTORE,
                                    .options = options,
                                    .client_id = client_id,
                                    .events = {.record = on_record,
                                               .end = on_end,
                                               .out_of_range = on_out_of_range,
                                               .problem = on_problem,
                                               .user = restore}};
    enum weir_status status = wr_consumer_new(&spec, &restore->consumer, err);
    if (status != WEIR_OK) {
        free(restore);
        return status;
    }
    *out = restore;
    return WEIR_OK;
}

void wr_restore_free(struct wr_restore *restore)
{
    if (restore) {
        wr_consumer_free(restore->consumer);
        free(restore);
    }
}

enum weir_status wr_restore_add(struct wr_restore *restore,
                                struct wr_restore_entry *entry,
                                struct weir_error *err)
{
    entry->from = wr_store_restore_from(entry->state, entry->store);
    entry->position = entry->from;
    entry->end = -1;
    entry->done = false;
    struct wr_partition p =
        partition_of(entry, entry->from > 0 ? entry->from : WR_OFFSET_BEGIN);
    return wr_consumer_assign(restore->consumer, &p, 1, err);
}

void wr_restore_drop(struct wr_restore *restore, struct wr_restore_entry *entry)
{
    struct wr_partition p = partition_of(entry, 0);
    wr_consumer_unassign(restore->consumer, &p, 1);
}

enum weir_status wr_restore_step(struct wr_restore *restore, int wait_ms,
                                 size_t *out_records, struct weir_error *err)
{
    restore->status = WEIR_OK;
    wr_consumer_poll(restore->consumer, wait_ms, BATCH, out_records);
    enum weir_status status = apply(restore, &restore->error);
    keep_failure(restore, status);
    if (restore->status != WEIR_OK && err) {
        *err = restore->error;
    }
    return restore->status;
}
