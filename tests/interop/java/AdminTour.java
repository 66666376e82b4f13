// SPDX-License-Identifier: Apache-2.0
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.DescribeConsumerGroupsOptions;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.TransactionalIdNotFoundException;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.apache.kafka.common.errors.UnknownTopicIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Everything that Java's Admin asks of a broker about topics, configs, offsets, groups and transactions. */
public final class AdminTour {
    private static String bootstrap;
    private static Admin admin;

    public static void main(String[] args) throws Exception {
        bootstrap = new StreamsApp.Options(args, "--bootstrap", "options: --bootstrap HOST:PORT").get("--bootstrap", null);
        try (Admin it = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin = it;
            topics();
            configs();
            offsets();
            groups();
            transactions();
            cluster();
        }
        System.out.println("all as it should be");
    }

    private static void check(Object got, Object wanted) {
        if (!wanted.equals(got)) {
            throw new AssertionError("got " + got + " instead of " + wanted);
        }
    }

    private static void refused(Class<? extends Exception> error, Callable<?> call) {
        try {
            throw new AssertionError(error.getSimpleName() + " was expected, not " + call.call());
        } catch (Exception e) {
            Throwable why = e instanceof ExecutionException ? e.getCause() : e;
            if (!error.isInstance(why)) {
                throw new AssertionError(error.getSimpleName() + " was expected", why);
            }
        }
    }

    private static void create(String name, int partitions) throws Exception {
        admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1))).all().get();
    }

    private static Map<String, Object> client(Object... pairs) {
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", bootstrap,
            "key.serializer", StringSerializer.class, "value.serializer", StringSerializer.class,
            "key.deserializer", StringDeserializer.class, "value.deserializer", StringDeserializer.class));
        for (int i = 0; i < pairs.length; i += 2) {
            config.put((String) pairs[i], pairs[i + 1]);
        }
        return config;
    }

    private static void topics() throws Exception {
        var made = admin.createTopics(List.of(new NewTopic("made", 2, (short) 1).configs(Map.of("retention.ms", "86400000"))));
        check(made.numPartitions("made").get(), 2);
        check(made.config("made").get().get("retention.ms").value(), "86400000");
        Uuid id = made.topicId("made").get();
        refused(TopicExistsException.class, () -> { create("made", 1); return "made twice"; });
        refused(InvalidTopicException.class, () -> { create("not valid", 1); return "made"; });
        refused(InvalidPartitionsException.class, () -> { create("none", 0); return "made"; });
        refused(InvalidReplicationFactorException.class, () -> admin.createTopics(List.of(new NewTopic("three", 1, (short) 3))).all().get());
        refused(InvalidConfigurationException.class, () -> admin.createTopics(
            List.of(new NewTopic("wrong", 1, (short) 1).configs(Map.of("retention.ms", "pear")))).all().get());
        admin.createTopics(List.of(new NewTopic("only-checked", 1, (short) 1)), new CreateTopicsOptions().validateOnly(true)).all().get();
        admin.createTopics(List.of(new NewTopic("of-defaults", Optional.empty(), Optional.empty()))).all().get();
        check(admin.listTopics().names().get().containsAll(Set.of("made", "of-defaults")), true);
        check(admin.listTopics().names().get().contains("only-checked"), false);

        var byName = admin.describeTopics(List.of("made"), new DescribeTopicsOptions().includeAuthorizedOperations(true)).allTopicNames().get().get("made");
        check(byName.topicId(), id);
        check(byName.partitions().stream().map(TopicPartitionInfo::partition).toList(), List.of(0, 1));
        check(byName.authorizedOperations().contains(AclOperation.WRITE), true);
        check(admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds().get().get(id).name(), "made");
        refused(UnknownTopicOrPartitionException.class, () -> admin.describeTopics(List.of("none")).allTopicNames().get());
        refused(UnknownTopicIdException.class, () -> admin.describeTopics(TopicCollection.ofTopicIds(List.of(Uuid.randomUuid()))).allTopicIds().get());

        admin.createPartitions(Map.of("made", NewPartitions.increaseTo(4))).all().get();
        check(admin.describeTopics(List.of("made")).allTopicNames().get().get("made").partitions().size(), 4);
        refused(InvalidPartitionsException.class, () -> admin.createPartitions(Map.of("made", NewPartitions.increaseTo(1))).all().get());

        admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all().get();
        admin.deleteTopics(List.of("of-defaults")).all().get();
        refused(UnknownTopicOrPartitionException.class, () -> admin.deleteTopics(List.of("made")).all().get());
        refused(UnknownTopicIdException.class, () -> admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all().get());
    }

    private static String alter(ConfigResource resource, String name, String value, OpType how) throws Exception {
        admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry(name, value), how)))).all().get();
        return admin.describeConfigs(List.of(resource)).all().get().get(resource).get(name).value();
    }

    private static void configs() throws Exception {
        create("configs", 1);
        var topic = new ConfigResource(ConfigResource.Type.TOPIC, "configs");
        check(alter(topic, "retention.ms", "5000000", OpType.SET), "5000000");
        check(alter(topic, "cleanup.policy", "compact", OpType.APPEND), "delete,compact");
        check(alter(topic, "cleanup.policy", "delete", OpType.SUBTRACT), "compact");
        check(alter(topic, "cleanup.policy", null, OpType.DELETE), "delete");
        check(alter(topic, "retention.ms", null, OpType.DELETE), "604800000");
        refused(InvalidConfigurationException.class, () -> alter(topic, "retention.ms", "pear", OpType.SET));
        refused(InvalidConfigurationException.class, () -> alter(topic, "retention.pears", "1", OpType.SET));
        var shown = admin.describeConfigs(List.of(topic), new DescribeConfigsOptions().includeSynonyms(true)).all().get().get(topic);
        check(shown.get("segment.bytes").synonyms().get(0).value(), "1073741824");
        for (ConfigEntry entry : shown.entries()) { // what Java takes for a number is one
            switch (entry.type()) {
            case INT, LONG, SHORT -> Long.parseLong(entry.value());
            case DOUBLE -> Double.parseDouble(entry.value());
            default -> { }
            }
        }
        var node = new ConfigResource(ConfigResource.Type.BROKER, "1");
        check(admin.describeConfigs(List.of(node)).all().get().get(node).get("log.segment.bytes").value(), "1073741824");
        refused(UnknownTopicOrPartitionException.class, () -> admin.describeConfigs(
            List.of(new ConfigResource(ConfigResource.Type.TOPIC, "none"))).all().get());
    }

    private static long offset(TopicPartition at, OffsetSpec which) throws Exception {
        return admin.listOffsets(Map.of(at, which)).partitionResult(at).get().offset();
    }

    private static void offsets() throws Exception {
        create("offsets", 1);
        var at = new TopicPartition("offsets", 0);
        long begin = System.currentTimeMillis() - 100000;
        try (var producer = new KafkaProducer<String, String>(client())) {
            for (int i = 0; i < 10; i++) {
                producer.send(new ProducerRecord<>("offsets", 0, begin + (i == 5 ? 60000 : i * 1000), "k", "v")).get();
            }
        }
        check(offset(at, OffsetSpec.earliest()), 0L);
        check(offset(at, OffsetSpec.latest()), 10L);
        check(offset(at, OffsetSpec.maxTimestamp()), 5L);
        check(offset(at, OffsetSpec.forTimestamp(begin + 2500)), 3L);
        check(offset(at, OffsetSpec.forTimestamp(begin + 90000)), -1L);
        check(admin.deleteRecords(Map.of(at, RecordsToDelete.beforeOffset(4))).lowWatermarks().get(at).get().lowWatermark(), 4L);
        check(offset(at, OffsetSpec.earliest()), 4L);
        refused(OffsetOutOfRangeException.class, () -> admin.deleteRecords(Map.of(at, RecordsToDelete.beforeOffset(11))).all().get());
        refused(UnknownTopicOrPartitionException.class, () -> offset(new TopicPartition("none", 0), OffsetSpec.latest()));
    }

    private static void groups() throws Exception {
        create("groups", 2);
        var at = new TopicPartition("groups", 0);
        try (var consumer = new KafkaConsumer<String, String>(client("group.id", "g", "group.instance.id", "one", "enable.auto.commit", "false"))) {
            consumer.subscribe(List.of("groups"));
            for (long deadline = System.nanoTime() + 20_000_000_000L; consumer.assignment().isEmpty();) {
                check(System.nanoTime() < deadline, true);
                consumer.poll(Duration.ofMillis(100));
            }
            consumer.commitSync(Map.of(at, new OffsetAndMetadata(3, "said")));
            check(admin.listGroups(new ListGroupsOptions().inGroupStates(Set.of(GroupState.STABLE))).all().get().stream().filter(g -> g.groupId().equals("g")).count(), 1L);
            var group = admin.describeConsumerGroups(List.of("g"), new DescribeConsumerGroupsOptions().includeAuthorizedOperations(true)).all().get().get("g");
            check(group.groupState(), GroupState.STABLE);
            check(group.partitionAssignor(), "range");
            check(group.authorizedOperations().contains(AclOperation.READ), true);
            var member = group.members().iterator().next();
            check(member.groupInstanceId(), Optional.of("one"));
            check(member.assignment().topicPartitions(), Set.of(at, new TopicPartition("groups", 1)));
            check(admin.listConsumerGroupOffsets("g").partitionsToOffsetAndMetadata().get().get(at), new OffsetAndMetadata(3, "said"));
            refused(UnknownMemberIdException.class, () -> admin.alterConsumerGroupOffsets("g", Map.of(at, new OffsetAndMetadata(1))).all().get());
            refused(UnknownTopicOrPartitionException.class,
                () -> admin.alterConsumerGroupOffsets("g", Map.of(new TopicPartition("none", 0), new OffsetAndMetadata(1))).all().get());
            refused(GroupSubscribedToTopicException.class, () -> admin.deleteConsumerGroupOffsets("g", Set.of(at)).all().get());
            refused(GroupNotEmptyException.class, () -> admin.deleteConsumerGroups(List.of("g")).all().get());
            refused(UnknownMemberIdException.class, () -> admin.removeMembersFromConsumerGroup("g",
                new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("two")))).all().get());
        } // a static member stays in its group when it closes
        admin.removeMembersFromConsumerGroup("g", new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("one")))).all().get();
        check(admin.describeConsumerGroups(List.of("g")).all().get().get("g").groupState(), GroupState.EMPTY);
        admin.alterConsumerGroupOffsets("g", Map.of(at, new OffsetAndMetadata(1))).all().get();
        check(admin.listConsumerGroupOffsets("g").partitionsToOffsetAndMetadata().get().get(at).offset(), 1L);
        admin.deleteConsumerGroupOffsets("g", Set.of(at)).all().get();
        check(admin.listConsumerGroupOffsets("g").partitionsToOffsetAndMetadata().get().containsKey(at), false);
        admin.deleteConsumerGroups(List.of("g")).all().get();
        refused(GroupIdNotFoundException.class, () -> admin.describeConsumerGroups(List.of("g")).all().get());
        refused(GroupIdNotFoundException.class, () -> admin.deleteConsumerGroups(List.of("g")).all().get());
    }

    private static void transactions() throws Exception {
        create("transactions", 1);
        var at = new TopicPartition("transactions", 0);
        try (var producer = new KafkaProducer<String, String>(client("transactional.id", "t"))) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>("transactions", "k", "v")).get();
            var open = admin.describeTransactions(List.of("t")).all().get().get("t");
            check(open.state(), TransactionState.ONGOING);
            check(open.topicPartitions(), Set.of(at));
            check(admin.listTransactions(new ListTransactionsOptions().filterStates(List.of(TransactionState.ONGOING))).all().get()
                .stream().map(t -> t.transactionalId()).toList(), List.of("t"));
            var writer = admin.describeProducers(List.of(at)).all().get().get(at).activeProducers().get(0);
            check(writer.producerId(), open.producerId());
            check(writer.currentTransactionStartOffset().getAsLong(), 0L);
            admin.fenceProducers(List.of("t")).all().get();
            refused(ProducerFencedException.class, () -> { producer.commitTransaction(); return "committed"; });
        }
        check(admin.describeTransactions(List.of("t")).all().get().get("t").topicPartitions(), Set.of());
        refused(TransactionalIdNotFoundException.class, () -> admin.describeTransactions(List.of("none")).all().get());
    }

    private static void cluster() throws Exception {
        var cluster = admin.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true));
        check(cluster.nodes().get().size(), 1);
        check(cluster.controller().get().id(), 1);
        check(cluster.clusterId().get().length(), 22);
        check(cluster.authorizedOperations().get().contains(AclOperation.CREATE), true);
        var folder = admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1).values().iterator().next();
        check(folder.replicaInfos().get(new TopicPartition("offsets", 0)).size() > 0, true);
    }
}
