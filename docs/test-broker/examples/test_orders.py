"""Orders of aborted transactions are not billed: a test in Python, with the client of Confluent."""

import os
import subprocess
import unittest

from confluent_kafka import Consumer, Producer


class Orders(unittest.TestCase):
    def setUp(self):
        milena = os.environ.get("MILENA", "milena")
        command = [milena, "broker", "--nodes", "3", "--port", "0", "--topic", "orders:3"]
        # It ends with its standard input, so it does not outlive this process.
        self.broker = subprocess.Popen(
            command + ["--until-stdin-ends"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.bootstrap = self.broker.stdout.readline().strip()

    def tearDown(self):
        self.broker.communicate(timeout=30)

    def order(self, producer, name, committed):
        producer.begin_transaction()
        producer.produce("orders", value=name)
        # Out before the end, so that there is something to abort.
        self.assertEqual(producer.flush(30), 0)
        if committed:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)

    def test_only_committed_orders_are_billed(self):
        producer = Producer(
            {"bootstrap.servers": self.bootstrap, "transactional.id": "shop-1"}
        )
        producer.init_transactions(30)
        self.order(producer, "first", committed=True)
        self.order(producer, "cancelled", committed=False)
        self.order(producer, "second", committed=True)

        billing = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "billing",
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
            }
        )
        billing.subscribe(["orders"])
        billed = []
        while len(billed) < 2:
            message = billing.poll(30)
            self.assertIsNotNone(message, "no order for 30 seconds")
            self.assertIsNone(message.error())
            billed.append(message.value().decode())
        billing.close()
        self.assertEqual(sorted(billed), ["first", "second"])


if __name__ == "__main__":
    unittest.main()
