#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Memif against DPDK's own driver: dpdk-testpmd as master and as slave, in three forwarding modes.
# usage: memif_testpmd.sh [PATH/TO/memif_testpmd_peer]     exit 77: skipped, with the reason
# Without an argument the program is looked for in $MTCP_BUILD.
set -u

peer=${1:-${MTCP_BUILD:-build/release}/tests/system/memif_testpmd_peer}
frames=10000
limit=${MEMIF_TESTPMD_LIMIT:-25} # seconds, for any one program

if [ ! -x "$peer" ]; then
    echo "no program $peer: build the target memif_testpmd_peer"
    exit 2
fi
if ! command -v dpdk-testpmd >/dev/null; then
    echo "skipped: dpdk-testpmd is not installed (apt-get install dpdk-dev librte-net-memif23)"
    exit 77
fi

directory=$(mktemp -d)
testpmd=
finish() {
    [ -n "$testpmd" ] && kill -9 "$testpmd" 2>/dev/null
    exec 9>&-
    rm -rf "$directory"
    rm -rf "${XDG_RUNTIME_DIR:-/var/run}/dpdk/mtcp_test_$$" "/tmp/dpdk/mtcp_test_$$"
}
trap finish EXIT

# testpmd forwards until its standard input has something to read or ends.
mkfifo "$directory/input"
exec 9<>"$directory/input"

start_testpmd() { # role mode rings vdev-arguments
    # Without --no-flush-rx it throws away what arrives before forwarding begins.
    dpdk-testpmd --no-huge -m 256 --lcores 0@0,1@0 --no-pci --file-prefix "mtcp_test_$$" \
        --vdev="net_memif0,role=$1,id=0,$4" -- --forward-mode="$2" --auto-start --nb-cores=1 \
        --no-flush-rx --rxq="$3" --txq="$3" --total-num-mbufs=8192 <"$directory/input" 9>&- \
        >"$directory/testpmd.log" 2>&1 &
    testpmd=$!
}

stop_testpmd() {
    kill -9 "$testpmd" 2>/dev/null
    wait "$testpmd" 2>/dev/null
    testpmd=
}

check() { # our-role mode rings socket-of-ours vdev-arguments
    local theirs=server
    [ "$1" = master ] && theirs=client
    echo "== we are $1, testpmd is $theirs, mode $2, $3 ring(s), socket $4"
    if [ "$1" = master ]; then
        # A DPDK client does not try again: the master has to be there first.
        timeout "$limit" "$peer" master "$4" "$3" "$2" "$frames" &
        local ours=$!
        sleep 0.2
        start_testpmd "$theirs" "$2" "$3" "$5"
        wait "$ours"
    else
        start_testpmd "$theirs" "$2" "$3" "$5"
        timeout "$limit" "$peer" slave "$4" "$3" "$2" "$frames"
    fi
    local result=$?
    if [ "$result" -ne 0 ]; then
        echo "FAILED with status $result; testpmd said:"
        tr -d '\000' <"$directory/testpmd.log" | tail -20
        exit 1
    fi
    stop_testpmd
}

path=$directory/memif.sock
check master io 1 "$path" "socket=$path,socket-abstract=no"
check slave macswap 2 "$path" "socket=$path,socket-abstract=no"
rm -f "$path" # the killed testpmd left it
check slave icmpecho 1 "@mtcp_test_$$" "socket=mtcp_test_$$"
check master icmpecho 2 "@mtcp_test_$$" "socket=mtcp_test_$$,rsize=8,secret="
echo "all of it"
