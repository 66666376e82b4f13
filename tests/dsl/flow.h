/* SPDX-License-Identifier: Apache-2.0
 *
 * A program, in C or in Lua, run by the test driver: records go in as text,
 * come out as text, and a test compares one string.
 *
 *   in    "topic key value timestamp", a line each; "-" is null, "!" alone
 * commits out   "topic key=value@timestamp", in the order of writing per topic
 *
 * Values of 8 bytes whose first is no letter are shown as int64, "#5"; other
 * bytes that are no letters as "<1f>". */
#ifndef WEIR_TESTS_DSL_FLOW_H
#define WEIR_TESTS_DSL_FLOW_H

#include "dsl/load.h"
#include "runtime/driver.h"
#include "tests/harness/weir_test.h"

typedef void (*flow_program)(struct weir_builder *builder);

struct flow {
    struct weir_builder *builder;       /* of a C program */
    struct wr_application *application; /* of a script */
    struct weir_topology *topology;
    struct weir_config *config;
    struct wr_driver *driver;
    char *script; /* path of the temporary file */
};

/** One program in both languages, what it gets and what it must give. */
struct flow_case {
    const char *name;
    flow_program c;
    const char *lua; /* the lines between weir.app and return app */
    const char *in;
    const char *topics; /* to read at the end, separated by blanks */
    const char *out;
    bool caching;
};

/** Builds a program; fails the test when it does not build. */
void flow_open_c(struct flow *flow, flow_program program);
void flow_open_lua(struct flow *flow, const char *lines);
/** As flow_open_lua; returns the status and error instead of failing. */
enum weir_status flow_try_lua(struct flow *flow, const char *lines,
                              struct weir_error *err);
void flow_close(struct flow *flow);
/** Makes the driver with one partition; `caching` as the option. */
void flow_start(struct flow *flow, bool caching);
/** Sends the records of a text as above. */
void flow_send(struct flow *flow, const char *in);
/** As flow_send of one line, for those that must fail. */
enum weir_status flow_try_send(struct flow *flow, const char *line,
                               struct weir_error *err);
/** Drops what happened since the last commit, the record that failed included.
 */
void flow_abort(struct flow *flow);
/** What was written to these topics: given, free(). */
char *flow_read(struct flow *flow, const char *topics);
/** Runs a case in both languages. */
void flow_check(const struct flow_case *c);
void flow_check_all(const struct flow_case *cases, size_t count);

#endif
