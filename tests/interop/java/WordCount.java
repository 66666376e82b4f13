// SPDX-License-Identifier: Apache-2.0
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;

/** Lines in, counts of words out: the twin of weir's examples/word_count. */
public final class WordCount {
    public static void main(String[] args) throws Exception {
        StreamsApp app = new StreamsApp(args, "lines", "word-counts");
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(app.input, Consumed.with(Serdes.ByteArray(), Serdes.String()))
            .flatMapValues(WordCount::words)
            .groupBy((key, word) -> word, Grouped.with(Serdes.String(), Serdes.String()))
            .count(Materialized.as("counts"))
            .toStream()
            .to(app.output, Produced.with(Serdes.String(), Serdes.Long()));
        app.run(builder.build());
    }

    /** The runs of ASCII letters, digits and underscores, in lower case. */
    static List<String> words(String line) {
        List<String> words = new ArrayList<>();
        if (line == null) {
            return words;
        }
        StringBuilder word = new StringBuilder();
        for (int i = 0; i <= line.length(); i++) {
            char c = i < line.length() ? line.charAt(i) : ' ';
            if (c >= 'A' && c <= 'Z') {
                word.append((char) (c + 'a' - 'A'));
            } else if (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_') {
                word.append(c);
            } else if (word.length() > 0) {
                words.add(word.toString());
                word.setLength(0);
            }
        }
        return words;
    }
}
