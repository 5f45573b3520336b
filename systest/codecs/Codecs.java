// Apache Kafka's Java client, for `milena-systest codecs`: writes the records of standard input, or reads a topic to standard
// output. A record is a line: partition, key, value and headers, parted by tabs, in hexadecimal; "-" is null.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class Codecs {
    private static final HexFormat HEX = HexFormat.of();

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "write" -> write(arguments[1], arguments[2], arguments[3].split(","));
            case "read" -> read(arguments[1], arguments[2], Integer.parseInt(arguments[3]), Long.parseLong(arguments[4]));
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }

    /** Each case, `codec` or `codec:level`, is written by a producer of its own, to the partition of its place in the list. */
    private static void write(String bootstrap, String topic, String[] cases) throws Exception {
        List<List<ProducerRecord<byte[], byte[]>>> partitions = new ArrayList<>();
        for (String ignored : cases) {
            partitions.add(new ArrayList<>());
        }
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] fields = line.split("\t", -1);
            int partition = Integer.parseInt(fields[0]);
            List<Header> headers = new ArrayList<>();
            for (String header : fields[3].isEmpty() ? new String[0] : fields[3].split(";")) {
                String[] parts = header.split("=", -1);
                headers.add(new RecordHeader(new String(HEX.parseHex(parts[0]), StandardCharsets.UTF_8), bytes(parts[1])));
            }
            partitions.get(partition).add(new ProducerRecord<>(topic, partition, bytes(fields[1]), bytes(fields[2]), headers));
        }
        for (int partition = 0; partition < cases.length; partition++) {
            try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings(bootstrap, cases[partition]))) {
                List<Future<RecordMetadata>> sent = new ArrayList<>();
                for (ProducerRecord<byte[], byte[]> record : partitions.get(partition)) {
                    sent.add(producer.send(record));
                }
                producer.flush();
                for (Future<RecordMetadata> future : sent) {
                    future.get();
                }
            }
        }
    }

    private static Properties settings(String bootstrap, String codecAndLevel) {
        String[] parts = codecAndLevel.split(":");
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("key.serializer", ByteArraySerializer.class.getName());
        settings.put("value.serializer", ByteArraySerializer.class.getName());
        settings.put("linger.ms", "50");
        settings.put("batch.size", "500000");
        settings.put("compression.type", parts[0]);
        if (parts.length > 1) {
            settings.put("compression." + parts[0] + ".level", parts[1]);
        }
        return settings;
    }

    private static void read(String bootstrap, String topic, int partitions, long count) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("key.deserializer", ByteArrayDeserializer.class.getName());
        settings.put("value.deserializer", ByteArrayDeserializer.class.getName());
        PrintStream output = new PrintStream(System.out, false, StandardCharsets.US_ASCII);
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings)) {
            List<TopicPartition> assigned = new ArrayList<>();
            for (int partition = 0; partition < partitions; partition++) {
                assigned.add(new TopicPartition(topic, partition));
            }
            consumer.assign(assigned);
            consumer.seekToBeginning(assigned);
            long deadline = System.currentTimeMillis() + 30_000;
            long seen = 0;
            while (seen < count && System.currentTimeMillis() < deadline) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
                    output.println(line(record));
                    seen++;
                }
            }
        }
        output.flush();
    }

    private static String line(ConsumerRecord<byte[], byte[]> record) {
        StringBuilder headers = new StringBuilder();
        for (Header header : record.headers()) {
            headers.append(headers.length() == 0 ? "" : ";");
            headers.append(hex(header.key().getBytes(StandardCharsets.UTF_8))).append('=').append(hex(header.value()));
        }
        return record.partition() + "\t" + hex(record.key()) + "\t" + hex(record.value()) + "\t" + headers;
    }

    private static byte[] bytes(String field) {
        return field.equals("-") ? null : HEX.parseHex(field);
    }

    private static String hex(byte[] bytes) {
        return bytes == null ? "-" : HEX.formatHex(bytes);
    }
}
