#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `mtcp bridge` between two kernels: packet sockets on veth, then a tap; pings lost at the rate asked
# for, and TCP getting every byte through. Usage: bridge_test.sh PATH-OF-MTCP
set -euo pipefail

if [ "${1:-}" != inside ]; then
    for tool in ip ping python3 unshare; do
        command -v $tool >/dev/null || { echo "skipped: $tool is missing"; exit 77; }
    done
    unshare --net --mount --pid --fork --kill-child true 2>/dev/null ||
        { echo "skipped: needs root"; exit 77; }
    exec unshare --net --mount --pid --fork --kill-child "$0" inside "$1"
fi
mtcp=$2
bridge=
fail() { echo "FAILED: $*"; exit 1; }

# Everything below lives in namespaces that vanish with this process.
mount -t tmpfs none /run
mkdir /run/netns
ip link set lo up
for side in a b; do
    ip netns add $side
    ip link add v$side type veth peer name p$side
    ip link set p$side netns $side
    ip link set v$side up
    ip -n $side link set p$side up
    ip -n $side link set lo up
done
ip -n a addr add 10.9.0.1/24 dev pa
ip -n b addr add 10.9.0.2/24 dev pb

start() { "$mtcp" bridge "$@" > /run/summary & bridge=$!; sleep 0.5; }
stop() { kill $bridge; wait $bridge || fail "the bridge ended with $?"; cat /run/summary; }
# out_is_in_less_losses LINE: what left is what came, without what was lost.
out_is_in_less_losses() {
    python3 - "$1" <<'EOF' || fail "the counts: $1"
import re, sys
n = {name: int(count) for count, name in re.findall(r"(\d+) (frames in|out|lost|over queue)\b", sys.argv[1])}
sys.exit(n["lost"] == 0 or n["out"] != n["frames in"] - n["lost"] - n["over queue"])
EOF
}
# Percent of lost pings from namespace a to b.
ping_loss() {
    ip netns exec a ping -q -c "$1" -i 0.002 -W 1 10.9.0.2 | sed -n 's/.* \([0-9.]*\)% packet loss.*/\1/p'
}
# transfer BYTES [PREFIX-OF-COMMAND]: a server in b sends back what it gets.
transfer() {
    local bytes=$1 server
    shift
    ip netns exec b python3 - <<'EOF' &
import socket
server = socket.create_server(("10.9.0.2", 8000))
peer, _ = server.accept()
while data := peer.recv(65536):
    peer.sendall(data)
EOF
    server=$!
    sleep 0.5
    "$@" python3 - "$bytes" <<'EOF' || fail "a transfer of $bytes bytes"
import os, socket, sys, threading
sent = os.urandom(int(sys.argv[1]))
peer = socket.create_connection(("10.9.0.2", 8000), timeout=60)
def write():
    peer.sendall(sent)
    peer.shutdown(socket.SHUT_WR)
threading.Thread(target=write).start()
got = bytearray()
while data := peer.recv(65536):
    got += data
sys.exit(0 if got == sent else f"{len(got)} of {len(sent)} bytes, or wrong ones")
EOF
    wait $server || fail "the server of the transfer"
}

echo "== without faults"
start va vb
[ "$(ping_loss 20)" = 0 ] || fail "pings were lost"
transfer 20000000 ip netns exec a
stop

echo "== 10 % loss from a to b"
start va vb --faults "loss=10% seed=3"
loss=$(ping_loss 500)
python3 -c "import sys; sys.exit(not 6 < float('$loss') < 14)" || fail "$loss % of the pings were lost"
ping_loss 200 > /dev/null
stop
out_is_in_less_losses "$(grep 'A to B' /run/summary)"
start va vb --faults "loss=10% seed=3"
transfer 300000 ip netns exec a
stop

echo "== every fault, both ways"
faults="loss=1% duplicate=1% reorder=2% corrupt=0.5% delay=2ms jitter=1ms rate=100mbit queue=128k mark=1k"
start va vb --faults "$faults" --faults-back "$faults"
transfer 1000000 ip netns exec a
stop
grep -q 'A to B.* held, [0-9]* marked' /run/summary || fail "marks are not told"

echo "== a tap"
start tap:bridge0,kernel_address=10.9.0.3/24 vb
ping -q -c 3 -i 0.1 10.9.0.2 >/dev/null || fail "no answer over the tap"
transfer 20000000 env
stop
echo "passed"
