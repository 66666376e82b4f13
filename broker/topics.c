/* SPDX-License-Identifier: Apache-2.0
 *
 * The registry of topics. In memory: an array sorted by name, for walks, and
 * two maps, by name and by id. On disk: the file `topics` of the data folder,
 * text, replaced whole at each change (topics_file.c).
 *
 * Order of steps, so that a crash leaves a topic whole or not there:
 *   create   folders of the partitions, synced; then the file
 *   grow     the same
 *   delete   the file; then the folders
 * A folder that the file does not know is what is left in between, or the file
 * is an older copy: at the next start it is removed when it holds nothing, and
 * set aside when it does. */
#include "broker/topics.h"

#include "base/log.h"
#include "broker/broker.h"
#include "broker/config.h"
#include "broker/logs.h"
#include "broker/topics_file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

/* ---- the set ------------------------------------------------------------- */

static struct weir_bytes id_key(const struct wr_uuid *id)
{
    return weir_bytes(id->b, sizeof(id->b));
}

/* Index of the first topic whose name is not less than `name`. */
static size_t position(const struct wr_topics *topics, const char *name)
{
    size_t low = 0;
    size_t high = topics->count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (strcmp(topics->items[mid]->name, name) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static enum weir_status insert(struct wr_topics *topics, struct wr_topic *topic)
{
    if (topics->count == topics->cap) {
        size_t cap = topics->cap ? topics->cap * 2 : 16;
        struct wr_topic **items =
            realloc(topics->items, cap * sizeof(struct wr_topic *));
        if (!items) {
            return WEIR_E_NOMEM;
        }
        topics->items = items;
        topics->cap = cap;
    }
    if (wr_map_put(&topics->by_name, weir_text(topic->name), topic, NULL) !=
        WEIR_OK) {
        return WEIR_E_NOMEM;
    }
    if (wr_map_put(&topics->by_id, id_key(&topic->id), topic, NULL) !=
        WEIR_OK) {
        wr_map_remove(&topics->by_name, weir_text(topic->name));
        return WEIR_E_NOMEM;
    }
    size_t at = position(topics, topic->name);
    memmove(topics->items + at + 1, topics->items + at,
            (topics->count - at) * sizeof(struct wr_topic *));
    topics->items[at] = topic;
    topics->count++;
    topics->partition_count += (size_t)topic->partition_count;
    return WEIR_OK;
}

static void take_out(struct wr_topics *topics, struct wr_topic *topic)
{
    size_t at = position(topics, topic->name);
    topics->count--;
    memmove(topics->items + at, topics->items + at + 1,
            (topics->count - at) * sizeof(struct wr_topic *));
    topics->partition_count -= (size_t)topic->partition_count;
    wr_map_remove(&topics->by_name, weir_text(topic->name));
    wr_map_remove(&topics->by_id, id_key(&topic->id));
}

struct wr_topic *wr_topics_find(const struct wr_topics *topics,
                                struct weir_bytes name)
{
    return name.data ? wr_map_get(&topics->by_name, name) : NULL;
}

struct wr_topic *wr_topics_find_id(const struct wr_topics *topics,
                                   struct wr_uuid id)
{
    return wr_map_get(&topics->by_id, id_key(&id));
}

struct wr_log *wr_topics_log(const struct wr_topics *topics,
                             struct weir_bytes name, int32_t index)
{
    const struct wr_topic *topic = wr_topics_find(topics, name);
    return topic && index >= 0 && index < topic->partition_count
               ? topic->logs[index]
               : NULL;
}

bool wr_topics_next(const struct wr_topics *topics, size_t *cursor,
                    struct wr_topic **out)
{
    if (*cursor >= topics->count) {
        return false;
    }
    *out = topics->items[(*cursor)++];
    return true;
}

size_t wr_topics_count(const struct wr_topics *topics)
{
    return topics->count;
}

void wr_topics_watch(struct wr_topics *topics,
                     struct wr_topics_watcher *watcher)
{
    watcher->next = topics->watchers;
    topics->watchers = watcher;
}

/* ---- checks ---------------------------------------------------------------
 */

static int16_t refuse(struct weir_error *err, enum wr_kafka_error code,
                      const char *text)
{
    (void)weir_fail(err, WEIR_E_INVALID, "%s", text);
    return (int16_t)code;
}

/* Kafka's metrics make '.' and '_' one, so it refuses two names that differ in
 * nothing else; clients rely on it. */
static bool collides(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        bool same =
            *a == *b || ((*a == '.' || *a == '_') && (*b == '.' || *b == '_'));
        if (!same) {
            return false;
        }
    }
    return *a == *b;
}

static int16_t check_name(const struct wr_topics *topics,
                          const struct wr_topic_spec *spec, const char *name,
                          struct weir_error *err)
{
    if (wr_topics_find(topics, spec->name)) {
        (void)weir_fail(err, WEIR_E_EXISTS, "Topic '%s' already exists.", name);
        return WR_ERR_TOPIC_ALREADY_EXISTS;
    }
    if (!spec->internal && (strcmp(name, WR_TOPIC_OFFSETS) == 0 ||
                            strcmp(name, WR_TOPIC_TXNS) == 0)) {
        return refuse(err, WR_ERR_INVALID_TOPIC_EXCEPTION,
                      "This topic is made by the broker when it is needed.");
    }
    for (size_t i = 0; i < topics->count; i++) {
        if (collides(topics->items[i]->name, name)) {
            (void)weir_fail(err, WEIR_E_EXISTS,
                            "Topic '%s' collides with '%s': names may not "
                            "differ in '.' and '_' alone.",
                            name, topics->items[i]->name);
            return WR_ERR_INVALID_TOPIC_EXCEPTION;
        }
    }
    return 0;
}

static int16_t check_count(const struct wr_topics *topics, int64_t more,
                           int64_t total, struct weir_error *err)
{
    if (total <= 0 || total > WR_TOPIC_PARTITIONS_MAX) {
        (void)weir_fail(err, WEIR_E_INVALID,
                        "Number of partitions must be 1 to %d.",
                        WR_TOPIC_PARTITIONS_MAX);
        return WR_ERR_INVALID_PARTITIONS;
    }
    if ((int64_t)topics->partition_count + more > WR_PARTITIONS_MAX) {
        (void)weir_fail(err, WEIR_E_TOOBIG,
                        "The broker holds %zu partitions and at most %d.",
                        topics->partition_count, WR_PARTITIONS_MAX);
        return WR_ERR_POLICY_VIOLATION;
    }
    return 0;
}

/* ---- folders --------------------------------------------------------------
 */

/* The logs [from, count) are made; on failure those made are removed again. */
static enum weir_status make_logs(struct wr_topics *topics,
                                  struct wr_topic *topic, int32_t from,
                                  struct weir_error *err)
{
    struct wr_logs *logs = topics->broker->logs;
    for (int32_t i = from; i < topic->partition_count; i++) {
        struct wr_logs_new what = {topic->name, topic->id.b, i,
                                   i + 1 < topic->partition_count};
        enum weir_status s = wr_logs_create(logs, &what, &topic->logs[i], err);
        if (s != WEIR_OK) {
            while (--i >= from) {
                if (wr_logs_delete(logs, topic->logs[i], NULL) != WEIR_OK) {
                    return s; /* the next start finds and removes them */
                }
            }
            return s;
        }
        wr_log_set_config(topic->logs[i], &topic->config);
    }
    return WEIR_OK;
}

static void drop_logs(struct wr_topics *topics, struct wr_topic *topic,
                      int32_t from)
{
    for (int32_t i = from; i < topic->partition_count; i++) {
        struct weir_error err;
        if (wr_logs_delete(topics->broker->logs, topic->logs[i], &err) !=
            WEIR_OK) {
            wr_log(WR_WARN, "broker", "partition folder is left behind",
                   "topic=%s partition=%d reason=\"%s\"", topic->name, i,
                   err.text);
        }
    }
}

static int16_t storage_failed(struct weir_error *err, const char *name)
{
    if (err) {
        (void)weir_fail_prefix(err, err->status, "topic %s", name);
        wr_log(WR_ERROR, "broker", "storage error", "reason=\"%s\"", err->text);
    }
    return WR_ERR_KAFKA_STORAGE_ERROR;
}

/* ---- create, grow, delete, configure ---------------------------------------
 */

void wr_topic_free(struct wr_topic *topic)
{
    if (topic) {
        wr_options_free(topic->options);
        free(topic->logs);
        free(topic->name);
        free(topic);
    }
}

static struct wr_uuid random_id(void)
{
    struct wr_uuid id;
    do {
        if (getrandom(id.b, sizeof(id.b), 0) != (ssize_t)sizeof(id.b)) {
            memset(id.b, 0, sizeof(id.b));
        }
        id.b[6] = (uint8_t)((id.b[6] & 0x0f) | 0x40); /* version 4 */
        id.b[8] = (uint8_t)((id.b[8] & 0x3f) | 0x80);
    } while (id.b[0] == 0); /* no id begins with '-' in base64 this way */
    return id;
}

static int16_t read_settings(const struct wr_topic_spec *spec,
                             struct wr_topic *topic, struct weir_error *err)
{
    if (spec->setting_count == 0) {
        return 0;
    }
    if (wr_topic_options_new(&topic->options) != WEIR_OK) {
        return refuse(err, WR_ERR_UNKNOWN_SERVER_ERROR, "out of memory");
    }
    for (size_t i = 0; i < spec->setting_count; i++) {
        const struct wr_topic_setting *s = &spec->settings[i];
        int16_t code =
            wr_topic_option_set(topic->options, s->name, s->value, err);
        if (code != 0) {
            return code;
        }
    }
    return 0;
}

static int16_t build(const struct wr_topics *topics,
                     const struct wr_topic_spec *spec, struct wr_topic **out,
                     struct weir_error *err)
{
    struct wr_topic *topic = calloc(1, sizeof(*topic));
    *out = topic;
    if (!topic) {
        return refuse(err, WR_ERR_UNKNOWN_SERVER_ERROR, "out of memory");
    }
    const struct wr_options *broker = topics->broker->options;
    topic->internal = spec->internal;
    topic->id = random_id();
    topic->partition_count =
        spec->partition_count == -1
            ? (int32_t)wr_options_int(broker, "num.partitions")
            : spec->partition_count;
    topic->name = malloc(spec->name.len + 1); /* the view has no NUL */
    if (!topic->name) {
        return refuse(err, WR_ERR_UNKNOWN_SERVER_ERROR, "out of memory");
    }
    if (spec->name.len > 0) {
        memcpy(topic->name, spec->name.data, spec->name.len);
    }
    topic->name[spec->name.len] = '\0';
    int16_t code = check_name(topics, spec, topic->name, err);
    if (code == 0) {
        code = check_count(topics, topic->partition_count,
                           topic->partition_count, err);
    }
    if (code == 0) {
        code = read_settings(spec, topic, err);
    }
    if (code == 0) {
        topic->config = wr_topic_log_config(broker, topic->options);
        topic->logs =
            calloc((size_t)topic->partition_count, sizeof(struct wr_log *));
        if (!topic->logs) {
            code = refuse(err, WR_ERR_UNKNOWN_SERVER_ERROR, "out of memory");
        }
    }
    return code;
}

/* Nothing compacts yet. */
static const char *policy_note(const struct wr_topic *topic)
{
    if (!topic->config.cleanup_compact) {
        return "";
    }
    return topic->config.cleanup_delete
               ? " note=\"cleanup.policy: compact has no effect yet, files go "
                 "by age and size\""
               : " note=\"cleanup.policy: compact has no effect yet, all "
                 "records stay\"";
}

int16_t wr_topics_create(struct wr_topics *topics,
                         const struct wr_topic_spec *spec,
                         struct wr_topic **out, struct weir_error *err)
{
    struct weir_error local;
    err = err ? err : &local;
    if (out) {
        *out = NULL;
    }
    if (!wr_topic_name_valid(spec->name)) {
        return refuse(err, WR_ERR_INVALID_TOPIC_EXCEPTION,
                      "Topic name is invalid: want 1 to 249 of "
                      "[a-zA-Z0-9._-], and not \".\" or \"..\".");
    }
    struct wr_topic *topic = NULL;
    int16_t code = build(topics, spec, &topic, err);
    if (code != 0 || spec->validate_only) {
        goto done;
    }
    if (make_logs(topics, topic, 0, err) != WEIR_OK) {
        code = storage_failed(err, topic->name);
        goto done;
    }
    enum weir_status s = insert(topics, topic);
    if (s == WEIR_OK) {
        s = wr_topics_file_write(topics, err);
        if (s != WEIR_OK) {
            take_out(topics, topic);
        }
    }
    if (s != WEIR_OK) {
        drop_logs(topics, topic, 0);
        code = storage_failed(err, topic->name);
        goto done;
    }
    wr_log(WR_INFO, "broker", "topic created", "topic=%s partitions=%d%s",
           topic->name, topic->partition_count, policy_note(topic));
    if (out) {
        *out = topic;
    }
    topic = NULL;
done:
    wr_topic_free(topic);
    return code;
}

int16_t wr_topics_grow(struct wr_topics *topics, struct wr_topic *topic,
                       int32_t count, bool validate_only,
                       struct weir_error *err)
{
    struct weir_error local;
    err = err ? err : &local;
    int32_t before = topic->partition_count;
    if (count <= before) {
        (void)weir_fail(err, WEIR_E_INVALID,
                        "Topic has %d partitions; it can only grow.", before);
        return WR_ERR_INVALID_PARTITIONS;
    }
    int16_t code = check_count(topics, (int64_t)count - before, count, err);
    if (code != 0 || validate_only) {
        return code;
    }
    struct wr_log **logs =
        realloc(topic->logs, (size_t)count * sizeof(struct wr_log *));
    if (!logs) {
        return refuse(err, WR_ERR_UNKNOWN_SERVER_ERROR, "out of memory");
    }
    topic->logs = logs;
    topic->partition_count = count;
    enum weir_status s = make_logs(topics, topic, before, err);
    if (s == WEIR_OK) {
        s = wr_topics_file_write(topics, err);
        if (s != WEIR_OK) {
            drop_logs(topics, topic, before);
        }
    }
    if (s != WEIR_OK) {
        topic->partition_count = before;
        return storage_failed(err, topic->name);
    }
    topics->partition_count += (size_t)(count - before);
    wr_log(WR_INFO, "broker", "topic grown", "topic=%s partitions=%d",
           topic->name, count);
    return 0;
}

int16_t wr_topics_delete(struct wr_topics *topics, struct wr_topic *topic,
                         struct weir_error *err)
{
    struct weir_error local;
    err = err ? err : &local;
    if (topic->internal) {
        return refuse(err, WR_ERR_INVALID_REQUEST,
                      "The coordinators' topics cannot be deleted.");
    }
    take_out(topics, topic);
    if (wr_topics_file_write(topics, err) != WEIR_OK) {
        if (insert(topics, topic) != WEIR_OK) {
            wr_log(WR_ERROR, "broker", "topic lost until restart", "topic=%s",
                   topic->name);
        }
        return storage_failed(err, topic->name);
    }
    for (struct wr_topics_watcher *w = topics->watchers; w; w = w->next) {
        w->deleting(w->arg, topic);
    }
    wr_log(WR_INFO, "broker", "topic deleted", "topic=%s", topic->name);
    drop_logs(topics, topic, 0);
    wr_topic_free(topic);
    return 0;
}

int16_t wr_topics_configure(struct wr_topics *topics, struct wr_topic *topic,
                            struct wr_options *options, struct weir_error *err)
{
    struct weir_error local;
    err = err ? err : &local;
    struct wr_options *before = topic->options;
    topic->options = options;
    if (wr_topics_file_write(topics, err) != WEIR_OK) {
        topic->options = before;
        return storage_failed(err, topic->name);
    }
    wr_options_free(before);
    topic->config = wr_topic_log_config(topics->broker->options, options);
    for (int32_t i = 0; i < topic->partition_count; i++) {
        wr_log_set_config(topic->logs[i], &topic->config);
    }
    wr_log(WR_INFO, "broker", "topic configured", "topic=%s%s", topic->name,
           policy_note(topic));
    return 0;
}

/* ---- life ------------------------------------------------------------------
 */

/* Gives a topic read from the file its logs. One that is missing was removed by
 * hand: the partition starts again, empty, and says so. */
static enum weir_status attach(struct wr_topics *topics, struct wr_topic *topic,
                               struct weir_error *err)
{
    topic->config =
        wr_topic_log_config(topics->broker->options, topic->options);
    topic->logs =
        calloc((size_t)topic->partition_count, sizeof(struct wr_log *));
    if (!topic->logs) {
        return weir_fail(err, WEIR_E_NOMEM, "topics: out of memory");
    }
    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct wr_logs *logs = topics->broker->logs;
        topic->logs[i] = wr_logs_get(logs, weir_text(topic->name), i);
        if (!topic->logs[i]) {
            wr_log(WR_ERROR, "broker", "partition is missing, made again empty",
                   "topic=%s partition=%d", topic->name, i);
            struct wr_logs_new what = {topic->name, topic->id.b, i, false};
            enum weir_status s =
                wr_logs_create(logs, &what, &topic->logs[i], err);
            if (s != WEIR_OK) {
                return weir_fail_prefix(err, s, "topic %s", topic->name);
            }
        } else if (!wr_log_offline(topic->logs[i]) &&
                   memcmp(wr_log_topic_id(topic->logs[i]), topic->id.b,
                          sizeof(topic->id.b)) != 0) {
            return weir_fail(err, WEIR_E_CORRUPT,
                             "%s/%s-%d belongs to another topic of that name: "
                             "its partition.metadata has another topic_id than "
                             "the file `topics`; move the folder away, or put "
                             "its own partition.metadata back from a copy",
                             topics->broker->data_dir, topic->name, i);
        }
        wr_log_set_config(topic->logs[i], &topic->config);
    }
    return WEIR_OK;
}

/* A log that no topic has, or NULL. */
static struct wr_log *stray(const struct wr_topics *topics)
{
    size_t cursor = 0;
    struct wr_log *log;
    while ((log = wr_logs_next(topics->broker->logs, &cursor))) {
        if (wr_topics_log(topics, weir_text(wr_log_topic(log)),
                          wr_log_partition(log)) != log) {
            return log;
        }
    }
    return NULL;
}

static enum weir_status remove_strays(struct wr_topics *topics, bool known,
                                      struct weir_error *err)
{
    struct wr_log *log;
    while ((log = stray(topics))) {
        if (!known) {
            return weir_fail(err, WEIR_E_CORRUPT,
                             "%s holds partitions (%s-%d) but no file `topics` "
                             "that says what they are; is it a folder of weir? "
                             "Choose an empty one or bring that file back",
                             topics->broker->data_dir, wr_log_topic(log),
                             wr_log_partition(log));
        }
        bool empty = !wr_log_offline(log) && wr_log_size(log) == 0;
        if (empty) {
            wr_log(WR_WARN, "broker", "unfinished partition removed",
                   "topic=%s partition=%d", wr_log_topic(log),
                   wr_log_partition(log));
        } else {
            wr_log(WR_ERROR, "broker", "partition of no topic is set aside",
                   "topic=%s partition=%d reason=\"the file `topics` does not "
                   "know it; is it an older copy? Its folder now ends in "
                   "-stray; remove it if its topic was deleted\"",
                   wr_log_topic(log), wr_log_partition(log));
        }
        enum weir_status s =
            empty ? wr_logs_delete(topics->broker->logs, log, err)
                  : wr_logs_set_aside(topics->broker->logs, log, err);
        if (s != WEIR_OK) {
            return s;
        }
    }
    return WEIR_OK;
}

enum weir_status wr_topics_add_read(struct wr_topics *topics,
                                    struct wr_topic *topic,
                                    struct weir_error *err)
{
    enum weir_status s = attach(topics, topic, err);
    if (s == WEIR_OK) {
        s = insert(topics, topic);
    }
    if (s != WEIR_OK) {
        wr_topic_free(topic);
    }
    return s;
}

enum weir_status wr_topics_open(struct wr_broker *broker,
                                struct wr_topics **out, struct weir_error *err)
{
    struct wr_topics *topics = calloc(1, sizeof(*topics));
    if (!topics) {
        return weir_fail(err, WEIR_E_NOMEM, "topics: out of memory");
    }
    topics->broker = broker;
    wr_map_init(&topics->by_name);
    wr_map_init(&topics->by_id);
    bool known = true;
    enum weir_status s = wr_topics_file_read(topics, err);
    if (s == WEIR_E_NOTFOUND) {
        known = false;
        s = WEIR_OK;
    }
    if (s == WEIR_OK) {
        s = remove_strays(topics, known, err);
    }
    if (s == WEIR_OK && !known) {
        s = wr_topics_file_write(topics, err);
    }
    if (s != WEIR_OK) {
        wr_topics_close(topics);
        return s;
    }
    *out = topics;
    return WEIR_OK;
}

void wr_topics_close(struct wr_topics *topics)
{
    if (!topics) {
        return;
    }
    for (size_t i = 0; i < topics->count; i++) {
        wr_topic_free(topics->items[i]);
    }
    free(topics->items);
    wr_map_done(&topics->by_name);
    wr_map_done(&topics->by_id);
    free(topics);
}
