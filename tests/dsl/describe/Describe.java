/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints what Kafka Streams makes of the programs of test_lower.c: expected.txt is its
 * output with Apache Kafka 4.3.1. To print it again:
 *   CP=$(tests/interop/kafka classpath) && java -cp "$CP" tests/dsl/describe/Describe.java */
import java.util.*;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.processor.api.*;
import org.apache.kafka.streams.state.*;
public final class Describe {
  static Map<String, java.util.function.Consumer<StreamsBuilder>> p = new LinkedHashMap<>();
  public static void main(String[] a) throws Exception {
    p.put("word_count", b -> b.<String,String>stream("lines").flatMapValues(v -> List.of(v)).groupBy((k,v)->v).count(Materialized.as("counts")).toStream().to("word-counts"));
    p.put("unnamed", b -> { b.<String,String>stream("lines").flatMapValues(v -> List.of(v)).groupBy((k,v)->v).count().toStream().to("out"); });
    p.put("stateless", b -> { var s = b.<String,String>stream("in"); s.filter((k,v)->true).filterNot((k,v)->false, Named.as("keep")).mapValues(v->v).flatMap((k,v)->List.<KeyValue<String,String>>of()).peek((k,v)->{}).selectKey((k,v)->v).map((k,v)->KeyValue.pair(k,v)).to("out"); s.foreach((k,v)->{}); });
    p.put("group_by_key", b -> b.<String,String>stream("in").groupByKey().count(Materialized.as("counts")).toStream().to("out"));
    p.put("changed_key", b -> { var g = b.<String,String>stream("in").selectKey((k,v)->v).groupByKey(Grouped.as("by-value")); g.reduce((x,y)->y, Materialized.as("last")).toStream().to("a"); g.aggregate(()->"", (k,v,x)->x, Materialized.as("agg")).toStream().to("b"); });
    p.put("unnamed_all", b -> { var g = b.<String,String>stream("in").map((k,v)->KeyValue.pair(v,k)).groupByKey(); g.reduce((x,y)->y).toStream().to("a"); g.aggregate(()->"", (k,v,x)->x).toStream().to("b"); g.count(Materialized.with(Serdes.String(), Serdes.Long())).toStream().to("c"); });
    p.put("named_all", b -> b.<String,String>stream("in", Consumed.<String,String>as("src")).groupBy((k,v)->v, Grouped.as("grp")).count(Named.as("cnt"), Materialized.as("counts")).toStream(Named.as("str")).to("out", Produced.as("snk")));
    p.put("merge", b -> { var x = b.<String,String>stream("a"); var y = b.<String,String>stream("b").selectKey((k,v)->v); x.merge(y).groupByKey().count(Materialized.as("counts")).toStream().to("out"); });
    p.put("same_topic", b -> { b.<String,String>stream("in").filter((k,v)->true).to("x"); b.<String,String>stream("in").mapValues(v->v).to("y"); });
    p.put("repartition", b -> { b.<String,String>stream("in").repartition().to("x"); b.<String,String>stream("in2").repartition(Repartitioned.<String,String>as("mine").withNumberOfPartitions(3)).groupByKey().count().toStream().to("y"); });
    p.put("process", b -> { b.addStateStore(Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore("seen"), Serdes.String(), Serdes.String()));
      ProcessorSupplier<String,String,String,String> sup = () -> new ContextualProcessor<String,String,String,String>() { public void process(org.apache.kafka.streams.processor.api.Record<String,String> r) { context().forward(r); } };
      var s = b.<String,String>stream("in"); s.process(sup, "seen").to("out"); s.process(sup, Named.as("mine"), "seen").filter((k,v)->true).groupByKey().count().toStream().to("out2"); });
    p.put("table", b -> { b.<String,String>table("in").toStream().to("a"); b.<String,String>table("in2", Materialized.as("rows")).filter((k,v)->true).mapValues(v->v).toStream().to("b"); });
    p.put("table_views", b -> { b.<String,String>table("in").filter((k,v)->true, Materialized.as("kept")).mapValues(v->v, Materialized.as("mapped")).filterNot((k,v)->false, Materialized.with(Serdes.String(), Serdes.String())).toStream().to("a"); });
    p.put("table_group", b -> b.<String,String>table("in").groupBy((k,v)->KeyValue.pair(v,k)).count().toStream().to("out"));
    p.put("table_group_named", b -> { var g = b.<String,String>table("in", Consumed.<String,String>as("tab")).filter((k,v)->true).groupBy((k,v)->KeyValue.pair(v,k), Grouped.as("grp")); g.count(Named.as("cnt"), Materialized.as("counts")).toStream().to("out"); g.reduce((x,y)->x,(x,y)->x, Materialized.as("red")).toStream().to("r"); });
    p.put("table_group_reduce", b -> { var t = b.<String,String>table("in", Materialized.as("rows")); t.groupBy((k,v)->KeyValue.pair(v,k)).reduce((x,y)->x,(x,y)->x).toStream().to("out"); t.groupBy((k,v)->KeyValue.pair(v,k)).aggregate(()->"",(k,v,x)->x,(k,v,x)->x, Materialized.as("agg")).toStream().to("out2"); });
    p.put("to_table", b -> { b.<String,String>stream("in").toTable(Materialized.as("rows")).toStream().to("a"); b.<String,String>stream("in3").selectKey((k,v)->v).toTable().filter((k,v)->true).toStream().to("b"); b.<String,String>stream("in4").selectKey((k,v)->v).toTable(Named.as("tt")).groupBy((k,v)->KeyValue.pair(v,k)).count().toStream().to("c");});
    for (var e : p.entrySet()) { var b = new StreamsBuilder(); e.getValue().accept(b); System.out.println("== " + e.getKey()); System.out.print(b.build().describe()); }
  }
}
