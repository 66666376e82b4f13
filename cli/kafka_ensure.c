/* SPDX-License-Identifier: Apache-2.0
 *
 * One CreateTopics request for every topic a topology names itself; "exists
 * already" is as good as made. */
#include "cli/kafka_ensure.h"

#include "base/log.h"
#include "cli/kafka_door.h"
#include "runtime/query.h"

#include <stdlib.h>

#define TOPICS_MAX 1000

static bool is_new(const char **names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return false;
        }
    }
    return count < TOPICS_MAX;
}

/* Every topic that a node declares and that is no repartition topic. */
static size_t collect(const struct wr_plan *plan, int partitions,
                      rd_kafka_NewTopic_t **topics, const char **names)
{
    size_t count = 0;
    char reason[256];
    for (size_t i = 0; i < plan->node_count; i++) {
        const struct wr_node *node = plan->nodes[i];
        for (size_t k = 0; k < node->topic_count; k++) {
            const char *name = node->topics[k];
            if (wr_plan_topic(plan, name) != name ||
                !is_new(names, count, name)) {
                continue;
            }
            topics[count] = rd_kafka_NewTopic_new(name, partitions, -1, reason,
                                                  sizeof(reason));
            if (topics[count]) {
                names[count++] = name;
            }
        }
    }
    return count;
}

static enum weir_status read_results(const struct wr_door *door,
                                     rd_kafka_event_t *event, int partitions,
                                     struct weir_error *err)
{
    size_t n = 0;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(
            rd_kafka_event_CreateTopics_result(event), &n);
    for (size_t i = 0; i < n; i++) {
        rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[i]);
        const char *name = rd_kafka_topic_result_name(results[i]);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            wr_log(WR_INFO, "worker", "topic made",
                   "topic=%s partitions=%d broker=included", name, partitions);
        } else if (code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
            return wr_door_fail(door, code,
                                rd_kafka_topic_result_error_string(results[i]),
                                err, "make topic '%s'", name);
        }
    }
    return WEIR_OK;
}

static enum weir_status create(struct wr_door *door, const struct wr_plan *plan,
                               int partitions, struct weir_error *err)
{
    rd_kafka_NewTopic_t **topics = calloc(TOPICS_MAX, sizeof(*topics));
    const char **names = calloc(TOPICS_MAX, sizeof(*names));
    rd_kafka_queue_t *queue = rd_kafka_queue_new(door->client);
    rd_kafka_event_t *event = NULL;
    size_t count =
        topics && names ? collect(plan, partitions, topics, names) : 0;
    enum weir_status s = topics && names ? WEIR_OK : WEIR_E_NOMEM;
    if (count > 0) {
        rd_kafka_CreateTopics(door->client, topics, count, NULL, queue);
        s = wr_door_wait(door, queue, "make the application's topics", &event,
                         err);
        rd_kafka_NewTopic_destroy_array(topics, count);
    }
    if (event) {
        s = read_results(door, event, partitions, err);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    free(topics);
    free(names);
    return s;
}

enum weir_status wr_ensure_topics(const struct weir_app *app,
                                  struct weir_config *config, int partitions,
                                  struct weir_error *err)
{
    struct wr_door door = {0};
    enum weir_status s = wr_door_open_config(config, &door, err);
    if (s == WEIR_OK) {
        s = create(&door, wr_app_plan(app), partitions, err);
    }
    wr_door_close(&door);
    return s;
}
