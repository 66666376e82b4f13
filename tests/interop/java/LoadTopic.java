// SPDX-License-Identifier: Apache-2.0
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Fills a topic from standard input, one record a line: partition TAB timestamp TAB key TAB value, as text;
 * \N stands for null. Creates the topic first when it is told how many partitions that should have.
 */
public final class LoadTopic {
    public static void main(String[] args) throws Exception {
        var options = new StreamsApp.Options(args, "--bootstrap --topic --partitions --rate --transaction -X", """
            options: --bootstrap HOST:PORT  --topic TOPIC  --partitions N (creates the topic if missing)
              --rate N           records per second at most
              --transaction ID   all in one transaction with this transactional id
              -X any.producer.setting=value (repeatable)""");
        String bootstrap = options.get("--bootstrap", null);
        String topic = options.get("--topic", null);
        String partitions = options.get("--partitions", "");
        if (!partitions.isEmpty()) {
            create(bootstrap, topic, Integer.parseInt(partitions));
        }
        long rate = Long.parseLong(options.get("--rate", "0"));
        String transaction = options.get("--transaction", "");
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("linger.ms", "5");
        options.settings.forEach(config::put);
        if (!transaction.isEmpty()) {
            config.put("transactional.id", transaction);
        }
        var bytes = new ByteArraySerializer();
        Exception[] failure = new Exception[1];
        long count = 0;
        try (var producer = new KafkaProducer<>(config, bytes, bytes);
             var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            if (!transaction.isEmpty()) {
                producer.initTransactions();
                producer.beginTransaction();
            }
            long began = System.nanoTime();
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                String[] fields = line.split("\t", 4);
                if (fields.length != 4) {
                    throw new IllegalArgumentException("not four fields: " + line);
                }
                producer.send(new ProducerRecord<>(topic, Integer.valueOf(fields[0]), Long.valueOf(fields[1]),
                    bytes(fields[2]), bytes(fields[3])), (done, e) -> {
                        if (e != null) {
                            failure[0] = e;
                        }
                    });
                count++;
                if (rate > 0) {
                    long due = began + count * 1_000_000_000L / rate;
                    while (System.nanoTime() < due) {
                        LockSupport.parkNanos(due - System.nanoTime());
                    }
                }
            }
            if (!transaction.isEmpty()) {
                producer.commitTransaction();
            }
        }
        if (failure[0] != null) {
            throw failure[0];
        }
        System.out.println(count + " records loaded into " + topic);
    }

    private static byte[] bytes(String field) {
        return field.equals("\\N") ? null : field.getBytes(StandardCharsets.UTF_8);
    }

    private static void create(String bootstrap, String topic, int partitions) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin.createTopics(List.of(new NewTopic(topic, Optional.of(partitions), Optional.empty()))).all().get();
        } catch (ExecutionException e) {
            if (!(e.getCause() instanceof TopicExistsException)) {
                throw e;
            }
        }
    }
}
