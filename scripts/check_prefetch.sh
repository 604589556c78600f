#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check_prefetch.sh BUILD_DIR: the prefetches that the sources ask for are in the machine code. A compiler may
# leave out what has no effect that it knows of; nothing but speed over many connections would tell.
set -euo pipefail

build=${1:?usage: check_prefetch.sh BUILD_DIR}
[[ $(uname -m) == x86_64 ]] || { echo "prefetch: only looked for on x86-64"; exit 0; }

object=$(mktemp)
trap 'rm -f "$object"' EXIT
status=0
while read -r archive member instruction least; do
    [[ -f $build/$archive ]] || { echo "prefetch: $build/$archive is not built"; exit 1; }
    ar p "$build/$archive" "$member" >"$object"
    found=$(objdump -d --no-show-raw-insn "$object" | grep -cP "\t$instruction" || true)
    ((found >= least)) && continue
    echo "prefetch: $found $instruction in $member, $least or more are asked for"
    status=1
done <<'END'
libmtcp_stack.a receive.cc.o prefetch 3
libmtcp_stack.a receive.cc.o prefetchw 2
libmtcp_stack.a requests.cc.o prefetchw 2
libmtcp_stack.a turn.cc.o prefetchw 2
libmtcp_stack.a transmit.cc.o prefetchw 1
libmtcp_socket.a application.cc.o prefetchw 1
libmtcp_io.a guest_link.cc.o prefetchw 2
libmtcp_io.a owner_link.cc.o prefetchw 2
END
((status == 0)) && echo "prefetch: in the machine code wherever it is asked for"
exit $status
