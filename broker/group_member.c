/* SPDX-License-Identifier: Apache-2.0
 *
 * Members of a classic group: a list in order of first join, because the order
 * decides who becomes leader. Groups have tens of members, so look-ups walk the
 * list. Every byte of metadata and assignment is counted against the limit of
 * the group before it is kept. */
#include "broker/group_member.h"

#include "broker/owned.h"

static void protocols_free(struct wr_group_protocol *protocols, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        wr_owned_free(&protocols[i].name);
        wr_owned_free(&protocols[i].metadata);
    }
    free(protocols);
}

static size_t protocols_bytes(const struct wr_group_protocol *protocols,
                              size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += protocols[i].name.len + protocols[i].metadata.len;
    }
    return bytes;
}

static void member_free(struct wr_group_member *member)
{
    wr_owned_free(&member->id);
    wr_owned_free(&member->instance_id);
    wr_owned_free(&member->client_id);
    wr_owned_free(&member->client_host);
    wr_owned_free(&member->assignment);
    protocols_free(member->protocols, member->protocol_count);
    free(member);
}

/* Whether `more` bytes may take the place of `less`. */
static bool metadata_fits(const struct wr_group *group, size_t less,
                          size_t more)
{
    size_t kept = group->metadata_bytes - less;
    size_t max = group->config->metadata_bytes_max;
    return kept <= max && more <= max - kept;
}

enum weir_status wr_group_member_set_protocols(
    struct wr_group *group, struct wr_group_member *member,
    const struct wr_group_protocol *protocols, size_t count)
{
    size_t less = protocols_bytes(member->protocols, member->protocol_count);
    size_t more = protocols_bytes(protocols, count);
    if (!metadata_fits(group, less, more)) {
        return WEIR_E_TOOBIG;
    }
    struct wr_group_protocol *copy = calloc(count ? count : 1, sizeof(*copy));
    if (!copy) {
        return WEIR_E_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        if (wr_owned_set(&copy[i].name, protocols[i].name) != WEIR_OK ||
            wr_owned_set(&copy[i].metadata, protocols[i].metadata) != WEIR_OK) {
            protocols_free(copy, count);
            return WEIR_E_NOMEM;
        }
    }
    protocols_free(member->protocols, member->protocol_count);
    member->protocols = copy;
    member->protocol_count = count;
    group->metadata_bytes += more - less;
    return WEIR_OK;
}

enum weir_status wr_group_member_assign(struct wr_group *group,
                                        struct wr_group_member *member,
                                        struct weir_bytes assignment)
{
    struct weir_bytes kept = assignment.data ? assignment : weir_text("");
    size_t less = member->assignment.len;
    if (!metadata_fits(group, less, kept.len)) {
        return WEIR_E_TOOBIG;
    }
    enum weir_status status = wr_owned_set(&member->assignment, kept);
    if (status == WEIR_OK) {
        group->metadata_bytes += kept.len - less;
    }
    return status;
}

void wr_group_member_unassign(struct wr_group *group,
                              struct wr_group_member *member)
{
    group->metadata_bytes -= member->assignment.len;
    member->assignment.len = 0; /* the memory waits for the next one */
}

enum weir_status wr_group_member_add(struct wr_group *group,
                                     const struct wr_group_member *from,
                                     struct wr_group_member **out)
{
    struct wr_group_member *member = calloc(1, sizeof(*member));
    if (!member) {
        return WEIR_E_NOMEM;
    }
    member->session_timeout_ms = from->session_timeout_ms;
    member->rebalance_timeout_ms = from->rebalance_timeout_ms;
    member->expires_ms = from->expires_ms;
    size_t before = group->metadata_bytes;
    enum weir_status status = WEIR_E_NOMEM;
    if (wr_owned_set(&member->id, from->id) != WEIR_OK ||
        wr_owned_set(&member->instance_id, from->instance_id) != WEIR_OK ||
        wr_owned_set(&member->client_id, from->client_id) != WEIR_OK ||
        wr_owned_set(&member->client_host, from->client_host) != WEIR_OK) {
        goto failed;
    }
    status = wr_group_member_set_protocols(group, member, from->protocols,
                                           from->protocol_count);
    if (status == WEIR_OK) {
        status = wr_group_member_assign(group, member, from->assignment);
    }
    if (status != WEIR_OK) {
        goto failed;
    }
    struct wr_group_member **end = &group->members;
    while (*end) {
        end = &(*end)->next;
    }
    *end = member;
    group->member_count++;
    if (out) {
        *out = member;
    }
    return WEIR_OK;
failed:
    group->metadata_bytes = before;
    member_free(member);
    return status;
}

void wr_group_member_remove(struct wr_group *group,
                            struct wr_group_member *member)
{
    struct wr_group_member **at = &group->members;
    while (*at != member) {
        at = &(*at)->next;
    }
    *at = member->next;
    group->member_count--;
    group->metadata_bytes -=
        protocols_bytes(member->protocols, member->protocol_count) +
        member->assignment.len;
    if (group->leader.data && wr_bytes_equal(group->leader, member->id)) {
        wr_owned_free(&group->leader);
    }
    member_free(member);
}

void wr_group_members_clear(struct wr_group *group)
{
    while (group->members) {
        wr_group_member_remove(group, group->members);
    }
    while (group->pending) {
        (void)wr_group_pending_remove(group, group->pending->member_id);
    }
}

struct wr_group_member *wr_group_find(const struct wr_group *group,
                                      struct weir_bytes member_id)
{
    struct wr_group_member *member = group->members;
    while (member && !wr_bytes_equal(member->id, member_id)) {
        member = member->next;
    }
    return member;
}

struct wr_group_member *wr_group_find_static(const struct wr_group *group,
                                             struct weir_bytes instance_id)
{
    struct wr_group_member *member = group->members;
    while (member && !(member->instance_id.data &&
                       wr_bytes_equal(member->instance_id, instance_id))) {
        member = member->next;
    }
    return member;
}

bool wr_group_member_matches(const struct wr_group_member *member,
                             const struct wr_group_protocol *protocols,
                             size_t count)
{
    if (member->protocol_count != count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!wr_bytes_equal(member->protocols[i].name, protocols[i].name) ||
            !wr_bytes_equal(member->protocols[i].metadata,
                            protocols[i].metadata)) {
            return false;
        }
    }
    return true;
}

static bool member_knows(const struct wr_group_member *member,
                         struct weir_bytes name)
{
    for (size_t i = 0; i < member->protocol_count; i++) {
        if (wr_bytes_equal(member->protocols[i].name, name)) {
            return true;
        }
    }
    return false;
}

static bool all_know(const struct wr_group *group, struct weir_bytes name)
{
    for (const struct wr_group_member *m = group->members; m; m = m->next) {
        if (!member_knows(m, name)) {
            return false;
        }
    }
    return true;
}

bool wr_group_supports(const struct wr_group *group,
                       const struct wr_group_join *join)
{
    if (join->protocol_type.len == 0 || join->protocol_count == 0) {
        return false;
    }
    if (!group->members) {
        return true;
    }
    if (!wr_bytes_equal(group->protocol_type, join->protocol_type)) {
        return false;
    }
    for (size_t i = 0; i < join->protocol_count; i++) {
        if (all_know(group, join->protocols[i].name)) {
            return true;
        }
    }
    return false;
}

/* The first of the member's protocols that everyone knows: its vote. */
static struct weir_bytes member_vote(const struct wr_group *group,
                                     const struct wr_group_member *member)
{
    for (size_t i = 0; i < member->protocol_count; i++) {
        if (all_know(group, member->protocols[i].name)) {
            return member->protocols[i].name;
        }
    }
    return WEIR_NULL;
}

struct weir_bytes wr_group_vote(const struct wr_group *group)
{
    const struct wr_group_member *first = group->members;
    struct weir_bytes best = WEIR_NULL;
    size_t best_votes = 0;
    for (size_t i = 0; first && i < first->protocol_count; i++) {
        struct weir_bytes name = first->protocols[i].name;
        size_t votes = 0;
        for (const struct wr_group_member *m = first; m; m = m->next) {
            votes += wr_bytes_equal(member_vote(group, m), name);
        }
        if (votes > best_votes) {
            best = name;
            best_votes = votes;
        }
    }
    return best;
}

int32_t wr_group_rebalance_timeout(const struct wr_group *group)
{
    int32_t longest_ms = 0;
    for (const struct wr_group_member *m = group->members; m; m = m->next) {
        if (m->rebalance_timeout_ms > longest_ms) {
            longest_ms = m->rebalance_timeout_ms;
        }
    }
    return longest_ms;
}

struct weir_bytes wr_group_metadata(const struct wr_group *group,
                                    const struct wr_group_member *member)
{
    for (size_t i = 0; i < member->protocol_count; i++) {
        if (group->protocol_name.data &&
            wr_bytes_equal(member->protocols[i].name, group->protocol_name)) {
            return member->protocols[i].metadata;
        }
    }
    return weir_text("");
}

enum weir_status wr_group_pending_add(struct wr_group *group,
                                      struct weir_bytes member_id,
                                      int64_t expires_ms)
{
    struct wr_group_pending *pending = calloc(1, sizeof(*pending));
    if (!pending || wr_owned_set(&pending->member_id, member_id) != WEIR_OK) {
        free(pending);
        return WEIR_E_NOMEM;
    }
    pending->expires_ms = expires_ms;
    pending->next = group->pending;
    group->pending = pending;
    return WEIR_OK;
}

bool wr_group_pending_remove(struct wr_group *group,
                             struct weir_bytes member_id)
{
    for (struct wr_group_pending **at = &group->pending; *at;
         at = &(*at)->next) {
        struct wr_group_pending *pending = *at;
        if (wr_bytes_equal(pending->member_id, member_id)) {
            *at = pending->next;
            wr_owned_free(&pending->member_id);
            free(pending);
            return true;
        }
    }
    return false;
}
