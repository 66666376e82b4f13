/* SPDX-License-Identifier: Apache-2.0
 *
 * Fetch. A request is either answered now or parked: it then watches its
 * partitions and a timer, and is answered when there is enough to read
 * (min_bytes), when something is wrong with a partition, or when max_wait is
 * over. Watches fire after the sync, so nobody sees what could still vanish.
 *
 *   handle --> enough, error, no wait? --yes--> read, answer
 *                     | no                         ^
 *                     v                            |
 *                  parked --- watch ---> look again (next tick, once for all
 *                     |                            partitions that moved)
 *                     +------ timer ---------------+
 *                     +------ peer gone ---> forgotten
 *
 * Sessions (KIP-227) are declined by answering with session id 0, which is
 * legal and costs the client some bytes. So every request with epoch 0 or -1 is
 * answered in full, whatever session it names, and one that goes on with a
 * session is told that there is none. What is read lies in one buffer that the
 * request owns until its answer has left. */
#include "base/log.h"
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/durable.h"
#include "broker/errors.h"
#include "broker/leader_epoch.h"
#include "broker/logs.h"
#include "broker/topics.h"

#include <stdlib.h>

#define VERSION_OF_BATCHES   4 /* older ones know older formats only */
#define VERSION_OF_MAX_BYTES 3
#define VERSION_OF_ZSTD      10
#define VERSION_OF_TOPIC_IDS 13
#define READ_BYTES_MAX       ((size_t)8 << 20) /* of one answer, but for a batch */
#define BUFFER_BYTES_MAX     ((size_t)1 << 30)
#define SHARE                4  /* of the memory left for answers, for one */
#define EPOCH_NEW_SESSION    0  /* all partitions are in the request */
#define EPOCH_NO_SESSION     -1 /* likewise; a session of that id is to end */

struct fetch_watch {
    struct wr_log_watch watch;
    struct fetch *fetch;
};

struct fetch {
    struct wr_request *request;
    struct wr_buf records;       /* what was read; freed by fetch_done */
    size_t counted;              /* of it, in the broker's fetched_bytes */
    struct wr_timer timer;       /* end of the wait, or the next look */
    int64_t deadline_ms;         /* monotonic end of the wait */
    bool looking;                /* the timer is for the next look */
    struct fetch_watch *watches; /* in the request's arena */
    size_t watch_count;          /* of watches */
    enum wr_isolation isolation; /* how far this client reads */
};

/* One partition of the request while it is looked at. */
struct spot {
    const struct wr_fetch_request_partition *asked;
    struct wr_log *log; /* NULL: see error */
    int16_t error;
};

/* ---- looking ------------------------------------------------------------- */

static int16_t check_offset(const struct wr_log *log, int64_t offset)
{
    return offset < wr_log_start_offset(log) || offset > wr_log_end_offset(log)
               ? WR_ERR_OFFSET_OUT_OF_RANGE
               : WR_ERR_NONE;
}

static struct spot look_at(const struct wr_request *request,
                           const struct wr_fetch_request_topic *asked,
                           int32_t at)
{
    struct spot spot = {.asked = &asked->partitions[at]};
    bool by_id = request->version >= VERSION_OF_TOPIC_IDS;
    const struct wr_topic *topic =
        by_id ? wr_topics_find_id(request->broker->topics, asked->topic_id)
              : wr_topics_find(request->broker->topics, asked->name);
    int32_t index = spot.asked->index;
    if (!topic) {
        spot.error =
            by_id ? WR_ERR_UNKNOWN_TOPIC_ID : WR_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        return spot;
    }
    if (index < 0 || index >= topic->partition_count) {
        spot.error = WR_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        return spot;
    }
    spot.log = topic->logs[index];
    if (request->version < VERSION_OF_BATCHES) {
        spot.error = WR_ERR_UNSUPPORTED_VERSION;
    } else if (wr_log_offline(spot.log)) {
        spot.error = WR_ERR_CORRUPT_MESSAGE;
    } else {
        spot.error =
            wr_check_leader_epoch(spot.log, spot.asked->current_leader_epoch);
    }
    if (spot.error == WR_ERR_NONE) {
        spot.error = check_offset(spot.log, spot.asked->fetch_offset);
    }
    return spot;
}

static size_t positive(int32_t bytes)
{
    return bytes > 0 ? (size_t)bytes : 0;
}

/* What one answer may take of the memory that answers which have not left yet
 * leave of WR_FETCHED_BYTES_MAX: clients that do not read get less and less, in
 * the end a batch at a time, and never all of it. */
static size_t share_max(const struct wr_broker *broker)
{
    size_t used = broker->fetched_bytes;
    return used < WR_FETCHED_BYTES_MAX ? (WR_FETCHED_BYTES_MAX - used) / SHARE
                                       : 0;
}

static size_t total_max(const struct wr_request *request)
{
    const struct wr_fetch_request *body = request->body;
    size_t max = request->version >= VERSION_OF_MAX_BYTES
                     ? positive(body->max_bytes)
                     : READ_BYTES_MAX;
    size_t share = share_max(request->broker);
    max = max < share ? max : share;
    return max < READ_BYTES_MAX ? max : READ_BYTES_MAX;
}

/* Whether the request can be answered now; *out_bytes: roughly how much there
 * is to read. */
static bool is_ready(const struct fetch *fetch, size_t *out_bytes)
{
    const struct wr_fetch_request *body = fetch->request->body;
    size_t bytes = 0;
    bool error = false;
    for (int32_t t = 0; t < body->topics_count; t++) {
        const struct wr_fetch_request_topic *topic = &body->topics[t];
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            struct spot spot = look_at(fetch->request, topic, p);
            error = error || spot.error != WR_ERR_NONE;
            if (spot.error == WR_ERR_NONE) {
                bytes += wr_log_readable(
                    spot.log, spot.asked->fetch_offset, fetch->isolation,
                    positive(spot.asked->partition_max_bytes));
            }
        }
    }
    *out_bytes = bytes;
    return error || bytes >= positive(body->min_bytes);
}

/* ---- reading ------------------------------------------------------------- */

/* One after the last offset of the batches in `bytes`; 0 when there are none or
 * they cannot be read. *out_zstd: one of them is compressed with zstd. */
static int64_t end_of(struct weir_bytes bytes, bool *out_zstd)
{
    int64_t end = 0;
    struct wr_batch batch;
    while (bytes.len > 0 && wr_batch_parse(bytes, &batch, NULL) == WEIR_OK) {
        end = wr_batch_last_offset(&batch) + 1;
        *out_zstd = *out_zstd || wr_batch_codec(&batch) == WR_CODEC_ZSTD;
        bytes = weir_bytes(bytes.data + batch.size, bytes.len - batch.size);
    }
    return end;
}

static int16_t list_aborted(struct fetch *fetch, const struct spot *spot,
                            int64_t end, struct wr_fetch_response_partition *to)
{
    struct wr_arena *arena = &fetch->request->arena;
    struct wr_aborted_list found;
    to->aborted_transactions_count = 0;
    if (end <= spot->asked->fetch_offset) {
        return WR_ERR_NONE;
    }
    struct weir_error err = {0};
    if (wr_log_aborted(spot->log, spot->asked->fetch_offset, end, arena, &found,
                       &err) != WEIR_OK) {
        wr_log(WR_ERROR, "broker", "fetch-aborted-list",
               "topic=%s partition=%d reason=\"%s\"", wr_log_topic(spot->log),
               wr_log_partition(spot->log), err.text);
        return WR_ERR_KAFKA_STORAGE_ERROR;
    }
    to->aborted_transactions =
        wr_arena_calloc(arena, found.count, sizeof(*to->aborted_transactions));
    if (!to->aborted_transactions) {
        return WR_ERR_UNKNOWN_SERVER_ERROR;
    }
    for (size_t i = 0; i < found.count; i++) {
        to->aborted_transactions[i].producer_id = found.items[i].producer_id;
        to->aborted_transactions[i].first_offset = found.items[i].first_offset;
    }
    to->aborted_transactions_count = (int32_t)found.count;
    return WR_ERR_NONE;
}

/* Reads into the buffer; to->records gets the length, and its place when all is
 * read and the buffer moves no more. */
static int16_t read_one(struct fetch *fetch, const struct spot *spot,
                        size_t *left, struct wr_fetch_response_partition *to)
{
    const struct wr_request *request = fetch->request;
    size_t max = positive(spot->asked->partition_max_bytes);
    size_t start = fetch->records.len;
    struct wr_log_read how = {.offset = spot->asked->fetch_offset,
                              .bytes_max = max < *left ? max : *left,
                              .min_one = start == 0 && request->version >=
                                                           VERSION_OF_MAX_BYTES,
                              .isolation = fetch->isolation};
    struct weir_error err = {0};
    enum wr_kafka_error error =
        wr_log_read(spot->log, &how, &fetch->records, &err);
    if (error != WR_ERR_NONE) {
        fetch->records.len = start;
        wr_log(WR_WARN, "broker", "fetch-read",
               "topic=%s partition=%d offset=%lld error=%d reason=\"%s\"",
               wr_log_topic(spot->log), wr_log_partition(spot->log),
               (long long)how.offset, (int)error, err.text);
        return (int16_t)error;
    }
    size_t got = fetch->records.len - start;
    bool zstd = false;
    int64_t end = 0;
    if (fetch->isolation == WR_READ_COMMITTED ||
        request->version < VERSION_OF_ZSTD) {
        end = end_of(weir_bytes(fetch->records.data + start, got), &zstd);
    }
    int16_t answer = WR_ERR_NONE;
    if (zstd && request->version < VERSION_OF_ZSTD) {
        answer = WR_ERR_UNSUPPORTED_COMPRESSION_TYPE;
    } else if (fetch->isolation == WR_READ_COMMITTED) {
        answer = list_aborted(fetch, spot, end, to);
    }
    if (answer != WR_ERR_NONE) {
        fetch->records.len = start;
        return answer;
    }
    to->records.len = got;
    *left = got < *left ? *left - got : 0;
    return WR_ERR_NONE;
}

static void answer_one(struct fetch *fetch, const struct spot *spot,
                       size_t *left, struct wr_fetch_response_partition *to)
{
    *to = (struct wr_fetch_response_partition){.index = spot->asked->index,
                                               .error_code = spot->error,
                                               .high_watermark = -1,
                                               .last_stable_offset = -1,
                                               .log_start_offset = -1,
                                               .diverging_epoch = {-1, -1},
                                               .current_leader = {-1, -1},
                                               .snapshot_id = {-1, -1},
                                               .aborted_transactions_count = -1,
                                               .preferred_read_replica = -1};
    if (spot->error == WR_ERR_NONE) {
        to->error_code = read_one(fetch, spot, left, to);
    }
    if (spot->log && to->error_code == WR_ERR_NONE) {
        to->high_watermark = wr_log_high_watermark(spot->log);
        to->last_stable_offset = wr_log_last_stable_offset(spot->log);
        to->log_start_offset = wr_log_start_offset(spot->log);
    }
}

/* The records' places in the buffer, which has stopped moving. */
static void place_records(const struct fetch *fetch,
                          struct wr_fetch_response *response)
{
    static const uint8_t nothing[1] = {0};
    size_t at = 0;
    for (int32_t t = 0; t < response->topics_count; t++) {
        struct wr_fetch_response_topic *topic = &response->topics[t];
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            size_t len = topic->partitions[p].records.len;
            topic->partitions[p].records =
                len > 0 ? weir_bytes(fetch->records.data + at, len)
                        : weir_bytes(nothing, 0);
            at += len;
        }
    }
}

static bool answer_topics(struct fetch *fetch,
                          struct wr_fetch_response *response)
{
    struct wr_request *request = fetch->request;
    const struct wr_fetch_request *body = request->body;
    size_t left = total_max(request);
    if (!WR_REQUEST_TAKE_TOPICS(request, body, response)) {
        return false;
    }
    for (int32_t t = 0; t < body->topics_count; t++) {
        const struct wr_fetch_request_topic *from = &body->topics[t];
        struct wr_fetch_response_topic *to = &response->topics[t];
        to->topic_id = from->topic_id;
        if (!WR_REQUEST_TAKE_PARTITIONS(request, from, to)) {
            return false;
        }
        for (int32_t p = 0; p < from->partitions_count; p++) {
            struct spot spot = look_at(request, from, p);
            answer_one(fetch, &spot, &left, &to->partitions[p]);
        }
    }
    place_records(fetch, response);
    return true;
}

/* Room for what is there, so that the buffer does not grow step by step. */
static void reserve(struct fetch *fetch, size_t bytes)
{
    size_t max = total_max(fetch->request);
    if (bytes > 0 &&
        wr_buf_extend(&fetch->records, bytes < max ? bytes : max)) {
        fetch->records.len = 0;
    }
}

static void answer(struct fetch *fetch, size_t bytes)
{
    struct wr_fetch_response response;
    wr_fetch_response_init(&response);
    reserve(fetch, bytes);
    bool good = answer_topics(fetch, &response);
    fetch->counted = fetch->records.cap;
    fetch->request->broker->fetched_bytes += fetch->counted;
    if (good) {
        wr_request_reply(fetch->request, &response);
    }
}

/* ---- parking ------------------------------------------------------------- */

static void unpark(struct fetch *fetch)
{
    wr_loop_timer_stop(fetch->request->broker->loop, &fetch->timer);
    for (size_t i = 0; i < fetch->watch_count; i++) {
        wr_log_watch_remove(&fetch->watches[i].watch);
    }
    fetch->watch_count = 0;
    fetch->request->gone = NULL;
}

static void look_soon(struct fetch *fetch)
{
    if (fetch->looking) {
        return;
    }
    fetch->looking = true;
    if (wr_loop_timer_start(fetch->request->broker->loop, &fetch->timer, 0) !=
        WEIR_OK) {
        fetch->looking = false; /* then at the next move, or at the deadline */
    }
}

static void watch_fired(struct wr_log_watch *watch, bool gone)
{
    struct fetch_watch *own =
        (void *)((char *)watch - offsetof(struct fetch_watch, watch));
    if (gone) {
        wr_log_watch_remove(watch);
    }
    look_soon(own->fetch);
}

static void look_again(void *arg)
{
    struct fetch *fetch = arg;
    struct wr_loop *loop = fetch->request->broker->loop;
    int64_t left_ms = fetch->deadline_ms - wr_loop_now_ms(loop);
    size_t bytes = 0;
    fetch->looking = false;
    if (!is_ready(fetch, &bytes) && left_ms > 0 &&
        wr_loop_timer_start(loop, &fetch->timer, left_ms) == WEIR_OK) {
        return;
    }
    unpark(fetch);
    answer(fetch, bytes);
}

static void peer_gone(struct wr_request *request)
{
    unpark(request->state);
    wr_request_no_reply(request);
}

static bool park(struct fetch *fetch)
{
    struct wr_request *request = fetch->request;
    const struct wr_fetch_request *body = request->body;
    size_t count = 0;
    for (int32_t t = 0; t < body->topics_count; t++) {
        count += (size_t)body->topics[t].partitions_count;
    }
    fetch->watches = wr_request_calloc(request, count, sizeof(*fetch->watches));
    if (!fetch->watches ||
        wr_loop_timer_start(request->broker->loop, &fetch->timer,
                            body->max_wait_ms) != WEIR_OK) {
        return false;
    }
    for (int32_t t = 0; t < body->topics_count; t++) {
        for (int32_t p = 0; p < body->topics[t].partitions_count; p++) {
            struct spot spot = look_at(request, &body->topics[t], p);
            struct fetch_watch *own = &fetch->watches[fetch->watch_count++];
            own->watch.fn = watch_fired;
            own->fetch = fetch;
            wr_log_watch_add(spot.log, &own->watch);
        }
    }
    request->gone = peer_gone;
    return true;
}

/* ---- the handler --------------------------------------------------------- */

static void fetch_done(struct wr_request *request)
{
    struct fetch *fetch = request->state;
    request->broker->fetched_bytes -= fetch->counted;
    wr_buf_done(&fetch->records);
}

static int16_t check_session(const struct wr_fetch_request *body)
{
    return body->session_epoch == EPOCH_NEW_SESSION ||
                   body->session_epoch == EPOCH_NO_SESSION
               ? WR_ERR_NONE
               : WR_ERR_FETCH_SESSION_ID_NOT_FOUND;
}

void wr_handle_fetch(struct wr_request *request)
{
    const struct wr_fetch_request *body = request->body;
    int16_t error = check_session(body);
    if (error != WR_ERR_NONE) {
        struct wr_fetch_response response;
        wr_fetch_response_init(&response);
        response.error_code = error;
        wr_request_reply(request, &response);
        return;
    }
    struct fetch *fetch = wr_request_take(request, 1, sizeof(*fetch));
    if (!fetch) {
        return;
    }
    fetch->request = request;
    fetch->isolation =
        body->isolation_level == 1 ? WR_READ_COMMITTED : WR_READ_UNCOMMITTED;
    fetch->timer.fire = look_again;
    fetch->timer.arg = fetch;
    fetch->deadline_ms =
        wr_loop_now_ms(request->broker->loop) + body->max_wait_ms;
    wr_buf_init(&fetch->records, BUFFER_BYTES_MAX);
    request->state = fetch;
    request->done = fetch_done;
    size_t bytes = 0;
    bool ready = is_ready(fetch, &bytes) || body->max_wait_ms <= 0;
    if (ready || !park(fetch)) {
        answer(fetch, bytes);
    }
}
