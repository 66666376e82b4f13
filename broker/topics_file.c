/* SPDX-License-Identifier: Apache-2.0
 *
 * The file `topics`: one line a topic, its settings on the lines after it.
 *
 *   weir topics 1
 *   topic NAME ID PARTITIONS public|internal      ID: 32 hexadecimal digits
 *   set NAME VALUE...
 *   end CRC                                       CRC-32C of all before it
 *
 * It is small (a line a topic), so each change writes it anew, to a temporary
 * file that is synced and renamed over the old one. The checksum tells a file
 * that was edited or damaged from one that was written. */
#include "broker/topics_file.h"

#include "base/fs.h"
#include "base/hash.h"
#include "broker/broker.h"
#include "broker/config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_BYTES_MAX ((size_t)64 << 20)
#define FIRST_LINE     "weir topics 1\n"

static void file_path(const struct wr_topics *topics, struct wr_buf *path)
{
    wr_buf_init(path, 4096);
    wr_buf_printf(path, "%s/topics", topics->broker->data_dir);
}

static void write_topic(struct wr_buf *out, const struct wr_topic *topic)
{
    wr_buf_printf(out, "topic %s ", topic->name);
    for (size_t i = 0; i < sizeof(topic->id.b); i++) {
        wr_buf_printf(out, "%02x", topic->id.b[i]);
    }
    wr_buf_printf(out, " %d %s\n", topic->partition_count,
                  topic->internal ? "internal" : "public");
    size_t cursor = 0;
    const char *name;
    const char *value;
    while (topic->options &&
           wr_options_next(topic->options, &cursor, &name, &value)) {
        wr_buf_printf(out, "set %s %s\n", name, value);
    }
}

enum weir_status wr_topics_file_write(const struct wr_topics *topics,
                                      struct weir_error *err)
{
    struct wr_buf out;
    struct wr_buf path;
    wr_buf_init(&out, FILE_BYTES_MAX);
    file_path(topics, &path);
    wr_buf_put_text(&out, FIRST_LINE);
    for (size_t i = 0; i < topics->count; i++) {
        write_topic(&out, topics->items[i]);
    }
    wr_buf_printf(&out, "end %08" PRIx32 "\n", wr_crc32c(0, out.data, out.len));
    enum weir_status s = out.status;
    if (s != WEIR_OK) {
        s = weir_fail(err, s, "%s: list of topics: %s", wr_buf_text(&path),
                      weir_status_text(s));
    } else {
        s = wr_file_replace(wr_buf_text(&path), wr_buf_view(&out), err);
    }
    wr_buf_done(&path);
    wr_buf_done(&out);
    return s;
}

/* ---- read ------------------------------------------------------------------
 */

static bool parse_id(const char *hex, struct wr_uuid *out)
{
    for (size_t i = 0; i < sizeof(out->b); i++) {
        char pair[3] = {hex[2 * i], hex[2 * i] ? hex[2 * i + 1] : '\0', '\0'};
        char *end;
        unsigned long v = strtoul(pair, &end, 16);
        if (end != pair + 2) {
            return false;
        }
        out->b[i] = (uint8_t)v;
    }
    return hex[2 * sizeof(out->b)] == '\0';
}

static struct wr_topic *parse_topic(const char *line)
{
    char name[WR_TOPIC_NAME_MAX + 1];
    char hex[33];
    char kind[16];
    struct wr_topic *topic = calloc(1, sizeof(*topic));
    if (!topic ||
        sscanf(line, "topic %249s %32s %" SCNd32 " %15s", name, hex,
               &topic->partition_count, kind) != 4 ||
        !wr_topic_name_valid(weir_text(name)) || !parse_id(hex, &topic->id) ||
        topic->partition_count <= 0 ||
        topic->partition_count > WR_TOPIC_PARTITIONS_MAX) {
        wr_topic_free(topic);
        return NULL;
    }
    topic->internal = strcmp(kind, "internal") == 0;
    topic->name = strdup(name);
    if (!topic->name) {
        wr_topic_free(topic);
        return NULL;
    }
    return topic;
}

static bool parse_setting(struct wr_topic *topic, char *line)
{
    char *name = line + 4;
    char *value = strchr(name, ' ');
    if (!value ||
        (!topic->options && wr_topic_options_new(&topic->options) != WEIR_OK)) {
        return false;
    }
    *value++ = '\0';
    return wr_topic_option_load(topic->options, name, value, NULL) == 0;
}

/* Lines of a text whose checksum is right; they are cut in place. */
static enum weir_status parse_lines(struct wr_topics *topics, char *text,
                                    const char *path, struct weir_error *err)
{
    struct wr_topic *open = NULL; /* whose settings are being read */
    enum weir_status s = WEIR_OK;
    int number = 1;
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line && s == WEIR_OK;
         line = strtok_r(NULL, "\n", &save)) {
        number++;
        bool good = false;
        if (strncmp(line, "topic ", 6) == 0) {
            if (open) {
                s = wr_topics_add_read(topics, open, err);
            }
            open = s == WEIR_OK ? parse_topic(line) : NULL;
            good = open != NULL;
        } else if (strncmp(line, "set ", 4) == 0 && open) {
            good = parse_setting(open, line);
        }
        if (s == WEIR_OK && !good) {
            s = weir_fail(err, WEIR_E_CORRUPT, "%s:%d: cannot read \"%s\"",
                          path, number, line);
        }
    }
    if (open && s == WEIR_OK) {
        return wr_topics_add_read(topics, open, err);
    }
    wr_topic_free(open);
    return s;
}

enum weir_status wr_topics_file_read(struct wr_topics *topics,
                                     struct weir_error *err)
{
    struct wr_buf in;
    struct wr_buf path;
    wr_buf_init(&in, FILE_BYTES_MAX);
    file_path(topics, &path);
    enum weir_status s = wr_file_read(wr_buf_text(&path), &in, err);
    if (s != WEIR_OK) {
        goto done;
    }
    const char *text = wr_buf_text(&in);
    size_t last = in.len >= 13 ? in.len - 13 : 0; /* "end 01234567\n" */
    char want[16];
    snprintf(want, sizeof(want), "end %08" PRIx32 "\n",
             wr_crc32c(0, in.data, last));
    if (strncmp(text, FIRST_LINE, strlen(FIRST_LINE)) != 0 ||
        strlen(text) != in.len || strcmp(text + last, want) != 0) {
        s = weir_fail(err, WEIR_E_CORRUPT,
                      "%s is damaged (its checksum or first line is wrong); "
                      "bring it back from a copy, or start with an empty "
                      "folder",
                      wr_buf_text(&path));
        goto done;
    }
    in.data[last] = '\0';
    s = parse_lines(topics, (char *)in.data + strlen(FIRST_LINE),
                    wr_buf_text(&path), err);
done:
    wr_buf_done(&path);
    wr_buf_done(&in);
    return s;
}
