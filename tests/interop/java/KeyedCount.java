// SPDX-License-Identifier: Apache-2.0
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;

/** Counts records by their key, whatever the bytes: no repartition, one store. */
public final class KeyedCount {
    public static void main(String[] args) throws Exception {
        StreamsApp app = new StreamsApp(args, "events", "event-counts");
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(app.input, Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
            .groupByKey(Grouped.with(Serdes.ByteArray(), Serdes.ByteArray()))
            .count(Materialized.as("counts"))
            .toStream()
            .to(app.output, Produced.with(Serdes.ByteArray(), Serdes.Long()));
        app.run(builder.build());
    }
}
