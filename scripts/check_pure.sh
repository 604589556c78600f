#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check_pure.sh BUILD_DIR: what the TCP library needs from outside, compared with a short list. The
# undefined symbols are followed through wire/ and base/, member by member, so that a clock or an allocator
# cannot enter by a detour.
set -euo pipefail

build=${1:?usage: check_pure.sh BUILD_DIR}
[[ -f $build/libmtcp_tcp.a ]] || { echo "pure: $build/libmtcp_tcp.a is not built"; exit 1; }

archives=()
for room in tcp wire base; do
    [[ -f $build/libmtcp_$room.a ]] && archives+=("$build/libmtcp_$room.a")
done

# Lines of nm -A: ARCHIVE:MEMBER:[address] TYPE SYMBOL
nm -A "${archives[@]}" 2>/dev/null | awk '
    function allowed(symbol) {
        # Memory moves, the assertion handler, the stack protector, the tables of position-independent code.
        return symbol ~ /^(memcpy|memmove|memset|memcmp|bcmp|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_)$/ ||
               symbol ~ /assertion_failed/
    }
    {
        if (NF < 3) next
        split($1, part, ":"); member = part[1] ":" part[2]; type = $(NF - 1); symbol = $NF
        if (type == "U") needs[member] = needs[member] " " symbol
        else if (type ~ /^[TWVRDBu]$/ && !(symbol in home)) home[symbol] = member
        if (part[1] ~ /libmtcp_tcp\.a$/ && !(member in seen)) { seen[member] = 1; queue[++last] = member }
    }
    END {
        for (i = 1; i <= last; i++) {
            count = split(needs[queue[i]], symbols, " ")
            for (j = 1; j <= count; j++) {
                symbol = symbols[j]
                if (allowed(symbol)) continue
                if (symbol in home) {
                    if (!(home[symbol] in seen)) { seen[home[symbol]] = 1; queue[++last] = home[symbol] }
                } else if (!((queue[i], symbol) in told)) {
                    told[queue[i], symbol] = 1; bad++
                    sub(/.*\//, "", queue[i])
                    printf "pure: %s needs %s\n", queue[i], symbol
                }
            }
        }
        if (bad) exit 1
        printf "pure: %d object files behind tcp/ reach no clock, no allocator, no frame\n", last
    }' | c++filt
