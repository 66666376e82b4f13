/* SPDX-License-Identifier: Apache-2.0
 *
 * Word count with the Processor API, as a program for the flow tests: lines are
 * split, words go through a repartition topic, counts into a store and out.
 *
 *   word_count INPUT OUTPUT -X name=value ...
 *
 * In the environment, WEIR_FLOW_CACHING=1 makes the store caching, and
 * WEIR_FLOW_DIRECT=1 counts the records of INPUT by key, without splitting.
 * Ends on SIGTERM, or when the application fails. Prints a line at each change
 * of its state. */
#include "weir/weir.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

static enum weir_status split(struct weir_context *ctx,
                              const struct weir_record *record, void *state)
{
    const uint8_t *p = record->value.data;
    const uint8_t *end = p + record->value.len;
    (void)state;
    while (p < end) {
        while (p < end && !isalnum(*p)) {
            p++;
        }
        const uint8_t *word = p;
        while (p < end && isalnum(*p)) {
            p++;
        }
        if (p > word) {
            struct weir_record out = *record;
            out.key = weir_bytes(word, (size_t)(p - word));
            out.value = out.key;
            enum weir_status status = weir_forward(ctx, &out);
            if (status != WEIR_OK) {
                return status;
            }
        }
    }
    return WEIR_OK;
}

static enum weir_status forward_flushed(struct weir_context *ctx,
                                        const struct weir_record *record,
                                        void *state)
{
    (void)state;
    return weir_forward(ctx, record);
}

struct counter {
    struct weir_store *store;
    bool caching;
};

static enum weir_status count_open(struct weir_context *ctx, void *user,
                                   void **state)
{
    struct counter *counter = calloc(1, sizeof(*counter));
    (void)user;
    if (!counter) {
        return WEIR_E_NOMEM;
    }
    *state = counter;
    counter->store = weir_context_store(ctx, "counts");
    counter->caching =
        weir_store_on_flush(ctx, counter->store, forward_flushed, counter);
    return WEIR_OK;
}

static enum weir_status count(struct weir_context *ctx,
                              const struct weir_record *record, void *state)
{
    struct counter *counter = state;
    struct weir_bytes old;
    int64_t n = 0;
    uint8_t bytes[8];
    enum weir_status status = weir_store_get(counter->store, record->key, &old);
    if (status == WEIR_OK && !weir_bytes_is_null(old)) {
        status = weir_int64_read(old, &n);
    }
    if (status == WEIR_OK) {
        struct weir_record out = *record;
        out.value = weir_int64_bytes(n + 1, bytes);
        status = weir_store_put(counter->store, record->key, out.value);
        if (status == WEIR_OK && !counter->caching) {
            status = weir_forward(ctx, &out);
        }
    }
    return status;
}

static void count_close(struct weir_context *ctx, void *state)
{
    (void)ctx;
    free(state);
}

/* From lines to words, by way of a repartition topic. */
static void build_split(struct weir_topology *t, const char *input)
{
    weir_topology_source(
        t, &(struct weir_source){.size = sizeof(struct weir_source),
                                 .name = "lines",
                                 .topics = &input,
                                 .topic_count = 1});
    const char *lines = "lines";
    weir_topology_processor(
        t, &(struct weir_processor){.size = sizeof(struct weir_processor),
                                    .name = "split",
                                    .process = split,
                                    .parents = &lines,
                                    .parent_count = 1});
    const char *words = "words-repartition";
    const char *split_name = "split";
    weir_topology_repartition(t, words, 0);
    weir_topology_sink(t, &(struct weir_sink){.size = sizeof(struct weir_sink),
                                              .name = "to-words",
                                              .topic = words,
                                              .parents = &split_name,
                                              .parent_count = 1});
    weir_topology_source(
        t, &(struct weir_source){.size = sizeof(struct weir_source),
                                 .name = "words",
                                 .topics = &words,
                                 .topic_count = 1});
}

static struct weir_topology *build(const char *input, const char *output,
                                   bool caching, bool direct)
{
    struct weir_topology *t = weir_topology_new();
    if (direct) {
        weir_topology_source(
            t, &(struct weir_source){.size = sizeof(struct weir_source),
                                     .name = "words",
                                     .topics = &input,
                                     .topic_count = 1});
    } else {
        build_split(t, input);
    }
    const char *words_source = "words";
    const char *store = "counts";
    weir_topology_store(
        t, &(struct weir_store_spec){.size = sizeof(struct weir_store_spec),
                                     .name = store,
                                     .timestamped = true,
                                     .caching = caching,
                                     .key_serde = &weir_serde_text,
                                     .value_serde = &weir_serde_int64});
    weir_topology_processor(
        t, &(struct weir_processor){.size = sizeof(struct weir_processor),
                                    .name = "count",
                                    .open = count_open,
                                    .process = count,
                                    .close = count_close,
                                    .parents = &words_source,
                                    .parent_count = 1,
                                    .stores = &store,
                                    .store_count = 1});
    const char *count_name = "count";
    weir_topology_sink(t, &(struct weir_sink){.size = sizeof(struct weir_sink),
                                              .name = "to-output",
                                              .topic = output,
                                              .parents = &count_name,
                                              .parent_count = 1});
    return t;
}

static int fail(const char *what, const struct weir_error *err)
{
    fprintf(stderr, "word_count: %s: %s\n", what, err->text);
    return 1;
}

static int run(struct weir_app *app)
{
    static const char *const names[] = {"created",  "rebalancing", "running",
                                        "stopping", "stopped",     "error"};
    struct weir_error err;
    struct timespec t;
    int last = -1;
    for (bool stopping = false;;) {
        enum weir_app_state state = weir_app_state(app);
        if ((int)state != last) {
            (void)clock_gettime(CLOCK_REALTIME, &t);
            fprintf(stderr, "word_count: %lld.%03ld %s\n", (long long)t.tv_sec,
                    t.tv_nsec / 1000000, names[state]);
            last = (int)state;
        }
        if (state == WEIR_APP_ERROR || (stop_asked && !stopping)) {
            weir_app_stop(app);
            break;
        }
        const struct timespec pause = {0, 2000000};
        (void)nanosleep(&pause, NULL);
    }
    return weir_app_wait(app, &err) == WEIR_OK ? 0 : fail("ended", &err);
}

int main(int argc, char **argv)
{
    struct weir_error err;
    struct weir_config *config = weir_config_new();
    struct weir_app *app = NULL;
    if (argc < 3 || !config) {
        fputs("usage: word_count INPUT OUTPUT -X name=value ...\n", stderr);
        return 2;
    }
    for (int i = 3; i + 1 < argc; i += 2) {
        char *equal = strchr(argv[i + 1], '=');
        if (!equal) {
            return 2;
        }
        *equal = '\0';
        if (weir_config_set(config, argv[i + 1], equal + 1, &err) != WEIR_OK) {
            return fail("option", &err);
        }
    }
    (void)signal(SIGTERM, on_signal);
    (void)signal(SIGINT, on_signal);
    struct weir_topology *topology =
        build(argv[1], argv[2], getenv("WEIR_FLOW_CACHING") != NULL,
              getenv("WEIR_FLOW_DIRECT") != NULL);
    if (weir_app_new(topology, config, &app, &err) != WEIR_OK) {
        weir_topology_free(topology);
        weir_config_free(config);
        return fail("application", &err);
    }
    weir_config_free(config);
    int code =
        weir_app_start(app, &err) == WEIR_OK ? run(app) : fail("start", &err);
    weir_app_free(app);
    return code;
}
