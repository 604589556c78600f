#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# command_line_test.sh PATH-OF-MTCP [PATH-OF-WEB_SERVER]: the help names what there is, and what is asked wrongly is refused.
set -uo pipefail
mtcp=$1 failed=0
fail() { failed=1; printf 'FAILED: %s\n' "$*"; }

says() {  # WORD ARGUMENTS...
    local word=$1 text
    shift
    text=$("$mtcp" "$@" 2>&1 < /dev/null)
    [[ $text == *"$word"* ]] || fail "mtcp $*: no '$word' in: $text"
}
refuses() {
    if timeout 10 "$mtcp" "$@" > /dev/null 2>&1 < /dev/null; then fail "mtcp $* ends with 0"; fi
}

says kernel_address=ADDRESS/LENGTH bridge --help
says trust=untrusted bridge --help
says mark bridge --help
says 'no such subcommand: nonsense' nonsense
says 'mtcp 0.' --version
says 'queues, and one is served' bridge memif:/tmp/a.sock,queues=2 link:a
says "use the interface's name alone: eth0" bridge af_xdp:eth0 link:a
refuses bridge af_xdp:eth0 link:a
refuses bridge link:a,queues=2 link:a
refuses nonsense
refuses stat --watch
refuses stat --rounds -1 1
refuses bridge link:a link:a --seconds 1e30
[[ ! -e /dev/full ]] || { "$mtcp" stat > /dev/full 2> /dev/null && fail "a full disk is not noticed"; }
if [[ -e /dev/full ]]; then
    "$mtcp" nonsense 2> /dev/full
    (($? == 2)) || fail "a full stderr ends the program"
fi
# More than a buffer of counters: fmt notices that it cannot be written, not flush.
if [[ -e /dev/full && -x ${2:-} ]]; then
    folder=$(mktemp -d)
    printf 'io = link\nnum_cores = 2\naddress = 10.0.0.1/24\n' > "$folder/mtcp.conf"
    "$2" -p "$folder" -f "$folder/mtcp.conf" -N 2 > "$folder/log" 2>&1 &
    server=$! size=0
    for ((i = 0; i < 100; ++i)); do
        size=$("$mtcp" stat $server --json 2> /dev/null | wc -c)
        ((size == 0)) || break
        sleep 0.05
    done
    ((size > 4096)) || fail "only $size bytes of counters: $(cat "$folder/log")"
    text=$("$mtcp" stat $server --json 2>&1 > /dev/full)
    status=$?
    [[ $status == 1 && $text == "mtcp: cannot write the output: "* ]] ||
        fail "much output to a full disk: status $status, $text"
    kill $server
    wait $server
    rm -r "$folder"
fi
((failed == 0))
