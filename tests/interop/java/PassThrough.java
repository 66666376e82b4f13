// SPDX-License-Identifier: Apache-2.0
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;

/** Copies a topic. */
public final class PassThrough {
    public static void main(String[] args) throws Exception {
        StreamsApp app = new StreamsApp(args, "events", "copies");
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(app.input, Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
            .to(app.output, Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));
        app.run(builder.build());
    }
}
