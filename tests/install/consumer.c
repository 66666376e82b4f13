/* SPDX-License-Identifier: Apache-2.0
 *
 * A user's program, built against an installed weir and nothing else: makes a
 * topology and prints its description. test_install.py compares the output. */
#include <weir/weir.h>

#include <stdio.h>
#include <stdlib.h>

static enum weir_status pass(struct weir_context *ctx,
                             const struct weir_record *record, void *state)
{
    (void)state;
    return weir_forward(ctx, record);
}

int main(void)
{
    struct weir_error err;
    char *text = NULL;
    const char *topics[] = {"lines"};
    const char *read[] = {"read"};
    const char *work[] = {"work"};
    struct weir_topology *topology = weir_topology_new();
    if (!topology) {
        return 1;
    }
    weir_topology_source(
        topology, &(struct weir_source){.size = sizeof(struct weir_source),
                                        .name = "read",
                                        .topics = topics,
                                        .topic_count = 1});
    weir_topology_processor(topology, &(struct weir_processor){
                                          .size = sizeof(struct weir_processor),
                                          .name = "work",
                                          .process = pass,
                                          .parents = read,
                                          .parent_count = 1});
    weir_topology_sink(topology,
                       &(struct weir_sink){.size = sizeof(struct weir_sink),
                                           .name = "write",
                                           .topic = "words",
                                           .parents = work,
                                           .parent_count = 1});
    enum weir_status status =
        weir_topology_describe(topology, WEIR_DESCRIBE_TEXT, &text, &err);
    if (status == WEIR_OK) {
        (void)printf("weir %s\n%s", weir_version(), text);
    } else {
        (void)fprintf(stderr, "%s: %s\n", weir_status_name(status), err.text);
    }
    free(text);
    weir_topology_free(topology);
    return status == WEIR_OK ? 0 : 1;
}
