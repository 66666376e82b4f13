/* SPDX-License-Identifier: Apache-2.0
 *
 * Two requests over a connection of our own, with the broker room's codec:
 * FindCoordinator v2 for the group's coordinator, then LeaveGroup v3 there,
 * with an empty member id and the instance id, which is how KIP-345 removes a
 * static member from outside. */
#include "cli/leave_group.h"

#include "base/log.h"
#include "broker/messages.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define TIMEOUT_S        2
#define ANSWER_MAX       ((size_t)1 << 20)
#define FIND_COORDINATOR 10
#define FIND_VERSION     2
#define LEAVE_GROUP      13
#define LEAVE_VERSION    3
#define GROUP_KEY        0
#define UNKNOWN_MEMBER   25 /* it has left already */

struct address {
    char host[256];
    char port[8];
};

struct answer {
    struct wr_buf bytes;
    struct wr_arena arena;
    struct wr_reader reader; /* behind the correlation id */
};

/* ---- one request -------------------------------------------------------- */

static enum weir_status dial(const struct address *to, int *out_fd,
                             struct weir_error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    struct timeval timeout = {.tv_sec = TIMEOUT_S};
    if (getaddrinfo(to->host, to->port, &hints, &found) != 0) {
        return weir_fail(err, WEIR_E_UNREACHABLE, "%s:%s: no such host",
                         to->host, to->port);
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout,
                         sizeof(timeout));
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout,
                         sizeof(timeout));
    }
    bool ok = fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) == 0;
    int reason = errno;
    freeaddrinfo(found);
    if (!ok) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return weir_fail(err, WEIR_E_UNREACHABLE, "%s:%s: %s", to->host,
                         to->port, strerror(reason));
    }
    *out_fd = fd;
    return WEIR_OK;
}

static bool receive(int fd, uint8_t *into, size_t n)
{
    while (n > 0) {
        ssize_t got = recv(fd, into, n, 0);
        if (got <= 0) {
            return false;
        }
        into += got;
        n -= (size_t)got;
    }
    return true;
}

/* Sends header and body, reads the answer's body. */
static bool exchange(int fd, const struct wr_buf *request, struct answer *out)
{
    uint8_t size[4];
    wr_store_u32(size, (uint32_t)request->len);
    if (send(fd, size, 4, MSG_NOSIGNAL) != 4 ||
        send(fd, request->data, request->len, MSG_NOSIGNAL) !=
            (ssize_t)request->len ||
        !receive(fd, size, 4)) {
        return false;
    }
    uint32_t len = wr_load_u32(size);
    uint8_t *at =
        len >= 4 && len <= ANSWER_MAX ? wr_buf_extend(&out->bytes, len) : NULL;
    if (!at || !receive(fd, at, len)) {
        return false;
    }
    wr_reader_init(&out->reader, wr_buf_view(&out->bytes));
    wr_read_skip(&out->reader,
                 4); /* the correlation id: there is one request */
    return true;
}

static enum weir_status call(const struct address *to,
                             const struct wr_api_messages *api, int16_t version,
                             const struct wr_buf *body, struct answer *out,
                             struct weir_error *err)
{
    struct wr_buf request;
    int fd = -1;
    enum weir_status s = dial(to, &fd, err);
    if (s != WEIR_OK) {
        return s;
    }
    wr_buf_init(&request, ANSWER_MAX);
    wr_buf_put_i16(&request, api->key);
    wr_buf_put_i16(&request, version);
    wr_buf_put_i32(&request, 1);
    wr_buf_put_i16(&request, 4);
    wr_buf_put_text(&request, "weir");
    wr_buf_put_bytes(&request, wr_buf_view(body));
    if (request.status != WEIR_OK || !exchange(fd, &request, out)) {
        s = weir_fail(err, WEIR_E_UNREACHABLE, "%s:%s does not answer",
                      to->host, to->port);
    }
    wr_buf_done(&request);
    (void)close(fd);
    return s;
}

static void answer_init(struct answer *a)
{
    *a = (struct answer){0};
    wr_buf_init(&a->bytes, ANSWER_MAX);
    wr_arena_init(&a->arena, ANSWER_MAX);
}

static void answer_done(struct answer *a)
{
    wr_buf_done(&a->bytes);
    wr_arena_done(&a->arena);
}

/* ---- the two requests --------------------------------------------------- */

static enum weir_status find_coordinator(const struct address *to,
                                         const char *group, struct address *out,
                                         struct weir_error *err)
{
    struct wr_find_coordinator_request request;
    struct wr_find_coordinator_response response;
    struct wr_buf body;
    struct answer answer;
    answer_init(&answer);
    wr_buf_init(&body, ANSWER_MAX);
    wr_find_coordinator_request_init(&request);
    request.key = weir_text(group);
    request.key_type = GROUP_KEY;
    wr_find_coordinator_request_encode(&request, &body, FIND_VERSION);
    enum weir_status s = call(to, wr_api_messages_find(FIND_COORDINATOR),
                              FIND_VERSION, &body, &answer, err);
    if (s == WEIR_OK) {
        s = wr_find_coordinator_response_decode(&response, &answer.reader,
                                                FIND_VERSION, &answer.arena);
        if (s != WEIR_OK || response.error_code != 0 ||
            response.host.len >= sizeof(out->host)) {
            s = weir_fail(err, WEIR_E_KAFKA,
                          "%s:%s does not say who coordinates group '%s'",
                          to->host, to->port, group);
        } else {
            (void)snprintf(out->host, sizeof(out->host), "%.*s",
                           (int)response.host.len,
                           (const char *)response.host.data);
            (void)snprintf(out->port, sizeof(out->port), "%u",
                           (unsigned)response.port & 0xffff);
        }
    }
    wr_buf_done(&body);
    answer_done(&answer);
    return s;
}

static enum weir_status leave(const struct address *to,
                              const struct wr_leave_group_request *request,
                              struct weir_error *err)
{
    struct wr_leave_group_response response;
    struct wr_buf body;
    struct answer answer;
    answer_init(&answer);
    wr_buf_init(&body, ANSWER_MAX);
    wr_leave_group_request_encode(request, &body, LEAVE_VERSION);
    enum weir_status s = body.status;
    s = s == WEIR_OK ? call(to, wr_api_messages_find(LEAVE_GROUP),
                            LEAVE_VERSION, &body, &answer, err)
                     : weir_fail(err, s, "LeaveGroup does not encode");
    if (s == WEIR_OK) {
        s = wr_leave_group_response_decode(&response, &answer.reader,
                                           LEAVE_VERSION, &answer.arena);
        if (s != WEIR_OK || (response.error_code != 0 &&
                             response.error_code != UNKNOWN_MEMBER)) {
            s = weir_fail(err, WEIR_E_KAFKA,
                          "%s:%s answers LeaveGroup with error %d", to->host,
                          to->port, s == WEIR_OK ? response.error_code : -1);
        }
    }
    wr_buf_done(&body);
    answer_done(&answer);
    return s;
}

/* ---- door --------------------------------------------------------------- */

/* Asks the bootstrap servers, "host:port,host:port", until one answers. */
static enum weir_status find_anywhere(const char *servers, const char *group,
                                      struct address *out,
                                      struct weir_error *err)
{
    enum weir_status s = weir_fail(err, WEIR_E_CONFIG, "no bootstrap.servers");
    while (*servers && s != WEIR_OK) {
        struct address one = {.port = "9092"};
        size_t n = strcspn(servers, ",");
        (void)snprintf(one.host, sizeof(one.host), "%.*s", (int)n, servers);
        char *colon = strrchr(one.host, ':');
        if (colon) {
            *colon = '\0';
            (void)snprintf(one.port, sizeof(one.port), "%.7s", colon + 1);
        }
        s = find_coordinator(&one, group, out, err);
        servers += n;
        servers += *servers == ',';
    }
    return s;
}

bool wr_leave_group_can(const struct wr_options *options)
{
    static const char *const names[] = {"security.protocol",
                                        "consumer.security.protocol"};
    for (size_t i = 0; i < 2; i++) {
        const char *value = wr_options_text(options, names[i]);
        if (value && strcasecmp(value, "plaintext") != 0) {
            return false;
        }
    }
    return true;
}

enum weir_status wr_leave_group(const struct wr_options *options,
                                struct weir_error *err)
{
    const char *group = wr_options_text(options, "application.id");
    const char *instance = wr_options_text(options, "group.instance.id");
    int64_t threads = wr_options_int(options, "num.stream.threads");
    struct address coordinator;
    if (!instance) {
        return WEIR_OK; /* librdkafka has left */
    }
    struct wr_leave_group_request request;
    wr_leave_group_request_init(&request);
    struct wr_leave_group_request_member *members =
        calloc((size_t)threads, sizeof(*members));
    char(*names)[600] = calloc((size_t)threads, sizeof(*names));
    enum weir_status s =
        members && names ? WEIR_OK : weir_fail(err, WEIR_E_NOMEM, "no memory");
    for (int64_t i = 0; s == WEIR_OK && i < threads; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "%.500s-%d", instance,
                       (int)i + 1);
        members[i].member_id = weir_text("");
        members[i].group_instance_id = weir_text(names[i]);
    }
    request.group_id = weir_text(group);
    request.members = members;
    request.members_count = (int32_t)threads;
    s = s == WEIR_OK
            ? find_anywhere(wr_options_text(options, "bootstrap.servers"),
                            group, &coordinator, err)
            : s;
    s = s == WEIR_OK ? leave(&coordinator, &request, err) : s;
    free(members);
    free(names);
    return s;
}
