// SPDX-License-Identifier: Apache-2.0
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Follows a topic of counts (key text, value a big-endian long), committed records only, until the last count of each
 * key is what a file says ("count word" a line), or until all counts together reach a number.
 * With --history each key's counts must besides be 1, 2, 3... without a gap or repetition: what exactly-once promises
 * when caching is off.
 */
public final class AwaitCounts {
    public static void main(String[] args) throws Exception {
        var options = new StreamsApp.Options(args, "--bootstrap --topic --expected --sum --timeout-s --history", """
            options: --bootstrap HOST:PORT  --topic TOPIC  --expected FILE | --sum N
              --timeout-s N (60)  --history yes|no (no)""");
        Map<String, Long> expected = new TreeMap<>();
        String file = options.get("--expected", "");
        if (!file.isEmpty()) {
            for (String line : Files.readAllLines(Path.of(file))) {
                String[] fields = line.strip().split(" +", 2);
                expected.put(fields[1], Long.valueOf(fields[0]));
            }
        }
        long wanted = file.isEmpty() ? Long.parseLong(options.get("--sum", null)) : 0;
        boolean history = options.get("--history", "no").equals("yes");
        long deadline = System.nanoTime() + Long.parseLong(options.get("--timeout-s", "60")) * 1_000_000_000L;
        String topic = options.get("--topic", null);
        Properties config = new Properties();
        config.put("bootstrap.servers", options.get("--bootstrap", null));
        config.put("isolation.level", "read_committed");
        config.put("allow.auto.create.topics", "false");
        config.put("enable.auto.commit", "false");
        Map<String, Long> counts = new TreeMap<>();
        long sum = 0;
        var bytes = new ByteArrayDeserializer();
        try (var consumer = new KafkaConsumer<>(config, bytes, bytes)) {
            while (file.isEmpty() ? sum < wanted : !counts.equals(expected) || !atEnd(consumer)) {
                if (System.nanoTime() > deadline) {
                    fail("the counts in " + topic + " did not become what they should in time", counts, expected);
                }
                if (consumer.assignment().isEmpty()) {
                    var partitions = consumer.partitionsFor(topic);
                    if (partitions == null || partitions.isEmpty()) {
                        Thread.sleep(50);
                        continue;
                    }
                    var all = partitions.stream().map(p -> new TopicPartition(topic, p.partition())).toList();
                    consumer.assign(all);
                    consumer.seekToBeginning(all);
                }
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    String word = new String(record.key(), StandardCharsets.UTF_8);
                    if (record.value() == null || record.value().length != 8) {
                        fail("the value of " + word + " is not a count of 8 bytes: " + record, counts, expected);
                    }
                    long count = ByteBuffer.wrap(record.value()).getLong();
                    Long before = counts.put(word, count);
                    sum += count - (before == null ? 0 : before);
                    if (history && count != (before == null ? 0 : before) + 1) {
                        fail(word + " was counted " + before + ", then " + count + ", at " + topic + "/"
                            + record.partition() + "@" + record.offset(), counts, expected);
                    }
                }
            }
        }
        System.out.println(counts.size() + " words, " + sum + " in all, as they should be");
    }

    private static boolean atEnd(KafkaConsumer<?, ?> consumer) {
        var ends = consumer.endOffsets(consumer.assignment());
        return ends.entrySet().stream().allMatch(end -> consumer.position(end.getKey()) >= end.getValue());
    }

    /** Says which words differ, a few of them, and why all this failed. */
    private static void fail(String message, Map<String, Long> counts, Map<String, Long> expected) {
        TreeSet<String> words = new TreeSet<>(expected.keySet());
        if (!expected.isEmpty()) {
            words.addAll(counts.keySet());
            words.removeIf(word -> Objects.equals(expected.get(word), counts.get(word)));
        }
        words.stream().limit(5).forEach(word -> System.err.println(
            "  " + word + ": expected " + expected.get(word) + ", found " + counts.get(word)));
        System.err.println(message + (words.isEmpty() ? "" : "; " + words.size() + " words differ"));
        System.exit(1);
    }
}
