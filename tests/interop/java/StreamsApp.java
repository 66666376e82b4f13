// SPDX-License-Identifier: Apache-2.0
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsResult;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;

/**
 * What the Kafka Streams programs beside this file share: options, life cycle, and a way to end by themselves.
 * Prints READY when the application first runs, and STOPPED once it has closed.
 */
final class StreamsApp {
    final Options options;
    final String input;
    final String output;

    StreamsApp(String[] args, String input, String output) {
        options = new Options(args, "--bootstrap --application-id --guarantee --state-dir --commit-interval-ms "
            + "--cache-bytes --threads --input --output --stop-after -X", """
            options: --bootstrap HOST:PORT  --application-id ID  --state-dir DIR
              --guarantee at_least_once|exactly_once_v2 (default exactly_once_v2)
              --commit-interval-ms N (100)  --cache-bytes N (10485760)  --threads N (1)
              --input TOPIC  --output TOPIC  -X any.streams.setting=value (repeatable)
              --stop-after N   ends when the group has committed N records of the input topic
                               and has no lag on any other topic that it reads""");
        this.input = options.get("--input", input);
        this.output = options.get("--output", output);
    }

    private Properties config() {
        Properties p = new Properties();
        p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, options.get("--bootstrap", null));
        p.put(StreamsConfig.APPLICATION_ID_CONFIG, options.get("--application-id", null));
        p.put(StreamsConfig.STATE_DIR_CONFIG, options.get("--state-dir", null));
        p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, options.get("--guarantee", "exactly_once_v2"));
        p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, options.get("--commit-interval-ms", "100"));
        p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, options.get("--cache-bytes", "10485760"));
        p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, options.get("--threads", "1"));
        options.settings.forEach(p::put);
        return p;
    }

    void run(Topology topology) throws Exception {
        Properties config = config();
        KafkaStreams streams = new KafkaStreams(topology, config);
        CountDownLatch end = new CountDownLatch(1);
        CountDownLatch closed = new CountDownLatch(1);
        Throwable[] failure = new Throwable[1];
        boolean[] ready = new boolean[1];
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.RUNNING && !ready[0]) {
                ready[0] = true;
                System.out.println("READY");
            }
        });
        streams.setUncaughtExceptionHandler(e -> {
            failure[0] = e;
            end.countDown();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            end.countDown();
            try {
                closed.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            System.out.flush();
            Runtime.getRuntime().halt(failure[0] == null ? 0 : 1);
        }));
        streams.start();
        String stopAfter = options.get("--stop-after", "");
        if (!stopAfter.isEmpty()) {
            Thread watcher = new Thread(() -> {
                try {
                    awaitCommitted(config, Long.parseLong(stopAfter));
                } catch (Exception e) {
                    failure[0] = e;
                }
                end.countDown();
            });
            watcher.setDaemon(true);
            watcher.start();
        }
        end.await();
        boolean clean = streams.close(CloseOptions.timeout(Duration.ofSeconds(30))
            .withGroupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP));
        if (failure[0] == null && !clean) {
            failure[0] = new IllegalStateException("the application did not close within 30 s");
        }
        if (failure[0] != null) {
            failure[0].printStackTrace();
        }
        System.out.println("STOPPED");
        closed.countDown();
        System.exit(failure[0] == null ? 0 : 1);
    }

    /** Returns once the group has committed {@code wanted} records of the input and everything of what lies between. */
    private void awaitCommitted(Properties config, long wanted) throws Exception {
        String group = config.getProperty(StreamsConfig.APPLICATION_ID_CONFIG);
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", config.get(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG)))) {
            while (true) {
                Map<TopicPartition, OffsetAndMetadata> committed = new HashMap<>();
                try {
                    committed.putAll(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get());
                } catch (java.util.concurrent.ExecutionException e) {
                    if (!(e.getCause() instanceof org.apache.kafka.common.errors.GroupIdNotFoundException)) {
                        throw e;
                    }
                }
                long of_input = 0;
                Map<TopicPartition, OffsetSpec> between = new HashMap<>();
                for (var entry : committed.entrySet()) {
                    if (entry.getKey().topic().equals(input)) {
                        of_input += entry.getValue().offset();
                    } else {
                        between.put(entry.getKey(), OffsetSpec.latest());
                    }
                }
                if (of_input >= wanted && noLag(admin, committed, between)) {
                    return;
                }
                Thread.sleep(20);
            }
        }
    }

    /* A transaction's marker takes an offset too, so a partition may end one or two past its last committed record. */
    private static boolean noLag(Admin admin, Map<TopicPartition, OffsetAndMetadata> committed,
                                 Map<TopicPartition, OffsetSpec> between) throws Exception {
        ListOffsetsResult ends = admin.listOffsets(between);
        for (TopicPartition partition : between.keySet()) {
            if (ends.partitionResult(partition).get().offset() > committed.get(partition).offset() + 2) {
                return false;
            }
        }
        return true;
    }

    /** Options as pairs of words, and -X key=value. */
    static final class Options {
        final Map<String, String> settings = new HashMap<>();
        private final Map<String, String> values = new HashMap<>();
        private final String usage;

        Options(String[] args, String known, String usage) {
            this.usage = usage;
            Set<String> names = Set.of(known.split(" "));
            for (int i = 0; i < args.length; i += 2) {
                if (!names.contains(args[i]) || i + 1 == args.length) {
                    fail("unknown option, or one without a value: " + args[i]);
                } else if (args[i].equals("-X")) {
                    int equals = args[i + 1].indexOf('=');
                    if (equals < 1) {
                        fail("-X needs key=value, not " + args[i + 1]);
                    }
                    settings.put(args[i + 1].substring(0, equals), args[i + 1].substring(equals + 1));
                } else {
                    values.put(args[i], args[i + 1]);
                }
            }
        }

        /** The option's value, or what to take without it; {@code null} there means that it must be given. */
        String get(String name, String otherwise) {
            String value = values.getOrDefault(name, otherwise);
            if (value == null) {
                fail("missing option " + name);
            }
            return value;
        }

        private void fail(String message) {
            System.err.println(message + "\n" + usage);
            System.exit(2);
        }
    }

}
