"""librdkafka, for `milena-systest foreign`: authenticates, and speaks TLS.

`librdkafka_security.py BOOTSTRAP USER PASSWORD [AUTHORITY]` prints a line for each check that held, and ends with the first that did not.
"""

import sys
import time

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
PATIENCE = 30


def settings(mechanism, password):
    bootstrap, user = sys.argv[1:3]
    authority = sys.argv[4:]
    found = {
        "bootstrap.servers": bootstrap,
        "security.protocol": "SASL_SSL" if authority else "SASL_PLAINTEXT",
        "sasl.mechanism": mechanism,
        "sasl.username": user,
        "sasl.password": password,
        "log_level": 0,
    }
    if authority:
        found["ssl.ca.location"] = authority[0]
    return found


def right(mechanism):
    """A record goes in and comes out."""
    common = settings(mechanism, sys.argv[3])
    topic = f"secure-{mechanism.lower()}-{time.time_ns()}"
    admin = AdminClient(common)
    admin.create_topics([NewTopic(topic, 1)])[topic].result(PATIENCE)
    producer = Producer({**common, "enable.idempotence": True})
    producer.produce(topic, b"secret")
    assert producer.flush(PATIENCE) == 0, "the record is still there"
    consumer = Consumer({**common, "group.id": topic})
    consumer.assign([TopicPartition(topic, 0, 0)])
    message = consumer.poll(PATIENCE)
    consumer.close()
    assert message is not None and message.value() == b"secret", message


def wrong(mechanism):
    """Another password is refused, and the client is told that this is why."""
    errors = []
    client = Producer({**settings(mechanism, "wrong"), "error_cb": errors.append})
    deadline = time.monotonic() + PATIENCE
    while not any(error.code() == KafkaError._AUTHENTICATION for error in errors):
        assert time.monotonic() < deadline, f"no refusal: {errors}"
        client.poll(0.1)


for mechanism in MECHANISMS:
    begun = time.monotonic()
    right(mechanism)
    wrong(mechanism)
    protocol = "TLS" if sys.argv[4:] else "plain text"
    print(f"{mechanism} over {protocol}\t{time.monotonic() - begun:.1f}\ta record in and out, another password refused", flush=True)
