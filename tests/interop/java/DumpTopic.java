// SPDX-License-Identifier: Apache-2.0
import java.io.BufferedWriter;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Prints a topic as bytes, from its beginning to the end that it has now, one partition after the other:
 * partition, offset, timestamp, key, value, then name=value of each header; all bytes in hex, "null" for none, "-" for empty.
 */
public final class DumpTopic {
    public static void main(String[] args) {
        var options = new StreamsApp.Options(args, "--bootstrap --topic --isolation --offsets --timestamps", """
            options: --bootstrap HOST:PORT  --topic TOPIC
              --isolation read_committed|read_uncommitted (default read_committed)
              --offsets yes|no (yes)  --timestamps yes|no (yes)""");
        boolean offsets = options.get("--offsets", "yes").equals("yes");
        boolean timestamps = options.get("--timestamps", "yes").equals("yes");
        Properties config = new Properties();
        config.put("bootstrap.servers", options.get("--bootstrap", null));
        config.put("isolation.level", options.get("--isolation", "read_committed"));
        config.put("allow.auto.create.topics", "false");
        config.put("enable.auto.commit", "false");
        var bytes = new ByteArrayDeserializer();
        try (var consumer = new KafkaConsumer<>(config, bytes, bytes);
             var out = new PrintWriter(new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8)))) {
            var partitions = consumer.partitionsFor(options.get("--topic", null));
            if (partitions == null || partitions.isEmpty()) {
                System.err.println("there is no topic " + options.get("--topic", null));
                System.exit(1);
            }
            var assigned = partitions.stream().map(p -> new TopicPartition(p.topic(), p.partition())).toList();
            consumer.assign(assigned);
            consumer.seekToBeginning(assigned);
            Map<TopicPartition, Long> ends = consumer.endOffsets(assigned);
            Map<Integer, List<String>> lines = new TreeMap<>();
            while (!assigned.stream().allMatch(p -> consumer.position(p) >= ends.get(p))) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    lines.computeIfAbsent(record.partition(), p -> new ArrayList<>()).add(line(record, offsets, timestamps));
                }
            }
            lines.values().forEach(of_partition -> of_partition.forEach(out::println));
        }
    }

    private static String line(ConsumerRecord<byte[], byte[]> record, boolean offsets, boolean timestamps) {
        StringBuilder line = new StringBuilder().append(record.partition());
        if (offsets) {
            line.append(' ').append(record.offset());
        }
        if (timestamps) {
            line.append(' ').append(record.timestamp());
        }
        line.append(' ').append(hex(record.key())).append(' ').append(hex(record.value()));
        for (Header header : record.headers()) {
            line.append(' ').append(header.key()).append('=').append(hex(header.value()));
        }
        return line.toString();
    }

    private static String hex(byte[] bytes) {
        return bytes == null ? "null" : bytes.length == 0 ? "-" : HexFormat.of().formatHex(bytes);
    }
}
