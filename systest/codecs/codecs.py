"""librdkafka, for `milena-systest codecs`: writes the records of standard input, or reads a topic to standard output.

A record is a line: partition, key, value and headers, parted by tabs, in hexadecimal; "-" is null.
"""

import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition


def to_bytes(field):
    return None if field == "-" else bytes.fromhex(field)


def to_hex(value):
    return "-" if value is None else value.hex()


def settings(bootstrap, codec_and_level):
    """Each case is `codec` or `codec:level`."""
    codec, _, level = codec_and_level.partition(":")
    chosen = {
        "bootstrap.servers": bootstrap,
        "linger.ms": 50,
        "batch.size": 500_000,
        "compression.type": codec,
    }
    if level:
        chosen["compression.level"] = int(level)
    return chosen


def write(bootstrap, topic, cases):
    """Each case is written by a producer of its own, to the partition of its place in the list."""
    partitions = [[] for _ in cases]
    for line in sys.stdin:
        partition, key, value, headers = line.rstrip("\n").split("\t")
        parted = (header.split("=") for header in headers.split(";") if header)
        named = [(bytes.fromhex(name).decode(), to_bytes(of)) for name, of in parted]
        record = (to_bytes(key), to_bytes(value), named)
        partitions[int(partition)].append(record)
    failures = []

    def settled(error, _):
        if error is not None:
            failures.append(str(error))

    for partition, (case, records) in enumerate(zip(cases, partitions)):
        producer = Producer(settings(bootstrap, case))
        for key, value, headers in records:
            producer.produce(
                topic, key=key, value=value, partition=partition, headers=headers, on_delivery=settled
            )
        if producer.flush(30) > 0 or failures:
            sys.exit(f"{case}: {failures[:1] or 'not acknowledged'}")


def read(bootstrap, topic, partitions, count):
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "codecs", "enable.auto.commit": False}
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    deadline = time.monotonic() + 30
    seen = 0
    while seen < count and time.monotonic() < deadline:
        for message in consumer.consume(1_000, timeout=0.5):
            if message.error():
                sys.exit(str(message.error()))
            headers = ";".join(
                name.encode().hex() + "=" + to_hex(value) for name, value in message.headers() or []
            )
            fields = [str(message.partition()), to_hex(message.key()), to_hex(message.value()), headers]
            print("\t".join(fields))
            seen += 1
    consumer.close()


def main():
    command, bootstrap, topic, *rest = sys.argv[1:]
    if command == "write":
        write(bootstrap, topic, rest[0].split(","))
    else:
        read(bootstrap, topic, int(rest[0]), int(rest[1]))


main()
