/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/runtime/kafka_fixture.h"

#include "runtime/kafka_consumer_state.h"

#include <poll.h>

#define API_HEARTBEAT               12
#define API_SYNC_GROUP              14
#define ERROR_REBALANCE_IN_PROGRESS 27
#define ERROR_FENCED_INSTANCE       82

static size_t given;
static size_t revoked;
static struct weir_error problem;

static void on_given(void *user, const int32_t *partitions, size_t count)
{
    (void)user;
    (void)partitions;
    given += count;
}

static void on_revoked(void *user, const int32_t *partitions, size_t count,
                       bool lost)
{
    (void)user;
    (void)partitions;
    (void)lost;
    revoked += count;
}

static void keep_problem(void *user, void *tag, const struct weir_error *told)
{
    (void)user;
    (void)tag;
    problem = *told;
}

static void poll_once(struct wr_consumer *consumer)
{
    size_t n = 0;
    wr_consumer_poll(consumer, 10, 100, &n);
}

/* A member that has begun to join; static when it has a name. */
static struct wr_consumer *join(const char *instance_id, const char *session_ms)
{
    struct wr_consumer *consumer = NULL;
    struct wr_consumer_spec spec = {.kind = WR_CLIENT_CONSUMER,
                                    .client_id = "test",
                                    .instance_id = instance_id,
                                    .events = {.given = on_given,
                                               .revoked = on_revoked,
                                               .problem = keep_problem}};
    given = 0;
    problem.status = WEIR_OK;
    assert_ok(weir_config_set(config, "heartbeat.interval.ms", "20", &err),
              err);
    assert_ok(weir_config_set(config, "session.timeout.ms", session_ms, &err),
              err);
    spec.options = wr_config_options(config);
    assert_ok(wr_consumer_new(&spec, &consumer, &err), err);
    assert_ok(wr_consumer_subscribe(consumer, "t", &err), err);
    return consumer;
}

/* What a static member is told that is fenced so long after it joined. */
static enum weir_status fenced_after(const char *session_ms, int64_t after_ms)
{
    const int fenced = ERROR_FENCED_INSTANCE;
    int64_t until = wr_mono_ms() + WAIT_MS;
    struct wr_consumer *consumer = join("me", session_ms);
    int64_t joined = wr_mono_ms();
    while ((given < 2 || wr_mono_ms() - joined <= after_ms) &&
           wr_mono_ms() < until) {
        poll_once(consumer);
    }
    assert_int_equal(given, 2);
    mock_cluster_fail(cluster, API_HEARTBEAT, &fenced, 1);
    while (problem.status == WEIR_OK && wr_mono_ms() < until) {
        poll_once(consumer);
    }
    wr_consumer_free(consumer);
    return problem.status;
}

/* What was given waits to be begun: the thread must not sleep on it. */
static void a_poll_after_a_rebalance_does_not_wait(void **state)
{
    (void)state;
    struct wr_consumer *consumer = join(NULL, "30000");
    int64_t until = wr_mono_ms() + WAIT_MS;
    size_t n = 0;
    while (given == 0 && wr_mono_ms() < until) {
        wr_consumer_poll(consumer, 0, 100, &n);
    }
    assert_int_equal(given, 2);
    int64_t began = wr_mono_ms();
    wr_consumer_poll(consumer, WAIT_MS, 100, &n);
    assert_true(wr_mono_ms() - began < WAIT_MS / 2);
    wr_consumer_free(consumer);
}

static void a_member_fenced_within_its_session_has_met_another(void **state)
{
    (void)state;
    assert_int_equal(fenced_after("30000", 0), WEIR_E_EXISTS);
    assert_non_null(strstr(problem.text, "group.instance.id 'me'"));
}

static void a_member_fenced_after_its_session_joins_anew(void **state)
{
    (void)state;
    assert_int_equal(fenced_after("4000", 4100), WEIR_E_FENCED);
}

/* Closing alone would keep its partitions for a session. */
static void a_static_member_can_leave(void **state)
{
    (void)state;
    int64_t until = wr_mono_ms() + WAIT_MS;
    struct wr_consumer *consumer = join("me", "30000");
    while (given < 2 && wr_mono_ms() < until) {
        poll_once(consumer);
    }
    assert_int_equal(given, 2);
    revoked = 0;
    assert_true(wr_consumer_leave(consumer));
    assert_int_equal(revoked, 2);
    wr_consumer_free(consumer);
}

/* A member whose JoinGroup was answered and whose SyncGroup was refused: it
 * joins again, and the mock cluster answers that a second before the session
 * ends. librdkafka before 2.3 aborts when such a client is destroyed. */
static struct wr_consumer *join_by_half(const char *session_ms)
{
    const int again = ERROR_REBALANCE_IN_PROGRESS;
    int64_t until = wr_mono_ms() + WAIT_MS;
    mock_cluster_fail(cluster, API_SYNC_GROUP, &again, 1);
    struct wr_consumer *consumer = join("me", session_ms);
    const char *protocol = "NONE"; /* JoinGroup's answer names it */
    while (strcmp(protocol, "NONE") == 0 && wr_mono_ms() < until) {
        protocol = rd_kafka_rebalance_protocol(consumer->rk);
        assert_non_null(protocol);
    }
    assert_string_equal(protocol, "COOPERATIVE");
    return consumer;
}

/* The mock cluster takes 3 of the 5 s that closing waits; a machine that stands
 * still for longer gets another try. */
static void a_half_joined_member_ends_when_it_is_assigned(void **state)
{
    static struct wr_consumer *kept[3];
    (void)state;
    bool ended = false;
    for (size_t i = 0; i < 3 && !ended; i++) {
        kept[i] = join_by_half("4000");
        ended = wr_consumer_close(kept[i]);
        if (ended) {
            wr_consumer_free(kept[i]);
        }
        assert_int_equal(given, 0); /* who ends takes nothing on */
    }
    assert_true(ended);
}

/* The client stays until the process ends: a leak, but no abort. */
static void a_half_joined_member_that_nobody_assigns_is_kept(void **state)
{
    static struct wr_consumer *kept;
    (void)state;
    kept = join_by_half("30000");
    bool may_go = rd_kafka_version() >= 0x02030000;
    assert_int_equal(wr_consumer_close(kept), may_go);
    if (may_go) {
        wr_consumer_free(kept);
    }
    assert_int_equal(given, 0);
}

/* An assignment that nobody has looked at yet, and the revocation that closing
 * adds, are two events; librdkafka throws an answer to the second one away. */
static void closing_ends_with_an_assignment_on_its_way(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        int64_t until = wr_mono_ms() + WAIT_MS;
        struct wr_consumer *consumer = join("me", "6000");
        while (rd_kafka_queue_length(consumer->queue) == 0 &&
               wr_mono_ms() < until) {
            (void)poll(NULL, 0, 1);
        }
        assert_true(rd_kafka_queue_length(consumer->queue) > 0);
        consumer->assigned = true; /* as after an earlier assignment */
        assert_true(wr_consumer_close(consumer));
        assert_true(rd_kafka_consumer_closed(consumer->rk));
        wr_consumer_free(consumer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_poll_after_a_rebalance_does_not_wait),
        T(a_member_fenced_within_its_session_has_met_another),
        T(a_member_fenced_after_its_session_joins_anew),
        T(a_static_member_can_leave),
        T(a_half_joined_member_ends_when_it_is_assigned),
        T(a_half_joined_member_that_nobody_assigns_is_kept),
        T(closing_ends_with_an_assignment_on_its_way)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
