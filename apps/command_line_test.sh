#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# command_line_test.sh WEB_CLIENT WEB_SERVER (both on the kernel): what is asked wrongly is refused.
set -uo pipefail
client=$1 server=$2 failed=0
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
ends_with 0 Usage "$server" --help
((failed == 0))
