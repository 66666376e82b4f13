# SPDX-License-Identifier: Apache-2.0
"""What an application in Python does with a broker, through kafka-python. Run by tests/interop/clients.

usage: tour.py everything BOOTSTRAP             every scene below, each with topics of its own
       tour.py steady BOOTSTRAP TOPIC COUNT     sends COUNT numbers, idempotently, "half" is said half-way; then reads
                                                them: each must be there once and in order, whatever became of the broker
"""
import sys
import threading
import time

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition, errors
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.structs import OffsetAndMetadata

BOOTSTRAP = sys.argv[2]
TIMEOUT_S = 20


def wait_until(what, done):
    deadline = time.monotonic() + TIMEOUT_S
    while not done():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)


def make(topic, partitions=1, **configs):
    admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1, "configs": configs}})
    admin.close()
    return topic


def producer(**options):
    return KafkaProducer(bootstrap_servers=BOOTSTRAP, **options)


def consumer(*topics, **options):
    options.setdefault("auto_offset_reset", "earliest")
    options.setdefault("group_id", None)
    return KafkaConsumer(*topics, bootstrap_servers=BOOTSTRAP, **options)


def read(topic, isolation="read_committed"):
    """Everything between the beginning and the end that the topic's partition 0 has now."""
    at = TopicPartition(topic, 0)
    c = consumer(isolation_level=isolation)
    c.assign([at])
    c.seek_to_beginning(at)
    end = c.end_offsets([at])[at]
    records = []
    deadline = time.monotonic() + TIMEOUT_S
    while c.position(at) < end:
        assert time.monotonic() < deadline, f"{topic}: position {c.position(at)} of {end}"
        for some in c.poll(timeout_ms=500).values():
            records += some
    c.close()
    return records


def refused(error, call):
    try:
        call()
    except error as e:
        return e
    raise AssertionError(f"{error.__name__} was expected")


def codecs_and_acks():
    for codec in None, "gzip", "snappy", "lz4", "zstd":
        for acks in 0, 1, "all":
            topic = make(f"codec-{codec}-{acks}")
            p = producer(compression_type=codec, acks=acks, enable_idempotence=acks == "all", linger_ms=5)
            for i in range(100):
                p.send(topic, key=b"k%d" % i, value=None if i % 7 == 0 else b"value %d" % i * 9, headers=[("n", b"%d" % i)])
            p.flush()
            p.close()
            if acks == 0:
                at = TopicPartition(topic, 0)
                c = consumer()
                wait_until(f"100 records of {topic}", lambda: c.end_offsets([at])[at] == 100)
                c.close()
            for i, r in enumerate(read(topic)):
                assert (r.offset, r.key) == (i, b"k%d" % i), r
                assert r.value == (None if i % 7 == 0 else b"value %d" % i * 9), r
                assert [tuple(h) for h in r.headers] == [("n", b"%d" % i)], r
            assert i == 99


def times_and_positions():
    topic = make("times")
    begin = int(time.time() * 1000) - 100000
    p = producer()
    for i in range(500):
        p.send(topic, value=b"%d" % i, timestamp_ms=begin + i * 100)
    p.close()
    at = TopicPartition(topic, 0)
    c = consumer(auto_offset_reset="none", group_id="times")
    c.assign([at])
    refused(errors.NoOffsetForPartitionError, lambda: [c.poll(timeout_ms=500) for _ in range(20)])
    found = c.offsets_for_times({at: begin + 12345})[at]
    assert (found.offset, found.timestamp) == (124, begin + 12400), found
    assert c.offsets_for_times({at: begin + 10**7})[at] is None
    assert c.beginning_offsets([at]) == {at: 0} and c.end_offsets([at]) == {at: 500}
    c.seek(at, 124)
    assert c.poll(timeout_ms=5000)[at][0].value == b"124"
    c.close()


def large_records():
    topic = make("large")
    p = producer(max_request_size=9000000)
    p.send(topic, value=b"x" * 1000000).get(TIMEOUT_S)
    refused(errors.MessageSizeTooLargeError, lambda: p.send(topic, value=b"x" * 3000000).get(TIMEOUT_S))
    p.close()
    assert [len(r.value) for r in read(topic)] == [1000000]


def transactions():
    topic = make("transactions")
    p = producer(transactional_id="one")
    p.init_transactions()
    for t in range(6):
        p.begin_transaction()
        for i in range(10):
            p.send(topic, value=b"%d" % t)
        p.flush()
        if t % 2:
            p.abort_transaction()
        else:
            p.commit_transaction()
    assert [int(r.value) for r in read(topic)] == [t for t in (0, 2, 4) for _ in range(10)]
    assert len(read(topic, "read_uncommitted")) == 60
    second = producer(transactional_id="one")
    second.init_transactions()
    p.begin_transaction()
    p.send(topic, value=b"zombie")
    fenced = refused(errors.KafkaError, p.commit_transaction)
    assert "ProducerFenced" in repr(fenced), fenced
    second.begin_transaction()
    second.send(topic, value=b"9")
    second.commit_transaction()
    second.close()
    assert [int(r.value) for r in read(topic)][30:] == [9]


def consume_transform_produce():
    source, sink = make("source"), make("sink")
    p = producer()
    for i in range(100):
        p.send(source, value=b"%d" % i)
    p.close()
    at = TopicPartition(source, 0)
    c = consumer(source, group_id="transform", enable_auto_commit=False)
    p = producer(transactional_id="transform")
    p.init_transactions()
    done, tries, deadline = 0, 0, time.monotonic() + TIMEOUT_S
    while done < 100:
        assert time.monotonic() < deadline, f"{done} of 100"
        some = c.poll(timeout_ms=TIMEOUT_S * 1000, max_records=20)[at]
        tries += 1
        p.begin_transaction()
        for r in some:
            p.send(sink, value=r.value)
        p.flush()
        p.send_offsets_to_transaction({at: OffsetAndMetadata(some[-1].offset + 1, "", -1)}, c.group_metadata())
        if tries == 2:
            p.abort_transaction()
            c.seek(at, some[0].offset)
        else:
            p.commit_transaction()
            done += len(some)
    assert c.committed(at) == 100
    c.close()
    p.close()
    assert [int(r.value) for r in read(sink)] == list(range(100))


class Member(threading.Thread, ConsumerRebalanceListener):
    """A consumer in a group. It polls without an end, which records interrupt: where the end of a poll falls into a
    rebalance, kafka-python 3.0 forgets what it was assigned."""

    def __init__(self, topic, group, **options):
        super().__init__(daemon=True)
        self.topic, self.group, self.options = topic, group, options
        self.owned, self.seen, self.leave, self.error = set(), set(), threading.Event(), None
        self.start()

    def on_partitions_assigned(self, assigned):
        self.owned |= assigned

    def on_partitions_revoked(self, revoked):
        self.owned -= revoked

    def run(self):
        c = consumer(group_id=self.group, heartbeat_interval_ms=200, session_timeout_ms=6000, **self.options)
        c.subscribe([self.topic], listener=self)
        try:
            while not self.leave.is_set():
                for at, some in c.poll(timeout_ms=10 * TIMEOUT_S * 1000).items():
                    self.seen |= {(at.partition, r.offset) for r in some}
        except errors.KafkaError as e:
            self.error = e
        c.close()


def send(topic, count, partitions):
    p = producer()
    for i in range(count):
        p.send(topic, value=b"x", partition=i % partitions)
    p.close()


def end(topic, partitions, member):
    member.leave.set()
    send(topic, partitions, partitions)
    member.join(TIMEOUT_S)
    assert not member.is_alive() and not member.error, member.error


def groups():
    for assignor in RangePartitionAssignor, RoundRobinPartitionAssignor, CooperativeStickyAssignor:
        topic = make(f"group-{assignor.name}", 6)
        send(topic, 300, 6)
        first = Member(topic, topic, partition_assignment_strategy=[assignor])
        wait_until("6 partitions of one member", lambda: len(first.owned) == 6)
        second = Member(topic, topic, partition_assignment_strategy=[assignor])
        wait_until("3 partitions of each of two", lambda: (len(first.owned), len(second.owned)) == (3, 3))
        wait_until("300 records", lambda: len(first.seen | second.seen) == 300)
        end(topic, 6, first)
        wait_until("6 partitions of the other", lambda: len(second.owned) == 6)
        end(topic, 6, second)
        c = consumer(group_id=topic)
        committed = sum(c.committed(TopicPartition(topic, i)) for i in range(6))
        assert 300 <= committed <= 312, committed
        c.close()


def static_member():
    topic = make("static", 2)
    first = Member(topic, topic, group_instance_id="one")
    wait_until("partitions", lambda: len(first.owned) == 2)
    second = Member(topic, topic, group_instance_id="one")
    wait_until("partitions again", lambda: len(second.owned) == 2)
    wait_until("the first is fenced", lambda: isinstance(first.error, errors.FencedInstanceIdError))
    end(topic, 2, second)


def steady():
    topic, count = sys.argv[3], int(sys.argv[4])
    make(topic)
    p = producer(enable_idempotence=True, acks="all")
    sent = []
    for i in range(count):
        sent.append(p.send(topic, value=b"%d" % i))
        if i == count // 2:
            print("half", flush=True)
        time.sleep(0.001)
    for i, one in enumerate(sent):
        assert one.get(60).offset == i, (i, one.get(0))
    p.close()
    assert [int(r.value) for r in read(topic)] == list(range(count))


def everything():
    for scene in (codecs_and_acks, times_and_positions, large_records, transactions, consume_transform_produce, groups,
                  static_member):
        began = time.monotonic()
        scene()
        print(f"{scene.__name__}: {time.monotonic() - began:.1f} s", flush=True)


{"everything": everything, "steady": steady}[sys.argv[1]]()
