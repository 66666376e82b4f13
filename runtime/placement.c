/* SPDX-License-Identifier: Apache-2.0
 *
 * See the header. The signature is a record under a fixed key in a compacted
 * topic. Two processes that begin at the same moment with different topologies
 * both write; both then read the topic again, and the one whose record is not
 * the last gives way. */
#include "runtime/placement.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

#define SIGNATURE_KEY     "weir-topology"
#define UUID_SUFFIX_CHARS 37           /* of a member id: "-" and a UUID */
#define LAYOUT_LINE       "layout 2\n" /* of wr_layout: what it deals to whom */
#define SIGNATURE_MAX     ((size_t)1 << 20)
#define GROUP_TIMEOUT_MS  10000
#define LOOK_TIMEOUT_MS   1000
#define DIFFERENCE_BYTES  600

/* ---- tasks -------------------------------------------------------------- */

static size_t translate(const struct wr_placement *placement,
                        const int32_t *partitions, size_t count,
                        struct wr_task_id *out)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        n += wr_layout_task(placement->layout, partitions[i], &out[n]);
    }
    return n;
}

void wr_placement_given(const struct wr_placement *placement,
                        const int32_t *partitions, size_t count)
{
    struct wr_task_id *tasks = calloc(count + 1, sizeof(*tasks));
    if (tasks) {
        placement->given(placement->user, tasks,
                         translate(placement, partitions, count, tasks));
    }
    free(tasks);
}

void wr_placement_revoked(const struct wr_placement *placement,
                          const int32_t *partitions, size_t count, bool lost)
{
    struct wr_task_id *tasks = calloc(count + 1, sizeof(*tasks));
    if (tasks) {
        placement->revoked(placement->user, tasks,
                           translate(placement, partitions, count, tasks),
                           lost);
    }
    free(tasks);
}

enum weir_status wr_placement_join(const struct wr_placement *placement,
                                   struct wr_consumer *consumer,
                                   struct weir_error *err)
{
    return wr_consumer_subscribe(consumer, placement->anchor, err);
}

/* Whether a member id may have been made of that instance id. Brokers cut long
 * names, so a beginning counts: a look too many does no harm. */
static bool is_of_instance(const char *member_id, const char *instance_id)
{
    size_t len = strlen(member_id);
    return len <= UUID_SUFFIX_CHARS ||
           strncmp(member_id, instance_id, len - UUID_SUFFIX_CHARS) == 0;
}

bool wr_placement_returns(const struct wr_placement *placement,
                          struct wr_admin *admin, const char *group_id,
                          const char *instance_id)
{
    struct weir_error err;
    struct wr_group_view group = {NULL, 0, false};
    enum weir_status status = wr_admin_group(admin, group_id, placement->anchor,
                                             LOOK_TIMEOUT_MS, &group, &err);
    bool returns = status != WEIR_OK;
    for (size_t i = 0; !returns && i < group.count; i++) {
        returns = is_of_instance(group.members[i].member_id, instance_id);
    }
    wr_group_view_done(&group);
    return returns;
}

enum weir_status wr_placement_unowned(const struct wr_placement *placement,
                                      struct wr_admin *admin,
                                      const char *group_id, int32_t *out,
                                      struct weir_error *err)
{
    struct wr_group_view group = {NULL, 0, false};
    enum weir_status status = wr_admin_group(admin, group_id, placement->anchor,
                                             LOOK_TIMEOUT_MS, &group, err);
    *out = group.is_stable ? placement->layout->total : -1;
    for (size_t i = 0; group.is_stable && i < group.count; i++) {
        *out -= (int32_t)group.members[i].partition_count;
    }
    wr_group_view_done(&group);
    return status;
}

/* ---- the signature ------------------------------------------------------ */

static const char *line_end(const char *text)
{
    const char *end = strchr(text, '\n');
    return end ? end + 1 : text + strlen(text);
}

static void put_lines(const char *from, const char *to, char mark, char *out,
                      size_t size)
{
    while (from < to) {
        const char *end = line_end(from);
        int len = (int)(end - from) - (end > from && end[-1] == '\n');
        size_t used = strlen(out);
        int n = snprintf(out + used, size - used, "\n%c %.*s", mark, len, from);
        if (n < 0 || (size_t)n >= size - used) {
            return;
        }
        from = end;
    }
}

void wr_text_difference(const char *theirs, const char *ours, char *out,
                        size_t size)
{
    const char *t = theirs;
    const char *o = ours;
    const char *t_end = theirs + strlen(theirs);
    const char *o_end = ours + strlen(ours);
    out[0] = '\0';
    while (*t && *o) {
        size_t n = (size_t)(line_end(t) - t);
        if (n != (size_t)(line_end(o) - o) || memcmp(t, o, n) != 0) {
            break;
        }
        t += n;
        o += n;
    }
    while (t_end > t && o_end > o && t_end[-1] == o_end[-1]) {
        t_end--;
        o_end--;
    }
    /* the common end may have begun inside a line */
    while (t_end > t && *t_end && t_end[-1] != '\n') {
        t_end++;
        o_end++;
    }
    put_lines(t, t_end, '-', out, size - size / 2);
    put_lines(o, o_end, '+', out, size);
}

struct signature {
    struct wr_buf text; /* the last one in the topic */
    bool found;
};

static void on_record(void *user, struct weir_bytes key,
                      struct weir_bytes value)
{
    struct signature *signature = user;
    if (wr_bytes_equal_text(key, SIGNATURE_KEY)) {
        wr_buf_reset(&signature->text);
        wr_buf_put_bytes(&signature->text, value);
        signature->found = !weir_bytes_is_null(value);
    }
}

static enum weir_status fail_different(struct signature *theirs,
                                       const char *ours, size_t members,
                                       const char *group,
                                       struct weir_error *err)
{
    char difference[DIFFERENCE_BYTES];
    wr_text_difference(wr_buf_text(&theirs->text), ours, difference,
                       sizeof(difference));
    return weir_fail(err, WEIR_E_INCOMPATIBLE,
                     "group '%s' (%zu members) runs another topology; stop "
                     "those workers first (a killed one counts until its "
                     "session ends), or take another application.id. Running "
                     "(-) and this one (+):%s",
                     group, members, difference);
}

/* Nobody runs: ours takes the place of the other, unless someone else was
 * quicker. */
static enum weir_status replace(struct wr_admin *admin, const char *anchor,
                                const char *group, const char *ours,
                                struct signature *theirs,
                                struct weir_error *err)
{
    enum weir_status status = wr_admin_write(
        admin, anchor, 0, weir_text(SIGNATURE_KEY), weir_text(ours), err);
    if (status == WEIR_OK) {
        status = wr_admin_read(admin, anchor, 0, on_record, theirs, err);
    }
    if (status == WEIR_OK &&
        !wr_bytes_equal_text(wr_buf_view(&theirs->text), ours)) {
        status = fail_different(theirs, ours, 1, group, err);
    }
    return status;
}

/* The plan's signature under the version of the layout: members that deal the
 * anchor's partitions out differently must not meet either. */
static enum weir_status make_signature(const struct wr_plan *plan, char **out,
                                       struct weir_error *err)
{
    char *text = NULL;
    enum weir_status status = wr_plan_signature(plan, &text, err);
    if (status != WEIR_OK) {
        return status;
    }
    size_t size = strlen(text) + sizeof(LAYOUT_LINE);
    char *whole = malloc(size);
    if (whole) {
        (void)snprintf(whole, size, LAYOUT_LINE "%s", text);
    }
    free(text);
    *out = whole;
    return whole ? WEIR_OK : weir_fail(err, WEIR_E_NOMEM, "out of memory");
}

enum weir_status wr_placement_agree(struct wr_admin *admin,
                                    const struct wr_plan *plan,
                                    const char *anchor, struct weir_error *err)
{
    struct signature theirs = {.found = false};
    struct wr_group_view group = {NULL, 0, false};
    char *ours = NULL;
    wr_buf_init(&theirs.text, SIGNATURE_MAX);
    enum weir_status status = make_signature(plan, &ours, err);
    if (status == WEIR_OK) {
        status = wr_admin_read(admin, anchor, 0, on_record, &theirs, err);
    }
    bool same =
        theirs.found && wr_bytes_equal_text(wr_buf_view(&theirs.text), ours);
    if (status == WEIR_OK && !same && theirs.found) {
        status = wr_admin_group(admin, plan->application_id, anchor,
                                GROUP_TIMEOUT_MS, &group, err);
        if (status == WEIR_OK && group.count > 0) {
            status = fail_different(&theirs, ours, group.count,
                                    plan->application_id, err);
        } else if (status == WEIR_OK) {
            wr_log(WR_WARN, "placement", "topology-changed",
                   "group=%s state=\"kept where names are the same\"",
                   plan->application_id);
        }
    }
    if (status == WEIR_OK && !same) {
        status =
            replace(admin, anchor, plan->application_id, ours, &theirs, err);
    }
    wr_group_view_done(&group);
    wr_buf_done(&theirs.text);
    free(ours);
    return status == WEIR_OK
               ? WEIR_OK
               : weir_fail_prefix(err, status, "topology of the group");
}
