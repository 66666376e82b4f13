# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the interop cases and the benchmark share: brokers, applications and topics. Sourced by bash, not run.
# The caller sets: root (of the source tree), weir (the program), work (a folder of its own), broker_kind (weir|kafka).
# Every process that is started is noted in $work/pids, every Kafka node in $work/kafkas; end_all ends them.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kafka=$here/kafka
java_run=$here/java/run
clients=$here/clients

say() { echo "== $*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

# spawn NAME COMMAND...: runs it in the background with its output in $work/NAME.log; sets pid.
spawn() {
    local name=$1
    shift
    say "$name: $*"
    "$@" >>"$work/$name.log" 2>&1 </dev/null &
    pid=$!
    echo "$pid" >>"$work/pids"
}

# wait_until SECONDS TEXT COMMAND...: polls until the command succeeds; fails with the text otherwise.
wait_until() {
    local deadline=$((SECONDS + $1)) text=$2
    shift 2
    until "$@"; do
        [ $SECONDS -lt $deadline ] || fail "$text"
        sleep 0.02
    done
}

# end PID NAME: asks a program to end and insists that it does, within 30 s and with exit code 0.
end() {
    local code=0 guard
    kill -TERM "$1" 2>/dev/null || fail "$2 ended before it was asked to: $(tail -5 "$work/$2.log")"
    (
        for _ in $(seq 300); do
            sleep 0.1
            kill -0 "$1" 2>/dev/null || exit 0
        done
        echo "$2 did not end within 30 s of SIGTERM; killed" >&2
        kill -9 "$1"
    ) &
    guard=$!
    wait "$1" || code=$?
    kill "$guard" 2>/dev/null || true
    ended "$1"
    [ "$code" = 0 ] || fail "$2 ended with exit code $code: $(tail -5 "$work/$2.log")"
    say "$2 ended"
}

# cut_down PID NAME: kill -9.
cut_down() {
    kill -9 "$1" 2>/dev/null || fail "$2 had ended by itself: $(tail -5 "$work/$2.log")"
    wait "$1" 2>/dev/null || true
    ended "$1"
    say "$2 killed with SIGKILL"
}

# wait_for PID NAME: a program that ends by itself, and well.
wait_for() {
    wait "$1" || fail "$2: $(tail -5 "$work/$2.log")"
    ended "$1"
}

ended() { sed -i "/^$1\$/d" "$work/pids"; }

end_all() {
    local p
    if [ -f "$work/pids" ]; then
        while read -r p; do kill -9 "$p" 2>/dev/null || true; done <"$work/pids"
    fi
    if [ -f "$work/kafkas" ]; then
        while read -r p; do "$kafka" kill --data "$p" >/dev/null 2>&1 || true; done <"$work/kafkas"
    fi
}

need_weir() { [ -x "$weir" ] || fail "there is no program $weir: build it first (cmake --build --preset release)"; }

# start_kafka NAME: one Apache Kafka node; sets bootstrap.
start_kafka() {
    local port
    port=$("$kafka" free-port)
    echo "$work/$1" >>"$work/kafkas"
    "$kafka" start --port "$port" --data "$work/$1"
    bootstrap=127.0.0.1:$port
}

# start_secured NAME: one Kafka node with a plain listener, and one with TLS and SASL (PLAIN: ada / plain-word, SCRAM-SHA-256);
# sets bootstrap, secured (its address) and authority (the file of the certificate authority).
start_secured() {
    local dir=$work/tls plain tls controller
    mkdir -p "$dir"
    authority=$dir/ca.pem
    openssl req -batch -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=tests" -keyout "$dir/ca.key" -out "$authority"
    openssl req -newkey rsa:2048 -nodes -subj "/CN=127.0.0.1" -keyout "$dir/node.key" -out "$dir/node.csr"
    openssl x509 -req -in "$dir/node.csr" -CA "$authority" -CAkey "$dir/ca.key" -CAcreateserial -days 2 \
        -extfile <(echo subjectAltName=IP:127.0.0.1) -out "$dir/node.crt"
    { openssl pkcs8 -topk8 -nocrypt -in "$dir/node.key"; cat "$dir/node.crt"; } >"$dir/node.pem"
    plain=$("$kafka" free-port)
    tls=$("$kafka" free-port)
    controller=$("$kafka" free-port)
    local listeners=PLAINTEXT://127.0.0.1:$plain,SASL_SSL://127.0.0.1:$tls login=org.apache.kafka.common.security
    echo "$work/$1" >>"$work/kafkas"
    "$kafka" start --port "$plain" --data "$work/$1" -X "listeners=$listeners,CONTROLLER://127.0.0.1:$controller" \
        -X "controller.quorum.voters=1@127.0.0.1:$controller" -X "advertised.listeners=$listeners" \
        -X listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL \
        -X ssl.keystore.type=PEM -X "ssl.keystore.location=$dir/node.pem" -X sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256 \
        -X "listener.name.sasl_ssl.plain.sasl.jaas.config=$login.plain.PlainLoginModule required user_ada=\"plain-word\";" \
        -X "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=$login.scram.ScramLoginModule required;"
    bootstrap=127.0.0.1:$plain
    secured=127.0.0.1:$tls
}

# start_cluster NAME NODES: so many nodes of Apache Kafka, with their data in $work/NAME/1 ...; sets bootstrap.
start_cluster() {
    local n
    for n in $(seq "$2"); do echo "$work/$1/$n" >>"$work/kafkas"; done
    KAFKA_HEAP=300m "$kafka" cluster --nodes "$2" --data "$work/$1" | tee "$work/$1.log"
    bootstrap=$(tail -1 "$work/$1.log")
}

# start_weir_broker NAME [PORT]: one weir broker with its data in $work/NAME; sets bootstrap and broker_pid.
start_weir_broker() {
    local name=$1 port=${2:-}
    if [ "$broker_kind" = kafka ]; then
        start_kafka "$name"
        return
    fi
    need_weir
    [ -n "$port" ] || port=$("$kafka" free-port)
    : >"$work/$name.log"
    spawn "$name" "$weir" broker --data "$work/$name" --listen "127.0.0.1:$port"
    broker_pid=$pid
    wait_until 20 "weir broker was not ready within 20 s: $(tail -5 "$work/$name.log")" broker_ready "$name"
    bootstrap=127.0.0.1:$port
}
broker_ready() {
    kill -0 "$broker_pid" 2>/dev/null || fail "weir broker ended: $(tail -5 "$work/$1.log")"
    grep -q ready "$work/$1.log"
}

# stop_weir_broker NAME: a clean stop.
stop_weir_broker() {
    if [ "$broker_kind" = kafka ]; then "$kafka" stop --data "$work/$1"; else end "$broker_pid" "$1"; fi
}

# spawn_streams NAME CLASS APPLICATION ARGS...: a Kafka Streams program; returns when it runs; sets pid.
spawn_streams() {
    local name=$1 class=$2 application=$3
    shift 3
    : >"$work/$name.log"
    spawn "$name" "$java_run" "$class" --bootstrap "$bootstrap" --application-id "$application" \
        --state-dir "$work/state-$name" -X session.timeout.ms=6000 "$@"
    wait_until 60 "$name was not ready within 60 s: $(tail -5 "$work/$name.log")" streams_ready "$name" "$pid"
}
streams_ready() {
    kill -0 "$2" 2>/dev/null || fail "$1 ended: $(tail -20 "$work/$1.log")"
    grep -q READY "$work/$1.log"
}

load() { # TOPIC PARTITIONS FILE OPTIONS...
    local topic=$1 partitions=$2 file=$3
    shift 3
    "$java_run" LoadTopic --bootstrap "$bootstrap" --topic "$topic" --partitions "$partitions" "$@" <"$file"
}
make_topic() { load "$1" "$2" /dev/null; } # TOPIC PARTITIONS
load_slowly() { # TOPIC RATE FILE OPTIONS...: in the background; sets loader, whose name is load
    local topic=$1 rate=$2 file=$3
    shift 3
    "$java_run" LoadTopic --bootstrap "$bootstrap" --topic "$topic" --rate "$rate" "$@" <"$file" >"$work/load.log" 2>&1 &
    loader=$!
    echo "$loader" >>"$work/pids"
}
# load_on TOPIC FILE OPTIONS...: in the background, some 500 lines of the file a second until enough is called; sets loader.
# The lines that were sent are in $work/sent.
load_on() {
    local topic=$1 file=$2
    shift 2
    rm -f "$work/enough"
    : >"$work/sent"
    feed() {
        while [ ! -e "$work/enough" ] && mapfile -n 50 -u 5 lines && [ ${#lines[@]} -gt 0 ]; do
            printf '%s' "${lines[@]}" | tee -a "$work/sent"
            sleep 0.1
        done
    }
    feed 5<"$file" | "$java_run" LoadTopic --bootstrap "$bootstrap" --topic "$topic" "$@" >"$work/load.log" 2>&1 &
    loader=$!
    echo "$loader" >>"$work/pids"
}
# enough: ends what load_on began, and insists that all its records were taken.
enough() {
    touch "$work/enough"
    wait_for "$loader" load
}
dump() { "$java_run" DumpTopic --bootstrap "$bootstrap" --topic "$@"; }
await_counts() { "$java_run" AwaitCounts --bootstrap "$bootstrap" --topic "$@"; }
tool() { "$kafka" run "$@"; }

# Records must not be older than a topic's retention, so timestamps begin an hour ago; the same throughout a case.
epoch_ms=$((($(date +%s) - 3600) * 1000))

# make_lines COUNT SEED PARTITIONS: lines of text for LoadTopic, the same for the same arguments. Timestamps go up and
# sometimes back; there are capitals, punctuation, digits, UTF-8, empty lines and null values among them.
make_lines() {
    awk -v epoch="$epoch_ms" -v count="$1" -v seed="$2" -v partitions="$3" '
        function random(n) { seed = (seed * 16807) % 2147483647; return seed % n }
        function word(  w) {
            w = words[int(random(1000) * random(1000) / 1000 * length_of / 1000) + 1]
            if (random(9) == 0) w = toupper(substr(w, 1, 1)) substr(w, 2)
            return w
        }
        BEGIN {
            seed = seed * 7919 + 12345
            split("the of and a to in is stream weir water gate river table key value count word lock sluice mill dam " \
                  "broker topic offset epoch commit store window session join late early naïve Zürich x86_64 1969 R2D2", given, " ")
            for (i in given) words[i] = given[i]
            length_of = 400
            for (i = 1; i <= length_of; i++) if (!(i in words)) words[i] = words[1 + i % 37] "_" i
            for (i = 0; i < count; i++) {
                at = epoch + i * 10 - (random(10) == 0 ? random(5000) : 0)
                partition = partitions < 0 ? -partitions - 1 : random(partitions)
                kind = random(100)
                if (kind == 0) line = ""
                else if (kind == 1) line = "\\N"
                else {
                    line = word()
                    for (n = random(9); n > 0; n--) line = line (random(6) == 0 ? "; " : " ") word()
                    if (random(4) == 0) line = line "."
                }
                printf "%d\t%.0f\t%s\t%s\n", partition, at, random(3) == 0 ? "\\N" : "line-" i, line
            }
        }'
}

# count_words FILE...: what the counts must be, by other means: "count word" a line.
count_words() {
    cat "$@" | cut -f4 | grep -vxF '\N' | LC_ALL=C tr 'A-Z' 'a-z' | LC_ALL=C grep -oE '[a-z0-9_]+' | LC_ALL=C sort | uniq -c
}
