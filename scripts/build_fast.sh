#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ./dev build fast: builds build/fast twice, with a training in between, so that the compiler knows what the stack's code
# is asked to do (-fprofile-use). Trained are connections and requests of all the shapes the benchmark has, over the
# in-memory link and over memif; a training holds until a source changes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
jobs=${MTCP_JOBS:-$(nproc)}
build=$PWD/build/fast
stamp=$build/trained

sources() { find src include bench apps cmake CMakeLists.txt CMakePresets.json -type f -print0 | sort -z; }
state=$(sources | xargs -0 sha256sum | sha256sum)

configure() { cmake --preset fast -DMTCP_PROFILE="$1" > "$build.log" 2>&1 || { cat "$build.log" >&2; exit 1; }; }
# With a clock that every reading moves: how often timers fire, and so the profile, does not depend on what else runs.
both_ends() {
    LD_PRELOAD=$work/clock.so "$build/bench/bench_both_ends" --cpu -1 --warm-up 1000 \
        --time-wait-max 20000 "$@" > /dev/null
}

# A server and a client of ours over memif, for one kind of load. They sleep while they wait: empty turns of two that spin
# would be what runs most, and the more, the busier the machine.
over_memif() {
    local layer=$1 server
    shift
    rm -f "$work"/server.* "$work"/client.* "$work/memif.sock"
    local common=("io = memif" "port = $work/memif.sock" "io.layer = $layer" "num_cores = 1")
    local address=(10.78.0.1 10.78.1.1) server_only=() client_only=()
    if [[ $layer == ethernet ]]; then
        server_only=("io.mac = 02:00:00:00:00:0a" "neighbour = ${address[1]} 02:00:00:00:00:0b")
        client_only=("io.mac = 02:00:00:00:00:0b" "neighbour = ${address[0]} 02:00:00:00:00:0a")
    fi
    printf '%s\n' "${common[@]}" "io.role = master" "address = ${address[0]}/16" "${server_only[@]}" > "$work/server.conf"
    printf '%s\n' "${common[@]}" "io.role = slave" "address = ${address[1]}/16" "${client_only[@]}" > "$work/client.conf"
    "$build/bench/bench_end" server -f "$work/server.conf" --wait sleeping "$@" > "$work/server.out" 2> "$work/server.err" &
    server=$!
    for _ in $(seq 100); do grep -q ready "$work/server.out" && break; sleep 0.05; done
    timeout 30 "$build/bench/bench_end" client -f "$work/client.conf" --wait sleeping --server "${address[0]}" \
        --client "${address[1]}" --seconds 1 "$@" > /dev/null 2> "$work/client.err" ||
        {
            echo "the training over memif failed; the client: $(tail -n 1 "$work/client.err")" >&2
            echo "the server: $(tail -n 1 "$work/server.err")" >&2
            kill "$server" 2> /dev/null || true
            exit 1
        }
    kill "$server" 2> /dev/null || true
    wait "$server" 2> /dev/null || true
}

train() {
    local close
    # LD_PRELOAD takes no path with a space or a colon, which that of the checkout may have.
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    ln -s "$build/bench/libbench_stepping_clock.so" "$work/clock.so"
    for close in client server reset; do both_ends --measured 60000 --close "$close" --concurrency 256; done
    both_ends --measured 60000 --form batch --concurrency 64
    both_ends --measured 30000 --no-checksums
    both_ends --measured 60000 --layer ip
    both_ends --measured 200000 --messages 0 --concurrency 1000 --in-flight 64
    both_ends --measured 2000 --messages 16 --response 8192
    both_ends --seconds 0.5 --flow download --messages 0 --concurrency 1
    both_ends --seconds 0.5 --flow upload --messages 0 --concurrency 4
    over_memif ip --concurrency 256
    over_memif ip --concurrency 64 --messages 0
    over_memif ethernet --concurrency 256
}

mkdir -p build
if [[ ! -e $stamp || $(cat "$stamp") != "$state" ]]; then
    printf '\033[1m== building fast: first to be trained\033[0m\n'
    rm -f "$stamp"
    [[ ! -d $build ]] || find "$build" -name '*.gcda' -delete
    configure generate
    cmake --build --preset fast -j "$jobs" --target bench_both_ends bench_end bench_stepping_clock
    printf '\033[1m== training, about 15 s\033[0m\n'
    train
    configure use
    printf '%s\n' "$state" > "$stamp"
fi
printf '\033[1m== building fast\033[0m\n'
cmake --build --preset fast -j "$jobs" "$@"
