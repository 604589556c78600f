#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# command_line_test.sh WEB_CLIENT WEB_SERVER [WEB_CLIENT WEB_SERVER]: on the kernel, then on mtcp; what is asked
# wrongly is refused.
set -uo pipefail
client=$1 server=$2 failed=0 serving=
work=$(mktemp -d) && cd "$work" || exit 1
trap '[[ -z $serving ]] || kill $serving 2> /dev/null; rm -r "$work"' EXIT
fail() { failed=1; printf 'FAILED: %s\n' "$*"; }

# ends_with STATUS WORD COMMAND...: with WORD in what it says
ends_with() {
    local status=$1 word=$2 text
    shift 2
    text=$(timeout 20 "$@" 2>&1 < /dev/null)
    [[ $? == "$status" ]] || fail "$*: not status $status"
    [[ $text == *"$word"* ]] || fail "$*: no '$word' in: $text"
}

# A regular file whose first read fails, for root too.
ends_with 2 'cannot read /proc/self/mem: Input/output error' \
    "$client" http://127.0.0.1:1/ -n 1 --compare /proc/self/mem
ends_with 1 '1 x connection refused' "$client" http://127.0.0.1:1/ -n 1

# A result that cannot be written is an error, of a run that went well, too.
for port in $((20000 + RANDOM % 10000)) $((20000 + RANDOM % 10000)) $((20000 + RANDOM % 10000)); do
    "$server" --address 127.0.0.1 --port $port --respond-64 > /dev/full 2> server.log &
    serving=$!
    for ((i = 0; i < 100; ++i)); do
        timeout 20 "$client" http://127.0.0.1:$port/ -n 1 -q > /dev/null 2>&1 && break 2
        kill -0 $serving 2> /dev/null || break  # another program has the port
        sleep 0.1
    done
done
for more in "" "--json -"; do  # without quotes below: two words
    timeout 20 "$client" http://127.0.0.1:$port/ -n 1 -q $more > /dev/full 2> client.log
    [[ $? == 1 ]] || fail "web_client $more: a full disk is not noticed"
    grep -q 'web_client: cannot write the output: No space left' client.log || fail "$(< client.log)"
done
kill $serving
wait $serving
status=$?
serving=
[[ $status == 1 ]] || fail "web_server: a full disk is not noticed"
grep -q 'web_server: cannot write the output: No space left' server.log || fail "$(< server.log)"

# What it says of its rates is lost with the disk that is full, and it serves on.
"$server" --address 127.0.0.1 --port $port --respond-64 --stats > stats.log 2> /dev/full &
serving=$!
sleep 2.5
timeout 20 "$client" http://127.0.0.1:$port/ -n 1 -q > /dev/null 2>&1 || fail "web_server --stats: ended with its disk"
kill $serving
wait $serving || fail "web_server --stats: status $?"
serving=

# More cores than there are: the configuration has one.
if (($# == 4)); then
    printf 'io = link\naddress = 10.0.0.2/24\nnum_cores = 1\nbuffer_memory = 16m\n' > one.conf
    for which in client server; do
        program=("$4")
        [[ $which == server ]] || program=("$3" http://10.0.0.2/)
        refused=$(timeout 20 "${program[@]}" -N 3 -f one.conf 2>&1)
        [[ $? == 1 ]] || fail "$which -N 3: not status 1"
        [[ $(grep -c '^web_.*: the stack has 1 cores (mend: raise num_cores)' <<< "$refused") == 1 ]] || fail "$refused"
        timeout 20 "${program[@]}" -N 65 -f one.conf > /dev/null 2>&1 && fail "$which -N 65 is taken"
    done
fi
((failed == 0))
