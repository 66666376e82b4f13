// SPDX-License-Identifier: Apache-2.0
// What an application in JavaScript does with a broker, through kafkajs. Run by tests/interop/clients.
//
// usage: tour.js BOOTSTRAP
'use strict';
const assert = require('node:assert');
const { Kafka, CompressionTypes, ConfigResourceTypes, PartitionAssigners, logLevel } = require('kafkajs');

const kafka = new Kafka({ brokers: [process.argv[2]], logLevel: logLevel.NOTHING, retry: { retries: 3 } });
const timeoutMs = 20000;

async function waitUntil(what, done) {
    const deadline = Date.now() + timeoutMs;
    while (!done()) {
        assert(Date.now() < deadline, `waited in vain: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
}

async function withAdmin(use) {
    const admin = kafka.admin();
    await admin.connect();
    try {
        return await use(admin);
    } finally {
        await admin.disconnect();
    }
}

async function make(topic, numPartitions = 1) {
    await withAdmin((admin) => admin.createTopics({ topics: [{ topic, numPartitions }] }));
    return topic;
}

async function produce(options, messages) {
    const producer = kafka.producer({ idempotent: options.acks === -1 });
    await producer.connect();
    await producer.send({ ...options, messages });
    await producer.disconnect();
}

// A member of a group; `records` fills as they come, `owned` says how many partitions it has.
async function join(groupId, topic, options = {}) {
    const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100, heartbeatInterval: 200, sessionTimeout: 6000, ...options });
    const member = { consumer, owned: 0, records: [] };
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
        member.owned = Object.values(payload.memberAssignment).flat().length;
    });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({ eachMessage: async ({ message }) => { member.records.push(message); } });
    return member;
}

async function read(topic, count, options) {
    const member = await join(`reader-${topic}-${Math.random()}`, topic, options);
    await waitUntil(`${count} records of ${topic}`, () => member.records.length >= count);
    await member.consumer.disconnect();
    assert.equal(member.records.length, count);
    return member.records;
}

async function recordsOfAllKinds() {
    for (const compression of [CompressionTypes.None, CompressionTypes.GZIP]) {
        for (const acks of [0, 1, -1]) {
            const topic = await make(`kinds-${compression}-${acks}`);
            const messages = Array.from({ length: 100 }, (_, i) => ({ key: `k${i}`, value: i % 7 ? `v${i}` : null, headers: { n: `${i}` } }));
            await produce({ topic, acks, compression }, messages);
            (await read(topic, 100)).forEach((m, i) => {
                assert.equal(m.key.toString(), `k${i}`);
                assert.equal(m.value && m.value.toString(), i % 7 ? `v${i}` : null);
                assert.equal(m.headers.n.toString(), `${i}`);
            });
        }
    }
}

async function transactions() {
    const topic = await make('js-transactions');
    const options = { transactionalId: 'js', maxInFlightRequests: 1, idempotent: true };
    const producer = kafka.producer(options);
    await producer.connect();
    for (let t = 0; t < 4; t++) {
        const transaction = await producer.transaction();
        await transaction.send({ topic, messages: Array(10).fill({ value: `${t}` }) });
        await transaction.sendOffsets({ consumerGroupId: 'js', topics: [{ topic, partitions: [{ partition: 0, offset: `${t}` }] }] });
        await (t % 2 ? transaction.abort() : transaction.commit());
    }
    const values = (await read(topic, 20)).map((m) => m.value.toString());
    assert.deepEqual(values, [...Array(10).fill('0'), ...Array(10).fill('2')]);
    await read(topic, 40, { readUncommitted: true });
    const [{ partitions }] = await withAdmin((admin) => admin.fetchOffsets({ groupId: 'js', topics: [topic] }));
    assert.equal(partitions[0].offset, '2');
    const second = kafka.producer(options);
    await second.connect();
    await (await second.transaction()).abort();
    await assert.rejects(async () => {
        const transaction = await producer.transaction();
        await transaction.send({ topic, messages: [{ value: 'zombie' }] });
        await transaction.commit();
    }, /old epoch|newer producer/);
    await second.disconnect();
    await producer.disconnect();
}

async function groups() {
    const topic = await make('js-group', 6);
    const options = { partitionAssigners: [PartitionAssigners.roundRobin] };
    const first = await join('js-group', topic, options);
    await waitUntil('6 partitions of one member', () => first.owned === 6);
    const second = await join('js-group', topic, options);
    await waitUntil('3 partitions of each of two', () => first.owned === 3 && second.owned === 3);
    await first.consumer.disconnect();
    await waitUntil('6 partitions of the other', () => second.owned === 6);
    const { groups: [group] } = await withAdmin((admin) => admin.describeGroups(['js-group']));
    assert.equal(group.state, 'Stable');
    assert.equal(group.members.length, 1);
    await second.consumer.disconnect();
}

async function administration() {
    const topic = await make('js-admin', 2);
    await produce({ topic, acks: -1 }, [{ value: '1', partition: 0 }, { value: '2', partition: 0 }]);
    await withAdmin(async (admin) => {
        assert.equal(await admin.createTopics({ topics: [{ topic }] }), false);
        await assert.rejects(admin.createTopics({ topics: [{ topic: 'not/valid' }] }));
        await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
        assert.equal((await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length, 3);
        await admin.alterConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: 'retention.ms', value: '99999999' }] }] });
        const { resources: [{ configEntries }] } = await admin.describeConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }] });
        const value = (name) => configEntries.find((c) => c.configName === name).configValue;
        assert.equal(value('retention.ms'), '99999999');
        assert.equal(Number(value('segment.bytes')), 1 << 30);
        await admin.setOffsets({ groupId: 'js-admin', topic, partitions: [{ partition: 0, offset: '1' }] });
        await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '1' }] });
        const ends = (await admin.fetchTopicOffsets(topic)).find((p) => p.partition === 0);
        assert.deepEqual([ends.low, ends.high], ['1', '2']);
        await admin.deleteGroups(['js-admin']);
        await admin.deleteTopics({ topics: [topic] });
        assert(!(await admin.listTopics()).includes(topic));
    });
}

(async () => {
    for (const scene of [recordsOfAllKinds, transactions, groups, administration]) {
        const began = Date.now();
        await scene();
        console.log(`${scene.name}: ${Date.now() - began} ms`);
    }
})().then(() => process.exit(0), (error) => {
    console.error(error);
    process.exit(1);
});
