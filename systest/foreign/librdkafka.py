"""librdkafka, for `milena-systest foreign`: produces, consumes in groups and runs transactions on the cluster it is given.

`librdkafka.py BOOTSTRAP` prints a line for each check that held, and ends with the first that did not.
"""

import sys
import time
import traceback
import uuid

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

PATIENCE = 30


def until(what, holds):
    """Waits until `holds` is true, for half a minute."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} took longer than {PATIENCE} s")


class World:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.admin = AdminClient({"bootstrap.servers": bootstrap})

    def name(self, kind):
        return f"rdkafka-{kind}-{uuid.uuid4().hex[:8]}"

    def topic(self, partitions, **config):
        name = self.name("topic")
        made = self.admin.create_topics([NewTopic(name, partitions, config=config)])
        made[name].result(PATIENCE)
        return name

    def producer(self, **settings):
        return Producer({"bootstrap.servers": self.bootstrap, "enable.idempotence": True, "linger.ms": 5, **settings})

    def consumer(self, group, **settings):
        return Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                **settings,
            }
        )

    def read(self, topic, partitions, count, **settings):
        """So many values of a topic, and nothing behind them."""
        consumer = self.consumer(self.name("reader"), **settings)
        consumer.assign([TopicPartition(topic, index, OFFSET_BEGINNING) for index in range(partitions)])
        values = []

        def enough():
            values.extend(message.value() for message in checked(consumer.consume(1000, 0.2)))
            return len(values) >= count

        until(f"reading {count} records of {topic}", enough)
        values.extend(message.value() for message in checked(consumer.consume(100, 0.5)))
        consumer.close()
        assert len(values) == count, f"{len(values)} records instead of {count}"
        return values


def checked(messages):
    for message in messages:
        if message.error():
            raise KafkaException(message.error())
    return messages


def numbers(start, end):
    return [b"%06d" % number for number in range(start, end)]


def send(producer, topic, values):
    failures = []

    def reported(error, _message):
        if error:
            failures.append(error)

    for value in values:
        producer.produce(topic, value, key=value, on_delivery=reported)
        producer.poll(0)
    left = producer.flush(PATIENCE)
    assert not failures and left == 0, f"{left} left, {failures[:3]}"


def idempotent_produce(world):
    topic = world.topic(4)
    wanted = numbers(0, 3000)
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        send(world.producer(**{"compression.type": codec}), topic, [codec.encode() + value for value in wanted[:600]])
    read = world.read(topic, 4, 3000)
    assert len(set(read)) == 3000
    return "3,000 records in five codecs, each once"


def group(world, protocol, strategy):
    topic = world.topic(6)
    name = world.name("group")
    settings = {"group.protocol": protocol}
    if protocol == "classic":
        settings |= {"partition.assignment.strategy": strategy, "session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
    members = [world.consumer(name, **settings) for _ in range(2)]
    seen = []

    def poll():
        for member in members:
            seen.extend(message.value() for message in checked(member.consume(500, 0.1)))

    def owned():
        poll()
        return [len(member.assignment()) for member in members]

    members[0].subscribe([topic])
    until("the first member", lambda: owned()[0] == 6)
    members[1].subscribe([topic])
    until("the rebalance", lambda: owned() == [3, 3])
    send(world.producer(), topic, numbers(0, 1000))
    until("reading", lambda: (poll(), len(seen) >= 1000)[1])
    for member in members:
        member.commit(asynchronous=False)
    members.pop().close()
    until("the second rebalance", lambda: owned() == [6])
    assert sorted(seen) == numbers(0, 1000), f"{len(seen)} records"
    committed = members[0].committed([TopicPartition(topic, index) for index in range(6)], PATIENCE)
    assert sum(max(position.offset, 0) for position in committed) == 1000
    members.pop().close()
    return f"1,000 records by two members, then one ({protocol}, {strategy})"


def transactions(world):
    topic = world.topic(3)
    producer = world.producer(**{"transactional.id": world.name("id")})
    producer.init_transactions(PATIENCE)
    for round_ in range(20):
        producer.begin_transaction()
        for value in numbers(round_ * 50, round_ * 50 + 50):
            producer.produce(topic, value, key=value)
        if round_ % 3 == 2:
            producer.flush(PATIENCE)
            producer.abort_transaction(PATIENCE)
        else:
            producer.commit_transaction(PATIENCE)
    committed = world.read(topic, 3, 700, **{"isolation.level": "read_committed"})
    everything = world.read(topic, 3, 1000, **{"isolation.level": "read_uncommitted"})
    wanted = [value for round_ in range(20) if round_ % 3 != 2 for value in numbers(round_ * 50, round_ * 50 + 50)]
    assert sorted(committed) == wanted and len(set(everything)) == 1000
    return "14 transactions committed and 6 aborted, as read"


def fencing(world):
    topic = world.topic(1)
    identity = world.name("id")
    old, new = (world.producer(**{"transactional.id": identity}) for _ in range(2))
    old.init_transactions(PATIENCE)
    old.begin_transaction()
    old.produce(topic, b"old")
    old.flush(PATIENCE)
    new.init_transactions(PATIENCE)
    try:
        old.commit_transaction(PATIENCE)
        raise AssertionError("a fenced producer has committed")
    except KafkaException as raised:
        assert raised.args[0].fatal() or raised.args[0].txn_requires_abort(), raised
    new.begin_transaction()
    new.produce(topic, b"new")
    new.commit_transaction(PATIENCE)
    assert world.read(topic, 1, 1, **{"isolation.level": "read_committed"}) == [b"new"]
    return "the older instance is refused, and nothing of it is read"


def consume_transform_produce(world):
    source, target = world.topic(2), world.topic(2)
    name = world.name("group")
    send(world.producer(), source, numbers(0, 600))
    consumer = world.consumer(name, **{"isolation.level": "read_committed"})
    consumer.subscribe([source])
    producer = world.producer(**{"transactional.id": world.name("id")})
    producer.init_transactions(PATIENCE)
    done, attempts = 0, 0
    deadline = time.monotonic() + PATIENCE
    while done < 600 and time.monotonic() < deadline:
        messages = checked(consumer.consume(100, 0.5))
        if not messages:
            continue
        before = consumer.committed(consumer.assignment(), PATIENCE)
        producer.begin_transaction()
        for message in messages:
            producer.produce(target, message.value(), key=message.key())
        producer.send_offsets_to_transaction(
            consumer.position(consumer.assignment()), consumer.consumer_group_metadata(), PATIENCE
        )
        attempts += 1
        if attempts % 3 == 0:
            producer.abort_transaction(PATIENCE)
            for position in before:
                position.offset = max(position.offset, 0)
                consumer.seek(position)
        else:
            producer.commit_transaction(PATIENCE)
            done += len(messages)
    copied = world.read(target, 2, 600, **{"isolation.level": "read_committed"})
    assert sorted(copied) == numbers(0, 600)
    consumer.close()
    return f"600 records copied exactly once in {attempts} transactions, every third aborted"


def admin(world):
    client = world.admin
    topic = world.topic(2, **{"retention.ms": "60000"})
    metadata = client.list_topics(topic, PATIENCE)
    assert len(metadata.topics[topic].partitions) == 2 and metadata.brokers
    client.create_partitions([NewPartitions(topic, 5)])[topic].result(PATIENCE)
    until("new partitions", lambda: len(client.list_topics(topic, PATIENCE).topics[topic].partitions) == 5)
    described = client.describe_topics(TopicCollection([topic]))[topic].result(PATIENCE)
    assert len(described.partitions) == 5 and described.topic_id
    resource = ConfigResource(
        ResourceType.TOPIC,
        topic,
        incremental_configs=[ConfigEntry("max.message.bytes", "2000", incremental_operation=AlterConfigOpType.SET)],
    )
    client.incremental_alter_configs([resource])[resource].result(PATIENCE)
    asked = ConfigResource(ResourceType.TOPIC, topic)

    def settings():
        configs = client.describe_configs([asked])[asked].result(PATIENCE)
        return configs["max.message.bytes"].value, configs["retention.ms"].value

    until("new settings", lambda: settings() == ("2000", "60000"))
    producer = world.producer(**{"message.max.bytes": 1_000_000})
    errors = []
    producer.produce(topic, b"x" * 5000, on_delivery=lambda error, _message: errors.append(error))
    producer.flush(PATIENCE)
    assert errors and errors[0].code() == KafkaError.MSG_SIZE_TOO_LARGE, errors
    send(world.producer(), topic, numbers(0, 100))
    partitions = [TopicPartition(topic, index) for index in range(5)]
    latest = client.list_offsets(
        {partition: OffsetSpec.latest() for partition in partitions}, isolation_level=IsolationLevel.READ_UNCOMMITTED
    )
    assert sum(future.result(PATIENCE).offset for future in latest.values()) == 100
    ends = {partition.partition: future.result(PATIENCE).offset for partition, future in latest.items()}
    below = [TopicPartition(topic, index, ends[index]) for index in range(5)]
    for future in client.delete_records(below).values():
        assert future.result(PATIENCE).low_watermark >= 0
    world.read(topic, 5, 0)
    cluster = client.describe_cluster().result(PATIENCE)
    assert cluster.cluster_id and cluster.nodes and cluster.controller
    client.delete_topics([topic])[topic].result(PATIENCE)
    return "topics, partitions, configs, offsets and records, made, changed and removed"


def group_admin(world):
    client = world.admin
    topic, name = world.topic(1), world.name("group")
    send(world.producer(), topic, numbers(0, 10))
    consumer = world.consumer(name)
    consumer.subscribe([topic])
    until("an assignment", lambda: (checked(consumer.consume(100, 0.2)), consumer.assignment())[1])
    consumer.commit(offsets=[TopicPartition(topic, 0, 7)], asynchronous=False)
    described = client.describe_consumer_groups([name])[name].result(PATIENCE)
    assert len(described.members) == 1 and described.state.name == "STABLE", described.state
    assert name in [group.group_id for group in client.list_consumer_groups().result(PATIENCE).valid]
    consumer.close()
    asked = ConsumerGroupTopicPartitions(name, [TopicPartition(topic, 0)])
    offsets = client.list_consumer_group_offsets([asked])[name].result(PATIENCE)
    assert offsets.topic_partitions[0].offset == 7
    changed = ConsumerGroupTopicPartitions(name, [TopicPartition(topic, 0, 3)])
    client.alter_consumer_group_offsets([changed])[name].result(PATIENCE)
    offsets = client.list_consumer_group_offsets([asked])[name].result(PATIENCE)
    assert offsets.topic_partitions[0].offset == 3
    client.delete_consumer_groups([name])[name].result(PATIENCE)
    assert name not in [group.group_id for group in client.list_consumer_groups().result(PATIENCE).valid]
    return "a group described, listed, its offsets changed, and deleted"


def main():
    world = World(sys.argv[1])
    modern = len(sys.argv) < 3 or sys.argv[2] != "classic-only"
    checks = [
        ("idempotent produce", lambda: idempotent_produce(world)),
        ("group, range", lambda: group(world, "classic", "range")),
        ("group, cooperative", lambda: group(world, "classic", "cooperative-sticky")),
        ("transactions", lambda: transactions(world)),
        ("fencing", lambda: fencing(world)),
        ("consume, transform, produce", lambda: consume_transform_produce(world)),
        ("admin", lambda: admin(world)),
        ("group admin", lambda: group_admin(world)),
    ]
    if modern:
        checks.insert(3, ("group, KIP-848", lambda: group(world, "consumer", "uniform")))
    wanted = sys.argv[3:]
    for name, check in checks:
        if wanted and name not in wanted:
            continue
        begun = time.monotonic()
        try:
            said = check()
        except Exception as raised:  # noqa: BLE001: whatever it is, it is this check's
            line = traceback.extract_tb(raised.__traceback__)[-1]
            print(f"{name}: {type(raised).__name__} {raised} at {line.name}: {line.line}", file=sys.stderr)
            sys.exit(1)
        print(f"{name}\t{time.monotonic() - begun:.1f}\t{said}", flush=True)


main()
