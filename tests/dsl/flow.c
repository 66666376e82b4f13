/* SPDX-License-Identifier: Apache-2.0
 *
 * Programs run by the test driver; see flow.h. */
#include "tests/dsl/flow.h"

#include "base/bytes.h"
#include "runtime/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void must(enum weir_status status, const struct weir_error *err)
{
    if (status != WEIR_OK) {
        fail_msg("%s: %s", weir_status_name(status), err->text);
    }
}

/* ---- building ------------------------------------------------------------ */

void flow_open_c(struct flow *flow, flow_program program)
{
    struct weir_error err = {0};
    *flow = (struct flow){.builder = weir_builder_new()};
    assert_non_null(flow->builder);
    program(flow->builder);
    must(weir_builder_build(flow->builder, &flow->topology, &err), &err);
}

static void write_script(struct flow *flow, const char *lines)
{
    char path[] = "/tmp/weir-test-XXXXXX.lua";
    int fd = mkstemps(path, 4);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    fprintf(file,
            "local weir = require 'weir' local app = weir.app 'test'\n"
            "%s\nreturn app\n",
            lines);
    fclose(file);
    flow->script = strdup(path);
}

/* Time is no limit here, however slow the machine; that it is one elsewhere is
 * for the tests of the watch. */
static struct weir_config *patient_config(void)
{
    struct weir_error err = {0};
    struct weir_config *config = weir_config_new();
    assert_non_null(config);
    must(weir_config_set(config, "weir.lua.call.max.ms", "600000", &err), &err);
    return config;
}

enum weir_status flow_try_lua(struct flow *flow, const char *lines,
                              struct weir_error *err)
{
    *flow = (struct flow){0};
    write_script(flow, lines);
    struct wr_application *application = NULL;
    struct weir_config *config = patient_config();
    enum weir_status status = wr_application_load(
        flow->script, wr_config_options(config), &application, err);
    weir_config_free(config);
    flow->application = application;
    if (status == WEIR_OK) {
        flow->topology = wr_application_take_topology(flow->application);
    }
    return status;
}

void flow_open_lua(struct flow *flow, const char *lines)
{
    struct weir_error err = {0};
    must(flow_try_lua(flow, lines, &err), &err);
}

void flow_close(struct flow *flow)
{
    wr_driver_free(flow->driver);
    weir_topology_free(flow->topology);
    weir_config_free(flow->config);
    wr_application_free(flow->application);
    weir_builder_free(flow->builder);
    if (flow->script) {
        unlink(flow->script);
        free(flow->script);
    }
    *flow = (struct flow){0};
}

void flow_start(struct flow *flow, bool caching)
{
    struct weir_error err = {0};
    flow->config = weir_config_new();
    assert_non_null(flow->config);
    must(weir_config_set(flow->config, "application.id", "test", &err), &err);
    must(weir_config_set(flow->config, "statestore.cache.max.bytes",
                         caching ? "1000000" : "0", &err),
         &err);
    must(wr_driver_new(flow->topology, flow->config, 1, &flow->driver, &err),
         &err);
}

/* ---- in ------------------------------------------------------------------ */

static struct weir_bytes field(const char *text)
{
    if (strcmp(text, "-") == 0) {
        return WEIR_NULL;
    }
    return weir_text(strcmp(text, "''") == 0 ? "" : text);
}

enum weir_status flow_try_send(struct flow *flow, const char *line,
                               struct weir_error *err)
{
    char topic[64], key[256], value[1024];
    long long timestamp = 0;
    if (line[0] == '!') {
        return wr_driver_commit(flow->driver, err);
    }
    int n =
        sscanf(line, "%63s %255s %1023s %lld", topic, key, value, &timestamp);
    assert_true(n >= 3);
    struct weir_record record = {
        .key = field(key), .value = field(value), .timestamp_ms = timestamp};
    return wr_driver_send(flow->driver, topic, &record, err);
}

void flow_send(struct flow *flow, const char *in)
{
    struct weir_error err = {0};
    while (*in) {
        char line[2048];
        size_t len = strcspn(in, "\n");
        assert_true(len < sizeof(line));
        memcpy(line, in, len);
        line[len] = '\0';
        if (len > 0) {
            must(flow_try_send(flow, line, &err), &err);
        }
        in += len + (in[len] == '\n');
    }
}

void flow_abort(struct flow *flow)
{
    struct weir_error err = {0};
    must(wr_driver_abort(flow->driver, &err), &err);
}

/* ---- out ----------------------------------------------------------------- */

static void show(struct wr_buf *out, struct weir_bytes b)
{
    int64_t number;
    if (!b.data) {
        wr_buf_put_text(out, "null");
    } else if (b.len == 8 && (b.data[0] < 0x20 || b.data[0] >= 0x80) &&
               weir_int64_read(b, &number) == WEIR_OK) {
        wr_buf_printf(out, "#%lld", (long long)number);
    } else {
        for (size_t i = 0; i < b.len; i++) {
            bool plain = b.data[i] >= 0x20 && b.data[i] < 0x7f;
            wr_buf_printf(out, plain ? "%c" : "<%02x>", b.data[i]);
        }
    }
}

char *flow_read(struct flow *flow, const char *topics)
{
    struct wr_buf out;
    wr_buf_init(&out, 1 << 20);
    while (*topics) {
        char topic[128];
        size_t len = strcspn(topics, " ");
        assert_true(len < sizeof(topic));
        memcpy(topic, topics, len);
        topic[len] = '\0';
        topics += len + (topics[len] == ' ');
        struct wr_driver_record r;
        while (wr_driver_read(flow->driver, topic, &r)) {
            wr_buf_printf(&out, "%s ", topic);
            show(&out, r.record.key);
            wr_buf_put_text(&out, "=");
            show(&out, r.record.value);
            wr_buf_printf(&out, "@%lld\n", (long long)r.record.timestamp_ms);
        }
    }
    char *text = strdup(wr_buf_text(&out));
    wr_buf_done(&out);
    return text;
}

/* ---- both ---------------------------------------------------------------- */

static void check_one(struct flow *flow, const struct flow_case *c,
                      const char *language)
{
    flow_start(flow, c->caching);
    flow_send(flow, c->in);
    flow_send(flow, "!");
    char *out = flow_read(flow, c->topics);
    if (strcmp(out, c->out) != 0) {
        fail_msg("%s in %s gave\n%s\ninstead of\n%s", c->name, language, out,
                 c->out);
    }
    free(out);
}

void flow_check(const struct flow_case *c)
{
    struct flow flow;
    if (c->c) {
        flow_open_c(&flow, c->c);
        check_one(&flow, c, "C");
        flow_close(&flow);
    }
    if (c->lua) {
        flow_open_lua(&flow, c->lua);
        check_one(&flow, c, "Lua");
        flow_close(&flow);
    }
}

void flow_check_all(const struct flow_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        flow_check(&cases[i]);
    }
}
