/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/broker/wire.h"

#include "base/clock.h"
#include "tests/harness/weir_test.h"

void wire_topic(struct test_client *c, const char *name, int partitions)
{
    struct wr_create_topics_response r;
    struct wr_create_topics_request_topic t = {.name = weir_text(name),
                                               .num_partitions = partitions,
                                               .replication_factor = 1};
    WIRE_INIT(create_topics, q);
    q.topics = &t;
    q.topics_count = 1;
    test_client_call(c, WR_API_CREATE_TOPICS, 5, &q, &r);
    assert_int_equal(r.topics[0].error_code, 0);
}

void wire_delete_topic(struct test_client *c, const char *name)
{
    struct wr_delete_topics_response r;
    struct weir_bytes names[] = {weir_text(name)};
    WIRE_INIT(delete_topics, q);
    q.topic_names = names;
    q.topic_names_count = 1;
    test_client_call(c, WR_API_DELETE_TOPICS, 4, &q, &r);
    assert_int_equal(r.topics[0].error_code, 0);
}

struct wr_produce_response_partition wire_produce(struct test_client *c,
                                                  const struct wire_produce *p)
{
    struct wr_batch_options options = {
        .producer_id = p->producer_id,
        .producer_epoch = p->producer_epoch,
        .base_sequence = p->sequence,
        .attributes = p->transactional ? WR_BATCH_TRANSACTIONAL : 0};
    struct wr_batch_builder builder;
    struct wr_buf batch;
    wr_buf_init(&batch, 1 << 24);
    wr_batch_begin(&builder, &batch, &options);
    for (int i = 0; i < p->records; i++) {
        int64_t at_ms = p->timestamp_ms ? p->timestamp_ms : wr_wall_ms();
        wr_batch_add(&builder, at_ms, i < p->keyed ? weir_text("k") : WEIR_NULL,
                     weir_text("0123456789"));
    }
    assert_int_equal(wr_batch_end(&builder), WEIR_OK);
    if (p->damage_at > 0) {
        batch.data[p->damage_at] ^= 1;
    }
    struct wr_produce_request_partition at = {.index = p->partition,
                                              .records = wr_buf_view(&batch)};
    struct wr_produce_request_topic t = {
        .name = weir_text(p->topic), .partitions = &at, .partitions_count = 1};
    WIRE_INIT(produce, q);
    q.acks = p->acks;
    q.transactional_id = weir_text(p->txn_id);
    q.topics = &t;
    q.topics_count = 1;
    struct wr_produce_response_partition answer = {0};
    int32_t id = test_client_send(c, WR_API_PRODUCE, p->version, &q);
    if (p->acks != 0) {
        struct wr_produce_response r;
        test_client_receive(c, WR_API_PRODUCE, p->version, id, &r);
        assert_int_equal(r.topics_count, 1);
        assert_int_equal(r.topics[0].partitions_count, 1);
        answer = r.topics[0].partitions[0];
    }
    wr_buf_done(&batch);
    return answer;
}

int32_t wire_fetch_send(struct test_client *c, const struct wire_fetch *f)
{
    struct wr_fetch_request_partition at = {
        .index = f->partition,
        .current_leader_epoch = f->leader_epoch,
        .fetch_offset = f->offset,
        .last_fetched_epoch = -1,
        .log_start_offset = -1,
        .partition_max_bytes = f->partition_max_bytes,
        .high_watermark = INT64_MAX};
    struct wr_fetch_request_topic t = {
        .name = weir_text(f->topic), .partitions = &at, .partitions_count = 1};
    WIRE_INIT(fetch, q);
    q.replica_id = -1;
    q.max_wait_ms = f->max_wait_ms;
    q.min_bytes = f->min_bytes;
    q.max_bytes = f->max_bytes;
    q.isolation_level = f->isolation;
    q.session_id = f->session_id;
    q.session_epoch = f->session_epoch;
    q.topics = &t;
    q.topics_count = 1;
    return test_client_send(c, WR_API_FETCH, f->version, &q);
}

struct wr_fetch_response_partition
wire_fetched(struct test_client *c, const struct wire_fetch *f, int32_t id)
{
    struct wr_fetch_response r;
    test_client_receive(c, WR_API_FETCH, f->version, id, &r);
    if (r.error_code != 0) {
        return (struct wr_fetch_response_partition){.error_code = r.error_code};
    }
    assert_int_equal(r.session_id, 0);
    assert_int_equal(r.topics_count, 1);
    assert_int_equal(r.topics[0].partitions_count, 1);
    return r.topics[0].partitions[0];
}

struct wr_fetch_response_partition wire_fetch(struct test_client *c,
                                              const struct wire_fetch *f)
{
    return wire_fetched(c, f, wire_fetch_send(c, f));
}

int wire_records(struct weir_bytes batches)
{
    int count = 0;
    while (batches.len > 0) {
        struct wr_batch batch;
        assert_int_equal(wr_batch_parse(batches, &batch, NULL), WEIR_OK);
        assert_true(wr_batch_crc_ok(batches, &batch));
        count += batch.record_count;
        batches =
            weir_bytes(batches.data + batch.size, batches.len - batch.size);
    }
    return count;
}

int32_t wire_member(struct test_client *c, const char *group,
                    struct weir_bytes *out_id)
{
    static char id[256];
    struct wr_join_group_request_protocol protocol = {weir_text("range"),
                                                      weir_text("")};
    struct wr_join_group_response joined;
    WIRE_INIT(join_group, join);
    join.group_id = weir_text(group);
    join.session_timeout_ms = 10000;
    join.rebalance_timeout_ms = 10000;
    join.member_id = weir_text("");
    join.protocol_type = weir_text("consumer");
    join.protocols = &protocol;
    join.protocols_count = 1;
    test_client_call(c, WR_API_JOIN_GROUP, 3, &join, &joined);
    assert_int_equal(joined.error_code, 0);
    assert_true(joined.member_id.len < sizeof(id));
    memcpy(id, joined.member_id.data, joined.member_id.len);
    *out_id = weir_bytes(id, joined.member_id.len);
    int32_t generation = joined.generation_id;
    struct wr_sync_group_request_assignment own = {*out_id, weir_text("A")};
    struct wr_sync_group_response synced;
    WIRE_INIT(sync_group, sync);
    sync.group_id = weir_text(group);
    sync.generation_id = generation;
    sync.member_id = *out_id;
    sync.assignments = &own;
    sync.assignments_count = 1;
    test_client_call(c, WR_API_SYNC_GROUP, 2, &sync, &synced);
    assert_int_equal(synced.error_code, 0);
    assert_true(wr_bytes_equal_text(synced.assignment, "A"));
    return generation;
}

int16_t wire_init(struct test_client *c, int16_t version, const char *txn_id,
                  struct wr_init_producer_id_response *out)
{
    WIRE_INIT(init_producer_id, q);
    q.transactional_id = weir_text(txn_id);
    q.transaction_timeout_ms = 60000;
    q.producer_id = -1;
    q.producer_epoch = -1;
    test_client_call(c, WR_API_INIT_PRODUCER_ID, version, &q, out);
    return out->error_code;
}

int16_t wire_add(struct test_client *c, int16_t version, const char *txn_id,
                 const struct wr_init_producer_id_response *p,
                 const char *topic, int32_t partition)
{
    struct wr_add_partitions_to_txn_request_topic t = {.name = weir_text(topic),
                                                       .partitions = &partition,
                                                       .partitions_count = 1};
    struct wr_add_partitions_to_txn_response r;
    WIRE_INIT(add_partitions_to_txn, q);
    q.transactional_id = weir_text(txn_id);
    q.producer_id = p->producer_id;
    q.producer_epoch = p->producer_epoch;
    q.topics = &t;
    q.topics_count = 1;
    test_client_call(c, WR_API_ADD_PARTITIONS_TO_TXN, version, &q, &r);
    assert_int_equal(r.topics_count, 1);
    return r.topics[0].partitions[0].error_code;
}

int16_t wire_end(struct test_client *c, int16_t version, const char *txn_id,
                 const struct wr_init_producer_id_response *p, bool commit)
{
    struct wr_end_txn_response r;
    WIRE_INIT(end_txn, q);
    q.transactional_id = weir_text(txn_id);
    q.producer_id = p->producer_id;
    q.producer_epoch = p->producer_epoch;
    q.committed = commit;
    test_client_call(c, WR_API_END_TXN, version, &q, &r);
    return r.error_code;
}
